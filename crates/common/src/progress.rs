//! How far a session's long command is: counters that it sets and that `pg_stat_progress_*` shows (PostgreSQL: backend_progress.c).
//!
//! A command says what it is and of which relation, then sets numbered counters, by page or batch, never by row. Readers take no
//! lock: what they see while a command begins or ends is left out.

use crate::Oid;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

/// Counters of a command.
pub const PARAMS: usize = 20;

/// The kinds of commands that there is a view of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Command {
    Vacuum = 1,
    Analyze,
    Cluster,
    CreateIndex,
    BaseBackup,
    Copy,
}

impl Command {
    /// By the name that `pg_stat_get_progress_info` is asked with.
    pub fn named(name: &str) -> Option<Command> {
        Some(match name.to_ascii_uppercase().as_str() {
            "VACUUM" => Command::Vacuum,
            "ANALYZE" => Command::Analyze,
            "CLUSTER" => Command::Cluster,
            "CREATE INDEX" => Command::CreateIndex,
            "BASEBACKUP" => Command::BaseBackup,
            "COPY" => Command::Copy,
            _ => return None,
        })
    }
}

/// What one session's running command tells. Clones share; by default it tells nobody.
#[derive(Clone, Default, Debug)]
pub struct Progress(Option<Arc<Cells>>);

#[derive(Default, Debug)]
struct Cells {
    /// Odd while a command begins or ends.
    version: AtomicU64,
    /// A [`Command`], or 0.
    command: AtomicU32,
    relation: AtomicU32,
    params: [AtomicI64; PARAMS],
}

/// What a reader gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub relation: Oid,
    pub params: [i64; PARAMS],
}

/// Ends the command that was begun when it is dropped.
pub struct Running(Progress);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(0, Oid::INVALID);
    }
}

impl Progress {
    /// One that can be read.
    pub fn shared() -> Progress {
        Progress(Some(Arc::default()))
    }

    /// A command begins, all counters at 0. Within another's there is nothing to begin.
    #[must_use]
    pub fn begin(&self, command: Command, relation: Oid) -> Option<Running> {
        let idle = self.0.as_ref().is_some_and(|c| c.command.load(Ordering::Relaxed) == 0);
        idle.then(|| {
            self.change(command as u32, relation);
            Running(self.clone())
        })
    }

    /// Only the session itself calls it.
    fn change(&self, command: u32, relation: Oid) {
        let Some(c) = &self.0 else { return };
        let version = c.version.load(Ordering::Relaxed);
        c.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        c.command.store(command, Ordering::Relaxed);
        c.relation.store(relation.0, Ordering::Relaxed);
        c.params.iter().for_each(|p| p.store(0, Ordering::Relaxed));
        c.version.store(version + 2, Ordering::Release);
    }

    /// The same while a command of this kind runs, else one that tells nobody: other commands' parts leave its counters alone.
    pub fn of(&self, command: Command) -> Progress {
        let runs = |c: &&Arc<Cells>| c.command.load(Ordering::Relaxed) == command as u32;
        Progress(self.0.as_ref().filter(runs).cloned())
    }

    /// Sets a counter (from 0).
    #[inline]
    pub fn set(&self, param: usize, value: i64) {
        if let Some(c) = &self.0 {
            c.params[param].store(value, Ordering::Relaxed);
        }
    }

    /// Adds to a counter (from 0).
    #[inline]
    pub fn add(&self, param: usize, more: i64) {
        if let Some(c) = &self.0 {
            c.params[param].fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The counters, if a command of this kind runs.
    pub fn read(&self, command: Command) -> Option<Seen> {
        let c = self.0.as_ref()?;
        let before = c.version.load(Ordering::Acquire);
        let running = c.command.load(Ordering::Relaxed);
        let relation = Oid(c.relation.load(Ordering::Relaxed));
        let params = std::array::from_fn(|i| c.params[i].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let whole = before.is_multiple_of(2) && c.version.load(Ordering::Relaxed) == before;
        (whole && running == command as u32).then_some(Seen { relation, params })
    }
}

/// Counters of VACUUM and its phases (PostgreSQL: commands/progress.h, as all below).
pub mod vacuum {
    pub const PHASE: usize = 0;
    pub const BLOCKS_TOTAL: usize = 1;
    pub const BLOCKS_SCANNED: usize = 2;
    pub const BLOCKS_VACUUMED: usize = 3;
    pub const INDEX_VACUUMS: usize = 4;
    pub const DEAD_MAX: usize = 5;
    pub const DEAD: usize = 6;

    pub const SCANNING_HEAP: i64 = 1;
    pub const VACUUMING_INDEXES: i64 = 2;
    pub const VACUUMING_HEAP: i64 = 3;
    pub const CLEANING_INDEXES: i64 = 4;
    pub const TRUNCATING: i64 = 5;
    pub const FINAL_CLEANUP: i64 = 6;
}

/// Counters of ANALYZE and its phases.
pub mod analyze {
    pub const PHASE: usize = 0;
    pub const BLOCKS_TOTAL: usize = 1;
    pub const BLOCKS_DONE: usize = 2;

    pub const ACQUIRING_ROWS: i64 = 1;
    pub const COMPUTING: i64 = 3;
    pub const FINALIZING: i64 = 5;
}

/// Counters of CLUSTER and VACUUM FULL, and their phases.
pub mod cluster {
    pub const COMMAND: usize = 0;
    pub const PHASE: usize = 1;
    pub const INDEX: usize = 2;
    pub const TUPLES_SCANNED: usize = 3;
    pub const TUPLES_WRITTEN: usize = 4;
    pub const BLOCKS_TOTAL: usize = 5;
    pub const BLOCKS_SCANNED: usize = 6;
    pub const INDEXES_REBUILT: usize = 7;

    pub const CLUSTER: i64 = 1;
    pub const VACUUM_FULL: i64 = 2;

    pub const SEQ_SCAN: i64 = 1;
    pub const SORTING: i64 = 3;
    pub const WRITING: i64 = 4;
    pub const SWAPPING: i64 = 5;
    pub const REBUILDING_INDEXES: i64 = 6;
    pub const FINAL_CLEANUP: i64 = 7;
}

/// Counters of CREATE INDEX and REINDEX, and their phases.
pub mod create_index {
    pub const COMMAND: usize = 0;
    pub const LOCKERS_TOTAL: usize = 3;
    pub const LOCKERS_DONE: usize = 4;
    pub const LOCKER_PID: usize = 5;
    pub const INDEX: usize = 6;
    pub const ACCESS_METHOD: usize = 8;
    pub const PHASE: usize = 9;
    pub const SUBPHASE: usize = 10;
    pub const TUPLES_TOTAL: usize = 11;
    pub const TUPLES_DONE: usize = 12;
    pub const BLOCKS_TOTAL: usize = 15;
    pub const BLOCKS_DONE: usize = 16;

    pub const CREATE: i64 = 1;
    pub const CREATE_CONCURRENTLY: i64 = 2;
    pub const REINDEX: i64 = 3;
    pub const REINDEX_CONCURRENTLY: i64 = 4;

    pub const WAITING_BEFORE_BUILD: i64 = 1;
    pub const BUILDING: i64 = 2;
    pub const WAITING_BEFORE_VALIDATION: i64 = 3;
    pub const SCANNING_INDEX: i64 = 4;
    pub const SORTING_TIDS: i64 = 5;
    pub const SCANNING_AGAIN: i64 = 6;
    pub const WAITING_FOR_SNAPSHOTS: i64 = 7;
    pub const WAITING_BEFORE_DEAD: i64 = 8;
    pub const WAITING_BEFORE_DROP: i64 = 9;

    /// Subphases of building a B-tree (PostgreSQL: access/nbtree.h).
    pub const INITIALIZING: i64 = 1;
    pub const SCANNING_TABLE: i64 = 2;
    pub const SORTING: i64 = 3;
    pub const LOADING: i64 = 5;
}

/// Counters of COPY.
pub mod copy {
    pub const BYTES: usize = 0;
    pub const BYTES_TOTAL: usize = 1;
    pub const TUPLES: usize = 2;
    pub const EXCLUDED: usize = 3;
    pub const COMMAND: usize = 4;
    pub const TYPE: usize = 5;

    pub const FROM: i64 = 1;
    pub const TO: i64 = 2;
    pub const FILE: i64 = 1;
    pub const PIPE: i64 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_seen_while_the_command_runs() {
        let p = Progress::shared();
        assert_eq!(p.read(Command::Vacuum), None);
        let running = p.begin(Command::Vacuum, Oid(7)).expect("idle");
        assert!(p.begin(Command::Copy, Oid(8)).is_none(), "one at a time");
        p.set(vacuum::PHASE, vacuum::SCANNING_HEAP);
        p.add(vacuum::BLOCKS_SCANNED, 3);
        let seen = p.read(Command::Vacuum).expect("running");
        assert_eq!((seen.relation, seen.params[0], seen.params[2]), (Oid(7), 1, 3));
        assert_eq!(p.read(Command::Copy), None);
        p.of(Command::Copy).set(0, 9);
        p.of(Command::Vacuum).set(1, 5);
        assert_eq!(p.read(Command::Vacuum).expect("running").params[..2], [1, 5]);
        drop(running);
        assert_eq!(p.read(Command::Vacuum), None);
        Progress::default().set(0, 1);
        assert!(Progress::default().begin(Command::Copy, Oid(1)).is_none());
    }

    #[test]
    fn names_are_postgresqls() {
        assert_eq!(Command::named("create index"), Some(Command::CreateIndex));
        assert_eq!(Command::named("reindex"), None);
    }
}
