//! Comparing stored numerics with one number where they lie.

use super::{KIND_SHORT, KIND_SPECIAL, Numeric, NumericRef, SHORT_BYTES, SHORT_NEGATIVE, SHORT_WEIGHT};
use std::cmp::Ordering;

/// A number that stored ones are compared with.
#[derive(Clone)]
pub struct Bound {
    number: Numeric,
    key: Option<i128>,
}

impl Bound {
    pub fn new(number: NumericRef<'_>) -> Bound {
        Bound { number: number.to_numeric(), key: key(number.as_bytes()) }
    }

    /// SQL's order of a stored numeric and the number.
    #[inline]
    pub fn compare(&self, stored: &[u8]) -> Ordering {
        match (key(stored), self.key) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => NumericRef::new(stored).compare(self.number.view()),
        }
    }
}

/// A whole number in SQL's order; none for what isn't short, and values of more than four digits in base 10000.
#[inline(always)]
fn key(stored: &[u8]) -> Option<i128> {
    let header = u16::from_le_bytes([stored[0], stored[1]]);
    if header & KIND_SPECIAL != KIND_SHORT {
        return None;
    }
    let digit = |i: usize| {
        let at = SHORT_BYTES + 2 * i;
        u64::from(u16::from_le_bytes([stored[at], stored[at + 1]])) << (48 - 16 * i)
    };
    let digits = match stored.len() {
        2 => return Some(0),
        4 => digit(0),
        6 => digit(0) | digit(1),
        8 => digit(0) | digit(1) | digit(2),
        10 => digit(0) | digit(1) | digit(2) | digit(3),
        _ => return None,
    };
    // Never 0: no first digit is.
    let magnitude = (i128::from(header & SHORT_WEIGHT) << 64) | i128::from(digits);
    Some(if header & SHORT_NEGATIVE != 0 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_order_of_numerics() {
        let texts = [
            "NaN",
            "Infinity",
            "-Infinity",
            "0",
            "0.00",
            "1",
            "-1",
            "0.0001",
            "-0.0001",
            "9999",
            "10000",
            "10001.5",
            "-10001.5",
            "24.00",
            "23.9999",
            "0.07",
            "0.05",
            "123456789012.3456",
            "1234567890123456789.01",
            "1e-20",
            "-1e-20",
            "1e30",
            "12345678.87654321",
            "12345678.876543211",
            "1e260",
            "-1e260",
            "0e-70",
            "1e-300",
        ];
        let numbers: Vec<Numeric> = texts.iter().map(|t| Numeric::parse(t).expect("a number")).collect();
        for a in &numbers {
            let bound = Bound::new(a.view());
            for b in &numbers {
                assert_eq!(bound.compare(b.as_bytes()), b.cmp(a), "{b} against {a}");
            }
        }
    }
}
