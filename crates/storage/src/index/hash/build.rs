//! Building an index from all its entries at once: sorted by code they come bucket by bucket, so every page is written once.
//!
//! Entries gather as words, in runs that are sorted and at the end merged ([`crate::sort::words`]).
//! The number of buckets follows from that of the entries. Pages are logged whole; the meta page names them last.

use super::meta::{self, bucket_of, depth_of, group_of};
use super::page::{self as hp, CAPACITY, ENTRY_BYTES, Entry, Kind};
use super::{HashIndex, META_BLOCK, code_of, kind, wal};
use crate::buffer::PageMut;
use crate::page::slotted::PayloadWriter;
use crate::sort::words::{WordMerge, WordRuns};
use crate::txn::Transaction;
use crate::{Fork, Storage};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Pages that are logged together.
const BATCH: usize = 8;
/// Pages that the page writer is told of at once.
const WRITE_BLOCKS: BlockNo = 64;
/// Entries merged between two notes of progress.
const BATCH_ENTRIES: usize = 8192;

/// Gathers entries of a new index, those that one thread makes.
pub struct HashBuilder {
    words: WordRuns,
    memory_bytes: usize,
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
        HashBuilder { words: WordRuns::new(storage.disk().clone(), memory_bytes), memory_bytes }
    }

    /// Adds an entry.
    pub fn add(&mut self, key: &[u8], tid: Tid) -> Result<()> {
        if !hp::is_indexable(tid) {
            return Err(Error::internal(format!("row {tid} can't be indexed")));
        }
        self.words.push(Entry::new(code_of(key), tid).to_word())
    }

    /// Sorts what is left. To be called by the thread that gathered.
    pub fn end(&mut self) -> Result<()> {
        self.words.end_run()
    }

    /// Entries added so far.
    pub fn len(&self) -> u64 {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills an empty index, which nobody else uses yet. `progress` gets the number of entries done so far.
    pub fn finish(
        self,
        index: &HashIndex,
        txn: &Transaction,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<HashBuilt> {
        HashBuilder::finish_all(vec![self], index, txn, progress)
    }

    /// The same with what several threads have gathered.
    pub fn finish_all(
        threads: Vec<HashBuilder>,
        index: &HashIndex,
        txn: &Transaction,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<HashBuilt> {
        index.refresh()?;
        let entries = threads.iter().map(HashBuilder::len).sum();
        let memory = threads.iter().map(|t| t.memory_bytes).sum();
        let buckets = buckets_for(entries, index.known().target());
        let mut runs = Vec::new();
        for thread in threads {
            runs.extend(thread.words.finish()?);
        }
        let mut merge = WordMerge::new(runs, memory)?;
        let mut filler = Filler::new(index, buckets)?;
        let mut done = 0;
        let mut batch = Vec::with_capacity(BATCH_ENTRIES);
        loop {
            batch.clear();
            merge.next_batch(BATCH_ENTRIES, &mut batch)?;
            if batch.is_empty() {
                break;
            }
            for word in &batch {
                filler.add(Entry::from_word(*word))?;
            }
            done += batch.len() as u64;
            progress(done)?;
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
