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
//!
//! Beside the server's count each session has one ([`Account`]): what an operation holds is charged to the account of the thread that it began on.
//!
//! Once a part of the limit is held, memory is *short*: whoever asked to ([`when_short`]) is told, and saves where memory is wasted otherwise.

mod account;

pub use account::{Account, Charged, charge, charge_from_now_on, charged};

use crate::{Result, err};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes that reservations are counted in.
const STEP: usize = 64 << 10;

/// What an operation may hold, however little is free: less would be files of a few rows. Under a small limit this part of it, but
/// no less than the second number.
const LEAST: (usize, usize) = (512 << 10, 128 << 10);
const LEAST_PART: usize = 128;

/// Memory is short from this part of the limit on, and until no more than the second is held: in between nothing changes.
const SHORT_PARTS: (usize, usize) = (4, 8);

/// A limit and what is held under it. Counts are all there is to them: no memory is published by these atomics.
#[derive(Debug)]
pub struct Pool {
    held: AtomicUsize,
    peak: AtomicUsize,
    limit: AtomicUsize,
    short: AtomicBool,
}

/// Told when memory gets short (true) and when it isn't any more.
static WHEN_SHORT: OnceLock<fn(bool)> = OnceLock::new();

/// Held while somebody is told, so that whoever is told last is told what is so.
static TELLING: Mutex<()> = Mutex::new(());

/// Says who is told when memory gets short (true) and when it isn't any more. The first one counts.
pub fn when_short(tell: fn(bool)) {
    let _ = WHEN_SHORT.set(tell);
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

/// The most bytes that they may hold, if there is a limit.
pub fn limit() -> Option<usize> {
    Some(SERVER.limit.load(Ordering::Relaxed)).filter(|limit| *limit < usize::MAX)
}

/// What an operation may hold of `most` bytes that holds nothing yet, as things are.
pub fn allowance(most: usize) -> usize {
    SERVER.allowance(most, 0)
}

impl Pool {
    /// Without a limit.
    const fn new() -> Pool {
        Pool {
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            limit: AtomicUsize::new(usize::MAX),
            short: AtomicBool::new(false),
        }
    }
    fn add(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if held > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(held, Ordering::Relaxed);
        }
        if held > self.limit.load(Ordering::Relaxed) / SHORT_PARTS.0 && !self.short.load(Ordering::Relaxed) {
            self.tell();
        }
    }
    fn give_back(&self, bytes: usize) {
        let held = self.held.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        if self.short.load(Ordering::Relaxed) && held <= self.limit.load(Ordering::Relaxed) / SHORT_PARTS.1 {
            self.tell();
        }
    }
    /// Finds out whether memory is short, and tells if that has changed.
    #[cold]
    fn tell(&self) {
        let _alone = TELLING.lock().unwrap_or_else(PoisonError::into_inner);
        let (held, limit) = (self.held.load(Ordering::Relaxed), self.limit.load(Ordering::Relaxed));
        let was = self.short.load(Ordering::Relaxed);
        let is = held > limit / if was { SHORT_PARTS.1 } else { SHORT_PARTS.0 };
        if is != was {
            self.short.store(is, Ordering::Relaxed);
            if let Some(tell) = WHEN_SHORT.get() {
                tell(is);
            }
        }
    }
    fn free(&self) -> usize {
        self.limit.load(Ordering::Relaxed).saturating_sub(self.held.load(Ordering::Relaxed))
    }
    /// What an operation may hold, however little is free.
    fn least(&self) -> usize {
        let (most, least) = LEAST;
        (self.limit.load(Ordering::Relaxed) / LEAST_PART).clamp(least, most)
    }
    fn allowance(&self, most: usize, held: usize) -> usize {
        most.min((self.free().saturating_add(held) / 2).max(self.least()))
    }
}

/// What one operation holds; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    pool: &'static Pool,
    held: usize,
    /// Who is charged: found out with the first bytes, and stays.
    account: Option<Arc<Account>>,
}

impl Default for Reservation {
    fn default() -> Reservation {
        Reservation::of(&SERVER)
    }
}

impl Reservation {
    const fn of(pool: &'static Pool) -> Reservation {
        Reservation { pool, held: 0, account: None }
    }

    /// The operation holds so many bytes now. Whether it may go on to: else it has to write them to files.
    #[inline]
    pub fn may_hold(&mut self, bytes: usize) -> bool {
        self.count(bytes);
        bytes <= self.pool.free() || bytes <= self.pool.least()
    }

    /// The operation holds so many bytes now and can't do with less.
    #[inline]
    pub fn must_hold(&mut self, bytes: usize) -> Result<()> {
        let before = self.held;
        self.count(bytes);
        if self.held <= before || self.pool.free() > 0 || self.held <= self.pool.least() {
            return Ok(());
        }
        self.refuse(bytes)
    }

    /// The operation holds so many bytes now, whether they may be or not.
    pub fn holds(&mut self, bytes: usize) {
        self.count(bytes);
    }

    /// As [`Reservation::holds`], to the byte: for what there are many of that are smaller than a step each, and change seldom.
    pub fn holds_exactly(&mut self, bytes: usize) {
        if bytes != self.held {
            self.change(bytes);
        }
    }

    /// What the operation may hold, of `most` bytes.
    pub fn allowance(&self, most: usize) -> usize {
        self.pool.allowance(most, self.held)
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
        if self.account.is_none() {
            self.account = charged();
        }
        match bytes.checked_sub(self.held) {
            Some(more) => {
                self.pool.add(more);
                self.account.iter().for_each(|a| a.add(more));
            }
            None => {
                self.pool.give_back(self.held - bytes);
                self.account.iter().for_each(|a| a.give_back(self.held - bytes));
            }
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
            let mut r = Reservation::of(pool);
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
        let mut r = Reservation::of(pool);
        assert!(r.must_hold(9 * MB).is_ok());
        let error = r.must_hold(11 * MB).expect_err("too much");
        assert_eq!(error.sqlstate(), crate::SqlState::OUT_OF_MEMORY);
        // Whoever holds little may go on, and so may who holds less than before.
        assert!(Reservation::of(pool).must_hold(100 << 10).is_ok());
        assert!(r.must_hold(10 * MB).is_ok());
        assert!(Reservation::of(pool).may_hold(pool.least()));
    }

    #[test]
    fn little_is_not_counted() {
        let pool = pool(MB);
        let mut r = Reservation::of(pool);
        assert!(r.may_hold(STEP - 1));
        assert_eq!((r.held, pool.held.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn memory_is_short_from_a_quarter_of_the_limit_to_an_eighth() {
        let pool = pool(80 * MB);
        let mut r = Reservation::of(pool);
        let mut short = |mb: usize| {
            r.holds(mb * MB);
            pool.short.load(Ordering::Relaxed)
        };
        assert_eq!([19, 21, 11, 10, 15, 21].map(&mut short), [false, true, true, false, false, true]);
        drop(r);
        assert!(!pool.short.load(Ordering::Relaxed));
    }

    #[test]
    fn accounts_are_charged_for_what_began_on_their_threads() {
        let pool = pool(80 * MB);
        let (mine, other) = (Account::new(), Account::new());
        let mut r = Reservation::of(pool);
        {
            let _charged = charge(&mine);
            r.holds(3 * MB);
            let _inner = charge(&other);
            // It goes on with whom it began.
            r.holds(2 * MB);
            Reservation::of(pool).holds_exactly(100);
        }
        assert_eq!([mine.held(), mine.peak(), other.held(), other.peak()], [2 * MB, 3 * MB, 0, 100]);
        assert!(charged().is_none());
        for account in [&mine, &mine, &other] {
            let is_charged = || charged().is_some_and(|charged| Arc::ptr_eq(&charged, account));
            charge_from_now_on(account);
            assert!(is_charged());
            drop(charge(&Account::new()));
            charge_from_now_on(account);
            assert!(is_charged());
        }
        drop(r);
        assert_eq!((mine.held(), pool.held.load(Ordering::Relaxed)), (0, 0));
    }
}
