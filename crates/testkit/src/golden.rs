//! Golden SQL files: `tests/sql/<area>/<topic>.sql` with the answers of PostgreSQL 15 in `<topic>.out`.
//!
//! Each file runs through psql in a database of its own, made for it and dropped after it. Answers are only ever
//! recorded from PostgreSQL ([`record`]), never from our own server. A file that is expected to differ for now stands
//! in `tests/sql/KNOWN_FAILING` with the reason; it must leave the list when it agrees, so the list only shrinks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::psql::{self, Target};
use crate::server::{Options, Server};
use crate::{diff, parallel, paths};

/// How many files run at the same time against one server.
const WORKERS: usize = 2;
/// How long one file may take (`QUARRY_GOLDEN_SECONDS` overrides it).
const FILE_SECONDS: u64 = 120;
/// How many lines of one file's diff are printed (`QUARRY_DIFF_LINES` overrides it).
const DIFF_LINES: usize = 80;

/// The folder of the golden files.
pub fn root() -> PathBuf {
    paths::workspace().join("tests/sql")
}

/// The areas (folders), sorted.
pub fn areas() -> Vec<String> {
    let mut areas: Vec<String> = read_dir(&root())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect();
    areas.sort();
    areas
}

/// The files of one area, sorted.
pub fn files(area: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        read_dir(&root().join(area)).filter(|path| path.extension().is_some_and(|e| e == "sql")).collect();
    files.sort();
    files
}

fn read_dir(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    entries.map(|entry| entry.expect("a folder can be listed").path())
}

/// The list of files that are expected to differ, with the reasons.
#[derive(Debug, Default)]
pub struct KnownFailing {
    reasons: BTreeMap<String, String>,
}

impl KnownFailing {
    /// Reads `tests/sql/KNOWN_FAILING`.
    pub fn load() -> KnownFailing {
        let path = root().join("KNOWN_FAILING");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        KnownFailing::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// One path a line, then its reason; `#` starts a comment line.
    pub fn parse(text: &str) -> Result<KnownFailing, String> {
        let mut reasons = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((path, reason)) = line.split_once(char::is_whitespace) else {
                return Err(format!("line {}: `{line}` gives no reason", number + 1));
            };
            if reasons.insert(path.to_owned(), reason.trim().to_owned()).is_some() {
                return Err(format!("line {}: {path} is listed twice", number + 1));
            }
        }
        Ok(KnownFailing { reasons })
    }

    /// The reason, if the file is listed.
    pub fn reason(&self, name: &str) -> Option<&str> {
        self.reasons.get(name).map(String::as_str)
    }

    /// The listed names for which there is no file.
    pub fn strays(&self) -> Vec<String> {
        self.reasons.keys().filter(|name| !root().join(name).exists()).cloned().collect()
    }
}

/// What came of one file.
#[derive(Debug)]
pub enum Outcome {
    /// The same as PostgreSQL's answer.
    Same,
    /// Different; the unified diff.
    Differs(String),
    /// It could not be run.
    Broken(String),
}

/// One file with its outcome.
#[derive(Debug)]
pub struct Verdict {
    /// The path under `tests/sql`.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// The path of a file under `tests/sql`, as the reports and the list name it.
pub fn name_of(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).to_string_lossy().into_owned()
}

/// Runs one file on a server and compares.
pub fn check_file(target: &Target, file: &Path) -> Verdict {
    let started = Instant::now();
    let outcome = match answer(target, file) {
        Err(e) => Outcome::Broken(e),
        Ok(got) => match std::fs::read_to_string(file.with_extension("out")) {
            Err(_) => Outcome::Broken("no .out file; record it with `cargo xtask record`".to_owned()),
            Ok(want) if want == got => Outcome::Same,
            Ok(want) => Outcome::Differs(diff::unified(&want, &got, "postgresql", "quarry")),
        },
    };
    Verdict { name: name_of(file), outcome, took: started.elapsed() }
}

/// Writes the answer of a PostgreSQL beside the file. True if it changed.
pub fn record(postgres: &Target, file: &Path) -> Result<bool, String> {
    let got = answer(postgres, file)?;
    let out = file.with_extension("out");
    let changed = std::fs::read_to_string(&out).ok().as_deref() != Some(got.as_str());
    if changed {
        std::fs::write(&out, got).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    Ok(changed)
}

/// What psql prints for the file on this server, in a database made for it.
fn answer(target: &Target, file: &Path) -> Result<String, String> {
    let stem = file.file_stem().and_then(|s| s.to_str()).ok_or("the file has no name")?;
    let area = file.parent().and_then(|p| p.file_name()).and_then(|s| s.to_str()).unwrap_or("");
    let database =
        format!("golden_{area}_{stem}").to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let drop = format!("DROP DATABASE IF EXISTS \"{database}\"");
    psql::execute(target, "postgres", &drop)?;
    psql::execute(target, "postgres", &format!("CREATE DATABASE \"{database}\""))?;
    let seconds =
        std::env::var("QUARRY_GOLDEN_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(FILE_SECONDS);
    let text = psql::run_file(target, &database, file, Duration::from_secs(seconds))?;
    // A file may leave a connection that ends a moment later; what matters is that the answer is there.
    psql::execute(target, "postgres", &drop).ok();
    Ok(text)
}

/// Where [`check_files`] sends its files.
#[derive(Debug)]
pub enum On {
    /// Servers of its own, started for this run; one that dies is reported and replaced.
    OwnServer,
    /// A server that is already running.
    Running(Target),
}

/// Runs the files, [`WORKERS`] at a time, and returns the verdicts in the order of the files.
pub fn check_files(files: &[PathBuf], on: &On) -> Vec<Verdict> {
    let server = match on {
        On::OwnServer => Some(Mutex::new(Server::fresh_with("golden", &own_options()))),
        On::Running(_) => None,
    };
    parallel::for_each(WORKERS, files, |file| {
        let target = match (on, &server) {
            (On::Running(target), _) => target.clone(),
            (On::OwnServer, Some(server)) => live_target(server),
            (On::OwnServer, None) => unreachable!("made above"),
        };
        let mut verdict = check_file(&target, file);
        if let Some(server) = &server {
            blame_death(server, &target, &mut verdict);
        }
        verdict
    })
}

fn own_options() -> Options {
    // What is compared is answers, not endurance.
    Options::default().with("fsync", "off").with("max_prepared_transactions", "10").with("autovacuum", "off")
}

/// The address of the server, after a new one was started if the old one died.
fn live_target(server: &Mutex<Server>) -> Target {
    let mut server = server.lock().expect("no worker panics with it");
    if !server.is_alive() {
        *server = Server::fresh_with("golden", &own_options());
    }
    server.target()
}

/// Adds the server's last words to a verdict if the server died during its file (or its neighbour's).
fn blame_death(server: &Mutex<Server>, used: &Target, verdict: &mut Verdict) {
    let mut server = server.lock().expect("no worker panics with it");
    if server.port() == used.port && !server.is_alive() {
        let log = server.log_text();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        verdict.outcome = Outcome::Broken(format!("the server died; its log ends with\n{}", tail.join("\n")));
    }
}

/// A report on verdicts, and whether they are what is expected.
#[derive(Debug)]
pub struct Report {
    /// Text for the terminal.
    pub text: String,
    /// Files that agree.
    pub same: usize,
    /// Files that differ and are expected to.
    pub known: usize,
    /// Files that differ and shouldn't, or that agree and are listed as failing.
    pub wrong: usize,
}

/// Judges verdicts by the list of known failures.
pub fn judge(verdicts: &[Verdict], known: &KnownFailing) -> Report {
    let lines: usize =
        std::env::var("QUARRY_DIFF_LINES").ok().and_then(|s| s.parse().ok()).unwrap_or(DIFF_LINES);
    let mut report = Report { text: String::new(), same: 0, known: 0, wrong: 0 };
    for verdict in verdicts {
        let ms = verdict.took.as_millis();
        let line = match (&verdict.outcome, known.reason(&verdict.name)) {
            (Outcome::Same, None) => {
                report.same += 1;
                format!("same     {} ({ms} ms)\n", verdict.name)
            }
            (Outcome::Same, Some(_)) => {
                report.wrong += 1;
                format!("AGREES   {}: take it off tests/sql/KNOWN_FAILING\n", verdict.name)
            }
            (Outcome::Differs(_) | Outcome::Broken(_), Some(reason)) => {
                report.known += 1;
                format!("known    {}: {reason}\n", verdict.name)
            }
            (Outcome::Differs(diff), None) => {
                report.wrong += 1;
                format!("DIFFERS  {} ({} lines, {ms} ms)\n{}", verdict.name, changes(diff), head(diff, lines))
            }
            (Outcome::Broken(why), None) => {
                report.wrong += 1;
                format!("BROKEN   {}: {why}\n", verdict.name)
            }
        };
        report.text.push_str(&line);
    }
    report
}

/// How many lines a diff removes or adds.
pub fn changes(diff: &str) -> usize {
    diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).count()
}

fn head(text: &str, lines: usize) -> String {
    let mut out: String = text.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
    let more = text.lines().count().saturating_sub(lines);
    if more > 0 {
        out.push_str(&format!("... and {more} more lines of diff\n"));
    }
    out
}

/// Runs one area on servers of its own and panics with the report if it isn't as expected.
pub fn check_area(area: &str) {
    let verdicts = check_files(&files(area), &On::OwnServer);
    let report = judge(&verdicts, &KnownFailing::load());
    println!("{}", report.text);
    assert!(
        report.wrong == 0,
        "{area}: {} same, {} known to differ, {} wrong",
        report.same,
        report.known,
        report.wrong
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_needs_reasons() {
        let list = KnownFailing::parse("# comment\n\ntypes/x.sql  bit strings are missing\n").unwrap();
        assert_eq!(list.reason("types/x.sql"), Some("bit strings are missing"));
        assert!(KnownFailing::parse("types/x.sql\n").is_err());
        assert!(KnownFailing::parse("a b\na c\n").is_err());
    }

    #[test]
    fn verdicts_are_judged_by_the_list() {
        let known = KnownFailing::parse("a.sql reason\nb.sql reason\n").unwrap();
        let verdict = |name: &str, outcome| Verdict { name: name.to_owned(), outcome, took: Duration::ZERO };
        let verdicts = [
            verdict("a.sql", Outcome::Same),
            verdict("b.sql", Outcome::Broken("x".to_owned())),
            verdict("c.sql", Outcome::Same),
            verdict("d.sql", Outcome::Differs("--- a\n+++ b\n@@\n-1\n+2\n".to_owned())),
        ];
        let report = judge(&verdicts, &known);
        assert_eq!((report.same, report.known, report.wrong), (1, 1, 2));
    }

    #[test]
    fn every_golden_file_is_recorded() {
        for area in areas() {
            for file in files(&area) {
                assert!(file.with_extension("out").exists(), "{} has no .out", name_of(&file));
            }
        }
        assert_eq!(KnownFailing::load().strays(), Vec::<String>::new());
    }
}
