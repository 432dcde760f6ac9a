//! One heap page: what its line pointers, version headers, chains and the visibility map say of each other.

use crate::heap::page::{self as hp, Slot};
use crate::heap::tuple::{self, TupleHeader};
use crate::heap::visibility::{Fate, fate};
use crate::page::Page;
use crate::{Fork, PageId, RelId, Storage, vm};
use quarry_common::{BlockNo, Result, Xid};

/// What is wrong with the line pointers and version headers of a page whose bounds are right ([`hp::check`]): slot and words.
pub(super) fn check_page(storage: &Storage, p: &[u8], id: PageId, found: &mut dyn FnMut(u16, String)) {
    let block = id.block;
    let next_xid = storage.txns().next_xid();
    let all_visible = hp::flags(p) & hp::ALL_VISIBLE != 0;
    for slot in 1..=hp::slot_count(p) {
        if let Slot::Redirect(to) = hp::slot(p, slot)
            && hp::tuple(p, to).is_some_and(|t| tuple::flags(t) & tuple::HEAP_ONLY == 0)
        {
            found(slot, format!("redirects to slot {to}, which is the root of a chain"));
        }
        let Some(t) = hp::tuple(p, slot) else { continue };
        let h = TupleHeader::read(t);
        if let Err(what) = check_header(&h, block, next_xid) {
            // What such a header says of visibility means nothing.
            found(slot, what);
            continue;
        }
        if h.has(tuple::HOT_UPDATED)
            && let Some(next) = next_in_chain(p, &h, block)
            && hp::tuple(p, next).is_some_and(|t| tuple::flags(t) & tuple::HEAP_ONLY == 0)
        {
            found(slot, format!("a HOT update leads to slot {next}, which is not heap-only"));
        }
        if all_visible {
            let judged = fate(&h, storage.txns(), storage.txns().oldest_visible_csn_in(id.rel.db));
            if !matches!(judged, Fate::Live { visible_to_all: true }) {
                found(slot, format!("the page is marked all visible, but the version is {judged:?}"));
            }
        }
    }
}

fn check_header(h: &TupleHeader, block: BlockNo, next_xid: Xid) -> std::result::Result<(), String> {
    if !h.xmin.is_valid() {
        return Err("a version without writer".into());
    }
    for (name, xid) in [("xmin", h.xmin), ("xmax", h.xmax)] {
        if xid >= next_xid {
            return Err(format!(
                "{name} {} equals or exceeds next valid transaction ID {}",
                xid.0, next_xid.0
            ));
        }
    }
    if h.has(tuple::HOT_UPDATED) && (h.ctid.block != block || h.ctid.slot == 0) {
        return Err(format!("a HOT update leads to {}", h.ctid));
    }
    if h.has(tuple::XMIN_FROZEN) && h.has(tuple::XMIN_ABORTED) {
        return Err("its writer is marked committed and rolled back".into());
    }
    Ok(())
}

/// The slot of the next version on the same page, if it is that of this version's deleter: slots are reused.
pub(super) fn next_in_chain(p: &[u8], h: &TupleHeader, block: BlockNo) -> Option<u16> {
    if h.ctid.block != block || !h.has(tuple::HOT_UPDATED) {
        return None;
    }
    let next = TupleHeader::read(hp::tuple(p, h.ctid.slot)?);
    h.next().is_some_and(|v| v.is(&next)).then_some(h.ctid.slot)
}

/// A page of a visibility map: a bit that is set means that the heap page is there and marked as well.
pub(super) fn check_map(
    storage: &Storage,
    rel: RelId,
    map_block: BlockNo,
    map: &Page,
    problem: &mut dyn FnMut(String),
) -> Result<()> {
    if map.is_new() {
        return Ok(());
    }
    let blocks = storage.pool().blocks(rel, Fork::Main)?;
    for bit in 0..vm::BLOCKS_PER_PAGE {
        let Some(block) = map_block.checked_mul(vm::BLOCKS_PER_PAGE).and_then(|b| b.checked_add(bit)) else {
            break;
        };
        if !vm::bit(map, bit) {
            continue;
        }
        let id = PageId::main(rel, block);
        if block >= blocks {
            problem(format!("{id}: the visibility map marks it, but it does not exist"));
        } else if let Ok(page) = storage.pool().read(id)
            && hp::flags(page.bytes()) & hp::ALL_VISIBLE == 0
        {
            problem(format!("{id}: the visibility map says all visible, the page does not"));
        }
    }
    Ok(())
}
