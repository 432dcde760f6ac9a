//! CREATE and DROP EXTENSION: of what PostgreSQL brings along, amcheck and pg_trgm are there, and plpgsql's name (PostgreSQL:
//! commands/extension.c).

use super::Ddl;
use crate::session::Session;
use quarry_catalog::{ObjectAddress, Privilege};
use quarry_common::{Oid, Result, bail, err};
use quarry_functions::registry::{EXTENSIONS, Extension};
use quarry_sql::ast;

/// `pg_extension`.
const PG_EXTENSION: u32 = 3079;

pub fn run(s: &mut Session, c: &ast::CreateExtension) -> Result<()> {
    let mut d = Ddl::new(s)?;
    if c.name == "plpgsql" || d.w.extension(&c.name)?.is_some() {
        let e = err!(DUPLICATE_OBJECT, "extension \"{}\" already exists", c.name);
        if !c.if_not_exists {
            return Err(e);
        }
        d.notice(err!(DUPLICATE_OBJECT, "extension \"{}\" already exists, skipping", c.name));
        return Ok(());
    }
    let Some(extension) = EXTENSIONS.iter().find(|e| e.name == c.name) else {
        return Err(err!(FEATURE_NOT_SUPPORTED, "extension \"{}\" is not available", c.name)
            .hint("The extension must first be installed on the system where PostgreSQL is running."));
    };
    check_version(extension, c.version.as_deref())?;
    let allowed = d.w.is_superuser(d.user())?
        || extension.trusted
            && d.w.has_database_privilege(d.st.session.database.0, d.user(), Privilege::Create)?;
    if !allowed {
        return Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied to create extension \"{}\"", c.name)
            .hint(match extension.trusted {
                true => "Must have CREATE privilege on current database to create this extension.",
                false => "Must be superuser to create this extension.",
            }));
    }
    let schema = match &c.schema {
        Some(name) => match d.w.schema_oid(name)? {
            Some(oid) => oid,
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist"),
        },
        None => d.creation_schema(None, false, ast::NO_POS)?,
    };
    d.w.check_schema(schema, Privilege::Create)?;
    d.w.create_extension(extension, schema, d.user())?;
    Ok(())
}

fn check_version(extension: &Extension, wanted: Option<&str>) -> Result<()> {
    match wanted {
        Some(v) if v == extension.version => Ok(()),
        Some(v) if extension.earlier.contains(&v) => {
            bail!(
                FEATURE_NOT_SUPPORTED,
                "version \"{v}\" of extension \"{}\" is not supported",
                extension.name
            )
        }
        Some(v) => {
            bail!(
                INVALID_PARAMETER_VALUE,
                "extension \"{}\" has no installation script nor update path for version \"{v}\"",
                extension.name
            )
        }
        None => Ok(()),
    }
}

/// The extension that DROP means; none: it isn't there and needn't be.
pub fn to_drop(d: &Ddl, name: &str, if_exists: bool) -> Result<Option<ObjectAddress>> {
    let Some(found) = d.w.extension(name)? else {
        if if_exists {
            d.notice(err!(SUCCESSFUL_COMPLETION, "extension \"{name}\" does not exist, skipping"));
            return Ok(None);
        }
        bail!(UNDEFINED_OBJECT, "extension \"{name}\" does not exist")
    };
    d.w.check_owner(found.owner, "extension", name)?;
    Ok(Some(ObjectAddress { class: Oid(PG_EXTENSION), oid: found.oid, sub: 0 }))
}
