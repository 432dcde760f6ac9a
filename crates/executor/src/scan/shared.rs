//! A table whose pages several scans share: each takes the next pages that nobody has, until there are none.
//!
//! The threads of a crew ([`crate::crew`]) have a copy of a plan each; the scans in these copies share one such cursor, and so do
//! those below the inner sides of hash joins that are read in parts ([`Shares`]). One of them, the leader's, goes on to the table's end; the others stop when they are told to ([`SharedBlocks::stop`]).

use crate::join::deal::Dealer;
use crate::join::shared::{BuildShare, SharedBuild};
use quarry_common::BlockNo;
use quarry_plan::physical::LoopParts;
use quarry_plan::{PhysicalNode, PhysicalPlan};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Pages taken at a time: enough to be read together, few enough for all to end at about the same time, also where the table is small
/// and much is done with each row.
const PAGES: u64 = 64;
const PAGES_MIN: u64 = 4;
const SHARES: u64 = 64;

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

/// What the threads of a crew share, by plan node.
#[derive(Default)]
pub struct Shares {
    scans: Vec<(usize, Arc<SharedBlocks>)>,
    builds: Vec<(usize, Arc<SharedBuild>)>,
    deals: Vec<(usize, Arc<Dealer>)>,
    failed: Arc<AtomicBool>,
}

impl Shares {
    /// What copies of a plan share so that each makes a part of its rows, and what these are made of: the pages of a scan, or rows that are
    /// dealt. None if there is no such thing.
    pub fn of(plan: &PhysicalPlan) -> Option<(Shares, Arc<SharedBlocks>)> {
        let mut shares = Shares::default();
        let blocks = shares.add(plan)?;
        Some((shares, blocks))
    }

    fn add(&mut self, plan: &PhysicalPlan) -> Option<Arc<SharedBlocks>> {
        match &plan.node {
            PhysicalNode::SeqScan { .. } => {
                let blocks = Arc::new(SharedBlocks::default());
                self.scans.push((plan.id, blocks.clone()));
                Some(blocks)
            }
            PhysicalNode::SubqueryScan { input, .. } | PhysicalNode::Sort { input, .. } => self.add(input),
            PhysicalNode::NestLoop { outer, inner, parts, .. } => match parts {
                LoopParts::Outer => self.add(outer),
                LoopParts::Inner => self.add(inner),
                LoopParts::Dealt => {
                    let blocks = Arc::new(SharedBlocks::default());
                    self.deals.push((plan.id, Arc::new(Dealer::new(blocks.clone()))));
                    Some(blocks)
                }
            },
            PhysicalNode::HashJoin { outer, inner, in_parts, .. } => {
                let parts = if *in_parts { self.add(inner) } else { None };
                self.builds.push((plan.id, Arc::new(SharedBuild::new(parts))));
                self.add(outer)
            }
            _ => None,
        }
    }

    /// Begins anew. No thread is at work.
    pub fn reset(&self) {
        self.scans.iter().for_each(|(_, blocks)| blocks.reset());
        self.builds.iter().for_each(|(_, build)| build.reset());
        self.deals.iter().for_each(|(_, dealer)| dealer.blocks().reset());
        self.failed.store(false, Ordering::Relaxed);
    }

    /// Is set when a thread has failed.
    pub fn failed(&self) -> Arc<AtomicBool> {
        self.failed.clone()
    }

    /// A thread has failed: the others end.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.scans.iter().for_each(|(_, blocks)| blocks.stop());
        self.deals.iter().for_each(|(_, dealer)| dealer.blocks().stop());
        self.builds.iter().for_each(|(_, build)| build.fail());
    }
}

/// A member of a crew, while its copy of a plan is built.
#[derive(Clone)]
pub struct Member {
    pub shares: Arc<Shares>,
    pub leads: bool,
}

impl Member {
    /// The share of a scan, if it has one.
    pub fn scan(&self, node: usize) -> Option<Share> {
        let (_, blocks) = self.shares.scans.iter().find(|(n, _)| *n == node)?;
        Some(Share { blocks: blocks.clone(), leads: self.leads })
    }
    /// Who deals a nested loop's outer rows, if somebody does, and whether this is the leader.
    pub fn dealer(&self, node: usize) -> Option<(Arc<Dealer>, bool)> {
        let (_, dealer) = self.shares.deals.iter().find(|(n, _)| *n == node)?;
        Some((dealer.clone(), self.leads))
    }
    /// The share of a hash join's inner side, if it has one.
    pub fn build(&self, node: usize) -> Option<BuildShare> {
        let (_, build) = self.shares.builds.iter().find(|(n, _)| *n == node)?;
        Some(BuildShare { build: build.clone(), leads: self.leads })
    }
}

/// One scan's share.
#[derive(Clone)]
pub struct Share {
    pub blocks: Arc<SharedBlocks>,
    pub leads: bool,
}

impl Share {
    /// The next pages of a table of so many.
    pub fn take(&self, blocks: BlockNo) -> Option<Range<BlockNo>> {
        if !self.leads && self.blocks.is_stopped() {
            return None;
        }
        let pages = (u64::from(blocks) / SHARES).clamp(PAGES_MIN, PAGES);
        let from = self.blocks.next.fetch_add(pages, Ordering::Relaxed);
        let to = (from + pages).min(u64::from(blocks));
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
        let leader = Share { blocks: blocks.clone(), leads: true };
        let other = Share { blocks: blocks.clone(), leads: false };
        assert_eq!([leader.take(5000), other.take(5000)], [Some(0..64), Some(64..128)]);
        blocks.stop();
        assert_eq!([other.take(5000), leader.take(130)], [None, Some(128..130)]);
        assert_eq!([other.take(130), leader.take(130)], [None, None]);
        blocks.reset();
        assert_eq!([other.take(10), leader.take(10), other.take(10)], [Some(0..4), Some(4..8), Some(8..10)]);
        blocks.reset();
        let wanted = [3..5, 60..70, 4090..4091];
        let take = || {
            let parts = leader.take_of(4096, Some(&wanted))?;
            Some(parts.iter().map(|p| (p.start, p.end)).collect::<Vec<_>>())
        };
        assert_eq!(take(), Some(vec![(3, 5), (60, 64)]));
        assert_eq!(take(), Some(vec![(64, 70)]));
        assert_eq!(take(), Some(vec![(4090, 4091)]));
        assert_eq!(take(), None);
    }
}
