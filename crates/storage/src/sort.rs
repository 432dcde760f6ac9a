//! External merge sort of (key, value) byte strings by key bytes, for index builds.
//!
//! Pairs gather in memory up to a limit; then they are sorted and written to a temporary file as a run. At the end the runs are
//! merged. Equal keys keep the order they were pushed in. Temporary files go when the sort is dropped; what a crash leaves
//! is removed by [`remove_leftovers`].

use crate::disk::{Disk, DiskFile};
use crate::files::reason;
use crate::heap::{BuildScan, Heap};
use crate::index::{BTree, BuildEntry, BuildOutcome, Direction, KeyRange};
use crate::txn::{Snapshot, Transaction};
use quarry_common::progress::{Command, create_index};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

/// Folder of temporary files.
const TEMP_DIR: &str = "base/pgsql_tmp";
/// Bytes read ahead per run.
const READ_BYTES: usize = 128 << 10;
const WRITE_BYTES: usize = 256 << 10;

static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

struct Pair {
    /// The key's first bytes, to compare without following `at`.
    prefix: u64,
    at: usize,
    key_len: u32,
    value_len: u32,
}

/// Removes temporary files of earlier runs of the server.
pub fn remove_leftovers(disk: &dyn Disk) -> Result<()> {
    disk.remove_dir_all(TEMP_DIR)
}

/// A sort in progress.
pub struct ExternalSort {
    disk: Arc<dyn Disk>,
    memory_bytes: usize,
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
    runs: Vec<Run>,
}

struct Run {
    disk: Arc<dyn Disk>,
    path: String,
    file: Arc<dyn DiskFile>,
    len: u64,
}

impl Drop for Run {
    fn drop(&mut self) {
        // A file that stays is removed at the next start.
        let _ = self.disk.remove(&self.path);
    }
}

/// What the user is told when a temporary file can't be written.
fn refused(e: &Error, path: &str) -> Error {
    Error::new(e.sqlstate(), format!("could not write to file \"{path}\": {}", reason(e)))
}

fn prefix_of(key: &[u8]) -> u64 {
    let mut b = [0u8; 8];
    let n = key.len().min(8);
    b[..n].copy_from_slice(&key[..n]);
    u64::from_be_bytes(b)
}

impl ExternalSort {
    /// An empty sort that uses about `memory_bytes` before it spills.
    pub fn new(disk: Arc<dyn Disk>, memory_bytes: usize) -> ExternalSort {
        let memory_bytes = memory_bytes.max(64 << 10);
        ExternalSort { disk, memory_bytes, bytes: Vec::new(), pairs: Vec::new(), runs: Vec::new() }
    }

    /// Adds a pair.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.pairs.push(Pair {
            prefix: prefix_of(key),
            at,
            key_len: key.len() as u32,
            value_len: value.len() as u32,
        });
        if self.bytes.len() + self.pairs.len() * size_of::<Pair>() > self.memory_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |p: &Pair| &bytes[p.at..p.at + p.key_len as usize];
        // Positions rise with the order of pushing, so an unstable sort over them is stable.
        self.pairs.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(key(b))).then_with(|| a.at.cmp(&b.at))
        });
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        self.disk.create_dir(TEMP_DIR)?;
        let path = format!("{TEMP_DIR}/sort{}", NEXT_FILE.fetch_add(1, Atomic::Relaxed));
        self.disk.remove(&path)?;
        let Some(file) = self.disk.open(&path, true)? else {
            return Err(Error::internal("a temporary file could not be made"));
        };
        let mut run = Run { disk: self.disk.clone(), path, file, len: 0 };
        let mut out = Vec::with_capacity(WRITE_BYTES + 4096);
        for p in &self.pairs {
            out.extend_from_slice(&p.key_len.to_le_bytes());
            out.extend_from_slice(&p.value_len.to_le_bytes());
            out.extend_from_slice(&self.bytes[p.at..p.at + p.key_len as usize + p.value_len as usize]);
            if out.len() >= WRITE_BYTES {
                run.file.write_at(&out, run.len).map_err(|e| refused(&e, &run.path))?;
                run.len += out.len() as u64;
                out.clear();
            }
        }
        run.file.write_at(&out, run.len).map_err(|e| refused(&e, &run.path))?;
        run.len += out.len() as u64;
        self.runs.push(run);
        self.pairs.clear();
        self.bytes.clear();
        Ok(())
    }

    /// The pairs in order.
    pub fn finish(mut self) -> Result<SortedRun> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(SortedRun(Source::Memory { bytes: self.bytes, pairs: self.pairs, next: 0 }));
        }
        if !self.pairs.is_empty() {
            self.spill()?;
        }
        self.bytes = Vec::new();
        self.pairs = Vec::new();
        let mut heap = BinaryHeap::new();
        for (order, run) in std::mem::take(&mut self.runs).into_iter().enumerate() {
            let mut reader = RunReader { run, at: 0, buffer: Vec::new(), pos: 0 };
            if let Some(head) = reader.next()? {
                heap.push(Head { pair: head, order, reader });
            }
        }
        Ok(SortedRun(Source::Merge { heap, current: (Vec::new(), 0) }))
    }
}

struct RunReader {
    run: Run,
    /// File position after `buffer`.
    at: u64,
    buffer: Vec<u8>,
    pos: usize,
}

impl RunReader {
    fn need(&mut self, n: usize) -> Result<()> {
        if self.buffer.len() - self.pos >= n {
            return Ok(());
        }
        self.buffer.drain(..self.pos);
        self.pos = 0;
        let have = self.buffer.len();
        let want = n.max(READ_BYTES).min(have + (self.run.len - self.at) as usize);
        if want < n {
            return Err(Error::corrupted("temporary file is too short"));
        }
        self.buffer.resize(want, 0);
        let got = self.run.file.read_at(&mut self.buffer[have..], self.at)?;
        if got < want - have {
            return Err(Error::corrupted("temporary file is too short"));
        }
        self.at += got as u64;
        Ok(())
    }

    /// The next pair: key and value together, and the key's length.
    fn next(&mut self) -> Result<Option<(Vec<u8>, usize)>> {
        if self.pos == self.buffer.len() && self.at == self.run.len {
            return Ok(None);
        }
        self.need(8)?;
        let u32_at =
            |b: &[u8], at: usize| u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes")) as usize;
        let (k, v) = (u32_at(&self.buffer, self.pos), u32_at(&self.buffer, self.pos + 4));
        self.need(8 + k + v)?;
        let pair = self.buffer[self.pos + 8..self.pos + 8 + k + v].to_vec();
        self.pos += 8 + k + v;
        Ok(Some((pair, k)))
    }
}

struct Head {
    pair: (Vec<u8>, usize),
    order: usize,
    reader: RunReader,
}

impl Head {
    fn key(&self) -> &[u8] {
        &self.pair.0[..self.pair.1]
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    /// Reversed: the heap gives the smallest key, of equal ones that of the earliest run.
    fn cmp(&self, other: &Head) -> Ordering {
        other.key().cmp(self.key()).then(other.order.cmp(&self.order))
    }
}

/// Sorted pairs, read once.
pub struct SortedRun(Source);

enum Source {
    Memory { bytes: Vec<u8>, pairs: Vec<Pair>, next: usize },
    Merge { heap: BinaryHeap<Head>, current: (Vec<u8>, usize) },
}

impl SortedRun {
    /// The next key and value.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        match &mut self.0 {
            Source::Memory { bytes, pairs, next } => {
                let Some(p) = pairs.get(*next) else { return Ok(None) };
                *next += 1;
                let end = p.at + p.key_len as usize;
                Ok(Some((&bytes[p.at..end], &bytes[end..end + p.value_len as usize])))
            }
            Source::Merge { heap, current } => {
                let Some(mut head) = heap.pop() else { return Ok(None) };
                match head.reader.next()? {
                    Some(pair) => {
                        *current = std::mem::replace(&mut head.pair, pair);
                        heap.push(head);
                    }
                    None => *current = std::mem::take(&mut head.pair),
                }
                Ok(Some(current.0.split_at(current.1)))
            }
        }
    }
}

/// What an index is to do with a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexRow {
    /// No entry (partial index).
    Skip,
    /// An entry. `may_conflict`: no key column is NULL.
    Entry { may_conflict: bool },
}

/// Gets a row; fills its key and its payload.
pub type EntryCallback<'a> = dyn FnMut(Tid, &[u8], &mut Vec<u8>, &mut Vec<u8>) -> Result<IndexRow> + 'a;

/// Which rows an index is built from.
#[derive(Clone, Copy)]
pub enum BuildRows<'a> {
    /// All that any snapshot may see. The caller's table lock keeps writers out.
    All,
    /// Those that a snapshot sees, while others write.
    SeenBy(&'a Snapshot),
}

/// Rows or pages between two notes of progress.
const PROGRESS_ROWS: u64 = 1024;

/// Builds an index over a table: scan, sort, bulk load. `f` makes a row's key and payload in the (cleared) buffers given.
pub fn build_index(
    heap: &Heap,
    index: &BTree,
    txn: &Transaction,
    rows: BuildRows<'_>,
    memory_bytes: usize,
    f: &mut EntryCallback<'_>,
) -> Result<(BuildOutcome, BuildScan)> {
    use create_index as p;
    let progress = txn.progress().of(Command::CreateIndex);
    let mut sort = ExternalSort::new(heap.storage().disk().clone(), memory_bytes);
    let (mut key, mut payload, mut value) = (Vec::new(), Vec::new(), Vec::new());
    let mut count = 0u64;
    let mut add = |tid: Tid, row: &[u8], live: bool| {
        key.clear();
        payload.clear();
        let IndexRow::Entry { may_conflict } = f(tid, row, &mut key, &mut payload)? else { return Ok(()) };
        value.clear();
        value.extend_from_slice(&tid.to_u64().to_le_bytes());
        value.push((live && may_conflict) as u8);
        value.extend_from_slice(&payload);
        count += 1;
        sort.push(&key, &value)
    };
    let mut page = |block: BlockNo, blocks: BlockNo| {
        if block == 0 {
            progress.set(p::BLOCKS_TOTAL, blocks as i64);
        }
        progress.set(p::BLOCKS_DONE, block as i64 + 1);
        Ok(())
    };
    progress.set(p::SUBPHASE, p::SCANNING_TABLE);
    let scan = match rows {
        BuildRows::All => heap.index_build_scan(txn, &mut page, &mut add)?,
        BuildRows::SeenBy(snap) => {
            let mut live_rows = 0;
            heap.scan_roots(snap, &mut page, &mut |tid, row| {
                live_rows += 1;
                add(tid, row, true)
            })?;
            BuildScan { live_rows, left_out: false }
        }
    };
    progress.set(p::SUBPHASE, p::SORTING);
    progress.set(p::TUPLES_TOTAL, count as i64);
    let mut sorted = sort.finish()?;
    progress.set(p::SUBPHASE, p::LOADING);
    let mut done = 0u64;
    let outcome = index.build(txn, &mut |entry: &mut BuildEntry| {
        let Some((key, value)) = sorted.next()? else {
            progress.set(p::TUPLES_DONE, done as i64);
            return Ok(false);
        };
        done += 1;
        if done.is_multiple_of(PROGRESS_ROWS) {
            progress.set(p::TUPLES_DONE, done as i64);
            if txn.is_cancelled() {
                return Err(Error::cancelled());
            }
        }
        entry.key.clear();
        entry.key.extend_from_slice(key);
        entry.tid = Tid::from_u64(u64::from_le_bytes(value[..8].try_into().expect("eight bytes")));
        entry.unique = value[8] != 0;
        entry.payload.clear();
        entry.payload.extend_from_slice(&value[9..]);
        Ok(true)
    })?;
    Ok((outcome, scan))
}

/// Puts an entry into an index that others write to.
pub type MissingCallback<'a> = dyn FnMut(Tid, &[u8]) -> Result<()> + 'a;

/// Finds the rows that `snap` sees and that have no entry in the index yet: `f(tid to index, row)`, by rising tid. Writers put their own
/// entries in meanwhile; a row may have got one by the time `f` is called (PostgreSQL: validate_index).
pub fn rows_without_entry(
    heap: &Heap,
    index: &BTree,
    txn: &Transaction,
    snap: &Snapshot,
    memory_bytes: usize,
    f: &mut MissingCallback<'_>,
) -> Result<()> {
    use create_index as p;
    let progress = txn.progress().of(Command::CreateIndex);
    progress.set(p::PHASE, p::SCANNING_INDEX);
    let mut sort = ExternalSort::new(heap.storage().disk().clone(), memory_bytes);
    let mut scan = index.scan(KeyRange::full(), Direction::Forward);
    let mut tids = Vec::new();
    progress.set(p::BLOCKS_TOTAL, index.blocks()? as i64);
    // Leaves split to the right, the way the scan goes, so it misses no entry that was there when it began.
    while scan.next_batch(&mut tids, PROGRESS_ROWS as usize)? > 0 {
        for tid in tids.drain(..) {
            sort.push(&tid.to_u64().to_be_bytes(), &[])?;
        }
        progress.set(p::BLOCKS_DONE, scan.pages_read() as i64);
        if txn.is_cancelled() {
            return Err(Error::cancelled());
        }
    }
    progress.set(p::PHASE, p::SORTING_TIDS);
    let mut sorted = sort.finish()?;
    let mut next = || -> Result<Option<u64>> {
        let key = sorted.next()?;
        Ok(key.map(|(key, _)| u64::from_be_bytes(key.try_into().expect("keys of eight bytes"))))
    };
    let mut indexed = next()?;
    progress.set(p::PHASE, p::SCANNING_AGAIN);
    let mut page = |block: BlockNo, blocks: BlockNo| {
        if block == 0 {
            progress.set(p::BLOCKS_TOTAL, blocks as i64);
        }
        progress.set(p::BLOCKS_DONE, block as i64 + 1);
        if txn.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    };
    heap.scan_roots(snap, &mut page, &mut |tid, row| {
        let at = tid.to_u64();
        while indexed.is_some_and(|i| i < at) {
            indexed = next()?;
        }
        if indexed == Some(at) { Ok(()) } else { f(tid, row) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    #[test]
    fn spilled_and_in_memory_sorts_agree() {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut x = 42u64;
        for i in 0..20_000u32 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = format!("{:0width$}", x >> 52, width = (x >> 40) as usize % 12).into_bytes();
            pairs.push((key, i.to_le_bytes().to_vec()));
        }
        for memory in [64 << 10, 64 << 20] {
            let mut sort = ExternalSort::new(disk.clone(), memory);
            for (k, v) in &pairs {
                sort.push(k, v).expect("pushed");
            }
            assert_eq!(sort.runs.is_empty(), memory > 1 << 20);
            let mut expected = pairs.clone();
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            let mut run = sort.finish().expect("sorted");
            for (k, v) in &expected {
                assert_eq!(run.next().expect("read"), Some((k.as_slice(), v.as_slice())));
            }
            assert_eq!(run.next().expect("read"), None);
        }
        assert_eq!(disk.list(TEMP_DIR).expect("listed"), Vec::<String>::new());
    }
}
