//! Indexes: what every index method can do, and the B-tree.
//!
//! An index maps order-preserving key byte strings to heap tids. It knows nothing of types, visibility or transactions beyond asking
//! the heap ([`crate::heap::Heap::liveness`]) in unique checks.

pub mod brin;
pub mod btree;
pub mod gin;
mod handle;
pub mod hash;
pub mod key_hash;

pub use brin::{Brin, BrinBuilder, BrinCond, BrinKind, BrinOptions, BrinTest};
pub use btree::BTree;
pub use btree::append::NewEntry;
pub use btree::build::{BuildEntry, BuildOutcome};
pub use btree::scan::{IndexEntry, IndexScan};
pub use handle::IndexHandle;
pub use hash::{HashBuilder, HashIndex, HashScan};

use crate::RelId;
use crate::heap::Heap;
use quarry_common::{BlockNo, Result, Tid};
use std::ops::Bound;

/// How an insert treats an equal key.
#[derive(Clone, Copy)]
pub enum UniqueCheck<'a> {
    /// Duplicates are fine (also: a key column is NULL).
    None,
    /// A live row with this key in the heap is a conflict, reported; the caller raises 23505.
    Enforce(&'a Heap),
    /// As `Enforce`; the caller goes on otherwise (ON CONFLICT).
    Report(&'a Heap),
}

/// What became of an insert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InsertOutcome {
    /// The entry is in.
    Inserted,
    /// A live row has this key; nothing was inserted.
    Conflict { tid: Tid },
}

/// Which way a scan goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// Keys between two bounds, compared as byte strings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    pub lower: Bound<Vec<u8>>,
    pub upper: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Keys between the bounds.
    pub fn new(lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> KeyRange {
        KeyRange { lower, upper }
    }

    /// Every key.
    pub fn full() -> KeyRange {
        KeyRange { lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    /// Exactly this key.
    pub fn point(key: &[u8]) -> KeyRange {
        KeyRange { lower: Bound::Included(key.to_vec()), upper: Bound::Included(key.to_vec()) }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let upper = match prefix_end(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        KeyRange { lower: Bound::Included(prefix.to_vec()), upper }
    }
}

/// The least byte string above every string that begins with `prefix`; none if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end)
}

/// What removing entries did.
#[derive(Clone, Copy, Default, Debug)]
pub struct IndexVacuumStats {
    /// Entries removed.
    pub removed: u64,
    /// Entries left.
    pub entries: u64,
    /// Pages of the index.
    pub pages: BlockNo,
    /// Pages that became free.
    pub pages_deleted: BlockNo,
    /// Pages free for reuse.
    pub pages_free: BlockNo,
}

/// What vacuum, checks and statistics need of any index. How entries are made and found is each method's own affair.
pub trait IndexMethod: Send + Sync {
    /// The method's name in `pg_am`.
    fn method(&self) -> &'static str;
    /// Its relation.
    fn rel(&self) -> RelId;
    /// Pages of its file.
    fn blocks(&self) -> Result<BlockNo>;
    /// Removes every entry whose tid is dead.
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats>;
    /// The end of a vacuum of the table, whether it removed anything or not.
    fn cleanup(&self) -> Result<()> {
        Ok(())
    }
    /// Verifies order and structure; nothing else may use the index meanwhile. Gives the number of entries.
    fn check(&self) -> Result<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ends() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff]), None);
        assert_eq!(prefix_end(b""), None);
    }
}
