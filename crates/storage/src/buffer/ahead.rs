//! Reading pages ahead of a scan: neighbours that are not in memory come by one read, straight into their frames.

use super::{BufferPool, PageMut, Ring, state};
use crate::ids::{Fork, PageId, RelId};
use quarry_common::usage::{self, Counter};
use quarry_common::{BlockNo, Result};
use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Pages that one read brings at most (128 KiB, PostgreSQL 17's `io_combine_limit`).
const PAGES_MAX: u32 = 16;

/// How far a scan reads ahead. It begins with one page and doubles, so that a scan that ends soon has read little.
pub struct ReadAhead {
    /// Pages of the next read.
    window: u32,
    /// Blocks before this have been seen to.
    seen: BlockNo,
}

impl Default for ReadAhead {
    fn default() -> ReadAhead {
        ReadAhead { window: 1, seen: 0 }
    }
}

impl ReadAhead {
    /// Called before a scan reads the first of `blocks`, which it will read in this order: brings it, and some that follow it, if it is not in
    /// memory.
    #[inline]
    pub fn before(
        &mut self,
        pool: &BufferPool,
        rel: RelId,
        blocks: Range<BlockNo>,
        ring: Option<&mut Ring>,
    ) -> Result<()> {
        if blocks.start < self.seen && self.seen - blocks.start <= PAGES_MAX {
            return Ok(());
        }
        if pool.is_cached(PageId::main(rel, blocks.start)) {
            // Its neighbours mostly are too: no need to look for each of them.
            self.seen = blocks.end.min(blocks.start.saturating_add(PAGES_MAX));
            return Ok(());
        }
        self.seen = blocks.end.min(blocks.start.saturating_add(self.window));
        pool.load_run(rel, Fork::Main, blocks.start..self.seen, ring)?;
        self.window = (self.window * 2).min(PAGES_MAX);
        Ok(())
    }
}

impl BufferPool {
    /// Whether a page is in memory, or on its way.
    pub fn is_cached(&self, id: PageId) -> bool {
        let hash = self.hash(&id);
        self.shard(hash).read().find(hash, |(other, _)| *other == id).is_some()
    }

    /// Reads pages into frames by one read, as far as they are on disk and not in memory. Whatever is wrong with one is left to
    /// who reads it.
    pub(super) fn load_run(
        &self,
        rel: RelId,
        fork: Fork,
        blocks: Range<BlockNo>,
        mut ring: Option<&mut Ring>,
    ) -> Result<()> {
        let file = self.files.get(rel, fork)?;
        // The frames are pinned until they are read: a small pool must not run out of others.
        let room = (self.frames.len() / 64) as u32;
        let wanted = (blocks.end - blocks.start).min(room).min(file.blocks().saturating_sub(blocks.start));
        let count = self.files.readable_run(&file, blocks.start, wanted);
        if count < 2 {
            return Ok(());
        }
        let mut guards: Vec<PageMut<'_>> = Vec::with_capacity(count as usize);
        for block in blocks.start..blocks.start + count {
            match self.claim(PageId::new(rel, fork, block), &file, ring.as_deref_mut()) {
                Ok(Some(guard)) => guards.push(guard),
                // It has come into memory meanwhile; or there is no frame for it, which must not cost those that have one.
                Ok(None) | Err(_) => break,
            }
        }
        if guards.is_empty() {
            return Ok(());
        }
        self.count_reads(&file, rel, guards.len() as u64);
        let mut pages: Vec<IoSliceMut<'_>> =
            guards.iter_mut().map(|guard| IoSliceMut::new(guard.loading_page().bytes_mut())).collect();
        let read = usage::timed(Counter::ReadTime, || self.files.read_run(&file, blocks.start, &mut pages));
        drop(pages);
        for guard in &guards {
            let good = read.is_ok()
                && guard.checksum_ok(guard.block())
                && (!file.is_logged() || guard.lsn() <= self.wal.inserted());
            if good {
                if guard.is_new() {
                    self.set_fresh(guard.frame());
                }
                let there = state::VALID | state::AHEAD;
                self.frames[guard.frame() as usize].state.fetch_or(there, Ordering::Release);
            } else {
                self.untag(guard);
            }
        }
        Ok(())
    }
}
