//! Text and binary input and output of date and time types as [`Datum`]s.

use super::decode::{Decoded, parse_date_time, parse_time};
use super::iso;
use super::lexer::{DATE_BUFFER, TIMESTAMP_BUFFER};
use super::*;
use crate::{Datum, IoContext};
use quarry_common::{Error, Result, bail, err};

/// Largest offset from UTC, exclusive.
const ZONE_LIMIT: i32 = 16 * 3600;

fn wire<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    if bytes.len() < N {
        bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
    }
    bytes.try_into().map_err(|_| err!(INVALID_BINARY_REPRESENTATION, "incorrect binary data format"))
}

/// 22008 for a value of `what` ("timestamp", "date").
pub fn out_of_range(what: &str) -> Error {
    err!(DATETIME_VALUE_OUT_OF_RANGE, "{what} out of range")
}

/// Reads a date.
pub fn parse_date(text: &str, cx: &IoContext<'_>) -> Result<i32> {
    if let Some(days) = iso::date(text.as_bytes()) {
        return Ok(days);
    }
    Ok(match parse_date_time(text, "date", DATE_BUFFER, cx)? {
        Decoded::Civil(tm, _) => {
            tm.to_date().ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range: \"{text}\""))?
        }
        Decoded::Epoch => UNIX_EPOCH_JDATE - EPOCH_JDATE,
        Decoded::Late => DATE_INFINITY,
        Decoded::Early => DATE_NEG_INFINITY,
    })
}

/// Reads a timestamp; a zone in the text is read and ignored.
pub fn parse_timestamp(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<i64> {
    if let Some(t) = iso::timestamp(text.as_bytes()) {
        return typmod::adjust_timestamp(t, typmod);
    }
    let t = match parse_date_time(text, "timestamp", TIMESTAMP_BUFFER, cx)? {
        Decoded::Civil(tm, _) => tm
            .to_timestamp()
            .ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range: \"{text}\""))?,
        Decoded::Epoch => -UNIX_EPOCH_OFFSET * USECS_PER_SEC,
        Decoded::Late => TIMESTAMP_INFINITY,
        Decoded::Early => TIMESTAMP_NEG_INFINITY,
    };
    typmod::adjust_timestamp(t, typmod)
}

/// Reads a timestamp with time zone.
pub fn parse_timestamptz(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<i64> {
    if let Some(t) = iso::timestamptz(text.as_bytes()) {
        return typmod::adjust_timestamp(t, typmod);
    }
    let t = match parse_date_time(text, "timestamp with time zone", TIMESTAMP_BUFFER, cx)? {
        Decoded::Civil(tm, west) => tm
            .to_timestamptz(west)
            .ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range: \"{text}\""))?,
        Decoded::Epoch => -UNIX_EPOCH_OFFSET * USECS_PER_SEC,
        Decoded::Late => TIMESTAMP_INFINITY,
        Decoded::Early => TIMESTAMP_NEG_INFINITY,
    };
    typmod::adjust_timestamp(t, typmod)
}

/// Reads a time of day.
pub fn parse_time_of_day(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<i64> {
    let (tm, _) = parse_time(text, "time", cx)?;
    Ok(typmod::adjust_time(tm.time_micros(), typmod))
}

/// Reads a time of day with time zone.
pub fn parse_timetz(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<TimeTz> {
    let (tm, zone) = parse_time(text, "time with time zone", cx)?;
    Ok(TimeTz { micros: typmod::adjust_time(tm.time_micros(), typmod), zone })
}

pub fn date_in(text: &str, _typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    parse_date(text, cx).map(Datum::I32)
}
pub fn date_out(value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) {
    encode::push_date(out, value.as_i32(), cx.date_style, cx.date_order);
}
pub fn date_recv(bytes: &[u8], _typmod: i32) -> Result<Datum> {
    let d = i32::from_be_bytes(wire(bytes)?);
    if !date_is_infinite(d) && !date_in_range(d) {
        return Err(out_of_range("date"));
    }
    Ok(Datum::I32(d))
}
pub fn date_send(value: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.as_i32().to_be_bytes());
}

pub fn time_in(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    parse_time_of_day(text, typmod, cx).map(Datum::I64)
}
pub fn time_out(value: &Datum, _cx: &IoContext<'_>, out: &mut Vec<u8>) {
    encode::push_time(out, value.as_i64());
}
pub fn time_recv(bytes: &[u8], typmod: i32) -> Result<Datum> {
    let t = i64::from_be_bytes(wire(bytes)?);
    if !(0..=USECS_PER_DAY).contains(&t) {
        return Err(out_of_range("time"));
    }
    Ok(Datum::I64(typmod::adjust_time(t, typmod)))
}
pub fn time_send(value: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.as_i64().to_be_bytes());
}

pub fn timetz_in(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::B16(parse_timetz(text, typmod, cx)?.to_bytes()))
}
pub fn timetz_out(value: &Datum, _cx: &IoContext<'_>, out: &mut Vec<u8>) {
    encode::push_timetz(out, TimeTz::from_bytes(value.as_b16()));
}
pub fn timetz_recv(bytes: &[u8], typmod: i32) -> Result<Datum> {
    let raw: [u8; 12] = wire(bytes)?;
    let micros = i64::from_be_bytes(raw[..8].try_into().expect("eight bytes"));
    let zone = i32::from_be_bytes(raw[8..].try_into().expect("four bytes"));
    if !(0..=USECS_PER_DAY).contains(&micros) {
        return Err(out_of_range("time"));
    }
    if zone <= -ZONE_LIMIT || zone >= ZONE_LIMIT {
        bail!(INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement out of range");
    }
    Ok(Datum::B16(TimeTz { micros: typmod::adjust_time(micros, typmod), zone }.to_bytes()))
}
pub fn timetz_send(value: &Datum, out: &mut Vec<u8>) {
    let t = TimeTz::from_bytes(value.as_b16());
    out.extend_from_slice(&t.micros.to_be_bytes());
    out.extend_from_slice(&t.zone.to_be_bytes());
}

pub fn timestamp_in(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    parse_timestamp(text, typmod, cx).map(Datum::I64)
}
pub fn timestamp_out(value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) {
    encode::push_timestamp(out, value.as_i64(), cx.date_style, cx.date_order);
}
/// Also receives timestamps with time zone.
pub fn timestamp_recv(bytes: &[u8], typmod: i32) -> Result<Datum> {
    let t = i64::from_be_bytes(wire(bytes)?);
    if !timestamp_is_infinite(t) && !timestamp_in_range(t) {
        return Err(out_of_range("timestamp"));
    }
    Ok(Datum::I64(typmod::adjust_timestamp(t, typmod)?))
}
/// Also sends timestamps with time zone.
pub fn timestamp_send(value: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.as_i64().to_be_bytes());
}

pub fn timestamptz_in(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    parse_timestamptz(text, typmod, cx).map(Datum::I64)
}
pub fn timestamptz_out(value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) {
    encode::push_timestamptz(out, value.as_i64(), &cx.time_zone, cx.date_style, cx.date_order);
}

pub fn interval_in(text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::B16(interval_in::parse_interval(text, typmod, cx.interval_style)?.to_bytes()))
}
pub fn interval_out(value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) {
    interval_out::push_interval(out, Interval::from_bytes(value.as_b16()), cx.interval_style);
}
pub fn interval_recv(bytes: &[u8], typmod: i32) -> Result<Datum> {
    let raw: [u8; 16] = wire(bytes)?;
    let i = Interval {
        micros: i64::from_be_bytes(raw[..8].try_into().expect("eight bytes")),
        days: i32::from_be_bytes(raw[8..12].try_into().expect("four bytes")),
        months: i32::from_be_bytes(raw[12..].try_into().expect("four bytes")),
    };
    Ok(Datum::B16(typmod::adjust_interval(i, typmod)?.to_bytes()))
}
pub fn interval_send(value: &Datum, out: &mut Vec<u8>) {
    let i = Interval::from_bytes(value.as_b16());
    out.extend_from_slice(&i.micros.to_be_bytes());
    out.extend_from_slice(&i.days.to_be_bytes());
    out.extend_from_slice(&i.months.to_be_bytes());
}
