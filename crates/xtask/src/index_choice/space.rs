//! The plans that a query can get, and what each takes.
//!
//! Plans are asked for by hints and switches: each way to read the table, by each of its indexes and by each pair of them. A plan that
//! comes out only because it had to (its cost has the charge for what is switched off) is none. Plans are prepared, so that no time
//! goes into planning, and timed in turns: what disturbs the machine for a while hits all of them.

use std::time::{Duration, Instant};

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::psql::Target;

use super::clock::Clock;

/// What switching a plan type off adds to a cost.
const DISABLED: f64 = 1.0e10;
/// Rounds in which each plan is timed.
const ROUNDS: usize = 5;
/// How long a plan is run in each.
const ROUND: Duration = Duration::from_millis(8);
/// Rounds for those that are close to the best.
const MORE_ROUNDS: usize = 9;
/// Plans slower than the best by less are timed again.
const CLOSE: f64 = 1.6;
/// Runs in a round at the most.
const RUNS_MAX: u32 = 500;
/// Plans that take longer are no choice, and given up.
const GIVEN_UP_MS: u32 = 1500;
/// Plans that take longer are timed less often: what disturbs the machine counts for less.
const SLOW: Duration = Duration::from_millis(100);
const SLOW_ROUNDS: usize = 2;

/// A plan of a query, with what it takes.
pub struct Tried {
    pub plan: String,
    pub cost: f64,
    pub ms: f64,
    /// What it comes from: hints, and settings.
    way: Way,
    samples: Vec<f64>,
    runs: u32,
    slow: bool,
}

/// How a plan is asked for.
#[derive(Clone, Default)]
pub struct Way {
    pub hint: String,
    pub switches: Vec<String>,
}

impl Way {
    pub fn hinted(hint: String) -> Way {
        Way { hint, switches: vec![] }
    }
    pub fn without(switches: &[&str]) -> Way {
        Way { hint: String::new(), switches: switches.iter().map(|s| format!("enable_{s} = off")).collect() }
    }
}

pub struct Bench {
    client: Client,
    clock: Clock,
}

impl Bench {
    /// Connects, and makes the tables anew.
    pub fn open(port: u16, pid: Option<u32>, rows: u64, tables: &[&str]) -> Result<Bench, String> {
        let client = Client::connect(&Target::local(port), "postgres", Duration::from_secs(600))?;
        let mut bench = Bench { client, clock: Clock { pid } };
        bench.run("SET client_min_messages = error")?;
        bench.drop_tables()?;
        for statement in tables.concat().replace("NROWS", &rows.to_string()).split(';') {
            if !statement.trim().is_empty() {
                bench.run(statement).map_err(|e| format!("{}: {e}", statement.trim()))?;
            }
        }
        bench.run("VACUUM ANALYZE")?;
        bench.run("CHECKPOINT")?;
        bench.run(&format!("SET statement_timeout = {GIVEN_UP_MS}"))?;
        Ok(bench)
    }

    pub fn drop_tables(&mut self) -> Result<(), String> {
        self.run("SET statement_timeout = 0")?;
        self.run("DROP TABLE IF EXISTS ixc, ixj").map(|_| ())
    }

    fn run(&mut self, sql: &str) -> Result<Vec<String>, String> {
        let answer = self.client.run(sql, Protocol::Simple)?;
        if let Some(e) = answer.error {
            return Err(e.message);
        }
        Ok(answer.rows.into_iter().map(|r| r.into_iter().flatten().collect::<Vec<_>>().join("|")).collect())
    }

    /// The indexes of the table `ixc`.
    pub fn indexes(&mut self) -> Result<Vec<String>, String> {
        self.run("SELECT indexname FROM pg_indexes WHERE tablename = 'ixc' ORDER BY 1")
    }

    /// The plans of a query that these ways lead to, each once and timed; the first is the one chosen freely.
    pub fn tried(
        &mut self,
        sql: &str,
        ways: impl FnOnce(&mut Bench, &str) -> Result<Vec<Way>, String>,
    ) -> Result<Vec<Tried>, String> {
        let mut out = vec![];
        let first = self.planned(sql, Way::default())?.ok_or("no plan")?;
        out.push(first);
        for way in ways(self, sql)? {
            if let Some(tried) = self.planned(sql, way)?
                && out.iter().all(|t: &Tried| t.plan != tried.plan)
            {
                out.push(tried);
            }
        }
        let mut chosen = true;
        for mut tried in std::mem::take(&mut out) {
            match self.warm_up(sql, &mut tried) {
                Ok(()) => out.push(tried),
                Err(e) if !chosen && e.contains("statement timeout") => {}
                Err(e) => return Err(e),
            }
            chosen = false;
        }
        let all: Vec<usize> = (0..out.len()).collect();
        self.rounds(sql, &mut out, &all, ROUNDS)?;
        let best = out.iter().map(|t| t.ms).fold(f64::MAX, f64::min);
        let close: Vec<usize> = all.into_iter().filter(|i| *i == 0 || out[*i].ms < best * CLOSE).collect();
        if close.len() > 1 {
            self.rounds(sql, &mut out, &close, MORE_ROUNDS)?;
        }
        Ok(out)
    }

    /// The plan that a way leads to, if it does.
    pub fn planned(&mut self, sql: &str, way: Way) -> Result<Option<Tried>, String> {
        let lines = self.under(sql, &way, |bench| bench.run("EXPLAIN EXECUTE tried"))?;
        let cost = lines.first().and_then(|line| total_cost(line)).ok_or("EXPLAIN shows no cost")?;
        let plan: Vec<String> = lines.iter().map(|l| without_numbers(l)).collect();
        let plan = plan.join("\n");
        Ok((cost < DISABLED).then(|| Tried {
            plan,
            cost,
            ms: f64::MAX,
            way,
            samples: vec![],
            runs: 1,
            slow: false,
        }))
    }

    /// Does something with the query prepared so.
    fn under<T>(
        &mut self,
        sql: &str,
        way: &Way,
        work: impl FnOnce(&mut Bench) -> Result<T, String>,
    ) -> Result<T, String> {
        self.run("BEGIN")?;
        let prepared = || {
            for switch in &way.switches {
                self.run(&format!("SET LOCAL {switch}"))?;
            }
            let hint = if way.hint.is_empty() { String::new() } else { format!("/*+ {} */ ", way.hint) };
            self.run(&format!("{hint}PREPARE tried AS {sql}"))?;
            work(self)
        };
        let out = prepared();
        self.run("ROLLBACK")?;
        // It goes if it has come at all.
        self.run("DEALLOCATE ALL")?;
        out
    }

    /// Finds out how often a plan can be run in a round.
    fn warm_up(&mut self, sql: &str, tried: &mut Tried) -> Result<(), String> {
        let way = tried.way.clone();
        let once = self.under(sql, &way, |bench| {
            bench.run("EXECUTE tried")?;
            let start = Instant::now();
            bench.run("EXECUTE tried")?;
            Ok(start.elapsed())
        })?;
        tried.slow = once > SLOW;
        let fitting = ROUND.as_secs_f64() / once.as_secs_f64().max(1e-6);
        tried.runs = (fitting as u32).clamp(1, RUNS_MAX);
        Ok(())
    }

    /// Times plans in turns; what counts is the median of the faster half.
    fn rounds(&mut self, sql: &str, all: &mut [Tried], which: &[usize], rounds: usize) -> Result<(), String> {
        for _ in 0..rounds {
            for i in which {
                let Tried { way, runs, slow, samples, .. } = &all[*i];
                let (way, runs, slow) = (way.clone(), *runs, *slow);
                if slow && samples.len() >= SLOW_ROUNDS {
                    continue;
                }
                let spent = self.under(sql, &way, |bench| {
                    if !slow {
                        bench.run("EXECUTE tried")?;
                    }
                    let Bench { client, clock } = bench;
                    clock.time(|| {
                        (0..runs).try_for_each(|_| client.run("EXECUTE tried", Protocol::Simple).map(|_| ()))
                    })
                })?;
                all[*i].samples.push(spent.as_secs_f64() * 1000.0 / f64::from(runs));
            }
        }
        for i in which {
            let tried = &mut all[*i];
            tried.samples.sort_by(f64::total_cmp);
            tried.ms = tried.samples[tried.samples.len() / 4];
        }
        Ok(())
    }
}

/// Ways to read `ixc`: by each index, and by pairs of those that make bitmaps.
pub fn scans(bench: &mut Bench, sql: &str) -> Result<Vec<Way>, String> {
    let mut ways: Vec<Way> =
        ["SeqScan(ixc)", "TidScan(ixc)", "IndexScan(ixc)", "IndexOnlyScan(ixc)", "BitmapScan(ixc)"]
            .map(|hint| Way::hinted(hint.to_owned()))
            .into();
    let mut for_bitmaps: Vec<String> = vec![];
    for index in bench.indexes()? {
        for kind in ["IndexScan", "IndexOnlyScan", "BitmapScan"] {
            let way = Way::hinted(format!("{kind}(ixc {index})"));
            if kind == "BitmapScan"
                && bench.planned(sql, way.clone())?.is_some_and(|t| t.plan.contains("Bitmap Index Scan"))
            {
                for_bitmaps.push(index.clone());
            }
            ways.push(way);
        }
    }
    for (i, a) in for_bitmaps.iter().enumerate() {
        for b in &for_bitmaps[i + 1..] {
            ways.push(Way::hinted(format!("BitmapScan(ixc {a} {b})")));
        }
    }
    for switches in [&["sort"][..], &["hashagg"], &["sort", "hashagg"], &["incremental_sort"]] {
        ways.push(Way::without(switches));
    }
    Ok(ways)
}

/// Ways to join, sort and group.
pub fn methods(_: &mut Bench, _: &str) -> Result<Vec<Way>, String> {
    let scans: [&[&str]; 5] = [
        &[],
        &["seqscan"],
        &["indexscan", "indexonlyscan", "bitmapscan"],
        &["bitmapscan"],
        &["indexscan", "indexonlyscan"],
    ];
    let others: [&[&str]; 12] = [
        &[],
        &["hashjoin", "mergejoin"],
        &["hashjoin", "nestloop"],
        &["mergejoin", "nestloop"],
        &["hashjoin"],
        &["hashjoin", "mergejoin", "memoize"],
        &["hashjoin", "mergejoin", "material"],
        &["hashjoin", "mergejoin", "material", "memoize"],
        &["hashagg"],
        &["sort"],
        &["hashagg", "sort"],
        &["hashjoin", "sort"],
    ];
    let both = scans.iter().flat_map(|s| others.iter().map(|o| Way::without(&[*s, *o].concat())));
    Ok(both.filter(|w| !w.switches.is_empty()).collect())
}

/// The total cost on a plan's first line.
fn total_cost(line: &str) -> Option<f64> {
    let costs = &line[line.find("(cost=")?..];
    let end = costs.find("..")? + 2;
    costs[end..].split_whitespace().next()?.parse().ok()
}

fn without_numbers(line: &str) -> String {
    line.find("  (cost=").map_or(line, |at| &line[..at]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let line = "Aggregate  (cost=8.17..8.18 rows=1 width=8)";
        assert_eq!(total_cost(line), Some(8.18));
        assert_eq!(without_numbers(line), "Aggregate");
    }
}
