//! What has been counted: the functions behind `pg_stat_all_tables`, `pg_stat_all_indexes`, `pg_stat_xact_*` and `pg_stat_database`
//! (PostgreSQL: pgstatfuncs.c).
//!
//! The counts stand beside the relation's file in `storage` ([`quarry_storage::stats`]) and follow the relation to new files. They are read live:
//! there is no snapshot of them to be cleared.

use crate::context::SessionContext;
use quarry_catalog::CatalogReader;
use quarry_common::usage::{self, Usage};
use quarry_common::{Oid, Result, err};
use quarry_storage::RelId;
use quarry_storage::stats::{
    CommitLogCount, Count, Counters, DatabaseCount, DatabaseCounters, LogCount, Maintenance, SharedCounts,
    WriterCount, XactCounts,
};
use quarry_types::numeric::Numeric;
use quarry_types::{Datum, oids, record};

/// The answer of a statistics function on one relation or database; none if `name` is no such function, or nothing has been counted.
pub fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    name: &str,
    args: &[Datum],
) -> Result<Option<Datum>> {
    let Some(name) = name.strip_prefix("pg_stat_get_") else { return Ok(None) };
    cx.instance.storage().flush_counts();
    match name {
        "wal" => return Ok(Some(wal(cx))),
        "archiver" => return Ok(Some(archiver(cx))),
        _ => {}
    }
    if args.is_empty() {
        return Ok(writers(cx, name));
    }
    let [Datum::U32(oid)] = args else { return Ok(None) };
    if let Some(name) = name.strip_prefix("db_") {
        return Ok(database(cx, Oid(*oid), name));
    }
    if let Some(read) = name.strip_prefix("xact_").and_then(xact_column) {
        let Some(rel) = storage_of(reader, Oid(*oid))? else { return Ok(None) };
        return Ok(Some(Datum::I64(read(&reader.txn().counted(rel)) as i64)));
    }
    let Some(read) = column(name) else { return Ok(None) };
    let Some(rel) = storage_of(reader, Oid(*oid))? else { return Ok(None) };
    Ok(cx.instance.storage().relation_states().known(rel).and_then(|state| read(state.counters())))
}

/// Has what a session reads and writes timed, where that is wanted, and its database told.
pub struct IoTimer(Option<Box<Usage>>);

impl IoTimer {
    /// From now on.
    #[inline]
    pub fn start(wanted: bool) -> IoTimer {
        // SET may have come since the last message that this thread dealt with.
        usage::set_timed(wanted);
        IoTimer(wanted.then(|| Box::new(usage::now())))
    }

    /// Whether anything is timed.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Until now.
    pub fn stop(self, cx: &SessionContext) {
        let Some(before) = self.0 else { return };
        let spent = usage::now().since(&before);
        let counters = cx.instance.storage().database_stats().get(cx.database.0);
        counters.add(DatabaseCount::ReadTime, (spent.read_ns / 1000) as i64);
        counters.add(DatabaseCount::WriteTime, (spent.write_ns / 1000) as i64);
    }
}

/// What has gone into the log, as `pg_stat_wal` shows it.
fn wal(cx: &SessionContext) -> Datum {
    let storage = cx.instance.storage();
    let (totals, writes) = (storage.database_stats().wal(), storage.wal().counts());
    let total = |at: usize| Datum::I64(totals.get(at) as i64);
    let count = |count: LogCount| Datum::I64(writes.get(count as usize) as i64);
    let ms = |count: LogCount| Datum::F64(writes.get(count as usize) as f64 / 1000.0);
    let fields = [
        (oids::INT8, total(0)),
        (oids::INT8, total(1)),
        (oids::NUMERIC, Numeric::from(totals.get(2) as i64).into_datum()),
        (oids::INT8, count(LogCount::BufferFull)),
        (oids::INT8, count(LogCount::Writes)),
        (oids::INT8, count(LogCount::Syncs)),
        (oids::FLOAT8, ms(LogCount::WriteTime)),
        (oids::FLOAT8, ms(LogCount::SyncTime)),
        (oids::TIMESTAMPTZ, Datum::I64(since(cx, totals))),
    ];
    record::from_fields(oids::RECORD, fields.iter().map(|(oid, value)| (*oid, value)))
}

/// From when on something is counted.
fn since(cx: &SessionContext, counts: &SharedCounts) -> i64 {
    counts.begun_at(cx.instance.started_at());
    counts.reset_at()
}

/// Nothing is archived.
fn archiver(cx: &SessionContext) -> Datum {
    let fields = [
        (oids::INT8, Datum::I64(0)),
        (oids::TEXT, Datum::Null),
        (oids::TIMESTAMPTZ, Datum::Null),
        (oids::INT8, Datum::I64(0)),
        (oids::TEXT, Datum::Null),
        (oids::TIMESTAMPTZ, Datum::Null),
        (oids::TIMESTAMPTZ, Datum::I64(cx.instance.started_at())),
    ];
    record::from_fields(oids::RECORD, fields.iter().map(|(oid, value)| (*oid, value)))
}

/// A column of `pg_stat_bgwriter`.
fn writers(cx: &SessionContext, name: &str) -> Option<Datum> {
    let counts = cx.instance.storage().pool().writers();
    let count = |count: WriterCount| Some(Datum::I64(counts.get(count as usize) as i64));
    let ms = |count: WriterCount| Some(Datum::F64(counts.get(count as usize) as f64));
    match name {
        "bgwriter_timed_checkpoints" => count(WriterCount::TimedCheckpoints),
        "bgwriter_requested_checkpoints" => count(WriterCount::RequestedCheckpoints),
        "checkpoint_write_time" => ms(WriterCount::CheckpointWriteTime),
        "checkpoint_sync_time" => ms(WriterCount::CheckpointSyncTime),
        "bgwriter_buf_written_checkpoints" => count(WriterCount::Checkpoint),
        "bgwriter_buf_written_clean" => count(WriterCount::Background),
        "bgwriter_maxwritten_clean" => count(WriterCount::FullRounds),
        "buf_written_backend" => count(WriterCount::Others),
        // Files are synced by checkpoints only.
        "buf_fsync_backend" => Some(Datum::I64(0)),
        "buf_alloc" => count(WriterCount::Allocated),
        "bgwriter_stat_reset_time" => Some(Datum::I64(since(cx, counts))),
        _ => None,
    }
}

/// PostgreSQL's small caches of pages (`pg_stat_slru`). Of these there is only the commit log here, whose pages are all in memory.
pub fn slru_rows(cx: &SessionContext) -> Vec<Vec<Datum>> {
    const NAMES: [&str; 8] =
        ["CommitTs", "MultiXactMember", "MultiXactOffset", "Notify", "Serial", "Subtrans", "Xact", "other"];
    let counts = cx.instance.storage().txns().commit_log_counts();
    let row = |name: &str| {
        let of = |count: CommitLogCount| {
            Datum::I64(if name == COMMIT_LOG { counts.get(count as usize) as i64 } else { 0 })
        };
        let since = if name == COMMIT_LOG { since(cx, counts) } else { cx.instance.started_at() };
        vec![
            Datum::text(name),
            of(CommitLogCount::Zeroed),
            Datum::I64(0),
            of(CommitLogCount::Read),
            of(CommitLogCount::Written),
            Datum::I64(0),
            of(CommitLogCount::Flushes),
            Datum::I64(0),
            Datum::I64(since),
        ]
    };
    NAMES.into_iter().map(row).collect()
}

const COMMIT_LOG: &str = "Xact";

/// Forgets the counts of one of those, or of all. What has another name counts as "other", as in PostgreSQL.
pub fn reset_slru(cx: &SessionContext, name: Option<&str>) {
    if name.is_none_or(|name| name == COMMIT_LOG) {
        cx.instance.storage().txns().commit_log_counts().reset(crate::clock::now());
    }
}

/// The files of a table or an index.
fn storage_of(reader: &CatalogReader, oid: Oid) -> Result<Option<RelId>> {
    if let Some(r) = reader.relation(oid)? {
        return Ok(r.storage);
    }
    Ok(reader.index(oid)?.map(|(_, i)| i.storage))
}

/// What a function reads; none: it isn't one of these.
fn column(name: &str) -> Option<fn(&Counters) -> Option<Datum>> {
    macro_rules! count {
        ($count:ident) => {
            |c| Some(Datum::I64(c.get(Count::$count).max(0)))
        };
    }
    macro_rules! runs {
        ($what:ident) => {
            |c| Some(Datum::I64(c.runs(Maintenance::$what)))
        };
    }
    macro_rules! time {
        ($what:ident) => {
            |c| c.last(Maintenance::$what).map(Datum::I64)
        };
    }
    Some(match name {
        "numscans" => count!(Scans),
        "tuples_returned" => count!(Returned),
        "tuples_fetched" => count!(Fetched),
        "tuples_inserted" => count!(Inserted),
        "tuples_updated" => count!(Updated),
        "tuples_deleted" => count!(Deleted),
        "tuples_hot_updated" => count!(HotUpdated),
        "dead_tuples" => count!(Dead),
        "mod_since_analyze" => count!(Changed),
        "ins_since_vacuum" => count!(InsertedSinceVacuum),
        "vacuum_count" => runs!(Vacuum),
        "autovacuum_count" => runs!(Autovacuum),
        "analyze_count" => runs!(Analyze),
        "autoanalyze_count" => runs!(Autoanalyze),
        "last_vacuum_time" => time!(Vacuum),
        "last_autovacuum_time" => time!(Autovacuum),
        "last_analyze_time" => time!(Analyze),
        "last_autoanalyze_time" => time!(Autoanalyze),
        "blocks_fetched" => {
            |c| Some(Datum::I64(c.get(Count::BlocksHit).saturating_add(c.get(Count::BlocksRead)).max(0)))
        }
        "blocks_hit" => count!(BlocksHit),
        // Before any change the catalog knows better.
        "live_tuples" => {
            |c| Some(c.get(Count::Live)).filter(|n| *n > 0 || c.has_counted()).map(|n| Datum::I64(n.max(0)))
        }
        _ => return None,
    })
}

/// What a function of the running transaction reads.
fn xact_column(name: &str) -> Option<fn(&XactCounts) -> u64> {
    Some(match name {
        "numscans" => |c| c.reads.scans,
        "tuples_returned" => |c| c.reads.returned,
        "tuples_fetched" => |c| c.reads.fetched,
        "tuples_inserted" => |c| c.actions.inserted,
        "tuples_updated" => |c| c.actions.updated,
        "tuples_deleted" => |c| c.actions.deleted,
        "tuples_hot_updated" => |c| c.actions.hot_updated,
        _ => return None,
    })
}

/// A database's statistic; the database 0 is what all share.
fn database(cx: &SessionContext, db: Oid, name: &str) -> Option<Datum> {
    let counters = cx.instance.storage().database_stats().known(db);
    let of_db = |count| counters.as_ref().map_or(0, |c: &std::sync::Arc<DatabaseCounters>| c.get(count));
    let with_relations = |gone: DatabaseCount, count: Count| {
        let states = cx.instance.storage().relation_states().of_database(db);
        let sum: i64 = states.iter().map(|(_, s)| s.counters().get(count)).sum();
        of_db(gone) + sum
    };
    Some(Datum::I64(match name {
        "xact_commit" => of_db(DatabaseCount::Commits),
        "xact_rollback" => of_db(DatabaseCount::Rollbacks),
        "deadlocks" => of_db(DatabaseCount::Deadlocks),
        "temp_files" => of_db(DatabaseCount::TempFiles),
        "temp_bytes" => of_db(DatabaseCount::TempBytes),
        "sessions" => of_db(DatabaseCount::Sessions),
        "tuples_returned" => with_relations(DatabaseCount::Returned, Count::Returned),
        "tuples_fetched" => with_relations(DatabaseCount::Fetched, Count::Fetched),
        "tuples_inserted" => with_relations(DatabaseCount::Inserted, Count::Inserted),
        "tuples_updated" => with_relations(DatabaseCount::Updated, Count::Updated),
        "tuples_deleted" => with_relations(DatabaseCount::Deleted, Count::Deleted),
        "blocks_fetched" => {
            with_relations(DatabaseCount::BlocksHit, Count::BlocksHit)
                + with_relations(DatabaseCount::BlocksRead, Count::BlocksRead)
        }
        "blocks_hit" => with_relations(DatabaseCount::BlocksHit, Count::BlocksHit),
        "blk_read_time" => return Some(Datum::F64(of_db(DatabaseCount::ReadTime) as f64 / 1000.0)),
        "blk_write_time" => return Some(Datum::F64(of_db(DatabaseCount::WriteTime) as f64 / 1000.0)),
        "stat_reset_time" => return counters?.reset_at().map(Datum::I64),
        _ => return None,
    }))
}

/// Forgets counts that all databases share (PostgreSQL: `pg_stat_reset_shared`). Those of which nothing is counted need nothing.
pub fn reset_shared(cx: &SessionContext, target: &str) -> Result<()> {
    match target {
        "wal" => {
            let storage = cx.instance.storage();
            storage.flush_counts();
            storage.database_stats().wal().reset(crate::clock::now());
            storage.wal().counts().reset(crate::clock::now());
            Ok(())
        }
        "bgwriter" => {
            cx.instance.storage().pool().writers().reset(crate::clock::now());
            Ok(())
        }
        "archiver" | "recovery_prefetch" => Ok(()),
        _ => Err(err!(INVALID_PARAMETER_VALUE, "unrecognized reset target: \"{target}\"")
            .hint("Target must be \"archiver\", \"bgwriter\", \"recovery_prefetch\", or \"wal\".")),
    }
}

/// Forgets the counts of one relation, or of all of the session's database.
pub fn reset(cx: &SessionContext, reader: &CatalogReader, only: Option<Oid>) -> Result<()> {
    let states = cx.instance.storage().relation_states();
    match only {
        None => {
            for (_, state) in states.of_database(cx.database.0) {
                state.counters().reset();
            }
        }
        Some(oid) => {
            if let Some(state) = storage_of(reader, oid)?.and_then(|rel| states.known(rel)) {
                state.counters().reset();
            }
        }
    }
    let databases = cx.instance.storage().database_stats();
    match only {
        None => databases.get(cx.database.0).reset(crate::clock::now()),
        // As in PostgreSQL, the database shows when something of it was reset.
        Some(_) => databases.get(cx.database.0).note_reset(crate::clock::now()),
    }
    Ok(())
}
