//! Bulk loads: they write behind themselves through a ring, a crash at any write loses nothing that was committed, and scans read
//! ahead what they find on the disk.

mod common;

use quarry_common::{Oid, Tid};
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::heap::Heap;
use quarry_storage::row::{RowBuilder, RowLayout, Width};
use quarry_storage::{Config, IsolationLevel, RelId, Storage, check};
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);
/// Four rows fill a page.
const ROW_BYTES: usize = 1900;
const BATCH: u32 = 400;
/// 1,200 pages: more than the pool has frames.
const BATCHES: u32 = 12;

fn config() -> Config {
    Config { shared_buffers_bytes: 512 * 8192, wal_segment_bytes: 1 << 20, ..common::small() }
}

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]))
}

fn open(disk: &FaultDisk) -> Arc<Storage> {
    Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).expect("recovery succeeds")
}

fn heap(storage: &Arc<Storage>) -> Heap {
    Heap::open(storage, TABLE, None, layout())
}

fn make(disk: &FaultDisk) -> Arc<Storage> {
    let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, config()).unwrap();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&txn, Oid(5)).unwrap();
    Heap::create(&storage, &txn, TABLE).unwrap();
    let lsn = txn.commit().unwrap().unwrap();
    storage.wal().wait_durable_blocking(lsn).unwrap();
    storage
}

/// Loads batch after batch, each two in a transaction; the number of rows.
fn load(storage: &Arc<Storage>) -> quarry_common::Result<u32> {
    let mut durable = 0;
    load_counting(storage, &mut durable).map(|()| durable)
}

/// As `load`; counts the rows whose commit is durable.
fn load_counting(storage: &Arc<Storage>, durable: &mut u32) -> quarry_common::Result<()> {
    let heap = heap(storage);
    for pair in 0..BATCHES / 2 {
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        for batch in [pair * 2, pair * 2 + 1] {
            let rows: Vec<Vec<u8>> = (batch * BATCH..(batch + 1) * BATCH)
                .map(|id| {
                    let mut b = RowBuilder::new();
                    b.begin(&layout());
                    b.fixed(&id.to_le_bytes());
                    b.var(&[id as u8; ROW_BYTES]);
                    b.finish().to_vec()
                })
                .collect();
            let rows: Vec<&[u8]> = rows.iter().map(|r| &r[..]).collect();
            heap.insert_many(&txn, &rows, &mut Vec::<Tid>::new())?;
        }
        let lsn = txn.commit()?.expect("it has written");
        storage.wal().wait_durable_blocking(lsn)?;
        *durable = (pair + 1) * 2 * BATCH;
    }
    Ok(())
}

fn count(storage: &Arc<Storage>) -> quarry_common::Result<u32> {
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    let mut scan = heap(storage).scan(txn.statement_snapshot(), None);
    let mut rows = 0;
    while scan.next_page(&mut |_, _| {
        rows += 1;
        Ok(())
    })? {}
    Ok(rows)
}

#[test]
fn a_load_is_on_the_disk_before_the_checkpoint() {
    let disk = FaultDisk::new();
    let storage = make(&disk);
    let loaded = load(&storage).unwrap();
    storage.pool().write_behind_now().unwrap();
    let dirty = storage.pool().dirty_pages(true).iter().filter(|id| id.rel == TABLE).count();
    // The beginning, which isn't loaded in bulk yet, may be in the pool still; and the last extension isn't full.
    assert!(dirty <= 160, "{dirty} pages");
    assert_eq!(count(&storage).unwrap(), loaded);
    storage.checkpoint().unwrap();
    assert_eq!(storage.pool().dirty_pages(true), []);
    check::check_or_error(&storage).unwrap();
}

#[test]
fn a_crash_in_a_load_loses_nothing_committed() {
    let operations = {
        let disk = FaultDisk::new();
        let storage = make(&disk);
        let before = disk.operations();
        load(&storage).unwrap();
        disk.operations() - before
    };
    for seed in 0..12 {
        let disk = FaultDisk::new();
        let storage = make(&disk);
        disk.fail_after(operations * seed / 12);
        let mut durable = 0;
        // It fails when the disk does.
        let _ = load_counting(&storage, &mut durable);
        drop(storage);
        disk.crash(seed);
        let storage = open(&disk);
        let found = count(&storage).unwrap();
        assert!(found >= durable, "seed {seed}: {found} rows of {durable}");
        assert_eq!(found % (2 * BATCH), 0, "seed {seed}: whole transactions");
    }
}

#[test]
fn scans_read_ahead_and_name_a_damaged_page() {
    let disk = FaultDisk::new();
    let storage = make(&disk);
    let loaded = load(&storage).unwrap();
    storage.shutdown().unwrap();
    drop(storage);
    let storage = open(&disk);
    let reads = storage.pool().stats().reads.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(count(&storage).unwrap(), loaded);
    let blocks = heap(&storage).blocks().unwrap() as u64;
    let reads = storage.pool().stats().reads.load(std::sync::atomic::Ordering::Relaxed) - reads;
    assert!((blocks..blocks + 16).contains(&reads), "{reads} reads of {blocks} pages");
    storage.shutdown().unwrap();
    drop(storage);
    disk.damage(&TABLE.to_string(), 700 * 8192 + 5000, &[77; 3]);
    let storage = open(&disk);
    let error = count(&storage).unwrap_err();
    assert!(error.message().contains("block 700"), "{error:?}");
    let detail = error.fields().detail.as_deref().unwrap_or_default();
    assert!(detail.contains("checksum is wrong"), "{error:?}");
}
