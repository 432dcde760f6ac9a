//! What happens when going on would lose data: a failed fsync, a log that can't be written.
//!
//! The kernel may have dropped the pages whose fsync failed, so there is no retry: the process aborts and recovery
//! replays the log. Tests install a hook that returns; the storage is then *poisoned* and refuses everything.

use parking_lot::RwLock;
use quarry_common::{Error, Result, SqlState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Called with the reason. The default aborts the process.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Shared by every part of one storage.
#[derive(Clone)]
pub struct Fatal(Arc<Inner>);

struct Inner {
    poisoned: AtomicBool,
    hook: RwLock<FatalHook>,
}

impl Default for Fatal {
    fn default() -> Fatal {
        Fatal::new(Arc::new(|reason: &str| {
            tracing::error!("PANIC: {reason}");
            eprintln!("PANIC: {reason}");
            std::process::abort();
        }))
    }
}

impl Fatal {
    pub fn new(hook: FatalHook) -> Fatal {
        Fatal(Arc::new(Inner { poisoned: AtomicBool::new(false), hook: RwLock::new(hook) }))
    }

    /// Ends the process; returns the error to hand on only if the hook returned.
    #[cold]
    pub fn raise(&self, reason: &str) -> Error {
        self.0.poisoned.store(true, Ordering::SeqCst);
        let hook = self.0.hook.read().clone();
        hook(reason);
        Error::new(SqlState::IO_ERROR, reason.to_string())
    }

    /// Whether [`Fatal::raise`] was called.
    pub fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::Acquire)
    }

    /// An error once poisoned.
    pub fn check(&self) -> Result<()> {
        if self.is_poisoned() {
            return Err(Error::new(SqlState::IO_ERROR, "storage has failed; restart the server to recover"));
        }
        Ok(())
    }
}
