//! Sorting entries that fit into a word of 16 bytes: a run at a time in memory, merged at the end.
//!
//! Each thread of a build gathers words of its own; runs that don't fit into its memory go to temporary files.

use super::tournament::Tournament;
use crate::disk::Disk;
use crate::temp_file::TempFile;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use std::sync::Arc;

const WORD: usize = size_of::<u128>();
/// Bytes of a run, if the memory allows: what the processor's cache may hold while it is sorted.
const RUN_BYTES: usize = 8 << 20;
/// A run has no less, however little of the server's memory is left, if its own allows: each may become a file, and all are merged at once.
pub(crate) const RUN_BYTES_LEAST: usize = 2 << 20;
/// Passes of a radix sort that are cheaper than comparing.
const PASSES_MAX: usize = 6;
/// Words up to which comparing is cheaper whatever they are.
const FEW: usize = 256;
/// Bytes read from a file at once.
const READ_BYTES: usize = 128 << 10;
const READ_BYTES_MIN: usize = 8 << 10;

/// No word: above all that there are.
pub(crate) const END: u128 = u128::MAX;

/// Words that one thread gathers.
pub(crate) struct WordRuns {
    disk: Arc<dyn Disk>,
    memory_bytes: usize,
    words: Vec<u128>,
    scratch: Vec<u128>,
    runs: Vec<WordRun>,
    kept_bytes: usize,
    count: u64,
    /// For the run under way.
    reservation: Reservation,
}

/// Sorted words.
pub(crate) enum WordRun {
    Memory(Vec<u128>, Reservation),
    File(TempFile),
}

impl WordRun {
    /// What it takes of the memory.
    pub fn bytes(&self) -> usize {
        match self {
            WordRun::Memory(words, _) => words.len() * WORD,
            WordRun::File(_) => 0,
        }
    }
}

impl WordRuns {
    /// None yet; about `memory_bytes` are used before runs go to files.
    pub fn new(disk: Arc<dyn Disk>, memory_bytes: usize) -> WordRuns {
        let (words, scratch, runs) = (Vec::new(), Vec::new(), Vec::new());
        let reservation = Reservation::default();
        WordRuns { disk, memory_bytes, words, scratch, runs, kept_bytes: 0, count: 0, reservation }
    }

    fn run_words(&self) -> usize {
        let left = (self.reservation.allowance(self.memory_bytes) / 4).max(RUN_BYTES_LEAST);
        RUN_BYTES.min(self.memory_bytes / 4).min(left).max(4096) / WORD
    }

    /// Whether the run under way may stay in memory.
    fn count_memory(&mut self) -> bool {
        self.reservation.may_hold((self.words.capacity() + self.scratch.capacity()) * WORD)
    }

    /// Words added so far.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Adds a word, which is not [`END`].
    #[inline]
    pub fn push(&mut self, word: u128) -> Result<()> {
        if self.words.len() == self.words.capacity() {
            self.make_room()?;
        }
        self.words.push(word);
        self.count += 1;
        Ok(())
    }

    #[cold]
    fn make_room(&mut self) -> Result<()> {
        let full = self.run_words();
        if self.words.len() >= full {
            self.end_run()?;
            self.words.reserve_exact(full);
        } else {
            let more = self.words.len().max(512).min(full - self.words.len());
            self.words.reserve_exact(more);
        }
        self.count_memory();
        Ok(())
    }

    /// Sorts what has been gathered.
    pub fn end_run(&mut self) -> Result<()> {
        if self.words.is_empty() {
            return Ok(());
        }
        sort(&mut self.words, &mut self.scratch);
        let bytes = self.words.len() * WORD;
        let may_hold = self.count_memory();
        let too_much = self.kept_bytes > 0 && self.kept_bytes + bytes * 3 > self.memory_bytes;
        let run = if too_much || !may_hold && bytes >= RUN_BYTES_LEAST.min(self.memory_bytes / 4) {
            let mut file = TempFile::create(&self.disk)?;
            let mut out = Vec::with_capacity(READ_BYTES);
            for part in self.words.chunks(READ_BYTES / WORD) {
                out.clear();
                part.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
                file.append(&out)?;
            }
            self.words.clear();
            WordRun::File(file)
        } else {
            self.kept_bytes += bytes;
            let mut kept = Reservation::default();
            kept.holds(self.words.capacity() * WORD);
            WordRun::Memory(std::mem::take(&mut self.words), kept)
        };
        self.count_memory();
        self.runs.push(run);
        Ok(())
    }

    /// All that were gathered, as sorted runs.
    pub fn finish(mut self) -> Result<Vec<WordRun>> {
        self.end_run()?;
        Ok(self.runs)
    }
}

/// Sorts words: by the bytes in which they differ, if these are few.
fn sort(words: &mut Vec<u128>, scratch: &mut Vec<u128>) {
    let Some(first) = words.first().copied() else { return };
    let differ = words.iter().fold(0, |d, w| d | (w ^ first));
    let places: Vec<u32> = (0..128).step_by(8).filter(|at| differ >> at & 0xff != 0).collect();
    if words.len() <= FEW || words.is_sorted() {
        return words.sort_unstable();
    }
    // Most bytes of rows' places differ, but they rise already: what is sorted by the bytes above is by them, too.
    let rising = words.iter().map(|w| w & LOW).is_sorted();
    let places: Vec<u32> = places.into_iter().filter(|at| !rising || *at >= LOW_BITS).collect();
    if places.len() > PASSES_MAX {
        return words.sort_unstable();
    }
    scratch.clear();
    scratch.resize(words.len(), 0);
    for at in places {
        let mut counts = [0usize; 256];
        words.iter().for_each(|w| counts[(w >> at) as usize & 0xff] += 1);
        let mut sum = 0;
        for c in &mut counts {
            sum += std::mem::replace(c, sum);
        }
        for w in words.iter() {
            let place = &mut counts[(w >> at) as usize & 0xff];
            scratch[*place] = *w;
            *place += 1;
        }
        std::mem::swap(words, scratch);
    }
}

/// The bits of a word that hold a row's place, in entries of indexes.
const LOW_BITS: u32 = 40;
const LOW: u128 = (1 << LOW_BITS) - 1;

/// A run being read.
pub(super) struct WordReader {
    words: Vec<u128>,
    at: usize,
    file: Option<(TempFile, u64)>,
    read_bytes: usize,
    reservation: Reservation,
}

impl WordReader {
    pub fn new(run: WordRun, read_bytes: usize) -> WordReader {
        match run {
            WordRun::Memory(words, reservation) => {
                WordReader { words, at: 0, file: None, read_bytes, reservation }
            }
            WordRun::File(file) => {
                let mut reservation = Reservation::default();
                reservation.holds_exactly(read_bytes);
                WordReader { words: Vec::new(), at: 0, file: Some((file, 0)), read_bytes, reservation }
            }
        }
    }

    /// The next word; [`END`] at the end.
    #[inline]
    pub fn next(&mut self) -> Result<u128> {
        match self.words.get(self.at) {
            Some(word) => {
                self.at += 1;
                Ok(*word)
            }
            None => self.refill(),
        }
    }

    #[cold]
    fn refill(&mut self) -> Result<u128> {
        let Some((file, from)) = &mut self.file else {
            // Its memory is of use to others.
            self.words = Vec::new();
            self.reservation.holds(0);
            self.at = 0;
            return Ok(END);
        };
        let bytes = (file.len() - *from).min(self.read_bytes as u64) as usize;
        if bytes == 0 {
            return Ok(END);
        }
        let mut buffer = vec![0; bytes];
        file.read_exact(&mut buffer, *from)?;
        *from += bytes as u64;
        self.words.clear();
        self.words.extend(buffer.as_chunks::<WORD>().0.iter().map(|w| u128::from_le_bytes(*w)));
        self.at = 1;
        Ok(self.words.first().copied().unwrap_or(END))
    }
}

/// What each of so many runs may read at once.
pub(super) fn read_bytes(memory_bytes: usize, runs: usize) -> usize {
    (memory_bytes / runs.max(1)).clamp(READ_BYTES_MIN, READ_BYTES) / WORD * WORD
}

/// Words of several runs in order.
pub(crate) struct WordMerge {
    readers: Vec<WordReader>,
    heads: Option<Tournament<u128>>,
}

#[inline]
fn less(a: &(u128, u32), b: &(u128, u32)) -> bool {
    a.0 < b.0
}

impl WordMerge {
    /// Of these runs; files are read through about `memory_bytes`.
    pub fn new(runs: Vec<WordRun>, memory_bytes: usize) -> Result<WordMerge> {
        let read = read_bytes(memory_bytes, runs.len());
        let mut readers: Vec<WordReader> = runs.into_iter().map(|run| WordReader::new(run, read)).collect();
        let heads = readers.iter_mut().map(WordReader::next).collect::<Result<Vec<u128>>>()?;
        Ok(WordMerge { readers, heads: Tournament::new(&heads, &mut less) })
    }

    /// Appends up to `max` words; none are left if it appends none.
    pub fn next_batch(&mut self, max: usize, out: &mut Vec<u128>) -> Result<()> {
        let Some(heads) = &mut self.heads else { return Ok(()) };
        for _ in 0..max {
            let (word, source) = heads.top();
            if word == END {
                break;
            }
            out.push(word);
            heads.replace_top(self.readers[source as usize].next()?, &mut less);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    #[test]
    fn words_come_in_order() {
        let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
        let mut x = 3u128;
        for (memory, files, shift) in [(64 << 10, true, 0), (64 << 20, false, 0), (64 << 20, false, 90)] {
            let mut all = Vec::new();
            let mut runs = Vec::new();
            for _ in 0..2 {
                let mut thread = WordRuns::new(disk.clone(), memory);
                for i in 0..30_000u128 {
                    x = x.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
                    let word = x >> 64 << 48 >> shift << 44 | i;
                    all.push(word);
                    thread.push(word).expect("pushed");
                }
                assert_eq!(thread.len(), 30_000);
                runs.extend(thread.finish().expect("finished"));
            }
            assert_eq!(runs.iter().any(|r| matches!(r, WordRun::File(_))), files);
            all.sort_unstable();
            let mut merge = WordMerge::new(runs, memory).expect("begun");
            let mut got = Vec::new();
            loop {
                let before = got.len();
                merge.next_batch(1000, &mut got).expect("merged");
                if got.len() == before {
                    break;
                }
            }
            assert!(got == all);
        }
        assert!(WordMerge::new(vec![], 0).expect("begun").heads.is_none());
    }

    #[test]
    fn every_way_of_sorting_agrees() {
        let mut x = 9u128;
        for (few, key_bits) in [(200, 80), (5000, 80), (5000, 16), (5000, 40), (5000, 1)] {
            for rising in [true, false] {
                let mut words: Vec<u128> = (0..few)
                    .map(|i| {
                        x = x.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
                        let low = if rising { i } else { x & LOW };
                        (x >> 64 & ((1 << key_bits) - 1)) << LOW_BITS | low
                    })
                    .collect();
                let mut expected = words.clone();
                expected.sort_unstable();
                sort(&mut words, &mut Vec::new());
                assert!(words == expected, "{few} {key_bits} {rising}");
            }
        }
    }
}
