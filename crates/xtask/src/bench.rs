//! `cargo xtask bench`: measures a release build of the server beside PostgreSQL 15 (`benches/src` has the cases).
//!
//! The measuring program is built for release too, and as a program of its own: its clients must not cost what is measured.

use std::process::Command;

use quarry_testkit::paths;

/// Builds both and runs the measurements with these options. `QUARRY_BIN` names another server than the tree's.
pub fn run(options: &[String]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let in_tree = || {
        let mut command = Command::new(&cargo);
        command.current_dir(paths::workspace());
        command
    };
    if std::env::var_os("QUARRY_BIN").is_none() {
        run_to_end(in_tree().args(["build", "-q", "--release", "-p", "quarry"]))?;
    }
    let program = ["run", "-q", "--release", "-p", "quarry-benches", "--bin", "side-by-side", "--"];
    run_to_end(in_tree().args(program).args(options))
}

fn run_to_end(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{:?} can't be run: {e}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}
