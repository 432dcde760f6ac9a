//! Objects in words, as messages and `pg_describe_object` have them.

use super::CatalogReader;
use super::text_search::TsObject;
use super::{quote_identifier, quote_qualified};
use crate::builtin::columns::*;
use crate::builtin::{opclass, operators, procs};
use crate::defs::{RelKind, TypeKind};
use crate::object::ObjectAddress;
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result};

/// What `pg_identify_object` answers: type, schema, name, identity.
pub type Identity = (String, Option<String>, Option<String>, String);

impl CatalogReader {
    /// An operator's place in a family.
    fn describe_family_operator(&self, oid: Oid) -> Result<Option<String>> {
        let row = self.find_one(&self.snapshot(), pg_amop::TABLE, 2756, &[oid_datum(oid)])?;
        let Some((_, r)) = row else { return Ok(None) };
        let family = self.describe(ObjectAddress::new(pg_opfamily::TABLE, r.oid(pg_amop::AMOPFAMILY)))?;
        let operator = match operators::listed_operator(r.oid(pg_amop::AMOPOPR)) {
            Some(o) => self.format_operator(o)?,
            None => r.oid(pg_amop::AMOPOPR).to_string(),
        };
        let types =
            (self.type_name(r.oid(pg_amop::AMOPLEFTTYPE))?, self.type_name(r.oid(pg_amop::AMOPRIGHTTYPE))?);
        let strategy = r.i16(pg_amop::AMOPSTRATEGY);
        Ok(Some(format!("operator {strategy} ({}, {}) of {family}: {operator}", types.0, types.1)))
    }

    /// "table t", "column a of table t", "constraint c on table t", ...; XX000 if it isn't there.
    pub fn describe(&self, o: ObjectAddress) -> Result<String> {
        match self.describe_if_exists(o)? {
            Some(text) => Ok(text),
            None => Err(Error::internal(format!(
                "cache lookup failed for object {} of catalog {}",
                o.oid, o.class
            ))),
        }
    }
    /// As [`CatalogReader::describe`]; none if the object isn't there.
    pub fn describe_if_exists(&self, o: ObjectAddress) -> Result<Option<String>> {
        Ok(match o.class.0 {
            pg_class::TABLE => self.describe_relation(o.oid, o.sub)?,
            pg_type::TABLE => match self.type_def(o.oid)? {
                Some(_) => Some(format!("type {}", self.type_name(o.oid)?)),
                None => None,
            },
            pg_constraint::TABLE => self.describe_constraint(o.oid)?,
            pg_attrdef::TABLE => self.describe_default(o.oid)?,
            pg_rewrite::TABLE => {
                let row = self.find_one(&self.snapshot(), pg_rewrite::TABLE, 2692, &[oid_datum(o.oid)])?;
                match row {
                    Some((_, r)) => {
                        let on = self.describe_relation(r.oid(pg_rewrite::EV_CLASS), 0)?.unwrap_or_default();
                        Some(format!("rule {} on {on}", r.str(pg_rewrite::RULENAME)))
                    }
                    None => None,
                }
            }
            pg_proc::TABLE => match procs::listed_proc(o.oid) {
                Some(f) => Some(format!("function {}", self.format_procedure(f.name, &f.args)?)),
                None => self.extension_function_name(o.oid)?.map(|name| format!("function {name}")),
            },
            pg_operator::TABLE => match operators::listed_operator(o.oid) {
                Some(f) => Some(format!("operator {}", self.format_operator(f)?)),
                None => None,
            },
            pg_cast::TABLE => {
                let row = self.find_one(&self.snapshot(), pg_cast::TABLE, 2660, &[oid_datum(o.oid)])?;
                match row {
                    Some((_, r)) => Some(format!(
                        "cast from {} to {}",
                        self.type_name(r.oid(pg_cast::CASTSOURCE))?,
                        self.type_name(r.oid(pg_cast::CASTTARGET))?
                    )),
                    None => None,
                }
            }
            pg_opclass::TABLE => opclass::opclass(o.oid).map(|c| {
                let method = super::access_method_name(c.method);
                format!("operator class {} for access method {method}", quote_identifier(c.name))
            }),
            pg_opfamily::TABLE => {
                let row = self.find_one(&self.snapshot(), pg_opfamily::TABLE, 2755, &[oid_datum(o.oid)])?;
                row.map(|(_, r)| {
                    let method = super::access_method_name(r.oid(pg_opfamily::OPFMETHOD));
                    let name = quote_identifier(r.str(pg_opfamily::OPFNAME));
                    format!("operator family {name} for access method {method}")
                })
            }
            pg_amop::TABLE => self.describe_family_operator(o.oid)?,
            pg_namespace::TABLE => self.schema(o.oid)?.map(|s| format!("schema {}", s.name)),
            pg_authid::TABLE => self.role(o.oid)?.map(|r| format!("role {}", r.name)),
            pg_database::TABLE => self.database(o.oid)?.map(|d| format!("database {}", d.name)),
            pg_default_acl::TABLE => self.describe_default_acl(o.oid)?,
            pg_collation::TABLE => {
                self.collation_name(o.oid)?.map(|c| format!("collation {}", quote_identifier(&c)))
            }
            pg_statistic_ext::TABLE => match self.statistics_object(o.oid)? {
                Some(def) => {
                    let name = match self.find_statistics(&[&def.name])? == Some(def.oid) {
                        true => quote_identifier(&def.name),
                        false => self.qualified_in(def.schema, &def.name)?,
                    };
                    Some(format!("statistics object {name}"))
                }
                None => None,
            },
            class if TsObject::of_table(class).is_some() => match TsObject::of_table(class) {
                Some(kind) => self.ts_reg_name(kind, o.oid)?.map(|name| format!("{} {name}", kind.noun())),
                None => None,
            },
            class => match simple(class) {
                Some((index, name, noun)) => self
                    .find_one(&self.snapshot(), class, index, &[oid_datum(o.oid)])?
                    .map(|(_, r)| format!("{noun} {}", r.str(name))),
                None => None,
            },
        })
    }

    /// A name with its schema's.
    fn qualified_in(&self, schema: Oid, name: &str) -> Result<String> {
        let schema = self.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
        Ok(quote_qualified(&schema, name))
    }
    /// "table t" for a relation, "column a of table t" for a column.
    fn describe_relation(&self, oid: Oid, sub: i32) -> Result<Option<String>> {
        let Some(r) = self.relation(oid)? else { return Ok(None) };
        let name = match self.is_visible_relation(oid)? {
            Some(true) => quote_identifier(&r.name),
            _ => quote_qualified(&r.schema_name, &r.name),
        };
        let noun = match r.kind {
            RelKind::Table => "table",
            RelKind::Index => "index",
            RelKind::Sequence => "sequence",
            RelKind::View => "view",
            RelKind::MaterializedView => "materialized view",
            RelKind::CompositeType => "composite type",
            RelKind::Toast => "toast table",
        };
        if sub == 0 {
            return Ok(Some(format!("{noun} {name}")));
        }
        let column = usize::try_from(sub - 1).ok().and_then(|i| r.columns.get(i));
        Ok(column.map(|c| format!("column {} of {noun} {name}", quote_identifier(&c.name))))
    }
    fn describe_constraint(&self, oid: Oid) -> Result<Option<String>> {
        let Some((_, r)) = self.find_one(&self.snapshot(), pg_constraint::TABLE, 2667, &[oid_datum(oid)])?
        else {
            return Ok(None);
        };
        let name = quote_identifier(r.str(pg_constraint::CONNAME));
        let relation = r.oid(pg_constraint::CONRELID);
        Ok(Some(match self.describe_relation(relation, 0)? {
            Some(on) => format!("constraint {name} on {on}"),
            None => format!("constraint {name}"),
        }))
    }
    fn describe_default(&self, oid: Oid) -> Result<Option<String>> {
        let Some((_, r)) = self.find_one(&self.snapshot(), pg_attrdef::TABLE, 2657, &[oid_datum(oid)])?
        else {
            return Ok(None);
        };
        let column =
            self.describe_relation(r.oid(pg_attrdef::ADRELID), i32::from(r.i16(pg_attrdef::ADNUM)))?;
        Ok(column.map(|c| format!("default value for {c}")))
    }

    /// None if there is no such object.
    pub fn identify(&self, o: ObjectAddress) -> Result<Option<Identity>> {
        Ok(match o.class.0 {
            pg_class::TABLE => {
                let Some(r) = self.relation(o.oid)? else { return Ok(None) };
                let noun = match r.kind {
                    RelKind::Table => "table",
                    RelKind::Index => "index",
                    RelKind::Sequence => "sequence",
                    RelKind::View => "view",
                    RelKind::MaterializedView => "materialized view",
                    RelKind::CompositeType => "composite type",
                    RelKind::Toast => "toast table",
                };
                let full = quote_qualified(&r.schema_name, &r.name);
                let column = usize::try_from(o.sub - 1).ok().and_then(|i| r.columns.get(i));
                match column {
                    Some(c) => Some((
                        format!("{noun} column"),
                        Some(r.schema_name.clone()),
                        Some(quote_identifier(&r.name)),
                        format!("{full}.{}", quote_identifier(&c.name)),
                    )),
                    None => Some((
                        noun.into(),
                        Some(r.schema_name.clone()),
                        Some(quote_identifier(&r.name)),
                        full,
                    )),
                }
            }
            pg_type::TABLE => self.type_def(o.oid)?.map(|t| {
                let identity = match (&t.kind, t.schema_name.as_str()) {
                    (TypeKind::Base | TypeKind::Array { .. } | TypeKind::Pseudo, "pg_catalog") => {
                        self.type_name(t.oid).unwrap_or_else(|_| t.name.clone())
                    }
                    _ => quote_qualified(&t.schema_name, &t.name),
                };
                ("type".into(), Some(t.schema_name.clone()), Some(identity.clone()), identity)
            }),
            pg_namespace::TABLE => self
                .schema(o.oid)?
                .map(|s| ("schema".into(), None, Some(quote_identifier(&s.name)), quote_identifier(&s.name))),
            pg_authid::TABLE => self
                .role(o.oid)?
                .map(|s| ("role".into(), None, Some(quote_identifier(&s.name)), quote_identifier(&s.name))),
            pg_database::TABLE => self.database(o.oid)?.map(|s| {
                ("database".into(), None, Some(quote_identifier(&s.name)), quote_identifier(&s.name))
            }),
            pg_statistic_ext::TABLE => match self.statistics_object(o.oid)? {
                Some(def) => {
                    let schema = self.schema(def.schema)?.map(|s| s.name.clone()).unwrap_or_default();
                    let identity = quote_qualified(&schema, &def.name);
                    Some((
                        "statistics object".into(),
                        Some(schema),
                        Some(quote_identifier(&def.name)),
                        identity,
                    ))
                }
                None => None,
            },
            class => match TsObject::of_table(class) {
                Some(kind) => match self.ts_name(kind, o.oid)? {
                    Some((name, schema)) => {
                        let schema = self.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
                        let identity = format!("{}.{}", quote_identifier(&schema), quote_identifier(&name));
                        Some((kind.noun().into(), Some(schema), Some(name), identity))
                    }
                    None => None,
                },
                None => None,
            },
        })
    }
}

/// Catalogs whose description is a noun and the row's name: index by OID, column of the name, noun.
fn simple(class: u32) -> Option<(u32, usize, &'static str)> {
    Some(match class {
        pg_am::TABLE => (2652, pg_am::AMNAME, "access method"),
        pg_extension::TABLE => (3080, pg_extension::EXTNAME, "extension"),
        pg_language::TABLE => (2682, pg_language::LANNAME, "language"),
        pg_tablespace::TABLE => (2697, pg_tablespace::SPCNAME, "tablespace"),
        _ => return None,
    })
}
