//! A transaction's part in serializable snapshot isolation ([`crate::ssi`]): what it is declared as, and its registration, which comes with its one
//! snapshot (or its first write, if that is earlier).

use super::Transaction;
use crate::ssi::{Beginner, Target, Xact};
use crate::{IsolationLevel, RelId};
use quarry_common::{BlockNo, Lsn, Result, Tid, Xid};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// See the module.
#[derive(Default)]
pub(super) struct Serializable {
    read_only: AtomicBool,
    deferrable: AtomicBool,
    /// Set with the snapshot; none: the snapshot is safe and nothing needs watching.
    xact: OnceLock<Option<Arc<Xact>>>,
}

impl Serializable {
    /// Of a transaction that was prepared.
    pub fn adopt(&self, xact: Option<Arc<Xact>>) {
        // It is new: nothing is set yet.
        let _ = self.xact.set(xact);
    }
    pub fn xact(&self) -> Option<&Arc<Xact>> {
        self.xact.get()?.as_ref()
    }
    /// Whether it hasn't been registered.
    pub fn is_unset(&self) -> bool {
        self.xact.get().is_none()
    }
    /// READ ONLY, as declared so far, at whatever level.
    pub fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }
}

impl Transaction {
    /// READ ONLY and DEFERRABLE, as declared so far. They count when the snapshot is taken.
    pub fn set_modes(&self, read_only: bool, deferrable: bool) {
        self.serializable.read_only.store(read_only, Ordering::Relaxed);
        self.serializable.deferrable.store(deferrable, Ordering::Relaxed);
    }

    /// To be called before a statement that reads waits for the locks of its tables: takes the one snapshot of REPEATABLE READ and SERIALIZABLE, which
    /// shows nothing that was committed during such a wait. SERIALIZABLE READ ONLY DEFERRABLE waits here until it has a snapshot that no running
    /// transaction can spoil. 57014 if cancelled meanwhile.
    #[inline]
    pub fn await_safe_snapshot(&self) -> Result<()> {
        if !self.isolation().uses_one_snapshot() || self.has_first_snapshot() {
            return Ok(());
        }
        let modes = &self.serializable;
        let waits = modes.deferrable.load(Ordering::Relaxed) && modes.read_only.load(Ordering::Relaxed);
        if self.isolation() == IsolationLevel::Serializable {
            self.take_serializable_snapshot(waits)?;
        } else {
            let csn = self.publish_first_snapshot();
            self.keep_first_snapshot(csn);
        }
        Ok(())
    }

    /// Takes the one snapshot of a SERIALIZABLE transaction and registers it. Fails only if it may wait.
    pub(super) fn take_serializable_snapshot(&self, may_wait: bool) -> Result<Lsn> {
        let csn = self.register(may_wait, false, &|| self.publish_first_snapshot())?;
        Ok(csn)
    }

    /// The same with the snapshot of another serializable transaction, which is still running.
    pub(super) fn take_serializable_snapshot_at(&self, csn: Lsn) {
        // Only waiting can fail.
        let _ = self.register(false, true, &|| self.publish_imported(csn));
    }

    fn register(&self, may_wait: bool, imported: bool, publish: &dyn Fn() -> Lsn) -> Result<Lsn> {
        let (csn, xact) = self.storage().ssi().begin(
            &Beginner {
                read_only: self.serializable.read_only.load(Ordering::Relaxed),
                deferrable: may_wait,
                imported,
                database: self.database(),
                pid: self.pid(),
                name: self.virtual_id(),
                xids: self.own_xids(),
                cancel: &self.cancel_flag(),
            },
            publish,
        )?;
        // Nobody else sets it: a transaction takes one snapshot at a time.
        let _ = self.serializable.xact.set(xact);
        self.keep_first_snapshot(csn);
        Ok(csn)
    }

    /// Whose reads and writes count for serializability; none at lower levels, and if the snapshot is safe.
    #[inline]
    pub(crate) fn xact(&self) -> Option<&Arc<Xact>> {
        if self.isolation() != IsolationLevel::Serializable {
            return None;
        }
        self.registered_xact()
    }

    #[cold]
    fn registered_xact(&self) -> Option<&Arc<Xact>> {
        if !self.has_first_snapshot() {
            drop(self.statement_snapshot());
        }
        self.serializable.xact().filter(|x| !x.is_safe())
    }

    /// The transaction has got further ids.
    pub(super) fn note_xids(&self, xids: &[Xid]) {
        if let Some(x) = self.serializable.xact().filter(|x| !x.is_safe()) {
            for xid in xids {
                self.storage().ssi().note_xid(x, *xid);
            }
        }
    }

    /// It is about to add a row somewhere to a table. The page it goes to is latched until it is there.
    #[inline]
    pub(crate) fn check_insert(&self, rel: RelId) -> Result<()> {
        match self.xact() {
            None => Ok(()),
            Some(x) => self.storage().ssi().check_write(x, &[Target::relation(rel)], false),
        }
    }

    /// It is about to end a row version. Its page is latched until that is done.
    #[inline]
    pub(crate) fn check_change(&self, rel: RelId, tid: Tid) -> Result<()> {
        let Some(x) = self.xact() else { return Ok(()) };
        let at = [Target::relation(rel), Target::page(rel, tid.block), Target::tuple(rel, tid)];
        // A savepoint may be rolled back to, and the write with it; then the lock is needed after all.
        self.storage().ssi().check_write(x, &at, self.sub_level() == 0)
    }

    /// It is about to add an entry to an index page (or would, but for a conflict). The page is latched until it is there.
    #[inline]
    pub(crate) fn check_entry(&self, rel: RelId, block: BlockNo) -> Result<()> {
        let Some(x) = self.xact() else { return Ok(()) };
        self.storage().ssi().check_write(x, &[Target::relation(rel), Target::page(rel, block)], false)
    }

    /// It is about to empty or remove a table (TRUNCATE, DROP TABLE): a write of whatever others have read there.
    pub fn check_removal(&self, rel: RelId) -> Result<()> {
        match self.xact() {
            None => Ok(()),
            Some(x) => self.storage().ssi().check_write_all(x, rel),
        }
    }

    /// 40001 if it can't commit; else it is sure to.
    pub(super) fn prepare_serializable(&self) -> Result<()> {
        match self.serializable.xact() {
            None => Ok(()),
            Some(x) => self.storage().ssi().prepare(x),
        }
    }

    pub(super) fn serializable_committed(&self, csn: Option<Lsn>) {
        if let Some(x) = self.serializable.xact() {
            self.storage().ssi().committed(x, csn);
        }
    }

    pub(super) fn serializable_aborted(&self) {
        if let Some(x) = self.serializable.xact() {
            self.storage().ssi().aborted(x);
        }
    }
}
