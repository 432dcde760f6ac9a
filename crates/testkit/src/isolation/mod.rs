//! Isolation specs: `tests/isolation/<topic>.spec` with the answers of PostgreSQL 15 in `<topic>.out`.
//!
//! A spec says what several sessions do ([`spec`]) and in which orders; [`run`] does it and writes down what each step gave
//! and which ones had to wait. The idea is PostgreSQL's isolationtester's. Each file runs in a database of its own. Answers
//! are recorded from PostgreSQL only ([`record`]), twice, so that one which depends on luck is noticed.

pub mod run;
pub mod spec;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::golden::{KnownFailing, Outcome, Verdict, changes};
use crate::psql::Target;
use crate::{diff, paths, psql};

/// How many files run at the same time against one server: most of their time is waiting.
pub const WORKERS: usize = 4;
/// How many lines of one file's diff are printed (`QUARRY_DIFF_LINES` overrides it).
const DIFF_LINES: usize = 120;

/// The folder of the specs.
pub fn root() -> PathBuf {
    paths::workspace().join("tests/isolation")
}

/// All specs, sorted.
pub fn files() -> Vec<PathBuf> {
    let dir = root();
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let mut files: Vec<PathBuf> = paths.filter(|p| p.extension().is_some_and(|e| e == "spec")).collect();
    files.sort();
    files
}

/// The list of specs that are expected to differ, with the reasons.
pub fn known_failing() -> KnownFailing {
    let path = root().join("KNOWN_FAILING");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    KnownFailing::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// How the reports and the list name a file.
pub fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The parsed file.
pub fn load(file: &Path) -> Result<spec::Spec, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    spec::parse(&text).map_err(|e| format!("{}: {e}", name_of(file)))
}

/// What a spec prints on a server, in a database made for it.
pub fn answer(target: &Target, file: &Path) -> Result<String, String> {
    let spec = load(file)?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let database = format!("isolation_{stem}").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let drop = format!("DROP DATABASE IF EXISTS \"{database}\" WITH (FORCE)");
    psql::execute(target, "postgres", &drop)?;
    psql::execute(target, "postgres", &format!("CREATE DATABASE \"{database}\""))?;
    let text = run::run(&spec, target, &database);
    psql::execute(target, "postgres", &drop).ok();
    text
}

/// Writes the answer of a PostgreSQL beside the file, if it gives the same one twice. True if it changed.
pub fn record(postgres: &Target, file: &Path) -> Result<bool, String> {
    let got = answer(postgres, file)?;
    let again = answer(postgres, file)?;
    if got != again {
        let diff = diff::unified(&got, &again, "first", "second");
        return Err(format!("{} gives another answer each time\n{diff}", name_of(file)));
    }
    let out = file.with_extension("out");
    let changed = std::fs::read_to_string(&out).ok().as_deref() != Some(got.as_str());
    if changed {
        std::fs::write(&out, got).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    Ok(changed)
}

/// Runs one file on a server and compares.
pub fn check_file(target: &Target, file: &Path) -> Verdict {
    let started = Instant::now();
    let outcome = match (answer(target, file), std::fs::read_to_string(file.with_extension("out"))) {
        (Err(e), _) => Outcome::Broken(e),
        (_, Err(_)) => {
            Outcome::Broken("no .out file; record it with `cargo xtask isolation --record`".to_owned())
        }
        (Ok(got), Ok(want)) if want == got => Outcome::Same,
        (Ok(got), Ok(want)) => Outcome::Differs(diff::unified(&want, &got, "postgresql", "quarry")),
    };
    Verdict { name: name_of(file), outcome, took: started.elapsed() }
}

/// A report for the terminal, and the number of files that are not as expected.
pub fn judge(verdicts: &[Verdict], known: &KnownFailing) -> (String, usize) {
    let lines = std::env::var("QUARRY_DIFF_LINES").ok().and_then(|s| s.parse().ok()).unwrap_or(DIFF_LINES);
    let mut text = String::new();
    let mut wrong = 0;
    for verdict in verdicts {
        let (name, ms) = (&verdict.name, verdict.took.as_millis());
        match (&verdict.outcome, known.reason(name)) {
            (Outcome::Same, None) => text.push_str(&format!("same     {name} ({ms} ms)\n")),
            (Outcome::Same, Some(_)) => {
                wrong += 1;
                text.push_str(&format!("AGREES   {name}: take it off tests/isolation/KNOWN_FAILING\n"));
            }
            (_, Some(reason)) => text.push_str(&format!("known    {name}: {reason}\n")),
            (Outcome::Differs(diff), None) => {
                wrong += 1;
                let shown: Vec<&str> = diff.lines().take(lines).collect();
                text.push_str(&format!(
                    "DIFFERS  {name} ({} lines, {ms} ms)\n{}\n",
                    changes(diff),
                    shown.join("\n")
                ));
            }
            (Outcome::Broken(why), None) => {
                wrong += 1;
                text.push_str(&format!("BROKEN   {name}: {why}\n"));
            }
        }
    }
    (text, wrong)
}
