//! The cube root as the C library computes it that PostgreSQL runs on (glibc up to 2.40): a polynomial of degree six on [1/2, 1), one
//! step of Halley's method, and then the exponent's part. It is off by one place at times: `cbrt(27)` is 3.0000000000000004.

/// The polynomial near the cube root on [1/2, 1), highest power first.
const SEED: [f64; 7] = [
    -0.145_263_899_385_486_37,
    0.784_932_344_976_639_2,
    -1.834_692_774_836_130_8,
    2.446_931_225_635_344_3,
    -2.114_994_941_673_713,
    1.508_191_937_815_849,
    0.354_895_765_043_919_84,
];

/// Cube roots of 2 and 4.
const ROOT_OF_2: f64 = 1.259_921_049_894_873_2;
const ROOT_OF_4: f64 = 1.587_401_051_968_199_6;

/// Subnormal numbers are scaled by this power of two, a multiple of three.
const SUBNORMAL_BITS: i32 = 54;

pub fn cbrt(a: f64) -> f64 {
    if a == 0.0 || !a.is_finite() {
        return a;
    }
    let subnormal = a.abs() < f64::MIN_POSITIVE;
    let shift = if subnormal { SUBNORMAL_BITS } else { 0 };
    let bits = (a.abs() * 2f64.powi(shift)).to_bits();
    let exponent = (bits >> 52) as i32 - 1022 - shift;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1022 << 52);
    let seed = SEED.iter().fold(0.0, |u, c| u * mantissa + c);
    let cube = seed * seed * seed;
    // What is left of the exponent after division by three.
    let root = match exponent % 3 {
        -2 => 1.0 / ROOT_OF_4,
        -1 => 1.0 / ROOT_OF_2,
        1 => ROOT_OF_2,
        2 => ROOT_OF_4,
        _ => 1.0,
    };
    let value = seed * (cube + 2.0 * mantissa) / (2.0 * cube + mantissa) * root;
    // The result is far from the limits of the exponent, so that this is exact.
    (value * 2f64.powi(exponent / 3)).copysign(a)
}

#[cfg(test)]
mod tests {
    use super::cbrt;

    #[test]
    fn as_postgresql_has_them() {
        assert_eq!(cbrt(27.0), 3.0000000000000004);
        assert_eq!(cbrt(-27.0), -3.0000000000000004);
        assert_eq!((cbrt(8.0), cbrt(64.0), cbrt(1.0)), (2.0, 4.0, 1.0));
        assert_eq!(cbrt(-50.0 / 7.0), -1.9258567855541788);
        assert_eq!(cbrt(f64::INFINITY), f64::INFINITY);
        assert!(cbrt(f64::NAN).is_nan());
        assert_eq!(cbrt(0.0), 0.0);
        assert_eq!(cbrt(5e-324), 1.7031839360032601e-108);
    }
}
