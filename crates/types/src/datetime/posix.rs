//! POSIX time zone rules: `EST5EDT,M3.2.0,M11.1.0`.

use super::calendar::{date_to_julian64, day_of_week, days_in_month, is_leap};
use super::zone::{Abbrev, LocalType};
use super::{SECS_PER_DAY, UNIX_EPOCH_JDATE};

/// The day of the year a change falls on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RuleDay {
    /// 1..=365, February 29 is never counted.
    Julian(i32),
    /// 0..=365.
    YearDay(i32),
    /// Month, week (5: last), day of the week.
    MonthWeekDay(i32, i32, i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Change {
    day: RuleDay,
    /// Seconds after local midnight, may be negative or past a day.
    time: i64,
}

/// A rule without or with daylight saving time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PosixRule {
    Fixed(LocalType),
    Dst(DstRule),
}

/// Standard and daylight saving time and when they begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DstRule {
    std: LocalType,
    dst: LocalType,
    start: Change,
    end: Change,
}

/// The rule used where a daylight saving name is given without dates.
const DEFAULT_DATES: &str = ",M3.2.0,M11.1.0";

struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }
    fn take(&mut self, c: u8) -> bool {
        let hit = self.peek() == Some(c);
        if hit {
            self.0 = &self.0[1..];
        }
        hit
    }
    fn name(&mut self) -> Option<&'a [u8]> {
        if self.take(b'<') {
            let end = self.0.iter().position(|c| *c == b'>')?;
            let name = &self.0[..end];
            self.0 = &self.0[end + 1..];
            return Some(name);
        }
        let end = self
            .0
            .iter()
            .position(|c| c.is_ascii_digit() || matches!(c, b',' | b'-' | b'+'))
            .unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(name)
    }
    fn number(&mut self, min: i64, max: i64) -> Option<i64> {
        let mut n = 0;
        if !self.peek()?.is_ascii_digit() {
            return None;
        }
        while let Some(c) = self.peek().filter(u8::is_ascii_digit) {
            n = n * 10 + i64::from(c - b'0');
            if n > max {
                return None;
            }
            self.0 = &self.0[1..];
        }
        (n >= min).then_some(n)
    }
    /// hh[:mm[:ss]] in seconds.
    fn seconds(&mut self) -> Option<i64> {
        let mut s = self.number(0, 167)? * 3600;
        if self.take(b':') {
            s += self.number(0, 59)? * 60;
            if self.take(b':') {
                s += self.number(0, 60)?;
            }
        }
        Some(s)
    }
    fn offset(&mut self) -> Option<i64> {
        let negative = self.take(b'-');
        if !negative {
            self.take(b'+');
        }
        let s = self.seconds()?;
        Some(if negative { -s } else { s })
    }
    fn change(&mut self) -> Option<Change> {
        let day = if self.take(b'J') {
            RuleDay::Julian(self.number(1, 365)? as i32)
        } else if self.take(b'M') {
            let month = self.number(1, 12)? as i32;
            if !self.take(b'.') {
                return None;
            }
            let week = self.number(1, 5)? as i32;
            if !self.take(b'.') {
                return None;
            }
            RuleDay::MonthWeekDay(month, week, self.number(0, 6)? as i32)
        } else {
            RuleDay::YearDay(self.number(0, 365)? as i32)
        };
        let time = if self.take(b'/') { self.offset()? } else { 7200 };
        Some(Change { day, time })
    }
}

fn local_type(name: &[u8], west: i64, is_dst: bool) -> Option<LocalType> {
    Some(LocalType { offset: -west as i32, is_dst, abbrev: Abbrev::new(std::str::from_utf8(name).ok()?) })
}

/// Reads a rule; none: not one.
pub fn parse(text: &str) -> Option<PosixRule> {
    let mut s = Scan(text.as_bytes());
    if s.0.is_empty() {
        return None;
    }
    let std_name = s.name()?;
    let std_west = s.offset()?;
    let std = local_type(std_name, std_west, false)?;
    if s.0.is_empty() {
        return Some(PosixRule::Fixed(std));
    }
    let dst_name = s.name()?;
    if dst_name.is_empty() {
        return None;
    }
    let dst_west = match s.peek() {
        None | Some(b',' | b';') => std_west - 3600,
        Some(_) => s.offset()?,
    };
    let dst = local_type(dst_name, dst_west, true)?;
    if s.0.is_empty() {
        s = Scan(DEFAULT_DATES.as_bytes());
    }
    if !s.take(b',') && !s.take(b';') {
        return None;
    }
    let start = s.change()?;
    if !s.take(b',') {
        return None;
    }
    let end = s.change()?;
    s.0.is_empty().then_some(PosixRule::Dst(DstRule { std, dst, start, end }))
}

impl Change {
    /// Unix seconds of local midnight plus the time, of `year`.
    fn local_seconds(self, year: i64) -> i64 {
        // Leap years and weekdays repeat after 400 years; that keeps the helpers in their range.
        let y = year.rem_euclid(400) as i32 + 2000;
        let jan1 = date_to_julian64(i64::from(y), 1, 1);
        let day = match self.day {
            RuleDay::Julian(n) => jan1 + i64::from(n) - 1 + i64::from(n >= 60 && is_leap(y)),
            RuleDay::YearDay(n) => jan1 + i64::from(n),
            RuleDay::MonthWeekDay(month, week, weekday) => {
                let first = date_to_julian64(i64::from(y), i64::from(month), 1);
                let ahead = (weekday - day_of_week(first as i32)).rem_euclid(7);
                let mut day = ahead + 7 * (week - 1);
                while day >= days_in_month(y, month) {
                    day -= 7;
                }
                first + i64::from(day)
            }
        };
        let cycles = (year - i64::from(y)) / 400;
        (day + cycles * 146_097 - i64::from(UNIX_EPOCH_JDATE)) * SECS_PER_DAY + self.time
    }
}

impl DstRule {
    /// The two changes of a year in time order: instant and what holds from then.
    pub fn changes(&self, year: i64) -> [(i64, LocalType); 2] {
        let start = (self.start.local_seconds(year) - i64::from(self.std.offset), self.dst);
        let end = (self.end.local_seconds(year) - i64::from(self.dst.offset), self.std);
        if start.0 <= end.0 { [start, end] } else { [end, start] }
    }
    /// What holds at a Unix time.
    pub fn at(&self, t: i64) -> LocalType {
        let year = year_of(t);
        let mut best = (i64::MIN, self.std);
        for y in year - 1..=year + 1 {
            for c in self.changes(y) {
                if c.0 <= t && c.0 >= best.0 {
                    best = c;
                }
            }
        }
        best.1
    }
    /// The first change after a Unix time.
    pub fn next_after(&self, t: i64) -> (i64, LocalType) {
        let year = year_of(t);
        let mut best = (i64::MAX, self.std);
        for y in year - 1..=year + 2 {
            for c in self.changes(y) {
                if c.0 > t && c.0 < best.0 {
                    best = c;
                }
            }
        }
        best
    }
    /// Standard and daylight saving time.
    pub fn types(&self) -> [LocalType; 2] {
        [self.std, self.dst]
    }
}

/// Year (UTC) of a Unix time.
pub fn year_of(t: i64) -> i64 {
    super::calendar::julian_to_date64(t.div_euclid(SECS_PER_DAY) + i64::from(UNIX_EPOCH_JDATE)).0
}
