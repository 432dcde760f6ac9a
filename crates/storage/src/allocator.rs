//! What the allocator and the system do with memory that nobody needs, where memory is short.
//!
//! The allocator (mimalloc) keeps pages that became free for a second before it gives them back, and asks for huge pages: both are right as long as there is
//! enough. Many statements at work at once, each with a thread and so a heap of its own, come to several times of what they hold
//! that way: of a huge page only a part is in use in most of them.

use std::ffi::{c_int, c_long};

/// Milliseconds after which free pages are given back: as mimalloc has it, and where memory is short.
const PURGE_DELAY: (c_long, c_long) = (1000, 0);

/// mimalloc's `mi_option_purge_delay`.
const MI_OPTION_PURGE_DELAY: c_int = 15;

/// Saves memory from here on, or no longer. New memory is in small pages then, all of the process's: a hint that not every system takes.
pub fn save_memory(short: bool) {
    #[cfg(target_os = "linux")]
    // SAFETY: touches no memory of the process.
    unsafe {
        let [set, rest]: [libc::c_ulong; 2] = [short.into(), 0];
        libc::prctl(libc::PR_SET_THP_DISABLE, set, rest, rest, rest);
    }
    let delay = if short { PURGE_DELAY.1 } else { PURGE_DELAY.0 };
    // SAFETY: sets one aligned number among mimalloc's options, any value of which will do for those who read it meanwhile.
    unsafe { libmimalloc_sys::mi_option_set(MI_OPTION_PURGE_DELAY, delay) };
}
