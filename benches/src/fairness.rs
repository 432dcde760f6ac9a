//! Fairness: point queries beside a heavy analytical query, as a share of their rate alone.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bench::Bench;
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

/// Reads every account twice and groups them: work for all processors of either server.
const HEAVY: &str =
    "SELECT count(*), sum(s) FROM (SELECT a.aid % 100003 AS k, sum(a.abalance + b.abalance) AS s
    FROM pgbench_accounts a JOIN pgbench_accounts b ON a.aid = b.aid GROUP BY k) AS grouped";

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let database = bench.pgbench_database(bench.pick(50, 10))?;
    let share = Figure::rate("point queries beside a heavy one, 4 clients", "of their rate").at_least(0.5);
    let heavy = Figure::rate("heavy queries meanwhile", "queries/s");
    section.extend(bench.rounds([share, heavy], |side| measure(bench, side, &database)));
    Ok(())
}

fn measure(bench: &Bench, side: Side, database: &str) -> Result<[f64; 2], Trouble> {
    let points = ["-S", "-M", "prepared", "-c", "4"];
    let alone = bench.pgbench(side, database, &points)?.rate;
    let target = bench.target(side)?;
    let mut heavy = tools::connect(&target, database)?;
    let stop = AtomicBool::new(false);
    let (beside, done) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let started = std::time::Instant::now();
            let mut done = 0.0;
            while !stop.load(Ordering::Relaxed) {
                tools::rows(&mut heavy, HEAVY)?;
                done += 1.0;
            }
            Ok::<f64, String>(done / started.elapsed().as_secs_f64())
        });
        let beside = bench.pgbench(side, database, &points);
        stop.store(true, Ordering::Relaxed);
        (beside, worker.join().unwrap_or_else(|_| Err("the heavy query's thread ended".to_owned())))
    });
    Ok([beside?.rate / alone, done?])
}
