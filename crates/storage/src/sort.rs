//! External merge sort of (key, value) byte strings by key bytes, for index builds.
//!
//! Pairs gather in memory up to a limit; then they are sorted and written to a temporary file as a run. At the end the runs are
//! merged. Where little memory makes many runs, so many of them that their buffers fit the memory are merged to one as soon as they are there, and
//! so many of those again: open files and buffers stay few, however long the input (Knuth, The Art of Computer Programming 5.4.1).
//! Equal keys keep the order they were pushed in. Temporary files ([`crate::temp_file`]) go when the sort is dropped.

pub mod build;
pub mod entries;
mod tournament;
pub(crate) mod words;

pub use build::{EntrySink, RowSink, build_index, build_tree, scan_for_build};
pub use entries::{EntryRef, EntryRuns};

use crate::disk::Disk;
use crate::heap::{BuildScan, Heap};
use crate::index::{BTree, Direction, KeyRange};
use crate::temp_file::{TempFile, Told};
use crate::txn::{Snapshot, Transaction};
use quarry_common::memory::Reservation;
use quarry_common::progress::{Command, create_index};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

/// Bytes read ahead of each run, at most and at least.
const READ_BYTES: (usize, usize) = (128 << 10, 16 << 10);
/// Bytes that a run gathers before it writes them, at most and at least.
const WRITE_BYTES: (usize, usize) = (256 << 10, 32 << 10);
/// Runs that are merged at once, at least and at most.
const FAN_IN: (usize, usize) = (16, 256);

struct Pair {
    /// The key's first bytes, to compare without following `at`: all of most keys.
    prefix: u128,
    at: usize,
    key_len: u32,
    value_len: u32,
}

/// A sort in progress.
pub struct ExternalSort {
    disk: Arc<dyn Disk>,
    memory_bytes: usize,
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
    /// In the order of their pairs; how often each one's pairs were merged falls.
    runs: Vec<Run>,
    told: Option<Told>,
    reservation: Reservation,
}

/// Sorted pairs in a file.
struct Run {
    file: TempFile,
    /// How often they were merged.
    merged: u32,
}

/// A key's first bytes, filled up with zeroes, as a number.
#[inline]
pub fn prefix_of(key: &[u8]) -> u128 {
    match key.first_chunk() {
        Some(first) => u128::from_be_bytes(*first),
        None => {
            let mut b = [0u8; 16];
            b[..key.len()].copy_from_slice(key);
            u128::from_be_bytes(b)
        }
    }
}

/// The order of two keys with their prefixes; `key` gives the first's and the second's bytes, where those don't tell.
#[inline]
pub fn compare_keys<'k>(
    a: (u128, usize),
    b: (u128, usize),
    keys: impl FnOnce() -> (&'k [u8], &'k [u8]),
) -> Ordering {
    a.0.cmp(&b.0).then_with(|| {
        if a.1.max(b.1) <= size_of::<u128>() {
            // All that differs are zeroes at the longer one's end.
            return a.1.cmp(&b.1);
        }
        let (a, b) = keys();
        a.cmp(b)
    })
}

impl ExternalSort {
    /// An empty sort that uses about `memory_bytes` before it spills.
    pub fn new(disk: Arc<dyn Disk>, memory_bytes: usize) -> ExternalSort {
        let memory_bytes = memory_bytes.max(64 << 10);
        ExternalSort {
            disk,
            memory_bytes,
            bytes: Vec::new(),
            pairs: Vec::new(),
            runs: Vec::new(),
            told: None,
            reservation: Reservation::default(),
        }
    }

    /// The same with somebody who is told of each temporary file.
    pub fn told(self, told: Told) -> ExternalSort {
        ExternalSort { told: Some(told), ..self }
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
        let held = self.bytes.capacity() + self.pairs.capacity() * size_of::<Pair>();
        let used = self.bytes.len() + self.pairs.len() * size_of::<Pair>();
        // Room is kept from one run to the next; a run has to use half of it.
        let may_hold = self.reservation.may_hold(held) || used * 2 < held;
        if used > self.memory_bytes || !may_hold {
            self.spill()?;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let key = |p: &Pair| &bytes[p.at..p.at + p.key_len as usize];
        // Positions rise with the order of pushing, so an unstable sort over them is stable.
        self.pairs.sort_unstable_by(|a, b| {
            let of = |p: &Pair| (p.prefix, p.key_len as usize);
            compare_keys(of(a), of(b), || (key(a), key(b))).then_with(|| a.at.cmp(&b.at))
        });
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        let mut run = self.begin_run()?;
        for p in &self.pairs {
            let pair = &self.bytes[p.at..p.at + p.key_len as usize + p.value_len as usize];
            let (key, value) = pair.split_at(p.key_len as usize);
            run.push(key, value)?;
        }
        self.end_run(run)?;
        if self.reservation.may_hold(self.bytes.capacity() + self.pairs.capacity() * size_of::<Pair>()) {
            self.pairs.clear();
            self.bytes.clear();
        } else {
            (self.pairs, self.bytes) = (Vec::new(), Vec::new());
        }
        Ok(())
    }

    /// A run for pairs that somebody else has sorted; it comes after those that are there.
    pub fn begin_run(&self) -> Result<RunWriter> {
        let run = TempFile::create(&self.disk)?.told(self.told.clone());
        let (most, least) = WRITE_BYTES;
        let write_at = (self.reservation.allowance(self.memory_bytes) / 8).clamp(least, most);
        let mut reservation = Reservation::default();
        reservation.holds_exactly(write_at);
        Ok(RunWriter { run, out: Vec::with_capacity(write_at + 4096), write_at, _reservation: reservation })
    }

    /// Adds a run, which is complete.
    pub fn end_run(&mut self, run: RunWriter) -> Result<()> {
        self.runs.push(Run { file: run.finish()?, merged: 0 });
        let allowance = self.reservation.allowance(self.memory_bytes);
        let (least, most) = FAN_IN;
        let fan_in = (allowance / (2 * READ_BYTES.1)).clamp(least, most);
        while let Some(last) = self.runs.last().map(|run| run.merged) {
            let alike = self.runs.iter().rev().take_while(|run| run.merged == last).count();
            if alike < fan_in {
                break;
            }
            let mut writer = self.begin_run()?;
            let runs = self.runs.split_off(self.runs.len() - alike);
            let mut sorted = merge(runs, allowance / 2, Reservation::default())?;
            while let Some((key, value)) = sorted.next()? {
                writer.push(key, value)?;
            }
            self.runs.push(Run { file: writer.finish()?, merged: last + 1 });
        }
        Ok(())
    }

    /// The pairs in order.
    pub fn finish(mut self) -> Result<SortedRun> {
        if self.runs.is_empty() {
            self.sort();
            let ExternalSort { bytes, pairs, reservation, .. } = self;
            return Ok(SortedRun(Source::Memory { bytes, pairs, next: 0, _reservation: reservation }));
        }
        if !self.pairs.is_empty() {
            self.spill()?;
        }
        self.bytes = Vec::new();
        self.pairs = Vec::new();
        let memory = self.reservation.allowance(self.memory_bytes);
        merge(self.runs, memory, self.reservation)
    }
}

/// The pairs of runs in order, read ahead within so much memory.
fn merge(runs: Vec<Run>, memory: usize, mut reservation: Reservation) -> Result<SortedRun> {
    let (most, least) = READ_BYTES;
    let ahead = (memory / runs.len().max(1)).clamp(least, most);
    reservation.holds(ahead * runs.len());
    let mut heap = BinaryHeap::with_capacity(runs.len());
    for (order, Run { file, .. }) in runs.into_iter().enumerate() {
        let mut reader =
            RunReader { run: file, at: 0, ahead, buffer: Vec::new(), pos: 0, key_len: 0, value_len: 0 };
        if reader.advance()? {
            heap.push(Head { prefix: prefix_of(reader.pair().0), order, reader });
        }
    }
    Ok(SortedRun(Source::Merge { heap, begun: false, _reservation: reservation }))
}

/// A run being written.
pub struct RunWriter {
    run: TempFile,
    out: Vec<u8>,
    write_at: usize,
    _reservation: Reservation,
}

impl RunWriter {
    /// Adds a pair whose key is no less than the one before.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(value);
        if self.out.len() >= self.write_at {
            self.run.append(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<TempFile> {
        self.run.append(&self.out)?;
        Ok(self.run)
    }
}

struct RunReader {
    run: TempFile,
    /// File position after `buffer`.
    at: u64,
    /// Bytes read at a time.
    ahead: usize,
    buffer: Vec<u8>,
    /// The end of the pair at hand, which lies before it in the buffer.
    pos: usize,
    key_len: usize,
    value_len: usize,
}

impl RunReader {
    fn need(&mut self, n: usize) -> Result<()> {
        if self.buffer.len() - self.pos >= n {
            return Ok(());
        }
        self.buffer.drain(..self.pos);
        self.pos = 0;
        let have = self.buffer.len();
        let want = n.max(self.ahead).min(have + (self.run.len() - self.at) as usize);
        if want < n {
            return Err(Error::corrupted("temporary file is too short"));
        }
        self.buffer.resize(want, 0);
        self.run.read_exact(&mut self.buffer[have..], self.at)?;
        self.at += (want - have) as u64;
        Ok(())
    }

    /// Goes to the next pair; false at the end.
    fn advance(&mut self) -> Result<bool> {
        if self.pos == self.buffer.len() && self.at == self.run.len() {
            return Ok(false);
        }
        self.need(8)?;
        let u32_at =
            |b: &[u8], at: usize| u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes")) as usize;
        let (k, v) = (u32_at(&self.buffer, self.pos), u32_at(&self.buffer, self.pos + 4));
        self.need(8 + k + v)?;
        self.pos += 8 + k + v;
        (self.key_len, self.value_len) = (k, v);
        Ok(true)
    }

    /// The key and the value of the pair at hand.
    fn pair(&self) -> (&[u8], &[u8]) {
        self.buffer[self.pos - self.key_len - self.value_len..self.pos].split_at(self.key_len)
    }
}

/// A run and its first pair that hasn't been given out, or is being.
struct Head {
    prefix: u128,
    order: usize,
    reader: RunReader,
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
        let of = |h: &Head| (h.prefix, h.reader.key_len);
        compare_keys(of(other), of(self), || (other.reader.pair().0, self.reader.pair().0))
            .then(other.order.cmp(&self.order))
    }
}

/// Sorted pairs, read once.
pub struct SortedRun(Source);

enum Source {
    Memory {
        bytes: Vec<u8>,
        pairs: Vec<Pair>,
        next: usize,
        _reservation: Reservation,
    },
    /// `begun`: the least pair has been given out.
    Merge {
        heap: BinaryHeap<Head>,
        begun: bool,
        _reservation: Reservation,
    },
}

impl SortedRun {
    /// Temporary files that it lies in, and their bytes.
    pub fn on_disk(&self) -> (u64, u64) {
        match &self.0 {
            Source::Memory { .. } => (0, 0),
            Source::Merge { heap, .. } => {
                (heap.len() as u64, heap.iter().map(|head| head.reader.run.len()).sum())
            }
        }
    }

    /// The next key and value.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        match &mut self.0 {
            Source::Memory { bytes, pairs, next, .. } => {
                let Some(p) = pairs.get(*next) else { return Ok(None) };
                *next += 1;
                let end = p.at + p.key_len as usize;
                Ok(Some((&bytes[p.at..end], &bytes[end..end + p.value_len as usize])))
            }
            Source::Merge { heap, begun, .. } => {
                if std::mem::replace(begun, true)
                    && let Some(mut head) = heap.peek_mut()
                {
                    if head.reader.advance()? {
                        head.prefix = prefix_of(head.reader.pair().0);
                    } else {
                        PeekMut::pop(head);
                    }
                }
                Ok(heap.peek().map(|head| head.reader.pair()))
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
pub type EntryCallback<'a> =
    dyn FnMut(Tid, &[u8], &mut Vec<u8>, &mut Vec<u8>) -> Result<IndexRow> + Send + 'a;

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

/// Takes a row: the tid to index, its body, whether it is live.
pub type OnRow<'a> = &'a mut dyn FnMut(Tid, &[u8], bool) -> Result<()>;

/// Gives what an index must have entries for, by rising tid.
pub fn scan_for_index(
    heap: &Heap,
    txn: &Transaction,
    rows: BuildRows<'_>,
    f: OnRow<'_>,
) -> Result<BuildScan> {
    use create_index as p;
    let progress = txn.progress().of(Command::CreateIndex);
    let mut page = |block: BlockNo, blocks: BlockNo| {
        if block == 0 {
            progress.set(p::BLOCKS_TOTAL, blocks as i64);
        }
        progress.set(p::BLOCKS_DONE, block as i64 + 1);
        Ok(())
    };
    match rows {
        BuildRows::All => heap.index_build_scan(txn, &mut page, f),
        BuildRows::SeenBy(snap) => {
            let mut live_rows = 0;
            heap.scan_roots(snap, &mut page, &mut |tid, row| {
                live_rows += 1;
                f(tid, row, true)
            })?;
            Ok(BuildScan { live_rows, left_out: false })
        }
    }
}

/// Puts an entry into an index that others write to.
pub type MissingCallback<'a> = dyn FnMut(Tid, &[u8]) -> Result<()> + 'a;

/// As [`rows_without_entry_of`], for a B-tree.
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
    let mut entries = |add: &mut dyn FnMut(Tid) -> Result<()>| {
        let mut scan = index.scan(KeyRange::full(), Direction::Forward);
        let mut tids = Vec::new();
        progress.set(p::BLOCKS_TOTAL, index.blocks()? as i64);
        // Leaves split to the right, the way the scan goes, so it misses no entry that was there when it began.
        while scan.next_batch(&mut tids, PROGRESS_ROWS as usize)? > 0 {
            tids.drain(..).try_for_each(&mut *add)?;
            progress.set(p::BLOCKS_DONE, scan.pages_read() as i64);
        }
        Ok(())
    };
    rows_without_entry_of(heap, &mut entries, txn, snap, memory_bytes, f)
}

/// Gives all that an index's entries lead to, in any order, some more than once.
pub type EntriesCallback<'a> = dyn FnMut(&mut dyn FnMut(Tid) -> Result<()>) -> Result<()> + 'a;

/// Finds the rows that `snap` sees and that have no entry in the index yet: `f(tid to index, row)`, by rising tid. Writers put their own
/// entries in meanwhile; a row may have got one by the time `f` is called (PostgreSQL: validate_index).
pub fn rows_without_entry_of(
    heap: &Heap,
    entries: &mut EntriesCallback<'_>,
    txn: &Transaction,
    snap: &Snapshot,
    memory_bytes: usize,
    f: &mut MissingCallback<'_>,
) -> Result<()> {
    use create_index as p;
    let progress = txn.progress().of(Command::CreateIndex);
    progress.set(p::PHASE, p::SCANNING_INDEX);
    let mut sort = ExternalSort::new(heap.storage().disk().clone(), memory_bytes);
    let mut count = 0u64;
    entries(&mut |tid| {
        count += 1;
        if count.is_multiple_of(PROGRESS_ROWS) && txn.is_cancelled() {
            return Err(Error::cancelled());
        }
        sort.push(&tid.to_u64().to_be_bytes(), &[])
    })?;
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
        assert_eq!(disk.list(crate::temp_file::TEMP_DIR).expect("listed"), Vec::<String>::new());
    }

    #[test]
    fn many_runs_are_merged_in_steps() {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let mut sort = ExternalSort::new(disk.clone(), 64 << 10);
        let (least, runs) = (FAN_IN.0 as u32, 600u32);
        for n in 0..runs {
            let mut run = sort.begin_run().expect("begun");
            for key in [n % 7, 10u32] {
                run.push(&key.to_be_bytes(), &n.to_be_bytes()).expect("pushed");
            }
            sort.end_run(run).expect("ended");
            assert!(sort.runs.len() < 3 * FAN_IN.0, "{} runs", sort.runs.len());
            assert!(sort.runs.is_sorted_by(|a, b| a.merged >= b.merged));
        }
        assert!(runs > 2 * least * least);
        let mut expected: Vec<(u32, u32)> = (0..runs).flat_map(|n| [(n % 7, n), (10, n)]).collect();
        expected.sort();
        let mut sorted = sort.finish().expect("sorted");
        for (key, n) in expected {
            assert_eq!(sorted.next().expect("read"), Some((&key.to_be_bytes()[..], &n.to_be_bytes()[..])));
        }
        assert_eq!(sorted.next().expect("read"), None);
        drop(sorted);
        assert_eq!(disk.list(crate::temp_file::TEMP_DIR).expect("listed"), Vec::<String>::new());
    }

    #[test]
    fn runs_that_others_have_sorted_are_merged() {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let mut sort = ExternalSort::new(disk.clone(), 64 << 10);
        let key = |i: u32| format!("{i:08}").into_bytes();
        for from in 0..3u32 {
            let mut run = sort.begin_run().expect("begun");
            for i in (from..30_000).step_by(3) {
                run.push(&key(i), &from.to_le_bytes()).expect("pushed");
            }
            // Equal keys come in the order of their runs.
            run.push(&key(30_000), &from.to_le_bytes()).expect("pushed");
            sort.end_run(run).expect("ended");
        }
        let mut sorted = sort.finish().expect("sorted");
        for i in 0..30_000 {
            assert_eq!(sorted.next().expect("read"), Some((&key(i)[..], &(i % 3).to_le_bytes()[..])));
        }
        for from in 0..3u32 {
            assert_eq!(sorted.next().expect("read"), Some((&key(30_000)[..], &from.to_le_bytes()[..])));
        }
        assert_eq!(sorted.next().expect("read"), None);
    }
}
