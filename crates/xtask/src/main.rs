//! Developer commands, run as `cargo xtask <command>`.
//!
//! `check` is the one command for everything that must hold before a change is merged; CI runs it and nothing else.
//! The others are parts of it, or prepare it.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod differ;
mod golden;
mod history;
mod index_choice;
mod isolation;
mod plan_search;
mod plan_tree;
mod planning_time;
mod plans;
mod plans_agree;
mod power_loss;
mod qerror;
mod setup;
mod tidy;
mod torture;
mod tpch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Quarry")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, lints, source rules and all tests, after installing what they need
    Check {
        /// Only these parts
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<check::Part>,
    },
    /// Install what the tests need: psql and pgbench, and the drivers under target/test-env
    Setup,
    /// Measure Quarry beside PostgreSQL 15 and write the tables into benches/RESULTS.md (`cargo xtask bench --help` has the options)
    #[command(disable_help_flag = true)]
    Bench {
        /// Options of the program `side-by-side` of benches/
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Run golden SQL files (all, or the files and areas named) on a server and show the differences
    Golden {
        /// Files (tests/sql/types/bool.sql) or areas (types)
        what: Vec<String>,
        /// A server that is already running at this port of the local machine, instead of a fresh one
        #[arg(long)]
        port: Option<u16>,
        /// One line per file, without the differences
        #[arg(long)]
        brief: bool,
    },
    /// Record the answers of golden SQL files from an installed PostgreSQL 15
    Record {
        /// Files or areas; all if none is named
        what: Vec<String>,
    },
    /// Run isolation specs (all, or the ones named) on a server and show the differences
    Isolation {
        /// Files (tests/isolation/lost_update.spec) or topics (lost_update)
        what: Vec<String>,
        /// A server that is already running at this port of the local machine, instead of a fresh one
        #[arg(long, conflicts_with = "record")]
        port: Option<u16>,
        /// Record the answers from an installed PostgreSQL 15 instead
        #[arg(long)]
        record: bool,
    },
    /// Run plan tests (all, or the ones named) and show what differs
    Plans {
        /// Files (tests/plans/scalars.plan) or topics (scalars)
        what: Vec<String>,
        /// A server that is already running at this port of the local machine, instead of a fresh one
        #[arg(long)]
        port: Option<u16>,
        /// A PostgreSQL 15 at this port of the local machine, whose rows must be the same
        #[arg(long)]
        postgres: Option<u16>,
        /// Write the plans that the server shows into the files
        #[arg(long)]
        update: bool,
    },
    /// Run random queries on a server and on PostgreSQL 15 until their answers differ
    Differ {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// PostgreSQL's port on the local machine; a private server without it
        #[arg(long)]
        postgres: Option<u16>,
        /// Where the random numbers start; each round of 100 statements takes the next one
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Rounds
        #[arg(long, default_value_t = 20)]
        rounds: u64,
    },
    /// Run random joins under many plans on a server, and on PostgreSQL 15: all must answer the same
    PlansAgree {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// PostgreSQL's port on the local machine; a private server without it
        #[arg(long)]
        postgres: Option<u16>,
        /// Where the random numbers start; each hundred queries take the next one
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Queries
        #[arg(long, default_value_t = 1000)]
        queries: u64,
    },
    /// Time single-table queries under every plan they can get, and show where the chosen one isn't the fastest
    IndexChoice {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// Rows of the table
        #[arg(long, default_value_t = 200_000)]
        rows: u64,
        /// The server's process: its processor time is counted, instead of the time until the answer is there
        #[arg(long)]
        pid: Option<u32>,
        /// Print every plan with its cost and time
        #[arg(long)]
        verbose: bool,
    },
    /// Show how costs and times go together over all plans of the same queries
    CostTime {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// Rows of the table
        #[arg(long, default_value_t = 200_000)]
        rows: u64,
        /// The server's process: its processor time is counted, instead of the time until the answer is there
        #[arg(long)]
        pid: Option<u32>,
        /// Print every plan with its cost and time
        #[arg(long)]
        verbose: bool,
    },
    /// Measure how far the estimated rows of joins are from the real ones, here and on PostgreSQL 15
    ///
    /// Printed twice: over all joins of each server's own plans, which may join in different orders, and over the joins of the same
    /// relations of a query (by their aliases) that both plans have.
    Qerror {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// PostgreSQL's port on the local machine; a private server without it
        #[arg(long)]
        postgres: Option<u16>,
        /// TPC-H instead of the films: the folder with the .tbl files that `tpchgen-cli tbl -s SF` made, without the last delimiter
        #[arg(long, requires = "queries")]
        tpch: Option<std::path::PathBuf>,
        /// The folder with TPC-H's schema.sql, indexes.sql and queries q*.sql
        #[arg(long)]
        queries: Option<std::path::PathBuf>,
        /// A database on both servers that has TPC-H's data and statistics already
        #[arg(long, requires = "queries", conflicts_with = "tpch")]
        database: Option<String>,
        /// Both servers have the data from a run before
        #[arg(long)]
        keep: bool,
        /// Print every join
        #[arg(long)]
        verbose: bool,
    },
    /// Time TPC-H's queries under every plan that settings lead to, and show where the chosen one isn't the fastest
    PlanSearch {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// The database with TPC-H's data
        #[arg(long)]
        database: String,
        /// The folder with the queries q*.sql
        #[arg(long)]
        queries: std::path::PathBuf,
        /// Only these (q05)
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Join orders that are drawn at random for each query, besides those that settings lead to
        #[arg(long, default_value_t = 24)]
        orders: u64,
        /// The server's process: its CPU time is measured instead of the clock's, so that others' load matters less
        #[arg(long)]
        pid: Option<u32>,
        /// Print every plan's time
        #[arg(long)]
        verbose: bool,
    },
    /// Measure how long TPC-H's queries are planned, here and by PostgreSQL 15
    PlanningTime {
        /// The server's port on the local machine
        #[arg(long)]
        port: u16,
        /// PostgreSQL's port on the local machine
        #[arg(long)]
        postgres: u16,
        /// The database with TPC-H's data and statistics on both
        #[arg(long)]
        database: String,
        /// The folder with the queries q*.sql
        #[arg(long)]
        queries: std::path::PathBuf,
        /// Plannings of each query, of which the median counts
        #[arg(long, default_value_t = 20)]
        runs: usize,
    },
    /// Run random transactions on a server and look for anomalies in what they saw
    History {
        /// How long for each level
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The level of the transactions
        #[arg(long, value_enum, default_value_t = history::Levels::All)]
        level: history::Levels,
        /// The level that the history is held against, if not the same (to see that the checker finds what a weaker level permits)
        #[arg(long, value_enum)]
        judge: Option<history::Levels>,
        /// Where the random numbers start
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Clients at the same time
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// Keys that they work on
        #[arg(long, default_value_t = 12)]
        keys: i64,
        /// A server that is already running at this port of the local machine, instead of a fresh one
        #[arg(long)]
        port: Option<u16>,
    },
    /// Kill a server at random moments, also while it recovers, and verify that nothing is lost
    Torture {
        /// Rounds
        #[arg(long, default_value_t = 100)]
        rounds: u64,
        /// Where the random numbers start
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Cut the power of a simulated disk at random writes and verify that nothing is lost
    PowerLoss {
        /// How often the power fails
        #[arg(long, default_value_t = 2000)]
        rounds: u64,
        /// Where the random numbers start
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Write config/quarry.toml from the settings' definitions
    Settings,
    /// The rules about sources: sizes, heads, banned calls, direction of dependencies
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check { only } => check::run(&only),
        Command::Bench { options } => bench::run(&options),
        Command::Setup => setup::run(),
        Command::Golden { what, port, brief } => golden::run(&what, port, brief),
        Command::Record { what } => golden::record(&what),
        Command::Isolation { what, record: true, .. } => isolation::record(&what),
        Command::Isolation { what, port, record: false } => isolation::run(&what, port),
        Command::Plans { what, port, postgres, update } => plans::run(&what, port, postgres, update),
        Command::Differ { port, postgres, seed, rounds } => differ::run(port, postgres, seed, rounds),
        Command::PlansAgree { port, postgres, seed, queries } => {
            plans_agree::run(port, postgres, seed, queries)
        }
        Command::IndexChoice { port, rows, pid, verbose } => {
            index_choice::run(&index_choice::Work { port, pid, rows, verbose })
        }
        Command::CostTime { port, rows, pid, verbose } => {
            index_choice::correlate(&index_choice::Work { port, pid, rows, verbose })
        }
        Command::Qerror { port, postgres, tpch, queries, database, keep, verbose } => {
            qerror::run(port, postgres, &qerror::Work { tpch, queries, database, keep, verbose })
        }
        Command::PlanSearch { port, database, queries, only, orders, pid, verbose } => {
            plan_search::run(port, &plan_search::Work { database, queries, only, orders, pid, verbose })
        }
        Command::PlanningTime { port, postgres, database, queries, runs } => {
            planning_time::run(port, postgres, &database, &queries, runs)
        }
        Command::History { seconds, level, judge, seed, clients, keys, port } => {
            let load = history::Load { seconds, seed, clients, keys };
            history::run(&load, level, judge, port)
        }
        Command::Torture { rounds, seed } => torture::run(rounds, seed),
        Command::PowerLoss { rounds, seed } => power_loss::run(rounds, seed),
        Command::Settings => {
            let path = quarry_testkit::paths::workspace().join("config/quarry.toml");
            std::fs::write(path, quarry_common::settings::sample_file()).map_err(|e| e.to_string())
        }
        Command::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
