//! Pages of a hash index as plain bytes.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 0 | 32 | page header |
//! | 32 | 12 each | entries in rising order, up to `lower` |
//! | 8176 | 4 | next overflow page of the bucket; 0: none |
//! | 8180 | 4 | bucket |
//! | 8184 | 1 | depth: how many bits of an entry's code the bucket's number fixes (of a primary page) |
//! | 8185 | 1 | [`Kind`] |
//! | 8186 | 2 | flags |
//! | 8188 | 4 | magic |
//!
//! An entry is 12 bytes, big-endian, so that entries compare as their bytes do: the key's code (6), the row's block (4) and slot (2). The slot's
//! highest bit says "dead to all"; it is a hint and no part of the order.
//!
//! A code is the upper 48 bits of the key's hash. A bucket's number at depth d is the code's first d bits read backwards. So the codes of a
//! bucket are a contiguous range, and half of that range, the upper one, goes away when the bucket is split.

use crate::page::slotted::{get_u16, get_u32, put_u16, put_u32};
use crate::page::{PAGE_HEADER, PAGE_SIZE, PAGE_VERSION};
use quarry_common::{BlockNo, Error, Result, SqlState, Tid};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 12;
const SPECIAL_BYTES: usize = 16;
const ENTRIES_END: usize = PAGE_SIZE - SPECIAL_BYTES;
/// Entries on a page.
pub const CAPACITY: usize = (ENTRIES_END - PAGE_HEADER) / ENTRY_BYTES;
/// Bits of a code.
pub const CODE_BITS: u32 = 48;

/// Primary page of a bucket whose upper half is on its way to a new bucket.
pub const SPLITTING: u16 = 0x0001;
/// Primary page of a bucket whose entries may still be in the bucket it comes from.
pub const POPULATING: u16 = 0x0002;
/// Some entries carry the dead hint. Itself a hint.
pub const HAS_DEAD: u16 = 0x0004;

const DEAD: u16 = 0x8000;
const LOWER: usize = 14;
const NEXT: usize = ENTRIES_END;
const BUCKET: usize = ENTRIES_END + 4;
const DEPTH: usize = ENTRIES_END + 8;
const KIND: usize = ENTRIES_END + 9;
const FLAGS: usize = ENTRIES_END + 10;
const MAGIC_AT: usize = ENTRIES_END + 12;
const MAGIC: u32 = 0x5148_5047;

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A bucket's first page.
    Primary = 1,
    /// One of its further pages.
    Overflow = 2,
    /// Taken out of a bucket's chain, for reuse.
    Free = 3,
}

/// An entry: code and row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry(u128);

impl Entry {
    /// For a row whose key has this code.
    pub fn new(code: u64, tid: Tid) -> Entry {
        Entry((code as u128) << 48 | tid.to_u64() as u128)
    }
    /// Where the entries of a code begin.
    pub fn first_of(code: u64) -> Entry {
        Entry((code as u128) << 48)
    }
    /// The key's code.
    pub fn code(self) -> u64 {
        (self.0 >> 48) as u64
    }
    /// The row.
    pub fn tid(self) -> Tid {
        Tid::from_u64(self.0 as u64 & ((1 << 48) - 1))
    }
    /// For sorting: words are in the order of entries.
    pub(super) fn to_word(self) -> u128 {
        self.0
    }
    /// Reverses [`Entry::to_word`].
    pub(super) fn from_word(word: u128) -> Entry {
        Entry(word)
    }
    /// As on a page.
    pub fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        self.0.to_be_bytes()[4..].try_into().expect("twelve bytes")
    }
    /// From a page or the log, without the dead hint.
    #[inline]
    pub fn from_bytes(b: &[u8]) -> Entry {
        let high = u64::from_be_bytes(b[..8].try_into().expect("eight bytes"));
        let low = u32::from_be_bytes(b[8..12].try_into().expect("four bytes"));
        Entry((high as u128) << 32 | (low & !(DEAD as u32)) as u128)
    }
}

/// Whether an entry can lead there: the slot's highest bit is the hint's.
pub fn is_indexable(tid: Tid) -> bool {
    tid.slot & DEAD == 0
}

/// Makes an empty page.
pub fn init(p: &mut [u8], kind: Kind, bucket: u32, depth: u8, next: BlockNo) {
    p[8..].fill(0);
    put_u16(p, LOWER, PAGE_HEADER as u16);
    put_u16(p, 16, ENTRIES_END as u16);
    put_u16(p, 18, ENTRIES_END as u16);
    put_u16(p, 20, PAGE_VERSION);
    put_u32(p, NEXT, next);
    put_u32(p, BUCKET, bucket);
    p[DEPTH] = depth;
    p[KIND] = kind as u8;
    put_u32(p, MAGIC_AT, MAGIC);
}

/// What the page is; none if it is no bucket's page.
#[inline]
pub fn kind(p: &[u8]) -> Option<Kind> {
    if get_u32(p, MAGIC_AT) != MAGIC {
        return None;
    }
    match p[KIND] {
        1 => Some(Kind::Primary),
        2 => Some(Kind::Overflow),
        3 => Some(Kind::Free),
        _ => None,
    }
}

/// The next overflow page; 0: none.
#[inline]
pub fn next(p: &[u8]) -> BlockNo {
    get_u32(p, NEXT)
}
pub fn set_next(p: &mut [u8], next: BlockNo) {
    put_u32(p, NEXT, next);
}
#[inline]
pub fn bucket(p: &[u8]) -> u32 {
    get_u32(p, BUCKET)
}
#[inline]
pub fn depth(p: &[u8]) -> u32 {
    (p[DEPTH] as u32).min(32)
}
pub fn set_depth(p: &mut [u8], depth: u8) {
    p[DEPTH] = depth;
}
#[inline]
pub fn flags(p: &[u8]) -> u16 {
    get_u16(p, FLAGS)
}
#[inline]
pub fn has_flag(p: &[u8], flag: u16) -> bool {
    flags(p) & flag != 0
}
pub fn set_flag(p: &mut [u8], flag: u16, on: bool) {
    let f = flags(p);
    put_u16(p, FLAGS, if on { f | flag } else { f & !flag });
}

/// Entries on the page.
#[inline]
pub fn count(p: &[u8]) -> usize {
    ((get_u16(p, LOWER) as usize).saturating_sub(PAGE_HEADER) / ENTRY_BYTES).min(CAPACITY)
}

fn set_count(p: &mut [u8], count: usize) {
    put_u16(p, LOWER, (PAGE_HEADER + count * ENTRY_BYTES) as u16);
}

#[inline]
fn at(i: usize) -> usize {
    PAGE_HEADER + i * ENTRY_BYTES
}

/// The `i`th entry.
#[inline]
pub fn entry(p: &[u8], i: usize) -> Entry {
    Entry::from_bytes(&p[at(i)..at(i) + ENTRY_BYTES])
}

/// The bytes of some entries.
pub fn entry_bytes(p: &[u8], from: usize, count: usize) -> &[u8] {
    &p[at(from)..at(from + count)]
}

/// Whether the entry carries the dead hint.
#[inline]
pub fn is_dead(p: &[u8], i: usize) -> bool {
    p[at(i) + 10] & 0x80 != 0
}

/// Leaves the dead hint.
pub fn mark_dead(p: &mut [u8], i: usize) {
    p[at(i) + 10] |= 0x80;
    set_flag(p, HAS_DEAD, true);
}

/// The lowest code of a bucket.
#[inline]
pub fn lowest_code(bucket: u32) -> u64 {
    (bucket as u64).reverse_bits() >> (64 - CODE_BITS)
}

/// Whether a code belongs to a bucket of that depth.
#[inline]
pub fn covers(bucket: u32, depth: u32, code: u64) -> bool {
    (code ^ lowest_code(bucket)) >> (CODE_BITS - depth.min(32)) == 0
}

/// The first entry not below `target`. Codes are evenly spread over the bucket's range, so the search begins where it should be; where they
/// aren't, it doubles its steps.
#[inline]
pub fn lower_bound(p: &[u8], depth: u32, target: Entry) -> usize {
    let count = count(p);
    let fraction = (target.code() << (64 - CODE_BITS + depth)) >> 32;
    let guess = ((fraction * count as u64) >> 32) as usize;
    // Invariant: everything before `low` is below the target, nothing from `high` on is.
    let (mut low, mut high) = (0, count);
    let mut step = 8;
    if guess < count && entry(p, guess) < target {
        low = guess + 1;
        while low + step <= count {
            if entry(p, low + step - 1) < target {
                low += step;
                step *= 2;
            } else {
                high = low + step - 1;
                break;
            }
        }
    } else {
        high = guess.min(count);
        while high >= step {
            if entry(p, high - step) < target {
                low = high - step + 1;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    while low < high {
        let middle = (low + high) / 2;
        if entry(p, middle) < target {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Puts an entry in its place. False: the page is full.
pub fn insert(p: &mut [u8], new: Entry) -> bool {
    let n = count(p);
    if n >= CAPACITY {
        return false;
    }
    let i = lower_bound(p, depth(p), new);
    p.copy_within(at(i)..at(n), at(i + 1));
    p[at(i)..at(i + 1)].copy_from_slice(&new.to_bytes());
    set_count(p, n + 1);
    true
}

/// Puts sorted entries, as on pages, among those that are there. The caller has seen that there is room.
pub fn merge(p: &mut [u8], new: &[u8]) {
    let (mut old, added) = (count(p), new.len() / ENTRY_BYTES);
    if old + added > CAPACITY {
        return;
    }
    set_count(p, old + added);
    let mut rest = added;
    let mut to = old + added;
    // From the end, so that nothing is overwritten before it has moved.
    while rest > 0 {
        let from = &new[(rest - 1) * ENTRY_BYTES..rest * ENTRY_BYTES];
        to -= 1;
        if old > 0 && entry(p, old - 1) > Entry::from_bytes(from) {
            old -= 1;
            p.copy_within(at(old)..at(old + 1), at(to));
        } else {
            p[at(to)..at(to + 1)].copy_from_slice(from);
            rest -= 1;
        }
    }
}

/// Removes `n` entries from the `from`th on; fewer if there aren't so many.
pub fn remove_range(p: &mut [u8], from: usize, n: usize) {
    let count = count(p);
    let from = from.min(count);
    let end = (from + n).min(count);
    p.copy_within(at(end)..at(count), at(from));
    set_count(p, count - (end - from));
}

/// Removes the entries at `slots`, u16 each, rising.
pub fn remove_slots(p: &mut [u8], slots: &[u8]) {
    let count = count(p);
    let (mut to, mut from) = (0, 0);
    for slot in slots.chunks_exact(2) {
        let slot = get_u16(slot, 0) as usize;
        if slot < from || slot >= count {
            continue;
        }
        p.copy_within(at(from)..at(slot), at(to));
        to += slot - from;
        from = slot + 1;
    }
    p.copy_within(at(from)..at(count), at(to));
    set_count(p, to + count - from);
}

/// Where the entries that a split to depth `depth` takes away begin.
pub fn split_point(p: &[u8], depth: u32) -> usize {
    let bit = 1u64 << (CODE_BITS - depth.clamp(1, 32));
    let (mut low, mut high) = (0, count(p));
    while low < high {
        let middle = (low + high) / 2;
        if entry(p, middle).code() & bit == 0 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Whether the page is well-formed: bounds and order.
pub fn check(p: &[u8]) -> std::result::Result<(), String> {
    let lower = get_u16(p, LOWER) as usize;
    if lower < PAGE_HEADER || lower > at(CAPACITY) || !(lower - PAGE_HEADER).is_multiple_of(ENTRY_BYTES) {
        return Err(format!("its entries end at byte {lower}"));
    }
    if p[DEPTH] > 32 {
        return Err(format!("its depth is {}", p[DEPTH]));
    }
    match (1..count(p)).find(|i| entry(p, i - 1) >= entry(p, *i)) {
        Some(i) => Err(format!("entry {i} is not above the one before")),
        None => Ok(()),
    }
}

/// A page that a hash index's log record may change; an error if it is anything else.
pub fn expect(p: &[u8], kinds: &[Kind]) -> Result<()> {
    match kind(p) {
        Some(k) if kinds.contains(&k) => Ok(()),
        found => Err(Error::new(
            SqlState::INDEX_CORRUPTED,
            format!("a hash index's page is {found:?}, not one of {kinds:?}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultRng;
    use crate::page::Page;
    use std::collections::BTreeSet;

    fn e(code: u64, n: u32) -> Entry {
        Entry::new(code, Tid { block: n, slot: 1 + (n % 200) as u16 })
    }

    #[test]
    fn entries_read_back() {
        let entry = Entry::new(0xffff_ffff_ffff, Tid { block: u32::MAX - 1, slot: 0x7fff });
        assert_eq!(Entry::from_bytes(&entry.to_bytes()), entry);
        assert_eq!(entry.code(), 0xffff_ffff_ffff);
        assert_eq!(entry.tid(), Tid { block: u32::MAX - 1, slot: 0x7fff });
        assert!(e(1, 5) < e(2, 0) && e(1, 5) < e(1, 6) && Entry::first_of(1) < e(1, 0));
    }

    #[test]
    fn buckets_are_ranges_that_are_halved() {
        assert_eq!(lowest_code(0), 0);
        assert_eq!(lowest_code(1), 1 << 47);
        assert_eq!(lowest_code(2), 1 << 46);
        assert!(covers(1, 1, (1 << 47) + 5) && !covers(1, 1, 5) && covers(0, 1, 5));
        assert!(covers(3, 2, (3 << 46) + 5) && !covers(1, 2, (3 << 46) + 5));
    }

    #[test]
    fn pages_agree_with_a_set() {
        for (seed, codes) in [(1, 1u64 << 48), (2, 40), (3, 1)] {
            let mut rng = FaultRng::new(seed);
            let mut page = Page::zeroed();
            let p = page.bytes_mut();
            init(p, Kind::Primary, 0, 0, 0);
            let mut model = BTreeSet::new();
            for _ in 0..3000 {
                match rng.below(12) {
                    0 => {
                        let slots: Vec<u16> = (0..count(p) as u16).filter(|_| rng.below(4) == 0).collect();
                        let gone: Vec<Entry> = slots.iter().map(|s| entry(p, *s as usize)).collect();
                        let bytes: Vec<u8> = slots.iter().flat_map(|s| s.to_le_bytes()).collect();
                        remove_slots(p, &bytes);
                        gone.iter().for_each(|e| assert!(model.remove(e)));
                    }
                    1 => {
                        let mut more: Vec<Entry> = (0..rng.below(60))
                            .map(|_| e(rng.below(codes), rng.below(1 << 30) as u32))
                            .collect();
                        more.sort();
                        more.dedup();
                        more.retain(|e| !model.contains(e));
                        if model.len() + more.len() <= CAPACITY {
                            let bytes: Vec<u8> = more.iter().flat_map(|e| e.to_bytes()).collect();
                            merge(p, &bytes);
                            model.extend(more);
                        }
                    }
                    2 if count(p) > 0 => {
                        let i = rng.below(count(p) as u64) as usize;
                        mark_dead(p, i);
                        assert!(is_dead(p, i));
                    }
                    _ => {
                        let new = e(rng.below(codes), rng.below(1 << 30) as u32);
                        if !model.contains(&new) {
                            assert_eq!(insert(p, new), model.len() < CAPACITY);
                            if model.len() < CAPACITY {
                                model.insert(new);
                            }
                        }
                    }
                }
                check(p).unwrap();
                assert!((0..count(p)).map(|i| entry(p, i)).eq(model.iter().copied()));
                let probe = e(rng.below(codes), rng.below(1 << 30) as u32);
                assert_eq!(lower_bound(p, 0, probe), model.range(..probe).count());
            }
        }
    }
}
