//! Casts between date and time types, and `AT TIME ZONE`.

use super::io::out_of_range;
use super::zone_abbrev::ZoneSpec;
use super::*;
use quarry_common::{Result, bail, err};

/// date -> timestamp, at midnight.
pub fn date_to_timestamp(d: i32) -> Result<i64> {
    match d {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        _ => {
            let t = i64::from(d).checked_mul(USECS_PER_DAY).filter(|t| *t < END_TIMESTAMP);
            t.ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range for timestamp"))
        }
    }
}

/// date -> timestamp for comparisons: dates past the last timestamp count as infinity.
pub fn date_to_timestamp_clamped(d: i32) -> i64 {
    date_to_timestamp(d).unwrap_or(TIMESTAMP_INFINITY)
}

/// date -> timestamptz, at local midnight.
pub fn date_to_timestamptz(d: i32, zone: &TimeZone) -> Result<i64> {
    if date_is_infinite(d) {
        return date_to_timestamp(d);
    }
    date_to_timestamp(d)?;
    let tm = CivilTime::from_date(d);
    tm.to_timestamptz(zone.local_west(&tm))
        .ok_or_else(|| err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range for timestamp"))
}

/// date -> timestamptz for comparisons.
pub fn date_to_timestamptz_clamped(d: i32, zone: &TimeZone) -> i64 {
    date_to_timestamptz(d, zone).unwrap_or(if d < 0 { TIMESTAMP_NEG_INFINITY } else { TIMESTAMP_INFINITY })
}

/// timestamp -> date.
pub fn timestamp_to_date(t: i64) -> i32 {
    match t {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        _ => t.div_euclid(USECS_PER_DAY) as i32,
    }
}

/// timestamptz -> date, in a zone.
pub fn timestamptz_to_date(t: i64, zone: &TimeZone) -> i32 {
    timestamp_to_date(timestamptz_to_timestamp(t, zone))
}

/// timestamptz -> timestamp: the local time.
#[inline]
pub fn timestamptz_to_timestamp(t: i64, zone: &TimeZone) -> i64 {
    if timestamp_is_infinite(t) {
        return t;
    }
    t + i64::from(zone.at(t).offset) * USECS_PER_SEC
}

/// timestamp -> timestamptz.
pub fn timestamp_to_timestamptz(t: i64, zone: &TimeZone) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    let west = zone.local_west(&CivilTime::from_timestamp(t));
    checked_shift(t, west)
}

/// timestamp -> timestamptz for comparisons.
pub fn timestamp_to_timestamptz_clamped(t: i64, zone: &TimeZone) -> i64 {
    timestamp_to_timestamptz(t, zone).unwrap_or(if t < 0 {
        TIMESTAMP_NEG_INFINITY
    } else {
        TIMESTAMP_INFINITY
    })
}

fn checked_shift(t: i64, seconds: i32) -> Result<i64> {
    t.checked_add(i64::from(seconds) * USECS_PER_SEC)
        .filter(|t| timestamp_in_range(*t))
        .ok_or_else(|| out_of_range("timestamp"))
}

/// timestamp -> time of day; none for infinities.
pub fn timestamp_to_time(t: i64) -> Option<i64> {
    (!timestamp_is_infinite(t)).then(|| t.rem_euclid(USECS_PER_DAY))
}
/// timestamptz -> time of day in a zone; none for infinities.
pub fn timestamptz_to_time(t: i64, zone: &TimeZone) -> Option<i64> {
    timestamp_to_time(timestamptz_to_timestamp(t, zone))
}
/// timestamptz -> timetz in a zone; none for infinities.
pub fn timestamptz_to_timetz(t: i64, zone: &TimeZone) -> Option<TimeTz> {
    let micros = timestamptz_to_time(t, zone)?;
    Some(TimeTz { micros, zone: -zone.at(t).offset })
}
/// time -> timetz, with the offset the zone has at that time today.
pub fn time_to_timetz(time: i64, now_us: i64, zone: &TimeZone) -> TimeTz {
    let mut tm = clock::local(now_us, zone);
    tm.set_time(time);
    TimeTz { micros: time, zone: zone.local_west(&tm) }
}
/// time -> interval.
pub fn time_to_interval(time: i64) -> Interval {
    Interval { months: 0, days: 0, micros: time }
}
/// interval -> time: its time part, within a day.
pub fn interval_to_time(i: Interval) -> i64 {
    i.micros.rem_euclid(USECS_PER_DAY)
}

/// timestamp AT TIME ZONE zone: the instant at which the zone's clock shows it.
pub fn timestamp_at_zone(t: i64, zone: &ZoneSpec) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    checked_shift(t, -zone.offset_of_local(&CivilTime::from_timestamp(t)))
}
/// timestamptz AT TIME ZONE zone: what the zone's clock shows.
pub fn timestamptz_at_zone(t: i64, zone: &ZoneSpec) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    checked_shift(t, zone.offset_at(t))
}
/// [`timestamp_at_zone`] with the zone as text; infinities need no zone.
pub fn timestamp_at_zone_name(t: i64, zone: &str) -> Result<i64> {
    if timestamp_is_infinite(t) { Ok(t) } else { timestamp_at_zone(t, &ZoneSpec::parse(zone)?) }
}
/// [`timestamptz_at_zone`] with the zone as text; infinities need no zone.
pub fn timestamptz_at_zone_name(t: i64, zone: &str) -> Result<i64> {
    if timestamp_is_infinite(t) { Ok(t) } else { timestamptz_at_zone(t, &ZoneSpec::parse(zone)?) }
}
/// timetz AT TIME ZONE zone, with the offset the zone has now.
pub fn timetz_at_zone(t: TimeTz, zone: &ZoneSpec, now_us: i64) -> TimeTz {
    let west = -zone.offset_at(now_us);
    let micros = (t.micros + i64::from(t.zone - west) * USECS_PER_SEC).rem_euclid(USECS_PER_DAY);
    TimeTz { micros, zone: west }
}
/// The zone an interval stands for in `AT TIME ZONE interval`; `style` is for the error's text.
pub fn interval_zone(i: Interval, style: IntervalStyle) -> Result<ZoneSpec> {
    if i.months != 0 || i.days != 0 {
        let mut text = Vec::new();
        interval_out::push_interval(&mut text, i, style);
        bail!(
            INVALID_PARAMETER_VALUE,
            "interval time zone \"{}\" must not include months or days",
            String::from_utf8_lossy(&text)
        );
    }
    let seconds = i32::try_from(i.micros / USECS_PER_SEC).map_err(|_| out_of_range("interval"))?;
    Ok(ZoneSpec::Fixed(seconds))
}
