//! Building an index from all its entries at once: sorted by code they come bucket by bucket, so every page is written once.
//!
//! Entries gather in memory up to a limit; then they are sorted and written to a temporary file, 12 bytes each. At the end the files are merged.
//! The number of buckets follows from that of the entries. Pages are logged whole; the meta page names them last.

use super::meta::{self, bucket_of, depth_of, group_of};
use super::page::{self as hp, CAPACITY, ENTRY_BYTES, Entry, Kind};
use super::{HashIndex, META_BLOCK, code_of, kind, wal};
use crate::buffer::PageMut;
use crate::page::slotted::PayloadWriter;
use crate::temp_file::TempFile;
use crate::txn::Transaction;
use crate::{Fork, Storage};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes written to, or read from, a temporary file at once.
const IO_BYTES: usize = ENTRY_BYTES * 21_845;
/// Pages that are logged together.
const BATCH: usize = 8;
/// Pages that the page writer is told of at once.
const WRITE_BLOCKS: BlockNo = 64;
/// Entries between two notes of progress.
const PROGRESS_ENTRIES: u64 = 8192;

/// Gathers the entries of a new index.
pub struct HashBuilder {
    storage: Arc<Storage>,
    entries_max: usize,
    entries: Vec<Entry>,
    runs: Vec<TempFile>,
    total: u64,
}

/// What a build came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashBuilt {
    pub entries: u64,
    pub blocks: BlockNo,
}

impl HashBuilder {
    /// An empty one that uses about `memory_bytes` before it writes to temporary files.
    pub fn new(storage: &Arc<Storage>, memory_bytes: usize) -> HashBuilder {
        let entries_max = (memory_bytes / size_of::<Entry>()).max(1000);
        HashBuilder { storage: storage.clone(), entries_max, entries: Vec::new(), runs: Vec::new(), total: 0 }
    }

    /// Adds an entry.
    pub fn add(&mut self, key: &[u8], tid: Tid) -> Result<()> {
        if !hp::is_indexable(tid) {
            return Err(Error::internal(format!("row {tid} can't be indexed")));
        }
        if self.entries.len() >= self.entries_max {
            self.spill()?;
        }
        self.entries.push(Entry::new(code_of(key), tid));
        self.total += 1;
        Ok(())
    }

    /// Entries added so far.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    fn spill(&mut self) -> Result<()> {
        self.entries.sort_unstable();
        let mut run = TempFile::create(self.storage.disk())?;
        let mut out = Vec::with_capacity(IO_BYTES);
        for part in self.entries.chunks(IO_BYTES / ENTRY_BYTES) {
            out.clear();
            part.iter().for_each(|e| out.extend_from_slice(&e.to_bytes()));
            run.append(&out)?;
        }
        self.entries.clear();
        self.runs.push(run);
        Ok(())
    }

    /// Fills an empty index, which nobody else uses yet. `progress` gets the number of entries done so far.
    pub fn finish(
        mut self,
        index: &HashIndex,
        txn: &Transaction,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<HashBuilt> {
        index.refresh()?;
        let entries = self.total;
        let buckets = buckets_for(entries, index.known().target());
        let mut sorted = if self.runs.is_empty() {
            self.entries.sort_unstable();
            Sorted::Memory(self.entries.into_iter())
        } else {
            if !self.entries.is_empty() {
                self.spill()?;
            }
            // Their memory serves the readers now.
            self.entries = Vec::new();
            Sorted::merge(self.runs)?
        };
        let mut filler = Filler::new(index, buckets)?;
        let mut done = 0;
        while let Some(entry) = sorted.next()? {
            filler.add(entry)?;
            done += 1;
            if done % PROGRESS_ENTRIES == 0 {
                progress(done)?;
            }
        }
        progress(done)?;
        filler.finish(txn, entries)?;
        Ok(HashBuilt { entries, blocks: index.blocks()? })
    }
}

/// How many buckets an index of so many entries begins with: whole groups, and no more than a quarter above a power of two. Past that
/// the buckets not split yet would spill into overflow pages.
fn buckets_for(entries: u64, target: u64) -> u32 {
    let needed = entries.div_ceil(target.max(1)).clamp(2, meta::BUCKETS_MAX as u64) as u32;
    let group = group_of(needed - 1);
    let buckets = group.first + group.buckets;
    let below = 1u32 << buckets.ilog2();
    if buckets - below > below / 4 { below << 1 } else { buckets }
}

enum Sorted {
    Memory(std::vec::IntoIter<Entry>),
    Merge { heads: BinaryHeap<Reverse<(Entry, usize)>>, runs: Vec<RunReader> },
}

impl Sorted {
    fn merge(runs: Vec<TempFile>) -> Result<Sorted> {
        let mut runs: Vec<RunReader> =
            runs.into_iter().map(|file| RunReader { file, at: 0, buffer: Vec::new(), used: 0 }).collect();
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (n, run) in runs.iter_mut().enumerate() {
            if let Some(entry) = run.next()? {
                heads.push(Reverse((entry, n)));
            }
        }
        Ok(Sorted::Merge { heads, runs })
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Entry>> {
        match self {
            Sorted::Memory(entries) => Ok(entries.next()),
            Sorted::Merge { heads, runs } => {
                let Some(mut head) = heads.peek_mut() else { return Ok(None) };
                let Reverse((entry, run)) = *head;
                match runs[run].next()? {
                    Some(next) => *head = Reverse((next, run)),
                    None => {
                        std::collections::binary_heap::PeekMut::pop(head);
                    }
                }
                Ok(Some(entry))
            }
        }
    }
}

struct RunReader {
    file: TempFile,
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl RunReader {
    #[inline]
    fn next(&mut self) -> Result<Option<Entry>> {
        if self.used == self.buffer.len() {
            let bytes = (self.file.len() - self.at).min(IO_BYTES as u64) as usize;
            if bytes == 0 {
                return Ok(None);
            }
            self.buffer.resize(bytes, 0);
            self.file.read_exact(&mut self.buffer, self.at)?;
            self.at += bytes as u64;
            self.used = 0;
        }
        let entry = Entry::from_bytes(&self.buffer[self.used..self.used + ENTRY_BYTES]);
        self.used += ENTRY_BYTES;
        Ok(Some(entry))
    }
}

/// Writes the buckets, in the order of their codes.
struct Filler<'a> {
    index: &'a HashIndex,
    buckets: u32,
    /// The first block of each group.
    starts: Vec<BlockNo>,
    /// Where the codes go on that have not come yet.
    next_code: u64,
    /// The bucket being gathered, the lowest code above it, and its entries.
    bucket: u32,
    end: u64,
    entries: Vec<u8>,
    /// The first of its overflow pages that are written; 0: none.
    chain: BlockNo,
    /// Pages filled and not logged yet.
    filled: Vec<PageMut<'a>>,
}

impl<'a> Filler<'a> {
    fn new(index: &'a HashIndex, buckets: u32) -> Result<Filler<'a>> {
        // The buckets that the empty index came with stay what they are until the new ones have their names.
        let start = index.storage().pool().extend(index.rel(), Fork::Main, buckets)?.block();
        let (mut starts, mut bucket) = (Vec::new(), 0);
        while bucket < buckets {
            let group = group_of(bucket);
            starts.push(start + group.first);
            bucket = group.first + group.buckets;
        }
        let mut filler = Filler {
            index,
            buckets,
            starts,
            next_code: 0,
            bucket: 0,
            end: 0,
            entries: Vec::new(),
            chain: 0,
            filled: Vec::new(),
        };
        filler.next_bucket();
        Ok(filler)
    }

    fn depth(&self, bucket: u32) -> u32 {
        let round = depth_of(self.buckets);
        let half = 1u32 << (round - 1);
        if bucket >= half || bucket | half < self.buckets { round } else { round - 1 }
    }

    /// Goes on to the bucket whose codes begin at `next_code`.
    fn next_bucket(&mut self) {
        self.bucket = bucket_of(self.next_code, self.buckets);
        self.next_code += 1 << (hp::CODE_BITS - self.depth(self.bucket));
        self.end = self.next_code;
    }

    #[inline]
    fn add(&mut self, entry: Entry) -> Result<()> {
        while entry.code() >= self.end {
            self.write_bucket()?;
            self.next_bucket();
        }
        self.entries.extend_from_slice(&entry.to_bytes());
        // A bucket of very many equal keys need not be in memory at once.
        if self.entries.len() >= 512 * CAPACITY * ENTRY_BYTES {
            self.write_overflow_pages()?;
        }
        Ok(())
    }

    fn block_of(&self, bucket: u32) -> BlockNo {
        let group = group_of(bucket);
        self.starts[group.number] + (bucket - group.first)
    }

    /// Writes what is gathered above one page's worth to overflow pages, each before the one written last.
    fn write_overflow_pages(&mut self) -> Result<()> {
        let index = self.index;
        while self.entries.len() > CAPACITY * ENTRY_BYTES {
            let mut page = index.storage().pool().extend(index.rel(), Fork::Main, 1)?;
            let from = self.entries.len() - CAPACITY * ENTRY_BYTES;
            let depth = self.depth(self.bucket) as u8;
            hp::init(page.bytes_mut(), Kind::Overflow, self.bucket, depth, self.chain);
            hp::merge(page.bytes_mut(), &self.entries[from..]);
            self.entries.truncate(from);
            self.chain = page.block();
            self.push(page)?;
        }
        Ok(())
    }

    fn write_bucket(&mut self) -> Result<()> {
        self.write_overflow_pages()?;
        let index = self.index;
        let block = self.block_of(self.bucket);
        let mut page = index.storage().pool().write_replaced(index.page_id(block))?;
        let depth = self.depth(self.bucket) as u8;
        hp::init(page.bytes_mut(), Kind::Primary, self.bucket, depth, self.chain);
        hp::merge(page.bytes_mut(), &self.entries);
        self.entries.clear();
        self.chain = 0;
        self.push(page)
    }

    fn push(&mut self, page: PageMut<'a>) -> Result<()> {
        self.filled.push(page);
        if self.filled.len() >= BATCH { self.log_filled() } else { Ok(()) }
    }

    fn log_filled(&mut self) -> Result<()> {
        let mut pages: Vec<&mut PageMut<'a>> = self.filled.iter_mut().collect();
        if !pages.is_empty() {
            self.index.storage().log_full_page(None, &mut pages)?;
        }
        self.filled.clear();
        Ok(())
    }

    /// Writes what is left and names the buckets.
    fn finish(mut self, txn: &Transaction, entries: u64) -> Result<()> {
        loop {
            self.write_bucket()?;
            if self.next_code >> hp::CODE_BITS != 0 {
                break;
            }
            self.next_bucket();
        }
        self.log_filled()?;
        let index = self.index;
        let pool = index.storage().pool();
        let known = index.known();
        let mut old = [0, 1].map(|bucket| known.block_of(bucket));
        old.sort_unstable();
        let mut first = pool.write(index.page_id(old[0]))?;
        let mut second = pool.write(index.page_id(old[1]))?;
        let mut meta = pool.write(index.page_id(META_BLOCK))?;
        let mut payload = Vec::new();
        payload.w32(self.buckets).w64(entries);
        for start in &self.starts {
            payload.w32(*start);
        }
        let pages = &mut [&mut meta, &mut first, &mut second];
        index.storage().log_change(txn.xid(), kind(wal::BUILT), &payload, pages)?;
        known.take(&meta)?;
        known.entries.store(entries, Ordering::Relaxed);
        drop((meta, first, second));
        index.state().free_pages.lock().extend(old);
        let blocks = index.blocks()?;
        for from in (0..blocks).step_by(WRITE_BLOCKS as usize) {
            pool.write_behind(index.rel(), Fork::Main, from..blocks.min(from + WRITE_BLOCKS));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_buckets_are_whole_groups_near_powers_of_two() {
        for (entries, buckets) in [
            (0, 2),
            (1000, 2),
            (1001, 4),
            (3000, 8),
            (500 * 1025, 1280),
            (500 * 1281, 2048),
            (500 * 2049, 2560),
        ] {
            assert_eq!(buckets_for(entries, 500), buckets, "{entries}");
        }
    }
}
