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
use crate::rows::SYSTEM_COLUMNS;
use quarry_common::{Error, Oid, Result, Severity, SqlState, bail, err};
use quarry_types::Datum;
use std::collections::BTreeMap;

/// `array_subscript_handler`: what makes a type an array type.
const ARRAY_SUBSCRIPTS: Oid = Oid(6179);

/// GRANT or REVOKE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantKind {
    Grant,
    Revoke,
}

/// A privilege on columns.
#[derive(Clone, Debug)]
pub struct ColumnGrant {
    /// None: ALL.
    pub privilege: Option<Privilege>,
    pub columns: Vec<String>,
}

/// One GRANT or REVOKE on one object.
#[derive(Clone, Debug)]
pub struct GrantSpec {
    pub kind: GrantKind,
    /// A relation, schema, database, type, function, language or tablespace; a column stands for its relation.
    pub object: ObjectAddress,
    /// None: ALL PRIVILEGES.
    pub privileges: Option<Vec<Privilege>>,
    /// What is said of single columns of a relation.
    pub columns: Vec<ColumnGrant>,
    /// Invalid: PUBLIC.
    pub grantees: Vec<Oid>,
    /// WITH GRANT OPTION, or REVOKE GRANT OPTION FOR.
    pub grant_option: bool,
    pub behavior: DropBehavior,
}

impl GrantSpec {
    fn wanted(&self, all: u16) -> u16 {
        self.privileges.as_ref().map_or(all, |list| list.iter().fold(0, |m, p| m | p.bit()))
    }
}

struct Target {
    object: ObjectAddress,
    kind: AclObject,
    owner: Oid,
    acl: Option<Vec<AclItem>>,
    noun: &'static str,
    name: String,
    /// A column's relation: its name and its list, which counts for the column, too.
    above: Option<(String, Vec<AclItem>)>,
}

impl Target {
    /// What counts where rights to grant are looked for.
    fn items(&self) -> Vec<AclItem> {
        let own = self.acl.clone().unwrap_or_else(|| default_acl(self.kind, self.owner));
        match &self.above {
            Some((_, above)) => above.iter().copied().chain(own).collect(),
            None => own,
        }
    }
    /// As warnings name it.
    fn quoted(&self) -> String {
        match &self.above {
            Some((relation, _)) => format!("column \"{}\" of relation \"{relation}\"", self.name),
            None => format!("\"{}\"", self.name),
        }
    }
    fn denied(&self) -> Error {
        let name = if self.above.is_some() { self.quoted() } else { format!("{} {}", self.noun, self.name) };
        err!(INSUFFICIENT_PRIVILEGE, "permission denied for {name}")
    }
}

impl CatalogWriter {
    /// Grants or revokes; answers warnings (privileges that the user couldn't grant).
    pub fn grant(&self, spec: &GrantSpec) -> Result<Vec<Error>> {
        let mut warnings = Vec::new();
        if spec.object.class.0 == pg_class::TABLE {
            self.grant_on_relation(spec, &mut warnings)?;
        } else {
            let target = self.grant_target(spec.object)?;
            let all = target.kind.all();
            let wanted = spec.wanted(all);
            if let Some(p) = acl::PRIVILEGES.iter().find(|p| wanted & p.0.bit() & !all != 0) {
                bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for {}", p.2, target.noun);
            }
            self.grant_on(spec, &target, wanted, spec.privileges.is_none(), &mut warnings)?;
        }
        self.advance();
        Ok(warnings)
    }

    /// On a relation, then on its columns in their order, system columns first. What is revoked on a relation is revoked on each column.
    fn grant_on_relation(&self, spec: &GrantSpec, warnings: &mut Vec<Error>) -> Result<()> {
        let oid = spec.object.oid;
        let gone = || err!(UNDEFINED_OBJECT, "object with OID {oid} does not exist");
        let r = self.relation(oid)?.ok_or_else(gone)?;
        match r.kind {
            RelKind::Index => bail!(WRONG_OBJECT_TYPE, "\"{}\" is an index", r.name),
            RelKind::CompositeType => bail!(WRONG_OBJECT_TYPE, "\"{}\" is a composite type", r.name),
            RelKind::Table
            | RelKind::Sequence
            | RelKind::View
            | RelKind::MaterializedView
            | RelKind::Toast => {}
        }
        let sequence = r.kind == RelKind::Sequence;
        let (kind, noun) =
            if sequence { (AclObject::Sequence, "sequence") } else { (AclObject::Relation, "table") };
        let mut wanted = spec.wanted(kind.all());
        let warning = |what: &str| {
            err!(INVALID_GRANT_OPERATION, "sequence \"{}\" only supports {what} privileges", r.name)
                .severity(Severity::Warning)
        };
        if let Some(p) = acl::PRIVILEGES.iter().find(|p| wanted & p.0.bit() & !kind.all() != 0) {
            match p.0 {
                // Sequences take table privileges for old scripts' sake: what fits is applied.
                _ if sequence && wanted & !(kind.all() | AclObject::Relation.all()) == 0 => {
                    wanted &= kind.all();
                    warnings.push(warning("USAGE, SELECT, and UPDATE"));
                }
                Privilege::Usage => {
                    bail!(INVALID_GRANT_OPERATION, "invalid privilege type USAGE for table")
                }
                _ => bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for relation", p.2),
            }
        }
        let target = Target {
            object: ObjectAddress::relation(oid),
            kind,
            owner: r.owner,
            acl: r.acl.clone(),
            noun,
            name: r.name.clone(),
            above: None,
        };
        let above = target.items();
        if wanted != 0 {
            self.grant_on(spec, &target, wanted, spec.privileges.is_none(), warnings)?;
        }
        let all = AclObject::Column.all();
        let mut columns: BTreeMap<i16, u16> = BTreeMap::new();
        if spec.kind == GrantKind::Revoke && wanted & all != 0 {
            let system = SYSTEM_COLUMNS.iter().map(|c| c.0).filter(|_| r.kind != RelKind::View);
            let own = r.columns.iter().filter(|c| !c.dropped).map(|c| c.number);
            columns.extend(system.chain(own).map(|c| (c, wanted & all)));
        }
        for g in &spec.columns {
            let mut bits = g.privilege.map_or(all, Privilege::bit);
            if bits & !all != 0 {
                let name = g.privilege.map_or("ALL", Privilege::name);
                bail!(INVALID_GRANT_OPERATION, "invalid privilege type {name} for column");
            }
            if sequence && bits & !Privilege::Select.bit() != 0 {
                warnings.push(warning("SELECT column"));
                bits &= Privilege::Select.bit();
            }
            for name in &g.columns {
                let system = || SYSTEM_COLUMNS.iter().find(|c| c.1 == name).map(|c| c.0);
                let Some(number) = r.column_named(name).map(|(_, c)| c.number).or_else(system) else {
                    bail!(UNDEFINED_COLUMN, "column \"{name}\" of relation \"{}\" does not exist", r.name);
                };
                *columns.entry(number).or_default() |= bits;
            }
        }
        for (number, wanted) in columns.into_iter().filter(|c| c.1 != 0) {
            let key = [oid_datum(oid), Datum::I16(number)];
            let row = self.find_one(&self.snapshot(), pg_attribute::TABLE, 2659, &key)?;
            // A view has no system columns.
            let Some((_, row)) = row else { continue };
            let target = Target {
                object: ObjectAddress::column(oid, number),
                kind: AclObject::Column,
                owner: r.owner,
                acl: Some(row.acl(pg_attribute::ATTACL).unwrap_or_default()),
                noun: "column",
                name: row.string(pg_attribute::ATTNAME),
                above: Some((r.name.clone(), above.clone())),
            };
            self.grant_on(spec, &target, wanted, wanted == all, warnings)?;
        }
        Ok(())
    }

    /// Changes one object's list.
    fn grant_on(
        &self,
        spec: &GrantSpec,
        target: &Target,
        wanted: u16,
        all: bool,
        warnings: &mut Vec<Error>,
    ) -> Result<()> {
        let before = target.acl.clone().unwrap_or_else(|| default_acl(target.kind, target.owner));
        let mut acl_now = before.clone();
        let items = target.items();
        let (grantor, options) = self.best_grantor(self.session().user, wanted, target.owner, &items)?;
        let mask = wanted & options;
        if options == 0 && wanted != 0 && self.held(target, grantor, &items)? == 0 {
            return Err(target.denied());
        }
        warnings.extend(shortfall(spec.kind, target, wanted, mask, all));
        for grantee in &spec.grantees {
            match spec.kind {
                GrantKind::Grant => {
                    if spec.grant_option && !grantee.is_valid() {
                        bail!(INVALID_GRANT_OPERATION, "grant options can only be granted to roles");
                    }
                    if spec.grant_option && grantor != target.owner {
                        self.check_circle(target, &acl_now, *grantee, grantor, mask)?;
                    }
                    acl::grant(&mut acl_now, *grantee, grantor, mask, spec.grant_option);
                }
                GrantKind::Revoke => {
                    let cascade = spec.behavior == DropBehavior::Cascade;
                    let (owner, option) = (target.owner, spec.grant_option);
                    if !acl::revoke(&mut acl_now, *grantee, grantor, owner, mask, option, cascade) {
                        return Err(err!(DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                            .hint("Use CASCADE to revoke them too."));
                    }
                }
            }
        }
        acl_now.retain(|i| i.privileges != 0);
        if target.kind == AclObject::Column && acl_now.is_empty() && before.is_empty() {
            return Ok(());
        }
        self.store_acl(target, &acl_now)
    }

    /// As whom the user grants: the owner if he is (a member of) it, else himself or a role with most grant options.
    fn best_grantor(&self, user: Oid, wanted: u16, owner: Oid, items: &[AclItem]) -> Result<(Oid, u16)> {
        if self.has_privileges_of(user, owner)? {
            return Ok((owner, wanted));
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

    /// The privileges that a role has on an object in any way: with one of them it may try to grant, in vain.
    fn held(&self, t: &Target, role: Oid, items: &[AclItem]) -> Result<u16> {
        let held = self.acl_privileges(Some(items), t.kind, t.owner, role, t.kind.all())?;
        if held == 0 && matches!(t.kind, AclObject::Relation | AclObject::Sequence | AclObject::Column) {
            let through = |p| self.predefined_privileges(role, p);
            return Ok(through(Privilege::Select)? | through(Privilege::Insert)?);
        }
        Ok(held)
    }

    /// 0LP01 where the grantor's right to grant hangs on the grantee's.
    fn check_circle(
        &self,
        t: &Target,
        items: &[AclItem],
        grantee: Oid,
        grantor: Oid,
        mask: u16,
    ) -> Result<()> {
        let mut rest = items.to_vec();
        while let Some(i) = rest.iter().find(|i| i.grantee == grantee && i.grant_options != 0).copied() {
            if !acl::revoke(&mut rest, grantee, i.grantor, t.owner, i.privileges, false, true) {
                break;
            }
        }
        let own = self.acl_privileges_of(Some(&rest), t.kind, t.owner, grantor, mask, true)?;
        if mask & !own != 0 {
            bail!(INVALID_GRANT_OPERATION, "grant options cannot be granted back to your own grantor");
        }
        Ok(())
    }

    fn grant_target(&self, o: ObjectAddress) -> Result<Target> {
        let gone = || err!(UNDEFINED_OBJECT, "object with OID {} does not exist", o.oid);
        match o.class.0 {
            pg_namespace::TABLE => {
                let s = self.schema(o.oid)?.ok_or_else(gone)?;
                Ok(Target {
                    object: o,
                    above: None,
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
                let (object, owner, noun) = (o, d.owner, "database");
                Ok(Target { object, kind: AclObject::Database, owner, acl, noun, name, above: None })
            }
            _ => {
                let (kind, index, name, owner, acl, noun) = other_columns(o.class.0)
                    .ok_or_else(|| Error::unsupported("GRANT on this kind of object"))?;
                let (_, row) = self
                    .find_one(&self.snapshot(), o.class.0, index, &[oid_datum(o.oid)])?
                    .ok_or_else(gone)?;
                if o.class.0 == pg_type::TABLE && row.oid(pg_type::TYPSUBSCRIPT) == ARRAY_SUBSCRIPTS {
                    return Err(err!(INVALID_GRANT_OPERATION, "cannot set privileges of array types")
                        .hint("Set the privileges of the element type instead."));
                }
                let (owner, acl, name) = (row.oid(owner), row.acl(acl), row.string(name));
                Ok(Target { object: o, kind, owner, acl, noun, name, above: None })
            }
        }
    }

    fn store_acl(&self, t: &Target, items: &[AclItem]) -> Result<()> {
        let o = t.object;
        let value = if items.is_empty() && t.kind == AclObject::Column {
            Datum::Null
        } else {
            arrays::acl_array(items)
        };
        let (index, column) = match o.class.0 {
            pg_class::TABLE if o.sub != 0 => (2659, pg_attribute::ATTACL),
            pg_class::TABLE => (2662, pg_class::RELACL),
            pg_namespace::TABLE => (2685, pg_namespace::NSPACL),
            pg_database::TABLE => (2672, pg_database::DATACL),
            class => match other_columns(class) {
                Some((_, index, _, _, acl, _)) => (index, acl),
                None => return Err(Error::unsupported("GRANT on this kind of object")),
            },
        };
        match o.class.0 {
            pg_class::TABLE => self.touch([Touched::Relation(o.oid)]),
            pg_namespace::TABLE => self.touch([Touched::Schema(o.oid)]),
            pg_database::TABLE => self.touch([Touched::Database(o.oid)]),
            _ => {}
        }
        let (table, mut key) = (o.class.0, vec![oid_datum(o.oid)]);
        if o.sub != 0 {
            key.push(Datum::I16(o.sub as i16));
        }
        // The list may have been read from the cache before another's change of it.
        let mut as_read = true;
        self.write_row(if o.sub != 0 { pg_attribute::TABLE } else { table }, index, &key, |r| {
            as_read = r.acl(column).filter(|a| !a.is_empty()) == t.acl.clone().filter(|a| !a.is_empty());
            r.0[column] = value.clone();
        })?;
        if !as_read {
            return Err(Error::internal("tuple concurrently updated"));
        }
        self.record_acl_roles(o, t.owner, items)
    }
}

/// The warning where less than `wanted` can be granted; ALL means whatever can be.
fn shortfall(kind: GrantKind, t: &Target, wanted: u16, mask: u16, all: bool) -> Option<Error> {
    let how = match (kind, mask == 0) {
        _ if mask == wanted || wanted == 0 => return None,
        (GrantKind::Grant, true) => "no privileges were granted",
        (GrantKind::Revoke, true) => "no privileges could be revoked",
        _ if all => return None,
        (GrantKind::Grant, false) => "not all privileges were granted",
        (GrantKind::Revoke, false) => "not all privileges could be revoked",
    };
    let state = match kind {
        GrantKind::Grant => SqlState::WARNING_PRIVILEGE_NOT_GRANTED,
        GrantKind::Revoke => SqlState::WARNING_PRIVILEGE_NOT_REVOKED,
    };
    Some(Error::new(state, format!("{how} for {}", t.quoted())).severity(Severity::Warning))
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
