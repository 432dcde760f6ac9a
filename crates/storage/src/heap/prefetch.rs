//! Asking for pages before a scan comes to them.

use super::{Heap, page as hp};
use crate::buffer::{PREFETCH_PAGES, PageRef};
use quarry_common::BlockNo;
use std::ops::Range;

/// Bytes of each row that a scan asks for: its header, and the columns it begins with. Readers of what lies further on find the line before
/// it there, which mostly brings the processor to get the next ones by itself.
const ROW_BYTES: usize = 64;

impl Heap {
    /// Brings pages that are in memory near the processor, some of the first ones given: each with the line pointers that will be looked at,
    /// and what the first of them leads to.
    pub fn prefetch<'s>(&self, pages: impl Iterator<Item = (BlockNo, &'s [u16])>) {
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

    /// For a scan that is at `page` and will go on with the blocks of `rest`: asks the processor for the rows of the next page, where its line
    /// pointers say they are, and for the line pointers of the page after it, so that they are there when their turn comes. `rows`: whether
    /// the reader looks at rows of pages that are visible to all.
    #[inline]
    pub(super) fn prefetch_scan(&self, page: &PageRef<'_>, rest: Range<BlockNo>, rows: bool) {
        let pool = self.storage.pool();
        if rest.len() > 1 {
            // It has about as many as this one.
            let slots = usize::from(hp::slot_count(page.bytes()));
            pool.prefetch_behind(page, hp::SLOTS_AT + slots * 4);
        }
        if rest.is_empty() {
            return;
        }
        pool.prefetch_in(self.page_id(rest.start), |lines| {
            let p = lines.bytes();
            if !rows && hp::flags(p) & hp::ALL_VISIBLE != 0 {
                return;
            }
            let (slots, used) = (usize::from(hp::slot_count(p)), hp::used(p));
            if slots * 2 * ROW_BYTES >= used.len() {
                // Short rows: each line would be asked for more than once.
                lines.ask(used);
                return;
            }
            for (_, offset, len) in hp::tuple_places(p) {
                let offset = usize::from(offset);
                lines.ask(offset..offset + usize::from(len).min(ROW_BYTES));
            }
        });
    }
}
