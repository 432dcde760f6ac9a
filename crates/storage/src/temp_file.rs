//! Temporary files of sorts: written from the beginning to the end, then read. They go when they are dropped; what a crash leaves is removed by
//! [`remove_leftovers`].

use crate::disk::{Disk, DiskFile};
use crate::files::reason;
use quarry_common::usage::{self, Counter};
use quarry_common::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folder of temporary files.
pub const TEMP_DIR: &str = "base/pgsql_tmp";

static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// Removes temporary files of earlier runs of the server.
pub fn remove_leftovers(disk: &dyn Disk) -> Result<()> {
    disk.remove_dir_all(TEMP_DIR)
}

/// Who is told of a temporary file that goes: its path and size.
pub type Told = Arc<dyn Fn(&str, u64) + Send + Sync>;

/// A temporary file.
pub(crate) struct TempFile {
    told: Option<Told>,
    disk: Arc<dyn Disk>,
    path: String,
    file: Arc<dyn DiskFile>,
    len: u64,
}

impl TempFile {
    /// An empty one.
    pub fn create(disk: &Arc<dyn Disk>) -> Result<TempFile> {
        disk.create_dir(TEMP_DIR)?;
        let path = format!("{TEMP_DIR}/sort{}", NEXT_FILE.fetch_add(1, Ordering::Relaxed));
        disk.remove(&path)?;
        let Some(file) = disk.open(&path, true)? else {
            return Err(Error::internal("a temporary file could not be made"));
        };
        Ok(TempFile { told: None, disk: disk.clone(), path, file, len: 0 })
    }

    /// The same with somebody who is told when it goes.
    pub fn told(self, told: Option<Told>) -> TempFile {
        let mut file = self;
        file.told = told;
        file
    }

    /// Bytes written.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Writes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let refused = |e: Error| {
            Error::new(e.sqlstate(), format!("could not write to file \"{}\": {}", self.path, reason(&e)))
        };
        usage::timed(Counter::TempWriteTime, || self.file.write_at(bytes, self.len)).map_err(refused)?;
        usage::add(Counter::TempWritten, bytes.len() as u64);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Fills `buffer` from position `at`.
    pub fn read_exact(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        let wanted = buffer.len();
        let read = usage::timed(Counter::TempReadTime, || self.file.read_at(buffer, at))?;
        usage::add(Counter::TempRead, read as u64);
        if read < wanted {
            return Err(Error::corrupted("temporary file is too short"));
        }
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(told) = &self.told {
            told(&self.path, self.len);
        }
        // A file that stays is removed at the next start.
        let _ = self.disk.remove(&self.path);
    }
}
