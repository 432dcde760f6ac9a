//! What roles own and what their new objects come with: REASSIGN OWNED, DROP OWNED, ALTER DEFAULT PRIVILEGES.

use super::role::{privilege, real_role, role_of};
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{AclObject, CatalogWriter, DefaultGrant, GrantKind, RoleDef};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_sql::ast::{self, GrantTarget, ObjectKind, RoleSpec};
use std::sync::Arc;

/// The roles a list names, each of which the user must have the rights of.
fn own_roles(st: &StatementContext, specs: &[RoleSpec], verb: &str) -> Result<Vec<Arc<RoleDef>>> {
    let roles = specs.iter().map(|r| real_role(st, r)).collect::<Result<Vec<_>>>()?;
    for r in &roles {
        if !st.reader.owns(r.oid)? {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied to {verb} objects");
        }
    }
    Ok(roles)
}

pub fn reassign(st: &StatementContext, w: &CatalogWriter, r: &ast::ReassignOwned) -> Result<()> {
    let roles = own_roles(st, &r.roles, "reassign")?;
    let to = real_role(st, &r.new_role)?;
    if !st.reader.owns(to.oid)? {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to reassign objects");
    }
    roles.iter().try_for_each(|role| w.reassign_owned(role.oid, to.oid))
}

pub fn drop_owned(s: &Session, st: &StatementContext, w: &CatalogWriter, d: &ast::DropOwned) -> Result<()> {
    let roles: Vec<Oid> = own_roles(st, &d.roles, "drop")?.iter().map(|r| r.oid).collect();
    for e in w.drop_owned(&roles, super::ddl::behavior_of(d.behavior))? {
        s.cx.push_notice(e.fields().severity, e);
    }
    Ok(())
}

fn object_of(target: &GrantTarget) -> Result<AclObject> {
    Ok(match target {
        GrantTarget::Defaults(ObjectKind::Table) => AclObject::Relation,
        GrantTarget::Defaults(ObjectKind::Sequence) => AclObject::Sequence,
        GrantTarget::Defaults(ObjectKind::Function | ObjectKind::Routine | ObjectKind::Procedure) => {
            AclObject::Function
        }
        GrantTarget::Defaults(ObjectKind::Type) => AclObject::Type,
        GrantTarget::Defaults(ObjectKind::Schema) => AclObject::Schema,
        _ => return Err(Error::internal("default privileges of no kind of object")),
    })
}

pub fn default_privileges(
    st: &StatementContext,
    w: &CatalogWriter,
    a: &ast::AlterDefaultPrivileges,
) -> Result<()> {
    let g = &a.action;
    let object = object_of(&g.target)?;
    let mut grantees = vec![];
    for spec in &g.grantees {
        grantees.push(role_of(st, spec)?.map_or(Oid::INVALID, |r| r.oid));
    }
    if g.privileges.iter().any(|p| !p.columns.is_empty()) {
        bail!(INVALID_GRANT_OPERATION, "default privileges cannot be set for columns");
    }
    let wanted = g.privileges.iter().map(|p| p.name.as_deref().map(privilege).transpose());
    let wanted = wanted.collect::<Result<Option<Vec<_>>>>()?.filter(|l| !l.is_empty());
    let me = st.reader.session().user;
    let mut roles = vec![];
    for spec in &a.roles {
        let role = real_role(st, spec)?;
        if !st.reader.is_member_of(me, role.oid)? {
            bail!(INSUFFICIENT_PRIVILEGE, "must be member of role \"{}\"", role.name);
        }
        roles.push(role.oid);
    }
    if a.roles.is_empty() {
        roles.push(me);
    }
    let mut schemas = vec![];
    for name in &a.schemas {
        if object == AclObject::Schema {
            return Err(err!(
                INVALID_GRANT_OPERATION,
                "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS"
            ));
        }
        schemas.push(Some(st.reader.resolve_schema(&name.value, None)?));
    }
    if schemas.is_empty() {
        schemas.push(None);
    }
    for role in roles {
        for schema in &schemas {
            w.grant_default(&DefaultGrant {
                kind: if g.grant { GrantKind::Grant } else { GrantKind::Revoke },
                role,
                schema: *schema,
                object,
                privileges: wanted.clone(),
                grantees: grantees.clone(),
                grant_option: g.grant_option,
                behavior: super::ddl::behavior_of(g.behavior),
            })?;
        }
    }
    Ok(())
}
