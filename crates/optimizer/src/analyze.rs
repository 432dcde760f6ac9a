//! ANALYZE's computation: statistics of a column from a sample of its values (PostgreSQL: `compute_scalar_stats`,
//! `analyze_mcv_list` in `analyze.c`; distinct values by Haas and Stokes, IBM RJ 10025, estimator Duj1).

use quarry_catalog::ColumnStats;
use quarry_types::compare::compare_datums;
use quarry_types::{Datum, TypeInfo};
use std::cmp::Ordering;

/// Values wider than this are counted but not compared or kept.
const WIDTH_MAX: usize = 1024;

/// Statistics of one column. `sample`: its values in physical order of the sampled rows; `table_rows`: estimated rows of the
/// whole table; `target`: the statistics target (100 by default).
pub fn column_stats(sample: &[Datum], ty: &TypeInfo, table_rows: f64, target: usize) -> ColumnStats {
    let rows = sample.len();
    let mut out = ColumnStats::default();
    if rows == 0 {
        return out;
    }
    let mut width = 0.0;
    let mut wide = 0usize;
    let mut values: Vec<(&Datum, usize)> = Vec::with_capacity(rows);
    for v in sample {
        let bytes = match v {
            Datum::Null => continue,
            Datum::Bytes(b) => b.len() + if b.len() < 127 { 1 } else { 4 },
            _ => ty.typlen.max(1) as usize,
        };
        width += bytes as f64;
        if bytes > WIDTH_MAX {
            wide += 1;
        } else {
            let position = values.len();
            values.push((v, position));
        }
    }
    let nonnull = values.len() + wide;
    out.null_fraction = (rows - nonnull) as f32 / rows as f32;
    if nonnull == 0 {
        out.distinct = 0.0;
        return out;
    }
    out.width = if ty.typlen > 0 { i32::from(ty.typlen) } else { (width / nonnull as f64) as i32 };
    if ty.functions.compare.is_none() {
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
    out.distinct = if repeated == 0 {
        // Every value appears once: a unique column.
        -(1.0 - out.null_fraction)
    } else if wide == 0 && repeated == distinct {
        // Every value appears again: the sample has seen them all.
        distinct as f32
    } else {
        let n = nonnull as f64;
        let d = (distinct + wide) as f64;
        let f1 = once as f64;
        let total = table_rows * f64::from(1.0 - out.null_fraction);
        let estimate = if total > 0.0 { n * d / ((n - f1) + f1 * n / total) } else { 0.0 };
        estimate.clamp(d, total.max(d)).round() as f32
    };
    // More than a tenth of the rows: it grows with the table.
    if f64::from(out.distinct) > 0.1 * table_rows {
        out.distinct = -(f64::from(out.distinct) / table_rows.max(1.0)) as f32;
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
    let rest_distinct = distinct - kept;
    let bins = rest_distinct.min(target + 1);
    if bins >= 2 {
        let common: Vec<usize> = tracked.iter().map(|g| g.0).collect();
        let rest: Vec<&Datum> = groups
            .iter()
            .filter(|g| !common.contains(&g.0))
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
        out.correlation =
            if divisor > 0.0 { ((n * correlation_sum - sum * sum) / divisor) as f32 } else { 0.0 };
    }
    out
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

    #[test]
    fn unique_and_repeated_columns() {
        let int4 = quarry_types::type_info(quarry_types::oids::INT4).expect("int4");
        let unique: Vec<Datum> = (0..1000).map(Datum::I32).collect();
        let s = column_stats(&unique, int4, 1000.0, 100);
        assert_eq!((s.distinct, s.mcv.len(), s.histogram.len(), s.correlation), (-1.0, 0, 101, 1.0));
        let few: Vec<Datum> = (0..1000).map(|i| Datum::I32(i % 4)).collect();
        let s = column_stats(&few, int4, 1000.0, 100);
        assert_eq!((s.distinct, s.mcv.len(), s.histogram.len()), (4.0, 4, 0));
        let nulls = vec![Datum::Null; 10];
        assert_eq!(column_stats(&nulls, int4, 10.0, 100).null_fraction, 1.0);
    }
}
