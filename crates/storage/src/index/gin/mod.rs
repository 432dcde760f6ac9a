//! GIN: from keys to all the rows that have them, for values made of many keys: words of a text, elements of an array, paths of a document.
//!
//! `README.md` here has the layout, the rules and the crash story. Like PostgreSQL's GIN it has an entry tree, compressed lists of tids and a
//! list of pending rows; unlike there, the lists have no trees of their own. One B-tree over (key, tid) holds compressed lists as its
//! leaf items ([`super::btree`]), so that a long list is a run of leaves with tids in the separators above: what a posting tree is,
//! with the same splits, the same removal of pages, the same log records and the same checks.
//!
//! Keys are complete: column, [`category`], the value's own key bytes. What keys a value has and what a query asks for is the
//! operator classes' affair.
//!
//! # Locking
//! As the B-tree. Pending pages are latched from the list's head to its tail, the meta page last. The relation's `cleaning` mutex comes before every latch:
//! who holds it moves pending rows into the tree.

pub mod build;
pub mod check;
pub mod clean;
mod cursor;
pub mod gather;
pub mod insert;
pub mod meta;
pub mod pending;
pub mod row;
pub mod search;
pub mod stream;
pub mod tid_set;
pub mod vacuum;
pub mod wal;

pub use build::{GinBuilder, GinBuilt};
pub use meta::GinStats;
pub use row::{GinEntry, GinRow, category};
pub use search::{Consistent, GinScanKey, Sample};

use super::btree::META_BLOCK;
use super::handle::create_files;
use super::{BTree, IndexHandle, IndexMethod, IndexVacuumStats};
use crate::page::Page;
use crate::txn::Transaction;
use crate::wal::{RecordKind, rmgr};
use crate::{Persistence, RelId, Storage};
use quarry_common::{BlockNo, Result, Tid};
use std::ops::Deref;
use std::sync::Arc;

/// How an index is kept.
#[derive(Clone, Copy, Debug)]
pub struct GinOptions {
    /// New rows go to the pending list.
    pub fastupdate: bool,
    /// How long that may grow before an inserter moves it into the tree.
    pub pending_list_bytes: u64,
}

impl Default for GinOptions {
    fn default() -> GinOptions {
        GinOptions { fastupdate: true, pending_list_bytes: 4 << 20 }
    }
}

/// A GIN index. Cheap to clone.
#[derive(Clone)]
pub struct Gin {
    tree: BTree,
    options: GinOptions,
}

/// Whether a relation's first page says that it is a GIN index.
pub fn is_meta(page: &Page) -> bool {
    crate::index::btree::wal::root_of(page).is_ok() && meta::is_gin(page.bytes())
}

fn kind(op: u8) -> RecordKind {
    RecordKind { rmgr: rmgr::GIN, op }
}

impl Gin {
    /// Creates the files of an empty index; they go away if the transaction is rolled back.
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

    /// Opens an index.
    pub fn open(storage: &Arc<Storage>, rel: RelId, options: GinOptions) -> Gin {
        Gin { tree: BTree::open(storage, rel, false), options }
    }

    /// The same index with the name that error texts show.
    pub fn with_name(self, name: impl Into<String>) -> Gin {
        Gin { tree: self.tree.with_name(name), ..self }
    }

    /// What building and vacuum have counted, and the length of the pending list.
    pub fn stats(&self) -> Result<GinStats> {
        let page = self.storage().pool().read(self.tree.page_id(META_BLOCK))?;
        if !meta::is_gin(page.bytes()) {
            return Err(self.corrupted("its first page is not a GIN index's meta page"));
        }
        Ok(meta::stats(page.bytes()))
    }
}

impl Deref for Gin {
    type Target = IndexHandle;
    fn deref(&self) -> &IndexHandle {
        &self.tree
    }
}

impl IndexMethod for Gin {
    fn method(&self) -> &'static str {
        "gin"
    }
    fn rel(&self) -> RelId {
        self.tree.rel()
    }
    fn blocks(&self) -> Result<BlockNo> {
        self.tree.blocks()
    }
    fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        Gin::bulk_delete(self, dead)
    }
    fn cleanup(&self) -> Result<()> {
        self.clean_pending(&mut || Ok(())).map(drop)
    }
    fn check(&self) -> Result<u64> {
        Gin::check(self)
    }
}
