//! What has been counted of tables since the server started: the functions behind `pg_stat_all_tables` (PostgreSQL: pgstatfuncs.c).
//!
//! The counts stand beside the relation's file in `storage`; a table that is written anew (TRUNCATE, VACUUM FULL, CLUSTER) begins with none, and
//! so do all after a restart.

use crate::context::SessionContext;
use quarry_catalog::CatalogReader;
use quarry_common::{Oid, Result};
use quarry_storage::fsm::Counters;
use quarry_types::Datum;
use std::sync::atomic::Ordering;

/// The answer of a statistics function on one relation; none if `name` is no such function, or nothing has been counted.
pub fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    name: &str,
    args: &[Datum],
) -> Result<Option<Datum>> {
    let Some(read) = column(name) else { return Ok(None) };
    let [Datum::U32(oid)] = args else { return Ok(None) };
    let Some(rel) = reader.relation(Oid(*oid))?.and_then(|r| r.storage) else { return Ok(None) };
    Ok(cx.instance.storage().relation_states().known(rel).and_then(|state| read(&state.counters)))
}

/// What a function reads; none: it isn't one of these.
fn column(name: &str) -> Option<fn(&Counters) -> Option<Datum>> {
    macro_rules! count {
        ($field:ident) => {
            |c| Some(Datum::I64(c.$field.load(Ordering::Relaxed) as i64))
        };
    }
    macro_rules! time {
        ($field:ident) => {
            |c| Some(c.$field.load(Ordering::Relaxed)).filter(|t| *t != 0).map(Datum::I64)
        };
    }
    Some(match name {
        "pg_stat_get_numscans" => count!(scans),
        "pg_stat_get_tuples_returned" => count!(returned),
        "pg_stat_get_tuples_inserted" => count!(inserted),
        "pg_stat_get_tuples_updated" => count!(updated),
        "pg_stat_get_tuples_deleted" => count!(deleted),
        "pg_stat_get_tuples_hot_updated" => count!(hot_updated),
        "pg_stat_get_dead_tuples" => count!(ended_since_vacuum),
        "pg_stat_get_mod_since_analyze" => count!(changed_since_analyze),
        "pg_stat_get_ins_since_vacuum" => count!(inserted_since_vacuum),
        "pg_stat_get_vacuum_count" => count!(vacuums),
        "pg_stat_get_autovacuum_count" => count!(autovacuums),
        "pg_stat_get_analyze_count" => count!(analyzes),
        "pg_stat_get_last_vacuum_time" => time!(last_vacuum),
        "pg_stat_get_last_autovacuum_time" => time!(last_autovacuum),
        "pg_stat_get_last_analyze_time" => time!(last_analyze),
        // Before any change the catalog knows better.
        "pg_stat_get_live_tuples" => |c| {
            Some(c.live.load(Ordering::Relaxed))
                .filter(|n| *n > 0 || c.has_counted())
                .map(|n| Datum::I64(n.max(0)))
        },
        _ => return None,
    })
}

/// Forgets the counts of one relation, or of all of the session's database.
pub fn reset(cx: &SessionContext, reader: &CatalogReader, only: Option<Oid>) -> Result<()> {
    let states = cx.instance.storage().relation_states();
    match only {
        None => {
            for (rel, state) in states.all() {
                if rel.db == cx.database.0 {
                    state.counters.reset();
                }
            }
        }
        Some(oid) => {
            if let Some(state) =
                reader.relation(oid)?.and_then(|r| r.storage).and_then(|rel| states.known(rel))
            {
                state.counters.reset();
            }
        }
    }
    Ok(())
}
