//! CREATE SCHEMA.

use super::Ddl;
use crate::portal::Portal;
use crate::session::Session;
use crate::vars::SetScope;
use quarry_catalog::{Privilege, quote_identifier};
use quarry_common::{Result, bail, err};
use quarry_functions::SessionEnv;
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
    let owner_role = d.w.role(owner)?;
    drop(d);
    if c.elements.is_empty() {
        return Ok(());
    }
    let elements = in_schema(&c.elements, &name)?;
    // The elements find each other by plain names and belong to the schema's owner. What a failure leaves is undone with the
    // transaction's settings.
    let user = SessionEnv::current_user(&*s.cx);
    let superuser = s.cx.is_superuser();
    let mark = {
        let mut vars = s.cx.vars.lock();
        let mark = vars.mark();
        let path = format!("{}, {}", quote_identifier(&name), vars.current().text("search_path"));
        vars.set("search_path", &path, SetScope::Local, true)?;
        mark
    };
    if let Some(r) = owner_role.filter(|r| r.oid != user.0) {
        s.cx.set_current_user(r.oid, &r.name, r.superuser);
    }
    let made = elements
        .iter()
        .try_for_each(|e| super::super::run(s, e, portal, &mut bytes::BytesMut::new()).map(|_| ()));
    s.cx.set_current_user(user.0, &user.1, superuser);
    s.cx.vars.lock().rollback_to(mark);
    made
}

/// The elements with the schema in their names, in the order they are made: what others refer to comes first.
fn in_schema(elements: &[Statement], name: &str) -> Result<Vec<Statement>> {
    let into = |schema: &mut Option<String>| -> Result<()> {
        match schema {
            Some(other) if *other != name => Err(err!(
                INVALID_SCHEMA_DEFINITION,
                "CREATE specifies a schema ({other}) different from the one being created ({name})"
            )),
            _ => {
                *schema = Some(name.to_string());
                Ok(())
            }
        }
    };
    let mut out = elements.to_vec();
    for e in &mut out {
        match e {
            Statement::CreateTable(t) => into(&mut t.relation.schema)?,
            Statement::CreateView(v) => into(&mut v.relation.schema)?,
            Statement::CreateSequence(q) => into(&mut q.sequence.schema)?,
            Statement::CreateIndex(i) => into(&mut i.relation.schema)?,
            _ => {}
        }
    }
    out.sort_by_key(|e| match e {
        Statement::CreateSequence(_) => 0,
        Statement::CreateTable(_) => 1,
        Statement::CreateView(_) => 2,
        Statement::CreateIndex(_) => 3,
        Statement::CreateTrigger(_) => 4,
        _ => 5,
    });
    Ok(out)
}
