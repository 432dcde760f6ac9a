//! `cargo xtask plans`: plan tests outside of the test suite.

use std::path::PathBuf;

use quarry_testkit::plans;
use quarry_testkit::psql::Target;
use quarry_testkit::server::{Options, Server};

/// Runs plan tests and shows what differs.
pub fn run(what: &[String], port: Option<u16>, postgres: Option<u16>, update: bool) -> Result<(), String> {
    let files = select(what)?;
    let own = match port {
        Some(_) => None,
        None => Some(Server::fresh_with("plans", &Options::default().with("fsync", "off"))),
    };
    let target = own.as_ref().map_or_else(|| Target::local(port.unwrap_or_default()), Server::target);
    let postgres = postgres.map(Target::local);
    let verdicts = plans::check_files(&target, postgres.as_ref(), &files, update);
    let wrong: usize = verdicts.iter().map(|v| v.wrong.len()).sum();
    let cases: usize = verdicts.iter().map(|v| v.cases).sum();
    for complaint in verdicts.iter().flat_map(|v| &v.wrong) {
        println!("{complaint}");
    }
    println!("{} files, {cases} cases, {wrong} complaints", files.len());
    if wrong == 0 { Ok(()) } else { Err("plans are not as expected".to_owned()) }
}

/// The files that words mean: a path or a topic; all files if there are no words.
fn select(what: &[String]) -> Result<Vec<PathBuf>, String> {
    if what.is_empty() {
        return Ok(plans::files());
    }
    what.iter()
        .map(|word| {
            [plans::root().join(word).with_extension("plan"), PathBuf::from(word)]
                .into_iter()
                .find(|f| f.is_file())
                .ok_or(format!("`{word}` is no plan file"))?
                .canonicalize()
                .map_err(|e| e.to_string())
        })
        .collect()
}
