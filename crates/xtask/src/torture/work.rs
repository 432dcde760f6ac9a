//! What the server does while it waits to be killed: transfers, and upkeep of the tables they go through.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use quarry_testkit::psql::Target;
use quarry_testkit::rng::Rng;

use super::ACCOUNTS;
use super::client::{Answer, Client};

/// Numbers that each writer of each round has for its transfers.
const NUMBERS: u64 = 1_000_000;

/// What a writer was told.
#[derive(Default)]
pub struct Told {
    /// Transfers whose COMMIT (or COMMIT PREPARED) was answered.
    pub committed: Vec<u64>,
    /// Those whose PREPARE TRANSACTION was answered and whose end was not asked for.
    pub prepared: Vec<u64>,
}

/// Transfers whose COMMIT was answered, and those that are prepared.
#[derive(Default)]
pub struct Acknowledged {
    tickets: HashSet<u64>,
    prepared: HashSet<u64>,
    taken: u64,
}

impl Acknowledged {
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    pub fn tickets(&self) -> &HashSet<u64> {
        &self.tickets
    }

    /// Transfers that must be found prepared.
    pub fn prepared(&self) -> &HashSet<u64> {
        &self.prepared
    }

    pub fn add(&mut self, told: Told) {
        self.tickets.extend(told.committed);
        self.prepared.extend(told.prepared);
    }

    /// All prepared ones have ended; these by COMMIT PREPARED.
    pub fn settle(&mut self, committed: Vec<u64>) {
        self.prepared.clear();
        self.tickets.extend(committed);
    }

    /// The first of a range of numbers that nobody has used.
    pub fn take_numbers(&mut self) -> u64 {
        self.taken += 1;
        self.taken * NUMBERS
    }
}

/// Moves money until the server is gone.
pub fn writer(target: &Target, rng: &mut Rng, first: u64, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let Some(mut client) = Client::open(target) else { return told };
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
        let in_two = rng.one_in(8);
        let end = if rng.one_in(10) { "ROLLBACK" } else { "COMMIT" };
        let savepoint = rng.one_in(4);
        let wasted = match savepoint {
            true => format!(
                "SAVEPOINT s; DELETE FROM owner WHERE id < 0; UPDATE account SET note = 'lost' WHERE id = {a}; ROLLBACK TO s;"
            ),
            false => String::new(),
        };
        let last = if in_two { format!("PREPARE TRANSACTION '{ticket}'") } else { end.to_owned() };
        let sql = format!(
            "BEGIN; {wasted} {changes} INSERT INTO ledger VALUES ({ticket}, {a}, {b}, {amount}, {note}); {last}"
        );
        let mut answer = client.run(&sql);
        if in_two && let Answer::Done(_) = answer {
            if stop.load(Ordering::Relaxed) || rng.one_in(150) {
                // Left to whoever comes after the crash: nobody else works on.
                told.prepared.push(ticket);
                break;
            }
            answer = client.run(&format!("{end} PREPARED '{ticket}'"));
        }
        match answer {
            Answer::Done(_) if end == "COMMIT" => told.committed.push(ticket),
            Answer::Done(_) => {}
            Answer::Refused(..) => {
                client.run("ROLLBACK");
            }
            Answer::Gone => break,
        }
    }
    told
}

/// Vacuums, checkpoints, builds and rebuilds indexes until the server is gone.
pub fn upkeep(target: &Target, rng: &mut Rng, stop: &AtomicBool) {
    let Some(mut client) = Client::open(target) else { return };
    while !stop.load(Ordering::Relaxed) {
        let table = ["account", "ledger", "owner"][rng.below(3) as usize];
        let sql = match rng.below(18) {
            0..3 => "CHECKPOINT".to_owned(),
            3..6 => format!("VACUUM {table}"),
            6 => format!("VACUUM (FULL) {table}"),
            7 => format!("ANALYZE {table}"),
            8 => "CREATE INDEX IF NOT EXISTS ledger_extra ON ledger (target, amount)".to_owned(),
            9 => "DROP INDEX IF EXISTS ledger_extra".to_owned(),
            10 => format!("REINDEX TABLE {table}"),
            11 => "CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_beside ON ledger (amount, ticket)".to_owned(),
            12 => "DROP INDEX CONCURRENTLY IF EXISTS ledger_beside".to_owned(),
            13 => format!("REINDEX TABLE CONCURRENTLY {table}"),
            14 => "CREATE TEMP TABLE IF NOT EXISTS fleeting (a int, b text); INSERT INTO fleeting SELECT i, repeat('f', 100) FROM generate_series(1, 3000) i".to_owned(),
            15 | 16 => "INSERT INTO scratch SELECT i, repeat('s', i % 500) FROM generate_series((SELECT coalesce(max(id), 0) FROM scratch) + 1, (SELECT coalesce(max(id), 0) FROM scratch) + 300) i".to_owned(),
            _ => "DELETE FROM owner WHERE id >= 50; INSERT INTO owner SELECT i, repeat('y', 500) FROM generate_series(50, 250) i"
                .to_owned(),
        };
        if matches!(client.run(&sql), Answer::Gone) {
            break;
        }
    }
}
