//! Hash index: linear hashing (Litwin 1980) over 48-bit codes of keys, for equality only.
//!
//! `README.md` here has the page layout, the latch order, the numbered rules and the crash story. Like PostgreSQL's hash index in spirit.
//! Differences: entries are 12 bytes in order on their page, without line pointers; a bucket is a contiguous range of codes, so that splitting
//! cuts pages in two and a bulk build is a sort; whoever is in a bucket holds its primary page's latch, and no pins or cleanup locks
//! are needed; free overflow pages are found by vacuum instead of being kept in bitmaps.
//!
//! # Locking
//! Primary pages by rising bucket number, then overflow pages of the buckets that are held, then the meta page. `Known::moving` comes before
//! all of them. A lookup holds its bucket's primary page shared, and the pages of its chain one after the other.

pub mod build;
mod chain;
pub mod check;
pub mod insert;
pub mod meta;
pub mod page;
pub mod scan;
mod split;
pub mod vacuum;
pub mod wal;

pub use build::{HashBuilder, HashBuilt};
pub use meta::is_meta;
pub use scan::HashScan;

use super::key_hash::hash_key;
use super::{IndexMethod, IndexVacuumStats};
use crate::fsm::RelationState;
use crate::stats::Reads;
use crate::txn::{Snapshot, Transaction};
use crate::wal::{RecordKind, rmgr};
use crate::{Fork, PageId, Persistence, RelId, Storage};
use meta::Known;
use quarry_common::{BlockNo, Error, Result, SqlState, Tid};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A hash index. Cheap to clone.
#[derive(Clone)]
pub struct HashIndex(Arc<Inner>);

struct Inner {
    storage: Arc<Storage>,
    rel: RelId,
    name: String,
    state: Arc<RelationState>,
}

/// What costs are estimated from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashCosts {
    pub buckets: u32,
    /// Entries, as far as they were counted.
    pub entries: u64,
}

pub(crate) fn kind(op: u8) -> RecordKind {
    RecordKind { rmgr: rmgr::HASH, op }
}

/// The part of a key's hash that entries keep.
#[inline]
pub(crate) fn code_of(key: &[u8]) -> u64 {
    hash_key(key) >> (64 - page::CODE_BITS)
}

impl HashIndex {
    /// Creates the files of an empty index; they go away if the transaction is rolled back. `fillfactor` (percent) says how full buckets
    /// are on average before there is one more; it counts for the index's whole life.
    pub fn create_as(
        storage: &Arc<Storage>,
        txn: &Transaction,
        rel: RelId,
        persistence: Persistence,
        fillfactor: u16,
    ) -> Result<()> {
        storage.create_relation(txn, rel, persistence)?;
        let init = (persistence == Persistence::Unlogged).then_some(Fork::Init);
        for fork in [Fork::Main].into_iter().chain(init) {
            let mut meta = storage.pool().extend(rel, fork, 1)?;
            let mut first = storage.pool().extend(rel, fork, 1)?;
            let mut second = storage.pool().extend(rel, fork, 1)?;
            let target = meta::target_for(fillfactor).to_le_bytes();
            storage.log_change(
                txn.xid(),
                kind(wal::INIT),
                &target,
                &mut [&mut meta, &mut first, &mut second],
            )?;
        }
        Ok(())
    }

    /// Opens an index.
    pub fn open(storage: &Arc<Storage>, rel: RelId) -> HashIndex {
        let state = storage.relation_states().get(rel);
        HashIndex(Arc::new(Inner { storage: storage.clone(), rel, name: String::new(), state }))
    }

    /// The same index with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> HashIndex {
        let i = &self.0;
        let (storage, state) = (i.storage.clone(), i.state.clone());
        HashIndex(Arc::new(Inner { storage, rel: i.rel, name: name.into(), state }))
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

    /// Numbers for estimates.
    pub fn costs(&self) -> Result<HashCosts> {
        let buckets = self.buckets()?;
        Ok(HashCosts { buckets, entries: self.known().entries.load(Ordering::Relaxed) })
    }

    /// The entries of a key, and perhaps some of other keys with the same code.
    pub fn scan(&self, key: &[u8]) -> HashScan {
        HashScan::new(self.clone(), key)
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.0.storage
    }

    pub(crate) fn state(&self) -> &RelationState {
        &self.0.state
    }

    pub(crate) fn known(&self) -> &Known {
        self.0.state.hash.get_or_init(Box::default)
    }

    /// Buckets as last known, from the meta page if nothing is.
    #[inline]
    pub(crate) fn buckets(&self) -> Result<u32> {
        match self.known().buckets() {
            0 => self.refresh(),
            known => Ok(known),
        }
    }

    /// Reads the meta page.
    #[cold]
    pub(crate) fn refresh(&self) -> Result<u32> {
        let meta = self.storage().pool().read(self.page_id(META_BLOCK))?;
        self.known().take(&meta).map_err(|e| self.corrupted(e.message()))?;
        Ok(self.known().buckets())
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

impl IndexMethod for HashIndex {
    fn method(&self) -> &'static str {
        "hash"
    }
    fn rel(&self) -> RelId {
        HashIndex::rel(self)
    }
    fn blocks(&self) -> Result<BlockNo> {
        HashIndex::blocks(self)
    }
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        HashIndex::bulk_delete(self, dead)
    }
    fn check(&self) -> Result<u64> {
        HashIndex::check(self)
    }
}
