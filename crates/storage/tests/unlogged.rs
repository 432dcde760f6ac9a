//! Relations that are not in the log: kept over an orderly stop, empty after a crash (temporary ones gone), wherever it happens.

mod common;

use common::{create, open, small};
use quarry_common::{Lsn, Oid, Result};
use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, Direction, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, Width};
use quarry_storage::sequence::{Sequence, SequenceChange, SequenceState};
use quarry_storage::vacuum::{IndexCleanup, VacuumOptions};
use quarry_storage::{Fork, IsolationLevel, PageId, Persistence, RelId, Storage, Transaction, check};
use std::sync::Arc;

const DB: Oid = Oid(5);
const TABLE: RelId = RelId::new(DB, 30000);
const TOAST: RelId = RelId::new(DB, 30001);
const INDEX: RelId = RelId::new(DB, 30002);
const SEQUENCE: RelId = RelId::new(DB, 30003);
/// Beside them, in the log.
const LOGGED: RelId = RelId::new(DB, 30010);

const FIRST: SequenceState = SequenceState { last_value: 7, log_count: 0, is_called: false };

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]))
}

fn heap(storage: &Arc<Storage>, rel: RelId) -> Heap {
    Heap::open(storage, rel, (rel == TABLE).then_some(TOAST), layout())
}

fn make_database(storage: &Arc<Storage>) {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&t, DB).unwrap();
    t.commit().unwrap();
}

fn make(storage: &Arc<Storage>, t: &Transaction, persistence: Persistence) -> Result<()> {
    Heap::create_as(storage, t, TABLE, persistence)?;
    Heap::create_as(storage, t, TOAST, persistence)?;
    BTree::create_as(storage, t, INDEX, persistence)?;
    Heap::create_as(storage, t, SEQUENCE, persistence)?;
    Sequence::open(storage, SEQUENCE).create(t, &FIRST)?;
    Heap::create(storage, t, LOGGED)
}

fn fill(storage: &Arc<Storage>, t: &Transaction, ids: std::ops::Range<u32>) -> Result<()> {
    let layout = layout();
    let (table, tree) = (heap(storage, TABLE), BTree::open(storage, INDEX, true));
    for id in ids {
        // Some rows have values out of line.
        let text: Vec<u8> =
            (0..if id % 50 == 0 { 9000 } else { 200 }).map(|n| (n * n) as u8 ^ id as u8).collect();
        let mut b = RowBuilder::new();
        b.begin(&layout);
        b.fixed(&id.to_le_bytes());
        b.var(&text);
        let tid = table.insert(t, b.finish())?;
        tree.insert(t, &id.to_be_bytes(), &[], tid, UniqueCheck::None)?;
    }
    Ok(())
}

fn commit(storage: &Storage, t: &Transaction) -> Result<Option<Lsn>> {
    let lsn = t.commit()?;
    if let Some(lsn) = lsn {
        storage.wal().wait_durable_blocking(lsn)?;
    }
    Ok(lsn)
}

fn rows(storage: &Arc<Storage>, rel: RelId) -> Result<usize> {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let mut count = 0;
    let mut scan = heap(storage, rel).scan(t.statement_snapshot(), None);
    while scan.next_page(&mut |_, _| {
        count += 1;
        Ok(())
    })? {}
    Ok(count)
}

fn entries(storage: &Arc<Storage>) -> Result<usize> {
    let mut scan = BTree::open(storage, INDEX, true).scan(KeyRange::full(), Direction::Forward);
    let mut count = 0;
    while scan.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn next_value(storage: &Arc<Storage>) -> i64 {
    let change = |now: &SequenceState, _| {
        let live = SequenceState { last_value: now.last_value + 1, log_count: 32, is_called: true };
        Ok(SequenceChange { result: now.last_value, live, logged: Some(live) })
    };
    Sequence::open(storage, SEQUENCE).change(change).unwrap().0
}

fn made_and_filled(persistence: Persistence) -> (FaultDisk, Arc<Storage>) {
    let disk = FaultDisk::new();
    let storage = create(&disk);
    make_database(&storage);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    make(&storage, &t, persistence).unwrap();
    commit(&storage, &t).unwrap();
    drop(t);
    let before = storage.wal().inserted();
    let t = storage.begin(IsolationLevel::ReadCommitted);
    // Several times what the pool holds.
    fill(&storage, &t, 0..5000).unwrap();
    commit(&storage, &t).unwrap();
    drop(t);
    for value in 7..20 {
        assert_eq!(next_value(&storage), value);
    }
    let logged = storage.wal().inserted().0 - before.0;
    assert!(logged < 1000, "{logged} bytes of log");
    (disk, storage)
}

#[test]
fn an_orderly_stop_keeps_them() {
    let (disk, storage) = made_and_filled(Persistence::Unlogged);
    storage.checkpoint().unwrap();
    assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (5000, 5000));
    storage.shutdown().unwrap();
    drop(storage);
    // Power fails after the stop: it was all synced.
    disk.crash(1);
    let storage = open(&disk);
    assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (5000, 5000));
    assert_eq!(next_value(&storage), 20);
    check::check_or_error(&storage).unwrap();
}

#[test]
fn a_crash_empties_them() {
    for clean_first in [false, true] {
        let (disk, mut storage) = made_and_filled(Persistence::Unlogged);
        if clean_first {
            storage.shutdown().unwrap();
            drop(storage);
            disk.kill();
            storage = open(&disk);
            let t = storage.begin(IsolationLevel::ReadCommitted);
            fill(&storage, &t, 5000..5100).unwrap();
            commit(&storage, &t).unwrap();
        }
        drop(storage);
        disk.kill();
        let storage = open(&disk);
        assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (0, 0));
        assert_eq!(storage.relation_blocks(TOAST, Fork::Main).unwrap(), 0);
        assert_eq!(next_value(&storage), 7);
        check::check_or_error(&storage).unwrap();
        // They are as good as new.
        let t = storage.begin(IsolationLevel::ReadCommitted);
        fill(&storage, &t, 0..300).unwrap();
        commit(&storage, &t).unwrap();
        drop(t);
        assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (300, 300));
        storage.shutdown().unwrap();
        check::check_or_error(&storage).unwrap();
    }
}

#[test]
fn vacuum_and_truncation_leave_the_log_out() {
    let (_, storage) = made_and_filled(Persistence::Unlogged);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let snapshot = t.statement_snapshot();
    let mut tids = vec![];
    let mut scan = heap(&storage, TABLE).scan(snapshot.clone(), None);
    while scan
        .next_page(&mut |tid, _| {
            tids.push(tid);
            Ok(())
        })
        .unwrap()
    {}
    for tid in &tids[2000..] {
        heap(&storage, TABLE).delete(&t, &snapshot, *tid, quarry_storage::WaitPolicy::Block).unwrap();
    }
    drop((scan, snapshot));
    commit(&storage, &t).unwrap();
    drop(t);
    let before = storage.wal().inserted();
    let (table, tree) = (heap(&storage, TABLE), BTree::open(&storage, INDEX, true));
    let lock = || Ok(true);
    let options = VacuumOptions { lock_for_truncate: Some(&lock), ..Default::default() };
    table.vacuum(&[&tree], &options).unwrap();
    assert_eq!(storage.wal().inserted(), before);
    let blocks = storage.relation_blocks(TABLE, Fork::Main).unwrap();
    assert!(blocks < 100, "{blocks} blocks");
    assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (2000, 2000));
    check::check_or_error(&storage).unwrap();
}

#[test]
fn temporary_ones_leave_nothing() {
    let (disk, storage) = made_and_filled(Persistence::Temporary(3));
    assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (5000, 5000));
    assert_eq!(storage.files().path(TABLE).unwrap(), "base/5/t3_30000");
    assert!(disk.list("base/5").unwrap().contains(&"t3_30000".to_string()));
    storage.checkpoint().unwrap();
    assert_eq!(rows(&storage, TABLE).unwrap(), 5000);
    drop(storage);
    disk.kill();
    let storage = open(&disk);
    assert!(disk.list("base/5").unwrap().iter().all(|name| !name.starts_with('t')));
    drop(storage);
    // Dropped by their session.
    let (disk, storage) = made_and_filled(Persistence::Temporary(3));
    let t = storage.begin(IsolationLevel::ReadCommitted);
    for rel in [TABLE, TOAST, INDEX, SEQUENCE] {
        storage.drop_relation(&t, rel).unwrap();
    }
    commit(&storage, &t).unwrap();
    assert!(disk.list("base/5").unwrap().iter().all(|name| !name.starts_with('t')));
    assert_eq!(storage.files().persistence(TABLE).unwrap(), Persistence::Permanent);
}

/// A row of LOGGED; what its commit waits for.
fn log_a_row(storage: &Arc<Storage>) -> Lsn {
    let t = storage.begin(IsolationLevel::ReadCommitted);
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&1u32.to_le_bytes());
    b.var(b"x");
    heap(storage, LOGGED).insert(&t, b.finish()).unwrap();
    t.commit().unwrap().expect("something to lose")
}

#[test]
fn their_commits_do_not_wait_for_the_log() {
    for persistence in [Persistence::Unlogged, Persistence::Temporary(3)] {
        let (disk, storage) = made_and_filled(persistence);
        // Its file is there.
        log_a_row(&storage);
        storage.wal().flush_all().unwrap();
        let flushes = storage.wal().flush_count();
        // From here on the log's flush is impossible.
        disk.fail_syncs(true);
        let before = storage.begin(IsolationLevel::RepeatableRead);
        let old = before.statement_snapshot();
        let t = storage.begin(IsolationLevel::ReadCommitted);
        fill(&storage, &t, 5000..5010).unwrap();
        assert_eq!(t.commit().unwrap(), None);
        drop(t);
        // A transaction that has an id and nothing else.
        let t = storage.begin(IsolationLevel::ReadCommitted);
        t.assign_xid_to_note();
        assert_eq!(t.commit().unwrap(), None);
        drop(t);
        // Everyone sees it, but for who has begun before; also what takes rows over.
        assert_eq!(rows(&storage, TABLE).unwrap(), 5010);
        let mut seen = 0;
        let mut scan = heap(&storage, TABLE).scan(old.clone(), None);
        let mut tids = vec![];
        while scan
            .next_page(&mut |tid, _| {
                seen += 1;
                tids.push(tid);
                Ok(())
            })
            .unwrap()
        {}
        assert_eq!(seen, 5000);
        drop((scan, old, before));
        let t = storage.begin(IsolationLevel::ReadCommitted);
        let snapshot = t.statement_snapshot();
        for tid in &tids[..100] {
            heap(&storage, TABLE).delete(&t, &snapshot, *tid, quarry_storage::WaitPolicy::Block).unwrap();
        }
        t.make_floor_durable().unwrap();
        drop(snapshot);
        assert_eq!(t.commit().unwrap(), None);
        drop(t);
        assert_eq!(rows(&storage, TABLE).unwrap(), 4910);
        // Its pages are all-visible as soon as everyone sees it.
        let tree = BTree::open(&storage, INDEX, true);
        let all = VacuumOptions { index_cleanup: IndexCleanup::On, ..Default::default() };
        heap(&storage, TABLE).vacuum(&[&tree], &all).unwrap();
        let table = heap(&storage, TABLE);
        let mut filled = 0;
        for block in 0..table.blocks().unwrap() {
            // The table grows by several pages at a time: no row has come to the last ones yet.
            let page = storage.pool().read(PageId::main(TABLE, block)).unwrap();
            if !page.is_new() {
                filled += 1;
                assert!(table.all_visible(block).unwrap(), "block {block}");
            }
        }
        assert!(filled > 140, "{filled} pages");
        // Behind a commit that can get lost it waits, and nobody sees either.
        let lost = log_a_row(&storage);
        let t = storage.begin(IsolationLevel::ReadCommitted);
        fill(&storage, &t, 6000..6001).unwrap();
        let waits = t.commit().unwrap().expect("the other one comes first");
        drop(t);
        assert!(waits > lost);
        assert_eq!((rows(&storage, TABLE).unwrap(), rows(&storage, LOGGED).unwrap()), (4910, 1));
        assert_eq!(storage.wal().flush_count(), flushes);
        disk.fail_syncs(false);
        storage.wal().flush_to(lost).unwrap();
        assert_eq!((rows(&storage, TABLE).unwrap(), rows(&storage, LOGGED).unwrap()), (4911, 2));
        // One transaction of both kinds is one that can get lost.
        let t = storage.begin(IsolationLevel::ReadCommitted);
        fill(&storage, &t, 7000..7001).unwrap();
        let mut b = RowBuilder::new();
        b.begin(&layout());
        b.fixed(&2u32.to_le_bytes());
        b.var(b"y");
        heap(&storage, LOGGED).insert(&t, b.finish()).unwrap();
        assert!(t.commit().unwrap().is_some());
        assert_eq!((rows(&storage, TABLE).unwrap(), rows(&storage, LOGGED).unwrap()), (4911, 2));
        drop((t, table, tree, storage));
        disk.kill();
        let storage = open(&disk);
        assert_eq!(rows(&storage, LOGGED).unwrap(), 2);
        if persistence == Persistence::Unlogged {
            assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (0, 0));
            check::check_or_error(&storage).unwrap();
        }
    }
}

/// Whatever commits beside each other: no snapshot shows what a crash could take back.
#[test]
fn no_snapshot_shows_what_is_not_durable() {
    let (_, storage) = made_and_filled(Persistence::Unlogged);
    let made: parking_lot::Mutex<Vec<Lsn>> = parking_lot::Mutex::default();
    let shown_early = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|s| {
        for writer in 0..2 {
            let (storage, made, shown_early) = (&storage, &made, &shown_early);
            s.spawn(move || {
                for n in 0..300 {
                    let lsn = log_a_row(storage);
                    made.lock().push(lsn);
                    // Most are made durable; then others may pass.
                    if (n + writer) % 3 != 0 {
                        storage.wal().flush_to(lsn).unwrap();
                    }
                }
            });
            s.spawn(move || {
                for n in 0..300 {
                    let t = storage.begin(IsolationLevel::ReadCommitted);
                    fill(storage, &t, 10_000 + n..10_001 + n).unwrap();
                    if t.commit().unwrap().is_none() {
                        shown_early.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    drop(t);
                    let t = storage.begin(IsolationLevel::ReadCommitted);
                    let seen = t.statement_snapshot().csn();
                    let durable = storage.wal().flushed();
                    let early = made.lock().iter().copied().find(|csn| *csn <= seen && *csn > durable);
                    assert_eq!(early, None, "seen up to {seen}, durable to {durable}");
                }
            });
        }
    });
    assert!(shown_early.into_inner() > 0);
    storage.wal().flush_all().unwrap();
    assert_eq!((rows(&storage, TABLE).unwrap(), rows(&storage, LOGGED).unwrap()), (5600, 600));
}

/// Makes, fills and drops relations on a disk that dies at the `n`-th write; whether everything was done.
#[test]
fn power_fails_at_every_write() {
    let whole = {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        make_database(&storage);
        let before = disk.operations();
        work(&storage).unwrap();
        disk.operations() - before
    };
    for n in 0..whole + 1 {
        let disk = FaultDisk::new();
        let storage = create(&disk);
        make_database(&storage);
        storage.wal().flush_to(storage.wal().inserted()).unwrap();
        disk.fail_after(n);
        let reached = work(&storage);
        drop(storage);
        disk.crash(n);
        // Recovery is cut short, too.
        disk.fail_after(n % 13);
        let _ = Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, small());
        disk.crash(n + 1);
        let storage = open(&disk);
        let mut names = disk.list("base/5").unwrap();
        // Its file comes with its first row.
        names.retain(|name| name != "30010");
        let made = names.contains(&"30000_init".to_string());
        match reached {
            Ok(()) => assert_eq!(names, [""; 0], "write {n}: dropped"),
            Err(stage) => {
                assert!(made || stage.made.is_none(), "write {n}: a committed relation is lost: {names:?}");
                assert!(!made || !stage.dropped, "write {n}");
            }
        }
        if made {
            assert_eq!((rows(&storage, TABLE).unwrap(), entries(&storage).unwrap()), (0, 0), "write {n}");
            assert_eq!(next_value(&storage), 7, "write {n}");
        } else {
            assert!(names.is_empty(), "write {n}: left behind: {names:?}");
        }
        check::check_or_error(&storage).unwrap();
    }
}

/// How far the work came: what was acknowledged.
#[derive(Default, Debug)]
struct Reached {
    made: Option<Lsn>,
    dropped: bool,
}

fn work(storage: &Arc<Storage>) -> std::result::Result<(), Reached> {
    let mut reached = Reached::default();
    let stop = |reached: &Reached| Reached { made: reached.made, dropped: reached.dropped };
    let t = storage.begin(IsolationLevel::ReadCommitted);
    make(storage, &t, Persistence::Unlogged).map_err(|_| stop(&reached))?;
    reached.made = commit(storage, &t).map_err(|_| stop(&reached))?;
    drop(t);
    let t = storage.begin(IsolationLevel::ReadCommitted);
    fill(storage, &t, 0..600).map_err(|_| stop(&reached))?;
    commit(storage, &t).map_err(|_| stop(&reached))?;
    drop(t);
    storage.checkpoint().map_err(|_| stop(&reached))?;
    let t = storage.begin(IsolationLevel::ReadCommitted);
    fill(storage, &t, 600..700).map_err(|_| stop(&reached))?;
    for rel in [TABLE, TOAST, INDEX, SEQUENCE] {
        storage.drop_relation(&t, rel).map_err(|_| stop(&reached))?;
    }
    commit(storage, &t).map_err(|_| Reached { made: None, ..stop(&reached) })?;
    Ok(())
}
