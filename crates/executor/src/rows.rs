//! Rows collected in memory, and rows put together from several places.

use quarry_types::{Batch, PhysicalType, Rows, Vector};
use std::sync::Arc;

/// In a list of row numbers: no row, give NULLs.
pub const NO_ROW: u32 = u32::MAX;

/// Dense columns that grow.
pub struct RowSet {
    pub columns: Vec<Vector>,
    pub len: usize,
}

impl RowSet {
    pub fn new(physicals: &[PhysicalType]) -> RowSet {
        RowSet { columns: physicals.iter().map(|p| Vector::with_capacity(*p, 0)).collect(), len: 0 }
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Appends the batch's rows that count.
    pub fn push(&mut self, batch: &Batch) {
        self.push_rows(&batch.columns, batch.rows());
    }
    /// Appends these rows of these columns.
    pub fn push_rows(&mut self, columns: &[Arc<Vector>], rows: Rows<'_>) {
        for (to, from) in self.columns.iter_mut().zip(columns) {
            to.extend_from(from, rows);
        }
        self.len += rows.count();
    }
    /// Takes what is there as a batch and begins anew.
    pub fn take(&mut self) -> Batch {
        let columns = self.columns.iter_mut().map(|c| {
            let fresh = Vector::with_capacity(c.physical(), 0);
            Arc::new(std::mem::replace(c, fresh))
        });
        let columns = columns.collect();
        Batch::new(columns, std::mem::take(&mut self.len))
    }
    pub fn memory_bytes(&self) -> usize {
        self.columns.iter().map(Vector::memory_bytes).sum()
    }
    /// As [`RowSet::memory_bytes`], with what there is room for.
    pub fn allocated_bytes(&self) -> usize {
        self.columns.iter().map(Vector::allocated_bytes).sum()
    }
    pub fn clear(&mut self) {
        for c in &mut self.columns {
            *c = Vector::with_capacity(c.physical(), 0);
        }
        self.len = 0;
    }
    /// These rows in this order.
    pub fn gather(&self, rows: &[u32]) -> Batch {
        let columns = self.columns.iter().map(|c| Arc::new(gather(c, rows))).collect();
        Batch::new(columns, rows.len())
    }
    pub fn physicals(&self) -> Vec<PhysicalType> {
        self.columns.iter().map(Vector::physical).collect()
    }
}

/// Rows by number, [`NO_ROW`] giving NULL.
pub fn gather(from: &Vector, rows: &[u32]) -> Vector {
    if !rows.contains(&NO_ROW) {
        return from.gather(Rows::Selected { positions: rows, len: from.len() });
    }
    let mut out = Vector::with_capacity(from.physical(), rows.len());
    let mut at = 0;
    while at < rows.len() {
        let null = rows[at] == NO_ROW;
        let end = rows[at..].iter().position(|r| (*r == NO_ROW) != null).map_or(rows.len(), |n| at + n);
        if null {
            let nulls = Vector::constant(from.physical(), &quarry_types::Datum::Null, end - at);
            out.extend_from(&nulls, Rows::All(end - at));
        } else {
            out.extend_from(from, Rows::Selected { positions: &rows[at..end], len: from.len() });
        }
        at = end;
    }
    out
}

/// Appends `n` NULLs.
pub fn push_nulls(to: &mut Vector, n: usize) {
    let nulls = Vector::constant(to.physical(), &quarry_types::Datum::Null, n);
    to.extend_from(&nulls, Rows::All(n));
}
