//! Memory under many sorts at a time: the most that the server's processes held, and whether all came to their end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::{Bench, progress, text_of};
use crate::peers::Side;
use crate::processes;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

const DATABASE: &str = "memory";
const SORTS: &str = "64";
const PAUSE: Duration = Duration::from_millis(100);

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let rows = bench.pick(1_000_000, 100_000);
    bench.database(DATABASE)?;
    let insert = format!(
        "INSERT INTO sorted SELECT i * 2654435761 % 4294967291, md5(i::text), repeat('x', 40) FROM generate_series(1::bigint, {rows}) AS g(i)"
    );
    bench.on_both(
        DATABASE,
        &[
            "CREATE TABLE sorted (k bigint NOT NULL, t text NOT NULL, filler text NOT NULL)",
            &insert,
            "VACUUM ANALYZE sorted",
            "CHECKPOINT",
        ],
    )?;
    // Freshly started: what the subjects before have touched doesn't count.
    bench.peers.configure(&[("shared_buffers", "1GB")])?;
    let script = bench.file("sort.sql", "SELECT * FROM sorted ORDER BY t, k OFFSET 1000000000;\n")?;
    section.take("64 sorts", sorts(bench, rows, &text_of(&script)));
    section.notes.push("shared_buffers 1 GB, work_mem 64 MB: memory is what the processes hold beyond what they held before.".to_owned());
    bench.peers.configure(&[])?;
    bench.drop_database(DATABASE)
}

fn sorts(bench: &Bench, rows: u64, script: &str) -> Result<Vec<Figure>, Trouble> {
    let name = format!("{SORTS} sorts of {rows} rows at a time");
    let figures = [Figure::cost(format!("{name}: most memory"), "MB"), Figure::rate(name, "sorts/s")];
    let arguments = ["-n", "-c", SORTS, "-j", "2", "-t", "1", "-f", script];
    let measure = |side: Side| {
        let pid = bench.peers.pid(side)?;
        let before = processes::memory_bytes(pid)?;
        let done = AtomicBool::new(false);
        let (run, most) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(processes::memory_bytes(pid).unwrap_or_default());
                    std::thread::sleep(PAUSE);
                }
                most
            });
            let run = bench
                .target(side)
                .and_then(|t| bench.measured(side, &mut tools::pgbench(&t, DATABASE, &arguments)));
            done.store(true, Ordering::Relaxed);
            (run, watcher.join().unwrap_or_default())
        });
        let run = run?;
        if run.count.to_string() != SORTS {
            return Err(Trouble::Missing(format!("{} of {SORTS} sorts ended", run.count)));
        }
        Ok([most.saturating_sub(before) as f64 / 1e6, run.rate])
    };
    progress("sorts");
    Ok(bench.rounds(figures, measure))
}
