//! Waiters are served in the order in which they came, and nobody waits for ever behind those who come later.
//!
//! Everyone's place in a queue is seen in the lock table before the next one comes, so the tests need no clock.

mod common;

use common::create;
use parking_lot::Mutex;
use quarry_common::{Oid, Tid};
use quarry_storage::disk::FaultDisk;
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode};
use quarry_storage::lock::{LockInfo, LockTag};
use quarry_storage::row::{RowBuilder, RowLayout, Width};
use quarry_storage::{IsolationLevel, LockMode, RelId, Storage, Transaction, WaitPolicy};
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const TAG: LockTag = LockTag::Relation { db: Oid(5), oid: Oid(6) };

fn begin(storage: &Arc<Storage>) -> Transaction {
    storage.begin(IsolationLevel::ReadCommitted)
}

/// Returns once `found` says so of all locks.
fn until(storage: &Storage, found: impl Fn(&[LockInfo]) -> bool) {
    while !found(&storage.locks().list()) {
        std::thread::yield_now();
    }
}

fn waiting(list: &[LockInfo]) -> usize {
    list.iter().filter(|l| !l.granted).count()
}

fn heap_with_row() -> (Arc<Storage>, Heap, Tid) {
    let storage = create(&FaultDisk::new());
    let layout = Arc::new(RowLayout::new(&[Width::Fixed(4)]));
    let txn = begin(&storage);
    storage.create_database_dir(&txn, Oid(5)).unwrap();
    Heap::create(&storage, &txn, TABLE).unwrap();
    let heap = Heap::open(&storage, TABLE, None, layout.clone());
    let mut row = RowBuilder::new();
    row.begin(&layout);
    row.fixed(&7u32.to_le_bytes());
    let tid = heap.insert(&txn, row.finish()).unwrap();
    let lsn = txn.commit().unwrap().unwrap();
    storage.wal().wait_durable_blocking(lsn).unwrap();
    (storage, heap, tid)
}

fn lock_row(heap: &Heap, txn: &Transaction, tid: Tid, mode: RowLockMode) {
    let snapshot = txn.statement_snapshot();
    let got = heap.lock(txn, &snapshot, tid, mode, WaitPolicy::Block).unwrap();
    assert!(matches!(got, ModifyResult::Done { .. }), "{got:?}");
}

#[test]
fn a_hot_row_passes_on_in_the_order_it_was_asked_for() {
    let (storage, heap, tid) = heap_with_row();
    let holder = begin(&storage);
    lock_row(&heap, &holder, tid, RowLockMode::Update);
    // Sharers between those who want it alone don't pass them, and hold nobody up who comes with them.
    let modes = [RowLockMode::Update, RowLockMode::NoKeyUpdate, RowLockMode::Share, RowLockMode::Update];
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for n in 0..16 {
            let (storage, heap, order) = (&storage, &heap, &order);
            scope.spawn(move || {
                let txn = begin(storage);
                lock_row(heap, &txn, tid, modes[n % modes.len()]);
                order.lock().push(n);
                txn.commit().unwrap();
            });
            until(storage, |list| waiting(list) == n + 1);
        }
        holder.commit().unwrap();
    });
    assert_eq!(order.into_inner(), (0..16).collect::<Vec<_>>());
    assert!(storage.locks().list().is_empty());
}

#[test]
fn updates_of_a_hot_row_follow_each_other_in_order() {
    let (storage, heap, tid) = heap_with_row();
    let holder = begin(&storage);
    lock_row(&heap, &holder, tid, RowLockMode::Update);
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (storage, heap, order) = (&storage, &heap, &order);
            scope.spawn(move || {
                let txn = begin(storage);
                let snapshot = txn.statement_snapshot();
                // The row is gone once the first deleter has committed: the others hear of that in order, too.
                let got = heap.delete(&txn, &snapshot, tid, WaitPolicy::Block).unwrap();
                order.lock().push((n, matches!(got, ModifyResult::Done { .. })));
                txn.commit().unwrap();
            });
            until(storage, |list| waiting(list) == n + 1);
        }
        holder.commit().unwrap();
    });
    let expected: Vec<_> = (0..8).map(|n| (n, n == 0)).collect();
    let mut got = order.into_inner();
    // Those who only hear that the row is gone don't hold it, so they may overtake each other in telling.
    assert_eq!(got.remove(0), expected[0]);
    got.sort_unstable();
    assert_eq!(got, expected[1..]);
}

#[test]
fn a_strong_table_lock_is_not_starved_by_a_stream_of_weak_ones() {
    let storage = create(&FaultDisk::new());
    let lock = |mode| {
        let txn = begin(&storage);
        txn.lock(TAG, mode, WaitPolicy::Block).unwrap();
        txn
    };
    let mut reader = lock(LockMode::AccessShare);
    for round in 0..20 {
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let txn = lock(LockMode::AccessExclusive);
                order.lock().push("writer");
                txn.commit().unwrap();
            });
            until(&storage, |list| waiting(list) == 1);
            // However many readers come now, all are behind the writer, though the lock that is held would let them in.
            let late = begin(&storage);
            assert!(!late.lock(TAG, LockMode::AccessShare, WaitPolicy::NoWait).unwrap(), "round {round}");
            for n in 0..3 {
                scope.spawn(|| {
                    let txn = lock(LockMode::AccessShare);
                    order.lock().push("reader");
                    txn.commit().unwrap();
                });
                until(&storage, |list| waiting(list) == n + 2);
            }
            std::mem::replace(&mut reader, begin(&storage)).commit().unwrap();
        });
        assert_eq!(order.into_inner(), ["writer", "reader", "reader", "reader"], "round {round}");
        reader.lock(TAG, LockMode::AccessShare, WaitPolicy::Block).unwrap();
    }
}
