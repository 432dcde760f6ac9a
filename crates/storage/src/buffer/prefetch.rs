//! Bringing pages that are in the pool near the processor, several at once.

use super::{BufferPool, PageRef, state};
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

/// A page in the pool of which places can be asked for.
pub struct Lines<'p>(&'p [u8]);

impl<'p> Lines<'p> {
    /// The page's bytes, to find the places.
    #[inline]
    pub fn bytes(&self) -> &'p [u8] {
        self.0
    }

    /// Asks the processor for the cache lines that a range has a part in.
    #[inline]
    pub fn ask(&self, range: Range<usize>) {
        let end = range.end.min(self.0.len());
        // Pages begin at a line.
        (range.start / LINE * LINE..end).step_by(LINE).for_each(|at| prefetch(&raw const self.0[at]));
    }
}

impl BufferPool {
    /// Asks the processor for the first bytes of the page that lies two frames behind this one, and for its frame: pages that were read or written
    /// in a row mostly lie in a row, so that is where a scan goes after the next page. A wrong guess costs a few idle loads.
    #[inline]
    pub fn prefetch_behind(&self, page: &PageRef<'_>, bytes: usize) {
        let frame = page.frame() + 2;
        if let Some(there) = self.frames.get(frame as usize) {
            prefetch(&raw const *there);
            let at = self.pages.page(frame) as *const u8;
            (0..bytes).step_by(LINE).for_each(|line| prefetch(at.wrapping_add(line)));
        }
    }

    /// Hands a page to who knows which places of it are read next, if it is in the pool and nobody writes to it. It doesn't stay pinned.
    #[inline]
    pub fn prefetch_in(&self, id: PageId, f: impl FnOnce(Lines<'_>)) {
        if let Some(pin) = self.pin_cached(id, false)
            && self.frames[pin.frame() as usize].state.load(Ordering::Acquire) & state::VALID != 0
            && let Some(page) = pin.try_read()
        {
            f(Lines(page.bytes()));
        }
    }

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
