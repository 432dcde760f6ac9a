//! Whole rows of FROM items that an outer join may replace by NULLs: such a row is NULL itself, not a row of NULLs. It is therefore
//! made below the join, as a column of its own (PostgreSQL wraps it in a PlaceHolderVar).

use super::Binder;
use quarry_plan::{ColumnId, ColumnMeta, Expr, LogicalPlan, ScanColumn, walk};
use quarry_types::SqlType;
use std::ops::Range;

impl Binder<'_> {
    /// Notes that an outer join may make up the rows of these items.
    pub(super) fn mark_nullable(&mut self, items: Range<usize>) {
        self.scope().items[items].iter_mut().for_each(|i| i.nullable = true);
    }

    /// The column that will hold the row `fields` of an item; none if the row can stand for itself.
    pub(super) fn made_row(
        &mut self,
        (level, item): (usize, usize),
        row: &Expr,
        ty: SqlType,
    ) -> Option<ColumnId> {
        let it = &self.scopes[level].items[item];
        // A recorded query shows the row as it was written.
        if !it.nullable || self.record {
            return None;
        }
        let mut read = vec![];
        walk::columns_of(row, &mut read);
        if read.is_empty() {
            return None;
        }
        let name = it.alias.clone().unwrap_or_default();
        let relation = it.alias.clone();
        let id = self.meta.add(ColumnMeta { name, ty, relation, source: None, not_null: false });
        let scope = &mut self.scopes[level];
        scope.items[item].system.push((ScanColumn::WholeRow, id, ty));
        scope.made_rows.push((id, row.clone()));
        Some(id)
    }

    /// Has the rows of this level's items that expressions refer to made where their fields are.
    pub(super) fn make_rows(&mut self, mut from: LogicalPlan) -> LogicalPlan {
        for (id, row) in std::mem::take(&mut self.scope().made_rows) {
            let mut read = vec![];
            walk::columns_of(&row, &mut read);
            self.make_row(&mut from, id, row, &read);
        }
        from
    }

    fn make_row(&self, plan: &mut LogicalPlan, id: ColumnId, row: Expr, read: &[ColumnId]) {
        let gives = |p: &LogicalPlan| {
            let given = walk::output_columns(p);
            read.iter().all(|c| given.contains(c))
        };
        match plan {
            LogicalPlan::Join { left, .. } if gives(left) => self.make_row(left, id, row, read),
            LogicalPlan::Join { right, .. } if gives(right) => self.make_row(right, id, row, read),
            LogicalPlan::Filter { input, .. } => self.make_row(input, id, row, read),
            other => {
                let mut targets: Vec<(ColumnId, Expr)> = walk::output_columns(other)
                    .into_iter()
                    .map(|c| (c, Expr::column(c, self.meta.get(c).ty)))
                    .collect();
                targets.push((id, row));
                let input = Box::new(std::mem::replace(other, LogicalPlan::OneRow));
                *other = LogicalPlan::Project { input, targets };
            }
        }
    }
}
