//! The set of running transactions, sharded so that begin and end touch no line that all threads share.
//!
//! A transaction owns a slot: the CSNs of its live snapshots, its id, its fast-path locks. Horizons are computed
//! by reading all slots; that is for vacuum and pruning, never for a statement.

use crate::lock::fast::FastLocks;
use crate::lock::{OwnerId, VirtualId};
use parking_lot::{Mutex, RwLock};
use quarry_common::{Lsn, Oid, Xid};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

const SHARDS: usize = 16;
/// Snapshots that a slot has places for; more are rare (cursors) and cost a mutex.
const PLACES: usize = 4;

/// In a published snapshot: its owner may go on from a version that it sees to newer ones, see [`super::live`]. No CSN is as high.
pub const FOLLOWS: u64 = 1 << 63;
/// Slots of a block.
const SLOTS: usize = 32;

/// One running transaction.
#[repr(align(128))]
#[derive(Default)]
pub struct Slot {
    /// CSNs of the snapshots in use, some with [`FOLLOWS`]; 0 = none. Which is whose, the transaction knows.
    snapshots: [AtomicU64; PLACES],
    /// Those that found no place, in the same form.
    more: Mutex<Vec<u64>>,
    has_more: AtomicBool,
    /// Top-level id, or a lower bound of it while it is being allotted; 0 = none.
    xid: AtomicU64,
    /// Who it is to the lock manager.
    pub(crate) owner: AtomicU64,
    pub(crate) pid: AtomicI32,
    /// The only database whose own tables its snapshots read; 0: they may read any. Set before the first snapshot.
    database: AtomicU32,
    pub(crate) fast: Mutex<FastLocks>,
    /// Counts the transactions that the slot has had: with the slot's number it names the one in it.
    local: AtomicU64,
}

impl Slot {
    /// The top-level id of the transaction in it, if it has one.
    pub fn top_xid(&self) -> Option<Xid> {
        Some(Xid(self.xid.load(Ordering::Acquire))).filter(|xid| xid.is_valid())
    }

    /// Whether its snapshots may read a relation of this database (0: a shared one).
    pub(super) fn may_read(&self, db: Oid) -> bool {
        let own = self.database.load(Ordering::SeqCst);
        own == 0 || !db.is_valid() || own == db.0
    }

    fn put_snapshot(&self, place: usize, published: u64) {
        match self.snapshots.get(place) {
            Some(p) => p.store(published, Ordering::Release),
            None => {
                let mut more = self.more.lock();
                if more.len() <= place - PLACES {
                    more.resize(place - PLACES + 1, 0);
                }
                more[place - PLACES] = published;
                self.has_more.store(true, Ordering::Release);
            }
        }
    }

    pub(super) fn for_each_snapshot(&self, mut f: impl FnMut(u64)) {
        let mut note = |published: u64| {
            if published != 0 {
                f(published);
            }
        };
        self.snapshots.iter().for_each(|p| note(p.load(Ordering::Acquire)));
        if self.has_more.load(Ordering::Acquire) {
            self.more.lock().iter().for_each(|p| note(*p));
        }
    }
}

#[derive(Default)]
struct Block {
    /// Bit set: the slot is taken.
    used: AtomicU64,
    slots: [Slot; SLOTS],
    next: OnceLock<Box<Block>>,
}

const ALL_USED: u64 = (1 << SLOTS) - 1;

/// Names a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId {
    shard: u16,
    slot: u16,
    block: u32,
}

impl SlotId {
    /// Itself as a number.
    #[inline]
    pub fn to_bits(self) -> u64 {
        u64::from(self.block) << 32 | u64::from(self.shard) << 16 | u64::from(self.slot)
    }

    /// The slot with this number.
    #[inline]
    pub fn from_bits(bits: u64) -> SlotId {
        SlotId { shard: (bits >> 16) as u16, slot: bits as u16, block: (bits >> 32) as u32 }
    }
}

/// See the module.
pub struct Running {
    shards: Box<[Block]>,
    /// Snapshots older than this must not be published any more, see [`Running::publish_snapshot`].
    pub(super) pending_horizon: AtomicU64,
    /// The same for those between that and this.
    pub(super) pending_gap: AtomicU64,
    /// Held exclusively while a snapshot passes from one slot to another: a pass over the slots must not miss it in both.
    pub(super) passing: RwLock<()>,
}

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static THREAD_SHARD: Cell<usize> = Cell::new(NEXT_THREAD.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

impl Default for Running {
    fn default() -> Running {
        Running {
            shards: (0..SHARDS).map(|_| Block::default()).collect(),
            pending_horizon: AtomicU64::new(0),
            pending_gap: AtomicU64::new(0),
            passing: RwLock::new(()),
        }
    }
}

impl Running {
    /// Takes a slot.
    pub fn enter(&self) -> SlotId {
        let shard = THREAD_SHARD.get();
        let mut block = &self.shards[shard];
        let mut number = 0;
        loop {
            let used = block.used.load(Ordering::Relaxed);
            if used == ALL_USED {
                block = block.next.get_or_init(Box::default);
                number += 1;
                continue;
            }
            let bit = used.trailing_ones();
            if block.used.fetch_or(1 << bit, Ordering::AcqRel) & 1 << bit == 0 {
                return SlotId { shard: shard as u16, slot: bit as u16, block: number };
            }
        }
    }

    /// The slot's transaction will read no table of another database. It has no snapshot yet.
    ///
    /// A pass over the slots reads this before the snapshots. If it finds what was there before, it doesn't find a snapshot that is published later
    /// either, and the publisher finds the horizon that the pass has raised, see [`Running::publish_snapshot`].
    pub fn set_database(&self, id: SlotId, db: Oid) {
        self.slot(id).database.store(db.0, Ordering::SeqCst);
    }

    /// Gives the slot back; its locks are released already.
    pub fn leave(&self, id: SlotId) {
        let block = self.block(id);
        let slot = &block.slots[id.slot as usize];
        self.retract_snapshots(id);
        slot.database.store(0, Ordering::SeqCst);
        slot.xid.store(0, Ordering::Release);
        // From here on the transaction counts as ended; who leaves looks for waiters afterwards (lock README, L5).
        slot.local.store(slot.local.load(Ordering::Relaxed) + 1, Ordering::SeqCst);
        block.used.fetch_and(!(1 << id.slot), Ordering::AcqRel);
    }

    fn block(&self, id: SlotId) -> &Block {
        let mut block = &self.shards[id.shard as usize];
        for _ in 0..id.block {
            block = block.next.get().expect("slots of a block that exists");
        }
        block
    }

    #[inline]
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.block(id).slots[id.slot as usize]
    }

    /// Calls `f` with every taken slot.
    pub fn for_each(&self, mut f: impl FnMut(&Slot)) {
        self.for_each_named(|_, slot| f(slot));
    }

    /// Calls `f` with every taken slot and the name of the transaction in it.
    pub fn for_each_named(&self, mut f: impl FnMut(VirtualId, &Slot)) {
        for (shard, first) in self.shards.iter().enumerate() {
            let (mut block, mut number) = (Some(first), 0);
            while let Some(this) = block {
                let mut used = this.used.load(Ordering::SeqCst);
                while used != 0 {
                    let bit = used.trailing_zeros() as usize;
                    let slot = &this.slots[bit];
                    let backend = (number * SHARDS + shard) * SLOTS + bit;
                    f(VirtualId { backend: backend as u32, local: slot.local.load(Ordering::SeqCst) }, slot);
                    used &= used - 1;
                }
                block = this.next.get().map(|b| &**b);
                number += 1;
            }
        }
    }

    /// The name of the transaction in a slot.
    pub fn virtual_id(&self, id: SlotId) -> VirtualId {
        let backend = (id.block as usize * SHARDS + id.shard as usize) * SLOTS + id.slot as usize;
        VirtualId { backend: backend as u32, local: self.slot(id).local.load(Ordering::SeqCst) }
    }

    fn slot_of(&self, id: VirtualId) -> &Slot {
        let backend = id.backend as usize;
        let (slot, shard) = (backend % SLOTS, backend / SLOTS % SHARDS);
        let block = (backend / SLOTS / SHARDS) as u32;
        self.slot(SlotId { shard: shard as u16, slot: slot as u16, block })
    }

    /// Whether the transaction of this name has not ended.
    pub fn is_active(&self, id: VirtualId) -> bool {
        self.slot_of(id).local.load(Ordering::SeqCst) == id.local
    }

    /// The lock owner and process id of a transaction that has not ended.
    pub fn owner_of_virtual(&self, id: VirtualId) -> Option<(u64, i32)> {
        let slot = self.slot_of(id);
        let found = (slot.owner.load(Ordering::Acquire), slot.pid.load(Ordering::Acquire));
        self.is_active(id).then_some(found)
    }

    /// Transactions with a snapshot older than `csn`, which is durable; nobody takes such a one any more, unless from one of these.
    pub fn with_snapshot_before(&self, csn: Lsn) -> Vec<(VirtualId, OwnerId, i32)> {
        let _passing = self.passing.read();
        self.pending_horizon.fetch_max(csn.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut found = vec![];
        self.for_each_named(|id, slot| {
            let mut older = false;
            slot.for_each_snapshot(|published| older |= published & !FOLLOWS < csn.0);
            if older {
                let owner = OwnerId(slot.owner.load(Ordering::Acquire));
                found.push((id, owner, slot.pid.load(Ordering::Acquire)));
            }
        });
        found
    }

    /// Takes a snapshot at the horizon that `read` gives and makes it count from here on, in a place of the slot that is free; `marks`: [`FOLLOWS`] or
    /// nothing.
    ///
    /// It is stored before the pending horizon and gap are checked, and [`Running::live_snapshots`] raises these before it reads the
    /// slots (both with full fences between), so either that sees this snapshot or this sees that it must take another one. A durable horizon
    /// that has not been passed since is the gap's lower end or lies beyond it.
    #[inline]
    pub fn publish_snapshot(&self, id: SlotId, place: usize, marks: u64, read: impl Fn() -> Lsn) -> Lsn {
        let slot = self.slot(id);
        loop {
            let csn = read();
            slot.put_snapshot(place, csn.0 | marks);
            fence(Ordering::SeqCst);
            let (from, to) = (&self.pending_horizon, &self.pending_gap);
            let (from, to) = (from.load(Ordering::Relaxed), to.load(Ordering::Relaxed));
            if csn.0 == from || csn.0 >= from.max(to) {
                return csn;
            }
        }
    }

    /// No snapshot that isn't at a durable horizon may be taken below.
    pub fn gap_end(&self) -> Lsn {
        Lsn(self.pending_gap.load(Ordering::Acquire))
    }

    /// The slot needs the versions of an older snapshot, which another slot protects until this returns.
    pub fn import_snapshot(&self, id: SlotId, place: usize, marks: u64, csn: Lsn) {
        let _passing = self.passing.write();
        self.slot(id).put_snapshot(place, csn.0 | marks);
    }

    /// That snapshot is no longer in use.
    #[inline]
    pub fn retract_snapshot(&self, id: SlotId, place: usize) {
        self.slot(id).put_snapshot(place, 0);
    }

    /// None of the slot's snapshots is.
    pub fn retract_snapshots(&self, id: SlotId) {
        let slot = self.slot(id);
        slot.snapshots.iter().for_each(|p| p.store(0, Ordering::Release));
        if slot.has_more.load(Ordering::Acquire) {
            let mut more = slot.more.lock();
            more.clear();
            slot.has_more.store(false, Ordering::Release);
        }
    }

    /// The oldest CSN any present or future snapshot can have that may read relations of `db` (0: any); `now` is what a new snapshot would get at
    /// least.
    pub fn oldest_csn(&self, now: Lsn, db: Oid) -> Lsn {
        let _passing = self.passing.read();
        self.pending_horizon.fetch_max(now.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut oldest = now.0;
        self.for_each(|slot| {
            if slot.may_read(db) {
                slot.for_each_snapshot(|p| oldest = oldest.min(p & !FOLLOWS));
            }
        });
        Lsn(oldest)
    }

    /// Allots an id from `next` to the slot's transaction. A lower bound is published before the id exists, so that
    /// [`Running::oldest_xid`], which reads `next` first, can't miss it.
    pub fn allot_top_xid(&self, id: SlotId, next: &AtomicU64) -> Xid {
        let slot = self.slot(id);
        slot.xid.store(next.load(Ordering::SeqCst), Ordering::SeqCst);
        let xid = next.fetch_add(1, Ordering::SeqCst);
        slot.xid.store(xid, Ordering::Release);
        Xid(xid)
    }

    /// Makes the slot that of a transaction that was running before a restart.
    pub fn adopt(&self, id: SlotId, xid: Xid, owner: u64) {
        let slot = self.slot(id);
        slot.owner.store(owner, Ordering::Release);
        slot.xid.store(xid.0, Ordering::Release);
    }

    /// No running transaction has an id below.
    pub fn oldest_xid(&self, next: &AtomicU64) -> Xid {
        let mut oldest = next.load(Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.for_each(|slot| {
            let xid = slot.xid.load(Ordering::SeqCst);
            if xid != 0 {
                oldest = oldest.min(xid);
            }
        });
        Xid(oldest)
    }

    /// The lock owner and process id of the transaction with top-level id `xid`.
    pub fn owner_of(&self, xid: Xid) -> Option<(u64, i32)> {
        let mut found = None;
        self.for_each(|slot| {
            if slot.xid.load(Ordering::Acquire) == xid.0 {
                found = Some((slot.owner.load(Ordering::Acquire), slot.pid.load(Ordering::Acquire)));
            }
        });
        found
    }

    /// The top-level id of the transaction that this lock owner runs, if it has one.
    pub fn xid_of(&self, owner: u64) -> Option<Xid> {
        let mut found = None;
        self.for_each(|slot| {
            if slot.owner.load(Ordering::Acquire) == owner {
                found = slot.top_xid();
            }
        });
        found
    }

    /// Running transactions.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.for_each(|_| count += 1);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizons_follow_the_oldest() {
        let running = Running::default();
        let next = AtomicU64::new(100);
        let slots: Vec<SlotId> = (0..200).map(|_| running.enter()).collect();
        assert!(slots.iter().all(|slot| SlotId::from_bits(slot.to_bits()) == *slot));
        assert_eq!(running.count(), 200);
        assert_eq!(running.oldest_csn(Lsn(50), Oid::INVALID), Lsn(50));
        let mut now = 49;
        let csn = running.publish_snapshot(slots[150], 0, 0, || Lsn(50.max(now)));
        assert_eq!(csn, Lsn(50));
        now = 90;
        running.publish_snapshot(slots[3], 0, FOLLOWS, || Lsn(now));
        assert_eq!(running.oldest_csn(Lsn(99), Oid::INVALID), Lsn(50));
        // It reads tables of one database only.
        running.set_database(slots[150], Oid(7));
        let oldest = [7, 8, 0].map(|db| running.oldest_csn(Lsn(99), Oid(db)));
        assert_eq!(oldest, [Lsn(50), Lsn(90), Lsn(50)]);
        running.leave(slots[150]);
        assert_eq!(running.oldest_csn(Lsn(99), Oid::INVALID), Lsn(90));
        assert_eq!(running.oldest_xid(&next), Xid(100));
        assert_eq!(running.allot_top_xid(slots[9], &next), Xid(100));
        assert_eq!(running.allot_top_xid(slots[8], &next), Xid(101));
        assert_eq!(running.oldest_xid(&next), Xid(100));
        running.leave(slots[9]);
        assert_eq!(running.oldest_xid(&next), Xid(101));
    }
}
