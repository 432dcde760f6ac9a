//! The server log: PostgreSQL's lines, with `log_line_prefix` before them (elog.c).
//!
//! What is logged and when the settings `log_...` say; where it goes the server decides ([`Instance::set_log`](crate::Instance)).

use crate::context::SessionContext;
use quarry_common::settings::Settings;
use quarry_common::{Error, Severity};
use quarry_sql::ast::{self, Statement};
use quarry_types::datetime::{CivilTime, TimeZone};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Takes finished lines, each with its line end.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Which statements `log_statement` means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Statements {
    None,
    /// Those that define objects.
    Ddl,
    /// Those that change rows, too.
    Mod,
    All,
}

/// The settings that every statement asks for, worked out once per change.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    pub statements: Statements,
    pub duration: bool,
    /// Milliseconds; below 0: off.
    pub min_duration: i64,
}

impl LogSettings {
    pub fn of(settings: &Settings) -> LogSettings {
        LogSettings {
            statements: match settings.text("log_statement") {
                "ddl" => Statements::Ddl,
                "mod" => Statements::Mod,
                "all" => Statements::All,
                _ => Statements::None,
            },
            duration: settings.bool("log_duration"),
            min_duration: settings.int("log_min_duration_statement"),
        }
    }
    /// Whether durations are of interest at all.
    pub fn times(&self) -> bool {
        self.duration || self.min_duration >= 0
    }
}

/// From which `log_statement` on a statement is logged (PostgreSQL: GetCommandLogLevel).
pub fn level_of(stmt: &Statement) -> Statements {
    match stmt {
        Statement::Select(q) if crate::session::has_into(q) => Statements::Ddl,
        Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::Truncate(_) => Statements::Mod,
        Statement::Copy(c) if c.from => Statements::Mod,
        Statement::Prepare(p) => level_of(&p.statement),
        Statement::Explain(e) if e.options.iter().any(|o| o.name.eq_ignore_ascii_case("analyze")) => {
            level_of(&e.statement)
        }
        Statement::Select(_)
        | Statement::Copy(_)
        | Statement::Explain(_)
        | Statement::Execute(_)
        | Statement::Deallocate(_)
        | Statement::DeclareCursor(_)
        | Statement::Fetch(_)
        | Statement::ClosePortal(_)
        | Statement::Transaction(_)
        | Statement::Set(_)
        | Statement::Show(_)
        | Statement::SetConstraints(_)
        | Statement::Lock(_)
        | Statement::Discard(_)
        | Statement::Listen(_)
        | Statement::Notify(_)
        | Statement::Unlisten(_)
        | Statement::Load(_)
        | Statement::Vacuum(_)
        | Statement::Reindex(_)
        | Statement::Checkpoint
        | Statement::Call(_)
        | Statement::Do(_) => Statements::All,
        _ => Statements::Ddl,
    }
}

/// Whether `setting` (`log_min_messages`, `log_min_error_statement`) lets a message of this severity through. To the log LOG is
/// more than ERROR; to it INFO is little.
pub fn passes(setting: &str, severity: Severity) -> bool {
    let rank = |s: Severity| match s {
        Severity::Debug => 4,
        Severity::Info => 5,
        Severity::Notice => 6,
        Severity::Warning => 7,
        Severity::Error => 8,
        Severity::Log => 9,
        Severity::Fatal => 10,
        Severity::Panic => 11,
    };
    let least = match setting {
        "debug5" | "debug4" | "debug3" | "debug2" | "debug1" | "debug" => 0,
        "info" => 5,
        "notice" => 6,
        "warning" => 7,
        "error" => 8,
        "log" => 9,
        "fatal" => 10,
        _ => 11,
    };
    rank(severity) >= least
}

/// How one statement is logged while it runs.
pub struct Timed {
    began: Instant,
    /// `log_statement` has written the text already.
    pub logged: bool,
}

impl Timed {
    pub fn start() -> Timed {
        Timed { began: Instant::now(), logged: false }
    }
    /// The line of a statement that is done, if there is to be one. `what` is "statement", "execute <unnamed>", ...
    pub fn line(&self, settings: &LogSettings, what: &str, text: &str) -> Option<String> {
        if !settings.times() {
            return None;
        }
        let spent = self.began.elapsed();
        let slow = settings.min_duration >= 0
            && spent >= Duration::from_millis(u64::try_from(settings.min_duration).unwrap_or(0));
        let ms = format!("duration: {:.3} ms", spent.as_secs_f64() * 1000.0);
        match (slow, self.logged) {
            (true, false) => Some(format!("{ms}  {what}: {text}")),
            _ if slow || settings.duration => Some(ms),
            _ => None,
        }
    }
}

impl SessionContext {
    /// Writes a LOG line of this session.
    pub fn log(&self, text: &str, detail: Option<&str>) {
        let e = Error::new(quarry_common::SqlState::SUCCESSFUL_COMPLETION, text).severity(Severity::Log);
        self.log_error(
            &match detail {
                Some(d) => e.detail(d),
                None => e,
            },
            None,
            None,
        );
    }

    /// Writes an error, warning or log line, if `log_min_messages` lets it through.
    pub fn log_error(&self, e: &Error, position: Option<usize>, statement: Option<&str>) {
        let Some(sink) = self.instance.log_sink() else { return };
        let settings = self.settings();
        let f = e.fields();
        if !passes(settings.text("log_min_messages"), f.severity) {
            return;
        }
        let (client, started) = {
            let activity = self.signals.activity.lock();
            (activity.client, activity.backend_start)
        };
        let mut place = Place {
            application: settings.text("application_name"),
            user: &self.authenticated_user.1,
            database: &self.database.1,
            client,
            pid: self.signals.pid,
            started,
            sqlstate: f.sqlstate.as_str(),
            session: true,
        };
        if place.application.is_empty() {
            place.application = "[unknown]";
        }
        let prefix = prefix(&settings, &place);
        let verbosity = settings.text("log_error_verbosity");
        let mut out = String::new();
        let mut line = |label: &str, text: &str| {
            // Further lines of a text are indented, so that none looks like a line of its own.
            let _ = writeln!(out, "{prefix}{label}:  {}", text.replace('\n', "\n\t"));
        };
        let mut message = f.message.clone();
        if verbosity == "verbose" {
            message = format!("{}: {message}", f.sqlstate.as_str());
        }
        if let Some(p) = position {
            let _ = write!(message, " at character {p}");
        }
        line(f.severity.as_str(), &message);
        if verbosity != "terse" {
            for (label, text) in [
                ("DETAIL", if f.detail_log.is_some() { &f.detail_log } else { &f.detail }),
                ("HINT", &f.hint),
                ("QUERY", &f.internal_query),
                ("CONTEXT", &f.context),
            ] {
                if let Some(text) = text {
                    line(label, text);
                }
            }
        }
        if let Some(statement) = statement
            && passes(settings.text("log_min_error_statement"), f.severity)
        {
            line("STATEMENT", statement);
        }
        sink(&out);
    }
}

/// Who a line is about.
pub struct Place<'a> {
    pub application: &'a str,
    pub user: &'a str,
    pub database: &'a str,
    pub client: Option<std::net::SocketAddr>,
    pub pid: i32,
    /// Start of the session, in microseconds since 2000-01-01 UTC.
    pub started: i64,
    pub sqlstate: &'a str,
    /// False before there is a session: `%q` ends the prefix.
    pub session: bool,
}

/// `log_line_prefix` filled in.
pub fn prefix(settings: &Settings, place: &Place<'_>) -> String {
    let zone =
        crate::settings_check::time_zone(settings.text("log_timezone")).unwrap_or_else(|_| TimeZone::utc());
    let now = crate::clock::now();
    let mut out = String::new();
    let mut chars = settings.text("log_line_prefix").chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut width = String::new();
        while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || *c == '-') {
            width.push(c);
        }
        let Some(c) = chars.next() else { break };
        let host = place.client.map_or("[local]".to_string(), |a| a.ip().to_string());
        let text = match c {
            'a' => place.application.to_string(),
            'u' => place.user.to_string(),
            'd' => place.database.to_string(),
            'r' => match place.client {
                Some(a) => format!("{host}({})", a.port()),
                None => host,
            },
            'h' => host,
            'b' => if place.session { "client backend" } else { "postmaster" }.to_string(),
            'p' => place.pid.to_string(),
            'm' => stamp(now, &zone, true),
            't' => stamp(now, &zone, false),
            'n' => {
                let unix = now + 946_684_800_000_000;
                format!("{}.{:03}", unix.div_euclid(1_000_000), unix.rem_euclid(1_000_000) / 1000)
            }
            's' => stamp(place.started, &zone, false),
            'c' => format!("{:x}.{:x}", (place.started + 946_684_800_000_000) / 1_000_000, place.pid),
            'e' => place.sqlstate.to_string(),
            'q' if place.session => String::new(),
            'q' => break,
            '%' => "%".to_string(),
            // Numbers of processes, transactions and lines of PostgreSQL's that have no counterpart.
            'P' | 'l' | 'v' | 'x' | 'i' | 'Q' => String::new(),
            _ => continue,
        };
        match width.parse::<i32>() {
            Ok(w) if w < 0 => {
                let _ = write!(out, "{text:<width$}", width = w.unsigned_abs() as usize);
            }
            Ok(w) => {
                let _ = write!(out, "{text:>width$}", width = w as usize);
            }
            Err(_) => out.push_str(&text),
        }
    }
    out
}

/// A point in time as log lines have it.
fn stamp(at: i64, zone: &TimeZone, milliseconds: bool) -> String {
    let (t, local) = CivilTime::from_timestamptz(at, zone);
    let mut out =
        format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second);
    if milliseconds {
        let _ = write!(out, ".{:03}", t.micros / 1000);
    }
    let _ = write!(out, " {}", local.abbrev.as_str());
    out
}

/// What a session's end is logged as: how long it was there.
pub fn session_time(spent: Duration) -> String {
    let (s, ms) = (spent.as_secs(), spent.subsec_millis());
    format!("{}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// The parameters of a bound statement for DETAIL: `$1 = 'x', $2 = NULL`.
pub fn parameters(texts: &[Option<String>]) -> Option<String> {
    if texts.is_empty() {
        return None;
    }
    let one = |(i, t): (usize, &Option<String>)| match t {
        Some(t) => format!("${} = '{}'", i + 1, t.replace('\'', "''")),
        None => format!("${} = NULL", i + 1),
    };
    Some(format!("parameters: {}", texts.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")))
}

/// How a statement and its portal are called.
pub fn portal_name(statement: &str, portal: &str) -> String {
    let name = if statement.is_empty() { "<unnamed>" } else { statement };
    if portal.is_empty() { name.to_string() } else { format!("{name}/{portal}") }
}

/// Whether any of the statements is one that `log_statement` means.
pub fn wants<'a>(settings: &LogSettings, statements: impl IntoIterator<Item = &'a ast::Statement>) -> bool {
    settings.statements != Statements::None
        && statements.into_iter().any(|s| level_of(s) <= settings.statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let mut s = Settings::default();
        s.set("log_line_prefix", "%u@%d [%p] %-5e|%3p|%%%q ").unwrap();
        let place = Place {
            application: "a",
            user: "joe",
            database: "db",
            client: None,
            pid: 7,
            started: 0,
            sqlstate: "42P01",
            session: true,
        };
        assert_eq!(prefix(&s, &place), "joe@db [7] 42P01|  7|% ");
        s.set("log_line_prefix", "%s %q%u").unwrap();
        assert_eq!(prefix(&s, &Place { session: false, ..place }), "2000-01-01 00:00:00 UTC ");
        assert_eq!(session_time(Duration::from_millis(3_723_004)), "1:02:03.004");
        assert_eq!(
            parameters(&[Some("it's".into()), None]).as_deref(),
            Some("parameters: $1 = 'it''s', $2 = NULL")
        );
    }

    #[test]
    fn levels() {
        assert!(passes("warning", Severity::Log) && passes("warning", Severity::Error));
        assert!(!passes("error", Severity::Warning) && passes("log", Severity::Fatal));
        let stmt = |sql: &str| quarry_sql::parse::parse_statements(sql).unwrap().remove(0).stmt;
        assert_eq!(level_of(&stmt("select 1")), Statements::All);
        assert_eq!(level_of(&stmt("prepare a as delete from t")), Statements::Mod);
        assert_eq!(level_of(&stmt("create table a ()")), Statements::Ddl);
        let timed = Timed { began: Instant::now(), logged: true };
        let on = LogSettings { statements: Statements::All, duration: false, min_duration: 0 };
        assert!(timed.line(&on, "statement", "x").unwrap().ends_with(" ms"));
        let off = LogSettings { min_duration: -1, ..on };
        assert_eq!(timed.line(&off, "statement", "x"), None);
    }
}
