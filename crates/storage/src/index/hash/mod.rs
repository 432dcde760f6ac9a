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

use super::handle::create_files;
use super::key_hash::hash_key;
use super::{IndexHandle, IndexMethod, IndexVacuumStats};
use crate::txn::Transaction;
use crate::wal::{RecordKind, rmgr};
use crate::{Persistence, RelId, Storage};
use meta::Known;
use quarry_common::{BlockNo, Result, Tid};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A hash index. Cheap to clone.
#[derive(Clone)]
pub struct HashIndex(IndexHandle);

impl Deref for HashIndex {
    type Target = IndexHandle;
    fn deref(&self) -> &IndexHandle {
        &self.0
    }
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
        let target = meta::target_for(fillfactor).to_le_bytes();
        // The meta page and two buckets.
        create_files(storage, txn, rel, persistence, kind(wal::INIT), |_: &[BlockNo; 3]| target.to_vec())
    }

    /// Opens an index.
    pub fn open(storage: &Arc<Storage>, rel: RelId) -> HashIndex {
        HashIndex(IndexHandle::open(storage, rel))
    }

    /// The same index with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> HashIndex {
        HashIndex(self.0.named(name))
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

    pub(crate) fn known(&self) -> &Known {
        self.state().hash.get_or_init(Box::default)
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
}

impl IndexMethod for HashIndex {
    fn method(&self) -> &'static str {
        "hash"
    }
    fn rel(&self) -> RelId {
        self.0.rel()
    }
    fn blocks(&self) -> Result<BlockNo> {
        self.0.blocks()
    }
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        HashIndex::bulk_delete(self, dead)
    }
    fn check(&self) -> Result<u64> {
        HashIndex::check(self)
    }
}
