//! A Quarry server as a child process: start and wait until it answers, kill it as a power cut would, stop it
//! as an administrator would.
//!
//! Every server has a data folder and a port of its own, so tests run at the same time. Dropping a [`Server`]
//! kills it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::paths;
use crate::psql::Target;
use crate::temp::TempDir;

/// How long a start (with recovery) or a stop (with a checkpoint) may take. A debug build on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    // Held so that a folder made by `Server::fresh` lives as long as its server.
    owned: Option<TempDir>,
}

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Settings given as `-c name=value`.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// Adds a setting.
    pub fn with(mut self, name: &str, value: &str) -> Options {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Server {
    /// A server on a new empty data folder that is removed with it.
    pub fn fresh(label: &str) -> Server {
        Server::fresh_with(label, &Options::default())
    }

    /// Like [`Server::fresh`], with settings.
    pub fn fresh_with(label: &str, options: &Options) -> Server {
        let dir = TempDir::new(label);
        let mut server = Server::start(&dir.path().join("data"), options).unwrap_or_else(|e| panic!("{e}"));
        server.owned = Some(dir);
        server
    }

    /// Starts a server on a data folder, which may be new or left by an earlier one, and waits until it answers.
    pub fn start(data: &Path, options: &Options) -> Result<Server, String> {
        // The port is free when chosen; if another process takes it before the server does, choose again.
        let mut last = String::new();
        for _ in 0..3 {
            let port = free_port();
            let mut server = Server::spawn(data, port, options)?;
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                Err(e) => last = e,
            }
            let taken = server.log_text().to_lowercase();
            if !(taken.contains("in use") || taken.contains("eaddrinuse")) {
                break;
            }
        }
        Err(last)
    }

    /// Starts the process without waiting for it.
    pub fn spawn(data: &Path, port: u16, options: &Options) -> Result<Server, String> {
        let log = data.with_extension("log");
        if let Some(parent) = data.parent() {
            std::fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
        }
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|e| format!("{}: {e}", log.display()))?;
        let err = out.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(paths::server_binary());
        command.arg("start").arg("-D").arg(data).args(["--listen", "127.0.0.1", "--port", &port.to_string()]);
        // The default takes a quarter of the machine, and several servers run at once. Later settings win.
        command.args(["-c", "shared_buffers=64MB"]);
        for (name, value) in &options.settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| format!("{} can't be run: {e}", paths::server_binary().display()))?;
        Ok(Server { child, port, data: data.to_owned(), log, owned: None })
    }

    /// Waits until the server answers a startup message, or says why it never will.
    pub fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status}; its log:\n{}", self.log_text()));
            }
            if answers(self.port) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("the server does not answer; its log:\n{}", self.log_text()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// For psql.
    pub fn target(&self) -> Target {
        Target::local(self.port)
    }

    /// A connection string for the superuser and this database.
    pub fn url(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// False once the process has ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What the server has written to its standard output and error (the last part of it).
    pub fn log_text(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let from = bytes.len().saturating_sub(16 << 10);
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }

    /// Ends the process at once (SIGKILL), so that nothing that it held in memory is written.
    pub fn kill_9(mut self) -> Option<TempDir> {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        self.owned.take()
    }

    /// Asks for a clean shutdown (SIGTERM) and waits for the end. Gives back the folder if it was made by `fresh`.
    pub fn terminate(mut self) -> Result<(ExitStatus, Option<TempDir>), String> {
        self.signal(rustix::process::Signal::TERM)?;
        let status = self.wait_for_end()?;
        Ok((status, self.owned.take()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<(), String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).map_err(|e| format!("signal {signal:?}: {e}"))
    }

    /// Waits for the process to end by itself, within a limit.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(format!("the server does not end; its log:\n{}", self.log_text()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("log of the server at port {}:\n{}", self.port, self.log_text());
        }
    }
}

/// A port that no one listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// True if a server at the port answers a startup message with anything but "starting up".
pub fn answers(port: u16) -> bool {
    first_answer(port).is_some_and(|answer| answer != *b"57P03")
}

/// The SQLSTATE of the error that a server sends first, or zeros if it sends something else.
fn first_answer(port: u16) -> Option<[u8; 5]> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(&startup_message(&[("user", "postgres"), ("database", "postgres")])).ok()?;
    let mut head = [0u8; 5];
    stream.read_exact(&mut head).ok()?;
    if head[0] != b'E' {
        return Some([b'0'; 5]);
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut body = vec![0; length.clamp(4, 1 << 16) - 4];
    stream.read_exact(&mut body).ok()?;
    let code = body.split(|b| *b == 0).find(|field| field.first() == Some(&b'C'))?;
    code.get(1..6)?.try_into().ok()
}

/// A startup message of protocol 3.0.
pub fn startup_message(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        for text in [name, value] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.append(&mut body);
    message
}
