//! Types: built-in ones from the registry, others from `pg_type`.

use super::CatalogReader;
use super::relations::at;
use crate::builtin::columns::{pg_constraint, pg_enum, pg_type};
use crate::builtin::oids::PG_CATALOG;
use crate::cache::{NameKey, NameRef, Touched, TypeEntry};
use crate::defs::{TypeDef, TypeKind};
use crate::row::{Row, oid_datum};
use crate::stored::expression_sql;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::registry;
use quarry_functions::{CastDef, FunctionDef, OperatorDef};
use quarry_storage::Snapshot;
use quarry_types::registry::{
    TypeInfo, type_by_name, type_info, user_array, user_composite, user_domain, user_enum,
};
use quarry_types::{Datum, PhysicalType, SqlType, TypeRef};
use std::sync::Arc;

impl CatalogReader {
    fn type_entry(&self, oid: Oid) -> Result<Option<TypeEntry>> {
        self.cached(&self.db, |c| &c.types, &oid, || Touched::Type(oid), |snap| self.load_type(snap, oid))
    }
    /// A type's definition.
    pub fn type_def(&self, oid: Oid) -> Result<Option<Arc<TypeDef>>> {
        Ok(self.type_entry(oid)?.map(|e| e.def))
    }
    /// A type's description as the type registry has it.
    pub fn type_ref(&self, oid: Oid) -> Result<TypeRef> {
        if let Some(t) = type_info(oid) {
            return Ok(TypeRef::Builtin(t));
        }
        match self.type_entry(oid)? {
            Some(e) => Ok(e.info),
            None => Err(Error::internal(format!("cache lookup failed for type {oid}"))),
        }
    }
    /// How a type's values lie.
    pub fn type_physical(&self, oid: Oid) -> Result<PhysicalType> {
        Ok(self.type_ref(oid)?.physical)
    }
    /// A domain's base type with the modifier it fixes; other types unchanged.
    pub fn base_type(&self, ty: SqlType) -> Result<SqlType> {
        if type_info(ty.oid).is_some() {
            return Ok(ty);
        }
        Ok(self.type_ref(ty.oid)?.base.unwrap_or(ty))
    }
    /// A type's OID by schema and `typname`.
    pub fn type_in(&self, schema: Oid, name: &str) -> Result<Option<Oid>> {
        if schema == PG_CATALOG
            && let Some(t) = type_by_name(name)
        {
            return Ok(Some(t.oid));
        }
        let key = NameRef(schema, name);
        self.cached(
            &self.db,
            |c| &c.type_names,
            &key,
            || Touched::TypeName(NameKey::from(key)),
            |snap| {
                let row =
                    self.find_one(snap, pg_type::TABLE, 2704, &[Datum::text(name), oid_datum(schema)])?;
                Ok(row.map(|(_, r)| r.oid(pg_type::OID)))
            },
        )
    }
    /// The type that a name (`typname`, or `schema.typname`) means. SQL's own spellings ("integer") are the parser's business.
    pub fn find_type<S: AsRef<str>>(&self, parts: &[S]) -> Result<Option<Oid>> {
        match self.split_name(parts, false)? {
            (None, name) => {
                for schema in self.search_path()?.iter() {
                    if let Some(oid) = self.type_in(*schema, name)? {
                        return Ok(Some(oid));
                    }
                }
                Ok(None)
            }
            (Some(schema), name) => {
                let schema = self.resolve_schema(schema, None)?;
                self.type_in(schema, name)
            }
        }
    }
    /// As [`CatalogReader::find_type`]; 42704 if there is none.
    pub fn resolve_type<S: AsRef<str>>(&self, parts: &[S], pos: Option<usize>) -> Result<Oid> {
        match self.find_type(parts).map_err(|e| at(e, pos))? {
            Some(oid) => Ok(oid),
            None => {
                let name = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".");
                Err(at(err!(UNDEFINED_OBJECT, "type \"{name}\" does not exist"), pos))
            }
        }
    }
    /// Whether an unqualified name finds this type.
    pub fn is_visible_type(&self, oid: Oid) -> Result<Option<bool>> {
        let Some(t) = self.type_def(oid)? else { return Ok(None) };
        for schema in self.search_path()?.iter() {
            if *schema == t.schema {
                return Ok(Some(true));
            }
            if self.type_in(*schema, &t.name)?.is_some() {
                return Ok(Some(false));
            }
        }
        Ok(Some(false))
    }
    /// SQL's spelling of a column's or expression's type, qualified when its name alone wouldn't find it; "???" if there is none.
    pub fn format_type(&self, oid: Oid, typmod: i32) -> Result<String> {
        Ok(quarry_types::typename::format_type(oid, typmod, self))
    }
    /// As [`CatalogReader::format_type`] without regard to modifiers: the name as messages have it.
    pub fn type_name(&self, oid: Oid) -> Result<String> {
        Ok(quarry_types::typename::type_name(oid, self))
    }
    /// The name of a type that isn't in the registry; none if there is no such type.
    pub(super) fn user_type_name(&self, oid: Oid) -> Result<Option<String>> {
        let Some(entry) = self.type_entry(oid)? else { return Ok(None) };
        if let TypeKind::Array { element } = entry.def.kind {
            return Ok(Some(format!("{}[]", self.type_name(element)?)));
        }
        Ok(Some(if self.is_visible_type(oid)? == Some(true) {
            super::quote_identifier(&entry.def.name)
        } else {
            super::quote_qualified(&entry.def.schema_name, &entry.def.name)
        }))
    }

    fn load_type(&self, snap: &Snapshot, oid: Oid) -> Result<Option<TypeEntry>> {
        if let Some(info) = type_info(oid) {
            return Ok(Some(builtin_entry(info)));
        }
        let Some((_, r)) = self.find_one(snap, pg_type::TABLE, 2703, &[oid_datum(oid)])? else {
            return Ok(None);
        };
        let schema = r.oid(pg_type::TYPNAMESPACE);
        let name = r.string(pg_type::TYPNAME);
        let array = r.oid(pg_type::TYPARRAY);
        let (kind, info) = match r.char(pg_type::TYPTYPE) {
            'e' => (self.load_enum(snap, oid)?, user_enum(oid, name.clone(), array)),
            'c' => {
                let relation = r.oid(pg_type::TYPRELID);
                (TypeKind::Composite { relation }, user_composite(oid, name.clone(), array, relation))
            }
            'd' => self.load_domain(snap, oid, &r)?,
            _ => {
                let element = r.oid(pg_type::TYPELEM);
                let info = user_array(oid, name.clone(), &*self.type_ref(element)?);
                (TypeKind::Array { element }, info)
            }
        };
        let def = TypeDef {
            oid,
            name,
            schema,
            schema_name: self.schema_name(schema)?,
            owner: r.oid(pg_type::TYPOWNER),
            array,
            kind,
        };
        Ok(Some(TypeEntry { def: Arc::new(def), info: TypeRef::User(Arc::new(info)) }))
    }

    fn load_enum(&self, snap: &Snapshot, oid: Oid) -> Result<TypeKind> {
        let mut labels: Vec<(Oid, f32, String)> = self
            .find(snap, pg_enum::TABLE, 3503, &[oid_datum(oid)])?
            .iter()
            .map(|(_, r)| (r.oid(pg_enum::OID), r.f32(pg_enum::ENUMSORTORDER), r.string(pg_enum::ENUMLABEL)))
            .collect();
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        Ok(TypeKind::Enum { labels })
    }

    fn load_domain(&self, snap: &Snapshot, oid: Oid, r: &Row) -> Result<(TypeKind, TypeInfo)> {
        let direct = SqlType { oid: r.oid(pg_type::TYPBASETYPE), typmod: r.i32(pg_type::TYPTYPMOD) };
        let mut checks: Vec<(String, String)> = self
            .find(snap, pg_constraint::TABLE, 2666, &[oid_datum(oid)])?
            .iter()
            .map(|(_, c)| {
                (c.string(pg_constraint::CONNAME), expression_sql(c.str(pg_constraint::CONBIN)).to_owned())
            })
            .collect();
        checks.sort();
        let mut not_null = r.bool(pg_type::TYPNOTNULL);
        let mut base = direct;
        // A domain over a domain has the checks of both, the inner ones first.
        if let Some(inner) = self.type_def(direct.oid)?
            && let TypeKind::Domain { base: b, not_null: n, checks: inner_checks, .. } = &inner.kind
        {
            base = *b;
            not_null |= n;
            checks.splice(0..0, inner_checks.iter().cloned());
        }
        let kind = TypeKind::Domain {
            base,
            not_null,
            default_sql: r.opt_string(pg_type::TYPDEFAULTBIN).map(|d| expression_sql(&d).to_owned()),
            checks,
        };
        let base_info = self.type_ref(base.oid)?;
        let mut info =
            user_domain(oid, r.string(pg_type::TYPNAME), r.oid(pg_type::TYPARRAY), base, &base_info);
        info.collation = r.oid(pg_type::TYPCOLLATION);
        Ok((kind, info))
    }

    /// Overloads of a function by name; none if it isn't there. 3F000 for an unknown schema.
    pub fn functions(&self, schema: Option<&str>, name: &str) -> Result<&'static [&'static FunctionDef]> {
        let builtin = match self.function_schema(schema)? {
            true => registry::functions_named(name),
            false => &[],
        };
        if builtin.is_empty() { self.extension_functions(schema, name) } else { Ok(builtin) }
    }
    /// Overloads of an operator by name.
    pub fn operators(&self, schema: Option<&str>, name: &str) -> Result<&'static [&'static OperatorDef]> {
        match self.function_schema(schema)? {
            true => match self.extension_operators(schema, name)? {
                [] => Ok(registry::operators_named(name)),
                both => Ok(both),
            },
            false => self.extension_operators(schema, name),
        }
    }
    /// The declared cast between two types.
    pub fn cast(&self, from: Oid, to: Oid) -> Option<&'static CastDef> {
        registry::cast(from, to)
    }
    /// Whether the schema of a function's name is pg_catalog, where all of them are.
    pub(super) fn function_schema(&self, schema: Option<&str>) -> Result<bool> {
        match schema {
            None | Some("pg_catalog") => Ok(true),
            // Functions that information_schema's own views use have the same names in the registry.
            Some("information_schema") => Ok(true),
            Some(s) => match self.explicit_schema(s)? {
                Some(_) => Ok(false),
                None => bail!(UNDEFINED_SCHEMA, "schema \"{s}\" does not exist"),
            },
        }
    }
}

fn builtin_entry(info: &'static TypeInfo) -> TypeEntry {
    let kind = match info.kind {
        'c' => TypeKind::Composite { relation: info.relation },
        'p' => TypeKind::Pseudo,
        _ if info.is_array() && info.typlen == -1 && info.name.starts_with('_') => {
            TypeKind::Array { element: info.element }
        }
        _ => TypeKind::Base,
    };
    let def = TypeDef {
        oid: info.oid,
        name: info.name.to_string(),
        schema: PG_CATALOG,
        schema_name: "pg_catalog".into(),
        owner: crate::builtin::oids::SUPERUSER,
        array: info.array,
        kind,
    };
    TypeEntry { def: Arc::new(def), info: TypeRef::Builtin(info) }
}
