//! A session's next transaction in the memory of the last one: short transactions allocate nothing for themselves.

use super::{Inner, Transaction};
use crate::txn::IsolationLevel;
use quarry_common::Xid;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

impl Transaction {
    /// Begins another transaction for the same session, database and listeners, as [`Storage::begin_with`](crate::Storage::begin_with) does, in the
    /// memory of this one, which has ended. To be called by who knows everyone that has it: what they have becomes the new transaction's. False:
    /// something of this one goes on (a snapshot, what upper layers keep with it), so that nothing was done.
    pub fn begin_again(&self, isolation: IsolationLevel, read_at_inserted: bool) -> bool {
        // Others that had it may have let go of it in other threads.
        fence(Ordering::Acquire);
        // Named one by one, so that none is forgotten.
        let Transaction {
            storage,
            slot,
            owner: _,
            pid: _,
            database: _,
            isolation: of,
            read_at_inserted: at_inserted,
            top,
            has_losable,
            current,
            command,
            first_csn,
            floor,
            lock_timeout_ms,
            deadlock_timeout_ms,
            done,
            is_prepared,
            cancel: _,
            observer: _,
            wait_position,
            progress: _,
            pins,
            shared,
            inner,
            serializable,
            extension,
        } = self;
        let has_ended = done.load(Ordering::Acquire) && !is_prepared.load(Ordering::Acquire);
        if !has_ended || extension.get().is_some() || !serializable.is_unset() {
            return false;
        }
        pins.lock().clear();
        // A snapshot that outlived its transaction goes on counting for that one.
        if Arc::strong_count(shared) > 1 {
            return false;
        }
        shared.begin_again();
        let mut inner = inner.lock();
        match inner.has_only_locks() {
            true => inner.held.clear(),
            false => *inner = Inner::default(),
        }
        drop(inner);
        of.store(isolation as u8, Ordering::Relaxed);
        at_inserted.store(read_at_inserted, Ordering::Relaxed);
        for number in [top, current, first_csn, floor, lock_timeout_ms, deadlock_timeout_ms] {
            number.store(0, Ordering::Relaxed);
        }
        has_losable.store(false, Ordering::Relaxed);
        command.store(0, Ordering::Relaxed);
        wait_position.store(0, Ordering::Relaxed);
        slot.store(storage.txns().running.enter().to_bits(), Ordering::Relaxed);
        self.show_slot();
        done.store(false, Ordering::Release);
        true
    }

    /// The end of a transaction that has only read, with its lists' memory kept for the next one. False: there is more to be done; nothing was.
    pub(super) fn end_unwritten(&self) -> bool {
        if self.serializable.xact().is_some() || self.is_prepared.load(Ordering::Acquire) {
            return false;
        }
        let mut inner = self.inner.lock();
        if !inner.has_only_locks() {
            return false;
        }
        let mut held = std::mem::take(&mut inner.held);
        drop(inner);
        self.shared.counts.lock().end(true);
        self.storage.flush_counts();
        self.leave(Xid::INVALID, &[], &held);
        held.clear();
        self.inner.lock().held = held;
        true
    }
}

impl Inner {
    /// Whether there is nothing but (a few) locks that its end has to do with.
    fn has_only_locks(&self) -> bool {
        let Inner {
            subs,
            live_subs,
            shared_subs: _,
            held: _,
            held_index,
            commit_callbacks,
            abort_callbacks,
            created,
            created_databases,
            dropped,
            dropped_databases,
        } = self;
        subs.is_empty()
            && live_subs.is_empty()
            && held_index.is_none()
            && commit_callbacks.is_empty()
            && abort_callbacks.is_empty()
            && created.is_empty()
            && created_databases.is_empty()
            && dropped.is_empty()
            && dropped_databases.is_empty()
    }
}
