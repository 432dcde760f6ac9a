//! What a side-by-side run measures.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use quarry_testkit::psql::{self, Target, output_within};
use quarry_testkit::{paths, server};

use crate::peers::{Peers, Side};
use crate::report::Figure;

/// The longest that one program of a run may take.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Connections of the memory case.
const IDLE: usize = 500;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// pgbench's scale: 100,000 accounts each.
    pub scale: u32,
    /// Rounds of each case.
    pub rounds: u32,
    /// Seconds of each pgbench run.
    pub seconds: u32,
}

/// Makes pgbench's tables on a side.
pub fn load(target: &Target, size: Size) -> Result<(), String> {
    pgbench(target, &["-i", "-q", "-s", &size.scale.to_string()]).map(drop)
}

/// pgbench's rate, and the server's processor time for a transaction, in a script and mode with some clients.
pub fn pgbench_rate(
    peers: &Peers,
    size: Size,
    script: &str,
    mode: &str,
    clients: u32,
) -> Result<[Figure; 2], String> {
    let name = format!("{script}, {mode}, scale {}, {clients} clients", size.scale);
    rate(peers, size, &name, &["-b", script, "-M", mode], clients)
}

/// The rate at which clients update one and the same row.
pub fn hot_row_rate(peers: &Peers, size: Size, clients: u32, dir: &Path) -> Result<[Figure; 2], String> {
    let script = dir.join("hot-row.sql");
    std::fs::write(&script, "UPDATE hot_row SET n = n + 1 WHERE id = 1;\n")
        .map_err(|e| format!("{}: {e}", script.display()))?;
    for side in Side::BOTH {
        let sql = "CREATE TABLE hot_row (id int PRIMARY KEY, n bigint); INSERT INTO hot_row VALUES (1, 0)";
        psql::execute(&peers.target(side), "postgres", sql)?;
    }
    let name = format!("one row updated, simple, {clients} clients");
    let figures = rate(peers, size, &name, &["-f", &script.to_string_lossy()], clients)?;
    for side in Side::BOTH {
        psql::execute(&peers.target(side), "postgres", "DROP TABLE hot_row")?;
    }
    Ok(figures)
}

/// pgbench's select-only rate of Quarry beside connections that idle in a transaction, against that without: the sides of
/// this figure are both Quarry. Each connection has read and written before it idles.
pub fn select_beside_idle(peers: &Peers, size: Size, idle: usize) -> Result<Figure, String> {
    let target = peers.target(Side::Quarry);
    let name = format!("select-only, simple, 8 clients, Quarry with {idle} idle in a transaction / without");
    let mut figure = Figure::new(name, "tx/s", true);
    let seconds = size.seconds.to_string();
    let args = ["-n", "-b", "select-only", "-c", "8", "-j", "2", "-T", &seconds];
    psql::execute(&target, "postgres", "CREATE TABLE idlers (n int)")?;
    for _ in 0..size.rounds {
        let without = number_after(&pgbench(&target, &args)?, "tps = ")?;
        let mut open = Vec::with_capacity(idle);
        for _ in 0..idle {
            let mut stream = idle_connection(&target).map_err(|e| e.to_string())?;
            query(&mut stream, "BEGIN; INSERT INTO idlers VALUES (1)").map_err(|e| e.to_string())?;
            open.push(stream);
        }
        let beside = number_after(&pgbench(&target, &args)?, "tps = ")?;
        drop(open);
        figure.add([beside, without]);
    }
    psql::execute(&target, "postgres", "DROP TABLE idlers")?;
    Ok(figure)
}

/// The rate, and the server's processor time for a transaction, of a pgbench run.
fn rate(peers: &Peers, size: Size, name: &str, what: &[&str], clients: u32) -> Result<[Figure; 2], String> {
    let mut rate = Figure::new(name.to_owned(), "tx/s", true);
    let mut cpu = Figure::new(format!("{name}: server's processor time"), "us/tx", false);
    let (clients, seconds) = (clients.to_string(), size.seconds.to_string());
    let args = [&["-n", "-c", &clients, "-j", "2", "-T", &seconds], what].concat();
    for _ in 0..size.rounds {
        let mut rates = [0.0; 2];
        let mut cpus = [0.0; 2];
        for side in Side::BOTH {
            let before = peers.cpu_seconds(side)?;
            let text = pgbench(&peers.target(side), &args)?;
            let used = peers.cpu_seconds(side)? - before;
            rates[side as usize] = number_after(&text, "tps = ")?;
            cpus[side as usize] = used * 1e6 / number_after(&text, "actually processed: ")?;
        }
        rate.add(rates);
        cpu.add(cpus);
    }
    Ok([rate, cpu])
}

/// COPY of pgbench's accounts into an empty table without indexes, and with the checkpoint that makes the table durable.
pub fn copy_accounts(peers: &Peers, size: Size, file: &Path) -> Result<[Figure; 2], String> {
    let rows = size.scale * 100_000;
    let mut copy = Figure::new(format!("COPY of {rows} accounts"), "s", false);
    let mut whole = Figure::new(format!("COPY of {rows} accounts and a checkpoint"), "s", false);
    let out = format!("\\copy pgbench_accounts TO '{}'", file.display());
    psql::execute(&peers.target(Side::Postgres), "postgres", &out)?;
    for _ in 0..size.rounds {
        let (mut copied, mut durable) = ([0.0; 2], [0.0; 2]);
        for side in Side::BOTH {
            let target = peers.target(side);
            psql::execute(
                &target,
                "postgres",
                "CREATE TABLE copied (aid int NOT NULL, bid int, abalance int, filler char(84))",
            )?;
            let started = Instant::now();
            let command = format!("\\copy copied FROM '{}'", file.display());
            run(psql::command(&target, "postgres").args(["-q", "-v", "ON_ERROR_STOP=1", "-c", &command]))?;
            copied[side as usize] = started.elapsed().as_secs_f64();
            run(psql::command(&target, "postgres").args(["-q", "-c", "CHECKPOINT"]))?;
            durable[side as usize] = started.elapsed().as_secs_f64();
            let count = psql::execute(&target, "postgres", "SELECT count(*) FROM copied")?;
            if count.trim() != rows.to_string() {
                return Err(format!("{side:?} has {count} rows after COPY"));
            }
            psql::execute(&target, "postgres", "DROP TABLE copied")?;
            psql::execute(&target, "postgres", "CHECKPOINT")?;
        }
        copy.add(copied);
        whole.add(durable);
    }
    Ok([copy, whole])
}

/// `SELECT sum(abalance)` over all accounts, after one run that isn't counted; five runs a round, the fastest counts.
pub fn sum_accounts(peers: &Peers, size: Size) -> Result<Figure, String> {
    let mut figure = Figure::new("SELECT sum(abalance) FROM pgbench_accounts", "s", false);
    let query = "SELECT sum(abalance) FROM pgbench_accounts";
    for round in 0..=size.rounds {
        let mut seconds = [0.0; 2];
        let mut answers = [String::new(), String::new()];
        for side in Side::BOTH {
            let target = peers.target(side);
            let mut fastest = f64::INFINITY;
            for _ in 0..5 {
                let text =
                    run(psql::command(&target, "postgres").args(["-qAt", "-c", "\\timing on", "-c", query]))?;
                fastest = fastest.min(number_after(&text, "Time: ")? / 1e3);
                answers[side as usize] = text.lines().nth(1).unwrap_or_default().to_owned();
            }
            seconds[side as usize] = fastest;
        }
        if round > 0 {
            figure.add(seconds);
        }
    }
    Ok(figure)
}

/// Resident bytes of Quarry for one more idle connection, over [`IDLE`] of them.
pub fn idle_connection_bytes(peers: &Peers) -> Result<f64, String> {
    let target = peers.target(Side::Quarry);
    let before = peers.quarry_resident_bytes()?;
    let mut open = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        open.push(idle_connection(&target).map_err(|e| format!("connection {}: {e}", open.len()))?);
    }
    let after = peers.quarry_resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / IDLE as f64)
}

/// A connection that has answered and waits.
fn idle_connection(target: &Target) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((target.host.as_str(), target.port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&server::startup_message(&[("user", "postgres"), ("database", "postgres")]))?;
    until_ready(&mut stream, b'I')?;
    Ok(stream)
}

/// Sends a query that leaves a transaction open, and waits for the answer.
fn query(stream: &mut TcpStream, sql: &str) -> std::io::Result<()> {
    let mut message = vec![b'Q'];
    message.extend((sql.len() as u32 + 5).to_be_bytes());
    message.extend(sql.bytes().chain([0]));
    stream.write_all(&message)?;
    until_ready(stream, b'T')
}

/// Reads until ReadyForQuery with this state of the transaction.
fn until_ready(stream: &mut TcpStream, state: u8) -> std::io::Result<()> {
    let mut tail = [0u8; 6];
    let mut byte = [0u8; 1];
    while tail != [b'Z', 0, 0, 0, 5, state] {
        stream.read_exact(&mut byte)?;
        tail.rotate_left(1);
        tail[5] = byte[0];
    }
    Ok(())
}

fn pgbench(target: &Target, args: &[&str]) -> Result<String, String> {
    run(&mut pgbench_command(target, args))
}

/// pgbench with these arguments on a side's `postgres` database.
pub fn pgbench_command(target: &Target, args: &[&str]) -> Command {
    let mut command = Command::new(paths::postgres_tool("pgbench"));
    command
        .args(["-h", &target.host, "-p", &target.port.to_string(), "-U", "postgres"])
        .args(args)
        .arg("postgres");
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    let out = output_within(command, PATIENCE)?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{:?} ended with {}: {said}", command.get_program(), out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The number behind a label.
fn number_after(text: &str, label: &str) -> Result<f64, String> {
    let rest = text.split_once(label).ok_or_else(|| format!("no `{label}` in: {text}"))?.1;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    rest[..end].parse().map_err(|e| format!("`{label}{}`: {e}", &rest[..end]))
}
