//! Locks of prepared transactions: they pass from the session to an owner of their own.

use super::manager::LockManager;
use super::{HeldLock, LockMode, LockTag, OwnerId};
use crate::txn::running::Slot;
use hashbrown::HashMap;
use quarry_common::Xid;
use std::sync::atomic::Ordering;

/// A prepared transaction as an owner of locks.
#[derive(Clone, Copy, Debug)]
pub struct PreparedOwner {
    pub xid: Xid,
    /// It was prepared before the server's start.
    pub recovered: bool,
}

impl LockManager {
    /// This owner is a prepared transaction.
    pub(crate) fn note_prepared(&self, owner: OwnerId, xid: Xid, recovered: bool) {
        self.prepared.lock().insert(owner, PreparedOwner { xid, recovered });
        self.prepared_count.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn forget_prepared(&self, owner: OwnerId) {
        if self.prepared.lock().remove(&owner).is_some() {
            self.prepared_count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The owners that are prepared transactions.
    pub fn prepared_owners(&self) -> HashMap<OwnerId, PreparedOwner> {
        self.prepared.lock().clone()
    }

    /// Those of the holders that are prepared transactions.
    pub(super) fn prepared_among(
        &self,
        holders: impl Iterator<Item = (OwnerId, LockMode)>,
    ) -> Vec<(Xid, LockMode)> {
        if self.prepared_count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let prepared = self.prepared.lock();
        holders.filter_map(|(owner, mode)| Some((prepared.get(&owner)?.xid, mode))).collect()
    }

    /// Everything that this owner holds.
    pub(crate) fn locks_of(&self, owner: OwnerId) -> Vec<(LockTag, LockMode)> {
        self.list().into_iter().filter(|l| l.granted && l.owner == owner).map(|l| (l.tag, l.mode)).collect()
    }

    /// Gives a transaction's locks to another owner. Nobody can come in between: a lock is held by the one or the other.
    pub(crate) fn change_owner(&self, slot: &Slot, held: &[HeldLock], from: OwnerId, to: OwnerId, pid: i32) {
        {
            // Who moves notes to the table reads the owner after it has had this mutex.
            let _notes = slot.fast.lock();
            slot.owner.store(to.0, Ordering::Release);
            slot.pid.store(pid, Ordering::Release);
        }
        for lock in held {
            self.transfer(&lock.tag, lock.mode, from, to, pid);
        }
    }

    /// One lock, if it stands in the table under the old owner, and what newer versions of a row inherited from it.
    fn transfer(&self, tag: &LockTag, mode: LockMode, from: OwnerId, to: OwnerId, pid: i32) {
        let mut inherited = Vec::new();
        {
            let mut shard = self.shard(tag).lock();
            let Some(entry) = shard.get_mut(tag) else { return };
            if !entry.remove(from, mode) {
                return;
            }
            entry.add(to, pid, mode);
            for carried in entry.carried.iter_mut().filter(|c| c.0 == from && c.1 == mode) {
                carried.0 = to;
                inherited.push(carried.2);
            }
        }
        for newer in inherited {
            self.transfer(&newer, mode, from, to, pid);
        }
    }
}
