//! What an open index has whatever its method: its relation, the name for error texts, counters. Methods dereference to it.

use crate::buffer::PageMut;
use crate::fsm::RelationState;
use crate::stats::Reads;
use crate::txn::{Snapshot, Transaction};
use crate::wal::RecordKind;
use crate::{Fork, PageId, Persistence, RelId, Storage};
use quarry_common::{BlockNo, Error, Result, SqlState};
use std::sync::Arc;

/// An open index's relation. Cheap to clone.
#[derive(Clone)]
pub struct IndexHandle(Arc<Inner>);

struct Inner {
    storage: Arc<Storage>,
    rel: RelId,
    name: String,
    state: Arc<RelationState>,
}

impl IndexHandle {
    pub(super) fn open(storage: &Arc<Storage>, rel: RelId) -> IndexHandle {
        let state = storage.relation_states().get(rel);
        IndexHandle(Arc::new(Inner { storage: storage.clone(), rel, name: String::new(), state }))
    }

    /// The same with the name that error texts show.
    pub(super) fn named(&self, name: impl Into<String>) -> IndexHandle {
        let Inner { storage, rel, state, .. } = &*self.0;
        let (storage, state) = (storage.clone(), state.clone());
        IndexHandle(Arc::new(Inner { storage, rel: *rel, name: name.into(), state }))
    }

    /// Its relation.
    pub fn rel(&self) -> RelId {
        self.0.rel
    }

    /// The name for error texts.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Pages of its file.
    pub fn blocks(&self) -> Result<BlockNo> {
        self.storage().pool().blocks(self.rel(), Fork::Main)
    }

    /// Notes what was read with it.
    #[inline]
    pub fn count_reads(&self, snap: &Snapshot, reads: Reads) {
        self.state().counters().add_reads(reads);
        crate::stats::thread::take(self.rel(), self.state().counters());
        snap.count_reads(self.rel(), reads);
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

/// Creates the files of an empty index of `N` pages, which go away if the transaction is rolled back; of an unlogged one also what it
/// is after a crash. The pages are made by the operation `kind`, which `payload` gives its payload, by their blocks.
pub(super) fn create_files<const N: usize>(
    storage: &Arc<Storage>,
    txn: &Transaction,
    rel: RelId,
    persistence: Persistence,
    kind: RecordKind,
    payload: impl Fn(&[BlockNo; N]) -> Vec<u8>,
) -> Result<()> {
    storage.create_relation(txn, rel, persistence)?;
    let init = (persistence == Persistence::Unlogged).then_some(Fork::Init);
    for fork in [Fork::Main].into_iter().chain(init) {
        let mut pages = Vec::with_capacity(N);
        let mut blocks = [0; N];
        for block in &mut blocks {
            let page = storage.pool().extend(rel, fork, 1)?;
            *block = page.id().block;
            pages.push(page);
        }
        let mut pages: Vec<&mut PageMut<'_>> = pages.iter_mut().collect();
        storage.log_change(txn.xid(), kind, &payload(&blocks), &mut pages)?;
    }
    Ok(())
}
