//! The threads that serve connections: one reactor a processor, each a runtime with one worker and a poller of its own.
//!
//! A connection lives on one reactor: its messages are read, run and answered without waking another thread. (A runtime with
//! several workers wakes a second one for bursts of messages, to look for work and to poll meanwhile: with four clients that
//! cost a futex call for every fourth query and 1 to 3 us of 14.) What makes up for workers that steal from each other:
//!
//! - a statement that waits or runs for long gives the worker's other tasks to a fresh thread
//!   ([`quarry_common::wait::blocking`]), so that it holds nobody up;
//! - a new connection goes to the reactor with the fewest;
//! - every [`TICK`] the [`Reactors::balance`] task compares how busy the reactors are, and lets some connections of a reactor
//!   that is overloaded beside one that isn't move over, at a moment when they wait for their client.
//!
//! The hot path pays one relaxed load for all of that ([`Reactor::epoch`]).
//!
//! Reactors have no timers: a poller that has them reads the clock twice and looks through its wheel around each wait. What a
//! connection limits in time ([`Place::alarm`], [`Place::timeout`]) waits with the runtime that started them.

use parking_lot::Mutex;
use quarry_common::Result;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Sleep, Timeout};

/// How often the reactors' load is compared.
const TICK: Duration = Duration::from_millis(100);
/// A reactor that is busy for this part of its time is overloaded.
const OVERLOADED: f64 = 0.75;
/// So much less busy another reactor must be for connections to move there.
const WORTH_MOVING: f64 = 0.3;
/// Threads of a reactor beside those of sessions that wait.
const SPARE_THREADS: usize = 64;

/// One runtime, its connections and who is to leave it.
pub(crate) struct Reactor {
    handle: Handle,
    connections: AtomicUsize,
    /// Counts ticks. A connection that finds another number here than last time counts itself in `active` and looks at `leaving`.
    epoch: AtomicU32,
    /// Connections that had a message since the last tick.
    active: AtomicUsize,
    /// Connections that are to move ...
    leaving: AtomicUsize,
    /// ... to this reactor.
    destination: AtomicUsize,
}

/// All reactors of a server.
pub struct Reactors {
    all: Vec<Reactor>,
    /// Whose timers wake connections.
    timers: Handle,
    /// Taken by [`Reactors::shutdown`]: a runtime must not be dropped by one of its own threads.
    runtimes: Mutex<Vec<Runtime>>,
}

/// A connection's place, counted while it lives.
pub(crate) struct Place {
    reactors: Arc<Reactors>,
    index: usize,
    epoch: u32,
}

impl Reactors {
    /// Starts one for each processor that this process may use. `connections_max`: as many sessions may wait in a thread at a time.
    /// `timers`: of a runtime with timers that outlives the reactors.
    ///
    /// # Errors
    /// The system's, when it gives no thread or no poller.
    pub fn start(connections_max: usize, timers: &Handle) -> Result<Arc<Reactors>> {
        let count = std::thread::available_parallelism().map_or(1, |n| n.get());
        Reactors::start_some(count, connections_max, timers)
    }

    fn start_some(count: usize, connections_max: usize, timers: &Handle) -> Result<Arc<Reactors>> {
        let mut all = Vec::with_capacity(count);
        let mut runtimes = Vec::with_capacity(count);
        for i in 0..count {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                // Each session that waits for a lock holds one; if none were left, whom they wait for could not be served.
                .max_blocking_threads(connections_max + SPARE_THREADS)
                .enable_io()
                .thread_name(format!("quarry-{i}"))
                .thread_stack_size(quarry_common::wait::STACK_BYTES)
                .build()?;
            all.push(Reactor {
                handle: runtime.handle().clone(),
                connections: AtomicUsize::new(0),
                epoch: AtomicU32::new(0),
                active: AtomicUsize::new(0),
                leaving: AtomicUsize::new(0),
                destination: AtomicUsize::new(0),
            });
            runtimes.push(runtime);
        }
        Ok(Arc::new(Reactors { all, timers: timers.clone(), runtimes: Mutex::new(runtimes) }))
    }

    /// A place on the reactor with the fewest connections.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        let fewest = |r: &Reactor| r.connections.load(Ordering::Relaxed);
        let index = (0..self.all.len()).min_by_key(|i| fewest(&self.all[*i])).unwrap_or(0);
        Place::on(self, index)
    }

    /// Moves connections from overloaded reactors to idle ones; for ever.
    pub async fn balance(self: Arc<Self>) {
        if self.all.len() < 2 {
            return;
        }
        let busy_time = |r: &Reactor| r.handle.metrics().worker_total_busy_duration(0).as_secs_f64();
        let mut before: Vec<f64> = self.all.iter().map(busy_time).collect();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = ticks.tick().await;
        loop {
            let now = ticks.tick().await;
            let passed = (now - last).as_secs_f64().max(f64::EPSILON);
            last = now;
            let after: Vec<f64> = self.all.iter().map(busy_time).collect();
            let busy: Vec<f64> = before.iter().zip(&after).map(|(b, a)| (a - b) / passed).collect();
            self.tick(&busy);
            before = after;
        }
    }

    /// Ends an interval in which the reactors were busy for these parts of the time.
    fn tick(&self, busy: &[f64]) {
        let active: Vec<usize> = self.all.iter().map(|r| r.active.swap(0, Ordering::Relaxed)).collect();
        let by_load = |a: &&usize, b: &&usize| busy[**a].total_cmp(&busy[**b]);
        let order: Vec<usize> = (0..self.all.len()).collect();
        for r in &self.all {
            r.leaving.store(0, Ordering::Relaxed);
        }
        if let (Some(&most), Some(&least)) = (order.iter().max_by(by_load), order.iter().min_by(by_load)) {
            let count = to_move(active[most], busy[most], busy[least]);
            self.all[most].destination.store(least, Ordering::Relaxed);
            self.all[most].leaving.store(count, Ordering::Relaxed);
        }
        for r in &self.all {
            // After what a connection looks at when it sees this.
            r.epoch.fetch_add(1, Ordering::Release);
        }
    }

    /// Ends all reactors: connections at their next wait, what runs in threads within `limit`. Not to be called by a thread of theirs.
    pub fn shutdown(&self, limit: Duration) {
        let deadline = std::time::Instant::now() + limit;
        for runtime in std::mem::take(&mut *self.runtimes.lock()) {
            runtime.shutdown_timeout(deadline.saturating_duration_since(std::time::Instant::now()));
        }
    }
}

/// How many of `active` connections make the loads of two reactors alike. One alone can't be divided.
fn to_move(active: usize, most: f64, least: f64) -> usize {
    if active < 2 || most < OVERLOADED || most - least < WORTH_MOVING {
        return 0;
    }
    let share = (most - least) / (2.0 * most);
    ((active as f64 * share) as usize).clamp(1, active - 1)
}

impl Place {
    fn on(reactors: &Arc<Reactors>, index: usize) -> Place {
        let reactor = &reactors.all[index];
        reactor.connections.fetch_add(1, Ordering::Relaxed);
        Place { reactors: reactors.clone(), index, epoch: reactor.epoch.load(Ordering::Relaxed) }
    }

    fn reactor(&self) -> &Reactor {
        &self.reactors.all[self.index]
    }

    /// The runtime of the place's reactor.
    pub(crate) fn handle(&self) -> &Handle {
        &self.reactor().handle
    }

    /// Whether its reactor serves no other connection.
    pub(crate) fn is_alone(&self) -> bool {
        self.reactor().connections.load(Ordering::Relaxed) == 1
    }

    /// Wakes its task at that time.
    pub(crate) fn alarm(&self, at: Instant) -> Sleep {
        let _timers = self.reactors.timers.enter();
        tokio::time::sleep_until(at.into())
    }

    /// The same future, given up after `limit`.
    pub(crate) fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        let _timers = self.reactors.timers.enter();
        tokio::time::timeout(limit, future)
    }

    /// Another place, if a connection that waits for its client had better move there.
    #[inline]
    pub(crate) fn better(&mut self) -> Option<Place> {
        let reactor = &self.reactors.all[self.index];
        if reactor.epoch.load(Ordering::Relaxed) == self.epoch {
            return None;
        }
        self.look()
    }

    #[cold]
    fn look(&mut self) -> Option<Place> {
        let reactor = &self.reactors.all[self.index];
        self.epoch = reactor.epoch.load(Ordering::Acquire);
        reactor.active.fetch_add(1, Ordering::Relaxed);
        let one_less = |n: usize| n.checked_sub(1);
        reactor.leaving.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        let destination = reactor.destination.load(Ordering::Relaxed);
        (destination != self.index).then(|| Place::on(&self.reactors, destination))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.reactor().connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_become_alike() {
        // All ten on one side: half of them go.
        assert_eq!(to_move(10, 1.0, 0.0), 5);
        assert_eq!(to_move(3, 1.0, 0.5), 1);
        // One connection can't be divided; small loads and small differences stay.
        assert_eq!(to_move(1, 1.0, 0.0), 0);
        assert_eq!(to_move(10, 0.5, 0.0), 0);
        assert_eq!(to_move(10, 1.0, 0.8), 0);
    }

    #[test]
    fn connections_are_woken_in_time() {
        let timers = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let reactors = Reactors::start_some(1, 8, timers.handle()).expect("threads");
        let place = reactors.place();
        let handle = place.handle().clone();
        let waits = handle.spawn(async move {
            let short = Duration::from_millis(5);
            place.alarm(Instant::now() + short).await;
            place.timeout(short, std::future::pending::<()>()).await.is_err()
        });
        assert!(timers.block_on(waits).expect("it ends"));
        reactors.shutdown(Duration::from_secs(1));
    }

    #[test]
    fn active_connections_of_an_overloaded_reactor_move() {
        let timers = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let reactors = Reactors::start_some(2, 8, timers.handle()).expect("threads");
        let mut first: Vec<Place> = (0..4).map(|_| Place::on(&reactors, 0)).collect();
        // A new connection goes where fewer are.
        let alone = reactors.place();
        assert_eq!(alone.index, 1);
        assert!(alone.is_alone() && !first[0].is_alone());
        drop(alone);
        assert!(first.iter_mut().all(|p| p.better().is_none()));
        reactors.tick(&[1.0, 0.0]);
        // Nobody was active before, so nobody is told to go; now all four are.
        assert!(first.iter_mut().all(|p| p.better().is_none()));
        reactors.tick(&[1.0, 0.0]);
        let moved: Vec<Place> = first.iter_mut().filter_map(Place::better).collect();
        assert_eq!(moved.iter().map(|p| p.index).collect::<Vec<_>>(), [1, 1]);
        drop(moved);
        drop(first);
        assert!(reactors.all.iter().all(|r| r.connections.load(Ordering::Relaxed) == 0));
        reactors.shutdown(Duration::from_secs(1));
    }
}
