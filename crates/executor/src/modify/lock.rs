//! FOR UPDATE and its kin: locks each row as it passes (PostgreSQL: nodeLockRows.c).

use super::errors;
use super::recheck::{Newest, Recheck};
use super::target::missing;
use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, pull_some};
use crate::scan::rows::open_heap;
use quarry_common::{Error, Result, Tid, err};
use quarry_plan::{ColumnId, LockStrength, LockWait, PhysicalNode, PhysicalPlan};
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode, VersionRef};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Vector};
use std::collections::VecDeque;
use std::sync::Arc;

struct TableLock {
    heap: Heap,
    name: String,
    ctid: usize,
    mode: RowLockMode,
    wait: LockWait,
    newest: Newest,
}

/// What became of a request for a lock.
enum Taken {
    Yes,
    /// The row was changed meanwhile; its newest version has been read.
    Changed,
    /// The row is not wanted (any more).
    No,
}

struct LockRows {
    input: BoxOperator,
    locks: Vec<TableLock>,
    recheck: Recheck,
    physicals: Vec<PhysicalType>,
    /// Rows of the input that nobody has asked for yet, and are not locked: a sort gives more than is wanted.
    rest: VecDeque<Vec<Datum>>,
}

pub fn build(b: &mut Builder<'_>, plan: &PhysicalPlan) -> Result<BoxOperator> {
    let PhysicalNode::LockRows { input, locks, recheck } = &plan.node else {
        return Err(Error::internal("not a LockRows"));
    };
    let output: Vec<ColumnId> = input.output().collect();
    let physicals = input.targets.iter().map(|(_, e)| b.physical(e.ty())).collect::<Result<_>>()?;
    let op = b.plan(input)?;
    let env = b.env()?.clone();
    let mut compiled = vec![];
    let mut ids = output.clone();
    for l in locks {
        compiled.push(TableLock {
            heap: open_heap(&env, &l.relation)?,
            name: l.relation.name.clone(),
            ctid: output.iter().position(|o| *o == l.ctid).ok_or_else(|| missing("ctid"))?,
            mode: match l.strength {
                LockStrength::KeyShare => RowLockMode::KeyShare,
                LockStrength::Share => RowLockMode::Share,
                LockStrength::NoKeyUpdate => RowLockMode::NoKeyUpdate,
                LockStrength::Update => RowLockMode::Update,
            },
            wait: l.wait,
            newest: Newest::new(b, &mut ids, &l.relation, &l.columns)?,
        });
    }
    let recheck = Recheck::new(b, recheck, &ids)?;
    Ok(Box::new(LockRows { input: op, locks: compiled, recheck, physicals, rest: VecDeque::new() }))
}

impl TableLock {
    /// Locks the row's newest version.
    fn take(&mut self, cx: &mut Cx<'_>, row: &mut Vec<Datum>) -> Result<Taken> {
        let Datum::I64(packed) = row[self.ctid] else { return Ok(Taken::Yes) };
        let mut at = VersionRef::from(Tid::from_u64(packed as u64));
        let policy = match self.wait {
            LockWait::Block => WaitPolicy::Block,
            LockWait::Skip => WaitPolicy::Skip,
            LockWait::NoWait => WaitPolicy::NoWait,
        };
        let one_snapshot =
            matches!(cx.env.txn.isolation(), IsolationLevel::RepeatableRead | IsolationLevel::Serializable);
        let mut moved = false;
        loop {
            match self.heap.lock(&cx.env.txn, &cx.env.snapshot, at, self.mode, policy)? {
                ModifyResult::Done { tid, .. } => {
                    return Ok(match moved {
                        false => Taken::Yes,
                        true if self.newest.read(&self.heap, tid, row)? => Taken::Changed,
                        true => Taken::No,
                    });
                }
                ModifyResult::SelfModified { .. } => return Ok(Taken::No),
                ModifyResult::Updated { .. } | ModifyResult::Deleted if one_snapshot => {
                    return Err(errors::concurrent_update());
                }
                ModifyResult::Deleted => return Ok(Taken::No),
                ModifyResult::Updated { next } => {
                    at = next;
                    moved = true;
                }
                ModifyResult::WouldBlock if self.wait == LockWait::Skip => return Ok(Taken::No),
                ModifyResult::WouldBlock => {
                    return Err(err!(
                        LOCK_NOT_AVAILABLE,
                        "could not obtain lock on row in relation \"{}\"",
                        self.name
                    ));
                }
            }
        }
    }
}

impl LockRows {
    /// Locks a row's parts. False: it is not wanted (any more).
    fn lock(&mut self, cx: &mut Cx<'_>, row: &mut Vec<Datum>) -> Result<bool> {
        self.recheck.note_found(row);
        let mut changed = false;
        for l in &mut self.locks {
            match l.take(cx, row)? {
                Taken::Yes => {}
                Taken::Changed => changed = true,
                Taken::No => return Ok(false),
            }
        }
        Ok(!changed || self.recheck.passes(cx, row)?)
    }
}

impl Operator for LockRows {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        // Only rows that are wanted are locked: LIMIT 1 locks one.
        let want = cx.want;
        let mut columns: Vec<Vector> =
            self.physicals.iter().map(|p| Vector::with_capacity(*p, want.min(BATCH_ROWS))).collect();
        let mut rows = 0;
        while rows < want {
            cx.check_cancelled()?;
            let Some(mut row) = self.rest.pop_front() else {
                if rows > 0 {
                    break;
                }
                let Some(batch) = pull_some(&mut self.input, cx, want)? else { return Ok(None) };
                let row = |r| batch.columns.iter().map(|c| c.datum(r)).collect();
                self.rest.extend(batch.rows().iter().map(row));
                continue;
            };
            if self.lock(cx, &mut row)? {
                for (c, v) in columns.iter_mut().zip(&row) {
                    c.push_datum(v);
                }
                rows += 1;
            }
        }
        Ok(Some(Batch::new(columns.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.rest.clear();
        self.input.rescan(cx)
    }
}
