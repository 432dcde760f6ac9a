//! What nested loops, hash joins and merge joins of two paths cost (PostgreSQL: `final_cost_nestloop`, `final_cost_hashjoin`,
//! `final_cost_mergejoin`), and running a path again.

use super::{Method, Pair, Path, Search, Step};
use crate::cost::{self, DISABLED};
use crate::region::RelSet;
use quarry_plan::{Expr, JoinKind, PhysicalNode};
use std::rc::Rc;

impl Search<'_, '_> {
    pub(super) fn nest_loop(
        &self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        pair: &Pair,
        outer_set: RelSet,
        rows: f64,
    ) -> Path {
        let s = &self.p.env.settings;
        let on: Vec<Expr> = pair
            .on
            .iter()
            .filter(|(a, _)| inner.params & outer_set == 0 || !inner.applied.contains(a))
            .map(|(_, e)| e.clone())
            .collect();
        let (again_startup, again_total) = rescan(inner, s);
        let startup = outer.startup + inner.startup;
        let outer_rows = outer.rows.max(1.0);
        let inner_run = inner.total - inner.startup;
        let again_run = again_total - again_startup;
        let mut run = outer.total - outer.startup + (outer_rows - 1.0) * again_startup;
        let tuples;
        if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            let matches = (pair.selectivity * inner.rows.max(1.0)).max(0.0);
            let matched = (outer_rows * matches.min(1.0)).round();
            let fraction = 2.0 / (matches.max(1.0) + 1.0);
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
        let c = cost::exprs(on.iter().chain(&pair.post), s);
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        let penalty = if s.enable_nestloop { 0.0 } else { DISABLED };
        let startup = startup + c.startup + penalty;
        Path {
            rows,
            width: outer.width
                + if matches!(kind, JoinKind::Semi | JoinKind::Anti) { 0 } else { inner.width },
            startup,
            total: startup + run,
            order: outer.order.clone(),
            params: (outer.params | inner.params) & !outer_set,
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
                keys: vec![],
                post: pair.post.clone(),
            },
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn hash_join(
        &mut self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &[(Expr, Expr, Expr)],
        rest: &[Expr],
        pair: &Pair,
        inner_unique: bool,
        rows: f64,
    ) -> Path {
        // Share of the inner rows in the fullest bucket; a tenth where nothing is known of the key.
        let mut share: f64 =
            if matches!(inner.step, Step::Unique(..)) { 1.0 / inner.rows.max(1.0) } else { 1.0 };
        for (_, i, _) in keys {
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
        let c = cost::exprs(rest.iter().chain(&pair.post), s);
        startup += c.startup;
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        if !s.enable_hashjoin {
            startup += DISABLED;
        }
        Path {
            rows,
            width: outer.width
                + if matches!(kind, JoinKind::Semi | JoinKind::Anti) { 0 } else { inner.width },
            startup,
            total: startup + run,
            order: vec![],
            params: outer.params | inner.params,
            applied: outer.applied.iter().chain(&inner.applied).copied().collect(),
            step: Step::Join {
                method: Method::Hash,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on: rest.to_vec(),
                keys: keys.to_vec(),
                post: pair.post.clone(),
            },
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn merge_join(
        &mut self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &[(Expr, Expr, Expr)],
        rest: &[Expr],
        pair: &Pair,
        rows: f64,
    ) -> Path {
        let s = &self.p.env.settings;
        let n = keys.len() as f64;
        let mut startup = outer.startup + inner.startup;
        let mut run = outer.total - outer.startup + inner.total - inner.startup;
        let tuples = (outer.rows * inner.rows * pair.selectivity).max(1.0);
        let rescanned = (tuples - inner.rows).max(0.0);
        run += s.cpu_operator_cost * n * (outer.rows + inner.rows + rescanned);
        let c = cost::exprs(rest.iter().chain(&pair.post), s);
        startup += c.startup;
        run += (s.cpu_tuple_cost + c.per_row) * tuples;
        if !s.enable_mergejoin {
            startup += DISABLED;
        }
        Path {
            rows,
            width: outer.width
                + if matches!(kind, JoinKind::Semi | JoinKind::Anti) { 0 } else { inner.width },
            startup,
            total: startup + run,
            // Right joins make rows up in between.
            order: if matches!(kind, JoinKind::Right | JoinKind::Full) {
                vec![]
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
                on: rest.to_vec(),
                keys: keys.to_vec(),
                post: pair.post.clone(),
            },
        }
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
