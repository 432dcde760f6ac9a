//! `to_timestamp` and `to_date`.

use super::output::ROMAN_MONTHS;
use super::{Calendar, Id, Keyword, Modifiers, Node, Template, is_separator, is_space, template};
use crate::datetime::calendar::{
    days_in_month, is_leap, is_valid_julian, iso_week_to_julian, julian_to_date,
};
use crate::datetime::decode::DecodeError;
use crate::datetime::encode::{DAYS_FULL, MONTHS_FULL};
use crate::datetime::io::out_of_range;
use crate::datetime::*;
use quarry_common::{Error, Result, bail, err};

/// What has been read, zero where it hasn't.
#[derive(Default)]
struct Read {
    calendar: Option<Calendar>,
    hour: i32,
    pm: i32,
    twelve_hours: bool,
    minute: i32,
    second: i32,
    seconds_of_day: i32,
    /// 1..=7, Sunday first.
    weekday: i32,
    day: i32,
    day_of_year: i32,
    month: i32,
    millis: i32,
    micros: i32,
    year: i32,
    /// Digits of the year's pattern.
    year_digits: u8,
    bc: i32,
    week: i32,
    week_of_month: i32,
    century: i32,
    julian: i32,
    zone_sign: i32,
    zone_hour: i32,
    zone_minute: i32,
    fraction: u8,
}

/// A local time read with a template.
#[derive(Clone, Copy, Debug)]
pub struct ReadTime {
    pub tm: CivilTime,
    /// Seconds west of UTC, if the template has a zone.
    pub west: Option<i32>,
    /// Digits of an FFn pattern; 0: none.
    pub fraction: u8,
}

fn format_error(message: String) -> Error {
    Error::new(quarry_common::SqlState::INVALID_DATETIME_FORMAT, message)
}

/// Sets a field that must not have been set differently.
fn set(field: &mut i32, value: i32, word: &Keyword) -> Result<()> {
    if *field != 0 && *field != value {
        return Err(format_error(format!(
            "conflicting values for \"{}\" field in formatting string",
            word.name
        ))
        .detail("This value contradicts a previous setting for the same field type."));
    }
    *field = value;
    Ok(())
}

/// What `strtol` reads: value (none: too large) and bytes taken, leading blanks included.
fn strtol(s: &str) -> (Option<i64>, usize) {
    let b = s.as_bytes();
    let blanks = b.iter().take_while(|c| is_space(char::from(**c))).count();
    let sign = usize::from(matches!(b.get(blanks), Some(b'+' | b'-')));
    let digits = b[blanks + sign..].iter().take_while(|c| c.is_ascii_digit()).count();
    if digits == 0 {
        return (Some(0), 0);
    }
    let end = blanks + sign + digits;
    (s[blanks..end].parse().ok(), end)
}

struct Reader<'a> {
    nodes: &'a [Node],
    s: &'a str,
    at: usize,
    read: Read,
}

const FIXED_WIDTH_HINT: &str = "If your source string is not fixed-width, try using the \"FM\" modifier.";

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.s[self.at..]
    }
    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
    fn skip_char(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
        }
    }
    fn skip_spaces(&mut self) -> i32 {
        let mut n = 0;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
            n += 1;
        }
        n
    }

    /// Whether what follows node `i` is no digit, so that its number may be of any length.
    fn ends_at_separator(&self, i: usize) -> bool {
        if let Node::Field(_, m) = &self.nodes[i]
            && m.ordinal.is_some()
        {
            return true;
        }
        match self.nodes.get(i + 1) {
            None => true,
            Some(Node::Field(word, _)) => !word.is_digit,
            Some(Node::Separator(c) | Node::Space(c) | Node::Char(c)) => !c.is_ascii_digit(),
        }
    }

    /// Reads the number of node `i`, of `len` characters unless something else ends it. Returns it and the
    /// characters taken.
    fn int(&mut self, i: usize, word: &Keyword, m: Modifiers, len: usize) -> Result<(i32, usize)> {
        let init = self.at;
        let (value, shown);
        if m.fill || self.ends_at_separator(i) {
            let (v, used) = strtol(self.rest());
            self.skip_spaces();
            shown = self.prefix(len);
            self.at = init + used;
            value = v;
        } else {
            self.skip_spaces();
            let rest = self.rest();
            shown = self.prefix(len);
            if rest.len() < len {
                return Err(format_error(format!(
                    "source string too short for \"{}\" formatting field",
                    word.name
                ))
                .detail(format!("Field requires {len} characters, but only {} remain.", rest.len()))
                .hint(FIXED_WIDTH_HINT));
            }
            let (v, used) = strtol(&shown);
            if used > 0 && used < len {
                return Err(format_error(format!("invalid value \"{shown}\" for \"{}\"", word.name))
                    .detail(format!("Field requires {len} characters, but only {used} could be parsed."))
                    .hint(FIXED_WIDTH_HINT));
            }
            self.at += used;
            value = v;
        }
        if self.at == init {
            return Err(format_error(format!("invalid value \"{shown}\" for \"{}\"", word.name))
                .detail("Value must be an integer."));
        }
        let value = value.and_then(|v| i32::try_from(v).ok()).ok_or_else(|| {
            err!(DATETIME_FIELD_OVERFLOW, "value for \"{}\" in source string is out of range", word.name)
                .detail(format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX))
        })?;
        Ok((value, self.at - init))
    }

    /// The next `len` bytes, cut at a character.
    fn prefix(&self, len: usize) -> String {
        let rest = self.rest();
        let mut end = len.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        rest[..end].to_string()
    }

    /// Which of `names` comes next, in any letter case.
    fn name(&mut self, names: &[&str], word: &Keyword) -> Result<i32> {
        let rest = self.rest();
        let hit = names.iter().position(|n| {
            rest.as_bytes().get(..n.len()).is_some_and(|r| r.eq_ignore_ascii_case(n.as_bytes()))
        });
        match hit {
            Some(i) => {
                self.at += names[i].len();
                Ok(i as i32)
            }
            None => {
                let shown = rest.split(is_space).next().unwrap_or("");
                Err(format_error(format!("invalid value \"{shown}\" for \"{}\"", word.name))
                    .detail("The given value did not match any of the allowed values for this field."))
            }
        }
    }

    fn skip_ordinal(&mut self, m: Modifiers) {
        if m.ordinal.is_some() {
            self.skip_char();
            self.skip_char();
        }
    }

    fn run(&mut self, strict: bool) -> Result<()> {
        let mut fixed = strict;
        let mut extra_skip = 0;
        let mut i = 0;
        while i < self.nodes.len() && self.at < self.s.len() {
            let node = &self.nodes[i];
            let is_field = matches!(node, Node::Field(..));
            let is_fixed_mark = matches!(node, Node::Field(w, _) if w.id == Id::Fixed);
            if !fixed && !is_fixed_mark && (is_field || i == 0) {
                extra_skip += self.skip_spaces();
            }
            match node {
                Node::Separator(c) | Node::Space(c) => {
                    if strict {
                        if self.peek() != Some(*c) {
                            return Err(format_error(format!("unmatched format separator \"{c}\"")));
                        }
                        self.skip_char();
                    } else if !fixed {
                        extra_skip -= 1;
                        if self.peek().is_some_and(|c| is_space(c) || is_separator(c)) {
                            self.skip_char();
                            extra_skip += 1;
                        }
                    } else {
                        self.skip_char();
                    }
                }
                Node::Char(c) => {
                    if !fixed {
                        if extra_skip > 0 {
                            extra_skip -= 1;
                        } else {
                            self.skip_char();
                        }
                    } else {
                        if strict && self.peek() != Some(*c) {
                            return Err(format_error(format!("unmatched format character \"{c}\"")));
                        }
                        self.skip_char();
                    }
                }
                Node::Field(word, m) => {
                    if word.id == Id::Fixed {
                        fixed = true;
                    } else {
                        self.set_calendar(word)?;
                        self.field(i, word, *m, extra_skip)?;
                    }
                    if !fixed {
                        extra_skip = self.skip_spaces();
                    }
                }
            }
            i += 1;
        }
        if strict {
            if i < self.nodes.len() {
                bail!(INVALID_DATETIME_FORMAT, "input string is too short for datetime format");
            }
            self.skip_spaces();
            if self.at < self.s.len() {
                bail!(
                    INVALID_DATETIME_FORMAT,
                    "trailing characters remain in input string after datetime format"
                );
            }
        }
        Ok(())
    }

    fn set_calendar(&mut self, word: &Keyword) -> Result<()> {
        if word.calendar == Calendar::Any {
            return Ok(());
        }
        match self.read.calendar {
            None => self.read.calendar = Some(word.calendar),
            Some(c) if c != word.calendar => {
                return Err(err!(INVALID_DATETIME_FORMAT, "invalid combination of date conventions")
                    .hint("Do not mix Gregorian and ISO week date conventions in a formatting template."));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn field(&mut self, i: usize, word: &Keyword, m: Modifiers, extra_skip: i32) -> Result<()> {
        let len = word.name.len();
        match word.id {
            Id::MeridianDots => {
                let v = self.name(&["a.m.", "p.m."], word)?;
                set(&mut self.read.pm, v % 2, word)?;
                self.read.twelve_hours = true;
            }
            Id::Meridian => {
                let v = self.name(&["am", "pm"], word)?;
                set(&mut self.read.pm, v % 2, word)?;
                self.read.twelve_hours = true;
            }
            Id::Hour12 | Id::Hour24 => {
                let (v, _) = self.int(i, word, m, 2)?;
                set(&mut self.read.hour, v, word)?;
                if word.id == Id::Hour12 {
                    self.read.twelve_hours = true;
                }
                self.skip_ordinal(m);
            }
            Id::Millis => {
                let (v, used) = self.int(i, word, m, 3)?;
                set(&mut self.read.millis, v, word)?;
                self.read.millis = scale(v, 3, used)?;
                self.skip_ordinal(m);
            }
            Id::Micros | Id::Fraction(_) => {
                let digits = match word.id {
                    Id::Fraction(d) => {
                        self.read.fraction = d;
                        usize::from(d)
                    }
                    _ => 6,
                };
                let (v, used) = self.int(i, word, m, digits)?;
                set(&mut self.read.micros, v, word)?;
                self.read.micros = scale(v, 6, used)?;
                self.skip_ordinal(m);
            }
            Id::ZoneName | Id::Offset => {
                bail!(
                    FEATURE_NOT_SUPPORTED,
                    "formatting field \"{}\" is only supported in to_char",
                    word.name
                );
            }
            Id::ZoneHour => {
                match self.peek() {
                    Some(c @ ('+' | '-' | ' ')) => {
                        self.read.zone_sign = if c == '-' { -1 } else { 1 };
                        self.at += 1;
                    }
                    // A minus may have been taken for a separator.
                    _ => {
                        let minus = extra_skip > 0 && self.s[..self.at].ends_with('-');
                        self.read.zone_sign = if minus { -1 } else { 1 };
                    }
                }
                let (v, _) = self.int(i, word, m, 2)?;
                set(&mut self.read.zone_hour, v, word)?;
            }
            Id::ZoneMinute => {
                if self.read.zone_sign == 0 {
                    self.read.zone_sign = 1;
                }
                let (v, _) = self.int(i, word, m, 2)?;
                set(&mut self.read.zone_minute, v, word)?;
            }
            Id::EraDots => {
                let v = self.name(&["a.d.", "b.c."], word)?;
                set(&mut self.read.bc, v % 2, word)?;
            }
            Id::Era => {
                let v = self.name(&["ad", "bc"], word)?;
                set(&mut self.read.bc, v % 2, word)?;
            }
            Id::MonthName => {
                let v = self.name(&MONTHS_FULL, word)?;
                set(&mut self.read.month, v + 1, word)?;
            }
            Id::MonthShort => {
                let short = MONTHS_FULL.map(|n| &n[..3]);
                let v = self.name(&short, word)?;
                set(&mut self.read.month, v + 1, word)?;
            }
            Id::DayName => {
                let v = self.name(&DAYS_FULL, word)?;
                set(&mut self.read.weekday, v, word)?;
                self.read.weekday += 1;
            }
            Id::DayShort => {
                let short = DAYS_FULL.map(|n| &n[..3]);
                let v = self.name(&short, word)?;
                set(&mut self.read.weekday, v, word)?;
                self.read.weekday += 1;
            }
            Id::Roman => {
                let v = self.name(&ROMAN_MONTHS, word)?;
                set(&mut self.read.month, 12 - v, word)?;
            }
            Id::IsoDay => {
                let (v, _) = self.int(i, word, m, 1)?;
                set(&mut self.read.weekday, v, word)?;
                self.read.weekday += 1;
                if self.read.weekday > 7 {
                    self.read.weekday = 1;
                }
                self.skip_ordinal(m);
            }
            Id::IsoDayOfYear => {
                let (v, _) = self.int(i, word, m, 3)?;
                set(&mut self.read.day_of_year, v, word)?;
                self.skip_ordinal(m);
            }
            Id::Quarter => {
                self.int(i, word, m, len)?;
                self.skip_ordinal(m);
            }
            Id::YearComma => self.year_with_comma(word, m)?,
            Id::Year(digits) | Id::IsoYear(digits) => {
                let (v, used) = self.int(i, word, m, len)?;
                set(&mut self.read.year, v, word)?;
                if digits < 4 && used < 4 {
                    self.read.year = complete_year(v);
                }
                self.read.year_digits = digits;
                self.skip_ordinal(m);
            }
            Id::Fixed => {}
            _ => {
                let (v, _) = self.int(i, word, m, len)?;
                let r = &mut self.read;
                let field = match word.id {
                    Id::Minute => &mut r.minute,
                    Id::Second => &mut r.second,
                    Id::SecondsOfDay => &mut r.seconds_of_day,
                    Id::Month => &mut r.month,
                    Id::DayOfYear => &mut r.day_of_year,
                    Id::DayOfMonth => &mut r.day,
                    Id::DayOfWeek => &mut r.weekday,
                    Id::WeekOfYear | Id::IsoWeek => &mut r.week,
                    Id::Century => &mut r.century,
                    Id::WeekOfMonth => &mut r.week_of_month,
                    _ => &mut r.julian,
                };
                set(field, v, word)?;
                self.skip_ordinal(m);
            }
        }
        Ok(())
    }

    /// "2,020": thousands, comma, up to three digits.
    fn year_with_comma(&mut self, word: &Keyword, m: Modifiers) -> Result<()> {
        let fail = || format_error("invalid input string for \"Y,YYY\"".into());
        let rest = self.rest();
        let (thousands, used) = strtol(rest);
        if used == 0 || !rest[used..].starts_with(',') {
            return Err(fail());
        }
        let after = &rest[used + 1..];
        let blanks = after.len() - after.trim_start_matches(is_space).len();
        let mut end = (blanks + 3).min(after.len());
        while !after.is_char_boundary(end) {
            end -= 1;
        }
        let (years, taken) = strtol(&after[..end]);
        if taken == 0 {
            return Err(fail());
        }
        let out_of_range =
            || err!(DATETIME_FIELD_OVERFLOW, "value for \"{}\" in source string is out of range", word.name);
        let year = thousands
            .and_then(|t| t.checked_mul(1000))
            .and_then(|t| t.checked_add(years.unwrap_or(0)))
            .and_then(|y| i32::try_from(y).ok())
            .ok_or_else(out_of_range)?;
        set(&mut self.read.year, year, word)?;
        self.read.year_digits = 4;
        self.at += used + 1 + taken;
        self.skip_ordinal(m);
        Ok(())
    }
}

/// Makes `v`, read as `used` digits of a fraction, a number of `digits` digits.
fn scale(v: i32, digits: usize, used: usize) -> Result<i32> {
    let missing = digits.saturating_sub(used) as u32;
    v.checked_mul(10i32.pow(missing)).ok_or_else(|| out_of_range("timestamp"))
}

/// The year nearest to 2020 with the given last digits.
fn complete_year(year: i32) -> i32 {
    match year {
        y if y < 70 => y.saturating_add(2000),
        y if y < 100 => y + 1900,
        y if y < 520 => y + 2000,
        y if y < 1000 => y + 1000,
        y => y,
    }
}

/// Reads `text` with a template.
fn read(text: &str, template: &Template, strict: bool) -> Result<ReadTime> {
    let mut reader = Reader { nodes: &template.nodes, s: text, at: 0, read: Read::default() };
    reader.run(strict)?;
    let mut r = reader.read;
    let overflow = || DecodeError::FieldOverflow.into_error(text, "timestamp");
    let mut tm = CivilTime { month: 1, day: 1, ..CivilTime::default() };
    let (mut has_year, mut has_month, mut has_day) = (false, false, false);

    if r.seconds_of_day != 0 {
        tm.hour = r.seconds_of_day / 3600;
        tm.minute = r.seconds_of_day % 3600 / 60;
        tm.second = r.seconds_of_day % 60;
    }
    if r.second != 0 {
        tm.second = r.second;
    }
    if r.minute != 0 {
        tm.minute = r.minute;
    }
    if r.hour != 0 {
        tm.hour = r.hour;
    }
    if r.twelve_hours {
        if !(1..=12).contains(&tm.hour) {
            return Err(err!(
                INVALID_DATETIME_FORMAT,
                "hour \"{}\" is invalid for the 12-hour clock",
                tm.hour
            )
            .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if r.pm != 0 && tm.hour < 12 {
            tm.hour += 12;
        } else if r.pm == 0 && tm.hour == 12 {
            tm.hour = 0;
        }
    }

    if r.bc != 0 {
        r.century = r.century.checked_neg().ok_or_else(overflow)?;
    }
    let century_start = |cc: i32, add: i64| i32::try_from(i64::from(cc) * 100 + add).map_err(|_| overflow());
    if r.year != 0 {
        if r.century != 0 && r.year_digits <= 2 {
            let y = r.year % 100;
            tm.year = if y != 0 {
                if r.century >= 0 {
                    century_start(r.century, i64::from(y) - 100)?
                } else {
                    century_start(r.century, 101 - i64::from(y))?
                }
            } else {
                century_start(r.century, i64::from(r.century < 0))?
            };
        } else {
            tm.year = if r.bc != 0 { r.year.checked_neg().ok_or_else(overflow)? } else { r.year };
            if tm.year < 0 {
                tm.year += 1;
            }
        }
        has_year = true;
    } else if r.century != 0 {
        tm.year = century_start(r.century, if r.century >= 0 { -99 } else { 1 })?;
        has_year = true;
    }
    if r.julian != 0 {
        (tm.year, tm.month, tm.day) = julian_to_date(r.julian);
        (has_year, has_month, has_day) = (true, true, true);
    }
    let iso = r.calendar == Some(Calendar::Iso);
    let from_julian = |tm: &mut CivilTime, jd: i64| -> Result<()> {
        tm.set_julian(i32::try_from(jd).map_err(|_| overflow())?);
        Ok(())
    };
    if r.week != 0 {
        if iso {
            let mut jd = iso_week_to_julian(tm.year, r.week);
            if r.weekday > 1 {
                jd += i64::from(r.weekday) - 2;
            } else if r.weekday == 1 {
                jd += 6;
            }
            from_julian(&mut tm, jd)?;
            (has_year, has_month, has_day) = (true, true, true);
        } else {
            r.day_of_year =
                (r.week - 1).checked_mul(7).and_then(|d| d.checked_add(1)).ok_or_else(overflow)?;
        }
    }
    if r.week_of_month != 0 {
        r.day = (r.week_of_month - 1).checked_mul(7).and_then(|d| d.checked_add(1)).ok_or_else(overflow)?;
    }
    if r.day != 0 {
        tm.day = r.day;
        has_day = true;
    }
    if r.month != 0 {
        tm.month = r.month;
        has_month = true;
    }
    if r.day_of_year != 0 && (tm.month <= 1 || tm.day <= 1) {
        if tm.year == 0 && r.bc == 0 {
            bail!(INVALID_DATETIME_FORMAT, "cannot calculate day of year without year information");
        }
        if iso {
            let jd = iso_week_to_julian(tm.year, 1) - 1 + i64::from(r.day_of_year);
            from_julian(&mut tm, jd)?;
            has_year = true;
        } else {
            let mut left = r.day_of_year;
            let mut month = 1;
            while month <= 12 && left > days_in_month(tm.year, month) {
                left -= days_in_month(tm.year, month);
                month += 1;
            }
            let past_end = r.day_of_year > if is_leap(tm.year) { 366 } else { 365 };
            if tm.month <= 1 {
                tm.month = if past_end { 13 } else { month };
            }
            if tm.day <= 1 {
                tm.day = left;
            }
        }
        (has_month, has_day) = (true, true);
    }
    if r.millis != 0 {
        tm.micros += r.millis.checked_mul(1000).ok_or_else(overflow)?;
    }
    if r.micros != 0 {
        tm.micros = tm.micros.checked_add(r.micros).ok_or_else(overflow)?;
    }

    if has_month && !(1..=12).contains(&tm.month) || has_day && !(1..=31).contains(&tm.day) {
        return Err(overflow());
    }
    if has_year && has_month && has_day && tm.day > days_in_month(tm.year, tm.month) {
        return Err(overflow());
    }
    if !(0..24).contains(&tm.hour)
        || !(0..60).contains(&tm.minute)
        || !(0..60).contains(&tm.second)
        || !(0..1_000_000).contains(&tm.micros)
    {
        return Err(overflow());
    }
    let mut west = None;
    if r.zone_sign != 0 {
        if !(0..=15).contains(&r.zone_hour) || !(0..60).contains(&r.zone_minute) {
            return Err(DecodeError::ZoneOverflow.into_error(text, "timestamp"));
        }
        west = Some(-r.zone_sign * (r.zone_hour * 3600 + r.zone_minute * 60));
    }
    Ok(ReadTime { tm, west, fraction: r.fraction })
}

/// `to_timestamp(text, text)`.
pub fn to_timestamp(text: &str, format: &str, zone: &TimeZone) -> Result<i64> {
    let r = read(text, &template(format), false)?;
    let west = r.west.unwrap_or_else(|| zone.local_west(&r.tm));
    let t = r.tm.to_timestamptz(west).ok_or_else(|| out_of_range("timestamp"))?;
    if r.fraction > 0 { typmod::adjust_timestamp(t, r.fraction.into()) } else { Ok(t) }
}

/// `to_date(text, text)`.
pub fn to_date(text: &str, format: &str) -> Result<i32> {
    let r = read(text, &template(format), false)?;
    let fail = || err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range: \"{text}\"");
    if !is_valid_julian(r.tm.year, r.tm.month, r.tm.day) {
        return Err(fail());
    }
    r.tm.to_date().ok_or_else(fail)
}

/// Reads text with a template as the SQL standard does: every separator must match. For jsonpath's `datetime()`.
pub fn parse_datetime_strict(text: &str, template: &Template) -> Result<ReadTime> {
    read(text, template, true)
}
