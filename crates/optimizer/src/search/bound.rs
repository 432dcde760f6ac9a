//! The limit that a plan must stay below to be of use, where another plan is there already (`crate::plan` tries rewrites that costs
//! decide on): paths are dropped that no such plan has.
//!
//! What a path costs before its first row, every plan with it costs as well, but for what runtime filters of joins further up spare a
//! sequential scan below a grouping or a sort (`sieve`). What it costs until its last row a plan may go without: under LIMIT, if it comes in
//! the right order; on the right side of a semi join; and where such filters spare any sequential scan rows.

use super::{Path, Search};
use crate::region::RelSet;
use quarry_common::Error;
use quarry_plan::JoinKind;

/// What paths are held against.
#[derive(Default)]
pub(super) struct Bound {
    /// No plan may cost so much; none: there is no limit.
    limit: Option<f64>,
    /// Right sides of semi and anti joins.
    partial: Vec<RelSet>,
    /// Whether paths were dropped.
    pub dropped: bool,
}

/// The error that ends a try.
pub(super) fn too_much() -> Error {
    Error::internal("another plan costs less")
}

impl Search<'_, '_> {
    /// Finds the limit that holds for the region.
    pub(super) fn find_bound(&mut self) {
        // Outside of what the statement pays for, costs of parts say nothing; random ones say nothing anywhere.
        if self.p.whole && self.p.env.settings.random_joins == 0 {
            self.bound.limit = self.p.rules.limit();
        }
        let specials = self.region.specials.iter();
        let partial = specials.filter(|s| matches!(s.kind, JoinKind::Semi | JoinKind::Anti));
        self.bound.partial = partial.map(|s| s.right).collect();
    }

    /// Whether rows of a subset may not all be read, because it is (a part of) the right side of a semi or anti join.
    pub(super) fn stops_within(&self, set: RelSet) -> bool {
        self.bound.partial.iter().any(|right| set & right != 0 && set & !right == 0)
    }

    /// Whether no plan of use has a path, which is one of this subset.
    pub(super) fn is_too_much(&mut self, path: &Path, set: RelSet) -> bool {
        let Some(limit) = self.bound.limit else { return false };
        if path.params != 0 || path.total < limit {
            return false;
        }
        let too_much = match self.driven(path) {
            Some(driven) => path.startup >= limit && !driven.is_blocked(),
            None => {
                let whole = || (path.order.ids.is_empty() || self.p.reads_all) && !self.stops_within(set);
                path.startup >= limit || whole()
            }
        };
        self.bound.dropped |= too_much;
        too_much
    }
}
