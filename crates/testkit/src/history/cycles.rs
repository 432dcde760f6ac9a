//! Directed graphs with labelled edges: strongly connected components (Tarjan 1972, without recursion) and shortest cycles.

use std::collections::VecDeque;

/// A graph over `0..len`.
#[derive(Debug)]
pub struct Graph<L> {
    out: Vec<Vec<(u32, L)>>,
}

/// An edge of a path: from, to, label.
pub type Step<L> = (usize, usize, L);

impl<L: Copy> Graph<L> {
    /// A graph without edges.
    pub fn new(len: usize) -> Graph<L> {
        Graph { out: std::iter::repeat_with(Vec::new).take(len).collect() }
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Adds an edge; those from a node to itself are nothing.
    pub fn add(&mut self, from: usize, to: usize, label: L) {
        if from != to {
            self.out[from].push((to as u32, label));
        }
    }

    /// Adds a node.
    pub fn add_node(&mut self) -> usize {
        self.out.push(Vec::new());
        self.out.len() - 1
    }

    /// The edges from a node.
    pub fn edges(&self, from: usize) -> impl Iterator<Item = (usize, L)> {
        self.out[from].iter().map(|(to, label)| (*to as usize, *label))
    }

    /// How many edges are taken by `keep`.
    pub fn count(&self, keep: impl Fn(L) -> bool) -> usize {
        self.out.iter().flatten().filter(|(_, label)| keep(*label)).count()
    }

    /// The components of more than one node, over the edges taken by `keep`.
    pub fn components(&self, keep: impl Fn(L) -> bool) -> Vec<Vec<usize>> {
        const UNSEEN: u32 = u32::MAX;
        let n = self.len();
        let (mut index, mut low) = (vec![UNSEEN; n], vec![0u32; n]);
        let mut on_stack = vec![false; n];
        let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0u32);
        // Nodes being visited, with the position of their next edge.
        let mut visiting: Vec<(usize, usize)> = Vec::new();
        for root in 0..n {
            if index[root] != UNSEEN {
                continue;
            }
            visiting.push((root, 0));
            while let Some((node, at)) = visiting.pop() {
                if at == 0 {
                    index[node] = next;
                    low[node] = next;
                    next += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                let mut descended = false;
                for i in at..self.out[node].len() {
                    let (to, label) = self.out[node][i];
                    let to = to as usize;
                    if !keep(label) {
                        continue;
                    }
                    if index[to] == UNSEEN {
                        visiting.push((node, i + 1));
                        visiting.push((to, 0));
                        descended = true;
                        break;
                    }
                    if on_stack[to] {
                        low[node] = low[node].min(index[to]);
                    }
                }
                if descended {
                    continue;
                }
                if low[node] == index[node] {
                    let mut component = Vec::new();
                    while let Some(member) = stack.pop() {
                        on_stack[member] = false;
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if component.len() > 1 {
                        found.push(component);
                    }
                }
                if let Some((parent, _)) = visiting.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        found
    }

    /// A shortest path by edges that `keep` takes, through nodes that `inside` knows.
    ///
    /// `keep` gets the label of the edge before (`before`, at the first step) and the edge's own. It may look at the former only for what
    /// `kind` says of it: so paths can be asked for in which two edges of a kind don't follow each other. The last edge must also
    /// please `ends`.
    pub fn path(
        &self,
        (from, before): (usize, L),
        (to, ends): (usize, impl Fn(L) -> bool),
        inside: &[bool],
        kind: impl Fn(L) -> bool,
        keep: impl Fn(L, L) -> bool,
    ) -> Option<Vec<Step<L>>> {
        // A node may be come to by an edge of either kind.
        let state = |node: usize, label: L| node * 2 + usize::from(kind(label));
        let mut came: Vec<Option<(usize, usize, L)>> = vec![None; self.len() * 2];
        let start = state(from, before);
        let mut queue = VecDeque::from([(from, before, start)]);
        while let Some((node, last, here)) = queue.pop_front() {
            for (next, label) in self.edges(node) {
                if !inside[next] || !keep(last, label) {
                    continue;
                }
                let there = state(next, label);
                if next == to && ends(label) {
                    let mut path = vec![(node, next, label)];
                    let mut at = here;
                    while at != start {
                        let (previous, source, label) = came[at]?;
                        path.push((source, at / 2, label));
                        at = previous;
                    }
                    path.reverse();
                    return Some(path);
                }
                if there != start && came[there].is_none() {
                    came[there] = Some((here, node, label));
                    queue.push_back((next, label, there));
                }
            }
        }
        None
    }

    /// A shortest cycle through a node, by edges that `keep` takes.
    pub fn cycle(&self, node: usize, inside: &[bool], keep: impl Fn(L) -> bool) -> Option<Vec<Step<L>>> {
        let first = self.edges(node).find(|(to, label)| inside[*to] && keep(*label))?.1;
        self.path((node, first), (node, |_| true), inside, |_| false, |_, label| keep(label))
    }
}

/// Which of `len` nodes are members.
pub fn inside(len: usize, members: &[usize]) -> Vec<bool> {
    let mut inside = vec![false; len];
    members.iter().for_each(|m| inside[*m] = true);
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_found() {
        let mut graph = Graph::new(7);
        for (from, to, label) in
            [(0, 1, 'a'), (1, 2, 'a'), (2, 0, 'b'), (2, 3, 'a'), (3, 4, 'a'), (4, 3, 'a')]
        {
            graph.add(from, to, label);
        }
        graph.add(5, 6, 'a');
        let mut all = graph.components(|_| true);
        all.iter_mut().for_each(|c| c.sort_unstable());
        all.sort();
        assert_eq!(all, [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(graph.components(|l| l == 'a').len(), 1);
    }

    #[test]
    fn a_long_line_needs_no_recursion() {
        let mut graph = Graph::new(200_000);
        (0..199_999).for_each(|i| graph.add(i, i + 1, ()));
        assert!(graph.components(|()| true).is_empty());
        graph.add(199_999, 0, ());
        assert_eq!(graph.components(|()| true)[0].len(), 200_000);
    }

    #[test]
    fn the_shortest_cycle_is_found() {
        let mut graph = Graph::new(5);
        for (from, to) in [(0, 1), (1, 2), (2, 3), (3, 0), (2, 0)] {
            graph.add(from, to, 'x');
        }
        let cycle = graph.cycle(0, &[true; 5], |_| true).unwrap();
        assert_eq!(cycle, [(0, 1, 'x'), (1, 2, 'x'), (2, 0, 'x')]);
        assert!(graph.cycle(4, &[true; 5], |_| true).is_none());
    }

    #[test]
    fn paths_can_avoid_two_of_a_kind_in_a_row() {
        let mut graph = Graph::new(4);
        graph.add(0, 1, 'r');
        graph.add(1, 2, 'r');
        graph.add(1, 3, 'w');
        graph.add(3, 2, 'r');
        let apart = |a: char, b: char| a == 'w' || b == 'w';
        let path = graph.path((0, 'w'), (2, |_| true), &[true; 4], |l| l == 'r', apart).unwrap();
        assert_eq!(path.iter().map(|(_, to, _)| *to).collect::<Vec<_>>(), [1, 3, 2]);
        assert!(graph.path((0, 'w'), (2, |l| l == 'w'), &[true; 4], |l| l == 'r', apart).is_none());
    }
}
