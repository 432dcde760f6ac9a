//! The memory of the pool's pages: one mapping that the system fills with zeroes on demand, in huge pages if it has them.
//!
//! Not from the allocator: for this alignment it would fill all of it at the start, and a pool of gigabytes would take seconds to make.

use crate::page::{PAGE_SIZE, Page};

/// What a huge page is on the machines there are; elsewhere only an alignment.
const HUGE: usize = 2 << 20;

/// See the module. Each page is one frame's.
pub(super) struct Frames {
    base: *mut Page,
    count: usize,
    mapping: *mut libc::c_void,
    mapped: usize,
}

// SAFETY: access to the pages is governed by the frames' latches.
unsafe impl Send for Frames {}
// SAFETY: as above.
unsafe impl Sync for Frames {}

impl Frames {
    pub fn new(count: usize) -> Frames {
        assert!(count > 0, "a pool has frames");
        let mapped = count.checked_mul(PAGE_SIZE).and_then(|n| n.checked_add(HUGE));
        let mapped = mapped.expect("shared_buffers fits the address space");
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of no file, wherever the system likes.
        let mapping = unsafe { libc::mmap(std::ptr::null_mut(), mapped, access, kind, -1, 0) };
        assert!(mapping != libc::MAP_FAILED, "{mapped} bytes of shared_buffers can be had");
        let skip = mapping.align_offset(HUGE);
        assert!(skip < HUGE, "an alignment in bytes can be reached");
        // SAFETY: `skip` is less than what was mapped beyond the pages.
        let base = unsafe { mapping.byte_add(skip) };
        #[cfg(target_os = "linux")]
        // SAFETY: the range is inside the mapping; it is a hint, so whether it is taken doesn't matter.
        unsafe {
            libc::madvise(base, mapped - HUGE, libc::MADV_HUGEPAGE);
        }
        Frames { base: base.cast(), count, mapping, mapped }
    }

    #[inline]
    pub fn page(&self, frame: u32) -> *mut Page {
        assert!((frame as usize) < self.count);
        // SAFETY: in bounds of the mapping.
        unsafe { self.base.add(frame as usize) }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; nobody has a page any more.
        unsafe { libc::munmap(self.mapping, self.mapped) };
    }
}
