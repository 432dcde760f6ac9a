//! Background threads: log writer, page writer, checkpointer, and hooks for others (vacuum).

use crate::checkpoint::Cause;
use crate::engine::Storage;
use crate::stats::WriterCount;
use crate::stats::shared::Role;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The threads of one storage. Dropping it stops and joins them.
pub struct BackgroundWorkers {
    storage: Arc<Storage>,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

/// Tells threads to stop, also while they nap.
#[derive(Default)]
pub struct Stop {
    flag: AtomicBool,
    /// The log writer's own: it stops last.
    writer_flag: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Stop {
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Sleeps, at most until told to stop; whether to go on.
    pub fn nap(&self, duration: Duration) -> bool {
        let mut guard = self.lock.lock();
        if !self.is_set() {
            self.changed.wait_for(&mut guard, duration);
        }
        !self.is_set()
    }

    fn set(&self) {
        let _guard = self.lock.lock();
        self.flag.store(true, Ordering::Release);
        self.changed.notify_all();
    }
}

impl Storage {
    /// Starts the background threads.
    pub fn start_background(self: &Arc<Self>) -> BackgroundWorkers {
        let stop = Arc::new(Stop::default());
        let mut workers = BackgroundWorkers {
            storage: self.clone(),
            stop: stop.clone(),
            threads: Vec::new(),
            writer: None,
        };
        let (storage, writer_stop) = (self.clone(), stop);
        workers.writer = spawn("wal-writer", move || {
            storage.wal().run_writer(&writer_stop.writer_flag, storage.config().wal_writer_delay);
        });
        workers.add("page-writer", Duration::ZERO, page_writer);
        workers.add("checkpointer", Duration::ZERO, checkpointer);
        workers
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    match std::thread::Builder::new().name(name.to_string()).spawn(work) {
        Ok(handle) => Some(handle),
        Err(e) => {
            tracing::error!("could not start thread {name}: {e}");
            None
        }
    }
}

impl BackgroundWorkers {
    /// Runs `work` in a thread of its own until it returns, after `delay`; it must watch the stop signal.
    pub fn add(
        &mut self,
        name: &str,
        delay: Duration,
        work: impl FnOnce(&Arc<Storage>, &Stop) + Send + 'static,
    ) {
        let (storage, stop) = (self.storage.clone(), self.stop.clone());
        self.threads.extend(spawn(name, move || {
            if delay.is_zero() || stop.nap(delay) {
                work(&storage, &stop);
            }
        }));
    }

    /// Stops and joins all threads, the log writer last.
    pub fn stop(&mut self) {
        self.stop.set();
        for thread in &self.threads {
            thread.thread().unpark();
        }
        for thread in self.threads.drain(..) {
            // A panic in a worker has been reported by the panic hook.
            let _ = thread.join();
        }
        self.stop.writer_flag.store(true, Ordering::Release);
        self.storage.wal().wake_writer();
        if let Some(thread) = self.writer.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for BackgroundWorkers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes what bulk writers leave behind as it comes, and now and then frames that will soon be needed.
fn page_writer(storage: &Arc<Storage>, stop: &Stop) {
    let pool = storage.pool();
    let config = storage.config();
    let _role = Role::begin(WriterCount::Background);
    pool.set_page_writer(Some(std::thread::current()));
    let mut last = Instant::now();
    while !stop.is_set() {
        // Woken by bulk writers, and at the end.
        std::thread::park_timeout(config.bgwriter_delay.saturating_sub(last.elapsed()));
        let mut outcome = pool.write_behind_now();
        if outcome.is_ok() && last.elapsed() >= config.bgwriter_delay {
            last = Instant::now();
            outcome = pool.write_ahead_of_hand(config.bgwriter_lru_maxpages);
        }
        if let Err(e) = outcome {
            tracing::warn!("page writer: {}", e.message());
            stop.nap(config.bgwriter_delay);
        }
    }
    pool.set_page_writer(None);
}

fn checkpointer(storage: &Arc<Storage>, stop: &Stop) {
    const POLL: Duration = Duration::from_millis(100);
    let config = storage.config();
    let mut last = Instant::now();
    let mut last_end = storage.wal().inserted();
    let mut last_duration_target = config.checkpoint_timeout;
    while stop.nap(POLL) {
        let wal_bytes = storage.wal().inserted().0 - last_end.0;
        let full = wal_bytes > config.max_wal_size_bytes / 2;
        let due = last.elapsed() >= config.checkpoint_timeout;
        let wanted = storage.take_checkpoint_request();
        let cause = match (full, wanted, due) {
            (true, _, _) => Cause::Log,
            (_, true, _) => Cause::Request,
            (_, _, true) => Cause::Time,
            _ => continue,
        };
        if cause == Cause::Time && wal_bytes == 0 {
            // As in PostgreSQL, it counts, though there is nothing to do.
            storage.pool().writers().add(WriterCount::TimedCheckpoints as usize, 1);
            last = Instant::now();
            continue;
        }
        // When the log drives checkpoints, the next is as far away as this was from the last.
        if full {
            last_duration_target = last.elapsed().min(config.checkpoint_timeout);
        }
        let budget = match wanted {
            true => Duration::ZERO,
            false => last_duration_target.mul_f64(config.checkpoint_completion_target.clamp(0.0, 1.0)),
        };
        let start = Instant::now();
        last = start;
        let begun_at = storage.wal().inserted();
        let mut pace = |done: f64| {
            let ahead = budget.mul_f64(done).saturating_sub(start.elapsed());
            // The log fills faster than thought: hurry.
            let log = (storage.wal().inserted().0 - begun_at.0) as f64;
            let hurry = log > config.max_wal_size_bytes as f64 / 2.0 * done.max(0.05);
            if ahead > Duration::from_millis(5)
                && !hurry
                && storage.hurry().load(Ordering::Acquire) == 0
                && !stop.is_set()
            {
                stop.nap(ahead.min(Duration::from_millis(100)));
            }
        };
        match storage.checkpoint_because(cause, &mut pace) {
            Ok(_) => last_end = begun_at,
            Err(e) => {
                tracing::error!("checkpoint failed, will be tried again: {}", e.message());
                storage.request_checkpoint();
                stop.nap(Duration::from_secs(1));
            }
        }
    }
}
