//! CREATE SCHEMA.

use super::Ddl;
use crate::portal::Portal;
use crate::session::Session;
use quarry_catalog::Privilege;
use quarry_common::{Result, bail, err};
use quarry_sql::ast::{self, RoleSpecKind, Statement};

pub fn run(s: &mut Session, c: &ast::CreateSchema, portal: &mut Portal) -> Result<()> {
    let d = Ddl::new(s)?;
    let owner = match &c.authorization {
        Some(a) => d.role(a)?,
        None => d.user(),
    };
    let name = match (&c.name, &c.authorization) {
        (Some(n), _) => n.clone(),
        (None, Some(a)) => match &a.kind {
            RoleSpecKind::Name(n) => n.clone(),
            _ => d.w.role_name(owner)?,
        },
        (None, None) => bail!(SYNTAX_ERROR, "a schema needs a name"),
    };
    d.w.check_database(d.st.session.database.0, Privilege::Create)?;
    if owner != d.user() && !d.w.is_member_of(d.user(), owner)? {
        bail!(INSUFFICIENT_PRIVILEGE, "must be member of role \"{}\"", d.w.role_name(owner)?);
    }
    if c.if_not_exists && d.w.schema_oid(&name)?.is_some() {
        d.notice(err!(DUPLICATE_SCHEMA, "schema \"{name}\" already exists, skipping"));
        return Ok(());
    }
    d.w.create_schema(&name, owner)?;
    drop(d);
    for e in &c.elements {
        let mut element = e.clone();
        let into = |schema: &mut Option<String>| -> Result<()> {
            match schema {
                Some(other) if *other != name => Err(err!(
                    INVALID_SCHEMA_DEFINITION,
                    "CREATE specifies a schema ({other}) different from the one being created ({name})"
                )),
                _ => {
                    *schema = Some(name.clone());
                    Ok(())
                }
            }
        };
        match &mut element {
            Statement::CreateTable(t) => into(&mut t.relation.schema)?,
            Statement::CreateView(v) => into(&mut v.relation.schema)?,
            Statement::CreateSequence(q) => into(&mut q.sequence.schema)?,
            Statement::CreateIndex(i) => into(&mut i.relation.schema)?,
            _ => {}
        }
        super::super::run(s, &element, portal, &mut bytes::BytesMut::new())?;
    }
    Ok(())
}
