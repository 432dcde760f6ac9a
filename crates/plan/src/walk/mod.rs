//! Walking and rebuilding expressions and plans: the one place that knows every node's children (in `children`).

mod children;

use crate::expr::SubqueryPlan;
use crate::{AggregateExpr, ColumnId, Expr, LogicalPlan, PhysicalNode};

pub use children::{
    exprs, exprs_mut, for_each_child, for_each_child_mut, inputs, inputs_mut, physical_exprs,
    physical_exprs_mut, physical_inputs, physical_inputs_mut,
};

/// Calls `f` on `e` and everything below it, parents first (not inside subqueries' plans).
pub fn visit<'a>(e: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(e);
    for_each_child(e, &mut |child| visit(child, f));
}

/// Calls `f` on `e` and everything below it, children first, to change them.
pub fn rewrite(e: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    for_each_child_mut(e, &mut |child| rewrite(child, f));
    f(e);
}

/// Whether `test` holds for `e` or anything below it.
pub fn any(e: &Expr, test: &dyn Fn(&Expr) -> bool) -> bool {
    if test(e) {
        return true;
    }
    match e {
        Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. } => false,
        Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) => args.iter().any(|e| any(e, test)),
        e => {
            let mut found = false;
            for_each_child(e, &mut |child| found = found || any(child, test));
            found
        }
    }
}

/// The columns `e` reads: its own and, for subqueries, the outer columns their plans mention.
pub fn columns_of(e: &Expr, out: &mut Vec<ColumnId>) {
    let before = out.len();
    let mut push = |id| {
        out.push(id);
        false
    };
    if any_column(e, &mut push) != Found::Subquery {
        return;
    }
    out.truncate(before);
    visit(e, &mut |e| match e {
        Expr::Column { id, .. } => out.push(*id),
        Expr::Subquery(s) => match &s.plan {
            SubqueryPlan::Logical(plan) => out.extend(free_columns(plan)),
            SubqueryPlan::Physical { params, .. } => out.extend(params),
        },
        _ => {}
    });
    // A quantified subquery's tests name the subquery's own columns too.
    visit(e, &mut |e| {
        if let Expr::Subquery(s) = e {
            out.retain(|id| !s.output.contains(id));
        }
    });
}

/// Whether a test holds for any of the columns that `e` reads (see [`columns_of`]).
pub fn reads_any(e: &Expr, test: &mut dyn FnMut(ColumnId) -> bool) -> bool {
    match any_column(e, test) {
        Found::None => false,
        Found::Column => true,
        Found::Subquery => {
            let mut all = vec![];
            columns_of(e, &mut all);
            all.into_iter().any(test)
        }
    }
}

/// What a search through columns came upon.
#[derive(PartialEq, Eq)]
enum Found {
    None,
    Column,
    /// A subquery, which reads more than what can be seen here.
    Subquery,
}

/// Goes through the columns of an expression until the test holds for one, or there is a subquery.
fn any_column(e: &Expr, test: &mut dyn FnMut(ColumnId) -> bool) -> Found {
    match e {
        Expr::Column { id, .. } if test(*id) => Found::Column,
        Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. } => Found::None,
        Expr::Call { args, .. } | Expr::And(args) | Expr::Or(args) => {
            for e in args {
                match any_column(e, test) {
                    Found::None => {}
                    found => return found,
                }
            }
            Found::None
        }
        Expr::Subquery(_) => Found::Subquery,
        e => {
            let mut found = Found::None;
            for_each_child(e, &mut |child| {
                if found == Found::None {
                    found = any_column(child, test);
                }
            });
            found
        }
    }
}

/// An aggregate's expressions.
pub fn aggregate_exprs(a: &AggregateExpr) -> impl Iterator<Item = &Expr> {
    a.args.iter().chain(&a.direct_args).chain(a.order_by.iter().map(|k| &k.expr)).chain(&a.filter)
}

/// The output columns of a logical node, in order.
pub fn output_columns(plan: &LogicalPlan) -> Vec<ColumnId> {
    let mut out = vec![];
    push_output(plan, &mut out);
    out
}

fn push_output(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    match plan {
        LogicalPlan::With { body, .. } => push_output(body, out),
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Barrier { input }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::LockRows { input, .. }
        | LogicalPlan::Window { input, .. }
        | LogicalPlan::ProjectSet { input, .. } => push_output(input, out),
        LogicalPlan::Join { kind, left, right, .. } => {
            push_output(left, out);
            if !matches!(kind, crate::JoinKind::Semi | crate::JoinKind::Anti) {
                push_output(right, out);
            }
        }
        _ => {}
    }
    push_own(plan, out);
}

/// The output columns that a node doesn't pass on from its inputs.
fn push_own(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    match plan {
        LogicalPlan::OneRow
        | LogicalPlan::With { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::Barrier { .. }
        | LogicalPlan::Filter { .. }
        | LogicalPlan::Distinct { .. }
        | LogicalPlan::Sort { .. }
        | LogicalPlan::Limit { .. }
        | LogicalPlan::LockRows { .. }
        | LogicalPlan::Join { .. } => {}
        LogicalPlan::Empty { output }
        | LogicalPlan::Values { output, .. }
        | LogicalPlan::SetOp { output, .. } => out.extend(output),
        LogicalPlan::Scan { columns, .. } => out.extend(columns.iter().map(|(id, _)| *id)),
        LogicalPlan::FunctionScan { calls, ordinality, .. } => {
            out.extend(calls.iter().flat_map(|(_, ids)| ids.iter().copied()).chain(*ordinality))
        }
        LogicalPlan::CteScan { columns, .. } => out.extend(columns.iter().map(|(id, _)| *id)),
        LogicalPlan::Project { targets, .. } => out.extend(targets.iter().map(|(id, _)| *id)),
        LogicalPlan::Aggregate { group, aggregates, grouping, .. } => {
            out.extend(group.iter().map(|(id, _)| *id));
            out.extend(aggregates.iter().map(|(id, _)| *id));
            out.extend(grouping.iter().map(|(id, _)| *id));
        }
        LogicalPlan::Window { calls, .. } => out.extend(calls.iter().map(|(id, _)| *id)),
        LogicalPlan::ProjectSet { calls, .. } => out.extend(calls.iter().map(|(id, _)| *id)),
        LogicalPlan::Insert { returning, .. }
        | LogicalPlan::Update { returning, .. }
        | LogicalPlan::Delete { returning, .. } => {
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(id, _)| *id)))
        }
    }
}

/// Columns made anywhere inside a logical plan.
fn made_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    push_own(plan, out);
    match plan {
        LogicalPlan::With { ctes, .. } => out.extend(ctes.iter().flat_map(|c| c.output.iter().copied())),
        LogicalPlan::Insert { target, on_conflict, returning, .. } => {
            out.extend(target.row.iter().map(|(id, _)| *id));
            if let Some(crate::OnConflict {
                action: crate::OnConflictAction::Update { existing, .. }, ..
            }) = on_conflict
            {
                out.extend(existing.iter().map(|(id, _)| *id));
            }
            out.extend(returning.iter().flat_map(|r| r.row.iter().map(|(id, _)| *id)));
        }
        LogicalPlan::Update { target, returning, .. } | LogicalPlan::Delete { target, returning, .. } => {
            out.extend(target.row.iter().map(|(id, _)| *id));
            out.extend(returning.iter().flat_map(|r| r.row.iter().map(|(id, _)| *id)));
        }
        _ => {}
    }
    for input in inputs(plan) {
        made_columns(input, out);
    }
}

fn used_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    for e in exprs(plan) {
        columns_of(e, out);
    }
    for input in inputs(plan) {
        used_columns(input, out);
    }
}

/// The columns a logical plan reads but does not make: its correlation with enclosing rows. Sorted, without repeats.
pub fn free_columns(plan: &LogicalPlan) -> Vec<ColumnId> {
    let (mut made, mut used) = (vec![], vec![]);
    made_columns(plan, &mut made);
    used_columns(plan, &mut used);
    made.sort_unstable();
    used.sort_unstable();
    used.dedup();
    used.retain(|id| made.binary_search(id).is_err());
    used
}

/// The columns of a physical node's raw rows, before filter and targets.
pub fn raw_columns(node: &PhysicalNode) -> Vec<ColumnId> {
    use crate::JoinKind::{Anti, RightAnti, RightSemi, Semi};
    match node {
        PhysicalNode::Result { input, .. } => {
            input.iter().flat_map(|p| p.output().collect::<Vec<_>>()).collect()
        }
        PhysicalNode::SeqScan { columns, .. }
        | PhysicalNode::IndexScan { columns, .. }
        | PhysicalNode::BitmapHeapScan { columns, .. }
        | PhysicalNode::TidScan { columns, .. }
        | PhysicalNode::TidRangeScan { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        PhysicalNode::ValuesScan { columns, .. } => columns.clone(),
        PhysicalNode::FunctionScan { calls, ordinality, .. } => {
            calls.iter().flat_map(|(_, ids)| ids.iter().copied()).chain(*ordinality).collect()
        }
        PhysicalNode::CteScan { columns, .. } | PhysicalNode::WorkTableScan { columns, .. } => {
            columns.iter().map(|(id, _)| *id).collect()
        }
        PhysicalNode::NestLoop { kind, outer, inner, .. }
        | PhysicalNode::HashJoin { kind, outer, inner, .. }
        | PhysicalNode::MergeJoin { kind, outer, inner, .. } => {
            let mut out: Vec<ColumnId> = vec![];
            if !matches!(kind, RightSemi | RightAnti) {
                out.extend(outer.output());
            }
            if !matches!(kind, Semi | Anti) {
                out.extend(inner.output());
            }
            out
        }
        PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::Memoize { input, .. }
        | PhysicalNode::Sort { input, .. }
        | PhysicalNode::Gather { input, .. }
        | PhysicalNode::Unique { input, .. }
        | PhysicalNode::Limit { input, .. }
        | PhysicalNode::LockRows { input, .. } => input.output().collect(),
        PhysicalNode::Aggregate { group, aggregates, grouping, .. } => group
            .iter()
            .map(|(id, _)| *id)
            .chain(aggregates.iter().map(|(id, _)| *id))
            .chain(grouping.iter().map(|(id, _)| *id))
            .collect(),
        PhysicalNode::WindowAgg { input, calls, .. } => {
            input.output().chain(calls.iter().map(|(id, _)| *id)).collect()
        }
        PhysicalNode::ProjectSet { input, calls } => {
            input.output().chain(calls.iter().map(|(id, _)| *id)).collect()
        }
        PhysicalNode::SetOp { output, .. }
        | PhysicalNode::Append { output, .. }
        | PhysicalNode::MergeAppend { output, .. }
        | PhysicalNode::RecursiveUnion { output, .. } => output.clone(),
        PhysicalNode::Insert { returning, .. }
        | PhysicalNode::Update { returning, .. }
        | PhysicalNode::Delete { returning, .. } => {
            returning.iter().flat_map(|r| r.targets.iter().map(|(id, _)| *id)).collect()
        }
    }
}
