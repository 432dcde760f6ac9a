//! INSERT.

use super::conflict::Conflict;
use super::returning::ReturningRows;
use super::target::{Target, missing};
use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull};
use quarry_common::{Error, Result};
use quarry_plan::{ColumnId, OnConflict, PhysicalNode, PhysicalPlan, Returning, TableWrite, walk};
use quarry_types::{Batch, Datum};

/// Rows of RETURNING handed out at once.
const RETURNING_BATCH: usize = 1024;

/// The operator.
struct Insert {
    input: BoxOperator,
    /// For each value of a row, the input column.
    slots: Vec<usize>,
    /// Compiled on first use, when the execution's environment is at hand.
    target: Target,
    conflict: Option<Conflict>,
    returning: Option<ReturningRows>,
    /// The input's columns that RETURNING reads besides the stored row.
    beside: Vec<usize>,
    affected: u64,
    /// Rows that came, where there is an ON CONFLICT.
    offered: u64,
    done: bool,
}

pub fn build(b: &mut Builder<'_>, plan: &PhysicalPlan) -> Result<BoxOperator> {
    let PhysicalNode::Insert { target, input, values, on_conflict, returning } = &plan.node else {
        return Err(Error::internal("not an Insert"));
    };
    let output: Vec<ColumnId> = input.output().collect();
    let op = b.plan(input)?;
    make(b, op, &output, target, values, on_conflict.as_ref(), returning.as_ref())
}

fn make(
    b: &mut Builder<'_>,
    input: BoxOperator,
    output: &[ColumnId],
    write: &TableWrite,
    values: &[ColumnId],
    on_conflict: Option<&OnConflict>,
    returning: Option<&Returning>,
) -> Result<BoxOperator> {
    let slots = values
        .iter()
        .map(|v| output.iter().position(|o| o == v).ok_or_else(|| missing("a value")))
        .collect::<Result<Vec<_>>>()?;
    let env = b.env()?.clone();
    let target = Target::new(b, write, &env)?;
    let conflict = on_conflict.map(|c| Conflict::new(b, c, write)).transpose()?;
    let mut read = vec![];
    returning.iter().flat_map(|r| &r.targets).for_each(|(_, e)| walk::columns_of(e, &mut read));
    let beside: Vec<usize> = (0..output.len()).filter(|i| read.contains(&output[*i])).collect();
    let ids: Vec<ColumnId> = beside.iter().map(|i| output[*i]).collect();
    let returning = returning.map(|r| ReturningRows::new(b, r, &ids)).transpose()?;
    Ok(Box::new(Insert {
        input,
        slots,
        target,
        conflict,
        returning,
        beside,
        affected: 0,
        offered: 0,
        done: false,
    }))
}

impl Insert {
    fn insert_batch(&mut self, cx: &mut Cx<'_>, batch: Batch) -> Result<()> {
        let batch = dense(batch);
        let columns = self.slots.iter().map(|s| batch.columns[*s].clone()).collect();
        let rows = Batch::new(columns, batch.len);
        let read = |r: usize| self.beside.iter().map(|s| batch.columns[*s].datum(r)).collect::<Vec<Datum>>();
        if let Some(conflict) = &mut self.conflict {
            for r in 0..rows.len {
                let mut row: Vec<Datum> = rows.columns.iter().map(|c| c.datum(r)).collect();
                self.target.complete(cx, &mut row)?;
                if let Some((tid, stored)) = conflict.insert(cx, &mut self.target, row)? {
                    self.affected += 1;
                    if let Some(out) = &mut self.returning {
                        out.push(cx, &self.target, &stored, tid, &read(r))?;
                    }
                }
            }
            self.offered += rows.len as u64;
            let node = cx.rt.current_node;
            if let Some(s) = cx.rt.stats.get_mut(node) {
                crate::stats::set(s, "Tuples Inserted", (self.offered - conflict.met).to_string());
                crate::stats::set(s, "Conflicting Tuples", conflict.met.to_string());
                crate::stats::set(s, "Rows Removed by Conflict Filter", conflict.filtered.to_string());
            }
            return Ok(());
        }
        let count = rows.len as u64;
        let (rows, tids) = self.target.insert_batch(cx, rows)?;
        self.affected += count;
        if let Some(out) = &mut self.returning {
            let tids = tids.to_vec();
            for (r, tid) in tids.into_iter().enumerate() {
                let row: Vec<Datum> = rows.columns.iter().map(|c| c.datum(r)).collect();
                out.push(cx, &self.target, &row, tid, &read(r))?;
            }
        }
        Ok(())
    }
}

impl Operator for Insert {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        while !self.done {
            cx.check_cancelled()?;
            match pull(&mut self.input, cx)? {
                Some(batch) => self.insert_batch(cx, batch)?,
                None => self.done = true,
            }
            if self.returning.as_ref().is_some_and(|r| r.len() >= RETURNING_BATCH) {
                break;
            }
        }
        Ok(self.returning.as_mut().and_then(ReturningRows::take))
    }
    fn rescan(&mut self, _cx: &mut Cx<'_>) -> Result<()> {
        Err(Error::internal("a write can't be run again"))
    }
    fn rows_affected(&self) -> Option<u64> {
        Some(self.affected)
    }
}
