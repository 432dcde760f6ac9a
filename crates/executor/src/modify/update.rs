//! UPDATE and DELETE.

use super::conflict::update_options;
use super::errors;
use super::recheck::{Newest, Recheck};
use super::returning::ReturningRows;
use super::target::{Target, attribute, missing};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, pull};
use crate::scan::rows::RowReader;
use quarry_common::{Error, Result, Tid, err};
use quarry_plan::{ColumnId, PhysicalNode, PhysicalPlan, Returning, ScanColumn};
use quarry_storage::heap::{ModifyResult, RowLockMode, VersionRef};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::{Batch, Datum};
use std::collections::HashSet;

const RETURNING_BATCH: usize = 1024;

/// What became of storing a new version.
pub enum Stored {
    Done(Tid),
    /// Changed meanwhile: this is the next version, and the lock that the change takes.
    Moved(VersionRef, RowLockMode),
    Gone,
    /// By this very statement already.
    Own,
}

struct Change {
    input: BoxOperator,
    ctid: usize,
    target: Target,
    /// Reads the stored row's attributes in the target's order.
    reader: RowReader,
    /// Assigned attributes with their values over the input; none: DELETE.
    set: Option<Vec<(usize, Program)>>,
    changed: Vec<usize>,
    newest: Newest,
    recheck: Recheck,
    returning: Option<ReturningRows>,
    /// Input slots that RETURNING reads besides the stored row.
    source: Vec<usize>,
    /// Rows changed, as they were found. One that failed the test of its newest version isn't among them: it may pass with another partner.
    seen: HashSet<Tid>,
    affected: u64,
    done: bool,
}

pub fn build(b: &mut Builder<'_>, plan: &PhysicalPlan) -> Result<BoxOperator> {
    let (write, input, ctid, old, set, returning, recheck) = match &plan.node {
        PhysicalNode::Update { target, input, ctid, old, set, returning, recheck } => {
            (target, input, ctid, old, Some(set), returning, recheck)
        }
        PhysicalNode::Delete { target, input, ctid, old, returning, recheck } => {
            (target, input, ctid, old, None, returning, recheck)
        }
        _ => return Err(Error::internal("not an Update or Delete")),
    };
    let output: Vec<ColumnId> = input.output().collect();
    let op = b.plan(input)?;
    let env = b.env()?.clone();
    let ctid = output.iter().position(|o| o == ctid).ok_or_else(|| missing("ctid"))?;
    let target = Target::new(b, write, &env)?;
    let all: Vec<(ColumnId, ScanColumn)> = write.row.iter().map(|(id, c)| (*id, *c)).collect();
    let io = env.io();
    let reader = RowReader::new(&write.relation, &all, &io)?;
    // Columns that only a refreshed row can give come after the input's.
    let mut ids = output.clone();
    let newest = Newest::new(b, &mut ids, &write.relation, old)?;
    let layout = Layout::new(ids.iter().copied());
    let set = set
        .map(|set| set.iter().map(|(a, e)| Ok((*a, b.expr(e, &layout)?))).collect::<Result<Vec<_>>>())
        .transpose()?;
    let mut changed: Vec<usize> = set.iter().flatten().map(|(a, _)| *a).collect();
    if set.is_some() {
        // A generated column changes with what it is made of.
        changed.extend(write.generated.iter().map(|(a, _)| *a));
    }
    let recheck = Recheck::new(b, recheck, &ids)?;
    let (returning, source) = match returning {
        Some(r) => returning_over(b, r, &output)?,
        None => (None, vec![]),
    };
    Ok(Box::new(Change {
        input: op,
        ctid,
        target,
        reader,
        set,
        changed,
        newest,
        recheck,
        returning,
        source,
        seen: HashSet::new(),
        affected: 0,
        done: false,
    }))
}

fn returning_over(
    b: &mut Builder<'_>,
    r: &Returning,
    output: &[ColumnId],
) -> Result<(Option<ReturningRows>, Vec<usize>)> {
    let rows = ReturningRows::new(b, r, output)?;
    Ok((Some(rows), (0..output.len()).collect()))
}

/// Whether two values are stored the same way; equal ones may not be.
fn is_same(a: &Datum, b: &Datum) -> bool {
    match (a, b) {
        (Datum::F64(a), Datum::F64(b)) => a.to_bits() == b.to_bits(),
        (Datum::F32(a), Datum::F32(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// Stores `after` as the next version of `tid`, with index entries and foreign-key work.
pub fn store_update(
    cx: &mut Cx<'_>,
    target: &mut Target,
    tid: Tid,
    before: &[Datum],
    after: &[Datum],
    changed: &[usize],
) -> Result<Stored> {
    // What is assigned the value it has is not changed: other keys, and no new index entries, only where they are needed.
    let differs = |a: &usize| target.position(*a).is_none_or(|p| !is_same(&before[p], &after[p]));
    let changed: Vec<usize> = changed.iter().copied().filter(differs).collect();
    let options = update_options(target, &changed);
    let body = target.encode(after).to_vec();
    let result = target.heap.update(&cx.env.txn, &cx.env.snapshot, tid, &body, options, WaitPolicy::Block)?;
    match result {
        ModifyResult::Done { tid: new, hot } => {
            if !hot {
                target.index_row(cx, after, new)?;
            }
            target.queue_foreign_keys(cx, after, Some(before), new);
            target.queue_referenced(cx, before, Some(after));
            target.test_view_checks(cx, after)?;
            Ok(Stored::Done(new))
        }
        ModifyResult::SelfModified { .. } => Ok(Stored::Own),
        ModifyResult::Updated { next } => {
            let mode = match options.key_unchanged {
                true => RowLockMode::NoKeyUpdate,
                false => RowLockMode::Update,
            };
            Ok(Stored::Moved(next, mode))
        }
        ModifyResult::Deleted => Ok(Stored::Gone),
        ModifyResult::WouldBlock => Err(Error::internal("a blocking update would not block")),
    }
}

impl Change {
    fn stored_row(&mut self, tid: Tid) -> Result<Option<Vec<Datum>>> {
        let heap = self.target.heap.clone();
        let Some((meta, body)) = heap.fetch_exact(tid, |_, meta, body| (meta, body.to_vec()))? else {
            return Ok(None);
        };
        let mut values = vec![];
        self.reader.datums(&heap, tid, Some(&meta), &body, &mut values)?;
        Ok(Some(values))
    }

    /// Changes one row, following it to its newest version where the isolation level says so.
    fn change(&mut self, cx: &mut Cx<'_>, mut row: Vec<Datum>) -> Result<()> {
        let mut tid = match row[self.ctid] {
            Datum::I64(packed) => Tid::from_u64(packed as u64),
            // A row made up by an outer join is no row of the table.
            _ => return Ok(()),
        };
        let found = tid;
        if self.seen.contains(&found) {
            // A join gave the row twice: the first that changes it counts.
            return Ok(());
        }
        if let Some(own) = &cx.env.crosscheck
            && self.target.heap.fetch_visible(own, tid, |_, _| ())?.is_none()
        {
            return Err(errors::concurrent_update());
        }
        self.recheck.note_found(&row);
        loop {
            let Some(before) = self.stored_row(tid)? else { return Ok(()) };
            let stored = match &self.set {
                None => {
                    let result =
                        self.target.heap.delete(&cx.env.txn, &cx.env.snapshot, tid, WaitPolicy::Block)?;
                    match result {
                        ModifyResult::Done { .. } => {
                            self.target.queue_referenced(cx, &before, None);
                            self.affected += 1;
                            self.put_out(cx, &before, tid, &row)?;
                            return Ok(());
                        }
                        ModifyResult::SelfModified { .. } => Stored::Own,
                        ModifyResult::Updated { next } => Stored::Moved(next, RowLockMode::Update),
                        ModifyResult::Deleted => Stored::Gone,
                        ModifyResult::WouldBlock => {
                            return Err(Error::internal("a blocking delete would not block"));
                        }
                    }
                }
                Some(set) => {
                    let mut after = before.clone();
                    for (a, e) in set {
                        let v = e.row(cx, &row)?;
                        if let Some(p) = self.target.position(*a) {
                            after[p] = v;
                        }
                    }
                    self.target.complete(cx, &mut after)?;
                    let stored = store_update(cx, &mut self.target, tid, &before, &after, &self.changed)?;
                    if let Stored::Done(new) = stored {
                        self.seen.insert(found);
                        self.affected += 1;
                        self.put_out(cx, &after, new, &row)?;
                        return Ok(());
                    }
                    stored
                }
            };
            let one_snapshot = matches!(
                cx.env.txn.isolation(),
                IsolationLevel::RepeatableRead | IsolationLevel::Serializable
            );
            match stored {
                Stored::Done(_) | Stored::Own => return Ok(()),
                Stored::Gone if one_snapshot => return Err(errors::concurrent_delete()),
                Stored::Gone => return Ok(()),
                Stored::Moved(..) if one_snapshot => return Err(errors::concurrent_update()),
                Stored::Moved(next, mode) => {
                    let Some(newest) = self.follow(cx, next, mode, &mut row)? else { return Ok(()) };
                    tid = newest;
                }
            }
        }
    }

    /// Locks the newest version from `at` on and reads it; none if it is gone, or no longer wanted.
    fn follow(
        &mut self,
        cx: &mut Cx<'_>,
        mut at: VersionRef,
        mode: RowLockMode,
        row: &mut Vec<Datum>,
    ) -> Result<Option<Tid>> {
        let tid = loop {
            let heap = &self.target.heap;
            match heap.lock(&cx.env.txn, &cx.env.snapshot, at, mode, WaitPolicy::Block)? {
                ModifyResult::Done { tid, .. } => break tid,
                ModifyResult::Updated { next } => at = next,
                _ => return Ok(None),
            }
        };
        let wanted = self.newest.read(&self.target.heap, tid, row)? && self.recheck.passes(cx, row)?;
        Ok(wanted.then_some(tid))
    }

    fn put_out(&mut self, cx: &mut Cx<'_>, row: &[Datum], tid: Tid, input: &[Datum]) -> Result<()> {
        if let Some(out) = &mut self.returning {
            let source: Vec<Datum> = self.source.iter().map(|s| input[*s].clone()).collect();
            out.push(cx, &self.target, row, tid, &source)?;
        }
        Ok(())
    }
}

impl Operator for Change {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        while !self.done {
            cx.check_cancelled()?;
            match pull(&mut self.input, cx)? {
                Some(batch) => {
                    for r in batch.rows().iter() {
                        let row: Vec<Datum> = batch.columns.iter().map(|c| c.datum(r)).collect();
                        self.change(cx, row)?;
                    }
                }
                None => self.done = true,
            }
            if self.returning.as_ref().is_some_and(|r| r.len() >= RETURNING_BATCH) {
                break;
            }
        }
        Ok(self.returning.as_mut().and_then(ReturningRows::take))
    }
    fn rescan(&mut self, _cx: &mut Cx<'_>) -> Result<()> {
        Err(err!(INTERNAL_ERROR, "a write can't be run again"))
    }
    fn rows_affected(&self) -> Option<u64> {
        Some(self.affected)
    }
}

/// Attributes of a list of scan columns.
pub fn attributes(columns: &[(ColumnId, ScanColumn)]) -> Vec<usize> {
    columns.iter().filter_map(|(_, c)| attribute(*c)).collect()
}
