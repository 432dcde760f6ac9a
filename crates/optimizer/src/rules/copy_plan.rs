//! A second copy of a FROM clause for the same statement: every column that it makes gets a new id.

use super::domains::as_column;
use crate::exprs::has_subquery;
use crate::unique::rows_differ;
use quarry_functions::Body;
use quarry_plan::expr::{FrameMode, SubqueryPlan};
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, WindowCall, walk};
use std::collections::HashMap;

/// The copy, and where the columns that the original makes are in it. None for what can't be copied: subqueries in expressions, nodes that
/// write or lock, and windows whose calls may give rows that are equal in their order one value here and another there.
pub fn copy(plan: &LogicalPlan, meta: &mut QueryMeta) -> Option<(LogicalPlan, HashMap<ColumnId, ColumnId>)> {
    let mut made = vec![];
    gather(plan, false, &mut made).then(|| under_new_ids(plan, made, meta))
}

/// A copy that is read in place of the original, never beside it: of subqueries in expressions, and of any window, too.
pub fn copy_instead(
    plan: &LogicalPlan,
    meta: &mut QueryMeta,
) -> Option<(LogicalPlan, HashMap<ColumnId, ColumnId>)> {
    let mut made = vec![];
    gather(plan, true, &mut made).then(|| under_new_ids(plan, made, meta))
}

fn under_new_ids(
    plan: &LogicalPlan,
    made: Vec<ColumnId>,
    meta: &mut QueryMeta,
) -> (LogicalPlan, HashMap<ColumnId, ColumnId>) {
    let mut ids = HashMap::new();
    for id in made {
        let column = meta.get(id).clone();
        ids.entry(id).or_insert_with(|| meta.add(column));
    }
    let mut copied = plan.clone();
    rename(&mut copied, &ids);
    (copied, ids)
}

/// The columns made anywhere inside. False if there is something that can't be copied. `instead`: as in [`copy_instead`].
fn gather(plan: &LogicalPlan, instead: bool, out: &mut Vec<ColumnId>) -> bool {
    let known = matches!(
        plan,
        LogicalPlan::OneRow
            | LogicalPlan::Empty { .. }
            | LogicalPlan::Scan { .. }
            | LogicalPlan::Values { .. }
            | LogicalPlan::FunctionScan { .. }
            | LogicalPlan::CteScan { .. }
            | LogicalPlan::SubqueryAlias { .. }
            | LogicalPlan::Filter { .. }
            | LogicalPlan::Project { .. }
            | LogicalPlan::Join { .. }
            | LogicalPlan::Aggregate { .. }
            | LogicalPlan::Distinct { .. }
            | LogicalPlan::Sort { .. }
            | LogicalPlan::Limit { .. }
            | LogicalPlan::SetOp { .. }
            | LogicalPlan::ProjectSet { .. }
    ) || instead && matches!(plan, LogicalPlan::Window { .. })
        || is_determined(plan);
    if !known {
        return false;
    }
    for e in walk::exprs(plan).into_iter().filter(|e| has_subquery(e)) {
        let mut all = instead;
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e {
                all = all && matches!(&s.plan, SubqueryPlan::Logical(sub) if gather(sub, true, out));
            }
        });
        if !all {
            return false;
        }
    }
    out.extend(walk::output_columns(plan));
    walk::inputs(plan).into_iter().all(|input| gather(input, instead, out))
}

/// Whether it is a window in which each row's values are the same however rows come that are equal in its order.
fn is_determined(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Window { input, spec, calls } = plan else { return false };
    let keys = spec.partition_by.iter().chain(spec.order_by.iter().map(|k| &k.expr));
    let by: Vec<ColumnId> = keys.filter_map(|e| Some(as_column(e)?.0)).collect();
    let of_peers = |c: &WindowCall| {
        let def = c.function.def();
        match def.body {
            Body::Aggregate(code) => code.order_insensitive && spec.frame.mode != FrameMode::Rows,
            _ => matches!(def.name, "rank" | "dense_rank" | "percent_rank" | "cume_dist"),
        }
    };
    rows_differ(input, &by) || calls.iter().all(|(_, c)| of_peers(c))
}

fn rename(plan: &mut LogicalPlan, ids: &HashMap<ColumnId, ColumnId>) {
    for e in walk::exprs_mut(plan) {
        // Types stay those that the expression was bound with.
        walk::rewrite(e, &mut |e| match e {
            Expr::Column { id, .. } => {
                if let Some(new) = ids.get(id) {
                    *id = *new;
                }
            }
            Expr::Subquery(s) => {
                if let SubqueryPlan::Logical(sub) = &mut s.plan {
                    rename(sub, ids);
                }
                s.output.iter_mut().for_each(|id| *id = ids.get(id).copied().unwrap_or(*id));
            }
            _ => {}
        });
    }
    let new = |id: &mut ColumnId| {
        if let Some(to) = ids.get(id) {
            *id = *to;
        }
    };
    match plan {
        LogicalPlan::Empty { output } | LogicalPlan::Values { output, .. } => output.iter_mut().for_each(new),
        LogicalPlan::Scan { columns, .. } => columns.iter_mut().for_each(|(id, _)| new(id)),
        LogicalPlan::CteScan { columns, .. } => columns.iter_mut().for_each(|(own, _)| new(own)),
        LogicalPlan::FunctionScan { calls, ordinality, .. } => {
            calls.iter_mut().flat_map(|(_, own)| own).for_each(new);
            ordinality.iter_mut().for_each(new);
        }
        LogicalPlan::Project { targets, .. } => targets.iter_mut().for_each(|(id, _)| new(id)),
        LogicalPlan::Aggregate { group, aggregates, grouping, .. } => {
            group.iter_mut().for_each(|(id, _)| new(id));
            aggregates.iter_mut().for_each(|(id, _)| new(id));
            grouping.iter_mut().for_each(|(id, _)| new(id));
        }
        LogicalPlan::SetOp { output, left_columns, right_columns, .. } => {
            output.iter_mut().chain(left_columns).chain(right_columns).for_each(new)
        }
        LogicalPlan::Window { calls, .. } => calls.iter_mut().for_each(|(id, _)| new(id)),
        LogicalPlan::ProjectSet { calls, .. } => calls.iter_mut().for_each(|(id, _)| new(id)),
        _ => {}
    }
    walk::inputs_mut(plan).into_iter().for_each(|input| rename(input, ids));
}
