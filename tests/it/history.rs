//! Random concurrent transactions, killed sessions among them, and what they saw: a short form of `cargo xtask history`.

use std::time::Duration;

use quarry_testkit::history::{self, Class, Level, load};
use quarry_testkit::psql;
use quarry_testkit::rng::Seed;
use quarry_testkit::server::Server;

/// So many committed transactions are enough to show what the level permits, too.
const ENOUGH: usize = 500;

fn no_anomalies_at(level: Level, permitted: &[Class]) {
    let seed = Seed::choose("history");
    // Durable commits: what is visible, and when, depends on it.
    let server = Server::fresh("history");
    psql::execute(&server.target(), "postgres", "CREATE DATABASE history").expect("a database can be made");
    let load = load::Load {
        level,
        clients: 8,
        keys: 12,
        duration: Duration::from_secs(3),
        seed: seed.value(),
        kills: true,
    };
    let outcomes = load::run(&server.target(), "history", &load).unwrap_or_else(|e| panic!("{e}"));
    let report = history::check(&outcomes.history, level);
    let found: Vec<String> = report
        .forbidden(level)
        .into_iter()
        .chain(&outcomes.report.anomalies)
        .map(|anomaly| anomaly.to_string())
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
    assert!(report.committed > 0, "no transaction has committed");
    // Transactions met, or nothing was tested.
    if report.committed >= ENOUGH {
        let met = permitted.iter().any(|class| report.count(*class) > 0);
        assert!(met || permitted.is_empty(), "{} commits and none of {permitted:?}", report.committed);
    }
}

#[test]
fn read_committed() {
    no_anomalies_at(Level::ReadCommitted, &[Class::LostUpdate, Class::GSingle]);
}

#[test]
fn repeatable_read() {
    no_anomalies_at(Level::RepeatableRead, &[Class::G2Item, Class::G2]);
}

#[test]
fn serializable() {
    no_anomalies_at(Level::Serializable, &[]);
}
