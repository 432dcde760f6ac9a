//! Running a spec against a server: what every step prints, which steps wait, when they come through.
//!
//! A step that is neither finished nor waiting for another session's lock is asked about again until it is one of both; the
//! server itself says whether it waits (`pg_isolation_test_session_is_blocked`). So the text doesn't depend on how fast
//! anything is. After each step those that waited are looked at again, until none of them comes through any more.

use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::spec::{Spec, Turn};
use crate::psql::Target;
use crate::wire::{Column, Connection, Message, Report};

/// How long one step may take, waiting not counted.
const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How long the last steps of a permutation may wait.
const END_LIMIT: Duration = Duration::from_secs(20);
/// First pause before a step is asked about; it doubles up to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
const CONTROL: usize = 0;
/// Every server has it, and no spec runs in it.
const WATCHERS_DATABASE: &str = "postgres";
/// Between permutations: what a spec has made is gone, whatever it was.
const FRESH_SCHEMA: &str =
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC";

/// One connection with what it said since it was asked.
struct Client {
    connection: Connection,
    /// The result so far.
    text: String,
    /// Notifications that came meanwhile. When exactly an idle session hears of them is open: they are printed after the results.
    notified: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    /// A query is under way.
    busy: bool,
    /// State of its transaction block, as of the last answer.
    block: u8,
    closed: bool,
}

struct Runner<'a> {
    spec: &'a Spec,
    /// The control connection, the sessions, and the one that asks who waits.
    clients: Vec<Client>,
    names: Vec<String>,
    messages: Receiver<(usize, Message)>,
    out: String,
}

/// What a look at a running step found.
#[derive(PartialEq)]
enum Look {
    Ended,
    Waits,
}

/// Runs all permutations in this database; what they print.
pub fn run(spec: &Spec, target: &Target, database: &str) -> Result<String, String> {
    let (sender, messages) = channel();
    let mut names = vec!["control".to_owned()];
    names.extend(spec.sessions.iter().map(|s| s.name.clone()));
    let mut clients = names
        .iter()
        .enumerate()
        .map(|(i, name)| Client::open(target, database, i, name, &sender))
        .collect::<Result<Vec<_>, _>>()?;
    // From another database: its snapshots must not be among those that commands of this one wait for and count.
    clients.push(Client::open(target, WATCHERS_DATABASE, clients.len(), "watcher", &sender)?);
    names.push("watcher".to_owned());
    let mut runner = Runner { spec, clients, names, messages, out: String::new() };
    let nothing = (String::new(), vec![String::new()]);
    let (variable, values) = spec.variants.as_ref().unwrap_or(&nothing);
    for value in values {
        for turns in &spec.permutations {
            if !runner.out.is_empty() {
                runner.out.push('\n');
            }
            if !variable.is_empty() {
                let _ = writeln!(runner.out, "{variable}: {value}");
            }
            let marked = format!("${variable}");
            let expand =
                |sql: &str| if variable.is_empty() { sql.to_owned() } else { sql.replace(&marked, value) };
            runner.permutation(turns, &expand).map_err(|e| format!("{e}\nafter\n{}", tail(&runner.out)))?;
        }
    }
    Ok(runner.out)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

impl Client {
    fn open(
        target: &Target,
        database: &str,
        number: usize,
        name: &str,
        sender: &Sender<(usize, Message)>,
    ) -> Result<Client, String> {
        let parameters = [
            ("user", "postgres"),
            ("database", database),
            ("application_name", name),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
        ];
        let connection = Connection::open(target, &parameters, number, sender.clone())?;
        Ok(Client {
            connection,
            text: String::new(),
            notified: String::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            busy: false,
            block: b'I',
            closed: false,
        })
    }

    fn print_table(&mut self) {
        let columns = std::mem::take(&mut self.columns);
        let rows = std::mem::take(&mut self.rows);
        let width = |i: usize| {
            let cells =
                rows.iter().filter_map(|r| r.get(i)).map(|c| c.as_deref().unwrap_or("").chars().count());
            cells.chain([columns[i].name.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        let line = |cells: Vec<String>| format!("{}\n", cells.join("|").trim_end());
        let heads = columns.iter().zip(&widths).map(|(c, w)| format!("{:<w$}", c.name, w = *w));
        self.text.push_str(&line(heads.collect()));
        self.text.push_str(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("+"));
        self.text.push('\n');
        for row in &rows {
            let cells = row.iter().zip(&columns).zip(&widths).map(|((cell, column), w)| {
                let cell = cell.as_deref().unwrap_or("");
                if is_number(column.type_oid) {
                    format!("{cell:>w$}", w = *w)
                } else {
                    format!("{cell:<w$}", w = *w)
                }
            });
            self.text.push_str(&line(cells.collect()));
        }
        let _ = writeln!(self.text, "({} row{})", rows.len(), if rows.len() == 1 { "" } else { "s" });
    }
}

/// int2, int4, int8, oid, xid, xid8, float4, float8, numeric.
fn is_number(oid: u32) -> bool {
    [20, 21, 23, 26, 28, 5069, 700, 701, 1700].contains(&oid)
}

impl Runner<'_> {
    fn permutation(&mut self, turns: &[Turn], expand: &dyn Fn(&str) -> String) -> Result<(), String> {
        let spec = self.spec;
        let steps: Vec<String> = turns
            .iter()
            .map(|t| format!("{}{}", spec.steps[t.step].name, if t.ends_by_itself { "!" } else { "" }))
            .collect();
        let _ = writeln!(self.out, "permutation: {}", steps.join(" "));
        for sql in &spec.setup {
            self.quiet(CONTROL, &expand(sql))?;
        }
        for (i, session) in spec.sessions.iter().enumerate() {
            for sql in &session.setup {
                self.quiet(i + 1, &expand(sql))?;
            }
        }
        // Steps that wait, the one that has waited longest first.
        let mut waiting: Vec<usize> = Vec::new();
        for turn in turns {
            let step = &spec.steps[turn.step];
            let client = step.session + 1;
            if let Some(at) = waiting.iter().position(|w| spec.steps[*w].session == step.session) {
                if self.look(client, false)? == Look::Waits {
                    let earlier = &spec.steps[waiting[at]].name;
                    return Err(format!("step {} can't start, {earlier} still waits", step.name));
                }
                self.print_late(waiting.remove(at));
            }
            let sql = expand(&step.sql);
            self.start(client, &sql)?;
            match self.look(client, turn.ends_by_itself)? {
                Look::Ended => {
                    let _ = writeln!(self.out, "step {}: {sql}", step.name);
                    self.print_result(client);
                }
                Look::Waits => {
                    let _ = writeln!(self.out, "step {}: {sql} <waiting ...>", step.name);
                    waiting.push(turn.step);
                }
            }
            if let Some(at) = turn.ends.and_then(|step| waiting.iter().position(|w| *w == step)) {
                let step = waiting.remove(at);
                self.look(spec.steps[step].session + 1, true)?;
                self.print_late(step);
            }
            self.collect(&mut waiting)?;
        }
        let end = Instant::now() + END_LIMIT;
        while !waiting.is_empty() && Instant::now() < end {
            self.collect(&mut waiting)?;
        }
        if let Some(step) = waiting.first() {
            return Err(format!("step {} waits for ever", spec.steps[*step].name));
        }
        self.clean_up(expand)
    }

    fn clean_up(&mut self, expand: &dyn Fn(&str) -> String) -> Result<(), String> {
        let spec = self.spec;
        for (i, session) in spec.sessions.iter().enumerate() {
            let client = i + 1;
            self.wait_for_answer(client, STEP_LIMIT)?;
            if self.clients[client].closed {
                return Err(format!("session {} lost its connection", session.name));
            }
            for sql in &session.teardown {
                self.quiet(client, &expand(sql))?;
            }
        }
        // First all ends of blocks: what follows may have to wait for them.
        for client in 1..self.watcher() {
            if self.clients[client].block != b'I' {
                self.quiet(client, "ROLLBACK")?;
            }
        }
        for client in 1..self.watcher() {
            self.quiet(client, "DISCARD ALL")?;
            self.clients[client].text.clear();
            self.clients[client].notified.clear();
        }
        for sql in &spec.teardown {
            self.quiet(CONTROL, &expand(sql))?;
        }
        self.quiet(CONTROL, FRESH_SCHEMA)?;
        self.clients[CONTROL].text.clear();
        Ok(())
    }

    /// Prints the steps that have come through, until no other one does.
    fn collect(&mut self, waiting: &mut Vec<usize>) -> Result<(), String> {
        let mut at = 0;
        while at < waiting.len() {
            let step = waiting[at];
            if self.look(self.spec.steps[step].session + 1, false)? == Look::Ended {
                waiting.remove(at);
                self.print_late(step);
                at = 0;
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn print_late(&mut self, step: usize) {
        let step = &self.spec.steps[step];
        let _ = writeln!(self.out, "step {}: <... completed>", step.name);
        self.print_result(step.session + 1);
    }

    fn print_result(&mut self, client: usize) {
        let c = &mut self.clients[client];
        let text = std::mem::take(&mut c.text) + &std::mem::take(&mut c.notified);
        self.out.push_str(&text);
    }

    fn start(&mut self, client: usize, sql: &str) -> Result<(), String> {
        let c = &mut self.clients[client];
        if c.closed {
            return Err(format!("session {} has no connection any more", self.names[client]));
        }
        c.busy = true;
        c.connection.send(sql)
    }

    /// Looks at a running step until it has ended or waits for a lock of one of the sessions.
    fn look(&mut self, client: usize, ends_by_itself: bool) -> Result<Look, String> {
        let limit = Instant::now() + STEP_LIMIT;
        let mut pause = FIRST_PAUSE;
        loop {
            if self.wait_for_answer(client, pause)? {
                return Ok(Look::Ended);
            }
            if !ends_by_itself && self.is_blocked(client)? {
                return Ok(Look::Waits);
            }
            if Instant::now() >= limit {
                return Err(format!("session {} neither ends nor waits", self.names[client]));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The last of the clients.
    fn watcher(&self) -> usize {
        self.clients.len() - 1
    }

    fn is_blocked(&mut self, client: usize) -> Result<bool, String> {
        let pids: Vec<String> =
            self.clients[1..self.watcher()].iter().map(|c| c.connection.pid.to_string()).collect();
        let pid = self.clients[client].connection.pid;
        let sql = format!(
            "SELECT pg_catalog.pg_isolation_test_session_is_blocked({pid}, '{{{}}}')",
            pids.join(",")
        );
        let watcher = self.watcher();
        self.start(watcher, &sql)?;
        if !self.wait_for_answer(watcher, STEP_LIMIT)? {
            return Err("the question who waits gets no answer".to_owned());
        }
        let text = std::mem::take(&mut self.clients[watcher].text);
        if text.starts_with("ERROR") {
            return Err(format!("{sql}: {text}"));
        }
        Ok(text.lines().nth(2).map(str::trim) == Some("t"))
    }

    /// Runs SQL of the frame around the steps; only errors are shown.
    fn quiet(&mut self, client: usize, sql: &str) -> Result<(), String> {
        self.start(client, sql)?;
        if !self.wait_for_answer(client, STEP_LIMIT)? {
            return Err(format!("session {}: no end of {sql}", self.names[client]));
        }
        let text = std::mem::take(&mut self.clients[client].text);
        if text.lines().any(|l| l.starts_with("ERROR")) {
            return Err(format!("session {}: {sql}: {text}", self.names[client]));
        }
        Ok(())
    }

    /// Takes messages of all connections; true as soon as this one has its answer.
    fn wait_for_answer(&mut self, client: usize, limit: Duration) -> Result<bool, String> {
        let end = Instant::now() + limit;
        while self.clients[client].busy {
            let left = end.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok((from, message)) => self.take(from, message),
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => return Err("all connections are gone".to_owned()),
            }
        }
        Ok(true)
    }

    fn take(&mut self, from: usize, message: Message) {
        match message {
            Message::Error(report) | Message::Notice(report) => {
                let text = self.describe(&self.names[from], &report);
                self.clients[from].text.push_str(&text);
            }
            Message::Notification { pid, channel, payload } => {
                let sender = self.name_of(pid).unwrap_or("?").to_owned();
                let text = format!(
                    "{}: NOTIFY \"{channel}\" with payload \"{payload}\" from {sender}\n",
                    self.names[from]
                );
                self.clients[from].notified.push_str(&text);
            }
            Message::Columns(columns) => self.clients[from].columns = columns,
            Message::Row(row) => self.clients[from].rows.push(row),
            Message::Done(_) if !self.clients[from].columns.is_empty() => self.clients[from].print_table(),
            Message::Ready(block) => {
                let client = &mut self.clients[from];
                client.block = block;
                client.busy = false;
                client.rows.clear();
                client.columns.clear();
            }
            Message::Closed => {
                let client = &mut self.clients[from];
                client.closed = true;
                if client.busy {
                    client.text.push_str("(the connection is closed)\n");
                    client.busy = false;
                }
            }
            Message::Done(_) | Message::Other(_) => {}
        }
    }

    fn name_of(&self, pid: i32) -> Option<&str> {
        let at = self.clients.iter().position(|c| c.connection.pid == pid)?;
        Some(&self.names[at])
    }

    fn describe(&self, session: &str, report: &Report) -> String {
        let mut text = String::new();
        let is_error = ["ERROR", "FATAL", "PANIC"].contains(&report.severity.as_str());
        if is_error {
            let _ = writeln!(text, "{}:  {}: {}", report.severity, report.code, report.message);
        } else {
            let _ = writeln!(text, "{session}: {}:  {}", report.severity, self.mask(&report.message));
        }
        // Why a serialization failure was found is an implementation's own affair.
        if !report.detail.is_empty() && !report.detail.starts_with("Reason code") {
            for line in self.mask(&report.detail).lines() {
                let _ = writeln!(text, "DETAIL:  {line}");
            }
        }
        if is_error && !report.hint.is_empty() {
            let _ = writeln!(text, "HINT:  {}", report.hint);
        }
        text
    }

    /// Process ids become names of sessions, other numbers that differ from run to run become `N`.
    fn mask(&self, text: &str) -> String {
        let mut masked = String::new();
        let mut before = "";
        for word in text.split_inclusive(' ') {
            // A virtual transaction has two numbers.
            let in_number = |b: &u8| b.is_ascii_digit() || (before == "transaction " && *b == b'/');
            let digits = word.bytes().take_while(in_number).count();
            let (number, rest) = word.split_at(digits);
            match before.to_ascii_lowercase().as_str() {
                "process " if digits > 0 => {
                    masked.push_str(number.parse().ok().and_then(|pid| self.name_of(pid)).unwrap_or("N"));
                    masked.push_str(rest);
                }
                "transaction " | "relation " | "database " | "pid " if digits > 0 => {
                    masked.push('N');
                    masked.push_str(rest);
                }
                "tuple " if word.starts_with('(') => masked.push_str("(N,N) "),
                "lock " if word.starts_with('[') => {
                    // [database, high, low, kind]
                    let rest = word.split_once(',').map_or("", |(_, rest)| rest);
                    let _ = write!(masked, "[N,{rest}");
                }
                _ => masked.push_str(word),
            }
            before = word;
            if let Some((_, last)) = word.rsplit_once('\n') {
                before = last;
            }
        }
        masked
    }
}
