//! float4 and float8: text and binary I/O, comparison, hashing.
//!
//! With `extra_float_digits` above 0 a value prints as the shortest decimal that lies strictly within its rounding
//! interval, in fixed notation for exponents from -4 to 14 (float4: 5). Otherwise as C's `%.*g`.

use crate::ints::{invalid_syntax, trim};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Result, err};
use std::cmp::Ordering;

/// What the text says apart from its rounding.
fn special(text: &str) -> Option<f64> {
    Some(match text.to_ascii_lowercase().as_str() {
        "nan" => f64::NAN,
        "infinity" | "+infinity" | "inf" | "+inf" => f64::INFINITY,
        "-infinity" | "-inf" => f64::NEG_INFINITY,
        _ => return None,
    })
}

/// Whether the text is a decimal number as `strtod` reads it (Rust's parser takes names and such besides).
fn is_decimal(text: &str) -> bool {
    let b = text.as_bytes();
    let mut i = usize::from(matches!(b.first(), Some(b'+' | b'-')));
    let digits = |i: &mut usize| {
        let from = *i;
        while b.get(*i).is_some_and(u8::is_ascii_digit) {
            *i += 1;
        }
        *i - from
    };
    let mut n = digits(&mut i);
    if b.get(i) == Some(&b'.') {
        i += 1;
        n += digits(&mut i);
    }
    if n == 0 {
        return false;
    }
    if matches!(b.get(i), Some(b'e' | b'E')) {
        i += 1;
        if matches!(b.get(i), Some(b'+' | b'-')) {
            i += 1;
        }
        if digits(&mut i) == 0 {
            return false;
        }
    }
    i == b.len()
}

/// Whether a decimal has a digit other than 0 before its exponent.
fn is_nonzero(text: &str) -> bool {
    text.bytes().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9'))
}

/// C's hexadecimal floats ("0x1.8p3"); none if the text isn't one.
fn parse_hex(text: &str) -> Option<f64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (digits, exponent) = match rest.find(['p', 'P']) {
        Some(p) => (&rest[..p], rest[p + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0f64;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let shift = exponent.saturating_sub(i32::try_from(fraction.len()).ok()?.saturating_mul(4));
    let value = value * 2f64.powi(shift);
    Some(if negative { -value } else { value })
}

/// Reads a double precision; 22P02 and 22003 as PostgreSQL.
pub fn parse_f64(text: &str) -> Result<f64> {
    let body = trim(text);
    if !is_decimal(body) {
        return special(body)
            .or_else(|| parse_hex(body))
            .ok_or_else(|| invalid_syntax("double precision", text));
    }
    let v: f64 = body.parse().map_err(|_| invalid_syntax("double precision", text))?;
    if v.is_infinite() || (v == 0.0 && is_nonzero(body)) {
        return Err(err!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{body}\" is out of range for type double precision"));
    }
    Ok(v)
}

/// Reads a real; 22P02 and 22003 as PostgreSQL.
pub fn parse_f32(text: &str) -> Result<f32> {
    let body = trim(text);
    if !is_decimal(body) {
        let v = special(body).or_else(|| parse_hex(body));
        return v.map(|v| v as f32).ok_or_else(|| invalid_syntax("real", text));
    }
    let v: f32 = body.parse().map_err(|_| invalid_syntax("real", text))?;
    if v.is_infinite() || (v == 0.0 && is_nonzero(body)) {
        return Err(err!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{body}\" is out of range for type real"));
    }
    Ok(v)
}

/// A decimal: `digits` (no leading zero, at least one) with the point after the first, times ten to `exponent`.
struct Decimal {
    digits: [u8; 32],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// Takes the form apart that [`ryu`] or `{:e}` printed (finite, not negative).
    fn from_text(text: &str) -> Decimal {
        let (mantissa, exponent) = match text.find('e') {
            Some(e) => (&text[..e], text[e + 1..].parse::<i32>().unwrap_or(0)),
            None => (text, 0),
        };
        let mut d = Decimal { digits: [0; 32], len: 0, exponent: 0 };
        let mut point: Option<i32> = None;
        let mut seen = 0i32;
        for b in mantissa.bytes() {
            if b == b'.' {
                point = Some(seen);
                continue;
            }
            seen += 1;
            if d.len == 0 && b == b'0' {
                continue;
            }
            if d.len == 0 {
                d.exponent = -(seen - 1);
            }
            if d.len < d.digits.len() {
                d.digits[d.len] = b;
                d.len += 1;
            }
        }
        d.exponent += exponent + point.unwrap_or(seen) - 1;
        while d.len > 1 && d.digits[d.len - 1] == b'0' {
            d.len -= 1;
        }
        if d.len == 0 {
            d = Decimal { digits: [b'0'; 32], len: 1, exponent: 0 };
        }
        d
    }

    /// Fixed notation for exponents from -4 to below `sci_from`, else scientific with two or more exponent digits.
    fn write(&self, sci_from: i32, out: &mut Vec<u8>) {
        let digits = &self.digits[..self.len];
        if self.exponent < -4 || self.exponent >= sci_from {
            out.push(digits[0]);
            if self.len > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.push(b'e');
            out.push(if self.exponent < 0 { b'-' } else { b'+' });
            let e = self.exponent.unsigned_abs();
            if e < 10 {
                out.push(b'0');
            }
            crate::ints::write_int(e, out);
        } else if self.exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-self.exponent - 1) as usize));
            out.extend_from_slice(digits);
        } else {
            let whole = self.exponent as usize + 1;
            if self.len <= whole {
                out.extend_from_slice(digits);
                out.extend(std::iter::repeat_n(b'0', whole - self.len));
            } else {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
    }

    /// Whether this equals `(2 * mantissa +- 1) * 2^(exp2 - 1)`: a boundary of the rounding interval of
    /// `mantissa * 2^exp2`. Only whole numbers below 2^140 can be, the rest have too many digits.
    fn is_boundary(&self, mantissa: u64, exp2: i32) -> bool {
        if !(1..=84).contains(&exp2) || self.exponent < 0 || self.len > 18 {
            return false;
        }
        let d = self.digits[..self.len].iter().fold(0u128, |v, b| v * 10 + u128::from(b - b'0'));
        let zeros = self.exponent - (self.len as i32 - 1);
        if !(0..=24).contains(&zeros) {
            return false;
        }
        // d * 10^zeros against odd * 2^(exp2 - 1): the powers of two are shifted to one side.
        let left = d * 5u128.pow(zeros as u32);
        let shift = exp2 - 1 - zeros;
        [2 * u128::from(mantissa) + 1, 2 * u128::from(mantissa) - 1].into_iter().any(|odd| {
            if shift >= 0 {
                shift <= 66 && left == odd << shift
            } else {
                -shift < 64 && left.checked_mul(1 << -shift) == Some(odd)
            }
        })
    }
}

/// Appends NaN or an infinity; true if `v` was one.
fn write_special(v: f64, out: &mut Vec<u8>) -> bool {
    if v.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if v.is_infinite() {
        out.extend_from_slice(if v > 0.0 { b"Infinity".as_slice() } else { b"-Infinity" });
    } else {
        return false;
    }
    true
}

/// Appends the shortest digits of a number of ordinary size: in these both notations agree, but for a fraction of zero.
fn write_plain(shortest: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes());
}

/// Appends a double precision as `float8out` prints it.
pub fn write_f64(v: f64, extra_float_digits: i32, out: &mut Vec<u8>) {
    if write_special(v, out) {
        return;
    }
    if v.is_sign_negative() {
        out.push(b'-');
    }
    let v = v.abs();
    if extra_float_digits <= 0 {
        return write_general(v, (15 + extra_float_digits).max(1) as usize, out);
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(v);
    if (1e-4..1e15).contains(&v) {
        return write_plain(shortest, out);
    }
    let mut d = Decimal::from_text(shortest);
    let bits = v.to_bits();
    let exp2 = (bits >> 52) as i32 - 1075;
    if exp2 > 0 && d.is_boundary(bits & ((1 << 52) - 1) | 1 << 52, exp2) {
        for precision in d.len..17 {
            d = Decimal::from_text(&format!("{v:.precision$e}"));
            let mut text = Vec::new();
            d.write(0, &mut text);
            let back = std::str::from_utf8(&text).ok().and_then(|t| t.parse::<f64>().ok());
            if back == Some(v) && !d.is_boundary(bits & ((1 << 52) - 1) | 1 << 52, exp2) {
                break;
            }
        }
    }
    d.write(15, out);
}

/// Appends a real as `float4out` prints it.
pub fn write_f32(v: f32, extra_float_digits: i32, out: &mut Vec<u8>) {
    if write_special(f64::from(v), out) {
        return;
    }
    if v.is_sign_negative() {
        out.push(b'-');
    }
    let v = v.abs();
    if extra_float_digits <= 0 {
        return write_general(f64::from(v), (6 + extra_float_digits).max(1) as usize, out);
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(v);
    if (1e-4..1e6).contains(&v) {
        return write_plain(shortest, out);
    }
    let mut d = Decimal::from_text(shortest);
    let bits = v.to_bits();
    let exp2 = (bits >> 23) as i32 - 150;
    let mantissa = u64::from(bits & ((1 << 23) - 1) | 1 << 23);
    if exp2 > 0 && d.is_boundary(mantissa, exp2) {
        for precision in d.len..9 {
            d = Decimal::from_text(&format!("{v:.precision$e}"));
            let mut text = Vec::new();
            d.write(0, &mut text);
            let back = std::str::from_utf8(&text).ok().and_then(|t| t.parse::<f32>().ok());
            if back == Some(v) && !d.is_boundary(mantissa, exp2) {
                break;
            }
        }
    }
    d.write(6, out);
}

/// C's `%.*g` of a value that is finite and not negative.
fn write_general(v: f64, precision: usize, out: &mut Vec<u8>) {
    let digits = precision - 1;
    Decimal::from_text(&format!("{v:.digits$e}")).write(precision as i32, out);
}

pub(crate) fn input4(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_f32(text).map(Datum::F32)
}
pub(crate) fn input8(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_f64(text).map(Datum::F64)
}
pub(crate) fn output4(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_f32(v.as_f32(), cx.extra_float_digits, out);
    Ok(())
}
pub(crate) fn output8(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_f64(v.as_f64(), cx.extra_float_digits, out);
    Ok(())
}
pub(crate) fn receive4(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = f32::from_bits(r.u32()?);
    r.finish()?;
    Ok(Datum::F32(v))
}
pub(crate) fn receive8(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = f64::from_bits(r.i64()? as u64);
    r.finish()?;
    Ok(Datum::F64(v))
}
pub(crate) fn send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    match v {
        Datum::F32(v) => out.extend_from_slice(&v.to_be_bytes()),
        other => out.extend_from_slice(&other.as_f64().to_be_bytes()),
    }
    Ok(())
}

/// SQL's order: NaN equals itself and is above all; -0 equals 0.
#[inline]
pub fn compare_f64(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Either type as an f64.
pub fn as_f64(v: &Datum) -> f64 {
    match v {
        Datum::F32(v) => f64::from(*v),
        other => other.as_f64(),
    }
}

/// Orders any two of the two types.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    compare_f64(as_f64(a), as_f64(b))
}

/// The same for equal values of both types.
pub fn hash(v: &Datum) -> u64 {
    crate::hash::hash_f64(as_f64(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f8(v: f64, extra: i32) -> String {
        let mut out = Vec::new();
        write_f64(v, extra, &mut out);
        String::from_utf8(out).unwrap()
    }
    fn f4(v: f32) -> String {
        let mut out = Vec::new();
        write_f32(v, 1, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_as_postgresql() {
        for (v, text) in [
            (18014398509482008.0, "1.8014398509482008e+16"),
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (5e-324, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (123456789.125, "123456789.125"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (9007199254740993e3, "9.007199254740993e+18"),
            (1e22, "1e+22"),
            (1e23, "9.999999999999999e+22"),
        ] {
            assert_eq!(f8(v, 1), text);
        }
        for (v, text) in [
            (33554450.0, "3.3554448e+07"),
            (123456.0, "123456"),
            (1234567.0, "1.234567e+06"),
            (1e6, "1e+06"),
            (1e5, "100000"),
            (0.1, "0.1"),
            (3.4028235e38, "3.4028235e+38"),
        ] {
            assert_eq!(f4(v), text);
        }
        assert_eq!(f8(0.1 + 0.2, 0), "0.3");
        assert_eq!(f8(1.0 / 3.0, -3), "0.333333333333");
        assert_eq!(f8(1e15, 0), "1e+15");
        assert_eq!(f8(123456.0, -12), "1.23e+05");
    }

    /// `testdata/floats.tsv`: type, value, PostgreSQL's text with extra_float_digits 1, 0 and -3.
    #[test]
    fn recorded_texts() {
        for line in include_str!("testdata/floats.tsv").lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            for (extra, expected) in [1, 0, -3].into_iter().zip(&fields[2..]) {
                let mut out = Vec::new();
                let v: f64 = fields[1].parse().unwrap();
                match fields[0] {
                    "float8" => write_f64(v, extra, &mut out),
                    _ => write_f32(v as f32, extra, &mut out),
                }
                assert_eq!(String::from_utf8(out).unwrap(), *expected, "{line} with {extra}");
            }
        }
    }

    #[test]
    fn reads_as_postgresql() {
        assert_eq!(parse_f64(" 1.5 ").unwrap(), 1.5);
        assert_eq!(parse_f64("0x10").unwrap(), 16.0);
        assert_eq!(parse_f64("-inf").unwrap(), f64::NEG_INFINITY);
        assert_eq!(parse_f64(".5e1").unwrap(), 5.0);
        assert_eq!(
            parse_f64("1e400").unwrap_err().message(),
            "\"1e400\" is out of range for type double precision"
        );
        assert_eq!(
            parse_f64("1e-400").unwrap_err().message(),
            "\"1e-400\" is out of range for type double precision"
        );
        assert_eq!(parse_f32("1.5x").unwrap_err().message(), "invalid input syntax for type real: \"1.5x\"");
        for bad in ["", ".", "e1", "1e", "infinit", "1_000"] {
            assert!(parse_f64(bad).is_err(), "{bad}");
        }
    }
}
