//! What nested loops, hash joins and merge joins of two paths cost (PostgreSQL: `final_cost_nestloop`, `final_cost_hashjoin`,
//! `final_cost_mergejoin`), and running a path again.

use super::ordering::Order;
use super::pair::Joined;
use super::sieve::Sieve;
use super::{Applied, Merits, Method, Path, Search, Step, Subset, is_beaten};
use crate::cost::{self, DISABLED, measured};
use crate::region::RelSet;
use quarry_plan::{JoinKind, PhysicalNode};
use std::rc::Rc;

impl Search<'_, '_> {
    /// A nested loop; none if another path is better for certain.
    pub(super) fn nest_loop(
        &self,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        outer_set: RelSet,
        join: Joined<'_>,
        subset: &Subset,
    ) -> Option<Path> {
        let s = &self.p.env.settings;
        let Joined { kind, pair, inner_unique, rows, .. } = join;
        let settled = |a: &Applied| inner.params & outer_set != 0 && inner.applied.contains(a);
        let some_settled = inner.params & outer_set != 0 && pair.on.iter().any(|(a, _, _)| settled(a));
        let (mut startup_cost, mut row_cost, mut open) = (0.0, 0.0, 0);
        for (_, _, c) in pair.on.iter().filter(|(a, _, _)| !some_settled || !settled(a)) {
            startup_cost += c.startup;
            row_cost += c.per_row;
            open += 1;
        }
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
            if open == 0 {
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
        run += (s.cpu_tuple_cost + row_cost + pair.post_cost.per_row) * tuples;
        if matches!(inner.step, Step::Materialize(_)) {
            run += measured::REWIND * s.cpu_tuple_cost * (outer_rows - measured::REWINDS_FREE).max(0.0);
        }
        let penalty = if self.switches.nest_loop { 0.0 } else { DISABLED };
        let startup = startup + startup_cost + pair.post_cost.startup + penalty;
        let params = (outer.params | inner.params) & !outer_set;
        let total = startup + run;
        let order = self.useful_order(&outer.order, &subset.merges);
        if s.random_joins == 0 && is_beaten(subset, &Merits { startup, total, order, params }) {
            return None;
        }
        let on = if some_settled {
            let rest = pair.on.iter().filter(|(a, _, _)| !settled(a));
            Rc::new(rest.map(|(_, e, _)| e.clone()).collect())
        } else {
            pair.all.clone()
        };
        Some(Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total,
            order: order.clone(),
            params,
            applied: outer
                .applied
                .iter()
                .chain(inner.applied.iter().filter(|_| inner.params & outer_set == 0))
                .copied()
                .collect(),
            reads: Default::default(),
            steady: Default::default(),
            step: Step::Join {
                method: Method::Loop,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on,
                keys: self.no_keys.clone(),
                post: pair.post.clone(),
                inner_unique,
                sieve: Sieve::NONE,
            },
        })
    }

    /// A hash join; none if another path is better for certain.
    pub(super) fn hash_join(
        &self,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        join: Joined<'_>,
        subset: &Subset,
    ) -> Option<Path> {
        let Joined { kind, pair, keyed, inner_unique, .. } = join;
        // Share of the inner rows in the fullest bucket; a tenth where nothing is known of the key.
        let mut share: f64 =
            if matches!(inner.step, Step::Unique(..)) { 1.0 / inner.rows.max(1.0) } else { 1.0 };
        for (_, distinct) in &keyed.distinct {
            share = share.min(distinct.map_or(0.1, |d| 1.0 / d.min(inner.rows).max(1.0)));
        }
        let s = &self.p.env.settings;
        let n = keyed.keys.len() as f64;
        let mut startup = outer.startup
            + inner.total
            + (s.cpu_operator_cost * n + measured::HASHED_ROW * s.cpu_tuple_cost) * inner.rows;
        let per_row = s.cpu_operator_cost * n + measured::PROBING_ROW * s.cpu_tuple_cost;
        let sieve = self.sieve(kind, outer, inner, keyed);
        let mut run = outer.total - outer.startup - sieve.saved + per_row * outer.rows * sieve.passing;
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
        startup += keyed.rest_cost.startup + pair.post_cost.startup;
        run += (s.cpu_tuple_cost + pair.post_cost.per_row) * tuples;
        // Rows that have the keys are asked for the rest, also those that it drops.
        let asked = if sieve.passing < 1.0 { tuples.max(outer.rows * sieve.passing) } else { tuples };
        run += keyed.rest_cost.per_row * asked;
        if !self.switches.hash {
            startup += DISABLED;
        }
        let cost = (startup, startup + run);
        self.joined((Method::Hash, sieve), outer, inner, join, cost, &self.unordered, subset)
    }

    /// A merge join; none if another path is better for certain.
    pub(super) fn merge_join(
        &self,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        join: Joined<'_>,
        subset: &Subset,
    ) -> Option<Path> {
        let Joined { kind, pair, keyed, .. } = join;
        let s = &self.p.env.settings;
        let n = keyed.keys.len() as f64;
        let mut startup = outer.startup + inner.startup;
        let mut run = outer.total - outer.startup + inner.total - inner.startup;
        let tuples = (outer.rows * inner.rows * pair.selectivity).max(1.0);
        let rescanned = (tuples - inner.rows).max(0.0);
        let per_row = s.cpu_operator_cost * n + measured::MERGED_ROW * s.cpu_tuple_cost;
        run += per_row * (outer.rows + inner.rows) + s.cpu_operator_cost * n * rescanned;
        startup += keyed.rest_cost.startup + pair.post_cost.startup;
        run += (measured::MERGED_PAIR * s.cpu_tuple_cost + keyed.rest_cost.per_row + pair.post_cost.per_row)
            * tuples;
        if !self.switches.merge {
            startup += DISABLED;
        }
        // Right joins make rows up in between.
        let made_up = matches!(kind, JoinKind::Right | JoinKind::Full);
        let order = if made_up { &self.unordered } else { &outer.order };
        let cost = (startup, startup + run);
        self.joined((Method::Merge, Sieve::NONE), outer, inner, join, cost, order, subset)
    }

    /// A join by keys.
    #[allow(clippy::too_many_arguments)]
    fn joined(
        &self,
        (method, sieve): (Method, Sieve),
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        join: Joined<'_>,
        (startup, total): (f64, f64),
        order: &Rc<Order>,
        subset: &Subset,
    ) -> Option<Path> {
        let Joined { kind, pair, keyed, inner_unique, rows } = join;
        let params = outer.params | inner.params;
        let order = self.useful_order(order, &subset.merges);
        let merits = Merits { startup, total, order, params };
        if self.p.env.settings.random_joins == 0 && is_beaten(subset, &merits) {
            return None;
        }
        Some(Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total,
            order: order.clone(),
            params,
            applied: outer.applied.iter().chain(&inner.applied).copied().collect(),
            reads: Default::default(),
            steady: Default::default(),
            step: Step::Join {
                method,
                kind,
                outer: outer.clone(),
                inner: inner.clone(),
                on: keyed.rest.clone(),
                keys: keyed.keys.clone(),
                post: pair.post.clone(),
                inner_unique,
                sieve,
            },
        })
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
        reads: Default::default(),
        steady: Default::default(),
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
        Step::Memoize(_, _, again) => *again,
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
        _ => {
            let again = measured::RESTART * s.cpu_tuple_cost;
            (p.startup + again, p.total + again)
        }
    }
}
