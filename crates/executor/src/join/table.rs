//! The hash table of a hash join: the inner rows, chained by bucket. A row's word stands beside its link, so that most rows of a chain
//! are passed over without a look at their keys: the keys' hash, or the key itself where it is one whole number, which needs no look.

use quarry_types::{PhysicalType, Rows, TypeRef, Vector, VectorData, compare, hash};
use std::sync::Arc;

/// The inner side.
pub(super) struct Table {
    pub columns: Vec<Arc<Vector>>,
    pub keys: Vec<Arc<Vector>>,
    pub len: usize,
    mask: usize,
    /// First row of each bucket + 1.
    heads: Vec<u32>,
    entries: Vec<Entry>,
    /// Words are the keys themselves.
    by_value: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    word: u64,
    /// The next row of the bucket + 1.
    next: u32,
}

/// What is looked up for the rows of an outer batch.
pub(super) struct Lookups {
    pub keys: Vec<Arc<Vector>>,
    words: Vec<u64>,
    /// The first row of each row's bucket + 1; none for rows with a NULL.
    pub starts: Vec<u32>,
}

pub(super) fn hash_keys(keys: &[Arc<Vector>], types: &[TypeRef], rows: Rows<'_>) -> Vec<u64> {
    let mut out = vec![0; rows.len()];
    for (k, t) in keys.iter().zip(types) {
        hash::hash_vector(k, t, rows, &mut out);
    }
    out
}

/// The values of a column of whole numbers.
fn values(key: &Vector) -> Vec<u64> {
    let n = key.len();
    macro_rules! of {
        ($values:expr) => {
            (0..n).map(|i| i64::from($values[key.slot(i)]) as u64).collect()
        };
    }
    match key.data() {
        VectorData::Bool(v) => of!(v),
        VectorData::I16(v) => of!(v),
        VectorData::I32(v) => of!(v),
        VectorData::U32(v) => of!(v),
        VectorData::I64(v) => of!(v),
        other => unreachable!("{other:?} are no whole numbers"),
    }
}

fn is_whole(key: &Vector) -> bool {
    use PhysicalType::*;
    matches!(key.physical(), Bool | I16 | I32 | U32 | I64)
}

impl Table {
    pub fn new(columns: Vec<Arc<Vector>>, keys: Vec<Arc<Vector>>, len: usize, types: &[TypeRef]) -> Table {
        let hashes = hash_keys(&keys, types, Rows::All(len));
        let buckets = (len * 2).next_power_of_two().max(16);
        let mask = buckets - 1;
        let by_value = keys.len() == 1 && is_whole(&keys[0]);
        let words = if by_value { values(&keys[0]) } else { vec![] };
        let mut heads = vec![0; buckets];
        let mut entries = Vec::with_capacity(len);
        for (r, hash) in hashes.into_iter().enumerate() {
            let mut entry = Entry { word: words.get(r).copied().unwrap_or(hash), next: 0 };
            if !keys.iter().any(|k| k.is_null(r)) {
                entry.next = std::mem::replace(&mut heads[hash as usize & mask], r as u32 + 1);
            }
            entries.push(entry);
        }
        Table { columns, keys, len, mask, heads, entries, by_value }
    }

    pub fn buckets(&self) -> usize {
        self.heads.len()
    }

    /// Bytes of all that there is but keys that are no columns of the rows.
    pub fn memory_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(|c| c.allocated_bytes()).sum();
        columns + self.heads.len() * size_of::<u32>() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Finds the buckets of rows with these keys.
    pub fn lookups(&self, keys: Vec<Arc<Vector>>, types: &[TypeRef], rows: usize) -> Lookups {
        let hashes = hash_keys(&keys, types, Rows::All(rows));
        let mut starts: Vec<u32> = hashes.iter().map(|h| self.heads[*h as usize & self.mask]).collect();
        for key in keys.iter().filter(|k| k.may_have_nulls()) {
            starts.iter_mut().enumerate().filter(|(r, _)| key.is_null(*r)).for_each(|(_, start)| *start = 0);
        }
        let words = if self.by_value { values(&keys[0]) } else { hashes };
        Lookups { keys, words, starts }
    }

    /// Whether the row at a place of a chain has the keys of a row that is looked up, and the next place.
    #[inline]
    pub fn try_row(&self, at: u32, lookups: &Lookups, row: usize, types: &[TypeRef]) -> (bool, u32) {
        let found = at as usize - 1;
        let entry = self.entries[found];
        let equal = entry.word == lookups.words[row]
            && (self.by_value || {
                let keys = lookups.keys.iter().zip(&self.keys).zip(types);
                keys.into_iter().all(|((a, b), t)| compare::equal_at(a, row, b, found, t))
            });
        (equal, entry.next)
    }
}
