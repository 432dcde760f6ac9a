//! The buffer pool: a fixed number of page frames between the disk and everyone else. `README.md` here has the
//! protocol.
//!
//! # Locking
//! Order: a frame's `io` lock → its latch → table shard → leaf locks of [`crate::files`]; between pages the latches'
//! owner decides. Whoever may hold a latch (an evicting thread) only tries for `io` and latches of victims. A shard is
//! never held across I/O. Loading a page holds its exclusive latch; writing one holds `io` and a pin, and a shared
//! latch for the length of a copy.

mod ahead;
mod frames;
mod fresh;
mod guard;
mod prefetch;
mod redo;
mod sweep;
mod write;

pub use ahead::ReadAhead;
pub use guard::{PageMut, PagePin, PageRef};
pub use prefetch::{Lines, PREFETCH_PAGES};
pub use sweep::Ring;
pub use write::RunWriter;

use crate::fatal::Fatal;
use crate::files::{RelFile, RelFiles};
use crate::ids::{Fork, PageId, RelId};
use crate::page::PAGE_SIZE;
use crate::stats::shared::{SharedCounts, WRITER_COUNTS};
use crate::wal::Wal;
use foldhash::fast::FixedState;
use frames::Frames;
use hashbrown::HashTable;
use parking_lot::lock_api::RawRwLock as _;
use parking_lot::{Mutex, RawRwLock, RwLock};
use quarry_common::usage::{self, Counter};
use quarry_common::{BlockNo, Error, Oid, Result, wait};
use std::cell::UnsafeCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 256;

/// Bits of [`Frame::state`].
mod state {
    /// The low bits count pins.
    pub const PIN_MASK: u32 = (1 << 20) - 1;
    pub const USAGE_ONE: u32 = 1 << 20;
    pub const USAGE_MASK: u32 = 7 << 20;
    pub const USAGE_MAX: u32 = 5 << 20;
    /// The frame belongs to `tag`'s page and is in the table.
    pub const TAGGED: u32 = 1 << 24;
    /// The page's bytes are there.
    pub const VALID: u32 = 1 << 25;
    /// The page differs from the disk.
    pub const DIRTY: u32 = 1 << 26;
    /// The page's changes are not in the log. Fixed while TAGGED.
    pub const UNLOGGED: u32 = 1 << 27;
    /// The page may have no place on the disk yet: writing it may need space (B11).
    pub const FRESH: u32 = 1 << 28;
    /// The page is a temporary relation's. Fixed while TAGGED.
    pub const TEMPORARY: u32 = 1 << 29;
    /// Who wants the page has not come yet: it was counted as read when it was read ahead, and is no hit then.
    pub const AHEAD: u32 = 1 << 30;
}

/// One frame's bookkeeping. Its page lies in [`Frames`] at the same index.
#[repr(align(64))]
struct Frame {
    state: AtomicU32,
    /// Guards the page's bytes.
    latch: RawRwLock,
    /// Held while the page is being written to disk, by a thread that has a pin.
    io: Mutex<()>,
    /// Which page; changed only by the thread that holds the only pin of an untagged frame.
    tag: UnsafeCell<PageId>,
    /// Its file; same rule.
    file: UnsafeCell<Option<Arc<RelFile>>>,
}

// SAFETY: `tag` and `file` are written only while the frame is untagged and pinned once, and read only while pinned
// and tagged (or under the shard lock of the mapping); the pin and the table's lock order the accesses.
unsafe impl Sync for Frame {}

/// Page to frame. A table keyed by the hash computed once for shard and slot.
type Shard = RwLock<HashTable<(PageId, u32)>>;

/// Counts since the start.
#[derive(Default)]
pub struct PoolStats {
    pub reads: AtomicU64,
    pub evictions: AtomicU64,
}

/// See the module.
pub struct BufferPool {
    frames: Box<[Frame]>,
    pages: Frames,
    shards: Box<[Shard]>,
    hasher: FixedState,
    hand: AtomicU32,
    /// Where the hand stood when the page writer last looked at what lies before it; `u32::MAX`: it is to look again.
    cleaned_from: AtomicU32,
    /// Frames below this have been given out at least once.
    used: AtomicU32,
    /// Frames whose pages were forgotten, lowest first, so that neighbours come together; some may be in use again.
    freed: Mutex<BinaryHeap<Reverse<u32>>>,
    freed_count: AtomicUsize,
    /// What bulk writers have filled and the page writer is to write.
    behind: write::Behind,
    files: Arc<RelFiles>,
    wal: Arc<Wal>,
    fatal: Fatal,
    /// The last write of a page found no space.
    disk_full: AtomicBool,
    /// Frames that are FRESH.
    fresh: AtomicUsize,
    stats: PoolStats,
    /// By [`WriterCount`](crate::stats::WriterCount).
    writers: SharedCounts,
}

/// What to do with a page whose bytes on disk are wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDamage {
    Fail,
    Zero,
}

impl BufferPool {
    /// A pool of `bytes` (at least 64 pages).
    pub fn new(bytes: usize, files: Arc<RelFiles>, wal: Arc<Wal>, fatal: Fatal) -> BufferPool {
        let count = (bytes / PAGE_SIZE).clamp(64, u32::MAX as usize / 2);
        let frames = (0..count)
            .map(|_| Frame {
                state: AtomicU32::new(0),
                latch: RawRwLock::INIT,
                io: Mutex::new(()),
                tag: UnsafeCell::new(PageId::main(RelId::new(Oid::INVALID, 0), 0)),
                file: UnsafeCell::new(None),
            })
            .collect();
        BufferPool {
            frames,
            pages: Frames::new(count),
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: FixedState::default(),
            hand: AtomicU32::new(0),
            cleaned_from: AtomicU32::new(u32::MAX),
            used: AtomicU32::new(0),
            freed: Mutex::default(),
            freed_count: AtomicUsize::new(0),
            behind: write::Behind::default(),
            files,
            wal,
            fatal,
            disk_full: AtomicBool::new(false),
            fresh: AtomicUsize::new(0),
            stats: PoolStats::default(),
            writers: SharedCounts::new(WRITER_COUNTS),
        }
    }

    /// Frames in the pool.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    pub fn stats(&self) -> &PoolStats {
        &self.stats
    }

    /// Who has written how many pages, and checkpoints; by [`WriterCount`](crate::stats::WriterCount).
    pub fn writers(&self) -> &SharedCounts {
        &self.writers
    }

    #[inline]
    fn hash(&self, id: &PageId) -> u64 {
        self.hasher.hash_one(id)
    }

    /// The shard of a hash. The table inside uses the hash's top and low bits; the shard takes middle ones.
    #[inline]
    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    fn remove_mapping(&self, table: &mut HashTable<(PageId, u32)>, hash: u64, id: &PageId) {
        if let Ok(entry) = table.find_entry(hash, |(other, _)| other == id) {
            entry.remove();
        }
    }

    /// Pins a page that is in memory.
    #[inline]
    fn pin_cached(&self, id: PageId, bump: bool) -> Option<PagePin<'_>> {
        let hash = self.hash(&id);
        let shard = self.shard(hash).read();
        let frame = shard.find(hash, |(other, _)| *other == id)?.1;
        // Under the shard lock, so that the frame can't be taken for another page before it is pinned.
        let now = self.frames[frame as usize].state.fetch_add(1, Ordering::AcqRel) + 1;
        drop(shard);
        if bump && now & state::USAGE_MASK < state::USAGE_MAX {
            // Not worth a second try when others change the word.
            let more = now + state::USAGE_ONE;
            let state = &self.frames[frame as usize].state;
            let _ = state.compare_exchange(now, more, Ordering::Relaxed, Ordering::Relaxed);
        }
        Some(PagePin::adopt(self, frame))
    }

    /// Pins a page, reading it from disk if needed.
    #[inline]
    pub fn pin(&self, id: PageId) -> Result<PagePin<'_>> {
        self.pin_inner(id, None, OnDamage::Fail)
    }

    /// Pins a page through a ring, for scans that should not fill the pool.
    pub fn pin_with(&self, id: PageId, ring: &mut Ring) -> Result<PagePin<'_>> {
        self.pin_inner(id, Some(ring), OnDamage::Fail)
    }

    #[inline]
    fn pin_inner(&self, id: PageId, mut ring: Option<&mut Ring>, damage: OnDamage) -> Result<PagePin<'_>> {
        loop {
            if let Some(pin) = self.pin_cached(id, ring.is_none()) {
                let now = self.frames[pin.frame() as usize].state.load(Ordering::Acquire);
                if now & state::VALID != 0 {
                    self.count_hit(&pin, id, now);
                    return Ok(pin);
                }
                // Someone is loading it and holds the exclusive latch until it's there (or failed).
                wait::blocking(|| drop(pin.read()));
                let now = self.frames[pin.frame() as usize].state.load(Ordering::Acquire);
                if now & state::VALID != 0 {
                    self.count_hit(&pin, id, now);
                    return Ok(pin);
                }
                drop(pin);
            }
            if let Some(pin) = self.load(id, ring.as_deref_mut(), damage)? {
                return Ok(pin);
            }
        }
    }

    /// Reads a page into a frame; none if another thread got there first.
    fn load(&self, id: PageId, ring: Option<&mut Ring>, damage: OnDamage) -> Result<Option<PagePin<'_>>> {
        let file = self.files.get(id.rel, id.fork)?;
        if id.block >= file.blocks() {
            if damage == OnDamage::Fail {
                return Err(Error::corrupted(format!(
                    "could not read {id}: the file has only {} blocks",
                    file.blocks()
                )));
            }
            file.grow_to_hold(id.block);
        }
        let Some(mut guard) = self.claim(id, &file, ring)? else { return Ok(None) };
        self.count_reads(&file, id.rel, 1);
        let frame = guard.frame();
        let page = guard.loading_page();
        // Mostly a copy from the system's cache: handing the worker over would cost more than it.
        let read = usage::timed(Counter::ReadTime, || self.files.read(&file, id.block, page.bytes_mut()));
        match read {
            // Never written: zeroes, without a checksum to look at.
            Ok(false) => self.set_fresh(frame),
            Ok(true) if page.checksum_ok(id.block) => {
                if page.is_new() {
                    // Perhaps a hole in the file.
                    self.set_fresh(frame);
                }
                // A page from the future: some write went past the log. (B10: others' LSNs are none.)
                if file.is_logged() && page.lsn() > self.wal.inserted() && damage == OnDamage::Fail {
                    let lsn = page.lsn();
                    self.untag(&guard);
                    return Err(Error::corrupted(format!("{id} has LSN {lsn}, past the end of the WAL")));
                }
            }
            Ok(true) if damage == OnDamage::Zero => page.zero(),
            outcome => {
                let error = outcome.err().unwrap_or_else(|| {
                    Error::corrupted(format!(
                        "invalid page in block {} of relation {}{}",
                        id.block,
                        id.rel,
                        id.fork.suffix()
                    ))
                    .detail(format!("The page's checksum is wrong; its LSN reads {}.", page.lsn()))
                });
                self.untag(&guard);
                return Err(error);
            }
        }
        self.frames[frame as usize].state.fetch_or(state::VALID, Ordering::Release);
        Ok(Some(guard.unlatch()))
    }

    /// Counts a page that was found in the pool, in a frame of this state.
    #[inline]
    fn count_hit(&self, pin: &PagePin<'_>, id: PageId, now: u32) {
        if now & state::AHEAD != 0 {
            let state = &self.frames[pin.frame() as usize].state;
            if state.fetch_and(!state::AHEAD, Ordering::Relaxed) & state::AHEAD != 0 {
                return;
            }
        }
        usage::page_hit(now & state::TEMPORARY != 0);
        crate::stats::thread::hit(id.rel);
    }

    /// Counts pages that come from the disk.
    fn count_reads(&self, file: &RelFile, rel: RelId, n: u64) {
        self.stats.reads.fetch_add(n, Ordering::Relaxed);
        usage::pages_read(n, file.is_temporary());
        crate::stats::thread::read(rel, n);
    }

    /// Takes a frame for page `id` and puts it in the table, exclusively latched and not VALID; none if the page has
    /// come into the table meanwhile.
    fn claim(&self, id: PageId, file: &Arc<RelFile>, ring: Option<&mut Ring>) -> Result<Option<PageMut<'_>>> {
        let pin = self.victim(ring)?;
        let index = pin.frame();
        let frame = &self.frames[index as usize];
        // SAFETY: the frame is untagged and this is its only pin.
        unsafe {
            *frame.tag.get() = id;
            *frame.file.get() = Some(file.clone());
        }
        // Nobody else has a pin, so nobody holds the latch.
        let guard = pin.into_write();
        let hash = self.hash(&id);
        let mut shard = self.shard(hash).write();
        if shard.find(hash, |(other, _)| *other == id).is_some() {
            return Ok(None);
        }
        shard.insert_unique(hash, (id, index), |(id, _)| self.hash(id));
        let unlogged = if file.is_logged() { 0 } else { state::UNLOGGED };
        let temporary = if file.is_temporary() { state::TEMPORARY } else { 0 };
        frame.state.fetch_or(state::TAGGED | state::USAGE_ONE | unlogged | temporary, Ordering::AcqRel);
        Ok(Some(guard))
    }

    /// Takes a frame out of the table; its pins may live on, their owners look the page up again.
    fn untag(&self, guard: &PageMut<'_>) {
        let id = guard.id();
        let hash = self.hash(&id);
        let mut shard = self.shard(hash).write();
        self.remove_mapping(&mut shard, hash, &id);
        self.clear_fresh(guard.frame());
        let clear = state::TAGGED
            | state::VALID
            | state::DIRTY
            | state::UNLOGGED
            | state::TEMPORARY
            | state::AHEAD
            | state::USAGE_MASK;
        self.frames[guard.frame() as usize].state.fetch_and(!clear, Ordering::AcqRel);
    }

    /// The page under a shared latch.
    #[inline]
    pub fn read(&self, id: PageId) -> Result<PageRef<'_>> {
        Ok(self.pin(id)?.into_read())
    }

    /// The page under the exclusive latch.
    #[inline]
    pub fn write(&self, id: PageId) -> Result<PageMut<'_>> {
        Ok(self.pin(id)?.into_write())
    }

    /// Like [`BufferPool::write`] if the latch is free.
    pub fn try_write(&self, id: PageId) -> Result<Option<PageMut<'_>>> {
        Ok(self.pin(id)?.try_write())
    }

    pub fn read_with(&self, id: PageId, ring: &mut Ring) -> Result<PageRef<'_>> {
        Ok(self.pin_with(id, ring)?.into_read())
    }

    pub fn write_with(&self, id: PageId, ring: &mut Ring) -> Result<PageMut<'_>> {
        Ok(self.pin_with(id, ring)?.into_write())
    }

    /// For pages outside the log (free-space map): damaged ones come as zeroes, missing ones are made.
    pub fn read_or_zero(&self, id: PageId) -> Result<PageRef<'_>> {
        Ok(self.pin_inner(id, None, OnDamage::Zero)?.into_read())
    }

    /// See [`BufferPool::read_or_zero`].
    pub fn write_or_zero(&self, id: PageId) -> Result<PageMut<'_>> {
        Ok(self.pin_inner(id, None, OnDamage::Zero)?.into_write())
    }

    /// Adds `n` blocks to a relation; the first of them, zeroed, exclusively latched. Nothing reaches the disk before
    /// the page is changed under the log.
    pub fn extend(&self, rel: RelId, fork: Fork, n: u32) -> Result<PageMut<'_>> {
        self.extend_inner(rel, fork, n, None)
    }

    pub fn extend_with(&self, rel: RelId, fork: Fork, n: u32, ring: &mut Ring) -> Result<PageMut<'_>> {
        self.extend_inner(rel, fork, n, Some(ring))
    }

    fn extend_inner(&self, rel: RelId, fork: Fork, n: u32, ring: Option<&mut Ring>) -> Result<PageMut<'_>> {
        self.fatal.check()?;
        if self.disk_full.load(Ordering::Relaxed) {
            // Nothing grows before what is there has found its place.
            self.write_all_idle()?;
        }
        self.bound_fresh()?;
        let file = self.files.get(rel, fork)?;
        let block = file.grow(n.max(1))?;
        let id = PageId::new(rel, fork, block);
        if let Some(mut guard) = self.claim(id, &file, ring)? {
            guard.loading_page().zero();
            self.set_fresh(guard.frame());
            self.frames[guard.frame() as usize].state.fetch_or(state::VALID, Ordering::Release);
            return Ok(guard);
        }
        // A scan that saw the new size has loaded the page already.
        let guard = self.write(id)?;
        if !guard.is_new() {
            return Err(Error::corrupted(format!("{id} was just added but is in use")));
        }
        Ok(guard)
    }

    /// Blocks of a fork, pages that exist only in memory included.
    #[inline]
    pub fn blocks(&self, rel: RelId, fork: Fork) -> Result<BlockNo> {
        self.files.blocks(rel, fork)
    }

    /// Forgets pages of `rel` from block `from` on in `fork` (all forks if none), dirty or not. The caller holds a lock
    /// that keeps everyone from using them.
    pub fn forget(&self, rel: RelId, fork: Option<Fork>, from: BlockNo) {
        const LOOK_UP_MAX: u32 = 4096;
        let forks = Fork::ALL.into_iter().filter(|f| fork.is_none_or(|only| only == *f));
        // Small relations page by page, others by a walk over the table.
        let sizes: Result<Vec<(Fork, BlockNo)>> =
            forks.map(|f| Ok((f, self.files.blocks(rel, f)?))).collect();
        if let Ok(sizes) = sizes
            && sizes.iter().all(|(_, blocks)| *blocks <= LOOK_UP_MAX)
        {
            for (fork, blocks) in sizes {
                (from..blocks).for_each(|block| self.forget_page(PageId::new(rel, fork, block)));
            }
            return;
        }
        self.forget_where(|id| id.rel == rel && fork.is_none_or(|f| f == id.fork) && id.block >= from);
    }

    /// Forgets all pages of a database.
    pub fn forget_database(&self, db: Oid) {
        self.forget_where(|id| id.rel.db == db);
    }

    fn forget_where(&self, matches: impl Fn(&PageId) -> bool) {
        for shard in &self.shards {
            let ids: Vec<PageId> = shard.read().iter().map(|(id, _)| *id).filter(|id| matches(id)).collect();
            ids.into_iter().for_each(|id| self.forget_page(id));
        }
    }

    fn forget_page(&self, id: PageId) {
        if let Some(pin) = self.pin_cached(id, false) {
            // A writer on its way to disk finishes first; the file's `dropped` mark stops later ones.
            let _io = self.frames[pin.frame() as usize].io.lock();
            let guard = pin.clone().into_write();
            if self.frames[pin.frame() as usize].state.load(Ordering::Acquire) & state::TAGGED != 0 {
                self.untag(&guard);
                let mut freed = self.freed.lock();
                // A frame that a ring takes and loses over and over stands there more than once.
                if freed.len() < self.frames.len() {
                    freed.push(Reverse(pin.frame()));
                    self.freed_count.store(freed.len(), Ordering::Release);
                }
            }
        }
    }
}
