//! Sums and differences of dates, times, timestamps and intervals; `age`, `date_bin`, `OVERLAPS`.

use super::calendar::days_in_month;
use super::io::out_of_range;
use super::*;
use quarry_common::{Result, bail, err};

/// Adds months to a local time; the day is clamped to the month's last. None: the year leaves i32.
pub fn add_months(tm: &mut CivilTime, months: i64) -> Option<()> {
    let total = i64::from(tm.year) * 12 + i64::from(tm.month) - 1 + months;
    tm.year = i32::try_from(total.div_euclid(12)).ok()?;
    tm.month = total.rem_euclid(12) as i32 + 1;
    tm.day = tm.day.min(days_in_month(tm.year, tm.month));
    Some(())
}

fn add_days(tm: &mut CivilTime, days: i64) -> Option<()> {
    let jd = i64::from(tm.julian()) + days;
    if !(0..=i64::from(i32::MAX)).contains(&jd) {
        return None;
    }
    tm.set_julian(jd as i32);
    Some(())
}

/// Adds (`sign` 1) or subtracts (-1) an interval in steps: months, days, time.
fn shift_timestamp(t: i64, i: Interval, sign: i64) -> Option<i64> {
    let mut t = t;
    if i.months != 0 {
        let mut tm = CivilTime::from_timestamp(t);
        add_months(&mut tm, i64::from(i.months) * sign)?;
        t = tm.to_timestamp()?;
    }
    if i.days != 0 {
        let mut tm = CivilTime::from_timestamp(t);
        add_days(&mut tm, i64::from(i.days) * sign)?;
        t = tm.to_timestamp()?;
    }
    t = t.checked_add(i.micros.checked_mul(sign)?)?;
    timestamp_in_range(t).then_some(t)
}

fn shift_timestamptz(t: i64, i: Interval, sign: i64, zone: &TimeZone) -> Option<i64> {
    let mut t = t;
    if i.months != 0 {
        let (mut tm, _) = CivilTime::from_timestamptz(t, zone);
        add_months(&mut tm, i64::from(i.months) * sign)?;
        t = tm.to_timestamptz(zone.local_west(&tm))?;
    }
    if i.days != 0 {
        let (mut tm, _) = CivilTime::from_timestamptz(t, zone);
        add_days(&mut tm, i64::from(i.days) * sign)?;
        t = tm.to_timestamptz(zone.local_west(&tm))?;
    }
    t = t.checked_add(i.micros.checked_mul(sign)?)?;
    timestamp_in_range(t).then_some(t)
}

/// timestamp + interval.
pub fn timestamp_add(t: i64, i: Interval) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    shift_timestamp(t, i, 1).ok_or_else(|| out_of_range("timestamp"))
}
/// timestamp - interval.
pub fn timestamp_sub(t: i64, i: Interval) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    shift_timestamp(t, i, -1).ok_or_else(|| out_of_range("timestamp"))
}
/// timestamptz + interval: months and days by the zone's calendar, time absolute.
pub fn timestamptz_add(t: i64, i: Interval, zone: &TimeZone) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    shift_timestamptz(t, i, 1, zone).ok_or_else(|| out_of_range("timestamp"))
}
/// timestamptz - interval.
pub fn timestamptz_sub(t: i64, i: Interval, zone: &TimeZone) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    shift_timestamptz(t, i, -1, zone).ok_or_else(|| out_of_range("timestamp"))
}
/// timestamp - timestamp: days and time. Also of timestamptz.
pub fn timestamp_diff(a: i64, b: i64) -> Result<Interval> {
    if timestamp_is_infinite(a) || timestamp_is_infinite(b) {
        bail!(DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite timestamps");
    }
    let micros = a.checked_sub(b).ok_or_else(|| out_of_range("interval"))?;
    Interval { months: 0, days: 0, micros }.justify_hours()
}

/// date + integer.
pub fn date_add_days(d: i32, days: i32) -> Result<i32> {
    if date_is_infinite(d) {
        return Ok(d);
    }
    d.checked_add(days).filter(|r| date_in_range(*r)).ok_or_else(|| out_of_range("date"))
}
/// date - integer.
pub fn date_sub_days(d: i32, days: i32) -> Result<i32> {
    if date_is_infinite(d) {
        return Ok(d);
    }
    d.checked_sub(days).filter(|r| date_in_range(*r)).ok_or_else(|| out_of_range("date"))
}
/// date - date, in days.
pub fn date_diff(a: i32, b: i32) -> Result<i32> {
    if date_is_infinite(a) || date_is_infinite(b) {
        bail!(DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite dates");
    }
    Ok(a - b)
}
/// date + interval: a timestamp.
pub fn date_add(d: i32, i: Interval) -> Result<i64> {
    timestamp_add(convert::date_to_timestamp(d)?, i)
}
/// date - interval: a timestamp.
pub fn date_sub(d: i32, i: Interval) -> Result<i64> {
    timestamp_sub(convert::date_to_timestamp(d)?, i)
}
/// date + time: a timestamp.
pub fn date_add_time(d: i32, time: i64) -> Result<i64> {
    let t = convert::date_to_timestamp(d)?;
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    t.checked_add(time).filter(|t| timestamp_in_range(*t)).ok_or_else(|| out_of_range("timestamp"))
}
/// date + timetz: a timestamptz.
pub fn date_add_timetz(d: i32, time: TimeTz) -> Result<i64> {
    let t = convert::date_to_timestamp(d)?;
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    t.checked_add(time.utc_micros())
        .filter(|t| timestamp_in_range(*t))
        .ok_or_else(|| out_of_range("timestamp"))
}

/// time + interval, within the day; months and days do not count.
pub fn time_add(t: i64, i: Interval) -> i64 {
    (t + i.micros % USECS_PER_DAY).rem_euclid(USECS_PER_DAY)
}
/// time - interval.
pub fn time_sub(t: i64, i: Interval) -> i64 {
    (t - i.micros % USECS_PER_DAY).rem_euclid(USECS_PER_DAY)
}
/// timetz + interval.
pub fn timetz_add(t: TimeTz, i: Interval) -> TimeTz {
    TimeTz { micros: time_add(t.micros, i), zone: t.zone }
}
/// timetz - interval.
pub fn timetz_sub(t: TimeTz, i: Interval) -> TimeTz {
    TimeTz { micros: time_sub(t.micros, i), zone: t.zone }
}
/// time - time.
pub fn time_diff(a: i64, b: i64) -> Interval {
    Interval { months: 0, days: 0, micros: a - b }
}

/// `age(a, b)` of local times: years, months, days and time from field differences.
fn civil_age(a: &CivilTime, b: &CivilTime, flip: bool) -> Interval {
    let (late, early) = if flip { (b, a) } else { (a, b) };
    let mut micros = late.micros - early.micros;
    let mut second = late.second - early.second;
    let mut minute = late.minute - early.minute;
    let mut hour = late.hour - early.hour;
    let mut day = late.day - early.day;
    let mut month = late.month - early.month;
    let mut year = i64::from(late.year) - i64::from(early.year);
    let borrow = |low: &mut i32, size: i32, high: &mut i32| {
        while *low < 0 {
            *low += size;
            *high -= 1;
        }
    };
    borrow(&mut micros, 1_000_000, &mut second);
    borrow(&mut second, 60, &mut minute);
    borrow(&mut minute, 60, &mut hour);
    borrow(&mut hour, 24, &mut day);
    // Days are borrowed from the earlier time's month.
    borrow(&mut day, days_in_month(early.year, early.month), &mut month);
    while month < 0 {
        month += 12;
        year -= 1;
    }
    let sign = if flip { -1 } else { 1 };
    let time = i64::from(hour) * USECS_PER_HOUR
        + i64::from(minute) * USECS_PER_MINUTE
        + i64::from(second) * USECS_PER_SEC
        + i64::from(micros);
    Interval {
        months: (sign * (year * 12 + i64::from(month))) as i32,
        days: sign as i32 * day,
        micros: sign * time,
    }
}

fn age_input(t: i64) -> Result<i64> {
    if t < MIN_TIMESTAMP { Err(out_of_range("timestamp")) } else { Ok(t) }
}

/// `age(timestamp, timestamp)`.
pub fn timestamp_age(a: i64, b: i64) -> Result<Interval> {
    let (a, b) = (age_input(a)?, age_input(b)?);
    Ok(civil_age(&CivilTime::from_timestamp(a), &CivilTime::from_timestamp(b), a < b))
}
/// `age(timestamptz, timestamptz)`: of the local times in a zone.
pub fn timestamptz_age(a: i64, b: i64, zone: &TimeZone) -> Result<Interval> {
    let (a, b) = (age_input(a)?, age_input(b)?);
    if a == TIMESTAMP_INFINITY || b == TIMESTAMP_INFINITY {
        return Err(out_of_range("timestamp"));
    }
    let (ca, cb) = (CivilTime::from_timestamptz(a, zone).0, CivilTime::from_timestamptz(b, zone).0);
    Ok(civil_age(&ca, &cb, a < b))
}

/// `date_bin(stride, source, origin)`, of timestamp and timestamptz.
pub fn date_bin(stride: Interval, t: i64, origin: i64) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    if timestamp_is_infinite(origin) {
        bail!(DATETIME_VALUE_OUT_OF_RANGE, "origin out of range");
    }
    if stride.months != 0 {
        bail!(FEATURE_NOT_SUPPORTED, "timestamps cannot be binned into intervals containing months or years");
    }
    let stride = i128::from(stride.days) * i128::from(USECS_PER_DAY) + i128::from(stride.micros);
    let stride = i64::try_from(stride).map_err(|_| out_of_range("interval"))?;
    if stride <= 0 {
        bail!(DATETIME_VALUE_OUT_OF_RANGE, "stride must be greater than zero");
    }
    let diff = i128::from(t) - i128::from(origin);
    let r = i128::from(origin) + diff - diff.rem_euclid(i128::from(stride));
    i64::try_from(r)
        .ok()
        .filter(|r| timestamp_in_range(*r))
        .ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range"))
}

/// `(s1, e1) OVERLAPS (s2, e2)` with SQL's rules for NULLs; none: unknown. For timetz compare [`TimeTz`]s.
pub fn overlaps<T: Ord + Copy>(s1: Option<T>, e1: Option<T>, s2: Option<T>, e2: Option<T>) -> Option<bool> {
    // A start that is known, and an end that isn't before it.
    let order = |s: Option<T>, e: Option<T>| match (s, e) {
        (None, e) => e.map(|e| (e, None)),
        (Some(s), Some(e)) if s > e => Some((e, Some(s))),
        (Some(s), e) => Some((s, e)),
    };
    let (s1, e1) = order(s1, e1)?;
    let (s2, e2) = order(s2, e2)?;
    let ((_, first_end), (second, second_end)) = match s1.cmp(&s2) {
        std::cmp::Ordering::Greater => ((s2, e2), (s1, e1)),
        std::cmp::Ordering::Less => ((s1, e1), (s2, e2)),
        std::cmp::Ordering::Equal => return e1.and(e2).map(|_| true),
    };
    if second < first_end? {
        return Some(true);
    }
    second_end.map(|_| false)
}
