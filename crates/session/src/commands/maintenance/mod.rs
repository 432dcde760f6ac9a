//! VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, and the background vacuum.
//!
//! VACUUM works on each table in a transaction of its own, which holds SHARE UPDATE EXCLUSIVE on it; so does the background thread.
//! VACUUM FULL and CLUSTER write the table anew under ACCESS EXCLUSIVE ([`cluster`]).

mod analyze;
mod autovacuum;
mod cluster;
mod options;
mod pace;
mod reindex;

pub use autovacuum::start_autovacuum;
pub use cluster::cluster;
pub use pace::Pace;
pub use reindex::reindex;

use super::CommandOutcome;
use crate::instance::Instance;
use crate::query::StatementContext;
use crate::session::Session;
use options::Wanted;
use quarry_catalog::{CatalogReader, LockMode, RelKind, Relation, SessionView, WaitPolicy};
use quarry_common::{Oid, Result, Severity, bail, err};
use quarry_sql::ast;
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, IndexMethod};
use quarry_storage::txn::{IsolationLevel, Transaction, TxnOptions};
use quarry_storage::vacuum::{VacuumOptions, VacuumStats};
use std::sync::Arc;

/// VACUUM and ANALYZE.
pub fn vacuum(s: &mut Session, v: &ast::Vacuum) -> Result<CommandOutcome> {
    let command = if v.vacuum { "VACUUM" } else { "ANALYZE" };
    let w = options::wanted(s, v)?;
    let mut tables = vec![];
    {
        let st = s.statement_context()?;
        if v.relations.is_empty() {
            for r in st.reader.all_relations(&['r', 'm'])? {
                if may_maintain(&st, &r)? {
                    tables.push((r, &[][..]));
                }
            }
        }
        for target in &v.relations {
            tables.extend(target_of(s, &st, target, w.vacuum)?.map(|r| (r, target.columns.as_slice())));
        }
    }
    if w.vacuum {
        let pace = Pace::of_session(&s.cx);
        for (r, _) in &tables {
            // Files of the system catalogs stay where they are: for them FULL is thorough, no more.
            if w.full && !r.is_catalog {
                cluster::rewrite_alone(s, r.oid, w.verbose)?;
            } else {
                vacuum_with(s, r, &w, &pace)?;
            }
        }
    }
    if w.analyze {
        for (r, columns) in &tables {
            let st = s.statement_context()?;
            analyze::analyze_table(&st, r.oid, columns, w.verbose)?;
        }
    }
    CommandOutcome::done(command)
}

/// The table of one list item; none, with a warning, if it can't be worked on.
fn target_of(
    s: &Session,
    st: &StatementContext,
    target: &ast::VacuumRelation,
    vacuum: bool,
) -> Result<Option<Arc<Relation>>> {
    let r = &target.relation;
    let parts: Vec<&String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).collect();
    let relation = st.reader.resolve_relation(&parts, None)?;
    let name = &relation.name;
    let verb = if vacuum { "vacuum" } else { "analyze" };
    if !matches!(relation.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Toast) {
        let e = err!(WARNING, "skipping \"{name}\" --- cannot {verb} non-tables or special system tables");
        s.cx.push_notice(Severity::Warning, e);
        return Ok(None);
    }
    if !may_maintain(st, &relation)? {
        let who = if relation.is_catalog { "superuser" } else { "table or database owner" };
        let e = err!(WARNING, "skipping \"{name}\" --- only {who} can {verb} it");
        s.cx.push_notice(Severity::Warning, e);
        return Ok(None);
    }
    for (i, c) in target.columns.iter().enumerate() {
        if relation.column_named(&c.value).is_none() {
            bail!(UNDEFINED_COLUMN, "column \"{}\" of relation \"{name}\" does not exist", c.value);
        }
        if target.columns[..i].iter().any(|o| o.value == c.value) {
            bail!(DUPLICATE_COLUMN, "column \"{}\" of relation \"{name}\" appears more than once", c.value);
        }
    }
    Ok(Some(relation))
}

fn may_maintain(st: &StatementContext, r: &Relation) -> Result<bool> {
    if st.reader.owns(r.owner)? {
        return Ok(true);
    }
    let db = st.reader.database(st.session.database.0)?;
    Ok(!r.is_catalog && db.is_some_and(|d| st.reader.owns(d.owner).unwrap_or(false)))
}

/// VACUUM of one table for a session.
fn vacuum_with(s: &mut Session, r: &Relation, w: &Wanted, pace: &Pace) -> Result<()> {
    let database = s.cx.database.1.clone();
    let full_name = format!("{database}.{}.{}", r.schema_name, r.name);
    if w.verbose {
        let e = err!(SUCCESSFUL_COMPLETION, "vacuuming \"{full_name}\"");
        s.cx.push_notice(Severity::Info, e);
    }
    let policy = if w.skip_locked { WaitPolicy::Skip } else { WaitPolicy::Block };
    let options = TableOptions { policy, all_pages: w.all_pages, truncate: w.truncate, in_background: false };
    let step = || pace.step();
    let done = vacuum_table(&s.cx.instance, s.cx.database.0, r.oid, &step, &options)?;
    match done {
        None if w.skip_locked => {
            let e = err!(LOCK_NOT_AVAILABLE, "skipping vacuum of \"{}\" --- lock not available", r.name);
            s.cx.push_notice(Severity::Warning, e);
        }
        Some(stats) if w.verbose => {
            let e = err!(
                SUCCESSFUL_COMPLETION,
                "finished vacuuming \"{full_name}\"\npages: {} remain, {} scanned\ntuples: {} removed, {} remain, {} are dead but not yet removable",
                stats.pages,
                stats.pages_scanned,
                stats.dead_removed,
                stats.live_tuples,
                stats.dead_not_yet_removable
            );
            s.cx.push_notice(Severity::Info, e);
        }
        _ => {}
    }
    Ok(())
}

/// How one table is vacuumed.
struct TableOptions {
    policy: WaitPolicy,
    all_pages: bool,
    truncate: bool,
    /// Counts as autovacuum's.
    in_background: bool,
}

/// Vacuums one table in a transaction of its own and stores its size. None: it is gone, or locked.
fn vacuum_table(
    instance: &Arc<Instance>,
    db: Oid,
    oid: Oid,
    pace: &dyn Fn() -> Result<()>,
    how: &TableOptions,
) -> Result<Option<VacuumStats>> {
    let storage = instance.storage();
    let txn = Arc::new(storage.begin(IsolationLevel::ReadCommitted));
    let view = SessionView::superuser();
    let reader = instance.catalog().reader(db, &txn, &view);
    let Some(relation) = lock(&reader, oid, how.policy)? else { return Ok(None) };
    let Some(rel) = relation.storage else { return Ok(None) };
    let heap = Heap::open(storage, rel, relation.toast, relation.layout.clone());
    let trees: Vec<BTree> = relation
        .indexes
        .iter()
        .map(|i| BTree::open(storage, i.storage, i.unique).with_name(i.name.clone()))
        .collect();
    let indexes: Vec<&dyn IndexMethod> = trees.iter().map(|t| t as &dyn IndexMethod).collect();
    // Readers come first: without the lock at hand the empty pages stay.
    let tag = quarry_storage::LockTag::Relation { db: reader.db(), oid };
    let lock_for_truncate = || txn.lock(tag, LockMode::AccessExclusive, WaitPolicy::Skip);
    let options = VacuumOptions {
        all_pages: how.all_pages,
        rows_per_page: (relation.pages > 0 && relation.tuples >= 0.0)
            .then(|| relation.tuples as f64 / relation.pages as f64),
        pace: Some(pace),
        lock_for_truncate: (how.truncate && !relation.is_catalog).then_some(&lock_for_truncate as _),
    };
    let stats = heap.vacuum(&indexes, &options)?;
    let w = instance.catalog().writer(db, &txn, &view);
    w.update_relation_stats(oid, stats.pages, stats.live_tuples as f32, stats.pages_all_visible)?;
    for (i, tree) in relation.indexes.iter().zip(&trees) {
        w.update_relation_stats(i.oid, tree.blocks()?, stats.live_tuples as f32, 0)?;
    }
    txn.commit()?;
    heap.counters().note_vacuum(stats.live_tuples, crate::clock::now(), how.in_background);
    Ok(Some(stats))
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

/// A transaction beside the session's own, for commands that commit table by table. The session's cancel reaches its waits.
fn own_transaction(s: &Session) -> Arc<Transaction> {
    let options = TxnOptions {
        cancel: Some(s.cx.signals.cancel_flag()),
        pid: s.cx.signals.pid,
        ..TxnOptions::default()
    };
    Arc::new(s.cx.instance.storage().begin_with(IsolationLevel::ReadCommitted, options))
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
