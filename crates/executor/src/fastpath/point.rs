//! A row by the whole key of a unique index: over the index, or in a table so small that the plan reads it all.

use super::is_simple;
use crate::build::{Builder, read_columns};
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::scan::key_value::{Carried, carry};
use crate::scan::rows::{RowReader, open_heap};
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Result, Tid};
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::heap::{Heap, TupleMeta};
use quarry_storage::index::{BTree, Direction, HashIndex, KeyRange};
use quarry_storage::stats::Reads;
use quarry_types::key::{self, KeyOrder};
use quarry_types::{Datum, TypeRef};
use std::sync::Arc;

/// So many entries under one unique key that lead nowhere are worth a scan that marks the dead ones.
const DEAD_ENTRIES_MAX: usize = 8;

/// Rows expected under a key that isn't unique up to which they are looked up here.
const ROWS_EXPECTED_MAX: f64 = 32.0;

/// One key column and what it must equal.
struct Key {
    ty: TypeRef,
    order: KeyOrder,
    value: Program,
}

/// How the row is found.
enum Access {
    /// By an equality condition on each key of an index.
    Key { index: Arc<IndexDef>, keys: Vec<Key> },
    /// By an equality condition on the key of a hash index. Other keys may have the same hash: rows' keys are compared where the key is one
    /// of the scan's columns (its place), else the filter has the condition.
    Hash { index: Arc<IndexDef>, key: Key, column: Option<usize> },
    /// By reading the whole table.
    Scan,
}

/// A scan for one row, compiled.
pub struct Point {
    pub relation: Arc<Relation>,
    /// No more than one row has the key.
    pub unique: bool,
    access: Access,
    /// Reads the scan's columns.
    reader: RowReader,
    filter: Vec<Program>,
    /// The scan's columns, which filter and targets are compiled over.
    pub columns: Vec<ColumnId>,
}

/// Opened relations and buffers of one execution.
pub struct PointWork {
    pub heap: Heap,
    tree: Option<BTree>,
    hash: Option<HashIndex>,
    key: Vec<u8>,
    /// The value looked for by a hash index, if it is a whole number.
    wanted: Datum,
    /// The key of the row at hand.
    row_key: Vec<u8>,
    /// Index entries with the key, or versions that the snapshot sees.
    pub tids: Vec<Tid>,
    /// The scan's columns of the row at hand.
    pub row: Vec<Datum>,
}

impl Point {
    /// The scan of `plan` with its filter, if it is such a scan. `many`: the index need not be unique, if few rows are expected.
    pub fn compile(b: &mut Builder<'_>, plan: &PhysicalPlan, many: bool) -> Option<Point> {
        let (relation, all) = match &plan.node {
            PhysicalNode::IndexScan { relation, columns, .. } => (relation, columns),
            PhysicalNode::SeqScan { relation, columns, one_row: true, .. } => (relation, columns),
            _ => return None,
        };
        let read = read_columns(plan);
        let columns = read.as_ref().unwrap_or(all);
        // Catalogs are read under a snapshot of their own.
        if relation.is_catalog || relation.storage.is_none() {
            return None;
        }
        let mut unique = true;
        let mut tested: Vec<&Expr> = plan.filter.iter().collect();
        let access = match &plan.node {
            PhysicalNode::IndexScan { index, conds, .. } if index.method == "hash" => {
                unique = false;
                if !many || plan.rows > ROWS_EXPECTED_MAX || conds.len() != 1 {
                    return None;
                }
                let column = index.keys[0]
                    .column
                    .and_then(|key| columns.iter().position(|(_, c)| *c == ScanColumn::Attribute(key)));
                if column.is_none() {
                    tested.push(&conds[0].source);
                }
                let key = compile_keys(b, index, conds)?.pop()?;
                Access::Hash { index: index.clone(), key, column }
            }
            PhysicalNode::IndexScan { index, conds, .. } => {
                unique = index.unique;
                if !(unique || many && plan.rows <= ROWS_EXPECTED_MAX)
                    || index.method != "btree"
                    || conds.len() != index.keys.len()
                {
                    return None;
                }
                Access::Key { index: index.clone(), keys: compile_keys(b, index, conds)? }
            }
            _ => Access::Scan,
        };
        let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        if !tested.iter().all(|e| is_simple(e, &ids)) {
            return None;
        }
        let filter = b.exprs(tested, &Layout::new(ids.iter().copied())).ok()?;
        Some(Point {
            reader: RowReader::new(relation, columns, b.io()).ok()?,
            relation: relation.clone(),
            unique,
            access,
            filter,
            columns: ids,
        })
    }

    pub fn open(&self, cx: &Cx<'_>) -> Result<PointWork> {
        let tree = match &self.access {
            Access::Key { index, .. } => Some(BTree::open(&cx.env.storage, index.storage, index.unique)),
            Access::Hash { .. } | Access::Scan => None,
        };
        let hash = match &self.access {
            Access::Hash { index, .. } => Some(HashIndex::open(&cx.env.storage, index.storage)),
            Access::Key { .. } | Access::Scan => None,
        };
        Ok(PointWork {
            heap: open_heap(cx.env, &self.relation)?,
            tree,
            hash,
            key: Vec::with_capacity(32),
            wanted: Datum::Null,
            row_key: vec![],
            tids: Vec::with_capacity(4),
            row: Vec::with_capacity(self.columns.len()),
        })
    }

    /// Whether a workspace was opened for this execution's storage.
    pub fn fits(work: &PointWork, cx: &Cx<'_>) -> bool {
        Arc::ptr_eq(work.heap.storage(), &cx.env.storage)
    }

    /// Finds what leads to the row; it is in `work.tids`.
    pub fn locate(&self, cx: &mut Cx<'_>, work: &mut PointWork) -> Result<()> {
        work.key.clear();
        work.tids.clear();
        if let (Access::Hash { key, .. }, Some(hash)) = (&self.access, &work.hash) {
            let value = key.value.row(cx, &[])?;
            if value.is_null() {
                return Ok(());
            }
            let Carried::Exact(value) = carry(value, key.ty.oid) else { return Ok(()) };
            key::encode_datum(&value, &key.ty, KeyOrder::ASC, &mut work.key)?;
            work.wanted = match value {
                value @ (Datum::I32(_) | Datum::I64(_)) => value,
                _ => Datum::Null,
            };
            hash.lookup_by(&cx.env.snapshot, &work.key, &mut work.tids)?;
            let found = work.tids.len() as u64;
            let reads = Reads { scans: 1, returned: found, fetched: found };
            hash.count_reads(&cx.env.snapshot, reads);
            return Ok(());
        }
        let (Access::Key { keys, .. }, Some(tree)) = (&self.access, &work.tree) else {
            let mut scan = work.heap.scan(cx.env.snapshot.clone(), None);
            while scan.next_rows(|rows| {
                work.tids.extend((0..rows.len()).map(|i| rows.tid(i)));
                Ok(())
            })? {
                cx.check_cancelled()?;
            }
            return Ok(());
        };
        for k in keys {
            let value = k.value.row(cx, &[])?;
            if value.is_null() {
                // Equality with NULL holds for no row.
                return Ok(());
            }
            // No key equals a value that its type doesn't have.
            let Carried::Exact(value) = carry(value, k.ty.oid) else { return Ok(()) };
            key::encode_datum(&value, &k.ty, k.order, &mut work.key)?;
        }
        tree.lookup_by(&cx.env.snapshot, &work.key, &mut work.tids)?;
        // Of a chain of versions, and of a row among them, one is seen as a rule.
        let found = work.tids.len() as u64;
        let reads = Reads { scans: 1, returned: found, fetched: found.min(1) };
        tree.count_reads(&cx.env.snapshot, reads);
        Ok(())
    }

    /// Reads the version that the snapshot sees behind one of `work.tids` into `work.row`, calling `more` on its stored form; gives
    /// its place.
    pub fn fetch(
        &self,
        work: &mut PointWork,
        snapshot: &Snapshot,
        entry: Tid,
        mut more: impl FnMut(&Heap, Tid, &[u8]) -> Result<()>,
    ) -> Result<Option<Tid>> {
        let PointWork { heap, row, .. } = work;
        let found = if matches!(self.access, Access::Scan) {
            // Nothing removes a version that the snapshot sees.
            heap.fetch_exact(entry, |tid, meta, body| {
                self.reader.datums(heap, tid, Some(&meta), body, row)?;
                more(heap, tid, body).map(|()| tid)
            })?
        } else if self.reader.needs_meta() {
            heap.fetch_with_meta(snapshot, entry, |tid, meta, body| {
                self.reader.datums(heap, tid, Some(&meta), body, row)?;
                more(heap, tid, body).map(|()| tid)
            })?
        } else {
            heap.fetch(snapshot, entry, |tid, body| {
                self.reader.datums(heap, tid, None, body, row)?;
                more(heap, tid, body).map(|()| tid)
            })?
        };
        found.transpose()
    }

    /// Reads a version into `work.row` whether visible or not.
    pub fn read_version(&self, work: &mut PointWork, tid: Tid, meta: &TupleMeta, body: &[u8]) -> Result<()> {
        self.reader.datums(&work.heap, tid, Some(meta), body, &mut work.row)
    }

    /// Whether `work.row` has the key and passes the filter.
    pub fn passes(&self, cx: &mut Cx<'_>, work: &mut PointWork) -> Result<bool> {
        if let Access::Hash { key, column: Some(column), .. } = &self.access {
            let is_key = match (&work.row[*column], &work.wanted) {
                (Datum::I32(value), Datum::I32(wanted)) => value == wanted,
                (Datum::I64(value), Datum::I64(wanted)) => value == wanted,
                (value, _) => {
                    work.row_key.clear();
                    key::encode_datum(value, &key.ty, KeyOrder::ASC, &mut work.row_key)?;
                    work.row_key == work.key
                }
            };
            if !is_key {
                return Ok(false);
            }
        }
        for f in &self.filter {
            if !f.row_is_true(cx, &work.row)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// After an execution that found `missing` entries without a visible row: marks dead ones so that nobody visits them again.
    pub fn tidy(&self, work: &PointWork, missing: usize) -> Result<()> {
        if let Some(hash) = work.hash.as_ref().filter(|_| missing >= DEAD_ENTRIES_MAX) {
            let mut scan = hash.scan(&work.key);
            let mut live = None;
            while let Some(tid) = scan.next()? {
                if work.heap.is_dead(tid, &mut live)? {
                    scan.kill_last();
                }
            }
            return Ok(());
        }
        let Some(tree) = work.tree.as_ref().filter(|_| missing >= DEAD_ENTRIES_MAX) else { return Ok(()) };
        let mut scan = tree.scan(KeyRange::point(&work.key), Direction::Forward);
        let mut live = None;
        while let Some(entry) = scan.next()? {
            let tid = entry.tid;
            if work.heap.is_dead(tid, &mut live)? {
                scan.kill_last();
            }
        }
        Ok(())
    }

    /// Reads the key columns of stored rows, to see whether another version still has the key (none after a scan, whose filter tells);
    /// nothing if they can't tell: a key is an expression, or the index is partial and its predicate (which the filter need not repeat)
    /// might no longer hold.
    pub fn key_reader(&self, b: &Builder<'_>) -> Option<RowReader> {
        let columns: Vec<ScanColumn> = match &self.access {
            Access::Key { index, .. } if index.predicate_sql.is_some() => return None,
            Access::Key { index, .. } => {
                index.keys.iter().map(|k| k.column.map(ScanColumn::Attribute)).collect::<Option<_>>()?
            }
            Access::Hash { .. } => return None,
            Access::Scan => vec![],
        };
        RowReader::of(&self.relation, &columns, b.io()).ok()
    }

    /// Whether these key columns are the key looked for.
    pub fn is_key(&self, work: &PointWork, columns: &[Datum]) -> Result<bool> {
        let Access::Key { keys, .. } = &self.access else { return Ok(true) };
        let mut key = Vec::with_capacity(work.key.len());
        for (k, v) in keys.iter().zip(columns) {
            key::encode_datum(v, &k.ty, k.order, &mut key)?;
        }
        Ok(key == work.key)
    }
}

/// An equality for each key of the index; none if there isn't one without columns.
fn compile_keys(b: &mut Builder<'_>, index: &IndexDef, conds: &[IndexCond]) -> Option<Vec<Key>> {
    let none = Layout::default();
    let mut keys = Vec::with_capacity(index.keys.len());
    for (i, k) in index.keys.iter().enumerate() {
        let cond = conds.iter().find(|c| c.key == i)?;
        let IndexTest::Eq(value) = &cond.test else { return None };
        if !is_simple(value, &[]) {
            return None;
        }
        keys.push(Key {
            ty: b.type_ref(k.ty.oid).ok()?,
            order: KeyOrder { desc: k.descending, nulls_first: k.nulls_first },
            value: b.expr(value, &none).ok()?,
        });
    }
    Some(keys)
}
