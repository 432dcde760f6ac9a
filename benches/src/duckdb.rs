//! TPC-H against DuckDB with two threads, on the same files.

use std::process::Command;

use crate::bench::{Bench, progress};
use crate::peers::Side;
use crate::queries::{Compared, RUNS, difference, fastest};
use crate::report::{Figure, Section, geometric_mean};
use crate::tools::{self, Rows};
use crate::tpch;

/// Takes a database file, a number of runs and files with statements: `load` once, then queries. Prints for each query a line `name
/// seconds`, then its rows with tabs between values, then a line with a dot.
const SCRIPT: &str = r#"
import duckdb, sys, time
database, runs, load, *queries = sys.argv[1:]
con = duckdb.connect(database)
con.execute("set threads = 2")
con.execute("set enable_progress_bar = false")
for statement in filter(str.strip, open(load).read().split(";\n")):
    con.execute(statement)
for query in queries:
    sql, best = open(query).read(), 1e9
    for _ in range(int(runs)):
        start = time.perf_counter()
        rows = con.execute(sql).fetchall()
        best = min(best, time.perf_counter() - start)
    print(query.rsplit("/", 1)[-1], best)
    for row in rows:
        print("\t".join("\\N" if v is None else str(v) for v in row))
    print(".")
"#;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    section.peer = "DuckDB, 2 threads";
    let python = bench.options.duckdb.clone();
    let import = Command::new(&python).args(["-c", "import duckdb; print(duckdb.__version__)"]).output();
    let version = match import {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => return Err(format!("{} has no package duckdb: give one by --duckdb", python.display())),
    };
    let tpch = tpch::loaded(bench)?;
    let mut load = tpch.schema.join(";\n");
    for table in tpch::TABLES {
        let path = tpch.data.join(format!("{table}.tbl"));
        load.push_str(&format!(";\nCOPY {table} FROM '{}' (DELIMITER '|', HEADER false)", path.display()));
    }
    let load = bench.file("duckdb-load.sql", &load)?;
    let nothing = bench.file("duckdb-nothing.sql", "")?;
    let mut files = vec![];
    for query in &tpch.queries {
        files.push(bench.file(&query.name, &query.sql)?);
    }
    let database = bench.dir.path().join("duck.db");
    let duckdb = |load: &std::path::Path, runs: usize| {
        let mut command = Command::new(&python);
        command.arg("-c").arg(SCRIPT).arg(&database).arg(runs.to_string()).arg(load).args(&files);
        parse(&tools::run(&mut command)?)
    };
    progress("DuckDB: TPC-H's data");
    let first = duckdb(&load, 1)?;
    let target = bench.target(Side::Quarry)?;
    let mut each = vec![];
    for (query, (_, theirs)) in tpch.queries.iter().zip(&first) {
        let (_, ours) = fastest(&target, tpch::DATABASE, query, &[], 1)?;
        match difference(&ours, theirs, Compared::AsNumbers) {
            None => {}
            // Not said of Quarry: PostgreSQL's rows decide that. DuckDB computes averages in floating point.
            Some(what) => section.notes.push(format!("{}: DuckDB's rows differ: {what}", query.name)),
        }
        each.push(Figure::cost(&query.name, "s"));
    }
    let name = format!("TPC-H scale {}, geometric mean", tpch.scale);
    let mut mean = Figure::cost(name, "s").times(1.0 / 3.5);
    for round in 0..bench.options.rounds() {
        progress(&format!("DuckDB: round {}", round + 1));
        let mut times = vec![[0.0; 2]; each.len()];
        for (query, times) in tpch.queries.iter().zip(&mut times) {
            times[0] = fastest(&target, tpch::DATABASE, query, &[], RUNS)?.0;
        }
        for ((seconds, _), times) in duckdb(&nothing, RUNS)?.into_iter().zip(&mut times) {
            times[1] = seconds;
        }
        mean.add([0, 1].map(|side| geometric_mean(&times.iter().map(|t| t[side]).collect::<Vec<_>>())));
        each.iter_mut().zip(times).for_each(|(figure, times)| figure.add(times));
    }
    section
        .notes
        .push(format!("DuckDB {version} runs inside its client's process and sends nothing over a socket."));
    section.extend([mean]);
    section.extend(each);
    Ok(())
}

/// Seconds and rows of each query.
fn parse(text: &str) -> Result<Vec<(f64, Rows)>, String> {
    let mut all = vec![];
    let mut lines = text.lines();
    while let Some(head) = lines.next() {
        let seconds = head.rsplit_once(' ').and_then(|(_, s)| s.parse().ok());
        let seconds = seconds.ok_or_else(|| format!("DuckDB's script says: {head}"))?;
        let value = |v: &str| (v != "\\N").then(|| v.to_owned());
        let row = |line: &str| line.split('\t').map(value).collect();
        all.push((seconds, lines.by_ref().take_while(|line| *line != ".").map(row).collect()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_of_the_script() {
        let all = super::parse("q01 0.5\n1\t\\N\n2\tx\n.\nq02 0.25\n.\n").expect("it is well formed");
        assert_eq!((all.len(), all[0].0, all[1].0), (2, 0.5, 0.25));
        assert_eq!(all[0].1, [[Some("1".to_owned()), None], [Some("2".to_owned()), Some("x".to_owned())]]);
        assert!(super::parse("Traceback").is_err());
    }
}
