//! Which snapshots are alive, so that versions between them can go, not only those older than all.
//!
//! A version made by a commit at `a` and ended by one at `b` shows to the snapshots in `[a, b)`. Of a REPEATABLE READ transaction
//! the one snapshot is known exactly (and it follows no chain of versions: a row changed since is an error there). Everything else, also that
//! transaction's catalog reads, counts as "anywhere from here on": READ COMMITTED goes from the version that it sees to the newest, step by
//! step, and serializable transactions look at who ended a version.

use super::running::Running;
use quarry_common::Lsn;
use std::sync::atomic::{Ordering, fence};

/// The live snapshots at one moment. It stays true: later ones are none that this calls impossible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveSnapshots {
    /// Every snapshot, present or future, is at or above.
    horizon: Lsn,
    /// Every one that isn't in `fixed` is at or above.
    limit: Lsn,
    /// Known exactly; those below `limit`, rising.
    fixed: Vec<Lsn>,
}

impl LiveSnapshots {
    /// All snapshots may be anywhere from `horizon` on.
    pub fn from_horizon(horizon: Lsn) -> LiveSnapshots {
        LiveSnapshots { horizon, limit: horizon, fixed: Vec::new() }
    }

    /// Commits up to there are seen by everyone.
    #[inline]
    pub fn horizon(&self) -> Lsn {
        self.horizon
    }

    /// Versions ended above may yet be seen by anyone.
    #[inline]
    pub fn limit(&self) -> Lsn {
        self.limit
    }

    /// Whether no snapshot sees a version made at `made` (none: before all) and ended at `ended`.
    pub fn miss(&self, made: Lsn, ended: Lsn) -> bool {
        if ended <= self.horizon {
            return true;
        }
        if ended > self.limit {
            return false;
        }
        let first = self.fixed.partition_point(|s| *s < made);
        self.fixed.get(first).is_none_or(|s| *s >= ended)
    }
}

impl Running {
    /// The live snapshots; `now` is what a new one would get at least. See [`Running::oldest_csn`].
    pub fn live_snapshots(&self, now: Lsn) -> LiveSnapshots {
        let _passing = self.passing.read();
        self.pending_horizon.fetch_max(now.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut live = LiveSnapshots { horizon: now, limit: now, fixed: Vec::new() };
        self.for_each(|slot| {
            // A slot that turns exact only after this has all in `csn`; one that has, had the rest in `recent` before.
            let fixed = slot.fixed.load(Ordering::Acquire);
            let any = Some(Lsn(slot.csn.load(Ordering::Acquire))).filter(|csn| csn.0 != 0);
            let rest = match fixed {
                0 => any,
                _ => Some(Lsn(slot.recent.load(Ordering::Acquire))).filter(|csn| csn.0 != 0),
            };
            if fixed != 0 {
                live.fixed.push(Lsn(fixed));
                live.horizon = live.horizon.min(Lsn(fixed));
            }
            live.limit = rest.map_or(live.limit, |csn| live.limit.min(csn));
        });
        live.horizon = live.horizon.min(live.limit);
        live.fixed.retain(|s| *s < live.limit);
        live.fixed.sort_unstable();
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_between_snapshots_are_missed() {
        let live = LiveSnapshots { horizon: Lsn(100), limit: Lsn(500), fixed: vec![Lsn(100), Lsn(300)] };
        assert!(live.miss(Lsn(10), Lsn(100)), "ended when the oldest was taken");
        assert!(!live.miss(Lsn(10), Lsn(101)));
        assert!(!live.miss(Lsn(100), Lsn(200)));
        assert!(live.miss(Lsn(101), Lsn(300)));
        assert!(!live.miss(Lsn(101), Lsn(301)));
        assert!(live.miss(Lsn(301), Lsn(500)));
        assert!(!live.miss(Lsn(301), Lsn(501)));
        assert!(!live.miss(Lsn(0), Lsn(400)));
    }

    #[test]
    fn slots_say_what_they_hold_back() {
        let running = Running::default();
        let (a, b) = (running.enter(), running.enter());
        running.publish_snapshot(a, false, || Lsn(100));
        let inexact = running.live_snapshots(Lsn(900));
        assert_eq!((inexact.horizon(), inexact.limit()), (Lsn(100), Lsn(100)));
        running.fix_snapshot(a, Lsn(100));
        assert_eq!(running.live_snapshots(Lsn(900)).limit(), Lsn(100), "until others are known to be gone");
        running.retract_others(a);
        let live = running.live_snapshots(Lsn(900));
        assert_eq!((live.horizon(), live.limit()), (Lsn(100), Lsn(900)));
        assert!(live.miss(Lsn(101), Lsn(900)) && !live.miss(Lsn(100), Lsn(900)));
        // A later read of the same transaction, and one of another.
        running.publish_snapshot(a, true, || Lsn(950));
        running.publish_snapshot(b, false, || Lsn(920));
        let live = running.live_snapshots(Lsn(1000));
        assert_eq!((live.horizon(), live.limit()), (Lsn(100), Lsn(920)));
        running.retract_others(a);
        running.leave(b);
        assert_eq!(running.live_snapshots(Lsn(1000)).limit(), Lsn(1000));
        running.leave(a);
        assert_eq!(running.live_snapshots(Lsn(1000)), LiveSnapshots::from_horizon(Lsn(1000)));
    }
}
