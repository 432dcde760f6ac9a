//! psql's and pgbench's kin as they are used here: run to the end, and the numbers in what they print.

use std::process::Command;
use std::time::Duration;

use quarry_testkit::client::{Client, Protocol};
use quarry_testkit::paths;
use quarry_testkit::psql::{Target, output_within};

/// The longest that one program or statement of a run may take.
pub const PATIENCE: Duration = Duration::from_secs(3600);

/// Rows as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// A connection.
pub fn connect(target: &Target, database: &str) -> Result<Client, String> {
    Client::connect(target, database, PATIENCE)
}

/// The rows of a statement that must succeed.
pub fn rows(client: &mut Client, sql: &str) -> Result<Rows, String> {
    let answer = client.run(sql, Protocol::Simple)?;
    match answer.error {
        Some(e) => Err(format!("{}: {}", sql.chars().take(120).collect::<String>(), e.message)),
        None => Ok(answer.rows),
    }
}

/// The rows of a statement on a connection of its own.
pub fn sql(target: &Target, database: &str, text: &str) -> Result<Rows, String> {
    rows(&mut connect(target, database)?, text)
}

/// The one value of a statement's one row.
pub fn value(target: &Target, database: &str, text: &str) -> Result<String, String> {
    let mut rows = sql(target, database, text)?;
    let first = rows.pop().and_then(|mut row| row.pop()).flatten();
    first.ok_or_else(|| format!("{text}: no value"))
}

/// The statements of a script, each ended by a semicolon at the end of a line.
pub fn statements(script: &str) -> Vec<String> {
    let all = script.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned());
    all.filter(|s| !s.lines().all(|l| l.trim().is_empty() || l.starts_with("--"))).collect()
}

/// pgbench with these arguments.
pub fn pgbench(target: &Target, database: &str, args: &[&str]) -> Command {
    let mut command = Command::new(paths::postgres_tool("pgbench"));
    command
        .env("PGUSER", "postgres")
        .args(["-h", &target.host, "-p", &target.port.to_string()])
        .args(args)
        .arg(database);
    command
}

/// Runs a program to its end and gives what it printed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let out = output_within(command, PATIENCE)?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        let last: Vec<&str> = said.lines().rev().take(3).collect();
        return Err(format!("{:?} ended with {}: {}", command.get_program(), out.status, last.join("; ")));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The number behind a label.
pub fn number_after(text: &str, label: &str) -> Result<f64, String> {
    let rest = text.split_once(label).ok_or_else(|| format!("no `{label}` in: {text}"))?.1.trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    rest[..end].parse().map_err(|e| format!("`{label}{}`: {e}", &rest[..end]))
}

/// The place in the log that `pg_current_wal_lsn()` and its like print.
pub fn lsn(text: &str) -> Result<u64, String> {
    let parse = |part: &str| u64::from_str_radix(part, 16).ok();
    let parts = text.trim().split_once('/').and_then(|(high, low)| Some((parse(high)?, parse(low)?)));
    parts.map(|(high, low)| high << 32 | low).ok_or_else(|| format!("no place in a log: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let text =
            "number of transactions actually processed: 1234\ntps = 56.75 (without initial connection time)";
        assert_eq!(number_after(text, "actually processed: "), Ok(1234.0));
        assert_eq!(number_after(text, "tps = "), Ok(56.75));
        assert!(number_after(text, "latency").is_err());
        let sysbench = "    transactions:                        5000 (1000.10 per sec.)";
        assert_eq!(number_after(sysbench, "transactions:"), Ok(5000.0));
    }

    #[test]
    fn places_in_logs() {
        assert_eq!(lsn("1/0000000A\n"), Ok((1 << 32) + 10));
        assert!(lsn("17").is_err());
    }

    #[test]
    fn scripts() {
        assert_eq!(statements("a;\n-- x\nb\n c;\n-- end\n"), ["a", "-- x\nb\n c"]);
    }
}
