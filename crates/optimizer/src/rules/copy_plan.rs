//! A second copy of a FROM clause for the same statement: every column that it makes gets a new id.

use crate::exprs::has_subquery;
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, walk};
use std::collections::HashMap;

/// The copy, and where the columns that the original makes are in it. None for what can't be copied: subqueries in expressions, and
/// nodes that write or lock.
pub fn copy(plan: &LogicalPlan, meta: &mut QueryMeta) -> Option<(LogicalPlan, HashMap<ColumnId, ColumnId>)> {
    let mut made = vec![];
    if !gather(plan, &mut made) {
        return None;
    }
    let mut ids = HashMap::new();
    for id in made {
        let column = meta.get(id).clone();
        ids.entry(id).or_insert_with(|| meta.add(column));
    }
    let exprs: HashMap<ColumnId, Expr> =
        ids.iter().map(|(old, new)| (*old, Expr::column(*new, meta.get(*new).ty))).collect();
    let mut copied = plan.clone();
    rename(&mut copied, &ids, &exprs);
    Some((copied, ids))
}

/// The columns made anywhere inside. False if there is something that can't be copied.
fn gather(plan: &LogicalPlan, out: &mut Vec<ColumnId>) -> bool {
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
    );
    if !known || walk::exprs(plan).into_iter().any(has_subquery) {
        return false;
    }
    out.extend(walk::output_columns(plan));
    walk::inputs(plan).into_iter().all(|input| gather(input, out))
}

fn rename(plan: &mut LogicalPlan, ids: &HashMap<ColumnId, ColumnId>, exprs: &HashMap<ColumnId, Expr>) {
    for e in walk::exprs_mut(plan) {
        // Types stay those that the expression was bound with.
        walk::rewrite(e, &mut |e| {
            if let Expr::Column { id, .. } = e
                && let Some(Expr::Column { id: new, .. }) = exprs.get(id)
            {
                *id = *new;
            }
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
        _ => {}
    }
    walk::inputs_mut(plan).into_iter().for_each(|input| rename(input, ids, exprs));
}
