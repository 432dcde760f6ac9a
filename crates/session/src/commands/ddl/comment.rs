//! COMMENT ON.

use super::Ddl;
use super::alter_table::system_number;
use crate::session::Session;
use quarry_catalog::{LockMode, ObjectAddress, RelKind, Relation};
use quarry_common::{Error, Result, bail};
use quarry_sql::ast::{self, ObjectKind as K, ObjectRef};
use std::sync::Arc;

/// The relation, locked so that it isn't dropped before its comment is there.
fn locked(d: &Ddl, parts: &[String]) -> Result<Arc<Relation>> {
    d.w.resolve_relation_strict(parts, None)?;
    d.w.lock_relation(parts, None, LockMode::ShareUpdateExclusive)
}

pub fn run(s: &mut Session, c: &ast::Comment) -> Result<()> {
    let d = Ddl::new(s)?;
    let object = match (c.kind, &c.object) {
        (K::Table | K::View | K::MatView | K::Index | K::Sequence, ObjectRef::Name(n)) => {
            let r = locked(&d, &n.parts)?;
            let wanted = match c.kind {
                K::Table => (RelKind::Table, "table"),
                K::View => (RelKind::View, "view"),
                K::MatView => (RelKind::MaterializedView, "materialized view"),
                K::Index => (RelKind::Index, "index"),
                _ => (RelKind::Sequence, "sequence"),
            };
            if r.kind != wanted.0 {
                let article = if wanted.1 == "index" { "an" } else { "a" };
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {}", r.name, wanted.1);
            }
            d.w.check_relation_owner(&r)?;
            ObjectAddress::relation(r.oid)
        }
        (K::Column, ObjectRef::Name(n)) => {
            let Some((column, parts)) = n.parts.split_last() else {
                bail!(SYNTAX_ERROR, "column name must be qualified")
            };
            if parts.is_empty() {
                bail!(SYNTAX_ERROR, "column name must be qualified");
            }
            let r = locked(&d, parts)?;
            d.w.check_relation_owner(&r)?;
            match r.column_named(column).map(|(_, c)| c.number).or_else(|| system_number(column)) {
                Some(number) => ObjectAddress::column(r.oid, number),
                None => {
                    bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", r.name)
                }
            }
        }
        (K::Schema, ObjectRef::Name(n)) => match d.w.schema_named(n.name())? {
            Some(found) => {
                d.w.check_owner(found.owner, "schema", n.name())?;
                ObjectAddress::schema(found.oid)
            }
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", n.name()),
        },
        (K::Extension, ObjectRef::Name(n)) => match d.w.extension(n.name())? {
            Some(found) => {
                d.w.check_owner(found.owner, "extension", n.name())?;
                ObjectAddress::new(quarry_catalog::builtin::columns::pg_extension::TABLE, found.oid)
            }
            None => bail!(UNDEFINED_OBJECT, "extension \"{}\" does not exist", n.name()),
        },
        (K::Database, ObjectRef::Name(n)) => match d.w.database_named(n.name())? {
            Some(found) => {
                d.w.check_owner(found.owner, "database", n.name())?;
                ObjectAddress::database(found.oid)
            }
            None => bail!(INVALID_CATALOG_NAME, "database \"{}\" does not exist", n.name()),
        },
        (K::Role, ObjectRef::Name(n)) => ObjectAddress::role(d.w.resolve_role(n.name())?.oid),
        (K::Role, ObjectRef::Role(r)) => ObjectAddress::role(d.role(r)?),
        (K::Type | K::Domain, ObjectRef::Type(t)) => {
            let ty = d.type_of(t)?;
            let Some(def) = d.w.type_def(ty.oid)? else { bail!(UNDEFINED_OBJECT, "type does not exist") };
            d.w.check_owner(def.owner, "type", &d.w.type_name(ty.oid)?)?;
            ObjectAddress::ty(ty.oid)
        }
        (K::TableConstraint, ObjectRef::OnRelation { name, relation }) => {
            let r = d.w.resolve_relation_strict(&relation.parts, None)?;
            d.w.check_relation_owner(&r)?;
            match d.w.constraint_named(r.oid, &name.value)? {
                Some(c) => ObjectAddress::constraint(c.oid),
                None => {
                    bail!(
                        UNDEFINED_OBJECT,
                        "constraint \"{}\" for table \"{}\" does not exist",
                        name.value,
                        r.name
                    )
                }
            }
        }
        (K::Statistics, ObjectRef::Name(n)) => ObjectAddress::new(
            quarry_catalog::builtin::columns::pg_statistic_ext::TABLE,
            super::statistics::owned(&d, n)?.oid,
        ),
        (kind, _) => return Err(Error::unsupported(format_args!("COMMENT ON {}", kind.sql()))),
    };
    d.w.set_comment(object, c.comment.as_deref())
}
