//! A set that remembers what was put in, and with a small chance also what was not (Bloom, 1970; PostgreSQL: lib/bloomfilter.c).

use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// Bits for each element that is expected: with [`HASHES`] of them set, one in a thousand strangers is let pass.
const BITS_PER_ELEMENT: u64 = 16;
const HASHES: u64 = 8;

pub struct Bloom {
    words: Vec<u64>,
    mask: u64,
    hasher: FixedState,
}

impl Bloom {
    /// For so many elements in at most so many bytes. `seed` decides which strangers pass.
    pub fn new(elements: u64, bytes_max: usize, seed: u64) -> Bloom {
        let most = (bytes_max as u64 * 8).max(1 << 16);
        // A power of two that the memory holds.
        let bound = 1 << most.ilog2();
        let bits =
            elements.saturating_mul(BITS_PER_ELEMENT).clamp(1 << 16, bound).next_power_of_two().min(bound);
        Bloom { words: vec![0; (bits / 64) as usize], mask: bits - 1, hasher: FixedState::with_seed(seed) }
    }

    /// The bits of an element: an arithmetic progression of two hashes (Kirsch and Mitzenmacher, 2006).
    fn bits(&self, key: &[u8], number: u64) -> impl Iterator<Item = u64> + use<> {
        let first = self.hasher.hash_one((key, number));
        let step = first.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mask = self.mask;
        (0..HASHES).map(move |i| first.wrapping_add(i.wrapping_mul(step)) & mask)
    }

    pub fn insert(&mut self, key: &[u8], number: u64) {
        for bit in self.bits(key, number) {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// False: it was certainly not put in.
    pub fn may_contain(&self, key: &[u8], number: u64) -> bool {
        self.bits(key, number).all(|bit| self.words[(bit / 64) as usize] & (1 << (bit % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_strangers_pass() {
        let mut set = Bloom::new(10_000, 1 << 20, 7);
        for n in 0..10_000u64 {
            set.insert(&n.to_be_bytes(), n);
        }
        assert!((0..10_000u64).all(|n| set.may_contain(&n.to_be_bytes(), n)));
        let strangers = (10_000..110_000u64).filter(|n| set.may_contain(&n.to_be_bytes(), *n)).count();
        assert!(strangers < 500, "{strangers} of 100000");
        // Memory bounds it, whatever is expected.
        assert_eq!(Bloom::new(u64::MAX, 1 << 20, 0).words.len(), 1 << 17);
    }
}
