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
mod storage_options;
mod verbose;
mod worker;

pub use autovacuum::start_autovacuum;
pub use cluster::{check_order, cluster};
pub use pace::Pace;
pub use reindex::reindex;

use super::CommandOutcome;
use crate::instance::Instance;
use crate::query::StatementContext;
use crate::session::Session;
use options::Wanted as Options;
use quarry_catalog::{CatalogReader, LockMode, RelKind, Relation, SessionView, WaitPolicy};
use quarry_common::progress::Command;
use quarry_common::{Oid, Result, Severity, bail, err};
use quarry_executor::index_method::brin::Wanted;
use quarry_sql::ast;
use quarry_storage::heap::Heap;
use quarry_storage::index::IndexMethod;
use quarry_storage::txn::{IsolationLevel, Transaction, TxnOptions};
use quarry_storage::vacuum::{IndexCleanup, VacuumOptions, VacuumStats, Work};
use std::sync::Arc;
use storage_options::StorageOptions;

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
    let pace = Pace::of_session(&s.cx);
    for (r, columns) in &tables {
        // Files of the system catalogs stay where they are: for them FULL is thorough, no more.
        if w.vacuum && w.full && !r.is_catalog {
            cluster::rewrite_alone(s, r.oid, w.verbose)?;
        } else if w.vacuum {
            vacuum_with(s, r, &w, &pace)?;
        }
        if w.analyze {
            let st = s.statement_context()?;
            if w.skip_locked && lock(&st.reader, r.oid, WaitPolicy::Skip)?.is_none() {
                let e = err!(LOCK_NOT_AVAILABLE, "skipping analyze of \"{}\" --- lock not available", r.name);
                s.cx.push_notice(Severity::Warning, e);
                continue;
            }
            analyze::analyze_table(&st, r.oid, columns, w.verbose, false)?;
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
fn vacuum_with(s: &mut Session, r: &Relation, w: &Options, pace: &Pace) -> Result<()> {
    let database = s.cx.database.1.clone();
    let told = |s: &Session, text: String| {
        s.cx.push_notice(Severity::Info, err!(SUCCESSFUL_COMPLETION, "{text}"));
    };
    let full_name = format!("{database}.{}.{}", r.schema_name, r.name);
    if w.verbose {
        told(s, format!("vacuuming \"{full_name}\""));
    }
    let own = TableOptions::by_itself(&StorageOptions::of(r));
    let options = TableOptions {
        policy: if w.skip_locked { WaitPolicy::Skip } else { WaitPolicy::Block },
        all_pages: w.all_pages,
        truncate: w.truncate.unwrap_or(own.truncate),
        index_cleanup: w.index_cleanup.unwrap_or(own.index_cleanup),
        truncate_toast: w.truncate,
        skip_toast: w.skip_toast,
        in_background: false,
    };
    let step = |work| pace.step(work);
    let txn = own_transaction(s);
    let began = verbose::Began::now();
    match vacuum_table(&s.cx.instance, txn, s.cx.database.0, r.oid, &step, &options)? {
        None if w.skip_locked => {
            let e = err!(LOCK_NOT_AVAILABLE, "skipping vacuum of \"{}\" --- lock not available", r.name);
            s.cx.push_notice(Severity::Warning, e);
        }
        Some(stats) if w.verbose => {
            if stats.pages_removed > 0 {
                let before = stats.pages + stats.pages_removed;
                told(s, format!("table \"{}\": truncated {before} to {} pages", r.name, stats.pages));
            }
            let (spent, timed) = (began.elapsed(), s.cx.settings().bool("track_io_timing"));
            told(
                s,
                format!("finished vacuuming \"{full_name}\": {}", verbose::report(&stats, &began, timed)),
            );
            if let Some(toast) = &stats.toast {
                let name = format!("{database}.pg_toast.pg_toast_{}", r.oid);
                told(s, format!("vacuuming \"{name}\""));
                told(s, format!("finished vacuuming \"{name}\": {}", verbose::report_part(toast, spent)));
            }
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
    index_cleanup: IndexCleanup,
    /// `truncate` for the toast table; none: as its own parameters say.
    truncate_toast: Option<bool>,
    skip_toast: bool,
    /// Counts as autovacuum's.
    in_background: bool,
}

impl TableOptions {
    /// As the table's storage parameters say.
    fn by_itself(own: &StorageOptions) -> TableOptions {
        let index_cleanup = match own.text("vacuum_index_cleanup") {
            None => IndexCleanup::Auto,
            Some(text) if text.eq_ignore_ascii_case("auto") => IndexCleanup::Auto,
            Some(_) if own.bool("vacuum_index_cleanup") == Some(true) => IndexCleanup::On,
            Some(_) => IndexCleanup::Off,
        };
        TableOptions {
            policy: WaitPolicy::Block,
            all_pages: false,
            truncate: own.bool("vacuum_truncate").unwrap_or(true),
            index_cleanup,
            truncate_toast: None,
            skip_toast: false,
            in_background: false,
        }
    }
}

/// Vacuums one table in a transaction of its own and stores its size. None: it is gone, or locked.
fn vacuum_table(
    instance: &Arc<Instance>,
    txn: Arc<Transaction>,
    db: Oid,
    oid: Oid,
    pace: &dyn Fn(Work) -> Result<()>,
    how: &TableOptions,
) -> Result<Option<VacuumStats>> {
    let storage = instance.storage();
    let view = SessionView::superuser();
    let reader = instance.catalog().reader(db, &txn, &view);
    // Who uses a toast table has locked the table that it belongs to, and nothing else.
    let is_toast = reader.relation(oid)?.is_some_and(|r| r.kind == RelKind::Toast);
    let locked = if is_toast { reader.table_of_toast(oid)?.unwrap_or(oid) } else { oid };
    if lock(&reader, locked, how.policy)?.is_none() {
        return Ok(None);
    }
    let Some(relation) = reader.relation(oid)? else { return Ok(None) };
    let Some(rel) = relation.storage else { return Ok(None) };
    let toast = match reader.toast_table(oid)? {
        Some(toast) if !how.skip_toast => reader.relation(toast)?,
        _ => None,
    };
    let _running = txn.progress().begin(Command::Vacuum, oid);
    let heap = Heap::open(storage, rel, relation.toast, relation.layout.clone());
    // Into those being built nobody has put anything.
    let ready: Vec<_> = relation.indexes.iter().filter(|i| i.ready).collect();
    let opened =
        ready.iter().map(|i| quarry_executor::index_method::open(storage, i)).collect::<Result<Vec<_>>>()?;
    let indexes: Vec<&dyn IndexMethod> = opened.iter().map(|i| &**i).collect();
    // Readers come first: without the lock at hand the empty pages stay.
    let tag = quarry_storage::LockTag::Relation { db: reader.db(), oid: locked };
    let lock_for_truncate = || txn.lock(tag, LockMode::AccessExclusive, WaitPolicy::Skip);
    let may_cut = |truncate: bool| (truncate && !relation.is_catalog).then_some(&lock_for_truncate as _);
    let counted = |r: &Relation| (r.pages, f64::from(r.tuples));
    let truncates_toast = |toast: &Relation| {
        how.truncate_toast.unwrap_or_else(|| TableOptions::by_itself(&StorageOptions::of(toast)).truncate)
    };
    let options = VacuumOptions {
        all_pages: how.all_pages,
        last_counted: Some(counted(&relation)),
        toast_last_counted: toast.as_deref().map(counted),
        toast_lock_for_truncate: toast.as_deref().and_then(|toast| may_cut(truncates_toast(toast))),
        index_cleanup: how.index_cleanup,
        skip_toast: how.skip_toast,
        pace: Some(pace),
        lock_for_truncate: may_cut(how.truncate),
        progress: txn.progress().of(Command::Vacuum),
    };
    let mut stats = heap.vacuum(&indexes, &options)?;
    if how.index_cleanup != IndexCleanup::Off {
        let memory = instance.settings().bytes("maintenance_work_mem") as usize;
        let all = Wanted::All { partial: false };
        for index in ready.iter().filter(|i| i.method == "brin") {
            let pause = || pace(Work::Nothing);
            crate::index_functions::summarize(&reader, &relation, index, all, memory, &pause)?;
        }
    }
    stats.index_names = ready.iter().map(|i| i.name.clone()).collect();
    let w = instance.catalog().writer(db, &txn, &view);
    w.update_relation_stats(oid, stats.pages, stats.live_tuples as f32, stats.pages_all_visible)?;
    for (i, index) in ready.iter().zip(&opened) {
        w.update_relation_stats(i.oid, index.blocks()?, stats.live_tuples as f32, 0)?;
    }
    if let (Some(toast), Some(of)) = (&toast, &stats.toast) {
        w.update_relation_stats(toast.oid, of.pages, of.live_tuples as f32, of.pages_all_visible)?;
    }
    txn.commit()?;
    let at = crate::clock::now();
    if let (Some(rel), Some(of)) = (toast.as_ref().and_then(|t| t.storage), &stats.toast) {
        let state = storage.relation_states().get(rel);
        state.counters().note_vacuum(of.live_tuples, of.dead_not_yet_removable, at, how.in_background);
    }
    heap.counters().note_vacuum(stats.live_tuples, stats.dead_not_yet_removable, at, how.in_background);
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
    if let Some(txn) = s.block.txn() {
        // What it has seen it needs no longer; others may wait for that.
        txn.statement_done();
    }
    let options = TxnOptions {
        cancel: Some(s.cx.signals.cancel_flag()),
        pid: s.cx.signals.pid,
        database: s.cx.database.0,
        progress: s.cx.signals.progress.clone(),
        observer: Some(s.cx.lock_waits.clone()),
        ..TxnOptions::default()
    };
    let txn = s.cx.instance.storage().begin_with(IsolationLevel::ReadCommitted, options);
    let limits = s.cx.limits();
    txn.set_lock_timeout(limits.lock);
    txn.set_deadlock_timeout(limits.deadlock);
    Arc::new(txn)
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
