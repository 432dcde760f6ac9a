//! B-tree: Lehman and Yao's B-link tree with suffix truncation and posting lists, over keys that compare as bytes.
//!
//! `README.md` here has the page layout, the latch order, the numbered rules and the crash story. Like PostgreSQL's nbtree in
//! spirit; differences: keys are byte strings, there are no left links (backward scans descend anew for each page), a
//! deleted page's range goes to its left sibling, and links carry a generation, so that a page can be reused at once:
//! whoever follows a stale link notices and descends again.
//!
//! # Locking
//! Readers hold one latch at a time; lookups of many keys ([`lookup`]) hold a leaf's for all keys that lie on it. Writers go from lower levels to higher ones and on a level from left to right;
//! the meta page comes last. Under a leaf's latch the heap may be asked about a row (leaf before heap page).

pub mod append;
pub mod build;
pub mod check;
pub mod insert;
pub mod key;
pub mod lookup;
pub mod page;
pub mod posting;
pub(crate) mod root;
pub mod scan;
pub mod search;
pub mod split;
pub mod unique;
pub mod vacuum;
pub mod verify;
pub mod wal;

use super::handle::create_files;
use super::{Direction, IndexHandle, IndexMethod, IndexVacuumStats, KeyRange};
use crate::txn::Transaction;
use crate::wal::{RecordKind, rmgr};
use crate::{Persistence, RelId, Storage};
use quarry_common::{BlockNo, Result, Tid};
use std::ops::Deref;
use std::sync::Arc;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A B-tree index. Cheap to clone.
#[derive(Clone)]
pub struct BTree {
    handle: IndexHandle,
    unique: bool,
}

impl Deref for BTree {
    type Target = IndexHandle;
    fn deref(&self) -> &IndexHandle {
        &self.handle
    }
}

pub(crate) fn kind(op: u8) -> RecordKind {
    RecordKind { rmgr: rmgr::BTREE, op }
}

impl BTree {
    /// Creates the files of an empty tree; they go away if the transaction is rolled back.
    pub fn create(storage: &Arc<Storage>, txn: &Transaction, rel: RelId) -> Result<()> {
        BTree::create_as(storage, txn, rel, Persistence::Permanent)
    }

    /// As [`BTree::create`], in the log or not.
    pub fn create_as(
        storage: &Arc<Storage>,
        txn: &Transaction,
        rel: RelId,
        persistence: Persistence,
    ) -> Result<()> {
        create_files(storage, txn, rel, persistence, kind(wal::INIT), |[_, root]: &[BlockNo; 2]| {
            root.to_le_bytes().to_vec()
        })
    }

    /// Opens a tree.
    pub fn open(storage: &Arc<Storage>, rel: RelId, unique: bool) -> BTree {
        BTree { handle: IndexHandle::open(storage, rel), unique }
    }

    /// The same tree with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> BTree {
        BTree { handle: self.handle.named(name), ..self }
    }

    /// Whether it was opened as unique.
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// Level of the root: 0 when one leaf is all there is.
    pub fn height(&self) -> Result<u32> {
        let meta = self.storage().pool().read(self.page_id(META_BLOCK))?;
        Ok(wal::root_of(&meta)?.1 as u32)
    }

    /// The entries of a range of keys, in the given direction.
    pub fn scan(&self, range: KeyRange, direction: Direction) -> scan::IndexScan {
        scan::IndexScan::new(self.clone(), range, direction)
    }
}

impl IndexMethod for BTree {
    fn method(&self) -> &'static str {
        "btree"
    }
    fn rel(&self) -> RelId {
        self.handle.rel()
    }
    fn blocks(&self) -> Result<BlockNo> {
        self.handle.blocks()
    }
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        BTree::bulk_delete(self, dead)
    }
    fn check(&self) -> Result<u64> {
        BTree::check(self)
    }
}
