//! What the snapshots of one transaction see of its own changes, command by command, against a model: a version's header has room for one command,
//! those of versions that the transaction both made and ended are in its memory.

mod common;

use common::{create, open};
use quarry_common::{Oid, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode, UpdateOptions};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::{IsolationLevel, RelId, Snapshot, Storage, Transaction, WaitPolicy};
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4)]))
}

fn row(value: u32) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&value.to_le_bytes());
    b.finish().to_vec()
}

fn heap(storage: &Arc<Storage>) -> Heap {
    Heap::open(storage, TABLE, None, layout())
}

fn begin(storage: &Arc<Storage>) -> Transaction {
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    txn.set_read_at_inserted(true);
    txn
}

fn seen(heap: &Heap, snap: &Snapshot) -> Vec<(Tid, u32)> {
    let mut out = Vec::new();
    let mut scan = heap.scan(snap.clone(), None);
    let mut read = |tid, body: &[u8]| {
        out.push((tid, u32::from_le_bytes(RowRef::new(&layout(), body).fixed_array(0))));
        Ok(())
    };
    while scan.next_page(&mut read).unwrap() {}
    out
}

/// The values, rising.
fn values(rows: &[(Tid, u32)]) -> Vec<u32> {
    let mut values: Vec<u32> = rows.iter().map(|r| r.1).collect();
    values.sort_unstable();
    values
}

struct Level {
    sub: quarry_storage::SubLevel,
    rows: Vec<(Tid, u32)>,
    snapshots: usize,
}

#[test]
fn each_command_sees_what_came_before_it() {
    for seed in 0..60 {
        let mut rng = FaultRng::new(seed);
        let disk = FaultDisk::new();
        let storage = create(&disk);
        let txn = begin(&storage);
        storage.create_database_dir(&txn, Oid(5)).unwrap();
        Heap::create(&storage, &txn, TABLE).unwrap();
        let table = heap(&storage);
        let mut rows: Vec<(Tid, u32)> = Vec::new();
        for value in 0..5 {
            rows.push((table.insert(&txn, &row(value)).unwrap(), value));
        }
        txn.commit().unwrap();

        let txn = begin(&storage);
        let mut next = 100;
        let mut levels: Vec<Level> = Vec::new();
        let mut snapshots: Vec<(Snapshot, Vec<u32>)> = Vec::new();
        for _ in 0..60 {
            txn.advance_command();
            let snap = txn.statement_snapshot();
            snapshots.push((snap.clone(), values(&rows)));
            // A statement with several changes, each of a row of its own.
            let mut left = rows.clone();
            for _ in 0..rng.below(4) {
                let picked =
                    (!left.is_empty()).then(|| left.swap_remove(rng.below(left.len() as u64) as usize));
                match (rng.below(5), picked) {
                    (0, _) | (_, None) => {
                        next += 1;
                        rows.push((table.insert(&txn, &row(next)).unwrap(), next));
                    }
                    (1, Some((tid, value))) => {
                        let end = table.delete(&txn, &snap, tid, WaitPolicy::Block).unwrap();
                        assert!(matches!(end, ModifyResult::Done { .. }), "{end:?}");
                        rows.retain(|r| r.1 != value);
                        let again = table.delete(&txn, &snap, tid, WaitPolicy::Block).unwrap();
                        assert_eq!(again, ModifyResult::SelfModified { same_command: true });
                    }
                    (2, Some((tid, _))) => {
                        let mode = [RowLockMode::Update, RowLockMode::NoKeyUpdate][rng.below(2) as usize];
                        let end = table.lock(&txn, &snap, tid, mode, WaitPolicy::Block).unwrap();
                        assert!(matches!(end, ModifyResult::Done { .. }), "{end:?}");
                    }
                    (_, Some((tid, value))) => {
                        next += 1;
                        let how = UpdateOptions { hot_allowed: rng.below(2) == 0, key_unchanged: true };
                        let end = table.update(&txn, &snap, tid, &row(next), how, WaitPolicy::Block).unwrap();
                        let ModifyResult::Done { tid, .. } = end else { panic!("{end:?}") };
                        rows.retain(|r| r.1 != value);
                        rows.push((tid, next));
                    }
                }
            }
            if rng.below(20) == 0 {
                // An insert that comes to nothing.
                let tid = table.insert(&txn, &row(9)).unwrap();
                table.undo_insert(&txn, tid).unwrap();
            }
            match rng.below(8) {
                0 => levels.push(Level {
                    sub: txn.savepoint(),
                    rows: rows.clone(),
                    snapshots: snapshots.len(),
                }),
                1 => {
                    if let Some(level) = levels.pop() {
                        txn.release(level.sub);
                    }
                }
                2 => {
                    if let Some(level) = levels.pop() {
                        txn.rollback_to(level.sub);
                        txn.release(level.sub);
                        rows = level.rows;
                        snapshots.truncate(level.snapshots);
                    }
                }
                _ => {}
            }
            for (snap, expected) in &snapshots {
                assert_eq!(values(&seen(&table, snap)), *expected, "seed {seed}, {snap:?}");
            }
        }
        let other = begin(&storage);
        assert_eq!(values(&seen(&table, &other.statement_snapshot())), (0..5).collect::<Vec<_>>());
        drop(snapshots);
        txn.commit().unwrap();
        assert_eq!(values(&seen(&table, &other.statement_snapshot())), values(&rows), "seed {seed}");
        // Another transaction, whose numbers mean other commands.
        let snap = other.statement_snapshot();
        for (tid, _) in seen(&table, &snap) {
            let end = table.delete(&other, &snap, tid, WaitPolicy::Block).unwrap();
            assert!(matches!(end, ModifyResult::Done { .. }), "{end:?}");
        }
        other.advance_command();
        assert!(seen(&table, &other.statement_snapshot()).is_empty());
        other.abort();
        storage.wal().flush_all().unwrap();
        drop((other, txn, table));
        drop(storage);
        disk.crash(seed);
        let storage = open(&disk);
        let txn = begin(&storage);
        assert_eq!(values(&seen(&heap(&storage), &txn.statement_snapshot())), values(&rows), "seed {seed}");
    }
}
