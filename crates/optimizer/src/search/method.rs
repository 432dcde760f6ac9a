//! What nested loops, hash joins and merge joins of two paths cost (PostgreSQL: `final_cost_nestloop`, `final_cost_hashjoin`,
//! `final_cost_mergejoin`), and running a path again.

use super::{Applied, Method, Pair, Path, Search, Step, Subset, is_beaten};
use crate::cost::{self, DISABLED};
use crate::region::RelSet;
use quarry_plan::{Expr, JoinKind, PhysicalNode};
use std::rc::Rc;

impl Search<'_, '_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn nest_loop(
        &self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        pair: &Pair,
        outer_set: RelSet,
        inner_unique: bool,
        rows: f64,
        subset: &Subset,
    ) -> Option<Path> {
        let s = &self.p.env.settings;
        let applied = |a: &Applied| inner.params & outer_set != 0 && inner.applied.contains(a);
        let on = if pair.on.iter().any(|(a, _)| applied(a)) {
            let rest = pair.on.iter().filter(|(a, _)| !applied(a));
            Rc::new(rest.map(|(_, e)| e.clone()).collect())
        } else {
            pair.conditions.clone()
        };
        let (again_startup, again_total) = rescan(inner, s);
        let startup = outer.startup + inner.startup;
        let outer_rows = outer.rows.max(1.0);
        let inner_run = inner.total - inner.startup;
        let again_run = again_total - again_startup;
        let mut run = outer.total - outer.startup + (outer_rows - 1.0) * again_startup;
        let tuples;
        let semi = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        if semi || inner_unique && matches!(kind, JoinKind::Inner | JoinKind::Left) {
            // For a unique inner side PostgreSQL takes the join's selectivity for the share of outer rows with a match.
            let (matches, count) = if semi {
                let matches = (pair.selectivity * inner.rows.max(1.0)).max(0.0);
                (matches, matches)
            } else {
                (pair.selectivity.max(0.0), inner.rows)
            };
            let matched = (outer_rows * matches.min(1.0)).round();
            let fraction = 2.0 / (count.max(1.0) + 1.0);
            if on.is_empty() {
                run += inner_run * fraction + (matched - 1.0).max(0.0) * again_run * fraction;
                run += (outer_rows - matched) * again_run / inner.rows.max(1.0);
                tuples = matched * inner.rows * fraction;
            } else {
                run += inner_run
                    + matched * again_run * fraction
                    + (outer_rows - matched - 1.0).max(0.0) * again_run;
                tuples = matched * inner.rows * fraction + (outer_rows - matched) * inner.rows;
            }
        } else {
            run += inner_run + (outer_rows - 1.0) * again_run;
            tuples = outer_rows * inner.rows;
        }
        let c = cost::exprs(on.iter().chain(pair.post.iter()), s);
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        let penalty = if s.enable_nestloop { 0.0 } else { DISABLED };
        let startup = startup + c.startup + penalty;
        let params = (outer.params | inner.params) & !outer_set;
        // Most are no good: those aren't even made.
        let total = startup + run;
        if s.random_joins == 0 && is_beaten(subset, startup, total, &outer.order, params) {
            return None;
        }
        Some(Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total,
            order: outer.order.clone(),
            params,
            applied: outer
                .applied
                .iter()
                .chain(inner.applied.iter().filter(|_| inner.params & outer_set == 0))
                .copied()
                .collect(),
            step: Step::Join {
                method: Method::Loop,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on,
                keys: self.no_keys.clone(),
                post: pair.post.clone(),
                inner_unique,
            },
        })
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn hash_join(
        &mut self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &Rc<Vec<(Expr, Expr, Expr)>>,
        rest: &Rc<Vec<Expr>>,
        pair: &Pair,
        inner_unique: bool,
        rows: f64,
    ) -> Path {
        // Share of the inner rows in the fullest bucket; a tenth where nothing is known of the key.
        let mut share: f64 =
            if matches!(inner.step, Step::Unique(..)) { 1.0 / inner.rows.max(1.0) } else { 1.0 };
        for (_, i, _) in keys.iter() {
            share = share.min(match crate::exprs::strip_relabel(i) {
                Expr::Column { id, .. } if self.p.is_unique(*id) || self.p.column_stats(*id).is_some() => {
                    1.0 / self.p.distinct_of(*id).min(inner.rows).max(1.0)
                }
                _ => 0.1,
            });
        }
        let s = &self.p.env.settings;
        let n = keys.len() as f64;
        let mut startup =
            outer.startup + inner.total + (s.cpu_operator_cost * n + s.cpu_tuple_cost) * inner.rows;
        let mut run = outer.total - outer.startup + s.cpu_operator_cost * n * outer.rows;
        let inner_bytes = inner.rows * cost::row_bytes(inner.width);
        if inner_bytes > s.hash_mem() {
            let inner_pages = (inner_bytes / 8192.0).ceil();
            let outer_pages = (outer.rows * cost::row_bytes(outer.width) / 8192.0).ceil();
            startup += s.seq_page_cost * inner_pages;
            run += s.seq_page_cost * (inner_pages + 2.0 * outer_pages);
        }
        let bucket = (inner.rows * share).max(1.0).round();
        let semi = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        let tuples = if semi || inner_unique && matches!(kind, JoinKind::Inner | JoinKind::Left) {
            // For a unique inner side PostgreSQL takes the join's selectivity for the share of outer rows with a match.
            let matches =
                if semi { (pair.selectivity * inner.rows).max(0.0) } else { pair.selectivity.max(0.0) };
            let matched = (outer.rows * matches.min(1.0)).round();
            let fraction = 2.0 / (if semi { matches.max(1.0) } else { inner.rows.max(1.0) } + 1.0);
            run += s.cpu_operator_cost
                * n
                * (matched * (bucket * fraction).max(1.0) * 0.5 + (outer.rows - matched) * bucket * 0.05);
            if kind == JoinKind::Anti { (outer.rows - matched).max(1.0) } else { matched }
        } else {
            run += s.cpu_operator_cost * n * outer.rows * bucket * 0.5;
            (outer.rows * inner.rows * pair.selectivity).max(1.0)
        };
        let c = cost::exprs(rest.iter().chain(pair.post.iter()), s);
        startup += c.startup;
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        if !s.enable_hashjoin {
            startup += DISABLED;
        }
        Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total: startup + run,
            order: self.unordered.clone(),
            params: outer.params | inner.params,
            applied: outer.applied.iter().chain(&inner.applied).copied().collect(),
            step: Step::Join {
                method: Method::Hash,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on: rest.clone(),
                keys: keys.clone(),
                post: pair.post.clone(),
                inner_unique,
            },
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn merge_join(
        &mut self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &Rc<Vec<(Expr, Expr, Expr)>>,
        rest: &Rc<Vec<Expr>>,
        pair: &Pair,
        inner_unique: bool,
        rows: f64,
    ) -> Path {
        let s = &self.p.env.settings;
        let n = keys.len() as f64;
        let mut startup = outer.startup + inner.startup;
        let mut run = outer.total - outer.startup + inner.total - inner.startup;
        let tuples = (outer.rows * inner.rows * pair.selectivity).max(1.0);
        let rescanned = (tuples - inner.rows).max(0.0);
        run += s.cpu_operator_cost * n * (outer.rows + inner.rows + rescanned);
        let c = cost::exprs(rest.iter().chain(pair.post.iter()), s);
        startup += c.startup;
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        if !s.enable_mergejoin {
            startup += DISABLED;
        }
        Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total: startup + run,
            // Right joins make rows up in between.
            order: if matches!(kind, JoinKind::Right | JoinKind::Full) {
                self.unordered.clone()
            } else {
                outer.order.clone()
            },
            params: outer.params | inner.params,
            applied: outer.applied.iter().chain(&inner.applied).copied().collect(),
            step: Step::Join {
                method: Method::Merge,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on: rest.clone(),
                keys: keys.clone(),
                post: pair.post.clone(),
                inner_unique,
            },
        }
    }
}

fn joined_width(kind: JoinKind, outer: &Path, inner: &Path) -> u32 {
    match kind {
        JoinKind::Semi | JoinKind::Anti => outer.width,
        JoinKind::RightSemi | JoinKind::RightAnti => inner.width,
        _ => outer.width + inner.width,
    }
}

pub(super) fn materialized(input: &Rc<Path>, s: &crate::PlannerSettings) -> Path {
    let mut total = input.total + 2.0 * s.cpu_operator_cost * input.rows;
    let bytes = input.rows * cost::row_bytes(input.width);
    if bytes > s.sort_mem() {
        total += s.seq_page_cost * (bytes / 8192.0).ceil();
    }
    Path {
        step: Step::Materialize(input.clone()),
        rows: input.rows,
        width: input.width,
        startup: input.startup,
        total,
        order: input.order.clone(),
        params: input.params,
        applied: input.applied.clone(),
    }
}

/// Cost of running a path again: (before the first row, all).
pub(super) fn rescan(p: &Path, s: &crate::PlannerSettings) -> (f64, f64) {
    match &p.step {
        Step::Materialize(_) => {
            let bytes = p.rows * cost::row_bytes(p.width);
            let mut run = s.cpu_operator_cost * p.rows;
            if bytes > s.sort_mem() {
                run += s.seq_page_cost * (bytes / 8192.0).ceil();
            }
            (0.0, run)
        }
        Step::Leaf(plan)
            if matches!(
                plan.node,
                PhysicalNode::CteScan { .. }
                    | PhysicalNode::WorkTableScan { .. }
                    | PhysicalNode::FunctionScan { .. }
            ) =>
        {
            (0.0, s.cpu_tuple_cost * p.rows)
        }
        Step::Join { method: Method::Hash, inner, .. } => {
            let kept = inner.total.min(p.startup);
            (p.startup - kept, p.total - kept)
        }
        _ => (p.startup, p.total),
    }
}
