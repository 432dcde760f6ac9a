//! `date_trunc`.

use super::calendar::{iso_week_to_julian, iso_year_week};
use super::extract::FieldsOf;
use super::io::out_of_range;
use super::tokens::{Kind, Unit, unit_token};
use super::*;
use quarry_common::Result;

fn trunc_unit(field: &str, of: FieldsOf) -> Result<Unit> {
    match unit_token(&field.to_ascii_lowercase()) {
        Some((Kind::Units, v)) => Unit::from_i32(v).ok_or_else(|| of.unknown(field)),
        _ => Err(of.unknown(field)),
    }
}

/// How coarse a unit is; none: time can't be cut off at it.
fn rank(unit: Unit) -> Option<u8> {
    Some(match unit {
        Unit::Microsec => 0,
        Unit::Millisec => 1,
        Unit::Second => 2,
        Unit::Minute => 3,
        Unit::Hour => 4,
        Unit::Day => 5,
        Unit::Week => 6,
        Unit::Month => 7,
        Unit::Quarter => 8,
        Unit::Year => 9,
        Unit::Decade => 10,
        Unit::Century => 11,
        Unit::Millennium => 12,
        _ => return None,
    })
}

/// Cuts a local time; false: the unit isn't supported.
fn trunc_civil(tm: &mut CivilTime, unit: Unit) -> bool {
    let Some(rank) = rank(unit) else { return false };
    match rank {
        0 => return true,
        1 => tm.micros -= tm.micros % 1000,
        _ => tm.micros = 0,
    }
    if rank >= 3 {
        tm.second = 0;
    }
    if rank >= 4 {
        tm.minute = 0;
    }
    if rank >= 5 {
        tm.hour = 0;
    }
    if unit == Unit::Week {
        let (year, week) = iso_year_week(tm.year, tm.month, tm.day);
        tm.set_julian(iso_week_to_julian(year, week) as i32);
        return true;
    }
    if rank >= 7 {
        tm.day = 1;
    }
    if rank >= 8 {
        tm.month = (tm.month - 1) / 3 * 3 + 1;
    }
    if rank >= 9 {
        tm.month = 1;
    }
    let y = tm.year;
    tm.year = match unit {
        Unit::Decade if y > 0 => y / 10 * 10,
        Unit::Decade => (extract::decade(y) * 10) as i32,
        Unit::Century if y > 0 => (y + 99) / 100 * 100 - 99,
        Unit::Century => (extract::century(y) * 100) as i32 + 1,
        Unit::Millennium if y > 0 => (y + 999) / 1000 * 1000 - 999,
        Unit::Millennium => (extract::millennium(y) * 1000) as i32 + 1,
        _ => y,
    };
    true
}

/// `date_trunc(field, timestamp)`.
pub fn trunc_timestamp(field: &str, t: i64) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    let of = FieldsOf::Timestamp;
    let unit = trunc_unit(field, of)?;
    let mut tm = CivilTime::from_timestamp(t);
    if !trunc_civil(&mut tm, unit) {
        return Err(of.unsupported(field));
    }
    tm.to_timestamp().ok_or_else(|| out_of_range("timestamp"))
}

/// `date_trunc(field, timestamptz [, zone])`.
pub fn trunc_timestamptz(field: &str, t: i64, zone: &TimeZone) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    let of = FieldsOf::TimestampTz;
    let unit = trunc_unit(field, of)?;
    let (mut tm, kind) = CivilTime::from_timestamptz(t, zone);
    if !trunc_civil(&mut tm, unit) {
        return Err(of.unsupported(field));
    }
    // Below days the offset stays as it was, so that hours repeated in autumn stay apart.
    let west = if rank(unit).is_some_and(|r| r >= 5) { zone.local_west(&tm) } else { -kind.offset };
    tm.to_timestamptz(west).ok_or_else(|| out_of_range("timestamp"))
}

/// `date_trunc(field, timestamptz, zone)` with the zone given as text.
pub fn trunc_timestamptz_zone(field: &str, t: i64, zone: &str) -> Result<i64> {
    if timestamp_is_infinite(t) {
        return Ok(t);
    }
    let zone = named_or_abbreviated(zone)?;
    trunc_timestamptz(field, t, &zone)
}

/// The zone of a name; a fixed abbreviation becomes a zone of its offset.
fn named_or_abbreviated(name: &str) -> Result<std::sync::Arc<TimeZone>> {
    use super::zone_abbrev::{Meaning, lookup};
    match lookup(&name.to_ascii_lowercase()) {
        Some(Meaning::Fixed(east, _)) => {
            TimeZone::from_offset_west(-east).ok_or_else(|| zone::not_recognized(name))
        }
        Some(Meaning::Zone(full)) => TimeZone::named(full),
        None => TimeZone::named(name),
    }
}

/// `date_trunc(field, interval)`.
pub fn trunc_interval(field: &str, i: Interval) -> Result<Interval> {
    let of = FieldsOf::Interval;
    let unit = trunc_unit(field, of)?;
    let cut_time = |size: i64| Interval { micros: i.micros - i.micros % size, ..i };
    let cut_months = |size: i32| Interval { months: i.months - i.months % size, days: 0, micros: 0 };
    Ok(match unit {
        Unit::Microsec => i,
        Unit::Millisec => cut_time(1000),
        Unit::Second => cut_time(USECS_PER_SEC),
        Unit::Minute => cut_time(USECS_PER_MINUTE),
        Unit::Hour => cut_time(USECS_PER_HOUR),
        Unit::Day => Interval { micros: 0, ..i },
        Unit::Month => cut_months(1),
        Unit::Quarter => cut_months(3),
        Unit::Year => cut_months(12),
        Unit::Decade => cut_months(120),
        Unit::Century => cut_months(1200),
        Unit::Millennium => cut_months(12000),
        Unit::Week => return Err(of.unsupported(field).detail("Months usually have fractional weeks.")),
        _ => return Err(of.unsupported(field)),
    })
}
