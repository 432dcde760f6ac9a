//! ANALYZE's computation: statistics of a column from a sample of its values (PostgreSQL: `compute_scalar_stats`,
//! `analyze_mcv_list` in `analyze.c`; distinct values by Haas and Stokes, IBM RJ 10025, estimator Duj1), of its elements
//! ([`elements`]), and of several columns together ([`extended`]).

mod elements;
pub mod extended;

use quarry_catalog::ColumnStats;
use quarry_types::array::ArrayRef;
use quarry_types::compare::compare_datums;
use quarry_types::{Datum, TypeInfo, oids};
use std::cmp::Ordering;

/// Values wider than this are counted but not compared or kept.
const WIDTH_MAX: usize = 1024;
/// Header of a stored value of varying length that is not short.
const HEADER_BYTES: usize = 4;

/// A sample of one column.
#[derive(Clone, Copy)]
pub struct Sample<'s> {
    /// Its values in physical order of the sampled rows.
    pub values: &'s [Datum],
    pub ty: &'s TypeInfo,
    /// Of arrays.
    pub element: Option<&'s TypeInfo>,
    /// Whether the values are an expression's.
    pub computed: bool,
    /// Estimated rows of the whole table.
    pub table_rows: f64,
    /// The statistics target (100 by default).
    pub target: usize,
    pub places: Places<'s>,
}

/// Where the sampled values are in the table.
#[derive(Clone, Copy)]
pub struct Places<'s> {
    /// The block of each value, in order.
    pub blocks: &'s [u32],
    /// The share of the table's blocks that was read.
    pub read: f64,
}

impl Places<'_> {
    /// A sample of all blocks.
    pub const ALL: Places<'static> = Places { blocks: &[], read: 1.0 };
}

/// Statistics of one column; none: there is nothing to be said, or nothing sampled.
pub fn column_stats(sample: &Sample<'_>) -> Option<ColumnStats> {
    if sample.values.is_empty() || sample.target == 0 {
        return None;
    }
    if sample.ty.oid == oids::TSVECTOR {
        return Some(elements::lexeme_stats(sample));
    }
    let mut out = scalar_stats(sample);
    if let Some(element) = sample.element
        && element.functions.compare.is_some()
    {
        out.elements = elements::array_stats(sample, element);
    }
    Some(out)
}

/// Bytes of a value as PostgreSQL stores it; one that is computed has a long header.
fn stored_bytes(v: &Datum, sample: &Sample<'_>) -> usize {
    let length = match (v, sample.element) {
        (Datum::Bytes(b), Some(element)) if b.len() <= WIDTH_MAX => array_bytes(b, element),
        (Datum::Bytes(b), _) if sample.ty.typlen < 0 => b.len(),
        _ => return sample.ty.typlen.max(1) as usize,
    };
    length + if length < 127 && !sample.computed { 1 } else { HEADER_BYTES }
}

/// Bytes of an array behind its length word: header, dimensions, bitmap of NULLs, aligned elements.
fn array_bytes(stored: &[u8], element: &TypeInfo) -> usize {
    let array = ArrayRef::new(stored);
    let align = |n: usize, to: usize| n.div_ceil(to) * to;
    let unit = match element.typalign {
        'd' => 8,
        'i' => 4,
        's' => 2,
        _ => 1,
    };
    if array.is_empty() {
        return 12;
    }
    let bitmap = if array.has_nulls() { array.len().div_ceil(8) } else { 0 };
    let mut out = align(16 + 8 * array.ndim() + bitmap, 8);
    for i in (0..array.len()).filter(|i| !array.is_null(*i)) {
        let own = match usize::try_from(element.typlen) {
            Ok(fixed) => fixed,
            Err(_) => array.bytes_at(i).len() + HEADER_BYTES,
        };
        out = align(out + own, unit);
    }
    out - HEADER_BYTES
}

fn scalar_stats(sample: &Sample<'_>) -> ColumnStats {
    let Sample { ty, table_rows, target, .. } = *sample;
    let rows = sample.values.len();
    let mut out = ColumnStats::default();
    let mut width = 0.0;
    let mut wide = 0usize;
    let mut values: Vec<(&Datum, usize)> = Vec::with_capacity(rows);
    let mut blocks: Vec<u32> = vec![];
    for (row, v) in sample.values.iter().enumerate().filter(|(_, v)| !v.is_null()) {
        width += stored_bytes(v, sample) as f64;
        if matches!(v, Datum::Bytes(b) if ty.typlen < 0 && b.len() + HEADER_BYTES > WIDTH_MAX) {
            wide += 1;
        } else {
            values.push((v, values.len()));
            blocks.extend(sample.places.blocks.get(row));
        }
    }
    let nonnull = values.len() + wide;
    out.null_fraction = (rows - nonnull) as f32 / rows as f32;
    if ty.typlen > 0 {
        out.width = i32::from(ty.typlen);
    } else if nonnull > 0 {
        out.width = (width / nonnull as f64) as i32;
    }
    if nonnull == 0 || ty.functions.compare.is_none() {
        return out;
    }
    let count = values.len();
    if count == 0 {
        // Only wide values: taken for distinct.
        out.distinct = -(1.0 - out.null_fraction);
        return out;
    }
    values.sort_by(|a, b| compare_datums(a.0, b.0, ty).then(a.1.cmp(&b.1)));
    // Runs of equal values, and the correlation's sum.
    let mut groups: Vec<(usize, usize)> = vec![];
    let mut correlation_sum = 0.0;
    let mut start = 0;
    for i in 0..count {
        correlation_sum += i as f64 * values[i].1 as f64;
        let last = i + 1 == count || compare_datums(values[i].0, values[i + 1].0, ty) != Ordering::Equal;
        if last {
            groups.push((start, i + 1 - start));
            start = i + 1;
        }
    }
    let distinct = groups.len();
    let repeated = groups.iter().filter(|g| g.1 > 1).count();
    let once = distinct - repeated + wide;
    let missed = beside_each_other(&groups, &values, &blocks, sample.places.read);
    out.distinct = if repeated == 0 {
        // Every value appears once: a unique column.
        -(1.0 - out.null_fraction)
    } else if wide == 0 && repeated == distinct && missed == (0.0, 0.0) {
        // Every value appears again: the sample has seen them all.
        distinct as f32
    } else {
        let d = (distinct + wide) as f64 + missed.0;
        let total = table_rows * (1.0 - f64::from(out.null_fraction));
        distinct_estimate(nonnull as f64, d, once as f64 + missed.1, total) as f32
    };
    // More than a tenth of the rows: it grows with the table.
    if f64::from(out.distinct) > 0.1 * table_rows {
        out.distinct = -(f64::from(out.distinct) / table_rows) as f32;
    }
    // Most common values.
    let mut tracked: Vec<(usize, usize)> = groups.iter().filter(|g| g.1 > 1).copied().collect();
    tracked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let all_fit = repeated == distinct && wide == 0 && out.distinct > 0.0 && distinct <= target;
    tracked.truncate(target);
    let kept = if all_fit {
        tracked.len()
    } else {
        mcv_count(&tracked, f64::from(out.distinct), f64::from(out.null_fraction), rows as f64, table_rows)
    };
    tracked.truncate(kept);
    out.mcv = tracked.iter().map(|g| (values[g.0].0.clone(), g.1 as f32 / rows as f32)).collect();
    // The rest as a histogram of equal shares.
    let bins = (distinct - kept).min(target + 1);
    if bins >= 2 {
        let mut common: Vec<usize> = tracked.iter().map(|g| g.0).collect();
        common.sort_unstable();
        let rest: Vec<&Datum> = groups
            .iter()
            .filter(|g| common.binary_search(&g.0).is_err())
            .flat_map(|g| values[g.0..g.0 + g.1].iter().map(|v| v.0))
            .collect();
        let last = rest.len() - 1;
        out.histogram = (0..bins).map(|i| rest[i * last / (bins - 1)].clone()).collect();
    }
    if count > 1 {
        let n = count as f64;
        let sum = (n - 1.0) * n / 2.0;
        let squares = (n - 1.0) * n * (2.0 * n - 1.0) / 6.0;
        let divisor = n * squares - sum * sum;
        out.correlation = Some(((n * correlation_sum - sum * sum) / divisor) as f32);
    }
    out
}

/// What a sample of single rows would show more than one of whole blocks: (distinct values, values that appear once).
///
/// Where only a share of the blocks is read, two rows of one block come together 1 / share times as often as any others. Values that
/// appear again in one block only are taken as if thrown into 1 / share blocks, each with a value of its own: without this correction
/// the rows of an order, stored side by side, look like those of an order many times as long. PostgreSQL has no such correction.
fn beside_each_other(
    groups: &[(usize, usize)],
    values: &[(&Datum, usize)],
    blocks: &[u32],
    read: f64,
) -> (f64, f64) {
    if read >= 1.0 || blocks.len() != values.len() {
        return (0.0, 0.0);
    }
    let (mut distinct, mut once) = (0.0, 0.0);
    for (start, len) in groups.iter().filter(|g| g.1 > 1) {
        // Of equal values the positions rise.
        let (first, last) = (values[*start].1, values[start + len - 1].1);
        if blocks[first] == blocks[last] {
            let apart = (1.0 - read).powi(*len as i32 - 1);
            distinct += (1.0 - apart * (1.0 - read)) / read - 1.0;
            once += *len as f64 * apart;
        }
    }
    (distinct, once)
}

/// Distinct values among `total`, from `d` seen in a sample of `n`, `once` of them once: n*d / (n - f1 + f1*n/N).
fn distinct_estimate(n: f64, d: f64, once: f64, total: f64) -> f64 {
    let estimate = if total > 0.0 { n * d / ((n - once) + once * n / total) } else { 0.0 };
    (estimate.max(d).min(total.max(d)) + 0.5).floor()
}

/// How many of the most common values are significantly more common than the rest.
fn mcv_count(
    tracked: &[(usize, usize)],
    distinct: f64,
    null_fraction: f64,
    sample_rows: f64,
    table_rows: f64,
) -> usize {
    let mut n = tracked.len();
    if n == 0 || sample_rows == table_rows || table_rows <= 1.0 {
        return n;
    }
    let all = if distinct < 0.0 { -distinct * table_rows } else { distinct };
    let mut sum: f64 = tracked.iter().take(n - 1).map(|g| g.1 as f64).sum();
    while n > 0 {
        // What this value's share would be if it were one of the others.
        let selectivity = (1.0 - sum / sample_rows - null_fraction).clamp(0.0, 1.0);
        let others = all - (n as f64 - 1.0);
        let selectivity = if others > 1.0 { selectivity / others } else { selectivity };
        // Its count must stand out by two standard deviations of the hypergeometric distribution.
        let k = selectivity * table_rows;
        let variance = sample_rows * k * (table_rows - k) * (table_rows - sample_rows)
            / (table_rows * table_rows * (table_rows - 1.0));
        if tracked[n - 1].1 as f64 > selectivity * sample_rows + 2.0 * variance.max(0.0).sqrt() + 0.5 {
            break;
        }
        n -= 1;
        if n > 0 {
            sum -= tracked[n - 1].1 as f64;
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(values: &[Datum]) -> ColumnStats {
        let ty = quarry_types::type_info(oids::INT4).expect("int4");
        let table_rows = values.len() as f64;
        column_stats(&Sample {
            values,
            ty,
            element: None,
            computed: false,
            table_rows,
            target: 100,
            places: Places::ALL,
        })
        .expect("statistics")
    }

    #[test]
    fn rows_of_one_key_side_by_side() {
        // A million rows, four of a key, fifty in a block; a tenth of the blocks read, one row in five of those.
        let ty = quarry_types::type_info(oids::INT4).expect("int4");
        let rows: Vec<i32> = (0..1_000_000).filter(|i| i / 50 % 10 == 3 && i % 50 * 7 % 5 == 0).collect();
        let values: Vec<Datum> = rows.iter().map(|i| Datum::I32(i / 4)).collect();
        let blocks: Vec<u32> = rows.iter().map(|i| (i / 50) as u32).collect();
        let sample = Sample {
            values: &values,
            ty,
            element: None,
            computed: false,
            table_rows: 1e6,
            target: 100,
            places: Places { blocks: &blocks, read: 0.1 },
        };
        let distinct = |s: &Sample<'_>| column_stats(s).expect("statistics").distinct;
        // Each sampled row is of a key of its own.
        assert_eq!(distinct(&sample), -1.0);
        // Two rows in five, which ones is as good as random.
        let is_read = |i: &i32| {
            let mut x = (*i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (x ^ (x >> 31)) % 8 < 3
        };
        let rows: Vec<i32> = (0..1_000_000).filter(|i| i / 50 % 10 == 3 && is_read(i)).collect();
        let values: Vec<Datum> = rows.iter().map(|i| Datum::I32(i / 4)).collect();
        let blocks: Vec<u32> = rows.iter().map(|i| (i / 50) as u32).collect();
        let sample = Sample { values: &values, places: Places { blocks: &blocks, read: 0.1 }, ..sample };
        let uncorrected = Sample { places: Places::ALL, ..sample };
        assert!(distinct(&uncorrected) > 0.0, "less than a tenth of the rows");
        let keys = -distinct(&sample) * 1e6;
        assert!((225_000.0..275_000.0).contains(&keys), "{keys}");
    }

    #[test]
    fn unique_and_repeated_columns() {
        let unique: Vec<Datum> = (0..1000).map(Datum::I32).collect();
        let s = stats(&unique);
        assert_eq!((s.distinct, s.mcv.len(), s.histogram.len(), s.correlation), (-1.0, 0, 101, Some(1.0)));
        let few: Vec<Datum> = (0..1000).map(|i| Datum::I32(i % 4)).collect();
        let s = stats(&few);
        assert_eq!((s.distinct, s.mcv.len(), s.histogram.len()), (4.0, 4, 0));
        let s = stats(&vec![Datum::Null; 10]);
        assert_eq!((s.null_fraction, s.width, s.correlation), (1.0, 4, None));
    }
}
