//! BRIN: summaries of ranges of a table's blocks, by which a scan passes over ranges that can have no row it looks for.
//!
//! `README.md` here has the page layout, the latch order, the numbered rules and the crash story. Like PostgreSQL's BRIN. Differences:
//! keys are byte strings; the range map's pages are found by directories and never move; bounds are cut so that every summary fits.
//!
//! # Locking
//! Pages of summaries by rising block, then a page of the range map. Lookups hold one page at a time. Directories and the meta page: a new
//! page before the one that names it.

pub mod build;
pub mod check;
pub mod column;
pub mod map;
pub mod meta;
pub mod options;
pub mod page;
pub mod scan;
pub mod summarize;
pub mod summary;
pub mod wal;
pub mod write;

pub use build::BrinBuilder;
pub use meta::is_meta;
pub use options::{BrinKind, BrinOptions};

use super::{IndexMethod, IndexVacuumStats, KeyRange};
use crate::fsm::RelationState;
use crate::stats::Reads;
use crate::txn::{Snapshot, Transaction};
use crate::wal::{RecordKind, rmgr};
use crate::{Fork, PageId, Persistence, RelId, Storage};
use meta::Known;
use quarry_common::{BlockNo, Error, Result, SqlState, Tid};
use std::sync::Arc;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A BRIN index. Cheap to clone.
#[derive(Clone)]
pub struct Brin(Arc<Inner>);

struct Inner {
    storage: Arc<Storage>,
    rel: RelId,
    name: String,
    state: Arc<RelationState>,
}

/// A condition that the rows looked for meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrinCond {
    /// The index's column, from 0.
    pub column: usize,
    pub test: BrinTest,
}

/// What is asked of a column's value. All but `IsNull` mean that it is not NULL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BrinTest {
    /// A Bloom filter says nothing of it, unless it is one key.
    Range(KeyRange),
    Equal(Vec<u8>),
    AnyOf(Vec<Vec<u8>>),
    IsNull,
    IsNotNull,
}

/// What costs are estimated from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrinCosts {
    pub pages_per_range: u32,
    /// Pages of the range map.
    pub map_pages: BlockNo,
    /// Pages of the file.
    pub pages: BlockNo,
}

pub(crate) fn kind(op: u8) -> RecordKind {
    RecordKind { rmgr: rmgr::BRIN, op }
}

pub(super) fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("a BRIN index is damaged: {what}"))
}

impl Brin {
    /// Creates the files of an index without summaries; they go away if the transaction is rolled back.
    pub fn create_as(
        storage: &Arc<Storage>,
        txn: &Transaction,
        rel: RelId,
        persistence: Persistence,
        options: &BrinOptions,
    ) -> Result<()> {
        storage.create_relation(txn, rel, persistence)?;
        let init = (persistence == Persistence::Unlogged).then_some(Fork::Init);
        for fork in [Fork::Main].into_iter().chain(init) {
            let mut meta = storage.pool().extend(rel, fork, 1)?;
            storage.log_change(txn.xid(), kind(wal::INIT), &options.to_bytes(), &mut [&mut meta])?;
        }
        Ok(())
    }

    /// Opens an index.
    pub fn open(storage: &Arc<Storage>, rel: RelId) -> Brin {
        let state = storage.relation_states().get(rel);
        Brin(Arc::new(Inner { storage: storage.clone(), rel, name: String::new(), state }))
    }

    /// The same index with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> Brin {
        let i = &self.0;
        let (storage, state) = (i.storage.clone(), i.state.clone());
        Brin(Arc::new(Inner { storage, rel: i.rel, name: name.into(), state }))
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

    /// What it was made with.
    pub fn options(&self) -> Result<BrinOptions> {
        Ok(self.rules()?.options.clone())
    }

    /// Pages of the table that share a summary.
    pub fn pages_per_range(&self) -> Result<u32> {
        Ok(self.rules()?.options.pages_per_range)
    }

    /// Notes what was read with it.
    #[inline]
    pub fn count_reads(&self, snap: &Snapshot, reads: Reads) {
        self.state().counters().add_reads(reads);
        crate::stats::thread::take(self.rel(), self.state().counters());
        snap.count_reads(self.rel(), reads);
    }

    /// Numbers for estimates.
    pub fn costs(&self) -> Result<BrinCosts> {
        let pages_per_range = self.pages_per_range()?;
        Ok(BrinCosts { pages_per_range, map_pages: self.map_pages()?, pages: self.blocks()? })
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.0.storage
    }

    pub(crate) fn state(&self) -> &RelationState {
        &self.0.state
    }

    pub(crate) fn known(&self) -> &Known {
        self.0.state.brin.get_or_init(Box::default)
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

impl IndexMethod for Brin {
    fn method(&self) -> &'static str {
        "brin"
    }
    fn rel(&self) -> RelId {
        Brin::rel(self)
    }
    fn blocks(&self) -> Result<BlockNo> {
        Brin::blocks(self)
    }
    /// There are no entries; what vacuum removes, a summary may go on covering. Counts the summaries.
    fn bulk_delete(&self, _dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        let entries = self.count_summaries()?;
        Ok(IndexVacuumStats { entries, pages: self.blocks()?, ..IndexVacuumStats::default() })
    }
    fn cleanup(&self) -> Result<()> {
        self.note_free_pages()
    }
    fn check(&self) -> Result<u64> {
        Brin::check(self)
    }
}
