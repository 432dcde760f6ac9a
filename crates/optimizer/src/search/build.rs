//! From the chosen path to its physical plan.

use super::{Method, Path, Search, Step};
use crate::planner::Planner;
use quarry_plan::physical::LoopParts;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, walk};

impl Search<'_, '_> {
    /// The plan of a path.
    pub(super) fn build(&self, path: &Path) -> PhysicalPlan {
        let make = |node| self.p.make(node, path.rows, path.startup, path.total);
        match &path.step {
            Step::Leaf(plan) => (**plan).clone(),
            Step::Sort(input, order) => make(PhysicalNode::Sort {
                input: Box::new(self.build(input)),
                keys: order.keys.clone(),
                bound: None,
                presorted: 0,
            }),
            Step::Materialize(input) => {
                make(PhysicalNode::Materialize { input: Box::new(self.build(input)) })
            }
            Step::Unique(input, group) => make(PhysicalNode::Aggregate {
                input: Box::new(self.build(input)),
                strategy: quarry_plan::physical::AggregateStrategy::Hashed,
                group: group.clone(),
                determined: vec![],
                sets: None,
                aggregates: vec![],
                grouping: vec![],
                workers: 0,
            }),
            Step::Memoize(input, keys, _) => {
                let input = self.build(input);
                self.p.make(
                    PhysicalNode::Memoize { input: Box::new(input), keys: keys.to_vec() },
                    path.rows,
                    path.startup,
                    path.total,
                )
            }
            Step::Join { method, kind, outer, inner, on, keys, post, inner_unique, sieve } => {
                let inner_unique = *inner_unique;
                let (mut o, i) = (Box::new(self.build(outer)), Box::new(self.build(inner)));
                if sieve.saved > 0.0 {
                    super::sieve::discount(&mut o, sieve.saved);
                }
                let conds: Vec<Expr> = keys.iter().map(|k| k.condition.clone()).collect();
                let pairs: Vec<(Expr, Expr)> =
                    keys.iter().map(|k| (k.outer.clone(), k.inner.clone())).collect();
                let node = match method {
                    Method::Loop => {
                        let outputs: Vec<ColumnId> = o.output().collect();
                        let mut params = vec![];
                        physical_columns(&i, &mut params);
                        self.p.cte_columns(&i, &mut params);
                        params.sort_unstable();
                        params.dedup();
                        params.retain(|id| outputs.contains(id));
                        PhysicalNode::NestLoop {
                            kind: *kind,
                            outer: o,
                            inner: i,
                            on: self.in_order(on),
                            params,
                            inner_unique,
                            parts: LoopParts::default(),
                        }
                    }
                    Method::Hash => PhysicalNode::HashJoin {
                        kind: *kind,
                        outer: o,
                        inner: i,
                        keys: pairs,
                        hash_conds: conds,
                        on: self.in_order(on),
                        inner_unique,
                        in_parts: false,
                    },
                    Method::Merge => {
                        let order = vec![(false, false); pairs.len()];
                        PhysicalNode::MergeJoin {
                            kind: *kind,
                            outer: o,
                            inner: i,
                            keys: pairs,
                            order,
                            merge_conds: conds,
                            on: self.in_order(on),
                            inner_unique,
                        }
                    }
                };
                let mut plan = make(node);
                plan.filter = self.in_order(post);
                plan
            }
        }
    }

    /// Conditions in the order in which they are tested: subqueries are run for what others leave.
    fn in_order(&self, conditions: &[Expr]) -> Vec<Expr> {
        match conditions.iter().any(crate::exprs::has_subquery) {
            true => crate::scan::order_quals(conditions.to_vec(), &self.p.env.settings),
            false => conditions.to_vec(),
        }
    }
}

/// The columns that a path's expressions read, those of the common table expressions that it scans, too; `steady` becomes false if it may
/// give other rows each time it runs.
pub(super) fn path_columns(p: &Planner<'_>, path: &Path, out: &mut Vec<ColumnId>, steady: &mut bool) {
    let mut add = |e: &Expr| {
        walk::columns_of(e, out);
        *steady &= !crate::exprs::is_volatile(e);
    };
    match &path.step {
        Step::Leaf(plan) => {
            physical_columns(plan, out);
            *steady &= !has_volatile(plan);
            p.for_each_cte(plan, &mut |cte| {
                physical_columns(cte, out);
                *steady &= !has_volatile(cte);
            });
        }
        Step::Sort(input, _)
        | Step::Materialize(input)
        | Step::Memoize(input, ..)
        | Step::Unique(input, _) => path_columns(p, input, out, steady),
        Step::Join { outer, inner, on, keys, post, .. } => {
            on.iter().chain(post.iter()).for_each(&mut add);
            keys.iter().for_each(|k| add(&k.condition));
            path_columns(p, outer, out, steady);
            path_columns(p, inner, out, steady);
        }
    }
}

fn has_volatile(plan: &PhysicalPlan) -> bool {
    walk::physical_exprs(plan).into_iter().any(crate::exprs::is_volatile)
        || walk::physical_inputs(plan).into_iter().any(has_volatile)
}

impl Planner<'_> {
    /// The columns that the common table expressions scanned by a plan read.
    pub fn cte_columns(&self, plan: &PhysicalPlan, out: &mut Vec<ColumnId>) {
        self.for_each_cte(plan, &mut |cte| physical_columns(cte, out));
    }

    /// Calls `f` with the plans of the common table expressions that a plan scans, and of those that these scan.
    fn for_each_cte(&self, plan: &PhysicalPlan, f: &mut impl FnMut(&PhysicalPlan)) {
        if self.ctes.is_empty() {
            return;
        }
        let (mut seen, mut scanned) = (vec![], vec![]);
        scanned_ctes(plan, &mut scanned);
        while let Some(id) = scanned.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            if let Some(cte) = self.ctes.iter().find(|c| c.id == id) {
                f(&cte.plan);
                scanned_ctes(&cte.plan, &mut scanned);
            }
        }
    }
}

fn scanned_ctes(plan: &PhysicalPlan, out: &mut Vec<quarry_plan::CteId>) {
    if let PhysicalNode::CteScan { cte, .. } = &plan.node {
        out.push(*cte);
    }
    for e in walk::physical_exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let quarry_plan::expr::SubqueryPlan::Physical { plan, .. } = &s.plan
            {
                scanned_ctes(plan, out);
            }
        });
    }
    for input in walk::physical_inputs(plan) {
        scanned_ctes(input, out);
    }
}

/// All columns that a physical plan's expressions read.
pub fn physical_columns(plan: &PhysicalPlan, out: &mut Vec<ColumnId>) {
    for e in walk::physical_exprs(plan) {
        walk::columns_of(e, out);
    }
    if let PhysicalNode::BitmapHeapScan { bitmap, .. } = &plan.node {
        bitmap_columns(bitmap, out);
    }
    for input in walk::physical_inputs(plan) {
        physical_columns(input, out);
    }
}
fn bitmap_columns(b: &quarry_plan::physical::BitmapSource, out: &mut Vec<ColumnId>) {
    use quarry_plan::physical::BitmapSource::*;
    match b {
        Index { conds, .. } => conds.iter().for_each(|c| walk::columns_of(&c.source, out)),
        And(parts) | Or(parts) => parts.iter().for_each(|p| bitmap_columns(p, out)),
    }
}
