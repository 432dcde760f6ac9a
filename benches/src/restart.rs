//! Starts after kill -9: both servers are killed under writers with so much log since the checkpoint, and copies of the folders are
//! started in turn.
//!
//! TPC-B alone would write for half an hour: once each page's image is in the log, a transaction adds some 230 bytes. Every other
//! transaction changes [`ROWS_TOGETHER`] accounts of one teller's range instead, with the sums that TPC-B keeps.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quarry_testkit::client::Client;
use quarry_testkit::temp::TempDir;

use crate::bench::{Bench, progress};
use crate::peers::{Instance, Peers, Side, owned, with_defaults};
use crate::report::{Figure, Section, Trouble};
use crate::tools;

/// No checkpoint but those that the case asks for.
const SETTINGS: [(&str, &str); 2] = [("checkpoint_timeout", "1h"), ("max_wal_size", "16GB")];
const CLIENTS: &str = "32";
const DATABASE: &str = "postgres";
/// Accounts that one of the larger transactions changes.
const ROWS_TOGETHER: u32 = 500;
/// The longest that the log may take to grow.
const PATIENCE: Duration = Duration::from_secs(600);

/// A folder whose server was killed.
struct Killed {
    folder: PathBuf,
    /// Transactions that clients were told of.
    told: f64,
    /// Bytes of log since the checkpoint.
    log: u64,
}

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let scale = bench.pick(100, 20);
    let log: u64 = bench.pick(1 << 30, 64 << 20);
    // Servers of its own: the others' data doesn't belong into the copies.
    let mut peers = Peers::start(&SETTINGS)?;
    let mut killed = vec![];
    for side in Side::BOTH {
        progress(&format!("{side:?}: pgbench at scale {scale}, then {} MB of log", log >> 20));
        killed.push(grow_and_kill(&mut peers, side, scale, log)?);
    }
    let figure =
        Figure::cost(format!("first answer after kill -9 with {} MB of log", log >> 20), "s").times(2.0);
    let copies = TempDir::new("bench-copies");
    let figures = bench.rounds([figure], |side| Ok([start(&killed[side as usize], side, copies.path())?]));
    section.extend(figures);
    section.notes.push(format!(
        "pgbench at scale {scale}, {CLIENTS} clients, every other transaction of {ROWS_TOGETHER} accounts. Log since the checkpoint: Quarry {} MB, {} transactions; PostgreSQL {} MB, {}. \
         Each start is of a fresh copy, read into the system's cache by the copying; no transaction that a client was told of is lost, and balances agree.",
        killed[0].log >> 20, killed[0].told, killed[1].log >> 20, killed[1].told
    ));
    Ok(())
}

/// Has clients write until there is enough log, and kills the server while they do.
fn grow_and_kill(peers: &mut Peers, side: Side, scale: u32, log: u64) -> Result<Killed, String> {
    let target = peers.target(side)?;
    tools::run(&mut tools::pgbench(&target, DATABASE, &["-i", "-q", "-s", &scale.to_string()]))?;
    tools::sql(&target, DATABASE, "CHECKPOINT")?;
    let mut watcher = tools::connect(&target, DATABASE)?;
    let scripts = TempDir::new("bench-restart");
    let script = scripts.path().join("many.sql");
    std::fs::write(&script, many_accounts(scale)).map_err(|e| format!("{}: {e}", script.display()))?;
    let (many, clients) = (format!("{}@1", script.display()), ["-n", "-c", CLIENTS, "-j", "2", "-T", "3600"]);
    let mix = clients.into_iter().chain(["-b", "tpcb-like@1", "-f", &many]).collect::<Vec<_>>();
    let mut command = tools::pgbench(&target, DATABASE, &mix);
    let writers = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut writers = writers.map_err(|e| format!("pgbench: {e}"))?;
    let written = wait_for_log(&mut watcher, log);
    let folder = peers.kill_9(side);
    if written.is_err() || folder.is_err() {
        writers.kill().ok();
    }
    let said = writers.wait_with_output().map_err(|e| format!("pgbench: {e}"))?;
    let told = tools::number_after(&String::from_utf8_lossy(&said.stdout), "actually processed:")?;
    Ok(Killed { folder: folder?, told, log: written? })
}

/// A transaction of many accounts. Each client has a range of its own, and a branch comes after the accounts as it does in TPC-B: no two
/// wait for each other.
fn many_accounts(scale: u32) -> String {
    let ranges = scale * 100_000 / CLIENTS.parse::<u32>().unwrap_or(1);
    format!(
        "\\set first :client_id * {ranges} + random(1, {})
\\set bid random(1, {scale})
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid >= :first AND aid < :first + {ROWS_TOGETHER};
UPDATE pgbench_branches SET bbalance = bbalance + {ROWS_TOGETHER} * :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, :bid, :first, {ROWS_TOGETHER} * :delta, CURRENT_TIMESTAMP);
END;
",
        ranges - ROWS_TOGETHER
    )
}

/// Waits until so many bytes were added to the log, and says how many they became.
fn wait_for_log(client: &mut Client, bytes: u64) -> Result<u64, String> {
    let mut place = || {
        let rows = tools::rows(client, "SELECT pg_current_wal_lsn()")?;
        tools::lsn(rows.first().and_then(|r| r.first()?.as_deref()).unwrap_or_default())
    };
    let (from, started) = (place()?, Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let added = place()?.saturating_sub(from);
        if added >= bytes {
            return Ok(added);
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("{} MB of log in {PATIENCE:?}", added >> 20));
        }
    }
}

/// Starts a copy of a killed folder: seconds to the first answer. What must be there is.
fn start(killed: &Killed, side: Side, copies: &Path) -> Result<f64, Trouble> {
    let copy = copies.join("data");
    tools::run(Command::new("cp").arg("-a").arg(&killed.folder).arg(&copy))?;
    std::fs::remove_file(copy.join("postmaster.pid")).ok();
    let started = Instant::now();
    let mut server = Instance::spawn(side, &copy, &with_defaults(&owned(&SETTINGS)))?;
    server.wait_until_ready()?;
    let target = server.target();
    let history = tools::value(&target, DATABASE, "SELECT count(*) FROM pgbench_branches")
        .map(|_| started.elapsed().as_secs_f64())
        .and_then(|seconds| {
            Ok((seconds, tools::value(&target, DATABASE, "SELECT count(*) FROM pgbench_history")?))
        });
    let balances = tools::sql(
        &target,
        DATABASE,
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches)
            AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history)",
    );
    server.kill_9()?;
    std::fs::remove_dir_all(&copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let (seconds, found) = history?;
    let found: f64 = found.parse().map_err(|e| format!("{found}: {e}"))?;
    if found < killed.told {
        return Err(Trouble::Wrong(format!(
            "{side:?}: {} transactions were answered, {found} are there",
            killed.told
        )));
    }
    if balances?.first().and_then(|row| row.first()?.as_deref()) != Some("t") {
        return Err(Trouble::Wrong(format!("{side:?}: balances don't agree")));
    }
    Ok(seconds)
}
