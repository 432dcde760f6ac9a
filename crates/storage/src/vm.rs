//! Visibility map: one bit per heap page, set when every row on it is visible to every snapshot.
//!
//! Index-only scans trust a set bit; vacuum skips such pages. The bit is never set without the page's own
//! [`ALL_VISIBLE`](crate::heap::page::ALL_VISIBLE) flag: both change in one WAL record. A change of a heap page clears
//! both before its latch is released. Latch order: heap pages, then map page.
//!
//! A map page is the page header and 8,160 bytes of bits, lowest bit first.

use crate::buffer::{PageMut, PageRef};
use crate::page::{PAGE_HEADER, PAGE_SIZE, Page};
use crate::{Fork, PageId, RelId, Storage};
use quarry_common::{BlockNo, Result};

/// Heap pages described by one map page.
pub const BLOCKS_PER_PAGE: u32 = ((PAGE_SIZE - PAGE_HEADER) * 8) as u32;

/// The map page with `block`'s bit.
pub fn map_page(rel: RelId, block: BlockNo) -> PageId {
    PageId::new(rel, Fork::Vm, block / BLOCKS_PER_PAGE)
}

fn place(block: BlockNo) -> (usize, u8) {
    let bit = block % BLOCKS_PER_PAGE;
    (PAGE_HEADER + bit as usize / 8, 1 << (bit % 8))
}

/// Reads `block`'s bit on its map page.
pub fn bit(page: &Page, block: BlockNo) -> bool {
    let (at, mask) = place(block);
    page.bytes()[at] & mask != 0
}

/// Sets or clears `block`'s bit on its map page, making the page if it is new.
pub fn set_bit(page: &mut Page, block: BlockNo, on: bool) {
    if page.is_new() {
        page.init(0);
        page.set_lower(PAGE_SIZE as u16);
    }
    let (at, mask) = place(block);
    let byte = &mut page.bytes_mut()[at];
    *byte = if on { *byte | mask } else { *byte & !mask };
}

/// The latched map page of `block`, made if need be.
pub fn write_page(storage: &Storage, rel: RelId, block: BlockNo) -> Result<PageMut<'_>> {
    storage.pool().write_or_zero(map_page(rel, block))
}

/// Whether the map says that all of `block` is visible to all.
pub fn is_all_visible(storage: &Storage, rel: RelId, block: BlockNo) -> Result<bool> {
    let id = map_page(rel, block);
    if id.block >= storage.pool().blocks(rel, Fork::Vm)? {
        return Ok(false);
    }
    Ok(bit(&*storage.pool().read_or_zero(id)?, block))
}

/// Answers [`is_all_visible`] for one table after the other page, keeping the map's page at hand (latched) between questions.
pub struct Lookup<'s> {
    storage: &'s Storage,
    rel: RelId,
    page: Option<(BlockNo, Option<PageRef<'s>>)>,
}

impl<'s> Lookup<'s> {
    /// Nothing is latched before the first question.
    pub fn new(storage: &'s Storage, rel: RelId) -> Lookup<'s> {
        Lookup { storage, rel, page: None }
    }

    /// Whether every row of the page is visible to every snapshot.
    #[inline]
    pub fn is_all_visible(&mut self, block: BlockNo) -> Result<bool> {
        let id = map_page(self.rel, block);
        if self.page.as_ref().is_none_or(|(at, _)| *at != id.block) {
            // The old page's latch goes first.
            self.page = None;
            let pool = self.storage.pool();
            let there = id.block < pool.blocks(self.rel, Fork::Vm)?;
            self.page = Some((id.block, if there { Some(pool.read_or_zero(id)?) } else { None }));
        }
        Ok(matches!(&self.page, Some((_, Some(page))) if bit(page, block)))
    }
}

/// How many of the first `blocks` heap pages are visible to all.
pub fn count(storage: &Storage, rel: RelId, blocks: BlockNo) -> Result<BlockNo> {
    let maps = storage.pool().blocks(rel, Fork::Vm)?;
    let mut sum = 0;
    for map in 0..maps.min(blocks.div_ceil(BLOCKS_PER_PAGE)) {
        let page = storage.pool().read_or_zero(PageId::new(rel, Fork::Vm, map))?;
        let first = map * BLOCKS_PER_PAGE;
        sum += (first..blocks.min(first.saturating_add(BLOCKS_PER_PAGE))).filter(|b| bit(&page, *b)).count();
    }
    Ok(sum as BlockNo)
}

/// Before the heap is cut to `blocks` pages: clears the bits of those that go, so that pages that come back start unset.
pub fn cut(storage: &Storage, rel: RelId, blocks: BlockNo) -> Result<()> {
    let maps = storage.pool().blocks(rel, Fork::Vm)?;
    let id = map_page(rel, blocks);
    if id.block < maps {
        let mut page = storage.pool().write_or_zero(id)?;
        if !page.is_new() {
            let (at, mask) = place(blocks);
            let kept = page.bytes()[at] & (mask - 1);
            let zeroes = vec![0; PAGE_SIZE - at - 1];
            storage.log_patch(None, &mut page, &[(at as u16, &[kept]), (at as u16 + 1, &zeroes)])?;
        }
    }
    storage.truncate_relation(rel, Fork::Vm, (id.block + 1).min(maps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_independent() {
        let mut page = Page::zeroed();
        for b in [0, 7, 8, BLOCKS_PER_PAGE - 1] {
            set_bit(&mut page, b, true);
        }
        set_bit(&mut page, 7, false);
        let on: Vec<u32> = (0..BLOCKS_PER_PAGE).filter(|b| bit(&page, *b)).collect();
        assert_eq!(on, [0, 8, BLOCKS_PER_PAGE - 1]);
        assert!(bit(&page, BLOCKS_PER_PAGE + 8));
    }
}
