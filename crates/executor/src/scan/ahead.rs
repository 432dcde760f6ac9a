//! Pages that a bitmap scan will visit, brought near the processor before it does.
//!
//! Rows that an index names are mostly on pages of which nothing is in the processor's caches, and finding a page in the pool alone takes
//! several looks at memory that depend on each other. Asked for some pages before, these waits overlap with each other.

use super::tid_bitmap::Visit;
use quarry_storage::heap::Heap;
use std::collections::VecDeque;

/// Visits looked ahead.
const AHEAD: usize = 8;

/// The same visits.
pub struct Ahead<I> {
    heap: Heap,
    visits: I,
    waiting: VecDeque<Visit>,
}

/// Looks ahead of the visits.
pub fn look_ahead<I: Iterator<Item = Visit>>(heap: &Heap, visits: I) -> Ahead<I> {
    Ahead { heap: heap.clone(), visits, waiting: VecDeque::with_capacity(AHEAD) }
}

impl<I: Iterator<Item = Visit>> Iterator for Ahead<I> {
    type Item = Visit;

    fn next(&mut self) -> Option<Visit> {
        // Half of them at once: their waits overlap.
        if self.waiting.len() <= AHEAD / 2 {
            let from = self.waiting.len();
            self.waiting.extend(self.visits.by_ref().take(AHEAD - from));
            let fresh = self.waiting.iter().skip(from);
            self.heap.prefetch(fresh.filter_map(|v| match v {
                Visit::Exact { block, slots, .. } => Some((*block, &slots[..])),
                Visit::Lossy { .. } => None,
            }));
        }
        self.waiting.pop_front()
    }
}
