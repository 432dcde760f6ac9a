//! Sizes for people: `pg_size_pretty` and `pg_size_bytes` (PostgreSQL: `dbsize.c`).

use crate::{FunctionDef, func, scalar};
use quarry_common::{Error, Result, err};
use quarry_types::numeric::{Numeric, NumericRef};
use std::cmp::Ordering;

/// A unit: sizes below `limit` are shown in it.
struct Unit {
    name: &'static str,
    limit: i64,
    /// Whether the number at hand is in halves of the unit, to be rounded now.
    halves: bool,
    bits: u32,
}

const UNITS: [Unit; 6] = [
    Unit { name: "bytes", limit: 10 * 1024, halves: false, bits: 0 },
    Unit { name: "kB", limit: 20 * 1024 - 1, halves: true, bits: 10 },
    Unit { name: "MB", limit: 20 * 1024 - 1, halves: true, bits: 20 },
    Unit { name: "GB", limit: 20 * 1024 - 1, halves: true, bits: 30 },
    Unit { name: "TB", limit: 20 * 1024 - 1, halves: true, bits: 40 },
    Unit { name: "PB", limit: 20 * 1024 - 1, halves: true, bits: 50 },
];

/// How far the next unit's number lies below this one's: one bit is kept for rounding.
fn shift(from: &Unit, to: &Unit) -> u32 {
    to.bits - from.bits - u32::from(to.halves) + u32::from(from.halves)
}

fn pretty_int(mut size: i64) -> String {
    for pair in UNITS.windows(2) {
        if size.unsigned_abs() < pair[0].limit as u64 {
            return in_unit(size, &pair[0]);
        }
        // Divided, not shifted, so that both signs round alike.
        size /= 1i64 << shift(&pair[0], &pair[1]);
    }
    in_unit(size, &UNITS[UNITS.len() - 1])
}

fn in_unit(size: i64, unit: &Unit) -> String {
    let size = if unit.halves { (size + size.signum().min(0) + i64::from(size >= 0)) / 2 } else { size };
    format!("{size} {}", unit.name)
}

fn pretty_numeric(size: NumericRef<'_>) -> Result<String> {
    let mut size = size.to_numeric();
    for (i, unit) in UNITS.iter().enumerate() {
        let below = size.view().abs().view().compare(Numeric::from_i64(unit.limit).view()) == Ordering::Less;
        if below || i + 1 == UNITS.len() {
            if unit.halves {
                let one = Numeric::from_i64(if size.view().signum() < 0 { -1 } else { 1 });
                size = size.add(&one)?.view().div_trunc(Numeric::from_i64(2).view())?;
            }
            return Ok(format!("{size} {}", unit.name));
        }
        let divisor = Numeric::from_i64(1i64 << shift(unit, &UNITS[i + 1]));
        size = size.view().div_trunc(divisor.view())?;
    }
    Err(Error::internal("the last unit takes every size"))
}

/// The number at the front of a size, and what follows it. None if there is no number.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        i
    };
    let start = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut end = digits(start);
    let mut any = end > start;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        any |= fraction > end + 1;
        end = fraction;
    }
    if !any {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        // An `e` without digits belongs to the unit.
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    Some(text.split_at(end))
}

fn parse_size(text: &str) -> Result<i64> {
    let space = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let invalid = || err!(INVALID_PARAMETER_VALUE, "invalid size: \"{text}\"");
    let (number, rest) = split_number(text.trim_start_matches(space)).ok_or_else(invalid)?;
    let mut size = Numeric::parse(number)?;
    let unit = rest.trim_matches(space);
    if !unit.is_empty() {
        let Some(found) = UNITS.iter().find(|u| u.name.eq_ignore_ascii_case(unit)) else {
            return Err(invalid()
                .detail(format!("Invalid size unit: \"{unit}\"."))
                .hint("Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
        };
        if found.bits > 0 {
            size = Numeric::from_i64(1i64 << found.bits).mul(&size)?;
        }
    }
    size.to_i64()
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(2288, "pg_size_pretty", [INT8] => TEXT, scalar!(|n: i64| -> String { pretty_int(n) })),
    func!(3166, "pg_size_pretty", [NUMERIC] => TEXT, scalar!(|n: NumericRef<'_>| -> Result<String> { pretty_numeric(n) })),
    func!(3334, "pg_size_bytes", [TEXT] => INT8, scalar!(|t: &str| -> Result<i64> { parse_size(t) })),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (size, shown) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (-10_240, "-10 kB"),
            (20_480 * 1024 - 1, "20 MB"),
            (10 << 20, "10 MB"),
            (i64::MAX, "8192 PB"),
            (i64::MIN, "-8192 PB"),
        ] {
            assert_eq!(pretty_int(size), shown);
            assert_eq!(pretty_numeric(Numeric::from_i64(size).view()).expect("shows"), shown);
        }
    }

    #[test]
    fn sizes_read() {
        for (text, size) in
            [("1", 1), (" 1 kB ", 1024), ("2.5MB", 2_621_440), ("-1e1 gb", -10 << 30), (".5kb", 512)]
        {
            assert_eq!(parse_size(text).expect("reads"), size, "{text}");
        }
        assert!(parse_size("x").is_err());
        assert!(parse_size("1 kiB").is_err());
    }
}
