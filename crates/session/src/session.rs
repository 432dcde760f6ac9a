//! A client's session as a state machine over protocol messages (PostgreSQL: postgres.c).
//!
//! `handle` takes a message, `resume` goes on after the connection has sent output or waited for the log. What is under way
//! between the two stands in `work`. Every entry is guarded against panics: a bug ends the statement with XX000, not the server.

mod copy_in;
mod extended;
mod kept;
mod limits;
mod run;
mod simple;

use crate::block::{Block, BlockState, Start, TransactionModes, aborted};
use crate::commands::{self, CommandOutcome};
use crate::context::SessionContext;
use crate::digest::Digest;
use crate::instance::Instance;
use crate::log::{self, Timed};
use crate::portal::{Portal, PortalState, Running};
use crate::portals::Portals;
use crate::prepared::Prepared;
use crate::protocol;
use crate::query::{CachedPlan, StatementContext};
use crate::request::{FormatCodes, Request, Step};
use crate::results::{self, RowWriter};
use crate::signals::{Activity, Signals, WaitEvent};
use crate::statistics::IoTimer;
use crate::tag::Tag;
use bytes::BytesMut;
use quarry_common::{Error, Lsn, Oid, Result, Severity, err};
use quarry_sql::lexer::LexOptions;
use quarry_sql::{ast, parse};
use quarry_storage::stats::DatabaseCount;
use quarry_storage::txn::{IsolationLevel, Snapshot, Transaction, TxnOptions};
use quarry_types::Datum;
use quarry_types::io::IoContext;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Output gathered before the connection is asked to send it.
const SEND_BYTES: usize = 32 * 1024;

/// What a new session is made from.
pub struct SessionStart {
    pub user: String,
    pub database: String,
    /// Start-up settings, in order.
    pub settings: Vec<(String, String)>,
    pub client_address: Option<std::net::SocketAddr>,
}

/// A simple query's remaining statements.
struct Simple {
    text: Arc<str>,
    statements: VecDeque<parse::ParsedStatement>,
    portal: Option<Portal>,
    /// Where the rows' description stands in the output, of a statement that PostgreSQL runs before it describes them.
    described_at: Option<usize>,
}

/// COPY FROM STDIN under way, and what goes on after it.
struct CopyIn {
    copy: Box<commands::copy::CopyIn>,
    portal: Portal,
    then: AfterCopy,
}

enum AfterCopy {
    Simple(Box<Simple>),
    Extended,
}

/// What `resume` continues.
enum Work {
    None,
    Simple(Box<Simple>),
    /// A portal of the extended protocol.
    Execute {
        name: String,
        max_rows: usize,
    },
    CopyIn(Box<CopyIn>),
    /// Commit records are in the log; once durable, the tag is sent and the rest goes on.
    Committed {
        tag: Option<Tag>,
        then: AfterCommit,
    },
}

enum AfterCommit {
    Simple(Box<Simple>),
    /// CommandComplete was all there is to send.
    Extended,
    Sync,
}

/// How far a portal got.
pub(crate) enum Advance {
    Complete(Tag),
    /// The row limit was reached.
    Suspended,
    /// Output wants sending.
    More,
    CopyIn(Box<commands::copy::CopyIn>),
    /// A transaction ended: wait for its record, then send the tag.
    Committed(Option<Lsn>, Tag),
}

/// One client's session.
pub struct Session {
    pub(crate) cx: Arc<SessionContext>,
    pub(crate) block: Block,
    pub(crate) portals: Portals,
    pub(crate) portal_count: u64,
    /// The named portal that is running.
    pub(crate) executing: String,
    work: Work,
    /// After an error in the extended protocol: everything up to Sync is dropped.
    skip_to_sync: bool,
    /// Where the running statement's text begins within what the client sent, and that text: for error positions.
    pub(crate) text: Arc<str>,
    /// The text while nothing runs.
    no_text: Arc<str>,
    clocks: limits::Clocks,
    /// The session's last commit that it didn't wait for: what it reads next includes that. 0: none.
    unawaited: Lsn,
    ended: bool,
    /// Something that runs has come since ReadyForQuery.
    is_active: bool,
    /// The running simple query or Execute, where durations are logged.
    timed: Option<Timed>,
    /// What the statement under way runs with; see [`Session::query_context`].
    kept: Option<kept::Kept>,
    /// The values of statements without parameters.
    no_params: Arc<[Datum]>,
    /// Plans of statements that come as text.
    templates: crate::templates::Templates,
    /// The modes that the settings `transaction_...` show.
    pub(crate) shown_modes: TransactionModes,
    /// The digest of the settings as of that version.
    digest: (u64, Digest),
    /// The settings' version with which nothing was left to be kept or undone: as long as it is this, no transaction has set anything.
    kept_settings: u64,
    /// The server's settings that this session's stand on, and their number.
    base: (u64, Arc<quarry_common::settings::Settings>),
}

impl Session {
    /// Starts a session for an authenticated client; its greeting goes into `out`.
    pub fn start(instance: Arc<Instance>, start: SessionStart, out: &mut BytesMut) -> Result<Session> {
        if instance.sessions().is_stopping() {
            return Err(
                err!(CANNOT_CONNECT_NOW, "the database system is shutting down").severity(Severity::Fatal)
            );
        }
        let login = instance.login(&start)?;
        let activity = Activity {
            user: login.user.0,
            database: login.database.0,
            client: start.client_address,
            backend_start: crate::clock::now(),
            state: "idle",
            ..Activity::default()
        };
        let base = (instance.settings_version(), instance.settings());
        let signals = instance.sessions().register(instance.random_i32(), activity);
        let made =
            |this: &_| SessionContext::new(this, instance.clone(), signals, login.database, login.user);
        let cx = Arc::new_cyclic(made);
        let counters = cx.instance.storage().database_stats().get(cx.database.0);
        counters.add(DatabaseCount::Sessions, 1);
        let no_text: Arc<str> = Arc::from("");
        let digest = (cx.settings_version(), cx.digest());
        let mut session = Session {
            cx,
            digest,
            block: Block::counted_in(counters),
            portals: Portals::default(),
            portal_count: 0,
            executing: String::new(),
            work: Work::None,
            skip_to_sync: false,
            text: no_text.clone(),
            no_text,
            clocks: Default::default(),
            unawaited: Lsn(0),
            ended: false,
            is_active: false,
            timed: None,
            kept: None,
            no_params: Arc::from([]),
            templates: Default::default(),
            shown_modes: Block::default().modes,
            base,
            kept_settings: 0,
        };
        session.apply_start_settings(&login.settings, &start.settings)?;
        session.cx.preload();
        session.greet(out);
        session.start_idle_clock();
        session.log_start();
        Ok(session)
    }

    fn apply_start_settings(&mut self, stored: &[(String, String)], sent: &[(String, String)]) -> Result<()> {
        let mut vars = self.cx.vars.lock();
        let fatal = |e: Error| e.severity(Severity::Fatal);
        for (name, value) in stored {
            // A stored value that became invalid doesn't lock the user out.
            if let Ok(value) = crate::settings_check::normalise(name, value, vars.current()) {
                let _ = vars.set_default(name, &value);
            }
        }
        for (name, value) in sent {
            let value = crate::settings_check::normalise(name, value, vars.current()).map_err(fatal)?;
            vars.set_default(name, &value).map_err(fatal)?;
        }
        let superuser = if self.cx.is_superuser() { "on" } else { "off" };
        vars.set_fact("is_superuser", superuser);
        vars.set_fact("session_authorization", &self.cx.authenticated_user.1);
        self.cx.signals.activity.lock().application_name =
            vars.current().text("application_name").to_string();
        Ok(())
    }

    fn log_start(&self) {
        let settings = self.cx.settings();
        if settings.bool("log_connections") {
            let (user, database) = (&self.cx.authenticated_user.1, &self.cx.database.1);
            let mut text = format!("connection authorized: user={user} database={database}");
            let application = settings.text("application_name");
            if !application.is_empty() {
                text.push_str(&format!(" application_name={application}"));
            }
            self.cx.log(&text, None);
        }
    }

    fn log_end(&self) {
        let (started, client) = {
            let a = self.cx.signals.activity.lock();
            (a.backend_start, a.client)
        };
        let spent = u64::try_from(crate::clock::now() - started).unwrap_or(0);
        let (user, database) = (&self.cx.authenticated_user.1, &self.cx.database.1);
        let time = crate::log::session_time(Duration::from_micros(spent));
        let from = client.map_or(" host=[local]".into(), |c| format!(" host={} port={}", c.ip(), c.port()));
        let text = format!("disconnection: session time: {time} user={user} database={database}{from}");
        self.cx.log(&text, None);
    }

    /// Logs how long what runs has taken, if that is to be logged.
    pub(super) fn log_duration(&mut self, what: &str, text: &str, detail: Option<&str>) {
        if let Some(timed) = self.timed.take()
            && let Some(line) = timed.line(&self.cx.log_settings(), what, text)
        {
            self.cx.log(&line, detail.filter(|_| !timed.logged));
        }
    }

    fn greet(&mut self, out: &mut BytesMut) {
        let settings = self.cx.settings();
        for def in quarry_common::settings::all().filter(|d| d.reported) {
            protocol::parameter_status(out, def.name, &settings.show(def.name).unwrap_or_default());
        }
        protocol::backend_key_data(out, self.cx.signals.pid, self.cx.signals.secret());
        protocol::ready_for_query(out, self.block.status());
    }

    pub fn instance(&self) -> &Arc<Instance> {
        &self.cx.instance
    }
    /// Changes when a setting of the session does.
    pub fn settings_version(&self) -> u64 {
        self.cx.settings_version()
    }
    /// What every statement asks of the settings.
    pub(crate) fn digest(&mut self) -> &Digest {
        let version = self.cx.settings_version();
        if self.digest.0 != version {
            self.digest = (version, self.cx.digest());
        }
        &self.digest.1
    }
    /// The session's settings as they are now.
    pub fn settings(&self) -> Arc<quarry_common::settings::Settings> {
        self.cx.settings()
    }
    pub fn signals(&self) -> &Arc<Signals> {
        &self.cx.signals
    }
    /// The connection is over: undoes what is open.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            if self.cx.settings().bool("log_disconnections") {
                self.log_end();
            }
            self.portals.clear();
            self.block.abort();
            crate::notify::end(&self.cx);
            self.cx.withdraw_snapshots();
            self.cx.set_reader(None);
            commands::drop_temp_objects(self);
            self.cx.instance.sessions().unregister(self.cx.signals.pid);
        }
    }

    /// Takes a message.
    pub fn handle(&mut self, request: &Request<'_>, out: &mut BytesMut) -> Step {
        self.stop_idle_clock();
        self.guarded(out, |s, out| s.handle_inner(request, out))
    }

    /// Goes on with what the last message began.
    pub fn resume(&mut self, out: &mut BytesMut) -> Step {
        self.guarded(out, |s, out| s.drive(out))
    }

    /// A message that could not be decoded: an error in step with its kind.
    pub fn bad_message(&mut self, kind: u8, error: Error, out: &mut BytesMut) -> Step {
        if error.fields().severity >= Severity::Fatal {
            protocol::error_or_notice(out, &error, None);
            return Step::Closed;
        }
        self.guarded(out, |s, out| {
            s.report(error, out);
            match kind {
                b'Q' | b'F' | b'S' => s.ready(out),
                b'P' | b'B' | b'D' | b'E' | b'C' => s.skip_to_sync = true,
                _ => {}
            }
            Step::Ready
        })
    }

    /// Runs `f`; a panic becomes XX000.
    fn guarded(&mut self, out: &mut BytesMut, f: impl FnOnce(&mut Session, &mut BytesMut) -> Step) -> Step {
        let &Digest { quote_all, io_timing, .. } = self.digest();
        quarry_common::quoting::set_quote_all(quote_all);
        let timer = IoTimer::start(io_timing);
        quarry_common::memory::charge_from_now_on(&self.cx.signals.memory);
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| f(self, out)));
        if timer.is_running() {
            timer.stop(&self.cx);
        }
        match caught {
            Ok(step) => step,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()))
                    .unwrap_or_default();
                tracing::error!(statement = %self.text, "a statement panicked: {text}");
                let simple = matches!(self.work, Work::Simple(_) | Work::None) && !self.skip_to_sync;
                self.work = Work::None;
                self.report(Error::internal(format!("internal error: {text}")), out);
                if simple {
                    self.ready(out)
                } else {
                    self.skip_to_sync = true
                }
                Step::Ready
            }
        }
    }

    fn handle_inner(&mut self, request: &Request<'_>, out: &mut BytesMut) -> Step {
        if let Work::CopyIn(_) = self.work {
            return self.copy_message(request, out);
        }
        if self.skip_to_sync && !matches!(request, Request::Sync | Request::Terminate) {
            return Step::Ready;
        }
        self.follow_reload(out);
        let result = match request {
            Request::Query(sql) => return self.simple_query(sql, out),
            Request::Parse { name, sql, param_types } => self.parse_message(name, sql, param_types, out),
            Request::Bind { portal, statement, param_formats, params, result_formats } => {
                self.bind_message(portal, statement, *param_formats, *params, *result_formats, out)
            }
            Request::Describe { portal, name } => self.describe_message(*portal, name, out),
            Request::Execute { portal, max_rows } => {
                if let Err(e) = self.note_execute(portal) {
                    return self.fail_extended(e, out);
                }
                return self.drive_execute(portal, (*max_rows).max(0) as usize, out);
            }
            Request::Close { portal, name } => {
                if *portal {
                    self.portals.remove(name);
                } else {
                    self.cx.prepared.lock().remove(name);
                }
                protocol::close_complete(out);
                Ok(())
            }
            Request::Flush => return Step::More,
            Request::Sync => return self.sync(out),
            // Left over from a COPY that failed.
            Request::CopyData(_) | Request::CopyDone | Request::CopyFail(_) => Ok(()),
            Request::FunctionCall => {
                self.report(Error::unsupported("the function call protocol"), out);
                self.ready(out);
                return Step::Ready;
            }
            Request::Terminate => return Step::Closed,
        };
        if let Err(e) = result {
            return self.fail_extended(e, out);
        }
        Step::Ready
    }

    pub(super) fn fail_extended(&mut self, e: Error, out: &mut BytesMut) -> Step {
        self.skip_to_sync = true;
        self.report(e, out)
    }

    /// Tells the client of an error and fails the transaction. FATAL errors end the session.
    pub(super) fn report(&mut self, mut e: Error, out: &mut BytesMut) -> Step {
        self.kept = None;
        self.send_notices(out);
        // A wait in storage only knows that it was cancelled.
        if self.cx.signals.is_cancelled() && e.sqlstate() == quarry_common::SqlState::QUERY_CANCELED {
            let context = e.fields_mut().context.take();
            e = self.cx.cancel_error();
            e.fields_mut().context = context;
        }
        self.disarm();
        if e.fields().severity == Severity::Error && self.cx.settings().bool("exit_on_error") {
            e = e.severity(Severity::Fatal);
        }
        if e.sqlstate() == quarry_common::SqlState::T_R_DEADLOCK_DETECTED
            && let Some(counters) = &self.block.counters
        {
            counters.add(DatabaseCount::Deadlocks, 1);
        }
        let position = e.fields().position.map(|p| character_number(&self.text, p));
        protocol::error_or_notice(out, &e, position);
        let text = self.text.clone();
        self.cx.log_error(&e, position, (!text.is_empty()).then_some(&*text));
        self.timed = None;
        let implicit = self.block.state() != BlockState::InBlock;
        let vars_mark = self.block.vars_mark;
        self.block.fail();
        if e.sqlstate() == quarry_common::SqlState::T_R_SERIALIZATION_FAILURE {
            self.make_commits_durable();
        }
        if self.block.txn().is_none() {
            self.stop_transaction_clock();
        }
        if implicit {
            self.end_transaction(false, vars_mark, out);
        }
        self.cx.set_reader(None);
        let fatal = e.fields().severity >= Severity::Fatal;
        if fatal { Step::Closed } else { Step::Ready }
    }

    /// Waits until new snapshots show the commits made so far: who failed because of one of them may try again at once.
    fn make_commits_durable(&self) {
        if self.waits_for_durability() {
            let storage = self.cx.instance.storage();
            let latest = storage.txns().latest_commit();
            if storage.wal().visible() < latest {
                // If the log can't be written, the server is about to end.
                storage.wal().wait_durable_blocking(latest).ok();
            }
        }
    }

    pub(super) fn send_notices(&mut self, out: &mut BytesMut) {
        for n in self.cx.take_notices() {
            let position = n.fields().position.map(|p| character_number(&self.text, p));
            protocol::error_or_notice(out, &n, position);
        }
    }

    pub(super) fn ready(&mut self, out: &mut BytesMut) {
        self.disarm();
        crate::notify::wake_listeners(&self.cx);
        match self.block.txn() {
            _ if self.block.state() == BlockState::Idle => self.deliver_notifications(out),
            // While it idles, it holds back no versions but those that its snapshots show.
            Some(txn) => txn.statement_done(),
            None => {}
        }
        protocol::ready_for_query(out, self.block.status());
        self.block.set_several(false);
        self.start_idle_clock();
        self.text.clone_from(&self.no_text);
        let mut a = self.cx.signals.activity.lock();
        self.is_active = false;
        a.state = match self.block.state() {
            BlockState::InBlock => "idle in transaction",
            BlockState::Failed => "idle in transaction (aborted)",
            BlockState::Idle | BlockState::Implicit => "idle",
        };
        a.state_change = crate::clock::now();
    }

    pub(super) fn disarm(&mut self) {
        self.stop_statement_clock();
        if self.cx.signals.is_cancelled() && !self.cx.signals.must_end() {
            // A cancel that came too late is for no one.
            self.cx.signals.take_cancel();
        }
    }

    /// What must happen to the session when its transaction ends.
    pub(super) fn end_transaction(&mut self, committed: bool, vars_mark: usize, out: &mut BytesMut) {
        self.kept = None;
        self.stop_transaction_clock();
        let keep_held = committed;
        self.portals.retain(|p| {
            keep_held && p.cursor.as_ref().is_some_and(|c| c.options.hold)
                || !committed && p.cursor.as_ref().is_some_and(|c| c.is_saved())
        });
        let changed = self.keep_settings(committed, vars_mark);
        self.report_settings(&changed, out);
        if !committed || changed.iter().any(|n| n == "role" || n == "session_authorization") {
            commands::restore_role(self);
        }
        self.cx.clear_deferred();
        if !committed {
            self.cx.notifications.abort();
        }
        self.cx.withdraw_snapshots();
        self.cx.made_temporary.store(false, Ordering::Relaxed);
        self.cx.signals.set_xact_start(None);
    }

    /// Keeps or undoes what the transaction has set; gives the names of what is another value now.
    fn keep_settings(&mut self, committed: bool, vars_mark: usize) -> Vec<String> {
        if self.cx.settings_version() == self.kept_settings {
            return vec![];
        }
        let mut vars = self.cx.vars.lock();
        let changed = if committed { vars.commit() } else { vars.rollback_to(vars_mark) };
        if vars.mark() == 0 {
            self.kept_settings = vars.version();
        }
        changed
    }

    /// Takes the server's reloaded settings over.
    pub(super) fn follow_reload(&mut self, out: &mut BytesMut) {
        let version = self.cx.instance.settings_version();
        if version == self.base.0 {
            return;
        }
        let new = self.cx.instance.settings();
        let names = self.cx.vars.lock().rebase(&self.base.1, &new);
        self.base = (version, new);
        self.report_settings(&names, out);
    }

    /// ParameterStatus for reported settings that changed.
    pub(crate) fn report_settings(&mut self, names: &[String], out: &mut BytesMut) {
        for name in names {
            if let Some((_, def)) = quarry_common::settings::find(name)
                && def.reported
            {
                let value = self.cx.settings().show(def.name).unwrap_or_default();
                protocol::parameter_status(out, def.name, &value);
            }
            if name.eq_ignore_ascii_case("application_name") {
                let value = self.cx.settings().text("application_name").to_string();
                self.cx.signals.activity.lock().application_name = value;
            }
        }
    }

    /// A portal with the next number, which `pg_cursors` shows; `before`: the one of its name, which ends.
    pub(crate) fn new_portal(
        &mut self,
        name: &str,
        statement: Arc<Prepared>,
        params: Arc<[Datum]>,
        formats: FormatCodes,
        before: Option<Box<Portal>>,
    ) -> Box<Portal> {
        self.portal_count += 1;
        if let Some(before) = before {
            let now = self.cx.statement_start.load(Ordering::Relaxed);
            return before.renew(statement, params, formats, self.portal_count, now);
        }
        let mut made = Box::new(Portal::new(statement, params, formats, self.portal_count));
        made.show(name, self.cx.statement_start.load(Ordering::Relaxed), &self.cx.cursors);
        made
    }

    /// The modes a new transaction starts with.
    pub(crate) fn default_modes(&mut self) -> TransactionModes {
        self.digest().modes
    }

    /// The current transaction, started if there is none.
    pub(crate) fn ensure_transaction(&mut self) -> Arc<Transaction> {
        if let Some(txn) = self.block.txn() {
            return txn.clone();
        }
        let modes = self.default_modes();
        let kept = self.kept_references();
        let vars_mark = match self.cx.settings_version() == self.kept_settings {
            true => 0,
            false => self.cx.vars.lock().mark(),
        };
        let read_at_inserted = !self.waits_for_durability();
        let cx = &self.cx;
        let options = || TxnOptions {
            cancel: Some(cx.signals.cancel_flag()),
            owner: Some(cx.session_locks.owner()),
            pid: cx.signals.pid,
            database: cx.database.0,
            progress: cx.signals.progress.clone(),
            observer: Some(cx.lock_waits.clone()),
            ..TxnOptions::default()
        };
        // A transaction begins with the message that asks for it, so that now() is never after statement_timestamp().
        let now = self.cx.statement_start.load(Ordering::Relaxed);
        let storage = cx.instance.storage();
        let start = Start { modes, vars_mark, now, read_at_inserted, kept };
        let txn = self.block.ensure(storage, start, options).clone();
        if self.block.modes != self.shown_modes {
            commands::transaction::facts(self);
        }
        self.cx.transaction_start.store(self.block.started_at, Ordering::Relaxed);
        self.start_transaction_clock();
        self.follow_own_commit(&txn);
        self.cx.signals.set_xact_start(Some(self.block.started_at));
        txn
    }

    /// A read-only, deferrable transaction waits here until its snapshot can't fail.
    pub(crate) fn await_safe_snapshot(&mut self) -> Result<()> {
        if self.block.txn().is_none() {
            self.ensure_transaction();
        }
        match self.block.txn() {
            Some(txn) => self.cx.signals.waiting(WaitEvent::SafeSnapshot, || txn.await_safe_snapshot()),
            None => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

/// Statements that the planner takes.
pub(crate) fn is_query(stmt: &ast::Statement) -> bool {
    match stmt {
        ast::Statement::Select(q) => !has_into(q),
        ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_)
        | ast::Statement::Merge(_) => true,
        _ => false,
    }
}

/// SELECT ... INTO makes a table.
pub(crate) fn has_into(q: &ast::Query) -> bool {
    match &q.body {
        ast::QueryBody::Select(s) => s.into.is_some(),
        ast::QueryBody::SetOperation(s) => has_into(&s.left),
        ast::QueryBody::Values(_) => false,
    }
}

fn is_select(stmt: &ast::Statement) -> bool {
    matches!(stmt, ast::Statement::Select(_))
}

fn query_tag(prepared: &Prepared, run: &Running) -> Tag {
    let count = match &prepared.statement {
        Some(ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_)) => {
            run.execution.rows_affected()
        }
        _ => run.sent,
    };
    tag_with_count(prepared, count)
}

fn tag_with_count(prepared: &Prepared, count: u64) -> Tag {
    if let Some(tag) = prepared.rule_tag {
        return tag.into();
    }
    let command = match &prepared.statement {
        Some(ast::Statement::Insert(_)) => "INSERT 0 ",
        Some(ast::Statement::Update(_)) => "UPDATE ",
        Some(ast::Statement::Delete(_)) => "DELETE ",
        _ => "SELECT ",
    };
    Tag::Counted(command, count)
}

/// The statement that runs instead where a rule says so, with the tag it keeps.
fn ruled(stmt: ast::Statement) -> Result<(ast::Statement, Option<&'static str>)> {
    Ok(match crate::rules::rewrite(&stmt)? {
        Some((instead, tag)) => (instead, Some(tag)),
        None => (stmt, None),
    })
}

/// The isolation level a setting names.
pub(crate) fn isolation(text: &str) -> IsolationLevel {
    match text {
        "serializable" => IsolationLevel::Serializable,
        "repeatable read" => IsolationLevel::RepeatableRead,
        "read uncommitted" => IsolationLevel::ReadUncommitted,
        _ => IsolationLevel::ReadCommitted,
    }
}

/// Character number from 1 of a byte offset.
pub(crate) fn character_number(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or_else(|| text.chars().count(), |t| t.chars().count()) + 1
}

fn floor_char(s: &str, mut at: usize) -> usize {
    at = at.min(s.len());
    while !s.is_char_boundary(at) {
        at -= 1;
    }
    at
}
