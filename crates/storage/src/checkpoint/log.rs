//! What the server's log says of checkpoints (PostgreSQL: LogCheckpointStart, LogCheckpointEnd in xlog.c), and what is counted of them.

use super::Cause;
use crate::stats::WriterCount;
use crate::{Storage, stats::SharedCounts};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Part of [`Storage`].
#[derive(Default)]
pub(crate) struct CheckpointLog {
    enabled: AtomicBool,
    /// Bytes of log between two checkpoints, smoothed: it grows at once and shrinks slowly.
    distance: Mutex<f64>,
}

impl CheckpointLog {
    fn estimate(&self, distance: u64) -> f64 {
        let mut estimate = self.distance.lock();
        let now = distance as f64;
        *estimate = if *estimate < now { now } else { 0.9 * *estimate + 0.1 * now };
        *estimate
    }
}

/// One checkpoint's course.
pub(super) struct Course {
    began: Instant,
    pub pages: u64,
    pub write: Duration,
    /// Of each file.
    pub syncs: Vec<Duration>,
    pub sync: Duration,
    pub segments_added: u64,
    pub segments_removed: u64,
    pub segments_renamed: u64,
    /// Bytes of log since the last one's redo point.
    pub distance: u64,
}

impl Course {
    pub fn begin(storage: &Storage, cause: Cause) -> Course {
        if storage.checkpoint_log().enabled.load(Ordering::Relaxed) {
            tracing::info!("checkpoint starting:{}", cause.shown());
        }
        Course {
            began: Instant::now(),
            pages: 0,
            write: Duration::ZERO,
            syncs: Vec::new(),
            sync: Duration::ZERO,
            segments_added: 0,
            segments_removed: 0,
            segments_renamed: 0,
            distance: 0,
        }
    }

    pub fn end(self, storage: &Storage, cause: Cause) {
        let counts: &SharedCounts = storage.pool().writers();
        let add = |count: WriterCount, n: u64| counts.add(count as usize, n);
        add(WriterCount::CheckpointWriteTime, self.write.as_millis() as u64);
        add(WriterCount::CheckpointSyncTime, self.sync.as_millis() as u64);
        add(
            if cause == Cause::Time {
                WriterCount::TimedCheckpoints
            } else {
                WriterCount::RequestedCheckpoints
            },
            1,
        );
        let log = storage.checkpoint_log();
        let estimate = log.estimate(self.distance);
        if log.enabled.load(Ordering::Relaxed) {
            tracing::info!("{}", self.shown(storage.pool().frame_count(), estimate));
        }
    }

    fn shown(&self, frames: usize, estimate: f64) -> String {
        let longest = self.syncs.iter().max().copied().unwrap_or_default();
        let average = match self.syncs.len() {
            0 => Duration::ZERO,
            n => self.syncs.iter().sum::<Duration>() / n as u32,
        };
        let seconds = |d: Duration| format!("{}.{:03} s", d.as_secs(), d.subsec_millis());
        format!(
            "checkpoint complete: wrote {} buffers ({:.1}%); {} WAL file(s) added, {} removed, {} recycled; write={}, sync={}, total={}; \
             sync files={}, longest={}, average={}; distance={} kB, estimate={} kB",
            self.pages,
            self.pages as f64 * 100.0 / frames as f64,
            self.segments_added,
            self.segments_removed,
            self.segments_renamed,
            seconds(self.write),
            seconds(self.sync),
            seconds(self.began.elapsed()),
            self.syncs.len(),
            seconds(longest),
            seconds(average),
            self.distance / 1024,
            (estimate / 1024.0) as u64,
        )
    }
}

impl Storage {
    /// `log_checkpoints`.
    pub fn set_log_checkpoints(&self, on: bool) {
        self.checkpoint_log().enabled.store(on, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_postgresqls() {
        let ms = Duration::from_millis;
        let course = Course {
            began: Instant::now(),
            pages: 41,
            write: ms(4032),
            syncs: vec![ms(2), ms(1)],
            sync: ms(4),
            segments_added: 0,
            segments_removed: 1,
            segments_renamed: 2,
            distance: 261 * 1024,
        };
        let line = course.shown(16384, 5018.0 * 1024.0);
        assert!(line.starts_with(
            "checkpoint complete: wrote 41 buffers (0.3%); 0 WAL file(s) added, 1 removed, 2 recycled; write=4.032 s, sync=0.004 s, total=0.0"
        ));
        assert!(line.ends_with(
            " s; sync files=2, longest=0.002 s, average=0.001 s; distance=261 kB, estimate=5018 kB"
        ));
    }

    #[test]
    fn the_estimate_grows_at_once() {
        let log = CheckpointLog::default();
        assert_eq!(log.estimate(1000), 1000.0);
        assert_eq!(log.estimate(500), 950.0);
        assert_eq!(log.estimate(2000), 2000.0);
    }
}
