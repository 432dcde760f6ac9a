//! What a checkpoint costs those who write beside it.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bench::Bench;
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

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

/// Runs the subject: latencies of transactions that overlap a checkpoint which has at least a page of each of pgbench's accounts to
/// write (640 MB at scale 50), and how many of them are done in a second meanwhile.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let scale = bench.pick(50, 10);
    let database = bench.pgbench_database(scale)?;
    let name = format!("{CLIENTS} writers beside a checkpoint, scale {scale}");
    let figures = [
        Figure::cost(format!("{name}: 99th percentile"), "ms"),
        Figure::cost(format!("{name}: longest"), "ms"),
        Figure::rate(format!("{name}: rate"), "tx/s"),
    ];
    let dir = bench.dir.path().join("latencies");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    section.extend(bench.rounds(figures, |side| one(bench, side, &database, &dir)));
    Ok(())
}

/// 99th percentile, longest latency, rate.
fn one(bench: &Bench, side: Side, database: &str, dir: &Path) -> Result<[f64; 3], Trouble> {
    bench.sql(side, database, "CHECKPOINT")?;
    // A row of each page.
    bench.sql(side, database, "UPDATE pgbench_accounts SET abalance = abalance + 0 WHERE aid % 60 = 0")?;
    for log in logs(dir)? {
        std::fs::remove_file(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    }
    let (clients, seconds) = (CLIENTS.to_string(), SECONDS.to_string());
    let log_prefix = format!("--log-prefix={}", dir.join("log").display());
    let args = ["-n", "-c", &clients, "-j", "2", "-T", &seconds, "-l", &log_prefix];
    let mut command = tools::pgbench(&bench.target(side)?, database, &args);
    let writers = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut writers = writers.map_err(|e| format!("pgbench: {e}"))?;
    std::thread::sleep(LEAD);
    let begun = now();
    let outcome = bench.sql(side, database, "CHECKPOINT");
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

/// The transactions of pgbench's logs in a folder.
fn read_logs(dir: &Path) -> Result<Vec<Logged>, String> {
    let mut all = vec![];
    for log in logs(dir)? {
        let text = std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        for line in text.lines() {
            all.push(logged(line).ok_or_else(|| format!("pgbench's log says: {line}"))?);
        }
    }
    Ok(all)
}

/// Columns of pgbench's log: client, number, microseconds, script, seconds of the clock, microseconds of it.
fn logged(line: &str) -> Option<Logged> {
    let numbers: Vec<f64> = line.split(' ').filter_map(|field| field.parse().ok()).collect();
    let [_, _, micros, _, seconds, fraction, ..] = numbers[..] else { return None };
    Some(Logged { end: seconds + fraction / 1e6, millis: micros / 1e3 })
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_of_pgbench_s_log() {
        let line = super::logged("3 17 2500 0 1700000000 500000").expect("it has all columns");
        assert_eq!((line.millis, line.end), (2.5, 1_700_000_000.5));
        assert!(super::logged("3 17 skipped").is_none());
    }
}
