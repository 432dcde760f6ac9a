//! Removing entries of dead rows, and overflow pages that are no longer needed.
//!
//! Buckets are visited by rising number. A split moves entries to a bucket with a higher number than any before, so none escapes.

use super::meta::group_of;
use super::page::{self as hp, Kind};
use super::{HashIndex, IndexVacuumStats, META_BLOCK, kind, wal};
use crate::buffer::{PageMut, Ring};
use quarry_common::{BlockNo, Result, Tid};
use std::sync::atomic::Ordering;

impl HashIndex {
    /// Removes every entry whose row is dead. `dead` is asked for every row at least once.
    pub fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        let mut stats = IndexVacuumStats::default();
        let known = self.known();
        self.refresh()?;
        let counted_before = known.entries.load(Ordering::Relaxed);
        let mut bucket = 0;
        while bucket < self.buckets()? {
            self.clean_bucket(bucket, dead, &mut stats)?;
            bucket += 1;
        }
        self.collect_free_pages(&mut stats)?;
        // What was inserted meanwhile may or may not have been seen.
        let counted_now = known.entries.load(Ordering::Relaxed);
        let inserted = counted_now.saturating_sub(counted_before);
        let mut meta = self.storage().pool().write(self.page_id(META_BLOCK))?;
        let entries = stats.entries + inserted;
        self.storage().log_change(None, kind(wal::COUNT), &entries.to_le_bytes(), &mut [&mut meta])?;
        known.entries.store(entries, Ordering::Relaxed);
        Ok(stats)
    }

    fn clean_bucket(
        &self,
        bucket: u32,
        dead: &dyn Fn(Tid) -> bool,
        stats: &mut IndexVacuumStats,
    ) -> Result<()> {
        let page = self.read_primary(bucket)?;
        let (mut any, mut entries, mut pages) = (false, 0, 0);
        self.walk(page.bytes(), page.block(), &mut |p, _| {
            for i in 0..hp::count(p) {
                any |= dead(hp::entry(p, i).tid());
            }
            entries += hp::count(p) as u64;
            pages += 1;
            Ok(true)
        })?;
        let unfinished = hp::flags(page.bytes()) & (hp::SPLITTING | hp::POPULATING) != 0;
        drop(page);
        let loose = pages > 1 && entries.div_ceil(hp::CAPACITY as u64) < pages;
        if !any && !unfinished && !loose {
            stats.entries += entries;
            return Ok(());
        }
        let moving = self.known().moving.lock();
        self.finish_split(&moving, bucket)?;
        let mut primary = self.write_primary(bucket)?;
        let mut next = hp::next(primary.bytes());
        self.clean_page(&mut primary, dead, stats)?;
        let mut steps = 0;
        while next != 0 {
            let mut page = self.write_overflow(self.overflow_block(next, &mut steps)?)?;
            self.clean_page(&mut page, dead, stats)?;
            next = hp::next(page.bytes());
        }
        stats.pages_deleted += self.squeeze(&moving, &mut primary)?;
        Ok(())
    }

    fn clean_page(
        &self,
        page: &mut PageMut<'_>,
        dead: &dyn Fn(Tid) -> bool,
        stats: &mut IndexVacuumStats,
    ) -> Result<()> {
        let p: &[u8] = page.bytes();
        let count = hp::count(p);
        let gone: Vec<usize> = (0..count).filter(|i| dead(hp::entry(p, *i).tid())).collect();
        stats.removed += gone.len() as u64;
        stats.entries += (count - gone.len()) as u64;
        if gone.is_empty() {
            return Ok(());
        }
        self.remove_from(page, &gone)
    }

    /// Finds the pages that belong to no chain and to no group of buckets.
    fn collect_free_pages(&self, stats: &mut IndexVacuumStats) -> Result<()> {
        let pool = self.storage().pool();
        let groups = {
            // No group gets its place between the two.
            let _moving = self.known().moving.lock();
            stats.pages = self.blocks()?;
            self.places_of_groups()?
        };
        let mut free = Vec::new();
        let mut ring = Ring::vacuum();
        for block in (META_BLOCK + 1..stats.pages).rev() {
            if groups.iter().any(|place| place.contains(&block)) {
                continue;
            }
            let page = pool.read_with(self.page_id(block), &mut ring)?;
            if page.is_new() || hp::kind(page.bytes()) == Some(Kind::Free) {
                free.push(block);
            }
        }
        stats.pages_free = free.len() as BlockNo;
        *self.state().free_pages.lock() = free;
        Ok(())
    }

    /// Where the groups of buckets lie.
    pub(super) fn places_of_groups(&self) -> Result<Vec<std::ops::Range<BlockNo>>> {
        let meta = self.storage().pool().read(self.page_id(META_BLOCK))?;
        let mut places = Vec::new();
        let mut bucket = 0;
        for start in super::meta::starts(&meta) {
            let group = group_of(bucket);
            places.push(start..start.saturating_add(group.buckets));
            bucket = group.first.saturating_add(group.buckets);
        }
        Ok(places)
    }
}
