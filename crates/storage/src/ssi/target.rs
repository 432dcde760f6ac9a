//! What a SIREAD lock is on.

use crate::ids::RelId;
use quarry_common::{BlockNo, Tid};

/// A relation, a page of it, or a row version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Target {
    pub rel: RelId,
    block: BlockNo,
    /// 0: the whole page.
    slot: u16,
}

/// Stands for "the whole relation"; no relation has so many blocks.
const NO_BLOCK: BlockNo = BlockNo::MAX;

impl Target {
    pub fn relation(rel: RelId) -> Target {
        Target { rel, block: NO_BLOCK, slot: 0 }
    }

    pub fn page(rel: RelId, block: BlockNo) -> Target {
        Target { rel, block, slot: 0 }
    }

    pub fn tuple(rel: RelId, tid: Tid) -> Target {
        Target { rel, block: tid.block, slot: tid.slot }
    }

    /// The page, unless it is the whole relation.
    pub fn block(&self) -> Option<BlockNo> {
        (self.block != NO_BLOCK).then_some(self.block)
    }

    /// The row version's slot, unless it is a whole page or relation.
    pub fn slot(&self) -> Option<u16> {
        (self.slot != 0).then_some(self.slot)
    }

    /// A page and the row versions on it share a shard, so that a write looks into two: this one and its relation's.
    pub(super) fn shard_key(&self) -> (RelId, BlockNo) {
        (self.rel, self.block)
    }
}
