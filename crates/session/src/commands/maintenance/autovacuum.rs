//! The background vacuum (PostgreSQL: postmaster/autovacuum.c).

use super::{Pace, TableOptions, vacuum_table};
use crate::instance::Instance;
use quarry_catalog::{SessionView, WaitPolicy};
use quarry_common::{Error, Oid, Result};
use quarry_storage::txn::IsolationLevel;
use quarry_storage::workers::BackgroundWorkers;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Vacuums the tables that have enough dead rows, in every database.
fn autovacuum_round(instance: &Arc<Instance>, stopped: &dyn Fn() -> Result<()>) -> Result<()> {
    let settings = instance.settings();
    if !settings.bool("autovacuum") {
        return Ok(());
    }
    let spare = Pace::of_autovacuum(&settings);
    let pace = || stopped().and_then(|()| spare.step());
    let (added_base, added_scale) = (
        settings.int("autovacuum_vacuum_insert_threshold"),
        settings.real("autovacuum_vacuum_insert_scale_factor"),
    );
    let log_from = settings.int("log_autovacuum_min_duration");
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
                let many_added = added_base >= 0 && added > added_base as f64 + added_scale * tuples;
                if dead > base as f64 + scale * tuples || many_added {
                    let name = format!("{}.{}.{}", db.name, relation.schema_name, relation.name);
                    due.push((relation.oid, name));
                }
            }
        }
        for (oid, name) in due {
            pace()?;
            let how = TableOptions {
                policy: WaitPolicy::Skip,
                all_pages: false,
                truncate: true,
                in_background: true,
            };
            let began = Instant::now();
            let done = vacuum_table(instance, db.oid, oid, &pace, &how)?;
            let spent = began.elapsed();
            if let Some(stats) = done
                && log_from >= 0
                && spent.as_millis() >= log_from as u128
            {
                tracing::info!(
                    "automatic vacuum of table \"{name}\": pages: {} remain, {} scanned, tuples: {} removed, {} remain, elapsed: {:.2} s",
                    stats.pages,
                    stats.pages_scanned,
                    stats.dead_removed,
                    stats.live_tuples,
                    spent.as_secs_f64()
                );
            }
        }
    }
    Ok(())
}

/// Starts the thread that vacuums in the background.
pub fn start_autovacuum(instance: &Arc<Instance>, workers: &mut BackgroundWorkers) {
    let naptime = |i: &Instance| Duration::from_secs(i.settings().int("autovacuum_naptime").max(1) as u64);
    let first = naptime(instance);
    let instance = Arc::downgrade(instance);
    workers.add("autovacuum", first, move |_, stop| {
        while let Some(instance) = instance.upgrade() {
            let nap = naptime(&instance);
            let pace = || if stop.is_set() { Err(Error::cancelled()) } else { Ok(()) };
            if let Err(e) = autovacuum_round(&instance, &pace)
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
