//! Redo of pages: the changes of a part of the log, sorted by page and applied by several threads.
//!
//! A record changes each of its pages by `apply`, which sees that page only, so pages may be brought forward in any order, and a page's
//! changes are applied in a row: it is read, latched and written once for all of them. What comes before the last whole image of a
//! page is passed over. Pages are divided into partitions, each of stripes of neighbours; a thread takes one after the other, sorts what
//! changes it (by counting: it is in the log's order already) and goes through its pages in the order of their files, so reads and writes
//! are of neighbours.
//!
//! Pages that would fill much of the pool go through a ring of frames, small enough for a core's cache, and are written at once:
//! to bring millions of pages into the pool costs more than all changes to them.
//!
//! This is for the start of the server, when nobody reads: meanwhile pages are of different ages.
//!
//! Follows no one: PostgreSQL's redo is one process, record by record.

use super::chunk::{Change, Forks, PARTITIONS, STRIPE_BLOCKS};
use super::damaged;
use super::scan::Scanned;
use crate::buffer::{BufferPool, PageMut, Ring, RunWriter};
use crate::files::RelFiles;
use crate::ids::PageId;
use crate::wal::record::RecordView;
use crate::wal::rmgr;
use hashbrown::HashMap;
use quarry_common::{Error, Lsn, Result};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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
    /// Whether the pages go through a ring of frames instead of coming to stay.
    pub passing: bool,
    /// The first partition that nobody has taken.
    pub next: AtomicUsize,
    /// Changes that are seen to.
    pub done: AtomicU64,
}

/// One thread's memory for sorting, used again for each partition.
#[derive(Default)]
struct Sorter {
    /// Numbers of the stripes that occur.
    numbers: HashMap<u64, usize>,
    stripes: Vec<u64>,
    /// By stripe and page: changes, then where the next one's place is.
    places: Vec<u32>,
    changes: Vec<Change>,
}

impl Sorter {
    /// Changes that come in the order of the log, by page.
    fn sort(&mut self, pieces: &[&[Change]]) -> &[Change] {
        const PAGES: usize = STRIPE_BLOCKS as usize;
        let Sorter { numbers, stripes, places, changes } = self;
        numbers.clear();
        stripes.clear();
        places.clear();
        let mut last = (u64::MAX, 0);
        let slot = |change: &Change, first: usize| first + (change.page() % STRIPE_BLOCKS) as usize;
        for change in pieces.iter().copied().flatten() {
            let stripe = change.stripe();
            if last.0 != stripe {
                let number = *numbers.entry(stripe).or_insert_with(|| {
                    stripes.push(stripe);
                    places.resize(stripes.len() * PAGES, 0);
                    stripes.len() - 1
                });
                last = (stripe, number * PAGES);
            }
            places[slot(change, last.1)] += 1;
        }
        stripes.sort_unstable();
        let mut count = 0;
        for stripe in &*stripes {
            let first = numbers[stripe] * PAGES;
            for place in &mut places[first..first + PAGES] {
                count += std::mem::replace(place, count);
            }
        }
        if changes.len() < count as usize {
            changes.resize(count as usize, Change::default());
        }
        last = (u64::MAX, 0);
        for change in pieces.iter().copied().flatten() {
            let stripe = change.stripe();
            if last.0 != stripe {
                last = (stripe, numbers[&stripe] * PAGES);
            }
            let place = &mut places[slot(change, last.1)];
            changes[*place as usize] = *change;
            *place += 1;
        }
        &changes[..count as usize]
    }
}

impl Part<'_> {
    /// Changes in it.
    pub fn count(&self) -> usize {
        (0..PARTITIONS).flat_map(|partition| self.pieces(partition)).map(<[Change]>::len).sum()
    }

    /// A partition's changes in the order of the log.
    fn pieces(&self, partition: usize) -> impl Iterator<Item = &[Change]> {
        self.scanned.chunks_of(&self.at).iter().map(move |chunk| {
            let changes = chunk.changes(partition);
            let before = |at| changes.partition_point(|c| c.at < at);
            &changes[before(self.at.start)..before(self.at.end)]
        })
    }

    /// Takes partitions that nobody else has and applies them, until there are none.
    pub fn apply(&self) -> Result<Missing> {
        let mut passing = self.passing.then(|| (Ring::redo(), RunWriter::new(self.pool, false).unhurried()));
        let (mut sorter, mut missing) = (Sorter::default(), Missing::new());
        loop {
            let partition = self.next.fetch_add(1, Ordering::Relaxed);
            if partition >= PARTITIONS {
                break;
            }
            let outcome = self.apply_partition(partition, &mut sorter, &mut passing, &mut missing);
            // The others needn't go on either.
            outcome.inspect_err(|_| self.next.store(PARTITIONS, Ordering::Relaxed))?;
        }
        if let Some((_, writer)) = passing {
            writer.finish()?;
        }
        Ok(missing)
    }

    fn apply_partition(
        &self,
        partition: usize,
        sorter: &mut Sorter,
        passing: &mut Option<(Ring, RunWriter<'_>)>,
        missing: &mut Missing,
    ) -> Result<()> {
        let pieces: Vec<&[Change]> = self.pieces(partition).collect();
        let changes = sorter.sort(&pieces);
        let (mut brought, mut next) = (0, 0);
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
                self.apply_change(change, id, &mut page, missing)?;
            }
            drop(page);
            if let Some((_, writer)) = passing {
                writer.add(id)?;
            }
            self.done.fetch_add(group.len() as u64, Ordering::Relaxed);
        }
        Ok(())
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
        let (block, payload) = view.part(change.index()).ok_or_else(|| damaged(lsn))?;
        if !block.restore_image(lsn, view.raw(), page).map_err(context)? {
            if block.init {
                page.zero();
            } else if page.is_new() {
                missing.push((id, lsn));
                return Ok(());
            } else if page.lsn() >= view.end() {
                return Ok(());
            }
            (rmgr.apply)(kind.op, payload, change.index(), page).map_err(context)?;
        }
        page.set_lsn(view.end());
        page.mark_dirty();
        Ok(())
    }
}
