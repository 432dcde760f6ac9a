//! The search for a join order: subsets of a region's items by size, each with its best paths (PostgreSQL: `joinrels.c`,
//! `joinpath.c`, `pathnode.c`); pairs with the fewest rows first where there are too many items.

mod build;

use crate::cost::{self, DISABLED};
use crate::exprs::equality;
use crate::joins::{hash_key, join_rows};
use crate::planner::{Candidate, Planner, Want};
use crate::region::{Region, RelSet, Source};
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalNode, PhysicalPlan, SortKey};
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
}

struct Search<'s, 'a> {
    p: &'s mut Planner<'a>,
    region: Region,
    subsets: HashMap<RelSet, Subset>,
    want: Want,
    /// Rows of each item; 1 where not known yet.
    rows: Vec<f64>,
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
        let mut search =
            Search { p: self, region, subsets: HashMap::new(), want: want.clone(), rows: vec![] };
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
                    let connected = self.connected(a, b);
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

    fn connected(&self, a: RelSet, b: RelSet) -> bool {
        let both = a | b;
        self.region.clauses.iter().any(|c| c.refs & a != 0 && c.refs & b != 0)
            || self.region.classes.iter().any(|k| {
                k.members.iter().any(|m| a >> m.1 & 1 == 1) && k.members.iter().any(|m| b >> m.1 & 1 == 1)
            })
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
        Some(match found {
            Some((i, flipped)) => (Some(i), flipped),
            None => (None, false),
        })
    }

    /// Makes the paths of `a` joined with `b`; false if that is not allowed.
    fn join_pair(&mut self, a: RelSet, b: RelSet) -> bool {
        let Some((special, flipped)) = self.legal(a, b) else { return false };
        if self.subsets.get(&a).is_none_or(|s| s.paths.is_empty())
            || self.subsets.get(&b).is_none_or(|s| s.paths.is_empty())
        {
            return false;
        }
        let (left, right) = if flipped { (b, a) } else { (a, b) };
        let pair = self.pair(left, right, special);
        let (lr, rr) = (self.subsets[&left].rows, self.subsets[&right].rows);
        let post = self.p.selectivity(&pair.post);
        let rows = cost::clamp_rows(join_rows(pair.kind, lr, rr, pair.selectivity) * post);
        let mut subset = self.subsets.remove(&(a | b)).unwrap_or(Subset { rows, paths: vec![] });
        let rows = subset.rows;
        let (lp, rp) = (self.subsets[&left].paths.clone(), self.subsets[&right].paths.clone());
        self.paths(&mut subset, left, right, &lp, &rp, &pair, pair.kind, rows);
        match pair.kind {
            JoinKind::Inner => self.paths(&mut subset, right, left, &rp, &lp, &pair, JoinKind::Inner, rows),
            JoinKind::Left => self.paths(&mut subset, right, left, &rp, &lp, &pair, JoinKind::Right, rows),
            JoinKind::Semi => {
                // Without duplicates on the right it is an inner join, in either direction.
                if let Some(unique) = self.unique_side(right, &rp, &pair) {
                    let unique = vec![Rc::new(unique)];
                    self.paths(&mut subset, left, right, &lp, &unique, &pair, JoinKind::Inner, rows);
                    self.paths(&mut subset, right, left, &unique, &lp, &pair, JoinKind::Inner, rows);
                }
            }
            _ => {}
        }
        let any = !subset.paths.is_empty();
        if any {
            self.subsets.insert(a | b, subset);
        }
        any
    }

    /// The right side of a semi join with its duplicates (in the joined columns) removed.
    fn unique_side(&mut self, right: RelSet, paths: &[Rc<Path>], pair: &Pair) -> Option<Path> {
        let columns = self.columns(right);
        let mut keys: Vec<(ColumnId, Expr)> = vec![];
        for (_, e) in &pair.on {
            let (op, l, r) = crate::exprs::binary(e)?;
            if !crate::exprs::is_equality(op) || !op.hashes || l.ty().oid != r.ty().oid {
                return None;
            }
            let side = match (l, r) {
                (Expr::Column { id, .. }, other)
                    if columns.contains(id)
                        && !crate::exprs::columns(other).iter().any(|c| columns.contains(c)) =>
                {
                    l
                }
                (other, Expr::Column { id, .. })
                    if columns.contains(id)
                        && !crate::exprs::columns(other).iter().any(|c| columns.contains(c)) =>
                {
                    r
                }
                _ => return None,
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
        let startup = input.total + s.cpu_operator_cost * keys.len() as f64 * input.rows;
        let total = startup + s.cpu_tuple_cost * rows;
        let width = self.p.width_of(keys.iter().map(|(id, _)| *id));
        Some(Path {
            step: Step::Unique(input, keys),
            rows,
            width,
            startup,
            total,
            order: vec![],
            params: 0,
            applied: vec![],
        })
    }

    fn pair(&mut self, left: RelSet, right: RelSet, special: Option<usize>) -> Pair {
        let all = left | right;
        let mut on: Vec<(Applied, Expr)> = vec![];
        let mut post = vec![];
        let kind = special.map_or(JoinKind::Inner, |s| self.region.specials[s].kind);
        if let Some(n) = special {
            for (m, e) in self.region.specials[n].on.iter().enumerate() {
                on.push((Applied::On(n, m), e.clone()));
            }
        }
        for (n, class) in self.region.classes.iter().enumerate() {
            if class.constant.is_some() {
                continue;
            }
            let l = class.members.iter().find(|m| left >> m.1 & 1 == 1);
            let r = class.members.iter().find(|m| right >> m.1 & 1 == 1);
            if let (Some(l), Some(r)) = (l, r)
                && let Some(e) = equality(
                    Expr::column(l.0, self.p.meta.get(l.0).ty),
                    Expr::column(r.0, self.p.meta.get(r.0).ty),
                )
            {
                on.push((Applied::Class(n), e));
            }
        }
        for (n, c) in self.region.clauses.iter().enumerate() {
            if c.required & !all == 0 && c.required & !left != 0 && c.required & !right != 0 {
                if kind == JoinKind::Inner {
                    on.push((Applied::Clause(n), c.expr.clone()))
                } else {
                    post.push(c.expr.clone())
                }
            }
        }
        let exprs: Vec<Expr> = on.iter().map(|(_, e)| e.clone()).collect();
        let selectivity = self.p.selectivity(&exprs);
        Pair { kind, on, post, selectivity }
    }

    #[allow(clippy::too_many_arguments)]
    fn paths(
        &mut self,
        subset: &mut Subset,
        outer_set: RelSet,
        inner_set: RelSet,
        outers: &[Rc<Path>],
        inners: &[Rc<Path>],
        pair: &Pair,
        kind: JoinKind,
        rows: f64,
    ) {
        let s = self.p.env.settings.clone();
        let all = outer_set | inner_set;
        let cheapest = |paths: &[Rc<Path>]| -> Option<Rc<Path>> {
            paths.iter().filter(|p| p.params & all == 0).min_by(|a, b| a.total.total_cmp(&b.total)).cloned()
        };
        let mut made: Vec<Path> = vec![];
        // Nested loops.
        if kind != JoinKind::Right && kind != JoinKind::Full {
            for outer in outers {
                if outer.params & inner_set != 0 {
                    continue;
                }
                for inner in inners {
                    // A parameterised path takes all its parameters from one outer side: what it applied is then settled.
                    if inner.params & outer_set != 0 && inner.params & !outer_set != 0 {
                        continue;
                    }
                    made.push(self.nest_loop(kind, outer, inner, pair, outer_set, rows));
                    if inner.params & outer_set == 0
                        && s.enable_material
                        && !matches!(inner.step, Step::Materialize(_))
                    {
                        let kept = Rc::new(materialized(inner, &s));
                        made.push(self.nest_loop(kind, outer, &kept, pair, outer_set, rows));
                    }
                    if inner.params & outer_set != 0
                        && s.enable_memoize
                        && outer.rows > 2.0
                        && let Some(kept) = self.memoized(inner, outer, outer_set)
                    {
                        made.push(self.nest_loop(kind, outer, &Rc::new(kept), pair, outer_set, rows));
                    }
                }
            }
        }
        // Keys for hashing and merging.
        let outer_columns = self.columns(outer_set);
        let inner_columns = self.columns(inner_set);
        let mut keys: Vec<(Expr, Expr, Expr)> = vec![];
        let mut rest: Vec<Expr> = vec![];
        for (_, e) in &pair.on {
            match hash_key(e, &outer_columns, &inner_columns) {
                Some((o, i)) => keys.push((o, i, e.clone())),
                None => rest.push(e.clone()),
            }
        }
        let needs_hash = matches!(kind, JoinKind::Full);
        if let (Some(inner), true) = (cheapest(inners), !keys.is_empty() || needs_hash) {
            for outer in outers {
                if outer.params & inner_set != 0 {
                    continue;
                }
                made.push(self.hash_join(kind, outer, &inner, &keys, &rest, pair, rows));
            }
        }
        let mergeable = !keys.is_empty() && keys.iter().all(|(o, _, e)| self.mergeable(o, e));
        if mergeable && let (Some(o), Some(i)) = (cheapest(outers), cheapest(inners)) {
            // Sorted sides that exist already, and the cheapest ones sorted.
            let order: Vec<SortKey> = keys.iter().map(|(o, _, _)| asc(o)).collect();
            let inner_order: Vec<SortKey> = keys.iter().map(|(_, i, _)| asc(i)).collect();
            let pick =
                |this: &mut Self, paths: &[Rc<Path>], cheap: &Rc<Path>, order: &[SortKey]| -> Rc<Path> {
                    let sorted = Rc::new(this.sort_path(cheap, order));
                    paths
                        .iter()
                        .filter(|p| {
                            p.params & all == 0 && this.p.common_order(&p.order, order) >= order.len()
                        })
                        .cloned()
                        .chain([sorted])
                        .min_by(|a, b| a.total.total_cmp(&b.total))
                        .expect("the sorted path is there")
                };
            let outer = pick(self, outers, &o, &order);
            let inner = pick(self, inners, &i, &inner_order);
            made.push(self.merge_join(kind, &outer, &inner, &keys, &rest, pair, rows));
        }
        for p in made {
            add_path(subset, p, self.p);
        }
    }

    fn mergeable(&self, key: &Expr, condition: &Expr) -> bool {
        crate::exprs::binary(condition).is_some_and(|(op, _, _)| op.merges)
            && self.p.env.catalog.type_ref(key.ty().oid).is_ok_and(|t| t.functions.compare.is_some())
    }

    fn columns(&self, set: RelSet) -> Vec<ColumnId> {
        self.region
            .items
            .iter()
            .enumerate()
            .filter(|(i, _)| set >> i & 1 == 1)
            .flat_map(|(_, item)| item.columns.iter().copied())
            .collect()
    }

    fn sort_path(&self, input: &Rc<Path>, keys: &[SortKey]) -> Path {
        let s = &self.p.env.settings;
        let (startup, run) = cost::sort(input.rows, input.width, 0.0, s);
        let penalty = if s.enable_sort { 0.0 } else { DISABLED };
        Path {
            step: Step::Sort(input.clone(), keys.to_vec()),
            rows: input.rows,
            width: input.width,
            startup: input.total + startup + penalty,
            total: input.total + startup + run + penalty,
            order: keys.to_vec(),
            params: input.params,
            applied: input.applied.clone(),
        }
    }

    /// A cache of a parameterised inner path's rows by its parameters, if those repeat enough.
    fn memoized(&mut self, inner: &Rc<Path>, outer: &Rc<Path>, outer_set: RelSet) -> Option<Path> {
        let Step::Leaf(plan) = &inner.step else { return None };
        let mut keys = vec![];
        let PhysicalNode::IndexScan { conds, .. } = &plan.node else { return None };
        for e in conds.iter().map(|c| &c.source).chain(&plan.filter) {
            quarry_plan::walk::columns_of(e, &mut keys);
        }
        let outer_columns = self.columns(outer_set);
        keys.retain(|id| outer_columns.contains(id));
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() || inner.params & !outer_set != 0 {
            return None;
        }
        let exprs: Vec<Expr> = keys.iter().map(|id| Expr::column(*id, self.p.meta.get(*id).ty)).collect();
        if !exprs
            .iter()
            .all(|e| self.p.env.catalog.type_ref(e.ty().oid).is_ok_and(|t| t.functions.hash.is_some()))
        {
            return None;
        }
        let refs: Vec<&Expr> = exprs.iter().collect();
        let distinct = self.p.group_count(&refs, outer.rows);
        let s = &self.p.env.settings;
        let entry = inner.rows * cost::row_bytes(inner.width) + 100.0;
        let fit = (s.hash_mem() / entry).floor().max(1.0).min(distinct);
        let calls = outer.rows;
        let hit = ((calls - distinct) / calls * (fit / distinct.max(fit))).clamp(0.0, 1.0);
        let evict = 1.0 - fit / distinct;
        let mut total = inner.total * (1.0 - hit) + s.cpu_operator_cost;
        total += s.cpu_tuple_cost * evict
            + s.cpu_operator_cost * evict * inner.rows
            + s.cpu_tuple_cost * inner.rows;
        let startup = inner.startup * (1.0 - hit) + s.cpu_tuple_cost;
        Some(Path {
            step: Step::Memoize(inner.clone(), keys),
            rows: inner.rows,
            width: inner.width,
            startup,
            total: total.max(startup),
            order: vec![],
            params: inner.params,
            applied: inner.applied.clone(),
        })
    }

    fn nest_loop(
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
    fn hash_join(
        &mut self,
        kind: JoinKind,
        outer: &Rc<Path>,
        inner: &Rc<Path>,
        keys: &[(Expr, Expr, Expr)],
        rest: &[Expr],
        pair: &Pair,
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
        let tuples = if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
            let matches = (pair.selectivity * inner.rows).max(0.0);
            let matched = (outer.rows * matches.min(1.0)).round();
            let fraction = 2.0 / (matches.max(1.0) + 1.0);
            run += s.cpu_operator_cost
                * n
                * (matched * (bucket * fraction).max(1.0) * 0.5 + (outer.rows - matched) * bucket * 0.05);
            if kind == JoinKind::Semi { matched } else { (outer.rows - matched).max(1.0) }
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
    fn merge_join(
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

fn asc(e: &Expr) -> SortKey {
    SortKey { expr: e.clone(), descending: false, nulls_first: false }
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

fn materialized(input: &Rc<Path>, s: &crate::PlannerSettings) -> Path {
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
fn rescan(p: &Path, s: &crate::PlannerSettings) -> (f64, f64) {
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
