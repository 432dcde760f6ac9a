//! All ways to join two subsets: which side may be outer, sorted and uniqued inputs (PostgreSQL: `add_paths_to_joinrel`).

use super::conditions::{Conditions, Keyed};
use super::method::{Inner, Sorted, read_stretches};
use super::ordering::Order;
use super::worth::loop_inners;
use super::{Path, Search, Starts, Step, Subset, add_path, push_path};
use crate::cost::{self, measured};
use crate::region::RelSet;
use crate::stats::Stretch;
use quarry_plan::{ColumnId, Expr, JoinKind, SortKey};
use smallvec::SmallVec;
use std::rc::Rc;

/// The paths of a subset as sides of joins.
pub(super) struct Side {
    pub rows: f64,
    pub paths: Vec<Rc<Path>>,
    /// What a nested loop could take as its inner side.
    inners: Vec<Inner>,
    /// The cheapest for each set of parameters: order is of no use to hash joins.
    cheap: Vec<Rc<Path>>,
}

impl Side {
    pub(super) fn new(rows: f64, paths: Vec<Rc<Path>>, starts: Starts, s: &crate::PlannerSettings) -> Side {
        let inners = loop_inners(&paths).into_iter().map(|inner| Inner::new(inner, s)).collect();
        let mut cheap: Vec<Rc<Path>> = vec![];
        for new in &paths {
            let beats = |a: &Path, b: &Path| {
                let soon = !starts.count(a.params) || a.startup <= b.startup;
                a.params == b.params && a.total <= b.total && soon
            };
            if cheap.iter().any(|old| beats(old, new)) {
                continue;
            }
            cheap.retain(|old| !beats(new, old));
            cheap.push(new.clone());
        }
        Side { rows, paths, inners, cheap }
    }

    /// The cheapest path that takes nothing from these items: one that takes nothing at all, where there is one.
    fn cheapest(&self, all: RelSet) -> Option<&Rc<Path>> {
        let free = self.cheap.iter().filter(|p| p.params & all == 0);
        free.min_by(|a, b| (a.params != 0).cmp(&(b.params != 0)).then(a.total.total_cmp(&b.total)))
    }
}

/// The two sides of a join as they are tried now.
#[derive(Clone, Copy)]
pub(super) struct Sides<'s> {
    pub outer_set: RelSet,
    pub inner_set: RelSet,
    pub outer: &'s Side,
    pub inner: &'s Side,
}

/// A kind of join over conditions, and the rows it makes.
#[derive(Clone, Copy)]
pub(super) struct Joined<'c> {
    pub kind: JoinKind,
    pub pair: &'c Conditions,
    pub keyed: &'c Keyed,
    pub inner_unique: bool,
    pub rows: f64,
}

impl Search<'_, '_> {
    /// The paths of a subset as a side of joins.
    pub(super) fn side(&mut self, set: RelSet) -> Option<Rc<Side>> {
        let subset = self.subsets.get(&set)?;
        if let Some(side) = &subset.side {
            return Some(side.clone());
        }
        let (rows, paths, starts) = (subset.rows, subset.paths.clone(), subset.starts);
        let mut side = Side::new(rows, paths, starts, &self.p.env.settings);
        for inner in &mut side.inners {
            inner.lookups = self.lookups(&inner.path);
        }
        let side = Rc::new(side);
        self.subsets.get_mut(&set)?.side = Some(side.clone());
        Some(side)
    }

    /// The right side of a semi join with its duplicates (in the joined columns) removed.
    pub(super) fn unique_side(
        &mut self,
        right: RelSet,
        paths: &[Rc<Path>],
        pair: &Conditions,
    ) -> Option<Path> {
        let columns = self.columns(right);
        let mut keys: Vec<(ColumnId, Expr)> = vec![];
        for e in pair.all.iter() {
            let (op, l, r) = crate::exprs::binary(e)?;
            if !crate::exprs::is_equality(op) || !op.hashes || l.ty().oid != r.ty().oid {
                return None;
            }
            let of_side = |side: &Expr, other: &Expr| {
                matches!(side, Expr::Column { id, .. } if columns.contains(id))
                    && !crate::exprs::columns(other).iter().any(|c| columns.contains(c))
            };
            let side = if of_side(l, r) {
                l
            } else if of_side(r, l) {
                r
            } else {
                return None;
            };
            if let Expr::Column { id, .. } = side
                && !keys.iter().any(|(k, _)| k == id)
            {
                keys.push((*id, side.clone()));
            }
        }
        if keys.is_empty() || !pair.post.is_empty() {
            return None;
        }
        let input =
            paths.iter().filter(|p| p.params == 0).min_by(|a, b| a.total.total_cmp(&b.total))?.clone();
        let exprs: Vec<&Expr> = keys.iter().map(|(_, e)| e).collect();
        let rows = self.p.group_count(&exprs, input.rows);
        let s = &self.p.env.settings;
        if !s.enable_hashagg || rows * cost::row_bytes(input.width) > s.hash_mem() {
            return None;
        }
        let per_row = s.cpu_operator_cost * keys.len() as f64 + measured::GROUPED_ROW * s.cpu_tuple_cost;
        let startup = input.total + per_row * input.rows;
        let total = startup + (1.0 + measured::GROUP) * s.cpu_tuple_cost * rows;
        let width = self.p.width_of(keys.iter().map(|(id, _)| *id));
        Some(Path {
            step: Step::Unique(input, keys),
            rows,
            width,
            startup,
            total,
            order: self.unordered.clone(),
            params: 0,
            applied: vec![],
            reads: Default::default(),
            steady: Default::default(),
        })
    }

    /// Adds the paths of a join with these sides.
    pub(super) fn paths(&mut self, subset: &mut Subset, sides: Sides<'_>, join: Joined<'_>) {
        let kind = join.kind;
        let all = sides.outer_set | sides.inner_set;
        let Some(switches) = self.join_switches(sides.outer_set, sides.inner_set) else { return };
        self.switches = switches;
        if matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti) {
            self.loops(subset, sides, join);
        }
        let keys = &join.keyed.keys;
        // Without keys, a full join has all its inner rows in one bucket.
        if (!keys.is_empty() || kind == JoinKind::Full)
            && let Some(inner) = sides.inner.cheapest(all)
        {
            for outer in &sides.outer.cheap {
                if outer.params & sides.inner_set == 0
                    && self.may_keep(subset, outer.params | inner.params, all)
                    && let Some(path) = self.hash_join(outer, inner, join, subset)
                {
                    self.offer(subset, path, sides.outer_set, sides.inner_set);
                }
            }
        }
        let right = matches!(kind, JoinKind::RightSemi | JoinKind::RightAnti);
        if !right && let Some((outer_order, inner_order)) = &join.keyed.orders {
            // Sorted sides that exist already, and the cheapest ones sorted.
            let rows = (sides.outer.rows, sides.inner.rows);
            let (of_outer, of_inner) = read_stretches(kind, join.keyed, rows);
            let outer = self.sorted(sides.outer, all, outer_order, of_outer);
            let inner = self.sorted(sides.inner, all, inner_order, of_inner);
            if let (Some(outer), Some(inner)) = (outer, inner)
                && self.may_keep(subset, outer.path.params | inner.path.params, all)
                && let Some(path) = self.merge_join(outer, inner, join, subset)
            {
                self.offer(subset, path, sides.outer_set, sides.inner_set);
            }
        }
    }

    fn loops(&mut self, subset: &mut Subset, sides: Sides<'_>, join: Joined<'_>) {
        let memoize = self.switches.memoize;
        // Most outer paths have the same number of rows, and so the same caches of inner ones.
        let mut memos: Vec<Option<(u64, Option<Inner>)>> = vec![];
        // What of the outer sides' orders is of use to a loop.
        let orders = sides.outer.paths.iter().map(|p| self.useful_order(&p.order, &subset.merges).clone());
        let orders: SmallVec<[Rc<Order>; 8]> = orders.collect();
        let ordered = || sides.outer.paths.iter().zip(&orders);
        for (place, (outer, order)) in ordered().enumerate() {
            if outer.params & sides.inner_set != 0 {
                continue;
            }
            // What another outer path before it is better for with every inner side.
            let better = self.p.env.settings.random_joins == 0
                && ordered().take(place).any(|other| is_better_outer(other, (outer, order)));
            for (at, inner) in sides.inner.inners.iter().enumerate() {
                let path = &inner.path;
                let here = path.params & sides.outer_set;
                // A path that applied conditions takes all its parameters from one outer side: what it applied is then
                // settled. A lateral item may get some of its columns here and others further out.
                if here != 0 && path.params & !sides.outer_set != 0 && !path.applied.is_empty() {
                    continue;
                }
                let params = (outer.params | path.params) & !sides.outer_set;
                if params != 0
                    && !may_keep_loop(subset, params, path.params, sides.outer_set | sides.inner_set)
                {
                    continue;
                }
                if better && inner.lookups.is_none()
                    || self.is_hopeless(outer, path, join, order, params, subset)
                {
                    continue;
                }
                let mut offer = |this: &mut Self, inner: &Inner| {
                    if let Some(path) = this.nest_loop(outer, inner, order, sides.outer_set, join, subset) {
                        this.offer(subset, path, sides.outer_set, sides.inner_set);
                    }
                };
                offer(self, inner);
                if here != 0 && memoize {
                    if memos.len() <= at {
                        memos.resize_with(sides.inner.inners.len(), || None);
                    }
                    let calls = outer.rows.to_bits();
                    if memos[at].as_ref().is_none_or(|known| known.0 != calls) {
                        let kept = self.memoized(path, outer, sides.outer_set, join);
                        let kept = kept.map(|kept| Inner::plain(kept, &self.p.env.settings));
                        memos[at] = Some((calls, kept));
                    }
                    if let Some((_, Some(kept))) = &memos[at] {
                        offer(self, kept);
                    }
                }
            }
        }
    }

    /// The cheapest path in an order for what is read of it, or the cheapest one sorted.
    fn sorted<'p>(
        &self,
        side: &'p Side,
        all: RelSet,
        order: &'p Rc<Order>,
        read: Stretch,
    ) -> Option<Sorted<'p>> {
        let cost = |startup: f64, total: f64| startup + (total - startup) * read.end;
        let of_path = |p: &Path| cost(p.startup, p.total);
        let ready = side.paths.iter().filter(|p| p.params & all == 0 && p.order.covers(order));
        let ready = ready.min_by(|a, b| of_path(a).total_cmp(&of_path(b)));
        let cheapest = side.cheapest(all)?;
        match ready {
            // It sorts nothing that costs more already.
            Some(ready) if of_path(ready) <= cheapest.total => Some(Sorted::ready(ready)),
            _ => {
                let sorted = Sorted::new(cheapest, order, &self.p.env.settings);
                let least = cost(sorted.startup, sorted.total);
                Some(ready.filter(|r| of_path(r) <= least).map_or(sorted, Sorted::ready))
            }
        }
    }

    /// Adds a path that isn't beaten.
    fn offer(&mut self, subset: &mut Subset, mut path: Path, outer: RelSet, inner: RelSet) {
        let number = self.p.env.settings.random_joins;
        if number != 0 {
            randomise(&mut path, number, outer, inner);
        }
        if self.is_too_much(&path, outer | inner) {
            return;
        }
        if path.params & !(outer | inner) != 0 {
            self.scale_rows(&mut path, outer, inner);
        }
        match number {
            0 => push_path(subset, path),
            _ => add_path(subset, path),
        }
    }

    /// A join that takes columns from outside makes fewer rows than the subset has: as many fewer as its sides.
    fn scale_rows(&self, path: &mut Path, outer_set: RelSet, inner_set: RelSet) {
        let Step::Join { outer, inner, .. } = &path.step else { return };
        let share = |side: &Path, set: RelSet| match self.subsets.get(&set) {
            Some(subset) if side.params != 0 && subset.rows > 0.0 => (side.rows / subset.rows).min(1.0),
            _ => 1.0,
        };
        let mut rows = path.rows * share(outer, outer_set);
        // What an inner side takes from the outer one is a condition of the join.
        if inner.params & outer_set == 0 {
            rows *= share(inner, inner_set);
        }
        path.rows = cost::clamp_rows(rows);
    }

    /// Whether a path of `all` that isn't a nested loop may take these parameters.
    fn may_keep(&self, subset: &Subset, params: RelSet, all: RelSet) -> bool {
        params & !all == 0 || may_keep_loop(subset, params & !all, 0, all)
    }
}

/// Whether a path of `all` may take parameters from outside; `inner`: those of a nested loop's inner side.
fn may_keep_loop(subset: &Subset, outside: RelSet, inner: RelSet, all: RelSet) -> bool {
    subset.parameterised < PARAMETERISED_MAX && subset.outside.keeps(outside, inner, all)
}

/// Whether nested loops over one path of a set are at least as good in every respect as those over another, each with what of its order
/// is of use to them: their costs grow with the outer side's. Lookups may cost less the other way round, by the order of the rows.
fn is_better_outer((one, have): (&Rc<Path>, &Rc<Order>), (other, order): (&Rc<Path>, &Rc<Order>)) -> bool {
    one.total <= other.total
        && one.startup <= other.startup
        && one.rows == other.rows
        && one.params & !other.params == 0
        && have.covers(order)
}

/// Paths of one join that may wait for columns from outside.
const PARAMETERISED_MAX: usize = 6;

/// Makes a join cost anything between what it costs and a thousand times that; the same for the same number and sides.
fn randomise(path: &mut Path, number: u64, outer: RelSet, inner: RelSet) {
    let Step::Join { method, .. } = &path.step else { return };
    let mut h = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (*method as u64);
    for part in [outer, inner] {
        h = (h ^ part as u64 ^ (part >> 64) as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h ^= h >> 29;
    }
    path.total *= 1.0 + (h % 1000) as f64;
}

pub(super) fn asc(expr: Expr) -> SortKey {
    SortKey { expr, descending: false, nulls_first: false }
}
