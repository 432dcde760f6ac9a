//! A transaction's locks: taking them, keeping them for the right level of savepoints, waiting for other transactions.

use super::Transaction;
use crate::lock::{HeldLock, LockMode, LockTag, OwnerId, RowWait, VirtualId, WaitPolicy, Waiting};
use crate::txn::XidStatus;
use quarry_common::{Lsn, Result, Xid};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl Transaction {
    pub(super) fn waiting(&self) -> Waiting<'_> {
        let limit =
            |ms: &AtomicU64| Some(ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0).map(Duration::from_millis);
        Waiting {
            owner: self.owner,
            pid: self.pid,
            cancel: &self.cancel,
            lock_timeout: limit(&self.lock_timeout_ms),
            deadlock_timeout: limit(&self.deadlock_timeout_ms),
            observer: self.observer.as_deref(),
            row: None,
            position: self.wait_position.load(Ordering::Relaxed).checked_sub(1),
        }
    }

    /// Takes a lock that is held to the end of the transaction (or until a savepoint around it rolls back). False:
    /// not available, and `policy` says not to wait; for NoWait the caller words the error (55P03).
    pub fn lock(&self, tag: LockTag, mode: LockMode, policy: WaitPolicy) -> Result<bool> {
        self.lock_for(tag, mode, policy, None)
    }

    /// The same; `row` is told in the context of the wait's errors.
    pub(crate) fn lock_for(
        &self,
        tag: LockTag,
        mode: LockMode,
        policy: WaitPolicy,
        row: Option<RowWait>,
    ) -> Result<bool> {
        let mut inner = self.inner.lock();
        if inner.holds(&tag, mode) {
            return Ok(true);
        }
        let locks = self.storage.locks();
        let slot = self.storage.txns().running.slot(self.slot());
        // This waits for nobody.
        let fast = locks.try_fast(&slot.fast, &tag, mode);
        if !fast {
            drop(inner);
            if policy == WaitPolicy::Block && matches!(tag, LockTag::Relation { .. }) {
                // Who waits for a table with no snapshot in use holds nothing back meanwhile.
                self.statement_done();
            }
            if !locks.acquire(&Waiting { row, ..self.waiting() }, &tag, mode, policy)? {
                return Ok(false);
            }
            self.follow_holders();
            inner = self.inner.lock();
        }
        inner.note_held(HeldLock { tag, mode, fast });
        Ok(true)
    }

    /// To be called with a lock newly taken. Locks are free as soon as a commit is in the log: whoever held this one may not be durable
    /// yet, but what it did must be seen by those who waited for it or come after it.
    pub fn follow_holders(&self) {
        self.follow(self.storage.wal().inserted());
    }

    /// See [`Transaction::lock`].
    pub fn lock_relation(&self, tag: LockTag, mode: LockMode, policy: WaitPolicy) -> Result<bool> {
        self.lock(tag, mode, policy)
    }

    /// The same for a relation that the statement names at `position`, a byte offset: the log says so of long waits.
    pub fn lock_named_relation(
        &self,
        tag: LockTag,
        mode: LockMode,
        policy: WaitPolicy,
        position: Option<usize>,
    ) -> Result<bool> {
        self.wait_position.store(position.map_or(0, |p| p.saturating_add(1)), Ordering::Relaxed);
        let outcome = self.lock(tag, mode, policy);
        self.wait_position.store(0, Ordering::Relaxed);
        outcome
    }

    /// Whether this transaction holds `tag` in exactly this mode.
    pub fn holds(&self, tag: LockTag, mode: LockMode) -> bool {
        self.inner.lock().holds(&tag, mode)
    }

    pub(in crate::txn) fn pid(&self) -> i32 {
        self.pid
    }

    /// Its name as long as it runs, which it has with an id or without.
    pub fn virtual_id(&self) -> VirtualId {
        self.storage.txns().running.virtual_id(self.slot())
    }

    /// The session's identity to the lock manager.
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// Gives up a lock that was taken since the last savepoint, before the transaction ends.
    pub(crate) fn unlock_recent(&self, tag: &LockTag, mode: LockMode) {
        let mut inner = self.inner.lock();
        let from = inner.subs.last().map_or(0, |level| level.held);
        let found = inner.held[from..].iter().rposition(|l| l.tag == *tag && l.mode == mode && !l.fast);
        let Some(at) = found else { return };
        inner.held.remove(from + at);
        if let Some(index) = &mut inner.held_index {
            index.remove(&(*tag, mode));
        }
        drop(inner);
        self.storage.locks().release(self.owner, tag, mode);
    }

    /// Takes a lock that nothing can stand against, as if it had been taken when the level of `xid`, one of the transaction's
    /// ids, was the innermost: savepoints opened since then don't release it.
    pub(crate) fn lock_for_level(&self, tag: LockTag, mode: LockMode, xid: Xid) -> Result<()> {
        if !self.storage.locks().acquire(&self.waiting(), &tag, mode, WaitPolicy::NoWait)? {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        let made = inner.live_subs.binary_search(&xid).map_or(0, |at| at + 1);
        let lock = HeldLock { tag, mode, fast: false };
        let Some(level) = inner.subs.iter().position(|level| made <= level.live_subs) else {
            inner.note_held(lock);
            return Ok(());
        };
        let at = inner.subs[level].held;
        inner.held.insert(at, lock);
        inner.held_index = None;
        inner.subs[level..].iter_mut().for_each(|level| level.held += 1);
        Ok(())
    }

    /// Waits until (sub)transaction `xid` has ended. False if it runs and `policy` says not to wait.
    pub fn wait_for_xid(&self, xid: Xid, policy: WaitPolicy) -> Result<bool> {
        self.wait_for_end(xid, policy, None)
    }

    /// The same; `row` is told in the context of the wait's errors.
    pub(crate) fn wait_for_end(&self, xid: Xid, policy: WaitPolicy, row: Option<RowWait>) -> Result<bool> {
        let txns = self.storage.txns();
        let who = Waiting { row, ..self.waiting() };
        let ended = self.storage.locks().wait_for_xid(txns, &who, xid, policy)?;
        if ended && let XidStatus::Committed(csn) = txns.status(xid) {
            self.follow(csn);
        }
        Ok(ended)
    }

    /// Waits for the end of every other transaction that now holds a lock on one of `tags` which conflicts with `mode`, without standing
    /// in line itself: nobody waits behind it. `step`: how many there are, how many have ended, and the next one's process.
    pub fn wait_for_lockers(
        &self,
        tags: &[LockTag],
        mode: LockMode,
        step: &mut dyn FnMut(usize, usize, i32),
    ) -> Result<()> {
        let (locks, txns) = (self.storage.locks(), self.storage.txns());
        let mut holders: Vec<VirtualId> =
            tags.iter().flat_map(|tag| locks.holders_in_conflict(txns, tag, mode, self.owner)).collect();
        holders.sort();
        holders.dedup();
        for (done, id) in holders.iter().enumerate() {
            step(holders.len(), done, txns.running.owner_of_virtual(*id).map_or(0, |(_, pid)| pid));
            locks.wait_for_virtual(txns, &self.waiting(), *id)?;
        }
        step(holders.len(), holders.len(), 0);
        // Locks are free once a commit is in the log: what they did must be seen by every snapshot from here on.
        let wal = self.storage.wal();
        wal.wait_durable_blocking(wal.inserted())
    }

    /// Waits until no other transaction of interest has a snapshot older than `snapshot`, which shows durable commits only. `step` as
    /// above; `concerns`: whether a transaction of this process is of interest.
    pub fn wait_for_older_snapshots(
        &self,
        csn: Lsn,
        concerns: &dyn Fn(i32) -> bool,
        step: &mut dyn FnMut(usize, usize, i32),
    ) -> Result<()> {
        let (locks, txns) = (self.storage.locks(), self.storage.txns());
        self.storage.wal().wait_durable_blocking(csn)?;
        let mut done = 0;
        loop {
            // Seen anew each time: a snapshot may have been passed on, and most go before their transactions do.
            let older = txns.running.with_snapshot_before(csn);
            let mut older = older.iter().filter(|(_, owner, pid)| *owner != self.owner && concerns(*pid));
            let Some((id, _, pid)) = older.next() else {
                step(done, done, 0);
                return Ok(());
            };
            step(done + 1 + older.count(), done, *pid);
            locks.wait_for_virtual(txns, &self.waiting(), *id)?;
            done += 1;
        }
    }

    pub(super) fn release_locks(&self, held: &[HeldLock]) {
        let locks = self.storage.locks();
        if held.iter().any(|l| l.fast) {
            locks.release_fast(&self.storage.txns().running.slot(self.slot()).fast, self.owner, held);
        }
        for lock in held.iter().filter(|l| !l.fast) {
            locks.release(self.owner, &lock.tag, lock.mode);
        }
    }
}
