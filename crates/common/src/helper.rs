//! Threads that do a part of one statement's work beside the thread that runs it: parallel scans, joins, index builds.
//!
//! They take what the processors have left. A session's own thread competes with other sessions as an equal, so that a heavy statement
//! and a short one share the processors fairly; its helpers would be so many more competitors. With a lower priority they speed the
//! statement up on an idle machine and stand back on a busy one. What they gather is charged to the statement's account
//! ([`crate::memory::Account`]).

use crate::memory::{charge, charged};
use crate::wait::STACK_BYTES;
use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

/// How much nicer a helper is than the server. At 5 it gets a third of what an equal would: others of its statement wait for what it
/// does (a table that all need), and it may hold locks, so it must get on even where the processors are always busy.
const NICER_BY: i32 = 5;

/// Processors that the server may run on. Found out once: it takes the system some reading of files, which no statement should wait for.
pub fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// Starts a helper in a scope.
///
/// # Errors
/// The system has no thread left: the statement must do without.
pub fn spawn<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let account = charged();
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, move || {
        let _charged = account.as_ref().map(charge);
        stand_back();
        work()
    })
}

/// Starts a helper that isn't bound to a scope. Whoever starts it sees to it that it ends with the statement.
///
/// # Errors
/// As of [`spawn`].
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let account = charged();
    Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || {
        let _charged = account.as_ref().map(charge);
        stand_back();
        work()
    })
}

/// Lowers the calling thread's priority. Not everywhere does a thread have one of its own: there it stays.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Ok(now) = rustix::process::getpriority_process(None) {
        // Refused: it is as nice as can be.
        let _ = rustix::process::setpriority_process(None, now + NICER_BY);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_nicer_and_leaves_the_others_alone() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let helper = std::thread::scope(|s| spawn(s, "helper", own).unwrap().join().unwrap());
        assert_eq!(helper, (before + NICER_BY).min(19));
        assert_eq!(own(), before);
    }
}
