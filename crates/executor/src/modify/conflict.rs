//! ON CONFLICT: look first, insert, and look again if somebody else was faster (PostgreSQL: ExecOnConflictUpdate).

use super::errors;
use super::target::{Target, attribute};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::scan::rows::RowReader;
use quarry_common::{Result, Tid, err};
use quarry_plan::{ColumnId, OnConflict, OnConflictAction, TableWrite};
use quarry_storage::heap::{ModifyResult, RowLockMode, UpdateOptions, VersionRef};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::Datum;
use std::collections::HashSet;

/// What to do about a row that is there already.
enum Action {
    Nothing,
    Update(Box<Update>),
}

struct Update {
    reader: RowReader,
    existing: Vec<Option<usize>>,
    set: Vec<(usize, Program)>,
    filter: Option<Program>,
}

/// Compiled ON CONFLICT.
pub struct Conflict {
    /// Indexes (positions in `Target::indexes`) that decide; empty: every unique one.
    arbiters: Vec<quarry_common::Oid>,
    action: Action,
    /// Rows this statement has written: touching one twice is an error.
    written: HashSet<Tid>,
    /// Rows that met another one, and those of them that the condition then left alone.
    pub met: u64,
    pub filtered: u64,
}

impl Conflict {
    pub fn new(b: &mut Builder<'_>, c: &OnConflict, write: &TableWrite) -> Result<Conflict> {
        let arbiters = c.arbiters.iter().map(|i| write.indexes[*i].index.oid).collect();
        let action = match &c.action {
            OnConflictAction::Nothing => Action::Nothing,
            OnConflictAction::Update { existing, set, filter } => {
                let ids: Vec<ColumnId> =
                    existing.iter().map(|(id, _)| *id).chain(write.row.iter().map(|(id, _)| *id)).collect();
                let layout = Layout::new(ids);
                let env = b.env()?.clone();
                let io = env.io();
                Action::Update(Box::new(Update {
                    reader: RowReader::new(&write.relation, existing, &io)?,
                    existing: existing.iter().map(|(_, c)| attribute(*c)).collect(),
                    set: set.iter().map(|(a, e)| Ok((*a, b.expr(e, &layout)?))).collect::<Result<_>>()?,
                    filter: filter.as_ref().map(|f| b.expr(f, &layout)).transpose()?,
                }))
            }
        };
        Ok(Conflict { arbiters, action, written: HashSet::new(), met: 0, filtered: 0 })
    }

    fn decides(&self, target: &Target, i: usize) -> bool {
        let def = &target.indexes[i].def;
        def.unique && (self.arbiters.is_empty() || self.arbiters.contains(&def.oid))
    }

    /// Inserts the row, or does what the action says. The row as stored and its place; none if nothing was written.
    pub fn insert(
        &mut self,
        cx: &mut Cx<'_>,
        target: &mut Target,
        row: Vec<Datum>,
    ) -> Result<Option<(Tid, Vec<Datum>)>> {
        let mut keys = vec![];
        loop {
            let mut found = None;
            for i in 0..target.indexes.len() {
                if !self.decides(target, i) {
                    continue;
                }
                // Indexes before it may have decided: only who gets here is refused.
                if target.indexes[i].def.deferrable {
                    let text = "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters";
                    return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "{text}"));
                }
                if let Some(existing) = target.find_conflict(cx, i, &row, &mut keys)? {
                    found = Some(existing);
                    break;
                }
            }
            if let Some(existing) = found {
                match self.resolve(cx, target, &row, existing)? {
                    Resolution::Skip => {
                        self.met += 1;
                        return Ok(None);
                    }
                    Resolution::Updated(tid, stored) => {
                        self.met += 1;
                        return Ok(Some((tid, stored)));
                    }
                    Resolution::Again => continue,
                }
            }
            if let Some(tid) = self.try_insert(cx, target, &row)? {
                self.written.insert(tid);
                target.queue_foreign_keys(cx, &row, None, tid);
                target.test_view_checks(cx, &row)?;
                return Ok(Some((tid, row)));
            }
        }
    }

    /// Inserts; none if an arbiter index had the key after all (the row is taken out again).
    fn try_insert(&mut self, cx: &mut Cx<'_>, target: &mut Target, row: &[Datum]) -> Result<Option<Tid>> {
        let body = target.encode(row).to_vec();
        let tid = target.heap.insert(&cx.env.txn, &body)?;
        let mut keys = vec![];
        for i in 0..target.indexes.len() {
            if target.insert_entry(cx, i, row, tid, &mut keys)?.is_none() {
                target.queue_deferred_unique(cx, i, &keys, tid)?;
                continue;
            }
            if !self.decides(target, i) {
                return Err(errors::unique_violation(&target.relation, &target.indexes[i].def, &keys, cx.io));
            }
            target.heap.undo_insert(&cx.env.txn, tid)?;
            return Ok(None);
        }
        target.index_row_elsewhere(cx, row, tid)?;
        Ok(Some(tid))
    }

    fn resolve(
        &mut self,
        cx: &mut Cx<'_>,
        target: &mut Target,
        row: &[Datum],
        at: VersionRef,
    ) -> Result<Resolution> {
        let tid = at.tid;
        let env = cx.env;
        let one_snapshot =
            matches!(env.txn.isolation(), IsolationLevel::RepeatableRead | IsolationLevel::Serializable);
        let Action::Update(update) = &mut self.action else {
            // In REPEATABLE READ a row that the snapshot doesn't see can't just be passed over.
            if one_snapshot
                && target.heap.fetch_visible(&env.snapshot, tid, |_, _| ())?.is_none()
                && !self.written.contains(&tid)
            {
                return Err(errors::concurrent_update());
            }
            return Ok(Resolution::Skip);
        };
        let Update { reader, existing, set, filter } = &mut **update;
        let twice = || {
            err!(CARDINALITY_VIOLATION, "ON CONFLICT DO UPDATE command cannot affect row a second time")
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
        };
        if self.written.contains(&tid) {
            return Err(twice());
        }
        let attributes: Vec<usize> = set.iter().map(|(a, _)| *a).collect();
        let mode = match update_options(target, &attributes).key_unchanged {
            true => RowLockMode::NoKeyUpdate,
            false => RowLockMode::Update,
        };
        match target.heap.lock(&env.txn, &env.snapshot, at, mode, WaitPolicy::Block)? {
            ModifyResult::Done { tid: locked, .. } if locked == tid => {}
            ModifyResult::SelfModified { .. } => return Err(twice()),
            _ if one_snapshot => return Err(errors::concurrent_update()),
            _ => return Ok(Resolution::Again),
        }
        if one_snapshot && target.heap.fetch_visible(&env.snapshot, tid, |_, _| ())?.is_none() {
            return Err(errors::concurrent_update());
        }
        let mut values: Vec<Datum> = vec![];
        let heap = target.heap.clone();
        let found = heap.fetch_exact(tid, |_, meta, body| (meta, body.to_vec()))?;
        let Some((meta, body)) = found else { return Ok(Resolution::Again) };
        reader.datums(&heap, tid, Some(&meta), &body, &mut values)?;
        let before: Vec<Datum> = target
            .attributes
            .iter()
            .map(|a| existing.iter().position(|e| *e == Some(*a)).map_or(Datum::Null, |p| values[p].clone()))
            .collect();
        values.extend_from_slice(row);
        if let Some(f) = filter
            && !f.row_is_true(cx, &values)?
        {
            self.filtered += 1;
            return Ok(Resolution::Skip);
        }
        let mut after = before.clone();
        let mut changed = vec![];
        for (a, e) in set.iter() {
            let v = e.row(cx, &values)?;
            if let Some(p) = target.position(*a) {
                after[p] = v;
                changed.push(*a);
            }
        }
        target.complete(cx, &mut after)?;
        let new = super::update::store_update(cx, target, tid, &before, &after, &changed)?;
        match new {
            super::update::Stored::Done(new_tid) => {
                self.written.insert(new_tid);
                Ok(Resolution::Updated(new_tid, after))
            }
            _ => Ok(Resolution::Again),
        }
    }
}

enum Resolution {
    Skip,
    Updated(Tid, Vec<Datum>),
    Again,
}

/// Options of an update that changed these attributes.
pub fn update_options(target: &Target, changed: &[usize]) -> UpdateOptions {
    let hot_allowed = !target.is_indexed(changed);
    // What a foreign key could refer to: plain columns of whole unique indexes, INCLUDE columns aside.
    let is_key = |i: &&super::target::TargetIndex| {
        i.def.unique && i.def.predicate_sql.is_none() && i.def.keys.iter().all(|k| k.column.is_some())
    };
    let in_key = |k: &quarry_catalog::IndexKey| k.column.is_some_and(|c| changed.contains(&c));
    let key_unchanged = !target.indexes.iter().filter(is_key).any(|i| i.def.keys.iter().any(in_key));
    UpdateOptions { hot_allowed, key_unchanged }
}
