//! Redo of pages: the changes of a part of the log, sorted by page and applied by several threads.
//!
//! A record changes each of its pages by `apply`, which sees that page only, so pages may be brought forward in any order, and a page's
//! changes are applied in a row: it is read, latched and written once for all of them. What comes before the last whole image of a
//! page is passed over. A thread has one share of the pages and goes through them in the order of their files, so reads and
//! writes are of neighbours.
//!
//! Pages that would fill much of the pool go through a ring of frames, small enough for a core's cache, and are written at once:
//! to bring millions of pages into the pool costs more than all changes to them.
//!
//! This is for the start of the server, when nobody reads: meanwhile pages are of different ages.
//!
//! Follows no one: PostgreSQL's redo is one process, record by record.

use super::chunk::{Change, Chunk, Forks};
use super::damaged;
use super::scan::Scanned;
use crate::buffer::{BufferPool, PageMut, Ring, RunWriter};
use crate::files::RelFiles;
use crate::ids::PageId;
use crate::wal::record::RecordView;
use crate::wal::rmgr;
use parking_lot::Mutex;
use quarry_common::{Error, Lsn, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the work of a redo pass is divided.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Memory for what changes, in bytes.
    pub memory: usize,
    pub threads: usize,
    /// Parts with fewer changes are not worth waking others for.
    pub alone_below: usize,
}

impl Plan {
    /// For a pool of so many bytes on this machine.
    pub fn of_machine(pool_bytes: usize) -> Plan {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
        Plan { memory: (pool_bytes / 4).max(32 << 20), threads, alone_below: 4096 }
    }
}

/// Changes that the processor is told of ahead.
const PREFETCH: usize = 16;
/// Pages that are read at once at most.
const READ_BLOCKS: usize = 16;

/// Pages that records wanted to change but that don't exist, each with the record's LSN.
pub(super) type Missing = Vec<(PageId, Lsn)>;

/// A part of the log to be applied.
pub(super) struct Part<'a> {
    pub scanned: &'a Scanned,
    pub forks: &'a Forks,
    pub pool: &'a BufferPool,
    pub files: &'a RelFiles,
    /// Of which records.
    pub at: Range<u32>,
    /// Whether nobody will ask for these changes again.
    pub last: bool,
    /// Changes that are seen to.
    pub done: &'a AtomicU64,
}

impl Part<'_> {
    /// Changes in it.
    pub fn count(&self) -> usize {
        let of = |share: &Mutex<Box<[Change]>>| self.within(&share.lock()).len();
        self.scanned.chunks.iter().flat_map(|chunk| &chunk.changes).map(of).sum()
    }

    /// Changes are noted in the order of the log.
    fn within(&self, changes: &[Change]) -> Range<usize> {
        let before = |at| changes.partition_point(|c| c.at < at);
        before(self.at.start)..before(self.at.end)
    }

    /// One share's changes, by page.
    fn sorted(&self, share: usize) -> Vec<Change> {
        let of = |chunk: &Chunk| self.within(&chunk.changes[share].lock()).len();
        let mut all = Vec::with_capacity(self.scanned.chunks.iter().map(of).sum());
        for chunk in &self.scanned.chunks {
            let mut changes = chunk.changes[share].lock();
            all.extend_from_slice(&changes[self.within(&changes)]);
            if self.last {
                *changes = Box::default();
            }
        }
        all.sort_unstable_by_key(|c: &Change| (c.page(), c.at));
        all
    }

    /// Applies one share.
    pub fn apply_share(&self, share: usize, shares: usize) -> Result<Missing> {
        let changes = self.sorted(share);
        let pages = changes.chunk_by(|a, b| a.page() == b.page()).count();
        let mut passing = (pages * shares > self.pool.frame_count() / 8)
            .then(|| (Ring::redo(), RunWriter::new(self.pool, false).unhurried()));
        let (mut missing, mut brought, mut next) = (Missing::new(), 0, 0);
        let mut groups = changes.chunk_by(|a, b| a.page() == b.page());
        while let Some(group) = groups.next() {
            let id = self.forks.page(group[0].page());
            let from = group.iter().rposition(|c| c.is_whole()).unwrap_or(0);
            next += from;
            self.files.get(id.rel, id.fork)?.grow_to_hold(id.block);
            let mut ring = passing.as_mut().map(|(ring, _)| ring);
            let mut page = if group[from].is_whole() {
                self.pool.write_over(id, ring)?
            } else {
                if group[0].page() >= brought {
                    // Those that follow it in the file and are not replaced either.
                    let row = groups.clone().take(READ_BLOCKS - 1).zip(1..);
                    let more = row
                        .take_while(|(g, n)| g[0].page() == group[0].page() + n && !g[0].is_whole())
                        .count();
                    brought = group[0].page() + 1 + more as u64;
                    if more > 0 {
                        let blocks = id.block..id.block + 1 + more as u32;
                        self.pool.bring(id.rel, id.fork, blocks, ring.as_deref_mut())?;
                    }
                }
                match ring {
                    Some(ring) => self.pool.write_with(id, ring)?,
                    None => self.pool.write(id)?,
                }
            };
            for change in &group[from..] {
                next += 1;
                if let Some(ahead) = changes.get(next + PREFETCH) {
                    self.scanned.prefetch(ahead.at);
                }
                self.apply_change(change, id, &mut page, &mut missing)?;
            }
            drop(page);
            if let Some((_, writer)) = &mut passing {
                writer.add(id)?;
            }
            self.done.fetch_add(group.len() as u64, Ordering::Relaxed);
        }
        if let Some((_, writer)) = passing {
            writer.finish()?;
        }
        Ok(missing)
    }

    fn apply_change(
        &self,
        change: &Change,
        id: PageId,
        page: &mut PageMut<'_>,
        missing: &mut Missing,
    ) -> Result<()> {
        let view: RecordView<'_> = self.scanned.record(change.at)?;
        let (lsn, kind) = (view.lsn(), view.kind());
        let rmgr = rmgr::of(kind)?;
        let context =
            |e: Error| e.context(format!("WAL redo at {lsn} for {} op {} on {id}", rmgr.name, kind.op));
        let block = view.block(change.index()).ok_or_else(|| damaged(lsn))?;
        if !block.restore_image(lsn, view.raw(), page).map_err(context)? {
            if block.init {
                page.zero();
            } else if page.is_new() {
                missing.push((id, lsn));
                return Ok(());
            } else if page.lsn() >= view.end() {
                return Ok(());
            }
            (rmgr.apply)(kind.op, view.payload(), change.index(), page).map_err(context)?;
        }
        page.set_lsn(view.end());
        page.mark_dirty();
        Ok(())
    }
}
