//! ALTER ... RENAME, OWNER TO and SET SCHEMA.

use super::alter_table::{column_of, is_system_column};
use super::renamed::StoredTexts;
use super::{Ddl, behavior_of};
use crate::session::Session;
use quarry_catalog::{DatabaseDef, LockMode, ObjectAddress, Privilege, RelKind, Relation, TypeDef, TypeKind};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_sql::ast::{self, ObjectKind as K, ObjectRef};
use std::sync::Arc;

/// The relation that is altered; none: absent and IF EXISTS.
fn relation(d: &Ddl, n: &ast::QualifiedName, if_exists: bool) -> Result<Option<Arc<Relation>>> {
    relation_with(d, n, if_exists, LockMode::AccessExclusive)
}
fn relation_with(
    d: &Ddl,
    n: &ast::QualifiedName,
    if_exists: bool,
    mode: LockMode,
) -> Result<Option<Arc<Relation>>> {
    if if_exists && d.w.find_relation(&n.parts)?.is_none() {
        d.notice(err!(SUCCESSFUL_COMPLETION, "relation \"{}\" does not exist, skipping", n.name()));
        return Ok(None);
    }
    d.lock_own(&n.parts, mode).map(Some)
}

pub fn run(s: &mut Session, c: &ast::Rename) -> Result<()> {
    let d = Ddl::new(s)?;
    match (c.kind, &c.object) {
        (K::Column | K::Attribute, ObjectRef::Name(n)) => {
            let Some(r) = relation(&d, n, c.if_exists)? else { return Ok(()) };
            let Some(old) = &c.subname else { return Err(Error::internal("a column without a name")) };
            rename_column(&d, &r, &old.value, &c.new_name)
        }
        (K::TableConstraint, ObjectRef::Name(n)) => {
            let Some(r) = relation(&d, n, c.if_exists)? else { return Ok(()) };
            let Some(old) = &c.subname else { return Err(Error::internal("a constraint without a name")) };
            match d.w.constraint_named(r.oid, &old.value)? {
                Some(k) => d.w.rename_constraint(k.oid, &c.new_name),
                None => bail!(
                    UNDEFINED_OBJECT,
                    "constraint \"{}\" for table \"{}\" does not exist",
                    old.value,
                    r.name
                ),
            }
        }
        (K::Table | K::View | K::MatView | K::Index | K::Sequence, ObjectRef::Name(n)) => {
            // An index's name matters to nobody who uses its table. ALTER INDEX takes other relations, too.
            let mode =
                if c.kind == K::Index { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
            let Some(mut r) = relation_with(&d, n, c.if_exists, mode)? else { return Ok(()) };
            if c.kind == K::Index && r.kind != RelKind::Index {
                r = d.lock_own(&n.parts, LockMode::AccessExclusive)?;
            }
            let fits = match c.kind {
                K::View => r.kind == RelKind::View,
                K::Sequence => r.kind == RelKind::Sequence,
                K::MatView => r.kind == RelKind::MaterializedView,
                _ => true,
            };
            if !fits {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a {}", r.name, c.kind.sql().to_lowercase());
            }
            if r.kind == RelKind::CompositeType {
                let e = err!(WRONG_OBJECT_TYPE, "\"{}\" is a composite type", r.name);
                return Err(e.hint("Use ALTER TYPE instead."));
            }
            d.w.rename_relation(r.oid, &c.new_name)
        }
        (K::Schema, ObjectRef::Name(n)) => match d.w.schema_named(n.name())? {
            Some(found) => {
                d.w.check_owner(found.owner, "schema", n.name())?;
                d.w.rename_schema(found.oid, &c.new_name)
            }
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", n.name()),
        },
        (K::Role, ObjectRef::Role(spec)) => rename_role(&d, spec, &c.new_name),
        (K::Database, ObjectRef::Name(n)) => {
            let found = find_database(&d, n.name())?;
            d.w.check_owner(found.owner, "database", n.name())?;
            if !d.w.role(d.user())?.is_some_and(|r| r.superuser || r.create_db) {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied to rename database");
            }
            if d.w.database_named(&c.new_name)?.is_some() {
                bail!(DUPLICATE_DATABASE, "database \"{}\" already exists", c.new_name);
            }
            if found.oid == d.st.session.database.0 {
                bail!(FEATURE_NOT_SUPPORTED, "current database cannot be renamed");
            }
            crate::commands::database::check_unused(s, found.oid, n.name())?;
            d.w.rename_database(found.oid, &c.new_name)
        }
        (K::Statistics, ObjectRef::Name(n)) => super::statistics::rename(&d, n, &c.new_name),
        (K::TsDictionary | K::TsConfiguration, ObjectRef::Name(n)) => {
            super::text_search::rename(&d, c.kind, n, &c.new_name)
        }
        (K::Type | K::Domain, ObjectRef::Type(_) | ObjectRef::Name(_)) => {
            let oid = own_type(&d, c.kind, &c.object)?.oid;
            d.w.rename_type(oid, &c.new_name)
        }
        (K::DomainConstraint, ObjectRef::Type(t)) => {
            let oid = d.w.resolve_type(&t.names, None)?;
            let Some(old) = &c.subname else { return Err(Error::internal("a constraint without a name")) };
            match d.w.domain_constraint(oid, &old.value)? {
                Some(k) => d.w.alter_domain_check(oid, k, Some(&c.new_name), false),
                None => bail!(
                    UNDEFINED_OBJECT,
                    "constraint \"{}\" for domain {} does not exist",
                    old.value,
                    d.w.type_name(oid)?
                ),
            }
        }
        (kind, _) => {
            let _ = behavior_of(c.behavior);
            Err(Error::unsupported(format_args!("ALTER {} RENAME", kind.sql())))
        }
    }
}

fn find_database(d: &Ddl, name: &str) -> Result<Arc<DatabaseDef>> {
    d.w.database_named(name)?.ok_or_else(|| err!(UNDEFINED_DATABASE, "database \"{name}\" does not exist"))
}

fn rename_role(d: &Ddl, spec: &ast::RoleSpec, name: &str) -> Result<()> {
    let role = crate::commands::role::real_role(&d.st, spec)?;
    if role.oid == d.w.session().session_user {
        bail!(FEATURE_NOT_SUPPORTED, "session user cannot be renamed");
    }
    if role.oid == d.user() {
        bail!(FEATURE_NOT_SUPPORTED, "current user cannot be renamed");
    }
    d.w.check_role_name(&role.name)?;
    d.w.check_new_role_name(name)?;
    let me = d.w.role(d.user())?;
    if role.superuser && !me.as_ref().is_some_and(|m| m.superuser) {
        bail!(INSUFFICIENT_PRIVILEGE, "must be superuser to rename superusers");
    }
    if !me.is_some_and(|m| m.superuser || m.create_role) {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to rename role");
    }
    if d.w.rename_role(role.oid, name)? {
        d.notice(err!(SUCCESSFUL_COMPLETION, "MD5 password cleared because of role rename"));
    }
    Ok(())
}

/// Renames a column; the catalog renames it in the table's own expressions.
fn rename_column(d: &Ddl, r: &Arc<Relation>, old: &str, new: &str) -> Result<()> {
    if r.column_named(old).is_none() {
        match is_system_column(old) {
            true => bail!(FEATURE_NOT_SUPPORTED, "cannot rename system column \"{old}\""),
            false => bail!(UNDEFINED_COLUMN, "column \"{old}\" does not exist"),
        }
    }
    let i = column_of(r, old)?;
    let number = r.columns[i].number;
    // Fields of the row are named by expressions far away.
    let texts = StoredTexts::with_fields(d, old)?;
    d.w.rename_column(r.oid, number, new)?;
    texts.store(d)
}

/// 42501 unless the user may give objects to this role.
pub fn check_new_owner(d: &Ddl, owner: Oid, schema: Option<Oid>) -> Result<()> {
    if d.w.is_superuser(d.user())? {
        return Ok(());
    }
    if !d.w.is_member_of(d.user(), owner)? {
        bail!(INSUFFICIENT_PRIVILEGE, "must be member of role \"{}\"", d.w.role_name(owner)?);
    }
    if let Some(schema) = schema
        && !d.w.has_schema_privilege(schema, owner, Privilege::Create)?
    {
        let name = d.w.schema(schema)?.map(|s| s.name.clone()).unwrap_or_default();
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for schema {name}");
    }
    Ok(())
}

pub fn owner(s: &mut Session, c: &ast::AlterOwner) -> Result<()> {
    let d = Ddl::new(s)?;
    let owner = d.role(&c.owner)?;
    let object = match (c.kind, &c.object) {
        (K::Schema, ObjectRef::Name(n)) => match d.w.schema_named(n.name())? {
            Some(found) => {
                d.w.check_owner(found.owner, "schema", n.name())?;
                ObjectAddress::schema(found.oid)
            }
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", n.name()),
        },
        (K::Database, ObjectRef::Name(n)) => {
            let found = find_database(&d, n.name())?;
            if found.owner == owner {
                return Ok(());
            }
            d.w.check_owner(found.owner, "database", n.name())?;
            check_new_owner(&d, owner, None)?;
            if !d.w.role(d.user())?.is_some_and(|r| r.superuser || r.create_db) {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied to change owner of database");
            }
            ObjectAddress::database(found.oid)
        }
        (K::Type | K::Domain, ObjectRef::Type(_) | ObjectRef::Name(_)) => {
            let def = own_type(&d, c.kind, &c.object)?;
            if def.owner == owner {
                return Ok(());
            }
            check_new_owner(&d, owner, Some(def.schema))?;
            ObjectAddress::ty(def.oid)
        }
        (K::Statistics, ObjectRef::Name(n)) => {
            let def = super::statistics::owned(&d, n)?;
            if def.owner == owner {
                return Ok(());
            }
            check_new_owner(&d, owner, Some(def.schema))?;
            ObjectAddress::new(quarry_catalog::builtin::columns::pg_statistic_ext::TABLE, def.oid)
        }
        (K::TsDictionary | K::TsConfiguration, ObjectRef::Name(n)) => {
            let (object, old, schema) = super::text_search::owned(&d, c.kind, n)?;
            if old == owner {
                return Ok(());
            }
            check_new_owner(&d, owner, Some(schema))?;
            object
        }
        (kind, _) => return Err(Error::unsupported(format_args!("ALTER {} OWNER TO", kind.sql()))),
    };
    check_new_owner(&d, owner, None)?;
    d.w.set_owner(object, owner)
}

pub fn set_schema(s: &mut Session, c: &ast::AlterObjectSchema) -> Result<()> {
    let d = Ddl::new(s)?;
    match (c.kind, &c.object) {
        (K::Table | K::View | K::MatView | K::Sequence, ObjectRef::Name(n)) => {
            let Some(r) = relation(&d, n, c.if_exists)? else { return Ok(()) };
            let schema = d.w.resolve_schema(&c.new_schema, None)?;
            d.w.check_schema(schema, Privilege::Create)?;
            if r.kind == RelKind::Sequence
                && let Some((table, _, _)) = d.w.sequence_column(r.oid)?
            {
                let table = d.relation(table)?;
                return Err(err!(FEATURE_NOT_SUPPORTED, "cannot move an owned sequence into another schema")
                    .detail(format!("Sequence \"{}\" is linked to table \"{}\".", r.name, table.name)));
            }
            d.w.set_relation_schema(r.oid, schema)
        }
        (K::Type | K::Domain, ObjectRef::Type(_) | ObjectRef::Name(_)) => {
            let oid = own_type(&d, c.kind, &c.object)?.oid;
            let schema = d.w.resolve_schema(&c.new_schema, None)?;
            d.w.check_schema(schema, Privilege::Create)?;
            d.w.set_type_schema(oid, schema)
        }
        (K::Statistics, ObjectRef::Name(n)) => super::statistics::set_schema(&d, n, &c.new_schema),
        (K::TsDictionary | K::TsConfiguration, ObjectRef::Name(n)) => {
            super::text_search::set_schema(&d, c.kind, n, &c.new_schema)
        }
        (kind, _) => Err(Error::unsupported(format_args!("ALTER {} SET SCHEMA", kind.sql()))),
    }
}

/// The type or domain that a command names, which must be the user's own and not another object's.
fn own_type(d: &Ddl, kind: K, object: &ObjectRef) -> Result<Arc<TypeDef>> {
    let names = match object {
        ObjectRef::Type(t) => &t.names,
        ObjectRef::Name(n) => &n.parts,
        _ => return Err(Error::internal("a type without a name")),
    };
    let oid = d.w.resolve_type(names, None)?;
    let Some(def) = d.w.type_def(oid)? else { bail!(UNDEFINED_OBJECT, "type does not exist") };
    d.w.check_owner(def.owner, "type", &def.name)?;
    let name = d.w.type_name(oid)?;
    match def.kind {
        TypeKind::Domain { .. } => {}
        _ if kind == K::Domain => bail!(WRONG_OBJECT_TYPE, "{name} is not a domain"),
        TypeKind::Composite { relation }
            if d.w.relation(relation)?.is_some_and(|r| r.kind != RelKind::CompositeType) =>
        {
            let e = err!(WRONG_OBJECT_TYPE, "{name} is a table's row type");
            return Err(e.hint("Use ALTER TABLE instead."));
        }
        TypeKind::Array { element } => {
            let e = err!(WRONG_OBJECT_TYPE, "cannot alter array type {name}");
            let element = d.w.type_name(element)?;
            return Err(
                e.hint(format!("You can alter type {element}, which will alter the array type as well."))
            );
        }
        _ => {}
    }
    Ok(def)
}
