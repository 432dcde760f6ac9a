//! The lock table: who holds what, who waits in line, how a lock passes on.

use super::deadlock::simple_deadlock;
use super::fast::{self, FastLocks};
use super::prepared::PreparedOwner;
use super::waits::Waiter;
use super::{HeldLock, LockMode, LockTag, OwnerId, VirtualId, WaitOptions, WaitPolicy, Waiting};
use crate::ids::RelId;
use crate::txn::{Transaction, TxnManager};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{Result, Tid, Xid};
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::Duration;

const SHARDS: usize = 64;
const STRIPES: usize = 1024;

/// An owner's locks on one thing.
pub(super) struct Holder {
    pub owner: OwnerId,
    pub pid: i32,
    /// How often it holds each mode.
    pub counts: [u32; 9],
    /// Modes with a count, as bits.
    pub modes: u16,
}

#[derive(Default)]
pub(super) struct Entry {
    pub holders: Vec<Holder>,
    pub queue: VecDeque<Arc<Waiter>>,
    /// Row locks that a newer version inherited: released together with the ones here.
    pub(super) carried: Vec<(OwnerId, LockMode, LockTag)>,
}

type Table = HashMap<LockTag, Entry, FixedState>;

/// See [`super`].
pub struct LockManager {
    pub(super) shards: Box<[Mutex<Table>]>,
    hasher: FixedState,
    /// Holders and seekers of strong relation locks, by stripe.
    strong: Box<[AtomicU32]>,
    /// Threads in [`LockManager::wait_for_xid`]: if none, a transaction's end wakes nobody.
    xid_waiters: AtomicUsize,
    /// The same for [`LockManager::wait_for_virtual`].
    virtual_waiters: AtomicUsize,
    row_locks: AtomicUsize,
    next_owner: AtomicU64,
    /// Owners that are prepared transactions.
    pub(super) prepared: Mutex<HashMap<OwnerId, PreparedOwner>>,
    pub(super) prepared_count: AtomicUsize,
    pub(super) deadlock_timeout_ms: AtomicU64,
    pub(crate) txns: std::sync::OnceLock<Weak<TxnManager>>,
}

/// A row of pg_locks.
#[derive(Clone, Debug)]
pub struct LockInfo {
    pub tag: LockTag,
    pub owner: OwnerId,
    pub pid: i32,
    pub mode: LockMode,
    pub granted: bool,
    pub fast_path: bool,
    /// How long it has been waited for.
    pub waited: Option<Duration>,
}

impl Entry {
    fn held_by_others(&self, owner: OwnerId) -> u16 {
        self.holders.iter().filter(|h| h.owner != owner).fold(0, |bits, h| bits | h.modes)
    }

    pub(super) fn add(&mut self, owner: OwnerId, pid: i32, mode: LockMode) {
        let at = match self.holders.iter().position(|h| h.owner == owner) {
            Some(at) => at,
            None => {
                self.holders.push(Holder { owner, pid, counts: [0; 9], modes: 0 });
                self.holders.len() - 1
            }
        };
        let holder = &mut self.holders[at];
        holder.counts[mode as usize] += 1;
        holder.modes |= mode.bit();
    }

    /// Takes one lock away; false if there was none.
    pub(super) fn remove(&mut self, owner: OwnerId, mode: LockMode) -> bool {
        let Some(at) = self.holders.iter().position(|h| h.owner == owner) else { return false };
        let holder = &mut self.holders[at];
        let count = &mut holder.counts[mode as usize];
        if *count == 0 {
            return false;
        }
        *count -= 1;
        if *count == 0 {
            holder.modes &= !mode.bit();
            if holder.modes == 0 {
                self.holders.swap_remove(at);
            }
        }
        true
    }

    /// Grants to waiters in order: those whose request conflicts neither with holders nor with earlier waiters.
    pub(super) fn promote(&mut self) {
        let mut ahead = 0;
        let mut at = 0;
        while at < self.queue.len() {
            let waiter = self.queue[at].clone();
            let blocked = self.held_by_others(waiter.owner) | ahead;
            if waiter.mode.conflicts() & blocked == 0 {
                self.queue.remove(at);
                self.add(waiter.owner, waiter.pid, waiter.mode);
                waiter.grant();
            } else {
                ahead |= waiter.mode.bit();
                at += 1;
            }
        }
    }
}

/// Takes a waiter out of the queue, if it is still there, and grants to those who wait for nobody else.
pub(super) fn take_out(table: &mut Table, tag: &LockTag, waiter: &Arc<Waiter>) {
    let Some(entry) = table.get_mut(tag) else { return };
    entry.queue.retain(|w| !Arc::ptr_eq(w, waiter));
    if !matches!(tag, LockTag::Xid(_) | LockTag::Virtual(_)) {
        entry.promote();
    }
    if entry.holders.is_empty() && entry.queue.is_empty() {
        table.remove(tag);
    }
}

impl LockManager {
    pub fn new(deadlock_timeout: Duration) -> LockManager {
        LockManager {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: FixedState::default(),
            strong: (0..STRIPES).map(|_| AtomicU32::new(0)).collect(),
            xid_waiters: AtomicUsize::new(0),
            virtual_waiters: AtomicUsize::new(0),
            row_locks: AtomicUsize::new(0),
            next_owner: AtomicU64::new(1),
            prepared: Mutex::default(),
            prepared_count: AtomicUsize::new(0),
            deadlock_timeout_ms: AtomicU64::new(deadlock_timeout.as_millis() as u64),
            txns: std::sync::OnceLock::new(),
        }
    }

    /// An identity for a session or transaction.
    pub fn new_owner(&self) -> OwnerId {
        OwnerId(self.next_owner.fetch_add(1, Ordering::Relaxed))
    }

    pub fn set_deadlock_timeout(&self, timeout: Duration) {
        self.deadlock_timeout_ms.store(timeout.as_millis() as u64, Ordering::Relaxed);
    }

    /// Locks of a session, beyond its transactions (advisory locks).
    pub fn session(self: &Arc<Self>, owner: OwnerId, pid: i32) -> SessionLocks {
        SessionLocks { manager: self.clone(), owner, pid, held: Mutex::default() }
    }

    pub(super) fn shard_index(&self, tag: &LockTag) -> usize {
        self.hasher.hash_one(tag) as usize % SHARDS
    }

    pub(super) fn shard(&self, tag: &LockTag) -> &Mutex<Table> {
        &self.shards[self.shard_index(tag)]
    }

    fn stripe(&self, tag: &LockTag) -> &AtomicU32 {
        &self.strong[(self.hasher.hash_one(tag) >> 32) as usize % STRIPES]
    }

    /// Notes a weak relation lock in the transaction's own list, if that's possible.
    #[inline]
    pub(crate) fn try_fast(&self, list: &Mutex<FastLocks>, tag: &LockTag, mode: LockMode) -> bool {
        let Some((db, oid)) = fast::relation_of(tag, mode) else { return false };
        let mut list = list.lock();
        self.stripe(tag).load(Ordering::SeqCst) == 0 && list.add(db, oid, mode)
    }

    /// Releases fast-path locks, wherever they are by now.
    pub(crate) fn release_fast(&self, list: &Mutex<FastLocks>, owner: OwnerId, held: &[HeldLock]) {
        let mut moved = Vec::new();
        let mut list = list.lock();
        for lock in held.iter().filter(|l| l.fast) {
            if let Some((db, oid)) = fast::relation_of(&lock.tag, lock.mode)
                && !list.remove(db, oid, lock.mode)
            {
                moved.push(lock);
            }
        }
        drop(list);
        for lock in moved {
            self.release(owner, &lock.tag, lock.mode);
        }
    }

    /// Moves fast-path locks on `tag` into the table, for a strong request.
    fn collect_fast(&self, tag: &LockTag) {
        let (LockTag::Relation { db, oid }, Some(txns)) = (tag, self.txns.get().and_then(Weak::upgrade))
        else {
            return;
        };
        txns.running.for_each(|slot| {
            // The shard is taken first (it ranks before the list), so that a release in between finds the lock in
            // one place or the other.
            let mut shard = self.shard(tag).lock();
            let modes = slot.fast.lock().take_all(*db, *oid);
            if modes != 0 {
                let owner = OwnerId(slot.owner.load(Ordering::Acquire));
                let pid = slot.pid.load(Ordering::Acquire);
                let entry = shard.entry(*tag).or_default();
                for mode in LockMode::ALL.into_iter().filter(|m| modes & m.bit() != 0) {
                    entry.add(owner, pid, mode);
                }
            }
        });
    }

    fn is_strong(tag: &LockTag, mode: LockMode) -> bool {
        matches!(tag, LockTag::Relation { .. }) && mode > LockMode::ShareUpdateExclusive
    }

    /// Takes a lock in the table, waiting if `policy` allows. False: not free.
    pub(crate) fn acquire(
        &self,
        who: &Waiting<'_>,
        tag: &LockTag,
        mode: LockMode,
        policy: WaitPolicy,
    ) -> Result<bool> {
        let strong = LockManager::is_strong(tag, mode);
        if strong {
            self.stripe(tag).fetch_add(1, Ordering::SeqCst);
            self.collect_fast(tag);
        }
        let outcome = self.acquire_in_table(who, tag, mode, policy);
        if strong && !matches!(outcome, Ok(true)) {
            self.stripe(tag).fetch_sub(1, Ordering::SeqCst);
        }
        if matches!(tag, LockTag::Row { .. }) && matches!(outcome, Ok(true)) {
            self.row_locks.fetch_add(1, Ordering::SeqCst);
        }
        outcome
    }

    fn acquire_in_table(
        &self,
        who: &Waiting<'_>,
        tag: &LockTag,
        mode: LockMode,
        policy: WaitPolicy,
    ) -> Result<bool> {
        let mut shard = self.shard(tag).lock();
        let entry = shard.entry(*tag).or_default();
        // In line behind everyone it conflicts with, but before those who wait for what the owner holds already:
        // behind them it would wait for itself.
        let mine = entry.holders.iter().find(|h| h.owner == who.owner).map_or(0, |h| h.modes);
        let place = match mine {
            0 => entry.queue.len(),
            _ => {
                (entry.queue.iter().position(|w| w.mode.conflicts() & mine != 0)).unwrap_or(entry.queue.len())
            }
        };
        // Waiters for a row stand in another line (`heap`): here they hold nobody up.
        let ahead = if tag.is_row_share() { 0 } else { place };
        let ahead = entry.queue.iter().take(ahead).fold(0, |bits, w| bits | w.mode.bit());
        if mode.conflicts() & (entry.held_by_others(who.owner) | ahead) == 0 {
            entry.add(who.owner, who.pid, mode);
            return Ok(true);
        }
        if policy != WaitPolicy::Block {
            return Ok(false);
        }
        // Whoever waits for what the owner holds, and holds what the owner wants: a deadlock at first sight.
        if let Some(other) = entry.queue.get(place).filter(|_| !tag.is_row_share()) {
            let theirs = entry.holders.iter().find(|h| h.owner == other.owner).map_or(0, |h| h.modes);
            if other.mode.conflicts() & mine != 0 && mode.conflicts() & theirs != 0 {
                let other = other.clone();
                drop(shard);
                return Err(simple_deadlock(who, *tag, mode, &other));
            }
        }
        let waiter = Waiter::new(who, mode);
        entry.queue.insert(place, waiter.clone());
        drop(shard);
        self.wait(who, tag, &waiter).map(|()| true)
    }

    /// Releases one lock in the table.
    pub(crate) fn release(&self, owner: OwnerId, tag: &LockTag, mode: LockMode) -> bool {
        let mut shard = self.shard(tag).lock();
        let Some(entry) = shard.get_mut(tag) else { return false };
        let released = entry.remove(owner, mode);
        let mut carried = Vec::new();
        if released && !entry.carried.is_empty() {
            entry.carried.retain(|(o, m, to)| {
                let hit = *o == owner && *m == mode;
                if hit {
                    carried.push(*to);
                }
                !hit
            });
        }
        entry.promote();
        if entry.holders.is_empty() && entry.queue.is_empty() {
            shard.remove(tag);
        }
        drop(shard);
        if released {
            if LockManager::is_strong(tag, mode) {
                self.stripe(tag).fetch_sub(1, Ordering::SeqCst);
            }
            if matches!(tag, LockTag::Row { .. }) {
                self.row_locks.fetch_sub(1, Ordering::SeqCst);
            }
        }
        for to in carried {
            self.release(owner, &to, mode);
        }
        released
    }

    /// Everyone who holds row `from` also holds row `to`, as long: a new version inherits the old one's share locks.
    /// The caller holds the old version's page latch, so that nobody can be looking at the new one yet.
    ///
    /// Returns prepared transactions among them, whose sharing must get to the log.
    #[must_use]
    pub fn carry_row_locks(&self, rel: RelId, from: Tid, to: Tid) -> Vec<(Xid, LockMode)> {
        if !self.has_row_locks() || from == to {
            return Vec::new();
        }
        let (from, to) = (LockTag::Row { rel, tid: from }, LockTag::Row { rel, tid: to });
        let (a, b) = (self.shard_index(&from), self.shard_index(&to));
        // Both shards at once: a release in between would miss what is being added.
        let mut low = self.shards[a.min(b)].lock();
        let mut high = (a != b).then(|| self.shards[a.max(b)].lock());
        let mut carried = Vec::new();
        {
            let table: &mut Table = if a <= b { &mut low } else { high.as_mut().expect("two shards") };
            let Some(entry) = table.get_mut(&from) else { return Vec::new() };
            for holder in &entry.holders {
                for mode in LockMode::ALL.into_iter().filter(|m| holder.modes & m.bit() != 0) {
                    for _ in 0..holder.counts[mode as usize] {
                        carried.push((holder.owner, holder.pid, mode));
                    }
                }
            }
            entry.carried.extend(carried.iter().map(|(owner, _, mode)| (*owner, *mode, to)));
        }
        let table: &mut Table = match &mut high {
            Some(high) if a < b => high,
            _ => &mut low,
        };
        let entry = table.entry(to).or_default();
        self.row_locks.fetch_add(carried.len(), Ordering::SeqCst);
        for (owner, pid, mode) in &carried {
            entry.add(*owner, *pid, *mode);
        }
        self.prepared_among(carried.iter().map(|(owner, _, mode)| (*owner, *mode)))
    }

    /// Waits until `xid` has ended. False if it runs and `policy` says not to wait.
    pub(crate) fn wait_for_xid(
        &self,
        txns: &TxnManager,
        who: &Waiting<'_>,
        xid: Xid,
        policy: WaitPolicy,
    ) -> Result<bool> {
        if !txns.is_running(xid) {
            return Ok(true);
        }
        if policy != WaitPolicy::Block {
            return Ok(false);
        }
        // Counted before the status is looked at again; `xid_ended` looks at the count after the status is set.
        self.xid_waiters.fetch_add(1, Ordering::SeqCst);
        let outcome = self.wait_for_xid_counted(txns, who, xid);
        self.xid_waiters.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    fn wait_for_xid_counted(&self, txns: &TxnManager, who: &Waiting<'_>, xid: Xid) -> Result<bool> {
        let tag = LockTag::Xid(xid);
        let waiter = Waiter::new(who, LockMode::Share);
        let mut shard = self.shard(&tag).lock();
        if !txns.is_running(xid) {
            return Ok(true);
        }
        shard.entry(tag).or_default().queue.push_back(waiter.clone());
        drop(shard);
        self.wait(who, &tag, &waiter).map(|()| true)
    }

    /// Transactions of others than `owner` that hold a lock on `tag` which conflicts with `mode`. Not those that take one from now on.
    pub(crate) fn holders_in_conflict(
        &self,
        txns: &TxnManager,
        tag: &LockTag,
        mode: LockMode,
        owner: OwnerId,
    ) -> Vec<VirtualId> {
        // Who runs is noted first: a transaction that an owner begins afterwards took its lock afterwards.
        let mut running = Vec::new();
        txns.running.for_each_named(|id, slot| running.push((id, slot.owner.load(Ordering::Acquire))));
        self.collect_fast(tag);
        let shard = self.shard(tag).lock();
        let Some(entry) = shard.get(tag) else { return Vec::new() };
        let conflicts = |h: &&Holder| h.owner != owner && h.modes & mode.conflicts() != 0;
        let owners: Vec<u64> = entry.holders.iter().filter(conflicts).map(|h| h.owner.0).collect();
        drop(shard);
        running.into_iter().filter(|(_, owner)| owners.contains(owner)).map(|(id, _)| id).collect()
    }

    /// Waits until a transaction has ended.
    pub(crate) fn wait_for_virtual(&self, txns: &TxnManager, who: &Waiting<'_>, id: VirtualId) -> Result<()> {
        // As for ids (L5).
        self.virtual_waiters.fetch_add(1, Ordering::SeqCst);
        let tag = LockTag::Virtual(id);
        let waiter = Waiter::new(who, LockMode::Share);
        let mut shard = self.shard(&tag).lock();
        let outcome = if txns.running.is_active(id) {
            shard.entry(tag).or_default().queue.push_back(waiter.clone());
            drop(shard);
            self.wait(who, &tag, &waiter)
        } else {
            drop(shard);
            Ok(())
        };
        self.virtual_waiters.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    /// Wakes everyone who waits for a transaction that has left its slot.
    #[inline]
    pub(crate) fn virtual_ended(&self, id: VirtualId) {
        if self.virtual_waiters.load(Ordering::SeqCst) > 0 {
            let tag = LockTag::Virtual(id);
            let entry = self.shard(&tag).lock().remove(&tag);
            for waiter in entry.into_iter().flat_map(|e| e.queue) {
                waiter.grant();
            }
        }
    }

    /// Wakes everyone who waits for `xid`, whose status is set.
    #[inline]
    pub(crate) fn xid_ended(&self, xid: Xid) {
        fence(Ordering::SeqCst);
        if self.xid_waiters.load(Ordering::SeqCst) > 0 {
            let tag = LockTag::Xid(xid);
            let entry = self.shard(&tag).lock().remove(&tag);
            for waiter in entry.into_iter().flat_map(|e| e.queue) {
                waiter.grant();
            }
        }
    }

    /// Whether anyone holds a [`LockTag::Row`] lock at all.
    #[inline]
    pub fn has_row_locks(&self) -> bool {
        self.row_locks.load(Ordering::SeqCst) > 0
    }

    /// Owners of a lock with their modes.
    pub fn holders(&self, tag: LockTag) -> Vec<(OwnerId, Vec<LockMode>)> {
        let shard = self.shard(&tag).lock();
        let Some(entry) = shard.get(&tag) else { return Vec::new() };
        let modes = |h: &Holder| LockMode::ALL.into_iter().filter(|m| h.modes & m.bit() != 0).collect();
        entry.holders.iter().map(|h| (h.owner, modes(h))).collect()
    }

    /// Whether `mode` on `tag` would conflict with a lock of someone other than `owner`.
    pub fn conflicts(&self, tag: LockTag, mode: LockMode, owner: OwnerId) -> bool {
        let shard = self.shard(&tag).lock();
        shard.get(&tag).is_some_and(|entry| entry.held_by_others(owner) & mode.conflicts() != 0)
    }

    /// Whether someone other than `txn` holds a lock that conflicts with `mode` on `tag`.
    pub fn conflicts_with_others(&self, txn: &Transaction, tag: LockTag, mode: LockMode) -> bool {
        self.conflicts(tag, mode, txn.owner())
    }

    /// Everything held and waited for, for pg_locks.
    pub fn list(&self) -> Vec<LockInfo> {
        let mut list = Vec::new();
        for shard in &self.shards {
            for (tag, entry) in shard.lock().iter() {
                for holder in &entry.holders {
                    for mode in LockMode::ALL.into_iter().filter(|m| holder.modes & m.bit() != 0) {
                        let (owner, pid) = (holder.owner, holder.pid);
                        list.push(LockInfo {
                            tag: *tag,
                            owner,
                            pid,
                            mode,
                            granted: true,
                            fast_path: false,
                            waited: None,
                        });
                    }
                }
                for waiter in &entry.queue {
                    let (owner, pid, mode) = (waiter.owner, waiter.pid, waiter.mode);
                    let waited = Some(waiter.since.elapsed());
                    list.push(LockInfo {
                        tag: *tag,
                        owner,
                        pid,
                        mode,
                        granted: false,
                        fast_path: false,
                        waited,
                    });
                }
            }
        }
        if let Some(txns) = self.txns.get().and_then(Weak::upgrade) {
            txns.running.for_each(|slot| {
                let owner = OwnerId(slot.owner.load(Ordering::Acquire));
                let pid = slot.pid.load(Ordering::Acquire);
                for (tag, modes) in slot.fast.lock().each() {
                    for mode in LockMode::ALL.into_iter().filter(|m| modes & m.bit() != 0) {
                        list.push(LockInfo {
                            tag,
                            owner,
                            pid,
                            mode,
                            granted: true,
                            fast_path: true,
                            waited: None,
                        });
                    }
                }
            });
        }
        list.sort_by_key(|l| (l.owner, l.tag, l.mode));
        list
    }

    /// Names a row lock for a tuple.
    pub fn row_tag(rel: RelId, tid: Tid) -> LockTag {
        LockTag::Row { rel, tid }
    }
}

/// Locks that outlive transactions: session-level advisory locks. Dropping it releases them all.
pub struct SessionLocks {
    manager: Arc<LockManager>,
    owner: OwnerId,
    pid: i32,
    held: Mutex<HashMap<(LockTag, LockMode), u32>>,
}

impl SessionLocks {
    /// The identity to begin the session's transactions with.
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// Takes a lock once more. False: not free and `policy` says not to wait.
    pub fn lock(
        &self,
        tag: LockTag,
        mode: LockMode,
        policy: WaitPolicy,
        wait: &WaitOptions<'_>,
    ) -> Result<bool> {
        let WaitOptions { cancel, lock_timeout, deadlock_timeout, observer } = *wait;
        let (owner, pid) = (self.owner, self.pid);
        let who = Waiting {
            owner,
            pid,
            cancel,
            lock_timeout,
            deadlock_timeout,
            observer,
            row: None,
            position: None,
        };
        let taken = self.manager.acquire(&who, &tag, mode, policy)?;
        if taken {
            *self.held.lock().entry((tag, mode)).or_default() += 1;
        }
        Ok(taken)
    }

    /// Releases it once; false if the session didn't hold it.
    pub fn unlock(&self, tag: LockTag, mode: LockMode) -> bool {
        let mut held = self.held.lock();
        let Some(count) = held.get_mut(&(tag, mode)) else { return false };
        *count -= 1;
        if *count == 0 {
            held.remove(&(tag, mode));
        }
        drop(held);
        self.manager.release(self.owner, &tag, mode)
    }

    /// Whether the session holds it in any mode.
    pub fn holds(&self, tag: &LockTag) -> bool {
        self.held.lock().keys().any(|(held, _)| held == tag)
    }

    /// Releases everything.
    pub fn unlock_all(&self) {
        let held = std::mem::take(&mut *self.held.lock());
        for ((tag, mode), count) in held {
            for _ in 0..count {
                self.manager.release(self.owner, &tag, mode);
            }
        }
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
    }
}
