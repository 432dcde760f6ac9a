//! Text of dates, times and timestamps in every `DateStyle`.

use super::calendar::day_of_week;
use super::*;

pub(super) const MONTHS_SHORT: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
pub(super) const MONTHS_FULL: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS_FULL: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Longest zone abbreviation that is printed.
const ZONE_NAME_MAX: usize = 10;

/// Appends a number, padded with zeros to `width`.
pub(super) fn push_padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut buf = itoa::Buffer::new();
    let s = buf.format(n);
    for _ in s.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(s.as_bytes());
}

fn push2(out: &mut Vec<u8>, n: i32) {
    let n = n.unsigned_abs();
    if n < 100 {
        out.push(b'0' + (n / 10) as u8);
        out.push(b'0' + (n % 10) as u8);
    } else {
        push_padded(out, n.into(), 2);
    }
}

fn push_year(out: &mut Vec<u8>, year: i32) {
    let y = if year > 0 { i64::from(year) } else { 1 - i64::from(year) };
    push_padded(out, y.unsigned_abs(), 4);
}

fn push_era(out: &mut Vec<u8>, year: i32) {
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// Seconds and, without trailing zeros, their fraction. Signs are dropped.
pub(super) fn push_seconds(out: &mut Vec<u8>, second: i32, micros: i32, pad: bool) {
    if pad {
        push2(out, second);
    } else {
        push_padded(out, second.unsigned_abs().into(), 1);
    }
    let micros = micros.unsigned_abs();
    if micros != 0 {
        out.push(b'.');
        let (mut n, mut digits) = (micros, 6);
        while n % 10 == 0 {
            n /= 10;
            digits -= 1;
        }
        push_padded(out, n.into(), digits);
    }
}

/// An offset: +hh[:mm[:ss]], from seconds west.
pub fn push_zone(out: &mut Vec<u8>, west: i32) {
    let s = west.unsigned_abs();
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    out.push(if west <= 0 { b'+' } else { b'-' });
    push_padded(out, h.into(), 2);
    if m != 0 || s != 0 {
        out.push(b':');
        push_padded(out, m.into(), 2);
        if s != 0 {
            out.push(b':');
            push_padded(out, s.into(), 2);
        }
    }
}

fn push_day_month(out: &mut Vec<u8>, tm: &CivilTime, order: DateOrder, sep: u8) {
    let (a, b) = if order == DateOrder::Dmy { (tm.day, tm.month) } else { (tm.month, tm.day) };
    push2(out, a);
    out.push(sep);
    push2(out, b);
    out.push(sep);
}

fn push_date_part(out: &mut Vec<u8>, tm: &CivilTime, style: DateStyle, order: DateOrder) {
    match style {
        DateStyle::Iso => {
            push_year(out, tm.year);
            out.push(b'-');
            push2(out, tm.month);
            out.push(b'-');
            push2(out, tm.day);
        }
        DateStyle::Sql => {
            push_day_month(out, tm, order, b'/');
            push_year(out, tm.year);
        }
        DateStyle::German => {
            push_day_month(out, tm, DateOrder::Dmy, b'.');
            push_year(out, tm.year);
        }
        DateStyle::Postgres => {
            push_day_month(out, tm, order, b'-');
            push_year(out, tm.year);
        }
    }
}

fn push_time_part(out: &mut Vec<u8>, tm: &CivilTime) {
    push2(out, tm.hour);
    out.push(b':');
    push2(out, tm.minute);
    out.push(b':');
    push_seconds(out, tm.second, tm.micros, true);
}

/// Appends a date's text.
pub fn push_date(out: &mut Vec<u8>, date: i32, style: DateStyle, order: DateOrder) {
    match date {
        DATE_INFINITY => out.extend_from_slice(b"infinity"),
        DATE_NEG_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => {
            let tm = CivilTime::from_date(date);
            push_date_part(out, &tm, style, order);
            push_era(out, tm.year);
        }
    }
}

/// Appends a time of day's text.
pub fn push_time(out: &mut Vec<u8>, micros: i64) {
    let mut tm = CivilTime::default();
    tm.set_time(micros);
    push_time_part(out, &tm);
}

/// Appends the text of a time of day with its zone.
pub fn push_timetz(out: &mut Vec<u8>, t: TimeTz) {
    push_time(out, t.micros);
    push_zone(out, t.zone);
}

fn push_civil(
    out: &mut Vec<u8>,
    tm: &CivilTime,
    zone: Option<LocalType>,
    style: DateStyle,
    order: DateOrder,
) {
    match style {
        DateStyle::Iso | DateStyle::Sql | DateStyle::German => {
            push_date_part(out, tm, style, order);
            out.push(b' ');
            push_time_part(out, tm);
        }
        DateStyle::Postgres => {
            out.extend_from_slice(&DAYS_FULL[day_of_week(tm.julian()) as usize].as_bytes()[..3]);
            out.push(b' ');
            let month = MONTHS_SHORT[(tm.month - 1) as usize].as_bytes();
            if order == DateOrder::Dmy {
                push2(out, tm.day);
                out.push(b' ');
                out.extend_from_slice(month);
            } else {
                out.extend_from_slice(month);
                out.push(b' ');
                push2(out, tm.day);
            }
            out.push(b' ');
            push_time_part(out, tm);
            out.push(b' ');
            push_year(out, tm.year);
        }
    }
    if let Some(kind) = zone {
        if style == DateStyle::Iso {
            push_zone(out, -kind.offset);
        } else {
            let name = kind.abbrev.as_str();
            out.push(b' ');
            out.extend_from_slice(&name.as_bytes()[..name.len().min(ZONE_NAME_MAX)]);
        }
    }
    push_era(out, tm.year);
}

fn push_infinity(out: &mut Vec<u8>, t: i64) {
    out.extend_from_slice(if t == TIMESTAMP_INFINITY { b"infinity" } else { b"-infinity" });
}

/// Appends a timestamp's text.
pub fn push_timestamp(out: &mut Vec<u8>, t: i64, style: DateStyle, order: DateOrder) {
    if timestamp_is_infinite(t) {
        return push_infinity(out, t);
    }
    push_civil(out, &CivilTime::from_timestamp(t), None, style, order);
}

/// Appends the text of a timestamp in a zone.
pub fn push_timestamptz(out: &mut Vec<u8>, t: i64, zone: &TimeZone, style: DateStyle, order: DateOrder) {
    if timestamp_is_infinite(t) {
        return push_infinity(out, t);
    }
    let (tm, kind) = CivilTime::from_timestamptz(t, zone);
    push_civil(out, &tm, Some(kind), style, order);
}

/// ISO 8601 text as JSON carries it: a "T" between date and time, minutes always in the offset.
pub fn push_iso8601(out: &mut Vec<u8>, tm: &CivilTime, west: Option<i32>) {
    push_date_part(out, tm, DateStyle::Iso, DateOrder::Ymd);
    out.push(b'T');
    push_time_part(out, tm);
    if let Some(west) = west {
        push_zone_minutes(out, west);
    }
    push_era(out, tm.year);
}

/// An offset with its minutes even if they are zero.
pub fn push_zone_minutes(out: &mut Vec<u8>, west: i32) {
    push_zone(out, west);
    if west.unsigned_abs().is_multiple_of(3600) {
        out.extend_from_slice(b":00");
    }
}

/// Text of a date for JSON.
pub fn date_json(out: &mut Vec<u8>, date: i32) {
    push_date(out, date, DateStyle::Iso, DateOrder::Ymd);
}

/// Text of a timestamp for JSON.
pub fn timestamp_json(out: &mut Vec<u8>, t: i64) {
    if timestamp_is_infinite(t) {
        return push_infinity(out, t);
    }
    push_iso8601(out, &CivilTime::from_timestamp(t), None);
}

/// Text of a timestamp with time zone for JSON.
pub fn timestamptz_json(out: &mut Vec<u8>, t: i64, zone: &TimeZone) {
    if timestamp_is_infinite(t) {
        return push_infinity(out, t);
    }
    let (tm, kind) = CivilTime::from_timestamptz(t, zone);
    push_iso8601(out, &tm, Some(-kind.offset));
}
