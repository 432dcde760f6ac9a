//! Casts between dates, times, timestamps and intervals, and their coercions to a precision.

use crate::{FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::datetime::typmod::{adjust_interval, adjust_time, adjust_timestamp};
use quarry_types::datetime::{Interval, TimeTz};
use quarry_types::datetime::{arith, convert};

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(2024, "timestamp", [DATE] => TIMESTAMP, scalar!(|d: i32| -> Result<i64> { convert::date_to_timestamp(d) })),
    func!(1174, "timestamptz", [DATE] => TIMESTAMPTZ, scalar!(cx, |d: i32| -> Result<i64> { convert::date_to_timestamptz(d, &cx.io.time_zone) })).stable(),
    func!(2027, "timestamp", [TIMESTAMPTZ] => TIMESTAMP, scalar!(cx, |t: i64| -> i64 { convert::timestamptz_to_timestamp(t, &cx.io.time_zone) })).stable(),
    func!(2028, "timestamptz", [TIMESTAMP] => TIMESTAMPTZ, scalar!(cx, |t: i64| -> Result<i64> { convert::timestamp_to_timestamptz(t, &cx.io.time_zone) })).stable(),
    func!(2029, "date", [TIMESTAMP] => DATE, scalar!(|t: i64| -> i32 { convert::timestamp_to_date(t) })),
    func!(1178, "date", [TIMESTAMPTZ] => DATE, scalar!(cx, |t: i64| -> i32 { convert::timestamptz_to_date(t, &cx.io.time_zone) })).stable(),
    func!(1316, "time", [TIMESTAMP] => TIME, scalar!(|t: i64| -> Option<i64> { convert::timestamp_to_time(t) })),
    func!(2019, "time", [TIMESTAMPTZ] => TIME, scalar!(cx, |t: i64| -> Option<i64> { convert::timestamptz_to_time(t, &cx.io.time_zone) })).stable(),
    func!(1419, "time", [INTERVAL] => TIME, scalar!(|i: Interval| -> i64 { convert::interval_to_time(i) })),
    func!(2046, "time", [TIMETZ] => TIME, scalar!(|t: TimeTz| -> i64 { t.micros })),
    func!(1388, "timetz", [TIMESTAMPTZ] => TIMETZ, scalar!(cx, |t: i64| -> Option<TimeTz> { convert::timestamptz_to_timetz(t, &cx.io.time_zone) })).stable(),
    func!(2047, "timetz", [TIME] => TIMETZ, scalar!(cx, |t: i64| -> TimeTz { convert::time_to_timetz(t, cx.io.now_us, &cx.io.time_zone) })).stable(),
    func!(1370, "interval", [TIME] => INTERVAL, scalar!(|t: i64| -> Interval { convert::time_to_interval(t) })),
    func!(1968, "time", [TIME, INT4] => TIME, scalar!(|t: i64, typmod: i32| -> i64 { adjust_time(t, typmod) })),
    func!(1969, "timetz", [TIMETZ, INT4] => TIMETZ, scalar!(|t: TimeTz, typmod: i32| -> TimeTz { TimeTz { micros: adjust_time(t.micros, typmod), zone: t.zone } })),
    func!(1961, "timestamp", [TIMESTAMP, INT4] => TIMESTAMP, scalar!(|t: i64, typmod: i32| -> Result<i64> { adjust_timestamp(t, typmod) })),
    func!(1967, "timestamptz", [TIMESTAMPTZ, INT4] => TIMESTAMPTZ, scalar!(|t: i64, typmod: i32| -> Result<i64> { adjust_timestamp(t, typmod) })),
    func!(1200, "interval", [INTERVAL, INT4] => INTERVAL, scalar!(|i: Interval, typmod: i32| -> Result<Interval> { adjust_interval(i, typmod) })),
    func!(2025, "timestamp", [DATE, TIME] => TIMESTAMP, scalar!(|d: i32, t: i64| -> Result<i64> { arith::date_add_time(d, t) })),
    func!(1176, "timestamptz", [DATE, TIME] => TIMESTAMPTZ, scalar!(cx, |d: i32, t: i64| -> Result<i64> {
        convert::timestamp_to_timestamptz(arith::date_add_time(d, t)?, &cx.io.time_zone)
    })).stable(),
    func!(1359, "timestamptz", [DATE, TIMETZ] => TIMESTAMPTZ, scalar!(|d: i32, t: TimeTz| -> Result<i64> { arith::date_add_timetz(d, t) })),
];
