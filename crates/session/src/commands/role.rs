//! Roles, memberships and privileges (PostgreSQL: commands/user.c, catalog/aclchk.c).

use super::{CommandOutcome, tag_of};
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{
    AclObject, CatalogWriter, ColumnGrant, DropBehavior, GrantKind, GrantSpec, NewRole, ObjectAddress,
    Privilege, RelKind, RoleDef,
};
use quarry_common::{Error, Oid, Result, Severity, bail, err, settings};
use quarry_functions::SessionEnv;
use quarry_sql::ast::{
    self, GrantTarget, ObjectKind, ObjectRef, RoleOptionKind, RoleSpec, RoleSpecKind, SetKind, Statement,
};
use quarry_sql::bind::{self, BindContext};
use quarry_types::{Datum, oids};
use std::sync::Arc;

pub fn run(s: &mut Session, stmt: &Statement) -> Result<CommandOutcome> {
    let st = s.statement_context()?;
    let w = writer(&st);
    match stmt {
        Statement::CreateRole(c) => create(s, &st, &w, c)?,
        Statement::AlterRole(a) => alter(s, &st, &w, a)?,
        Statement::AlterRoleSet(a) => alter_set(s, &st, &w, a)?,
        Statement::DropRole(d) => drop_roles(s, &st, &w, d)?,
        Statement::Grant(g) => grant(s, &st, &w, g)?,
        Statement::GrantRole(g) => grant_role(s, &st, &w, g)?,
        Statement::ReassignOwned(r) => super::owned::reassign(&st, &w, r)?,
        Statement::DropOwned(d) => super::owned::drop_owned(s, &st, &w, d)?,
        Statement::AlterDefaultPrivileges(a) => super::owned::default_privileges(&st, &w, a)?,
        other => return Err(super::unsupported(other)),
    }
    CommandOutcome::done(tag_of(stmt))
}

/// A writer in the statement's transaction.
pub(super) fn writer(st: &StatementContext) -> CatalogWriter {
    let session = &st.session;
    session.instance.catalog().writer(session.database.0, &st.txn, &session.view())
}

/// The role a specification names; none: PUBLIC.
pub(super) fn role_of(st: &StatementContext, spec: &RoleSpec) -> Result<Option<Arc<RoleDef>>> {
    let by_oid = |oid: Oid| {
        st.reader.role(oid)?.ok_or_else(|| err!(UNDEFINED_OBJECT, "role with OID {oid} does not exist"))
    };
    Ok(Some(match &spec.kind {
        RoleSpecKind::Name(name) => st.reader.resolve_role(name)?,
        RoleSpecKind::CurrentRole | RoleSpecKind::CurrentUser => by_oid(st.reader.session().user)?,
        RoleSpecKind::SessionUser => by_oid(st.reader.session().session_user)?,
        RoleSpecKind::Public => return Ok(None),
    }))
}

/// As [`role_of`], where PUBLIC can't stand.
pub(super) fn real_role(st: &StatementContext, spec: &RoleSpec) -> Result<Arc<RoleDef>> {
    match role_of(st, spec)? {
        Some(r) => Ok(r),
        None => Err(err!(UNDEFINED_OBJECT, "role \"public\" does not exist")),
    }
}

fn me(st: &StatementContext) -> Result<Arc<RoleDef>> {
    let oid = st.reader.session().user;
    st.reader.role(oid)?.ok_or_else(|| err!(UNDEFINED_OBJECT, "role with OID {oid} does not exist"))
}

/// Members to be added by an option list.
#[derive(Default)]
struct Members {
    members: Vec<RoleSpec>,
    admins: Vec<RoleSpec>,
    member_of: Vec<RoleSpec>,
}

/// What is wrong with options whatever the role: two of a kind, and a connection limit below -1.
fn check_options(s: &Session, options: &[ast::RoleOption]) -> Result<()> {
    let mut seen = vec![];
    for o in options {
        if matches!(o.kind, RoleOptionKind::SysId(_)) {
            let e = err!(SUCCESSFUL_COMPLETION, "SYSID can no longer be specified");
            s.cx.push_notice(Severity::Notice, e);
            continue;
        }
        let kind = std::mem::discriminant(&o.kind);
        if seen.contains(&kind) {
            let e = err!(SYNTAX_ERROR, "conflicting or redundant options");
            return Err(match ast::error_position(o.pos) {
                Some(p) => e.position(p),
                None => e,
            });
        }
        seen.push(kind);
    }
    for o in options {
        if let RoleOptionKind::ConnectionLimit(n) = &o.kind
            && *n < -1
        {
            bail!(INVALID_PARAMETER_VALUE, "invalid connection limit: {n}");
        }
    }
    Ok(())
}

/// Puts options into a role's attributes.
fn apply(
    s: &Session,
    st: &StatementContext,
    role: &mut NewRole,
    options: &[ast::RoleOption],
) -> Result<Members> {
    let mut members = Members::default();
    for o in options {
        match &o.kind {
            RoleOptionKind::Password(None) => role.password = None,
            RoleOptionKind::Password(Some(p)) if p.is_empty() => {
                let e =
                    err!(SUCCESSFUL_COMPLETION, "empty string is not a valid password, clearing password");
                s.cx.push_notice(Severity::Notice, e);
                role.password = None;
            }
            // Who gives a hash means it: a dump, say.
            RoleOptionKind::Password(Some(p)) if is_hashed(p) => role.password = Some(p.clone()),
            RoleOptionKind::Password(Some(p)) if s.cx.settings().text("password_encryption") == "md5" => {
                role.password = Some(md5_verifier(p, &role.name));
            }
            RoleOptionKind::Password(Some(p)) => role.password = Some(s.cx.instance.password_verifier(p)?),
            RoleOptionKind::Superuser(v) => role.superuser = *v,
            RoleOptionKind::Inherit(v) => role.inherit = *v,
            RoleOptionKind::CreateRole(v) => role.create_role = *v,
            RoleOptionKind::CreateDb(v) => role.create_db = *v,
            RoleOptionKind::Login(v) => role.can_login = *v,
            RoleOptionKind::Replication(v) => role.replication = *v,
            RoleOptionKind::BypassRls(v) => role.bypass_rls = *v,
            RoleOptionKind::ConnectionLimit(n) => role.connection_limit = *n,
            RoleOptionKind::ValidUntil(text) => {
                let io = st.io();
                role.valid_until = match io.type_ref(oids::TIMESTAMPTZ)?.input(text, -1, &io)? {
                    Datum::I64(v) => Some(v),
                    _ => None,
                };
            }
            RoleOptionKind::Members(m) => members.members.clone_from(m),
            RoleOptionKind::Admins(m) => members.admins.clone_from(m),
            RoleOptionKind::MemberOf(m) => members.member_of.clone_from(m),
            RoleOptionKind::SysId(_) => {}
        }
    }
    Ok(members)
}

/// What PostgreSQL stores of a password where `password_encryption` is md5.
fn md5_verifier(password: &str, role: &str) -> String {
    use md5::Digest;
    let digest = md5::Md5::digest(format!("{password}{role}"));
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    format!("md5{hex}")
}

/// Whether a password is an md5 hash or a SCRAM verifier already.
fn is_hashed(password: &str) -> bool {
    if let Some(hash) = password.strip_prefix("md5") {
        return hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    }
    let Some(rest) = password.strip_prefix("SCRAM-SHA-256$") else { return false };
    let Some((head, keys)) = rest.split_once('$') else { return false };
    let iterations =
        head.split_once(':').is_some_and(|(n, salt)| n.parse::<u32>().is_ok() && !salt.is_empty());
    iterations
        && keys.split_once(':').is_some_and(|(stored, server)| !stored.is_empty() && !server.is_empty())
}

fn create(s: &mut Session, st: &StatementContext, w: &CatalogWriter, c: &ast::CreateRole) -> Result<()> {
    check_options(s, &c.options)?;
    let mut role = NewRole::new(&c.name);
    role.can_login = c.kind == ast::RoleStatementKind::User;
    let me = me(st)?;
    let asks = |wanted: fn(&RoleOptionKind) -> bool| c.options.iter().any(|o| wanted(&o.kind));
    if !me.superuser {
        let denied = if asks(|o| matches!(o, RoleOptionKind::Superuser(true))) {
            Some("must be superuser to create superusers")
        } else if asks(|o| matches!(o, RoleOptionKind::Replication(true))) {
            Some("must be superuser to create replication users")
        } else if asks(|o| matches!(o, RoleOptionKind::BypassRls(true))) {
            Some("must be superuser to create bypassrls users")
        } else if !me.create_role {
            Some("permission denied to create role")
        } else {
            None
        };
        if let Some(text) = denied {
            bail!(INSUFFICIENT_PRIVILEGE, "{text}");
        }
    }
    // A name that can't be taken is said so before what the options' values are.
    if !c.name.starts_with("pg_") && st.reader.role_named(&c.name)?.is_some() {
        bail!(DUPLICATE_OBJECT, "role \"{}\" already exists", c.name);
    }
    let members = apply(s, st, &mut role, &c.options)?;
    let oid = w.create_role(&role)?;
    for of in &members.member_of {
        let of = real_role(st, of)?;
        check_grantable(st, &of)?;
        w.grant_role(of.oid, oid, false, me.oid)?;
    }
    for (list, admin) in [(&members.members, false), (&members.admins, true)] {
        for m in list {
            w.grant_role(oid, real_role(st, m)?.oid, admin, me.oid)?;
        }
    }
    Ok(())
}

/// 42501 unless the user may change this role.
fn check_may_alter(st: &StatementContext, role: &RoleDef) -> Result<()> {
    let me = me(st)?;
    if role.superuser && !me.superuser {
        bail!(
            INSUFFICIENT_PRIVILEGE,
            "must be superuser to alter superuser roles or change superuser attribute"
        );
    }
    if role.replication && !me.superuser {
        bail!(
            INSUFFICIENT_PRIVILEGE,
            "must be superuser to alter replication roles or change replication attribute"
        );
    }
    if !me.superuser && !me.create_role {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied");
    }
    Ok(())
}

fn alter(s: &mut Session, st: &StatementContext, w: &CatalogWriter, a: &ast::AlterRole) -> Result<()> {
    if let RoleSpecKind::Name(name) = &a.role.kind
        && name.starts_with("pg_")
    {
        return Err(
            err!(RESERVED_NAME, "role name \"{name}\" is reserved").detail("Cannot alter reserved roles.")
        );
    }
    check_options(s, &a.options)?;
    let old = real_role(st, &a.role)?;
    let me = me(st)?;
    let asks = |wanted: fn(&RoleOptionKind) -> bool| a.options.iter().any(|o| wanted(&o.kind));
    if !me.superuser {
        if old.superuser || asks(|o| matches!(o, RoleOptionKind::Superuser(_))) {
            bail!(
                INSUFFICIENT_PRIVILEGE,
                "must be superuser to alter superuser roles or change superuser attribute"
            );
        }
        if old.replication || asks(|o| matches!(o, RoleOptionKind::Replication(_))) {
            bail!(
                INSUFFICIENT_PRIVILEGE,
                "must be superuser to alter replication roles or change replication attribute"
            );
        }
        if asks(|o| matches!(o, RoleOptionKind::BypassRls(_))) {
            bail!(INSUFFICIENT_PRIVILEGE, "must be superuser to change bypassrls attribute");
        }
        let own_password =
            me.oid == old.oid && a.options.iter().all(|o| matches!(o.kind, RoleOptionKind::Password(_)));
        if !me.create_role && !own_password {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied");
        }
    }
    let mut new = NewRole::of(&old);
    let members = apply(s, st, &mut new, &a.options)?;
    if new != NewRole::of(&old) {
        w.alter_role(old.oid, &new)?;
    }
    for m in &members.members {
        let member = real_role(st, m)?;
        let note = if a.drop_members {
            w.revoke_role(old.oid, member.oid, false)?
        } else {
            w.grant_role(old.oid, member.oid, false, me.oid)?
        };
        notice(s, note);
    }
    Ok(())
}

fn notice(s: &Session, e: Option<Error>) {
    if let Some(e) = e {
        s.cx.push_notice(e.fields().severity, e);
    }
}

/// The setting and value that an ALTER ... SET stores: no name means all of them, no value that it goes.
pub(super) fn stored_setting(
    s: &Session,
    set: &ast::SetStatement,
) -> Result<(Option<String>, Option<String>)> {
    let (name, value) = match &set.kind {
        SetKind::ResetAll => return Ok((None, None)),
        SetKind::Default { name } | SetKind::Reset { name } => (name, None),
        SetKind::Current { name } => (name, Some(s.cx.setting(name).ok_or_else(|| settings::unknown(name))?)),
        SetKind::Value { name, values } => (name, Some(super::set::joined(name, values)?)),
        _ => return Err(Error::unsupported("this form of SET here")),
    };
    let def = settings::find(name).map(|(_, d)| d);
    if def.is_none() && !settings::is_custom_name(name) {
        return Err(settings::unknown(name));
    }
    let value = match value {
        Some(v) => {
            // Stored as written, checked as it will be read.
            let checked = crate::settings_check::normalise(name, &v, &s.cx.settings())?;
            if let Some(def) = def {
                def.parse(&checked)?;
            }
            Some(v)
        }
        None => None,
    };
    Ok((Some(def.map_or(name.clone(), |d| d.name.to_string())), value))
}

fn alter_set(s: &mut Session, st: &StatementContext, w: &CatalogWriter, a: &ast::AlterRoleSet) -> Result<()> {
    let role = match &a.role {
        Some(r) => {
            let role = real_role(st, r)?;
            if role.oid != st.reader.session().user {
                check_may_alter(st, &role)?;
            }
            role.oid
        }
        None => {
            if !me(st)?.superuser {
                bail!(INSUFFICIENT_PRIVILEGE, "must be superuser to alter settings globally");
            }
            Oid::INVALID
        }
    };
    let db = match &a.database {
        Some(name) => match st.reader.database_named(name)? {
            Some(d) => d.oid,
            None => bail!(UNDEFINED_DATABASE, "database \"{name}\" does not exist"),
        },
        None => Oid::INVALID,
    };
    let (name, value) = stored_setting(s, &a.setting)?;
    w.set_role_setting(db, role, name.as_deref(), value.as_deref())
}

fn drop_roles(s: &mut Session, st: &StatementContext, w: &CatalogWriter, d: &ast::DropRole) -> Result<()> {
    let me = me(st)?;
    if !me.superuser && !me.create_role {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to drop role");
    }
    for spec in &d.roles {
        let RoleSpecKind::Name(name) = &spec.kind else {
            bail!(INVALID_PARAMETER_VALUE, "cannot use special role specifier in DROP ROLE");
        };
        let Some(role) = st.reader.role_named(name)? else {
            if d.if_exists {
                let e = err!(SUCCESSFUL_COMPLETION, "role \"{name}\" does not exist, skipping");
                s.cx.push_notice(Severity::Notice, e);
                continue;
            }
            bail!(UNDEFINED_OBJECT, "role \"{name}\" does not exist");
        };
        if role.oid == me.oid {
            bail!(OBJECT_IN_USE, "current user cannot be dropped");
        }
        if role.oid == st.reader.session().session_user {
            bail!(OBJECT_IN_USE, "session user cannot be dropped");
        }
        if role.superuser && !me.superuser {
            bail!(INSUFFICIENT_PRIVILEGE, "must be superuser to drop superusers");
        }
        w.drop_role(role.oid)?;
    }
    Ok(())
}

/// 42501 unless the user may grant membership in `role`.
fn check_grantable(st: &StatementContext, role: &RoleDef) -> Result<()> {
    let me = me(st)?;
    if role.superuser && !me.superuser {
        bail!(INSUFFICIENT_PRIVILEGE, "must be superuser to alter superusers");
    }
    if !role.superuser && !me.create_role && !st.reader.is_admin_of_role(me.oid, role.oid)? {
        bail!(INSUFFICIENT_PRIVILEGE, "must have admin option on role \"{}\"", role.name);
    }
    Ok(())
}

fn grant_role(s: &mut Session, st: &StatementContext, w: &CatalogWriter, g: &ast::GrantRole) -> Result<()> {
    let grantor = match &g.granted_by {
        Some(by) => real_role(st, by)?.oid,
        None => st.reader.session().user,
    };
    for granted in &g.roles {
        let Some(name) = &granted.name else {
            bail!(INVALID_GRANT_OPERATION, "column names cannot be included in GRANT/REVOKE ROLE");
        };
        let role = st.reader.resolve_role(name)?;
        check_grantable(st, &role)?;
        for grantee in &g.grantees {
            let member = real_role(st, grantee)?;
            let note = if g.grant {
                w.grant_role(role.oid, member.oid, g.admin_option, grantor)?
            } else {
                w.revoke_role(role.oid, member.oid, g.admin_option)?
            };
            notice(s, note);
        }
    }
    Ok(())
}

pub(super) fn privilege(name: &str) -> Result<Privilege> {
    Privilege::from_name(name).ok_or_else(|| err!(SYNTAX_ERROR, "unrecognized privilege type \"{name}\""))
}

/// 0LP01 for privileges that objects of the kind haven't got.
fn check_privileges(target: &GrantTarget, privileges: &[Privilege]) -> Result<()> {
    let (GrantTarget::Relations { kind, .. }
    | GrantTarget::AllInSchema { kind, .. }
    | GrantTarget::Objects { kind, .. }
    | GrantTarget::Defaults(kind)) = target;
    let (allowed, noun) = match kind {
        ObjectKind::Table => (AclObject::Relation.all() | AclObject::Sequence.all(), "relation"),
        ObjectKind::Sequence => (AclObject::Sequence.all(), "sequence"),
        ObjectKind::Database => (AclObject::Database.all(), "database"),
        ObjectKind::Schema => (AclObject::Schema.all(), "schema"),
        ObjectKind::Type => (AclObject::Type.all(), "type"),
        ObjectKind::Domain => (AclObject::Type.all(), "domain"),
        _ => return Ok(()),
    };
    match privileges.iter().find(|p| p.bit() & !allowed != 0) {
        Some(p) => bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for {noun}", p.name()),
        None => Ok(()),
    }
}

/// The objects a GRANT is about.
fn targets(st: &StatementContext, target: &GrantTarget) -> Result<Vec<ObjectAddress>> {
    let mut out = vec![];
    match target {
        GrantTarget::Relations { relations, .. } => {
            for r in relations {
                let parts: Vec<&String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).collect();
                out.push(ObjectAddress::relation(st.reader.resolve_relation_strict(&parts, None)?.oid));
            }
        }
        GrantTarget::AllInSchema { kind, schemas } => {
            for schema in schemas {
                let schema = st.reader.resolve_schema(&schema.value, None)?;
                let kinds: &[char] = if *kind == ObjectKind::Sequence { &['S'] } else { &['r', 'v', 'm'] };
                for relation in st.reader.all_relations(kinds)?.into_iter().filter(|r| r.schema == schema) {
                    let fits = matches!(
                        (kind, relation.kind),
                        (ObjectKind::Table, RelKind::Table | RelKind::View | RelKind::MaterializedView)
                            | (ObjectKind::Sequence, RelKind::Sequence)
                    );
                    if fits {
                        out.push(ObjectAddress::relation(relation.oid));
                    }
                }
            }
        }
        GrantTarget::Objects { kind, objects } => {
            for o in objects {
                out.push(match (kind, o) {
                    (ObjectKind::Database, ObjectRef::Name(n)) => match st.reader.database_named(n.name())? {
                        Some(d) => ObjectAddress::database(d.oid),
                        None => bail!(UNDEFINED_DATABASE, "database \"{}\" does not exist", n.name()),
                    },
                    (ObjectKind::Schema, ObjectRef::Name(n)) => {
                        ObjectAddress::schema(st.reader.resolve_schema(n.name(), None)?)
                    }
                    (ObjectKind::Type | ObjectKind::Domain, ObjectRef::Type(t)) => {
                        let io = st.io();
                        let cx = BindContext {
                            reader: &st.reader,
                            io: &io,
                            param_types: &[],
                            params_allowed: false,
                        };
                        ObjectAddress::ty(bind::resolve_type_name(t, &cx)?.oid)
                    }
                    (ObjectKind::Type | ObjectKind::Domain, ObjectRef::Name(n)) => {
                        ObjectAddress::ty(st.reader.resolve_type(&n.parts, None)?)
                    }
                    // Others' lists are not looked at when they are called.
                    (ObjectKind::Function | ObjectKind::Routine, ObjectRef::Function(f)) => {
                        let io = st.io();
                        let cx = BindContext {
                            reader: &st.reader,
                            io: &io,
                            param_types: &[],
                            params_allowed: false,
                        };
                        let mut types = vec![];
                        for t in f.input_types().unwrap_or_default() {
                            types.push(bind::resolve_type_name(t, &cx)?.oid);
                        }
                        match st.reader.extension_function(&f.name.parts, &types)? {
                            Some(oid) => ObjectAddress::function(oid),
                            None => return Err(Error::unsupported("GRANT ON FUNCTION")),
                        }
                    }
                    (kind, _) => return Err(Error::unsupported(format_args!("GRANT ON {}", kind.sql()))),
                });
            }
        }
        GrantTarget::Defaults(_) => return Err(Error::unsupported("ALTER DEFAULT PRIVILEGES")),
    }
    Ok(out)
}

fn grant(s: &mut Session, st: &StatementContext, w: &CatalogWriter, g: &ast::Grant) -> Result<()> {
    if let Some(by) = &g.granted_by
        && real_role(st, by)?.oid != st.reader.session().user
    {
        bail!(FEATURE_NOT_SUPPORTED, "grantor must be current user");
    }
    let objects = targets(st, &g.target)?;
    let mut grantees = vec![];
    for spec in &g.grantees {
        grantees.push(role_of(st, spec)?.map_or(Oid::INVALID, |r| r.oid));
    }
    let (tables, sequences) = match &g.target {
        GrantTarget::Relations { kind, .. } => (*kind == ObjectKind::Table, *kind == ObjectKind::Sequence),
        GrantTarget::AllInSchema { kind, .. } => (*kind == ObjectKind::Table, false),
        _ => (false, false),
    };
    let (mut whole, mut columns) = (vec![], vec![]);
    for p in &g.privileges {
        let wanted = p.name.as_deref().map(privilege).transpose()?;
        if p.columns.is_empty() {
            whole.extend(wanted);
            continue;
        }
        if !tables {
            bail!(INVALID_GRANT_OPERATION, "column privileges are only valid for relations");
        }
        let names = p.columns.iter().map(|c| c.value.clone()).collect();
        columns.push(ColumnGrant { privilege: wanted, columns: names });
    }
    check_privileges(&g.target, &whole)?;
    let behavior = match g.behavior {
        ast::DropBehavior::Restrict => DropBehavior::Restrict,
        ast::DropBehavior::Cascade => DropBehavior::Cascade,
    };
    for object in objects {
        if sequences
            && let Some(r) = st.reader.relation(object.oid)?
            && !matches!(r.kind, RelKind::Sequence | RelKind::Index | RelKind::CompositeType)
        {
            bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", r.name);
        }
        let spec = GrantSpec {
            kind: if g.grant { GrantKind::Grant } else { GrantKind::Revoke },
            object,
            privileges: (!g.privileges.is_empty()).then(|| whole.clone()),
            columns: columns.clone(),
            grantees: grantees.clone(),
            grant_option: g.grant_option,
            behavior,
        };
        for e in w.grant(&spec)? {
            s.cx.push_notice(e.fields().severity, e);
        }
    }
    Ok(())
}
