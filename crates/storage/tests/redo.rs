//! Redo of many changes, which several threads apply page by page, and of transactions with many subtransactions.

mod common;

use common::{create, open, small};
use quarry_common::{Lsn, Oid, Xid};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::page::PAGE_SIZE;
use quarry_storage::{Fork, IsolationLevel, PageId, RelId, Storage, XidStatus};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const RELS: [RelId; 2] = [RelId::new(Oid(0), 20000), RelId::new(Oid(0), 20001)];
const PAGES: u32 = 400;

type Model = HashMap<PageId, Vec<u8>>;

/// Changes pages of both relations at random, makes some anew and cuts one relation short now and then.
fn work(storage: &Storage, rng: &mut FaultRng, changes: u32, model: &mut Model) {
    for _ in 0..changes {
        let rel = RELS[rng.below(2) as usize];
        let blocks = storage.pool().blocks(rel, Fork::Main).unwrap();
        if blocks > 200 && rng.below(3000) == 0 {
            storage.truncate_relation(rel, Fork::Main, blocks - 50).unwrap();
            model.retain(|id, _| id.rel != rel || id.block < blocks - 50);
            continue;
        }
        let mut page = if blocks < PAGES && rng.below(8) == 0 {
            storage.pool().extend(rel, Fork::Main, 1).unwrap()
        } else if blocks > 0 {
            storage.pool().write(PageId::main(rel, rng.below(blocks as u64) as u32)).unwrap()
        } else {
            continue;
        };
        let offset = 32 + rng.below(PAGE_SIZE as u64 - 32 - 100) as usize;
        let bytes: Vec<u8> = (0..1 + rng.below(100)).map(|_| rng.next_u64() as u8).collect();
        storage.log_patch(None, &mut page, &[(offset as u16, &bytes)]).unwrap();
        let is = model.entry(page.id()).or_insert_with(|| vec![0; PAGE_SIZE]);
        is[offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
}

fn verify(storage: &Storage, model: &Model, what: &str) {
    let mut found = 0;
    for rel in RELS {
        for block in 0..storage.pool().blocks(rel, Fork::Main).unwrap() {
            let id = PageId::main(rel, block);
            let page = storage.pool().read(id).unwrap();
            match model.get(&id) {
                Some(bytes) => assert!(page.bytes()[32..] == bytes[32..], "{what}: {id} differs"),
                None => assert!(page.is_new(), "{what}: {id} should be new"),
            }
            found += usize::from(model.contains_key(&id));
        }
    }
    assert_eq!(found, model.len(), "{what}");
}

#[test]
fn many_changes_come_back_whatever_the_pool_holds() {
    for seed in 0..4 {
        let disk = FaultDisk::new();
        let mut rng = FaultRng::new(seed);
        let storage = create(&disk);
        let mut model = Model::new();
        work(&storage, &mut rng, 3000, &mut model);
        storage.checkpoint().unwrap();
        work(&storage, &mut rng, 20_000, &mut model);
        storage.wal().flush_all().unwrap();
        disk.fail_after(0);
        drop(storage);
        disk.crash(seed);
        // A pool that holds next to nothing of it, and one that holds everything.
        for pages in [64, 2000] {
            let disk = disk.copy();
            let config = || quarry_storage::Config { shared_buffers_bytes: pages * PAGE_SIZE, ..small() };
            for n in [5, 400] {
                disk.fail_after(n);
                drop(Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, config()));
                disk.crash(seed + n);
            }
            let storage = Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).unwrap();
            verify(&storage, &model, &format!("seed {seed}, {pages} frames"));
        }
    }
}

/// A transaction whose subtransactions don't fit one record, their ids last.
fn with_subtransactions(storage: &Arc<Storage>, count: u32) -> (quarry_storage::Transaction, Vec<Xid>) {
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    let mut xids = vec![txn.assign_xid()];
    for _ in 0..count {
        let level = txn.savepoint();
        xids.push(txn.assign_xid());
        txn.release(level);
    }
    (txn, xids)
}

#[test]
fn a_checkpoint_during_the_commit_of_many_subtransactions() {
    let disk = FaultDisk::new();
    let mut storage = create(&disk);
    for round in 0..2 {
        let all: Vec<_> = (0..3).map(|_| with_subtransactions(&storage, 25_000)).collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    storage.checkpoint().unwrap();
                }
            });
            for (txn, _) in &all {
                txn.commit().unwrap().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        storage.wal().flush_all().unwrap();
        let ids: Vec<Vec<Xid>> = all.into_iter().map(|(_, ids)| ids).collect();
        disk.fail_after(0);
        drop(storage);
        disk.crash(round);
        storage = open(&disk);
        for xids in &ids {
            let lost =
                xids.iter().filter(|xid| !matches!(storage.txns().status(**xid), XidStatus::Committed(_)));
            assert_eq!(lost.count(), 0, "round {round}: subtransactions of a committed transaction");
        }
        assert!(storage.recovered_to() > Lsn(0));
    }
}
