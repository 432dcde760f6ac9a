//! The proleptic Gregorian calendar: days, Julian days, weeks, broken-down times.

use super::*;

/// A time taken apart. Also what the decoder fills while it reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CivilTime {
    /// Astronomical year: 0 is 1 BC.
    pub year: i32,
    /// 1..=12.
    pub month: i32,
    /// 1..=31.
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    /// 0..=59, 60 in input.
    pub second: i32,
    /// Microseconds within the second.
    pub micros: i32,
}

/// Julian day of a date. Months out of 1..=12 are the caller's mistake; days may run over.
pub fn date_to_julian(year: i32, month: i32, day: i32) -> i32 {
    date_to_julian64(i64::from(year), i64::from(month), i64::from(day)) as i32
}

/// [`date_to_julian`] without overflow.
pub fn date_to_julian64(year: i64, month: i64, day: i64) -> i64 {
    // March-based years put the leap day last; 400-year cycles keep everything non-negative.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let cycle = y.div_euclid(400);
    let yoc = y.rem_euclid(400);
    let doy = (153 * m + 2) / 5 + day - 1;
    cycle * 146_097 + yoc * 365 + yoc / 4 - yoc / 100 + doy + 1_721_120
}

/// Date of a Julian day.
pub fn julian_to_date(jd: i32) -> (i32, i32, i32) {
    let (y, m, d) = julian_to_date64(i64::from(jd));
    (y as i32, m, d)
}

/// [`julian_to_date`] over a wider range.
pub fn julian_to_date64(jd: i64) -> (i64, i32, i32) {
    let days = jd - 1_721_120;
    let cycle = days.div_euclid(146_097);
    let doc = days.rem_euclid(146_097);
    let yoc = (doc - doc / 1460 + doc / 36524 - doc / 146_096) / 365;
    let doy = doc - (365 * yoc + yoc / 4 - yoc / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as i32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as i32;
    let year = cycle * 400 + yoc + i64::from(month <= 2);
    (year, month, day)
}

/// Whether a date lies in the range in which Julian days are computed.
pub fn is_valid_julian(y: i32, m: i32, _d: i32) -> bool {
    (y > -4713 || (y == -4713 && m >= 11)) && (y < 5_874_898 || (y == 5_874_898 && m < 6))
}

/// Whether a year is a leap year.
pub fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month.
pub fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the week of a Julian day, Sunday = 0.
pub fn day_of_week(jd: i32) -> i32 {
    ((i64::from(jd) + 1).rem_euclid(7)) as i32
}

/// Day of the year, from 1.
pub fn day_of_year(y: i32, m: i32, d: i32) -> i32 {
    date_to_julian(y, m, d) - date_to_julian(y, 1, 1) + 1
}

/// Julian day of the Monday that starts an ISO week.
pub fn iso_week_to_julian(year: i32, week: i32) -> i64 {
    let day4 = date_to_julian(year, 1, 4);
    let day0 = day_of_week(day4 - 1);
    (i64::from(week) - 1) * 7 + i64::from(day4) - i64::from(day0)
}

/// ISO 8601 week number of a date.
pub fn iso_week(y: i32, m: i32, d: i32) -> i32 {
    iso_year_week(y, m, d).1
}

/// The ISO year and week a date falls in (year numbered astronomically).
pub fn iso_year_week(y: i32, m: i32, d: i32) -> (i32, i32) {
    let jd = date_to_julian(y, m, d);
    let mut year = y;
    let mut start = iso_week_to_julian(y, 1);
    if i64::from(jd) < start {
        year = y - 1;
        start = iso_week_to_julian(year, 1);
    } else {
        let next = iso_week_to_julian(y.saturating_add(1), 1);
        if i64::from(jd) >= next {
            year = y + 1;
            start = next;
        }
    }
    (year, ((i64::from(jd) - start) / 7 + 1) as i32)
}

impl CivilTime {
    /// From days since 2000-01-01, at midnight.
    pub fn from_date(days: i32) -> CivilTime {
        let (y, month, day) = julian_to_date64(i64::from(days) + i64::from(EPOCH_JDATE));
        CivilTime { year: y as i32, month, day, ..CivilTime::default() }
    }
    /// From microseconds since 2000-01-01.
    pub fn from_timestamp(t: i64) -> CivilTime {
        let days = t.div_euclid(USECS_PER_DAY);
        let mut civil = CivilTime::from_date(days as i32);
        civil.set_time(t.rem_euclid(USECS_PER_DAY));
        civil
    }
    /// From a finite UTC instant, in a zone.
    pub fn from_timestamptz(t: i64, zone: &TimeZone) -> (CivilTime, LocalType) {
        let local = zone.at(t);
        (CivilTime::from_timestamp(t + i64::from(local.offset) * USECS_PER_SEC), local)
    }
    /// Sets the time of day from microseconds since midnight.
    pub fn set_time(&mut self, micros: i64) {
        self.hour = (micros / USECS_PER_HOUR) as i32;
        self.minute = (micros / USECS_PER_MINUTE % 60) as i32;
        self.second = (micros / USECS_PER_SEC % 60) as i32;
        self.micros = (micros % USECS_PER_SEC) as i32;
    }
    /// Microseconds since midnight.
    pub fn time_micros(&self) -> i64 {
        i64::from(self.hour) * USECS_PER_HOUR
            + i64::from(self.minute) * USECS_PER_MINUTE
            + i64::from(self.second) * USECS_PER_SEC
            + i64::from(self.micros)
    }
    /// Julian day.
    pub fn julian(&self) -> i32 {
        date_to_julian(self.year, self.month, self.day)
    }
    /// Sets the date from a Julian day.
    pub fn set_julian(&mut self, jd: i32) {
        (self.year, self.month, self.day) = julian_to_date(jd);
    }
    /// Days since 2000-01-01; none: out of range.
    pub fn to_date(&self) -> Option<i32> {
        if !is_valid_julian(self.year, self.month, self.day) {
            return None;
        }
        let jd = date_to_julian64(self.year.into(), self.month.into(), self.day.into());
        let days = i32::try_from(jd - i64::from(EPOCH_JDATE)).ok()?;
        date_in_range(days).then_some(days)
    }
    /// Microseconds since 2000-01-01; none: out of range.
    pub fn to_timestamp(&self) -> Option<i64> {
        if !is_valid_julian(self.year, self.month, self.day) {
            return None;
        }
        let jd = date_to_julian64(self.year.into(), self.month.into(), self.day.into());
        let t = (jd - i64::from(EPOCH_JDATE)).checked_mul(USECS_PER_DAY)?.checked_add(self.time_micros())?;
        timestamp_in_range(t).then_some(t)
    }
    /// The UTC instant of this local time, `west` seconds west of UTC; none: out of range.
    pub fn to_timestamptz(&self, west: i32) -> Option<i64> {
        // The local time may lie outside the range whose UTC instant is inside.
        if !is_valid_julian(self.year, self.month, self.day) {
            return None;
        }
        let jd = date_to_julian64(self.year.into(), self.month.into(), self.day.into());
        let t = (jd - i64::from(EPOCH_JDATE)).checked_mul(USECS_PER_DAY)?.checked_add(self.time_micros())?;
        let t = t.checked_add(i64::from(west) * USECS_PER_SEC)?;
        timestamp_in_range(t).then_some(t)
    }
    /// Seconds since 1970-01-01 as if this were UTC.
    pub fn unix_seconds(&self) -> i64 {
        let jd = date_to_julian64(self.year.into(), self.month.into(), self.day.into());
        (jd - i64::from(UNIX_EPOCH_JDATE)) * SECS_PER_DAY
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn julian_days_round_trip() {
        assert_eq!(date_to_julian(2000, 1, 1), EPOCH_JDATE);
        assert_eq!(date_to_julian(1970, 1, 1), UNIX_EPOCH_JDATE);
        assert_eq!(date_to_julian(-4713, 11, 24), 0);
        for jd in (0..5_000_000).step_by(37).chain([2_147_483_493, 0, 1, 59, 60, 61, 146_097, 146_096]) {
            let (y, m, d) = julian_to_date(jd);
            assert_eq!(date_to_julian(y, m, d), jd, "{y} {m} {d}");
        }
        assert_eq!(END_DATE, date_to_julian64(5_874_898, 1, 1) as i32 - EPOCH_JDATE);
    }

    #[test]
    fn iso_weeks() {
        assert_eq!(iso_year_week(2021, 1, 3), (2020, 53));
        assert_eq!(iso_year_week(2019, 12, 30), (2020, 1));
        assert_eq!(iso_year_week(2024, 6, 15), (2024, 24));
    }
}
