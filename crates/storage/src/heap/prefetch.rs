//! Asking for pages before a scan comes to them.

use super::{Heap, page as hp};
use crate::buffer::PREFETCH_PAGES;

impl Heap {
    /// Brings pages that are in memory near the processor, some of the first ones given: each with the line pointers that will be looked at,
    /// and what the first of them leads to.
    pub fn prefetch<'s>(&self, pages: impl Iterator<Item = (quarry_common::BlockNo, &'s [u16])>) {
        let mut places = [(self.page_id(0), 0); PREFETCH_PAGES];
        let mut rows = [0; PREFETCH_PAGES];
        let mut count = 0;
        for (place, (block, slots)) in places.iter_mut().zip(pages) {
            let slot = slots.first().copied().unwrap_or(1);
            *place = (self.page_id(block), hp::SLOTS_AT + usize::from(slot.saturating_sub(1)) * 4);
            rows[count] = slot;
            count += 1;
        }
        self.storage.pool().prefetch(&places[..count], |i, page| match hp::slot(page, rows[i]) {
            hp::Slot::Normal { offset, len } => usize::from(offset)..usize::from(offset) + usize::from(len),
            _ => 0..0,
        });
    }
}
