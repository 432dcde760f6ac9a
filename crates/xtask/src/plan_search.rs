//! `cargo xtask plan-search`: the time of TPC-H's chosen plans beside that of the plans that settings lead to: kinds of plans
//! forbidden, alone and in pairs, and join orders drawn at random (`quarry.random_joins` makes each join cost anything up to a
//! thousand times what it does).
//!
//! A plan that shows the same in EXPLAIN is timed once. One that takes longer than a few times the best so far is given up.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::psql::Target;

use crate::tpch::{Query, connect, explain, must, queries};

/// What is measured.
pub struct Work {
    pub database: String,
    pub queries: PathBuf,
    /// Names of the queries; none: all.
    pub only: Vec<String>,
    pub orders: u64,
    /// The server's process, if CPU time is to be measured.
    pub pid: Option<u32>,
    pub verbose: bool,
}

/// The chosen plan should take no longer than this many times the best one's time.
const GOAL: f64 = 1.3;

/// How many times the best time a plan may take before it is given up. The clock stops it, so that with CPU times it needs a margin.
const CUT_OFF: f64 = 1.5;
const CUT_OFF_CPU: f64 = 4.0;

const KINDS: &[&str] = &[
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_indexscan",
    "enable_indexonlyscan",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_sort",
    "enable_material",
    "enable_memoize",
    "enable_incremental_sort",
];

/// Kinds that stand in for each other.
const PAIRS: &[[&str; 2]] = &[
    ["enable_hashjoin", "enable_mergejoin"],
    ["enable_hashjoin", "enable_nestloop"],
    ["enable_mergejoin", "enable_nestloop"],
    ["enable_indexscan", "enable_bitmapscan"],
    ["enable_indexscan", "enable_indexonlyscan"],
    ["enable_nestloop", "enable_hashagg"],
    ["enable_hashjoin", "enable_hashagg"],
    ["enable_hashjoin", "enable_memoize"],
    ["enable_hashjoin", "enable_seqscan"],
    ["enable_hashagg", "enable_seqscan"],
];

/// Prints each query's ratio of the chosen plan's time to the best one's, and the worst of all.
pub fn run(port: u16, work: &Work) -> Result<(), String> {
    let mut client = connect(&Target::local(port), &work.database)?;
    println!("query\tplans\tchosen ms\tbest ms\tratio\tbest by");
    let mut ratios: Vec<(f64, String)> = vec![];
    for query in queries(&work.queries)? {
        if !work.only.is_empty() && !work.only.contains(&query.name) {
            continue;
        }
        let (plans, chosen, best, by) = search(&mut client, &query, work)?;
        println!(
            "{}\t{plans}\t{:.1}\t{:.1}\t{:.2}\t{by}",
            query.name,
            chosen * 1e3,
            best * 1e3,
            chosen / best
        );
        ratios.push((chosen / best, query.name));
    }
    let beyond = ratios.iter().filter(|r| r.0 > GOAL).count();
    if let Some((ratio, name)) = ratios.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        println!("{} queries, {beyond} beyond {GOAL}; worst {ratio:.2} ({name})", ratios.len());
    }
    Ok(())
}

/// Settings that lead to other plans.
fn variants(orders: u64) -> Vec<Vec<String>> {
    let off = |names: &[&str]| names.iter().map(|n| format!("{n} = off")).collect::<Vec<_>>();
    let mut out: Vec<Vec<String>> = KINDS.iter().map(|k| off(&[k])).collect();
    out.extend(PAIRS.iter().map(|p| off(p)));
    out.push(vec!["join_collapse_limit = 1".into()]);
    out.extend((1..=orders).map(|n| vec![format!("quarry.random_joins = {n}")]));
    out
}

/// Seconds of the chosen plan and the best one, how many plans there are, and what leads to the best.
fn search(client: &mut Client, query: &Query, work: &Work) -> Result<(usize, f64, f64, String), String> {
    let sql = &query.sql;
    let mut seen = HashSet::new();
    seen.insert(explain(client, "COSTS OFF", sql)?.join("\n"));
    // The first run reads what isn't in memory yet.
    let mut chosen = f64::INFINITY;
    for _ in 0..4 {
        chosen = chosen.min(timed(client, sql, None, work.pid)?.ok_or("the chosen plan was given up")?);
    }
    let (mut best, mut by) = (chosen, "chosen".to_owned());
    for variant in variants(work.orders) {
        must(client, "BEGIN")?;
        for set in &variant {
            must(client, &format!("SET LOCAL {set}"))?;
        }
        if seen.insert(explain(client, "COSTS OFF", sql)?.join("\n")) {
            let mut time = timed(client, sql, Some(best), work.pid)?;
            // What seems better must be so more than once.
            if time.is_some_and(|t| t < best) {
                must(client, "ROLLBACK")?;
                chosen = chosen.min(timed(client, sql, None, work.pid)?.unwrap_or(chosen));
                must(client, "BEGIN")?;
                for set in &variant {
                    must(client, &format!("SET LOCAL {set}"))?;
                }
                time = time.into_iter().chain(timed(client, sql, None, work.pid)?).reduce(f64::min);
            }
            if work.verbose {
                let shown = time.map_or("given up".to_owned(), |t| format!("{:.1} ms", t * 1e3));
                println!("\t{}\t{}\t{shown}", query.name, variant.join(", "));
            }
            if let Some(time) = time.filter(|t| *t < best) {
                (best, by) = (time, variant.join(", "));
            }
        }
        must(client, "ROLLBACK")?;
    }
    best = best.min(chosen);
    Ok((seen.len(), chosen, best, by))
}

/// Seconds of a statement; none if it was given up.
fn timed(client: &mut Client, sql: &str, best: Option<f64>, pid: Option<u32>) -> Result<Option<f64>, String> {
    let factor = if pid.is_some() { CUT_OFF_CPU } else { CUT_OFF };
    let limit = best.map_or(0, |b| (b * factor * 1e3).ceil() as u64 + 20);
    must(client, &format!("SET statement_timeout = {limit}"))?;
    let (start, cpu) = (Instant::now(), pid.map(CpuTimes::of).transpose()?);
    let answer = client.run(sql, Protocol::Simple)?;
    let time = match (cpu, pid) {
        (Some(before), Some(pid)) => CpuTimes::of(pid)?.since(&before),
        _ => start.elapsed().as_secs_f64(),
    };
    match answer.error {
        None => Ok(Some(time)),
        Some(e) if e.code == "57014" => {
            must(client, "ROLLBACK")?;
            must(client, "BEGIN")?;
            Ok(None)
        }
        Some(e) => Err(format!("{sql}: {}", e.message)),
    }
}

/// The CPU time of each of a process's threads, in seconds.
struct CpuTimes(HashMap<OsString, f64>);

impl CpuTimes {
    fn of(pid: u32) -> Result<CpuTimes, String> {
        let folder = format!("/proc/{pid}/task");
        let tasks = std::fs::read_dir(&folder).map_err(|e| format!("{folder}: {e}"))?;
        let mut times = HashMap::new();
        for task in tasks.flatten() {
            // A thread may have ended meanwhile.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanoseconds: f64 = text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
            times.insert(task.file_name(), nanoseconds / 1e9);
        }
        Ok(CpuTimes(times))
    }

    /// What the threads have used since; one that has ended since was idle.
    fn since(&self, before: &CpuTimes) -> f64 {
        self.0.iter().map(|(thread, now)| now - before.0.get(thread).unwrap_or(&0.0)).sum()
    }
}
