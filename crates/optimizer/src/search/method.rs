//! What nested loops, hash joins and merge joins of two paths cost (PostgreSQL: `final_cost_nestloop`, `final_cost_hashjoin`,
//! `final_cost_mergejoin`), and running a path again.

use super::conditions::Keyed;
use super::near::Lookups;
use super::ordering::Order;
use super::pair::Joined;
use super::sieve::Sieve;
use super::{Applied, Merits, Method, Path, Search, Step, Subset, is_beaten};
use crate::cost::{self, DISABLED, ExprCost, measured};
use crate::region::RelSet;
use crate::stats::Stretch;
use quarry_plan::{JoinKind, PhysicalNode};
use std::cell::OnceCell;
use std::rc::Rc;

/// What a nested loop could take as its inner side.
pub(super) struct Inner {
    pub path: Rc<Path>,
    run: Run,
    /// The same with its rows kept in memory.
    kept: Option<Run>,
    kept_path: OnceCell<Rc<Path>>,
    /// Set: it is looked up for many outer rows together.
    pub lookups: Option<Lookups>,
}

/// What an inner side costs.
#[derive(Clone, Copy)]
struct Run {
    startup: f64,
    total: f64,
    rows: f64,
    /// Running it again: before the first row, all.
    again: (f64, f64),
    /// Whether it goes back to the beginning of rows that are kept.
    rewinds: bool,
}

impl Run {
    fn of(path: &Path, s: &crate::PlannerSettings) -> Run {
        Run {
            startup: path.startup,
            total: path.total,
            rows: path.rows,
            again: rescan(path, s),
            rewinds: matches!(path.step, Step::Materialize(_)),
        }
    }

    /// What comes before the first row is done for this share of the outer rows only.
    fn descend(&mut self, share: f64) {
        let spared = self.again.0 * (1.0 - share);
        self.again = (self.again.0 - spared, self.again.1 - spared);
    }
}

impl Inner {
    /// A path, kept in memory or not.
    pub(super) fn new(path: Rc<Path>, s: &crate::PlannerSettings) -> Inner {
        let again = s.enable_material && !matches!(path.step, Step::Materialize(_));
        let kept = again.then(|| Run {
            startup: path.startup,
            total: kept_total(&path, s),
            rows: path.rows,
            again: (0.0, reread(&path, s)),
            rewinds: true,
        });
        Inner { kept, ..Inner::plain(path, s) }
    }

    /// A path as it is.
    pub(super) fn plain(path: Rc<Path>, s: &crate::PlannerSettings) -> Inner {
        Inner { run: Run::of(&path, s), path, kept: None, kept_path: OnceCell::new(), lookups: None }
    }

    fn kept_path(&self, total: f64) -> Rc<Path> {
        self.kept_path.get_or_init(|| Rc::new(materialized(&self.path, total))).clone()
    }
}

/// A side of a merge join: a path in an order, or one that is sorted.
pub(super) struct Sorted<'p> {
    pub path: &'p Rc<Path>,
    /// The order, where it is sorted.
    order: Option<&'p Rc<Order>>,
    pub startup: f64,
    pub total: f64,
}

impl<'p> Sorted<'p> {
    pub(super) fn ready(path: &'p Rc<Path>) -> Sorted<'p> {
        Sorted { path, order: None, startup: path.startup, total: path.total }
    }

    pub(super) fn new(path: &'p Rc<Path>, order: &'p Rc<Order>, s: &crate::PlannerSettings) -> Sorted<'p> {
        let (startup, run) = cost::sort(path.rows, path.width, 0.0, s);
        let penalty = if s.enable_sort { 0.0 } else { DISABLED };
        let startup = path.total + startup;
        Sorted { path, order: Some(order), startup: startup + penalty, total: startup + run + penalty }
    }

    fn order(&self) -> &'p Rc<Order> {
        self.order.unwrap_or(&self.path.order)
    }

    fn into_path(self) -> Rc<Path> {
        let Some(order) = self.order else { return self.path.clone() };
        Rc::new(Path {
            step: Step::Sort(self.path.clone(), order.clone()),
            startup: self.startup,
            total: self.total,
            order: order.clone(),
            rows: self.path.rows,
            width: self.path.width,
            params: self.path.params,
            applied: self.path.applied.clone(),
            reads: Default::default(),
            steady: Default::default(),
        })
    }
}

impl Search<'_, '_> {
    /// Whether a nested loop is beaten whatever it does with its inner side: reading both sides once is too much.
    pub(super) fn is_hopeless(
        &self,
        outer: &Path,
        inner: &Path,
        join: Joined<'_>,
        order: &Order,
        params: RelSet,
        subset: &Subset,
    ) -> bool {
        let some = matches!(join.kind, JoinKind::Semi | JoinKind::Anti) || join.inner_unique;
        let total = outer.total + if some { inner.startup } else { inner.total };
        let startup = outer.startup + inner.startup;
        self.p.env.settings.random_joins == 0 && subset.has_better(startup, total, order, params)
    }

    /// A nested loop; none if another path is better for certain. `order`: what of the outer side's order is of use.
    pub(super) fn nest_loop(
        &self,
        outer: &Rc<Path>,
        inner: &Inner,
        order: &Rc<Order>,
        outer_set: RelSet,
        join: Joined<'_>,
        subset: &Subset,
    ) -> Option<Path> {
        let Joined { kind, pair, inner_unique, rows, .. } = join;
        let path = &inner.path;
        let here = path.params & outer_set != 0;
        let settled = |a: &Applied| here && path.applied.contains(a);
        let some_settled = here && pair.on.iter().any(|(a, _, _)| settled(a));
        let (mut conditions, mut open) = (pair.on_cost, pair.on.len());
        if some_settled {
            (conditions, open) = (ExprCost::default(), 0);
            for (_, _, c) in pair.on.iter().filter(|(a, _, _)| !settled(a)) {
                conditions.startup += c.startup;
                conditions.per_row += c.per_row;
                open += 1;
            }
        }
        let mut run = inner.run;
        if here && let Some(lookups) = &inner.lookups {
            run.descend(lookups.descents(outer));
        }
        let (mut startup, mut total) = self.loop_cost(outer, &run, conditions, open, join);
        // Both start alike: the cheaper one is better in every respect.
        let mut keep = None;
        if !here && let Some(kept) = &inner.kept {
            let cost = self.loop_cost(outer, kept, conditions, open, join);
            if cost.1 < total {
                (startup, total) = cost;
                keep = Some(kept.total);
            }
        }
        let params = (outer.params | path.params) & !outer_set;
        if self.is_worse((startup, total), order, params, subset) {
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
            width: joined_width(kind, outer, path),
            startup,
            total,
            order: order.clone(),
            params,
            applied: outer.applied.iter().chain(path.applied.iter().filter(|_| !here)).copied().collect(),
            reads: Default::default(),
            steady: Default::default(),
            step: Step::Join {
                method: Method::Loop,
                kind,
                outer: outer.clone(),
                inner: keep.map_or_else(|| path.clone(), |total| inner.kept_path(total)),
                on,
                keys: self.no_keys.clone(),
                post: pair.post.clone(),
                inner_unique,
                sieve: Sieve::NONE,
            },
        })
    }

    /// Costs of a nested loop: before the first row, all.
    fn loop_cost(
        &self,
        outer: &Path,
        inner: &Run,
        conditions: ExprCost,
        open: usize,
        join: Joined<'_>,
    ) -> (f64, f64) {
        let s = &self.p.env.settings;
        let Joined { kind, pair, inner_unique, .. } = join;
        let (again_startup, again_total) = inner.again;
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
            let matched = (outer_rows * matches.min(1.0)).round_ties_even();
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
        run += (s.cpu_tuple_cost + conditions.per_row + pair.post_cost.per_row) * tuples;
        if inner.rewinds {
            run += measured::REWIND * s.cpu_tuple_cost * (outer_rows - measured::REWINDS_FREE).max(0.0);
        }
        let penalty = if self.switches.nest_loop { 0.0 } else { DISABLED };
        let startup = startup + conditions.startup + pair.post_cost.startup + penalty;
        (startup, startup + run)
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
        let build =
            (s.cpu_operator_cost * n + keyed.inner_cost.per_row + measured::HASHED_ROW * s.cpu_tuple_cost)
                * inner.rows;
        let table = inner.total + build;
        // Whatever filters save of the outer side, the table is made.
        if s.random_joins == 0
            && subset.has_better(table, table, &self.unordered, outer.params | inner.params)
        {
            return None;
        }
        let sieve = self.sieve(kind, outer, inner, keyed);
        let mut startup = outer.startup - sieve.early + inner.total + build;
        startup += keyed.inner_cost.startup + keyed.outer_cost.startup;
        let per_row =
            s.cpu_operator_cost * n + keyed.outer_cost.per_row + measured::PROBING_ROW * s.cpu_tuple_cost;
        let late = sieve.saved - sieve.early;
        let mut run = outer.total - outer.startup - late + per_row * outer.rows * sieve.passing;
        let inner_bytes = inner.rows * cost::row_bytes(inner.width);
        if inner_bytes > s.hash_mem() {
            let inner_pages = (inner_bytes / 8192.0).ceil();
            let outer_pages = (outer.rows * cost::row_bytes(outer.width) / 8192.0).ceil();
            startup += s.seq_page_cost * inner_pages;
            run += s.seq_page_cost * (inner_pages + 2.0 * outer_pages);
        }
        let bucket = (inner.rows * share).max(1.0).round_ties_even();
        let semi = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        let tuples = if semi || inner_unique && matches!(kind, JoinKind::Inner | JoinKind::Left) {
            // For a unique inner side PostgreSQL takes the join's selectivity for the share of outer rows with a match.
            let matches =
                if semi { (pair.selectivity * inner.rows).max(0.0) } else { pair.selectivity.max(0.0) };
            let matched = (outer.rows * matches.min(1.0)).round_ties_even();
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
        if self.is_worse(cost, &self.unordered, outer.params | inner.params, subset) {
            return None;
        }
        Some(self.joined((Method::Hash, sieve), outer, inner, join, cost, &self.unordered))
    }

    /// A merge join; none if another path is better for certain.
    pub(super) fn merge_join(
        &self,
        outer: Sorted<'_>,
        inner: Sorted<'_>,
        join: Joined<'_>,
        subset: &Subset,
    ) -> Option<Path> {
        let Joined { kind, pair, keyed, .. } = join;
        let s = &self.p.env.settings;
        let n = keyed.keys.len() as f64;
        let (outer_rows, inner_rows) = (outer.path.rows, inner.path.rows);
        let (of_outer, of_inner) = read_stretches(kind, keyed, (outer_rows, inner_rows));
        let (outer_run, inner_run) = (outer.total - outer.startup, inner.total - inner.startup);
        let mut startup = outer.startup + inner.startup;
        startup += outer_run * of_outer.start + inner_run * of_inner.start;
        let mut run =
            outer_run * (of_outer.end - of_outer.start) + inner_run * (of_inner.end - of_inner.start);
        let tuples = (outer_rows * inner_rows * pair.selectivity).max(1.0);
        let rescanned = (tuples - inner_rows).max(0.0);
        let per_row = s.cpu_operator_cost * n + measured::MERGED_ROW * s.cpu_tuple_cost;
        run += per_row * (outer_rows * of_outer.end + inner_rows * of_inner.end);
        run += s.cpu_operator_cost * n * rescanned;
        startup += keyed.rest_cost.startup + pair.post_cost.startup;
        run += (measured::MERGED_PAIR * s.cpu_tuple_cost + keyed.rest_cost.per_row + pair.post_cost.per_row)
            * tuples;
        if !self.switches.merge {
            startup += DISABLED;
        }
        // Right joins make rows up in between.
        let made_up = matches!(kind, JoinKind::Right | JoinKind::Full);
        let order = if made_up { &self.unordered } else { outer.order() };
        let order = self.useful_order(order, &subset.merges);
        let cost = (startup, startup + run);
        if self.is_worse(cost, order, outer.path.params | inner.path.params, subset) {
            return None;
        }
        let (outer, inner) = (outer.into_path(), inner.into_path());
        Some(self.joined((Method::Merge, Sieve::NONE), &outer, &inner, join, cost, order))
    }

    /// Whether another path is better for certain than one of such a cost.
    fn is_worse(&self, (startup, total): (f64, f64), order: &Order, params: RelSet, subset: &Subset) -> bool {
        self.p.env.settings.random_joins == 0
            && (subset.has_better(startup, total, order, params)
                || is_beaten(subset, &Merits { startup, total, order, params }))
    }

    /// A join by keys.
    fn joined(
        &self,
        (method, sieve): (Method, Sieve),
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        join: Joined<'_>,
        (startup, total): (f64, f64),
        order: &Rc<Order>,
    ) -> Path {
        let Joined { kind, pair, keyed, inner_unique, rows } = join;
        Path {
            rows,
            width: joined_width(kind, outer, inner),
            startup,
            total,
            order: order.clone(),
            params: outer.params | inner.params,
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
        }
    }
}

/// What a merge join of a kind reads of its sides of so many rows: all of one whose rows come out without a match, and whole batches.
pub(super) fn read_stretches(
    kind: JoinKind,
    keyed: &Keyed,
    (outer_rows, inner_rows): (f64, f64),
) -> (Stretch, Stretch) {
    use JoinKind::*;
    let part = |of: Stretch, rows: f64| {
        let batch = measured::BATCH / rows.max(1.0);
        Stretch { start: of.start, end: (of.start + batch).max(of.end).min(1.0) }
    };
    let (outer, inner) = keyed.stretches;
    (
        if matches!(kind, Left | Anti | Full) { Stretch::WHOLE } else { part(outer, outer_rows) },
        if matches!(kind, Right | RightAnti | Full) { Stretch::WHOLE } else { part(inner, inner_rows) },
    )
}

fn joined_width(kind: JoinKind, outer: &Path, inner: &Path) -> u32 {
    match kind {
        JoinKind::Semi | JoinKind::Anti => outer.width,
        JoinKind::RightSemi | JoinKind::RightAnti => inner.width,
        _ => outer.width + inner.width,
    }
}

/// Cost of a path with its rows kept in memory.
fn kept_total(input: &Path, s: &crate::PlannerSettings) -> f64 {
    let total = input.total + 2.0 * s.cpu_operator_cost * input.rows;
    total + spilled(input, s)
}

/// Cost of the pages of rows that don't fit the memory.
fn spilled(path: &Path, s: &crate::PlannerSettings) -> f64 {
    let bytes = path.rows * cost::row_bytes(path.width);
    if bytes > s.sort_mem() { s.seq_page_cost * (bytes / 8192.0).ceil() } else { 0.0 }
}

/// Cost of going through rows that are kept.
fn reread(path: &Path, s: &crate::PlannerSettings) -> f64 {
    s.cpu_operator_cost * path.rows + spilled(path, s)
}

fn materialized(input: &Rc<Path>, total: f64) -> Path {
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
fn rescan(p: &Path, s: &crate::PlannerSettings) -> (f64, f64) {
    match &p.step {
        Step::Materialize(_) => (0.0, reread(p, s)),
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
