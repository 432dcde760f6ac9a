//! Integer arithmetic, bit operations and integer mathematics.

use super::errors::{division_by_zero, int2_out_of_range, int4_out_of_range, int8_out_of_range};
use crate::{FunctionDef, flagged, func, wide};
use quarry_common::Result;

/// Greatest common divisor, never negative; none where it doesn't fit (of the smallest numbers).
fn gcd(mut a: i64, mut b: i64) -> Option<i64> {
    while b != 0 {
        (a, b) = (b, a.wrapping_rem(b));
    }
    a.checked_abs()
}

fn gcd4(a: i32, b: i32) -> Result<i32> {
    gcd(a.into(), b.into()).and_then(|g| i32::try_from(g).ok()).ok_or_else(int4_out_of_range)
}

fn gcd8(a: i64, b: i64) -> Result<i64> {
    gcd(a, b).ok_or_else(int8_out_of_range)
}

fn lcm4(a: i32, b: i32) -> Result<i32> {
    i32::try_from(lcm8(a.into(), b.into())?).map_err(|_| int4_out_of_range())
}

fn lcm8(a: i64, b: i64) -> Result<i64> {
    if a == 0 || b == 0 {
        return Ok(0);
    }
    (a / gcd8(a, b)?).checked_mul(b).and_then(i64::checked_abs).ok_or_else(int8_out_of_range)
}

macro_rules! divide {
    ($a:ty, $b:ty, $r:ty, $error:path) => {
        wide!(|a: $a, b: $b| -> Result<$r> {
            let (a, b) = (<$r>::from(a), <$r>::from(b));
            if b == 0 { Err(division_by_zero()) } else { a.checked_div(b).ok_or_else($error) }
        })
    };
}
macro_rules! modulo {
    ($t:ty) => {
        wide!(|a: $t, b: $t| -> Result<$t> {
            if b == 0 { Err(division_by_zero()) } else { Ok(a.wrapping_rem(b)) }
        })
    };
}
macro_rules! absolute {
    ($t:ty, $error:path) => {
        wide!(|a: $t| -> Result<$t> { a.checked_abs().ok_or_else($error) })
    };
}
macro_rules! negate {
    ($t:ty, $error:path) => {
        wide!(|a: $t| -> Result<$t> { a.checked_neg().ok_or_else($error) })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(176, "int2pl", [INT2, INT2] => INT2, flagged!(int2_out_of_range, |a: i16, b: i16| -> i16 { a.overflowing_add(b) })),
    func!(178, "int24pl", [INT2, INT4] => INT4, flagged!(int4_out_of_range, |a: i16, b: i32| -> i32 { i32::from(a).overflowing_add(b) })),
    func!(841, "int28pl", [INT2, INT8] => INT8, flagged!(int8_out_of_range, |a: i16, b: i64| -> i64 { i64::from(a).overflowing_add(b) })),
    func!(179, "int42pl", [INT4, INT2] => INT4, flagged!(int4_out_of_range, |a: i32, b: i16| -> i32 { a.overflowing_add(i32::from(b)) })),
    func!(177, "int4pl", [INT4, INT4] => INT4, flagged!(int4_out_of_range, |a: i32, b: i32| -> i32 { a.overflowing_add(b) })),
    func!(1278, "int48pl", [INT4, INT8] => INT8, flagged!(int8_out_of_range, |a: i32, b: i64| -> i64 { i64::from(a).overflowing_add(b) })),
    func!(837, "int82pl", [INT8, INT2] => INT8, flagged!(int8_out_of_range, |a: i64, b: i16| -> i64 { a.overflowing_add(i64::from(b)) })),
    func!(1274, "int84pl", [INT8, INT4] => INT8, flagged!(int8_out_of_range, |a: i64, b: i32| -> i64 { a.overflowing_add(i64::from(b)) })),
    func!(463, "int8pl", [INT8, INT8] => INT8, flagged!(int8_out_of_range, |a: i64, b: i64| -> i64 { a.overflowing_add(b) })),
    func!(180, "int2mi", [INT2, INT2] => INT2, flagged!(int2_out_of_range, |a: i16, b: i16| -> i16 { a.overflowing_sub(b) })),
    func!(182, "int24mi", [INT2, INT4] => INT4, flagged!(int4_out_of_range, |a: i16, b: i32| -> i32 { i32::from(a).overflowing_sub(b) })),
    func!(942, "int28mi", [INT2, INT8] => INT8, flagged!(int8_out_of_range, |a: i16, b: i64| -> i64 { i64::from(a).overflowing_sub(b) })),
    func!(183, "int42mi", [INT4, INT2] => INT4, flagged!(int4_out_of_range, |a: i32, b: i16| -> i32 { a.overflowing_sub(i32::from(b)) })),
    func!(181, "int4mi", [INT4, INT4] => INT4, flagged!(int4_out_of_range, |a: i32, b: i32| -> i32 { a.overflowing_sub(b) })),
    func!(1279, "int48mi", [INT4, INT8] => INT8, flagged!(int8_out_of_range, |a: i32, b: i64| -> i64 { i64::from(a).overflowing_sub(b) })),
    func!(838, "int82mi", [INT8, INT2] => INT8, flagged!(int8_out_of_range, |a: i64, b: i16| -> i64 { a.overflowing_sub(i64::from(b)) })),
    func!(1275, "int84mi", [INT8, INT4] => INT8, flagged!(int8_out_of_range, |a: i64, b: i32| -> i64 { a.overflowing_sub(i64::from(b)) })),
    func!(464, "int8mi", [INT8, INT8] => INT8, flagged!(int8_out_of_range, |a: i64, b: i64| -> i64 { a.overflowing_sub(b) })),
    func!(152, "int2mul", [INT2, INT2] => INT2, flagged!(int2_out_of_range, |a: i16, b: i16| -> i16 { a.overflowing_mul(b) })),
    func!(170, "int24mul", [INT2, INT4] => INT4, flagged!(int4_out_of_range, |a: i16, b: i32| -> i32 { i32::from(a).overflowing_mul(b) })),
    func!(943, "int28mul", [INT2, INT8] => INT8, flagged!(int8_out_of_range, |a: i16, b: i64| -> i64 { i64::from(a).overflowing_mul(b) })),
    func!(171, "int42mul", [INT4, INT2] => INT4, flagged!(int4_out_of_range, |a: i32, b: i16| -> i32 { a.overflowing_mul(i32::from(b)) })),
    func!(141, "int4mul", [INT4, INT4] => INT4, flagged!(int4_out_of_range, |a: i32, b: i32| -> i32 { a.overflowing_mul(b) })),
    func!(1280, "int48mul", [INT4, INT8] => INT8, flagged!(int8_out_of_range, |a: i32, b: i64| -> i64 { i64::from(a).overflowing_mul(b) })),
    func!(839, "int82mul", [INT8, INT2] => INT8, flagged!(int8_out_of_range, |a: i64, b: i16| -> i64 { a.overflowing_mul(i64::from(b)) })),
    func!(1276, "int84mul", [INT8, INT4] => INT8, flagged!(int8_out_of_range, |a: i64, b: i32| -> i64 { a.overflowing_mul(i64::from(b)) })),
    func!(465, "int8mul", [INT8, INT8] => INT8, flagged!(int8_out_of_range, |a: i64, b: i64| -> i64 { a.overflowing_mul(b) })),
    func!(153, "int2div", [INT2, INT2] => INT2, divide!(i16, i16, i16, int2_out_of_range)),
    func!(172, "int24div", [INT2, INT4] => INT4, divide!(i16, i32, i32, int4_out_of_range)),
    func!(948, "int28div", [INT2, INT8] => INT8, divide!(i16, i64, i64, int8_out_of_range)),
    func!(173, "int42div", [INT4, INT2] => INT4, divide!(i32, i16, i32, int4_out_of_range)),
    func!(154, "int4div", [INT4, INT4] => INT4, divide!(i32, i32, i32, int4_out_of_range)),
    func!(1281, "int48div", [INT4, INT8] => INT8, divide!(i32, i64, i64, int8_out_of_range)),
    func!(840, "int82div", [INT8, INT2] => INT8, divide!(i64, i16, i64, int8_out_of_range)),
    func!(1277, "int84div", [INT8, INT4] => INT8, divide!(i64, i32, i64, int8_out_of_range)),
    func!(466, "int8div", [INT8, INT8] => INT8, divide!(i64, i64, i64, int8_out_of_range)),
    func!(155, "int2mod", [INT2, INT2] => INT2, modulo!(i16)),
    func!(940, "mod", [INT2, INT2] => INT2, modulo!(i16)),
    func!(1253, "int2abs", [INT2] => INT2, absolute!(i16, int2_out_of_range)),
    func!(1398, "abs", [INT2] => INT2, absolute!(i16, int2_out_of_range)),
    func!(213, "int2um", [INT2] => INT2, negate!(i16, int2_out_of_range)),
    func!(1911, "int2up", [INT2] => INT2, wide!(|a: i16| -> i16 { a })),
    func!(1892, "int2and", [INT2, INT2] => INT2, wide!(|a: i16, b: i16| -> i16 { a & b })),
    func!(1893, "int2or", [INT2, INT2] => INT2, wide!(|a: i16, b: i16| -> i16 { a | b })),
    func!(1894, "int2xor", [INT2, INT2] => INT2, wide!(|a: i16, b: i16| -> i16 { a ^ b })),
    func!(1895, "int2not", [INT2] => INT2, wide!(|a: i16| -> i16 { !a })),
    func!(1896, "int2shl", [INT2, INT4] => INT2, wide!(|a: i16, b: i32| -> i16 { i32::from(a).wrapping_shl(b as u32) as i16 })),
    func!(1897, "int2shr", [INT2, INT4] => INT2, wide!(|a: i16, b: i32| -> i16 { i32::from(a).wrapping_shr(b as u32) as i16 })),
    func!(770, "int2larger", [INT2, INT2] => INT2, wide!(|a: i16, b: i16| -> i16 { a.max(b) })),
    func!(771, "int2smaller", [INT2, INT2] => INT2, wide!(|a: i16, b: i16| -> i16 { a.min(b) })),
    func!(156, "int4mod", [INT4, INT4] => INT4, modulo!(i32)),
    func!(941, "mod", [INT4, INT4] => INT4, modulo!(i32)),
    func!(1251, "int4abs", [INT4] => INT4, absolute!(i32, int4_out_of_range)),
    func!(1397, "abs", [INT4] => INT4, absolute!(i32, int4_out_of_range)),
    func!(212, "int4um", [INT4] => INT4, negate!(i32, int4_out_of_range)),
    func!(1912, "int4up", [INT4] => INT4, wide!(|a: i32| -> i32 { a })),
    func!(1898, "int4and", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a & b })),
    func!(1899, "int4or", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a | b })),
    func!(1900, "int4xor", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a ^ b })),
    func!(1901, "int4not", [INT4] => INT4, wide!(|a: i32| -> i32 { !a })),
    func!(1902, "int4shl", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a.wrapping_shl(b as u32) })),
    func!(1903, "int4shr", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a.wrapping_shr(b as u32) })),
    func!(768, "int4larger", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a.max(b) })),
    func!(769, "int4smaller", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> i32 { a.min(b) })),
    func!(5044, "gcd", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> Result<i32> { gcd4(a, b) })),
    func!(5046, "lcm", [INT4, INT4] => INT4, wide!(|a: i32, b: i32| -> Result<i32> { lcm4(a, b) })),
    func!(945, "int8mod", [INT8, INT8] => INT8, modulo!(i64)),
    func!(947, "mod", [INT8, INT8] => INT8, modulo!(i64)),
    func!(1230, "int8abs", [INT8] => INT8, absolute!(i64, int8_out_of_range)),
    func!(1396, "abs", [INT8] => INT8, absolute!(i64, int8_out_of_range)),
    func!(462, "int8um", [INT8] => INT8, negate!(i64, int8_out_of_range)),
    func!(1910, "int8up", [INT8] => INT8, wide!(|a: i64| -> i64 { a })),
    func!(1904, "int8and", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> i64 { a & b })),
    func!(1905, "int8or", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> i64 { a | b })),
    func!(1906, "int8xor", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> i64 { a ^ b })),
    func!(1907, "int8not", [INT8] => INT8, wide!(|a: i64| -> i64 { !a })),
    func!(1908, "int8shl", [INT8, INT4] => INT8, wide!(|a: i64, b: i32| -> i64 { a.wrapping_shl(b as u32) })),
    func!(1909, "int8shr", [INT8, INT4] => INT8, wide!(|a: i64, b: i32| -> i64 { a.wrapping_shr(b as u32) })),
    func!(1236, "int8larger", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> i64 { a.max(b) })),
    func!(1237, "int8smaller", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> i64 { a.min(b) })),
    func!(5045, "gcd", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> Result<i64> { gcd8(a, b) })),
    func!(5047, "lcm", [INT8, INT8] => INT8, wide!(|a: i64, b: i64| -> Result<i64> { lcm8(a, b) })),
    func!(1219, "int8inc", [INT8] => INT8, wide!(|a: i64| -> Result<i64> { a.checked_add(1).ok_or_else(int8_out_of_range) })),
    func!(766, "int4inc", [INT4] => INT4, wide!(|a: i32| -> Result<i32> { a.checked_add(1).ok_or_else(int4_out_of_range) })),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_at_the_edges() {
        assert_eq!(gcd8(1071, -462).ok(), Some(21));
        assert_eq!(gcd8(0, 0).ok(), Some(0));
        assert!(gcd8(i64::MIN, 0).is_err());
        assert!(gcd4(i32::MIN, i32::MIN).is_err());
        assert_eq!(gcd8(i64::MIN, -1).ok(), Some(1));
        assert_eq!(lcm4(330, -462).ok(), Some(2310));
        assert!(lcm4(i32::MAX, i32::MAX - 1).is_err());
    }
}
