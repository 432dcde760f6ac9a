//! `pg_depend` and `pg_shdepend`.

use super::CatalogWriter;
use crate::builtin::columns::{pg_depend, pg_shdepend};
use crate::object::{DependencyType, ObjectAddress};
use crate::row::{Row, char_datum, oid_datum};
use crate::rows::depend_row;
use quarry_common::{Oid, Result};
use quarry_types::Datum;

impl CatalogWriter {
    /// Records that one object depends on another; nothing for built-in objects.
    pub fn add_dependency(
        &self,
        dependent: ObjectAddress,
        referenced: ObjectAddress,
        kind: DependencyType,
    ) -> Result<()> {
        if referenced.is_pinned() || !referenced.oid.is_valid() {
            return Ok(());
        }
        self.insert(pg_depend::TABLE, &depend_row(dependent.triple(), referenced.triple(), kind.letter()))?;
        Ok(())
    }
    /// Records dependencies on all of `refs`, each once. Columns of `own` become `own_kind`, the rest normal.
    pub(crate) fn add_dependencies(
        &self,
        dependent: ObjectAddress,
        refs: impl Iterator<Item = ObjectAddress>,
        own: Oid,
        own_kind: DependencyType,
    ) -> Result<()> {
        let mut all: Vec<ObjectAddress> = refs.collect();
        all.sort();
        all.dedup();
        for r in all {
            let is_own =
                own.is_valid() && r.oid == own && r.class.0 == crate::builtin::columns::pg_class::TABLE;
            // A column's default or a view may not depend on the object it belongs to as a whole.
            if r.oid == dependent.oid && r.class == dependent.class {
                continue;
            }
            self.add_dependency(dependent, r, if is_own { own_kind } else { DependencyType::Normal })?;
        }
        Ok(())
    }
    /// Forgets what `dependent` depends on; with `kind` only dependencies of that kind.
    pub(crate) fn remove_dependencies(
        &self,
        dependent: ObjectAddress,
        kind: Option<DependencyType>,
    ) -> Result<()> {
        let key = [oid_datum(dependent.class), oid_datum(dependent.oid), Datum::I32(dependent.sub)];
        for (tid, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)? {
            if kind.is_none_or(|k| r.char(pg_depend::DEPTYPE) == k.letter()) {
                self.delete(pg_depend::TABLE, tid)?;
            }
        }
        Ok(())
    }
    /// Forgets what `dependent` depends on among the objects of a catalog.
    pub(crate) fn remove_dependencies_on_class(&self, dependent: ObjectAddress, class: u32) -> Result<()> {
        let key = [oid_datum(dependent.class), oid_datum(dependent.oid), Datum::I32(dependent.sub)];
        for (tid, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)? {
            if r.oid(pg_depend::REFCLASSID) == Oid(class) {
                self.delete(pg_depend::TABLE, tid)?;
            }
        }
        Ok(())
    }
    /// Replaces one dependency target by another (a moved schema, say).
    pub(crate) fn change_dependency(
        &self,
        dependent: ObjectAddress,
        from: ObjectAddress,
        to: ObjectAddress,
    ) -> Result<()> {
        let key = [oid_datum(dependent.class), oid_datum(dependent.oid), Datum::I32(dependent.sub)];
        for (tid, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)? {
            if r.oid(pg_depend::REFCLASSID) == from.class && r.oid(pg_depend::REFOBJID) == from.oid {
                self.delete(pg_depend::TABLE, tid)?;
            }
        }
        self.add_dependency(dependent, to, DependencyType::Normal)
    }

    /// The database column of `pg_shdepend` for an object: shared ones have none.
    fn shared_db(&self, object: ObjectAddress) -> Oid {
        let shared = crate::builtin::catalog_table(object.class.0).is_some_and(|t| t.shared);
        if shared { Oid::INVALID } else { self.db() }
    }
    /// Records the owner of an object.
    pub(crate) fn record_owner(&self, object: ObjectAddress, owner: Oid) -> Result<()> {
        self.add_shared_dependency(object, owner, 'o')
    }
    fn add_shared_dependency(&self, object: ObjectAddress, role: Oid, kind: char) -> Result<()> {
        if ObjectAddress::role(role).is_pinned() {
            return Ok(());
        }
        let row = Row(vec![
            oid_datum(self.shared_db(object)),
            oid_datum(object.class),
            oid_datum(object.oid),
            Datum::I32(object.sub),
            oid_datum(Oid(1260)),
            oid_datum(role),
            char_datum(kind),
        ]);
        self.insert(pg_shdepend::TABLE, &row)?;
        Ok(())
    }
    /// Records a new owner in place of the old one.
    pub(crate) fn change_owner_dependency(&self, object: ObjectAddress, owner: Oid) -> Result<()> {
        self.remove_shared_dependencies(object, Some('o'))?;
        self.record_owner(object, owner)
    }
    /// Records whom an object's privileges name, in place of what was recorded.
    pub(crate) fn record_acl_roles(
        &self,
        object: ObjectAddress,
        owner: Oid,
        acl: &[crate::acl::AclItem],
    ) -> Result<()> {
        self.remove_shared_dependencies(object, Some('a'))?;
        let mut roles: Vec<Oid> = acl.iter().flat_map(|i| [i.grantee, i.grantor]).collect();
        roles.sort();
        roles.dedup();
        for r in roles.into_iter().filter(|r| r.is_valid() && *r != owner) {
            self.add_shared_dependency(object, r, 'a')?;
        }
        Ok(())
    }
    pub(crate) fn remove_shared_dependencies(&self, object: ObjectAddress, kind: Option<char>) -> Result<()> {
        let key = [oid_datum(self.shared_db(object)), oid_datum(object.class), oid_datum(object.oid)];
        for (tid, r) in self.find(&self.snapshot(), pg_shdepend::TABLE, 1232, &key)? {
            // Privileges are recorded apart for a relation and each of its columns.
            let whole = object.sub == 0 && kind != Some('a');
            let same_sub = whole || r.i32(pg_shdepend::OBJSUBID) == object.sub;
            if same_sub && kind.is_none_or(|k| r.char(pg_shdepend::DEPTYPE) == k) {
                self.delete(pg_shdepend::TABLE, tid)?;
            }
        }
        Ok(())
    }
}
