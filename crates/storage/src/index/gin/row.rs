//! Keys: those that a row has, those that a query looks for.

/// The second byte of a key, after its column.
pub mod category {
    /// A key of the value.
    pub const NORMAL: u8 = 0;
    /// A NULL among the value's keys.
    pub const NULL_KEY: u8 = 1;
    /// A value without keys.
    pub const EMPTY_ITEM: u8 = 2;
    /// NULL instead of a value.
    pub const NULL_ITEM: u8 = 3;
}

/// One row's keys. Kept from row to row for its buffers.
#[derive(Clone, Default, Debug)]
pub struct GinRow {
    bytes: Vec<u8>,
    /// Where each key is in `bytes`.
    places: Vec<(u32, u32)>,
}

impl GinRow {
    /// Without keys.
    pub fn new() -> GinRow {
        GinRow::default()
    }

    /// Makes room for another row.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Adds a key.
    pub fn push(&mut self, column: u8, category: u8, key: &[u8]) {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&[column, category]);
        self.bytes.extend_from_slice(key);
        self.places.push((from, self.bytes.len() as u32));
    }

    /// Brings the keys into order, each once. To be called when all are in.
    pub fn finish(&mut self) {
        let bytes = &self.bytes;
        let key = |p: &(u32, u32)| &bytes[p.0 as usize..p.1 as usize];
        if !self.places.windows(2).all(|w| key(&w[0]) < key(&w[1])) {
            self.places.sort_unstable_by(|a, b| key(a).cmp(key(b)));
            self.places.dedup_by(|a, b| key(a) == key(b));
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The keys, in order once finished.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.places.iter().map(|p| &self.bytes[p.0 as usize..p.1 as usize])
    }
}

/// What a query looks for: a key, or all keys of a range (partial match).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GinEntry {
    /// The key, or where the range begins.
    pub lower: Vec<u8>,
    /// What the range's keys are below; none: only `lower` itself.
    pub upper: Option<Vec<u8>>,
}

impl GinEntry {
    /// Exactly this key.
    pub fn key(column: u8, category: u8, key: &[u8]) -> GinEntry {
        GinEntry { lower: [&[column, category], key].concat(), upper: None }
    }

    /// A column's normal keys from `lower` to below `upper`, or to the last.
    pub fn range(column: u8, lower: &[u8], upper: Option<&[u8]>) -> GinEntry {
        let upper = match upper {
            Some(key) => [&[column, category::NORMAL], key].concat(),
            None => vec![column, category::NULL_KEY],
        };
        GinEntry { lower: [&[column, category::NORMAL], lower].concat(), upper: Some(upper) }
    }

    /// All of a column but NULL instead of a value.
    pub fn all_of(column: u8) -> GinEntry {
        GinEntry { lower: vec![column, category::NORMAL], upper: Some(vec![column, category::NULL_ITEM]) }
    }

    /// All of a column.
    pub fn everything(column: u8) -> GinEntry {
        GinEntry { lower: vec![column, category::NORMAL], upper: Some(vec![column, category::NULL_ITEM + 1]) }
    }

    /// A column's values without keys.
    pub fn empties_of(column: u8) -> GinEntry {
        GinEntry::key(column, category::EMPTY_ITEM, &[])
    }

    /// A column's NULLs instead of values.
    pub fn nulls_of(column: u8) -> GinEntry {
        GinEntry::key(column, category::NULL_ITEM, &[])
    }

    /// Whether a row with these keys, which rise, has what is looked for.
    pub(super) fn is_in(&self, keys: &[&[u8]]) -> bool {
        let at = keys.partition_point(|k| *k < self.lower.as_slice());
        keys.get(at).is_some_and(|k| match &self.upper {
            None => *k == self.lower.as_slice(),
            Some(upper) => *k < upper.as_slice(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sort_their_keys() {
        let mut row = GinRow::new();
        row.push(2, category::NULL_ITEM, b"");
        row.push(1, category::NORMAL, b"b");
        row.push(1, category::NORMAL, b"a");
        row.push(1, category::NORMAL, b"b");
        row.finish();
        let keys: Vec<&[u8]> = row.iter().collect();
        assert_eq!(keys, [&[1, 0, b'a'][..], &[1, 0, b'b'], &[2, 3]]);
        assert!(GinEntry::key(1, 0, b"a").is_in(&keys) && !GinEntry::key(1, 0, b"").is_in(&keys));
        assert!(GinEntry::range(1, b"aa", None).is_in(&keys));
        assert!(!GinEntry::range(1, b"aa", Some(b"b")).is_in(&keys));
        assert!(GinEntry::all_of(1).is_in(&keys) && !GinEntry::all_of(2).is_in(&keys));
        assert!(GinEntry::nulls_of(2).is_in(&keys) && GinEntry::everything(2).is_in(&keys));
        assert!(!GinEntry::empties_of(1).is_in(&keys) && !GinEntry::everything(3).is_in(&keys));
        row.clear();
        assert!(row.is_empty());
    }
}
