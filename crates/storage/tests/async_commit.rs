//! Commits that nobody waits for: a crash may take the last of them, never one before another that it leaves, and none that someone has
//! waited for; who reads at the inserted horizon sees them at once, who reads at the durable one when they are safe.

mod common;

use common::{create, open};
use quarry_common::{Lsn, Xid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::txn::TxnOptions;
use quarry_storage::{IsolationLevel, Storage, XidStatus};
use std::sync::Arc;

fn commit(storage: &Arc<Storage>) -> (Xid, Lsn) {
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    // Some have subtransactions, which share their fate.
    let xid = txn.assign_xid();
    txn.savepoint();
    txn.assign_xid();
    (xid, txn.commit().unwrap().expect("it has an id"))
}

fn is_committed(storage: &Storage, xid: Xid) -> bool {
    matches!(storage.txns().status(xid), XidStatus::Committed(_))
}

#[test]
fn a_crash_loses_the_last_commits_in_order() {
    for seed in 0..30 {
        let mut rng = FaultRng::new(seed);
        let disk = FaultDisk::new();
        let mut storage = create(&disk);
        for round in 0..3 {
            // With the log's writer beside it, or without: then only what is waited for gets to the disk.
            let workers = (rng.below(2) == 0).then(|| storage.start_background());
            let (mut commits, mut safe) = (Vec::new(), 0);
            for _ in 0..rng.below(300) {
                let (xid, lsn) = commit(&storage);
                commits.push(xid);
                if rng.below(40) == 0 {
                    storage.wal().wait_durable_blocking(lsn).unwrap();
                    safe = commits.len();
                }
            }
            drop(workers);
            drop(storage);
            disk.crash(rng.next_u64());
            storage = open(&disk);
            let left = commits.iter().take_while(|xid| is_committed(&storage, **xid)).count();
            assert!(left >= safe, "seed {seed}, round {round}: {left} of {safe} that were waited for");
            let later = commits[left..].iter().find(|xid| is_committed(&storage, **xid));
            assert_eq!(later, None, "seed {seed}, round {round}: an earlier commit is lost");
        }
    }
}

#[test]
fn each_horizon_shows_what_it_may() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let sees = |read_at_inserted, xid| {
        let options = TxnOptions { read_at_inserted, ..TxnOptions::default() };
        let txn = storage.begin_with(IsolationLevel::ReadCommitted, options);
        txn.statement_snapshot().sees_xid(storage.txns(), xid)
    };
    // No writer of the log runs: what is not waited for stays in memory.
    let (first, _) = commit(&storage);
    let (second, lsn) = commit(&storage);
    for xid in [first, second] {
        assert!(sees(true, xid) && !sees(false, xid));
    }
    storage.wal().wait_durable_blocking(lsn).unwrap();
    for xid in [first, second] {
        assert!(sees(true, xid) && sees(false, xid));
    }
}
