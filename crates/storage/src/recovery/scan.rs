//! Reading the log for redo: verified, in chunks by several threads, and what it changes noted by page.
//!
//! A record is valid only at its own LSN, so a thread can begin anywhere: it looks for the first record of its chunk and goes on from
//! there. Whether that was a record of this log is known when the chunks are put together: each must begin where the one before it
//! ended. A chunk that doesn't is read again from there, so a false beginning costs time and nothing else.
//!
//! Meanwhile what was read is synced, if that is asked for: a server that was killed alone may have left it in the system's cache.
//!
//! The log itself isn't copied: a [`Change`] says where its record lies. What is noted is bounded; the rest of a longer log is only
//! verified at first, and read again when the part before it has been applied.

use super::chunk::{Change, Chunk, ChunkBytes, Effect, Forks, Notes};
use crate::disk::Disk;
use crate::wal::record::{self, HEADER, HEADER_MAX, RecordView};
use crate::wal::segments::Segments;
use crate::wal::{WalReader, rmgr};
use parking_lot::Mutex;
use quarry_common::{Error, Lsn, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

/// Log that one thread takes at once.
const CHUNK_BYTES: u64 = 16 << 20;
/// Bytes that are searched at once for the first record of a chunk.
const WINDOW: usize = 64 * 1024;
/// Log that the places of changes can tell apart.
const REACH: u64 = 8 * u32::MAX as u64;

/// What is to be read, and how.
pub(super) struct Scan<'a> {
    pub disk: &'a Arc<dyn Disk>,
    pub segment_bytes: u64,
    /// No record has a later epoch.
    pub run: u32,
    pub threads: usize,
    /// Memory for what is noted, in bytes.
    pub memory: usize,
    pub forks: &'a Forks,
    /// Whether to make durable what is read.
    pub sync: bool,
}

/// A part of the log, read.
pub(super) struct Scanned {
    /// Whose changes are noted, in order, without a gap.
    pub chunks: Vec<Chunk>,
    /// Where changes are counted from.
    pub base: Lsn,
    /// Changes are noted up to here.
    pub upto: Lsn,
    /// Where the last valid record ends.
    pub end: Lsn,
    /// Epoch of that record.
    pub epoch: u32,
    /// Records up to `end`.
    pub records: u64,
    /// If the log was to be synced, it is up to here.
    pub synced: Lsn,
}

/// What is wanted of a chunk.
#[derive(Clone, Copy)]
struct Wanted {
    /// Whether what it changes is noted.
    noted: bool,
    /// Where changes are counted from.
    base: Lsn,
    /// The log's end, if it is known.
    known: Option<Lsn>,
}

/// Which chunk comes next; whether what it changes is still noted.
struct Next {
    number: u64,
    memory: usize,
    noting: bool,
}

impl Scan<'_> {
    fn chunk_bytes(&self) -> u64 {
        self.segment_bytes.min(CHUNK_BYTES)
    }

    /// Reads the log from `from`, which is a record's LSN, to its end, or to `known` if that is known to be the end; then only as far as
    /// there is memory.
    pub fn read(&self, from: Lsn, known: Option<Lsn>) -> Result<Scanned> {
        let mut whole =
            Scanned { chunks: vec![], base: from, upto: from, end: from, epoch: 0, records: 0, synced: from };
        let first = from.0 / self.chunk_bytes();
        let next = Mutex::new(Next { number: first, memory: 0, noting: true });
        // The first one alone: mostly it is all there is.
        let (number, noting) = self.take(&next, known).expect("the first chunk is always there");
        let stop = AtomicBool::new(false);
        let mut notes = Notes::new();
        let chunk = self.chunk(
            number,
            Some((from, 0)),
            Wanted { noted: noting, base: from, known },
            &mut notes,
            &stop,
        )?;
        if !self.append(&mut whole, chunk, known)? {
            return Ok(whole);
        }
        std::thread::scope(|scope| {
            let (sender, chunks) = std::sync::mpsc::sync_channel::<(u64, Result<Chunk>)>(self.threads * 2);
            for _ in 0..self.threads {
                let (sender, next, stop) = (sender.clone(), &next, &stop);
                scope.spawn(move || {
                    let mut notes = Notes::new();
                    while !stop.load(Ordering::Relaxed)
                        && let Some((number, noting)) = self.take(next, known)
                    {
                        let wanted = Wanted { noted: noting, base: from, known };
                        let chunk = self.chunk(number, None, wanted, &mut notes, stop);
                        if let Ok(chunk) = &chunk {
                            next.lock().memory += chunk.memory();
                        }
                        if sender.send((number, chunk)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let (read, to_sync) = std::sync::mpsc::channel();
            let syncing = self.sync.then(|| scope.spawn(move || self.sync(from, &to_sync)));
            let outcome = self.put_together(&mut whole, first + 1, &chunks, known, &read);
            stop.store(true, Ordering::Relaxed);
            // Whoever waits to hand a chunk over goes on.
            drop(chunks);
            drop(read);
            outcome?;
            if let Some(syncing) = syncing {
                whole.synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(whole)
    }

    /// Syncs the log from `from` up to the ends of chunks as they come; up to where it did. Whole segments only: the one that the log
    /// ends in is left to who knows where that is.
    fn sync(&self, from: Lsn, ends: &Receiver<Lsn>) -> Result<Lsn> {
        let segments = Segments::new(self.disk.clone(), self.segment_bytes, true);
        let mut synced = from;
        for end in ends {
            let end = Lsn(end.0 - end.0 % self.segment_bytes);
            if end > synced {
                segments.sync(synced, Lsn(end.0 - 1))?;
                synced = end;
            }
        }
        Ok(synced)
    }

    /// Takes the chunks in their order until the log ends. Says of each that is complete where it ends.
    fn put_together(
        &self,
        whole: &mut Scanned,
        mut number: u64,
        chunks: &Receiver<(u64, Result<Chunk>)>,
        known: Option<Lsn>,
        read: &Sender<Lsn>,
    ) -> Result<()> {
        let mut early = hashbrown::HashMap::new();
        while let Ok((which, chunk)) = chunks.recv() {
            early.insert(which, chunk);
            while let Some(chunk) = early.remove(&number) {
                number += 1;
                let goes_on = match chunk {
                    Ok(chunk) => self.append(whole, chunk, known)?,
                    // What can't be read may lie behind the end.
                    Err(e) if whole.end.0 >= (number - 1) * self.chunk_bytes() => return Err(e),
                    Err(_) => false,
                };
                if !goes_on {
                    return Ok(());
                }
                // Nobody listens if nothing is to be synced.
                let _ = read.send(Lsn(number * self.chunk_bytes()));
            }
        }
        Ok(())
    }

    fn take(&self, next: &Mutex<Next>, known: Option<Lsn>) -> Option<(u64, bool)> {
        let mut next = next.lock();
        next.noting &= next.memory <= self.memory;
        let begins = next.number * self.chunk_bytes();
        if known.is_some_and(|end| begins >= end.0 || !next.noting) {
            return None;
        }
        next.number += 1;
        Some((next.number - 1, next.noting))
    }

    /// Puts a chunk behind what was read before; false if the log ends in it.
    fn append(&self, whole: &mut Scanned, mut chunk: Chunk, known: Option<Lsn>) -> Result<bool> {
        if whole.end >= chunk.to {
            // One record covers all of it.
            if chunk.noted {
                whole.chunks.push(Chunk::new(chunk.from, chunk.to, true));
            }
            return Ok(true);
        }
        if chunk.first != Some(whole.end) || chunk.first_epoch < whole.epoch {
            let from = Some((whole.end, whole.epoch));
            let number = chunk.from.0 / self.chunk_bytes();
            let mut notes = Notes::new();
            let stop = AtomicBool::new(false);
            let wanted = Wanted { noted: chunk.noted, base: whole.base, known };
            chunk = self.chunk(number, from, wanted, &mut notes, &stop)?;
        }
        whole.end = chunk.end;
        whole.records += chunk.records;
        if chunk.records > 0 {
            whole.epoch = chunk.last_epoch;
        }
        let complete = chunk.complete && known.is_none_or(|end| chunk.end < end);
        if chunk.noted && chunk.to.0 - whole.base.0 <= REACH {
            whole.upto = chunk.end;
            whole.chunks.push(chunk);
        }
        Ok(complete)
    }

    /// Reads one chunk: from a known record and the epoch before it, or from the first record that is found in it.
    fn chunk(
        &self,
        number: u64,
        from: Option<(Lsn, u32)>,
        wanted: Wanted,
        notes: &mut Notes,
        stop: &AtomicBool,
    ) -> Result<Chunk> {
        let begins = Lsn(number * self.chunk_bytes());
        let to = Lsn(begins.0 + self.chunk_bytes());
        let until = wanted.known.map_or(to, |end| end.min(to));
        let mut chunk = Chunk::new(begins, to, wanted.noted);
        let Some((first, epoch)) = (match from {
            Some(from) => Some(from),
            None => self.first_record(begins, until, stop)?.map(|lsn| (lsn, 0)),
        }) else {
            return Ok(chunk);
        };
        let mut reader = WalReader::new(self.disk.clone(), self.segment_bytes, first).after_epoch(epoch);
        chunk.first = Some(first);
        chunk.end = first;
        let mut names = self.forks.names();
        while reader.position() < until && !stop.load(Ordering::Relaxed) {
            let Some(view) = reader.next_view()? else { return self.keep(chunk, notes) };
            if chunk.records == 0 {
                chunk.first_epoch = view.epoch();
            }
            chunk.records += 1;
            chunk.last_epoch = view.epoch();
            chunk.max_xid = chunk.max_xid.max(view.xid());
            if wanted.noted {
                let at = ((view.lsn().0 - wanted.base.0) / 8) as u32;
                if rmgr::of(view.kind())?.redo.is_some() {
                    chunk.effects.push(Effect { at, moves_files: super::moves_files(&view) });
                }
                let mut count = 0;
                for (index, block) in view.blocks().enumerate() {
                    count += 1;
                    let fork = names.number((block.id.rel, block.id.fork)).ok_or_else(too_many)?;
                    notes.add(Change::new(fork, block.id.block, at, index, block.is_whole()));
                }
                if count != view.block_count() {
                    return Err(super::damaged(view.lsn()));
                }
            }
            chunk.end = view.end();
            if chunk.end > to {
                chunk.last = Some((view.lsn(), view.raw().into()));
            }
        }
        chunk.complete = true;
        self.keep(chunk, notes)
    }

    /// Keeps what was noted, and makes the chunk's records available, if they will be needed.
    fn keep(&self, mut chunk: Chunk, notes: &mut Notes) -> Result<Chunk> {
        notes.move_into(&mut chunk);
        if !chunk.noted || chunk.records == 0 {
            return Ok(chunk);
        }
        let segments = Segments::new(self.disk.clone(), self.segment_bytes, false);
        let Some(file) = segments.open(segments.number_of(chunk.from))? else { return Ok(chunk) };
        let (offset, len) =
            (chunk.from.0 % self.segment_bytes, (chunk.end.min(chunk.to).0 - chunk.from.0) as usize);
        chunk.bytes = match file.map(offset, len)? {
            Some(mapping) => ChunkBytes::Mapped(mapping),
            None => {
                let mut bytes = vec![0; len];
                let got = file.read_at(&mut bytes, offset)?;
                bytes.truncate(got);
                ChunkBytes::Read(bytes)
            }
        };
        Ok(chunk)
    }

    /// The first record that begins in a chunk, as far as that can be told without what is before it.
    fn first_record(&self, begins: Lsn, until: Lsn, stop: &AtomicBool) -> Result<Option<Lsn>> {
        let segments = Segments::new(self.disk.clone(), self.segment_bytes, false);
        let Some(file) = segments.open(segments.number_of(begins))? else { return Ok(None) };
        let mut window = vec![0; WINDOW + HEADER_MAX];
        let mut at = begins.0;
        while at < until.0 && !stop.load(Ordering::Relaxed) {
            let got = file.read_at(&mut window, at % self.segment_bytes)?;
            // A header that goes on in the next segment is left to who comes from before.
            for offset in (0..WINDOW.min((until.0 - at) as usize)).step_by(8) {
                if offset + HEADER > got {
                    break;
                }
                if record::plausible_header(&window[offset..got], self.run)
                    && self.is_record(Lsn(at + offset as u64))?
                {
                    return Ok(Some(Lsn(at + offset as u64)));
                }
            }
            at += WINDOW as u64;
        }
        Ok(None)
    }

    fn is_record(&self, lsn: Lsn) -> Result<bool> {
        let mut reader = WalReader::new(self.disk.clone(), self.segment_bytes, lsn);
        Ok(reader.next_view()?.is_some())
    }
}

impl Scanned {
    fn place(&self, at: u32) -> (Lsn, Option<&Chunk>) {
        let lsn = Lsn(self.base.0 + u64::from(at) * 8);
        (lsn, self.chunks.get(self.number(lsn)))
    }

    /// The place of the chunk in which a record begins.
    #[inline]
    fn number(&self, lsn: Lsn) -> usize {
        let Some(first) = self.chunks.first() else { return 0 };
        // Their sizes are powers of two.
        ((lsn.0 - first.from.0) >> (first.to.0 - first.from.0).ilog2()) as usize
    }

    /// The chunks in which these records begin.
    pub fn chunks_of(&self, at: &Range<u32>) -> &[Chunk] {
        let lsn = |at: u32| Lsn(self.base.0 + u64::from(at) * 8);
        let end = self.chunks.len().min(self.number(lsn(at.end)) + 1);
        &self.chunks[self.number(lsn(at.start)).min(end)..end]
    }

    /// The record that a change or an effect came with.
    #[inline]
    pub fn record(&self, at: u32) -> Result<RecordView<'_>> {
        let (lsn, chunk) = self.place(at);
        chunk.and_then(|chunk| chunk.record(lsn)).ok_or_else(|| {
            Error::corrupted(format!("WAL record at {lsn} could be read before, but not again"))
        })
    }

    /// Asks the processor for a record.
    #[inline]
    pub fn prefetch(&self, at: u32) {
        if let (lsn, Some(chunk)) = self.place(at) {
            chunk.prefetch(lsn);
        }
    }
}

fn too_many() -> Error {
    Error::internal("the log changes more relations than recovery can tell apart")
}
