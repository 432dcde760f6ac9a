//! A table with a unique index and long values on a disk that dies at a random write: after recovery every acknowledged
//! transaction is there, no unacknowledged one in part, index and table agree.

mod common;

use common::{create, open};
use quarry_common::{Lsn, Oid, Result, Tid};
use quarry_storage::disk::{Disk, FaultDisk, FaultRng};
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions};
use quarry_storage::index::{BTree, Direction, IndexMethod, InsertOutcome, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, Width};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::{IsolationLevel, RelId, Storage, Transaction, WaitPolicy, check};
use std::collections::BTreeMap;
use std::sync::Arc;

const TABLE: RelId = RelId::new(Oid(5), 30000);
const TOAST: RelId = RelId::new(Oid(5), 30001);
const INDEX: RelId = RelId::new(Oid(5), 30002);

struct Table {
    storage: Arc<Storage>,
    heap: Heap,
    index: BTree,
    layout: Arc<RowLayout>,
}

impl Table {
    fn open(storage: Arc<Storage>) -> Table {
        let layout = Arc::new(RowLayout::new(&[Width::Fixed(4), Width::Var]));
        let heap = Heap::open(&storage, TABLE, Some(TOAST), layout.clone());
        let index = BTree::open(&storage, INDEX, true).with_name("i");
        Table { storage, heap, index, layout }
    }

    fn create(storage: Arc<Storage>) -> Table {
        let t = storage.begin(IsolationLevel::ReadCommitted);
        storage.create_database_dir(&t, Oid(5)).unwrap();
        Heap::create(&storage, &t, TABLE).unwrap();
        Heap::create(&storage, &t, TOAST).unwrap();
        BTree::create(&storage, &t, INDEX).unwrap();
        let lsn = t.commit().unwrap().unwrap();
        storage.wal().wait_durable_blocking(lsn).unwrap();
        drop(t);
        Table::open(storage)
    }

    fn row(&self, id: u32, text: &[u8]) -> Vec<u8> {
        let mut b = RowBuilder::new();
        b.begin(&self.layout);
        b.fixed(&id.to_le_bytes());
        b.var(text);
        b.finish().to_vec()
    }

    fn decode(&self, body: &[u8]) -> Result<(u32, Vec<u8>)> {
        let r = RowRef::new(&self.layout, body);
        Ok((u32::from_le_bytes(r.fixed_array(0)), self.heap.detoast(r.var(1))?.to_vec()))
    }

    fn by_key(&self, t: &Transaction, id: u32) -> Result<Option<(Tid, Vec<u8>)>> {
        let s = t.statement_snapshot();
        let mut scan = self.index.scan(KeyRange::point(&id.to_be_bytes()), Direction::Forward);
        while let Some(e) = scan.next()? {
            if let Some((tid, row)) = self.heap.fetch(&s, e.tid, |tid, b| (tid, self.decode(b)))? {
                return Ok(Some((tid, row?.1)));
            }
        }
        Ok(None)
    }

    /// One transaction of a few changes; what the table holds after it.
    fn work(&self, t: &Transaction, rng: &mut FaultRng, model: &mut BTreeMap<u32, Vec<u8>>) -> Result<()> {
        for _ in 0..1 + rng.below(8) {
            t.advance_command();
            let id = rng.below(200) as u32;
            let len = if rng.below(12) == 0 { rng.below(20_000) } else { rng.below(300) } as usize;
            let text: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            let insert = |hot_from: Option<Tid>| -> Result<()> {
                let tid = match hot_from {
                    None => self.heap.insert(t, &self.row(id, &text))?,
                    Some(tid) => {
                        let opts =
                            UpdateOptions { hot_allowed: !text.len().is_multiple_of(4), key_unchanged: true };
                        let row = self.row(id, &text);
                        match self.heap.update(
                            t,
                            &t.statement_snapshot(),
                            tid,
                            &row,
                            opts,
                            WaitPolicy::Block,
                        )? {
                            ModifyResult::Done { hot: true, .. } => return Ok(()),
                            ModifyResult::Done { tid, hot: false } => tid,
                            other => panic!("{other:?}"),
                        }
                    }
                };
                let out =
                    self.index.insert(t, &id.to_be_bytes(), b"", tid, UniqueCheck::Enforce(&self.heap))?;
                assert_eq!(out, InsertOutcome::Inserted);
                Ok(())
            };
            match self.by_key(t, id)? {
                Some((tid, _)) if rng.below(3) == 0 => {
                    let s = t.statement_snapshot();
                    assert!(matches!(
                        self.heap.delete(t, &s, tid, WaitPolicy::Block)?,
                        ModifyResult::Done { .. }
                    ));
                    model.remove(&id);
                }
                found => {
                    insert(found.map(|f| f.0))?;
                    model.insert(id, text);
                }
            }
        }
        Ok(())
    }

    fn contents(&self) -> Result<BTreeMap<u32, Vec<u8>>> {
        let t = self.storage.begin(IsolationLevel::ReadCommitted);
        let mut rows = BTreeMap::new();
        let mut scan = self.heap.scan(t.statement_snapshot(), None);
        let mut raw = Vec::new();
        while scan.next_page(&mut |_, b| {
            raw.push(b.to_vec());
            Ok(())
        })? {}
        for b in raw {
            let (id, text) = self.decode(&b)?;
            assert!(rows.insert(id, text).is_none(), "row {id} twice");
        }
        for id in 0..200 {
            assert!(
                self.by_key(&t, id)?.map(|f| f.1) == rows.get(&id).cloned(),
                "index and table differ at {id}"
            );
        }
        Ok(rows)
    }

    fn vacuum(&self) -> Result<()> {
        let indexes: [&dyn IndexMethod; 1] = [&self.index];
        let options = VacuumOptions { lock_for_truncate: Some(&|| Ok(true)), ..Default::default() };
        self.heap.vacuum(&indexes, &options)?;
        Ok(())
    }
}

fn crash_rounds(seed: u64) {
    let disk = FaultDisk::new();
    let mut rng = FaultRng::new(seed);
    let mut table = Table::create(create(&disk));
    // The table after every transaction, with its commit's position; the last acknowledged one.
    let mut history: Vec<(Lsn, BTreeMap<u32, Vec<u8>>)> = vec![(Lsn(0), BTreeMap::new())];
    for round in 0..6 {
        disk.fail_after(rng.below(600));
        let mut acknowledged = history[history.len() - 1].0;
        let mut now = history[history.len() - 1].1.clone();
        'work: for _ in 0..rng.below(150) {
            let t = table.storage.begin(IsolationLevel::ReadCommitted);
            t.set_read_at_inserted(true);
            let mut next = now.clone();
            if table.work(&t, &mut rng, &mut next).is_err() {
                break;
            }
            if rng.below(5) == 0 {
                t.abort();
            } else {
                // The record may reach the disk even if the commit seems to fail.
                match t.commit() {
                    Ok(Some(lsn)) => {
                        now = next;
                        history.push((lsn, now.clone()));
                        if rng.below(2) == 0 {
                            match table.storage.wal().wait_durable_blocking(lsn) {
                                Ok(()) => acknowledged = lsn,
                                Err(_) => break 'work,
                            }
                        }
                    }
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
            drop(t);
            let extra = match rng.below(30) {
                0 => table.storage.checkpoint().map(|_| ()),
                1 | 2 => table.vacuum(),
                3 => table.storage.pool().write_ahead_of_hand(10).map(|_| ()),
                _ => Ok(()),
            };
            if extra.is_err() {
                break;
            }
        }
        drop(table);
        disk.crash(rng.next_u64());
        if rng.below(4) == 0 {
            disk.fail_after(rng.below(200));
            drop(Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, common::small()));
            disk.crash(rng.next_u64());
        }
        table = Table::open(open(&disk));
        let got = table.contents().unwrap_or_else(|e| panic!("seed {seed} round {round}: {e}"));
        let end = table.storage.recovered_to();
        assert!(end >= acknowledged, "seed {seed} round {round}: an acknowledged commit is gone");
        history.retain(|(lsn, _)| *lsn <= end);
        let (_, expected) = history.last().expect("the empty table");
        assert!(got == *expected, "seed {seed} round {round}: the table differs from its last durable state");
        history = vec![history.pop().expect("the last state")];
        check::check_or_error(&table.storage).unwrap_or_else(|e| panic!("seed {seed} round {round}: {e}"));
        if rng.below(3) == 0 {
            table.vacuum().unwrap_or_else(|e| panic!("seed {seed} round {round}: {e}"));
        }
    }
}

#[test]
fn committed_rows_survive_crashes() {
    for seed in common::seeds(12) {
        println!("seed {seed}");
        crash_rounds(seed);
    }
}
