//! psql, run the one way that every golden file is recorded and compared with.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::paths;

/// A server to send psql to.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Target {
    /// The server that listens at this port of the local machine.
    pub fn local(port: u16) -> Target {
        Target { host: "127.0.0.1".to_owned(), port }
    }
}

/// A psql with the settings that decide what it prints, and no more of the caller's.
pub fn command(target: &Target, database: &str) -> Command {
    let mut psql = Command::new(paths::postgres_tool("psql"));
    for name in [
        "PGSERVICE",
        "PGOPTIONS",
        "PGAPPNAME",
        "PGPASSWORD",
        "PGCLIENTENCODING",
        "PSQLRC",
        "PAGER",
        "COLUMNS",
    ] {
        psql.env_remove(name);
    }
    psql.env("PGHOST", &target.host)
        .env("PGPORT", target.port.to_string())
        .env("PGUSER", "postgres")
        .env("PGTZ", "UTC")
        .env("PGDATESTYLE", "ISO, MDY")
        // A debug build under load may be slow to answer.
        .env("PGCONNECT_TIMEOUT", "60")
        .env("LC_ALL", "C.UTF-8")
        .arg("-X")
        .args(["-d", database]);
    psql
}

/// Runs one command string and returns what it printed, or psql's complaint.
pub fn execute(target: &Target, database: &str, sql: &str) -> Result<String, String> {
    let out = output_within(
        command(target, database).args(["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]),
        ONE_COMMAND,
    )?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&out.stderr).trim().to_owned())
    }
}

const ONE_COMMAND: Duration = Duration::from_secs(60);

/// What psql prints for a file: statements echoed, then results, errors as severity and SQLSTATE. Standard error is
/// interleaved as on a terminal, and the `psql:FILE:LINE:` before errors is cut so that the text doesn't depend on
/// where the file is.
pub fn run_file(target: &Target, database: &str, file: &Path, limit: Duration) -> Result<String, String> {
    let mut psql = command(target, database);
    psql.args(["-a", "-q", "-v", "VERBOSITY=sqlstate", "-f"]).arg(file);
    psql.current_dir(file.parent().unwrap_or(Path::new(".")));
    // One pipe for both streams keeps their order, as `2>&1` does.
    let (mut reader, writer) = std::io::pipe().map_err(|e| e.to_string())?;
    psql.stdin(Stdio::null()).stdout(writer.try_clone().map_err(|e| e.to_string())?).stderr(writer);
    let mut child = psql.spawn().map_err(|e| format!("psql can't be run: {e}"))?;
    // The command holds its own copies of the pipe's writing end; the reader sees the end only without them.
    drop(psql);
    let collect = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let in_time = wait_within(&mut child, limit)?;
    let bytes = collect.join().expect("the reader doesn't panic").map_err(|e| e.to_string())?;
    // Every line ending becomes the same, as in the text mode of the tools that read these files.
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n");
    let mut text = without_locations(&text);
    if !in_time {
        text.push_str(&format!("psql did not end within {} s and was stopped\n", limit.as_secs()));
    }
    Ok(text)
}

/// Runs a command to its end, or kills it at the limit and reports that.
pub fn output_within(command: &mut Command, limit: Duration) -> Result<Output, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{:?} can't be run: {e}", command.get_program()))?;
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let read_out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).ok();
        bytes
    });
    let read_err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).ok();
        bytes
    });
    let in_time = wait_within(&mut child, limit)?;
    let status = child.wait().map_err(|e| e.to_string())?;
    let stdout = read_out.join().expect("the reader doesn't panic");
    let stderr = read_err.join().expect("the reader doesn't panic");
    if !in_time {
        let said = String::from_utf8_lossy(&stderr);
        return Err(format!("{:?} did not end within {limit:?}: {said}", command.get_program()));
    }
    Ok(Output { status, stdout, stderr })
}

/// Waits for a child; at the limit kills it and returns false.
fn wait_within(child: &mut std::process::Child, limit: Duration) -> Result<bool, String> {
    let deadline = Instant::now() + limit;
    // The standard library can't wait with a limit. A short pause is invisible beside a psql's start.
    let mut pause = Duration::from_millis(1);
    loop {
        if child.try_wait().map_err(|e| e.to_string())?.is_some() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            child.kill().ok();
            child.wait().ok();
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Cuts `psql:<file>:<line>: ` at the starts of lines, and the lines that say where in PostgreSQL's source an error was raised.
fn without_locations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with("LOCATION:  ") {
            continue;
        }
        out.push_str(after_location(line).unwrap_or(line));
    }
    out
}

fn after_location(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("psql:")?;
    let (_, rest) = rest.split_once(':')?;
    let (number, rest) = rest.split_once(": ")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_cut() {
        let text = "SELECT 1/0;\npsql:/a/b.sql:12: ERROR:  22012\npsql: not a place\n";
        assert_eq!(without_locations(text), "SELECT 1/0;\nERROR:  22012\npsql: not a place\n");
        let verbose =
            "psql:f.sql:1: ERROR:  22012: division by zero\nLOCATION:  int4div, int.c:846\nSELECT 1;\n";
        assert_eq!(without_locations(verbose), "ERROR:  22012: division by zero\nSELECT 1;\n");
    }
}
