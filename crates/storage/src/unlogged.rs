//! Relations that the log doesn't know, at start: what earlier runs left of temporary ones goes, and after a crash unlogged ones are
//! as their init forks say (PostgreSQL: storage/file/reinit.c).
//!
//! Nothing of an unlogged relation's content is believed after a crash: its pages were written in any order or not at all. Resetting them
//! is idempotent and comes after redo, which may have made, filled or removed init forks; until it is complete the control file says
//! that the server didn't stop in order, so that the next start resets them again.

use crate::disk::Disk;
use crate::engine::Storage;
use crate::files::{database_dir, is_temporary_name, parse_file_name};
use crate::ids::{Fork, PageId, RelId};
use quarry_common::{Oid, Result};

/// The databases that have a folder, and the shared relations' one.
pub fn databases(disk: &dyn Disk) -> Result<Vec<Oid>> {
    let mut all = vec![Oid::INVALID];
    all.extend(disk.list("base")?.iter().filter_map(|name| name.parse().ok()).map(Oid));
    Ok(all)
}

/// Removes the files of temporary relations; how many. Nobody is using any.
pub fn remove_temporary(disk: &dyn Disk) -> Result<usize> {
    let mut removed = 0;
    for db in databases(disk)? {
        let dir = database_dir(db);
        for name in disk.list(&dir)?.iter().filter(|name| is_temporary_name(name)) {
            removed += usize::from(disk.remove(&format!("{dir}/{name}"))?);
        }
    }
    Ok(removed)
}

impl Storage {
    /// After a crash, when redo is done: makes every unlogged relation what its init fork says; how many there are.
    pub(crate) fn reset_unlogged(&self) -> Result<usize> {
        let mut count = 0;
        for db in databases(&**self.disk())? {
            for name in self.disk().list(&database_dir(db))? {
                let Some((number, Fork::Init, 0)) = parse_file_name(&name) else { continue };
                let rel = RelId::new(db, number);
                for fork in [Fork::Main, Fork::Fsm, Fork::Vm] {
                    self.pool().forget(rel, Some(fork), 0);
                }
                self.files().remove_unlogged(rel)?;
                if let Err(e) = self.copy_init_fork(rel) {
                    // Its users are told when they come; the others must not do without a server.
                    tracing::error!("unlogged relation {rel} could not be reset: {}", e.message());
                }
                count += 1;
            }
        }
        Ok(count)
    }

    fn copy_init_fork(&self, rel: RelId) -> Result<()> {
        for block in 0..self.relation_blocks(rel, Fork::Init)? {
            let init = self.pool().read(PageId::new(rel, Fork::Init, block))?;
            let mut page = self.pool().extend(rel, Fork::Main, 1)?;
            page.bytes_mut().copy_from_slice(init.bytes());
            drop(init);
            self.log_full_page(None, &mut [&mut page])?;
        }
        Ok(())
    }
}
