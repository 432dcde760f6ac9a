//! Which aggregates are read by several threads (PostgreSQL: allpaths.c `compute_parallel_worker`, costsize.c `get_parallel_divisor`).
//!
//! An aggregate qualifies if its states can be merged without a trace of who made them, and what it reads is a scan of a whole table,
//! of the least size that the settings say, with nothing between but joins on the way of their outer rows, and nothing that has effects
//! or asks a subquery. The threads have one table of a hash join's inner side: where that is made of the scan of a large table, too, each
//! reads a part of it (PostgreSQL's Parallel Hash); else one of them reads it while the others wait, so that this part of the work isn't shared. Threads are given out when the plan
//! is chosen: they make it cheaper, never another one.

use crate::PlannerSettings;
use crate::cost::Pages;
use crate::planner::Planner;
use quarry_catalog::Persistence;
use quarry_catalog::builtin::procs::{ParallelSafety, parallel_safety};
use quarry_functions::{AggregateCall, Body};
use quarry_plan::physical::{AggregateStrategy, PlannedCte};
use quarry_plan::{AggregateExpr, BoolTest, Expr, JoinKind, PhysicalNode, PhysicalPlan, walk};
use std::sync::Arc;

/// Bytes that a group takes besides its row, at least.
const GROUP_BYTES: f64 = 64.0;

/// Gives threads to a statement's aggregates.
pub fn assign(plan: &mut PhysicalPlan, ctes: &mut [PlannedCte], planner: &mut Planner<'_>) {
    let settings = &planner.env.settings;
    if settings.workers_per_gather == 0 {
        return;
    }
    let mut parallel = Parallel { settings, planner };
    for cte in ctes {
        if let Some(plan) = Arc::get_mut(&mut cte.plan) {
            parallel.visit(plan);
        }
    }
    parallel.visit(plan);
}

struct Parallel<'a, 'p> {
    settings: &'a PlannerSettings,
    planner: &'a mut Planner<'p>,
}

impl Parallel<'_, '_> {
    /// What a plan costs less than before.
    fn visit(&mut self, plan: &mut PhysicalPlan) -> f64 {
        let own = self.aggregate(plan);
        if own > 0.0 {
            plan.startup_cost -= own;
            plan.total_cost -= own;
            return own;
        }
        // What runs again and again would call for threads each time.
        let inputs = match &mut plan.node {
            PhysicalNode::NestLoop { outer, .. } => vec![&mut **outer],
            PhysicalNode::Memoize { .. } | PhysicalNode::RecursiveUnion { .. } => vec![],
            _ => walk::physical_inputs_mut(plan),
        };
        let startup = inputs.iter().map(|i| i.total_cost).fold(0.0, f64::max);
        let saved: f64 = inputs.into_iter().map(|input| self.visit(input)).sum();
        if saved == 0.0 {
            return 0.0;
        }
        if plan.startup_cost >= startup {
            plan.startup_cost -= saved;
        }
        plan.total_cost -= saved;
        plan.startup_cost = plan.startup_cost.clamp(0.0, plan.total_cost.max(0.0));
        saved
    }

    /// Gives an aggregate its threads, if they pay: what it costs less then.
    fn aggregate(&mut self, plan: &mut PhysicalPlan) -> f64 {
        let s = self.settings;
        let (groups, startup) = (plan.rows.max(1.0), plan.startup_cost);
        let PhysicalNode::Aggregate { input, strategy, group, sets: None, aggregates, workers, .. } =
            &mut plan.node
        else {
            return 0.0;
        };
        let fits = match strategy {
            AggregateStrategy::Plain => true,
            AggregateStrategy::Hashed => {
                groups * (crate::cost::row_bytes(input.width) + GROUP_BYTES * aggregates.len() as f64)
                    < s.hash_mem() / 2.0
            }
            AggregateStrategy::Sorted => false,
        };
        let exprs = group.iter().map(|(_, e)| e);
        if !fits || !exprs.into_iter().all(is_safe) || !aggregates.iter().all(|(_, a)| can_be_shared(a)) {
            return 0.0;
        }
        let mut parts = Parts::default();
        if !self.scan(input, &mut parts) {
            return 0.0;
        }
        let count = self.workers(parts.pages);
        if count == 0 {
            return 0.0;
        }
        let divisor = count as f64 + (1.0 - 0.3 * count as f64).max(0.0);
        let reading = parts.unshared.min(startup);
        let partial = (groups * divisor).min(input.rows).max(1.0);
        let gathered = partial * (s.parallel_tuple_cost + s.cpu_operator_cost * aggregates.len() as f64);
        let less = startup - (reading + (startup - reading) / divisor + s.parallel_setup_cost + gathered);
        if less > 0.0 {
            *workers = count;
            self.mark(input);
        }
        less.max(0.0)
    }

    /// Whether a plan's rows are made of those of a table that is read from its first page to its last, with nothing but joins, conditions and
    /// expressions that any thread may compute.
    fn scan(&mut self, plan: &PhysicalPlan, parts: &mut Parts) -> bool {
        if !is_safe_node(plan) {
            return false;
        }
        match &plan.node {
            PhysicalNode::SeqScan { relation, .. } => {
                let pages = self.planner.relation_size(relation).pages;
                parts.pages = pages;
                parts.unshared += Pages::of(pages, 0.0, self.settings).disk_share(pages);
                !relation.is_catalog && relation.persistence != Persistence::Temporary
            }
            PhysicalNode::SubqueryScan { input, .. } => self.scan(input, parts),
            // Inner rows without a match are nobody's.
            PhysicalNode::NestLoop { kind, outer, inner, .. } => {
                gives_outer_rows(*kind) && can_be_repeated(inner) && self.scan(outer, parts)
            }
            PhysicalNode::HashJoin { kind, outer, inner, .. } => {
                if !gives_outer_rows(*kind) || !can_be_repeated(inner) {
                    return false;
                }
                match self.parts_of_inner(plan) {
                    Some(inner) => parts.unshared += inner.unshared,
                    None => parts.unshared += inner.total_cost,
                }
                self.scan(outer, parts)
            }
            _ => false,
        }
    }

    /// What a hash join's inner side is made of, if several threads are to read it in parts.
    fn parts_of_inner(&mut self, join: &PhysicalPlan) -> Option<Parts> {
        let PhysicalNode::HashJoin { inner, hash_conds, .. } = &join.node else { return None };
        // Rows of NOT IN aren't joined by their hashes alone.
        if hash_conds.iter().any(|e| matches!(e, Expr::IsBool { test: BoolTest::NotFalse, .. })) {
            return None;
        }
        let mut parts = Parts::default();
        (self.scan(inner, &mut parts) && self.workers(parts.pages) > 0).then_some(parts)
    }

    /// Has the threads read hash joins' inner sides in parts.
    fn mark(&mut self, plan: &mut PhysicalPlan) {
        let parted = self.parts_of_inner(plan).is_some();
        match &mut plan.node {
            PhysicalNode::SubqueryScan { input, .. } => self.mark(input),
            PhysicalNode::NestLoop { outer, .. } => self.mark(outer),
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

    /// Threads for a table of so many pages: one for one of the least size, and one more each time it is three times as large.
    fn workers(&self, pages: f64) -> usize {
        let least = self.settings.min_parallel_table_pages;
        if pages < least {
            return 0;
        }
        let mut threshold = least.max(1.0);
        let mut count = 1;
        while pages >= threshold * 3.0 {
            count += 1;
            threshold *= 3.0;
        }
        count.min(self.settings.workers_per_gather)
    }
}

/// What several threads share of a plan.
#[derive(Default)]
struct Parts {
    /// Pages of the table whose rows they share.
    pages: f64,
    /// The cost of what gets no faster with more threads.
    unshared: f64,
}

/// Whether a join's rows are made of outer rows, each by itself.
fn gives_outer_rows(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
}

/// Whether any thread may compute a node's expressions.
fn is_safe_node(plan: &PhysicalPlan) -> bool {
    let own = walk::physical_exprs(plan);
    plan.filter.iter().chain(plan.targets.iter().map(|(_, e)| e)).chain(own).all(is_safe)
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
        && is_safe_node(plan)
        && walk::physical_inputs(plan).into_iter().all(can_be_repeated)
}

/// Whether any thread may compute an expression.
fn is_safe(e: &Expr) -> bool {
    !walk::any(e, &|e| match e {
        Expr::Subquery(_) => true,
        Expr::Call { function, .. } | Expr::ScalarArray { function, .. } => {
            parallel_safety(function.def()) != ParallelSafety::Safe
        }
        _ => false,
    })
}

/// Whether an aggregate's states can be made by several threads, with the same result.
fn can_be_shared(a: &AggregateExpr) -> bool {
    let Body::Aggregate(code) = a.function.def().body else { return false };
    let plain = !a.distinct && a.order_by.is_empty() && a.direct_args.is_empty() && code.order_insensitive;
    if !plain || !a.args.iter().chain(&a.filter).all(is_safe) {
        return false;
    }
    let call = AggregateCall {
        arg_types: a.args.iter().map(Expr::ty).collect(),
        ret: a.ty,
        direct_args: vec![],
        order: vec![],
    };
    (code.make)(&call).is_ok_and(|states| states.can_merge())
}
