//! Which snapshots are alive, so that versions between them can go, not only those older than all.
//!
//! A version made by a commit at `a` and ended by one at `b` shows to the snapshots in `[a, b)`, and to no other: every snapshot is one CSN,
//! published exactly ([`super::running`]), and those to come are at the durable horizon of now or beyond the gap before the next one
//! ([`crate::wal::horizon`]). So one pass over the slots decides for any version whether somebody sees it or ever will.
//!
//! A transaction that says which database it works in reads other databases' tables no more than PostgreSQL's do: its snapshots hold back nothing
//! there, only in its own and in the shared catalogs.
//!
//! Two kinds of readers need more than what they see. Who may change or lock rows at READ COMMITTED *follows* a row from the version that it sees to the newest:
//! versions made after its snapshot may go, but their place in the chain must stay known ([`crate::heap::links`]). And what a SERIALIZABLE
//! transaction passes over, because a concurrent one of its kind made it, is a conflict to be found ([`crate::ssi`], rule S15).

use super::running::{FOLLOWS, Running};
use crate::wal::Gap;
use quarry_common::{Lsn, Oid};
use std::sync::atomic::{Ordering, fence};

/// The live snapshots at one moment. It stays true: later ones are none that this calls impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSnapshots {
    /// Every snapshot, present or future, is at or above.
    horizon: Lsn,
    /// Every one that isn't in `fixed` is at or above.
    limit: Lsn,
    /// Those below `limit`, rising, each once.
    fixed: Vec<Lsn>,
    /// The lowest one whose owner may follow rows to versions that it doesn't see.
    follower: Option<Lsn>,
    /// The same of all databases.
    any_follower: Option<Lsn>,
    /// The lowest one whose owner must find out who made the versions it doesn't see.
    watcher: Option<Lsn>,
}

impl LiveSnapshots {
    /// All snapshots may be anywhere from `horizon` on.
    pub fn from_horizon(horizon: Lsn) -> LiveSnapshots {
        LiveSnapshots {
            horizon,
            limit: horizon,
            fixed: Vec::new(),
            follower: None,
            any_follower: None,
            watcher: None,
        }
    }

    /// The same; the oldest snapshot of a serializable transaction that isn't known to be safe is `watcher`.
    pub(crate) fn watched_from(self, watcher: Option<Lsn>) -> LiveSnapshots {
        LiveSnapshots { watcher, ..self }
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

    /// Whether no snapshot sees a version made at `made` (0: before all) and ended at `ended`.
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

    /// Whether someone may come along a chain to a version made at `made`, without seeing it.
    #[inline]
    pub(crate) fn may_be_followed_to(&self, made: Lsn) -> bool {
        self.follower.is_some_and(|f| f < made)
    }

    /// Nobody comes along a chain to a version made at or before this.
    #[inline]
    pub(crate) fn follower(&self) -> Option<Lsn> {
        self.follower
    }

    /// The same for tables of whatever database.
    #[inline]
    pub(crate) fn any_follower(&self) -> Option<Lsn> {
        self.any_follower
    }

    /// The oldest snapshot whose owner must learn who made versions that it doesn't see.
    #[inline]
    pub(crate) fn watcher(&self) -> Option<Lsn> {
        self.watcher
    }

    /// Whether some reader that doesn't see a version made at `made` must learn who made it.
    #[inline]
    pub(crate) fn is_watched(&self, made: Lsn) -> bool {
        self.watcher.is_some_and(|w| w < made)
    }
}

impl Running {
    /// The live snapshots that may read relations of `db` (0: any); new ones will get the lower end of `coming`, or lie at or above its upper end. See
    /// [`Running::publish_snapshot`].
    pub fn live_snapshots(&self, coming: impl Into<Gap>, db: Oid) -> LiveSnapshots {
        let Gap { from, to } = coming.into();
        let _passing = self.passing.read();
        self.pending_horizon.fetch_max(from.0, Ordering::SeqCst);
        self.pending_gap.fetch_max(to.0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut live = LiveSnapshots::from_horizon(from);
        if from < to {
            // Somebody may take it at any time, and follow rows from there.
            live.limit = to;
            live.fixed.push(from);
            live.follower = Some(from);
            live.any_follower = Some(from);
        }
        let lower = |known: &mut Option<Lsn>, csn: Lsn| *known = Some(known.map_or(csn, |f| f.min(csn)));
        self.for_each(|slot| {
            let counts = slot.may_read(db);
            slot.for_each_snapshot(|published| {
                let csn = Lsn(published & !FOLLOWS);
                if csn >= to {
                    return;
                }
                if published & FOLLOWS != 0 {
                    lower(&mut live.any_follower, csn);
                }
                if !counts {
                    return;
                }
                live.fixed.push(csn);
                live.horizon = live.horizon.min(csn);
                if published & FOLLOWS != 0 {
                    lower(&mut live.follower, csn);
                }
            });
        });
        live.fixed.sort_unstable();
        live.fixed.dedup();
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_between_snapshots_are_missed() {
        let live = LiveSnapshots {
            limit: Lsn(500),
            fixed: vec![Lsn(100), Lsn(300)],
            ..LiveSnapshots::from_horizon(Lsn(100))
        };
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
    fn other_databases_hold_nothing_back() {
        let running = Running::default();
        let (a, b) = (running.enter(), running.enter());
        running.set_database(a, Oid(5));
        running.set_database(b, Oid(6));
        running.publish_snapshot(a, 0, FOLLOWS, || Lsn(100));
        running.publish_snapshot(b, 0, 0, || Lsn(300));
        let horizon = |db| running.live_snapshots(Lsn(900), Oid(db)).horizon();
        assert_eq!([5, 6, 7, 0].map(horizon), [Lsn(100), Lsn(300), Lsn(900), Lsn(100)]);
        let elsewhere = running.live_snapshots(Lsn(900), Oid(6));
        assert!(elsewhere.miss(Lsn(90), Lsn(200)) && !elsewhere.miss(Lsn(90), Lsn(301)));
        // What is noted for a follower outlives others' looking.
        assert_eq!((elsewhere.follower(), elsewhere.any_follower()), (None, Some(Lsn(100))));
        // The next one in the slot may be anyone's.
        running.leave(b);
        let b = running.enter();
        running.publish_snapshot(b, 0, 0, || Lsn(950));
        let horizon = |db| running.live_snapshots(Lsn(990), Oid(db)).horizon();
        assert_eq!([5, 6, 7].map(horizon), [Lsn(100), Lsn(950), Lsn(950)]);
    }

    #[test]
    fn slots_say_what_they_hold_back() {
        let running = Running::default();
        let (a, b) = (running.enter(), running.enter());
        running.publish_snapshot(a, 0, 0, || Lsn(100));
        let live = running.live_snapshots(Lsn(900), Oid::INVALID);
        assert_eq!((live.horizon(), live.limit(), live.follower()), (Lsn(100), Lsn(900), None));
        assert!(live.miss(Lsn(101), Lsn(900)) && !live.miss(Lsn(100), Lsn(900)));
        // A later read of the same transaction, and one of another.
        running.publish_snapshot(a, 1, 0, || Lsn(950));
        running.publish_snapshot(b, 0, FOLLOWS, || Lsn(920));
        let live = running.live_snapshots(Lsn(1000), Oid::INVALID);
        assert_eq!((live.horizon(), live.limit(), live.follower()), (Lsn(100), Lsn(1000), Some(Lsn(920))));
        assert!(live.may_be_followed_to(Lsn(921)) && !live.may_be_followed_to(Lsn(920)));
        assert!(live.miss(Lsn(101), Lsn(920)) && !live.miss(Lsn(101), Lsn(921)));
        assert!(live.miss(Lsn(951), Lsn(1000)) && !live.miss(Lsn(930), Lsn(951)));
        running.retract_snapshot(a, 1);
        assert!(running.live_snapshots(Lsn(1000), Oid::INVALID).miss(Lsn(930), Lsn(951)));
        // More than a slot has places for.
        for n in 0..20 {
            running.publish_snapshot(b, n, 0, || Lsn(1000 + n as u64 * 10));
        }
        let live = running.live_snapshots(Lsn(2000), Oid::INVALID);
        assert!(!live.miss(Lsn(1181), Lsn(1191)) && live.miss(Lsn(1181), Lsn(1190)));
        running.leave(b);
        running.leave(a);
        assert_eq!(running.live_snapshots(Lsn(2000), Oid::INVALID), LiveSnapshots::from_horizon(Lsn(2000)));
    }
}
