//! Names of objects as text: quoting, qualified names in strings, and what the reg* types read and print.

use super::CatalogReader;
use super::text_search::TsObject;
use crate::builtin::columns::{pg_collation, pg_enum};
use crate::builtin::operators::{self, ListedOperator};
use crate::builtin::procs::{self, ListedProc};
use crate::cache::Touched;
use crate::defs::TypeKind;
use crate::keywords::{Reservation, reservation};
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_storage::Snapshot;
use quarry_types::io::RegKind;
use quarry_types::registry::TypeInfo;
use quarry_types::typename::lookup_type_alias;
use quarry_types::{Datum, ObjectNames, SqlType, TypeRef, oids};
use std::sync::Arc;

/// Quotes an identifier where SQL needs it.
pub fn quote_identifier(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = matches!(bytes.next(), Some(b'a'..=b'z' | b'_'))
        && bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && matches!(reservation(name), None | Some(Reservation::Unreserved));
    if plain && !quarry_common::quoting::quote_all() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// `schema.name`, quoted.
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// Splits text such as ` A . "B c" ` into names, folding unquoted ones; none if it is no qualified name.
pub(crate) fn split_qualified(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let name;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut out = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next()? {
                    (i, '"') if quoted[i + 1..].starts_with('"') => {
                        out.push('"');
                        chars.next();
                    }
                    (i, '"') => break i + 1,
                    (_, c) => out.push(c),
                }
            };
            if out.is_empty() {
                return None;
            }
            rest = &quoted[end..];
            name = out;
        } else {
            let end =
                rest.find(|c: char| c == '.' || c == '"' || c.is_ascii_whitespace()).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            name = rest[..end].to_lowercase();
            rest = &rest[end..];
        }
        let mut cut = name.len().min(63);
        while !name.is_char_boundary(cut) {
            cut -= 1;
        }
        parts.push(name[..cut].to_owned());
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix('.')?.trim_start();
    }
}

fn parse_name(text: &str) -> Result<Vec<String>> {
    split_qualified(text).ok_or_else(|| err!(INVALID_NAME, "invalid name syntax"))
}

/// `name(type, type)` split into the name and the types' texts.
fn split_signature(text: &str) -> Result<(&str, Vec<&str>)> {
    let Some(open) = text.find('(') else {
        bail!(INVALID_TEXT_REPRESENTATION, "expected a left parenthesis")
    };
    let inner = text[open + 1..].trim_end();
    let Some(inner) = inner.strip_suffix(')') else {
        bail!(INVALID_TEXT_REPRESENTATION, "expected a right parenthesis")
    };
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start) = (0, false, 0);
    for (i, c) in inner.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(inner[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !inner.trim().is_empty() {
        parts.push(inner[start..].trim());
    }
    Ok((text[..open].trim(), parts))
}

impl CatalogReader {
    /// The type that text such as `character varying(10)[]` or `s."T"` names.
    pub fn parse_type(&self, text: &str) -> Result<SqlType> {
        let mut name = text.trim();
        let mut array = false;
        loop {
            if let Some(open) = name.strip_suffix(']').and_then(|n| n.rfind('[').map(|i| (i, n)))
                && open.1[open.0 + 1..].trim().chars().all(|c| c.is_ascii_digit())
            {
                name = name[..open.0].trim_end();
                array = true;
                continue;
            }
            break;
        }
        // A modifier may stand before the last words: "timestamp(3) with time zone".
        let mut modifier: Vec<&str> = Vec::new();
        let mut plain = name.to_owned();
        if let (Some(open), Some(close)) = (name.find('('), name.rfind(')'))
            && open < close
            && !name[..open].contains('"')
        {
            modifier = name[open + 1..close].split(',').map(str::trim).collect();
            plain = format!("{}{}", name[..open].trim_end(), &name[close + 1..]);
        }
        let folded = plain.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let oid = match lookup_type_alias(&folded) {
            Some(oid) => Some(oid),
            None => {
                let parts = split_qualified(&plain)
                    .ok_or_else(|| err!(SYNTAX_ERROR, "invalid type name \"{text}\""))?;
                self.find_type(&parts)?
            }
        };
        let Some(oid) = oid else { bail!(UNDEFINED_OBJECT, "type \"{text}\" does not exist") };
        let info = self.type_ref(oid)?;
        let mut typmod = match (&modifier[..], info.functions.typmod_in) {
            ([], _) => -1,
            (m, Some(f)) => f(m)?,
            (_, None) => bail!(SYNTAX_ERROR, "type modifier is not allowed for type \"{folded}\""),
        };
        if typmod == -1 && oid == oids::BPCHAR && folded != "bpchar" {
            typmod = 5;
        }
        if !array {
            return Ok(SqlType { oid, typmod });
        }
        if !info.array.is_valid() {
            bail!(UNDEFINED_OBJECT, "could not find array type for data type {}", self.type_name(oid)?);
        }
        Ok(SqlType { oid: info.array, typmod })
    }

    /// `name(type,...)` of a built-in function.
    pub fn format_procedure(&self, name: &str, args: &[Oid]) -> Result<String> {
        let args = args.iter().map(|a| self.type_name(*a)).collect::<Result<Vec<_>>>()?;
        Ok(format!("{}({})", quote_identifier(name), args.join(",")))
    }
    /// `+(type,type)` of a built-in operator.
    pub fn format_operator(&self, o: &ListedOperator) -> Result<String> {
        let side = |oid: Oid| if oid.is_valid() { self.type_name(oid) } else { Ok("NONE".into()) };
        Ok(format!("{}({},{})", o.name, side(o.left)?, side(o.right)?))
    }
    /// A relation's name, qualified if the name alone doesn't find it.
    pub fn relation_name(&self, oid: Oid) -> Result<Option<String>> {
        let Some(r) = self.relation(oid)? else { return Ok(None) };
        Ok(Some(match self.is_visible_relation(oid)? {
            Some(true) => quote_identifier(&r.name),
            _ => quote_qualified(&r.schema_name, &r.name),
        }))
    }
    /// A collation's name by OID.
    pub fn collation_name(&self, oid: Oid) -> Result<Option<String>> {
        let row = self.find_one(&self.snapshot(), pg_collation::TABLE, 3085, &[oid_datum(oid)])?;
        Ok(row.map(|(_, r)| r.string(pg_collation::COLLNAME)))
    }
    /// The collation that a name means; 42704 if there is none.
    pub fn resolve_collation<S: AsRef<str>>(&self, parts: &[S], pos: Option<usize>) -> Result<Oid> {
        let name = parts.last().map_or("", |p| p.as_ref());
        let elsewhere = parts.len() > 1 && !matches!(parts[0].as_ref(), "pg_catalog");
        if elsewhere {
            self.resolve_schema(parts[0].as_ref(), pos)?;
        }
        for (_, r) in self.find(&self.snapshot(), pg_collation::TABLE, 3164, &[Datum::text(name)])? {
            let encoding = r.i32(pg_collation::COLLENCODING);
            if !elsewhere && (encoding == -1 || encoding == 6) {
                return Ok(r.oid(pg_collation::OID));
            }
        }
        let shown = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
        Err(super::relations::at(
            err!(UNDEFINED_OBJECT, "collation \"{shown}\" for encoding \"UTF8\" does not exist"),
            pos,
        ))
    }

    fn listed_procs(&self, schema: Option<&str>, name: &str) -> Result<Vec<&'static ListedProc>> {
        Ok(if self.function_schema(schema)? { procs::procs_named(name).collect() } else { vec![] })
    }
    fn listed_operators(&self, schema: Option<&str>, name: &str) -> Result<Vec<&'static ListedOperator>> {
        Ok(if self.function_schema(schema)? { operators::operators_named(name) } else { vec![] })
    }
    fn reg_proc(&self, text: &str) -> Result<Oid> {
        let parts = parse_name(text)?;
        let (schema, name) = self.split_name(&parts, false)?;
        let found: Vec<_> = self.listed_procs(schema, name)?;
        match &found[..] {
            [] => bail!(UNDEFINED_FUNCTION, "function \"{text}\" does not exist"),
            [one] => Ok(one.oid),
            _ => bail!(AMBIGUOUS_FUNCTION, "more than one function named \"{text}\""),
        }
    }
    fn reg_types(&self, texts: &[&str]) -> Result<Vec<Oid>> {
        texts
            .iter()
            .map(|t| {
                if t.eq_ignore_ascii_case("none") {
                    Ok(Oid::INVALID)
                } else {
                    self.parse_type(t).map(|t| t.oid)
                }
            })
            .collect()
    }
    fn reg_procedure(&self, text: &str) -> Result<Oid> {
        let (name, types) = split_signature(text)?;
        let parts = parse_name(name)?;
        let (schema, name) = self.split_name(&parts, false)?;
        let types = self.reg_types(&types)?;
        match self.listed_procs(schema, name)?.iter().find(|f| f.args == types) {
            Some(f) => Ok(f.oid),
            None => match self.extension_functions(schema, name)?.iter().find(|f| f.args == types) {
                Some(f) => Ok(f.oid),
                None => bail!(UNDEFINED_FUNCTION, "function \"{text}\" does not exist"),
            },
        }
    }
    fn operator_name(&self, text: &str) -> Result<(Option<String>, String)> {
        match text.rsplit_once('.') {
            Some((schema, op)) => Ok((parse_name(schema)?.pop(), op.to_owned())),
            None => Ok((None, text.trim().to_owned())),
        }
    }
    fn reg_oper(&self, text: &str) -> Result<Oid> {
        let (schema, name) = self.operator_name(text)?;
        match &self.listed_operators(schema.as_deref(), &name)?[..] {
            [] => bail!(UNDEFINED_FUNCTION, "operator does not exist: {text}"),
            [one] => Ok(one.oid),
            _ => bail!(AMBIGUOUS_FUNCTION, "more than one operator named {text}"),
        }
    }
    fn reg_operator(&self, text: &str) -> Result<Oid> {
        let (name, types) = split_signature(text)?;
        let (schema, name) = self.operator_name(name)?;
        let types = self.reg_types(&types)?;
        let [left, right] = types[..] else {
            return Err(match types.len() {
                0 | 1 => err!(UNDEFINED_PARAMETER, "missing argument")
                    .hint("Use NONE to denote the missing argument of a unary operator."),
                _ => err!(TOO_MANY_ARGUMENTS, "too many arguments")
                    .hint("Provide two argument types for operator."),
            });
        };
        match self
            .listed_operators(schema.as_deref(), &name)?
            .iter()
            .find(|o| o.left == left && o.right == right)
        {
            Some(o) => Ok(o.oid),
            None => bail!(UNDEFINED_FUNCTION, "operator does not exist: {text}"),
        }
    }
    fn reg_class(&self, text: &str) -> Result<Oid> {
        let parts = parse_name(text)?;
        Ok(self.resolve_relation_strict(&parts, None)?.oid)
    }
    fn reg_single(&self, text: &str) -> Result<String> {
        match parse_name(text)?.as_slice() {
            [one] => Ok(one.clone()),
            _ => bail!(INVALID_NAME, "invalid name syntax"),
        }
    }

    fn reg_name(&self, kind: RegKind, oid: Oid) -> Result<Option<String>> {
        Ok(match kind {
            RegKind::Class => self.relation_name(oid)?,
            RegKind::Type if quarry_types::type_info(oid).is_some() => Some(self.type_name(oid)?),
            RegKind::Type => self.user_type_name(oid)?,
            // A name that several share is qualified.
            RegKind::Proc => match procs::listed_proc(oid) {
                Some(p) if procs::procs_named(p.name).count() == 1 => Some(quote_identifier(p.name)),
                Some(p) => Some(quote_qualified("pg_catalog", p.name)),
                None => self.extension_proc_name(oid)?,
            },
            RegKind::Procedure => match procs::listed_proc(oid) {
                Some(p) => Some(self.format_procedure(p.name, &p.args)?),
                None => self.extension_function_name(oid)?,
            },
            RegKind::Oper => {
                operators::listed_operator(oid).map(|o| match operators::operators_named(o.name).len() {
                    1 => o.name.to_owned(),
                    _ => format!("pg_catalog.{}", o.name),
                })
            }
            RegKind::Operator => match operators::listed_operator(oid) {
                Some(o) => Some(self.format_operator(o)?),
                None => None,
            },
            RegKind::Namespace => self.schema(oid)?.map(|s| quote_identifier(&s.name)),
            RegKind::Role => self.role(oid)?.map(|r| quote_identifier(&r.name)),
            RegKind::Collation => self.collation_name(oid)?.map(|n| quote_identifier(&n)),
            RegKind::Config => self.ts_reg_name(TsObject::Configuration, oid)?,
            RegKind::Dictionary => self.ts_reg_name(TsObject::Dictionary, oid)?,
        })
    }
}

impl ObjectNames for CatalogReader {
    fn reg_in(&self, kind: RegKind, text: &str) -> Result<Oid> {
        match kind {
            RegKind::Class => self.reg_class(text),
            RegKind::Type => Ok(self.parse_type(text)?.oid),
            RegKind::Proc => self.reg_proc(text),
            RegKind::Procedure => self.reg_procedure(text),
            RegKind::Oper => self.reg_oper(text),
            RegKind::Operator => self.reg_operator(text),
            RegKind::Namespace => {
                let name = self.reg_single(text)?;
                match self.schema_oid(&name)? {
                    Some(oid) => Ok(oid),
                    None => bail!(UNDEFINED_SCHEMA, "schema \"{name}\" does not exist"),
                }
            }
            RegKind::Role => Ok(self.resolve_role(&self.reg_single(text)?)?.oid),
            RegKind::Collation => self.resolve_collation(&parse_name(text)?, None),
            RegKind::Config => self.resolve_ts(TsObject::Configuration, &parse_name(text)?),
            RegKind::Dictionary => self.resolve_ts(TsObject::Dictionary, &parse_name(text)?),
        }
    }
    fn reg_out(&self, kind: RegKind, oid: Oid) -> Option<String> {
        self.reg_name(kind, oid).ok().flatten()
    }
    fn user_type(&self, oid: Oid) -> Result<Arc<TypeInfo>> {
        match self.type_ref(oid)? {
            TypeRef::User(t) => Ok(t),
            TypeRef::Builtin(t) => Ok(Arc::new(t.clone())),
        }
    }
    fn enum_label(&self, value: Oid) -> Result<String> {
        let load = |snap: &Snapshot| -> Result<Option<Arc<str>>> {
            let row = self.find_one(snap, pg_enum::TABLE, 3502, &[oid_datum(value)])?;
            Ok(row.map(|(_, r)| Arc::from(r.str(pg_enum::ENUMLABEL))))
        };
        // What a transaction touches is known by type, not by value: one with changes reads for itself.
        let label = match self.overlay() {
            Some(_) => load(&self.snapshot())?,
            None => self.cached(&self.db, |c| &c.enum_labels, &value, || Touched::All, load)?,
        };
        match label {
            Some(l) => Ok(l.to_string()),
            None => bail!(INVALID_BINARY_REPRESENTATION, "invalid internal value for enum: {value}"),
        }
    }
    fn enum_value(&self, enum_type: Oid, label: &str) -> Result<Oid> {
        let Some(def) = self.type_def(enum_type)? else { return Err(Error::internal("no such enum")) };
        if let TypeKind::Enum { labels } = &def.kind
            && let Some(l) = labels.iter().find(|l| l.2 == label)
        {
            return Ok(l.0);
        }
        let shown = self.type_name(enum_type)?;
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input value for enum {shown}: \"{label}\"")
    }
    fn enum_values(&self, enum_type: Oid) -> Result<Vec<Oid>> {
        match self.type_def(enum_type)?.map(|d| d.kind.clone()) {
            Some(TypeKind::Enum { labels }) => Ok(labels.iter().map(|l| l.0).collect()),
            _ => Err(Error::internal("no such enum")),
        }
    }
    fn composite_columns(&self, composite: Oid) -> Result<Arc<[SqlType]>> {
        let relation = match self.type_def(composite)?.map(|d| d.kind.clone()) {
            Some(TypeKind::Composite { relation }) => self.relation(relation)?,
            _ => None,
        };
        match relation {
            Some(r) => Ok(r.columns.iter().filter(|c| !c.dropped).map(|c| c.ty).collect()),
            None => Err(Error::internal(format!("type {composite} is not composite"))),
        }
    }
    fn column_names(&self, row: SqlType) -> Option<Arc<[String]>> {
        let def = self.type_def(row.oid).ok().flatten()?;
        let TypeKind::Composite { relation } = def.kind else { return None };
        let relation = self.relation(relation).ok().flatten()?;
        Some(relation.columns.iter().filter(|c| !c.dropped).map(|c| c.name.clone()).collect())
    }
    fn check_domain(&self, domain: Oid, value: &Datum) -> Result<()> {
        match &self.domains {
            Some(rules) => rules.check(self, domain, value),
            None => Ok(()),
        }
    }
    fn domain_base(&self, oid: Oid) -> Result<Option<SqlType>> {
        let base = self.base_type(SqlType::of(oid))?;
        Ok((base.oid != oid).then_some(base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        for (name, quoted) in [
            ("abc", "abc"),
            ("Abc", "\"Abc\""),
            ("select", "\"select\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("int", "\"int\""),
            ("zone", "zone"),
            ("1a", "\"1a\""),
            ("a$", "\"a$\""),
        ] {
            assert_eq!(quote_identifier(name), quoted);
        }
    }

    #[test]
    fn qualified_names_in_text() {
        let split = |t: &str| split_qualified(t).map(|p| p.join("|"));
        assert_eq!(split(" A . \"B c\" ").as_deref(), Some("a|B c"));
        assert_eq!(split("\"x\"\"y\"").as_deref(), Some("x\"y"));
        assert_eq!(split("a..b"), None);
        assert_eq!(split(""), None);
        assert_eq!(split("a b"), None);
        assert_eq!(split("\"x"), None);
        assert_eq!(split("1a").as_deref(), Some("1a"));
    }
}
