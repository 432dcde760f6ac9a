//! A column's most common values in the order of their type, with the shares of the rows up to each: what a comparison holds for is then
//! found by halving. The shares are sums of single-precision numbers, which double precision holds exactly in any order.

use super::Facts;
use super::scalar::compare;
use quarry_catalog::ColumnStats;
use quarry_types::compare::compare_datums;
use quarry_types::{Datum, SqlType, TypeInfo};
use std::cmp::Ordering;
use std::sync::Arc;

/// The order of the most common values of a column.
#[derive(Debug)]
pub(super) struct Listed {
    /// Their places in the statistics, by rising value.
    places: Vec<usize>,
    /// The shares of the values up to each of them, in this order.
    up_to: Vec<f64>,
}

impl Listed {
    /// The order that is kept with a column's statistics; none if its type has no order.
    pub(super) fn kept(stats: &ColumnStats, info: &TypeInfo) -> Option<Arc<Listed>> {
        match stats.derived.get::<Facts>() {
            Some(facts) => facts.listed.get_or_init(|| Listed::of(stats, info).map(Arc::new)).clone(),
            None => Listed::of(stats, info).map(Arc::new),
        }
    }

    fn of(stats: &ColumnStats, info: &TypeInfo) -> Option<Listed> {
        info.functions.compare?;
        let mut places: Vec<usize> = (0..stats.mcv.len()).collect();
        places.sort_by(|a, b| compare_datums(&stats.mcv[*a].0, &stats.mcv[*b].0, info));
        let mut sum = 0.0;
        let up_to = places.iter().map(|place| {
            sum += f64::from(stats.mcv[*place].1);
            sum
        });
        let up_to = up_to.collect();
        Some(Listed { places, up_to })
    }

    /// The share of the rows that have one of the values.
    pub(super) fn total(&self) -> f64 {
        self.up_to.last().copied().unwrap_or(0.0)
    }

    /// How many of the values are below another one, and how many are not above it. That one must be comparable with them.
    fn around(&self, stats: &ColumnStats, info: &TypeInfo, value: &Datum, ty: SqlType) -> (usize, usize) {
        let order = |place: &usize| compare(&stats.mcv[*place].0, info, value, ty);
        let below = self.places.partition_point(|place| order(place) == Some(Ordering::Less));
        let same = self.places[below..].iter().take_while(|place| order(place) == Some(Ordering::Equal));
        (below, below + same.count())
    }

    /// The share of the rows that have one of the values and for which `value`, on the right, compares so.
    pub(super) fn share(
        &self,
        stats: &ColumnStats,
        info: &TypeInfo,
        (value, ty): (&Datum, SqlType),
        greater: bool,
        or_equal: bool,
    ) -> f64 {
        let (below, not_above) = self.around(stats, info, value, ty);
        let first = |n: usize| n.checked_sub(1).map_or(0.0, |i| self.up_to[i]);
        match (greater, or_equal) {
            (false, false) => first(below),
            (false, true) => first(not_above),
            (true, false) => self.total() - first(not_above),
            (true, true) => self.total() - first(below),
        }
    }

    /// The share of the rows that have this value, if it is one of them.
    pub(super) fn share_of(
        &self,
        stats: &ColumnStats,
        info: &TypeInfo,
        (value, ty): (&Datum, SqlType),
    ) -> Option<f64> {
        let (below, not_above) = self.around(stats, info, value, ty);
        let place = self.places[below..not_above].iter().min()?;
        Some(f64::from(stats.mcv[*place].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_a_walk_through_the_list() {
        let values = [(7, 0.25f32), (3, 0.125), (9, 0.1), (1, 0.05)];
        let mcv = values.iter().map(|(v, f)| (Datum::I32(*v), *f)).collect();
        let stats = ColumnStats { mcv, ..ColumnStats::default() };
        let info = quarry_types::type_info(SqlType::INT4.oid).expect("int4 is built in");
        let listed = Listed::kept(&stats, info).expect("int4 has an order");
        for value in 0..11 {
            let datum = Datum::I32(value);
            for (greater, or_equal) in [(false, false), (false, true), (true, false), (true, true)] {
                let holds = |v: i32| v == value && or_equal || v != value && (v > value) == greater;
                let walked =
                    values.iter().filter(|(v, _)| holds(*v)).map(|(_, f)| f64::from(*f)).sum::<f64>();
                assert_eq!(listed.share(&stats, info, (&datum, SqlType::INT4), greater, or_equal), walked);
            }
            let own = values.iter().find(|(v, _)| *v == value).map(|(_, f)| f64::from(*f));
            assert_eq!(listed.share_of(&stats, info, (&datum, SqlType::INT4)), own);
        }
        assert_eq!(listed.total(), values.iter().map(|(_, f)| f64::from(*f)).sum::<f64>());
    }
}
