//! Which two sets may be joined, and by what kind of join: the conflict rules of outer, semi and anti joins.
//!
//! Each such join ([`Special`]) keeps its right side apart: nothing outside may join a part of it before the join is done. Three
//! kinds of reordering are allowed beyond that, those of Moerkotte, Fender, Eich ("On the Correct and Complete Enumeration of the
//! Core Search Space"), where PostgreSQL allows them too (`make_outerjoininfo`, `join_is_legal`):
//!
//! * R1. The left side needs only what the condition reads (`min_left`): joins beside each other go in any order.
//! * R2. A left join at the bottom of the right side whose condition fails for NULLs can be done later: the right side is then
//!   without what it adds (`min_right`).
//! * R3. A left join above, whose condition reads only the right side and fails for NULLs, can be done earlier, within the right
//!   side: the right side may have what it adds (`absorb`).
//!
//! A full join takes both its sides whole.

use super::Search;
use crate::region::{RelSet, Special};
use quarry_plan::JoinKind;

impl Special {
    /// Whether a set has everything the join needs, so that it was done there.
    fn is_done(&self, set: RelSet) -> bool {
        (self.min_left | self.min_right) & !set == 0
    }

    /// Whether joining two sets into `all` has to do with this join, if it wasn't done before.
    fn concerns(&self, all: RelSet) -> bool {
        let splits = |side: RelSet| all & side != 0 && all & !side != 0;
        match self.kind {
            JoinKind::Full => splits(self.min_left) || splits(self.right),
            _ => splits(self.right),
        }
    }

    /// Whether this join can be done with these sides.
    fn fits(&self, left: RelSet, right: RelSet) -> bool {
        if self.kind == JoinKind::Full {
            return left == self.min_left && right == self.right;
        }
        let zone = self.right | self.absorb;
        self.min_left & !left == 0
            && left & self.right == 0
            && self.min_right & !right == 0
            && right & !zone == 0
    }
}

/// The join that makes one of two sets: its position and whether the second set is its left side. None in the outer option: the two
/// can't be joined; in the inner one: they are joined as they are.
pub(super) fn legal(specials: &[Special], a: RelSet, b: RelSet) -> Option<Option<(usize, bool)>> {
    let all = a | b;
    let mut found: Option<(usize, bool)> = None;
    for (i, s) in specials.iter().enumerate() {
        if !s.concerns(all) || s.is_done(a) || s.is_done(b) {
            continue;
        }
        let flipped = if s.fits(a, b) {
            false
        } else if s.fits(b, a) {
            true
        } else {
            let zone = s.right | s.absorb;
            if s.kind != JoinKind::Full && all & !zone == 0 {
                // Its right side is being put together with what R3 allows there; those joins have rules of their own.
                continue;
            }
            return None;
        };
        if found.is_some() {
            return None;
        }
        found = Some((i, flipped));
    }
    Some(found)
}

impl Search<'_, '_> {
    /// Whether two subsets may be joined now: the kind of join, and whether `b` is its left side.
    pub(super) fn legal(&self, a: RelSet, b: RelSet) -> Option<(Option<usize>, bool)> {
        let found = legal(&self.region.specials, a, b)?;
        if self.strands_lateral(a | b) {
            return None;
        }
        Some(found.map_or((None, false), |(i, flipped)| (Some(i), flipped)))
    }

    /// Whether a subset has a LATERAL item that reads the right side of an outer join for which the subset is the left side: no
    /// order could go on from there (PostgreSQL: the end of `join_is_legal`).
    fn strands_lateral(&self, all: RelSet) -> bool {
        let lateral = self.lateral_of(all) & !all;
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

#[cfg(test)]
mod tests {
    use super::*;

    const A: RelSet = 1;
    const B: RelSet = 2;
    const C: RelSet = 4;
    const D: RelSet = 8;

    fn special(kind: JoinKind, min_left: RelSet, right: RelSet) -> Special {
        Special { kind, min_left, right, min_right: right, absorb: 0, on: vec![], on_refs: vec![] }
    }

    #[test]
    fn joins_beside_each_other_go_in_any_order() {
        // (A left B on A) semi C on A
        let s = [special(JoinKind::Left, A, B), special(JoinKind::Semi, A, C)];
        assert_eq!(legal(&s, A, B), Some(Some((0, false))));
        assert_eq!(legal(&s, C, A), Some(Some((1, true))));
        assert_eq!(legal(&s, A | B, C), Some(Some((1, false))));
        assert_eq!(legal(&s, A | C, B), Some(Some((0, false))));
        assert_eq!(legal(&s, B, C), None);
        // D may join A at any time, and never B or C alone.
        assert_eq!(legal(&s, A, D), Some(None));
        assert_eq!(legal(&s, A | B, D), Some(None));
        assert_eq!(legal(&s, B, D), None);
        assert_eq!(legal(&s, A | D, B), Some(Some((0, false))));
    }

    #[test]
    fn an_upper_join_over_a_null_extended_side_waits() {
        // (A left B) left C on B, the condition true for NULLs: C needs A and B.
        let s = [special(JoinKind::Left, A, B), special(JoinKind::Left, A | B, C)];
        assert_eq!(legal(&s, B, C), None);
        assert_eq!(legal(&s, A | B, C), Some(Some((1, false))));
    }

    #[test]
    fn a_strict_upper_join_may_go_first() {
        // (A left B) left C on B, strict: A left (B left C).
        let s = [Special { absorb: C, ..special(JoinKind::Left, A, B) }, special(JoinKind::Left, B, C)];
        assert_eq!(legal(&s, B, C), Some(Some((1, false))));
        assert_eq!(legal(&s, A, B | C), Some(Some((0, false))));
        assert_eq!(legal(&s, A, B), Some(Some((0, false))));
        assert_eq!(legal(&s, A | B, C), Some(Some((1, false))));
        assert_eq!(legal(&s, A, C), None);
        // Nothing else gets between.
        assert_eq!(legal(&s, B, D), None);
        assert_eq!(legal(&s, B | C, D), None);
    }

    #[test]
    fn a_strict_lower_join_may_wait() {
        // A left (B left C on B, strict): (A left B) left C.
        let s =
            [special(JoinKind::Left, B, C), Special { min_right: B, ..special(JoinKind::Left, A, B | C) }];
        assert_eq!(legal(&s, A, B), Some(Some((1, false))));
        assert_eq!(legal(&s, A | B, C), Some(Some((0, false))));
        assert_eq!(legal(&s, B, C), Some(Some((0, false))));
        assert_eq!(legal(&s, A, B | C), Some(Some((1, false))));
        assert_eq!(legal(&s, A, C), None);
        assert_eq!(legal(&s, C, D), None);
        assert_eq!(legal(&s, A | D, B), Some(Some((1, false))));
        // Not strict: B and C first.
        let s = [special(JoinKind::Left, B, C), special(JoinKind::Left, A, B | C)];
        assert_eq!(legal(&s, A, B), None);
    }

    #[test]
    fn a_full_join_takes_its_sides_whole() {
        // (A join B) full C, then D
        let s = [special(JoinKind::Full, A | B, C)];
        assert_eq!(legal(&s, A, B), Some(None));
        assert_eq!(legal(&s, A, C), None);
        assert_eq!(legal(&s, A, D), None);
        assert_eq!(legal(&s, C, D), None);
        assert_eq!(legal(&s, C, A | B), Some(Some((0, true))));
        assert_eq!(legal(&s, A | B | C, D), Some(None));
    }

    #[test]
    fn the_right_side_of_an_anti_join_is_put_together_first() {
        // A anti (B join C)
        let s = [special(JoinKind::Anti, A, B | C)];
        assert_eq!(legal(&s, A, B), None);
        assert_eq!(legal(&s, B, C), Some(None));
        assert_eq!(legal(&s, A, B | C), Some(Some((0, false))));
    }
}
