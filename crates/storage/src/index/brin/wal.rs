//! BRIN's WAL records. The only code that changes its pages.
//!
//! | op | pages | payload |
//! | --- | --- | --- |
//! | INIT | meta | options |
//! | ADD_MAP | new page, its directory | place in the directory u16, block u32 |
//! | ADD_DIRECTORY | new page, meta | place in the meta page u16, block u32 |
//! | INSERT | page, range map | slot u16, place in the map u16, block u32, summary |
//! | REPLACE | page | slot u16, summary |
//! | PATCH | page | slot u16, per patch: offset u16, length u16, bytes |
//! | MOVE | new page, range map, old page | slot u16, place in the map u16, block u32, old slot u16, summary |
//! | REMOVE | page, range map | slot u16, place in the map u16 |
//!
//! INSERT and MOVE make their first page if it is new.

use super::meta;
use super::page::{self as bp, Kind, Place};
use crate::page::Page;
use crate::page::slotted::PayloadReader;
use quarry_common::{Error, Result, SqlState};

pub const INIT: u8 = 1;
pub const ADD_MAP: u8 = 2;
pub const ADD_DIRECTORY: u8 = 3;
pub const INSERT: u8 = 4;
pub const REPLACE: u8 = 5;
pub const PATCH: u8 = 6;
pub const MOVE: u8 = 7;
pub const REMOVE: u8 = 8;

fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("BRIN WAL record does not fit its page: {what}"))
}

fn insert(page: &mut Page, slot: u16, bytes: &[u8]) -> Result<()> {
    if page.is_new() {
        if slot != 0 || bytes.is_empty() || bytes.len() > bp::SUMMARY_BYTES_MAX {
            return Err(damaged("the summary does not fit there"));
        }
        bp::init(page.bytes_mut(), Kind::Summaries);
    }
    bp::insert(page.bytes_mut(), slot, bytes)
}

/// Applies a BRIN record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match (op, page_index) {
        (INIT, 0) => meta::init(page, payload),
        (ADD_MAP, 0) => {
            bp::init(page.bytes_mut(), Kind::RangeMap);
            Ok(())
        }
        (ADD_MAP, 1) => {
            let (at, block) = (r.u16()?, r.u32()?);
            bp::set_named(page.bytes_mut(), at as u32, block)
        }
        (ADD_DIRECTORY, 0) => {
            bp::init(page.bytes_mut(), Kind::Directory);
            Ok(())
        }
        (ADD_DIRECTORY, 1) => {
            let (at, block) = (r.u16()?, r.u32()?);
            meta::set_directory(page, at as u32, block)
        }
        (INSERT, 0) => {
            let (slot, _, _) = (r.u16()?, r.u16()?, r.u32()?);
            insert(page, slot, r.rest())
        }
        (INSERT | MOVE, 1) => {
            let (slot, at, block) = (r.u16()?, r.u16()?, r.u32()?);
            bp::set_place(page.bytes_mut(), at as u32, Some(Place { block, slot }))
        }
        (REPLACE, 0) => {
            let slot = r.u16()?;
            bp::replace(page.bytes_mut(), slot, r.rest())
        }
        (PATCH, 0) => {
            let slot = r.u16()?;
            let patches = patches(r)?;
            bp::expect(page.bytes(), Kind::Summaries)?;
            let item = bp::item_mut(page.bytes_mut(), slot).ok_or_else(|| damaged("no such summary"))?;
            if patches.iter().any(|(offset, bytes)| offset + bytes.len() > item.len()) {
                return Err(damaged("a patch lies outside its summary"));
            }
            for (offset, bytes) in patches {
                item[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Ok(())
        }
        (MOVE, 0) => {
            let (slot, _, _, _) = (r.u16()?, r.u16()?, r.u32()?, r.u16()?);
            insert(page, slot, r.rest())
        }
        (MOVE, 2) => {
            let (_, _, _, old) = (r.u16()?, r.u16()?, r.u32()?, r.u16()?);
            bp::remove(page.bytes_mut(), old)
        }
        (REMOVE, 0) => bp::remove(page.bytes_mut(), r.u16()?),
        (REMOVE, 1) => {
            let (_, at) = (r.u16()?, r.u16()?);
            bp::set_place(page.bytes_mut(), at as u32, None)
        }
        _ => Err(damaged(&format!("unknown operation {op} on page {page_index}"))),
    }
}

fn patches(r: PayloadReader<'_>) -> Result<Vec<(usize, &[u8])>> {
    let mut all = Vec::new();
    let bytes = r.rest();
    let mut at = 0;
    while at < bytes.len() {
        let mut r = PayloadReader::new(&bytes[at..]);
        let (offset, len) = (r.u16()? as usize, r.u16()? as usize);
        all.push((offset, r.bytes(len)?));
        at += 4 + len;
    }
    Ok(all)
}

/// One line for log inspection.
pub fn describe(op: u8, payload: &[u8]) -> String {
    let name = match op {
        INIT => "create",
        ADD_MAP => "add range map page",
        ADD_DIRECTORY => "add directory",
        INSERT => "insert summary",
        REPLACE => "replace summary",
        PATCH => "change summary",
        MOVE => "move summary",
        REMOVE => "remove summary",
        _ => "unknown",
    };
    format!("BRIN {name}, {} bytes", payload.len())
}
