//! Moving pending rows into the tree (PostgreSQL: ginInsertCleanup).
//!
//! Rows are gathered by key from as many pages as fit in memory, put into the tree, and only then taken from the list. So whoever looks
//! through the list first and the tree after misses none; and a crash between leaves rows in both, which the next cleaning finds there already.
//! One cleans at a time: else one might bring an entry into the tree from which vacuum has just removed it.

use super::gather::Gather;
use super::insert::Addition;
use super::pending::{self, Rows, is_page};
use super::{Gin, META_BLOCK, kind, wal};
use crate::buffer::PageMut;
use crate::index::btree::page::{self as bp, Link};
use crate::page::PAGE_HEADER;
use crate::page::slotted::{PayloadWriter, with_scratch};
use crate::wal::record::PAGES_MAX;
use quarry_common::Result;
use std::time::Duration;

/// Memory for what is on its way.
const MEMORY_BYTES: usize = 16 << 20;
/// How long to wait for another cleaner before looking whether to wait on.
const WAIT: Duration = Duration::from_millis(50);

/// A pending page whose rows are in the tree.
struct Moved {
    link: Link,
    /// Bytes of its rows then; those of the last page may have grown.
    bytes: usize,
}

impl Gin {
    /// Moves all rows that are pending now into the tree; how many pages that took from the list. `check` is asked now and then whether to go on.
    pub fn clean_pending(&self, check: &mut dyn FnMut() -> Result<()>) -> Result<u32> {
        let _cleaning = loop {
            match self.state().cleaning.try_lock_for(WAIT) {
                Some(guard) => break guard,
                None => check()?,
            }
        };
        self.clean(check)
    }

    /// The same, unless another is doing that.
    pub(super) fn clean_if_nobody_does(&self) -> Result<()> {
        match self.state().cleaning.try_lock() {
            Some(_cleaning) => self.clean(&mut || Ok(())).map(drop),
            None => Ok(()),
        }
    }

    /// The caller holds the `cleaning` mutex.
    pub(super) fn clean(&self, check: &mut dyn FnMut() -> Result<()>) -> Result<u32> {
        // What comes after that page's present end may stay.
        let last = self.pending_list(None)?.tail;
        let mut removed = 0;
        loop {
            let mut gather = Gather::new(MEMORY_BYTES);
            let mut moved: Vec<Moved> = Vec::new();
            let mut ended = true;
            self.each_pending_page(None, &mut |link, p| {
                check()?;
                let rows = pending::rows_of(p);
                let mut rest = Rows(rows);
                for row in rest.by_ref() {
                    for key in row.keys() {
                        gather.add(key, row.tid)?;
                    }
                }
                if !rest.0.is_empty() {
                    return Err(self.corrupted(format_args!("block {}: bad pending rows", link.block)));
                }
                moved.push(Moved { link, bytes: rows.len() });
                ended = link == last || bp::right(p) == Link::NONE;
                Ok(!ended && !gather.is_full())
            })?;
            if moved.is_empty() {
                return Ok(removed);
            }
            let (mut list, mut bytes) = (Vec::new(), Vec::new());
            for entry in gather.sorted() {
                let mut tids = Vec::new();
                gather.tids(entry, &mut bytes, &mut tids);
                list.push(Addition { key: gather.key(entry), tids });
            }
            for part in list.chunks(256) {
                check()?;
                self.insert_in_tree(None, part)?;
            }
            for part in moved.chunks(PAGES_MAX - 1) {
                removed += self.remove_moved(part)?;
            }
            if ended {
                return Ok(removed);
            }
        }
    }

    /// Takes pages at the list's head away; the last one only loses the rows that were moved, if it has got more.
    fn remove_moved(&self, moved: &[Moved]) -> Result<u32> {
        let pool = self.storage().pool();
        let mut pages: Vec<PageMut<'_>> = Vec::with_capacity(moved.len());
        for m in moved {
            let page = pool.write(self.tree.page_id(m.link.block))?;
            if !is_page(page.bytes(), m.link) {
                return Err(self.corrupted(format_args!("block {}: no pending page any more", m.link.block)));
            }
            pages.push(page);
        }
        let Some((last, page)) = moved.last().zip(pages.last_mut()) else { return Ok(0) };
        let grown = pending::rows_of(page.bytes()).len() > last.bytes;
        let mut head = bp::right(page.bytes());
        if grown {
            head = last.link;
            let bytes = (last.bytes as u16).to_le_bytes();
            self.storage().log_change(None, kind(wal::TRIM), &bytes, &mut [page])?;
            pages.pop();
            if pages.is_empty() {
                return Ok(0);
            }
        }
        let count = pages.len();
        let blocks: Vec<_> = pages.iter().rev().map(|p| p.id().block).collect();
        let mut meta = pool.write(self.tree.page_id(META_BLOCK))?;
        with_scratch(|record| {
            record.w32(head.block).w32(head.generation).w16(count as u16);
            let mut all = vec![&mut meta];
            all.extend(pages.iter_mut());
            self.storage().log_change(None, kind(wal::REMOVE), record, &mut all)
        })?;
        drop(meta);
        drop(pages);
        self.state().free_pages.lock().extend(blocks);
        Ok(count as u32)
    }
}

const _: () = assert!(pending::CAPACITY + PAGE_HEADER <= u16::MAX as usize);
