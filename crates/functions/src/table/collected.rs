//! A row source over rows that were all made at the start.

use crate::{EvalContext, RowSource};
use quarry_common::Result;
use quarry_types::{Datum, Vector};

struct Collected {
    rows: std::vec::IntoIter<Vec<Datum>>,
}

impl RowSource for Collected {
    fn next_rows(&mut self, _: &mut EvalContext<'_>, max: usize, out: &mut [Vector]) -> Result<usize> {
        let mut n = 0;
        for row in self.rows.by_ref().take(max) {
            for (column, value) in out.iter_mut().zip(&row) {
                column.push_datum(value);
            }
            n += 1;
        }
        Ok(n)
    }
}

/// The rows, in order.
pub fn rows(rows: Vec<Vec<Datum>>) -> Result<Box<dyn RowSource>> {
    Ok(Box::new(Collected { rows: rows.into_iter() }))
}

/// Rows of one column.
pub fn values(values: impl IntoIterator<Item = Datum>) -> Result<Box<dyn RowSource>> {
    rows(values.into_iter().map(|v| vec![v]).collect())
}

/// A text value.
pub fn text(s: &str) -> Datum {
    Datum::Bytes(bytes::Bytes::copy_from_slice(s.as_bytes()))
}
