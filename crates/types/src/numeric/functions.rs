//! Functions on numeric beyond the operators: gcd, lcm, factorial, scale, trim_scale, width_bucket, increment.

use super::arithmetic::{quotient_scale, remainder};
use super::var::Var;
use super::{Class, Numeric, NumericRef, overflow};
use quarry_common::{Result, bail, err};
use std::cmp::Ordering;

impl NumericRef<'_> {
    /// `scale()`: digits after the point; none for NaN and the infinities.
    pub fn scale(self) -> Option<i32> {
        self.is_finite().then(|| self.dscale())
    }
    /// `min_scale()`: the fewest digits after the point that show the value exactly.
    pub fn min_scale(self) -> Option<i32> {
        if !self.is_finite() {
            return None;
        }
        let count = self.digit_count();
        let decimals = (count as i32 - 1 - self.weight()) * 4;
        if count == 0 || decimals <= 0 {
            return Some(0);
        }
        let mut last = self.digit(count - 1);
        let mut zeros = 0;
        while last.is_multiple_of(10) {
            last /= 10;
            zeros += 1;
        }
        Some(decimals - zeros)
    }
    /// `trim_scale()`.
    pub fn trim_scale(self) -> Result<Numeric> {
        match self.min_scale() {
            None => Ok(self.to_numeric()),
            Some(scale) => {
                let mut v = self.to_var();
                v.dscale = scale;
                v.into_numeric()
            }
        }
    }

    /// Greatest common divisor, not negative.
    pub fn gcd(self, other: NumericRef<'_>) -> Result<Numeric> {
        if !self.is_finite() || !other.is_finite() {
            return Ok(Numeric::nan());
        }
        greatest_divisor(&self.to_var(), &other.to_var())?.into_numeric()
    }
    /// Least common multiple, not negative.
    pub fn lcm(self, other: NumericRef<'_>) -> Result<Numeric> {
        if !self.is_finite() || !other.is_finite() {
            return Ok(Numeric::nan());
        }
        let (a, b) = (self.to_var(), other.to_var());
        let dscale = a.dscale.max(b.dscale);
        if a.is_zero() || b.is_zero() {
            return Ok(Numeric::zero(dscale));
        }
        let divisor = greatest_divisor(&a, &b)?;
        let mut multiple = a.div(&divisor, 0, false)?.mul(&b);
        multiple.negative = false;
        multiple.dscale = dscale;
        multiple.into_numeric()
    }

    /// The bucket of `self` among `count` equal ones from `low` to `high`.
    pub fn width_bucket(self, low: NumericRef<'_>, high: NumericRef<'_>, count: i32) -> Result<i32> {
        if count <= 0 {
            bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
        }
        if self.is_nan() || low.is_nan() || high.is_nan() {
            bail!(
                INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
                "operand, lower bound, and upper bound cannot be NaN"
            );
        }
        if !low.is_finite() || !high.is_finite() {
            bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
        }
        let rising = match low.compare(high) {
            Ordering::Equal => {
                bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound")
            }
            order => order == Ordering::Less,
        };
        let out_of_range = || err!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
        let before = if rising { Ordering::Less } else { Ordering::Greater };
        if self.compare(low) == before {
            return Ok(0);
        }
        if self.compare(high) != before {
            return count.checked_add(1).ok_or_else(out_of_range);
        }
        // (operand - low) * count / (high - low), rounded as a quotient, then cut.
        let (x, low, high) = (self.to_var(), low.to_var(), high.to_var());
        let over = x.sub(&low).mul(&Var::from_i128(count.into()));
        let width = high.sub(&low);
        let bucket = over.div(&width, quotient_scale(&over, &width), true)?.to_i128().unwrap_or(0);
        i32::try_from(bucket + 1).map_err(|_| out_of_range())
    }
}

/// Euclid's algorithm; the scale is the larger of the operands'.
fn greatest_divisor(a: &Var, b: &Var) -> Result<Var> {
    let dscale = a.dscale.max(b.dscale);
    let (mut a, mut b) =
        if a.cmp_abs(b) == Ordering::Less { (b.clone(), a.clone()) } else { (a.clone(), b.clone()) };
    while !b.is_zero() {
        let rest = remainder(&a, &b)?;
        a = std::mem::replace(&mut b, rest);
    }
    a.negative = false;
    a.dscale = dscale;
    Ok(a)
}

impl Numeric {
    /// `factorial(n)`.
    pub fn factorial(n: i64) -> Result<Numeric> {
        if n < 0 {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined");
        }
        // Larger factorials have more digits than the type holds.
        if n > 32177 {
            return Err(overflow());
        }
        let mut product = Var::from_u128(1);
        let mut batch: u128 = 1;
        for factor in 2..=n as u128 {
            batch *= factor;
            if batch > 1 << 96 {
                product = product.mul(&Var::from_u128(batch));
                batch = 1;
            }
        }
        product.mul(&Var::from_u128(batch)).into_numeric()
    }
    pub fn is_nan(&self) -> bool {
        self.view().class() == Class::Nan
    }
}
