//! FOR UPDATE and its kin: locks each row as it passes (PostgreSQL: nodeLockRows.c).

use super::errors;
use super::recheck::Recheck;
use super::target::missing;
use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, pull_some};
use crate::scan::rows::open_heap;
use quarry_common::{Error, Result, Tid, err};
use quarry_plan::{ColumnId, LockStrength, LockWait, PhysicalNode, PhysicalPlan};
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::{Batch, Datum, PhysicalType, Vector};
use std::sync::Arc;

struct TableLock {
    heap: Heap,
    name: String,
    ctid: usize,
    mode: RowLockMode,
    wait: LockWait,
    recheck: Recheck,
}

struct LockRows {
    input: BoxOperator,
    locks: Vec<TableLock>,
    physicals: Vec<PhysicalType>,
}

pub fn build(b: &mut Builder<'_>, plan: &PhysicalPlan) -> Result<BoxOperator> {
    let PhysicalNode::LockRows { input, locks } = &plan.node else {
        return Err(Error::internal("not a LockRows"));
    };
    let output: Vec<ColumnId> = input.output().collect();
    let physicals = input.targets.iter().map(|(_, e)| b.physical(e.ty())).collect::<Result<_>>()?;
    let op = b.plan(input)?;
    let env = b.env()?.clone();
    let mut compiled = vec![];
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
            recheck: Recheck::new(b, input, &l.relation, &l.columns)?,
        });
    }
    Ok(Box::new(LockRows { input: op, locks: compiled, physicals }))
}

impl TableLock {
    /// Locks the row's newest version. False: the row is not wanted (any more).
    fn take(&mut self, cx: &mut Cx<'_>, row: &mut Vec<Datum>) -> Result<bool> {
        let Datum::I64(packed) = row[self.ctid] else { return Ok(true) };
        let mut tid = Tid::from_u64(packed as u64);
        let policy = match self.wait {
            LockWait::Block => WaitPolicy::Block,
            LockWait::Skip => WaitPolicy::Skip,
            LockWait::NoWait => WaitPolicy::NoWait,
        };
        let one_snapshot =
            matches!(cx.env.txn.isolation(), IsolationLevel::RepeatableRead | IsolationLevel::Serializable);
        let mut moved = false;
        loop {
            match self.heap.lock(&cx.env.txn, &cx.env.snapshot, tid, self.mode, policy)? {
                ModifyResult::Done { .. } => {
                    if moved {
                        let heap = self.heap.clone();
                        return self.recheck.refresh(cx, &heap, tid, row);
                    }
                    return Ok(true);
                }
                ModifyResult::SelfModified { .. } => return Ok(false),
                ModifyResult::Updated { .. } if one_snapshot => return Err(errors::concurrent_update()),
                ModifyResult::Deleted if one_snapshot => return Err(errors::concurrent_delete()),
                ModifyResult::Deleted => return Ok(false),
                ModifyResult::Updated { next } => {
                    tid = next;
                    moved = true;
                }
                ModifyResult::WouldBlock if self.wait == LockWait::Skip => return Ok(false),
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

impl Operator for LockRows {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let want = cx.want;
        loop {
            cx.check_cancelled()?;
            // Only rows that are wanted are locked: LIMIT 1 locks one.
            let Some(batch) = pull_some(&mut self.input, cx, want)? else { return Ok(None) };
            let mut columns: Vec<Vector> =
                self.physicals.iter().map(|p| Vector::with_capacity(*p, batch.row_count())).collect();
            let mut rows = 0;
            for r in batch.rows().iter() {
                let mut row: Vec<Datum> = batch.columns.iter().map(|c| c.datum(r)).collect();
                let mut wanted = true;
                for l in &mut self.locks {
                    if !l.take(cx, &mut row)? {
                        wanted = false;
                        break;
                    }
                }
                if wanted {
                    for (c, v) in columns.iter_mut().zip(&row) {
                        c.push_datum(v);
                    }
                    rows += 1;
                }
            }
            if rows > 0 {
                return Ok(Some(Batch::new(columns.into_iter().map(Arc::new).collect(), rows)));
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.input.rescan(cx)
    }
}
