//! Memory that statements gather rows in (sorts, hash tables, groups, windows, bitmaps), counted for the whole server.
//!
//! `work_mem` is about one operation; here is what all of them hold together, and `quarry.memory_limit`. Who gathers has a
//! [`Reservation`] and tells it what it holds. No operation may hold more than what is still free (Choudhury and Hahne's dynamic
//! thresholds for buffers that queues share): so `n` operations that all want more come to rest with the `n+1`th part of the limit each, those that
//! came early give way when others come, and there is always something left for the next one. Who holds more than that writes to files; who has no files
//! to write to is refused when the limit is reached ([`Reservation::must_hold`]).
//!
//! What an operation holds is told after it has been gathered, a batch of rows at a time, and in steps of [`STEP`]: short
//! statements never touch the shared counter.

use crate::{Result, err};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that reservations are counted in.
const STEP: usize = 64 << 10;

/// What an operation may hold, however little is free: less would be files of a few rows.
const LEAST: usize = 512 << 10;

/// A limit and what is held under it. Counts are all there is to them: no memory is published by these atomics.
#[derive(Debug)]
pub struct Pool {
    held: AtomicUsize,
    peak: AtomicUsize,
    limit: AtomicUsize,
}

/// The server's.
static SERVER: Pool = Pool::new();

/// Sets the most bytes that all statements together may hold.
pub fn set_limit(bytes: usize) {
    SERVER.limit.store(bytes, Ordering::Relaxed);
}

/// Bytes that all statements hold together.
pub fn held() -> usize {
    SERVER.held.load(Ordering::Relaxed)
}

/// The most bytes that they have held since the server started.
pub fn peak() -> usize {
    SERVER.peak.load(Ordering::Relaxed)
}

impl Pool {
    /// Without a limit.
    const fn new() -> Pool {
        Pool { held: AtomicUsize::new(0), peak: AtomicUsize::new(0), limit: AtomicUsize::new(usize::MAX) }
    }
    fn add(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(held, Ordering::Relaxed);
        }
    }
    fn free(&self) -> usize {
        self.limit.load(Ordering::Relaxed).saturating_sub(self.held.load(Ordering::Relaxed))
    }
}

/// What one operation holds; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    pool: &'static Pool,
    held: usize,
}

impl Default for Reservation {
    fn default() -> Reservation {
        Reservation { pool: &SERVER, held: 0 }
    }
}

impl Reservation {
    /// The operation holds so many bytes now. Whether it may go on to: else it has to write them to files.
    #[inline]
    pub fn may_hold(&mut self, bytes: usize) -> bool {
        self.count(bytes);
        bytes <= LEAST || bytes <= self.pool.free()
    }

    /// The operation holds so many bytes now and can't do with less.
    #[inline]
    pub fn must_hold(&mut self, bytes: usize) -> Result<()> {
        let before = self.held;
        self.count(bytes);
        if self.held <= before.max(LEAST) || self.pool.free() > 0 {
            return Ok(());
        }
        self.refuse(bytes)
    }

    /// The operation holds so many bytes now, whether they may be or not.
    pub fn holds(&mut self, bytes: usize) {
        self.count(bytes);
    }

    /// What the operation may hold, of `most` bytes.
    pub fn allowance(&self, most: usize) -> usize {
        let left = self.pool.free().saturating_add(self.held) / 2;
        most.min(left.max(LEAST))
    }

    #[cold]
    fn refuse(&self, bytes: usize) -> Result<()> {
        let limit = self.pool.limit.load(Ordering::Relaxed) / 1024;
        let error = err!(OUT_OF_MEMORY, "out of memory");
        Err(error
            .detail(format!(
                "An operation needs {} kB, and all statements together may hold {limit} kB.",
                bytes / 1024
            ))
            .hint("Raise quarry.memory_limit, or run fewer large statements at a time."))
    }

    #[inline]
    fn count(&mut self, bytes: usize) {
        let bytes = bytes / STEP * STEP;
        if bytes != self.held {
            self.change(bytes);
        }
    }

    fn change(&mut self, bytes: usize) {
        match bytes.checked_sub(self.held) {
            Some(more) => self.pool.add(more),
            None => drop(self.pool.held.fetch_sub(self.held - bytes, Ordering::Relaxed)),
        }
        self.held = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.held > 0 {
            self.change(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    fn pool(limit: usize) -> &'static Pool {
        let pool = Box::leak(Box::new(Pool::new()));
        pool.limit.store(limit, Ordering::Relaxed);
        pool
    }

    #[test]
    fn those_who_came_early_give_way() {
        let pool = pool(100 * MB);
        let take = |most: usize| {
            let mut r = Reservation { pool, held: 0 };
            let mut bytes = 0;
            while bytes < most && r.may_hold(bytes + MB) {
                bytes += MB;
            }
            r.holds(bytes);
            (r, bytes)
        };
        let (mut first, bytes) = take(64 * MB);
        assert_eq!(bytes, 50 * MB);
        let (_second, bytes) = take(64 * MB);
        assert_eq!(bytes, 25 * MB);
        // 25 MB are free, and the first one holds 50.
        assert!(!first.may_hold(50 * MB));
        assert!(first.may_hold(37 * MB));
        drop(first);
        assert_eq!(pool.held.load(Ordering::Relaxed), 25 * MB);
        assert_eq!(pool.peak.load(Ordering::Relaxed), 76 * MB);
    }

    #[test]
    fn who_cannot_do_with_less_is_refused_at_the_limit() {
        let pool = pool(10 * MB);
        let mut r = Reservation { pool, held: 0 };
        assert!(r.must_hold(9 * MB).is_ok());
        let error = r.must_hold(11 * MB).expect_err("too much");
        assert_eq!(error.sqlstate(), crate::SqlState::OUT_OF_MEMORY);
        // Whoever holds little may go on, and so may who holds less than before.
        assert!(Reservation { pool, held: 0 }.must_hold(100 << 10).is_ok());
        assert!(r.must_hold(10 * MB).is_ok());
        assert!(Reservation { pool, held: 0 }.may_hold(LEAST));
    }

    #[test]
    fn little_is_not_counted() {
        let pool = pool(MB);
        let mut r = Reservation { pool, held: 0 };
        assert!(r.may_hold(STEP - 1));
        assert_eq!((r.held, pool.held.load(Ordering::Relaxed)), (0, 0));
    }
}
