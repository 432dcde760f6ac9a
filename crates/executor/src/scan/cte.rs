//! Scans of common table expressions (computed as they are read, once) and of a recursive union's work table.

use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::spill::BatchStore;
use quarry_common::{Error, Result};
use quarry_functions::internal::is_catchable;
use quarry_plan::{ColumnId, CteId};
use quarry_types::{Batch, Datum, PhysicalType, Vector};
use std::sync::Arc;

/// A common table expression: its plan and the rows it has given so far.
pub struct CteState {
    pub id: CteId,
    /// Absent while it runs.
    pub op: Option<BoxOperator>,
    pub rows: BatchStore,
    pub done: bool,
    /// Enclosing rows' columns that the rows depend on.
    pub reads: Vec<ColumnId>,
    /// Recursions whose work tables the rows depend on.
    pub rounds_of: Vec<CteId>,
    /// Values of `reads`, and the rounds, that the rows were computed for.
    values: Vec<Datum>,
    rounds: Vec<u64>,
    started: bool,
    /// What an error of its data leaves of it.
    caught: Option<Caught>,
}

/// The row that stands for an error.
pub struct Caught {
    /// Of the columns the one that says so.
    pub said_by: usize,
    pub physicals: Vec<PhysicalType>,
    /// Whether there was one. What failed isn't run again.
    failed: bool,
}

impl Caught {
    pub fn new(said_by: usize, physicals: Vec<PhysicalType>) -> Caught {
        Caught { said_by, physicals, failed: false }
    }

    fn row(&self) -> Batch {
        let one = |(i, physical): (usize, &PhysicalType)| {
            let mut column = Vector::with_capacity(*physical, 1);
            column.push_datum(&if i == self.said_by { Datum::Bool(true) } else { Datum::Null });
            Arc::new(column)
        };
        Batch::new(self.physicals.iter().enumerate().map(one).collect(), 1)
    }
}

impl CteState {
    pub fn new(
        id: CteId,
        op: BoxOperator,
        reads: Vec<ColumnId>,
        rounds_of: Vec<CteId>,
        caught: Option<Caught>,
    ) -> CteState {
        CteState {
            id,
            op: Some(op),
            rows: BatchStore::default(),
            done: false,
            reads,
            rounds_of,
            values: Vec::new(),
            rounds: Vec::new(),
            started: false,
            caught,
        }
    }
}

/// Begins the expression anew if it was computed for other enclosing rows, or in another round, than those at hand.
fn refresh(cx: &mut Cx<'_>, index: usize) -> Result<()> {
    let state = &cx.rt.ctes[index];
    let failed = state.caught.as_ref().is_some_and(|c| c.failed);
    if failed || state.reads.is_empty() && state.rounds_of.is_empty() {
        return Ok(());
    }
    let round = |id: &CteId| cx.rt.rounds.iter().find(|r| r.0 == *id).map_or(0, |r| r.1);
    let rounds: Vec<u64> = state.rounds_of.iter().map(round).collect();
    let now: Vec<Datum> = cx.outer_values(&state.reads).collect();
    let state = &mut cx.rt.ctes[index];
    let again = std::mem::replace(&mut state.started, true);
    if again && state.values == now && state.rounds == rounds {
        return Ok(());
    }
    (state.values, state.rounds) = (now, rounds);
    if !again {
        return Ok(());
    }
    state.rows.clear();
    state.done = false;
    // Absent: it is running, for these very rows.
    let Some(mut op) = state.op.take() else { return Ok(()) };
    let outcome = op.rescan(cx);
    cx.rt.ctes[index].op = Some(op);
    outcome
}

/// Reads one more batch of the expression, or all where errors are caught; false at its end.
pub fn advance(cx: &mut Cx<'_>, index: usize) -> Result<bool> {
    if cx.rt.ctes[index].done {
        return Ok(false);
    }
    if cx.rt.ctes[index].caught.is_none() {
        return advance_once(cx, index);
    }
    loop {
        match advance_once(cx, index) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) if is_catchable(&e) => {
                let state = &mut cx.rt.ctes[index];
                state.rows.clear();
                state.done = true;
                if let Some(caught) = &mut state.caught {
                    caught.failed = true;
                    state.rows.push(cx.env, caught.row())?;
                }
                break;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(!cx.rt.ctes[index].rows.is_empty())
}

fn advance_once(cx: &mut Cx<'_>, index: usize) -> Result<bool> {
    let Some(mut op) = cx.rt.ctes[index].op.take() else {
        return Err(Error::internal("a common table expression reads itself"));
    };
    let batch = pull(&mut op, cx);
    let state = &mut cx.rt.ctes[index];
    state.op = Some(op);
    match batch? {
        Some(b) => state.rows.push(cx.env, dense(b))?,
        None => state.done = true,
    }
    Ok(!state.done)
}

pub struct CteScan {
    id: CteId,
    slots: Vec<usize>,
    at: usize,
}

impl CteScan {
    pub fn new(id: CteId, slots: Vec<usize>) -> CteScan {
        CteScan { id, slots, at: 0 }
    }
}

fn pick(b: &Batch, slots: &[usize]) -> Batch {
    Batch::new(slots.iter().map(|s| b.columns[*s].clone()).collect(), b.len)
}

impl Operator for CteScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let index = cx
            .rt
            .ctes
            .iter()
            .position(|c| c.id == self.id)
            .ok_or_else(|| Error::internal("a common table expression was not planned"))?;
        if self.at == 0 {
            refresh(cx, index)?;
        }
        while self.at >= cx.rt.ctes[index].rows.len() {
            if !advance(cx, index)? {
                return Ok(None);
            }
        }
        self.at += 1;
        let batch = cx.rt.ctes[index].rows.get(self.at - 1)?;
        Ok(batch.map(|b| pick(&b, &self.slots)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}

/// Rows of the round before.
pub struct WorkTableScan {
    id: CteId,
    slots: Vec<usize>,
    at: usize,
}

impl WorkTableScan {
    pub fn new(id: CteId, slots: Vec<usize>) -> WorkTableScan {
        WorkTableScan { id, slots, at: 0 }
    }
}

impl Operator for WorkTableScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let Some((_, rows)) = cx.rt.work_tables.iter().rev().find(|(id, _)| *id == self.id) else {
            return Ok(None);
        };
        self.at += 1;
        Ok(rows.get(self.at - 1)?.map(|b| pick(&b, &self.slots)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        Ok(())
    }
}
