//! Pages of a BRIN index as plain bytes, the meta page aside.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 0 | 32 | page header |
//! | 32 | | by kind, see below |
//! | 8176 | 4 | magic |
//! | 8180 | 1 | [`Kind`] |
//! | 8181 | 11 | zero |
//!
//! | kind | content |
//! | --- | --- |
//! | summaries | from 32: slots, offset u16 and length u16 each, length 0: unused; from `upper` to 8176: summaries |
//! | range map | 6 each: where the range's summary is: block u32, slot + 1 u16, all 0: it has none |
//! | directory | 4 each: block of a range map page, 0: none |

use crate::page::slotted::{get_u16, get_u32, put_u16, put_u32};
use crate::page::{PAGE_HEADER, PAGE_SIZE, PAGE_VERSION};
use quarry_common::{BlockNo, Error, Result, SqlState};

const SPECIAL_BYTES: usize = 16;
const END: usize = PAGE_SIZE - SPECIAL_BYTES;
const SLOT_BYTES: usize = 4;
const LOWER: usize = 14;
const UPPER: usize = 16;
const MAGIC_AT: usize = END;
const KIND: usize = END + 4;
const MAGIC: u32 = 0x5142_5250;

/// Ranges on a page of the range map.
pub const RANGES_PER_PAGE: u32 = ((END - PAGE_HEADER) / 6) as u32;
/// Pages of the range map that a directory page names.
pub const PAGES_PER_DIRECTORY: u32 = ((END - PAGE_HEADER) / 4) as u32;
/// Longest summary.
pub const SUMMARY_BYTES_MAX: usize = END - PAGE_HEADER - SLOT_BYTES;
const SLOTS_MAX: usize = (END - PAGE_HEADER) / SLOT_BYTES;

/// What a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Summaries = 1,
    RangeMap = 2,
    Directory = 3,
}

/// Where a summary is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub block: BlockNo,
    pub slot: u16,
}

fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("BRIN WAL record does not fit its page: {what}"))
}

/// Makes an empty page.
pub fn init(p: &mut [u8], kind: Kind) {
    p[8..].fill(0);
    let lower = if kind == Kind::Summaries { PAGE_HEADER } else { END };
    put_u16(p, LOWER, lower as u16);
    put_u16(p, UPPER, END as u16);
    put_u16(p, 18, END as u16);
    put_u16(p, 20, PAGE_VERSION);
    put_u32(p, MAGIC_AT, MAGIC);
    p[KIND] = kind as u8;
}

/// What the page is; none if it is no such page.
pub fn kind(p: &[u8]) -> Option<Kind> {
    if get_u32(p, MAGIC_AT) != MAGIC {
        return None;
    }
    match p[KIND] {
        1 => Some(Kind::Summaries),
        2 => Some(Kind::RangeMap),
        3 => Some(Kind::Directory),
        _ => None,
    }
}

/// An error unless the page is of that kind.
pub fn expect(p: &[u8], wanted: Kind) -> Result<()> {
    if kind(p) == Some(wanted) { Ok(()) } else { Err(damaged("the page is of another kind")) }
}

// ---- range map and directory ----

/// Where the summary of the `at`th range of the page is.
pub fn place(p: &[u8], at: u32) -> Option<Place> {
    if at >= RANGES_PER_PAGE {
        return None;
    }
    let offset = PAGE_HEADER + at as usize * 6;
    let slot = get_u16(p, offset + 4);
    (slot != 0).then(|| Place { block: get_u32(p, offset), slot: slot - 1 })
}

/// Changes it.
pub fn set_place(p: &mut [u8], at: u32, to: Option<Place>) -> Result<()> {
    expect(p, Kind::RangeMap)?;
    if at >= RANGES_PER_PAGE || to.is_some_and(|to| to.slot == u16::MAX) {
        return Err(damaged("no such range"));
    }
    let offset = PAGE_HEADER + at as usize * 6;
    put_u32(p, offset, to.map_or(0, |to| to.block));
    put_u16(p, offset + 4, to.map_or(0, |to| to.slot + 1));
    Ok(())
}

/// The `at`th page that a directory names; 0: none.
pub fn named(p: &[u8], at: u32) -> BlockNo {
    if at >= PAGES_PER_DIRECTORY { 0 } else { get_u32(p, PAGE_HEADER + at as usize * 4) }
}

/// Names a page.
pub fn set_named(p: &mut [u8], at: u32, block: BlockNo) -> Result<()> {
    expect(p, Kind::Directory)?;
    if at >= PAGES_PER_DIRECTORY {
        return Err(damaged("no such place in a directory"));
    }
    put_u32(p, PAGE_HEADER + at as usize * 4, block);
    Ok(())
}

// ---- summaries ----

/// Slots, used or not.
pub fn slot_count(p: &[u8]) -> usize {
    ((get_u16(p, LOWER) as usize).saturating_sub(PAGE_HEADER) / SLOT_BYTES).min(SLOTS_MAX)
}

fn bounds(p: &[u8], slot: usize) -> (usize, usize) {
    let at = PAGE_HEADER + slot * SLOT_BYTES;
    (get_u16(p, at) as usize, get_u16(p, at + 2) as usize)
}

fn set_bounds(p: &mut [u8], slot: usize, offset: usize, len: usize) {
    let at = PAGE_HEADER + slot * SLOT_BYTES;
    put_u16(p, at, offset as u16);
    put_u16(p, at + 2, len as u16);
}

fn upper(p: &[u8]) -> usize {
    (get_u16(p, UPPER) as usize).min(END)
}

/// The summary in a slot.
pub fn item(p: &[u8], slot: u16) -> Option<&[u8]> {
    if slot as usize >= slot_count(p) {
        return None;
    }
    let (offset, len) = bounds(p, slot as usize);
    if len == 0 || offset < PAGE_HEADER || offset + len > END {
        return None;
    }
    Some(&p[offset..offset + len])
}

/// A slot for one more summary: an unused one, or a new one.
pub fn free_slot(p: &[u8]) -> u16 {
    let count = slot_count(p);
    (0..count).find(|s| bounds(p, *s).1 == 0).unwrap_or(count) as u16
}

/// Bytes that one more summary may have.
pub fn free(p: &[u8]) -> usize {
    let hole = upper(p).saturating_sub(PAGE_HEADER + slot_count(p) * SLOT_BYTES);
    let slot = if (free_slot(p) as usize) < slot_count(p) { 0 } else { SLOT_BYTES };
    hole.saturating_sub(slot)
}

/// Bytes that the summary in a slot may have there.
pub fn free_for(p: &[u8], slot: u16) -> usize {
    match upper(p).checked_sub(PAGE_HEADER + slot_count(p) * SLOT_BYTES) {
        Some(hole) => hole + item(p, slot).map_or(0, <[u8]>::len),
        None => 0,
    }
}

/// Puts a summary into a slot that is unused, or the next new one.
pub fn insert(p: &mut [u8], slot: u16, bytes: &[u8]) -> Result<()> {
    expect(p, Kind::Summaries)?;
    let (slot, count) = (slot as usize, slot_count(p));
    let is_new = slot == count;
    let lower = PAGE_HEADER + (count + is_new as usize) * SLOT_BYTES;
    if slot > count || slot >= SLOTS_MAX || (!is_new && bounds(p, slot).1 != 0) {
        return Err(damaged("the slot is in use"));
    }
    if bytes.is_empty() || upper(p) < lower + bytes.len() {
        return Err(damaged("the page has no room"));
    }
    let offset = upper(p) - bytes.len();
    put_u16(p, LOWER, lower as u16);
    put_u16(p, UPPER, offset as u16);
    set_bounds(p, slot, offset, bytes.len());
    p[offset..offset + bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// Takes a summary away.
pub fn remove(p: &mut [u8], slot: u16) -> Result<()> {
    expect(p, Kind::Summaries)?;
    let upper = upper(p);
    if item(p, slot).is_none() || bounds(p, slot as usize).0 < upper {
        return Err(damaged("no such summary"));
    }
    let (offset, len) = bounds(p, slot as usize);
    p.copy_within(upper..offset, upper + len);
    put_u16(p, UPPER, (upper + len) as u16);
    set_bounds(p, slot as usize, 0, 0);
    for other in 0..slot_count(p) {
        let (at, length) = bounds(p, other);
        if length != 0 && at < offset {
            set_bounds(p, other, at + len, length);
        }
    }
    Ok(())
}

/// Puts other bytes in a summary's place.
pub fn replace(p: &mut [u8], slot: u16, bytes: &[u8]) -> Result<()> {
    expect(p, Kind::Summaries)?;
    let known = item(p, slot).is_some() && bounds(p, slot as usize).0 >= upper(p);
    if !known || bytes.is_empty() || bytes.len() > free_for(p, slot) {
        return Err(damaged("the summary does not fit there"));
    }
    remove(p, slot)?;
    insert(p, slot, bytes)
}

/// The summary in a slot, to overwrite some of its bytes.
pub fn item_mut(p: &mut [u8], slot: u16) -> Option<&mut [u8]> {
    item(p, slot)?;
    let (offset, len) = bounds(p, slot as usize);
    Some(&mut p[offset..offset + len])
}

/// Whether a page of summaries is well-formed: they fill what is above `upper`, each byte once.
pub fn check(p: &[u8]) -> std::result::Result<(), String> {
    let lower = get_u16(p, LOWER) as usize;
    let upper = get_u16(p, UPPER) as usize;
    if lower < PAGE_HEADER
        || lower > upper
        || upper > END
        || !(lower - PAGE_HEADER).is_multiple_of(SLOT_BYTES)
    {
        return Err(format!("bad bounds {lower}, {upper}"));
    }
    let mut parts: Vec<(usize, usize)> =
        (0..slot_count(p)).map(|slot| bounds(p, slot)).filter(|(_, len)| *len != 0).collect();
    parts.sort_unstable();
    let mut at = upper;
    for (offset, len) in parts {
        if offset != at {
            return Err(format!("a summary begins at byte {offset}, not {at}"));
        }
        at += len;
    }
    if at == END { Ok(()) } else { Err(format!("summaries end at byte {at}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultRng;
    use crate::page::Page;
    use std::collections::BTreeMap;

    #[test]
    fn pages_agree_with_a_map() {
        let mut rng = FaultRng::new(5);
        let mut page = Page::zeroed();
        let p = page.bytes_mut();
        init(p, Kind::Summaries);
        let mut model: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for n in 0..5000u32 {
            let bytes: Vec<u8> = (0..1 + rng.below(300)).map(|_| n as u8).collect();
            let slot = model.keys().nth(rng.below(model.len().max(1) as u64) as usize).copied();
            match (rng.below(4), slot) {
                (0, Some(slot)) => {
                    remove(p, slot).unwrap();
                    model.remove(&slot);
                }
                (1, Some(slot)) => {
                    let fits = bytes.len() <= free_for(p, slot);
                    assert_eq!(replace(p, slot, &bytes).is_ok(), fits);
                    if fits {
                        model.insert(slot, bytes);
                    }
                }
                _ => {
                    let (slot, fits) = (free_slot(p), bytes.len() <= free(p));
                    assert_eq!(insert(p, slot, &bytes).is_ok(), fits);
                    if fits {
                        assert!(model.insert(slot, bytes).is_none());
                    }
                }
            }
            check(p).unwrap();
            for slot in 0..slot_count(p) as u16 {
                assert_eq!(item(p, slot), model.get(&slot).map(Vec::as_slice));
            }
        }
        assert!(model.len() > 5);
    }

    #[test]
    fn places_read_back() {
        let mut page = Page::zeroed();
        let p = page.bytes_mut();
        init(p, Kind::RangeMap);
        let last = RANGES_PER_PAGE - 1;
        assert_eq!(place(p, last), None);
        set_place(p, last, Some(Place { block: 77, slot: 0 })).unwrap();
        assert_eq!(place(p, last), Some(Place { block: 77, slot: 0 }));
        assert_eq!(kind(p), Some(Kind::RangeMap));
        set_place(p, last, None).unwrap();
        assert_eq!(place(p, last), None);
        assert!(set_place(p, RANGES_PER_PAGE, None).is_err());
    }
}
