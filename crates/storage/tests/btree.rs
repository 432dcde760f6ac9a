//! The B-tree against a model: inserts, scans both ways, bounds, bulk builds, removals, threads, crashes.

mod common;

use common::{create, open};
use quarry_common::{Lsn, Oid, SqlState, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::Heap;
use quarry_storage::index::{
    BTree, BuildEntry, BuildOutcome, Direction, InsertOutcome, KeyRange, UniqueCheck,
};
use quarry_storage::row::{RowBuilder, RowLayout, Width};
use quarry_storage::{IsolationLevel, RelId, Snapshot, Storage, Transaction};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const INDEX: RelId = RelId::new(Oid(5), 30010);
const TABLE: RelId = RelId::new(Oid(5), 30011);

fn begin(storage: &Arc<Storage>) -> Transaction {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    t.set_read_at_inserted(true);
    t
}

fn make(disk: &FaultDisk, unique: bool) -> (Arc<Storage>, BTree) {
    let storage = create(disk);
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    BTree::create(&storage, &t, INDEX).unwrap();
    t.commit().unwrap();
    let tree = BTree::open(&storage, INDEX, unique).with_name("i");
    (storage, tree)
}

fn tid(n: u32) -> Tid {
    Tid { block: n / 50, slot: (n % 50) as u16 + 1 }
}

type Model = BTreeSet<(Vec<u8>, Tid)>;

fn collect(tree: &BTree, range: KeyRange, direction: Direction) -> Vec<(Vec<u8>, Tid)> {
    let mut scan = tree.scan(range, direction);
    let mut out = Vec::new();
    while let Some(e) = scan.next().unwrap() {
        out.push((e.key.to_vec(), e.tid));
    }
    out
}

fn compare(tree: &BTree, model: &Model, rng: &mut FaultRng, what: &str) {
    assert_eq!(tree.check().unwrap(), model.len() as u64, "{what}: entries");
    let all: Vec<_> = model.iter().cloned().collect();
    assert!(collect(tree, KeyRange::full(), Direction::Forward) == all, "{what}: forward");
    let mut reversed = all.clone();
    reversed.reverse();
    assert!(collect(tree, KeyRange::full(), Direction::Backward) == reversed, "{what}: backward");
    for _ in 0..20 {
        if let Some((key, _)) = all.get(rng.below(all.len().max(1) as u64) as usize) {
            let mut tids = Vec::new();
            tree.lookup(key, &mut tids).unwrap();
            assert!(tids.iter().eq(all.iter().filter(|(k, _)| k == key).map(|(_, t)| t)), "{what}: lookup");
        }
        let mut pick = || match rng.below(5) {
            0 => Bound::Unbounded,
            n if !all.is_empty() => {
                let mut k = all[rng.below(all.len() as u64) as usize].0.clone();
                if rng.below(3) == 0 {
                    k.truncate(rng.below(k.len() as u64 + 1) as usize);
                }
                if n % 2 == 0 { Bound::Included(k) } else { Bound::Excluded(k) }
            }
            _ => Bound::Unbounded,
        };
        let range = KeyRange::new(pick(), pick());
        let inside = |k: &Vec<u8>| {
            (match &range.lower {
                Bound::Unbounded => true,
                Bound::Included(l) => k >= l,
                Bound::Excluded(l) => k > l,
            }) && (match &range.upper {
                Bound::Unbounded => true,
                Bound::Included(u) => k <= u,
                Bound::Excluded(u) => k < u,
            })
        };
        let mut expected: Vec<_> = all.iter().filter(|(k, _)| inside(k)).cloned().collect();
        assert!(collect(tree, range.clone(), Direction::Forward) == expected, "{what}: {range:?}");
        expected.reverse();
        assert!(collect(tree, range.clone(), Direction::Backward) == expected, "{what}: {range:?} backward");
    }
    compare_lookups(tree, &all, rng, what);
}

/// Many keys in one go: some that are there, some beginnings, some that are not.
fn compare_lookups(tree: &BTree, all: &[(Vec<u8>, Tid)], rng: &mut FaultRng, what: &str) {
    let mut keys: Vec<Vec<u8>> = vec![];
    for _ in 0..rng.below(200) {
        let Some((key, _)) = all.get(rng.below(all.len().max(1) as u64) as usize) else { break };
        let mut key = key.clone();
        match rng.below(4) {
            0 => key.truncate(1 + rng.below(key.len() as u64 + 1) as usize),
            1 => key.push(rng.below(256) as u8),
            _ => {}
        }
        keys.push(key);
    }
    keys.sort();
    keys.dedup_by(|key, before| key.starts_with(before));
    let most = 1 + rng.below(300) as usize;
    let mut found: Vec<Vec<(Vec<u8>, Tid)>> = vec![vec![]; keys.len()];
    let snapshot = Snapshot::at(Lsn(u64::MAX));
    let each = keys.iter().map(Vec::as_slice);
    tree.find_each(&snapshot, None, true, each, |i, e| {
        found[i].push((e.key.to_vec(), e.tid));
        Ok(found[i].len() < most)
    })
    .unwrap();
    for (key, found) in keys.iter().zip(found) {
        let expected = all.iter().filter(|(k, _)| k.starts_with(key)).take(most);
        assert!(found.iter().eq(expected), "{what}: entries that begin with {key:?}");
    }
}

fn random_key(rng: &mut FaultRng, kind: u64) -> Vec<u8> {
    match kind {
        0 => (rng.below(1 << 40)).to_be_bytes().to_vec(),
        1 => vec![b'k', rng.below(30) as u8],
        2 => {
            let len = if rng.below(10) == 0 { rng.below(2600) } else { rng.below(60) } as usize;
            (0..len).map(|_| rng.below(3) as u8).collect()
        }
        3 => format!("common/prefix/of/many/keys/{:06}", rng.below(100_000)).into_bytes(),
        _ => random_long_key(rng),
    }
}

/// Long keys that compress well, badly or not at all, many with long beginnings in common.
fn random_long_key(rng: &mut FaultRng) -> Vec<u8> {
    let mut noise = |max: u64| -> Vec<u8> {
        let len = rng.below(max);
        (0..len).map(|_| rng.below(256) as u8).collect()
    };
    let (unit, tail) = (noise(20), noise(30));
    let long_noise = noise(3000);
    let mut key = match rng.below(6) {
        0 => long_noise,
        1 => unit.repeat(rng.below(1500) as usize),
        2 => b"long ".repeat(rng.below(4) as usize * 1000),
        3 => [vec![7; rng.below(20_000) as usize], long_noise].concat(),
        4 => [long_noise, vec![7; rng.below(3000) as usize]].concat(),
        _ => vec![0xff; rng.below(20_000) as usize],
    };
    match rng.below(3) {
        0 => key.extend_from_slice(&tail),
        1 if !key.is_empty() => {
            let at = rng.below(key.len() as u64) as usize;
            key[at] = rng.below(256) as u8;
        }
        _ => {}
    }
    key
}

#[test]
fn random_operations_match_a_model_through_crashes() {
    for seed in 0..8u64 {
        random_operations(seed, seed % 4, 1500);
    }
}

#[test]
fn long_keys_match_a_model_through_crashes() {
    for seed in 0..4u64 {
        random_operations(seed, 4, 150);
    }
}

fn random_operations(seed: u64, kind: u64, batch: u64) {
    {
        println!("seed {seed}");
        let disk = FaultDisk::new();
        let (mut storage, mut tree) = make(&disk, false);
        let mut rng = FaultRng::new(seed);
        let mut model = Model::new();
        let mut next = 0;
        for round in 0..12 {
            let t = begin(&storage);
            for _ in 0..rng.below(batch) {
                let key = random_key(&mut rng, kind);
                let tid =
                    if rng.below(3) == 0 { tid(1_000_000 + rng.below(1_000_000) as u32) } else { tid(next) };
                next += 1;
                if model.insert((key.clone(), tid)) {
                    match tree.insert(&t, &key, b"", tid, UniqueCheck::None) {
                        Ok(outcome) => assert_eq!(outcome, InsertOutcome::Inserted),
                        Err(e) => {
                            assert!(
                                e.sqlstate() == SqlState::PROGRAM_LIMIT_EXCEEDED && key.len() > 2600,
                                "{e}"
                            );
                            model.remove(&(key, tid));
                        }
                    }
                }
            }
            t.commit().unwrap();
            if rng.below(3) == 0 {
                let keep = rng.below(5) as u32;
                let gone = |t: Tid| (t.block % 5) > keep || (t.slot % 7) as u32 == keep;
                let stats = tree.bulk_delete(&gone).unwrap();
                let before = model.len();
                model.retain(|(_, t)| !gone(*t));
                assert_eq!(stats.removed as usize, before - model.len());
            }
            if rng.below(3) == 0 {
                storage.wal().flush_all().unwrap();
                drop((t, tree, storage));
                disk.crash(rng.next_u64());
                storage = open(&disk);
                tree = BTree::open(&storage, INDEX, false).with_name("i");
            }
            compare(&tree, &model, &mut rng, &format!("seed {seed} round {round}"));
        }
        let stats = tree.bulk_delete(&|_| true).unwrap();
        assert_eq!(stats.removed as usize, model.len());
        model.clear();
        compare(&tree, &model, &mut rng, "emptied");
        assert!(
            stats.pages < 12 || stats.pages_free * 2 > stats.pages,
            "{} of {} pages free",
            stats.pages_free,
            stats.pages
        );
        // Freed pages are reused.
        let t = begin(&storage);
        for i in 0..batch as u32 / 3 {
            let key = random_key(&mut rng, kind);
            if tree.insert(&t, &key, b"", tid(i), UniqueCheck::None).is_ok() {
                model.insert((key, tid(i)));
            }
        }
        assert!(tree.blocks().unwrap() <= stats.pages.max(12));
        compare(&tree, &model, &mut rng, "refilled");
    }
}

#[test]
fn ascending_inserts_fill_pages_and_duplicates_share_them() {
    let (storage, tree) = make(&FaultDisk::new(), false);
    let t = begin(&storage);
    for i in 0..50_000u32 {
        tree.insert(&t, &i.to_be_bytes(), b"", tid(i), UniqueCheck::None).unwrap();
    }
    let dense = tree.blocks().unwrap();
    assert!(dense < 50_000 * 17 / 8144 * 100 / 85, "{dense} pages");
    for i in 0..50_000u32 {
        tree.insert(&t, b"\xffsame", b"", tid(i), UniqueCheck::None).unwrap();
    }
    let added = tree.blocks().unwrap() - dense;
    assert!(added < 70, "{added} pages for 50000 duplicates");
    assert_eq!(tree.check().unwrap(), 100_000);
    let mut scan = tree.scan(KeyRange::point(b"\xffsame"), Direction::Forward);
    let mut tids = Vec::new();
    assert_eq!(scan.next_batch(&mut tids, usize::MAX).unwrap(), 50_000);
    assert!(tids.windows(2).all(|w| w[0] < w[1]));
}

#[test]
fn builds_equal_inserts() {
    for (seed, count) in [(0, 0u32), (1, 1), (2, 30_000), (3, 3_000)] {
        let disk = FaultDisk::new();
        let (storage, tree) = make(&disk, false);
        let mut rng = FaultRng::new(seed);
        let model: Model = (0..count).map(|i| (random_key(&mut rng, seed), tid(i))).collect();
        let mut entries = model.iter();
        let t = begin(&storage);
        let outcome = tree
            .build(&t, &mut |e: &mut BuildEntry| {
                let Some((key, tid)) = entries.next() else { return Ok(false) };
                e.key.clone_from(key);
                e.tid = *tid;
                Ok(true)
            })
            .unwrap();
        assert!(matches!(outcome, BuildOutcome::Built { entries, .. } if entries == model.len() as u64));
        t.commit().unwrap();
        storage.wal().flush_all().unwrap();
        drop((t, tree, storage));
        disk.crash(seed);
        let storage = open(&disk);
        let tree = BTree::open(&storage, INDEX, false);
        let mut model = model;
        compare(&tree, &model, &mut rng, "built");
        let t = begin(&storage);
        for i in 0..2000 {
            let key = random_key(&mut rng, seed);
            if model.insert((key.clone(), tid(500_000 + i))) {
                tree.insert(&t, &key, b"", tid(500_000 + i), UniqueCheck::None).unwrap();
            }
        }
        compare(&tree, &model, &mut rng, "built and grown");
    }
}

#[test]
fn payloads_come_back_and_long_keys_are_refused() {
    let (storage, tree) = make(&FaultDisk::new(), false);
    let t = begin(&storage);
    for i in 0..3000u32 {
        let payload = vec![i as u8; (i % 40) as usize];
        tree.insert(&t, &(i % 100).to_be_bytes(), &payload, tid(i), UniqueCheck::None).unwrap();
    }
    let mut n = 0;
    let mut scan = tree.scan(KeyRange::full(), Direction::Forward);
    while let Some(e) = scan.next().unwrap() {
        let i = e.tid.block * 50 + e.tid.slot as u32 - 1;
        assert_eq!(e.payload, vec![i as u8; (i % 40) as usize]);
        n += 1;
    }
    assert_eq!(n, 3000);
    for i in 0..40u8 {
        let mut key = vec![1; 2696];
        key[2000] = i.wrapping_mul(71);
        tree.insert(&t, &key, b"", tid(i as u32), UniqueCheck::None).unwrap();
    }
    tree.check().unwrap();
    // What doesn't compress is limited by PostgreSQL's limits, with its two texts.
    let mut rng = FaultRng::new(1);
    let noise: Vec<u8> = (0..9000).map(|_| rng.below(256) as u8).collect();
    tree.insert(&t, &noise[..2696], b"", tid(1), UniqueCheck::None).unwrap();
    let e = tree.insert(&t, &noise[..2697], b"", tid(1), UniqueCheck::None).unwrap_err();
    assert_eq!(e.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    assert_eq!(e.message(), "index row size 2712 exceeds btree version 4 maximum 2704 for index \"i\"");
    let e = tree.insert(&t, &noise, b"", tid(1), UniqueCheck::None).unwrap_err();
    assert_eq!(e.message(), "index row requires 9008 bytes, maximum size is 8191");
}

#[test]
fn long_payloads_are_packed() {
    let (storage, tree) = make(&FaultDisk::new(), false);
    let t = begin(&storage);
    let payload = |i: u32| vec![i as u8; (i * 37 % 9000) as usize];
    let key = |i: u32| format!("{:0>width$}", i % 60, width = 5 + (i % 3 * 4000) as usize).into_bytes();
    for i in 0..300 {
        tree.insert(&t, &key(i), &payload(i), tid(i), UniqueCheck::None).unwrap();
    }
    assert_eq!(tree.check().unwrap(), 300);
    assert!(tree.blocks().unwrap() < 20, "{} pages", tree.blocks().unwrap());
    for direction in [Direction::Forward, Direction::Backward] {
        let mut scan = tree.scan(KeyRange::full(), direction);
        let mut n = 0;
        while let Some(e) = scan.next().unwrap() {
            let i = e.tid.block * 50 + e.tid.slot as u32 - 1;
            assert!(e.key == key(i) && e.payload == payload(i));
            n += 1;
        }
        assert_eq!(n, 300);
    }
}

#[test]
fn builds_take_long_keys() {
    for seed in 0..5 {
        let (storage, tree) = make(&FaultDisk::new(), false);
        let t = begin(&storage);
        let mut rng = FaultRng::new(seed);
        let mut model = Model::new();
        for i in 0..600 {
            let key = random_long_key(&mut rng);
            // Surely within the limit.
            if key.len() < 2690 || key.windows(2).filter(|w| w[0] != w[1]).count() < 2000 {
                model.insert((key, tid(i)));
            }
        }
        let mut rows = model.iter();
        let outcome = tree.build(&t, &mut |e: &mut BuildEntry| {
            let Some((key, tid)) = rows.next() else { return Ok(false) };
            e.key = key.clone();
            e.tid = *tid;
            Ok(true)
        });
        assert!(matches!(outcome, Ok(BuildOutcome::Built { entries, .. }) if entries == model.len() as u64));
        for i in 0..200 {
            let key = random_long_key(&mut rng);
            if tree.insert(&t, &key, b"", tid(5000 + i), UniqueCheck::None).is_ok() {
                model.insert((key, tid(5000 + i)));
            }
        }
        compare(&tree, &model, &mut rng, &format!("seed {seed}"));
    }
}

#[test]
fn unique_builds_report_live_duplicates_only() {
    let (storage, tree) = make(&FaultDisk::new(), true);
    let t = begin(&storage);
    let rows = [(1u8, true), (2, true), (2, false), (3, false), (3, true), (4, true), (4, true)];
    let mut at = 0;
    let outcome = tree
        .build(&t, &mut |e: &mut BuildEntry| {
            let Some((k, unique)) = rows.get(at) else { return Ok(false) };
            e.key = vec![*k];
            e.tid = tid(at as u32);
            e.unique = *unique;
            at += 1;
            Ok(true)
        })
        .unwrap();
    assert_eq!(outcome, BuildOutcome::Duplicate { first: tid(5), second: tid(6), key: vec![4] });
}

#[test]
fn threads_inserting_scanning_and_vacuuming_agree() {
    const THREADS: u32 = 4;
    const EACH: u32 = 6000;
    let (storage, tree) = make(&FaultDisk::new(), false);
    let finished = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (storage, tree, finished) = (&storage, &tree, &finished);
            scope.spawn(move || {
                let mut rng = FaultRng::new(thread as u64);
                let t = begin(storage);
                for i in 0..EACH {
                    let n = thread * EACH + i;
                    let key = match thread % 2 {
                        0 => n.to_be_bytes().to_vec(),
                        _ => random_key(&mut rng, 3),
                    };
                    tree.insert(&t, &key, b"", tid(n), UniqueCheck::None).unwrap();
                    // Some of them go again: odd slots of tids above a million.
                    tree.insert(&t, &key, b"", tid(10_000_001 + n * 2), UniqueCheck::None).unwrap();
                }
                t.commit().unwrap();
                finished.fetch_add(1, Ordering::SeqCst);
            });
        }
        for direction in [Direction::Forward, Direction::Backward] {
            let (tree, finished) = (&tree, &finished);
            scope.spawn(move || {
                while finished.load(Ordering::SeqCst) < THREADS {
                    let mut scan = tree.scan(KeyRange::full(), direction);
                    let mut last: Option<(Vec<u8>, Tid)> = None;
                    while let Some(e) = scan.next().unwrap() {
                        let now = (e.key.to_vec(), e.tid);
                        if let Some(l) = &last {
                            let rising = *l < now;
                            assert!(*l != now && rising == (direction == Direction::Forward), "order");
                        }
                        last = Some(now);
                    }
                }
            });
        }
        scope.spawn(|| {
            while finished.load(Ordering::SeqCst) < THREADS {
                tree.bulk_delete(&|t| t.block >= 200_000).unwrap();
            }
        });
    });
    tree.bulk_delete(&|t| t.block >= 200_000).unwrap();
    assert_eq!(tree.check().unwrap(), (THREADS * EACH) as u64);
    let mut tids: Vec<Tid> =
        collect(&tree, KeyRange::full(), Direction::Backward).into_iter().map(|(_, t)| t).collect();
    tids.sort();
    assert!(tids.into_iter().eq((0..THREADS * EACH).map(tid)));
}

#[test]
fn of_concurrent_inserts_of_a_unique_key_one_wins() {
    const KEYS: u32 = 150;
    const THREADS: u32 = 4;
    let disk = FaultDisk::new();
    let (storage, tree) = make(&disk, true);
    let layout = Arc::new(RowLayout::new(&[Width::Fixed(4)]));
    let t = begin(&storage);
    Heap::create(&storage, &t, TABLE).unwrap();
    t.commit().unwrap();
    let heap = Heap::open(&storage, TABLE, None, layout.clone());
    let stop = AtomicBool::new(false);
    let wins: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (storage, tree, heap, layout, stop) = (&storage, &tree, &heap, &layout, &stop);
                scope.spawn(move || {
                    let mut rng = FaultRng::new(thread as u64);
                    let mut builder = RowBuilder::new();
                    let mut wins = 0;
                    for key in 0..KEYS {
                        loop {
                            let t = begin(storage);
                            builder.begin(layout);
                            builder.fixed(&key.to_le_bytes());
                            let tid = heap.insert(&t, builder.finish()).unwrap();
                            let outcome = tree
                                .insert(&t, &key.to_be_bytes(), b"", tid, UniqueCheck::Enforce(heap))
                                .unwrap();
                            match outcome {
                                InsertOutcome::Conflict { .. } => {
                                    heap.undo_insert(&t, tid).unwrap();
                                    t.commit().unwrap();
                                    break;
                                }
                                InsertOutcome::Inserted if rng.below(3) == 0 => t.abort(),
                                InsertOutcome::Inserted => {
                                    t.commit().unwrap();
                                    wins += 1;
                                    break;
                                }
                            }
                        }
                    }
                    stop.store(true, Ordering::Relaxed);
                    wins
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(wins.iter().sum::<u32>(), KEYS);
    let t = begin(&storage);
    for key in 0..KEYS {
        assert!(tree.find_conflict(&t, &key.to_be_bytes(), &heap, None).unwrap().is_some());
    }
    assert!(tree.find_conflict(&t, &KEYS.to_be_bytes(), &heap, None).unwrap().is_none());
    let mut rows = 0;
    let mut scan = heap.scan(t.statement_snapshot(), None);
    while scan
        .next_page(&mut |_, _| {
            rows += 1;
            Ok(())
        })
        .unwrap()
    {}
    assert_eq!(rows, KEYS);
}
