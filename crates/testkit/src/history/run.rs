//! One client of the load: random transactions, recorded statement by statement.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::load::{GROUPS, Recorded, STRIDE, Shared};
use super::{Action, Key, Level, Lock, Made, Op, Outcome, Row, Time, Txn, Which};
use crate::client::{Client, Protocol};
use crate::psql::Target;
use crate::rng::Rng;

const COLUMNS: &str = "id, inc, seq, g, v";
/// A client that overwrites a list keeps so many of its elements.
const LIST: usize = 12;

/// What a client has done.
#[derive(Debug, Default)]
pub struct Ended {
    pub txns: Vec<Recorded>,
    /// Failed statements by SQLSTATE.
    pub failures: BTreeMap<String, usize>,
    /// Why it had to give up.
    pub broken: Option<String>,
}

/// Why a transaction can't go on.
enum Stop {
    Failed,
    Gone,
    Broken(String),
}

/// A client.
pub struct Runner<'a> {
    target: &'a Target,
    database: &'a str,
    patience: Duration,
    shared: &'a Shared,
    number: usize,
    rng: Rng,
    client: Client,
    protocol: Protocol,
    asynchronous: bool,
    ended: Ended,
    // The current transaction.
    ops: Vec<Op>,
    known: HashMap<Key, Row>,
    savepoints: usize,
    wrote: bool,
    read_only: bool,
    /// When the latest statement was sent.
    asked: Time,
}

/// Rows of the usual columns.
pub fn parse_rows(rows: &[Vec<Option<String>>]) -> Result<Vec<Row>, String> {
    rows.iter().map(|row| parse_row(row).ok_or_else(|| format!("{row:?} is no row of the table"))).collect()
}

fn parse_row(row: &[Option<String>]) -> Option<Row> {
    let number = |i: usize| row.get(i)?.as_ref()?.parse::<i64>().ok();
    let list = row.get(4)?.as_ref()?.strip_prefix('{')?.strip_suffix('}')?;
    Some(Row {
        key: number(0)? / STRIDE,
        incarnation: number(1)?,
        number: number(2)?,
        group: number(3)?,
        list: list.split(',').map(|e| e.parse().ok()).collect::<Option<_>>()?,
    })
}

impl<'a> Runner<'a> {
    /// Connects a client.
    pub fn connect(
        target: &'a Target,
        database: &'a str,
        patience: Duration,
        shared: &'a Shared,
        number: usize,
        rng: Rng,
    ) -> Result<Runner<'a>, String> {
        let mut runner = Runner {
            client: Client::connect(target, database, patience)?,
            target,
            database,
            patience,
            shared,
            number,
            rng,
            protocol: if number.is_multiple_of(2) { Protocol::Simple } else { Protocol::Extended },
            asynchronous: number % 4 == 3,
            ended: Ended::default(),
            ops: Vec::new(),
            known: HashMap::new(),
            savepoints: 0,
            wrote: false,
            read_only: false,
            asked: 0,
        };
        runner.prepare()?;
        Ok(runner)
    }

    /// Makes the session's settings.
    fn prepare(&mut self) -> Result<(), String> {
        self.shared.connected(self.number, self.client.pid);
        let settings = format!(
            "SET deadlock_timeout = '50ms'; SET synchronous_commit = {}; SET enable_seqscan = {}",
            if self.asynchronous { "off" } else { "on" },
            // Most clients read by index whatever it costs.
            if self.number % 5 == 4 { "on" } else { "off" },
        );
        self.client.run(&settings, Protocol::Simple)?;
        Ok(())
    }

    /// Runs transactions until the load ends.
    pub fn work(mut self) -> Ended {
        while !self.shared.stopped() {
            match self.transaction() {
                Ok(()) | Err(Stop::Failed) => {}
                Err(Stop::Gone) => {
                    let again = Client::connect(self.target, self.database, self.patience);
                    let prepared = again.map(|client| self.client = client).and_then(|()| self.prepare());
                    // Killed again, perhaps; the next transaction finds out.
                    if prepared.is_err() {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
                Err(Stop::Broken(why)) => {
                    self.ended.broken = Some(format!("client {}: {why}", self.number));
                    break;
                }
            }
        }
        self.ended
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn key(&mut self) -> Key {
        self.rng.below(self.shared.load.keys as u64) as Key
    }

    fn one_snapshot(&self) -> bool {
        self.shared.load.level.has_one_snapshot()
    }

    fn transaction(&mut self) -> Result<(), Stop> {
        self.ops.clear();
        self.known.clear();
        (self.savepoints, self.wrote) = (0, false);
        self.read_only = self.chance(15);
        let mut begin = format!("BEGIN ISOLATION LEVEL {}", self.shared.load.level.sql());
        if self.read_only {
            begin.push_str(" READ ONLY");
            if self.shared.load.level == Level::Serializable && self.chance(20) {
                begin.push_str(" DEFERRABLE");
            }
        }
        self.ask(&begin)?;
        match self.body() {
            Ok(()) => self.end(),
            Err(stop) => {
                self.record(Outcome::Aborted, None, None);
                match stop {
                    Stop::Failed => self.ask("ROLLBACK").map(drop),
                    other => Err(other),
                }
            }
        }
    }

    fn body(&mut self) -> Result<(), Stop> {
        for _ in 0..1 + self.rng.below(6) {
            match self.step() {
                // A savepoint saves it, sometimes.
                Err(Stop::Failed) if self.savepoints > 0 && self.chance(60) => {
                    self.push(Action::Nothing, self.asked);
                    self.roll_back()?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        if self.chance(5) {
            self.record(Outcome::Aborted, None, None);
            return self.ask("ROLLBACK").map(drop);
        }
        let mut fate = None;
        if self.wrote {
            let number = self.shared.fate();
            fate = Some(number);
            if let Err(stop) = self.ask(&format!("INSERT INTO fate VALUES ({number})")) {
                self.record(Outcome::Aborted, fate, None);
                return match stop {
                    Stop::Failed => self.ask("ROLLBACK").map(drop),
                    other => Err(other),
                };
            }
        }
        let sent = self.shared.now();
        match self.ask("COMMIT") {
            Ok(_) => {
                let done = self.shared.now();
                self.record(Outcome::Committed { sent, done }, fate, None);
                Ok(())
            }
            // Without a fate nobody can tell, and nobody is concerned.
            Err(Stop::Gone) => {
                self.record(Outcome::Aborted, fate, Some(sent));
                Err(Stop::Gone)
            }
            Err(stop) => {
                self.record(Outcome::Aborted, fate, None);
                Err(stop)
            }
        }
    }

    fn record(&mut self, outcome: Outcome, fate: Option<i64>, open_since: Option<Time>) {
        let ops = std::mem::take(&mut self.ops);
        let txn = Txn { client: self.number, ops, outcome, asynchronous: self.asynchronous };
        self.ended.txns.push(Recorded { txn, fate, open_since });
    }

    /// Runs a statement.
    fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Stop> {
        self.asked = self.shared.now();
        let answer = self.client.run(sql, self.protocol).map_err(|_| Stop::Gone)?;
        let Some(error) = answer.error else { return Ok(answer.rows) };
        *self.ended.failures.entry(error.code.clone()).or_default() += 1;
        match error.code.as_str() {
            "40001" | "40P01" | "23505" | "55P03" => Err(Stop::Failed),
            // Terminated.
            "57P01" => Err(Stop::Gone),
            code => Err(Stop::Broken(format!("{sql}: {code} {}", error.message))),
        }
    }

    fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Stop> {
        let rows = self.ask(sql)?;
        parse_rows(&rows).map_err(|e| Stop::Broken(format!("{sql}: {e}")))
    }

    fn push(&mut self, action: Action, sent: Time) {
        self.ops.push(Op { action, sent, done: self.shared.now() });
    }

    fn step(&mut self) -> Result<(), Stop> {
        let kind = if self.read_only { self.rng.below(40) } else { self.rng.below(100) };
        match kind {
            0..15 => self.read_keys(),
            15..22 => self.read_range(),
            22..30 => self.read_group(),
            30..36 => self.match_group(),
            36..40 => self.savepoint(),
            40..58 => self.append(),
            58..64 => self.append_many(),
            64..74 => self.overwrite(),
            74..80 => self.upsert(),
            80..83 => self.insert(),
            83..89 => self.delete(),
            89..96 => self.lock_rows(),
            _ => self.savepoint(),
        }
    }

    fn read(&mut self, which: Which, condition: &str, lock: Lock, clause: &str) -> Result<(), Stop> {
        let sent = self.shared.now();
        let rows =
            self.rows(&format!("SELECT {COLUMNS} FROM history WHERE {condition} AND seq > 0{clause}"))?;
        self.known.extend(rows.iter().map(|r| (r.key, r.clone())));
        self.push(Action::Read { which, rows, lock }, sent);
        Ok(())
    }

    fn read_keys(&mut self) -> Result<(), Stop> {
        let (a, b) = (self.key(), self.key());
        if a == b || self.chance(60) {
            self.read(Which::Keys(vec![a]), &format!("id = {}", a * STRIDE), Lock::None, "")
        } else {
            let condition = format!("id IN ({}, {})", a * STRIDE, b * STRIDE);
            self.read(Which::Keys(vec![a, b]), &condition, Lock::None, "")
        }
    }

    fn range(&mut self) -> (Which, String) {
        let low = self.key();
        let high = (low + self.rng.below(4) as Key).min(self.shared.load.keys - 1);
        let condition = format!("id BETWEEN {} AND {}", low * STRIDE, high * STRIDE);
        (Which::Range(low, high), condition)
    }

    fn group(&mut self) -> (Which, String) {
        let group = self.rng.below(GROUPS) as i64;
        (Which::Group(group), format!("g = {group}"))
    }

    fn read_range(&mut self) -> Result<(), Stop> {
        let (which, condition) = self.range();
        let order = if self.chance(50) { " ORDER BY id DESC" } else { "" };
        self.read(which, &condition, Lock::None, order)
    }

    fn read_group(&mut self) -> Result<(), Stop> {
        let (which, condition) = self.group();
        self.read(which, &condition, Lock::None, "")
    }

    /// What an index alone can answer.
    fn match_group(&mut self) -> Result<(), Stop> {
        let (which, condition) = self.group();
        let sent = self.shared.now();
        let rows = self.ask(&format!("SELECT id FROM history WHERE {condition}"))?;
        let id = |r: &Vec<Option<String>>| r[0].as_ref().and_then(|t| t.parse::<i64>().ok());
        let keys = rows.iter().filter_map(id).map(|id| id / STRIDE).collect();
        self.push(Action::Match { which, keys }, sent);
        Ok(())
    }

    fn savepoint(&mut self) -> Result<(), Stop> {
        if self.savepoints == 0 || (self.savepoints < 3 && self.chance(40)) {
            let sent = self.shared.now();
            self.ask("SAVEPOINT s")?;
            self.savepoints += 1;
            self.push(Action::Savepoint, sent);
            Ok(())
        } else if self.chance(60) {
            self.roll_back()
        } else {
            let sent = self.shared.now();
            self.ask("RELEASE SAVEPOINT s")?;
            self.savepoints -= 1;
            self.push(Action::Release, sent);
            Ok(())
        }
    }

    fn roll_back(&mut self) -> Result<(), Stop> {
        let sent = self.shared.now();
        self.ask("ROLLBACK TO SAVEPOINT s")?;
        self.push(Action::RollbackTo, sent);
        // What was read since may be what isn't any more.
        self.known.clear();
        Ok(())
    }

    /// Records versions made by one statement; what it searched for was read with the snapshot, if there is only one.
    fn wrote(&mut self, which: Option<Which>, rows: Vec<Row>, made: Made, sent: Time) {
        if let Some(which) = which.filter(|_| self.one_snapshot()) {
            self.push(Action::Match { which, keys: rows.iter().map(|r| r.key).collect() }, sent);
        }
        if rows.is_empty() {
            self.push(Action::Nothing, sent);
        }
        for row in rows {
            self.wrote = true;
            self.known.insert(row.key, row.clone());
            self.push(Action::Write { row, made }, sent);
        }
    }

    /// Perhaps an assignment to the group.
    fn regroup(&mut self) -> String {
        if self.chance(30) { format!(", g = {}", self.rng.below(GROUPS)) } else { String::new() }
    }

    fn append(&mut self) -> Result<(), Stop> {
        let (key, regroup, element) = (self.key(), self.regroup(), self.shared.elements());
        let sent = self.shared.now();
        let rows = self.rows(&format!(
            "UPDATE history SET seq = seq + 1, v = v || {element}::bigint{regroup} WHERE id = {} RETURNING {COLUMNS}",
            key * STRIDE
        ))?;
        self.wrote(Some(Which::Keys(vec![key])), rows, Made::Append, sent);
        Ok(())
    }

    fn append_many(&mut self) -> Result<(), Stop> {
        let (which, condition) = if self.chance(50) { self.range() } else { self.group() };
        let (regroup, elements) = (self.regroup(), self.shared.elements());
        let sent = self.shared.now();
        let rows = self.rows(&format!(
            "UPDATE history SET seq = seq + 1, v = v || ({elements}::bigint + id / {STRIDE}){regroup}
             WHERE {condition} AND seq > 0 RETURNING {COLUMNS}"
        ))?;
        self.wrote(Some(which), rows, Made::Append, sent);
        Ok(())
    }

    /// Writes a list as the client made it.
    fn overwrite(&mut self) -> Result<(), Stop> {
        let mut keys: Vec<Key> = self.known.keys().copied().collect();
        keys.sort_unstable();
        if keys.is_empty() {
            return self.read_keys();
        }
        let key = keys[self.rng.below(keys.len() as u64) as usize];
        let mut list = self.known[&key].list.clone();
        list.drain(..list.len().saturating_sub(LIST));
        list.push(self.shared.elements());
        let list: Vec<String> = list.iter().map(i64::to_string).collect();
        let (list, regroup) = (list.join(","), self.regroup());
        let sent = self.shared.now();
        let rows = self.rows(&format!(
            "UPDATE history SET seq = seq + 1, v = '{{{list}}}'{regroup} WHERE id = {} RETURNING {COLUMNS}",
            key * STRIDE
        ))?;
        self.wrote(Some(Which::Keys(vec![key])), rows, Made::Overwrite, sent);
        Ok(())
    }

    /// Records what an INSERT that may have updated gave.
    fn inserted(&mut self, rows: Vec<Row>, element: i64, sent: Time) {
        let is_new = rows.first().is_some_and(|r| r.incarnation == element);
        self.wrote(None, rows, if is_new { Made::Insert } else { Made::Append }, sent);
    }

    fn values(&mut self, key: Key, element: i64) -> String {
        let group = self.rng.below(GROUPS);
        format!(
            "INSERT INTO history VALUES ({}, {element}, 1, {group}, ARRAY[{element}::bigint], repeat('x', 150))",
            key * STRIDE
        )
    }

    fn upsert(&mut self) -> Result<(), Stop> {
        let (key, element) = (self.key(), self.shared.elements());
        let (values, regroup) = (self.values(key, element), self.regroup());
        let conflict = match self.rng.below(4) {
            0 => "DO NOTHING".to_owned(),
            1 => format!(
                "DO UPDATE SET seq = history.seq + 1, v = history.v || excluded.v{regroup} WHERE history.seq < 6"
            ),
            _ => format!("DO UPDATE SET seq = history.seq + 1, v = history.v || excluded.v{regroup}"),
        };
        let sent = self.shared.now();
        let rows = self.rows(&format!("{values} ON CONFLICT (id) {conflict} RETURNING {COLUMNS}"))?;
        self.inserted(rows, element, sent);
        Ok(())
    }

    fn insert(&mut self) -> Result<(), Stop> {
        let key = self.key();
        self.insert_at(key)
    }

    fn insert_at(&mut self, key: Key) -> Result<(), Stop> {
        let element = self.shared.elements();
        let values = self.values(key, element);
        let sent = self.shared.now();
        let rows = self.rows(&format!("{values} RETURNING {COLUMNS}"))?;
        self.inserted(rows, element, sent);
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Stop> {
        let (which, condition) = if self.chance(85) {
            let key = self.key();
            (Which::Keys(vec![key]), format!("id = {}", key * STRIDE))
        } else {
            self.range()
        };
        let sent = self.shared.now();
        let rows =
            self.rows(&format!("DELETE FROM history WHERE {condition} AND seq > 0 RETURNING {COLUMNS}"))?;
        if self.one_snapshot() {
            let keys = rows.iter().map(|r| r.key).collect();
            self.push(Action::Match { which, keys }, sent);
        } else if rows.is_empty() {
            self.push(Action::Nothing, sent);
        }
        let keys: Vec<Key> = rows.iter().map(|r| r.key).collect();
        for row in rows {
            self.wrote = true;
            self.known.remove(&row.key);
            self.push(Action::Delete { row }, sent);
        }
        for key in keys {
            if self.chance(50) {
                self.insert_at(key)?;
            }
        }
        Ok(())
    }

    fn lock_rows(&mut self) -> Result<(), Stop> {
        let (which, condition) = match self.rng.below(4) {
            0 => self.range(),
            1 => self.group(),
            _ => {
                let key = self.key();
                (Which::Keys(vec![key]), format!("id = {}", key * STRIDE))
            }
        };
        let (clause, lock) = match self.rng.below(8) {
            0 => (" FOR KEY SHARE", Lock::KeyShare),
            1 => (" FOR SHARE", Lock::Excludes),
            2 | 3 => (" FOR NO KEY UPDATE", Lock::Excludes),
            4 => (" FOR UPDATE SKIP LOCKED", Lock::ExcludesSkipping),
            5 => (" FOR UPDATE NOWAIT", Lock::Excludes),
            _ => (" FOR UPDATE", Lock::Excludes),
        };
        self.read(which, &condition, lock, clause)
    }
}
