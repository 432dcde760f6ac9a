//! `cargo xtask setup`: installs what the tests need and leaves alone what is there.
//!
//! Programs come from Debian's packages (as root, or through sudo); the drivers go under `target/test-env`, at the
//! versions pinned in `tests/drivers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use quarry_testkit::paths;

/// Installs what is missing.
pub fn run() -> Result<(), String> {
    packages()?;
    python()?;
    node()
}

/// Debian packages for the programs that can't be run.
fn packages() -> Result<(), String> {
    let mut missing: Vec<&str> = Vec::new();
    if !paths::has_tool(&paths::postgres_tool("psql")) {
        missing.push("postgresql-client-15");
    }
    // Debian ships pgbench with the server.
    if !paths::has_tool(&paths::postgres_tool("pgbench")) {
        missing.push("postgresql-15");
    }
    if !python_can_make_environments() {
        missing.extend(["python3", "python3-venv", "python3-pip"]);
    }
    if !paths::has_tool(Path::new("node")) || !paths::has_tool(Path::new("npm")) {
        missing.extend(["nodejs", "npm"]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    if missing.contains(&"postgresql-15") {
        no_main_cluster()?;
    }
    as_root(&["apt-get", "update", "-q"])?;
    let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    as_root(&[&install, missing.as_slice()].concat())
}

/// The package of PostgreSQL's server would otherwise make a cluster and start it; only its tools are wanted.
fn no_main_cluster() -> Result<(), String> {
    let script = "mkdir -p /etc/postgresql-common/createcluster.d && \
                  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/quarry-tests.conf";
    as_root(&["sh", "-c", script])
}

fn python_can_make_environments() -> bool {
    let out = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
    out.is_ok_and(|out| out.status.success())
}

/// A Python environment with the drivers of `tests/drivers/python/requirements.txt`.
fn python() -> Result<(), String> {
    let wanted = paths::workspace().join("tests/drivers/python/requirements.txt");
    let dir = paths::test_env().join("venv");
    let stamp = dir.join("requirements.txt");
    if same_text(&wanted, &stamp) {
        return Ok(());
    }
    println!("installing the Python drivers");
    run_quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    let mut pip = Command::new(dir.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&wanted);
    run_quietly(&mut pip)?;
    copy(&wanted, &stamp)
}

/// The Node driver of `tests/drivers/node/package-lock.json`.
fn node() -> Result<(), String> {
    let source = paths::workspace().join("tests/drivers/node");
    let dir = paths::test_env().join("node");
    let stamp = dir.join("installed-lock.json");
    if same_text(&source.join("package-lock.json"), &stamp) {
        return Ok(());
    }
    println!("installing the Node driver");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for file in ["package.json", "package-lock.json"] {
        copy(&source.join(file), &dir.join(file))?;
    }
    run_quietly(
        Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&dir),
    )?;
    copy(&source.join("package-lock.json"), &stamp)
}

fn same_text(a: &PathBuf, b: &PathBuf) -> bool {
    matches!((std::fs::read(a), std::fs::read(b)), (Ok(a), Ok(b)) if a == b)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::copy(from, to).map(drop).map_err(|e| format!("{} -> {}: {e}", from.display(), to.display()))
}

fn as_root(args: &[&str]) -> Result<(), String> {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new(args[0]);
        command.args(&args[1..]);
        command
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive"]).args(args);
        sudo
    };
    run_quietly(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Runs a command and shows what it printed only if it failed.
fn run_quietly(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|e| format!("{program} can't be run: {e}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = [out.stdout, out.stderr].concat();
    Err(format!("{program} ended with {}:\n{}", out.status, String::from_utf8_lossy(&text).trim()))
}
