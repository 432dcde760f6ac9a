//! Where things are: the workspace, the server binary, the PostgreSQL tools, the drivers' interpreters.
//!
//! Each can be overridden by an environment variable, named in its function.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    // crates/testkit -> crates -> root; true wherever the tree was built from.
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("testkit is two folders below")
            .to_owned()
    })
}

/// Cargo's target folder (`CARGO_TARGET_DIR`, else `target`).
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

/// Where `cargo xtask` installs what the driver tests need.
pub fn test_env() -> PathBuf {
    target().join("test-env")
}

/// The server binary: `QUARRY_BIN`, or the one of the profile this test was built with, brought up to date first.
pub fn server_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("QUARRY_BIN") {
            let path = workspace().join(path);
            assert!(path.exists(), "QUARRY_BIN={} does not exist", path.display());
            return path;
        }
        build_server()
    })
}

/// Runs `cargo build` for the server. Cargo holds its lock only while it compiles, so a running test may call it.
fn build_server() -> PathBuf {
    let exe = std::env::current_exe().expect("the running test has a path");
    let release = exe.components().any(|part| part.as_os_str() == "release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(workspace()).args(["build", "-q", "-p", "quarry"]);
    if release {
        build.arg("--release");
    }
    let status = build.status().expect("cargo can be run");
    assert!(status.success(), "the server does not build");
    target().join(if release { "release" } else { "debug" }).join("quarry")
}

/// A tool of PostgreSQL 15 (`psql`, `pgbench`, `initdb`, ...): from Debian's folder for version 15 if it's there,
/// because /usr/bin has wrappers that may choose another version; else from the path.
pub fn postgres_tool(name: &str) -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql/15/bin").join(name);
    if debian.exists() { debian } else { PathBuf::from(name) }
}

/// True if the tool can be run at all.
pub fn has_tool(path: &Path) -> bool {
    Command::new(path).arg("--version").output().is_ok_and(|out| out.status.success())
}

/// The Python that has the drivers: `QUARRY_PYTHON`, else the environment that `cargo xtask setup` makes.
pub fn python() -> PathBuf {
    match std::env::var_os("QUARRY_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => require(test_env().join("venv/bin/python")),
    }
}

/// The folder whose `node_modules` holds the Node driver.
pub fn node_modules() -> PathBuf {
    match std::env::var_os("QUARRY_NODE_MODULES") {
        Some(path) => PathBuf::from(path),
        None => require(test_env().join("node/node_modules")),
    }
}

fn require(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `cargo xtask setup` first", path.display());
    path
}
