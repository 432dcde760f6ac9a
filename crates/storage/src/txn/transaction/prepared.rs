//! Two-phase commit: a transaction that its session has let go of, until someone commits it or rolls it back (PostgreSQL:
//! twophase.c). `README.md` of `txn` has the protocol.
//!
//! # Locking
//! `file_changes` (shared) → an entry's `dormant` → what committing takes. The map's mutex is a leaf.

use super::{Inner, Transaction};
use crate::engine::Storage;
use crate::lock::{HeldLock, OwnerId, WaitPolicy, Waiting};
use crate::ssi::{Target, Xact};
use crate::stats::Pending;
use crate::txn::prepared_record::{PreparedInfo, PreparedState, put_lock};
use crate::txn::running::SlotId;
use crate::txn::wal::PREPARED_LOCK;
use crate::wal::record::RecordKind;
use crate::wal::rmgr::XACT;
use crate::{IsolationLevel, LockMode, LockTag, RelId};
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use quarry_common::{Lsn, Oid, Result, Xid, bail, err};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is left of a transaction whose session has gone on.
struct Dormant {
    slot: SlotId,
    owner: OwnerId,
    isolation: IsolationLevel,
    inner: Inner,
    pending: Pending,
    xact: Option<Arc<Xact>>,
}

struct Entry {
    info: PreparedInfo,
    /// Made again by recovery: what upper layers kept with it in memory is lost.
    recovered: bool,
    /// Someone is ending it.
    busy: AtomicBool,
    /// None: not prepared yet, or ended.
    dormant: Mutex<Option<Dormant>>,
}

/// The prepared transactions of a storage, by gid.
#[derive(Default)]
pub struct PreparedSet {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
}

impl PreparedSet {
    /// All of them, in the order of their ids.
    pub fn list(&self) -> Vec<PreparedInfo> {
        let mut list: Vec<_> = self.ready().iter().map(|e| e.info.clone()).collect();
        list.sort_by_key(|info| info.xid);
        list
    }

    /// Whether the gid is in use.
    pub fn contains(&self, gid: &str) -> bool {
        self.entries.lock().contains_key(gid)
    }

    fn ready(&self) -> Vec<Arc<Entry>> {
        let entries: Vec<_> = self.entries.lock().values().cloned().collect();
        entries.into_iter().filter(|e| e.dormant.lock().is_some()).collect()
    }

    fn reserve(&self, info: PreparedInfo, max: usize) -> Result<Arc<Entry>> {
        let mut entries = self.entries.lock();
        if entries.contains_key(&info.gid) {
            bail!(DUPLICATE_OBJECT, "transaction identifier \"{}\" is already in use", info.gid);
        }
        if entries.len() >= max {
            return Err(err!(OUT_OF_MEMORY, "maximum number of prepared transactions reached")
                .hint(format!("Increase max_prepared_transactions (currently {max}).")));
        }
        let gid = info.gid.clone();
        let entry = Arc::new(Entry {
            info,
            recovered: false,
            busy: AtomicBool::new(false),
            dormant: Mutex::default(),
        });
        entries.insert(gid, entry.clone());
        Ok(entry)
    }

    fn forget(&self, gid: &str) {
        self.entries.lock().remove(gid);
    }
}

impl Dormant {
    fn state(&self, storage: &Storage, info: &PreparedInfo) -> PreparedState {
        PreparedState {
            info: info.clone(),
            serializable: self.xact.is_some(),
            children: self.inner.live_subs.clone(),
            created: self.inner.created.clone(),
            created_databases: self.inner.created_databases.clone(),
            dropped: self.inner.dropped.clone(),
            dropped_databases: self.inner.dropped_databases.clone(),
            locks: storage.locks().locks_of(self.owner),
            reads: self.xact.as_ref().map(|x| x.reads()).unwrap_or_default(),
        }
    }
}

impl Transaction {
    /// The locks that it holds.
    pub fn held_locks(&self) -> Vec<(LockTag, LockMode)> {
        self.inner.lock().held.iter().map(|l| (l.tag, l.mode)).collect()
    }

    /// Prepares it: it no longer belongs to its session, and survives a crash once the log is durable up to the returned place.
    /// After an error the caller aborts it. `max`: of prepared transactions in all. `info.xid` is filled in here.
    pub fn prepare(&self, info: PreparedInfo, max: usize) -> Result<Lsn> {
        if self.is_done() {
            bail!(INVALID_TRANSACTION_STATE, "transaction has already ended");
        }
        self.release(1);
        let xid = self.assign_xid();
        self.prepare_serializable()?;
        let storage = &self.storage;
        let entry = storage.prepared().reserve(PreparedInfo { xid, ..info }, max)?;
        let outcome = self.put_to_rest(&entry);
        if outcome.is_err() {
            storage.prepared().forget(&entry.info.gid);
        }
        outcome
    }

    fn put_to_rest(&self, entry: &Entry) -> Result<Lsn> {
        let storage = &self.storage;
        let (locks, running) = (storage.locks(), &storage.txns().running);
        let slot = running.slot(self.slot());
        // The locks leave the session: its next transactions are strangers to them.
        let owner = locks.new_owner();
        locks.note_prepared(owner, entry.info.xid, false);
        let held = self.inner.lock().held.clone();
        locks.change_owner(slot, &held, self.owner, owner, 0);
        // A checkpoint's redo point lies before the record, or after the entry is there to be logged again.
        let file_changes = storage.file_changes().read();
        let mut dormant = Dormant {
            slot: self.slot(),
            owner,
            isolation: self.isolation(),
            inner: std::mem::take(&mut *self.inner.lock()),
            pending: std::mem::take(&mut *self.shared.counts.lock()),
            xact: self.serializable.xact().cloned(),
        };
        match dormant.state(storage, &entry.info).log(storage.wal()) {
            Ok(lsn) => {
                self.done.store(true, Ordering::Release);
                dormant.xact.iter().for_each(|xact| xact.leave_process());
                *entry.dormant.lock() = Some(dormant);
                drop(file_changes);
                running.retract_snapshots(self.slot());
                Ok(lsn)
            }
            Err(e) => {
                *self.inner.lock() = std::mem::take(&mut dormant.inner);
                *self.shared.counts.lock() = std::mem::take(&mut dormant.pending);
                locks.change_owner(slot, &held, owner, self.owner, self.pid);
                locks.forget_prepared(owner);
                Err(e)
            }
        }
    }

    /// The transaction as its end needs it.
    fn revive(storage: Arc<Storage>, top: Xid, dormant: Dormant) -> Transaction {
        let Dormant { slot, owner, isolation, inner, pending, xact } = dormant;
        let txn = Transaction::in_slot(storage, slot, owner, 0, isolation, Arc::default());
        txn.top.store(top.0, Ordering::Release);
        txn.current.store(top.0, Ordering::Release);
        txn.is_prepared.store(true, Ordering::Release);
        *txn.inner.lock() = inner;
        *txn.shared.counts.lock() = pending;
        txn.serializable.adopt(xact);
        txn
    }
}

impl Storage {
    /// Commits or rolls back a prepared transaction, if `check` has nothing against it. The end is to be waited for with
    /// [`Wal::wait_durable`](crate::wal::Wal::wait_durable). `recovered` runs when a transaction commits that was prepared before
    /// the server's start, as a callback on commit.
    pub fn finish_prepared(
        self: &Arc<Self>,
        gid: &str,
        commit: bool,
        check: impl FnOnce(&PreparedInfo) -> Result<()>,
        recovered: impl FnOnce() + Send + 'static,
    ) -> Result<Lsn> {
        let missing =
            || err!(UNDEFINED_OBJECT, "prepared transaction with identifier \"{gid}\" does not exist");
        let entry = self.prepared().entries.lock().get(gid).cloned().ok_or_else(missing)?;
        if entry.busy.swap(true, Ordering::AcqRel) {
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "prepared transaction with identifier \"{gid}\" is busy");
        }
        if let Err(e) = check(&entry.info) {
            entry.busy.store(false, Ordering::Release);
            return Err(e);
        }
        // Held until the last record is in the log: a checkpoint logs the transaction again before that or not at all.
        let mut dormant = entry.dormant.lock();
        let Some(awake) = dormant.take() else {
            // Being prepared, or ended between the look-up and here.
            entry.busy.store(false, Ordering::Release);
            return Err(missing());
        };
        let owner = awake.owner;
        let txn = Transaction::revive(self.clone(), entry.info.xid, awake);
        if entry.recovered {
            txn.on_commit(Box::new(recovered));
        }
        let outcome = match commit {
            true => txn.commit().map(|csn| csn.unwrap_or_else(|| self.wal().inserted())),
            false => {
                txn.abort();
                Ok(self.wal().inserted())
            }
        };
        drop(dormant);
        self.locks().forget_prepared(owner);
        self.prepared().forget(gid);
        outcome
    }

    /// Writes the prepared transactions to the log again, so that redo from a new redo point finds them.
    pub(crate) fn log_prepared_again(&self) -> Result<()> {
        for entry in self.prepared().ready() {
            if let Some(dormant) = &*entry.dormant.lock() {
                dormant.state(self, &entry.info).log(self.wal())?;
            }
        }
        Ok(())
    }

    /// Notes that prepared transactions share a row's new version, too.
    pub(crate) fn log_carried_locks(&self, tag: LockTag, carried: &[(Xid, LockMode)]) -> Result<()> {
        for (xid, mode) in carried {
            let mut payload = vec![];
            put_lock(&mut payload, &(tag, *mode));
            self.wal().insert(Some(*xid), RecordKind::new(XACT, PREPARED_LOCK), &payload)?;
        }
        Ok(())
    }

    /// Whether all the relations have files.
    fn have_files(&self, reads: &[Target]) -> Result<bool> {
        let mut known: HashMap<Oid, HashSet<RelId>> = HashMap::new();
        for read in reads {
            if !known.contains_key(&read.rel.db) {
                let there = self.files().relations_of(read.rel.db)?;
                known.insert(read.rel.db, there.into_iter().map(|(rel, _)| rel).collect());
            }
            if !known[&read.rel.db].contains(&read.rel) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes prepared transactions again that redo has found. Before anyone else begins.
    pub(crate) fn recover_prepared(&self, states: Vec<PreparedState>) -> Result<()> {
        for state in states {
            let (txns, locks) = (self.txns(), self.locks());
            let xid = state.info.xid;
            let slot = txns.running.enter();
            let owner = locks.new_owner();
            txns.running.adopt(slot, xid, owner.0);
            locks.note_prepared(owner, xid, true);
            for child in &state.children {
                txns.adopt_sub_xid(*child, xid);
            }
            let cancel = AtomicBool::new(false);
            let who = Waiting::nobody(owner, &cancel);
            let mut held = vec![];
            for (tag, mode) in &state.locks {
                if locks.acquire(&who, tag, *mode, WaitPolicy::NoWait)? {
                    held.push(HeldLock { tag: *tag, mode: *mode, fast: false });
                } else {
                    tracing::warn!(
                        "could not take {} on {tag} again for a prepared transaction",
                        mode.name()
                    );
                }
            }
            self.created().lock().extend(state.created.iter().map(|rel| (*rel, xid)));
            let inner = Inner {
                live_subs: state.children,
                held,
                created: state.created,
                created_databases: state.created_databases,
                dropped: state.dropped,
                dropped_databases: state.dropped_databases,
                ..Inner::default()
            };
            let isolation = IsolationLevel::ReadCommitted;
            let ids: Vec<Xid> = [xid].into_iter().chain(inner.live_subs.iter().copied()).collect();
            // A file that is gone was replaced by one which stands in no record: then it may have read anything.
            let reads = state.reads.as_slice();
            let known = self.have_files(reads)?;
            let xact = state.serializable.then(|| self.ssi().recovered(&ids, known.then_some(reads)));
            let dormant = Dormant { slot, owner, isolation, inner, pending: Pending::default(), xact };
            let entry = Entry {
                recovered: true,
                busy: AtomicBool::new(false),
                dormant: Mutex::new(Some(dormant)),
                info: state.info,
            };
            tracing::info!("recovered prepared transaction {} \"{}\"", xid.0, entry.info.gid);
            self.prepared().entries.lock().insert(entry.info.gid.clone(), Arc::new(entry));
        }
        Ok(())
    }
}
