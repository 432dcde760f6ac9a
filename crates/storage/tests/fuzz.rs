//! Mutated bytes, by seeds: whatever stands on a page or in the log, decoding gives an answer or an error, never a panic.

mod common;

use common::create;
use quarry_common::{Lsn, Oid, Tid};
use quarry_storage::check::{TableIndex, check_storage, check_table_index};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions, page as hp};
use quarry_storage::index::btree::page as bp;
use quarry_storage::index::gin::{Gin, GinOptions, GinRow, category, is_meta, pending};
use quarry_storage::index::{BTree, IndexMethod, UniqueCheck};
use quarry_storage::page::{PAGE_SIZE, Page};
use quarry_storage::row::{FixedColumn, RowBuilder, RowLayout, RowRef, VarValue, Width, blanks};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::wal::record::{HEADER, Record, body_crc, length, set_place};
use quarry_storage::wal::segments::segment_path;
use quarry_storage::wal::{WalReader, rmgr};
use quarry_storage::{IsolationLevel, Persistence, RelId, Storage, WaitPolicy};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const SEGMENT: u64 = 1 << 17;
const TABLE: RelId = RelId::new(Oid(0), 30000);
const INDEX: RelId = RelId::new(Oid(0), 30002);
const GIN: RelId = RelId::new(Oid(0), 30003);

/// A table with an index, updated, deleted from and vacuumed in part, on a disk whose server was shut down.
fn table() -> (FaultDisk, Lsn) {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let redo = storage.recovered_to();
    // All of the log stays.
    storage.wal_retention().store(0, Ordering::Release);
    let layout = Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]));
    let t = storage.begin(IsolationLevel::ReadCommitted);
    Heap::create(&storage, &t, TABLE).unwrap();
    BTree::create(&storage, &t, INDEX).unwrap();
    Gin::create_as(&storage, &t, GIN, Persistence::Permanent).unwrap();
    t.commit().unwrap();
    let heap = Heap::open(&storage, TABLE, None, layout.clone());
    let index = BTree::open(&storage, INDEX, true).with_name("i");
    let gin =
        Gin::open(&storage, GIN, GinOptions { fastupdate: true, pending_list_bytes: 9000 }).with_name("g");
    let gin_row = |id: u32| {
        let mut row = GinRow::new();
        row.push(1, category::NORMAL, &[(id % 3) as u8]);
        row.push(1, category::NORMAL, &[&[9; 30][..], &(id % 100).to_be_bytes()].concat());
        row.finish();
        row
    };
    let row = |id: u32, byte: u8| {
        let mut b = RowBuilder::new();
        b.begin(&layout);
        b.fixed(&id.to_le_bytes());
        b.var(&[byte; 60]);
        b.finish().to_vec()
    };
    let mut tids: Vec<Tid> = Vec::new();
    for batch in 0..4u32 {
        let t = storage.begin(IsolationLevel::ReadCommitted);
        for id in batch * 100..batch * 100 + 100 {
            t.advance_command();
            let tid = heap.insert(&t, &row(id, 1)).unwrap();
            index.insert(&t, &id.to_be_bytes(), b"", tid, UniqueCheck::Enforce(&heap)).unwrap();
            gin.insert(&t, &gin_row(id), tid).unwrap();
            tids.push(tid);
        }
        t.commit().unwrap();
    }
    for part in 0..3 {
        let t = storage.begin(IsolationLevel::ReadCommitted);
        t.set_read_at_inserted(true);
        for (id, tid) in tids.iter().enumerate().filter(|(id, _)| id % 7 == part) {
            t.advance_command();
            let s = t.statement_snapshot();
            if part == 2 {
                heap.delete(&t, &s, *tid, WaitPolicy::Block).unwrap();
                continue;
            }
            let options = UpdateOptions { hot_allowed: true, key_unchanged: true };
            match heap.update(&t, &s, *tid, &row(id as u32, 2), options, WaitPolicy::Block).unwrap() {
                ModifyResult::Done { tid, hot: false } => {
                    let key = (id as u32).to_be_bytes();
                    index.insert(&t, &key, b"", tid, UniqueCheck::Enforce(&heap)).unwrap();
                    gin.insert(&t, &gin_row(id as u32), tid).unwrap();
                }
                ModifyResult::Done { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        t.commit().unwrap();
        storage.wal().flush_all().unwrap();
        if part == 1 {
            let indexes: [&dyn IndexMethod; 2] = [&index, &gin];
            heap.vacuum(&indexes, &VacuumOptions::default()).unwrap();
        }
    }
    storage.wal().flush_all().unwrap();
    storage.shutdown().unwrap();
    (disk, redo)
}

/// The bytes of every record in the log, with its position.
fn records(disk: &FaultDisk, from: Lsn) -> Vec<(Lsn, Vec<u8>)> {
    let mut reader = WalReader::new(Arc::new(disk.clone()) as Arc<dyn Disk>, SEGMENT, from);
    let mut all = Vec::new();
    while let Some(r) = reader.next_record().unwrap() {
        let bytes: Vec<u8> = (r.lsn.0 / SEGMENT..=r.end.0 / SEGMENT)
            .flat_map(|n| disk.bytes(&segment_path(n)).unwrap_or_default())
            .collect();
        let at = (r.lsn.0 % SEGMENT) as usize;
        let len = length(&bytes[at..]);
        all.push((r.lsn, bytes[at..at + len].to_vec()));
    }
    all
}

fn mutate(rng: &mut FaultRng, bytes: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(6) {
            0 => bytes[at] = rng.next_u64() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5) as usize],
            3 => {
                let end = (at + 1 + rng.below(8) as usize).min(bytes.len());
                bytes[at..end].fill(0xff);
            }
            4 => bytes.truncate(at),
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend_from_slice(&tail[..tail.len().min(40)]);
            }
        }
    }
}

/// Runs `f`; a panic in it is a finding.
fn sound<R>(what: impl FnOnce() -> String, f: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| panic!("{}", what()))
}

/// Restores and applies a record to pages of its kind: what is on a page has passed its checksum, what is in the record is anything.
fn use_record(record: &Record, pages: &[Box<Page>], rng: &mut FaultRng) {
    let Ok(rmgr) = rmgr::of(record.kind) else { return };
    let _ = (rmgr.describe)(record.kind.op, record.payload());
    let is_pending = |page: &Page| bp::level(page.bytes()) == pending::LEVEL;
    let is_tree = |page: &Page| {
        page.special() as usize != PAGE_SIZE && !is_pending(page) && bp::check(page.bytes()).is_ok()
    };
    let fits = |page: &Page| match record.kind.rmgr {
        rmgr::BTREE => is_tree(page),
        // Also pages that it doesn't expect.
        rmgr::GIN => is_tree(page) || is_pending(page) || is_meta(page),
        _ => !is_tree(page) && !is_pending(page),
    };
    let of_kind: Vec<_> = pages.iter().filter(|p| p.is_new() || fits(p)).collect();
    for index in 0..record.blocks.len() {
        let mut page = of_kind[rng.below(of_kind.len() as u64) as usize].clone();
        let _ = record.restore_image(index, &mut page.clone());
        let _ = (rmgr.apply)(record.kind.op, record.payload(), index, &mut page);
    }
}

fn pages(disk: &FaultDisk) -> Vec<Box<Page>> {
    let mut all = vec![Page::zeroed()];
    for rel in [TABLE, INDEX, GIN] {
        for bytes in disk.bytes(&rel.to_string()).unwrap().chunks_exact(PAGE_SIZE) {
            let mut page = Page::zeroed();
            page.bytes_mut().copy_from_slice(bytes);
            all.push(page);
        }
    }
    all
}

#[test]
fn records_of_any_bytes() {
    let (disk, redo) = table();
    let pages = pages(&disk);
    let records = records(&disk, redo);
    assert!(records.len() > 300, "{}", records.len());
    let rounds: u64 = std::env::var("QUARRY_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(8_000);
    let mut decoded = 0;
    for seed in 0..rounds {
        let mut rng = FaultRng::new(seed);
        let (lsn, original) = &records[rng.below(records.len() as u64) as usize];
        let mut bytes = original.clone();
        mutate(&mut rng, &mut bytes);
        // As it is: the checksum speaks. Then with a checksum that fits.
        sound(|| format!("seed {seed}"), || Record::decode(*lsn, &bytes));
        if bytes.len() < HEADER {
            continue;
        }
        let len = bytes.len() as u32;
        bytes[4..7].copy_from_slice(&len.to_le_bytes()[..3]);
        let body = body_crc(&bytes, bytes.len());
        set_place(&mut bytes, body, *lsn, Lsn(0));
        sound(
            || format!("seed {seed}"),
            || {
                if let Some(record) = Record::decode(*lsn, &bytes) {
                    decoded += 1;
                    use_record(&record, &pages, &mut rng);
                }
            },
        );
    }
    assert!(decoded > rounds / 4, "{decoded} of {rounds} could be decoded");
}

#[test]
fn pages_of_any_bytes() {
    let (disk, _) = table();
    let pages = pages(&disk);
    for seed in 0..20_000 {
        let mut rng = FaultRng::new(seed);
        let mut page = pages[rng.below(pages.len() as u64) as usize].clone();
        for _ in 0..1 + rng.below(6) {
            // The header and the line pointers are hit most often.
            let within = [PAGE_SIZE as u64, 64, 200][rng.below(3) as usize];
            page.bytes_mut()[rng.below(within) as usize] = rng.next_u64() as u8;
        }
        sound(
            || format!("seed {seed}"),
            || {
                let p = page.bytes();
                let _ = hp::check(p);
                for slot in 0..=hp::slot_count(p) {
                    let _ = (hp::slot(p, slot), hp::tuple(p, slot));
                }
                let _ = (hp::tuple_places(p).count(), hp::hole(p), hp::free_for_tuple(p));
                pending::Rows(pending::rows_of(p)).for_each(|row| _ = (row.is_sound(), row.keys().count()));
                if bp::check(p).is_ok() {
                    for slot in bp::first_data(p)..bp::slot_count(p) {
                        let item = bp::item(p, slot);
                        let _ = (item.key().unpacked().is_ok(), item.first_ord());
                        if bp::level(p) == 0 {
                            item.tids().for_each(|tid| _ = std::hint::black_box(tid));
                        }
                    }
                }
            },
        );
    }
}

/// What `quarry check` says of the table and its index.
fn findings(disk: &FaultDisk) -> Vec<String> {
    let mut found = Vec::new();
    let storage = match Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small()) {
        Ok(storage) => storage,
        Err(e) => return vec![e.message().to_string()],
    };
    if let Err(e) = check_storage(&storage, &mut |line| found.push(line.to_string())) {
        found.push(e.message().to_string());
    }
    for (index, name) in [(INDEX, "i"), (GIN, "g")] {
        let pair = TableIndex { table: TABLE, index, name: name.into(), complete: true };
        if let Err(e) = check_table_index(&storage, &pair, &mut |line| found.push(line.to_string())) {
            found.push(e.message().to_string());
        }
    }
    found
}

/// Changes bytes of a page and makes its checksum fit again.
fn forge(disk: &FaultDisk, path: &str, block: u32, change: impl FnOnce(&mut [u8; PAGE_SIZE])) {
    let at = block as usize * PAGE_SIZE;
    let mut page = Page::zeroed();
    page.bytes_mut().copy_from_slice(&disk.bytes(path).unwrap()[at..at + PAGE_SIZE]);
    change(page.bytes_mut());
    page.set_checksum(block);
    disk.damage(path, at as u64, page.bytes());
}

#[test]
fn the_check_finds_single_bytes() {
    let (disk, _) = table();
    assert_eq!(findings(&disk.copy()), Vec::<String>::new());
    // Without a fitting checksum, any byte of any page.
    for (path, pages) in
        [("global/30000", 4), ("global/30002", 2), ("global/30003", 2), ("global/30000_vm", 1)]
    {
        for n in 0..12u64 {
            let disk = disk.copy();
            let at = FaultRng::new(n).below(pages * PAGE_SIZE as u64);
            let old = disk.bytes(path).unwrap()[at as usize];
            disk.damage(path, at, &[old ^ 8]);
            assert!(findings(&disk).iter().any(|f| f.contains("checksum")), "{path} byte {at}");
        }
    }
    // With one, by what the bytes mean. Line pointers are 4 bytes from 32 on; a slot's first tuple byte is its xmin.
    let of_slot = |p: &[u8], slot: u16| match hp::slot(p, slot) {
        hp::Slot::Normal { offset, .. } => Some(offset as usize),
        _ => None,
    };
    let first_tuple = |p: &[u8]| (1..=hp::slot_count(p)).find_map(|s| of_slot(p, s)).unwrap();
    type Change<'a> = &'a dyn Fn(&mut [u8; PAGE_SIZE]);
    let cases: [(&str, u32, &str, Change<'_>); 11] = [
        ("global/30000", 0, "bad bounds", &|p| p[17] = 0),
        ("global/30000", 0, "tuple of", &|p| {
            let slot = (1..=hp::slot_count(p)).find(|s| of_slot(p, *s).is_some()).unwrap() as usize;
            p[32 + (slot - 1) * 4 + 3] = 0xff;
        }),
        ("global/30000", 0, "without writer", &|p| {
            let at = first_tuple(p);
            p[at..at + 8].fill(0);
        }),
        ("global/30000", 0, "not below the next transaction|equals or exceeds next", &|p| {
            p[first_tuple(p) + 5] = 7
        }),
        ("global/30000", 0, "has no entry|leads to", &|p| {
            let at = first_tuple(p);
            p[at + 23] ^= 1;
        }),
        ("global/30000", 0, "which is unused", &|p| {
            let slot = (1..=hp::slot_count(p)).find(|s| of_slot(p, *s).is_some()).unwrap() as usize;
            p[32 + (slot - 1) * 4..32 + slot * 4].fill(0);
        }),
        ("global/30000_vm", 0, "the visibility map", &|p| {
            let old = p[32];
            p[32] = if old & 1 == 0 { 0xff } else { 0x80 };
        }),
        ("global/30002", 1, "bad bounds|slot|level|page", &|p| p[14] = 1),
        ("global/30003", 0, "the pending list is not as long", &|p| p[68] ^= 1),
        ("global/30003", 1, "do not rise|doesn't have the tids|is empty|not above|leads to|no entry", &|p| {
            let slot =
                (bp::first_data(p)..bp::slot_count(p)).find(|s| bp::item(p, *s).is_compressed()).unwrap();
            let at = u16::from_le_bytes([p[32 + slot * 2], p[33 + slot * 2]]) as usize;
            // The count, behind the key.
            let key = bp::item(p, slot).key().bytes().len();
            p[at + 4 + key] ^= 1;
        }),
        ("global/30002", 1, "not above|not below|differs|below its left|no entry|leads to", &|p| {
            let slot = bp::first_data(p) + 1;
            let at = u16::from_le_bytes([p[32 + slot * 2], p[33 + slot * 2]]) as usize;
            p[at + 4] ^= 0x80;
        }),
    ];
    for (n, (path, block, expected, change)) in cases.into_iter().enumerate() {
        let disk = disk.copy();
        forge(&disk, path, block, change);
        let found = findings(&disk);
        let hit = found.iter().any(|f| expected.split('|').any(|part| f.contains(part)));
        assert!(hit, "case {n}, {expected}: {found:?}");
    }
}

#[test]
fn the_check_survives_any_forged_byte() {
    let (disk, _) = table();
    for seed in 0..260 {
        let mut rng = FaultRng::new(seed);
        let disk = disk.copy();
        let (path, block) = [
            ("global/30000", 0),
            ("global/30000", 2),
            ("global/30002", 0),
            ("global/30002", 1),
            ("global/30003", 0),
            ("global/30003", 1),
            ("global/30003", 2),
        ][rng.below(7) as usize];
        forge(&disk, path, block, |p| {
            let within = [PAGE_SIZE as u64, 100][rng.below(2) as usize];
            p[12 + rng.below(within - 12) as usize] ^= 1 << rng.below(8);
        });
        sound(|| format!("seed {seed}: {path} block {block}"), || findings(&disk));
    }
}

/// A layout of a few columns and a row of it, some columns null, perhaps some left out at the end.
fn any_row(rng: &mut FaultRng) -> (RowLayout, Vec<u8>) {
    let columns = if rng.below(10) == 0 { 28 + rng.below(6) } else { 1 + rng.below(9) };
    let widths: Vec<Width> = (0..columns)
        .map(|_| match rng.below(6) {
            0 => Width::Fixed(1),
            1 => Width::Fixed(4),
            2 => Width::Fixed(8),
            3 => Width::Padded(2 + rng.below(60) as u32),
            _ => Width::Var,
        })
        .collect();
    let layout = RowLayout::new(&widths);
    let mut b = RowBuilder::new();
    b.begin(&layout);
    let stored = if rng.below(4) == 0 { rng.below(widths.len() as u64 + 1) as usize } else { widths.len() };
    for width in &widths[..stored] {
        let bytes: Vec<u8> = match rng.below(12) {
            0 => (0..rng.below(20_000)).map(|n| n as u8).collect(),
            _ => (0..rng.below(40)).map(|_| rng.next_u64() as u8).collect(),
        };
        match (rng.below(4), width) {
            (0, _) => b.null(),
            (_, Width::Fixed(n)) => b.fixed(&rng.next_u64().to_le_bytes()[..*n as usize]),
            (1, _) => b.var_value(VarValue::Compressed(&bytes)),
            (2, Width::Padded(n)) => b.var(&blanks::padded(&bytes, *n)),
            (_, Width::Padded(_) | Width::Var) => b.var(&bytes),
        }
    }
    (layout, b.finish().to_vec())
}

/// Reads everything that can be asked of a row.
fn read_row(layout: &RowLayout, body: &[u8]) {
    let row = RowRef::new(layout, body);
    let mut copy = RowBuilder::new();
    copy.begin(layout);
    for i in 0..layout.len() {
        let _ = std::hint::black_box((row.is_null(i), row.var(i).raw_len(), row.bad_value(i)));
        if i < row.natts() {
            std::hint::black_box(row.fixed(i));
        }
        copy.copy_column(&row, i);
    }
    let _ = std::hint::black_box((row.has_external(), row.externals().count(), row.has_nulls()));
    // What was passed on reads back.
    assert!(RowRef::is_well_formed(layout, copy.finish()));
}

#[test]
fn rows_of_any_bytes() {
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..60_000 {
        let mut rng = FaultRng::new(seed);
        let (layout, mut body) = any_row(&mut rng);
        assert!(RowRef::is_well_formed(&layout, &body), "seed {seed}");
        sound(|| format!("seed {seed}, as it was made"), || read_row(&layout, &body));
        mutate(&mut rng, &mut body);
        sound(
            || format!("seed {seed}"),
            || {
                if RowRef::is_well_formed(&layout, &body) {
                    whole += 1;
                    read_row(&layout, &body);
                } else {
                    refused += 1;
                }
                for i in 0..layout.len() {
                    let fixed = FixedColumn::of(&layout, i);
                    let _ = std::hint::black_box(fixed.and_then(|f| f.get(&body)));
                }
            },
        );
    }
    assert!(whole > 10_000 && refused > 5_000, "{whole} well-formed, {refused} refused");
}

/// Any file of the folder, cut or changed: the server starts or says why not, and the check ends.
#[test]
fn folders_of_any_bytes() {
    let (disk, _) = table();
    let mut paths = Vec::new();
    for dir in ["", "global", "wal"] {
        for name in disk.list(dir).unwrap() {
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            if disk.bytes(&path).is_some() {
                paths.push(path);
            }
        }
    }
    assert!(paths.iter().any(|p| p == "control") && paths.iter().any(|p| p == "xact"), "{paths:?}");
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..400 {
        let mut rng = FaultRng::new(seed);
        let disk = disk.copy();
        let path = &paths[rng.below(paths.len() as u64) as usize];
        let bytes = disk.bytes(path).unwrap();
        match rng.below(4) {
            0 => disk.cut(path, None),
            1 => disk.cut(path, Some(rng.below(bytes.len() as u64 + 1))),
            _ => {
                for _ in 0..1 + rng.below(3) {
                    // Where the contents are, mostly.
                    let within = [bytes.len() as u64, 200][rng.below(2) as usize].min(bytes.len() as u64);
                    if within > 0 {
                        disk.damage(path, rng.below(within), &[rng.next_u64() as u8]);
                    }
                }
            }
        }
        let outcome = sound(|| format!("seed {seed}: {path}"), || findings(&disk));
        if outcome.is_empty() { opened += 1 } else { refused += 1 }
    }
    assert!(opened > 20 && refused > 100, "{opened} had nothing wrong, {refused} had");
}
