//! CREATE and DROP EXTENSION: of what PostgreSQL brings along, amcheck and pg_trgm are there, and plpgsql's name (PostgreSQL:
//! commands/extension.c).

use super::Ddl;
use crate::portal::Portal;
use crate::session::Session;
use quarry_catalog::{ObjectAddress, Privilege};
use quarry_common::{Oid, Result, bail, err};
use quarry_functions::registry::{EXTENSIONS, Extension};
use quarry_sql::ast::{self, Statement};

/// `pg_extension`.
const PG_EXTENSION: u32 = 3079;

pub fn run(s: &mut Session, c: &ast::CreateExtension, portal: &mut Portal) -> Result<()> {
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
    if let Some(own) = extension.schema {
        if c.schema.as_deref().is_some_and(|name| name != own) {
            bail!(FEATURE_NOT_SUPPORTED, "extension \"{}\" must be installed in schema \"{own}\"", c.name);
        }
        if d.w.schema_oid(own)?.is_none() {
            run_text(s, &format!("CREATE SCHEMA {own}"), portal)?;
            d = Ddl::new(s)?;
        }
    }
    let schema = match extension.schema.map(String::from).as_ref().or(c.schema.as_ref()) {
        Some(name) => match d.w.schema_oid(name)? {
            Some(oid) => oid,
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist"),
        },
        None => d.creation_schema(None, false, ast::NO_POS)?,
    };
    d.w.check_schema(schema, Privilege::Create)?;
    let made = d.w.create_extension(extension, schema, d.user())?;
    let own = d.w.schema(schema)?.map(|s| quarry_catalog::quote_identifier(&s.name));
    for text in extension.script {
        let text = text.replace("@extschema@", own.as_deref().unwrap_or_default());
        let statement = run_text(s, &text, portal)?;
        let name = match &statement {
            Some(Statement::CreateTable(t)) => &t.relation.name,
            Some(Statement::CreateView(v)) => &v.relation.name,
            _ => continue,
        };
        let d = Ddl::new(s)?;
        if let Some(relation) = d.w.relation_in(schema, name)? {
            d.w.add_extension_member(relation, made)?;
        }
    }
    Ok(())
}

/// Runs a command that the server has written.
fn run_text(s: &mut Session, text: &str, portal: &mut Portal) -> Result<Option<Statement>> {
    let Some(parsed) = quarry_sql::parse::parse_statements(text)?.pop() else { return Ok(None) };
    super::super::run(s, &parsed.stmt, portal, &mut bytes::BytesMut::new())?;
    Ok(Some(parsed.stmt))
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
