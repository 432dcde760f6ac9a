//! Which hash joins tell which scans of their outer side what keys they look for (`executor::join::filter`).
//!
//! A join may that drops outer rows without a match. Between it and the scan stand only nodes that pass the column on and that
//! need no row for anything but their own result: a row that the join drops in the end can as well be missing from the start. So can
//! a row of another table that an inner or semi join in between compares with the column: it would only join rows that are dropped.

use quarry_plan::physical::{PlannedCte, RuntimeFilter};
use quarry_plan::{CallForm, ColumnId, Expr, JoinKind, PhysicalNode, PhysicalPlan, ScanColumn, walk};
use quarry_types::oids;

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
        && outside_columns(inner).is_some_and(|read| read.is_empty())
    {
        for (key, (expr, sought)) in keys.iter().enumerate() {
            let Some(id) = column_of(expr).filter(|_| !is_costly(sought)) else { continue };
            let mut scans = vec![];
            scans_of(outer, id, &mut scans);
            for (scan, column) in scans {
                out.push(RuntimeFilter { join: plan.id, key, scan: scan.id, column });
            }
        }
    }
    walk::physical_inputs(plan).into_iter().for_each(|input| visit(input, out));
}

/// Whether a sequential scan is long enough for a filter.
pub fn is_worth(scan: &PhysicalPlan) -> bool {
    scan.rows >= SCANNED_ROWS_MIN || scan.total_cost >= SCANNED_ROWS_MIN / 10.0
}

/// Whether the scan's own conditions take long for each row.
fn has_costly_filter(scan: &PhysicalPlan) -> bool {
    scan.filter.iter().any(crate::exprs::has_subquery)
}

/// Whether a key is too much to be computed once more for a filter.
pub fn is_costly(key: &Expr) -> bool {
    crate::exprs::has_subquery(key)
}

/// Whether a join of this kind drops outer rows that have no match.
pub fn drops_outer(kind: JoinKind) -> bool {
    use JoinKind::*;
    matches!(kind, Inner | Right | Semi | RightSemi | RightAnti)
}

/// Whether something in an inner side leaves rows out; all keys of a table would let all foreign keys pass.
pub fn chooses(plan: &PhysicalPlan) -> bool {
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
        | PhysicalNode::Gather { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Aggregate { input, .. } => chooses(input),
        _ => true,
    }
}

/// The columns that a plan reads and doesn't make; none if its rows may change by themselves.
pub fn outside_columns(plan: &PhysicalPlan) -> Option<Vec<ColumnId>> {
    let (mut read, mut made) = (vec![], vec![]);
    if !made_columns(plan, &mut made) {
        return None;
    }
    crate::search::physical_columns(plan, &mut read);
    made.sort_unstable();
    read.retain(|id| made.binary_search(id).is_err());
    Some(read)
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

/// The column that a key is; whole numbers of all widths have the same hash.
pub fn column_of(key: &Expr) -> Option<ColumnId> {
    let whole = |e: &Expr| matches!(e.ty().oid, oids::INT2 | oids::INT4 | oids::INT8);
    match key {
        Expr::Column { id, .. } => Some(*id),
        Expr::Call { args, form: CallForm::ImplicitCast, .. } if whole(key) => match &args[..] {
            [Expr::Column { id, .. }] if whole(&args[0]) => Some(*id),
            _ => None,
        },
        _ => None,
    }
}

/// The scans that a plan's column comes from or is compared with, and the column's id there.
pub fn scans_of<'p>(plan: &'p PhysicalPlan, id: ColumnId, out: &mut Vec<(&'p PhysicalPlan, ColumnId)>) {
    let Some((_, target)) = plan.targets.iter().find(|(t, _)| *t == id) else { return };
    // A target with a raw column's id is that column.
    let raw = walk::raw_columns(&plan.node);
    let id = match target {
        _ if raw.contains(&id) => id,
        Expr::Column { id, .. } => *id,
        _ => return,
    };
    use JoinKind::*;
    let from = |side: &PhysicalPlan| side.output().any(|o| o == id);
    let mut both =
        |outer: &'p PhysicalPlan, inner: &'p PhysicalPlan, kind: JoinKind, keys: &[(Expr, Expr)]| {
            let (outer_first, one_type) = (from(outer), |o: &Expr, i: &Expr| o.ty().oid == i.ty().oid);
            match kind {
                Inner | Left | Semi | Anti if outer_first => scans_of(outer, id, out),
                Inner | RightSemi | RightAnti if from(inner) => scans_of(inner, id, out),
                _ => return,
            }
            // Others would give rows that aren't there otherwise, for which an expression might fail.
            let shrinks = matches!(kind, Inner | Semi | RightSemi);
            for (o, i) in keys.iter().filter(|(o, i)| shrinks && one_type(o, i)) {
                let (own, other, side) = if outer_first { (o, i, inner) } else { (i, o, outer) };
                if column_of(own) == Some(id)
                    && let Some(other) = column_of(other)
                {
                    scans_of(side, other, out);
                }
            }
        };
    match &plan.node {
        PhysicalNode::SeqScan { relation, columns, one_row: false, .. }
            if is_worth(plan) && !relation.is_catalog && is_attribute(columns, id) =>
        {
            out.push((plan, id));
        }
        PhysicalNode::IndexScan { relation, index, columns, .. } => {
            let large = plan.rows >= SCANNED_ROWS_MIN || has_costly_filter(plan);
            if large && index.method == "btree" && !relation.is_catalog && is_attribute(columns, id) {
                out.push((plan, id));
            }
        }
        PhysicalNode::BitmapHeapScan { relation, columns, .. }
            if plan.rows >= SCANNED_ROWS_MIN && !relation.is_catalog && is_attribute(columns, id) =>
        {
            out.push((plan, id));
        }
        PhysicalNode::HashJoin { kind, outer, inner, keys, .. }
        | PhysicalNode::MergeJoin { kind, outer, inner, keys, .. } => both(outer, inner, *kind, keys),
        PhysicalNode::NestLoop { kind, outer, inner, .. } => both(outer, inner, *kind, &[]),
        PhysicalNode::Sort { input, bound: None, .. }
        | PhysicalNode::Gather { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::SubqueryScan { input, .. } => scans_of(input, id, out),
        PhysicalNode::Aggregate { input, sets: None, group, .. } => {
            if let Some((_, Expr::Column { id, .. })) = group.iter().find(|(g, _)| *g == id) {
                scans_of(input, *id, out);
            }
        }
        _ => {}
    }
}

fn is_attribute(columns: &[(ColumnId, ScanColumn)], id: ColumnId) -> bool {
    columns.iter().any(|(c, what)| *c == id && matches!(what, ScanColumn::Attribute(_)))
}
