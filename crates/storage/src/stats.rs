//! What happens to tables, indexes and databases, counted (PostgreSQL: pgstat_relation.c, pgstat_database.c).
//!
//! Reads count where they end, writes when their transaction does: then it's known whether an insert has made a live row or a dead one. Counts
//! go to one of some shards, each thread's own, so that threads don't wait for each other's cache lines; who asks adds the shards up.
//! What vacuum and ANALYZE find is set through a base beside the shards, so that counting never stops for it.
//!
//! Blocks are counted by each thread for itself first ([`thread`]).
//!
//! Counts survive an orderly stop ([`save`], [`load`]) and are gone after a crash, as in PostgreSQL.
//!
//! # Locking
//! None for counting. A transaction's own [`Pending`] is under a mutex of its own, a leaf.

mod keep;
mod pending;
pub(crate) mod shared;
pub(crate) mod thread;

pub(crate) use keep::{load, save};
pub use pending::XactCounts;
pub(crate) use pending::{Actions, Pending};
pub use shared::{CommitLogCount, LogCount, SharedCounts, WriterCount};

use crate::RelId;
use hashbrown::HashMap;
use parking_lot::RwLock;
use quarry_common::Oid;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const SHARDS: usize = 4;

/// What is counted of a relation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Count {
    /// Scans of the whole table, or of the index.
    Scans,
    /// Rows that whole scans gave; entries that index scans gave.
    Returned,
    /// Rows read by way of an index.
    Fetched,
    Inserted,
    Updated,
    HotUpdated,
    Deleted,
    /// Rows that are there, as vacuum or ANALYZE found and committed changes since.
    Live,
    /// Versions that are waiting for vacuum.
    Dead,
    /// Committed changes since ANALYZE.
    Changed,
    /// Inserts since vacuum.
    InsertedSinceVacuum,
    /// Pages found in the buffer pool.
    BlocksHit,
    /// Pages that had to be read into it.
    BlocksRead,
}

/// Room for the counts of [`Count`], and for those of [`DatabaseCount`].
pub(crate) const COUNTS: usize = 16;

/// What is counted of a database beside its relations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum DatabaseCount {
    Commits,
    Rollbacks,
    Deadlocks,
    TempFiles,
    TempBytes,
    Sessions,
    /// Of relations that are no more.
    Returned,
    Fetched,
    Inserted,
    Updated,
    Deleted,
    BlocksHit,
    BlocksRead,
    /// Microseconds spent reading and writing blocks, counted under `track_io_timing`.
    ReadTime,
    WriteTime,
}

#[repr(align(128))]
#[derive(Default)]
struct Shard([AtomicI64; COUNTS]);

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static THREAD_SHARD: Cell<usize> = Cell::new(NEXT_THREAD.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

/// Counters, sharded.
#[derive(Default)]
struct Sharded {
    shards: [Shard; SHARDS],
    base: [AtomicI64; COUNTS],
}

impl Sharded {
    #[inline]
    fn add(&self, at: usize, n: i64) {
        if n != 0 {
            self.shards[THREAD_SHARD.get()].0[at].fetch_add(n, Ordering::Relaxed);
        }
    }

    /// The same for several, finding the thread's shard once.
    #[inline]
    fn add_all<const N: usize>(&self, counts: [(usize, i64); N]) {
        let shard = &self.shards[THREAD_SHARD.get()];
        for (at, n) in counts {
            if n != 0 {
                shard.0[at].fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    fn sum(&self, at: usize) -> i64 {
        self.shards.iter().map(|s| s.0[at].load(Ordering::Relaxed)).sum()
    }

    fn get(&self, at: usize) -> i64 {
        self.base[at].load(Ordering::Relaxed).wrapping_add(self.sum(at))
    }

    fn set(&self, at: usize, value: i64) {
        self.base[at].store(value.wrapping_sub(self.sum(at)), Ordering::Relaxed);
    }

    fn values(&self) -> [i64; COUNTS] {
        std::array::from_fn(|i| self.get(i))
    }
}

/// Runs of VACUUM and ANALYZE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Maintenance {
    Vacuum,
    Autovacuum,
    Analyze,
    Autoanalyze,
}

/// What has happened to a table or an index.
#[derive(Default)]
pub struct Counters {
    counts: Sharded,
    runs: [AtomicI64; 4],
    /// Microseconds since 2000; 0: never.
    last: [AtomicI64; 4],
}

/// Reads of a relation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Reads {
    pub scans: u64,
    pub returned: u64,
    pub fetched: u64,
}

impl Counters {
    /// How often.
    pub fn get(&self, count: Count) -> i64 {
        self.counts.get(count as usize)
    }

    fn add(&self, count: Count, n: i64) {
        self.counts.add(count as usize, n);
    }

    #[inline]
    pub(crate) fn add_reads(&self, reads: Reads) {
        self.counts.add_all([
            (Count::Scans as usize, reads.scans as i64),
            (Count::Returned as usize, reads.returned as i64),
            (Count::Fetched as usize, reads.fetched as i64),
        ]);
    }

    #[inline]
    pub(crate) fn add_blocks(&self, hits: u64, reads: u64) {
        self.counts
            .add_all([(Count::BlocksHit as usize, hits as i64), (Count::BlocksRead as usize, reads as i64)]);
    }

    /// Writes of a transaction that has ended.
    pub(crate) fn add_actions(&self, a: &Actions, committed: bool) {
        let [inserted, updated, hot, deleted] =
            [a.inserted, a.updated, a.hot_updated, a.deleted].map(|n| n as i64);
        if committed && a.emptied {
            self.counts.set(Count::Live as usize, 0);
            self.counts.set(Count::Dead as usize, 0);
        }
        self.add(Count::Inserted, inserted);
        self.add(Count::Updated, updated);
        self.add(Count::HotUpdated, hot);
        self.add(Count::Deleted, deleted);
        self.add(Count::InsertedSinceVacuum, inserted);
        match committed {
            true => {
                self.add(Count::Live, inserted - deleted);
                self.add(Count::Dead, updated + deleted);
                self.add(Count::Changed, inserted + updated + deleted);
            }
            // Their versions were dead from the start.
            false => self.add(Count::Dead, inserted + updated),
        }
    }

    /// So many dead versions are gone without a vacuum.
    pub(crate) fn note_pruned(&self, n: u64) {
        self.add(Count::Dead, -(n as i64));
    }

    /// Notes that a vacuum has found so many rows, and so many that it had to leave. `at`: microseconds since 2000.
    pub fn note_vacuum(&self, live: f64, dead: u64, at: i64, in_background: bool) {
        self.counts.set(Count::Live as usize, live as i64);
        self.counts.set(Count::Dead as usize, dead as i64);
        self.counts.set(Count::InsertedSinceVacuum as usize, 0);
        self.note_run(if in_background { Maintenance::Autovacuum } else { Maintenance::Vacuum }, at);
    }

    /// Notes that ANALYZE has estimated so many rows. `changed`: what [`Count::Changed`] was when it began, if it was of all columns.
    pub fn note_analyze(&self, live: f64, dead: f64, changed: Option<i64>, at: i64, in_background: bool) {
        self.counts.set(Count::Live as usize, live as i64);
        self.counts.set(Count::Dead as usize, dead as i64);
        if changed.is_some() {
            self.counts.set(Count::Changed as usize, 0);
        }
        self.note_run(if in_background { Maintenance::Autoanalyze } else { Maintenance::Analyze }, at);
    }

    fn note_run(&self, what: Maintenance, at: i64) {
        self.runs[what as usize].fetch_add(1, Ordering::Relaxed);
        self.last[what as usize].store(at, Ordering::Relaxed);
    }

    /// How often a command has been run on it.
    pub fn runs(&self, what: Maintenance) -> i64 {
        self.runs[what as usize].load(Ordering::Relaxed)
    }

    /// When it was last, microseconds since 2000.
    pub fn last(&self, what: Maintenance) -> Option<i64> {
        Some(self.last[what as usize].load(Ordering::Relaxed)).filter(|t| *t != 0)
    }

    /// Whether [`Count::Live`] rests on anything.
    pub fn has_counted(&self) -> bool {
        let changes = [Count::Inserted, Count::Deleted].iter().any(|c| self.get(*c) != 0);
        changes || self.runs.iter().any(|r| r.load(Ordering::Relaxed) != 0)
    }

    /// Begins anew.
    pub fn reset(&self) {
        (0..COUNTS).for_each(|i| self.counts.set(i, 0));
        self.runs.iter().chain(&self.last).for_each(|n| n.store(0, Ordering::Relaxed));
    }

    fn stored(&self) -> Vec<i64> {
        let load = |n: &AtomicI64| n.load(Ordering::Relaxed);
        self.counts.values().into_iter().chain(self.runs.iter().chain(&self.last).map(load)).collect()
    }

    fn restore(&self, values: &[i64]) {
        for (i, v) in values.iter().take(COUNTS).enumerate() {
            self.counts.set(i, *v);
        }
        for (n, v) in self.runs.iter().chain(&self.last).zip(values.iter().skip(COUNTS)) {
            n.store(*v, Ordering::Relaxed);
        }
    }
}

/// What has happened in a database.
#[derive(Default)]
pub struct DatabaseCounters {
    counts: Sharded,
    /// Microseconds since 2000; 0: never.
    reset_at: AtomicI64,
}

impl DatabaseCounters {
    #[inline]
    pub fn add(&self, count: DatabaseCount, n: i64) {
        self.counts.add(count as usize, n);
    }

    pub fn get(&self, count: DatabaseCount) -> i64 {
        self.counts.get(count as usize)
    }

    /// A relation is removed: what it had counted stays the database's.
    fn inherit(&self, c: &Counters) {
        self.add(DatabaseCount::Returned, c.get(Count::Returned));
        self.add(DatabaseCount::Fetched, c.get(Count::Fetched));
        self.add(DatabaseCount::Inserted, c.get(Count::Inserted));
        self.add(DatabaseCount::Updated, c.get(Count::Updated));
        self.add(DatabaseCount::Deleted, c.get(Count::Deleted));
        self.add(DatabaseCount::BlocksHit, c.get(Count::BlocksHit));
        self.add(DatabaseCount::BlocksRead, c.get(Count::BlocksRead));
    }

    /// Begins anew. `at`: microseconds since 2000.
    pub fn reset(&self, at: i64) {
        (0..COUNTS).for_each(|i| self.counts.set(i, 0));
        self.note_reset(at);
    }

    /// A part of it has begun anew.
    pub fn note_reset(&self, at: i64) {
        self.reset_at.store(at, Ordering::Relaxed);
    }

    /// When that was last.
    pub fn reset_at(&self) -> Option<i64> {
        Some(self.reset_at.load(Ordering::Relaxed)).filter(|t| *t != 0)
    }
}

/// The counts of all databases. Part of [`Storage`](crate::Storage).
pub struct DatabaseStats {
    map: RwLock<HashMap<Oid, Arc<DatabaseCounters>>>,
    wal: SharedCounts,
}

impl Default for DatabaseStats {
    fn default() -> DatabaseStats {
        DatabaseStats { map: RwLock::default(), wal: SharedCounts::new(3) }
    }
}

impl DatabaseStats {
    /// What has gone into the log: records, images of pages, bytes.
    pub fn wal(&self) -> &SharedCounts {
        &self.wal
    }

    /// A database's counters, made at first use. Sessions keep them.
    pub fn get(&self, db: Oid) -> Arc<DatabaseCounters> {
        if let Some(c) = self.map.read().get(&db) {
            return c.clone();
        }
        self.map.write().entry(db).or_default().clone()
    }

    /// A database's counters, if anything was counted there.
    pub fn known(&self, db: Oid) -> Option<Arc<DatabaseCounters>> {
        self.map.read().get(&db).cloned()
    }

    /// Forgets a dropped database.
    pub fn remove(&self, db: Oid) {
        self.map.write().remove(&db);
    }

    pub(crate) fn relation_removed(&self, rel: RelId, counters: &Counters) {
        if let Some(db) = self.known(rel.db) {
            db.inherit(counters);
        }
    }
}

impl crate::Storage {
    /// What is counted of the server as a whole, each with the number that it is stored under.
    fn shared_counts(&self) -> [(u32, &SharedCounts); 4] {
        [
            (u32::MAX, self.pool().writers()),
            (u32::MAX - 1, self.wal().counts()),
            (u32::MAX - 2, self.database_stats().wal()),
            (u32::MAX - 3, self.txns().clog().counts()),
        ]
    }

    /// Passes on what the running thread has counted and kept to itself so far.
    #[inline]
    pub fn flush_counts(&self) {
        thread::flush(self.relation_states(), self.database_stats());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_decide_what_is_live() {
        let c = Counters::default();
        let a = Actions { inserted: 10, updated: 4, hot_updated: 3, deleted: 2, emptied: false };
        c.add_actions(&a, true);
        let rows = |c: &Counters| [Count::Live, Count::Dead, Count::Changed].map(|n| c.get(n));
        assert_eq!(rows(&c), [8, 6, 16]);
        c.add_actions(&a, false);
        assert_eq!(rows(&c), [8, 20, 16]);
        assert_eq!((c.get(Count::Inserted), c.get(Count::InsertedSinceVacuum)), (20, 20));
        c.note_vacuum(8.0, 1, 5, true);
        assert_eq!(rows(&c), [8, 1, 16]);
        assert_eq!((c.runs(Maintenance::Autovacuum), c.last(Maintenance::Vacuum)), (1, None));
        c.add_actions(&Actions { inserted: 1, ..Actions::default() }, true);
        assert_eq!(rows(&c), [9, 1, 17]);
        c.note_analyze(9.0, 0.0, Some(17), 6, false);
        assert_eq!(rows(&c), [9, 0, 0]);
        let other = Counters::default();
        other.restore(&c.stored());
        assert_eq!(other.stored(), c.stored());
        c.reset();
        assert!(c.stored().iter().all(|n| *n == 0) && !c.has_counted());
    }
}
