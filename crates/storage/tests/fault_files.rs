//! Faults of files besides tables and log: what DDL rewrites, sequences, the control file, the commit log, temporary files.

mod common;

use common::{create, open, small};
use quarry_common::{Error, Oid, Result, SqlState, Xid};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, BuildEntry};
use quarry_storage::page::PAGE_SIZE;
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::sequence::{Sequence, SequenceChange, SequenceState};
use quarry_storage::sort::ExternalSort;
use quarry_storage::{IsolationLevel, RelId, Storage, XidStatus};
use std::sync::Arc;

const ROWS: u32 = 400;
const OLD: RelId = RelId::new(Oid(5), 30000);
const NEW: RelId = RelId::new(Oid(5), 30001);
const INDEX: RelId = RelId::new(Oid(5), 30002);

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]))
}

fn row(id: u32) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&id.to_le_bytes());
    b.var(&[id as u8; 150]);
    b.finish().to_vec()
}

fn try_open(disk: &FaultDisk) -> Result<Arc<Storage>> {
    Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, small())
}

fn opening_fails(disk: &FaultDisk) -> Error {
    match try_open(disk) {
        Ok(_) => panic!("the storage opens"),
        Err(e) => e,
    }
}

/// A table with rows; some have been deleted.
fn table() -> FaultDisk {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&t, OLD.db).unwrap();
    Heap::create(&storage, &t, OLD).unwrap();
    let heap = Heap::open(&storage, OLD, None, layout());
    for id in 0..ROWS {
        heap.insert(&t, &row(id)).unwrap();
    }
    t.commit().unwrap();
    storage.shutdown().unwrap();
    drop(heap);
    drop(storage);
    disk
}

/// The ids in a table.
fn ids(storage: &Arc<Storage>, rel: RelId) -> Vec<u32> {
    let layout = layout();
    let heap = Heap::open(storage, rel, None, layout.clone());
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let mut scan = heap.scan(t.statement_snapshot(), None);
    let mut found = Vec::new();
    while scan
        .next_page(&mut |_, body| {
            found.push(u32::from_le_bytes(RowRef::new(&layout, body).fixed_array(0)));
            Ok(())
        })
        .unwrap()
    {}
    found.sort_unstable();
    found
}

/// What VACUUM FULL, CLUSTER and rewriting ALTER TABLE do: the rows go into new files with an index beside them, the old files go.
fn rewrite(storage: &Arc<Storage>) -> Result<()> {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    Heap::create(storage, &t, NEW)?;
    BTree::create(storage, &t, INDEX)?;
    let (old, new) = (Heap::open(storage, OLD, None, layout()), Heap::open(storage, NEW, None, layout()));
    let mut entries = Vec::new();
    old.versions_to_keep(&mut |_, _| Ok(()), &mut |version, _, row| {
        let tid = new.insert_version(&t, &version, row)?;
        entries.push((entries.len() as u32, tid));
        Ok(())
    })?;
    let index = BTree::open(storage, INDEX, true);
    let mut rows = entries.into_iter();
    index.build(&t, &mut |entry: &mut BuildEntry| {
        let Some((id, tid)) = rows.next() else { return Ok(false) };
        entry.key.clear();
        entry.key.extend_from_slice(&id.to_be_bytes());
        entry.tid = tid;
        Ok(true)
    })?;
    storage.drop_relation(&t, OLD)?;
    let lsn = t.commit()?;
    storage.wal().wait_durable_blocking(lsn.expect("it has written"))
}

/// Either all of the old or all of the new is there, and the other's files are not.
fn verify_rewrite(disk: &FaultDisk, done: Option<bool>, what: &str) {
    let storage = open(disk);
    let all: Vec<u32> = (0..ROWS).collect();
    let is_new = ids(&storage, NEW) == all;
    assert!(done.is_none_or(|done| done == is_new), "{what}: acknowledged {done:?}, found {is_new}");
    if !is_new {
        assert_eq!(ids(&storage, OLD), all, "{what}");
    }
    for rel in if is_new { vec![OLD] } else { vec![NEW, INDEX] } {
        for suffix in ["", "_vm", "_fsm"] {
            let path = format!("{rel}{suffix}");
            assert!(!disk.exists(&path).unwrap(), "{what}: {path} is left");
        }
    }
}

#[test]
fn a_rewrite_dies_at_any_write() {
    let disk = table();
    let whole = disk.copy();
    let storage = open(&whole);
    let before = whole.operations();
    rewrite(&storage).unwrap();
    storage.checkpoint().unwrap();
    let operations = whole.operations() - before;
    drop(storage);
    verify_rewrite(&whole, Some(true), "without a fault");
    for n in 0..operations {
        let disk = disk.copy();
        let storage = open(&disk);
        disk.fail_after(n);
        let done = rewrite(&storage).is_ok();
        let _ = storage.checkpoint();
        drop(storage);
        disk.crash(n);
        // What wasn't acknowledged may have happened.
        verify_rewrite(&disk, done.then_some(true), &format!("operation {n} of {operations}"));
    }
}

#[test]
fn a_rewrite_meets_a_full_disk_and_failing_writes() {
    let disk = table();
    for room in (0..12).map(|n| n * 20_000) {
        let disk = disk.copy();
        let storage = open(&disk);
        drop(storage.wal().admit(0, 0).unwrap());
        disk.set_capacity(Some(disk.used() + room));
        let outcome = rewrite(&storage).and_then(|()| storage.checkpoint().map(drop));
        if let Err(e) = outcome {
            assert_eq!(e.sqlstate(), SqlState::DISK_FULL, "{room}: {e}");
        }
        assert!(!storage.fatal().is_poisoned(), "{room} bytes of room");
        disk.set_capacity(None);
        if ids(&storage, OLD).len() == ROWS as usize {
            // It failed: nothing of it is left, and it can be done now.
            storage.checkpoint().unwrap();
            assert!(!disk.exists(&NEW.to_string()).unwrap(), "{room} bytes of room");
            rewrite(&storage).unwrap();
        }
        storage.checkpoint().unwrap();
        drop(storage);
        disk.crash(room);
        verify_rewrite(&disk, Some(true), "when there is room");
    }
    // A write that fails otherwise is tried again by the next checkpoint.
    for part in [0, 100, 9000] {
        let disk = disk.copy();
        let storage = open(&disk);
        disk.fail_writes(Some((&NEW.to_string(), part)));
        let done = rewrite(&storage);
        assert!(done.is_err() || storage.checkpoint().is_err(), "nothing was written to the new file");
        disk.fail_writes(None);
        assert!(!storage.fatal().is_poisoned());
        let is_new = done.is_ok();
        storage.checkpoint().unwrap();
        drop(storage);
        disk.crash(part as u64);
        verify_rewrite(&disk, Some(is_new), "after failing writes");
    }
}

#[test]
fn a_rewrite_whose_sync_fails_is_not_lost() {
    let disk = table();
    let storage = open(&disk);
    rewrite(&storage).unwrap();
    disk.fail_syncs(true);
    assert!(storage.checkpoint().is_err() && storage.fatal().is_poisoned());
    drop(storage);
    disk.crash(1);
    verify_rewrite(&disk, Some(true), "after a failed sync");
}

fn next_number(storage: &Arc<Storage>, rel: RelId) -> Result<i64> {
    Sequence::open(storage, rel)
        .change(|s, _| {
            let state = SequenceState { last_value: s.last_value + 1, log_count: 0, is_called: true };
            Ok(SequenceChange { result: s.last_value + 1, live: state, logged: Some(state) })
        })
        .map(|(value, _)| value)
}

#[test]
fn a_sequence_on_a_full_disk_skips_nothing() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&t, OLD.db).unwrap();
    Heap::create(&storage, &t, OLD).unwrap();
    let first = SequenceState { last_value: 0, log_count: 0, is_called: false };
    Sequence::open(&storage, OLD).create(&t, &first).unwrap();
    t.commit().unwrap();
    drop(t);
    storage.checkpoint().unwrap();
    disk.set_capacity(Some(disk.used()));
    let mut given = 0;
    let error = loop {
        match next_number(&storage, OLD) {
            Ok(value) => {
                assert_eq!(value, given + 1);
                given = value;
            }
            Err(e) => break e,
        }
    };
    assert_eq!(error.sqlstate(), SqlState::DISK_FULL);
    assert_eq!(Sequence::open(&storage, OLD).read().unwrap().last_value, given);
    disk.set_capacity(None);
    assert_eq!(next_number(&storage, OLD).unwrap(), given + 1);
    storage.checkpoint().unwrap();
    drop(storage);
    // Its page, damaged.
    disk.damage(&OLD.to_string(), 100, &[0x55]);
    let storage = open(&disk);
    let e = next_number(&storage, OLD).unwrap_err();
    assert_eq!(e.message(), "invalid page in block 0 of relation base/5/30000");
    assert!(!storage.fatal().is_poisoned());
}

#[test]
fn a_damaged_or_missing_control_file_stops_the_start() {
    let disk = table();
    let bytes = disk.bytes("control").unwrap();
    for (at, byte) in bytes.iter().enumerate() {
        let disk = disk.copy();
        disk.damage("control", at as u64, &[byte ^ 0x20]);
        let e = opening_fails(&disk);
        assert_eq!((e.sqlstate(), e.message()), (SqlState::DATA_CORRUPTED, "file \"control\" is damaged"));
    }
    for len in [0, 7, bytes.len() as u64 - 1] {
        let disk = disk.copy();
        disk.cut("control", Some(len));
        assert_eq!(opening_fails(&disk).message(), "file \"control\" is damaged", "cut to {len}");
    }
    let disk = disk.copy();
    disk.cut("control", None);
    assert!(!Storage::is_initialised(&disk).unwrap());
    // It is not taken for an empty folder either.
    let before = disk.used();
    let Err(e) = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, small()) else {
        panic!("a folder with a database is initialised anew")
    };
    assert_eq!(e.message(), "could not open file \"control\": No such file or directory");
    assert_eq!(disk.used(), before);
}

#[test]
fn the_control_file_on_a_failing_disk() {
    let disk = table();
    let storage = open(&disk);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let xid = t.assign_xid();
    t.commit().unwrap();
    drop(t);
    // A write that fails leaves the old one, and the checkpoint is tried again.
    disk.fail_writes(Some(("control", 10)));
    assert_eq!(storage.checkpoint().unwrap_err().sqlstate(), SqlState::IO_ERROR);
    assert!(!storage.fatal().is_poisoned());
    let copy = disk.copy();
    assert!(matches!(open(&copy).txns().status(xid), XidStatus::Committed(_)));
    disk.fail_writes(None);
    storage.checkpoint().unwrap();
    // Reads fail at the start only.
    drop(storage);
    disk.fail_reads(Some("control"));
    assert_eq!(opening_fails(&disk).sqlstate(), SqlState::IO_ERROR);
    disk.fail_reads(None);
    assert!(matches!(open(&disk).txns().status(xid), XidStatus::Committed(_)));
}

/// Many transactions, every third aborted, behind a checkpoint; the ids.
fn transactions(disk: &FaultDisk, count: u64) -> Vec<Xid> {
    let storage = create(disk);
    let xids = (0..count)
        .map(|n| {
            let t = storage.begin(IsolationLevel::ReadCommitted);
            let xid = t.assign_xid();
            if n % 3 == 0 {
                t.abort()
            } else {
                t.commit().map(drop).unwrap()
            }
            xid
        })
        .collect();
    storage.shutdown().unwrap();
    xids
}

fn assert_statuses(storage: &Storage, xids: &[Xid]) {
    for (n, xid) in xids.iter().enumerate() {
        let committed = matches!(storage.txns().status(*xid), XidStatus::Committed(_));
        assert_eq!(committed, n % 3 != 0, "{xid:?}");
    }
}

#[test]
fn a_damaged_cut_or_missing_commit_log_is_never_believed() {
    let disk = FaultDisk::new();
    let xids = transactions(&disk, 40_000);
    let bytes = disk.bytes("xact").unwrap();
    assert!(bytes.len() > PAGE_SIZE, "more than one page");
    assert_statuses(&open(&disk.copy()), &xids);
    let lost = disk.copy();
    lost.cut("xact", None);
    let e = opening_fails(&lost);
    assert_eq!((e.sqlstate(), e.message()), (SqlState::DATA_CORRUPTED, "file \"xact\" is missing"));
    for len in [0, 100, PAGE_SIZE as u64, bytes.len() as u64 - 1] {
        let disk = disk.copy();
        disk.cut("xact", Some(len));
        let e = opening_fails(&disk);
        assert_eq!(e.sqlstate(), SqlState::DATA_CORRUPTED);
        assert_eq!(e.message(), format!("file \"xact\" has only {len} of {} bytes", bytes.len()));
    }
    let mut rng = FaultRng::new(7);
    let (mut refused, mut stopped) = (0, 0);
    for _ in 0..30 {
        let disk = disk.copy();
        let at = rng.below(bytes.len() as u64);
        disk.damage("xact", at, &[bytes[at as usize] ^ 1 << rng.below(8)]);
        match try_open(&disk) {
            Err(e) => {
                assert!(e.message().starts_with("file \"xact\", block "), "{e}");
                refused += 1;
            }
            Ok(storage) => {
                // Who asks for a status that can't be known gets no answer: the server stops.
                xids.iter().step_by(1000).for_each(|xid| _ = storage.txns().status(*xid));
                stopped += usize::from(storage.fatal().is_poisoned());
            }
        }
    }
    // Bytes that are never looked at exist: four of each sector.
    assert!(refused + stopped >= 27, "{refused} refused, {stopped} stopped");
}

#[test]
fn the_commit_log_on_a_failing_disk() {
    for part in [0, 700] {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        let t = storage.begin(IsolationLevel::ReadCommitted);
        let xid = t.assign_xid();
        t.commit().unwrap();
        disk.fail_writes(Some(("xact", part)));
        assert_eq!(storage.checkpoint().unwrap_err().sqlstate(), SqlState::IO_ERROR);
        assert!(!storage.fatal().is_poisoned());
        // What was written in part is of no matter: the log has it.
        let copy = disk.copy();
        assert!(matches!(open(&copy).txns().status(xid), XidStatus::Committed(_)));
        disk.fail_writes(None);
        storage.checkpoint().unwrap();
        drop(storage);
        disk.crash(1);
        assert!(matches!(open(&disk).txns().status(xid), XidStatus::Committed(_)));
    }
}

#[test]
fn a_sort_on_a_full_disk_leaves_nothing() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    disk.set_capacity(Some(disk.used() + (1 << 20)));
    let used = disk.used();
    for fails in [None, Some(("tmp/", 3000))] {
        disk.fail_writes(fails);
        let mut sort = ExternalSort::new(Arc::new(disk.clone()) as Arc<dyn Disk>, 64 << 10);
        let error = (0..100_000u32)
            .find_map(|n| sort.push(&n.wrapping_mul(2_654_435_761).to_be_bytes(), &[1; 100]).err())
            .expect("more than fits");
        let expected = if fails.is_none() { SqlState::DISK_FULL } else { SqlState::IO_ERROR };
        assert_eq!(error.sqlstate(), expected);
        drop(sort);
        assert_eq!(disk.used(), used, "temporary files are left");
        disk.fail_writes(None);
    }
    disk.set_capacity(None);
    storage.checkpoint().unwrap();
    assert!(!storage.fatal().is_poisoned());
}
