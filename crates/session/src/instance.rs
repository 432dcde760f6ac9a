//! What all sessions of a server share.

use crate::config::ConfigFiles;
use crate::digest::counts_statements;
use crate::exported::ExportedSnapshots;
use crate::log::LogSink;
use crate::notify::NotifyQueue;
use crate::pins::Pins;
use crate::session::SessionStart;
use crate::signals::{Activity, Sessions};
use crate::statements::StatementStats;
use crate::summary_requests::SummaryRequests;
use crate::templates::shared::{ParsedTexts, TextPlans};
use crate::timeouts::Timeouts;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quarry_catalog::{Catalog, Privilege, RoleDef, SessionView};
use quarry_common::settings::Settings;
use quarry_common::{Lsn, Oid, Result, err};
use quarry_storage::engine::Storage;
use quarry_storage::ssi::Limits;
use quarry_storage::txn::IsolationLevel;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Makes the stored verifier of a new password.
pub type PasswordVerifier = fn(&str) -> Result<String>;

/// What the settings say of serializable transactions' locks.
fn ssi_limits(settings: &Settings) -> Limits {
    let count = |name| usize::try_from(settings.int(name)).unwrap_or(0);
    Limits {
        per_transaction: count("max_pred_locks_per_transaction"),
        transactions: count("max_connections"),
        per_relation: settings.int("max_pred_locks_per_relation"),
        per_page: count("max_pred_locks_per_page"),
    }
}

/// A running server without its sockets.
pub struct Instance {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
    settings: ArcSwap<Settings>,
    sessions: Sessions,
    timeouts: Arc<Timeouts>,
    notify_queue: NotifyQueue,
    exported_snapshots: ExportedSnapshots,
    summaries: SummaryRequests,
    text_plans: TextPlans,
    parsed_texts: ParsedTexts,
    pins: Pins,
    plans_made: AtomicU64,
    statement_stats: StatementStats,
    password_verifier: PasswordVerifier,
    data_dir: PathBuf,
    config: OnceLock<Arc<dyn ConfigFiles>>,
    /// Counts reloads of the settings.
    settings_version: AtomicU64,
    /// Settings whose new value waits for a restart.
    pending_restart: Mutex<Vec<&'static str>>,
    loaded_at: AtomicI64,
    /// Wakes whoever reads the other files (pg_hba.conf) when a session asks for it.
    reload: Notify,
    log: OnceLock<LogSink>,
    /// Microseconds since 2000-01-01 UTC.
    started_at: i64,
}

/// What the layers below go by, of the settings that may change while the server runs.
fn apply(storage: &Storage, settings: &Settings) {
    storage.ssi().set_limits(ssi_limits(settings));
    storage.set_log_checkpoints(settings.bool("log_checkpoints"));
    storage.wal().set_timed(settings.bool("track_wal_io_timing"));
    quarry_common::memory::set_limit(match settings.int("quarry.memory_limit") {
        ..=0 => usize::MAX,
        kilobytes => kilobytes as usize * 1024,
    });
}

impl Instance {
    pub fn new(
        storage: Arc<Storage>,
        catalog: Arc<Catalog>,
        settings: Settings,
        data_dir: PathBuf,
        password_verifier: PasswordVerifier,
    ) -> Arc<Instance> {
        apply(&storage, &settings);
        let counted = counts_statements(&settings) && settings.bool("pg_stat_statements.save");
        let statement_stats = match counts_statements(&settings) {
            true => StatementStats::load(&**storage.disk(), counted),
            false => StatementStats::default(),
        };
        // Half of it each.
        let kept_bytes = settings.bytes("quarry.plan_cache_size") as usize / 2;
        Arc::new(Instance {
            notify_queue: NotifyQueue::new(storage.disk().clone()),
            storage,
            catalog,
            settings: ArcSwap::from_pointee(settings),
            sessions: Sessions::default(),
            timeouts: Timeouts::start(),
            exported_snapshots: ExportedSnapshots::default(),
            summaries: SummaryRequests::default(),
            text_plans: TextPlans::new(kept_bytes),
            parsed_texts: ParsedTexts::new(kept_bytes),
            pins: Pins::default(),
            plans_made: AtomicU64::new(0),
            statement_stats,
            password_verifier,
            data_dir,
            config: OnceLock::new(),
            settings_version: AtomicU64::new(1),
            pending_restart: Mutex::default(),
            loaded_at: AtomicI64::new(crate::clock::now()),
            reload: Notify::new(),
            log: OnceLock::new(),
            started_at: crate::clock::now(),
        })
    }
    /// How many statements of clients were planned since the start: those that ran with a plan that was kept don't count.
    pub fn plans_made(&self) -> u64 {
        self.plans_made.load(Ordering::Relaxed)
    }
    pub(crate) fn note_plan_made(&self) {
        // Relaxed: a count.
        self.plans_made.fetch_add(1, Ordering::Relaxed);
    }
    /// Before an orderly stop: keeps what is to be there again after the start.
    pub fn save_statistics(&self) -> Result<()> {
        let settings = self.settings();
        if counts_statements(&settings) && settings.bool("pg_stat_statements.save") {
            self.statement_stats.save(&**self.storage.disk())?;
        }
        Ok(())
    }
    /// What statements cost.
    pub(crate) fn statement_stats(&self) -> &StatementStats {
        &self.statement_stats
    }
    /// Plans that stay.
    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }
    /// Plans of statements that come as text.
    pub fn text_plans(&self) -> &TextPlans {
        &self.text_plans
    }
    /// Statements of Parse messages without a name.
    pub(crate) fn parsed_texts(&self) -> &ParsedTexts {
        &self.parsed_texts
    }
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }
    /// The server's settings; sessions start from them.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }
    pub fn set_settings(&self, settings: Settings) {
        apply(&self.storage, &settings);
        self.settings.store(Arc::new(settings));
        self.loaded_at.store(crate::clock::now(), Ordering::Relaxed);
        // Release: who sees the number sees the settings.
        self.settings_version.fetch_add(1, Ordering::Release);
    }
    /// Changes when the settings are reloaded.
    pub fn settings_version(&self) -> u64 {
        self.settings_version.load(Ordering::Acquire)
    }
    /// When the settings were read, in microseconds since 2000-01-01 UTC.
    pub fn loaded_at(&self) -> i64 {
        self.loaded_at.load(Ordering::Relaxed)
    }
    /// Where the settings come from; set once at start.
    pub fn set_config(&self, config: Arc<dyn ConfigFiles>) {
        // A second one would be a mistake of the caller's; the first stays.
        let _ = self.config.set(config);
    }
    pub(crate) fn config_files(&self) -> Option<Arc<dyn ConfigFiles>> {
        self.config.get().cloned()
    }
    pub(crate) fn set_pending_restart(&self, names: &[&'static str]) {
        *self.pending_restart.lock() = names.to_vec();
    }
    /// Whether a setting's new value waits for a restart.
    pub fn is_pending_restart(&self, name: &str) -> bool {
        self.pending_restart.lock().contains(&name)
    }
    /// Where log lines go; set once at start.
    pub fn set_log(&self, sink: LogSink) {
        let _ = self.log.set(sink);
    }
    pub fn log_sink(&self) -> Option<&LogSink> {
        self.log.get()
    }
    /// Asks for the files that aren't settings to be read again, too.
    /// Ranges of indexes that wait for autovacuum.
    pub(crate) fn summaries(&self) -> &SummaryRequests {
        &self.summaries
    }
    pub fn request_reload(&self) {
        self.reload.notify_one();
    }
    /// Waits for such a request.
    pub async fn reload_requested(&self) {
        self.reload.notified().await
    }
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
    pub fn timeouts(&self) -> &Arc<Timeouts> {
        &self.timeouts
    }
    pub(crate) fn exported_snapshots(&self) -> &ExportedSnapshots {
        &self.exported_snapshots
    }
    /// Notifications on their way between sessions.
    pub(crate) fn notify_queue(&self) -> &NotifyQueue {
        &self.notify_queue
    }
    pub fn data_dir(&self) -> &PathBuf {
        &self.data_dir
    }
    pub fn started_at(&self) -> i64 {
        self.started_at
    }
    pub fn password_verifier(&self, password: &str) -> Result<String> {
        (self.password_verifier)(password)
    }
    /// A random number, for cancel keys.
    pub fn random_i32(&self) -> i32 {
        let mut bytes = [0u8; 4];
        match getrandom::fill(&mut bytes) {
            Ok(()) => i32::from_le_bytes(bytes),
            Err(_) => crate::clock::now() as i32,
        }
    }
    /// Finds the database and role of a new session, and the settings stored for them.
    pub(crate) fn login(&self, start: &SessionStart) -> Result<Login> {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        let reader = self.catalog.reader(Oid::INVALID, &txn, &SessionView::superuser());
        let fatal = |e: quarry_common::Error| e.severity(quarry_common::Severity::Fatal);
        let Some(role) = reader.role_named(&start.user)? else {
            return Err(fatal(err!(
                INVALID_AUTHORIZATION_SPECIFICATION,
                "role \"{}\" does not exist",
                start.user
            )));
        };
        // Sessions are counted only where there is a limit.
        let full = |limit: i32, mine: &dyn Fn(&Activity) -> bool| {
            let count = || self.sessions.all().iter().filter(|s| mine(&s.activity.lock())).count();
            !role.superuser && limit >= 0 && count() >= limit as usize
        };
        if full(role.connection_limit, &|a| a.user == role.oid) {
            let e = err!(TOO_MANY_CONNECTIONS, "too many connections for role \"{}\"", role.name);
            return Err(fatal(e));
        }
        let Some(database) = reader.database_named(&start.database)? else {
            return Err(fatal(err!(UNDEFINED_DATABASE, "database \"{}\" does not exist", start.database)));
        };
        if !database.allow_connections {
            return Err(fatal(err!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "database \"{}\" is not currently accepting connections",
                database.name
            )));
        }
        let in_database = self.catalog.reader(database.oid, &txn, &SessionView::superuser());
        if !role.superuser
            && !in_database.has_database_privilege(database.oid, role.oid, Privilege::Connect)?
        {
            let e = err!(INSUFFICIENT_PRIVILEGE, "permission denied for database \"{}\"", database.name)
                .detail("User does not have CONNECT privilege.");
            return Err(fatal(e));
        }
        if full(database.connection_limit, &|a| a.database == database.oid) {
            let e = err!(TOO_MANY_CONNECTIONS, "too many connections for database \"{}\"", database.name);
            return Err(fatal(e));
        }
        // From the general to the particular: a later one wins.
        let mut settings = vec![];
        for (db, for_role) in [
            (Oid::INVALID, Oid::INVALID),
            (database.oid, Oid::INVALID),
            (Oid::INVALID, role.oid),
            (database.oid, role.oid),
        ] {
            settings.extend(reader.role_settings(db, for_role)?);
        }
        Ok(Login {
            user: (role.oid, role.name.clone(), role.superuser),
            database: (database.oid, database.name.clone()),
            settings,
        })
    }
    /// The role a client wants to be, for authentication.
    pub fn login_role(&self, name: &str) -> Result<Option<RoleDef>> {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        let reader = self.catalog.reader(Oid::INVALID, &txn, &SessionView::superuser());
        Ok(reader.role_named(name)?.map(|r| (*r).clone()))
    }
    /// Whether `user` is a member of `group`; false where either doesn't exist.
    pub fn is_member(&self, user: &str, group: &str) -> bool {
        let txn = Arc::new(self.storage.begin(IsolationLevel::ReadCommitted));
        let reader = self.catalog.reader(Oid::INVALID, &txn, &SessionView::superuser());
        let oid = |name: &str| reader.role_named(name).ok().flatten().map(|r| r.oid);
        match (oid(user), oid(group)) {
            (Some(user), Some(group)) => reader.is_member_of(user, group).unwrap_or(false),
            _ => false,
        }
    }
    /// Waits until the log is durable up to `lsn`, holding no thread. A failed flush ends the process before this returns.
    pub async fn wait_durable(&self, lsn: Lsn) {
        if let Err(e) = self.storage.wal().wait_durable(lsn).await {
            tracing::error!("waiting for a commit to become durable: {}", e.message());
        }
    }
    /// Makes the log durable up to `lsn` in this thread. A failed flush ends the process before this returns.
    pub fn make_durable(&self, lsn: Lsn) {
        if let Err(e) = self.storage.wal().flush_to(lsn) {
            tracing::error!("making a commit durable: {}", e.message());
        }
    }
}

/// Who a new session is, and where.
pub(crate) struct Login {
    pub user: (Oid, String, bool),
    pub database: (Oid, String),
    /// Settings stored for the database and role.
    pub settings: Vec<(String, String)>,
}
