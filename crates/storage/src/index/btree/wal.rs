//! The B-tree's WAL records. The only code that changes B-tree pages (the dead hint aside).
//!
//! | op | pages | payload |
//! | --- | --- | --- |
//! | SPLICE | page, [child] | count u16, then per splice, from the last slot to the first: at u16, remove u16, items |
//! | SPLIT | left, right, [child] | keep u16, items (rest of left), high key, right: block u32, generation u32, level u16, right link 8, items |
//! | NEW_ROOT | root, meta, left | block u32, generation u32, level u16, items |
//! | INIT | meta, root | block u32 |
//! | META | meta | block u32, level u16 |
//! | UNLINK | left, gone, parent | left's new right link 8, has high key u8, [high key], slot in parent u16 |
//!
//! "items" is a count u16 and per item a length u16 and its bytes. A `child` loses its incomplete-split flag: its right half
//! now has an entry in the parent. A split, however many pages it touches, is one record; the step up is another, and the
//! flag bridges a crash between them.

use super::page::{self as bp, Link, Splice};
use crate::page::Page;
use crate::page::slotted::{PayloadReader, PayloadWriter, get_u16, get_u32, put_u16, put_u32};
use quarry_common::{BlockNo, Error, Result, SqlState};

pub const SPLICE: u8 = 1;
pub const SPLIT: u8 = 2;
pub const NEW_ROOT: u8 = 3;
pub const INIT: u8 = 4;
pub const META: u8 = 5;
pub const UNLINK: u8 = 6;

const MAGIC: u32 = 0x5142_5431;
const META_MAGIC: usize = crate::page::PAGE_HEADER;
const META_ROOT: usize = META_MAGIC + 4;
const META_LEVEL: usize = META_MAGIC + 8;

fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("B-tree WAL record does not fit its page: {what}"))
}

/// Block and level of the root, from the meta page.
pub fn root_of(meta: &Page) -> Result<(BlockNo, u16)> {
    let p = meta.bytes();
    if get_u32(p, META_MAGIC) != MAGIC {
        return Err(Error::new(
            SqlState::INDEX_CORRUPTED,
            "the index's first page is not a B-tree's meta page",
        ));
    }
    Ok((get_u32(p, META_ROOT), get_u16(p, META_LEVEL)))
}

fn set_root(meta: &mut Page, block: BlockNo, level: u16) {
    let p = meta.bytes_mut();
    put_u32(p, META_ROOT, block);
    put_u16(p, META_LEVEL, level);
}

pub fn push_items<'a>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = &'a [u8]>) {
    out.w16(items.len() as u16);
    for it in items {
        out.w16(it.len() as u16).wbytes(it);
    }
}

fn read_items<'a>(r: &mut PayloadReader<'a>) -> Result<Vec<&'a [u8]>> {
    let n = r.u16()?;
    let mut items = Vec::with_capacity(n as usize);
    for _ in 0..n {
        let len = r.u16()?;
        items.push(r.bytes(len as usize)?);
    }
    Ok(items)
}

pub fn push_link(out: &mut Vec<u8>, link: Link) {
    out.w32(link.block).w32(link.generation);
}

fn read_link(r: &mut PayloadReader<'_>) -> Result<Link> {
    Ok(Link { block: r.u32()?, generation: r.u32()? })
}

/// Writes splices, which stand in rising order of their slots.
pub fn push_splices(out: &mut Vec<u8>, splices: &[Splice]) {
    out.w16(splices.len() as u16);
    for s in splices.iter().rev() {
        out.w16(s.at as u16).w16(s.remove as u16);
        push_items(out, s.items.iter().map(Vec::as_slice));
    }
}

/// Applies a B-tree record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match (op, page_index) {
        (SPLICE, 0) => {
            let p = page.bytes_mut();
            for _ in 0..r.u16()? {
                let (at, remove) = (r.u16()? as usize, r.u16()? as usize);
                // The common case, one small item, allocates nothing.
                let mut peek = PayloadReader::new(payload);
                peek.bytes(6)?;
                if peek.u16()? == 1 && payload[..2] == [1, 0] {
                    let len = peek.u16()?;
                    return bp::splice(p, at, remove, &[peek.bytes(len as usize)?]);
                }
                let items = read_items(&mut r)?;
                bp::splice(p, at, remove, &items)?;
            }
            Ok(())
        }
        (SPLIT, 0) => {
            let keep = r.u16()? as usize;
            let rest = read_items(&mut r)?;
            let high = r.u16()? as usize;
            let high = r.bytes(high)?;
            let right = Link { block: r.u32()?, generation: r.u32()? };
            let p = page.bytes_mut();
            let first = bp::first_data(p);
            let count = bp::slot_count(p);
            if first + keep > count {
                return Err(damaged("no such slots"));
            }
            bp::drop_high_key(p)?;
            bp::splice(p, keep, count - first - keep, &rest)?;
            bp::set_high_key(p, high, right)?;
            bp::set_flag(p, bp::INCOMPLETE_SPLIT, true);
            Ok(())
        }
        (SPLIT, 1) => {
            r.u16()?;
            read_items(&mut r)?;
            let high = r.u16()? as usize;
            r.bytes(high)?;
            let (_, generation, level) = (r.u32()?, r.u32()?, r.u16()?);
            let right = read_link(&mut r)?;
            let items = read_items(&mut r)?;
            let p = page.bytes_mut();
            bp::init(p, level, generation, right);
            bp::splice(p, 0, 0, &items)
        }
        (SPLICE, 1) | (SPLIT, 2) | (NEW_ROOT, 2) => {
            bp::set_flag(page.bytes_mut(), bp::INCOMPLETE_SPLIT, false);
            Ok(())
        }
        (NEW_ROOT, 0) => {
            let (_, generation, level) = (r.u32()?, r.u32()?, r.u16()?);
            let items = read_items(&mut r)?;
            let p = page.bytes_mut();
            bp::init(p, level, generation, Link::NONE);
            bp::splice(p, 0, 0, &items)
        }
        (NEW_ROOT, 1) => {
            let (block, _, level) = (r.u32()?, r.u32()?, r.u16()?);
            set_root(page, block, level);
            Ok(())
        }
        (INIT, 0) => {
            let block = r.u32()?;
            page.init(0);
            page.set_lower((META_LEVEL + 2) as u16);
            put_u32(page.bytes_mut(), META_MAGIC, MAGIC);
            set_root(page, block, 0);
            Ok(())
        }
        (INIT, _) => {
            bp::init(page.bytes_mut(), 0, 0, Link::NONE);
            Ok(())
        }
        (META, _) => {
            let (block, level) = (r.u32()?, r.u16()?);
            set_root(page, block, level);
            Ok(())
        }
        (UNLINK, 0) => {
            let right = read_link(&mut r)?;
            let p = page.bytes_mut();
            if r.u8()? != 0 {
                let len = r.u16()? as usize;
                bp::set_high_key(p, r.bytes(len)?, right)
            } else {
                bp::drop_high_key(p)
            }
        }
        (UNLINK, 1) => {
            let p = page.bytes_mut();
            let (level, generation, right) = (bp::level(p), bp::generation(p), bp::right(p));
            bp::init(p, level, generation, right);
            bp::set_flag(p, bp::DELETED, true);
            Ok(())
        }
        (UNLINK, _) => {
            read_link(&mut r)?;
            if r.u8()? != 0 {
                let len = r.u16()? as usize;
                r.bytes(len)?;
            }
            bp::splice(page.bytes_mut(), r.u16()? as usize, 1, &[])
        }
        _ => Err(damaged(&format!("unknown operation {op} on page {page_index}"))),
    }
}

/// One line for log inspection.
pub fn describe(op: u8, payload: &[u8]) -> String {
    let name = match op {
        SPLICE => "change",
        SPLIT => "split",
        NEW_ROOT => "new root",
        INIT => "create",
        META => "set root",
        UNLINK => "remove page",
        _ => "unknown",
    };
    format!("btree {name}, {} bytes", payload.len())
}
