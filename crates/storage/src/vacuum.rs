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
use quarry_common::progress::{Progress, vacuum as p};
use quarry_common::{BlockNo, Lsn, Result, Tid};

/// Dead slots remembered before the indexes are cleaned.
const DEAD_MAX: usize = 8 << 20;
/// Empty pages at the end worth a lock to cut them off: this many, or this part of the table.
const TRUNCATE_PAGES_MIN: BlockNo = 1000;
const TRUNCATE_PART: BlockNo = 16;

/// What a step of the work was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// A page was skipped.
    Nothing,
    /// A page was read.
    Page,
    /// It was changed, too.
    Changed,
}

/// So many clean pages in a row are skipped; fewer are read with the rest, which is as fast.
const SKIP_PAGES_MIN: BlockNo = 32;

/// Whether index entries of dead rows are removed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum IndexCleanup {
    #[default]
    On,
    /// Unless only few pages have any ([`BYPASS_PART`]): then it's not worth a pass over the indexes.
    Auto,
    Off,
}

/// Dead rows on fewer pages than this part are left for another time, with [`IndexCleanup::Auto`].
const BYPASS_PART: f64 = 0.02;

/// How to vacuum.
#[derive(Clone, Default)]
pub struct VacuumOptions<'a> {
    /// Read pages that the visibility map calls clean, too.
    pub all_pages: bool,
    /// Pages and rows as last counted (rows below 0: never), for pages that are skipped.
    pub last_counted: Option<(BlockNo, f64)>,
    /// Whether index entries of dead rows are removed.
    pub index_cleanup: IndexCleanup,
    /// Leave the relation with the long values alone.
    pub skip_toast: bool,
    /// Called after each page and index: an error ends the vacuum; may sleep to spare the disk.
    pub pace: Option<&'a dyn Fn(Work) -> Result<()>>,
    /// Tries to take ACCESS EXCLUSIVE on the table, to cut off empty pages; without it they stay.
    pub lock_for_truncate: Option<&'a dyn Fn() -> Result<bool>>,
    /// `last_counted` and `lock_for_truncate` (of the table) for the relation with the long values.
    pub toast_last_counted: Option<(BlockNo, f64)>,
    pub toast_lock_for_truncate: Option<&'a dyn Fn() -> Result<bool>>,
    /// Where it tells how far it is.
    pub progress: Progress,
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
    /// Pages marked all-visible in the map, and those that have never been used: no row there is hidden from anyone (`relallvisible`).
    pub pages_all_visible: BlockNo,
    pub pages_removed: BlockNo,
    /// Passes over the indexes.
    pub index_scans: u32,
    /// Pages with dead slots, and how many these are.
    pub dead_pages: BlockNo,
    pub dead_slots: u64,
    /// They were left, and so were the indexes.
    pub bypassed: bool,
    /// Filled in by whoever knows them: the indexes' names, in the order given.
    pub index_names: Vec<String>,
    /// The relation with the long values, unless it was left alone.
    pub toast: Option<Box<VacuumStats>>,
    /// Commits up to here were seen by everyone.
    pub horizon: Lsn,
    /// Per index, in the order given.
    pub indexes: Vec<IndexVacuumStats>,
}

impl VacuumOptions<'_> {
    fn worked(&self, work: Work) -> Result<()> {
        self.pace.map_or(Ok(()), |pace| pace(work))
    }
}

/// Rows of a table of which some pages were read: the others are taken to have as many as they had on average when last counted; nothing is
/// learnt from next to nothing (PostgreSQL: vac_estimate_reltuples).
pub fn estimate_rows(pages: BlockNo, scanned: BlockNo, rows: f64, old_pages: BlockNo, old_rows: f64) -> f64 {
    if scanned >= pages {
        return rows;
    }
    if (old_pages == pages && f64::from(scanned) < f64::from(pages) * 0.02) || scanned <= 1 {
        return old_rows;
    }
    let (pages, scanned) = (f64::from(pages), f64::from(scanned));
    if old_rows < 0.0 || old_pages == 0 {
        return (rows / scanned * pages + 0.5).floor();
    }
    (old_rows / f64::from(old_pages) * (pages - scanned) + rows + 0.5).floor()
}

struct PageState {
    dead: Vec<u16>,
    live: u64,
    not_yet: u64,
    all_visible: bool,
}

/// What is on a page after pruning.
fn inspect(heap: &Heap, p: &[u8], live: &LiveSnapshots) -> PageState {
    let mut s = PageState { dead: Vec::new(), live: 0, not_yet: 0, all_visible: true };
    for slot in 1..=hp::slot_count(p) {
        if hp::slot(p, slot) == hp::Slot::Dead {
            s.dead.push(slot);
            s.all_visible = false;
            continue;
        }
        let Some(t) = hp::tuple(p, slot) else { continue };
        match fate_between(&TupleHeader::read(t), heap.storage(), live) {
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
    /// How many versions on a page, or what is left of them, wait for a vacuum: for ANALYZE's sample.
    pub fn dead_on_page(&self, block: BlockNo, live: &LiveSnapshots) -> Result<u64> {
        let page = self.storage().pool().read(self.page_id(block))?;
        let p: &[u8] = page.bytes();
        let is_dead = |slot: &u16| match hp::tuple(p, *slot) {
            Some(t) => {
                let fate = fate_between(&TupleHeader::read(t), self.storage(), live);
                matches!(fate, Fate::Dead | Fate::RecentlyDead)
            }
            None => hp::slot(p, *slot) == hp::Slot::Dead,
        };
        Ok((1..=hp::slot_count(p)).filter(is_dead).count() as u64)
    }

    /// Vacuums the table, its indexes and its toast relation.
    pub fn vacuum(&self, indexes: &[&dyn IndexMethod], options: &VacuumOptions<'_>) -> Result<VacuumStats> {
        let mut stats = self.vacuum_one(indexes, options)?;
        if let Some(rel) = self.toast.filter(|_| !options.skip_toast) {
            // As PostgreSQL does, which vacuums it as a table of its own.
            options.progress.set(p::BLOCKS_VACUUMED, 0);
            // Whoever has locked the table has its long values, too.
            let options = VacuumOptions {
                last_counted: options.toast_last_counted,
                lock_for_truncate: options.toast_lock_for_truncate,
                ..options.clone()
            };
            stats.toast = Some(Box::new(toast::open(self.storage(), rel).vacuum_one(&[], &options)?));
        }
        Ok(stats)
    }

    fn vacuum_one(&self, indexes: &[&dyn IndexMethod], options: &VacuumOptions<'_>) -> Result<VacuumStats> {
        let storage = self.storage();
        let blocks = self.blocks()?;
        let live = storage.live_snapshots(self.rel.db);
        let horizon = live.horizon();
        // What may get lost in a crash isn't visible to all; what has nothing to lose lies in relations that a crash empties.
        let limit = horizon;
        let mut stats = VacuumStats { horizon, ..Default::default() };
        stats.indexes = vec![IndexVacuumStats::default(); indexes.len()];
        let mut dead: Vec<u64> = Vec::new();
        let mut scanned_live = 0u64;
        // Pages that a table has grown by and that nobody has used yet.
        let mut unused: BlockNo = 0;
        let mut ring = Ring::vacuum();
        // Pages up to the first are skipped; up to the second that is decided.
        let (mut skip_to, mut known_to) = (0, 0);
        let progress = &options.progress;
        progress.set(p::BLOCKS_TOTAL, blocks as i64);
        progress.set(p::DEAD_MAX, DEAD_MAX as i64);
        progress.set(p::PHASE, p::SCANNING_HEAP);
        for block in 0..blocks {
            progress.set(p::BLOCKS_SCANNED, block as i64);
            if block >= known_to && !options.all_pages {
                (skip_to, known_to) = self.clean_run(block, blocks)?;
            }
            if block < skip_to {
                options.worked(Work::Nothing)?;
                continue;
            }
            stats.pages_scanned += 1;
            let mut work = Work::Page;
            let mut page = storage.pool().write_with(self.page_id(block), &mut ring)?;
            if hp::is_new(page.bytes()) {
                drop(page);
                unused += 1;
                self.state.record(block, hp::TUPLE_BYTES_MAX + 4);
                continue;
            }
            let mut plan = prune::plan_page(page.bytes(), storage, &live);
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
                work = Work::Changed;
                prune::execute(storage, &mut page, &plan, &live)?;
            }
            self.set_hints(&mut page, limit);
            let state = inspect(self, page.bytes(), &live);
            scanned_live += state.live;
            stats.dead_not_yet_removable += state.not_yet;
            dead.extend(state.dead.iter().map(|s| Tid { block, slot: *s }.to_u64()));
            stats.dead_pages += BlockNo::from(!state.dead.is_empty());
            stats.dead_slots += state.dead.len() as u64;
            if state.all_visible {
                work = Work::Changed;
                self.mark_visible(&mut page)?;
            }
            let free = room(page.bytes());
            drop(page);
            self.note_free(block, free);
            options.worked(work)?;
            progress.set(p::DEAD, dead.len() as i64);
            if dead.len() >= DEAD_MAX && options.index_cleanup != IndexCleanup::Off {
                self.remove_dead(indexes, options, &mut dead, &live, &mut stats)?;
                progress.set(p::PHASE, p::SCANNING_HEAP);
            }
        }
        progress.set(p::BLOCKS_SCANNED, blocks as i64);
        let few = (stats.dead_pages as f64) < blocks as f64 * BYPASS_PART && stats.index_scans == 0;
        match options.index_cleanup {
            IndexCleanup::Off => stats.bypassed = true,
            IndexCleanup::Auto if few && !dead.is_empty() => stats.bypassed = true,
            _ => self.remove_dead(indexes, options, &mut dead, &live, &mut stats)?,
        }
        let (old_pages, old_rows) = options.last_counted.unwrap_or((0, -1.0));
        let used = blocks - unused;
        let scanned = stats.pages_scanned - unused;
        stats.live_tuples = estimate_rows(used, scanned, scanned_live as f64, old_pages.min(used), old_rows);
        stats.pages = blocks;
        self.cut_tail(options, &mut stats)?;
        if options.index_cleanup != IndexCleanup::Off {
            progress.set(p::PHASE, p::CLEANING_INDEXES);
            for index in indexes {
                index.cleanup()?;
                options.worked(Work::Nothing)?;
            }
        }
        progress.set(p::PHASE, p::FINAL_CLEANUP);
        let visible = vm::count(storage, self.rel, stats.pages)?;
        stats.pages_all_visible = (visible + unused).min(stats.pages);
        self.state.save(storage, self.rel)?;
        Ok(stats)
    }

    /// Where the clean pages from `block` on end that are skipped (at `block` if there are too few), and up to where that is decided.
    fn clean_run(&self, block: BlockNo, blocks: BlockNo) -> Result<(BlockNo, BlockNo)> {
        let mut end = block;
        // The last page tells whether the file can be cut.
        while end + 1 < blocks && vm::is_all_visible(self.storage(), self.rel, end)? {
            end += 1;
        }
        let worth_it = end - block >= SKIP_PAGES_MIN;
        Ok((if worth_it { end } else { block }, end.max(block + 1)))
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
        let progress = &options.progress;
        progress.set(p::PHASE, p::VACUUMING_INDEXES);
        for (index, total) in indexes.iter().zip(&mut stats.indexes) {
            options.worked(Work::Changed)?;
            let one = index.bulk_delete(&is_dead)?;
            *total = IndexVacuumStats { removed: total.removed + one.removed, ..one };
        }
        stats.index_scans += 1;
        progress.add(p::INDEX_VACUUMS, 1);
        progress.set(p::PHASE, p::VACUUMING_HEAP);
        let mut ring = Ring::vacuum();
        for group in dead.chunk_by(|a, b| a >> 16 == b >> 16) {
            options.worked(Work::Changed)?;
            let block = Tid::from_u64(group[0]).block;
            progress.set(p::BLOCKS_VACUUMED, block as i64 + 1);
            let mut page = self.storage().pool().write_with(self.page_id(block), &mut ring)?;
            let unused: Vec<u16> = group
                .iter()
                .map(|t| Tid::from_u64(*t).slot)
                .filter(|s| hp::slot(page.bytes(), *s) == hp::Slot::Dead)
                .collect();
            stats.slots_freed += unused.len() as u64;
            let plan = PrunePlan { unused, prune_xid: hp::prune_xid(page.bytes()), ..Default::default() };
            if !plan.is_empty() {
                prune::execute(self.storage(), &mut page, &plan, live)?;
            }
            if inspect(self, page.bytes(), live).all_visible {
                self.mark_visible(&mut page)?;
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
        options.progress.set(p::PHASE, p::TRUNCATING);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_pages_keep_their_density() {
        assert_eq!(estimate_rows(10, 10, 77.0, 10, 500.0), 77.0);
        assert_eq!(estimate_rows(100, 1, 50.0, 100, 5000.0), 5000.0);
        assert_eq!(estimate_rows(1000, 10, 10.0, 1000, 50000.0), 50000.0);
        assert_eq!(estimate_rows(100, 50, 1000.0, 0, -1.0), 2000.0);
        assert_eq!(estimate_rows(100, 50, 1000.0, 80, 8000.0), 6000.0);
    }
}
