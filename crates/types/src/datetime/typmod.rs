//! Type modifiers: precision of seconds, and the fields an interval is restricted to.

use super::*;
use quarry_common::{Result, bail};

/// Most digits of a second's fraction.
pub const MAX_PRECISION: i32 = 6;

/// Field bits of an interval's modifier.
pub const YEAR: i32 = 1 << 2;
pub const MONTH: i32 = 1 << 1;
pub const DAY: i32 = 1 << 3;
pub const HOUR: i32 = 1 << 10;
pub const MINUTE: i32 = 1 << 11;
pub const SECOND: i32 = 1 << 12;
/// All fields: no restriction.
pub const FULL_RANGE: i32 = 0x7FFF;
/// No restriction of precision.
pub const FULL_PRECISION: i32 = 0xFFFF;

/// Packs precision and fields into an interval's type modifier.
pub fn interval_typmod(precision: i32, range: i32) -> i32 {
    ((range & 0x7FFF) << 16) | (precision & 0xFFFF)
}
/// Precision in an interval's modifier.
pub fn interval_precision(typmod: i32) -> i32 {
    typmod & 0xFFFF
}
/// Fields in an interval's modifier.
pub fn interval_range(typmod: i32) -> i32 {
    (typmod >> 16) & 0x7FFF
}

const SCALES: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
const OFFSETS: [i64; 7] = [500_000, 50_000, 5_000, 500, 50, 5, 0];

fn round_to(t: i64, precision: i32) -> i64 {
    let (scale, offset) = (SCALES[precision as usize], OFFSETS[precision as usize]);
    // i128: values near the ends must not overflow while they are rounded.
    let (t, scale, offset) = (i128::from(t), i128::from(scale), i128::from(offset));
    let r = if t >= 0 { (t + offset) / scale * scale } else { -((-t + offset) / scale * scale) };
    r.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Rounds a timestamp to its type's precision.
pub fn adjust_timestamp(t: i64, typmod: i32) -> Result<i64> {
    if timestamp_is_infinite(t) || typmod == -1 || typmod == MAX_PRECISION {
        return Ok(t);
    }
    if !(0..=MAX_PRECISION).contains(&typmod) {
        bail!(INVALID_PARAMETER_VALUE, "timestamp({typmod}) precision must be between 0 and {MAX_PRECISION}");
    }
    Ok(round_to(t, typmod))
}

/// Rounds a time of day to its type's precision.
pub fn adjust_time(t: i64, typmod: i32) -> i64 {
    if (0..MAX_PRECISION).contains(&typmod) { round_to(t, typmod) } else { t }
}

/// Restricts an interval to its type's fields and precision.
pub fn adjust_interval(mut i: Interval, typmod: i32) -> Result<Interval> {
    if typmod < 0 {
        return Ok(i);
    }
    const DH: i32 = DAY | HOUR;
    const DHM: i32 = DH | MINUTE;
    const DHMS: i32 = DHM | SECOND;
    const HM: i32 = HOUR | MINUTE;
    const HMS: i32 = HM | SECOND;
    const MS: i32 = MINUTE | SECOND;
    const YM: i32 = YEAR | MONTH;
    match interval_range(typmod) {
        FULL_RANGE => {}
        YEAR => i = Interval { months: i.months / 12 * 12, days: 0, micros: 0 },
        MONTH | YM => i = Interval { months: i.months, days: 0, micros: 0 },
        DAY => i.micros = 0,
        HOUR | DH => i.micros = i.micros / USECS_PER_HOUR * USECS_PER_HOUR,
        MINUTE | HM | DHM => i.micros = i.micros / USECS_PER_MINUTE * USECS_PER_MINUTE,
        SECOND | MS | HMS | DHMS => {}
        _ => return Err(quarry_common::Error::internal(format!("unrecognized interval typmod: {typmod}"))),
    }
    let precision = interval_precision(typmod);
    if precision != FULL_PRECISION {
        if !(0..=MAX_PRECISION).contains(&precision) {
            bail!(
                INVALID_PARAMETER_VALUE,
                "interval({precision}) precision must be between 0 and {MAX_PRECISION}"
            );
        }
        i.micros = round_to(i.micros, precision);
    }
    Ok(i)
}

/// The modifier of `time(n)` and its relatives. `name` is TIME or TIMESTAMP, `zone` "" or " WITH TIME ZONE". A
/// precision above six counts as six (PostgreSQL warns).
pub fn time_typmod_in(args: &[&str], name: &str, zone: &str) -> Result<i32> {
    let [arg] = args else { bail!(INVALID_PARAMETER_VALUE, "invalid type modifier") };
    let n = parse_arg(arg)?;
    if n < 0 {
        bail!(INVALID_PARAMETER_VALUE, "{name}({n}){zone} precision must not be negative");
    }
    Ok(n.min(MAX_PRECISION))
}

/// What follows the type's name: "(3)" and the zone suffix are put together by the caller.
pub fn time_typmod_out(typmod: i32, zone: &str) -> String {
    if typmod >= 0 { format!("({typmod}){zone}") } else { zone.to_string() }
}

fn parse_arg(arg: &str) -> Result<i32> {
    match arg.trim().parse() {
        Ok(n) => Ok(n),
        Err(_) => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type integer: \"{arg}\""),
    }
}

/// The modifier of `interval`: one argument is the precision if no field bits are set by the grammar, two are field
/// bits and precision.
pub fn interval_typmod_in(args: &[&str]) -> Result<i32> {
    let first = args.first().map_or(Ok(FULL_RANGE), |a| parse_arg(a))?;
    if !args.is_empty() && !valid_range(first) {
        bail!(INVALID_PARAMETER_VALUE, "invalid INTERVAL type modifier");
    }
    match args {
        [_] if first == FULL_RANGE => Ok(-1),
        [_] => Ok(interval_typmod(FULL_PRECISION, first)),
        [_, p] => {
            let p = parse_arg(p)?;
            if p < 0 {
                bail!(INVALID_PARAMETER_VALUE, "INTERVAL({p}) precision must not be negative");
            }
            Ok(interval_typmod(p.min(MAX_PRECISION), first))
        }
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid INTERVAL type modifier"),
    }
}

fn valid_range(r: i32) -> bool {
    range_name(r).is_some()
}

/// The words for a set of fields: " year to month"; none: no such set. Empty for all fields.
pub fn range_name(range: i32) -> Option<&'static str> {
    Some(match range {
        FULL_RANGE => "",
        YEAR => " year",
        MONTH => " month",
        DAY => " day",
        HOUR => " hour",
        MINUTE => " minute",
        SECOND => " second",
        r if r == YEAR | MONTH => " year to month",
        r if r == DAY | HOUR => " day to hour",
        r if r == DAY | HOUR | MINUTE => " day to minute",
        r if r == DAY | HOUR | MINUTE | SECOND => " day to second",
        r if r == HOUR | MINUTE => " hour to minute",
        r if r == HOUR | MINUTE | SECOND => " hour to second",
        r if r == MINUTE | SECOND => " minute to second",
        _ => return None,
    })
}

/// What follows "interval" for a modifier.
pub fn interval_typmod_out(typmod: i32) -> String {
    if typmod < 0 {
        return String::new();
    }
    let fields = range_name(interval_range(typmod)).unwrap_or("");
    let p = interval_precision(typmod);
    if p == FULL_PRECISION { fields.to_string() } else { format!("{fields}({p})") }
}
