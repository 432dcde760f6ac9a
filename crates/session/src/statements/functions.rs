//! The functions of the extension: what was summed up, and forgetting it.

use super::keep::page_counts;
use super::table::{Entry, Key, Times};
use crate::context::SessionContext;
use quarry_catalog::CatalogReader;
use quarry_common::{Oid, Result, bail};
use quarry_functions::registry;
use quarry_types::numeric::Numeric;
use quarry_types::{Datum, pseudo};

/// `pg_read_all_stats`.
const READ_ALL_STATS: Oid = Oid(3375);

fn check(cx: &SessionContext, reader: &CatalogReader, function: &'static str) -> Result<()> {
    if let Some(f) = registry::extension_functions_named(function).first() {
        reader.check_function(f.oid, function)?;
    }
    if !cx.digested(|d| d.statements) {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "pg_stat_statements must be loaded via shared_preload_libraries"
        );
    }
    Ok(())
}

fn count(n: u64) -> Datum {
    Datum::I64(i64::try_from(n).unwrap_or(i64::MAX))
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
    Ok(table.iter().map(|(key, e)| row(key, e, with_text, sees_all || key.user == me)).collect())
}

fn row(key: &Key, e: &Entry, with_text: bool, may_see: bool) -> Vec<Datum> {
    let ms = |ns: u64| Datum::F64(ns as f64 / 1e6);
    let mut row = vec![Datum::U32(key.user.0), Datum::U32(key.database.0), Datum::Bool(key.top)];
    row.push(if may_see { Datum::I64(key.query) } else { Datum::Null });
    row.push(match (with_text, may_see) {
        (false, _) => Datum::Null,
        (true, true) => Datum::text(&e.text),
        (true, false) => Datum::text("<insufficient privilege>"),
    });
    let times = |row: &mut Vec<Datum>, t: &Times| {
        row.push(count(t.count));
        row.extend([t.total, t.min, t.max, t.mean(), t.deviation()].map(Datum::F64));
    };
    times(&mut row, &e.plans);
    times(&mut row, &e.runs);
    row.push(count(e.rows));
    let u = &e.used;
    row.extend(page_counts(u).map(count));
    row.extend([u.temp_blocks_read(), u.temp_blocks_written()].map(count));
    row.extend([ms(u.read_ns), ms(u.write_ns), ms(u.temp_read_ns), ms(u.temp_write_ns)]);
    row.extend([count(u.wal_records), count(u.wal_images)]);
    row.push(Numeric::from(i64::try_from(u.wal_bytes).unwrap_or(i64::MAX)).into_datum());
    // Nothing is compiled at run time.
    row.extend([Datum::I64(0), Datum::F64(0.0)]);
    (0..3).for_each(|_| row.extend([Datum::I64(0), Datum::F64(0.0)]));
    row
}

/// `pg_stat_statements_reset(userid, dbid, queryid)`: 0 is any.
pub(crate) fn reset(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Datum> {
    check(cx, reader, "pg_stat_statements_reset")?;
    let [user, database, query] = args else { return Ok(pseudo::void()) };
    let (user, database, query) = (user.as_u32(), database.as_u32(), query.as_i64());
    let stats = cx.instance.statement_stats();
    let mut table = stats.table.lock();
    table.retain(|key| {
        let is = (user == 0 || key.user.0 == user)
            && (database == 0 || key.database.0 == database)
            && (query == 0 || key.query == query);
        !is
    });
    if table.is_empty() {
        table.dropped = 0;
        *stats.reset_at.lock() = crate::clock::now();
    }
    Ok(pseudo::void())
}
