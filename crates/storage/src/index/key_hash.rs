//! The hash of a key's bytes that stands on disk: in hash indexes and in BRIN's Bloom filters. It must never change.
//!
//! Words of eight bytes are folded in by the two halves of a 128-bit product (as wyhash does); MurmurHash3's finaliser mixes the result,
//! so that every bit of it, the highest ones too, depends on every bit of the key.

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FOLD: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The hash of `key`.
#[inline]
pub fn hash_key(key: &[u8]) -> u64 {
    let mut h = SEED ^ (key.len() as u64).wrapping_mul(FOLD);
    let mut words = key.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        // A sum besides: a word that is the state's complement must not wipe the state out.
        h = fold(h ^ word, FOLD).wrapping_add(h.rotate_left(23)).wrapping_add(word);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut word = [0u8; 8];
        word[..rest.len()].copy_from_slice(rest);
        let word = u64::from_le_bytes(word);
        h = fold(h ^ word, FOLD).wrapping_add(h.rotate_left(23)).wrapping_add(word);
    }
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ h >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_stays_valid() {
        let all: Vec<u64> = [&b""[..], b"a", b"12345678", b"123456789", &[0; 16]].map(hash_key).to_vec();
        assert_eq!(all, PINNED, "{all:#x?}");
    }

    const PINNED: [u64; 5] = [
        0x9ca0_66f1_a4ab_2eea,
        0xbbcb_918b_7a52_0abf,
        0x15b8_5ffa_1eed_660c,
        0x1636_7fd8_2573_d368,
        0x3bd0_53ce_9881_3cf6,
    ];

    #[test]
    fn small_numbers_spread_over_the_highest_bits() {
        let mut buckets = [0u32; 256];
        for n in 0..100_000u64 {
            buckets[(hash_key(&n.to_be_bytes()) >> 56) as usize] += 1;
            buckets[(hash_key(&(n as u32).to_be_bytes()) >> 56) as usize] += 1;
        }
        // 781 expected in each, standard deviation 28.
        assert!(buckets.iter().all(|n| (620..940).contains(n)), "{buckets:?}");
    }

    #[test]
    fn keys_of_a_word_do_not_collide() {
        let mut all: Vec<u64> = (0..1_000_000u64).map(|n| hash_key(&n.to_be_bytes()) >> 16).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() >= 999_995, "{}", all.len());
    }
}
