//! Serializable snapshot isolation: SERIALIZABLE transactions run under snapshots, and one is cancelled (40001) where what they read and wrote could
//! fit no serial order. `README.md` here has the protocol, the numbered rules, and why nothing is missed.
//!
//! Reads leave SIREAD locks ([`locks`]); a write that meets one, or a read that passes over a concurrent write, adds an edge to the graph
//! ([`conflicts`]). After Cahill, Röhm and Fekete (2008), and Ports and Grittner (2012: read-only optimisations, summaries). PostgreSQL's
//! predicate.c does the same; differences: order is that of CSNs, the summary keeps CSNs too, and a full table is no error.
//!
//! # Locking
//! Page latches → the graph's mutex → a transaction's `held` → a shard of the lock table. The graph's mutex is taken when a serializable
//! transaction begins, ends, or meets a concurrent one's work; never for a read or write that meets nobody, nor at lower isolation levels.

mod conflicts;
mod errors;
mod locks;
mod safe_snapshots;
mod target;
mod xact;

#[cfg(test)]
mod tests;

pub use locks::Limits;
pub use target::Target;
pub use xact::Xact;

use crate::ids::RelId;
use crate::lock::VirtualId;
use crate::txn::TxnManager;
use crate::wal::Wal;
use conflicts::{Graph, State};
use errors::{Reason, failure};
use hashbrown::HashMap;
use locks::{LockTable, Readers};
use parking_lot::Mutex;
use quarry_common::{BlockNo, Error, Lsn, Oid, Result, Tid, Xid, wait};
use safe_snapshots::Safety;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

type Writers = HashMap<Xid, Arc<Xact>>;

const WRITER_SHARDS: usize = 16;
/// How often a DEFERRABLE transaction that waits looks at its cancel flag.
const CANCEL_POLL: Duration = Duration::from_millis(20);
/// Committed transactions kept in full, per transaction that may run (as PostgreSQL).
const FINISHED_PER_TRANSACTION: usize = 10;
const FINISHED_MAX: usize = 1 << 14;

fn finished_max(limits: &Limits) -> usize {
    limits.transactions.saturating_mul(FINISHED_PER_TRANSACTION).min(FINISHED_MAX)
}

/// Everything about serializable transactions. See the module.
pub struct Ssi {
    wal: Arc<Wal>,
    txns: Arc<TxnManager>,
    locks: LockTable,
    graph: Mutex<Graph>,
    /// Who writes under an id, top-level or not.
    writers: Box<[Mutex<Writers>]>,
    /// Whether the summary has writers.
    has_old: AtomicBool,
    finished_max: AtomicUsize,
    /// Whether any transaction has ever been serializable.
    used: AtomicBool,
    limits: Mutex<Limits>,
}

/// A transaction that begins.
pub struct Beginner<'a> {
    pub read_only: bool,
    pub deferrable: bool,
    /// The snapshot is that of another serializable transaction which is still running.
    pub imported: bool,
    /// Where all that it reads and writes is, but for shared catalogs; 0: anywhere.
    pub database: Oid,
    pub pid: i32,
    pub name: VirtualId,
    /// Ids it has already.
    pub xids: Vec<Xid>,
    pub cancel: &'a AtomicBool,
}

/// A row of pg_locks.
#[derive(Clone, Debug)]
pub struct SireadLock {
    pub target: Target,
    pub pid: i32,
    /// None: it is one of many that have ended, or was prepared before the server's start.
    pub name: Option<VirtualId>,
}

impl Ssi {
    pub(crate) fn new(wal: Arc<Wal>, txns: Arc<TxnManager>) -> Ssi {
        let limits = Limits::default();
        Ssi {
            wal,
            txns,
            locks: LockTable::new(limits),
            graph: Mutex::default(),
            writers: (0..WRITER_SHARDS).map(|_| Mutex::default()).collect(),
            has_old: AtomicBool::new(false),
            finished_max: AtomicUsize::new(finished_max(&limits)),
            used: AtomicBool::new(false),
            limits: Mutex::new(limits),
        }
    }

    /// How many locks there may be.
    pub fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock() = limits;
        self.locks.set_limits(limits);
        self.finished_max.store(finished_max(&limits), Ordering::Relaxed);
    }

    fn writers_of(&self, xid: Xid) -> &Mutex<Writers> {
        &self.writers[xid.0 as usize % WRITER_SHARDS]
    }

    // ---- beginning ----

    /// Takes a transaction's one snapshot with `take` and makes it known. No transaction: the snapshot is safe and needs none. DEFERRABLE
    /// READ ONLY transactions wait for a safe one; only they can fail (57014).
    pub(crate) fn begin(
        &self,
        who: &Beginner<'_>,
        take: &dyn Fn() -> Lsn,
    ) -> Result<(Lsn, Option<Arc<Xact>>)> {
        loop {
            let (snapshot, xact) = self.enter(who, take);
            let Some(xact) = xact else { return Ok((snapshot, None)) };
            if !(who.read_only && who.deferrable) {
                return Ok((snapshot, Some(xact)));
            }
            let known = wait::blocking(|| {
                while !xact.wait_settled(CANCEL_POLL) {
                    if who.cancel.load(Ordering::Acquire) {
                        return Err(Error::cancelled());
                    }
                }
                Ok(())
            });
            if let Err(e) = known {
                self.aborted(&xact);
                return Err(e);
            }
            if xact.is_safe() {
                return Ok((snapshot, None));
            }
            self.aborted(&xact);
            // What spoilt it may not be durable yet; the next snapshot is to be a later one.
            let _ = self.wal.flush_to(self.wal.inserted());
        }
    }

    fn enter(&self, who: &Beginner<'_>, take: &dyn Fn() -> Lsn) -> (Lsn, Option<Arc<Xact>>) {
        let mut graph = self.graph.lock();
        // Before the snapshot: who finds that in its slot waits for the graph and finds its owner there.
        self.used.store(true, Ordering::SeqCst);
        let mut snapshot = take();
        if who.imported && !graph.is_in_use(snapshot) {
            // Only safe ones aren't known here.
            return (snapshot, None);
        }
        while snapshot < graph.last_snapshot && !who.imported {
            // A session that doesn't wait for durability (or one that followed another's commit) was ahead: rule S3.
            let ahead = graph.last_snapshot;
            drop(graph);
            let flushed = wait::blocking(|| self.wal.flush_to(ahead));
            graph = self.graph.lock();
            snapshot = take();
            if flushed.is_err() {
                // The storage is broken and will not commit anything.
                break;
            }
        }
        graph.last_snapshot = graph.last_snapshot.max(snapshot);
        let mut open = Vec::new();
        let mut bad = false;
        if who.read_only {
            match graph.judge_snapshot(&self.txns, snapshot) {
                Safety::Safe => return (snapshot, None),
                Safety::Unsafe => bad = true,
                Safety::Open(ids) => open = ids,
            }
        }
        let id = graph.new_id();
        let xact = Arc::new(
            Xact::new(id, snapshot, who.read_only, who.pid, Some(who.name)).in_database(who.database),
        );
        if who.read_only && who.deferrable {
            xact.defer();
        }
        graph.enter(xact.clone());
        if bad {
            xact.settle(false);
        } else {
            graph.watch(id, open);
        }
        if who.imported && !who.read_only {
            // Whoever waits to hear how the snapshot's owner ends waits for this one as well.
            graph.let_readers_watch(id);
        }
        let gone = self.clean_locked(&mut graph);
        drop(graph);
        self.release_all(&gone);
        for xid in &who.xids {
            self.note_xid(&xact, *xid);
        }
        (snapshot, Some(xact))
    }

    /// The transaction writes under `xid` from now on.
    pub(crate) fn note_xid(&self, x: &Arc<Xact>, xid: Xid) {
        x.note_xid(xid);
        self.writers_of(xid).lock().insert(xid, x.clone());
    }

    /// A prepared transaction of an earlier run, found by recovery under these ids (the top level's first). With whom it had conflicts is
    /// forgotten: it counts as leading to what is long committed, and as in conflict with the others of its kind. What it read is known
    /// as of its last record; pages of indexes may have been split since, so a page stands for its whole index. `reads`: none if even
    /// that can't be said.
    pub(crate) fn recovered(&self, xids: &[Xid], reads: Option<&[Target]>) -> Arc<Xact> {
        let mut graph = self.graph.lock();
        let id = graph.new_id();
        let xact = Arc::new(Xact::new(id, self.wal.visible().max(graph.last_snapshot), false, 0, None));
        xact.note_write();
        graph.enter_recovered(xact.clone());
        match reads {
            Some(reads) => reads.iter().for_each(|t| match (t.block(), t.slot()) {
                (Some(block), Some(slot)) => self.locks.lock_tuple(&xact, t.rel, Tid { block, slot }),
                _ => self.locks.lock_relation(&xact, t.rel),
            }),
            None => self.locks.lock_everything(&xact),
        }
        drop(graph);
        for xid in xids {
            self.note_xid(&xact, *xid);
        }
        xact
    }

    // ---- what others must keep ----

    /// The oldest snapshot of a transaction that isn't known to be safe and may read relations of `db`: of one that runs, or that may come and take
    /// `coming`. None as long as no transaction has been serializable.
    pub(crate) fn oldest_snapshot(&self, coming: Option<Lsn>, db: Oid) -> Option<Lsn> {
        if !self.used.load(Ordering::SeqCst) {
            return None;
        }
        let running = self.graph.lock().oldest_active(db);
        running.into_iter().chain(coming).min()
    }

    /// Whether a transaction with this id could be at the far end of a conflict: it is, or was, serializable, and is concurrent with one that runs.
    pub(crate) fn knows_writer(&self, xid: Xid) -> bool {
        self.writers_of(xid).lock().contains_key(&xid)
            || (self.has_old.load(Ordering::SeqCst) && self.graph.lock().old_writer(xid).is_some())
    }

    /// Whether every serializable transaction that isn't known to be safe sees a commit at `csn`, now and in future.
    pub(crate) fn is_shown_to_all(&self, csn: Lsn) -> bool {
        // Before the graph is asked: who comes to it afterwards takes a snapshot at or above.
        let coming = self.wal.visible();
        self.oldest_snapshot(Some(coming), Oid::INVALID).is_some_and(|oldest| csn <= oldest)
    }

    // ---- reading ----

    /// All of a relation is read.
    pub(crate) fn read_relation(&self, x: &Arc<Xact>, rel: RelId) {
        if !x.is_safe() {
            self.locks.lock_relation(x, rel);
        }
    }

    /// A page is read, with the gaps between its entries. The caller has it latched.
    pub(crate) fn read_page(&self, x: &Arc<Xact>, rel: RelId, block: BlockNo) {
        if !x.is_safe() {
            self.locks.lock_page(x, rel, block);
        }
    }

    /// A row version is read. The caller has its page latched.
    pub(crate) fn read_tuple(&self, x: &Arc<Xact>, rel: RelId, tid: Tid) {
        if !x.is_safe() {
            self.locks.lock_tuple(x, rel, tid);
        }
    }

    /// 40001 if the transaction has been cancelled by another; asked whenever rows are looked at.
    pub(crate) fn check_reader(&self, x: &Xact) -> Result<()> {
        if x.is_doomed() { Err(failure(Reason::DoomedReading)) } else { Ok(()) }
    }

    /// The reader passes over a change that `xid` has made, is committed or may commit, and is not in the reader's snapshot.
    pub(crate) fn conflict_out(&self, x: &Arc<Xact>, xid: Xid) -> Result<()> {
        if x.is_last_out(xid) || x.is_safe() {
            return Ok(());
        }
        let writer = self.writers_of(xid).lock().get(&xid).cloned();
        match writer {
            Some(w) if w.id == x.id || w.is_doomed() => return Ok(()),
            Some(w) => {
                let mut graph = self.graph.lock();
                if !graph.nodes.contains_key(&w.id) {
                    self.conflict_out_old(&mut graph, x, xid)?;
                } else if !graph.has_edge(x.id, w.id) {
                    graph.add_edge(&self.txns, x.id, w.id, x.id)?;
                }
            }
            None if self.has_old.load(Ordering::SeqCst) => {
                self.conflict_out_old(&mut self.graph.lock(), x, xid)?;
            }
            // Not serializable.
            None => {}
        }
        x.set_last_out(xid);
        Ok(())
    }

    fn conflict_out_old(&self, graph: &mut Graph, x: &Xact, xid: Xid) -> Result<()> {
        match graph.old_writer(xid) {
            Some(old) => graph.add_old_writer(&self.txns, x.id, xid, old),
            None => Ok(()),
        }
    }

    // ---- writing ----

    /// The writer is about to change `at` and what contains it (finest last); the page is latched exclusively until the change is made.
    /// `own`: the writer's lock on the last target is not needed any more once it has written it.
    pub(crate) fn check_write(&self, x: &Arc<Xact>, at: &[Target], own: bool) -> Result<()> {
        if x.is_doomed() {
            return Err(failure(Reason::DoomedWriting));
        }
        x.note_write();
        let everything = self.locks.has_everything();
        if self.locks.is_empty() && !everything {
            return Ok(());
        }
        let mut found = Readers::default();
        if everything {
            self.locks.readers_of_everything(x, &mut found);
        }
        for target in at {
            self.locks.readers(x, target, &mut found);
        }
        if own
            && found.own
            && let Some(target) = at.last()
            && let (Some(block), Some(slot)) = (target.block(), target.slot())
        {
            self.locks.unlock_tuple(x, target.rel, Tid { block, slot });
        }
        self.conflict_in(x, found)
    }

    /// Every reader of any part of a relation conflicts with the writer: it is emptied or removed.
    pub(crate) fn check_write_all(&self, x: &Arc<Xact>, rel: RelId) -> Result<()> {
        if x.is_doomed() {
            return Err(failure(Reason::DoomedWriting));
        }
        x.note_write();
        let graph = self.graph.lock();
        let mut found = Readers::default();
        self.locks.readers_of_everything(x, &mut found);
        for node in graph.nodes.values().filter(|n| n.xact.id != x.id) {
            if node.xact.held.lock().rels.contains_key(&rel) {
                found.xacts.push(node.xact.clone());
            }
        }
        let old = self.locks.old_targets().into_iter().filter(|(t, _)| t.rel == rel);
        found.old = old.map(|(_, end)| end).max().unwrap_or(Lsn(0));
        drop(graph);
        self.conflict_in(x, found)
    }

    fn conflict_in(&self, x: &Arc<Xact>, found: Readers) -> Result<()> {
        let Readers { xacts, mut old, .. } = found;
        if xacts.is_empty() && old <= x.snapshot {
            return Ok(());
        }
        let mut graph = self.graph.lock();
        for r in xacts {
            let Some(node) = graph.nodes.get(&r.id) else {
                old = old.max(r.summary_end().unwrap_or(Lsn(0)));
                continue;
            };
            // Cancelled; or it ended before this transaction's snapshot.
            let ended = |n: &conflicts::Node| n.state == State::Committed && graph.end(n) <= x.snapshot;
            if r.is_doomed() || ended(node) || graph.has_edge(r.id, x.id) {
                continue;
            }
            graph.add_edge(&self.txns, r.id, x.id, x.id)?;
        }
        if old > x.snapshot {
            graph.add_old_reader(&self.txns, x.id, old)?;
        }
        Ok(())
    }

    // ---- pages that change their place ----

    /// Part of index page `from` goes to the new page `to`; both are latched exclusively.
    #[inline]
    pub(crate) fn page_split(&self, rel: RelId, from: BlockNo, to: BlockNo) {
        if !self.locks.is_empty() {
            self.locks.copy_page(rel, from, to, false);
        }
    }

    /// Index page `from` goes away and `to` takes its range over; both are latched exclusively.
    #[inline]
    pub(crate) fn page_removed(&self, rel: RelId, from: BlockNo, to: BlockNo) {
        if !self.locks.is_empty() {
            self.locks.copy_page(rel, from, to, true);
        }
    }

    /// Whoever has read any part of `from` counts as having read all of `to`: a table's new files, or the table of an index that goes. The
    /// caller holds a lock on the table that keeps readers out.
    pub fn relation_replaced(&self, from: RelId, to: RelId) {
        if self.locks.is_empty() {
            return;
        }
        let graph = self.graph.lock();
        for node in graph.nodes.values() {
            self.locks.copy_to_relation(&node.xact, from, to);
        }
        let old = self.locks.old_targets().into_iter().filter(|(t, _)| t.rel == from);
        if let Some(end) = old.map(|(_, end)| end).max() {
            self.locks.enter_old(Target::relation(to), end);
        }
    }

    // ---- ending ----

    /// The last check: from here on the transaction is sure to commit. On error it must roll back.
    pub(crate) fn prepare(&self, x: &Xact) -> Result<()> {
        if !x.has_written() && !x.is_doomed() {
            return Ok(());
        }
        self.graph.lock().prepare(&self.txns, x.id)
    }

    /// It has committed, at `csn` if it has a commit record.
    pub(crate) fn committed(&self, x: &Xact, csn: Option<Lsn>) {
        let mut graph = self.graph.lock();
        if !graph.nodes.contains_key(&x.id) {
            // Its snapshot was safe.
            drop(graph);
            return self.leave_writers(x);
        }
        let mut gone = graph.committed(&self.txns, x.id, csn);
        gone.extend(self.clean_locked(&mut graph));
        let finished_max = self.finished_max.load(Ordering::Relaxed);
        while graph.finished.len() > finished_max || (self.locks.is_full() && !graph.finished.is_empty()) {
            self.summarise_one(&mut graph);
        }
        drop(graph);
        self.release_all(&gone);
    }

    /// It has rolled back.
    pub(crate) fn aborted(&self, x: &Arc<Xact>) {
        x.doom();
        let mut graph = self.graph.lock();
        let mut gone = graph.aborted(&self.txns, x.id);
        gone.extend(self.clean_locked(&mut graph));
        drop(graph);
        gone.push(x.clone());
        self.release_all(&gone);
    }

    fn summarise_one(&self, graph: &mut Graph) {
        let Some((xact, end)) = graph.summarise_first(&self.txns) else { return };
        self.has_old.store(true, Ordering::SeqCst);
        self.leave_writers(&xact);
        self.locks.summarise(&xact, end);
        if self.locks.is_full() {
            self.locks.coarsen_old();
        }
    }

    fn leave_writers(&self, x: &Xact) {
        for xid in std::mem::take(&mut *x.xids.lock()) {
            self.writers_of(xid).lock().remove(&xid);
        }
    }

    fn release_all(&self, gone: &[Arc<Xact>]) {
        if self.locks.has_everything() {
            self.locks.unlock_everything(|x| gone.iter().any(|g| g.id == x.id));
        }
        for x in gone {
            self.leave_writers(x);
            self.locks.release(x);
        }
    }

    /// Takes out of the graph what no running or coming transaction can be concurrent with; its locks are to be released.
    fn clean_locked(&self, graph: &mut Graph) -> Vec<Arc<Xact>> {
        let coming = graph.last_snapshot.max(self.wal.visible());
        let horizon = graph.active.first().map_or(coming, |(snapshot, _)| coming.min(*snapshot));
        let mut gone = Vec::new();
        while let Some((end, id)) = graph.finished.first().copied().filter(|(end, _)| *end <= horizon) {
            graph.finished.remove(&(end, id));
            if let Some(node) = graph.nodes.get(&id) {
                gone.push(node.xact.clone());
            }
            graph.detach(&self.txns, id, true);
        }
        if graph.only_readers() {
            // Nobody that runs will write, and who comes sees all that is durable: locks up to there find no writer.
            for (_, id) in graph.finished.iter().take_while(|(end, _)| *end <= coming) {
                if let Some(node) = graph.nodes.get(id) {
                    self.locks.release(&node.xact);
                }
            }
        }
        if graph.old_end.0 != 0 && graph.old_end <= horizon {
            graph.clear_old();
            self.locks.clear_old(horizon);
            self.locks.unlock_everything(|x| x.summary_end().is_some());
            self.has_old.store(false, Ordering::SeqCst);
        }
        gone
    }

    // ---- looking ----

    /// All SIREAD locks, for pg_locks.
    pub fn list(&self) -> Vec<SireadLock> {
        let mut graph = self.graph.lock();
        let gone = self.clean_locked(&mut graph);
        let xacts: Vec<Arc<Xact>> = graph.nodes.values().map(|n| n.xact.clone()).collect();
        drop(graph);
        self.release_all(&gone);
        let mut list = Vec::new();
        for x in xacts {
            let targets = x.held.lock().targets();
            list.extend(targets.into_iter().map(|target| SireadLock { target, pid: x.pid(), name: x.name }));
        }
        let old = self.locks.old_targets();
        list.extend(old.into_iter().map(|(target, _)| SireadLock { target, pid: 0, name: None }));
        list.sort_by_key(|l| (l.name, l.target));
        list
    }

    /// Process ids of the transactions whose end `pid`'s DEFERRABLE one waits for.
    pub fn awaited_by(&self, pid: i32) -> Vec<i32> {
        self.graph.lock().awaited_by(pid)
    }
}
