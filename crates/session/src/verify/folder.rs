//! A whole data folder that nobody uses: pages and trees by what they are, rows and out-of-line values of the tables that the catalogs name,
//! indexes against these tables and these against their indexes, files against the relations.

use super::{HeapCheck, IndexCheck, Skip, heap_into, index, rows_by_index};
use quarry_catalog::{Catalog, CatalogReader, Persistence, RelKind, Relation, SessionView};
use quarry_common::{Oid, Result};
use quarry_storage::check::{CheckSummary, TableIndex, check_storage_but, check_table_index};
use quarry_storage::temp_file::TEMP_DIR;
use quarry_storage::{Fork, IsolationLevel, RelId, Storage};
use std::collections::HashSet;
use std::sync::Arc;

/// Verifies everything; `report` gets each problem as one line. Nobody else uses the storage.
pub fn check_folder(
    storage: &Arc<Storage>,
    memory_bytes: usize,
    report: &mut dyn FnMut(&str),
) -> Result<CheckSummary> {
    let mut told = HashSet::new();
    let mut report = |line: &str| {
        // What a page shows is found by more than one way of looking at it.
        if told.insert(line.to_string()) {
            report(line);
        }
    };
    let unfinished = unfinished_indexes(storage).unwrap_or_default();
    let summary = check_storage_but(storage, &unfinished, &mut report)?;
    // A catalog that can't be read names nothing; its own pages have been reported.
    if let Err(e) = check_catalog(storage, memory_bytes, &mut report) {
        report(e.message());
    }
    Ok(CheckSummary { errors: told.len() as u64, ..summary })
}

/// Indexes whose build (CONCURRENTLY) has not come to its end.
fn unfinished_indexes(storage: &Arc<Storage>) -> Result<HashSet<RelId>> {
    let catalog = Catalog::open(storage)?;
    let session = SessionView::superuser();
    let txn = Arc::new(storage.begin(IsolationLevel::RepeatableRead));
    let mut found = HashSet::new();
    for database in catalog.reader(Oid::INVALID, &txn, &session).databases()? {
        for relation in catalog.reader(database.oid, &txn, &session).all_relations(&['r', 'm', 't'])? {
            found.extend(relation.indexes.iter().filter(|i| !i.ready).map(|i| i.storage));
        }
    }
    Ok(found)
}

/// Compares storage with what the catalog of each database says.
fn check_catalog(storage: &Arc<Storage>, memory: usize, report: &mut dyn FnMut(&str)) -> Result<()> {
    const STORED: &[char] = &['r', 'm', 't', 'S', 'i'];
    let catalog = Catalog::open(storage)?;
    let session = SessionView::superuser();
    let txn = Arc::new(storage.begin(IsolationLevel::RepeatableRead));
    let databases = catalog.reader(Oid::INVALID, &txn, &session).databases()?;
    let mut named: HashSet<RelId> = HashSet::new();
    let mut checked: HashSet<RelId> = HashSet::new();
    for database in &databases {
        let reader = catalog.reader(database.oid, &txn, &session);
        for relation in reader.all_relations(STORED)? {
            named.extend(relation.storage.iter().chain(&relation.toast));
            named.extend(relation.indexes.iter().map(|i| i.storage));
            if relation.persistence == Persistence::Temporary {
                // Its session is gone, its files go at the next start at the latest, its rows then too.
                continue;
            }
            if relation.kind == RelKind::Index && relation.storage.is_some_and(|s| lacks_file(storage, s)) {
                report(&format!("index \"{}\" has no file", relation.name));
            }
            let Some(table) = relation.storage else { continue };
            if relation.kind == RelKind::Index {
                continue;
            }
            // Shared ones are named by every database.
            if !checked.insert(table) {
                continue;
            }
            check_rows(&reader, &relation, table, report);
            for def in relation.indexes.iter().filter(|i| i.method == "btree" && i.ready) {
                let pair = TableIndex {
                    table,
                    index: def.storage,
                    name: def.name.clone(),
                    complete: def.valid && def.predicate_sql.is_none(),
                };
                if let Err(e) = check_table_index(storage, &pair, report) {
                    report(e.message());
                }
                if def.valid {
                    // Its structure has been looked at with the pages.
                    let how = IndexCheck { parents: false, rows: true, descents: false };
                    if let Err(e) = index(&reader, &relation, def, how, memory, &|| Ok(())) {
                        report(e.message());
                    }
                }
            }
            for def in relation.indexes.iter().filter(|i| matches!(i.method, "hash" | "brin") && i.ready) {
                // Rows with NULL have no entry in a hash index; a BRIN index has none at all.
                let pair = TableIndex { table, index: def.storage, name: def.name.clone(), complete: false };
                let checked = match def.method {
                    "hash" => check_table_index(storage, &pair, report).map(drop),
                    _ => Ok(()),
                };
                if let Err(e) = checked.and_then(|()| rows_by_index(&reader, &relation, def, memory)) {
                    report(e.message());
                }
            }
        }
        named.extend(reader.relations_by_filenode()?.keys().map(|file| RelId::new(database.oid, *file)));
    }
    for db in databases.iter().map(|d| d.oid).chain([Oid::INVALID]) {
        for (rel, fork) in storage.files().relations_of(db)? {
            if !named.contains(&rel) {
                report(&format!("file {rel}{} belongs to nothing in the catalog", fork.suffix()));
            }
        }
    }
    for name in storage.disk().list("base")? {
        let is_temporary = TEMP_DIR.strip_prefix("base/") == Some(name.as_str());
        if !is_temporary && !databases.iter().any(|d| d.oid.to_string() == name) {
            report(&format!("folder base/{name} belongs to no database"));
        }
    }
    Ok(())
}

/// Verifies a table's pages and rows, with the values out of line; goes on behind pages that can't be read.
fn check_rows(reader: &CatalogReader, relation: &Relation, file: RelId, report: &mut dyn FnMut(&str)) {
    let mut first = 0;
    loop {
        let page = std::cell::Cell::new(first - 1);
        let how = HeapCheck {
            stop_on_error: false,
            toast: true,
            skip: Skip::None,
            start_block: (first > 0).then_some(first),
            end_block: None,
        };
        let pause = || {
            page.set(page.get() + 1);
            Ok(())
        };
        let mut found = vec![];
        let outcome = heap_into(reader, relation, &how, &pause, &mut |finding| found.push(finding));
        for finding in found {
            report(&finding.line(file));
        }
        let Err(e) = outcome else { return };
        report(e.message());
        first = page.get() + 1;
        if first >= reader.relation_blocks(Some(file)).map_or(0, i64::from) {
            return;
        }
    }
}

/// Whether an index, which is never empty, has no page.
fn lacks_file(storage: &Storage, rel: RelId) -> bool {
    storage.relation_blocks(rel, Fork::Main).unwrap_or(0) == 0
}
