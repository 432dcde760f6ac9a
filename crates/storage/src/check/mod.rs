//! Verifying a data folder: every page's checksum, heap pages ([`heap`]), visibility maps, indexes' order and structure, indexes against
//! their tables ([`index`]), rows and their out-of-line values ([`table`], which also works beside others that use the table).
//!
//! But for the last, nothing else may use the storage meanwhile. Main pages are judged by what the relation's first page says it is; problems
//! are reported one by one, and the check goes on. The free-space map is advice that the log doesn't know and that is corrected by
//! whoever believes it: a torn page of it is an empty one, and stale entries are no errors. What is: `heap/README.md`, rules F1 to F4.

mod heap;
mod index;
mod table;

pub use index::{TableIndex, check_table_index};
pub use table::{Finding, TableCheck, check_table};

use crate::heap::page as hp;
use crate::index::{self as methods, IndexMethod};
use crate::page::{PAGE_SIZE, Page};
use crate::{Fork, PageId, RelId, Storage, fsm};
use quarry_common::{Error, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// What was looked at and what was found.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct CheckSummary {
    pub relations: u64,
    pub pages: u64,
    pub indexes: u64,
    pub index_entries: u64,
    pub errors: u64,
}

/// Verifies everything in the data folder; `report` gets each problem as one line.
pub fn check_storage(storage: &Arc<Storage>, report: &mut dyn FnMut(&str)) -> Result<CheckSummary> {
    check_storage_but(storage, &HashSet::new(), report)
}

/// As [`check_storage`]. The structure of `unfinished` indexes is not looked at: a crash has ended their build in the middle, and nobody
/// uses them.
pub fn check_storage_but(
    storage: &Arc<Storage>,
    unfinished: &HashSet<RelId>,
    report: &mut dyn FnMut(&str),
) -> Result<CheckSummary> {
    // What is only in memory is none of the check's business; what is on disk must be right.
    storage.checkpoint()?;
    let mut summary = CheckSummary::default();
    for db in crate::unlogged::databases(&**storage.disk())? {
        let mut relations = storage.files().relations_of(db)?;
        relations.sort();
        for (rel, fork) in relations {
            let mut problem = |what: String| {
                summary.errors += 1;
                report(&what);
            };
            let pages = check_pages(storage, rel, fork, &mut problem);
            match pages {
                Ok(n) => summary.pages += n,
                Err(e) => problem(format!("{rel}: {}", e.message())),
            }
            if fork != Fork::Main {
                continue;
            }
            summary.relations += 1;
            match storage.relation_states().get(rel).map_problems(storage, rel) {
                Ok(found) => found.iter().for_each(|(block, what)| {
                    problem(format!("{}: {what}", PageId::main(rel, *block)));
                }),
                Err(e) => problem(format!("{rel}: {}", e.message())),
            }
            if unfinished.contains(&rel) {
                continue;
            }
            if let Some(index) = open_index(storage, rel).unwrap_or(None) {
                summary.indexes += 1;
                match index.check() {
                    Ok(n) => summary.index_entries += n,
                    Err(e) => {
                        summary.errors += 1;
                        report(e.message());
                    }
                }
            }
        }
    }
    Ok(summary)
}

/// The index that the relation is, by its first page.
fn open_index(storage: &Arc<Storage>, rel: RelId) -> Result<Option<Box<dyn IndexMethod>>> {
    if storage.pool().blocks(rel, Fork::Main)? == 0 {
        return Ok(None);
    }
    let page = storage.pool().read(PageId::main(rel, 0))?;
    let (tree, hash) = (methods::btree::wal::root_of(&page).is_ok(), methods::hash::is_meta(&page));
    let brin = methods::brin::is_meta(&page);
    drop(page);
    if hash {
        return Ok(Some(Box::new(methods::HashIndex::open(storage, rel))));
    }
    if brin {
        return Ok(Some(Box::new(methods::Brin::open(storage, rel))));
    }
    if !tree {
        return Ok(None);
    }
    Ok(Some(match methods::gin::check::open_gin(storage, rel)? {
        Some(gin) => Box::new(gin),
        None => Box::new(methods::BTree::open(storage, rel, false)),
    }))
}

/// Whether a first page is an index's meta page.
fn is_meta(page: &Page) -> bool {
    methods::btree::wal::root_of(page).is_ok() || methods::hash::is_meta(page) || methods::brin::is_meta(page)
}

fn check_pages(storage: &Storage, rel: RelId, fork: Fork, problem: &mut dyn FnMut(String)) -> Result<u64> {
    let file = storage.files().get(rel, fork)?;
    let mut page = Page::zeroed();
    let mut heap = fork == Fork::Main;
    for block in 0..file.blocks() {
        let id = PageId::new(rel, fork, block);
        if let Err(e) = storage.files().read(&file, block, page.bytes_mut()) {
            problem(e.message().to_string());
            continue;
        }
        if fork == Fork::Fsm {
            if let Err(what) = fsm::check_page(&page, block) {
                problem(format!("{id}: {what}"));
            }
            continue;
        }
        if !page.checksum_ok(block) {
            problem(format!("{id}: checksum does not match; its LSN reads {}", page.lsn()));
            continue;
        }
        if file.is_logged() && page.lsn() > storage.wal().inserted() {
            problem(format!("{id}: its LSN {} is past the end of the WAL", page.lsn()));
        }
        if fork == Fork::Vm {
            if let Err(e) = heap::check_map(storage, rel, block, &page, problem) {
                problem(format!("{id}: {}", e.message()));
            }
            continue;
        }
        if block == 0 && heap && is_meta(&page) {
            heap = false;
        }
        // Heap pages have no special space; other methods' pages have or are checked by their method.
        if heap && !page.is_new() && page.special() as usize == PAGE_SIZE {
            match hp::check(page.bytes()) {
                Ok(()) => heap::check_page(storage, page.bytes(), id, &mut |slot, what| {
                    problem(format!("{id}: slot {slot}: {what}"));
                }),
                Err(what) => problem(format!("{id}: {what}")),
            }
        }
    }
    Ok(file.blocks() as u64)
}

/// As [`check_storage`], as one error if anything is wrong.
pub fn check_or_error(storage: &Arc<Storage>) -> Result<CheckSummary> {
    let mut first = None;
    let summary = check_storage(storage, &mut |line| {
        first.get_or_insert_with(|| line.to_string());
    })?;
    match first {
        Some(line) => Err(Error::corrupted(format!("{} problems, the first: {line}", summary.errors))),
        None => Ok(summary),
    }
}
