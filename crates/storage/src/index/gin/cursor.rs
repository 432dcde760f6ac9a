//! A position in a compressed list of tids, moved ahead without unpacking what is passed over: differences are added up a word of bytes at a time.

use crate::index::btree::page::Item;
use crate::index::btree::posting::{pack, read_varint};
use std::ops::Range;

/// A position in a list.
#[derive(Clone, Default, Debug)]
pub(super) struct Cursor {
    /// The tid here.
    pub now: u64,
    /// How many follow it, and where their differences are.
    left: usize,
    rest: Range<usize>,
}

/// The highest bit of each byte: the number goes on.
const MORE: u64 = 0x8080_8080_8080_8080;
const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
const ONES: u64 = 0x0001_0001_0001_0001;

impl Cursor {
    /// At the first tid of an item whose copy ends at `end` of a buffer; none if it has none.
    pub fn of(item: &Item<'_>, end: usize) -> Option<Cursor> {
        let now = pack(item.first_tid());
        match item.differences() {
            None => (item.tid_count() == 1).then_some(Cursor { now, left: 0, rest: end..end }),
            Some(differences) => {
                // Two tids are behind them.
                let end = end.checked_sub(12)?;
                let rest = end.checked_sub(differences.len())?..end;
                Some(Cursor { now, left: item.tid_count().checked_sub(1)?, rest })
            }
        }
    }

    /// Moves to the first tid from `to` on; false: the list ends before, or is damaged.
    pub fn seek(&mut self, bytes: &[u8], to: u64) -> bool {
        while self.now < to {
            self.leap(bytes, to);
            if self.left == 0 {
                return false;
            }
            let Some(difference) = read_varint(&bytes[..self.rest.end], &mut self.rest.start) else {
                return false;
            };
            self.now = self.now.saturating_add(difference);
            self.left -= 1;
        }
        true
    }

    /// Passes over tids below `to`, as far as that goes in whole words of numbers of one or two bytes.
    #[inline]
    fn leap(&mut self, bytes: &[u8], to: u64) {
        while let Some(word) = bytes[self.rest.clone()].first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let more = word & MORE;
            // Bytes that a number goes on in, none of them further.
            let second = (more >> 7 << 8).wrapping_mul(0xff);
            if more & second != 0 {
                return;
            }
            // A number that begins in the last byte and goes on is left for the next word.
            let open = word >> 63;
            let (word, more) = (word & u64::MAX >> (open * 8), more & u64::MAX >> (open * 8));
            let low = word & !MORE;
            let sum = sum_of(low & !second) + (sum_of(low & second) << 7);
            let count = 8 - open as usize - more.count_ones() as usize;
            if self.now + sum >= to || count > self.left {
                return;
            }
            self.now += sum;
            self.left -= count;
            self.rest.start += 8 - open as usize;
        }
    }
}

/// The sum of a word's bytes.
#[inline]
fn sum_of(bytes: u64) -> u64 {
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
