//! `cargo xtask bench`: measures a release build of the server beside PostgreSQL 15 (`benches/src` has the cases).
//!
//! The measuring program is built for release, as a program of its own: its clients must not cost what is measured. It builds the
//! server in its own profile, unless `QUARRY_BIN` names one.

use std::process::Command;

use quarry_testkit::paths;

/// Runs the measurements with these options.
pub fn run(options: &[String]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(paths::workspace());
    command
        .args(["run", "-q", "--release", "-p", "quarry-benches", "--bin", "side-by-side", "--"])
        .args(options);
    let status = command.status().map_err(|e| format!("cargo can't be run: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("side-by-side ended with {status}")) }
}
