//! Sequences through crashes: no value that was given out durably comes again, whatever a checkpoint or the disk did in between.

mod common;

use common::{create, open};
use quarry_common::{Lsn, Oid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::Heap;
use quarry_storage::sequence::{Sequence, SequenceChange, SequenceState};
use quarry_storage::{IsolationLevel, RelId, Storage};
use std::sync::Arc;

const REL: RelId = RelId::new(Oid(5), 20000);
const AHEAD: i64 = 8;

/// The next number, logging `AHEAD` of them at once.
fn next(storage: &Arc<Storage>) -> quarry_common::Result<(i64, Lsn)> {
    Sequence::open(storage, REL).change(|s, must_log| {
        let value = s.last_value + 1;
        let logs = must_log || s.log_count == 0;
        let log_count = if logs { AHEAD } else { s.log_count - 1 };
        Ok(SequenceChange {
            result: value,
            live: SequenceState { last_value: value, log_count, is_called: true },
            logged: logs.then_some(SequenceState {
                last_value: value + AHEAD,
                log_count: 0,
                is_called: true,
            }),
        })
    })
}

fn make(disk: &FaultDisk) -> Arc<Storage> {
    let storage = create(disk);
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&txn, REL.db).unwrap();
    Heap::create(&storage, &txn, REL).unwrap();
    let first = SequenceState { last_value: 0, log_count: 0, is_called: false };
    Sequence::open(&storage, REL).create(&txn, &first).unwrap();
    txn.commit().unwrap();
    storage.wal().flush_all().unwrap();
    storage
}

fn crash_rounds(seed: u64) {
    let disk = FaultDisk::new();
    let mut rng = FaultRng::new(seed);
    let mut storage = make(&disk);
    let mut given_durably = 0;
    for round in 0..12 {
        disk.fail_after(20 + rng.below(400));
        let mut given = given_durably;
        for _ in 0..rng.below(400) {
            let done = match rng.below(100) {
                0..90 => next(&storage).map(|(value, lsn)| {
                    assert!(value > given, "seed {seed}, round {round}: {value} after {given}");
                    given = value;
                    if storage.wal().flushed() >= lsn {
                        given_durably = value;
                    }
                }),
                90..95 => storage.wal().flush_all().map(|_| given_durably = given),
                95..98 => storage.pool().write_ahead_of_hand(10).map(|_| ()),
                _ => storage.checkpoint().map(|_| ()),
            };
            if done.is_err() {
                break;
            }
        }
        drop(storage);
        disk.crash(rng.next_u64());
        storage = open(&disk);
        let state = Sequence::open(&storage, REL).read().unwrap();
        assert!(
            state.last_value >= given_durably && state.last_value <= given + AHEAD,
            "seed {seed}, round {round}: {} was given out, the sequence is at {}",
            given_durably,
            state.last_value
        );
        given_durably = state.last_value;
    }
}

#[test]
fn no_value_comes_twice() {
    for seed in common::seeds(12) {
        crash_rounds(seed);
    }
}

#[test]
fn most_values_need_no_record() {
    let disk = FaultDisk::new();
    let storage = make(&disk);
    let (_, first) = next(&storage).unwrap();
    for _ in 0..AHEAD {
        assert_eq!(next(&storage).unwrap().1, first);
    }
    assert!(next(&storage).unwrap().1 > first);
    // A checkpoint makes the record useless, so that the next value needs one.
    let (_, second) = next(&storage).unwrap();
    storage.checkpoint().unwrap();
    assert!(next(&storage).unwrap().1 > second);
}
