//! The two servers that are compared: equal settings, folders of their own, never busy at the same time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;
use quarry_testkit::server::{self, Options, Server, free_port};
use quarry_testkit::temp::TempDir;

use crate::processes;

/// What both servers are given: memory for the data set, room in the log, the clients of nearly every case, durable commits.
/// Parallel workers stay as PostgreSQL has them.
pub const SETTINGS: [(&str, &str); 8] = [
    ("shared_buffers", "2GB"),
    ("work_mem", "64MB"),
    ("maintenance_work_mem", "512MB"),
    ("max_wal_size", "4GB"),
    ("effective_cache_size", "12GB"),
    ("max_connections", "600"),
    ("random_page_cost", "1.1"),
    ("fsync", "on"),
];
/// The longest that a start, with recovery, may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The server that is measured.
    Quarry,
    /// The server that it is compared with.
    Postgres,
}

impl Side {
    /// Both.
    pub const BOTH: [Side; 2] = [Side::Quarry, Side::Postgres];

    /// Both, in the order of a round: it turns, so that neither is always first.
    pub fn in_round(round: usize) -> [Side; 2] {
        let mut both = Side::BOTH;
        both.rotate_left(round % 2);
        both
    }
}

/// A running server of either side.
#[derive(Debug)]
pub enum Instance {
    /// Ours.
    Quarry(Server),
    /// PostgreSQL, with its port.
    Postgres(Postgres),
}

impl Instance {
    /// Starts a side on a data folder without waiting until it answers.
    pub fn spawn(side: Side, data: &Path, settings: &[(String, String)]) -> Result<Instance, String> {
        let port = free_port();
        match side {
            Side::Quarry => {
                let options =
                    settings.iter().fold(Options::default(), |o, (name, value)| o.with(name, value));
                Server::spawn(data, port, &options).map(Instance::Quarry)
            }
            Side::Postgres => {
                let mut all: Vec<(&str, &str)> = vec![("jit", "off")];
                all.extend(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                Postgres::spawn(data, port, &all).map(Instance::Postgres)
            }
        }
    }

    /// Waits until it answers a startup message with anything but "starting up".
    pub fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let port = self.target().port;
        while !server::answers(port) {
            if let Instance::Quarry(server) = self
                && !server.is_alive()
            {
                return Err(format!("the server ended; its log:\n{}", server.log_text()));
            }
            if Instant::now() >= deadline {
                return Err(format!("the server at port {port} doesn't answer"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Where clients connect.
    pub fn target(&self) -> Target {
        match self {
            Instance::Quarry(server) => server.target(),
            Instance::Postgres(postgres) => postgres.target(),
        }
    }

    /// The process, or the one that the others descend from.
    pub fn pid(&self) -> Result<u32, String> {
        match self {
            Instance::Quarry(server) => Ok(server.pid()),
            Instance::Postgres(postgres) => postgres.pid(),
        }
    }

    /// Stops it with a checkpoint.
    pub fn terminate(self) -> Result<(), String> {
        match self {
            Instance::Quarry(server) => server.terminate().map(drop),
            Instance::Postgres(postgres) => postgres.terminate(),
        }
    }

    /// Ends it as a power cut would.
    pub fn kill_9(self) -> Result<(), String> {
        match self {
            Instance::Quarry(server) => {
                server.kill_9();
                Ok(())
            }
            Instance::Postgres(postgres) => postgres.kill_9(),
        }
    }
}

/// Quarry and PostgreSQL, both running.
#[derive(Debug)]
pub struct Peers {
    instances: [Option<Instance>; 2],
    folders: [PathBuf; 2],
    /// Besides [`SETTINGS`].
    more: Vec<(String, String)>,
    // Removed after the servers are gone: fields are dropped in their order.
    _homes: [TempDir; 2],
}

impl Peers {
    /// Starts both on new data folders.
    pub fn start(more: &[(&str, &str)]) -> Result<Peers, String> {
        let homes = [TempDir::new("bench-quarry"), TempDir::new("bench-postgres")];
        let folders = [homes[0].path().join("data"), Postgres::make_folder(homes[1].path())?];
        let more = owned(more);
        let mut peers = Peers { instances: [None, None], folders, more, _homes: homes };
        peers.launch()?;
        Ok(peers)
    }

    fn launch(&mut self) -> Result<(), String> {
        let settings = with_defaults(&self.more);
        for side in Side::BOTH {
            let mut instance = Instance::spawn(side, &self.folders[side as usize], &settings)?;
            instance.wait_until_ready()?;
            self.instances[side as usize] = Some(instance);
        }
        Ok(())
    }

    /// Has both run with these settings besides [`SETTINGS`]: starts them again unless they do.
    pub fn configure(&mut self, more: &[(&str, &str)]) -> Result<(), String> {
        let more = owned(more);
        let answers = |i: &Option<Instance>| i.as_ref().is_some_and(|i| server::answers(i.target().port));
        if self.more == more && self.instances.iter().all(answers) {
            return Ok(());
        }
        self.more = more;
        for instance in self.instances.iter_mut().filter_map(Option::take) {
            if let Err(e) = instance.terminate() {
                // One that has crashed can't be stopped, but it can be started.
                eprintln!("a server was not stopped: {e}");
            }
        }
        self.launch()
    }

    /// Ends a side as a power cut would and gives its folder, which stays as long as this.
    pub fn kill_9(&mut self, side: Side) -> Result<PathBuf, String> {
        if let Some(instance) = self.instances[side as usize].take() {
            instance.kill_9()?;
        }
        Ok(self.folders[side as usize].clone())
    }

    fn instance(&self, side: Side) -> Result<&Instance, String> {
        self.instances[side as usize].as_ref().ok_or_else(|| format!("{side:?} isn't running"))
    }

    /// Where clients connect.
    pub fn target(&self, side: Side) -> Result<Target, String> {
        Ok(self.instance(side)?.target())
    }

    /// The data folder of a side.
    pub fn folder(&self, side: Side) -> &Path {
        &self.folders[side as usize]
    }

    /// The process of a side.
    pub fn pid(&self, side: Side) -> Result<u32, String> {
        self.instance(side)?.pid()
    }

    /// Processor time used so far by all processes of a side, those that ended included, in seconds.
    pub fn cpu_seconds(&self, side: Side) -> Result<f64, String> {
        processes::cpu_seconds(self.pid(side)?)
    }

    /// Memory of all processes of a side, in bytes.
    pub fn memory_bytes(&self, side: Side) -> Result<u64, String> {
        processes::memory_bytes(self.pid(side)?)
    }
}

/// [`SETTINGS`] and those that win over them.
pub fn with_defaults(more: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = owned(&SETTINGS);
    all.extend_from_slice(more);
    all
}

/// Settings as the starting of servers takes them.
pub fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::Side;

    #[test]
    fn the_order_turns() {
        assert_eq!(Side::in_round(0), [Side::Quarry, Side::Postgres]);
        assert_eq!(Side::in_round(1), [Side::Postgres, Side::Quarry]);
        assert_eq!(Side::in_round(2), Side::in_round(0));
    }
}
