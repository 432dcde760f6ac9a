//! sqrt, exp, ln, log, power. The scales of the results are PostgreSQL's: at least 16 significant digits, no fewer
//! decimals than the arguments. Inner steps carry enough further digits that rounding errors stay below the last.

use super::var::Var;
use super::{
    Class, DEC_DIGITS, MIN_SIG_DIGITS, Numeric, NumericRef, PRECISION_MAX, RESULT_SCALE_MAX, overflow,
};
use quarry_common::{Error, Result, bail, err};
use std::cmp::Ordering;

const LOG10_E: f64 = std::f64::consts::LOG10_E;

/// A result scale within what the type chooses by itself.
fn clamp_scale(scale: i32) -> i32 {
    scale.clamp(0, PRECISION_MAX)
}

fn one() -> Var {
    Var::from_u128(1)
}

/// A small decimal such as 0.9: `tenths / 10`.
fn tenths(n: u16) -> Var {
    let mut v = Var { negative: false, weight: 0, dscale: 1, digits: vec![n / 10, n % 10 * 1000] };
    v.strip();
    v
}

/// From a finite float, to about 16 digits.
fn from_f64(v: f64) -> Var {
    match Numeric::parse(&format!("{v:.16e}")) {
        Ok(n) => n.view().to_var(),
        Err(_) => one(),
    }
}

/// Square root of a value that is not negative, rounded to `rscale`.
pub(super) fn sqrt(arg: &Var, rscale: i32) -> Result<Var> {
    if arg.is_zero() {
        return Ok(Var::zero(rscale.max(0)));
    }
    // Newton's method from a float's estimate of the leading digits (an even power of 10000 apart), each step
    // doubling the digits that are right.
    let shift = arg.weight.div_euclid(2);
    let head = Var { weight: arg.weight - 2 * shift, ..arg.clone() };
    let mut root = from_f64(head.to_f64_approx().sqrt());
    root.weight += shift;
    let decimals = rscale.max(0) + 4;
    let significant = (shift + 1) * DEC_DIGITS + decimals;
    let mut right = 14;
    loop {
        // x = (x + arg / x) / 2
        let step_scale = (right * 2 - (shift + 1) * DEC_DIGITS + 8).clamp(decimals.min(8), decimals + 8);
        let quotient = arg.div(&root, step_scale, false)?;
        let mut next = root.add(&quotient).div(&Var::from_u128(2), step_scale, false)?;
        if next.is_zero() {
            next = root.clone();
        }
        root = next;
        if right >= significant {
            break;
        }
        right *= 2;
    }
    // Make the digit after the last exact, so that rounding is.
    let unit_scale = rscale + 1;
    root.trunc(unit_scale);
    let unit = unit_of(unit_scale);
    while root.mul(&root).cmp(arg) == Ordering::Greater {
        root = root.sub(&unit);
    }
    loop {
        let next = root.add(&unit);
        if next.mul(&next).cmp(arg) == Ordering::Greater {
            break;
        }
        root = next;
    }
    root.round(rscale);
    Ok(root)
}

/// 10^-scale.
fn unit_of(scale: i32) -> Var {
    let power = -scale;
    let weight = power.div_euclid(4);
    Var {
        negative: false,
        weight,
        dscale: scale.max(0),
        digits: vec![super::var::POW10[power.rem_euclid(4) as usize]],
    }
}

/// e^arg rounded to `rscale`; 22003 if it is too large for the type.
fn exp(arg: &Var, rscale: i32) -> Result<Var> {
    let approx = arg.to_f64_approx();
    if approx.abs() >= f64::from(RESULT_SCALE_MAX * 3) {
        return if approx > 0.0 { Err(overflow()) } else { Ok(Var::zero(rscale)) };
    }
    let weight = (approx * LOG10_E) as i32;
    // Halve the argument until it is small, sum Taylor's series, square as often.
    let mut halvings = 0;
    let mut small = approx.abs();
    while small > 0.01 {
        small /= 2.0;
        halvings += 1;
    }
    let digits = 1 + weight + rscale + halvings / 3 + 12;
    if digits < 0 {
        return Ok(Var::zero(rscale));
    }
    let digits = digits.max(16);
    let mut x = arg.clone();
    for _ in 0..halvings {
        x = x.mul(&Var { negative: false, weight: -1, dscale: 0, digits: vec![5000] });
    }
    let mut sum = one().add(&x);
    let mut term = x.clone();
    let mut n = 2u128;
    loop {
        term = term.mul(&x);
        term = term.div(&Var::from_u128(n), digits, true)?;
        if term.is_zero() {
            break;
        }
        sum = sum.add(&term);
        n += 1;
    }
    for _ in 0..halvings {
        sum = sum.mul(&sum);
        // Significant digits count, not decimals: large results need fewer decimals.
        sum.round(digits - sum.weight * DEC_DIGITS);
    }
    sum.round(rscale);
    Ok(sum)
}

/// Natural logarithm of a positive value, to `rscale`.
fn ln(arg: &Var, rscale: i32) -> Result<Var> {
    if arg.is_zero() {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    }
    if arg.negative {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
    }
    // Square roots bring the argument near 1, each halves the logarithm; then ln x = 2 artanh((x - 1) / (x + 1)).
    let mut x = arg.clone();
    let mut doublings = 0u32;
    let magnitude = arg.weight.abs() * DEC_DIGITS + 4;
    let scale = rscale.max(0) + 12 + (32 - magnitude.leading_zeros() as i32);
    let (low, high) = (tenths(9), tenths(11));
    while x.cmp(&low) == Ordering::Less || x.cmp(&high) == Ordering::Greater {
        let digits_before = (x.weight.max(0) + 1) * DEC_DIGITS;
        // A tiny x needs decimals for its own leading zeros too.
        let lead = (-x.weight).max(0) * DEC_DIGITS;
        x = sqrt(&x, (scale + 8 - digits_before / 2).max(16) + lead)?;
        doublings += 1;
    }
    let scale = scale + doublings as i32 / 3;
    let z = x.sub(&one()).div(&x.add(&one()), scale, true)?;
    let mut square = z.mul(&z);
    square.round(scale);
    let mut sum = z.clone();
    let mut power = z;
    let mut n = 3u128;
    loop {
        power = power.mul(&square);
        power.round(scale);
        let term = power.div(&Var::from_u128(n), scale, true)?;
        if term.is_zero() {
            break;
        }
        sum = sum.add(&term);
        n += 2;
    }
    let mut result = sum.mul(&Var::from_u128(1 << (doublings + 1)));
    result.round(rscale);
    Ok(result)
}

/// The power of ten of ln(arg)'s first digit, roughly.
fn ln_weight(arg: &Var) -> i32 {
    let Some(first) = arg.digits.first() else { return 0 };
    if arg.negative {
        return 0;
    }
    if arg.cmp(&tenths(9)) != Ordering::Less && arg.cmp(&tenths(11)) != Ordering::Greater {
        // ln(1 + x) is about x.
        let x = arg.sub(&one());
        return x.digits.first().map_or(0, |d| x.weight * DEC_DIGITS + i32::from(*d).ilog10() as i32);
    }
    let mut digits = f64::from(*first);
    let mut weight = arg.weight * DEC_DIGITS;
    if let Some(second) = arg.digits.get(1) {
        digits = digits * 10_000.0 + f64::from(*second);
        weight -= DEC_DIGITS;
    }
    let ln = digits.ln() + f64::from(weight) * std::f64::consts::LN_10;
    ln.abs().log10() as i32
}

fn integer_power(base: &Var, exponent: i32, rscale: i32) -> Result<Var> {
    match exponent {
        0 => return Ok(Var { dscale: rscale, ..one() }),
        1 => {
            let mut v = base.clone();
            v.round(rscale);
            return Ok(v);
        }
        -1 => return one().div(base, rscale, true),
        2 => return Ok(base.mul_round(base, rscale)),
        _ => {}
    }
    if base.is_zero() {
        if exponent < 0 {
            bail!(DIVISION_BY_ZERO, "division by zero");
        }
        return Ok(Var::zero(rscale));
    }
    let mut mantissa = f64::from(base.digits[0]);
    let mut power = base.weight * DEC_DIGITS;
    for d in base.digits.iter().skip(1).take(3) {
        mantissa = mantissa * 10_000.0 + f64::from(*d);
        power -= DEC_DIGITS;
    }
    // Power of ten of the result.
    let weight = f64::from(exponent) * (mantissa.log10() + f64::from(power));
    if weight > f64::from(3 * i32::from(i16::MAX) * DEC_DIGITS) {
        return Err(overflow());
    }
    if weight + 1.0 < f64::from(-rscale) || weight + 1.0 < f64::from(-PRECISION_MAX) {
        return Ok(Var::zero(rscale));
    }
    let digits = 1 + rscale + weight as i32 + f64::from(exponent).abs().ln() as i32 + 8;
    let mut square = base.clone();
    let mut left = exponent.unsigned_abs();
    let mut result = if left & 1 == 1 { base.clone() } else { one() };
    loop {
        left >>= 1;
        if left == 0 {
            break;
        }
        let scale = (digits - 2 * square.weight * DEC_DIGITS).min(2 * square.dscale).max(0);
        square = square.mul_round(&square, scale);
        if left & 1 == 1 {
            let scale = (digits - (square.weight + result.weight) * DEC_DIGITS)
                .min(square.dscale + result.dscale)
                .max(0);
            result = square.mul_round(&result, scale);
        }
        if square.weight > i32::from(i16::MAX) || result.weight > i32::from(i16::MAX) {
            if exponent > 0 {
                return Err(overflow());
            }
            return Ok(Var::zero(rscale));
        }
    }
    if exponent < 0 {
        return one().div(&result, rscale, true);
    }
    result.round(rscale);
    Ok(result)
}

fn complex_power() -> Error {
    err!(
        INVALID_ARGUMENT_FOR_POWER_FUNCTION,
        "a negative number raised to a non-integer power yields a complex result"
    )
}

fn power(base: &Var, exponent: &Var) -> Result<Var> {
    if exponent.is_whole()
        && let Some(n) = exponent.to_i128().and_then(|n| i32::try_from(n).ok())
    {
        let rscale = clamp_scale(MIN_SIG_DIGITS.max(base.dscale));
        return integer_power(base, n, rscale);
    }
    if base.is_zero() {
        return Ok(Var::zero(MIN_SIG_DIGITS));
    }
    let mut negative = false;
    let mut base = base.clone();
    if base.negative {
        if !exponent.is_whole() {
            return Err(complex_power());
        }
        negative = exponent.digit_at(0) % 2 == 1;
        base.negative = false;
    }
    let ln_dweight = ln_weight(&base);
    // A rough value of the exponent of e decides how many digits are needed.
    let rough_scale = (8 - ln_dweight).max(0);
    let rough = ln(&base, rough_scale)?.mul_round(exponent, rough_scale).to_f64_approx();
    if rough.abs() > f64::from(RESULT_SCALE_MAX) * 3.01 {
        if rough > 0.0 {
            return Err(overflow());
        }
        return Ok(Var::zero(PRECISION_MAX));
    }
    let weight = (rough * LOG10_E) as i32;
    let rscale = clamp_scale((MIN_SIG_DIGITS - weight).max(base.dscale).max(exponent.dscale));
    let ln_scale = (rscale + weight - ln_dweight + 8).max(0);
    let product = ln(&base, ln_scale)?.mul_round(exponent, ln_scale);
    let mut result = exp(&product, rscale)?;
    result.negative = negative && !result.is_zero();
    Ok(result)
}

impl NumericRef<'_> {
    pub fn sqrt(self) -> Result<Numeric> {
        if !self.is_finite() {
            return match self.class() {
                Class::NegInfinity => Err(negative_root()),
                _ => Ok(self.to_numeric()),
            };
        }
        if self.is_negative() {
            return Err(negative_root());
        }
        let arg = self.to_var();
        let weight = if arg.weight >= 0 {
            arg.weight * DEC_DIGITS / 2 + 1
        } else {
            1 - (1 - arg.weight * DEC_DIGITS) / 2
        };
        let rscale = clamp_scale((MIN_SIG_DIGITS - weight).max(arg.dscale));
        sqrt(&arg, rscale)?.into_numeric()
    }

    pub fn exp(self) -> Result<Numeric> {
        match self.class() {
            Class::NegInfinity => return Ok(Numeric::zero(0)),
            Class::Finite => {}
            _ => return Ok(self.to_numeric()),
        }
        let arg = self.to_var();
        let limit = f64::from(RESULT_SCALE_MAX);
        let weight = (arg.to_f64_approx() * LOG10_E).clamp(-limit, limit) as i32;
        let rscale = clamp_scale((MIN_SIG_DIGITS - weight).max(arg.dscale));
        exp(&arg, rscale)?.into_numeric()
    }

    pub fn ln(self) -> Result<Numeric> {
        if !self.is_finite() {
            return match self.class() {
                Class::NegInfinity => {
                    Err(err!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number"))
                }
                _ => Ok(self.to_numeric()),
            };
        }
        let arg = self.to_var();
        let rscale = clamp_scale((MIN_SIG_DIGITS - ln_weight(&arg)).max(arg.dscale));
        ln(&arg, rscale)?.into_numeric()
    }

    /// Logarithm of `self` to the given base.
    pub fn log(self, base: NumericRef<'_>) -> Result<Numeric> {
        if self.is_nan() || base.is_nan() {
            return Ok(Numeric::nan());
        }
        for v in [base, self] {
            if v.is_negative() {
                bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
            }
            if v.is_zero() {
                bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
            }
        }
        match (base.is_finite(), self.is_finite()) {
            (false, false) => return Ok(Numeric::nan()),
            (false, true) => return Ok(Numeric::zero(0)),
            (true, false) => return Ok(Numeric::infinity()),
            (true, true) => {}
        }
        let (num, base) = (self.to_var(), base.to_var());
        let (num_weight, base_weight) = (ln_weight(&num), ln_weight(&base));
        let weight = num_weight - base_weight;
        let rscale = clamp_scale((MIN_SIG_DIGITS - weight).max(base.dscale).max(num.dscale));
        let ln_base = ln(&base, (rscale + weight - base_weight + 8).max(0))?;
        let ln_num = ln(&num, (rscale + weight - num_weight + 8).max(0))?;
        ln_num.div(&ln_base, rscale, true)?.into_numeric()
    }

    pub fn log10(self) -> Result<Numeric> {
        self.log(Numeric::from(10).view())
    }

    pub fn power(self, exponent: NumericRef<'_>) -> Result<Numeric> {
        if !self.is_finite() || !exponent.is_finite() {
            return power_special(self, exponent);
        }
        if self.is_zero() && exponent.is_negative() {
            bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
        }
        let (base, exponent) = (self.to_var(), exponent.to_var());
        if base.negative && !exponent.is_whole() {
            return Err(complex_power());
        }
        power(&base, &exponent)?.into_numeric()
    }
}

fn negative_root() -> Error {
    err!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number")
}

/// POSIX pow()'s rules where NaN or an infinity is involved.
fn power_special(base: NumericRef<'_>, exponent: NumericRef<'_>) -> Result<Numeric> {
    let is_one = |v: NumericRef<'_>| v.compare(Numeric::from(1).view()) == Ordering::Equal;
    if base.is_nan() {
        return Ok(if exponent.is_zero() { Numeric::from(1) } else { Numeric::nan() });
    }
    if exponent.is_nan() {
        return Ok(if is_one(base) { Numeric::from(1) } else { Numeric::nan() });
    }
    if is_one(base) || exponent.is_zero() {
        return Ok(Numeric::from(1));
    }
    if base.is_zero() && exponent.is_negative() {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    if base.is_zero() {
        return Ok(Numeric::zero(0));
    }
    if !exponent.is_finite() {
        let above_one = base.abs().view().compare(Numeric::from(1).view());
        if above_one == Ordering::Equal {
            return Ok(Numeric::from(1));
        }
        let grows = (above_one == Ordering::Greater) != exponent.is_negative();
        return Ok(if grows { Numeric::infinity() } else { Numeric::zero(0) });
    }
    // The base is infinite, the exponent finite and not zero.
    let exponent = exponent.to_var();
    let odd = exponent.is_whole() && exponent.digit_at(0) % 2 == 1;
    if base.is_negative() && !exponent.is_whole() {
        return Err(complex_power());
    }
    if exponent.negative {
        return Ok(Numeric::zero(0));
    }
    Ok(if base.is_negative() && odd { Numeric::neg_infinity() } else { Numeric::infinity() })
}
