//! VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, and the background vacuum.
//!
//! VACUUM works on each table in a transaction of its own, which holds SHARE UPDATE EXCLUSIVE on it; so does the background thread.

use super::CommandOutcome;
use crate::instance::Instance;
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{CatalogReader, LockMode, RelKind, Relation, SessionView, WaitPolicy};
use quarry_common::{BlockNo, Error, Oid, Result, Severity, Tid, bail, err};
use quarry_executor::scan::rows::RowReader;
use quarry_plan::{QueryMeta, ScanColumn};
use quarry_sql::ast;
use quarry_sql::bind::{self, BindContext};
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, IndexMethod};
use quarry_storage::txn::{IsolationLevel, Transaction};
use quarry_storage::vacuum::VacuumOptions;
use quarry_storage::workers::BackgroundWorkers;
use quarry_types::Datum;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rounds of the background vacuum.
const AUTOVACUUM_NAPTIME: Duration = Duration::from_secs(60);

struct Wanted {
    vacuum: bool,
    analyze: bool,
}

fn wanted(v: &ast::Vacuum) -> Result<Wanted> {
    let mut w = Wanted { vacuum: v.vacuum, analyze: !v.vacuum };
    for o in &v.options {
        let name = o.name.to_ascii_lowercase();
        let at = |e: Error| match ast::error_position(o.pos) {
            Some(p) => e.position(p),
            None => e,
        };
        match name.as_str() {
            "analyze" if v.vacuum => w.analyze = super::copy::boolean_option(o)?,
            "full" if v.vacuum => {
                if super::copy::boolean_option(o)? {
                    return Err(Error::unsupported("VACUUM FULL"));
                }
            }
            "verbose" | "skip_locked" => {
                super::copy::boolean_option(o)?;
            }
            "freeze"
            | "disable_page_skipping"
            | "truncate"
            | "process_toast"
            | "index_cleanup"
            | "parallel"
                if v.vacuum => {}
            _ => {
                let command = if v.vacuum { "VACUUM" } else { "ANALYZE" };
                return Err(at(err!(SYNTAX_ERROR, "unrecognized {command} option \"{}\"", o.name)));
            }
        }
    }
    Ok(w)
}

/// VACUUM and ANALYZE.
pub fn vacuum(s: &mut Session, v: &ast::Vacuum) -> Result<CommandOutcome> {
    let command = if v.vacuum { "VACUUM" } else { "ANALYZE" };
    if v.vacuum {
        s.block.forbid_block("VACUUM")?;
    }
    let w = wanted(v)?;
    let mut tables = vec![];
    let mut columns: Vec<&[ast::Name]> = vec![];
    {
        let st = s.statement_context()?;
        if v.relations.is_empty() {
            for r in st.reader.all_relations(&['r', 'm'])? {
                if may_maintain(&st, &r)? {
                    tables.push(r);
                    columns.push(&[]);
                }
            }
        }
        for target in &v.relations {
            let r = &target.relation;
            let parts: Vec<&String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).collect();
            let relation = st.reader.resolve_relation(&parts, None)?;
            for c in &target.columns {
                if relation.column_named(&c.value).is_none() {
                    bail!(
                        UNDEFINED_COLUMN,
                        "column \"{}\" of relation \"{}\" does not exist",
                        c.value,
                        relation.name
                    );
                }
            }
            let verb = if w.vacuum { "vacuum" } else { "analyze" };
            if !matches!(relation.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Toast) {
                let e = err!(
                    WARNING,
                    "skipping \"{}\" --- cannot {verb} non-tables or special system tables",
                    relation.name
                );
                s.cx.push_notice(Severity::Warning, e);
                continue;
            }
            if !may_maintain(&st, &relation)? {
                let who = if relation.is_catalog { "superuser" } else { "table or database owner" };
                let e = err!(WARNING, "skipping \"{}\" --- only {who} can {verb} it", relation.name);
                s.cx.push_notice(Severity::Warning, e);
                continue;
            }
            tables.push(relation);
            columns.push(&target.columns);
        }
    }
    if w.vacuum {
        let cx = s.cx.clone();
        let pace = || quarry_functions::SessionEnv::check_cancelled(&*cx);
        for r in &tables {
            vacuum_table(&s.cx.instance, s.cx.database.0, r.oid, &pace, WaitPolicy::Block)?;
        }
    }
    if w.analyze {
        for (r, columns) in tables.iter().zip(&columns) {
            let st = s.statement_context()?;
            analyze_table(&st, r.oid, columns)?;
        }
    }
    CommandOutcome::done(command)
}

fn may_maintain(st: &StatementContext, r: &Relation) -> Result<bool> {
    if st.reader.owns(r.owner)? {
        return Ok(true);
    }
    let db = st.reader.database(st.session.database.0)?;
    Ok(!r.is_catalog && db.is_some_and(|d| st.reader.owns(d.owner).unwrap_or(false)))
}

/// Vacuums one table in a transaction of its own and stores its size.
fn vacuum_table(
    instance: &Arc<Instance>,
    db: Oid,
    oid: Oid,
    pace: &dyn Fn() -> Result<()>,
    policy: WaitPolicy,
) -> Result<()> {
    let storage = instance.storage();
    let txn = Arc::new(storage.begin(IsolationLevel::ReadCommitted));
    let view = SessionView::superuser();
    let reader = instance.catalog().reader(db, &txn, &view);
    let Some(relation) = lock(&reader, oid, policy)? else { return Ok(()) };
    let Some(rel) = relation.storage else { return Ok(()) };
    let heap = Heap::open(storage, rel, relation.toast, relation.layout.clone());
    let trees: Vec<BTree> = relation
        .indexes
        .iter()
        .map(|i| BTree::open(storage, i.storage, i.unique).with_name(i.name.clone()))
        .collect();
    let indexes: Vec<&dyn IndexMethod> = trees.iter().map(|t| t as &dyn IndexMethod).collect();
    let options = VacuumOptions {
        rows_per_page: (relation.pages > 0 && relation.tuples >= 0.0)
            .then(|| relation.tuples as f64 / relation.pages as f64),
        pace: Some(pace),
        ..VacuumOptions::default()
    };
    let stats = heap.vacuum(&indexes, &options)?;
    let w = instance.catalog().writer(db, &txn, &view);
    w.update_relation_stats(oid, stats.pages, stats.live_tuples as f32, stats.pages_all_visible)?;
    for (i, tree) in relation.indexes.iter().zip(&trees) {
        w.update_relation_stats(i.oid, tree.blocks()?, stats.live_tuples as f32, 0)?;
    }
    finish(&txn)
}

fn finish(txn: &Arc<Transaction>) -> Result<()> {
    txn.commit()?;
    Ok(())
}

fn lock(reader: &CatalogReader, oid: Oid, policy: WaitPolicy) -> Result<Option<Arc<Relation>>> {
    if policy == WaitPolicy::Block {
        return reader.lock_relation_oid(oid, LockMode::ShareUpdateExclusive);
    }
    let Some(r) = reader.relation(oid)? else { return Ok(None) };
    let tag = quarry_storage::LockTag::Relation { db: reader.db(), oid };
    if !reader.txn().lock(tag, LockMode::ShareUpdateExclusive, policy)? {
        return Ok(None);
    }
    Ok(Some(r))
}

/// Samples the table and stores its size and its columns' statistics.
fn analyze_table(st: &StatementContext, oid: Oid, columns: &[ast::Name]) -> Result<()> {
    // Statistics of the statistics would have values of every type side by side.
    const PG_STATISTIC: Oid = Oid(2619);
    if oid == PG_STATISTIC {
        return Ok(());
    }
    let Some(relation) = st.reader.lock_relation_oid(oid, LockMode::ShareUpdateExclusive)? else {
        return Ok(());
    };
    let Some(rel) = relation.storage else { return Ok(()) };
    let storage = st.session.instance.storage();
    let heap = Heap::open(storage, rel, relation.toast, relation.layout.clone());
    let target = st.session.settings().int("default_statistics_target").max(1) as usize;
    let sample = sample(st, &relation, &heap, target.saturating_mul(ROWS_PER_TARGET))?;
    let pages = heap.blocks()?;
    let w = super::role::writer(st);
    let io = st.io();
    for (i, number) in sample.attributes.iter().enumerate() {
        let c = &relation.columns[*number];
        if !columns.is_empty() && !columns.iter().any(|n| n.value == c.name) {
            continue;
        }
        let base = st.reader.base_type(c.ty)?;
        let info = io.type_ref(base.oid)?;
        // Values of a polymorphic column (anyarray) can't be compared with each other.
        if info.kind == 'p' {
            continue;
        }
        let stats =
            quarry_optimizer::analyze::column_stats(&sample.columns[i], &info, sample.table_rows, target);
        w.set_column_stats(oid, c.number, c.ty, c.collation, &stats)?;
    }
    let rows = sample.table_rows as f32;
    w.update_relation_stats(oid, pages, rows, relation.all_visible_pages)?;
    for i in &relation.indexes {
        let tree = BTree::open(storage, i.storage, i.unique);
        w.update_relation_stats(i.oid, tree.blocks()?, rows, 0)?;
    }
    heap.counters().changed_since_analyze.store(0, Ordering::Relaxed);
    Ok(())
}

/// Sampled rows per unit of the statistics target (PostgreSQL: analyze.c, after Chaudhuri, Motwani and Narasayya 1998).
const ROWS_PER_TARGET: usize = 300;

/// Rows of a table, by column.
struct Sample {
    /// Indexes in the relation's columns.
    attributes: Vec<usize>,
    columns: Vec<Vec<Datum>>,
    /// Rows the whole table is thought to have.
    table_rows: f64,
}

/// Reads up to `wanted` random pages and keeps `wanted` random rows of them, in physical order.
fn sample(st: &StatementContext, relation: &Arc<Relation>, heap: &Heap, wanted: usize) -> Result<Sample> {
    let attributes: Vec<usize> =
        (0..relation.columns.len()).filter(|i| !relation.columns[*i].dropped).collect();
    let sources: Vec<ScanColumn> = attributes.iter().map(|i| ScanColumn::Attribute(*i)).collect();
    let io = st.io();
    let reader = RowReader::of(relation, &sources, &io)?;
    let pages = heap.blocks()?;
    let random = || quarry_functions::SessionEnv::random(&*st.session);
    // Selection sampling: each page is as likely as any other, and they come in order.
    let mut left = wanted.min(pages as usize);
    let mut chosen: Vec<BlockNo> = vec![];
    for block in 0..pages {
        if left == 0 {
            break;
        }
        if random() * f64::from(pages - block) < left as f64 {
            chosen.push(block);
            left -= 1;
        }
    }
    let mut rows: Vec<(Tid, Vec<u8>)> = vec![];
    let mut seen = 0u64;
    let mut scan = heap.scan(st.txn.catalog_snapshot(), Some(0..0));
    for block in &chosen {
        quarry_functions::SessionEnv::check_cancelled(&*st.session)?;
        scan.set_range(*block..*block + 1);
        let mut page = |tid: Tid, body: &[u8]| {
            seen += 1;
            if rows.len() < wanted {
                rows.push((tid, body.to_vec()));
            } else {
                // The reservoir: a later row replaces one with falling probability.
                let at = (random() * seen as f64) as usize;
                if at < wanted {
                    rows[at] = (tid, body.to_vec());
                }
            }
            Ok(())
        };
        while scan.next_page(&mut page)? {}
    }
    rows.sort_by_key(|r| r.0);
    let mut columns: Vec<Vec<Datum>> = vec![Vec::with_capacity(rows.len()); attributes.len()];
    let mut values = vec![];
    for (tid, body) in &rows {
        reader.datums(heap, *tid, None, body, &mut values)?;
        for (column, value) in columns.iter_mut().zip(&values) {
            column.push(value.clone());
        }
    }
    let per_page = if chosen.is_empty() { 0.0 } else { seen as f64 / chosen.len() as f64 };
    Ok(Sample { attributes, columns, table_rows: (per_page * f64::from(pages)).round() })
}

/// REINDEX: builds indexes anew in new files.
pub fn reindex(s: &mut Session, r: &ast::Reindex) -> Result<CommandOutcome> {
    let concurrently = match r.options.iter().find(|o| o.name == "concurrently") {
        Some(o) => super::copy::boolean_option(o)?,
        None => false,
    };
    if concurrently {
        s.block.forbid_block("REINDEX CONCURRENTLY")?;
    }
    let st = s.statement_context()?;
    let parts = |r: &ast::RangeVar| -> Vec<String> {
        r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect()
    };
    match &r.target {
        ast::ReindexTarget::Index(name) => {
            let index = st.reader.resolve_relation(&parts(name), None)?;
            if index.kind != RelKind::Index {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", index.name);
            }
            let Some(table) = st.reader.index_table(index.oid)? else {
                return Err(Error::internal("an index without a table"));
            };
            rebuild(&st, table, Some(index.oid))?;
        }
        ast::ReindexTarget::Table(name) => {
            let table = st.reader.resolve_relation(&parts(name), None)?;
            if !matches!(table.kind, RelKind::Table | RelKind::MaterializedView) {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or materialized view", table.name);
            }
            rebuild(&st, table.oid, None)?;
        }
        ast::ReindexTarget::Schema(name) => {
            let schema = st.reader.resolve_schema(&name.value, None)?;
            for table in st.reader.relations_in_schema(schema, &['r', 'm'])? {
                rebuild(&st, table.oid, None)?;
            }
        }
        ast::ReindexTarget::System(_) | ast::ReindexTarget::Database(_) => {
            return Err(Error::unsupported("REINDEX of a whole database"));
        }
    }
    CommandOutcome::done("REINDEX")
}

fn rebuild(st: &StatementContext, table: Oid, only: Option<Oid>) -> Result<()> {
    let Some(relation) = st.reader.lock_relation_oid(table, LockMode::AccessExclusive)? else {
        return Ok(());
    };
    if relation.is_catalog {
        return Err(Error::unsupported("REINDEX of system catalogs"));
    }
    st.reader.check_relation_owner(&relation)?;
    let w = super::role::writer(st);
    for i in relation.indexes.iter().filter(|i| only.is_none_or(|o| o == i.oid)) {
        w.new_storage(i.oid)?;
    }
    let Some(relation) = w.relation(table)? else { return Ok(()) };
    let io = st.io();
    let reader = w.reader();
    let cx = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
    let write = bind::bind_table_write(&relation, &mut QueryMeta::default(), &cx)?;
    let env = st.exec_env(Arc::from([]), false);
    for bound in write.indexes.iter().filter(|i| only.is_none_or(|o| o == i.index.oid)) {
        quarry_executor::write::build_index(&env, &relation, bound, &write.row)?;
    }
    Ok(())
}

pub fn cluster(_s: &mut Session, _c: &ast::Cluster) -> Result<CommandOutcome> {
    Err(Error::unsupported("CLUSTER"))
}

pub fn checkpoint(s: &mut Session) -> Result<CommandOutcome> {
    let st = s.statement_context()?;
    let me = st.reader.session().user;
    /// `pg_checkpoint`.
    const CHECKPOINT_ROLE: Oid = Oid(4544);
    if !st.reader.has_privileges_of(me, CHECKPOINT_ROLE)? {
        bail!(
            INSUFFICIENT_PRIVILEGE,
            "must be superuser or have privileges of pg_checkpoint to do CHECKPOINT"
        );
    }
    quarry_common::wait::blocking(|| s.cx.instance.storage().checkpoint())?;
    CommandOutcome::done("CHECKPOINT")
}

/// Vacuums the tables that have enough dead rows, in every database.
pub fn autovacuum_round(instance: &Arc<Instance>, pace: &dyn Fn() -> Result<()>) -> Result<()> {
    let settings = instance.settings();
    if !settings.bool("autovacuum") {
        return Ok(());
    }
    let (base, scale) =
        (settings.int("autovacuum_vacuum_threshold"), settings.real("autovacuum_vacuum_scale_factor"));
    let databases = {
        let txn = Arc::new(instance.storage().begin(IsolationLevel::ReadCommitted));
        instance.catalog().reader(Oid::INVALID, &txn, &SessionView::superuser()).databases()?
    };
    for db in databases.iter().filter(|d| d.allow_connections) {
        let mut due = vec![];
        {
            let txn = Arc::new(instance.storage().begin(IsolationLevel::ReadCommitted));
            let reader = instance.catalog().reader(db.oid, &txn, &SessionView::superuser());
            let used: Vec<_> = instance.storage().relation_states().all();
            for relation in reader.all_relations(&['r', 'm'])? {
                let state = used.iter().find(|(rel, _)| Some(*rel) == relation.storage);
                let Some((_, state)) = state else { continue };
                let dead = state.counters.ended_since_vacuum.load(Ordering::Relaxed) as f64;
                let added = state.counters.inserted_since_vacuum.load(Ordering::Relaxed) as f64;
                let tuples = f64::from(relation.tuples.max(0.0));
                if dead > base as f64 + scale * tuples || added > 1000.0 + scale * tuples {
                    due.push(relation.oid);
                }
            }
        }
        for oid in due {
            pace()?;
            vacuum_table(instance, db.oid, oid, pace, WaitPolicy::Skip)?;
        }
    }
    Ok(())
}

/// Starts the thread that vacuums in the background.
pub fn start_autovacuum(instance: &Arc<Instance>, workers: &mut BackgroundWorkers) {
    let instance = Arc::downgrade(instance);
    workers.add("autovacuum", AUTOVACUUM_NAPTIME, move |_, stop| {
        while let Some(instance) = instance.upgrade() {
            let pace = || if stop.is_set() { Err(Error::cancelled()) } else { Ok(()) };
            if let Err(e) = autovacuum_round(&instance, &pace)
                && !stop.is_set()
            {
                tracing::warn!("autovacuum: {}", e.message());
            }
            drop(instance);
            if !stop.nap(AUTOVACUUM_NAPTIME) {
                return;
            }
        }
    });
}
