//! A B-tree, hash or GIN index against its table: every entry leads to a row's root, and (if the index is complete) every row has its entry.

use super::heap::next_in_chain;
use crate::heap::page::{self as hp, Slot};
use crate::heap::tuple::{self, TupleHeader};
use crate::heap::visibility::{Fate, fate};
use crate::index::btree::page as bp;
use crate::index::gin::check as gin;
use crate::index::hash;
use crate::{Fork, PageId, RelId, Storage};
use quarry_common::{BlockNo, Result, Tid};

/// An index and what it is of.
#[derive(Clone, Debug)]
pub struct TableIndex {
    pub table: RelId,
    pub index: RelId,
    /// For messages.
    pub name: String,
    /// Whether it has an entry for every row: it is valid, and not partial.
    pub complete: bool,
}

fn number(tid: Tid) -> u64 {
    (tid.block as u64) << 16 | tid.slot as u64
}

/// Compares an index with its table; nothing else may use either. Gives the number of entries. `report` gets each problem.
pub fn check_table_index(storage: &Storage, pair: &TableIndex, report: &mut dyn FnMut(&str)) -> Result<u64> {
    let mut entries = entries(storage, pair.index)?;
    let count = entries.len() as u64;
    entries.sort_unstable();
    let blocks = storage.pool().blocks(pair.table, Fork::Main)?;
    let mut at = 0;
    for block in 0..blocks {
        let page = storage.pool().read(PageId::main(pair.table, block))?;
        let p: &[u8] = page.bytes();
        let end = at + entries[at..].partition_point(|e| e >> 16 == block as u64);
        let here = &entries[at..end];
        at = end;
        if !page.is_new() && hp::check(p).is_err() {
            // The check of pages has said so.
            continue;
        }
        for entry in here {
            if let Err(what) = check_target(p, *entry as u16) {
                report(&format!(
                    "index \"{}\" ({}): an entry leads to ({block},{}), {what}",
                    pair.name, pair.index, *entry as u16
                ));
            }
        }
        if !pair.complete || page.is_new() {
            continue;
        }
        for slot in 1..=hp::slot_count(p) {
            let missing = here.binary_search(&number(Tid { block, slot })).is_err();
            if missing && is_root_of_row(storage, p, block, slot) {
                report(&format!(
                    "index \"{}\" ({}): the row at ({block},{slot}) of {} has no entry",
                    pair.name, pair.index, pair.table
                ));
            }
        }
    }
    for entry in &entries[at..] {
        report(&format!(
            "index \"{}\" ({}): an entry leads to ({},{}), past the table's end",
            pair.name,
            pair.index,
            entry >> 16,
            *entry as u16
        ));
    }
    Ok(count)
}

/// Where the entries of all leaves lead, those marked dead left out.
fn entries(storage: &Storage, index: RelId) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    if hash::is_meta(&*storage.pool().read(PageId::main(index, 0))?) {
        return hash_entries(storage, index);
    }
    // Block 0 is the metapage.
    for block in 1..storage.pool().blocks(index, Fork::Main)? {
        let page = storage.pool().read(PageId::main(index, block))?;
        let p: &[u8] = page.bytes();
        if page.is_new() || bp::level(p) != 0 || bp::has_flag(p, bp::DELETED) || bp::check(p).is_err() {
            continue;
        }
        for slot in bp::first_data(p)..bp::slot_count(p) {
            let item = bp::item(p, slot);
            if !item.is_dead() {
                all.extend(item.tids().map(number));
            }
        }
    }
    if gin::is_gin(storage, index)? {
        let mut pending = Vec::new();
        gin::pending_tids(storage, index, &mut pending)?;
        all.extend(pending.into_iter().map(number));
    }
    Ok(all)
}

/// The same of a hash index: whatever is on a page of a bucket.
fn hash_entries(storage: &Storage, index: RelId) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for block in 1..storage.pool().blocks(index, Fork::Main)? {
        let page = storage.pool().read(PageId::main(index, block))?;
        let p: &[u8] = page.bytes();
        if matches!(hash::page::kind(p), Some(hash::page::Kind::Primary | hash::page::Kind::Overflow)) {
            let live = (0..hash::page::count(p)).filter(|i| !hash::page::is_dead(p, *i));
            all.extend(live.map(|i| number(hash::page::entry(p, i).tid())));
        }
    }
    Ok(all)
}

/// An entry may lead to a tuple, a redirect, or to a dead slot until vacuum comes.
fn check_target(p: &[u8], slot: u16) -> std::result::Result<(), &'static str> {
    match hp::slot(p, slot) {
        Slot::Unused => Err("which is unused"),
        Slot::Normal { .. } => match hp::tuple(p, slot) {
            Some(t) if tuple::flags(t) & tuple::HEAP_ONLY != 0 => Err("which is heap-only"),
            _ => Ok(()),
        },
        Slot::Redirect(_) | Slot::Dead => Ok(()),
    }
}

/// Whether the slot is where indexes must point for a row that someone may see.
fn is_root_of_row(storage: &Storage, p: &[u8], block: BlockNo, slot: u16) -> bool {
    let mut now = match hp::slot(p, slot) {
        Slot::Redirect(to) => to,
        Slot::Normal { .. }
            if hp::tuple(p, slot).is_some_and(|t| tuple::flags(t) & tuple::HEAP_ONLY == 0) =>
        {
            slot
        }
        _ => return false,
    };
    // A chain has no more versions than the page has slots; more would be a circle.
    for _ in 0..hp::slot_count(p) {
        let Some(t) = hp::tuple(p, now) else { return false };
        let h = TupleHeader::read(t);
        if matches!(fate(&h, storage.txns(), storage.txns().oldest_visible_csn()), Fate::Live { .. }) {
            return true;
        }
        match next_in_chain(p, &h, block) {
            Some(next) => now = next,
            None => return false,
        }
    }
    false
}
