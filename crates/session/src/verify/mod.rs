//! Verifying tables and indexes while others use them, or in a stopped server's folder: what storage's checks need of the catalog.
//!
//! An index is compared to its table in one direction: every row that a snapshot sees must have its entry (PostgreSQL's `heapallindexed`). The
//! snapshot is older than the walk over the index, so the entries of the rows that it sees are there, wherever splits move them.

mod bloom;
mod folder;

pub use folder::check_folder;

use bloom::Bloom;
use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, IndexDef, Persistence, RelKind, Relation};
use quarry_common::{Oid, Result, Tid, bail, err};
use quarry_executor::{DeferredQueue, ExecEnv, index_build, index_verify};
use quarry_functions::SessionEnv;
use quarry_plan::{BoundIndex, QueryMeta, ScanColumn};
use quarry_sql::bind::{self, BindContext};
use quarry_storage::check::{Finding, TableCheck, check_table};
use quarry_storage::heap::Heap;
use quarry_storage::index::BTree;
use quarry_types::IoContext;
use std::path::Path;
use std::sync::Arc;

/// What is to be known of an index, besides that its pages are right.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct IndexCheck {
    /// Compares parents to their children: nobody changes the index meanwhile.
    pub parents: bool,
    /// Every row has its entry.
    pub rows: bool,
    /// A descent from the root finds every entry.
    pub descents: bool,
}

/// Called between pages; an error ends the check.
pub type Pause<'a> = dyn Fn() -> Result<()> + 'a;

/// Expressions of indexes are immutable: they ask nothing of a session.
struct NoSession;

impl SessionEnv for NoSession {
    fn transaction_timestamp(&self) -> i64 {
        0
    }
    fn statement_timestamp(&self) -> i64 {
        0
    }
    fn clock_timestamp(&self) -> i64 {
        0
    }
}

pub(crate) fn environment(reader: &CatalogReader, memory_bytes: usize) -> ExecEnv {
    ExecEnv {
        storage: reader.catalog().storage().clone(),
        txn: reader.txn().clone(),
        snapshot: reader.txn().catalog_snapshot(),
        crosscheck: None,
        reader: Arc::new(reader.clone()),
        session: Arc::new(NoSession),
        io: IoContext::default(),
        params: Arc::from([]),
        work_mem_bytes: memory_bytes,
        hash_mem_bytes: memory_bytes,
        temp_dir: Arc::from(Path::new("tmp")),
        instrument: false,
        sql_runner: None,
        deferred: Arc::new(Mutex::new(DeferredQueue::default())),
    }
}

/// Verifies a B-tree index of a table; XX002 or XX001 on the first thing wrong.
pub fn index(
    reader: &CatalogReader,
    table: &Arc<Relation>,
    index: &IndexDef,
    how: IndexCheck,
    memory_bytes: usize,
    pause: &Pause<'_>,
) -> Result<()> {
    let env = environment(reader, memory_bytes);
    let tree = BTree::open(&env.storage, index.storage, index.unique).with_name(index.name.clone());
    if how.parents {
        tree.check()?;
    }
    let state = env.storage.relation_states().get(index.storage);
    if let Some((block, what)) = state.map_problems(&env.storage, index.storage)?.into_iter().next() {
        bail!(INDEX_CORRUPTED, "block {block} of index \"{}\": {what}", index.name);
    }
    // Three tids and more fit into the bytes of one small entry.
    let expected = u64::from(tree.blocks()?) * 400;
    let mut seen = how.rows.then(|| Bloom::new(expected, memory_bytes, index.oid.0.into()));
    let mut lost: Option<Tid> = None;
    tree.verify(&mut || pause(), &mut |key, tid| {
        if let Some(seen) = &mut seen {
            seen.insert(key, tid.to_u64());
        }
        // With others changing the tree an entry may go between the two looks.
        if how.descents && lost.is_none() && !tree.finds(key, tid)? {
            lost = Some(tid);
        }
        Ok(())
    })?;
    if let Some(tid) = lost {
        return Err(err!(
            INDEX_CORRUPTED,
            "could not find tuple using search from root page in index \"{}\"",
            index.name
        )
        .detail(format!("Index entry points to heap tid={tid}.")));
    }
    let Some(seen) = seen else { return Ok(()) };
    let Some((bound, row)) = bound_index(&env, reader, table, index)? else { return Ok(()) };
    let snapshot = env.snapshot.clone();
    let mut rows = 0u32;
    index_build::for_each_entry(&env, table, &bound, &row, &snapshot, &mut |tid, key| {
        rows = rows.wrapping_add(1);
        if rows.is_multiple_of(1024) {
            pause()?;
        }
        if seen.may_contain(key, tid.to_u64()) {
            return Ok(());
        }
        let e = err!(
            DATA_CORRUPTED,
            "heap tuple {tid} from table \"{}\" lacks matching index tuple within index \"{}\"",
            table.name,
            index.name
        );
        Err(match how.parents {
            true => e,
            false => e.hint(
                "Retrying verification using the function bt_index_parent_check() might provide a more specific error.",
            ),
        })
    })
}

/// Verifies that a hash or BRIN index leads to every row of its table.
fn rows_by_index(
    reader: &CatalogReader,
    table: &Arc<Relation>,
    index: &IndexDef,
    memory_bytes: usize,
) -> Result<()> {
    let env = environment(reader, memory_bytes);
    if !index.valid {
        return Ok(());
    }
    let Some((bound, row)) = bound_index(&env, reader, table, index)? else { return Ok(()) };
    index_verify::verify_rows(&env, table, &bound, &row, &env.snapshot)
}

pub(crate) type Row = Vec<(quarry_plan::ColumnId, ScanColumn)>;

pub(crate) fn bound_index(
    env: &ExecEnv,
    reader: &CatalogReader,
    table: &Arc<Relation>,
    index: &IndexDef,
) -> Result<Option<(BoundIndex, Row)>> {
    // A toast table's rows have no columns to make keys of.
    if table.kind == RelKind::Toast {
        return Ok(None);
    }
    let io = env.io();
    let cx = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
    let mut meta = QueryMeta::default();
    let write = bind::bind_table_write(table, &mut meta, &cx)?;
    let bound = write.indexes.iter().find(|i| i.index.oid == index.oid).cloned();
    Ok(bound.map(|bound| (bound, write.row.clone())))
}

/// Pages that are to be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skip {
    None,
    AllVisible,
    AllFrozen,
}

/// What of a table is to be looked at.
#[derive(Clone, Debug)]
pub struct HeapCheck {
    pub stop_on_error: bool,
    pub toast: bool,
    pub skip: Skip,
    pub start_block: Option<i64>,
    pub end_block: Option<i64>,
}

/// Verifies a relation that is stored as a table is; what is wrong with it.
pub fn heap(
    reader: &CatalogReader,
    relation: &Relation,
    how: &HeapCheck,
    pause: &Pause<'_>,
) -> Result<Vec<Finding>> {
    let mut found = vec![];
    heap_into(reader, relation, how, pause, &mut |finding| found.push(finding))?;
    Ok(found)
}

/// As [`heap`]; what is wrong is told at once, and so not lost when a page can't be read.
pub fn heap_into(
    reader: &CatalogReader,
    relation: &Relation,
    how: &HeapCheck,
    pause: &Pause<'_>,
    found: &mut dyn FnMut(Finding),
) -> Result<()> {
    let storage = match (relation.kind, relation.storage) {
        (RelKind::Table | RelKind::MaterializedView | RelKind::Toast | RelKind::Sequence, Some(s)) => s,
        (kind, _) => {
            return Err(err!(WRONG_OBJECT_TYPE, "cannot check relation \"{}\"", relation.name).detail(
                format!(
                    "This operation is not supported for {}.",
                    match kind {
                        RelKind::Index => "indexes",
                        RelKind::View => "views",
                        RelKind::CompositeType => "composite types",
                        _ => "this kind of relation",
                    }
                ),
            ));
        }
    };
    let heap = Heap::open(reader.catalog().storage(), storage, relation.toast, relation.layout.clone());
    let blocks = heap.blocks()?;
    if blocks == 0 {
        return Ok(());
    }
    let bound = |what: &str, given: Option<i64>, default: u32| match given {
        None => Ok(default),
        Some(n) => match u32::try_from(n) {
            Ok(n) if n < blocks => Ok(n),
            _ => bail!(INVALID_PARAMETER_VALUE, "{what} block number must be between 0 and {}", blocks - 1),
        },
    };
    let first = bound("starting", how.start_block, 0)?;
    let last = bound("ending", how.end_block, blocks - 1)?;
    let snapshot = reader.txn().catalog_snapshot();
    let check = TableCheck {
        blocks: first..last + 1,
        rows: !matches!(relation.kind, RelKind::Toast | RelKind::Sequence),
        toast: how.toast.then_some(&snapshot),
        // Visible to all and frozen are one thing here.
        skip_all_visible: how.skip != Skip::None,
        stop_on_error: how.stop_on_error,
    };
    check_table(&heap, &check, &mut || pause(), found)
}

/// 0A000 for another session's temporary relation.
pub fn check_not_others(reader: &CatalogReader, relation: &Relation) -> Result<()> {
    if relation.persistence == Persistence::Temporary && reader.session().temp_schema != Some(relation.schema)
    {
        bail!(FEATURE_NOT_SUPPORTED, "cannot access temporary tables of other sessions");
    }
    Ok(())
}

/// The table that an index belongs to, and the index's definition there.
pub fn table_of(reader: &CatalogReader, index: Oid) -> Result<Option<Arc<Relation>>> {
    match reader.index_table(index)? {
        Some(table) => reader.relation(table),
        None => Ok(None),
    }
}
