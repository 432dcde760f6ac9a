//! Sets of queries: each one's rows compared, the fastest of some runs in each round, geometric means.

use std::time::Instant;

use quarry_testkit::client::Client;
use quarry_testkit::psql::Target;

use crate::bench::{Bench, progress};
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble, geometric_mean};
use crate::tools::{self, Rows};

/// Runs of each query in a round, of which the fastest counts.
pub const RUNS: usize = 3;

/// A query of a set.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its name in the table.
    pub name: String,
    /// The statement.
    pub sql: String,
}

/// What is asked of a set.
#[derive(Debug, Clone, Copy)]
pub struct Goals {
    /// Times better, as the geometric mean.
    pub mean: f64,
    /// Times better, of each query, if that is asked.
    pub each: Option<f64>,
}

/// Measures a set on both sides. PostgreSQL gets, for each query, the fastest of these settings (statements that set them), found
/// in a round that isn't counted.
pub fn measure(
    bench: &Bench,
    section: &mut Section,
    database: &str,
    set: (&str, &[Query], Goals),
    peer_settings: &[&[&str]],
) -> Result<(), String> {
    let (title, queries, goals) = set;
    let rounds = bench.options.rounds();
    let mut each: Vec<Figure> = vec![];
    let mut prepared = vec![];
    for query in queries {
        progress(&format!("{}: first runs", query.name));
        match prepare(bench, database, query, peer_settings) {
            Ok(settings) => {
                prepared.push((query, settings));
                let figure = Figure::cost(&query.name, "s");
                each.push(match goals.each {
                    Some(times) => figure.times(times),
                    None => figure,
                });
            }
            Err(trouble) => section.extend([Figure::without(&query.name, trouble)]),
        }
    }
    let mut mean =
        Figure::cost(format!("{title}, {} queries, geometric mean", prepared.len()), "s").times(goals.mean);
    let mut cpu = Figure::cost(format!("{title}: server CPU of the fastest runs' rounds"), "s");
    for round in 0..rounds {
        let mut times = vec![[0.0; 2]; prepared.len()];
        let mut cpus = [0.0; 2];
        for side in Side::in_round(round) {
            progress(&format!("{title}: round {}, {side:?}", round + 1));
            let target = bench.target(side)?;
            let before = bench.peers.cpu_seconds(side)?;
            for (i, (query, settings)) in prepared.iter().enumerate() {
                let chosen = if side == Side::Postgres { *settings } else { &[] };
                times[i][side as usize] = fastest(&target, database, query, chosen, RUNS)?.0;
            }
            cpus[side as usize] = (bench.peers.cpu_seconds(side)? - before) / RUNS as f64;
        }
        mean.add([0, 1].map(|side| geometric_mean(&times.iter().map(|t| t[side]).collect::<Vec<_>>())));
        cpu.add(cpus);
        each.iter_mut().zip(times).for_each(|(figure, times)| figure.add(times));
    }
    let least = goals.each.unwrap_or(1.0);
    let below = each.iter().filter(|f| f.better_by()[1] < least).count();
    section.notes.push(format!(
        "Rows of all {} queries are compared one by one, in their order. The fastest of {RUNS} runs counts in a round. \
         Queries less than {least} times better: {below}.",
        queries.len()
    ));
    if !prepared.is_empty() {
        section.extend([mean, cpu]);
    }
    section.extend(each);
    Ok(())
}

/// Compares the rows, and chooses PostgreSQL's settings.
fn prepare<'a>(
    bench: &Bench,
    database: &str,
    query: &Query,
    peer_settings: &'a [&'a [&'a str]],
) -> Result<&'a [&'a str], Trouble> {
    let ours =
        fastest(&bench.target(Side::Quarry)?, database, query, &[], 1).map_err(|e| format!("Quarry: {e}"))?.1;
    let target = bench.target(Side::Postgres)?;
    let mut best: (f64, &[&str]) = (f64::INFINITY, &[]);
    let mut theirs = None;
    for settings in peer_settings {
        let (time, rows) = fastest(&target, database, query, settings, 2)?;
        theirs.get_or_insert(rows);
        if time < best.0 {
            best = (time, settings);
        }
    }
    match theirs.map(|rows| difference(&ours, &rows, Compared::Exactly)) {
        Some(Some(what)) => Err(Trouble::Wrong(what)),
        _ => Ok(best.1),
    }
}

/// The fastest of some runs, in seconds, and the rows.
pub fn fastest(
    target: &Target,
    database: &str,
    query: &Query,
    settings: &[&str],
    runs: usize,
) -> Result<(f64, Rows), String> {
    let mut client: Client = tools::connect(target, database)?;
    for setting in settings {
        tools::rows(&mut client, setting)?;
    }
    let (mut seconds, mut rows) = (f64::INFINITY, vec![]);
    for _ in 0..runs {
        let started = Instant::now();
        rows = tools::rows(&mut client, &query.sql)?;
        seconds = f64::min(seconds, started.elapsed().as_secs_f64());
    }
    Ok((seconds, rows))
}

/// How answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same values as text in the same order.
    Exactly,
    /// In any order; numbers may differ in form or in their seventh digit, and texts in blanks at their ends.
    AsNumbers,
}

/// What differs between two answers; none if nothing does.
pub fn difference(ours: &Rows, theirs: &Rows, how: Compared) -> Option<String> {
    if ours.len() != theirs.len() {
        return Some(format!("{} rows against {}", ours.len(), theirs.len()));
    }
    let first = |a: &Rows, b: &Rows| a.iter().zip(b).position(|(a, b)| !same_row(a, b, how));
    let at = first(ours, theirs)?;
    if how == Compared::AsNumbers {
        let sorted = |rows: &Rows| {
            let mut rows = rows.clone();
            rows.sort();
            rows
        };
        first(&sorted(ours), &sorted(theirs))?;
    }
    Some(format!("row {}: {:?} against {:?}", at + 1, ours[at], theirs[at]))
}

fn same_row(a: &[Option<String>], b: &[Option<String>], how: Compared) -> bool {
    let as_numbers = how == Compared::AsNumbers;
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| a == b || as_numbers && same_value(a.as_deref(), b.as_deref()))
}

fn same_value(a: Option<&str>, b: Option<&str>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-4_f64.max(1e-6 * a.abs().max(b.abs())),
        _ => a.trim_end() == b.trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        text.lines().map(|l| l.split(' ').map(|v| Some(v.to_owned())).collect()).collect()
    }

    #[test]
    fn answers() {
        use Compared::{AsNumbers, Exactly};
        assert_eq!(difference(&rows("1 a\n2 b"), &rows("1 a\n2 b"), Exactly), None);
        assert!(
            difference(&rows("1 a\n2 b"), &rows("2 b\n1 a"), Exactly).is_some_and(|d| d.starts_with("row 1"))
        );
        assert_eq!(difference(&rows("1 a"), &rows("1 a\n2 b"), Exactly).as_deref(), Some("1 rows against 2"));
        assert!(
            difference(&rows("1 a\n2 b"), &rows("1 a\n2 c"), AsNumbers)
                .is_some_and(|d| d.starts_with("row 2"))
        );
        assert_eq!(difference(&rows("1 a\n2 b"), &rows("2 b\n1 a"), AsNumbers), None);
        assert!(difference(&rows("1.50"), &rows("1.5"), Exactly).is_some());
        assert_eq!(difference(&rows("1.50"), &rows("1.5"), AsNumbers), None);
        assert!(difference(&rows("1.50"), &rows("1.6"), AsNumbers).is_some());
    }
}
