//! sysbench's OLTP tests, if the program is there.

use std::process::Command;

use quarry_testkit::paths;

use crate::bench::{Bench, Run, progress};
use crate::peers::Side;
use crate::report::{Figure, Section};
use crate::tools;

const DATABASE: &str = "sysbench";
const TABLES: u32 = 4;
const THREADS: u32 = 8;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    if !paths::has_tool("sysbench".as_ref()) {
        return Err("the program sysbench is not installed (Debian: apt-get install sysbench)".to_owned());
    }
    let rows = bench.pick(100_000, 20_000);
    bench.database(DATABASE)?;
    for side in Side::BOTH {
        progress(&format!("{side:?}: sysbench's tables"));
        tools::run(command(bench, side, "point_select", rows)?.arg("prepare"))?;
    }
    bench.on_both(DATABASE, &["VACUUM ANALYZE", "CHECKPOINT"])?;
    for (test, goal) in [("point_select", 1.3), ("read_only", 1.5), ("read_write", 1.4)] {
        let rate = Figure::rate(format!("oltp_{test}, {THREADS} threads"), "tx/s").times(goal);
        section.extend(bench.rate_and_cpu(rate, Some(2.0), |side| {
            bench.sql(side, DATABASE, "CHECKPOINT")?;
            let run = measured(bench, side, command(bench, side, test, rows)?.arg("run"))?;
            bench.sql(side, DATABASE, "CHECKPOINT")?;
            Ok(run)
        }));
    }
    section.notes.push(format!(
        "{TABLES} tables of {rows} rows; server CPU is that of a query, not of a transaction."
    ));
    bench.drop_database(DATABASE)
}

fn command(bench: &Bench, side: Side, test: &str, rows: u32) -> Result<Command, String> {
    let target = bench.target(side)?;
    let mut command = Command::new("sysbench");
    command
        .arg(format!("oltp_{test}"))
        .args(["--db-driver=pgsql", "--pgsql-user=postgres", "--rand-seed=1"])
        .args([
            format!("--pgsql-host={}", target.host),
            format!("--pgsql-port={}", target.port),
            format!("--pgsql-db={DATABASE}"),
            format!("--tables={TABLES}"),
            format!("--table-size={rows}"),
            format!("--threads={THREADS}"),
            format!("--time={}", bench.options.seconds()),
        ]);
    Ok(command)
}

/// Transactions a second, and the server's processor time for a query.
fn measured(bench: &Bench, side: Side, command: &mut Command) -> Result<Run, String> {
    let before = bench.peers.cpu_seconds(side)?;
    let text = tools::run(command)?;
    let used = bench.peers.cpu_seconds(side)? - before;
    let (rate, queries) = counts(&text)?;
    Ok(Run { rate, cpu: used * 1e6 / queries.max(1.0), count: queries })
}

/// Transactions a second, and queries.
fn counts(text: &str) -> Result<(f64, f64), String> {
    let (_, transactions) =
        text.split_once("transactions:").ok_or_else(|| format!("sysbench says: {text}"))?;
    Ok((tools::number_after(transactions, "(")?, tools::number_after(text, "queries:")?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts() {
        let text = "SQL statistics:\n    queries performed:\n        read: 140\n    transactions:    10     (1.50 per sec.)\n    queries:    200    (30.00 per sec.)\n";
        assert_eq!(super::counts(text), Ok((1.5, 200.0)));
        assert!(super::counts("FATAL").is_err());
    }
}
