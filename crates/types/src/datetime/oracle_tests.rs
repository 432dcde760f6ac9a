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
    let precision = |name: &str| -> i32 { ty[name.len()..].trim_matches(['(', ')']).parse().unwrap_or(-1) };
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
    if let Some(c) = &f.context {
        s += &format!(" CONTEXT {c}");
    }
    if let Some(h) = &f.hint {
        s += &format!(" HINT {h}");
    }
    s
}

pub(crate) fn replay(file: &str, run: impl Fn(&IoContext<'_>, &[String]) -> Result<Option<String>>) {
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
    type Receive = fn(&[u8], i32) -> Result<Datum>;
    type Send = fn(&Datum, &mut Vec<u8>);
    let cases: [(Datum, Receive, Send); 5] = [
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

/// Arguments of a function, read from text.
struct Args<'a> {
    args: &'a [String],
    cx: &'a IoContext<'a>,
}

impl Args<'_> {
    fn text(&self, i: usize) -> &str {
        &self.args[i + 1]
    }
    fn int(&self, i: usize) -> i32 {
        self.text(i).parse().unwrap()
    }
    fn float(&self, i: usize) -> f64 {
        self.text(i).parse().unwrap()
    }
    fn date(&self, i: usize) -> Result<i32> {
        parse_date(self.text(i), self.cx)
    }
    fn ts(&self, i: usize) -> Result<i64> {
        parse_timestamp(self.text(i), -1, self.cx)
    }
    fn tstz(&self, i: usize) -> Result<i64> {
        parse_timestamptz(self.text(i), -1, self.cx)
    }
    fn time(&self, i: usize) -> Result<i64> {
        parse_time_of_day(self.text(i), -1, self.cx)
    }
    fn timetz(&self, i: usize) -> Result<TimeTz> {
        parse_timetz(self.text(i), -1, self.cx)
    }
    fn interval(&self, i: usize) -> Result<Interval> {
        interval_in::parse_interval(self.text(i), -1, self.cx.interval_style)
    }
}

fn show_extracted(e: extract::Extracted) -> Option<String> {
    use extract::Extracted;
    Some(match e {
        Extracted::Null => return None,
        Extracted::Int(v) => v.to_string(),
        Extracted::Scaled(v, scale) => {
            let unit = 10u128.pow(scale.into());
            let sign = if v < 0 { "-" } else { "" };
            let (v, width) = (v.unsigned_abs(), usize::from(scale));
            format!("{sign}{}.{:0width$}", v / unit, v % unit)
        }
        Extracted::Julian { .. } => panic!("not in the table"),
        Extracted::Infinity => "Infinity".into(),
        Extracted::NegInfinity => "-Infinity".into(),
    })
}

fn show_float(v: f64) -> String {
    if v.is_infinite() {
        return if v > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let sci = format!("{v:e}");
    let (mantissa, exp) = sci.split_once('e').unwrap();
    let exp: i32 = exp.parse().unwrap();
    if (-4..15).contains(&exp) { v.to_string() } else { format!("{mantissa}e{exp:+03}") }
}

fn call(cx: &IoContext<'_>, args: &[String]) -> Result<Option<String>> {
    use arith::*;
    use convert::*;
    let a = Args { args, cx };
    let zone = &*cx.time_zone;
    let date = |d: i32| {
        let mut out = Vec::new();
        encode::push_date(&mut out, d, cx.date_style, cx.date_order);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    let ts = |t: i64| {
        let mut out = Vec::new();
        encode::push_timestamp(&mut out, t, cx.date_style, cx.date_order);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    let tstz = |t: i64| {
        let mut out = Vec::new();
        encode::push_timestamptz(&mut out, t, zone, cx.date_style, cx.date_order);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    let interval = |i: Interval| {
        let mut out = Vec::new();
        interval_out::push_interval(&mut out, i, cx.interval_style);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    let time = |t: i64| {
        let mut out = Vec::new();
        encode::push_time(&mut out, t);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    let timetz = |t: TimeTz| {
        let mut out = Vec::new();
        encode::push_timetz(&mut out, t);
        Ok(Some(String::from_utf8(out).unwrap()))
    };
    match args[0].as_str() {
        "timestamp_add" => ts(timestamp_add(a.ts(0)?, a.interval(1)?)?),
        "timestamp_sub" => ts(timestamp_sub(a.ts(0)?, a.interval(1)?)?),
        "timestamptz_add" => tstz(timestamptz_add(a.tstz(0)?, a.interval(1)?, zone)?),
        "timestamptz_sub" => tstz(timestamptz_sub(a.tstz(0)?, a.interval(1)?, zone)?),
        "date_add" => ts(date_add(a.date(0)?, a.interval(1)?)?),
        "date_sub" => ts(date_sub(a.date(0)?, a.interval(1)?)?),
        "date_add_days" => date(date_add_days(a.date(0)?, a.int(1))?),
        "date_sub_days" => date(date_sub_days(a.date(0)?, a.int(1))?),
        "date_diff" => Ok(Some(date_diff(a.date(0)?, a.date(1)?)?.to_string())),
        "date_ts" => ts(date_to_timestamp(a.date(0)?)?),
        "date_tstz" => tstz(date_to_timestamptz(a.date(0)?, zone)?),
        "age" => interval(timestamp_age(a.ts(0)?, a.ts(1)?)?),
        "age_tz" => interval(timestamptz_age(a.tstz(0)?, a.tstz(1)?, zone)?),
        "timestamp_diff" => interval(timestamp_diff(a.ts(0)?, a.ts(1)?)?),
        "justify_hours" => interval(a.interval(0)?.justify_hours()?),
        "justify_days" => interval(a.interval(0)?.justify_days()?),
        "justify_interval" => interval(a.interval(0)?.justify_interval()?),
        "interval_mul" => interval(a.interval(0)?.mul(a.float(1))?),
        "interval_div" => interval(a.interval(0)?.div(a.float(1))?),
        "interval_neg" => interval(a.interval(0)?.negate()?),
        "interval_add" => interval(a.interval(0)?.add(a.interval(1)?)?),
        "interval_cmp" => Ok(Some((a.interval(0)?.sql_cmp(a.interval(1)?) as i32).to_string())),
        "extract_timestamp" => Ok(show_extracted(extract::extract_timestamp(a.text(0), a.ts(1)?)?)),
        "part_timestamp" => Ok(extract::extract_timestamp(a.text(0), a.ts(1)?)?.to_f64().map(show_float)),
        "extract_timestamptz" => {
            Ok(show_extracted(extract::extract_timestamptz(a.text(0), a.tstz(1)?, zone)?))
        }
        "extract_date" => Ok(show_extracted(extract::extract_date(a.text(0), a.date(1)?)?)),
        "extract_time" => Ok(show_extracted(extract::extract_time(a.text(0), a.time(1)?)?)),
        "extract_timetz" => Ok(show_extracted(extract::extract_timetz(a.text(0), a.timetz(1)?)?)),
        "extract_interval" => Ok(show_extracted(extract::extract_interval(a.text(0), a.interval(1)?)?)),
        "part_interval" => Ok(extract::part_interval(a.text(0), a.interval(1)?)?.map(show_float)),
        "trunc_timestamp" => ts(trunc::trunc_timestamp(a.text(0), a.ts(1)?)?),
        "trunc_timestamptz" => tstz(trunc::trunc_timestamptz(a.text(0), a.tstz(1)?, zone)?),
        "trunc_zone" => tstz(trunc::trunc_timestamptz_zone(a.text(0), a.tstz(1)?, a.text(2))?),
        "trunc_interval" => interval(trunc::trunc_interval(a.text(0), a.interval(1)?)?),
        "date_bin" => ts(date_bin(a.interval(0)?, a.ts(1)?, a.ts(2)?)?),
        "make_date" => date(make::make_date(a.int(0), a.int(1), a.int(2))?),
        "make_time" => time(make::make_time(a.int(0), a.int(1), a.float(2))?),
        "make_timestamp" => {
            ts(make::make_timestamp(a.int(0), a.int(1), a.int(2), a.int(3), a.int(4), a.float(5))?)
        }
        "make_timestamptz" => tstz(make::timestamp_in_zone(a.ts(0)?, a.text(1))?),
        "make_interval" => interval(make::make_interval(
            a.int(0),
            a.int(1),
            a.int(2),
            a.int(3),
            a.int(4),
            a.int(5),
            a.float(6),
        )?),
        "to_timestamp" => tstz(make::timestamp_from_unix(a.float(0))?),
        "timestamp_zone" => tstz(timestamp_at_zone_name(a.ts(0)?, a.text(1))?),
        "timestamptz_zone" => ts(timestamptz_at_zone_name(a.tstz(0)?, a.text(1))?),
        "timestamp_izone" => {
            tstz(timestamp_at_zone(a.ts(0)?, &interval_zone(a.interval(1)?, cx.interval_style)?)?)
        }
        "timestamptz_izone" => {
            ts(timestamptz_at_zone(a.tstz(0)?, &interval_zone(a.interval(1)?, cx.interval_style)?)?)
        }
        "time_add" => time(time_add(a.time(0)?, a.interval(1)?)),
        "time_sub" => time(time_sub(a.time(0)?, a.interval(1)?)),
        "tstz_date" => date(timestamptz_to_date(a.tstz(0)?, zone)),
        "ts_date" => date(timestamp_to_date(a.ts(0)?)),
        "ts_time" => timestamp_to_time(a.ts(0)?).map_or(Ok(None), time),
        "tstz_timetz" => timestamptz_to_timetz(a.tstz(0)?, zone).map_or(Ok(None), timetz),
        "ts_tstz" => tstz(timestamp_to_timestamptz(a.ts(0)?, zone)?),
        "tstz_ts" => ts(timestamptz_to_timestamp(a.tstz(0)?, zone)),
        "overlaps" => {
            let ends: Vec<Option<i64>> =
                (0..4).map(|i| if a.text(i) == "NULL" { None } else { a.ts(i).ok() }).collect();
            Ok(overlaps(ends[0], ends[1], ends[2], ends[3]).map(|b| b.to_string()))
        }
        "to_char" => format::timestamp_to_char(a.ts(0)?, a.text(1)),
        "to_char_tz" => format::timestamptz_to_char(a.tstz(0)?, a.text(1), zone),
        "to_char_interval" => format::interval_to_char(a.interval(0)?, a.text(1)),
        "to_timestamp_format" => tstz(format::to_timestamp(a.text(0), a.text(1), zone)?),
        "to_date" => date(format::to_date(a.text(0), a.text(1))?),
        other => panic!("no case for {other}"),
    }
}

#[test]
fn templates() {
    replay(include_str!("testdata/format.tsv"), call);
}

#[test]
fn functions() {
    replay(include_str!("testdata/functions.tsv"), call);
}

/// Changes recorded inputs at random and reads them as every type: whatever comes of it, nothing may panic.
#[test]
fn mutated_input_never_panics() {
    let lines: Vec<&str> = include_str!("testdata/input.tsv").lines().skip(1).collect();
    let templates: Vec<&str> = include_str!("testdata/format.tsv").lines().skip(1).collect();
    let cx = IoContext::default();
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    const BYTES: &[u8] = b"0123456789-+:./ TZabcdefghijklmnopqrstuvwxyzPYMDJ,e\xff\xc3\xa9";
    let mut mutate = |s: &str| {
        let mut b = s.as_bytes().to_vec();
        for _ in 0..1 + random(3) {
            let at = random(b.len() + 1);
            match random(3) {
                0 if at < b.len() => b[at] = BYTES[random(BYTES.len())],
                1 if at < b.len() => {
                    b.remove(at);
                }
                _ => b.insert(at, BYTES[random(BYTES.len())]),
            }
        }
        String::from_utf8_lossy(&b).into_owned()
    };
    for round in 0..4 {
        for line in &lines {
            let fields: Vec<&str> = line.split('\t').collect();
            let text = mutate(fields[3]);
            for ty in [
                "date",
                "time",
                "timetz",
                "timestamp",
                "timestamptz(3)",
                "interval",
                "interval day to minute",
            ] {
                let _ = through(ty, &text, &cx);
            }
        }
        for line in &templates {
            let fields: Vec<&str> = line.split('\t').collect();
            let (text, template) = (mutate(fields[2]), mutate(fields[3]));
            let _ = format::to_timestamp(&text, &template, &cx.time_zone);
            let _ = format::timestamp_to_char(i64::from(round) * 1_234_567_890_123, &template);
            let _ = format::interval_to_char(Interval::new(-round, 5, -1), &template);
        }
    }
}

#[test]
fn words_for_the_present() {
    let zone = TimeZone::by_name("America/New_York").unwrap();
    let utc = IoContext::default();
    let now = parse_timestamptz("2021-07-02 03:04:05.678901+00", -1, &utc).unwrap();
    let cx = IoContext { time_zone: zone, now_us: now, ..IoContext::default() };
    let shown = |ty: &str, text: &str| through(ty, text, &cx).unwrap();
    assert_eq!(shown("timestamptz", "now"), "2021-07-01 23:04:05.678901-04");
    assert_eq!(shown("timestamp", "NOW"), "2021-07-01 23:04:05.678901");
    assert_eq!(shown("date", "today"), "2021-07-01");
    assert_eq!(shown("date", "yesterday"), "2021-06-30");
    assert_eq!(shown("timestamptz", "tomorrow 04:05"), "2021-07-02 04:05:00-04");
    assert_eq!(shown("timestamp", "tomorrow allballs"), "2021-07-02 00:00:00");
    assert_eq!(shown("time(2)", "now"), "23:04:05.68");
    assert_eq!(shown("timetz", "now"), "23:04:05.678901-04");
}
