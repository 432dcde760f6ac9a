//! The search for a join order: subsets of a region's items, each with its best paths (PostgreSQL: `joinrels.c`, `joinpath.c`,
//! `pathnode.c`). Which pairs of subsets are tried and in which order is in `order`, which of them are allowed in `legal`.

mod bound;
mod build;
mod conditions;
mod graph;
mod hinted;
mod kept;
mod legal;
mod members;
mod memo;
mod method;
mod near;
mod order;
mod ordering;
mod pair;
mod sieve;
mod worth;

pub use build::physical_columns;
pub use kept::KeptScans;
pub use sieve::is_driven;

use crate::cost;
use crate::exprs::equality;
use crate::orders::OrderKey;
use crate::planner::{Candidate, Planner, Want};
use crate::region::{Region, RelSet, Source};
use crate::rules::Rule;
use conditions::{Conditions, JoinKey, Signature};
use hashbrown::HashMap;
use ordering::Order;
use pair::Side;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, PhysicalPlan, SortKey};
use std::cell::OnceCell;
use std::rc::Rc;

/// Which condition a parameterised path has applied already.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Applied {
    Clause(usize),
    Class(usize),
    On(usize, usize),
}

/// How a path makes its rows.
enum Step {
    Leaf(Rc<PhysicalPlan>),
    Sort(Rc<Path>, Rc<Order>),
    Materialize(Rc<Path>),
    /// By these columns; the costs of running it again.
    Memoize(Rc<Path>, Rc<[ColumnId]>, (f64, f64)),
    Unique(Rc<Path>, Vec<(ColumnId, Expr)>),
    Join {
        method: Method,
        kind: JoinKind,
        outer: Rc<Path>,
        inner: Rc<Path>,
        on: Rc<Vec<Expr>>,
        /// Conditions to hash or merge by.
        keys: Rc<Vec<JoinKey>>,
        post: Rc<Vec<Expr>>,
        inner_unique: bool,
        /// What its runtime filters do to the scan that drives it.
        sieve: sieve::Sieve,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Method {
    Loop,
    Hash,
    Merge,
}

struct Path {
    step: Step,
    rows: f64,
    width: u32,
    startup: f64,
    total: f64,
    order: Rc<Order>,
    /// Items whose columns must come from outside.
    params: RelSet,
    applied: Vec<Applied>,
    /// The columns of `params` that it reads, once asked for; none if its rows may change by themselves.
    reads: OnceCell<Option<Rc<[ColumnId]>>>,
    /// Whether it reads nothing from outside the region, once asked for.
    steady: OnceCell<bool>,
}

/// Whether it counts how soon paths give their first row: those without and those with parameters.
#[derive(Clone, Copy, Default)]
struct Starts {
    plain: bool,
    parameterised: bool,
}

impl Starts {
    fn count(self, params: RelSet) -> bool {
        if params == 0 { self.plain } else { self.parameterised }
    }
}

/// The paths of one subset.
struct Subset {
    rows: f64,
    paths: Vec<Rc<Path>>,
    /// Keys by which it could be merged with another item.
    merges: Rc<[u32]>,
    starts: Starts,
    /// What its paths may take from outside, and how many take anything.
    outside: worth::Outside,
    parameterised: usize,
    /// Of the paths that take nothing from outside, the cheapest and the one that gives its first row soonest: startup, total.
    cheapest: (f64, f64),
    soonest: (f64, f64),
    /// The paths as a side of joins, once it is one.
    side: Option<Rc<Side>>,
}

impl Subset {
    fn new(rows: f64, merges: Rc<[u32]>, starts: Starts, outside: worth::Outside) -> Subset {
        let (cheapest, soonest) = ((f64::INFINITY, f64::INFINITY), (f64::INFINITY, f64::INFINITY));
        let (paths, side) = (vec![], None);
        Subset { rows, paths, merges, starts, outside, parameterised: 0, cheapest, soonest, side }
    }

    /// Whether one of two paths that are kept is better for certain than a path that costs at least so much. What it answers yes to,
    /// [`is_beaten`] does as well.
    fn has_better(&self, startup: f64, total: f64, order: &Order, params: RelSet) -> bool {
        if !order.ids.is_empty() {
            return false;
        }
        if !self.starts.count(params) && self.cheapest.1 * FUZZ < total {
            return true;
        }
        let better = |old: (f64, f64)| old.1 <= total && old.0 <= startup * FUZZ;
        better(self.cheapest) || better(self.soonest)
    }
}

struct Search<'s, 'a> {
    p: &'s mut Planner<'a>,
    region: Region,
    subsets: HashMap<RelSet, Subset>,
    want: Want,
    /// Whether it counts how soon the whole gives its first row.
    stops_early: bool,
    /// Rows of each item; 1 where not known yet.
    rows: Vec<f64>,
    /// What conditions compare with each other, by item and by the number of the sort key.
    links: Vec<Vec<(RelSet, Option<u32>)>>,
    /// What is known of the conditions between subsets.
    conditions: HashMap<Signature, Rc<Conditions>>,
    /// Different values of columns that are compared.
    distinct: HashMap<ColumnId, Option<f64>>,
    /// Caches of paths by the path's address and the number of calls.
    memos: HashMap<(*const Path, u64), Option<Rc<Path>>>,
    /// What paths are cached by, by the path's address, with the path itself.
    cache_keys: HashMap<*const Path, (Rc<Path>, Option<memo::CacheKeys>)>,
    /// Sort keys by number.
    keys: ordering::Keys,
    unordered: Rc<Order>,
    no_keys: Rc<Vec<JoinKey>>,
    /// What `want` asks for.
    wanted: Vec<Rc<Order>>,
    hinted: hinted::Hinted,
    /// The ways to make the join under consideration.
    switches: hinted::JoinSwitches,
    bound: bound::Bound,
}

impl Planner<'_> {
    /// Plans a region.
    pub fn plan_region(&mut self, mut region: Region, want: &Want) -> Result<Vec<Candidate>> {
        let gate = std::mem::take(&mut region.gate);
        if region.items.len() == 1 && region.clauses.is_empty() {
            let item = region.items.remove(0);
            let candidates = match item.source {
                Source::Table(scan) => self.scan_candidates(&scan, want)?,
                Source::Other(plan, filter) => self.item_candidates(plan, filter, want)?,
            };
            return Ok(self.gate(candidates, gate));
        }
        let mut search = Search {
            p: self,
            region,
            subsets: HashMap::new(),
            want: want.clone(),
            stops_early: want.rows > 0.0,
            rows: vec![],
            links: vec![],
            conditions: HashMap::new(),
            distinct: HashMap::new(),
            memos: HashMap::new(),
            cache_keys: HashMap::new(),
            keys: vec![],
            unordered: Rc::default(),
            no_keys: Rc::default(),
            wanted: vec![],
            hinted: Default::default(),
            switches: Default::default(),
            bound: Default::default(),
        };
        let candidates = search.run()?;
        Ok(self.gate(candidates, gate))
    }

    fn item_candidates(
        &mut self,
        plan: Option<quarry_plan::LogicalPlan>,
        filter: Vec<Expr>,
        want: &Want,
    ) -> Result<Vec<Candidate>> {
        let Some(plan) = plan else { return Err(quarry_common::Error::internal("an item is planned once")) };
        let (plan, rest) = match self.rules.allows(Rule::PushFilters) {
            true => {
                let before = filter.len();
                let (plan, rest) = crate::rules::push_filters::into_item(plan, filter);
                if rest.len() < before {
                    self.rules.fire(Rule::PushFilters);
                }
                (plan, rest)
            }
            false => (plan, filter),
        };
        // A join keeps to its conditions: they are for its own items.
        let (plan, rest) = match plan {
            join @ LogicalPlan::Join { .. } if !rest.is_empty() => {
                (LogicalPlan::Filter { input: Box::new(join), predicates: rest }, vec![])
            }
            other => (other, rest),
        };
        let candidates = self.plan_node(plan, want)?;
        Ok(candidates.into_iter().map(|c| self.filtered(c, rest.clone())).collect())
    }
}

impl Search<'_, '_> {
    fn run(&mut self) -> Result<Vec<Candidate>> {
        let n = self.region.items.len();
        self.find_hints();
        self.find_bound();
        for i in 0..n {
            let rows = match &self.region.items[i].source {
                Source::Table(scan) => self.p.scan_rows(scan),
                Source::Other(..) => 1.0,
            };
            self.rows.push(rows);
        }
        if self.p.rules.may_wait() {
            let least = self.subqueries_cost();
            if self.p.rules.puts_off(least) {
                return Err(bound::too_much());
            }
        }
        // What is no table may turn out to be too much by itself.
        let tables = |r: &Region, i: usize| matches!(r.items[i].source, Source::Table(_));
        let first: Vec<usize> =
            (0..n).filter(|i| self.p.rules.is_try() && !tables(&self.region, *i)).collect();
        for i in &first {
            self.base(*i)?;
        }
        for i in (0..n).filter(|i| !first.contains(i)) {
            self.base(i)?;
        }
        let want_orders = self.want.orders.clone();
        self.wanted = want_orders.into_iter().map(|w| self.order_of(w)).collect();
        let full = graph::first(n);
        self.find_links();
        if self.stops_early && !self.may_come_in_order() {
            self.read_all();
        }
        self.order()?;
        let Some(all) = self.subsets.remove(&full) else {
            return Err(quarry_common::Error::internal("no valid join order was found"));
        };
        // What comes in none of the orders that are wanted will be sorted: all of its rows are read then.
        let fraction = if self.want.orders.is_empty() { self.want.rows } else { 0.0 };
        let mut best: Option<usize> = None;
        let cost = |p: &Path| cost::part_cost(p.startup, p.total, p.rows, fraction);
        for (i, path) in all.paths.iter().enumerate() {
            if path.params == 0 && best.is_none_or(|b| cost(path) < cost(&all.paths[b])) {
                best = Some(i);
            }
        }
        let mut out = vec![];
        for (i, path) in all.paths.iter().enumerate() {
            if path.params != 0 {
                continue;
            }
            let useful = || self.want.orders.iter().any(|w| self.p.common_order(&path.order.keys, w) > 0);
            if Some(i) == best || fraction > 0.0 || useful() {
                out.push(Candidate { plan: self.build(path), order: path.order.keys.clone() });
            }
        }
        if out.is_empty() {
            return Err(quarry_common::Error::internal("no join order without outside parameters"));
        }
        Ok(out)
    }

    /// Whether there may be rows in one of the orders that are wanted, or at least in its beginning, without a sort above all joins: a
    /// table's path has it, or conditions compare what it begins with. Without wanted orders they needn't be in any.
    fn may_come_in_order(&self) -> bool {
        let has = |first: u32| {
            let is_column =
                self.keys.get(first as usize).is_some_and(|(key, ..)| matches!(key, OrderKey::Column(_)));
            let paths = || self.subsets.values().flat_map(|subset| &subset.paths);
            !is_column
                || self.links.iter().flatten().any(|(_, key)| *key == Some(first))
                || paths().any(|path| path.order.ids.first() == Some(&first))
        };
        // Constants are no part of an order, and in every one.
        let begins = |w: &Rc<Order>| w.ids.len() < w.keys.len() || w.ids.first().is_some_and(|id| has(*id));
        self.wanted.is_empty() || self.wanted.iter().any(begins)
    }

    /// From here on it doesn't count how soon rows come: all of them will be read, and then sorted.
    fn read_all(&mut self) {
        self.stops_early = false;
        let sets: Vec<RelSet> = self.subsets.keys().copied().collect();
        for set in sets {
            let starts = self.starts(set);
            let Some(subset) = self.subsets.get_mut(&set) else { continue };
            subset.starts = starts;
            for path in std::mem::take(&mut subset.paths) {
                if !is_beaten(subset, &Merits::of(&path)) {
                    keep_path(subset, path);
                }
            }
        }
    }

    /// Paths of one item.
    fn base(&mut self, i: usize) -> Result<()> {
        let empty = Source::Other(None, vec![]);
        let mut source = std::mem::replace(&mut self.region.items[i].source, empty);
        let outcome = self.base_of(i, &mut source);
        self.region.items[i].source = source;
        outcome
    }

    fn base_of(&mut self, i: usize, source: &mut Source) -> Result<()> {
        let mut want = Want { orders: self.want.orders.clone(), ..Want::default() };
        // Orders a merge join could use.
        for class in &self.region.classes {
            if class.constant.is_none() {
                for (id, rel) in &class.members {
                    if *rel == i {
                        let ty = self.p.meta.get(*id).ty;
                        want.orders.push(vec![SortKey {
                            expr: Expr::column(*id, ty),
                            descending: false,
                            nulls_first: false,
                        }]);
                    }
                }
            }
        }
        let bit: RelSet = 1 << i;
        let lateral = self.region.items[i].lateral;
        let found = match source {
            Source::Table(scan) => {
                let rows = self.rows[i];
                self.p.kept_scans(scan, &[], (0.0, 1.0), &want, |p| p.scan_paths(scan, rows, &want))?
            }
            Source::Other(plan, filter) => {
                let (plan, filter) = (plan.take(), std::mem::take(filter));
                // The right side of a semi join is perhaps not read to its end.
                let whole = self.p.whole && lateral == 0 && !self.stops_within(bit);
                let before = std::mem::replace(&mut self.p.joined, true);
                let found = self.p.with_whole(whole, |p| p.item_candidates(plan, filter, &want));
                self.p.joined = before;
                let found = found?;
                found.into_iter().map(|c| (Rc::new(c.plan), c.order)).collect()
            }
        };
        let rows = found[0].0.rows;
        let mut subset = Subset::new(rows, Rc::default(), self.starts(bit), Default::default());
        for found in found {
            let path = self.leaf(found, lateral, vec![]);
            if !self.is_too_much(&path, bit) {
                add_path(&mut subset, path);
            }
        }
        if subset.paths.is_empty() {
            return Err(bound::too_much());
        }
        if let Source::Table(scan) = source
            && !scan.relation.indexes.is_empty()
        {
            let usable = self.outside_conditions(i);
            // One parameterisation per set of other items, and one with all.
            let mut sets: Vec<RelSet> = vec![];
            for (_, _, refs) in &usable {
                let outside = refs & !bit;
                if !sets.contains(&outside) {
                    sets.push(outside);
                }
            }
            sets.truncate(8);
            let all = sets.iter().fold(0, |a, b| a | b);
            if sets.len() > 1 && !sets.contains(&all) {
                sets.push(all);
            }
            let mut tried: Vec<(RelSet, Vec<Expr>)> = vec![];
            for set in sets {
                let mine: Vec<&(Applied, Expr, RelSet)> =
                    usable.iter().filter(|(_, _, refs)| refs & !bit & !set == 0).collect();
                // Of one class, one condition is enough.
                let mut extra: Vec<(Applied, Expr)> = vec![];
                for (a, e, _) in mine {
                    if !extra.iter().any(|(have, _)| have == a) {
                        extra.push((*a, e.clone()));
                    }
                }
                let (applied, exprs): (Vec<Applied>, Vec<Expr>) = extra.into_iter().unzip();
                // What more items add no condition to costs no less beside them.
                if tried.iter().any(|(fewer, same)| fewer & !set == 0 && *same == exprs) {
                    continue;
                }
                let loops = (0..self.rows.len())
                    .filter(|j| set >> j & 1 == 1)
                    .map(|j| self.rows[j])
                    .fold(f64::MAX, f64::min)
                    .clamp(1.0, 1e9);
                // What equals a value that has been compared need not be compared.
                let void: Vec<&Expr> = applied
                    .iter()
                    .filter_map(|a| if let Applied::Class(n) = a { Some(*n) } else { None })
                    .flat_map(|n| &self.region.classes[n].ranges)
                    .collect();
                let lessened = (!void.is_empty()).then(|| {
                    let mut scan = scan.clone();
                    scan.filter.retain(|e| !void.contains(&e));
                    scan
                });
                let scan = lessened.as_ref().unwrap_or(scan);
                let want = Want::default();
                let found = self.p.kept_scans(scan, &exprs, (rows, loops), &want, |p| {
                    let mut found = vec![];
                    p.index_candidates(scan, &exprs, rows, loops, &want, &mut found)?;
                    Ok(found)
                })?;
                for found in found {
                    let path = self.leaf(found, set, applied.clone());
                    add_path(&mut subset, path);
                }
                tried.push((set, exprs));
            }
        }
        self.subsets.insert(bit, subset);
        Ok(())
    }

    fn leaf(&mut self, (plan, order): kept::Found, params: RelSet, applied: Vec<Applied>) -> Path {
        Path {
            rows: plan.rows,
            width: plan.width,
            startup: plan.startup_cost,
            total: plan.total_cost,
            order: self.order_of(order),
            params,
            applied,
            reads: OnceCell::new(),
            steady: OnceCell::new(),
            step: Step::Leaf(plan),
        }
    }

    /// Join conditions an index scan of item `i` could take over.
    fn outside_conditions(&self, i: usize) -> Vec<(Applied, Expr, RelSet)> {
        let bit: RelSet = 1 << i;
        let mut out = vec![];
        for (n, c) in self.region.clauses.iter().enumerate() {
            if c.refs & bit != 0
                && c.required == c.refs
                && !self.region.delayed(c.refs)
                && !crate::exprs::is_volatile(&c.expr)
            {
                out.push((Applied::Clause(n), c.expr.clone(), c.refs));
            }
        }
        for (n, class) in self.region.classes.iter().enumerate() {
            if class.constant.is_some() {
                continue;
            }
            for (mine, rel) in &class.members {
                if *rel != i {
                    continue;
                }
                for (other, other_rel) in &class.members {
                    if *other_rel == i {
                        continue;
                    }
                    let (a, b) = (self.p.meta.get(*mine).ty, self.p.meta.get(*other).ty);
                    if let Some(e) = equality(Expr::column(*mine, a), Expr::column(*other, b)) {
                        out.push((Applied::Class(n), e, bit | 1 << other_rel));
                    }
                }
            }
        }
        for (n, s) in self.region.specials.iter().enumerate() {
            // Inside a larger right side the item's rows can be chosen early unless a join there makes up NULLs for them.
            let pickable = matches!(s.kind, JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
                && (s.right == bit || s.right & bit != 0 && self.region.required_inside(bit, s.right) == bit);
            // A semi join's left side can be looked up by a right side without duplicates.
            let made_up = self.region.specials.iter().any(|t| t.nullable() & bit != 0);
            if s.kind == JoinKind::Semi && s.right & bit == 0 && !made_up {
                for (m, e) in s.on.iter().enumerate() {
                    let right = s.on_refs[m] & s.right;
                    if right != 0 && s.on_refs[m] == right | bit && !crate::exprs::is_volatile(e) {
                        out.push((Applied::On(n, m), e.clone(), s.on_refs[m]));
                    }
                }
            }
            if pickable {
                for (m, e) in s.on.iter().enumerate() {
                    if s.on_refs[m] & s.right == bit && s.on_refs[m] != bit && !crate::exprs::is_volatile(e) {
                        out.push((Applied::On(n, m), e.clone(), s.on_refs[m]));
                    }
                }
            }
        }
        out
    }
}

/// How much better a path must be in some respect to be kept beside another.
const FUZZ: f64 = 1.01;

/// What paths are compared by.
struct Merits<'p> {
    startup: f64,
    total: f64,
    order: &'p Order,
    params: RelSet,
}

impl Merits<'_> {
    fn of(path: &Path) -> Merits<'_> {
        Merits { startup: path.startup, total: path.total, order: &path.order, params: path.params }
    }

    /// Whether it is at least as good in every respect; `starts`: the first row counts.
    fn dominates(&self, other: &Merits<'_>, starts: bool) -> bool {
        self.total <= other.total * FUZZ
            && (!starts && self.total * FUZZ < other.total || self.startup <= other.startup * FUZZ)
            && self.params & !other.params == 0
            && self.order.covers(other.order)
    }
}

/// Whether a path of this kind would not be kept beside those there are.
fn is_beaten(subset: &Subset, new: &Merits<'_>) -> bool {
    let starts = subset.starts.count(new.params);
    subset
        .paths
        .iter()
        .map(|old| Merits::of(old))
        .any(|old| old.dominates(new, starts) && !(new.total < old.total && new.dominates(&old, starts)))
}

/// Keeps a path unless another is at least as good in every respect; drops those it beats.
fn add_path(subset: &mut Subset, new: Path) {
    if !is_beaten(subset, &Merits::of(&new)) {
        push_path(subset, new);
    }
}

/// Keeps a path that isn't beaten, and drops those it beats.
fn push_path(subset: &mut Subset, new: Path) {
    keep_path(subset, Rc::new(new));
}

fn keep_path(subset: &mut Subset, new: Rc<Path>) {
    let merits = Merits::of(&new);
    let starts = subset.starts.count(new.params);
    subset.paths.retain(|old| !merits.dominates(&Merits::of(old), starts));
    subset.paths.push(new);
    let none = (f64::INFINITY, f64::INFINITY);
    (subset.cheapest, subset.soonest, subset.parameterised) = (none, none, 0);
    for path in &subset.paths {
        if path.params != 0 {
            subset.parameterised += 1;
            continue;
        }
        let cost = (path.startup, path.total);
        if cost.1 < subset.cheapest.1 {
            subset.cheapest = cost;
        }
        if cost.0 < subset.soonest.0 {
            subset.soonest = cost;
        }
    }
}
