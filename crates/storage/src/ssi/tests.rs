//! Unit tests: the lock table alone, and small histories through transactions.

use super::locks::{LockTable, Readers};
use super::*;
use crate::disk::{Disk, FaultDisk};
use crate::heap::{Heap, ModifyResult, UpdateOptions};
use crate::index::{BTree, UniqueCheck};
use crate::row::{RowBuilder, RowLayout, Width};
use crate::{Config, IsolationLevel, Storage, Transaction, WaitPolicy};
use quarry_common::{Oid, SqlState};
use std::sync::mpsc::channel;

const TABLE: RelId = RelId::new(Oid(5), 1);
const INDEX: RelId = RelId::new(Oid(5), 2);

fn xact(id: u64) -> Arc<Xact> {
    Arc::new(Xact::new(id, Lsn(id), false, 0, None))
}

fn tid(block: BlockNo, slot: u16) -> Tid {
    Tid { block, slot }
}

fn held(x: &Xact) -> Vec<Target> {
    let mut all = x.held.lock().targets();
    all.sort();
    all
}

/// Whether `x` stands in the table under a target.
fn found(t: &LockTable, x: &Xact, target: Target) -> bool {
    let mut readers = Readers::default();
    t.readers(&xact(999), &target, &mut readers);
    readers.xacts.iter().any(|r| r.id == x.id)
}

#[test]
fn many_locks_become_coarser() {
    let limits = Limits { per_relation: 4, per_page: 2, ..Limits::default() };
    let t = LockTable::new(limits);
    let x = xact(1);
    for slot in [3, 1, 3] {
        t.lock_tuple(&x, TABLE, tid(7, slot));
    }
    assert_eq!(held(&x), [Target::tuple(TABLE, tid(7, 1)), Target::tuple(TABLE, tid(7, 3))]);
    t.lock_tuple(&x, TABLE, tid(7, 2));
    assert_eq!(held(&x), [Target::page(TABLE, 7)]);
    assert!(!found(&t, &x, Target::tuple(TABLE, tid(7, 1))));
    t.lock_tuple(&x, TABLE, tid(7, 9));
    assert_eq!(held(&x).len(), 1);
    for block in 8..11 {
        t.lock_tuple(&x, TABLE, tid(block, 1));
    }
    assert_eq!(held(&x).len(), 4);
    t.lock_page(&x, TABLE, 20);
    assert_eq!(held(&x), [Target::relation(TABLE)]);
    assert!(found(&t, &x, Target::relation(TABLE)) && !found(&t, &x, Target::page(TABLE, 7)));
    t.release(&x);
    assert!(t.is_empty() && held(&x).is_empty());
    t.lock_page(&x, TABLE, 20);
    assert!(t.is_empty(), "whoever has ended locks nothing");
}

#[test]
fn the_default_is_half_the_locks_of_a_transaction() {
    // PostgreSQL: 64 / 2 - 1 locks may be fine ones, the 32nd makes it the relation.
    let t = LockTable::new(Limits::default());
    let x = xact(1);
    (0..31).for_each(|block| t.lock_page(&x, TABLE, block));
    assert_eq!(held(&x).len(), 31);
    t.lock_page(&x, TABLE, 31);
    assert_eq!(held(&x), [Target::relation(TABLE)]);
}

#[test]
fn locks_follow_index_pages() {
    let t = LockTable::new(Limits::default());
    let (x, y, z) = (xact(1), xact(2), xact(3));
    t.lock_page(&x, INDEX, 4);
    t.lock_relation(&y, INDEX);
    t.lock_page(&z, INDEX, 5);
    t.copy_page(INDEX, 4, 9, false);
    assert_eq!(held(&x), [Target::page(INDEX, 4), Target::page(INDEX, 9)]);
    assert_eq!(held(&y), [Target::relation(INDEX)]);
    t.copy_page(INDEX, 9, 5, true);
    assert_eq!(held(&x), [Target::page(INDEX, 4), Target::page(INDEX, 5)]);
    assert!(found(&t, &x, Target::page(INDEX, 5)) && found(&t, &z, Target::page(INDEX, 5)));
    // The summary's locks follow as well.
    x.set_summary_end(Lsn(50));
    t.summarise(&x, Lsn(50));
    t.copy_page(INDEX, 5, 11, false);
    let mut old = t.old_targets();
    old.sort();
    let pages = [4, 5, 11].map(|b| (Target::page(INDEX, b), Lsn(50)));
    assert_eq!(old, pages);
    t.clear_old(Lsn(49));
    assert_eq!(t.old_targets().len(), 3);
    t.clear_old(Lsn(50));
    t.release(&y);
    t.release(&z);
    assert!(t.is_empty());
}

#[test]
fn reads_of_what_goes_count_for_all_of_the_table() {
    let t = LockTable::new(Limits::default());
    let (x, y) = (xact(1), xact(2));
    t.lock_page(&x, INDEX, 4);
    t.copy_to_relation(&x, INDEX, TABLE);
    t.copy_to_relation(&y, INDEX, TABLE);
    assert!(held(&x).contains(&Target::relation(TABLE)) && held(&y).is_empty());
}

// ---- through transactions ----

struct World {
    storage: Arc<Storage>,
    heap: Heap,
    tree: BTree,
    rows: Vec<Tid>,
}

fn row(value: u32) -> Vec<u8> {
    let mut b = RowBuilder::new();
    b.begin(&RowLayout::new(&[Width::Fixed(4)]));
    b.fixed(&value.to_le_bytes());
    b.finish().to_vec()
}

fn world(rows: u32) -> World {
    let disk: Arc<dyn Disk> = Arc::new(FaultDisk::new());
    let config = Config { shared_buffers_bytes: 64 * 8192, wal_segment_bytes: 1 << 17, ..Config::default() };
    let storage = Storage::create(disk, config).unwrap();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    storage.create_database_dir(&txn, Oid(5)).unwrap();
    Heap::create(&storage, &txn, TABLE).unwrap();
    BTree::create(&storage, &txn, INDEX).unwrap();
    let heap = Heap::open(&storage, TABLE, None, Arc::new(RowLayout::new(&[Width::Fixed(4)])));
    let tree = BTree::open(&storage, INDEX, true);
    let mut tids = vec![];
    for i in 0..rows {
        let tid = heap.insert(&txn, &row(i)).unwrap();
        tree.insert(&txn, &i.to_be_bytes(), b"", tid, UniqueCheck::None).unwrap();
        tids.push(tid);
    }
    let csn = txn.commit().unwrap().unwrap();
    storage.wal().flush_to(csn).unwrap();
    World { storage, heap, tree, rows: tids }
}

impl World {
    fn begin(&self) -> Transaction {
        self.storage.begin(IsolationLevel::Serializable)
    }

    fn begin_read_only(&self) -> Transaction {
        let txn = self.begin();
        txn.set_modes(true, false);
        txn
    }

    fn read(&self, txn: &Transaction, i: usize) -> Result<bool> {
        let snap = txn.statement_snapshot();
        Ok(self.heap.fetch(&snap, self.rows[i], |_, _| ())?.is_some())
    }

    fn write(&self, txn: &Transaction, i: usize) -> Result<()> {
        let snap = txn.statement_snapshot();
        let options = UpdateOptions { hot_allowed: true, key_unchanged: true };
        match self.heap.update(txn, &snap, self.rows[i], &row(77), options, WaitPolicy::NoWait)? {
            ModifyResult::Done { .. } => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    fn commit(&self, txn: &Transaction) -> Result<()> {
        if let Some(csn) = txn.commit()? {
            self.storage.wal().flush_to(csn)?;
        }
        Ok(())
    }

    fn locks(&self) -> usize {
        self.storage.ssi().list().len()
    }
}

fn reason(r: Result<impl Sized>) -> String {
    let e = r.err().expect("a serialization failure");
    assert_eq!(e.sqlstate(), SqlState::T_R_SERIALIZATION_FAILURE);
    let detail = e.fields().detail.clone().unwrap_or_default();
    detail.trim_start_matches("Reason code: Canceled on ").to_string()
}

#[test]
fn write_skew_costs_one_of_two() {
    let w = world(2);
    let (a, b) = (w.begin(), w.begin());
    w.read(&a, 0).unwrap();
    w.read(&b, 1).unwrap();
    w.write(&a, 1).unwrap();
    w.write(&b, 0).unwrap();
    w.commit(&a).unwrap();
    assert_eq!(reason(w.commit(&b)), "identification as a pivot, during commit attempt.");
    assert_eq!(w.locks(), 0);
}

#[test]
fn a_pivot_that_writes_too_late_is_cancelled() {
    let w = world(2);
    let (a, b) = (w.begin(), w.begin());
    w.read(&a, 0).unwrap();
    w.read(&b, 1).unwrap();
    w.write(&a, 1).unwrap();
    w.commit(&a).unwrap();
    assert_eq!(reason(w.write(&b, 0)), "identification as a pivot, during write.");
}

#[test]
fn a_reader_under_a_committed_pivot_is_cancelled() {
    // a → p → t, t first; p commits before a reads what it wrote.
    let w = world(4);
    let (a, p, t) = (w.begin(), w.begin(), w.begin());
    w.read(&a, 3).unwrap();
    w.read(&p, 0).unwrap();
    w.write(&t, 0).unwrap();
    w.write(&p, 1).unwrap();
    w.commit(&t).unwrap();
    w.commit(&p).unwrap();
    assert!(reason(w.read(&a, 1)).starts_with("conflict out to pivot"));
}

#[test]
fn order_of_commits_makes_it_harmless() {
    // a → p → t, but a commits first.
    let w = world(4);
    let (a, p, t) = (w.begin(), w.begin(), w.begin());
    w.read(&a, 1).unwrap();
    w.write(&a, 3).unwrap();
    w.read(&p, 0).unwrap();
    w.write(&p, 1).unwrap();
    w.write(&t, 0).unwrap();
    for txn in [&a, &p, &t] {
        w.commit(txn).unwrap();
    }
}

#[test]
fn the_read_only_anomaly_is_found() {
    let w = world(4);
    let (p, t) = (w.begin(), w.begin());
    w.read(&p, 0).unwrap();
    w.write(&t, 0).unwrap();
    w.commit(&t).unwrap();
    let r = w.begin_read_only();
    w.read(&r, 0).unwrap();
    w.read(&r, 1).unwrap();
    assert_eq!(reason(w.write(&p, 1)), "identification as a pivot, during write.");
    p.abort();
    w.commit(&r).unwrap();

    // The same with a snapshot before t's commit: no anomaly.
    let (p, t) = (w.begin(), w.begin());
    let r = w.begin_read_only();
    w.read(&r, 2).unwrap();
    w.read(&p, 2).unwrap();
    w.write(&t, 2).unwrap();
    w.commit(&t).unwrap();
    w.write(&p, 3).unwrap();
    w.read(&r, 3).unwrap();
    w.commit(&p).unwrap();
    w.commit(&r).unwrap();
}

#[test]
fn safe_readers_lock_nothing() {
    let w = world(2);
    let r = w.begin_read_only();
    w.read(&r, 0).unwrap();
    assert_eq!(w.locks(), 0, "nobody else runs");
    let writer = w.begin();
    w.read(&writer, 1).unwrap();
    let open = w.begin_read_only();
    w.read(&open, 0).unwrap();
    assert_eq!(w.locks(), 2);
    w.write(&writer, 1).unwrap();
    w.commit(&writer).unwrap();
    w.read(&open, 1).unwrap();
    assert_eq!(w.locks(), 0, "the writer has done no harm");
    w.commit(&r).unwrap();
    w.commit(&open).unwrap();
}

/// Waits until somebody's DEFERRABLE transaction waits.
fn until_deferring(w: &World, pid: i32) {
    while w.storage.ssi().awaited_by(pid).is_empty() {
        std::thread::yield_now();
    }
}

fn deferring(w: &World, pid: i32) -> Transaction {
    let options = crate::txn::TxnOptions { pid, ..Default::default() };
    let txn = w.storage.begin_with(IsolationLevel::Serializable, options);
    txn.set_modes(true, true);
    txn
}

#[test]
fn deferrable_tries_again_when_its_snapshot_is_unsafe() {
    let w = world(4);
    let (p, t) = (w.begin(), w.begin());
    w.read(&p, 0).unwrap();
    w.write(&p, 1).unwrap();
    w.write(&t, 0).unwrap();
    w.commit(&t).unwrap();
    let before = w.storage.wal().flushed();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let r = deferring(&w, 42);
            r.await_safe_snapshot().unwrap();
            let seen = r.statement_snapshot().csn();
            w.read(&r, 0).unwrap();
            assert_eq!(w.locks(), 0);
            w.commit(&r).unwrap();
            seen
        });
        until_deferring(&w, 42);
        // The pivot commits with its edge to what the first snapshot shows.
        w.commit(&p).unwrap();
        assert!(reader.join().unwrap() > before);
    });
}

#[test]
fn deferrable_goes_on_when_the_writer_gives_up_and_can_be_cancelled() {
    let w = world(4);
    let p = w.begin();
    w.read(&p, 0).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let r = deferring(&w, 42);
            r.await_safe_snapshot().map(|()| w.commit(&r).unwrap())
        });
        let (send, flag) = channel();
        let other = scope.spawn({
            let w = &w;
            move || {
                let r = deferring(w, 43);
                send.send(r.cancel_flag()).unwrap();
                r.await_safe_snapshot()
            }
        });
        until_deferring(&w, 42);
        until_deferring(&w, 43);
        flag.recv().unwrap().store(true, Ordering::Release);
        assert_eq!(other.join().unwrap().unwrap_err().sqlstate(), SqlState::QUERY_CANCELED);
        p.abort();
        assert!(reader.join().unwrap().is_ok());
    });
    assert_eq!(w.locks(), 0);
}

#[test]
fn summaries_keep_what_matters() {
    let w = world(6);
    let limits = Limits { transactions: 0, ..Limits::default() };
    w.storage.ssi().set_limits(limits);
    // p → t with t summarised, then a → p: p is a pivot.
    let (a, p) = (w.begin(), w.begin());
    w.read(&a, 5).unwrap();
    w.read(&p, 0).unwrap();
    let t = w.begin();
    w.write(&t, 0).unwrap();
    w.commit(&t).unwrap();
    assert!(w.storage.ssi().graph.lock().finished.is_empty());
    w.read(&p, 0).unwrap();
    w.read(&a, 1).unwrap();
    assert_eq!(reason(w.write(&p, 1)), "identification as a pivot, during write.");
    p.abort();
    a.abort();

    // A summarised pivot is known. (Locks are fine ones until the commits.)
    w.storage.ssi().set_limits(Limits::default());
    let a = w.begin();
    w.read(&a, 5).unwrap();
    let (p, t) = (w.begin(), w.begin());
    w.read(&p, 2).unwrap();
    w.write(&p, 3).unwrap();
    w.write(&t, 2).unwrap();
    w.storage.ssi().set_limits(limits);
    w.commit(&t).unwrap();
    w.commit(&p).unwrap();
    assert!(w.storage.ssi().graph.lock().finished.is_empty());
    assert!(reason(w.read(&a, 3)).starts_with("conflict out to old pivot"));
    a.abort();
    assert_eq!(w.locks(), 0);
}

#[test]
fn thousands_of_transactions_fit_beside_an_old_one() {
    let w = world(40);
    w.storage.ssi().set_limits(Limits { transactions: 4, ..Limits::default() });
    let old = w.begin();
    w.read(&old, 0).unwrap();
    for i in 0..2000 {
        let txn = w.begin();
        for k in 0..10 {
            w.read(&txn, (i + k) % 40).unwrap();
        }
        txn.assign_xid();
        w.commit(&txn).unwrap();
    }
    assert!(w.storage.ssi().graph.lock().nodes.len() <= 41);
    assert!(w.locks() < 600, "{}", w.locks());
    w.commit(&old).unwrap();
    assert_eq!(w.locks(), 0);
}

#[test]
fn a_phantom_is_found_through_the_gap_after_a_split() {
    let w = world(0);
    let (a, b) = (w.begin(), w.begin());
    let mut none = vec![];
    w.tree.lookup_by(&a.statement_snapshot(), &500u32.to_be_bytes(), &mut none).unwrap();
    w.read_beyond_the_end(&b);
    assert!(none.is_empty());
    let filler = w.storage.begin(IsolationLevel::ReadCommitted);
    for i in (0..2000u32).filter(|i| *i != 500) {
        let tid = w.heap.insert(&filler, &row(i)).unwrap();
        w.tree.insert(&filler, &i.to_be_bytes(), b"", tid, UniqueCheck::None).unwrap();
    }
    w.commit(&filler).unwrap();
    assert!(w.tree.height().unwrap() > 0);
    let insert = |txn: &Transaction, i: u32| -> Result<()> {
        let tid = w.heap.insert(txn, &row(i))?;
        w.tree.insert(txn, &i.to_be_bytes(), b"", tid, UniqueCheck::None).map(drop)
    };
    insert(&b, 500).unwrap();
    insert(&a, 5000).unwrap();
    w.commit(&a).unwrap();
    assert_eq!(reason(w.commit(&b)), "identification as a pivot, during commit attempt.");
    w.tree.check().unwrap();
}

#[test]
fn a_phantom_is_found_through_the_gap_of_a_removed_leaf() {
    let w = world(3000);
    let gone = w.storage.begin(IsolationLevel::ReadCommitted);
    let snap = gone.statement_snapshot();
    for tid in &w.rows[300..2400] {
        w.heap.delete(&gone, &snap, *tid, WaitPolicy::NoWait).unwrap();
    }
    w.commit(&gone).unwrap();
    let (a, b) = (w.begin(), w.begin());
    let mut entries = vec![];
    w.tree.lookup_by(&a.statement_snapshot(), &1300u32.to_be_bytes(), &mut entries).unwrap();
    w.read_beyond_the_end(&b);
    let options = crate::vacuum::VacuumOptions::default();
    let stats = w.heap.vacuum(&[&w.tree], &options).unwrap();
    assert!(stats.indexes[0].pages_deleted > 2);
    let insert = |txn: &Transaction, i: u32| -> Result<()> {
        let tid = w.heap.insert(txn, &row(i))?;
        w.tree.insert(txn, &i.to_be_bytes(), b"", tid, UniqueCheck::None).map(drop)
    };
    insert(&b, 1300).unwrap();
    insert(&a, 5000).unwrap();
    w.commit(&a).unwrap();
    assert_eq!(reason(w.commit(&b)), "identification as a pivot, during commit attempt.");
}

impl World {
    /// Reads the end of the index: where 5000 would go.
    fn read_beyond_the_end(&self, txn: &Transaction) {
        let mut none = vec![];
        self.tree.lookup_by(&txn.statement_snapshot(), &5000u32.to_be_bytes(), &mut none).unwrap();
    }
}

#[test]
fn rolled_back_reads_count_and_own_writes_keep_no_lock() {
    let w = world(2);
    let (a, b) = (w.begin(), w.begin());
    let level = a.savepoint();
    w.read(&a, 0).unwrap();
    a.rollback_to(level);
    a.release(level);
    w.read(&b, 1).unwrap();
    w.write(&a, 1).unwrap();
    w.write(&b, 0).unwrap();
    w.commit(&a).unwrap();
    assert!(w.commit(&b).is_err());

    let c = w.begin();
    let snap = c.statement_snapshot();
    let mut entries = vec![];
    w.tree.lookup(&1u32.to_be_bytes(), &mut entries).unwrap();
    let current = w.heap.fetch(&snap, entries[0], |tid, _| tid).unwrap().unwrap();
    assert_eq!(w.locks(), 1);
    let done = w.heap.delete(&c, &snap, current, WaitPolicy::NoWait).unwrap();
    assert!(matches!(done, ModifyResult::Done { .. }));
    assert_eq!(w.locks(), 0);
}

#[test]
fn lower_levels_leave_no_trace() {
    let w = world(2);
    for level in [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead] {
        let txn = w.storage.begin(level);
        w.read(&txn, 0).unwrap();
        assert!(txn.xact().is_none());
        assert_eq!(w.locks(), 0);
    }
}

#[test]
fn a_recovered_prepared_transaction_of_unknown_reads_has_read_everything() {
    let w = world(4);
    let ssi = w.storage.ssi();
    let prepared = ssi.recovered(&[Xid(1 << 40)], None);
    let one = w.begin();
    w.read(&one, 0).unwrap();
    w.write(&one, 1).unwrap();
    w.commit(&one).unwrap();
    // Who reads under its writes has it as a pivot that leads to something earlier.
    let two = w.begin();
    w.read(&two, 0).unwrap();
    let met = two.xact().map(|x| ssi.conflict_out(x, Xid(1 << 40))).unwrap();
    assert!(reason(met).starts_with("conflict out to pivot"));
    two.abort();
    // Two of them may be in conflict with each other: a writer beside them completes it.
    let other = ssi.recovered(&[Xid((1 << 40) + 1)], None);
    let three = w.begin();
    w.write(&three, 2).unwrap();
    assert_eq!(reason(w.commit(&three)), "commit attempt with conflict in from prepared pivot.");
    ssi.aborted(&other);
    ssi.aborted(&prepared);
    let four = w.begin();
    w.write(&four, 2).unwrap();
    w.commit(&four).unwrap();
    assert_eq!(w.locks(), 0);
}

#[test]
fn a_recovered_prepared_transaction_has_read_what_it_had() {
    let w = world(4);
    let ssi = w.storage.ssi();
    let reader = w.begin();
    w.read(&reader, 1).unwrap();
    let reads = reader.xact().map(|x| x.reads()).unwrap();
    reader.abort();
    assert!(!reads.is_empty());
    let (prepared, other) =
        (ssi.recovered(&[Xid(1 << 40)], Some(&reads)), ssi.recovered(&[Xid((1 << 40) + 1)], Some(&[])));
    assert_eq!(w.locks(), reads.len());
    // Two of them may be in conflict with each other: who writes what one has read completes it, others don't.
    let one = w.begin();
    w.write(&one, 2).unwrap();
    w.commit(&one).unwrap();
    let two = w.begin();
    w.write(&two, 1).unwrap();
    assert_eq!(reason(w.commit(&two)), "commit attempt with conflict in from prepared pivot.");
    ssi.aborted(&other);
    ssi.aborted(&prepared);
    let three = w.begin();
    w.write(&three, 1).unwrap();
    w.commit(&three).unwrap();
    assert_eq!(w.locks(), 0);
}

#[test]
fn an_imported_snapshot_is_concurrent_with_what_came_since() {
    let w = world(4);
    let source = w.begin();
    let snapshot = source.statement_snapshot();
    let reader = w.begin_read_only();
    let t = w.begin();
    w.write(&t, 0).unwrap();
    w.commit(&t).unwrap();
    let late = w.begin_read_only();
    w.read(&late, 0).unwrap();
    w.read(&late, 1).unwrap();
    // p reads under t's write, which `late` sees, and writes what `late` has read.
    let (ssi, never) = (w.storage.ssi(), AtomicBool::new(false));
    let who = Beginner {
        read_only: false,
        deferrable: false,
        imported: true,
        database: Oid::INVALID,
        pid: 0,
        name: VirtualId { backend: 0, local: 0 },
        xids: vec![],
        cancel: &never,
    };
    let (csn, p) = ssi.begin(&who, &|| snapshot.csn()).unwrap();
    assert_eq!(csn, snapshot.csn());
    let p = p.expect("it may write");
    w.commit(&source).unwrap();
    assert!(!late.xact().unwrap().is_safe());
    ssi.conflict_out(&p, t.top_xid().unwrap()).unwrap();
    let row = Target::tuple(TABLE, w.rows[1]);
    assert_eq!(reason(ssi.check_write(&p, &[row], false)), "identification as a pivot, during write.");
    ssi.aborted(&p);
    assert!(late.xact().is_none());
    w.commit(&late).unwrap();
    w.commit(&reader).unwrap();
    assert_eq!(w.locks(), 0);
}
