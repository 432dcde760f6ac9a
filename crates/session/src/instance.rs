//! What all sessions of a server share.

use crate::signals::Sessions;
use crate::timeouts::Timeouts;
use arc_swap::ArcSwap;
use quarry_catalog::{Catalog, RoleDef, SessionView};
use quarry_common::settings::Settings;
use quarry_common::{Lsn, Oid, Result};
use quarry_storage::engine::Storage;
use quarry_storage::txn::IsolationLevel;
use std::path::PathBuf;
use std::sync::Arc;

/// Makes the stored verifier of a new password.
pub type PasswordVerifier = fn(&str) -> Result<String>;

/// A running server without its sockets.
pub struct Instance {
    storage: Arc<Storage>,
    catalog: Arc<Catalog>,
    settings: ArcSwap<Settings>,
    sessions: Sessions,
    timeouts: Arc<Timeouts>,
    password_verifier: PasswordVerifier,
    data_dir: PathBuf,
    /// Microseconds since 2000-01-01 UTC.
    started_at: i64,
}

impl Instance {
    pub fn new(
        storage: Arc<Storage>,
        catalog: Arc<Catalog>,
        settings: Settings,
        data_dir: PathBuf,
        password_verifier: PasswordVerifier,
    ) -> Arc<Instance> {
        Arc::new(Instance {
            storage,
            catalog,
            settings: ArcSwap::from_pointee(settings),
            sessions: Sessions::default(),
            timeouts: Timeouts::start(),
            password_verifier,
            data_dir,
            started_at: crate::clock::now(),
        })
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
        self.settings.store(Arc::new(settings));
    }
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }
    pub fn timeouts(&self) -> &Arc<Timeouts> {
        &self.timeouts
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
}
