//! A session's next transaction in the memory of the last one: short transactions allocate nothing for themselves.

use super::pins::Pins;
use super::{Inner, Transaction};
use crate::txn::IsolationLevel;
use crate::txn::commands::Shared;
use crate::txn::serializable::Serializable;
use std::sync::Arc;

impl Transaction {
    /// Begins another transaction for the same session, database and listeners, as [`Storage::begin_with`](crate::Storage::begin_with) does.
    /// This one has ended; `&mut` proves that nobody else knows of it.
    pub fn begin_again(&mut self, isolation: IsolationLevel, read_at_inserted: bool) {
        // One that still runs is undone first.
        self.abort();
        self.slot = self.storage.txns().running.enter();
        self.show_slot();
        // Named one by one, so that none is forgotten.
        let Transaction {
            storage: _,
            slot: _,
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
        *of.get_mut() = isolation as u8;
        *at_inserted.get_mut() = read_at_inserted;
        *top.get_mut() = 0;
        *has_losable.get_mut() = false;
        *current.get_mut() = 0;
        *command.get_mut() = 0;
        *first_csn.get_mut() = 0;
        *floor.get_mut() = 0;
        *lock_timeout_ms.get_mut() = 0;
        *deadlock_timeout_ms.get_mut() = 0;
        *done.get_mut() = false;
        *is_prepared.get_mut() = false;
        *wait_position.get_mut() = 0;
        *pins.get_mut() = Pins::default();
        // A snapshot that outlived its transaction goes on counting for that one.
        match Arc::get_mut(shared) {
            Some(shared) => *shared = Shared::default(),
            None => *shared = Arc::default(),
        }
        *inner.get_mut() = Inner::default();
        *serializable = Serializable::default();
        extension.take();
    }
}
