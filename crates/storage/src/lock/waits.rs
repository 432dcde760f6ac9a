//! Waiting in a queue: for how long, what the session hears of it, and how a wait's errors are told.

use super::deadlock::Finding;
use super::manager::{LockManager, take_out};
use super::{LockMode, LockTag, OwnerId, ROW_QUEUE, Waiting};
use crate::ids::RelId;
use parking_lot::{Condvar, Mutex};
use quarry_common::{Error, Oid, Result, SqlState, Tid, Xid, wait};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a waiting thread looks at its cancel flag.
const CANCEL_POLL: Duration = Duration::from_millis(20);

/// What is being done with a row while a transaction's end is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowOperation {
    Update,
    Delete,
    Lock,
    LockUpdated,
    InsertIndex,
}

/// The row version of a wait, for its errors' context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowWait {
    /// The table's file, or the index's for [`RowOperation::InsertIndex`].
    pub rel: RelId,
    pub tid: Tid,
    pub operation: RowOperation,
}

/// What came of a wait that has lasted for `deadlock_timeout`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitNews {
    StillWaiting,
    Acquired,
    /// A circle of waits was opened by changing the order of waiters.
    AvoidedDeadlock,
    DetectedDeadlock,
}

/// News of a long wait, as `log_lock_waits` reports them.
pub struct WaitReport {
    pub news: WaitNews,
    pub mode: LockMode,
    /// What is waited for, in words.
    pub target: String,
    pub waited: Duration,
    /// Process ids.
    pub holders: Vec<i32>,
    pub queue: Vec<i32>,
    pub context: Option<String>,
    /// Byte offset in the statement's text of the name of what is waited for, if it has one.
    pub position: Option<usize>,
}

/// Who waits, as the waits need to know it: the session.
pub trait WaitObserver: Send + Sync {
    /// A long wait has news.
    fn report(&self, report: WaitReport);
    /// Whether anyone reads these reports.
    fn wants_reports(&self) -> bool;
    /// The relation with this file.
    fn relation(&self, rel: RelId) -> Option<(Oid, String)>;
    /// What a process runs.
    fn activity_of(&self, pid: i32) -> String;
    /// A wait has lasted as long as makes one look for a deadlock, and there is none: these processes hold the lock. Called once.
    fn blocked_by(&self, _pids: &[i32]) {}
}

/// One request in a queue.
pub(super) struct Waiter {
    pub owner: OwnerId,
    pub pid: i32,
    pub mode: LockMode,
    pub since: Instant,
    granted: Mutex<bool>,
    changed: Condvar,
}

impl Waiter {
    pub fn new(who: &Waiting<'_>, mode: LockMode) -> Arc<Waiter> {
        Arc::new(Waiter {
            owner: who.owner,
            pid: who.pid,
            mode,
            since: Instant::now(),
            granted: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    pub fn grant(&self) {
        *self.granted.lock() = true;
        self.changed.notify_all();
    }

    pub fn is_granted(&self) -> bool {
        *self.granted.lock()
    }
}

impl Waiting<'_> {
    /// A lock's name in messages.
    pub(super) fn name_of(&self, tag: &LockTag) -> String {
        let rel = match tag {
            LockTag::Row { rel, .. } | LockTag::Extension { rel } => rel,
            _ => return tag.to_string(),
        };
        // The file's number stands in for the table's only if nobody knows that.
        let oid = self.observer.and_then(|o| o.relation(*rel)).map_or(rel.rel, |(oid, _)| oid.0);
        match tag {
            LockTag::Row { tid, .. } => {
                let tid = Tid { slot: tid.slot & !ROW_QUEUE, ..*tid };
                format!("tuple {tid} of relation {oid} of database {}", rel.db)
            }
            _ => format!("extension of relation {oid} of database {}", rel.db),
        }
    }

    /// The context of this wait's errors.
    fn context(&self) -> Option<String> {
        let RowWait { rel, tid, operation } = self.row?;
        let (_, name) = self.observer?.relation(rel)?;
        Some(match operation {
            RowOperation::Update => format!("while updating tuple {tid} in relation \"{name}\""),
            RowOperation::Delete => format!("while deleting tuple {tid} in relation \"{name}\""),
            RowOperation::Lock => format!("while locking tuple {tid} in relation \"{name}\""),
            RowOperation::LockUpdated => {
                format!("while locking updated version {tid} of tuple in relation \"{name}\"")
            }
            RowOperation::InsertIndex => format!("while inserting index tuple {tid} in relation \"{name}\""),
        })
    }
}

impl LockManager {
    /// Waits for a queued request to be granted; takes it out of the queue on failure.
    pub(super) fn wait(&self, who: &Waiting<'_>, tag: &LockTag, waiter: &Arc<Waiter>) -> Result<()> {
        let outcome = wait::blocking(|| self.wait_until_granted(who, tag, waiter));
        let Err(e) = outcome else { return Ok(()) };
        if !self.leave_queue(tag, waiter) {
            // The lock came at the last moment: the wait has ended well after all.
            return Ok(());
        }
        Err(match who.context() {
            Some(context) => e.context(context),
            None => e,
        })
    }

    fn wait_until_granted(&self, who: &Waiting<'_>, tag: &LockTag, waiter: &Arc<Waiter>) -> Result<()> {
        let start = waiter.since;
        let general = || Duration::from_millis(self.deadlock_timeout_ms.load(Ordering::Relaxed));
        let deadlock_timeout = who.deadlock_timeout.unwrap_or_else(general);
        let mut checked = false;
        let mut granted = waiter.granted.lock();
        while !*granted {
            let waited = start.elapsed();
            if who.cancel.load(Ordering::Acquire) {
                return Err(Error::cancelled());
            }
            if who.lock_timeout.is_some_and(|t| waited >= t) {
                let text = "canceling statement due to lock timeout";
                return Err(Error::new(SqlState::LOCK_NOT_AVAILABLE, text));
            }
            if !checked && waited >= deadlock_timeout {
                checked = true;
                drop(granted);
                match self.look_for_deadlock(who, waiter, tag) {
                    Finding::Nothing => {}
                    Finding::Avoided => self.report(who, tag, waiter, WaitNews::AvoidedDeadlock),
                    Finding::Deadlock(e) => {
                        self.report(who, tag, waiter, WaitNews::DetectedDeadlock);
                        return Err(e);
                    }
                }
                if !waiter.is_granted() {
                    if let Some(observer) = who.observer {
                        observer.blocked_by(&self.in_the_way(tag, waiter));
                    }
                    self.report(who, tag, waiter, WaitNews::StillWaiting);
                }
                granted = waiter.granted.lock();
                continue;
            }
            let mut nap = CANCEL_POLL;
            if !checked {
                nap = nap.min(deadlock_timeout - waited);
            }
            if let Some(timeout) = who.lock_timeout {
                nap = nap.min(timeout - waited);
            }
            waiter.changed.wait_for(&mut granted, nap);
        }
        drop(granted);
        if checked {
            self.report(who, tag, waiter, WaitNews::Acquired);
        }
        Ok(())
    }

    /// Processes that hold the lock in a mode which conflicts with the wanted one.
    fn in_the_way(&self, tag: &LockTag, waiter: &Waiter) -> Vec<i32> {
        let shard = self.shard(tag).lock();
        let Some(entry) = shard.get(tag) else { return vec![] };
        let conflicting = entry
            .holders
            .iter()
            .filter(|h| h.owner != waiter.owner && h.modes & waiter.mode.conflicts() != 0);
        conflicting.map(|h| h.pid).collect()
    }

    /// False: the lock has been granted.
    fn leave_queue(&self, tag: &LockTag, waiter: &Arc<Waiter>) -> bool {
        let mut shard = self.shard(tag).lock();
        if waiter.is_granted() {
            return false;
        }
        take_out(&mut shard, tag, waiter);
        true
    }

    /// Tells the session of a long wait.
    fn report(&self, who: &Waiting<'_>, tag: &LockTag, waiter: &Waiter, news: WaitNews) {
        let Some(observer) = who.observer.filter(|o| o.wants_reports()) else { return };
        let waited = waiter.since.elapsed();
        let ender = self.ender_of(tag);
        let (mut holders, mut queue, mut sharer) = (Vec::new(), Vec::new(), None);
        {
            let shard = self.shard(tag).lock();
            if let Some(entry) = shard.get(tag) {
                holders.extend(entry.holders.iter().map(|h| h.pid));
                queue.extend(entry.queue.iter().map(|w| w.pid));
                let in_the_way = |h: &&super::manager::Holder| {
                    h.owner != waiter.owner && h.modes & waiter.mode.conflicts() != 0
                };
                sharer = entry.holders.iter().find(in_the_way).map(|h| h.owner);
            }
        }
        holders.extend(ender.map(|(_, pid)| pid));
        // Users know a wait for a row's sharer as one for its transaction's end.
        let (mode, target) = match sharer.filter(|_| tag.is_row_share()).and_then(|o| self.xid_of(o)) {
            Some(xid) => (LockMode::Share, LockTag::Xid(xid).to_string()),
            None => (waiter.mode, who.name_of(tag)),
        };
        let (context, position) = (who.context(), who.position);
        observer.report(WaitReport { news, mode, target, waited, holders, queue, context, position });
    }

    /// The top-level id of the transaction that an owner runs.
    pub(super) fn xid_of(&self, owner: OwnerId) -> Option<Xid> {
        self.txns.get().and_then(std::sync::Weak::upgrade)?.running.xid_of(owner.0)
    }
}
