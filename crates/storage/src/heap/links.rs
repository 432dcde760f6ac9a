//! From a row version to the next: links that are checked, and what is left of them when the version they lead to is gone.
//!
//! Versions that no snapshot sees are removed from the middle of a row's history. On one page the chain is closed over the gap (the
//! record of the removal changes the link before it). From page to page that can't be done: who removes a version doesn't know where
//! the one before it is. Only they need it who *follow* rows, at READ COMMITTED, and while they run: so for these the gap is noted
//! here, in memory. Nobody follows anything across a restart.
//!
//! A gap is one entry whatever its length, from the first version removed to the first that is there. So there are no more than rows changed
//! since the oldest follower's snapshot. If there are [`GAPS_MAX`], versions that would need another one stay.
//!
//! From a version that is there, the way on is whole at any moment: its link leads to one that is there, or to one with an entry here, or the
//! row has ended. Who comes with a link read earlier may find that it leads nowhere any more, because a gap was closed or
//! became longer; then the way begins again at the version that the snapshot sees ([`VersionRef`] remembers it).
//!
//! # Locking
//! The table's mutex is a leaf, taken under page latches. Who removes a version notes the gap before it lets go of the page; who comes
//! for the version and finds it gone looks here afterwards: so it finds one or the other.

use super::tuple::TupleHeader;
use crate::RelId;
use crate::txn::LiveSnapshots;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::{Lsn, Tid, Xid};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most gaps noted.
const GAPS_MAX: usize = 1 << 20;

/// A row version: where it is, and by whom it must have been made if it is still that one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionRef {
    pub tid: Tid,
    writer: Writer,
    /// A version that stays while this is in use, from which the way led here.
    origin: Option<Tid>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    /// Whatever is there: the caller's snapshot sees it, or it is locked.
    Any,
    Exactly(Xid),
    /// The id's lower half is known.
    Low(u32),
}

impl From<Tid> for VersionRef {
    fn from(tid: Tid) -> VersionRef {
        VersionRef { tid, writer: Writer::Any, origin: None }
    }
}

impl VersionRef {
    /// The version at `tid` that `writer` has made.
    pub fn made_by(tid: Tid, writer: Xid) -> VersionRef {
        VersionRef { tid, writer: Writer::Exactly(writer), origin: None }
    }

    /// As a link that was closed over a gap tells it.
    pub(super) fn made_by_low(tid: Tid, low: u32) -> VersionRef {
        VersionRef { tid, writer: Writer::Low(low), origin: None }
    }

    /// The same, reached from `from`.
    pub(crate) fn reached_from(self, from: VersionRef) -> VersionRef {
        let stays = (from.writer == Writer::Any).then_some(from.tid);
        VersionRef { origin: stays.or(from.origin), ..self }
    }

    /// The version that the way here began at.
    pub(crate) fn origin(&self) -> Option<VersionRef> {
        self.origin.map(VersionRef::from)
    }

    /// Whether this is its header.
    #[inline]
    pub(crate) fn is(&self, h: &TupleHeader) -> bool {
        match self.writer {
            Writer::Any => true,
            Writer::Exactly(xid) => h.xmin == xid,
            Writer::Low(low) => h.xmin.0 as u32 == low,
        }
    }

    fn key(&self, rel: RelId) -> Option<Key> {
        let low = match self.writer {
            Writer::Any => return None,
            Writer::Exactly(xid) => xid.0 as u32,
            Writer::Low(low) => low,
        };
        Some((rel, self.tid.to_u64(), low))
    }
}

type Key = (RelId, u64, u32);

#[derive(Clone, Copy)]
struct Gap {
    next: VersionRef,
    /// When the first version in it was made: whose snapshot shows that doesn't come here.
    made: Lsn,
}

#[derive(Default)]
struct Gaps {
    /// From the first version removed to the first one that is there.
    by_first: HashMap<Key, Gap>,
    /// The reverse.
    by_next: HashMap<Key, Key>,
    /// When there are so many, it's time to look which are still needed.
    look_at: usize,
}

/// The gaps in the histories of all rows. Part of [`Storage`](crate::Storage).
#[derive(Default)]
pub struct RemovedLinks {
    gaps: Mutex<Gaps>,
    len: AtomicUsize,
}

impl RemovedLinks {
    /// Whether nothing more can be noted.
    pub(crate) fn is_full(&self) -> bool {
        self.len.load(Ordering::Relaxed) >= GAPS_MAX
    }

    /// Gaps noted.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The version with this header, made at `made`, is about to be removed. Its page is latched.
    pub(crate) fn removed(&self, rel: RelId, tid: Tid, h: &TupleHeader, made: Lsn, live: &LiveSnapshots) {
        let followed = live.may_be_followed_to(made);
        if !followed && self.is_empty() {
            return;
        }
        let Some(key) = VersionRef::made_by(tid, h.xmin).key(rel) else { return };
        let mut gaps = self.gaps.lock();
        // What leads here leads on, or to the row's end.
        let first = gaps.by_next.remove(&key);
        // The next one may have gone before.
        let next = h.next().map(|next| match next.key(rel).and_then(|k| gaps.by_first.remove(&k)) {
            Some(gap) => gap.next,
            None => next,
        });
        match (next, first) {
            (Some(next), Some(first)) => gaps.lead(rel, first, next, None),
            (Some(next), None) if followed => gaps.lead(rel, key, next, Some(made)),
            (None, Some(first)) => {
                gaps.by_first.remove(&first);
            }
            (_, None) => {}
        }
        if gaps.by_first.len() > gaps.look_at {
            gaps.forget(live.any_follower());
            gaps.look_at = (gaps.by_first.len() * 2).max(1024);
        }
        self.len.store(gaps.by_first.len(), Ordering::Relaxed);
    }

    /// Forgets what nobody needs any more.
    pub(crate) fn clean(&self, live: &LiveSnapshots) {
        if live.any_follower().is_none() && !self.is_empty() {
            let mut gaps = self.gaps.lock();
            gaps.forget(None);
            self.len.store(0, Ordering::Relaxed);
        }
    }

    /// What follows on a version that has been removed; none: nothing, or it's long ago.
    pub(crate) fn after(&self, rel: RelId, gone: VersionRef) -> Option<VersionRef> {
        if self.is_empty() {
            return None;
        }
        let key = gone.key(rel)?;
        self.gaps.lock().by_first.get(&key).map(|gap| gap.next.reached_from(gone))
    }
}

impl Gaps {
    fn lead(&mut self, rel: RelId, first: Key, next: VersionRef, made: Option<Lsn>) {
        match (self.by_first.get_mut(&first), made) {
            (Some(gap), _) => gap.next = next,
            (None, Some(made)) => drop(self.by_first.insert(first, Gap { next, made })),
            (None, None) => return,
        }
        if let Some(key) = next.key(rel) {
            self.by_next.insert(key, first);
        }
    }

    /// Keeps what someone may come for whose snapshot is at or above `follower`.
    fn forget(&mut self, follower: Option<Lsn>) {
        match follower {
            None => *self = Gaps { look_at: self.look_at, ..Gaps::default() },
            Some(follower) => {
                self.by_first.retain(|_, gap| gap.made > follower);
                let first = &self.by_first;
                self.by_next.retain(|_, key| first.contains_key(key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txn::running::{FOLLOWS, Running};
    use quarry_common::{CommandId, Oid};

    fn version(xmin: u64, xmax: u64, next: u16) -> TupleHeader {
        let mut h = TupleHeader::new(Xid(xmin), CommandId(0), 0);
        h.xmax = Xid(xmax);
        h.ctid = Tid { block: 9, slot: next };
        h
    }

    #[test]
    fn a_gap_is_one_entry_and_leads_to_what_is_there() {
        let running = Running::default();
        let slot = running.enter();
        running.publish_snapshot(slot, 0, FOLLOWS, || Lsn(100));
        let live = running.live_snapshots(Lsn(900), Oid::INVALID);
        let rel = RelId::new(Oid(1), 2);
        let at = |slot| Tid { block: 9, slot };
        let links = RemovedLinks::default();
        // Versions 2, 3, 4 of a row go, in some order; 5 is there.
        links.removed(rel, at(3), &version(12, 13, 4), Lsn(130), &live);
        links.removed(rel, at(2), &version(11, 12, 3), Lsn(120), &live);
        links.removed(rel, at(4), &version(13, 14, 5), Lsn(140), &live);
        let mut next = VersionRef::made_by(at(2), Xid(11));
        let mut steps = 0;
        while let Some(n) = links.after(rel, next) {
            next = n;
            steps += 1;
        }
        assert_eq!(next, VersionRef::made_by(at(5), Xid(14)));
        assert_eq!(steps, 1);
        assert_eq!(links.after(rel, VersionRef::made_by(at(2), Xid(99))), None);
        assert_eq!(links.after(rel, VersionRef::from(at(2))), None);
        // Who had come as far as version 3 begins again.
        assert_eq!(links.len(), 1);
        // The row is deleted, and nothing is left of it.
        links.removed(rel, at(5), &version(14, 15, 0), Lsn(150), &live);
        assert_eq!(links.after(rel, VersionRef::made_by(at(2), Xid(11))), None);
        running.leave(slot);
        links.clean(&running.live_snapshots(Lsn(950), Oid::INVALID));
        assert!(links.is_empty());
    }

    #[test]
    fn who_sees_a_version_needs_no_way_to_it() {
        let running = Running::default();
        let slot = running.enter();
        running.publish_snapshot(slot, 0, FOLLOWS, || Lsn(100));
        let live = running.live_snapshots(Lsn(900), Oid::INVALID);
        let links = RemovedLinks::default();
        links.removed(RelId::new(Oid(1), 2), Tid { block: 9, slot: 1 }, &version(5, 6, 2), Lsn(90), &live);
        assert!(links.is_empty());
        running.leave(slot);
    }
}
