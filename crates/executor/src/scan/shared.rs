//! A table whose pages several scans share: each takes the next pages that nobody has, until there are none.
//!
//! The threads of a parallel aggregate have a copy of the plan below it each; the scans in these copies share one such cursor. One of
//! them, the leader's, goes on to the table's end; the others stop when they are told to ([`SharedBlocks::stop`]).

use quarry_common::BlockNo;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Pages taken at a time: enough to be read together, few enough for all to end at about the same time.
const PAGES: u64 = 64;

#[derive(Default)]
pub struct SharedBlocks {
    next: AtomicU64,
    stopped: AtomicBool,
}

impl SharedBlocks {
    /// Begins with the first page again.
    pub fn reset(&self) {
        self.next.store(0, Ordering::Relaxed);
        self.stopped.store(false, Ordering::Relaxed);
    }
    /// Leaves the rest to the leader.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// One scan's share.
#[derive(Clone)]
pub struct Share {
    /// The scan's node.
    pub node: usize,
    pub blocks: Arc<SharedBlocks>,
    pub leads: bool,
}

impl Share {
    /// The next pages of a table of so many.
    pub fn take(&self, blocks: BlockNo) -> Option<Range<BlockNo>> {
        if !self.leads && self.blocks.is_stopped() {
            return None;
        }
        let from = self.blocks.next.fetch_add(PAGES, Ordering::Relaxed);
        let to = (from + PAGES).min(u64::from(blocks));
        (from < to).then_some(from as BlockNo..to as BlockNo)
    }
    /// The next pages that are among those worth reading (ascending; none: all); none at the table's end.
    pub fn take_of(&self, blocks: BlockNo, wanted: Option<&[Range<BlockNo>]>) -> Option<Vec<Range<BlockNo>>> {
        loop {
            let taken = self.take(blocks)?;
            let Some(wanted) = wanted else { return Some(vec![taken]) };
            let first = wanted.partition_point(|w| w.end <= taken.start);
            let within = wanted[first..].iter().take_while(|w| w.start < taken.end);
            let parts: Vec<_> = within.map(|w| w.start.max(taken.start)..w.end.min(taken.end)).collect();
            if !parts.is_empty() {
                return Some(parts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_taken_once() {
        let blocks = Arc::new(SharedBlocks::default());
        let leader = Share { node: 0, blocks: blocks.clone(), leads: true };
        let other = Share { node: 0, blocks: blocks.clone(), leads: false };
        assert_eq!([leader.take(150), other.take(150)], [Some(0..64), Some(64..128)]);
        blocks.stop();
        assert_eq!([other.take(150), leader.take(150)], [None, Some(128..150)]);
        assert_eq!([other.take(150), leader.take(150)], [None, None]);
        blocks.reset();
        assert_eq!(other.take(10), Some(0..10));
        blocks.reset();
        let wanted = [3..5, 60..70, 300..301];
        let take = || {
            let parts = leader.take_of(400, Some(&wanted))?;
            Some(parts.iter().map(|p| (p.start, p.end)).collect::<Vec<_>>())
        };
        assert_eq!(take(), Some(vec![(3, 5), (60, 64)]));
        assert_eq!(take(), Some(vec![(64, 70)]));
        assert_eq!(take(), Some(vec![(300, 301)]));
        assert_eq!(take(), None);
    }
}
