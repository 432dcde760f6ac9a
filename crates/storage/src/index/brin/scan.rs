//! Which blocks of the table can have rows that meet conditions.

use super::page::{self as bp, RANGES_PER_PAGE};
use super::summary::is_placeholder;
use super::{Brin, BrinCond};
use crate::buffer::PageRef;
use crate::txn::Snapshot;
use quarry_common::{BlockNo, Result};
use std::ops::Range;

impl Brin {
    /// The blocks of a table of `heap_blocks` that may have rows meeting all conditions: rising, neighbours joined. Ranges without a summary are
    /// among them.
    pub fn matching_ranges(
        &self,
        snap: &Snapshot,
        heap_blocks: BlockNo,
        conds: &[BrinCond],
    ) -> Result<Vec<Range<BlockNo>>> {
        if let Some(x) = snap.reader() {
            // There are no gaps that could be locked; whoever inserts finds this.
            self.storage().ssi().read_relation(x, self.rel());
        }
        self.ranges(heap_blocks, conds)
    }

    /// The same, whoever asks.
    pub fn ranges(&self, heap_blocks: BlockNo, conds: &[BrinCond]) -> Result<Vec<Range<BlockNo>>> {
        let rules = self.rules()?;
        let per_range = rules.options.pages_per_range;
        let count = heap_blocks.div_ceil(per_range);
        let mut found: Vec<Range<BlockNo>> = Vec::new();
        // Summaries of neighbours are mostly on one page.
        let mut held: Option<PageRef<'_>> = None;
        for map_page in 0..count.div_ceil(RANGES_PER_PAGE) {
            held = None;
            let places = self.places(map_page)?;
            let first = map_page * RANGES_PER_PAGE;
            for range in first..count.min(first.saturating_add(RANGES_PER_PAGE)) {
                let start = range * per_range;
                let place = places.as_ref().and_then(|places| places[(range - first) as usize]);
                let passes = match place {
                    None => true,
                    Some(place) => {
                        if held.as_ref().is_none_or(|page| page.block() != place.block) {
                            // Never two at a time.
                            drop(held.take());
                            held = Some(self.storage().pool().read(self.page_id(place.block))?);
                        }
                        let here = held
                            .as_ref()
                            .filter(|page| Brin::is_summary_of(page.bytes(), place.slot, start))
                            .and_then(|page| bp::item(page.bytes(), place.slot));
                        match here {
                            Some(bytes) => rules.may_pass(bytes, conds)?,
                            None => {
                                held = None;
                                self.with_summary(range, start, |bytes| rules.may_pass(bytes, conds))?
                                    .unwrap_or(true)
                            }
                        }
                    }
                };
                if !passes {
                    continue;
                }
                let end = start.saturating_add(per_range).min(heap_blocks);
                match found.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => found.push(start..end),
                }
            }
        }
        drop(held);
        Ok(found)
    }

    /// Whether a row on `block` is in the summary of its range, or the range has none.
    pub fn covers(&self, block: BlockNo, keys: &[Option<&[u8]>]) -> Result<bool> {
        let rules = self.rules()?;
        let range = block / rules.options.pages_per_range;
        let start = range * rules.options.pages_per_range;
        let covered =
            self.with_summary(range, start, |bytes| Ok(is_placeholder(bytes) || rules.covers(bytes, keys)?))?;
        Ok(covered.unwrap_or(true))
    }
}
