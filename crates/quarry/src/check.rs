//! `quarry check`: verifies a stopped server's data folder.

use crate::cli::CheckArgs;
use crate::config;
use quarry_common::{Result, err};
use quarry_storage::Storage;
use quarry_storage::check::check_storage;
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
    let storage = Storage::open(disk, config::storage(&settings))?;
    let summary = check_storage(&storage, &mut |line| println!("{line}"))?;
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
