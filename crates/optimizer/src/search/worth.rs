//! What of a path is worth keeping: orders that something further up can use, inner sides that a nested loop could prefer
//! (PostgreSQL: `truncate_useless_pathkeys`, `set_cheapest`). Without this the paths of a subset multiply with every item.

use super::{Path, Search};
use crate::region::RelSet;
use quarry_plan::{ColumnId, Expr};
use std::rc::Rc;

impl Search<'_, '_> {
    /// Finds what conditions compare with each other: for each condition its columns, by item and by number as sort keys.
    pub(super) fn find_links(&mut self) {
        let mut columns: Vec<Vec<ColumnId>> = vec![];
        for class in self.region.classes.iter().filter(|c| c.constant.is_none()) {
            columns.push(class.members.iter().map(|m| m.0).collect());
        }
        let clauses = self.region.clauses.iter().map(|c| &c.expr);
        columns.extend(
            clauses.chain(self.region.specials.iter().flat_map(|s| &s.on)).map(crate::exprs::columns),
        );
        for list in columns {
            let mut link = vec![];
            for id in list {
                let item = self.region.items.iter().position(|i| i.columns.contains(&id));
                let key = super::pair::asc(Expr::column(id, self.p.meta.get(id).ty));
                let number = self.order_of(vec![key]).ids.first().copied();
                link.push((item.map_or(0, |i| 1 << i), number));
            }
            self.links.push(link);
        }
    }

    /// Keys of `set` that conditions compare with something outside it.
    pub(super) fn merge_keys(&self, set: RelSet) -> Rc<[u32]> {
        let mut found: Vec<u32> = vec![];
        for link in &self.links {
            if link.iter().any(|(item, _)| item & set == 0) {
                found.extend(link.iter().filter(|(item, _)| item & set != 0).filter_map(|(_, key)| *key));
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into()
    }

    /// What a path of a set may take from outside.
    pub(super) fn outside(&self, all: RelSet) -> Outside {
        let lateral = self.lateral_of(all) & !all;
        // Only what the left sides have themselves: other sources make too many paths for what they bring.
        let specials = self.region.specials.iter().filter(|s| s.right & all != 0 && s.min_left & all == 0);
        Outside { lateral, sources: specials.fold(lateral, |set, s| set | s.min_left) }
    }
}

/// Items that can only be joined outside a set: LATERAL items' sources, and these with the left sides of outer joins around the set.
#[derive(Clone, Copy, Default)]
pub(super) struct Outside {
    lateral: RelSet,
    sources: RelSet,
}

impl Outside {
    /// Whether a path that takes columns of the items `outside` is worth keeping (`inner`: what a nested loop's inner side takes): where
    /// those can only be joined outside, or where a nested loop gives an inner side a part of what it takes (PostgreSQL:
    /// `param_source_rels`, `allow_star_schema_join`).
    pub(super) fn keeps(self, outside: RelSet, inner: RelSet, all: RelSet) -> bool {
        outside & !self.lateral == 0 || inner & all != 0 && inner & !all != 0 || outside & !self.sources == 0
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
