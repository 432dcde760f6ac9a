//! How far a merge join reads its sides: it begins where both have rows, and when one comes to its end, the rest of the other is left
//! (PostgreSQL: `mergejoinscansel`).

use super::scalar::Numbers;
use super::variable::Variable;
use crate::planner::Planner;
use quarry_plan::Expr;

/// Shares of a side's rows in their order: before the first one that could have a match, and up to the last one that is read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stretch {
    pub start: f64,
    pub end: f64,
}

impl Stretch {
    pub const WHOLE: Stretch = Stretch { start: 0.0, end: 1.0 };
}

impl Planner<'_> {
    /// What is read of two sides in ascending order of these keys.
    pub fn stretches(&mut self, outer: &Expr, inner: &Expr) -> (Stretch, Stretch) {
        let (outer, inner) = (self.variable(outer), self.variable(inner));
        let (Some(left), Some(right)) = (Numbers::kept(&outer), Numbers::kept(&inner)) else {
            return (Stretch::WHOLE, Stretch::WHOLE);
        };
        let (Some(left_ends), Some(right_ends)) = (left.ends(), right.ends()) else {
            return (Stretch::WHOLE, Stretch::WHOLE);
        };
        let stretch = |v: &Variable, of: Stretch| self.of_kept(v, of);
        (
            stretch(&outer, part(&left, left_ends, right_ends)),
            stretch(&inner, part(&right, right_ends, left_ends)),
        )
    }

    /// The same of the rows that a table's own conditions keep: they may be those that are read, of all.
    fn of_kept(&self, v: &Variable, of: Stretch) -> Stretch {
        let Some(scan) = v.scan.and_then(|n| self.stats.scans.get(n)) else { return Stretch::WHOLE };
        let more = (scan.rows / scan.kept.max(1.0)).max(1.0);
        let start = (1.0 - (1.0 - of.start) * more).max(0.0);
        Stretch { start, end: (of.end * more).min(1.0).max(start) }
    }
}

/// What is read of values beside others that lie between two ends.
fn part(numbers: &Numbers, own: (f64, f64), other: (f64, f64)) -> Stretch {
    Stretch {
        start: if own.0 < other.0 { numbers.compare(other.0, false, false) } else { 0.0 },
        end: if own.1 > other.1 { numbers.compare(other.1, false, true) } else { 1.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_catalog::ColumnStats;
    use quarry_types::{Datum, SqlType};
    use std::sync::Arc;

    #[test]
    fn the_longer_side_is_read_as_far_as_the_shorter_one_goes() {
        let histogram = (0..=100).map(|i| Datum::I32(i * 10)).collect();
        let stats = ColumnStats { histogram, ..ColumnStats::default() };
        let ty = SqlType::INT4;
        let v =
            Variable { stats: Some(Arc::new(stats)), ty, unique: true, scan: None, rows: 1e3, results: None };
        let long = Numbers::kept(&v).expect("numbers");
        let ends = long.ends().expect("ends");
        assert_eq!(ends, (0.0, 1000.0));
        let read = part(&long, ends, (200.0, 300.0));
        assert!((read.start - 0.2).abs() < 0.02 && (read.end - 0.3).abs() < 0.02, "{read:?}");
        assert_eq!(part(&long, ends, (-5.0, 2000.0)), Stretch::WHOLE);
    }
}
