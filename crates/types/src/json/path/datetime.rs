//! `.datetime()`: strings as dates and times, their text and order.

use super::item::Moment;
use crate::datetime::encode::{push_date, push_iso8601, push_time, push_zone_minutes};
use crate::datetime::format::{Template, parse_datetime_strict};
use crate::datetime::{CivilTime, DateOrder, DateStyle, TimeTz, TimeZone, USECS_PER_SEC, convert, typmod};
use quarry_common::{Error, Result, SqlState, bail, err};
use std::cmp::Ordering;

/// Formats tried where no template is given.
const ISO_FORMATS: [&str; 19] = [
    "yyyy-mm-dd",
    "HH24:MI:SS.USTZH:TZM",
    "HH24:MI:SS.USTZH",
    "HH24:MI:SSTZH:TZM",
    "HH24:MI:SSTZH",
    "HH24:MI:SS.US",
    "HH24:MI:SS",
    "yyyy-mm-dd HH24:MI:SS.USTZH:TZM",
    "yyyy-mm-dd HH24:MI:SS.USTZH",
    "yyyy-mm-dd HH24:MI:SSTZH:TZM",
    "yyyy-mm-dd HH24:MI:SSTZH",
    "yyyy-mm-dd\"T\"HH24:MI:SS.USTZH:TZM",
    "yyyy-mm-dd\"T\"HH24:MI:SS.USTZH",
    "yyyy-mm-dd\"T\"HH24:MI:SSTZH:TZM",
    "yyyy-mm-dd\"T\"HH24:MI:SSTZH",
    "yyyy-mm-dd HH24:MI:SS.US",
    "yyyy-mm-dd HH24:MI:SS",
    "yyyy-mm-dd\"T\"HH24:MI:SS.US",
    "yyyy-mm-dd\"T\"HH24:MI:SS",
];

/// Checks a template, whose errors are never suppressed.
pub(super) fn check_template(format: &str) -> Result<()> {
    strict(format).map(|_| ())
}

fn strict(format: &str) -> Result<Template> {
    Template::parse_strict(format)
        .map_err(|c| err!(INVALID_DATETIME_FORMAT, "invalid datetime format separator: \"{c}\""))
}

/// Reads a string with a template, or with the first ISO format that fits.
pub(super) fn read(text: &str, template: Option<&str>) -> Result<Moment> {
    if let Some(t) = template {
        return read_with(text, t);
    }
    for format in ISO_FORMATS {
        if let Ok(m) = read_with(text, format) {
            return Ok(m);
        }
    }
    Err(err!(
        INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION,
        "datetime format is not recognized: \"{text}\""
    )
    .hint("Use a datetime template argument to specify the input data format."))
}

fn read_with(text: &str, format: &str) -> Result<Moment> {
    let template = strict(format)?;
    let r = parse_datetime_strict(text, &template)?;
    let (date, time, zone) = template.parts();
    let range = |what: &str| err!(DATETIME_VALUE_OUT_OF_RANGE, "{what} out of range");
    let precision = i32::from(r.fraction);
    let rounded = |t: i64| -> Result<i64> {
        if precision > 0 { typmod::adjust_timestamp(t, precision) } else { Ok(t) }
    };
    let rounded_time = |t: i64| if precision > 0 { typmod::adjust_time(t, precision) } else { t };
    let west = |kind: &str| {
        r.west
            .ok_or_else(|| err!(INVALID_DATETIME_FORMAT, "missing time zone in input string for type {kind}"))
    };
    match (date, time, zone) {
        (true, true, true) => {
            let west = west("timestamptz")?;
            let t = r.tm.to_timestamptz(west).ok_or_else(|| range("timestamptz"))?;
            Ok(Moment::TimestampTz(rounded(t)?, west))
        }
        (true, true, false) => {
            Ok(Moment::Timestamp(rounded(r.tm.to_timestamp().ok_or_else(|| range("timestamp"))?)?))
        }
        (true, false, true) => bail!(INVALID_DATETIME_FORMAT, "datetime format is zoned but not timed"),
        (true, false, false) => {
            let fail = || err!(DATETIME_VALUE_OUT_OF_RANGE, "date out of range: \"{text}\"");
            Ok(Moment::Date(r.tm.to_date().ok_or_else(fail)?))
        }
        (false, true, true) => {
            let zone = west("timetz")?;
            Ok(Moment::TimeTz(TimeTz { micros: rounded_time(r.tm.time_micros()), zone }))
        }
        (false, true, false) => Ok(Moment::Time(rounded_time(r.tm.time_micros()))),
        _ => bail!(INVALID_DATETIME_FORMAT, "datetime format is not dated and not timed"),
    }
}

impl Moment {
    /// The text it becomes in JSON.
    pub fn text(self) -> String {
        let mut out = Vec::new();
        match self {
            Moment::Date(d) => push_date(&mut out, d, DateStyle::Iso, DateOrder::Ymd),
            Moment::Time(t) => push_time(&mut out, t),
            Moment::TimeTz(t) => {
                push_time(&mut out, t.micros);
                push_zone_minutes(&mut out, t.zone);
            }
            Moment::Timestamp(t) => push_iso8601(&mut out, &CivilTime::from_timestamp(t), None),
            Moment::TimestampTz(t, west) => {
                let local = CivilTime::from_timestamp(t - i64::from(west) * USECS_PER_SEC);
                push_iso8601(&mut out, &local, Some(west));
            }
        }
        String::from_utf8(out).expect("made of ASCII")
    }
}

fn needs_zone(use_zone: bool, from: &str, to: &str) -> Result<()> {
    if use_zone {
        return Ok(());
    }
    Err(Error::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("cannot convert value from {from} to {to} without time zone usage"),
    )
    .hint("Use *_tz() function for time zone support."))
}

/// Order of two moments; none: of kinds that can't be compared. `zone` is the session's, if it may be used.
pub(super) fn compare(
    a: Moment,
    b: Moment,
    zone: Option<&TimeZone>,
    now_us: i64,
) -> Result<Option<Ordering>> {
    use Moment::{Date, Time, Timestamp, TimestampTz};
    let utc = TimeZone::utc();
    let session = zone.unwrap_or(&utc);
    let usable = zone.is_some();
    Ok(Some(match (a, b) {
        (Date(x), Date(y)) => x.cmp(&y),
        (Time(x), Time(y)) => x.cmp(&y),
        (Moment::TimeTz(x), Moment::TimeTz(y)) => x.cmp(&y),
        (Timestamp(x), Timestamp(y)) => x.cmp(&y),
        (TimestampTz(x, _), TimestampTz(y, _)) => x.cmp(&y),
        (Date(x), Timestamp(y)) => convert::date_to_timestamp_clamped(x).cmp(&y),
        (Timestamp(x), Date(y)) => x.cmp(&convert::date_to_timestamp_clamped(y)),
        (Date(x), TimestampTz(y, _)) => {
            needs_zone(usable, "date", "timestamptz")?;
            convert::date_to_timestamptz_clamped(x, session).cmp(&y)
        }
        (Timestamp(x), TimestampTz(y, _)) => {
            needs_zone(usable, "timestamp", "timestamptz")?;
            convert::timestamp_to_timestamptz_clamped(x, session).cmp(&y)
        }
        (Time(x), Moment::TimeTz(y)) => {
            needs_zone(usable, "time", "timetz")?;
            convert::time_to_timetz(x, now_us, session).cmp(&y)
        }
        (TimestampTz(..), Date(_) | Timestamp(_)) | (Moment::TimeTz(_), Time(_)) => {
            return Ok(compare(b, a, zone, now_us)?.map(Ordering::reverse));
        }
        _ => return Ok(None),
    }))
}
