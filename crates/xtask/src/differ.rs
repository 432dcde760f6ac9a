//! `cargo xtask differ`: random statements answered by a server and by PostgreSQL 15, compared as sets of rows.

use std::time::Duration;

use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::{self, Target};
use quarry_testkit::random_query::Generator;
use quarry_testkit::temp::TempDir;

const STATEMENTS_PER_ROUND: usize = 100;
const ROUND_SECONDS_MAX: u64 = 120;
/// Runs on both servers in a database of its own.
const DATABASE: &str = "postgres";
const SCHEMA: &str = "random_queries";

/// Runs `rounds` rounds from `seed` on; the error counts the differences, which are printed with their round's seed.
pub fn run(port: u16, postgres: Option<u16>, seed: u64, rounds: u64) -> Result<(), String> {
    let private = if postgres.is_none() { Some(Postgres::start()?) } else { None };
    let reference = match (&private, postgres) {
        (Some(server), _) => server.target(),
        (None, port) => Target::local(port.unwrap_or_default()),
    };
    let ours = Target::local(port);
    let mut different = 0;
    for seed in seed..seed + rounds {
        different += round(&ours, &reference, seed)?;
    }
    if different == 0 { Ok(()) } else { Err(format!("{different} answers differ")) }
}

fn round(ours: &Target, reference: &Target, seed: u64) -> Result<usize, String> {
    let mut generator = Generator::new(seed);
    let mut head = vec![
        format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}"),
        format!("SET search_path = {SCHEMA}"),
        "SET statement_timeout = '10s'".to_owned(),
        // A plan with a forbidden part costs enough to be compiled, which takes a second each.
        "SET jit = off".to_owned(),
    ];
    head.extend(generator.tables());
    let mut script = String::new();
    for statement in &head {
        script.push_str(&format!("{statement};\n"));
    }
    let mut statements = vec![];
    let mut in_force = std::collections::BTreeMap::new();
    for n in 0..STATEMENTS_PER_ROUND {
        let setting = generator.setting();
        let statement = generator.statement();
        script.push_str(&format!("{setting};\n\\echo #{n}\n"));
        for part in &statement {
            script.push_str(&format!("{part};\n"));
        }
        let name = setting.split(" = ").next().unwrap_or_default().to_owned();
        in_force.insert(name, setting);
        let settings: Vec<&str> = in_force.values().map(String::as_str).collect();
        statements.push(format!("{};\n{};", settings.join("; "), statement.join(";\n")));
    }
    let dir = TempDir::new("differ");
    let file = dir.path().join("round.sql");
    std::fs::write(&file, script).map_err(|e| e.to_string())?;
    let limit = Duration::from_secs(ROUND_SECONDS_MAX);
    let expected = psql::run_file(reference, DATABASE, &file, limit)?;
    let got = psql::run_file(ours, DATABASE, &file, limit)?;
    let (expected, got) = (answers(&expected), answers(&got));
    let failed = expected.iter().filter(|lines| lines.iter().any(|l| l.starts_with("ERROR"))).count();
    let mut found = 0;
    for (n, statement) in statements.iter().enumerate() {
        let (want, have) = (expected.get(n), got.get(n));
        if want == have {
            continue;
        }
        found += 1;
        println!("-- seed {seed}, statement {n}\n{statement}");
        println!("-- PostgreSQL:\n{}\n-- here:\n{}", shown(want), shown(have));
    }
    if found > 0 {
        println!("-- tables of seed {seed}\n{};", head.join(";\n"));
    }
    println!("seed {seed}: {found} of {STATEMENTS_PER_ROUND} differ, PostgreSQL refuses {failed}");
    Ok(found)
}

/// The lines of each statement's answer, sorted.
fn answers(output: &str) -> Vec<Vec<&str>> {
    let mut out: Vec<Vec<&str>> = vec![];
    for line in output.lines() {
        if line.starts_with('#') {
            out.push(vec![]);
        } else if let Some(last) = out.last_mut()
            && !line.starts_with("\\echo")
        {
            last.push(line);
        }
    }
    out.iter_mut().for_each(|lines| lines.sort_unstable());
    out
}

fn shown(lines: Option<&Vec<&str>>) -> String {
    lines.map_or("nothing".to_owned(), |lines| lines.join("\n"))
}
