//! EvalPlanQual: is a row that somebody else has changed meanwhile still one that the statement wants?
//!
//! READ COMMITTED follows a concurrent update to the row's newest version ([`Newest`] reads it into the place of the old one) and tests
//! it as the planner says ([`Recheck`]): by the conditions of a single table, or by a plan that joins the rows that were joined once
//! more (PostgreSQL: executor README, "EvalPlanQual").

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, pull_some};
use crate::scan::rows::RowReader;
use quarry_common::{Error, Result, Tid};
use quarry_plan::{ColumnId, PhysicalPlan, ScanColumn};
use quarry_storage::heap::Heap;
use quarry_types::Datum;

/// Reads a table's newest row version into a wider row.
pub struct Newest {
    reader: RowReader,
    /// For each column the reader gives, its slot.
    slots: Vec<usize>,
}

impl Newest {
    /// `ids` are the row's columns; those of the table that are not among them are added.
    pub fn new(
        b: &mut Builder<'_>,
        ids: &mut Vec<ColumnId>,
        relation: &quarry_catalog::Relation,
        columns: &[(ColumnId, ScanColumn)],
    ) -> Result<Newest> {
        let mut slots = vec![];
        for (id, _) in columns {
            slots.push(ids.iter().position(|i| i == id).unwrap_or(ids.len()));
            if slots.last() == Some(&ids.len()) {
                ids.push(*id);
            }
        }
        let env = b.env()?.clone();
        let reader = RowReader::new(relation, columns, &env.io())?;
        Ok(Newest { reader, slots })
    }

    /// Reads version `tid`. False: it is gone.
    pub fn read(&mut self, heap: &Heap, tid: Tid, row: &mut Vec<Datum>) -> Result<bool> {
        let Some((meta, body)) = heap.fetch_exact(tid, |_, meta, body| (meta, body.to_vec()))? else {
            return Ok(false);
        };
        let mut values = vec![];
        self.reader.datums(heap, tid, Some(&meta), &body, &mut values)?;
        for (slot, v) in self.slots.iter().zip(values) {
            if row.len() <= *slot {
                row.resize(*slot + 1, Datum::Null);
            }
            row[*slot] = v;
        }
        Ok(true)
    }
}

/// The test of a row whose changed parts have been read again.
pub struct Recheck {
    test: Test,
    width: usize,
}

enum Test {
    Conditions(Vec<Program>),
    Plan {
        op: BoxOperator,
        /// Not run yet.
        fresh: bool,
        /// Columns that the plan reads as enclosing ones, and the slots of their values.
        params: Vec<(ColumnId, usize)>,
        /// The same for values of the row as it was found, and these values.
        found: Vec<(ColumnId, usize, Datum)>,
        /// Columns of the plan's row, and the slots they go to.
        outputs: Vec<(usize, usize)>,
    },
}

impl Recheck {
    /// `ids` are the columns of the rows to test.
    pub fn new(
        b: &mut Builder<'_>,
        recheck: &quarry_plan::Recheck<PhysicalPlan>,
        ids: &[ColumnId],
    ) -> Result<Recheck> {
        let slot = |id: &ColumnId| ids.iter().position(|i| i == id);
        let test = match recheck {
            quarry_plan::Recheck::Conditions(conditions) => {
                Test::Conditions(b.exprs(conditions, &Layout::new(ids.iter().copied()))?)
            }
            quarry_plan::Recheck::Plan { plan, params, found } => {
                let lacks = || Error::internal("a changed row can't be tested again: a column is missing");
                let params = params
                    .iter()
                    .map(|(param, of)| Ok((*param, slot(of).ok_or_else(lacks)?)))
                    .collect::<Result<_>>()?;
                let found = found
                    .iter()
                    .map(|(column, of)| Ok((*column, slot(of).ok_or_else(lacks)?, Datum::Null)))
                    .collect::<Result<_>>()?;
                let outputs = plan.output().enumerate().filter_map(|(i, id)| Some((i, slot(&id)?))).collect();
                Test::Plan { op: b.uncounted(plan)?, fresh: true, params, found, outputs }
            }
        };
        Ok(Recheck { test, width: ids.len() })
    }

    /// To be called with each row as it was found, before any of it is read again.
    #[inline]
    pub fn note_found(&mut self, row: &[Datum]) {
        if let Test::Plan { found, .. } = &mut self.test {
            for (_, slot, value) in found {
                *value = row.get(*slot).cloned().unwrap_or(Datum::Null);
            }
        }
    }

    /// Tests the row, and brings what is computed of it up to date.
    pub fn passes(&mut self, cx: &mut Cx<'_>, row: &mut Vec<Datum>) -> Result<bool> {
        row.resize(self.width.max(row.len()), Datum::Null);
        let (op, fresh, params, found, outputs) = match &mut self.test {
            Test::Conditions(conditions) => {
                for c in conditions {
                    if !c.row_is_true(cx, row)? {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            Test::Plan { op, fresh, params, found, outputs } => (op, fresh, params, found, outputs),
        };
        // The plan that found the row goes on later, and has columns of the same names in there.
        let enclosing = cx.rt.outer.clone();
        for (id, slot) in params {
            cx.set_outer(*id, row[*slot].clone());
        }
        for (id, _, value) in found {
            cx.set_outer(*id, value.clone());
        }
        if !std::mem::take(fresh) {
            op.rescan(cx)?;
        }
        let found = pull_some(op, cx, 1);
        cx.rt.outer = enclosing;
        let Some(batch) = found? else { return Ok(false) };
        let Some(r) = batch.rows().iter().next() else { return Ok(false) };
        for (column, slot) in outputs {
            row[*slot] = batch.columns[*column].datum(r);
        }
        Ok(true)
    }
}
