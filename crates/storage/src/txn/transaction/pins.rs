//! A transaction's snapshots: taking them, and saying in its slot which are in use.
//!
//! Each lies in a place of the slot, exactly, while clones of its [`Pin`] are alive. A place whose pin nobody else holds is taken back
//! when the next snapshot is taken, at the latest at the end of the statement: until then it protects one CSN too many, which costs
//! a row one version at most.

use super::Transaction;
use crate::stats::Reads;
use crate::txn::commands::Shared;
use crate::txn::running::{FOLLOWS, Running, SlotId};
use crate::txn::{Snapshot, TxnManager};
use crate::{IsolationLevel, RelId};
use quarry_common::{Lsn, Result, Xid};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Alive as long as a snapshot is in use; a way to what it shares with its transaction.
#[derive(Clone)]
pub struct Pin(Kind);

/// As most transactions have one snapshot at a time, the first place needs nothing of its own: the clones of what is shared are counted.
#[derive(Clone)]
enum Kind {
    First(Arc<Shared>),
    Other(Arc<Place>),
}

/// Another one; its clones are counted.
struct Place {
    shared: Arc<Shared>,
}

impl Pin {
    /// What it shares with its transaction.
    #[inline]
    pub fn shared(&self) -> &Shared {
        match &self.0 {
            Kind::First(shared) => shared,
            Kind::Other(place) => &place.shared,
        }
    }
    pub fn count_reads(&self, rel: RelId, reads: Reads) {
        self.shared().counts.lock().count_reads(rel, reads);
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Pins {
    /// Of the places from the second on.
    others: Vec<Arc<Place>>,
    /// The one snapshot of REPEATABLE READ, kept to the end.
    first: Option<Pin>,
}

impl Pins {
    /// Forgets its snapshots.
    pub fn clear(&mut self) {
        let Pins { others, first } = self;
        others.clear();
        *first = None;
    }

    fn is_free(&self, place: usize, shared: &Arc<Shared>) -> bool {
        match place.checked_sub(1) {
            // The transaction's own, and one for each of the others.
            None => Arc::strong_count(shared) == 1 + self.others.len(),
            Some(other) => Arc::strong_count(&self.others[other]) == 1,
        }
    }

    /// A free place for one more. What has become free meanwhile is taken out of the slot.
    fn free_place(&mut self, running: &Running, slot: SlotId, shared: &Arc<Shared>) -> (usize, Pin) {
        let mut free = None;
        for place in 0..=self.others.len() {
            if !self.is_free(place, shared) {
                continue;
            }
            match free {
                None => free = Some(place),
                Some(_) => running.retract_snapshot(slot, place),
            }
        }
        let place = free.unwrap_or_else(|| {
            self.others.push(Arc::new(Place { shared: shared.clone() }));
            self.others.len()
        });
        let pin = match place.checked_sub(1) {
            None => Kind::First(shared.clone()),
            Some(other) => Kind::Other(self.others[other].clone()),
        };
        (place, Pin(pin))
    }
}

impl Transaction {
    fn running(&self) -> &Running {
        let txns: &TxnManager = self.storage.txns();
        &txns.running
    }

    fn horizon(&self) -> Lsn {
        let wal = self.storage.wal();
        if self.read_at_inserted.load(Ordering::Relaxed) {
            return wal.inserted();
        }
        let floor = Lsn(self.floor.load(Ordering::Relaxed));
        match wal.visible() {
            visible if visible >= floor => visible,
            _ => floor.max(self.running().gap_end()),
        }
    }

    /// `follows`: whoever reads with it may change or lock what it finds.
    fn publish(&self, follows: bool, read: impl Fn() -> Lsn) -> (Lsn, Pin) {
        let marks = if follows && !self.serializable.is_read_only() { FOLLOWS } else { 0 };
        let mut pins = self.pins.lock();
        let (place, pin) = pins.free_place(self.running(), self.slot(), &self.shared);
        let csn = self.running().publish_snapshot(self.slot(), place, marks, read);
        (csn, pin)
    }

    fn make_snapshot(&self, csn: Lsn, pin: Pin) -> Snapshot {
        let top = Xid(self.top.load(Ordering::Acquire));
        let subs = if top.is_valid() {
            let mut inner = self.inner.lock();
            if inner.live_subs.is_empty() {
                None
            } else {
                let super::Inner { live_subs, shared_subs, .. } = &mut *inner;
                Some(shared_subs.of(live_subs))
            }
        } else {
            None
        };
        Snapshot::new(csn, self.command_id(), top, subs, Some(pin))
    }

    /// The snapshot for the next statement: a new one in READ COMMITTED, the transaction's one otherwise; with the
    /// current command number.
    pub fn statement_snapshot(&self) -> Snapshot {
        self.next_snapshot(true)
    }

    /// The same for a statement that neither changes nor locks rows: the places of versions that it doesn't see need not be kept.
    pub fn reading_snapshot(&self) -> Snapshot {
        self.next_snapshot(false)
    }

    fn next_snapshot(&self, follows: bool) -> Snapshot {
        let (csn, pin) = if self.isolation().uses_one_snapshot() {
            self.first_snapshot()
        } else {
            self.publish(follows, || self.horizon())
        };
        let reader = self.serializable.xact().filter(|x| !x.is_safe());
        self.make_snapshot(csn, pin).read_by(reader.cloned())
    }

    /// Whether every snapshot that it takes from now on for a statement shows the commit with `csn`.
    pub fn sees_from_now_on(&self, csn: Lsn) -> bool {
        match self.first_csn.load(Ordering::Relaxed) {
            0 => csn <= self.horizon(),
            first => csn <= Lsn(first),
        }
    }

    fn first_snapshot(&self) -> (Lsn, Pin) {
        let csn = match self.first_csn.load(Ordering::Relaxed) {
            0 if self.isolation() == IsolationLevel::Serializable => {
                self.take_serializable_snapshot(false).expect("fails only where it may wait")
            }
            0 => {
                let csn = self.publish_first_snapshot();
                self.keep_first_snapshot(csn);
                csn
            }
            csn => Lsn(csn),
        };
        let first = self.pins.lock().first.clone();
        (csn, first.expect("kept with the first snapshot"))
    }

    /// A snapshot at the present horizon, protected from vacuum; it may be replaced by another until it is kept.
    pub(in crate::txn) fn publish_first_snapshot(&self) -> Lsn {
        self.pins.lock().first = None;
        let (csn, pin) = self.publish(true, || self.horizon());
        self.pins.lock().first = Some(pin);
        csn
    }

    /// Takes over the snapshot of a transaction that is still running, as its one snapshot. Before it has any.
    pub fn import_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        if self.isolation() == IsolationLevel::Serializable {
            self.take_serializable_snapshot_at(snapshot.csn());
            return Ok(());
        }
        let csn = self.publish_imported(snapshot.csn());
        self.keep_first_snapshot(csn);
        Ok(())
    }

    pub(in crate::txn) fn publish_imported(&self, csn: Lsn) -> Lsn {
        let marks = if self.serializable.is_read_only() { 0 } else { FOLLOWS };
        let mut pins = self.pins.lock();
        pins.first = None;
        let (place, pin) = pins.free_place(self.running(), self.slot(), &self.shared);
        self.running().import_snapshot(self.slot(), place, marks, csn);
        pins.first = Some(pin);
        csn
    }

    pub(in crate::txn) fn keep_first_snapshot(&self, csn: Lsn) {
        self.first_csn.store(csn.0, Ordering::Relaxed);
    }

    /// The newest state (inserted horizon) and own changes: for catalog reads and DDL. Who changes or locks a row that it shows takes a later change of it as
    /// the end.
    pub fn catalog_snapshot(&self) -> Snapshot {
        let wal = self.storage.wal();
        let (csn, pin) = self.publish(false, || wal.inserted());
        self.make_snapshot(csn, pin)
    }

    /// The newest state and own changes, as [`Transaction::catalog_snapshot`]; what a SERIALIZABLE transaction reads with it counts. For foreign
    /// keys, which must see what the transaction's snapshot doesn't show, and lock it.
    pub fn latest_snapshot(&self) -> Snapshot {
        let wal = self.storage.wal();
        let (csn, pin) = self.publish(true, || wal.inserted());
        self.make_snapshot(csn, pin).read_by(self.xact().cloned())
    }

    /// Between statements: what its last statement saw and nobody looks at any more need not be kept.
    pub fn statement_done(&self) {
        if self.done.load(Ordering::Relaxed) {
            return;
        }
        self.storage.flush_counts();
        let pins = self.pins.lock();
        for place in 0..=pins.others.len() {
            if pins.is_free(place, &self.shared) {
                self.running().retract_snapshot(self.slot(), place);
            }
        }
    }
}
