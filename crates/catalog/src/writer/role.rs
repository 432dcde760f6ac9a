//! Roles and memberships.

use super::CatalogWriter;
use crate::builtin::columns::{pg_auth_members, pg_authid, pg_db_role_setting, pg_shdepend};
use crate::cache::Touched;
use crate::object::ObjectAddress;
use crate::row::{Row, oid_datum, opt_text};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_types::Datum;

/// The attributes of a role to be made or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRole {
    pub name: String,
    pub superuser: bool,
    pub inherit: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub can_login: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// SCRAM verifier or md5 hash.
    pub password: Option<String>,
    pub valid_until: Option<i64>,
}

impl NewRole {
    /// What CREATE ROLE makes without options.
    pub fn new(name: impl Into<String>) -> NewRole {
        NewRole {
            name: name.into(),
            superuser: false,
            inherit: true,
            create_role: false,
            create_db: false,
            can_login: false,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            password: None,
            valid_until: None,
        }
    }
    /// The attributes of a role that is there.
    pub fn of(r: &crate::RoleDef) -> NewRole {
        NewRole {
            name: r.name.clone(),
            superuser: r.superuser,
            inherit: r.inherit,
            create_role: r.create_role,
            create_db: r.create_db,
            can_login: r.can_login,
            replication: r.replication,
            bypass_rls: r.bypass_rls,
            connection_limit: r.connection_limit,
            password: r.password.clone(),
            valid_until: r.valid_until,
        }
    }
    fn row(&self, oid: Oid) -> Row {
        Row(vec![
            oid_datum(oid),
            Datum::text(&self.name),
            Datum::Bool(self.superuser),
            Datum::Bool(self.inherit),
            Datum::Bool(self.create_role),
            Datum::Bool(self.create_db),
            Datum::Bool(self.can_login),
            Datum::Bool(self.replication),
            Datum::Bool(self.bypass_rls),
            Datum::I32(self.connection_limit),
            opt_text(self.password.as_deref()),
            self.valid_until.map_or(Datum::Null, Datum::I64),
        ])
    }
}

fn check_role_name(name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        return Err(err!(RESERVED_NAME, "role name \"{name}\" is reserved")
            .detail("Role names starting with \"pg_\" are reserved."));
    }
    if matches!(name, "public" | "none") {
        bail!(RESERVED_NAME, "role name \"{name}\" is reserved");
    }
    Ok(())
}

impl CatalogWriter {
    /// 42939 for names that only built-in roles have.
    pub fn check_role_name(&self, name: &str) -> Result<()> {
        check_role_name(name)
    }
    /// As [`CatalogWriter::check_role_name`], and 42710 if a role has the name.
    pub fn check_new_role_name(&self, name: &str) -> Result<()> {
        check_role_name(name)?;
        if self.role_oid(name)?.is_some() {
            bail!(DUPLICATE_OBJECT, "role \"{name}\" already exists");
        }
        Ok(())
    }
    fn touch_role(&self, oid: Oid, name: &str) {
        self.touch([Touched::Role(oid), Touched::RoleName(name.to_owned())]);
    }
    /// Makes a role. 42710 if it is there.
    pub fn create_role(&self, new: &NewRole) -> Result<Oid> {
        self.check_new_role_name(&new.name)?;
        let oid = self.new_oid()?;
        self.touch_role(oid, &new.name);
        self.insert(pg_authid::TABLE, &new.row(oid))?;
        self.advance();
        Ok(oid)
    }
    /// Replaces a role's attributes (not its name).
    pub fn alter_role(&self, role: Oid, attributes: &NewRole) -> Result<()> {
        self.touch([Touched::Role(role)]);
        self.change_oid(pg_authid::TABLE, 2677, role, |r| {
            let name = r.0[pg_authid::ROLNAME].clone();
            *r = attributes.row(role);
            r.0[pg_authid::ROLNAME] = name;
        })?;
        self.advance();
        Ok(())
    }
    /// Renames a role. An md5 password is lost, since the name is part of it: answers whether that happened.
    pub fn rename_role(&self, role: Oid, name: &str) -> Result<bool> {
        self.check_new_role_name(name)?;
        let Some(old) = self.role(role)? else {
            bail!(UNDEFINED_OBJECT, "role with OID {role} does not exist")
        };
        self.touch_role(role, &old.name);
        self.touch_role(role, name);
        let md5 = old.password.as_deref().is_some_and(|p| p.starts_with("md5") && p.len() == 35);
        self.change_oid(pg_authid::TABLE, 2677, role, |r| {
            r.0[pg_authid::ROLNAME] = Datum::text(name);
            if md5 {
                r.0[pg_authid::ROLPASSWORD] = Datum::Null;
            }
        })?;
        self.advance();
        Ok(md5)
    }
    /// Drops a role with its memberships and settings. 2BP01 if it owns something or privileges name it.
    pub fn drop_role(&self, role: Oid) -> Result<()> {
        let Some(old) = self.role(role)? else {
            bail!(UNDEFINED_OBJECT, "role with OID {role} does not exist")
        };
        self.check_role_unused(role, &old.name)?;
        self.touch_role(role, &old.name);
        let snap = self.snapshot();
        for (tid, m) in self.table(pg_auth_members::TABLE).scan(&snap)? {
            let (of, member) = (m.oid(pg_auth_members::ROLEID), m.oid(pg_auth_members::MEMBER));
            if of == role || member == role {
                self.touch([Touched::Role(member)]);
                self.delete(pg_auth_members::TABLE, tid)?;
            }
        }
        for (tid, s) in self.table(pg_db_role_setting::TABLE).scan(&snap)? {
            if s.oid(pg_db_role_setting::SETROLE) == role {
                self.delete(pg_db_role_setting::TABLE, tid)?;
            }
        }
        self.remove_comments(ObjectAddress::role(role))?;
        self.delete_all(&snap, pg_authid::TABLE, 2677, &[oid_datum(role)])?;
        self.advance();
        Ok(())
    }
    fn check_role_unused(&self, role: Oid, name: &str) -> Result<()> {
        let key = [oid_datum(Oid(pg_authid::TABLE)), oid_datum(role)];
        let rows = self.find(&self.snapshot(), pg_shdepend::TABLE, 1233, &key)?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut here: Vec<(ObjectAddress, char)> = Vec::new();
        let mut elsewhere: Vec<(Oid, usize)> = Vec::new();
        for (_, r) in &rows {
            let db = r.oid(pg_shdepend::DBID);
            if db.is_valid() && db != self.db() {
                match elsewhere.iter_mut().find(|e| e.0 == db) {
                    Some(e) => e.1 += 1,
                    None => elsewhere.push((db, 1)),
                }
                continue;
            }
            let object = ObjectAddress {
                class: r.oid(pg_shdepend::CLASSID),
                oid: r.oid(pg_shdepend::OBJID),
                sub: r.i32(pg_shdepend::OBJSUBID),
            };
            here.push((object, r.char(pg_shdepend::DEPTYPE)));
        }
        here.sort();
        let mut lines = Vec::new();
        for (object, kind) in here {
            let what = self.describe(object)?;
            lines.push(match kind {
                'o' => format!("owner of {what}"),
                'r' => format!("target of {what}"),
                _ => format!("privileges for {what}"),
            });
        }
        for (db, count) in elsewhere {
            let db = self.database(db)?.map(|d| d.name.clone()).unwrap_or_default();
            let s = if count == 1 { "" } else { "s" };
            lines.push(format!("{count} object{s} in database {db}"));
        }
        Err(err!(
            DEPENDENT_OBJECTS_STILL_EXIST,
            "role \"{name}\" cannot be dropped because some objects depend on it"
        )
        .detail(lines.join("\n")))
    }

    /// Makes `member` a member of `role`. Answers the notice if it is one already and nothing changes.
    pub fn grant_role(&self, role: Oid, member: Oid, admin: bool, grantor: Oid) -> Result<Option<Error>> {
        let (role_name, member_name) = (self.role_name(role)?, self.role_name(member)?);
        // A loop of memberships would have no end.
        if self.is_member_of_nosuper(role, member)? {
            bail!(INVALID_GRANT_OPERATION, "role \"{role_name}\" is a member of role \"{member_name}\"");
        }
        let key = [oid_datum(role), oid_datum(member)];
        let existing = self.find_one(&self.snapshot(), pg_auth_members::TABLE, 2694, &key)?;
        self.touch([Touched::Role(member)]);
        match existing {
            Some((_, r)) if !admin || r.bool(pg_auth_members::ADMIN_OPTION) => {
                return Ok(Some(
                    err!(
                        SUCCESSFUL_COMPLETION,
                        "role \"{member_name}\" is already a member of role \"{role_name}\""
                    )
                    .severity(Severity::Notice),
                ));
            }
            Some((tid, r)) => {
                let mut new = r.clone();
                new.0[pg_auth_members::ADMIN_OPTION] = Datum::Bool(true);
                new.0[pg_auth_members::GRANTOR] = oid_datum(grantor);
                self.update(pg_auth_members::TABLE, tid, &r, &new)?;
            }
            None => {
                let row =
                    Row(vec![oid_datum(role), oid_datum(member), oid_datum(grantor), Datum::Bool(admin)]);
                self.insert(pg_auth_members::TABLE, &row)?;
            }
        }
        self.advance();
        Ok(None)
    }
    /// Ends a membership, or only its admin option. Answers the warning if there is none.
    pub fn revoke_role(&self, role: Oid, member: Oid, admin_only: bool) -> Result<Option<Error>> {
        let key = [oid_datum(role), oid_datum(member)];
        let Some((tid, r)) = self.find_one(&self.snapshot(), pg_auth_members::TABLE, 2694, &key)? else {
            let (role, member) = (self.role_name(role)?, self.role_name(member)?);
            return Ok(Some(
                err!(WARNING, "role \"{member}\" is not a member of role \"{role}\"")
                    .severity(Severity::Warning),
            ));
        };
        self.touch([Touched::Role(member)]);
        if admin_only {
            let mut new = r.clone();
            new.0[pg_auth_members::ADMIN_OPTION] = Datum::Bool(false);
            self.update(pg_auth_members::TABLE, tid, &r, &new)?;
        } else {
            self.delete(pg_auth_members::TABLE, tid)?;
        }
        self.advance();
        Ok(None)
    }
    /// Stores or removes a setting of a role in a database (either may be 0: all). With no name all of them go.
    pub fn set_role_setting(
        &self,
        db: Oid,
        role: Oid,
        name: Option<&str>,
        value: Option<&str>,
    ) -> Result<()> {
        let mut settings = self.role_settings(db, role)?;
        match name {
            None => settings.clear(),
            Some(n) => {
                settings.retain(|s| s.0 != n);
                if let Some(v) = value {
                    settings.push((n.to_owned(), v.to_owned()));
                }
            }
        }
        let key = [oid_datum(db), oid_datum(role)];
        let existing = self.find_one(&self.snapshot(), pg_db_role_setting::TABLE, 2965, &key)?;
        let new = Row(vec![oid_datum(db), oid_datum(role), crate::rows::options_datum(&settings)]);
        match existing {
            Some((tid, _)) if settings.is_empty() => self.delete(pg_db_role_setting::TABLE, tid)?,
            Some((tid, old)) => self.update(pg_db_role_setting::TABLE, tid, &old, &new)?,
            None if settings.is_empty() => {}
            None => {
                self.insert(pg_db_role_setting::TABLE, &new)?;
            }
        }
        self.advance();
        Ok(())
    }
}
