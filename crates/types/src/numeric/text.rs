//! numeric's text.

use super::var::{POW10, Var};
use super::{Class, DEC_DIGITS, Numeric, NumericRef, overflow};
use crate::ints::{invalid_syntax, trim};
use quarry_common::Result;
use std::fmt;

impl Numeric {
    /// Reads a decimal number, NaN or an infinity; 22P02 and 22003 as PostgreSQL.
    pub fn parse(text: &str) -> Result<Numeric> {
        let body = trim(text);
        match parse_number(body.as_bytes()) {
            Some(number) => number,
            None => special(body).ok_or_else(|| invalid_syntax("numeric", text)),
        }
    }

    /// The same for what is nothing but digits, signs, points and exponents.
    pub(crate) fn parse_digits(text: &[u8]) -> Option<Numeric> {
        parse_number(text)?.ok()
    }
}

fn special(text: &str) -> Option<Numeric> {
    Some(match text.to_ascii_lowercase().as_str() {
        "nan" => Numeric::nan(),
        "infinity" | "+infinity" | "inf" | "+inf" => Numeric::infinity(),
        "-infinity" | "-inf" => Numeric::neg_infinity(),
        _ => return None,
    })
}

/// None: not a number's text.
fn parse_number(text: &[u8]) -> Option<Result<Numeric>> {
    let (negative, text) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let whole = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (integer, mut rest) = text.split_at(whole);
    let mut fraction: &[u8] = &[];
    if rest.first() == Some(&b'.') {
        let n = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        fraction = &rest[1..1 + n];
        rest = &rest[1 + n..];
    }
    if integer.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent: i64 = 0;
    if matches!(rest.first(), Some(b'e' | b'E')) {
        let digits = std::str::from_utf8(&rest[1..]).ok()?;
        let magnitude = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        if magnitude.is_empty() || !magnitude.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        exponent = digits.parse().unwrap_or(i64::from(i32::MAX));
        if exponent.abs() >= i64::from(i32::MAX / 2) {
            return Some(Err(overflow()));
        }
        rest = &[];
    }
    if !rest.is_empty() {
        return None;
    }
    if exponent == 0 && integer.len() + fraction.len() <= 18 {
        let digits = integer.iter().chain(fraction);
        let value = digits.fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
        let value = i128::from(if negative { -value } else { value });
        return Some(Ok(Numeric::from_i128_scaled(value, fraction.len() as i32)));
    }
    Some(build(negative, integer, fraction, exponent))
}

fn build(negative: bool, integer: &[u8], fraction: &[u8], exponent: i64) -> Result<Numeric> {
    let decimals: Vec<u8> = integer.iter().chain(fraction).map(|b| b - b'0').collect();
    let dscale = (fraction.len() as i64 - exponent).max(0);
    let zeros = decimals.iter().take_while(|d| **d == 0).count();
    let decimals = &decimals[zeros..];
    if decimals.is_empty() {
        if dscale > i64::from(super::DSCALE_MAX) {
            return Err(overflow());
        }
        return Ok(Numeric::zero(dscale as i32));
    }
    // Power of ten of the first decimal digit.
    let power = integer.len() as i64 - zeros as i64 - 1 + exponent;
    let weight = power.div_euclid(4);
    if weight > i64::from(i16::MAX) || dscale > i64::from(super::DSCALE_MAX) {
        return Err(overflow());
    }
    // Leading zeros that align the first decimal within its digit.
    let lead = (3 - power.rem_euclid(4)) as usize;
    let mut digits = vec![0u16; (lead + decimals.len()).div_ceil(4)];
    for (i, d) in decimals.iter().enumerate() {
        let at = lead + i;
        digits[at / 4] += u16::from(*d) * POW10[3 - at % 4];
    }
    let mut var = Var { negative, weight: weight as i32, dscale: dscale as i32, digits };
    var.strip();
    var.into_numeric()
}

impl NumericRef<'_> {
    /// Appends the text.
    pub fn write(self, out: &mut Vec<u8>) {
        match self.class() {
            Class::Nan => out.extend_from_slice(b"NaN"),
            Class::Infinity => out.extend_from_slice(b"Infinity"),
            Class::NegInfinity => out.extend_from_slice(b"-Infinity"),
            Class::Finite => self.write_finite(out),
        }
    }

    fn write_finite(self, out: &mut Vec<u8>) {
        if self.is_negative() {
            out.push(b'-');
        }
        let weight = self.weight();
        let count = self.digit_count() as i32;
        let digit = |power: i32| {
            let i = weight - power;
            if (0..count).contains(&i) { self.digit(i as usize) } else { 0 }
        };
        if count == 0 || weight < 0 {
            out.push(b'0');
        } else {
            crate::ints::write_int(digit(weight), out);
            (0..weight).rev().for_each(|power| out.extend_from_slice(&four(digit(power))));
        }
        let dscale = self.dscale();
        if dscale > 0 {
            out.push(b'.');
            let mut left = dscale as usize;
            let mut power = -1;
            while left > 0 {
                let n = left.min(DEC_DIGITS as usize);
                out.extend_from_slice(&four(digit(power))[..n]);
                left -= n;
                power -= 1;
            }
        }
    }
}

/// A digit as four decimal ones.
fn four(d: u16) -> [u8; 4] {
    [b'0' + (d / 1000) as u8, b'0' + (d / 100 % 10) as u8, b'0' + (d / 10 % 10) as u8, b'0' + (d % 10) as u8]
}

impl fmt::Display for NumericRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).expect("a number's text is ASCII"))
    }
}
