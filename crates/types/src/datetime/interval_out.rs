//! Text of intervals in every `IntervalStyle`.

use super::encode::{push_padded, push_seconds};
use super::*;
use std::io::Write;

/// An interval's fields for printing: years and months, days, hours to microseconds; each with its sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntervalFields {
    pub years: i32,
    pub months: i32,
    pub days: i32,
    pub hours: i64,
    pub minutes: i32,
    pub seconds: i32,
    pub micros: i32,
}

impl From<Interval> for IntervalFields {
    fn from(i: Interval) -> IntervalFields {
        IntervalFields {
            years: i.months / 12,
            months: i.months % 12,
            days: i.days,
            hours: i.micros / USECS_PER_HOUR,
            minutes: (i.micros / USECS_PER_MINUTE % 60) as i32,
            seconds: (i.micros / USECS_PER_SEC % 60) as i32,
            micros: (i.micros % USECS_PER_SEC) as i32,
        }
    }
}

/// Appends an interval's text.
pub fn push_interval(out: &mut Vec<u8>, i: Interval, style: IntervalStyle) {
    let f = IntervalFields::from(i);
    match style {
        IntervalStyle::Postgres => push_postgres(out, i, &f),
        IntervalStyle::PostgresVerbose => push_verbose(out, &f),
        IntervalStyle::SqlStandard => push_sql_standard(out, i, &f),
        IntervalStyle::Iso8601 => push_iso8601(out, i, &f),
    }
}

/// `write!` into a vector, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => { write!($out, $($arg)*).expect("writing to memory") };
}

fn push_postgres(out: &mut Vec<u8>, i: Interval, f: &IntervalFields) {
    let mut first = true;
    // A value after a negative one carries its plus sign.
    let mut after_negative = false;
    for (value, unit) in [(f.years, "year"), (f.months, "mon"), (f.days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if first { "" } else { " " };
        let plus = if after_negative && value > 0 { "+" } else { "" };
        put!(out, "{space}{plus}{value} {unit}{}", if value == 1 { "" } else { "s" });
        after_negative = value < 0;
        first = false;
    }
    if first || i.micros != 0 {
        let sign = if i.micros < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        };
        put!(out, "{}{sign}", if first { "" } else { " " });
        push_clock(out, f, 2);
    }
}

/// hh:mm:ss without sign.
fn push_clock(out: &mut Vec<u8>, f: &IntervalFields, hour_width: usize) {
    push_padded(out, f.hours.unsigned_abs(), hour_width);
    out.push(b':');
    push_padded(out, f.minutes.unsigned_abs().into(), 2);
    out.push(b':');
    push_seconds(out, f.seconds, f.micros, true);
}

fn push_verbose(out: &mut Vec<u8>, f: &IntervalFields) {
    out.push(b'@');
    let mut first = true;
    let mut ago = false;
    let parts = [
        (i64::from(f.years), "year"),
        (i64::from(f.months), "mon"),
        (i64::from(f.days), "day"),
        (f.hours, "hour"),
        (i64::from(f.minutes), "min"),
    ];
    for (value, unit) in parts {
        if value == 0 {
            continue;
        }
        let shown = if first {
            ago = value < 0;
            value.abs()
        } else if ago {
            -value
        } else {
            value
        };
        put!(out, " {shown} {unit}{}", if shown == 1 { "" } else { "s" });
        first = false;
    }
    if f.seconds != 0 || f.micros != 0 {
        out.push(b' ');
        if f.seconds < 0 || (f.seconds == 0 && f.micros < 0) {
            if first {
                ago = true;
            } else if !ago {
                out.push(b'-');
            }
        } else if ago {
            out.push(b'-');
        }
        push_seconds(out, f.seconds, f.micros, false);
        put!(out, " sec{}", if f.seconds.abs() != 1 || f.micros != 0 { "s" } else { "" });
        first = false;
    }
    if first {
        out.extend_from_slice(b" 0");
    }
    if ago {
        out.extend_from_slice(b" ago");
    }
}

fn push_sql_standard(out: &mut Vec<u8>, i: Interval, f: &IntervalFields) {
    let negative = i.months < 0 || i.days < 0 || i.micros < 0;
    let positive = i.months > 0 || i.days > 0 || i.micros > 0;
    let year_month = i.months != 0;
    let day_time = i.days != 0 || i.micros != 0;
    if !negative && !positive {
        out.push(b'0');
    } else if (negative && positive) || (year_month && day_time) {
        let sign = |n: bool| if n { '-' } else { '+' };
        put!(
            out,
            "{}{}-{} {}{} {}",
            sign(i.months < 0),
            f.years.unsigned_abs(),
            f.months.unsigned_abs(),
            sign(i.days < 0),
            f.days.unsigned_abs(),
            sign(i.micros < 0)
        );
        push_clock(out, f, 1);
    } else {
        if negative {
            out.push(b'-');
        }
        if year_month {
            put!(out, "{}-{}", f.years.unsigned_abs(), f.months.unsigned_abs());
        } else {
            if i.days != 0 {
                put!(out, "{} ", f.days.unsigned_abs());
            }
            push_clock(out, f, 1);
        }
    }
}

fn push_iso8601(out: &mut Vec<u8>, i: Interval, f: &IntervalFields) {
    if i == Interval::ZERO {
        return out.extend_from_slice(b"PT0S");
    }
    out.push(b'P');
    for (value, unit) in [(f.years, 'Y'), (f.months, 'M'), (f.days, 'D')] {
        if value != 0 {
            put!(out, "{value}{unit}");
        }
    }
    if i.micros != 0 {
        out.push(b'T');
        if f.hours != 0 {
            put!(out, "{}H", f.hours);
        }
        if f.minutes != 0 {
            put!(out, "{}M", f.minutes);
        }
        if f.seconds != 0 || f.micros != 0 {
            if f.seconds < 0 || f.micros < 0 {
                out.push(b'-');
            }
            push_seconds(out, f.seconds, f.micros, false);
            out.push(b'S');
        }
    }
}
