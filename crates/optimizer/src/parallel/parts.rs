//! What threads have parts of in a plan, so that each makes a part of its rows.

use super::{Parallel, is_safe_with};
use crate::cost::Pages;
use quarry_catalog::Persistence;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::LoopParts;
use quarry_plan::{BoolTest, Expr, JoinKind, PhysicalNode, PhysicalPlan, SubqueryExpr, SubqueryKind, walk};

/// Rows of which fewer aren't dealt.
const DEALT_ROWS_MIN: f64 = 16.0;
/// What is done by one thread for the others is at most one part of so many of the work.
const WORK_MIN: f64 = 4.0;

/// What several threads share of a plan.
#[derive(Default)]
pub(super) struct Parts {
    /// Pages of the largest table of whose pages each thread has some, or such that are as much work as what is done with dealt rows.
    pub pages: f64,
    /// The cost of what gets no faster with more threads.
    pub unshared: f64,
}

impl Parts {
    fn add(&mut self, other: Parts) {
        self.pages = self.pages.max(other.pages);
        self.unshared += other.unshared;
    }
}

impl Parallel<'_, '_> {
    /// What a plan's rows are made of in parts: those of a table that is read from its first page to its last, or rows that are dealt, with
    /// nothing but joins, conditions and expressions that any thread may compute.
    pub(super) fn parts(&mut self, plan: &PhysicalPlan) -> Option<Parts> {
        let is_scan = matches!(plan.node, PhysicalNode::SeqScan { .. });
        if !is_safe_node(plan, &|s| is_scan && is_one_value(s)) {
            return None;
        }
        match &plan.node {
            PhysicalNode::SeqScan { relation, .. } => {
                if relation.is_catalog || relation.persistence == Persistence::Temporary {
                    return None;
                }
                let pages = self.planner.relation_size(relation).pages;
                let asked = crate::cost::exprs(walk::physical_exprs(plan), self.settings).startup;
                let unshared = Pages::of(pages, 0.0, self.settings).disk_share(pages) + asked;
                Some(Parts { pages, unshared })
            }
            PhysicalNode::SubqueryScan { input, .. } => self.parts(input),
            PhysicalNode::NestLoop { .. } => Some(self.parts_of_loop(plan)?.1),
            PhysicalNode::HashJoin { kind, outer, inner, .. } => {
                // Inner rows without a match are nobody's.
                if !gives_outer_rows(*kind) || !can_be_repeated(inner) {
                    return None;
                }
                let mut parts = self.parts(outer)?;
                match self.parts_of_inner(plan) {
                    Some(inner) => parts.add(inner),
                    None => parts.unshared += inner.total_cost,
                }
                Some(parts)
            }
            _ => None,
        }
    }

    /// What each thread has a part of in a nested loop.
    fn parts_of_loop(&mut self, join: &PhysicalPlan) -> Option<(LoopParts, Parts)> {
        let PhysicalNode::NestLoop { kind, outer, inner, params, .. } = &join.node else { return None };
        if !gives_outer_rows(*kind) {
            return None;
        }
        let (outer_safe, inner_safe) = (can_be_repeated(outer), can_be_repeated(inner));
        if inner_safe
            && let Some(parts) = self.parts(outer)
            && self.workers(parts.pages) > 0
        {
            return Some((LoopParts::Outer, parts));
        }
        // An outer row without a match, or with one that is enough, would be given by several threads.
        if outer_safe
            && *kind == JoinKind::Inner
            && params.is_empty()
            && outer.total_cost * WORK_MIN < join.total_cost
            && let Some(mut parts) = self.parts(inner)
            && self.workers(parts.pages) > 0
        {
            parts.unshared += outer.total_cost;
            return Some((LoopParts::Inner, parts));
        }
        let dealt = inner_safe && outer_safe && outer.rows >= DEALT_ROWS_MIN;
        if !dealt || outer.total_cost * WORK_MIN > join.total_cost {
            return None;
        }
        let work = join.total_cost - outer.total_cost;
        let pages = (work / self.settings.seq_page_cost.max(0.01)).min(f64::from(u32::MAX));
        Some((LoopParts::Dealt, Parts { pages, unshared: outer.total_cost }))
    }

    /// What a hash join's inner side is made of, if several threads are to read it in parts.
    fn parts_of_inner(&mut self, join: &PhysicalPlan) -> Option<Parts> {
        let PhysicalNode::HashJoin { inner, hash_conds, .. } = &join.node else { return None };
        if !self.settings.enable_parallel_hash {
            return None;
        }
        // Rows of NOT IN aren't joined by their hashes alone.
        if hash_conds.iter().any(|e| matches!(e, Expr::IsBool { test: BoolTest::NotFalse, .. })) {
            return None;
        }
        self.parts(inner).filter(|parts| self.workers(parts.pages) > 0)
    }

    /// Has the threads make their parts of a plan's rows, which it has, and read hash joins' inner sides in parts.
    pub(super) fn mark(&mut self, plan: &mut PhysicalPlan) {
        let parted = self.parts_of_inner(plan).is_some();
        let shared = self.parts_of_loop(plan).map_or(LoopParts::Outer, |(shared, _)| shared);
        match &mut plan.node {
            PhysicalNode::SubqueryScan { input, .. } | PhysicalNode::Sort { input, .. } => self.mark(input),
            PhysicalNode::NestLoop { outer, inner, parts, .. } => {
                *parts = shared;
                match shared {
                    LoopParts::Outer => self.mark(outer),
                    LoopParts::Inner => self.mark(inner),
                    LoopParts::Dealt => {}
                }
            }
            PhysicalNode::HashJoin { outer, inner, in_parts, .. } => {
                *in_parts = parted;
                if parted {
                    self.mark(inner);
                }
                self.mark(outer);
            }
            _ => {}
        }
    }
}

/// Whether a join's rows are made of outer rows, each by itself.
fn gives_outer_rows(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
}

/// Whether any thread may compute a node's expressions, where some subqueries may be asked.
pub(super) fn is_safe_node(plan: &PhysicalPlan, may_ask: &dyn Fn(&SubqueryExpr) -> bool) -> bool {
    walk::physical_exprs(plan).into_iter().all(|e| is_safe_with(e, may_ask))
}

/// Whether a subquery is one value, found once, that the leader can tell the others.
fn is_one_value(s: &SubqueryExpr) -> bool {
    let once = matches!(&s.plan, SubqueryPlan::Physical { params, .. } if params.is_empty());
    once && matches!(s.kind, SubqueryKind::Scalar)
}

/// Whether every thread may run a plan by itself.
fn can_be_repeated(plan: &PhysicalPlan) -> bool {
    let here = matches!(
        plan.node,
        PhysicalNode::SeqScan { .. }
            | PhysicalNode::IndexScan { .. }
            | PhysicalNode::BitmapHeapScan { .. }
            | PhysicalNode::SubqueryScan { .. }
            | PhysicalNode::ValuesScan { .. }
            | PhysicalNode::HashJoin { .. }
            | PhysicalNode::NestLoop { .. }
            | PhysicalNode::MergeJoin { .. }
            | PhysicalNode::Materialize { .. }
            | PhysicalNode::Memoize { .. }
            | PhysicalNode::Sort { .. }
            | PhysicalNode::Aggregate { .. }
    );
    let relation = match &plan.node {
        PhysicalNode::SeqScan { relation, .. }
        | PhysicalNode::IndexScan { relation, .. }
        | PhysicalNode::BitmapHeapScan { relation, .. } => Some(relation),
        _ => None,
    };
    here && relation.is_none_or(|r| r.persistence != Persistence::Temporary)
        && is_safe_node(plan, &|_| false)
        && walk::physical_inputs(plan).into_iter().all(can_be_repeated)
}
