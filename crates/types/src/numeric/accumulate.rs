//! Sums, averages and variances of many numerics (and of whole numbers), exactly.
//!
//! The sum is an i128 over a power of 10000 as long as it fits; what doesn't goes to a [`Var`].

use super::arithmetic::quotient_scale;
use super::decimals::DecimalScale;
use super::var::Var;
use super::{Class, Numeric, NumericRef, pow_nbase};
use quarry_common::Result;

/// An exact sum.
#[derive(Clone, Debug, Default)]
struct Sum {
    coefficient: i128,
    /// Digits in base 10000 that the coefficient has after the point.
    fraction: u32,
    rest: Option<Box<Var>>,
}

impl Sum {
    #[inline]
    fn add_scaled(&mut self, value: i128, fraction: u32) {
        if fraction == self.fraction
            && let Some(sum) = self.coefficient.checked_add(value)
        {
            self.coefficient = sum;
            return;
        }
        self.add_unaligned(value, fraction);
    }
    #[cold]
    fn add_unaligned(&mut self, value: i128, fraction: u32) {
        let target = self.fraction.max(fraction);
        let raise = |v: i128, from: u32| match target - from {
            d @ 0..=9 => v.checked_mul(pow_nbase(d)),
            _ if v == 0 => Some(0),
            _ => None,
        };
        let sum = raise(self.coefficient, self.fraction)
            .zip(raise(value, fraction))
            .and_then(|(a, b)| a.checked_add(b));
        match sum {
            Some(sum) => {
                self.coefficient = sum;
                self.fraction = target;
            }
            None => {
                self.add_var(&scaled_var(value, fraction));
                self.flush();
                self.fraction = fraction;
            }
        }
    }
    fn add_var(&mut self, value: &Var) {
        let sum = match &self.rest {
            Some(rest) => rest.add(value),
            None => value.clone(),
        };
        self.rest = Some(Box::new(sum));
    }
    /// Moves the coefficient into the large part.
    fn flush(&mut self) {
        let v = scaled_var(self.coefficient, self.fraction);
        self.coefficient = 0;
        self.add_var(&v);
    }
    fn merge(&mut self, other: &Sum) {
        self.add_scaled(other.coefficient, other.fraction);
        if let Some(rest) = &other.rest {
            self.add_var(rest);
        }
    }
    fn to_var(&self, dscale: i32) -> Var {
        let mut v = scaled_var(self.coefficient, self.fraction);
        if let Some(rest) = &self.rest {
            v = v.add(rest);
        }
        v.dscale = dscale;
        v
    }
}

fn scaled_var(value: i128, fraction: u32) -> Var {
    let mut v = Var::from_i128(value);
    if !v.is_zero() {
        v.weight -= fraction as i32;
    }
    v
}

/// The state of sum, avg, var_pop, stddev and the like over numeric; values can be removed again, for moving
/// window frames.
#[derive(Clone, Debug, Default)]
pub struct NumericAccumulator {
    count: i64,
    sum: Sum,
    squares: Sum,
    with_squares: bool,
    nans: i64,
    infinities: i64,
    neg_infinities: i64,
    /// The largest display scale among the values, and how many have it.
    dscale: i32,
    dscale_count: i64,
}

impl NumericAccumulator {
    /// For sum and avg.
    pub fn new() -> NumericAccumulator {
        NumericAccumulator::default()
    }
    /// For variances too.
    pub fn with_squares() -> NumericAccumulator {
        NumericAccumulator { with_squares: true, ..NumericAccumulator::default() }
    }
    /// After `count` values that come to `total / 10^places`, the largest of whose display scales is `dscale`.
    pub(super) fn of_total(total: i64, count: i64, places: u16, dscale: u16) -> NumericAccumulator {
        let fraction = u32::from(places.div_ceil(4));
        let raised = i128::from(total) * 10i128.pow(4 * fraction - u32::from(places));
        let sum = Sum { coefficient: raised, fraction, rest: None };
        NumericAccumulator { count, sum, dscale: dscale.into(), dscale_count: count, ..Default::default() }
    }
    /// Values added, less those removed.
    pub fn count(&self) -> i64 {
        self.count
    }

    #[inline]
    pub fn add(&mut self, v: NumericRef<'_>) {
        if !v.is_finite() {
            self.count += 1;
            *self.special_count(v.class()) += 1;
            return;
        }
        self.note_scale(v.dscale(), 1);
        self.apply(v, false);
    }
    /// Adds a value in the fast form of columns.
    #[inline]
    pub fn add_decimal(&mut self, v: i64, scale: DecimalScale) {
        self.note_scale(i32::from(scale.dscale), 1);
        let raised = i128::from(v) * i128::from(scale.factor);
        self.sum.add_scaled(raised, scale.fraction);
        if self.with_squares {
            match raised.checked_mul(raised) {
                Some(square) => self.squares.add_scaled(square, 2 * scale.fraction),
                None => self.add_square(&scaled_var(raised, scale.fraction), false),
            }
        }
    }
    /// Adds values in the fast form of columns.
    pub fn add_decimals(&mut self, values: impl ExactSizeIterator<Item = i64>, scale: DecimalScale) {
        if values.len() == 0 {
            return;
        }
        if self.with_squares || values.len() > u32::MAX as usize {
            return values.for_each(|v| self.add_decimal(v, scale));
        }
        self.note_scale(i32::from(scale.dscale), values.len() as i64);
        // 2^32 numbers of 63 bits and a factor of up to 1,000 are far from an i128's end.
        let sum: i128 = values.map(i128::from).sum();
        self.sum.add_scaled(sum * i128::from(scale.factor), scale.fraction);
    }
    /// So many values of a display scale are added.
    #[inline]
    fn note_scale(&mut self, dscale: i32, n: i64) {
        self.count += n;
        if dscale > self.dscale {
            self.dscale = dscale;
            self.dscale_count = n;
        } else if dscale == self.dscale {
            self.dscale_count += n;
        }
    }
    /// Adds a whole number.
    #[inline]
    pub fn add_i64(&mut self, v: i64) {
        self.add_i64_times(v, 1);
    }
    fn add_i64_times(&mut self, v: i64, sign: i64) {
        self.count += sign;
        if self.dscale == 0 {
            self.dscale_count += sign;
        }
        let v = i128::from(v);
        self.sum.add_scaled(v * i128::from(sign), 0);
        if self.with_squares {
            self.squares.add_scaled(v * v * i128::from(sign), 0);
        }
    }
    /// Takes back a value added by [`NumericAccumulator::add_i64`].
    pub fn remove_i64(&mut self, v: i64) {
        self.add_i64_times(v, -1);
    }
    /// Takes back a value; false if that can't be done (the sum's scale would have to shrink): the caller starts
    /// over.
    #[must_use]
    pub fn remove(&mut self, v: NumericRef<'_>) -> bool {
        if !v.is_finite() {
            self.count -= 1;
            *self.special_count(v.class()) -= 1;
            return true;
        }
        let dscale = v.dscale();
        if dscale == self.dscale {
            if self.dscale_count > 1 || dscale == 0 {
                self.dscale_count -= 1;
            } else if self.count == 1 {
                *self =
                    NumericAccumulator { with_squares: self.with_squares, ..NumericAccumulator::default() };
                return true;
            } else {
                return false;
            }
        }
        self.count -= 1;
        self.apply(v, true);
        true
    }
    fn special_count(&mut self, class: Class) -> &mut i64 {
        match class {
            Class::Infinity => &mut self.infinities,
            Class::NegInfinity => &mut self.neg_infinities,
            Class::Nan | Class::Finite => &mut self.nans,
        }
    }
    #[inline]
    fn apply(&mut self, v: NumericRef<'_>, remove: bool) {
        match v.scaled() {
            Some((c, fraction)) => {
                self.sum.add_scaled(if remove { -c } else { c }, fraction);
                if self.with_squares {
                    match c.checked_mul(c) {
                        Some(square) => {
                            self.squares.add_scaled(if remove { -square } else { square }, 2 * fraction)
                        }
                        None => self.add_square(&v.to_var(), remove),
                    }
                }
            }
            None => {
                let var = v.to_var();
                if self.with_squares {
                    self.add_square(&var, remove);
                }
                self.sum.add_var(&if remove { var.neg() } else { var });
            }
        }
    }
    fn add_square(&mut self, v: &Var, remove: bool) {
        let square = v.mul(v);
        self.squares.add_var(&if remove { square.neg() } else { square });
    }

    /// Adds everything `other` has.
    pub fn merge(&mut self, other: &NumericAccumulator) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.nans += other.nans;
        self.infinities += other.infinities;
        self.neg_infinities += other.neg_infinities;
        match self.dscale.cmp(&other.dscale) {
            std::cmp::Ordering::Less => {
                self.dscale = other.dscale;
                self.dscale_count = other.dscale_count;
            }
            std::cmp::Ordering::Equal => self.dscale_count += other.dscale_count,
            std::cmp::Ordering::Greater => {}
        }
    }

    /// What NaN and infinite values make of the sum.
    fn special(&self) -> Option<Numeric> {
        if self.nans > 0 || (self.infinities > 0 && self.neg_infinities > 0) {
            Some(Numeric::nan())
        } else if self.infinities > 0 {
            Some(Numeric::infinity())
        } else if self.neg_infinities > 0 {
            Some(Numeric::neg_infinity())
        } else {
            None
        }
    }
    /// None without values.
    pub fn sum(&self) -> Result<Option<Numeric>> {
        if self.count == 0 {
            return Ok(None);
        }
        match self.special() {
            Some(v) => Ok(Some(v)),
            None => self.sum.to_var(self.dscale).into_numeric().map(Some),
        }
    }
    /// None without values.
    pub fn avg(&self) -> Result<Option<Numeric>> {
        if self.count == 0 {
            return Ok(None);
        }
        if let Some(v) = self.special() {
            return Ok(Some(v));
        }
        let (sum, count) = (self.sum.to_var(self.dscale), Var::from_i128(self.count.into()));
        sum.div(&count, quotient_scale(&sum, &count), true)?.into_numeric().map(Some)
    }
    /// Variance of the population or of a sample; none if there are too few values.
    pub fn variance(&self, sample: bool) -> Result<Option<Numeric>> {
        self.spread(sample).map(|v| v.map(|v| v.0))
    }
    /// Standard deviation of the population or of a sample; none if there are too few values.
    pub fn stddev(&self, sample: bool) -> Result<Option<Numeric>> {
        match self.spread(sample)? {
            None => Ok(None),
            Some((variance, rscale)) if variance.view().is_finite() && !variance.view().is_zero() => {
                super::math::sqrt(&variance.view().to_var(), rscale)?.into_numeric().map(Some)
            }
            Some((variance, _)) => Ok(Some(variance)),
        }
    }
    fn spread(&self, sample: bool) -> Result<Option<(Numeric, i32)>> {
        if self.count == 0 || (sample && self.count == 1) {
            return Ok(None);
        }
        if self.special().is_some() {
            return Ok(Some((Numeric::nan(), 0)));
        }
        let n = Var::from_i128(self.count.into());
        let sum = self.sum.to_var(self.dscale);
        let squares = self.squares.to_var(2 * self.dscale);
        let over = n.mul(&squares).sub(&sum.mul(&sum));
        if over.is_zero() || over.negative {
            return Ok(Some((Numeric::zero(0), 0)));
        }
        let n_or_less = Var::from_i128(i128::from(self.count) - i128::from(sample));
        let under = n.mul(&n_or_less);
        let rscale = quotient_scale(&over, &under);
        Ok(Some((over.div(&under, rscale, true)?.into_numeric()?, rscale)))
    }
}
