//! Measures Quarry beside PostgreSQL 15: what `cargo xtask bench` runs, with the same options.
//!
//! The server is the one that `QUARRY_BIN` names, else that of this profile, built first.

use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use quarry_benches::bench::{Bench, Options, progress};
use quarry_benches::processes::{load, machine, machine_seconds};
use quarry_benches::report::{Figure, Section};
use quarry_benches::results;
use quarry_benches::subjects::{SUBJECTS, Subject, chosen};
use quarry_testkit::paths;

/// Measures Quarry beside PostgreSQL 15, turn by turn, and writes the tables into benches/RESULTS.md.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Args {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    match run(Args::parse().options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("bench: the two servers answered differently: see WRONG in the tables");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

/// True if no answer was wrong.
fn run(options: Options) -> Result<bool, String> {
    if options.list {
        SUBJECTS.iter().for_each(|s| println!("{:12} {}", s.name, s.title));
        return Ok(true);
    }
    let subjects = chosen(&options.only)?;
    raise_open_files();
    let out = match (&options.out, options.quick) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => None,
        (None, false) => Some(paths::workspace().join("benches/RESULTS.md")),
    };
    let what = described(&options);
    let mut bench = Bench::start(options)?;
    let mut right = true;
    for subject in subjects {
        let (text, is_right) = measured(&mut bench, subject, &what);
        right &= is_right;
        println!("{text}");
        if let Some(path) = &out {
            write(path, subject, &text)?;
        }
    }
    Ok(right)
}

/// A subject's text, and whether nothing in it is wrong.
fn measured(bench: &mut Bench, subject: &Subject, what: &str) -> (String, bool) {
    progress(&format!("== {}", subject.name));
    let mut section = Section::new(subject.title);
    let (busy, stolen) = machine_seconds();
    // A server that ended in the subject before is started again.
    let outcome = bench.peers.configure(&[]).and_then(|()| (subject.run)(bench, &mut section));
    if let Err(why) = outcome {
        section.figures.push(Figure::without(subject.name, why.into()));
    }
    let (busy, stolen) = (machine_seconds().0 - busy, machine_seconds().1 - stolen);
    let share = 100.0 * stolen / (busy + stolen).max(1.0);
    let circumstances = format!("{what}; {share:.0} % of the processors' time went to other machines.");
    let right = !section.figures.iter().any(Figure::is_wrong);
    (section.text(&circumstances), right)
}

fn write(path: &Path, subject: &Subject, text: &str) -> Result<(), String> {
    let titles = SUBJECTS.map(|s| s.title);
    results::write(path, subject.title, text, &titles)
}

/// Date, commit, machine, rounds.
fn described(options: &Options) -> String {
    let said = |program: &str, args: &[&str]| {
        let out = Command::new(program).args(args).current_dir(paths::workspace()).output();
        out.map_or(String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let mut commit = format!("commit {}", said("git", &["rev-parse", "--short", "HEAD"]));
    if !said("git", &["status", "--porcelain", "--", "crates", "Cargo.lock", "Cargo.toml"]).is_empty() {
        commit.push_str(" with changes");
    }
    if let Some(binary) = std::env::var_os("QUARRY_BIN") {
        commit = format!("the server {} (tree at {commit})", binary.to_string_lossy());
    }
    let size = if options.quick { "small sizes, " } else { "" };
    format!(
        "{}, {commit}, {size}rounds: {}, {} s each; {}, load before the run {:.1}",
        said("date", &["-u", "+%Y-%m-%d"]),
        options.rounds(),
        options.seconds(),
        machine(),
        load()
    )
}

/// Thousands of connections need as many files, here and in the servers, which inherit the limit.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        eprintln!("the limit of open files stays: {e}");
    }
}
