//! pgbench: point queries, TPC-B, one row that all want.

use std::path::Path;

use crate::bench::{Bench, Run, text_of};
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let scale = bench.pick(50, 10);
    let database = bench.pgbench_database(scale)?;
    section.notes.push(format!("pgbench at scale {scale}, 2 threads."));
    // What the first touch of memory costs belongs to no case.
    for side in Side::BOTH {
        bench.pgbench(side, &database, &["-S", "-M", "prepared", "-c", "8"])?;
    }
    for (mode, clients, rate, cpu) in [
        ("prepared", 8, 1.3, 2.0),
        ("prepared", 64, 2.0, 2.0),
        ("prepared", 500, 3.0, 2.0),
        ("simple", 8, 1.6, 1.0 / 0.45),
        ("simple", 64, 2.3, 1.0 / 0.45),
    ] {
        let figure = Figure::rate(format!("select-only, {mode}, {clients} clients"), "tx/s").times(rate);
        // Hundreds of clients need a while until all have begun, and pgbench's time begins before.
        let seconds = bench.options.seconds().max(clients / 25).to_string();
        let clients = clients.to_string();
        let args = ["-S", "-M", mode, "-c", &clients, "-T", &seconds];
        section
            .extend(bench.rate_and_cpu(figure, Some(cpu), |side| Ok(bench.pgbench(side, &database, &args)?)));
    }
    section.extend(beside_idle(bench, &database, bench.pick(500, 200)));
    for (clients, goal) in [(1, 1.2), (8, 1.4), (32, 1.6)] {
        let name = format!("TPC-B, durable, {clients} clients");
        section.extend(tpcb(bench, &database, &name, clients, true, goal));
    }
    section.extend(tpcb(bench, &database, "TPC-B, synchronous_commit off, 8 clients", 8, false, 1.25));
    section.take("one row, 16 clients", hot_row(bench));
    bench.peers.configure(&[("full_page_writes", "off")])?;
    section.extend(without_images(bench, &database));
    bench.peers.configure(&[])?;
    section.notes.push(
        "WAL bytes include images of pages touched the first time after the checkpoint that each measurement begins with, but for the last line."
            .to_owned(),
    );
    Ok(())
}

/// TPC-B: rate, processor time, bytes of log for a transaction. A checkpoint before and after, so that no side writes back
/// what the other's measurement would pay for.
fn tpcb(bench: &Bench, database: &str, name: &str, clients: u32, durable: bool, goal: f64) -> Vec<Figure> {
    let figures = [
        Figure::rate(name, "tx/s").times(goal),
        Figure::cost(format!("{name}: server CPU"), "us").times(2.0),
        Figure::cost(format!("{name}: WAL"), "bytes/tx").times(1.25),
    ];
    bench.rounds(figures, |side| {
        let run = logged(bench, side, database, clients, durable)?;
        Ok([run.0.rate, run.0.cpu, run.1])
    })
}

/// Bytes of log for a transaction where no pages are copied into it.
fn without_images(bench: &Bench, database: &str) -> Vec<Figure> {
    let figure = Figure::cost("TPC-B, durable, 8 clients, full_page_writes off: WAL", "bytes/tx").times(1.25);
    bench.rounds([figure], |side| Ok([logged(bench, side, database, 8, true)?.1]))
}

/// A run of TPC-B, and the bytes of log for a transaction.
fn logged(
    bench: &Bench,
    side: Side,
    database: &str,
    clients: u32,
    durable: bool,
) -> Result<(Run, f64), Trouble> {
    let target = bench.target(side)?;
    let place =
        || tools::value(&target, database, "SELECT pg_current_wal_insert_lsn()").and_then(|t| tools::lsn(&t));
    bench.sql(side, database, "CHECKPOINT")?;
    let before = place()?;
    let (clients, seconds) = (clients.to_string(), bench.options.seconds().to_string());
    let mut command = tools::pgbench(&target, database, &["-n", "-j", "2", "-c", &clients, "-T", &seconds]);
    if !durable {
        command.env("PGOPTIONS", "-c synchronous_commit=off");
    }
    let run = bench.measured(side, &mut command)?;
    let bytes = place()?.saturating_sub(before) as f64 / run.count;
    agreed(bench, side, database)?;
    bench.sql(side, database, "CHECKPOINT")?;
    Ok((run, bytes))
}

/// TPC-B's invariant: what was moved is the same for accounts, tellers, branches and the history.
fn agreed(bench: &Bench, side: Side, database: &str) -> Result<(), Trouble> {
    let sums =
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
        (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";
    let rows = bench.sql(side, database, sums)?;
    match rows.first().map(Vec::as_slice) {
        Some([a, b, c, d]) if a == b && b == c && c == d => Ok(()),
        other => Err(Trouble::Wrong(format!("{side:?}: balances are {other:?}"))),
    }
}

/// Point queries beside connections that idle in a transaction: the share of the rate without them.
fn beside_idle(bench: &Bench, database: &str, idle: usize) -> Vec<Figure> {
    let figure = Figure::rate(
        format!("select-only, simple, 8 clients, beside {idle} idle in a transaction"),
        "of its rate",
    );
    bench.rounds([figure], |side| {
        let target = bench.target(side)?;
        let args = ["-S", "-c", "8"];
        let alone = bench.pgbench(side, database, &args)?.rate;
        bench.sql(side, database, "CREATE TABLE idlers (n int)")?;
        let mut open = vec![];
        for _ in 0..idle {
            let mut client = tools::connect(&target, database)?;
            tools::rows(&mut client, "BEGIN; INSERT INTO idlers VALUES (1)")?;
            open.push(client);
        }
        let beside = bench.pgbench(side, database, &args)?.rate;
        drop(open);
        bench.sql(side, database, "DROP TABLE idlers")?;
        Ok([beside / alone])
    })
}

/// The rate at which clients update one and the same row.
fn hot_row(bench: &Bench) -> Result<Vec<Figure>, Trouble> {
    let script = bench.file("hot-row.sql", "UPDATE hot_row SET n = n + 1 WHERE id = 1;\n")?;
    bench.on_both(
        "postgres",
        &["CREATE TABLE hot_row (id int PRIMARY KEY, n bigint)", "INSERT INTO hot_row VALUES (1, 0)"],
    )?;
    let figure = Figure::rate("one row updated by 16 clients, simple", "tx/s");
    let args = ["-c", "16", "-f", &text_of(Path::new(&script))];
    let figures = bench.rate_and_cpu(figure, None, |side| {
        let read = || tools::value(&bench.target(side)?, "postgres", "SELECT n FROM hot_row");
        let number = |text: String| text.parse::<f64>().map_err(|e| format!("{text}: {e}"));
        let before = number(read()?)?;
        let run = bench.pgbench(side, "postgres", &args)?;
        let counted = number(read()?)? - before;
        if counted != run.count {
            return Err(Trouble::Wrong(format!("{side:?}: {} updates, counted {counted}", run.count)));
        }
        Ok(run)
    });
    bench.on_both("postgres", &["DROP TABLE hot_row"])?;
    Ok(figures)
}
