//! Asking for pages before a scan comes to them.

use super::{Heap, page as hp};
use crate::buffer::PREFETCH_PAGES;

impl Heap {
    /// Brings pages that are in memory near the processor, some of the first ones given: each with the line pointers that will be looked at.
    pub fn prefetch<'s>(&self, pages: impl Iterator<Item = (quarry_common::BlockNo, &'s [u16])>) {
        let mut places = [(self.page_id(0), 0); PREFETCH_PAGES];
        let mut count = 0;
        for (place, (block, slots)) in places.iter_mut().zip(pages) {
            let slot = slots.first().map_or(0, |s| s.saturating_sub(1)) as usize;
            *place = (self.page_id(block), hp::SLOTS_AT + slot * 4);
            count += 1;
        }
        self.storage.pool().prefetch(&places[..count]);
    }
}
