//! `cargo xtask check`: every part in turn, all of them even if one fails, and a count at the end.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::ValueEnum;
use quarry_testkit::paths;

use crate::{setup, tidy};

/// The parts of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// `cargo fmt --check`
    Fmt,
    /// clippy with warnings denied
    Clippy,
    /// Source rules
    Tidy,
    /// All tests of the workspace
    Test,
    /// The golden SQL files alone
    Golden,
    /// The crash tests alone
    Crash,
}

/// What a run without `--only` does: `Test` includes the golden files and the crash tests.
const EVERYTHING: [Part; 4] = [Part::Fmt, Part::Tidy, Part::Clippy, Part::Test];

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    fn add(&mut self, what: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(e) => {
                self.failed += 1;
                eprintln!("{what}: FAILED: {e}");
            }
        }
    }
}

/// Runs the parts (all if none is named) and prints `N passed, N failed` as the last line.
pub fn run(only: &[Part]) -> Result<(), String> {
    let parts = if only.is_empty() { &EVERYTHING } else { only };
    let mut tally = Tally::default();
    if parts.iter().any(|part| matches!(part, Part::Test | Part::Golden | Part::Crash)) {
        step("setup", || tally.add("setup", setup::run()));
    }
    for part in parts {
        match part {
            Part::Fmt => step("fmt", || tally.add("fmt", cargo(&["fmt", "--all", "--check"]))),
            Part::Tidy => step("tidy", || tally.add("tidy", tidy::run())),
            Part::Clippy => step("clippy", || {
                let args = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
                tally.add("clippy", cargo(&args));
            }),
            Part::Test => step("test", || tests(&mut tally, &["--workspace"], &[])),
            Part::Golden => {
                step("golden", || tests(&mut tally, &["-p", "quarry-tests", "--test", "it"], &["golden"]))
            }
            Part::Crash => {
                step("crash", || tests(&mut tally, &["-p", "quarry-tests", "--test", "it"], &["crash"]))
            }
        }
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed == 0 { Ok(()) } else { Err("the check failed".to_owned()) }
}

fn step(name: &str, work: impl FnOnce()) {
    println!("=== {name}");
    let started = Instant::now();
    work();
    println!("=== {name} took {:.1} s", started.elapsed().as_secs_f32());
}

fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::workspace());
    command
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = cargo_command().args(args).status().map_err(|e| format!("cargo can't be run: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} ended with {status}", args.join(" "))) }
}

/// Runs tests, passing their output through, and adds their numbers up.
fn tests(tally: &mut Tally, selection: &[&str], filter: &[&str]) {
    // The server is built first, so that no test waits for a build (or is blamed for one that fails).
    if std::env::var_os("QUARRY_BIN").is_none()
        && let Err(e) = cargo(&["build", "--quiet", "-p", "quarry"])
    {
        tally.add("build", Err(e));
        return;
    }
    let mut command = cargo_command();
    command.arg("test").arg("--no-fail-fast").args(selection).arg("--").args(filter);
    let counted = count(command.stdout(Stdio::piped()));
    match counted {
        Err(e) => tally.add("test", Err(e)),
        Ok((passed, failed, success)) => {
            tally.passed += passed;
            tally.failed += failed;
            if !success && failed == 0 {
                tally.add("test", Err("cargo test failed without a failed test".to_owned()));
            }
        }
    }
}

/// Runs `cargo test`, echoes what it prints, and sums the `test result` lines.
fn count(command: &mut Command) -> Result<(usize, usize, bool), String> {
    let mut child = command.spawn().map_err(|e| format!("cargo can't be run: {e}"))?;
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let (mut passed, mut failed) = (0, 0);
    let mut line = Vec::new();
    // Tests may print anything, so lines are read as bytes.
    while reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        if let Some((p, f)) = result_line(&text) {
            passed += p;
            failed += f;
        }
        line.clear();
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    Ok((passed, failed, status.success()))
}

/// The numbers in `test result: ok. 12 passed; 0 failed; ...`.
fn result_line(line: &str) -> Option<(usize, usize)> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let number_before = |word: &str| {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let at = words.iter().position(|w| w.trim_end_matches(';') == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    Some((number_before("passed")?, number_before("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 5 filtered out; finished in 1s";
        assert_eq!(result_line(line), Some((12, 3)));
        assert_eq!(result_line("test a::b ... ok"), None);
    }
}
