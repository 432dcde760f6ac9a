//! What indexes say of themselves, for the planner's estimates.

use super::CatalogReader;
use crate::defs::IndexDef;
use quarry_common::Result;
use quarry_storage::index::brin::{Brin, BrinCosts};
use quarry_storage::index::gin::{Gin, GinOptions, GinStats};

impl CatalogReader {
    /// Numbers of a GIN index's pages and entries, as of its last build or vacuum.
    pub fn gin_stats(&self, index: &IndexDef) -> Result<GinStats> {
        // Nothing is put in: how doesn't matter.
        let options = GinOptions { fastupdate: false, pending_list_bytes: 0 };
        Gin::open(self.catalog().storage(), index.storage, options).stats()
    }

    /// Numbers of a BRIN index's pages.
    pub fn brin_costs(&self, index: &IndexDef) -> Result<BrinCosts> {
        Brin::open(self.catalog().storage(), index.storage).costs()
    }
}
