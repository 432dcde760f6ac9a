//! B-tree pages as plain bytes.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 0 | 32 | page header; `aux` = bytes of removed items not yet squeezed out |
//! | 32 | 2 each | slots: offset of the item; in key order. Slot 0 is the high key unless the page is rightmost on its level |
//! | upper | | items |
//! | 8176 | 4 | right sibling's block ([`NONE`]: rightmost) |
//! | 8180 | 4 | right sibling's generation |
//! | 8184 | 4 | this page's generation: grows when the page is reused, so that stale links are noticed |
//! | 8188 | 2 | level, 0 = leaf |
//! | 8190 | 2 | flags |
//!
//! Items begin with a u16: bits 0..=11 key length, bit 12 posting list, bit 13 has a tid (pivots), compressed (posting lists) or bare (leaf entries), bit 14 dead (a hint), bit 15 the key is packed
//! ([`super::key`]). Bit 15 of a payload's length: the payload is packed. Lengths are those of what is stored.
//!
//! | item | bytes |
//! | --- | --- |
//! | leaf entry | head, payload length u16, key, payload, tid 6 |
//! | bare leaf entry | head, key, tid 6 |
//! | posting list | head, count u16, key, count x tid 6 (rising) |
//! | compressed list (GIN) | head, bytes behind the key u16, key, count u16, differences ([`super::posting`]), first tid 6, last tid 6 |
//! | pivot (internal entries, high keys) | head, child u32, child's generation u32, key, [tid 6] |
//!
//! Entries are ordered by (key, tid). A pivot without tid stands before every entry with its key: suffix truncation leaves just enough of
//! key and tid to tell the halves apart. The first entry of an internal page has the empty key: "minus infinity".

mod make;
mod splice;

pub use make::*;
pub use splice::*;

use super::key::{self, Key};
use super::posting::{self, Differences, Tids};
use crate::page::slotted::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
use crate::page::{PAGE_HEADER, PAGE_SIZE, PAGE_VERSION};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::cmp::Ordering;

/// "No page".
pub const NONE: BlockNo = u32::MAX;
/// Size of the part at the page's end.
pub const SPECIAL_BYTES: usize = 16;
/// Where items end.
pub const ITEMS_END: usize = PAGE_SIZE - SPECIAL_BYTES;
/// Bytes for slots and items.
pub const CAPACITY: usize = ITEMS_END - PAGE_HEADER;
/// Longest key and payload together, as stored; PostgreSQL's limit of 2704 less its 8 bytes of tuple header.
pub const ENTRY_BYTES_MAX: usize = 2696;
/// Longest posting list, so that pages still split well.
pub const POSTING_BYTES_MAX: usize = 1300;

/// The left half of a split whose right half has no entry in the parent yet.
pub const INCOMPLETE_SPLIT: u16 = 0x0001;
/// Emptied and cut out of the tree.
pub const DELETED: u16 = 0x0002;
/// Some items carry the dead hint. Itself a hint.
pub const HAS_DEAD: u16 = 0x0004;

const KEY_MASK: u16 = 0x0fff;
const POSTING: u16 = 0x1000;
const HAS_TID: u16 = 0x2000;
const COMPRESSED: u16 = POSTING | 0x2000;
/// A leaf entry without payload, if it is no posting list.
const BARE: u16 = 0x2000;
const DEAD: u16 = 0x4000;
const PACKED: u16 = 0x8000;
const PAYLOAD_PACKED: u16 = 0x8000;
/// Of a compressed list, beside the differences: count, first and last tid.
const COMPRESSED_BYTES_MIN: usize = 2 + 6 + 6;

const LOWER: usize = 14;
const UPPER: usize = 16;
const GARBAGE: usize = 24;
const RIGHT: usize = ITEMS_END;
const RIGHT_GENERATION: usize = ITEMS_END + 4;
const GENERATION: usize = ITEMS_END + 8;
const LEVEL: usize = ITEMS_END + 12;
const FLAGS: usize = ITEMS_END + 14;

/// A page and the generation it had when the link to it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    pub block: BlockNo,
    pub generation: u32,
}

impl Link {
    /// To no page.
    pub const NONE: Link = Link { block: NONE, generation: 0 };
}

/// Where a tid stands among equal keys: before all, at a tid, after all.
pub mod ord {
    use quarry_common::Tid;
    /// Before every tid.
    pub const FIRST: u64 = 0;
    /// After every tid.
    pub const LAST: u64 = u64::MAX - 1;
    /// After every key, whatever the target's key.
    pub const ABOVE_ALL: u64 = u64::MAX;
    /// At the tid.
    #[inline]
    pub fn of(tid: Tid) -> u64 {
        tid.to_u64() + 1
    }
}

/// A position between entries: everything before it is smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    key: &'a [u8],
    pub ord: u64,
    /// Of the key: most comparisons need no more.
    head: u64,
}

impl<'a> Target<'a> {
    /// Above everything.
    pub const ABOVE_ALL: Target<'static> = Target { key: &[], ord: ord::ABOVE_ALL, head: 0 };

    #[inline]
    pub fn new(key: &'a [u8], ord: u64) -> Target<'a> {
        Target { key, ord, head: super::key::head(key) }
    }

    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// How it stands to an entry or pivot.
    #[inline]
    pub fn cmp_to(&self, key: &Key<'_>, ord: u64) -> Ordering {
        if self.ord == ord::ABOVE_ALL {
            return Ordering::Greater;
        }
        match self.head.cmp(&key.head()) {
            Ordering::Equal => key.cmp_plain(self.key).reverse().then(self.ord.cmp(&ord)),
            unequal => unequal,
        }
    }
}

/// Makes an empty page.
pub fn init(p: &mut [u8], level: u16, generation: u32, right: Link) {
    p[8..].fill(0);
    put_u16(p, LOWER, PAGE_HEADER as u16);
    put_u16(p, UPPER, ITEMS_END as u16);
    put_u16(p, 18, ITEMS_END as u16);
    put_u16(p, 20, PAGE_VERSION);
    set_right(p, right);
    put_u32(p, GENERATION, generation);
    put_u16(p, LEVEL, level);
}

#[inline]
pub fn right(p: &[u8]) -> Link {
    Link { block: get_u32(p, RIGHT), generation: get_u32(p, RIGHT_GENERATION) }
}
pub fn set_right(p: &mut [u8], to: Link) {
    put_u32(p, RIGHT, to.block);
    put_u32(p, RIGHT_GENERATION, to.generation);
}
#[inline]
pub fn is_rightmost(p: &[u8]) -> bool {
    get_u32(p, RIGHT) == NONE
}
#[inline]
pub fn generation(p: &[u8]) -> u32 {
    get_u32(p, GENERATION)
}
#[inline]
pub fn level(p: &[u8]) -> u16 {
    get_u16(p, LEVEL)
}
#[inline]
pub fn has_flag(p: &[u8], flag: u16) -> bool {
    get_u16(p, FLAGS) & flag != 0
}
pub fn set_flag(p: &mut [u8], flag: u16, on: bool) {
    let f = get_u16(p, FLAGS);
    put_u16(p, FLAGS, if on { f | flag } else { f & !flag });
}

/// Slots in use, the high key's included.
#[inline]
pub fn slot_count(p: &[u8]) -> usize {
    (get_u16(p, LOWER) as usize).saturating_sub(PAGE_HEADER).min(CAPACITY) / 2
}
/// The first slot that is not the high key.
#[inline]
pub fn first_data(p: &[u8]) -> usize {
    !is_rightmost(p) as usize
}
/// Bytes that further slots and items may take, after squeezing.
pub fn free(p: &[u8]) -> usize {
    (get_u16(p, UPPER) as usize).saturating_sub(get_u16(p, LOWER) as usize) + get_u64(p, GARBAGE) as usize
}

#[inline]
fn offset(p: &[u8], slot: usize) -> usize {
    get_u16(p, PAGE_HEADER + slot * 2) as usize
}

/// The item in `slot`; its length depends on whether it is a pivot (high key, internal page).
#[inline]
pub fn item(p: &[u8], slot: usize) -> Item<'_> {
    let pivot = level(p) > 0 || (slot == 0 && !is_rightmost(p));
    Item::at(p, offset(p, slot), pivot)
}

/// The item in `slot` of a leaf, which is not the high key's.
#[inline]
pub fn leaf_item_at(p: &[u8], slot: usize) -> Item<'_> {
    Item::at(p, offset(p, slot), false)
}

/// The high key; none on the rightmost page.
#[inline]
pub fn high_key(p: &[u8]) -> Option<Item<'_>> {
    if is_rightmost(p) || slot_count(p) == 0 { None } else { Some(Item::at(p, offset(p, 0), true)) }
}

/// Whether `target` lies beyond this page: at or above its high key, or (`strict`) only above it.
#[inline]
pub fn is_beyond(p: &[u8], target: &Target<'_>, strict: bool) -> bool {
    match high_key(p) {
        None => false,
        Some(h) => match target.cmp_to(&h.key(), h.pivot_ord()) {
            Ordering::Greater => true,
            Ordering::Equal => !strict,
            Ordering::Less => false,
        },
    }
}

/// An item's bytes.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    bytes: &'a [u8],
    pivot: bool,
}

impl<'a> Item<'a> {
    #[inline]
    fn at(p: &'a [u8], offset: usize, pivot: bool) -> Item<'a> {
        let head = get_u16(p, offset);
        let len = if pivot { pivot_len(head) } else { leaf_len(head, get_u16(p, offset + 2)) };
        Item { bytes: &p[offset..offset + len], pivot }
    }

    /// Wraps one item's bytes; none if they are not exactly one item.
    pub fn parse(bytes: &'a [u8], pivot: bool) -> Option<Item<'a>> {
        if bytes.len() < 4 {
            return None;
        }
        let head = get_u16(bytes, 0);
        let len = if pivot { pivot_len(head) } else { leaf_len(head, get_u16(bytes, 2)) };
        (len == bytes.len()).then_some(Item { bytes, pivot })
    }

    #[inline]
    fn head(&self) -> u16 {
        get_u16(self.bytes, 0)
    }
    /// All its bytes.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    #[inline]
    pub fn key(&self) -> Key<'a> {
        let head = self.head();
        let at = if self.pivot { PIVOT_KEY_AT } else { key_at(head) };
        Key::stored(&self.bytes[at..at + (head & KEY_MASK) as usize], head & PACKED != 0)
    }
    #[inline]
    pub fn is_posting(&self) -> bool {
        self.head() & POSTING != 0
    }
    /// Whether it is a posting list of compressed tids.
    #[inline]
    pub fn is_compressed(&self) -> bool {
        !self.pivot && self.head() & COMPRESSED == COMPRESSED
    }
    #[inline]
    pub fn is_dead(&self) -> bool {
        self.head() & DEAD != 0
    }
    /// Whether a leaf entry has INCLUDE bytes.
    #[inline]
    pub fn has_payload(&self) -> bool {
        self.head() & COMPRESSED == 0 && get_u16(self.bytes, 2) != 0
    }
    /// The INCLUDE bytes of a leaf entry as stored, and whether they are packed.
    #[inline]
    pub fn payload(&self) -> (&'a [u8], bool) {
        if !self.has_payload() {
            return (&[], false);
        }
        let at = 4 + (self.head() & KEY_MASK) as usize;
        let len = get_u16(self.bytes, 2);
        (&self.bytes[at..at + (len & !PAYLOAD_PACKED) as usize], len & PAYLOAD_PACKED != 0)
    }
    /// Appends the INCLUDE bytes of a leaf entry.
    #[inline]
    pub fn append_payload(&self, out: &mut Vec<u8>) -> Result<()> {
        let (stored, packed) = self.payload();
        key::append_payload(stored, packed, out)
    }
    /// Number of tids of a leaf item.
    #[inline]
    pub fn tid_count(&self) -> usize {
        match self.head() & COMPRESSED {
            COMPRESSED => get_u16(self.bytes, 4 + (self.head() & KEY_MASK) as usize) as usize,
            POSTING => get_u16(self.bytes, 2) as usize,
            _ => 1,
        }
    }
    /// The `i`th tid of a leaf item whose tids are not compressed.
    #[inline]
    pub fn tid(&self, i: usize) -> Tid {
        if self.is_compressed() {
            return self.tids().nth(i).unwrap_or_else(|| self.last_tid());
        }
        let at = self.bytes.len() - (self.tid_count() - i) * 6;
        read_tid(self.bytes, at)
    }
    /// The tids of a leaf item, rising.
    #[inline]
    pub fn tids(&self) -> Tids<'a> {
        if let Some(differences) = self.differences() {
            let first = posting::pack(self.first_tid());
            return Tids::Packed(Differences::new(first, self.tid_count(), differences));
        }
        Tids::Plain(&self.bytes[self.bytes.len() - self.tid_count() * 6..])
    }
    /// The differences of a compressed list's tids.
    #[inline]
    pub fn differences(&self) -> Option<&'a [u8]> {
        let at = 6 + (self.head() & KEY_MASK) as usize;
        self.is_compressed().then(|| &self.bytes[at..self.bytes.len() - 12])
    }
    #[inline]
    pub fn first_tid(&self) -> Tid {
        if self.is_compressed() { read_tid(self.bytes, self.bytes.len() - 12) } else { self.tid(0) }
    }
    #[inline]
    pub fn last_tid(&self) -> Tid {
        read_tid(self.bytes, self.bytes.len() - 6)
    }
    /// Where a pivot stands among equal keys.
    #[inline]
    pub fn pivot_ord(&self) -> u64 {
        if self.head() & HAS_TID != 0 { ord::of(self.last_tid()) } else { ord::FIRST }
    }
    /// The page an internal entry points to.
    #[inline]
    pub fn child(&self) -> Link {
        Link { block: get_u32(self.bytes, 2), generation: get_u32(self.bytes, 6) }
    }
    /// Where it stands among equal keys: a leaf item by its first tid.
    pub fn first_ord(&self) -> u64 {
        if self.pivot { self.pivot_ord() } else { ord::of(self.first_tid()) }
    }
}

#[inline]
fn read_tid(b: &[u8], at: usize) -> Tid {
    Tid { block: get_u32(b, at), slot: get_u16(b, at + 4) }
}

#[inline]
fn pivot_len(head: u16) -> usize {
    PIVOT_KEY_AT + (head & KEY_MASK) as usize + if head & HAS_TID != 0 { 6 } else { 0 }
}

/// Where a pivot's key begins.
const PIVOT_KEY_AT: usize = 10;

/// Where a leaf item's key begins.
#[inline]
fn key_at(head: u16) -> usize {
    if head & COMPRESSED == BARE { 2 } else { 4 }
}

#[inline]
fn leaf_len(head: u16, second: u16) -> usize {
    key_at(head)
        + (head & KEY_MASK) as usize
        + match head & COMPRESSED {
            BARE => 6,
            COMPRESSED => (second as usize).max(COMPRESSED_BYTES_MIN),
            POSTING => second as usize * 6,
            _ => (second & !PAYLOAD_PACKED) as usize + 6,
        }
}

/// The first slot from `first_data` whose last (key, tid) is not before `target`; `slot_count` if there is none.
#[inline]
pub fn lower_bound_leaf(p: &[u8], target: &Target<'_>) -> usize {
    let (mut low, mut high) = (first_data(p), slot_count(p));
    while low < high {
        let mid = (low + high) / 2;
        if is_above_leaf(p, offset(p, mid), target) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    low
}

/// Whether `target` is above all of the leaf item that begins there. Mostly the first bytes of the keys tell.
#[inline]
fn is_above_leaf(p: &[u8], at: usize, target: &Target<'_>) -> bool {
    let head = get_u16(p, at);
    if let Some(first) = key_head(p, at + key_at(head), head)
        && first != target.head
    {
        return target.head > first || target.ord == ord::ABOVE_ALL;
    }
    let it = Item::at(p, at, false);
    target.cmp_to(&it.key(), ord::of(it.last_tid())).is_gt()
}

/// [`key::head`] of an item's key, which begins there, if it isn't packed.
#[inline]
fn key_head(p: &[u8], at: usize, head: u16) -> Option<u64> {
    if head & PACKED != 0 {
        return None;
    }
    let first = u64::from_be_bytes(*p.get(at..)?.first_chunk()?);
    Some(match (head & KEY_MASK) as usize {
        0 => 0,
        len @ 1..8 => first & u64::MAX << (8 * (8 - len)),
        _ => first,
    })
}

/// As [`lower_bound_leaf`], if it is known to be at `from` or behind; quick if it isn't far.
#[inline]
pub fn lower_bound_leaf_from(p: &[u8], target: &Target<'_>, from: usize) -> usize {
    let is_before = |slot: usize| is_above_leaf(p, offset(p, slot), target);
    partition_near(from.max(first_data(p)), slot_count(p), is_before)
}

/// The first of the slots `from..to` for which `holds` is false; it is true for all before that. Quick if that isn't far.
#[inline]
pub fn partition_near(from: usize, to: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high, mut step) = (from, to, 1);
    while low < high {
        let probe = (low + step).min(to) - 1;
        if !holds(probe) {
            high = probe;
            break;
        }
        low = probe + 1;
        step *= 4;
    }
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The slot of the child to descend to: the last separator not above `target`, or (`strict`) below it.
#[inline]
pub fn child_slot(p: &[u8], target: &Target<'_>, strict: bool) -> usize {
    let first = first_data(p);
    // The first entry is below everything.
    let (mut low, mut high) = (first + 1, slot_count(p));
    while low < high {
        let mid = (low + high) / 2;
        let at = offset(p, mid);
        let go_right = match key_head(p, at + PIVOT_KEY_AT, get_u16(p, at)) {
            Some(first) if first != target.head => target.head > first || target.ord == ord::ABOVE_ALL,
            _ => {
                let it = Item::at(p, at, true);
                match target.cmp_to(&it.key(), it.pivot_ord()) {
                    Ordering::Greater => true,
                    Ordering::Equal => !strict,
                    Ordering::Less => false,
                }
            }
        };
        if go_right {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    low - 1
}

/// Marks a leaf item dead to all. A hint: lost without harm.
pub fn mark_dead(p: &mut [u8], slot: usize) {
    let at = offset(p, slot);
    let head = get_u16(p, at);
    put_u16(p, at, head | DEAD);
    set_flag(p, HAS_DEAD, true);
}

/// Checks bounds and order of one page; gives what is wrong.
pub fn check(p: &[u8]) -> std::result::Result<(), String> {
    let (lower, upper) = (get_u16(p, LOWER) as usize, get_u16(p, UPPER) as usize);
    if lower < PAGE_HEADER || lower > upper || upper > ITEMS_END || lower % 2 != 0 {
        return Err(format!("bad bounds: lower {lower}, upper {upper}"));
    }
    let count = slot_count(p);
    if !is_rightmost(p) && count == 0 {
        return Err("no high key".into());
    }
    let mut used = 0;
    let mut last: Option<(Vec<u8>, u64)> = None;
    for slot in 0..count {
        let at = offset(p, slot);
        let pivot = level(p) > 0 || (slot == 0 && !is_rightmost(p));
        if at < upper || at + 4 > ITEMS_END {
            return Err(format!("slot {slot} points to {at}"));
        }
        let head = get_u16(p, at);
        let len = if pivot { pivot_len(head) } else { leaf_len(head, get_u16(p, at + 2)) };
        if at + len > ITEMS_END {
            return Err(format!("the item in slot {slot} is {len} bytes long"));
        }
        if !pivot && Item::at(p, at, false).tid_count() == 0 {
            return Err(format!("the posting list in slot {slot} is empty"));
        }
        used += len;
        if slot < first_data(p) {
            continue;
        }
        let it = Item::at(p, at, pivot);
        let key = it.key().unpacked().map_err(|e| format!("slot {slot}: {}", e.message()))?;
        let (from, to) = if pivot {
            (it.pivot_ord(), it.pivot_ord())
        } else {
            let (mut before, mut tids) = (None, 0);
            for tid in it.tids() {
                if before >= Some(tid) {
                    return Err(format!("tids of the posting list in slot {slot} do not rise"));
                }
                (before, tids) = (Some(tid), tids + 1);
            }
            if tids != it.tid_count() || before != Some(it.last_tid()) {
                return Err(format!("the posting list in slot {slot} doesn't have the tids that it says"));
            }
            (ord::of(it.first_tid()), ord::of(it.last_tid()))
        };
        if let Some((before, ord)) = &last
            && (before.as_slice(), *ord) >= (&key[..], from)
            && !(pivot && slot == first_data(p) + 1 && before.is_empty() && key.is_empty())
        {
            return Err(format!("the item in slot {slot} is not above the one before it"));
        }
        if let Some(h) = high_key(p)
            && h.key().cmp_plain(&key).then(h.pivot_ord().cmp(&to)).is_le()
        {
            return Err(format!("the item in slot {slot} is not below the high key"));
        }
        last = Some((key.into_owned(), to));
    }
    if used as u64 + get_u64(p, GARBAGE) != (ITEMS_END - upper) as u64 {
        return Err(format!(
            "{used} bytes of items and {} of garbage fill {}",
            get_u64(p, GARBAGE),
            ITEMS_END - upper
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::key::Packed;
    use super::*;

    fn tid(n: u32) -> Tid {
        Tid { block: n, slot: 1 }
    }

    #[test]
    fn items_read_back() {
        let b = leaf_item(&Key::plain(b"key"), &Packed::payload(b"pay"), tid(7));
        let it = Item::parse(&b, false).expect("one item");
        let mut payload = Vec::new();
        it.append_payload(&mut payload).expect("sound");
        assert_eq!(
            (it.key().bytes(), payload, it.first_tid(), it.tid_count()),
            (&b"key"[..], b"pay".to_vec(), tid(7), 1)
        );
        let b = leaf_item(&Key::plain(b"key"), &Packed::payload(b""), tid(7));
        let it = Item::parse(&b, false).expect("one item");
        assert_eq!(
            (it.key().bytes(), it.payload(), it.tids().next()),
            (&b"key"[..], (&[][..], false), Some(tid(7)))
        );
        assert_eq!(
            (b.len(), it.has_payload(), it.is_posting(), it.is_compressed()),
            (11, false, false, false)
        );
        let b = posting_item(&Key::plain(b"k"), &[tid(1), tid(2), tid(9)]);
        let it = Item::parse(&b, false).expect("one item");
        assert_eq!(
            (it.key().bytes(), it.first_tid(), it.tid(1), it.last_tid()),
            (&b"k"[..], tid(1), tid(2), tid(9))
        );
        let b = pivot_item(&Key::plain(b"abc"), Some(tid(3)), Link { block: 5, generation: 6 });
        let it = Item::parse(&b, true).expect("one item");
        assert_eq!(
            (it.key().bytes(), it.pivot_ord(), it.child()),
            (&b"abc"[..], ord::of(tid(3)), Link { block: 5, generation: 6 })
        );
        assert!(Item::parse(&b[..b.len() - 1], true).is_none());
    }

    #[test]
    fn compressed_lists_read_back() {
        let tids: Vec<Tid> =
            [(1, 1), (1, 7), (2, 3), (900, 1)].map(|(block, slot)| Tid { block, slot }).to_vec();
        let packed: Vec<u64> = tids.iter().map(|t| posting::pack(*t)).collect();
        let b = compressed_item(&Key::plain(b"k"), &packed);
        let it = Item::parse(&b, false).expect("one item");
        assert!(it.is_posting() && it.is_compressed() && !it.has_payload());
        assert_eq!((it.key().bytes(), it.tid_count()), (&b"k"[..], 4));
        assert_eq!((it.first_tid(), it.tid(2), it.last_tid()), (tids[0], tids[2], tids[3]));
        assert!(it.tids().eq(tids.iter().copied()));
        let fewer = with_fewer_tids(&it, &tids[1..3]);
        assert!(fewer.len() < b.len());
        assert!(Item::parse(&fewer, false).expect("one item").tids().eq(tids[1..3].iter().copied()));
        let one = with_fewer_tids(&it, &tids[3..]);
        assert!(!Item::parse(&one, false).expect("one item").is_posting());
    }

    #[test]
    fn separators_are_short_and_between() {
        let sep = |l: &[u8], lt, r: &[u8], rt| {
            let item = |key, t| leaf_item(&Key::plain(key), &Packed::payload(b""), tid(t));
            let (l, r) = (item(l, lt), item(r, rt));
            let s = separator(&Item::parse(&l, false).expect("item"), &Item::parse(&r, false).expect("item"));
            let s = Item::parse(&s, true).expect("item");
            (s.key().bytes().to_vec(), s.pivot_ord())
        };
        assert_eq!(sep(b"apple", 1, b"banana", 1), (b"b".to_vec(), 0));
        assert_eq!(sep(b"app", 1, b"apple", 1), (b"appl".to_vec(), 0));
        assert_eq!(sep(b"x", 1, b"x", 2), (b"x".to_vec(), ord::of(tid(2))));
    }
}
