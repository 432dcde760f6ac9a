//! Statement timeouts: one thread that cancels statements whose time is up.

use crate::signals::{CancelReason, Signals};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Deadlines by time; entries of statements that ended in time are removed by [`Armed`]'s drop.
#[derive(Default)]
struct State {
    deadlines: BTreeMap<(Instant, u64), Arc<Signals>>,
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
                    if let Some((_, signals)) = state.deadlines.pop_first() {
                        signals.cancel(CancelReason::StatementTimeout);
                    }
                }
            }
        }
    }
    /// Cancels the session's statement at `at` unless the result is dropped before.
    pub fn arm(self: &Arc<Self>, signals: &Arc<Signals>, at: Instant) -> Armed {
        let mut state = self.state.lock();
        state.next += 1;
        let key = (at, state.next);
        let is_first = state.deadlines.first_key_value().is_none_or(|(first, _)| key < *first);
        state.deadlines.insert(key, signals.clone());
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
