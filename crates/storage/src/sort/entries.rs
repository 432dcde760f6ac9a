//! Entries of a B-tree on their way into it: gathered by the threads of a build, sorted by key and row, merged.
//!
//! Most keys are short: with its row such an entry fits into a word of 16 bytes ([`super::words`]), which sorts and merges at a fraction of what
//! following references costs.
//!
//! | bits of a word, from the highest | |
//! | --- | --- |
//! | 80 | key, filled up with zeros |
//! | 4 | its length |
//! | 43 | row ([`pack`]) |
//! | 1 | whether it counts for uniqueness |
//!
//! A thread that meets an entry with a longer key or with a payload makes runs of bytes from there on:
//!
//! | bytes | |
//! | --- | --- |
//! | 4 | length of the key |
//! | 4 | length of the payload |
//! | 8 | row ([`pack`]) × 2, plus 1 if it counts for uniqueness |
//! | | key, payload |

use super::tournament::Tournament;
use super::words::{self, RUN_BYTES_LEAST, WordMerge, WordReader, WordRun, WordRuns};
use crate::disk::Disk;
use crate::index::btree::posting::{SLOT_MAX, pack, unpack};
use crate::temp_file::TempFile;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result, Tid};
use std::cmp::Ordering;
use std::sync::Arc;

/// The longest key that fits into a word.
const SHORT_KEY_BYTES: usize = 10;
const KEY_SHIFT: u32 = 48;
const LENGTH_SHIFT: u32 = 44;
/// What stands before an entry's key.
const HEAD: usize = 16;
/// Bytes of a run, if the memory allows.
const RUN_BYTES: usize = 16 << 20;
/// Entries and bytes of a batch.
const BATCH_WORDS: usize = 8192;
const BATCH_BYTES: usize = 128 << 10;
/// Of what a run's keys have in common, what is known.
const COMMON_BYTES_MAX: usize = 255;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    pub key: &'a [u8],
    pub payload: &'a [u8],
    pub tid: Tid,
    /// The row is live and no key column is NULL: it counts for uniqueness.
    pub unique: bool,
}

fn word_of(e: &EntryRef<'_>) -> u128 {
    let mut key = [0; 16];
    key[..e.key.len()].copy_from_slice(e.key);
    let key = u128::from_be_bytes(key) >> KEY_SHIFT << KEY_SHIFT;
    key | (e.key.len() as u128) << LENGTH_SHIFT | row_of(e) as u128
}

fn row_of(e: &EntryRef<'_>) -> u64 {
    pack(e.tid) << 1 | u64::from(e.unique)
}

#[inline]
fn with_word<T>(word: u128, f: impl FnOnce(EntryRef<'_>) -> T) -> T {
    let key = word.to_be_bytes();
    let len = (word >> LENGTH_SHIFT) as usize & 0xf;
    let row = word as u64 & ((1 << LENGTH_SHIFT) - 1);
    f(EntryRef { key: &key[..len], payload: &[], tid: unpack(row >> 1), unique: row & 1 != 0 })
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn row_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at + 8..at + HEAD].try_into().expect("eight bytes"))
}

/// Bytes of the entry that begins here.
fn size_at(bytes: &[u8], at: usize) -> usize {
    HEAD + number(bytes, at) + number(bytes, at + 4)
}

fn entry_at(bytes: &[u8], at: usize) -> EntryRef<'_> {
    let (key, payload) = (number(bytes, at), number(bytes, at + 4));
    let row = row_at(bytes, at);
    let from = at + HEAD;
    EntryRef {
        key: &bytes[from..from + key],
        payload: &bytes[from + key..from + key + payload],
        tid: unpack(row >> 1),
        unique: row & 1 != 0,
    }
}

fn push_entry(e: &EntryRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(e.key.len() as u32).to_le_bytes());
    out.extend_from_slice(&(e.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&row_of(e).to_le_bytes());
    out.extend_from_slice(e.key);
    out.extend_from_slice(e.payload);
}

/// The eight bytes of a key from `skip` on, filled up with zeros.
#[inline]
fn prefix_of(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(first)
        }
    }
}

fn common_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// An entry of a run being sorted.
struct Place {
    prefix: u64,
    at: u32,
    key_len: u32,
}

/// Sorted entries.
enum Run {
    Words(WordRun),
    Bytes { entries: Bytes, common: Vec<u8> },
}

enum Bytes {
    Memory(Vec<u8>, Reservation),
    File(TempFile),
}

/// Entries that one thread gathers.
pub struct EntryRuns {
    disk: Arc<dyn Disk>,
    memory_bytes: usize,
    /// None once an entry didn't fit.
    words: Option<WordRuns>,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// What the keys in `bytes` have in common.
    common: Vec<u8>,
    runs: Vec<Run>,
    kept_bytes: usize,
    count: u64,
    /// For the run under way.
    reservation: Reservation,
}

impl EntryRuns {
    /// None yet; about `memory_bytes` are used before runs go to files.
    pub fn new(disk: Arc<dyn Disk>, memory_bytes: usize) -> EntryRuns {
        let memory_bytes = memory_bytes.max(64 << 10);
        EntryRuns {
            words: Some(WordRuns::new(disk.clone(), memory_bytes)),
            disk,
            memory_bytes,
            bytes: Vec::new(),
            places: Vec::new(),
            common: Vec::new(),
            runs: Vec::new(),
            kept_bytes: 0,
            count: 0,
            reservation: Reservation::default(),
        }
    }

    /// Entries added so far.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: EntryRef<'_>) -> Result<()> {
        if entry.tid.slot > SLOT_MAX {
            return Err(Error::internal(format!("no heap page has a slot {}", entry.tid.slot)));
        }
        self.count += 1;
        if let Some(words) = &mut self.words {
            if entry.key.len() <= SHORT_KEY_BYTES && entry.payload.is_empty() {
                return words.push(word_of(&entry));
            }
            if let Some(words) = self.words.take() {
                let runs = words.finish()?;
                self.kept_bytes += runs.iter().map(WordRun::bytes).sum::<usize>();
                self.runs.extend(runs.into_iter().map(Run::Words));
            }
        }
        let size = HEAD + entry.key.len() + entry.payload.len();
        if self.places.len() == self.places.capacity() || self.bytes.len() + size > self.bytes.capacity() {
            self.make_room(size)?;
        }
        match self.places.is_empty() {
            true => {
                let known = entry.key.len().min(COMMON_BYTES_MAX);
                self.common.extend_from_slice(&entry.key[..known]);
            }
            false => {
                let same = common_len(&self.common, entry.key);
                self.common.truncate(same);
            }
        }
        let at =
            u32::try_from(self.bytes.len()).map_err(|_| Error::internal("an index entry is too long"))?;
        self.places.push(Place { prefix: 0, at, key_len: entry.key.len() as u32 });
        push_entry(&entry, &mut self.bytes);
        Ok(())
    }

    /// Ends a run that is full, or counts what the next entries will take.
    #[cold]
    fn make_room(&mut self, size: usize) -> Result<()> {
        let left = (self.reservation.allowance(self.memory_bytes) / 4).max(RUN_BYTES_LEAST);
        let full = RUN_BYTES.min(self.memory_bytes / 4).min(left);
        if self.bytes.len() + size > full && !self.places.is_empty() {
            self.end_run()?;
            self.bytes.reserve_exact(full.max(size));
        } else {
            let more =
                self.bytes.len().max(size).max(4096).min(full.saturating_sub(self.bytes.len()).max(size));
            self.bytes.reserve_exact(more);
        }
        self.places.reserve(1);
        self.count_memory();
        Ok(())
    }

    /// Whether the run under way may stay in memory.
    fn count_memory(&mut self) -> bool {
        self.reservation.may_hold(self.bytes.capacity() + self.places.capacity() * size_of::<Place>())
    }

    /// Sorts what has been gathered.
    fn end_run(&mut self) -> Result<()> {
        if self.places.is_empty() {
            return Ok(());
        }
        let (bytes, skip) = (&self.bytes, self.common.len());
        let key = |p: &Place| {
            let from = p.at as usize + HEAD;
            &bytes[from..from + p.key_len as usize]
        };
        for p in &mut self.places {
            p.prefix = prefix_of(key(p), skip);
        }
        let whole = skip as u32 + 8;
        self.places.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| match a.key_len.max(b.key_len) <= whole {
                    // Of two that are alike but for zeros at the end, the shorter comes first.
                    true => a.key_len.cmp(&b.key_len),
                    false => key(a)[skip..].cmp(&key(b)[skip..]),
                })
                .then_with(|| row_at(bytes, a.at as usize).cmp(&row_at(bytes, b.at as usize)))
        });
        let mut sorted = Vec::with_capacity(bytes.len());
        for p in &self.places {
            let at = p.at as usize;
            sorted.extend_from_slice(&bytes[at..at + size_at(bytes, at)]);
        }
        let mut kept = Reservation::default();
        let may_hold = kept.may_hold(sorted.len());
        let too_much = self.kept_bytes > 0 && self.kept_bytes + sorted.len() * 3 > self.memory_bytes;
        let entries =
            if too_much || !may_hold && sorted.len() >= RUN_BYTES_LEAST.min(self.memory_bytes / 4) / 2 {
                let mut file = TempFile::create(&self.disk)?;
                file.append(&sorted)?;
                Bytes::File(file)
            } else {
                self.kept_bytes += sorted.len();
                Bytes::Memory(sorted, kept)
            };
        self.runs.push(Run::Bytes { entries, common: std::mem::take(&mut self.common) });
        self.bytes.clear();
        self.places.clear();
        Ok(())
    }

    /// Sorts what is left. To be called by the thread that gathered.
    pub fn end(&mut self) -> Result<()> {
        if let Some(words) = &mut self.words {
            words.end_run()?;
        }
        self.end_run()?;
        (self.bytes, self.places) = (Vec::new(), Vec::new());
        self.reservation.holds(0);
        Ok(())
    }

    fn into_runs(mut self) -> Result<Vec<Run>> {
        self.end()?;
        let words = self.words.map_or(Ok(vec![]), WordRuns::finish)?;
        Ok(words.into_iter().map(Run::Words).chain(self.runs).collect())
    }
}

/// A run of bytes being read, or one of words, as bytes.
struct Reader {
    bytes: Vec<u8>,
    /// The current entry.
    at: usize,
    rest: Rest,
    read_bytes: usize,
    reservation: Reservation,
}

enum Rest {
    None,
    File(TempFile, u64),
    Words(WordReader),
}

impl Reader {
    fn new(run: Run, read_bytes: usize) -> Reader {
        let mut reservation = Reservation::default();
        let (bytes, rest) = match run {
            Run::Bytes { entries: Bytes::Memory(bytes, kept), .. } => {
                reservation = kept;
                (bytes, Rest::None)
            }
            Run::Bytes { entries: Bytes::File(file), .. } => {
                reservation.holds_exactly(read_bytes);
                (Vec::new(), Rest::File(file, 0))
            }
            Run::Words(run) => (Vec::new(), Rest::Words(WordReader::new(run, read_bytes))),
        };
        Reader { bytes, at: 0, rest, read_bytes, reservation }
    }

    /// Has the entry at `at`, if there is one, in memory.
    #[inline]
    fn load(&mut self) -> Result<bool> {
        match &mut self.rest {
            Rest::None if self.at < self.bytes.len() => Ok(true),
            Rest::None => {
                self.bytes = Vec::new();
                self.reservation.holds(0);
                self.at = 0;
                Ok(false)
            }
            Rest::File(..) => {
                if !self.need(HEAD)? {
                    return Ok(false);
                }
                let size = size_at(&self.bytes, self.at);
                if !self.need(size)? {
                    return Err(Error::corrupted("temporary file is too short"));
                }
                Ok(true)
            }
            Rest::Words(words) => {
                let word = words.next()?;
                self.bytes.clear();
                self.at = 0;
                if word != words::END {
                    with_word(word, |e| push_entry(&e, &mut self.bytes));
                }
                Ok(word != words::END)
            }
        }
    }

    /// Has so many bytes from `at` on in memory; false: the file ends before.
    fn need(&mut self, size: usize) -> Result<bool> {
        let have = self.bytes.len() - self.at;
        if have >= size {
            return Ok(true);
        }
        let Rest::File(file, from) = &mut self.rest else { return Ok(false) };
        self.bytes.drain(..self.at);
        self.at = 0;
        let left = (file.len() - *from) as usize;
        let more = (size - have).max(self.read_bytes).min(left);
        self.bytes.resize(have + more, 0);
        file.read_exact(&mut self.bytes[have..], *from)?;
        *from += more as u64;
        Ok(self.bytes.len() >= size)
    }

    fn next(&mut self) -> Result<bool> {
        self.at += size_at(&self.bytes, self.at);
        self.load()
    }

    fn key(&self) -> &[u8] {
        let from = self.at + HEAD;
        &self.bytes[from..from + number(&self.bytes, self.at)]
    }
}

/// What a source's current entry begins with; none: it is at its end.
type Head = Option<u64>;

/// Entries in order, some of them.
pub(super) enum EntryBatch {
    Words(Vec<u128>),
    Bytes(Vec<u8>),
}

impl EntryBatch {
    pub fn is_empty(&self) -> bool {
        match self {
            EntryBatch::Words(words) => words.is_empty(),
            EntryBatch::Bytes(bytes) => bytes.is_empty(),
        }
    }

    pub fn for_each(&self, f: &mut dyn FnMut(EntryRef<'_>) -> Result<()>) -> Result<()> {
        match self {
            EntryBatch::Words(words) => words.iter().try_for_each(|w| with_word(*w, &mut *f)),
            EntryBatch::Bytes(bytes) => {
                let mut at = 0;
                while at < bytes.len() {
                    f(entry_at(bytes, at))?;
                    at += size_at(bytes, at);
                }
                Ok(())
            }
        }
    }
}

/// All entries in order.
pub(super) struct EntryMerge(Source);

enum Source {
    Words(WordMerge),
    Bytes { readers: Vec<Reader>, heads: Option<Tournament<Head>>, skip: usize },
}

impl EntryMerge {
    /// Of what several threads gathered; files are read through about `memory_bytes`.
    pub fn new(threads: Vec<EntryRuns>, memory_bytes: usize) -> Result<EntryMerge> {
        let mut runs = Vec::new();
        for thread in threads {
            runs.extend(thread.into_runs()?);
        }
        if runs.iter().all(|run| matches!(run, Run::Words(_))) {
            let words = runs.into_iter().filter_map(|run| match run {
                Run::Words(run) => Some(run),
                Run::Bytes { .. } => None,
            });
            return Ok(EntryMerge(Source::Words(WordMerge::new(words.collect(), memory_bytes)?)));
        }
        let common = |run: &Run| match run {
            Run::Words(_) => vec![],
            Run::Bytes { common, .. } => common.clone(),
        };
        let all = runs.iter().map(common).reduce(|a, b| a[..common_len(&a, &b)].to_vec());
        let skip = all.map_or(0, |c| c.len());
        let read = words::read_bytes(memory_bytes, runs.len());
        let mut readers: Vec<Reader> = runs.into_iter().map(|run| Reader::new(run, read)).collect();
        let mut heads = Vec::with_capacity(readers.len());
        for r in &mut readers {
            heads.push(if r.load()? { Some(prefix_of(r.key(), skip)) } else { None });
        }
        let heads = Tournament::new(&heads, &mut |a, b| is_less(&readers, skip, a, b));
        Ok(EntryMerge(Source::Bytes { readers, heads, skip }))
    }

    /// The next ones; empty at the end.
    pub fn next_batch(&mut self) -> Result<EntryBatch> {
        match &mut self.0 {
            Source::Words(merge) => {
                let mut out = Vec::with_capacity(BATCH_WORDS);
                merge.next_batch(BATCH_WORDS, &mut out)?;
                Ok(EntryBatch::Words(out))
            }
            Source::Bytes { readers, heads, skip } => {
                let mut out = Vec::with_capacity(BATCH_BYTES + BATCH_BYTES / 4);
                let Some(heads) = heads else { return Ok(EntryBatch::Bytes(out)) };
                while out.len() < BATCH_BYTES {
                    let (Some(_), source) = heads.top() else { break };
                    let r = &mut readers[source as usize];
                    out.extend_from_slice(&r.bytes[r.at..r.at + size_at(&r.bytes, r.at)]);
                    let next = if r.next()? { Some(prefix_of(r.key(), *skip)) } else { None };
                    heads.replace_top(next, &mut |a, b| is_less(readers, *skip, a, b));
                }
                Ok(EntryBatch::Bytes(out))
            }
        }
    }
}

/// Whether the current entry of one source comes before another's.
#[inline]
fn is_less(readers: &[Reader], skip: usize, a: &(Head, u32), b: &(Head, u32)) -> bool {
    let (Some(x), Some(y)) = (a.0, b.0) else { return a.0.is_some() };
    let order = x.cmp(&y).then_with(|| {
        let (a, b) = (&readers[a.1 as usize], &readers[b.1 as usize]);
        let tail = |r: &Reader| -> std::ops::Range<usize> {
            let end = r.at + HEAD + number(&r.bytes, r.at);
            (r.at + HEAD + skip).min(end)..end
        };
        let order = a.bytes[tail(a)].cmp(&b.bytes[tail(b)]);
        order.then_with(|| row_at(&a.bytes, a.at).cmp(&row_at(&b.bytes, b.at)))
    });
    order == Ordering::Less
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    /// Keys of a kind, and whether they have payloads.
    fn check(memory: usize, threads: usize, key: impl Fn(u64) -> Vec<u8>, payload: bool) {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let mut x = 11u64;
        let mut runs: Vec<EntryRuns> = (0..threads).map(|_| EntryRuns::new(disk.clone(), memory)).collect();
        let mut expected = Vec::new();
        for row in 0..20_000u32 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = key(x >> 33);
            let payload = if payload { row.to_le_bytes().to_vec() } else { vec![] };
            let tid = Tid { block: row / 50, slot: (row % 50 + 1) as u16 };
            let unique = row % 3 == 0;
            let entry = EntryRef { key: &key, payload: &payload, tid, unique };
            runs[(row / 1000) as usize % threads].push(entry).expect("pushed");
            expected.push((key, tid, payload, unique));
        }
        expected.sort();
        let mut merge = EntryMerge::new(runs, memory).expect("begun");
        let mut got = Vec::new();
        loop {
            let batch = merge.next_batch().expect("merged");
            if batch.is_empty() {
                break;
            }
            batch
                .for_each(&mut |e| {
                    got.push((e.key.to_vec(), e.tid, e.payload.to_vec(), e.unique));
                    Ok(())
                })
                .expect("read");
        }
        assert!(got == expected);
    }

    #[test]
    fn entries_come_in_order() {
        for (memory, threads) in [(64 << 10, 1), (64 << 10, 3), (64 << 20, 1), (64 << 20, 3)] {
            check(memory, threads, |x| x.to_be_bytes()[3..].to_vec(), false);
            check(memory, threads, |x| x.to_be_bytes()[..(x % 9) as usize].to_vec(), false);
            check(memory, threads, |x| (x % 100).to_be_bytes().to_vec(), true);
            check(memory, threads, |x| format!("key number {}", x % 5000).into_bytes(), false);
            check(memory, threads, |x| vec![0; (x % 40) as usize], false);
            // Long ones among short ones.
            let mixed =
                |x: u64| if x.is_multiple_of(500) { vec![b'5'; 30] } else { x.to_string().into_bytes() };
            check(memory, threads, mixed, false);
            check(memory, threads, |x| [vec![7; 300], x.to_be_bytes().to_vec()].concat(), true);
        }
    }
}
