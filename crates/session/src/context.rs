//! The session as functions and operators see it: settings, clock, sequences, notices, catalog questions.

use crate::digest::Digest;
use crate::domains::SessionDomains;
use crate::instance::Instance;
use crate::lock_waits::LockWaits;
use crate::log::LogSettings;
use crate::prepared::Statements;
use crate::seldom::Seldom;
use crate::sequence::Sequences;
use crate::signals::{CancelReason, Signals};
use crate::summary_requests::SummaryRequest;
use crate::timeouts::Limits;
use crate::vars::{SessionVars, SetScope};
use parking_lot::Mutex;
use quarry_catalog::{CatalogReader, DomainRules, SessionView, info};
use quarry_common::settings::Settings;
use quarry_common::{Error, Oid, Result, Severity, err};
use quarry_functions::SessionEnv;
use quarry_storage::lock::{LockTag, WaitOptions};
use quarry_storage::txn::Transaction;
use quarry_storage::{LockMode, WaitPolicy};
use quarry_types::io::{ByteaOutput, DateOrder, DateStyle, IntervalStyle, IoContext, NoNames, NoticeSink};
use quarry_types::{Datum, SqlType};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Settings that input and output depend on, worked out once per change.
#[derive(Clone)]
struct Formats {
    version: u64,
    io: IoContext<'static>,
}

/// Shared between a session and the statements it runs.
pub struct SessionContext {
    pub instance: Arc<Instance>,
    pub signals: Arc<Signals>,
    pub database: (Oid, String),
    /// Who logged in.
    pub authenticated_user: (Oid, String),
    session_user: Mutex<(Oid, String)>,
    current_user: Mutex<(Oid, String, bool)>,
    pub vars: Mutex<SessionVars>,
    /// Counts changes of settings, users and the schema of temporary objects: what was worked out of them holds until the next one.
    version: Arc<AtomicU64>,
    formats: Mutex<Option<Formats>>,
    /// Hears of long waits for locks.
    pub(crate) lock_waits: Arc<LockWaits>,
    view: Mutex<Option<(u64, Arc<SessionView>)>>,
    temp_schema: Mutex<Option<Oid>>,
    /// Temporary tables with ON COMMIT; true: DROP, false: DELETE ROWS.
    pub(crate) on_commit: Seldom<Vec<(Oid, bool)>>,
    notices: Seldom<Vec<Error>>,
    /// Notices so far, those that the client does not want to see too.
    noticed: AtomicU64,
    /// Modules loaded by name.
    modules: Mutex<Vec<&'static str>>,
    pub transaction_start: AtomicI64,
    pub statement_start: AtomicI64,
    /// How often a cancel was looked for, and when the worker's other tasks were last handed over.
    checks: AtomicU32,
    handed_over: AtomicI64,
    /// State of random(): xorshift64*, seeded by setseed or the clock.
    this: Weak<SessionContext>,
    random: AtomicU64,
    /// The reader of the running statement, for functions that ask the catalog.
    reader: Mutex<Option<Arc<CatalogReader>>>,
    pub(crate) sequences: Mutex<Sequences>,
    /// Prepared statements by name, those of Parse messages too.
    pub prepared: Mutex<Statements>,
    /// The session's portals, for `pg_cursors`.
    pub cursors: Arc<Mutex<Vec<crate::portal::PortalEntry>>>,
    side_lsn: AtomicU64,
    /// Advisory locks held beyond transactions.
    pub session_locks: quarry_storage::lock::SessionLocks,
    /// Constraint checks put off to the end of the transaction.
    pub deferred: Arc<Mutex<quarry_executor::deferred::DeferredQueue>>,
    /// Plans of foreign keys' checks and actions.
    pub internal_plans: Arc<Mutex<crate::internal::InternalPlans>>,
    /// Where statements put what doesn't fit into their memory.
    pub(crate) temp_dir: Arc<Path>,
    text_search: crate::text_search::TextSearch,
    domain_rules: OnceLock<Arc<SessionDomains>>,
    /// The transaction has made temporary objects.
    pub(crate) made_temporary: AtomicBool,
    /// Names of the snapshots that the transaction has exported.
    pub(crate) exported: Seldom<Vec<String>>,
    /// LISTEN and NOTIFY.
    pub(crate) notifications: crate::notify::Notifications,
}

impl SessionContext {
    pub fn new(
        this: &Weak<SessionContext>,
        instance: Arc<Instance>,
        signals: Arc<Signals>,
        database: (Oid, String),
        user: (Oid, String, bool),
    ) -> SessionContext {
        let now = crate::clock::now();
        let base = instance.settings();
        let locks = instance.storage().locks();
        let session_locks = locks.session(locks.new_owner(), signals.pid);
        let temp_dir = Arc::from(instance.data_dir().join("tmp"));
        let vars = SessionVars::new(base);
        let version = vars.counter();
        SessionContext {
            instance,
            signals,
            database,
            authenticated_user: (user.0, user.1.clone()),
            session_user: Mutex::new((user.0, user.1.clone())),
            current_user: Mutex::new(user),
            vars: Mutex::new(vars),
            version,
            formats: Mutex::new(None),
            lock_waits: Arc::new(LockWaits::new(this.clone())),
            this: this.clone(),
            view: Mutex::new(None),
            temp_schema: Mutex::new(None),
            on_commit: Seldom::default(),
            notices: Seldom::default(),
            noticed: AtomicU64::new(0),
            transaction_start: AtomicI64::new(now),
            statement_start: AtomicI64::new(now),
            checks: AtomicU32::new(0),
            handed_over: AtomicI64::new(0),
            random: AtomicU64::new(now as u64 | 1),
            reader: Mutex::new(None),
            sequences: Mutex::default(),
            prepared: Mutex::default(),
            cursors: Arc::default(),
            side_lsn: AtomicU64::new(0),
            session_locks,
            deferred: Arc::default(),
            internal_plans: Arc::default(),
            modules: Mutex::default(),
            temp_dir,
            text_search: Default::default(),
            domain_rules: OnceLock::new(),
            made_temporary: AtomicBool::new(false),
            exported: Seldom::default(),
            notifications: Default::default(),
        }
    }
    /// A statement that was taken for short and runs long hands the worker's other tasks over: new connections, among them those
    /// that come to cancel it, must not wait for it. After ten milliseconds and, in case nobody took them, seldom again.
    fn give_way(&self) {
        let start = self.statement_start.load(Ordering::Relaxed);
        let handed = self.handed_over.load(Ordering::Relaxed) - start;
        let now = crate::clock::now();
        if now - start < if handed > 0 { handed.saturating_mul(10) } else { GIVE_WAY_AFTER_US } {
            return;
        }
        self.handed_over.store(now, Ordering::Relaxed);
        quarry_common::wait::blocking(|| std::thread::sleep(HAND_OVER));
    }
    /// The session as its statements share it; none once it has ended.
    pub(crate) fn this(&self) -> Option<Arc<SessionContext>> {
        self.this.upgrade()
    }
    /// What checks values of domains as they come in.
    pub fn domain_rules(self: &Arc<Self>) -> Arc<dyn DomainRules> {
        self.domain_rules.get_or_init(|| Arc::new(SessionDomains::new(self))).clone()
    }
    /// Counts changes of settings, users and the schema of temporary objects.
    pub fn settings_version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }
    /// Something that the catalog needs to know of the session is another one now.
    fn forget_view(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }
    pub fn has_deferred(&self) -> bool {
        !self.deferred.lock().is_empty()
    }
    pub fn clear_deferred(&self) {
        let mut deferred = self.deferred.lock();
        if !deferred.is_unused() {
            *deferred = Default::default();
        }
    }
    /// The current settings.
    pub fn settings(&self) -> Arc<Settings> {
        self.vars.lock().current().clone()
    }
    /// Limits of time.
    pub fn limits(&self) -> Limits {
        self.vars.lock().digest().limits
    }
    /// The settings that every statement needs.
    pub(crate) fn digest(&self) -> Digest {
        self.digested(|digest| *digest)
    }
    /// Reads some of them.
    pub(crate) fn digested<T>(&self, read: impl FnOnce(&Digest) -> T) -> T {
        read(self.vars.lock().digest())
    }
    pub fn is_superuser(&self) -> bool {
        self.current_user.lock().2
    }
    /// SET ROLE, SET SESSION AUTHORIZATION.
    pub fn set_current_user(&self, oid: Oid, name: &str, superuser: bool) {
        *self.current_user.lock() = (oid, name.to_string(), superuser);
        self.forget_view();
    }
    /// SET SESSION AUTHORIZATION.
    pub fn set_session_user(&self, oid: Oid, name: &str) {
        *self.session_user.lock() = (oid, name.to_string());
        self.forget_view();
    }
    /// What the catalog needs to know of the session: user and search path.
    pub fn view(&self) -> Arc<SessionView> {
        let version = self.settings_version();
        let mut view = self.view.lock();
        if let Some((of, v)) = &*view
            && *of == version
        {
            return v.clone();
        }
        let vars = self.vars.lock();
        let made = SessionView {
            user: self.current_user.lock().0,
            session_user: self.session_user.lock().0,
            search_path: split_search_path(vars.current().text("search_path")),
            temp_schema: *self.temp_schema.lock(),
            session_id: self.signals.pid as u32,
            transform_null_equals: vars.current().bool("transform_null_equals"),
        };
        // The same view stays the same object: plans made under it are good as long as it is there.
        let made = match &*view {
            Some((_, old)) if **old == made => old.clone(),
            _ => Arc::new(made),
        };
        *view = Some((version, made.clone()));
        made
    }
    /// Remembers the session's schema of temporary objects.
    pub fn set_temp_schema(&self, oid: Option<Oid>) {
        *self.temp_schema.lock() = oid;
        self.forget_view();
    }
    pub fn temp_schema(&self) -> Option<Oid> {
        *self.temp_schema.lock()
    }
    /// Formats of the current settings, without names: `IoContext { names: &reader, ..context.io() }`.
    pub fn io(&self) -> IoContext<'static> {
        let version = self.settings_version();
        let mut formats = self.formats.lock();
        if formats.as_ref().is_none_or(|f| f.version != version) {
            *formats = Some(Formats { version, io: make_io(self.vars.lock().current()) });
        }
        let mut io = formats.as_ref().expect("made above").io.clone();
        io.now_us = self.transaction_start.load(Ordering::Relaxed);
        io
    }
    /// Switches a module on.
    pub(crate) fn load(&self, module: &'static str) {
        let mut modules = self.modules.lock();
        if !modules.contains(&module) {
            modules.push(module);
        }
    }
    /// Whether a module was switched on.
    pub(crate) fn has_loaded(&self, module: &str) -> bool {
        self.modules.lock().contains(&module)
    }
    /// Switches on what settings want to be there from the start. What isn't known is left out.
    pub(crate) fn preload(&self) {
        let settings = self.settings();
        for name in ["shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"] {
            for file in settings.text(name).split(',') {
                if let Some(module) = crate::commands::load::module_of(file.trim().trim_matches('"')) {
                    self.load(module);
                }
            }
        }
    }
    /// Which statements are logged.
    pub fn log_settings(&self) -> LogSettings {
        self.vars.lock().digest().log
    }
    /// Sets the statement's reader, which functions ask.
    pub fn set_reader(&self, reader: Option<Arc<CatalogReader>>) {
        *self.reader.lock() = reader;
    }
    /// The same with one that is mostly set already.
    pub(crate) fn show_reader(&self, reader: &Arc<CatalogReader>) {
        let mut shown = self.reader.lock();
        if !shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, reader)) {
            *shown = Some(reader.clone());
        }
    }
    pub(crate) fn reader(&self) -> Result<Arc<CatalogReader>> {
        self.reader.lock().clone().ok_or_else(|| Error::internal("no statement is running"))
    }
    /// A reader for a transaction of this session.
    pub fn reader_for(&self, txn: &Arc<Transaction>) -> CatalogReader {
        self.instance.catalog().reader(self.database.0, txn, &self.view())
    }
    pub fn take_notices(&self) -> Vec<Error> {
        self.notices.take()
    }
    /// Counts notices.
    pub(crate) fn noticed(&self) -> u64 {
        self.noticed.load(Ordering::Relaxed)
    }
    pub fn push_notice(&self, severity: Severity, error: Error) {
        self.noticed.fetch_add(1, Ordering::Relaxed);
        let error = error.severity(severity);
        self.log_error(&error, None, None);
        let vars = self.vars.lock();
        let level = vars.current().text("client_min_messages");
        if severity >= notice_threshold(level) || severity == Severity::Info {
            self.notices.lock().push(error);
        }
    }
    /// Takes a lock that outlives transactions. False: it is not free, and `policy` says not to wait.
    pub(crate) fn lock_for_session(&self, tag: LockTag, mode: LockMode, policy: WaitPolicy) -> Result<bool> {
        let limits = self.limits();
        let cancel = self.signals.cancel_flag();
        let wait = WaitOptions {
            cancel: &cancel,
            lock_timeout: limits.lock,
            deadlock_timeout: limits.deadlock,
            observer: Some(&*self.lock_waits),
        };
        self.session_locks.lock(tag, mode, policy, &wait)
    }
    /// Sends the client a message, whatever `client_min_messages`.
    pub(crate) fn tell(&self, message: Error) {
        self.notices.lock().push(message);
    }
    /// The error of a pending cancel or timeout, which is thereby taken.
    pub fn cancel_error(&self) -> Error {
        if let Some(end) = self.end_error() {
            return end;
        }
        match self.signals.take_cancel() {
            CancelReason::StatementTimeout => {
                err!(QUERY_CANCELED, "canceling statement due to statement timeout")
            }
            CancelReason::UserRequest
            | CancelReason::Terminate
            | CancelReason::TransactionTimeout
            | CancelReason::None => Error::cancelled(),
        }
    }
    /// Why the session has to end, if it has to.
    pub fn end_error(&self) -> Option<Error> {
        let e = if self.signals.is_terminated() {
            err!(ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        } else if self.signals.is_transaction_timed_out() {
            err!(TRANSACTION_TIMEOUT, "terminating connection due to transaction timeout")
        } else {
            return None;
        };
        Some(e.severity(Severity::Fatal))
    }
    /// Notes a change outside the transaction that must be durable before the client hears of the transaction's end.
    pub(crate) fn note_side_lsn(&self, lsn: quarry_common::Lsn) {
        if lsn > self.instance.storage().wal().flushed() {
            self.side_lsn.fetch_max(lsn.0, Ordering::Relaxed);
        }
    }
    /// Takes the position of such changes.
    pub fn take_side_lsn(&self) -> Option<quarry_common::Lsn> {
        // Noted by whoever runs the session's statements, so never between the two.
        if self.side_lsn.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(quarry_common::Lsn(self.side_lsn.swap(0, Ordering::Relaxed)))
    }
    /// 55006 if a cursor of this session reads the relation that `command` is about to change, or checks of its rows wait for commit.
    pub fn check_not_in_use(&self, relation: &quarry_catalog::Relation, command: &str) -> Result<()> {
        if self.deferred.lock().concerns(relation.oid) {
            return Err(err!(
                OBJECT_IN_USE,
                "cannot {command} \"{}\" because it has pending trigger events",
                relation.name
            ));
        }
        if self.cursors.lock().iter().any(|e| e.relations.contains(&relation.oid)) {
            return Err(err!(
                OBJECT_IN_USE,
                "cannot {command} \"{}\" because it is being used by active queries in this session",
                relation.name
            ));
        }
        Ok(())
    }
    /// DISCARD SEQUENCES.
    pub fn forget_sequences(&self) {
        *self.sequences.lock() = Sequences::default();
    }
}

/// Which notices are sent.
pub(crate) fn notice_threshold(setting: &str) -> Severity {
    match setting {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "notice" => Severity::Notice,
        "log" => Severity::Log,
        _ => Severity::Debug,
    }
}

/// `"$user", public` as a list; quotes protect, unquoted names fold.
pub fn split_search_path(text: &str) -> Vec<String> {
    let mut out = vec![];
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let Some(c) = chars.peek().copied() else { return out };
        let mut name = String::new();
        if c == '"' {
            chars.next();
            while let Some(c) = chars.next() {
                if c == '"' && chars.next_if(|c| *c == '"').is_none() {
                    break;
                }
                name.push(c);
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                name.extend(c.to_lowercase());
            }
            name.truncate(name.trim_end().len());
        }
        if !name.is_empty() {
            out.push(name);
        }
    }
}

fn make_io(settings: &Settings) -> IoContext<'static> {
    let mut io = IoContext { names: &NoNames, ..IoContext::default() };
    for word in settings.text("DateStyle").split(',').map(|w| w.trim().to_ascii_lowercase()) {
        match word.as_str() {
            "iso" => io.date_style = DateStyle::Iso,
            "sql" => io.date_style = DateStyle::Sql,
            "postgres" => io.date_style = DateStyle::Postgres,
            "german" => io.date_style = DateStyle::German,
            "ymd" => io.date_order = DateOrder::Ymd,
            "dmy" => io.date_order = DateOrder::Dmy,
            _ => io.date_order = DateOrder::Mdy,
        }
    }
    io.interval_style = match settings.text("IntervalStyle") {
        "postgres_verbose" => IntervalStyle::PostgresVerbose,
        "sql_standard" => IntervalStyle::SqlStandard,
        "iso_8601" => IntervalStyle::Iso8601,
        _ => IntervalStyle::Postgres,
    };
    io.bytea_output =
        if settings.text("bytea_output") == "escape" { ByteaOutput::Escape } else { ByteaOutput::Hex };
    io.array_nulls = settings.bool("array_nulls");
    io.extra_float_digits = settings.int("extra_float_digits") as i32;
    io.time_zone = crate::settings_check::current_zone(settings.text("TimeZone"));
    io
}

impl NoticeSink for SessionContext {
    fn notice(&self, severity: Severity, notice: Error) {
        self.push_notice(severity, notice);
    }
}

/// Microseconds that a statement may keep its worker to itself.
const GIVE_WAY_AFTER_US: i64 = 10_000;
/// How long another thread may take to come for the worker's tasks.
const HAND_OVER: std::time::Duration = std::time::Duration::from_micros(200);

impl SessionEnv for SessionContext {
    fn request_summary(&self, index: Oid, block: u32) {
        let request = SummaryRequest { database: self.database.0, index, block };
        if !self.instance.summaries().add(request) {
            tracing::info!(
                "request for BRIN range summarization for index {index} page {block} was not recorded"
            );
        }
    }
    fn transaction_timestamp(&self) -> i64 {
        self.transaction_start.load(Ordering::Relaxed)
    }
    fn statement_timestamp(&self) -> i64 {
        self.statement_start.load(Ordering::Relaxed)
    }
    fn clock_timestamp(&self) -> i64 {
        crate::clock::now()
    }
    fn check_cancelled(&self) -> Result<()> {
        if self.signals.is_cancelled() {
            return Err(self.cancel_error());
        }
        let n = self.checks.load(Ordering::Relaxed).wrapping_add(1);
        self.checks.store(n, Ordering::Relaxed);
        if n.is_multiple_of(4) {
            self.give_way();
        }
        Ok(())
    }
    fn notice(&self, severity: Severity, error: Error) {
        self.push_notice(severity, error);
    }
    fn random(&self) -> f64 {
        let step = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^ x >> 27
        };
        let mut next = 0;
        // Relaxed: the numbers need no order among threads.
        let _ = self.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| {
            next = step(x);
            Some(next)
        });
        (next.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn set_seed(&self, seed: f64) {
        self.random.store(seed.to_bits() | 1, Ordering::Relaxed);
    }
    fn current_user(&self) -> (Oid, String) {
        let u = self.current_user.lock();
        (u.0, u.1.clone())
    }
    fn session_user(&self) -> (Oid, String) {
        self.session_user.lock().clone()
    }
    fn current_database(&self) -> (Oid, String) {
        self.database.clone()
    }
    fn current_schemas(&self, include_implicit: bool) -> Vec<String> {
        self.reader().and_then(|r| r.current_schemas(include_implicit)).unwrap_or_default()
    }
    fn backend_pid(&self) -> i32 {
        self.signals.pid
    }
    fn setting(&self, name: &str) -> Option<String> {
        self.vars.lock().current().show(name)
    }
    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        let scope = if local { SetScope::Local } else { SetScope::Session };
        let superuser = self.is_superuser();
        let mut vars = self.vars.lock();
        match value {
            Some(text) => {
                let text = match name.eq_ignore_ascii_case("default_text_search_config") {
                    true => crate::text_search::checked_setting(&*self.reader()?, text)?,
                    false => crate::settings_check::normalise(name, text, vars.current())?,
                };
                vars.set(name, &text, scope, superuser)?
            }
            None => vars.reset(name, scope, superuser)?,
        }
        Ok(vars.current().show(name).unwrap_or_default())
    }
    fn nextval(&self, sequence: Oid) -> Result<i64> {
        self.take_value(sequence, true)
    }
    fn identity_value(&self, sequence: Oid) -> Result<i64> {
        self.take_value(sequence, false)
    }
    fn currval(&self, sequence: Oid) -> Result<i64> {
        self.current_value(sequence)
    }
    fn lastval(&self) -> Result<i64> {
        self.last_value()
    }
    fn setval(&self, sequence: Oid, value: i64, is_called: bool) -> Result<()> {
        self.set_value(sequence, value, is_called)
    }
    fn transaction_id(&self, assign: bool) -> Result<Option<u64>> {
        let txn = self.reader()?.txn().clone();
        Ok(if assign { Some(txn.assign_xid_to_note().0) } else { txn.xid().map(|x| x.0) })
    }
    fn catalog_function(&self, function: &'static str, args: &[Datum]) -> Result<Datum> {
        let reader = self.reader()?;
        if let Some(answer) = crate::view_definition::call(self, &reader, function, args)? {
            return Ok(answer);
        }
        if let Some(answer) = crate::statistics::call(self, &reader, function, args)? {
            return Ok(answer);
        }
        match info::call(&reader, function, args)? {
            Some(answer) => Ok(answer),
            None => crate::server_functions::call(self, &reader, function, args),
        }
    }
    fn catalog_rows(&self, function: &'static str, args: &[Datum]) -> Result<Vec<Vec<Datum>>> {
        let reader = self.reader()?;
        match info::rows(&reader, function, args)? {
            Some(rows) => Ok(rows),
            None => crate::server_rows::rows(self, &reader, function, args),
        }
    }
    fn text_search_config(&self, oid: Oid) -> Result<Arc<quarry_functions::text_search::Config>> {
        self.text_search.config(&*self.reader()?, oid)
    }
    fn text_search_dictionary(
        &self,
        oid: Oid,
    ) -> Result<Arc<quarry_functions::text_search::dictionary::Dictionary>> {
        self.text_search.dictionary(&*self.reader()?, oid)
    }
    fn current_text_search_config(&self) -> Result<Oid> {
        let name = self.setting("default_text_search_config").unwrap_or_default();
        self.text_search.named(&*self.reader()?, &name)
    }
    fn run_query(&self, sql: &str) -> Result<(Vec<SqlType>, Vec<Vec<Datum>>)> {
        match self.this.upgrade() {
            Some(this) => crate::nested::run(&this, sql),
            None => Err(Error::internal("a session that has ended runs a statement")),
        }
    }
    fn server_function(&self, function: &'static str, args: &[Datum]) -> Result<Datum> {
        crate::server_functions::call(self, &*self.reader()?, function, args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_paths() {
        assert_eq!(split_search_path("\"$user\", public"), ["$user", "public"]);
        assert_eq!(split_search_path("A, \"B \"\"c\", "), ["a", "B \"c"]);
    }
}
