//! What a plan is like: whether two plans do the same and are thought to find the same.

use quarry_plan::physical::BitmapSource;
use quarry_plan::{Expr, PhysicalNode, PhysicalPlan, Statement, walk};
use std::mem::discriminant;

/// Costs that differ by less are equal: the plan for any values and the one for some are estimated by different sums.
const SAME_COST: f64 = 1e-6;

/// Whether a plan for any values is what the plan for some values is: the same nodes over the same tables and indexes, with the same
/// estimates. Then no value matters, as far as the statistics know.
pub(super) fn are_alike(any: &Statement, some: &Statement) -> bool {
    any.ctes.len() == some.ctes.len()
        && any.runtime_filters == some.runtime_filters
        && plans_are_alike(&any.plan, &some.plan)
        && any.ctes.iter().zip(&some.ctes).all(|(a, b)| plans_are_alike(&a.plan, &b.plan))
}

fn plans_are_alike(a: &PhysicalPlan, b: &PhysicalPlan) -> bool {
    let (below_a, below_b) = (walk::physical_inputs(a), walk::physical_inputs(b));
    let (subs_a, subs_b) = (subplans(a), subplans(b));
    a.rows == b.rows
        && (a.total_cost - b.total_cost).abs() <= SAME_COST * a.total_cost.abs()
        && discriminant(&a.node) == discriminant(&b.node)
        && a.filter.len() == b.filter.len()
        && access(&a.node) == access(&b.node)
        && below_a.len() == below_b.len()
        && below_a.into_iter().zip(below_b).all(|(a, b)| plans_are_alike(a, b))
        && subs_a.len() == subs_b.len()
        && subs_a.into_iter().zip(subs_b).all(|(a, b)| plans_are_alike(a, b))
}

/// The plans of a node's subqueries.
fn subplans(plan: &PhysicalPlan) -> Vec<&PhysicalPlan> {
    let mut out = vec![];
    for e in walk::physical_exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let quarry_plan::expr::SubqueryPlan::Physical { plan, .. } = &s.plan
            {
                out.push(&**plan);
            }
        });
    }
    out
}

/// The tables and indexes that a node reads, and how many conditions it looks up in them.
fn access(node: &PhysicalNode) -> Vec<(u32, usize)> {
    match node {
        PhysicalNode::SeqScan { relation, .. }
        | PhysicalNode::TidScan { relation, .. }
        | PhysicalNode::TidRangeScan { relation, .. } => vec![(relation.oid.0, 0)],
        PhysicalNode::IndexScan { index, conds, backward, index_only, .. } => {
            vec![(index.oid.0, conds.len()), (u32::from(*backward), usize::from(*index_only))]
        }
        PhysicalNode::BitmapHeapScan { relation, bitmap, .. } => {
            let mut out = vec![(relation.oid.0, 0)];
            bitmap_access(bitmap, &mut out);
            out
        }
        _ => vec![],
    }
}

fn bitmap_access(source: &BitmapSource, out: &mut Vec<(u32, usize)>) {
    match source {
        BitmapSource::Index { index, conds, .. } => out.push((index.oid.0, conds.len())),
        BitmapSource::And(parts) | BitmapSource::Or(parts) => {
            out.push((0, parts.len()));
            parts.iter().for_each(|p| bitmap_access(p, out));
        }
    }
}

/// About how many bytes a plan takes.
pub(super) fn bytes(statement: &Statement) -> usize {
    fn of(plan: &PhysicalPlan) -> usize {
        let mut expressions = plan.targets.len();
        for e in walk::physical_exprs(plan) {
            walk::visit(e, &mut |_| expressions += 1);
        }
        let own = size_of::<PhysicalPlan>() + expressions * 2 * size_of::<Expr>();
        let subplans: usize = subplans(plan).into_iter().map(of).sum();
        own + subplans + walk::physical_inputs(plan).into_iter().map(of).sum::<usize>()
    }
    let ctes: usize = statement.ctes.iter().map(|c| of(&c.plan)).sum();
    // What the fast path and the statement's tree add is about as much again.
    2 * (of(&statement.plan) + ctes) + size_of::<Statement>() + 1024
}
