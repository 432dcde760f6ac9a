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

use super::handle::create_files;
use super::{IndexHandle, IndexMethod, IndexVacuumStats, KeyRange};
use crate::txn::Transaction;
use crate::wal::{RecordKind, rmgr};
use crate::{Persistence, RelId, Storage};
use meta::Known;
use quarry_common::{BlockNo, Error, Result, SqlState, Tid};
use std::ops::Deref;
use std::sync::Arc;

/// Block of the meta page.
pub(crate) const META_BLOCK: BlockNo = 0;

/// A BRIN index. Cheap to clone.
#[derive(Clone)]
pub struct Brin(IndexHandle);

impl Deref for Brin {
    type Target = IndexHandle;
    fn deref(&self) -> &IndexHandle {
        &self.0
    }
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
        create_files(storage, txn, rel, persistence, kind(wal::INIT), |_: &[BlockNo; 1]| options.to_bytes())
    }

    /// Opens an index.
    pub fn open(storage: &Arc<Storage>, rel: RelId) -> Brin {
        Brin(IndexHandle::open(storage, rel))
    }

    /// The same index with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> Brin {
        Brin(self.0.named(name))
    }

    /// What it was made with.
    pub fn options(&self) -> Result<BrinOptions> {
        Ok(self.rules()?.options.clone())
    }

    /// Pages of the table that share a summary.
    pub fn pages_per_range(&self) -> Result<u32> {
        Ok(self.rules()?.options.pages_per_range)
    }

    /// Numbers for estimates.
    pub fn costs(&self) -> Result<BrinCosts> {
        let pages_per_range = self.pages_per_range()?;
        Ok(BrinCosts { pages_per_range, map_pages: self.map_pages()?, pages: self.blocks()? })
    }

    pub(crate) fn known(&self) -> &Known {
        self.state().brin.get_or_init(Box::default)
    }
}

impl IndexMethod for Brin {
    fn method(&self) -> &'static str {
        "brin"
    }
    fn rel(&self) -> RelId {
        self.0.rel()
    }
    fn blocks(&self) -> Result<BlockNo> {
        self.0.blocks()
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
