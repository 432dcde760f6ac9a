//! What storage costs below everything: descents and inserts of the B-tree, reading a page's rows column by column, sorting rows by
//! their keys. The disk is in memory and the pool holds all.
//!
//! `cargo bench -p quarry-benches --bench storage`; a word after `--` picks the cases whose name has it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quarry_common::{Oid, Tid};
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, UniqueCheck};
use quarry_storage::row::{FixedColumn, RowBuilder, RowLayout, VarColumn, Width};
use quarry_storage::sort::ExternalSort;
use quarry_storage::{Config, IsolationLevel, RelId, Storage, Transaction};
use quarry_testkit::rng::Rng;

const DATABASE: Oid = Oid(5);
const INDEX: RelId = RelId::new(DATABASE, 30010);
const TABLE: RelId = RelId::new(DATABASE, 30011);
const KEYS: u64 = 500_000;
const ROWS: u64 = 50_000;

fn storage() -> (Arc<Storage>, Arc<dyn Disk>) {
    let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
    let config = Config { shared_buffers_bytes: 256 << 20, max_wal_size_bytes: 1 << 30, ..Config::default() };
    let storage = Storage::create(disk.clone(), config).expect("a fresh disk has no faults");
    let made = begin(&storage);
    storage.create_database_dir(&made, DATABASE).expect("a fresh disk has room");
    made.commit().expect("nobody is in the way");
    (storage, disk)
}

fn begin(storage: &Arc<Storage>) -> Transaction {
    storage.begin(IsolationLevel::ReadCommitted)
}

/// Spread over the whole range, and the same for the same number.
fn key(n: u64) -> [u8; 8] {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn tid(n: u64) -> Tid {
    Tid { block: (n / 100) as u32, slot: (n % 100) as u16 + 1 }
}

fn btree(c: &mut Criterion) {
    let (storage, _) = storage();
    let txn = begin(&storage);
    BTree::create(&storage, &txn, INDEX).expect("a fresh disk has room");
    let tree = BTree::open(&storage, INDEX, false);
    let insert = |n: u64| tree.insert(&txn, &key(n), b"", tid(n), UniqueCheck::None).expect("room is left");
    for n in 0..KEYS {
        insert(n);
    }
    let mut group = c.benchmark_group("btree");
    let (mut rng, mut found) = (Rng::new(1), vec![]);
    group.bench_function("lookup of one of 500,000 keys", |b| {
        b.iter(|| {
            found.clear();
            tree.lookup(black_box(&key(rng.below(KEYS))), &mut found).expect("no page is damaged");
            found.len()
        });
    });
    let mut next = KEYS;
    group.throughput(Throughput::Elements(1));
    group.bench_function("insert of a key anywhere", |b| {
        b.iter(|| {
            next += 1;
            insert(next)
        });
    });
    group.finish();
}

fn heap(c: &mut Criterion) {
    let (storage, _) = storage();
    let txn = begin(&storage);
    let widths = [Width::Fixed(4), Width::Fixed(8), Width::Var, Width::Fixed(4), Width::Var];
    let layout = Arc::new(RowLayout::new(&widths));
    Heap::create(&storage, &txn, TABLE).expect("a fresh disk has room");
    let heap = Heap::open(&storage, TABLE, None, layout.clone());
    let mut row = RowBuilder::new();
    for n in 0..ROWS {
        row.begin(&layout);
        row.fixed(&(n as u32).to_le_bytes());
        row.fixed(&n.to_le_bytes());
        row.var(format!("a text, number {n}").as_bytes());
        row.fixed(&7u32.to_le_bytes());
        row.var(b"filler of some more bytes than that");
        heap.insert(&txn, row.finish()).expect("room is left");
    }
    txn.commit().expect("nobody is in the way");
    let reader = begin(&storage);
    reader.set_read_at_inserted(true);
    let number = FixedColumn::of(&layout, 1).expect("it is fixed");
    let text = VarColumn::of(&layout, 2).expect("it varies");
    let mut group = c.benchmark_group("heap");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("scan of 50,000 rows, an integer and a text of each", |b| {
        b.iter(|| {
            let mut scan = heap.scan(reader.statement_snapshot(), None);
            let (mut sum, mut bytes) = (0u64, 0);
            loop {
                let more = scan.next_rows(|page| {
                    for i in 0..page.len() {
                        let value = number.get(page.body(i)).and_then(|v| v.first_chunk());
                        sum = sum.wrapping_add(value.map_or(0, |v| u64::from_le_bytes(*v)));
                    }
                    for i in 0..page.len() {
                        bytes += text.get(page.body(i)).map_or(0, <[u8]>::len);
                    }
                    Ok(())
                });
                if !more.expect("no page is damaged") {
                    break;
                }
            }
            assert_eq!(sum, ROWS * (ROWS - 1) / 2);
            bytes
        });
    });
    group.finish();
}

fn sort(c: &mut Criterion) {
    let (_storage, disk) = storage();
    let mut rng = Rng::new(2);
    let keys: Vec<[u8; 16]> = (0..100_000)
        .map(|_| (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).to_be_bytes())
        .collect();
    let mut group = c.benchmark_group("sort");
    group.throughput(Throughput::Elements(keys.len() as u64));
    for (name, memory) in
        [("100,000 rows in memory", 256 << 20), ("100,000 rows in 1 MB and temporary files", 1 << 20)]
    {
        group.bench_function(name, |b| {
            b.iter_batched(
                || ExternalSort::new(disk.clone(), memory),
                |mut sort| {
                    keys.iter().for_each(|k| sort.push(k, b"a row of some bytes").expect("room is left"));
                    let mut sorted = sort.finish().expect("room is left");
                    let mut rows = 0;
                    while let Some(row) = sorted.next().expect("no file is damaged") {
                        rows += black_box(row).0.len().min(1);
                    }
                    assert_eq!(rows, keys.len());
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = btree, heap, sort }
criterion_main!(benches);
