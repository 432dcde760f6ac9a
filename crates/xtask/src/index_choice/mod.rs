//! `cargo xtask index-choice` and `cost-time`: queries under every plan they can get.
//!
//! `index-choice` shows where the plan chosen freely for a query of one table is slower than the best ([`space`] finds them), `cost-time`
//! how costs and times of all plans go together, joins, sorts and groups among them. With the server's process they count its
//! processor time, which other programs disturb less than the wall's clock.

mod clock;
mod space;
mod workload;

use space::{Bench, Tried};
use workload::{JOINED, OTHERS, QUERIES, TABLE};

/// A pick slower than the best by more than this factor counts as wrong.
const SLOWER: f64 = 1.2;
/// Differences below this are the clock's, not the plan's, in milliseconds.
const NOISE_MS: f64 = 0.02;

/// What is measured where.
pub struct Work {
    pub port: u16,
    /// The server's process.
    pub pid: Option<u32>,
    pub rows: u64,
    /// Print every plan with its cost and time.
    pub verbose: bool,
}

/// Runs all queries under all plans; prints the picks, and the error counts those that are slower than they need be.
pub fn run(work: &Work) -> Result<(), String> {
    let mut bench = Bench::open(work.port, work.pid, work.rows, &[TABLE])?;
    let mut wrong = 0;
    for sql in QUERIES {
        let tried = bench.tried(sql, space::scans).map_err(|e| format!("{sql}: {e}"))?;
        let Some(best) = tried.iter().min_by(|a, b| a.ms.total_cmp(&b.ms)) else { continue };
        let pick = &tried[0];
        let slow = pick.ms > best.ms * SLOWER && pick.ms - best.ms > NOISE_MS;
        println!(
            "{} {:5.2}x of {:2} plans  {:9.3} ms, best {:9.3} ms  {sql}",
            if slow { "SLOW" } else { "    " },
            pick.ms / best.ms,
            tried.len(),
            pick.ms,
            best.ms
        );
        if work.verbose {
            print_plans(&tried);
        }
        if slow {
            wrong += 1;
            for (what, t) in [("chosen", pick), ("best", best)] {
                println!("  {what}, cost {:.2}:\n    {}", t.cost, t.plan.replace('\n', "\n    "));
            }
        }
    }
    println!("{wrong} of {} picks are slower than {SLOWER} times the best", QUERIES.len());
    bench.drop_tables()?;
    if wrong <= 3 { Ok(()) } else { Err("too many slow picks".into()) }
}

fn print_plans(tried: &[Tried]) {
    for t in tried {
        println!("    {:9.3} ms, cost {:10.2}: {}", t.ms, t.cost, nodes(&t.plan).join(" / "));
    }
}

/// The nodes of a plan, without what they test.
fn nodes(plan: &str) -> Vec<&str> {
    let arrow = |l: &str| l.trim_start().starts_with("->");
    plan.lines()
        .enumerate()
        .filter(|(i, l)| *i == 0 || arrow(l))
        .map(|(_, l)| l.trim_start().trim_start_matches("->").trim())
        .collect()
}

/// Prints how costs and times of all plans of the same queries go together.
pub fn correlate(work: &Work) -> Result<(), String> {
    let mut bench = Bench::open(work.port, work.pid, work.rows, &[TABLE, JOINED])?;
    let mut all: Vec<(&str, Vec<Tried>)> = vec![];
    for sql in QUERIES {
        all.push((sql, bench.tried(sql, space::scans).map_err(|e| format!("{sql}: {e}"))?));
    }
    for sql in OTHERS {
        all.push((sql, bench.tried(sql, space::methods).map_err(|e| format!("{sql}: {e}"))?));
    }
    bench.drop_tables()?;
    if work.verbose {
        for (sql, tried) in &all {
            println!("{sql}");
            print_plans(tried);
        }
    }
    let (scans, others) = all.split_at(QUERIES.len());
    for (what, part) in [("one table", scans), ("joins, sorts, groups", others), ("all", &all[..])] {
        let logs: Vec<(f64, f64)> = part
            .iter()
            .flat_map(|(_, tried)| tried)
            .filter(|t| t.cost > 0.0)
            .map(|t| (t.cost.ln(), t.ms.ln()))
            .collect();
        println!(
            "{what}: {} plans, correlation of the logarithms of cost and time {:.3}, of the ranks {:.3}",
            logs.len(),
            pearson(&logs),
            pearson(&ranks(&logs))
        );
    }
    let slow: Vec<&(&str, Vec<Tried>)> = all.iter().filter(|(_, t)| is_slow(t)).collect();
    println!("{} of {} picks are slower than {SLOWER} times the best", slow.len(), all.len());
    for (sql, tried) in slow {
        println!("  {sql}");
        let best = tried.iter().min_by(|a, b| a.ms.total_cmp(&b.ms));
        for t in std::iter::once(&tried[0]).chain(best) {
            println!("    {:9.3} ms, cost {:10.2}: {}", t.ms, t.cost, nodes(&t.plan).join(" / "));
        }
    }
    by_kind(&all);
    Ok(())
}

fn is_slow(tried: &[Tried]) -> bool {
    let best = tried.iter().map(|t| t.ms).fold(f64::MAX, f64::min);
    tried[0].ms > best * SLOWER && tried[0].ms - best > NOISE_MS
}

/// Microseconds per unit of cost, by the plan's most telling node, say which formula is off.
fn by_kind(all: &[(&str, Vec<Tried>)]) {
    let mut kinds: Vec<(&str, Vec<f64>)> = vec![];
    // What every plan of its query takes, and no formula knows, is left out.
    for t in all.iter().flat_map(|(_, tried)| tried).filter(|t| t.cost > 100.0) {
        let kind = kind(&t.plan);
        let per = t.ms * 1000.0 / t.cost;
        match kinds.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, list)) => list.push(per),
            None => kinds.push((kind, vec![per])),
        }
    }
    for (kind, mut list) in kinds {
        list.sort_by(f64::total_cmp);
        let at = |share: f64| list[((list.len() - 1) as f64 * share) as usize];
        println!(
            "{kind:18} {:4} plans, us per unit of cost: {:7.3} median, {:7.3} to {:7.3} (10 % to 90 %)",
            list.len(),
            at(0.5),
            at(0.1),
            at(0.9)
        );
    }
}

fn kind(plan: &str) -> &'static str {
    const KINDS: [&str; 13] = [
        "Merge Join",
        "Hash",
        "Nested Loop",
        "GroupAggregate",
        "Unique",
        "Incremental Sort",
        "Sort",
        "Bitmap Heap Scan",
        "Index Only Scan",
        "Index Scan",
        "Tid",
        "Seq Scan",
        "other",
    ];
    KINDS.into_iter().find(|k| plan.contains(k)).unwrap_or("other")
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
    fn correlations() {
        let rising = [(1.0, 10.0), (2.0, 20.0), (3.0, 1000.0)];
        assert!(pearson(&rising) > 0.8 && pearson(&rising) < 1.0);
        assert!((pearson(&ranks(&rising)) - 1.0).abs() < 1e-9);
        let falling = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)];
        assert!((pearson(&falling) + 1.0).abs() < 1e-9);
    }

    #[test]
    fn nodes_are_told_apart() {
        let plan = "Aggregate\n  ->  Bitmap Heap Scan on ixc\n        Recheck Cond: (a = 1)\n        ->  Bitmap Index Scan on ixc_a";
        assert_eq!(nodes(plan), ["Aggregate", "Bitmap Heap Scan on ixc", "Bitmap Index Scan on ixc_a"]);
        assert_eq!(kind(plan), "Bitmap Heap Scan");
    }
}
