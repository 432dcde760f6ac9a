//! What a checkpoint costs those who write beside it.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quarry_testkit::psql::{self, Target};

use crate::cases::{Size, pgbench_command};
use crate::peers::{Peers, Side};
use crate::report::Figure;

/// Clients that write.
const CLIENTS: u32 = 8;
/// How long they write before the checkpoint, and at least after it began.
const LEAD: Duration = Duration::from_secs(3);
const SECONDS: u32 = 12;

/// One transaction of pgbench's log.
struct Logged {
    end: f64,
    millis: f64,
}

/// Latencies of transactions that overlap a checkpoint which has at least a page of each of pgbench's accounts to write (640 MB at
/// scale 50), and how many of them are done in a second meanwhile.
pub fn commits_beside(peers: &Peers, size: Size, dir: &Path) -> Result<[Figure; 3], String> {
    let name = format!("{CLIENTS} writers beside a checkpoint, scale {}", size.scale);
    let mut figures = [
        Figure::new(format!("{name}: 99th percentile"), "ms", false),
        Figure::new(format!("{name}: longest"), "ms", false),
        Figure::new(format!("{name}: rate"), "tx/s", true),
    ];
    for _ in 0..size.rounds {
        let mut values = [[0.0; 2]; 3];
        for side in Side::BOTH {
            let of_side = one(&peers.target(side), dir)?;
            (0..3).for_each(|i| values[i][side as usize] = of_side[i]);
        }
        figures.iter_mut().zip(values).for_each(|(figure, values)| figure.add(values));
    }
    Ok(figures)
}

/// 99th percentile, longest latency, rate.
fn one(target: &Target, dir: &Path) -> Result<[f64; 3], String> {
    psql::execute(target, "postgres", "CHECKPOINT")?;
    // A row of each page.
    let dirtying = "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % 60 = 0";
    psql::execute(target, "postgres", dirtying)?;
    let prefix = dir.join("latencies");
    for log in logs(dir)? {
        std::fs::remove_file(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    }
    let (clients, seconds) = (CLIENTS.to_string(), SECONDS.to_string());
    let log_prefix = format!("--log-prefix={}", prefix.display());
    let args = ["-n", "-N", "-c", &clients, "-j", "2", "-T", &seconds, "-l", &log_prefix];
    let writers = pgbench_command(target, &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut writers = writers.map_err(|e| format!("pgbench: {e}"))?;
    std::thread::sleep(LEAD);
    let begun = now();
    let outcome = psql::execute(target, "postgres", "CHECKPOINT");
    let done = now();
    wait(&mut writers)?;
    outcome?;
    let mut beside: Vec<f64> = read_logs(dir)?
        .into_iter()
        .filter(|tx| tx.end > begun && tx.end - tx.millis / 1e3 < done)
        .map(|tx| tx.millis)
        .collect();
    beside.sort_by(f64::total_cmp);
    let longest = *beside.last().ok_or("no transaction ran beside the checkpoint")?;
    Ok([beside[beside.len() * 99 / 100], longest, beside.len() as f64 / (done - begun)])
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn wait(writers: &mut Child) -> Result<(), String> {
    let status = writers.wait().map_err(|e| format!("pgbench: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("pgbench beside a checkpoint ended with {status}")) }
}

fn logs(dir: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

/// Columns of pgbench's log: client, number, microseconds, script, seconds of the clock, microseconds of it.
fn read_logs(dir: &Path) -> Result<Vec<Logged>, String> {
    let mut all = vec![];
    for log in logs(dir)? {
        let text = std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        for line in text.lines() {
            let numbers: Vec<f64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
            let [_, _, micros, _, seconds, fraction, ..] = numbers[..] else {
                return Err(format!("pgbench's log says: {line}"));
            };
            all.push(Logged { end: seconds + fraction / 1e6, millis: micros / 1e3 });
        }
    }
    Ok(all)
}
