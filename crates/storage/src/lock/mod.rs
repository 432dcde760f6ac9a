//! Locks that transactions and sessions hold: tables, objects, rows, advisory, and waiting for a transaction's end.
//! `README.md` here has the protocol.
//!
//! # Locking
//! Shards (by tag) → fast-path lists of transactions → a waiter's state. The deadlock check takes all shards in
//! order. Nothing is held while waiting.

mod deadlock;
pub mod fast;
mod manager;
mod prepared;
mod waits;

pub use manager::{LockInfo, LockManager, SessionLocks};
pub use prepared::PreparedOwner;
pub use waits::{RowOperation, RowWait, WaitNews, WaitObserver, WaitReport};

use crate::ids::RelId;
use quarry_common::{Oid, Tid, Xid};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// PostgreSQL's eight modes, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum LockMode {
    AccessShare = 1,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

use LockMode::*;

/// Bits of `first` and every stronger mode.
const fn and_stronger(first: LockMode) -> u16 {
    (AccessExclusive.bit() << 1) - first.bit()
}

impl LockMode {
    pub const ALL: [LockMode; 8] = [
        AccessShare,
        RowShare,
        RowExclusive,
        ShareUpdateExclusive,
        Share,
        ShareRowExclusive,
        Exclusive,
        AccessExclusive,
    ];

    /// As pg_locks and messages call it.
    pub fn name(self) -> &'static str {
        match self {
            AccessShare => "AccessShareLock",
            RowShare => "RowShareLock",
            RowExclusive => "RowExclusiveLock",
            ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Share => "ShareLock",
            ShareRowExclusive => "ShareRowExclusiveLock",
            Exclusive => "ExclusiveLock",
            AccessExclusive => "AccessExclusiveLock",
        }
    }

    pub(crate) const fn bit(self) -> u16 {
        1 << self as u8
    }

    /// The modes it conflicts with, as bits (manual, section 13.3.1).
    pub(crate) const fn conflicts(self) -> u16 {
        match self {
            AccessShare => AccessExclusive.bit(),
            RowShare => and_stronger(Exclusive),
            RowExclusive => and_stronger(Share),
            ShareUpdateExclusive => and_stronger(ShareUpdateExclusive),
            Share => and_stronger(ShareUpdateExclusive) & !Share.bit() | RowExclusive.bit(),
            ShareRowExclusive => and_stronger(RowExclusive),
            Exclusive => and_stronger(RowShare),
            AccessExclusive => and_stronger(AccessShare),
        }
    }

    /// Whether two holders may not have these modes at once.
    pub fn conflicts_with(self, other: LockMode) -> bool {
        self.conflicts() & other.bit() != 0
    }
}

/// Names a running transaction, with an id or without: the place it runs in, and how many ran there before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VirtualId {
    pub backend: u32,
    pub local: u64,
}

impl fmt::Display for VirtualId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend + 1, self.local + 1)
    }
}

/// What a lock is on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LockTag {
    Relation {
        db: Oid,
        oid: Oid,
    },
    /// The right to add pages to a relation.
    Extension {
        rel: RelId,
    },
    Database(Oid),
    /// Any other catalog object; `db` is 0 for those that all databases share.
    Object {
        db: Oid,
        class: Oid,
        oid: Oid,
    },
    /// A transaction's end. Nobody takes it; see [`Transaction::wait_for_xid`](crate::Transaction::wait_for_xid).
    Xid(Xid),
    /// The end of a transaction that may have no id. Nobody takes it; see
    /// [`Transaction::wait_for_virtual`](crate::Transaction::wait_for_virtual).
    Virtual(VirtualId),
    Row {
        rel: RelId,
        tid: Tid,
    },
    /// `two_keys`: the key is two 32-bit ones.
    Advisory {
        db: Oid,
        key: i64,
        two_keys: bool,
    },
}

impl fmt::Display for LockTag {
    /// As deadlock reports call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockTag::Relation { db, oid } => write!(f, "relation {oid} of database {db}"),
            LockTag::Extension { rel } => {
                write!(f, "extension of relation {} of database {}", rel.rel, rel.db)
            }
            LockTag::Database(oid) => write!(f, "object {oid} of class 1262 of database 0"),
            LockTag::Object { db, class, oid } => {
                write!(f, "object {oid} of class {class} of database {db}")
            }
            LockTag::Xid(xid) => write!(f, "transaction {}", xid.0),
            LockTag::Virtual(id) => write!(f, "virtual transaction {id}"),
            LockTag::Row { rel, tid } => {
                let tid = Tid { slot: tid.slot & !ROW_QUEUE, ..*tid };
                write!(f, "tuple {tid} of relation {} of database {}", rel.rel, rel.db)
            }
            LockTag::Advisory { db, key, two_keys } => {
                let (high, low) = ((*key >> 32) as u32, *key as u32);
                write!(f, "advisory lock [{db},{high},{low},{}]", if *two_keys { 2 } else { 1 })
            }
        }
    }
}

/// Slots of rows never have this bit: with it a row's tag is its queue's (see `heap`).
pub const ROW_QUEUE: u16 = 0x8000;

impl LockTag {
    /// Whether it is a row's share locks, for which nobody waits in line but behind holders.
    pub fn is_row_share(&self) -> bool {
        matches!(self, LockTag::Row { tid, .. } if tid.slot & ROW_QUEUE == 0)
    }
}

/// What to do when a lock isn't free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitPolicy {
    /// Wait.
    Block,
    /// Pass over it (SKIP LOCKED).
    Skip,
    /// Fail; the caller words the error.
    NoWait,
}

/// Who holds locks: a session with its transactions, or a transaction alone. Locks of one owner never conflict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OwnerId(pub u64);

/// A lock a transaction holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldLock {
    pub tag: LockTag,
    pub mode: LockMode,
    /// Taken by the fast path (and perhaps moved to the table since).
    pub fast: bool,
}

/// What ends a session's wait besides the lock, and who hears of it.
#[derive(Clone, Copy)]
pub struct WaitOptions<'a> {
    pub cancel: &'a AtomicBool,
    pub lock_timeout: Option<Duration>,
    /// None: the server's.
    pub deadlock_timeout: Option<Duration>,
    pub observer: Option<&'a dyn WaitObserver>,
}

/// Who waits, and what ends the wait besides the lock.
pub(crate) struct Waiting<'a> {
    pub owner: OwnerId,
    pub pid: i32,
    pub cancel: &'a AtomicBool,
    pub lock_timeout: Option<Duration>,
    /// When to look for a deadlock; none: after the server's time.
    pub deadlock_timeout: Option<Duration>,
    pub observer: Option<&'a dyn WaitObserver>,
    /// The row in question, if it is one.
    pub row: Option<RowWait>,
    /// See [`WaitReport::position`].
    pub position: Option<usize>,
}

impl<'a> Waiting<'a> {
    /// Someone who doesn't wait.
    pub fn nobody(owner: OwnerId, cancel: &'a AtomicBool) -> Waiting<'a> {
        let (lock_timeout, deadlock_timeout) = (None, None);
        Waiting {
            owner,
            pid: 0,
            cancel,
            lock_timeout,
            deadlock_timeout,
            observer: None,
            row: None,
            position: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflict_table_is_postgresqls() {
        // Row by row from the manual, "X" = conflict, modes in order.
        let table =
            [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"];
        for (a, row) in LockMode::ALL.into_iter().zip(table) {
            for (b, cell) in LockMode::ALL.into_iter().zip(row.chars()) {
                assert_eq!(a.conflicts_with(b), cell == 'X', "{a:?} {b:?}");
                assert_eq!(a.conflicts_with(b), b.conflicts_with(a));
            }
        }
    }
}
