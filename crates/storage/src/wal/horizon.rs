//! The two horizons that readers go by, and the gap before their next value.
//!
//! *Durable* is what is flushed. *Visible* is where snapshots begin: the durable horizon, or further, over commits that have nothing to lose
//! ([`Horizon::show`]): those that wrote nothing that outlives a crash. It never passes a commit that a crash could take back.
//!
//! The visible horizon moves from flush to flush, and from one such commit to another. Readers begin at it, so between two of its values no new
//! snapshot lies: versions that were made and ended in there can be removed as soon as nobody *will* see them, before they are durable. Who
//! removes some claims the gap: [`Horizon::claim`] gives its bounds, and the next value will not lie inside.
//!
//! A flush that has begun ends where it has decided to; a claim made meanwhile reaches no further than that. Otherwise it reaches to the
//! end of the log, and the next flush, which writes at least so far, makes it good. So a claim never delays a flush, whoever waits for it. A
//! commit with nothing to lose moves the horizon to the end of what is claimed, or not at all.
//!
//! # Locking
//! `coming` is a leaf, held for a few instructions.

use parking_lot::Mutex;
use quarry_common::Lsn;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module.
#[derive(Debug)]
pub struct Horizon {
    flushed: AtomicU64,
    /// At least `flushed`, changed under `coming`.
    visible: AtomicU64,
    coming: Mutex<Coming>,
    /// Commits that a crash could take back and that may have a place in the log that isn't noted yet.
    entering: AtomicUsize,
    /// The end of the last of them in the log, of those that have left `entering`.
    losable: AtomicU64,
}

#[derive(Debug)]
struct Coming {
    /// Where the running flush will end.
    end: Option<u64>,
    /// The next visible horizon is at or above.
    claimed: u64,
}

/// No snapshot that is taken from now on lies between these, but for those that read what isn't visible to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The visible horizon of now.
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

/// A commit that a crash could take back is on its way into the log, see [`Horizon::enter`].
#[must_use]
pub struct Entering<'a>(&'a Horizon);

impl Entering<'_> {
    /// It ends at `end`.
    pub fn has_place(&self, end: Lsn) {
        self.0.losable.fetch_max(end.0, Ordering::SeqCst);
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        // After `has_place`: who finds it gone finds the place.
        self.0.entering.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Horizon {
    /// At the end of what recovery found.
    pub fn new(at: u64) -> Horizon {
        Horizon {
            flushed: AtomicU64::new(at),
            visible: AtomicU64::new(at),
            coming: Mutex::new(Coming { end: None, claimed: at }),
            entering: AtomicUsize::new(0),
            losable: AtomicU64::new(at),
        }
    }

    /// Everything before is durable.
    #[inline]
    pub fn get(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// Every commit before is durable or has nothing to lose.
    #[inline]
    pub fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
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
        // First: who has waited for a commit sees it.
        self.visible.fetch_max(end, Ordering::SeqCst);
        self.flushed.store(end, Ordering::SeqCst);
        end
    }

    /// Keeps the next visible horizon out of the gap that this gives; `inserted` is the end of the log.
    pub fn claim(&self, inserted: impl FnOnce() -> Lsn) -> Gap {
        let mut coming = self.coming.lock();
        let from = self.visible();
        // A flush that ends before the visible horizon doesn't move it.
        let to = coming.end.filter(|end| *end > from).unwrap_or_else(|| inserted().0);
        coming.claimed = coming.claimed.max(to);
        Gap { from: Lsn(from), to: Lsn(coming.claimed) }
    }

    /// Before the record of a commit that a crash could take back gets its place.
    pub fn enter(&self) -> Entering<'_> {
        self.entering.fetch_add(1, Ordering::SeqCst);
        Entering(self)
    }

    /// Makes a commit visible whose record ends at `end` and that has nothing to lose. False: a commit that could get lost may lie before
    /// it, so it has to wait for the flush.
    ///
    /// Whoever enters after `entering` has been read gets a place behind all that is claimed or reserved by then; whoever has left before has
    /// its place in `losable`.
    pub fn show(&self, end: Lsn) -> bool {
        let coming = self.coming.lock();
        let visible = self.visible();
        if visible >= end.0 {
            return true;
        }
        let to = end.0.max(coming.claimed);
        if self.entering.load(Ordering::SeqCst) != 0 || self.losable.load(Ordering::SeqCst) > visible {
            return false;
        }
        self.visible.store(to, Ordering::SeqCst);
        true
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

    #[test]
    fn nothing_to_lose_is_shown_at_once() {
        let horizon = Horizon::new(100);
        assert!(horizon.show(Lsn(200)));
        assert_eq!((horizon.get(), horizon.visible()), (100, 200));
        // A claimed gap is passed as a whole.
        assert_eq!(horizon.claim(|| Lsn(400)), Gap { from: Lsn(200), to: Lsn(400) });
        assert!(horizon.show(Lsn(300)));
        assert_eq!(horizon.visible(), 400);
        // A flush under way ends behind it: its end is no horizon of anybody's.
        assert!(horizon.begin(400));
        assert!(horizon.show(Lsn(500)));
        assert_eq!(horizon.claim(|| Lsn(600)), Gap { from: Lsn(500), to: Lsn(600) });
        horizon.finish();
        assert_eq!((horizon.get(), horizon.visible()), (400, 500));
        assert!(!horizon.begin(550));
    }

    #[test]
    fn what_could_get_lost_is_not_passed() {
        let horizon = Horizon::new(100);
        let other = horizon.enter();
        assert!(!horizon.show(Lsn(300)), "it may lie before");
        other.has_place(Lsn(200));
        drop(other);
        assert!(!horizon.show(Lsn(300)));
        assert_eq!(horizon.visible(), 100);
        assert!(horizon.begin(200));
        assert!(!horizon.show(Lsn(300)), "it isn't durable yet");
        horizon.finish();
        assert!(horizon.show(Lsn(300)));
        // One that failed leaves nothing behind.
        drop(horizon.enter());
        assert!(horizon.show(Lsn(400)));
    }
}
