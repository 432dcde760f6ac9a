//! What the running thread has counted of blocks, by relation, and not passed on yet.
//!
//! Pages are found in the pool so often that a counter which threads share would cost more than finding them. So each thread has a small
//! table of its own; what is in it goes to the relations' counters when a scan, a statement or a transaction ends ([`take`], [`flush`]).

use super::{Counters, DatabaseStats};
use crate::RelId;
use crate::fsm::RelationStates;
use parking_lot::Mutex;
use quarry_common::{Oid, usage};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

const SLOTS: usize = 64;
/// Places that a relation can have.
const PROBES: usize = 4;

struct Slot {
    /// Database and number; 0: free.
    rel: Cell<u64>,
    hits: Cell<u64>,
    reads: Cell<u64>,
}

struct Table {
    slots: [Slot; SLOTS],
    /// Slots with counts, one bit each.
    used: Cell<u64>,
    /// What of the log was passed on: records, images, bytes.
    logged: [Cell<u64>; 3],
}

const _: () = assert!(SLOTS == u64::BITS as usize);

thread_local! {
    static TABLE: Table = const {
        Table {
            slots: [const { Slot { rel: Cell::new(0), hits: Cell::new(0), reads: Cell::new(0) } }; SLOTS],
            used: Cell::new(0),
            logged: [const { Cell::new(0) }; 3],
        }
    };
}

const OVERFLOW_MAX: usize = 10_000;
/// What didn't fit into a thread's table.
static OVERFLOW: Mutex<Vec<(RelId, u64, u64)>> = Mutex::new(Vec::new());
static HAS_OVERFLOW: AtomicBool = AtomicBool::new(false);

#[inline]
fn key(rel: RelId) -> u64 {
    u64::from(rel.db.0) << 32 | u64::from(rel.rel)
}

fn rel_of(key: u64) -> RelId {
    RelId::new(Oid((key >> 32) as u32), key as u32)
}

/// A page of `rel` was found in the pool.
#[inline]
pub(crate) fn hit(rel: RelId) {
    TABLE.with(|t| {
        let at = rel.rel as usize % SLOTS;
        let slot = &t.slots[at];
        if slot.rel.get() == key(rel) {
            slot.hits.set(slot.hits.get() + 1);
            t.used.set(t.used.get() | 1 << at);
        } else {
            add_elsewhere(t, rel, 1, 0);
        }
    });
}

/// Pages of `rel` were read.
pub(crate) fn read(rel: RelId, n: u64) {
    TABLE.with(|t| add_elsewhere(t, rel, 0, n));
}

/// The places of a relation.
fn places(rel: RelId) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |i| (rel.rel as usize + i) % SLOTS)
}

#[cold]
fn add_elsewhere(t: &Table, rel: RelId, hits: u64, reads: u64) {
    let find = |wanted: u64| places(rel).find(|i| t.slots[*i].rel.get() == wanted);
    let at = find(key(rel)).or_else(|| find(0)).unwrap_or_else(|| {
        let first = rel.rel as usize % SLOTS;
        let slot = &t.slots[first];
        let (hits, reads) = (slot.hits.take(), slot.reads.take());
        if hits + reads > 0 {
            let mut overflow = OVERFLOW.lock();
            // Where no transaction ever ends (recovery), nobody is there to ask for counts.
            if overflow.len() < OVERFLOW_MAX {
                overflow.push((rel_of(slot.rel.get()), hits, reads));
                HAS_OVERFLOW.store(true, Ordering::Release);
            }
        }
        first
    });
    let slot = &t.slots[at];
    slot.rel.set(key(rel));
    slot.hits.set(slot.hits.get() + hits);
    slot.reads.set(slot.reads.get() + reads);
    t.used.set(t.used.get() | 1 << at);
}

/// Passes on what the thread has counted of one relation.
#[inline]
pub(crate) fn take(rel: RelId, counters: &Counters) {
    TABLE.with(|t| {
        for at in places(rel) {
            let slot = &t.slots[at];
            if slot.rel.get() == key(rel) {
                t.used.set(t.used.get() & !(1 << at));
                counters.add_blocks(slot.hits.take(), slot.reads.take());
                return;
            }
        }
    });
}

/// Passes on all that the thread has counted.
pub(crate) fn flush(states: &RelationStates, stats: &DatabaseStats) {
    let pass_on = |rel: RelId, hits: u64, reads: u64| {
        if let Some(state) = states.known(rel) {
            state.counters().add_blocks(hits, reads);
        }
    };
    TABLE.with(|t| {
        let mut used = t.used.take();
        while used != 0 {
            let slot = &t.slots[used.trailing_zeros() as usize];
            used &= used - 1;
            pass_on(rel_of(slot.rel.get()), slot.hits.take(), slot.reads.take());
        }
        let news = usage::logged_so_far();
        if t.logged[0].get() != news[0] {
            let since = std::array::from_fn(|i| news[i].wrapping_sub(t.logged[i].replace(news[i])));
            let since: [u64; 3] = since;
            since.iter().enumerate().for_each(|(i, n)| stats.wal().add(i, *n));
        }
    });
    if HAS_OVERFLOW.swap(false, Ordering::AcqRel) {
        let list = std::mem::take(&mut *OVERFLOW.lock());
        list.into_iter().for_each(|(rel, hits, reads)| pass_on(rel, hits, reads));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Count;

    #[test]
    fn every_block_is_passed_on_once() {
        let (states, stats) = (RelationStates::default(), DatabaseStats::default());
        let rels: Vec<RelId> = (0..9).map(|i| RelId::new(Oid(5), 100 + i * SLOTS as u32)).collect();
        for rel in &rels {
            states.get(*rel);
        }
        for round in 0..3 {
            for rel in &rels {
                hit(*rel);
                if round == 0 {
                    read(*rel, 2);
                }
            }
        }
        let state = states.get(rels[8]);
        take(rels[8], state.counters());
        flush(&states, &stats);
        flush(&states, &stats);
        for rel in &rels {
            let c = states.get(*rel);
            assert_eq!([Count::BlocksHit, Count::BlocksRead].map(|n| c.counters().get(n)), [3, 2], "{rel}");
        }
    }

    #[test]
    fn the_log_is_passed_on_once() {
        let (states, stats) = (RelationStates::default(), DatabaseStats::default());
        flush(&states, &stats);
        let now = || std::array::from_fn(|i| stats.wal().get(i));
        let before: [u64; 3] = now();
        usage::logged(1, 50);
        flush(&states, &stats);
        flush(&states, &stats);
        let after = now();
        assert_eq!(std::array::from_fn(|i| after[i] - before[i]), [1, 1, 50]);
    }
}
