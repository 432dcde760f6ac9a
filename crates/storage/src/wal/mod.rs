//! The write-ahead log: reserving, copying, writing, waiting. `README.md` here has the protocol; [`record`] the format.
//!
//! # Locking
//! `flush` serialises writes to the files and is held across I/O. `waiters` is a leaf. Neither may be taken by code
//! that a holder of `flush` waits for: between reserving and publishing, a thread takes no lock but `flush` itself
//! (for buffer space).

pub mod horizon;
pub mod reader;
pub mod record;
pub mod rmgr;
pub mod segments;
pub mod tail;

pub use horizon::{Entering, Gap};
pub use reader::WalReader;
pub use record::{Record, RecordKind};

use crate::disk::{Disk, DiskFile};
use crate::fatal::Fatal;
use crate::ids::{PageId, RelId};
use crate::page::Page;
use crate::stats::shared::{LOG_COUNTS, LogCount, SharedCounts};
use horizon::Horizon;
use parking_lot::Mutex;
use quarry_common::{Error, Lsn, Oid, Result, SqlState, Xid, bail, err, usage};
use record::PageEntry;
use segments::Segments;
use std::cell::RefCell;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Records start at least this far apart (the padded header), so each has its own cell in `links`.
const LINK_STEP: u64 = record::padded(record::HEADER) as u64;
const POSITION_BITS: u32 = 56;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

/// The writer thread is woken each time the log has grown by this, so that bulk work seldom writes the log itself.
const WRITE_AFTER: u64 = 1 << 20;

/// The log.
pub struct Wal {
    segments: Segments,
    fatal: Fatal,
    fsync: bool,
    full_page_writes: bool,
    style: record::Style,
    buffer: RingBuffer,
    /// Image epoch (8 bits) and the end of the reserved space (56 bits). One word, so that a record can't be
    /// reserved past a checkpoint's redo point with images decided before it.
    reserved: AtomicU64,
    /// Redo point of each image epoch.
    redo_points: Box<[AtomicU64; 256]>,
    /// Cell `start / LINK_STEP % len` holds the end of the record copied at `start`. A stale cell holds a value <= `start`.
    links: Box<[AtomicU64]>,
    /// The segments before exist at full size: nothing is reserved past it, so that writing the log needs no new space.
    prepared: AtomicU64,
    /// Bytes that were promised and have no place yet (rule W8).
    promised: AtomicU64,
    /// Everything before has been handed to the operating system; its buffer space is free.
    written: AtomicU64,
    /// What is durable and what is visible.
    horizon: Horizon,
    /// Highest position anyone waits for.
    requested: AtomicU64,
    flush: Mutex<FlushState>,
    waiters: Mutex<BinaryHeap<Waiter>>,
    /// Set while a writer thread runs.
    writer: Mutex<Option<Thread>>,
    has_writer: AtomicBool,
    writer_sleeps: AtomicBool,
    flushes: AtomicU64,
    /// By [`LogCount`].
    counts: SharedCounts,
    /// Writes and syncs are timed.
    timed: AtomicBool,
}

struct FlushState {
    /// Everything before has been copied into the buffer.
    ready: u64,
    segment: Option<(u64, Arc<dyn DiskFile>)>,
}

struct Waiter {
    lsn: u64,
    waker: Waker,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Waiter) -> bool {
        self.lsn == other.lsn
    }
}
impl Eq for Waiter {}
impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Waiter) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiter {
    /// Lowest LSN on top of the heap.
    fn cmp(&self, other: &Waiter) -> std::cmp::Ordering {
        other.lsn.cmp(&self.lsn)
    }
}

/// The log's tail in memory, addressed by LSN modulo its size.
struct RingBuffer {
    /// From a leaked `Box<[u8]>` of `mask + 1` bytes.
    base: *mut u8,
    mask: u64,
}

// SAFETY: bytes are written only by the thread that reserved their range and read only after that range was published
// in `links` (release/acquire) and before `written` frees it.
unsafe impl Send for RingBuffer {}
// SAFETY: as above.
unsafe impl Sync for RingBuffer {}

impl Drop for RingBuffer {
    fn drop(&mut self) {
        let bytes = std::ptr::slice_from_raw_parts_mut(self.base, self.size() as usize);
        // SAFETY: made by `Box::into_raw` in `new`, with this length.
        drop(unsafe { Box::from_raw(bytes) });
    }
}

impl RingBuffer {
    fn new(size: usize) -> RingBuffer {
        let size = size.next_power_of_two();
        let bytes = vec![0u8; size].into_boxed_slice();
        RingBuffer { base: Box::into_raw(bytes) as *mut u8, mask: size as u64 - 1 }
    }

    fn size(&self) -> u64 {
        self.mask + 1
    }

    /// Copies `data` to position `at`. The caller owns that range (it reserved it and waited for space).
    fn put(&self, at: u64, data: &[u8]) {
        let from = (at & self.mask) as usize;
        let first = data.len().min(self.size() as usize - from);
        // SAFETY: both pieces lie inside the buffer; the range is this thread's alone until it publishes it.
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), self.base.add(from), first);
            std::ptr::copy_nonoverlapping(data.as_ptr().add(first), self.base, data.len() - first);
        }
    }

    /// The longest contiguous piece of `from..to`.
    ///
    /// The caller holds the flush lock, and `from..to` has been published and not freed.
    fn piece(&self, from: u64, to: u64) -> &[u8] {
        let at = (from & self.mask) as usize;
        let len = ((to - from) as usize).min(self.size() as usize - at);
        // SAFETY: inside the buffer; published ranges are not written until `written` passes them, which only the
        // holder of the flush lock can do.
        unsafe { std::slice::from_raw_parts(self.base.add(at), len) }
    }
}

/// Room in the log for a record, promised before anything changes; given back when dropped.
#[must_use]
pub struct Room<'a> {
    wal: &'a Wal,
    bytes: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // Release: who finds it given back finds the record's place taken.
        self.wal.promised.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// What [`Wal::new`] needs to know.
pub struct WalOptions {
    pub segment_bytes: u64,
    pub buffer_bytes: usize,
    pub fsync: bool,
    pub full_page_writes: bool,
    /// Whether whole pages in the log are compressed.
    pub compress_pages: bool,
    /// Epoch of this run.
    pub run: u32,
    /// Where the log goes on.
    pub position: Lsn,
    /// Redo point of the last checkpoint.
    pub redo: Lsn,
}

/// A record's place in the log.
#[derive(Clone, Copy, Debug)]
pub struct Inserted {
    pub start: Lsn,
    pub end: Lsn,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Wal {
    pub fn new(disk: Arc<dyn Disk>, fatal: Fatal, options: WalOptions) -> Wal {
        let buffer = RingBuffer::new(options.buffer_bytes.max(2 * record::RECORD_MAX));
        let at = options.position.0;
        assert!(at.is_multiple_of(8), "the log goes on at a record boundary");
        let redo_points: Box<[AtomicU64; 256]> = Box::new(std::array::from_fn(|_| AtomicU64::new(0)));
        redo_points[0].store(options.redo.0, Ordering::Relaxed);
        Wal {
            segments: Segments::new(disk, options.segment_bytes, options.fsync),
            fatal,
            fsync: options.fsync,
            full_page_writes: options.full_page_writes,
            style: record::Style { epoch: options.run, compress: options.compress_pages },
            links: (0..buffer.size() / LINK_STEP).map(|_| AtomicU64::new(0)).collect(),
            buffer,
            reserved: AtomicU64::new(at),
            redo_points,
            prepared: AtomicU64::new(at - at % options.segment_bytes),
            promised: AtomicU64::new(0),
            written: AtomicU64::new(at),
            horizon: Horizon::new(at),
            requested: AtomicU64::new(at),
            flush: Mutex::new(FlushState { ready: at, segment: None }),
            waiters: Mutex::default(),
            writer: Mutex::new(None),
            has_writer: AtomicBool::new(false),
            writer_sleeps: AtomicBool::new(false),
            flushes: AtomicU64::new(0),
            counts: SharedCounts::new(LOG_COUNTS),
            timed: AtomicBool::new(false),
        }
    }

    /// Everything before is durable.
    #[inline]
    pub fn flushed(&self) -> Lsn {
        Lsn(self.horizon.get())
    }

    /// Where snapshots begin: every commit before is durable or has nothing to lose.
    #[inline]
    pub fn visible(&self) -> Lsn {
        Lsn(self.horizon.visible())
    }

    /// See [`Horizon::enter`].
    pub fn commit_enters(&self) -> Entering<'_> {
        self.horizon.enter()
    }

    /// See [`Horizon::show`].
    pub fn show_commit(&self, end: Lsn) -> bool {
        self.horizon.show(end)
    }

    /// See [`Horizon::claim`].
    pub fn claim_gap(&self) -> Gap {
        self.horizon.claim(|| self.inserted())
    }

    /// The end of the log, records still being copied included: the inserted horizon.
    #[inline]
    pub fn inserted(&self) -> Lsn {
        Lsn(self.reserved.load(Ordering::SeqCst) & POSITION_MASK)
    }

    /// Redo point of the checkpoint that images are being written for.
    pub fn redo_point(&self) -> Lsn {
        let epoch = self.reserved.load(Ordering::Acquire) >> POSITION_BITS;
        Lsn(self.redo_points[epoch as usize].load(Ordering::Acquire))
    }

    /// Flushes so far, for statistics.
    pub fn flush_count(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// Writes, syncs and the like; by [`LogCount`].
    pub fn counts(&self) -> &SharedCounts {
        &self.counts
    }

    /// Whether writes and syncs are timed.
    pub fn set_timed(&self, on: bool) {
        self.timed.store(on, Ordering::Relaxed);
    }

    /// Counts what it does to the files, and how long it takes if that is wanted.
    fn counted<T>(&self, count: LogCount, time: LogCount, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.counts.add(count as usize, 1);
        if !self.timed.load(Ordering::Relaxed) {
            return work();
        }
        let began = Instant::now();
        let done = work();
        self.counts.add(time as usize, began.elapsed().as_micros() as u64);
        done
    }

    /// The log's files.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Starts a checkpoint: from the returned point on, the first change of a page carries its image.
    pub fn begin_checkpoint(&self) -> Lsn {
        loop {
            let word = self.reserved.load(Ordering::Acquire);
            let next_epoch = ((word >> POSITION_BITS) + 1) & 0xff;
            let position = word & POSITION_MASK;
            // Stored before the epoch is: whoever sees the epoch sees its redo point.
            self.redo_points[next_epoch as usize].store(position, Ordering::Release);
            let next = next_epoch << POSITION_BITS | position;
            if self.reserved.compare_exchange(word, next, Ordering::SeqCst, Ordering::Acquire).is_ok() {
                return Lsn(position);
            }
        }
    }

    /// Inserts a record without pages.
    pub fn insert(&self, xid: Option<Xid>, kind: RecordKind, payload: &[u8]) -> Result<Lsn> {
        self.insert_with(xid, kind, payload, |_| ())
    }

    /// Inserts a record without pages; `reserved` learns the end of its place at once, before the record is there.
    pub fn insert_with(
        &self,
        xid: Option<Xid>,
        kind: RecordKind,
        payload: &[u8],
        reserved: impl FnOnce(Lsn),
    ) -> Result<Lsn> {
        self.fatal.check()?;
        if payload.len() > record::PAYLOAD_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "WAL record of {} bytes is too big", payload.len());
        }
        with_scratch(|scratch| {
            let no_page = |_| PageEntry::Change(PageId::main(RelId::new(Oid::INVALID, 0), 0));
            record::encode(scratch, self.style, xid.unwrap_or(Xid::INVALID), kind, payload, 0, no_page);
            let body = self.body_crc(scratch);
            let _room = self.promise(scratch.len() as u64, 0)?;
            let place = self.reserve(None, scratch.len() as u64)?.expect("no epoch was asked for");
            reserved(place.end);
            self.copy(place, body, scratch)?;
            usage::logged(0, scratch.len() as u64);
            Ok(place.end)
        })
    }

    /// Inserts a record about `count` pages after they were changed, for which there is `room`; the caller holds their exclusive
    /// latches. `page` gives each page, and whether the operation started from a page of zeroes.
    #[allow(clippy::too_many_arguments, reason = "a record's parts")]
    pub fn insert_pages<'p>(
        &self,
        _room: &Room<'_>,
        xid: Option<Xid>,
        kind: RecordKind,
        payload: &[u8],
        count: usize,
        page: impl Fn(usize) -> (PageId, bool, &'p Page),
        always_images: bool,
    ) -> Result<Inserted> {
        self.fatal.check()?;
        if payload.len() > record::PAYLOAD_MAX || count > record::PAGES_MAX {
            bail!(INTERNAL_ERROR, "WAL record of {} bytes and {count} pages is too big", payload.len());
        }
        with_scratch(|scratch| {
            loop {
                let epoch = self.reserved.load(Ordering::Acquire) >> POSITION_BITS;
                let redo = Lsn(self.redo_points[epoch as usize].load(Ordering::Acquire));
                let entry = |index| {
                    let (id, init, page) = page(index);
                    if always_images {
                        PageEntry::Image(id, page)
                    } else if init {
                        PageEntry::Init(id)
                    } else if self.full_page_writes && page.lsn() <= redo {
                        PageEntry::Image(id, page)
                    } else {
                        PageEntry::Change(id)
                    }
                };
                let xid = xid.unwrap_or(Xid::INVALID);
                let images = record::encode(scratch, self.style, xid, kind, payload, count, entry);
                let body = self.body_crc(scratch);
                if let Some(place) = self.reserve(Some(epoch), scratch.len() as u64)? {
                    self.copy(place, body, scratch)?;
                    usage::logged(images, scratch.len() as u64);
                    return Ok(place);
                }
            }
        })
    }

    fn body_crc(&self, record: &[u8]) -> u32 {
        record::body_crc(record, record::length(record))
    }

    /// Promises room in the log to a change of `pages` pages with `payload` bytes, and leaves a segment besides: for commits, which ask
    /// for no more than their own place. An error (53100, mostly) comes before anything has changed.
    #[inline]
    pub fn admit(&self, payload: usize, pages: usize) -> Result<Room<'_>> {
        self.promise(record::length_max(payload, pages), self.segments.segment_bytes())
    }

    /// Promises `bytes` of the log if there are `spare` more.
    #[inline]
    fn promise(&self, bytes: u64, spare: u64) -> Result<Room<'_>> {
        // In this order: a promise that is not counted here any more has its place before the end that is read then.
        let promised = self.promised.fetch_add(bytes, Ordering::SeqCst) + bytes;
        let room = Room { wal: self, bytes };
        let to = self.inserted().0 + promised + spare;
        if to > self.prepared.load(Ordering::Acquire) {
            self.make_room(to)?;
        }
        Ok(room)
    }

    /// Makes segments until those before `to` are there.
    #[cold]
    fn make_room(&self, to: u64) -> Result<()> {
        loop {
            let prepared = self.prepared.load(Ordering::Acquire);
            if prepared >= to {
                return Ok(());
            }
            self.fatal.check()?;
            let bytes = self.segments.segment_bytes();
            self.segments.open_or_make(prepared / bytes).map_err(|e| match e.sqlstate() {
                SqlState::DISK_FULL => {
                    err!(DISK_FULL, "could not extend the write-ahead log: No space left on device")
                        .hint("Check free disk space.")
                }
                _ => e,
            })?;
            self.prepared.fetch_max(prepared + bytes, Ordering::AcqRel);
        }
    }

    /// Takes `len` bytes of the log; none if the image epoch is no longer `epoch`. An error if the log can't grow so far.
    fn reserve(&self, epoch: Option<u64>, len: u64) -> Result<Option<Inserted>> {
        let mut word = self.reserved.load(Ordering::Acquire);
        loop {
            if epoch.is_some_and(|e| e != word >> POSITION_BITS) {
                return Ok(None);
            }
            let end = (word & POSITION_MASK) + len;
            if end > self.prepared.load(Ordering::Acquire) {
                self.make_room(end)?;
                word = self.reserved.load(Ordering::Acquire);
                continue;
            }
            // SeqCst: a snapshot that reads the new end must find this transaction marked as committing.
            match self.reserved.compare_exchange_weak(word, word + len, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => {
                    let start = word & POSITION_MASK;
                    return Ok(Some(Inserted { start: Lsn(start), end: Lsn(start + len) }));
                }
                Err(now) => word = now,
            }
        }
    }

    /// Copies a record to its place and publishes it.
    fn copy(&self, place: Inserted, body_crc: u32, record: &mut [u8]) -> Result<()> {
        record::set_place(record, body_crc, place.start, self.flushed());
        let mut spins = 0;
        while place.end.0 > self.written.load(Ordering::Acquire) + self.buffer.size() {
            self.fatal.check()?;
            if spins == 0 {
                self.counts.add(LogCount::BufferFull as usize, 1);
            }
            // Someone has to make room; whoever gets the lock does.
            match self.flush.try_lock() {
                Some(mut flush) => self.write_ready(&mut flush)?,
                None if spins < 64 => std::hint::spin_loop(),
                None => std::thread::yield_now(),
            }
            spins += 1;
        }
        self.buffer.put(place.start.0, record);
        let cell = (place.start.0 / LINK_STEP) & (self.links.len() as u64 - 1);
        // Release: pairs with the load in `write_ready`, which then reads the bytes.
        self.links[cell as usize].store(place.end.0, Ordering::Release);
        if place.start.0 / WRITE_AFTER != place.end.0 / WRITE_AFTER
            && self.writer_sleeps.load(Ordering::Relaxed)
        {
            self.wake_writer();
        }
        Ok(())
    }

    /// Writes everything that is copied without a gap to the files, without making it durable.
    fn write_ready(&self, flush: &mut FlushState) -> Result<()> {
        loop {
            let cell = (flush.ready / LINK_STEP) & (self.links.len() as u64 - 1);
            let end = self.links[cell as usize].load(Ordering::Acquire);
            if end <= flush.ready {
                break;
            }
            flush.ready = end;
        }
        let segment_bytes = self.segments.segment_bytes();
        let mut at = self.written.load(Ordering::Acquire);
        while at < flush.ready {
            let number = at / segment_bytes;
            if flush.segment.as_ref().is_none_or(|(n, _)| *n != number) {
                // The old segment's bytes must be durable before `flushed` passes them.
                self.sync_segment(flush)?;
                let file =
                    self.segments.open_or_make(number).map_err(|e| self.fail("make a WAL segment", &e))?;
                flush.segment = Some((number, file));
            }
            let to = flush.ready.min((number + 1) * segment_bytes);
            let piece = self.buffer.piece(at, to);
            let (_, file) = flush.segment.as_ref().expect("just set");
            self.counted(LogCount::Writes, LogCount::WriteTime, || file.write_at(piece, at % segment_bytes))
                .map_err(|e| self.fail("write the WAL", &e))?;
            at += piece.len() as u64;
            self.written.store(at, Ordering::Release);
        }
        Ok(())
    }

    fn sync_segment(&self, flush: &mut FlushState) -> Result<()> {
        if let Some((_, file)) = &flush.segment
            && self.fsync
        {
            self.counted(LogCount::Syncs, LogCount::SyncTime, || file.sync())
                .map_err(|e| self.fail("fsync the WAL", &e))?;
        }
        Ok(())
    }

    #[cold]
    fn fail(&self, doing: &str, e: &Error) -> Error {
        let e = self.fatal.raise(&format!("could not {doing}: {}", e.message()));
        self.wake(u64::MAX);
        e
    }

    /// Makes the log durable at least to `lsn`, in this thread (or waits for the thread that is at it).
    pub fn flush_to(&self, lsn: Lsn) -> Result<()> {
        if self.flushed() >= lsn {
            return Ok(());
        }
        if lsn > self.inserted() {
            return Err(Error::corrupted(format!(
                "LSN {lsn} is past the end of the WAL at {}",
                self.inserted()
            )));
        }
        let mut spins = 0u32;
        loop {
            let mut flush = self.flush.lock();
            if self.flushed() >= lsn {
                return Ok(());
            }
            self.fatal.check()?;
            self.write_ready(&mut flush)?;
            let written = self.written.load(Ordering::Acquire);
            if written > self.flushed().0 && self.horizon.begin(written) {
                self.sync_segment(&mut flush)?;
                self.flushes.fetch_add(1, Ordering::Relaxed);
                let end = self.horizon.finish();
                drop(flush);
                self.wake(end);
            } else {
                drop(flush);
            }
            if self.flushed() >= lsn {
                return Ok(());
            }
            // A record before `lsn`, or before a claimed gap's end, is still being copied by its thread.
            spins += 1;
            if spins > 32 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }

    fn wake(&self, to: u64) {
        let mut ready = Vec::new();
        let mut waiters = self.waiters.lock();
        while waiters.peek().is_some_and(|w| w.lsn <= to) {
            ready.extend(waiters.pop().map(|w| w.waker));
        }
        drop(waiters);
        for waker in ready {
            waker.wake();
        }
    }

    /// Makes everything inserted so far durable.
    pub fn flush_all(&self) -> Result<Lsn> {
        let end = self.inserted();
        self.flush_to(end)?;
        Ok(end)
    }

    /// Asks the writer thread, if there is one, to flush to `lsn`.
    fn request(&self, lsn: Lsn) {
        self.requested.fetch_max(lsn.0, Ordering::SeqCst);
        if self.writer_sleeps.load(Ordering::SeqCst)
            && let Some(thread) = &*self.writer.lock()
        {
            thread.unpark();
        }
    }

    /// Resolves once the log is durable to `lsn`.
    pub fn wait_durable(&self, lsn: Lsn) -> DurableWait<'_> {
        DurableWait { wal: self, lsn, queued: false }
    }

    /// Waits in this thread until the log is durable to `lsn`.
    pub fn wait_durable_blocking(&self, lsn: Lsn) -> Result<()> {
        if self.flushed() >= lsn {
            return Ok(());
        }
        quarry_common::wait::blocking(|| self.flush_to(lsn))
    }

    /// The writer thread's work: flushes on request, and every `idle` what nobody waits for. Returns when `stop`
    /// says so (call [`Wal::wake_writer`] after setting it).
    pub fn run_writer(&self, stop: &AtomicBool, idle: Duration) {
        *self.writer.lock() = Some(std::thread::current());
        self.has_writer.store(true, Ordering::SeqCst);
        let mut last_flush = Instant::now();
        while !stop.load(Ordering::Acquire) && !self.fatal.is_poisoned() {
            let wanted = self.requested.load(Ordering::SeqCst);
            if wanted > self.flushed().0 {
                // An error is fatal and has been raised.
                let _ = self.flush_to(Lsn(wanted));
                continue;
            }
            self.writer_sleeps.store(true, Ordering::SeqCst);
            if self.requested.load(Ordering::SeqCst) <= self.flushed().0 && !stop.load(Ordering::Acquire) {
                std::thread::park_timeout(idle.saturating_sub(last_flush.elapsed()));
            }
            self.writer_sleeps.store(false, Ordering::SeqCst);
            if self.requested.load(Ordering::SeqCst) > self.flushed().0 {
                continue;
            }
            if last_flush.elapsed() >= idle {
                let _ = self.flush_all();
                last_flush = Instant::now();
            } else {
                let _ = self.write_without_flush();
            }
            self.prepare_segments();
        }
        self.has_writer.store(false, Ordering::SeqCst);
        *self.writer.lock() = None;
        // Whoever queued meanwhile polls again and flushes by itself.
        self.wake(u64::MAX);
    }

    /// Hands what is copied to the operating system if that is much, and has it begin to bring it to the disk.
    fn write_without_flush(&self) -> Result<()> {
        let from = self.written.load(Ordering::Acquire);
        if self.inserted().0 < from + WRITE_AFTER / 2 {
            return Ok(());
        }
        let mut flush = self.flush.lock();
        self.write_ready(&mut flush)?;
        let segment = flush.segment.clone();
        drop(flush);
        if let Some((number, file)) = segment
            && self.fsync
        {
            let start = number * self.segments.segment_bytes();
            let (from, to) = (from.max(start), self.written.load(Ordering::Acquire));
            if to > from {
                file.start_write_back(from - start, to - from);
            }
        }
        Ok(())
    }

    /// Ends a sleep of the writer thread.
    pub fn wake_writer(&self) {
        if let Some(thread) = &*self.writer.lock() {
            thread.unpark();
        }
    }

    /// Makes segments ahead of need. A failure shows again to whoever needs the room.
    fn prepare_segments(&self) {
        let bytes = self.segments.segment_bytes();
        let to = self.inserted().0 + bytes + bytes / 2;
        if to > self.prepared.load(Ordering::Acquire)
            && let Err(e) = self.make_room(to)
        {
            tracing::warn!("{}", e.message());
        }
    }
}

fn with_scratch<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut scratch) => {
            let result = f(&mut scratch);
            if scratch.capacity() > 256 * 1024 {
                *scratch = Vec::new();
            }
            result
        }
        Err(_) => f(&mut Vec::new()),
    })
}

/// See [`Wal::wait_durable`].
pub struct DurableWait<'a> {
    wal: &'a Wal,
    lsn: Lsn,
    queued: bool,
}

impl Future for DurableWait<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let wal = self.wal;
        if wal.flushed() >= self.lsn {
            return Poll::Ready(Ok(()));
        }
        if let Err(e) = wal.fatal.check() {
            return Poll::Ready(Err(e));
        }
        if !wal.has_writer.load(Ordering::SeqCst) {
            return Poll::Ready(wal.wait_durable_blocking(self.lsn));
        }
        // A spurious poll queues again: wakers may differ, and a stale one wakes for nothing.
        wal.waiters.lock().push(Waiter { lsn: self.lsn.0, waker: cx.waker().clone() });
        self.queued = true;
        wal.request(self.lsn);
        // The flush, the failure or the writer's end may have come before the waiter was queued.
        if wal.flushed() >= self.lsn || wal.fatal.is_poisoned() || !wal.has_writer.load(Ordering::SeqCst) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
