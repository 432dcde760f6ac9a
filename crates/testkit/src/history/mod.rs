//! A history checker: what concurrent transactions read and wrote, and which anomalies follow from it.
//!
//! The idea is Elle's (Kingsbury, Alvaro: "Elle: Inferring Isolation Anomalies from Experimental Observations", 2020): every written
//! version of a row says what it was made of, so that the order of versions, and with it Adya's dependencies (Adya, Liskov,
//! O'Neil: "Generalized Isolation Level Definitions", 2000), can be read off the values. A row is
//! a list with a number of its version and of its incarnation, a group that an index knows, and its key; each write appends an
//! element that nothing else writes.
//!
//! | file | what |
//! | --- | --- |
//! | [`versions`] | the order of each key's versions, and what contradicts one: aborted, intermediate, torn, doubled versions |
//! | [`observe`] | what each read says: which version of which key a transaction saw, or between which two it must have been |
//! | [`depends`] | Adya's graph: ww, wr, rw and real time, and the cycles that name an anomaly |
//! | [`visibility`] | the order of commits and snapshots: one order for all observers, in real time |
//! | [`cycles`] | strongly connected components, shortest cycles |
//! | [`load`], [`run`] | random transactions over real connections, and their record |
//!
//! What is assumed: a client sends a statement after the answer to the one before. What isn't: anything about the server, but
//! that rows of one key exclude each other in time (a doubled row is reported where it is seen).
//!
//! Two things that PostgreSQL permits at every level are no anomaly here: that a key is found free because a transaction deleted its row that
//! one's own snapshot still shows (the new row is another item, and both are seen then), and that an acknowledged commit with
//! `synchronous_commit = off` is not seen by others yet (PostgreSQL shows it at once; a server may wait until it is durable).

pub mod cycles;
pub mod depends;
pub mod load;
pub mod observe;
pub mod run;
pub mod versions;
pub mod visibility;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

/// A row's key.
pub type Key = i64;
/// A list's element; no two writes have the same.
pub type Element = i64;
/// Nanoseconds since the history's start, by the clients' one clock.
pub type Time = u64;
/// A time that is never reached.
pub const NEVER: Time = Time::MAX;

/// What a history is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// PostgreSQL's is READ COMMITTED by another name: what that forbids, this does.
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Level {
    /// As SQL writes it.
    pub fn sql(self) -> &'static str {
        match self {
            Level::ReadUncommitted => "READ UNCOMMITTED",
            Level::ReadCommitted => "READ COMMITTED",
            Level::RepeatableRead => "REPEATABLE READ",
            Level::Serializable => "SERIALIZABLE",
        }
    }

    /// One snapshot for a whole transaction.
    pub fn has_one_snapshot(self) -> bool {
        self >= Level::RepeatableRead
    }
}

/// A row as it is stored; the last element says which version it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    /// The element that the row was inserted with.
    pub incarnation: Element,
    /// 1 for the inserted version, one more with each update; the server counts.
    pub number: i64,
    pub group: i64,
    pub list: Vec<Element>,
}

impl Row {
    /// The element that names this version.
    pub fn version(&self) -> Element {
        self.list.last().copied().unwrap_or_default()
    }
}

/// Which rows a statement asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Keys(Vec<Key>),
    /// Both ends included.
    Range(Key, Key),
    Group(i64),
}

/// How a read locks the rows it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    None,
    /// Others may change the row, but not its key.
    KeyShare,
    /// Nobody else changes the row until the transaction ends.
    Excludes,
    /// As `Excludes`, and rows that others have locked are left out.
    ExcludesSkipping,
}

/// How a version came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Insert,
    /// The server appended to the list.
    Append,
    /// The client wrote the whole list, as it had read it.
    Overwrite,
}

/// What a statement did.
#[derive(Debug, Clone)]
pub enum Action {
    /// Rows were read.
    Read {
        which: Which,
        rows: Vec<Row>,
        lock: Lock,
    },
    /// Of the rows asked for, exactly those of these keys were there; their versions weren't shown.
    Match {
        which: Which,
        keys: Vec<Key>,
    },
    /// A version was made.
    Write {
        row: Row,
        made: Made,
    },
    /// A row was deleted; this was its last version.
    Delete {
        row: Row,
    },
    Savepoint,
    /// To the latest savepoint, which stays.
    RollbackTo,
    Release,
    /// Nothing that could be learned from, but a snapshot was taken.
    Nothing,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Op {
    pub action: Action,
    pub sent: Time,
    pub done: Time,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// COMMIT was sent, and acknowledged (`NEVER` if it is known to have committed, though no answer came).
    Committed {
        sent: Time,
        done: Time,
    },
    Aborted,
}

/// A transaction.
#[derive(Debug, Clone)]
pub struct Txn {
    /// The client that ran it.
    pub client: usize,
    pub ops: Vec<Op>,
    pub outcome: Outcome,
    /// Others needn't see its commit when it is acknowledged.
    pub asynchronous: bool,
}

impl Txn {
    pub fn committed(&self) -> bool {
        matches!(self.outcome, Outcome::Committed { .. })
    }
}

/// What happened; transactions are called by their index.
#[derive(Debug, Default)]
pub struct History {
    pub txns: Vec<Txn>,
    /// All keys that may have rows.
    pub keys: std::ops::Range<Key>,
}

/// Kinds of anomalies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A cycle of overwrites.
    G0,
    /// A version of an aborted transaction (or savepoint) was read or built upon.
    G1a,
    /// A version was read that its writer replaced before it committed.
    G1b,
    /// A cycle of overwrites and reads of what was written.
    G1c,
    /// A row was overwritten that changed since it was read.
    LostUpdate,
    /// A cycle with one anti-dependency.
    GSingle,
    /// A cycle with several anti-dependencies, none after another.
    GNonadjacent,
    /// A cycle with anti-dependencies between items only.
    G2Item,
    /// A cycle with anti-dependencies of predicates.
    G2,
    /// Commits and snapshots have no common order in real time.
    Order,
    /// A transaction doesn't see what it did itself, or what it undid.
    Internal,
    /// A row was seen that nobody wrote like that.
    Torn,
    /// Two rows of one key.
    Doubled,
    /// Two versions in one place, or one that disappeared without a trace.
    LostWrite,
    /// An acknowledged transaction is gone, or an aborted one is there.
    Fate,
}

impl Class {
    /// True if no transaction of the level may bring it about.
    pub fn is_forbidden_at(self, level: Level) -> bool {
        match self {
            Class::LostUpdate | Class::GSingle | Class::GNonadjacent => level >= Level::RepeatableRead,
            Class::G2Item | Class::G2 => level >= Level::Serializable,
            _ => true,
        }
    }
}

/// An anomaly and how it is known.
#[derive(Debug, Clone)]
pub struct Anomaly {
    pub class: Class,
    pub story: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.story)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    pub anomalies: Vec<Anomaly>,
    /// How often each class was found.
    pub counts: BTreeMap<Class, usize>,
    pub committed: usize,
    /// Dependencies between transactions.
    pub edges: usize,
}

/// How many anomalies of a class keep their story.
const STORIES: usize = 5;

impl Report {
    /// Notes an anomaly.
    pub fn add(&mut self, class: Class, story: impl FnOnce() -> String) {
        let count = self.counts.entry(class).or_default();
        *count += 1;
        if *count <= STORIES {
            self.anomalies.push(Anomaly { class, story: story() });
        }
    }

    /// The anomalies that a level forbids.
    pub fn forbidden(&self, level: Level) -> Vec<&Anomaly> {
        self.anomalies.iter().filter(|a| a.class.is_forbidden_at(level)).collect()
    }

    /// How often a class was found.
    pub fn count(&self, class: Class) -> usize {
        self.counts.get(&class).copied().unwrap_or_default()
    }
}

/// Looks for anomalies in a history, as the level understands reads and writes. Those that the level permits are looked for too, but not all
/// are found.
pub fn check(history: &History, level: Level) -> Report {
    let committed = history.txns.iter().filter(|t| t.committed()).count();
    let mut report = Report { committed, ..Report::default() };
    let versions = versions::Versions::of(history, &mut report);
    let observations = observe::all(history, &versions, level, &mut report);
    let suspects = visibility::check(history, &versions, &observations, level, &mut report);
    depends::check(history, &versions, &observations, level, suspects.as_ref(), &mut report);
    report
}
