//! Reads dates, times and timestamps from lexed fields (PostgreSQL's `DecodeDateTime` and `DecodeTimeOnly`).
//!
//! Fields are taken in order; a bit mask tells which parts of the value are known already, and a number's meaning
//! follows from what is missing. A prefix (`J`, `T`, `y` ...) fixes the meaning of the number after it.

mod decoder;
mod steps;

use super::lexer::{self, Field};
use super::*;
use crate::IoContext;
use decoder::{Decoder, NamedZone};
use quarry_common::{Error, SqlState};
use steps::Special;

/// Why text is no value.
#[derive(Debug)]
pub enum DecodeError {
    BadFormat,
    FieldOverflow,
    /// Month or day out of range: perhaps DateStyle is another.
    MonthDayOverflow,
    IntervalOverflow,
    ZoneOverflow,
    /// An error that names its culprit itself.
    Other(Error),
}

pub type Decode<T> = Result<T, DecodeError>;

impl From<lexer::BadFormat> for DecodeError {
    fn from(_: lexer::BadFormat) -> DecodeError {
        DecodeError::BadFormat
    }
}

impl DecodeError {
    /// PostgreSQL's error for `text` that should have been a `type_name`.
    pub fn into_error(self, text: &str, type_name: &str) -> Error {
        let overflow = || {
            Error::new(
                SqlState::DATETIME_FIELD_OVERFLOW,
                format!("date/time field value out of range: \"{text}\""),
            )
        };
        match self {
            DecodeError::BadFormat => Error::new(
                SqlState::INVALID_DATETIME_FORMAT,
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            DecodeError::FieldOverflow => overflow(),
            DecodeError::MonthDayOverflow => {
                overflow().hint("Perhaps you need a different \"datestyle\" setting.")
            }
            DecodeError::IntervalOverflow => Error::new(
                SqlState::INTERVAL_FIELD_OVERFLOW,
                format!("interval field value out of range: \"{text}\""),
            ),
            DecodeError::ZoneOverflow => Error::new(
                SqlState::INVALID_TIME_ZONE_DISPLACEMENT_VALUE,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            DecodeError::Other(e) => e,
        }
    }
}

/// A date or timestamp as read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decoded {
    /// Local time and its seconds west of UTC.
    Civil(CivilTime, i32),
    Epoch,
    Late,
    Early,
}

pub(super) const YEAR: u32 = 1 << 2;
pub(super) const MONTH: u32 = 1 << 1;
pub(super) const DAY: u32 = 1 << 3;
const RESERVED: u32 = 1;
const TZ: u32 = 1 << 5;
const DTZ: u32 = 1 << 6;
const DYNTZ: u32 = 1 << 7;
const AMPM: u32 = 1 << 9;
pub(super) const HOUR: u32 = 1 << 10;
pub(super) const MINUTE: u32 = 1 << 11;
pub(super) const SECOND: u32 = 1 << 12;
pub(super) const MILLISECOND: u32 = 1 << 13;
pub(super) const MICROSECOND: u32 = 1 << 14;
const DOY: u32 = 1 << 15;
const DOW: u32 = 1 << 16;
const ADBC: u32 = 1 << 18;
const DTZMOD: u32 = 1 << 28;
pub(super) const ALL_SECONDS: u32 = SECOND | MILLISECOND | MICROSECOND;
pub(super) const DATE: u32 = YEAR | MONTH | DAY;
pub(super) const TIME: u32 = HOUR | MINUTE | ALL_SECONDS;

use DecodeError::{BadFormat, FieldOverflow};

/// A leading integer of `s` and what follows it; overflow is an error, no digits leave `s` untouched.
pub(super) fn leading_int(s: &str) -> Result<(i32, &str), ()> {
    let (v, rest) = leading_int64(s)?;
    Ok((i32::try_from(v).map_err(|_| ())?, rest))
}

/// [`leading_int`] for i64.
pub(super) fn leading_int64(s: &str) -> Result<(i64, &str), ()> {
    let signed = usize::from(s.starts_with(['+', '-']));
    let digits = s[signed..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((0, s));
    }
    let end = signed + digits;
    Ok((s[..end].parse().map_err(|_| ())?, &s[end..]))
}

/// A fraction that starts with its point, to the end of the field.
pub(super) fn fraction(s: &str) -> Decode<f64> {
    if s == "." {
        return Ok(0.0);
    }
    if !s[1..].bytes().all(|c| c.is_ascii_digit()) {
        return Err(BadFormat);
    }
    s.parse().map_err(|_| BadFormat)
}

fn fraction_micros(s: &str) -> Decode<i32> {
    Ok((fraction(s)? * 1_000_000.0).round_ties_even() as i32)
}

/// A numeric offset: seconds west of UTC.
pub fn decode_zone(s: &str) -> Decode<i32> {
    let negative = match s.as_bytes().first() {
        Some(b'+') => false,
        Some(b'-') => true,
        _ => return Err(BadFormat),
    };
    let overflow = |()| DecodeError::ZoneOverflow;
    let (mut hours, mut rest) = leading_int(&s[1..]).map_err(overflow)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(r) = rest.strip_prefix(':') {
        (minutes, rest) = leading_int(r).map_err(overflow)?;
        if let Some(r) = rest.strip_prefix(':') {
            (seconds, rest) = leading_int(r).map_err(overflow)?;
        }
    } else if rest.is_empty() && s.len() > 3 {
        minutes = hours % 100;
        hours /= 100;
    }
    if !(0..=15).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return Err(DecodeError::ZoneOverflow);
    }
    if !rest.is_empty() {
        return Err(BadFormat);
    }
    let east = (hours * 60 + minutes) * 60 + seconds;
    Ok(if negative { east } else { -east })
}

/// Whether a time of day is no such thing (24:00:00 is one).
pub fn time_overflows(hour: i32, minute: i32, second: i32, micros: i32) -> bool {
    !(0..=24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0..=60).contains(&second)
        || !(0..=1_000_000).contains(&micros)
        || i64::from(hour) * USECS_PER_HOUR
            + i64::from(minute) * USECS_PER_MINUTE
            + i64::from(second) * USECS_PER_SEC
            + i64::from(micros)
            > USECS_PER_DAY
}

/// hh:mm[:ss[.fff]] or mm:ss.fff: hours (wide: intervals), minutes, seconds, microseconds. `minute_second`: two
/// parts are minutes and seconds.
pub(super) fn decode_time(s: &str, minute_second: bool) -> Decode<(i64, i32, i32, i32)> {
    let overflow = |()| FieldOverflow;
    let (mut hour, rest) = leading_int64(s).map_err(overflow)?;
    let rest = rest.strip_prefix(':').ok_or(BadFormat)?;
    let (mut minute, rest) = leading_int(rest).map_err(overflow)?;
    let (mut second, mut micros) = (0, 0);
    let mut shift = |minute: &mut i32, second: &mut i32| -> Decode<()> {
        *second = *minute;
        *minute = i32::try_from(hour).map_err(|_| FieldOverflow)?;
        hour = 0;
        Ok(())
    };
    if rest.is_empty() {
        if minute_second {
            shift(&mut minute, &mut second)?;
        }
    } else if rest.starts_with('.') {
        micros = fraction_micros(rest)?;
        shift(&mut minute, &mut second)?;
    } else {
        let rest = rest.strip_prefix(':').ok_or(BadFormat)?;
        let (s, rest) = leading_int(rest).map_err(overflow)?;
        second = s;
        if rest.starts_with('.') {
            micros = fraction_micros(rest)?;
        } else if !rest.is_empty() {
            return Err(BadFormat);
        }
    }
    if hour < 0
        || !(0..60).contains(&minute)
        || !(0..=60).contains(&second)
        || !(0..=1_000_000).contains(&micros)
    {
        return Err(FieldOverflow);
    }
    Ok((hour, minute, second, micros))
}

/// Reads a date or timestamp. A time alone is an error.
pub fn decode_date_time(fields: &[Field], cx: &IoContext<'_>) -> Decode<Decoded> {
    let mut d = Decoder::new(cx);
    let mut special = Special::None;
    for i in 0..fields.len() {
        if let Some(mask) = d.date_time_field(fields, i, &mut special)? {
            d.mark(mask)?;
        }
    }
    d.validate_date()?;
    d.apply_meridian()?;
    if let Special::Is(decoded) = special {
        return Ok(decoded);
    }
    if d.seen & DATE != DATE {
        return Err(BadFormat);
    }
    if let Some(zone) = &d.named {
        if d.seen & DTZMOD != 0 {
            return Err(BadFormat);
        }
        d.west = zone.west(&d.tm);
    }
    if d.seen & TZ == 0 {
        if d.seen & DTZMOD != 0 {
            return Err(BadFormat);
        }
        d.west = cx.time_zone.local_west(&d.tm);
    }
    Ok(Decoded::Civil(d.tm, d.west))
}

/// Reads a time of day: the time, and seconds west of UTC (the session's zone today if none is given).
pub fn decode_time_only(fields: &[Field], cx: &IoContext<'_>) -> Decode<(CivilTime, i32)> {
    let mut d = Decoder::new(cx);
    for i in 0..fields.len() {
        if let Some(mask) = d.time_only_field(fields, i)? {
            d.mark(mask)?;
        }
    }
    d.validate_date()?;
    d.apply_meridian()?;
    if time_overflows(d.tm.hour, d.tm.minute, d.tm.second, d.tm.micros) {
        return Err(FieldOverflow);
    }
    if d.seen & TIME != TIME {
        return Err(BadFormat);
    }
    if d.named.is_some() && d.seen & DTZMOD != 0 {
        return Err(BadFormat);
    }
    // The date a zone's offset is taken at: the one given, else today.
    let dated = |d: &Decoder<'_>| -> Decode<CivilTime> {
        let mut tm = d.tm;
        match d.seen & DATE {
            0 => {
                let today = clock::local(cx.now_us, &cx.time_zone);
                (tm.year, tm.month, tm.day) = (today.year, today.month, today.day);
            }
            DATE => {}
            _ => return Err(BadFormat),
        }
        Ok(tm)
    };
    match &d.named {
        Some(NamedZone::Zone(z)) => {
            d.west = match z.constant_offset() {
                Some(offset) => -offset,
                None if d.seen & DATE != DATE => return Err(BadFormat),
                None => z.local_west(&d.tm),
            }
        }
        Some(zone) => d.west = zone.west(&dated(&d)?),
        None => {}
    }
    if d.seen & TZ == 0 {
        if d.seen & DTZMOD != 0 {
            return Err(BadFormat);
        }
        d.west = cx.time_zone.local_west(&dated(&d)?);
    }
    Ok((d.tm, d.west))
}

/// Reads text as a date or timestamp, with PostgreSQL's errors.
pub fn parse_date_time(
    text: &str,
    type_name: &str,
    buffer: usize,
    cx: &IoContext<'_>,
) -> Result<Decoded, Error> {
    lexer::split(text, buffer)
        .map_err(DecodeError::from)
        .and_then(|fields| decode_date_time(&fields, cx))
        .map_err(|e| e.into_error(text, type_name))
}

/// Reads text as a time of day, with PostgreSQL's errors.
pub fn parse_time(text: &str, type_name: &str, cx: &IoContext<'_>) -> Result<(CivilTime, i32), Error> {
    lexer::split(text, lexer::DATE_BUFFER)
        .map_err(DecodeError::from)
        .and_then(|fields| decode_time_only(&fields, cx))
        .map_err(|e| e.into_error(text, type_name))
}
