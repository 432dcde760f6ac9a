//! Which items of a region are joined by conditions, and the pairs of connected, disjoint sets of them that a complete search
//! looks at (Moerkotte, Neumann: "Dynamic Programming Strikes Back"). A condition over three or more items, and what an outer join's
//! condition reads on one side, connects each of its items with each other: the pairs are then more than a hypergraph's, and
//! which of them are allowed, [`super::legal`] says.

use crate::region::{Region, RelSet};

/// Neighbours of each item.
pub(super) struct Graph {
    neighbours: Vec<RelSet>,
}

/// Positions of the members of a set, ascending.
pub(super) fn members(set: RelSet) -> impl Iterator<Item = usize> {
    let mut rest = set;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let i = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(i)
    })
}

/// The set of the first `n` items.
pub(super) fn first(n: usize) -> RelSet {
    if n >= RelSet::BITS as usize { RelSet::MAX } else { (1 << n) - 1 }
}

impl Graph {
    pub(super) fn of(region: &Region) -> Graph {
        let mut g = Graph { neighbours: vec![0; region.items.len()] };
        for c in &region.clauses {
            g.connect(c.refs);
        }
        for class in &region.classes {
            g.connect(class.members.iter().fold(0, |set, m| set | 1 << m.1));
        }
        for (i, item) in region.items.iter().enumerate() {
            for j in members(item.lateral) {
                g.edge(i, j);
            }
        }
        for s in &region.specials {
            s.on_refs.iter().for_each(|refs| g.connect(*refs));
        }
        // What must be joined before something else can, is joined without a condition where there is none.
        for s in &region.specials {
            g.unite(s.min_right);
            g.unite(s.right);
            g.unite(s.min_left);
            g.unite(s.min_left | s.right);
        }
        for c in &region.clauses {
            g.unite(c.required);
        }
        g
    }

    fn edge(&mut self, i: usize, j: usize) {
        if i != j {
            self.neighbours[i] |= 1 << j;
            self.neighbours[j] |= 1 << i;
        }
    }

    fn connect(&mut self, set: RelSet) {
        for i in members(set) {
            self.neighbours[i] |= set & !(1 << i);
        }
    }

    /// Connects the parts of a set with each other if it has several.
    fn unite(&mut self, set: RelSet) {
        let parts = self.parts(set);
        for (n, part) in parts.iter().enumerate() {
            for i in members(*part) {
                for other in &parts[n + 1..] {
                    members(*other).for_each(|j| self.edge(i, j));
                }
            }
        }
    }

    /// The connected parts of a set.
    pub(super) fn parts(&self, set: RelSet) -> Vec<RelSet> {
        let mut out = vec![];
        let mut rest = set;
        while rest != 0 {
            let mut part: RelSet = 1 << rest.trailing_zeros();
            loop {
                let grown = part | (self.around(part) & set);
                if grown == part {
                    break;
                }
                part = grown;
            }
            out.push(part);
            rest &= !part;
        }
        out
    }

    fn around(&self, set: RelSet) -> RelSet {
        members(set).fold(0, |out, i| out | self.neighbours[i])
    }

    /// Whether a condition is between the two.
    pub(super) fn adjacent(&self, a: RelSet, b: RelSet) -> bool {
        self.around(a) & b != 0
    }

    /// Every pair of disjoint connected sets of `units` with a condition between them, each once; none if they are more than `most`.
    /// A pair comes after those that its two sides are made of.
    pub(super) fn pairs(&self, units: &[RelSet], most: usize) -> Option<Vec<(RelSet, RelSet)>> {
        let neighbours = units
            .iter()
            .enumerate()
            .map(|(i, unit)| {
                let around = self.around(*unit);
                let others = units.iter().enumerate().filter(|(j, other)| *j != i && around & **other != 0);
                others.fold(0, |set, (j, _)| set | 1 << j)
            })
            .collect();
        let mut e = Enumeration { neighbours, units, pairs: vec![], steps: 0, most };
        e.run()?;
        Some(e.pairs)
    }
}

/// The enumeration over units, which stand for themselves here by position.
struct Enumeration<'u> {
    neighbours: Vec<RelSet>,
    units: &'u [RelSet],
    pairs: Vec<(RelSet, RelSet)>,
    steps: usize,
    most: usize,
}

impl Enumeration<'_> {
    fn run(&mut self) -> Option<()> {
        for i in (0..self.units.len()).rev() {
            let start: RelSet = 1 << i;
            self.complements(start)?;
            self.grow(start, first(i + 1))?;
        }
        Some(())
    }

    fn around(&self, set: RelSet) -> RelSet {
        members(set).fold(0, |out, i| out | self.neighbours[i])
    }

    fn items(&self, set: RelSet) -> RelSet {
        members(set).fold(0, |out, i| out | self.units[i])
    }

    fn step(&mut self) -> Option<()> {
        self.steps += 1;
        // Sets without a pair are few beside the pairs.
        (self.steps <= self.most.saturating_mul(4) && self.pairs.len() <= self.most).then_some(())
    }

    /// Larger connected sets around `set` without what is in `excluded`.
    fn grow(&mut self, set: RelSet, excluded: RelSet) -> Option<()> {
        let around = self.around(set) & !excluded & !set;
        for more in subsets(around) {
            self.complements(set | more)?;
        }
        for more in subsets(around) {
            self.step()?;
            self.grow(set | more, excluded | around)?;
        }
        Some(())
    }

    /// The sets that `set` can be joined with and whose first member comes after its own first.
    fn complements(&mut self, set: RelSet) -> Option<()> {
        self.step()?;
        let below = first(set.trailing_zeros() as usize + 1);
        let excluded = below | set;
        let around = self.around(set) & !excluded;
        let order: Vec<usize> = members(around).collect();
        for i in order.into_iter().rev() {
            let other: RelSet = 1 << i;
            self.pair(set, other)?;
            self.grow_complement(set, other, excluded | (first(i + 1) & around))?;
        }
        Some(())
    }

    fn grow_complement(&mut self, set: RelSet, other: RelSet, excluded: RelSet) -> Option<()> {
        let around = self.around(other) & !excluded & !other;
        for more in subsets(around) {
            self.pair(set, other | more)?;
        }
        for more in subsets(around) {
            self.step()?;
            self.grow_complement(set, other | more, excluded | around)?;
        }
        Some(())
    }

    fn pair(&mut self, a: RelSet, b: RelSet) -> Option<()> {
        self.step()?;
        self.pairs.push((self.items(a), self.items(b)));
        Some(())
    }
}

/// The subsets of a set but the empty one, in ascending order of their numbers.
fn subsets(set: RelSet) -> impl Iterator<Item = RelSet> {
    let mut last: RelSet = 0;
    std::iter::from_fn(move || {
        last = last.wrapping_sub(set) & set;
        (last != 0).then_some(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(n: usize, edges: &[(usize, usize)]) -> Graph {
        let mut g = Graph { neighbours: vec![0; n] };
        edges.iter().for_each(|(i, j)| g.edge(*i, *j));
        g
    }
    fn count(n: usize, edges: &[(usize, usize)]) -> usize {
        let g = graph(n, edges);
        let units: Vec<RelSet> = (0..n).map(|i| 1 << i).collect();
        let pairs = g.pairs(&units, 1_000_000).expect("within the limit");
        let mut seen: Vec<_> = pairs.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), pairs.len(), "each pair once");
        for (a, b) in &pairs {
            assert!(a & b == 0 && g.adjacent(*a, *b));
            assert!(g.parts(*a).len() == 1 && g.parts(*b).len() == 1);
        }
        // Sides are made before they are used.
        let mut made = units;
        for (a, b) in &pairs {
            assert!(made.contains(a) && made.contains(b));
            if !made.contains(&(a | b)) {
                made.push(a | b);
            }
        }
        pairs.len()
    }

    /// The numbers of the literature (Ono, Lohman: "Measuring the Complexity of Join Enumeration").
    #[test]
    fn counts_of_pairs() {
        for n in 2..=10usize {
            let chain: Vec<_> = (1..n).map(|i| (i - 1, i)).collect();
            assert_eq!(count(n, &chain), (n * n * n - n) / 6, "chain of {n}");
            let star: Vec<_> = (1..n).map(|i| (0, i)).collect();
            assert_eq!(count(n, &star), (n - 1) << (n - 2), "star of {n}");
        }
        for n in 2..=8usize {
            let clique: Vec<_> = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
            assert_eq!(count(n, &clique), (3usize.pow(n as u32) - (2 << n)).div_ceil(2), "clique of {n}");
        }
        let cycle: Vec<_> = (0..7).map(|i| (i, (i + 1) % 7)).collect();
        assert_eq!(count(7, &cycle), (7 * 7 * 7 - 2 * 7 * 7 + 7) / 2);
    }

    #[test]
    fn the_limit_ends_the_search_early() {
        let star: Vec<_> = (1..100).map(|i| (0, i)).collect();
        let g = graph(100, &star);
        let units: Vec<RelSet> = (0..100).map(|i| 1 << i).collect();
        assert!(g.pairs(&units, 1000).is_none());
        assert_eq!(g.parts(first(100)).len(), 1);
        assert_eq!(g.parts(first(100) & !1).len(), 99);
    }
}
