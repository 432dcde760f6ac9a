//! `make_date` and its relatives, `to_timestamp(double precision)`.

use super::calendar::days_in_month;
use super::decode::{DecodeError, decode_zone, time_overflows};
use super::io::out_of_range;
use super::zone_abbrev::ZoneSpec;
use super::*;
use quarry_common::{Error, Result, bail, err};

/// A float as C's `%g` prints it, with a minimal width of two padded with zeros if asked.
pub fn format_g(v: f64, pad: bool) -> String {
    let s = if v == 0.0 || !v.is_finite() {
        if v.is_nan() {
            "NaN".into()
        } else if v.is_infinite() {
            if v < 0.0 { "-Infinity" } else { "Infinity" }.into()
        } else {
            "0".to_string()
        }
    } else {
        let sci = format!("{v:.5e}");
        let (mantissa, exp) = sci.split_once('e').expect("scientific notation has an exponent");
        let exp: i32 = exp.parse().expect("an exponent is an integer");
        let trim = |s: &str| -> String {
            if s.contains('.') {
                s.trim_end_matches('0').trim_end_matches('.').to_string()
            } else {
                s.to_string()
            }
        };
        if (-4..6).contains(&exp) {
            trim(&format!("{v:.*}", (5 - exp).max(0) as usize))
        } else {
            format!("{}e{}{:02}", trim(mantissa), if exp < 0 { '-' } else { '+' }, exp.abs())
        }
    };
    if pad && s.len() < 2 { format!("0{s}") } else { s }
}

/// Checks year (not 0; negative: BC), month and day.
fn civil_date(year: i32, month: i32, day: i32) -> Option<CivilTime> {
    if year == 0 {
        return None;
    }
    if year == i32::MIN {
        return None;
    }
    let y = if year < 0 { year + 1 } else { year };
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(y, month) {
        return None;
    }
    Some(CivilTime { year: y, month, day, ..CivilTime::default() })
}

/// `make_date`.
pub fn make_date(year: i32, month: i32, day: i32) -> Result<i32> {
    let tm = civil_date(year, month, day).ok_or_else(|| {
        err!(DATETIME_FIELD_OVERFLOW, "date field value out of range: {year}-{month:02}-{day:02}")
    })?;
    tm.to_date().ok_or_else(|| {
        err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range: {}-{month:02}-{day:02}", tm.year)
    })
}

fn time_of(hour: i32, minute: i32, second: f64) -> Result<i64> {
    let fail = || {
        err!(
            DATETIME_FIELD_OVERFLOW,
            "time field value out of range: {hour}:{minute:02}:{}",
            format_g(second, true)
        )
    };
    if second.is_nan() || !(0.0..=60.0).contains(&second) || time_overflows(hour, minute, 0, 0) {
        return Err(fail());
    }
    let micros = i64::from(hour) * USECS_PER_HOUR
        + i64::from(minute) * USECS_PER_MINUTE
        + (second * 1e6).round_ties_even() as i64;
    if micros > USECS_PER_DAY { Err(fail()) } else { Ok(micros) }
}

/// `make_time`.
pub fn make_time(hour: i32, minute: i32, second: f64) -> Result<i64> {
    time_of(hour, minute, second)
}

/// `make_timestamp`.
pub fn make_timestamp(year: i32, month: i32, day: i32, hour: i32, minute: i32, second: f64) -> Result<i64> {
    let tm = civil_date(year, month, day).ok_or_else(|| {
        err!(DATETIME_FIELD_OVERFLOW, "date field value out of range: {year}-{month:02}-{day:02}")
    })?;
    let time = time_of(hour, minute, second)?;
    let t = tm.to_date().and_then(|d| i64::from(d).checked_mul(USECS_PER_DAY)?.checked_add(time));
    t.filter(|t| timestamp_in_range(*t)).ok_or_else(|| {
        err!(
            DATETIME_VALUE_OUT_OF_RANGE,
            "timestamp out of range: {year}-{month:02}-{day:02} {hour}:{minute:02}:{}",
            format_g(second, true)
        )
    })
}

/// The zone argument of `make_timestamptz`: signed offset, abbreviation or name. Seconds west of UTC of `t`.
fn argument_zone(name: &str, tm: &CivilTime) -> Result<i32> {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(err!(
            INVALID_PARAMETER_VALUE,
            "invalid input syntax for type numeric time zone: \"{name}\""
        )
        .hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    match decode_zone(name) {
        Ok(west) => Ok(west),
        Err(DecodeError::ZoneOverflow) => {
            Err(err!(INVALID_PARAMETER_VALUE, "numeric time zone \"{name}\" out of range"))
        }
        Err(_) => Ok(-ZoneSpec::parse(name)?.offset_of_local(tm)),
    }
}

/// The instant of a local timestamp in a zone given as text: `make_timestamptz` with its last argument.
pub fn timestamp_in_zone(t: i64, zone: &str) -> Result<i64> {
    let west = argument_zone(zone, &CivilTime::from_timestamp(t))?;
    t.checked_add(i64::from(west) * USECS_PER_SEC)
        .filter(|t| timestamp_in_range(*t))
        .ok_or_else(|| out_of_range("timestamp"))
}

/// `make_interval`.
#[allow(clippy::too_many_arguments)]
pub fn make_interval(
    years: i32,
    months: i32,
    weeks: i32,
    days: i32,
    hours: i32,
    minutes: i32,
    seconds: f64,
) -> Result<Interval> {
    let fail = || out_of_range("interval");
    if !seconds.is_finite() {
        return Err(fail());
    }
    let seconds = interval::f64_to_i64((seconds * 1e6).round_ties_even()).ok_or_else(fail)?;
    let clock = i64::from(hours) * USECS_PER_HOUR + i64::from(minutes) * USECS_PER_MINUTE;
    Ok(Interval {
        months: i32::try_from(i64::from(years) * 12 + i64::from(months)).map_err(|_| fail())?,
        days: i32::try_from(i64::from(weeks) * 7 + i64::from(days)).map_err(|_| fail())?,
        micros: clock.checked_add(seconds).ok_or_else(fail)?,
    })
}

/// `to_timestamp(double precision)`: seconds since 1970.
pub fn timestamp_from_unix(seconds: f64) -> Result<i64> {
    if seconds.is_nan() {
        bail!(DATETIME_VALUE_OUT_OF_RANGE, "timestamp cannot be NaN");
    }
    if seconds.is_infinite() {
        return Ok(if seconds < 0.0 { TIMESTAMP_NEG_INFINITY } else { TIMESTAMP_INFINITY });
    }
    let fail = || -> Error {
        err!(DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range: \"{}\"", format_g(seconds, false))
    };
    let micros = ((seconds - UNIX_EPOCH_OFFSET as f64) * USECS_PER_SEC as f64).round_ties_even();
    interval::f64_to_i64(micros).filter(|t| timestamp_in_range(*t)).ok_or_else(fail)
}
