//! Growing by one bucket: the next one takes the upper half of its parent's codes.
//!
//! One record makes the new bucket and flags both; then entries move page by page, each step one record over the page they leave and the page
//! they come to; a last record takes the flags away. Meanwhile, and after a crash, lookups in the new bucket look into both.

use super::meta::{BUCKETS_MAX, depth_of, group_of, parent_of};
use super::page::{self as hp, CAPACITY};
use super::{HashIndex, META_BLOCK, kind, wal};
use crate::Fork;
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use parking_lot::MutexGuard;
use quarry_common::{BlockNo, Result};
use std::sync::atomic::Ordering;

/// Pages of a chain that are gone through before others are let in.
const PAGES_AT_ONCE: usize = 16;

/// Proof that nobody else moves entries.
pub(super) type Moving<'a> = MutexGuard<'a, ()>;

impl HashIndex {
    /// Splits the next bucket if there are enough entries for one more and nobody else is splitting.
    pub(super) fn split_one(&self) -> Result<()> {
        let known = self.known();
        let Some(moving) = known.moving.try_lock() else { return Ok(()) };
        let new = self.refresh()?;
        if known.entries.load(Ordering::Relaxed) <= known.target() * new as u64 || new >= BUCKETS_MAX {
            return Ok(());
        }
        let (old, depth) = (parent_of(new), depth_of(new + 1));
        self.place_group(new)?;
        let pool = self.storage().pool();
        let mut old_page = self.write_primary(old)?;
        while hp::flags(old_page.bytes()) & (hp::SPLITTING | hp::POPULATING) != 0 {
            drop(old_page);
            self.finish_split(&moving, old)?;
            old_page = self.write_primary(old)?;
        }
        let mut new_page = pool.write(self.page_id(known.block_of(new)))?;
        let mut meta = pool.write(self.page_id(META_BLOCK))?;
        self.storage().ssi().page_split(self.rel(), old_page.block(), new_page.block());
        with_scratch(|payload| {
            payload.w32(new).w8(depth as u8).w64(known.entries.load(Ordering::Relaxed));
            self.storage().log_change(
                None,
                kind(wal::BEGIN_SPLIT),
                payload,
                &mut [&mut old_page, &mut new_page, &mut meta],
            )
        })?;
        known.take(&meta)?;
        drop((old_page, new_page, meta));
        self.move_entries(&moving, old, new)
    }

    /// Gives the group of a bucket its place in the file, if it has none.
    fn place_group(&self, bucket: u32) -> Result<()> {
        let group = group_of(bucket);
        if group.first != bucket || self.known().block_of(bucket) != 0 {
            return Ok(());
        }
        let pool = self.storage().pool();
        let first = pool.extend(self.rel(), Fork::Main, group.buckets)?;
        let start = first.block();
        drop(first);
        // The last page is written, so that the file never ends within the group (rule H6).
        let mut last = pool.write(self.page_id(start + group.buckets - 1))?;
        let mut meta = pool.write(self.page_id(META_BLOCK))?;
        with_scratch(|payload| {
            payload.w16(group.number as u16 + 1).w32(start);
            self.storage().log_change(None, kind(wal::GROUP), payload, &mut [&mut meta, &mut last])
        })?;
        self.known().take(&meta)
    }

    /// Completes the split that a bucket's flags tell of, if they still do.
    pub(super) fn finish_split(&self, moving: &Moving<'_>, bucket: u32) -> Result<()> {
        let page = self.read_primary(bucket)?;
        let p = page.bytes();
        let (flags, depth) = (hp::flags(p), hp::depth(p));
        drop(page);
        if depth == 0 {
            return Err(
                self.corrupted(format_args!("bucket {bucket} has never been split, but its page says so"))
            );
        }
        if flags & hp::POPULATING != 0 {
            self.move_entries(moving, self.source_of(bucket), bucket)?;
        }
        if flags & hp::SPLITTING != 0 {
            self.move_entries(moving, bucket, bucket | 1 << (depth - 1))?;
        }
        Ok(())
    }

    fn move_entries(&self, moving: &Moving<'_>, old: u32, new: u32) -> Result<()> {
        // The chain of `old` grows only behind its first page meanwhile, by inserts, which put nothing there that is to go: so a place
        // in it stays one without latches.
        let mut at: Option<BlockNo> = None;
        loop {
            let mut old_page = self.write_primary(old)?;
            let mut new_page = self.write_primary(new)?;
            let going = hp::has_flag(old_page.bytes(), hp::SPLITTING);
            let coming = hp::has_flag(new_page.bytes(), hp::POPULATING);
            if !going && !coming {
                return Ok(());
            }
            if going != coming || hp::depth(old_page.bytes()) != hp::depth(new_page.bytes()) {
                return Err(
                    self.corrupted(format_args!("buckets {old} and {new} don't agree on their split"))
                );
            }
            let depth = hp::depth(new_page.bytes());
            let mut next = match at {
                None => {
                    self.move_from(&mut old_page, &mut new_page, depth)?;
                    hp::next(old_page.bytes())
                }
                Some(block) => block,
            };
            for _ in 0..PAGES_AT_ONCE {
                if next == 0 {
                    break;
                }
                let mut page = self.write_overflow(next)?;
                self.move_from(&mut page, &mut new_page, depth)?;
                next = hp::next(page.bytes());
            }
            if next != 0 {
                at = Some(next);
                continue;
            }
            self.storage().log_change(
                None,
                kind(wal::END_SPLIT),
                &[],
                &mut [&mut old_page, &mut new_page],
            )?;
            drop(new_page);
            self.squeeze(moving, &mut old_page)?;
            return Ok(());
        }
    }

    /// Moves what is to go from one page of the old bucket to the new bucket.
    fn move_from<'a>(&'a self, from: &mut PageMut<'a>, new_page: &mut PageMut<'a>, depth: u32) -> Result<()> {
        loop {
            let first = hp::split_point(from.bytes(), depth);
            let count = hp::count(from.bytes()) - first;
            if count == 0 {
                return Ok(());
            }
            let room = CAPACITY - hp::count(new_page.bytes());
            if room > 0 {
                self.move_some(new_page, from, first, count.min(room), None)?;
                continue;
            }
            let mut overflow = match hp::next(new_page.bytes()) {
                0 => self.add_overflow(new_page, &[])?,
                next => self.write_overflow(next)?,
            };
            if hp::count(overflow.bytes()) == CAPACITY {
                drop(overflow);
                overflow = self.add_overflow(new_page, &[])?;
            }
            let room = CAPACITY - hp::count(overflow.bytes());
            self.move_some(&mut overflow, from, first, count.min(room), None)?;
        }
    }

    fn move_some<'a>(
        &'a self,
        to: &mut PageMut<'a>,
        from: &mut PageMut<'a>,
        first: usize,
        count: usize,
        unlink: Option<BlockNo>,
    ) -> Result<()> {
        with_scratch(|payload| {
            wal::push_move(payload, from.bytes(), first, count, unlink);
            self.storage().log_change(None, kind(wal::MOVE), payload, &mut [to, from])
        })?;
        Ok(())
    }

    /// Moves a chain's entries forward so that its last pages become free, if that frees any; how many.
    pub(super) fn squeeze<'a>(&'a self, _moving: &Moving<'_>, primary: &mut PageMut<'a>) -> Result<BlockNo> {
        if hp::next(primary.bytes()) == 0 {
            return Ok(0);
        }
        let (mut entries, mut pages) = (0, 0);
        self.walk(primary.bytes(), primary.block(), &mut |p, _| {
            entries += hp::count(p);
            pages += 1;
            Ok(true)
        })?;
        if entries.div_ceil(CAPACITY).max(1) >= pages {
            return Ok(0);
        }
        let mut freed = 0;
        // The page being filled; none: the primary one.
        let mut filled: Option<PageMut<'a>> = None;
        loop {
            let to = filled.as_mut().unwrap_or(&mut *primary);
            let next = hp::next(to.bytes());
            if next == 0 {
                return Ok(freed);
            }
            let mut from = self.write_overflow(next)?;
            let (count, room) = (hp::count(from.bytes()), CAPACITY - hp::count(to.bytes()));
            if count <= room {
                let after = hp::next(from.bytes());
                self.move_some(to, &mut from, 0, count, Some(after))?;
                self.state().free_pages.lock().push(next);
                freed += 1;
                continue;
            }
            if room > 0 {
                self.move_some(to, &mut from, count - room, room, None)?;
            }
            filled = Some(from);
        }
    }
}
