//! Runtime filters: what a hash join knows of its keys once its inner side is read, for scans of its outer side. A key that the filter
//! refuses has no match for certain: bounds for integers, and a split-block Bloom filter (Putze, Sanders, Singler: "Cache-, Hash- and
//! Space-Efficient Bloom Filters").
//!
//! A filter is a hint. A scan asks it of each row's key before it decodes the row's other columns, and stops asking if most
//! rows pass. Few integer keys are kept as they are, so that an index can say which pages have them (`scan::narrow`).

use quarry_types::{PhysicalType, Rows, TypeRef, Vector, VectorData, hash};
use std::sync::Arc;

/// Keys beyond which no filter is made: it would outgrow the caches.
const KEYS_MAX: usize = 4 << 20;

/// Rows that a scan tests before it judges the filter, and the share of them from which on it is useless, as a fraction.
const TRIAL_ROWS: u64 = 16_384;
const USELESS_SHARE: (u64, u64) = (4, 5);

/// The keys of an inner side.
pub struct KeyFilter {
    ty: TypeRef,
    /// Least and greatest key, for integers.
    bounds: Option<(i64, i64)>,
    /// The keys themselves, ascending, where they are integers and few.
    values: Option<Vec<i64>>,
    blocks: Vec<[u32; 8]>,
}

/// Odd numbers that spread a hash over the eight words of a block, as in Apache Parquet's format.
const SALT: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

#[inline]
fn mask(hash: u64) -> [u32; 8] {
    SALT.map(|s| 1 << ((hash as u32).wrapping_mul(s) >> 27))
}

impl KeyFilter {
    #[inline]
    fn block(&self, hash: u64) -> usize {
        (((hash >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
    #[inline]
    fn may_have(&self, hash: u64) -> bool {
        let block = &self.blocks[self.block(hash)];
        block.iter().zip(mask(hash)).all(|(word, bit)| word & bit != 0)
    }

    /// Least and greatest key, for integers; without keys the least is above the greatest.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        self.bounds
    }

    /// The keys, ascending, where they are integers and few.
    pub fn values(&self) -> Option<&[i64]> {
        self.values.as_deref()
    }

    /// Whether the value in the first row of a column may have a match.
    pub fn has(&self, key: &Vector) -> bool {
        if key.is_null(0) {
            return false;
        }
        if let Some((low, high)) = self.bounds
            && let Some(v) = integer_at(key, 0)
            && !(low <= v && v <= high)
        {
            return false;
        }
        let mut hashes = [0];
        hash::hash_vector(key, &self.ty, Rows::All(1), &mut hashes);
        self.may_have(hashes[0])
    }

    /// The rows of a column whose key may have a match, ascending; NULL has none.
    pub fn select(&self, keys: &Vector, hashes: &mut Vec<u64>, kept: &mut Vec<u32>) {
        kept.clear();
        let n = keys.len();
        let within = |v: i64| self.bounds.is_some_and(|(low, high)| low <= v && v <= high);
        let rows = 0..n as u32;
        match keys.data() {
            _ if keys.is_constant() || self.bounds.is_none() => {
                kept.extend(rows.filter(|i| !keys.is_null(*i as usize)))
            }
            VectorData::I16(d) => {
                kept.extend(rows.filter(|i| within(i64::from(d[*i as usize])) && !keys.is_null(*i as usize)))
            }
            VectorData::I32(d) => {
                kept.extend(rows.filter(|i| within(i64::from(d[*i as usize])) && !keys.is_null(*i as usize)))
            }
            VectorData::I64(d) => {
                kept.extend(rows.filter(|i| within(d[*i as usize]) && !keys.is_null(*i as usize)))
            }
            _ => kept.extend(rows.filter(|i| !keys.is_null(*i as usize))),
        }
        hashes.clear();
        hashes.resize(n, 0);
        hash::hash_vector(keys, &self.ty, Rows::Selected { positions: kept, len: n }, hashes);
        kept.retain(|i| self.may_have(hashes[*i as usize]));
    }
}

fn integer_at(keys: &Vector, row: usize) -> Option<i64> {
    let slot = keys.slot(row);
    match keys.data() {
        VectorData::I16(d) => Some(i64::from(d[slot])),
        VectorData::I32(d) => Some(i64::from(d[slot])),
        VectorData::I64(d) => Some(d[slot]),
        _ => None,
    }
}

/// Different integers up to which the keys themselves are kept.
const VALUES_MAX: usize = 1024;

/// Collects keys for a filter.
pub struct FilterBuilder {
    ty: TypeRef,
    hashes: Vec<u64>,
    bounds: Option<(i64, i64)>,
    /// Keys, with repeats; none once they are too many.
    values: Option<Vec<i64>>,
    integers: bool,
    overflow: bool,
}

impl FilterBuilder {
    pub fn new(ty: TypeRef) -> FilterBuilder {
        let integers = matches!(ty.physical, PhysicalType::I16 | PhysicalType::I32 | PhysicalType::I64);
        let values = integers.then(Vec::new);
        FilterBuilder { ty, hashes: vec![], bounds: None, values, integers, overflow: false }
    }

    pub fn add(&mut self, keys: &Vector, rows: Rows<'_>) {
        if self.overflow {
            return;
        }
        if self.hashes.len() + rows.count() > KEYS_MAX {
            (self.overflow, self.hashes) = (true, vec![]);
            return;
        }
        let mut hashes = vec![0; rows.len()];
        hash::hash_vector(keys, &self.ty, rows, &mut hashes);
        for i in rows.iter().filter(|i| !keys.is_null(*i)) {
            self.hashes.push(hashes[i]);
            if self.integers {
                let Some(v) = integer_at(keys, i) else { continue };
                if let Some(values) = &mut self.values {
                    values.push(v);
                    if values.len() > 4 * VALUES_MAX {
                        values.sort_unstable();
                        values.dedup();
                        if values.len() > VALUES_MAX {
                            self.values = None;
                        }
                    }
                }
                let (low, high) = self.bounds.unwrap_or((v, v));
                self.bounds = Some((low.min(v), high.max(v)));
            }
        }
    }

    pub fn memory_bytes(&self) -> usize {
        (self.hashes.capacity() + self.values.as_ref().map_or(0, Vec::capacity)) * 8
    }

    /// Takes over another's keys.
    pub fn merge(&mut self, other: FilterBuilder) {
        if self.overflow || other.overflow || self.hashes.len() + other.hashes.len() > KEYS_MAX {
            (self.overflow, self.hashes) = (true, vec![]);
            return;
        }
        self.hashes.extend(other.hashes);
        self.values = match (self.values.take(), other.values) {
            (Some(mut values), Some(more)) => {
                values.extend(more);
                Some(values)
            }
            _ => None,
        };
        self.bounds = match (self.bounds, other.bounds) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// The filter; none if there are too many keys.
    pub fn finish(self) -> Option<Arc<KeyFilter>> {
        if self.overflow {
            return None;
        }
        // Twelve bits a key let about one in two hundred others pass.
        let blocks = (self.hashes.len() * 12).div_ceil(256).max(1);
        let bounds = if self.integers { self.bounds.or(Some((1, 0))) } else { None };
        let mut values = self.values;
        if let Some(values) = &mut values {
            values.sort_unstable();
            values.dedup();
        }
        let values = values.filter(|v| v.len() <= VALUES_MAX);
        let mut filter = KeyFilter { ty: self.ty, bounds, values, blocks: vec![[0; 8]; blocks] };
        for h in self.hashes {
            let at = filter.block(h);
            filter.blocks[at].iter_mut().zip(mask(h)).for_each(|(word, bit)| *word |= bit);
        }
        Some(Arc::new(filter))
    }
}

/// A scan's use of one filter.
#[derive(Debug)]
pub struct Probe {
    /// The filter's number in the statement.
    pub filter: usize,
    tested: u64,
    passed: u64,
    off: bool,
}

impl Probe {
    pub fn new(filter: usize) -> Probe {
        Probe { filter, tested: 0, passed: 0, off: false }
    }
    /// Whether it is worth asking.
    pub fn is_on(&self) -> bool {
        !self.off
    }
    /// Takes note of what asking has brought.
    pub fn note(&mut self, tested: usize, passed: usize) {
        self.tested += tested as u64;
        self.passed += passed as u64;
        if self.tested >= TRIAL_ROWS {
            self.off = self.passed * USELESS_SHARE.1 > self.tested * USELESS_SHARE.0;
            (self.tested, self.passed) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::{Datum, IoContext, SqlType};

    fn column(values: impl IntoIterator<Item = Option<i64>>) -> Vector {
        let mut out = Vector::with_capacity(PhysicalType::I64, 0);
        for v in values {
            out.push_datum(&v.map_or(Datum::Null, Datum::I64));
        }
        out
    }

    #[test]
    fn keeps_what_is_there_and_little_else() {
        let ty = IoContext::default().type_ref(SqlType::INT8.oid).expect("a built-in type");
        let mut b = FilterBuilder::new(ty);
        let keys = column((0..1000).map(|i| Some(i * 1000)).chain([None]));
        b.add(&keys, Rows::All(keys.len()));
        let filter = b.finish().expect("few keys");
        let (mut hashes, mut kept) = (vec![], vec![]);
        filter.select(&keys, &mut hashes, &mut kept);
        assert_eq!(kept, (0..1000).collect::<Vec<u32>>());
        let others = column((0..100_000).map(|i| Some(i * 10 + 1)));
        filter.select(&others, &mut hashes, &mut kept);
        assert!(kept.len() < 3000, "{}", kept.len());
        let outside = column([Some(-1), Some(1_000_000), None]);
        filter.select(&outside, &mut hashes, &mut kept);
        assert!(kept.is_empty());
    }

    #[test]
    fn an_empty_side_lets_nothing_pass() {
        let ty = IoContext::default().type_ref(SqlType::INT8.oid).expect("a built-in type");
        let filter = FilterBuilder::new(ty).finish().expect("no keys");
        let (mut hashes, mut kept) = (vec![], vec![]);
        filter.select(&column([Some(0), Some(1)]), &mut hashes, &mut kept);
        assert!(kept.is_empty());
    }

    #[test]
    fn a_filter_that_lets_most_pass_is_not_asked_again() {
        let mut p = Probe::new(0);
        p.note(10_000, 9_000);
        assert!(p.is_on());
        p.note(10_000, 9_000);
        assert!(!p.is_on());
        let mut p = Probe::new(0);
        p.note(100_000, 50_000);
        assert!(p.is_on());
    }
}
