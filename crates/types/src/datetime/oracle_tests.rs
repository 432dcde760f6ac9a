//! Replays tables of inputs with the results PostgreSQL 15 gave.
//!
//! A line holds, tab-separated: settings (`name=value;...`), operation, its arguments, the result (`=` value,
//! `!` SQLSTATE, message, detail and hint, or NULL).

use super::*;
use crate::{Datum, IoContext};
use quarry_common::{Error, Result};

fn unescape(s: &str) -> String {
    let mut out = String::new();
    let mut it = s.chars();
    while let Some(c) = it.next() {
        out.push(match c {
            '\\' => match it.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some(c) => c,
                None => '\\',
            },
            c => c,
        });
    }
    out
}

fn context(settings: &str) -> IoContext<'static> {
    let mut cx = IoContext::default();
    for (name, value) in settings.split(';').filter_map(|s| s.split_once('=')) {
        match name {
            "datestyle" => {
                for word in value.split(", ") {
                    match word {
                        "ISO" => cx.date_style = DateStyle::Iso,
                        "SQL" => cx.date_style = DateStyle::Sql,
                        "Postgres" => cx.date_style = DateStyle::Postgres,
                        "German" => cx.date_style = DateStyle::German,
                        "MDY" => cx.date_order = DateOrder::Mdy,
                        "DMY" => cx.date_order = DateOrder::Dmy,
                        "YMD" => cx.date_order = DateOrder::Ymd,
                        other => panic!("{other}"),
                    }
                }
            }
            "intervalstyle" => {
                cx.interval_style = match value {
                    "postgres" => IntervalStyle::Postgres,
                    "postgres_verbose" => IntervalStyle::PostgresVerbose,
                    "sql_standard" => IntervalStyle::SqlStandard,
                    "iso_8601" => IntervalStyle::Iso8601,
                    other => panic!("{other}"),
                }
            }
            "timezone" => cx.time_zone = TimeZone::from_setting(value).unwrap(),
            other => panic!("{other}"),
        }
    }
    cx
}

fn interval_typmod(name: &str) -> i32 {
    let (fields, precision) = match name.split_once('(') {
        Some((f, p)) => (f, p.trim_end_matches(')').parse().unwrap()),
        None => (name, typmod::FULL_PRECISION),
    };
    let range = (0..0x7FFF)
        .chain([typmod::FULL_RANGE])
        .find(|r| typmod::range_name(*r).is_some_and(|n| n.trim() == fields.trim()));
    let range = range.unwrap_or_else(|| panic!("{name}"));
    if range == typmod::FULL_RANGE && precision == typmod::FULL_PRECISION {
        -1
    } else {
        typmod::interval_typmod(precision, range)
    }
}

/// Reads a value of a type given with its modifier, and prints it.
fn through(ty: &str, text: &str, cx: &IoContext<'_>) -> Result<String> {
    let mut out = Vec::new();
    let precision = |name: &str| -> i32 {
        ty[name.len()..].trim_matches(['(', ')']).parse().unwrap_or(-1)
    };
    if let Some(fields) = ty.strip_prefix("interval") {
        let v = interval_in(text, interval_typmod(fields), cx)?;
        interval_out(&v, cx, &mut out);
    } else if ty.starts_with("timestamptz") {
        timestamptz_out(&timestamptz_in(text, precision("timestamptz"), cx)?, cx, &mut out);
    } else if ty.starts_with("timestamp") {
        timestamp_out(&timestamp_in(text, precision("timestamp"), cx)?, cx, &mut out);
    } else if ty.starts_with("timetz") {
        timetz_out(&timetz_in(text, precision("timetz"), cx)?, cx, &mut out);
    } else if ty.starts_with("time") {
        time_out(&time_in(text, precision("time"), cx)?, cx, &mut out);
    } else {
        date_out(&date_in(text, -1, cx)?, cx, &mut out);
    }
    Ok(String::from_utf8(out).unwrap())
}

fn error_text(e: &Error) -> String {
    let f = e.fields();
    let mut s = format!("!{} {}", f.sqlstate, f.message);
    if let Some(d) = &f.detail {
        s += &format!(" DETAIL {d}");
    }
    if let Some(h) = &f.hint {
        s += &format!(" HINT {h}");
    }
    s
}

fn replay(file: &str, run: impl Fn(&IoContext<'_>, &[String]) -> Result<Option<String>>) {
    let (mut failed, mut count) = (0, 0);
    for line in file.lines().filter(|l| !l.starts_with('#')) {
        let fields: Vec<String> = line.split('\t').map(unescape).collect();
        let (want, args) = fields[1..].split_last().unwrap();
        let got = match run(&context(&fields[0]), args) {
            Ok(Some(v)) => format!("={v}"),
            Ok(None) => "NULL".into(),
            Err(e) => error_text(&e),
        };
        count += 1;
        if got != *want {
            failed += 1;
            eprintln!("{}\n  PostgreSQL {want}\n  Quarry     {got}", line.rsplit_once('\t').unwrap().0);
        }
    }
    assert_eq!(failed, 0, "of {count} cases");
}

#[test]
fn input_and_output() {
    replay(include_str!("testdata/input.tsv"), |cx, args| through(&args[1], &args[2], cx).map(Some));
}

#[test]
fn binary_forms_round_trip() {
    let cx = IoContext::default();
    let cases: [(Datum, fn(&[u8], i32) -> Result<Datum>, fn(&Datum, &mut Vec<u8>)); 5] = [
        (date_in("2020-02-29", -1, &cx).unwrap(), date_recv, date_send),
        (time_in("10:20:30.5", -1, &cx).unwrap(), time_recv, time_send),
        (timetz_in("10:20:30.5+05:30", -1, &cx).unwrap(), timetz_recv, timetz_send),
        (timestamp_in("2020-02-29 10:00", -1, &cx).unwrap(), timestamp_recv, timestamp_send),
        (interval_in("1 mon 2 days 3 hours", -1, &cx).unwrap(), interval_recv, interval_send),
    ];
    for (value, recv, send) in cases {
        let mut wire = Vec::new();
        send(&value, &mut wire);
        assert_eq!(recv(&wire, -1).unwrap(), value);
        assert!(recv(&wire[1..], -1).is_err());
    }
}
