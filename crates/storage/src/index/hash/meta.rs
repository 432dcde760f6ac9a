//! The meta page, and what a process remembers of it.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 32 | 4 | magic |
//! | 36 | 2 | entries per bucket above which the index grows |
//! | 38 | 2 | groups of buckets that have their place |
//! | 40 | 4 | buckets |
//! | 44 | 4 | zero |
//! | 48 | 8 | entries, as last counted |
//! | 56 | 4 each | first block of each group |
//!
//! Bucket numbers are given out in groups that lie together in the file: one group doubles the index while it is small, four do from
//! 1,024 buckets on (as PostgreSQL's split points).

use super::page::{self as hp, CODE_BITS};
use crate::page::slotted::{get_u16, get_u32, get_u64, put_u16, put_u32, put_u64};
use crate::page::{PAGE_HEADER, Page};
use parking_lot::Mutex;
use quarry_common::{BlockNo, Error, Result, SqlState};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const MAGIC: u32 = 0x5148_5348;
const MAGIC_AT: usize = PAGE_HEADER;
const TARGET: usize = PAGE_HEADER + 4;
const GROUPS: usize = PAGE_HEADER + 6;
const BUCKETS: usize = PAGE_HEADER + 8;
const ENTRIES: usize = PAGE_HEADER + 16;
const STARTS: usize = PAGE_HEADER + 24;

/// Doublings that are one group each.
const WHOLE_DOUBLINGS: u32 = 10;
/// Most buckets there can be.
pub const BUCKETS_MAX: u32 = 1 << 31;
/// Most groups: [`WHOLE_DOUBLINGS`] and four for each of the others up to [`BUCKETS_MAX`].
pub const GROUPS_MAX: usize = 10 + 21 * 4;

/// The bytes in use.
const USED: usize = STARTS + GROUPS_MAX * 4;

/// A group of buckets: its number, its first bucket, how many it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    pub number: usize,
    pub first: u32,
    pub buckets: u32,
}

/// The group of a bucket below [`BUCKETS_MAX`].
#[inline]
pub fn group_of(bucket: u32) -> Group {
    if bucket < 2 {
        return Group { number: 0, first: 0, buckets: 2 };
    }
    let doubling = bucket.ilog2();
    if doubling < WHOLE_DOUBLINGS {
        return Group { number: doubling as usize, first: 1 << doubling, buckets: 1 << doubling };
    }
    let buckets = 1 << (doubling - 2);
    let quarter = (bucket >> (doubling - 2)) & 3;
    Group {
        number: (WHOLE_DOUBLINGS + (doubling - WHOLE_DOUBLINGS) * 4 + quarter) as usize,
        first: (1 << doubling) + quarter * buckets,
        buckets,
    }
}

/// The depth of the newest of so many buckets (2 or more), and of those of that round.
#[inline]
pub fn depth_of(buckets: u32) -> u32 {
    (buckets.max(2) - 1).ilog2() + 1
}

/// The bucket of a code among so many (2 or more).
#[inline]
pub fn bucket_of(code: u64, buckets: u32) -> u32 {
    let depth = depth_of(buckets);
    let bucket = ((code << (64 - CODE_BITS)).reverse_bits() as u32) & ((1u64 << depth) - 1) as u32;
    if bucket < buckets { bucket } else { bucket & !(1 << (depth - 1)) }
}

/// The bucket that a bucket came from when it was made.
pub fn parent_of(bucket: u32) -> u32 {
    if bucket == 0 { 0 } else { bucket & !(1 << bucket.ilog2()) }
}

/// Whether the page is a hash index's meta page.
pub fn is_meta(page: &Page) -> bool {
    get_u32(page.bytes(), MAGIC_AT) == MAGIC && page.lower() as usize == USED
}

/// An error unless it is one whose numbers make sense.
pub fn expect(page: &Page) -> Result<()> {
    let p = page.bytes();
    let (groups, buckets) = (get_u16(p, GROUPS) as usize, get_u32(p, BUCKETS));
    let sound = is_meta(page)
        && (2..=BUCKETS_MAX).contains(&buckets)
        && groups <= GROUPS_MAX
        && group_of(buckets - 1).number < groups;
    if sound {
        return Ok(());
    }
    Err(Error::new(SqlState::INDEX_CORRUPTED, "the index's first page is not a hash index's meta page"))
}

/// Makes an index of two buckets in blocks 1 and 2.
pub fn init(page: &mut Page, target: u16) {
    page.init(0);
    page.set_lower(USED as u16);
    let p = page.bytes_mut();
    put_u32(p, MAGIC_AT, MAGIC);
    put_u16(p, TARGET, target);
    put_u16(p, GROUPS, 1);
    put_u32(p, BUCKETS, 2);
    put_u32(p, STARTS, 1);
}

/// Entries per bucket above which the index grows.
pub fn target(page: &Page) -> u16 {
    get_u16(page.bytes(), TARGET)
}
pub fn buckets(page: &Page) -> u32 {
    get_u32(page.bytes(), BUCKETS)
}
pub fn set_buckets(page: &mut Page, buckets: u32) {
    put_u32(page.bytes_mut(), BUCKETS, buckets);
}
pub fn entries(page: &Page) -> u64 {
    get_u64(page.bytes(), ENTRIES)
}
pub fn set_entries(page: &mut Page, entries: u64) {
    put_u64(page.bytes_mut(), ENTRIES, entries);
}
/// First blocks of the groups.
pub fn starts(page: &Page) -> Vec<BlockNo> {
    let groups = (get_u16(page.bytes(), GROUPS) as usize).min(GROUPS_MAX);
    (0..groups).map(|g| get_u32(page.bytes(), STARTS + g * 4)).collect()
}
/// Gives the groups their places.
pub fn set_starts(page: &mut Page, starts: &[BlockNo]) {
    let p = page.bytes_mut();
    put_u16(p, GROUPS, starts.len().min(GROUPS_MAX) as u16);
    for (g, start) in starts.iter().take(GROUPS_MAX).enumerate() {
        put_u32(p, STARTS + g * 4, *start);
    }
}

/// What is remembered of the meta page. It may be behind: a bucket's page tells (rule H2).
pub(crate) struct Known {
    /// 0: nothing is known yet. Stored (Release) after the groups' places, which are read after loading it (Acquire).
    buckets: AtomicU32,
    starts: [AtomicU32; GROUPS_MAX],
    target: AtomicU32,
    /// Entries, as far as they were counted; written to the meta page by splits and vacuum.
    pub entries: AtomicU64,
    loaded: AtomicBool,
    loading: Mutex<()>,
    /// Who splits a bucket, or moves entries from page to page of a bucket.
    pub moving: Mutex<()>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            buckets: AtomicU32::new(0),
            starts: [const { AtomicU32::new(0) }; GROUPS_MAX],
            target: AtomicU32::new(0),
            entries: AtomicU64::new(0),
            loaded: AtomicBool::new(false),
            loading: Mutex::new(()),
            moving: Mutex::new(()),
        }
    }
}

impl Known {
    /// Buckets; 0: not known yet.
    #[inline]
    pub fn buckets(&self) -> u32 {
        self.buckets.load(Ordering::Acquire)
    }

    /// Entries per bucket above which the index grows.
    #[inline]
    pub fn target(&self) -> u64 {
        self.target.load(Ordering::Relaxed) as u64
    }

    /// The block of a bucket's primary page.
    #[inline]
    pub fn block_of(&self, bucket: u32) -> BlockNo {
        let group = group_of(bucket);
        self.starts[group.number.min(GROUPS_MAX - 1)]
            .load(Ordering::Relaxed)
            .wrapping_add(bucket - group.first)
    }

    /// Entries are gone.
    pub fn forget(&self, entries: u64) {
        // The count may have been too low after a crash.
        let less = |now: u64| Some(now.saturating_sub(entries));
        let _ = self.entries.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether a bucket's primary page lies there, or may come to.
    pub fn is_place_of_bucket(&self, block: BlockNo) -> bool {
        let mut bucket = 0;
        for start in &self.starts {
            let start = start.load(Ordering::Relaxed);
            if start == 0 {
                return false;
            }
            let group = group_of(bucket);
            if (start..start.saturating_add(group.buckets)).contains(&block) {
                return true;
            }
            bucket = group.first.saturating_add(group.buckets).min(BUCKETS_MAX - 1);
        }
        false
    }

    /// Takes a latched meta page in.
    pub fn take(&self, meta: &Page) -> Result<()> {
        expect(meta)?;
        if !self.loaded.load(Ordering::Acquire) {
            let _first = self.loading.lock();
            if !self.loaded.load(Ordering::Acquire) {
                self.entries.store(entries(meta), Ordering::Relaxed);
                self.loaded.store(true, Ordering::Release);
            }
        }
        for (known, start) in self.starts.iter().zip(starts(meta)) {
            known.store(start, Ordering::Relaxed);
        }
        self.target.store(target(meta) as u32, Ordering::Relaxed);
        // Page and memory change under the page's exclusive latch together, so this never goes back.
        self.buckets.store(buckets(meta), Ordering::Release);
        Ok(())
    }
}

/// Largest entry of [`hp::CAPACITY`] as a target: a fillfactor's share of a page.
pub fn target_for(fillfactor: u16) -> u16 {
    (hp::CAPACITY * fillfactor.clamp(10, 100) as usize / 100) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_each_other() {
        let mut next = 0;
        let mut number = 0;
        while next < 1 << 20 {
            let group = group_of(next);
            assert_eq!((group.number, group.first), (number, next));
            assert_eq!(group_of(next + group.buckets - 1), group);
            next += group.buckets;
            number += 1;
        }
        assert_eq!(group_of(BUCKETS_MAX - 1).number, GROUPS_MAX - 1);
    }

    #[test]
    fn every_bucket_has_its_codes_and_a_split_moves_the_upper_half() {
        for buckets in 2..70u32 {
            for n in 0..2000u64 {
                let code = crate::index::key_hash::hash_key(&n.to_be_bytes()) >> 16;
                let bucket = bucket_of(code, buckets);
                assert!(bucket < buckets);
                let top = depth_of(buckets);
                // Buckets of the last round that have not been split yet are one less deep.
                let full = bucket | 1 << (top - 1);
                let depth = if bucket < 1 << (top - 1) && full >= buckets { top - 1 } else { top };
                assert!(hp::covers(bucket, depth, code), "{bucket} of {buckets}");
                let later = bucket_of(code, buckets + 1);
                assert!(later == bucket || (later == buckets && parent_of(later) == bucket));
                let bit = code >> (CODE_BITS - depth_of(buckets + 1)) & 1;
                if parent_of(buckets) == bucket {
                    assert_eq!(later == buckets, bit == 1);
                }
            }
        }
    }
}
