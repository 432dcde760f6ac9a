//! The background vacuum and ANALYZE (PostgreSQL: postmaster/autovacuum.c).
//!
//! A table is vacuumed when enough of its rows have died, or come, and analyzed when enough have changed: a fixed number, plus a
//! share of its rows, each by the table's own storage parameters or else the server's settings. There is no vacuum against
//! wraparound: ids have 64 bits.

use super::worker::Worker;
use super::{Pace, TableOptions, analyze, storage_options::StorageOptions, vacuum_table};
use crate::block::Block;
use crate::context::SessionContext;
use crate::instance::Instance;
use crate::query::StatementContext;
use crate::summary_requests::SummaryRequest;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use quarry_catalog::{RelKind, Relation, SessionView, WaitPolicy};
use quarry_common::settings::Settings;
use quarry_common::{Error, Oid, Result};
use quarry_executor::index_method::brin::Wanted;
use quarry_storage::RelId;
use quarry_storage::stats::{Count, Counters};
use quarry_storage::txn::IsolationLevel;
use quarry_storage::workers::BackgroundWorkers;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The superuser that the data folder was made with.
const BOOTSTRAP_SUPERUSER: Oid = Oid(10);

/// What a table needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Need {
    vacuum: bool,
    analyze: bool,
}

/// Whether a table with these counts is due (PostgreSQL: relation_needs_vacanalyze).
fn need_of(counters: &Counters, tuples: f32, own: &StorageOptions, settings: &Settings) -> Need {
    let tuples = f64::from(tuples.max(0.0));
    let int = |name: &str| own.int(name).unwrap_or_else(|| settings.int(name));
    let real = |name: &str| own.real(name).unwrap_or_else(|| settings.real(name));
    let limit = |base: &str, scale: &str| int(base) as f64 + real(scale) * tuples;
    let count = |c: Count| counters.get(c).max(0) as f64;
    let inserts = int("autovacuum_vacuum_insert_threshold") >= 0
        && count(Count::InsertedSinceVacuum)
            > limit("autovacuum_vacuum_insert_threshold", "autovacuum_vacuum_insert_scale_factor");
    Need {
        vacuum: inserts
            || count(Count::Dead) > limit("autovacuum_vacuum_threshold", "autovacuum_vacuum_scale_factor"),
        analyze: count(Count::Changed)
            > limit("autovacuum_analyze_threshold", "autovacuum_analyze_scale_factor"),
    }
}

/// Databases in which nothing was due, and what made it so: as long as that is the same, there is nothing to look for, and their catalogs are not
/// read. Most databases of a server with many are at rest.
#[derive(Default)]
struct AtRest(HashMap<Oid, Reasons>);

/// What the settings were, and what had been counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reasons {
    settings: u64,
    counts: u64,
}

/// What tables being due hangs on, as a number for each database. A change of a table's parameters or estimated size is one of a row of `pg_class`.
fn counts_by_database(instance: &Instance) -> HashMap<Oid, u64> {
    let mut sums: HashMap<Oid, u64> = HashMap::new();
    for (rel, state) in instance.storage().relation_states().all() {
        let c = state.counters();
        let counts = [Count::Dead, Count::Changed, Count::InsertedSinceVacuum].map(|n| c.get(n));
        if counts != [0; 3] {
            let sum = sums.entry(rel.db).or_default();
            *sum = sum.wrapping_add(FixedState::default().hash_one((rel.rel, counts)));
        }
    }
    sums
}

/// Vacuums and analyzes the tables that are due, in every database.
fn autovacuum_round(
    instance: &Arc<Instance>,
    at_rest: &mut AtRest,
    stopped: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let settings = instance.settings();
    if !settings.bool("autovacuum") || !settings.bool("track_counts") {
        return Ok(());
    }
    let databases = {
        let txn = Arc::new(instance.storage().begin(IsolationLevel::ReadCommitted));
        instance.catalog().reader(Oid::INVALID, &txn, &SessionView::superuser()).databases()?
    };
    let requests = instance.summaries().take();
    let counts = counts_by_database(instance);
    at_rest.0.retain(|db, _| databases.iter().any(|d| d.oid == *db));
    for db in databases.iter().filter(|d| d.allow_connections) {
        stopped()?;
        let requests: Vec<&SummaryRequest> = requests.iter().filter(|r| r.database == db.oid).collect();
        let reasons = Reasons {
            settings: instance.settings_version(),
            counts: counts.get(&db.oid).copied().unwrap_or(0),
        };
        let due = match at_rest.0.get(&db.oid) == Some(&reasons) {
            true => vec![],
            false => due_in(instance, db.oid, &settings)?,
        };
        match due.is_empty() {
            true => at_rest.0.insert(db.oid, reasons),
            false => at_rest.0.remove(&db.oid),
        };
        if requests.is_empty() && due.is_empty() {
            continue;
        }
        let worker = Worker::start(instance, db.oid, stopped);
        for request in requests {
            // A server that goes down leaves them to VACUUM.
            if worker.must_end() {
                break;
            }
            if let Err(e) = summarize(instance, *request, &settings, &worker) {
                let e = worker.reason(e);
                tracing::warn!("automatic summarization of index {}: {}", request.index, e.message());
            }
        }
        for task in due {
            if worker.must_end() {
                break;
            }
            maintain(instance, (db.oid, &db.name), &task, &settings, &worker);
        }
    }
    stopped()
}

/// Does what one table needs. Its trouble is none of the next one's.
fn maintain(
    instance: &Arc<Instance>,
    (db, db_name): (Oid, &str),
    task: &Due,
    settings: &Settings,
    worker: &Worker<'_>,
) {
    let Due { relation, need, own } = task;
    let name = format!("{db_name}.{}.{}", relation.schema_name, relation.name);
    let log_from =
        own.int("log_autovacuum_min_duration").unwrap_or_else(|| settings.int("log_autovacuum_min_duration"));
    let is_told = |spent: Duration| log_from >= 0 && spent.as_millis() >= log_from as u128;
    let failed = |what: &str, e: Error| {
        let e = worker.reason(e);
        tracing::warn!("automatic {what} of table \"{name}\": {}", e.message())
    };
    let what = match (need.vacuum, need.analyze) {
        (true, true) => "VACUUM ANALYZE",
        (true, false) => "VACUUM",
        (false, _) => "ANALYZE",
    };
    worker.begins(format!("{what} {}.{}", relation.schema_name, relation.name));
    if need.vacuum {
        let began = super::verbose::Began::now();
        match vacuum_one(instance, db, relation, own, settings, worker) {
            Ok(Some(stats)) if is_told(began.elapsed()) => tracing::info!(
                "automatic vacuum of table \"{name}\": {}",
                super::verbose::report(&stats, &began, settings.bool("track_io_timing"))
            ),
            Ok(_) => {}
            Err(e) => return failed("vacuum", e),
        }
    }
    if need.analyze {
        let began = Instant::now();
        match analyze_one(instance, (db, db_name.to_string()), relation.oid, worker) {
            Ok(()) if is_told(began.elapsed()) => tracing::info!(
                "automatic analyze of table \"{name}\", elapsed: {:.2} s",
                began.elapsed().as_secs_f64()
            ),
            Ok(()) => {}
            Err(e) => failed("analyze", e),
        }
    }
}

/// Summarises one range of an index, unless the table is locked; then VACUUM comes to it.
fn summarize(
    instance: &Arc<Instance>,
    request: SummaryRequest,
    settings: &Settings,
    worker: &Worker<'_>,
) -> Result<()> {
    let txn = worker.transaction();
    let view = SessionView::superuser();
    let reader = instance.catalog().reader(request.database, &txn, &view);
    let Some(table) = reader.index_table(request.index)? else { return Ok(()) };
    let Some(table) = super::lock(&reader, table, WaitPolicy::Skip)? else { return Ok(()) };
    let Some(index) = table.indexes.iter().find(|i| i.oid == request.index && i.ready).cloned() else {
        return Ok(());
    };
    worker.begins(format!("BRIN summarize {}.{} {}", table.schema_name, index.name, request.block));
    let memory = settings.bytes("maintenance_work_mem") as usize;
    let wanted = Wanted::At(request.block);
    crate::index_functions::summarize(&reader, &table, &index, wanted, memory, &|| worker.check())?;
    txn.commit()?;
    Ok(())
}

/// A table, what it needs, and what is said of how.
struct Due {
    relation: Arc<Relation>,
    need: Need,
    own: StorageOptions,
}

fn due_in(instance: &Arc<Instance>, db: Oid, settings: &Settings) -> Result<Vec<Due>> {
    let txn = Arc::new(instance.storage().begin(IsolationLevel::ReadCommitted));
    let reader = instance.catalog().reader(db, &txn, &SessionView::superuser());
    let states = instance.storage().relation_states();
    let relations = reader.all_relations(&['r', 'm', 't'])?;
    // A toast table without parameters goes by those of the table it belongs to.
    let of_table: HashMap<RelId, StorageOptions> =
        relations.iter().filter_map(|r| Some((r.toast?, StorageOptions::of(r)))).collect();
    let mut due = vec![];
    for relation in relations {
        let Some(rel) = relation.storage else { continue };
        let Some(state) = states.known(rel) else { continue };
        let own = match of_table.get(&rel) {
            Some(of_table) if relation.options.is_empty() => of_table.clone(),
            _ => StorageOptions::of(&relation),
        };
        if own.bool("autovacuum_enabled") == Some(false)
            || relation.persistence == quarry_catalog::Persistence::Temporary
        {
            continue;
        }
        let mut need = need_of(state.counters(), relation.tuples, &own, settings);
        need.analyze &= relation.kind != RelKind::Toast;
        if need.vacuum || need.analyze {
            due.push(Due { relation, need, own });
        }
    }
    Ok(due)
}

/// Toast tables are due by themselves, so a table's vacuum leaves its own alone.
fn vacuum_one(
    instance: &Arc<Instance>,
    db: Oid,
    relation: &Relation,
    own: &StorageOptions,
    settings: &Settings,
    worker: &Worker<'_>,
) -> Result<Option<quarry_storage::vacuum::VacuumStats>> {
    let spare = Pace::of_autovacuum(settings, own, &worker.signals);
    let pace = |work| worker.check().and_then(|()| spare.step(work));
    let how = TableOptions {
        policy: WaitPolicy::Skip,
        skip_toast: true,
        in_background: true,
        ..TableOptions::by_itself(own)
    };
    vacuum_table(instance, worker.transaction(), db, relation.oid, &pace, &how)
}

/// ANALYZE in a transaction of its own, for no session.
fn analyze_one(
    instance: &Arc<Instance>,
    database: (Oid, String),
    oid: Oid,
    worker: &Worker<'_>,
) -> Result<()> {
    let user = (BOOTSTRAP_SUPERUSER, String::new(), true);
    let signals = worker.signals.clone();
    let cx = Arc::new_cyclic(|this| SessionContext::new(this, instance.clone(), signals, database, user));
    let txn = worker.transaction();
    let st = StatementContext::new(&cx, &Block::default(), &txn);
    let outcome = analyze::analyze_table(&st, oid, &[], false, true);
    cx.set_reader(None);
    outcome?;
    txn.commit()?;
    Ok(())
}

/// Starts the thread that vacuums and analyzes in the background.
pub fn start_autovacuum(instance: &Arc<Instance>, workers: &mut BackgroundWorkers) {
    let naptime = |i: &Instance| Duration::from_secs(i.settings().int("autovacuum_naptime").max(1) as u64);
    let first = naptime(instance);
    let instance = Arc::downgrade(instance);
    workers.add("autovacuum", first, move |_, stop| {
        let mut at_rest = AtRest::default();
        while let Some(instance) = instance.upgrade() {
            let nap = naptime(&instance);
            let pace = || if stop.is_set() { Err(Error::cancelled()) } else { Ok(()) };
            if let Err(e) = autovacuum_round(&instance, &mut at_rest, &pace)
                && !stop.is_set()
            {
                tracing::warn!("autovacuum: {}", e.message());
            }
            drop(instance);
            if !stop.nap(nap) {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_due_by_their_own_parameters() {
        let settings = Settings::default();
        let own = |list: &[(&str, &str)]| {
            StorageOptions::new(list.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect())
        };
        let counters = Counters::default();
        let need = |dead: u64, tuples: f32, own: &StorageOptions| {
            counters.note_vacuum(0.0, dead, 1, false);
            need_of(&counters, tuples, own, &settings).vacuum
        };
        assert!(!need(50, 0.0, &own(&[])) && need(51, 0.0, &own(&[])));
        assert!(!need(250, 1000.0, &own(&[])) && need(251, 1000.0, &own(&[])));
        let early = own(&[("autovacuum_vacuum_threshold", "5"), ("autovacuum_vacuum_scale_factor", "0")]);
        assert!(!need(5, 1000.0, &early) && need(6, 1000.0, &early));
    }
}
