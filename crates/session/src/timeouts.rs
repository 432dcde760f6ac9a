//! Time limits of statements and transactions: one thread that tells sessions whose time is up.

use crate::signals::{CancelReason, Signals};
use parking_lot::{Condvar, Mutex};
use quarry_common::settings::Settings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The settings of a session that limit times, worked out once per change. None: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub statement: Option<Duration>,
    pub transaction: Option<Duration>,
    pub idle_in_transaction: Option<Duration>,
    pub idle: Option<Duration>,
    pub lock: Option<Duration>,
    pub deadlock: Option<Duration>,
}

impl Limits {
    /// A limit that is no shorter than `transaction_timeout` is ignored, as in PostgreSQL 17.
    pub fn of(settings: &Settings) -> Limits {
        let limit =
            |name| u64::try_from(settings.int(name)).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        let transaction = limit("transaction_timeout");
        let within = |name| limit(name).filter(|time| transaction.is_none_or(|whole| *time < whole));
        Limits {
            statement: within("statement_timeout"),
            transaction,
            idle_in_transaction: within("idle_in_transaction_session_timeout"),
            idle: limit("idle_session_timeout"),
            lock: limit("lock_timeout"),
            deadlock: limit("deadlock_timeout"),
        }
    }
}

/// Deadlines by time; entries of what ended in time are removed by [`Armed`]'s drop.
#[derive(Default)]
struct State {
    deadlines: BTreeMap<(Instant, u64), (Arc<Signals>, CancelReason)>,
    next: u64,
    stopped: bool,
}

/// The timer of a server.
#[derive(Default)]
pub struct Timeouts {
    state: Mutex<State>,
    changed: Condvar,
}

impl Timeouts {
    /// Starts the thread.
    pub fn start() -> Arc<Timeouts> {
        let timeouts = Arc::new(Timeouts::default());
        let mine = timeouts.clone();
        std::thread::Builder::new()
            .name("timeouts".into())
            .spawn(move || mine.run())
            .expect("a thread can be started at server start");
        timeouts
    }
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.stopped {
            let now = Instant::now();
            match state.deadlines.first_key_value() {
                None => self.changed.wait(&mut state),
                Some((&(at, _), _)) if at > now => {
                    // Woken early or late, the loop looks again.
                    let _ = self.changed.wait_until(&mut state, at);
                }
                Some(_) => {
                    // Told under the lock: a deadline that is dropped has told nobody, or has done so before.
                    if let Some((_, (signals, reason))) = state.deadlines.pop_first() {
                        match reason {
                            CancelReason::TransactionTimeout => signals.transaction_timed_out(),
                            reason => signals.cancel(reason),
                        }
                    }
                }
            }
        }
    }
    /// Tells the session at `at` that its statement's or transaction's time is up unless the result is dropped before.
    pub fn arm(self: &Arc<Self>, signals: &Arc<Signals>, at: Instant, reason: CancelReason) -> Armed {
        let mut state = self.state.lock();
        state.next += 1;
        let key = (at, state.next);
        let is_first = state.deadlines.first_key_value().is_none_or(|(first, _)| key < *first);
        state.deadlines.insert(key, (signals.clone(), reason));
        drop(state);
        if is_first {
            self.changed.notify_one();
        }
        Armed { timeouts: self.clone(), key }
    }
    /// Ends the thread.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }
}

/// A deadline that is under way.
pub struct Armed {
    timeouts: Arc<Timeouts>,
    key: (Instant, u64),
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.timeouts.state.lock().deadlines.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_no_shorter_than_the_transactions_are_ignored() {
        let mut s = Settings::default();
        for (name, value) in [("statement_timeout", "10"), ("idle_in_transaction_session_timeout", "20")] {
            s.set(name, value).unwrap();
        }
        let ms = |n| Some(Duration::from_millis(n));
        let limits = Limits::of(&s);
        assert_eq!(
            (limits.statement, limits.idle_in_transaction, limits.transaction),
            (ms(10), ms(20), None)
        );
        assert_eq!((limits.lock, limits.deadlock), (None, ms(1000)));
        s.set("transaction_timeout", "20").unwrap();
        let limits = Limits::of(&s);
        assert_eq!(
            (limits.statement, limits.idle_in_transaction, limits.transaction),
            (ms(10), None, ms(20))
        );
        s.set("transaction_timeout", "10").unwrap();
        assert_eq!(Limits::of(&s).statement, None);
    }
}
