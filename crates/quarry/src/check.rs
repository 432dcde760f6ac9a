//! `quarry check`: verifies a stopped server's data folder: pages and trees by what they are, rows and out-of-line values of the tables that
//! the catalog names, indexes against these tables and these against their indexes, files against the relations. What a server is using
//! is checked from within, by the extension amcheck.

use crate::cli::CheckArgs;
use crate::config;
use quarry_common::{Result, SqlState, err};
use quarry_session::verify::check_folder;
use quarry_storage::Storage;
use quarry_storage::disk::{Disk, OsDisk};
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
    let storage = Storage::open(disk, config::storage(&settings)).map_err(|e| match e.sqlstate() {
        SqlState::LOCK_FILE_EXISTS => e.hint(
            "A running server's tables are checked by the functions of its extension amcheck, or by the program pg_amcheck.",
        ),
        _ => e,
    })?;
    let memory = settings.bytes("maintenance_work_mem") as usize;
    let summary = check_folder(&storage, memory, &mut |line| println!("{line}"))?;
    storage.shutdown()?;
    println!(
        "{} relations, {} pages, {} indexes with {} entries checked",
        summary.relations, summary.pages, summary.indexes, summary.index_entries
    );
    if summary.errors > 0 {
        return Err(err!(DATA_CORRUPTED, "{} errors were found", summary.errors));
    }
    Ok(())
}
