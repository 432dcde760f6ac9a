//! Every fault of a disk has its outcome: recovery, an error that names the place, or a stop before anything is acknowledged.

mod common;

use common::{create, open, small};
use quarry_common::{Error, Lsn, Oid, SqlState};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::page::PAGE_SIZE;
use quarry_storage::wal::WalReader;
use quarry_storage::wal::segments::segment_path;
use quarry_storage::{Fork, IsolationLevel, PageId, RelId, Storage};
use std::sync::Arc;

const REL: RelId = RelId::new(Oid(0), 20000);
const FILE: &str = "global/20000";
const SEGMENT: u64 = 1 << 17;

fn shared(disk: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn opening_fails(disk: &FaultDisk) -> Error {
    match Storage::open(shared(disk), small()) {
        Ok(_) => panic!("the storage opens"),
        Err(e) => e,
    }
}

fn add_page(storage: &Storage, byte: u8) -> quarry_common::Result<Lsn> {
    let mut page = storage.pool().extend(REL, Fork::Main, 1)?;
    storage.log_patch(None, &mut page, &[(100, &[byte; 1500])])
}

/// Pages that say their numbers.
fn add_pages(storage: &Storage, count: u32) {
    for n in 0..count {
        add_page(storage, n as u8).unwrap();
    }
}

fn change_page(storage: &Storage, block: u32, byte: u8) -> quarry_common::Result<Lsn> {
    let mut page = storage.pool().write(PageId::main(REL, block))?;
    storage.log_patch(None, &mut page, &[(100, &[byte; 1500])])
}

fn byte_of(storage: &Storage, block: u32) -> quarry_common::Result<u8> {
    Ok(storage.pool().read(PageId::main(REL, block))?.bytes()[100])
}

/// A log of 300 records, each flushed before the next; a disk whose process was killed; where the log starts.
fn flushed_log() -> (FaultDisk, Lsn) {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    for n in 0..20 {
        add_page(&storage, n).unwrap();
    }
    let redo = storage.checkpoint().unwrap();
    for n in 0..300u32 {
        let lsn = change_page(&storage, n % 20, n as u8).unwrap();
        storage.wal().flush_to(lsn).unwrap();
    }
    disk.fail_after(0);
    drop(storage);
    disk.kill();
    (disk, redo)
}

/// Position, length and how far the log was durable, of all records.
fn records(disk: &FaultDisk, from: Lsn) -> Vec<(Lsn, u64, Lsn)> {
    let mut reader = WalReader::new(shared(disk), SEGMENT, from);
    let mut all = Vec::new();
    while let Some(r) = reader.next_record().unwrap() {
        all.push((r.lsn, r.end.0 - r.lsn.0, r.durable));
    }
    all
}

fn flip(disk: &FaultDisk, lsn: u64) {
    let path = segment_path(lsn / SEGMENT);
    let at = lsn % SEGMENT;
    let old = disk.bytes(&path).unwrap()[at as usize];
    disk.damage(&path, at, &[old ^ 0x10]);
}

#[test]
fn damage_in_the_middle_of_the_log_is_not_its_end() {
    let (disk, redo) = flushed_log();
    let all = records(&disk, redo);
    assert!(all.len() > 300);
    let mut rng = FaultRng::new(1);
    let (mut reported, mut ends) = (0, 0);
    for (n, (lsn, len, _)) in all.iter().enumerate().skip(3) {
        // The header's fields first, then anywhere: payload or image. The padding is nobody's.
        let at = if n % 3 == 0 { rng.below(28) } else { rng.below(len - 8) };
        let disk = disk.copy();
        flip(&disk, lsn.0 + at);
        let known = all.iter().any(|(later, _, durable)| later > lsn && durable > lsn);
        if known {
            let e = opening_fails(&disk);
            assert_eq!(e.sqlstate(), SqlState::DATA_CORRUPTED);
            assert!(e.message().contains(&lsn.to_string()), "{} at {lsn}", e.message());
            assert!(e.message().contains(&segment_path(lsn.0 / SEGMENT)), "{}", e.message());
            reported += 1;
        } else {
            assert_eq!(open(&disk).recovered_to(), *lsn);
            ends += 1;
        }
    }
    assert!(reported > 290 && (1..10).contains(&ends), "{reported} reported, {ends} taken for the end");
}

#[test]
fn a_missing_or_cut_segment_is_reported() {
    let (disk, redo) = flushed_log();
    let all = records(&disk, redo);
    let first = redo.0 / SEGMENT;
    let last = all.last().unwrap().0.0 / SEGMENT;
    assert!(last > first + 1, "the log has segments in the middle ({first} to {last})");
    for number in first..last {
        for cut in [None, Some(SEGMENT / 2), Some(0)] {
            if number == first && cut.is_some_and(|len| redo.0 % SEGMENT < len) {
                continue;
            }
            let disk = disk.copy();
            disk.cut(&segment_path(number), cut);
            let e = opening_fails(&disk);
            assert_eq!(e.sqlstate(), SqlState::DATA_CORRUPTED, "segment {number} cut to {cut:?}");
            let file = segment_path(number);
            let what = cut.map_or(format!("\"{file}\" is missing"), |len| {
                format!("\"{file}\" has only {len} of {SEGMENT} bytes")
            });
            assert!(e.message().ends_with(&what), "{}", e.message());
        }
    }
}

#[test]
fn a_torn_tail_is_the_end() {
    for seed in 0..20 {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        for n in 0..20 {
            add_page(&storage, n).unwrap();
        }
        let durable = storage.wal().flush_all().unwrap();
        // Written in one piece, not synced: the crash keeps any of its sectors.
        for n in 0..20 {
            change_page(&storage, n, 77).unwrap();
        }
        disk.fail_after(1);
        assert!(storage.wal().flush_all().is_err());
        drop(storage);
        disk.crash(seed);
        let storage = open(&disk);
        assert!(storage.recovered_to() >= durable);
        (0..20).for_each(|n| assert!([n as u8, 77].contains(&byte_of(&storage, n).unwrap())));
    }
}

#[test]
fn a_killed_process_and_then_a_power_cut() {
    for n in 0..40 {
        let (disk, _) = flushed_log();
        disk.fail_after(n);
        drop(Storage::open(shared(&disk), small()));
        disk.crash(n);
        let storage = open(&disk);
        (0..20).for_each(|b| assert_eq!(byte_of(&storage, b).unwrap(), (280 + b) as u8));
    }
}

#[test]
fn any_flipped_byte_of_a_page_is_found() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 3);
    storage.shutdown().unwrap();
    drop(storage);
    for at in (0..PAGE_SIZE).step_by(61) {
        let disk = disk.copy();
        let old = disk.bytes(FILE).unwrap()[PAGE_SIZE + at];
        disk.damage(FILE, (PAGE_SIZE + at) as u64, &[old ^ 4]);
        let storage = open(&disk);
        let e = byte_of(&storage, 1).unwrap_err();
        assert_eq!(e.message(), "invalid page in block 1 of relation global/20000");
        assert_eq!(e.sqlstate(), SqlState::DATA_CORRUPTED);
        assert_eq!((byte_of(&storage, 0).unwrap(), byte_of(&storage, 2).unwrap()), (0, 2));
    }
}

#[test]
fn a_cut_data_file_is_found() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 3);
    storage.shutdown().unwrap();
    drop(storage);
    disk.cut(FILE, Some(2 * PAGE_SIZE as u64 + 150));
    let storage = open(&disk);
    assert_eq!(byte_of(&storage, 2).unwrap_err().sqlstate(), SqlState::DATA_CORRUPTED);
    drop(storage);
    disk.cut(FILE, Some(2 * PAGE_SIZE as u64));
    let storage = open(&disk);
    let e = byte_of(&storage, 2).unwrap_err();
    assert!(e.message().contains(FILE) && e.sqlstate() == SqlState::DATA_CORRUPTED, "{e}");
}

#[test]
fn failing_reads_name_their_block() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 3);
    let lsn = storage.wal().flush_all().unwrap();
    drop(storage);
    disk.kill();
    disk.fail_reads(Some("wal/"));
    assert_eq!(opening_fails(&disk).sqlstate(), SqlState::IO_ERROR);
    disk.fail_reads(None);
    let storage = open(&disk);
    assert_eq!(storage.recovered_to(), lsn);
    storage.shutdown().unwrap();
    drop(storage);
    let storage = open(&disk);
    disk.fail_reads(Some(FILE));
    let e = byte_of(&storage, 1).unwrap_err();
    assert_eq!(e.message(), "could not read block 1 in file \"global/20000\": Input/output error");
    assert_eq!(e.sqlstate(), SqlState::IO_ERROR);
    disk.fail_reads(None);
    assert_eq!(byte_of(&storage, 1).unwrap(), 1);
}

#[test]
fn failing_and_short_writes_of_pages_are_tried_again() {
    for part in [0, 100, 5000] {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        add_pages(&storage, 3);
        storage.checkpoint().unwrap();
        change_page(&storage, 1, 9).unwrap();
        disk.fail_writes(Some((FILE, part)));
        let e = storage.checkpoint().unwrap_err();
        assert_eq!(e.message(), "could not write block 1 in file \"global/20000\": Input/output error");
        assert!(!storage.fatal().is_poisoned());
        if part == 100 {
            // What was written in part is repaired from the log.
            storage.wal().flush_all().unwrap();
            drop(storage);
            disk.crash(1);
            assert_eq!(byte_of(&open(&disk), 1).unwrap(), 9);
            continue;
        }
        disk.fail_writes(None);
        storage.checkpoint().unwrap();
        drop(storage);
        disk.crash(1);
        assert_eq!(byte_of(&open(&disk), 1).unwrap(), 9);
    }
}

#[test]
fn a_failing_write_of_the_log_stops_before_the_commit_is_acknowledged() {
    for part in [0, 40, 3000] {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        add_pages(&storage, 3);
        let durable = storage.wal().flush_all().unwrap();
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        txn.assign_xid();
        let lsn = txn.commit().unwrap().unwrap();
        disk.fail_writes(Some(("wal/", part)));
        assert!(storage.wal().wait_durable_blocking(lsn).is_err());
        assert!(storage.fatal().is_poisoned());
        disk.fail_writes(None);
        assert!(storage.wal().wait_durable_blocking(lsn).is_err());
        assert!(add_page(&storage, 1).is_err() && storage.checkpoint().is_err());
        drop(storage);
        disk.crash(part as u64);
        assert!(open(&disk).recovered_to() >= durable);
    }
}

#[test]
fn a_failed_fsync_of_a_data_file_stops_the_server() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 3);
    storage.wal().flush_all().unwrap();
    disk.fail_syncs(true);
    assert!(storage.checkpoint().is_err());
    disk.fail_syncs(false);
    assert!(storage.fatal().is_poisoned() && storage.checkpoint().is_err());
    drop(storage);
    disk.crash(4);
    let storage = open(&disk);
    (0..3).for_each(|n| assert_eq!(byte_of(&storage, n).unwrap(), n as u8));
}

#[test]
fn a_full_disk_stops_changes_and_nothing_else() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 20);
    storage.checkpoint().unwrap();
    disk.set_capacity(Some(disk.used()));
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    txn.assign_xid();
    let mut expected = [0u8; 20];
    (0..20).for_each(|n| expected[n] = n as u8);
    let mut error = None;
    for n in 0..20_000u32 {
        match change_page(&storage, n % 20, n as u8) {
            Ok(_) => expected[n as usize % 20] = n as u8,
            Err(e) => {
                error = Some(e);
                break;
            }
        }
    }
    let e = error.expect("the log can't grow for ever");
    assert_eq!(e.sqlstate(), SqlState::DISK_FULL);
    assert_eq!(e.message(), "could not extend the write-ahead log: No space left on device");
    assert!(!storage.fatal().is_poisoned());
    // Reading goes on, and so does the commit of what was done before.
    (0..20).for_each(|n| assert_eq!(byte_of(&storage, n).unwrap(), expected[n as usize]));
    let lsn = txn.commit().unwrap().unwrap();
    storage.wal().wait_durable_blocking(lsn).unwrap();
    // The control file has no room either: a checkpoint fails, and harms nothing.
    assert_eq!(storage.checkpoint().unwrap_err().sqlstate(), SqlState::DISK_FULL);
    assert!(!storage.fatal().is_poisoned());
    let full = disk.copy();
    disk.set_capacity(None);
    change_page(&storage, 3, 200).unwrap();
    storage.checkpoint().unwrap();
    assert_eq!(byte_of(&storage, 3).unwrap(), 200);
    drop(storage);
    // A server that is killed while the disk is full.
    let storage = open(&full);
    (0..20).for_each(|n| assert_eq!(byte_of(&storage, n).unwrap(), expected[n as usize]));
}

#[test]
fn room_in_the_log_is_promised_once() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 3);
    storage.wal().admit(0, 0).map(drop).unwrap();
    disk.set_capacity(Some(disk.used()));
    // As many changes as pass at once before any of them is in the log: each alone would find the same room.
    let mut rooms = Vec::new();
    let error = loop {
        match storage.wal().admit(100, 1) {
            Ok(room) => rooms.push(room),
            Err(e) => break e,
        }
        assert!(rooms.len() < 1000, "the log has no room for so many");
    };
    assert_eq!(error.sqlstate(), SqlState::DISK_FULL);
    // What was promised can be had, by commits that ask for their place only, too; and given back.
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    txn.assign_xid();
    storage.wal().wait_durable_blocking(txn.commit().unwrap().unwrap()).unwrap();
    assert!(change_page(&storage, 1, 7).is_err());
    rooms.clear();
    change_page(&storage, 1, 7).unwrap();
    assert!(!storage.fatal().is_poisoned());
}

#[test]
fn many_changes_at_once_on_a_full_disk_stop_nobody_else() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 64);
    storage.checkpoint().unwrap();
    disk.set_capacity(Some(disk.used() + 3 * SEGMENT));
    std::thread::scope(|scope| {
        for thread in 0..8u32 {
            let storage = &storage;
            scope.spawn(move || {
                let mut failed = 0;
                for n in 0..2000u32 {
                    // Records of a good part of a segment each.
                    let bytes = vec![n as u8; 6000];
                    let mut page = storage.pool().write(PageId::main(REL, thread * 8 + n % 8)).unwrap();
                    let patches: Vec<(u16, &[u8])> = vec![(100, &bytes); 10];
                    match storage.log_patch(None, &mut page, &patches) {
                        Ok(_) => {}
                        Err(e) => {
                            assert_eq!(e.sqlstate(), SqlState::DISK_FULL, "{e}");
                            failed += 1;
                        }
                    }
                }
                assert!(failed > 0, "the log can't grow for ever");
            });
        }
    });
    assert!(!storage.fatal().is_poisoned());
    disk.set_capacity(None);
    change_page(&storage, 1, 7).unwrap();
    storage.checkpoint().unwrap();
}

#[test]
fn a_full_disk_and_a_pool_with_nothing_but_changed_pages() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    add_pages(&storage, 200);
    storage.checkpoint().unwrap();
    drop(storage.wal().admit(4 << 20, 0).unwrap());
    disk.set_capacity(Some(disk.used()));
    // Nobody writes a page out before everything in the pool has been changed: pages of the file, and as many new ones as can be had.
    for n in 0..64 {
        change_page(&storage, n, n as u8).unwrap();
    }
    let mut added = 0;
    let error = loop {
        match add_page(&storage, 3) {
            Ok(_) => added += 1,
            Err(e) => break e,
        }
        assert!(added < 64, "the pool has no frames for so many");
    };
    assert_eq!(error.sqlstate(), SqlState::DISK_FULL);
    for round in 0..2 {
        for n in 0..200 {
            assert_eq!(
                byte_of(&storage, n).unwrap(),
                n as u8,
                "round {round}: block {n} beside {added} new ones"
            );
        }
        for n in 0..64 {
            change_page(&storage, n, n as u8).unwrap();
        }
    }
    (0..added).for_each(|n| assert_eq!(byte_of(&storage, 200 + n).unwrap(), 3));
    assert!(!storage.fatal().is_poisoned());
    disk.set_capacity(None);
    add_page(&storage, 4).unwrap();
    storage.checkpoint().unwrap();
}

#[test]
fn a_full_disk_lets_reads_through_a_pool_of_dirty_pages() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    // More pages than the pool has.
    add_pages(&storage, 200);
    storage.checkpoint().unwrap();
    drop(storage.wal().admit(4 << 20, 0).unwrap());
    disk.set_capacity(Some(disk.used()));
    let mut error = None;
    let mut added = 0;
    for n in 0..500u32 {
        if n == 20 {
            // Someone finds out: the page writer, a checkpoint. From then on nothing grows.
            assert_eq!(storage.checkpoint().unwrap_err().sqlstate(), SqlState::DISK_FULL);
        }
        match add_page(&storage, n as u8) {
            Ok(_) => added += 1,
            Err(e) => {
                error = Some(e);
                break;
            }
        }
    }
    let e = error.expect("the pool is smaller than what is added");
    assert_eq!(e.message(), "could not extend file \"global/20000\": No space left on device");
    assert_eq!(
        (e.sqlstate(), e.fields().hint.as_deref()),
        (SqlState::DISK_FULL, Some("Check free disk space."))
    );
    for n in 0..200 {
        assert_eq!(byte_of(&storage, n).unwrap(), n as u8, "block {n} after {added} more");
    }
    disk.set_capacity(None);
    add_page(&storage, 1).unwrap();
    storage.checkpoint().unwrap();
    for n in 0..added {
        assert_eq!(byte_of(&storage, 200 + n).unwrap(), n as u8);
    }
}
