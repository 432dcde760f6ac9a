//! Bringing pages that are in the pool near the processor, several at once.

use super::{BufferPool, state};
use crate::ids::PageId;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Pages asked for at once.
pub const PREFETCH_PAGES: usize = 8;

/// Asks the processor for the cache line at an address.
#[inline]
fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at as *const i8) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Lines of a value asked for at the most: longer ones are read in a row, which the processor notices.
const LINES: usize = 4;

/// Bytes of a processor's cache line.
const LINE: usize = 64;

impl BufferPool {
    /// Asks the processor for pages, as far as they are in the pool: for their frames, for the lines at these offsets, and for the places that
    /// `found` reads there. Each step is taken for all pages before the next, so that what has to be waited for is waited for together.
    /// Nothing stays pinned: a page that is replaced meanwhile was asked for in vain, and one that somebody writes to is left alone.
    pub fn prefetch(&self, pages: &[(PageId, usize)], found: impl Fn(usize, &[u8]) -> Range<usize>) {
        let mut frames = [None; PREFETCH_PAGES];
        let pages = &pages[..pages.len().min(PREFETCH_PAGES)];
        for ((id, _), frame) in pages.iter().zip(&mut frames) {
            let hash = self.hash(id);
            *frame = self.shard(hash).read().find(hash, |(other, _)| other == id).map(|(_, frame)| *frame);
            if let Some(frame) = frame {
                prefetch(&raw const self.frames[*frame as usize]);
                prefetch(self.pages.page(*frame) as *const u8);
            }
        }
        for ((_, offset), frame) in pages.iter().zip(frames) {
            let Some(frame) = frame else { continue };
            prefetch((self.pages.page(frame) as *const u8).wrapping_add(*offset));
        }
        for (i, ((id, _), frame)) in pages.iter().zip(frames).enumerate() {
            if frame.is_some()
                && let Some(pin) = self.pin_cached(*id, false)
                && self.frames[pin.frame() as usize].state.load(Ordering::Acquire) & state::VALID != 0
                && let Some(page) = pin.try_read()
            {
                let bytes = page.bytes();
                let place = found(i, bytes);
                let place = place.start..place.end.min(place.start + LINES * LINE).min(bytes.len());
                place.step_by(LINE).for_each(|at| prefetch(&raw const bytes[at]));
            }
        }
    }
}
