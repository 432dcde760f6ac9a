//! What a statement takes: the server's processor time if its process is known, else the time until the answer is there.

use std::time::{Duration, Instant};

/// A process whose threads' times are read from `/proc`, or the wall's clock.
pub struct Clock {
    pub pid: Option<u32>,
}

impl Clock {
    /// Nanoseconds that all threads have run.
    fn spent(pid: u32) -> Result<u64, String> {
        let failed = |e: std::io::Error| format!("the times of process {pid}: {e}");
        let mut sum = 0;
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).map_err(failed)?.flatten() {
            // A thread may end meanwhile.
            let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
            sum += text.split_whitespace().next().and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// How long `work` takes.
    pub fn time(&self, work: impl FnOnce() -> Result<(), String>) -> Result<Duration, String> {
        match self.pid {
            None => {
                let start = Instant::now();
                work()?;
                Ok(start.elapsed())
            }
            Some(pid) => {
                let before = Clock::spent(pid)?;
                work()?;
                Ok(Duration::from_nanos(Clock::spent(pid)?.saturating_sub(before)))
            }
        }
    }
}
