//! A load for the checker: clients that run random transactions at one level over a few rows, while others kill them, vacuum and analyze.
//!
//! The table has rows that nobody asks for between those that are, so that keys lie on different pages of the heap and of the indexes. Each
//! writing transaction leaves its number in another table, which says in the end what became of those whose COMMIT got no answer.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::run::{Ended, Runner, parse_rows};
use super::{
    Action, Class, History, Key, Level, Lock, Made, NEVER, Op, Outcome, Report, Row, Time, Txn, Which,
};
use crate::client::{Client, Protocol};
use crate::psql::{self, Target};
use crate::rng::Rng;

/// Ids of neighbouring keys differ by this.
pub const STRIDE: i64 = 40;
/// Groups that rows are in.
pub const GROUPS: u64 = 4;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone)]
pub struct Load {
    pub level: Level,
    pub clients: usize,
    pub keys: Key,
    pub duration: Duration,
    pub seed: u64,
    /// Terminate a client's session now and then.
    pub kills: bool,
}

/// What the clients share.
#[derive(Debug)]
pub struct Shared {
    pub load: Load,
    pub start: Instant,
    elements: AtomicI64,
    fates: AtomicI64,
    pids: Vec<AtomicI32>,
    stop: AtomicBool,
}

impl Shared {
    /// The clock of the history.
    pub fn now(&self) -> Time {
        self.start.elapsed().as_nanos() as Time
    }

    /// The first of as many new elements as there are keys.
    pub fn elements(&self) -> i64 {
        self.elements.fetch_add(self.load.keys, Ordering::Relaxed)
    }

    /// A number by which a transaction can be found again.
    pub fn fate(&self) -> i64 {
        self.fates.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells who a client's session is.
    pub fn connected(&self, client: usize, pid: i32) {
        self.pids[client].store(pid, Ordering::Relaxed);
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A transaction as its client knows it.
#[derive(Debug)]
pub struct Recorded {
    pub txn: Txn,
    /// Its number in the table of fates, if it wrote.
    pub fate: Option<i64>,
    /// COMMIT was sent at this time, and no answer came.
    pub open_since: Option<Time>,
}

/// A history, and how its transactions failed.
#[derive(Debug, Default)]
pub struct Outcomes {
    pub history: History,
    /// Failed statements by SQLSTATE.
    pub failures: std::collections::BTreeMap<String, usize>,
    pub report: Report,
}

fn schema(load: &Load) -> String {
    let last = load.keys * STRIDE;
    format!(
        "DROP TABLE IF EXISTS history, fate;
         CREATE TABLE history (id int PRIMARY KEY, inc bigint, seq bigint, g int, v bigint[], pad text);
         CREATE INDEX history_g ON history (g, id);
         CREATE TABLE fate (n bigint);
         INSERT INTO history SELECT i, 0, 0, -1 - i % 50, NULL, repeat('x', 150)
         FROM generate_series(1, {last}) i WHERE i % {STRIDE} <> 0;
         INSERT INTO history SELECT k * {STRIDE}, -1 - k, 1, k % {GROUPS}, ARRAY[-1 - k], repeat('x', 150)
         FROM generate_series(0::bigint, {}, 2) k;
         ANALYZE history",
        load.keys - 1
    )
}

/// The rows that the schema inserts.
fn first_txn(load: &Load) -> Txn {
    let rows = (0..load.keys).step_by(2).map(|key| Row {
        key,
        incarnation: -1 - key,
        number: 1,
        group: key % GROUPS as i64,
        list: vec![-1 - key],
    });
    let ops = rows.map(|row| Op { action: Action::Write { row, made: Made::Insert }, sent: 0, done: 0 });
    let outcome = Outcome::Committed { sent: 0, done: 0 };
    Txn { client: load.clients, ops: ops.collect(), outcome, asynchronous: false }
}

/// Runs the load on a server's database.
pub fn run(target: &Target, database: &str, load: &Load) -> Result<Outcomes, String> {
    psql::execute(target, database, &schema(load))?;
    let shared = Shared {
        load: load.clone(),
        start: Instant::now(),
        elements: AtomicI64::new(1),
        fates: AtomicI64::new(1),
        pids: (0..load.clients).map(|_| AtomicI32::new(0)).collect(),
        stop: AtomicBool::new(false),
    };
    // Nothing of the history is at time 0 but the first rows.
    std::thread::sleep(Duration::from_millis(1));
    let mut rng = Rng::new(load.seed);
    let mut recorded = Vec::new();
    let mut outcomes = Outcomes::default();
    let mut broken = Ok(());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..load.clients)
            .map(|client| {
                let (rng, shared) = (rng.fork(), &shared);
                scope.spawn(move || {
                    Runner::connect(target, database, PATIENCE, shared, client, rng).map(Runner::work)
                })
            })
            .collect();
        let mut disturbance = rng.fork();
        let for_disturbing = &shared;
        let disturbing = scope.spawn(move || disturb(target, database, for_disturbing, &mut disturbance));
        std::thread::sleep(load.duration);
        shared.stop.store(true, Ordering::Relaxed);
        for client in clients {
            match client.join() {
                Ok(Ok(Ended { txns, failures, broken: None })) => {
                    recorded.extend(txns);
                    for (code, count) in failures {
                        *outcomes.failures.entry(code).or_default() += count;
                    }
                }
                Ok(Ok(Ended { broken: Some(e), .. }) | Err(e)) => broken = Err(e),
                Err(_) => broken = Err("a client panicked".to_owned()),
            }
        }
        if let Ok(Err(e)) = disturbing.join() {
            broken = Err(e);
        }
    });
    broken?;
    settle(target, database, &shared, recorded, &mut outcomes)?;
    Ok(outcomes)
}

/// Finds out what became of each transaction, and reads what is left.
fn settle(
    target: &Target,
    database: &str,
    shared: &Shared,
    recorded: Vec<Recorded>,
    outcomes: &mut Outcomes,
) -> Result<(), String> {
    let mut client = Client::connect(target, database, PATIENCE)?;
    // So it is shown what was acknowledged before it was durable.
    client.run("SET synchronous_commit = off", Protocol::Simple)?;
    let fates = loop {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND backend_type = 'client backend' AND state <> 'idle'";
        let busy = client.run(others, Protocol::Simple)?;
        if busy.rows.first().and_then(|r| r[0].clone()).as_deref() == Some("0") {
            break client.run("SELECT n FROM fate", Protocol::Simple)?;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let there: HashSet<i64> =
        fates.rows.iter().filter_map(|r| r[0].as_ref().and_then(|n| n.parse().ok())).collect();
    let mut txns = vec![first_txn(&shared.load)];
    for Recorded { mut txn, fate, open_since } in recorded {
        let found = fate.is_some_and(|n| there.contains(&n));
        if let Some(sent) = open_since {
            txn.outcome = if found { Outcome::Committed { sent, done: NEVER } } else { Outcome::Aborted };
        } else if fate.is_some() && found != txn.committed() {
            outcomes.report.add(Class::Fate, || {
                let outcome = if found { "there" } else { "not there" };
                format!("it is {outcome}: {}", super::depends::describe(&txn))
            });
        }
        txns.push(txn);
    }
    txns.push(last_txn(&mut client, shared)?);
    outcomes.history = History { txns, keys: 0..shared.load.keys };
    Ok(())
}

/// Reads everything.
fn last_txn(client: &mut Client, shared: &Shared) -> Result<Txn, String> {
    let sent = shared.now();
    let answer =
        client.run("SELECT id, inc, seq, g, v FROM history WHERE seq > 0 ORDER BY id", Protocol::Simple)?;
    let done = shared.now();
    let which = Which::Range(0, shared.load.keys - 1);
    let action = Action::Read { which, rows: parse_rows(&answer.rows)?, lock: Lock::None };
    Ok(Txn {
        client: shared.load.clients,
        ops: vec![Op { action, sent, done }],
        outcome: Outcome::Committed { sent: done, done: shared.now() },
        asynchronous: true,
    })
}

/// Kills sessions and keeps house.
fn disturb(target: &Target, database: &str, shared: &Shared, rng: &mut Rng) -> Result<(), String> {
    let mut client = Client::connect(target, database, PATIENCE)?;
    while !shared.stopped() {
        std::thread::sleep(Duration::from_millis(20 + rng.below(180)));
        let sql = match rng.below(10) {
            0 => "VACUUM history".to_owned(),
            1 => "ANALYZE history".to_owned(),
            2 => "CHECKPOINT".to_owned(),
            3..6 if shared.load.kills => {
                let victim = &shared.pids[rng.below(shared.pids.len() as u64) as usize];
                format!("SELECT pg_terminate_backend({})", victim.load(Ordering::Relaxed))
            }
            _ => continue,
        };
        if let Some(error) = client.run(&sql, Protocol::Simple)?.error {
            return Err(format!("{sql}: {} {}", error.code, error.message));
        }
    }
    Ok(())
}
