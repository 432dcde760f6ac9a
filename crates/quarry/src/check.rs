//! `quarry check`: verifies a stopped server's data folder: pages and trees by what they are, indexes against the tables that the catalog
//! says they are of, files against the relations that it names.

use crate::cli::CheckArgs;
use crate::config;
use quarry_catalog::{Catalog, RelKind, SessionView};
use quarry_common::{Oid, Result, err};
use quarry_storage::check::{TableIndex, check_storage, check_table_index};
use quarry_storage::disk::{Disk, OsDisk};
use quarry_storage::{IsolationLevel, RelId, Storage};
use std::collections::HashSet;
use std::sync::Arc;

pub fn run(args: CheckArgs) -> Result<()> {
    if !args.data.is_dir() {
        return Err(err!(UNDEFINED_FILE, "there is no data folder at {}", args.data.display()));
    }
    let settings = config::load(&args.data, &[])?;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::new(&args.data)?);
    if !Storage::is_initialised(&*disk)? {
        return Err(err!(UNDEFINED_FILE, "{} is no data folder", args.data.display()));
    }
    let storage = Storage::open(disk, config::storage(&settings))?;
    let summary = check_storage(&storage, &mut |line| println!("{line}"))?;
    let mut errors = summary.errors;
    // A catalog that can't be read names nothing; its own pages have been reported.
    if let Err(e) = check_catalog(&storage, &mut |line| {
        errors += 1;
        println!("{line}");
    }) {
        errors += 1;
        println!("{}", e.message());
    }
    storage.shutdown()?;
    println!(
        "{} relations, {} pages, {} indexes with {} entries checked",
        summary.relations, summary.pages, summary.indexes, summary.index_entries
    );
    if errors > 0 {
        return Err(err!(DATA_CORRUPTED, "{errors} errors were found"));
    }
    Ok(())
}

/// Compares storage with what the catalog of each database says.
fn check_catalog(storage: &Arc<Storage>, report: &mut dyn FnMut(&str)) -> Result<()> {
    const STORED: &[char] = &['r', 'm', 't', 'S', 'i'];
    let catalog = Catalog::open(storage)?;
    let session = SessionView::superuser();
    let txn = Arc::new(storage.begin(IsolationLevel::RepeatableRead));
    let databases = catalog.reader(Oid::INVALID, &txn, &session).databases()?;
    let mut named: HashSet<RelId> = HashSet::new();
    for database in &databases {
        let reader = catalog.reader(database.oid, &txn, &session);
        for relation in reader.all_relations(STORED)? {
            named.extend(relation.storage.iter().chain(&relation.toast));
            named.extend(relation.indexes.iter().map(|i| i.storage));
            let Some(table) = relation.storage else { continue };
            if relation.kind == RelKind::Index {
                continue;
            }
            for index in relation.indexes.iter().filter(|i| i.method == "btree" && i.ready) {
                let pair = TableIndex {
                    table,
                    index: index.storage,
                    name: index.name.clone(),
                    complete: index.valid && index.predicate_sql.is_none(),
                };
                if let Err(e) = check_table_index(storage, &pair, report) {
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
        if !databases.iter().any(|d| d.oid.to_string() == name) {
            report(&format!("folder base/{name} belongs to no database"));
        }
    }
    Ok(())
}
