//! Everything a role owns or has privileges on: REASSIGN OWNED, DROP OWNED (PostgreSQL: pg_shdepend.c).

use super::{CatalogWriter, GrantKind, GrantSpec};
use crate::builtin::columns::{pg_authid, pg_database, pg_default_acl, pg_shdepend};
use crate::object::{DropBehavior, ObjectAddress};
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result, bail};

/// How an object depends on a role: `pg_shdepend.deptype`.
struct OfRole {
    object: ObjectAddress,
    /// The object's database; invalid: shared by all.
    db: Oid,
    kind: char,
}

impl CatalogWriter {
    /// What depends on a role in this database or is shared by all.
    fn objects_of_role(&self, role: Oid, verb: &str) -> Result<Vec<OfRole>> {
        if ObjectAddress::role(role).is_pinned() {
            bail!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot {verb} objects owned by role {} because they are required by the database system",
                self.role_name(role)?
            );
        }
        let key = [oid_datum(Oid(pg_authid::TABLE)), oid_datum(role)];
        let mut out = Vec::new();
        for (_, r) in self.find(&self.snapshot(), pg_shdepend::TABLE, 1233, &key)? {
            let db = r.oid(pg_shdepend::DBID);
            if db.is_valid() && db != self.db() {
                continue;
            }
            let object = ObjectAddress {
                class: r.oid(pg_shdepend::CLASSID),
                oid: r.oid(pg_shdepend::OBJID),
                sub: r.i32(pg_shdepend::OBJSUBID),
            };
            out.push(OfRole { object, db, kind: r.char(pg_shdepend::DEPTYPE) });
        }
        Ok(out)
    }

    /// Gives everything a role owns in this database, and shared objects, to another.
    pub fn reassign_owned(&self, role: Oid, to: Oid) -> Result<()> {
        for o in self.objects_of_role(role, "reassign ownership of")? {
            // Default privileges are no one's but their role's: DROP OWNED is for them.
            if o.kind != 'o' || o.object.class.0 == pg_default_acl::TABLE {
                continue;
            }
            // An earlier object may have taken this one along (a table its sequences).
            self.set_owner(o.object, to)?;
        }
        Ok(())
    }

    /// Drops what roles own in this database and revokes the privileges they have on other objects. Answers notices.
    pub fn drop_owned(&self, roles: &[Oid], behavior: DropBehavior) -> Result<Vec<Error>> {
        let mut drop = Vec::new();
        for role in roles {
            for o in self.objects_of_role(*role, "drop")? {
                match o.kind {
                    'o' if o.db.is_valid() && o.object.class.0 != pg_database::TABLE => drop.push(o.object),
                    'a' => self.revoke_everything(o.object, *role)?,
                    _ => {}
                }
            }
        }
        drop.sort();
        drop.dedup();
        self.drop_objects(&drop, behavior)
    }
    fn revoke_everything(&self, object: ObjectAddress, role: Oid) -> Result<()> {
        if object.class.0 == pg_default_acl::TABLE {
            return self.forget_in_default_acl(object.oid, role);
        }
        self.grant(&GrantSpec {
            kind: GrantKind::Revoke,
            object,
            privileges: None,
            columns: Vec::new(),
            grantees: vec![role],
            grant_option: false,
            behavior: DropBehavior::Cascade,
        })?;
        Ok(())
    }
}
