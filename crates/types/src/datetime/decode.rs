//! Reads dates, times and timestamps from lexed fields (PostgreSQL's `DecodeDateTime` and `DecodeTimeOnly`).
//!
//! Fields are taken in order; a bit mask tells which parts of the value are known already, and a number's meaning
//! follows from what is missing. A prefix (`J`, `T`, `y` ...) fixes the meaning of the number after it.

use super::calendar::{date_to_julian, days_in_month, julian_to_date, julian_to_date64};
use super::lexer::{self, Field, FieldType};
use super::tokens::{self, Kind, Unit, date_token};
use super::zone_abbrev::{self, Meaning};
use super::*;
use crate::IoContext;
use quarry_common::{Error, SqlState};
use std::sync::Arc;

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

/// The named zone a value carries.
enum NamedZone {
    Zone(Arc<TimeZone>),
    Abbrev(String, Arc<TimeZone>),
}

impl NamedZone {
    fn west(&self, tm: &CivilTime) -> i32 {
        match self {
            NamedZone::Zone(z) => z.local_west(tm),
            NamedZone::Abbrev(a, z) => -zone_abbrev::abbrev_offset_of_local(a, z, tm),
        }
    }
}

struct Decoder<'c> {
    cx: &'c IoContext<'c>,
    tm: CivilTime,
    yday: i32,
    have_text_month: bool,
    is_julian: bool,
    two_digits: bool,
    bc: bool,
    /// AM or PM.
    meridian: Option<i32>,
    /// Seconds west of UTC.
    west: i32,
    named: Option<NamedZone>,
    /// What the next number is.
    prefix: Option<Unit>,
    seen: u32,
}

/// What a value of only a date token turned out to be.
enum Special {
    None,
    Is(Decoded),
}

impl<'c> Decoder<'c> {
    fn new(cx: &'c IoContext<'c>) -> Decoder<'c> {
        Decoder {
            cx,
            tm: CivilTime::default(),
            yday: 0,
            have_text_month: false,
            is_julian: false,
            two_digits: false,
            bc: false,
            meridian: None,
            west: 0,
            named: None,
            prefix: None,
            seen: 0,
        }
    }

    fn set_time(&mut self, s: &str) -> Decode<()> {
        let (hour, minute, second, micros) = decode_time(s, false)?;
        let hour = i32::try_from(hour).map_err(|_| FieldOverflow)?;
        (self.tm.hour, self.tm.minute, self.tm.second, self.tm.micros) = (hour, minute, second, micros);
        Ok(())
    }

    fn mark(&mut self, mask: u32) -> Decode<()> {
        if mask & self.seen != 0 {
            return Err(BadFormat);
        }
        self.seen |= mask;
        Ok(())
    }

    /// A date with separators: a month's name and numbers, in any order that makes sense.
    fn date(&mut self, s: &str, seen: u32) -> Decode<u32> {
        let bytes = s.as_bytes();
        let mut parts: Vec<&str> = Vec::with_capacity(3);
        let mut i = 0;
        while i < bytes.len() && parts.len() < 25 {
            while i < bytes.len() && !bytes[i].is_ascii_alphanumeric() {
                i += 1;
            }
            if i == bytes.len() {
                return Err(BadFormat);
            }
            let start = i;
            if bytes[i].is_ascii_digit() {
                while i < bytes.len() && bytes[i].is_ascii_digit() {
                    i += 1;
                }
            } else {
                while i < bytes.len() && bytes[i].is_ascii_alphabetic() {
                    i += 1;
                }
            }
            parts.push(&s[start..i]);
            // One byte that is neither ends the part, whatever it is.
            i += 1;
        }
        let mut have_text_month = false;
        let mut mask = 0;
        let mut known = seen;
        for p in parts.iter_mut() {
            if !p.as_bytes()[0].is_ascii_alphabetic() {
                continue;
            }
            match date_token(p) {
                Some((Kind::Ignore, _)) => continue,
                Some((Kind::Month, m)) => {
                    self.tm.month = m;
                    have_text_month = true;
                }
                _ => return Err(BadFormat),
            }
            if known & MONTH != 0 {
                return Err(BadFormat);
            }
            known |= MONTH;
            mask |= MONTH;
            *p = "";
        }
        for p in parts.iter().filter(|p| !p.is_empty()) {
            let m = self.number(p, have_text_month, known)?;
            if known & m != 0 {
                return Err(BadFormat);
            }
            known |= m;
            mask |= m;
        }
        if known & !(DOY | TZ) != DATE {
            return Err(BadFormat);
        }
        Ok(mask)
    }

    /// A number whose meaning follows from what is known.
    fn number(&mut self, s: &str, have_text_month: bool, seen: u32) -> Decode<u32> {
        let (val, rest) = leading_int(s).map_err(|()| FieldOverflow)?;
        let digits = s.len() - rest.len();
        if digits == 0 {
            return Err(BadFormat);
        }
        if rest.starts_with('.') {
            if digits > 2 {
                return self.number_field(s, seen | DATE);
            }
            self.tm.micros = fraction_micros(rest)?;
        } else if !rest.is_empty() {
            return Err(BadFormat);
        }
        let len = s.len();
        if len == 3 && seen & DATE == YEAR && (1..=366).contains(&val) {
            self.yday = val;
            return Ok(DOY | MONTH | DAY);
        }
        let order = self.cx.date_order;
        let mask = match seen & DATE {
            0 if len >= 3 || order == DateOrder::Ymd => YEAR,
            0 if order == DateOrder::Dmy => DAY,
            0 => MONTH,
            YEAR => MONTH,
            MONTH if have_text_month && (len >= 3 || order == DateOrder::Ymd) => YEAR,
            MONTH => DAY,
            m if m == YEAR | MONTH => {
                if have_text_month && len >= 3 && self.two_digits {
                    // What was taken for a two-digit year is the day.
                    self.tm.day = self.tm.year;
                    self.tm.year = val;
                    self.two_digits = false;
                    return Ok(DAY);
                }
                DAY
            }
            DAY => MONTH,
            m if m == MONTH | DAY => YEAR,
            DATE => return self.number_field(s, seen),
            _ => return Err(BadFormat),
        };
        match mask {
            YEAR => {
                self.tm.year = val;
                self.two_digits = len <= 2;
            }
            MONTH => self.tm.month = val,
            _ => self.tm.day = val,
        }
        Ok(mask)
    }

    /// Digits run together: yyyymmdd, hhmmss, hhmm, with a fraction.
    fn number_field(&mut self, s: &str, seen: u32) -> Decode<u32> {
        let int = |s: &str| leading_int(s).map_or(i32::MAX, |(v, _)| v);
        let mut digits = s;
        if let Some(dot) = s.find('.') {
            let tail = &s[dot..];
            let end = 1 + tail[1..].bytes().take_while(u8::is_ascii_digit).count();
            self.tm.micros = fraction_micros(&tail[..end])?;
            digits = &s[..dot];
        } else if seen & DATE != DATE && s.len() >= 6 {
            let len = s.len();
            if !s.is_ascii() {
                return Err(BadFormat);
            }
            self.tm.day = int(&s[len - 2..]);
            self.tm.month = int(&s[len - 4..len - 2]);
            self.tm.year = int(&s[..len - 4]);
            if len == 6 {
                self.two_digits = true;
            }
            return Ok(DATE);
        }
        if seen & TIME != TIME && digits.is_ascii() {
            match digits.len() {
                6 => {
                    self.tm.second = int(&digits[4..]);
                    self.tm.minute = int(&digits[2..4]);
                    self.tm.hour = int(&digits[..2]);
                    return Ok(TIME);
                }
                4 => {
                    self.tm.second = 0;
                    self.tm.minute = int(&digits[2..]);
                    self.tm.hour = int(&digits[..2]);
                    return Ok(TIME);
                }
                _ => {}
            }
        }
        Err(BadFormat)
    }

    /// A number after a prefix.
    fn prefixed_number(&mut self, s: &str, prefix: Unit, seen: u32) -> Decode<u32> {
        let (val, rest) = leading_int(s).map_err(|()| FieldOverflow)?;
        if rest.starts_with('.') {
            if !matches!(prefix, Unit::Julian | Unit::Time | Unit::Second) {
                return Err(BadFormat);
            }
        } else if !rest.is_empty() {
            return Err(BadFormat);
        }
        Ok(match prefix {
            Unit::Year => {
                self.tm.year = val;
                YEAR
            }
            Unit::Month if self.seen & MONTH != 0 && self.seen & HOUR != 0 => {
                self.tm.minute = val;
                MINUTE
            }
            Unit::Month => {
                self.tm.month = val;
                MONTH
            }
            Unit::Day => {
                self.tm.day = val;
                DAY
            }
            Unit::Hour => {
                self.tm.hour = val;
                HOUR
            }
            Unit::Minute => {
                self.tm.minute = val;
                MINUTE
            }
            Unit::Second => {
                self.tm.second = val;
                if rest.starts_with('.') {
                    self.tm.micros = fraction_micros(rest)?;
                    ALL_SECONDS
                } else {
                    SECOND
                }
            }
            Unit::Tz => {
                self.west = decode_zone(s)?;
                TZ
            }
            Unit::Julian => {
                if val < 0 {
                    return Err(FieldOverflow);
                }
                self.set_julian(val);
                if rest.starts_with('.') {
                    let day: f64 = rest.parse().map_err(|_| BadFormat)?;
                    let micros = (day * USECS_PER_DAY as f64) as i64;
                    self.tm.set_time(micros);
                    DATE | TIME
                } else {
                    DATE
                }
            }
            Unit::Time => {
                let mask = self.number_field(s, seen | DATE)?;
                if mask != TIME {
                    return Err(BadFormat);
                }
                mask
            }
            _ => return Err(BadFormat),
        })
    }

    fn set_julian(&mut self, jd: i32) {
        let (y, m, d) = julian_to_date64(i64::from(jd));
        (self.tm.year, self.tm.month, self.tm.day) = (y as i32, m, d);
        self.is_julian = true;
    }

    fn named_zone(&mut self, s: &str) -> Decode<u32> {
        match TimeZone::by_name(s) {
            Some(z) => {
                self.named = Some(NamedZone::Zone(z));
                Ok(TZ)
            }
            None => Err(DecodeError::Other(zone::not_recognized(s))),
        }
    }

    /// A zone abbreviation or a word about the zone or half of day; none: another kind of word.
    fn zone_word(&mut self, s: &str) -> Decode<Result<u32, Option<(Kind, i32)>>> {
        let token = match zone_abbrev::lookup(s) {
            Some(Meaning::Fixed(offset, dst)) => {
                self.west = -offset;
                return Ok(Ok(if dst { DTZ | TZ } else { TZ }));
            }
            Some(Meaning::Zone(name)) => {
                let zone = TimeZone::named(name).map_err(|e| {
                    DecodeError::Other(e.detail(format!(
                        "This time zone name appears in the configuration file for time zone abbreviation \"{s}\"."
                    )))
                })?;
                self.named = Some(NamedZone::Abbrev(s.to_string(), zone));
                return Ok(Ok(DYNTZ | TZ));
            }
            None => date_token(s),
        };
        Ok(match token {
            Some((Kind::DstModifier, v)) => {
                self.west -= v;
                Ok(DTZMOD | DTZ)
            }
            Some((Kind::AmPm, v)) => {
                self.meridian = Some(v);
                Ok(AMPM)
            }
            Some((Kind::AdBc, v)) => {
                self.bc = v == tokens::BC;
                Ok(ADBC)
            }
            other => Err(other),
        })
    }

    /// A time run together with its zone: hhmmss-zz.
    fn time_with_zone(&mut self, s: &str, seen: u32) -> Decode<u32> {
        if seen & TIME == TIME {
            return Err(BadFormat);
        }
        let dash = s.find('-').ok_or(BadFormat)?;
        self.west = decode_zone(&s[dash..])?;
        Ok(self.number_field(&s[..dash], seen)? | TZ)
    }

    /// Checks an ISO "t": a time must follow.
    fn iso_time(&mut self, fields: &[Field], i: usize) -> Decode<u32> {
        let next = fields.get(i + 1).ok_or(BadFormat)?;
        if !matches!(next.ty, FieldType::Number | FieldType::Time | FieldType::Date) {
            return Err(BadFormat);
        }
        self.prefix = Some(Unit::Time);
        Ok(0)
    }

    fn validate_date(&mut self) -> Decode<()> {
        let seen = self.seen;
        if seen & YEAR != 0 && !self.is_julian {
            if self.bc {
                if self.tm.year <= 0 {
                    return Err(FieldOverflow);
                }
                self.tm.year = -(self.tm.year - 1);
            } else if self.two_digits {
                if self.tm.year < 0 {
                    return Err(FieldOverflow);
                }
                if self.tm.year < 70 {
                    self.tm.year += 2000;
                } else if self.tm.year < 100 {
                    self.tm.year += 1900;
                }
            } else if self.tm.year <= 0 {
                return Err(FieldOverflow);
            }
        }
        if seen & DOY != 0 {
            let jd = date_to_julian(self.tm.year, 1, 1).wrapping_add(self.yday - 1);
            (self.tm.year, self.tm.month, self.tm.day) = julian_to_date(jd);
        }
        if seen & MONTH != 0 && !(1..=12).contains(&self.tm.month) {
            return Err(DecodeError::MonthDayOverflow);
        }
        if seen & DAY != 0 && !(1..=31).contains(&self.tm.day) {
            return Err(DecodeError::MonthDayOverflow);
        }
        if seen & DATE == DATE && self.tm.day > days_in_month(self.tm.year, self.tm.month) {
            return Err(FieldOverflow);
        }
        Ok(())
    }

    fn apply_meridian(&mut self) -> Decode<()> {
        let Some(m) = self.meridian else { return Ok(()) };
        if self.tm.hour > 12 {
            return Err(FieldOverflow);
        }
        if m == tokens::AM && self.tm.hour == 12 {
            self.tm.hour = 0;
        } else if m == tokens::PM && self.tm.hour != 12 {
            self.tm.hour += 12;
        }
        Ok(())
    }

    fn set_now(&mut self, with_zone: bool) {
        let (now, kind) = CivilTime::from_timestamptz(self.cx.now_us, &self.cx.time_zone);
        self.tm = now;
        if with_zone {
            self.west = -kind.offset;
        }
    }

    fn set_relative_day(&mut self, days: i32) {
        let today = clock::local(self.cx.now_us, &self.cx.time_zone);
        self.tm.set_julian(today.julian() + days);
    }

    fn date_time_field(&mut self, fields: &[Field], i: usize, special: &mut Special) -> Decode<Option<u32>> {
        let s = fields[i].text.as_str();
        let starts_with_digit = s.as_bytes()[0].is_ascii_digit();
        Ok(Some(match fields[i].ty {
            FieldType::Date => {
                if self.prefix == Some(Unit::Julian) {
                    let (jd, rest) = leading_int(s).map_err(|()| FieldOverflow)?;
                    if jd < 0 {
                        return Err(FieldOverflow);
                    }
                    self.set_julian(jd);
                    self.west = decode_zone(rest)?;
                    self.prefix = None;
                    DATE | TIME | TZ
                } else if self.prefix.is_some() || self.seen & (MONTH | DAY) == MONTH | DAY {
                    if starts_with_digit || self.prefix.is_some() {
                        if let Some(p) = self.prefix.take()
                            && p != Unit::Time
                        {
                            return Err(BadFormat);
                        }
                        self.time_with_zone(s, self.seen)?
                    } else {
                        self.named_zone(s)?
                    }
                } else {
                    self.date(s, self.seen)?
                }
            }
            FieldType::Time => {
                if let Some(p) = self.prefix.take()
                    && p != Unit::Time
                {
                    return Err(BadFormat);
                }
                self.set_time(s)?;
                if time_overflows(self.tm.hour, self.tm.minute, self.tm.second, self.tm.micros) {
                    return Err(FieldOverflow);
                }
                TIME
            }
            FieldType::Tz => {
                self.west = decode_zone(s)?;
                TZ
            }
            FieldType::Number => {
                if let Some(prefix) = self.prefix.take() {
                    *special = Special::None;
                    self.prefixed_number(s, prefix, self.seen)?
                } else {
                    let len = s.len();
                    match s.find('.') {
                        Some(_) if self.seen & DATE == 0 => self.date(s, self.seen)?,
                        Some(dot) if dot > 2 => self.number_field(s, self.seen)?,
                        _ if len >= 6 && (self.seen & DATE == 0 || self.seen & TIME == 0) => {
                            self.number_field(s, self.seen)?
                        }
                        _ => self.number(s, self.have_text_month, self.seen)?,
                    }
                }
            }
            FieldType::String | FieldType::Special => match self.zone_word(s)? {
                Ok(mask) => mask,
                Err(token) => match token {
                    Some((Kind::Ignore, _)) => return Ok(None),
                    Some((Kind::Reserved, v)) => {
                        // The last such word decides.
                        *special = Special::None;
                        match Unit::from_i32(v) {
                            Some(Unit::Now) => {
                                self.set_now(true);
                                DATE | TIME | TZ
                            }
                            Some(Unit::Yesterday) => {
                                self.set_relative_day(-1);
                                DATE
                            }
                            Some(Unit::Today) => {
                                self.set_relative_day(0);
                                DATE
                            }
                            Some(Unit::Tomorrow) => {
                                self.set_relative_day(1);
                                DATE
                            }
                            Some(Unit::Zulu) => {
                                self.tm.set_time(0);
                                self.west = 0;
                                TIME | TZ
                            }
                            Some(Unit::Epoch) => {
                                *special = Special::Is(Decoded::Epoch);
                                RESERVED
                            }
                            Some(Unit::Late) => {
                                *special = Special::Is(Decoded::Late);
                                RESERVED
                            }
                            Some(Unit::Early) => {
                                *special = Special::Is(Decoded::Early);
                                RESERVED
                            }
                            _ => return Err(BadFormat),
                        }
                    }
                    Some((Kind::Month, m)) => {
                        let mut mask = MONTH;
                        if self.seen & MONTH != 0
                            && !self.have_text_month
                            && self.seen & DAY == 0
                            && (1..=31).contains(&self.tm.month)
                        {
                            // The number taken for a month was the day.
                            self.tm.day = self.tm.month;
                            mask = DAY;
                        }
                        self.have_text_month = true;
                        self.tm.month = m;
                        mask
                    }
                    Some((Kind::Dow, _)) => DOW,
                    Some((Kind::Units, v)) => {
                        self.prefix = Unit::from_i32(v);
                        0
                    }
                    Some((Kind::IsoTime, _)) => {
                        if self.seen & DATE != DATE {
                            return Err(BadFormat);
                        }
                        self.iso_time(fields, i)?
                    }
                    None => match TimeZone::by_name(s) {
                        Some(z) => {
                            self.named = Some(NamedZone::Zone(z));
                            TZ
                        }
                        None => return Err(BadFormat),
                    },
                    _ => return Err(BadFormat),
                },
            },
        }))
    }

    fn time_only_field(&mut self, fields: &[Field], i: usize) -> Decode<Option<u32>> {
        let s = fields[i].text.as_str();
        let last = fields.last().map(|f| f.ty);
        Ok(Some(match fields[i].ty {
            FieldType::Date => {
                if i == 0
                    && fields.len() >= 2
                    && (last == Some(FieldType::Date) || fields[1].ty == FieldType::Time)
                {
                    self.date(s, self.seen)?
                } else if s.as_bytes()[0].is_ascii_digit() {
                    if self.seen & TIME == TIME {
                        return Err(BadFormat);
                    }
                    let dash = s.find('-').ok_or(BadFormat)?;
                    self.west = decode_zone(&s[dash..])?;
                    self.number_field(&s[..dash], self.seen | DATE)? | TZ
                } else {
                    self.named_zone(s)?
                }
            }
            FieldType::Time => {
                // The "t" of an ISO time may precede.
                if let Some(p) = self.prefix.take()
                    && p != Unit::Time
                {
                    return Err(BadFormat);
                }
                self.set_time(s)?;
                TIME
            }
            FieldType::Tz => {
                self.west = decode_zone(s)?;
                TZ
            }
            FieldType::Number => {
                if let Some(prefix) = self.prefix.take() {
                    self.prefixed_number(s, prefix, self.seen)?
                } else {
                    let len = s.len();
                    match s.find('.') {
                        Some(_) if i == 0 && fields.len() >= 2 && last == Some(FieldType::Date) => {
                            self.date(s, self.seen)?
                        }
                        Some(dot) if dot > 2 => self.number_field(s, self.seen | DATE)?,
                        Some(_) => return Err(BadFormat),
                        None if len > 4 => self.number_field(s, self.seen | DATE)?,
                        None => self.number(s, false, self.seen | DATE)?,
                    }
                }
            }
            FieldType::String | FieldType::Special => match self.zone_word(s)? {
                Ok(mask) => mask,
                Err(token) => match token {
                    Some((Kind::Ignore, _)) => return Ok(None),
                    Some((Kind::Reserved, v)) => match Unit::from_i32(v) {
                        Some(Unit::Now) => {
                            let saved = self.tm;
                            self.set_now(false);
                            let now = self.tm;
                            self.tm =
                                CivilTime { year: saved.year, month: saved.month, day: saved.day, ..now };
                            TIME
                        }
                        Some(Unit::Zulu) => {
                            self.tm.set_time(0);
                            self.west = 0;
                            TIME | TZ
                        }
                        _ => return Err(BadFormat),
                    },
                    Some((Kind::Units, v)) => {
                        self.prefix = Unit::from_i32(v);
                        0
                    }
                    Some((Kind::IsoTime, _)) => self.iso_time(fields, i)?,
                    None => match TimeZone::by_name(s) {
                        Some(z) => {
                            self.named = Some(NamedZone::Zone(z));
                            TZ
                        }
                        None => return Err(BadFormat),
                    },
                    _ => return Err(BadFormat),
                },
            },
        }))
    }
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
