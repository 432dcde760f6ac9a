//! Pins and latches as types: a page's bytes can be reached only through a guard that holds both.

use super::{BufferPool, state};
use crate::files::RelFile;
use crate::ids::PageId;
use crate::page::Page;
use parking_lot::lock_api::{GuardNoSend, RawRwLock as _, RawRwLockDowngrade as _};
use quarry_common::{BlockNo, usage};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Keeps a page in its frame.
pub struct PagePin<'a> {
    pool: &'a BufferPool,
    frame: u32,
}

impl<'a> PagePin<'a> {
    /// Takes over a pin that is counted already.
    pub(super) fn adopt(pool: &'a BufferPool, frame: u32) -> PagePin<'a> {
        PagePin { pool, frame }
    }

    #[inline]
    pub(super) fn frame(&self) -> u32 {
        self.frame
    }

    #[inline]
    pub fn id(&self) -> PageId {
        // SAFETY: the tag changes only while the frame's single pin is the claiming thread's.
        unsafe { *self.pool.frames[self.frame as usize].tag.get() }
    }

    /// The page under a shared latch, with a pin of its own.
    #[inline]
    pub fn read(&self) -> PageRef<'a> {
        self.clone().into_read()
    }

    /// The page under the exclusive latch, with a pin of its own.
    #[inline]
    pub fn write(&self) -> PageMut<'a> {
        self.clone().into_write()
    }

    pub(super) fn try_read(&self) -> Option<PageRef<'a>> {
        let pin = self.clone();
        pin.pool.frames[pin.frame as usize].latch.try_lock_shared().map(|_| PageRef { pin })
    }

    /// The page under the exclusive latch if it is free.
    pub fn try_write(&self) -> Option<PageMut<'a>> {
        let pin = self.clone();
        pin.pool.frames[pin.frame as usize].latch.try_lock_exclusive().map(|_| PageMut { pin })
    }

    #[inline]
    pub fn into_read(self) -> PageRef<'a> {
        self.pool.frames[self.frame as usize].latch.lock_shared();
        PageRef { pin: self }
    }

    #[inline]
    pub fn into_write(self) -> PageMut<'a> {
        self.pool.frames[self.frame as usize].latch.lock_exclusive();
        PageMut { pin: self }
    }
}

impl Clone for PagePin<'_> {
    #[inline]
    fn clone(&self) -> Self {
        self.pool.frames[self.frame as usize].state.fetch_add(1, Ordering::Relaxed);
        PagePin { pool: self.pool, frame: self.frame }
    }
}

impl Drop for PagePin<'_> {
    #[inline]
    fn drop(&mut self) {
        let before = self.pool.frames[self.frame as usize].state.fetch_sub(1, Ordering::Release);
        debug_assert!(before & state::PIN_MASK > 0, "unpinned twice");
    }
}

/// A page under a shared latch.
pub struct PageRef<'a> {
    pin: PagePin<'a>,
}

/// A page under the exclusive latch.
///
/// Change it only inside an rmgr's `apply` (through [`Storage::log_change`](crate::Storage::log_change)), or mark the change with one of the
/// `mark_dirty_*` methods.
pub struct PageMut<'a> {
    pin: PagePin<'a>,
}

impl<'a> PageRef<'a> {
    #[inline]
    pub fn id(&self) -> PageId {
        self.pin.id()
    }
    #[inline]
    pub fn block(&self) -> BlockNo {
        self.pin.id().block
    }
    /// Another pin of the page, which can outlive the latch.
    pub fn pin(&self) -> PagePin<'a> {
        self.pin.clone()
    }
    /// Gives up the latch, keeps the pin.
    pub fn unlatch(self) -> PagePin<'a> {
        let this = ManuallyDrop::new(self);
        // SAFETY: this guard holds the shared latch and, being ManuallyDrop, won't release it again.
        unsafe { this.pin.pool.frames[this.pin.frame as usize].latch.unlock_shared(GuardNoSend::new()) };
        PagePin { pool: this.pin.pool, frame: this.pin.frame }
    }

    #[inline]
    pub(super) fn frame(&self) -> u32 {
        self.pin.frame
    }

    pub(super) fn file(&self) -> Arc<RelFile> {
        // SAFETY: the file changes only while the frame's single pin is the claiming thread's.
        unsafe { (*self.pin.pool.frames[self.pin.frame as usize].file.get()).clone() }
            .expect("a tagged frame has a file")
    }
}

impl Deref for PageRef<'_> {
    type Target = Page;
    #[inline]
    fn deref(&self) -> &Page {
        // SAFETY: the shared latch is held, so nobody writes.
        unsafe { &*self.pin.pool.pages.page(self.pin.frame) }
    }
}

impl Drop for PageRef<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard holds the shared latch. The pin is dropped after, as a field.
        unsafe { self.pin.pool.frames[self.pin.frame as usize].latch.unlock_shared(GuardNoSend::new()) };
    }
}

impl<'a> PageMut<'a> {
    #[inline]
    pub(super) fn frame(&self) -> u32 {
        self.pin.frame
    }
    #[inline]
    pub fn id(&self) -> PageId {
        self.pin.id()
    }
    #[inline]
    pub fn block(&self) -> BlockNo {
        self.pin.id().block
    }
    /// Another pin of the page, which can outlive the latch.
    pub fn pin(&self) -> PagePin<'a> {
        self.pin.clone()
    }

    /// Turns the latch into a shared one without letting anyone between.
    pub fn downgrade(self) -> PageRef<'a> {
        let this = ManuallyDrop::new(self);
        // SAFETY: this guard holds the exclusive latch and, being ManuallyDrop, won't release it again.
        unsafe { this.pin.pool.frames[this.pin.frame as usize].latch.downgrade(GuardNoSend::new()) };
        PageRef { pin: PagePin { pool: this.pin.pool, frame: this.pin.frame } }
    }

    /// Gives up the latch, keeps the pin.
    pub fn unlatch(self) -> PagePin<'a> {
        let this = ManuallyDrop::new(self);
        // SAFETY: as in `downgrade`.
        unsafe { this.pin.pool.frames[this.pin.frame as usize].latch.unlock_exclusive(GuardNoSend::new()) };
        PagePin { pool: this.pin.pool, frame: this.pin.frame }
    }

    /// Whether the page's changes go to the log.
    #[inline]
    pub fn is_logged(&self) -> bool {
        self.pin.pool.frames[self.pin.frame as usize].state.load(Ordering::Relaxed) & state::UNLOGGED == 0
    }

    /// The bytes, for whoever fills the frame.
    pub(super) fn loading_page(&mut self) -> &mut Page {
        &mut *self
    }

    /// Marks a change that the log knows of. Called before the record is reserved, see README B4.
    pub(crate) fn mark_dirty(&mut self) {
        let before =
            self.pin.pool.frames[self.pin.frame as usize].state.fetch_or(state::DIRTY, Ordering::AcqRel);
        if before & state::DIRTY == 0 {
            usage::page_dirtied(before & state::TEMPORARY != 0);
        }
    }

    /// Marks a change that may get lost (hint bits). The page is written for it only if its whole image is in the log
    /// since the last checkpoint, because else a torn write could not be repaired; unlogged ones needn't be.
    pub fn mark_dirty_hint(&mut self) {
        if !self.is_logged() || self.lsn() > self.pin.pool.wal.redo_point() {
            self.mark_dirty();
        }
    }

    /// Marks a change of a page that is never in the log and is read by the `*_or_zero` methods only.
    pub fn mark_dirty_unlogged(&mut self) {
        self.mark_dirty();
    }
}

impl Deref for PageMut<'_> {
    type Target = Page;
    #[inline]
    fn deref(&self) -> &Page {
        // SAFETY: the exclusive latch is held.
        unsafe { &*self.pin.pool.pages.page(self.pin.frame) }
    }
}

impl DerefMut for PageMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Page {
        // SAFETY: the exclusive latch is held, and `self` is borrowed exclusively.
        unsafe { &mut *self.pin.pool.pages.page(self.pin.frame) }
    }
}

impl Drop for PageMut<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard holds the exclusive latch. The pin is dropped after, as a field.
        unsafe { self.pin.pool.frames[self.pin.frame as usize].latch.unlock_exclusive(GuardNoSend::new()) };
    }
}
