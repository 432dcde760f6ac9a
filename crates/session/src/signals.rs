//! The sessions of a server, and what others may do to one: cancel its statement, end it, wake it.

use hashbrown::HashMap;
use parking_lot::Mutex;
use quarry_common::Oid;
use quarry_common::memory::Account;
use quarry_common::progress::Progress;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, Ordering};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Why a running statement is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum CancelReason {
    None = 0,
    UserRequest = 1,
    StatementTimeout = 2,
    Terminate = 3,
    TransactionTimeout = 4,
}

/// Waits that `pg_stat_activity.wait_event` names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum WaitEvent {
    Sleep = 1,
    SafeSnapshot = 2,
    VacuumDelay = 3,
}

/// What kind of process it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backend {
    #[default]
    Client,
    AutovacuumWorker,
}

impl Backend {
    /// As `pg_stat_activity.backend_type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Client => "client backend",
            Backend::AutovacuumWorker => "autovacuum worker",
        }
    }
}

/// No time of a transaction's start.
const NO_XACT: i64 = i64::MIN;

/// One session as others reach it.
#[derive(Debug)]
pub struct Signals {
    pub pid: i32,
    secret: i32,
    /// Looked at by everything that runs long or waits; set together with `reason`.
    cancel: Arc<AtomicBool>,
    reason: AtomicU8,
    terminate: AtomicBool,
    /// `transaction_timeout` is over: the session ends, unless the transaction does first.
    transaction_over: AtomicBool,
    wake: Arc<Notify>,
    /// What it waits for besides locks and the client.
    waits_for: AtomicU8,
    /// When its transaction began; [`NO_XACT`]: it has none.
    xact_start: AtomicI64,
    /// What pg_stat_activity shows.
    pub activity: Mutex<Activity>,
    /// What pg_stat_progress_... show.
    pub progress: Progress,
    /// What its statements gather.
    pub memory: Arc<Account>,
}

/// The visible state of a session.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    pub backend: Backend,
    /// A background process has none.
    pub user: Oid,
    pub database: Oid,
    pub application_name: String,
    pub client: Option<std::net::SocketAddr>,
    pub backend_start: i64,
    pub query_start: Option<i64>,
    pub state_change: i64,
    /// "active", "idle", "idle in transaction", "idle in transaction (aborted)".
    pub state: &'static str,
    pub query: Arc<str>,
    pub query_id: Option<i64>,
    /// `track_activities` is off: what runs isn't shown.
    pub untracked: bool,
}

impl Signals {
    fn new(pid: i32, secret: i32, is_stopping: bool, activity: Activity) -> Signals {
        Signals {
            pid,
            secret,
            cancel: Arc::default(),
            reason: AtomicU8::new(0),
            terminate: AtomicBool::new(is_stopping),
            transaction_over: AtomicBool::new(false),
            wake: Arc::default(),
            waits_for: AtomicU8::new(0),
            xact_start: AtomicI64::new(NO_XACT),
            activity: Mutex::new(activity),
            progress: Progress::shared(),
            memory: Account::new(),
        }
    }
    /// When its transaction began.
    pub fn xact_start(&self) -> Option<i64> {
        Some(self.xact_start.load(Ordering::Relaxed)).filter(|start| *start != NO_XACT)
    }
    /// A transaction has begun, or ended.
    pub fn set_xact_start(&self, start: Option<i64>) {
        self.xact_start.store(start.unwrap_or(NO_XACT), Ordering::Relaxed);
    }
    /// The flag that storage's waits and the executor look at.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.cancel.clone()
    }
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
    /// Asks the running statement to stop. The first reason counts.
    pub fn cancel(&self, reason: CancelReason) {
        // A reason already given stays; the flag is set after it so that whoever sees the flag sees a reason.
        let _ = self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        self.cancel.store(true, Ordering::Release);
    }
    /// Takes the reason and clears the request.
    pub fn take_cancel(&self) -> CancelReason {
        // The reason is given first: without one there is no request yet.
        if self.reason.load(Ordering::Acquire) == 0 && !self.is_cancelled() {
            return CancelReason::None;
        }
        self.cancel.store(false, Ordering::Release);
        match self.reason.swap(0, Ordering::AcqRel) {
            1 => CancelReason::UserRequest,
            2 => CancelReason::StatementTimeout,
            3 => CancelReason::Terminate,
            4 => CancelReason::TransactionTimeout,
            _ => CancelReason::None,
        }
    }
    /// Ends the session: now if idle, else as soon as its statement stops.
    pub fn terminate(&self) {
        self.terminate.store(true, Ordering::Release);
        self.cancel(CancelReason::Terminate);
        self.wake.notify_one();
    }
    pub fn is_terminated(&self) -> bool {
        self.terminate.load(Ordering::Acquire)
    }
    /// The transaction has lasted too long: the session ends, now if idle, else as soon as its statement stops.
    pub fn transaction_timed_out(&self) {
        self.transaction_over.store(true, Ordering::Release);
        self.cancel(CancelReason::TransactionTimeout);
        self.wake.notify_one();
    }
    /// Takes a request back that was made for `reason`.
    pub fn forget(&self, reason: CancelReason) {
        if self.reason.load(Ordering::Acquire) == reason as u8 {
            self.take_cancel();
        }
    }
    /// The transaction has ended, in time or not.
    pub fn forget_transaction_timeout(&self) {
        if self.transaction_over.swap(false, Ordering::AcqRel) {
            self.forget(CancelReason::TransactionTimeout);
        }
    }
    pub fn is_transaction_timed_out(&self) -> bool {
        self.transaction_over.load(Ordering::Acquire)
    }
    /// Whether the session is to end.
    pub fn must_end(&self) -> bool {
        self.is_terminated() || self.is_transaction_timed_out()
    }
    /// Runs something that is shown as a wait meanwhile.
    pub fn waiting<T>(&self, event: WaitEvent, wait: impl FnOnce() -> T) -> T {
        self.waits_for.store(event as u8, Ordering::Relaxed);
        let done = wait();
        self.waits_for.store(0, Ordering::Relaxed);
        done
    }
    /// What it waits for besides locks and the client: type and name.
    pub fn wait_event(&self) -> Option<(&'static str, &'static str)> {
        match self.waits_for.load(Ordering::Relaxed) {
            1 => Some(("Timeout", "PgSleep")),
            2 => Some(("IPC", "SafeSnapshot")),
            3 => Some(("Timeout", "VacuumDelay")),
            _ => None,
        }
    }
    /// Wakes an idle session's connection.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
    /// Is done once the session is woken, also if that was before. May be kept from one wait to the next.
    pub fn woken(&self) -> OwnedNotified {
        self.wake.clone().notified_owned()
    }
    pub fn secret(&self) -> i32 {
        self.secret
    }
}

/// All sessions, by process id (a number of ours: there is one process).
#[derive(Debug)]
pub struct Sessions {
    next_pid: AtomicI32,
    by_pid: Mutex<HashMap<i32, Arc<Signals>>>,
    stopping: AtomicBool,
}

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions { next_pid: AtomicI32::new(1), by_pid: Mutex::default(), stopping: AtomicBool::new(false) }
    }
}

impl Sessions {
    /// Registers a new session; `secret` is random.
    pub fn register(&self, secret: i32, activity: Activity) -> Arc<Signals> {
        let mut sessions = self.by_pid.lock();
        let pid = loop {
            let pid = self.next_pid.fetch_add(1, Ordering::Relaxed);
            if pid <= 0 {
                self.next_pid.store(1, Ordering::Relaxed);
            } else if !sessions.contains_key(&pid) {
                break pid;
            }
        };
        let stopping = self.stopping.load(Ordering::Acquire);
        let signals = Arc::new(Signals::new(pid, secret, stopping, activity));
        sessions.insert(pid, signals.clone());
        signals
    }
    pub fn unregister(&self, pid: i32) {
        self.by_pid.lock().remove(&pid);
    }
    pub fn get(&self, pid: i32) -> Option<Arc<Signals>> {
        self.by_pid.lock().get(&pid).cloned()
    }
    /// A CancelRequest: ignored unless the secret fits.
    pub fn cancel(&self, pid: i32, secret: i32) {
        if let Some(s) = self.get(pid)
            && s.secret == secret
        {
            s.cancel(CancelReason::UserRequest);
        }
    }
    /// All sessions, in no order.
    pub fn all(&self) -> Vec<Arc<Signals>> {
        self.by_pid.lock().values().cloned().collect()
    }
    /// Ends every session, those that are just starting too.
    pub fn terminate_all(&self) {
        self.stopping.store(true, Ordering::Release);
        for s in self.all() {
            s.terminate();
        }
    }
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_needs_the_secret_and_keeps_the_first_reason() {
        let all = Sessions::default();
        let s = all.register(42, Activity::default());
        all.cancel(s.pid, 41);
        assert!(!s.is_cancelled());
        all.cancel(s.pid, 42);
        s.cancel(CancelReason::StatementTimeout);
        assert!(s.is_cancelled());
        assert_eq!(s.take_cancel(), CancelReason::UserRequest);
        assert_eq!(s.take_cancel(), CancelReason::None);
        all.unregister(s.pid);
        assert!(all.get(s.pid).is_none());
    }
}
