//! The range map: from a range's number to the place of its summary. Its pages are named by directory pages, those by the meta page.

use super::page::{self as bp, Kind, PAGES_PER_DIRECTORY, Place, RANGES_PER_PAGE};
use super::{Brin, META_BLOCK, kind, meta, summary, wal};
use crate::Fork;
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use quarry_common::{BlockNo, Result};

/// A summary that moves while it is looked up is looked up again; this many times in a row can only mean damage.
pub(super) const RETRIES_MAX: u32 = 10_000;

impl Brin {
    /// The block of the range map's `at`th page, if there is one.
    pub(super) fn map_block(&self, at: u32) -> Result<Option<BlockNo>> {
        let known = self.known();
        if let Some(block) = known.map.read().get(at as usize)
            && *block != 0
        {
            return Ok(Some(*block));
        }
        let pool = self.storage().pool();
        let directory = {
            let page = pool.read(self.page_id(META_BLOCK))?;
            meta::options(&page).map_err(|e| self.corrupted(e.message()))?;
            meta::directory(&page, at / PAGES_PER_DIRECTORY)
        };
        if directory == 0 {
            return Ok(None);
        }
        let page = pool.read(self.page_id(directory))?;
        self.expect(page.bytes(), Kind::Directory, directory)?;
        let block = bp::named(page.bytes(), at % PAGES_PER_DIRECTORY);
        drop(page);
        if block == 0 {
            return Ok(None);
        }
        let mut map = known.map.write();
        if map.len() <= at as usize {
            map.resize(at as usize + 1, 0);
        }
        map[at as usize] = block;
        Ok(Some(block))
    }

    /// Where the summary of a range is.
    pub(super) fn place_of(&self, range: u32) -> Result<Option<Place>> {
        let Some(block) = self.map_block(range / RANGES_PER_PAGE)? else { return Ok(None) };
        let page = self.storage().pool().read(self.page_id(block))?;
        self.expect(page.bytes(), Kind::RangeMap, block)?;
        Ok(bp::place(page.bytes(), range % RANGES_PER_PAGE))
    }

    /// Where the summaries of the ranges of the map's `at`th page are; none if there is no such page.
    pub(super) fn places(&self, at: u32) -> Result<Option<Vec<Option<Place>>>> {
        let Some(block) = self.map_block(at)? else { return Ok(None) };
        let page = self.storage().pool().read(self.page_id(block))?;
        self.expect(page.bytes(), Kind::RangeMap, block)?;
        Ok(Some((0..RANGES_PER_PAGE).map(|n| bp::place(page.bytes(), n)).collect()))
    }

    /// The map's page for a range, latched exclusively.
    pub(super) fn write_map(&self, range: u32) -> Result<PageMut<'_>> {
        let at = range / RANGES_PER_PAGE;
        let Some(block) = self.map_block(at)? else {
            return Err(self.corrupted("a page of the range map is gone"));
        };
        let page = self.storage().pool().write(self.page_id(block))?;
        self.expect(page.bytes(), Kind::RangeMap, block)?;
        Ok(page)
    }

    /// Makes sure that the map has a page for the range.
    pub(super) fn extend_map(&self, range: u32) -> Result<()> {
        let at = range / RANGES_PER_PAGE;
        if self.map_block(at)?.is_some() {
            return Ok(());
        }
        let _extending = self.known().extending.lock();
        if self.map_block(at)?.is_some() {
            return Ok(());
        }
        let pool = self.storage().pool();
        let number = at / PAGES_PER_DIRECTORY;
        let mut directory = meta::directory(&*pool.read(self.page_id(META_BLOCK))?, number);
        if directory == 0 {
            let mut page = pool.extend(self.rel(), Fork::Main, 1)?;
            directory = page.block();
            let mut parent = pool.write(self.page_id(META_BLOCK))?;
            with_scratch(|payload| {
                payload.w16(number as u16).w32(directory);
                self.storage().log_change(
                    None,
                    kind(wal::ADD_DIRECTORY),
                    payload,
                    &mut [&mut page, &mut parent],
                )
            })?;
        }
        let mut page = pool.extend(self.rel(), Fork::Main, 1)?;
        let mut parent = pool.write(self.page_id(directory))?;
        self.expect(parent.bytes(), Kind::Directory, directory)?;
        with_scratch(|payload| {
            payload.w16((at % PAGES_PER_DIRECTORY) as u16).w32(page.block());
            self.storage().log_change(None, kind(wal::ADD_MAP), payload, &mut [&mut page, &mut parent])
        })?;
        Ok(())
    }

    /// Pages of the range map. They are made in any order, but ranges are summarised from the first on.
    pub(super) fn map_pages(&self) -> Result<BlockNo> {
        let mut at = 0;
        while self.map_block(at)?.is_some() {
            at += 1;
        }
        Ok(at)
    }

    pub(super) fn count_summaries(&self) -> Result<u64> {
        let mut count = 0;
        let mut at = 0;
        while let Some(places) = self.places(at)? {
            count += places.iter().flatten().count() as u64;
            at += 1;
        }
        Ok(count)
    }

    pub(super) fn expect(&self, p: &[u8], wanted: Kind, block: BlockNo) -> Result<()> {
        if bp::kind(p) == Some(wanted) {
            return Ok(());
        }
        Err(self.corrupted(format_args!("block {block}: it is no page of {wanted:?}")))
    }

    /// Whether the summary at that place is the range's.
    pub(super) fn is_summary_of(p: &[u8], slot: u16, start: BlockNo) -> bool {
        bp::kind(p) == Some(Kind::Summaries) && bp::item(p, slot).and_then(summary::start_of) == Some(start)
    }

    /// Gives `f` the bytes of a range's summary, if it has one, under its page's shared latch.
    pub(super) fn with_summary<R>(
        &self,
        range: u32,
        start: BlockNo,
        f: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<Option<R>> {
        for _ in 0..RETRIES_MAX {
            let Some(place) = self.place_of(range)? else { return Ok(None) };
            let page = self.storage().pool().read(self.page_id(place.block))?;
            // Else it has moved, or gone, meanwhile.
            if Brin::is_summary_of(page.bytes(), place.slot, start)
                && let Some(bytes) = bp::item(page.bytes(), place.slot)
            {
                return f(bytes).map(Some);
            }
        }
        Err(self.corrupted(format_args!("the summary of block {start} is not where the range map says")))
    }
}
