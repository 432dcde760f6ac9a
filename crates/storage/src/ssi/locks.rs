//! The table of SIREAD locks: who has read what. Nobody ever waits for one.
//!
//! A transaction's own list (`Xact::held`) says what it holds, at which granularity; the table finds holders by target. Many locks on one
//! page become one on the page, many on one relation one on the relation.

use super::target::Target;
use super::xact::{Held, PageHeld, RelHeld, Xact};
use crate::ids::RelId;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{BlockNo, Lsn, Tid};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

const SHARDS: usize = 64;

#[derive(Default)]
struct Entry {
    holders: Vec<Arc<Xact>>,
    /// The latest end of the summarised transactions that hold it too; 0: none.
    old: Lsn,
}

type Table = HashMap<Target, Entry, FixedState>;

/// How many locks there may be. Names follow PostgreSQL's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max_pred_locks_per_transaction`, times `transactions` what the table should hold at most.
    pub per_transaction: usize,
    /// Transactions that run at a time (`max_connections`).
    pub transactions: usize,
    /// `max_pred_locks_per_relation`: pages and rows locked of one relation before it is locked as a whole; -n: n-th part of
    /// `per_transaction`.
    pub per_relation: i64,
    /// `max_pred_locks_per_page`: rows locked on one page before it is locked as a whole.
    pub per_page: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { per_transaction: 64, transactions: 100, per_relation: -2, per_page: 2 }
    }
}

impl Limits {
    fn relation_max(&self) -> usize {
        match usize::try_from(self.per_relation) {
            Ok(n) => n,
            Err(_) => {
                let part = usize::try_from(self.per_relation.unsigned_abs()).unwrap_or(usize::MAX);
                (self.per_transaction / part).saturating_sub(1)
            }
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.per_transaction.saturating_mul(self.transactions)
    }
}

/// See the module.
pub(super) struct LockTable {
    shards: Box<[Mutex<Table>]>,
    hasher: FixedState,
    /// Locks held, by transactions and by the summary. While it is 0 no write looks into the table.
    count: AtomicUsize,
    /// The summary's part of them, where it isn't on relations.
    old_fine: AtomicUsize,
    /// Prepared transactions of an earlier run: what they have read is not known, so it is everything.
    everything: Mutex<Vec<Arc<Xact>>>,
    has_everything: AtomicBool,
    relation_max: AtomicUsize,
    page_max: AtomicUsize,
    capacity: AtomicI64,
}

/// Who has read what is about to be written.
#[derive(Default)]
pub(super) struct Readers {
    pub xacts: Vec<Arc<Xact>>,
    /// The latest end of summarised readers; 0: none.
    pub old: Lsn,
    /// Whether the writer itself has the last target.
    pub own: bool,
}

impl LockTable {
    pub fn new(limits: Limits) -> LockTable {
        let table = LockTable {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: FixedState::default(),
            count: AtomicUsize::new(0),
            old_fine: AtomicUsize::new(0),
            everything: Mutex::default(),
            has_everything: AtomicBool::new(false),
            relation_max: AtomicUsize::new(0),
            page_max: AtomicUsize::new(0),
            capacity: AtomicI64::new(0),
        };
        table.set_limits(limits);
        table
    }

    pub fn set_limits(&self, limits: Limits) {
        self.relation_max.store(limits.relation_max(), Ordering::Relaxed);
        self.page_max.store(limits.per_page, Ordering::Relaxed);
        let capacity = i64::try_from(limits.capacity()).unwrap_or(i64::MAX);
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Whether there is no lock at all. Pairs with the latch of the page concerned: whoever has locked it did so under that latch.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Whether someone counts as having read everything.
    pub fn has_everything(&self) -> bool {
        self.has_everything.load(Ordering::Acquire)
    }

    /// `x` counts as having read everything.
    pub fn lock_everything(&self, x: &Arc<Xact>) {
        self.everything.lock().push(x.clone());
        self.has_everything.store(true, Ordering::Release);
    }

    /// Those for which that is over.
    pub fn unlock_everything(&self, is_over: impl Fn(&Xact) -> bool) {
        let mut all = self.everything.lock();
        all.retain(|x| !is_over(x));
        self.has_everything.store(!all.is_empty(), Ordering::Release);
    }

    /// Adds those who have read everything, other than `x`.
    pub fn readers_of_everything(&self, x: &Xact, found: &mut Readers) {
        found.xacts.extend(self.everything.lock().iter().filter(|r| r.id != x.id).cloned());
    }

    /// Whether the table holds more than it should.
    pub fn is_full(&self) -> bool {
        let count = i64::try_from(self.count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        count >= self.capacity.load(Ordering::Relaxed)
    }

    fn shard(&self, target: &Target) -> &Mutex<Table> {
        &self.shards[self.hasher.hash_one(target.shard_key()) as usize % SHARDS]
    }

    fn enter(&self, x: &Arc<Xact>, target: Target) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.shard(&target).lock().entry(target).or_default().holders.push(x.clone());
    }

    fn leave(&self, x: &Xact, target: &Target) {
        let mut shard = self.shard(target).lock();
        let Some(entry) = shard.get_mut(target) else { return };
        let Some(at) = entry.holders.iter().position(|h| h.id == x.id) else { return };
        entry.holders.swap_remove(at);
        if entry.holders.is_empty() && entry.old.0 == 0 {
            shard.remove(target);
        }
        drop(shard);
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    // ---- taking ----

    /// Locks a relation as a whole.
    pub fn lock_relation(&self, x: &Arc<Xact>, rel: RelId) {
        let mut held = x.held.lock();
        if !held.closed {
            self.lock_whole(x, rel, held.rels.entry(rel).or_default());
        }
    }

    fn lock_whole(&self, x: &Arc<Xact>, rel: RelId, r: &mut RelHeld) {
        if r.whole {
            return;
        }
        // The coarse lock is in before the fine ones go.
        self.enter(x, Target::relation(rel));
        let fine = r.targets(rel);
        *r = RelHeld { whole: true, ..RelHeld::default() };
        for target in fine {
            self.leave(x, &target);
        }
    }

    /// Locks a page.
    pub fn lock_page(&self, x: &Arc<Xact>, rel: RelId, block: BlockNo) {
        let mut held = x.held.lock();
        if !held.closed {
            self.lock_page_in(x, &mut held, rel, block);
        }
    }

    fn lock_page_in(&self, x: &Arc<Xact>, held: &mut Held, rel: RelId, block: BlockNo) {
        let r = held.rels.entry(rel).or_default();
        if r.whole || r.pages.get(&block).is_some_and(|p| p.whole) {
            return;
        }
        if self.is_too_many(r) {
            return self.lock_whole(x, rel, r);
        }
        self.lock_page_of(x, rel, r, block);
    }

    fn lock_page_of(&self, x: &Arc<Xact>, rel: RelId, r: &mut RelHeld, block: BlockNo) {
        self.enter(x, Target::page(rel, block));
        let fine = match r.pages.insert(block, PageHeld { whole: true, slots: Vec::new() }) {
            Some(page) => page.slots,
            None => Vec::new(),
        };
        r.count = r.count + 1 - fine.len();
        for slot in fine {
            self.leave(x, &Target::tuple(rel, Tid { block, slot }));
        }
    }

    /// Whether one more page or row of a relation is too many.
    fn is_too_many(&self, r: &RelHeld) -> bool {
        r.count >= self.relation_max.load(Ordering::Relaxed) || self.is_full()
    }

    /// Locks a row version.
    pub fn lock_tuple(&self, x: &Arc<Xact>, rel: RelId, tid: Tid) {
        let mut held = x.held.lock();
        if held.closed {
            return;
        }
        let r = held.rels.entry(rel).or_default();
        if r.whole {
            return;
        }
        let page = r.pages.get(&tid.block);
        if page.is_some_and(|p| p.whole || p.slots.binary_search(&tid.slot).is_ok()) {
            return;
        }
        if self.is_too_many(r) {
            return self.lock_whole(x, rel, r);
        }
        if page.map_or(0, |p| p.slots.len()) >= self.page_max.load(Ordering::Relaxed) {
            return self.lock_page_of(x, rel, r, tid.block);
        }
        self.enter(x, Target::tuple(rel, tid));
        let slots = &mut r.pages.entry(tid.block).or_default().slots;
        if let Err(at) = slots.binary_search(&tid.slot) {
            slots.insert(at, tid.slot);
        }
        r.count += 1;
    }

    /// Gives up the lock on a row version: its holder has written it.
    pub fn unlock_tuple(&self, x: &Arc<Xact>, rel: RelId, tid: Tid) {
        let mut held = x.held.lock();
        let Some(r) = held.rels.get_mut(&rel) else { return };
        let Some(page) = r.pages.get_mut(&tid.block) else { return };
        let Ok(at) = page.slots.binary_search(&tid.slot) else { return };
        page.slots.remove(at);
        if page.slots.is_empty() && !page.whole {
            r.pages.remove(&tid.block);
        }
        r.count -= 1;
        self.leave(x, &Target::tuple(rel, tid));
    }

    // ---- looking ----

    /// Adds the holders of a target, other than `x`.
    pub fn readers(&self, x: &Xact, target: &Target, found: &mut Readers) {
        let shard = self.shard(target).lock();
        found.own = false;
        let Some(entry) = shard.get(target) else { return };
        found.old = found.old.max(entry.old);
        for holder in &entry.holders {
            if holder.id == x.id {
                found.own = true;
            } else if !found.xacts.iter().any(|f| f.id == holder.id) {
                found.xacts.push(holder.clone());
            }
        }
    }

    /// Whoever holds a target, and the summary's part.
    fn holders(&self, target: &Target) -> (Vec<Arc<Xact>>, Lsn) {
        match self.shard(target).lock().get(target) {
            Some(entry) => (entry.holders.clone(), entry.old),
            None => (Vec::new(), Lsn(0)),
        }
    }

    // ---- following pages ----

    /// Whoever holds page `from` of an index holds page `to` as well. The caller has both latched exclusively, so nobody locks `from`
    /// meanwhile; with `moved`, `from` is no page any more.
    pub fn copy_page(&self, rel: RelId, from: BlockNo, to: BlockNo, moved: bool) {
        let source = Target::page(rel, from);
        let (holders, old) = self.holders(&source);
        for x in holders {
            let mut held = x.held.lock();
            if let Some(end) = x.summary_end() {
                self.enter_old(Target::page(rel, to), end);
                continue;
            }
            let holds = |h: &Held| h.rels.get(&rel).is_some_and(|r| r.pages.contains_key(&from));
            if held.closed || !holds(&held) {
                // Ended; or the relation as a whole is locked by now.
                continue;
            }
            self.lock_page_in(&x, &mut held, rel, to);
            if moved
                && let Some(r) = held.rels.get_mut(&rel)
                && r.pages.remove(&from).is_some()
            {
                r.count -= 1;
                self.leave(&x, &source);
            }
        }
        if old.0 != 0 {
            self.enter_old(Target::page(rel, to), old);
        }
    }

    /// If `x` has any lock on `from`, it locks `to` as a whole.
    pub fn copy_to_relation(&self, x: &Arc<Xact>, from: RelId, to: RelId) {
        let mut held = x.held.lock();
        if !held.closed && held.rels.contains_key(&from) {
            self.lock_whole(x, to, held.rels.entry(to).or_default());
        }
    }

    // ---- the summary ----

    /// Adds a summarised transaction's lock.
    pub fn enter_old(&self, target: Target, end: Lsn) {
        let mut shard = self.shard(&target).lock();
        let entry = shard.entry(target).or_default();
        let new = entry.old.0 == 0;
        entry.old = entry.old.max(end);
        if new {
            self.count.fetch_add(1, Ordering::SeqCst);
            self.old_fine.fetch_add(usize::from(target.block().is_some()), Ordering::Relaxed);
        }
    }

    /// Removes the summary's part of all locks that ended at or before `horizon`.
    pub fn clear_old(&self, horizon: Lsn) {
        for shard in &self.shards {
            let (mut gone, mut fine) = (0, 0);
            shard.lock().retain(|target, entry| {
                if entry.old.0 != 0 && entry.old <= horizon {
                    entry.old = Lsn(0);
                    gone += 1;
                    fine += usize::from(target.block().is_some());
                }
                entry.old.0 != 0 || !entry.holders.is_empty()
            });
            self.count.fetch_sub(gone, Ordering::SeqCst);
            self.old_fine.fetch_sub(fine, Ordering::Relaxed);
        }
    }

    /// Makes every lock of the summary one on its relation if the others take much of the table.
    pub fn coarsen_old(&self) {
        let fine = i64::try_from(self.old_fine.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        if fine <= self.capacity.load(Ordering::Relaxed) / 4 {
            return;
        }
        let mut rels: HashMap<RelId, Lsn> = HashMap::new();
        for target in self.old_targets() {
            let latest = rels.entry(target.0.rel).or_default();
            *latest = target.1.max(*latest);
        }
        for (rel, end) in rels {
            self.enter_old(Target::relation(rel), end);
        }
        for shard in &self.shards {
            let mut gone = 0;
            shard.lock().retain(|target, entry| {
                if entry.old.0 != 0 && target.block().is_some() {
                    entry.old = Lsn(0);
                    gone += 1;
                }
                entry.old.0 != 0 || !entry.holders.is_empty()
            });
            self.count.fetch_sub(gone, Ordering::SeqCst);
            self.old_fine.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    /// The summary's locks.
    pub fn old_targets(&self) -> Vec<(Target, Lsn)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            all.extend(shard.iter().filter(|(_, e)| e.old.0 != 0).map(|(t, e)| (*t, e.old)));
        }
        all
    }

    /// The locks of `x`, which has ended, become the summary's. The caller has said so in `x` already.
    pub fn summarise(&self, x: &Xact, end: Lsn) {
        let mut held = x.held.lock();
        held.closed = true;
        for target in std::mem::take(&mut held.rels).iter().flat_map(|(rel, r)| r.targets(*rel)) {
            self.enter_old(target, end);
            self.leave(x, &target);
        }
    }

    /// Releases all locks of `x`; it takes no more.
    pub fn release(&self, x: &Xact) {
        let mut held = x.held.lock();
        held.closed = true;
        for target in std::mem::take(&mut held.rels).iter().flat_map(|(rel, r)| r.targets(*rel)) {
            self.leave(x, &target);
        }
    }
}
