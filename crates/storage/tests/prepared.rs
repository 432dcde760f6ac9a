//! Prepared transactions across crashes, restarts and checkpoints, on the simulated disk.

mod common;

use common::{create, open};
use quarry_common::{Oid, Result, Xid};
use quarry_storage::disk::FaultDisk;
use quarry_storage::lock::LockTag;
use quarry_storage::txn::{PreparedInfo, Transaction};
use quarry_storage::{IsolationLevel, LockMode, Storage, WaitPolicy, XidStatus};
use std::sync::Arc;

const TABLE: LockTag = LockTag::Relation { db: Oid(5), oid: Oid(6) };

fn info(gid: &str) -> PreparedInfo {
    PreparedInfo { gid: gid.into(), xid: Xid::INVALID, user: Oid(10), database: Oid(5), prepared_at: 1 }
}

fn begin(storage: &Arc<Storage>) -> Transaction {
    storage.begin(IsolationLevel::ReadCommitted)
}

/// A transaction with a subtransaction, a table lock and a new relation, prepared; its ids.
fn prepare(storage: &Arc<Storage>, gid: &str) -> Result<[Xid; 2]> {
    let txn = begin(storage);
    let top = txn.assign_xid();
    txn.lock(TABLE, LockMode::RowExclusive, WaitPolicy::Block)?;
    txn.savepoint();
    let sub = txn.assign_xid();
    let lsn = txn.prepare(info(gid), 10)?;
    storage.wal().wait_durable_blocking(lsn)?;
    Ok([top, sub])
}

fn finish(storage: &Arc<Storage>, gid: &str, commit: bool) -> Result<()> {
    let lsn = storage.finish_prepared(gid, commit, |_| Ok(()), || ())?;
    storage.wal().wait_durable_blocking(lsn)
}

fn statuses(storage: &Storage, xids: [Xid; 2]) -> [XidStatus; 2] {
    xids.map(|xid| storage.txns().status(xid))
}

fn gids(storage: &Storage) -> Vec<String> {
    storage.prepared().list().into_iter().map(|p| p.gid).collect()
}

fn table_is_free(storage: &Arc<Storage>) -> bool {
    let txn = begin(storage);
    txn.lock(TABLE, LockMode::Share, WaitPolicy::NoWait).unwrap()
}

fn crashed(disk: &FaultDisk, storage: Arc<Storage>, seed: u64) -> Arc<Storage> {
    drop(storage);
    disk.crash(seed);
    open(disk)
}

fn fresh() -> (FaultDisk, Arc<Storage>) {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    (disk, storage)
}

#[test]
fn it_runs_on_after_crashes_and_checkpoints_until_it_is_ended() {
    for (seed, commit) in [(1, true), (2, false)] {
        let (disk, mut storage) = fresh();
        let lost = begin(&storage).assign_xid();
        let xids = prepare(&storage, "a").unwrap();
        for round in 0..3 {
            storage = crashed(&disk, storage, seed + round);
            assert_eq!(statuses(&storage, xids), [XidStatus::InProgress; 2], "round {round}");
            assert_eq!(storage.txns().status(lost), XidStatus::Aborted);
            assert_eq!(storage.txns().top_of(xids[1]), xids[0]);
            assert_eq!(storage.txns().oldest_running_xid(), xids[0]);
            assert_eq!(gids(&storage), ["a"]);
            assert!(!table_is_free(&storage));
            storage.checkpoint().unwrap();
        }
        storage.shutdown().unwrap();
        drop(storage);
        storage = open(&disk);
        finish(&storage, "a", commit).unwrap();
        for _ in 0..2 {
            for status in statuses(&storage, xids) {
                assert_eq!(matches!(status, XidStatus::Committed(_)), commit);
                assert_eq!(status == XidStatus::Aborted, !commit);
            }
            assert!(gids(&storage).is_empty() && table_is_free(&storage));
            storage = crashed(&disk, storage, seed);
        }
    }
}

#[test]
fn names_and_room_are_limited() {
    let (_disk, storage) = fresh();
    prepare(&storage, "a").unwrap();
    assert_eq!(prepare(&storage, "a").unwrap_err().sqlstate().as_str(), "42710");
    let txn = begin(&storage);
    assert_eq!(txn.prepare(info("b"), 1).unwrap_err().sqlstate().as_str(), "53200");
    txn.abort();
    assert_eq!(finish(&storage, "b", true).unwrap_err().sqlstate().as_str(), "42704");
    let refused = storage.finish_prepared("a", true, |_| Err(quarry_common::Error::cancelled()), || ());
    assert!(refused.is_err());
    finish(&storage, "a", true).unwrap();
}

/// A crash at every write or sync of: prepare, checkpoint, commit. What was acknowledged holds, what wasn't is whole or not there.
#[test]
fn a_crash_anywhere_loses_nothing() {
    let mut survived = false;
    for at in 0..400 {
        let (disk, storage) = fresh();
        disk.fail_after(at);
        let prepared = prepare(&storage, "a");
        let checkpointed = prepared.is_ok() && storage.checkpoint().is_ok();
        let committed = checkpointed && finish(&storage, "a", true).is_ok();
        let storage = crashed(&disk, storage, at);
        let here = gids(&storage) == ["a"];
        if let Ok(xids) = prepared {
            let done = statuses(&storage, xids).map(|s| matches!(s, XidStatus::Committed(_)));
            assert_eq!(done[0], done[1], "at {at}");
            assert!(here != done[0], "at {at}: prepared {here}, committed {}", done[0]);
            assert!(!committed || done[0], "at {at}: the commit is lost");
            assert!(checkpointed || here, "at {at}: the preparation is lost");
            assert_eq!(table_is_free(&storage), !here, "at {at}");
        }
        if here {
            finish(&storage, "a", false).unwrap();
            assert!(table_is_free(&storage));
        }
        if committed {
            survived = true;
            break;
        }
    }
    assert!(survived, "the rounds were too few to get through");
}

/// Rows of a table that a serializable transaction has read or written before it was prepared.
mod serializable {
    use super::*;
    use quarry_common::{SqlState, Tid};
    use quarry_storage::heap::{Heap, ModifyResult};
    use quarry_storage::row::{RowBuilder, RowLayout, Width};
    use quarry_storage::{RelId, Snapshot};

    const ROWS: RelId = RelId::new(Oid(5), 30000);

    fn layout() -> Arc<RowLayout> {
        Arc::new(RowLayout::new(&[Width::Fixed(4)]))
    }

    fn heap(storage: &Arc<Storage>) -> Heap {
        Heap::open(storage, ROWS, None, layout())
    }

    fn begin(storage: &Arc<Storage>) -> (Transaction, Snapshot) {
        let txn = storage.begin(IsolationLevel::Serializable);
        let snapshot = txn.statement_snapshot();
        (txn, snapshot)
    }

    fn made(storage: &Arc<Storage>) -> Vec<Tid> {
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&txn, Oid(5)).unwrap();
        Heap::create(storage, &txn, ROWS).unwrap();
        let row = |n: u32| {
            let mut b = RowBuilder::new();
            b.begin(&layout());
            b.fixed(&n.to_le_bytes());
            b.finish().to_vec()
        };
        let tids = (0..4).map(|n| heap(storage).insert(&txn, &row(n)).unwrap()).collect();
        let lsn = txn.commit().unwrap().unwrap();
        storage.wal().wait_durable_blocking(lsn).unwrap();
        tids
    }

    fn read(storage: &Arc<Storage>, snapshot: &Snapshot, tid: Tid) {
        assert!(heap(storage).fetch(snapshot, tid, |_, _| ()).unwrap().is_some());
    }

    fn delete(storage: &Arc<Storage>, (txn, snapshot): &(Transaction, Snapshot), tid: Tid) -> Result<()> {
        let got = heap(storage).delete(txn, snapshot, tid, WaitPolicy::Block)?;
        assert!(matches!(got, ModifyResult::Done { .. }), "{got:?}");
        Ok(())
    }

    #[test]
    fn what_it_read_is_known_after_a_crash() {
        for checkpoint in [false, true] {
            let (disk, storage) = fresh();
            let tids = made(&storage);
            let pair = begin(&storage);
            read(&storage, &pair.1, tids[0]);
            delete(&storage, &pair, tids[1]).unwrap();
            drop(pair.1);
            let lsn = pair.0.prepare(info("s"), 10).unwrap();
            storage.wal().wait_durable_blocking(lsn).unwrap();
            if checkpoint {
                storage.checkpoint().unwrap();
            }
            drop(pair.0);
            let storage = crashed(&disk, storage, 3);
            // Who has nothing to do with its rows is not troubled.
            let free = begin(&storage);
            read(&storage, &free.1, tids[3]);
            delete(&storage, &free, tids[3]).unwrap();
            free.0.commit().unwrap();
            // Write skew: reads what it wrote, writes what it read. It is sure to commit, so the other one fails.
            let skewed = begin(&storage);
            let outcome = heap(&storage)
                .fetch(&skewed.1, tids[1], |_, _| ())
                .and_then(|_| delete(&storage, &skewed, tids[0]))
                .and_then(|()| skewed.0.commit());
            assert_eq!(outcome.unwrap_err().sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE);
            skewed.0.abort();
            finish(&storage, "s", true).unwrap();
            let after = begin(&storage);
            assert!(heap(&storage).fetch(&after.1, tids[1], |_, _| ()).unwrap().is_none());
            delete(&storage, &after, tids[0]).unwrap();
            after.0.commit().unwrap();
        }
    }
}
