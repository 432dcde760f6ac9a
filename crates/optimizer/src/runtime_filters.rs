//! Which hash joins tell which sequential scans of their outer side what keys they look for (`executor::join::filter`).
//!
//! A join may that drops outer rows without a match. Between it and the scan stand only nodes that pass the column on and that
//! need no row for anything but their own result: a row that the join drops in the end can as well be missing from the start.

use quarry_plan::physical::{PlannedCte, RuntimeFilter};
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalNode, PhysicalPlan, walk};

/// Rows of a table from which on it is worth the trouble.
const SCANNED_ROWS_MIN: f64 = 10_000.0;

/// The filters of a statement whose nodes have their numbers.
pub fn find(plan: &PhysicalPlan, ctes: &[PlannedCte]) -> Vec<RuntimeFilter> {
    let mut out = vec![];
    visit(plan, &mut out);
    ctes.iter().for_each(|c| visit(&c.plan, &mut out));
    out
}

fn visit(plan: &PhysicalPlan, out: &mut Vec<RuntimeFilter>) {
    if let PhysicalNode::HashJoin { kind, outer, inner, keys, .. } = &plan.node
        && drops_outer(*kind)
        && chooses(inner)
        && !reads_outside(inner)
    {
        for (key, (expr, _)) in keys.iter().enumerate() {
            if let Expr::Column { id, .. } = expr
                && let Some((scan, column)) = scan_of(outer, *id)
            {
                out.push(RuntimeFilter { join: plan.id, key, scan, column });
            }
        }
    }
    walk::physical_inputs(plan).into_iter().for_each(|input| visit(input, out));
}

fn drops_outer(kind: JoinKind) -> bool {
    use JoinKind::*;
    matches!(kind, Inner | Right | Semi | RightSemi | RightAnti)
}

/// Whether something in an inner side leaves rows out; all keys of a table would let all foreign keys pass.
fn chooses(plan: &PhysicalPlan) -> bool {
    if !plan.filter.is_empty() {
        return true;
    }
    match &plan.node {
        PhysicalNode::SeqScan { .. } => false,
        PhysicalNode::IndexScan { conds, .. } => !conds.is_empty(),
        PhysicalNode::HashJoin { .. } | PhysicalNode::MergeJoin { .. } | PhysicalNode::NestLoop { .. } => {
            true
        }
        PhysicalNode::Sort { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Aggregate { input, .. } => chooses(input),
        _ => true,
    }
}

/// Whether a plan reads columns that it doesn't make: its rows would change from one run to the next.
fn reads_outside(plan: &PhysicalPlan) -> bool {
    let (mut read, mut made) = (vec![], vec![]);
    crate::search::physical_columns(plan, &mut read);
    if !made_columns(plan, &mut made) {
        return true;
    }
    made.sort_unstable();
    read.iter().any(|id| made.binary_search(id).is_err())
}

/// The columns of all nodes; false if a node's rows may change by themselves.
fn made_columns(plan: &PhysicalPlan, out: &mut Vec<ColumnId>) -> bool {
    if matches!(plan.node, PhysicalNode::WorkTableScan { .. } | PhysicalNode::CteScan { .. }) {
        return false;
    }
    out.extend(walk::raw_columns(&plan.node));
    out.extend(plan.output());
    walk::physical_inputs(plan).into_iter().all(|input| made_columns(input, out))
}

/// The sequential scan that a plan's column comes from, and the column's id there.
fn scan_of(plan: &PhysicalPlan, id: ColumnId) -> Option<(usize, ColumnId)> {
    let (_, target) = plan.targets.iter().find(|(t, _)| *t == id)?;
    // A target with a raw column's id is that column.
    let raw = walk::raw_columns(&plan.node);
    let id = match target {
        _ if raw.contains(&id) => id,
        Expr::Column { id, .. } => *id,
        _ => return None,
    };
    let from = |side: &PhysicalPlan| side.output().any(|o| o == id);
    match &plan.node {
        PhysicalNode::SeqScan { relation, columns, one_row: false, .. } if !relation.is_catalog => {
            let large = plan.rows >= SCANNED_ROWS_MIN || plan.total_cost >= SCANNED_ROWS_MIN / 10.0;
            let attribute = columns
                .iter()
                .any(|(c, what)| *c == id && matches!(what, quarry_plan::ScanColumn::Attribute(_)));
            (large && attribute).then_some((plan.id, id))
        }
        PhysicalNode::HashJoin { kind, outer, inner, .. } => {
            use JoinKind::*;
            match kind {
                Inner | Left | Semi | Anti if from(outer) => scan_of(outer, id),
                Inner | RightSemi | RightAnti if from(inner) => scan_of(inner, id),
                _ => None,
            }
        }
        PhysicalNode::NestLoop { kind, outer, inner, .. }
        | PhysicalNode::MergeJoin { kind, outer, inner, .. } => match kind {
            JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti if from(outer) => {
                scan_of(outer, id)
            }
            JoinKind::Inner if from(inner) => scan_of(inner, id),
            _ => None,
        },
        PhysicalNode::Sort { input, bound: None, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::SubqueryScan { input, .. } => scan_of(input, id),
        PhysicalNode::Aggregate { input, sets: None, group, .. } => {
            let (_, by) = group.iter().find(|(g, _)| *g == id)?;
            let Expr::Column { id, .. } = by else { return None };
            scan_of(input, *id)
        }
        _ => None,
    }
}
