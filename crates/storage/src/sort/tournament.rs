//! A tournament of sorted sources (Knuth 5.4.1): gives the least head with one comparison a level.

/// Heads of sources, the least of them at the top. A source is known by its number.
pub(super) struct Tournament<H> {
    /// `nodes[0]` is the winner, the others hold who lost there; leaf `i`'s parent is `(sources + i) / 2`.
    nodes: Vec<(H, u32)>,
}

impl<H: Copy> Tournament<H> {
    /// Of all sources' first heads; one that is at its end gives a head that is above all.
    pub fn new(heads: &[H], less: &mut impl FnMut(&(H, u32), &(H, u32)) -> bool) -> Option<Tournament<H>> {
        let count = heads.len();
        let first = (*heads.first()?, 0);
        let mut nodes = vec![first; count];
        // From the leaves up: each inner node gets its loser, its winner goes on.
        let mut winners: Vec<(H, u32)> = vec![first; count * 2];
        for (i, head) in heads.iter().enumerate() {
            winners[count + i] = (*head, i as u32);
        }
        for at in (1..count).rev() {
            let (a, b) = (winners[at * 2], winners[at * 2 + 1]);
            let (winner, loser) = if less(&b, &a) { (b, a) } else { (a, b) };
            nodes[at] = loser;
            winners[at] = winner;
        }
        nodes[0] = winners[1];
        Some(Tournament { nodes })
    }

    /// The least head and its source.
    #[inline]
    pub fn top(&self) -> (H, u32) {
        self.nodes[0]
    }

    /// The top's source has gone on: this is its next head.
    #[inline]
    pub fn replace_top(&mut self, head: H, less: &mut impl FnMut(&(H, u32), &(H, u32)) -> bool) {
        let mut current = (head, self.nodes[0].1);
        let mut at = (self.nodes.len() + current.1 as usize) / 2;
        while at > 0 {
            if less(&self.nodes[at], &current) {
                std::mem::swap(&mut self.nodes[at], &mut current);
            }
            at /= 2;
        }
        self.nodes[0] = current;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_sources() {
        for count in 0..20u32 {
            let mut sources: Vec<Vec<u32>> =
                (0..count).map(|s| (0..s * 3).map(|i| (i * 7 + s) / 2).rev().collect()).collect();
            let mut expected: Vec<u32> = sources.iter().flatten().copied().collect();
            expected.sort_unstable();
            let heads: Vec<u32> = sources.iter_mut().map(|s| s.pop().unwrap_or(u32::MAX)).collect();
            let mut less = |a: &(u32, u32), b: &(u32, u32)| a < b;
            let Some(mut all) = Tournament::new(&heads, &mut less) else {
                assert_eq!(count, 0);
                continue;
            };
            let mut got = Vec::new();
            while all.top().0 != u32::MAX {
                let (head, source) = all.top();
                got.push(head);
                all.replace_top(sources[source as usize].pop().unwrap_or(u32::MAX), &mut less);
            }
            assert_eq!(got, expected);
        }
    }
}
