//! Filling indexes: from a table that nobody writes to, or in two steps beside writers (PostgreSQL: catalog/index.c).
//!
//! Beside writers, [`build`] takes what one snapshot sees, while writers that know of the index leave it alone (but make no HOT update
//! that changes its columns). Once they all put their rows in, [`validate`] adds what a later snapshot sees and the index lacks.

mod batch;
mod tree;

pub(crate) use batch::{Batched, KeyBatch, KeySink, RowBatches, needed};

use crate::build::Builder;
use crate::context::{Cx, Runtime};
use crate::env::ExecEnv;
use crate::expr::Program;
use crate::index_entry::IndexShape;
use crate::index_method;
use crate::modify::errors;
use crate::modify::target::attribute;
use crate::scan::rows::{RowReader, open_heap};
use crate::write::layout_of;
use quarry_catalog::builtin::access_method::access_method;
use quarry_catalog::{Persistence, Relation};
use quarry_common::progress::{Command, Progress, create_index as p};
use quarry_common::settings::parse_memory_bytes;
use quarry_common::{Result, Tid, err};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, BuildOutcome, InsertOutcome, UniqueCheck};
use quarry_storage::page::PAGE_SIZE;
use quarry_storage::row::{RowBuilder, RowRef};
use quarry_storage::sort::{self, BuildRows, IndexRow};
use quarry_types::{Datum, IoContext};
use std::sync::Arc;
use tree::TreeSink;

/// Rows between two looks at the cancel flag.
const CHECK_ROWS: u32 = 1024;

/// Makes the key values of an index's entries of its table's rows.
pub(crate) struct Entries<'a> {
    env: &'a ExecEnv,
    io: &'a IoContext<'a>,
    heap: Heap,
    rt: Runtime,
    reader: RowReader,
    keys: Vec<Program>,
    predicate: Option<Program>,
    values: Vec<Datum>,
    key_values: Vec<Datum>,
    since_check: u32,
}

impl<'a> Entries<'a> {
    pub fn new(
        env: &'a ExecEnv,
        io: &'a IoContext<'a>,
        relation: &'a Arc<Relation>,
        index: &'a BoundIndex,
        row: &[(ColumnId, ScanColumn)],
    ) -> Result<Entries<'a>> {
        let mut b = Builder::new(io, false).with_env(env);
        let layout = layout_of(row);
        let keys = b.exprs(&index.keys, &layout)?;
        let predicate = index.predicate.as_ref().map(|p| b.expr(p, &layout)).transpose()?;
        Ok(Entries {
            env,
            io,
            heap: open_heap(env, relation)?,
            reader: RowReader::new(relation, row, io)?,
            keys,
            predicate,
            rt: b.finish(),
            values: vec![],
            key_values: vec![],
            since_check: 0,
        })
    }

    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// The values of a row's keys; none if it doesn't belong into the index.
    pub fn values(&mut self, tid: Tid, body: &[u8]) -> Result<Option<&[Datum]>> {
        let mut cx = Cx::new(self.env, self.io, &mut self.rt);
        self.since_check += 1;
        if self.since_check >= CHECK_ROWS {
            self.since_check = 0;
            cx.check_cancelled()?;
        }
        self.reader.datums(&self.heap, tid, None, body, &mut self.values)?;
        if let Some(p) = &self.predicate
            && !p.row_is_true(&mut cx, &self.values)?
        {
            return Ok(None);
        }
        self.key_values.clear();
        for k in &self.keys {
            self.key_values.push(k.row(&mut cx, &self.values)?);
        }
        Ok(Some(&self.key_values))
    }
}

/// Makes a B-tree's entries of its table's rows.
struct TreeEntries<'a> {
    entries: Entries<'a>,
    relation: &'a Arc<Relation>,
    index: &'a BoundIndex,
    tree: BTree,
    include: Vec<usize>,
    shape: IndexShape,
    payload: RowBuilder,
}

impl<'a> TreeEntries<'a> {
    fn new(
        env: &'a ExecEnv,
        io: &'a IoContext<'a>,
        relation: &'a Arc<Relation>,
        index: &'a BoundIndex,
        row: &[(ColumnId, ScanColumn)],
        beside_writers: bool,
    ) -> Result<TreeEntries<'a>> {
        let of_attribute = |a: &usize| row.iter().position(|(_, c)| attribute(*c) == Some(*a));
        let def = &index.index;
        // One that couldn't be made unique is written anew with its table all the same; REINDEX calls it valid first.
        let unique = def.unique && (def.valid || beside_writers);
        Ok(TreeEntries {
            entries: Entries::new(env, io, relation, index, row)?,
            relation,
            index,
            tree: BTree::open(&env.storage, def.storage, unique).with_name(def.name.clone()),
            include: def.include.iter().filter_map(of_attribute).collect(),
            shape: IndexShape::new(relation, def, io)?,
            payload: RowBuilder::new(),
        })
    }

    /// A row's key and payload, appended.
    fn make(&mut self, tid: Tid, body: &[u8], key: &mut Vec<u8>, payload: &mut Vec<u8>) -> Result<IndexRow> {
        let Some(values) = self.entries.values(tid, body)? else { return Ok(IndexRow::Skip) };
        let has_null = self.shape.key(values, key)?;
        let included: Vec<Datum> = self.include.iter().map(|p| self.entries.values[*p].clone()).collect();
        let values = &self.entries.key_values;
        payload.extend_from_slice(self.shape.payload(values, &included, &mut self.payload));
        Ok(IndexRow::Entry { may_conflict: !has_null || self.index.index.nulls_not_distinct })
    }

    /// The key of the row made last, for error texts.
    fn key_text(&self) -> String {
        errors::key_text(self.relation, &self.index.index, &self.entries.key_values, self.entries.io)
    }
}

/// What an index was built of.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    pub table_rows: u64,
    pub entries: u64,
    /// There may be snapshots, older than the build, that the index would lead past rows.
    pub not_for_older: bool,
}

fn forget_counts(progress: &Progress) {
    for counter in [p::TUPLES_TOTAL, p::TUPLES_DONE, p::BLOCKS_TOTAL, p::BLOCKS_DONE] {
        progress.set(counter, 0);
    }
}

/// Memory that each thread of a build must have (PostgreSQL: plan_create_index_workers).
const THREAD_BYTES_MIN: usize = 32 << 20;

/// Threads to build an index with: one more than PostgreSQL's workers, but no more than there are processors.
pub(crate) fn threads(env: &ExecEnv, relation: &Relation, heap: &Heap) -> Result<usize> {
    if relation.is_catalog || relation.persistence == Persistence::Temporary {
        return Ok(1);
    }
    let setting = |name: &str| env.session.setting(name);
    let blocks = heap.blocks()?;
    let least = setting("min_parallel_table_scan_size").and_then(|text| parse_memory_bytes(&text));
    let least = (least.unwrap_or(8 << 20) / PAGE_SIZE as u64).max(1);
    if (blocks as u64) < least {
        return Ok(1);
    }
    let most = setting("max_parallel_maintenance_workers").and_then(|text| text.parse::<usize>().ok());
    // One for a table of the least size, and one more each time it is three times as large.
    let by_size = (blocks as u64 / least).ilog(3) as usize + 1;
    let by_memory = (env.maintenance_mem_bytes() / THREAD_BYTES_MIN).max(1);
    let processors = quarry_common::helper::processors();
    Ok((1 + most.unwrap_or(2).min(by_size)).min(by_memory).min(processors))
}

/// Fills a new index from its table; 23505 on a duplicate. With a snapshot, from the rows that it sees, while others write; without, the
/// caller's lock keeps writers out.
pub fn build(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    snapshot: Option<&Snapshot>,
) -> Result<Built> {
    let io = env.io();
    let progress = env.txn.progress().of(Command::CreateIndex);
    progress.set(p::INDEX, index.index.oid.0 as i64);
    let method = access_method(index.index.method).unwrap_or_default();
    progress.set(p::ACCESS_METHOD, method.0 as i64);
    let rows = snapshot.map_or(BuildRows::All, BuildRows::SeenBy);
    if index.index.method != "btree" {
        progress.set(p::PHASE, p::BUILDING);
        let built = index_method::build(env, relation, index, row, rows)
            .map_err(|e| errors::index_row_too_long(e, relation, &index.index))?;
        forget_counts(&progress);
        return Ok(built);
    }
    progress.set(p::SUBPHASE, p::INITIALIZING);
    progress.set(p::PHASE, p::BUILDING);
    let mut entries = TreeEntries::new(env, &io, relation, index, row, snapshot.is_some())?;
    let (heap, tree) = (entries.entries.heap.clone(), entries.tree.clone());
    let threads = threads(env, relation, &heap)?;
    let memory = env.maintenance_mem_bytes();
    let sinks = (0..threads).map(|_| TreeSink::new(env, &io, relation, index, row, memory / threads));
    let (outcome, scan) =
        sort::build_tree(&heap, &tree, &env.txn, rows, memory / 4, sinks.collect::<Result<Vec<_>>>()?)
            .map_err(|e| errors::index_row_too_long(e, relation, &index.index))?;
    progress.set(p::SUBPHASE, 0);
    forget_counts(&progress);
    let first = match outcome {
        BuildOutcome::Built { entries, .. } => {
            return Ok(Built { table_rows: scan.live_rows, entries, not_for_older: scan.left_out });
        }
        BuildOutcome::Duplicate { first, .. } => first,
    };
    let body = match snapshot {
        Some(s) => heap.fetch(s, first, |_, body| body.to_vec())?,
        None => heap.fetch_exact(first, |_, _, body| body.to_vec())?,
    };
    let _ = entries.make(first, &body.unwrap_or_default(), &mut vec![], &mut vec![])?;
    Err(err!(UNIQUE_VIOLATION, "could not create unique index \"{}\"", index.index.name)
        .detail(format!("Key {} is duplicated.", entries.key_text()))
        .schema(&relation.schema_name)
        .table(&relation.name)
        .constraint(&index.index.name))
}

/// Calls `f` for each row that `snapshot` sees and that belongs into the index: where its entry must lead, and its key.
pub fn for_each_entry(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    snapshot: &Snapshot,
    f: &mut dyn FnMut(Tid, &[u8]) -> Result<()>,
) -> Result<()> {
    let io = env.io();
    let mut entries = TreeEntries::new(env, &io, relation, index, row, true)?;
    let heap = entries.entries.heap.clone();
    let (mut key, mut payload) = (vec![], vec![]);
    heap.scan_roots(snapshot, &mut |_, _| Ok(()), &mut |tid, body| {
        // Who asks doubts what is stored.
        if !RowRef::is_well_formed(heap.layout(), body) {
            return Err(err!(DATA_CORRUPTED, "the row at {tid} of table \"{}\" is damaged", relation.name));
        }
        key.clear();
        payload.clear();
        match entries.make(tid, body, &mut key, &mut payload)? {
            IndexRow::Entry { .. } => f(tid, &key),
            IndexRow::Skip => Ok(()),
        }
    })
}

/// Adds the entries that an index still lacks of the rows that `snapshot` sees, while all writers put theirs in; 23505 on a duplicate.
pub fn validate(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    snapshot: &Snapshot,
) -> Result<()> {
    let io = env.io();
    env.txn.progress().of(Command::CreateIndex).set(p::INDEX, index.index.oid.0 as i64);
    if index.index.method != "btree" {
        return index_method::add_missing(env, relation, index, row, snapshot)
            .map_err(|e| errors::index_row_too_long(e, relation, &index.index));
    }
    let mut entries = TreeEntries::new(env, &io, relation, index, row, true)?;
    let (heap, tree, txn) = (entries.entries.heap.clone(), entries.tree.clone(), &*env.txn);
    let def = &index.index;
    let (mut key, mut payload) = (vec![], vec![]);
    let memory = env.maintenance_mem_bytes();
    sort::rows_without_entry(&heap, &tree, txn, snapshot, memory, &mut |tid, body| {
        key.clear();
        payload.clear();
        let IndexRow::Entry { may_conflict } = entries.make(tid, body, &mut key, &mut payload)? else {
            return Ok(());
        };
        // One that is checked late takes the place of another, which is being kept unique.
        let check = match may_conflict && def.unique && !def.deferrable {
            true => UniqueCheck::Enforce(&heap),
            false => UniqueCheck::None,
        };
        let insert = |check| {
            let outcome = tree.insert_missing(txn, &key, &payload, tid, check);
            outcome.map_err(|e| errors::index_row_too_long(e, relation, def))
        };
        if insert(check)? == InsertOutcome::Inserted {
            return Ok(());
        }
        if heap.is_live(txn, tid)? {
            return Err(errors::unique_violation(relation, def, &entries.entries.key_values, &io));
        }
        // A row that is gone by now stands in nobody's way, but there may be snapshots that see it.
        insert(UniqueCheck::None).map(|_| ())
    })
}
