//! BRIN against a model: whatever is inserted, summarised and taken away, crashes included, no row that meets the conditions is passed over.

mod common;

use common::{create, open, seeds};
use quarry_common::{BlockNo, Oid, SqlState, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::Heap;
use quarry_storage::index::{
    Brin, BrinBuilder, BrinCond, BrinKind, BrinOptions, BrinTest, IndexMethod, KeyRange,
};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::{IsolationLevel, Persistence, RelId, Storage, Transaction, check};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const INDEX: RelId = RelId::new(Oid(5), 30010);
const TABLE: RelId = RelId::new(Oid(5), 30011);

type Row = (Tid, Vec<Option<Vec<u8>>>);

fn begin(storage: &Arc<Storage>) -> Transaction {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    t.set_read_at_inserted(true);
    t
}

fn options(pages_per_range: u32) -> BrinOptions {
    let bloom = BrinKind::Bloom { n_distinct_per_range: -0.1, false_positive_rate: 0.05 };
    let columns = vec![BrinKind::MinMax, BrinKind::MinMaxMulti { values_per_range: 16 }, bloom];
    BrinOptions { pages_per_range, columns }
}

fn make(disk: &FaultDisk, persistence: Persistence, options: &BrinOptions) -> (Arc<Storage>, Brin) {
    let storage = create(disk);
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    Brin::create_as(&storage, &t, INDEX, persistence, options).unwrap();
    t.commit().unwrap();
    storage.wal().flush_all().unwrap();
    let index = Brin::open(&storage, INDEX).with_name("i");
    (storage, index)
}

fn refs(keys: &[Option<Vec<u8>>]) -> Vec<Option<&[u8]>> {
    keys.iter().map(Option::as_deref).collect()
}

fn random_key(rng: &mut FaultRng) -> Option<Vec<u8>> {
    match rng.below(20) {
        0 => None,
        1 => Some(vec![rng.below(256) as u8; rng.below(2000) as usize]),
        n => Some((n * 1000 + rng.below(30)).to_be_bytes().to_vec()),
    }
}

fn random_test(rng: &mut FaultRng) -> BrinTest {
    let key = |rng: &mut FaultRng| random_key(rng).unwrap_or_default();
    match rng.below(6) {
        0 => BrinTest::IsNull,
        1 => BrinTest::IsNotNull,
        2 => BrinTest::AnyOf((0..rng.below(4)).map(|_| key(rng)).collect()),
        3 => BrinTest::Equal(key(rng)),
        _ => {
            let mut bound = || match rng.below(3) {
                0 => Bound::Unbounded,
                1 => Bound::Included(key(rng)),
                _ => Bound::Excluded(key(rng)),
            };
            let (lower, upper) = (bound(), bound());
            BrinTest::Range(KeyRange::new(lower, upper))
        }
    }
}

fn meets(test: &BrinTest, key: Option<&Vec<u8>>) -> bool {
    let Some(key) = key else { return *test == BrinTest::IsNull };
    match test {
        BrinTest::IsNull => false,
        BrinTest::IsNotNull => true,
        BrinTest::Equal(k) => k == key,
        BrinTest::AnyOf(all) => all.contains(key),
        BrinTest::Range(r) => {
            (match &r.lower {
                Bound::Unbounded => true,
                Bound::Included(l) => key >= l,
                Bound::Excluded(l) => key > l,
            }) && (match &r.upper {
                Bound::Unbounded => true,
                Bound::Included(u) => key <= u,
                Bound::Excluded(u) => key < u,
            })
        }
    }
}

/// Nothing is missed; gives how many blocks were passed over.
fn compare(index: &Brin, rows: &[Row], heap_blocks: BlockNo, rng: &mut FaultRng, what: &str) -> u64 {
    index.check().unwrap();
    let mut skipped = 0;
    for _ in 0..30 {
        let conds: Vec<BrinCond> = (0..1 + rng.below(2))
            .map(|_| BrinCond { column: rng.below(3) as usize, test: random_test(rng) })
            .collect();
        let ranges = index.ranges(heap_blocks, &conds).unwrap();
        assert!(ranges.windows(2).all(|w| w[0].end < w[1].start), "{what}: {ranges:?}");
        assert!(ranges.iter().all(|r| r.start < r.end && r.end <= heap_blocks), "{what}: {ranges:?}");
        skipped += (heap_blocks - ranges.iter().map(|r| r.end - r.start).sum::<u32>()) as u64;
        for (tid, keys) in rows {
            if conds.iter().all(|c| meets(&c.test, keys[c.column].as_ref())) {
                let found = ranges.iter().any(|r| r.contains(&tid.block));
                assert!(found, "{what}: {tid} {keys:?} {conds:?}");
            }
        }
    }
    skipped
}

fn summarize(index: &Brin, rows: &[Row], block: BlockNo) -> bool {
    index
        .summarize(block, &mut |blocks, add| {
            rows.iter()
                .filter(|(tid, _)| blocks.contains(&tid.block))
                .try_for_each(|(_, keys)| add(&refs(keys)))
        })
        .unwrap()
}

#[test]
fn random_operations_match_a_model_through_crashes() {
    for seed in seeds(8) {
        let disk = FaultDisk::new();
        let per_range = [1, 4, 16][seed as usize % 3];
        let (mut storage, mut index) = make(&disk, Persistence::Permanent, &options(per_range));
        let mut rng = FaultRng::new(seed);
        let mut rows: Vec<Row> = Vec::new();
        let mut blocks: BlockNo = 1;
        let mut skipped = 0;
        for round in 0..8 {
            let what = format!("seed {seed} round {round}");
            let t = begin(&storage);
            for _ in 0..rng.below(600) {
                if rng.below(5) == 0 {
                    blocks += 1;
                }
                let block = if rng.below(10) == 0 { rng.below(blocks as u64) as u32 } else { blocks - 1 };
                let tid = Tid { block, slot: 1 + rng.below(200) as u16 };
                // Neighbours are alike, so that there is something to pass over.
                let keys: Vec<_> = (0..3)
                    .map(|_| match rng.below(4) {
                        0 => random_key(&mut rng),
                        _ => Some((block as u64 / 8).to_be_bytes().to_vec()),
                    })
                    .collect();
                index.insert(&t, &refs(&keys), tid).unwrap();
                rows.push((tid, keys));
            }
            t.commit().unwrap();
            let missing = index.unsummarized(blocks, rng.below(2) == 0).unwrap();
            for block in missing {
                if rng.below(4) > 0 {
                    assert!(summarize(&index, &rows, block));
                    assert!(!summarize(&index, &rows, block), "it has one now");
                }
            }
            if rng.below(3) == 0 {
                let block = rng.below(blocks as u64) as u32;
                index.desummarize(block).unwrap();
                assert!(!index.desummarize(block).unwrap());
            }
            if rng.below(3) == 0 {
                // An error in the middle leaves a placeholder, which counts for nothing.
                for block in index.unsummarized(blocks, true).unwrap().into_iter().take(2) {
                    let failed = index.summarize(block, &mut |_, _| Err(quarry_common::Error::cancelled()));
                    assert!(failed.is_err());
                    assert!(index.unsummarized(blocks, true).unwrap().contains(&block));
                }
            }
            skipped += compare(&index, &rows, blocks, &mut rng, &what);
            if rng.below(3) == 0 {
                storage.wal().flush_all().unwrap();
                drop((t, index, storage));
                disk.crash(rng.next_u64());
                storage = open(&disk);
                index = Brin::open(&storage, INDEX).with_name("i");
                compare(&index, &rows, blocks, &mut rng, &what);
            }
            index.cleanup().unwrap();
        }
        assert!(skipped > 200, "seed {seed}: {skipped}");
        assert_eq!(index.bulk_delete(&|_| true).unwrap().entries, index.check().unwrap());
        storage.shutdown().unwrap();
        drop((index, storage));
        check::check_or_error(&open(&disk)).unwrap();
    }
}

#[test]
fn a_crash_at_any_moment_leaves_an_index_that_misses_nothing() {
    for seed in seeds(60) {
        let disk = FaultDisk::new();
        let (storage, index) = make(&disk, Persistence::Permanent, &options(2));
        let mut rng = FaultRng::new(seed);
        disk.fail_after(1 + rng.below(300));
        let t = begin(&storage);
        let mut rows: Vec<Row> = Vec::new();
        let mut durable = 0;
        'work: for n in 0..3000u32 {
            let keys: Vec<_> = (0..3).map(|_| random_key(&mut rng)).collect();
            let tid = Tid { block: n / 20, slot: (n % 20) as u16 + 1 };
            // The row is in the table before it comes to the index.
            rows.push((tid, keys.clone()));
            if index.insert(&t, &refs(&keys), tid).is_err() {
                rows.pop();
                break;
            }
            if n % 40 == 39 {
                let scan = &mut |blocks: std::ops::Range<u32>, add: &mut quarry_storage::index::brin::summarize::RowKeys<'_>| {
                    rows.iter().filter(|(tid, _)| blocks.contains(&tid.block)).try_for_each(|(_, keys)| add(&refs(keys)))
                };
                if index.summarize(n / 20, scan).is_err()
                    || (rng.below(9) == 0 && index.desummarize(rng.below(20) as u32).is_err())
                {
                    break 'work;
                }
            }
            if n % 50 == 0 && storage.wal().flush_all().is_ok() {
                durable = rows.len();
            }
            if n % 400 == 0 && storage.checkpoint().is_err() {
                break;
            }
        }
        disk.kill();
        drop((t, index, storage));
        disk.crash(seed);
        let storage = open(&disk);
        let index = Brin::open(&storage, INDEX);
        rows.truncate(durable);
        compare(&index, &rows, 200, &mut rng, &format!("seed {seed}"));
        for block in index.unsummarized(200, true).unwrap() {
            assert!(summarize(&index, &rows, block));
        }
        compare(&index, &rows, 200, &mut rng, &format!("seed {seed}, summarised"));
        assert_eq!(index.check().unwrap(), 100);
    }
}

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(8), Width::Var]))
}

fn row(key: u64) -> Vec<u8> {
    let layout = layout();
    let mut b = RowBuilder::new();
    b.begin(&layout);
    b.fixed(&key.to_be_bytes());
    b.var(&[7; 200]);
    b.finish().to_vec()
}

#[test]
fn summarising_beside_inserts_loses_no_row() {
    let disk = FaultDisk::new();
    let (storage, _) = make(&disk, Persistence::Permanent, &options(2));
    let t = begin(&storage);
    Heap::create(&storage, &t, TABLE).unwrap();
    let rel = RelId::new(Oid(5), 30020);
    let columns = vec![BrinKind::MinMax];
    Brin::create_as(&storage, &t, rel, Persistence::Permanent, &BrinOptions { pages_per_range: 2, columns })
        .unwrap();
    t.commit().unwrap();
    let (heap, index) = (Heap::open(&storage, TABLE, None, layout()), Brin::open(&storage, rel));
    let stop = AtomicBool::new(false);
    let next = AtomicU64::new(0);
    std::thread::scope(|s| {
        let (heap, index, storage, stop, next) = (&heap, &index, &storage, &stop, &next);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                s.spawn(move || {
                    for _ in 0..40 {
                        let t = begin(storage);
                        for _ in 0..50 {
                            let n = next.fetch_add(1, Ordering::Relaxed);
                            let key = (n * 7919) % 100_000;
                            let tid = heap.insert(&t, &row(key)).unwrap();
                            index.insert(&t, &[Some(&key.to_be_bytes())], tid).unwrap();
                        }
                        t.commit().unwrap();
                    }
                })
            })
            .collect();
        s.spawn(move || {
            let layout = layout();
            let mut rng = FaultRng::new(1);
            while !stop.load(Ordering::Acquire) {
                let blocks = heap.blocks().unwrap();
                for block in index.unsummarized(blocks, true).unwrap() {
                    index
                        .summarize(block, &mut |blocks, add| {
                            heap.scan_any(blocks, &mut |_, body| {
                                add(&[Some(RowRef::new(&layout, body).fixed(0))])
                            })
                        })
                        .unwrap();
                }
                if blocks > 0 {
                    index.desummarize(rng.below(blocks as u64) as u32).unwrap();
                }
            }
        });
        writers.into_iter().for_each(|w| w.join().unwrap());
        stop.store(true, Ordering::Release);
    });
    let blocks = heap.blocks().unwrap();
    index.check().unwrap();
    let layout = layout();
    heap.scan_any(0..blocks, &mut |tid, body| {
        let key = RowRef::new(&layout, body).fixed(0).to_vec();
        let conds = [BrinCond { column: 0, test: BrinTest::Equal(key) }];
        assert!(index.ranges(blocks, &conds).unwrap().iter().any(|r| r.contains(&tid.block)), "{tid}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_build_summarises_all_ranges() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Permanent, &options(1));
    let mut builder = BrinBuilder::new(&index).unwrap();
    let mut rng = FaultRng::new(9);
    // More ranges than one page of the range map has; some blocks are empty.
    let rows: Vec<Row> = (0..4000u32)
        .filter(|n| n % 100 != 17)
        .map(|n| {
            let key = Some((n as u64 / 10).to_be_bytes().to_vec());
            (Tid { block: n, slot: 1 }, vec![key.clone(), key.clone(), key])
        })
        .collect();
    for (tid, keys) in &rows {
        builder.add(tid.block, &refs(keys)).unwrap();
    }
    assert_eq!(builder.finish(4000).unwrap(), 4000);
    assert_eq!(index.unsummarized(4000, true).unwrap(), vec![]);
    assert!(compare(&index, &rows, 4000, &mut rng, "built") > 10_000);
    let equal = |column, n: u64| BrinCond { column, test: BrinTest::Equal(n.to_be_bytes().to_vec()) };
    assert_eq!(index.ranges(4000, &[equal(0, 30)]).unwrap(), vec![300..310]);
    assert_eq!(index.ranges(4000, &[equal(1, 31)]).unwrap(), vec![310..317, 318..320]);
    assert_eq!(index.ranges(4000, &[equal(0, 30), equal(1, 31)]).unwrap(), vec![]);
    // What has been added to the table since has no summary.
    assert_eq!(index.ranges(4003, &[equal(0, 30)]).unwrap(), vec![300..310, 4000..4003]);
    let costs = index.costs().unwrap();
    assert_eq!((costs.pages_per_range, costs.map_pages), (1, 3));
    let t = begin(&storage);
    assert_eq!(index.insert(&t, &[None, None, None], Tid { block: 4002, slot: 1 }).unwrap(), Some(4001));
    assert_eq!(index.insert(&t, &[None, None, None], Tid { block: 4002, slot: 2 }).unwrap(), None);
    assert_eq!(index.insert(&t, &[None, None, None], Tid { block: 4000, slot: 1 }).unwrap(), None);
    // Far away, by a page of the range map of its own.
    assert!(summarize(&index, &[], u32::MAX - 5));
    assert!(index.desummarize(u32::MAX - 5).unwrap());
}

#[test]
fn unlogged_ones_are_empty_after_a_crash() {
    let disk = FaultDisk::new();
    let (storage, index) = make(&disk, Persistence::Unlogged, &options(4));
    for block in 0..50 {
        assert!(summarize(&index, &[], block * 4));
    }
    assert_eq!(index.check().unwrap(), 50);
    storage.wal().flush_all().unwrap();
    drop((index, storage));
    disk.crash(3);
    let storage = open(&disk);
    let index = Brin::open(&storage, INDEX);
    assert_eq!(index.check().unwrap(), 0);
    assert_eq!(index.options().unwrap(), options(4));
    assert!(summarize(&index, &[], 0));
}

#[test]
fn serializable_transactions_conflict_by_the_whole_index() {
    let (storage, index) = make(&FaultDisk::new(), Persistence::Permanent, &options(1));
    let (a, b) = (storage.begin(IsolationLevel::Serializable), storage.begin(IsolationLevel::Serializable));
    for t in [&a, &b] {
        let conds = [BrinCond { column: 0, test: BrinTest::IsNull }];
        index.matching_ranges(&t.statement_snapshot(), 3, &conds).unwrap();
        t.assign_xid();
    }
    let outcome = (|| {
        index.insert(&a, &[None, None, None], Tid { block: 1, slot: 1 })?;
        index.insert(&b, &[None, None, None], Tid { block: 2, slot: 1 })?;
        a.commit()?;
        b.commit()
    })();
    assert_eq!(outcome.unwrap_err().sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE);
    a.abort();
    b.abort();
}
