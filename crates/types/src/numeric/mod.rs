//! numeric: decimal numbers of up to 131072 digits before and 16383 after the point, NaN and the infinities, with
//! PostgreSQL's result scales and rounding (half away from zero).
//!
//! # Stored form
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | u16 LE: bits 14-15 kind (0 positive, 1 negative, 2 short, 3 special) |
//! | | short: bit 13 negative, bits 7-12 display scale, bits 0-6 weight + 64 |
//! | | positive, negative: bits 0-13 display scale |
//! | | special: 0 NaN, 1 Infinity, 2 -Infinity |
//! | 2..4 | not in short ones. i16 LE: weight, the power of 10000 of the first digit |
//! | .. | digits in base 10000, u16 LE each, first and last not 0; none: zero (weight 0) |
//!
//! What can be short is short.
//! Equal numbers differ at most in their display scale. [`NumericRef`] reads the form, [`Numeric`] owns one (short
//! ones without allocation), [`Var`] is the working form of arithmetic. Numbers of few digits take short cuts
//! through i128: a coefficient times a power of 10000.
//!
//! Whole columns are computed in a faster form where they can be: [`decimals`].

mod accumulate;
mod arithmetic;
mod bound;
mod convert;
pub mod decimals;
mod functions;
mod math;
mod order;
mod quotient;
mod sum;
mod text;
mod var;

pub use accumulate::NumericAccumulator;
pub use bound::Bound;
pub use convert::{TYPMOD_HEADER, make_typmod, typmod_parts};
pub(crate) use convert::{input, output, receive, send, typmod_in, typmod_out};
pub use decimals::Decimals;
pub(crate) use order::{KEY, compare, hash};
pub use sum::NumericSum;

use crate::Datum;
use bytes::Bytes;
use quarry_common::{Error, Result, err};
use std::fmt;
use var::Var;

/// The base of the digits.
const NBASE: u16 = 10_000;
/// Decimal digits in one digit.
const DEC_DIGITS: i32 = 4;
/// Largest display scale that can be stored.
pub const DSCALE_MAX: i32 = 0x3fff;
/// Largest declared precision; also the largest scale that division and the like choose.
pub const PRECISION_MAX: i32 = 1000;
/// Significant digits that division and the like give at least.
const MIN_SIG_DIGITS: i32 = 16;
/// Largest scale that round() and trunc() take.
const RESULT_SCALE_MAX: i32 = 2000;
/// Digits before the point that the largest weight allows.
const INTEGER_DIGITS_MAX: i32 = 0x8000 * DEC_DIGITS;
/// Bytes before the digits, of short ones and of others.
const SHORT_BYTES: usize = 2;
const HEADER_BYTES: usize = 4;
const KIND_NEGATIVE: u16 = 1 << 14;
const KIND_SHORT: u16 = 2 << 14;
const KIND_SPECIAL: u16 = 3 << 14;
/// In the header of a short one.
const SHORT_NEGATIVE: u16 = 1 << 13;
const SHORT_DSCALE_MAX: i32 = 63;
const SHORT_DSCALE_SHIFT: u32 = 7;
const SHORT_WEIGHT: u16 = 127;
const SHORT_WEIGHT_BIAS: i32 = 64;

/// What stands before the digits of a finite number; so many bytes of it count.
fn head(negative: bool, dscale: i32, weight: i32) -> ([u8; HEADER_BYTES], usize) {
    let biased = weight + SHORT_WEIGHT_BIAS;
    let mut bytes = [0; HEADER_BYTES];
    if dscale <= SHORT_DSCALE_MAX && (0..=i32::from(SHORT_WEIGHT)).contains(&biased) {
        let sign = if negative { SHORT_NEGATIVE } else { 0 };
        let header = KIND_SHORT | sign | (dscale as u16) << SHORT_DSCALE_SHIFT | biased as u16;
        bytes[..2].copy_from_slice(&header.to_le_bytes());
        return (bytes, SHORT_BYTES);
    }
    let header = dscale as u16 | if negative { KIND_NEGATIVE } else { 0 };
    bytes[..2].copy_from_slice(&header.to_le_bytes());
    bytes[2..].copy_from_slice(&(weight as i16).to_le_bytes());
    (bytes, HEADER_BYTES)
}

/// 22003 `value overflows numeric format`.
fn overflow() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

/// A value that is no number, or the class of one that is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    NegInfinity,
    Finite,
    Infinity,
    Nan,
}

/// A numeric in stored form, borrowed.
#[derive(Clone, Copy)]
pub struct NumericRef<'a> {
    bytes: &'a [u8],
}

/// A numeric in stored form, owned. Up to 9 digits (33 to 36 decimal ones) need no allocation.
#[derive(Clone)]
pub struct Numeric {
    repr: Repr,
}

const INLINE_BYTES: usize = HEADER_BYTES + 2 * 9;

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Vec<u8>),
}

impl<'a> NumericRef<'a> {
    /// Over bytes in stored form.
    pub fn new(bytes: &'a [u8]) -> NumericRef<'a> {
        debug_assert!(is_form(bytes), "not a stored numeric: {bytes:?}");
        NumericRef { bytes }
    }
    /// The stored form.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }
    #[inline]
    fn header(self) -> u16 {
        u16::from_le_bytes([self.bytes[0], self.bytes[1]])
    }
    #[inline]
    fn is_short(self) -> bool {
        self.header() & KIND_SPECIAL == KIND_SHORT
    }
    /// Where the digits begin.
    #[inline]
    fn digits_at(self) -> usize {
        if self.is_short() { SHORT_BYTES } else { HEADER_BYTES }
    }
    pub fn class(self) -> Class {
        match self.header() {
            h if h < KIND_SPECIAL => Class::Finite,
            h => match h & !KIND_SPECIAL {
                1 => Class::Infinity,
                2 => Class::NegInfinity,
                _ => Class::Nan,
            },
        }
    }
    pub fn is_nan(self) -> bool {
        self.class() == Class::Nan
    }
    pub fn is_finite(self) -> bool {
        self.header() < KIND_SPECIAL
    }
    /// Digits printed after the point. Of a finite value.
    pub fn dscale(self) -> i32 {
        match self.header() {
            h if h & KIND_SPECIAL == KIND_SHORT => i32::from(h >> SHORT_DSCALE_SHIFT) & SHORT_DSCALE_MAX,
            h if h < KIND_SPECIAL => i32::from(h & !KIND_SPECIAL),
            _ => 0,
        }
    }
    /// Whether the value is below zero; -Infinity is.
    pub fn is_negative(self) -> bool {
        match self.header() {
            h if h & KIND_SPECIAL == KIND_SHORT => h & SHORT_NEGATIVE != 0,
            h if h < KIND_SPECIAL => h & KIND_NEGATIVE != 0,
            _ => self.class() == Class::NegInfinity,
        }
    }
    /// -1, 0 or 1; NaN: 1.
    pub fn signum(self) -> i32 {
        if self.is_negative() {
            -1
        } else if self.is_zero() {
            0
        } else {
            1
        }
    }
    /// The power of 10000 of the first digit.
    pub fn weight(self) -> i32 {
        if self.is_short() {
            return i32::from(self.header() & SHORT_WEIGHT) - SHORT_WEIGHT_BIAS;
        }
        i32::from(i16::from_le_bytes([self.bytes[2], self.bytes[3]]))
    }
    /// Number of digits in base 10000.
    pub fn digit_count(self) -> usize {
        (self.bytes.len() - self.digits_at()) / 2
    }
    /// Digit `i` in base 10000, most significant first.
    pub fn digit(self, i: usize) -> u16 {
        let at = self.digits_at() + 2 * i;
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }
    /// The digits in base 10000, most significant first.
    pub fn digits(self) -> impl ExactSizeIterator<Item = u16> + DoubleEndedIterator + 'a {
        self.bytes[self.digits_at()..].chunks_exact(2).map(|d| u16::from_le_bytes([d[0], d[1]]))
    }
    pub fn is_zero(self) -> bool {
        self.is_finite() && self.bytes.len() == self.digits_at()
    }
    /// An owned copy.
    pub fn to_numeric(self) -> Numeric {
        Numeric::from_stored(self.bytes)
    }
    fn to_var(self) -> Var {
        Var {
            negative: self.is_negative(),
            weight: self.weight(),
            dscale: self.dscale(),
            digits: self.digits().collect(),
        }
    }
    /// A short value as a coefficient and the number of base-10000 digits it has after the point.
    #[inline]
    pub(crate) fn scaled(self) -> Option<(i128, u32)> {
        let n = self.digit_count();
        if n > 8 || !self.is_finite() {
            return None;
        }
        let mut coefficient: i128 = if n <= 4 {
            i128::from(self.digits().fold(0i64, |v, d| v * i64::from(NBASE) + i64::from(d)))
        } else {
            self.digits().fold(0i128, |v, d| v * i128::from(NBASE) + i128::from(d))
        };
        if self.is_negative() {
            coefficient = -coefficient;
        }
        let fraction = n as i32 - 1 - self.weight();
        if n == 0 {
            return Some((0, 0));
        }
        if fraction >= 0 {
            return (fraction <= 16).then_some((coefficient, fraction as u32));
        }
        let zeros = -fraction as usize;
        (n + zeros <= 8).then(|| (coefficient * pow_nbase(zeros as u32), 0))
    }
}

/// Whether bytes have the length of a stored form, and a header that belongs to it.
fn is_form(stored: &[u8]) -> bool {
    stored.len() >= SHORT_BYTES
        && stored.len().is_multiple_of(2)
        && stored.len() >= (NumericRef { bytes: stored }).digits_at()
}

/// 10000 to the `n`, for n up to 9.
#[inline]
fn pow_nbase(n: u32) -> i128 {
    i128::from(NBASE).pow(n)
}

impl Numeric {
    /// NaN.
    pub fn nan() -> Numeric {
        Numeric::special(0)
    }
    pub fn infinity() -> Numeric {
        Numeric::special(1)
    }
    pub fn neg_infinity() -> Numeric {
        Numeric::special(2)
    }
    fn special(which: u16) -> Numeric {
        let mut bytes = [0; INLINE_BYTES];
        bytes[..2].copy_from_slice(&(KIND_SPECIAL | which).to_le_bytes());
        Numeric { repr: Repr::Inline { len: HEADER_BYTES as u8, bytes } }
    }
    /// 0 with the given display scale.
    pub fn zero(dscale: i32) -> Numeric {
        Numeric::from_coefficient(0, 0, dscale)
    }
    fn from_stored(stored: &[u8]) -> Numeric {
        if stored.len() <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            bytes[..stored.len()].copy_from_slice(stored);
            Numeric { repr: Repr::Inline { len: stored.len() as u8, bytes } }
        } else {
            Numeric { repr: Repr::Heap(stored.to_vec()) }
        }
    }
    /// Checks bytes that should be in stored form (from disk or another node) and copies them.
    pub fn from_bytes(stored: &[u8]) -> Result<Numeric> {
        if !is_form(stored) || (NumericRef { bytes: stored }).digits().any(|d| d >= NBASE) {
            return Err(Error::corrupted("malformed numeric"));
        }
        Ok(Numeric::from_stored(stored))
    }
    /// A view of a datum of type numeric.
    pub fn of(datum: &Datum) -> NumericRef<'_> {
        NumericRef::new(datum.as_bytes())
    }
    /// A copy of a datum of type numeric.
    pub fn from_datum(datum: &Datum) -> Numeric {
        Numeric::from_stored(datum.as_bytes())
    }
    pub fn into_datum(self) -> Datum {
        Datum::Bytes(match self.repr {
            Repr::Inline { len, bytes } => Bytes::copy_from_slice(&bytes[..usize::from(len)]),
            Repr::Heap(bytes) => Bytes::from(bytes),
        })
    }
    /// The stored form, to push into a vector or a row.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.repr {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }
    /// A view of this value, which has the functions.
    #[inline]
    pub fn view(&self) -> NumericRef<'_> {
        NumericRef { bytes: self.as_bytes() }
    }
    /// `coefficient / 10000^fraction`. At most 9 digits result (|coefficient| < 10^36) without allocation.
    fn from_coefficient(coefficient: i128, fraction: u32, dscale: i32) -> Numeric {
        let negative = coefficient < 0;
        let mut rest = coefficient.unsigned_abs();
        // Digits from the least significant; an i128 has at most 10 of them.
        let mut digits = [0u16; 10];
        let mut n = 0;
        while rest > u128::from(u64::MAX) {
            digits[n] = (rest % u128::from(NBASE)) as u16;
            rest /= u128::from(NBASE);
            n += 1;
        }
        let mut small = rest as u64;
        while small > 0 {
            digits[n] = (small % u64::from(NBASE)) as u16;
            small /= u64::from(NBASE);
            n += 1;
        }
        let zeros = digits[..n].iter().take_while(|d| **d == 0).count();
        let used = &digits[zeros..n];
        let weight = if used.is_empty() { 0 } else { n as i32 - 1 - fraction as i32 };
        let (head, at) = head(negative, dscale, weight);
        let len = at + 2 * used.len();
        let mut bytes = [0u8; HEADER_BYTES + 20];
        bytes[..HEADER_BYTES].copy_from_slice(&head);
        for (i, d) in used.iter().rev().enumerate() {
            bytes[at + 2 * i..at + 2 * i + 2].copy_from_slice(&d.to_le_bytes());
        }
        Numeric::from_stored(&bytes[..len])
    }
}

impl From<i64> for Numeric {
    fn from(v: i64) -> Numeric {
        Numeric::from_coefficient(i128::from(v), 0, 0)
    }
}

impl From<i32> for Numeric {
    fn from(v: i32) -> Numeric {
        Numeric::from(i64::from(v))
    }
}

impl fmt::Debug for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.view(), f)
    }
}

impl fmt::Debug for NumericRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
