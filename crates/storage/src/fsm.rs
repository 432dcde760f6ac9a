//! Where there is space: per relation, the free bytes of every heap page in steps of 32, and each thread's current
//! insertion page.
//!
//! The map lives in memory ([`RelationState`], one per relation in use); vacuum writes it to the FSM fork, from where it
//! comes back after a restart. It is advice: a page that has less space than promised is corrected by whoever
//! finds out, and nothing here is logged. Inserting threads that have met at a page's latch are given different pages from then on:
//! a page handed out counts as full until its taker gives it back. Until then rows lie in the order of their insertion.
//!
//! An FSM page is the page header and one byte per heap page. What must hold nevertheless (rules F1 to F4) is in `heap/README.md`;
//! [`RelationState::map_problems`] and `quarry check` look at it.
//!
//! # Locking
//! One mutex per relation, held for the search only; no page latch is taken while holding it, but it may be
//! taken while holding page latches.

use crate::index::btree::root::RootCopy;
use crate::page::{PAGE_HEADER, PAGE_SIZE, Page};
use crate::stats::Counters;
use crate::{Fork, PageId, RelId, Storage};
use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard, RwLock};
use quarry_common::{BlockNo, Oid, Result};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Free bytes per step of a category.
const STEP: usize = 32;
const GROUP: usize = 64;
/// Threads with an insertion page of their own; more share.
const TARGETS: usize = 16;
/// "None".
const NO_BLOCK: u32 = u32::MAX;
const PER_PAGE: u32 = (PAGE_SIZE - PAGE_HEADER) as u32;

/// What this process remembers of a relation between uses.
pub struct RelationState {
    /// Set at first use, or by [`RelationState::inherit`].
    counters: OnceLock<Arc<Counters>>,
    free: Mutex<FreeMap>,
    targets: [AtomicU32; TARGETS],
    /// How many of the targets are in use: 1, so that rows lie in the order of their insertion, until writers collide.
    spread: AtomicUsize,
    /// What a bulk insert into the heap keeps between its batches.
    pub(crate) bulk: Mutex<Option<crate::heap::insert::Bulk>>,
    /// B-tree: root block and level, see [`crate::index::btree`]; 0 unknown.
    pub(crate) root: AtomicU64,
    /// B-tree: a copy of the root, to begin descents from.
    pub(crate) root_copy: ArcSwapOption<RootCopy>,
    /// B-tree: the rightmost leaf, block + 1; 0 unknown.
    pub(crate) rightmost: AtomicU64,
    /// Indexes: pages free for reuse.
    pub(crate) free_pages: Mutex<Vec<BlockNo>>,
    /// GIN: held by who empties the pending list.
    pub(crate) cleaning: Mutex<()>,
    /// BRIN: its meta page and range map as last known.
    pub(crate) brin: OnceLock<Box<crate::index::brin::meta::Known>>,
    /// Hash index: its meta page as last known.
    pub(crate) hash: OnceLock<Box<crate::index::hash::meta::Known>>,
}

#[derive(Default)]
struct FreeMap {
    loaded: bool,
    /// Free bytes / 32 of every block.
    category: Vec<u8>,
    /// Upper bound of each group of 64 categories.
    group_max: Vec<u8>,
    /// Where the next search begins.
    rotor: usize,
}

impl FreeMap {
    fn set(&mut self, block: BlockNo, category: u8) {
        let b = block as usize;
        if self.category.len() <= b {
            self.category.resize(b + 1, 0);
            self.group_max.resize(self.category.len().div_ceil(GROUP), 0);
        }
        self.category[b] = category;
        let g = &mut self.group_max[b / GROUP];
        *g = (*g).max(category);
    }

    fn take(&mut self, need: u8) -> Option<BlockNo> {
        let groups = self.group_max.len();
        for i in 0..groups {
            let g = (self.rotor + i) % groups;
            if self.group_max[g] < need {
                continue;
            }
            let range = g * GROUP..((g + 1) * GROUP).min(self.category.len());
            let found = range.clone().find(|b| self.category[*b] >= need);
            if let Some(b) = found {
                self.category[b] = 0;
            }
            // Tighten the bound, which only grows otherwise.
            self.group_max[g] = range.map(|b| self.category[b]).max().unwrap_or(0);
            if let Some(b) = found {
                self.rotor = g;
                return Some(b as BlockNo);
            }
        }
        None
    }

    /// Pages with room that no search finds, because their group's bound is too low or missing (F2).
    fn problems(&self) -> Vec<(BlockNo, String)> {
        let hidden = |(b, c): (usize, &u8)| {
            let bound = self.group_max.get(b / GROUP).copied().unwrap_or(0);
            (bound < *c).then(|| {
                let what =
                    format!("the free-space map has category {c} for it, but {bound} as its group's highest");
                (b as BlockNo, what)
            })
        };
        self.category.iter().enumerate().filter_map(hidden).collect()
    }
}

fn category(free_bytes: usize) -> u8 {
    (free_bytes / STEP).min(255) as u8
}

thread_local! {
    static TARGET_INDEX: Cell<usize> = const { Cell::new(usize::MAX) };
}
static NEXT_TARGET_INDEX: AtomicUsize = AtomicUsize::new(0);

fn thread_index() -> usize {
    TARGET_INDEX.with(|i| {
        if i.get() == usize::MAX {
            i.set(NEXT_TARGET_INDEX.fetch_add(1, Ordering::Relaxed));
        }
        i.get()
    })
}

impl Default for RelationState {
    fn default() -> RelationState {
        RelationState {
            counters: OnceLock::new(),
            free: Mutex::default(),
            targets: [const { AtomicU32::new(NO_BLOCK) }; TARGETS],
            spread: AtomicUsize::new(1),
            bulk: Mutex::new(None),
            root: AtomicU64::new(0),
            root_copy: ArcSwapOption::empty(),
            rightmost: AtomicU64::new(0),
            free_pages: Mutex::default(),
            cleaning: Mutex::default(),
            brin: OnceLock::new(),
            hash: OnceLock::new(),
        }
    }
}

impl RelationState {
    /// What has happened to the relation.
    #[inline]
    pub fn counters(&self) -> &Counters {
        self.counters.get_or_init(Arc::default)
    }

    /// The relation goes on in new files, whose state this is: it counts on where `old` did.
    fn inherit(&self, old: &RelationState) {
        let shared = old.counters.get_or_init(Arc::default).clone();
        // Whoever has counted here already has counted the rewriting itself.
        let _ = self.counters.set(shared);
    }

    fn own_target(&self) -> &AtomicU32 {
        &self.targets[thread_index() % self.spread.load(Ordering::Relaxed)]
    }

    /// This thread's current insertion page.
    pub fn target(&self) -> Option<BlockNo> {
        let b = self.own_target().load(Ordering::Relaxed);
        (b != NO_BLOCK).then_some(b)
    }

    /// Changes this thread's insertion page.
    pub fn set_target(&self, block: Option<BlockNo>) {
        self.own_target().store(block.unwrap_or(NO_BLOCK), Ordering::Relaxed);
    }

    /// Spreads writers, who have just collided, over more pages; false if they are as far apart as can be.
    pub fn spread_targets(&self) -> bool {
        let now = self.spread.load(Ordering::Relaxed);
        let more = (now * 2).min(TARGETS);
        // Losing the race means that another did it.
        now < TARGETS && {
            let _ = self.spread.compare_exchange(now, more, Ordering::Relaxed, Ordering::Relaxed);
            true
        }
    }

    /// Whether some thread inserts into this page.
    pub fn is_target(&self, block: BlockNo) -> bool {
        self.targets.iter().any(|t| t.load(Ordering::Relaxed) == block)
    }

    /// Notes how much is free on a page.
    pub fn record(&self, block: BlockNo, free_bytes: usize) {
        self.free.lock().set(block, category(free_bytes));
    }

    /// Hands out a page that should have `need` bytes free; it counts as full from now on.
    pub fn take(&self, storage: &Storage, rel: RelId, need: usize) -> Result<Option<BlockNo>> {
        let mut free = self.loaded(storage, rel)?;
        Ok(free.take(need.div_ceil(STEP).min(255) as u8))
    }

    /// The map with what the last process knew.
    fn loaded(&self, storage: &Storage, rel: RelId) -> Result<MutexGuard<'_, FreeMap>> {
        let free = self.free.lock();
        if free.loaded {
            return Ok(free);
        }
        drop(free);
        let (stored, blocks) = load(storage, rel)?;
        let mut free = self.free.lock();
        if !free.loaded {
            for (b, c) in stored.into_iter().enumerate().take(blocks as usize) {
                if c > 0 && free.category.get(b).is_none_or(|known| *known == 0) {
                    free.set(b as BlockNo, c);
                }
            }
            // Whatever the map says, the last page may have space: a table smaller than one vacuum's interest has no map.
            if blocks > 0 && free.category.get(blocks as usize - 1).is_none_or(|known| *known == 0) {
                free.set(blocks - 1, 255);
            }
            free.loaded = true;
        }
        Ok(free)
    }

    /// What breaks the rules of the map in memory (F1, F2): the block and words for it. The table can't be cut meanwhile.
    pub fn map_problems(&self, storage: &Storage, rel: RelId) -> Result<Vec<(BlockNo, String)>> {
        let free = self.loaded(storage, rel)?;
        let mut found = free.problems();
        let promised: Vec<usize> = (0..free.category.len()).filter(|b| free.category[*b] > 0).collect();
        drop(free);
        // The file only grows: what it lacks now it lacked when the map was looked at.
        let blocks = storage.relation_blocks(rel, Fork::Main)?;
        let mut missing = |block: BlockNo, what: &str| {
            if block >= blocks {
                found.push((block, format!("{what}, but it does not exist")));
            }
        };
        for b in promised {
            missing(b as BlockNo, "the free-space map promises room on it");
        }
        for t in &self.targets {
            let block = t.load(Ordering::Relaxed);
            if block != NO_BLOCK {
                missing(block, "rows are being inserted into it");
            }
        }
        for block in self.free_pages.lock().iter() {
            missing(*block, "it is listed as free for reuse");
        }
        Ok(found)
    }

    /// Forgets pages from `blocks` on (the file was cut).
    pub fn truncate(&self, blocks: BlockNo) {
        let mut free = self.free.lock();
        free.category.truncate(blocks as usize);
        let groups = free.category.len().div_ceil(GROUP);
        free.group_max.truncate(groups);
        for t in &self.targets {
            let b = t.load(Ordering::Relaxed);
            if b != NO_BLOCK && b >= blocks {
                t.store(NO_BLOCK, Ordering::Relaxed);
            }
        }
    }

    /// Bytes known to be free, all pages together.
    pub fn free_bytes(&self) -> u64 {
        self.free.lock().category.iter().map(|c| *c as u64 * STEP as u64).sum()
    }

    /// Writes the map to the FSM fork.
    pub fn save(&self, storage: &Storage, rel: RelId) -> Result<()> {
        // What is on disk of pages that this process has not looked at stays.
        let categories = self.loaded(storage, rel)?.category.clone();
        for (n, part) in categories.chunks(PER_PAGE as usize).enumerate() {
            let mut page = storage.pool().write_or_zero(PageId::new(rel, Fork::Fsm, n as BlockNo))?;
            if page.is_new() {
                page.init(0);
                page.set_lower(PAGE_SIZE as u16);
            }
            let at = PAGE_HEADER;
            page.bytes_mut()[at..].fill(0);
            page.bytes_mut()[at..at + part.len()].copy_from_slice(part);
            page.mark_dirty_unlogged();
        }
        // Of a table that was longer once.
        storage.truncate_relation(rel, Fork::Fsm, categories.len().div_ceil(PER_PAGE as usize) as BlockNo)
    }
}

/// What a page of an FSM fork can't be, whatever was torn or lost: it passes its checksum and is no page of a map (F4).
pub(crate) fn check_page(page: &Page, block: BlockNo) -> std::result::Result<(), String> {
    if page.is_new() || !page.checksum_ok(block) {
        // Taken for an empty one.
        return Ok(());
    }
    match page.lower() as usize {
        PAGE_SIZE => Ok(()),
        _ => Err("it is not a page of a free-space map".into()),
    }
}

fn load(storage: &Storage, rel: RelId) -> Result<(Vec<u8>, BlockNo)> {
    let blocks = storage.pool().blocks(rel, Fork::Main)?;
    let mut out = Vec::new();
    for n in 0..storage.pool().blocks(rel, Fork::Fsm)? {
        let page = storage.pool().read_or_zero(PageId::new(rel, Fork::Fsm, n))?;
        out.extend_from_slice(&page.bytes()[PAGE_HEADER..]);
    }
    out.truncate(blocks as usize);
    Ok((out, blocks))
}

/// The states of all relations in use. Part of [`Storage`].
#[derive(Default)]
pub struct RelationStates {
    maps: RwLock<Maps>,
}

/// The same states twice.
#[derive(Default)]
struct Maps {
    all: HashMap<RelId, Arc<RelationState>>,
    by_database: HashMap<Oid, HashMap<u32, Arc<RelationState>>>,
}

impl RelationStates {
    /// The state of `rel`, made at first use.
    pub fn get(&self, rel: RelId) -> Arc<RelationState> {
        if let Some(s) = self.maps.read().all.get(&rel) {
            return s.clone();
        }
        let mut maps = self.maps.write();
        let state = maps.all.entry(rel).or_default().clone();
        maps.by_database.entry(rel.db).or_default().insert(rel.rel, state.clone());
        state
    }

    /// The relation's state, if it has been used since the server started.
    pub fn known(&self, rel: RelId) -> Option<Arc<RelationState>> {
        self.maps.read().all.get(&rel).cloned()
    }

    /// Every relation used since the server started.
    pub fn all(&self) -> Vec<(RelId, Arc<RelationState>)> {
        self.maps.read().all.iter().map(|(rel, s)| (*rel, s.clone())).collect()
    }

    /// Those of a database (0: shared ones).
    pub fn of_database(&self, db: Oid) -> Vec<(RelId, Arc<RelationState>)> {
        let maps = self.maps.read();
        let of_db = maps.by_database.get(&db).into_iter().flatten();
        of_db.map(|(rel, s)| (RelId::new(db, *rel), s.clone())).collect()
    }

    /// A relation gets other files: its counts stay.
    pub fn replaced(&self, from: RelId, to: RelId) {
        self.get(to).inherit(&self.get(from));
    }

    /// Forgets the relations of a dropped database.
    pub fn remove_database(&self, db: Oid) {
        let mut maps = self.maps.write();
        for rel in maps.by_database.remove(&db).into_iter().flat_map(HashMap::into_keys) {
            maps.all.remove(&RelId::new(db, rel));
        }
    }

    /// Forgets a dropped relation; gives its state if nobody else counts on there.
    pub fn remove(&self, rel: RelId) -> Option<Arc<RelationState>> {
        let mut maps = self.maps.write();
        let state = maps.all.remove(&rel)?;
        if let Some(of_db) = maps.by_database.get_mut(&rel.db) {
            of_db.remove(&rel.rel);
            if of_db.is_empty() {
                maps.by_database.remove(&rel.db);
            }
        }
        drop(maps);
        state.counters.get().is_none_or(|c| Arc::strong_count(c) == 1).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_s_relations_go_with_it() {
        let states = RelationStates::default();
        let rel = |db, n| RelId::new(Oid(db), n);
        let first = states.get(rel(5, 1));
        for (db, n) in [(5, 1), (5, 2), (6, 1), (0, 3)] {
            states.get(rel(db, n));
        }
        assert!(Arc::ptr_eq(&first, &states.get(rel(5, 1))));
        let of = |db| {
            let mut list: Vec<u32> = states.of_database(Oid(db)).iter().map(|(rel, _)| rel.rel).collect();
            list.sort_unstable();
            list
        };
        assert_eq!([of(5), of(6), of(0), of(7)], [vec![1, 2], vec![1], vec![3], vec![]]);
        states.remove(rel(5, 2));
        assert_eq!((of(5), states.all().len()), (vec![1], 3));
        states.remove_database(Oid(5));
        assert_eq!((of(5), of(6), states.all().len()), (vec![], vec![1], 2));
        assert!(states.known(rel(5, 1)).is_none());
    }

    #[test]
    fn pages_are_handed_out_once() {
        let mut f = FreeMap::default();
        for b in 0..200 {
            f.set(b, if b % 10 == 3 { 20 } else { 2 });
        }
        let mut got = Vec::new();
        while let Some(b) = f.take(10) {
            got.push(b);
        }
        got.sort();
        assert_eq!(got, (0..20).map(|i| i * 10 + 3).collect::<Vec<_>>());
        f.set(13, 30);
        assert_eq!(f.take(25), Some(13));
        assert_eq!(f.take(25), None);
    }

    #[test]
    fn a_bound_below_its_group_is_found() {
        let mut f = FreeMap::default();
        (0..130).for_each(|b| f.set(b, 7));
        assert!(f.problems().is_empty());
        f.category[70] = 9;
        f.group_max.truncate(2);
        let blocks: Vec<BlockNo> = f.problems().iter().map(|(b, _)| *b).collect();
        assert_eq!(blocks, [70, 128, 129]);
    }
}
