//! Rows that threads make, or sort, and pass up (PostgreSQL: costsize.c `cost_gather`, `cost_gather_merge`).

use super::parts::{Parts, is_safe_node};
use super::{PASSED, Parallel};
use crate::exprs::is_volatile;
use quarry_plan::physical::parallel_divisor;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, SortKey, walk};

/// What threads would do.
struct Job {
    workers: usize,
    /// What they take with sorting, until the first row is passed on, and what passing on takes.
    work: f64,
    passing: f64,
}

impl Parallel<'_, '_> {
    /// Has threads make a plan's rows, if that pays: what it costs less then. `whole`: all its rows are read.
    pub(super) fn gather(&mut self, plan: &mut PhysicalPlan, whole: bool) -> f64 {
        if plan.total_cost <= self.settings.parallel_setup_cost {
            return 0.0;
        }
        let job = match &plan.node {
            PhysicalNode::Sort { .. } => self.sorting(plan),
            _ if whole => self.scanning(plan),
            _ => None,
        };
        let Some(job) = job else { return 0.0 };
        let setup = self.settings.parallel_setup_cost;
        let less = plan.total_cost - (setup + job.work + job.passing);
        if less <= 0.0 {
            return 0.0;
        }
        let is_sort = matches!(plan.node, PhysicalNode::Sort { .. });
        let total = setup + job.work + job.passing;
        let startup = if is_sort { setup + job.work } else { (setup + plan.startup_cost).min(total) };
        self.mark(plan);
        wrap(plan, job.workers, (startup, total));
        less
    }

    /// A plan of which each thread makes a part of the rows. Their order is nobody's: it begins with a scan from a table's first page on.
    fn scanning(&mut self, plan: &PhysicalPlan) -> Option<Job> {
        if !is_in_no_order(plan) || passes_all_on(plan) {
            return None;
        }
        let parts = self.parts(plan)?;
        let workers = self.workers(parts.pages);
        let work = shared_work(&parts, plan.total_cost, workers)?;
        // The full price, as PostgreSQL has it: rows that nobody orders come as they stand in the table, unless few of them are passed on.
        let passing = plan.rows * self.settings.parallel_tuple_cost;
        Some(Job { workers, work, passing })
    }

    /// A sort of such rows: each thread sorts its part.
    fn sorting(&mut self, plan: &PhysicalPlan) -> Option<Job> {
        let PhysicalNode::Sort { input, keys, bound, presorted: 0 } = &plan.node else { return None };
        // Keys are computed again to merge by.
        if !self.settings.enable_gathermerge
            || !is_safe_node(plan, &|_| false)
            || keys.iter().any(|k| is_volatile(&k.expr))
        {
            return None;
        }
        let parts = self.parts(input)?;
        let workers = self.workers(parts.pages);
        let work = shared_work(&parts, plan.total_cost, workers)?;
        let s = self.settings;
        let rows = match bound {
            Some(n) => (*n as f64 * (workers + 1) as f64).min(plan.rows),
            None => plan.rows,
        };
        let compared = 2.0 * s.cpu_operator_cost * ((workers + 1) as f64).log2() + s.cpu_operator_cost;
        Some(Job { workers, work, passing: rows * (compared + PASSED * s.parallel_tuple_cost) })
    }
}

/// What each of the threads takes; none without any.
fn shared_work(parts: &Parts, cost: f64, workers: usize) -> Option<f64> {
    let unshared = parts.unshared.min(cost);
    (workers > 0).then(|| unshared + (cost - unshared) / parallel_divisor(workers))
}

/// Whether nothing above can count on the order of a plan's rows.
fn is_in_no_order(plan: &PhysicalPlan) -> bool {
    match &plan.node {
        PhysicalNode::SeqScan { .. } => true,
        PhysicalNode::SubqueryScan { input, .. } => is_in_no_order(input),
        PhysicalNode::NestLoop { outer, .. } | PhysicalNode::HashJoin { outer, .. } => is_in_no_order(outer),
        _ => false,
    }
}

/// Whether a plan gives a table's rows, all of them. COPY of a table has such a plan, and gives them as they stand there.
fn passes_all_on(plan: &PhysicalPlan) -> bool {
    plan.filter.is_empty()
        && match &plan.node {
            PhysicalNode::SeqScan { .. } => true,
            PhysicalNode::SubqueryScan { input, .. } => passes_all_on(input),
            _ => false,
        }
}

/// Puts the node above that gathers the plan's rows.
fn wrap(plan: &mut PhysicalPlan, workers: usize, costs: (f64, f64)) {
    let given = |(id, e): &(ColumnId, Expr)| (*id, Expr::column(*id, e.ty()));
    let targets = plan.targets.iter().map(given).collect();
    let keys: Vec<SortKey> = match &plan.node {
        PhysicalNode::Sort { keys, .. } => keys.clone(),
        _ => vec![],
    };
    // What it merges by must be passed on.
    let mut read = vec![];
    for key in &keys {
        walk::visit(&key.expr, &mut |e| {
            if let Expr::Column { id, .. } = e {
                read.push((*id, e.ty()));
            }
        });
    }
    for (id, ty) in read {
        if !plan.output().any(|o| o == id) {
            plan.targets.push((id, Expr::column(id, ty)));
        }
    }
    let (rows, width) = (plan.rows, plan.width);
    let input = Box::new(std::mem::replace(plan, PhysicalPlan::stand_in()));
    *plan = PhysicalPlan {
        node: PhysicalNode::Gather { input, workers, keys },
        filter: vec![],
        targets,
        rows,
        width,
        startup_cost: costs.0,
        total_cost: costs.1,
        id: 0,
    };
}
