//! A table as its readers see it, while others use it (PostgreSQL: contrib/amcheck/verify_heapam.c): each page's line pointers and version
//! headers, the visibility map's word about it, every row's bounds, and that each out-of-line value is there, of the size that its
//! pointer says.
//!
//! Each page is judged by a copy taken under its latch. Rows' bounds are looked at in all versions; out-of-line values only in those
//! that the given snapshot sees, because those of others may be removed meanwhile.

use super::heap::check_page;
use crate::heap::tuple::{self, HEADER_BYTES, TupleHeader};
use crate::heap::visibility::{Memo, is_visible};
use crate::heap::{Heap, page as hp};
use crate::page::Page;
use crate::row::{RowRef, VarValue};
use crate::{PageId, RelId, Snapshot, toast, vm};
use quarry_common::{BlockNo, Result};
use std::ops::Range;

/// What is wrong with a table, and where: slot and column are there if it is one row's or one column's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub block: BlockNo,
    pub slot: Option<u16>,
    /// From 0.
    pub column: Option<usize>,
    pub what: String,
}

impl Finding {
    /// As one line about a page of the relation.
    pub fn line(&self, rel: RelId) -> String {
        let mut line = format!("{}: ", PageId::main(rel, self.block));
        if let Some(slot) = self.slot {
            line.push_str(&format!("slot {slot}: "));
        }
        if let Some(column) = self.column {
            line.push_str(&format!("column {}: ", column + 1));
        }
        line.push_str(&self.what);
        line
    }
}

/// What of a table is to be looked at.
#[derive(Clone, Debug)]
pub struct TableCheck<'a> {
    pub blocks: Range<BlockNo>,
    /// The bodies are rows of the table's layout (chunks and sequences have forms of their own).
    pub rows: bool,
    /// Follows the pointers of out-of-line values in rows that this snapshot sees.
    pub toast: Option<&'a Snapshot>,
    /// Leaves out pages that the visibility map marks.
    pub skip_all_visible: bool,
    /// Ends behind the first page with something wrong.
    pub stop_on_error: bool,
}

/// Verifies pages of a table. `found` gets each problem; an error is a page that can't be read, or `between`'s, which is called before
/// each page.
pub fn check_table(
    heap: &Heap,
    how: &TableCheck<'_>,
    between: &mut dyn FnMut() -> Result<()>,
    found: &mut dyn FnMut(Finding),
) -> Result<()> {
    let storage = heap.storage();
    let mut memo = Memo::default();
    for (block, what) in storage.relation_states().get(heap.rel()).map_problems(storage, heap.rel())? {
        found(Finding { block, slot: None, column: None, what });
        if how.stop_on_error {
            return Ok(());
        }
    }
    for block in how.blocks.clone() {
        between()?;
        if how.skip_all_visible && vm::is_all_visible(storage, heap.rel(), block)? {
            continue;
        }
        let mut wrong = false;
        let mut note = |slot: Option<u16>, column: Option<usize>, what: String| {
            wrong = true;
            found(Finding { block, slot, column, what });
        };
        let page = {
            let page = storage.pool().read(heap.page_id(block))?;
            // Under the heap page's latch, which keeps either from changing alone.
            let marked = vm::is_all_visible(storage, heap.rel(), block)?;
            if marked && hp::flags(page.bytes()) & hp::ALL_VISIBLE == 0 {
                note(None, None, "the visibility map says all visible, the page does not".into());
            }
            Page::clone(&page)
        };
        let p: &[u8] = page.bytes();
        if page.is_new() {
            continue;
        }
        if let Err(what) = hp::check(p) {
            note(None, None, what);
        } else {
            check_page(storage, p, heap.page_id(block), &mut |slot, what| note(Some(slot), None, what));
            for slot in 1..=hp::slot_count(p) {
                let Some(t) = hp::tuple(p, slot) else { continue };
                if !how.rows {
                    continue;
                }
                let body = &t[HEADER_BYTES..];
                if !RowRef::is_well_formed(heap.layout(), body) {
                    note(Some(slot), None, "the row's columns exceed its length".into());
                    continue;
                }
                let row = RowRef::new(heap.layout(), body);
                for column in 0..row.natts() {
                    if let Some(what) = row.bad_value(column) {
                        note(Some(slot), Some(column), what);
                    }
                }
                let Some(snapshot) = how.toast else { continue };
                for column in 0..row.natts() {
                    if let value @ VarValue::Compressed(packed) = row.var(column)
                        && packed.len() > 4
                        && toast::fetch(heap, value, &mut Vec::new()).is_err()
                    {
                        let what =
                            format!("a compressed value of {} bytes cannot be decompressed", packed.len());
                        note(Some(slot), Some(column), what);
                    }
                }
                if tuple::flags(t) & tuple::HAS_EXTERNAL == 0 {
                    if row.has_external() {
                        note(
                            Some(slot),
                            None,
                            "has out-of-line values, but its header does not say so".into(),
                        );
                    }
                    continue;
                }
                if !is_visible(&TupleHeader::read(t), snapshot, storage.txns(), &mut memo) {
                    continue;
                }
                for column in 0..row.natts() {
                    if let VarValue::External(pointer) = row.var(column)
                        && let Some(what) = toast::check_value(heap, &pointer)
                    {
                        note(Some(slot), Some(column), what);
                    }
                }
            }
        }
        if wrong && how.stop_on_error {
            break;
        }
    }
    Ok(())
}
