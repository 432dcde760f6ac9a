//! Medians, ratios and the table that they are shown in.

use crate::peers::Side;

/// One figure of one case: its values on both sides, round by round.
#[derive(Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// `tx/s`, `s` and the like.
    pub unit: &'static str,
    /// Whether more is better.
    pub higher_is_better: bool,
    rounds: Vec<[f64; 2]>,
}

impl Figure {
    /// A figure without values.
    pub fn new(name: impl Into<String>, unit: &'static str, higher_is_better: bool) -> Figure {
        Figure { name: name.into(), unit, higher_is_better, rounds: Vec::new() }
    }

    /// Adds a round's values, Quarry's first.
    pub fn add(&mut self, values: [f64; 2]) {
        self.rounds.push(values);
    }

    /// The median of one side.
    pub fn median(&self, side: Side) -> f64 {
        median(self.rounds.iter().map(|r| r[side as usize]).collect())
    }

    /// How many times better Quarry was: lowest, median and highest over the rounds.
    pub fn better_by(&self) -> [f64; 3] {
        let ratio = |r: &[f64; 2]| if self.higher_is_better { r[0] / r[1] } else { r[1] / r[0] };
        let mut all: Vec<f64> = self.rounds.iter().map(ratio).collect();
        all.sort_by(f64::total_cmp);
        [all[0], median(all.clone()), all[all.len() - 1]]
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        let [low, mid, high] = self.better_by();
        format!(
            "| {} | {} | {} | {} | {mid:.2} | {low:.2} to {high:.2} |",
            self.name,
            self.unit,
            short(self.median(Side::Quarry)),
            short(self.median(Side::Postgres)),
        )
    }
}

/// The table's head.
pub const HEAD: &str =
    "| case | unit | Quarry | PostgreSQL 15 | times better | range |\n| --- | --- | --- | --- | --- | --- |";

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_better_points_the_same_way_for_rates_and_durations() {
        let mut rate = Figure::new("rate", "tx/s", true);
        let mut duration = Figure::new("duration", "s", false);
        for (quarry, postgres) in [(10.0, 5.0), (12.0, 4.0), (9.0, 9.0)] {
            rate.add([quarry, postgres]);
            duration.add([1.0 / quarry, 1.0 / postgres]);
        }
        assert_eq!(rate.better_by(), [1.0, 2.0, 3.0]);
        for (a, b) in rate.better_by().into_iter().zip(duration.better_by()) {
            assert!((a - b).abs() < 1e-9);
        }
        assert_eq!(rate.median(Side::Quarry), 10.0);
        assert_eq!(rate.median(Side::Postgres), 5.0);
    }
}
