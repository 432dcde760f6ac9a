//! Mathematics on float8: roots, powers, logarithms, trigonometry in radians and degrees.
//!
//! Errors are where PostgreSQL has them: out of the domain, overflow, underflow. Functions in degrees are exact at the
//! multiples of 30 and 45 degrees: each is scaled by what the library's function gives there.

use super::cbrt::cbrt;
use crate::scalar::arithmetic::errors::{
    float_overflow, float_underflow, input_out_of_range, int4_out_of_range,
};
use crate::{FunctionDef, func, row_only, scalar, wide};
use quarry_common::{Result, bail};
use quarry_types::Datum;
use std::f64::consts::PI;

const RADIANS_PER_DEGREE: f64 = PI / 180.0;

fn sqrt(a: f64) -> Result<f64> {
    if a < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    }
    Ok(a.sqrt())
}

fn check_logarithm(a: f64) -> Result<()> {
    if a == 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    }
    if a < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
    }
    Ok(())
}

fn ln(a: f64) -> Result<f64> {
    check_logarithm(a)?;
    Ok(a.ln())
}

fn log10(a: f64) -> Result<f64> {
    check_logarithm(a)?;
    Ok(a.log10())
}

fn exp(a: f64) -> Result<f64> {
    let v = a.exp();
    if a.is_finite() && v.is_infinite() {
        return Err(float_overflow());
    }
    if a.is_finite() && v == 0.0 {
        return Err(float_underflow());
    }
    Ok(v)
}

/// Power with POSIX's special cases and SQL's errors.
pub fn power(a: f64, b: f64) -> Result<f64> {
    if a.is_nan() {
        return Ok(if b == 0.0 { 1.0 } else { f64::NAN });
    }
    if b.is_nan() {
        return Ok(if a == 1.0 { 1.0 } else { f64::NAN });
    }
    if a == 0.0 && b < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    if a < 0.0 && b.floor() != b {
        bail!(
            INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "a negative number raised to a non-integer power yields a complex result"
        );
    }
    let v = a.powf(b);
    if a.is_finite() && b.is_finite() {
        if v.is_infinite() {
            return Err(float_overflow());
        }
        if v == 0.0 && a != 0.0 {
            return Err(float_underflow());
        }
    }
    Ok(v)
}

fn degrees(a: f64) -> Result<f64> {
    let v = a / RADIANS_PER_DEGREE;
    if v.is_infinite() && !a.is_infinite() {
        return Err(float_overflow());
    }
    Ok(v)
}

fn radians(a: f64) -> Result<f64> {
    let v = a * RADIANS_PER_DEGREE;
    if v == 0.0 && a != 0.0 {
        return Err(float_underflow());
    }
    Ok(v)
}

/// For functions undefined at infinity.
fn finite(a: f64, f: fn(f64) -> f64) -> Result<f64> {
    if a.is_infinite() { Err(input_out_of_range()) } else { Ok(f(a)) }
}

/// For functions defined on -1..=1 (and NaN).
fn unit(a: f64, f: fn(f64) -> f64) -> Result<f64> {
    if !a.is_nan() && !(-1.0..=1.0).contains(&a) { Err(input_out_of_range()) } else { Ok(f(a)) }
}

fn acosh(a: f64) -> Result<f64> {
    if a < 1.0 { Err(input_out_of_range()) } else { Ok(arc::acosh(a)) }
}

/// Inverse hyperbolic functions by the logarithms that stay accurate near zero and don't overflow for large arguments.
mod arc {
    use std::f64::consts::LN_2;

    /// Beyond this, 1 vanishes beside the square.
    const LARGE: f64 = 268_435_456.0;

    pub fn asinh(a: f64) -> f64 {
        let x = a.abs();
        let v = if !x.is_finite() || x == 0.0 {
            return a;
        } else if x > LARGE {
            x.ln() + LN_2
        } else if x > 2.0 {
            (2.0 * x + 1.0 / ((x * x + 1.0).sqrt() + x)).ln()
        } else {
            let square = x * x;
            (x + square / (1.0 + (1.0 + square).sqrt())).ln_1p()
        };
        v.copysign(a)
    }
    pub fn acosh(a: f64) -> f64 {
        if a > LARGE {
            a.ln() + LN_2
        } else if a > 2.0 {
            (2.0 * a - 1.0 / (a + (a * a - 1.0).sqrt())).ln()
        } else {
            let t = a - 1.0;
            (t + (2.0 * t + t * t).sqrt()).ln_1p()
        }
    }
    pub fn atanh(a: f64) -> f64 {
        let x = a.abs();
        let v = if x == 1.0 {
            f64::INFINITY
        } else if x < 0.5 {
            let twice = 2.0 * x;
            0.5 * (twice + twice * x / (1.0 - x)).ln_1p()
        } else {
            0.5 * (2.0 * x / (1.0 - x)).ln_1p()
        };
        v.copysign(a)
    }
}

/// Sine of 0..=30 degrees.
fn sin_to_30(x: f64) -> f64 {
    ((x * RADIANS_PER_DEGREE).sin() / (30.0 * RADIANS_PER_DEGREE).sin()) / 2.0
}
/// Cosine of 0..=60 degrees.
fn cos_to_60(x: f64) -> f64 {
    let one_minus_cos_60 = 1.0 - (60.0 * RADIANS_PER_DEGREE).cos();
    1.0 - ((1.0 - (x * RADIANS_PER_DEGREE).cos()) / one_minus_cos_60) / 2.0
}
/// Sine of the first quadrant.
fn sin_q1(x: f64) -> f64 {
    if x <= 30.0 { sin_to_30(x) } else { cos_to_60(90.0 - x) }
}
/// Cosine of the first quadrant.
fn cos_q1(x: f64) -> f64 {
    if x <= 60.0 { cos_to_60(x) } else { sin_to_30(90.0 - x) }
}
/// Reduces degrees to 0..=180 and says whether the angle was mirrored at 0.
fn half_turn(a: f64) -> (f64, bool) {
    let x = a % 360.0;
    let (x, mirrored) = if x < 0.0 { (-x, true) } else { (x, false) };
    if x > 180.0 { (360.0 - x, !mirrored) } else { (x, mirrored) }
}
fn sign_if(negative: bool, v: f64) -> f64 {
    if negative { -v } else { v }
}
fn sind(a: f64) -> f64 {
    let (x, negative) = half_turn(a);
    sign_if(negative, sin_q1(if x > 90.0 { 180.0 - x } else { x }))
}
fn cosd(a: f64) -> f64 {
    let (x, _) = half_turn(a);
    if x > 90.0 { -cos_q1(180.0 - x) } else { cos_q1(x) }
}
fn tangent(a: f64, ratio: fn(f64) -> f64) -> f64 {
    let (x, negative) = half_turn(a);
    let (x, negative) = if x > 90.0 { (180.0 - x, !negative) } else { (x, negative) };
    // Adding 0 turns -0 into 0.
    sign_if(negative, ratio(x) / ratio(45.0)) + 0.0
}
fn tand(a: f64) -> f64 {
    tangent(a, |x| sin_q1(x) / cos_q1(x))
}
fn cotd(a: f64) -> f64 {
    tangent(a, |x| cos_q1(x) / sin_q1(x))
}
fn asin_q1(x: f64) -> f64 {
    if x <= 0.5 { (x.asin() / 0.5f64.asin()) * 30.0 } else { 90.0 - (x.acos() / 0.5f64.acos()) * 60.0 }
}
fn acos_q1(x: f64) -> f64 {
    if x <= 0.5 { 90.0 - (x.asin() / 0.5f64.asin()) * 30.0 } else { (x.acos() / 0.5f64.acos()) * 60.0 }
}
fn asind(a: f64) -> f64 {
    if a >= 0.0 { asin_q1(a) } else { -asin_q1(-a) }
}
fn acosd(a: f64) -> f64 {
    if a >= 0.0 { acos_q1(a) } else { 90.0 + asin_q1(-a) }
}

fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else {
        // Of NaN too.
        0.0
    }
}

fn width_bucket(operand: f64, low: f64, high: f64, count: i32) -> Result<i32> {
    if count <= 0 {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        bail!(
            INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION,
            "operand, lower bound, and upper bound cannot be NaN"
        );
    }
    if low.is_infinite() || high.is_infinite() {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    }
    if low == high {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound");
    }
    // Buckets that fall are buckets that rise, mirrored.
    let (operand, low, high) = if low < high { (operand, low, high) } else { (-operand, -low, -high) };
    if operand < low {
        return Ok(0);
    }
    if operand >= high {
        return count.checked_add(1).ok_or_else(int4_out_of_range);
    }
    let part = if (high - low).is_finite() {
        (operand - low) / (high - low)
    } else {
        (operand / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
    };
    // A quotient that rounds to 1 lands one bucket past the last, as in PostgreSQL 15.
    let bucket = (f64::from(count) * part) as i32;
    Ok(bucket.wrapping_add(1))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(230, "dsqrt", [FLOAT8] => FLOAT8, wide!(|a: f64| -> Result<f64> { sqrt(a) })),
    func!(1344, "sqrt", [FLOAT8] => FLOAT8, wide!(|a: f64| -> Result<f64> { sqrt(a) })),
    func!(231, "dcbrt", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { cbrt(a) })),
    func!(1345, "cbrt", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { cbrt(a) })),
    func!(232, "dpow", [FLOAT8, FLOAT8] => FLOAT8, scalar!(|a: f64, b: f64| -> Result<f64> { power(a, b) })),
    func!(1346, "pow", [FLOAT8, FLOAT8] => FLOAT8, scalar!(|a: f64, b: f64| -> Result<f64> { power(a, b) })),
    func!(1368, "power", [FLOAT8, FLOAT8] => FLOAT8, scalar!(|a: f64, b: f64| -> Result<f64> { power(a, b) })),
    func!(233, "dexp", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { exp(a) })),
    func!(1347, "exp", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { exp(a) })),
    func!(234, "dlog1", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { ln(a) })),
    func!(1341, "ln", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { ln(a) })),
    func!(1339, "dlog10", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { log10(a) })),
    func!(1340, "log", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { log10(a) })),
    func!(1194, "log10", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { log10(a) })),
    func!(228, "dround", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.round_ties_even() })),
    func!(1342, "round", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.round_ties_even() })),
    func!(229, "dtrunc", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.trunc() })),
    func!(1343, "trunc", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.trunc() })),
    func!(2308, "ceil", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.ceil() })),
    func!(2320, "ceiling", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.ceil() })),
    func!(2309, "floor", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.floor() })),
    func!(2310, "sign", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { sign(a) })),
    func!(1608, "degrees", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { degrees(a) })),
    func!(1609, "radians", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { radians(a) })),
    func!(1610, "pi", [] => FLOAT8, scalar!(_cx, || -> f64 { PI })),
    func!(1604, "sin", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, f64::sin) })),
    func!(1605, "cos", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, f64::cos) })),
    func!(1606, "tan", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, f64::tan) })),
    func!(1607, "cot", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, |a| 1.0 / a.tan()) })),
    func!(1600, "asin", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { unit(a, f64::asin) })),
    func!(1601, "acos", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { unit(a, f64::acos) })),
    func!(1602, "atan", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { a.atan() })),
    func!(1603, "atan2", [FLOAT8, FLOAT8] => FLOAT8, scalar!(|a: f64, b: f64| -> f64 { a.atan2(b) })),
    func!(2462, "sinh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { a.sinh() })),
    func!(2463, "cosh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { a.cosh() })),
    func!(2464, "tanh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { a.tanh() })),
    func!(2465, "asinh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { arc::asinh(a) })),
    func!(2466, "acosh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { acosh(a) })),
    func!(2467, "atanh", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { unit(a, arc::atanh) })),
    func!(2735, "sind", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, sind) })),
    func!(2736, "cosd", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, cosd) })),
    func!(2737, "tand", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, tand) })),
    func!(2738, "cotd", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { finite(a, cotd) })),
    func!(2731, "asind", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { unit(a, asind) })),
    func!(2732, "acosd", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> Result<f64> { unit(a, acosd) })),
    func!(2733, "atand", [FLOAT8] => FLOAT8, scalar!(|a: f64| -> f64 { (a.atan() / 1.0f64.atan()) * 45.0 })),
    func!(2734, "atan2d", [FLOAT8, FLOAT8] => FLOAT8, scalar!(|a: f64, b: f64| -> f64 { (a.atan2(b) / 1.0f64.atan()) * 45.0 })),
    func!(320, "width_bucket", [FLOAT8, FLOAT8, FLOAT8, INT4] => INT4, scalar!(|x: f64, low: f64, high: f64, n: i32| -> Result<i32> { width_bucket(x, low, high, n) })),
    func!(1598, "random", [] => FLOAT8, row_only!(|cx, _| Ok(Datum::F64(cx.env.random())))).volatile(),
    func!(1599, "setseed", [FLOAT8] => VOID, row_only!(|cx, args| {
        let seed = args[0].as_f64();
        if !(-1.0..=1.0).contains(&seed) {
            bail!(INVALID_PARAMETER_VALUE, "setseed parameter {seed} is out of allowed range [-1,1]");
        }
        cx.env.set_seed(seed);
        Ok(Datum::Bytes(bytes::Bytes::new()))
    }))
    .volatile(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_exact_where_people_look() {
        assert_eq!((sind(30.0), sind(150.0), sind(-30.0), sind(390.0)), (0.5, 0.5, -0.5, 0.5));
        assert_eq!((cosd(60.0), cosd(120.0), cosd(90.0), cosd(180.0)), (0.5, -0.5, 0.0, -1.0));
        assert_eq!((tand(45.0), tand(135.0), cotd(45.0), tand(180.0)), (1.0, -1.0, 1.0, 0.0));
        assert_eq!((asind(0.5), acosd(0.5), acosd(-0.5)), (30.0, 60.0, 120.0));
    }

    #[test]
    fn special_powers() {
        assert_eq!(power(f64::NAN, 0.0).ok(), Some(1.0));
        assert_eq!(power(1.0, f64::NAN).ok(), Some(1.0));
        assert_eq!(power(f64::NEG_INFINITY, 3.0).ok(), Some(f64::NEG_INFINITY));
        assert_eq!(power(0.5, f64::INFINITY).ok(), Some(0.0));
        assert!(power(0.0, -1.0).is_err());
        assert!(power(-1.0, 0.5).is_err());
        assert!(power(10.0, 400.0).is_err());
        assert!(power(10.0, -400.0).is_err());
    }

    #[test]
    fn buckets() {
        assert_eq!(width_bucket(5.35, 0.024, 10.06, 5).ok(), Some(3));
        assert_eq!(width_bucket(-1.0, 0.0, 10.0, 5).ok(), Some(0));
        assert_eq!(width_bucket(10.0, 0.0, 10.0, 5).ok(), Some(6));
        assert_eq!(width_bucket(10.0, 10.0, 0.0, 5).ok(), Some(1));
        assert_eq!(width_bucket(0.0, 10.0, 0.0, 5).ok(), Some(6));
    }
}
