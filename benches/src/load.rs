//! Getting data in and out: COPY, INSERT of many rows, pipelined INSERTs of one.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use crate::bench::{Bench, progress, text_of};
use crate::copy::{copy_in, copy_out};
use crate::data;
use crate::peers::Side;
use crate::report::{Figure, Section, Trouble};
use crate::tools;

const DATABASE: &str = "load";
/// Rows of one INSERT with many.
const ROWS_EACH: u64 = 1000;
/// INSERTs of one row in a pipelined transaction.
const PIPELINED: u32 = 100;

/// Runs the subject.
pub fn run(bench: &mut Bench, section: &mut Section) -> Result<(), String> {
    let rows = bench.pick(3_000_000, 150_000);
    progress(&format!("a file of {rows} rows"));
    let file = data::wide(bench.dir.path(), rows)?;
    let megabytes = file.metadata().map_err(|e| e.to_string())?.len() as f64 / 1e6;
    section.notes.push(format!(
        "COPY moves {rows} rows of 20 columns ({megabytes:.0} MB), the messages in of 1 MB each."
    ));
    bench.database(DATABASE)?;
    section.extend(copying_in(bench, &file, rows, megabytes, false));
    section.extend(copying_in(bench, &file, rows, megabytes, true));
    section.take("COPY out", copying_out(bench, &file, megabytes));
    section.extend(many_rows(bench));
    for clients in [1, 8] {
        section.take("pipelined INSERTs", pipelined(bench, clients));
    }
    std::fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    bench.drop_database(DATABASE)
}

fn copying_in(bench: &Bench, file: &Path, rows: u64, megabytes: f64, with_key: bool) -> Vec<Figure> {
    let name = format!("COPY in, {}", if with_key { "with a primary key" } else { "no index" });
    let key = if with_key { ", PRIMARY KEY (id)" } else { "" };
    let figures = [
        Figure::rate(&name, "MB/s").times(2.0),
        Figure::cost(format!("{name}: server CPU"), "us/row"),
        Figure::rate(format!("{name}, with the checkpoint after it"), "MB/s"),
    ];
    bench.rounds(figures, |side| {
        let target = bench.target(side)?;
        bench.sql(side, DATABASE, &format!("CREATE TABLE wide ({}{key})", data::WIDE_COLUMNS))?;
        let cpu = bench.peers.cpu_seconds(side)?;
        let started = Instant::now();
        let source = File::open(file).map_err(|e| e.to_string())?;
        copy_in(&target, DATABASE, "COPY wide FROM STDIN", source)?;
        let copied = started.elapsed().as_secs_f64();
        let cpu = bench.peers.cpu_seconds(side)? - cpu;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        let durable = started.elapsed().as_secs_f64();
        let sums = tools::value(&target, DATABASE, "SELECT count(*) || ' ' || sum(id) FROM wide")?;
        if sums != format!("{rows} {}", rows * (rows - 1) / 2) {
            return Err(Trouble::Wrong(format!("{side:?}: count and sum after COPY are {sums}")));
        }
        bench.sql(side, DATABASE, "DROP TABLE wide")?;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        Ok([megabytes / copied, cpu * 1e6 / rows as f64, megabytes / durable])
    })
}

/// COPY of the whole table out. What comes must be the same on both sides, byte by byte.
fn copying_out(bench: &Bench, file: &Path, megabytes: f64) -> Result<Vec<Figure>, Trouble> {
    let mut came = vec![];
    for side in Side::BOTH {
        bench.sql(side, DATABASE, &format!("CREATE TABLE wide ({})", data::WIDE_COLUMNS))?;
        let source = File::open(file).map_err(|e| e.to_string())?;
        copy_in(&bench.target(side)?, DATABASE, "COPY wide FROM STDIN", source)?;
        bench.sql(side, DATABASE, "VACUUM wide")?;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        came.push(copy_out(&bench.target(side)?, DATABASE, "COPY wide TO STDOUT", true)?);
    }
    if came[0] != came[1] {
        return Err(Trouble::Wrong(format!("COPY out: {} bytes against {}", came[0].bytes, came[1].bytes)));
    }
    let figures = [Figure::rate("COPY out", "MB/s").times(3.0), Figure::cost("COPY out: server CPU", "ms")];
    let figures = bench.rounds(figures, |side| {
        let cpu = bench.peers.cpu_seconds(side)?;
        let started = Instant::now();
        copy_out(&bench.target(side)?, DATABASE, "COPY wide TO STDOUT", false)?;
        let seconds = started.elapsed().as_secs_f64();
        Ok([megabytes / seconds, (bench.peers.cpu_seconds(side)? - cpu) * 1e3])
    });
    bench.on_both(DATABASE, &["DROP TABLE wide"])?;
    Ok(figures)
}

/// INSERT with a thousand rows of VALUES, each statement a transaction.
fn many_rows(bench: &Bench) -> Vec<Figure> {
    let rows: u64 = bench.pick(1_000_000, 100_000);
    let name = format!("INSERT of {rows} rows, {ROWS_EACH} a statement");
    let figures =
        [Figure::rate(&name, "rows/s").times(2.0), Figure::cost(format!("{name}: server CPU"), "us/row")];
    bench.rounds(figures, |side| {
        let target = bench.target(side)?;
        let mut client = tools::connect(&target, DATABASE)?;
        tools::rows(&mut client, "CREATE TABLE many (id int PRIMARY KEY, a bigint, b numeric(10,2), d timestamptz, e text)")?;
        tools::rows(&mut client, "CHECKPOINT")?;
        let mut sql = String::new();
        let (mut seconds, cpu) = (0.0, bench.peers.cpu_seconds(side)?);
        for first in (0..rows).step_by(ROWS_EACH as usize) {
            sql.clear();
            sql.push_str("INSERT INTO many VALUES ");
            for i in first..first + ROWS_EACH {
                let separator = if i == first { "" } else { ", " };
                let _ = write!(
                    sql,
                    "{separator}({i}, {}, {}.25, '2024-05-06 07:08:09+00', 'some text of a usual length, {i}')",
                    i * 7919,
                    i % 100_000
                );
            }
            let started = Instant::now();
            tools::rows(&mut client, &sql)?;
            seconds += started.elapsed().as_secs_f64();
        }
        let cpu = bench.peers.cpu_seconds(side)? - cpu;
        let sums = tools::value(&target, DATABASE, "SELECT count(*) || ' ' || sum(a) FROM many")?;
        if sums != format!("{rows} {}", rows * (rows - 1) / 2 * 7919) {
            return Err(Trouble::Wrong(format!("{side:?}: count and sum after INSERT are {sums}")));
        }
        tools::rows(&mut client, "DROP TABLE many")?;
        tools::rows(&mut client, "CHECKPOINT")?;
        Ok([rows as f64 / seconds, cpu * 1e6 / rows as f64])
    })
}

/// INSERTs of one row each, many on their way at a time.
fn pipelined(bench: &Bench, clients: u32) -> Result<Vec<Figure>, Trouble> {
    let insert = "INSERT INTO piped (a, b, c, d, e, f)
        VALUES (:a, :b, 12.50, '2024-05-06 07:08:09+00', 'some text of a usual length here', true);\n";
    let script = format!(
        "\\set a random(1, 100000000)\n\\set b random(1, 1000000000000)\n\\startpipeline\nBEGIN;\n{}COMMIT;\n\\endpipeline\n",
        insert.replace('\n', " ").replace(";", ";\n").repeat(PIPELINED as usize)
    );
    let script = text_of(&bench.file("pipelined.sql", &script)?);
    let clients = clients.to_string();
    let name = format!("INSERTs of one row, pipelined, {PIPELINED} a transaction, {clients} client(s)");
    let figures =
        [Figure::rate(&name, "rows/s").times(2.0), Figure::cost(format!("{name}: server CPU"), "us/row")];
    Ok(bench.rounds(figures, |side| {
        bench.sql(
            side,
            DATABASE,
            "CREATE TABLE piped (id bigserial PRIMARY KEY, a int, b bigint, c numeric(10,2), d timestamptz, e text, f boolean)",
        )?;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        let run = bench.pgbench(side, DATABASE, &["-M", "prepared", "-c", &clients, "-f", &script])?;
        let found = tools::value(&bench.target(side)?, DATABASE, "SELECT count(*) FROM piped")?;
        if found.parse() != Ok(run.count * f64::from(PIPELINED)) {
            return Err(Trouble::Wrong(format!("{side:?}: {} transactions left {found} rows", run.count)));
        }
        bench.sql(side, DATABASE, "DROP TABLE piped")?;
        bench.sql(side, DATABASE, "CHECKPOINT")?;
        let each = f64::from(PIPELINED);
        Ok([run.rate * each, run.cpu / each])
    }))
}
