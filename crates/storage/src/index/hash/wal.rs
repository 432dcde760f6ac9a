//! The hash index's WAL records. The only code that changes its pages (the dead hint and bulk builds aside).
//!
//! | op | pages | payload |
//! | --- | --- | --- |
//! | INIT | meta, bucket 0, bucket 1 | entries per bucket u16 |
//! | INSERT | page | entry 12 |
//! | DELETE | page | slots, u16 each, rising |
//! | OVERFLOW | primary, new page | block u32, next u32, bucket u32, depth u8, entries |
//! | GROUP | meta, the group's last page | groups u16, start u32 |
//! | BEGIN_SPLIT | old, new, meta | new bucket u32, depth u8, entries u64 |
//! | MOVE | to, from | first u16, count u16, unlink u8, next u32, entries |
//! | END_SPLIT | old, new | |
//! | COUNT | meta | entries u64 |
//! | BUILT | meta, two that are no buckets any more | buckets u32, entries u64, starts, u32 each |
//!
//! MOVE takes the named entries off `from` and puts them among those of `to`. With `unlink`, `from` is then empty and leaves its chain: `to`,
//! the page before it, goes on with `next`.

use super::meta;
use super::page::{self as hp, CAPACITY, ENTRY_BYTES, Entry, Kind};
use crate::page::Page;
use crate::page::slotted::{PayloadReader, PayloadWriter, get_u16, get_u32};
use quarry_common::{BlockNo, Error, Result, SqlState};

pub const INIT: u8 = 1;
pub const INSERT: u8 = 2;
pub const DELETE: u8 = 3;
pub const OVERFLOW: u8 = 4;
pub const GROUP: u8 = 5;
pub const BEGIN_SPLIT: u8 = 6;
pub const MOVE: u8 = 7;
pub const END_SPLIT: u8 = 8;
pub const COUNT: u8 = 9;
pub const BUILT: u8 = 10;

const IN_CHAIN: &[Kind] = &[Kind::Primary, Kind::Overflow];

fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("hash index WAL record does not fit its page: {what}"))
}

/// The entries at a payload's end: whole and rising.
fn entries(bytes: &[u8]) -> Result<&[u8]> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) || bytes.len() > CAPACITY * ENTRY_BYTES {
        return Err(damaged("its entries have no whole number"));
    }
    let rising = bytes
        .chunks_exact(ENTRY_BYTES)
        .zip(bytes.chunks_exact(ENTRY_BYTES).skip(1))
        .all(|(a, b)| Entry::from_bytes(a) < Entry::from_bytes(b));
    if rising { Ok(bytes) } else { Err(damaged("its entries are not sorted")) }
}

/// A move's parts.
struct Move<'a> {
    first: usize,
    count: usize,
    unlink: bool,
    next: BlockNo,
    entries: &'a [u8],
}

/// Writes a MOVE's payload; `unlink` names the page after `from`.
pub fn push_move(out: &mut Vec<u8>, from: &[u8], first: usize, count: usize, unlink: Option<BlockNo>) {
    out.w16(first as u16).w16(count as u16).w8(unlink.is_some() as u8).w32(unlink.unwrap_or(0));
    // Without hints: they mean nothing on a page that has no flag for them.
    for i in first..first + count {
        out.wbytes(&hp::entry(from, i).to_bytes());
    }
}

fn read_move(payload: &[u8]) -> Result<Move<'_>> {
    let mut r = PayloadReader::new(payload);
    let (first, count) = (r.u16()? as usize, r.u16()? as usize);
    let (unlink, next) = (r.u8()? != 0, r.u32()?);
    let entries = entries(r.rest())?;
    if entries.len() != count * ENTRY_BYTES {
        return Err(damaged("it moves another number of entries than it has"));
    }
    Ok(Move { first, count, unlink, next, entries })
}

/// Applies a hash index record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match (op, page_index) {
        (INIT, 0) => {
            meta::init(page, r.u16()?);
            Ok(())
        }
        (INIT, 1 | 2) => {
            hp::init(page.bytes_mut(), Kind::Primary, page_index as u32 - 1, 1, 0);
            Ok(())
        }
        (INSERT, 0) => {
            let new = Entry::from_bytes(r.bytes(ENTRY_BYTES)?);
            let p = page.bytes_mut();
            hp::expect(p, IN_CHAIN)?;
            if hp::insert(p, new) { Ok(()) } else { Err(damaged("the page is full")) }
        }
        (DELETE, 0) => {
            let p = page.bytes_mut();
            hp::expect(p, IN_CHAIN)?;
            let mut last = None;
            for slot in payload.chunks(2) {
                let slot = (slot.len() == 2).then(|| get_u16(slot, 0));
                if slot.is_none() || slot <= last || slot.is_some_and(|s| s as usize >= hp::count(p)) {
                    return Err(damaged("no such entries"));
                }
                last = slot;
            }
            hp::remove_slots(p, payload);
            Ok(())
        }
        (OVERFLOW, 0) => {
            let block = r.u32()?;
            let p = page.bytes_mut();
            hp::expect(p, &[Kind::Primary])?;
            hp::set_next(p, block);
            Ok(())
        }
        (OVERFLOW, 1) => {
            let (_, next, bucket, depth) = (r.u32()?, r.u32()?, r.u32()?, r.u8()?);
            let new = entries(r.rest())?;
            let p = page.bytes_mut();
            hp::init(p, Kind::Overflow, bucket, depth.min(32), next);
            hp::merge(p, new);
            Ok(())
        }
        (GROUP, 0) => {
            let (groups, start) = (r.u16()? as usize, r.u32()?);
            meta::expect(page)?;
            let mut starts = meta::starts(page);
            if groups != starts.len() + 1 || groups > meta::GROUPS_MAX {
                return Err(damaged("the group is not the next one"));
            }
            starts.push(start);
            meta::set_starts(page, &starts);
            Ok(())
        }
        (GROUP, 1) => {
            hp::init(page.bytes_mut(), Kind::Free, 0, 0, 0);
            Ok(())
        }
        (BEGIN_SPLIT, 0) => {
            let (_, depth) = (r.u32()?, r.u8()?);
            let p = page.bytes_mut();
            hp::expect(p, &[Kind::Primary])?;
            if !(1..=32).contains(&depth) {
                return Err(damaged("no such depth"));
            }
            hp::set_depth(p, depth);
            hp::set_flag(p, hp::SPLITTING, true);
            Ok(())
        }
        (BEGIN_SPLIT, 1) => {
            let (bucket, depth) = (r.u32()?, r.u8()?);
            let p = page.bytes_mut();
            hp::init(p, Kind::Primary, bucket, depth.min(32), 0);
            hp::set_flag(p, hp::POPULATING, true);
            Ok(())
        }
        (BEGIN_SPLIT, 2) => {
            let (bucket, _, entries) = (r.u32()?, r.u8()?, r.u64()?);
            meta::expect(page)?;
            let buckets = meta::buckets(page);
            if bucket != buckets || meta::group_of(buckets).number >= meta::starts(page).len() {
                return Err(damaged("the bucket is not the next one"));
            }
            meta::set_buckets(page, bucket + 1);
            meta::set_entries(page, entries);
            Ok(())
        }
        (MOVE, 0) => {
            let m = read_move(payload)?;
            let p = page.bytes_mut();
            hp::expect(p, IN_CHAIN)?;
            if hp::count(p) + m.count > CAPACITY {
                return Err(damaged("the page has no room"));
            }
            hp::merge(p, m.entries);
            if m.unlink {
                hp::set_next(p, m.next);
            }
            Ok(())
        }
        (MOVE, 1) => {
            let m = read_move(payload)?;
            let p = page.bytes_mut();
            hp::expect(p, IN_CHAIN)?;
            if m.unlink {
                hp::init(p, Kind::Free, 0, 0, 0);
            } else {
                hp::remove_range(p, m.first, m.count);
            }
            Ok(())
        }
        (END_SPLIT, 0) => {
            hp::expect(page.bytes(), &[Kind::Primary])?;
            hp::set_flag(page.bytes_mut(), hp::SPLITTING, false);
            Ok(())
        }
        (END_SPLIT, 1) => {
            hp::expect(page.bytes(), &[Kind::Primary])?;
            hp::set_flag(page.bytes_mut(), hp::POPULATING, false);
            Ok(())
        }
        (COUNT, 0) => {
            let entries = r.u64()?;
            meta::expect(page)?;
            meta::set_entries(page, entries);
            Ok(())
        }
        (BUILT, 0) => {
            let (buckets, entries) = (r.u32()?, r.u64()?);
            let starts = r.rest();
            meta::expect(page)?;
            let groups = starts.len() / 4;
            let fits = (2..=meta::BUCKETS_MAX).contains(&buckets)
                && starts.len().is_multiple_of(4)
                && groups <= meta::GROUPS_MAX
                && meta::group_of(buckets - 1).number < groups;
            if !fits {
                return Err(damaged("its buckets have no place"));
            }
            let starts: Vec<BlockNo> = starts.chunks_exact(4).map(|s| get_u32(s, 0)).collect();
            meta::set_starts(page, &starts);
            meta::set_buckets(page, buckets);
            meta::set_entries(page, entries);
            Ok(())
        }
        (BUILT, 1 | 2) => {
            hp::init(page.bytes_mut(), Kind::Free, 0, 0, 0);
            Ok(())
        }
        _ => Err(damaged(&format!("unknown operation {op} on page {page_index}"))),
    }
}

/// One line for log inspection.
pub fn describe(op: u8, payload: &[u8]) -> String {
    let name = match op {
        INIT => "create",
        INSERT => "insert",
        DELETE => "delete",
        OVERFLOW => "add overflow page",
        GROUP => "place buckets",
        BEGIN_SPLIT => "begin split",
        MOVE => "move entries",
        END_SPLIT => "end split",
        COUNT => "count",
        BUILT => "built",
        _ => "unknown",
    };
    format!("hash {name}, {} bytes", payload.len())
}
