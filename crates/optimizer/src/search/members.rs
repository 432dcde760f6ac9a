//! Which members of classes of equal columns stand for them between two subsets: two tables that several classes have in common go
//! first, so that keys of several columns are seen as what they are, and not as equalities of several tables each on its own.

use super::Search;
use crate::region::{Class, RelSet};

impl Search<'_, '_> {
    /// The two items, left and right, that the most classes compare with each other; none if no two of them do.
    pub(super) fn items_of_a_key(&self, left: RelSet, right: RelSet) -> Option<(usize, usize)> {
        // Most pairs of subsets are compared by one class, and there is nothing to choose.
        let spans = |class: &&Class| {
            let all = class.members.iter().fold(0, |set: RelSet, m| set | 1 << m.1);
            class.constant.is_none() && all & left != 0 && all & right != 0
        };
        self.region.classes.iter().filter(spans).nth(1)?;
        let mut counts: Vec<((usize, usize), u32)> = vec![];
        let mut classes = 0;
        for class in self.region.classes.iter().filter(|c| c.constant.is_none()) {
            let mut seen: Vec<(usize, usize)> = vec![];
            for (_, l) in class.members.iter().filter(|m| left >> m.1 & 1 == 1) {
                for (_, r) in class.members.iter().filter(|m| right >> m.1 & 1 == 1) {
                    if !seen.contains(&(*l, *r)) {
                        seen.push((*l, *r));
                    }
                }
            }
            classes += u32::from(!seen.is_empty());
            for pair in seen {
                match counts.iter_mut().find(|c| c.0 == pair) {
                    Some(c) => c.1 += 1,
                    None => counts.push((pair, 1)),
                }
            }
        }
        if classes < 2 {
            return None;
        }
        let mut best: Option<((usize, usize), u32)> = None;
        for (pair, count) in counts {
            if count > best.map_or(1, |b| b.1) {
                best = Some((pair, count));
            }
        }
        best.map(|b| b.0)
    }

    /// Where a class has its members for a join of two subsets: on the left and on the right.
    pub(super) fn members_of_a_key(
        &self,
        class: usize,
        left: RelSet,
        right: RelSet,
        key: Option<(usize, usize)>,
    ) -> Option<(usize, usize)> {
        let members = &self.region.classes[class].members;
        let of = |item: usize| members.iter().position(|m| m.1 == item);
        if let Some((l, r)) = key
            && let (Some(l), Some(r)) = (of(l), of(r))
        {
            return Some((l, r));
        }
        let find = |set: RelSet| members.iter().position(|m| set >> m.1 & 1 == 1);
        find(left).zip(find(right))
    }
}
