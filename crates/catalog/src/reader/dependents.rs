//! Who depends on an object; what a role owns; what a schema holds.

use super::CatalogReader;
use crate::builtin::columns::{pg_class, pg_depend, pg_rewrite, pg_shdepend};
use crate::defs::Relation;
use crate::object::ObjectAddress;
use crate::row::oid_datum;
use quarry_common::{Oid, Result};
use quarry_types::Datum;
use std::sync::Arc;

impl CatalogReader {
    /// What depends on `object`, and how.
    pub fn dependents_of(&self, o: ObjectAddress) -> Result<Vec<(ObjectAddress, char)>> {
        let mut key = vec![oid_datum(o.class), oid_datum(o.oid)];
        if o.sub != 0 {
            key.push(Datum::I32(o.sub));
        }
        let rows = self.find(&self.snapshot(), pg_depend::TABLE, 2674, &key)?;
        Ok(rows
            .iter()
            .map(|(_, r)| {
                let other = ObjectAddress {
                    class: r.oid(pg_depend::CLASSID),
                    oid: r.oid(pg_depend::OBJID),
                    sub: r.i32(pg_depend::OBJSUBID),
                };
                (other, r.char(pg_depend::DEPTYPE))
            })
            .collect())
    }
    /// Views (and materialized views) whose query refers to a relation, or to one of its columns.
    pub fn dependent_views(&self, relation: Oid, column: Option<i16>) -> Result<Vec<Arc<Relation>>> {
        let object = match column {
            Some(number) => ObjectAddress::column(relation, number),
            None => ObjectAddress::relation(relation),
        };
        let mut out: Vec<Arc<Relation>> = Vec::new();
        for (dependent, _) in self.dependents_of(object)? {
            if dependent.class.0 != pg_rewrite::TABLE {
                continue;
            }
            let Some((_, rule)) =
                self.find_one(&self.snapshot(), pg_rewrite::TABLE, 2692, &[oid_datum(dependent.oid)])?
            else {
                continue;
            };
            let view = rule.oid(pg_rewrite::EV_CLASS);
            if view != relation && !out.iter().any(|v| v.oid == view) {
                out.extend(self.relation(view)?);
            }
        }
        Ok(out)
    }
    /// The relations that a view's query names, each once.
    pub fn relations_in_view(&self, view: Oid) -> Result<Vec<Oid>> {
        let key = [oid_datum(view), Datum::text("_RETURN")];
        let Some((_, rule)) = self.find_one(&self.snapshot(), pg_rewrite::TABLE, 2693, &key)? else {
            return Ok(vec![]);
        };
        let key = [oid_datum(Oid(pg_rewrite::TABLE)), oid_datum(rule.oid(pg_rewrite::OID))];
        let mut out = vec![];
        for (_, d) in self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)? {
            let oid = d.oid(pg_depend::REFOBJID);
            let is_relation = d.oid(pg_depend::REFCLASSID).0 == pg_class::TABLE;
            if is_relation && oid != view && !out.contains(&oid) {
                out.push(oid);
            }
        }
        Ok(out)
    }
    /// Relations of a schema with one of these `relkind`s, by OID.
    pub fn relations_in_schema(&self, schema: Oid, kinds: &[char]) -> Result<Vec<Arc<Relation>>> {
        self.relations_where(|s, kind| s == schema && kinds.contains(&kind))
    }
    /// All relations with one of these `relkind`s, by OID: catalogs, tables, ... for VACUUM and ANALYZE of a database.
    pub fn all_relations(&self, kinds: &[char]) -> Result<Vec<Arc<Relation>>> {
        self.relations_where(|_, kind| kinds.contains(&kind))
    }
    /// The toast table of a table.
    pub fn toast_table(&self, table: Oid) -> Result<Option<Oid>> {
        let row = self.find_one(&self.snapshot(), pg_class::TABLE, 2662, &[oid_datum(table)])?;
        Ok(row.map(|(_, r)| r.oid(pg_class::RELTOASTRELID)).filter(|toast| toast.is_valid()))
    }
    /// The table that a toast table belongs to.
    pub fn table_of_toast(&self, toast: Oid) -> Result<Option<Oid>> {
        let rows = self.table(pg_class::TABLE).scan(&self.snapshot())?;
        let owner = rows.iter().find(|(_, r)| r.oid(pg_class::RELTOASTRELID) == toast);
        Ok(owner.map(|(_, r)| r.oid(pg_class::OID)))
    }
    fn relations_where(&self, wanted: impl Fn(Oid, char) -> bool) -> Result<Vec<Arc<Relation>>> {
        let mut oids: Vec<Oid> = self
            .table(pg_class::TABLE)
            .scan(&self.snapshot())?
            .iter()
            .filter(|(_, r)| wanted(r.oid(pg_class::RELNAMESPACE), r.char(pg_class::RELKIND)))
            .map(|(_, r)| r.oid(pg_class::OID))
            .collect();
        oids.sort();
        let mut out = Vec::with_capacity(oids.len());
        for oid in oids {
            out.extend(self.relation(oid)?);
        }
        Ok(out)
    }
    /// What a role owns ('o') or has privileges on ('a') in this database and among shared objects.
    pub fn role_dependencies(&self, role: Oid) -> Result<Vec<(ObjectAddress, char)>> {
        let key = [oid_datum(Oid(1260)), oid_datum(role)];
        let rows = self.find(&self.snapshot(), pg_shdepend::TABLE, 1233, &key)?;
        Ok(rows
            .iter()
            .filter(|(_, r)| [Oid::INVALID, self.db()].contains(&r.oid(pg_shdepend::DBID)))
            .map(|(_, r)| {
                let object = ObjectAddress {
                    class: r.oid(pg_shdepend::CLASSID),
                    oid: r.oid(pg_shdepend::OBJID),
                    sub: r.i32(pg_shdepend::OBJSUBID),
                };
                (object, r.char(pg_shdepend::DEPTYPE))
            })
            .collect())
    }
}
