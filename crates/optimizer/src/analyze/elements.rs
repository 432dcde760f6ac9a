//! The most common elements of arrays and lexemes of tsvectors, by Lossy Counting (Manku and Motwani, "Approximate Frequency Counts
//! over Data Streams", VLDB 2002; PostgreSQL: `array_typanalyze.c`, `ts_typanalyze.c`): what is counted stays bounded however many
//! different elements there are.

use super::{HEADER_BYTES, Sample, stored_bytes};
use quarry_catalog::{ColumnStats, ElementStats};
use quarry_types::array::ArrayRef;
use quarry_types::compare::compare_datums;
use quarry_types::textsearch::VectorRef;
use quarry_types::{Datum, TypeInfo, oids};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// Arrays wider than this are left out.
const ARRAY_WIDTH_MAX: usize = 0x10000;
/// Elements kept per unit of the statistics target.
const ELEMENTS_PER_TARGET: usize = 10;

/// One element's count.
struct Tracked {
    value: Datum,
    count: usize,
    /// How often it may have been seen before it was tracked.
    missed: usize,
    /// The last value it was seen in.
    last: usize,
}

/// Counts elements, forgetting rare ones at the end of each bucket.
struct Counter<'t> {
    ty: &'t TypeInfo,
    /// By hash: few share one.
    tracked: HashMap<u64, Vec<Tracked>>,
    bucket_width: usize,
    bucket: usize,
    seen: usize,
}

impl<'t> Counter<'t> {
    fn new(ty: &'t TypeInfo, bucket_width: usize) -> Counter<'t> {
        Counter { ty, tracked: HashMap::new(), bucket_width: bucket_width.max(1), bucket: 1, seen: 0 }
    }
    /// Counts an element of value `n`, once per value.
    fn add(&mut self, value: Datum, n: usize) {
        let hash = self.ty.functions.hash.map_or(0, |h| h(&value));
        let same = self.tracked.entry(hash).or_default();
        match same.iter_mut().find(|t| compare_datums(&t.value, &value, self.ty) == Ordering::Equal) {
            Some(t) if t.last == n => return,
            Some(t) => {
                t.count += 1;
                t.last = n;
            }
            None => same.push(Tracked { value, count: 1, missed: self.bucket - 1, last: n }),
        }
        self.seen += 1;
        if self.seen.is_multiple_of(self.bucket_width) {
            let bucket = self.bucket;
            self.tracked.retain(|_, same| {
                same.retain(|t| t.count + t.missed > bucket);
                !same.is_empty()
            });
            self.bucket += 1;
        }
    }
    /// The most common ones in the order of `order`, with their shares of `of` values.
    fn finish(
        self,
        kept: usize,
        of: usize,
        order: impl Fn(&Datum, &Datum) -> Ordering,
    ) -> (Vec<(Datum, f32)>, f32, f32) {
        let cutoff = 9 * self.seen / self.bucket_width;
        let mut found: Vec<Tracked> =
            self.tracked.into_values().flatten().filter(|t| t.count > cutoff).collect();
        let share = |count: usize| (count as f64 / of as f64) as f32;
        found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| order(&a.value, &b.value)));
        let most = found.first().map_or(0, |t| t.count);
        found.truncate(kept);
        let least = found.last().map_or(of, |t| t.count);
        found.sort_by(|a, b| order(&a.value, &b.value));
        let common = found.into_iter().map(|t| (t.value, share(t.count))).collect();
        (common, share(least), share(most))
    }
}

/// Elements of arrays; none: every array is NULL or too wide.
pub fn array_stats(sample: &Sample<'_>, element: &TypeInfo) -> Option<ElementStats> {
    let kept = sample.target * ELEMENTS_PER_TARGET;
    let mut counter = Counter::new(element, kept * 1000 / 7);
    let (mut analyzed, mut with_null) = (0usize, 0usize);
    // Arrays by their numbers of distinct elements.
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for (n, v) in sample.values.iter().enumerate() {
        let Datum::Bytes(bytes) = v else { continue };
        if bytes.len() + HEADER_BYTES > ARRAY_WIDTH_MAX {
            continue;
        }
        analyzed += 1;
        let (before, mut null) = (counter.seen, false);
        for e in ArrayRef::new(bytes).iter() {
            match e.is_null() {
                true => null = true,
                false => counter.add(e, n),
            }
        }
        with_null += usize::from(null);
        *sizes.entry(counter.seen - before).or_default() += 1;
    }
    if analyzed == 0 {
        return None;
    }
    let seen = counter.seen;
    let (common, least, most) = counter.finish(kept, analyzed, |a, b| compare_datums(a, b, element));
    let with_null = Some((with_null as f64 / analyzed as f64) as f32);
    let mut counts = size_histogram(&sizes, analyzed, sample.target.max(2));
    counts.push((seen as f64 / analyzed as f64) as f32);
    Some(ElementStats { ty: element.oid, common, least, most, with_null, counts })
}

/// `bounds` sizes that divide `all` arrays into equal shares.
fn size_histogram(sizes: &BTreeMap<usize, usize>, all: usize, bounds: usize) -> Vec<f32> {
    let delta = (all - 1) as i64;
    let mut entries = sizes.iter();
    let Some((size, count)) = entries.next() else { return vec![] };
    let (mut size, mut left) = (*size, *count as i64 * (bounds as i64 - 1));
    let mut out = Vec::with_capacity(bounds + 1);
    for _ in 0..bounds {
        while left <= 0 {
            let Some((next, count)) = entries.next() else { break };
            size = *next;
            left += *count as i64 * (bounds as i64 - 1);
        }
        out.push(size as f32);
        left -= delta;
    }
    out
}

/// Shorter lexemes first, equally long ones by their bytes.
fn lexeme_order(a: &Datum, b: &Datum) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Statistics of a tsvector column: nothing but its lexemes, each vector being taken for a different one.
pub fn lexeme_stats(sample: &Sample<'_>) -> ColumnStats {
    let mut out = ColumnStats::default();
    let kept = sample.target * ELEMENTS_PER_TARGET;
    let Some(text) = quarry_types::type_info(oids::TEXT) else { return out };
    let mut counter = Counter::new(text, (kept + 10) * 1000 / 7);
    let (mut nonnull, mut width) = (0usize, 0.0);
    for (n, v) in sample.values.iter().enumerate() {
        let Datum::Bytes(bytes) = v else { continue };
        nonnull += 1;
        width += stored_bytes(v, sample) as f64;
        for lexeme in VectorRef::new(bytes).iter() {
            counter.add(Datum::text(lexeme.as_str()), n);
        }
    }
    let rows = sample.values.len();
    out.null_fraction = (rows - nonnull) as f32 / rows as f32;
    if nonnull == 0 {
        return out;
    }
    out.width = (width / nonnull as f64) as i32;
    out.distinct = -(1.0 - out.null_fraction);
    let (common, least, most) = counter.finish(kept, nonnull, lexeme_order);
    if !common.is_empty() {
        out.elements =
            Some(ElementStats { ty: oids::TEXT, common, least, most, with_null: None, counts: vec![] });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::{PhysicalType, array};

    #[test]
    fn elements_of_arrays() {
        let int4 = quarry_types::type_info(oids::INT4).expect("int4");
        let ty = quarry_types::type_info(int4.array).expect("int4[]");
        let values: Vec<Datum> = (0..20)
            .map(|i| {
                let elements = [Datum::I32(1), Datum::I32(i % 2), Datum::I32(1)];
                array::from_datums(oids::INT4, PhysicalType::I32, &elements).expect("an array")
            })
            .collect();
        let sample = Sample {
            values: &values,
            ty,
            element: Some(int4),
            computed: false,
            table_rows: 20.0,
            target: 4,
            places: crate::analyze::Places::ALL,
        };
        let e = array_stats(&sample, int4).expect("elements");
        assert_eq!(e.common, vec![(Datum::I32(0), 0.5), (Datum::I32(1), 1.0)]);
        assert_eq!((e.least, e.most, e.with_null), (0.5, 1.0, Some(0.0)));
        assert_eq!(e.counts, vec![1.0, 1.0, 2.0, 2.0, 1.5]);
    }
}
