//! Relation files: names, sizes, segments of 1 GiB, which of them still need an fsync.
//!
//! A relation's size is kept here, not asked of the disk: pages are added in memory and reach the file when the
//! buffer pool writes them, so a file may be shorter than its relation (the rest reads as zeroes) or not exist yet.
//! A file is therefore made only after the log that speaks of it is durable; a temporary relation's, of which the log doesn't
//! speak, has a name of its own (`t<session>_<number>`), by which it is removed at the next start.
//!
//! Whether a relation is logged is known from its files: an unlogged one has an init fork. Temporary ones are known as long as
//! they live.
//!
//! # Locking
//! `map` shards and `segments` are leaf locks; disk calls are made under a `segments` write lock only to open files.

use crate::disk::{Disk, DiskFile, parent};
use crate::ids::{Fork, Persistence, RelId};
use crate::page::PAGE_SIZE;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use quarry_common::{BlockNo, Error, Oid, Result, SqlState, bail, err};
use std::hash::BuildHasher;
use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Blocks in one file.
const SEGMENT_BLOCKS: u32 = (1 << 30) / PAGE_SIZE as u32;
const SHARDS: usize = 64;
/// Open files kept before idle ones are closed.
const OPEN_FILES_MAX: usize = 800;

type Key = (RelId, Fork);

/// One fork of one relation.
pub struct RelFile {
    rel: RelId,
    fork: Fork,
    persistence: Persistence,
    /// Blocks the relation has, in memory or on disk.
    blocks: AtomicU32,
    /// Blocks from here on have never been handed to the disk: they are zeroes without asking it.
    written: AtomicU32,
    segments: RwLock<Vec<Option<Arc<Segment>>>>,
    /// Set when dropped: late writes (an eviction that had begun) are ignored.
    dropped: AtomicBool,
}

struct Segment {
    file: Arc<dyn DiskFile>,
    path: String,
    persistence: Persistence,
    /// Is on the list of files to sync. Cleared before the sync, set after a write.
    listed: AtomicBool,
}

/// All relation files of a data folder.
pub struct RelFiles {
    disk: Arc<dyn Disk>,
    shards: Vec<RwLock<HashMap<Key, Arc<RelFile>, FixedState>>>,
    hasher: FixedState,
    /// Temporary relations, with the number of their session.
    temporary: RwLock<HashMap<RelId, i32>>,
    /// Files written since the last [`RelFiles::sync_all`], with names made since.
    unsynced: Mutex<Unsynced>,
    open_files: AtomicUsize,
    fsync: bool,
}

/// Files to be synced, by path; none: closed since, and opened again for it.
///
/// What the system couldn't write of a file while nobody had it open is told to whoever opens and syncs it next (Linux: errseq_t), so closing one
/// doesn't hide a failure. PostgreSQL's checkpointer goes by the same.
type ToSync = HashMap<String, Option<Arc<Segment>>>;

#[derive(Default)]
struct Unsynced {
    files: ToSync,
    /// Files of unlogged relations: to be synced only when the server stops.
    unlogged: ToSync,
    dirs: HashSet<String>,
}

impl Unsynced {
    /// These have not been synced after all. Unlogged ones are among them only when the server stops.
    fn put_back(&mut self, entries: impl Iterator<Item = (String, Option<Arc<Segment>>)>) {
        for (path, segment) in entries {
            if let Some(segment) = segment {
                segment.listed.store(false, Ordering::Release);
            }
            self.files.entry(path).or_insert(None);
        }
    }
}

/// The folder of a database.
pub fn database_dir(db: Oid) -> String {
    if db.is_valid() { format!("base/{db}") } else { "global".to_string() }
}

fn segment_path(rel: RelId, persistence: Persistence, fork: Fork, segment: usize) -> String {
    let mut path = relation_path(rel, persistence);
    path.push_str(fork.suffix());
    if segment > 0 {
        path.push_str(&format!(".{segment}"));
    }
    path
}

/// The file of a relation's main fork.
fn relation_path(rel: RelId, persistence: Persistence) -> String {
    match persistence {
        Persistence::Temporary(session) => format!("{}/t{session}_{}", database_dir(rel.db), rel.rel),
        Persistence::Permanent | Persistence::Unlogged => rel.to_string(),
    }
}

/// Whether a file in a database's folder is a temporary relation's: of no use to another run of the server.
pub fn is_temporary_name(name: &str) -> bool {
    name.strip_prefix('t')
        .and_then(|rest| rest.split_once('_'))
        .is_some_and(|(session, rest)| session.parse::<i32>().is_ok() && parse_file_name(rest).is_some())
}

fn offset_in_segment(block: BlockNo) -> u64 {
    (block % SEGMENT_BLOCKS) as u64 * PAGE_SIZE as u64
}

/// What the system said, without what this process was doing.
pub(crate) fn reason(e: &Error) -> &str {
    let last = e.message().rsplit(": ").next().unwrap_or_default();
    last.split_once(" (os error").map_or(last, |(text, _)| text)
}

fn write_error(e: &Error, path: &str, block: BlockNo) -> Error {
    match e.sqlstate() {
        SqlState::DISK_FULL => {
            err!(DISK_FULL, "could not extend file \"{path}\": {}", reason(e)).hint("Check free disk space.")
        }
        state => {
            Error::new(state, format!("could not write block {block} in file \"{path}\": {}", reason(e)))
        }
    }
}

fn read_error(e: &Error, path: &str, block: BlockNo) -> Error {
    Error::new(e.sqlstate(), format!("could not read block {block} in file \"{path}\": {}", reason(e)))
}

/// Reads a file name back: number, fork, segment. None for temporary relations' files.
pub fn parse_file_name(name: &str) -> Option<(u32, Fork, usize)> {
    let (stem, segment) = match name.split_once('.') {
        Some((stem, n)) => (stem, n.parse().ok()?),
        None => (name, 0),
    };
    let (number, fork) = match stem.split_once('_') {
        Some((number, "fsm")) => (number, Fork::Fsm),
        Some((number, "vm")) => (number, Fork::Vm),
        Some((number, "init")) => (number, Fork::Init),
        Some(_) => return None,
        None => (stem, Fork::Main),
    };
    Some((number.parse().ok()?, fork, segment))
}

impl RelFile {
    /// Whether changes of its pages are in the log.
    #[inline]
    pub fn is_logged(&self) -> bool {
        self.persistence == Persistence::Permanent
    }

    /// Whether it is of a session's temporary relation.
    #[inline]
    pub fn is_temporary(&self) -> bool {
        matches!(self.persistence, Persistence::Temporary(_))
    }

    fn segment_path(&self, segment: usize) -> String {
        segment_path(self.rel, self.persistence, self.fork, segment)
    }

    /// Blocks the relation fork has.
    pub fn blocks(&self) -> BlockNo {
        self.blocks.load(Ordering::Acquire)
    }

    /// Adds `n` blocks; the number of the first.
    pub fn grow(&self, n: u32) -> Result<BlockNo> {
        let first = self.blocks.fetch_update(Ordering::AcqRel, Ordering::Acquire, |b| {
            b.checked_add(n).filter(|b| *b < u32::MAX)
        });
        first.map_err(|b| {
            err!(PROGRAM_LIMIT_EXCEEDED, "cannot extend file \"{}\" beyond {b} blocks", self.rel)
        })
    }

    /// Makes sure that block `block` is inside.
    pub fn grow_to_hold(&self, block: BlockNo) {
        self.blocks.fetch_max(block.saturating_add(1), Ordering::AcqRel);
    }
}

impl RelFiles {
    pub fn new(disk: Arc<dyn Disk>, fsync: bool) -> RelFiles {
        RelFiles {
            disk,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: FixedState::default(),
            temporary: RwLock::default(),
            unsynced: Mutex::default(),
            open_files: AtomicUsize::new(0),
            fsync,
        }
    }

    fn shard(&self, key: &Key) -> &RwLock<HashMap<Key, Arc<RelFile>, FixedState>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// How much of a relation a crash leaves.
    pub fn persistence(&self, rel: RelId) -> Result<Persistence> {
        if let Some(file) = self.shard(&(rel, Fork::Main)).read().get(&(rel, Fork::Main)) {
            return Ok(file.persistence);
        }
        self.kind_of(rel)
    }

    fn kind_of(&self, rel: RelId) -> Result<Persistence> {
        if let Some(session) = self.temporary.read().get(&rel) {
            return Ok(Persistence::Temporary(*session));
        }
        Ok(match self.disk.exists(&segment_path(rel, Persistence::Unlogged, Fork::Init, 0))? {
            true => Persistence::Unlogged,
            false => Persistence::Permanent,
        })
    }

    /// Whether it is a temporary relation.
    pub fn is_temporary(&self, rel: RelId) -> bool {
        self.temporary.read().contains_key(&rel)
    }

    /// Where the relation's main fork lies in the data folder, whether or not the file exists yet.
    pub fn path(&self, rel: RelId) -> Result<String> {
        Ok(relation_path(rel, self.persistence(rel)?))
    }

    /// Makes a new relation's kind known, before anything else of it is asked; an unlogged one's init fork is made, empty.
    pub fn set_persistence(&self, rel: RelId, persistence: Persistence) -> Result<()> {
        match persistence {
            Persistence::Permanent => {}
            Persistence::Temporary(session) => {
                self.temporary.write().insert(rel, session);
            }
            Persistence::Unlogged => {
                let path = segment_path(rel, persistence, Fork::Init, 0);
                self.unsynced.lock().dirs.insert(parent(&path).to_string());
                if self.disk.open(&path, true).is_err() {
                    // Redo may touch a database whose folder is gone; it is removed again at its end.
                    self.disk.create_dir(parent(&path))?;
                    self.disk.open(&path, true)?;
                }
            }
        }
        Ok(())
    }

    /// The fork's file, its size taken from the disk at first use.
    pub fn get(&self, rel: RelId, fork: Fork) -> Result<Arc<RelFile>> {
        let key = (rel, fork);
        if let Some(file) = self.shard(&key).read().get(&key) {
            return Ok(file.clone());
        }
        let mut shard = self.shard(&key).write();
        if let Some(file) = shard.get(&key) {
            return Ok(file.clone());
        }
        let mut blocks = 0u64;
        let persistence = match fork {
            Fork::Init => Persistence::Permanent,
            // The main fork's entry may be in the shard that is locked here.
            _ => self.kind_of(rel)?,
        };
        for segment in 0.. {
            let path = segment_path(rel, persistence, fork, segment);
            let Some(file) = self.disk.open(&path, false)? else { break };
            let len = file.len()?;
            blocks = segment as u64 * SEGMENT_BLOCKS as u64 + len.div_ceil(PAGE_SIZE as u64);
            if len < SEGMENT_BLOCKS as u64 * PAGE_SIZE as u64 {
                // A later segment may exist past a hole: pages reach the disk in any order.
                if !self.disk.exists(&segment_path(rel, persistence, fork, segment + 1))? {
                    break;
                }
            }
        }
        let blocks = blocks.min(u32::MAX as u64 - 1) as u32;
        let file = Arc::new(RelFile {
            rel,
            fork,
            persistence,
            blocks: AtomicU32::new(blocks),
            written: AtomicU32::new(blocks),
            segments: RwLock::default(),
            dropped: AtomicBool::new(false),
        });
        shard.insert(key, file.clone());
        Ok(file)
    }

    /// Blocks of a fork.
    pub fn blocks(&self, rel: RelId, fork: Fork) -> Result<BlockNo> {
        let key = (rel, fork);
        if let Some(file) = self.shard(&key).read().get(&key) {
            return Ok(file.blocks());
        }
        Ok(self.get(rel, fork)?.blocks())
    }

    /// Opens a file that is there. If the system lets the process have no more, others are closed for it.
    fn open(&self, path: &str) -> Result<Option<Arc<dyn DiskFile>>> {
        match self.disk.open(path, false) {
            Err(e) if e.sqlstate() == SqlState::INSUFFICIENT_RESOURCES => {
                self.close_idle();
                self.disk.open(path, false)
            }
            opened => opened,
        }
    }

    fn segment(&self, file: &RelFile, number: usize, create: bool) -> Result<Option<Arc<Segment>>> {
        if let Some(Some(segment)) = file.segments.read().get(number) {
            return Ok(Some(segment.clone()));
        }
        if self.open_files.load(Ordering::Relaxed) > OPEN_FILES_MAX {
            self.close_idle();
        }
        let mut segments = file.segments.write();
        if let Some(Some(segment)) = segments.get(number) {
            return Ok(Some(segment.clone()));
        }
        let path = file.segment_path(number);
        let opened = match self.open(&path)? {
            Some(opened) => opened,
            None if !create => return Ok(None),
            None => {
                // Segments before this one must exist, else the size would be misread after a restart.
                for earlier in 0..number {
                    let path = file.segment_path(earlier);
                    if !self.disk.exists(&path)? {
                        self.disk.open(&path, true)?;
                    }
                }
                self.unsynced.lock().dirs.insert(parent(&path).to_string());
                match self.disk.open(&path, true) {
                    Ok(opened) => opened.expect("created"),
                    Err(_) => {
                        // Redo may touch a database whose folder is gone; it is removed again at its end.
                        self.disk.create_dir(parent(&path))?;
                        self.disk.open(&path, true)?.expect("created")
                    }
                }
            }
        };
        let persistence = file.persistence;
        let segment = Arc::new(Segment { file: opened, path, persistence, listed: AtomicBool::new(false) });
        if segments.len() <= number {
            segments.resize(number + 1, None);
        }
        segments[number] = Some(segment.clone());
        self.open_files.fetch_add(1, Ordering::Relaxed);
        Ok(Some(segment))
    }

    /// Closes files, also those still to be synced, of which there are as many as checkpoints are rare.
    fn close_idle(&self) {
        for shard in &self.shards {
            for file in shard.read().values() {
                if let Some(mut segments) = file.segments.try_write() {
                    segments.clear();
                }
            }
        }
        let mut unsynced = self.unsynced.lock();
        let Unsynced { files, unlogged, .. } = &mut *unsynced;
        for entry in files.values_mut().chain(unlogged.values_mut()) {
            if let Some(segment) = entry.take() {
                // Who still has it and writes lists it again.
                segment.listed.store(false, Ordering::Release);
            }
        }
        drop(unsynced);
        self.open_files.store(0, Ordering::Relaxed);
    }

    /// Reads a block into `buf`; zeroes where the file doesn't reach. False if no write has ever gone so far: then the disk
    /// was not asked.
    pub fn read(&self, file: &RelFile, block: BlockNo, buf: &mut [u8; PAGE_SIZE]) -> Result<bool> {
        if block >= file.written.load(Ordering::Acquire) {
            buf.fill(0);
            return Ok(false);
        }
        let number = (block / SEGMENT_BLOCKS) as usize;
        let got = match self.segment(file, number, false)? {
            Some(segment) => (segment.file.read_at(buf, offset_in_segment(block)))
                .map_err(|e| read_error(&e, &segment.path, block))?,
            None => 0,
        };
        buf[got..].fill(0);
        Ok(true)
    }

    /// How many blocks from `first` on, at most `max`, one read can bring: they have been written and lie in one segment.
    pub fn readable_run(&self, file: &RelFile, first: BlockNo, max: u32) -> u32 {
        let written = file.written.load(Ordering::Acquire).saturating_sub(first);
        max.min(written).min(SEGMENT_BLOCKS - first % SEGMENT_BLOCKS)
    }

    /// Reads blocks in a row, a [`RelFiles::readable_run`], into `pages`; zeroes where the file doesn't reach.
    pub fn read_run(&self, file: &RelFile, first: BlockNo, pages: &mut [IoSliceMut<'_>]) -> Result<()> {
        let mut got = match self.segment(file, (first / SEGMENT_BLOCKS) as usize, false)? {
            Some(segment) => segment.file.read_vectored_at(pages, offset_in_segment(first))?,
            None => 0,
        };
        for page in pages {
            let here = got.min(page.len());
            page[here..].fill(0);
            got -= here;
        }
        Ok(())
    }

    /// Writes blocks in a row, whose bytes `pages` holds; the caller has flushed the log as far as their LSNs.
    pub fn write(&self, file: &RelFile, first: BlockNo, pages: &[u8]) -> Result<()> {
        debug_assert!(pages.len().is_multiple_of(PAGE_SIZE), "whole pages");
        if file.dropped.load(Ordering::Acquire) {
            return Ok(());
        }
        let (mut block, mut rest) = (first, pages);
        while !rest.is_empty() {
            let left_in_segment = SEGMENT_BLOCKS - block % SEGMENT_BLOCKS;
            let count = (rest.len() / PAGE_SIZE).min(left_in_segment as usize);
            let (now, later) = rest.split_at(count * PAGE_SIZE);
            let number = (block / SEGMENT_BLOCKS) as usize;
            let Some(segment) = self.segment(file, number, true)? else {
                bail!(INTERNAL_ERROR, "segment {number} of {} was not made", file.rel)
            };
            // Before the write: who reads after it must ask the disk.
            file.written.fetch_max(block + count as u32, Ordering::AcqRel);
            (segment.file.write_at(now, offset_in_segment(block)))
                .map_err(|e| write_error(&e, &segment.path, block))?;
            self.note_written(&segment);
            block += count as u32;
            rest = later;
        }
        Ok(())
    }

    /// Asks the system to bring written blocks to the disk soon, see [`DiskFile::start_write_back`].
    pub fn start_write_back(&self, file: &RelFile, blocks: Range<BlockNo>) {
        if self.fsync {
            self.for_segments(file, blocks, |segment, offset, len| {
                segment.file.start_write_back(offset, len)
            });
        }
    }

    /// Calls `f` with the place of the blocks in each segment that has some of them. A segment that can't be opened is left out.
    fn for_segments(&self, file: &RelFile, blocks: Range<BlockNo>, f: impl Fn(&Segment, u64, u64)) {
        let mut block = blocks.start;
        while block < blocks.end && !file.dropped.load(Ordering::Acquire) {
            let end = blocks.end.min((block / SEGMENT_BLOCKS + 1) * SEGMENT_BLOCKS);
            if let Ok(Some(segment)) = self.segment(file, (block / SEGMENT_BLOCKS) as usize, false) {
                f(&segment, offset_in_segment(block), (end - block) as u64 * PAGE_SIZE as u64);
            }
            block = end;
        }
    }

    fn note_written(&self, segment: &Arc<Segment>) {
        if !segment.listed.swap(true, Ordering::AcqRel) {
            let mut unsynced = self.unsynced.lock();
            let list = match segment.persistence {
                Persistence::Permanent => &mut unsynced.files,
                Persistence::Unlogged => &mut unsynced.unlogged,
                Persistence::Temporary(_) => return,
            };
            list.insert(segment.path.clone(), Some(segment.clone()));
        }
    }

    /// Makes every write before this call durable; those to unlogged relations only `at_stop`. How long each file took. 53000: some could not even be
    /// opened; then nothing is lost but time, the next call goes on with them. After any other error nobody knows what is on the disk.
    pub fn sync_all(&self, at_stop: bool) -> Result<Vec<Duration>> {
        let (files, unlogged, dirs) = {
            let mut unsynced = self.unsynced.lock();
            let unlogged = if at_stop { std::mem::take(&mut unsynced.unlogged) } else { ToSync::default() };
            (std::mem::take(&mut unsynced.files), unlogged, std::mem::take(&mut unsynced.dirs))
        };
        let mut times = Vec::new();
        let mut list = files.into_iter().chain(unlogged);
        while let Some((path, segment)) = list.next() {
            if let Some(segment) = &segment {
                segment.listed.store(false, Ordering::Release);
            }
            if !self.fsync {
                continue;
            }
            let file = match segment {
                Some(segment) => Some(segment.file.clone()),
                // None: it has been removed meanwhile.
                None => match self.open(&path) {
                    Err(e) if e.sqlstate() == SqlState::INSUFFICIENT_RESOURCES => {
                        self.unsynced.lock().put_back(list.chain([(path, None)]));
                        self.unsynced.lock().dirs.extend(dirs);
                        return Err(e);
                    }
                    opened => opened?,
                },
            };
            if let Some(file) = file {
                let began = Instant::now();
                file.sync()?;
                times.push(began.elapsed());
            }
        }
        if !self.fsync {
            return Ok(times);
        }
        for dir in dirs {
            if self.disk.exists(&dir)? {
                self.disk.sync_dir(&dir)?;
            }
        }
        Ok(times)
    }

    /// Shortens a fork. The caller has dropped the cached pages beyond and made the log record durable.
    pub fn truncate(&self, rel: RelId, fork: Fork, blocks: BlockNo) -> Result<()> {
        let file = self.get(rel, fork)?;
        file.blocks.store(blocks, Ordering::Release);
        let mut number = (blocks / SEGMENT_BLOCKS) as usize;
        while let Some(segment) = self.segment(&file, number, false)? {
            let first = number as u64 * SEGMENT_BLOCKS as u64;
            let keep = (blocks as u64).saturating_sub(first) * PAGE_SIZE as u64;
            if segment.file.len()? > keep {
                segment.file.truncate(keep)?;
                self.note_written(&segment);
            }
            number += 1;
        }
        file.written.fetch_min(blocks, Ordering::AcqRel);
        Ok(())
    }

    /// Removes all files of a relation, its init fork last. The caller has dropped its cached pages.
    pub fn remove(&self, rel: RelId) -> Result<()> {
        let persistence = self.persistence(rel)?;
        self.remove_forks(rel, persistence, &Fork::ALL)?;
        self.temporary.write().remove(&rel);
        Ok(())
    }

    /// Removes an unlogged relation's content; its init fork stays. The caller has dropped its cached pages.
    pub fn remove_unlogged(&self, rel: RelId) -> Result<()> {
        self.remove_forks(rel, Persistence::Unlogged, &[Fork::Main, Fork::Fsm, Fork::Vm])
    }

    fn remove_forks(&self, rel: RelId, persistence: Persistence, forks: &[Fork]) -> Result<()> {
        for fork in forks.iter().copied() {
            let key = (rel, fork);
            if let Some(file) = self.shard(&key).write().remove(&key) {
                file.dropped.store(true, Ordering::Release);
            }
            let mut segments = 0;
            while self.disk.exists(&segment_path(rel, persistence, fork, segments))? {
                segments += 1;
            }
            // From the end, so that a crash between leaves no gap that would hide the rest.
            for number in (0..segments).rev() {
                let path = segment_path(rel, persistence, fork, number);
                let mut unsynced = self.unsynced.lock();
                unsynced.files.remove(&path);
                unsynced.unlogged.remove(&path);
                unsynced.dirs.insert(parent(&path).to_string());
                drop(unsynced);
                self.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Forgets everything of a database and removes its folder.
    pub fn remove_database(&self, db: Oid) -> Result<()> {
        for shard in &self.shards {
            shard.write().retain(|(rel, _), file| {
                if rel.db == db {
                    file.dropped.store(true, Ordering::Release);
                }
                rel.db != db
            });
        }
        self.temporary.write().retain(|rel, _| rel.db != db);
        let dir = database_dir(db);
        let mut unsynced = self.unsynced.lock();
        unsynced.files.retain(|path, _| parent(path) != dir);
        unsynced.unlogged.retain(|path, _| parent(path) != dir);
        unsynced.dirs.insert("base".to_string());
        drop(unsynced);
        self.disk.remove_dir_all(&dir)
    }

    /// The disk they lie on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Every relation with a file in a database's folder or known here, with its forks; temporary ones left out.
    pub fn relations_of(&self, db: Oid) -> Result<Vec<(RelId, Fork)>> {
        let mut found = HashSet::new();
        for name in self.disk.list(&database_dir(db))? {
            if let Some((number, fork, _)) = parse_file_name(&name) {
                found.insert((RelId::new(db, number), fork));
            }
        }
        for shard in &self.shards {
            found.extend(
                shard
                    .read()
                    .iter()
                    .filter(|((rel, _), f)| rel.db == db && f.blocks() > 0)
                    .filter(|(_, f)| !matches!(f.persistence, Persistence::Temporary(_)))
                    .map(|(k, _)| *k),
            );
        }
        let mut all: Vec<_> = found.into_iter().collect();
        all.sort();
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    #[test]
    fn size_grows_in_memory_and_survives_in_the_file() {
        let disk = Arc::new(FaultDisk::new());
        disk.create_dir("base/5").unwrap();
        let rel = RelId::new(Oid(5), 77);
        let files = RelFiles::new(disk.clone(), true);
        let file = files.get(rel, Fork::Main).unwrap();
        assert_eq!(file.grow(3).unwrap(), 0);
        assert_eq!(files.blocks(rel, Fork::Main).unwrap(), 3);
        let mut page = [7; PAGE_SIZE];
        files.write(&file, 1, &page).unwrap();
        assert!(!files.read(&file, 2, &mut page).unwrap(), "never written");
        assert_eq!(page, [0; PAGE_SIZE]);
        assert!(files.read(&file, 1, &mut page).unwrap());
        assert_eq!(page, [7; PAGE_SIZE]);
        files.sync_all(false).unwrap();
        let again = RelFiles::new(disk.clone(), true);
        assert_eq!(again.blocks(rel, Fork::Main).unwrap(), 2);
        again.truncate(rel, Fork::Main, 1).unwrap();
        assert_eq!(again.blocks(rel, Fork::Main).unwrap(), 1);
        let file = again.get(rel, Fork::Main).unwrap();
        again.write(&file, 0, &[[8; PAGE_SIZE], [9; PAGE_SIZE]].concat()).unwrap();
        assert!(again.read(&file, 1, &mut page).unwrap());
        assert_eq!(page, [9; PAGE_SIZE]);
        assert_eq!(again.readable_run(&file, 0, 16), 2);
        let mut pages = [[1; PAGE_SIZE]; 3];
        let mut bufs: Vec<IoSliceMut<'_>> = pages.iter_mut().map(|p| IoSliceMut::new(p)).collect();
        again.read_run(&file, 0, &mut bufs).unwrap();
        assert_eq!(pages.map(|p| p[PAGE_SIZE - 1]), [8, 9, 0]);
        again.remove(rel).unwrap();
        assert!(disk.list("base/5").unwrap().is_empty());
    }

    #[test]
    fn files_to_be_synced_need_not_be_open() {
        let disk = Arc::new(FaultDisk::new());
        disk.create_dir("base/5").unwrap();
        let files = RelFiles::new(disk.clone(), true);
        let count = 2 * OPEN_FILES_MAX as u32 + 300;
        let rels = || (1..=count).map(|n| RelId::new(Oid(5), n));
        let open = || files.unsynced.lock().files.values().filter(|s| s.is_some()).count();
        for rel in rels() {
            let file = files.get(rel, Fork::Main).unwrap();
            file.grow(1).unwrap();
            files.write(&file, 0, &[rel.rel as u8; PAGE_SIZE]).unwrap();
            assert!(open() <= OPEN_FILES_MAX + 2, "{} open", open());
        }
        // Written again: one that was closed, and one removed.
        let first = files.get(RelId::new(Oid(5), 1), Fork::Main).unwrap();
        files.write(&first, 0, &[77; PAGE_SIZE]).unwrap();
        files.remove(RelId::new(Oid(5), 2)).unwrap();
        assert_eq!(files.sync_all(false).unwrap().len(), count as usize - 1);
        assert!(files.sync_all(false).unwrap().is_empty());
        files.write(&first, 0, &[78; PAGE_SIZE]).unwrap();
        assert_eq!(files.sync_all(false).unwrap().len(), 1);
        disk.crash(5);
        let again = RelFiles::new(disk.clone(), true);
        for rel in rels().filter(|rel| rel.rel != 2) {
            let mut page = [0; PAGE_SIZE];
            assert!(again.read(&again.get(rel, Fork::Main).unwrap(), 0, &mut page).unwrap());
            assert_eq!(page, [if rel.rel == 1 { 78 } else { rel.rel as u8 }; PAGE_SIZE]);
        }
    }

    #[test]
    fn names_parse_back() {
        assert_eq!(parse_file_name("16384"), Some((16384, Fork::Main, 0)));
        assert_eq!(parse_file_name("16384_vm.2"), Some((16384, Fork::Vm, 2)));
        assert_eq!(parse_file_name("16384_fsm"), Some((16384, Fork::Fsm, 0)));
        assert_eq!(parse_file_name("16384_init"), Some((16384, Fork::Init, 0)));
        assert_eq!(parse_file_name("pg_filenode.map"), None);
        assert_eq!(parse_file_name("t3_16384"), None);
        assert!(is_temporary_name("t3_16384") && is_temporary_name("t12_16384_vm.1"));
        assert!(!is_temporary_name("16384") && !is_temporary_name("t_1") && !is_temporary_name("tx_1"));
    }

    #[test]
    fn kinds_are_known_from_the_files() {
        let disk = Arc::new(FaultDisk::new());
        disk.create_dir("base/5").unwrap();
        let rels = [77, 78, 79].map(|n| RelId::new(Oid(5), n));
        let kinds = [Persistence::Permanent, Persistence::Unlogged, Persistence::Temporary(3)];
        let files = RelFiles::new(disk.clone(), true);
        for (rel, kind) in rels.into_iter().zip(kinds) {
            files.set_persistence(rel, kind).unwrap();
            let file = files.get(rel, Fork::Main).unwrap();
            assert_eq!(file.is_logged(), kind == Persistence::Permanent);
            file.grow(1).unwrap();
            files.write(&file, 0, &[1; PAGE_SIZE]).unwrap();
            assert_eq!(files.persistence(rel).unwrap(), kind);
        }
        assert_eq!(disk.list("base/5").unwrap(), ["77", "78", "78_init", "t3_79"]);
        assert_eq!(files.relations_of(Oid(5)).unwrap().len(), 3);
        let again = RelFiles::new(disk.clone(), true);
        assert_eq!(rels.map(|r| again.persistence(r).unwrap())[..2], kinds[..2]);
        again.remove_unlogged(rels[1]).unwrap();
        assert_eq!(disk.list("base/5").unwrap(), ["77", "78_init", "t3_79"]);
        for rel in rels {
            files.remove(rel).unwrap();
        }
        assert!(disk.list("base/5").unwrap().is_empty());
    }
}
