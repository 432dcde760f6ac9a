//! What lookups of nested loops share: where the inner side is a scan of a B-tree by equality, the keys of a stretch of outer rows are looked
//! up in their order (`executor::join::lookup`), so that those of one leaf need one descent.
//!
//! How many keys of a stretch are on one leaf follows from the index's size; where outer rows come in the keys' order, all outer rows are
//! one stretch. Indexes of small tables keep PostgreSQL's costs ([`measured::largeness`]).

use super::pair::asc;
use super::{Method, Path, Search, Step};
use crate::cost::measured;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan};

/// Lookups that an inner side is.
pub(super) struct Lookups {
    /// Pages of the index.
    pages: f64,
    /// Lookups that go together.
    together: f64,
    /// How far this counts, by the table's size.
    largeness: f64,
    key: Option<OuterKey>,
}

/// The outer column that the first key equals.
struct OuterKey {
    /// Its number as a sort key.
    number: Option<u32>,
    /// It and the columns that equal it, and how far the rows of their tables lie in their order.
    columns: Vec<(ColumnId, f64)>,
}

impl Lookups {
    /// The share of the outer rows for which the tree is descended.
    pub(super) fn descents(&self, outer: &Path) -> f64 {
        let rows = outer.rows.max(1.0);
        let together = self.together.min(rows);
        let of_any_order = visited(together, self.pages) / together;
        let in_order = of_any_order.min(visited(rows, self.pages) / rows);
        let sorted = self.key.as_ref().map_or(0.0, |key| key.sorted(outer));
        let share = of_any_order + (in_order - of_any_order) * sorted;
        measured::between(1.0, share, self.largeness)
    }
}

impl OuterKey {
    /// How far outer rows come in the key's order.
    fn sorted(&self, outer: &Path) -> f64 {
        let mut path = outer;
        loop {
            if self.number.is_some() && path.order.ids.first() == self.number.as_ref() {
                return 1.0;
            }
            path = match &path.step {
                // These give rows in the order of their outer ones.
                Step::Join { method: Method::Hash | Method::Loop, outer, .. } => outer,
                Step::Leaf(plan) => return self.scanned(plan),
                _ => return 0.0,
            };
        }
    }

    /// How far a plan that goes through a table from its beginning to its end gives rows in the key's order.
    fn scanned(&self, plan: &PhysicalPlan) -> f64 {
        let PhysicalNode::SeqScan { columns, .. } = &plan.node else { return 0.0 };
        let of = |(own, correlation): &(ColumnId, f64)| {
            columns.iter().any(|(id, _)| id == own).then_some(correlation * correlation)
        };
        self.columns.iter().find_map(of).unwrap_or(0.0)
    }
}

/// Different pages of so many that lookups of evenly spread keys go to (Mackert and Lohman).
fn visited(lookups: f64, pages: f64) -> f64 {
    (2.0 * pages * lookups / (2.0 * pages + lookups)).min(pages).clamp(1.0, lookups)
}

impl Search<'_, '_> {
    /// What a path is as an inner side whose keys are looked up together, if it is one.
    pub(super) fn lookups(&mut self, path: &Path) -> Option<Lookups> {
        let Step::Leaf(plan) = &path.step else { return None };
        let PhysicalNode::IndexScan { relation, index, conds, backward: false, .. } = &plan.node else {
            return None;
        };
        let has_subquery = || plan.filter.iter().any(crate::exprs::has_subquery);
        if path.params == 0 || index.method != "btree" || relation.is_catalog || has_subquery() {
            return None;
        }
        let equal = |k: usize| conds.iter().any(|c| c.key == k && matches!(c.test, IndexTest::Eq(_)));
        if !(0..conds.len()).all(equal) {
            return None;
        }
        let size = self.p.known_size(relation)?;
        let (pages, _) = self.p.index_size(index, size);
        let column = conds.iter().find_map(|c| self.outer_column(c));
        let key = column.map(|(column, key)| {
            let class = self.region.classes.iter().find(|c| c.members.iter().any(|m| m.0 == column));
            let equal = class.map_or_else(|| vec![column], |c| c.members.iter().map(|m| m.0).collect());
            let columns = equal.into_iter().map(|id| (id, self.correlation(id))).collect();
            OuterKey { number: self.order_of(vec![key]).ids.first().copied(), columns }
        });
        let together = (measured::BATCH / path.rows.max(1.0)).max(1.0);
        Some(Lookups { pages, together, largeness: measured::largeness(size.pages), key })
    }

    /// How far the rows of a column's table lie in its order.
    fn correlation(&mut self, column: ColumnId) -> f64 {
        self.p.column_stats(column).and_then(|s| s.correlation).map_or(0.0, f64::from)
    }

    /// The column of another item that a key equals, and the order by it.
    fn outer_column(&self, cond: &IndexCond) -> Option<(ColumnId, quarry_plan::SortKey)> {
        let IndexTest::Eq(value @ Expr::Column { id, .. }) = &cond.test else { return None };
        self.region.items.iter().any(|i| i.columns.contains(id)).then(|| (*id, asc(value.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::visited;

    #[test]
    fn pages_are_shared_by_many_lookups_only() {
        assert_eq!(visited(1.0, 500.0), 1.0);
        assert_eq!(visited(1e6, 500.0), 500.0);
        assert!(visited(100.0, 1e5) > 99.0);
        assert_eq!(visited(40.0, 1.0), 1.0);
    }
}
