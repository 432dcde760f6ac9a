//! [`Disk`] on the operating system: positioned reads and writes, fdatasync, a lock file.

use super::{Disk, DiskFile, Mapping};
use quarry_common::{Error, Result, SqlState, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of the operating system.
pub struct OsDisk {
    root: PathBuf,
}

struct OsFile {
    file: File,
    path: PathBuf,
}

fn io_error(doing: &str, path: &Path, e: io::Error) -> Error {
    let converted = Error::from(e);
    let message = format!("could not {doing} file \"{}\": {}", path.display(), converted.message());
    Error::new(converted.sqlstate(), message)
}

impl OsDisk {
    /// The folder at `root`, made if missing.
    pub fn new(root: impl Into<PathBuf>) -> Result<OsDisk> {
        let root = root.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|e| io_error("create", &root, e))?;
        raise_open_files_limit();
        Ok(OsDisk { root })
    }

    /// Where the folder is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

/// Many relations mean many files: as many as the system lets the process have.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refusal only means that files are closed and opened again more often.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

impl DiskFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(io_error("read", &self.path, e)),
            }
        }
        Ok(done)
    }

    fn read_vectored_at(&self, bufs: &mut [IoSliceMut<'_>], offset: u64) -> Result<usize> {
        let mut done = match rustix::io::preadv(&self.file, bufs, offset) {
            Ok(n) => n,
            Err(rustix::io::Errno::INTR) => 0,
            Err(e) => return Err(io_error("read", &self.path, e.into())),
        };
        // A short read is rare: at the file's end, mostly. What is missing is read piece by piece.
        let mut skip = done;
        for buf in bufs {
            if skip >= buf.len() {
                skip -= buf.len();
                continue;
            }
            let got = self.read_at(&mut buf[skip..], offset + done as u64)?;
            done += got;
            if skip + got < buf.len() {
                break;
            }
            skip = 0;
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(buf, offset).map_err(|e| io_error("write", &self.path, e))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| io_error("fsync", &self.path, e))
    }

    fn start_write_back(&self, offset: u64, len: u64) {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return };
            // SAFETY: the descriptor is open as long as `self`; the call touches no memory. A refusal means nothing: it was a hint.
            let _ = unsafe {
                libc::sync_file_range(self.file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE)
            };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (offset, len);
    }

    fn map(&self, offset: u64, len: usize) -> Result<Option<Mapping>> {
        let has_all = offset.checked_add(len as u64).is_some_and(|end| end <= self.len().unwrap_or(0));
        Ok(has_all.then(|| Mapping::of(&self.file, offset, len)).flatten())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| io_error("stat", &self.path, e))?.len())
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.file.set_len(len).map_err(|e| io_error("truncate", &self.path, e))
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &str, create: bool) -> Result<Option<Arc<dyn DiskFile>>> {
        let path = self.path(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).truncate(false).mode(0o600);
        match options.open(&path) {
            Ok(file) => Ok(Some(Arc::new(OsFile { file, path }))),
            Err(e) if e.kind() == io::ErrorKind::NotFound && !create => Ok(None),
            Err(e) => Err(io_error("open", &path, e)),
        }
    }

    fn exists(&self, path: &str) -> Result<bool> {
        let path = self.path(path);
        path.try_exists().map_err(|e| io_error("stat", &path, e))
    }

    fn remove(&self, path: &str) -> Result<bool> {
        let path = self.path(path);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(io_error("remove", &path, e)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let from = self.path(from);
        fs::rename(&from, self.path(to)).map_err(|e| io_error("rename", &from, e))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        let dir = self.path(dir);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io_error("list", &dir, e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| io_error("list", &dir, e))?;
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &str) -> Result<()> {
        let dir = self.path(dir);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|e| io_error("create", &dir, e))
    }

    fn remove_dir_all(&self, dir: &str) -> Result<()> {
        let dir = self.path(dir);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &dir, e)),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, dir: &str) -> Result<()> {
        let dir = self.path(dir);
        File::open(&dir).and_then(|d| d.sync_all()).map_err(|e| io_error("fsync", &dir, e))
    }

    fn lock_folder(&self) -> Result<Box<dyn Send + Sync>> {
        let path = self.root.join("quarry.pid");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error("open", &path, e))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // The number is only for the message; a file that can't be read gives none.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.lines().next().unwrap_or("?").to_string();
                return Err(Error::new(
                    SqlState::LOCK_FILE_EXISTS,
                    format!("lock file \"{}\" is held by another server", path.display()),
                )
                .hint(format!(
                    "Is another server (PID {holder}) running in data directory \"{}\"?",
                    self.root.display()
                )));
            }
            Err(e) => bail!(IO_ERROR, "could not lock file \"{}\": {e}", path.display()),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(|e| io_error("write", &path, e))?;
        // The lock lives as long as the open file.
        Ok(Box::new(file))
    }
}
