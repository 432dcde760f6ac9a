//! Building an index beside writers, step by step: what each snapshot gives, what is added later, who is waited for.

mod common;

use common::create;
use quarry_common::{Oid, Tid};
use quarry_storage::disk::FaultDisk;
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions};
use quarry_storage::index::{BTree, BuildOutcome, Direction, InsertOutcome, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::sort::{
    BuildRows, EntryRef, EntryRuns, EntrySink, IndexRow, RowSink, build_index, build_tree, rows_without_entry,
};
use quarry_storage::{Config, IsolationLevel, LockMode, LockTag, RelId, Storage, Transaction, WaitPolicy};
use std::sync::Arc;
use std::sync::mpsc::channel;

const TABLE: RelId = RelId::new(Oid(5), 30020);
const INDEX: RelId = RelId::new(Oid(5), 30021);
const LOCK: LockTag = LockTag::Relation { db: Oid(5), oid: Oid(30020) };

fn begin(storage: &Arc<Storage>) -> Transaction {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    t.set_read_at_inserted(true);
    t
}

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(8), Width::Fixed(8)]))
}

fn row(key: u64, other: u64) -> Vec<u8> {
    let layout = layout();
    let mut b = RowBuilder::new();
    b.begin(&layout);
    b.fixed(&key.to_be_bytes());
    b.fixed(&other.to_be_bytes());
    b.finish().to_vec()
}

fn key_of(body: &[u8]) -> Vec<u8> {
    let layout = layout();
    RowRef::new(&layout, body).fixed(0).to_vec()
}

fn setup() -> (Arc<Storage>, Heap, BTree) {
    setup_in(create(&FaultDisk::new()))
}

fn setup_in(storage: Arc<Storage>) -> (Arc<Storage>, Heap, BTree) {
    let t = begin(&storage);
    storage.create_database_dir(&t, Oid(5)).unwrap();
    Heap::create(&storage, &t, TABLE).unwrap();
    BTree::create(&storage, &t, INDEX).unwrap();
    t.commit().unwrap();
    let heap = Heap::open(&storage, TABLE, None, layout());
    let tree = BTree::open(&storage, INDEX, true).with_name("i");
    (storage, heap, tree)
}

fn entries(tree: &BTree) -> Vec<(u64, Tid)> {
    let mut scan = tree.scan(KeyRange::full(), Direction::Forward);
    let mut out = vec![];
    while let Some(e) = scan.next().unwrap() {
        out.push((u64::from_be_bytes(e.key.try_into().unwrap()), e.tid));
    }
    out
}

fn update(heap: &Heap, t: &Transaction, tid: Tid, row: &[u8], hot: bool) -> Tid {
    let options = UpdateOptions { hot_allowed: hot, key_unchanged: hot };
    match heap.update(t, &t.statement_snapshot(), tid, row, options, WaitPolicy::Block).unwrap() {
        ModifyResult::Done { tid, hot: done } => {
            assert_eq!(done, hot);
            tid
        }
        other => panic!("{other:?}"),
    }
}

/// Puts the missing entries in as the executor does; the tids that had none.
fn complete(heap: &Heap, tree: &BTree, t: &Transaction) -> Vec<Tid> {
    let snapshot = t.statement_snapshot();
    let mut added = vec![];
    rows_without_entry(heap, tree, t, &snapshot, 1 << 20, &mut |tid, body| {
        added.push(tid);
        let outcome = tree.insert_missing(t, &key_of(body), &[], tid, UniqueCheck::Enforce(heap))?;
        assert_eq!(outcome, InsertOutcome::Inserted);
        Ok(())
    })
    .unwrap();
    added
}

#[test]
fn two_steps_find_every_row_once() {
    let (storage, heap, tree) = setup();
    let t = begin(&storage);
    let tids: Vec<Tid> = (0..500).map(|n| heap.insert(&t, &row(n, 0)).unwrap()).collect();
    t.commit().unwrap();
    // Before the build: a chain whose last member has another key than its first.
    let t = begin(&storage);
    update(&heap, &t, tids[499], &row(10_499, 1), true);
    t.commit().unwrap();
    // Running while it is built: one that ends before the second step, and one that has been undone by then.
    let (late, undone) = (begin(&storage), begin(&storage));
    let late_tid = heap.insert(&late, &row(20_000, 0)).unwrap();
    heap.insert(&undone, &row(20_001, 0)).unwrap();
    let moved = update(&heap, &late, tids[8], &row(20_008, 0), false);

    let builder = begin(&storage);
    let snapshot = builder.statement_snapshot();
    let mut make = |_, body: &[u8], key: &mut Vec<u8>, _: &mut Vec<u8>| {
        key.extend_from_slice(&key_of(body));
        Ok(IndexRow::Entry { may_conflict: true })
    };
    let (outcome, scan) =
        build_index(&heap, &tree, &builder, BuildRows::SeenBy(&snapshot), 1 << 20, &mut make).unwrap();
    assert!(matches!(outcome, BuildOutcome::Built { entries: 500, .. }), "{outcome:?}");
    assert!(!scan.left_out);
    assert!(entries(&tree).contains(&(10_499, tids[499])), "the key seen, at the chain's root");
    assert!(entries(&tree).contains(&(8, tids[8])), "not ended yet");
    drop(snapshot);
    builder.commit().unwrap();

    late.commit().unwrap();
    undone.abort();
    // Writers put their rows in by now.
    let writer = begin(&storage);
    let own = heap.insert(&writer, &row(30_000, 0)).unwrap();
    tree.insert(&writer, &30_000u64.to_be_bytes(), &[], own, UniqueCheck::Enforce(&heap)).unwrap();
    writer.commit().unwrap();

    let t = begin(&storage);
    let mut expected = vec![late_tid, moved];
    expected.sort();
    assert_eq!(complete(&heap, &tree, &t), expected);
    assert_eq!(complete(&heap, &tree, &t), vec![], "nothing is missing any more");
    // Nor does the very entry come twice.
    tree.insert_missing(&t, &30_000u64.to_be_bytes(), &[], own, UniqueCheck::None).unwrap();
    assert_eq!(entries(&tree).iter().filter(|(k, _)| *k == 30_000).count(), 1);
    let other = tree.insert_missing(&t, &30_000u64.to_be_bytes(), &[], tids[9], UniqueCheck::Enforce(&heap));
    assert_eq!(other.unwrap(), InsertOutcome::Conflict { tid: own });
    t.commit().unwrap();
    // 500 rows, one of them with an entry of its former version, two that came late, one of a writer.
    assert_eq!(entries(&tree).len(), 503);
}

#[test]
fn versions_that_only_old_snapshots_see_are_told_of() {
    let (storage, heap, tree) = setup();
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(1, 0)).unwrap();
    let durable = |t: Transaction| {
        let csn = t.commit().unwrap().expect("it has written");
        storage.wal().wait_durable_blocking(csn).unwrap();
    };
    durable(t);
    let build = || {
        let t = begin(&storage);
        let left_out = heap.index_build_scan(&t, &mut |_, _| Ok(()), &mut |_, _, _| Ok(())).unwrap().left_out;
        t.abort();
        left_out
    };
    assert!(!build());
    let reader = storage.begin(IsolationLevel::RepeatableRead);
    let old = reader.statement_snapshot();
    let t = begin(&storage);
    update(&heap, &t, tid, &row(2, 0), true);
    durable(t);
    assert!(build(), "the reader sees the first version, which has no entry");
    drop(old);
    reader.abort();
    assert!(!build());
    drop(tree);
}

#[test]
fn lockers_and_old_snapshots_are_waited_for() {
    let (storage, heap, _) = setup();
    let writer = begin(&storage);
    writer.lock(LOCK, LockMode::RowExclusive, WaitPolicy::Block).unwrap();
    let reader = begin(&storage);
    reader.lock(LOCK, LockMode::AccessShare, WaitPolicy::Block).unwrap();
    let seen = reader.statement_snapshot();
    let t = begin(&storage);
    heap.insert(&t, &row(1, 0)).unwrap();
    t.commit().unwrap();

    let builder = begin(&storage);
    builder.lock(LOCK, LockMode::ShareUpdateExclusive, WaitPolicy::Block).unwrap();
    let mut told = vec![];
    let (done, ended) = channel();
    std::thread::scope(|s| {
        let waiting = s.spawn(|| {
            builder
                .wait_for_lockers(&[LOCK], LockMode::Share, &mut |total, done, _| told.push((total, done)))
                .unwrap();
            done.send("lockers").unwrap();
            // The reader has none that conflicts, but a snapshot from before the insert.
            let csn = builder.statement_snapshot().csn();
            builder.wait_for_older_snapshots(csn, &|_| true, &mut |_, _, _| ()).unwrap();
            done.send("snapshots").unwrap();
        });
        let waits =
            || storage.locks().list().iter().any(|l| !l.granted && matches!(l.tag, LockTag::Virtual(_)));
        let until_it_waits = || {
            while !waits() {
                std::thread::yield_now();
            }
        };
        until_it_waits();
        // Nobody stands behind it.
        let other = begin(&storage);
        other.lock(LOCK, LockMode::RowExclusive, WaitPolicy::NoWait).map(|free| assert!(free)).unwrap();
        assert!(ended.try_recv().is_err());
        writer.commit().unwrap();
        assert_eq!(ended.recv(), Ok("lockers"));
        until_it_waits();
        assert!(ended.try_recv().is_err());
        drop(seen);
        reader.commit().unwrap();
        assert_eq!(ended.recv(), Ok("snapshots"));
        waiting.join().unwrap();
        other.commit().unwrap();
    });
    assert_eq!(told, vec![(1, 0), (1, 1)]);
}

/// One thread's part; refuses some keys.
struct Sink {
    runs: EntryRuns,
    refused: Vec<u64>,
    long: bool,
}

impl RowSink for Sink {
    fn row(&mut self, tid: Tid, body: &[u8], live: bool) -> quarry_common::Result<()> {
        let mut key = key_of(body);
        let n = u64::from_be_bytes(key.as_slice().try_into().unwrap());
        if self.refused.contains(&n) {
            return Err(quarry_common::Error::internal(n.to_string()));
        }
        if self.long {
            key.extend_from_slice(&[7; 40]);
        }
        self.runs.push(EntryRef { key: &key, payload: &[], tid, unique: live })
    }
    fn end(&mut self) -> quarry_common::Result<()> {
        self.runs.end()
    }
}

impl EntrySink for Sink {
    fn into_runs(self) -> EntryRuns {
        self.runs
    }
}

#[test]
fn threads_build_what_one_would() {
    const ROWS: u64 = 60_000;
    let (storage, heap, tree) = setup();
    let t = begin(&storage);
    let mut expected: Vec<(u64, Tid)> = (0..ROWS)
        .map(|n| {
            let key = n * 7919 % (ROWS / 2);
            (key, heap.insert(&t, &row(key, n)).unwrap())
        })
        .collect();
    t.commit().unwrap();
    expected.sort_unstable();
    let build = |tree: &BTree, threads: usize, memory: usize, long: bool, refused: &[u64]| {
        let t = begin(&storage);
        let sink =
            || Sink { runs: EntryRuns::new(storage.disk().clone(), memory), refused: refused.to_vec(), long };
        let sinks = (0..threads).map(|_| sink()).collect();
        let built = build_tree(&heap, tree, &t, BuildRows::All, memory, sinks);
        t.commit().unwrap();
        built
    };
    // Of the rows refused, the first in the table is named, whoever comes to which first.
    let first = |keys: &[u64]| (0..ROWS).map(|n| n * 7919 % (ROWS / 2)).find(|k| keys.contains(k)).unwrap();
    for keys in [[5, 700], [29_999, 3]] {
        let refused = build(&tree, 3, 1 << 20, false, &keys).unwrap_err();
        assert_eq!(refused.message(), first(&keys).to_string());
    }
    for (rel, threads, memory, long) in [
        (30031, 1, 64 << 20, false),
        (30032, 3, 64 << 20, false),
        (30033, 3, 64 << 10, false),
        (30034, 2, 64 << 10, true),
    ] {
        let rel = RelId::new(Oid(5), rel);
        let t = begin(&storage);
        BTree::create(&storage, &t, rel).unwrap();
        t.commit().unwrap();
        let tree = BTree::open(&storage, rel, false);
        let (outcome, scan) = build(&tree, threads, memory, long, &[]).unwrap();
        assert!(matches!(outcome, BuildOutcome::Built { entries: ROWS, .. }), "{outcome:?}");
        assert_eq!(scan.live_rows, ROWS);
        assert_eq!(tree.check().unwrap(), ROWS);
        let mut got = vec![];
        let mut scan = tree.scan(KeyRange::full(), Direction::Forward);
        while let Some(e) = scan.next().unwrap() {
            got.push((u64::from_be_bytes(e.key[..8].try_into().unwrap()), e.tid));
        }
        assert!(got == expected, "{threads} threads");
        // A unique one finds the same rows in each other's way.
        let unique = BTree::open(&storage, rel, true);
        assert!(build(&unique, threads, memory, long, &[]).is_err(), "it isn't empty");
    }
    let (outcome, _) = build(&BTree::open(&storage, INDEX, true), 3, 64 << 20, false, &[]).unwrap();
    let BuildOutcome::Duplicate { first, second, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!([first, second], [expected[0].1, expected[1].1]);
}

/// Two threads' build in a pool large enough for a third one that logs.
fn build_logged_apart(
    storage: &Arc<Storage>,
    heap: &Heap,
    tree: &BTree,
) -> quarry_common::Result<BuildOutcome> {
    let t = begin(storage);
    // Its commit is logged.
    t.assign_xid();
    let sink =
        || Sink { runs: EntryRuns::new(storage.disk().clone(), 64 << 20), refused: vec![], long: false };
    let (outcome, _) = build_tree(heap, tree, &t, BuildRows::All, 64 << 20, vec![sink(), sink()])?;
    if let Some(lsn) = t.commit()? {
        storage.wal().wait_durable_blocking(lsn)?;
    }
    Ok(outcome)
}

#[test]
fn pages_logged_by_a_thread_outlive_a_crash_and_a_full_log() {
    const ROWS: u64 = 100_000;
    const OTHER: RelId = RelId::new(Oid(5), 30022);
    let large =
        || Config { shared_buffers_bytes: 4096 * 8192, wal_buffers_bytes: 1 << 20, ..common::small() };
    let disk = FaultDisk::new();
    let created = Storage::create(Arc::new(disk.clone()), large()).expect("a fresh disk has no faults");
    let (storage, heap, tree) = setup_in(created);
    let t = begin(&storage);
    for n in 0..ROWS {
        heap.insert(&t, &row(n * 7919 % ROWS, n)).unwrap();
    }
    BTree::create(&storage, &t, OTHER).unwrap();
    t.commit().unwrap();
    // The log is full halfway: the build fails, and nobody waits for it.
    disk.set_capacity(Some(disk.used() + (512 << 10)));
    let full = build_logged_apart(&storage, &heap, &BTree::open(&storage, OTHER, true)).unwrap_err();
    assert_eq!(full.message(), "could not extend the write-ahead log: No space left on device");
    disk.set_capacity(None);
    let built = build_logged_apart(&storage, &heap, &tree).unwrap();
    assert!(matches!(built, BuildOutcome::Built { entries: ROWS, .. }), "{built:?}");
    drop((heap, tree));
    disk.kill();
    drop(storage);
    disk.crash(7);
    let storage = Storage::open(Arc::new(disk.clone()), large()).expect("recovery succeeds");
    let tree = BTree::open(&storage, INDEX, true);
    assert_eq!(tree.check().unwrap(), ROWS);
    assert!(entries(&tree).iter().map(|e| e.0).eq(0..ROWS));
}
