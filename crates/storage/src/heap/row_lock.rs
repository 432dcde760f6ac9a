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
//! Who has to wait for a row first takes its queue tag, so that one waiter at a time wakes up and tries again.

use super::Heap;
use super::tuple::XMAX_KEY;
use crate::txn::Transaction;
use crate::{LockMode, LockTag, WaitPolicy};
use quarry_common::{Result, Tid, Xid};

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

/// Slots never have this bit, so the queue's tag is no row's.
const QUEUE_BIT: u16 = 0x8000;

impl Heap {
    fn row_tag(&self, tid: Tid) -> LockTag {
        LockTag::Row { rel: self.rel, tid }
    }

    fn queue_tag(&self, tid: Tid) -> LockTag {
        LockTag::Row { rel: self.rel, tid: Tid { block: tid.block, slot: tid.slot | QUEUE_BIT } }
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

    /// Waits until `mode` can be had in the lock manager; no latch may be held. False: would block.
    pub(crate) fn wait_for_sharers(
        &self,
        txn: &Transaction,
        tid: Tid,
        mode: RowLockMode,
        policy: WaitPolicy,
    ) -> Result<bool> {
        txn.lock(self.row_tag(tid), mode.table_mode(), policy)
    }

    /// Waits for the transaction that holds the row's `xmax`; no latch may be held. False: would block.
    pub(crate) fn wait_for_holder(
        &self,
        txn: &Transaction,
        tid: Tid,
        holder: Xid,
        mode: RowLockMode,
        policy: WaitPolicy,
    ) -> Result<bool> {
        if policy != WaitPolicy::Block || !mode.is_strong() {
            return txn.wait_for_xid(holder, policy);
        }
        let queue = self.queue_tag(tid);
        txn.lock(queue, LockMode::Exclusive, WaitPolicy::Block)?;
        let ended = txn.wait_for_xid(holder, policy);
        txn.unlock_last(&queue, LockMode::Exclusive);
        ended
    }
}
