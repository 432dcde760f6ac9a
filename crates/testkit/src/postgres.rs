//! A private PostgreSQL 15, the reference that golden answers are recorded from.
//!
//! Its folder is made with the locale and settings that the answers assume. PostgreSQL refuses to run as root, so a
//! root user runs it as `postgres`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::psql::Target;
use crate::server::free_port;
use crate::temp::TempDir;
use crate::{paths, psql};

/// A running PostgreSQL 15, stopped and removed on drop.
#[derive(Debug)]
pub struct Postgres {
    data: PathBuf,
    port: u16,
    _dir: TempDir,
}

impl Postgres {
    /// Makes a new cluster and starts it, without durability.
    pub fn start() -> Result<Postgres, String> {
        Postgres::start_with(&[("fsync", "off"), ("max_prepared_transactions", "10")])
    }

    /// Makes a new cluster and starts it with settings.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Postgres, String> {
        let initdb = paths::postgres_tool("initdb");
        if !paths::has_tool(&initdb) {
            return Err("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)".to_owned());
        }
        let dir = TempDir::new("postgres");
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(dir.path()))?;
        }
        let data = dir.path().join("data");
        run(as_postgres(&initdb).arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]))?;
        let port = free_port();
        let mut options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC");
        settings.iter().for_each(|(name, value)| options.push_str(&format!(" -c {name}={value}")));
        run(as_postgres(&paths::postgres_tool("pg_ctl"))
            .arg("-D")
            .arg(&data)
            .arg("-w")
            .arg("-l")
            .arg(dir.path().join("data/server.log"))
            .args(["-o", &options, "start"]))?;
        let postgres = Postgres { data, port, _dir: dir };
        let version = psql::execute(&postgres.target(), "postgres", "SHOW server_version")?;
        if !version.starts_with("15") {
            return Err(format!("the reference is PostgreSQL 15, but {} is installed", version.trim()));
        }
        Ok(postgres)
    }

    /// The process that the others descend from.
    pub fn pid(&self) -> Result<u32, String> {
        let path = self.data.join("postmaster.pid");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let first = text.lines().next().and_then(|line| line.trim().parse().ok());
        first.ok_or_else(|| format!("{} holds no process id", path.display()))
    }

    /// For psql.
    pub fn target(&self) -> Target {
        Target::local(self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stop = run(as_postgres(&paths::postgres_tool("pg_ctl")).arg("-D").arg(&self.data).args([
            "-m",
            "immediate",
            "stop",
        ]));
        if let Err(e) = stop {
            eprintln!("PostgreSQL was not stopped: {e}");
        }
    }
}

fn as_postgres(program: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut runuser = Command::new("runuser");
        runuser.args(["-u", "postgres", "--"]).arg(program);
        runuser
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C.UTF-8").current_dir("/");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    // Not `output()`: the started server would inherit the pipes and keep them open.
    let log = TempDir::new("command");
    let path = log.path().join("output");
    let file = std::fs::File::create(&path).map_err(|e| e.to_string())?;
    let status = command
        .stdout(file.try_clone().map_err(|e| e.to_string())?)
        .stderr(file)
        .status()
        .map_err(|e| format!("{:?} can't be run: {e}", command.get_program()))?;
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    Err(format!("{:?} failed: {}", command.get_program(), said.trim()))
}
