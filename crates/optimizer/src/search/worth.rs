//! What of a path is worth keeping: orders that something further up can use, inner sides that a nested loop could prefer
//! (PostgreSQL: `truncate_useless_pathkeys`, `set_cheapest`). Without this the paths of a subset multiply with every item.

use super::{Path, Search};
use crate::region::RelSet;
use hashbrown::HashSet;
use quarry_plan::ColumnId;
use std::rc::Rc;

impl Search<'_, '_> {
    /// Columns of `set` that conditions compare with items outside it; of equal ones, one.
    pub(super) fn merge_columns(&self, set: RelSet) -> Vec<ColumnId> {
        let own: HashSet<ColumnId> = self.columns(set).into_iter().collect();
        let mut found: Vec<ColumnId> = vec![];
        for class in self.region.classes.iter().filter(|c| c.constant.is_none()) {
            let inside = class.members.iter().find(|m| set >> m.1 & 1 == 1);
            let outside = class.members.iter().any(|m| set >> m.1 & 1 == 0);
            found.extend(inside.filter(|_| outside).map(|m| m.0));
        }
        let clauses = self.region.clauses.iter().map(|c| &c.expr);
        for e in clauses.chain(self.region.specials.iter().flat_map(|s| &s.on)) {
            let (inside, outside): (Vec<_>, Vec<_>) =
                crate::exprs::columns(e).into_iter().partition(|id| own.contains(id));
            if !outside.is_empty() {
                found.extend(inside);
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// Whether a path that takes columns of the items `outside` is worth keeping (`inner`: what a nested loop's inner side takes): where the items they come from can only be joined
    /// outside (they are the left side of an outer join around the set, or a LATERAL item's sources), or where a nested loop gives
    /// an inner side a part of what it takes (PostgreSQL: `param_source_rels`, `allow_star_schema_join`).
    pub(super) fn keeps_params(&self, outside: RelSet, inner: RelSet, all: RelSet) -> bool {
        let lateral = self.lateral_of(all) & !all;
        if outside & !lateral == 0 || inner & all != 0 && inner & !all != 0 {
            return true;
        }
        // Only what the left sides have themselves: other sources make too many paths for what they bring.
        let sources = self.region.specials.iter().filter(|s| s.right & all != 0 && s.min_left & all == 0);
        outside & !sources.fold(lateral, |set, s| set | s.min_left) == 0
    }
}

/// The inner sides that a nested loop could prefer: for the same parameters, none that another beats in both costs. Their order
/// says nothing about the loop's.
pub(super) fn loop_inners(inners: &[Rc<Path>]) -> Vec<Rc<Path>> {
    let mut kept: Vec<Rc<Path>> = vec![];
    for new in inners {
        let beats = |a: &Path, b: &Path| {
            a.params == b.params && a.applied == b.applied && a.total <= b.total && a.startup <= b.startup
        };
        if kept.iter().any(|old| beats(old, new)) {
            continue;
        }
        kept.retain(|old| !beats(new, old));
        kept.push(new.clone());
    }
    kept
}
