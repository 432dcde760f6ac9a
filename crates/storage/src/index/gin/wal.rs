//! GIN's WAL records: the pending list and the meta page. Changes of the tree are the B-tree's records.
//!
//! | op | pages | payload |
//! | --- | --- | --- |
//! | INIT | meta, root | block of the root u32 |
//! | APPEND | tail | one row |
//! | NEW_PAGE | meta, new tail, [old tail] | new tail: block u32, generation u32; one row |
//! | REMOVE | meta, pages from the head on | new head: block u32, generation u32; pages that go u16 |
//! | TRIM | a page | bytes u16: rows that go from the page's beginning |
//! | COUNTED | meta | total u32, entry u32, data pages u32, entries u64 |
//!
//! A row is as [`super::pending`] says.

use super::meta::{self, GinStats, PendingList};
use super::pending;
use crate::index::btree::page::{self as bp, Link};
use crate::index::btree::wal as tree;
use crate::page::Page;
use crate::page::slotted::PayloadReader;
use quarry_common::{Error, Result, SqlState};

pub const INIT: u8 = 1;
pub const APPEND: u8 = 2;
pub const NEW_PAGE: u8 = 3;
pub const REMOVE: u8 = 4;
pub const TRIM: u8 = 5;
pub const COUNTED: u8 = 6;

pub(super) fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("GIN WAL record does not fit its page: {what}"))
}

fn read_link(r: &mut PayloadReader<'_>) -> Result<Link> {
    Ok(Link { block: r.u32()?, generation: r.u32()? })
}

fn meta_of(page: &mut Page) -> Result<&mut [u8]> {
    if !meta::is_gin(page.bytes()) {
        return Err(damaged("no meta page"));
    }
    Ok(page.bytes_mut())
}

/// Applies a GIN record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match (op, page_index) {
        (INIT, index) => {
            tree::apply(tree::INIT, payload, index, page)?;
            if index == 0 {
                page.set_lower(meta::END as u16);
                meta::init(page.bytes_mut());
            }
            Ok(())
        }
        (APPEND, 0) => pending::append(page.bytes_mut(), payload),
        (NEW_PAGE, 0) => {
            let new = read_link(&mut r)?;
            pending::check_row(r.rest())?;
            let p = meta_of(page)?;
            let list = meta::list(p);
            let head = if list.head.block == bp::NONE { new } else { list.head };
            let pages = list.pages.checked_add(1).ok_or_else(|| damaged("too many pending pages"))?;
            meta::set_list(p, &PendingList { head, tail: new, pages });
            Ok(())
        }
        (NEW_PAGE, 1) => {
            let new = read_link(&mut r)?;
            let p = page.bytes_mut();
            bp::init(p, pending::LEVEL, new.generation, Link::NONE);
            pending::append(p, r.rest())
        }
        (NEW_PAGE, 2) => {
            let new = read_link(&mut r)?;
            pending::check_page(page.bytes())?;
            bp::set_right(page.bytes_mut(), new);
            Ok(())
        }
        (REMOVE, 0) => {
            let head = read_link(&mut r)?;
            let removed = r.u16()? as u32;
            let p = meta_of(page)?;
            let list = meta::list(p);
            let pages = list.pages.checked_sub(removed).ok_or_else(|| damaged("too few pending pages"))?;
            let tail = if head.block == bp::NONE { Link::NONE } else { list.tail };
            meta::set_list(p, &PendingList { head, tail, pages });
            Ok(())
        }
        (REMOVE, _) => {
            pending::check_page(page.bytes())?;
            let p = page.bytes_mut();
            let (generation, right) = (bp::generation(p), bp::right(p));
            bp::init(p, 0, generation, right);
            bp::set_flag(p, bp::DELETED, true);
            Ok(())
        }
        (TRIM, _) => pending::trim(page.bytes_mut(), r.u16()? as usize),
        (COUNTED, _) => {
            let counted = GinStats {
                pending_pages: 0,
                total_pages: r.u32()?,
                entry_pages: r.u32()?,
                data_pages: r.u32()?,
                entries: r.u64()?,
            };
            meta::set_counted(meta_of(page)?, &counted);
            Ok(())
        }
        _ => Err(damaged(&format!("unknown operation {op} on page {page_index}"))),
    }
}

/// One line for log inspection.
pub fn describe(op: u8, payload: &[u8]) -> String {
    let name = match op {
        INIT => "create",
        APPEND => "pending row",
        NEW_PAGE => "new pending page",
        REMOVE => "remove pending pages",
        TRIM => "remove pending rows",
        COUNTED => "count pages and keys",
        _ => "unknown",
    };
    format!("gin {name}, {} bytes", payload.len())
}
