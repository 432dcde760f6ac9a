//! Figures, medians, ratios, and the tables that they are shown in.

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// At least so many times better than the peer.
    Times(f64),
    /// Quarry's own value, at least.
    AtLeast(f64),
}

/// A case that has no figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It can't be run, and why.
    Missing(String),
    /// The two answered differently.
    Wrong(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Missing(why)
    }
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Trouble {
        Trouble::Missing(why.to_owned())
    }
}

/// One figure of one case: its values on both sides, round by round.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    unit: &'static str,
    higher_is_better: bool,
    goal: Option<Goal>,
    rounds: Vec<[f64; 2]>,
    trouble: Option<Trouble>,
}

impl Figure {
    fn new(name: impl Into<String>, unit: &'static str, higher_is_better: bool) -> Figure {
        Figure { name: name.into(), unit, higher_is_better, goal: None, rounds: vec![], trouble: None }
    }

    /// A figure of which more is better.
    pub fn rate(name: impl Into<String>, unit: &'static str) -> Figure {
        Figure::new(name, unit, true)
    }

    /// A figure of which less is better.
    pub fn cost(name: impl Into<String>, unit: &'static str) -> Figure {
        Figure::new(name, unit, false)
    }

    /// The line of a case that has no figure.
    pub fn without(name: impl Into<String>, trouble: Trouble) -> Figure {
        Figure { trouble: Some(trouble), ..Figure::new(name, "", true) }
    }

    /// With what is asked of it: so many times better than the peer.
    pub fn times(self, times: f64) -> Figure {
        Figure { goal: Some(Goal::Times(times)), ..self }
    }

    /// With what is asked of Quarry's own value.
    pub fn at_least(self, value: f64) -> Figure {
        Figure { goal: Some(Goal::AtLeast(value)), ..self }
    }

    /// What was measured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a round's values, Quarry's first.
    pub fn add(&mut self, values: [f64; 2]) {
        self.rounds.push(values);
    }

    /// True if the two answered differently.
    pub fn is_wrong(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Wrong(_)))
    }

    /// The median of each side.
    pub fn medians(&self) -> [f64; 2] {
        [0, 1].map(|side| median(self.rounds.iter().map(|r| r[side]).collect()))
    }

    /// How many times better Quarry was: lowest, median and highest over the rounds.
    pub fn better_by(&self) -> [f64; 3] {
        let ratio = |r: &[f64; 2]| if self.higher_is_better { r[0] / r[1] } else { r[1] / r[0] };
        let mut all: Vec<f64> = self.rounds.iter().map(ratio).collect();
        all.sort_by(f64::total_cmp);
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        [end(all.first()), median(all.clone()), end(all.last())]
    }

    /// Whether it is what it should be; none if nothing is asked of it.
    fn is_met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::Times(times) => self.better_by()[1] >= times,
            Goal::AtLeast(value) => self.medians()[0] >= value,
        })
    }

    /// A row of the table.
    pub fn row(&self) -> String {
        match &self.trouble {
            Some(Trouble::Missing(why)) => {
                return format!("| {} | not run: {} | | | | | |", self.name, one_line(why));
            }
            Some(Trouble::Wrong(why)) => {
                return format!("| {} | **WRONG**: {} | | | | | |", self.name, one_line(why));
            }
            None => {}
        }
        let [quarry, peer] = self.medians();
        let [low, mid, high] = self.better_by();
        let asked = match self.goal {
            None => String::new(),
            Some(Goal::Times(times)) => format!("{times:.2}"),
            Some(Goal::AtLeast(value)) => format!("at least {value}"),
        };
        let met = match self.is_met() {
            None => "",
            Some(true) => ", met",
            Some(false) => ", **missed**",
        };
        format!(
            "| {} | {} | {} | {} | {mid:.2} | {low:.2} to {high:.2} | {asked}{met} |",
            self.name,
            self.unit,
            short(quarry),
            short(peer),
        )
    }
}

/// The figures of one subject.
#[derive(Debug, Clone)]
pub struct Section {
    /// The heading, by which a later run finds what it replaces.
    pub title: String,
    /// What the second column shows.
    pub peer: &'static str,
    /// Lines of the table.
    pub figures: Vec<Figure>,
    /// What is said below it.
    pub notes: Vec<String>,
}

impl Section {
    /// A section without figures.
    pub fn new(title: impl Into<String>) -> Section {
        Section { title: title.into(), peer: "PostgreSQL 15", figures: vec![], notes: vec![] }
    }

    /// Takes figures in.
    pub fn extend(&mut self, figures: impl IntoIterator<Item = Figure>) {
        self.figures.extend(figures);
    }

    /// Takes a case's figures in, or the reason why it has none.
    pub fn take(&mut self, name: &str, figures: Result<Vec<Figure>, Trouble>) {
        match figures {
            Ok(figures) => self.extend(figures),
            Err(trouble) => self.figures.push(Figure::without(name, trouble)),
        }
    }

    /// The section's text; `circumstances` stands under its heading.
    pub fn text(&self, circumstances: &str) -> String {
        let mut text = format!("### {}\n\n{circumstances}\n\n", self.title);
        let head = format!("| case | unit | Quarry | {} | times better | range | asked |", self.peer);
        text.extend([&head, "\n| --- | --- | ---: | ---: | ---: | --- | --- |\n"]);
        self.figures.iter().for_each(|f| text.extend([f.row().as_str(), "\n"]));
        self.notes.iter().for_each(|note| text.extend(["\n", note, "\n"]));
        text
    }
}

/// The middle of some numbers.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The geometric mean of some numbers.
pub fn geometric_mean(values: &[f64]) -> f64 {
    let logarithms: f64 = values.iter().map(|v| v.ln()).sum();
    (logarithms / values.len() as f64).exp()
}

fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

/// A text that fits into a cell.
fn one_line(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    flat.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_better_points_the_same_way_for_rates_and_durations() {
        let mut rate = Figure::rate("rate", "tx/s");
        let mut duration = Figure::cost("duration", "s");
        for (quarry, postgres) in [(10.0, 5.0), (12.0, 4.0), (9.0, 9.0)] {
            rate.add([quarry, postgres]);
            duration.add([1.0 / quarry, 1.0 / postgres]);
        }
        assert_eq!(rate.better_by(), [1.0, 2.0, 3.0]);
        for (a, b) in rate.better_by().into_iter().zip(duration.better_by()) {
            assert!((a - b).abs() < 1e-9);
        }
        assert_eq!(rate.medians(), [10.0, 5.0]);
    }

    #[test]
    fn goals() {
        let mut figure = Figure::rate("rate", "tx/s").times(2.0);
        figure.add([10.0, 5.0]);
        assert_eq!(figure.row(), "| rate | tx/s | 10.00 | 5.00 | 2.00 | 2.00 to 2.00 | 2.00, met |");
        figure.add([10.0, 8.0]);
        assert!(figure.row().ends_with("| 2.00, **missed** |"));
        let mut share = Figure::rate("share", "of its rate").at_least(0.5);
        share.add([0.6, 0.1]);
        assert!(share.row().ends_with("| at least 0.5, met |"));
    }

    #[test]
    fn a_case_without_figures_says_why() {
        let mut section = Section::new("t");
        section.take("x", Err("no\nsuch | tool".into()));
        section.take("y", Err(Trouble::Wrong("1 against 2".to_owned())));
        let text = section.text("here");
        assert!(text.contains("| x | not run: no such / tool |"), "{text}");
        assert!(text.contains("| y | **WRONG**: 1 against 2 |"));
        assert!(section.figures[1].is_wrong() && !section.figures[0].is_wrong());
    }

    #[test]
    fn statistics() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(vec![]).is_nan());
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
    }
}
