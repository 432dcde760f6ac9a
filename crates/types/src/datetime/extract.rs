//! Fields of dates and times: what `extract` and `date_part` return, exactly.

use super::calendar::{day_of_week, day_of_year, iso_year_week};
use super::tokens::{Unit, field_name};
use super::*;
use quarry_common::{Error, Result, SqlState};

/// A field's value; the functions crate makes numeric (`extract`) or float8 (`date_part`) of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extracted {
    Null,
    Int(i64),
    /// `value / 10^scale`, printed with `scale` digits after the point.
    Scaled(i128, u8),
    /// Julian day and microseconds of the day: `day + micros / 86400000000`, by numeric division.
    Julian {
        day: i64,
        micros: i64,
    },
    Infinity,
    NegInfinity,
}

impl Extracted {
    /// As `date_part` returns it; none: NULL.
    pub fn to_f64(self) -> Option<f64> {
        Some(match self {
            Extracted::Null => return None,
            Extracted::Int(v) => v as f64,
            Extracted::Scaled(v, scale) => v as f64 / 10f64.powi(i32::from(scale)),
            Extracted::Julian { day, micros } => day as f64 + micros as f64 / USECS_PER_DAY as f64,
            Extracted::Infinity => f64::INFINITY,
            Extracted::NegInfinity => f64::NEG_INFINITY,
        })
    }
}

/// A type's name in messages about fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldsOf {
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
}

impl FieldsOf {
    fn type_name(self) -> &'static str {
        match self {
            FieldsOf::Date => "date",
            FieldsOf::Time => "time without time zone",
            FieldsOf::TimeTz => "time with time zone",
            FieldsOf::Timestamp => "timestamp without time zone",
            FieldsOf::TimestampTz => "timestamp with time zone",
            FieldsOf::Interval => "interval",
        }
    }
    /// 0A000: the type doesn't have the field.
    pub fn unsupported(self, field: &str) -> Error {
        Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unit \"{}\" not supported for type {}", field.to_ascii_lowercase(), self.type_name()),
        )
    }
    /// 22023: no such field.
    pub fn unknown(self, field: &str) -> Error {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("unit \"{}\" not recognized for type {}", field.to_ascii_lowercase(), self.type_name()),
        )
    }
    /// The field named `field`.
    pub fn unit(self, field: &str) -> Result<Unit> {
        let unit = field_name(field).ok_or_else(|| self.unknown(field))?;
        let dated = !matches!(self, FieldsOf::Time | FieldsOf::TimeTz | FieldsOf::Interval);
        let word = matches!(
            unit,
            Unit::Early
                | Unit::Late
                | Unit::Now
                | Unit::Yesterday
                | Unit::Today
                | Unit::Tomorrow
                | Unit::Zulu
        );
        if word && !dated { Err(self.unknown(field)) } else { Ok(unit) }
    }
}

/// Year as people count: no year 0.
fn shown_year(y: i32) -> i64 {
    if y > 0 { y.into() } else { i64::from(y) - 1 }
}
pub(super) fn decade(y: i32) -> i64 {
    if y >= 0 { i64::from(y) / 10 } else { -((8 - (i64::from(y) - 1)) / 10) }
}
pub(super) fn century(y: i32) -> i64 {
    if y > 0 { (i64::from(y) + 99) / 100 } else { -((99 - (i64::from(y) - 1)) / 100) }
}
pub(super) fn millennium(y: i32) -> i64 {
    if y > 0 { (i64::from(y) + 999) / 1000 } else { -((999 - (i64::from(y) - 1)) / 1000) }
}

fn time_field(tm: &CivilTime, unit: Unit) -> Option<Extracted> {
    let in_second = i128::from(tm.second) * 1_000_000 + i128::from(tm.micros);
    Some(match unit {
        Unit::Microsec => Extracted::Int(in_second as i64),
        Unit::Millisec => Extracted::Scaled(in_second, 3),
        Unit::Second => Extracted::Scaled(in_second, 6),
        Unit::Minute => Extracted::Int(tm.minute.into()),
        Unit::Hour => Extracted::Int(tm.hour.into()),
        _ => return None,
    })
}

fn date_field(tm: &CivilTime, unit: Unit) -> Option<Extracted> {
    let (y, m, d) = (tm.year, tm.month, tm.day);
    Some(Extracted::Int(match unit {
        Unit::Day => d.into(),
        Unit::Month => m.into(),
        Unit::Quarter => i64::from((m - 1) / 3 + 1),
        Unit::Week => iso_year_week(y, m, d).1.into(),
        Unit::Year => shown_year(y),
        Unit::Decade => decade(y),
        Unit::Century => century(y),
        Unit::Millennium => millennium(y),
        Unit::IsoYear => shown_year(iso_year_week(y, m, d).0),
        Unit::Dow => day_of_week(tm.julian()).into(),
        Unit::IsoDow => match day_of_week(tm.julian()) {
            0 => 7,
            w => w.into(),
        },
        Unit::Doy => day_of_year(y, m, d).into(),
        _ => return None,
    }))
}

fn zone_field(west: i32, unit: Unit) -> Option<Extracted> {
    Some(Extracted::Int(
        match unit {
            Unit::Tz => -west,
            Unit::TzHour => -west / 3600,
            Unit::TzMinute => -west / 60 % 60,
            _ => return None,
        }
        .into(),
    ))
}

/// Fields of infinite dates and timestamps: those that only grow are infinite, the others NULL.
fn infinite_field(unit: Unit, negative: bool) -> Option<Extracted> {
    Some(match unit {
        Unit::Microsec
        | Unit::Millisec
        | Unit::Second
        | Unit::Minute
        | Unit::Hour
        | Unit::Day
        | Unit::Month
        | Unit::Quarter
        | Unit::Week
        | Unit::Dow
        | Unit::IsoDow
        | Unit::Doy
        | Unit::Tz
        | Unit::TzHour
        | Unit::TzMinute => Extracted::Null,
        Unit::Year
        | Unit::Decade
        | Unit::Century
        | Unit::Millennium
        | Unit::Julian
        | Unit::IsoYear
        | Unit::Epoch => {
            if negative {
                Extracted::NegInfinity
            } else {
                Extracted::Infinity
            }
        }
        _ => return None,
    })
}

/// A field of a date.
pub fn from_date(d: i32, unit: Unit) -> Option<Extracted> {
    let has_time = matches!(
        unit,
        Unit::Microsec
            | Unit::Millisec
            | Unit::Second
            | Unit::Minute
            | Unit::Hour
            | Unit::Tz
            | Unit::TzHour
            | Unit::TzMinute
    );
    if has_time {
        return None;
    }
    if date_is_infinite(d) {
        return infinite_field(unit, d < 0);
    }
    match unit {
        Unit::Julian => Some(Extracted::Int(i64::from(d) + i64::from(EPOCH_JDATE))),
        Unit::Epoch => {
            let days = i64::from(d) + i64::from(EPOCH_JDATE - UNIX_EPOCH_JDATE);
            Some(Extracted::Int(days * SECS_PER_DAY))
        }
        _ => date_field(&CivilTime::from_date(d), unit),
    }
}

/// A field of a time of day.
pub fn from_time(t: i64, unit: Unit) -> Option<Extracted> {
    if unit == Unit::Epoch {
        return Some(Extracted::Scaled(t.into(), 6));
    }
    let mut tm = CivilTime::default();
    tm.set_time(t);
    time_field(&tm, unit)
}

/// A field of a time of day with time zone.
pub fn from_timetz(t: TimeTz, unit: Unit) -> Option<Extracted> {
    match unit {
        Unit::Epoch => Some(Extracted::Scaled(t.utc_micros().into(), 6)),
        _ => zone_field(t.zone, unit).or_else(|| from_time(t.micros, unit)),
    }
}

fn civil_field(tm: &CivilTime, utc: i64, unit: Unit) -> Option<Extracted> {
    match unit {
        Unit::Julian => Some(Extracted::Julian { day: tm.julian().into(), micros: tm.time_micros() }),
        Unit::Epoch => {
            let micros = i128::from(utc) + i128::from(UNIX_EPOCH_OFFSET * USECS_PER_SEC);
            Some(Extracted::Scaled(micros, 6))
        }
        _ => time_field(tm, unit).or_else(|| date_field(tm, unit)),
    }
}

/// A field of a timestamp.
pub fn from_timestamp(t: i64, unit: Unit) -> Option<Extracted> {
    if timestamp_is_infinite(t) {
        return infinite_field(unit, t < 0);
    }
    civil_field(&CivilTime::from_timestamp(t), t, unit)
}

/// A field of a timestamp with time zone, in a zone.
pub fn from_timestamptz(t: i64, unit: Unit, zone: &TimeZone) -> Option<Extracted> {
    if timestamp_is_infinite(t) {
        return infinite_field(unit, t < 0);
    }
    let (tm, kind) = CivilTime::from_timestamptz(t, zone);
    zone_field(-kind.offset, unit).or_else(|| civil_field(&tm, t, unit))
}

/// A field of an interval.
pub fn from_interval(i: Interval, unit: Unit) -> Option<Extracted> {
    let years = i64::from(i.months / 12);
    let in_minute = i128::from(i.micros % USECS_PER_MINUTE);
    Some(match unit {
        Unit::Microsec => Extracted::Int(in_minute as i64),
        Unit::Millisec => Extracted::Scaled(in_minute, 3),
        Unit::Second => Extracted::Scaled(in_minute, 6),
        Unit::Minute => Extracted::Int(i.micros / USECS_PER_MINUTE % 60),
        Unit::Hour => Extracted::Int(i.micros / USECS_PER_HOUR),
        Unit::Day => Extracted::Int(i.days.into()),
        Unit::Month => Extracted::Int((i.months % 12).into()),
        Unit::Quarter => Extracted::Int((i.months % 12 / 3 + 1).into()),
        Unit::Year => Extracted::Int(years),
        Unit::Decade => Extracted::Int(years / 10),
        Unit::Century => Extracted::Int(years / 100),
        Unit::Millennium => Extracted::Int(years / 1000),
        Unit::Epoch => {
            // A year is 365.25 days here; quarters of days keep that exact.
            let quarter_days = i128::from(years) * 1461
                + i128::from(i.months % 12) * i128::from(4 * DAYS_PER_MONTH)
                + i128::from(i.days) * 4;
            let secs = quarter_days * i128::from(SECS_PER_DAY / 4);
            Extracted::Scaled(secs * i128::from(USECS_PER_SEC) + i128::from(i.micros), 6)
        }
        _ => return None,
    })
}

/// `extract(field from date)` with PostgreSQL's errors.
pub fn extract_date(field: &str, d: i32) -> Result<Extracted> {
    let of = FieldsOf::Date;
    from_date(d, of.unit(field)?).ok_or_else(|| of.unsupported(field))
}
/// `extract(field from time)`.
pub fn extract_time(field: &str, t: i64) -> Result<Extracted> {
    let of = FieldsOf::Time;
    from_time(t, of.unit(field)?).ok_or_else(|| of.unsupported(field))
}
/// `extract(field from timetz)`.
pub fn extract_timetz(field: &str, t: TimeTz) -> Result<Extracted> {
    let of = FieldsOf::TimeTz;
    from_timetz(t, of.unit(field)?).ok_or_else(|| of.unsupported(field))
}
/// `extract(field from timestamp)`.
pub fn extract_timestamp(field: &str, t: i64) -> Result<Extracted> {
    let of = FieldsOf::Timestamp;
    from_timestamp(t, of.unit(field)?).ok_or_else(|| of.unsupported(field))
}
/// `extract(field from timestamptz)`.
pub fn extract_timestamptz(field: &str, t: i64, zone: &TimeZone) -> Result<Extracted> {
    let of = FieldsOf::TimestampTz;
    from_timestamptz(t, of.unit(field)?, zone).ok_or_else(|| of.unsupported(field))
}
/// `extract(field from interval)`.
pub fn extract_interval(field: &str, i: Interval) -> Result<Extracted> {
    let of = FieldsOf::Interval;
    from_interval(i, of.unit(field)?).ok_or_else(|| of.unsupported(field))
}
/// `date_part(field, timetz)`: as [`extract_timetz`], but the epoch is summed in floating point.
pub fn part_timetz(field: &str, t: TimeTz) -> Result<Option<f64>> {
    let of = FieldsOf::TimeTz;
    let unit = of.unit(field)?;
    if unit == Unit::Epoch {
        return Ok(Some(t.micros as f64 / 1_000_000.0 + f64::from(t.zone)));
    }
    Ok(from_timetz(t, unit).ok_or_else(|| of.unsupported(field))?.to_f64())
}
/// `date_part(field, interval)`: as [`extract_interval`], but the epoch is summed in floating point.
pub fn part_interval(field: &str, i: Interval) -> Result<Option<f64>> {
    let of = FieldsOf::Interval;
    let unit = of.unit(field)?;
    if unit == Unit::Epoch {
        let day = SECS_PER_DAY as f64;
        let mut secs = i.micros as f64 / 1_000_000.0;
        secs += 365.25 * day * f64::from(i.months / 12);
        secs += DAYS_PER_MONTH as f64 * day * f64::from(i.months % 12);
        return Ok(Some(secs + day * f64::from(i.days)));
    }
    Ok(from_interval(i, unit).ok_or_else(|| of.unsupported(field))?.to_f64())
}
