//! What recovery asks of the pool.

use super::{BufferPool, PageMut, Ring, state};
use crate::ids::{Fork, PageId, RelId};
use quarry_common::{BlockNo, Result};
use std::ops::Range;
use std::sync::atomic::Ordering;

impl BufferPool {
    /// The page under the exclusive latch, for who replaces all of it: what the disk has (a torn page, nothing at all) isn't read.
    pub fn write_replaced(&self, id: PageId) -> Result<PageMut<'_>> {
        let mut guard = self.write_over(id, None)?;
        guard.zero();
        Ok(guard)
    }

    /// As [`BufferPool::write_replaced`], with whatever bytes the frame held before.
    pub fn write_over(&self, id: PageId, ring: Option<&mut Ring>) -> Result<PageMut<'_>> {
        let file = self.files.get(id.rel, id.fork)?;
        file.grow_to_hold(id.block);
        if !self.is_cached(id)
            && let Some(guard) = self.claim(id, &file, ring)?
        {
            if self.files.readable_run(&file, id.block, 1) == 0 {
                self.set_fresh(guard.frame());
            }
            self.frames[guard.frame() as usize].state.fetch_or(state::VALID, Ordering::Release);
            return Ok(guard);
        }
        self.write_or_zero(id)
    }

    /// Brings neighbours that will be needed by one read, as far as that can be had for nothing; whatever is wrong with one is left
    /// to who reads it.
    pub fn bring(
        &self,
        rel: RelId,
        fork: Fork,
        blocks: Range<BlockNo>,
        ring: Option<&mut Ring>,
    ) -> Result<()> {
        self.load_run(rel, fork, blocks, ring)
    }
}
