//! The hash index against a model: inserts, lookups, bulk builds, removals, splits beside lookups, crashes in the middle of everything.

mod common;

use common::{create, open, seeds, small};
use quarry_common::{Oid, SqlState, Tid};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::index::{HashBuilder, HashIndex};
use quarry_storage::{Fork, IsolationLevel, Persistence, RelId, Storage, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const INDEX: RelId = RelId::new(Oid(5), 30010);

fn begin(storage: &Arc<Storage>) -> Transaction {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    t.set_read_at_inserted(true);
    t
}

fn make(disk: &FaultDisk, persistence: Persistence, fillfactor: u16) -> (Arc<Storage>, HashIndex) {
    let storage = create(disk);
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    HashIndex::create_as(&storage, &t, INDEX, persistence, fillfactor).unwrap();
    t.commit().unwrap();
    storage.wal().flush_all().unwrap();
    let index = HashIndex::open(&storage, INDEX).with_name("i");
    (storage, index)
}

fn tid(n: u64) -> Tid {
    Tid { block: (n / 50) as u32, slot: (n % 50) as u16 + 1 }
}

type Model = BTreeMap<Vec<u8>, BTreeSet<Tid>>;

fn found(index: &HashIndex, key: &[u8]) -> Vec<Tid> {
    let mut tids = Vec::new();
    index.lookup(key, &mut tids).unwrap();
    tids.sort();
    tids
}

fn compare(index: &HashIndex, model: &Model, rng: &mut FaultRng, what: &str) {
    let count: usize = model.values().map(BTreeSet::len).sum();
    assert_eq!(index.check().unwrap(), count as u64, "{what}: entries");
    for (n, (key, tids)) in model.iter().enumerate() {
        if model.len() < 200 || n as u64 % 16 == rng.below(16) {
            assert!(found(index, key).iter().eq(tids.iter()), "{what}: {key:?}");
        }
    }
    assert_eq!(found(index, b"no such key"), vec![], "{what}");
    let mut all = Vec::new();
    index
        .for_each_tid(&mut |tid| {
            all.push(tid);
            Ok(())
        })
        .unwrap();
    all.sort();
    let mut expected: Vec<Tid> = model.values().flatten().copied().collect();
    expected.sort();
    assert!(all == expected, "{what}: all rows");
}

fn random_key(rng: &mut FaultRng, kind: u64) -> Vec<u8> {
    match kind {
        // Few keys with very many rows, and others.
        0 => (rng.below(4) * rng.below(2)).to_be_bytes().to_vec(),
        1 => rng.below(200).to_be_bytes().to_vec(),
        _ => rng.below(1 << 40).to_be_bytes().to_vec(),
    }
}

#[test]
fn random_operations_match_a_model_through_crashes() {
    for seed in seeds(6) {
        println!("seed {seed}");
        let kind = seed % 3;
        let disk = FaultDisk::new();
        let (mut storage, mut index) = make(&disk, Persistence::Permanent, [75, 10, 100][seed as usize % 3]);
        let mut rng = FaultRng::new(seed);
        let mut model = Model::new();
        let mut next = 0;
        for round in 0..10 {
            let what = format!("seed {seed} round {round}");
            let t = begin(&storage);
            for _ in 0..rng.below(4000) {
                let key = random_key(&mut rng, kind);
                let tid = tid(next);
                next += 1 + rng.below(3);
                match rng.below(20) {
                    0 => {
                        index.insert_missing(&t, &key, tid).unwrap();
                        index.insert_missing(&t, &key, tid).unwrap();
                    }
                    _ => index.insert(&t, &key, tid).unwrap(),
                }
                model.entry(key).or_default().insert(tid);
            }
            t.commit().unwrap();
            if rng.below(3) == 0 {
                let keep = rng.below(5) as u32;
                let gone = |t: Tid| (t.block % 5) > keep || (t.slot % 7) as u32 == keep;
                let stats = index.bulk_delete(&gone).unwrap();
                let before: usize = model.values().map(BTreeSet::len).sum();
                model.values_mut().for_each(|tids| tids.retain(|t| !gone(*t)));
                model.retain(|_, tids| !tids.is_empty());
                let after: usize = model.values().map(BTreeSet::len).sum();
                assert_eq!(stats.removed as usize, before - after, "{what}");
                assert_eq!(stats.entries as usize, after, "{what}");
            }
            if rng.below(3) == 0 {
                storage.wal().flush_all().unwrap();
                drop((t, index, storage));
                disk.crash(rng.next_u64());
                storage = open(&disk);
                index = HashIndex::open(&storage, INDEX).with_name("i");
            }
            compare(&index, &model, &mut rng, &what);
        }
        let stats = index.bulk_delete(&|_| true).unwrap();
        assert_eq!(stats.entries, 0);
        model.clear();
        compare(&index, &model, &mut rng, "emptied");
        storage.shutdown().unwrap();
    }
}

/// The disk dies after any number of operations: what was durable is there, whatever split was under way; and the index goes on growing.
#[test]
fn a_crash_at_any_moment_leaves_an_index_that_works() {
    for seed in seeds(60) {
        let disk = FaultDisk::new();
        let (storage, index) = make(&disk, Persistence::Permanent, 75);
        let mut rng = FaultRng::new(seed);
        let duplicates = seed % 4 == 0;
        disk.fail_after(1 + rng.below(400));
        let t = begin(&storage);
        let key = |n: u64| (if duplicates { n % 3 } else { n }).to_be_bytes();
        let (mut done, mut durable) = (0, 0);
        for n in 0..20_000u64 {
            if index.insert(&t, &key(n), tid(n)).is_err() {
                break;
            }
            done = n + 1;
            if n % 500 == 0 && storage.wal().flush_all().is_ok() {
                durable = done;
            }
            if n % 3000 == 0 && storage.checkpoint().is_err() {
                break;
            }
        }
        disk.kill();
        drop((t, index, storage));
        disk.crash(seed);
        let storage = open(&disk);
        let index = HashIndex::open(&storage, INDEX);
        let count = index.check().unwrap();
        assert!((durable..=done + 1).contains(&count), "seed {seed}: {durable} {count} {done}");
        let mut tids = BTreeSet::new();
        for n in 0..if duplicates { 3 } else { durable } {
            tids.extend(found(&index, &key(n)));
        }
        assert!((0..durable).all(|n| tids.contains(&tid(n))), "seed {seed}");
        // Unfinished splits are finished by those who come by.
        let t = begin(&storage);
        for n in 0..6000u64 {
            index.insert(&t, &(n + 1_000_000).to_be_bytes(), tid(n + 1_000_000)).unwrap();
        }
        assert_eq!(index.check().unwrap(), count + 6000, "seed {seed}");
        let stats = index.bulk_delete(&|_| false).unwrap();
        assert_eq!(stats.entries, count + 6000, "seed {seed}");
    }
}

#[test]
fn lookups_see_every_entry_while_buckets_are_split_and_squeezed() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Permanent, 20);
    let written = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    const STABLE: u64 = 30_000;
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                let mut rng = FaultRng::new(7);
                while !stop.load(Ordering::Acquire) {
                    let limit = written.load(Ordering::Acquire);
                    if limit == 0 {
                        continue;
                    }
                    let n = rng.below(limit);
                    let key = n % 5000;
                    let expected: Vec<Tid> = (0..limit).filter(|m| m % 5000 == key).map(tid).collect();
                    let got = found(&index, &key.to_be_bytes());
                    let stable: Vec<Tid> = got.iter().copied().filter(|t| expected.contains(t)).collect();
                    assert!(stable == expected, "key {key} of {limit}: {stable:?} {expected:?}");
                    let mut once = got.clone();
                    once.dedup();
                    assert!(once == got, "an entry was seen twice");
                }
            });
        }
        let (index, stop, storage) = (&index, &stop, &storage);
        s.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                // Rows from here on come and go.
                index.bulk_delete(&|t| t >= tid(10_000_000)).unwrap();
            }
        });
        s.spawn(move || {
            let t = begin(storage);
            let mut n = 10_000_000u64;
            while !stop.load(Ordering::Acquire) {
                index.insert(&t, &(n % 50).to_be_bytes(), tid(n)).unwrap();
                n += 1;
            }
        });
        let t = begin(storage);
        for n in 0..STABLE {
            index.insert(&t, &(n % 5000).to_be_bytes(), tid(n)).unwrap();
            written.store(n + 1, Ordering::Release);
        }
        stop.store(true, Ordering::Release);
    });
    index.bulk_delete(&|t| t >= tid(10_000_000)).unwrap();
    assert_eq!(index.check().unwrap(), STABLE);
}

fn build(storage: &Arc<Storage>, index: &HashIndex, memory: usize, keys: &[Vec<u8>]) -> u64 {
    let t = begin(storage);
    let mut builder = HashBuilder::new(storage, memory);
    for (n, key) in keys.iter().enumerate() {
        builder.add(key, tid(n as u64)).unwrap();
    }
    let mut last = 0;
    let built = builder
        .finish(index, &t, &mut |done| {
            assert!(done >= last);
            last = done;
            Ok(())
        })
        .unwrap();
    assert_eq!(last, keys.len() as u64);
    t.commit().unwrap();
    built.entries
}

#[test]
fn a_bulk_build_is_as_if_inserted_one_by_one() {
    for (case, memory) in [(0, 1 << 26), (1, 1 << 26), (2, 1 << 26), (2, 1 << 10), (0, 1 << 10), (3, 1 << 16)]
    {
        let disk = FaultDisk::new();
        let (storage, index) = make(&disk, Persistence::Permanent, 75);
        let mut rng = FaultRng::new(case);
        let count = [20_000, 0, 60_000, 40_000][case as usize];
        let keys: Vec<Vec<u8>> = (0..count)
            .map(|n: u64| if case == 3 { vec![] } else { random_key(&mut rng, 1 + n % 2) })
            .collect();
        assert_eq!(build(&storage, &index, memory, &keys), count);
        let mut model = Model::new();
        for (n, key) in keys.iter().enumerate() {
            model.entry(key.clone()).or_default().insert(tid(n as u64));
        }
        compare(&index, &model, &mut rng, "built");
        // It goes on as any other, after a crash too.
        storage.wal().flush_all().unwrap();
        drop((index, storage));
        disk.crash(case);
        let storage = open(&disk);
        let index = HashIndex::open(&storage, INDEX);
        compare(&index, &model, &mut rng, "built, after a crash");
        let t = begin(&storage);
        for n in 0..30_000 {
            let key = random_key(&mut rng, 2);
            index.insert(&t, &key, tid(n + 1_000_000)).unwrap();
            model.entry(key).or_default().insert(tid(n + 1_000_000));
        }
        compare(&index, &model, &mut rng, "grown");
    }
}

#[test]
fn a_build_that_fails_leaves_the_empty_index() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Permanent, 75);
    let t = begin(&storage);
    let mut builder = HashBuilder::new(&storage, 1 << 20);
    for n in 0..50_000u64 {
        builder.add(&n.to_be_bytes(), tid(n)).unwrap();
    }
    let stopped = builder.finish(&index, &t, &mut |_| Err(quarry_common::Error::cancelled()));
    assert!(stopped.is_err());
    t.abort();
    assert_eq!(index.check().unwrap(), 0);
    assert!(disk.list("base/pgsql_tmp").unwrap().is_empty());
    let t = begin(&storage);
    index.insert(&t, b"k", tid(1)).unwrap();
    assert_eq!(found(&index, b"k"), vec![tid(1)]);
    // Vacuum finds the pages that the build has left.
    let stats = index.bulk_delete(&|_| false).unwrap();
    assert!(stats.pages_free > 50, "{stats:?}");
}

#[test]
fn unlogged_ones_are_empty_after_a_crash() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Unlogged, 75);
    let t = begin(&storage);
    for n in 0..5000u64 {
        index.insert(&t, &n.to_be_bytes(), tid(n)).unwrap();
    }
    t.commit().unwrap();
    assert_eq!(index.check().unwrap(), 5000);
    storage.wal().flush_all().unwrap();
    drop((t, index, storage));
    disk.crash(3);
    let storage = open(&disk);
    let index = HashIndex::open(&storage, INDEX);
    assert_eq!(index.check().unwrap(), 0);
    let t = begin(&storage);
    for n in 0..5000u64 {
        index.insert(&t, &n.to_be_bytes(), tid(n)).unwrap();
    }
    assert_eq!(index.check().unwrap(), 5000);
}

#[test]
fn entries_known_dead_are_skipped_and_make_room() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Permanent, 100);
    let t = begin(&storage);
    // One bucket's page and a bit, all of one key: the page of the first rows is full.
    for n in 0..678 {
        index.insert(&t, b"k", tid(n)).unwrap();
    }
    let blocks = storage.pool().blocks(INDEX, Fork::Main).unwrap();
    let mut scan = index.scan(b"k");
    let mut seen = 0;
    while scan.next().unwrap().is_some() {
        seen += 1;
        if seen % 2 == 0 {
            scan.kill_last();
        }
    }
    drop(scan);
    assert_eq!(seen, 678);
    assert_eq!(found(&index, b"k").len(), 339);
    for n in 0..300 {
        index.insert(&t, b"k", tid(10_000 + n)).unwrap();
    }
    assert_eq!(storage.pool().blocks(INDEX, Fork::Main).unwrap(), blocks, "no page was added");
    assert_eq!(index.check().unwrap(), 639);
    // Hints do not outlive a change of their page.
    let mut scan = index.scan(b"k");
    scan.next().unwrap();
    scan.kill_last();
    index.insert(&t, b"k", tid(20_000)).unwrap();
    drop(scan);
    assert_eq!(found(&index, b"k").len(), 640);
}

#[test]
fn a_full_disk_stops_an_insert_and_nothing_else() {
    let disk = FaultDisk::new();
    let storage = Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, small()).unwrap();
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    HashIndex::create_as(&storage, &t, INDEX, Persistence::Permanent, 75).unwrap();
    t.commit().unwrap();
    let index = HashIndex::open(&storage, INDEX);
    disk.set_capacity(Some(disk.used() + (2 << 20)));
    let t = begin(&storage);
    let mut done = 0u64;
    while done < 200_000 && index.insert(&t, &done.to_be_bytes(), tid(done)).is_ok() {
        done += 1;
    }
    assert!(done < 200_000);
    disk.set_capacity(None);
    storage.checkpoint().unwrap();
    let count = index.check().unwrap();
    // The entry itself may be in, and the split that followed it have failed.
    assert!(count == done || count == done + 1, "{count} of {done}");
    for n in done + 1..done + 3000 {
        index.insert(&t, &n.to_be_bytes(), tid(n)).unwrap();
    }
    assert_eq!(index.check().unwrap(), count + 2999);
}

#[test]
fn serializable_transactions_conflict_by_buckets() {
    // Also if the bucket that was read is split before the other writes.
    for others in [0, 20_000u64] {
        let (storage, index) = make(&FaultDisk::new(), Persistence::Permanent, 75);
        let serializable = || storage.begin(IsolationLevel::Serializable);
        let look = |t: &Transaction, key: &[u8]| {
            let mut tids = Vec::new();
            index.lookup_by(&t.statement_snapshot(), key, &mut tids).unwrap();
            tids.len()
        };
        let (a, b) = (serializable(), serializable());
        assert_eq!((look(&a, b"x"), look(&b, b"y")), (0, 0));
        let between = begin(&storage);
        for n in 0..others {
            index.insert(&between, &n.to_be_bytes(), tid(n + 10)).unwrap();
        }
        a.assign_xid();
        b.assign_xid();
        let outcome = (|| {
            index.insert(&a, b"y", tid(1))?;
            index.insert(&b, b"x", tid(2))?;
            a.commit()?;
            b.commit()
        })();
        assert_eq!(outcome.unwrap_err().sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE, "{others}");
        a.abort();
        b.abort();
        between.commit().unwrap();
        let a = serializable();
        look(&a, b"x");
        index.insert(&a, b"z", tid(3)).unwrap();
        a.commit().unwrap();
    }
}

#[test]
fn many_rows_of_a_key_come_part_by_part() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Permanent, 75);
    let t = begin(&storage);
    for n in 0..3000u64 {
        index.insert(&t, b"k", tid(n * 7919 % 3000)).unwrap();
        index.insert(&t, &n.to_be_bytes(), tid(n)).unwrap();
    }
    let snapshot = t.statement_snapshot();
    for most in [1, 7, 400, 1400, 1500, 5000] {
        let mut scan = index.scan(b"k").read_by(&snapshot).taking(most);
        let mut got = BTreeSet::new();
        let mut n = 0;
        while let Some(tid) = scan.next().unwrap() {
            assert!(got.insert(tid), "{tid} once");
            n += 1;
            if n % 1000 == 0 {
                // Splits in between change nothing.
                for m in 0..200u64 {
                    index.insert(&t, &((m + 1_000 * n) | ((most as u64) << 32)).to_be_bytes(), tid).unwrap();
                }
            }
            if most == 5000 {
                scan.kill_last();
            }
        }
        assert!(got.into_iter().eq((0..3000).map(tid)), "{most}");
    }
    // Hints are left for rows that were taken at once.
    assert!(found(&index, b"k").len() < 3000);
}
