//! Autovacuum as others see it: a process of its own in `pg_stat_activity` and the progress views, which can be cancelled
//! and terminated (PostgreSQL: autovacuum.c, autovac_report_activity).
//!
//! There is one for each database with work to do, as long as there is some. Cancelling ends its present task, terminating its round.

use crate::instance::Instance;
use crate::signals::{Activity, Backend, Signals};
use quarry_common::{Error, Oid, Result, err};
use quarry_storage::txn::{IsolationLevel, Transaction, TxnOptions};
use std::sync::Arc;

/// See the module.
pub struct Worker<'a> {
    instance: &'a Arc<Instance>,
    pub signals: Arc<Signals>,
    stopped: &'a dyn Fn() -> Result<()>,
}

impl<'a> Worker<'a> {
    /// Shows up in `database`; `stopped` fails when the server goes down.
    pub fn start(
        instance: &'a Arc<Instance>,
        database: Oid,
        stopped: &'a dyn Fn() -> Result<()>,
    ) -> Worker<'a> {
        let now = crate::clock::now();
        let activity = Activity {
            database,
            backend: Backend::AutovacuumWorker,
            backend_start: now,
            state_change: now,
            state: "",
            ..Activity::default()
        };
        let signals = instance.sessions().register(instance.random_i32(), activity);
        Worker { instance, signals, stopped }
    }

    /// Begins a task.
    pub fn begins(&self, task: String) {
        self.signals.take_cancel();
        let now = crate::clock::now();
        let mut a = self.signals.activity.lock();
        a.state = "active";
        a.query = format!("autovacuum: {task}").into();
        a.query_start = Some(now);
        self.signals.set_xact_start(Some(now));
        a.state_change = now;
    }

    /// Fails if the task, or all of it, is to end.
    pub fn check(&self) -> Result<()> {
        (self.stopped)()?;
        if self.signals.is_cancelled() || self.signals.is_terminated() {
            return Err(self.cancelled());
        }
        Ok(())
    }

    fn cancelled(&self) -> Error {
        match self.signals.is_terminated() {
            true => err!(ADMIN_SHUTDOWN, "terminating autovacuum process due to administrator command"),
            false => err!(QUERY_CANCELED, "canceling autovacuum task"),
        }
    }

    /// A task's failure as it is told: waits and statements only know that they were cancelled.
    pub fn reason(&self, e: Error) -> Error {
        if self.signals.is_cancelled() || self.signals.is_terminated() { self.cancelled() } else { e }
    }

    /// Whether there are to be no further tasks.
    pub fn must_end(&self) -> bool {
        (self.stopped)().is_err() || self.signals.is_terminated()
    }

    /// A transaction for a part of the task.
    pub fn transaction(&self) -> Arc<Transaction> {
        let options = TxnOptions {
            cancel: Some(self.signals.cancel_flag()),
            pid: self.signals.pid,
            database: self.signals.activity.lock().database,
            progress: self.signals.progress.clone(),
            ..TxnOptions::default()
        };
        Arc::new(self.instance.storage().begin_with(IsolationLevel::ReadCommitted, options))
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.instance.sessions().unregister(self.signals.pid);
    }
}
