//! Bringing pages that are in the pool near the processor, several at once.

use super::BufferPool;
use crate::ids::PageId;

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

impl BufferPool {
    /// Asks the processor for pages, as far as they are in the pool: for their frames, and for the lines at these offsets. Each step is taken for
    /// all pages before the next, so that what has to be waited for is waited for together. Nothing is pinned: a page that is replaced
    /// meanwhile was asked for in vain.
    pub fn prefetch(&self, pages: &[(PageId, usize)]) {
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
    }
}
