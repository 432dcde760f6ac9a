//! Which versions a snapshot sees, which are dead to everyone, which may be changed now.
//!
//! A version is visible if its writer's commit is within the snapshot (or it is an earlier command of the reader's own
//! transaction) and its deleter's is not. [`XMIN_FROZEN`] says "within every snapshot", so old rows cost no
//! lookup; [`Memo`] remembers the last writer asked for, so rows loaded by one transaction cost one lookup per page.

use super::tuple::*;
use crate::Storage;
use crate::txn::{LiveSnapshots, Snapshot, Transaction, TxnManager, XidStatus};
use quarry_common::{Lsn, Xid};

/// The last lookup's answer.
#[derive(Clone, Copy, Default)]
pub struct Memo {
    xid: Xid,
    sees: bool,
}

impl Memo {
    #[inline]
    fn sees(&mut self, snap: &Snapshot, txns: &TxnManager, xid: Xid) -> bool {
        if self.xid != xid {
            self.sees = snap.sees_xid(txns, xid);
            self.xid = xid;
        }
        self.sees
    }
}

/// Whether `snap` sees the version.
#[inline]
pub fn is_visible(h: &TupleHeader, snap: &Snapshot, txns: &TxnManager, memo: &mut Memo) -> bool {
    if !h.has(XMIN_FROZEN) {
        if h.has(XMIN_ABORTED) {
            return false;
        }
        if snap.is_mine(h.xmin) {
            if snap.commands(h).0 >= snap.cid() {
                return false;
            }
        } else if !memo.sees(snap, txns, h.xmin) {
            return false;
        }
    }
    if !h.may_be_ended() {
        return true;
    }
    if snap.is_mine(h.xmax) {
        return snap.commands(h).1 >= snap.cid();
    }
    !memo.sees(snap, txns, h.xmax)
}

/// Whether `snap` sees the version, and whose concurrent work stands against that: a writer that the snapshot doesn't show and who may have
/// committed, of this version if it isn't seen, of its end if it is.
pub fn judge(h: &TupleHeader, snap: &Snapshot, txns: &TxnManager) -> (bool, Option<Xid>) {
    // Within the snapshot; else whether the writer is concurrent (not rolled back).
    let seen = |xid: Xid| match txns.status(xid) {
        XidStatus::Committed(csn) if csn <= snap.csn() => Ok(()),
        XidStatus::Aborted => Err(None),
        XidStatus::Committed(_) | XidStatus::InProgress => Err(Some(xid)),
    };
    if !h.has(XMIN_FROZEN) {
        if h.has(XMIN_ABORTED) {
            return (false, None);
        }
        if snap.is_mine(h.xmin) {
            if snap.commands(h).0 >= snap.cid() {
                return (false, None);
            }
        } else if let Err(writer) = seen(h.xmin) {
            return (false, writer);
        }
    }
    if !h.may_be_ended() {
        return (true, None);
    }
    if snap.is_mine(h.xmax) {
        return (snap.commands(h).1 >= snap.cid(), None);
    }
    match seen(h.xmax) {
        Ok(()) => (false, None),
        Err(writer) => (true, writer),
    }
}

/// A version as vacuum and pruning see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// No snapshot, present or future, sees it.
    Dead,
    /// Ended, but some snapshot may still see it.
    RecentlyDead,
    /// Committed and current. `visible_to_all`: committed before the horizon, nobody has begun to end it.
    Live { visible_to_all: bool },
    /// Its writer is running.
    InsertInProgress,
    /// Its deleter is running.
    DeleteInProgress,
}

/// Judges a version against `horizon`: commits up to there are seen by everyone.
pub fn fate(h: &TupleHeader, txns: &TxnManager, horizon: Lsn) -> Fate {
    let mut visible_to_all = true;
    if !h.has(XMIN_FROZEN) {
        if h.has(XMIN_ABORTED) {
            return Fate::Dead;
        }
        match txns.status(h.xmin) {
            XidStatus::Aborted => return Fate::Dead,
            XidStatus::InProgress => return Fate::InsertInProgress,
            XidStatus::Committed(csn) => visible_to_all = csn <= horizon,
        }
    }
    if !h.may_be_ended() {
        return Fate::Live { visible_to_all };
    }
    match txns.status(h.xmax) {
        XidStatus::Aborted => Fate::Live { visible_to_all },
        XidStatus::InProgress => Fate::DeleteInProgress,
        XidStatus::Committed(csn) if csn <= horizon => Fate::Dead,
        XidStatus::Committed(_) => Fate::RecentlyDead,
    }
}

/// Judges a version for removal: as [`fate`], but one that shows to no snapshot because they all lie before or after it is dead, too.
/// It stays if a serializable reader must find its writer, or if its place in the chain would have to be noted and there is no more room for that.
pub fn fate_between(h: &TupleHeader, storage: &Storage, live: &LiveSnapshots) -> Fate {
    let txns = storage.txns();
    let fate = fate(h, txns, live.horizon());
    if fate != Fate::RecentlyDead || live.limit() == live.horizon() {
        return fate;
    }
    let ended = match txns.status(h.xmax) {
        XidStatus::Committed(csn) => csn,
        XidStatus::InProgress | XidStatus::Aborted => return fate,
    };
    let made = made_at(h, txns);
    if !live.miss(made, ended) {
        return fate;
    }
    let must_be_found = live.is_watched(made) && !h.has(STOOD_FOR) && storage.ssi().knows_writer(h.xmin);
    let must_lead_on = h.has(UPDATED) && h.next().is_some() && live.may_be_followed_to(made);
    if must_be_found || (must_lead_on && storage.removed_links().is_full()) { fate } else { Fate::Dead }
}

/// When a version was made by a transaction that has committed; 0: before all snapshots.
pub(crate) fn made_at(h: &TupleHeader, txns: &TxnManager) -> Lsn {
    if h.has(XMIN_FROZEN) {
        return Lsn(0);
    }
    match txns.status(h.xmin) {
        XidStatus::Committed(csn) => csn,
        XidStatus::InProgress | XidStatus::Aborted => Lsn(0),
    }
}

/// Whether a version may be changed or locked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Modifiable {
    /// Yes. `held_by_me`: `xmax` is already this transaction's lock. `shared_with`: another transaction changes or has changed
    /// the row without touching its key (matters to key-share lockers only).
    Yes { held_by_me: bool, shared_with: Option<Xid> },
    /// This transaction has already ended it, or made it in the running command.
    SelfModified { same_command: bool },
    /// Ask again when this transaction has ended.
    Wait(Xid),
    /// A committed transaction made a newer version.
    Updated,
    /// Deleted by a committed transaction, or never existed.
    Deleted,
}

/// Judges a version for `txn`, which wants `key` strength (conflicts with every lock) or less. `share` says that only a
/// key-share lock is wanted, which a non-key update doesn't disturb.
pub fn modifiable(
    h: &TupleHeader,
    txn: &Transaction,
    snap: &Snapshot,
    txns: &TxnManager,
    key_share_only: bool,
) -> Modifiable {
    if !h.has(XMIN_FROZEN) {
        if h.has(XMIN_ABORTED) {
            return Modifiable::Deleted;
        }
        if txn.is_mine(h.xmin) {
            if txn.commands(h).0 >= snap.cid() {
                return Modifiable::SelfModified { same_command: true };
            }
        } else {
            match txns.status(h.xmin) {
                XidStatus::Aborted => return Modifiable::Deleted,
                XidStatus::InProgress => return Modifiable::Wait(h.xmin),
                XidStatus::Committed(csn) => follow(txn, snap, csn),
            }
        }
    }
    let free = Modifiable::Yes { held_by_me: false, shared_with: None };
    if !h.xmax.is_valid() || h.has(XMAX_ABORTED) {
        return free;
    }
    if h.has(XMAX_LOCK_ONLY) {
        if txn.is_mine(h.xmax) {
            return Modifiable::Yes { held_by_me: true, shared_with: None };
        }
        return match txns.status(h.xmax) {
            XidStatus::InProgress if key_share_only && !h.has(XMAX_KEY) => free,
            XidStatus::InProgress => Modifiable::Wait(h.xmax),
            XidStatus::Aborted | XidStatus::Committed(_) => free,
        };
    }
    let ended = if h.ctid.slot != 0 { Modifiable::Updated } else { Modifiable::Deleted };
    if txn.is_mine(h.xmax) {
        let ended_in = txn.commands(h).1;
        if ended_in >= snap.cid() {
            return Modifiable::SelfModified { same_command: ended_in == txn.command_id() };
        }
        return ended;
    }
    match txns.status(h.xmax) {
        XidStatus::Aborted => free,
        // The key stays what it was: who only cares for that may lock the version that its snapshot sees.
        XidStatus::Committed(csn) if key_share_only && !h.has(XMAX_KEY) && h.ctid.slot != 0 => {
            follow(txn, snap, csn);
            Modifiable::Yes { held_by_me: false, shared_with: Some(h.xmax) }
        }
        XidStatus::Committed(csn) => {
            follow(txn, snap, csn);
            ended
        }
        XidStatus::InProgress if key_share_only && !h.has(XMAX_KEY) => {
            Modifiable::Yes { held_by_me: false, shared_with: Some(h.xmax) }
        }
        XidStatus::InProgress => Modifiable::Wait(h.xmax),
    }
}

/// A decision rested on a commit that the snapshot doesn't show, perhaps not durable yet: the transaction's later snapshots must.
fn follow(txn: &Transaction, snap: &Snapshot, csn: Lsn) {
    if csn > snap.csn() {
        txn.follow(csn);
    }
}
