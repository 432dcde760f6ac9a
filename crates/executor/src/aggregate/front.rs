//! A small cache in front of a table of groups, for keys of a few bytes: few groups, as of flags and states, are found without hashing
//! or comparing keys.
//!
//! A row's key columns are packed into one word of 128 bits. Equal words are equal keys, but keys may be equal whose words are not
//! (`'a'` and `'a '` as bpchar): what isn't found here is looked for in the table, which decides.

use quarry_types::{Rows, Vector, VectorData};
use std::sync::Arc;

const SLOTS: usize = 256;
/// Rows after which it is decided whether the cache pays.
const TRIED_ROWS: usize = 16 * 1024;

pub(super) struct Front {
    slots: Box<[Slot; SLOTS]>,
    rows: usize,
    missed: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    word: u128,
    /// Group number + 1; 0: empty.
    group: u32,
}

/// Key columns that can be packed.
enum Packing<'a> {
    /// One column of up to 12 bytes.
    One(&'a Vector),
    /// Two columns of up to 4 bytes each.
    Two(&'a Vector, &'a Vector),
}

impl Packing<'_> {
    #[inline(always)]
    fn word(&self, r: usize) -> Option<u128> {
        let short = |v: &Vector| match v.data() {
            VectorData::Bytes(column) if !v.is_null(r) => column.short_word(v.slot(r)),
            _ => None,
        };
        match self {
            Packing::One(v) => short(v),
            Packing::Two(a, b) => {
                let (a, b) = (short(a)?, short(b)?);
                // Length and four bytes are the lower half.
                ((a | b) >> 64 == 0 && (a as u32).max(b as u32) <= 4).then_some(a | b << 64)
            }
        }
    }
}

#[inline(always)]
fn slot_of(word: u128) -> usize {
    let mixed = (word as u64 ^ (word >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ ((word >> 64) as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed >> 56) as usize
}

impl Front {
    pub fn new() -> Front {
        Front { slots: Box::new([Slot { word: 0, group: 0 }; SLOTS]), rows: 0, missed: 0 }
    }

    /// Whether most rows have been found, as far as one can tell yet.
    pub fn pays(&self) -> bool {
        self.rows < TRIED_ROWS || self.missed * 4 < self.rows
    }

    /// Gives rows of known keys their groups; answers the others. None if keys like these can't be packed.
    pub fn number(
        &mut self,
        keys: &[Arc<Vector>],
        compared: &[bool],
        rows: Rows<'_>,
        out: &mut [u32],
    ) -> Option<Vec<u32>> {
        let packing = packing(keys, compared)?;
        let mut missed = vec![];
        for r in rows.iter() {
            match packing.word(r).map(|word| (word, self.slots[slot_of(word)])) {
                Some((word, slot)) if slot.group > 0 && slot.word == word => out[r] = slot.group - 1,
                _ => missed.push(r as u32),
            }
        }
        self.rows += rows.count();
        self.missed += missed.len();
        Some(missed)
    }

    /// Learns the groups of rows that had to be looked for.
    pub fn learn(&mut self, keys: &[Arc<Vector>], compared: &[bool], rows: &[u32], numbers: &[u32]) {
        let Some(packing) = packing(keys, compared) else { return };
        for r in rows {
            if let Some(word) = packing.word(*r as usize) {
                self.slots[slot_of(word)] = Slot { word, group: numbers[*r as usize] + 1 };
            }
        }
    }
}

fn packing<'a>(keys: &'a [Arc<Vector>], compared: &[bool]) -> Option<Packing<'a>> {
    let mut by = keys.iter().zip(compared).filter(|(_, compared)| **compared).map(|(k, _)| &**k);
    let packing = match (by.next(), by.next(), by.next()) {
        (Some(one), None, None) => Packing::One(one),
        (Some(a), Some(b), None) => Packing::Two(a, b),
        _ => return None,
    };
    let bytes = |v: &Vector| matches!(v.data(), VectorData::Bytes(_));
    let fits = match packing {
        Packing::One(v) => bytes(v),
        Packing::Two(a, b) => bytes(a) && bytes(b),
    };
    fits.then_some(packing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_types::{Datum, PhysicalType};

    fn column(values: &[Option<&str>]) -> Arc<Vector> {
        let mut v = Vector::with_capacity(PhysicalType::Bytes, values.len());
        for value in values {
            v.push_datum(&value.map_or(Datum::Null, Datum::text));
        }
        Arc::new(v)
    }

    #[test]
    fn finds_what_it_has_learnt() {
        let keys = [
            column(&[Some("A"), Some("B"), Some("A"), None, Some("A"), Some("ABCDE"), Some("")]),
            column(&[Some("F"), Some("F"), Some("F"), Some("F"), Some("O"), Some("F"), Some("")]),
        ];
        let compared = [true, true];
        let mut front = Front::new();
        let mut out = vec![9; 7];
        let missed = front.number(&keys, &compared, Rows::All(7), &mut out).unwrap();
        assert_eq!(missed, [0, 1, 2, 3, 4, 5, 6]);
        let numbers = [0, 1, 0, 2, 3, 4, 5];
        front.learn(&keys, &compared, &missed, &numbers);
        let missed = front.number(&keys, &compared, Rows::All(7), &mut out).unwrap();
        // NULLs and long values are never kept.
        assert_eq!(missed, [3, 5]);
        assert_eq!(out, [0, 1, 0, 9, 3, 9, 5]);
        // One column: up to 12 bytes.
        let keys = [column(&[Some("twelve bytes"), Some("thirteen byte")])];
        let mut front = Front::new();
        front.learn(&keys, &[true], &[0, 1], &[7, 8]);
        let mut out = vec![0; 2];
        assert_eq!(front.number(&keys, &[true], Rows::All(2), &mut out).unwrap(), [1]);
        assert_eq!(out[0], 7);
        assert!(front.number(&keys, &[false], Rows::All(2), &mut out).is_none());
    }
}
