//! GIN against a model: rows in and out, searches of every kind, the pending list, builds, vacuum, threads, crashes.

mod common;

use common::{create, open, seeds};
use quarry_common::{Oid, SqlState, Ternary, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::index::gin::{Gin, GinBuilder, GinEntry, GinOptions, GinRow, GinScanKey, category};
use quarry_storage::{IsolationLevel, Persistence, RelId, Storage, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const INDEX: RelId = RelId::new(Oid(5), 30010);
const SMALL_LIST: GinOptions = GinOptions { fastupdate: true, pending_list_bytes: 40_000 };
const DIRECT: GinOptions = GinOptions { fastupdate: false, pending_list_bytes: 0 };

fn begin(storage: &Arc<Storage>) -> Transaction {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    t.set_read_at_inserted(true);
    t
}

fn make(disk: &FaultDisk, options: GinOptions) -> (Arc<Storage>, Gin) {
    let storage = create(disk);
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    Gin::create_as(&storage, &t, INDEX, Persistence::Permanent).unwrap();
    t.commit().unwrap();
    let gin = Gin::open(&storage, INDEX, options).with_name("g");
    (storage, gin)
}

fn tid(n: u32) -> Tid {
    Tid { block: n / 50, slot: (n % 50) as u16 + 1 }
}

/// Each row's keys: column, category, bytes.
type Keys = BTreeSet<(u8, u8, Vec<u8>)>;
type Model = BTreeMap<Tid, Keys>;

fn gin_row(keys: &Keys) -> GinRow {
    let mut row = GinRow::new();
    // In the wrong order: rows sort themselves.
    for (column, category, key) in keys.iter().rev() {
        row.push(*column, *category, key);
    }
    row.finish();
    row
}

fn key_bytes(k: &(u8, u8, Vec<u8>)) -> Vec<u8> {
    [&[k.0, k.1][..], &k.2].concat()
}

/// A few very frequent keys, some that are not, many that are rare; now and then long ones, and none.
fn random_keys(rng: &mut FaultRng, kind: u64) -> Keys {
    let mut keys = Keys::new();
    for column in 1..=2u8 {
        if column == 2 && kind == 0 {
            break;
        }
        match rng.below(12) {
            0 => _ = keys.insert((column, category::NULL_ITEM, Vec::new())),
            1 => _ = keys.insert((column, category::EMPTY_ITEM, Vec::new())),
            n => {
                if n == 2 {
                    keys.insert((column, category::NULL_KEY, Vec::new()));
                }
                for _ in 0..1 + rng.below(8) {
                    keys.insert((column, category::NORMAL, random_key(rng, kind)));
                }
            }
        }
    }
    keys
}

fn random_key(rng: &mut FaultRng, kind: u64) -> Vec<u8> {
    match (kind, rng.below(10)) {
        (_, 0..=3) => vec![b'a' + rng.below(4) as u8],
        (_, 4..=6) => format!("k{:03}", rng.below(60)).into_bytes(),
        (2, 7) => {
            let len = rng.below(2600) as usize;
            let seed = rng.below(4) as u8;
            (0..len).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect()
        }
        _ => format!("rare/{:05}", rng.below(20_000)).into_bytes(),
    }
}

fn search(gin: &Gin, storage: &Arc<Storage>, keys: &[GinScanKey]) -> Vec<(Tid, bool)> {
    let t = begin(storage);
    let snap = t.statement_snapshot();
    let mut out = Vec::new();
    let n = gin
        .search(&snap, keys, 64 << 10, &mut || Ok(()), &mut |tid, recheck| {
            out.push((tid, recheck));
            Ok(())
        })
        .unwrap();
    assert_eq!(n, out.len() as u64);
    assert!(out.windows(2).all(|w| w[0].0 < w[1].0), "in order, once");
    out
}

/// What a scan key asks, for the model.
#[derive(Clone, Debug)]
enum Ask {
    All,
    Any,
    AtLeast(usize),
    /// The first, but not the others.
    FirstOnly,
    /// None of them (exclude-only).
    Nothing,
    /// Those of `All`, but the index can't be sure.
    Perhaps,
}

fn consistent(ask: &Ask) -> quarry_storage::index::gin::Consistent {
    use Ternary::{False, Maybe, True};
    let ask = ask.clone();
    Arc::new(move |has: &[Ternary]| {
        let count = |what: Ternary| has.iter().filter(|h| **h == what).count();
        let all = || has.iter().copied().fold(True, Ternary::and);
        let any = || has.iter().copied().fold(False, Ternary::or);
        match &ask {
            Ask::All => all(),
            Ask::Any => any(),
            Ask::AtLeast(n) if count(True) >= *n => True,
            Ask::AtLeast(n) if count(True) + count(Maybe) >= *n => Maybe,
            Ask::AtLeast(_) => False,
            Ask::FirstOnly => has[0].and(!has[1..].iter().copied().fold(False, Ternary::or)),
            Ask::Nothing => !any(),
            Ask::Perhaps => match all() {
                True => Maybe,
                other => other,
            },
        }
    })
}

fn row_has(keys: &Keys, e: &GinEntry) -> bool {
    keys.iter().map(key_bytes).any(|k| match &e.upper {
        None => k == e.lower,
        Some(upper) => k >= e.lower && k < *upper,
    })
}

fn random_entry(rng: &mut FaultRng, column: u8, kind: u64) -> GinEntry {
    match rng.below(10) {
        0 => GinEntry::range(column, b"k0", Some(b"k02")),
        1 => GinEntry::range(column, b"rare/1", Some(b"rare/2")),
        2 => GinEntry::range(column, &random_key(rng, kind), None),
        3 => GinEntry::key(column, category::NULL_KEY, b""),
        _ => GinEntry::key(column, category::NORMAL, &random_key(rng, kind)),
    }
}

fn compare(storage: &Arc<Storage>, gin: &Gin, model: &Model, rng: &mut FaultRng, kind: u64, what: &str) {
    gin.check().unwrap_or_else(|e| panic!("{what}: {}", e.message()));
    let mut tids = BTreeSet::new();
    gin.each_tid(&mut |t| {
        tids.insert(t);
        Ok(())
    })
    .unwrap();
    assert!(tids.iter().eq(model.keys()), "{what}: all tids");
    for n in 0..25 {
        let mut keys = Vec::new();
        let mut asks = Vec::new();
        for _ in 0..1 + rng.below(3) / 2 + rng.below(8) / 7 {
            let column = 1 + if kind == 0 { 0 } else { rng.below(2) as u8 };
            let entries: Vec<GinEntry> =
                (0..1 + rng.below(5)).map(|_| random_entry(rng, column, kind)).collect();
            let ask = match rng.below(9) {
                0..=2 => Ask::All,
                3 | 4 => Ask::Any,
                5 => Ask::AtLeast(1 + rng.below(entries.len() as u64) as usize),
                6 => Ask::FirstOnly,
                7 => Ask::Nothing,
                _ => Ask::Perhaps,
            };
            let exclude_only = matches!(ask, Ask::Nothing);
            let also = match exclude_only {
                true => vec![GinEntry::all_of(column)],
                false if rng.below(4) == 0 => vec![GinEntry::empties_of(column)],
                false => vec![],
            };
            let unless = if exclude_only { vec![GinEntry::nulls_of(column)] } else { vec![] };
            // Such keys may say so, or leave it to be found out.
            let all = match ask {
                Ask::All if also.is_empty() && rng.below(2) == 0 => Some(Ternary::True),
                Ask::Perhaps if also.is_empty() && rng.below(2) == 0 => Some(Ternary::Maybe),
                _ => None,
            };
            keys.push(GinScanKey { entries, also, exclude_only, unless, consistent: consistent(&ask), all });
            asks.push(ask);
        }
        let expected: Vec<(Tid, bool)> = model
            .iter()
            .filter_map(|(tid, row)| {
                let mut all = Ternary::True;
                for k in &keys {
                    let has: Vec<Ternary> = k.entries.iter().map(|e| row_has(row, e).into()).collect();
                    let candidate = k.exclude_only
                        || has.contains(&Ternary::True)
                        || k.also.iter().any(|e| row_has(row, e));
                    let not = k.unless.iter().any(|e| row_has(row, e));
                    all = all.and(if candidate && !not { (k.consistent)(&has) } else { Ternary::False });
                }
                (all != Ternary::False).then_some((*tid, all == Ternary::Maybe))
            })
            .collect();
        let got = search(gin, storage, &keys);
        assert!(
            got == expected,
            "{what}: search {n} {asks:?} of {:?}: {} rows, expected {}",
            keys.iter().map(|k| &k.entries).collect::<Vec<_>>(),
            got.len(),
            expected.len()
        );
    }
}

#[test]
fn rows_come_and_go_like_in_a_model() {
    for seed in seeds(9) {
        let mut rng = FaultRng::new(seed);
        let kind = seed % 3;
        let options = [SMALL_LIST, DIRECT, GinOptions::default()][(seed / 3 % 3) as usize];
        let disk = FaultDisk::new();
        let (mut storage, mut gin) = make(&disk, options);
        let mut model = Model::new();
        let mut next = 0;
        for round in 0..8 {
            let what = format!("seed {seed} round {round}");
            let t = begin(&storage);
            for _ in 0..rng.below(700) {
                let keys = random_keys(&mut rng, kind);
                // Mostly behind the others, sometimes where a row was removed.
                let n = if rng.below(5) == 0 { rng.below(next as u64 + 1) as u32 } else { next };
                if model.contains_key(&tid(n)) {
                    continue;
                }
                next = next.max(n + 1);
                gin.insert(&t, &gin_row(&keys), tid(n)).unwrap();
                model.insert(tid(n), keys);
            }
            t.commit().unwrap();
            match rng.below(6) {
                0 => {
                    gin.clean_pending(&mut || Ok(())).unwrap();
                    assert_eq!(gin.stats().unwrap().pending_pages, 0, "{what}");
                }
                1 | 2 => {
                    let part = 1 + rng.below(4) as u32;
                    let gone = |t: Tid| (t.block * 7 + t.slot as u32).is_multiple_of(part);
                    let pairs = |m: &Model| m.values().map(|k| k.len() as u64).sum::<u64>();
                    let before = pairs(&model);
                    model.retain(|t, _| !gone(*t));
                    let stats = gin.bulk_delete(&gone).unwrap();
                    assert_eq!(
                        (stats.removed, stats.entries),
                        (before - pairs(&model), pairs(&model)),
                        "{what}"
                    );
                    let distinct: BTreeSet<_> = model.values().flatten().collect();
                    assert_eq!(gin.stats().unwrap().entries, distinct.len() as u64, "{what}");
                }
                _ => {}
            }
            if rng.below(3) == 0 {
                storage.wal().flush_all().unwrap();
                drop((t, gin, storage));
                disk.crash(rng.next_u64());
                storage = open(&disk);
                gin = Gin::open(&storage, INDEX, options).with_name("g");
            }
            compare(&storage, &gin, &model, &mut rng, kind, &what);
        }
        gin.bulk_delete(&|_| true).unwrap();
        compare(&storage, &gin, &Model::new(), &mut rng, kind, "emptied");
        assert_eq!(gin.check().unwrap(), 0);
        let blocks = gin.blocks().unwrap();
        let t = begin(&storage);
        for (tid, keys) in model.iter().take(model.len() / 3) {
            gin.insert(&t, &gin_row(keys), *tid).unwrap();
        }
        // Pages are used again.
        assert!(gin.blocks().unwrap() <= blocks.max(20), "{blocks} blocks, then {}", gin.blocks().unwrap());
    }
}

#[test]
fn builds_equal_inserts() {
    for (seed, rows, memory) in
        [(0u64, 0, 1 << 20), (1, 1, 1 << 20), (2, 6000, 64 << 20), (3, 6000, 1), (4, 9000, 1)]
    {
        let mut rng = FaultRng::new(seed);
        let kind = seed % 3;
        let disk = FaultDisk::new();
        let (storage, gin) = make(&disk, SMALL_LIST);
        let mut model: Model = (0..rows).map(|n| (tid(n), random_keys(&mut rng, kind))).collect();
        let t = begin(&storage);
        let mut builder = GinBuilder::new(&gin, memory);
        let mut all: Vec<_> = model.iter().collect();
        if seed == 4 {
            // Not by rising tids.
            all.sort_by_key(|(t, _)| (t.block % 7, t.slot % 3, **t));
        }
        for (tid, keys) in all {
            builder.add(*tid, &gin_row(keys)).unwrap();
        }
        let mut noted = 0;
        let built = builder
            .finish(&t, &mut |n| {
                noted = n;
                Ok(())
            })
            .unwrap();
        let pairs: usize = model.values().map(|k| k.len()).sum();
        let distinct: BTreeSet<_> = model.values().flatten().collect();
        assert_eq!((built.entries, built.keys, noted), (pairs as u64, distinct.len() as u64, pairs as u64));
        t.commit().unwrap();
        storage.wal().flush_all().unwrap();
        drop((t, gin, storage));
        disk.crash(seed);
        let storage = open(&disk);
        let gin = Gin::open(&storage, INDEX, SMALL_LIST);
        let stats = gin.stats().unwrap();
        assert_eq!(stats.entries, distinct.len() as u64);
        assert!(stats.total_pages as u64 >= stats.entry_pages as u64 + stats.data_pages as u64);
        compare(&storage, &gin, &model, &mut rng, kind, &format!("seed {seed}: built"));
        let t = begin(&storage);
        for n in 0..1500 {
            let keys = random_keys(&mut rng, kind);
            let n = rows + n * 3;
            gin.insert(&t, &gin_row(&keys), tid(n)).unwrap();
            model.insert(tid(n), keys);
        }
        compare(&storage, &gin, &model, &mut rng, kind, &format!("seed {seed}: grown"));
        // Counting anew by vacuum comes to the same.
        gin.bulk_delete(&|_| false).unwrap();
        compare(&storage, &gin, &model, &mut rng, kind, &format!("seed {seed}: cleaned"));
    }
}

#[test]
fn long_lists_are_small_and_skipped_through() {
    let (storage, gin) = make(&FaultDisk::new(), DIRECT);
    let t = begin(&storage);
    let mut builder = GinBuilder::new(&gin, 64 << 20);
    let mut row = GinRow::new();
    for n in 0..200_000 {
        row.clear();
        row.push(1, category::NORMAL, b"all");
        if n % 50_000 == 7 {
            row.push(1, category::NORMAL, b"few");
        }
        if n % 2 == 1 {
            row.push(1, category::NORMAL, b"odd");
        }
        row.finish();
        builder.add(tid(n), &row).unwrap();
    }
    let built = builder.finish(&t, &mut |_| Ok(())).unwrap();
    t.commit().unwrap();
    // About a byte each.
    assert!(built.blocks < 60, "{} pages", built.blocks);
    let stats = gin.stats().unwrap();
    assert_eq!((stats.entries, built.entries), (3, 300_004));
    assert!(stats.data_pages > stats.entry_pages, "{stats:?}");
    let key = |names: &[&str]| GinScanKey {
        entries: names.iter().map(|n| GinEntry::key(1, category::NORMAL, n.as_bytes())).collect(),
        also: vec![],
        exclude_only: false,
        unless: vec![],
        consistent: consistent(&Ask::All),
        all: Some(Ternary::True),
    };
    let snap = begin(&storage).statement_snapshot();
    // It asks whether to go on at each leaf.
    let (mut leaves, mut found) = (0, 0);
    let (mut check, mut emit) = (
        || {
            leaves += 1;
            Ok(())
        },
        |_, _| {
            found += 1;
            Ok(())
        },
    );
    gin.search(&snap, &[key(&["all", "odd", "few"])], 1 << 20, &mut check, &mut emit).unwrap();
    assert_eq!(found, 4);
    assert!(leaves < 12, "{leaves} leaves read for four rows");
    assert_eq!(search(&gin, &storage, &[key(&["all"])]).len(), 200_000);
    assert_eq!(search(&gin, &storage, &[key(&["all"]), key(&["odd"])]).len(), 100_000);
    assert!(search(&gin, &storage, &[key(&["all", "none"])]).is_empty());
    // Emptied in the middle of a list, its pages go.
    let stats = gin.bulk_delete(&|t| (500..3500).contains(&t.block)).unwrap();
    assert!(stats.pages_deleted > 15, "{} pages removed", stats.pages_deleted);
    assert_eq!(search(&gin, &storage, &[key(&["all"])]).len(), 50_000);
}

#[test]
fn long_keys_are_refused_as_postgresql_does() {
    let (storage, gin) = make(&FaultDisk::new(), SMALL_LIST);
    let t = begin(&storage);
    let mut rng = FaultRng::new(1);
    let noise: Vec<u8> = (0..9000).map(|_| rng.below(256) as u8).collect();
    let row = |key: &[u8]| {
        let mut row = GinRow::new();
        row.push(1, category::NORMAL, key);
        row.finish();
        row
    };
    for n in 0..30 {
        gin.insert(&t, &row(&noise[..2694 - n % 3]), tid(n as u32)).unwrap();
    }
    gin.insert(&t, &row(&vec![b'x'; 50_000]), tid(100)).unwrap();
    gin.clean_pending(&mut || Ok(())).unwrap();
    gin.check().unwrap();
    let e = gin.insert(&t, &row(&noise[..2720]), tid(1)).unwrap_err();
    assert_eq!(e.sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    assert_eq!(e.message(), "index row size 2736 exceeds maximum 2712 for index \"g\"");
    let e = gin.insert(&t, &row(&noise), tid(1)).unwrap_err();
    assert_eq!(e.message(), "index row requires 9016 bytes, maximum size is 8191");
    assert!(gin.insert(&t, &row(b"k"), Tid { block: 1, slot: 5000 }).is_err());
}

#[test]
fn threads_insert_search_clean_and_vacuum() {
    const THREADS: u32 = 3;
    const EACH: u32 = 1500;
    for options in [SMALL_LIST, DIRECT] {
        let (storage, gin) = make(&FaultDisk::new(), options);
        let finished = AtomicU32::new(0);
        // Each row has "all", its thread's key and one of "even", "odd"; rows of blocks from a million on are dead.
        let row = |thread: u32, n: u32| {
            let mut row = GinRow::new();
            row.push(1, category::NORMAL, b"all");
            row.push(1, category::NORMAL, format!("thread {thread}").as_bytes());
            row.push(1, category::NORMAL, if n.is_multiple_of(2) { b"even" } else { b"odd" });
            row.push(1, category::NORMAL, format!("row {n}").as_bytes());
            row.finish();
            row
        };
        let key = |names: &[&str], ask: Ask| GinScanKey {
            entries: names.iter().map(|n| GinEntry::key(1, category::NORMAL, n.as_bytes())).collect(),
            also: vec![],
            exclude_only: false,
            unless: vec![],
            consistent: consistent(&ask),
            all: None,
        };
        // Rows below this are in, of every thread.
        let done: Vec<AtomicU32> = (0..THREADS).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (storage, gin, finished, done) = (&storage, &gin, &finished, &done);
                scope.spawn(move || {
                    let t = begin(storage);
                    for i in 0..EACH {
                        let n = i * THREADS + thread;
                        gin.insert(&t, &row(thread, n), tid(n)).unwrap();
                        gin.insert(&t, &row(thread, n), tid(50_000_000 + n)).unwrap();
                        done[thread as usize].store(i + 1, Ordering::SeqCst);
                    }
                    t.commit().unwrap();
                    finished.fetch_add(1, Ordering::SeqCst);
                });
            }
            scope.spawn(|| {
                while finished.load(Ordering::SeqCst) < THREADS {
                    let before: Vec<u32> = done.iter().map(|d| d.load(Ordering::SeqCst)).collect();
                    let all: BTreeSet<Tid> = search(&gin, &storage, &[key(&["all"], Ask::All)])
                        .into_iter()
                        .map(|(t, _)| t)
                        .collect();
                    for (thread, n) in before.iter().enumerate() {
                        let missing = (0..*n).find(|i| !all.contains(&tid(i * THREADS + thread as u32)));
                        assert_eq!(missing, None, "of thread {thread}");
                    }
                    // What was in before the search began has all its keys, wherever it is by now.
                    for (t, _) in search(&gin, &storage, &[key(&["all", "even", "odd"], Ask::FirstOnly)]) {
                        // A dead one may be losing them.
                        if t.block >= 1_000_000 {
                            continue;
                        }
                        let n = t.block * 50 + t.slot as u32 - 1;
                        assert!(n / THREADS >= before[(n % THREADS) as usize], "row {n} with half its keys");
                    }
                }
            });
            scope.spawn(|| {
                while finished.load(Ordering::SeqCst) < THREADS {
                    gin.bulk_delete(&|t| t.block >= 1_000_000).unwrap();
                    gin.clean_pending(&mut || Ok(())).unwrap();
                }
            });
        });
        gin.bulk_delete(&|t| t.block >= 1_000_000).unwrap();
        assert_eq!(gin.check().unwrap(), (THREADS * EACH * 4) as u64);
        let all = search(&gin, &storage, &[key(&["all"], Ask::All)]);
        assert!(all.into_iter().map(|(t, _)| t).eq((0..THREADS * EACH).map(tid)));
    }
}

/// Rows of the model whose keys a power cut may not take: all of them are found by each of their keys, and by none they lack.
fn check_durable(storage: &Arc<Storage>, gin: &Gin, durable: &Model, what: &str) {
    gin.check().unwrap_or_else(|e| panic!("{what}: {}", e.message()));
    let mut by_key: BTreeMap<&(u8, u8, Vec<u8>), BTreeSet<Tid>> = BTreeMap::new();
    for (tid, keys) in durable {
        for key in keys {
            by_key.entry(key).or_default().insert(*tid);
        }
    }
    for (key, tids) in by_key {
        let scan = GinScanKey {
            entries: vec![GinEntry::key(key.0, key.1, &key.2)],
            also: vec![],
            exclude_only: false,
            unless: vec![],
            consistent: consistent(&Ask::All),
            all: Some(Ternary::True),
        };
        // Others may be there that the log brought before the power failed.
        let found: BTreeSet<Tid> = search(gin, storage, &[scan])
            .into_iter()
            .map(|f| f.0)
            .filter(|t| durable.contains_key(t))
            .collect();
        assert_eq!(found, tids, "{what}: {key:?}");
    }
}

#[test]
fn power_fails_anywhere() {
    for seed in seeds(24) {
        let mut rng = FaultRng::new(seed);
        let options = if seed % 4 == 3 { DIRECT } else { SMALL_LIST };
        let disk = FaultDisk::new();
        let (storage, gin) = make(&disk, options);
        let mut durable = Model::new();
        let (mut model, mut doomed) = (Model::new(), BTreeSet::new());
        storage.wal().flush_all().unwrap();
        disk.fail_after(rng.below(250));
        let mut work = || -> quarry_common::Result<()> {
            for round in 0..30u32 {
                let t = begin(&storage);
                for n in 0..60 {
                    let n = round * 60 + n;
                    let keys = random_keys(&mut rng, seed % 3);
                    gin.insert(&t, &gin_row(&keys), tid(n))?;
                    model.insert(tid(n), keys);
                }
                if let Some(lsn) = t.commit()? {
                    storage.wal().flush_to(lsn)?;
                }
                storage.wal().flush_all()?;
                durable.clone_from(&model);
                match rng.below(4) {
                    0 => _ = gin.clean_pending(&mut || Ok(()))?,
                    1 => {
                        let part = 2 + rng.below(3) as u32;
                        let gone = |t: Tid| (t.block * 7 + t.slot as u32).is_multiple_of(part);
                        doomed = model.keys().copied().filter(|t| gone(*t)).collect();
                        model.retain(|t, _| !gone(*t));
                        durable.clone_from(&model);
                        gin.bulk_delete(&gone)?;
                        doomed.clear();
                    }
                    2 => storage.checkpoint().map(drop)?,
                    _ => {}
                }
            }
            Ok(())
        };
        let finished = work().is_ok();
        drop((gin, storage));
        disk.crash(seed);
        let storage = open(&disk);
        let gin = Gin::open(&storage, INDEX, options);
        let what = format!("seed {seed}, finished {finished}");
        check_durable(&storage, &gin, &durable, &what);
        // What was half done is done again.
        gin.clean_pending(&mut || Ok(())).unwrap();
        gin.bulk_delete(&|t| doomed.contains(&t)).unwrap();
        check_durable(&storage, &gin, &durable, &what);
        let mut left = 0;
        gin.each_tid(&mut |t| {
            left += usize::from(doomed.contains(&t));
            Ok(())
        })
        .unwrap();
        assert_eq!(left, 0, "{what}: dead rows");
    }
}

#[test]
fn unlogged_indexes_are_empty_after_a_crash() {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    Gin::create_as(&storage, &t, INDEX, Persistence::Unlogged).unwrap();
    t.commit().unwrap();
    let mut rng = FaultRng::new(1);
    let mut model = Model::new();
    let fill = |storage: &Arc<Storage>, gin: &Gin, model: &mut Model, rng: &mut FaultRng| {
        let t = begin(storage);
        for n in 0..800 {
            let keys = random_keys(rng, 1);
            gin.insert(&t, &gin_row(&keys), tid(n)).unwrap();
            model.insert(tid(n), keys);
        }
        t.commit().unwrap();
    };
    let gin = Gin::open(&storage, INDEX, SMALL_LIST);
    fill(&storage, &gin, &mut model, &mut rng);
    gin.bulk_delete(&|t| t.block == 3).unwrap();
    model.retain(|t, _| t.block != 3);
    compare(&storage, &gin, &model, &mut rng, 1, "unlogged");
    storage.wal().flush_all().unwrap();
    drop((t, gin, storage));
    disk.crash(1);
    let storage = open(&disk);
    let gin = Gin::open(&storage, INDEX, SMALL_LIST);
    let mut model = Model::new();
    compare(&storage, &gin, &model, &mut rng, 1, "after the crash");
    fill(&storage, &gin, &mut model, &mut rng);
    compare(&storage, &gin, &model, &mut rng, 1, "filled again");
}

#[test]
fn serializable_transactions_conflict_by_keys() {
    for options in [SMALL_LIST, DIRECT] {
        let (storage, gin) = make(&FaultDisk::new(), options);
        let row = |key: &[u8]| {
            let mut row = GinRow::new();
            row.push(1, category::NORMAL, key);
            row.finish();
            row
        };
        let look = |t: &Transaction, key: &[u8]| {
            let scan = GinScanKey {
                entries: vec![GinEntry::key(1, category::NORMAL, key)],
                also: vec![],
                exclude_only: false,
                unless: vec![],
                consistent: consistent(&Ask::All),
                all: Some(Ternary::True),
            };
            let snap = t.statement_snapshot();
            gin.search(&snap, &[scan], 1 << 20, &mut || Ok(()), &mut |_, _| Ok(())).unwrap()
        };
        // Each reads what the other writes.
        let (a, b) =
            (storage.begin(IsolationLevel::Serializable), storage.begin(IsolationLevel::Serializable));
        assert_eq!((look(&a, b"x"), look(&b, b"y")), (0, 0));
        a.assign_xid();
        b.assign_xid();
        let outcome = (|| {
            gin.insert(&a, &row(b"y"), tid(1))?;
            gin.insert(&b, &row(b"x"), tid(2))?;
            a.commit()?;
            b.commit()
        })();
        assert_eq!(outcome.unwrap_err().sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE);
        a.abort();
        b.abort();
        // One after the other is fine.
        let a = storage.begin(IsolationLevel::Serializable);
        look(&a, b"x");
        gin.insert(&a, &row(b"z"), tid(3)).unwrap();
        a.commit().unwrap();
    }
}
