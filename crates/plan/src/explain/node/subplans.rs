//! The subqueries of a node's expressions.

use crate::expr::SubqueryPlan;
use crate::{ColumnId, Expr, PhysicalNode, PhysicalPlan, SubqueryKind, walk};

/// The expressions of a node that may hold subplans.
pub(super) fn exprs(plan: &PhysicalPlan) -> Vec<&Expr> {
    let own = plan.filter.iter().chain(plan.targets.iter().map(|(_, e)| e));
    own.chain(parts(&plan.node)).collect()
}

/// Those that belong to its kind.
pub(super) fn parts(node: &PhysicalNode) -> Vec<&Expr> {
    let mut out: Vec<&Expr> = vec![];
    match node {
        PhysicalNode::Result { one_time_filter, .. } => out.extend(one_time_filter),
        PhysicalNode::IndexScan { conds, .. } => out.extend(conds.iter().map(|c| &c.source)),
        PhysicalNode::BitmapHeapScan { recheck, .. } => out.extend(recheck),
        PhysicalNode::TidScan { tids, .. } => out.extend(tids),
        PhysicalNode::TidRangeScan { conds, .. } => out.extend(conds),
        PhysicalNode::ValuesScan { rows, .. } => out.extend(rows.iter().flatten()),
        PhysicalNode::FunctionScan { calls, .. } => out.extend(calls.iter().flat_map(|(c, _)| &c.args)),
        PhysicalNode::NestLoop { on, .. } => out.extend(on),
        PhysicalNode::HashJoin { hash_conds, on, .. } => out.extend(hash_conds.iter().chain(on)),
        PhysicalNode::MergeJoin { merge_conds, on, .. } => out.extend(merge_conds.iter().chain(on)),
        PhysicalNode::Aggregate { group, aggregates, .. } => {
            out.extend(group.iter().map(|(_, e)| e));
            out.extend(aggregates.iter().flat_map(|(_, a)| walk::aggregate_exprs(a)));
        }
        PhysicalNode::WindowAgg { calls, .. } => {
            out.extend(calls.iter().flat_map(|(_, c)| c.args.iter().chain(&c.filter)))
        }
        PhysicalNode::ProjectSet { calls, .. } => out.extend(calls.iter().flat_map(|(_, c)| &c.args)),
        PhysicalNode::Limit { limit, offset, .. } => out.extend(limit.iter().chain(offset)),
        PhysicalNode::Update { set, returning, .. } => {
            out.extend(set.iter().map(|(_, e)| e));
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)));
        }
        PhysicalNode::Insert { returning, .. } | PhysicalNode::Delete { returning, .. } => {
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)))
        }
        _ => {}
    }
    out
}

pub(super) type OnSubplan<'f> = &'f mut dyn FnMut(usize, &PhysicalPlan, &SubqueryKind, &[ColumnId], bool);

/// Calls `f` (number, plan, kind, parameters, hashed) for each subplan of a node's expressions, once.
pub(super) fn for_each_subplan(plan: &PhysicalPlan, f: OnSubplan<'_>) {
    let mut seen: Vec<usize> = vec![];
    for e in exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, params, hashed, number } = &s.plan
                && !seen.contains(number)
            {
                seen.push(*number);
                f(*number, plan, &s.kind, params, *hashed);
            }
        });
    }
}

/// Whether a node's subquery is run once where the node is run: it reads none of the node's rows, and a Result without input has none.
pub(super) fn is_init(plan: &PhysicalPlan, kind: &SubqueryKind, params: &[ColumnId]) -> bool {
    let rowless = matches!(plan.node, PhysicalNode::Result { input: None, .. });
    (params.is_empty() || rowless) && !matches!(kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. })
}
