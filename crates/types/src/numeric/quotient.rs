//! Quotients: their scale, and short ways for numbers that fit whole numbers.

use super::decimals::{Decimals, Operand, collect};
use super::{DEC_DIGITS, MIN_SIG_DIGITS, NBASE, Numeric, NumericRef, PRECISION_MAX};

/// What a quotient's scale depends on.
#[derive(Clone, Copy)]
pub(super) struct Lead {
    pub weight: i32,
    /// The first digit in base 10000; zero has 0, and weight 0.
    pub first: u16,
    pub dscale: i32,
}

/// The scale that gives a quotient at least 16 significant digits and no fewer decimals than either operand.
pub(super) fn scale(a: Lead, b: Lead) -> i32 {
    let mut weight = a.weight - b.weight;
    if a.first <= b.first {
        weight -= 1;
    }
    let scale = MIN_SIG_DIGITS - weight * DEC_DIGITS;
    scale.max(a.dscale).max(b.dscale).clamp(0, PRECISION_MAX)
}

impl Lead {
    /// Of a finite value.
    fn of(v: NumericRef<'_>) -> Lead {
        let first = if v.digit_count() == 0 { 0 } else { v.digit(0) };
        Lead { weight: v.weight(), first, dscale: v.dscale() }
    }
    /// Of `value / 10^places`.
    fn of_whole(value: u64, places: u16, dscale: u16) -> Lead {
        let dscale = i32::from(dscale);
        if value == 0 {
            return Lead { weight: 0, first: 0, dscale };
        }
        let groups = places.div_ceil(4);
        let mut rest = u128::from(value) * 10u128.pow(u32::from(groups * 4 - places));
        let mut weight = -i32::from(groups);
        while rest >= u128::from(NBASE) {
            rest /= u128::from(NBASE);
            weight += 1;
        }
        Lead { weight, first: rest as u16, dscale }
    }
}

/// The quotient of finite numbers, the second not zero, if it can be computed in an `i128`.
pub(super) fn short(a: NumericRef<'_>, b: NumericRef<'_>) -> Option<Numeric> {
    let dscale = scale(Lead::of(a), Lead::of(b));
    let ((a, fa), (b, fb)) = (a.scaled()?, b.scaled()?);
    let raise = dscale + 4 * (fb as i32 - fa as i32);
    let unit = 10i128.checked_pow(raise.unsigned_abs())?;
    let (a, b) = if raise >= 0 { (a.checked_mul(unit)?, b) } else { (a, b.checked_mul(unit)?) };
    let cut = a.checked_div(b)?;
    let rest = (a - cut * b).unsigned_abs();
    let away = if (a < 0) == (b < 0) { 1 } else { -1 };
    let rounded = if rest >= b.unsigned_abs() - rest { cut.checked_add(away)? } else { cut };
    Some(Numeric::from_i128_scaled(rounded, dscale))
}

/// a / b, where b is a constant whose inverse has an end (2, 1000.0, 0.25): then quotients are products. None where their scales differ.
pub fn div(a: Operand<'_>, b: Operand<'_>) -> Option<Decimals> {
    let (Operand::Column(a), Operand::Constant(b)) = (a, b) else { return None };
    let divisor = *b.values().first()?;
    let (factor, digits) = inverse(divisor)?;
    let places = i32::from(a.places()) + digits as i32 - i32::from(b.places());
    let factor = factor.checked_mul(10i64.checked_pow((-places).max(0) as u32)?)?;
    let lead = Lead::of_whole(divisor.unsigned_abs(), b.places(), b.dscale());
    let dscale = common_scale(a, lead)?;
    let values = collect(a.values().iter().map(|v| v.overflowing_mul(factor)))?;
    Decimals::shown(places.max(0) as u16, dscale as u16, values)
}

/// 1 / divisor as a whole number over 10^n, and n.
fn inverse(divisor: i64) -> Option<(i64, u32)> {
    let size = divisor.unsigned_abs();
    if size == 0 {
        return None;
    }
    let twos = size.trailing_zeros();
    let (mut rest, mut fives) = (size >> twos, 0);
    while rest % 5 == 0 {
        rest /= 5;
        fives += 1;
    }
    let digits = twos.max(fives);
    (rest == 1).then_some((10i64.checked_pow(digits)?.checked_div(divisor)?, digits))
}

/// The scale of all quotients, if they have one.
fn common_scale(a: &Decimals, divisor: Lead) -> Option<i32> {
    // The larger a dividend, the fewer decimals its quotient has, but for zero: the least and the greatest stand for all others.
    let (mut less, mut greatest, mut zero) = (u64::MAX, 0, false);
    for v in a.values() {
        let size = v.unsigned_abs();
        zero |= size == 0;
        greatest = greatest.max(size);
        less = less.min(size.wrapping_sub(1));
    }
    let of = |size: u64| scale(Lead::of_whole(size, a.places(), a.dscale()), divisor);
    let dscale = of(greatest);
    if greatest > 0 && (of(less + 1) != dscale || (zero && of(0) != dscale)) {
        return None;
    }
    Some(dscale)
}

#[cfg(test)]
mod tests {
    use super::super::var::Var;
    use super::super::{NumericSum, arithmetic::quotient_scale};
    use super::*;
    use crate::BytesColumn;
    use crate::numeric::decimals::{mul, sub};

    fn number(text: &str) -> Numeric {
        Numeric::parse(text).expect("a number")
    }
    fn column(values: &[Numeric]) -> BytesColumn {
        let mut c = BytesColumn::default();
        values.iter().for_each(|v| c.push(v.as_bytes()));
        c
    }
    /// By digits in base 10000.
    fn general(a: &Numeric, b: &Numeric) -> String {
        let (a, b): (Var, Var) = (a.view().to_var(), b.view().to_var());
        a.div(&b, quotient_scale(&a, &b), true).unwrap().into_numeric().unwrap().to_string()
    }

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            self.0 >> 29
        }
        fn below(&mut self, n: u64) -> u64 {
            self.next() % n
        }
        /// Of up to 18 digits, up to `scale` of them after the point.
        fn whole(&mut self) -> i64 {
            let digits = self.below(19) as u32;
            let size = (self.next() << 30 ^ self.next()) % 10u64.pow(digits);
            if self.below(2) == 0 { size as i64 } else { -(size as i64) }
        }
    }

    #[test]
    fn short_quotients_are_the_general_ones() {
        let extremes = ["9223372036854775807", "-9223372036854775808", "0.0001", "9999.5", "10000", "0"];
        let extremes =
            extremes.iter().chain(&["-1e-20", "3", "99999999999999999999999999999999", "1e60", "1e-60"]);
        let extremes: Vec<_> = extremes.map(|t| number(t)).collect();
        let mut random = Random(1);
        let mut values = extremes.clone();
        for _ in 0..100 {
            values.push(Numeric::from_i128_scaled(random.whole().into(), random.below(25) as i32));
        }
        let mut taken = 0;
        for a in &values {
            for b in values.iter().filter(|b| !b.view().is_zero()) {
                let expected = general(a, b);
                assert_eq!(a.div(b).unwrap().to_string(), expected, "{a} / {b}");
                taken += usize::from(short(a.view(), b.view()).is_some());
            }
        }
        assert!(taken > values.len() * values.len() / 3, "{taken} of {}", values.len() * values.len());
        assert!(number("1").div(&number("0.00")).is_err());
    }

    #[test]
    fn quotients_of_columns_are_the_general_ones() {
        let divisors =
            ["1000.0", "-4", "0.25", "0.0001", "5e3", "1", "-0.02", "2.50", "1024", "100000000000", "10000"];
        let mut random = Random(7);
        let mut taken = 0;
        for round in 0..1500 {
            let divisor = number(divisors[round % divisors.len()]);
            let (dscale, digits) = (random.below(7) as i32, random.below(19) as u32);
            let limit = 10i64.pow(digits);
            let values: Vec<_> =
                (0..5).map(|_| Numeric::from_i128_scaled((random.whole() % limit).into(), dscale)).collect();
            let (a, b) = (column(&values), column(std::slice::from_ref(&divisor)));
            let (Some(da), Some(db)) = (a.decimals(), b.decimals()) else { continue };
            let Some(quotients) = div(Operand::Column(da), Operand::Constant(db)) else { continue };
            taken += 1;
            let k = column(&[number("1")]);
            let kd = k.decimals().unwrap();
            let rest = sub(Operand::Constant(kd), Operand::Column(&quotients));
            let product = rest.as_ref().and_then(|r| mul(Operand::Column(da), Operand::Column(r)));
            let (mut sum, mut expected_sum) = (NumericSum::default(), NumericSum::default());
            for (i, v) in values.iter().enumerate() {
                let q = v.div(&divisor).unwrap();
                assert_eq!(quotients.numeric(i).to_string(), general(v, &divisor), "{v} / {divisor}");
                assert_eq!(quotients.numeric(i).as_bytes(), q.as_bytes());
                let r = number("1").sub(&q).unwrap();
                if let Some(rest) = &rest {
                    assert_eq!(rest.numeric(i).as_bytes(), r.as_bytes());
                }
                if let Some(product) = &product {
                    let p = v.mul(&r).unwrap();
                    assert_eq!(product.numeric(i).as_bytes(), p.as_bytes());
                    sum.add_decimal(product.values()[i], product.scale());
                    expected_sum.add(p.view());
                }
            }
            let text = |s: &NumericSum| s.sum().unwrap().map(|n| n.to_string());
            assert_eq!(text(&sum), text(&expected_sum));
        }
        assert!(taken > 150, "{taken}");
    }

    #[test]
    fn quotients_of_columns_that_have_no_one_scale_or_end_are_none() {
        let one = |values: &[&str], divisor: &str| {
            let values: Vec<_> = values.iter().map(|v| number(v)).collect();
            let (a, b) = (column(&values), column(&[number(divisor)]));
            let (a, b) = (a.decimals()?, b.decimals()?);
            div(Operand::Column(a), Operand::Constant(b)).map(|d| (d.places(), d.dscale()))
        };
        assert_eq!(one(&["0", "299", "1000"], "1000.0"), Some((3, 20)));
        assert_eq!(one(&["0", "299", "1001"], "1000.0"), None);
        assert_eq!(one(&["1001", "5000"], "1000.0"), Some((3, 16)));
        assert_eq!(one(&["0.00", "7.00"], "0.0001"), None);
        assert_eq!(one(&["1", "2"], "3"), None);
        assert_eq!(one(&["1", "2"], "0"), None);
        assert_eq!(one(&["9223372036854775807"], "0.5"), None);
    }
}
