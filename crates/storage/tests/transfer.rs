//! Money transfers over the fault-injecting disk: several writers move money between accounts in a heap with two
//! B-trees, write a history, use savepoints, roll back; vacuum and checkpoints run beside. The disk dies at a random write or
//! sync, loses unsynced writes and tears pages. After recovery: every acknowledged transfer is there, none is there in
//! part, the sum is unchanged, keys are unique, indexes agree with the heap.
//!
//! `QUARRY_ROUNDS` sets the number of seeds, `QUARRY_SEED` the first one.

mod common;

use common::{create, open};
use quarry_common::{Oid, Result, Tid};
use quarry_storage::disk::{FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions};
use quarry_storage::index::{BTree, Direction, InsertOutcome, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::{IsolationLevel, RelId, Snapshot, Storage, Transaction, WaitPolicy, check};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const DB: Oid = Oid(5);
const ACCOUNTS: RelId = RelId::new(DB, 1);
const ACCOUNTS_KEY: RelId = RelId::new(DB, 2);
const ACCOUNTS_BALANCE: RelId = RelId::new(DB, 3);
const HISTORY: RelId = RelId::new(DB, 4);
const HISTORY_KEY: RelId = RelId::new(DB, 5);
const COUNT: i64 = 60;
const START: i64 = 1000;

struct Tables {
    storage: Arc<Storage>,
    accounts: Heap,
    key: BTree,
    balance: BTree,
    history: Heap,
    history_key: BTree,
    /// What each transfer did, whatever became of it: from, to, amount.
    planned: Mutex<BTreeMap<i64, (i64, i64, i64)>>,
}

/// Order-preserving.
fn key(value: i64) -> [u8; 8] {
    (value as u64 ^ 1 << 63).to_be_bytes()
}

fn layout() -> Arc<RowLayout> {
    Arc::new(RowLayout::new(&[Width::Fixed(8), Width::Fixed(8), Width::Var]))
}

fn row(id: i64, amount: i64) -> Vec<u8> {
    let mut builder = RowBuilder::new();
    builder.begin(&layout());
    builder.fixed(&id.to_le_bytes());
    builder.fixed(&amount.to_le_bytes());
    builder.var(&[b'x'; 60]);
    builder.finish().to_vec()
}

fn columns(body: &[u8]) -> (i64, i64) {
    let layout = layout();
    let row = RowRef::new(&layout, body);
    (i64::from_le_bytes(row.fixed_array(0)), i64::from_le_bytes(row.fixed_array(1)))
}

/// What a transfer ran into.
enum Trouble {
    /// Concurrency: roll back and go on with the next.
    Retry,
    /// The disk is dead.
    Dead,
}

impl From<quarry_common::Error> for Trouble {
    fn from(e: quarry_common::Error) -> Trouble {
        match e.is_retryable() {
            true => Trouble::Retry,
            false => Trouble::Dead,
        }
    }
}

impl Tables {
    fn open(storage: &Arc<Storage>) -> Tables {
        Tables {
            storage: storage.clone(),
            accounts: Heap::open(storage, ACCOUNTS, None, layout()),
            key: BTree::open(storage, ACCOUNTS_KEY, true),
            balance: BTree::open(storage, ACCOUNTS_BALANCE, false),
            history: Heap::open(storage, HISTORY, None, layout()),
            history_key: BTree::open(storage, HISTORY_KEY, true),
            planned: Mutex::default(),
        }
    }

    fn create(storage: &Arc<Storage>) -> Result<Tables> {
        let txn = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&txn, DB)?;
        Heap::create(storage, &txn, ACCOUNTS)?;
        Heap::create(storage, &txn, HISTORY)?;
        for rel in [ACCOUNTS_KEY, ACCOUNTS_BALANCE, HISTORY_KEY] {
            BTree::create(storage, &txn, rel)?;
        }
        let tables = Tables::open(storage);
        for id in 0..COUNT {
            let tid = tables.accounts.insert(&txn, &row(id, START))?;
            tables.key.insert(&txn, &key(id), &[], tid, UniqueCheck::Enforce(&tables.accounts))?;
            tables.balance.insert(&txn, &key(START), &[], tid, UniqueCheck::None)?;
        }
        let lsn = txn.commit()?.expect("it wrote");
        storage.wal().wait_durable_blocking(lsn)?;
        Ok(tables)
    }

    fn find(&self, snapshot: &Snapshot, id: i64) -> Result<Option<(Tid, i64)>> {
        let mut scan = self.key.scan(KeyRange::point(&key(id)), Direction::Forward);
        while let Some(entry) = scan.next()? {
            let tid = entry.tid;
            if let Some(found) = self.accounts.fetch(snapshot, tid, |tid, body| (tid, columns(body)))? {
                assert_eq!(found.1.0, id, "index entry leads to its row");
                return Ok(Some((found.0, found.1.1)));
            }
        }
        Ok(None)
    }

    /// Adds to an account's balance; the row must exist.
    fn add(
        &self,
        txn: &Transaction,
        id: i64,
        amount: i64,
        with_index: bool,
    ) -> std::result::Result<(), Trouble> {
        for _ in 0..20 {
            let snapshot = txn.statement_snapshot();
            let Some((mut tid, mut balance)) = self.find(&snapshot, id)? else {
                panic!("account {id} is invisible to {snapshot:?}");
            };
            let mut snapshot = snapshot;
            loop {
                let options = UpdateOptions { hot_allowed: !with_index, key_unchanged: true };
                let new = row(id, balance + amount);
                match self.accounts.update(txn, &snapshot, tid, &new, options, WaitPolicy::Block)? {
                    ModifyResult::Done { tid, hot } => {
                        if !hot {
                            // A version of its own: every index gets an entry.
                            self.key.insert(txn, &key(id), &[], tid, UniqueCheck::None)?;
                            self.balance.insert(txn, &key(balance + amount), &[], tid, UniqueCheck::None)?;
                        }
                        txn.advance_command();
                        return Ok(());
                    }
                    ModifyResult::Updated { .. } => {
                        // READ COMMITTED: the newest version, seen by a new snapshot.
                        snapshot = txn.statement_snapshot();
                        match self.find(&snapshot, id)? {
                            Some(found) => (tid, balance) = found,
                            None => break,
                        }
                    }
                    other => panic!("{other:?} for account {id}"),
                }
            }
        }
        Err(Trouble::Retry)
    }

    /// One transfer; its number if it was acknowledged.
    fn transfer(
        &self,
        rng: &mut FaultRng,
        number: i64,
        commits: &AtomicU64,
    ) -> std::result::Result<bool, Trouble> {
        let level =
            if rng.below(4) == 0 { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let txn = self.storage.begin(level);
        let with_index = rng.below(2) == 0;
        let from = rng.below(COUNT as u64) as i64;
        let to = (from + 1 + rng.below(COUNT as u64 - 1) as i64) % COUNT;
        let amount = rng.below(100) as i64;
        self.planned.lock().unwrap().insert(number, (from, to, amount));
        let work = |txn: &Transaction| -> std::result::Result<(), Trouble> {
            if level == IsolationLevel::RepeatableRead {
                return self.repeatable(txn, from, to, amount);
            }
            self.add(txn, from, -amount, with_index)?;
            self.add(txn, to, amount, with_index)
        };
        if rng.below(3) == 0 {
            // A subtransaction that is undone and done again.
            let savepoint = txn.savepoint();
            self.add_history(&txn, number)?;
            work(&txn)?;
            txn.rollback_to(savepoint);
            work(&txn)?;
            txn.release(savepoint);
        } else {
            work(&txn)?;
        }
        self.add_history(&txn, number)?;
        if rng.below(6) == 0 {
            txn.abort();
            return Ok(false);
        }
        let lsn = txn.commit()?.expect("it wrote");
        commits.fetch_add(1, Ordering::Relaxed);
        self.storage.wal().wait_durable_blocking(lsn)?;
        Ok(true)
    }

    /// Both changes under one snapshot; a concurrent change is a serialization failure.
    fn repeatable(
        &self,
        txn: &Transaction,
        from: i64,
        to: i64,
        amount: i64,
    ) -> std::result::Result<(), Trouble> {
        for (id, amount) in [(from, -amount), (to, amount)] {
            let snapshot = txn.statement_snapshot();
            let (tid, balance) = self.find(&snapshot, id)?.expect("accounts are never deleted");
            let options = UpdateOptions { hot_allowed: true, key_unchanged: true };
            let new = row(id, balance + amount);
            match self.accounts.update(txn, &snapshot, tid, &new, options, WaitPolicy::Block)? {
                ModifyResult::Done { tid, hot } => {
                    if !hot {
                        self.key.insert(txn, &key(id), &[], tid, UniqueCheck::None)?;
                        self.balance.insert(txn, &key(balance + amount), &[], tid, UniqueCheck::None)?;
                    }
                }
                ModifyResult::Updated { .. } => return Err(Trouble::Retry),
                other => panic!("{other:?} for account {id}"),
            }
            txn.advance_command();
        }
        Ok(())
    }

    fn add_history(&self, txn: &Transaction, number: i64) -> std::result::Result<(), Trouble> {
        let tid = self.history.insert(txn, &row(number, 0))?;
        let check = UniqueCheck::Enforce(&self.history);
        match self.history_key.insert(txn, &key(number), &[], tid, check)? {
            InsertOutcome::Inserted => {}
            InsertOutcome::Conflict { tid } => panic!("history {number} is there already, at {tid:?}"),
        }
        txn.advance_command();
        Ok(())
    }

    fn rows(&self, heap: &Heap, snapshot: &Snapshot) -> Vec<(i64, i64)> {
        let mut rows = Vec::new();
        let mut scan = heap.scan(snapshot.clone(), None);
        while scan
            .next_page(&mut |_, body| {
                rows.push(columns(body));
                Ok(())
            })
            .unwrap()
        {}
        rows.sort_unstable();
        rows
    }

    fn rows_by_index(
        &self,
        index: &BTree,
        heap: &Heap,
        snapshot: &Snapshot,
        by_amount: bool,
    ) -> Vec<(i64, i64)> {
        let mut rows = Vec::new();
        let mut scan = index.scan(KeyRange::full(), Direction::Forward);
        while let Some(entry) = scan.next().unwrap() {
            let (entry_key, tid) = (entry.key.to_vec(), entry.tid);
            if let Some(row) = heap.fetch(snapshot, tid, |_, body| columns(body)).unwrap() {
                // HOT changes of the balance leave its index entry behind: only the unique keys must agree.
                if !by_amount {
                    assert_eq!(entry_key, key(row.0));
                }
                rows.push(row);
            }
        }
        rows.sort_unstable();
        rows
    }

    fn verify(&self, acknowledged: &BTreeSet<i64>, refused: &BTreeSet<i64>, seed: u64) {
        let next_xid = self.storage.txns().next_xid();
        for heap in [&self.accounts, &self.history] {
            for block in 0..heap.blocks().unwrap() {
                for slot in 1..250 {
                    let tid = Tid { block, slot };
                    let newest = heap.fetch_exact(tid, |_, meta, _| meta.xmin.max(meta.xmax)).unwrap();
                    assert!(
                        newest.is_none_or(|xid| xid < next_xid),
                        "seed {seed}: {newest:?} in {} {tid:?} was lost, next {next_xid:?}, recovered to {:?}",
                        heap.rel(),
                        self.storage.recovered_to()
                    );
                }
            }
        }
        let txn = self.storage.begin(IsolationLevel::ReadCommitted);
        let snapshot = txn.statement_snapshot();
        let accounts = self.rows(&self.accounts, &snapshot);
        assert_eq!(
            accounts.iter().map(|r| r.0).collect::<Vec<_>>(),
            (0..COUNT).collect::<Vec<_>>(),
            "seed {seed}"
        );
        assert_eq!(self.rows_by_index(&self.key, &self.accounts, &snapshot, false), accounts, "seed {seed}");
        assert_eq!(
            self.rows_by_index(&self.balance, &self.accounts, &snapshot, true),
            accounts,
            "seed {seed}"
        );
        let history = self.rows(&self.history, &snapshot);
        assert_eq!(
            self.rows_by_index(&self.history_key, &self.history, &snapshot, false),
            history,
            "seed {seed}"
        );
        let mut seen = BTreeMap::new();
        for (number, _) in &history {
            *seen.entry(*number).or_insert(0) += 1;
        }
        assert!(seen.values().all(|n| *n == 1), "seed {seed}: history is unique");
        let mut expected = vec![START; COUNT as usize];
        for number in seen.keys() {
            let (from, to, amount) = self.planned.lock().unwrap()[number];
            expected[from as usize] -= amount;
            expected[to as usize] += amount;
        }
        for ((id, balance), expected) in accounts.iter().zip(expected) {
            assert_eq!(*balance, expected, "seed {seed}: balance of account {id}");
        }
        assert_eq!(accounts.iter().map(|r| r.1).sum::<i64>(), COUNT * START, "seed {seed}: money");
        for number in acknowledged {
            assert!(seen.contains_key(number), "seed {seed}: transfer {number} was acknowledged");
        }
        for number in refused {
            assert!(!seen.contains_key(number), "seed {seed}: transfer {number} was rolled back");
        }
        for tree in [&self.key, &self.balance, &self.history_key] {
            tree.check().unwrap_or_else(|e| panic!("seed {seed}: {e:?}"));
        }
    }
}

fn round(seed: u64) {
    let disk = FaultDisk::new();
    let mut rng = FaultRng::new(seed);
    let mut tables = Tables::create(&create(&disk)).unwrap();
    let acknowledged = Mutex::new(BTreeSet::new());
    let refused = Mutex::new(BTreeSet::new());
    let next = AtomicU64::new(0);
    for crash in 0..3 {
        let commits = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let mut workers = tables.storage.start_background();
        disk.fail_after(rng.below(1200));
        let seeds: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        std::thread::scope(|scope| {
            let writers: Vec<_> = seeds
                .into_iter()
                .map(|seed| {
                    let (tables, acknowledged, refused, next, commits) =
                        (&tables, &acknowledged, &refused, &next, &commits);
                    scope.spawn(move || {
                        let mut rng = FaultRng::new(seed);
                        for _ in 0..150 {
                            let number = next.fetch_add(1, Ordering::Relaxed) as i64;
                            match tables.transfer(&mut rng, number, commits) {
                                Ok(true) => _ = acknowledged.lock().unwrap().insert(number),
                                Ok(false) | Err(Trouble::Retry) => _ = refused.lock().unwrap().insert(number),
                                Err(Trouble::Dead) => break,
                            }
                        }
                    })
                })
                .collect();
            let (tables, over) = (&tables, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Acquire) {
                    let options = VacuumOptions::default();
                    let done = (tables.accounts.vacuum(&[&tables.key, &tables.balance], &options).map(drop))
                        .and_then(|()| tables.history.vacuum(&[&tables.history_key], &options).map(drop))
                        .and_then(|()| tables.storage.checkpoint().map(drop));
                    if done.is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            over.store(true, Ordering::Release);
        });
        workers.stop();
        drop(workers);
        let planned = std::mem::take(&mut *tables.planned.lock().unwrap());
        drop(tables);
        disk.crash(rng.next_u64());
        tables = Tables::open(&open(&disk));
        *tables.planned.lock().unwrap() = planned;
        tables.verify(&acknowledged.lock().unwrap(), &refused.lock().unwrap(), seed);
        let mut problems = Vec::new();
        check::check_storage(&tables.storage, &mut |line| problems.push(line.to_string())).unwrap();
        assert!(problems.is_empty(), "seed {seed}, crash {crash}: {problems:?}");
    }
}

#[test]
fn transfers_survive_crashes() {
    for seed in common::seeds(200) {
        println!("seed {seed}");
        round(seed);
    }
}
