//! Pool, log and recovery against a model: random page writes, a crash at a random write or sync, recovery, compare.

mod common;

use common::{create, open};
use quarry_common::{Lsn, Oid, SqlState, Xid};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::page::PAGE_SIZE;
use quarry_storage::{Fork, IsolationLevel, PageId, RelId, Storage, XidStatus};
use std::collections::HashMap;
use std::sync::Arc;

const REL: RelId = RelId::new(Oid(0), 20000);
const PAGES: u32 = 150;

/// One logged change: where the record ends, which page, what.
struct Change {
    end: Lsn,
    block: u32,
    offset: usize,
    bytes: Vec<u8>,
}

/// Random work until the disk dies or `steps` are done. Returns the last LSN that was acknowledged as durable.
fn work(storage: &Arc<Storage>, rng: &mut FaultRng, steps: u64, changes: &mut Vec<Change>) -> Lsn {
    let mut acknowledged = Lsn(0);
    for _ in 0..steps {
        let dice = rng.below(100);
        let outcome = if dice < 88 {
            change(storage, rng, changes)
        } else if dice < 97 {
            storage.wal().flush_all().map(|lsn| acknowledged = acknowledged.max(lsn))
        } else if dice < 99 {
            storage.checkpoint().map(|_| ())
        } else {
            storage.pool().write_ahead_of_hand(10).map(|_| ())
        };
        if outcome.is_err() {
            break;
        }
    }
    acknowledged
}

fn change(storage: &Storage, rng: &mut FaultRng, changes: &mut Vec<Change>) -> quarry_common::Result<()> {
    let blocks = storage.pool().blocks(REL, Fork::Main)?;
    let mut page = if blocks < PAGES && rng.below(4) == 0 {
        storage.pool().extend(REL, Fork::Main, 1)?
    } else if blocks > 0 {
        storage.pool().write(PageId::main(REL, rng.below(blocks as u64) as u32))?
    } else {
        return Ok(());
    };
    let offset = 32 + rng.below(PAGE_SIZE as u64 - 32 - 600) as usize;
    let bytes: Vec<u8> = (0..1 + rng.below(500)).map(|_| rng.next_u64() as u8).collect();
    let end = storage.log_patch(None, &mut page, &[(offset as u16, &bytes)])?;
    changes.push(Change { end, block: page.block(), offset, bytes });
    Ok(())
}

fn verify(storage: &Storage, changes: &[Change], acknowledged: Lsn, seed: u64) {
    let end = storage.recovered_to();
    assert!(end >= acknowledged, "seed {seed}: durable to {acknowledged}, recovered to {end}");
    let mut model: HashMap<u32, Vec<u8>> = HashMap::new();
    for change in changes.iter().filter(|c| c.end <= end) {
        let page = model.entry(change.block).or_insert_with(|| vec![0; PAGE_SIZE]);
        page[change.offset..change.offset + change.bytes.len()].copy_from_slice(&change.bytes);
    }
    for block in 0..storage.pool().blocks(REL, Fork::Main).unwrap() {
        let page = storage.pool().read(PageId::main(REL, block)).unwrap();
        match model.remove(&block) {
            Some(bytes) => assert!(page.bytes()[32..] == bytes[32..], "seed {seed}: block {block} differs"),
            None => assert!(page.is_new(), "seed {seed}: block {block} should be new"),
        }
    }
    assert!(model.is_empty(), "seed {seed}: blocks {:?} are gone", model.keys());
}

fn crash_round(seed: u64) {
    let disk = FaultDisk::new();
    let mut rng = FaultRng::new(seed);
    let mut storage = create(&disk);
    let mut changes = Vec::new();
    for round in 0..4 {
        disk.fail_after(rng.below(1500));
        let steps = 100 + rng.below(2000);
        let acknowledged = work(&storage, &mut rng, steps, &mut changes);
        drop(storage);
        if rng.below(4) == 0 {
            // Only the process is killed; power fails during the recovery, or after it.
            disk.kill();
            disk.fail_after(rng.below(300));
            drop(Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small()));
        }
        disk.crash(rng.next_u64());
        if rng.below(4) == 0 {
            // Recovery itself is interrupted.
            disk.fail_after(rng.below(200));
            let opened = Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small());
            drop(opened);
            disk.crash(rng.next_u64());
        }
        storage = open(&disk);
        let seen = storage.recovered_to();
        verify(&storage, &changes, acknowledged, seed * 10 + round);
        changes.retain(|c| c.end <= seen);
    }
}

#[test]
fn random_crashes_lose_nothing_durable() {
    for seed in common::seeds(30) {
        crash_round(seed);
    }
}

#[test]
fn recovery_may_crash_at_any_write() {
    for seed in 0..3 {
        let disk = FaultDisk::new();
        let mut rng = FaultRng::new(seed + 700);
        let storage = create(&disk);
        let mut changes = Vec::new();
        work(&storage, &mut rng, 700, &mut changes);
        let acknowledged = storage.wal().flush_all().unwrap();
        drop(storage);
        disk.crash(seed);
        let whole = disk.copy();
        let storage = open(&whole);
        let operations = whole.operations();
        drop(storage);
        let step = operations / 60 + 1;
        for n in (0..operations).step_by(step as usize) {
            let disk = disk.copy();
            // Three crashes in a row, each at another place.
            for again in 0..3 {
                disk.fail_after(n + again);
                drop(Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small()));
                disk.crash(seed + n + again);
            }
            verify(&open(&disk), &changes, acknowledged, seed * 1000 + n);
        }
    }
}

#[test]
fn clean_shutdown_replays_nothing() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let mut changes = Vec::new();
    work(&storage, &mut FaultRng::new(1), 500, &mut changes);
    storage.shutdown().unwrap();
    let oid = storage.new_oid().unwrap();
    drop(storage);
    let storage = open(&disk);
    verify(&storage, &changes, Lsn(0), 0);
    assert_eq!(storage.new_oid().unwrap(), oid, "no oids are lost");
}

#[test]
fn damage_on_disk_is_reported_with_its_place() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let mut changes = Vec::new();
    while storage.pool().blocks(REL, Fork::Main).unwrap() < 3 {
        work(&storage, &mut FaultRng::new(5), 20, &mut changes);
    }
    storage.shutdown().unwrap();
    drop(storage);
    disk.damage("global/20000", 8192 + 4000, &[0xff, 0x01, 0x77]);
    let storage = open(&disk);
    let error = storage.pool().read(PageId::main(REL, 1)).map(drop).unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::DATA_CORRUPTED);
    assert!(
        error.message().contains("invalid page in block 1 of relation global/20000"),
        "{}",
        error.message()
    );
    assert!(storage.pool().read(PageId::main(REL, 0)).is_ok());
    let beyond = storage.pool().read(PageId::main(REL, 5000)).map(drop).unwrap_err();
    assert_eq!(beyond.sqlstate(), SqlState::DATA_CORRUPTED);
}

#[test]
fn a_failed_fsync_is_fatal() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    txn.assign_xid();
    let lsn = txn.commit().unwrap().unwrap();
    disk.fail_syncs(true);
    assert!(storage.wal().wait_durable_blocking(lsn).is_err());
    disk.fail_syncs(false);
    assert!(storage.fatal().is_poisoned());
    assert!(storage.wal().wait_durable_blocking(lsn).is_err(), "no second try");
    assert!(storage.checkpoint().is_err());
}

#[test]
fn a_full_disk_fails_statements_and_heals() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let mut changes = Vec::new();
    let mut rng = FaultRng::new(9);
    work(&storage, &mut rng, 300, &mut changes);
    storage.checkpoint().unwrap();
    // Room for the log, none for new pages.
    let segments = storage.wal().segments();
    let current = segments.number_of(storage.wal().inserted());
    (current..current + 3).for_each(|n| drop(segments.open_or_make(n).unwrap()));
    disk.set_capacity(Some(0));
    let mut failed = false;
    for _ in 0..200 {
        failed |= match storage.pool().extend(REL, Fork::Main, 1) {
            Ok(mut page) => {
                let end = storage.log_patch(None, &mut page, &[(100, b"x")]).unwrap();
                changes.push(Change { end, block: page.block(), offset: 100, bytes: b"x".to_vec() });
                false
            }
            Err(e) => {
                assert_eq!(e.sqlstate(), SqlState::DISK_FULL, "{e}");
                true
            }
        };
    }
    assert!(failed, "the pool is smaller than what was added");
    assert!(!storage.fatal().is_poisoned());
    disk.set_capacity(None);
    storage.checkpoint().unwrap();
    storage.wal().flush_all().unwrap();
    drop(storage);
    disk.crash(1);
    let storage = open(&disk);
    verify(&storage, &changes, Lsn(0), 0);
}

#[test]
fn statuses_and_files_after_a_crash() {
    for seed in common::seeds(40) {
        let disk = FaultDisk::new();
        let mut rng = FaultRng::new(seed);
        let storage = create(&disk);
        let mut committed = Vec::new();
        let mut unacknowledged = Vec::new();
        let mut ended = Vec::new();
        let mut running = Vec::new();
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for n in 0..60 {
            let txn = storage.begin(IsolationLevel::ReadCommitted);
            let rel = storage.new_relfilenode(Oid(0)).unwrap();
            storage.create_relation(&txn, rel, quarry_storage::Persistence::Permanent).unwrap();
            let level = txn.savepoint();
            let inner = txn.assign_xid();
            let inner_rel = storage.new_relfilenode(Oid(0)).unwrap();
            storage.create_relation(&txn, inner_rel, quarry_storage::Persistence::Permanent).unwrap();
            for rel in [rel, inner_rel] {
                let mut page = storage.pool().extend(rel, Fork::Main, 1).unwrap();
                storage.log_patch(txn.xid(), &mut page, &[(50, &[n])]).unwrap();
            }
            let roll_back = rng.below(2) == 0;
            if roll_back {
                txn.rollback_to(level);
                ended.push(inner);
                gone.push(inner_rel);
            }
            txn.release(level);
            let top = txn.top_xid().unwrap();
            assert_eq!(txn.xid(), Some(top));
            match rng.below(4) {
                0 => {
                    txn.abort();
                    ended.extend([inner, top]);
                    gone.extend([rel, inner_rel]);
                }
                1 => {
                    running.push((txn, top, inner));
                    gone.extend([rel, inner_rel]);
                }
                2 => {
                    txn.commit().unwrap();
                    unacknowledged.push((top, inner, roll_back, rel, inner_rel));
                }
                _ => {
                    let lsn = txn.commit().unwrap().unwrap();
                    storage.wal().wait_durable_blocking(lsn).unwrap();
                    committed.push(top);
                    kept.push(rel);
                    if !roll_back {
                        committed.push(inner);
                        kept.push(inner_rel);
                    }
                    if rng.below(3) == 0 {
                        let dropping = storage.begin(IsolationLevel::ReadCommitted);
                        storage.drop_relation(&dropping, rel).unwrap();
                        dropping.commit().unwrap();
                        kept.retain(|r| *r != rel);
                        gone.push(rel);
                    }
                }
            }
            if rng.below(20) == 0 {
                storage.checkpoint().unwrap();
            }
        }
        let last = storage.txns().next_xid();
        running.iter().for_each(|(_, top, inner)| ended.extend([*top, *inner]));
        disk.fail_after(0);
        drop(running);
        drop(storage);
        disk.crash(seed);
        let storage = open(&disk);
        let txns = storage.txns();
        for xid in committed {
            assert!(
                matches!(txns.status(xid), XidStatus::Committed(_)),
                "seed {seed}: {xid:?} was acknowledged"
            );
        }
        for xid in ended.into_iter().filter(|x| *x < txns.next_xid()) {
            assert_eq!(txns.status(xid), XidStatus::Aborted, "seed {seed}: {xid:?}");
        }
        for (top, inner, rolled_back, rel, inner_rel) in unacknowledged {
            let is_in = matches!(txns.status(top), XidStatus::Committed(_));
            if !rolled_back && inner < txns.next_xid() {
                assert_eq!(is_in, matches!(txns.status(inner), XidStatus::Committed(_)), "seed {seed}");
            }
            match is_in {
                true => kept.push(rel),
                false => gone.extend([rel, inner_rel]),
            }
        }
        assert!(txns.next_xid() <= Xid(last.0 + 1));
        for rel in kept {
            assert_eq!(
                storage.relation_blocks(rel, Fork::Main).unwrap(),
                1,
                "seed {seed}: {rel} was committed"
            );
            assert!(!storage.pool().read(PageId::main(rel, 0)).unwrap().is_new());
        }
        for rel in gone {
            assert_eq!(
                storage.relation_blocks(rel, Fork::Main).unwrap(),
                0,
                "seed {seed}: {rel} should be gone"
            );
            assert!(!disk.exists(&rel.to_string()).unwrap(), "seed {seed}: file of {rel}");
        }
    }
}

#[test]
fn databases_are_copied_and_dropped_in_transactions() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&txn, Oid(1)).unwrap();
    let rel = RelId::new(Oid(1), 2600);
    storage.create_relation(&txn, rel, quarry_storage::Persistence::Permanent).unwrap();
    for n in 0..100u8 {
        let mut page = storage.pool().extend(rel, Fork::Main, 1).unwrap();
        storage.log_patch(txn.xid(), &mut page, &[(64, &[n; 100])]).unwrap();
    }
    txn.commit().unwrap();
    let copying = storage.begin(IsolationLevel::ReadCommitted);
    storage.copy_database(&copying, Oid(1), Oid(7)).unwrap();
    let lsn = copying.commit().unwrap().unwrap();
    let failing = storage.begin(IsolationLevel::ReadCommitted);
    storage.copy_database(&failing, Oid(7), Oid(8)).unwrap();
    storage.wal().flush_all().unwrap();
    assert!(lsn <= storage.wal().flushed());
    disk.fail_after(0);
    drop(failing);
    drop(storage);
    disk.crash(3);
    let storage = open(&disk);
    assert!(!disk.exists("base/8").unwrap());
    for n in 0..100u8 {
        let page = storage.pool().read(PageId::main(RelId::new(Oid(7), 2600), n as u32)).unwrap();
        assert_eq!(page.bytes()[64..164], [n; 100]);
    }
    let dropping = storage.begin(IsolationLevel::ReadCommitted);
    storage.drop_database_dir(&dropping, Oid(7)).unwrap();
    assert!(disk.exists("base/7").unwrap());
    dropping.commit().unwrap();
    assert!(!disk.exists("base/7").unwrap());
    assert!(storage.pool().read(PageId::main(rel, 5)).is_ok());
}

#[test]
fn a_second_server_is_refused() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let again = Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small());
    assert_eq!(again.map(drop).unwrap_err().sqlstate(), SqlState::LOCK_FILE_EXISTS);
    drop(storage);
    open(&disk);
}
