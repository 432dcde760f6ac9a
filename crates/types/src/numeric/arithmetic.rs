//! The operators: + - * / %, rounding, absolute value.

use super::quotient::Lead;
use super::var::Var;
use super::{Class, DSCALE_MAX, INTEGER_DIGITS_MAX, Numeric, NumericRef, pow_nbase};
use quarry_common::{Error, Result, err};

fn division_by_zero() -> Error {
    err!(DIVISION_BY_ZERO, "division by zero")
}

/// [`super::quotient::scale`] of working forms.
pub(super) fn quotient_scale(a: &Var, b: &Var) -> i32 {
    let lead =
        |v: &Var| Lead { weight: v.weight, first: v.digits.first().copied().unwrap_or(0), dscale: v.dscale };
    super::quotient::scale(lead(a), lead(b))
}

impl<'a> NumericRef<'a> {
    pub fn add(self, other: NumericRef<'_>) -> Result<Numeric> {
        if let (Some((a, fa)), Some((b, fb))) = (self.scaled(), other.scaled())
            && let Some(sum) = align(a, fa, b, fb).and_then(|(a, b)| a.checked_add(b))
        {
            return Ok(Numeric::from_coefficient(sum, fa.max(fb), self.dscale().max(other.dscale())));
        }
        match (self.class(), other.class()) {
            (Class::Finite, Class::Finite) => self.to_var().add(&other.to_var()).into_numeric(),
            (Class::Nan, _) | (_, Class::Nan) => Ok(Numeric::nan()),
            (Class::Finite, _) => Ok(other.to_numeric()),
            (_, Class::Finite) => Ok(self.to_numeric()),
            (a, b) if a == b => Ok(self.to_numeric()),
            _ => Ok(Numeric::nan()),
        }
    }

    pub fn sub(self, other: NumericRef<'_>) -> Result<Numeric> {
        if let (Some((a, fa)), Some((b, fb))) = (self.scaled(), other.scaled())
            && let Some(d) = align(a, fa, b, fb).and_then(|(a, b)| a.checked_sub(b))
        {
            return Ok(Numeric::from_coefficient(d, fa.max(fb), self.dscale().max(other.dscale())));
        }
        if self.is_finite() && other.is_finite() {
            return self.to_var().sub(&other.to_var()).into_numeric();
        }
        self.add(other.neg().view())
    }

    pub fn mul(self, other: NumericRef<'_>) -> Result<Numeric> {
        let dscale = self.dscale() + other.dscale();
        if dscale <= DSCALE_MAX
            && let (Some((a, fa)), Some((b, fb))) = (self.scaled(), other.scaled())
            && let Some(p) = a.checked_mul(b)
        {
            return Ok(Numeric::from_coefficient(p, fa + fb, dscale));
        }
        if self.is_finite() && other.is_finite() {
            let mut p = self.to_var().mul(&other.to_var());
            if p.dscale > DSCALE_MAX {
                p.round(DSCALE_MAX);
            }
            return p.into_numeric();
        }
        if self.is_nan() || other.is_nan() || self.is_zero() || other.is_zero() {
            return Ok(Numeric::nan());
        }
        Ok(signed_infinity(self.is_negative() != other.is_negative()))
    }

    pub fn div(self, other: NumericRef<'_>) -> Result<Numeric> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::nan());
        }
        match (self.is_finite(), other.is_finite()) {
            (true, true) => {}
            (false, false) => return Ok(Numeric::nan()),
            (false, true) if other.is_zero() => return Err(division_by_zero()),
            (false, true) => return Ok(signed_infinity(self.is_negative() != other.is_negative())),
            (true, false) => return Ok(Numeric::zero(0)),
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if let Some(quotient) = super::quotient::short(self, other) {
            return Ok(quotient);
        }
        let (a, b) = (self.to_var(), other.to_var());
        a.div(&b, quotient_scale(&a, &b), true)?.into_numeric()
    }

    /// `div()`: the quotient cut to a whole number.
    pub fn div_trunc(self, other: NumericRef<'_>) -> Result<Numeric> {
        if !self.is_finite() || !other.is_finite() {
            return self.div(other);
        }
        self.to_var().div(&other.to_var(), 0, false)?.into_numeric()
    }

    /// The remainder of [`NumericRef::div_trunc`]; has the sign of `self`.
    pub fn rem(self, other: NumericRef<'_>) -> Result<Numeric> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::nan());
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if !self.is_finite() {
            return Ok(Numeric::nan());
        }
        if !other.is_finite() {
            return Ok(self.to_numeric());
        }
        if let (Some((a, fa)), Some((b, fb))) = (self.scaled(), other.scaled())
            && let Some((a, b)) = align(a, fa, b, fb)
        {
            return Ok(Numeric::from_coefficient(a % b, fa.max(fb), self.dscale().max(other.dscale())));
        }
        let (a, b) = (self.to_var(), other.to_var());
        remainder(&a, &b)?.into_numeric()
    }

    pub fn neg(self) -> Numeric {
        match self.class() {
            Class::Nan => Numeric::nan(),
            Class::Infinity => Numeric::neg_infinity(),
            Class::NegInfinity => Numeric::infinity(),
            Class::Finite => self.with_sign(!self.is_negative()),
        }
    }
    pub fn abs(self) -> Numeric {
        match self.class() {
            Class::NegInfinity => Numeric::infinity(),
            Class::Finite => self.with_sign(false),
            _ => self.to_numeric(),
        }
    }
    fn with_sign(self, negative: bool) -> Numeric {
        let mut bytes = self.as_bytes().to_vec();
        let (head, len) = super::head(negative && !self.is_zero(), self.dscale(), self.weight());
        bytes[..len].copy_from_slice(&head[..len]);
        Numeric::from_stored(&bytes)
    }
    /// `sign()`: -1, 0, 1 or NaN.
    pub fn sign(self) -> Numeric {
        if self.is_nan() { Numeric::nan() } else { Numeric::from(self.signum()) }
    }

    /// `round(n, scale)`: half away from zero; a negative scale rounds before the point.
    pub fn round(self, scale: i32) -> Result<Numeric> {
        self.cut(scale, Var::round)
    }
    /// `trunc(n, scale)`.
    pub fn trunc(self, scale: i32) -> Result<Numeric> {
        self.cut(scale, Var::trunc)
    }
    fn cut(self, scale: i32, how: fn(&mut Var, i32)) -> Result<Numeric> {
        if !self.is_finite() {
            return Ok(self.to_numeric());
        }
        let mut v = self.to_var();
        how(&mut v, scale.clamp(-INTEGER_DIGITS_MAX - 1, DSCALE_MAX));
        v.into_numeric()
    }
    pub fn ceil(self) -> Result<Numeric> {
        if !self.is_finite() {
            return Ok(self.to_numeric());
        }
        let v = self.to_var();
        whole_toward(&v, !v.negative).into_numeric()
    }
    pub fn floor(self) -> Result<Numeric> {
        if !self.is_finite() {
            return Ok(self.to_numeric());
        }
        let v = self.to_var();
        whole_toward(&v, v.negative).into_numeric()
    }
}

/// `a` cut to a whole number, and if that lost something and `away`, one further from zero.
fn whole_toward(a: &Var, away: bool) -> Var {
    let mut v = a.clone();
    v.trunc(0);
    if away && !a.is_whole() {
        let one = Var { negative: a.negative, ..Var::from_u128(1) };
        v = v.add(&one);
    }
    v
}

/// a - b * trunc(a / b), for b not zero.
pub(super) fn remainder(a: &Var, b: &Var) -> Result<Var> {
    let quotient = a.div(b, 0, false)?;
    let mut product = quotient.mul(b);
    product.dscale = b.dscale;
    Ok(a.sub(&product))
}

fn signed_infinity(negative: bool) -> Numeric {
    if negative { Numeric::neg_infinity() } else { Numeric::infinity() }
}

/// Two coefficients at the same number of digits after the point.
#[inline]
fn align(a: i128, fa: u32, b: i128, fb: u32) -> Option<(i128, i128)> {
    Some(match fa.cmp(&fb) {
        std::cmp::Ordering::Equal => (a, b),
        std::cmp::Ordering::Less if fb - fa <= 9 => (a.checked_mul(pow_nbase(fb - fa))?, b),
        std::cmp::Ordering::Greater if fa - fb <= 9 => (a, b.checked_mul(pow_nbase(fa - fb))?),
        _ => return None,
    })
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident)*) => {
        impl Numeric {
            $($(#[$doc])* pub fn $name(&self, other: &Numeric) -> Result<Numeric> {
                self.view().$name(other.view())
            })*
        }
    };
}

forward! {
    add
    sub
    mul
    div
    /// `div()`.
    div_trunc
    rem
}
