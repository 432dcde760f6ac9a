//! The process's allocator: mimalloc, asked for aligned memory only where it doesn't give that by itself.
//!
//! The way by an alignment takes twice the instructions, and goes round the free lists where the next free block happens to lie otherwise.

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};
use std::alloc::{GlobalAlloc, Layout};

/// Blocks are aligned to this, smaller ones to the largest power of two that isn't larger than they are, but 8 bytes at least
/// (`MI_MAX_ALIGN_SIZE`).
const ALIGNED: usize = 16;

/// To be named as `#[global_allocator]`.
pub struct Allocator;

/// Whether any block of this size is aligned enough.
#[inline]
fn is_plain(size: usize, align: usize) -> bool {
    align <= ALIGNED && align <= size
}

// SAFETY: mimalloc's functions give blocks of at least the size asked for, or null, and free and resize what any of them gave. Aligned
// they are by what is said at `ALIGNED`, or because it was asked for.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size and any power of two will do.
        unsafe { if is_plain(size, align) { mi_malloc(size) } else { mi_malloc_aligned(size, align) }.cast() }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as above.
        unsafe { if is_plain(size, align) { mi_zalloc(size) } else { mi_zalloc_aligned(size, align) }.cast() }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller has it from this allocator.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: the caller has it from this allocator.
        unsafe {
            match is_plain(size, align) {
                true => mi_realloc(block.cast(), size),
                false => mi_realloc_aligned(block.cast(), size, align),
            }
            .cast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned() {
        for align in [1, 2, 4, 8, 16, 64, 4096] {
            for size in [1, 2, 7, 8, 12, 16, 24, 40, 100, 1000, 5000, 100_000] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                let blocks: Vec<*mut u8> = (0..5)
                    .map(|i| {
                        // SAFETY: the layout has a size, what is given is written within it and freed below.
                        unsafe {
                            let block = match i % 2 {
                                0 => Allocator.alloc(layout),
                                _ => Allocator.alloc_zeroed(layout),
                            };
                            block.write(7);
                            let larger = Allocator.realloc(block, layout, size + 3 * align);
                            assert_eq!(larger.read(), 7);
                            larger
                        }
                    })
                    .collect();
                for block in blocks {
                    assert_eq!(block as usize % align, 0, "{size} bytes");
                    // SAFETY: from above, with the size it has by now.
                    unsafe {
                        Allocator.dealloc(block, Layout::from_size_align_unchecked(size + 3 * align, align))
                    };
                }
            }
        }
    }
}
