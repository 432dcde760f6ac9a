//! Reading and writing one system catalog: its heap and its B-trees, rows as [`Row`].

use crate::builtin::CatalogTable;
use crate::row::Row;
use quarry_common::{Error, Oid, Result, Tid, Xid, err};
use quarry_storage::heap::{Heap, ModifyResult, UpdateOptions};
use quarry_storage::index::{BTree, Direction, InsertOutcome, KeyRange, UniqueCheck};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef};
use quarry_storage::{RelId, Snapshot, Storage, Transaction, WaitPolicy};
use quarry_types::key::KeyOrder;
use quarry_types::registry::{TypeInfo, type_info, user_array, user_composite};
use quarry_types::row::{encode_row, get_datum, layout_of};
use quarry_types::{Datum, IoContext, PhysicalType};
use std::sync::{Arc, LazyLock};

/// The type of a catalog's column. One isn't in the type registry: pg_statistic[].
pub fn column_type(oid: Oid) -> &'static TypeInfo {
    static STATISTIC_ARRAY: LazyLock<TypeInfo> = LazyLock::new(|| {
        let row = user_composite(Oid(10029), "pg_statistic".into(), Oid(10028), Oid(2619));
        user_array(Oid(10028), "_pg_statistic".into(), &row)
    });
    type_info(oid).unwrap_or(&STATISTIC_ARRAY)
}

struct IndexHandle {
    tree: BTree,
    /// Positions in the row.
    columns: Vec<usize>,
}

/// A system catalog of one database, open.
pub struct CatalogHeap {
    pub def: &'static CatalogTable,
    heap: Heap,
    layout: Arc<RowLayout>,
    types: Vec<&'static TypeInfo>,
    indexes: Vec<IndexHandle>,
}

impl CatalogHeap {
    /// Opens the catalog `def` in database `db` (ignored for shared catalogs). Reads nothing.
    pub fn open(storage: &Arc<Storage>, db: Oid, def: &'static CatalogTable) -> CatalogHeap {
        let db = if def.shared { Oid::INVALID } else { db };
        let rel = |n: u32| RelId { db, rel: n };
        let types: Vec<&'static TypeInfo> = def.columns.iter().map(|c| column_type(c.ty)).collect();
        let physical: Vec<PhysicalType> = types.iter().map(|t| t.physical).collect();
        let layout = Arc::new(layout_of(&physical));
        let toast = (def.toast != 0).then(|| rel(def.toast));
        let heap = Heap::open(storage, rel(def.oid), toast, layout.clone());
        let indexes = def
            .indexes
            .iter()
            .map(|i| IndexHandle {
                tree: BTree::open(storage, rel(i.oid), i.unique).with_name(i.name),
                columns: i.columns.iter().map(|c| *c as usize - 1).collect(),
            })
            .collect();
        CatalogHeap { def, heap, layout, types, indexes }
    }

    /// Makes the files of the catalog `def`, empty.
    pub fn create(
        storage: &Arc<Storage>,
        txn: &Transaction,
        db: Oid,
        def: &'static CatalogTable,
    ) -> Result<()> {
        let db = if def.shared { Oid::INVALID } else { db };
        Heap::create(storage, txn, RelId { db, rel: def.oid })?;
        if def.toast != 0 {
            Heap::create(storage, txn, RelId { db, rel: def.toast })?;
        }
        for i in def.indexes {
            BTree::create(storage, txn, RelId { db, rel: i.oid })?;
        }
        Ok(())
    }

    fn index(&self, oid: u32) -> (usize, &IndexHandle) {
        let i =
            self.def.indexes.iter().position(|i| i.oid == oid).expect("code names indexes of this catalog");
        (i, &self.indexes[i])
    }

    fn decode(&self, body: &[u8]) -> Result<Row> {
        let row = RowRef::new(&self.layout, body);
        let mut out = Vec::with_capacity(self.types.len());
        for (i, t) in self.types.iter().enumerate() {
            out.push(get_datum(&row, i, t.physical, &mut |v| self.heap.detoast(v))?);
        }
        Ok(Row(out))
    }

    fn encode<'b>(&self, builder: &'b mut RowBuilder, row: &Row) -> &'b [u8] {
        debug_assert_eq!(row.0.len(), self.types.len(), "row of another catalog than {}", self.def.name);
        encode_row(&row.0, &self.layout, builder)
    }

    /// Appends the index key of the given columns; answers whether one is NULL.
    fn key_of(&self, columns: &[usize], values: &[&Datum], out: &mut Vec<u8>) -> Result<bool> {
        let mut has_null = false;
        for (c, v) in columns.iter().zip(values) {
            has_null |= v.is_null();
            quarry_types::key::encode_datum(v, self.types[*c], KeyOrder::ASC, out)?;
        }
        Ok(has_null)
    }

    /// The rows visible to `snap` whose first index columns equal `key`, in index order.
    pub fn find(&self, snap: &Snapshot, index: u32, key: &[Datum]) -> Result<Vec<(Tid, Row)>> {
        let (_, index) = self.index(index);
        let mut prefix = Vec::with_capacity(32);
        let values: Vec<&Datum> = key.iter().collect();
        self.key_of(&index.columns, &values, &mut prefix)?;
        let mut scan = index.tree.scan(KeyRange::prefix(&prefix), Direction::Forward);
        let mut out = Vec::new();
        while let Some(entry) = scan.next()? {
            let tid = entry.tid;
            let found = self.heap.fetch(snap, tid, |tid, body| (tid, body.to_vec()))?;
            if let Some((tid, body)) = found {
                let row = self.decode(&body)?;
                // An index entry may be older than the visible version of a chain only if no indexed column changed,
                // so the key needs no recheck.
                out.push((tid, row));
            }
        }
        Ok(out)
    }

    /// Who wrote the row version at `tid`.
    pub fn writer_of(&self, tid: Tid) -> Result<Option<Xid>> {
        self.heap.fetch_exact(tid, |_, meta, _| meta.xmin)
    }

    /// The first of [`CatalogHeap::find`].
    pub fn find_one(&self, snap: &Snapshot, index: u32, key: &[Datum]) -> Result<Option<(Tid, Row)>> {
        Ok(self.find(snap, index, key)?.into_iter().next())
    }

    /// Every visible row.
    pub fn scan(&self, snap: &Snapshot) -> Result<Vec<(Tid, Row)>> {
        let mut bodies: Vec<(Tid, Vec<u8>)> = Vec::new();
        let mut scan = self.heap.scan(snap.clone(), None);
        while scan.next_page(&mut |tid, body| {
            bodies.push((tid, body.to_vec()));
            Ok(())
        })? {}
        bodies.into_iter().map(|(tid, b)| Ok((tid, self.decode(&b)?))).collect()
    }

    /// The values of an OID column in every version of a row that isn't dead to all: what is uncommitted, too.
    pub(crate) fn column_of_versions(&self, column: usize) -> Result<hashbrown::HashSet<u32>> {
        let mut values = hashbrown::HashSet::new();
        self.heap.versions_to_keep(&mut |_, _| Ok(()), &mut |_, _, body| {
            let row = RowRef::new(&self.layout, body);
            if !row.is_null(column) {
                values.insert(u32::from_le_bytes(row.fixed_array::<4>(column)));
            }
            Ok(())
        })?;
        Ok(values)
    }

    fn insert_index_entries(&self, txn: &Transaction, tid: Tid, row: &Row) -> Result<()> {
        let mut key = Vec::with_capacity(64);
        for (i, handle) in self.indexes.iter().enumerate() {
            key.clear();
            let values: Vec<&Datum> = handle.columns.iter().map(|c| &row.0[*c]).collect();
            let has_null = self.key_of(&handle.columns, &values, &mut key)?;
            let check = if self.def.indexes[i].unique && !has_null {
                UniqueCheck::Enforce(&self.heap)
            } else {
                UniqueCheck::None
            };
            if let InsertOutcome::Conflict { .. } = handle.tree.insert(txn, &key, &[], tid, check)? {
                return Err(self.duplicate(i, row));
            }
        }
        Ok(())
    }

    fn duplicate(&self, index: usize, row: &Row) -> Error {
        let def = &self.def.indexes[index];
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for c in def.columns {
            let c = *c as usize - 1;
            names.push(self.def.columns[c].name);
            values.push(match &row.0[c] {
                Datum::Null => "null".to_owned(),
                d => self.types[c].output_string(d, &IoContext::default()).unwrap_or_default(),
            });
        }
        err!(UNIQUE_VIOLATION, "duplicate key value violates unique constraint \"{}\"", def.name)
            .detail(format!("Key ({})=({}) already exists.", names.join(", "), values.join(", ")))
            .schema("pg_catalog")
            .table(self.def.name)
            .constraint(def.name)
    }

    /// Inserts a row and its index entries.
    pub fn insert(&self, txn: &Transaction, row: &Row) -> Result<Tid> {
        let mut b = RowBuilder::new();
        let tid = self.heap.insert(txn, self.encode(&mut b, row))?;
        self.insert_index_entries(txn, tid, row)?;
        Ok(tid)
    }

    /// Replaces the row at `tid`, which `old` was read from. False if another transaction has committed a change of it since.
    pub fn try_update(&self, txn: &Transaction, tid: Tid, old: &Row, new: &Row) -> Result<bool> {
        let same = |columns: &[usize]| columns.iter().all(|c| old.0[*c] == new.0[*c]);
        let hot_allowed = self.indexes.iter().all(|i| same(&i.columns));
        let options = UpdateOptions { hot_allowed, key_unchanged: hot_allowed };
        let mut b = RowBuilder::new();
        let body = self.encode(&mut b, new);
        let snap = txn.catalog_snapshot();
        match self.heap.update(txn, &snap, tid, body, options, WaitPolicy::Block)? {
            ModifyResult::Done { hot: true, .. } => Ok(true),
            ModifyResult::Done { tid, hot: false } => self.insert_index_entries(txn, tid, new).map(|()| true),
            ModifyResult::Updated { .. } => Ok(false),
            other => Err(concurrent(other)),
        }
    }
    /// As [`CatalogHeap::try_update`]; a concurrent change is an error.
    pub fn update(&self, txn: &Transaction, tid: Tid, old: &Row, new: &Row) -> Result<()> {
        match self.try_update(txn, tid, old, new)? {
            true => Ok(()),
            false => Err(Error::internal("tuple concurrently updated")),
        }
    }

    /// Deletes the row at `tid`.
    pub fn delete(&self, txn: &Transaction, tid: Tid) -> Result<()> {
        let snap = txn.catalog_snapshot();
        match self.heap.delete(txn, &snap, tid, WaitPolicy::Block)? {
            ModifyResult::Done { .. } => Ok(()),
            other => Err(concurrent(other)),
        }
    }

    /// Fills an empty catalog: rows in bulk, then each index from sorted keys.
    pub fn load(&self, txn: &Transaction, rows: &[Row]) -> Result<()> {
        let mut tids = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(500) {
            let bodies: Vec<Vec<u8>> = {
                let mut b = RowBuilder::new();
                chunk.iter().map(|r| self.encode(&mut b, r).to_vec()).collect()
            };
            let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            self.heap.insert_many(txn, &slices, &mut tids)?;
        }
        for (i, handle) in self.indexes.iter().enumerate() {
            let mut entries: Vec<(Vec<u8>, Tid, bool)> = Vec::with_capacity(rows.len());
            for (row, tid) in rows.iter().zip(&tids) {
                let mut key = Vec::new();
                let values: Vec<&Datum> = handle.columns.iter().map(|c| &row.0[*c]).collect();
                let has_null = self.key_of(&handle.columns, &values, &mut key)?;
                entries.push((key, *tid, self.def.indexes[i].unique && !has_null));
            }
            entries.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
            if let Some(w) = entries.windows(2).find(|w| w[0].2 && w[0].0 == w[1].0) {
                let at = tids.iter().position(|t| *t == w[1].1).expect("the entry came from a row");
                return Err(self.duplicate(i, &rows[at]));
            }
            let mut it = entries.into_iter();
            handle.tree.build(txn, &mut |e| {
                let Some((key, tid, unique)) = it.next() else { return Ok(false) };
                e.key = key;
                e.payload.clear();
                e.tid = tid;
                e.unique = unique;
                Ok(true)
            })?;
        }
        Ok(())
    }
}

fn concurrent(r: ModifyResult) -> Error {
    Error::internal(match r {
        ModifyResult::Deleted => "tuple concurrently deleted",
        ModifyResult::SelfModified { .. } => "tuple already updated by self",
        ModifyResult::Done { .. } | ModifyResult::Updated { .. } | ModifyResult::WouldBlock => {
            "tuple concurrently updated"
        }
    })
}
