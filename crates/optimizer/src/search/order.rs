//! In which order pairs of subsets are tried: all connected pairs level by level as PostgreSQL does, where these are not too many;
//! else a tree by smallest results (greedy operator ordering), whose parts are searched completely afterwards (Kossmann, Stocker:
//! "Iterative Dynamic Programming", the second variant); at last the order as written.

use super::graph::{Graph, first, members};
use super::pair::{Joined, Side, Sides};
use super::{Search, Starts, Subset};
use crate::cost;
use crate::region::{RelSet, Shape, Special};
use hashbrown::HashMap;
use quarry_common::{Error, Result};
use quarry_plan::JoinKind;

/// Pairs that are looked at for a complete search.
const PAIRS_MAX: usize = 8_000;

/// As many for each part of a tree that is searched again.
const PART_PAIRS_MAX: usize = 300;

/// Leaves of such a part.
const PART_LEAVES_MAX: usize = 8;

/// Items up to which products are tried wherever nothing else joins, if conditions don't connect all items.
const LEVELS_MAX: usize = 7;

/// How many times as many rows the right side of a semi or anti join must have to be read past a table of the left one. PostgreSQL
/// 15 doesn't know such joins: in small plans we do as it does.
const SMALLER_SIDE: f64 = 2.0;

/// A join tree over subsets.
enum Tree {
    Leaf(RelSet),
    Join(RelSet, Box<Tree>, Box<Tree>),
}

impl Tree {
    fn set(&self) -> RelSet {
        match self {
            Tree::Leaf(set) | Tree::Join(set, _, _) => *set,
        }
    }
}

impl Search<'_, '_> {
    /// Makes the paths of all items together.
    pub(super) fn order(&mut self) -> Result<()> {
        let n = self.region.items.len();
        let all = first(n);
        let graph = Graph::of(&self.region);
        let units = self.units();
        if graph.parts(all).len() == 1 {
            if let Some(pairs) = graph.pairs(&units, PAIRS_MAX) {
                self.enumerate(&units, pairs);
            }
        } else if n <= LEVELS_MAX && units.len() == n {
            self.by_levels(n, &graph);
        }
        if self.subsets.contains_key(&all) {
            return Ok(());
        }
        if self.bound.dropped {
            return Err(super::bound::too_much());
        }
        if let Some(tree) = self.greedy(&units, &graph) {
            self.refine(&tree, &graph);
        }
        if self.subsets.contains_key(&all) {
            return Ok(());
        }
        if self.bound.dropped {
            return Err(super::bound::too_much());
        }
        self.forget_order();
        let shape = std::mem::replace(&mut self.region.shape, Shape::Item(0));
        self.as_written(&shape)?;
        self.region.shape = shape;
        Ok(())
    }

    /// Joins these pairs in PostgreSQL's order: by size; of one size, those with the smallest side first; else as their sides came up.
    fn enumerate(&mut self, units: &[RelSet], pairs: Vec<(RelSet, RelSet)>) {
        let mut size: HashMap<RelSet, usize> = units.iter().map(|u| (*u, 1)).collect();
        let mut rank: HashMap<RelSet, usize> = units.iter().enumerate().map(|(i, u)| (*u, i)).collect();
        let mut levels: Vec<Vec<(RelSet, RelSet)>> = vec![vec![]; units.len() + 1];
        for (a, b) in pairs {
            let of = |set: &RelSet| size.get(set).copied();
            let (Some(x), Some(y)) = (of(&a), of(&b)) else { continue };
            size.insert(a | b, x + y);
            let pair = if x < y || x == y && a < b { (a, b) } else { (b, a) };
            levels[x + y].push(pair);
        }
        for level in &mut levels {
            let key = |(a, b): &(RelSet, RelSet)| {
                let at = |set| rank.get(set).copied().unwrap_or(usize::MAX);
                (size[a], at(a), at(b))
            };
            level.sort_by_cached_key(key);
            for (a, b) in level.iter() {
                if self.join_pair(*a, *b) {
                    let next = rank.len();
                    rank.entry(a | b).or_insert(next);
                }
            }
        }
    }

    /// Level by level; Cartesian products where nothing else was joined.
    fn by_levels(&mut self, n: usize, graph: &Graph) {
        let mut levels: Vec<Vec<RelSet>> = vec![vec![], (0..n).map(|i| 1 << i).collect()];
        for size in 2..=n {
            let mut made: Vec<RelSet> = vec![];
            for products in [false, true] {
                for k in 1..=size / 2 {
                    let (small, large) = (levels[k].clone(), levels[size - k].clone());
                    for a in &small {
                        for b in &large {
                            if a & b != 0 || (k * 2 == size && a >= b) {
                                continue;
                            }
                            if !products && !graph.adjacent(*a, *b) {
                                continue;
                            }
                            if self.join_pair(*a, *b) && !made.contains(&(a | b)) {
                                made.push(a | b);
                            }
                        }
                    }
                }
                if !made.is_empty() {
                    break;
                }
            }
            levels.push(made);
        }
    }

    /// A tree in which the two parts with the fewest rows together are joined first; none if it comes to a dead end.
    fn greedy(&mut self, units: &[RelSet], graph: &Graph) -> Option<Tree> {
        let mut parts: Vec<(Tree, f64)> = vec![];
        for unit in units {
            parts.push((Tree::Leaf(*unit), self.subsets.get(unit)?.rows));
        }
        // What joining two parts gives: whether a condition connects them, and rows. None: they can't be joined.
        let mut known: HashMap<(RelSet, RelSet), Option<(bool, f64)>> = HashMap::new();
        while parts.len() > 1 {
            let mut best: Option<(bool, f64, usize, usize)> = None;
            for i in 0..parts.len() {
                for j in i + 1..parts.len() {
                    let (a, b) = (parts[i].0.set(), parts[j].0.set());
                    let estimate = *known
                        .entry((a, b))
                        .or_insert_with(|| self.estimate_pair(a, b, parts[i].1, parts[j].1, graph));
                    let Some((connected, rows)) = estimate else { continue };
                    if best.is_none_or(|(c, r, _, _)| (connected && !c) || (connected == c && rows < r)) {
                        best = Some((connected, rows, i, j));
                    }
                }
            }
            let (_, rows, i, j) = best?;
            let (right, _) = parts.remove(j);
            let (left, _) = std::mem::replace(&mut parts[i], (Tree::Leaf(0), 0.0));
            parts[i] = (Tree::Join(left.set() | right.set(), Box::new(left), Box::new(right)), rows);
        }
        parts.pop().map(|(tree, _)| tree)
    }

    fn estimate_pair(
        &mut self,
        a: RelSet,
        b: RelSet,
        a_rows: f64,
        b_rows: f64,
        graph: &Graph,
    ) -> Option<(bool, f64)> {
        let (special, flipped) = self.legal(a, b)?;
        // A LATERAL item that still lacks columns afterwards would be in the way of outer joins.
        let connected = graph.adjacent(a, b) && self.lateral_of(a | b) & !(a | b) == 0;
        if !connected && special.is_none() {
            return Some((false, cost::clamp_rows(a_rows * b_rows)));
        }
        let (left, right, lr, rr) = if flipped { (b, a, b_rows, a_rows) } else { (a, b, a_rows, b_rows) };
        let pair = self.pair(left, right, special);
        Some((connected, self.pair_rows(&pair, right, lr, rr)))
    }

    /// Makes the paths of a tree's set: the joins at the top are searched completely, over what is below as it stands.
    fn refine(&mut self, tree: &Tree, graph: &Graph) {
        let Tree::Join(all, left, right) = tree else { return };
        if self.subsets.contains_key(all) {
            return;
        }
        let mut most = PART_LEAVES_MAX;
        while graph.adjacent(left.set(), right.set()) && most > 2 {
            let mut units: Vec<&Tree> = vec![left, right];
            while units.len() < most {
                // A product stays as it is.
                let split = |t: &&Tree| matches!(t, Tree::Join(_, l, r) if graph.adjacent(l.set(), r.set()));
                let largest = units
                    .iter()
                    .enumerate()
                    .filter(|(_, t)| split(t))
                    .max_by_key(|(_, t)| t.set().count_ones());
                let Some((at, Tree::Join(_, l, r))) = largest.map(|(i, t)| (i, *t)) else { break };
                units.splice(at..=at, [&**l, &**r]);
            }
            let sets: Vec<RelSet> = units.iter().map(|t| t.set()).collect();
            if let Some(pairs) = graph.pairs(&sets, PART_PAIRS_MAX) {
                for unit in units {
                    self.refine(unit, graph);
                }
                self.enumerate(&sets, pairs);
                break;
            }
            most = most.min(sets.len()) - 1;
        }
        if !self.subsets.contains_key(all) {
            self.refine(left, graph);
            self.refine(right, graph);
            self.join_pair(left.set(), right.set());
        }
    }

    /// Joins in the order of the FROM clause, which is always right.
    fn as_written(&mut self, shape: &Shape) -> Result<RelSet> {
        let Shape::Join { special, left, right } = shape else {
            let Shape::Item(i) = shape else { return Ok(0) };
            return Ok(1 << i);
        };
        let (left, right) = (self.as_written(left)?, self.as_written(right)?);
        if !self.subsets.contains_key(&(left | right)) && !self.join_as(left, right, *special) {
            return Err(Error::internal("the join order as written is not possible"));
        }
        Ok(left | right)
    }

    /// The items that LATERAL items of a set read.
    pub(super) fn lateral_of(&self, set: RelSet) -> RelSet {
        members(set).fold(0, |out, i| out | self.region.items[i].lateral)
    }

    /// Makes the paths of `a` joined with `b`; false if that is not allowed.
    pub(super) fn join_pair(&mut self, a: RelSet, b: RelSet) -> bool {
        let Some((special, flipped)) = self.legal(a, b) else { return false };
        let (left, right) = if flipped { (b, a) } else { (a, b) };
        self.join_as(left, right, special)
    }

    /// Whether a semi or anti join's left side is so much the smaller one that it should be hashed rather than the right.
    fn builds_on_left(&self, left: f64, right: f64) -> bool {
        left * SMALLER_SIDE < right || self.p.env.settings.random_joins != 0
    }

    /// Makes the paths of a join; false if there are none.
    fn join_as(&mut self, left: RelSet, right: RelSet, special: Option<usize>) -> bool {
        let (Some(l), Some(r)) = (self.side(left), self.side(right)) else { return false };
        let pair = self.pair(left, right, special);
        let mut subset = match self.subsets.remove(&(left | right)) {
            Some(known) => known,
            None => {
                let rows = self.pair_rows(&pair, right, l.rows, r.rows);
                let rows = self.hinted_rows(left | right, rows);
                let (merges, starts) = (self.merge_keys(left | right), self.starts(left | right));
                Subset::new(rows, merges, starts, self.outside(left | right))
            }
        };
        subset.side = None;
        let rows = subset.rows;
        let forward = Sides { outer_set: left, inner_set: right, outer: &l, inner: &r };
        let backward = Sides { outer_set: right, inner_set: left, outer: &r, inner: &l };
        let join = |kind, turned: bool| {
            let (keyed, inner) = if turned { (&pair.backward, left) } else { (&pair.forward, right) };
            Joined { kind, pair: &pair, keyed, inner_unique: inner & !pair.unique == 0, rows }
        };
        self.paths(&mut subset, forward, join(pair.kind, false));
        match pair.kind {
            JoinKind::Inner | JoinKind::Full => self.paths(&mut subset, backward, join(pair.kind, true)),
            JoinKind::Left => self.paths(&mut subset, backward, join(JoinKind::Right, true)),
            JoinKind::Anti if self.builds_on_left(l.rows, r.rows) => {
                self.paths(&mut subset, backward, join(JoinKind::RightAnti, true))
            }
            JoinKind::Semi => {
                if self.builds_on_left(l.rows, r.rows) {
                    self.paths(&mut subset, backward, join(JoinKind::RightSemi, true));
                }
                // Without duplicates on the right it is an inner join, in either direction.
                if right & !pair.unique == 0 && pair.post.is_empty() {
                    self.paths(&mut subset, forward, join(JoinKind::Inner, false));
                    self.paths(&mut subset, backward, join(JoinKind::Inner, true));
                } else if let Some(unique) = self.unique_side(right, &r.paths, &pair) {
                    let unique = vec![std::rc::Rc::new(unique)];
                    let unique = Side::new(r.rows, unique, Starts::default(), &self.p.env.settings);
                    let inner = Sides { inner: &unique, ..forward };
                    self.paths(&mut subset, inner, join(JoinKind::Inner, false));
                    let outer = Sides { outer: &unique, ..backward };
                    self.paths(&mut subset, outer, join(JoinKind::Inner, true));
                }
            }
            _ => {}
        }
        let any = !subset.paths.is_empty();
        if any {
            self.subsets.insert(left | right, subset);
        }
        any
    }

    /// Of which paths of a subset it counts when they give their first row: of all where not all rows are wanted, of those with
    /// parameters where a semi or anti join needs one row of them.
    pub(super) fn starts(&self, set: RelSet) -> Starts {
        let semi = |s: &Special| matches!(s.kind, JoinKind::Semi | JoinKind::Anti) && s.right == set;
        let plain = self.stops_early;
        let parameterised = set.count_ones() == 1 && self.region.specials.iter().any(semi);
        Starts { plain, parameterised: plain || parameterised }
    }
}
