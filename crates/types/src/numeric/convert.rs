//! numeric from and to other types, its type modifier and its wire form.

use super::var::Var;
use super::{Class, DSCALE_MAX, NBASE, Numeric, NumericRef, PRECISION_MAX};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Error, Result, bail, err};

/// What a type modifier has above precision and scale.
pub const TYPMOD_HEADER: i32 = 4;
/// Bits of the scale in a type modifier, a signed number.
const SCALE_BITS: u32 = 11;

/// The modifier of `numeric(precision, scale)`.
pub fn make_typmod(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & ((1 << SCALE_BITS) - 1)) + TYPMOD_HEADER
}

/// Precision and scale of a modifier; none: any.
pub fn typmod_parts(typmod: i32) -> Option<(i32, i32)> {
    if typmod < TYPMOD_HEADER {
        return None;
    }
    let packed = typmod - TYPMOD_HEADER;
    let unused = 32 - SCALE_BITS;
    Some((packed >> 16 & 0xffff, packed << unused >> unused))
}

pub(crate) fn typmod_in(args: &[&str]) -> Result<i32> {
    let (precision, scale) = match args {
        [p] => (crate::ints::parse_i32(p)?, 0),
        [p, s] => (crate::ints::parse_i32(p)?, crate::ints::parse_i32(s)?),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid NUMERIC type modifier"),
    };
    if !(1..=PRECISION_MAX).contains(&precision) {
        bail!(INVALID_PARAMETER_VALUE, "NUMERIC precision {precision} must be between 1 and {PRECISION_MAX}");
    }
    if !(-PRECISION_MAX..=PRECISION_MAX).contains(&scale) {
        bail!(
            INVALID_PARAMETER_VALUE,
            "NUMERIC scale {scale} must be between -{PRECISION_MAX} and {PRECISION_MAX}"
        );
    }
    Ok(make_typmod(precision, scale))
}
pub(crate) fn typmod_out(typmod: i32) -> String {
    typmod_parts(typmod).map_or_else(String::new, |(p, s)| format!("({p},{s})"))
}

fn field_overflow(detail: String) -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail)
}

impl Var {
    /// Rounds to the modifier's scale; 22003 if too many digits are left before the point.
    fn apply_typmod(&mut self, precision: i32, scale: i32) -> Result<()> {
        self.round(scale);
        let digits_max = precision - scale;
        if let Some(first) = self.digits.first() {
            let digits = (self.weight + 1) * 4 - (3 - i32::from(*first).ilog10() as i32);
            if digits > digits_max {
                let limit = if digits_max == 0 { "1".into() } else { format!("10^{digits_max}") };
                return Err(field_overflow(format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
                )));
            }
        }
        Ok(())
    }
}

impl NumericRef<'_> {
    /// Applies `numeric(precision, scale)`.
    pub fn apply_typmod(self, typmod: i32) -> Result<Numeric> {
        let Some((precision, scale)) = typmod_parts(typmod) else {
            return Ok(self.to_numeric());
        };
        match self.class() {
            Class::Nan => Ok(Numeric::nan()),
            // It is as it shall be.
            Class::Finite if self.dscale() == scale && self.digits_before_point() <= precision - scale => {
                Ok(self.to_numeric())
            }
            Class::Finite => {
                let mut v = self.to_var();
                v.apply_typmod(precision, scale)?;
                v.into_numeric()
            }
            _ => Err(field_overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            ))),
        }
    }

    /// Decimal digits before the point; 0 and fewer where the first one is behind it.
    fn digits_before_point(self) -> i32 {
        match self.digit_count() {
            0 => 0,
            _ => (self.weight() + 1) * 4 - (3 - i32::from(self.digit(0)).ilog10() as i32),
        }
    }

    /// The value rounded to a whole number; none if it doesn't fit an i128 (or is not finite).
    pub fn to_i128(self) -> Option<i128> {
        if !self.is_finite() {
            return None;
        }
        if let Some((v, 0)) = self.scaled() {
            return Some(v);
        }
        let mut v = self.to_var();
        v.round(0);
        v.to_i128()
    }
    fn to_integer<T: TryFrom<i128>>(self, sql_name: &str, article_name: &str) -> Result<T> {
        if !self.is_finite() {
            let what = if self.is_nan() { "NaN" } else { "infinity" };
            bail!(FEATURE_NOT_SUPPORTED, "cannot convert {what} to {article_name}");
        }
        self.to_i128()
            .and_then(|v| T::try_from(v).ok())
            .ok_or_else(|| err!(NUMERIC_VALUE_OUT_OF_RANGE, "{sql_name} out of range"))
    }
    /// Rounds half away from zero; 22003, or 0A000 for NaN and infinities.
    pub fn to_i16(self) -> Result<i16> {
        self.to_integer("smallint", "smallint")
    }
    pub fn to_i32(self) -> Result<i32> {
        self.to_integer("integer", "integer")
    }
    pub fn to_i64(self) -> Result<i64> {
        self.to_integer("bigint", "bigint")
    }
    fn special_f64(self) -> Option<f64> {
        match self.class() {
            Class::Nan => Some(f64::NAN),
            Class::Infinity => Some(f64::INFINITY),
            Class::NegInfinity => Some(f64::NEG_INFINITY),
            Class::Finite => None,
        }
    }
    /// The nearest double precision; 22003 if there is none.
    pub fn to_f64(self) -> Result<f64> {
        if let Some(v) = self.special_f64() {
            return Ok(v);
        }
        match self.quotient() {
            Some(v) => Ok(v),
            None => crate::floats::parse_f64(&self.to_string()),
        }
    }
    /// The nearest double precision, where dividing two exact ones gives it.
    fn quotient(self) -> Option<f64> {
        // Powers of ten are exact up to the 22nd.
        const UNITS: [f64; 6] = [1.0, 1e4, 1e8, 1e12, 1e16, 1e20];
        let (v, fraction) = self.scaled()?;
        let unit = UNITS.get(fraction as usize)?;
        (v.unsigned_abs() < 1 << 53).then(|| v as f64 / unit)
    }
    /// The nearest real; 22003 if there is none.
    pub fn to_f32(self) -> Result<f32> {
        match self.special_f64() {
            Some(v) => Ok(v as f32),
            None => crate::floats::parse_f32(&self.to_string()),
        }
    }
    /// An approximation as a float; huge values become infinite.
    pub fn to_f64_lossy(self) -> f64 {
        let exact = self.special_f64().or_else(|| self.quotient());
        exact.unwrap_or_else(|| self.to_string().parse().unwrap_or(f64::NAN))
    }
}

impl Numeric {
    pub fn from_i64(v: i64) -> Numeric {
        Numeric::from(v)
    }
    pub fn from_i128(v: i128) -> Numeric {
        Numeric::from_coefficient(v, 0, 0)
    }
    /// `value / 10^dscale`, for dscale from 0 to [`DSCALE_MAX`].
    pub fn from_i128_scaled(value: i128, dscale: i32) -> Numeric {
        Numeric::from_whole(value, dscale, dscale)
    }
    /// `value / 10^places` at a display scale from `places` to [`DSCALE_MAX`].
    pub(super) fn from_whole(value: i128, places: i32, dscale: i32) -> Numeric {
        debug_assert!((0..=dscale).contains(&places) && dscale <= DSCALE_MAX, "scale out of range");
        let fraction = (places as u32).div_ceil(4);
        let missing = fraction * 4 - places as u32;
        match value.checked_mul(10i128.pow(missing)) {
            Some(v) => Numeric::from_coefficient(v, fraction, dscale),
            None => {
                let mut v = Var::from_i128(value).mul_small(10u16.pow(missing));
                v.weight -= fraction as i32;
                v.dscale = dscale;
                v.into_numeric().expect("39 digits and a legal scale fit")
            }
        }
    }
    /// As a cast does: 15 significant digits.
    pub fn from_f64(v: f64) -> Result<Numeric> {
        Numeric::from_float(v, 15)
    }
    /// As a cast does: 6 significant digits.
    pub fn from_f32(v: f32) -> Result<Numeric> {
        Numeric::from_float(f64::from(v), 6)
    }
    fn from_float(v: f64, digits: usize) -> Result<Numeric> {
        if v.is_nan() {
            return Ok(Numeric::nan());
        }
        if v.is_infinite() {
            return Ok(if v > 0.0 { Numeric::infinity() } else { Numeric::neg_infinity() });
        }
        let mut text = Vec::new();
        crate::floats::write_f64(v, digits as i32 - 15, &mut text);
        Numeric::parse(std::str::from_utf8(&text).expect("a float's text is ASCII"))
    }
    pub fn to_i16(&self) -> Result<i16> {
        self.view().to_i16()
    }
    pub fn to_i32(&self) -> Result<i32> {
        self.view().to_i32()
    }
    pub fn to_i64(&self) -> Result<i64> {
        self.view().to_i64()
    }
    pub fn to_f64(&self) -> Result<f64> {
        self.view().to_f64()
    }
    pub fn apply_typmod(self, typmod: i32) -> Result<Numeric> {
        if typmod_parts(typmod).is_none() { Ok(self) } else { self.view().apply_typmod(typmod) }
    }
}

const WIRE_POSITIVE: u16 = 0x0000;
const WIRE_NEGATIVE: u16 = 0x4000;
const WIRE_NAN: u16 = 0xc000;
const WIRE_INFINITY: u16 = 0xd000;
const WIRE_NEG_INFINITY: u16 = 0xf000;

pub(crate) fn input(_: &TypeInfo, text: &str, typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Numeric::parse(text)?.apply_typmod(typmod)?.into_datum())
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    Numeric::of(v).write(out);
    Ok(())
}
pub(crate) fn receive(_: &TypeInfo, wire: &[u8], typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let malformed =
        |what: &str| err!(INVALID_BINARY_REPRESENTATION, "invalid {what} in external \"numeric\" value");
    let count = r.u16()?;
    let weight = r.i16()?;
    let sign = r.u16()?;
    let dscale = r.u16()?;
    let special = match sign {
        WIRE_NAN => Some(Numeric::nan()),
        WIRE_INFINITY => Some(Numeric::infinity()),
        WIRE_NEG_INFINITY => Some(Numeric::neg_infinity()),
        WIRE_POSITIVE | WIRE_NEGATIVE => None,
        _ => return Err(malformed("sign")),
    };
    if i32::from(dscale) > DSCALE_MAX {
        return Err(malformed("scale"));
    }
    let mut digits = Vec::with_capacity(usize::from(count).min(wire.len() / 2));
    for _ in 0..count {
        let d = r.u16()?;
        if d >= NBASE {
            return Err(malformed("digit"));
        }
        digits.push(d);
    }
    r.finish()?;
    if let Some(v) = special {
        return Ok(v.apply_typmod(typmod)?.into_datum());
    }
    let mut v = Var { negative: sign == WIRE_NEGATIVE, weight: weight.into(), dscale: dscale.into(), digits };
    v.strip();
    // Digits beyond the display scale must not be kept, they would never be seen.
    v.trunc(dscale.into());
    if let Some((precision, scale)) = typmod_parts(typmod) {
        v.apply_typmod(precision, scale)?;
    }
    Ok(v.into_numeric()?.into_datum())
}
pub(crate) fn send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    Numeric::of(v).send(out);
    Ok(())
}

impl NumericRef<'_> {
    /// Appends the binary wire form.
    pub fn send(self, out: &mut Vec<u8>) {
        let (sign, dscale) = match self.class() {
            Class::Nan => (WIRE_NAN, 0),
            // PostgreSQL sends the infinities with scale 0x20; readers look at the sign only.
            Class::Infinity => (WIRE_INFINITY, 0x20),
            Class::NegInfinity => (WIRE_NEG_INFINITY, 0x20),
            Class::Finite => {
                (if self.is_negative() { WIRE_NEGATIVE } else { WIRE_POSITIVE }, self.dscale() as u16)
            }
        };
        let weight = if self.is_finite() { self.weight() as i16 } else { 0 };
        out.extend_from_slice(&(self.digit_count() as u16).to_be_bytes());
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&dscale.to_be_bytes());
        self.digits().for_each(|d| out.extend_from_slice(&d.to_be_bytes()));
    }
}
