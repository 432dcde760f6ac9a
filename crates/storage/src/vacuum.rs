//! Vacuum: what pruning in passing can't do. Removes index entries of dead rows and frees their slots, sets the visibility map,
//! brings the free-space map up to date, cuts empty pages off the file's end.
//!
//! Three passes, as in PostgreSQL's vacuumlazy.c: over the heap (prune, remember dead slots), over each index (remove their entries),
//! over the pages with dead slots (free them). A dead slot is freed only after every index has been cleaned: until then its
//! tid can't be reused, so an index entry never points to another row than its own. If the dead slots outgrow
//! [`DEAD_MAX`], the passes repeat. The caller's table lock keeps a second vacuum of the same table out.

use crate::buffer::{PageMut, Ring};
use crate::heap::insert::{kind, room};
use crate::heap::prune::{self, PrunePlan};
use crate::heap::tuple::TupleHeader;
use crate::heap::visibility::{Fate, fate_between};
use crate::heap::{Heap, page as hp, wal};
use crate::index::{IndexMethod, IndexVacuumStats};
use crate::txn::LiveSnapshots;
use crate::{Fork, toast, vm};
use quarry_common::{BlockNo, Lsn, Result, Tid};
use std::sync::atomic::Ordering;

/// Dead slots remembered before the indexes are cleaned.
const DEAD_MAX: usize = 8 << 20;
/// Empty pages at the end worth a lock to cut them off: this many, or this part of the table.
const TRUNCATE_PAGES_MIN: BlockNo = 1000;
const TRUNCATE_PART: BlockNo = 16;

/// How to vacuum.
#[derive(Default)]
pub struct VacuumOptions<'a> {
    /// Read pages that the visibility map calls clean, too.
    pub all_pages: bool,
    /// Rows per page as last counted, for pages that are skipped.
    pub rows_per_page: Option<f64>,
    /// Called before each page and index: an error ends the vacuum; may sleep to spare the disk.
    pub pace: Option<&'a dyn Fn() -> Result<()>>,
    /// Tries to take ACCESS EXCLUSIVE on the table, to cut off empty pages; without it they stay.
    pub lock_for_truncate: Option<&'a dyn Fn() -> Result<bool>>,
}

/// What a vacuum found and did.
#[derive(Clone, Default, Debug)]
pub struct VacuumStats {
    /// Pages of the table afterwards (`relpages`).
    pub pages: BlockNo,
    /// Pages read.
    pub pages_scanned: BlockNo,
    /// Live rows, estimated for skipped pages (`reltuples`).
    pub live_tuples: f64,
    /// Row versions removed.
    pub dead_removed: u64,
    /// Dead versions that some snapshot may still see.
    pub dead_not_yet_removable: u64,
    /// Slots freed after cleaning the indexes.
    pub slots_freed: u64,
    /// Pages marked all-visible in the map (`relallvisible`).
    pub pages_all_visible: BlockNo,
    pub pages_removed: BlockNo,
    /// Commits up to here were seen by everyone.
    pub horizon: Lsn,
    /// Per index, in the order given.
    pub indexes: Vec<IndexVacuumStats>,
}

struct PageState {
    dead: Vec<u16>,
    live: u64,
    not_yet: u64,
    all_visible: bool,
}

/// What is on a page after pruning.
fn inspect(heap: &Heap, p: &[u8], live: &LiveSnapshots) -> PageState {
    let txns = heap.storage().txns();
    let mut s = PageState { dead: Vec::new(), live: 0, not_yet: 0, all_visible: true };
    for slot in 1..=hp::slot_count(p) {
        if hp::slot(p, slot) == hp::Slot::Dead {
            s.dead.push(slot);
            s.all_visible = false;
            continue;
        }
        let Some(t) = hp::tuple(p, slot) else { continue };
        match fate_between(&TupleHeader::read(t), txns, live) {
            Fate::Live { visible_to_all } => {
                s.live += 1;
                s.all_visible &= visible_to_all;
            }
            Fate::RecentlyDead => {
                s.not_yet += 1;
                s.all_visible = false;
            }
            Fate::DeleteInProgress => {
                s.live += 1;
                s.all_visible = false;
            }
            Fate::InsertInProgress | Fate::Dead => s.all_visible = false,
        }
    }
    s
}

impl Heap {
    /// Vacuums the table, its indexes and its toast relation.
    pub fn vacuum(&self, indexes: &[&dyn IndexMethod], options: &VacuumOptions<'_>) -> Result<VacuumStats> {
        let stats = self.vacuum_one(indexes, options)?;
        if let Some(rel) = self.toast {
            toast::open(self.storage(), rel).vacuum_one(&[], options)?;
        }
        Ok(stats)
    }

    fn vacuum_one(&self, indexes: &[&dyn IndexMethod], options: &VacuumOptions<'_>) -> Result<VacuumStats> {
        let storage = self.storage();
        let blocks = self.blocks()?;
        let live = storage.txns().live_snapshots();
        let horizon = live.horizon();
        let limit = horizon.min(storage.wal().flushed());
        let counters = self.counters();
        let ended_before = counters.ended_since_vacuum.load(Ordering::Relaxed);
        let inserted_before = counters.inserted_since_vacuum.load(Ordering::Relaxed);
        let mut stats = VacuumStats { horizon, ..Default::default() };
        stats.indexes = vec![IndexVacuumStats::default(); indexes.len()];
        let mut dead: Vec<u64> = Vec::new();
        let mut scanned_live = 0u64;
        let mut skipped: BlockNo = 0;
        let mut ring = Ring::vacuum();
        for block in 0..blocks {
            if let Some(pace) = options.pace {
                pace()?;
            }
            if !options.all_pages && vm::is_all_visible(storage, self.rel, block)? {
                stats.pages_all_visible += 1;
                skipped += 1;
                continue;
            }
            stats.pages_scanned += 1;
            let mut page = storage.pool().write_with(self.page_id(block), &mut ring)?;
            if hp::is_new(page.bytes()) {
                drop(page);
                self.state.record(block, hp::TUPLE_BYTES_MAX + 4);
                continue;
            }
            let mut plan = prune::plan_page(page.bytes(), storage.txns(), &live);
            if indexes.is_empty() {
                // Nothing points to dead slots: they are free at once.
                plan.unused.append(&mut plan.dead);
                plan.unused.extend(
                    (1..=hp::slot_count(page.bytes()))
                        .filter(|s| hp::slot(page.bytes(), *s) == hp::Slot::Dead),
                );
            }
            if !plan.is_empty() {
                stats.dead_removed += plan.removed as u64;
                prune::execute(storage, &mut page, &plan)?;
            }
            self.set_hints(&mut page, limit);
            let state = inspect(self, page.bytes(), &live);
            scanned_live += state.live;
            stats.dead_not_yet_removable += state.not_yet;
            dead.extend(state.dead.iter().map(|s| Tid { block, slot: *s }.to_u64()));
            if state.all_visible {
                self.mark_visible(&mut page)?;
                stats.pages_all_visible += 1;
            }
            let free = room(page.bytes());
            drop(page);
            self.note_free(block, free);
            if dead.len() >= DEAD_MAX {
                self.remove_dead(indexes, options, &mut dead, &live, &mut stats)?;
            }
        }
        self.remove_dead(indexes, options, &mut dead, &live, &mut stats)?;
        let per_page = match options.rows_per_page {
            Some(n) if n > 0.0 => n,
            _ if stats.pages_scanned > 0 => scanned_live as f64 / stats.pages_scanned as f64,
            _ => 0.0,
        };
        stats.live_tuples = scanned_live as f64 + per_page * skipped as f64;
        stats.pages = blocks;
        self.cut_tail(options, &mut stats)?;
        self.state.save(storage, self.rel)?;
        // What could not be removed yet keeps counting.
        let done = ended_before.saturating_sub(stats.dead_not_yet_removable);
        for (counter, done) in
            [(&counters.ended_since_vacuum, done), (&counters.inserted_since_vacuum, inserted_before)]
        {
            // They may have been reset meanwhile.
            let _ =
                counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_sub(done)));
        }
        Ok(stats)
    }

    /// Records a page's free space, unless some thread is inserting there.
    fn note_free(&self, block: BlockNo, free: usize) {
        if !self.state.is_target(block) {
            self.state.record(block, free);
        }
    }

    fn mark_visible<'a>(&'a self, page: &mut PageMut<'a>) -> Result<()> {
        let block = page.id().block;
        let mut map = vm::write_page(self.storage(), self.rel, block)?;
        if hp::flags(page.bytes()) & hp::ALL_VISIBLE != 0 && vm::bit(&map, block) {
            return Ok(());
        }
        self.storage().log_change(None, kind(wal::VISIBLE), &block.to_le_bytes(), &mut [page, &mut map])?;
        Ok(())
    }

    /// Cleans the indexes of the dead slots, then frees these.
    fn remove_dead(
        &self,
        indexes: &[&dyn IndexMethod],
        options: &VacuumOptions<'_>,
        dead: &mut Vec<u64>,
        live: &LiveSnapshots,
        stats: &mut VacuumStats,
    ) -> Result<()> {
        if dead.is_empty() {
            return Ok(());
        }
        let is_dead = |tid: Tid| dead.binary_search(&tid.to_u64()).is_ok();
        for (index, total) in indexes.iter().zip(&mut stats.indexes) {
            if let Some(pace) = options.pace {
                pace()?;
            }
            let one = index.bulk_delete(&is_dead)?;
            *total = IndexVacuumStats { removed: total.removed + one.removed, ..one };
        }
        let mut ring = Ring::vacuum();
        for group in dead.chunk_by(|a, b| a >> 16 == b >> 16) {
            if let Some(pace) = options.pace {
                pace()?;
            }
            let block = Tid::from_u64(group[0]).block;
            let mut page = self.storage().pool().write_with(self.page_id(block), &mut ring)?;
            let unused: Vec<u16> = group
                .iter()
                .map(|t| Tid::from_u64(*t).slot)
                .filter(|s| hp::slot(page.bytes(), *s) == hp::Slot::Dead)
                .collect();
            stats.slots_freed += unused.len() as u64;
            let plan = PrunePlan { unused, prune_xid: hp::prune_xid(page.bytes()), ..Default::default() };
            if !plan.is_empty() {
                prune::execute(self.storage(), &mut page, &plan)?;
            }
            if inspect(self, page.bytes(), live).all_visible {
                self.mark_visible(&mut page)?;
                stats.pages_all_visible += 1;
            }
            let free = room(page.bytes());
            drop(page);
            self.note_free(block, free);
        }
        dead.clear();
        Ok(())
    }

    /// Cuts empty pages off the end, if there are enough of them and the lock is free.
    fn cut_tail(&self, options: &VacuumOptions<'_>, stats: &mut VacuumStats) -> Result<()> {
        let Some(lock) = options.lock_for_truncate else { return Ok(()) };
        let keep = self.pages_in_use(stats.pages)?;
        let empty = stats.pages - keep;
        if empty == 0 || (empty < TRUNCATE_PAGES_MIN && empty < stats.pages / TRUNCATE_PART) || !lock()? {
            return Ok(());
        }
        // Under the lock nobody else looks at the table; what came before it is seen now.
        let blocks = self.blocks()?;
        let keep = self.pages_in_use(blocks)?;
        if keep == blocks {
            return Ok(());
        }
        vm::cut(self.storage(), self.rel, keep)?;
        self.storage().truncate_relation(self.rel, Fork::Main, keep)?;
        self.state.truncate(keep);
        stats.pages_removed = blocks - keep;
        stats.pages_all_visible = stats.pages_all_visible.saturating_sub(stats.pages_removed).min(keep);
        stats.pages = keep;
        Ok(())
    }

    /// Number of pages up to the last one with anything on it.
    fn pages_in_use(&self, blocks: BlockNo) -> Result<BlockNo> {
        let mut ring = Ring::vacuum();
        for block in (0..blocks).rev() {
            let page = self.storage().pool().read_with(self.page_id(block), &mut ring)?;
            let p: &[u8] = page.bytes();
            if (1..=hp::slot_count(p)).any(|s| hp::slot(p, s) != hp::Slot::Unused) {
                return Ok(block + 1);
            }
        }
        Ok(0)
    }
}
