//! Tables: row versions in place on slotted pages, MVCC by CSN, HOT updates, pruning in passing, row locks.
//!
//! `README.md` here has the page layout, the latch order, the numbered rules and the crash story. Rows are opaque bodies
//! ([`crate::row`]); the layout is needed only to move long values out of line ([`crate::toast`]).
//!
//! # Locking
//! Latch order: heap pages by rising block number, then visibility map pages, then the free-space mutex. No latch is held
//! while waiting for a transaction or a row lock. Index code may call in while holding one leaf's latch; heap code never calls index
//! code while holding a latch.

pub mod any;
pub mod insert;
pub mod links;
pub mod modify;
pub mod page;
pub mod page_rows;
mod prefetch;
pub mod prune;
pub mod read;
pub mod records;
pub mod rewrite;
pub mod row_lock;
mod serializable;
pub mod tuple;
pub mod visibility;
pub mod wal;

pub use links::VersionRef;
pub use page_rows::{KeptRows, PageRows, StoredColumn};
pub use read::{BuildScan, BuildView, FetchRoom, HeapScan};
pub use row_lock::RowLockMode;
pub use tuple::TupleMeta;

use crate::fsm::RelationState;
use crate::row::{RowLayout, VarValue};
use crate::stats::{Counters, Reads};
use crate::txn::{Snapshot, Transaction};
use crate::{Fork, PageId, Persistence, RelId, Storage, toast, vm};
use bytes::Bytes;
use quarry_common::{BlockNo, Result, Tid};
use std::sync::Arc;

/// Storage parameters of a table.
#[derive(Clone, Copy, Debug)]
pub struct HeapOptions {
    /// Percent of a page that inserts may fill.
    pub fillfactor: u8,
}

impl Default for HeapOptions {
    fn default() -> HeapOptions {
        HeapOptions { fillfactor: 100 }
    }
}

/// What an update may assume of its new row.
#[derive(Clone, Copy, Default, Debug)]
pub struct UpdateOptions {
    /// No column of any index (key, payload, expression or predicate) changes: the new version may be heap-only.
    pub hot_allowed: bool,
    /// No column of a unique index that a foreign key could reference changes: the row is taken in NoKeyUpdate strength.
    pub key_unchanged: bool,
}

/// What became of an attempt to change or lock a row version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModifyResult {
    /// Done. `tid`: the new version (update) or the row (delete, lock). `hot`: the new version needs no index entries.
    Done { tid: Tid, hot: bool },
    /// This transaction has already changed it; `same_command`: in the running command.
    SelfModified { same_command: bool },
    /// Another transaction, meanwhile committed, made a newer version.
    Updated { next: VersionRef },
    /// Another transaction, meanwhile committed, deleted it.
    Deleted,
    /// Someone holds it and the policy was not to wait.
    WouldBlock,
}

/// What a unique check finds under an index entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// No snapshot will ever see a row here: the index entry may be killed.
    Dead,
    /// No conflict, but older snapshots may still see a version.
    Gone,
    /// A live row, at this version.
    Live(VersionRef),
    /// Depends on how this running transaction ends.
    Wait(quarry_common::Xid),
}

/// A table's rows. Cheap to clone.
#[derive(Clone)]
pub struct Heap {
    pub(crate) storage: Arc<Storage>,
    pub(crate) rel: RelId,
    pub(crate) toast: Option<RelId>,
    pub(crate) layout: Arc<RowLayout>,
    pub(crate) state: Arc<RelationState>,
    pub(crate) options: HeapOptions,
}

impl Heap {
    /// Creates the files of an empty table; they go away if the transaction is rolled back.
    pub fn create(storage: &Arc<Storage>, txn: &Transaction, rel: RelId) -> Result<()> {
        Heap::create_as(storage, txn, rel, Persistence::Permanent)
    }

    /// As [`Heap::create`], in the log or not.
    pub fn create_as(
        storage: &Arc<Storage>,
        txn: &Transaction,
        rel: RelId,
        persistence: Persistence,
    ) -> Result<()> {
        storage.create_relation(txn, rel, persistence)
    }

    /// Opens a table. `toast` is the relation for its long values.
    pub fn open(storage: &Arc<Storage>, rel: RelId, toast: Option<RelId>, layout: Arc<RowLayout>) -> Heap {
        let state = storage.relation_states().get(rel);
        Heap { storage: storage.clone(), rel, toast, layout, state, options: HeapOptions::default() }
    }

    /// The same table with other storage parameters.
    pub fn with_options(mut self, options: HeapOptions) -> Heap {
        self.options = options;
        self
    }

    /// The relation.
    pub fn rel(&self) -> RelId {
        self.rel
    }

    /// The relation for long values.
    pub fn toast_rel(&self) -> Option<RelId> {
        self.toast
    }

    /// The rows' layout.
    pub fn layout(&self) -> &Arc<RowLayout> {
        &self.layout
    }

    /// The storage it lies in.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// What has happened to it.
    pub fn counters(&self) -> &Counters {
        self.state.counters()
    }

    /// Notes what was read here by way of an index.
    #[inline]
    pub fn count_reads(&self, snap: &Snapshot, reads: Reads) {
        self.state.counters().add_reads(reads);
        crate::stats::thread::take(self.rel, self.state.counters());
        snap.count_reads(self.rel, reads);
    }

    /// Pages of the main fork.
    pub fn blocks(&self) -> Result<BlockNo> {
        self.storage.pool().blocks(self.rel, Fork::Main)
    }

    /// The value's bytes, fetched and decompressed.
    pub fn detoast(&self, value: VarValue<'_>) -> Result<Bytes> {
        let mut out = Vec::with_capacity(value.raw_len());
        self.detoast_into(value, &mut out)?;
        Ok(out.into())
    }

    /// Appends the value's bytes, fetched and decompressed.
    pub fn detoast_into(&self, value: VarValue<'_>, out: &mut Vec<u8>) -> Result<()> {
        toast::fetch(self, value, out)
    }

    /// Whether every row of the page is visible to every snapshot, by the visibility map: index-only scans need not look.
    pub fn all_visible(&self, block: BlockNo) -> Result<bool> {
        vm::is_all_visible(&self.storage, self.rel, block)
    }

    pub(crate) fn page_id(&self, block: BlockNo) -> PageId {
        PageId::main(self.rel, block)
    }
}
