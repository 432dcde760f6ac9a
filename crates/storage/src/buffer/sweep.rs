//! Finding a frame to reuse: a clock sweep over usage counts, rings for bulk work, the background writer's look ahead.

use super::{BufferPool, PagePin, state};
use crate::stats::WriterCount;
use quarry_common::{Error, Result, SqlState};
use std::cmp::Reverse;
use std::sync::atomic::Ordering;

/// A few frames that bulk work uses over and over instead of sweeping the pool.
pub struct Ring {
    frames: Vec<u32>,
    next: usize,
    capacity: usize,
    /// Whether frames that never held a page are taken first: then nothing is pushed out by it.
    fills_empty: bool,
    /// Whether its frames come back dirty, and what was left to be written behind it cleans them best.
    writes: bool,
}

impl Ring {
    fn of(kib: usize) -> Ring {
        Ring { frames: Vec::new(), next: 0, capacity: kib / 8, fills_empty: false, writes: false }
    }
    /// For sequential scans of tables bigger than a part of the pool. A pool with room to spare keeps what they read.
    pub fn bulk_read() -> Ring {
        Ring { fills_empty: true, ..Ring::of(256) }
    }
    /// For COPY and index builds; bigger, so that the log need not be flushed at each page. A pool with room to spare keeps
    /// what they write.
    pub fn bulk_write() -> Ring {
        Ring { fills_empty: true, writes: true, ..Ring::of(16 * 1024) }
    }
    pub fn vacuum() -> Ring {
        Ring::of(256)
    }
    /// For recovery's way through more pages than it wants in the pool: what is written in one go a few times over.
    pub fn redo() -> Ring {
        Ring::of(2048)
    }
}

impl BufferPool {
    /// A frame with no page, pinned once, by this thread.
    pub(super) fn victim(&self, ring: Option<&mut Ring>) -> Result<PagePin<'_>> {
        self.writers.add(WriterCount::Allocated as usize, 1);
        let Some(ring) = ring else { return self.sweep() };
        if ring.fills_empty
            && let Some(pin) = self.take_empty()?
        {
            return Ok(pin);
        }
        // A small pool must not be eaten by one ring.
        let capacity = ring.capacity.min(self.frames.len() / 8).max(1);
        if ring.frames.len() < capacity {
            let pin = self.sweep()?;
            ring.frames.push(pin.frame());
            return Ok(pin);
        }
        let slot = ring.next % ring.frames.len();
        ring.next = slot + 1;
        let frame = ring.frames[slot];
        // A page that others use as well stays; the ring takes another frame in its place.
        let now = self.frames[frame as usize].state.load(Ordering::Relaxed);
        if ring.writes && now & state::DIRTY != 0 {
            // The page writer lags: this thread does its part, in long writes.
            match self.write_behind_now() {
                Err(e) if e.sqlstate() != SqlState::DISK_FULL => return Err(e),
                _ => {}
            }
        }
        if now & state::USAGE_MASK <= state::USAGE_ONE {
            match self.try_take(frame) {
                Ok(Some(pin)) => return Ok(pin),
                Err(e) if e.sqlstate() != SqlState::DISK_FULL => return Err(e),
                _ => {}
            }
        }
        let pin = self.sweep()?;
        ring.frames[slot] = pin.frame();
        Ok(pin)
    }

    /// A frame whose page was forgotten or that never held one, while there are any. They are given out in order, before anything is
    /// swept; those that were in use first, because their memory is there already.
    fn take_empty(&self) -> Result<Option<PagePin<'_>>> {
        while self.freed_count.load(Ordering::Acquire) > 0 {
            let popped = {
                let mut freed = self.freed.lock();
                let popped = freed.pop();
                self.freed_count.store(freed.len(), Ordering::Release);
                popped
            };
            // The sweep may have found it first, or its last pin may linger: the sweep finds it later then.
            if let Some(Reverse(index)) = popped
                && self.frames[index as usize].state.load(Ordering::Acquire) & state::TAGGED == 0
                && let Some(pin) = self.try_take(index)?
            {
                return Ok(Some(pin));
            }
        }
        let count = self.frames.len() as u32;
        while self.used.load(Ordering::Relaxed) < count {
            let index = self.used.fetch_add(1, Ordering::Relaxed);
            if index < count
                && let Some(pin) = self.try_take(index)?
            {
                return Ok(Some(pin));
            }
        }
        Ok(None)
    }

    fn sweep(&self) -> Result<PagePin<'_>> {
        if let Some(pin) = self.take_empty()? {
            return Ok(pin);
        }
        let count = self.frames.len() as u32;
        // Every frame can be passed once per usage count; more rounds only help against transient pins.
        let mut patience = count as u64 * 16;
        // On a full disk pages without a place on it stay, and others go: reading goes on (B11).
        let mut full = None;
        loop {
            let index = self.hand.fetch_add(1, Ordering::Relaxed) % count;
            let frame = &self.frames[index as usize];
            let now = frame.state.load(Ordering::Relaxed);
            if now & state::PIN_MASK == 0 {
                if now & state::USAGE_MASK > 0 {
                    let less = now - state::USAGE_ONE;
                    // Losing the race means that the frame is being used: leave it.
                    let _ = frame.state.compare_exchange(now, less, Ordering::Relaxed, Ordering::Relaxed);
                } else if full.is_none() || now & (state::DIRTY | state::FRESH) != state::DIRTY | state::FRESH
                {
                    match self.try_take(index) {
                        Ok(Some(pin)) => return Ok(pin),
                        Err(e) if e.sqlstate() == SqlState::DISK_FULL => full = Some(e),
                        other => drop(other?),
                    }
                }
            }
            patience -= 1;
            if patience == 0 {
                if let Some(e) = full {
                    return Err(e);
                }
                return Err(Error::new(SqlState::INSUFFICIENT_RESOURCES, "no unpinned buffers available"));
            }
            if patience.is_multiple_of(count as u64) {
                std::thread::yield_now();
            }
        }
    }

    /// Empties a frame that nobody has pinned; none if that changes meanwhile.
    pub(super) fn try_take(&self, index: u32) -> Result<Option<PagePin<'_>>> {
        let frame = &self.frames[index as usize];
        let now = frame.state.load(Ordering::Acquire);
        if now & state::PIN_MASK != 0
            || frame.state.compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Relaxed).is_err()
        {
            return Ok(None);
        }
        let pin = PagePin::adopt(self, index);
        if now & state::TAGGED == 0 {
            // Untagged frames can't be found, so the pin stays the only one.
            return Ok(Some(pin));
        }
        if now & state::DIRTY != 0 {
            self.write_out(&pin)?;
        }
        let id = pin.id();
        let hash = self.hash(&id);
        let mut shard = self.shard(hash).write();
        // Pins are taken under the shard lock: with it held exclusively, a count of one is this thread's.
        let now = frame.state.load(Ordering::Acquire);
        if now & state::PIN_MASK != 1 || now & (state::DIRTY | state::TAGGED) != state::TAGGED {
            return Ok(None);
        }
        self.remove_mapping(&mut shard, hash, &id);
        self.clear_fresh(index);
        let gone = state::TAGGED | state::VALID | state::UNLOGGED | state::TEMPORARY | state::AHEAD;
        let clear = gone | state::USAGE_MASK;
        frame.state.fetch_and(!clear, Ordering::AcqRel);
        drop(shard);
        self.stats.evictions.fetch_add(1, Ordering::Relaxed);
        Ok(Some(pin))
    }

    /// The background writer's round: cleans up to `pages_max` dirty frames that the hand will soon reach. Nothing is looked at again as long as the hand
    /// stands still: what becomes dirty before it meanwhile has time.
    pub fn write_ahead_of_hand(&self, pages_max: usize) -> Result<usize> {
        let count = self.frames.len() as u32;
        let from = self.hand.load(Ordering::Relaxed);
        if self.cleaned_from.swap(u32::MAX, Ordering::Relaxed) == from {
            self.cleaned_from.store(from, Ordering::Relaxed);
            return Ok(0);
        }
        let mut written = 0;
        for step in 0..(count / 8).max(1) {
            if written >= pages_max {
                self.writers.add(WriterCount::FullRounds as usize, 1);
                return Ok(written);
            }
            let index = from.wrapping_add(step) % count;
            let frame = &self.frames[index as usize];
            let now = frame.state.load(Ordering::Acquire);
            let idle = now & (state::PIN_MASK | state::USAGE_MASK) == 0;
            if !idle || now & (state::DIRTY | state::TAGGED) != state::DIRTY | state::TAGGED {
                continue;
            }
            if frame.state.compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                let pin = PagePin::adopt(self, index);
                written += self.write_out(&pin)? as usize;
            }
        }
        self.cleaned_from.store(from, Ordering::Relaxed);
        Ok(written)
    }
}
