//! What of a path is worth keeping: orders that something further up can use, inner sides that a nested loop could prefer
//! (PostgreSQL: `truncate_useless_pathkeys`, `set_cheapest`). Without this the paths of a subset multiply with every item.

use super::pair::asc;
use super::{Path, Search};
use crate::region::RelSet;
use hashbrown::HashSet;
use quarry_plan::{ColumnId, Expr};
use std::rc::Rc;

impl Search<'_, '_> {
    /// Forgets an order that neither the region's reader nor a merge join with an item outside `set` could use.
    pub(super) fn trim_order(&mut self, path: &mut Path, set: RelSet) {
        if path.order.is_empty() {
            return;
        }
        let wanted = self.want.orders.iter().any(|w| self.p.common_order(&path.order, w) > 0);
        if wanted {
            return;
        }
        let columns = self.merge_columns(set);
        let merges = columns.iter().any(|id| {
            let key = [asc(&Expr::column(*id, self.p.meta.get(*id).ty))];
            self.p.common_order(&path.order, &key) > 0
        });
        if !merges {
            path.order.clear();
        }
    }

    /// Columns of `set` that conditions compare with items outside it; of equal ones, one.
    fn merge_columns(&mut self, set: RelSet) -> Rc<[ColumnId]> {
        if let Some(known) = self.merge_columns.get(&set) {
            return known.clone();
        }
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
        let found: Rc<[ColumnId]> = found.into();
        self.merge_columns.insert(set, found.clone());
        found
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
