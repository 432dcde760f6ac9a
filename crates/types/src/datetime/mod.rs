//! Date and time types: calendar, time zones, text and binary forms, arithmetic, formatting.
//!
//! A date is days, a timestamp microseconds since 2000-01-01 (proleptic Gregorian calendar; astronomical year 0 is
//! 1 BC); the type's extreme integers are the infinities. Values here are plain integers, [`Interval`] and [`TimeTz`];
//! `io` ties them to [`crate::Datum`]. Behaviour follows PostgreSQL's `datetime.c`, `timestamp.c`, `date.c`,
//! `formatting.c` and `localtime.c`.
//!
//! Input: text -> [`lexer`] (typed fields) -> [`decode`] or [`interval_in`] -> [`CivilTime`] -> integer.
//! Output: integer -> [`CivilTime`] -> [`encode`].

pub mod arith;
pub mod calendar;
pub mod clock;
pub mod convert;
pub mod decode;
pub mod encode;
pub mod extract;
pub mod format;
pub mod interval;
pub mod interval_in;
pub mod interval_out;
pub mod io;
mod iso;
pub mod lexer;
pub mod make;
pub mod posix;
pub mod tokens;
pub mod trunc;
pub mod typmod;
pub mod tzif;
pub mod zone;
pub mod zone_abbrev;

#[cfg(test)]
pub(crate) mod oracle_tests;

pub use crate::io::{DateOrder, DateStyle, IntervalStyle};
pub use calendar::CivilTime;
pub use interval::Interval;
pub use io::*;
pub use zone::{LocalType, TimeZone};

/// Microseconds per second.
pub const USECS_PER_SEC: i64 = 1_000_000;
/// Microseconds per minute.
pub const USECS_PER_MINUTE: i64 = 60_000_000;
/// Microseconds per hour.
pub const USECS_PER_HOUR: i64 = 3_600_000_000;
/// Microseconds per day of 24 hours.
pub const USECS_PER_DAY: i64 = 86_400_000_000;
/// Seconds per day.
pub const SECS_PER_DAY: i64 = 86_400;
/// Days an interval's month counts for where it must count for days.
pub const DAYS_PER_MONTH: i64 = 30;
/// Julian day of 2000-01-01.
pub const EPOCH_JDATE: i32 = 2_451_545;
/// Julian day of 1970-01-01.
pub const UNIX_EPOCH_JDATE: i32 = 2_440_588;
/// Seconds from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_OFFSET: i64 = 946_684_800;

/// `date 'infinity'`.
pub const DATE_INFINITY: i32 = i32::MAX;
/// `date '-infinity'`.
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
/// `timestamp 'infinity'`.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// `timestamp '-infinity'`.
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;
/// First timestamp: Julian day 0, 4714-11-24 BC.
pub const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
/// First instant past the last timestamp: 294277-01-01.
pub const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;
/// First date, as days since 2000-01-01.
pub const MIN_DATE: i32 = -EPOCH_JDATE;
/// First day past the last date: 5874898-01-01.
pub const END_DATE: i32 = 2_147_483_494 - EPOCH_JDATE;

/// Whether a date is one of the infinities.
pub fn date_is_infinite(d: i32) -> bool {
    d == DATE_INFINITY || d == DATE_NEG_INFINITY
}
/// Whether a timestamp is one of the infinities.
pub fn timestamp_is_infinite(t: i64) -> bool {
    t == TIMESTAMP_INFINITY || t == TIMESTAMP_NEG_INFINITY
}
/// Whether a finite timestamp is in range.
pub fn timestamp_in_range(t: i64) -> bool {
    (MIN_TIMESTAMP..END_TIMESTAMP).contains(&t)
}
/// Whether a finite date is in range.
pub fn date_in_range(d: i32) -> bool {
    (MIN_DATE..END_DATE).contains(&d)
}

/// A time of day with its offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeTz {
    /// Microseconds since midnight, local.
    pub micros: i64,
    /// Seconds west of UTC: `-zone` is what is printed.
    pub zone: i32,
}

impl TimeTz {
    /// The stored form (see [`crate::PhysicalType::B16`]).
    pub fn to_bytes(self) -> [u8; 16] {
        let mut b = [0; 16];
        b[..8].copy_from_slice(&self.micros.to_le_bytes());
        b[8..12].copy_from_slice(&self.zone.to_le_bytes());
        b
    }
    /// Reads the stored form.
    pub fn from_bytes(b: &[u8; 16]) -> TimeTz {
        TimeTz {
            micros: i64::from_le_bytes(b[..8].try_into().expect("eight bytes")),
            zone: i32::from_le_bytes(b[8..12].try_into().expect("four bytes")),
        }
    }
    /// Microseconds since midnight UTC (may leave the day).
    pub fn utc_micros(self) -> i64 {
        self.micros + i64::from(self.zone) * USECS_PER_SEC
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &TimeTz) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TimeTz {
    /// By instant, then by zone, so that only identical values are equal.
    fn cmp(&self, other: &TimeTz) -> std::cmp::Ordering {
        self.utc_micros().cmp(&other.utc_micros()).then(self.zone.cmp(&other.zone))
    }
}
