//! A private PostgreSQL 15, the reference that golden answers are recorded from.
//!
//! Its folder is made with the locale and settings that the answers assume. PostgreSQL refuses to run as root, so a
//! root user runs it as `postgres`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::psql::Target;
use crate::server::free_port;
use crate::temp::TempDir;
use crate::{paths, psql};

/// A running PostgreSQL 15, stopped and removed on drop.
#[derive(Debug)]
pub struct Postgres {
    data: PathBuf,
    port: u16,
    running: bool,
    // Held so that a folder made by `Postgres::start` lives as long as its server.
    owned: Option<TempDir>,
}

impl Postgres {
    /// Makes a new cluster and starts it, without durability.
    pub fn start() -> Result<Postgres, String> {
        Postgres::start_with(&[("fsync", "off"), ("max_prepared_transactions", "10")])
    }

    /// Makes a new cluster and starts it with settings.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Postgres, String> {
        let dir = TempDir::new("postgres");
        let data = Postgres::make_folder(dir.path())?;
        let mut postgres = Postgres::launch(&data, free_port(), settings, &["-w"])?;
        postgres.owned = Some(dir);
        let version = psql::execute(&postgres.target(), "postgres", "SHOW server_version")?;
        if !version.starts_with("15") {
            return Err(format!("the reference is PostgreSQL 15, but {} is installed", version.trim()));
        }
        Ok(postgres)
    }

    /// Makes a new cluster `data` in a folder, which becomes the server's user's.
    pub fn make_folder(parent: &Path) -> Result<PathBuf, String> {
        let initdb = paths::postgres_tool("initdb");
        if !paths::has_tool(&initdb) {
            return Err("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)".to_owned());
        }
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(parent))?;
        }
        let data = parent.join("data");
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
        Ok(data)
    }

    /// Starts on a cluster that is there, which may have been killed, without waiting until it answers.
    pub fn spawn(data: &Path, port: u16, settings: &[(&str, &str)]) -> Result<Postgres, String> {
        Postgres::launch(data, port, settings, &["-W"])
    }

    fn launch(data: &Path, port: u16, settings: &[(&str, &str)], how: &[&str]) -> Result<Postgres, String> {
        let mut options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=UTC");
        settings.iter().for_each(|(name, value)| options.push_str(&format!(" -c {name}={value}")));
        run(as_postgres(&paths::postgres_tool("pg_ctl"))
            .arg("-D")
            .arg(data)
            .args(how)
            .arg("-l")
            .arg(data.join("server.log"))
            .args(["-o", &options, "start"]))?;
        Ok(Postgres { data: data.to_owned(), port, running: true, owned: None })
    }

    /// Stops it as an administrator would, with a checkpoint.
    pub fn terminate(mut self) -> Result<(), String> {
        self.running = false;
        self.stop("fast")
    }

    /// Ends all of its processes at once (SIGKILL), as a power cut would, and waits until they are gone.
    pub fn kill_9(mut self) -> Result<(), String> {
        let pid = self.pid()?;
        self.running = false;
        let mut all = children(pid);
        // The first one first, so that it can't begin to recover.
        all.insert(0, pid);
        for pid in &all {
            if let Some(pid) = rustix::process::Pid::from_raw(*pid as i32) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        while all.iter().any(|pid| is_alive(*pid)) {
            if Instant::now() >= deadline {
                return Err("PostgreSQL's processes don't end".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn stop(&self, mode: &str) -> Result<(), String> {
        run(as_postgres(&paths::postgres_tool("pg_ctl"))
            .arg("-D")
            .arg(&self.data)
            .args(["-t", "300", "-m", mode, "stop"]))
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
        if !self.running {
            return;
        }
        if let Err(e) = self.stop("immediate") {
            eprintln!("PostgreSQL was not stopped: {e}");
        }
    }
}

/// Processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, p)| p == parent)).collect()
}

/// False for one that has ended, also if nobody has asked how.
fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// A process's state and parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
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
