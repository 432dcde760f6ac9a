//! The commit log: what became of each transaction id, and when.
//!
//! In memory: chunks of one word per id (state or CSN), found without a lock. On disk: two bits per id in the file
//! `xact`, written by checkpoints; commits after the checkpoint come back from the log. CSNs aren't stored: after a
//! restart no snapshot is older than any commit before it, so "committed" is enough, and a chunk whose ids all ended
//! before every snapshot may be dropped from memory and read back later.
//!
//! File page: 16 sectors of 512 bytes, each 504 bytes of bit pairs, 4 of zeroes and their CRC-32. Sectors are written
//! atomically, so a torn page is a mix of good sectors, and redo sets everything newer than the checkpoint again.

use crate::disk::{Disk, DiskFile};
use crate::fatal::Fatal;
use crate::page::PAGE_SIZE;
use crate::stats::shared::{COMMIT_LOG_COUNTS, CommitLogCount, SharedCounts};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use quarry_common::{Error, Lsn, Result, Xid};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SECTOR: usize = 512;
const SECTOR_DATA: usize = 504;
const XIDS_PER_SECTOR: usize = SECTOR_DATA * 4;
/// Ids in a chunk, which is a page of the file.
pub const CHUNK_XIDS: u64 = (PAGE_SIZE / SECTOR * XIDS_PER_SECTOR) as u64;
/// Chunks the directory has room for: half a billion ids between the oldest snapshot and now.
const SLOTS: u64 = 16384;
/// Chunks kept in memory though nobody needs their CSNs.
const IDLE_CHUNKS: usize = 64;

/// The file of bit pairs.
pub const XACT_FILE: &str = "xact";

const IN_PROGRESS: u64 = 0;
const COMMITTING: u64 = 1;
const ABORTED: u64 = 2;
/// In progress though begun before the restart.
const PREPARED: u64 = 3;
/// CSN of transactions whose CSN is no longer known: before every snapshot.
pub const CSN_OLD: Lsn = Lsn(8);

const BITS_COMMITTED: u8 = 1;
const BITS_ABORTED: u8 = 2;

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum XidStatus {
    InProgress,
    Aborted,
    /// With its CSN, the end of its commit record.
    Committed(Lsn),
}

struct Chunk {
    number: u64,
    entries: Box<[AtomicU64]>,
    /// Changed since it was last written to the file.
    dirty: AtomicBool,
}

/// See the module.
pub struct Clog {
    file: Arc<dyn DiskFile>,
    fatal: Fatal,
    slots: Box<[ArcSwapOption<Chunk>]>,
    /// Serialises loading and dropping chunks.
    loading: Mutex<()>,
    /// Ids below that have no status on record were running when the server stopped: aborted.
    first_xid: AtomicU64,
    fsync: bool,
    /// Written to since the last sync.
    unsynced: AtomicBool,
    /// By [`CommitLogCount`].
    counts: SharedCounts,
}

impl Clog {
    pub fn new(file: Arc<dyn DiskFile>, fatal: Fatal, fsync: bool) -> Clog {
        Clog {
            file,
            fatal,
            slots: (0..SLOTS).map(|_| ArcSwapOption::empty()).collect(),
            loading: Mutex::new(()),
            first_xid: AtomicU64::new(0),
            fsync,
            unsynced: AtomicBool::new(false),
            counts: SharedCounts::new(COMMIT_LOG_COUNTS),
        }
    }

    /// By [`CommitLogCount`].
    pub fn counts(&self) -> &SharedCounts {
        &self.counts
    }

    /// What the file holds at least when a checkpoint is done, with `next` as the next id.
    fn bytes_for(next: Xid) -> u64 {
        (next.0.saturating_sub(1) / CHUNK_XIDS + 1) * PAGE_SIZE as u64
    }

    /// Makes the file, for a new folder.
    pub fn create(disk: &dyn Disk) -> Result<()> {
        disk.remove(XACT_FILE)?;
        let file = disk.open(XACT_FILE, true)?.expect("created");
        file.write_at(&[0; PAGE_SIZE], 0)?;
        file.sync()
    }

    /// Opens the file; `next` is the next id of the last checkpoint. Without it, everything ever committed would count as aborted.
    pub fn open_file(disk: &dyn Disk, next: Xid) -> Result<Arc<dyn DiskFile>> {
        let restore = "It says which transactions have committed. Restore the file, or restore a backup.";
        let Some(file) = disk.open(XACT_FILE, false)? else {
            return Err(Error::corrupted(format!("file \"{XACT_FILE}\" is missing")).hint(restore));
        };
        let (len, least) = (file.len()?, Clog::bytes_for(next));
        if len < least {
            let message = format!("file \"{XACT_FILE}\" has only {len} of {least} bytes");
            return Err(Error::corrupted(message).hint(restore));
        }
        Ok(file)
    }

    /// Declares everything unfinished below `xid` aborted.
    pub fn set_first_xid(&self, xid: Xid) {
        self.first_xid.store(xid.0, Ordering::Release);
    }

    /// What became of `xid`. Lock-free for all but ids whose chunk must come from the file.
    pub fn status(&self, xid: Xid) -> XidStatus {
        let mut spins = 0u32;
        loop {
            match self.word(xid) {
                IN_PROGRESS if xid.0 < self.first_xid.load(Ordering::Acquire) => {
                    return if xid == Xid::BOOTSTRAP {
                        XidStatus::Committed(CSN_OLD)
                    } else {
                        XidStatus::Aborted
                    };
                }
                IN_PROGRESS | PREPARED => return XidStatus::InProgress,
                // Its place in the log is being reserved: a matter of nanoseconds.
                COMMITTING => {
                    spins += 1;
                    if spins > 100 { std::thread::yield_now() } else { std::hint::spin_loop() }
                }
                ABORTED => return XidStatus::Aborted,
                csn => return XidStatus::Committed(Lsn(csn)),
            }
        }
    }

    #[inline]
    fn word(&self, xid: Xid) -> u64 {
        let number = xid.0 / CHUNK_XIDS;
        let at = (xid.0 % CHUNK_XIDS) as usize;
        if let Some(chunk) = &*self.slots[(number % SLOTS) as usize].load()
            && chunk.number == number
        {
            return chunk.entries[at].load(Ordering::Acquire);
        }
        match self.chunk(number) {
            Ok(chunk) => chunk.entries[at].load(Ordering::Acquire),
            Err(e) => {
                self.fatal.raise(&format!(
                    "could not read the status of transaction {}: {}",
                    xid.0,
                    e.message()
                ));
                ABORTED
            }
        }
    }

    /// The chunk, from memory or the file.
    fn chunk(&self, number: u64) -> Result<Arc<Chunk>> {
        let slot = &self.slots[(number % SLOTS) as usize];
        if let Some(chunk) = slot.load_full().filter(|c| c.number == number) {
            return Ok(chunk);
        }
        let _loading = self.loading.lock();
        let present = slot.load_full();
        if let Some(chunk) = present.as_ref().filter(|c| c.number == number) {
            return Ok(chunk.clone());
        }
        let chunk = Arc::new(self.read_chunk(number)?);
        // A newer chunk in the same place is in use; the old one is then read for this once.
        if present.is_none_or(|other| other.number < number) {
            slot.store(Some(chunk.clone()));
        }
        Ok(chunk)
    }

    fn read_chunk(&self, number: u64) -> Result<Chunk> {
        let mut page = [0; PAGE_SIZE];
        let there = self.file.read_at(&mut page, number * PAGE_SIZE as u64)?;
        let count = if there == 0 { CommitLogCount::Zeroed } else { CommitLogCount::Read };
        self.counts.add(count as usize, 1);
        let mut entries = Vec::with_capacity(CHUNK_XIDS as usize);
        for (index, sector) in page.chunks_exact(SECTOR).enumerate() {
            let (data, tail) = sector.split_at(SECTOR_DATA);
            let stored = u32::from_le_bytes(tail[4..].try_into().expect("four bytes"));
            if stored != crc32fast::hash(data) && sector.iter().any(|b| *b != 0) {
                return Err(Error::corrupted(format!(
                    "file \"{XACT_FILE}\", block {number}, sector {index}: the checksum is wrong"
                )));
            }
            for byte in data {
                for shift in [0, 2, 4, 6] {
                    entries.push(AtomicU64::new(match byte >> shift & 3 {
                        BITS_COMMITTED => CSN_OLD.0,
                        BITS_ABORTED => ABORTED,
                        _ => IN_PROGRESS,
                    }));
                }
            }
        }
        Ok(Chunk { number, entries: entries.into_boxed_slice(), dirty: AtomicBool::new(false) })
    }

    fn set(&self, xid: Xid, word: u64) -> Result<()> {
        let chunk = self.chunk(xid.0 / CHUNK_XIDS)?;
        chunk.entries[(xid.0 % CHUNK_XIDS) as usize].store(word, Ordering::SeqCst);
        if !chunk.dirty.load(Ordering::Relaxed) || word >= ABORTED {
            chunk.dirty.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Makes sure that setting the status of `xid` can't fail later.
    pub fn prepare(&self, xid: Xid) -> Result<()> {
        self.chunk(xid.0 / CHUNK_XIDS).map(drop)
    }

    /// Before the commit record's place is reserved: readers wait for the CSN from here on.
    pub fn set_committing(&self, xid: Xid) -> Result<()> {
        self.set(xid, COMMITTING)
    }

    pub fn set_committed(&self, xid: Xid, csn: Lsn) -> Result<()> {
        debug_assert!(csn >= CSN_OLD);
        self.set(xid, csn.0)
    }

    /// Recovery has found it prepared: it goes on.
    pub fn set_prepared(&self, xid: Xid) -> Result<()> {
        self.set(xid, PREPARED)
    }

    pub fn set_aborted(&self, xid: Xid) -> Result<()> {
        self.set(xid, ABORTED)
    }

    /// Writes what changed to the file and makes it durable: part of a checkpoint. Covers every transaction whose
    /// record lies before the checkpoint's redo point, and reaches to the ids below `next`, so that a file that was cut short is
    /// known by its length. `flush_wal` makes the log durable first: a commit that a crash can still take back must not be on file.
    pub fn flush(&self, next: Xid, flush_wal: &dyn Fn(Lsn) -> Result<()>) -> Result<()> {
        self.counts.add(CommitLogCount::Flushes as usize, 1);
        if self.file.len()? < Clog::bytes_for(next) {
            self.chunk(next.0.saturating_sub(1) / CHUNK_XIDS)?.dirty.store(true, Ordering::Release);
        }
        for slot in &self.slots {
            let Some(chunk) = slot.load_full() else { continue };
            // Cleared first: what is set from here on is written by the next checkpoint, if not by this one.
            if !chunk.dirty.swap(false, Ordering::AcqRel) {
                continue;
            }
            if let Err(e) = self.write_chunk(&chunk, flush_wal) {
                chunk.dirty.store(true, Ordering::Release);
                return Err(e);
            }
        }
        // A flush that failed half-way leaves the mark for the next one.
        if self.unsynced.swap(false, Ordering::AcqRel) && self.fsync {
            self.file
                .sync()
                .map_err(|e| self.fatal.raise(&format!("could not fsync {XACT_FILE}: {}", e.message())))?;
        }
        Ok(())
    }

    fn write_chunk(&self, chunk: &Chunk, flush_wal: &dyn Fn(Lsn) -> Result<()>) -> Result<()> {
        let mut page = [0u8; PAGE_SIZE];
        let mut newest = CSN_OLD.0;
        for (index, entry) in chunk.entries.iter().enumerate() {
            let mut word = entry.load(Ordering::Acquire);
            while word == COMMITTING {
                std::thread::yield_now();
                word = entry.load(Ordering::Acquire);
            }
            let bits = match word {
                IN_PROGRESS | PREPARED => continue,
                ABORTED => BITS_ABORTED,
                csn => {
                    newest = newest.max(csn);
                    BITS_COMMITTED
                }
            };
            let (sector, within) = (index / XIDS_PER_SECTOR, index % XIDS_PER_SECTOR);
            page[sector * SECTOR + within / 4] |= bits << (within % 4 * 2);
        }
        if newest > CSN_OLD.0 {
            flush_wal(Lsn(newest))?;
        }
        for sector in page.chunks_exact_mut(SECTOR) {
            let (data, tail) = sector.split_at_mut(SECTOR_DATA);
            tail[4..].copy_from_slice(&crc32fast::hash(data).to_le_bytes());
        }
        self.unsynced.store(true, Ordering::Release);
        self.counts.add(CommitLogCount::Written as usize, 1);
        self.file.write_at(&page, chunk.number * PAGE_SIZE as u64)
    }

    /// Forgets what is on record for `xid` and later ones: a crash may leave aborts of ids that are handed out again.
    pub fn forget_from(&self, xid: Xid) -> Result<()> {
        let number = xid.0 / CHUNK_XIDS;
        let end = (number + 1) * PAGE_SIZE as u64;
        if self.file.len()? > end {
            self.file.truncate(end)?;
        }
        let chunk = self.chunk(number)?;
        for entry in &chunk.entries[(xid.0 % CHUNK_XIDS) as usize..] {
            entry.store(IN_PROGRESS, Ordering::Release);
        }
        chunk.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Drops chunks from memory whose ids are all below `oldest_running` and ended at or before `oldest_csn`, when
    /// there are many.
    pub fn trim(&self, oldest_running: Xid, oldest_csn: Lsn) {
        let _loading = self.loading.lock();
        let mut loaded: Vec<(usize, Arc<Chunk>)> =
            self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.load_full()?))).collect();
        loaded.sort_by_key(|(_, chunk)| chunk.number);
        let surplus = loaded.len().saturating_sub(IDLE_CHUNKS);
        for (at, chunk) in loaded.into_iter().take(surplus) {
            let ended = (chunk.number + 1) * CHUNK_XIDS <= oldest_running.0;
            let old = |e: &AtomicU64| {
                let word = e.load(Ordering::Acquire);
                word != COMMITTING && word <= oldest_csn.0
            };
            if ended && !chunk.dirty.load(Ordering::Acquire) && chunk.entries.iter().all(old) {
                self.slots[at].store(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    #[test]
    fn statuses_survive_through_the_file() {
        let disk = FaultDisk::new();
        let open = || Clog::new(disk.open(XACT_FILE, true).unwrap().unwrap(), Fatal::default(), true);
        let clog = open();
        clog.set_committed(Xid(5), Lsn(1000)).unwrap();
        clog.set_aborted(Xid(6)).unwrap();
        clog.set_committed(Xid(CHUNK_XIDS * 3 + 17), Lsn(2000)).unwrap();
        assert_eq!(clog.status(Xid(5)), XidStatus::Committed(Lsn(1000)));
        assert_eq!(clog.status(Xid(7)), XidStatus::InProgress);
        clog.flush(Xid(CHUNK_XIDS * 5), &|_| Ok(())).unwrap();
        assert!(Clog::open_file(&disk, Xid(CHUNK_XIDS * 5)).is_ok());
        assert!(Clog::open_file(&disk, Xid(CHUNK_XIDS * 5 + 1)).is_err());
        let clog = open();
        clog.set_first_xid(Xid(CHUNK_XIDS * 4));
        assert_eq!(clog.status(Xid(5)), XidStatus::Committed(CSN_OLD));
        assert_eq!(clog.status(Xid(6)), XidStatus::Aborted);
        assert_eq!(clog.status(Xid(7)), XidStatus::Aborted);
        assert_eq!(clog.status(Xid(CHUNK_XIDS * 3 + 17)), XidStatus::Committed(CSN_OLD));
        assert_eq!(clog.status(Xid::BOOTSTRAP), XidStatus::Committed(CSN_OLD));
        assert_eq!(clog.status(Xid(CHUNK_XIDS * 4)), XidStatus::InProgress);
    }
}
