//! The table of resource managers: who applies and describes which records.
//!
//! A record's pages change only through its manager's `apply`: on the live path (inside
//! [`Storage::log_change`](crate::Storage::log_change)), in redo and on replicas alike. A record type is a number in
//! its manager's own module; a manager is a row here.

use super::record::{Record, RecordKind};
use crate::page::Page;
use crate::recovery::Redo;
use quarry_common::{Error, Result};

/// Changes one page: (operation, payload, index of the page in the record, page). Deterministic; checks its input before it
/// changes anything; must not read hint bits.
pub type ApplyFn = fn(u8, &[u8], usize, &mut Page) -> Result<()>;
/// One line for people.
pub type DescribeFn = fn(u8, &[u8]) -> String;
/// What redo does besides pages.
pub type RedoFn = fn(&mut Redo<'_>, &Record) -> Result<()>;

/// Checkpoints, counters, whole pages.
pub const XLOG: u8 = 0;
/// Commits and aborts.
pub const XACT: u8 = 1;
/// Relation files and database folders.
pub const SMGR: u8 = 2;
/// Byte patches of any page, see [`crate::log_change`].
pub const PAGE: u8 = 3;
pub const HEAP: u8 = 4;
pub const BTREE: u8 = 5;
pub const HASH: u8 = 6;
pub const GIN: u8 = 7;
pub const BRIN: u8 = 8;
pub const VM: u8 = 9;
pub const SEQUENCE: u8 = 10;
pub const HNSW: u8 = 11;
/// Numbers that a record has room for.
pub const MANAGERS_MAX: usize = 16;

/// One resource manager.
pub struct Rmgr {
    pub id: u8,
    pub name: &'static str,
    pub apply: ApplyFn,
    pub describe: DescribeFn,
    pub redo: Option<RedoFn>,
}

/// All of them, in the order of their numbers.
pub static RMGRS: &[Rmgr] = &[
    Rmgr {
        id: XLOG,
        name: "XLOG",
        apply: no_pages,
        describe: crate::checkpoint::describe,
        redo: Some(crate::recovery::redo_xlog),
    },
    Rmgr {
        id: XACT,
        name: "Transaction",
        apply: no_pages,
        describe: crate::txn::wal::describe,
        redo: Some(crate::txn::wal::redo),
    },
    Rmgr {
        id: SMGR,
        name: "Storage",
        apply: no_pages,
        describe: crate::relations::describe,
        redo: Some(crate::relations::redo),
    },
    Rmgr {
        id: PAGE,
        name: "Page",
        apply: crate::log_change::apply_patch,
        describe: crate::log_change::describe_patch,
        redo: None,
    },
    Rmgr {
        id: HEAP,
        name: "Heap",
        apply: crate::heap::wal::apply,
        describe: crate::heap::wal::describe,
        redo: None,
    },
    Rmgr {
        id: BTREE,
        name: "Btree",
        apply: crate::index::btree::wal::apply,
        describe: crate::index::btree::wal::describe,
        redo: None,
    },
    Rmgr {
        id: HASH,
        name: "Hash",
        apply: crate::index::hash::wal::apply,
        describe: crate::index::hash::wal::describe,
        redo: None,
    },
    Rmgr {
        id: GIN,
        name: "Gin",
        apply: crate::index::gin::wal::apply,
        describe: crate::index::gin::wal::describe,
        redo: None,
    },
    Rmgr {
        id: BRIN,
        name: "BRIN",
        apply: crate::index::brin::wal::apply,
        describe: crate::index::brin::wal::describe,
        redo: None,
    },
    Rmgr { id: VM, name: "VisibilityMap", apply: unknown, describe: nothing_known, redo: None },
    Rmgr { id: SEQUENCE, name: "Sequence", apply: unknown, describe: nothing_known, redo: None },
    Rmgr { id: HNSW, name: "Hnsw", apply: unknown, describe: nothing_known, redo: None },
];

/// The manager of a record.
pub fn of(kind: RecordKind) -> Result<&'static Rmgr> {
    RMGRS
        .get(kind.rmgr as usize)
        .ok_or_else(|| Error::corrupted(format!("unknown WAL resource manager {}", kind.rmgr)))
}

fn no_pages(op: u8, _: &[u8], _: usize, _: &mut Page) -> Result<()> {
    Err(Error::internal(format!("WAL operation {op} changes no pages")))
}

fn unknown(op: u8, _: &[u8], _: usize, _: &mut Page) -> Result<()> {
    Err(Error::corrupted(format!("WAL operation {op} of a resource manager that this version doesn't have")))
}

fn nothing_known(op: u8, payload: &[u8]) -> String {
    format!("op {op}, {} bytes", payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (at, rmgr) in RMGRS.iter().enumerate() {
            assert_eq!(rmgr.id as usize, at, "{}", rmgr.name);
        }
        assert!(RMGRS.len() <= MANAGERS_MAX);
    }
}
