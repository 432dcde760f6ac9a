//! One transaction: its ids, command counter, snapshots, savepoints, locks, files, and how it ends.

mod again;
mod locks;
mod pins;
mod prepared;

pub use pins::Pin;
pub use prepared::PreparedSet;

use self::pins::Pins;
use super::IsolationLevel;
use super::commands::Shared;
use super::running::SlotId;
use super::serializable::Serializable;
use super::sub_ids::SharedIds;
use super::wal::{self, CHILDREN_MAX, EndRecord};
use crate::buffer::PageMut;
use crate::engine::Storage;
use crate::fsm::RelationState;
use crate::heap::tuple::TupleHeader;
use crate::ids::RelId;
use crate::lock::{HeldLock, LockMode, LockTag, OwnerId, WaitObserver};
use crate::stats::{Actions, XactCounts};
use crate::wal::RecordKind;
use crate::wal::rmgr::XACT;
use hashbrown::HashSet;
use parking_lot::Mutex;
use quarry_common::progress::Progress;
use quarry_common::{CommandId, Lsn, Oid, Result, Xid, bail};
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A savepoint: 1 is the outermost.
pub type SubLevel = usize;

type Callback = Box<dyn FnOnce() + Send>;

/// What [`Storage::begin_with`] may be told.
#[derive(Clone, Default)]
pub struct TxnOptions {
    /// Shared with whoever may cancel the statement; made if absent.
    pub cancel: Option<Arc<AtomicBool>>,
    /// The session, so that its own session-level locks don't conflict; the transaction alone if absent.
    pub owner: Option<OwnerId>,
    /// Process id shown in deadlock reports and pg_locks.
    pub pid: i32,
    /// The database whose tables it works with, beside the shared ones: its snapshots hold nothing back in others. 0: any.
    pub database: Oid,
    /// Read at the inserted horizon (synchronous_commit = off).
    pub read_at_inserted: bool,
    /// Who hears of long waits and names relations in errors.
    pub observer: Option<Arc<dyn WaitObserver>>,
    /// Where long work tells how far it is; nowhere if absent.
    pub progress: Progress,
}

/// See the module. Methods take `&self`; use it from one thread at a time, or from several that work for one
/// statement. Dropping it without [`Transaction::commit`] aborts.
pub struct Transaction {
    storage: Arc<Storage>,
    /// As [`SlotId::to_bits`].
    slot: AtomicU64,
    owner: OwnerId,
    pid: i32,
    database: Oid,
    isolation: AtomicU8,
    read_at_inserted: AtomicBool,
    top: AtomicU64,
    /// It has changed, or may have, what outlives a crash: its commit must not get lost.
    has_losable: AtomicBool,
    /// Id of the current level; 0 while it has none.
    current: AtomicU64,
    command: AtomicU32,
    /// The one snapshot of REPEATABLE READ; 0 before it is taken.
    first_csn: AtomicU64,
    /// CSN of the latest commit whose row this one took over or waited for: later statements must see it.
    floor: AtomicU64,
    lock_timeout_ms: AtomicU64,
    /// 0: the server's.
    deadlock_timeout_ms: AtomicU64,
    done: AtomicBool,
    /// It has been prepared: its end is decided by someone else.
    is_prepared: AtomicBool,
    cancel: Arc<AtomicBool>,
    observer: Option<Arc<dyn WaitObserver>>,
    /// Where the statement names the relation that is being locked, plus 1; 0: it doesn't.
    wait_position: AtomicUsize,
    progress: Progress,
    pins: Mutex<Pins>,
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
    pub(super) serializable: Serializable,
    extension: OnceLock<Arc<dyn Any + Send + Sync>>,
}

#[derive(Default)]
struct Inner {
    subs: Vec<Level>,
    /// Released (to commit with the top level) or still open subtransactions, rising; aborted ones leave.
    live_subs: Vec<Xid>,
    /// `live_subs` as snapshots share it.
    shared_subs: SharedIds,
    held: Vec<HeldLock>,
    /// Index over `held` once it's long.
    held_index: Option<HashSet<(LockTag, LockMode)>>,
    commit_callbacks: Vec<Callback>,
    abort_callbacks: Vec<Callback>,
    created: Vec<RelId>,
    created_databases: Vec<Oid>,
    dropped: Vec<RelId>,
    dropped_databases: Vec<Oid>,
}

/// A savepoint: what the lists' lengths were.
struct Level {
    xid: Xid,
    live_subs: usize,
    held: usize,
    commit_callbacks: usize,
    abort_callbacks: usize,
    created: usize,
    created_databases: usize,
    dropped: usize,
    dropped_databases: usize,
}

/// Linear search in `held` up to here.
const HELD_LINEAR: usize = 24;

impl Transaction {
    pub(crate) fn begin(
        storage: Arc<Storage>,
        isolation: IsolationLevel,
        options: TxnOptions,
    ) -> Transaction {
        let slot = storage.txns().running.enter();
        let owner = options.owner.unwrap_or_else(|| storage.locks().new_owner());
        let cancel = options.cancel.unwrap_or_default();
        let mut txn = Transaction::in_slot(storage, slot, owner, options.pid, isolation, cancel);
        txn.read_at_inserted = AtomicBool::new(options.read_at_inserted);
        txn.database = options.database;
        txn.observer = options.observer;
        txn.progress = options.progress;
        txn.show_slot();
        txn
    }

    #[inline]
    fn slot(&self) -> SlotId {
        SlotId::from_bits(self.slot.load(Ordering::Relaxed))
    }

    /// Tells others whose slot it is, before it has a snapshot.
    fn show_slot(&self) {
        let running = &self.storage.txns().running;
        let shown = running.slot(self.slot());
        shown.owner.store(self.owner.0, Ordering::Release);
        shown.pid.store(self.pid, Ordering::Release);
        running.set_database(self.slot(), self.database);
    }

    fn in_slot(
        storage: Arc<Storage>,
        slot: SlotId,
        owner: OwnerId,
        pid: i32,
        isolation: IsolationLevel,
        cancel: Arc<AtomicBool>,
    ) -> Transaction {
        Transaction {
            slot: AtomicU64::new(slot.to_bits()),
            owner,
            pid,
            database: Oid::INVALID,
            isolation: AtomicU8::new(isolation as u8),
            read_at_inserted: AtomicBool::new(false),
            top: AtomicU64::new(0),
            has_losable: AtomicBool::new(false),
            current: AtomicU64::new(0),
            command: AtomicU32::new(0),
            first_csn: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            lock_timeout_ms: AtomicU64::new(0),
            deadlock_timeout_ms: AtomicU64::new(0),
            done: AtomicBool::new(false),
            is_prepared: AtomicBool::new(false),
            cancel,
            observer: None,
            wait_position: AtomicUsize::new(0),
            progress: Progress::default(),
            pins: Mutex::default(),
            shared: Arc::default(),
            inner: Mutex::default(),
            serializable: Serializable::default(),
            extension: OnceLock::new(),
            storage,
        }
    }

    /// A place for what an upper layer keeps with the transaction (the catalog's uncommitted changes).
    pub fn extension(&self) -> &OnceLock<Arc<dyn Any + Send + Sync>> {
        &self.extension
    }

    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    pub fn isolation(&self) -> IsolationLevel {
        match self.isolation.load(Ordering::Relaxed) {
            0 => IsolationLevel::ReadUncommitted,
            1 => IsolationLevel::ReadCommitted,
            2 => IsolationLevel::RepeatableRead,
            _ => IsolationLevel::Serializable,
        }
    }

    /// Only before the first snapshot.
    pub fn set_isolation(&self, isolation: IsolationLevel) {
        self.isolation.store(isolation as u8, Ordering::Relaxed);
    }

    /// Whether the one snapshot of REPEATABLE READ has been taken.
    pub fn has_first_snapshot(&self) -> bool {
        self.first_csn.load(Ordering::Relaxed) != 0
    }

    /// synchronous_commit = off: read at the inserted horizon.
    pub fn set_read_at_inserted(&self, on: bool) {
        self.read_at_inserted.store(on, Ordering::Relaxed);
    }

    /// The database that it works in; 0: any.
    pub(super) fn database(&self) -> Oid {
        self.database
    }

    /// Where long work on its behalf tells how far it is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether what it runs is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// A set flag makes waits fail with 57014.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.cancel.clone()
    }

    pub fn set_lock_timeout(&self, timeout: Option<Duration>) {
        let ms = timeout.map_or(0, |t| t.as_millis().clamp(1, u64::MAX as u128) as u64);
        self.lock_timeout_ms.store(ms, Ordering::Relaxed);
    }

    /// How long a wait lasts before a deadlock is looked for; none: the server's `deadlock_timeout`.
    pub fn set_deadlock_timeout(&self, timeout: Option<Duration>) {
        let ms = timeout.map_or(0, |t| t.as_millis().clamp(1, u64::MAX as u128) as u64);
        self.deadlock_timeout_ms.store(ms, Ordering::Relaxed);
    }

    // ---- ids and commands ----

    /// The current (sub)transaction's id, if it has written.
    #[inline]
    pub fn xid(&self) -> Option<Xid> {
        Some(Xid(self.current.load(Ordering::Acquire))).filter(|x| x.is_valid())
    }

    /// The top level's id, if it has written.
    #[inline]
    pub fn top_xid(&self) -> Option<Xid> {
        Some(Xid(self.top.load(Ordering::Acquire))).filter(|x| x.is_valid())
    }

    /// The current (sub)transaction's id, allotted now if need be, for work that must outlive a crash.
    #[inline]
    pub fn assign_xid(&self) -> Xid {
        self.has_losable.store(true, Ordering::Relaxed);
        self.assign_xid_to_note()
    }

    /// The same; what it is used for is noted where it is done ([`Transaction::note_change`]), or leaves nothing behind that a crash could
    /// take back.
    #[inline]
    pub fn assign_xid_to_note(&self) -> Xid {
        match self.xid() {
            Some(xid) => xid,
            None => self.allot_xids(),
        }
    }

    /// It is about to change this page.
    #[inline]
    pub(crate) fn note_change(&self, page: &PageMut<'_>) {
        if page.is_logged() {
            self.has_losable.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    fn allot_xids(&self) -> Xid {
        let txns = self.storage.txns();
        let mut new = Vec::new();
        let mut inner = self.inner.lock();
        let mut top = Xid(self.top.load(Ordering::Acquire));
        if !top.is_valid() {
            top = txns.running.allot_top_xid(self.slot(), &txns.next_xid);
            self.top.store(top.0, Ordering::Release);
            new.push(top);
        }
        let mut current = top;
        let Inner { subs, live_subs, shared_subs, .. } = &mut *inner;
        // Outer levels have ids before inner ones.
        let known = subs.iter().rposition(|level| level.xid.is_valid()).map_or(0, |at| at + 1);
        for level in &mut subs[known..] {
            level.xid = txns.allot_sub_xid(top);
            // Those of outer levels that came with it are not undone with it.
            level.live_subs = live_subs.len();
            new.push(level.xid);
            live_subs.push(level.xid);
            shared_subs.grown();
        }
        if let Some(level) = subs.last() {
            current = level.xid;
        }
        drop(inner);
        // Before anyone can meet a row with it.
        self.note_xids(&new);
        self.current.store(current.0, Ordering::Release);
        current
    }

    /// Its ids so far: the top level's first.
    pub(super) fn own_xids(&self) -> Vec<Xid> {
        self.top_xid().into_iter().chain(self.inner.lock().live_subs.iter().copied()).collect()
    }

    /// Whether `xid` is this transaction or a live subtransaction of it.
    #[inline]
    pub fn is_mine(&self, xid: Xid) -> bool {
        let top = self.top.load(Ordering::Acquire);
        if top == 0 || xid.0 < top {
            return false;
        }
        xid.0 == top || self.inner.lock().live_subs.binary_search(&xid).is_ok()
    }

    #[inline]
    pub fn command_id(&self) -> CommandId {
        CommandId(self.command.load(Ordering::Relaxed))
    }

    /// As [`Snapshot::commands`](super::Snapshot::commands).
    #[inline]
    pub(crate) fn commands(&self, h: &TupleHeader) -> (CommandId, CommandId) {
        self.shared.commands(h)
    }

    /// The version with this header is about to be ended by the running command: what the header says of commands then, and the flag that goes
    /// with it.
    #[inline]
    pub(crate) fn end_in(&self, h: &TupleHeader) -> (CommandId, u16) {
        let command = self.command_id();
        if self.is_mine(h.xmin) { self.shared.note(self.commands(h).0, command) } else { (command, 0) }
    }

    /// Makes own changes so far visible to what comes next.
    #[inline]
    pub fn advance_command(&self) {
        // Between statements, by the session alone.
        self.command.store(self.command.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Later statements' snapshots include the commit with `csn`, durable or not. To be called when a row version that
    /// it made is taken over: this transaction can't become durable before it.
    pub fn follow(&self, csn: Lsn) {
        self.floor.fetch_max(csn.0, Ordering::Relaxed);
    }

    /// To be called before a statement that shows rows takes its snapshot: what this transaction sees of commits that it followed is durable
    /// afterwards. Otherwise a client could know of a commit that others, asking later, don't see, and that a crash takes back.
    pub fn make_floor_durable(&self) -> Result<()> {
        if self.read_at_inserted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let seen = match self.first_csn.load(Ordering::Relaxed) {
            first if first != 0 && self.isolation().uses_one_snapshot() => first,
            _ => self.floor.load(Ordering::Relaxed),
        };
        let wal = self.storage.wal();
        if wal.visible() >= Lsn(seen) { Ok(()) } else { wal.wait_durable_blocking(Lsn(seen)) }
    }

    // ---- statistics ----

    /// Notes what it does to a table's rows.
    #[inline]
    pub(crate) fn count(&self, rel: RelId, state: &Arc<RelationState>, count: impl FnOnce(&mut Actions)) {
        self.shared.counts.lock().count(rel, state, count);
    }

    /// What it has done with a relation so far.
    pub fn counted(&self, rel: RelId) -> XactCounts {
        self.shared.counts.lock().of(rel)
    }

    /// The table goes on in new files. Its counts stay the table's.
    pub fn relation_replaced(&self, from: RelId, to: RelId) {
        self.storage.relation_states().replaced(from, to);
    }

    /// The table is emptied (TRUNCATE).
    pub fn relation_emptied(&self, rel: RelId) {
        let state = self.storage.relation_states().get(rel);
        self.count(rel, &state, |a| *a = Actions { emptied: true, ..Actions::default() });
    }

    // ---- savepoints ----

    /// Opens a subtransaction.
    pub fn savepoint(&self) -> SubLevel {
        let mut inner = self.inner.lock();
        let level = Level {
            xid: Xid::INVALID,
            live_subs: inner.live_subs.len(),
            held: inner.held.len(),
            commit_callbacks: inner.commit_callbacks.len(),
            abort_callbacks: inner.abort_callbacks.len(),
            created: inner.created.len(),
            created_databases: inner.created_databases.len(),
            dropped: inner.dropped.len(),
            dropped_databases: inner.dropped_databases.len(),
        };
        inner.subs.push(level);
        self.current.store(0, Ordering::Release);
        self.shared.counts.lock().set_level(inner.subs.len());
        inner.subs.len()
    }

    /// Open subtransactions.
    pub fn sub_level(&self) -> SubLevel {
        self.inner.lock().subs.len()
    }

    fn set_current(&self, inner: &Inner) {
        let xid = match inner.subs.last() {
            Some(level) => level.xid.0,
            None => self.top.load(Ordering::Acquire),
        };
        self.current.store(xid, Ordering::Release);
    }

    /// Undoes everything since savepoint `level`, which stays open.
    pub fn rollback_to(&self, level: SubLevel) {
        let mut inner = self.inner.lock();
        let Some(from) = level.checked_sub(1).filter(|from| *from < inner.subs.len()) else { return };
        inner.subs.truncate(level);
        self.shared.counts.lock().roll_back(level);
        let at = &mut inner.subs[from];
        at.xid = Xid::INVALID;
        let Level { live_subs, held, commit_callbacks, abort_callbacks, .. } = *at;
        let Level { created, created_databases, dropped, dropped_databases, .. } = *at;
        let aborted = inner.live_subs.split_off(live_subs);
        let locks = inner.held.split_off(held);
        if let Some(index) = &mut inner.held_index {
            for lock in &locks {
                index.remove(&(lock.tag, lock.mode));
            }
        }
        inner.shared_subs.cut(live_subs);
        inner.commit_callbacks.truncate(commit_callbacks);
        let callbacks = inner.abort_callbacks.split_off(abort_callbacks);
        let relations = inner.created.split_off(created);
        let databases = inner.created_databases.split_off(created_databases);
        inner.dropped.truncate(dropped);
        inner.dropped_databases.truncate(dropped_databases);
        self.current.store(0, Ordering::Release);
        drop(inner);
        self.finish_abort(&aborted, relations, databases, callbacks, &locks);
    }

    /// Closes savepoint `level` and those inside it, keeping their work.
    pub fn release(&self, level: SubLevel) {
        let mut inner = self.inner.lock();
        if let Some(keep) = level.checked_sub(1) {
            inner.subs.truncate(keep);
            self.set_current(&inner);
            self.shared.counts.lock().release(level);
        }
    }

    // ---- callbacks and files ----

    /// Runs after the commit record is inserted, before locks are released. Dropped if a savepoint around it rolls back.
    pub fn on_commit(&self, callback: Callback) {
        self.inner.lock().commit_callbacks.push(callback);
    }

    /// Runs if the (sub)transaction aborts.
    pub fn on_abort(&self, callback: Callback) {
        self.inner.lock().abort_callbacks.push(callback);
    }

    pub(crate) fn note_created(&self, rel: RelId) {
        self.inner.lock().created.push(rel);
    }
    pub(crate) fn note_dropped(&self, rel: RelId) {
        self.inner.lock().dropped.push(rel);
    }
    pub(crate) fn note_created_database(&self, db: Oid) {
        self.inner.lock().created_databases.push(db);
    }
    pub(crate) fn note_dropped_database(&self, db: Oid) {
        self.inner.lock().dropped_databases.push(db);
    }

    // ---- the end ----

    /// Whether it has committed or aborted.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Commits: inserts the commit record, which makes the changes visible at the inserted horizon. The returned LSN is
    /// the one to wait for with [`Wal::wait_durable`](crate::wal::Wal::wait_durable) before telling anyone; none if
    /// nothing was written, or nothing that could get lost: then everyone sees it already.
    pub fn commit(&self) -> Result<Option<Lsn>> {
        if self.done.swap(true, Ordering::AcqRel) {
            bail!(INVALID_TRANSACTION_STATE, "transaction has already ended");
        }
        let top = Xid(self.top.load(Ordering::Acquire));
        if !top.is_valid() && self.end_unwritten() {
            return Ok(None);
        }
        let mut inner = std::mem::take(&mut *self.inner.lock());
        if !self.is_prepared.load(Ordering::Acquire)
            && let Err(e) = self.prepare_serializable()
        {
            self.end_aborted(top, inner);
            return Err(e);
        }
        let mut csn = None;
        let removes_files = !(inner.dropped.is_empty() && inner.dropped_databases.is_empty());
        // Redo must find all records of this commit or none: with more subtransactions than one holds, no redo point comes between.
        let many = inner.live_subs.len() > CHILDREN_MAX;
        let file_changes = (removes_files || many).then(|| self.storage.file_changes().read());
        if top.is_valid() {
            match self.insert_commit(top, &mut inner) {
                Ok(end) => csn = Some(end),
                Err(e) => {
                    drop(file_changes);
                    self.end_aborted(top, inner);
                    return Err(e);
                }
            }
            let txns = self.storage.txns();
            for xid in &inner.live_subs {
                txns.sub_ended(*xid);
            }
            self.storage.forget_created(&inner.created, &inner.created_databases);
        }
        self.shared.counts.lock().end(true);
        self.storage.flush_counts();
        self.serializable_committed(csn);
        for callback in inner.commit_callbacks.drain(..) {
            callback();
        }
        let mut outcome = Ok(csn);
        if let Some(csn) = csn
            && removes_files
        {
            // The files may go only when nothing can bring the relation back.
            outcome = self.storage.wal().wait_durable_blocking(csn).map(|()| Some(csn));
            if outcome.is_ok() {
                self.storage.remove_files(&inner.dropped, &inner.dropped_databases);
            }
        }
        drop(file_changes);
        // Before its locks are free: who waits for one sees it.
        let is_shown = csn.is_some_and(|csn| !self.is_losable() && self.storage.wal().show_commit(csn));
        self.leave(top, &inner.live_subs, &inner.held);
        outcome.map(|csn| csn.filter(|_| !is_shown))
    }

    /// Whether a crash must not take its commit back.
    fn is_losable(&self) -> bool {
        self.has_losable.load(Ordering::Relaxed) || self.is_prepared.load(Ordering::Relaxed)
    }

    fn insert_commit(&self, top: Xid, inner: &mut Inner) -> Result<Lsn> {
        let clog = self.storage.txns().clog();
        let wal = self.storage.wal();
        clog.prepare(top)?;
        let mut children = inner.live_subs.as_slice();
        while children.len() > CHILDREN_MAX {
            let (head, rest) = children.split_at(CHILDREN_MAX);
            let mut payload = (head.len() as u32).to_le_bytes().to_vec();
            payload.extend(head.iter().flat_map(|xid| xid.0.to_le_bytes()));
            wal.insert(Some(top), RecordKind::new(XACT, wal::CHILDREN), &payload)?;
            children = rest;
        }
        let record = EndRecord {
            time_us: now_us(),
            children: children.to_vec(),
            relations: self.in_log(&inner.dropped),
            databases: std::mem::take(&mut inner.dropped_databases),
        };
        let payload = record.encode();
        inner.dropped_databases = record.databases;
        let xids = || inner.live_subs.iter().chain([&top]);
        // From here to the CSN, readers of these ids wait: see README T3.
        for xid in xids() {
            clog.set_committing(*xid)?;
        }
        // Before the record has a place: commits with nothing to lose don't become visible past it.
        let entering = self.is_losable().then(|| wal.commit_enters());
        let outcome = wal.insert_with(Some(top), RecordKind::new(XACT, wal::COMMIT), &payload, |csn| {
            if let Some(entering) = entering {
                entering.has_place(csn);
            }
            for xid in xids() {
                // The chunk is in memory (just written to), so this can't fail.
                let _ = clog.set_committed(*xid, csn);
            }
            self.storage.txns().latest_commit.fetch_max(csn.0, Ordering::AcqRel);
        });
        if outcome.is_err() {
            for xid in xids() {
                let _ = clog.set_aborted(*xid);
            }
        }
        outcome
    }

    /// Aborts. Does nothing if it has ended already.
    pub fn abort(&self) {
        if self.done.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = std::mem::take(&mut *self.inner.lock());
        let top = Xid(self.top.load(Ordering::Acquire));
        self.end_aborted(top, inner);
    }

    fn end_aborted(&self, top: Xid, mut inner: Inner) {
        let mut xids = std::mem::take(&mut inner.live_subs);
        if top.is_valid() {
            xids.push(top);
        }
        self.shared.counts.lock().end(false);
        self.storage.flush_counts();
        self.serializable_aborted();
        self.finish_abort(&xids, inner.created, inner.created_databases, inner.abort_callbacks, &[]);
        self.leave(top, &[], &inner.held);
    }

    /// What aborting `xids` (the last one is the top level, or all are subtransactions) involves, in this order:
    /// status, files, callbacks, locks.
    fn finish_abort(
        &self,
        xids: &[Xid],
        relations: Vec<RelId>,
        databases: Vec<Oid>,
        callbacks: Vec<Callback>,
        locks: &[HeldLock],
    ) {
        let txns = self.storage.txns();
        for xid in xids {
            // A failure is fatal and has been raised; after a restart the ids count as aborted anyway.
            let _ = txns.clog().set_aborted(*xid);
            txns.sub_ended(*xid);
        }
        let removes_files = !(relations.is_empty() && databases.is_empty());
        let file_changes = removes_files.then(|| self.storage.file_changes().read());
        if let Some((last, children)) = xids.split_last() {
            for chunk in children.chunks(CHILDREN_MAX).skip(1) {
                self.log_abort(*last, chunk, Vec::new(), Vec::new());
            }
            let first = &children[..children.len().min(CHILDREN_MAX)];
            self.log_abort(*last, first, self.in_log(&relations), databases.clone());
        }
        if removes_files {
            if self.is_prepared.load(Ordering::Acquire) {
                // A crash must not bring the transaction back without its files. A failed flush has been raised.
                let wal = self.storage.wal();
                let _ = wal.wait_durable_blocking(wal.inserted());
            }
            self.storage.remove_files(&relations, &databases);
            self.storage.forget_created(&relations, &databases);
        }
        drop(file_changes);
        for callback in callbacks.into_iter().rev() {
            callback();
        }
        for xid in xids {
            self.storage.locks().xid_ended(*xid);
        }
        self.release_locks(locks);
    }

    /// Without temporary relations, of which the log knows nothing.
    fn in_log(&self, relations: &[RelId]) -> Vec<RelId> {
        relations.iter().copied().filter(|rel| !self.storage.files().is_temporary(*rel)).collect()
    }

    /// The abort record only saves recovery and replicas work; nobody waits for it, and it may get lost.
    fn log_abort(&self, xid: Xid, children: &[Xid], relations: Vec<RelId>, databases: Vec<Oid>) {
        let record = EndRecord { time_us: now_us(), children: children.to_vec(), relations, databases };
        let _ = self.storage.wal().insert(Some(xid), RecordKind::new(XACT, wal::ABORT), &record.encode());
    }

    fn leave(&self, top: Xid, subs: &[Xid], held: &[HeldLock]) {
        let locks = self.storage.locks();
        if top.is_valid() {
            for xid in subs.iter().chain([&top]) {
                locks.xid_ended(*xid);
            }
        }
        self.release_locks(held);
        let (running, slot) = (&self.storage.txns().running, self.slot());
        let id = running.virtual_id(slot);
        running.leave(slot);
        locks.virtual_ended(id);
    }
}

impl Inner {
    fn holds(&mut self, tag: &LockTag, mode: LockMode) -> bool {
        if self.held.len() <= HELD_LINEAR {
            return self.held.iter().any(|l| l.mode == mode && l.tag == *tag);
        }
        let Inner { held, held_index, .. } = self;
        let index = held_index.get_or_insert_with(|| held.iter().map(|l| (l.tag, l.mode)).collect());
        index.contains(&(*tag, mode))
    }

    fn note_held(&mut self, lock: HeldLock) {
        if let Some(index) = &mut self.held_index {
            index.insert((lock.tag, lock.mode));
        }
        self.held.push(lock);
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.abort();
    }
}

fn now_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    }
}
