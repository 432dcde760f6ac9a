//! B-tree: Lehman and Yao's B-link tree with suffix truncation and posting lists, over keys that compare as bytes.
//!
//! `README.md` here has the page layout, the latch order, the numbered rules and the crash story. Like PostgreSQL's nbtree in
//! spirit; differences: keys are byte strings, there are no left links (backward scans descend anew for each page), a
//! deleted page's range goes to its left sibling, and links carry a generation, so that a page can be reused at once:
//! whoever follows a stale link notices and descends again.
//!
//! # Locking
//! Readers hold one latch at a time. Writers go from lower levels to higher ones and on a level from left to right;
//! the meta page comes last. Under a leaf's latch the heap may be asked about a row (leaf before heap page).

pub mod build;
pub mod check;
pub mod insert;
pub mod key;
pub mod page;
pub mod posting;
pub mod scan;
pub mod search;
pub mod split;
pub mod unique;
pub mod vacuum;
pub mod verify;
pub mod wal;

use super::{Direction, IndexMethod, IndexVacuumStats, KeyRange};
use crate::fsm::RelationState;
use crate::stats::Reads;
use crate::txn::{Snapshot, Transaction};
use crate::wal::{RecordKind, rmgr};
use crate::{Fork, PageId, Persistence, RelId, Storage};
use quarry_common::{BlockNo, Error, Result, SqlState, Tid};
use std::sync::Arc;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A B-tree index. Cheap to clone.
#[derive(Clone)]
pub struct BTree(Arc<Inner>);

struct Inner {
    storage: Arc<Storage>,
    rel: RelId,
    unique: bool,
    name: String,
    state: Arc<RelationState>,
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
        storage.create_relation(txn, rel, persistence)?;
        let init = (persistence == Persistence::Unlogged).then_some(Fork::Init);
        for fork in [Fork::Main].into_iter().chain(init) {
            let mut meta = storage.pool().extend(rel, fork, 1)?;
            let mut root = storage.pool().extend(rel, fork, 1)?;
            let block = root.id().block.to_le_bytes();
            storage.log_change(txn.xid(), kind(wal::INIT), &block, &mut [&mut meta, &mut root])?;
        }
        Ok(())
    }

    /// Opens a tree.
    pub fn open(storage: &Arc<Storage>, rel: RelId, unique: bool) -> BTree {
        let state = storage.relation_states().get(rel);
        BTree(Arc::new(Inner { storage: storage.clone(), rel, unique, name: String::new(), state }))
    }

    /// The same tree with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> BTree {
        let i = &self.0;
        BTree(Arc::new(Inner {
            storage: i.storage.clone(),
            rel: i.rel,
            unique: i.unique,
            name: name.into(),
            state: i.state.clone(),
        }))
    }

    /// Its relation.
    pub fn rel(&self) -> RelId {
        self.0.rel
    }

    /// Notes what was read with it.
    #[inline]
    pub fn count_reads(&self, snap: &Snapshot, reads: Reads) {
        self.state().counters().add_reads(reads);
        crate::stats::thread::take(self.rel(), self.state().counters());
        snap.count_reads(self.rel(), reads);
    }

    /// Whether it was opened as unique.
    pub fn is_unique(&self) -> bool {
        self.0.unique
    }

    /// The name for error texts.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Pages of its file.
    pub fn blocks(&self) -> Result<BlockNo> {
        self.storage().pool().blocks(self.rel(), Fork::Main)
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

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.0.storage
    }

    pub(crate) fn state(&self) -> &RelationState {
        &self.0.state
    }

    pub(crate) fn page_id(&self, block: BlockNo) -> PageId {
        PageId::main(self.rel(), block)
    }

    pub(crate) fn corrupted(&self, what: impl std::fmt::Display) -> Error {
        Error::new(
            SqlState::INDEX_CORRUPTED,
            format!("index \"{}\" ({}) is damaged: {what}", self.name(), self.rel()),
        )
    }
}

impl IndexMethod for BTree {
    fn method(&self) -> &'static str {
        "btree"
    }
    fn rel(&self) -> RelId {
        BTree::rel(self)
    }
    fn blocks(&self) -> Result<BlockNo> {
        BTree::blocks(self)
    }
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        BTree::bulk_delete(self, dead)
    }
    fn check(&self) -> Result<u64> {
        BTree::check(self)
    }
}
