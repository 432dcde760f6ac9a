//! SERIALIZABLE against a checker: random histories of transactions, interleaved step by step, over a table with an index whose leaves hold only a few
//! entries. Of those that commit the serialization graph must have no circle; at REPEATABLE READ the same histories do make circles.
//!
//! `QUARRY_ROUNDS` sets the number of seeds, `QUARRY_SEED` the first one.

mod common;

use common::create;
use quarry_common::{Lsn, Oid, Result, SqlState, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions};
use quarry_storage::index::{BTree, Direction, InsertOutcome, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::ssi::Limits;
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::{IsolationLevel, RelId, Snapshot, Storage, Transaction, WaitPolicy};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const INDEX: RelId = RelId::new(Oid(5), 30002);
const KEYS: u32 = 24;

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Fixed(4), Width::Var]))
}

fn row(key: u32, writer: u32, filler: usize) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&layout());
    b.fixed(&key.to_le_bytes());
    b.fixed(&writer.to_le_bytes());
    b.var(&vec![b'x'; filler]);
    b.finish().to_vec()
}

fn key_and_writer(body: &[u8]) -> (u32, u32) {
    let layout = layout();
    let r = RowRef::new(&layout, body);
    (u32::from_le_bytes(r.fixed_array(0)), u32::from_le_bytes(r.fixed_array(1)))
}

/// Ordered as the keys are, long and not compressible.
fn index_key(key: u32) -> Vec<u8> {
    let mut rng = FaultRng::new(key as u64 + 1);
    let mut bytes = key.to_be_bytes().to_vec();
    bytes.extend((0..120).flat_map(|_| rng.next_u64().to_le_bytes()));
    bytes
}

/// What a transaction has written, as far as it isn't rolled back.
#[derive(Clone, Copy)]
struct Write {
    key: u32,
    existed: bool,
    exists: bool,
}

struct Open {
    number: u32,
    txn: Transaction,
    snapshot: Lsn,
    /// Keys read, and keys of which only the presence was read.
    reads: BTreeSet<u32>,
    presence: BTreeSet<u32>,
    writes: Vec<Write>,
    savepoints: Vec<(usize, usize)>,
    read_only: bool,
}

/// A transaction that has committed.
struct Done {
    number: u32,
    snapshot: Lsn,
    csn: Option<Lsn>,
    reads: BTreeSet<u32>,
    presence: BTreeSet<u32>,
    /// Whether each key existed before and after.
    writes: BTreeMap<u32, (bool, bool)>,
}

struct World {
    storage: Arc<Storage>,
    heap: Heap,
    tree: BTree,
    level: IsolationLevel,
    rng: FaultRng,
    open: Vec<Open>,
    done: Vec<Done>,
    failures: usize,
    next: u32,
}

/// The transaction is over.
struct Over;

impl World {
    fn new(level: IsolationLevel, seed: u64) -> World {
        let storage = create(&FaultDisk::new());
        let mut rng = FaultRng::new(seed);
        let limits = Limits::default();
        storage.ssi().set_limits(match rng.below(6) {
            0 => Limits { transactions: 0, ..limits },
            1 => Limits { per_relation: 2, ..limits },
            2 => Limits { per_page: 0, ..limits },
            3 => Limits { transactions: 1, per_transaction: 10, ..limits },
            _ => Limits { per_relation: 1000, per_page: 1000, ..limits },
        });
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&txn, Oid(5)).unwrap();
        Heap::create(&storage, &txn, TABLE).unwrap();
        BTree::create(&storage, &txn, INDEX).unwrap();
        txn.commit().unwrap();
        let heap = Heap::open(&storage, TABLE, None, layout());
        let tree = BTree::open(&storage, INDEX, true);
        let mut world =
            World { storage, heap, tree, level, rng, open: vec![], done: vec![], failures: 0, next: 1 };
        // Some of the keys are there from the start.
        world.begin();
        for key in 0..KEYS {
            if world.rng.below(2) == 0 {
                assert!(world.insert(0, key).is_ok());
            }
        }
        world.commit(0);
        world.flush();
        world
    }

    fn flush(&self) {
        self.storage.wal().flush_to(self.storage.wal().inserted()).unwrap();
    }

    fn begin(&mut self) {
        let txn = self.storage.begin(self.level);
        let read_only = self.next > 1 && self.rng.below(4) == 0;
        txn.set_modes(read_only, false);
        // As a session does that doesn't wait for durability.
        txn.set_read_at_inserted(self.rng.below(8) == 0);
        self.open.push(Open {
            number: self.next,
            snapshot: txn.statement_snapshot().csn(),
            txn,
            reads: BTreeSet::new(),
            presence: BTreeSet::new(),
            writes: vec![],
            savepoints: vec![],
            read_only,
        });
        self.next += 1;
    }

    fn commit(&mut self, i: usize) {
        let t = self.open.remove(i);
        match t.txn.commit() {
            Ok(csn) => {
                let mut writes = BTreeMap::new();
                for w in &t.writes {
                    writes.entry(w.key).or_insert((w.existed, w.exists)).1 = w.exists;
                }
                let Open { number, snapshot, reads, presence, .. } = t;
                self.done.push(Done { number, snapshot, csn, reads, presence, writes });
            }
            Err(e) => {
                assert_eq!(e.sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE, "{e}");
                self.failures += 1;
            }
        }
    }

    /// 40001 ends the transaction; other errors are none that should come.
    fn check<T>(&mut self, i: usize, r: Result<T>) -> std::result::Result<T, Over> {
        r.map_err(|e| {
            assert_eq!(e.sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE, "{e}");
            assert_eq!(self.level, IsolationLevel::Serializable);
            self.give_up(i)
        })
    }

    fn give_up(&mut self, i: usize) -> Over {
        self.failures += 1;
        self.open.remove(i).txn.abort();
        Over
    }

    fn snap(&self, i: usize) -> Snapshot {
        let txn = &self.open[i].txn;
        txn.advance_command();
        txn.statement_snapshot()
    }

    /// Whether the transaction has itself determined the key's state.
    fn is_own(&self, i: usize, key: u32) -> bool {
        self.open[i].writes.iter().any(|w| w.key == key)
    }

    fn note(&mut self, i: usize, key: u32) {
        if !self.is_own(i, key) {
            self.open[i].reads.insert(key);
        }
    }

    fn find(&self, snap: &Snapshot, key: u32) -> Result<Option<Tid>> {
        let mut entries = vec![];
        self.tree.lookup_by(snap, &index_key(key), &mut entries)?;
        let mut found = None;
        for tid in entries {
            let row = self.heap.fetch(snap, tid, |tid, body| (tid, key_and_writer(body).0))?;
            if let Some((tid, k)) = row {
                assert_eq!(k, key);
                assert!(found.replace(tid).is_none(), "two rows with one key");
            }
        }
        Ok(found)
    }

    fn get(&mut self, i: usize, key: u32) -> std::result::Result<Option<Tid>, Over> {
        let snap = self.snap(i);
        let found = self.find(&snap, key);
        let found = self.check(i, found)?;
        self.note(i, key);
        Ok(found)
    }

    fn scan_range(
        &mut self,
        i: usize,
        from: u32,
        to: u32,
        direction: Direction,
    ) -> std::result::Result<(), Over> {
        let snap = self.snap(i);
        let range = KeyRange::new(Bound::Included(index_key(from)), Bound::Excluded(index_key(to)));
        let mut scan = self.tree.scan(range, direction).read_by(&snap);
        let read = (|| {
            while let Some(e) = scan.next()? {
                let tid = e.tid;
                self.heap.fetch(&snap, tid, |_, _| ())?;
            }
            Ok(())
        })();
        self.check(i, read)?;
        (from..to).for_each(|k| self.note(i, k));
        Ok(())
    }

    /// The first (or last) row from a key on: what is behind it isn't read.
    fn scan_first(&mut self, i: usize, key: u32, direction: Direction) -> std::result::Result<(), Over> {
        let snap = self.snap(i);
        let bound = Bound::Included(index_key(key));
        let range = match direction {
            Direction::Forward => KeyRange::new(bound, Bound::Unbounded),
            Direction::Backward => KeyRange::new(Bound::Unbounded, bound),
        };
        let mut scan = self.tree.scan(range, direction).read_by(&snap);
        let mut first = None;
        let read = (|| {
            while let Some(e) = scan.next()? {
                let tid = e.tid;
                if let Some(k) = self.heap.fetch(&snap, tid, |_, body| key_and_writer(body).0)? {
                    first = Some(k);
                    break;
                }
            }
            Ok(())
        })();
        self.check(i, read)?;
        let read = match direction {
            Direction::Forward => key..first.map_or(KEYS, |f| f + 1),
            Direction::Backward => first.unwrap_or(0)..key + 1,
        };
        read.for_each(|k| self.note(i, k));
        Ok(())
    }

    /// Which keys of a range are there, by the index where the visibility map allows.
    fn scan_index_only(&mut self, i: usize, from: u32, to: u32) -> std::result::Result<(), Over> {
        let snap = self.snap(i);
        let range = KeyRange::new(Bound::Included(index_key(from)), Bound::Excluded(index_key(to)));
        let mut scan = self.tree.scan(range, Direction::Forward).read_by(&snap).with_visibility(&self.heap);
        let read = (|| {
            while let Some(e) = scan.next()? {
                let tid = e.tid;
                if !(e.all_visible && self.heap.is_still_all_visible(&snap, tid.block)?) {
                    self.heap.fetch(&snap, tid, |_, _| ())?;
                }
            }
            Ok(())
        })();
        self.check(i, read)?;
        for key in from..to {
            if !self.is_own(i, key) {
                self.open[i].presence.insert(key);
            }
        }
        Ok(())
    }

    fn scan_table(&mut self, i: usize) -> std::result::Result<(), Over> {
        let mut scan = self.heap.scan(self.snap(i), None);
        let read = (|| {
            while scan.next_page(&mut |_, _| Ok(()))? {}
            Ok(())
        })();
        self.check(i, read)?;
        (0..KEYS).for_each(|k| self.note(i, k));
        Ok(())
    }

    /// Whether another transaction that runs has written the key: the real one would wait.
    fn is_taken(&self, i: usize, key: u32) -> bool {
        self.open.iter().enumerate().any(|(j, t)| j != i && t.writes.iter().any(|w| w.key == key))
    }

    fn filler(&mut self) -> usize {
        self.rng.below(1500) as usize
    }

    fn insert(&mut self, i: usize, key: u32) -> std::result::Result<(), Over> {
        if self.is_taken(i, key) {
            return Err(self.give_up(i));
        }
        // A row that is there would be a violation: the client knows better, by something it has read.
        if self.get(i, key)?.is_some() {
            return Ok(());
        }
        let filler = self.filler();
        let body = row(key, self.open[i].number, filler);
        let tid = self.heap.insert(&self.open[i].txn, &body);
        let tid = self.check(i, tid)?;
        let check = UniqueCheck::Enforce(&self.heap);
        let entry = self.tree.insert(&self.open[i].txn, &index_key(key), b"", tid, check);
        match self.check(i, entry)? {
            InsertOutcome::Inserted => {}
            InsertOutcome::Conflict { .. } => return Err(self.give_up(i)),
        }
        self.open[i].writes.push(Write { key, existed: false, exists: true });
        Ok(())
    }

    fn update(&mut self, i: usize, key: u32) -> std::result::Result<(), Over> {
        let Some(tid) = self.get(i, key)? else { return Ok(()) };
        let filler = self.filler();
        let t = &self.open[i];
        let body = row(key, t.number, filler);
        let options = UpdateOptions { hot_allowed: self.rng.below(2) == 0, key_unchanged: true };
        let outcome = self.heap.update(&t.txn, &self.snap(i), tid, &body, options, WaitPolicy::NoWait);
        match self.check(i, outcome)? {
            ModifyResult::Done { hot: true, .. } => {}
            ModifyResult::Done { tid, .. } => {
                let check = UniqueCheck::Enforce(&self.heap);
                let entry = self.tree.insert(&self.open[i].txn, &index_key(key), b"", tid, check);
                assert_eq!(self.check(i, entry)?, InsertOutcome::Inserted);
            }
            _ => return Err(self.give_up(i)),
        }
        self.open[i].writes.push(Write { key, existed: true, exists: true });
        Ok(())
    }

    fn delete(&mut self, i: usize, key: u32) -> std::result::Result<(), Over> {
        let Some(tid) = self.get(i, key)? else { return Ok(()) };
        let outcome = self.heap.delete(&self.open[i].txn, &self.snap(i), tid, WaitPolicy::NoWait);
        match self.check(i, outcome)? {
            ModifyResult::Done { .. } => {}
            _ => return Err(self.give_up(i)),
        }
        self.open[i].writes.push(Write { key, existed: true, exists: false });
        Ok(())
    }

    fn savepoint(&mut self, i: usize) {
        let t = &mut self.open[i];
        match t.savepoints.pop() {
            Some((level, writes)) if self.rng.below(2) == 0 => {
                t.txn.rollback_to(level);
                t.txn.release(level);
                t.writes.truncate(writes);
            }
            Some((level, _)) => t.txn.release(level),
            None => t.savepoints.push((t.txn.savepoint(), t.writes.len())),
        }
    }

    fn step(&mut self) {
        if self.open.len() < 2 || (self.open.len() < 6 && self.rng.below(6) == 0) {
            return self.begin();
        }
        match self.rng.below(60) {
            0..6 => return self.flush(),
            6 => {
                let options = VacuumOptions::default();
                self.flush();
                self.heap.vacuum(&[&self.tree], &options).unwrap();
                return;
            }
            _ => {}
        }
        let i = self.rng.below(self.open.len() as u64) as usize;
        let key = self.rng.below(KEYS as u64) as u32;
        let to = (key + 1 + self.rng.below(6) as u32).min(KEYS);
        let direction = if self.rng.below(2) == 0 { Direction::Forward } else { Direction::Backward };
        let reads_only = self.open[i].read_only;
        let _ = match self.rng.below(32) {
            0..5 => return self.commit(i),
            5 => {
                let _ = self.give_up(i);
                return;
            }
            6..10 => self.get(i, key).map(|_| ()),
            10..13 => self.scan_range(i, key, to, direction),
            13..15 => self.scan_index_only(i, key, to),
            15 => self.scan_first(i, key, direction),
            16 if self.rng.below(3) == 0 => self.scan_table(i),
            17 => {
                self.savepoint(i);
                Ok(())
            }
            _ if reads_only => self.get(i, key).map(|_| ()),
            18..24 => self.update(i, key),
            24..27 => self.delete(i, key),
            _ => self.insert(i, key),
        };
    }

    fn run(mut self, steps: usize) -> World {
        for _ in 0..steps {
            self.step();
        }
        while !self.open.is_empty() {
            self.commit(0);
        }
        self.flush();
        assert_eq!(self.storage.ssi().list().len(), 0, "locks outlive everyone");
        self
    }

    /// Transactions by number, in a circle of dependencies.
    fn circle(&self) -> Option<Vec<u32>> {
        let mut edges: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut add = |from: u32, to: u32| {
            if from != to {
                edges.entry(from).or_default().insert(to);
            }
        };
        for key in 0..KEYS {
            // The key's states in the order of visibility.
            let mut states: Vec<(Lsn, u32, bool)> = self
                .done
                .iter()
                .filter_map(|d| {
                    let (existed, exists) = d.writes.get(&key)?;
                    Some((d.csn.expect("it wrote"), d.number, existed != exists))
                })
                .collect();
            states.sort();
            for pair in states.windows(2) {
                add(pair[0].1, pair[1].1);
            }
            for d in &self.done {
                let mut read = |states: &mut dyn DoubleEndedIterator<Item = &(Lsn, u32, bool)>| {
                    let all: Vec<_> = states.collect();
                    if let Some(seen) = all.iter().rev().find(|s| s.0 <= d.snapshot) {
                        add(seen.1, d.number);
                    }
                    if let Some(next) = all.iter().find(|s| s.0 > d.snapshot) {
                        add(d.number, next.1);
                    }
                };
                if d.reads.contains(&key) {
                    read(&mut states.iter());
                } else if d.presence.contains(&key) {
                    read(&mut states.iter().filter(|s| s.2));
                }
            }
        }
        // Whoever nothing leads to any more can't be part of a circle.
        let mut left: BTreeSet<u32> = self.done.iter().map(|d| d.number).collect();
        loop {
            let targets: BTreeSet<u32> = left.iter().flat_map(|n| edges.get(n)).flatten().copied().collect();
            let sources: Vec<u32> = left.iter().copied().filter(|n| !targets.contains(n)).collect();
            if sources.is_empty() {
                return (!left.is_empty()).then(|| left.into_iter().collect());
            }
            for n in sources {
                left.remove(&n);
            }
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn serializable_histories_have_no_circles() {
    let first = setting("QUARRY_SEED", 1);
    let (mut done, mut failures) = (0, 0);
    for seed in first..first + setting("QUARRY_ROUNDS", 300) {
        let world = World::new(IsolationLevel::Serializable, seed).run(600);
        if let Some(circle) = world.circle() {
            panic!("seed {seed}: transactions {circle:?} are a circle");
        }
        done += world.done.len();
        failures += world.failures;
    }
    println!("{done} committed, {failures} failed or gave up");
    assert!(done > failures / 2, "most fail: {done} committed, {failures} failed");
}

#[test]
fn repeatable_read_histories_have_circles() {
    let (mut circles, mut done, mut failures) = (0, 0, 0);
    for seed in 1..=20 {
        let world = World::new(IsolationLevel::RepeatableRead, seed).run(600);
        circles += usize::from(world.circle().is_some());
        done += world.done.len();
        failures += world.failures;
    }
    println!("{circles} circles; {done} committed, {failures} failed or gave up");
    assert!(circles > 10, "the checker finds nothing: {circles} of 20");
}

/// Keys per group of the invariant: one of them at least is always there.
const GROUP: u32 = 4;

struct Groups {
    storage: Arc<Storage>,
    heap: Heap,
    tree: BTree,
    level: IsolationLevel,
}

impl Groups {
    /// The rows of a group: key and place.
    fn rows(&self, txn: &Transaction, group: u32, how: u64) -> Result<Vec<(u32, Tid)>> {
        let snap = txn.statement_snapshot();
        let keys = group * GROUP..(group + 1) * GROUP;
        let mut found = vec![];
        if how == 0 {
            let mut scan = self.heap.scan(snap, None);
            while scan.next_page(&mut |tid, body| {
                let key = key_and_writer(body).0;
                if keys.contains(&key) {
                    found.push((key, tid));
                }
                Ok(())
            })? {}
            return Ok(found);
        }
        let range =
            KeyRange::new(Bound::Included(index_key(keys.start)), Bound::Excluded(index_key(keys.end)));
        let direction = if how.is_multiple_of(2) { Direction::Forward } else { Direction::Backward };
        let mut scan = self.tree.scan(range, direction).read_by(&snap).with_visibility(&self.heap);
        while let Some(e) = scan.next()? {
            let tid = e.tid;
            let key = u32::from_be_bytes(e.key[..4].try_into().expect("four bytes"));
            if e.all_visible && how < 4 && self.heap.is_still_all_visible(&snap, tid.block)? {
                found.push((key, tid));
            } else if let Some(tid) = self.heap.fetch(&snap, tid, |tid, _| tid)? {
                found.push((key, tid));
            }
        }
        Ok(found)
    }

    /// Takes a row of a group away if there are several, else adds one. False: it has to be tried again.
    fn change(&self, group: u32, rng: &mut FaultRng) -> bool {
        let txn = self.storage.begin(self.level);
        let outcome = (|| -> Result<bool> {
            let rows = self.rows(&txn, group, rng.below(6))?;
            assert!(!rows.is_empty() || self.level != IsolationLevel::Serializable, "group {group} is empty");
            txn.advance_command();
            let snap = txn.statement_snapshot();
            if rows.len() > 1 {
                let (_, tid) = rows[rng.below(rows.len() as u64) as usize];
                let gone = self.heap.delete(&txn, &snap, tid, WaitPolicy::Block)?;
                return Ok(matches!(gone, ModifyResult::Done { .. }));
            }
            let mut missing = (group * GROUP..(group + 1) * GROUP).filter(|k| rows.iter().all(|r| r.0 != *k));
            let Some(key) = missing.nth(rng.below(GROUP as u64 - rows.len() as u64) as usize) else {
                return Ok(true);
            };
            let tid = self.heap.insert(&txn, &row(key, 0, 200))?;
            let entry =
                self.tree.insert(&txn, &index_key(key), b"", tid, UniqueCheck::Enforce(&self.heap))?;
            Ok(entry == InsertOutcome::Inserted)
        })();
        let done = match outcome {
            Ok(true) => txn.commit().map(|csn| {
                if rng.below(4) == 0
                    && let Some(csn) = csn
                {
                    self.storage.wal().wait_durable_blocking(csn).unwrap();
                }
            }),
            Ok(false) => return false,
            Err(e) => Err(e),
        };
        match done {
            Ok(()) => true,
            Err(e) => {
                let expected = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
                assert!(expected.contains(&e.sqlstate()), "{e}");
                false
            }
        }
    }
}

/// Runs writers, a vacuum and a reader beside each other. How often the reader met an empty group, and how many changes were made.
fn run_groups(level: IsolationLevel, rounds: u32) -> (usize, usize) {
    const GROUPS: u32 = 3;
    let storage = create(&FaultDisk::new());
    let workers = storage.start_background();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&txn, Oid(5)).unwrap();
    Heap::create(&storage, &txn, TABLE).unwrap();
    BTree::create(&storage, &txn, INDEX).unwrap();
    let heap = Heap::open(&storage, TABLE, None, layout());
    let tree = BTree::open(&storage, INDEX, true);
    for key in 0..GROUPS * GROUP {
        let tid = heap.insert(&txn, &row(key, 0, 200)).unwrap();
        tree.insert(&txn, &index_key(key), b"", tid, UniqueCheck::None).unwrap();
    }
    let csn = txn.commit().unwrap().unwrap();
    storage.wal().wait_durable_blocking(csn).unwrap();
    let world = Groups { storage: storage.clone(), heap, tree, level };
    let (mut empty, mut changes) = (0, 0);
    std::thread::scope(|scope| {
        let world = &world;
        let writers: Vec<_> = (0..3u64)
            .map(|seed| {
                scope.spawn(move || {
                    let mut rng = FaultRng::new(seed);
                    (0..rounds).filter(|i| world.change(i % GROUPS, &mut rng)).count()
                })
            })
            .collect();
        let mut rng = FaultRng::new(99);
        while !writers.iter().all(|w| w.is_finished()) {
            let options = VacuumOptions::default();
            world.heap.vacuum(&[&world.tree], &options).unwrap();
            let txn = world.storage.begin(world.level);
            txn.set_modes(true, rng.below(2) == 0);
            txn.await_safe_snapshot().unwrap();
            let seen: Result<Vec<usize>> =
                (0..GROUPS).map(|g| world.rows(&txn, g, rng.below(6)).map(|r| r.len())).collect();
            if let Ok(seen) = seen
                && txn.commit().is_ok()
            {
                empty += seen.iter().filter(|n| **n == 0).count();
            }
        }
        changes = writers.into_iter().map(|w| w.join().unwrap()).sum();
    });
    drop(workers);
    storage.wal().flush_to(storage.wal().inserted()).unwrap();
    assert_eq!(storage.ssi().list().len(), 0);
    (empty, changes)
}

#[test]
fn threads_keep_an_invariant_over_ranges() {
    let rounds = setting("QUARRY_ROUNDS", 600) as u32;
    let (empty, changes) = run_groups(IsolationLevel::Serializable, rounds);
    println!("{changes} changes");
    assert_eq!(empty, 0);
    assert!(changes > rounds as usize / 4, "{changes} changes in {rounds} rounds");
}
