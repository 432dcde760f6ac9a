//! Pages that may have no place on the disk yet, see rule B11 in `README.md`.
//!
//! PostgreSQL takes the space when a relation is extended, so that writing a buffer out never needs more. Here a new page reaches its file when
//! it is written, which saves writing it twice; so the number of such pages is bounded instead.

use super::{BufferPool, RunWriter, state};
use crate::ids::PageId;
use quarry_common::Result;
use std::sync::atomic::Ordering;

/// Pages that are given a place at a time.
const BATCH: usize = 1024;

impl BufferPool {
    /// The page that is coming into a frame may have no place on the disk.
    pub(super) fn set_fresh(&self, frame: u32) {
        let before = self.frames[frame as usize].state.fetch_or(state::FRESH, Ordering::AcqRel);
        if before & state::FRESH == 0 {
            self.fresh.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has one now, or leaves the frame.
    pub(super) fn clear_fresh(&self, frame: u32) {
        let state = &self.frames[frame as usize].state;
        if state.load(Ordering::Acquire) & state::FRESH != 0
            && state.fetch_and(!state::FRESH, Ordering::AcqRel) & state::FRESH != 0
        {
            self.fresh.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Called before a relation grows: if most frames have no place on the disk, some are given one. Fails if there is no space.
    #[inline]
    pub(super) fn bound_fresh(&self) -> Result<()> {
        if self.fresh.load(Ordering::Relaxed) > self.frames.len() / 4 * 3 {
            self.place_some()
        } else {
            Ok(())
        }
    }

    #[cold]
    fn place_some(&self) -> Result<()> {
        let mut fresh: Vec<(PageId, u32)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let is_fresh =
                |frame: u32| self.frames[frame as usize].state.load(Ordering::Acquire) & state::FRESH != 0;
            fresh.extend(shard.iter().filter(|(_, frame)| is_fresh(*frame)));
        }
        fresh.sort_unstable();
        fresh.truncate(BATCH.max(self.frames.len() / 16));
        // Passes over pages in use: the caller may hold latches.
        let mut writer = RunWriter::new(self, false);
        for (id, _) in &fresh {
            writer.add(*id)?;
        }
        writer.finish()?;
        for (_, frame) in fresh {
            // Clean ones that were only looked at.
            let now = self.frames[frame as usize].state.load(Ordering::Acquire);
            if now & (state::FRESH | state::DIRTY) == state::FRESH {
                drop(self.try_take(frame)?);
            }
        }
        Ok(())
    }
}
