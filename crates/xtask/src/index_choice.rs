//! `cargo xtask index-choice` and `cost-time`: single-table queries under every plan they can get.
//!
//! A query's alternatives are found by switching scan types off and by dropping, inside a transaction that is rolled back, the indexes
//! that plans have used so far. Each different plan is timed; `index-choice` shows where the plan chosen freely is slower than the best,
//! `cost-time` how costs and times of all plans go together.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::psql::Target;

/// A pick slower than the best by more than this factor counts as wrong.
const SLOWER: f64 = 1.2;
/// Differences below this are the clock's, not the plan's, in milliseconds.
const NOISE_MS: f64 = 0.05;
/// What switching a plan type off adds to a cost.
const DISABLED: f64 = 1.0e10;
/// Times a plan is run; the fastest counts.
const RUNS: usize = 5;
/// A plan that takes longer is run once.
const SLOW: Duration = Duration::from_secs(2);

/// Settings under which plans are asked for.
const SWITCHES: [&str; 8] = [
    "",
    "enable_seqscan = off",
    "enable_bitmapscan = off",
    "enable_indexscan = off",
    "enable_indexonlyscan = off",
    "enable_seqscan = off; SET LOCAL enable_bitmapscan = off",
    "enable_seqscan = off; SET LOCAL enable_indexscan = off",
    "enable_indexscan = off; SET LOCAL enable_bitmapscan = off",
];

/// How often the indexes in use are taken away.
const DROPS_MAX: usize = 3;

const TABLE: &str = "
CREATE TABLE ixc (id int PRIMARY KEY, u int NOT NULL, a int, b int, c int, z int, t text, k text, d timestamptz, f boolean,
  status text, tags int[], body text, pad text);
INSERT INTO ixc SELECT i, (i * 7919::bigint % NROWS)::int, i % 10, (i * 31::bigint % 1000)::int, i / 100,
  (10000 / (1 + i * 7::bigint % 10000))::int, 'key' || (i * 104729::bigint % NROWS), 'g' || i % 500,
  '2024-01-01'::timestamptz + i * interval '1 minute', i % 20 = 0,
  CASE WHEN i % 100 = 0 THEN 'open' WHEN i % 10 = 0 THEN 'held' ELSE 'done' END,
  ARRAY[i % 100, i % 1000, i % 7], 'word' || i % 300 || ' word' || i % 11, repeat('x', 60)
  FROM generate_series(1, NROWS) i;
CREATE INDEX ixc_u ON ixc (u);
CREATE INDEX ixc_ab ON ixc (a, b);
CREATE INDEX ixc_b ON ixc (b) INCLUDE (c);
CREATE INDEX ixc_c ON ixc (c);
CREATE INDEX ixc_z ON ixc (z);
CREATE INDEX ixc_t ON ixc (t text_pattern_ops);
CREATE INDEX ixc_lower ON ixc (lower(k));
CREATE INDEX ixc_d ON ixc (d);
CREATE INDEX ixc_f ON ixc (id) WHERE f;
CREATE INDEX ixc_open ON ixc (u) WHERE status = 'open';
CREATE INDEX ixc_bc ON ixc (b DESC, c);
CREATE INDEX ixc_hash ON ixc USING hash (k);
CREATE INDEX ixc_brin ON ixc USING brin (d);
CREATE INDEX ixc_tags ON ixc USING gin (tags);
CREATE INDEX ixc_body ON ixc USING gin (to_tsvector('simple', body));
";

const QUERIES: [&str; 60] = [
    "SELECT * FROM ixc WHERE id = 77",
    "SELECT count(pad) FROM ixc WHERE id < 1000",
    "SELECT count(pad) FROM ixc WHERE id > 1000",
    "SELECT count(*) FROM ixc",
    "SELECT count(*) FROM ixc WHERE id BETWEEN 100 AND 40000",
    "SELECT count(pad) FROM ixc WHERE u < 100",
    "SELECT count(pad) FROM ixc WHERE u < 2000",
    "SELECT count(pad) FROM ixc WHERE u < 20000",
    "SELECT count(pad) FROM ixc WHERE u IN (1, 5, 9, 13, 500, 700, 1000)",
    "SELECT count(pad) FROM ixc WHERE u = ANY (ARRAY(SELECT generate_series(1, 300)))",
    "SELECT count(pad) FROM ixc WHERE a = 3",
    "SELECT count(pad) FROM ixc WHERE a = 3 AND b = 333",
    "SELECT count(pad) FROM ixc WHERE a = 3 AND b < 50",
    "SELECT count(pad) FROM ixc WHERE a IN (1, 2, 3) AND b IN (5, 6, 7, 8)",
    "SELECT count(*) FROM ixc WHERE a = 3",
    "SELECT count(*) FROM ixc WHERE a = 3 AND b > 900",
    "SELECT count(pad) FROM ixc WHERE b = 333",
    "SELECT count(pad) FROM ixc WHERE b < 3",
    "SELECT count(pad) FROM ixc WHERE b < 300",
    "SELECT sum(c) FROM ixc WHERE b = 333",
    "SELECT sum(c) FROM ixc WHERE b < 100",
    "SELECT count(pad) FROM ixc WHERE b = 333 AND c = 10",
    "SELECT count(pad) FROM ixc WHERE b = 333 AND c < 100",
    "SELECT count(pad) FROM ixc WHERE c = 10",
    "SELECT count(pad) FROM ixc WHERE c < 100",
    "SELECT count(pad) FROM ixc WHERE c BETWEEN 100 AND 120 AND b < 500",
    "SELECT count(pad) FROM ixc WHERE c < 100 AND u < 1000",
    "SELECT count(pad) FROM ixc WHERE b < 20 AND u < 20000",
    "SELECT count(pad) FROM ixc WHERE b = 7 OR u = 12",
    "SELECT count(pad) FROM ixc WHERE b < 30 OR u < 1000",
    "SELECT count(pad) FROM ixc WHERE z = 1",
    "SELECT count(pad) FROM ixc WHERE z = 5000",
    "SELECT count(pad) FROM ixc WHERE z > 100",
    "SELECT count(pad) FROM ixc WHERE t LIKE 'key12%'",
    "SELECT count(pad) FROM ixc WHERE t LIKE 'key123%'",
    "SELECT count(pad) FROM ixc WHERE t = 'key77'",
    "SELECT count(pad) FROM ixc WHERE lower(k) = 'g7'",
    "SELECT count(pad) FROM ixc WHERE k = 'g7'",
    "SELECT count(pad) FROM ixc WHERE k = 'g7' AND a = 7",
    "SELECT count(pad) FROM ixc WHERE d < '2024-01-02'",
    "SELECT count(pad) FROM ixc WHERE d < '2024-02-01'",
    "SELECT count(pad) FROM ixc WHERE d BETWEEN '2024-01-05' AND '2024-01-06' AND a = 1",
    "SELECT count(pad) FROM ixc WHERE f AND id < 1000",
    "SELECT count(pad) FROM ixc WHERE f",
    "SELECT count(pad) FROM ixc WHERE status = 'open'",
    "SELECT count(*) FROM ixc WHERE status = 'open' AND u < 5000",
    "SELECT id, pad FROM ixc WHERE status = 'open' ORDER BY u LIMIT 10",
    "SELECT id, pad FROM ixc ORDER BY u LIMIT 20",
    "SELECT id, pad FROM ixc WHERE b = 5 ORDER BY id LIMIT 10",
    "SELECT id, pad FROM ixc WHERE a = 5 ORDER BY u LIMIT 10",
    "SELECT id, pad FROM ixc WHERE c > 500 ORDER BY b LIMIT 10",
    "SELECT b, c FROM ixc ORDER BY b, c DESC LIMIT 100",
    "SELECT min(u), max(u) FROM ixc",
    "SELECT max(d) FROM ixc WHERE a = 3",
    "SELECT a, count(*) FROM ixc GROUP BY a",
    "SELECT b, count(*) FROM ixc WHERE a = 2 GROUP BY b",
    "SELECT count(pad) FROM ixc WHERE tags @> ARRAY[5, 105]",
    "SELECT count(pad) FROM ixc WHERE tags && ARRAY[77]",
    "SELECT count(pad) FROM ixc WHERE to_tsvector('simple', body) @@ to_tsquery('simple', 'word77')",
    "SELECT count(pad) FROM ixc WHERE (a, b) > (9, 990)",
];

/// A plan of a query, with what it took.
struct Tried {
    plan: String,
    cost: f64,
    ms: f64,
    chosen: bool,
}

struct Bench {
    client: Client,
}

impl Bench {
    fn open(port: u16, rows: u64) -> Result<Bench, String> {
        let client = Client::connect(&Target::local(port), "postgres", Duration::from_secs(600))?;
        let mut bench = Bench { client };
        bench.run("SET client_min_messages = error")?;
        bench.run("DROP TABLE IF EXISTS ixc")?;
        for statement in TABLE.replace("NROWS", &rows.to_string()).split(';') {
            if statement.trim().is_empty() {
                continue;
            }
            // An index method that isn't there leaves its queries to the others.
            if let Err(e) = bench.run(statement) {
                println!("left out: {}: {e}", statement.trim());
            }
        }
        bench.run("VACUUM ANALYZE ixc")?;
        bench.run("CHECKPOINT")?;
        Ok(bench)
    }

    fn run(&mut self, sql: &str) -> Result<Vec<String>, String> {
        let answer = self.client.run(sql, Protocol::Simple)?;
        if let Some(e) = answer.error {
            return Err(e.message);
        }
        Ok(answer.rows.into_iter().map(|r| r.into_iter().flatten().collect::<Vec<_>>().join("|")).collect())
    }

    /// The fastest of some runs, in milliseconds.
    fn time(&mut self, sql: &str) -> Result<f64, String> {
        let mut best = Duration::MAX;
        for _ in 0..RUNS {
            let start = Instant::now();
            self.run(sql)?;
            best = best.min(start.elapsed());
            if best > SLOW {
                break;
            }
        }
        Ok(best.as_secs_f64() * 1000.0)
    }

    /// All plans of a query that can be had, each once; the first is the one chosen freely.
    fn tried(&mut self, sql: &str) -> Result<Vec<Tried>, String> {
        let mut out: Vec<Tried> = vec![];
        let mut dropped: BTreeSet<String> = BTreeSet::new();
        for _ in 0..=DROPS_MAX {
            let mut used: BTreeSet<String> = BTreeSet::new();
            for switch in SWITCHES {
                self.run("BEGIN")?;
                let found = self.under(sql, switch, &dropped, &mut used, &mut out);
                self.run("ROLLBACK")?;
                found?;
            }
            let before = dropped.len();
            // The primary key stays, as its constraint would have to go.
            dropped.extend(used.into_iter().filter(|i| i != "ixc_pkey"));
            if dropped.len() == before {
                break;
            }
        }
        Ok(out)
    }

    fn under(
        &mut self,
        sql: &str,
        switch: &str,
        dropped: &BTreeSet<String>,
        used: &mut BTreeSet<String>,
        out: &mut Vec<Tried>,
    ) -> Result<(), String> {
        for index in dropped {
            self.run(&format!("DROP INDEX {index}"))?;
        }
        if !switch.is_empty() {
            self.run(&format!("SET LOCAL {switch}"))?;
        }
        let plan = self.run(&format!("EXPLAIN (COSTS OFF) {sql}"))?.join("\n");
        used.extend(indexes_of(&plan));
        if out.iter().any(|t| t.plan == plan) {
            return Ok(());
        }
        let costs = self.run(&format!("EXPLAIN {sql}"))?;
        let cost = costs.first().and_then(|line| total_cost(line)).ok_or("EXPLAIN shows no cost")?;
        let ms = self.time(sql)?;
        let chosen = out.is_empty();
        out.push(Tried { plan, cost: cost % DISABLED, ms, chosen });
        Ok(())
    }
}

/// The names of the indexes that a plan uses.
fn indexes_of(plan: &str) -> Vec<String> {
    let after = |line: &str, word: &str| {
        let rest = &line[line.find(word)? + word.len()..];
        rest.split_whitespace().next().map(str::to_owned)
    };
    plan.lines().filter_map(|l| after(l, " using ").or_else(|| after(l, "Bitmap Index Scan on "))).collect()
}

/// The total cost on a plan's first line.
fn total_cost(line: &str) -> Option<f64> {
    let costs = &line[line.find("(cost=")?..];
    let end = costs.find("..")? + 2;
    costs[end..].split_whitespace().next()?.parse().ok()
}

/// Runs all queries under all plans; prints the picks, and the error counts those that are slower than they need be.
pub fn run(port: u16, rows: u64) -> Result<(), String> {
    let mut bench = Bench::open(port, rows)?;
    let mut wrong = 0;
    let mut counted = 0;
    for sql in QUERIES {
        let tried = match bench.tried(sql) {
            Ok(tried) => tried,
            Err(e) => {
                println!("left out: {sql}: {e}");
                continue;
            }
        };
        let (Some(pick), Some(best)) =
            (tried.iter().find(|t| t.chosen), tried.iter().min_by(|a, b| a.ms.total_cmp(&b.ms)))
        else {
            continue;
        };
        counted += 1;
        let slow = pick.ms > best.ms * SLOWER && pick.ms - best.ms > NOISE_MS;
        println!(
            "{} {:5.2}x of {} plans  {:9.3} ms, best {:9.3} ms  {sql}",
            if slow { "SLOW" } else { "    " },
            pick.ms / best.ms,
            tried.len(),
            pick.ms,
            best.ms
        );
        if slow {
            wrong += 1;
            for (what, t) in [("chosen", pick), ("best", best)] {
                println!("  {what}, cost {:.2}:\n    {}", t.cost, t.plan.replace('\n', "\n    "));
            }
        }
    }
    println!("{wrong} of {counted} picks are slower than {SLOWER} times the best");
    bench.run("DROP TABLE ixc")?;
    if wrong <= 3 { Ok(()) } else { Err("too many slow picks".into()) }
}

/// Prints how costs and times of all plans of the same queries go together.
pub fn correlate(port: u16, rows: u64) -> Result<(), String> {
    let mut bench = Bench::open(port, rows)?;
    let mut points: Vec<(f64, f64, String)> = vec![];
    for sql in QUERIES {
        match bench.tried(sql) {
            Ok(tried) => {
                points.extend(tried.into_iter().filter(|t| t.cost > 0.0).map(|t| (t.cost, t.ms, t.plan)))
            }
            Err(e) => println!("left out: {sql}: {e}"),
        }
    }
    bench.run("DROP TABLE ixc")?;
    let logs: Vec<(f64, f64)> = points.iter().map(|(c, t, _)| (c.ln(), t.ln())).collect();
    println!("{} plans", points.len());
    println!("correlation of the logarithms of cost and time: {:.3}", pearson(&logs));
    println!("correlation of the ranks: {:.3}", pearson(&ranks(&logs)));
    // Milliseconds per unit of cost, by the plan's scan, say which formula is off.
    let mut kinds: Vec<(String, Vec<f64>)> = vec![];
    for (cost, ms, plan) in &points {
        let kind = scan_kind(plan);
        let per = ms / cost;
        match kinds.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, list)) => list.push(per),
            None => kinds.push((kind, vec![per])),
        }
    }
    for (kind, mut list) in kinds {
        list.sort_by(f64::total_cmp);
        let at = |share: f64| list[((list.len() - 1) as f64 * share) as usize] * 1000.0;
        println!(
            "{kind:24} {:4} plans, us per unit of cost: {:8.3} median, {:8.3} to {:8.3} (10 % to 90 %)",
            list.len(),
            at(0.5),
            at(0.1),
            at(0.9)
        );
    }
    Ok(())
}

fn scan_kind(plan: &str) -> String {
    let kinds = ["Bitmap Heap Scan", "Index Only Scan", "Index Scan", "Tid", "Seq Scan"];
    kinds.iter().find(|k| plan.contains(**k)).unwrap_or(&"other").to_string()
}

fn pearson(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xy += (x - mx) * (y - my);
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
    }
    xy / (xx * yy).sqrt()
}

fn ranks(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let rank = |f: fn(&(f64, f64)) -> f64| {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|a, b| f(&points[*a]).total_cmp(&f(&points[*b])));
        let mut out = vec![0.0; points.len()];
        order.iter().enumerate().for_each(|(rank, i)| out[*i] = rank as f64);
        out
    };
    rank(|p| p.0).into_iter().zip(rank(|p| p.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plan = "Aggregate  (cost=8.17..8.18 rows=1 width=8)\n  ->  Index Only Scan Backward using ixc_u on ixc\n        ->  Bitmap Index Scan on ixc_b";
        assert_eq!(indexes_of(plan), ["ixc_u", "ixc_b"]);
        assert_eq!(total_cost(plan), Some(8.18));
    }

    #[test]
    fn correlations() {
        let rising = [(1.0, 10.0), (2.0, 20.0), (3.0, 1000.0)];
        assert!((pearson(&ranks(&rising)) - 1.0).abs() < 1e-9);
        let falling = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)];
        assert!((pearson(&falling) + 1.0).abs() < 1e-9);
    }
}
