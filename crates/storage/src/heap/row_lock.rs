//! Row locks: who may change a row version now.
//!
//! Strong locks (NoKeyUpdate, Update) stand in the version's `xmax`, alone (lock-only flag) or as part of an update or
//! delete. Share locks (KeyShare, Share) live in the lock manager under [`LockTag::Row`], whose table modes have the same
//! conflicts as PostgreSQL's row locks. A share locker looks at `xmax` and enters its lock under the page's shared latch; a strong
//! locker looks for share locks and writes `xmax` under the exclusive one, so neither misses the other.
//!
//! | wanted \ held | KeyShare | Share | NoKeyUpdate | Update |
//! | --- | --- | --- | --- | --- |
//! | KeyShare | | | | x |
//! | Share | | | x | x |
//! | NoKeyUpdate | | x | x | x |
//! | Update | x | x | x | x |
//!
//! Who has to wait for a row first takes its queue tag, and keeps it until it has the row or gives up ([`Turn`]): rows pass on in
//! the order they were asked for. As in PostgreSQL, a share lock that nothing but waiters stand against is had at once.

use super::Heap;
use super::tuple::{TupleHeader, XMAX_KEY, XMAX_LOCK_ONLY};
use crate::lock::{ROW_QUEUE, RowOperation, RowWait};
use crate::txn::Transaction;
use crate::{LockMode, LockTag, WaitPolicy};
use quarry_common::{Result, Tid, Xid};

/// A place at the head of a row's queue, given up when dropped.
struct Turn<'t> {
    txn: &'t Transaction,
    queue: LockTag,
    mode: LockMode,
}

/// Waiting for a row: what for, and the place in its queue.
pub(crate) struct Line<'t> {
    pub operation: RowOperation,
    turn: Option<Turn<'t>>,
}

impl Line<'_> {
    pub fn new(operation: RowOperation) -> Self {
        Line { operation, turn: None }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.txn.unlock_recent(&self.queue, self.mode);
    }
}

/// PostgreSQL's row lock strengths, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RowLockMode {
    /// FOR KEY SHARE: the row stays and keeps its key.
    KeyShare,
    /// FOR SHARE: the row stays as it is.
    Share,
    /// FOR NO KEY UPDATE, and updates that keep the key.
    NoKeyUpdate,
    /// FOR UPDATE, deletes, updates of the key.
    Update,
}

impl RowLockMode {
    /// The table mode with the same conflicts.
    fn table_mode(self) -> LockMode {
        match self {
            RowLockMode::KeyShare => LockMode::AccessShare,
            RowLockMode::Share => LockMode::RowShare,
            RowLockMode::NoKeyUpdate => LockMode::Exclusive,
            RowLockMode::Update => LockMode::AccessExclusive,
        }
    }

    /// Whether it stands in `xmax`.
    pub(crate) fn is_strong(self) -> bool {
        self >= RowLockMode::NoKeyUpdate
    }

    /// Its flag in `xmax`.
    pub(crate) fn key_bit(self) -> u16 {
        if self == RowLockMode::Update { XMAX_KEY } else { 0 }
    }
}

impl Heap {
    fn row_tag(&self, tid: Tid) -> LockTag {
        LockTag::Row { rel: self.rel, tid }
    }

    fn queue_tag(&self, tid: Tid) -> LockTag {
        LockTag::Row { rel: self.rel, tid: Tid { block: tid.block, slot: tid.slot | ROW_QUEUE } }
    }

    /// Tries to enter a share lock; the caller holds the page's latch.
    pub(crate) fn try_share(&self, txn: &Transaction, tid: Tid, mode: RowLockMode) -> Result<bool> {
        txn.lock(self.row_tag(tid), mode.table_mode(), WaitPolicy::NoWait)
    }

    /// Whether some other transaction's share lock conflicts with taking the row in `mode`; the caller holds the page's
    /// exclusive latch.
    pub(crate) fn is_shared(&self, txn: &Transaction, tid: Tid, mode: RowLockMode) -> Result<bool> {
        if !self.storage.locks().has_row_locks() {
            return Ok(false);
        }
        Ok(self.storage.locks().conflicts_with_others(txn, self.row_tag(tid), mode.table_mode()))
    }

    /// Waits in line for the row's holders, sharers (none) or the transaction in its `xmax`; no latch may be held. False: would block.
    pub(crate) fn wait_in_line<'t>(
        &self,
        txn: &'t Transaction,
        tid: Tid,
        holder: Option<Xid>,
        mode: RowLockMode,
        policy: WaitPolicy,
        line: &mut Line<'t>,
    ) -> Result<bool> {
        if matches!(line.operation, RowOperation::Update | RowOperation::Delete) {
            // As in PostgreSQL, who is about to write has an id, that others may wait for.
            txn.assign_xid_to_note();
        }
        // Who shares the row already goes past the line: those in it may be waiting for this transaction.
        let shares =
            || self.storage.locks().holders(self.row_tag(tid)).iter().any(|(o, _)| *o == txn.owner());
        let in_line = line.turn.as_ref().is_some_and(|t| t.queue == self.queue_tag(tid));
        if policy == WaitPolicy::Block && !in_line && !shares() {
            line.turn = None;
            let (queue, mode) = (self.queue_tag(tid), mode.table_mode());
            txn.lock(queue, mode, WaitPolicy::Block)?;
            line.turn = Some(Turn { txn, queue, mode });
        }
        let row = Some(RowWait { rel: self.rel, tid, operation: line.operation });
        match holder {
            Some(holder) => txn.wait_for_end(holder, policy, row),
            None => txn.lock_for(self.row_tag(tid), mode.table_mode(), policy, row),
        }
    }

    /// A subtransaction is about to put its id in the place of an outer level's lock: that lock is kept in the lock manager, and
    /// with it when the subtransaction rolls back. The caller holds the page's exclusive latch.
    pub(crate) fn keep_outer_lock(&self, txn: &Transaction, tid: Tid, header: &TupleHeader) -> Result<()> {
        let locked = header.has(XMAX_LOCK_ONLY) && txn.is_mine(header.xmax);
        if !locked || txn.xid() == Some(header.xmax) {
            return Ok(());
        }
        let mode = if header.has(XMAX_KEY) { RowLockMode::Update } else { RowLockMode::NoKeyUpdate };
        txn.lock_for_level(self.row_tag(tid), mode.table_mode(), header.xmax)
    }
}
