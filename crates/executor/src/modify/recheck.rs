//! EvalPlanQual: is a row that somebody else has changed meanwhile still one that the statement wants?
//!
//! READ COMMITTED follows a concurrent update to the row's newest version and tests the plan's conditions again, with the new
//! version's columns in the place of the old ones (PostgreSQL: executor README, "EvalPlanQual").

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::scan::rows::RowReader;
use quarry_common::{Result, Tid};
use quarry_plan::physical::BitmapSource;
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalNode, PhysicalPlan, ScanColumn, walk};
use quarry_storage::heap::Heap;
use quarry_types::Datum;

/// The conditions to test, over the input's columns followed by those of the table that are not among them.
pub struct Recheck {
    conditions: Vec<Program>,
    reader: RowReader,
    /// For each column the reader gives, its slot.
    slots: Vec<usize>,
    width: usize,
}

impl Recheck {
    pub fn new(
        b: &mut Builder<'_>,
        input: &PhysicalPlan,
        relation: &quarry_catalog::Relation,
        columns: &[(ColumnId, ScanColumn)],
    ) -> Result<Recheck> {
        let mut ids: Vec<ColumnId> = input.output().collect();
        for (id, _) in columns {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        let slots =
            columns.iter().map(|(id, _)| ids.iter().position(|i| i == id).expect("added above")).collect();
        let mut all = vec![];
        conditions(input, &mut all);
        let layout = Layout::new(ids.iter().copied());
        let mut programs = vec![];
        for e in all {
            let mut used = vec![];
            walk::columns_of(e, &mut used);
            let about_table = used.iter().any(|id| columns.iter().any(|(c, _)| c == id));
            let readable = used.iter().all(|id| ids.contains(id));
            let has_subquery = walk::any(e, &|e| matches!(e, Expr::Subquery(_)));
            if about_table && readable && !has_subquery {
                programs.push(b.expr(e, &layout)?);
            }
        }
        let env = b.env()?.clone();
        let io = env.io();
        let reader = RowReader::new(relation, columns, &io)?;
        Ok(Recheck { conditions: programs, reader, slots, width: ids.len() })
    }

    /// Reads version `tid` into the input row (which grows to hold all the table's columns). False: it no longer qualifies.
    pub fn refresh(&mut self, cx: &mut Cx<'_>, heap: &Heap, tid: Tid, row: &mut Vec<Datum>) -> Result<bool> {
        let Some((meta, body)) = heap.fetch_exact(tid, |_, meta, body| (meta, body.to_vec()))? else {
            return Ok(false);
        };
        let mut values = vec![];
        self.reader.datums(heap, tid, Some(&meta), &body, &mut values)?;
        row.resize(self.width.max(row.len()), Datum::Null);
        for (slot, v) in self.slots.iter().zip(values) {
            row[*slot] = v;
        }
        for c in &self.conditions {
            if !c.row_is_true(cx, row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Every condition that a row had to meet on its way up.
fn conditions<'p>(plan: &'p PhysicalPlan, out: &mut Vec<&'p Expr>) {
    out.extend(&plan.filter);
    match &plan.node {
        PhysicalNode::IndexScan { conds, .. } => out.extend(conds.iter().map(|c| &c.source)),
        PhysicalNode::BitmapHeapScan { recheck, bitmap, .. } => {
            out.extend(recheck);
            if let BitmapSource::Index { conds, .. } = bitmap {
                out.extend(conds.iter().map(|c| &c.source));
            }
        }
        PhysicalNode::NestLoop { kind: JoinKind::Inner, on, .. } => out.extend(on),
        PhysicalNode::HashJoin { kind: JoinKind::Inner, hash_conds, on, .. } => {
            out.extend(hash_conds.iter().chain(on))
        }
        PhysicalNode::MergeJoin { kind: JoinKind::Inner, merge_conds, on, .. } => {
            out.extend(merge_conds.iter().chain(on))
        }
        // What is above a grouping speaks of groups.
        PhysicalNode::Aggregate { .. } | PhysicalNode::SetOp { .. } | PhysicalNode::WindowAgg { .. } => {
            return;
        }
        _ => {}
    }
    for input in walk::physical_inputs(plan) {
        conditions(input, out);
    }
}
