//! The heap against a model: versions, visibility, HOT, pruning, row locks, TOAST, vacuum.

mod common;

use common::{create, open};
use quarry_common::{Oid, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode, UpdateOptions};
use quarry_storage::index::{BTree, Direction, IndexMethod, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, VarValue, Width};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::{Fork, IsolationLevel, RelId, Snapshot, Storage, Transaction, WaitPolicy, check};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const TOAST: RelId = RelId::new(Oid(5), 30001);
const INDEX: RelId = RelId::new(Oid(5), 30002);
const HOT: UpdateOptions = UpdateOptions { hot_allowed: true, key_unchanged: true };
const COLD: UpdateOptions = UpdateOptions { hot_allowed: false, key_unchanged: true };

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]))
}

fn row(id: u32, text: &[u8]) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&id.to_le_bytes());
    b.var(text);
    b.finish().to_vec()
}

fn heap(storage: &Arc<Storage>) -> Heap {
    Heap::open(storage, TABLE, Some(TOAST), layout())
}

fn make(disk: &FaultDisk) -> (Arc<Storage>, Heap) {
    let storage = create(disk);
    let txn = begin(&storage);
    storage.create_database_dir(&txn, Oid(5)).unwrap();
    Heap::create(&storage, &txn, TABLE).unwrap();
    Heap::create(&storage, &txn, TOAST).unwrap();
    commit(&txn);
    let heap = heap(&storage);
    (storage, heap)
}

fn begin(storage: &Arc<Storage>) -> Transaction {
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    txn.set_read_at_inserted(true);
    txn
}

fn commit(txn: &Transaction) {
    txn.commit().unwrap();
}

fn snap(txn: &Transaction) -> Snapshot {
    txn.advance_command();
    txn.statement_snapshot()
}

fn id_and_text(heap: &Heap, body: &[u8]) -> (u32, Vec<u8>) {
    let layout = layout();
    let r = RowRef::new(&layout, body);
    (u32::from_le_bytes(r.fixed_array(0)), heap.detoast(r.var(1)).unwrap().to_vec())
}

fn all(heap: &Heap, snap: Snapshot) -> Vec<(Tid, u32, Vec<u8>)> {
    let mut out = Vec::new();
    let mut scan = heap.scan(snap, None);
    while scan
        .next_page(&mut |tid, body| {
            let (id, text) = id_and_text(heap, body);
            out.push((tid, id, text));
            Ok(())
        })
        .unwrap()
    {}
    out
}

fn done(r: ModifyResult) -> (Tid, bool) {
    match r {
        ModifyResult::Done { tid, hot } => (tid, hot),
        other => panic!("{other:?}"),
    }
}

#[test]
fn own_changes_show_by_command_and_others_by_commit() {
    let (storage, heap) = make(&FaultDisk::new());
    let a = begin(&storage);
    let s0 = snap(&a);
    let tid = heap.insert(&a, &row(1, b"one")).unwrap();
    assert_eq!(all(&heap, s0).len(), 0);
    let s1 = snap(&a);
    assert_eq!(all(&heap, s1.clone()).len(), 1);
    let b = begin(&storage);
    assert_eq!(all(&heap, snap(&b)).len(), 0);
    let (second, hot) = done(heap.update(&a, &s1, tid, &row(1, b"two"), HOT, WaitPolicy::Block).unwrap());
    assert!(hot);
    assert_eq!(
        heap.update(&a, &s1, tid, &row(1, b"x"), HOT, WaitPolicy::Block).unwrap(),
        ModifyResult::SelfModified { same_command: true }
    );
    let s2 = snap(&a);
    assert_eq!(all(&heap, s2.clone()), vec![(second, 1, b"two".to_vec())]);
    // Through the root, as an index would.
    assert_eq!(heap.fetch(&s2, tid, |t, _| t).unwrap(), Some(second));
    // An older snapshot of the same transaction (a cursor) still sees the first version.
    assert_eq!(all(&heap, s1), vec![(tid, 1, b"one".to_vec())]);
    commit(&a);
    assert_eq!(all(&heap, snap(&b)).len(), 1);
}

#[test]
fn repeatable_read_keeps_its_view_and_pruning_waits_for_it() {
    let (storage, heap) = make(&FaultDisk::new());
    let t = begin(&storage);
    let mut tid = heap.insert(&t, &row(7, b"v0")).unwrap();
    let root = tid;
    commit(&t);
    let reader = storage.begin(IsolationLevel::RepeatableRead);
    reader.set_read_at_inserted(true);
    let view = reader.statement_snapshot();
    for i in 1..=300 {
        let t = begin(&storage);
        let s = snap(&t);
        let text = format!("v{i}{}", "x".repeat(50));
        (tid, _) = done(heap.update(&t, &s, tid, &row(7, text.as_bytes()), HOT, WaitPolicy::Block).unwrap());
        commit(&t);
    }
    assert_eq!(all(&heap, view.clone()), vec![(root, 7, b"v0".to_vec())]);
    assert_eq!(heap.fetch(&view, root, |t, _| t).unwrap(), Some(root));
    let before = heap.blocks().unwrap();
    assert_eq!(before, 1, "it holds back only what it sees");
    drop(view);
    reader.abort();
    storage.wal().flush_all().unwrap();
    let mut hot = 0;
    for i in 0..300 {
        let t = begin(&storage);
        let s = snap(&t);
        let text = format!("w{i}{}", "x".repeat(50));
        let r = done(heap.update(&t, &s, tid, &row(7, text.as_bytes()), HOT, WaitPolicy::Block).unwrap());
        tid = r.0;
        hot += r.1 as u32;
        commit(&t);
        storage.wal().flush_all().unwrap();
    }
    assert!(hot > 290, "{hot} of 300 updates were HOT");
    assert!(heap.blocks().unwrap() <= before + 1);
}

/// Updates each row `rounds` times, so many per transaction, each transaction durable before the next.
fn storm(storage: &Arc<Storage>, heap: &Heap, tids: &mut [Tid], rounds: u32, per_txn: usize) {
    let flush = || {
        storage.wal().flush_all().unwrap();
    };
    update_all(storage, heap, tids, rounds, per_txn, &flush);
}

fn update_all(
    storage: &Arc<Storage>,
    heap: &Heap,
    tids: &mut [Tid],
    rounds: u32,
    per_txn: usize,
    after: &dyn Fn(),
) {
    for round in 0..rounds {
        let text = format!("{round:08}{}", "y".repeat(72));
        for (from, part) in tids.chunks_mut(per_txn).enumerate() {
            let t = begin(storage);
            let s = snap(&t);
            for (i, tid) in part.iter_mut().enumerate() {
                let new = row((from * per_txn + i) as u32, text.as_bytes());
                *tid = done(heap.update(&t, &s, *tid, &new, HOT, WaitPolicy::Block).unwrap()).0;
            }
            commit(&t);
            after();
        }
    }
}

fn thousand_rows(storage: &Arc<Storage>, heap: &Heap) -> Vec<Tid> {
    let t = begin(storage);
    let text = "x".repeat(80);
    let tids = (0..1000).map(|id| heap.insert(&t, &row(id, text.as_bytes())).unwrap()).collect();
    commit(&t);
    storage.wal().flush_all().unwrap();
    tids
}

#[test]
fn an_old_reader_holds_back_only_what_it_sees() {
    let (storage, heap) = make(&FaultDisk::new());
    let mut tids = thousand_rows(&storage, &heap);
    let first = tids.clone();
    let blocks = heap.blocks().unwrap();
    let reader = storage.begin(IsolationLevel::RepeatableRead);
    let before = all(&heap, reader.statement_snapshot());
    assert_eq!(before.len(), 1000);
    reader.statement_done();
    storm(&storage, &heap, &mut tids, 100, 20);
    // Its second half begins with another reader, who sees a version in between.
    let second = storage.begin(IsolationLevel::RepeatableRead);
    let between = all(&heap, second.statement_snapshot());
    second.statement_done();
    storm(&storage, &heap, &mut tids, 100, 20);
    let grown = heap.blocks().unwrap();
    assert!(grown <= 4 * blocks, "{blocks} pages grew to {grown}");
    assert_eq!(all(&heap, reader.statement_snapshot()), before);
    assert_eq!(all(&heap, second.statement_snapshot()), between);
    let stats = heap.vacuum(&[], &VacuumOptions::default()).unwrap();
    assert_eq!(stats.live_tuples, 1000.0);
    assert_eq!(all(&heap, reader.statement_snapshot()), before);
    assert_eq!(all(&heap, second.statement_snapshot()), between);
    // A change of a row that went on without it is refused, though the next version is gone.
    let s = reader.statement_snapshot();
    let refused = heap.update(&reader, &s, first[0], &row(0, b"no"), HOT, WaitPolicy::Block).unwrap();
    assert!(matches!(refused, ModifyResult::Updated { .. }), "{refused:?}");
    drop(s);
    let mut rows: Vec<u32> = all(&heap, snap(&begin(&storage))).iter().map(|r| r.1).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..1000).collect::<Vec<u32>>());
    reader.abort();
    second.abort();
    let stats = heap.vacuum(&[], &VacuumOptions::default()).unwrap();
    assert_eq!((stats.live_tuples, stats.dead_not_yet_removable), (1000.0, 0));
    check::check_or_error(&storage).unwrap();
}

#[test]
fn hot_updates_reuse_their_pages() {
    let (storage, heap) = make(&FaultDisk::new());
    let mut tids = thousand_rows(&storage, &heap);
    let blocks = heap.blocks().unwrap();
    storm(&storage, &heap, &mut tids, 50, 10);
    let grown = heap.blocks().unwrap();
    assert!(grown <= (blocks * 6).div_ceil(5), "{blocks} pages grew to {grown}");
}

#[test]
fn versions_go_before_they_are_durable() {
    let (storage, heap) = make(&FaultDisk::new());
    let mut tids = thousand_rows(&storage, &heap);
    let blocks = heap.blocks().unwrap();
    let durable = storage.wal().flushed();
    let shown = || {
        let t = storage.begin(IsolationLevel::ReadCommitted);
        let rows = all(&heap, t.statement_snapshot());
        commit(&t);
        rows
    };
    let before = shown();
    let reader = storage.begin(IsolationLevel::ReadCommitted);
    let old = reader.statement_snapshot();
    // The log is large enough for all of it, and nobody waits for a commit.
    for _ in 0..10 {
        update_all(&storage, &heap, &mut tids, 3, 20, &|| ());
        assert_eq!(shown(), before);
    }
    assert_eq!(storage.wal().flushed(), durable, "the log was flushed meanwhile");
    // Of each row, what is shown and what will be, and what is being written; then no more.
    let grown = heap.blocks().unwrap();
    assert!(2 * grown <= 5 * blocks, "{blocks} pages grew to {grown}");
    // Who goes on from what it sees gets to the newest version.
    let seen = before[17].0;
    let moved = heap.update(&reader, &old, seen, &row(17, b"mine"), HOT, WaitPolicy::Block).unwrap();
    let ModifyResult::Updated { mut next } = moved else { panic!("{moved:?}") };
    let newest = loop {
        match heap.lock(&reader, &old, next, RowLockMode::NoKeyUpdate, WaitPolicy::Block).unwrap() {
            ModifyResult::Done { tid, .. } => break tid,
            ModifyResult::Updated { next: at } => next = at,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(newest, tids[17]);
    // Its next statement shows at least what it has taken over.
    drop(old);
    let after = all(&heap, reader.statement_snapshot());
    assert!(after.iter().any(|(tid, id, _)| (*tid, *id) == (newest, 17)));
    reader.abort();
    storage.wal().flush_all().unwrap();
    let mut now: Vec<Tid> = shown().iter().map(|(tid, _, _)| *tid).collect();
    let mut newest = tids.clone();
    now.sort_unstable();
    newest.sort_unstable();
    assert_eq!(now, newest);
    check::check_or_error(&storage).unwrap();
}

#[test]
fn random_changes_match_a_model() {
    for seed in 0..3u64 {
        println!("seed {seed}");
        let disk = FaultDisk::new();
        let (mut storage, mut heap) = make(&disk);
        let mut rng = FaultRng::new(seed);
        let mut model: BTreeMap<u32, (Tid, Vec<u8>)> = BTreeMap::new();
        let mut next = 0u32;
        for round in 0..60 {
            let txn = begin(&storage);
            let mut inner = model.clone();
            let mut changed = std::collections::HashSet::new();
            let mut s = snap(&txn);
            for _ in 0..rng.below(60) {
                if rng.below(5) == 0 {
                    s = snap(&txn);
                    changed.clear();
                }
                let len = match rng.below(40) {
                    0 => 5000 + rng.below(200_000),
                    1..=4 => 1500 + rng.below(4000),
                    _ => rng.below(200),
                } as usize;
                let random = rng.below(2) == 0;
                let text: Vec<u8> =
                    (0..len).map(|i| if random { rng.next_u64() as u8 } else { i as u8 / 16 }).collect();
                let pick = if inner.is_empty() {
                    None
                } else {
                    inner.keys().nth(rng.below(inner.len() as u64) as usize).copied()
                };
                match (rng.below(10), pick) {
                    (0..=3, _) | (_, None) => {
                        let tid = heap.insert(&txn, &row(next, &text)).unwrap();
                        inner.insert(next, (tid, text));
                        changed.insert(next);
                        next += 1;
                    }
                    (4, _) => {
                        let rows: Vec<Vec<u8>> =
                            (0..rng.below(300)).map(|i| row(next + i as u32, b"bulk")).collect();
                        let refs: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
                        let mut tids = Vec::new();
                        heap.insert_many(&txn, &refs, &mut tids).unwrap();
                        assert_eq!(tids.len(), rows.len());
                        for tid in tids {
                            inner.insert(next, (tid, b"bulk".to_vec()));
                            changed.insert(next);
                            next += 1;
                        }
                    }
                    (5..=7, Some(id)) if !changed.contains(&id) => {
                        let opts = if rng.below(3) == 0 { COLD } else { HOT };
                        let tid = inner[&id].0;
                        let (tid, _) = done(
                            heap.update(&txn, &s, tid, &row(id, &text), opts, WaitPolicy::Block).unwrap(),
                        );
                        inner.insert(id, (tid, text));
                        changed.insert(id);
                    }
                    (8, Some(id)) if !changed.contains(&id) => {
                        done(heap.delete(&txn, &s, inner[&id].0, WaitPolicy::Block).unwrap());
                        inner.remove(&id);
                    }
                    (_, Some(id)) if !changed.contains(&id) => {
                        done(
                            heap.lock(&txn, &s, inner[&id].0, RowLockMode::Update, WaitPolicy::Block)
                                .unwrap(),
                        );
                    }
                    _ => {}
                }
            }
            if rng.below(4) == 0 {
                txn.abort();
            } else {
                commit(&txn);
                model = inner;
            }
            if rng.below(6) == 0 {
                storage.wal().flush_all().unwrap();
                heap.vacuum(
                    &[],
                    &VacuumOptions { lock_for_truncate: Some(&|| Ok(true)), ..Default::default() },
                )
                .unwrap();
            }
            if rng.below(15) == 0 {
                storage.wal().flush_all().unwrap();
                drop(txn);
                drop(heap);
                drop(storage);
                disk.crash(rng.next_u64());
                storage = open(&disk);
                heap = self::heap(&storage);
            }
            let reader = begin(&storage);
            let mut got: BTreeMap<u32, (Tid, Vec<u8>)> = BTreeMap::new();
            for (tid, id, text) in all(&heap, snap(&reader)) {
                assert!(got.insert(id, (tid, text)).is_none(), "seed {seed} round {round}: {id} twice");
            }
            assert!(got.keys().eq(model.keys()), "seed {seed} round {round}: rows differ");
            for (id, (tid, text)) in &model {
                assert!(got[id].1 == *text, "seed {seed} round {round}: text of {id} differs");
                assert_eq!(got[id].0, *tid, "seed {seed} round {round}: place of {id}");
            }
        }
        check::check_or_error(&storage).unwrap();
    }
}

#[test]
fn toast_space_comes_back() {
    let (storage, heap) = make(&FaultDisk::new());
    let mut rng = FaultRng::new(1);
    let big: Vec<u8> = (0..300_000).map(|_| rng.next_u64() as u8).collect();
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(1, &big)).unwrap();
    let s = snap(&t);
    // An update that keeps the stored value shares its chunks.
    let chunks = storage.pool().blocks(TOAST, Fork::Main).unwrap();
    assert!(chunks > 30);
    let kept = heap
        .fetch(&s, tid, |_, body| {
            let layout = layout();
            let r = RowRef::new(&layout, body);
            assert!(matches!(r.var(1), VarValue::External(_)));
            let mut b = RowBuilder::new();
            b.begin(&layout);
            b.fixed(&2u32.to_le_bytes());
            b.copy_column(&r, 1);
            b.finish().to_vec()
        })
        .unwrap()
        .unwrap();
    let (tid, _) = done(heap.update(&t, &s, tid, &kept, HOT, WaitPolicy::Block).unwrap());
    assert_eq!(storage.pool().blocks(TOAST, Fork::Main).unwrap(), chunks);
    let s = snap(&t);
    assert_eq!(all(&heap, s.clone()), vec![(tid, 2, big.clone())]);
    done(heap.delete(&t, &s, tid, WaitPolicy::Block).unwrap());
    commit(&t);
    drop(s);
    storage.wal().flush_all().unwrap();
    let options = VacuumOptions { toast_lock_for_truncate: Some(&|| Ok(true)), ..Default::default() };
    heap.vacuum(&[], &options).unwrap();
    assert_eq!(storage.pool().blocks(TOAST, Fork::Main).unwrap(), 0);
    // Compressible values stay in line.
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(3, &vec![7; 100_000])).unwrap();
    let s = snap(&t);
    assert_eq!(all(&heap, s), vec![(tid, 3, vec![7; 100_000])]);
    assert_eq!(storage.pool().blocks(TOAST, Fork::Main).unwrap(), 0);
}

#[test]
fn row_locks_conflict_as_documented() {
    use RowLockMode::*;
    let (storage, heap) = make(&FaultDisk::new());
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(1, b"x")).unwrap();
    commit(&t);
    let modes = [KeyShare, Share, NoKeyUpdate, Update];
    for held in modes {
        for wanted in modes {
            let a = begin(&storage);
            let b = begin(&storage);
            done(heap.lock(&a, &snap(&a), tid, held, WaitPolicy::Block).unwrap());
            let got = heap.lock(&b, &snap(&b), tid, wanted, WaitPolicy::NoWait).unwrap();
            let conflict = match (held, wanted) {
                (KeyShare, Update) | (Update, _) => true,
                (KeyShare, _) => false,
                (Share, w) => w >= NoKeyUpdate,
                (NoKeyUpdate, w) => w >= Share,
            };
            assert_eq!(got == ModifyResult::WouldBlock, conflict, "{held:?} held, {wanted:?} wanted");
            a.abort();
            done(heap.lock(&b, &snap(&b), tid, wanted, WaitPolicy::NoWait).unwrap());
            b.abort();
        }
    }
    // A key-share lock goes on to the new version of a running non-key update, and holds up a delete.
    let (a, b, c) = (begin(&storage), begin(&storage), begin(&storage));
    let (new, _) = done(heap.update(&a, &snap(&a), tid, &row(1, b"y"), HOT, WaitPolicy::Block).unwrap());
    done(heap.lock(&b, &snap(&b), tid, KeyShare, WaitPolicy::NoWait).unwrap());
    commit(&a);
    let s = snap(&c);
    assert_eq!(heap.delete(&c, &s, new, WaitPolicy::NoWait).unwrap(), ModifyResult::WouldBlock);
    let moved = heap.delete(&c, &s, tid, WaitPolicy::NoWait).unwrap();
    assert!(matches!(moved, ModifyResult::Updated { next } if next.tid == new), "{moved:?}");
    done(heap.lock(&c, &s, new, NoKeyUpdate, WaitPolicy::NoWait).unwrap());
    b.abort();
    done(heap.delete(&c, &s, new, WaitPolicy::NoWait).unwrap());
    commit(&c);
}

#[test]
fn waiting_writers_follow_the_committed_version() {
    let (storage, heap) = make(&FaultDisk::new());
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(1, b"0")).unwrap();
    commit(&t);
    let a = begin(&storage);
    let (next, _) = done(heap.update(&a, &snap(&a), tid, &row(1, b"1"), HOT, WaitPolicy::Block).unwrap());
    let (started, waiting) = channel();
    std::thread::scope(|scope| {
        let (storage, heap) = (&storage, &heap);
        let waiter = scope.spawn(move || {
            let b = begin(storage);
            let s = snap(&b);
            started.send(()).unwrap();
            let r = heap.update(&b, &s, tid, &row(1, b"2"), HOT, WaitPolicy::Block).unwrap();
            let ModifyResult::Updated { next } = r else { panic!("{r:?}") };
            let next = done(heap.lock(&b, &s, next, RowLockMode::NoKeyUpdate, WaitPolicy::Block).unwrap()).0;
            let (last, _) = done(heap.update(&b, &s, next, &row(1, b"3"), HOT, WaitPolicy::Block).unwrap());
            commit(&b);
            (next, last)
        });
        waiting.recv().unwrap();
        commit(&a);
        let (saw, last) = waiter.join().unwrap();
        assert_eq!(saw, next);
        let r = begin(storage);
        assert_eq!(all(heap, snap(&r)), vec![(last, 1, b"3".to_vec())]);
    });
}

#[test]
fn concurrent_counters_add_up() {
    const THREADS: u32 = 6;
    const ROUNDS: u32 = 200;
    let (storage, heap) = make(&FaultDisk::new());
    let index = {
        let t = begin(&storage);
        BTree::create(&storage, &t, INDEX).unwrap();
        let index = BTree::open(&storage, INDEX, true);
        for id in 0..4u32 {
            let tid = heap.insert(&t, &row(id, &0u32.to_le_bytes())).unwrap();
            index.insert(&t, &id.to_be_bytes(), b"", tid, UniqueCheck::Enforce(&heap)).unwrap();
        }
        commit(&t);
        index
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (storage, heap, index) = (&storage, &heap, &index);
            scope.spawn(move || {
                let mut rng = FaultRng::new(thread as u64);
                for round in 0..ROUNDS {
                    let t = begin(storage);
                    let id = rng.below(4) as u32;
                    let s = snap(&t);
                    let mut scan = index.scan(KeyRange::point(&id.to_be_bytes()), Direction::Forward);
                    let mut found = None;
                    while let Some(e) = scan.next().unwrap() {
                        if let Some(x) = heap.fetch(&s, e.tid, |t, b| (t, id_and_text(heap, b))).unwrap() {
                            assert!(found.is_none(), "two visible versions");
                            found = Some(x);
                        }
                    }
                    let (mut tid, (_, mut text)) = found.expect("visible");
                    loop {
                        let n = u32::from_le_bytes(text[..4].try_into().unwrap()) + 1;
                        let hot_allowed = rng.below(3) > 0;
                        let opts = UpdateOptions { hot_allowed, key_unchanged: true };
                        let mut new = n.to_le_bytes().to_vec();
                        new.resize(4 + rng.below(300) as usize, 0);
                        match heap.update(&t, &s, tid, &row(id, &new), opts, WaitPolicy::Block).unwrap() {
                            ModifyResult::Done { tid, hot } => {
                                if !hot {
                                    index
                                        .insert(&t, &id.to_be_bytes(), b"", tid, UniqueCheck::Enforce(heap))
                                        .unwrap();
                                }
                                break;
                            }
                            ModifyResult::Updated { next } => {
                                let mut at = next;
                                tid = loop {
                                    match heap
                                        .lock(&t, &s, at, RowLockMode::NoKeyUpdate, WaitPolicy::Block)
                                        .unwrap()
                                    {
                                        ModifyResult::Done { tid, .. } => break tid,
                                        ModifyResult::Updated { next } => at = next,
                                        other => panic!("{other:?}"),
                                    }
                                };
                                text =
                                    heap.fetch_exact(tid, |_, _, b| id_and_text(heap, b)).unwrap().unwrap().1;
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    commit(&t);
                    if round % 50 == 49 {
                        storage.wal().flush_all().unwrap();
                    }
                    if round % 60 == 59 && thread == 0 {
                        let indexes: [&dyn IndexMethod; 1] = [index];
                        heap.vacuum(&indexes, &VacuumOptions::default()).unwrap();
                    }
                }
            });
        }
    });
    let t = begin(&storage);
    let rows = all(&heap, snap(&t));
    assert_eq!(rows.len(), 4);
    let sum: u32 = rows.iter().map(|(_, _, text)| u32::from_le_bytes(text[..4].try_into().unwrap())).sum();
    assert_eq!(sum, THREADS * ROUNDS);
    index.check().unwrap();
}

#[test]
fn rows_lie_in_the_order_they_came_in() {
    let disk = FaultDisk::new();
    let (storage, heap) = make(&disk);
    let seed = 7;
    println!("seed {seed}");
    let mut rng = FaultRng::new(seed);
    let t = begin(&storage);
    let mut tids = Vec::new();
    for batch in 0..40 {
        let texts: Vec<Vec<u8>> = (0..100).map(|_| vec![b'x'; 200 + rng.below(100) as usize]).collect();
        let rows: Vec<Vec<u8>> = (0..).zip(&texts).map(|(i, text)| row(batch * 100 + i, text)).collect();
        let refs: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        heap.insert_many(&t, &refs, &mut tids).unwrap();
        tids.push(heap.insert(&t, &row(u32::MAX, &texts[0])).unwrap());
    }
    commit(&t);
    assert!(tids.is_sorted(), "a row went to a page before its predecessor's");
}

#[test]
fn pages_that_were_never_used_change_no_figure() {
    let disk = FaultDisk::new();
    let (storage, heap) = make(&disk);
    let t = begin(&storage);
    let rows: Vec<Vec<u8>> = (0..6000).map(|id| row(id, b"some text")).collect();
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let mut tids = Vec::new();
    heap.insert_many(&t, &rows, &mut tids).unwrap();
    commit(&t);
    drop(t);
    storage.wal().flush_all().unwrap();
    let mut last_counted = None;
    for _ in 0..3 {
        let stats = heap.vacuum(&[], &VacuumOptions { last_counted, ..Default::default() }).unwrap();
        assert!(stats.pages > tids[tids.len() - 1].block + 2, "a table grows by several pages: {stats:?}");
        assert_eq!((stats.live_tuples, stats.pages_all_visible), (6000.0, stats.pages));
        last_counted = Some((stats.pages, stats.live_tuples));
    }
}

#[test]
fn vacuum_sets_the_visibility_map_and_changes_clear_it() {
    let disk = FaultDisk::new();
    let (storage, heap) = make(&disk);
    let t = begin(&storage);
    BTree::create(&storage, &t, INDEX).unwrap();
    let index = BTree::open(&storage, INDEX, false);
    let mut tids = Vec::new();
    for id in 0..2000u32 {
        let tid = heap.insert(&t, &row(id, b"some text")).unwrap();
        index.insert(&t, &id.to_be_bytes(), b"", tid, UniqueCheck::None).unwrap();
        tids.push(tid);
    }
    commit(&t);
    drop(t);
    storage.wal().flush_all().unwrap();
    let indexes: [&dyn IndexMethod; 1] = [&index];
    let stats = heap.vacuum(&indexes, &VacuumOptions::default()).unwrap();
    assert_eq!((stats.live_tuples, stats.dead_removed), (2000.0, 0));
    assert_eq!(stats.pages_all_visible, stats.pages);
    assert!(heap.all_visible(tids[0].block).unwrap());
    let t = begin(&storage);
    let s = snap(&t);
    for tid in tids.iter().step_by(2) {
        done(heap.delete(&t, &s, *tid, WaitPolicy::Block).unwrap());
    }
    commit(&t);
    drop((s, t));
    assert!(!heap.all_visible(tids[0].block).unwrap());
    storage.wal().flush_all().unwrap();
    let stats = heap.vacuum(&indexes, &VacuumOptions::default()).unwrap();
    assert_eq!((stats.live_tuples, stats.dead_removed, stats.slots_freed), (1000.0, 1000, 1000));
    assert_eq!(stats.indexes[0].removed, 1000);
    assert_eq!(index.check().unwrap(), 1000);
    assert!(heap.all_visible(tids[0].block).unwrap());
    // The freed space is used again, also after a restart.
    let blocks = heap.blocks().unwrap();
    storage.shutdown().unwrap();
    drop((heap, index, storage));
    let storage = open(&disk);
    let heap = self::heap(&storage);
    let t = begin(&storage);
    for id in 0..900u32 {
        heap.insert(&t, &row(id, b"some text")).unwrap();
    }
    commit(&t);
    assert!(heap.blocks().unwrap() <= blocks + 1, "{} pages instead of {blocks}", heap.blocks().unwrap());
    check::check_or_error(&storage).unwrap();
}

#[test]
fn subtransactions_take_their_changes_along() {
    let (storage, heap) = make(&FaultDisk::new());
    let t = begin(&storage);
    let tid = heap.insert(&t, &row(1, b"outer")).unwrap();
    let level = t.savepoint();
    let s = snap(&t);
    done(heap.update(&t, &s, tid, &row(1, b"inner"), HOT, WaitPolicy::Block).unwrap());
    heap.insert(&t, &row(2, b"inner")).unwrap();
    assert_eq!(all(&heap, snap(&t)).len(), 2);
    t.rollback_to(level);
    assert_eq!(all(&heap, snap(&t)), vec![(tid, 1, b"outer".to_vec())]);
    let s = snap(&t);
    let (new, _) = done(heap.update(&t, &s, tid, &row(1, b"again"), HOT, WaitPolicy::Block).unwrap());
    commit(&t);
    let r = begin(&storage);
    assert_eq!(all(&heap, snap(&r)), vec![(new, 1, b"again".to_vec())]);
}

/// A vacuum that skips pages right after a restart keeps what the last process knew of them; a shorter table gets a shorter map.
#[test]
fn the_saved_free_space_map_outlives_vacuums_and_cuts() {
    let disk = FaultDisk::new();
    let (storage, table) = make(&disk);
    {
        let t = begin(&storage);
        for id in 0..400 {
            table.insert(&t, &row(id, &[7; 300])).unwrap();
        }
        commit(&t);
    }
    let vacuum = |heap: &Heap| heap.vacuum(&[], &VacuumOptions::default()).unwrap();
    // A third of the rows of every page goes; what stays is visible to all, and the next vacuum has nothing to do.
    {
        let t = begin(&storage);
        let rows = all(&table, snap(&t));
        for (tid, _, _) in rows.iter().filter(|(_, id, _)| id % 3 == 0) {
            let s = snap(&t);
            assert!(matches!(table.delete(&t, &s, *tid, WaitPolicy::Block), Ok(ModifyResult::Done { .. })));
        }
        commit(&t);
    }
    vacuum(&table);
    let free = storage.relation_states().get(TABLE).free_bytes();
    assert!(free > 40_000);
    storage.shutdown().unwrap();
    drop((table, storage));
    let storage = open(&disk);
    let table = heap(&storage);
    vacuum(&table);
    let state = storage.relation_states().get(TABLE);
    assert!(state.free_bytes() >= free, "{} of {free} bytes", state.free_bytes());
    assert_eq!(state.map_problems(&storage, TABLE).unwrap(), []);
    // Whatever was promised beyond the end, nobody is sent there.
    state.record(5000, 4000);
    assert_eq!(state.map_problems(&storage, TABLE).unwrap().len(), 1);
    state.record(20_000, 4000);
    state.save(&storage, TABLE).unwrap();
    assert_eq!(storage.relation_blocks(TABLE, Fork::Fsm).unwrap(), 3);
    state.truncate(table.blocks().unwrap());
    assert_eq!(state.map_problems(&storage, TABLE).unwrap(), []);
    state.save(&storage, TABLE).unwrap();
    assert_eq!(storage.relation_blocks(TABLE, Fork::Fsm).unwrap(), 1);
    check::check_or_error(&storage).unwrap();
}
