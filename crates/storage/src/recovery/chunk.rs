//! A stretch of the log with what it changes, page by page.

use crate::disk::Mapping;
use crate::ids::{Fork, PageId, RelId};
use crate::wal::record::{HEADER, PAGES_MAX, RecordView, plausible_length};
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;
use quarry_common::{Lsn, Xid};

/// Neighbours that are in one partition.
pub(super) const STRIPE_BLOCKS: u64 = 128;
/// Parts that pages are divided into. One thread brings the pages of a partition forward; what changes them is little enough to be
/// sorted in a core's cache.
pub(super) const PARTITIONS: usize = 256;
/// Of so many pages one is remembered, to know about how many there are.
const SAMPLED: u32 = 64;

/// One record's part in one page; small, for there are millions. The order is that of pages, then of the log.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    block: u32,
    /// Where the record is, in units of 8 bytes.
    pub at: u32,
    /// Number of the fork, which of the record's pages it is, and whether that is replaced.
    rest: u32,
}

impl Change {
    /// Forks that can be told apart.
    pub const FORKS_MAX: u32 = 1 << 24;
    const WHOLE: u32 = 1 << 7;

    pub fn new(fork: u32, block: u32, at: u32, index: usize, whole: bool) -> Change {
        const { assert!(PAGES_MAX < 1 << 7) };
        Change { block, at, rest: fork << 8 | index as u32 | if whole { Change::WHOLE } else { 0 } }
    }

    /// Number of the fork, block.
    #[inline]
    pub fn page(&self) -> u64 {
        u64::from(self.rest >> 8) << 32 | u64::from(self.block)
    }

    /// Which of the record's pages.
    #[inline]
    pub fn index(&self) -> usize {
        (self.rest & (Change::WHOLE - 1)) as usize
    }

    /// Whether the page is replaced.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.rest & Change::WHOLE != 0
    }

    /// Number of the fork, and of the stripe in it.
    #[inline]
    pub fn stripe(&self) -> u64 {
        self.page() / STRIPE_BLOCKS
    }

    #[inline]
    fn partition(&self) -> usize {
        let stripe = self.block / STRIPE_BLOCKS as u32;
        // Forks begin at different partitions: most are small.
        (self.rest >> 8).wrapping_add(stripe) as usize % PARTITIONS
    }

    /// Whether its page is one of those that stand for [`SAMPLED`]: neighbours are spread evenly.
    #[inline]
    fn is_sampled(&self) -> bool {
        self.page().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SAMPLED.ilog2()) == 0
    }
}

/// A record with effects besides those on pages.
#[derive(Clone, Copy)]
pub(super) struct Effect {
    pub at: u32,
    /// On files too: what comes before it must be in them.
    pub moves_files: bool,
}

/// Where a chunk's records are read.
pub(super) enum ChunkBytes {
    None,
    Mapped(Mapping),
    Read(Vec<u8>),
}

/// See the module.
pub(super) struct Chunk {
    /// The part of the log that it is; records are a chunk's if they begin in it.
    pub from: Lsn,
    pub to: Lsn,
    pub first: Option<Lsn>,
    /// Where its last record ends.
    pub end: Lsn,
    /// Whether its records go on to its end.
    pub complete: bool,
    pub first_epoch: u32,
    pub last_epoch: u32,
    pub records: u64,
    pub max_xid: Xid,
    /// Whether what follows is filled in.
    pub noted: bool,
    /// By partition, in the order of the log.
    changes: Box<[Change]>,
    /// Where each partition's changes end.
    ends: Vec<u32>,
    /// Pages that stand for others, see [`pages`].
    sampled: Vec<u64>,
    pub effects: Vec<Effect>,
    pub bytes: ChunkBytes,
    /// A record that goes on behind the chunk.
    pub last: Option<(Lsn, Box<[u8]>)>,
}

impl Chunk {
    /// One without records.
    pub fn new(from: Lsn, to: Lsn, noted: bool) -> Chunk {
        Chunk {
            from,
            to,
            first: None,
            end: from,
            complete: false,
            first_epoch: 0,
            last_epoch: 0,
            records: 0,
            max_xid: Xid(0),
            noted,
            changes: Box::default(),
            ends: vec![0; PARTITIONS],
            sampled: vec![],
            effects: vec![],
            bytes: ChunkBytes::None,
            last: None,
        }
    }

    /// Memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        let bytes = match &self.bytes {
            ChunkBytes::Read(bytes) => bytes.len(),
            ChunkBytes::None | ChunkBytes::Mapped(_) => 0,
        };
        size_of_val(&*self.changes) + self.effects.capacity() * size_of::<Effect>() + bytes
    }

    /// What it changes in a partition, in the order of the log.
    pub fn changes(&self, partition: usize) -> &[Change] {
        let begin = partition.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.changes[begin as usize..self.ends[partition] as usize]
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            ChunkBytes::None => &[],
            ChunkBytes::Mapped(mapping) => mapping,
            ChunkBytes::Read(bytes) => bytes,
        }
    }

    /// The record at `lsn`, verified before; none if it can't be read again.
    pub fn record(&self, lsn: Lsn) -> Option<RecordView<'_>> {
        if let Some((last, raw)) = &self.last
            && *last == lsn
        {
            return RecordView::known(lsn, raw);
        }
        let bytes = self.bytes().get((lsn.0 - self.from.0) as usize..)?;
        let len = plausible_length(bytes.get(..HEADER)?)?;
        RecordView::known(lsn, bytes.get(..len)?)
    }

    /// Asks the processor for a record: sorted by page they lie all over the log.
    #[inline]
    pub fn prefetch(&self, lsn: Lsn) {
        #[cfg(target_arch = "x86_64")]
        if let Some(record) = self.bytes().get((lsn.0 - self.from.0) as usize..) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // Length, header, reference, and the begin of the payload.
            for line in record.chunks(64).take(3) {
                // SAFETY: a prefetch reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = lsn;
    }
}

/// About how many pages the changes of these chunks are of.
pub(super) fn pages(chunks: &[Chunk]) -> usize {
    let sampled: HashSet<u64> = chunks.iter().flat_map(|chunk| &chunk.sampled).copied().collect();
    sampled.len() * SAMPLED as usize
}

/// Where a thread notes a chunk's changes: memory that it uses again for the next.
pub(super) struct Notes {
    changes: Vec<Vec<Change>>,
    sampled: HashSet<u64>,
}

impl Notes {
    pub fn new() -> Notes {
        Notes { changes: vec![vec![]; PARTITIONS], sampled: HashSet::new() }
    }

    #[inline]
    pub fn add(&mut self, change: Change) {
        if change.is_sampled() {
            self.sampled.insert(change.page());
        }
        self.changes[change.partition()].push(change);
    }

    /// Puts what was noted into its chunk.
    pub fn move_into(&mut self, chunk: &mut Chunk) {
        let mut all = Vec::with_capacity(self.changes.iter().map(Vec::len).sum());
        for (notes, end) in self.changes.iter_mut().zip(&mut chunk.ends) {
            all.append(notes);
            *end = all.len() as u32;
        }
        chunk.changes = all.into();
        chunk.sampled = self.sampled.drain().collect();
    }
}

/// Which fork of which relation.
type ForkName = (RelId, Fork);

/// Numbers for the forks that occur in the log.
#[derive(Default)]
pub(super) struct Forks(RwLock<(HashMap<ForkName, u32>, Vec<ForkName>)>);

impl Forks {
    /// The page of a change.
    pub fn page(&self, page: u64) -> PageId {
        let (rel, fork) = self.0.read().1[(page >> 32) as usize];
        PageId::new(rel, fork, page as u32)
    }

    /// One thread's way to the numbers.
    pub fn names(&self) -> ForkNames<'_> {
        ForkNames { forks: self, known: HashMap::new(), last: [None; LAST] }
    }
}

/// Forks that are found without looking for them: a table and its indexes alternate in the log.
const LAST: usize = 8;

/// See [`Forks::names`].
pub(super) struct ForkNames<'a> {
    forks: &'a Forks,
    known: HashMap<ForkName, u32>,
    last: [Option<(ForkName, u32)>; LAST],
}

impl ForkNames<'_> {
    /// The number of a fork; none if there are too many of them.
    #[inline]
    pub fn number(&mut self, name: ForkName) -> Option<u32> {
        let place = (name.0.rel as usize + name.1 as usize) % LAST;
        if let Some((last, number)) = self.last[place]
            && last == name
        {
            return Some(number);
        }
        let number = *self.known.entry(name).or_insert_with(|| {
            let mut all = self.forks.0.write();
            let next = all.1.len() as u32;
            let number = *all.0.entry(name).or_insert(next);
            if number == next {
                all.1.push(name);
            }
            number
        });
        self.last[place] = Some((name, number));
        (number < Change::FORKS_MAX).then_some(number)
    }
}
