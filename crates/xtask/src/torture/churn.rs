//! Tables that come, change and go, and what must be left of them after a crash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use quarry_testkit::psql::Target;
use quarry_testkit::rng::Rng;

use super::client::{Answer, Client};

/// Tables at a time.
const TABLES: u64 = 6;

/// What is known of a table: it has so many rows, or (`None`) it isn't there.
type State = Option<u64>;

/// The tables `churn_0` and up, each with the states it may be in: one, or two while nobody knows how the last statement ended.
#[derive(Default)]
pub struct Churn {
    tables: BTreeMap<u64, Vec<State>>,
}

impl Churn {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.tables.values().filter(|states| states.contains(&None) as usize != states.len()).count()
    }

    /// Works until the server is gone.
    pub fn work(&mut self, target: &Target, rng: &mut Rng, stop: &AtomicBool) {
        let Some(mut client) = Client::open(target) else { return };
        while !stop.load(Ordering::Relaxed) {
            let n = rng.below(TABLES);
            let states = self.tables.entry(n).or_insert_with(|| vec![None]);
            let [now] = states[..] else { return };
            let (sql, next) = statement(n, now, rng);
            let rolled_back = rng.one_in(5);
            let end = if rolled_back { "ROLLBACK" } else { "COMMIT" };
            // Alone, or in a block with more around it.
            let (sql, next) = match rng.below(3) {
                0 => (sql, next),
                _ => (format!("BEGIN; {sql}; {end}"), if rolled_back { now } else { next }),
            };
            match client.run(&sql) {
                Answer::Done(_) => *states = vec![next],
                Answer::Refused(code, message) => {
                    eprintln!("{sql}: {code} {message}");
                    client.run("ROLLBACK");
                }
                Answer::Gone => {
                    *states = vec![now, next];
                    return;
                }
            }
        }
    }

    /// Compares with what is there after a crash, which settles what nobody knew.
    pub fn settle(&mut self, found: &BTreeMap<u64, u64>) -> Result<(), String> {
        for n in found.keys() {
            self.tables.entry(*n).or_insert_with(|| vec![None]);
        }
        for (n, states) in &mut self.tables {
            let is = found.get(n).copied();
            if !states.contains(&is) {
                return Err(format!(
                    "table churn_{n} has {is:?} rows (None: it is gone); possible: {states:?}"
                ));
            }
            *states = vec![is];
        }
        Ok(())
    }
}

/// A statement on table `n`, and what it leaves.
fn statement(n: u64, now: State, rng: &mut Rng) -> (String, State) {
    let count = 1 + rng.below(600);
    let Some(rows) = now else {
        return match rng.below(3) {
            0 => (format!("CREATE TABLE churn_{n} (id int PRIMARY KEY, t text, u text)"), Some(0)),
            1 => (
                format!(
                    "CREATE TABLE churn_{n} AS SELECT i AS id, repeat('a', i) AS t, 'u'::text AS u FROM generate_series(1, {count}) i"
                ),
                Some(count),
            ),
            _ => (
                format!(
                    "CREATE TABLE churn_{n} (id serial, t text, u text); CREATE INDEX ON churn_{n} (t);
                     INSERT INTO churn_{n} (t) SELECT repeat('b', i) FROM generate_series(1, {count}) i"
                ),
                Some(count),
            ),
        };
    };
    match rng.below(9) {
        0..2 => (format!("DROP TABLE churn_{n}"), None),
        2 => (format!("TRUNCATE churn_{n}"), Some(0)),
        3 => (format!("ALTER TABLE churn_{n} ALTER COLUMN id TYPE bigint"), Some(rows)),
        4 => (format!("CREATE INDEX ON churn_{n} (u, id)"), Some(rows)),
        5 => (format!("UPDATE churn_{n} SET u = repeat('c', id::int % 300)"), Some(rows)),
        6 => (format!("DELETE FROM churn_{n}"), Some(0)),
        _ => (
            format!(
                "INSERT INTO churn_{n} SELECT coalesce((SELECT max(id) FROM churn_{n}), 0) + i, repeat('d', i), 'u' FROM generate_series(1, {count}) i"
            ),
            Some(rows + count),
        ),
    }
}
