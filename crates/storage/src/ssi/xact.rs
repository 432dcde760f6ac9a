//! One serializable transaction, as everyone who meets its locks sees it.
//!
//! # Locking
//! Its conflicts are in the graph. `held` ranks before the shards of the lock table. Flags are set under the graph's mutex and may
//! be read without.

use super::target::Target;
use crate::ids::RelId;
use crate::lock::VirtualId;
use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};
use quarry_common::{BlockNo, Lsn, Oid, Xid};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};

/// It can't commit any more.
const DOOMED: u8 = 1;
/// Read only, and nothing that still runs can make its snapshot inconsistent: it needs no locks.
const SAFE: u8 = 2;
/// Read only, and its snapshot may be inconsistent.
const UNSAFE: u8 = 4;
/// It has written to a table.
const WROTE: u8 = 8;
/// It reads nothing before its snapshot is known to be safe.
const DEFERRING: u8 = 16;

/// See the module.
pub struct Xact {
    pub(super) id: u64,
    /// What it sees: commits up to there.
    pub(super) snapshot: Lsn,
    /// Declared READ ONLY when its snapshot was taken.
    pub(super) read_only: bool,
    /// 0 once it is prepared: it belongs to no process then.
    pid: AtomicI32,
    pub(super) name: Option<VirtualId>,
    /// Where it reads; 0: anywhere.
    database: Oid,
    flags: AtomicU8,
    /// Top-level id; 0 before it has one.
    top: AtomicU64,
    /// Where it ended, once it is only part of the summary; 0 before. Set under the graph's mutex.
    summary_end: AtomicU64,
    /// The writer of the last conflict found by a read, so that a page full of its rows costs one look at the graph.
    last_out: AtomicU64,
    pub(super) held: Mutex<Held>,
    /// All its ids, for leaving the map of writers.
    pub(super) xids: Mutex<Vec<Xid>>,
    /// Signalled when SAFE or UNSAFE is set.
    settled: (Mutex<()>, Condvar),
}

/// Its SIREAD locks.
#[derive(Default)]
pub(super) struct Held {
    /// No lock is taken any more: it has ended and been cleaned up, or is safe without.
    pub closed: bool,
    pub rels: HashMap<RelId, RelHeld>,
}

#[derive(Default)]
pub(super) struct RelHeld {
    pub whole: bool,
    pub pages: HashMap<BlockNo, PageHeld>,
    /// Page and tuple locks in `pages`.
    pub count: usize,
}

#[derive(Default)]
pub(super) struct PageHeld {
    pub whole: bool,
    /// Rising.
    pub slots: Vec<u16>,
}

impl RelHeld {
    /// Every lock on relation `rel`.
    pub fn targets(&self, rel: RelId) -> Vec<Target> {
        let mut all = Vec::with_capacity(self.count + 1);
        if self.whole {
            all.push(Target::relation(rel));
        }
        for (block, page) in &self.pages {
            if page.whole {
                all.push(Target::page(rel, *block));
            }
            all.extend(
                page.slots.iter().map(|s| Target::tuple(rel, quarry_common::Tid { block: *block, slot: *s })),
            );
        }
        all
    }
}

impl Held {
    /// Every lock.
    pub fn targets(&self) -> Vec<Target> {
        self.rels.iter().flat_map(|(rel, held)| held.targets(*rel)).collect()
    }
}

impl Xact {
    pub(super) fn pid(&self) -> i32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// What it has read.
    pub(crate) fn reads(&self) -> Vec<Target> {
        let mut reads = self.held.lock().targets();
        reads.sort_unstable();
        reads
    }

    /// PREPARE TRANSACTION: its session goes on without it.
    pub(crate) fn leave_process(&self) {
        self.pid.store(0, Ordering::Relaxed);
    }

    /// The same; it reads nowhere else (0: anywhere).
    pub(super) fn in_database(self, database: Oid) -> Xact {
        Xact { database, ..self }
    }

    /// Whether it may read relations of this database (0: shared ones).
    pub(super) fn may_read(&self, db: Oid) -> bool {
        !self.database.is_valid() || !db.is_valid() || self.database == db
    }

    pub(super) fn new(id: u64, snapshot: Lsn, read_only: bool, pid: i32, name: Option<VirtualId>) -> Xact {
        Xact {
            id,
            snapshot,
            read_only,
            pid: AtomicI32::new(pid),
            name,
            database: Oid::INVALID,
            flags: AtomicU8::new(0),
            top: AtomicU64::new(0),
            summary_end: AtomicU64::new(0),
            last_out: AtomicU64::new(0),
            held: Mutex::default(),
            xids: Mutex::default(),
            settled: Default::default(),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    fn set(&self, flag: u8) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    /// Whether it was chosen as a victim.
    pub(super) fn is_doomed(&self) -> bool {
        self.has(DOOMED)
    }

    pub(super) fn doom(&self) {
        self.set(DOOMED);
    }

    /// Whether its reads need no watching.
    #[inline]
    pub fn is_safe(&self) -> bool {
        self.has(SAFE)
    }

    pub(super) fn is_unsafe(&self) -> bool {
        self.has(UNSAFE)
    }

    pub(super) fn is_deferring(&self) -> bool {
        self.has(DEFERRING)
    }

    pub(super) fn defer(&self) {
        self.set(DEFERRING);
    }

    pub(super) fn has_written(&self) -> bool {
        self.has(WROTE)
    }

    pub(super) fn note_write(&self) {
        if !self.has_written() {
            self.set(WROTE);
        }
    }

    pub(super) fn top(&self) -> Xid {
        Xid(self.top.load(Ordering::Acquire))
    }

    /// Notes an id; the first one is the top level's.
    pub(super) fn note_xid(&self, xid: Xid) {
        let _ = self.top.compare_exchange(0, xid.0, Ordering::AcqRel, Ordering::Acquire);
        self.xids.lock().push(xid);
    }

    pub(super) fn summary_end(&self) -> Option<Lsn> {
        Some(Lsn(self.summary_end.load(Ordering::Acquire))).filter(|l| l.0 != 0)
    }

    pub(super) fn set_summary_end(&self, end: Lsn) {
        self.summary_end.store(end.0.max(1), Ordering::Release);
    }

    #[inline]
    pub(super) fn is_last_out(&self, xid: Xid) -> bool {
        self.last_out.load(Ordering::Relaxed) == xid.0
    }

    pub(super) fn set_last_out(&self, xid: Xid) {
        self.last_out.store(xid.0, Ordering::Relaxed);
    }

    /// Its snapshot has turned out to be safe, or not.
    pub(super) fn settle(&self, safe: bool) {
        self.set(if safe { SAFE } else { UNSAFE });
        let _guard = self.settled.0.lock();
        self.settled.1.notify_all();
    }

    /// Waits until it is known whether the snapshot is safe; `nap` bounds the wait. True: it is known.
    pub(super) fn wait_settled(&self, nap: std::time::Duration) -> bool {
        let mut guard = self.settled.0.lock();
        if !self.has(SAFE | UNSAFE) {
            self.settled.1.wait_for(&mut guard, nap);
        }
        self.has(SAFE | UNSAFE)
    }
}
