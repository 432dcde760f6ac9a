//! Mutated bytes of hash and BRIN indexes, by seeds: records and pages of any content give an answer or an error, never a panic, and the check finds what
//! matters.

mod common;

use common::create;
use quarry_common::{Lsn, Oid, Tid};
use quarry_storage::check::check_storage;
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::index::hash::page as hash_page;
use quarry_storage::index::{
    Brin, BrinCond, BrinKind, BrinOptions, BrinTest, HashIndex, IndexMethod, brin::page as brin_page,
};
use quarry_storage::page::{PAGE_SIZE, Page};
use quarry_storage::wal::{WalReader, rmgr};
use quarry_storage::{IsolationLevel, Persistence, RelId, Storage};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const SEGMENT: u64 = 1 << 17;
const HASH: RelId = RelId::new(Oid(0), 30001);
const BRIN: RelId = RelId::new(Oid(0), 30002);

/// Both kinds of index after everything that can happen to them, on a disk whose server was shut down; and where its log begins.
fn indexes() -> (FaultDisk, Lsn) {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let redo = storage.recovered_to();
    storage.wal_retention().store(0, Ordering::Release);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    HashIndex::create_as(&storage, &t, HASH, Persistence::Permanent, 10).unwrap();
    let bloom = BrinKind::Bloom { n_distinct_per_range: 50.0, false_positive_rate: 0.1 };
    let columns = vec![BrinKind::MinMax, BrinKind::MinMaxMulti { values_per_range: 8 }, bloom];
    let options = BrinOptions { pages_per_range: 1, columns };
    Brin::create_as(&storage, &t, BRIN, Persistence::Permanent, &options).unwrap();
    let (hash, brin) = (HashIndex::open(&storage, HASH), Brin::open(&storage, BRIN));
    for n in 0..3000u32 {
        let tid = Tid { block: n / 20, slot: (n % 20) as u16 + 1 };
        let key = (if n % 3 == 0 { 1 } else { n }).to_be_bytes();
        hash.insert(&t, &key, tid).unwrap();
        if tid.slot == 5 {
            brin.summarize(tid.block, &mut |_, add| add(&[Some(&key), None, Some(&key)])).unwrap();
        }
        brin.insert(&t, &[Some(&key), Some(&key), (n % 7 > 0).then_some(&key[..])], tid).unwrap();
        if n % 500 == 499 {
            hash.bulk_delete(&|t| t.block % 3 == 1).unwrap();
            brin.desummarize(tid.block / 2).unwrap();
        }
    }
    t.commit().unwrap();
    storage.wal().flush_all().unwrap();
    storage.shutdown().unwrap();
    (disk, redo)
}

fn pages(disk: &FaultDisk) -> Vec<Box<Page>> {
    let mut all = vec![Page::zeroed()];
    for rel in [HASH, BRIN] {
        for bytes in disk.bytes(&rel.to_string()).unwrap().chunks_exact(PAGE_SIZE) {
            let mut page = Page::zeroed();
            page.bytes_mut().copy_from_slice(bytes);
            all.push(page);
        }
    }
    all
}

fn mutate(rng: &mut FaultRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(5) {
            0 => bytes[at] = rng.next_u64() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5) as usize],
            3 => bytes.truncate(at),
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

#[test]
fn records_of_any_bytes_on_pages_of_any_kind() {
    let (disk, redo) = indexes();
    let pages = pages(&disk);
    let mut reader = WalReader::new(Arc::new(disk.clone()) as Arc<dyn Disk>, SEGMENT, redo);
    let mut records = Vec::new();
    let mut seen = [[0; 16]; 16];
    while let Some(r) = reader.next_record().unwrap() {
        if matches!(r.kind.rmgr, rmgr::HASH | rmgr::BRIN) {
            seen[r.kind.rmgr as usize][r.kind.op as usize % 16] += 1;
            records.push((r.kind, r.payload().to_vec(), r.blocks.len()));
        }
    }
    assert!((1..=9).all(|op| seen[rmgr::HASH as usize][op] > 0), "{seen:?}");
    assert!((1..=8).all(|op| seen[rmgr::BRIN as usize][op] > 0), "{seen:?}");
    let (mut done, mut refused) = (0, 0);
    for seed in 0..60_000 {
        let mut rng = FaultRng::new(seed);
        let (kind, payload, blocks) = &records[rng.below(records.len() as u64) as usize];
        let mut payload = payload.clone();
        mutate(&mut rng, &mut payload);
        for index in 0..*blocks {
            let mut page = pages[rng.below(pages.len() as u64) as usize].clone();
            for _ in 0..rng.below(3) {
                let within = [PAGE_SIZE as u64, 64][rng.below(2) as usize];
                page.bytes_mut()[12 + rng.below(within - 12) as usize] = rng.next_u64() as u8;
            }
            sound(
                || format!("seed {seed}: {kind:?}"),
                || {
                    let rmgr = rmgr::of(*kind).unwrap();
                    let _ = (rmgr.describe)(kind.op, &payload);
                    let before = page.clone();
                    match (rmgr.apply)(kind.op, &payload, index, &mut page) {
                        Ok(()) => done += 1,
                        Err(_) => {
                            refused += 1;
                            assert!(
                                before.bytes() == page.bytes(),
                                "seed {seed}: {kind:?} refused after a change"
                            );
                        }
                    }
                },
            );
        }
    }
    assert!(done > 10_000 && refused > 10_000, "{done} applied, {refused} refused");
}

#[test]
fn pages_of_any_bytes() {
    let (disk, _) = indexes();
    let pages = pages(&disk);
    for seed in 0..20_000 {
        let mut rng = FaultRng::new(seed);
        let mut page = pages[rng.below(pages.len() as u64) as usize].clone();
        for _ in 0..1 + rng.below(6) {
            let within = [PAGE_SIZE as u64, 64, 200][rng.below(3) as usize];
            page.bytes_mut()[rng.below(within) as usize] = rng.next_u64() as u8;
        }
        sound(
            || format!("seed {seed}"),
            || {
                let p = page.bytes();
                let _ = (hash_page::check(p), hash_page::kind(p), hash_page::split_point(p, 7));
                let target = hash_page::Entry::first_of(rng.next_u64() >> 16);
                let at = hash_page::lower_bound(p, hash_page::depth(p), target);
                assert!(at <= hash_page::count(p));
                let _ =
                    (brin_page::check(p), brin_page::free(p), brin_page::place(p, 9), brin_page::named(p, 9));
                for slot in 0..=brin_page::slot_count(p) as u16 {
                    let _ = (brin_page::item(p, slot), brin_page::free_for(p, slot));
                }
            },
        );
    }
}

/// What `quarry check` says, after everything has been asked of the indexes.
fn findings(disk: &FaultDisk) -> Vec<String> {
    let mut found = Vec::new();
    let storage = match Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small()) {
        Ok(storage) => storage,
        Err(e) => return vec![e.message().to_string()],
    };
    if let Err(e) = check_storage(&storage, &mut |line| found.push(line.to_string())) {
        found.push(e.message().to_string());
    }
    let (hash, brin) = (HashIndex::open(&storage, HASH), Brin::open(&storage, BRIN));
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let mut tids = Vec::new();
    for n in 0..60u32 {
        let key = n.to_be_bytes();
        let tid = Tid { block: n * 3, slot: 30 };
        let _ = (hash.lookup(&key, &mut tids), hash.insert(&t, &key, tid));
        let conds = [BrinCond { column: n as usize % 3, test: BrinTest::Equal(key.to_vec()) }];
        let _ = (brin.ranges(150, &conds), brin.insert(&t, &[Some(&key), None, Some(&key)], tid));
    }
    let _ = (
        hash.bulk_delete(&|tid| tid.block % 7 == 0),
        hash.insert_missing(&t, &[0, 0, 0, 1], Tid { block: 1, slot: 1 }),
    );
    let _ = (
        brin.summarize(7, &mut |_, _| Ok(())),
        brin.desummarize(9),
        brin.cleanup(),
        brin.bulk_delete(&|_| true),
    );
    found
}

#[test]
fn any_forged_byte_is_survived() {
    let (disk, _) = indexes();
    assert_eq!(findings(&disk.copy()), Vec::<String>::new());
    let mut noticed = 0;
    for seed in 0..250u64 {
        let mut rng = FaultRng::new(seed);
        let disk = disk.copy();
        let path = ["global/30001", "global/30002"][rng.below(2) as usize];
        let bytes = disk.bytes(path).unwrap();
        let block = if rng.below(4) == 0 { 0 } else { rng.below((bytes.len() / PAGE_SIZE) as u64) };
        let at = block as usize * PAGE_SIZE;
        let mut page = Page::zeroed();
        page.bytes_mut().copy_from_slice(&bytes[at..at + PAGE_SIZE]);
        let (from, len) = [(12, 90), (12, PAGE_SIZE as u64 - 12), (8176, 16)][rng.below(3) as usize];
        page.bytes_mut()[(from + rng.below(len)) as usize] ^= 1 << rng.below(8);
        page.set_checksum(block as u32);
        disk.damage(path, at as u64, page.bytes());
        let found = sound(|| format!("seed {seed}: {path} block {block}"), || findings(&disk));
        noticed += usize::from(!found.is_empty());
    }
    // Codes, bits of filters and the like can't be told from others.
    assert!(noticed > 40, "{noticed}");
}
