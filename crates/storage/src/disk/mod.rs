//! All file access: one small trait, the operating system behind it in production ([`OsDisk`]) and a deterministic
//! disk with faults in tests ([`FaultDisk`]).
//!
//! Paths are relative to the data folder, with `/`. A write is durable after the file's [`DiskFile::sync`]; a created,
//! renamed or removed name is durable after [`Disk::sync_dir`] of its folder.

mod fault;
mod map;
mod os;

pub use fault::{FaultDisk, FaultRng};
pub use map::Mapping;
pub use os::OsDisk;

use quarry_common::Result;
use std::io::IoSliceMut;
use std::sync::Arc;
use std::time::Duration;

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Fills `buf` from `offset` as far as the file goes; the count read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;
    /// Fills the buffers one after the other from `offset` as far as the file goes; the count read.
    fn read_vectored_at(&self, bufs: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        let mut done = 0;
        for buf in bufs {
            let got = self.read_at(buf, offset + done as u64)?;
            done += got;
            if got < buf.len() {
                break;
            }
        }
        Ok(done)
    }
    /// Writes all of `buf` at `offset`, growing the file (holes read as zeroes).
    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()>;
    /// Makes all earlier writes to this file durable (fdatasync).
    fn sync(&self) -> Result<()>;
    /// Asks that what was written there goes to the disk soon, so that a later sync has less to wait for. Promises nothing.
    fn start_write_back(&self, _offset: u64, _len: u64) {}
    /// A part of the file as memory, if that can be had and the file has all of it. It must not be cut off meanwhile.
    fn map(&self, _offset: u64, _len: usize) -> Result<Option<Mapping>> {
        Ok(None)
    }
    fn len(&self) -> Result<u64>;
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
    fn truncate(&self, len: u64) -> Result<()>;
}

/// A data folder.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and writing; with `create`, makes it if missing. `Ok(None)` if missing.
    fn open(&self, path: &str, create: bool) -> Result<Option<Arc<dyn DiskFile>>>;
    fn exists(&self, path: &str) -> Result<bool>;
    /// Removes a file; false if there was none.
    fn remove(&self, path: &str) -> Result<bool>;
    /// Renames atomically, replacing `to`.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Names in a folder, sorted; empty if there is no such folder.
    fn list(&self, dir: &str) -> Result<Vec<String>>;
    /// Makes a folder and its parents.
    fn create_dir(&self, dir: &str) -> Result<()>;
    /// Removes a folder with everything in it; fine if missing.
    fn remove_dir_all(&self, dir: &str) -> Result<()>;
    /// Makes names in `dir` durable.
    fn sync_dir(&self, dir: &str) -> Result<()>;
    /// Takes the folder for this process, until the returned value drops. An error if another process has it.
    fn lock_folder(&self) -> Result<Box<dyn Send + Sync>>;
}

/// The folder part of a path ("" for the data folder itself).
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// Processor time that the running thread has taken, of the user and of the system; none where the system doesn't tell.
pub fn cpu_time() -> Option<(Duration, Duration)> {
    // Hundredths of a second, on every Linux there is.
    const TICK_MS: u64 = 10;
    let text = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok().map(|n| Duration::from_millis(n * TICK_MS));
    Some((next()?, next()?))
}
