//! `cargo xtask history`: random concurrent transactions, and a look for anomalies in what they saw (`testkit::history`).
//!
//! The seed fixes what the clients try; how their statements interleave is the machine's.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use quarry_testkit::history::{self, Level, load};
use quarry_testkit::psql::{self, Target};
use quarry_testkit::server::{Options, Server};

/// A level, or each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Levels {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
    All,
}

impl Levels {
    fn each(self) -> Vec<Level> {
        match self {
            Levels::ReadUncommitted => vec![Level::ReadUncommitted],
            Levels::ReadCommitted => vec![Level::ReadCommitted],
            Levels::RepeatableRead => vec![Level::RepeatableRead],
            Levels::Serializable => vec![Level::Serializable],
            Levels::All => {
                vec![Level::ReadUncommitted, Level::ReadCommitted, Level::RepeatableRead, Level::Serializable]
            }
        }
    }
}

/// What to do at each level.
#[derive(Debug)]
pub struct Load {
    pub seconds: u64,
    pub seed: u64,
    pub clients: usize,
    pub keys: i64,
}

/// The load's database, made anew for it.
const DATABASE: &str = "history_checker";

/// Runs the load at each level, and fails if a level's history has what it forbids.
pub fn run(what: &Load, levels: Levels, judge: Option<Levels>, port: Option<u16>) -> Result<(), String> {
    let own = match port {
        Some(_) => None,
        None => Some(Server::fresh_with("history", &Options::default())),
    };
    let target = own.as_ref().map_or_else(|| Target::local(port.unwrap_or_default()), Server::target);
    let mut wrong = 0;
    for level in levels.each() {
        for judged in judge.map_or_else(|| vec![level], Levels::each) {
            wrong += one(what, level, judged, &target)?;
        }
    }
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} anomalies that the level forbids")) }
}

fn one(what: &Load, level: Level, judged: Level, target: &Target) -> Result<usize, String> {
    psql::execute(target, "postgres", &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
    psql::execute(target, "postgres", &format!("CREATE DATABASE {DATABASE}"))?;
    let load = load::Load {
        level,
        clients: what.clients,
        keys: what.keys,
        duration: Duration::from_secs(what.seconds),
        seed: what.seed,
        kills: true,
    };
    let mut outcomes = load::run(target, DATABASE, &load)?;
    let started = Instant::now();
    let mut report = history::check(&outcomes.history, judged);
    for anomaly in std::mem::take(&mut outcomes.report.anomalies) {
        report.add(anomaly.class, || anomaly.story);
    }
    println!(
        "{}, {} s, seed {}: {} transactions, {} committed, {} dependencies; failures {:?}; checked as {} in {:.1} s",
        level.sql(),
        what.seconds,
        what.seed,
        outcomes.history.txns.len(),
        report.committed,
        report.edges,
        outcomes.failures,
        judged.sql(),
        started.elapsed().as_secs_f64()
    );
    let mut wrong = 0;
    for (class, count) in &report.counts {
        let forbidden = class.is_forbidden_at(judged);
        wrong += if forbidden { *count } else { 0 };
        println!("  {count} {class:?}{}", if forbidden { ": FORBIDDEN" } else { " (permitted)" });
    }
    for anomaly in report.forbidden(judged) {
        println!("\n{anomaly}");
    }
    psql::execute(target, "postgres", &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
    Ok(wrong)
}
