//! `cargo xtask planning-time`: how long TPC-H's queries are planned, here and by PostgreSQL 15.
//!
//! Two times of each: what EXPLAIN (SUMMARY) says of planning alone, and what the client waits for EXPLAIN's answer, which has
//! parsing, analysis and rewriting in it too. Medians; the servers take turns, so that what disturbs one disturbs the other.

use std::path::Path;
use std::time::Instant;

use quarry_testkit::client::Client;
use quarry_testkit::psql::Target;

use crate::tpch::{Query, connect, explain, median, queries};

/// Prints a line for each query and the geometric means of the ratios.
pub fn run(port: u16, postgres: u16, database: &str, folder: &Path, runs: usize) -> Result<(), String> {
    let mut ours = connect(&Target::local(port), database)?;
    let mut theirs = connect(&Target::local(postgres), database)?;
    println!("query\tplanning: here ms\tPostgreSQL ms\tratio\tEXPLAIN: here ms\tPostgreSQL ms\tratio");
    let (mut planning, mut whole, mut worst) = (0.0, 0.0, (0.0, String::new()));
    let queries = queries(folder)?;
    for Query { name, sql } in &queries {
        let (mut a, mut b, mut c, mut d) = (vec![], vec![], vec![], vec![]);
        // The first fills caches.
        for n in 0..=runs {
            let (x, y) = (timed(&mut ours, sql)?, timed(&mut theirs, sql)?);
            if n > 0 {
                for (list, time) in [(&mut a, x.0), (&mut b, y.0), (&mut c, x.1), (&mut d, y.1)] {
                    list.push(time);
                }
            }
        }
        let [a, b, c, d] = [a, b, c, d].map(median);
        println!("{name}\t{a:.3}\t{b:.3}\t{:.2}\t{c:.3}\t{d:.3}\t{:.2}", a / b, c / d);
        planning += (a / b).ln();
        whole += (c / d).ln();
        if a / b > worst.0 {
            worst = (a / b, name.clone());
        }
    }
    let mean = |sum: f64| (sum / queries.len().max(1) as f64).exp();
    println!(
        "geometric means: planning {:.2}, EXPLAIN {:.2}; worst planning {:.2} ({})",
        mean(planning),
        mean(whole),
        worst.0,
        worst.1
    );
    Ok(())
}

/// Milliseconds of planning and of the whole statement.
fn timed(client: &mut Client, sql: &str) -> Result<(f64, f64), String> {
    let start = Instant::now();
    let lines = explain(client, "SUMMARY", sql)?;
    let whole = start.elapsed().as_secs_f64() * 1e3;
    let planning =
        lines.iter().find_map(|l| l.strip_prefix("Planning Time: ")?.strip_suffix(" ms")?.parse().ok());
    Ok((planning.ok_or("EXPLAIN shows no planning time")?, whole))
}
