//! What the running thread has used: pages of the buffer pool, temporary files, the write-ahead log (PostgreSQL: instrument.c, `pgBufferUsage`,
//! `pgWalUsage`).
//!
//! Counters of a thread only go up; who wants to know what a piece of work took reads them before and after ([`Usage::since`]). As a
//! statement's piece of work runs on one thread, nothing is shared and nothing is locked: a page costs one add.

use std::cell::Cell;
use std::time::Instant;

/// Bytes of a block, in which temporary files are shown too.
const BLOCK_BYTES: u64 = 8192;

/// What was used, as sums.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    pub shared_hit: u64,
    pub shared_read: u64,
    pub shared_dirtied: u64,
    pub shared_written: u64,
    /// Pages of temporary tables.
    pub local_hit: u64,
    pub local_read: u64,
    pub local_dirtied: u64,
    pub local_written: u64,
    /// Bytes of temporary files.
    pub temp_read: u64,
    pub temp_written: u64,
    /// Time spent for that, in nanoseconds; counted under `track_io_timing` only.
    pub read_ns: u64,
    pub write_ns: u64,
    pub temp_read_ns: u64,
    pub temp_write_ns: u64,
    pub wal_records: u64,
    /// Whole images of pages in the log.
    pub wal_images: u64,
    pub wal_bytes: u64,
}

macro_rules! each {
    ($self:ident, $other:ident, $op:ident: $($field:ident)*) => {
        Usage { $($field: $self.$field.$op($other.$field)),* }
    };
}

impl Usage {
    /// What was used after `before`.
    pub fn since(&self, before: &Usage) -> Usage {
        each!(self, before, wrapping_sub: shared_hit shared_read shared_dirtied shared_written local_hit local_read local_dirtied
            local_written temp_read temp_written read_ns write_ns temp_read_ns temp_write_ns wal_records wal_images wal_bytes)
    }

    /// Both together.
    pub fn plus(&self, other: &Usage) -> Usage {
        each!(self, other, wrapping_add: shared_hit shared_read shared_dirtied shared_written local_hit local_read local_dirtied
            local_written temp_read temp_written read_ns write_ns temp_read_ns temp_write_ns wal_records wal_images wal_bytes)
    }

    /// Blocks of temporary files read.
    pub fn temp_blocks_read(&self) -> u64 {
        self.temp_read.div_ceil(BLOCK_BYTES)
    }

    /// Blocks of temporary files written.
    pub fn temp_blocks_written(&self) -> u64 {
        self.temp_written.div_ceil(BLOCK_BYTES)
    }
}

/// A counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Counter {
    SharedHit,
    SharedRead,
    SharedDirtied,
    SharedWritten,
    LocalHit,
    LocalRead,
    LocalDirtied,
    LocalWritten,
    TempRead,
    TempWritten,
    ReadTime,
    WriteTime,
    TempReadTime,
    TempWriteTime,
    WalRecords,
    WalImages,
    WalBytes,
}

const COUNTERS: usize = Counter::WalBytes as usize + 1;

thread_local! {
    static COUNTS: [Cell<u64>; COUNTERS] = const { [const { Cell::new(0) }; COUNTERS] };
    static TIMED: Cell<bool> = const { Cell::new(false) };
}

/// Counts on this thread.
#[inline]
pub fn add(counter: Counter, n: u64) {
    COUNTS.with(|c| {
        let cell = &c[counter as usize];
        cell.set(cell.get().wrapping_add(n));
    });
}

/// A page of the pool was found there.
#[inline]
pub fn page_hit(temporary: bool) {
    add(if temporary { Counter::LocalHit } else { Counter::SharedHit }, 1);
}

/// A page was changed that hadn't differed from the disk.
#[inline]
pub fn page_dirtied(temporary: bool) {
    add(if temporary { Counter::LocalDirtied } else { Counter::SharedDirtied }, 1);
}

/// Pages came from the disk.
pub fn pages_read(n: u64, temporary: bool) {
    add(if temporary { Counter::LocalRead } else { Counter::SharedRead }, n);
}

/// Pages were written to the disk.
pub fn pages_written(n: u64, temporary: bool) {
    add(if temporary { Counter::LocalWritten } else { Counter::SharedWritten }, n);
}

/// The log got a record.
#[inline]
pub fn logged(images: u64, bytes: u64) {
    add(Counter::WalRecords, 1);
    add(Counter::WalImages, images);
    add(Counter::WalBytes, bytes);
}

/// Whether this thread times what it reads and writes (`track_io_timing` of the session whose statement it runs).
pub fn set_timed(on: bool) {
    TIMED.set(on);
}

/// Runs what reads or writes, timed if that is asked for.
#[inline]
pub fn timed<T>(counter: Counter, work: impl FnOnce() -> T) -> T {
    if !TIMED.get() {
        return work();
    }
    let began = Instant::now();
    let out = work();
    // Never nothing, so that it is shown.
    add(counter, (began.elapsed().as_nanos() as u64).max(1));
    out
}

/// What this thread has logged: records, images of pages, bytes.
#[inline]
pub fn logged_so_far() -> [u64; 3] {
    let counters = [Counter::WalRecords, Counter::WalImages, Counter::WalBytes];
    COUNTS.with(|c| counters.map(|counter| c[counter as usize].get()))
}

/// The counters of this thread.
pub fn now() -> Usage {
    COUNTS.with(|c| {
        let of = |counter: Counter| c[counter as usize].get();
        Usage {
            shared_hit: of(Counter::SharedHit),
            shared_read: of(Counter::SharedRead),
            shared_dirtied: of(Counter::SharedDirtied),
            shared_written: of(Counter::SharedWritten),
            local_hit: of(Counter::LocalHit),
            local_read: of(Counter::LocalRead),
            local_dirtied: of(Counter::LocalDirtied),
            local_written: of(Counter::LocalWritten),
            temp_read: of(Counter::TempRead),
            temp_written: of(Counter::TempWritten),
            read_ns: of(Counter::ReadTime),
            write_ns: of(Counter::WriteTime),
            temp_read_ns: of(Counter::TempReadTime),
            temp_write_ns: of(Counter::TempWriteTime),
            wal_records: of(Counter::WalRecords),
            wal_images: of(Counter::WalImages),
            wal_bytes: of(Counter::WalBytes),
        }
    })
}

/// Counts here what another thread has used of pages and temporary files for this one's work. What it has logged is left out: that is
/// passed on by the thread that did it.
pub fn take_over(used: &Usage) {
    for (counter, n) in [
        (Counter::SharedHit, used.shared_hit),
        (Counter::SharedRead, used.shared_read),
        (Counter::SharedDirtied, used.shared_dirtied),
        (Counter::SharedWritten, used.shared_written),
        (Counter::LocalHit, used.local_hit),
        (Counter::LocalRead, used.local_read),
        (Counter::LocalDirtied, used.local_dirtied),
        (Counter::LocalWritten, used.local_written),
        (Counter::TempRead, used.temp_read),
        (Counter::TempWritten, used.temp_written),
        (Counter::ReadTime, used.read_ns),
        (Counter::WriteTime, used.write_ns),
        (Counter::TempReadTime, used.temp_read_ns),
        (Counter::TempWriteTime, used.temp_write_ns),
    ] {
        add(counter, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_what_lies_between_two_looks() {
        let before = now();
        page_hit(false);
        page_hit(false);
        page_hit(true);
        pages_read(3, false);
        logged(1, 100);
        add(Counter::TempWritten, 8193);
        assert!(!TIMED.get());
        timed(Counter::ReadTime, || ());
        let used = now().since(&before);
        assert_eq!((used.shared_hit, used.local_hit, used.shared_read), (2, 1, 3));
        assert_eq!((used.wal_records, used.wal_images, used.wal_bytes), (1, 1, 100));
        assert_eq!((used.temp_blocks_written(), used.temp_blocks_read(), used.read_ns), (2, 0, 0));
        assert_eq!(used.plus(&used).shared_hit, 4);
        let other = std::thread::spawn(|| {
            let before = now();
            pages_read(5, true);
            logged(0, 10);
            now().since(&before)
        });
        take_over(&other.join().unwrap());
        let used = now().since(&before);
        assert_eq!((used.local_read, used.wal_records), (5, 1));
        set_timed(true);
        timed(Counter::ReadTime, || ());
        set_timed(false);
        assert!(now().since(&before).read_ns > 0);
    }
}
