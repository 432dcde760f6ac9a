//! int2, int4, int8: text and binary I/O, comparison, hashing.

use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Error, Result, err};
use std::cmp::Ordering;

/// What `isspace` accepts in the C locale.
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// `text` without white space at both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// 22P02 `invalid input syntax for type ...`.
pub fn invalid_syntax(type_name: &str, text: &str) -> Error {
    err!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {type_name}: \"{text}\"")
}

fn out_of_range(type_name: &str, text: &str) -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type {type_name}")
}

/// Why [`parse_decimal`] failed.
enum Bad {
    Syntax,
    Range,
}

/// A number as it mostly comes: up to 18 digits, perhaps with a minus. None: it may still be one.
#[inline]
pub(crate) fn plain_digits(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Longer ones may not fit.
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for d in digits {
        let digit = d.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Optional sign and decimal digits, white space around, as an i64.
fn parse_decimal(text: &str) -> Result<i64, Bad> {
    if let Some(value) = plain_digits(text.as_bytes()) {
        return Ok(value);
    }
    let bytes = trim(text).as_bytes();
    let (negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        Some(b'+') => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Bad::Syntax);
    }
    let mut value: i64 = 0;
    for d in digits {
        let digit = i64::from(d - b'0');
        // Negative values are built downward, so that i64::MIN is reached.
        let next = value.checked_mul(10).and_then(|v| v.checked_add(if negative { -digit } else { digit }));
        value = next.ok_or(Bad::Range)?;
    }
    Ok(value)
}

macro_rules! integer {
    ($parse:ident, $ty:ty, $name:literal) => {
        #[doc = concat!("Reads a ", $name, "; 22P02 and 22003 as PostgreSQL.")]
        pub fn $parse(text: &str) -> Result<$ty> {
            match parse_decimal(text) {
                Ok(v) => <$ty>::try_from(v).map_err(|_| out_of_range($name, text)),
                Err(Bad::Syntax) => Err(invalid_syntax($name, text)),
                Err(Bad::Range) => Err(out_of_range($name, text)),
            }
        }
    };
}

integer!(parse_i16, i16, "smallint");
integer!(parse_i32, i32, "integer");
integer!(parse_i64, i64, "bigint");

/// Appends a decimal number.
pub fn write_int(v: impl itoa::Integer, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    out.extend_from_slice(buffer.format(v).as_bytes());
}

pub(crate) fn input2(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_i16(text).map(Datum::I16)
}
pub(crate) fn input4(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_i32(text).map(Datum::I32)
}
pub(crate) fn input8(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_i64(text).map(Datum::I64)
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_int(as_i64(v), out);
    Ok(())
}
pub(crate) fn receive2(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.i16()?;
    r.finish()?;
    Ok(Datum::I16(v))
}
pub(crate) fn receive4(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.i32()?;
    r.finish()?;
    Ok(Datum::I32(v))
}
pub(crate) fn receive8(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.i64()?;
    r.finish()?;
    Ok(Datum::I64(v))
}
pub(crate) fn send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    match v {
        Datum::I16(v) => out.extend_from_slice(&v.to_be_bytes()),
        Datum::I32(v) => out.extend_from_slice(&v.to_be_bytes()),
        other => out.extend_from_slice(&other.as_i64().to_be_bytes()),
    }
    Ok(())
}

/// Any of the three as an i64.
pub fn as_i64(v: &Datum) -> i64 {
    match v {
        Datum::I16(v) => i64::from(*v),
        Datum::I32(v) => i64::from(*v),
        other => other.as_i64(),
    }
}

/// Orders any two of the three types.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    as_i64(a).cmp(&as_i64(b))
}

/// The same for equal values of all three types.
pub fn hash(v: &Datum) -> u64 {
    crate::hash::hash_i64(as_i64(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digits_are_read_as_others_are() {
        let plain = |text: &str| plain_digits(text.as_bytes());
        assert_eq!(["0", "-0", "007", "-12"].map(plain), [Some(0), Some(0), Some(7), Some(-12)]);
        assert_eq!(plain("999999999999999999"), Some(999_999_999_999_999_999));
        assert_eq!(
            ["", "-", "+1", " 1", "1.0", "1e2", "\u{661}", "1000000000000000000"].map(plain),
            [None; 8]
        );
    }

    #[test]
    fn reads_what_postgresql_reads() {
        assert_eq!(parse_i32(" -12\t").unwrap(), -12);
        assert_eq!(parse_i64("-9223372036854775808").unwrap(), i64::MIN);
        assert_eq!(parse_i16("+7").unwrap(), 7);
        for (text, message) in [
            ("", "invalid input syntax for type integer: \"\""),
            ("1 2", "invalid input syntax for type integer: \"1 2\""),
            ("0x10", "invalid input syntax for type integer: \"0x10\""),
            ("2147483648", "value \"2147483648\" is out of range for type integer"),
            ("99999999999999999999", "value \"99999999999999999999\" is out of range for type integer"),
        ] {
            assert_eq!(parse_i32(text).unwrap_err().message(), message);
        }
    }
}
