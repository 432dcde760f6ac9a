//! A client's session as a state machine over protocol messages (PostgreSQL: postgres.c).
//!
//! `handle` takes a message, `resume` goes on after the connection has sent output or waited for the log. What is under way
//! between the two stands in `work`. Every entry is guarded against panics: a bug ends the statement with XX000, not the server.

use crate::block::{Block, BlockState, TransactionModes, aborted};
use crate::commands::{self, CommandOutcome};
use crate::context::SessionContext;
use crate::instance::Instance;
use crate::portal::{Portal, PortalState, Running};
use crate::prepared::Prepared;
use crate::protocol;
use crate::query::{CachedPlan, StatementContext};
use crate::request::{Request, Step};
use crate::results::{self, RowWriter};
use crate::signals::{Activity, Signals};
use bytes::BytesMut;
use quarry_common::{Error, Lsn, Oid, Result, Severity, err};
use quarry_sql::{ast, parse};
use quarry_storage::txn::{IsolationLevel, Transaction};
use quarry_types::Datum;
use quarry_types::io::IoContext;
use std::collections::{HashMap, VecDeque};
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
    text: String,
    statements: VecDeque<parse::ParsedStatement>,
    portal: Option<Portal>,
}

/// COPY FROM STDIN under way, and what goes on after it.
struct CopyIn {
    copy: Box<commands::copy::CopyIn>,
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
    Execute { name: String, max_rows: usize },
    CopyIn(Box<CopyIn>),
    /// Commit records are in the log; once durable, the tag is sent and the rest goes on.
    Committed { tag: Option<String>, then: AfterCommit },
}

enum AfterCommit {
    Simple(Box<Simple>),
    /// CommandComplete was all there is to send.
    Extended,
    Sync,
}

/// How far a portal got.
pub(crate) enum Advance {
    Complete(String),
    /// The row limit was reached.
    Suspended,
    /// Output wants sending.
    More,
    CopyIn(Box<commands::copy::CopyIn>),
    /// A transaction ended: wait for its record, then send the tag.
    Committed(Option<Lsn>, String),
}

/// One client's session.
pub struct Session {
    pub(crate) cx: Arc<SessionContext>,
    pub(crate) block: Block,
    pub(crate) prepared: HashMap<String, Arc<Prepared>>,
    pub(crate) portals: HashMap<String, Portal>,
    pub(crate) portal_count: u64,
    work: Work,
    /// After an error in the extended protocol: everything up to Sync is dropped.
    skip_to_sync: bool,
    /// Where the running statement's text begins within what the client sent, and that text: for error positions.
    text: String,
    armed: Option<crate::timeouts::Armed>,
    ended: bool,
}

impl Session {
    /// Starts a session for an authenticated client; its greeting goes into `out`.
    pub fn start(instance: Arc<Instance>, start: SessionStart, out: &mut BytesMut) -> Result<Session> {
        if instance.sessions().is_stopping() {
            return Err(err!(CANNOT_CONNECT_NOW, "the database system is shutting down").severity(Severity::Fatal));
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
        let signals = instance.sessions().register(instance.random_i32(), activity);
        let cx = Arc::new(SessionContext::new(instance.clone(), signals, login.database, login.user));
        let mut session = Session {
            cx,
            block: Block::default(),
            prepared: HashMap::new(),
            portals: HashMap::new(),
            portal_count: 0,
            work: Work::None,
            skip_to_sync: false,
            text: String::new(),
            armed: None,
            ended: false,
        };
        session.apply_start_settings(&login.settings, &start.settings)?;
        session.greet(out);
        Ok(session)
    }

    fn apply_start_settings(&mut self, stored: &[(String, String)], sent: &[(String, String)]) -> Result<()> {
        let mut vars = self.cx.vars.lock();
        let fatal = |e: Error| e.severity(Severity::Fatal);
        for (name, value) in stored {
            // A stored value that became invalid doesn't lock the user out.
            if let Ok(value) = crate::settings_check::normalise(name, value) {
                let _ = vars.set_default(name, &value);
            }
        }
        for (name, value) in sent {
            let value = crate::settings_check::normalise(name, value).map_err(fatal)?;
            vars.set_default(name, &value).map_err(fatal)?;
        }
        let superuser = if self.cx.is_superuser() { "on" } else { "off" };
        vars.set_fact("is_superuser", superuser);
        vars.set_fact("session_authorization", &self.cx.session_user.1);
        self.cx.signals.activity.lock().application_name = vars.current().text("application_name").to_string();
        Ok(())
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
    pub fn signals(&self) -> &Arc<Signals> {
        &self.cx.signals
    }
    /// How long the client may stay silent now; none: for ever.
    pub fn idle_limit(&self) -> Option<Duration> {
        let settings = self.cx.settings();
        let name = match self.block.state() {
            BlockState::InBlock | BlockState::Failed => "idle_in_transaction_session_timeout",
            BlockState::Idle | BlockState::Implicit => "idle_session_timeout",
        };
        let ms = settings.int(name);
        (ms > 0).then(|| Duration::from_millis(ms as u64))
    }
    /// What the client is told when that time is up.
    pub fn idle_timeout_error(&self) -> Error {
        match self.block.state() {
            BlockState::InBlock | BlockState::Failed => {
                err!(IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "terminating connection due to idle-in-transaction timeout")
            }
            _ => err!(IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout"),
        }
        .severity(Severity::Fatal)
    }
    /// Something woke the idle session.
    pub fn on_signal(&mut self, out: &mut BytesMut) -> Step {
        if self.cx.signals.is_terminated() {
            let e = err!(ADMIN_SHUTDOWN, "terminating connection due to administrator command").severity(Severity::Fatal);
            protocol::error_or_notice(out, &e, None);
            return Step::Closed;
        }
        Step::Ready
    }
    /// The connection is over: undoes what is open.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.portals.clear();
            self.block.abort();
            self.cx.set_reader(None);
            commands::drop_temp_objects(self);
            self.cx.instance.sessions().unregister(self.cx.signals.pid);
        }
    }

    /// Takes a message.
    pub fn handle(&mut self, request: Request<'_>, out: &mut BytesMut) -> Step {
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
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| f(self, out)));
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
                if simple { self.ready(out) } else { self.skip_to_sync = true }
                Step::Ready
            }
        }
    }

    fn handle_inner(&mut self, request: Request<'_>, out: &mut BytesMut) -> Step {
        if let Work::CopyIn(_) = self.work {
            return self.copy_message(request, out);
        }
        if self.skip_to_sync && !matches!(request, Request::Sync | Request::Terminate) {
            return Step::Ready;
        }
        let result = match request {
            Request::Query(sql) => return self.simple_query(sql, out),
            Request::Parse { name, sql, param_types } => self.parse_message(name, sql, &param_types, out),
            Request::Bind { portal, statement, param_formats, params, result_formats } => {
                self.bind_message(portal, statement, &param_formats, &params, result_formats, out)
            }
            Request::Describe { portal, name } => self.describe_message(portal, name, out),
            Request::Execute { portal, max_rows } => {
                self.work = Work::Execute { name: portal.to_string(), max_rows: max_rows.max(0) as usize };
                return self.drive(out);
            }
            Request::Close { portal, name } => {
                if portal {
                    self.portals.remove(name);
                } else {
                    self.prepared.remove(name);
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

    fn fail_extended(&mut self, e: Error, out: &mut BytesMut) -> Step {
        self.skip_to_sync = true;
        self.report(e, out)
    }

    /// Tells the client of an error and fails the transaction. FATAL errors end the session.
    fn report(&mut self, mut e: Error, out: &mut BytesMut) -> Step {
        self.send_notices(out);
        self.disarm();
        if self.cx.signals.is_cancelled() && e.sqlstate() == quarry_common::SqlState::QUERY_CANCELED {
            e = self.cx.cancel_error();
        }
        let position = e.fields().position.map(|p| character_number(&self.text, p));
        protocol::error_or_notice(out, &e, position);
        let implicit = self.block.state() != BlockState::InBlock;
        let vars_mark = self.block.vars_mark;
        self.block.fail();
        if implicit {
            self.end_transaction(false, vars_mark, out);
        }
        self.cx.set_reader(None);
        let fatal = e.fields().severity >= Severity::Fatal;
        if fatal { Step::Closed } else { Step::Ready }
    }

    fn send_notices(&mut self, out: &mut BytesMut) {
        for n in self.cx.take_notices() {
            let position = n.fields().position.map(|p| character_number(&self.text, p));
            protocol::error_or_notice(out, &n, position);
        }
    }

    fn ready(&mut self, out: &mut BytesMut) {
        self.disarm();
        protocol::ready_for_query(out, self.block.status());
        self.text.clear();
        let mut a = self.cx.signals.activity.lock();
        a.state = match self.block.state() {
            BlockState::InBlock => "idle in transaction",
            BlockState::Failed => "idle in transaction (aborted)",
            BlockState::Idle | BlockState::Implicit => "idle",
        };
        a.state_change = crate::clock::now();
    }

    fn disarm(&mut self) {
        self.armed = None;
        if self.cx.signals.is_cancelled() && !self.cx.signals.is_terminated() {
            // A cancel that came too late is for no one.
            self.cx.signals.take_cancel();
        }
    }

    /// What must happen to the session when its transaction ends.
    fn end_transaction(&mut self, committed: bool, vars_mark: usize, out: &mut BytesMut) {
        let keep_held = committed;
        self.portals.retain(|_, p| keep_held && p.cursor.as_ref().is_some_and(|c| c.is_held()) || !committed && p.cursor.as_ref().is_some_and(|c| c.is_held_before()));
        let changed = {
            let mut vars = self.cx.vars.lock();
            if committed { vars.commit() } else { vars.rollback_to(vars_mark) }
        };
        self.report_settings(&changed, out);
        if !committed {
            commands::restore_role(self);
        }
        self.cx.signals.activity.lock().xact_start = None;
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

    // ---- simple protocol ----

    fn simple_query(&mut self, sql: &str, out: &mut BytesMut) -> Step {
        self.text = sql.to_string();
        self.note_query(sql);
        self.portals.remove("");
        match parse::parse_with_notices(sql) {
            Err(e) => {
                let step = self.report(e, out);
                self.ready(out);
                step
            }
            Ok((statements, notices)) => {
                for n in notices {
                    self.cx.push_notice(Severity::Notice, n);
                }
                if statements.is_empty() {
                    protocol::empty_query(out);
                    self.ready(out);
                    return Step::Ready;
                }
                let simple = Simple { text: sql.to_string(), statements: statements.into(), portal: None };
                self.work = Work::Simple(Box::new(simple));
                self.drive(out)
            }
        }
    }

    fn note_query(&mut self, sql: &str) {
        let now = crate::clock::now();
        self.cx.statement_start.store(now, Ordering::Relaxed);
        let mut a = self.cx.signals.activity.lock();
        a.state = "active";
        a.query_start = Some(now);
        a.query = Arc::from(&sql[..sql.len().min(1024).min(floor_char(sql, 1024))]);
        drop(a);
        let limit = self.cx.settings().int("statement_timeout");
        if limit > 0 {
            let at = Instant::now() + Duration::from_millis(limit as u64);
            self.armed = Some(self.cx.instance.timeouts().arm(&self.cx.signals, at));
        }
    }

    /// Goes on with `work` until the connection has something to do.
    fn drive(&mut self, out: &mut BytesMut) -> Step {
        loop {
            match std::mem::replace(&mut self.work, Work::None) {
                Work::None => return Step::Ready,
                Work::CopyIn(c) => {
                    self.work = Work::CopyIn(c);
                    return Step::Ready;
                }
                Work::Committed { tag, then } => {
                    if let Some(tag) = tag {
                        protocol::command_complete(out, &tag);
                    }
                    match then {
                        AfterCommit::Simple(s) => self.work = Work::Simple(s),
                        AfterCommit::Extended => return Step::Ready,
                        AfterCommit::Sync => {
                            self.ready(out);
                            return Step::Ready;
                        }
                    }
                }
                Work::Simple(s) => {
                    if let Some(step) = self.drive_simple(s, out) {
                        return step;
                    }
                }
                Work::Execute { name, max_rows } => return self.drive_execute(name, max_rows, out),
            }
        }
    }

    /// One step of a simple query; none: go on.
    fn drive_simple(&mut self, mut s: Box<Simple>, out: &mut BytesMut) -> Option<Step> {
        let Some(mut portal) = s.portal.take() else {
            let Some(next) = s.statements.pop_front() else {
                self.ready(out);
                return Some(Step::Ready);
            };
            match self.simple_portal(&s.text, next, out) {
                Ok(portal) => {
                    s.portal = Some(portal);
                    self.work = Work::Simple(s);
                    return None;
                }
                Err(e) => return Some(self.fail_simple(e, out)),
            }
        };
        match self.advance(&mut portal, 0, out) {
            Err(e) => {
                drop(portal);
                Some(self.fail_simple(e, out))
            }
            Ok(Advance::More) => {
                s.portal = Some(portal);
                self.work = Work::Simple(s);
                Some(Step::More)
            }
            Ok(Advance::CopyIn(copy)) => {
                self.work = Work::CopyIn(Box::new(CopyIn { copy, then: AfterCopy::Simple(s) }));
                Some(Step::More)
            }
            Ok(Advance::Committed(lsn, tag)) => {
                drop(portal);
                self.send_notices(out);
                Some(self.after_commit(lsn, Some(tag), AfterCommit::Simple(s), out))
            }
            Ok(Advance::Complete(tag)) => {
                drop(portal);
                self.finish_simple_statement(s, tag, out)
            }
            Ok(Advance::Suspended) => Some(self.fail_simple(Error::internal("a simple query was suspended"), out)),
        }
    }

    /// A statement of a simple query is done: commit if it was the last one outside a block.
    fn finish_simple_statement(&mut self, s: Box<Simple>, tag: String, out: &mut BytesMut) -> Option<Step> {
        self.send_notices(out);
        if s.statements.is_empty() && self.block.state() == BlockState::Implicit {
            return Some(match self.commit(out) {
                Ok(lsn) => self.after_commit(lsn, Some(tag), AfterCommit::Simple(s), out),
                Err(e) => self.fail_simple(e, out),
            });
        }
        protocol::command_complete(out, &tag);
        self.work = Work::Simple(s);
        None
    }

    fn fail_simple(&mut self, e: Error, out: &mut BytesMut) -> Step {
        let step = self.report(e, out);
        if step != Step::Closed {
            self.ready(out);
        }
        step
    }

    /// Waits for a commit, then sends the tag.
    fn after_commit(&mut self, lsn: Option<Lsn>, tag: Option<String>, then: AfterCommit, out: &mut BytesMut) -> Step {
        self.work = Work::Committed { tag, then };
        match lsn {
            Some(lsn) if self.waits_for_durability() => Step::WaitDurable(lsn),
            _ => self.drive(out),
        }
    }

    fn waits_for_durability(&self) -> bool {
        self.cx.settings().text("synchronous_commit") != "off"
    }

    /// Commits the transaction, deferred constraints first. On error it is undone.
    pub(crate) fn commit(&mut self, out: &mut BytesMut) -> Result<Option<Lsn>> {
        let vars_mark = self.block.vars_mark;
        let prepared = self.before_commit();
        if let Err(e) = prepared {
            self.block.abort();
            self.end_transaction(false, vars_mark, out);
            return Err(e);
        }
        let lsn = self.block.commit();
        self.end_transaction(lsn.is_ok(), vars_mark, out);
        self.cx.set_reader(None);
        lsn
    }

    fn before_commit(&mut self) -> Result<()> {
        if self.block.txn().is_none() {
            return Ok(());
        }
        commands::hold_cursors(self)?;
        if self.cx.has_deferred() {
            let st = self.statement_context()?;
            quarry_executor::deferred::run_deferred(&st.exec_env(Arc::from([]), false))?;
        }
        commands::on_commit_actions(self)
    }

    /// ROLLBACK.
    pub(crate) fn rollback(&mut self, out: &mut BytesMut) {
        let vars_mark = self.block.vars_mark;
        self.block.abort();
        self.end_transaction(false, vars_mark, out);
        self.cx.set_reader(None);
        self.cx.clear_deferred();
    }

    /// A portal for one statement of a simple query; its row description is sent.
    fn simple_portal(&mut self, text: &str, parsed: parse::ParsedStatement, out: &mut BytesMut) -> Result<Portal> {
        self.check_failed_block(&parsed.stmt)?;
        let prepared = Prepared {
            name: String::new(),
            text: text[parsed.start..parsed.end].to_string(),
            statement: Some(parsed.stmt),
            param_types: vec![],
            columns: None,
            plans: Default::default(),
            from_sql: false,
            prepared_at: 0,
        };
        let mut portal = Portal::new(Arc::new(prepared), Arc::from([]), vec![], 0);
        self.open(&mut portal)?;
        if let Some(columns) = &portal.columns {
            let st_io = self.cx.io();
            let reader = self.statement_context()?.reader;
            let io = IoContext { names: &*reader, ..st_io };
            protocol::row_description(out, &results::describe(columns, &portal.formats, &io)?);
        }
        Ok(portal)
    }

    /// 25P02 for anything but the end of a failed block.
    fn check_failed_block(&self, stmt: &ast::Statement) -> Result<()> {
        if self.block.state() != BlockState::Failed {
            return Ok(());
        }
        let ends = matches!(stmt, ast::Statement::Transaction(t) if matches!(**t,
            ast::Transaction::Commit { .. } | ast::Transaction::Rollback { .. } | ast::Transaction::RollbackTo(_)));
        if ends { Ok(()) } else { Err(aborted()) }
    }

    // ---- transactions ----

    /// The modes a new transaction starts with.
    pub(crate) fn default_modes(&self) -> TransactionModes {
        let settings = self.cx.settings();
        TransactionModes {
            isolation: isolation(settings.text("default_transaction_isolation")),
            read_only: settings.bool("default_transaction_read_only"),
            deferrable: settings.bool("default_transaction_deferrable"),
        }
    }

    /// The current transaction, started if there is none.
    pub(crate) fn ensure_transaction(&mut self) -> Arc<Transaction> {
        if let Some(txn) = self.block.txn() {
            return txn.clone();
        }
        let modes = self.default_modes();
        let mark = self.cx.vars.lock().mark();
        let async_commit = !self.waits_for_durability();
        let txn = self.block.ensure(self.cx.instance.storage(), modes, mark, async_commit).clone();
        txn.set_cancel_flag(self.cx.signals.cancel_flag());
        self.cx.transaction_start.store(self.block.started_at, Ordering::Relaxed);
        self.cx.signals.activity.lock().xact_start = Some(self.block.started_at);
        txn
    }

    /// What the next statement runs with.
    pub(crate) fn statement_context(&mut self) -> Result<StatementContext> {
        let txn = self.ensure_transaction();
        let lock_timeout = self.cx.settings().int("lock_timeout");
        txn.set_lock_timeout((lock_timeout > 0).then(|| Duration::from_millis(lock_timeout as u64)));
        Ok(StatementContext::new(&self.cx, &self.block, &txn))
    }

    // ---- portals ----

    /// Chooses the plan and columns of a portal before its first row.
    pub(crate) fn open(&mut self, portal: &mut Portal) -> Result<()> {
        let statement = portal.statement.clone();
        let Some(stmt) = &statement.statement else { return Ok(()) };
        if is_query(stmt) {
            let st = self.statement_context()?;
            let plan = if statement.name.is_empty() && statement.param_types.is_empty() && !statement.from_sql && portal.columns.is_none() {
                // A statement that runs once: no cache to look into.
                let analyzed = st.analyze(stmt, &[], false)?;
                portal.columns = (!analyzed.columns.is_empty() || is_select(stmt)).then(|| analyzed.columns.clone());
                st.cache_entry(st.plan(analyzed.bound, None)?)
            } else {
                st.cached_plan(&statement.plans, stmt, &statement.param_types, &portal.params)?
            };
            st.check_read_only(&plan.statement, commands::tag_of(stmt))?;
            portal.plan = Some(plan);
        } else if portal.columns.is_none() {
            portal.columns = commands::columns_of(self, stmt)?;
        }
        Ok(())
    }

    /// Runs a portal on: up to `max_rows` rows (0: all), or until output wants sending.
    pub(crate) fn advance(&mut self, portal: &mut Portal, max_rows: usize, out: &mut BytesMut) -> Result<Advance> {
        let mut left = if max_rows == 0 { usize::MAX } else { max_rows };
        loop {
            match &mut portal.state {
                PortalState::New => {
                    if let Some(done) = self.begin_portal(portal, max_rows, out)? {
                        return Ok(done);
                    }
                }
                PortalState::Done(tag) => return Ok(Advance::Complete(tag.clone())),
                PortalState::Running(run) => {
                    let io_base = self.cx.io();
                    let reader = run.execution.env().reader.clone();
                    let io = IoContext { names: &*reader, ..io_base };
                    let writer = match &mut portal.writer {
                        Some(w) => w,
                        empty => {
                            let types: Vec<_> = run.plan.statement.output.iter().map(|(_, _, ty)| *ty).collect();
                            empty.insert(RowWriter::new(&types, &portal.formats, &io)?)
                        }
                    };
                    let start = out.len();
                    while left > 0 {
                        let (batch, from) = match run.batch.take() {
                            Some(b) => b,
                            None => match run.execution.next()? {
                                Some(batch) => (batch, 0),
                                None => break,
                            },
                        };
                        let written = writer.write_batch(&batch, from, left, SEND_BYTES, &io, out)?;
                        left -= written;
                        run.sent += written as u64;
                        if from + written < batch.row_count() {
                            run.batch = Some((batch, from + written));
                        }
                        if out.len() - start >= SEND_BYTES && left > 0 {
                            return Ok(Advance::More);
                        }
                    }
                    if left == 0 && max_rows > 0 {
                        return Ok(Advance::Suspended);
                    }
                    run.execution.finish()?;
                    let tag = query_tag(portal.statement.statement.as_ref(), run);
                    self.after_statement();
                    portal.state = PortalState::Done(tag);
                }
                PortalState::Stored { rows, tag } => {
                    let tag = tag.clone();
                    let mut pending = std::mem::take(rows);
                    let reader = self.statement_context()?.reader;
                    let io = IoContext { names: &*reader, ..self.cx.io() };
                    let columns = portal.columns.as_deref().unwrap_or(&[]);
                    let types: Vec<_> = columns.iter().map(|(_, ty, _)| *ty).collect();
                    let mut writer = RowWriter::new(&types, &portal.formats, &io)?;
                    let start = out.len();
                    let mut ended = false;
                    while left > 0 && out.len() - start < SEND_BYTES {
                        let Some(row) = pending.next() else {
                            ended = true;
                            break;
                        };
                        writer.write_row(&row, &io, out)?;
                        left -= 1;
                    }
                    if !ended {
                        let limit_reached = left == 0;
                        portal.state = PortalState::Stored { rows: pending, tag };
                        return Ok(if limit_reached { Advance::Suspended } else { Advance::More });
                    }
                    self.after_statement();
                    portal.state = PortalState::Done(tag);
                }
                PortalState::CopyOut(copy) => match copy.advance(out, SEND_BYTES)? {
                    None => return Ok(Advance::More),
                    Some(tag) => {
                        self.after_statement();
                        portal.state = PortalState::Done(tag);
                    }
                },
            }
        }
    }

    /// Makes the statement's effects visible to the next one.
    fn after_statement(&mut self) {
        self.block.has_run = true;
        if let Some(txn) = self.block.txn() {
            txn.advance_command();
        }
    }

    /// Starts a new portal. `Some`: it is already finished, or needs the connection.
    fn begin_portal(&mut self, portal: &mut Portal, max_rows: usize, out: &mut BytesMut) -> Result<Option<Advance>> {
        let statement = portal.statement.clone();
        let Some(stmt) = &statement.statement else {
            return Ok(Some(Advance::Complete(String::new())));
        };
        if let Some(plan) = portal.plan.clone() {
            return self.begin_query(portal, stmt, plan, max_rows, out);
        }
        match commands::run(self, stmt, portal, out)? {
            CommandOutcome::Done(tag) => {
                self.after_statement();
                portal.state = PortalState::Done(tag);
                Ok(None)
            }
            CommandOutcome::Rows { rows, tag } => {
                portal.state = PortalState::Stored { rows: rows.into_iter(), tag };
                Ok(None)
            }
            CommandOutcome::Query(plan) => self.begin_query(portal, stmt, plan, max_rows, out),
            CommandOutcome::CopyIn(copy) => {
                copy.announce(out);
                Ok(Some(Advance::CopyIn(copy)))
            }
            CommandOutcome::CopyOut(copy) => {
                copy.announce(out);
                portal.state = PortalState::CopyOut(copy);
                Ok(None)
            }
            CommandOutcome::Committed(lsn, tag) => {
                portal.state = PortalState::Done(tag.clone());
                Ok(Some(Advance::Committed(lsn, tag)))
            }
        }
    }

    fn begin_query(&mut self, portal: &mut Portal, stmt: &ast::Statement, plan: Arc<CachedPlan>, max_rows: usize, out: &mut BytesMut) -> Result<Option<Advance>> {
        let st = self.statement_context()?;
        if let (Some(fast), true) = (&plan.fast, max_rows == 0) {
            let env = st.exec_env(portal.params.clone(), false);
            let io = IoContext { names: &*st.reader, ..self.cx.io() };
            let types: Vec<_> = plan.statement.output.iter().map(|(_, _, ty)| *ty).collect();
            let mut writer = RowWriter::new(&types, &portal.formats, &io)?;
            let has_rows = !types.is_empty();
            let count = fast.run(&env, &mut |row| if has_rows { writer.write_row(row, &io, out) } else { Ok(()) })?;
            self.after_statement();
            portal.state = PortalState::Done(tag_with_count(Some(stmt), count));
            return Ok(None);
        }
        let execution = st.start(plan.statement.clone(), portal.params.clone(), false)?;
        portal.state = PortalState::Running(Box::new(Running { execution, batch: None, sent: 0, plan }));
        Ok(None)
    }

    // ---- extended protocol ----

    fn parse_message(&mut self, name: &str, sql: &str, param_types: &[u32], out: &mut BytesMut) -> Result<()> {
        self.text = sql.to_string();
        self.note_query(sql);
        if !name.is_empty() && self.prepared.contains_key(name) {
            return Err(err!(DUPLICATE_PSTATEMENT, "prepared statement \"{name}\" already exists"));
        }
        let (mut statements, notices) = parse::parse_with_notices(sql)?;
        for n in notices {
            self.cx.push_notice(Severity::Notice, n);
        }
        if statements.len() > 1 {
            return Err(err!(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement"));
        }
        let statement = statements.pop().map(|p| p.stmt);
        let types: Vec<Oid> = param_types.iter().map(|t| Oid(*t)).collect();
        let prepared = self.prepare(name, sql, statement, &types, false)?;
        self.prepared.insert(name.to_string(), Arc::new(prepared));
        self.send_notices(out);
        protocol::parse_complete(out);
        Ok(())
    }

    /// Analyzes a statement for later.
    pub(crate) fn prepare(&mut self, name: &str, text: &str, statement: Option<ast::Statement>, types: &[Oid], from_sql: bool) -> Result<Prepared> {
        let mut param_types = types.to_vec();
        let mut columns = None;
        if let Some(stmt) = &statement {
            self.check_failed_block(stmt)?;
            if is_query(stmt) {
                let st = self.statement_context()?;
                let analyzed = st.analyze(stmt, types, true)?;
                param_types = analyzed.bound.params.iter().map(|t| t.oid).collect();
                columns = (!analyzed.columns.is_empty() || is_select(stmt)).then_some(analyzed.columns);
            } else if self.block.state() != BlockState::Failed {
                columns = commands::columns_of(self, stmt)?;
            }
        }
        Ok(Prepared {
            name: name.to_string(),
            text: text.to_string(),
            statement,
            param_types,
            columns,
            plans: Default::default(),
            from_sql,
            prepared_at: crate::clock::now(),
        })
    }

    fn bind_message(&mut self, portal: &str, statement: &str, param_formats: &[i16], params: &[Option<&[u8]>], formats: Vec<i16>, out: &mut BytesMut) -> Result<()> {
        let Some(prepared) = self.prepared.get(statement).cloned() else {
            return Err(match statement {
                "" => err!(UNDEFINED_PSTATEMENT, "unnamed prepared statement does not exist"),
                name => err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist"),
            });
        };
        self.text = prepared.text.clone();
        if let Some(stmt) = &prepared.statement {
            self.check_failed_block(stmt)?;
        }
        if param_formats.len() > 1 && param_formats.len() != params.len() {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message has {} parameter formats but {} parameters",
                param_formats.len(),
                params.len()
            ));
        }
        if params.len() != prepared.param_types.len() {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                params.len(),
                prepared.param_types.len()
            ));
        }
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        if formats.len() > 1 && formats.len() != columns {
            return Err(err!(
                PROTOCOL_VIOLATION,
                "bind message has {} result formats but query has {columns} columns",
                formats.len()
            ));
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(err!(DUPLICATE_CURSOR, "cursor \"{portal}\" already exists"));
        }
        let values = self.decode_params(&prepared, param_formats, params)?;
        self.portal_count += 1;
        let mut made = Portal::new(prepared.clone(), values, formats, self.portal_count);
        self.note_query(&prepared.text);
        if prepared.statement.as_ref().is_some_and(is_query) {
            self.open(&mut made)?;
        }
        self.portals.insert(portal.to_string(), made);
        protocol::bind_complete(out);
        Ok(())
    }

    fn decode_params(&mut self, prepared: &Prepared, formats: &[i16], params: &[Option<&[u8]>]) -> Result<Arc<[Datum]>> {
        if params.is_empty() {
            return Ok(Arc::from([]));
        }
        let st = self.statement_context()?;
        let io = st.io();
        let mut values = Vec::with_capacity(params.len());
        for (i, (value, oid)) in params.iter().zip(&prepared.param_types).enumerate() {
            let Some(bytes) = value else {
                values.push(Datum::Null);
                continue;
            };
            let ty = io.type_ref(*oid)?;
            let decoded = if results::format_of(formats, i) == 1 {
                ty.receive(bytes, -1, &io)
            } else {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| err!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\""))?;
                ty.input(text, -1, &io)
            };
            values.push(decoded.map_err(|e| e.context(format!("unnamed portal parameter ${}", i + 1)))?);
        }
        Ok(values.into())
    }

    fn describe_message(&mut self, portal: bool, name: &str, out: &mut BytesMut) -> Result<()> {
        let (columns, formats) = if portal {
            match self.portals.get(name) {
                Some(p) => (p.columns.clone(), p.formats.clone()),
                None => return Err(err!(UNDEFINED_CURSOR, "portal \"{name}\" does not exist")),
            }
        } else {
            let Some(p) = self.prepared.get(name).cloned() else {
                return Err(match name {
                    "" => err!(UNDEFINED_PSTATEMENT, "unnamed prepared statement does not exist"),
                    name => err!(UNDEFINED_PSTATEMENT, "prepared statement \"{name}\" does not exist"),
                });
            };
            let types: Vec<u32> = p.param_types.iter().map(|t| t.0).collect();
            protocol::parameter_description(out, &types);
            (p.columns.clone(), vec![])
        };
        match columns {
            None => protocol::no_data(out),
            Some(columns) => {
                let st = self.statement_context()?;
                protocol::row_description(out, &results::describe(&columns, &formats, &st.io())?);
            }
        }
        Ok(())
    }

    fn drive_execute(&mut self, name: String, max_rows: usize, out: &mut BytesMut) -> Step {
        let Some(mut portal) = self.portals.remove(&name) else {
            let e = err!(UNDEFINED_CURSOR, "portal \"{name}\" does not exist");
            return self.fail_extended(e, out);
        };
        self.text.clone_from(&portal.statement.text);
        let Some(stmt) = portal.statement.statement.as_ref() else {
            protocol::empty_query(out);
            return Step::Ready;
        };
        if let Err(e) = self.check_failed_block(stmt) {
            return self.fail_extended(e, out);
        }
        let advanced = self.advance(&mut portal, max_rows, out);
        self.send_notices(out);
        match advanced {
            Err(e) => self.fail_extended(e, out),
            Ok(Advance::More) => {
                self.portals.insert(name.clone(), portal);
                self.work = Work::Execute { name, max_rows };
                Step::More
            }
            Ok(Advance::Suspended) => {
                protocol::portal_suspended(out);
                self.portals.insert(name, portal);
                Step::Ready
            }
            Ok(Advance::Complete(tag)) => {
                protocol::command_complete(out, &tag);
                if self.block.txn().is_some() {
                    self.portals.insert(name, portal);
                }
                Step::Ready
            }
            Ok(Advance::CopyIn(copy)) => {
                self.work = Work::CopyIn(Box::new(CopyIn { copy, then: AfterCopy::Extended }));
                Step::More
            }
            Ok(Advance::Committed(lsn, tag)) => self.after_commit(lsn, Some(tag), AfterCommit::Extended, out),
        }
    }

    /// Sync: an implicit transaction ends here.
    fn sync(&mut self, out: &mut BytesMut) -> Step {
        self.skip_to_sync = false;
        if self.block.state() != BlockState::Implicit {
            self.ready(out);
            return Step::Ready;
        }
        match self.commit(out) {
            Ok(lsn) => self.after_commit(lsn, None, AfterCommit::Sync, out),
            Err(e) => {
                self.report(e, out);
                self.ready(out);
                Step::Ready
            }
        }
    }

    // ---- COPY FROM STDIN ----

    fn copy_message(&mut self, request: Request<'_>, out: &mut BytesMut) -> Step {
        let Work::CopyIn(mut c) = std::mem::replace(&mut self.work, Work::None) else { return Step::Ready };
        let result = match request {
            Request::CopyData(data) => {
                let fed = self.check_cancelled().and_then(|()| c.copy.feed(data));
                match fed {
                    Ok(()) => {
                        self.work = Work::CopyIn(c);
                        return Step::Ready;
                    }
                    Err(e) => Err(e),
                }
            }
            Request::CopyDone => c.copy.finish(),
            Request::CopyFail(reason) => Err(err!(QUERY_CANCELED, "COPY from stdin failed: {reason}")),
            // libpq may have these under way when COPY begins; they mean nothing here.
            Request::Flush | Request::Sync => {
                self.work = Work::CopyIn(c);
                return Step::Ready;
            }
            Request::Terminate => return Step::Closed,
            _ => Err(err!(PROTOCOL_VIOLATION, "unexpected message type during COPY from stdin")),
        };
        self.send_notices(out);
        match (result, c.then) {
            (Ok(tag), AfterCopy::Simple(s)) => {
                self.after_statement();
                match self.finish_simple_statement(s, tag, out) {
                    Some(step) => step,
                    None => self.drive(out),
                }
            }
            (Ok(tag), AfterCopy::Extended) => {
                self.after_statement();
                protocol::command_complete(out, &tag);
                Step::Ready
            }
            (Err(e), AfterCopy::Simple(_)) => self.fail_simple(e, out),
            (Err(e), AfterCopy::Extended) => self.fail_extended(e, out),
        }
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.cx.signals.is_cancelled() { Err(self.cx.cancel_error()) } else { Ok(()) }
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
        ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_) | ast::Statement::Merge(_) => true,
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

fn query_tag(stmt: Option<&ast::Statement>, run: &Running) -> String {
    let count = match stmt {
        Some(ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_)) => run.execution.rows_affected(),
        _ => run.sent,
    };
    tag_with_count(stmt, count)
}

fn tag_with_count(stmt: Option<&ast::Statement>, count: u64) -> String {
    match stmt {
        Some(ast::Statement::Insert(_)) => format!("INSERT 0 {count}"),
        Some(ast::Statement::Update(_)) => format!("UPDATE {count}"),
        Some(ast::Statement::Delete(_)) => format!("DELETE {count}"),
        _ => format!("SELECT {count}"),
    }
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
fn character_number(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or_else(|| text.chars().count(), |t| t.chars().count()) + 1
}

fn floor_char(s: &str, mut at: usize) -> usize {
    at = at.min(s.len());
    while !s.is_char_boundary(at) {
        at -= 1;
    }
    at
}
