//! The durable horizon, and the gap before its next value.
//!
//! The horizon moves from flush to flush. Readers begin at it, so between two of its values no new snapshot lies: versions that were made and
//! ended in there can be removed as soon as nobody *will* see them, before they are durable. Who removes some claims the gap:
//! [`Horizon::claim`] gives its bounds, and the next value will not lie inside.
//!
//! A flush that has begun ends where it has decided to; a claim made meanwhile reaches no further than that. Otherwise it reaches to the
//! end of the log, and the next flush, which writes at least so far, makes it good. So a claim never delays a flush, whoever waits for it.
//!
//! # Locking
//! `coming` is a leaf, held for a few instructions.

use parking_lot::Mutex;
use quarry_common::Lsn;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Horizon {
    flushed: AtomicU64,
    coming: Mutex<Coming>,
}

#[derive(Debug)]
struct Coming {
    /// Where the running flush will end.
    end: Option<u64>,
    /// The next horizon is at or above.
    claimed: u64,
}

/// No snapshot that is taken from now on lies between these, but for those that read what isn't durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The durable horizon of now.
    pub from: Lsn,
    /// The next one is at or above.
    pub to: Lsn,
}

impl From<Lsn> for Gap {
    /// None: snapshots may be anywhere from there on.
    fn from(horizon: Lsn) -> Gap {
        Gap { from: horizon, to: horizon }
    }
}

impl Horizon {
    /// At the end of what recovery found.
    pub fn new(at: u64) -> Horizon {
        Horizon { flushed: AtomicU64::new(at), coming: Mutex::new(Coming { end: None, claimed: at }) }
    }

    /// Everything before is durable.
    #[inline]
    pub fn get(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// A flush of what is `written` begins; false: a claim reaches further, so more must be written first.
    pub fn begin(&self, written: u64) -> bool {
        let mut coming = self.coming.lock();
        if written < coming.claimed {
            return false;
        }
        coming.end = Some(written);
        true
    }

    /// The flush that has begun has ended.
    pub fn finish(&self) -> u64 {
        let mut coming = self.coming.lock();
        let end = coming.end.take().expect("a flush has begun");
        self.flushed.store(end, Ordering::SeqCst);
        end
    }

    /// Keeps the next horizon out of the gap that this gives; `inserted` is the end of the log.
    pub fn claim(&self, inserted: impl FnOnce() -> Lsn) -> Gap {
        let mut coming = self.coming.lock();
        let to = coming.end.unwrap_or_else(|| inserted().0);
        coming.claimed = coming.claimed.max(to);
        Gap { from: Lsn(self.get()), to: Lsn(coming.claimed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_reaches_as_far_as_the_next_flush() {
        let horizon = Horizon::new(100);
        assert_eq!(horizon.claim(|| Lsn(300)), Gap { from: Lsn(100), to: Lsn(300) });
        assert!(!horizon.begin(200), "it would end inside of the gap");
        assert!(horizon.begin(320));
        // While it runs, what comes later may have to be shown by the next horizon.
        assert_eq!(horizon.claim(|| Lsn(900)), Gap { from: Lsn(100), to: Lsn(320) });
        assert_eq!(horizon.finish(), 320);
        assert_eq!(horizon.get(), 320);
        assert_eq!(horizon.claim(|| Lsn(900)), Gap { from: Lsn(320), to: Lsn(900) });
    }
}
