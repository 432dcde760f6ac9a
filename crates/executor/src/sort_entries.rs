//! The order of rows gathered for a sort, by their encoded keys.
//!
//! Keys are compared sixteen bytes at a time, which lie in the entries themselves: the first sixteen of all, then the next sixteen of those
//! that agree in these, and so on. So each key's bytes are fetched once for each sixteen of them, not once for each comparison, and rows
//! with the same key, of which a sort below a grouping has many, are not compared with each other at all. What all keys begin with is
//! passed over.

use quarry_storage::sort::prefix_of;

const WINDOW: usize = size_of::<u128>();
/// Keys that agree in so many bytes are compared as a whole: long ones would need too many rounds.
const DEPTH_MAX: usize = 32 * WINDOW;
/// So few rows are sorted by comparing the rest of their keys.
const FEW: usize = 6;

/// A row's key in the key buffer.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Some of the key's bytes, while entries are being sorted.
    window: u128,
    at: usize,
    len: u32,
    /// The row's number.
    pub row: u32,
}

impl Entry {
    /// For a key that lies at the end of the buffer, from `at` on.
    pub fn new(keys: &[u8], at: usize, row: u32) -> Entry {
        Entry { window: 0, at, len: (keys.len() - at) as u32, row }
    }

    /// The key.
    pub fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        &keys[self.at..self.at + self.len as usize]
    }

    fn rest<'k>(&self, keys: &'k [u8], from: usize) -> &'k [u8] {
        self.key(keys).get(from..).unwrap_or(&[])
    }
}

/// Sorts entries by their keys, then by their rows' numbers.
pub(crate) fn sort(entries: &mut [Entry], keys: &[u8]) {
    let Some(first) = entries.first().map(|e| e.key(keys)) else { return };
    let same =
        |e: &Entry, n: usize| first.iter().zip(e.key(keys)).take(n).take_while(|(a, b)| a == b).count();
    let common = entries.iter().fold(first.len(), |n, e| same(e, n));
    sort_from(entries, keys, common);
}

/// Sorts entries whose keys have the same first `from` bytes.
fn sort_from(entries: &mut [Entry], keys: &[u8], from: usize) {
    if entries.len() <= FEW || from > DEPTH_MAX {
        entries.sort_unstable_by(|a, b| a.rest(keys, from).cmp(b.rest(keys, from)).then(a.row.cmp(&b.row)));
        return;
    }
    for e in &mut *entries {
        e.window = prefix_of(e.rest(keys, from));
    }
    entries.sort_unstable_by_key(|e| e.window);
    for same in entries.chunk_by_mut(|a, b| a.window == b.window) {
        if same.len() == 1 {
            continue;
        }
        let end = from + WINDOW;
        let len = same[0].len;
        if len as usize <= end && same.iter().all(|e| e.len == len) {
            same.sort_unstable_by_key(|e| e.row);
        } else if same.iter().any(|e| e.len as usize <= end) {
            // What ends within the window goes before what has zeroes there, and more.
            same.sort_unstable_by(|a, b| a.rest(keys, from).cmp(b.rest(keys, from)).then(a.row.cmp(&b.row)));
        } else {
            sort_from(same, keys, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_comparing_keys() {
        let mut state = 7u32;
        let mut next = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        for (rows, alphabet, longest, common) in [
            (0, 1, 1, 0),
            (1, 2, 5, 3),
            (300, 1, 40, 0),
            (500, 2, 6, 9),
            (2000, 2, 90, 20),
            (200, 2, 1200, 600),
            (900, 256, 20, 0),
        ] {
            let mut keys = vec![];
            let mut entries = vec![];
            for row in 0..rows {
                let at = keys.len();
                keys.extend(std::iter::repeat_n(7u8, common));
                let len = next(longest);
                // Runs of one byte make keys that agree for long.
                let byte = next(alphabet) as u8;
                let change = next(longest);
                keys.extend((0..len).map(|i| if i < change { byte } else { next(alphabet) as u8 }));
                entries.push(Entry::new(&keys, at, row));
            }
            let mut expected = entries.clone();
            expected.sort_by(|a, b| a.key(&keys).cmp(b.key(&keys)).then(a.row.cmp(&b.row)));
            entries.reverse();
            sort(&mut entries, &keys);
            let order = |list: &[Entry]| list.iter().map(|e| e.row).collect::<Vec<_>>();
            assert_eq!(order(&entries), order(&expected), "{rows} rows, {alphabet} bytes");
        }
    }
}
