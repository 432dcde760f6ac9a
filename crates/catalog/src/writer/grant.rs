//! GRANT and REVOKE of privileges on objects.

use super::CatalogWriter;
use crate::acl::{self, AclItem, AclObject, Privilege, default_acl};
use crate::arrays;
use crate::builtin::columns::{
    pg_attribute, pg_class, pg_database, pg_language, pg_namespace, pg_proc, pg_tablespace, pg_type,
};
use crate::cache::Touched;
use crate::defs::RelKind;
use crate::object::{DropBehavior, ObjectAddress};
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_types::Datum;

/// GRANT or REVOKE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantKind {
    Grant,
    Revoke,
}

/// One GRANT or REVOKE on one object.
#[derive(Clone, Debug)]
pub struct GrantSpec {
    pub kind: GrantKind,
    /// A relation, column, schema, database, type, function, language or tablespace.
    pub object: ObjectAddress,
    /// None: ALL PRIVILEGES.
    pub privileges: Option<Vec<Privilege>>,
    /// Invalid: PUBLIC.
    pub grantees: Vec<Oid>,
    /// WITH GRANT OPTION, or REVOKE GRANT OPTION FOR.
    pub grant_option: bool,
    pub behavior: DropBehavior,
}

struct Target {
    kind: AclObject,
    owner: Oid,
    acl: Option<Vec<AclItem>>,
    noun: &'static str,
    name: String,
}

impl CatalogWriter {
    /// Grants or revokes; answers warnings (privileges that the user couldn't grant).
    pub fn grant(&self, spec: &GrantSpec) -> Result<Vec<Error>> {
        let target = self.grant_target(spec.object)?;
        let all = target.kind.all();
        let mut wanted = match &spec.privileges {
            None => all,
            Some(list) => list.iter().fold(0, |m, p| m | p.bit()),
        };
        let mut warnings = Vec::new();
        if let Some(p) = acl::PRIVILEGES.iter().find(|p| wanted & p.0.bit() & !all != 0) {
            match (target.kind, p.0) {
                // Sequences take table privileges for old scripts' sake: what fits is applied.
                (AclObject::Sequence, _) if wanted & !(all | AclObject::Relation.all()) == 0 => {
                    wanted &= all;
                    warnings.push(
                        err!(
                            INVALID_GRANT_OPERATION,
                            "sequence \"{}\" only supports USAGE, SELECT, and UPDATE privileges",
                            target.name
                        )
                        .severity(Severity::Warning),
                    );
                }
                (AclObject::Relation, Privilege::Usage) => {
                    bail!(INVALID_GRANT_OPERATION, "invalid privilege type USAGE for table")
                }
                (AclObject::Relation, _) => {
                    bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for relation", p.2)
                }
                _ => bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for {}", p.2, target.noun),
            }
        }
        let mut acl_now = target.acl.clone().unwrap_or_else(|| default_acl(target.kind, target.owner));
        let user = self.session().user;
        let (grantor, options) = self.best_grantor(user, wanted, &target, &acl_now)?;
        let (mask, warning) = self.grantable(spec, &target, wanted, options, grantor, &acl_now)?;
        for grantee in &spec.grantees {
            match spec.kind {
                GrantKind::Grant => {
                    if spec.grant_option && !grantee.is_valid() {
                        bail!(INVALID_GRANT_OPERATION, "grant options can only be granted to roles");
                    }
                    acl::grant(&mut acl_now, *grantee, grantor, mask, spec.grant_option);
                }
                GrantKind::Revoke => {
                    let cascade = spec.behavior == DropBehavior::Cascade;
                    if !acl::revoke(
                        &mut acl_now,
                        *grantee,
                        grantor,
                        target.owner,
                        mask,
                        spec.grant_option,
                        cascade,
                    ) {
                        return Err(err!(DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                            .hint("Use CASCADE to revoke them too."));
                    }
                }
            }
        }
        self.store_acl(spec.object, &target, &acl_now)?;
        self.advance();
        warnings.extend(warning);
        if spec.kind == GrantKind::Revoke && target.kind == AclObject::Relation {
            self.revoke_from_columns(spec, wanted)?;
        }
        Ok(warnings)
    }

    /// What is taken away on a table is taken away on each of its columns.
    fn revoke_from_columns(&self, spec: &GrantSpec, wanted: u16) -> Result<()> {
        let fits = |p: Privilege| wanted & p.bit() & AclObject::Column.all() != 0;
        let privileges: Vec<Privilege> = acl::PRIVILEGES.iter().map(|p| p.0).filter(|p| fits(*p)).collect();
        let Some(r) = self.relation(spec.object.oid)? else { return Ok(()) };
        if privileges.is_empty() {
            return Ok(());
        }
        for c in r.columns.iter().filter(|c| !c.dropped && c.acl.is_some()) {
            self.grant(&GrantSpec {
                object: ObjectAddress::column(r.oid, c.number),
                privileges: Some(privileges.clone()),
                ..spec.clone()
            })?;
        }
        Ok(())
    }

    /// As whom the user grants: the owner if he is (a member of) it, else himself or a role with most grant options.
    fn best_grantor(&self, user: Oid, wanted: u16, t: &Target, items: &[AclItem]) -> Result<(Oid, u16)> {
        if self.has_privileges_of(user, t.owner)? {
            return Ok((t.owner, wanted));
        }
        let own = |role: Oid| {
            items.iter().filter(|i| i.grantee == role).fold(0, |m, i| m | i.grant_options) & wanted
        };
        let mut best = (user, own(user));
        for i in items.iter().filter(|i| i.grantee.is_valid() && i.grantee != user) {
            if own(i.grantee).count_ones() > best.1.count_ones() && self.has_privileges_of(user, i.grantee)? {
                best = (i.grantee, own(i.grantee));
            }
        }
        Ok(best)
    }
    /// What of `wanted` can be granted with these options, with PostgreSQL's warning if not all, error if nothing and no privilege.
    fn grantable(
        &self,
        spec: &GrantSpec,
        t: &Target,
        wanted: u16,
        options: u16,
        grantor: Oid,
        items: &[AclItem],
    ) -> Result<(u16, Option<Error>)> {
        if options == 0 && wanted != 0 {
            let held = self.acl_privileges(Some(items), t.kind, t.owner, grantor, t.kind.all())?;
            if held == 0 {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied for {} {}", t.noun, t.name);
            }
        }
        let mask = wanted & options;
        let warning = |state, text: String| Some(Error::new(state, text).severity(Severity::Warning));
        let all_given = spec.privileges.is_none();
        let grant = spec.kind == GrantKind::Grant;
        let state = if grant {
            quarry_common::SqlState::WARNING_PRIVILEGE_NOT_GRANTED
        } else {
            quarry_common::SqlState::WARNING_PRIVILEGE_NOT_REVOKED
        };
        let verb = if grant { "granted" } else { "revoked" };
        if mask == 0 && wanted != 0 {
            let text = if grant {
                format!("no privileges were granted for \"{}\"", t.name)
            } else {
                format!("no privileges could be revoked for \"{}\"", t.name)
            };
            return Ok((0, warning(state, text)));
        }
        if mask != wanted && !all_given {
            let text = if grant {
                format!("not all privileges were {verb} for \"{}\"", t.name)
            } else {
                format!("not all privileges could be {verb} for \"{}\"", t.name)
            };
            return Ok((mask, warning(state, text)));
        }
        Ok((mask, None))
    }

    fn grant_target(&self, o: ObjectAddress) -> Result<Target> {
        let gone = || err!(UNDEFINED_OBJECT, "object with OID {} does not exist", o.oid);
        match o.class.0 {
            pg_class::TABLE => {
                let r = self.relation(o.oid)?.ok_or_else(gone)?;
                if o.sub != 0 {
                    let c = r.columns.get(o.sub as usize - 1).ok_or_else(gone)?;
                    let (acl, name) = (c.acl.clone(), c.name.clone());
                    return Ok(Target {
                        kind: AclObject::Column,
                        owner: r.owner,
                        acl: Some(acl.unwrap_or_default()),
                        noun: "column",
                        name,
                    });
                }
                match r.kind {
                    RelKind::Index => bail!(WRONG_OBJECT_TYPE, "\"{}\" is an index", r.name),
                    RelKind::CompositeType => bail!(WRONG_OBJECT_TYPE, "\"{}\" is a composite type", r.name),
                    RelKind::Table
                    | RelKind::Sequence
                    | RelKind::View
                    | RelKind::MaterializedView
                    | RelKind::Toast => {}
                }
                let kind =
                    if r.kind == RelKind::Sequence { AclObject::Sequence } else { AclObject::Relation };
                let noun = crate::reader::acl_noun(r.kind);
                Ok(Target { kind, owner: r.owner, acl: r.acl.clone(), noun, name: r.name.clone() })
            }
            pg_namespace::TABLE => {
                let s = self.schema(o.oid)?.ok_or_else(gone)?;
                Ok(Target {
                    kind: AclObject::Schema,
                    owner: s.owner,
                    acl: s.acl.clone(),
                    noun: "schema",
                    name: s.name.clone(),
                })
            }
            pg_database::TABLE => {
                let d = self.database(o.oid)?.ok_or_else(gone)?;
                let (acl, name) = (d.acl.clone(), d.name.clone());
                Ok(Target { kind: AclObject::Database, owner: d.owner, acl, noun: "database", name })
            }
            _ => {
                let (kind, index, name, owner, acl, noun) = other_columns(o.class.0)
                    .ok_or_else(|| Error::unsupported("GRANT on this kind of object"))?;
                let (_, row) = self
                    .find_one(&self.snapshot(), o.class.0, index, &[oid_datum(o.oid)])?
                    .ok_or_else(gone)?;
                Ok(Target { kind, owner: row.oid(owner), acl: row.acl(acl), noun, name: row.string(name) })
            }
        }
    }

    fn store_acl(&self, o: ObjectAddress, t: &Target, items: &[AclItem]) -> Result<()> {
        let value = if items.is_empty() && t.kind == AclObject::Column {
            Datum::Null
        } else {
            arrays::acl_array(items)
        };
        match o.class.0 {
            pg_class::TABLE if o.sub != 0 => {
                self.touch([Touched::Relation(o.oid)]);
                self.change(pg_attribute::TABLE, 2659, &[oid_datum(o.oid), Datum::I16(o.sub as i16)], |r| {
                    r.0[pg_attribute::ATTACL] = value.clone();
                })?;
            }
            pg_class::TABLE => {
                self.touch([Touched::Relation(o.oid)]);
                self.change_oid(o.class.0, 2662, o.oid, |r| r.0[pg_class::RELACL] = value.clone())?;
            }
            pg_namespace::TABLE => {
                self.touch([Touched::Schema(o.oid)]);
                self.change_oid(o.class.0, 2685, o.oid, |r| r.0[pg_namespace::NSPACL] = value.clone())?;
            }
            pg_database::TABLE => {
                self.touch([Touched::Database(o.oid)]);
                self.change_oid(o.class.0, 2672, o.oid, |r| r.0[pg_database::DATACL] = value.clone())?;
            }
            _ => {
                if let Some((_, index, _, _, acl, _)) = other_columns(o.class.0) {
                    self.change_oid(o.class.0, index, o.oid, |r| r.0[acl] = value.clone())?;
                }
            }
        }
        self.record_acl_roles(o, t.owner, items)
    }
}

/// For catalogs without a cached definition: kind, index by OID, columns of name, owner and list, noun.
fn other_columns(class: u32) -> Option<(AclObject, u32, usize, usize, usize, &'static str)> {
    Some(match class {
        pg_type::TABLE => {
            (AclObject::Type, 2703, pg_type::TYPNAME, pg_type::TYPOWNER, pg_type::TYPACL, "type")
        }
        pg_proc::TABLE => {
            (AclObject::Function, 2690, pg_proc::PRONAME, pg_proc::PROOWNER, pg_proc::PROACL, "function")
        }
        pg_language::TABLE => (
            AclObject::Language,
            2682,
            pg_language::LANNAME,
            pg_language::LANOWNER,
            pg_language::LANACL,
            "language",
        ),
        pg_tablespace::TABLE => (
            AclObject::Tablespace,
            2697,
            pg_tablespace::SPCNAME,
            pg_tablespace::SPCOWNER,
            pg_tablespace::SPCACL,
            "tablespace",
        ),
        _ => return None,
    })
}
