//! `cargo xtask golden` and `cargo xtask record`: golden files outside of the test suite.

use std::path::{Path, PathBuf};

use quarry_testkit::golden::{self, KnownFailing, On, Outcome};
use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;

/// Runs golden files and shows how they differ.
pub fn run(what: &[String], port: Option<u16>, brief: bool) -> Result<(), String> {
    let files = select(what)?;
    let on = port.map_or(On::OwnServer, |port| On::Running(Target::local(port)));
    let verdicts = golden::check_files(&files, &on);
    if brief {
        for verdict in &verdicts {
            let outcome = match &verdict.outcome {
                Outcome::Same => "same".to_owned(),
                Outcome::Differs(diff) => format!("{} lines differ", golden::changes(diff)),
                Outcome::Broken(why) => format!("broken: {}", why.lines().next().unwrap_or("")),
            };
            println!("{:<44} {:>6} ms  {outcome}", verdict.name, verdict.took.as_millis());
        }
    }
    // Whoever names files wants to see how they differ, whether that is known or not.
    let known = if what.is_empty() { KnownFailing::load() } else { KnownFailing::default() };
    let report = golden::judge(&verdicts, &known);
    if !brief {
        print!("{}", report.text);
    }
    println!("{} same, {} known to differ, {} wrong", report.same, report.known, report.wrong);
    if report.wrong == 0 { Ok(()) } else { Err("golden files differ".to_owned()) }
}

/// Records golden files from a private PostgreSQL 15.
pub fn record(what: &[String]) -> Result<(), String> {
    let files = select(what)?;
    let postgres = Postgres::start()?;
    let mut changed = 0;
    for file in &files {
        if golden::record(&postgres.target(), file)? {
            changed += 1;
            println!("recorded {}", golden::name_of(file));
        }
    }
    println!("{} files, {changed} changed", files.len());
    Ok(())
}

/// The files that words mean: a path, an area, or `area/topic`; all files if there are no words.
fn select(what: &[String]) -> Result<Vec<PathBuf>, String> {
    if what.is_empty() {
        return Ok(golden::areas().iter().flat_map(|area| golden::files(area)).collect());
    }
    let mut files = Vec::new();
    for word in what {
        let in_root = golden::root().join(word);
        if in_root.is_dir() {
            files.extend(golden::files(word.trim_end_matches('/')));
        } else if let Some(file) =
            [in_root.with_extension("sql"), PathBuf::from(word)].into_iter().find(|f| f.is_file())
        {
            files.push(absolute(&file)?);
        } else {
            return Err(format!(
                "`{word}` is neither a golden file nor an area ({})",
                golden::areas().join(", ")
            ));
        }
    }
    Ok(files)
}

fn absolute(file: &Path) -> Result<PathBuf, String> {
    file.canonicalize().map_err(|e| format!("{}: {e}", file.display()))
}
