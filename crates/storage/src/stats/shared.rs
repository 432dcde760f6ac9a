//! Counts of the server as a whole: checkpoints and who writes pages, the log's writes, the commit log's file (PostgreSQL: pgstat_bgwriter.c,
//! pgstat_checkpointer.c, pgstat_wal.c, pgstat_slru.c).
//!
//! They count things that happen beside I/O, so threads share them. Each lies with what it counts (the pool, the log, the commit log).

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Some counts that begin anew together.
#[derive(Debug)]
pub struct SharedCounts {
    counts: Box<[AtomicU64]>,
    /// Microseconds since 2000; 0: not known.
    reset_at: AtomicI64,
}

impl SharedCounts {
    pub(crate) fn new(n: usize) -> SharedCounts {
        SharedCounts { counts: (0..n).map(|_| AtomicU64::new(0)).collect(), reset_at: AtomicI64::new(0) }
    }

    pub(crate) fn add(&self, count: usize, n: u64) {
        self.counts[count].fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self, count: usize) -> u64 {
        self.counts[count].load(Ordering::Relaxed)
    }

    /// Begins anew. `at`: microseconds since 2000.
    pub fn reset(&self, at: i64) {
        self.counts.iter().for_each(|c| c.store(0, Ordering::Relaxed));
        self.reset_at.store(at, Ordering::Relaxed);
    }

    /// When that was last; 0: not known.
    pub fn reset_at(&self) -> i64 {
        self.reset_at.load(Ordering::Relaxed)
    }

    /// If that isn't known, it was `at`.
    pub fn begun_at(&self, at: i64) {
        // Of two that say so, one is as good as the other.
        let _ = self.reset_at.compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn stored(&self) -> Vec<i64> {
        let counts = self.counts.iter().map(|c| c.load(Ordering::Relaxed) as i64);
        counts.chain([self.reset_at()]).collect()
    }

    /// Adds what a former run has counted.
    pub(super) fn restore(&self, values: &[i64]) {
        let n = self.counts.len();
        if values.len() == n + 1 {
            for (c, v) in self.counts.iter().zip(values) {
                c.fetch_add(*v as u64, Ordering::Relaxed);
            }
            self.reset_at.store(values[n], Ordering::Relaxed);
        }
    }
}

/// What is counted with the buffer pool: checkpoints, and pages by who writes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum WriterCount {
    /// Checkpoints that were due by time.
    TimedCheckpoints,
    /// All others.
    RequestedCheckpoints,
    /// Milliseconds of checkpoints' writing.
    CheckpointWriteTime,
    /// Milliseconds of their fsyncs.
    CheckpointSyncTime,
    /// Pages that checkpoints have written.
    Checkpoint,
    /// Pages that the page writer has written.
    Background,
    /// Rounds of the page writer that ended because it had written enough.
    FullRounds,
    /// Pages that others have written.
    Others,
    /// Frames given out.
    Allocated,
}

pub(crate) const WRITER_COUNTS: usize = WriterCount::Allocated as usize + 1;

/// What is counted with the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum LogCount {
    /// Records that had to wait for room in the buffer.
    BufferFull,
    Writes,
    Syncs,
    /// Microseconds of writing, and of syncing, if they are timed.
    WriteTime,
    SyncTime,
}

pub(crate) const LOG_COUNTS: usize = LogCount::SyncTime as usize + 1;

/// What is counted with the commit log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum CommitLogCount {
    /// Pages that were begun.
    Zeroed,
    /// Pages read from the file.
    Read,
    Written,
    Flushes,
}

pub(crate) const COMMIT_LOG_COUNTS: usize = CommitLogCount::Flushes as usize + 1;

thread_local! {
    static ROLE: Cell<WriterCount> = const { Cell::new(WriterCount::Others) };
}

/// As whose this thread's writes of pages count, until it is dropped.
#[must_use]
pub(crate) struct Role(WriterCount);

impl Role {
    pub fn begin(role: WriterCount) -> Role {
        Role(ROLE.replace(role))
    }

    /// As whose they count now.
    pub fn now() -> WriterCount {
        ROLE.get()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        ROLE.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_and_begin_anew() {
        let c = SharedCounts::new(LOG_COUNTS);
        c.begun_at(5);
        c.begun_at(6);
        c.add(LogCount::Syncs as usize, 3);
        let next = SharedCounts::new(LOG_COUNTS);
        next.add(LogCount::Syncs as usize, 1);
        next.restore(&c.stored());
        assert_eq!((next.get(LogCount::Syncs as usize), next.reset_at()), (4, 5));
        // Of another version: nothing is taken over.
        next.restore(&[1, 2, 3]);
        assert_eq!(next.get(LogCount::BufferFull as usize), 0);
        next.reset(9);
        assert_eq!((next.get(LogCount::Syncs as usize), next.reset_at()), (0, 9));
    }

    #[test]
    fn roles_end() {
        assert_eq!(Role::now(), WriterCount::Others);
        {
            let _role = Role::begin(WriterCount::Checkpoint);
            assert_eq!(Role::now(), WriterCount::Checkpoint);
        }
        assert_eq!(Role::now(), WriterCount::Others);
    }
}
