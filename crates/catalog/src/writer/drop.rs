//! Dropping objects: finding what depends on them, reporting it, deleting in order.
//!
//! Follows the rules of PostgreSQL's catalog/dependency.c: an object goes after everything that depends on it; what hangs on it by an
//! automatic or internal dependency goes silently; reaching a part of another object means dropping the whole; everything else needs
//! CASCADE.

use super::CatalogWriter;
use crate::builtin::columns::*;
use crate::cache::Touched;
use crate::defs::{ConstraintKind, RelKind, TypeKind};
use crate::object::{DropBehavior, ObjectAddress};
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_storage::{LockMode, LockTag, WaitPolicy};
use quarry_types::Datum;

const ORIGINAL: u8 = 1;
const NORMAL: u8 = 2;
const AUTO: u8 = 4;
const INTERNAL: u8 = 8;
/// Reached from one of its parts.
const REVERSE: u8 = 16;
/// A column whose whole table goes too.
const SUBOBJECT: u8 = 32;

/// Most lines of detail a client is sent.
const REPORTED_MAX: usize = 100;

struct Target {
    object: ObjectAddress,
    flags: u8,
    /// On which object the deletion followed.
    dependee: Option<ObjectAddress>,
}

/// What a DROP will delete, in order.
pub struct DropPlan {
    targets: Vec<Target>,
    /// "drop cascades to ...", to be sent to the client.
    pub notices: Vec<Error>,
}

impl DropPlan {
    /// The objects, dependents first.
    pub fn objects(&self) -> impl Iterator<Item = ObjectAddress> + '_ {
        self.targets.iter().map(|t| t.object)
    }
}

struct StackEntry {
    object: ObjectAddress,
    flags: u8,
}

fn same(a: ObjectAddress, b: ObjectAddress) -> bool {
    a.class == b.class && a.oid == b.oid
}

/// Whether the object, or the whole it is a part of, is being visited already.
fn on_stack(stack: &mut [StackEntry], object: ObjectAddress, flags: u8) -> bool {
    let mut found = false;
    for e in stack.iter_mut().rev().filter(|e| same(e.object, object)) {
        if e.object.sub == object.sub {
            e.flags |= flags;
            found = true;
        } else if e.object.sub == 0 {
            found = true;
        } else if object.sub == 0 && flags != 0 {
            e.flags |= flags | SUBOBJECT;
        }
    }
    found
}

fn among_targets(targets: &mut [Target], object: ObjectAddress, flags: u8) -> bool {
    let mut found = false;
    for t in targets.iter_mut().filter(|t| same(t.object, object)) {
        if t.object.sub == object.sub {
            t.flags |= flags;
            found = true;
        } else if t.object.sub == 0 {
            found = true;
        } else if object.sub == 0 && flags != 0 {
            t.flags |= flags | SUBOBJECT;
        }
    }
    found
}

impl CatalogWriter {
    /// Drops objects and what must go with them; answers the notices for the client.
    pub fn drop_objects(&self, objects: &[ObjectAddress], behavior: DropBehavior) -> Result<Vec<Error>> {
        let mut plan = self.plan_drop(objects, behavior)?;
        let notices = std::mem::take(&mut plan.notices);
        self.execute_drop(plan)?;
        Ok(notices)
    }

    /// Finds, locks and orders what a DROP of these objects deletes. 2BP01 with PostgreSQL's detail and hint if others depend on them.
    pub fn plan_drop(&self, objects: &[ObjectAddress], behavior: DropBehavior) -> Result<DropPlan> {
        let mut targets = Vec::new();
        for o in objects {
            self.lock_for_drop(*o)?;
            self.find_dependents(*o, ORIGINAL, &mut Vec::new(), &mut targets, objects)?;
        }
        let notices = self.report(&targets, behavior, objects)?;
        Ok(DropPlan { targets, notices })
    }

    /// As [`CatalogWriter::plan_drop`] for an index alone, RESTRICT; the caller holds the locks.
    pub fn plan_index_drop(&self, index: Oid) -> Result<DropPlan> {
        let objects = [ObjectAddress::relation(index)];
        let mut targets = Vec::new();
        self.find_dependents(objects[0], ORIGINAL, &mut Vec::new(), &mut targets, &objects)?;
        let notices = self.report(&targets, DropBehavior::Restrict, &objects)?;
        Ok(DropPlan { targets, notices })
    }

    fn lock_for_drop(&self, o: ObjectAddress) -> Result<()> {
        let relation = match o.class.0 {
            pg_class::TABLE => match self.index_table(o.oid)? {
                Some(table) => {
                    self.lock_table(table)?;
                    o.oid
                }
                None => o.oid,
            },
            pg_constraint::TABLE => match self.constraint(o.oid)? {
                Some(c) => c.table,
                None => return Ok(()),
            },
            _ => {
                let shared = matches!(o.class.0, pg_database::TABLE | pg_authid::TABLE);
                let db = if shared { Oid(0) } else { self.db() };
                let tag = LockTag::Object { db, class: o.class, oid: o.oid };
                self.txn().lock(tag, LockMode::AccessExclusive, WaitPolicy::Block)?;
                return Ok(());
            }
        };
        self.lock_table(relation)
    }
    fn lock_table(&self, oid: Oid) -> Result<()> {
        self.txn().lock_relation(
            LockTag::Relation { db: self.db(), oid },
            LockMode::AccessExclusive,
            WaitPolicy::Block,
        )?;
        Ok(())
    }

    fn find_dependents(
        &self,
        object: ObjectAddress,
        flags: u8,
        stack: &mut Vec<StackEntry>,
        targets: &mut Vec<Target>,
        pending: &[ObjectAddress],
    ) -> Result<()> {
        if on_stack(stack, object, flags) || among_targets(targets, object, flags) {
            return Ok(());
        }
        if object.is_pinned() {
            let what = self.describe(object)?;
            bail!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop {what} because it is required by the database system"
            );
        }
        // Is it a part of something else?
        let mut owning = None;
        for (other, kind) in self.dependencies_of(object)? {
            if kind != 'i' || (same(other, object) && object.sub == 0) {
                continue;
            }
            if stack.is_empty() {
                if pending.contains(&other) {
                    return Ok(());
                }
                owning.get_or_insert(other);
                continue;
            }
            if on_stack(stack, other, 0) {
                continue;
            }
            // Drop the whole instead, as if it had been referred to.
            self.lock_for_drop(other)?;
            self.find_dependents(other, REVERSE, stack, targets, pending)?;
            among_targets(targets, object, flags);
            return Ok(());
        }
        if let Some(other) = owning {
            let (what, whole) = (self.describe(object)?, self.describe(other)?);
            return Err(err!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop {what} because {whole} requires it"
            )
            .hint(format!("You can drop {whole} instead.")));
        }
        let mut dependents: Vec<(ObjectAddress, u8)> = Vec::new();
        for (other, kind) in self.dependents_of(object)? {
            if same(other, object) && object.sub == 0 {
                continue;
            }
            self.lock_for_drop(other)?;
            // Someone else may have dropped it while we waited.
            if self.describe_if_exists(other)?.is_none() {
                continue;
            }
            let flag = match kind {
                'n' => NORMAL,
                'i' => INTERNAL,
                _ => AUTO,
            };
            dependents.push((other, flag));
        }
        // Newest first, so that what is reported comes in the order of creation.
        dependents
            .sort_by(|(a, _), (b, _)| b.oid.cmp(&a.oid).then(a.class.cmp(&b.class)).then(a.sub.cmp(&b.sub)));
        stack.push(StackEntry { object, flags });
        for (other, flag) in dependents {
            self.find_dependents(other, flag, stack, targets, pending)?;
        }
        let flags = stack.pop().map_or(flags, |e| e.flags);
        targets.push(Target { object, flags, dependee: stack.last().map(|e| e.object) });
        Ok(())
    }

    /// What `object` depends on, and how.
    fn dependencies_of(&self, o: ObjectAddress) -> Result<Vec<(ObjectAddress, char)>> {
        let mut key = vec![oid_datum(o.class), oid_datum(o.oid)];
        if o.sub != 0 {
            key.push(Datum::I32(o.sub));
        }
        let rows = self.find(&self.snapshot(), pg_depend::TABLE, 2673, &key)?;
        Ok(rows
            .iter()
            .map(|(_, r)| {
                let other = ObjectAddress {
                    class: r.oid(pg_depend::REFCLASSID),
                    oid: r.oid(pg_depend::REFOBJID),
                    sub: r.i32(pg_depend::REFOBJSUBID),
                };
                (other, r.char(pg_depend::DEPTYPE))
            })
            .collect())
    }
    fn report(
        &self,
        targets: &[Target],
        behavior: DropBehavior,
        originals: &[ObjectAddress],
    ) -> Result<Vec<Error>> {
        let mut lines = Vec::new();
        for t in targets.iter().rev() {
            if t.flags & (ORIGINAL | SUBOBJECT | AUTO | INTERNAL) != 0 {
                continue;
            }
            let what = self.describe(t.object)?;
            lines.push(match (behavior, t.dependee) {
                (DropBehavior::Restrict, Some(d)) => format!("{what} depends on {}", self.describe(d)?),
                (DropBehavior::Restrict, None) => what,
                (DropBehavior::Cascade, _) => format!("drop cascades to {what}"),
            });
        }
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let count = lines.len();
        let mut detail = lines[..count.min(REPORTED_MAX)].join("\n");
        if count > REPORTED_MAX {
            let more = count - REPORTED_MAX;
            let s = if more == 1 { "" } else { "s" };
            detail.push_str(&format!("\nand {more} other object{s} (see server log for list)"));
        }
        if behavior == DropBehavior::Restrict {
            let message = match originals {
                [one] => format!("cannot drop {} because other objects depend on it", self.describe(*one)?),
                _ => "cannot drop desired object(s) because other objects depend on them".to_owned(),
            };
            return Err(Error::new(quarry_common::SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(detail)
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let notice = match count {
            1 => Error::new(quarry_common::SqlState::SUCCESSFUL_COMPLETION, lines.swap_remove(0)),
            n => err!(SUCCESSFUL_COMPLETION, "drop cascades to {n} other objects").detail(detail),
        };
        Ok(vec![notice.severity(Severity::Notice)])
    }

    /// Deletes what a plan lists.
    pub fn execute_drop(&self, plan: DropPlan) -> Result<()> {
        for t in &plan.targets {
            let o = t.object;
            match o.class.0 {
                pg_class::TABLE if o.sub == 0 => self.delete_relation(o.oid)?,
                pg_class::TABLE if t.flags & SUBOBJECT != 0 => {}
                pg_class::TABLE => self.mark_column_dropped(o.oid, o.sub as i16)?,
                pg_type::TABLE => self.delete_type(o.oid)?,
                pg_constraint::TABLE => self.delete_constraint(o.oid)?,
                pg_attrdef::TABLE => self.delete_default(o.oid)?,
                pg_rewrite::TABLE => self.delete_by_oid(pg_rewrite::TABLE, 2692, o.oid)?,
                pg_namespace::TABLE => {
                    let name = self.schema_name(o.oid)?;
                    self.touch([Touched::Schema(o.oid), Touched::SchemaName(name)]);
                    self.delete_by_oid(pg_namespace::TABLE, 2685, o.oid)?;
                }
                class => match oid_index(class) {
                    Some(index) if matches!(class, pg_ts_config::TABLE | pg_ts_dict::TABLE) => {
                        self.touch([Touched::All]);
                        if class == pg_ts_config::TABLE {
                            self.delete_ts_mappings(o.oid)?;
                        }
                        self.delete_by_oid(class, index, o.oid)?;
                    }
                    Some(_) if class == pg_statistic_ext::TABLE => self.delete_statistics(o.oid)?,
                    // Names may mean others from now on.
                    Some(index) if matches!(class, pg_extension::TABLE | pg_operator::TABLE) => {
                        self.touch([Touched::All]);
                        self.delete_by_oid(class, index, o.oid)?;
                    }
                    Some(index) => self.delete_by_oid(class, index, o.oid)?,
                    None => return Err(Error::unsupported("DROP of this kind of object")),
                },
            }
            self.remove_comments(o)?;
            self.remove_dependencies_of_whole(o)?;
            self.remove_shared_dependencies(o, None)?;
            self.advance();
        }
        Ok(())
    }

    /// `pg_depend` rows of an object and, for a whole one, its parts.
    fn remove_dependencies_of_whole(&self, o: ObjectAddress) -> Result<()> {
        let mut key = vec![oid_datum(o.class), oid_datum(o.oid)];
        if o.sub != 0 {
            key.push(Datum::I32(o.sub));
        }
        self.delete_all(&self.snapshot(), pg_depend::TABLE, 2673, &key)?;
        Ok(())
    }
    fn delete_by_oid(&self, table: u32, index: u32, oid: Oid) -> Result<()> {
        self.delete_all(&self.snapshot(), table, index, &[oid_datum(oid)])?;
        Ok(())
    }

    fn delete_relation(&self, oid: Oid) -> Result<()> {
        let Some(r) = self.relation(oid)? else { return Ok(()) };
        self.touch_relation(oid, r.schema, &r.name);
        self.touch([Touched::Stats(oid), Touched::Sequence(oid)]);
        let snap = self.snapshot();
        if r.kind == RelKind::Index {
            if let Some(table) = self.index_table(oid)? {
                self.touch([Touched::Relation(table)]);
                self.forget_index_reads(table, r.storage)?;
            }
            self.delete_all(&snap, pg_index::TABLE, 2679, &[oid_datum(oid)])?;
        }
        if let Some(storage) = r.storage {
            if r.kind == RelKind::Table {
                self.txn().check_removal(storage)?;
            }
            self.catalog().storage().drop_relation(self.txn(), storage)?;
        }
        self.delete_all(&snap, pg_attribute::TABLE, 2659, &[oid_datum(oid)])?;
        self.delete_all(&snap, pg_statistic::TABLE, 2696, &[oid_datum(oid)])?;
        if r.kind == RelKind::Sequence {
            self.delete_all(&snap, pg_sequence::TABLE, 5002, &[oid_datum(oid)])?;
        }
        self.delete_all(&snap, pg_class::TABLE, 2662, &[oid_datum(oid)])?;
        Ok(())
    }
    fn delete_type(&self, oid: Oid) -> Result<()> {
        let Some(def) = self.type_def(oid)? else { return Ok(()) };
        self.touch_type(oid, def.schema, &def.name);
        let snap = self.snapshot();
        if matches!(def.kind, TypeKind::Enum { .. }) {
            self.delete_all(&snap, pg_enum::TABLE, 3503, &[oid_datum(oid)])?;
        }
        self.delete_all(&snap, pg_type::TABLE, 2703, &[oid_datum(oid)])?;
        Ok(())
    }
    /// A foreign key's referenced table is checked no more when its rows change: nobody else may be at it.
    fn delete_constraint(&self, oid: Oid) -> Result<()> {
        let snap = self.snapshot();
        let Some((tid, row)) = self.find_one(&snap, pg_constraint::TABLE, 2667, &[oid_datum(oid)])? else {
            return Ok(());
        };
        if let Some(domain) = self.type_def(row.oid(pg_constraint::CONTYPID))? {
            self.touch_type(domain.oid, domain.schema, &domain.name);
        }
        let Some(c) = crate::reader::constraint_of(&row) else {
            return self.delete(pg_constraint::TABLE, tid);
        };
        if let Some(table) = self.relation(c.table)? {
            self.touch([Touched::Relation(table.oid)]);
            if matches!(c.kind, ConstraintKind::Check { .. }) {
                let checks = table
                    .constraints
                    .iter()
                    .filter(|c| matches!(c.kind, ConstraintKind::Check { .. }))
                    .count();
                self.change_oid(pg_class::TABLE, 2662, table.oid, |r| {
                    r.0[pg_class::RELCHECKS] = Datum::I16(checks.saturating_sub(1) as i16);
                })?;
            }
        }
        match c.kind {
            ConstraintKind::ForeignKey { ref_table, .. } => {
                self.lock_table(ref_table)?;
                self.touch([Touched::Relation(ref_table)]);
            }
            ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => {
                self.touch([Touched::Relation(index)])
            }
            ConstraintKind::Check { .. } => {}
        }
        self.delete(pg_constraint::TABLE, tid)
    }
    fn delete_default(&self, oid: Oid) -> Result<()> {
        let Some((tid, row)) = self.find_one(&self.snapshot(), pg_attrdef::TABLE, 2657, &[oid_datum(oid)])?
        else {
            return Ok(());
        };
        let (relation, number) = (row.oid(pg_attrdef::ADRELID), row.i16(pg_attrdef::ADNUM));
        self.touch([Touched::Relation(relation)]);
        self.delete(pg_attrdef::TABLE, tid)?;
        let key = [oid_datum(relation), Datum::I16(number)];
        if self.find_one(&self.snapshot(), pg_attribute::TABLE, 2659, &key)?.is_some() {
            self.change(pg_attribute::TABLE, 2659, &key, |r| {
                r.0[pg_attribute::ATTHASDEF] = Datum::Bool(false);
                r.0[pg_attribute::ATTGENERATED] = crate::row::char_datum('\0');
            })?;
        }
        Ok(())
    }
}

/// The index by OID of catalogs whose objects are just a row.
fn oid_index(class: u32) -> Option<u32> {
    let table = crate::builtin::catalog_table(class)?;
    table.indexes.iter().find(|i| i.columns == [1] && i.primary).map(|i| i.oid)
}
