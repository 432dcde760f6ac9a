//! What an index is made with, and what follows from it for its summaries.

use super::column::filter_too_large;
use super::page::SUMMARY_BYTES_MAX;
use crate::page::slotted::{PayloadReader, PayloadWriter};
use quarry_common::{Error, Result, SqlState};

/// Most columns of an index.
pub const COLUMNS_MAX: usize = 32;
/// Stored bytes of a column's kind.
pub const KIND_BYTES: usize = 19;
/// PostgreSQL's limit for a filter.
const FILTER_BYTES_MAX: usize = 8144;
/// Rows that a page of a table can have at most, as PostgreSQL counts them.
const ROWS_PER_PAGE: f64 = 291.0;
/// A filter is made for at least so many values.
const DISTINCT_MIN: f64 = 16.0;
/// Longest stored bound.
const BOUND_BYTES_MAX: usize = 1024;

/// What an index is made with.
#[derive(Clone, PartialEq, Debug)]
pub struct BrinOptions {
    /// Pages of the table that share a summary.
    pub pages_per_range: u32,
    pub columns: Vec<BrinKind>,
}

/// How a column is summarised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum BrinKind {
    /// By the lowest and the highest value.
    MinMax,
    /// By a few intervals; so many values may be stored for them.
    MinMaxMulti { values_per_range: u16 },
    /// By a Bloom filter. A negative number of distinct values is a share of the rows.
    Bloom { n_distinct_per_range: f64, false_positive_rate: f64 },
}

/// What follows from the options for a column.
#[derive(Clone, PartialEq, Debug)]
pub struct Shape {
    /// Longest stored bound of an interval.
    pub bound_bytes_max: usize,
    /// Values that may be stored; 0: one interval.
    pub values_max: usize,
    /// A filter's bits that a value sets.
    pub hashes: u32,
    filter_bytes: usize,
    /// Bytes that are left for a filter.
    room: usize,
}

impl Shape {
    fn of(kind: &BrinKind, options: &BrinOptions) -> Shape {
        // Range, flags, and per column flags and length; counts and lengths of bounds are taken off below.
        let columns = options.columns.len().max(1);
        let room = (SUMMARY_BYTES_MAX - 5) / columns - 3;
        let bounds = |values: usize| (room - 2) / values - 4;
        let plain = Shape { bound_bytes_max: 0, values_max: 0, hashes: 0, filter_bytes: 0, room };
        match *kind {
            BrinKind::MinMax => Shape { bound_bytes_max: bounds(2).min(BOUND_BYTES_MAX), ..plain },
            BrinKind::MinMaxMulti { values_per_range } => {
                let values_max = (values_per_range as usize).max(2).min(room / 16);
                Shape { bound_bytes_max: bounds(values_max).min(BOUND_BYTES_MAX), values_max, ..plain }
            }
            BrinKind::Bloom { n_distinct_per_range, false_positive_rate } => {
                let rows = ROWS_PER_PAGE * options.pages_per_range as f64;
                let wanted = if n_distinct_per_range < 0.0 {
                    -n_distinct_per_range * rows
                } else {
                    n_distinct_per_range
                };
                let distinct = wanted.max(DISTINCT_MIN).min(rows).floor();
                let ln2 = std::f64::consts::LN_2;
                let bits = (-(distinct * false_positive_rate.ln()) / (ln2 * ln2)).ceil().max(1.0);
                let filter_bytes = (bits / 8.0).ceil() as usize;
                let hashes = (ln2 * (filter_bytes * 8) as f64 / distinct).round().clamp(1.0, 255.0) as u32;
                Shape { hashes, filter_bytes, ..plain }
            }
        }
    }

    /// Bytes of a filter; an error if it is larger than a page can hold.
    pub fn filter_bytes(&self) -> Result<usize> {
        if self.filter_bytes > FILTER_BYTES_MAX {
            return Err(filter_too_large(self.filter_bytes, FILTER_BYTES_MAX));
        }
        // A page holds a few bytes less here than PostgreSQL's.
        if self.filter_bytes > self.room && self.room >= SUMMARY_BYTES_MAX - 8 {
            return Ok(self.room);
        }
        Ok(self.filter_bytes)
    }
}

impl BrinOptions {
    /// What follows from them for each column.
    pub fn shapes(&self) -> Vec<Shape> {
        self.columns.iter().map(|kind| Shape::of(kind, self)).collect()
    }

    /// As the meta page and the log have them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.w32(self.pages_per_range).w16(self.columns.len() as u16);
        for kind in &self.columns {
            let (tag, values, distinct, rate) = match *kind {
                BrinKind::MinMax => (0, 0, 0.0, 0.0),
                BrinKind::MinMaxMulti { values_per_range } => (1, values_per_range, 0.0, 0.0),
                BrinKind::Bloom { n_distinct_per_range, false_positive_rate } => {
                    (2, 0, n_distinct_per_range, false_positive_rate)
                }
            };
            out.w8(tag).w16(values).w64(f64::to_bits(distinct)).w64(f64::to_bits(rate));
        }
        out
    }

    /// From those bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<BrinOptions> {
        let damaged = || Error::new(SqlState::INDEX_CORRUPTED, "a BRIN index's options are damaged");
        let mut r = PayloadReader::new(bytes);
        let (pages_per_range, count) = (r.u32()?, r.u16()? as usize);
        if pages_per_range == 0 || count > COLUMNS_MAX {
            return Err(damaged());
        }
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let (tag, values_per_range) = (r.u8()?, r.u16()?);
            let (distinct, rate) = (f64::from_bits(r.u64()?), f64::from_bits(r.u64()?));
            columns.push(match tag {
                0 => BrinKind::MinMax,
                1 => BrinKind::MinMaxMulti { values_per_range },
                2 if distinct.is_finite() && rate > 0.0 && rate < 1.0 => {
                    BrinKind::Bloom { n_distinct_per_range: distinct, false_positive_rate: rate }
                }
                _ => return Err(damaged()),
            });
        }
        Ok(BrinOptions { pages_per_range, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bloom(n_distinct_per_range: f64, false_positive_rate: f64) -> BrinKind {
        BrinKind::Bloom { n_distinct_per_range, false_positive_rate }
    }

    #[test]
    fn options_read_back() {
        let columns =
            vec![BrinKind::MinMax, BrinKind::MinMaxMulti { values_per_range: 8 }, bloom(-0.1, 0.01)];
        let options = BrinOptions { pages_per_range: 128, columns };
        assert_eq!(BrinOptions::from_bytes(&options.to_bytes()).unwrap(), options);
        assert!(BrinOptions::from_bytes(&options.to_bytes()[..10]).is_err());
    }

    #[test]
    fn filters_are_as_large_as_postgresqls() {
        let shape = |kind| BrinOptions { pages_per_range: 128, columns: vec![kind] }.shapes().remove(0);
        assert_eq!(
            shape(bloom(100_000.0, 0.01)).filter_bytes().unwrap_err().message(),
            "the bloom filter is too large (44629 > 8144)"
        );
        let default = shape(bloom(-0.1, 0.01));
        assert_eq!((default.filter_bytes().unwrap(), default.hashes), (4462, 7));
        assert_eq!(shape(bloom(1.0, 0.01)).filter_bytes().unwrap(), 20);
    }

    #[test]
    fn the_longest_summaries_fit() {
        for count in [1, 2, 7, 32] {
            for kind in [BrinKind::MinMax, BrinKind::MinMaxMulti { values_per_range: 256 }] {
                let options = BrinOptions { pages_per_range: 1, columns: vec![kind; count] };
                let bytes: usize = options
                    .shapes()
                    .iter()
                    .map(|s| 3 + 2 + s.values_max.max(2) * (4 + s.bound_bytes_max))
                    .sum();
                assert!(5 + bytes <= SUMMARY_BYTES_MAX, "{count} {kind:?}: {bytes}");
                assert!(options.shapes()[0].bound_bytes_max >= 9);
            }
        }
    }
}
