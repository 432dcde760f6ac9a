//! The search for a join order: subsets of a region's items by size, each with its best paths (PostgreSQL: `joinrels.c`,
//! `joinpath.c`, `pathnode.c`); pairs with the fewest rows first where there are too many items.

mod build;
mod method;
mod pair;
mod worth;

use crate::exprs::equality;
use crate::planner::{Candidate, Planner, Want};
use crate::region::{Region, RelSet, Source};
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalPlan, SortKey};
use std::collections::HashMap;
use std::rc::Rc;

/// Items up to which all subsets are looked at.
const EXHAUSTIVE_MAX: usize = 11;

/// Which condition a parameterised path has applied already.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Applied {
    Clause(usize),
    Class(usize),
    On(usize, usize),
}

/// How a path makes its rows.
enum Step {
    Leaf(Box<PhysicalPlan>),
    Sort(Rc<Path>, Vec<SortKey>),
    Materialize(Rc<Path>),
    Memoize(Rc<Path>, Vec<ColumnId>),
    Unique(Rc<Path>, Vec<(ColumnId, Expr)>),
    Join {
        method: Method,
        kind: JoinKind,
        outer: Rc<Path>,
        inner: Rc<Path>,
        on: Vec<Expr>,
        keys: Vec<(Expr, Expr, Expr)>,
        post: Vec<Expr>,
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
    order: Vec<SortKey>,
    /// Items whose columns must come from outside.
    params: RelSet,
    applied: Vec<Applied>,
}

/// The paths of one subset.
#[derive(Default)]
struct Subset {
    rows: f64,
    paths: Vec<Rc<Path>>,
}

/// A join under consideration.
struct Pair {
    kind: JoinKind,
    on: Vec<(Applied, Expr)>,
    post: Vec<Expr>,
    selectivity: f64,
    /// Subsets of which the conditions pick at most one row for a row of the other side.
    unique: RelSet,
}

struct Search<'s, 'a> {
    p: &'s mut Planner<'a>,
    region: Region,
    subsets: HashMap<RelSet, Subset>,
    want: Want,
    /// Rows of each item; 1 where not known yet.
    rows: Vec<f64>,
    /// For a subset, its columns that a merge join with another item could be by.
    merge_columns: HashMap<RelSet, Rc<[ColumnId]>>,
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
            rows: vec![],
            merge_columns: HashMap::new(),
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
        let (plan, rest) = crate::rules::push_filters::into_item(plan, filter);
        let candidates = self.plan_item(plan, want)?;
        Ok(candidates.into_iter().map(|c| self.filtered(c, rest.clone())).collect())
    }
}

impl Search<'_, '_> {
    fn run(&mut self) -> Result<Vec<Candidate>> {
        let n = self.region.items.len();
        for i in 0..n {
            let rows = match &self.region.items[i].source {
                Source::Table(scan) => self.p.scan_rows(&scan.clone()),
                Source::Other(..) => 1.0,
            };
            self.rows.push(rows);
        }
        for i in 0..n {
            self.base(i)?;
        }
        let full: RelSet = if n == 64 { !0 } else { (1 << n) - 1 };
        if n <= EXHAUSTIVE_MAX {
            self.exhaustive(n)?;
        } else {
            self.greedy(n)?;
        }
        let Some(all) = self.subsets.remove(&full) else {
            return Err(quarry_common::Error::internal("no valid join order was found"));
        };
        let fraction = self.want.rows;
        let mut best: Option<usize> = None;
        let cost = |p: &Path| {
            if fraction > 0.0 && p.rows > fraction {
                p.startup + (p.total - p.startup) * fraction / p.rows
            } else {
                p.total
            }
        };
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
            let useful = self.want.orders.iter().any(|w| self.p.common_order(&path.order, w) > 0);
            if Some(i) == best || useful || fraction > 0.0 {
                out.push(Candidate { plan: self.build(path), order: path.order.clone() });
            }
        }
        if out.is_empty() {
            return Err(quarry_common::Error::internal("no join order without outside parameters"));
        }
        Ok(out)
    }

    /// Paths of one item.
    fn base(&mut self, i: usize) -> Result<()> {
        let mut want = Want { orders: self.want.orders.clone(), rows: 0.0 };
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
        let candidates = match &mut self.region.items[i].source {
            Source::Table(scan) => {
                let scan = scan.clone();
                self.p.scan_candidates(&scan, &want)?
            }
            Source::Other(plan, filter) => {
                let (plan, filter) = (plan.take(), std::mem::take(filter));
                self.p.item_candidates(plan, filter, &want)?
            }
        };
        let rows = candidates[0].plan.rows;
        let mut subset = Subset { rows, paths: vec![] };
        for c in candidates {
            add_path(&mut subset, leaf(c, lateral, vec![]), self.p);
        }
        if let Source::Table(scan) = &self.region.items[i].source
            && !scan.relation.indexes.is_empty()
        {
            let scan = scan.clone();
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
                let exprs: Vec<Expr> = extra.iter().map(|(_, e)| e.clone()).collect();
                let applied: Vec<Applied> = extra.iter().map(|(a, _)| *a).collect();
                let mut found = vec![];
                let loops = (0..self.rows.len())
                    .filter(|j| set >> j & 1 == 1)
                    .map(|j| self.rows[j])
                    .fold(f64::MAX, f64::min)
                    .clamp(1.0, 1e9);
                self.p.index_candidates(&scan, &exprs, rows, loops, &Want::default(), &mut found)?;
                for c in found {
                    add_path(&mut subset, leaf(c, set, applied.clone()), self.p);
                }
            }
        }
        self.subsets.insert(bit, subset);
        Ok(())
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
            if s.right == bit {
                for (m, e) in s.on.iter().enumerate() {
                    if s.on_refs[m] & bit != 0 && s.on_refs[m] != bit && !crate::exprs::is_volatile(e) {
                        out.push((Applied::On(n, m), e.clone(), s.on_refs[m]));
                    }
                }
            }
        }
        out
    }

    fn exhaustive(&mut self, n: usize) -> Result<()> {
        let mut levels: Vec<Vec<RelSet>> = vec![vec![], (0..n).map(|i| 1 << i).collect()];
        for size in 2..=n {
            let mut made: Vec<RelSet> = vec![];
            for pass in 0..2 {
                for k in 1..=size / 2 {
                    let (small, large) = (levels[k].clone(), levels[size - k].clone());
                    for a in &small {
                        for b in &large {
                            if a & b != 0 || (k * 2 == size && a >= b) {
                                continue;
                            }
                            // Without a condition between them only if there is no other way.
                            if pass == 0 && !self.connected(*a, *b) {
                                continue;
                            }
                            if self.join_pair(*a, *b) && !made.contains(&(a | b)) {
                                made.push(a | b);
                            }
                        }
                    }
                }
                // Level by level, as PostgreSQL: Cartesian products where nothing else joined.
                if !made.is_empty() {
                    break;
                }
            }
            levels.push(made);
        }
        let full: RelSet = (1 << n) - 1;
        if !self.subsets.contains_key(&full) {
            // Conditions and outer joins left islands that only products connect.
            return self.greedy(n);
        }
        Ok(())
    }

    fn greedy(&mut self, n: usize) -> Result<()> {
        let mut parts: Vec<RelSet> = (0..n).map(|i| 1 << i).collect();
        while parts.len() > 1 {
            let mut best: Option<(bool, f64, usize, usize)> = None;
            for i in 0..parts.len() {
                for j in i + 1..parts.len() {
                    let (a, b) = (parts[i], parts[j]);
                    let Some((kind, _)) = self.legal(a, b) else { continue };
                    let _ = kind;
                    // A LATERAL item that still lacks columns afterwards would be in the way of outer joins.
                    let connected = self.connected(a, b) && self.lateral_of(a | b) & !(a | b) == 0;
                    if best.is_some_and(|(c, _, _, _)| c && !connected) {
                        continue;
                    }
                    if !self.subsets.contains_key(&(a | b)) && !self.join_pair(a, b) {
                        continue;
                    }
                    let rows = self.subsets[&(a | b)].rows;
                    if best.is_none_or(|(c, r, _, _)| (connected && !c) || (connected == c && rows < r)) {
                        best = Some((connected, rows, i, j));
                    }
                }
            }
            let Some((_, _, i, j)) = best else {
                return Err(quarry_common::Error::internal("no valid join order was found"));
            };
            let merged = parts[i] | parts[j];
            parts.remove(j);
            parts[i] = merged;
        }
        Ok(())
    }

    /// The items that LATERAL items of a set read.
    fn lateral_of(&self, set: RelSet) -> RelSet {
        let items = self.region.items.iter().enumerate();
        items.filter(|(i, _)| set >> i & 1 == 1).fold(0, |out, (_, item)| out | item.lateral)
    }

    fn connected(&self, a: RelSet, b: RelSet) -> bool {
        let both = a | b;
        self.region.clauses.iter().any(|c| c.refs & a != 0 && c.refs & b != 0)
            || self.region.classes.iter().any(|k| {
                k.members.iter().any(|m| a >> m.1 & 1 == 1) && k.members.iter().any(|m| b >> m.1 & 1 == 1)
            })
            // Parts of an outer join's right side must be joined before it.
            || self.region.specials.iter().any(|s| s.right & a != 0 && s.right & b != 0)
            || self.region.specials.iter().any(|s| {
                (s.right & !a == 0 && s.min_left & b != 0 || s.right & !b == 0 && s.min_left & a != 0)
                    && s.right & both == s.right
            })
            || self.region.items.iter().enumerate().any(|(i, item)| {
                a >> i & 1 == 1 && item.lateral & b != 0 || b >> i & 1 == 1 && item.lateral & a != 0
            })
    }

    /// Whether two subsets may be joined now: the kind of join, and whether `b` is its left side.
    fn legal(&self, a: RelSet, b: RelSet) -> Option<(Option<usize>, bool)> {
        let all = a | b;
        let mut found: Option<(usize, bool)> = None;
        for (i, s) in self.region.specials.iter().enumerate() {
            if all & s.right == 0 || all & !s.right == 0 {
                continue;
            }
            let done = |x: RelSet| s.right & !x == 0 && s.min_left & !x == 0;
            if done(a) || done(b) {
                continue;
            }
            let fits = |l: RelSet, r: RelSet| r == s.right && s.min_left & !l == 0;
            if fits(a, b) && found.is_none() {
                found = Some((i, false));
            } else if fits(b, a) && found.is_none() {
                found = Some((i, true));
            } else {
                return None;
            }
        }
        if self.strands_lateral(all) {
            return None;
        }
        Some(match found {
            Some((i, flipped)) => (Some(i), flipped),
            None => (None, false),
        })
    }

    /// Whether a subset has a LATERAL item that reads the right side of an outer join for which the subset is the left side: no
    /// order could go on from there (PostgreSQL: the end of `join_is_legal`).
    fn strands_lateral(&self, all: RelSet) -> bool {
        let items = self.region.items.iter().enumerate();
        let lateral =
            items.filter(|(i, _)| all >> i & 1 == 1).fold(0, |l, (_, item)| l | item.lateral) & !all;
        if lateral == 0 {
            return false;
        }
        let mut reach = all;
        loop {
            let before = reach;
            for s in &self.region.specials {
                if s.min_left & reach != 0 {
                    reach |= s.right;
                }
            }
            if reach == before {
                return reach & lateral != 0;
            }
        }
    }
}

fn leaf(c: Candidate, params: RelSet, applied: Vec<Applied>) -> Path {
    Path {
        rows: c.plan.rows,
        width: c.plan.width,
        startup: c.plan.startup_cost,
        total: c.plan.total_cost,
        order: c.order,
        params,
        applied,
        step: Step::Leaf(Box::new(c.plan)),
    }
}

/// Keeps a path unless another is at least as good in every respect; drops those it beats.
fn add_path(subset: &mut Subset, new: Path, p: &Planner<'_>) {
    const FUZZ: f64 = 1.01;
    let better_order = |a: &[SortKey], b: &[SortKey]| p.common_order(a, b) >= b.len();
    let dominates = |a: &Path, b: &Path| {
        a.total <= b.total * FUZZ
            && a.startup <= b.startup * FUZZ
            && a.params & !b.params == 0
            && better_order(&a.order, &b.order)
    };
    for old in &subset.paths {
        if dominates(old, &new) && !(dominates(&new, old) && new.total < old.total) {
            return;
        }
    }
    subset.paths.retain(|old| !dominates(&new, old));
    subset.paths.push(Rc::new(new));
}
