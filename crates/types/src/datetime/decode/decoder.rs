//! What has been read of a date or time so far, and the rules for single fields.

use super::*;
use crate::datetime::calendar::{date_to_julian, days_in_month, julian_to_date, julian_to_date64};
use crate::datetime::lexer::FieldType;
use crate::datetime::tokens::{self, Kind, Unit, date_token};
use crate::datetime::zone_abbrev::{self, Meaning};
use std::sync::Arc;

/// The named zone a value carries.
pub(super) enum NamedZone {
    Zone(Arc<TimeZone>),
    Abbrev(String, Arc<TimeZone>),
}

impl NamedZone {
    pub(super) fn west(&self, tm: &CivilTime) -> i32 {
        match self {
            NamedZone::Zone(z) => z.local_west(tm),
            NamedZone::Abbrev(a, z) => -zone_abbrev::abbrev_offset_of_local(a, z, tm),
        }
    }
}

pub(super) struct Decoder<'c> {
    pub(super) cx: &'c IoContext<'c>,
    pub(super) tm: CivilTime,
    pub(super) yday: i32,
    pub(super) have_text_month: bool,
    pub(super) is_julian: bool,
    pub(super) two_digits: bool,
    pub(super) bc: bool,
    /// AM or PM.
    pub(super) meridian: Option<i32>,
    /// Seconds west of UTC.
    pub(super) west: i32,
    pub(super) named: Option<NamedZone>,
    /// What the next number is.
    pub(super) prefix: Option<Unit>,
    pub(super) seen: u32,
}

impl<'c> Decoder<'c> {
    pub(super) fn new(cx: &'c IoContext<'c>) -> Decoder<'c> {
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

    pub(super) fn set_time(&mut self, s: &str) -> Decode<()> {
        let (hour, minute, second, micros) = decode_time(s, false)?;
        let hour = i32::try_from(hour).map_err(|_| FieldOverflow)?;
        (self.tm.hour, self.tm.minute, self.tm.second, self.tm.micros) = (hour, minute, second, micros);
        Ok(())
    }

    pub(super) fn mark(&mut self, mask: u32) -> Decode<()> {
        if mask & self.seen != 0 {
            return Err(BadFormat);
        }
        self.seen |= mask;
        Ok(())
    }

    /// A date with separators: a month's name and numbers, in any order that makes sense.
    pub(super) fn date(&mut self, s: &str, seen: u32) -> Decode<u32> {
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
    pub(super) fn number(&mut self, s: &str, have_text_month: bool, seen: u32) -> Decode<u32> {
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
    pub(super) fn number_field(&mut self, s: &str, seen: u32) -> Decode<u32> {
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
    pub(super) fn prefixed_number(&mut self, s: &str, prefix: Unit, seen: u32) -> Decode<u32> {
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

    pub(super) fn set_julian(&mut self, jd: i32) {
        let (y, m, d) = julian_to_date64(i64::from(jd));
        (self.tm.year, self.tm.month, self.tm.day) = (y as i32, m, d);
        self.is_julian = true;
    }

    pub(super) fn named_zone(&mut self, s: &str) -> Decode<u32> {
        match TimeZone::by_name(s) {
            Some(z) => {
                self.named = Some(NamedZone::Zone(z));
                Ok(TZ)
            }
            None => Err(DecodeError::Other(zone::not_recognized(s))),
        }
    }

    /// A zone abbreviation or a word about the zone or half of day; none: another kind of word.
    pub(super) fn zone_word(&mut self, s: &str) -> Decode<Result<u32, Option<(Kind, i32)>>> {
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
    pub(super) fn time_with_zone(&mut self, s: &str, seen: u32) -> Decode<u32> {
        if seen & TIME == TIME {
            return Err(BadFormat);
        }
        let dash = s.find('-').ok_or(BadFormat)?;
        self.west = decode_zone(&s[dash..])?;
        Ok(self.number_field(&s[..dash], seen)? | TZ)
    }

    /// Checks an ISO "t": a time must follow.
    pub(super) fn iso_time(&mut self, fields: &[Field], i: usize) -> Decode<u32> {
        let next = fields.get(i + 1).ok_or(BadFormat)?;
        if !matches!(next.ty, FieldType::Number | FieldType::Time | FieldType::Date) {
            return Err(BadFormat);
        }
        self.prefix = Some(Unit::Time);
        Ok(0)
    }

    pub(super) fn validate_date(&mut self) -> Decode<()> {
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

    pub(super) fn apply_meridian(&mut self) -> Decode<()> {
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

    pub(super) fn set_now(&mut self, with_zone: bool) {
        let (now, kind) = CivilTime::from_timestamptz(self.cx.now_us, &self.cx.time_zone);
        self.tm = now;
        if with_zone {
            self.west = -kind.offset;
        }
    }

    pub(super) fn set_relative_day(&mut self, days: i32) {
        let today = clock::local(self.cx.now_us, &self.cx.time_zone);
        self.tm.set_julian(today.julian() + days);
    }
}
