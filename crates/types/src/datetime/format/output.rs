//! `to_char` of timestamps and intervals.

use super::{Case, Id, Keyword, Modifiers, Node, Template, template};
use crate::datetime::calendar::{
    date_to_julian, day_of_week, day_of_year, iso_week_to_julian, iso_year_week,
};
use crate::datetime::encode::{DAYS_FULL, MONTHS_FULL};
use crate::datetime::interval_out::IntervalFields;
use crate::datetime::*;
use quarry_common::{Result, err};

/// From December down to January.
pub(super) const ROMAN_MONTHS: [&str; 12] =
    ["XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"];

/// What a template prints.
struct Fields<'a> {
    year: i32,
    month: i32,
    day: i32,
    hour: i64,
    minute: i32,
    second: i32,
    micros: i32,
    day_of_year: i64,
    weekday: usize,
    zone: Option<&'a LocalType>,
    is_interval: bool,
}

/// `to_char(timestamp, text)`; none (NULL): an infinite timestamp or an empty template.
pub fn timestamp_to_char(t: i64, format: &str) -> Result<Option<String>> {
    if timestamp_is_infinite(t) || format.is_empty() {
        return Ok(None);
    }
    civil(&CivilTime::from_timestamp(t), None, &template(format)).map(Some)
}

/// `to_char(timestamptz, text)`.
pub fn timestamptz_to_char(t: i64, format: &str, zone: &TimeZone) -> Result<Option<String>> {
    if timestamp_is_infinite(t) || format.is_empty() {
        return Ok(None);
    }
    let (tm, kind) = CivilTime::from_timestamptz(t, zone);
    civil(&tm, Some(&kind), &template(format)).map(Some)
}

fn civil(tm: &CivilTime, zone: Option<&LocalType>, template: &Template) -> Result<String> {
    print(
        &Fields {
            year: tm.year,
            month: tm.month,
            day: tm.day,
            hour: tm.hour.into(),
            minute: tm.minute,
            second: tm.second,
            micros: tm.micros,
            day_of_year: day_of_year(tm.year, tm.month, tm.day).into(),
            weekday: day_of_week(tm.julian()) as usize,
            zone,
            is_interval: false,
        },
        template,
    )
}

/// `to_char(interval, text)`; none (NULL): an empty template.
pub fn interval_to_char(i: Interval, format: &str) -> Result<Option<String>> {
    if format.is_empty() {
        return Ok(None);
    }
    let f = IntervalFields::from(i);
    let fields = Fields {
        year: f.years,
        month: f.months,
        day: f.days,
        hour: f.hours,
        minute: f.minutes,
        second: f.seconds,
        micros: f.micros,
        day_of_year: i64::from(i.months) * DAYS_PER_MONTH + i64::from(i.days),
        weekday: 0,
        zone: None,
        is_interval: true,
    };
    print(&fields, &template(format)).map(Some)
}

fn print(f: &Fields<'_>, template: &Template) -> Result<String> {
    let mut out = String::new();
    for node in &template.nodes {
        match node {
            Node::Separator(c) | Node::Space(c) | Node::Char(c) => out.push(*c),
            Node::Field(word, modifiers) => f.print(word, *modifiers, &mut out)?,
        }
    }
    Ok(out)
}

/// A number padded with zeros to `width` characters, the sign included.
fn zeros(v: i64, width: usize) -> String {
    if v < 0 {
        format!("-{:0w$}", v.unsigned_abs(), w = width.saturating_sub(1))
    } else {
        format!("{v:0width$}")
    }
}

fn ordinal_suffix(number: &str, case: Case) -> &'static str {
    let b = number.as_bytes();
    let teen = b.len() > 1 && b[b.len() - 2] == b'1';
    let (upper, lower) = match b.last() {
        Some(b'1') if !teen => ("ST", "st"),
        Some(b'2') if !teen => ("ND", "nd"),
        Some(b'3') if !teen => ("RD", "rd"),
        _ => ("TH", "th"),
    };
    if case == Case::Upper { upper } else { lower }
}

fn cased(s: &str, case: Case) -> String {
    match case {
        Case::Upper => s.to_ascii_uppercase(),
        Case::Lower => s.to_ascii_lowercase(),
        Case::Title => s.to_string(),
    }
}

impl Fields<'_> {
    /// A year as people count, unless it is an interval's.
    fn shown_year(&self, year: i64) -> i64 {
        if self.is_interval || year > 0 { year } else { 1 - year }
    }

    fn calendar_only(&self) -> Result<()> {
        if self.is_interval {
            return Err(err!(INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
                .hint("Intervals are not tied to specific calendar dates."));
        }
        Ok(())
    }

    fn iso_year(&self) -> i64 {
        if self.is_interval && !(1..=12).contains(&self.month) {
            return self.year.into();
        }
        iso_year_week(self.year, self.month, self.day).0.into()
    }

    fn print(&self, word: &Keyword, m: Modifiers, out: &mut String) -> Result<()> {
        // Width of a number, one more if a sign is needed.
        let width = |w: usize, v: i64| {
            if m.fill {
                0
            } else if v < 0 {
                w + 1
            } else {
                w
            }
        };
        let padded = |s: String, w: usize| if m.fill || m.localized { s } else { format!("{s:<w$}") };
        let number = match word.id {
            Id::MeridianDots | Id::Meridian => {
                let pm = self.hour % 24 >= 12;
                let s = match (word.id, pm) {
                    (Id::MeridianDots, true) => "P.M.",
                    (Id::MeridianDots, false) => "A.M.",
                    (_, true) => "PM",
                    (_, false) => "AM",
                };
                out.push_str(&cased(s, word.case));
                return Ok(());
            }
            Id::EraDots | Id::Era => {
                self.calendar_only()?;
                let s = match (word.id, self.year <= 0) {
                    (Id::EraDots, true) => "B.C.",
                    (Id::EraDots, false) => "A.D.",
                    (_, true) => "BC",
                    (_, false) => "AD",
                };
                out.push_str(&cased(s, word.case));
                return Ok(());
            }
            Id::MonthName | Id::MonthShort => {
                self.calendar_only()?;
                if self.month == 0 {
                    return Ok(());
                }
                let name = MONTHS_FULL[(self.month - 1) as usize];
                out.push_str(&if word.id == Id::MonthName {
                    padded(cased(name, word.case), 9)
                } else {
                    cased(&name[..3], word.case)
                });
                return Ok(());
            }
            Id::DayName | Id::DayShort => {
                self.calendar_only()?;
                let name = DAYS_FULL[self.weekday];
                out.push_str(&if word.id == Id::DayName {
                    padded(cased(name, word.case), 9)
                } else {
                    cased(&name[..3], word.case)
                });
                return Ok(());
            }
            Id::ZoneName => {
                self.calendar_only()?;
                if let Some(zone) = self.zone {
                    let name = zone.abbrev.as_str();
                    out.push_str(&if word.case == Case::Lower {
                        name.to_ascii_lowercase()
                    } else {
                        name.into()
                    });
                }
                return Ok(());
            }
            Id::ZoneHour | Id::ZoneMinute | Id::Offset => {
                self.calendar_only()?;
                let east = self.zone.map_or(0, |z| z.offset);
                let (hours, minutes) = (east.abs() / 3600, east.abs() % 3600 / 60);
                let sign = if east >= 0 { '+' } else { '-' };
                match word.id {
                    Id::ZoneHour => out.push_str(&format!("{sign}{hours:02}")),
                    Id::ZoneMinute => out.push_str(&format!("{minutes:02}")),
                    _ => {
                        out.push(sign);
                        out.push_str(&zeros(hours.into(), if m.fill { 0 } else { 2 }));
                        if minutes != 0 {
                            out.push_str(&format!(":{minutes:02}"));
                        }
                    }
                }
                return Ok(());
            }
            Id::Roman => {
                if self.month == 0 && self.year == 0 {
                    return Ok(());
                }
                let at = match self.month {
                    0 => {
                        if self.year >= 0 {
                            0
                        } else {
                            11
                        }
                    }
                    n if n < 0 => -(n + 1),
                    n => 12 - n,
                };
                let s = cased(ROMAN_MONTHS[at as usize], word.case);
                out.push_str(&if m.fill { s } else { format!("{s:<4}") });
                return Ok(());
            }
            Id::Fixed => return Ok(()),
            Id::Hour12 => {
                let h = self.hour % 12;
                zeros(if h == 0 { 12 } else { h }, width(2, self.hour))
            }
            Id::Hour24 => zeros(self.hour, width(2, self.hour)),
            Id::Minute => zeros(self.minute.into(), width(2, self.minute.into())),
            Id::Second => zeros(self.second.into(), width(2, self.second.into())),
            Id::Fraction(digits) => {
                let v = i64::from(self.micros) / 10i64.pow(u32::from(6 - digits));
                zeros(v, usize::from(digits))
            }
            Id::Millis => zeros(i64::from(self.micros) / 1000, 3),
            Id::Micros => zeros(self.micros.into(), 6),
            Id::SecondsOfDay => {
                (self.hour * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)).to_string()
            }
            Id::Month => zeros(self.month.into(), width(2, self.month.into())),
            Id::DayOfYear => zeros(self.day_of_year, if m.fill { 0 } else { 3 }),
            Id::IsoDayOfYear => {
                let jd = i64::from(date_to_julian(self.year, self.month, self.day));
                let first = iso_week_to_julian(self.iso_year() as i32, 1);
                zeros(jd - first + 1, if m.fill { 0 } else { 3 })
            }
            Id::DayOfMonth => zeros(self.day.into(), if m.fill { 0 } else { 2 }),
            Id::DayOfWeek => {
                self.calendar_only()?;
                (self.weekday + 1).to_string()
            }
            Id::IsoDay => {
                self.calendar_only()?;
                (if self.weekday == 0 { 7 } else { self.weekday }).to_string()
            }
            Id::WeekOfYear => zeros((self.day_of_year - 1) / 7 + 1, if m.fill { 0 } else { 2 }),
            Id::IsoWeek => {
                let week = if self.is_interval && !(1..=12).contains(&self.month) {
                    1
                } else {
                    iso_year_week(self.year, self.month, self.day).1
                };
                zeros(week.into(), if m.fill { 0 } else { 2 })
            }
            Id::Quarter => {
                if self.month == 0 {
                    return Ok(());
                }
                ((self.month - 1) / 3 + 1).to_string()
            }
            Id::Century => {
                let y = i64::from(self.year);
                let c = if self.is_interval {
                    y / 100
                } else if y > 0 {
                    (y - 1) / 100 + 1
                } else {
                    y / 100 - 1
                };
                if c.abs() <= 99 { zeros(c, width(2, c)) } else { c.to_string() }
            }
            Id::YearComma => {
                let y = self.shown_year(self.year.into());
                format!("{},{:03}", y / 1000, y - y / 1000 * 1000)
            }
            Id::Year(digits) | Id::IsoYear(digits) => {
                let sign_of = self.shown_year(self.year.into());
                let year = match word.id {
                    Id::Year(_) => sign_of,
                    _ => self.shown_year(self.iso_year()),
                };
                match digits {
                    4 => zeros(year, width(4, sign_of)),
                    3 => zeros(year % 1000, width(3, sign_of)),
                    2 => zeros(year % 100, width(2, sign_of)),
                    _ => (year % 10).to_string(),
                }
            }
            Id::WeekOfMonth => ((self.day - 1) / 7 + 1).to_string(),
            Id::Julian => date_to_julian(self.year, self.month.max(1), self.day).to_string(),
        };
        out.push_str(&number);
        if let Some(case) = m.ordinal {
            out.push_str(ordinal_suffix(&number, case));
        }
        Ok(())
    }
}
