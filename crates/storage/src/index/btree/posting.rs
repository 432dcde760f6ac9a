//! Lists of tids, compressed: differences of neighbours, seven bits a byte (PostgreSQL: ginpostinglist.c). GIN's leaf items have them.
//!
//! A tid counts as one number, its block above the bits of its slot. A heap page has fewer than 2,048 slots, so a difference within a
//! page mostly takes one byte, and one to the next page two.

use crate::page::slotted::get_u16;
use crate::varint::{push_varint, read_varint};
use quarry_common::Tid;

/// Bits of a slot in a packed tid.
pub const SLOT_BITS: u32 = 11;
/// Above every slot of a packed tid.
pub const SLOT_MAX: u16 = (1 << SLOT_BITS) - 1;
/// Above every packed tid.
pub const PACKED_END: u64 = 1 << (32 + SLOT_BITS);

/// A tid as one number, in the order of tids. Its slot must be at most [`SLOT_MAX`].
#[inline]
pub fn pack(tid: Tid) -> u64 {
    (tid.block as u64) << SLOT_BITS | (tid.slot & SLOT_MAX) as u64
}

/// Reverses [`pack`].
#[inline]
pub fn unpack(packed: u64) -> Tid {
    Tid { block: (packed >> SLOT_BITS) as u32, slot: packed as u16 & SLOT_MAX }
}

/// Appends the differences of rising packed tids.
pub fn push_differences(out: &mut Vec<u8>, tids: &[u64]) {
    for pair in tids.windows(2) {
        push_varint(out, pair[1] - pair[0]);
    }
}

/// The packed tids that begin at `first` and go on with `count - 1` differences; fewer if the bytes are damaged.
#[derive(Clone, Debug)]
pub struct Differences<'a> {
    bytes: &'a [u8],
    at: usize,
    next: Option<u64>,
    left: usize,
}

impl<'a> Differences<'a> {
    /// Over the bytes of the differences.
    pub fn new(first: u64, count: usize, bytes: &'a [u8]) -> Differences<'a> {
        Differences { bytes, at: 0, next: (count > 0).then_some(first), left: count.saturating_sub(1) }
    }
}

impl Iterator for Differences<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        let now = self.next?;
        self.next = match self.left {
            0 => None,
            _ => {
                self.left -= 1;
                read_varint(self.bytes, &mut self.at)
                    .and_then(|d| now.checked_add(d))
                    .filter(|n| *n < PACKED_END)
            }
        };
        Some(now)
    }
}

/// The tids of a leaf item, whatever its kind.
#[derive(Clone, Debug)]
pub enum Tids<'a> {
    /// Six bytes each.
    Plain(&'a [u8]),
    /// Compressed.
    Packed(Differences<'a>),
}

impl Iterator for Tids<'_> {
    type Item = Tid;

    #[inline]
    fn next(&mut self) -> Option<Tid> {
        match self {
            Tids::Plain(bytes) => {
                let (head, rest) = bytes.split_first_chunk::<6>()?;
                *bytes = rest;
                let block = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
                Some(Tid { block, slot: get_u16(head, 4) })
            }
            Tids::Packed(d) => d.next().map(unpack),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_read_back() {
        let tids: Vec<u64> = [(0, 1), (0, 2), (0, 200), (1, 1), (70_000, 2000), (u32::MAX - 1, 3)]
            .map(|(block, slot)| pack(Tid { block, slot }))
            .to_vec();
        let mut bytes = Vec::new();
        push_differences(&mut bytes, &tids);
        let read: Vec<u64> = Differences::new(tids[0], tids.len(), &bytes).collect();
        assert_eq!(read, tids);
        assert_eq!(unpack(tids[4]), Tid { block: 70_000, slot: 2000 });
        assert_eq!(Differences::new(tids[0], tids.len(), &bytes[..1]).count(), 2);
    }

    #[test]
    fn damage_ends_a_list() {
        assert_eq!(Differences::new(5, 10, &[0xff; 20]).count(), 1);
    }
}
