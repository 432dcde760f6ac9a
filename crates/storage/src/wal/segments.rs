//! The log's files: `wal/` holds segments of equal size, named by their number in 16 hexadecimal digits.
//!
//! Segments are full-size and durable before the log reaches them, so that a commit's fdatasync has no metadata to
//! write. Old ones are renamed to become future ones.

use crate::disk::{Disk, DiskFile};
use parking_lot::Mutex;
use quarry_common::{Lsn, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The log's folder.
pub const WAL_DIR: &str = "wal";

/// Segments of one log.
pub struct Segments {
    disk: Arc<dyn Disk>,
    bytes: u64,
    fsync: bool,
    /// Serialises making, renaming and removing; holds the number of the newest segment that is known to exist.
    newest: Mutex<u64>,
    /// Segments ever made.
    made: AtomicU64,
}

/// The path of segment `number`.
pub fn segment_path(number: u64) -> String {
    format!("{WAL_DIR}/{number:016X}")
}

impl Segments {
    pub fn new(disk: Arc<dyn Disk>, bytes: u64, fsync: bool) -> Segments {
        Segments { disk, bytes, fsync, newest: Mutex::new(0), made: AtomicU64::new(0) }
    }

    /// Segments made so far, for statistics.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    pub fn segment_bytes(&self) -> u64 {
        self.bytes
    }

    pub fn number_of(&self, lsn: Lsn) -> u64 {
        lsn.0 / self.bytes
    }

    /// Numbers of the segments on disk, rising.
    pub fn existing(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = (self.disk.list(WAL_DIR)?.iter())
            .filter(|name| name.len() == 16)
            .filter_map(|name| u64::from_str_radix(name, 16).ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Opens segment `number` for reading; none if it's gone or not yet there.
    pub fn open(&self, number: u64) -> Result<Option<Arc<dyn DiskFile>>> {
        self.disk.open(&segment_path(number), false)
    }

    /// Opens segment `number`, making it at full size if missing.
    pub fn open_or_make(&self, number: u64) -> Result<Arc<dyn DiskFile>> {
        // Under the lock: a segment that is being recycled has its new name before that is durable.
        let mut newest = self.newest.lock();
        if let Some(file) = self.open(number)? {
            // One that was cut short keeps what it has.
            let len = file.len()?;
            if len < self.bytes {
                self.fill(&*file, len)?;
            }
            return Ok(file);
        }
        let temporary = format!("{WAL_DIR}/new");
        self.disk.remove(&temporary)?;
        let file = self.disk.open(&temporary, true)?.expect("created");
        if let Err(e) = self.fill(&*file, 0) {
            drop(file);
            // On a full disk, what was made of it is in others' way. The first error is the one that counts.
            let _ = self.disk.remove(&temporary);
            return Err(e);
        }
        drop(file);
        let path = segment_path(number);
        self.disk.rename(&temporary, &path)?;
        if self.fsync {
            self.disk.sync_dir(WAL_DIR)?;
        }
        *newest = (*newest).max(number);
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(self.disk.open(&path, false)?.expect("just renamed"))
    }

    /// Zeroes a segment's file from `from` to its full size, durably.
    fn fill(&self, file: &dyn DiskFile, from: u64) -> Result<()> {
        let zeroes = vec![0; (256 * 1024).min(self.bytes as usize)];
        let mut at = from;
        while at < self.bytes {
            let count = (self.bytes - at).min(zeroes.len() as u64) as usize;
            file.write_at(&zeroes[..count], at)?;
            at += count as u64;
        }
        if self.fsync { file.sync() } else { Ok(()) }
    }

    /// Makes what the files hold between two positions durable: the server that wrote it may not have.
    pub fn sync(&self, from: Lsn, to: Lsn) -> Result<()> {
        for number in self.number_of(from)..=self.number_of(to) {
            if let Some(file) = self.open(number)? {
                file.sync()?;
            }
        }
        Ok(())
    }

    /// Gives up segments before `keep_from`: renames them to follow the newest one up to number `spare_to`, removes
    /// the rest. How many were removed, and renamed.
    pub fn recycle(&self, keep_from: u64, current: u64, spare_to: u64) -> Result<(u64, u64)> {
        let mut newest = self.newest.lock();
        let existing = self.existing()?;
        let mut next = existing.last().copied().unwrap_or(0).max(current).max(*newest) + 1;
        let (mut removed, mut renamed) = (0, 0);
        for number in existing.into_iter().filter(|n| *n < keep_from) {
            if next <= spare_to {
                self.disk.rename(&segment_path(number), &segment_path(next))?;
                *newest = next;
                next += 1;
                renamed += 1;
            } else {
                self.disk.remove(&segment_path(number))?;
                removed += 1;
            }
        }
        if removed + renamed > 0 && self.fsync {
            self.disk.sync_dir(WAL_DIR)?;
        }
        Ok((removed, renamed))
    }
}
