//! The fast path: weak relation locks (ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE) don't conflict with each other, so a
//! transaction notes them in its own slot, unless someone holds or wants a strong lock on a relation of the same
//! stripe.
//!
//! The strong side counts itself in the stripe, then moves every noted lock on its relation into the table. The weak
//! side checks the count while it holds its list's mutex: either it sees the count, or the strong side, which takes
//! that mutex afterwards, sees the note.

use super::{LockMode, LockTag};
use quarry_common::Oid;

const CAPACITY: usize = 16;

/// A transaction's fast-path locks.
#[derive(Default)]
pub struct FastLocks {
    count: usize,
    entries: [Entry; CAPACITY],
}

#[derive(Clone, Copy, Default)]
struct Entry {
    db: Oid,
    oid: Oid,
    /// [`LockMode::bit`]s.
    modes: u16,
}

/// Whether a lock can go the fast way.
pub(crate) fn relation_of(tag: &LockTag, mode: LockMode) -> Option<(Oid, Oid)> {
    match tag {
        LockTag::Relation { db, oid } if mode <= LockMode::RowExclusive => Some((*db, *oid)),
        _ => None,
    }
}

impl FastLocks {
    /// Notes a lock; false if there's no room.
    pub(crate) fn add(&mut self, db: Oid, oid: Oid, mode: LockMode) -> bool {
        for entry in &mut self.entries[..self.count] {
            if entry.oid == oid && entry.db == db {
                entry.modes |= mode.bit();
                return true;
            }
        }
        if self.count == CAPACITY {
            return false;
        }
        self.entries[self.count] = Entry { db, oid, modes: mode.bit() };
        self.count += 1;
        true
    }

    /// Takes a note away; false if it isn't here (any more).
    pub(crate) fn remove(&mut self, db: Oid, oid: Oid, mode: LockMode) -> bool {
        let Some(at) = self.entries[..self.count].iter().position(|e| e.oid == oid && e.db == db) else {
            return false;
        };
        let entry = &mut self.entries[at];
        if entry.modes & mode.bit() == 0 {
            return false;
        }
        entry.modes &= !mode.bit();
        if entry.modes == 0 {
            self.count -= 1;
            self.entries[at] = self.entries[self.count];
        }
        true
    }

    /// Takes all notes on a relation away; their modes as bits.
    pub(crate) fn take_all(&mut self, db: Oid, oid: Oid) -> u16 {
        let Some(at) = self.entries[..self.count].iter().position(|e| e.oid == oid && e.db == db) else {
            return 0;
        };
        let modes = self.entries[at].modes;
        self.count -= 1;
        self.entries[at] = self.entries[self.count];
        modes
    }

    /// Everything noted.
    pub(crate) fn each(&self) -> impl Iterator<Item = (LockTag, u16)> + '_ {
        self.entries[..self.count].iter().map(|e| (LockTag::Relation { db: e.db, oid: e.oid }, e.modes))
    }
}
