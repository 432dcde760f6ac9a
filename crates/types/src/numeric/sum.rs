//! Sums and averages of numerics in little room: queries with millions of groups keep one of these for each.
//!
//! A sum is a whole number over a power of ten as long as it fits an `i64`. The first value that doesn't fit makes a
//! [`NumericAccumulator`] of it, which takes everything from there on.

use super::decimals::DecimalScale;
use super::{Numeric, NumericAccumulator, NumericRef};
use quarry_common::Result;

/// The state of sum and avg over numeric.
#[derive(Clone, Debug, Default)]
pub struct NumericSum {
    /// The sum times 10^places.
    value: i64,
    count: i64,
    /// Where it doesn't fit: everything.
    large: Option<Box<NumericAccumulator>>,
    /// At most the display scale.
    places: u16,
    /// The largest display scale among the values.
    dscale: u16,
}

const _: () = assert!(size_of::<NumericSum>() == 32);

impl NumericSum {
    #[inline]
    pub fn add(&mut self, v: NumericRef<'_>) {
        let dscale = v.dscale();
        let whole = if self.large.is_none() { v.decimal(dscale) } else { None };
        if whole.is_none_or(|value| !self.add_whole(value, 1, (dscale as u16, dscale as u16))) {
            self.make_large().add(v);
        }
    }
    /// Adds a value in the fast form of columns.
    #[inline]
    pub fn add_decimal(&mut self, value: i64, scale: DecimalScale) {
        if self.large.is_some() || !self.add_whole(value, 1, scale.of_sums()) {
            self.make_large().add_decimal(value, scale);
        }
    }
    /// Adds what `n` values in the fast form of columns come to.
    pub fn add_decimal_sum(&mut self, sum: i64, n: i64, scale: DecimalScale) {
        if self.large.is_some() || !self.add_whole(sum, n, scale.of_sums()) {
            self.make_large().merge(&NumericAccumulator::of_total(sum, n, scale.places, scale.dscale));
        }
    }
    /// Adds values in the fast form of columns.
    pub fn add_decimals(&mut self, values: impl ExactSizeIterator<Item = i64> + Clone, scale: DecimalScale) {
        let n = values.len() as i64;
        if self.large.is_none() && n <= i64::from(u32::MAX) {
            let sum: i128 = values.clone().map(i128::from).sum();
            if i64::try_from(sum).is_ok_and(|sum| self.add_whole(sum, n, scale.of_sums())) {
                return;
            }
        }
        self.make_large().add_decimals(values, scale);
    }

    /// Adds what `n` values come to that have these places and this display scale. False, and nothing added, if it doesn't fit.
    #[inline(always)]
    fn add_whole(&mut self, value: i64, n: i64, scale: (u16, u16)) -> bool {
        if scale != (self.places, self.dscale) {
            return self.add_at_other_scale(value, n, scale);
        }
        let (sum, overflowed) = self.value.overflowing_add(value);
        if !overflowed {
            self.value = sum;
            self.count += n;
        }
        !overflowed
    }
    #[cold]
    fn add_at_other_scale(&mut self, value: i64, n: i64, (places, dscale): (u16, u16)) -> bool {
        let larger = places.max(self.places);
        let raised = |value: i64, from: u16| match value {
            0 => Some(0),
            value => value.checked_mul(10i64.checked_pow(u32::from(larger - from))?),
        };
        let sum =
            raised(self.value, self.places).zip(raised(value, places)).and_then(|(a, b)| a.checked_add(b));
        let Some(sum) = sum else { return false };
        (self.value, self.places, self.dscale) = (sum, larger, dscale.max(self.dscale));
        self.count += n;
        true
    }

    #[cold]
    fn make_large(&mut self) -> &mut NumericAccumulator {
        let (value, count, places, dscale) = (self.value, self.count, self.places, self.dscale);
        self.large.get_or_insert_with(|| Box::new(NumericAccumulator::of_total(value, count, places, dscale)))
    }
    fn to_large(&self) -> NumericAccumulator {
        match &self.large {
            Some(large) => (**large).clone(),
            None => NumericAccumulator::of_total(self.value, self.count, self.places, self.dscale),
        }
    }

    /// Adds everything `other` has.
    pub fn merge(&mut self, other: &NumericSum) {
        let small = self.large.is_none() && other.large.is_none();
        if !small || !self.add_whole(other.value, other.count, (other.places, other.dscale)) {
            self.make_large().merge(&other.to_large());
        }
    }

    /// The sum as a whole number, and its places and display scale; none without values, or if it is not kept so.
    pub fn whole(&self) -> Option<(i64, (u16, u16))> {
        (self.large.is_none() && self.count > 0).then_some((self.value, (self.places, self.dscale)))
    }
    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.large.is_none() && self.count == 0
    }
    /// None without values.
    pub fn sum(&self) -> Result<Option<Numeric>> {
        match &self.large {
            Some(large) => large.sum(),
            None if self.count == 0 => Ok(None),
            None => Ok(Some(Numeric::from_whole(self.value.into(), self.places.into(), self.dscale.into()))),
        }
    }
    /// None without values.
    pub fn avg(&self) -> Result<Option<Numeric>> {
        self.to_large().avg()
    }
    /// Memory beyond the state itself.
    pub fn heap_bytes(&self) -> usize {
        if self.large.is_some() { size_of::<NumericAccumulator>() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(text: &str) -> Numeric {
        Numeric::parse(text).unwrap()
    }

    fn check(values: &[&str], sum: &str, avg: &str) {
        let mut s = NumericSum::default();
        values.iter().for_each(|v| s.add(numeric(v).view()));
        assert_eq!(s.sum().unwrap().unwrap().to_string(), sum);
        assert_eq!(s.avg().unwrap().unwrap().to_string(), avg);
        // In two parts.
        for at in 0..=values.len() {
            let (mut a, mut b) = (NumericSum::default(), NumericSum::default());
            values[..at].iter().for_each(|v| a.add(numeric(v).view()));
            values[at..].iter().for_each(|v| b.add(numeric(v).view()));
            a.merge(&b);
            assert_eq!(a.sum().unwrap().unwrap().to_string(), sum);
            assert_eq!(a.avg().unwrap().unwrap().to_string(), avg);
        }
    }

    #[test]
    fn sums_and_averages() {
        check(&["1.5", "2.25"], "3.75", "1.8750000000000000");
        check(&["1.50", "-1.5"], "0.00", "0.00000000000000000000");
        check(&["0", "0.000"], "0.000", "0.00000000000000000000");
        check(&["10000", "20000"], "30000", "15000.000000000000");
        check(&["9223372036854775807", "1"], "9223372036854775808", "4611686018427387904");
        check(&["1e-30", "1"], "1.000000000000000000000000000001", "0.500000000000000000000000000001");
        check(&["NaN", "1"], "NaN", "NaN");
        check(&["1", "Infinity"], "Infinity", "Infinity");
        check(&["1e40", "-1e40", "0.1"], "0.1", "0.03333333333333333333");
    }

    #[test]
    fn columns() {
        use super::super::decimals::Decimals;
        let d = Decimals::new(2, vec![100, 250, i64::MAX, 1]).unwrap();
        let mut all = NumericSum::default();
        all.add_decimals(d.values().iter().copied(), d.scale());
        let mut each = NumericSum::default();
        d.values().iter().for_each(|v| each.add_decimal(*v, d.scale()));
        let mut parts = NumericSum::default();
        parts.add_decimal_sum(350, 2, d.scale());
        parts.add_decimal_sum(i64::MAX, 1, d.scale());
        parts.add_decimal_sum(1, 1, d.scale());
        assert_eq!(parts.avg().unwrap().unwrap().to_string(), all.avg().unwrap().unwrap().to_string());
        let expected = "92233720368547761.58";
        assert_eq!(parts.sum().unwrap().unwrap().to_string(), expected);
        assert_eq!(all.sum().unwrap().unwrap().to_string(), expected);
        assert_eq!(each.sum().unwrap().unwrap().to_string(), expected);
        assert!(each.whole().is_none() && NumericSum::default().is_empty());
    }
}
