//! `cargo xtask torture`: a real server is killed at random moments, also while it recovers, and must have lost nothing.
//!
//! A round: writers move money between accounts, some in prepared transactions, one thread makes, fills, rewrites and drops tables, another
//! vacuums, checkpoints, builds indexes and fills an unlogged table; the process gets SIGKILL; with some luck again while it recovers; then
//! everything is verified (`verify`), the server is stopped in order and `quarry check` reads its folder. The seed fixes what the threads try to do and when the kills come; how far
//! they get is the machine's.

mod churn;
mod client;
mod verify;
mod work;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quarry_testkit::paths;
use quarry_testkit::psql;
use quarry_testkit::rng::Rng;
use quarry_testkit::server::{Options, Server, free_port};
use quarry_testkit::temp::TempDir;

use churn::Churn;
use work::Acknowledged;

/// Accounts that there are.
pub const ACCOUNTS: u64 = 500;
/// What each has at first.
pub const BALANCE: i64 = 1000;
const WRITERS: u64 = 4;

fn options() -> Options {
    Options::default()
        .with("shared_buffers", "2MB")
        .with("max_wal_size", "32MB")
        .with("checkpoint_timeout", "30s")
        .with("autovacuum_naptime", "1s")
        .with("max_prepared_transactions", "20")
}

/// Runs `rounds` rounds.
pub fn run(rounds: u64, seed: u64) -> Result<(), String> {
    println!("torture: {rounds} rounds, seed {seed}");
    let dir = TempDir::new("torture");
    let data = dir.path().join("data");
    let outcome = all_rounds(&data, rounds, seed);
    if outcome.is_err() {
        // The folder is what there is to learn from.
        let kept = dir.path().to_owned();
        std::mem::forget(dir);
        eprintln!("kept for inspection: {}", kept.display());
    }
    outcome
}

fn all_rounds(data: &Path, rounds: u64, seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let mut server = Server::start(data, &options())?;
    psql::execute(&server.target(), "postgres", &schema())?;
    let mut acknowledged = Acknowledged::default();
    let mut churn = Churn::default();
    for round in 1..=rounds {
        let said = |e: String| format!("seed {seed}, round {round}: {e}");
        work_until_killed(&server, &mut rng, &mut acknowledged, &mut churn);
        server.kill_9();
        let kills = kill_in_recovery(data, &mut rng).map_err(said)?;
        server = Server::start(data, &options()).map_err(said)?;
        verify::scratch_is_empty(&server.target()).map_err(said)?;
        let settled = verify::prepared(&server.target(), &acknowledged, &mut rng).map_err(said)?;
        acknowledged.settle(settled);
        let found = verify::all(&server.target(), data, &acknowledged, &mut churn).map_err(said)?;
        let scratch = verify::fill_scratch(&server.target(), &mut rng).map_err(said)?;
        let (status, _) = server.terminate().map_err(said)?;
        if !status.success() {
            return Err(said(format!("the shutdown ended with {status}")));
        }
        check(data).map_err(said)?;
        println!(
            "round {round}: {} commits acknowledged, {found} found, {} tables, {kills} kills in recovery",
            acknowledged.len(),
            churn.len()
        );
        server = Server::start(data, &options()).map_err(said)?;
        verify::scratch_is_kept(&server.target(), scratch).map_err(said)?;
    }
    server.terminate()?;
    Ok(())
}

fn schema() -> String {
    format!(
        "CREATE TABLE owner (id int PRIMARY KEY, name text);
         INSERT INTO owner SELECT i, 'owner ' || i FROM generate_series(0, 49) i;
         CREATE TABLE account (id int PRIMARY KEY, owner int NOT NULL REFERENCES owner,
                               balance bigint NOT NULL, note text);
         INSERT INTO account SELECT i, i % 50, {BALANCE}, repeat('x', i % 300) FROM generate_series(0, {}) i;
         CREATE INDEX account_balance ON account (balance);
         CREATE TABLE ledger (ticket bigint PRIMARY KEY, source int NOT NULL REFERENCES account,
                              target int NOT NULL REFERENCES account, amount bigint NOT NULL, note text);
         CREATE INDEX ledger_source ON ledger (source);
         CREATE INDEX ledger_target ON ledger USING hash (target);
         CREATE INDEX ledger_sides ON ledger USING gin ((ARRAY[source, target])) WITH (gin_pending_list_limit = 64);
         CREATE INDEX ledger_span ON ledger USING brin (amount, note) WITH (pages_per_range = 2);
         CREATE INDEX account_owner ON account USING hash (owner);
         CREATE INDEX account_span ON account USING brin (note) WITH (pages_per_range = 1);
         CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, t text);",
        ACCOUNTS - 1
    )
}

/// Lets everyone work, and returns a moment before everything is to end.
fn work_until_killed(server: &Server, rng: &mut Rng, acknowledged: &mut Acknowledged, churn: &mut Churn) {
    let stop = AtomicBool::new(false);
    let target = server.target();
    let patience = Duration::from_millis(100 + rng.below(2500));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (mut rng, first) = (rng.fork(), acknowledged.take_numbers());
                let (target, stop) = (&target, &stop);
                scope.spawn(move || work::writer(target, &mut rng, first, stop))
            })
            .collect();
        let (mut for_churn, mut for_upkeep) = (rng.fork(), rng.fork());
        let (to, stop_them) = (&target, &stop);
        let churning = scope.spawn(move || churn.work(to, &mut for_churn, stop_them));
        let upkeep = scope.spawn(move || work::upkeep(to, &mut for_upkeep, stop_them));
        std::thread::sleep(patience);
        // The kill comes while they are at it; nothing that ends after it counts as acknowledged, because no answer comes.
        server.signal(rustix::process::Signal::KILL).ok();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            acknowledged.add(writer.join().unwrap_or_default());
        }
        churning.join().ok();
        upkeep.join().ok();
    });
}

/// Starts the server and kills it again while it recovers, some times; how often.
fn kill_in_recovery(data: &Path, rng: &mut Rng) -> Result<u64, String> {
    let kills = if rng.one_in(2) { 0 } else { 1 + rng.below(3) };
    for _ in 0..kills {
        let server = Server::spawn(data, free_port(), &options())?;
        std::thread::sleep(Duration::from_millis(rng.below(400)));
        server.kill_9();
    }
    Ok(kills)
}

/// `quarry check` finds nothing.
fn check(data: &Path) -> Result<(), String> {
    let out = Command::new(paths::server_binary())
        .args(["check", "-D"])
        .arg(data)
        .output()
        .map_err(|e| format!("quarry check: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = [out.stdout, out.stderr].concat();
    Err(format!("quarry check: {}", String::from_utf8_lossy(&text)))
}
