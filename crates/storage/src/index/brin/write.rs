//! Changing summaries: new ones, wider ones, none any more; and inserts of rows, which widen them.

use super::map::RETRIES_MAX;
use super::page::{self as bp, Kind, RANGES_PER_PAGE, SUMMARY_BYTES_MAX};
use super::summary::{Rules, Summary};
use super::{Brin, META_BLOCK, kind, wal};
use crate::Fork;
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use crate::txn::Transaction;
use quarry_common::{BlockNo, Result, Tid};

/// Changed stretches that are nearer to each other are logged as one.
const PATCH_GAP: usize = 4;

impl Brin {
    /// Takes a row in: its range's summary, if there is one, covers it from now on. Gives the first block of the range before
    /// if the row is the first of its range and that one has no summary (`autosummarize` has it made then).
    pub fn insert(&self, txn: &Transaction, keys: &[Option<&[u8]>], tid: Tid) -> Result<Option<BlockNo>> {
        let rules = self.rules()?;
        let per_range = rules.options.pages_per_range;
        let range = tid.block / per_range;
        let start = range * per_range;
        txn.check_insert(self.rel())?;
        let covered = self.with_summary(range, start, |bytes| rules.covers(bytes, keys))?;
        if covered == Some(false) {
            self.change(&rules, range, start, &mut |summary| summary.add(&rules, keys))?;
        }
        if tid.block == start && tid.slot == 1 && range > 0 && self.place_of(range - 1)?.is_none() {
            return Ok(Some(start - per_range));
        }
        Ok(None)
    }

    /// Changes a range's summary; false if it has none.
    pub(super) fn change(
        &self,
        rules: &Rules,
        range: u32,
        start: BlockNo,
        f: &mut dyn FnMut(&mut Summary) -> Result<()>,
    ) -> Result<bool> {
        for _ in 0..RETRIES_MAX {
            let Some(place) = self.place_of(range)? else { return Ok(false) };
            let mut page = self.storage().pool().write(self.page_id(place.block))?;
            if !Brin::is_summary_of(page.bytes(), place.slot, start) {
                continue;
            }
            let Some(old) = bp::item(page.bytes(), place.slot).map(<[u8]>::to_vec) else { continue };
            let mut summary = rules.read(&old).map_err(|e| self.corrupted(e.message()))?;
            f(&mut summary)?;
            let new = summary.to_bytes(rules, self.name())?;
            if new == old {
                return Ok(true);
            }
            if new.len() <= bp::free_for(page.bytes(), place.slot) {
                self.change_in_place(&mut page, place.slot, &old, &new)?;
                return Ok(true);
            }
            // Two pages are latched in the order of their blocks, so this one is given up for a moment.
            let from = page.block();
            drop(page);
            let (low, high) = match self.find_room(new.len(), from)? {
                to if to < from => (to, from),
                to => (from, to),
            };
            let low_page = self.storage().pool().write(self.page_id(low))?;
            let high_page = self.storage().pool().write(self.page_id(high))?;
            let (mut old_page, mut new_page) =
                if low == from { (low_page, high_page) } else { (high_page, low_page) };
            let unchanged = bp::kind(old_page.bytes()) == Some(Kind::Summaries)
                && bp::item(old_page.bytes(), place.slot) == Some(&old[..]);
            if !unchanged || !has_room(&new_page, new.len()) {
                self.note_free(&new_page);
                continue;
            }
            let mut map = self.write_map(range)?;
            if bp::place(map.bytes(), range % RANGES_PER_PAGE) != Some(place) {
                drop(map);
                self.note_free(&new_page);
                continue;
            }
            with_scratch(|payload| {
                let slot = if new_page.is_new() { 0 } else { bp::free_slot(new_page.bytes()) };
                payload.w16(slot).w16((range % RANGES_PER_PAGE) as u16).w32(new_page.block());
                payload.w16(place.slot).wbytes(&new);
                let pages = &mut [&mut new_page, &mut map, &mut old_page];
                self.storage().log_change(None, kind(wal::MOVE), payload, pages)
            })?;
            drop(map);
            self.note_free(&new_page);
            self.note_free(&old_page);
            return Ok(true);
        }
        Err(self.corrupted(format_args!("the summary of block {start} is not where the range map says")))
    }

    fn change_in_place(&self, page: &mut PageMut<'_>, slot: u16, old: &[u8], new: &[u8]) -> Result<()> {
        with_scratch(|payload| {
            payload.w16(slot);
            let op = if old.len() == new.len() {
                push_patches(payload, old, new);
                wal::PATCH
            } else {
                payload.wbytes(new);
                wal::REPLACE
            };
            self.storage().log_change(None, kind(op), payload, &mut [page])
        })?;
        if old.len() != new.len() {
            self.note_free(page);
        }
        Ok(())
    }

    /// Gives a range a summary; false if it has one.
    pub(super) fn put(&self, range: u32, bytes: &[u8]) -> Result<bool> {
        self.extend_map(range)?;
        for _ in 0..RETRIES_MAX {
            let block = self.find_room(bytes.len(), 0)?;
            let mut page = self.storage().pool().write(self.page_id(block))?;
            if !has_room(&page, bytes.len()) {
                self.note_free(&page);
                continue;
            }
            let mut map = self.write_map(range)?;
            if bp::place(map.bytes(), range % RANGES_PER_PAGE).is_some() {
                drop(map);
                self.note_free(&page);
                return Ok(false);
            }
            with_scratch(|payload| {
                let slot = if page.is_new() { 0 } else { bp::free_slot(page.bytes()) };
                payload.w16(slot).w16((range % RANGES_PER_PAGE) as u16).w32(block).wbytes(bytes);
                self.storage().log_change(None, kind(wal::INSERT), payload, &mut [&mut page, &mut map])
            })?;
            drop(map);
            self.note_free(&page);
            return Ok(true);
        }
        Err(self.corrupted("there is no page with the room that the free-space map promises"))
    }

    /// Takes the summary of the range that a block is in away; false if it has none.
    pub fn desummarize(&self, block: BlockNo) -> Result<bool> {
        let per_range = self.pages_per_range()?;
        let range = block / per_range;
        for _ in 0..RETRIES_MAX {
            let Some(place) = self.place_of(range)? else { return Ok(false) };
            let mut page = self.storage().pool().write(self.page_id(place.block))?;
            if !Brin::is_summary_of(page.bytes(), place.slot, range * per_range) {
                continue;
            }
            let mut map = self.write_map(range)?;
            if bp::place(map.bytes(), range % RANGES_PER_PAGE) != Some(place) {
                continue;
            }
            with_scratch(|payload| {
                payload.w16(place.slot).w16((range % RANGES_PER_PAGE) as u16);
                self.storage().log_change(None, kind(wal::REMOVE), payload, &mut [&mut page, &mut map])
            })?;
            drop(map);
            self.note_free(&page);
            return Ok(true);
        }
        Err(self.corrupted(format_args!("the summary of block {block} is not where the range map says")))
    }

    /// A page that may have room for a summary, other than `but` (0: any).
    fn find_room(&self, bytes: usize, but: BlockNo) -> Result<BlockNo> {
        debug_assert!(bytes <= SUMMARY_BYTES_MAX, "a summary fits a page");
        let need = bytes + 4;
        while let Some(block) = self.state().take(self.storage(), self.rel(), need)? {
            if block != but && has_room(&*self.storage().pool().read(self.page_id(block))?, bytes) {
                return Ok(block);
            }
        }
        Ok(self.storage().pool().extend(self.rel(), Fork::Main, 1)?.block())
    }

    /// Looks where there is room: only memory knows, and not after a restart.
    pub(super) fn note_free_pages(&self) -> Result<()> {
        for block in META_BLOCK + 1..self.blocks()? {
            let page = self.storage().pool().read(self.page_id(block))?;
            if bp::kind(page.bytes()) == Some(Kind::Summaries) {
                self.state().record(block, bp::free(page.bytes()) + 4);
            } else if page.is_new() {
                self.state().record(block, SUMMARY_BYTES_MAX + 4);
            }
        }
        Ok(())
    }

    fn note_free(&self, page: &PageMut<'_>) {
        if bp::kind(page.bytes()) == Some(Kind::Summaries) {
            self.state().record(page.block(), bp::free(page.bytes()) + 4);
        } else if page.is_new() {
            self.state().record(page.block(), SUMMARY_BYTES_MAX + 4);
        }
    }
}

/// Whether a summary fits the page: one of summaries, or a new one.
fn has_room(page: &crate::page::Page, bytes: usize) -> bool {
    page.is_new() || bp::kind(page.bytes()) == Some(Kind::Summaries) && bytes <= bp::free(page.bytes())
}

/// Writes where two summaries of one length differ.
fn push_patches(out: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let mut at = 0;
    while let Some(from) = (at..new.len()).find(|i| old[*i] != new[*i]) {
        let mut end = from + 1;
        let mut i = end;
        while i < new.len() && i - end < PATCH_GAP {
            if old[i] != new[i] {
                end = i + 1;
            }
            i += 1;
        }
        out.w16(from as u16).w16((end - from) as u16).wbytes(&new[from..end]);
        at = end;
    }
}
