//! Fields, truncation, ages, zones and text forms of dates and times.

use super::extract::whole_field;
use crate::{EvalContext, FunctionDef, fast, func, row_only, scalar};
use quarry_common::Result;
use quarry_types::Datum;
use quarry_types::datetime::extract::{self, Extracted, FieldsOf};
use quarry_types::datetime::format::{input, output};
use quarry_types::datetime::zone_abbrev::ZoneSpec;
use quarry_types::datetime::{Interval, TimeTz, arith, clock, convert, make, timestamp_is_infinite, trunc};
use quarry_types::numeric::Numeric;

/// Microseconds of a day, as a divisor of Julian days.
const DAY_US: i64 = 86_400_000_000;

/// What `extract` answers.
fn numeric(e: Extracted) -> Result<Option<Numeric>> {
    Ok(Some(match e {
        Extracted::Null => return Ok(None),
        Extracted::Int(v) => Numeric::from(v),
        Extracted::Scaled(v, scale) => Numeric::from_i128_scaled(v, i32::from(scale)),
        Extracted::Julian { day, micros } => {
            let part = Numeric::from(micros).view().div(Numeric::from(DAY_US).view())?;
            Numeric::from(day).view().add(part.view())?
        }
        Extracted::Infinity => Numeric::infinity(),
        Extracted::NegInfinity => Numeric::neg_infinity(),
    }))
}

fn today(cx: &EvalContext<'_>) -> i32 {
    clock::current_date(cx.env.transaction_timestamp(), &cx.io.time_zone)
}

/// Infinity is the same time in whatever zone, one that there is not included.
fn is_infinite(t: i64) -> bool {
    matches!(t, i64::MAX | i64::MIN)
}
fn interval_zone(cx: &EvalContext<'_>, i: Interval) -> Result<ZoneSpec> {
    convert::interval_zone(i, cx.io.interval_style)
}

fn end_after(start: Option<i64>, length: Option<Interval>) -> Result<Option<i64>> {
    match (start, length) {
        (Some(s), Some(l)) => arith::timestamp_add(s, l).map(Some),
        _ => Ok(None),
    }
}

fn end_after_tz(cx: &EvalContext<'_>, start: Option<i64>, length: Option<Interval>) -> Result<Option<i64>> {
    match (start, length) {
        (Some(s), Some(l)) => arith::timestamptz_add(s, l, &cx.io.time_zone).map(Some),
        _ => Ok(None),
    }
}

fn time_after(start: Option<i64>, length: Option<Interval>) -> Option<i64> {
    Some(arith::time_add(start?, length?))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(6199, "extract", [TEXT, DATE] => NUMERIC, fast!(scalar!(|f: &str, d: i32| -> Result<Option<Numeric>> { numeric(extract::extract_date(f, d)?) }), |args, rows| whole_field(args, rows, FieldsOf::Date, extract::from_date))),
    func!(6200, "extract", [TEXT, TIME] => NUMERIC, fast!(scalar!(|f: &str, t: i64| -> Result<Option<Numeric>> { numeric(extract::extract_time(f, t)?) }), |args, rows| whole_field(args, rows, FieldsOf::Time, extract::from_time))),
    func!(6201, "extract", [TEXT, TIMETZ] => NUMERIC, scalar!(|f: &str, t: TimeTz| -> Result<Option<Numeric>> { numeric(extract::extract_timetz(f, t)?) })),
    func!(6202, "extract", [TEXT, TIMESTAMP] => NUMERIC, fast!(scalar!(|f: &str, t: i64| -> Result<Option<Numeric>> { numeric(extract::extract_timestamp(f, t)?) }), |args, rows| whole_field(args, rows, FieldsOf::Timestamp, extract::from_timestamp))),
    func!(6203, "extract", [TEXT, TIMESTAMPTZ] => NUMERIC, fast!(scalar!(cx, |f: &str, t: i64| -> Result<Option<Numeric>> { numeric(extract::extract_timestamptz(f, t, &cx.io.time_zone)?) }), |cx, args, rows| whole_field(args, rows, FieldsOf::TimestampTz, |t, unit| extract::from_timestamptz(t, unit, &cx.io.time_zone)))).stable(),
    func!(6204, "extract", [TEXT, INTERVAL] => NUMERIC, scalar!(|f: &str, i: Interval| -> Result<Option<Numeric>> { numeric(extract::extract_interval(f, i)?) })),
    func!(1384, "date_part", [TEXT, DATE] => FLOAT8, scalar!(|f: &str, d: i32| -> Result<Option<f64>> { Ok(extract::extract_timestamp(f, convert::date_to_timestamp(d)?)?.to_f64()) })),
    func!(1385, "date_part", [TEXT, TIME] => FLOAT8, scalar!(|f: &str, t: i64| -> Result<Option<f64>> { Ok(extract::extract_time(f, t)?.to_f64()) })),
    func!(1273, "date_part", [TEXT, TIMETZ] => FLOAT8, scalar!(|f: &str, t: TimeTz| -> Result<Option<f64>> { extract::part_timetz(f, t) })),
    func!(2021, "date_part", [TEXT, TIMESTAMP] => FLOAT8, scalar!(|f: &str, t: i64| -> Result<Option<f64>> { Ok(extract::extract_timestamp(f, t)?.to_f64()) })),
    func!(1171, "date_part", [TEXT, TIMESTAMPTZ] => FLOAT8, scalar!(cx, |f: &str, t: i64| -> Result<Option<f64>> { Ok(extract::extract_timestamptz(f, t, &cx.io.time_zone)?.to_f64()) })).stable(),
    func!(1172, "date_part", [TEXT, INTERVAL] => FLOAT8, scalar!(|f: &str, i: Interval| -> Result<Option<f64>> { extract::part_interval(f, i) })),
    func!(2020, "date_trunc", [TEXT, TIMESTAMP] => TIMESTAMP, scalar!(|f: &str, t: i64| -> Result<i64> { trunc::trunc_timestamp(f, t) })),
    func!(1217, "date_trunc", [TEXT, TIMESTAMPTZ] => TIMESTAMPTZ, scalar!(cx, |f: &str, t: i64| -> Result<i64> { trunc::trunc_timestamptz(f, t, &cx.io.time_zone) })).stable(),
    func!(1284, "date_trunc", [TEXT, TIMESTAMPTZ, TEXT] => TIMESTAMPTZ, scalar!(|f: &str, t: i64, z: &str| -> Result<i64> { trunc::trunc_timestamptz_zone(f, t, z) })).stable(),
    func!(1218, "date_trunc", [TEXT, INTERVAL] => INTERVAL, scalar!(|f: &str, i: Interval| -> Result<Interval> { trunc::trunc_interval(f, i) })),
    func!(6177, "date_bin", [INTERVAL, TIMESTAMP, TIMESTAMP] => TIMESTAMP, scalar!(|s: Interval, t: i64, o: i64| -> Result<i64> { arith::date_bin(s, t, o) })),
    func!(6178, "date_bin", [INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ] => TIMESTAMPTZ, scalar!(|s: Interval, t: i64, o: i64| -> Result<i64> { arith::date_bin(s, t, o) })),
    func!(2059, "age", [TIMESTAMP] => INTERVAL, scalar!(cx, |t: i64| -> Result<Interval> { arith::timestamp_age(convert::date_to_timestamp(today(cx))?, t) })).stable(),
    func!(1386, "age", [TIMESTAMPTZ] => INTERVAL, scalar!(cx, |t: i64| -> Result<Interval> { let zone = &cx.io.time_zone; arith::timestamptz_age(convert::date_to_timestamptz(today(cx), zone)?, t, zone) })).stable(),
    func!(2058, "age", [TIMESTAMP, TIMESTAMP] => INTERVAL, scalar!(|a: i64, b: i64| -> Result<Interval> { arith::timestamp_age(a, b) })),
    func!(1199, "age", [TIMESTAMPTZ, TIMESTAMPTZ] => INTERVAL, scalar!(cx, |a: i64, b: i64| -> Result<Interval> { arith::timestamptz_age(a, b, &cx.io.time_zone) })),
    func!(1373, "isfinite", [DATE] => BOOL, scalar!(|d: i32| -> bool { d != i32::MAX && d != i32::MIN })),
    func!(2048, "isfinite", [TIMESTAMP] => BOOL, scalar!(|t: i64| -> bool { !timestamp_is_infinite(t) })),
    func!(1389, "isfinite", [TIMESTAMPTZ] => BOOL, scalar!(|t: i64| -> bool { !timestamp_is_infinite(t) })),
    func!(1390, "isfinite", [INTERVAL] => BOOL, scalar!(|_i: Interval| -> bool { true })),
    func!(1295, "justify_days", [INTERVAL] => INTERVAL, scalar!(|i: Interval| -> Result<Interval> { i.justify_days() })),
    func!(1175, "justify_hours", [INTERVAL] => INTERVAL, scalar!(|i: Interval| -> Result<Interval> { i.justify_hours() })),
    func!(2711, "justify_interval", [INTERVAL] => INTERVAL, scalar!(|i: Interval| -> Result<Interval> { i.justify_interval() })),
    func!(3846, "make_date", [INT4, INT4, INT4] => DATE, scalar!(|y: i32, m: i32, d: i32| -> Result<i32> { make::make_date(y, m, d) })).names(&["year", "month", "day"]),
    func!(3847, "make_time", [INT4, INT4, FLOAT8] => TIME, scalar!(|h: i32, m: i32, s: f64| -> Result<i64> { make::make_time(h, m, s) })).names(&["hour", "min", "sec"]),
    func!(3461, "make_timestamp", [INT4, INT4, INT4, INT4, INT4, FLOAT8] => TIMESTAMP, scalar!(|y: i32, m: i32, d: i32, h: i32, n: i32, s: f64| -> Result<i64> { make::make_timestamp(y, m, d, h, n, s) })).names(&["year", "month", "mday", "hour", "min", "sec"]),
    func!(3462, "make_timestamptz", [INT4, INT4, INT4, INT4, INT4, FLOAT8] => TIMESTAMPTZ, scalar!(cx, |y: i32, m: i32, d: i32, h: i32, n: i32, s: f64| -> Result<i64> { convert::timestamp_to_timestamptz(make::make_timestamp(y, m, d, h, n, s)?, &cx.io.time_zone) })).stable().names(&["year", "month", "mday", "hour", "min", "sec"]),
    func!(3463, "make_timestamptz", [INT4, INT4, INT4, INT4, INT4, FLOAT8, TEXT] => TIMESTAMPTZ, scalar!(|y: i32, m: i32, d: i32, h: i32, n: i32, s: f64, z: &str| -> Result<i64> { make::timestamp_in_zone(make::make_timestamp(y, m, d, h, n, s)?, z) })).stable().names(&["year", "month", "mday", "hour", "min", "sec", "timezone"]),
    func!(3464, "make_interval", [INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8] => INTERVAL, scalar!(|y: i32, m: i32, w: i32, d: i32, h: i32, n: i32, s: f64| -> Result<Interval> { make::make_interval(y, m, w, d, h, n, s) })).defaults(&["0", "0", "0", "0", "0", "0", "0.0"]).names(&["years", "months", "weeks", "days", "hours", "mins", "secs"]),
    func!(1158, "to_timestamp", [FLOAT8] => TIMESTAMPTZ, scalar!(|s: f64| -> Result<i64> { make::timestamp_from_unix(s) })),
    func!(1778, "to_timestamp", [TEXT, TEXT] => TIMESTAMPTZ, scalar!(cx, |t: &str, f: &str| -> Result<i64> { input::to_timestamp(t, f, &cx.io.time_zone) })).stable(),
    func!(1780, "to_date", [TEXT, TEXT] => DATE, scalar!(|t: &str, f: &str| -> Result<i32> { input::to_date(t, f) })).stable(),
    func!(2049, "to_char", [TIMESTAMP, TEXT] => TEXT, scalar!(|t: i64, f: &str| -> Result<Option<String>> { output::timestamp_to_char(t, f) })).stable(),
    func!(1770, "to_char", [TIMESTAMPTZ, TEXT] => TEXT, scalar!(cx, |t: i64, f: &str| -> Result<Option<String>> { output::timestamptz_to_char(t, f, &cx.io.time_zone) })).stable(),
    func!(1768, "to_char", [INTERVAL, TEXT] => TEXT, scalar!(|i: Interval, f: &str| -> Result<Option<String>> { output::interval_to_char(i, f) })).stable(),
    func!(2069, "timezone", [TEXT, TIMESTAMP] => TIMESTAMPTZ, scalar!(|z: &str, t: i64| -> Result<i64> { convert::timestamp_at_zone_name(t, z) })),
    func!(1159, "timezone", [TEXT, TIMESTAMPTZ] => TIMESTAMP, scalar!(|z: &str, t: i64| -> Result<i64> { convert::timestamptz_at_zone_name(t, z) })),
    func!(2037, "timezone", [TEXT, TIMETZ] => TIMETZ, scalar!(cx, |z: &str, t: TimeTz| -> Result<TimeTz> { Ok(convert::timetz_at_zone(t, &ZoneSpec::parse(z)?, cx.env.transaction_timestamp())) })).stable(),
    func!(2070, "timezone", [INTERVAL, TIMESTAMP] => TIMESTAMPTZ, scalar!(cx, |z: Interval, t: i64| -> Result<i64> { if is_infinite(t) { Ok(t) } else { convert::timestamp_at_zone(t, &interval_zone(cx, z)?) } })),
    func!(1026, "timezone", [INTERVAL, TIMESTAMPTZ] => TIMESTAMP, scalar!(cx, |z: Interval, t: i64| -> Result<i64> { if is_infinite(t) { Ok(t) } else { convert::timestamptz_at_zone(t, &interval_zone(cx, z)?) } })),
    func!(2038, "timezone", [INTERVAL, TIMETZ] => TIMETZ, scalar!(cx, |z: Interval, t: TimeTz| -> Result<TimeTz> { Ok(convert::timetz_at_zone(t, &interval_zone(cx, z)?, cx.env.transaction_timestamp())) })),
    func!(1271, "overlaps", [TIMETZ, TIMETZ, TIMETZ, TIMETZ] => BOOL, scalar!(|a: Option<TimeTz>, b: Option<TimeTz>, c: Option<TimeTz>, d: Option<TimeTz>| -> Option<bool> { arith::overlaps(a, b, c, d) })).lax(),
    func!(1308, "overlaps", [TIME, TIME, TIME, TIME] => BOOL, scalar!(|a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<i64>| -> Option<bool> { arith::overlaps(a, b, c, d) })).lax(),
    func!(1310, "overlaps", [TIME, TIME, TIME, INTERVAL] => BOOL, scalar!(|a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<Interval>| -> Option<bool> { arith::overlaps(a, b, c, time_after(c, d)) })).lax(),
    func!(1311, "overlaps", [TIME, INTERVAL, TIME, TIME] => BOOL, scalar!(|a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<i64>| -> Option<bool> { arith::overlaps(a, time_after(a, b), c, d) })).lax(),
    func!(1309, "overlaps", [TIME, INTERVAL, TIME, INTERVAL] => BOOL, scalar!(|a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<Interval>| -> Option<bool> { arith::overlaps(a, time_after(a, b), c, time_after(c, d)) })).lax(),
    func!(2041, "overlaps", [TIMESTAMP, TIMESTAMP, TIMESTAMP, TIMESTAMP] => BOOL, scalar!(|a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<i64>| -> Option<bool> { arith::overlaps(a, b, c, d) })).lax(),
    func!(2043, "overlaps", [TIMESTAMP, TIMESTAMP, TIMESTAMP, INTERVAL] => BOOL, scalar!(|a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<Interval>| -> Result<Option<bool>> { Ok(arith::overlaps(a, b, c, end_after(c, d)?)) })).lax(),
    func!(2044, "overlaps", [TIMESTAMP, INTERVAL, TIMESTAMP, TIMESTAMP] => BOOL, scalar!(|a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<i64>| -> Result<Option<bool>> { Ok(arith::overlaps(a, end_after(a, b)?, c, d)) })).lax(),
    func!(2042, "overlaps", [TIMESTAMP, INTERVAL, TIMESTAMP, INTERVAL] => BOOL, scalar!(|a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<Interval>| -> Result<Option<bool>> { Ok(arith::overlaps(a, end_after(a, b)?, c, end_after(c, d)?)) })).lax(),
    func!(1304, "overlaps", [TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ] => BOOL, scalar!(|a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<i64>| -> Option<bool> { arith::overlaps(a, b, c, d) })).lax(),
    func!(1306, "overlaps", [TIMESTAMPTZ, TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL] => BOOL, scalar!(cx, |a: Option<i64>, b: Option<i64>, c: Option<i64>, d: Option<Interval>| -> Result<Option<bool>> { Ok(arith::overlaps(a, b, c, end_after_tz(cx, c, d)?)) })).stable().lax(),
    func!(1307, "overlaps", [TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ] => BOOL, scalar!(cx, |a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<i64>| -> Result<Option<bool>> { Ok(arith::overlaps(a, end_after_tz(cx, a, b)?, c, d)) })).stable().lax(),
    func!(1305, "overlaps", [TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, INTERVAL] => BOOL, scalar!(cx, |a: Option<i64>, b: Option<Interval>, c: Option<i64>, d: Option<Interval>| -> Result<Option<bool>> { Ok(arith::overlaps(a, end_after_tz(cx, a, b)?, c, end_after_tz(cx, c, d)?)) })).stable().lax(),
    func!(274, "timeofday", [] => TEXT, row_only!(|cx, _| {
        let text = output::timestamptz_to_char(cx.env.clock_timestamp(), "Dy Mon DD HH24:MI:SS.US YYYY TZ", &cx.io.time_zone)?;
        Ok(text.map_or(Datum::Null, |t| Datum::Bytes(t.into())))
    })).volatile(),
];
