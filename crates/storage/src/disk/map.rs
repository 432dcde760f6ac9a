//! A part of a file as memory, read only.

use std::ops::Deref;

/// See the module. The file must not get shorter while it lives.
pub struct Mapping {
    base: *mut libc::c_void,
    mapped: usize,
    /// Where the wanted part begins: mappings begin at pages of the system.
    skip: usize,
}

// SAFETY: nothing writes to the memory through the mapping, and it goes only with the value.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes from `offset`, which the file has, and brings them into memory; none if the system can't, or if one of them can't be
    /// read: who reads them then by calls gets the error.
    pub(super) fn of(file: &std::fs::File, offset: u64, len: usize) -> Option<Mapping> {
        use std::os::fd::AsRawFd;
        let skip = (offset % rustix::param::page_size() as u64) as usize;
        let mapped = len.checked_add(skip).filter(|mapped| *mapped > 0)?;
        let from = libc::off_t::try_from(offset - skip as u64).ok()?;
        // SAFETY: a new mapping, wherever the system likes, of an open file.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                mapped,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                from,
            )
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let mapping = Mapping { base, mapped, skip };
        #[cfg(target_os = "linux")]
        {
            // SAFETY: the range is the mapping's.
            let outcome = unsafe { libc::madvise(base, mapped, libc::MADV_POPULATE_READ) };
            if outcome != 0 {
                return None;
            }
            Some(mapping)
        }
        // Without a way to find out, a page that can't be read would end the process.
        #[cfg(not(target_os = "linux"))]
        {
            drop(mapping);
            None
        }
    }
}

impl Deref for Mapping {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: inside the mapping, which lives as long as `self`; whoever writes to the file meanwhile breaks the rule above.
        unsafe { std::slice::from_raw_parts(self.base.cast::<u8>().add(self.skip), self.mapped - self.skip) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `of` with this length.
        unsafe { libc::munmap(self.base, self.mapped) };
    }
}
