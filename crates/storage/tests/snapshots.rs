//! What live snapshots hold back: exactly the versions that they see, whoever holds them.
//!
//! * A storm of updates on an indexed table beside one long reader of each kind: table and index stay bounded.
//! * Random histories against a model of who sees what: each snapshot goes on seeing it, and after a vacuum nothing else is there.

mod common;

use common::create;
use quarry_common::{BlockNo, Lsn, Oid, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, RowLockMode, UpdateOptions, VersionRef};
use quarry_storage::index::{BTree, Direction, IndexMethod, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::{IsolationLevel, RelId, Snapshot, Storage, Transaction, WaitPolicy, check};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const INDEX: RelId = RelId::new(Oid(5), 30002);

const ROWS: u32 = 200;
const ROUNDS: u32 = 200;
/// Rounds between two vacuums of the storm that isn't HOT.
const VACUUM_EVERY: u32 = 4;

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Fixed(4), Width::Var]))
}

/// A row: its number, its value, and some bytes.
fn row(id: u32, value: u32) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&id.to_le_bytes());
    b.fixed(&value.to_le_bytes());
    b.var(&[b'x'; 60]);
    b.finish().to_vec()
}

fn read(body: &[u8]) -> (u32, u32) {
    let layout = layout();
    let r = RowRef::new(&layout, body);
    (u32::from_le_bytes(r.fixed_array(0)), u32::from_le_bytes(r.fixed_array(1)))
}

struct Table {
    storage: Arc<Storage>,
    heap: Heap,
    index: BTree,
    /// The index is over the value, not over the row's number: each update changes it.
    by_value: bool,
}

impl Table {
    fn new(by_value: bool) -> Table {
        let storage = create(&FaultDisk::new());
        let t = begin(&storage, IsolationLevel::ReadCommitted);
        storage.create_database_dir(&t, Oid(5)).unwrap();
        Heap::create(&storage, &t, TABLE).unwrap();
        BTree::create(&storage, &t, INDEX).unwrap();
        t.commit().unwrap();
        let heap = Heap::open(&storage, TABLE, None, layout());
        let index = BTree::open(&storage, INDEX, false);
        Table { storage, heap, index, by_value }
    }

    fn key(&self, id: u32, value: u32) -> Vec<u8> {
        let mut key = if self.by_value { value.to_be_bytes().to_vec() } else { vec![] };
        key.extend(id.to_be_bytes());
        key
    }

    fn insert(&self, t: &Transaction, id: u32, value: u32) -> Tid {
        let tid = self.heap.insert(t, &row(id, value)).unwrap();
        self.index.insert(t, &self.key(id, value), b"", tid, UniqueCheck::None).unwrap();
        tid
    }

    fn update(&self, t: &Transaction, tid: Tid, id: u32, value: u32) -> Tid {
        let options = UpdateOptions { hot_allowed: !self.by_value, key_unchanged: true };
        t.advance_command();
        let s = t.statement_snapshot();
        match self.heap.update(t, &s, tid, &row(id, value), options, WaitPolicy::Block).unwrap() {
            ModifyResult::Done { tid, hot } => {
                if !hot {
                    self.index.insert(t, &self.key(id, value), b"", tid, UniqueCheck::None).unwrap();
                }
                tid
            }
            other => panic!("row {id}: {other:?}"),
        }
    }

    fn vacuum(&self) {
        // Nothing lies between what is durable and the log's end: whoever comes sees the present.
        self.storage.wal().flush_all().unwrap();
        let indexes: [&dyn IndexMethod; 1] = [&self.index];
        self.heap.vacuum(&indexes, &VacuumOptions::default()).unwrap();
    }

    fn pages(&self) -> (BlockNo, BlockNo) {
        (self.heap.blocks().unwrap(), self.index.blocks().unwrap())
    }

    /// What a snapshot shows, by the whole table, and by the index: that must be the same.
    fn seen(&self, s: &Snapshot) -> BTreeMap<u32, u32> {
        let mut rows = BTreeMap::new();
        let mut scan = self.heap.scan(s.clone(), None);
        let mut each = |_: Tid, body: &[u8]| {
            let (id, value) = read(body);
            assert_eq!(rows.insert(id, value), None, "two versions of row {id}");
            Ok(())
        };
        while scan.next_page(&mut each).unwrap() {}
        let mut found = BTreeMap::new();
        let mut scan = self.index.scan(KeyRange::full(), Direction::Forward);
        while let Some(e) = scan.next().unwrap() {
            let tid = e.tid;
            if let Some((id, value)) = self.heap.fetch(s, tid, |_, body| read(body)).unwrap() {
                assert_eq!(found.insert(id, value), None, "row {id} found twice");
            }
        }
        assert_eq!(rows, found, "table and index");
        rows
    }

    /// Row versions on all pages.
    fn versions(&self) -> usize {
        (0..self.heap.blocks().unwrap())
            .flat_map(|block| (1..300).map(move |slot| Tid { block, slot }))
            .filter(|tid| self.heap.fetch_exact(*tid, |_, _, _| ()).unwrap().is_some())
            .count()
    }

    fn sound(&self) {
        let mut found = vec![];
        check::check_storage(&self.storage, &mut |problem| found.push(problem.to_string())).unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}

fn begin(storage: &Arc<Storage>, isolation: IsolationLevel) -> Transaction {
    storage.begin(isolation)
}

fn commit(storage: &Arc<Storage>, t: &Transaction) -> Lsn {
    let csn = t.commit().unwrap().unwrap_or(Lsn(0));
    storage.wal().flush_all().unwrap();
    csn
}

/// Who has a snapshot, and for how long.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// A running SELECT at READ COMMITTED.
    Statement,
    /// A running UPDATE, which will go on to the newest versions.
    Follower,
    /// Open cursors, each with a snapshot of its own, more than a slot has places for.
    Cursors,
    RepeatableRead,
    Serializable,
    /// SERIALIZABLE READ ONLY: safe, with nobody to spoil it.
    Safe,
    /// REPEATABLE READ with a snapshot of a transaction that has ended since.
    Imported,
}

const KINDS: [Kind; 7] = [
    Kind::Statement,
    Kind::Follower,
    Kind::Cursors,
    Kind::RepeatableRead,
    Kind::Serializable,
    Kind::Safe,
    Kind::Imported,
];

struct Reader {
    txn: Transaction,
    snapshots: Vec<(Snapshot, BTreeMap<u32, u32>)>,
}

impl Reader {
    fn new(table: &Table, kind: Kind) -> Reader {
        let level = match kind {
            Kind::Statement | Kind::Follower | Kind::Cursors => IsolationLevel::ReadCommitted,
            Kind::RepeatableRead | Kind::Imported => IsolationLevel::RepeatableRead,
            Kind::Serializable | Kind::Safe => IsolationLevel::Serializable,
        };
        let txn = begin(&table.storage, level);
        txn.set_modes(kind == Kind::Safe, false);
        let snapshot = match kind {
            Kind::Statement | Kind::Cursors => txn.reading_snapshot(),
            Kind::Imported => {
                let exporter = begin(&table.storage, IsolationLevel::RepeatableRead);
                txn.import_snapshot(&exporter.statement_snapshot()).unwrap();
                txn.statement_snapshot()
            }
            _ => txn.statement_snapshot(),
        };
        let seen = table.seen(&snapshot);
        let reader = Reader { snapshots: vec![(snapshot, seen)], txn };
        // The session is idle, or at other things: it looks at the catalogs now and then.
        drop(reader.txn.catalog_snapshot());
        reader
    }

    /// One more cursor.
    fn open(&mut self, table: &Table) {
        let snapshot = self.txn.reading_snapshot();
        let seen = table.seen(&snapshot);
        self.snapshots.push((snapshot, seen));
    }

    fn check(&self, table: &Table) {
        for (snapshot, seen) in &self.snapshots {
            assert_eq!(table.seen(snapshot), *seen);
        }
    }
}

/// Every row is changed `ROUNDS` times.
fn storm(by_value: bool, kind: Kind) {
    storm_at(IsolationLevel::ReadCommitted, by_value, kind);
}

fn storm_at(level: IsolationLevel, by_value: bool, kind: Kind) {
    let table = Table::new(by_value);
    let t = begin(&table.storage, IsolationLevel::ReadCommitted);
    let mut tids: Vec<Tid> = (0..ROWS).map(|id| table.insert(&t, id, 0)).collect();
    commit(&table.storage, &t);
    table.vacuum();
    let first = tids.clone();
    let (table_pages, _) = table.pages();
    let mut reader = Reader::new(&table, kind);
    let mut snapshots = 1;
    for round in 1..=ROUNDS {
        for (n, part) in tids.chunks_mut(20).enumerate() {
            let t = begin(&table.storage, level);
            for (i, tid) in part.iter_mut().enumerate() {
                *tid = table.update(&t, *tid, n as u32 * 20 + i as u32, round);
            }
            commit(&table.storage, &t);
        }
        if kind == Kind::Cursors && round % 20 == 10 {
            reader.open(&table);
            snapshots += 1;
        }
        // HOT updates live without; the others leave index entries, which only vacuum removes.
        if by_value && round % VACUUM_EVERY == 0 {
            table.vacuum();
        }
    }
    let (pages, index_pages) = table.pages();
    // A version each for the snapshots and for the present. HOT: as much again, because a page is pruned when it's full, and because rows that once had to leave
    // a full page are spread over others. Not HOT: those of the rounds until vacuum comes.
    let versions = snapshots + 1 + if by_value { VACUUM_EVERY } else { snapshots + 1 };
    let most = table_pages * versions + 2;
    assert!(pages <= most, "{kind:?}: {table_pages} pages grew to {pages}, at most {most}");
    // The same number of entries, 24 bytes each with their line pointers, on pages that are half full at worst; meta page, root, and pages
    // that are emptied only by the vacuum after the next.
    let entries = ROWS * if by_value { versions } else { snapshots + 1 };
    let most = 2 * (entries * 24).div_ceil(8192) + 6;
    assert!(index_pages <= most, "{kind:?}: the index has {index_pages} pages, at most {most}");
    reader.check(&table);
    table.vacuum();
    reader.check(&table);
    let kept = table.versions();
    let shown = (snapshots as usize + 1) * ROWS as usize;
    assert_eq!(kept, shown, "{kind:?}: versions after a vacuum");
    if kind == Kind::Follower {
        let (snapshot, _) = &reader.snapshots[0];
        for (id, tid) in first.iter().enumerate() {
            let mut at = VersionRef::from(*tid);
            let newest = loop {
                match table
                    .heap
                    .lock(&reader.txn, snapshot, at, RowLockMode::NoKeyUpdate, WaitPolicy::NoWait)
                    .unwrap()
                {
                    ModifyResult::Done { tid, .. } => break tid,
                    ModifyResult::Updated { next } => at = next,
                    other => panic!("row {id}: {other:?}"),
                }
            };
            assert_eq!(newest, tids[id], "row {id}");
        }
        // Each of the rows went to another page, and what it went through is gone.
        assert!(!by_value || table.storage.removed_links().len() == ROWS as usize);
    }
    table.sound();
    drop(reader);
    table.vacuum();
    assert_eq!(table.versions(), ROWS as usize);
    assert_eq!(table.storage.removed_links().len(), 0, "{kind:?}");
    let t = begin(&table.storage, IsolationLevel::ReadCommitted);
    let now: BTreeMap<u32, u32> = (0..ROWS).map(|id| (id, ROUNDS)).collect();
    assert_eq!(table.seen(&t.statement_snapshot()), now);
    table.sound();
}

#[test]
fn a_storm_of_hot_updates_beside_each_kind_of_reader() {
    KINDS.into_iter().for_each(|kind| storm(false, kind));
}

/// An unsafe serializable reader finds out about those who write after its snapshot by few of their versions.
#[test]
fn a_storm_of_serializable_hot_updates_beside_a_serializable_reader() {
    storm_at(IsolationLevel::Serializable, false, Kind::Serializable);
}

#[test]
fn a_storm_of_updates_of_an_indexed_column_beside_each_kind_of_reader() {
    KINDS.into_iter().for_each(|kind| storm(true, kind));
}

/// One version of a row in the model: from when to when it shows.
struct Version {
    value: u32,
    made: Lsn,
    ended: Option<Lsn>,
    /// Made by an update of the one before.
    linked: bool,
}

/// The model: all versions that were ever committed.
#[derive(Default)]
struct Model(BTreeMap<u32, Vec<Version>>);

impl Model {
    fn seen(&self, at: Lsn) -> BTreeMap<u32, u32> {
        let shows = |v: &&Version| v.made <= at && v.ended.is_none_or(|e| e > at);
        self.0.iter().filter_map(|(id, v)| v.iter().find(shows).map(|v| (*id, v.value))).collect()
    }

    /// How many versions those snapshots and the present need.
    fn needed(&self, live: &[Lsn]) -> usize {
        let needed = |v: &&Version| v.ended.is_none_or(|e| live.iter().any(|s| v.made <= *s && *s < e));
        self.0.values().flatten().filter(needed).count()
    }
}

#[derive(Clone, Copy)]
enum Change {
    Set(u32, u32),
    Delete(u32),
}

fn random_history(seed: u64) {
    let mut rng = FaultRng::new(seed);
    let by_value = rng.below(2) == 0;
    let table = Table::new(by_value);
    let mut model = Model::default();
    let mut places: BTreeMap<u32, Tid> = BTreeMap::new();
    let mut readers: Vec<Reader> = vec![];
    let mut followers: Vec<(Transaction, Snapshot, BTreeMap<u32, Tid>)> = vec![];
    let mut value = 0;
    for _ in 0..400 {
        match rng.below(100) {
            // A transaction with some changes, perhaps in savepoints, perhaps rolled back.
            0..60 => {
                let t = begin(&table.storage, IsolationLevel::ReadCommitted);
                let mut now = places.clone();
                let mut changes: Vec<Change> = vec![];
                for _ in 0..1 + rng.below(6) {
                    let before = (now.clone(), changes.len());
                    let level = (rng.below(4) == 0).then(|| t.savepoint());
                    for _ in 0..1 + rng.below(4) {
                        let id = rng.below(12) as u32;
                        value += 1;
                        t.advance_command();
                        match now.get(&id).copied() {
                            None => {
                                now.insert(id, table.insert(&t, id, value));
                                changes.push(Change::Set(id, value));
                            }
                            Some(tid) if rng.below(8) == 0 => {
                                let s = t.statement_snapshot();
                                let r = table.heap.delete(&t, &s, tid, WaitPolicy::NoWait).unwrap();
                                assert!(matches!(r, ModifyResult::Done { .. }), "{r:?}");
                                now.remove(&id);
                                changes.push(Change::Delete(id));
                            }
                            Some(tid) => {
                                now.insert(id, table.update(&t, tid, id, value));
                                changes.push(Change::Set(id, value));
                            }
                        }
                    }
                    match level {
                        Some(level) if rng.below(2) == 0 => {
                            t.rollback_to(level);
                            t.release(level);
                            now = before.0;
                            changes.truncate(before.1);
                        }
                        Some(level) => t.release(level),
                        None => {}
                    }
                }
                if rng.below(6) == 0 {
                    t.abort();
                    continue;
                }
                let csn = commit(&table.storage, &t);
                places = now;
                let touched: BTreeSet<u32> = changes
                    .iter()
                    .map(|c| match c {
                        Change::Set(id, _) | Change::Delete(id) => *id,
                    })
                    .collect();
                for id in touched {
                    let versions = model.0.entry(id).or_default();
                    if let Some(v) = versions.last_mut().filter(|v| v.ended.is_none()) {
                        v.ended = Some(csn);
                    }
                    let of_id = |c: &&Change| matches!(c, Change::Set(i, _) | Change::Delete(i) if *i == id);
                    let deleted = changes.iter().any(|c| matches!(c, Change::Delete(i) if *i == id));
                    let linked = !deleted && versions.last().is_some_and(|v| v.ended == Some(csn));
                    if let Some(Change::Set(_, value)) = changes.iter().rfind(of_id) {
                        versions.push(Version { value: *value, made: csn, ended: None, linked });
                    }
                }
            }
            60..72 => {
                let kind = KINDS[rng.below(KINDS.len() as u64) as usize];
                if kind == Kind::Follower {
                    let t = begin(&table.storage, IsolationLevel::ReadCommitted);
                    let s = t.statement_snapshot();
                    followers.push((t, s, places.clone()));
                } else {
                    readers.push(Reader::new(&table, kind));
                }
            }
            72..78 => {
                let cursors = readers.iter_mut().find(|r| r.txn.isolation() == IsolationLevel::ReadCommitted);
                cursors.into_iter().for_each(|r| r.open(&table));
            }
            78..84 if !readers.is_empty() => {
                let n = rng.below(readers.len() as u64) as usize;
                readers.swap_remove(n);
            }
            84..88 if !followers.is_empty() => {
                let n = rng.below(followers.len() as u64) as usize;
                let (t, s, saw) = followers.swap_remove(n);
                follow_all(&table, &t, &s, &saw, &places, &model);
            }
            88..92 => {
                for r in &mut readers {
                    // Cursors are closed.
                    if r.snapshots.len() > 1 {
                        r.snapshots.remove(0);
                    }
                    r.txn.statement_done();
                }
            }
            _ => {
                table.vacuum();
                let mut live: Vec<Lsn> =
                    readers.iter().flat_map(|r| &r.snapshots).map(|(s, _)| s.csn()).collect();
                live.extend(followers.iter().map(|(_, s, _)| s.csn()));
                for r in &readers {
                    r.check(&table);
                    for (s, seen) in &r.snapshots {
                        assert_eq!(model.seen(s.csn()), *seen);
                    }
                    r.txn.statement_done();
                }
                table.vacuum();
                assert_eq!(table.versions(), model.needed(&live), "versions after a vacuum");
            }
        }
    }
    for (t, s, saw) in followers {
        follow_all(&table, &t, &s, &saw, &places, &model);
    }
    table.sound();
    readers.iter().for_each(|r| r.check(&table));
}

/// Goes from the versions that a READ COMMITTED statement saw to the newest ones.
fn follow_all(
    table: &Table,
    t: &Transaction,
    s: &Snapshot,
    saw: &BTreeMap<u32, Tid>,
    places: &BTreeMap<u32, Tid>,
    model: &Model,
) {
    for (id, tid) in saw {
        let mut at = VersionRef::from(*tid);
        let mut trail = vec![at];
        let newest = loop {
            match table.heap.lock(t, s, at, RowLockMode::NoKeyUpdate, WaitPolicy::NoWait).unwrap() {
                ModifyResult::Done { tid, .. } => break Some(tid),
                ModifyResult::Updated { next } => {
                    at = next;
                    trail.push(at);
                }
                ModifyResult::Deleted => break None,
                other => panic!("row {id}: {other:?}"),
            }
        };
        // A row that was deleted is over, though there may be another with its number since.
        let deleted = |v: &[Version]| {
            let from = v.iter().position(|v| v.made <= s.csn() && v.ended.is_none_or(|e| e > s.csn()));
            from.is_none_or(|from| v[from + 1..].iter().any(|v| !v.linked))
                || v.last().is_none_or(|v| v.ended.is_some())
        };
        match newest {
            Some(tid) => assert_eq!(places.get(id), Some(&tid), "row {id}"),
            None => {
                let history: Vec<_> =
                    model.0[id].iter().map(|v| (v.value, v.made, v.ended, v.linked)).collect();
                assert!(
                    deleted(&model.0[id]),
                    "row {id}, seen at {}, was lost: {history:?} {trail:?} {:?}",
                    s.csn(),
                    table.heap.fetch_exact(*tid, |_, m, _| m).unwrap()
                );
            }
        }
    }
    t.abort();
}

#[test]
fn pruning_against_a_model_of_snapshots() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=40).collect(),
    };
    for seed in seeds {
        println!("seed {seed}");
        random_history(seed);
    }
}
