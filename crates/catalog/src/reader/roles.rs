//! Roles, memberships, databases.

use super::CatalogReader;
use crate::builtin::columns::{pg_auth_members, pg_authid, pg_database, pg_db_role_setting};
use crate::builtin::oids::PG_DATABASE_OWNER;
use crate::cache::Touched;
use crate::defs::{DatabaseDef, RoleDef};
use crate::row::oid_datum;
use quarry_common::{Oid, Result, err};
use quarry_types::Datum;
use std::sync::Arc;

impl CatalogReader {
    /// A role by OID.
    pub fn role(&self, oid: Oid) -> Result<Option<Arc<RoleDef>>> {
        let shared = self.catalog().shared().clone();
        self.cached(
            &shared,
            |c| &c.roles,
            &oid,
            || Touched::Role(oid),
            |snap| {
                let Some((_, r)) = self.find_one(snap, pg_authid::TABLE, 2677, &[oid_datum(oid)])? else {
                    return Ok(None);
                };
                let members = self.find(snap, pg_auth_members::TABLE, 2695, &[oid_datum(oid)])?;
                Ok(Some(Arc::new(RoleDef {
                    oid,
                    name: r.string(pg_authid::ROLNAME),
                    superuser: r.bool(pg_authid::ROLSUPER),
                    inherit: r.bool(pg_authid::ROLINHERIT),
                    create_role: r.bool(pg_authid::ROLCREATEROLE),
                    create_db: r.bool(pg_authid::ROLCREATEDB),
                    can_login: r.bool(pg_authid::ROLCANLOGIN),
                    replication: r.bool(pg_authid::ROLREPLICATION),
                    bypass_rls: r.bool(pg_authid::ROLBYPASSRLS),
                    connection_limit: r.i32(pg_authid::ROLCONNLIMIT),
                    password: r.opt_string(pg_authid::ROLPASSWORD),
                    valid_until: match r.0[pg_authid::ROLVALIDUNTIL] {
                        Datum::I64(v) => Some(v),
                        _ => None,
                    },
                    member_of: members.iter().map(|(_, m)| m.oid(pg_auth_members::ROLEID)).collect(),
                })))
            },
        )
    }
    /// A role's OID by name.
    pub fn role_oid(&self, name: &str) -> Result<Option<Oid>> {
        let shared = self.catalog().shared().clone();
        self.cached(
            &shared,
            |c| &c.role_names,
            name,
            || Touched::RoleName(name.to_owned()),
            |snap| {
                let row = self.find_one(snap, pg_authid::TABLE, 2676, &[Datum::text(name)])?;
                Ok(row.map(|(_, r)| r.oid(pg_authid::OID)))
            },
        )
    }
    /// A role by name.
    pub fn role_named(&self, name: &str) -> Result<Option<Arc<RoleDef>>> {
        match self.role_oid(name)? {
            Some(oid) => self.role(oid),
            None => Ok(None),
        }
    }
    /// As [`CatalogReader::role_named`]; 42704 if there is none.
    pub fn resolve_role(&self, name: &str) -> Result<Arc<RoleDef>> {
        self.role_named(name)?.ok_or_else(|| err!(UNDEFINED_OBJECT, "role \"{name}\" does not exist"))
    }
    /// A role's name, or "unknown (OID=n)".
    pub fn role_name(&self, oid: Oid) -> Result<String> {
        Ok(self.role(oid)?.map_or_else(|| format!("unknown (OID={oid})"), |r| r.name.clone()))
    }
    /// Whether the role exists and is a superuser.
    pub fn is_superuser(&self, role: Oid) -> Result<bool> {
        Ok(self.role(role)?.is_some_and(|r| r.superuser))
    }
    /// Whether `role` is `of` or a direct or indirect member of it; superusers are members of all.
    pub fn is_member_of(&self, role: Oid, of: Oid) -> Result<bool> {
        Ok(role == of || self.is_superuser(role)? || self.walk_memberships(role, of, false)?)
    }
    /// As [`CatalogReader::is_member_of`], without superusers' universal membership.
    pub fn is_member_of_nosuper(&self, role: Oid, of: Oid) -> Result<bool> {
        Ok(role == of || self.walk_memberships(role, of, false)?)
    }
    /// Whether `role` has the privileges of `of` without SET ROLE: through roles that inherit.
    pub fn has_privileges_of(&self, role: Oid, of: Oid) -> Result<bool> {
        Ok(role == of || self.is_superuser(role)? || self.walk_memberships(role, of, true)?)
    }
    fn walk_memberships(&self, role: Oid, of: Oid, inherit_only: bool) -> Result<bool> {
        let mut seen = vec![role];
        let mut next = 0;
        while let Some(current) = seen.get(next).copied() {
            next += 1;
            let Some(r) = self.role(current)? else { continue };
            if inherit_only && !r.inherit {
                continue;
            }
            let mut direct = r.member_of.clone();
            // The owner of the current database is a member of pg_database_owner.
            if self.db().is_valid() && self.database(self.db())?.is_some_and(|d| d.owner == current) {
                direct.push(PG_DATABASE_OWNER);
            }
            for m in direct {
                if m == of {
                    return Ok(true);
                }
                if !seen.contains(&m) {
                    seen.push(m);
                }
            }
        }
        Ok(false)
    }
    /// Whether `member` may grant membership in `role`.
    pub fn is_admin_of_role(&self, member: Oid, role: Oid) -> Result<bool> {
        if self.is_superuser(member)? || member == role {
            return Ok(true);
        }
        for (_, r) in self.find(&self.snapshot(), pg_auth_members::TABLE, 2694, &[oid_datum(role)])? {
            if r.bool(pg_auth_members::ADMIN_OPTION)
                && self.is_member_of(member, r.oid(pg_auth_members::MEMBER))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
    /// Every role, by name.
    pub fn roles(&self) -> Result<Vec<Arc<RoleDef>>> {
        let mut out = Vec::new();
        for (_, r) in self.table(pg_authid::TABLE).scan(&self.snapshot())? {
            out.extend(self.role(r.oid(pg_authid::OID))?);
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }

    /// A database by OID.
    pub fn database(&self, oid: Oid) -> Result<Option<Arc<DatabaseDef>>> {
        let shared = self.catalog().shared().clone();
        self.cached(
            &shared,
            |c| &c.databases,
            &oid,
            || Touched::Database(oid),
            |snap| {
                let row = self.find_one(snap, pg_database::TABLE, 2672, &[oid_datum(oid)])?;
                Ok(row.map(|(_, r)| {
                    Arc::new(DatabaseDef {
                        oid,
                        name: r.string(pg_database::DATNAME),
                        owner: r.oid(pg_database::DATDBA),
                        allow_connections: r.bool(pg_database::DATALLOWCONN),
                        is_template: r.bool(pg_database::DATISTEMPLATE),
                        connection_limit: r.i32(pg_database::DATCONNLIMIT),
                        acl: r.acl(pg_database::DATACL),
                    })
                }))
            },
        )
    }
    /// A database by name.
    pub fn database_named(&self, name: &str) -> Result<Option<Arc<DatabaseDef>>> {
        let shared = self.catalog().shared().clone();
        let oid = self.cached(
            &shared,
            |c| &c.database_names,
            name,
            || Touched::DatabaseName(name.to_owned()),
            |snap| {
                let row = self.find_one(snap, pg_database::TABLE, 2671, &[Datum::text(name)])?;
                Ok(row.map(|(_, r)| r.oid(pg_database::OID)))
            },
        )?;
        match oid {
            Some(oid) => self.database(oid),
            None => Ok(None),
        }
    }
    /// Every database, by name.
    pub fn databases(&self) -> Result<Vec<Arc<DatabaseDef>>> {
        let mut out = Vec::new();
        for (_, r) in self.table(pg_database::TABLE).scan(&self.snapshot())? {
            out.extend(self.database(r.oid(pg_database::OID))?);
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(out)
    }
    /// Settings of exactly this pair of database and role (invalid: any), as `ALTER ROLE ... SET` stored them.
    pub fn role_settings(&self, db: Oid, role: Oid) -> Result<Vec<(String, String)>> {
        let row = self.find_one(
            &self.snapshot(),
            pg_db_role_setting::TABLE,
            2965,
            &[oid_datum(db), oid_datum(role)],
        )?;
        Ok(row
            .map_or_else(Vec::new, |(_, r)| super::load::options_of(&r.texts(pg_db_role_setting::SETCONFIG))))
    }
}
