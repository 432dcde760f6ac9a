//! ANALYZE's computation for statistics objects: distinct combinations, functional dependencies, most common combinations
//! (PostgreSQL: `mvdistinct.c`, `dependencies.c`, `mcv.c`).

use super::{HEADER_BYTES, WIDTH_MAX, distinct_estimate};
use quarry_common::Result;
use quarry_types::compare::compare_nullable;
use quarry_types::multivariate::{Coefficient, CommonItem};
use quarry_types::{Datum, TypeInfo};
use std::cmp::Ordering;

/// The sampled values of one column or expression of a statistics object.
#[derive(Clone, Copy)]
pub struct Column<'s> {
    /// Its number; expressions have -1, -2, ...
    pub number: i16,
    pub values: &'s [Datum],
    pub ty: &'s TypeInfo,
}

/// Sampled rows sorted by some columns.
struct Sorted<'s> {
    columns: Vec<Column<'s>>,
    rows: Vec<usize>,
}

impl<'s> Sorted<'s> {
    /// Rows with very wide values are left out.
    fn new(all: &[Column<'s>], chosen: &[usize], check: &dyn Fn() -> Result<()>) -> Result<Sorted<'s>> {
        check()?;
        let columns: Vec<Column<'s>> = chosen.iter().map(|i| all[*i]).collect();
        let wide = |c: &Column<'_>, row: usize| matches!(&c.values[row], Datum::Bytes(b) if c.ty.typlen < 0 && b.len() + HEADER_BYTES > WIDTH_MAX);
        let count = columns.first().map_or(0, |c| c.values.len());
        let rows = (0..count).filter(|row| !columns.iter().any(|c| wide(c, *row))).collect();
        let mut out = Sorted { columns, rows };
        let mut rows = std::mem::take(&mut out.rows);
        rows.sort_by(|a, b| out.compare(*a, *b, 0..out.columns.len()));
        out.rows = rows;
        Ok(out)
    }
    fn compare(&self, a: usize, b: usize, columns: std::ops::Range<usize>) -> Ordering {
        self.columns[columns]
            .iter()
            .map(|c| compare_nullable(&c.values[a], &c.values[b], c.ty, false, false))
            .find(|o| *o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
    /// Runs of rows equal in the first `width` columns: begin and length.
    fn groups(&self, width: usize) -> Vec<(usize, usize)> {
        let mut out = vec![];
        let mut start = 0;
        for i in 1..=self.rows.len() {
            if i == self.rows.len()
                || self.compare(self.rows[i - 1], self.rows[i], 0..width) != Ordering::Equal
            {
                out.push((start, i - start));
                start = i;
            }
        }
        out
    }
}

/// All choices of `k` out of `n`, in lexical order.
fn combinations(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut out = vec![];
    let mut current: Vec<usize> = (0..k).collect();
    if k > n {
        return out;
    }
    loop {
        out.push(current.clone());
        let Some(i) = (0..k).rev().find(|i| current[*i] < n - k + i) else { return out };
        current[i] += 1;
        for j in i + 1..k {
            current[j] = current[j - 1] + 1;
        }
    }
}

/// Distinct combinations of every two and more of the columns. `check` is called between the steps, to be cancelled.
pub fn distinct(
    columns: &[Column<'_>],
    table_rows: f64,
    check: &dyn Fn() -> Result<()>,
) -> Result<Vec<Coefficient>> {
    let mut out = vec![];
    for k in 2..=columns.len() {
        for chosen in combinations(columns.len(), k) {
            let sorted = Sorted::new(columns, &chosen, check)?;
            let groups = sorted.groups(k);
            let once = groups.iter().filter(|g| g.1 == 1).count() as f64;
            let value = distinct_estimate(sorted.rows.len() as f64, groups.len() as f64, once, table_rows);
            out.push(Coefficient { columns: chosen.iter().map(|i| columns[*i].number).collect(), value });
        }
    }
    Ok(out)
}

/// How far every set of columns determines each other column: the share of rows in groups without a contradiction.
pub fn dependencies(columns: &[Column<'_>], check: &dyn Fn() -> Result<()>) -> Result<Vec<Coefficient>> {
    let mut out = vec![];
    let rows = columns.first().map_or(0, |c| c.values.len());
    for k in 2..=columns.len() {
        for determining in combinations(columns.len(), k - 1) {
            for implied in (0..columns.len()).filter(|i| !determining.contains(i)) {
                let mut chosen = determining.clone();
                chosen.push(implied);
                let sorted = Sorted::new(columns, &chosen, check)?;
                let supporting: usize = sorted
                    .groups(k - 1)
                    .iter()
                    .filter(|(start, length)| {
                        let (first, last) = (sorted.rows[*start], sorted.rows[start + length - 1]);
                        sorted.compare(first, last, k - 1..k) == Ordering::Equal
                    })
                    .map(|g| g.1)
                    .sum();
                if supporting > 0 {
                    let columns = chosen.iter().map(|i| columns[*i].number).collect();
                    out.push(Coefficient { columns, value: supporting as f64 / rows as f64 });
                }
            }
        }
    }
    Ok(out)
}

/// The most common combinations of all the columns, `target` at most.
pub fn common(
    columns: &[Column<'_>],
    table_rows: f64,
    target: usize,
    check: &dyn Fn() -> Result<()>,
) -> Result<Vec<CommonItem>> {
    let all: Vec<usize> = (0..columns.len()).collect();
    let sorted = Sorted::new(columns, &all, check)?;
    let n = sorted.rows.len() as f64;
    if sorted.rows.is_empty() {
        return Ok(vec![]);
    }
    let mut groups = sorted.groups(columns.len());
    groups.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    groups.truncate(target);
    let least = least_count(n, table_rows);
    groups.truncate(groups.iter().position(|g| (g.1 as f64) < least).unwrap_or(groups.len()));
    // How common each value is by itself.
    let mut alone: Vec<(Sorted<'_>, Vec<(usize, usize)>)> = vec![];
    for i in 0..columns.len() {
        let one = Sorted::new(columns, &[i], check)?;
        let groups = one.groups(1);
        alone.push((one, groups));
    }
    let items = groups.iter().map(|(start, length)| {
        let row = sorted.rows[*start];
        let mut base_frequency = 1.0;
        for (one, groups) in &alone {
            let found = groups.binary_search_by(|g| one.compare(one.rows[g.0], row, 0..1));
            base_frequency *= found.map_or(0.0, |i| groups[i].1 as f64 / n);
        }
        CommonItem {
            values: columns.iter().map(|c| c.values[row].clone()).collect(),
            frequency: *length as f64 / n,
            base_frequency,
        }
    });
    Ok(items.collect())
}

/// How often a combination must be in a sample of `n` for its share of `total` rows to be known to a fifth or so.
fn least_count(n: f64, total: f64) -> f64 {
    let denominator = total - n + 0.04 * n * (total - 1.0);
    if denominator == 0.0 { 0.0 } else { n * (total - n) / denominator }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::oids;

    #[test]
    fn dependent_columns() {
        let ty = quarry_types::type_info(oids::INT4).expect("int4");
        let a: Vec<Datum> = (0..100).map(|i| Datum::I32(i % 10)).collect();
        let b: Vec<Datum> = (0..100).map(|i| Datum::I32(i % 10 / 2)).collect();
        let columns = [Column { number: 1, values: &a, ty }, Column { number: 2, values: &b, ty }];
        let go = || Ok(());
        let d = distinct(&columns, 100.0, &go).expect("distinct");
        assert_eq!(d, vec![Coefficient { columns: vec![1, 2], value: 10.0 }]);
        let d = dependencies(&columns, &go).expect("dependencies");
        assert_eq!(d, vec![Coefficient { columns: vec![1, 2], value: 1.0 }]);
        let c = common(&columns, 100.0, 100, &go).expect("common");
        assert_eq!((c.len(), c[0].frequency, c[0].base_frequency), (10, 0.1, 0.1 * 0.2));
        assert_eq!(combinations(4, 2).len(), 6);
    }
}
