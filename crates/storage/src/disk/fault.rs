//! A disk in memory that fails the way disks fail, replayable from a seed.
//!
//! Until synced, a write is only *pending*: [`FaultDisk::crash`] keeps each 512-byte sector of each pending write or
//! not, by the seed, so pages tear and log tails have holes. Names (create, rename, remove) are journaled as file
//! systems do it: a crash keeps a prefix of the pending ones. [`FaultDisk::fail_after`] makes the n-th coming write or
//! sync and everything after it fail, which is how a test crashes at a chosen point.

use super::{Disk, DiskFile, parent};
use parking_lot::Mutex;
use quarry_common::{Error, Result, SqlState, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECTOR: u64 = 512;

/// Deterministic random numbers (splitmix64); good enough to choose faults.
#[derive(Clone, Debug)]
pub struct FaultRng(u64);

impl FaultRng {
    pub fn new(seed: u64) -> FaultRng {
        FaultRng(seed)
    }
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next_u64() % n
    }
}

enum Pending {
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
}

#[derive(Default)]
struct FileState {
    /// What a read sees.
    current: Vec<u8>,
    /// What survives for sure.
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let end = offset as usize + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..end].copy_from_slice(data);
}

impl FileState {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Write { offset, data } => put(&mut self.durable, offset, &data),
                Pending::Truncate(len) => self.durable.resize(len as usize, 0),
            }
        }
    }

    /// Keeps an arbitrary part of the pending writes, by sectors.
    fn crash(&mut self, rng: &mut FaultRng) {
        // One file in four loses everything, one keeps everything, the rest decide per sector.
        let mode = rng.below(4);
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Truncate(len) => {
                    if mode == 1 || (mode > 1 && rng.below(2) == 0) {
                        self.durable.resize(len as usize, 0);
                    }
                }
                Pending::Write { offset, data } => {
                    let mut at = 0;
                    while at < data.len() {
                        let sector_end = (offset + at as u64) / SECTOR * SECTOR + SECTOR;
                        let end = ((sector_end - offset) as usize).min(data.len());
                        if mode == 1 || (mode > 1 && rng.below(3) != 0) {
                            put(&mut self.durable, offset + at as u64, &data[at..end]);
                        }
                        at = end;
                    }
                }
            }
        }
        self.current = self.durable.clone();
    }
}

type FileRef = Arc<Mutex<FileState>>;

#[derive(Clone)]
enum NameOp {
    Link(String, FileRef),
    Unlink(String),
    MakeDir(String),
    RemoveTree(String),
    Rename(String, String),
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<String, FileRef>,
    dirs: BTreeSet<String>,
}

fn within(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

impl Names {
    fn apply(&mut self, op: &NameOp) {
        match op {
            NameOp::Link(path, file) => {
                self.files.insert(path.clone(), file.clone());
            }
            NameOp::Unlink(path) => {
                self.files.remove(path);
            }
            NameOp::MakeDir(dir) => {
                self.dirs.insert(dir.clone());
            }
            NameOp::RemoveTree(dir) => {
                self.files.retain(|path, _| !within(path, dir));
                self.dirs.retain(|d| d != dir && !within(d, dir));
            }
            NameOp::Rename(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
        }
    }
}

#[derive(Default)]
struct State {
    now: Names,
    durable: Names,
    pending: Vec<NameOp>,
    /// Counts down at each write and sync; at 0 the disk is dead.
    remaining: Option<u64>,
    dead: bool,
    fail_syncs: bool,
    /// Files whose path has this in it can't be read.
    fail_reads: Option<String>,
    /// Writes of files whose path has this in it fail after so many bytes.
    fail_writes: Option<(String, usize)>,
    /// Bytes all files may take together.
    capacity: Option<u64>,
    locked: bool,
    /// Writes and syncs since the last crash.
    operations: u64,
    /// Changes at each crash: files opened before it are stale.
    generation: u64,
}

/// See the module.
#[derive(Clone, Default)]
pub struct FaultDisk(Arc<Mutex<State>>);

struct FaultFile {
    disk: FaultDisk,
    file: FileRef,
    path: String,
    generation: u64,
}

struct Unlock(FaultDisk, u64);

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if state.generation == self.1 {
            state.locked = false;
        }
    }
}

fn dead() -> Error {
    Error::new(SqlState::IO_ERROR, "simulated disk is dead")
}

impl FaultDisk {
    /// An empty disk without faults.
    pub fn new() -> FaultDisk {
        FaultDisk::default()
    }

    /// The disk dies at the `n`-th write or sync from now (0 = the next one).
    pub fn fail_after(&self, n: u64) {
        self.0.lock().remaining = Some(n);
    }

    /// Whether syncs fail (writes still work).
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().fail_syncs = fail;
    }

    /// Reads of files whose path contains `path` fail, until told otherwise.
    pub fn fail_reads(&self, path: Option<&str>) {
        self.0.lock().fail_reads = path.map(str::to_string);
    }

    /// Writes of files whose path contains `path` stop after `bytes` bytes with an error, until told otherwise.
    pub fn fail_writes(&self, path: Option<(&str, usize)>) {
        self.0.lock().fail_writes = path.map(|(path, bytes)| (path.to_string(), bytes));
    }

    /// The bytes of all files together.
    pub fn used(&self) -> u64 {
        self.0.lock().now.files.values().map(|f| f.lock().current.len() as u64).sum()
    }

    /// Bounds the bytes of all files together.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    /// Writes and syncs since the last crash (or the start).
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The process ends but the system lives: everything that was written is there, whether synced or not.
    pub fn kill(&self) {
        let mut state = self.0.lock();
        state.remaining = None;
        state.dead = false;
        state.locked = false;
        state.operations = 0;
        state.generation += 1;
    }

    /// Another disk with the same content, all of it durable.
    pub fn copy(&self) -> FaultDisk {
        let state = self.0.lock();
        let mut names = Names { files: BTreeMap::new(), dirs: state.now.dirs.clone() };
        for (path, file) in &state.now.files {
            let bytes = file.lock().current.clone();
            let copy = FileState { durable: bytes.clone(), current: bytes, pending: Vec::new() };
            names.files.insert(path.clone(), Arc::new(Mutex::new(copy)));
        }
        FaultDisk(Arc::new(Mutex::new(State { durable: names.clone(), now: names, ..State::default() })))
    }

    /// A file's bytes, as a read sees them.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.lock();
        state.now.files.get(path).map(|file| file.lock().current.clone())
    }

    /// Power fails and comes back: what wasn't synced survives in part, by the seed. Files opened before are dead.
    pub fn crash(&self, seed: u64) {
        let mut rng = FaultRng::new(seed);
        let mut state = self.0.lock();
        let keep = rng.below(state.pending.len() as u64 + 1) as usize;
        let pending = std::mem::take(&mut state.pending);
        for op in &pending[..keep] {
            state.durable.apply(op);
        }
        for file in state.durable.files.values() {
            file.lock().crash(&mut rng);
        }
        state.now = state.durable.clone();
        state.remaining = None;
        state.dead = false;
        state.fail_syncs = false;
        state.fail_reads = None;
        state.fail_writes = None;
        state.capacity = None;
        state.locked = false;
        state.operations = 0;
        state.generation += 1;
    }

    /// Overwrites bytes behind everyone's back, as bit rot does.
    pub fn damage(&self, path: &str, offset: u64, bytes: &[u8]) {
        let state = self.0.lock();
        if let Some(file) = state.now.files.get(path) {
            let mut file = file.lock();
            put(&mut file.current, offset, bytes);
            put(&mut file.durable, offset, bytes);
        }
    }

    /// Cuts a file short behind everyone's back, or removes it (`None`).
    pub fn cut(&self, path: &str, len: Option<u64>) {
        let mut state = self.0.lock();
        match len {
            Some(len) => {
                if let Some(file) = state.now.files.get(path) {
                    let mut file = file.lock();
                    file.current.truncate(len as usize);
                    file.durable.truncate(len as usize);
                }
            }
            None => {
                state.now.files.remove(path);
                state.durable.files.remove(path);
            }
        }
    }

    fn count_operation(&self, generation: Option<u64>) -> Result<()> {
        let mut state = self.0.lock();
        if generation.is_some_and(|g| g != state.generation) {
            return Err(dead());
        }
        state.operations += 1;
        if let Some(left) = &mut state.remaining {
            if *left == 0 {
                state.dead = true;
            } else {
                *left -= 1;
            }
        }
        if state.dead { Err(dead()) } else { Ok(()) }
    }

    fn alive(&self, generation: Option<u64>) -> Result<()> {
        let state = self.0.lock();
        if state.dead || generation.is_some_and(|g| g != state.generation) { Err(dead()) } else { Ok(()) }
    }

    fn name_op(&self, op: NameOp) -> Result<()> {
        self.count_operation(None)?;
        let mut state = self.0.lock();
        state.now.apply(&op);
        state.pending.push(op);
        Ok(())
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.disk.alive(Some(self.generation))?;
        if self.disk.0.lock().fail_reads.as_ref().is_some_and(|p| self.path.contains(p.as_str())) {
            bail!(IO_ERROR, "could not read file \"{}\": Input/output error", self.path);
        }
        let file = self.file.lock();
        let from = (offset as usize).min(file.current.len());
        let count = buf.len().min(file.current.len() - from);
        buf[..count].copy_from_slice(&file.current[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<()> {
        let died = self.disk.count_operation(Some(self.generation));
        if died.is_ok() {
            let state = self.disk.0.lock();
            if let Some((path, bytes)) = &state.fail_writes
                && self.path.contains(path.as_str())
            {
                let part = &buf[..buf.len().min(*bytes)];
                let mut file = self.file.lock();
                put(&mut file.current, offset, part);
                file.pending.push(Pending::Write { offset, data: part.to_vec() });
                bail!(IO_ERROR, "could not write file \"{}\": Input/output error", self.path);
            }
            if let Some(capacity) = state.capacity {
                let used: u64 = state.now.files.values().map(|f| f.lock().current.len() as u64).sum();
                let grows = (offset + buf.len() as u64).saturating_sub(self.file.lock().current.len() as u64);
                if grows > 0 && used + grows > capacity {
                    bail!(DISK_FULL, "No space left on device");
                }
            }
        } else if self.disk.0.lock().generation != self.generation {
            return died;
        }
        // The write at which the disk dies may still have reached it in part.
        let mut file = self.file.lock();
        put(&mut file.current, offset, buf);
        file.pending.push(Pending::Write { offset, data: buf.to_vec() });
        died
    }

    fn sync(&self) -> Result<()> {
        self.disk.count_operation(Some(self.generation))?;
        if self.disk.0.lock().fail_syncs {
            bail!(IO_ERROR, "simulated fsync failure");
        }
        self.file.lock().sync();
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        self.disk.alive(Some(self.generation))?;
        Ok(self.file.lock().current.len() as u64)
    }

    fn truncate(&self, len: u64) -> Result<()> {
        self.disk.count_operation(Some(self.generation))?;
        let mut file = self.file.lock();
        file.current.resize(len as usize, 0);
        file.pending.push(Pending::Truncate(len));
        Ok(())
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &str, create: bool) -> Result<Option<Arc<dyn DiskFile>>> {
        self.alive(None)?;
        let (known, generation) = {
            let state = self.0.lock();
            (state.now.files.get(path).cloned(), state.generation)
        };
        let file = match known {
            Some(file) => file,
            None if !create => return Ok(None),
            None => {
                let dir = parent(path);
                if !dir.is_empty() && !self.0.lock().now.dirs.contains(dir) {
                    bail!(IO_ERROR, "could not create \"{path}\": No such file or directory");
                }
                let file = FileRef::default();
                self.name_op(NameOp::Link(path.to_string(), file.clone()))?;
                file
            }
        };
        Ok(Some(Arc::new(FaultFile { disk: self.clone(), file, path: path.to_string(), generation })))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        self.alive(None)?;
        let state = self.0.lock();
        Ok(state.now.files.contains_key(path) || state.now.dirs.contains(path))
    }

    fn remove(&self, path: &str) -> Result<bool> {
        let there = self.0.lock().now.files.contains_key(path);
        if there {
            self.name_op(NameOp::Unlink(path.to_string()))?;
        }
        Ok(there)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        if !self.0.lock().now.files.contains_key(from) {
            bail!(IO_ERROR, "could not rename \"{from}\": No such file or directory");
        }
        self.name_op(NameOp::Rename(from.to_string(), to.to_string()))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>> {
        self.alive(None)?;
        let state = self.0.lock();
        let prefix = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let mut names: Vec<String> = state
            .now
            .files
            .keys()
            .chain(state.now.dirs.iter())
            .filter_map(|path| path.strip_prefix(prefix.as_str()))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'))
            .map(str::to_string)
            .collect();
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &str) -> Result<()> {
        let mut path = String::new();
        for part in dir.split('/') {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
            if !self.0.lock().now.dirs.contains(&path) {
                self.name_op(NameOp::MakeDir(path.clone()))?;
            }
        }
        Ok(())
    }

    fn remove_dir_all(&self, dir: &str) -> Result<()> {
        self.name_op(NameOp::RemoveTree(dir.to_string()))
    }

    fn sync_dir(&self, _dir: &str) -> Result<()> {
        self.count_operation(None)?;
        let mut state = self.0.lock();
        if state.fail_syncs {
            bail!(IO_ERROR, "simulated fsync failure");
        }
        // A journal commits in order, so syncing one folder makes every earlier name durable.
        for op in std::mem::take(&mut state.pending) {
            state.durable.apply(&op);
        }
        Ok(())
    }

    fn lock_folder(&self) -> Result<Box<dyn Send + Sync>> {
        let mut state = self.0.lock();
        if state.locked {
            bail!(LOCK_FILE_EXISTS, "data folder is held by another server");
        }
        state.locked = true;
        Ok(Box::new(Unlock(self.clone(), state.generation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crash_keeps_synced_bytes_and_tears_the_rest() {
        let mut torn = 0;
        for seed in 0..50 {
            let disk = FaultDisk::new();
            disk.create_dir("d").unwrap();
            let file = disk.open("d/f", true).unwrap().unwrap();
            file.write_at(&[1; 2048], 0).unwrap();
            file.sync().unwrap();
            disk.sync_dir("d").unwrap();
            file.write_at(&[2; 2048], 0).unwrap();
            disk.crash(seed);
            assert!(file.len().is_err(), "files opened before the crash are dead");
            let file = disk.open("d/f", false).unwrap().unwrap();
            let mut got = [0; 2048];
            assert_eq!(file.read_at(&mut got, 0).unwrap(), 2048);
            for sector in got.chunks(512) {
                assert!(sector.iter().all(|b| *b == sector[0]), "sectors are atomic");
            }
            torn += (got.contains(&1) && got.contains(&2)) as u32;
        }
        assert!(torn > 5, "some pages tear ({torn})");
    }

    #[test]
    fn names_need_a_synced_folder() {
        let disk = FaultDisk::new();
        disk.open("a", true).unwrap();
        disk.sync_dir("").unwrap();
        disk.open("b", true).unwrap();
        disk.rename("a", "c").unwrap();
        let mut outcomes = BTreeSet::new();
        for seed in 0..30 {
            let copy = FaultDisk::new();
            copy.open("a", true).unwrap();
            copy.sync_dir("").unwrap();
            copy.open("b", true).unwrap();
            copy.rename("a", "c").unwrap();
            copy.crash(seed);
            outcomes.insert(copy.list("").unwrap());
        }
        assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    }

    #[test]
    fn full_disk_and_folder_lock() {
        let disk = FaultDisk::new();
        disk.set_capacity(Some(1000));
        let file = disk.open("f", true).unwrap().unwrap();
        file.write_at(&[0; 1000], 0).unwrap();
        assert_eq!(file.write_at(&[0], 1000).unwrap_err().sqlstate(), SqlState::DISK_FULL);
        file.write_at(&[1; 10], 0).unwrap();
        let lock = disk.lock_folder().unwrap();
        assert!(disk.lock_folder().is_err());
        drop(lock);
        assert!(disk.lock_folder().is_ok());
    }
}
