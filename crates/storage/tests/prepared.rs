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
