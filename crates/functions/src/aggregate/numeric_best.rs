//! `min` and `max` of numeric.

use super::fold::Fold;
use crate::kernel::decimals;
use quarry_common::Result;
use quarry_types::numeric::decimals::{DecimalScale, Decimals};
use quarry_types::numeric::{Numeric, NumericRef};
use quarry_types::{Rows, Vector};
use std::cmp::Ordering;

/// The least or the greatest value so far.
#[derive(Clone, Default)]
pub(super) struct Best<const GREATEST: bool>(Kept);

#[derive(Clone, Default)]
enum Kept {
    #[default]
    Nothing,
    /// Of a column of whole numbers.
    Whole(i64, DecimalScale),
    Stored(Numeric),
}

impl<const GREATEST: bool> Best<GREATEST> {
    /// Whether a value that compares so with the one kept takes its place. Of equal values the last one stays, as in PostgreSQL: 1.0 and
    /// 1.00 differ to the eye.
    #[inline(always)]
    fn replaces(order: Ordering) -> bool {
        order != if GREATEST { Ordering::Less } else { Ordering::Greater }
    }

    fn offer(&mut self, value: NumericRef<'_>) {
        let better = match &self.0 {
            Kept::Nothing => true,
            Kept::Whole(kept, scale) => Self::replaces(value.compare(scale.numeric(*kept).view())),
            Kept::Stored(kept) => Self::replaces(value.compare(kept.view())),
        };
        if better {
            self.0 = Kept::Stored(value.to_numeric());
        }
    }
}

impl<const GREATEST: bool> Fold for Best<GREATEST> {
    type In<'a> = NumericRef<'a>;
    type Out = Numeric;
    fn add(&mut self, value: NumericRef<'_>) -> Result<()> {
        self.offer(value);
        Ok(())
    }
    #[inline(always)]
    fn decimals<'a>(column: &'a Vector, rows: Rows<'_>) -> Option<&'a Decimals> {
        decimals::column(column, rows)
    }
    #[inline(always)]
    fn add_decimal(&mut self, value: i64, scale: DecimalScale) {
        match &mut self.0 {
            Kept::Whole(kept, of) if *of == scale => {
                if Self::replaces(value.cmp(kept)) {
                    *kept = value;
                }
            }
            Kept::Nothing => self.0 = Kept::Whole(value, scale),
            _ => self.offer(scale.numeric(value).view()),
        }
    }
    fn add_decimals(&mut self, values: impl ExactSizeIterator<Item = i64> + Clone, scale: DecimalScale) {
        let best = if GREATEST { values.max() } else { values.min() };
        if let Some(best) = best {
            self.add_decimal(best, scale);
        }
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        match &other.0 {
            Kept::Nothing => {}
            Kept::Whole(value, scale) => self.add_decimal(*value, *scale),
            Kept::Stored(value) => self.offer(value.view()),
        }
        Ok(())
    }
    fn finish(&self) -> Result<Option<Numeric>> {
        Ok(match &self.0 {
            Kept::Nothing => None,
            Kept::Whole(value, scale) => Some(scale.numeric(*value)),
            Kept::Stored(value) => Some(value.clone()),
        })
    }
    fn heap_bytes(&self) -> usize {
        match &self.0 {
            Kept::Stored(value) => value.as_bytes().len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<const GREATEST: bool>(parts: &[&[(i64, u16)]]) -> Option<String> {
        let mut all = Best::<GREATEST>::default();
        for part in parts {
            let mut best = Best::<GREATEST>::default();
            for (value, dscale) in *part {
                let scale = Decimals::new(*dscale, vec![]).unwrap().scale();
                best.add_decimals([*value].into_iter(), scale);
            }
            all.merge(&best).unwrap();
        }
        all.finish().unwrap().map(|n| n.to_string())
    }

    #[test]
    fn whole_numbers_of_several_scales_are_compared() {
        let parts: [&[(i64, u16)]; 3] = [&[(150, 2), (-3, 0)], &[], &[(14, 1), (-300, 2), (150, 2)]];
        assert_eq!(of::<true>(&parts).as_deref(), Some("1.50"));
        // The last of those that are equal.
        assert_eq!(of::<false>(&parts).as_deref(), Some("-3.00"));
        assert_eq!(of::<true>(&[&[]]), None);
    }

    #[test]
    fn stored_and_whole_numbers_are_compared() {
        let scale = Decimals::new(1, vec![]).unwrap().scale();
        let number = |text| Numeric::parse(text).unwrap();
        let mut best = Best::<true>::default();
        best.add_decimal(25, scale);
        best.offer(number("2.4999999999999999999999").view());
        assert_eq!(best.finish().unwrap().unwrap().to_string(), "2.5");
        best.offer(number("NaN").view());
        best.add_decimal(i64::MAX, scale);
        assert_eq!(best.finish().unwrap().unwrap().to_string(), "NaN");
    }
}
