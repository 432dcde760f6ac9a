//! Which parts of a plan several threads work for (PostgreSQL: allpaths.c `compute_parallel_worker`, costsize.c `get_parallel_divisor`).
//!
//! Where an aggregate's input, a sort's or just many rows are made in parts, the threads aggregate, sort or pass them up ([`gather`]). An aggregate qualifies if its states can be merged without a trace of who made them, and its input's rows can be made in parts
//! ([`parts`]): each thread has some pages of a table of the least size that the settings say, or some outer rows of a nested loop with which
//! as much is done, with nothing between but joins, and nothing that has effects or asks a subquery (scans may ask such that are run once: the leader does, before the others begin). The threads have one table of a hash join's inner side: where that is made of the scan of a large table, too, each
//! reads a part of it (PostgreSQL's Parallel Hash); else one of them reads it while the others wait, so that this part of the work isn't shared. Threads are given out when the plan
//! is chosen, and make it cheaper. It stays what it is but for the way of grouping: groups of sorted rows become groups by hash that are sorted
//! then, where the rows were sorted only for them.

mod gather;
mod parts;
mod sorted;

use crate::PlannerSettings;
use crate::planner::Planner;
use quarry_catalog::builtin::procs::{ParallelSafety, parallel_safety};
use quarry_functions::{AggregateCall, Body};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::{AggregateStrategy, PlannedCte, parallel_divisor};
use quarry_plan::{AggregateExpr, Expr, PhysicalNode, PhysicalPlan, SubqueryExpr, SubqueryKind, walk};
use std::sync::Arc;

/// What passing a row on takes, as a share of `parallel_tuple_cost`: threads of one process pass on whole batches, where PostgreSQL's
/// processes copy each row twice.
const PASSED: f64 = 0.1;
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
            parallel.visit(plan, true);
        }
    }
    parallel.visit(plan, true);
}

struct Parallel<'a, 'p> {
    settings: &'a PlannerSettings,
    planner: &'a mut Planner<'p>,
}

impl Parallel<'_, '_> {
    /// Gives threads to a plan, of which all rows are read if it's `whole`: what it costs less than before.
    fn visit(&mut self, plan: &mut PhysicalPlan, whole: bool) -> f64 {
        let asked = self.subqueries(plan);
        plan.startup_cost = (plan.startup_cost - asked).max(0.0);
        plan.total_cost = (plan.total_cost - asked).max(0.0);
        let own = self.aggregate(plan);
        if own > 0.0 {
            // The threads' scans may ask some, too.
            let below = walk::physical_inputs_mut(plan).into_iter().map(|input| self.asked_below(input));
            let own = own + below.sum::<f64>();
            plan.startup_cost = (plan.startup_cost - own).max(0.0);
            plan.total_cost = (plan.total_cost - own).max(0.0);
            return own + asked;
        }
        let own = self.gather(plan, whole);
        if own > 0.0 {
            let below: f64 = walk::physical_inputs_mut(plan).into_iter().map(|i| self.asked_below(i)).sum();
            plan.startup_cost = (plan.startup_cost - below).max(0.0);
            plan.total_cost = (plan.total_cost - below).max(0.0);
            return own + asked + below;
        }
        // What runs again and again would call for threads each time.
        let sorted = AggregateStrategy::Sorted;
        let inputs: Vec<(&mut PhysicalPlan, bool)> = match &mut plan.node {
            PhysicalNode::NestLoop { outer, .. } => vec![(outer, whole)],
            PhysicalNode::Memoize { .. } | PhysicalNode::RecursiveUnion { .. } => vec![],
            // Rows are locked where they lie, those of one table after those of the other.
            PhysicalNode::LockRows { .. } => vec![],
            PhysicalNode::HashJoin { outer, inner, .. } => vec![(outer, whole), (inner, true)],
            PhysicalNode::Sort { input, presorted: 0, .. } => vec![(input, true)],
            PhysicalNode::Aggregate { input, strategy, .. } => vec![(input, whole || *strategy != sorted)],
            PhysicalNode::Limit { input, .. } => vec![(input, false)],
            _ => walk::physical_inputs_mut(plan).into_iter().map(|input| (input, whole)).collect(),
        };
        let startup = inputs.iter().map(|(i, _)| i.total_cost).fold(0.0, f64::max);
        let saved: f64 = inputs.into_iter().map(|(input, whole)| self.visit(input, whole)).sum();
        if saved == 0.0 {
            return asked;
        }
        if plan.startup_cost >= startup {
            plan.startup_cost -= saved;
        }
        plan.total_cost -= saved;
        plan.startup_cost = plan.startup_cost.clamp(0.0, plan.total_cost.max(0.0));
        saved + asked
    }

    /// Gives threads to the subqueries that a plan which has threads asks.
    fn asked_below(&mut self, plan: &mut PhysicalPlan) -> f64 {
        let own = self.subqueries(plan);
        own + walk::physical_inputs_mut(plan).into_iter().map(|input| self.asked_below(input)).sum::<f64>()
    }

    /// Gives threads to the subqueries of a node's expressions that are run once: what these cost less then.
    fn subqueries(&mut self, plan: &mut PhysicalPlan) -> f64 {
        let mut saved = 0.0;
        for e in walk::physical_exprs_mut(plan).into_iter().filter(|e| crate::exprs::has_subquery(e)) {
            walk::rewrite(e, &mut |e| {
                let Expr::Subquery(s) = e else { return };
                let whole = s.kind != SubqueryKind::Exists;
                let SubqueryPlan::Physical { plan, params, .. } = &mut s.plan else { return };
                if !params.is_empty() {
                    return;
                }
                // Copies of an expression share the plan.
                saved += match Arc::get_mut(plan) {
                    Some(plan) => self.visit(plan, whole),
                    None => {
                        let mut own = (**plan).clone();
                        let less = self.visit(&mut own, whole);
                        if less > 0.0 {
                            *plan = Arc::new(own);
                        }
                        less
                    }
                };
            });
        }
        saved
    }

    /// Gives an aggregate its threads, if they pay: what it costs less then.
    fn aggregate(&mut self, plan: &mut PhysicalPlan) -> f64 {
        let Some(job) = self.job(plan) else { return 0.0 };
        let s = self.settings;
        let divisor = parallel_divisor(job.workers);
        let groups = plan.rows.max(1.0);
        let PhysicalNode::Aggregate { input, aggregates, workers, .. } = &mut plan.node else { return 0.0 };
        let partial = (groups * divisor).min(input.rows).max(1.0);
        let mut gathered = partial * (s.parallel_tuple_cost + s.cpu_operator_cost * aggregates.len() as f64);
        // Of DISTINCT calls, perhaps all values of the other threads.
        let distinct = aggregates.iter().filter(|(_, a)| a.distinct).count() as f64;
        gathered += distinct * input.rows * (1.0 - 1.0 / divisor) * PASSED * s.parallel_tuple_cost;
        // Groups are sorted instead of rows.
        let sorting = job.sorting * (groups / input.rows.max(1.0)).min(1.0);
        let shared = job.cost - job.unshared;
        let cost = job.unshared + shared / divisor + s.parallel_setup_cost + gathered;
        let less = job.cost + job.sorting - (cost + sorting);
        if less <= 0.0 {
            return 0.0;
        }
        *workers = job.workers;
        if job.is_sorted {
            sorted::sort_groups(plan, cost);
        }
        let aggregate = match &mut plan.node {
            PhysicalNode::Sort { input, .. } => input,
            _ => plan,
        };
        if let PhysicalNode::Aggregate { input, .. } = &mut aggregate.node {
            self.mark(input);
        }
        less
    }

    /// What threads would do for an aggregate, if there is anything for them to do.
    fn job(&mut self, plan: &PhysicalPlan) -> Option<Job> {
        let PhysicalNode::Aggregate { input, strategy, group, sets: None, aggregates, .. } = &plan.node
        else {
            return None;
        };
        let mut job =
            Job { workers: 0, cost: plan.startup_cost, unshared: 0.0, sorting: 0.0, is_sorted: false };
        let mut rows = &**input;
        let by_hash = || {
            let bytes = crate::cost::row_bytes(input.width) + GROUP_BYTES * aggregates.len() as f64;
            plan.rows.max(1.0) * bytes < self.settings.hash_mem() / 2.0
        };
        let fits = match strategy {
            AggregateStrategy::Plain => true,
            AggregateStrategy::Hashed => by_hash(),
            AggregateStrategy::Sorted if !self.settings.enable_hashagg => false,
            AggregateStrategy::Sorted => {
                rows = sorted::sorted_for(input, group)?;
                job.sorting = input.total_cost - rows.total_cost;
                job.cost = plan.total_cost - job.sorting;
                job.is_sorted = true;
                by_hash()
            }
        };
        let exprs = group.iter().map(|(_, e)| e);
        if !fits || !exprs.into_iter().all(is_safe) || !aggregates.iter().all(|(_, a)| self.can_be_shared(a))
        {
            return None;
        }
        let parts = self.parts(rows)?;
        job.workers = self.workers(parts.pages);
        job.unshared = parts.unshared.min(job.cost);
        (job.workers > 0).then_some(job)
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

    /// Whether an aggregate's states can be made by several threads, with the same result.
    fn can_be_shared(&self, a: &AggregateExpr) -> bool {
        let Body::Aggregate(code) = a.function.def().body else { return false };
        // The values of DISTINCT are known by their hashes, or else by sorting them.
        if a.distinct && !a.args.iter().all(|e| self.planner.hashable_type(e)) {
            return false;
        }
        let plain = a.order_by.is_empty() && a.direct_args.is_empty() && code.order_insensitive;
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
}

/// What threads would do for an aggregate.
struct Job {
    workers: usize,
    /// What one thread takes until there are groups, but for sorting.
    cost: f64,
    /// Of that, what gets no faster with more threads.
    unshared: f64,
    /// What sorting the rows takes.
    sorting: f64,
    /// Groups are made of sorted rows.
    is_sorted: bool,
}

/// Whether any thread may compute an expression.
fn is_safe(e: &Expr) -> bool {
    is_safe_with(e, &|_| false)
}

/// The same, where some subqueries may be asked.
fn is_safe_with(e: &Expr, may_ask: &dyn Fn(&SubqueryExpr) -> bool) -> bool {
    !walk::any(e, &|e| match e {
        Expr::Subquery(s) => !may_ask(s),
        Expr::Call { function, .. } | Expr::ScalarArray { function, .. } => {
            parallel_safety(function.def()) != ParallelSafety::Safe
        }
        _ => false,
    })
}
