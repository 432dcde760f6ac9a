//! Entries whose rows every snapshot sees, given straight from their leaf: nothing of them is copied, and the heap is not asked.
//!
//! The first entry whose row some snapshot may not see ends this; the rest of its leaf is read in the ordinary way.

use super::super::key;
use super::super::page::{self as bp, Link, ord};
use super::{Direction, End, IndexScan, Next, end_of, entered_at};
use crate::vm;
use quarry_common::Result;

/// Gets an entry's key and payload.
pub type EntryCallback<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

impl IndexScan {
    /// Gives the entries up next to `f`, as long as their rows are visible to all, of one leaf and `max` at most; how many. `f` is called
    /// under the leaf's latch and must not touch other pages of the index or the heap. Nothing is given, though there may be entries, to
    /// readers that must look at each row's page (SERIALIZABLE), backward, and where entries have been read already.
    pub fn each_visible(&mut self, max: usize, f: &mut EntryCallback<'_>) -> Result<usize> {
        let IndexScan { heap: Some(heap), reader: None, direction: Direction::Forward, .. } = self else {
            return Ok(0);
        };
        if self.at < self.found.len() || matches!(self.next, Next::Done) || max == 0 {
            return Ok(0);
        }
        let heap = heap.clone();
        self.flush_dead();
        self.found.clear();
        (self.at, self.asked) = (0, 0);
        self.pages_read = self.pages_read.wrapping_add(1);
        let tree = self.tree.clone();
        let mut bound = std::mem::take(&mut self.bound);
        let target = entered_at(&self.next, &bound, &self.range);
        let page = tree.page_at(&self.next, &target)?;
        let p: &[u8] = page.bytes();
        self.page = Link { block: page.id().block, generation: bp::generation(p) };
        self.page_lsn = page.lsn();
        let from = bp::lower_bound_leaf(p, &target);
        let to = bp::slot_count(p);
        let near = to.min(from.saturating_add(max));
        let end = end_of(p, from, near, &self.range.upper);
        let mut map = vm::Lookup::new(heap.storage(), heap.rel());
        let mut last = None;
        let mut given = 0;
        let mut stopped = None;
        'slots: for slot in from..end {
            let it = bp::leaf_item_at(p, slot);
            if it.is_dead() {
                self.skipped_dead += 1;
                continue;
            }
            let item_key = it.key();
            let seen_up_to = Some(target.ord).filter(|o| *o != ord::FIRST && item_key.is(target.key()));
            let (stored, payload_packed) = it.payload();
            self.bytes.clear();
            if item_key.is_packed() {
                item_key.append_to(&mut self.bytes)?;
            }
            let key_end = self.bytes.len();
            if payload_packed {
                key::append_payload(stored, true, &mut self.bytes)?;
            }
            let (unpacked_key, unpacked_payload) = self.bytes.split_at(key_end);
            let key = if item_key.is_packed() { unpacked_key } else { item_key.bytes() };
            let payload = if payload_packed { unpacked_payload } else { stored };
            for i in 0..it.tid_count() {
                let tid = it.tid(i);
                if seen_up_to.is_some_and(|o| ord::of(tid) < o) {
                    continue;
                }
                let visible = match last {
                    Some((block, visible)) if block == tid.block => visible,
                    _ => map.is_all_visible(tid.block)?,
                };
                last = Some((tid.block, visible));
                if !visible || given >= max {
                    stopped = Some((slot, ord::of(tid)));
                    break 'slots;
                }
                f(key, payload)?;
                given += 1;
            }
        }
        self.bytes.clear();
        let end = match stopped {
            Some((slot, ord)) => End::Entry(slot, ord),
            None => End::of(p, end, near, to),
        };
        self.next = super::after(end, p, self.page, &self.range.upper, &mut bound)?;
        self.bound = bound;
        Ok(given)
    }
}
