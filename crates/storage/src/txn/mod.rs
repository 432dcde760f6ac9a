//! Transactions: ids, the commit log, horizons, snapshots. `README.md` here has the protocol.
//!
//! # Locking
//! Nothing on the way of a read-only transaction takes a lock that another transaction could hold. A transaction's
//! `inner` mutex is its own; it is never held while waiting for anything.

pub mod clog;
pub(crate) mod commands;
mod live;
pub mod prepared_record;
pub mod running;
mod serializable;
mod snapshot;
mod sub_ids;
mod transaction;
pub mod wal;

pub use clog::XidStatus;
pub use live::LiveSnapshots;
pub use prepared_record::PreparedInfo;
pub use snapshot::Snapshot;
pub use transaction::{PreparedSet, SubLevel, Transaction, TxnOptions};

use crate::lock::{OwnerId, VirtualId};
use crate::stats::SharedCounts;
use crate::wal::Wal;
use clog::Clog;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{Lsn, Oid, Xid};
use running::Running;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// SQL's isolation levels. READ UNCOMMITTED behaves as READ COMMITTED.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl IsolationLevel {
    /// Whether all statements share one snapshot.
    pub fn uses_one_snapshot(self) -> bool {
        matches!(self, IsolationLevel::RepeatableRead | IsolationLevel::Serializable)
    }
}

/// A running transaction as others see it.
#[derive(Clone, Copy, Debug)]
pub struct RunningInfo {
    pub id: VirtualId,
    pub owner: OwnerId,
    pub pid: i32,
    /// The top-level id, if there is one.
    pub xid: Option<Xid>,
}

const SUB_SHARDS: usize = 16;

/// What all transactions share.
pub struct TxnManager {
    wal: Arc<Wal>,
    clog: Clog,
    pub(crate) running: Running,
    next_xid: AtomicU64,
    /// CSN of the latest commit.
    latest_commit: AtomicU64,
    /// Top-level ids of running subtransactions.
    subs: Box<[Mutex<HashMap<Xid, Xid>>]>,
}

impl TxnManager {
    pub(crate) fn new(wal: Arc<Wal>, clog: Clog, next_xid: Xid) -> TxnManager {
        TxnManager {
            wal,
            clog,
            running: Running::default(),
            next_xid: AtomicU64::new(next_xid.0),
            latest_commit: AtomicU64::new(0),
            subs: (0..SUB_SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// CSN of the latest commit of this run; 0 before the first.
    pub fn latest_commit(&self) -> Lsn {
        Lsn(self.latest_commit.load(Ordering::Acquire))
    }

    /// What became of `xid`, which may be a subtransaction's. Doesn't know whether it's the caller's own.
    #[inline]
    pub fn status(&self, xid: Xid) -> XidStatus {
        self.clog.status(xid)
    }

    /// Whether `xid` has neither committed nor aborted.
    pub fn is_running(&self, xid: Xid) -> bool {
        self.status(xid) == XidStatus::InProgress
    }

    /// What is counted with the commit log's file; by [`CommitLogCount`](crate::stats::CommitLogCount).
    pub fn commit_log_counts(&self) -> &SharedCounts {
        self.clog.counts()
    }

    pub(crate) fn clog(&self) -> &Clog {
        &self.clog
    }

    /// The id the next writer gets.
    pub fn next_xid(&self) -> Xid {
        Xid(self.next_xid.load(Ordering::SeqCst))
    }

    /// After redo: ids go on from here, and everything unfinished below is aborted.
    pub(crate) fn start_at(&self, next_xid: Xid) {
        self.next_xid.store(next_xid.0, Ordering::SeqCst);
        self.clog.set_first_xid(next_xid);
    }

    /// A version whose deleter's CSN is at or below this is dead to every present and future snapshot. Costs a pass
    /// over the running transactions.
    pub fn oldest_visible_csn(&self) -> Lsn {
        self.oldest_visible_csn_in(Oid::INVALID)
    }

    /// The same for versions in relations of a database (0: shared ones).
    pub fn oldest_visible_csn_in(&self, db: Oid) -> Lsn {
        self.running.oldest_csn(self.wal.visible(), db)
    }

    /// The snapshots alive now, to judge single versions of a database's relations by. Costs as much.
    pub fn live_snapshots(&self, db: Oid) -> LiveSnapshots {
        self.running.live_snapshots(self.wal.claim_gap(), db)
    }

    /// No running transaction has an id below.
    pub fn oldest_running_xid(&self) -> Xid {
        self.running.oldest_xid(&self.next_xid)
    }

    /// Transactions running now.
    pub fn running_count(&self) -> usize {
        self.running.count()
    }

    /// Running transactions.
    pub fn running_list(&self) -> Vec<RunningInfo> {
        let mut list = vec![];
        self.running.for_each_named(|id, slot| {
            let xid = slot.top_xid();
            let owner = OwnerId(slot.owner.load(Ordering::Acquire));
            list.push(RunningInfo { id, owner, pid: slot.pid.load(Ordering::Acquire), xid });
        });
        list
    }

    /// Ids of running subtransactions, each with its top level's.
    pub fn running_subs(&self) -> Vec<(Xid, Xid)> {
        self.subs
            .iter()
            .flat_map(|s| s.lock().iter().map(|(sub, top)| (*sub, *top)).collect::<Vec<_>>())
            .collect()
    }

    fn sub_shard(&self, xid: Xid) -> &Mutex<HashMap<Xid, Xid>> {
        &self.subs[xid.0 as usize % SUB_SHARDS]
    }

    pub(crate) fn allot_sub_xid(&self, top: Xid) -> Xid {
        let xid = Xid(self.next_xid.fetch_add(1, Ordering::SeqCst));
        self.sub_shard(xid).lock().insert(xid, top);
        xid
    }

    /// As [`TxnManager::allot_sub_xid`] had done before a restart.
    pub(crate) fn adopt_sub_xid(&self, xid: Xid, top: Xid) {
        self.sub_shard(xid).lock().insert(xid, top);
    }

    pub(crate) fn sub_ended(&self, xid: Xid) {
        self.sub_shard(xid).lock().remove(&xid);
    }

    /// The top-level transaction that `xid` runs under.
    pub fn top_of(&self, xid: Xid) -> Xid {
        self.sub_shard(xid).lock().get(&xid).copied().unwrap_or(xid)
    }
}
