//! `cargo xtask qerror`: how far the estimated rows of joins are from the real ones, on a server and on PostgreSQL 15.
//!
//! The q-error of a node is max(estimate / rows, rows / estimate), both at least 1 (Moerkotte, Neumann and Steidl, "Preventing Bad
//! Plans by Bounding the Impact of Cardinality Estimation Errors", VLDB 2009). Each server's own plan counts, every join node of it.
//! The queries are those of `tests/qerror` over a database made by statements, or TPC-H's over files of `tpchgen-cli tbl`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::paths::workspace;
use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;

const PATIENCE: Duration = Duration::from_secs(3600);

/// What is measured.
pub struct Work {
    /// TPC-H's files and the folder with `schema.sql` and `q*.sql`; none: the films.
    pub tpch: Option<(PathBuf, PathBuf)>,
    /// The data are there already.
    pub keep: bool,
    /// Print each query's worst node.
    pub verbose: bool,
}

/// Measures both servers and prints median and 95th percentile of each.
pub fn run(port: u16, postgres: Option<u16>, work: &Work) -> Result<(), String> {
    let private = if postgres.is_none() { Some(Postgres::start()?) } else { None };
    let reference = match (&private, postgres) {
        (Some(server), _) => server.target(),
        (None, port) => Target::local(port.unwrap_or_default()),
    };
    let queries = queries(work)?;
    let mut found = vec![];
    for (name, target) in [("PostgreSQL", reference), ("here", Target::local(port))] {
        let mut client = connect(&target, work)?;
        let mut errors = vec![];
        for (i, sql) in queries.iter().enumerate() {
            let own = joins(&mut client, sql)?;
            if work.verbose {
                let worst = own.iter().copied().fold(1.0, f64::max);
                println!("{name}\tquery {}\t{} joins\tworst {worst:.1}", i + 1, own.len());
            }
            errors.extend(own);
        }
        errors.sort_by(f64::total_cmp);
        let (median, high) = (percentile(&errors, 0.5), percentile(&errors, 0.95));
        let worst = errors.last().copied().unwrap_or(1.0);
        println!(
            "{name}: {} join nodes of {} queries; median {median:.2}, 95 % {high:.1}, worst {worst:.0}",
            errors.len(),
            queries.len()
        );
        found.push((median, high));
    }
    if let [theirs, ours] = found[..] {
        println!("here / PostgreSQL: median {:.2}, 95 % {:.2}", ours.0 / theirs.0, ours.1 / theirs.1);
    }
    Ok(())
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(1.0)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Statements of a script, each ended by a semicolon at the end of a line.
fn statements(script: &str) -> Vec<String> {
    let all = script.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned());
    all.filter(|s| !s.lines().all(|l| l.trim().is_empty() || l.starts_with("--"))).collect()
}

fn queries(work: &Work) -> Result<Vec<String>, String> {
    let Some((_, folder)) = &work.tpch else {
        return Ok(statements(&read(&workspace().join("tests/qerror/queries.sql"))?));
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|f| Some(f.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('q')))
        .collect();
    files.sort();
    files.iter().map(|f| Ok(read(f)?.trim().trim_end_matches(';').to_owned())).collect()
}

fn must(client: &mut Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let answer = client.run(sql, Protocol::Simple)?;
    match answer.error {
        Some(e) => Err(format!("{sql}: {}", e.message)),
        None => Ok(answer.rows),
    }
}

fn connect(target: &Target, work: &Work) -> Result<Client, String> {
    let mut client = Client::connect(target, "postgres", PATIENCE)?;
    let schema = if work.tpch.is_some() { "qerror_tpch" } else { "qerror_films" };
    if !work.keep {
        must(&mut client, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))?;
        must(&mut client, &format!("CREATE SCHEMA {schema}"))?;
    }
    for set in [
        format!("SET search_path = {schema}"),
        "SET jit = off".into(),
        "SET max_parallel_workers_per_gather = 0".into(),
        // What a join above keeps from a lower one's input is no fault of the lower one's estimate. PostgreSQL takes any such name.
        "SET quarry.runtime_filters = off".into(),
    ] {
        must(&mut client, &set)?;
    }
    if work.keep {
        return Ok(client);
    }
    match &work.tpch {
        None => {
            for s in statements(&read(&workspace().join("tests/qerror/schema.sql"))?) {
                must(&mut client, &s)?;
            }
        }
        Some((data, folder)) => {
            for s in statements(&read(&folder.join("schema.sql"))?) {
                must(&mut client, &s)?;
            }
            for t in ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"] {
                let file = data.join(format!("{t}.tbl"));
                must(&mut client, &format!("COPY {t} FROM '{}' (DELIMITER '|')", file.display()))?;
            }
            for s in statements(&read(&folder.join("indexes.sql"))?) {
                must(&mut client, &s)?;
            }
            must(&mut client, "ANALYZE")?;
        }
    }
    Ok(client)
}

/// The q-errors of a query's joins.
fn joins(client: &mut Client, sql: &str) -> Result<Vec<f64>, String> {
    let plan = must(client, &format!("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {sql}"))?;
    Ok(plan.iter().filter_map(|row| node(row.first()?.as_deref()?)).collect())
}

/// The q-error of a plan's line, if it is a join that ran.
fn node(line: &str) -> Option<f64> {
    let head = line.split("  (cost=").next()?;
    if !(head.contains(" Join") || head.contains("Nested Loop")) || !line.contains("(cost=") {
        return None;
    }
    let number = |text: &str| -> Option<f64> {
        let rest = text.split("rows=").nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
    };
    let (estimated, actual) = line.split_once("(actual ")?;
    let (estimate, rows) = (number(estimated)?.max(1.0), number(actual)?.max(1.0));
    Some((estimate / rows).max(rows / estimate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_plans() {
        let line = "  ->  Hash Join  (cost=1.0..2.0 rows=10 width=4) (actual rows=40 loops=1)";
        assert_eq!(node(line), Some(4.0));
        assert_eq!(
            node("Nested Loop Left Join  (cost=1.0..2.0 rows=5 width=4) (actual rows=0 loops=1)"),
            Some(5.0)
        );
        assert_eq!(node("  Join Filter: (a = b)"), None);
        assert_eq!(
            node("  ->  Seq Scan on t  (cost=1.0..2.0 rows=10 width=4) (actual rows=40 loops=1)"),
            None
        );
        assert_eq!(statements("a;\n-- x\nb\n c;\n-- end\n"), ["a", "-- x\nb\n c"]);
    }
}
