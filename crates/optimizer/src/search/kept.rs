//! Paths of tables, kept from one plan of a statement for the next: rewrites that costs decide on leave most tables as they are.
//!
//! What is kept was found for the same columns and conditions of the table, the same conditions from outside, and orders of the same
//! use; plans of one statement have everything else in common.

use crate::orders::OrderKey;
use crate::planner::{Candidate, Planner, Want};
use crate::scan::TableScan;
use quarry_common::{Oid, Result};
use quarry_plan::{ColumnId, Expr, PhysicalPlan, ScanColumn, SortKey, walk};
use std::rc::Rc;

/// A path of a table, and the order of its rows.
pub(super) type Found = (Rc<PhysicalPlan>, Vec<SortKey>);

/// What paths depend on.
struct Asked {
    table: Oid,
    columns: Vec<(ColumnId, ScanColumn)>,
    filter: Vec<Expr>,
    extra: Vec<Expr>,
    rows: f64,
    loops: f64,
    /// Orders that are wanted, and what the table's columns are in orders.
    orders: Vec<(OrderKey, bool, bool)>,
    order_lengths: Vec<usize>,
    ordered_as: Vec<OrderKey>,
    /// Columns that only conditions read.
    unread: Vec<ColumnId>,
}

impl Asked {
    fn reads_from(&self, first: ColumnId) -> bool {
        let new = |e: &Expr| walk::reads_any(e, &mut |id| id >= first);
        self.columns.iter().any(|(id, _)| *id >= first) || self.filter.iter().chain(&self.extra).any(new)
    }
}

/// The paths of a statement's tables.
#[derive(Default)]
pub struct KeptScans {
    /// Whether the statement may be planned again.
    pub wanted: bool,
    kept: Vec<(Asked, Vec<Found>)>,
}

impl KeptScans {
    /// Forgets what is about columns from this one on.
    pub fn forget_from(&mut self, first: ColumnId) {
        self.kept.retain(|(asked, _)| !asked.reads_from(first));
    }
}

impl Planner<'_> {
    /// The paths that an earlier plan has found, or those that are found now.
    pub(super) fn kept_scans(
        &mut self,
        scan: &TableScan,
        extra: &[Expr],
        (rows, loops): (f64, f64),
        want: &Want,
        find: impl FnOnce(&mut Self) -> Result<Vec<Candidate>>,
    ) -> Result<Vec<Found>> {
        let found = |list: Vec<Candidate>| list.into_iter().map(|c| (Rc::new(c.plan), c.order)).collect();
        if !self.stats.known.scans.wanted {
            return find(self).map(found);
        }
        let order = |k: &SortKey| (self.order_key(&k.expr), k.descending, k.nulls_first);
        let column = |id: &ColumnId| self.order_key(&Expr::column(*id, self.meta.get(*id).ty));
        let unread = |id: &&ColumnId| self.filter_only.contains(id);
        let ids = || scan.columns.iter().map(|(id, _)| id);
        // The cheap questions first: nothing is copied where the paths are known.
        let is_it = |a: &Asked| {
            (a.table, a.rows, a.loops) == (scan.relation.oid, rows, loops)
                && a.columns == scan.columns
                && a.extra == extra
                && a.filter == scan.filter
                && a.unread.iter().copied().eq(ids().filter(unread).copied())
                && a.order_lengths.iter().copied().eq(want.orders.iter().map(Vec::len))
                && a.orders.iter().zip(want.orders.iter().flatten()).all(|(a, k)| *a == order(k))
                && (want.orders.is_empty() || a.ordered_as.iter().zip(ids()).all(|(a, id)| *a == column(id)))
        };
        if let Some((_, known)) = self.stats.known.scans.kept.iter().find(|(before, _)| is_it(before)) {
            return Ok(known.clone());
        }
        let asked = Asked {
            table: scan.relation.oid,
            columns: scan.columns.clone(),
            filter: scan.filter.clone(),
            extra: extra.to_vec(),
            rows,
            loops,
            orders: want.orders.iter().flatten().map(order).collect(),
            order_lengths: want.orders.iter().map(Vec::len).collect(),
            ordered_as: if want.orders.is_empty() { vec![] } else { ids().map(column).collect() },
            unread: ids().filter(unread).copied().collect(),
        };
        let found: Vec<Found> = find(self).map(found)?;
        self.stats.known.scans.kept.push((asked, found.clone()));
        Ok(found)
    }
}
