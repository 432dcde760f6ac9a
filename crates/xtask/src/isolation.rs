//! `cargo xtask isolation`: isolation specs outside of the test suite.

use std::path::PathBuf;

use quarry_testkit::golden::KnownFailing;
use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;
use quarry_testkit::server::{Options, Server};
use quarry_testkit::{isolation, parallel};

/// Runs specs and shows how they differ.
pub fn run(what: &[String], port: Option<u16>) -> Result<(), String> {
    let files = select(what)?;
    let own = match port {
        Some(_) => None,
        None => Some(Server::fresh_with("isolation", &Options::default().with("fsync", "off"))),
    };
    let target = own.as_ref().map_or_else(|| Target::local(port.unwrap_or_default()), Server::target);
    let verdicts =
        parallel::for_each(isolation::WORKERS, &files, |file| isolation::check_file(&target, file));
    // Whoever names files wants to see how they differ, whether that is known or not.
    let known = if what.is_empty() { isolation::known_failing() } else { KnownFailing::default() };
    let (text, wrong) = isolation::judge(&verdicts, &known);
    print!("{text}");
    println!("{} files, {} permutations, {wrong} wrong", files.len(), permutations(&files)?);
    if wrong == 0 { Ok(()) } else { Err("isolation specs differ".to_owned()) }
}

/// Records specs from a private PostgreSQL 15.
pub fn record(what: &[String]) -> Result<(), String> {
    let files = select(what)?;
    let postgres = Postgres::start_with(&[
        ("fsync", "off"),
        ("autovacuum", "off"),
        ("max_prepared_transactions", "10"),
    ])?;
    let target = postgres.target();
    let mut failed = 0;
    for (file, result) in files
        .iter()
        .zip(parallel::for_each(isolation::WORKERS, &files, |file| isolation::record(&target, file)))
    {
        match result {
            Ok(true) => println!("recorded {}", isolation::name_of(file)),
            Ok(false) => {}
            Err(e) => {
                failed += 1;
                println!("BROKEN   {}: {e}", isolation::name_of(file));
            }
        }
    }
    println!("{} files, {} permutations", files.len(), permutations(&files)?);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} files could not be recorded")) }
}

fn permutations(files: &[PathBuf]) -> Result<usize, String> {
    let mut total = 0;
    for file in files {
        total += isolation::load(file)?.runs();
    }
    Ok(total)
}

/// The specs that words mean: a path or a topic; all if there are no words.
fn select(what: &[String]) -> Result<Vec<PathBuf>, String> {
    if what.is_empty() {
        return Ok(isolation::files());
    }
    let find = |word: &String| {
        let named = [isolation::root().join(word).with_extension("spec"), PathBuf::from(word)];
        named.into_iter().find(|f| f.is_file()).ok_or_else(|| format!("`{word}` is no isolation spec"))
    };
    what.iter().map(find).collect()
}
