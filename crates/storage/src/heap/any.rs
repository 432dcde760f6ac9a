//! Reading every row version that anyone may see: what a summary of a block range must cover.

use super::tuple::{HEADER_BYTES, TupleHeader};
use super::visibility::{Fate, fate};
use super::{Heap, page as hp};
use crate::buffer::{ReadAhead, Ring};
use quarry_common::{BlockNo, Result, Tid};
use std::ops::Range;

/// Gets (tid of the version, row).
pub type VersionCallback<'a> = dyn FnMut(Tid, &[u8]) -> Result<()> + 'a;

impl Heap {
    /// Calls `f` with every row version in some blocks that any snapshot may see now or later: those of running transactions, those ended but
    /// not dead to all, and each member of a HOT chain by itself. `f` runs under the page's shared latch and must not touch
    /// other pages of the table. Blocks past the table's end are passed over.
    pub fn scan_any(&self, blocks: Range<BlockNo>, f: &mut VersionCallback<'_>) -> Result<()> {
        let pool = self.storage.pool();
        let txns = self.storage.txns();
        let horizon = txns.oldest_visible_csn_in(self.rel.db);
        let blocks = blocks.start..blocks.end.min(self.blocks()?);
        let mut ring = Ring::bulk_read();
        let mut ahead = ReadAhead::default();
        for block in blocks.clone() {
            ahead.before(pool, self.rel, block..blocks.end, Some(&mut ring))?;
            let page = pool.read_with(self.page_id(block), &mut ring)?;
            let p: &[u8] = page.bytes();
            for slot in 1..=hp::slot_count(p) {
                let Some(version) = hp::tuple(p, slot) else { continue };
                if fate(&TupleHeader::read(version), txns, horizon) != Fate::Dead {
                    f(Tid { block, slot }, &version[HEADER_BYTES..])?;
                }
            }
        }
        Ok(())
    }
}
