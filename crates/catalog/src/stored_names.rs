//! Names inside stored SQL text.
//!
//! Stored texts must outlive renaming and other search paths, and be shown as PostgreSQL shows its stored trees, with current names:
//! * `'name'::regclass` literals are stored as `'oid'::regclass` ([`CatalogReader::bind_literals`]) and shown with the current name;
//! * objects are stored qualified and shown unqualified where the name alone finds them ([`CatalogReader::display_sql`]);
//! * a renamed column is renamed in the expressions of its table ([`rename_column`]).
//!
//! The texts are what the deparser prints: keywords in upper case or unquoted, one-table expressions with unqualified columns.

use crate::reader::{CatalogReader, quote_identifier};
use quarry_common::{Oid, Result};
use quarry_types::io::{ObjectNames, RegKind};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A bare word, or a quoted identifier.
    Name,
    String,
    Space,
    Other,
}

#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

impl Token<'_> {
    /// An identifier's value.
    fn name(&self) -> String {
        match self.text.strip_prefix('"') {
            Some(q) => q.strip_suffix('"').unwrap_or(q).replace("\"\"", "\""),
            None => self.text.to_ascii_lowercase(),
        }
    }
}

/// Where a quoted run that begins at byte 0 ends, doubled quotes inside.
fn quoted_end(text: &str, quote: u8, escapes: bool) -> usize {
    let b = text.as_bytes();
    let mut i = 1;
    while i < b.len() {
        if escapes && b[i] == b'\\' {
            i += 2;
        } else if b[i] == quote {
            if b.get(i + 1) != Some(&quote) {
                return i + 1;
            }
            i += 2;
        } else {
            i += 1;
        }
    }
    text.len()
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let (kind, len) = match c {
            '\'' => (Kind::String, quoted_end(rest, b'\'', false)),
            'E' if rest[1..].starts_with('\'') => (Kind::String, 1 + quoted_end(&rest[1..], b'\'', true)),
            '"' => (Kind::Name, quoted_end(rest, b'"', false)),
            c if c.is_whitespace() => {
                (Kind::Space, rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len()))
            }
            c if c.is_alphabetic() || c == '_' => {
                (Kind::Name, rest.find(|c: char| !word(c)).unwrap_or(rest.len()))
            }
            c if c.is_ascii_digit() => {
                (Kind::Other, rest.find(|c: char| !word(c) && c != '.').unwrap_or(rest.len()))
            }
            ':' if rest.starts_with("::") => (Kind::Other, 2),
            c => (Kind::Other, c.len_utf8()),
        };
        let len = len.min(rest.len());
        out.push(Token { kind, text: &rest[..len] });
        rest = &rest[len..];
    }
    out
}

/// The neighbour of token `i` that isn't blank.
fn neighbour<'t, 'a>(tokens: &'t [Token<'a>], i: usize, back: bool) -> Option<&'t Token<'a>> {
    let solid = |t: &&Token<'_>| t.kind != Kind::Space;
    if back { tokens[..i].iter().rev().find(solid) } else { tokens[i + 1..].iter().find(solid) }
}

/// Renames a column in an expression over its table alone.
pub(crate) fn rename_column(sql: &str, from: &str, to: &str) -> String {
    let all = tokens(sql);
    let mut out = String::with_capacity(sql.len());
    for (i, t) in all.iter().enumerate() {
        let before = neighbour(&all, i, true).map_or("", |t| t.text);
        let after = neighbour(&all, i, false).map_or("", |t| t.text);
        let is_column = t.kind == Kind::Name
            && t.name() == from
            && !matches!(before, "." | "::" | "COLLATE")
            && !matches!(after, "(" | ".");
        // An unquoted word that is reserved is the keyword, not the column.
        if is_column && (t.text.starts_with('"') || quote_identifier(from) == from) {
            out.push_str(&quote_identifier(to));
        } else {
            out.push_str(t.text);
        }
    }
    out
}

fn reg_kind(name: &str) -> Option<RegKind> {
    Some(match name {
        "regclass" => RegKind::Class,
        "regtype" => RegKind::Type,
        "regproc" => RegKind::Proc,
        "regprocedure" => RegKind::Procedure,
        "regnamespace" => RegKind::Namespace,
        "regrole" => RegKind::Role,
        _ => return None,
    })
}

/// If token `i` is the literal of `'...'::regxxx`: its text and which type.
fn reg_literal(all: &[Token<'_>], i: usize) -> Option<(String, RegKind)> {
    let t = all.get(i)?;
    if t.kind != Kind::String || !t.text.starts_with('\'') || all.get(i + 1)?.text != "::" {
        return None;
    }
    let mut ty = all.get(i + 2)?;
    if ty.name() == "pg_catalog" && all.get(i + 3)?.text == "." {
        ty = all.get(i + 4)?;
    }
    let inner = t.text[1..].strip_suffix('\'')?.replace("''", "'");
    Some((inner, reg_kind(&ty.name())?))
}

impl CatalogReader {
    /// Replaces names in `'name'::regclass` and the like by OIDs, as far as they are found.
    pub(crate) fn bind_literals(&self, sql: &str) -> String {
        if !sql.contains("::reg") && !sql.contains("::pg_catalog.reg") {
            return sql.to_owned();
        }
        let all = tokens(sql);
        let mut out = String::with_capacity(sql.len());
        for (i, t) in all.iter().enumerate() {
            match reg_literal(&all, i) {
                Some((name, kind)) if !name.bytes().all(|b| b.is_ascii_digit()) => {
                    match self.reg_in(kind, &name) {
                        Ok(oid) => out.push_str(&format!("'{oid}'")),
                        Err(_) => out.push_str(t.text),
                    }
                }
                _ => out.push_str(t.text),
            }
        }
        out
    }

    /// A stored text with the current names of objects, qualified where needed.
    pub fn display_sql(&self, sql: &str) -> Result<String> {
        if !sql.contains('.') && !sql.contains("::reg") {
            return Ok(sql.to_owned());
        }
        let all = tokens(sql);
        let mut out = String::with_capacity(sql.len());
        let mut i = 0;
        while let Some(t) = all.get(i) {
            if let Some((oid, kind)) = reg_literal(&all, i)
                && let Some(name) = oid.parse().ok().and_then(|o| self.reg_out(kind, Oid(o)))
            {
                out.push_str(&format!("'{}'", name.replace('\'', "''")));
            } else if self.is_needless_schema(&all, i)? {
                // Skip the name and the dot.
                i += 1;
            } else {
                out.push_str(t.text);
            }
            i += 1;
        }
        Ok(out)
    }

    /// Whether token `i` is the schema in `schema.name` and `name` alone would find the same relation or type.
    fn is_needless_schema(&self, all: &[Token<'_>], i: usize) -> Result<bool> {
        let [schema, dot, object] = match all.get(i..i + 3) {
            Some([a, b, c]) => [a, b, c],
            _ => return Ok(false),
        };
        if schema.kind != Kind::Name || dot.text != "." || object.kind != Kind::Name {
            return Ok(false);
        }
        if neighbour(all, i, true).is_some_and(|t| t.text == ".") {
            return Ok(false);
        }
        let Some(schema) = self.schema_oid(&schema.name())? else { return Ok(false) };
        let name = object.name();
        if all.get(i + 3).is_some_and(|t| t.text == "(") {
            return Ok(schema == crate::builtin::oids::PG_CATALOG);
        }
        if let Some(oid) = self.type_in(schema, &name)?
            && neighbour(all, i, true).is_some_and(|t| t.text == "::")
        {
            return Ok(self.is_visible_type(oid)? == Some(true));
        }
        match self.relation_in(schema, &name)? {
            Some(oid) => Ok(self.is_visible_relation(oid)? == Some(true)),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_renamed_and_nothing_else() {
        for (sql, expected) in [
            ("(a > 3)", "(b > 3)"),
            ("((a)::text = 'a'::text)", "((b)::text = 'a'::text)"),
            ("a(a, \"a\", \"A\")", "a(b, b, \"A\")"),
            ("(x.a + a)", "(x.a + b)"),
            ("(c COLLATE a)", "(c COLLATE a)"),
            ("'it''s a'::a", "'it''s a'::a"),
            ("E'a\\'a' || a", "E'a\\'a' || b"),
        ] {
            assert_eq!(rename_column(sql, "a", "b"), expected);
        }
        assert_eq!(rename_column("(\"user\" > user)", "user", "select"), "(\"select\" > user)");
        assert_eq!(rename_column("(\"A b\" > 1)", "A b", "c"), "(c > 1)");
    }

    #[test]
    fn text_survives_tokens() {
        for sql in ["a.b::c(1,2) || 'x' \"y\"\"z\" + 1.5e3 ≠ é", "'open", "\"open", ""] {
            assert_eq!(tokens(sql).iter().map(|t| t.text).collect::<String>(), sql);
        }
    }
}
