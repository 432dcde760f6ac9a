//! Drivers of other languages: each script runs its own checks and ends with 0 if all hold.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use quarry_testkit::{paths, psql};

use crate::support::{Database, run};

const LIMIT: Duration = Duration::from_secs(180);

fn script(command: &mut Command) {
    let out = psql::output_within(command, LIMIT).unwrap_or_else(|e| panic!("{e}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{}\n{stdout}\n{stderr}", out.status);
    println!("{stdout}");
}

fn drivers() -> std::path::PathBuf {
    paths::workspace().join("tests/drivers")
}

fn python(file: &str, database: &str) {
    let db = run(Database::new(database));
    script(Command::new(paths::python()).arg(drivers().join("python").join(file)).arg(db.url()));
}

#[test]
fn python_psycopg() {
    python("psycopg_test.py", "psycopg");
}

#[test]
fn python_asyncpg() {
    python("asyncpg_test.py", "asyncpg");
}

#[test]
fn python_applications() {
    python("applications_test.py", "applications");
}

#[test]
fn node_pg() {
    let db = run(Database::new("nodepg"));
    let file: &Path = &drivers().join("node/pg_test.js");
    script(Command::new("node").env("NODE_PATH", paths::node_modules()).arg(file).arg(db.url()));
}
