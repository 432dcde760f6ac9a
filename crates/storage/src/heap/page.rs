//! Heap pages as plain bytes: line pointers from the front, tuples from the back.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 0 | 32 | page header ([`crate::page`]): `lower` and `upper` bound the hole; `flags` as below; `aux` = `prune_xid`, a deleter worth looking at (0 none) |
//! | 32 | 4 each | line pointers, slot 1 first: offset 15 bits, state 2 bits, length 15 bits |
//! | upper | | tuples ([`super::tuple`]), to the page's end |
//!
//! States: unused, normal, redirect (offset = slot of the first living version of a HOT chain), dead (index entries may
//! still point here; vacuum frees it). Callers hold the page's latch; nothing here logs.

use super::tuple::HEADER_BYTES;
use crate::page::slotted::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
use crate::page::{PAGE_HEADER, PAGE_SIZE};
use quarry_common::{Error, Result};
use std::cell::RefCell;

/// Where line pointers begin.
pub const SLOTS_AT: usize = PAGE_HEADER;
/// Largest tuple (header and body) a page can take.
pub const TUPLE_BYTES_MAX: usize = PAGE_SIZE - SLOTS_AT - 4;
/// Most slots on a page; more could not point to tuples.
pub const SLOTS_MAX: u16 = ((PAGE_SIZE - SLOTS_AT) / (super::tuple::HEADER_BYTES + 4)) as u16;

const LOWER: usize = 14;
const UPPER: usize = 16;
const SPECIAL: usize = 18;
const VERSION: usize = 20;
const PRUNE_AT: usize = 24;
const FLAGS_AT: usize = 12;

/// Every tuple on the page is visible to every snapshot.
pub const ALL_VISIBLE: u16 = 0x0100;
/// Some slot is unused.
pub const HAS_FREE_SLOTS: u16 = 0x0200;

/// A line pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// Free for a new tuple.
    Unused,
    /// A tuple of `len` bytes at `offset`.
    Normal { offset: u16, len: u16 },
    /// Read on at this slot.
    Redirect(u16),
    /// Gone, but index entries may remain.
    Dead,
}

impl Slot {
    fn encode(self) -> u32 {
        match self {
            Slot::Unused => 0,
            Slot::Normal { offset, len } => offset as u32 | 1 << 15 | (len as u32) << 17,
            Slot::Redirect(to) => to as u32 | 2 << 15,
            Slot::Dead => 3 << 15,
        }
    }

    #[inline]
    fn decode(v: u32) -> Slot {
        match (v >> 15) & 3 {
            0 => Slot::Unused,
            1 => Slot::Normal { offset: (v & 0x7fff) as u16, len: (v >> 17) as u16 },
            2 => Slot::Redirect((v & 0x7fff) as u16),
            _ => Slot::Dead,
        }
    }
}

/// Makes an empty heap page of zeroed or old bytes (the LSN and checksum stay the caller's).
pub fn init(p: &mut [u8]) {
    p[SLOTS_AT..].fill(0);
    put_u16(p, FLAGS_AT, 0);
    put_u16(p, LOWER, SLOTS_AT as u16);
    put_u16(p, UPPER, PAGE_SIZE as u16);
    put_u16(p, SPECIAL, PAGE_SIZE as u16);
    put_u16(p, VERSION, 1);
    put_u64(p, PRUNE_AT, 0);
}

/// Whether the page was never initialised.
pub fn is_new(p: &[u8]) -> bool {
    get_u16(p, VERSION) == 0
}

/// Slots are numbered 1 to this.
#[inline]
pub fn slot_count(p: &[u8]) -> u16 {
    (get_u16(p, LOWER).saturating_sub(SLOTS_AT as u16) / 4).min(((PAGE_SIZE - SLOTS_AT) / 4) as u16)
}

/// The line pointer of `slot` (1 to [`slot_count`]); unused beyond.
#[inline]
pub fn slot(p: &[u8], slot: u16) -> Slot {
    if slot == 0 || slot > slot_count(p) {
        return Slot::Unused;
    }
    Slot::decode(get_u32(p, SLOTS_AT + (slot as usize - 1) * 4))
}

fn set_slot(p: &mut [u8], slot: u16, to: Slot) {
    put_u32(p, SLOTS_AT + (slot as usize - 1) * 4, to.encode());
}

/// Bytes of the tuple in `slot`, if it holds one.
#[inline]
pub fn tuple(p: &[u8], s: u16) -> Option<&[u8]> {
    tuple_in(p, slot(p, s))
}

/// Bytes of the tuple that a line pointer leads to, if it leads to one.
#[inline]
pub fn tuple_in(p: &[u8], slot: Slot) -> Option<&[u8]> {
    match slot {
        Slot::Normal { offset, len } => p.get(offset as usize..offset as usize + len as usize),
        Slot::Unused | Slot::Redirect(_) | Slot::Dead => None,
    }
}

/// Slot, offset and length of every tuple on the page that lies inside it, in slot order.
#[inline]
pub fn tuple_places(p: &[u8]) -> impl Iterator<Item = (u16, u16, u16)> {
    let end = SLOTS_AT + slot_count(p) as usize * 4;
    p[SLOTS_AT..end].chunks_exact(4).zip(1u16..).filter_map(|(b, slot)| match Slot::decode(get_u32(b, 0)) {
        Slot::Normal { offset, len } => {
            let inside = offset as usize + len as usize <= p.len() && len as usize >= HEADER_BYTES;
            inside.then_some((slot, offset, len))
        }
        Slot::Unused | Slot::Redirect(_) | Slot::Dead => None,
    })
}

/// Bytes of the tuple in `slot`, to change.
pub fn tuple_mut(p: &mut [u8], s: u16) -> Option<&mut [u8]> {
    match slot(p, s) {
        Slot::Normal { offset, len } => p.get_mut(offset as usize..offset as usize + len as usize),
        Slot::Unused | Slot::Redirect(_) | Slot::Dead => None,
    }
}

/// Bytes between line pointers and tuples.
#[inline]
pub fn hole(p: &[u8]) -> usize {
    (get_u16(p, UPPER) as usize).saturating_sub(get_u16(p, LOWER) as usize)
}

/// Where tuples are, and what is left between them.
#[inline]
pub fn used(p: &[u8]) -> std::ops::Range<usize> {
    usize::from(get_u16(p, UPPER)).min(p.len())..p.len()
}

/// Page flags ([`ALL_VISIBLE`], [`HAS_FREE_SLOTS`]).
#[inline]
pub fn flags(p: &[u8]) -> u16 {
    get_u16(p, FLAGS_AT)
}

/// Sets or clears page flags.
pub fn set_flags(p: &mut [u8], bits: u16, on: bool) {
    let f = flags(p);
    put_u16(p, FLAGS_AT, if on { f | bits } else { f & !bits });
}

/// A transaction whose end may have left something to prune; 0 none.
#[inline]
pub fn prune_xid(p: &[u8]) -> u64 {
    get_u64(p, PRUNE_AT)
}

/// Notes that `xid` may leave something to prune.
pub fn note_prunable(p: &mut [u8], xid: u64) {
    let old = prune_xid(p);
    if old == 0 || xid < old {
        put_u64(p, PRUNE_AT, xid);
    }
}

/// Sets the prune hint.
pub fn set_prune_xid(p: &mut [u8], xid: u64) {
    put_u64(p, PRUNE_AT, xid);
}

/// The slot the next tuple should take: an unused one or a new one.
pub fn free_slot(p: &[u8]) -> u16 {
    let n = slot_count(p);
    if flags(p) & HAS_FREE_SLOTS != 0 {
        for s in 1..=n {
            if slot(p, s) == Slot::Unused {
                return s;
            }
        }
    }
    n + 1
}

/// Space for one more tuple, its line pointer included.
pub fn free_for_tuple(p: &[u8]) -> usize {
    if slot_count(p) >= SLOTS_MAX {
        // Only an unused slot could be taken.
        if flags(p) & HAS_FREE_SLOTS == 0 || free_slot(p) > SLOTS_MAX {
            return 0;
        }
        return hole(p);
    }
    hole(p).saturating_sub(4)
}

/// Puts a tuple of `len` bytes into `slot` (unused or the next new one) and gives its bytes to fill.
pub fn add_tuple(p: &mut [u8], s: u16, len: usize) -> Result<&mut [u8]> {
    let n = slot_count(p);
    let new_slot = s == n + 1;
    let ok = s >= 1 && len <= TUPLE_BYTES_MAX && (new_slot || (s <= n && slot(p, s) == Slot::Unused));
    if !ok || hole(p) < len + if new_slot { 4 } else { 0 } {
        return Err(Error::corrupted(format!("tuple of {len} bytes does not fit slot {s} of a heap page")));
    }
    if new_slot {
        put_u16(p, LOWER, (SLOTS_AT + s as usize * 4) as u16);
    }
    let offset = get_u16(p, UPPER) as usize - len;
    put_u16(p, UPPER, offset as u16);
    set_slot(p, s, Slot::Normal { offset: offset as u16, len: len as u16 });
    Ok(&mut p[offset..offset + len])
}

/// Changes line pointers as pruning decided, then closes the gaps.
pub fn change_slots(
    p: &mut [u8],
    redirects: impl Iterator<Item = (u16, u16)>,
    dead: impl Iterator<Item = u16>,
    unused: impl Iterator<Item = u16>,
) -> Result<()> {
    let n = slot_count(p);
    let check = |s: u16| {
        if s == 0 || s > n {
            return Err(Error::corrupted(format!("slot {s} is not on the heap page")));
        }
        Ok(())
    };
    for (from, to) in redirects {
        check(from)?;
        check(to)?;
        set_slot(p, from, Slot::Redirect(to));
    }
    for s in dead {
        check(s)?;
        set_slot(p, s, Slot::Dead);
    }
    let mut any_unused = false;
    for s in unused {
        check(s)?;
        set_slot(p, s, Slot::Unused);
        any_unused = true;
    }
    if any_unused {
        set_flags(p, HAS_FREE_SLOTS, true);
    }
    compact(p);
    Ok(())
}

/// Moves the tuples together at the page's end and drops unused slots from the end of the slot array.
pub fn compact(p: &mut [u8]) {
    let mut n = slot_count(p);
    while n > 0 && slot(p, n) == Slot::Unused {
        n -= 1;
    }
    put_u16(p, LOWER, (SLOTS_AT + n as usize * 4) as u16);
    let (upper, any_unused) = COPY.with_borrow_mut(|copy| {
        let mut upper = PAGE_SIZE;
        let mut any_unused = false;
        for s in 1..=n {
            match slot(p, s) {
                Slot::Normal { offset, len } => {
                    let (offset, len) = (offset as usize, len as usize);
                    upper -= len;
                    copy[upper..upper + len].copy_from_slice(&p[offset..offset + len]);
                    set_slot(p, s, Slot::Normal { offset: upper as u16, len: len as u16 });
                }
                Slot::Unused => any_unused = true,
                Slot::Redirect(_) | Slot::Dead => {}
            }
        }
        p[upper..PAGE_SIZE].copy_from_slice(&copy[upper..PAGE_SIZE]);
        (upper, any_unused)
    });
    put_u16(p, UPPER, upper as u16);
    set_flags(p, HAS_FREE_SLOTS, any_unused);
}

thread_local! {
    /// Where tuples are put together: zeroing a page's length anew each time would cost more than most pages' tuples do.
    static COPY: RefCell<[u8; PAGE_SIZE]> = const { RefCell::new([0; PAGE_SIZE]) };
}

/// Checks line pointers and tuples against the page's bounds; gives what is wrong.
pub fn check(p: &[u8]) -> std::result::Result<(), String> {
    if is_new(p) {
        return Ok(());
    }
    let (lower, upper) = (get_u16(p, LOWER) as usize, get_u16(p, UPPER) as usize);
    if lower < SLOTS_AT || lower > upper || upper > PAGE_SIZE || get_u16(p, SPECIAL) as usize != PAGE_SIZE {
        return Err(format!("bad bounds: lower {lower}, upper {upper}"));
    }
    let n = slot_count(p);
    let mut used = 0;
    for s in 1..=n {
        match slot(p, s) {
            Slot::Normal { offset, len } => {
                let (offset, len) = (offset as usize, len as usize);
                if offset < upper || offset + len > PAGE_SIZE || len < super::tuple::HEADER_BYTES + 2 {
                    return Err(format!("slot {s}: tuple of {len} bytes at {offset}"));
                }
                used += len;
            }
            Slot::Redirect(to) => {
                if !matches!(slot(p, to), Slot::Normal { .. }) {
                    return Err(format!("slot {s} redirects to slot {to}, which holds no tuple"));
                }
            }
            Slot::Unused | Slot::Dead => {}
        }
    }
    if used > PAGE_SIZE - upper {
        return Err("tuples overlap".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::tuple::HEADER_BYTES;

    #[test]
    fn tuples_survive_compaction() {
        let mut p = vec![0u8; PAGE_SIZE];
        assert!(is_new(&p));
        init(&mut p);
        let mut n = 0u16;
        while free_for_tuple(&p) >= 100 {
            let s = free_slot(&p);
            add_tuple(&mut p, s, 100).expect("fits").fill(s as u8);
            n = s;
        }
        check(&p).expect("sound");
        assert!(add_tuple(&mut p, n + 1, 100).is_err());
        change_slots(&mut p, [(1, 3)].into_iter(), [2].into_iter(), (10..20).chain([n])).expect("in range");
        check(&p).expect("sound");
        assert_eq!(slot(&p, 1), Slot::Redirect(3));
        assert_eq!(slot(&p, 2), Slot::Dead);
        assert_eq!(slot_count(&p), n - 1);
        assert_eq!(tuple(&p, 3), Some(&[3u8; 100][..]));
        assert_eq!(tuple(&p, 30), Some(&[30u8; 100][..]));
        assert_eq!(free_slot(&p), 10);
        add_tuple(&mut p, 10, HEADER_BYTES + 4).expect("fits").fill(9);
        assert_eq!(tuple(&p, 9), Some(&[9u8; 100][..]));
    }
}
