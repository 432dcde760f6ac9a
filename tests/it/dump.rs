//! pg_dump of a database with objects of all kinds: as PostgreSQL's of the same schema, and good for restoring it, here and there.

use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::{self, Target};
use quarry_testkit::server::{Options, Server};
use quarry_testkit::{paths, temp::TempDir};
use std::path::Path;
use std::process::Command;

fn tool(name: &str, target: &Target) -> Command {
    let mut command = Command::new(paths::postgres_tool(name));
    command.env("PGHOST", &target.host).env("PGPORT", target.port.to_string()).env("PGUSER", "postgres");
    command.env("PGTZ", "UTC").env("LC_ALL", "C.UTF-8").env("PGCONNECT_TIMEOUT", "60");
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("PostgreSQL's programs are installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A dump without what differs each time, and without the server's name.
fn dump(target: &Target, database: &str) -> String {
    let text = run(tool("pg_dump", target).arg(database));
    let kept = text.lines().filter(|l| {
        !l.starts_with("\\restrict")
            && !l.starts_with("\\unrestrict")
            && !l.starts_with("-- Dumped from database version")
    });
    kept.map(|l| format!("{l}\n")).collect()
}

fn execute(target: &Target, database: &str, sql: &str) {
    psql::execute(target, database, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Runs a script, whose statements must all succeed.
fn restore(target: &Target, database: &str, script: &Path) {
    execute(target, "postgres", &format!("CREATE DATABASE {database}"));
    let mut command = psql::command(target, database);
    run(command.args(["-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script));
}

/// The first line that differs, with those around it.
fn assert_same(what: &str, ours: &str, other: &str) {
    let (a, b): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), other.lines().collect());
    if let Some(at) = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i)) {
        let around = |l: &[&str]| l[at.saturating_sub(4).min(l.len())..(at + 4).min(l.len())].join("\n");
        panic!("{what}: line {} differs\n--- here\n{}\n--- there\n{}", at + 1, around(&a), around(&b));
    }
}

#[test]
fn a_dump_is_as_postgresql_makes_it_and_can_be_restored() {
    let server = Server::fresh_with("dump", &Options::default().with("fsync", "off"));
    let here = server.target();
    let dir = TempDir::new("dump");
    let schema = paths::workspace().join("tests/it/dump.sql");
    restore(&here, "dumped", &schema);
    let plain = dump(&here, "dumped");
    let script = dir.path().join("dump.sql");
    std::fs::write(&script, &plain).expect("the folder is ours");

    restore(&here, "restored", &script);
    assert_same("restored here", &dump(&here, "restored"), &plain);

    // By pg_restore, which asks the other way round, too: first all is dropped.
    let archive = dir.path().join("dump.archive");
    run(tool("pg_dump", &here).args(["-Fc", "-f"]).arg(&archive).arg("dumped"));
    run(tool("pg_restore", &here).args(["--clean", "-d", "restored"]).arg(&archive));
    assert_same("restored by pg_restore", &dump(&here, "restored"), &plain);

    let postgres = Postgres::start().expect("PostgreSQL 15 is installed");
    let there = postgres.target();
    restore(&there, "dumped", &schema);
    assert_same("PostgreSQL's dump", &plain, &dump(&there, "dumped"));
    restore(&there, "restored", &script);
    assert_same("restored in PostgreSQL", &dump(&there, "restored"), &plain);
}
