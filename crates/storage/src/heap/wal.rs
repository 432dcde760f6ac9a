//! The heap's WAL records: what each does to each of its pages. The only code that changes heap pages (hints aside).
//!
//! | op | pages | payload |
//! | --- | --- | --- |
//! | INSERT | heap, [vm] | [`Insert`], body |
//! | MULTI_INSERT | heap, [vm] | [`MultiInsert`], per row [`NewRow`] |
//! | UPDATE_LOCAL | heap, [vm] | [`UpdateLocal`], what the bodies don't share |
//! | UPDATE_CROSS | old, new, [vm], [vm] | [`UpdateCross`], body |
//! | SET_XMAX | heap, [vm] | [`SetXmax`] |
//! | PRUNE | heap | prune xid, counts of the following, redirects (slot, slot), dead, unused, links (from, to, its xmin's lower half), all [`crate::varint`] |
//! | VISIBLE | heap, vm | block u32 |
//! | SEQUENCE | heap, made anew | body of its one row |
//!
//! When both pages of an UPDATE_CROSS have their bits on one map page, that page is given once.

use super::page as hp;
use super::records::read_vm;
pub use super::records::{Insert, MultiInsert, NO_VM, NewRow, SetXmax, Update, UpdateCross, UpdateLocal};
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

/// Ends or locks the version in a slot; `next` is the one after it.
fn end_version(page: &mut Page, slot: u16, end: &Update, next: Tid) -> Result<()> {
    let t = hp::tuple_mut(page.bytes_mut(), slot).ok_or_else(|| damaged("no such tuple"))?;
    let mut h = TupleHeader::read(t);
    h.xmax = end.xid;
    h.ctid = next;
    h.flags = h.flags & !(tuple::XMAX_BITS | tuple::HOT_UPDATED | tuple::RELINKED) | end.old_bits;
    let ends = end.old_bits & tuple::XMAX_LOCK_ONLY == 0;
    if ends {
        // A lock leaves the command of the making, which its transaction may ask for.
        h.command = end.old_command;
        h.flags = h.flags & !tuple::PAIRED | end.old_bits & tuple::PAIRED;
    }
    h.write(t);
    if ends {
        hp::note_prunable(page.bytes_mut(), end.xid.0);
    }
    Ok(())
}

/// Applies a heap record to its `page_index`th page: live, in redo and on replicas.
pub fn apply(op: u8, payload: &[u8], page_index: usize, page: &mut Page) -> Result<()> {
    let mut r = PayloadReader::new(payload);
    match op {
        INSERT | MULTI_INSERT | UPDATE_LOCAL | SET_XMAX if page_index == 1 => {
            vm::set_bit(page, read_vm(&mut r)?, false);
            Ok(())
        }
        INSERT => {
            let new = Insert::read(&mut r)?;
            prepare(page, new.vm != NO_VM);
            put(page, new.slot, &TupleHeader::new(new.xmin, new.command, new.flags), r.rest())
        }
        MULTI_INSERT => {
            let new = MultiInsert::read(&mut r)?;
            prepare(page, new.vm != NO_VM);
            while !r.is_empty() {
                let row = NewRow::read(&mut r)?;
                put(page, row.slot, &TupleHeader::new(new.xmin, new.command, row.flags), row.body)?;
            }
            Ok(())
        }
        UPDATE_LOCAL => {
            let UpdateLocal { vm, block, old_slot, new_slot, update, prefix, suffix } =
                UpdateLocal::read(&mut r)?;
            let (prefix, suffix) = (prefix as usize, suffix as usize);
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
            TupleHeader::new(update.xid, update.command, update.new_flags).write(t);
            t[HEADER_BYTES + prefix..HEADER_BYTES + prefix + middle.len()].copy_from_slice(middle);
            let hp::Slot::Normal { offset, .. } = hp::slot(page.bytes(), new_slot) else {
                return Err(damaged("the new row is not there"));
            };
            let new_at = offset as usize + HEADER_BYTES;
            let p = page.bytes_mut();
            p.copy_within(old_at..old_at + prefix, new_at);
            p.copy_within(old_end - suffix..old_end, new_at + len - suffix);
            prepare(page, vm != NO_VM);
            end_version(page, old_slot, &update, Tid { block, slot: new_slot })
        }
        UPDATE_CROSS => {
            let UpdateCross { vm_old, vm_new, old_slot, new, update } = UpdateCross::read(&mut r)?;
            match page_index {
                0 => {
                    prepare(page, vm_old != NO_VM);
                    end_version(page, old_slot, &update, new)
                }
                1 => {
                    prepare(page, vm_new != NO_VM);
                    put(
                        page,
                        new.slot,
                        &TupleHeader::new(update.xid, update.command, update.new_flags),
                        r.rest(),
                    )
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
            let SetXmax { vm, slot, bits, xmax, command } = SetXmax::read(&mut r)?;
            prepare(page, vm != NO_VM);
            let end = Update { xid: xmax, command, old_command: command, old_bits: bits, new_flags: 0 };
            end_version(page, slot, &end, Tid::INVALID)
        }
        PRUNE => {
            let prune_xid = r.var()?;
            let [redirects, dead, unused, links] = [r.var::<u16>()?, r.var()?, r.var()?, r.var()?];
            let mut slots = |count| (0..count).map(|_| r.var()).collect::<Result<Vec<u16>>>();
            let (redirects, dead, unused) =
                (slots(2 * u32::from(redirects))?, slots(dead.into())?, slots(unused.into())?);
            for _ in 0..links {
                let (from, to, low) = (r.var()?, r.var()?, r.var()?);
                let t = hp::tuple_mut(page.bytes_mut(), from).ok_or_else(|| damaged("no such tuple"))?;
                let mut h = TupleHeader::read(t);
                h.ctid.slot = to;
                h.command = CommandId(low);
                h.flags = h.flags & !tuple::PAIRED | tuple::RELINKED;
                h.write(t);
            }
            hp::change_slots(
                page.bytes_mut(),
                redirects.chunks_exact(2).map(|pair| (pair[0], pair[1])),
                dead.iter().copied(),
                unused.iter().copied(),
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
