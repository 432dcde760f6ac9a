//! Writing pages to disk: one by one for whoever needs a frame, in runs of neighbours for checkpoints and bulk loads.
//!
//! A run is copied page by page into one piece of memory, each page under its shared latch for the length of the copy,
//! and written by one call: a latch is never held across I/O, so a writer of rows doesn't wait for the disk, and the copies
//! are needed anyway, because checksums are stored in them.

use super::{BufferPool, PagePin, state};
use crate::files::RelFile;
use crate::ids::{Fork, PageId, RelId};
use crate::page::{PAGE_SIZE, Page};
use crate::stats::shared::Role;
use parking_lot::{Mutex, MutexGuard};
use quarry_common::usage::{self, Counter};
use quarry_common::{BlockNo, Lsn, Result, SqlState};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::Thread;

/// Pages that one write carries at most: half a megabyte, which stays in a core's cache between the copy and the write.
const RUN_PAGES: usize = 64;
/// Pages written before the system is asked to bring them to the disk (PostgreSQL's `checkpoint_flush_after` is 32).
const FLUSH_AFTER_PAGES: u32 = 32;
/// Pages that bulk writers leave before the page writer is woken.
const WAKE_PAGES: u32 = 512;
/// Ranges remembered for the page writer. What doesn't fit is left to checkpoints.
const RANGES_MAX: usize = 256;

impl BufferPool {
    /// Writes a frame's page to disk if it's dirty. `pin` keeps the frame in place. It gives up when the frame is in use: the
    /// caller may hold latches of other pages, and waiting for one more could close a circle.
    pub(super) fn write_out(&self, pin: &PagePin<'_>) -> Result<bool> {
        let frame = &self.frames[pin.frame() as usize];
        let Some(_io) = frame.io.try_lock() else { return Ok(false) };
        let Some(guard) = pin.try_read() else { return Ok(false) };
        if frame.state.load(Ordering::Acquire) & state::DIRTY == 0 {
            return Ok(false);
        }
        let id = guard.id();
        let file = guard.file();
        let mut copy = Page::clone(&guard);
        // A change needs the exclusive latch, so what is marked from here on is a later change.
        frame.state.fetch_and(!state::DIRTY, Ordering::AcqRel);
        drop(guard);
        copy.set_checksum(id.block);
        if let Err(e) = self.write_bytes(&file, id.block, copy.bytes(), copy.lsn()) {
            frame.state.fetch_or(state::DIRTY, Ordering::AcqRel);
            return Err(e);
        }
        self.clear_fresh(pin.frame());
        Ok(true)
    }

    /// The only way of pages to the disk: the log first.
    fn write_bytes(&self, file: &RelFile, first: BlockNo, bytes: &[u8], lsn: Lsn) -> Result<()> {
        // After a failure a copy may hold a change that didn't get into the log.
        self.fatal.check()?;
        if file.is_logged() {
            self.wal.flush_to(lsn)?;
        }
        let outcome = usage::timed(Counter::WriteTime, || self.files.write(file, first, bytes));
        let full = matches!(&outcome, Err(e) if e.sqlstate() == SqlState::DISK_FULL);
        if full != self.disk_full.load(Ordering::Relaxed) {
            self.disk_full.store(full, Ordering::Relaxed);
        }
        outcome?;
        let pages = (bytes.len() / PAGE_SIZE) as u64;
        if !file.is_temporary() {
            self.writers.add(Role::now() as usize, pages);
        }
        usage::pages_written(pages, file.is_temporary());
        Ok(())
    }

    /// Pages that are dirty or being written, in the order of their files: a checkpoint's work list. Those that are not in the
    /// log are among them only if asked for: recovery needs nothing of them.
    pub fn dirty_pages(&self, unlogged_too: bool) -> Vec<PageId> {
        let mut dirty = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            dirty.extend(shard.iter().filter_map(|(id, index): &(PageId, u32)| {
                let frame = &self.frames[*index as usize];
                let now = frame.state.load(Ordering::Acquire);
                let counts = unlogged_too || now & state::UNLOGGED == 0;
                (counts && (now & state::DIRTY != 0 || frame.io.is_locked())).then_some(*id)
            }));
        }
        dirty.sort_unstable();
        dirty
    }

    /// Writes every dirty page that nobody is using, up to the first failure. Safe with latches held.
    pub(super) fn write_all_idle(&self) -> Result<()> {
        let mut writer = RunWriter::new(self, false);
        for id in self.dirty_pages(true) {
            writer.add(id)?;
        }
        writer.finish().map(|_| ())
    }

    /// Leaves pages that a bulk writer has filled to the page writer, so that they are on the disk long before the next checkpoint and
    /// their frames can be used again without waiting.
    pub fn write_behind(&self, rel: RelId, fork: Fork, blocks: Range<BlockNo>) {
        let count = blocks.end.saturating_sub(blocks.start);
        if count == 0 {
            return;
        }
        let mut ranges = self.behind.ranges.lock();
        let full = ranges.len() >= RANGES_MAX;
        match ranges.last_mut() {
            Some((r, f, last)) if (*r, *f, last.end) == (rel, fork, blocks.start) => last.end = blocks.end,
            _ if full => return,
            _ => ranges.push((rel, fork, blocks)),
        }
        drop(ranges);
        let before = self.behind.pages.fetch_add(count, Ordering::Relaxed);
        if before / WAKE_PAGES != before.wrapping_add(count) / WAKE_PAGES
            && let Some(writer) = &*self.behind.writer.lock()
        {
            writer.unpark();
        }
    }

    /// Writes what [`BufferPool::write_behind`] was told of, passing over pages in use; how many. Safe with latches held.
    pub fn write_behind_now(&self) -> Result<usize> {
        let ranges = std::mem::take(&mut *self.behind.ranges.lock());
        if ranges.is_empty() {
            return Ok(0);
        }
        let mut writer = RunWriter::new(self, false);
        let mut written = 0;
        for (rel, fork, blocks) in ranges {
            for block in blocks {
                written += writer.add(PageId::new(rel, fork, block))?;
            }
        }
        Ok(written + writer.finish()?)
    }

    /// Says which thread calls [`BufferPool::write_behind_now`] now and then; it is woken when there is much to write.
    pub fn set_page_writer(&self, thread: Option<Thread>) {
        *self.behind.writer.lock() = thread;
    }
}

/// What bulk writers leave behind.
#[derive(Default)]
pub(super) struct Behind {
    ranges: Mutex<Vec<(RelId, Fork, Range<BlockNo>)>>,
    /// Pages ever left, counted round.
    pages: AtomicU32,
    writer: Mutex<Option<Thread>>,
}

/// Writes dirty pages, given in the order of their files, in runs.
///
/// The pages of a run are marked clean when they are copied; `io` of each is held until the run is written, so that a checkpoint
/// waits for it (rule B6). While it holds any page's `io` it only tries for those of others, and for latches.
pub struct RunWriter<'a> {
    pool: &'a BufferPool,
    /// Waits for pages in use, instead of passing over them.
    patient: bool,
    pages_max: usize,
    frames: Vec<(PagePin<'a>, MutexGuard<'a, ()>)>,
    file: Option<Arc<RelFile>>,
    first: Option<PageId>,
    bytes: Vec<u8>,
    lsn: Lsn,
    /// Has the system begin to bring what is written to the disk.
    hurries: bool,
    /// Blocks written that the system has not been asked to bring to the disk, and how many of them.
    unflushed: Option<(Arc<RelFile>, Range<BlockNo>, u32)>,
}

impl<'a> RunWriter<'a> {
    /// A writer that waits for pages in use (`patient`; the caller holds no latch) or passes over them.
    pub fn new(pool: &'a BufferPool, patient: bool) -> RunWriter<'a> {
        // A run's frames are pinned: a small pool must not run out of others.
        let pages_max = (pool.frames.len() / 16).clamp(1, RUN_PAGES);
        RunWriter {
            pool,
            patient,
            pages_max,
            frames: Vec::new(),
            file: None,
            first: None,
            bytes: Vec::new(),
            lsn: Lsn(0),
            hurries: true,
            unflushed: None,
        }
    }

    /// Leaves it to the system when to bring what is written to the disk.
    pub fn unhurried(mut self) -> RunWriter<'a> {
        self.hurries = false;
        self
    }

    /// Takes a page if it is in memory and dirty, or (if patient) waits for the thread that is writing it. How many pages this call
    /// has written.
    pub fn add(&mut self, id: PageId) -> Result<usize> {
        let mut written = 0;
        let follows = self.first.is_some_and(|first| {
            (first.rel, first.fork) == (id.rel, id.fork)
                && first.block as u64 + self.frames.len() as u64 == id.block as u64
        });
        if !follows || self.frames.len() >= self.pages_max {
            written += self.write()?;
        }
        let pool = self.pool;
        let Some(pin) = pool.pin_cached(id, false) else { return Ok(written) };
        let frame = &pool.frames[pin.frame() as usize];
        let io = match frame.io.try_lock() {
            Some(io) => io,
            None if self.patient => {
                written += self.write()?;
                frame.io.lock()
            }
            None => return Ok(written),
        };
        let guard = match pin.try_read() {
            Some(guard) => guard,
            None if self.patient => {
                written += self.write()?;
                pin.read()
            }
            None => return Ok(written),
        };
        if frame.state.load(Ordering::Acquire) & state::DIRTY == 0 {
            return Ok(written);
        }
        let file = guard.file();
        if self.file.as_ref().is_some_and(|f| !Arc::ptr_eq(f, &file)) {
            // The relation was removed and its number read anew meanwhile: another run.
            drop((guard, io));
            written += self.write()?;
            return Ok(written + self.add(id)?);
        }
        if self.frames.is_empty() {
            self.first = Some(id);
            self.file = Some(file);
        }
        let at = self.bytes.len();
        self.bytes.extend_from_slice(guard.bytes());
        self.lsn = self.lsn.max(guard.lsn());
        // A change needs the exclusive latch, so what is marked from here on is a later change.
        frame.state.fetch_and(!state::DIRTY, Ordering::AcqRel);
        drop(guard);
        self.frames.push((pin, io));
        Page::store_checksum(&mut self.bytes[at..], id.block);
        Ok(written)
    }

    /// Writes the run under way.
    fn write(&mut self) -> Result<usize> {
        let (Some(first), Some(file)) = (self.first.take(), self.file.take()) else { return Ok(0) };
        let outcome = self.pool.write_bytes(&file, first.block, &self.bytes, self.lsn);
        match &outcome {
            Ok(()) => self.frames.iter().for_each(|(pin, _)| self.pool.clear_fresh(pin.frame())),
            Err(_) => self.mark_dirty_again(),
        }
        let count = self.frames.len();
        self.frames.clear();
        self.bytes.clear();
        self.lsn = Lsn(0);
        outcome?;
        self.note_unflushed(file, first.block..first.block + count as u32);
        Ok(count)
    }

    fn mark_dirty_again(&self) {
        for (pin, _) in &self.frames {
            self.pool.frames[pin.frame() as usize].state.fetch_or(state::DIRTY, Ordering::AcqRel);
        }
    }

    fn note_unflushed(&mut self, file: Arc<RelFile>, blocks: Range<BlockNo>) {
        let count = blocks.end - blocks.start;
        match &mut self.unflushed {
            Some((f, range, n)) if Arc::ptr_eq(f, &file) => {
                range.start = range.start.min(blocks.start);
                range.end = range.end.max(blocks.end);
                *n += count;
            }
            _ => {
                self.start_write_back();
                self.unflushed = Some((file, blocks, count));
            }
        }
        if self.unflushed.as_ref().is_some_and(|(_, _, n)| *n >= FLUSH_AFTER_PAGES) {
            self.start_write_back();
        }
    }

    fn start_write_back(&mut self) {
        if let Some((file, blocks, _)) = self.unflushed.take()
            && self.hurries
        {
            self.pool.files.start_write_back(&file, blocks);
        }
    }

    /// Writes what is left; how many pages.
    pub fn finish(mut self) -> Result<usize> {
        let written = self.write()?;
        self.start_write_back();
        Ok(written)
    }
}

impl Drop for RunWriter<'_> {
    fn drop(&mut self) {
        // Not finished, after an error: nothing has been written of these.
        self.mark_dirty_again();
    }
}
