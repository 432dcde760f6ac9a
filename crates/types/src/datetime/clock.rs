//! Current date and time as values: what `now`, `current_date` and their relatives make of the transaction's start.

use super::*;

/// The local date and time of an instant.
pub fn local(now_us: i64, zone: &TimeZone) -> CivilTime {
    CivilTime::from_timestamptz(now_us, zone).0
}
/// `current_date`.
pub fn current_date(now_us: i64, zone: &TimeZone) -> i32 {
    local(now_us, zone).to_date().unwrap_or(0)
}
/// `localtimestamp`, before rounding to a precision.
pub fn local_timestamp(now_us: i64, zone: &TimeZone) -> i64 {
    now_us + i64::from(zone.at(now_us).offset) * USECS_PER_SEC
}
/// `localtime`, before rounding to a precision.
pub fn local_time(now_us: i64, zone: &TimeZone) -> i64 {
    local_timestamp(now_us, zone).rem_euclid(USECS_PER_DAY)
}
/// `current_time`, before rounding to a precision.
pub fn current_time(now_us: i64, zone: &TimeZone) -> TimeTz {
    TimeTz { micros: local_time(now_us, zone), zone: -zone.at(now_us).offset }
}
/// A zone's current entry for `pg_timezone_names`: abbreviation, seconds east of UTC, daylight saving.
pub fn zone_now(now_us: i64, zone: &TimeZone) -> (String, i32, bool) {
    let kind = zone.at(now_us);
    (kind.abbrev.as_str().to_string(), kind.offset, kind.is_dst)
}
/// An abbreviation's current entry for `pg_timezone_abbrevs`: seconds east of UTC, daylight saving. Date-dependent
/// ones are looked up in their zone.
pub fn abbrev_now(abbrev: &str, meaning: zone_abbrev::Meaning, now_us: i64) -> Option<(i32, bool)> {
    match meaning {
        zone_abbrev::Meaning::Fixed(offset, dst) => Some((offset, dst)),
        zone_abbrev::Meaning::Zone(name) => {
            let zone = TimeZone::by_name(name)?;
            let unix = now_us.div_euclid(USECS_PER_SEC) + UNIX_EPOCH_OFFSET;
            let kind = zone.interpret_abbrev(abbrev, unix).unwrap_or_else(|| zone.at_unix(unix));
            Some((kind.offset, kind.is_dst))
        }
    }
}
