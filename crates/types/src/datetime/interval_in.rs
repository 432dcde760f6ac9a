//! Reads intervals: units in words, SQL's literal forms, ISO 8601 durations (PostgreSQL's `DecodeInterval` and
//! `DecodeISO8601Interval`).

use super::decode::{self, Decode, DecodeError, fraction, leading_int, leading_int64};
use super::lexer::{self, Field, FieldType};
use super::tokens::{Kind, Unit, unit_token};
use super::*;
use crate::datetime::typmod as tm;
use quarry_common::{Result, err};

use DecodeError::{BadFormat, FieldOverflow};

/// The sums of what has been read.
#[derive(Default)]
struct Sums {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

fn add_i32(to: &mut i32, v: i64) -> Decode<()> {
    let v = i32::try_from(v).map_err(|_| FieldOverflow)?;
    *to = to.checked_add(v).ok_or(FieldOverflow)?;
    Ok(())
}

impl Sums {
    fn fraction_micros(&mut self, frac: f64, scale: i64) -> Decode<()> {
        if frac == 0.0 {
            return Ok(());
        }
        let exact = frac * scale as f64;
        let mut micros = exact as i64;
        let rest = exact - micros as f64;
        if rest > 0.5 {
            micros += 1;
        } else if rest < -0.5 {
            micros -= 1;
        }
        self.micros = self.micros.checked_add(micros).ok_or(FieldOverflow)?;
        Ok(())
    }
    fn fraction_days(&mut self, frac: f64, scale: i64) -> Decode<()> {
        if frac == 0.0 {
            return Ok(());
        }
        let exact = frac * scale as f64;
        let days = exact as i32;
        add_i32(&mut self.days, days.into())?;
        self.fraction_micros(exact - f64::from(days), USECS_PER_DAY)
    }
    fn fraction_years(&mut self, frac: f64, scale: i64) -> Decode<()> {
        add_i32(&mut self.months, (frac * scale as f64 * 12.0).round_ties_even() as i64)
    }
    fn time(&mut self, val: i64, frac: f64, scale: i64) -> Decode<()> {
        let whole = val.checked_mul(scale).ok_or(FieldOverflow)?;
        self.micros = self.micros.checked_add(whole).ok_or(FieldOverflow)?;
        self.fraction_micros(frac, scale)
    }
    fn days(&mut self, val: i64, frac: f64, scale: i64) -> Decode<()> {
        add_scaled(&mut self.days, val, scale)?;
        if scale == 1 { self.fraction_micros(frac, USECS_PER_DAY) } else { self.fraction_days(frac, scale) }
    }
    fn months(&mut self, val: i64, frac: f64) -> Decode<()> {
        add_i32(&mut self.months, val)?;
        self.fraction_days(frac, DAYS_PER_MONTH)
    }
    fn years(&mut self, val: i64, frac: f64, scale: i64) -> Decode<()> {
        add_scaled(&mut self.years, val, scale)?;
        self.fraction_years(frac, scale)
    }
    fn negate(&mut self) -> Decode<()> {
        self.years = self.years.checked_neg().ok_or(FieldOverflow)?;
        self.months = self.months.checked_neg().ok_or(FieldOverflow)?;
        self.days = self.days.checked_neg().ok_or(FieldOverflow)?;
        self.micros = self.micros.checked_neg().ok_or(FieldOverflow)?;
        Ok(())
    }
    /// Sets the time fields from hh:mm:ss.
    fn set_clock(&mut self, s: &str, range: i32) -> Decode<()> {
        let (h, m, s, us) = decode::decode_time(s, range == tm::MINUTE | tm::SECOND)?;
        let whole = h.checked_mul(USECS_PER_HOUR).ok_or(FieldOverflow)?;
        let rest = i64::from(m) * USECS_PER_MINUTE + i64::from(s) * USECS_PER_SEC + i64::from(us);
        self.micros = whole.checked_add(rest).ok_or(FieldOverflow)?;
        Ok(())
    }
}

fn add_scaled(to: &mut i32, val: i64, scale: i64) -> Decode<()> {
    // The value itself must fit as well, whatever the sum.
    i32::try_from(val).map_err(|_| FieldOverflow)?;
    add_i32(to, val * scale)
}

/// The unit of a bare number under a field restriction.
fn default_unit(range: i32) -> Unit {
    const YM: i32 = tm::YEAR | tm::MONTH;
    const DH: i32 = tm::DAY | tm::HOUR;
    const HM: i32 = tm::HOUR | tm::MINUTE;
    const DHM: i32 = DH | tm::MINUTE;
    match range {
        tm::YEAR => Unit::Year,
        tm::MONTH | YM => Unit::Month,
        tm::DAY => Unit::Day,
        tm::HOUR | DH => Unit::Hour,
        tm::MINUTE | HM | DHM => Unit::Minute,
        _ => Unit::Second,
    }
}

fn decode_words(fields: &[Field], range: i32, style: IntervalStyle) -> Decode<Sums> {
    let mut sums = Sums::default();
    let mut seen = 0u32;
    let mut ago = false;
    let mut unit: Option<Unit> = None;
    const UNIT_WEEK: u32 = 1 << 24;
    const UNIT_DECADE: u32 = 1 << 25;
    const UNIT_CENTURY: u32 = 1 << 26;
    const UNIT_MILLENNIUM: u32 = 1 << 27;
    // Right to left: units come before their values that way.
    for f in fields.iter().rev() {
        let s = f.text.as_str();
        let mask = match f.ty {
            FieldType::Time => {
                sums.set_clock(s, range)?;
                unit = Some(Unit::Day);
                decode::TIME
            }
            FieldType::Tz if s[1..].contains(':') && sums.set_clock(&s[1..], range).is_ok() => {
                if s.starts_with('-') {
                    sums.micros = sums.micros.checked_neg().ok_or(FieldOverflow)?;
                }
                unit = Some(Unit::Day);
                decode::TIME
            }
            FieldType::Tz | FieldType::Date | FieldType::Number => {
                let mut u = unit.unwrap_or_else(|| default_unit(range));
                let (mut val, rest) = leading_int64(s).map_err(|()| FieldOverflow)?;
                let mut frac = 0.0;
                if let Some(months) = rest.strip_prefix('-') {
                    // SQL's "years-months".
                    let (mut months, rest) = leading_int(months).map_err(|()| FieldOverflow)?;
                    if !(0..12).contains(&months) {
                        return Err(FieldOverflow);
                    }
                    if !rest.is_empty() {
                        return Err(BadFormat);
                    }
                    if s.starts_with('-') {
                        months = -months;
                    }
                    u = Unit::Month;
                    val = val
                        .checked_mul(12)
                        .and_then(|v| v.checked_add(i64::from(months)))
                        .ok_or(FieldOverflow)?;
                } else if rest.starts_with('.') {
                    frac = fraction(rest)?;
                    if s.starts_with('-') {
                        frac = -frac;
                    }
                } else if !rest.is_empty() {
                    return Err(BadFormat);
                }
                unit = Some(u);
                match u {
                    Unit::Microsec => {
                        sums.time(val, frac, 1)?;
                        decode::MICROSECOND
                    }
                    Unit::Millisec => {
                        sums.time(val, frac, 1000)?;
                        decode::MILLISECOND
                    }
                    Unit::Second => {
                        sums.time(val, frac, USECS_PER_SEC)?;
                        if frac == 0.0 { decode::SECOND } else { decode::ALL_SECONDS }
                    }
                    Unit::Minute => {
                        sums.time(val, frac, USECS_PER_MINUTE)?;
                        decode::MINUTE
                    }
                    Unit::Hour => {
                        sums.time(val, frac, USECS_PER_HOUR)?;
                        unit = Some(Unit::Day);
                        decode::HOUR
                    }
                    Unit::Day => {
                        sums.days(val, frac, 1)?;
                        decode::DAY
                    }
                    Unit::Week => {
                        sums.days(val, frac, 7)?;
                        UNIT_WEEK
                    }
                    Unit::Month => {
                        sums.months(val, frac)?;
                        decode::MONTH
                    }
                    Unit::Year => {
                        sums.years(val, frac, 1)?;
                        decode::YEAR
                    }
                    Unit::Decade => {
                        sums.years(val, frac, 10)?;
                        UNIT_DECADE
                    }
                    Unit::Century => {
                        sums.years(val, frac, 100)?;
                        UNIT_CENTURY
                    }
                    Unit::Millennium => {
                        sums.years(val, frac, 1000)?;
                        UNIT_MILLENNIUM
                    }
                    _ => return Err(BadFormat),
                }
            }
            FieldType::String | FieldType::Special => {
                match unit_token(s) {
                    Some((Kind::Ignore, _)) => continue,
                    Some((Kind::Units, v)) => unit = Unit::from_i32(v),
                    Some((Kind::Ago, _)) => {
                        ago = true;
                        // A number must not follow without a unit between.
                        unit = Some(Unit::Time);
                    }
                    _ => return Err(BadFormat),
                }
                0
            }
        };
        if mask & seen != 0 {
            return Err(BadFormat);
        }
        seen |= mask;
    }
    if seen == 0 {
        return Err(BadFormat);
    }
    // SQL: a sign before the first field alone is the sign of all.
    if style == IntervalStyle::SqlStandard
        && fields[0].text.starts_with('-')
        && !fields[1..].iter().any(|f| f.text.starts_with(['-', '+']))
    {
        // Negative ones stay: an absolute value may not fit.
        sums.micros = if sums.micros > 0 { -sums.micros } else { sums.micros };
        sums.days = if sums.days > 0 { -sums.days } else { sums.days };
        sums.months = if sums.months > 0 { -sums.months } else { sums.months };
        sums.years = if sums.years > 0 { -sums.years } else { sums.years };
    }
    if ago {
        sums.negate()?;
    }
    Ok(sums)
}

/// A number of an ISO 8601 duration: whole part, fraction, and what follows.
fn iso_number(s: &str) -> Decode<(i64, f64, &str)> {
    let b = s.as_bytes();
    if !b.first().is_some_and(|c| c.is_ascii_digit() || matches!(c, b'-' | b'.')) {
        return Err(BadFormat);
    }
    let mut end = usize::from(b[0] == b'-');
    let digits = |from: usize| b[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let whole = digits(end);
    end += whole;
    let mut frac = 0;
    if b.get(end) == Some(&b'.') {
        frac = digits(end + 1);
        if whole + frac > 0 {
            end += 1 + frac;
        }
    }
    if whole + frac == 0 {
        return Err(BadFormat);
    }
    if matches!(b.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(b.get(end + 1), Some(b'+' | b'-')));
        let exp = b.get(end + 1 + sign..).map_or(0, |r| r.iter().take_while(|c| c.is_ascii_digit()).count());
        if exp > 0 {
            end += 1 + sign + exp;
        }
    }
    let val: f64 = s[..end].parse().map_err(|_| BadFormat)?;
    if !(-1.0e15..=1.0e15).contains(&val) {
        return Err(FieldOverflow);
    }
    let int = val.trunc();
    Ok((int as i64, val - int, &s[end..]))
}

/// Digits of a field's whole part.
fn integer_width(s: &str) -> usize {
    s.strip_prefix('-').unwrap_or(s).bytes().take_while(u8::is_ascii_digit).count()
}

fn decode_iso8601(text: &str) -> Decode<Sums> {
    let mut sums = Sums::default();
    let mut s = text.strip_prefix('P').filter(|r| !r.is_empty()).ok_or(BadFormat)?;
    let mut date_part = true;
    let mut have_field = false;
    while !s.is_empty() {
        if let Some(rest) = s.strip_prefix('T') {
            (date_part, have_field) = (false, false);
            s = rest;
            continue;
        }
        let start = s;
        let (val, frac, rest) = iso_number(s)?;
        let unit = rest.bytes().next().unwrap_or(0);
        s = rest.get(1..).unwrap_or("");
        if date_part {
            match unit {
                b'Y' => sums.years(val, frac, 1)?,
                b'M' => sums.months(val, frac)?,
                b'W' => sums.days(val, frac, 7)?,
                b'D' => sums.days(val, frac, 1)?,
                b'T' | 0 | b'-' => {
                    if unit != b'-' && integer_width(start) == 8 && !have_field {
                        // Basic alternative form: yyyymmdd.
                        sums.years(val / 10000, 0.0, 1)?;
                        sums.months(val / 100 % 100, 0.0)?;
                        sums.days(val % 100, frac, 1)?;
                        if unit == 0 {
                            return Ok(sums);
                        }
                        (date_part, have_field) = (false, false);
                        continue;
                    }
                    // Extended alternative form: yyyy-mm-dd.
                    if have_field {
                        return Err(BadFormat);
                    }
                    sums.years(val, frac, 1)?;
                    if unit == 0 {
                        return Ok(sums);
                    }
                    if unit == b'T' {
                        (date_part, have_field) = (false, false);
                        continue;
                    }
                    let (val, frac, rest) = iso_number(s)?;
                    sums.months(val, frac)?;
                    if rest.is_empty() {
                        return Ok(sums);
                    }
                    if rest.starts_with('T') {
                        (date_part, have_field) = (false, false);
                        s = rest;
                        continue;
                    }
                    let rest = rest.strip_prefix('-').ok_or(BadFormat)?;
                    let (val, frac, rest) = iso_number(rest)?;
                    sums.days(val, frac, 1)?;
                    if rest.is_empty() {
                        return Ok(sums);
                    }
                    if rest.starts_with('T') {
                        (date_part, have_field) = (false, false);
                        s = rest;
                        continue;
                    }
                    return Err(BadFormat);
                }
                _ => return Err(BadFormat),
            }
        } else {
            match unit {
                b'H' => sums.time(val, frac, USECS_PER_HOUR)?,
                b'M' => sums.time(val, frac, USECS_PER_MINUTE)?,
                b'S' => sums.time(val, frac, USECS_PER_SEC)?,
                0 | b':' => {
                    if unit == 0 && integer_width(start) == 6 && !have_field {
                        sums.time(val / 10000, 0.0, USECS_PER_HOUR)?;
                        sums.time(val / 100 % 100, 0.0, USECS_PER_MINUTE)?;
                        sums.time(val % 100, 0.0, USECS_PER_SEC)?;
                        sums.fraction_micros(frac, 1)?;
                        return Ok(sums);
                    }
                    if have_field {
                        return Err(BadFormat);
                    }
                    sums.time(val, frac, USECS_PER_HOUR)?;
                    if unit == 0 {
                        return Ok(sums);
                    }
                    let (val, frac, rest) = iso_number(s)?;
                    sums.time(val, frac, USECS_PER_MINUTE)?;
                    if rest.is_empty() {
                        return Ok(sums);
                    }
                    let rest = rest.strip_prefix(':').ok_or(BadFormat)?;
                    let (val, frac, rest) = iso_number(rest)?;
                    sums.time(val, frac, USECS_PER_SEC)?;
                    return if rest.is_empty() { Ok(sums) } else { Err(BadFormat) };
                }
                _ => return Err(BadFormat),
            }
        }
        have_field = true;
    }
    Ok(sums)
}

/// Reads an interval and applies its type modifier (-1: none).
pub fn parse_interval(text: &str, typmod: i32, style: IntervalStyle) -> Result<Interval> {
    let range = if typmod >= 0 { tm::interval_range(typmod) } else { tm::FULL_RANGE };
    let words = lexer::split(text, lexer::INTERVAL_BUFFER)
        .map_err(DecodeError::from)
        .and_then(|fields| decode_words(&fields, range, style));
    let sums = match words {
        Err(BadFormat) => decode_iso8601(text),
        other => other,
    };
    let sums = sums.map_err(|e| {
        let e = if matches!(e, FieldOverflow) { DecodeError::IntervalOverflow } else { e };
        e.into_error(text, "interval")
    })?;
    let months = i64::from(sums.years) * 12 + i64::from(sums.months);
    let months =
        i32::try_from(months).map_err(|_| err!(DATETIME_VALUE_OUT_OF_RANGE, "interval out of range"))?;
    tm::adjust_interval(Interval { months, days: sums.days, micros: sums.micros }, typmod)
}
