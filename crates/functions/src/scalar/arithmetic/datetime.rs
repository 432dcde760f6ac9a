//! Arithmetic on dates, times and intervals.

use crate::{FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::datetime::arith;
use quarry_types::datetime::{Interval, TimeTz};

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1141, "date_pli", [DATE, INT4] => DATE, scalar!(|d: i32, n: i32| -> Result<i32> { arith::date_add_days(d, n) })),
    func!(2550, "integer_pl_date", [INT4, DATE] => DATE, scalar!(|n: i32, d: i32| -> Result<i32> { arith::date_add_days(d, n) })),
    func!(1142, "date_mii", [DATE, INT4] => DATE, scalar!(|d: i32, n: i32| -> Result<i32> { arith::date_sub_days(d, n) })),
    func!(1140, "date_mi", [DATE, DATE] => INT4, scalar!(|a: i32, b: i32| -> Result<i32> { arith::date_diff(a, b) })),
    func!(2071, "date_pl_interval", [DATE, INTERVAL] => TIMESTAMP, scalar!(|d: i32, i: Interval| -> Result<i64> { arith::date_add(d, i) })),
    func!(2546, "interval_pl_date", [INTERVAL, DATE] => TIMESTAMP, scalar!(|i: Interval, d: i32| -> Result<i64> { arith::date_add(d, i) })),
    func!(2072, "date_mi_interval", [DATE, INTERVAL] => TIMESTAMP, scalar!(|d: i32, i: Interval| -> Result<i64> { arith::date_sub(d, i) })),
    func!(1272, "datetime_pl", [DATE, TIME] => TIMESTAMP, scalar!(|d: i32, t: i64| -> Result<i64> { arith::date_add_time(d, t) })),
    func!(1296, "timedate_pl", [TIME, DATE] => TIMESTAMP, scalar!(|t: i64, d: i32| -> Result<i64> { arith::date_add_time(d, t) })),
    func!(1297, "datetimetz_pl", [DATE, TIMETZ] => TIMESTAMPTZ, scalar!(|d: i32, t: TimeTz| -> Result<i64> { arith::date_add_timetz(d, t) })),
    func!(1298, "timetzdate_pl", [TIMETZ, DATE] => TIMESTAMPTZ, scalar!(|t: TimeTz, d: i32| -> Result<i64> { arith::date_add_timetz(d, t) })),
    func!(1747, "time_pl_interval", [TIME, INTERVAL] => TIME, scalar!(|t: i64, i: Interval| -> i64 { arith::time_add(t, i) })),
    func!(1848, "interval_pl_time", [INTERVAL, TIME] => TIME, scalar!(|i: Interval, t: i64| -> i64 { arith::time_add(t, i) })),
    func!(1748, "time_mi_interval", [TIME, INTERVAL] => TIME, scalar!(|t: i64, i: Interval| -> i64 { arith::time_sub(t, i) })),
    func!(1690, "time_mi_time", [TIME, TIME] => INTERVAL, scalar!(|a: i64, b: i64| -> Interval { arith::time_diff(a, b) })),
    func!(1749, "timetz_pl_interval", [TIMETZ, INTERVAL] => TIMETZ, scalar!(|t: TimeTz, i: Interval| -> TimeTz { arith::timetz_add(t, i) })),
    func!(2547, "interval_pl_timetz", [INTERVAL, TIMETZ] => TIMETZ, scalar!(|i: Interval, t: TimeTz| -> TimeTz { arith::timetz_add(t, i) })),
    func!(1750, "timetz_mi_interval", [TIMETZ, INTERVAL] => TIMETZ, scalar!(|t: TimeTz, i: Interval| -> TimeTz { arith::timetz_sub(t, i) })),
    func!(2032, "timestamp_pl_interval", [TIMESTAMP, INTERVAL] => TIMESTAMP, scalar!(|t: i64, i: Interval| -> Result<i64> { arith::timestamp_add(t, i) })),
    func!(2548, "interval_pl_timestamp", [INTERVAL, TIMESTAMP] => TIMESTAMP, scalar!(|i: Interval, t: i64| -> Result<i64> { arith::timestamp_add(t, i) })),
    func!(2033, "timestamp_mi_interval", [TIMESTAMP, INTERVAL] => TIMESTAMP, scalar!(|t: i64, i: Interval| -> Result<i64> { arith::timestamp_sub(t, i) })),
    func!(2031, "timestamp_mi", [TIMESTAMP, TIMESTAMP] => INTERVAL, scalar!(|a: i64, b: i64| -> Result<Interval> { arith::timestamp_diff(a, b) })),
    func!(1189, "timestamptz_pl_interval", [TIMESTAMPTZ, INTERVAL] => TIMESTAMPTZ, scalar!(cx, |t: i64, i: Interval| -> Result<i64> {
        arith::timestamptz_add(t, i, &cx.io.time_zone)
    })).stable(),
    func!(2549, "interval_pl_timestamptz", [INTERVAL, TIMESTAMPTZ] => TIMESTAMPTZ, scalar!(cx, |i: Interval, t: i64| -> Result<i64> {
        arith::timestamptz_add(t, i, &cx.io.time_zone)
    })).stable(),
    func!(1190, "timestamptz_mi_interval", [TIMESTAMPTZ, INTERVAL] => TIMESTAMPTZ, scalar!(cx, |t: i64, i: Interval| -> Result<i64> {
        arith::timestamptz_sub(t, i, &cx.io.time_zone)
    })).stable(),
    func!(1188, "timestamptz_mi", [TIMESTAMPTZ, TIMESTAMPTZ] => INTERVAL, scalar!(|a: i64, b: i64| -> Result<Interval> { arith::timestamp_diff(a, b) })),
    func!(1168, "interval_um", [INTERVAL] => INTERVAL, scalar!(|i: Interval| -> Result<Interval> { i.negate() })),
    func!(1169, "interval_pl", [INTERVAL, INTERVAL] => INTERVAL, scalar!(|a: Interval, b: Interval| -> Result<Interval> { a.add(b) })),
    func!(1170, "interval_mi", [INTERVAL, INTERVAL] => INTERVAL, scalar!(|a: Interval, b: Interval| -> Result<Interval> { a.sub(b) })),
    func!(1618, "interval_mul", [INTERVAL, FLOAT8] => INTERVAL, scalar!(|i: Interval, by: f64| -> Result<Interval> { i.mul(by) })),
    func!(1624, "mul_d_interval", [FLOAT8, INTERVAL] => INTERVAL, scalar!(|by: f64, i: Interval| -> Result<Interval> { i.mul(by) })),
    func!(1326, "interval_div", [INTERVAL, FLOAT8] => INTERVAL, scalar!(|i: Interval, by: f64| -> Result<Interval> { i.div(by) })),
];
