//! The heap's WAL records: what each does to each of its pages. The only code that changes heap pages (hints aside).
//!
//! | op | pages | payload after the op |
//! | --- | --- | --- |
//! | INSERT | heap, [vm] | vm u32, slot u16, flags u16, cmin u32, xmin u64, body |
//! | MULTI_INSERT | heap, [vm] | vm u32, cmin u32, xmin u64, then per row: slot u16, flags u16, len u16, body |
//! | UPDATE_LOCAL | heap, [vm] | vm u32, block u32, old slot u16, new slot u16, xid u64, cid u32, old bits u16, new flags u16, prefix u16, suffix u16, middle |
//! | UPDATE_CROSS | old, new, [vm], [vm] | vm of old u32, vm of new u32, old slot u16, new tid 6, xid u64, cid u32, old bits u16, new flags u16, body |
//! | SET_XMAX | heap, [vm] | vm u32, slot u16, bits u16, xmax u64, cmax u32 |
//! | PRUNE | heap | prune xid u64, counts 4 x u16, redirects (u16, u16), dead u16, unused u16, links (from u16, to u16, its xmin's lower half u32) |
//! | VISIBLE | heap, vm | block u32 |
//! | SEQUENCE | heap, made anew | body of its one row |
//!
//! `vm` is the heap block whose all-visible bit and flag the change clears ([`NO_VM`]: neither was set). When both pages of
//! an UPDATE_CROSS have their bits on one map page, that page is given once. `prefix` and `suffix` are the bytes of the new
//! body that equal the old one's.

use super::page as hp;
use super::tuple::{self, HEADER_BYTES, TupleHeader};
use crate::page::Page;
use crate::page::slotted::PayloadReader;
use crate::vm;
use quarry_common::{BlockNo, CommandId, Error, Result, Tid, Xid};

pub const INSERT: u8 = 1;
pub const MULTI_INSERT: u8 = 2;
pub const UPDATE_LOCAL: u8 = 3;
pub const UPDATE_CROSS: u8 = 4;
pub const SET_XMAX: u8 = 5;
pub const PRUNE: u8 = 6;
pub const VISIBLE: u8 = 7;
/// The whole page of a sequence, see [`crate::sequence`].
pub const SEQUENCE: u8 = 8;

/// "No visibility map bit to clear".
pub const NO_VM: u32 = u32::MAX;

fn damaged(what: &str) -> Error {
    Error::corrupted(format!("heap WAL record does not fit its page: {what}"))
}

fn prepare(page: &mut Page, clear_visible: bool) {
    if page.is_new() {
        page.init(0);
    }
    if clear_visible {
        hp::set_flags(page.bytes_mut(), hp::ALL_VISIBLE, false);
    }
}

fn put(page: &mut Page, slot: u16, header: &TupleHeader, body: &[u8]) -> Result<()> {
    let t = hp::add_tuple(page.bytes_mut(), slot, HEADER_BYTES + body.len())?;
    header.write(t);
    t[HEADER_BYTES..].copy_from_slice(body);
    Ok(())
}

fn end_version(page: &mut Page, slot: u16, xmax: Xid, cmax: CommandId, bits: u16, next: Tid) -> Result<()> {
    let t = hp::tuple_mut(page.bytes_mut(), slot).ok_or_else(|| damaged("no such tuple"))?;
    let mut h = TupleHeader::read(t);
    h.xmax = xmax;
    h.cmax = cmax;
    h.ctid = next;
    h.flags = h.flags & !(tuple::XMAX_BITS | tuple::HOT_UPDATED | tuple::RELINKED) | bits;
    h.write(t);
    if bits & tuple::XMAX_LOCK_ONLY == 0 {
        hp::note_prunable(page.bytes_mut(), xmax.0);
    }
    Ok(())
}

/// Applies a heap record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match op {
        INSERT => {
            let vm = r.u32()?;
            if page_index == 1 {
                vm::set_bit(page, vm, false);
                return Ok(());
            }
            let (slot, flags, cmin, xmin) = (r.u16()?, r.u16()?, r.u32()?, r.xid()?);
            prepare(page, vm != NO_VM);
            put(page, slot, &TupleHeader::new(xmin, CommandId(cmin), flags), r.rest())?;
            Ok(())
        }
        MULTI_INSERT => {
            let vm = r.u32()?;
            if page_index == 1 {
                vm::set_bit(page, vm, false);
                return Ok(());
            }
            let (cmin, xmin) = (CommandId(r.u32()?), r.xid()?);
            prepare(page, vm != NO_VM);
            let mut rest = r.rest();
            while !rest.is_empty() {
                let mut row = PayloadReader::new(rest);
                let (slot, flags, len) = (row.u16()?, row.u16()?, row.u16()?);
                put(page, slot, &TupleHeader::new(xmin, cmin, flags), row.bytes(len as usize)?)?;
                rest = row.rest();
            }
            Ok(())
        }
        UPDATE_LOCAL => {
            let vm = r.u32()?;
            if page_index == 1 {
                vm::set_bit(page, vm, false);
                return Ok(());
            }
            let (block, old_slot, new_slot) = (r.u32()?, r.u16()?, r.u16()?);
            let (xid, cid, old_bits, new_flags) = (r.xid()?, CommandId(r.u32()?), r.u16()?, r.u16()?);
            let (prefix, suffix) = (r.u16()? as usize, r.u16()? as usize);
            let middle = r.rest();
            let hp::Slot::Normal { offset, len: old_len } = hp::slot(page.bytes(), old_slot) else {
                return Err(damaged("no such tuple"));
            };
            let (old_at, old_end) = (offset as usize + HEADER_BYTES, offset as usize + old_len as usize);
            if old_at + prefix + suffix > old_end || old_end > crate::page::PAGE_SIZE {
                return Err(damaged("the old row is too short"));
            }
            let len = prefix + middle.len() + suffix;
            let t = hp::add_tuple(page.bytes_mut(), new_slot, HEADER_BYTES + len)?;
            TupleHeader::new(xid, cid, new_flags).write(t);
            t[HEADER_BYTES + prefix..HEADER_BYTES + prefix + middle.len()].copy_from_slice(middle);
            let hp::Slot::Normal { offset, .. } = hp::slot(page.bytes(), new_slot) else {
                return Err(damaged("the new row is not there"));
            };
            let new_at = offset as usize + HEADER_BYTES;
            let p = page.bytes_mut();
            p.copy_within(old_at..old_at + prefix, new_at);
            p.copy_within(old_end - suffix..old_end, new_at + len - suffix);
            prepare(page, vm != NO_VM);
            end_version(page, old_slot, xid, cid, old_bits, Tid { block, slot: new_slot })
        }
        UPDATE_CROSS => {
            let (vm_old, vm_new) = (r.u32()?, r.u32()?);
            let (old_slot, new) = (r.u16()?, r.tid()?);
            let (xid, cid, old_bits, new_flags) = (r.xid()?, CommandId(r.u32()?), r.u16()?, r.u16()?);
            match page_index {
                0 => {
                    prepare(page, vm_old != NO_VM);
                    end_version(page, old_slot, xid, cid, old_bits, new)
                }
                1 => {
                    prepare(page, vm_new != NO_VM);
                    put(page, new.slot, &TupleHeader::new(xid, cid, new_flags), r.rest())?;
                    Ok(())
                }
                2 if vm_old != NO_VM => {
                    vm::set_bit(page, vm_old, false);
                    if vm_new != NO_VM && same_map_page(vm_old, vm_new) {
                        vm::set_bit(page, vm_new, false);
                    }
                    Ok(())
                }
                _ => {
                    vm::set_bit(page, vm_new, false);
                    Ok(())
                }
            }
        }
        SET_XMAX => {
            let vm = r.u32()?;
            if page_index == 1 {
                vm::set_bit(page, vm, false);
                return Ok(());
            }
            let (slot, bits, xmax, cmax) = (r.u16()?, r.u16()?, r.xid()?, r.u32()?);
            prepare(page, vm != NO_VM);
            end_version(page, slot, xmax, CommandId(cmax), bits, Tid::INVALID)
        }
        PRUNE => {
            let prune_xid = r.u64()?;
            let (redirects, dead, unused) = (r.u16()? as usize, r.u16()? as usize, r.u16()? as usize);
            let links = r.u16()? as usize;
            let redirects = r.bytes(redirects * 4)?;
            let dead = r.bytes(dead * 2)?;
            let unused = r.bytes(unused * 2)?;
            for _ in 0..links {
                let (from, to, low) = (r.u16()?, r.u16()?, r.u32()?);
                let t = hp::tuple_mut(page.bytes_mut(), from).ok_or_else(|| damaged("no such tuple"))?;
                let mut h = TupleHeader::read(t);
                h.ctid.slot = to;
                h.cmax = CommandId(low);
                h.flags |= tuple::RELINKED;
                h.write(t);
            }
            let u16_of = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
            hp::change_slots(
                page.bytes_mut(),
                redirects.chunks_exact(4).map(|b| (u16_of(b), u16_of(&b[2..]))),
                dead.chunks_exact(2).map(u16_of),
                unused.chunks_exact(2).map(u16_of),
            )?;
            hp::set_prune_xid(page.bytes_mut(), prune_xid);
            Ok(())
        }
        VISIBLE => {
            let block = r.u32()?;
            if page_index == 1 {
                vm::set_bit(page, block, true);
                return Ok(());
            }
            prepare(page, false);
            let p = page.bytes_mut();
            hp::set_flags(p, hp::ALL_VISIBLE, true);
            hp::set_prune_xid(p, 0);
            for slot in 1..=hp::slot_count(p) {
                if let Some(t) = hp::tuple_mut(p, slot) {
                    let mut h = TupleHeader::read(t);
                    h.flags |= tuple::XMIN_FROZEN;
                    h.write(t);
                }
            }
            Ok(())
        }
        SEQUENCE => {
            prepare(page, false);
            let header = TupleHeader::new(Xid::BOOTSTRAP, CommandId(0), tuple::XMIN_FROZEN);
            put(page, 1, &header, r.rest())
        }
        _ => Err(Error::corrupted(format!("unknown heap WAL record {op}"))),
    }
}

/// Whether two heap blocks have their visibility bits on the same map page.
pub fn same_map_page(a: BlockNo, b: BlockNo) -> bool {
    a / vm::BLOCKS_PER_PAGE == b / vm::BLOCKS_PER_PAGE
}

/// One line for log inspection.
pub fn describe(op: u8, payload: &[u8]) -> String {
    let name = match op {
        INSERT => "insert",
        MULTI_INSERT => "multi-insert",
        UPDATE_LOCAL => "update",
        UPDATE_CROSS => "update to another page",
        SET_XMAX => "delete or lock",
        PRUNE => "prune",
        VISIBLE => "all visible",
        SEQUENCE => "sequence",
        _ => "unknown",
    };
    format!("heap {name}, {} bytes", payload.len())
}
