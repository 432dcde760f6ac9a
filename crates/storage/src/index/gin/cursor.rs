//! A position in a compressed list of tids, moved ahead without unpacking what is passed over: differences are added up many bytes at a time.

use crate::index::btree::page::Item;
use crate::index::btree::posting::pack;
use crate::varint::read_varint;
use std::ops::Range;

/// A position in a list.
#[derive(Clone, Default, Debug)]
pub(super) struct Cursor {
    /// The tid here.
    pub now: u64,
    /// Where the differences of those that follow it are.
    rest: Range<usize>,
}

/// Tids unpacked one by one before another leap is tried.
const STEPS: usize = 16;

impl Cursor {
    /// At the first tid of an item whose copy ends at `end` of a buffer; none if it has none.
    pub fn of(item: &Item<'_>, end: usize) -> Option<Cursor> {
        let now = pack(item.first_tid());
        match item.differences() {
            None => (item.tid_count() == 1).then_some(Cursor { now, rest: end..end }),
            Some(differences) => {
                // Two tids are behind them.
                let end = end.checked_sub(12)?;
                let rest = end.checked_sub(differences.len())?..end;
                (item.tid_count() > 0).then_some(Cursor { now, rest })
            }
        }
    }

    /// Moves to the first tid from `to` on; false: the list ends before, or is damaged.
    #[inline]
    pub fn seek(&mut self, bytes: &[u8], to: u64) -> bool {
        if self.now >= to {
            return true;
        }
        // Mostly it is the next one, or far away.
        if !self.step(bytes) {
            return false;
        }
        while self.now < to {
            leap(&bytes[..self.rest.end], &mut self.rest.start, &mut self.now, to);
            for _ in 0..STEPS {
                if !self.step(bytes) {
                    return false;
                }
                if self.now >= to {
                    break;
                }
            }
        }
        true
    }

    /// Moves to the next tid; false: there is none.
    #[inline]
    fn step(&mut self, bytes: &[u8]) -> bool {
        let list = &bytes[..self.rest.end];
        let difference = match list.get(self.rest.start) {
            Some(b) if *b < 0x80 => {
                self.rest.start += 1;
                u64::from(*b)
            }
            _ => match read_varint(list, &mut self.rest.start) {
                Some(difference) => difference,
                None => return false,
            },
        };
        self.now = self.now.saturating_add(difference);
        true
    }
}

/// Passes over tids below `to`, as far as that goes in whole pieces of 16 bytes with numbers of one or two bytes.
#[cfg(target_arch = "x86_64")]
#[inline]
fn leap(list: &[u8], at: &mut usize, now: &mut u64, to: u64) {
    use std::arch::x86_64::{
        _mm_add_epi64, _mm_and_si128, _mm_cmplt_epi8, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_movemask_epi8,
        _mm_sad_epu8, _mm_setzero_si128, _mm_slli_epi64, _mm_slli_si128, _mm_sub_epi64, _mm_unpackhi_epi64,
    };
    /// All bits of a piece's numbers: of all its bytes, of all but the last one.
    const BITS: [[u8; 16]; 2] = {
        let mut but_last = [0x7f; 16];
        but_last[15] = 0;
        [[0x7f; 16], but_last]
    };
    while let Some(piece) = list.get(*at..).and_then(|rest| rest.first_chunk::<16>()) {
        // SAFETY: SSE2 is part of x86-64; the loads are of 16 bytes of arrays of 16 bytes, for which no alignment is needed.
        let (more, sum) = unsafe {
            let zero = _mm_setzero_si128();
            let piece = _mm_loadu_si128(piece.as_ptr().cast());
            let more = _mm_movemask_epi8(piece) as u32;
            // Bytes behind one that says that its number goes on.
            let second = _mm_slli_si128::<1>(_mm_cmplt_epi8(piece, zero));
            let bits = _mm_loadu_si128(BITS[(more >> 15 & 1) as usize].as_ptr().cast());
            let low = _mm_and_si128(piece, bits);
            let all = _mm_sad_epu8(low, zero);
            let high = _mm_sad_epu8(_mm_and_si128(low, second), zero);
            // Second bytes count 128 times.
            let sums = _mm_sub_epi64(_mm_add_epi64(all, _mm_slli_epi64::<7>(high)), high);
            let sum =
                _mm_cvtsi128_si64(sums) as u64 + _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums)) as u64;
            (more, sum)
        };
        // A number of three bytes, or the tid that is sought is among these.
        if more & more << 1 & 0xffff != 0 || *now + sum >= to {
            return;
        }
        *now += sum;
        // A number that begins in the last byte and goes on is left for the next piece.
        *at += 16 - (more >> 15 & 1) as usize;
    }
}

/// Passes over tids below `to`, as far as that goes in whole words of numbers of one or two bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn leap(list: &[u8], at: &mut usize, now: &mut u64, to: u64) {
    /// The highest bit of each byte: the number goes on.
    const MORE: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = list.get(*at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let more = word & MORE;
        // Bytes that a number goes on in, none of them further.
        let second = (more >> 7 << 8).wrapping_mul(0xff);
        if more & second != 0 {
            return;
        }
        // A number that begins in the last byte and goes on is left for the next word.
        let open = word >> 63;
        let low = word & u64::MAX >> (open * 8) & !MORE;
        let sum = sum_of(low & !second) + (sum_of(low & second) << 7);
        if *now + sum >= to {
            return;
        }
        *now += sum;
        *at += 8 - open as usize;
    }
}

/// The sum of a word's bytes.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn sum_of(bytes: u64) -> u64 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    const ONES: u64 = 0x0001_0001_0001_0001;
    let pairs = (bytes & EVEN) + (bytes >> 8 & EVEN);
    pairs.wrapping_mul(ONES) >> 48
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::btree::key::Key;
    use crate::index::btree::page as bp;
    use crate::index::btree::posting::unpack;
    use quarry_common::Tid;

    #[test]
    fn cursors_find_what_is_there() {
        let mut x = 5u64;
        let mut random = move |n: u64| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) % n
        };
        for gaps in
            [&[1][..], &[127], &[128], &[100, 200], &[16_383], &[16_384], &[1, 300, 90_000, 40], &[3, 2048]]
        {
            for count in [1, 2, 7, 8, 9, 300] {
                let mut tids = vec![pack(Tid { block: 3, slot: 1 })];
                while tids.len() < count {
                    let at_most = gaps[random(gaps.len() as u64) as usize];
                    tids.push(tids[tids.len() - 1] + 1 + random(at_most));
                }
                let item = bp::compressed_item(&Key::plain(b"key"), &tids);
                let parsed = Item::parse(&item, false).expect("an item");
                let buffer = [&[0xff; 5][..], &item].concat();
                let start = Cursor::of(&parsed, buffer.len()).expect("tids");
                assert_eq!(unpack(start.now), Tid { block: 3, slot: 1 });
                let end = tids[tids.len() - 1];
                for steps in [1, 3, 40, 5000] {
                    let mut cursor = start.clone();
                    let mut to = 0;
                    while to <= end {
                        assert!(cursor.seek(&buffer, to));
                        assert_eq!(cursor.now, tids[tids.partition_point(|t| *t < to)]);
                        to = cursor.now + 1 + random(steps);
                    }
                    assert!(!cursor.seek(&buffer, end + 1));
                }
            }
        }
    }
}
