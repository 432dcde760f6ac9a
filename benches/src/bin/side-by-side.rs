//! Measures Quarry beside PostgreSQL 15 and prints the table for `benches/RESULTS.md`.
//!
//! `cargo build --release -p quarry && QUARRY_BIN=target/release/quarry cargo run --release -p quarry-benches --bin side-by-side`

use std::process::ExitCode;

use clap::Parser;
use quarry_benches::cases::{self, Size};
use quarry_benches::checkpoint;
use quarry_benches::peers::{Peers, Side};
use quarry_benches::report::{Figure, HEAD};
use quarry_testkit::temp::TempDir;

/// Measures Quarry beside PostgreSQL 15, turn by turn, and prints the ratios.
#[derive(Debug, Parser)]
struct Args {
    /// pgbench's scale factor
    #[arg(long, default_value_t = 50)]
    scale: u32,
    /// Rounds of each case; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each pgbench run
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Only cases whose name contains one of these: idle, sum, select-only, copy,
    /// tpcb-like, hot-row, contended (TPC-B at scale 1), open-transactions, checkpoint
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Args {
    fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| case.contains(part.as_str()))
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("side-by-side: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let size = Size { scale: args.scale, rounds: args.rounds.max(1), seconds: args.seconds };
    let peers = Peers::start()?;
    if args.wants("idle") {
        // First of all: later, memory that other cases gave back would be used again.
        let bytes = cases::idle_connection_bytes(&peers)?;
        println!(
            "An idle connection takes {:.1} KB of Quarry's resident memory (500 of them).\n",
            bytes / 1e3
        );
    }
    for side in Side::BOTH {
        eprintln!("loading {side:?} at scale {}", size.scale);
        cases::load(&peers.target(side), size)?;
    }
    println!("{HEAD}");
    let show = |figures: &[Figure]| figures.iter().for_each(|f| println!("{}", f.row()));
    if args.wants("sum") {
        show(&[cases::sum_accounts(&peers, size)?]);
    }
    if args.wants("select-only") {
        for (mode, clients) in [("simple", 8), ("simple", 64), ("prepared", 8), ("prepared", 64)] {
            show(&cases::pgbench_rate(&peers, size, "select-only", mode, clients)?);
        }
    }
    if args.wants("copy") {
        let dir = TempDir::new("accounts");
        show(&cases::copy_accounts(&peers, size, &dir.path().join("accounts.tsv"))?);
    }
    if args.wants("tpcb-like") {
        for clients in [8, 32] {
            show(&cases::pgbench_rate(&peers, size, "tpcb-like", "simple", clients)?);
        }
    }
    if args.wants("hot-row") {
        let dir = TempDir::new("hot-row");
        show(&cases::hot_row_rate(&peers, size, 16, dir.path())?);
    }
    if args.wants("open-transactions") {
        show(&[cases::select_beside_idle(&peers, size, 1000)?]);
    }
    if args.wants("checkpoint") {
        let dir = TempDir::new("checkpoint");
        show(&checkpoint::commits_beside(&peers, size, dir.path())?);
    }
    if args.wants("contended") {
        // Last: it makes pgbench's tables anew.
        let size = Size { scale: 1, ..size };
        for side in Side::BOTH {
            cases::load(&peers.target(side), size)?;
        }
        show(&cases::pgbench_rate(&peers, size, "tpcb-like", "simple", 16)?);
    }
    Ok(())
}
