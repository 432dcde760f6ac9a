//! Plans that stay: the hints from which a query's plan follows, by the query's identifier, in the table `quarry.pin` of the extension
//! quarry. As hints they survive restarts, new statistics and changes of the schema that don't concern them; what they can't ask for
//! any more, the planner chooses.
//!
//! Which plans are pinned is read anew when the schema has changed: pinning counts as a change of it, so that plans kept anywhere are
//! made again. What somebody writes into the table by hand is seen with the next such change.

use crate::context::SessionContext;
use crate::internal::{self, InternalRunner};
use crate::query::StatementContext;
use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use quarry_catalog::CatalogReader;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_executor::InternalSql;
use quarry_functions::registry;
use quarry_optimizer::hints::{Hints, ScanNames, hints_of};
use quarry_plan::Statement;
use quarry_types::{Datum, oids};
use std::collections::VecDeque;
use std::sync::Arc;

/// Queries whose last plan is remembered, to be pinned.
const RECENT_MAX: usize = 1000;
/// Bytes of a query's text that are remembered.
const TEXT_BYTES_MAX: usize = 4096;

/// Hints by query identifier.
pub(crate) type PinMap = HashMap<i64, Arc<str>>;

/// A query's text without constants, and the hints for its last plan.
struct Recent {
    query: Box<str>,
    hints: Box<str>,
}

#[derive(Default)]
struct RecentPlans {
    plans: HashMap<(Oid, i64), Recent>,
    /// Oldest first.
    order: VecDeque<(Oid, i64)>,
}

/// The pinned plans of all databases as far as they were asked for, and plans that could be pinned.
#[derive(Default)]
pub struct Pins {
    /// With the version of the schema that they were read under.
    databases: Mutex<HashMap<Oid, (u64, Arc<PinMap>)>>,
    /// Plans that were told to be lost since their database's were last read.
    lost: Mutex<HashSet<(Oid, i64)>>,
    recent: Mutex<RecentPlans>,
}

impl Pins {
    /// Whether nobody was told yet that a plan can't be followed.
    pub(crate) fn is_new_loss(&self, database: Oid, id: i64) -> bool {
        self.lost.lock().insert((database, id))
    }

    /// Remembers what a query's plan is.
    pub(crate) fn remember(
        &self,
        database: Oid,
        id: i64,
        query: impl FnOnce() -> String,
        plan: &Statement,
        names: &ScanNames,
    ) {
        let hints = hints_of(plan, names).into_boxed_str();
        let key = (database, id);
        let mut recent = self.recent.lock();
        if let Some(known) = recent.plans.get_mut(&key) {
            known.hints = hints;
            return;
        }
        if recent.order.len() >= RECENT_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.plans.remove(&oldest);
        }
        let mut query = query();
        let mut end = query.len().min(TEXT_BYTES_MAX);
        while !query.is_char_boundary(end) {
            end -= 1;
        }
        query.truncate(end);
        recent.order.push_back(key);
        recent.plans.insert(key, Recent { query: query.into_boxed_str(), hints });
    }
}

impl StatementContext {
    /// The database's pinned plans.
    pub(crate) fn pins(&self) -> Result<Arc<PinMap>> {
        let database = self.session.database.0;
        let pins = self.session.instance.pins();
        let version = self.reader.schema_version();
        let own = self.reader.has_own_ddl();
        if !own
            && let Some((of, known)) = pins.databases.lock().get(&database)
            && *of == version
        {
            return Ok(known.clone());
        }
        let map = Arc::new(self.read_pins()?);
        if !own {
            pins.databases.lock().insert(database, (version, map.clone()));
            pins.lost.lock().retain(|(db, _)| *db != database);
        }
        Ok(map)
    }

    fn read_pins(&self) -> Result<PinMap> {
        if self.reader.extension("quarry")?.is_none() {
            return Ok(PinMap::new());
        }
        let mut env = self.exec_env(Arc::from([]), false);
        if self.txn.isolation().uses_one_snapshot() {
            // All sessions share what is read.
            env.snapshot = self.txn.latest_snapshot();
        }
        let rows = internal::rows("SELECT queryid, hints FROM quarry.pin", &env)?;
        let pin = |row: Vec<Datum>| match &row[..] {
            [id, hints] => Some((id.as_i64(), Arc::from(hints.as_str()))),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(pin).collect())
    }
}

/// `pin_plan(queryid [, hints])`, `unpin_plan(queryid)`.
pub(crate) fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    function: &'static str,
    args: &[Datum],
) -> Result<Datum> {
    let def = registry::extension_functions_named(function).iter().find(|f| f.oid.0 / 10 == 1596);
    match def {
        Some(def) => reader.check_function(def.oid, function)?,
        None => return Err(Error::internal(format!("no function {function}"))),
    }
    if cx.settings().bool("transaction_read_only") {
        bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {function}() in a read-only transaction");
    }
    if args[0].is_null() {
        bail!(NULL_VALUE_NOT_ALLOWED, "query identifier must not be null");
    }
    let id = args[0].as_i64();
    match function {
        "pin_plan" => {
            let given = args.get(1).filter(|a| !a.is_null()).map(|a| a.as_str().to_string());
            pin(cx, reader, id, given)
        }
        _ => {
            let gone = write(
                cx,
                reader,
                "DELETE FROM quarry.pin WHERE queryid = $1",
                &[(oids::INT8, Datum::I64(id))],
            )?;
            Ok(Datum::Bool(gone > 0))
        }
    }
}

fn pin(cx: &SessionContext, reader: &CatalogReader, id: i64, given: Option<String>) -> Result<Datum> {
    let recent = {
        let recent = cx.instance.pins().recent.lock();
        recent.plans.get(&(cx.database.0, id)).map(|r| (r.query.to_string(), r.hints.to_string()))
    };
    let (query, known) = recent.map_or((None, None), |(query, hints)| (Some(query), Some(hints)));
    let hints = match given {
        Some(text) => {
            let messages = Hints::parse(&text).take_messages();
            if let Some(wrong) = messages.first() {
                let mut e = err!(INVALID_PARAMETER_VALUE, "invalid hints: {}", wrong.message());
                if let Some(detail) = &wrong.fields().detail {
                    e = e.detail(detail.clone());
                }
                return Err(e);
            }
            text
        }
        None => match known {
            Some(hints) => hints,
            None => {
                return Err(err!(UNDEFINED_OBJECT, "no plan of a query with identifier {id} is known").hint(
                    "Run or EXPLAIN the query with compute_query_id set to on, or say which hints it is to have.",
                ));
            }
        },
    };
    let sql = "INSERT INTO quarry.pin AS p (queryid, query, hints) VALUES ($1, $2, $3) ON CONFLICT (queryid) \
               DO UPDATE SET query = coalesce(excluded.query, p.query), hints = excluded.hints, pinned_at = now()";
    let query = query.map_or(Datum::Null, |q| Datum::text(&q));
    let values = [(oids::INT8, Datum::I64(id)), (oids::TEXT, query), (oids::TEXT, Datum::text(&hints))];
    write(cx, reader, sql, &values)?;
    Ok(Datum::text(&hints))
}

/// Changes the table; plans are made again.
fn write(cx: &SessionContext, reader: &CatalogReader, sql: &str, values: &[(Oid, Datum)]) -> Result<u64> {
    let Some(session) = cx.this() else {
        return Err(Error::internal("a session that has ended pins a plan"));
    };
    let st = StatementContext::of_reader(&session, Arc::new(reader.clone()), false);
    let env = st.exec_env(Arc::from([]), false);
    let count = InternalRunner::new(session.internal_plans.clone()).run(sql, values, &env, false)?;
    let writer = session.instance.catalog().writer(session.database.0, &st.txn, &session.view());
    writer.outdate_plans();
    Ok(count)
}
