//! INSERT of one row of expressions.

use super::returning::{self, Returned};
use super::{RowSink, is_simple, returned_slots};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::modify::target::Target;
use crate::pool::Pool;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, Returning, TableWrite};
use quarry_types::{Datum, IoContext};
use std::sync::Arc;

/// A compiled insert.
pub struct Insert {
    write: TableWrite,
    /// One per live column of the table.
    values: Vec<Program>,
    returning: Option<(Returning, Vec<usize>)>,
    pool: Pool<Work>,
}

struct Work {
    target: Target,
    returned: Option<Returned>,
    row: Vec<Datum>,
}

impl Insert {
    pub fn compile(plan: &PhysicalPlan, output: &[ColumnId], io: &IoContext<'_>) -> Option<Insert> {
        let PhysicalNode::Insert { target, input, values, on_conflict: None, returning } = &plan.node else {
            return None;
        };
        if target.relation.is_catalog || values.len() != target.row.len() {
            return None;
        }
        let mut b = Builder::new(io, false);
        let none = Layout::default();
        let mut programs = Vec::with_capacity(values.len());
        for id in values {
            let e = input_value(input, *id)?;
            if !is_simple(e, &[]) {
                return None;
            }
            programs.push(b.expr(e, &none).ok()?);
        }
        let returning = match returning {
            Some(r) if returning::is_supported(r, &[]) => Some((r.clone(), returned_slots(plan, output)?)),
            Some(_) => return None,
            None if output.is_empty() => None,
            None => return None,
        };
        Some(Insert { write: (**target).clone(), values: programs, returning, pool: Pool::new() })
    }

    fn open(&self, cx: &Cx<'_>) -> Result<Work> {
        let mut b = Builder::new(cx.io, false).with_env(cx.env);
        let target = Target::new(&mut b, &self.write, cx.env)?;
        let returned = match &self.returning {
            Some((r, slots)) => Some(Returned::new(&mut b, r, &[], slots)?),
            None => None,
        };
        Ok(Work { target, returned, row: Vec::with_capacity(self.values.len()) })
    }

    pub fn run(&self, cx: &mut Cx<'_>, row: RowSink<'_>) -> Result<u64> {
        let mut work =
            match self.pool.take().filter(|w| Arc::ptr_eq(w.target.heap.storage(), &cx.env.storage)) {
                Some(work) => work,
                None => Box::new(self.open(cx)?),
            };
        work.row.clear();
        for v in &self.values {
            let value = match v.value(cx, &[]) {
                Some(value) => value.clone(),
                None => v.row(cx, &[])?,
            };
            work.row.push(value);
        }
        work.target.complete(cx, &mut work.row)?;
        let tid = work.target.insert_row(cx, &work.row)?;
        if let Some(returned) = &mut work.returned {
            returned.give(cx, &work.target, &work.row, tid, &[], row)?;
        }
        // Memory is kept, long values are not.
        work.row.clear();
        self.pool.give(work);
        Ok(1)
    }
}

/// The expression an input of exactly one row has for a column.
fn input_value(input: &PhysicalPlan, id: ColumnId) -> Option<&Expr> {
    if !input.filter.is_empty() {
        return None;
    }
    let (_, e) = input.targets.iter().find(|(t, _)| *t == id)?;
    match &input.node {
        PhysicalNode::Result { input: None, one_time_filter } if one_time_filter.is_empty() => Some(e),
        PhysicalNode::Result { input: Some(below), one_time_filter } if one_time_filter.is_empty() => match e
        {
            Expr::Column { id, .. } => input_value(below, *id),
            _ if is_simple(e, &[]) && is_one_row(below) => Some(e),
            _ => None,
        },
        PhysicalNode::SubqueryScan { input: below, .. } => match e {
            Expr::Column { id, .. } => input_value(below, *id),
            _ => None,
        },
        PhysicalNode::ValuesScan { rows, columns, .. } => match (rows.computed(), e) {
            ([values], Expr::Column { id, .. }) => values.get(columns.iter().position(|c| c == id)?),
            ([_], e) if is_simple(e, &[]) => Some(e),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a plan gives exactly one row, without effects that the values don't show.
fn is_one_row(plan: &PhysicalPlan) -> bool {
    plan.filter.is_empty()
        && match &plan.node {
            PhysicalNode::Result { input, one_time_filter } => {
                one_time_filter.is_empty() && input.as_ref().is_none_or(|p| is_one_row(p))
            }
            PhysicalNode::ValuesScan { rows, .. } => rows.len() == 1,
            _ => false,
        }
}
