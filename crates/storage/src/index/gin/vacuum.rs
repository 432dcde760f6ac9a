//! Removing entries of dead rows, and counting pages and keys for estimates.
//!
//! The pending list is moved into the tree first, whole: a dead row may be in it. Nobody else may move rows meanwhile, else an entry that has been removed here
//! could come into the tree again after its slot has got another row.

use super::build::PageCount;
use super::meta::GinStats;
use super::{Gin, META_BLOCK, kind, wal};
use crate::index::IndexVacuumStats;
use crate::index::btree::page as bp;
use crate::page::slotted::{PayloadWriter, with_scratch};
use quarry_common::{Result, Tid};

impl Gin {
    /// Removes every entry whose tid is dead.
    pub fn bulk_delete(&self, dead: &dyn Fn(Tid) -> bool) -> Result<IndexVacuumStats> {
        let _cleaning = self.state().cleaning.lock();
        self.clean(&mut || Ok(()))?;
        let mut count = PageCount::default();
        let stats = self.tree.bulk_delete_seeing(dead, &mut |p| {
            for slot in bp::first_data(p)..bp::slot_count(p) {
                if let Ok(key) = bp::item(p, slot).key().unpacked() {
                    count.list(&key);
                }
            }
            let next = bp::high_key(p).and_then(|h| h.key().unpacked().ok());
            count.page_ends(next.as_deref());
        })?;
        let list = self.pending_list(None)?;
        let not_tree = 1 + stats.pages_free + list.pages + count.data_pages;
        self.set_counted(&GinStats {
            pending_pages: 0,
            total_pages: stats.pages,
            entry_pages: stats.pages.saturating_sub(not_tree),
            data_pages: count.data_pages,
            entries: count.keys,
        })?;
        Ok(stats)
    }

    /// Writes numbers for estimates to the meta page.
    pub(super) fn set_counted(&self, counted: &GinStats) -> Result<()> {
        let mut meta = self.storage().pool().write(self.tree.page_id(META_BLOCK))?;
        with_scratch(|record| {
            record.w32(counted.total_pages).w32(counted.entry_pages).w32(counted.data_pages);
            record.w64(counted.entries);
            self.storage().log_change(None, kind(wal::COUNTED), record, &mut [&mut meta])
        })?;
        Ok(())
    }
}
