//! The set of running transactions, sharded so that begin and end touch no line that all threads share.
//!
//! A transaction owns a slot: the CSN of its oldest live snapshot, its id, its fast-path locks. Horizons are computed
//! by reading all slots; that is for vacuum and pruning, never for a statement.

use crate::lock::fast::FastLocks;
use parking_lot::{Mutex, RwLock};
use quarry_common::{Lsn, Xid};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering, fence};

const SHARDS: usize = 16;

/// One running transaction.
#[repr(align(128))]
#[derive(Default)]
pub struct Slot {
    /// CSN of the oldest snapshot in use; 0 = none.
    pub(super) csn: AtomicU64,
    /// The one snapshot of REPEATABLE READ, if it needs its versions exactly, see [`super::live`]; 0 = none.
    pub(super) fixed: AtomicU64,
    /// Beside `fixed`: CSN of the oldest other snapshot in use; 0 = none.
    pub(super) recent: AtomicU64,
    /// Top-level id, or a lower bound of it while it is being allotted; 0 = none.
    xid: AtomicU64,
    /// Who it is to the lock manager.
    pub(crate) owner: AtomicU64,
    pub(crate) pid: AtomicI32,
    pub(crate) fast: Mutex<FastLocks>,
}

impl Slot {
    /// The top-level id of the transaction in it, if it has one.
    pub fn top_xid(&self) -> Option<Xid> {
        Some(Xid(self.xid.load(Ordering::Acquire))).filter(|xid| xid.is_valid())
    }
}

#[derive(Default)]
struct Block {
    /// Bit set: the slot is taken.
    used: AtomicU64,
    slots: [Slot; 32],
    next: OnceLock<Box<Block>>,
}

const ALL_USED: u64 = (1 << 32) - 1;

/// Names a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId {
    shard: u16,
    slot: u16,
    block: u32,
}

/// See the module.
pub struct Running {
    shards: Box<[Block]>,
    /// Snapshots older than this must not be published any more, see [`Running::publish_snapshot`].
    pub(super) pending_horizon: AtomicU64,
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

    /// Gives the slot back; its locks are released already.
    pub fn leave(&self, id: SlotId) {
        let block = self.block(id);
        let slot = &block.slots[id.slot as usize];
        self.retract_snapshot(id);
        slot.xid.store(0, Ordering::Release);
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
        for first in &self.shards {
            let mut block = Some(first);
            while let Some(this) = block {
                let mut used = this.used.load(Ordering::SeqCst);
                while used != 0 {
                    f(&this.slots[used.trailing_zeros() as usize]);
                    used &= used - 1;
                }
                block = this.next.get().map(|b| &**b);
            }
        }
    }

    /// Takes a snapshot at the horizon that `read` gives and makes it count in horizons from here on.
    ///
    /// The slot's CSN is stored before `pending_horizon` is checked, and [`Running::oldest_csn`] raises
    /// `pending_horizon` before it reads the slots (both with full fences between), so either it sees this
    /// snapshot or this sees that it must take a newer one.
    ///
    /// With `keep`, an older snapshot in the slot stays protected too.
    #[inline]
    pub fn publish_snapshot(&self, id: SlotId, keep: bool, read: impl Fn() -> Lsn) -> Lsn {
        let slot = self.slot(id);
        let older = if keep { slot.csn.load(Ordering::Relaxed) } else { 0 };
        let is_fixed = slot.fixed.load(Ordering::Relaxed) != 0;
        let older_recent = slot.recent.load(Ordering::Relaxed);
        loop {
            let csn = read();
            let oldest = if older != 0 { older.min(csn.0) } else { csn.0 };
            slot.csn.store(oldest, Ordering::Relaxed);
            if is_fixed {
                let oldest = if older_recent != 0 { older_recent.min(csn.0) } else { csn.0 };
                slot.recent.store(oldest, Ordering::Relaxed);
            }
            fence(Ordering::SeqCst);
            if self.pending_horizon.load(Ordering::Relaxed) <= csn.0 {
                return csn;
            }
        }
    }

    /// The slot needs the versions of an older snapshot, which another slot protects until this returns.
    pub fn import_snapshot(&self, id: SlotId, csn: Lsn) {
        let _passing = self.passing.write();
        let slot = self.slot(id);
        let own = slot.csn.load(Ordering::Relaxed);
        slot.csn.store(if own == 0 { csn.0 } else { own.min(csn.0) }, Ordering::SeqCst);
    }

    /// The slot no longer needs old versions.
    pub fn retract_snapshot(&self, id: SlotId) {
        let slot = self.slot(id);
        slot.csn.store(0, Ordering::Release);
        slot.recent.store(0, Ordering::Release);
        slot.fixed.store(0, Ordering::Release);
    }

    /// From here on the slot keeps `csn`, one of its snapshots, and needs its versions exactly.
    pub fn fix_snapshot(&self, id: SlotId, csn: Lsn) {
        let slot = self.slot(id);
        slot.recent.store(slot.csn.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.fixed.store(csn.0, Ordering::Release);
    }

    /// Of the slot's snapshots only the fixed one is still in use, if there is one.
    pub fn retract_others(&self, id: SlotId) {
        let slot = self.slot(id);
        let fixed = slot.fixed.load(Ordering::Relaxed);
        if fixed != 0 {
            slot.csn.store(fixed, Ordering::Release);
            slot.recent.store(0, Ordering::Release);
        }
    }

    /// The oldest CSN any present or future snapshot can have; `now` is what a new snapshot would get at least.
    pub fn oldest_csn(&self, now: Lsn) -> Lsn {
        let _passing = self.passing.read();
        self.pending_horizon.fetch_max(now.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut oldest = now.0;
        self.for_each(|slot| {
            let csn = slot.csn.load(Ordering::Acquire);
            if csn != 0 {
                oldest = oldest.min(csn);
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
        assert_eq!(running.count(), 200);
        assert_eq!(running.oldest_csn(Lsn(50)), Lsn(50));
        let mut now = 49;
        let csn = running.publish_snapshot(slots[150], false, || Lsn(50.max(now)));
        assert_eq!(csn, Lsn(50));
        now = 90;
        running.publish_snapshot(slots[3], true, || Lsn(now));
        assert_eq!(running.oldest_csn(Lsn(99)), Lsn(50));
        running.leave(slots[150]);
        assert_eq!(running.oldest_csn(Lsn(99)), Lsn(90));
        assert_eq!(running.oldest_xid(&next), Xid(100));
        assert_eq!(running.allot_top_xid(slots[9], &next), Xid(100));
        assert_eq!(running.allot_top_xid(slots[8], &next), Xid(101));
        assert_eq!(running.oldest_xid(&next), Xid(100));
        running.leave(slots[9]);
        assert_eq!(running.oldest_xid(&next), Xid(101));
    }
}
