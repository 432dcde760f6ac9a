//! What statements cost, summed up by query (PostgreSQL: contrib/pg_stat_statements): counted where `shared_preload_libraries` names
//! pg_stat_statements.
//!
//! A statement's time is that spent on its portal, planning not included. Statements that functions run count with the one that calls
//! them. Nothing survives a restart.

use crate::context::SessionContext;
use crate::planning::lex_options;
use crate::portal::Portal;
use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_catalog::CatalogReader;
use quarry_common::usage::{self, Usage};
use quarry_common::{Oid, Result, bail};
use quarry_functions::registry;
use quarry_sql::ast;
use quarry_sql::lexer::normalised;
use quarry_types::numeric::Numeric;
use quarry_types::{Datum, pseudo};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// `pg_read_all_stats`.
const READ_ALL_STATS: Oid = Oid(3375);

/// Whose statement, where, and which.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    user: Oid,
    database: Oid,
    query: i64,
}

/// Sums over a statement's runs.
struct Entry {
    text: Box<str>,
    calls: u64,
    total_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Sum of squared distances from the mean (Welford).
    squares: f64,
    rows: u64,
    used: Usage,
}

impl Entry {
    fn add(&mut self, ms: f64, rows: u64, used: &Usage) {
        let mean_before = if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 };
        self.calls += 1;
        self.total_ms += ms;
        self.min_ms = if self.calls == 1 { ms } else { self.min_ms.min(ms) };
        self.max_ms = self.max_ms.max(ms);
        self.squares += (ms - mean_before) * (ms - self.mean_ms());
        self.rows += rows;
        self.used = self.used.plus(used);
    }
    fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 }
    }
}

#[derive(Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// How often entries were dropped for want of room.
    dropped: i64,
}

/// The sums of all statements of the server.
pub struct StatementStats {
    table: Mutex<Table>,
    reset_at: Mutex<i64>,
}

impl Default for StatementStats {
    fn default() -> StatementStats {
        StatementStats { table: Mutex::default(), reset_at: Mutex::new(crate::clock::now()) }
    }
}

impl StatementStats {
    fn record(&self, key: Key, max: usize, text: impl FnOnce() -> String, ms: f64, rows: u64, used: &Usage) {
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.get_mut(&key) {
            entry.add(ms, rows, used);
            return;
        }
        if table.entries.len() >= max {
            // The twentieth that was called least makes room.
            let mut calls: Vec<u64> = table.entries.values().map(|e| e.calls).collect();
            let at = (calls.len() / 20).min(calls.len().saturating_sub(1));
            let least = *calls.select_nth_unstable(at).1;
            let mut most = at + 1;
            table.entries.retain(|_, e| {
                let goes = most > 0 && e.calls <= least;
                most -= usize::from(goes);
                !goes
            });
            table.dropped += 1;
        }
        let mut entry = Entry {
            text: text().into_boxed_str(),
            calls: 0,
            total_ms: 0.0,
            min_ms: 0.0,
            max_ms: 0.0,
            squares: 0.0,
            rows: 0,
            used: Usage::default(),
        };
        entry.add(ms, rows, used);
        table.entries.insert(key, entry);
    }
}

/// What a portal has taken so far.
#[derive(Default)]
pub struct Spent {
    time: Duration,
    used: Usage,
    /// The query's identifier; none: the statement is none that is planned.
    pub query_id: Option<i64>,
}

/// A piece of a portal's work, being measured.
pub(crate) struct Meter {
    start: Instant,
    before: Usage,
}

impl Meter {
    pub fn start() -> Meter {
        Meter { start: Instant::now(), before: usage::now() }
    }
    pub fn stop(self, spent: &mut Spent) {
        spent.time += self.start.elapsed();
        spent.used = spent.used.plus(&usage::now().since(&self.before));
    }
}

/// A portal is done.
pub(crate) fn record(cx: &SessionContext, portal: &mut Portal, tag: &str) {
    let spent = std::mem::take(&mut portal.spent);
    let settings = cx.settings();
    if settings.text("pg_stat_statements.track") == "none" {
        return;
    }
    let Some(text) = portal.statement.source().query else { return };
    if spent.query_id.is_none() {
        // Those that are about other statements don't count themselves.
        let about = matches!(
            portal.statement.statement,
            Some(ast::Statement::Prepare(_) | ast::Statement::Execute(_) | ast::Statement::Deallocate(_))
        );
        if about || !settings.bool("pg_stat_statements.track_utility") {
            return;
        }
    }
    let query = spent.query_id.unwrap_or_else(|| {
        let mut hasher = DefaultHasher::new();
        text.trim().hash(&mut hasher);
        hasher.finish() as i64
    });
    let user = quarry_functions::SessionEnv::current_user(cx).0;
    let key = Key { user, database: cx.database.0, query };
    let shown = || match spent.query_id {
        Some(_) => normalised(text, lex_options(&settings)),
        None => text.trim().trim_end_matches(';').trim_end().to_string(),
    };
    let max = usize::try_from(settings.int("pg_stat_statements.max")).unwrap_or(0).max(1);
    let ms = spent.time.as_secs_f64() * 1000.0;
    cx.instance.statement_stats().record(key, max, shown, ms, rows_of(tag), &spent.used);
}

/// The rows that a command tag tells of.
fn rows_of(tag: &str) -> u64 {
    match tag.split_once(' ') {
        Some(("SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" | "FETCH", rest)) => {
            rest.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
        }
        _ => 0,
    }
}

fn check(cx: &SessionContext, reader: &CatalogReader, function: &'static str) -> Result<()> {
    if let Some(f) = registry::extension_functions_named(function).first() {
        reader.check_function(f.oid, function)?;
    }
    if !cx.digest().statements {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_stat_statements must be loaded via shared_preload_libraries"
        );
    }
    Ok(())
}

/// `pg_stat_statements(showtext)`, `pg_stat_statements_info()`.
pub(crate) fn rows(
    cx: &SessionContext,
    reader: &CatalogReader,
    function: &'static str,
    args: &[Datum],
) -> Result<Vec<Vec<Datum>>> {
    check(cx, reader, function)?;
    let stats = cx.instance.statement_stats();
    if function == "pg_stat_statements_info" {
        let dropped = stats.table.lock().dropped;
        return Ok(vec![vec![Datum::I64(dropped), Datum::I64(*stats.reset_at.lock())]]);
    }
    let with_text = matches!(args.first(), Some(Datum::Bool(true)));
    let me = reader.session().user;
    let sees_all = reader.has_privileges_of(me, READ_ALL_STATS)?;
    let table = stats.table.lock();
    let mut out = vec![];
    for (key, e) in &table.entries {
        let may_see = sees_all || key.user == me;
        let count = |n: u64| Datum::I64(i64::try_from(n).unwrap_or(i64::MAX));
        let ms = |ns: u64| Datum::F64(ns as f64 / 1e6);
        let mut row = vec![Datum::U32(key.user.0), Datum::U32(key.database.0), Datum::Bool(true)];
        row.push(if may_see { Datum::I64(key.query) } else { Datum::Null });
        row.push(match (with_text, may_see) {
            (false, _) => Datum::Null,
            (true, true) => Datum::text(&e.text),
            (true, false) => Datum::text("<insufficient privilege>"),
        });
        // Plans aren't tracked.
        row.push(Datum::I64(0));
        row.extend(std::iter::repeat_n(Datum::F64(0.0), 5));
        row.push(count(e.calls));
        let deviation = if e.calls > 1 { (e.squares / e.calls as f64).sqrt() } else { 0.0 };
        row.extend([e.total_ms, e.min_ms, e.max_ms, e.mean_ms(), deviation].map(Datum::F64));
        row.push(count(e.rows));
        let u = &e.used;
        row.extend(
            [
                u.shared_hit,
                u.shared_read,
                u.shared_dirtied,
                u.shared_written,
                u.local_hit,
                u.local_read,
                u.local_dirtied,
                u.local_written,
                u.temp_blocks_read(),
                u.temp_blocks_written(),
            ]
            .map(count),
        );
        row.extend([ms(u.read_ns), ms(u.write_ns), ms(u.temp_read_ns), ms(u.temp_write_ns)]);
        row.extend([count(u.wal_records), count(u.wal_images)]);
        row.push(Numeric::from(i64::try_from(u.wal_bytes).unwrap_or(i64::MAX)).into_datum());
        // Nothing is compiled at run time.
        row.extend([Datum::I64(0), Datum::F64(0.0)]);
        (0..3).for_each(|_| row.extend([Datum::I64(0), Datum::F64(0.0)]));
        out.push(row);
    }
    Ok(out)
}

/// `pg_stat_statements_reset(userid, dbid, queryid)`: 0 is any.
pub(crate) fn reset(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Datum> {
    check(cx, reader, "pg_stat_statements_reset")?;
    let [user, database, query] = args else { return Ok(pseudo::void()) };
    let (user, database, query) = (user.as_u32(), database.as_u32(), query.as_i64());
    let stats = cx.instance.statement_stats();
    let mut table = stats.table.lock();
    table.entries.retain(|key, _| {
        let is = (user == 0 || key.user.0 == user)
            && (database == 0 || key.database.0 == database)
            && (query == 0 || key.query == query);
        !is
    });
    if user == 0 && database == 0 && query == 0 {
        table.dropped = 0;
        *stats.reset_at.lock() = crate::clock::now();
    }
    Ok(pseudo::void())
}
