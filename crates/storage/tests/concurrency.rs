//! Many threads: pool, group commit, snapshots, locks.

mod common;

use common::{create, open};
use quarry_common::{CommandId, Oid, SqlState, Xid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::txn::TxnOptions;
use quarry_storage::{
    Fork, IsolationLevel, LockMode, LockTag, PageId, RelId, Storage, WaitPolicy, XidStatus, lock::WaitOptions,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Duration;

const REL: RelId = RelId::new(Oid(0), 20000);

fn counter(storage: &Storage, block: u32) -> u64 {
    storage.pool().read(PageId::main(REL, block)).unwrap().u64_at(40)
}

#[test]
fn threads_share_the_pool_and_group_their_commits() {
    const BLOCKS: u32 = 200;
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 400;
    let disk = FaultDisk::new();
    let storage = create(&disk);
    for _ in 0..BLOCKS {
        let mut page = storage.pool().extend(REL, Fork::Main, 1).unwrap();
        storage.log_patch(None, &mut page, &[(40, &0u64.to_le_bytes())]).unwrap();
    }
    let workers = storage.start_background();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let storage = &storage;
            scope.spawn(move || {
                let mut rng = FaultRng::new(thread);
                for round in 0..ROUNDS {
                    let txn = storage.begin(IsolationLevel::ReadCommitted);
                    let xid = txn.assign_xid();
                    {
                        let block = rng.below(BLOCKS as u64) as u32;
                        let mut page = storage.pool().write(PageId::main(REL, block)).unwrap();
                        let next = page.u64_at(40) + 1;
                        storage.log_patch(Some(xid), &mut page, &[(40, &next.to_le_bytes())]).unwrap();
                    }
                    let lsn = txn.commit().unwrap().unwrap();
                    if round % 4 == 0 {
                        storage.wal().wait_durable_blocking(lsn).unwrap();
                    }
                    if round % 100 == 99 && thread == 0 {
                        storage.checkpoint().unwrap();
                    }
                }
            });
        }
    });
    drop(workers);
    let sum: u64 = (0..BLOCKS).map(|b| counter(&storage, b)).sum();
    assert_eq!(sum, THREADS * ROUNDS);
    storage.wal().flush_all().unwrap();
    drop(storage);
    disk.crash(1);
    let storage = open(&disk);
    let sum: u64 = (0..BLOCKS).map(|b| counter(&storage, b)).sum();
    assert_eq!(sum, THREADS * ROUNDS);
}

#[test]
fn durable_wait_is_async() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let workers = storage.start_background();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..50 {
            let storage = storage.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..20 {
                    let txn = storage.begin(IsolationLevel::ReadCommitted);
                    let xid = txn.assign_xid();
                    let lsn = txn.commit().unwrap().unwrap();
                    drop(txn);
                    storage.wal().wait_durable(lsn).await.unwrap();
                    assert!(storage.wal().flushed() >= lsn);
                    let reader = storage.begin(IsolationLevel::ReadCommitted);
                    assert!(reader.statement_snapshot().sees_xid(storage.txns(), xid));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(workers);
    let left = storage.begin(IsolationLevel::ReadCommitted);
    left.assign_xid();
    let lsn = left.commit().unwrap().unwrap();
    runtime.block_on(storage.wal().wait_durable(lsn)).unwrap();
}

#[test]
fn snapshots_see_commits_in_order_and_at_their_horizon() {
    let storage = create(&FaultDisk::new());
    let txns = storage.txns();
    let writer = storage.begin(IsolationLevel::ReadCommitted);
    let xid = writer.assign_xid();
    let repeatable = storage.begin(IsolationLevel::RepeatableRead);
    let first = repeatable.statement_snapshot();
    assert!(!first.sees_xid(txns, xid));
    assert_eq!(txns.status(xid), XidStatus::InProgress);
    let csn = writer.commit().unwrap().unwrap();
    assert_eq!(txns.status(xid), XidStatus::Committed(csn));
    let reader = storage.begin(IsolationLevel::ReadCommitted);
    assert!(!reader.statement_snapshot().sees_xid(txns, xid), "not durable yet");
    assert!(reader.catalog_snapshot().sees_xid(txns, xid), "but inserted");
    storage.wal().wait_durable_blocking(csn).unwrap();
    assert!(reader.statement_snapshot().sees_xid(txns, xid));
    assert!(!repeatable.statement_snapshot().sees_xid(txns, xid), "one snapshot for all");
    assert!(txns.oldest_visible_csn() <= first.csn());
    drop(first);
    drop(repeatable);
    reader.statement_done();
    assert!(txns.oldest_visible_csn() >= csn);
}

#[test]
fn own_changes_follow_commands_and_savepoints() {
    let storage = create(&FaultDisk::new());
    let txns = storage.txns();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    let xid = txn.assign_xid();
    let none = Xid::INVALID;
    let zero = CommandId(0);
    assert!(
        !txn.statement_snapshot().sees(txns, xid, txn.command_id(), none, zero),
        "not its own command's rows"
    );
    txn.advance_command();
    let snapshot = txn.statement_snapshot();
    assert!(snapshot.sees(txns, xid, zero, none, zero));
    assert!(!snapshot.sees(txns, xid, zero, xid, zero), "deleted by an earlier command");
    assert!(snapshot.sees(txns, xid, zero, xid, CommandId(1)), "deleted by this command: still there");
    let level = txn.savepoint();
    assert_eq!(txn.xid(), None);
    let sub = txn.assign_xid();
    assert!(sub > xid && txn.is_mine(sub) && txn.is_mine(xid));
    assert_eq!(txns.top_of(sub), xid);
    txn.advance_command();
    assert!(txn.statement_snapshot().sees(txns, sub, CommandId(1), none, zero));
    let other = storage.begin_with(
        IsolationLevel::ReadCommitted,
        TxnOptions { read_at_inserted: true, ..Default::default() },
    );
    assert!(!other.statement_snapshot().sees(txns, sub, zero, none, zero));
    txn.rollback_to(level);
    assert_eq!(txns.status(sub), XidStatus::Aborted);
    assert!(!txn.is_mine(sub));
    let again = txn.assign_xid();
    assert!(again > sub);
    txn.release(level);
    assert_eq!(txn.xid(), Some(xid));
    let inner = txn.savepoint();
    assert_eq!(inner, 1);
    txn.commit().unwrap();
    assert!(other.statement_snapshot().sees(txns, again, zero, none, zero));
    assert!(!other.statement_snapshot().sees(txns, sub, zero, none, zero));
    assert!(txn.commit().is_err());
}

/// A session's next transaction in the memory of the one before it is as new as another one is.
#[test]
fn a_transaction_begins_again_as_a_new_one() {
    let storage = create(&FaultDisk::new());
    let txns = storage.txns();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    assert!(!txn.begin_again(IsolationLevel::ReadCommitted, false), "it runs");
    let kinds: [&dyn Fn(); 4] = [
        // Only reads, locked or not.
        &|| drop(txn.statement_snapshot()),
        &|| assert!(txn.lock(table(7), LockMode::AccessShare, WaitPolicy::Block).unwrap()),
        // Writes, with savepoints and much besides.
        &|| {
            txn.assign_xid();
            txn.advance_command();
            txn.savepoint();
            txn.assign_xid();
            txn.on_abort(Box::new(|| panic!("it has committed")));
            txn.set_lock_timeout(Some(Duration::from_millis(1)));
        },
        // Savepoints that nothing was written in.
        &|| {
            txn.savepoint();
            txn.on_commit(Box::new(|| ()));
        },
    ];
    for kind in kinds {
        for isolation in [IsolationLevel::RepeatableRead, IsolationLevel::ReadCommitted] {
            kind();
            let seen = txn.statement_snapshot();
            drop(seen);
            txn.commit().unwrap();
            assert_eq!((txns.running_count(), txn.sub_level()), (0, 0));
            assert!(storage.locks().holders(table(7)).is_empty());
            assert!(txn.begin_again(isolation, false));
            assert_eq!(txn.isolation(), isolation);
            assert_eq!((txns.running_count(), txn.sub_level()), (1, 0));
            assert_eq!((txn.xid(), txn.top_xid(), txn.command_id()), (None, None, CommandId(0)));
            assert!(!txn.is_done() && !txn.has_first_snapshot());
            assert!(!txn.holds(table(7), LockMode::AccessShare));
        }
    }
    let kept = txn.statement_snapshot();
    txn.commit().unwrap();
    assert!(!txn.begin_again(IsolationLevel::ReadCommitted, false), "its snapshot goes on");
    drop(kept);
    assert!(txn.begin_again(IsolationLevel::Serializable, false));
    drop(txn.statement_snapshot());
    txn.commit().unwrap();
    assert!(
        !txn.begin_again(IsolationLevel::ReadCommitted, false),
        "others may still ask for what it has read"
    );
}

#[test]
fn no_snapshot_ever_sees_half_a_commit() {
    // Writers commit pairs (transaction, subtransaction) without waiting; readers check that they see both or none.
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let workers = storage.start_background();
    let pairs: Vec<(AtomicU64, AtomicU64)> = (0..3000).map(|_| Default::default()).collect();
    let next = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for at_inserted in [false, true] {
            let (storage, pairs, done) = (&storage, &pairs, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let options = TxnOptions { read_at_inserted: at_inserted, ..Default::default() };
                    let txn = storage.begin_with(IsolationLevel::ReadCommitted, options);
                    let snapshot = txn.statement_snapshot();
                    for (top, sub) in pairs {
                        let (top, sub) = (top.load(Ordering::Acquire), sub.load(Ordering::Acquire));
                        if top == 0 || sub == 0 {
                            continue;
                        }
                        let first = snapshot.sees_xid(storage.txns(), Xid(sub));
                        assert_eq!(first, snapshot.sees_xid(storage.txns(), Xid(top)));
                        assert_eq!(first, snapshot.sees_xid(storage.txns(), Xid(sub)));
                    }
                }
            });
        }
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (storage, pairs, next) = (&storage, &pairs, &next);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed) as usize;
                        let Some((top, sub)) = pairs.get(at) else { break };
                        let txn = storage.begin(IsolationLevel::ReadCommitted);
                        top.store(txn.assign_xid().0, Ordering::Release);
                        txn.savepoint();
                        sub.store(txn.assign_xid().0, Ordering::Release);
                        txn.commit().unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    drop(workers);
}

fn table(oid: u32) -> LockTag {
    LockTag::Relation { db: Oid(5), oid: Oid(oid) }
}

#[test]
fn weak_locks_go_fast_and_strong_ones_find_them() {
    use LockMode::*;
    let storage = create(&FaultDisk::new());
    let reader = storage.begin(IsolationLevel::ReadCommitted);
    assert!(reader.lock(table(1), AccessShare, WaitPolicy::Block).unwrap());
    assert!(reader.lock(table(1), RowExclusive, WaitPolicy::Block).unwrap());
    assert!(storage.locks().list().iter().all(|l| l.fast_path));
    let ddl = storage.begin(IsolationLevel::ReadCommitted);
    assert!(!ddl.lock(table(1), AccessExclusive, WaitPolicy::NoWait).unwrap());
    assert!(ddl.lock(table(2), AccessExclusive, WaitPolicy::NoWait).unwrap());
    assert!(ddl.lock(table(1), ShareUpdateExclusive, WaitPolicy::NoWait).unwrap());
    let other = storage.begin(IsolationLevel::ReadCommitted);
    assert!(!other.lock(table(2), AccessShare, WaitPolicy::NoWait).unwrap());
    assert!(other.lock(table(1), AccessShare, WaitPolicy::NoWait).unwrap());
    drop(reader);
    drop(other);
    assert!(ddl.lock(table(1), AccessExclusive, WaitPolicy::NoWait).unwrap());
    drop(ddl);
    assert!(storage.locks().list().is_empty());
    let level_test = storage.begin(IsolationLevel::ReadCommitted);
    let level = level_test.savepoint();
    level_test.lock(table(3), Exclusive, WaitPolicy::Block).unwrap();
    level_test.rollback_to(level);
    assert!(storage.locks().list().is_empty());
    // More tables than the fast path has room for.
    for oid in 100..160 {
        assert!(level_test.lock(table(oid), AccessShare, WaitPolicy::Block).unwrap());
        assert!(level_test.lock(table(oid), AccessShare, WaitPolicy::Block).unwrap());
    }
    assert_eq!(storage.locks().list().len(), 60);
    drop(level_test);
    assert!(storage.locks().list().is_empty());
}

#[test]
fn deadlocks_are_found_and_reported_as_postgresql_does() {
    let storage = create(&FaultDisk::new());
    let begin =
        |pid| storage.begin_with(IsolationLevel::ReadCommitted, TxnOptions { pid, ..Default::default() });
    let (one, two) = (begin(11), begin(22));
    one.lock(table(1), LockMode::AccessExclusive, WaitPolicy::Block).unwrap();
    let two_xid = two.assign_xid();
    let (send, receive) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let one = one;
            send.send(one.wait_for_xid(two_xid, WaitPolicy::Block).map_err(|e| (e, 11))).unwrap();
            drop(one);
        });
        scope.spawn(|| {
            let two = two;
            send.send(two.lock(table(1), LockMode::RowShare, WaitPolicy::Block).map_err(|e| (e, 22)))
                .unwrap();
            drop(two);
        });
        let outcomes = [receive.recv().unwrap(), receive.recv().unwrap()];
        let (victims, winners): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|o| o.is_err());
        assert_eq!((victims.len(), winners.len()), (1, 1));
        let (error, pid) = victims.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::T_R_DEADLOCK_DETECTED);
        assert_eq!(error.message(), "deadlock detected");
        let by_xid =
            format!("Process 11 waits for ShareLock on transaction {}; blocked by process 22.", two_xid.0);
        let by_table =
            "Process 22 waits for RowShareLock on relation 1 of database 5; blocked by process 11.";
        let detail = match pid {
            11 => format!("{by_xid}\n{by_table}"),
            _ => format!("{by_table}\n{by_xid}"),
        };
        assert_eq!(error.fields().detail.as_deref(), Some(detail.as_str()));
    });
    assert!(storage.locks().list().is_empty());
}

#[test]
fn a_deadlock_has_one_victim_also_when_all_look_at_once() {
    let storage = create(&FaultDisk::new());
    for round in 0..200 {
        let both = Barrier::new(2);
        let crossed = |first: u32, second: u32| {
            let txn = storage.begin(IsolationLevel::ReadCommitted);
            txn.set_deadlock_timeout(Some(Duration::from_millis(2)));
            txn.lock(table(first), LockMode::AccessExclusive, WaitPolicy::Block).unwrap();
            both.wait();
            txn.lock(table(second), LockMode::AccessExclusive, WaitPolicy::Block).is_err()
        };
        let victims = std::thread::scope(|scope| {
            let other = scope.spawn(|| crossed(2, 1));
            usize::from(crossed(1, 2)) + usize::from(other.join().unwrap())
        });
        assert_eq!(victims, 1, "round {round}");
    }
    assert!(storage.locks().list().is_empty());
}

#[test]
fn waits_end_by_grant_timeout_or_cancel() {
    let storage = create(&FaultDisk::new());
    let holder = storage.begin(IsolationLevel::ReadCommitted);
    holder.lock(table(1), LockMode::Exclusive, WaitPolicy::Block).unwrap();
    let impatient = storage.begin(IsolationLevel::ReadCommitted);
    impatient.set_lock_timeout(Some(Duration::from_millis(5)));
    let error = impatient.lock(table(1), LockMode::RowExclusive, WaitPolicy::Block).unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::LOCK_NOT_AVAILABLE);
    assert_eq!(error.message(), "canceling statement due to lock timeout");
    let cancelled = storage.begin(IsolationLevel::ReadCommitted);
    cancelled.cancel_flag().store(true, Ordering::Release);
    let error = cancelled.lock(table(1), LockMode::RowExclusive, WaitPolicy::Block).unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::QUERY_CANCELED);
    let xid = holder.assign_xid();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|n| {
                let storage = &storage;
                scope.spawn(move || {
                    let txn = storage.begin(IsolationLevel::ReadCommitted);
                    if n % 2 == 0 {
                        assert!(txn.lock(table(1), LockMode::RowExclusive, WaitPolicy::Block).unwrap());
                    } else {
                        assert!(txn.wait_for_xid(xid, WaitPolicy::Block).unwrap());
                        assert!(matches!(storage.txns().status(xid), XidStatus::Committed(_)));
                    }
                })
            })
            .collect();
        holder.commit().unwrap();
        waiters.into_iter().for_each(|w| w.join().unwrap());
    });
}

#[test]
fn session_locks_count_and_row_locks_carry() {
    let storage = create(&FaultDisk::new());
    let locks = storage.locks();
    let session = locks.session(locks.new_owner(), 7);
    let tag = LockTag::Advisory { db: Oid(5), key: 42, two_keys: false };
    let never = AtomicBool::new(false);
    let wait = WaitOptions { cancel: &never, lock_timeout: None, deadlock_timeout: None, observer: None };
    let take = |s: &quarry_storage::lock::SessionLocks| {
        s.lock(tag, LockMode::Exclusive, WaitPolicy::Skip, &wait).unwrap()
    };
    assert!(take(&session) && take(&session));
    let other = locks.session(locks.new_owner(), 8);
    assert!(!take(&other));
    let options = TxnOptions { owner: Some(session.owner()), ..Default::default() };
    let mine = storage.begin_with(IsolationLevel::ReadCommitted, options);
    assert!(mine.lock(tag, LockMode::Exclusive, WaitPolicy::Skip).unwrap(), "one owner");
    assert!(session.unlock(tag, LockMode::Exclusive) && session.unlock(tag, LockMode::Exclusive));
    assert!(!session.unlock(tag, LockMode::Exclusive));
    assert!(!take(&other));
    drop(mine);
    assert!(take(&other));
    drop(other);

    let row = |slot| LockTag::Row { rel: REL, tid: quarry_common::Tid { block: 1, slot } };
    let sharer = storage.begin(IsolationLevel::ReadCommitted);
    assert!(!locks.has_row_locks());
    sharer.lock(row(1), LockMode::AccessShare, WaitPolicy::Block).unwrap();
    for to in 2..20 {
        let tid = |slot| quarry_common::Tid { block: 1, slot };
        assert!(locks.carry_row_locks(REL, tid(to - 1), tid(to)).is_empty());
    }
    let deleter = storage.begin(IsolationLevel::ReadCommitted);
    assert!(deleter.lock(row(19), LockMode::Exclusive, WaitPolicy::Skip).unwrap());
    assert!(locks.conflicts_with_others(&deleter, row(19), LockMode::AccessExclusive));
    drop(sharer);
    assert!(deleter.lock(row(19), LockMode::AccessExclusive, WaitPolicy::Skip).unwrap());
    drop(deleter);
    assert!(!locks.has_row_locks() && locks.list().is_empty());
}

#[test]
fn concurrent_commits_over_crashes_keep_what_was_acknowledged() {
    for seed in 0..15 {
        let disk = FaultDisk::new();
        let mut storage = create(&disk);
        let mut rng = FaultRng::new(seed);
        for _ in 0..2 {
            let workers = storage.start_background();
            disk.fail_after(20 + rng.below(400));
            let acknowledged = parking_lot::Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let txn = storage.begin(IsolationLevel::ReadCommitted);
                            let xid = txn.assign_xid();
                            let Ok(Some(lsn)) = txn.commit() else { break };
                            if storage.wal().wait_durable_blocking(lsn).is_err() {
                                break;
                            }
                            acknowledged.lock().push(xid);
                        }
                    });
                }
            });
            drop(workers);
            let next = Arc::strong_count(&storage);
            assert_eq!(next, 1, "workers let go of the storage");
            drop(storage);
            disk.crash(rng.next_u64());
            storage = open(&disk);
            for xid in acknowledged.into_inner() {
                assert!(matches!(storage.txns().status(xid), XidStatus::Committed(_)), "seed {seed} {xid:?}");
            }
        }
    }
}
