//! The two servers of a side-by-side run, with the same settings, and what the system says of their processes.

use quarry_testkit::postgres::Postgres;
use quarry_testkit::psql::Target;
use quarry_testkit::server::{Options, Server};

/// What both servers are given: memory for the whole data set, room in the log, every client of the largest case.
const SETTINGS: [(&str, &str); 6] = [
    ("shared_buffers", "2GB"),
    ("work_mem", "64MB"),
    ("maintenance_work_mem", "512MB"),
    ("max_wal_size", "4GB"),
    ("effective_cache_size", "12GB"),
    ("max_connections", "1200"),
];

/// Quarry and PostgreSQL, both running.
#[derive(Debug)]
pub struct Peers {
    quarry: Server,
    postgres: Postgres,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server that is measured.
    Quarry,
    /// The server it is compared with.
    Postgres,
}

impl Side {
    /// Both, in the order of a round.
    pub const BOTH: [Side; 2] = [Side::Quarry, Side::Postgres];
}

impl Peers {
    /// Starts both on new data folders; commits are durable on both.
    pub fn start() -> Result<Peers, String> {
        let options = SETTINGS.iter().fold(Options::default(), |o, (name, value)| o.with(name, value));
        let mut settings = SETTINGS.to_vec();
        settings.extend([("fsync", "on"), ("jit", "off"), ("random_page_cost", "1.1")]);
        Ok(Peers {
            postgres: Postgres::start_with(&settings)?,
            quarry: Server::fresh_with("side-by-side", &options.with("random_page_cost", "1.1")),
        })
    }

    /// Where clients connect.
    pub fn target(&self, side: Side) -> Target {
        match side {
            Side::Quarry => self.quarry.target(),
            Side::Postgres => self.postgres.target(),
        }
    }

    /// Processor time used so far by all processes of the server, those that ended included, in seconds.
    pub fn cpu_seconds(&self, side: Side) -> Result<f64, String> {
        let (pid, with_children) = match side {
            Side::Quarry => (self.quarry.pid(), false),
            Side::Postgres => (self.postgres.pid()?, true),
        };
        let own = Stat::of(pid).ok_or("the server's process is gone")?;
        let mut ticks = own.own_ticks;
        if with_children {
            ticks += own.ended_children_ticks;
            ticks += processes()
                .filter_map(Stat::of)
                .filter(|s| s.parent == pid)
                .map(|s| s.own_ticks)
                .sum::<u64>();
        }
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Resident memory of Quarry's process, in bytes.
    pub fn quarry_resident_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/statm", self.quarry.pid());
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let pages = text.split_whitespace().nth(1).and_then(|s| s.parse::<u64>().ok());
        Ok(pages.ok_or_else(|| format!("{path} says nothing"))? * rustix::param::page_size() as u64)
    }
}

/// The fields of `/proc/PID/stat` that count here.
struct Stat {
    parent: u32,
    own_ticks: u64,
    ended_children_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|s| s.parse::<u64>().ok());
        Some(Stat {
            parent: number(1)? as u32,
            own_ticks: number(11)? + number(12)?,
            ended_children_ticks: number(13)? + number(14)?,
        })
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
