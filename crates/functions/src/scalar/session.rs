//! Functions that ask or tell the session: settings, users, clock, sequences, transaction ids, advisory locks.

use crate::{EvalContext, FunctionDef, func, row_only, scalar};
use quarry_common::{Oid, Result, bail, err};
use quarry_types::array::ArrayBuilder;
use quarry_types::{Datum, PhysicalType, oids};

fn void() -> Datum {
    quarry_types::pseudo::void()
}

fn version(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    let version = cx.env.setting("server_version").unwrap_or_else(|| "15.0".into());
    let quarry = env!("CARGO_PKG_VERSION");
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    Ok(Datum::text(&format!("PostgreSQL {version} (Quarry {quarry}) on {arch}-{os}, 64-bit")))
}

fn current_setting(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let name = args[0].as_str();
    let missing_ok = args.get(1).is_some_and(Datum::as_bool);
    match cx.env.setting(name) {
        Some(v) => Ok(Datum::text(&v)),
        None if missing_ok => Ok(Datum::Null),
        None => bail!(UNDEFINED_OBJECT, "unrecognized configuration parameter \"{name}\""),
    }
}

fn set_config(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        bail!(NULL_VALUE_NOT_ALLOWED, "SET requires parameter name");
    }
    let value = if args[1].is_null() { None } else { Some(args[1].as_str()) };
    let local = !args[2].is_null() && args[2].as_bool();
    Ok(Datum::text(&cx.env.set_setting(args[0].as_str(), value, local)?))
}

fn current_schema(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(cx.env.current_schemas(false).first().map_or(Datum::Null, |s| Datum::text(s)))
}

fn current_schemas(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut names = ArrayBuilder::new(oids::NAME, PhysicalType::Bytes);
    cx.env.current_schemas(args[0].as_bool()).iter().for_each(|s| names.push_bytes(s.as_bytes()));
    names.finish_1d()
}

fn setval(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = args[1].as_i64();
    let is_called = args.get(2).is_none_or(Datum::as_bool);
    cx.env.setval(Oid(args[0].as_u32()), value, is_called)?;
    Ok(Datum::I64(value))
}

fn transaction_id(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    let xid =
        cx.env.transaction_id(true)?.ok_or_else(|| err!(INTERNAL_ERROR, "no transaction id was assigned"))?;
    Ok(Datum::I64(xid as i64))
}

fn transaction_id_if_assigned(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(cx.env.transaction_id(false)?.map_or(Datum::Null, |xid| Datum::I64(xid as i64)))
}

fn type_of(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::U32(cx.arg_types.first().map_or(oids::UNKNOWN.0, |t| t.oid.0)))
}

/// Calls a server action of the function's own name.
macro_rules! server {
    ($name:literal) => {
        row_only!(|cx, args| cx.env.server_function($name, args))
    };
}
/// The same for functions that return void.
macro_rules! server_void {
    ($name:literal) => {
        row_only!(|cx, args| {
            cx.env.server_function($name, args)?;
            Ok(void())
        })
    };
}

/// `pg_sleep` in seconds.
fn sleep(cx: &mut EvalContext<'_>, seconds: f64) -> Result<Datum> {
    cx.env.server_function("pg_sleep", &[Datum::F64(seconds)])?;
    Ok(void())
}

/// nextval as identity columns take it: the same to look at, but it asks for no privilege on the sequence. No name leads to it.
pub static IDENTITY_VALUE: FunctionDef =
    func!(1574, "nextval", [REGCLASS] => INT8, row_only!(|cx, args| Ok(Datum::I64(cx.env.identity_value(Oid(args[0].as_u32()))?)))).volatile();

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(89, "version", [] => TEXT, row_only!(version)).stable(),
    func!(1299, "now", [] => TIMESTAMPTZ, scalar!(cx, || -> i64 { cx.env.transaction_timestamp() })).stable(),
    func!(2647, "transaction_timestamp", [] => TIMESTAMPTZ, scalar!(cx, || -> i64 { cx.env.transaction_timestamp() })).stable(),
    func!(2648, "statement_timestamp", [] => TIMESTAMPTZ, scalar!(cx, || -> i64 { cx.env.statement_timestamp() })).stable(),
    func!(2649, "clock_timestamp", [] => TIMESTAMPTZ, row_only!(|cx, _| Ok(Datum::I64(cx.env.clock_timestamp())))).volatile(),
    func!(2077, "current_setting", [TEXT] => TEXT, row_only!(current_setting)).stable(),
    func!(3294, "current_setting", [TEXT, BOOL] => TEXT, row_only!(current_setting)).stable(),
    func!(2078, "set_config", [TEXT, TEXT, BOOL] => TEXT, row_only!(set_config)).volatile().lax(),
    func!(745, "current_user", [] => NAME, row_only!(|cx, _| Ok(Datum::text(&cx.env.current_user().1)))).stable(),
    func!(746, "session_user", [] => NAME, row_only!(|cx, _| Ok(Datum::text(&cx.env.session_user().1)))).stable(),
    func!(861, "current_database", [] => NAME, row_only!(|cx, _| Ok(Datum::text(&cx.env.current_database().1)))).stable(),
    func!(1402, "current_schema", [] => NAME, row_only!(current_schema)).stable(),
    func!(1403, "current_schemas", [BOOL] => NAME_ARRAY, row_only!(current_schemas)).stable(),
    func!(817, "current_query", [] => TEXT, server!("current_query")).volatile().lax(),
    func!(2026, "pg_backend_pid", [] => INT4, row_only!(|cx, _| Ok(Datum::I32(cx.env.backend_pid())))).stable(),
    func!(1619, "pg_typeof", [ANY] => REGTYPE, row_only!(type_of)).stable().lax(),
    func!(438, "num_nulls", [ANY] => INT4, row_only!(|_, args| Ok(Datum::I32(args.iter().filter(|a| a.is_null()).count() as i32)))).lax().variadic(oids::ANY),
    func!(440, "num_nonnulls", [ANY] => INT4, row_only!(|_, args| Ok(Datum::I32(args.iter().filter(|a| !a.is_null()).count() as i32)))).lax().variadic(oids::ANY),
    func!(1574, "nextval", [REGCLASS] => INT8, row_only!(|cx, args| Ok(Datum::I64(cx.env.nextval(Oid(args[0].as_u32()))?)))).volatile(),
    func!(1575, "currval", [REGCLASS] => INT8, row_only!(|cx, args| Ok(Datum::I64(cx.env.currval(Oid(args[0].as_u32()))?)))).volatile(),
    func!(2559, "lastval", [] => INT8, row_only!(|cx, _| Ok(Datum::I64(cx.env.lastval()?)))).volatile(),
    func!(1576, "setval", [REGCLASS, INT8] => INT8, row_only!(setval)).volatile(),
    func!(1765, "setval", [REGCLASS, INT8, BOOL] => INT8, row_only!(setval)).volatile(),
    func!(2943, "txid_current", [] => INT8, row_only!(transaction_id)).stable(),
    func!(3348, "txid_current_if_assigned", [] => INT8, row_only!(transaction_id_if_assigned)).stable(),
    func!(5059, "pg_current_xact_id", [] => XID8, row_only!(transaction_id)).stable(),
    func!(5060, "pg_current_xact_id_if_assigned", [] => XID8, row_only!(transaction_id_if_assigned)).stable(),
    func!(3360, "txid_status", [INT8] => TEXT, server!("txid_status")).volatile(),
    func!(5066, "pg_xact_status", [XID8] => TEXT, server!("txid_status")).volatile(),
    func!(1181, "age", [XID] => INT4, server!("xid_age")).stable(),
    func!(3939, "mxid_age", [XID] => INT4, scalar!(|m: u32| -> i32 { if m == 0 { i32::MAX } else { 1i32.wrapping_sub(m as i32) } })).stable(),
    func!(3800, "pg_current_logfile", [] => TEXT, server!("pg_current_logfile")).volatile().lax(),
    func!(3801, "pg_current_logfile", [TEXT] => TEXT, server!("pg_current_logfile")).volatile().lax(),
    func!(2626, "pg_sleep", [FLOAT8] => VOID, row_only!(|cx, args| sleep(cx, args[0].as_f64()))).volatile(),
    func!(3935, "pg_sleep_for", [INTERVAL] => VOID, row_only!(|cx, args| {
        let span = quarry_types::datetime::Interval::from_bytes(args[0].as_b16()).span();
        sleep(cx, span as f64 / 1e6)
    })).volatile(),
    func!(3936, "pg_sleep_until", [TIMESTAMPTZ] => VOID, row_only!(|cx, args| {
        let span = args[0].as_i64().saturating_sub(cx.env.clock_timestamp());
        sleep(cx, span as f64 / 1e6)
    })).volatile(),
    func!(2880, "pg_advisory_lock", [INT8] => VOID, server_void!("pg_advisory_lock")).volatile(),
    func!(2886, "pg_advisory_lock", [INT4, INT4] => VOID, server_void!("pg_advisory_lock")).volatile(),
    func!(3089, "pg_advisory_xact_lock", [INT8] => VOID, server_void!("pg_advisory_xact_lock")).volatile(),
    func!(3093, "pg_advisory_xact_lock", [INT4, INT4] => VOID, server_void!("pg_advisory_xact_lock")).volatile(),
    func!(2881, "pg_advisory_lock_shared", [INT8] => VOID, server_void!("pg_advisory_lock_shared")).volatile(),
    func!(2887, "pg_advisory_lock_shared", [INT4, INT4] => VOID, server_void!("pg_advisory_lock_shared")).volatile(),
    func!(3090, "pg_advisory_xact_lock_shared", [INT8] => VOID, server_void!("pg_advisory_xact_lock_shared")).volatile(),
    func!(3094, "pg_advisory_xact_lock_shared", [INT4, INT4] => VOID, server_void!("pg_advisory_xact_lock_shared")).volatile(),
    func!(2882, "pg_try_advisory_lock", [INT8] => BOOL, server!("pg_try_advisory_lock")).volatile(),
    func!(2888, "pg_try_advisory_lock", [INT4, INT4] => BOOL, server!("pg_try_advisory_lock")).volatile(),
    func!(3091, "pg_try_advisory_xact_lock", [INT8] => BOOL, server!("pg_try_advisory_xact_lock")).volatile(),
    func!(3095, "pg_try_advisory_xact_lock", [INT4, INT4] => BOOL, server!("pg_try_advisory_xact_lock")).volatile(),
    func!(2883, "pg_try_advisory_lock_shared", [INT8] => BOOL, server!("pg_try_advisory_lock_shared")).volatile(),
    func!(2889, "pg_try_advisory_lock_shared", [INT4, INT4] => BOOL, server!("pg_try_advisory_lock_shared")).volatile(),
    func!(3092, "pg_try_advisory_xact_lock_shared", [INT8] => BOOL, server!("pg_try_advisory_xact_lock_shared")).volatile(),
    func!(3096, "pg_try_advisory_xact_lock_shared", [INT4, INT4] => BOOL, server!("pg_try_advisory_xact_lock_shared")).volatile(),
    func!(2884, "pg_advisory_unlock", [INT8] => BOOL, server!("pg_advisory_unlock")).volatile(),
    func!(2890, "pg_advisory_unlock", [INT4, INT4] => BOOL, server!("pg_advisory_unlock")).volatile(),
    func!(2885, "pg_advisory_unlock_shared", [INT8] => BOOL, server!("pg_advisory_unlock_shared")).volatile(),
    func!(2891, "pg_advisory_unlock_shared", [INT4, INT4] => BOOL, server!("pg_advisory_unlock_shared")).volatile(),
    func!(2892, "pg_advisory_unlock_all", [] => VOID, server_void!("pg_advisory_unlock_all")).volatile(),
];
