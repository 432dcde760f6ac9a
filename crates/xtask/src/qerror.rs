//! `cargo xtask qerror`: how far the estimated rows of joins are from the real ones, on a server and on PostgreSQL 15.
//!
//! The q-error of a node is max(estimate / rows, rows / estimate), both at least 1 (Moerkotte, Neumann and Steidl, "Preventing Bad
//! Plans by Bounding the Impact of Cardinality Estimation Errors", VLDB 2009). The queries are those of `tests/qerror` over a
//! database made by statements, or TPC-H's. Two comparisons:
//!
//! * all join nodes of each server's own plans, which may join in different orders;
//! * only the joins of the same relations of a query (by their aliases, whatever the order below) that both plans have.

use std::collections::BTreeMap;
use std::path::PathBuf;

use quarry_testkit::client::Client;
use quarry_testkit::paths::workspace;
use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;

use crate::plan_tree;
use crate::tpch::{self, Query, must, read, statements};

/// What is measured.
pub struct Work {
    /// TPC-H's files.
    pub tpch: Option<PathBuf>,
    /// The folder with `schema.sql`, `indexes.sql` and `q*.sql`; none: the films.
    pub queries: Option<PathBuf>,
    /// A database that has TPC-H's data in its search path already.
    pub database: Option<String>,
    /// The data are there already from a run before.
    pub keep: bool,
    /// Print every join.
    pub verbose: bool,
}

/// The joins of a query's plan: relations, estimate, rows, q-error.
type Joins = Vec<(String, f64, f64, f64)>;

/// Measures both servers and prints median and 95th percentile of each.
pub fn run(port: u16, postgres: Option<u16>, work: &Work) -> Result<(), String> {
    let private = if postgres.is_none() { Some(Postgres::start()?) } else { None };
    let reference = match (&private, postgres) {
        (Some(server), _) => server.target(),
        (None, port) => Target::local(port.unwrap_or_default()),
    };
    let queries = queries(work)?;
    let mut found: Vec<Vec<Joins>> = vec![];
    for (name, target) in [("PostgreSQL", reference), ("here", Target::local(port))] {
        let mut client = connect(&target, work)?;
        let mut all = vec![];
        for query in &queries {
            let own = joins(&mut client, &query.sql)?;
            if work.verbose {
                for (relations, estimate, rows, error) in &own {
                    println!("{name}\t{}\t{error:.2}\t{estimate} of {rows}\t{relations}", query.name);
                }
            }
            all.push(own);
        }
        found.push(all);
    }
    let [theirs, ours] = &found[..] else { return Ok(()) };
    let errors = |all: &Vec<Joins>| all.iter().flatten().map(|j| j.3).collect::<Vec<f64>>();
    compare("joins of each one's plans", errors(theirs), errors(ours));
    let (mut a, mut b) = (vec![], vec![]);
    for (theirs, ours) in theirs.iter().zip(ours) {
        let theirs: BTreeMap<&str, f64> = theirs.iter().map(|j| (j.0.as_str(), j.3)).collect();
        let ours: BTreeMap<&str, f64> = ours.iter().map(|j| (j.0.as_str(), j.3)).collect();
        for (relations, error) in &ours {
            if let Some(other) = theirs.get(relations) {
                a.push(*other);
                b.push(*error);
            }
        }
    }
    compare("joins of the same relations in both", a, b);
    Ok(())
}

fn compare(title: &str, theirs: Vec<f64>, ours: Vec<f64>) {
    println!("{title}:");
    let [theirs, ours] = [("PostgreSQL", theirs), ("here", ours)].map(|(name, mut errors)| {
        errors.sort_by(f64::total_cmp);
        let (median, high) = (percentile(&errors, 0.5), percentile(&errors, 0.95));
        let worst = errors.last().copied().unwrap_or(1.0);
        println!("  {name}: {} joins; median {median:.2}, 95 % {high:.1}, worst {worst:.0}", errors.len());
        (median, high)
    });
    println!("  here / PostgreSQL: median {:.2}, 95 % {:.2}", ours.0 / theirs.0, ours.1 / theirs.1);
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(1.0)
}

fn queries(work: &Work) -> Result<Vec<Query>, String> {
    if let Some(folder) = &work.queries {
        return tpch::queries(folder);
    }
    let all = statements(&read(&workspace().join("tests/qerror/queries.sql"))?);
    Ok(all.into_iter().enumerate().map(|(i, sql)| Query { name: format!("{}", i + 1), sql }).collect())
}

fn connect(target: &Target, work: &Work) -> Result<Client, String> {
    let mut client = tpch::connect(target, work.database.as_deref().unwrap_or("postgres"))?;
    // What a join above keeps from a lower one's input is no fault of the lower one's estimate. PostgreSQL takes any such name.
    must(&mut client, "SET quarry.runtime_filters = off")?;
    if work.database.is_some() {
        return Ok(client);
    }
    let schema = if work.queries.is_some() { "qerror_tpch" } else { "qerror_films" };
    if !work.keep {
        must(&mut client, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))?;
        must(&mut client, &format!("CREATE SCHEMA {schema}"))?;
    }
    must(&mut client, &format!("SET search_path = {schema}"))?;
    if work.keep {
        return Ok(client);
    }
    match (&work.tpch, &work.queries) {
        (Some(data), Some(folder)) => {
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
        (None, Some(_)) => {
            return Err("TPC-H's queries need its files or a database that has them".to_owned());
        }
        _ => {
            for s in statements(&read(&workspace().join("tests/qerror/schema.sql"))?) {
                must(&mut client, &s)?;
            }
        }
    }
    Ok(client)
}

/// The joins of a query that ran.
fn joins(client: &mut Client, sql: &str) -> Result<Joins, String> {
    let lines = tpch::explain(client, "ANALYZE, TIMING OFF, SUMMARY OFF", sql)?;
    let plan = plan_tree::parse(lines.iter().map(String::as_str)).ok_or("EXPLAIN shows no plan")?;
    let mut out = vec![];
    plan.visit(&mut |node| {
        if let (true, Some(error), Some(rows)) = (node.is_join(), node.q_error(), node.rows) {
            out.push((node.relations().join(" "), node.estimate, rows, error));
        }
    });
    Ok(out)
}
