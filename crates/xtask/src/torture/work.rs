//! What the server does while it waits to be killed: transfers, and upkeep of the tables they go through.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use quarry_testkit::psql::Target;
use quarry_testkit::rng::Rng;

use super::ACCOUNTS;
use super::client::{Answer, Client};

/// Numbers that each writer of each round has for its transfers.
const NUMBERS: u64 = 1_000_000;

/// Transfers whose COMMIT was answered.
#[derive(Default)]
pub struct Acknowledged {
    tickets: HashSet<u64>,
    taken: u64,
}

impl Acknowledged {
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    pub fn tickets(&self) -> &HashSet<u64> {
        &self.tickets
    }

    pub fn add(&mut self, tickets: Vec<u64>) {
        self.tickets.extend(tickets);
    }

    /// The first of a range of numbers that nobody has used.
    pub fn take_numbers(&mut self) -> u64 {
        self.taken += 1;
        self.taken * NUMBERS
    }
}

/// Moves money until the server is gone; the numbers of the transfers that were acknowledged.
pub fn writer(target: &Target, rng: &mut Rng, first: u64, stop: &AtomicBool) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let Some(mut client) = Client::open(target) else { return acknowledged };
    for ticket in first..first + NUMBERS {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (mut a, mut b) = (rng.below(ACCOUNTS), rng.below(ACCOUNTS));
        if rng.one_in(3) {
            // Some rows are hot.
            (a, b) = (a % 5, b % 5);
        }
        let amount = rng.between(-50, 50);
        let long = rng.one_in(20);
        let note = format!("repeat('{ticket} ', {})", if long { 3000 } else { rng.below(20) });
        // Rows in rising order: no deadlocks, which would only slow this down.
        let changes: String = [(a, -amount), (b, amount)]
            .iter()
            .map(|(id, by)| format!("UPDATE account SET balance = balance + ({by}) WHERE id = {id};"))
            .collect();
        let end = if rng.one_in(10) { "ROLLBACK" } else { "COMMIT" };
        let savepoint = rng.one_in(4);
        let wasted = match savepoint {
            true => format!(
                "SAVEPOINT s; DELETE FROM owner WHERE id < 0; UPDATE account SET note = 'lost' WHERE id = {a}; ROLLBACK TO s;"
            ),
            false => String::new(),
        };
        let sql = format!(
            "BEGIN; {wasted} {changes} INSERT INTO ledger VALUES ({ticket}, {a}, {b}, {amount}, {note}); {end}"
        );
        match client.run(&sql) {
            Answer::Done(_) if end == "COMMIT" => acknowledged.push(ticket),
            Answer::Done(_) => {}
            Answer::Refused(..) => {
                client.run("ROLLBACK");
            }
            Answer::Gone => break,
        }
    }
    acknowledged
}

/// Vacuums, checkpoints, builds and rebuilds indexes until the server is gone.
pub fn upkeep(target: &Target, rng: &mut Rng, stop: &AtomicBool) {
    let Some(mut client) = Client::open(target) else { return };
    while !stop.load(Ordering::Relaxed) {
        let table = ["account", "ledger", "owner"][rng.below(3) as usize];
        let sql = match rng.below(12) {
            0..3 => "CHECKPOINT".to_owned(),
            3..6 => format!("VACUUM {table}"),
            6 => format!("VACUUM (FULL) {table}"),
            7 => format!("ANALYZE {table}"),
            8 => "CREATE INDEX IF NOT EXISTS ledger_extra ON ledger (target, amount)".to_owned(),
            9 => "DROP INDEX IF EXISTS ledger_extra".to_owned(),
            10 => format!("REINDEX TABLE {table}"),
            _ => "DELETE FROM owner WHERE id >= 50; INSERT INTO owner SELECT i, repeat('y', 500) FROM generate_series(50, 250) i"
                .to_owned(),
        };
        if matches!(client.run(&sql), Answer::Gone) {
            break;
        }
    }
}
