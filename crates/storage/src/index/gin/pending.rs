//! The pending list: rows with all their keys, in the order they came, waiting to be moved into the tree ([`super::clean`]).
//!
//! Its pages have the B-tree's frame with a level of their own, so that stale links to and from them are noticed as the tree's are. Rows
//! fill a page from its header up to `lower`; a list goes on over the right links.
//!
//! | row | bytes |
//! | --- | --- |
//! | length of the rest | u16 |
//! | tid | 6 |
//! | per key, rising | length u16, bytes |
//!
//! A row that doesn't fit a page goes to the tree at once: a row is in the list with all its keys, or with none.

use super::row::GinRow;
use super::wal::{self, damaged};
use super::{Gin, META_BLOCK, kind, meta};
use crate::index::btree::page::{self as bp, Link};
use crate::page::slotted::{PayloadWriter, get_u16, get_u32, put_u16, with_scratch};
use crate::page::{PAGE_HEADER, PAGE_SIZE};
use crate::ssi::Xact;
use crate::txn::Transaction;
use quarry_common::{Result, Tid};
use std::sync::Arc;

/// The level of pending pages.
pub const LEVEL: u16 = 0xfffe;
/// Bytes for rows.
pub const CAPACITY: usize = bp::ITEMS_END - PAGE_HEADER;
const LOWER: usize = 14;
/// So many stale links in a row can only mean damage.
const RESTARTS_MAX: u32 = 10_000;

/// Where a page's rows end; none if it is no pending page.
fn end_of(p: &[u8]) -> Option<usize> {
    let lower = get_u16(p, LOWER) as usize;
    let sound = bp::level(p) == LEVEL
        && !bp::has_flag(p, bp::DELETED)
        && (PAGE_HEADER..=bp::ITEMS_END).contains(&lower);
    sound.then_some(lower)
}

/// Refuses what is no pending page.
pub fn check_page(p: &[u8]) -> Result<()> {
    end_of(p).map(drop).ok_or_else(|| damaged("no pending page"))
}

/// Refuses what is not one row.
pub fn check_row(bytes: &[u8]) -> Result<()> {
    let mut rows = Rows(bytes);
    let sound = rows.next().is_some_and(|row| row.is_sound()) && rows.0.is_empty();
    if sound { Ok(()) } else { Err(damaged("no row")) }
}

/// Adds a row.
pub fn append(p: &mut [u8], row: &[u8]) -> Result<()> {
    check_row(row)?;
    let end = end_of(p).ok_or_else(|| damaged("no pending page"))?;
    if row.len() > bp::ITEMS_END - end {
        return Err(damaged("no space"));
    }
    p[end..end + row.len()].copy_from_slice(row);
    put_u16(p, LOWER, (end + row.len()) as u16);
    Ok(())
}

/// Takes the first `bytes` of the rows away.
pub fn trim(p: &mut [u8], bytes: usize) -> Result<()> {
    let end = end_of(p).ok_or_else(|| damaged("no pending page"))?;
    if bytes > end - PAGE_HEADER {
        return Err(damaged("no such rows"));
    }
    p.copy_within(PAGE_HEADER + bytes..end, PAGE_HEADER);
    p[end - bytes..end].fill(0);
    put_u16(p, LOWER, (end - bytes) as u16);
    Ok(())
}

/// The bytes of a page's rows; empty if it is no pending page.
pub fn rows_of(p: &[u8]) -> &[u8] {
    end_of(p).map_or(&[], |end| &p[PAGE_HEADER..end])
}

/// Bytes that a page has left.
fn free(p: &[u8]) -> usize {
    end_of(p).map_or(0, |end| bp::ITEMS_END - end)
}

/// A pending row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub tid: Tid,
    keys: &'a [u8],
}

impl<'a> Row<'a> {
    /// Its keys, rising.
    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.keys;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk::<2>()?;
            let (key, tail) = tail.split_at_checked(u16::from_le_bytes(*len) as usize)?;
            rest = tail;
            Some(key)
        })
    }

    /// Whether it is read to its end, and its keys rise.
    pub fn is_sound(&self) -> bool {
        let mut bytes = 0;
        let mut last: Option<&[u8]> = None;
        for key in self.keys() {
            if last >= Some(key) {
                return false;
            }
            bytes += 2 + key.len();
            last = Some(key);
        }
        bytes == self.keys.len() && bytes > 0
    }
}

/// The rows in a page's bytes, up to where they make no sense.
pub struct Rows<'a>(pub &'a [u8]);

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let (len, rest) = self.0.split_first_chunk::<2>()?;
        let (row, rest) = rest.split_at_checked(u16::from_le_bytes(*len) as usize)?;
        if row.len() < 6 {
            return None;
        }
        self.0 = rest;
        Some(Row { tid: Tid { block: get_u32(row, 0), slot: get_u16(row, 4) }, keys: &row[6..] })
    }
}

/// Bytes of a row in the list.
pub fn row_bytes(row: &GinRow) -> usize {
    8 + row.iter().map(|key| 2 + key.len()).sum::<usize>()
}

impl Gin {
    /// Adds a row, which fits a page; how many pages the list has if it has got one more.
    pub(super) fn append_pending(&self, txn: &Transaction, row: &GinRow, tid: Tid) -> Result<Option<u32>> {
        let pool = self.storage().pool();
        let bytes = row_bytes(row);
        let put = |out: &mut Vec<u8>| {
            out.w16((bytes - 2) as u16).wtid(tid);
            for key in row.iter() {
                out.w16(key.len() as u16).wbytes(key);
            }
        };
        for _ in 0..RESTARTS_MAX {
            let tail = self.pending_list(None)?.tail;
            let mut old = None;
            if tail.block != bp::NONE {
                let mut page = pool.write(self.tree.page_id(tail.block))?;
                if !is_page(page.bytes(), tail) || bp::right(page.bytes()) != Link::NONE {
                    // It has got a successor, or was emptied.
                    continue;
                }
                if free(page.bytes()) >= bytes {
                    txn.check_entry(self.rel(), META_BLOCK)?;
                    with_scratch(|record| {
                        put(record);
                        self.storage().log_change(None, kind(wal::APPEND), record, &mut [&mut page])
                    })?;
                    return Ok(None);
                }
                old = Some(page);
            }
            let mut first = None;
            if old.is_none() {
                let page = pool.write(self.tree.page_id(META_BLOCK))?;
                if meta::list(page.bytes()).tail != Link::NONE {
                    continue;
                }
                first = Some(page);
            }
            txn.check_entry(self.rel(), META_BLOCK)?;
            let (mut new, generation) = self.tree.take_page()?;
            let mut page = match first {
                Some(page) => page,
                None => pool.write(self.tree.page_id(META_BLOCK))?,
            };
            let block = new.id().block;
            with_scratch(|record| {
                record.w32(block).w32(generation);
                put(record);
                let kind = kind(wal::NEW_PAGE);
                match &mut old {
                    Some(old) => {
                        self.storage().log_change(None, kind, record, &mut [&mut page, &mut new, old])
                    }
                    None => self.storage().log_change(None, kind, record, &mut [&mut page, &mut new]),
                }
            })?;
            return Ok(Some(meta::list(page.bytes()).pages));
        }
        Err(self.corrupted("the pending list has no end"))
    }

    /// Where the list is. `reader` is going to look through it: whoever adds to it conflicts (PostgreSQL locks the meta page, too).
    pub(super) fn pending_list(&self, reader: Option<&Arc<Xact>>) -> Result<meta::PendingList> {
        let page = self.storage().pool().read(self.tree.page_id(META_BLOCK))?;
        if !meta::is_gin(page.bytes()) {
            return Err(self.corrupted("its first page is not a GIN index's meta page"));
        }
        if let Some(x) = reader {
            self.storage().ssi().read_page(x, self.rel(), META_BLOCK);
        }
        Ok(meta::list(page.bytes()))
    }

    /// Gives each page of the list to `f`: its link and its bytes. Pages removed meanwhile, whose rows are in the tree by then, may be left out.
    pub(super) fn each_pending_page(
        &self,
        reader: Option<&Arc<Xact>>,
        f: &mut dyn FnMut(Link, &[u8; PAGE_SIZE]) -> Result<bool>,
    ) -> Result<()> {
        let mut link = self.pending_list(reader)?.head;
        let mut copy = [0; PAGE_SIZE];
        let mut restarts = 0;
        while link.block != bp::NONE {
            {
                let page = self.storage().pool().read(self.tree.page_id(link.block))?;
                if !is_page(page.bytes(), link) {
                    drop(page);
                    // Removed, as all before it: the list goes on at its head.
                    link = self.pending_list(None)?.head;
                    restarts += 1;
                    if restarts > RESTARTS_MAX {
                        return Err(self.corrupted("a link of the pending list leads nowhere"));
                    }
                    continue;
                }
                copy.copy_from_slice(page.bytes());
            }
            if !f(link, &copy)? {
                return Ok(());
            }
            link = bp::right(&copy);
        }
        Ok(())
    }
}

/// Whether the page is the pending page that the link was made to.
pub(super) fn is_page(p: &[u8], link: Link) -> bool {
    bp::level(p) == LEVEL && bp::generation(p) == link.generation && !bp::has_flag(p, bp::DELETED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tid: u32, keys: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let len: usize = 6 + keys.iter().map(|k| 2 + k.len()).sum::<usize>();
        out.w16(len as u16).wtid(Tid { block: tid, slot: 1 });
        for key in keys {
            out.w16(key.len() as u16).wbytes(key);
        }
        out
    }

    #[test]
    fn pages_take_and_give_back_rows() {
        let mut p = vec![0; PAGE_SIZE];
        assert!(append(&mut p, &row(1, &[b"a"])).is_err(), "no pending page");
        bp::init(&mut p, LEVEL, 3, Link::NONE);
        append(&mut p, &row(1, &[b"a", b"b"])).expect("fits");
        append(&mut p, &row(2, &[b"", b"c"])).expect("fits");
        let list = |p: &[u8]| -> Vec<(u32, usize)> {
            Rows(rows_of(p)).map(|r| (r.tid.block, r.keys().count())).collect()
        };
        assert_eq!(list(&p), [(1, 2), (2, 2)]);
        trim(&mut p, row(1, &[b"a", b"b"]).len()).expect("there");
        assert_eq!(list(&p), [(2, 2)]);
        assert!(trim(&mut p, 5000).is_err());
        assert!(append(&mut p, &row(1, &[])).is_err(), "no keys");
        assert!(append(&mut p, &row(1, &[b"b", b"a"])).is_err(), "falling keys");
        assert!(append(&mut p, &row(1, &[b"a"])[..7]).is_err(), "cut");
        assert!(append(&mut p, &row(1, &[&[7; 8150]])).is_err(), "too long");
    }
}
