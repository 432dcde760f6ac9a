//! What the storage tests share: a small storage on the fault-injecting disk.
#![allow(dead_code)]

use quarry_storage::disk::{Disk, FaultDisk};
use quarry_storage::{Config, Storage};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Small enough that pages are evicted and log segments recycled all the time; failures poison instead of aborting.
pub fn small() -> Config {
    Config {
        shared_buffers_bytes: 64 * 8192,
        wal_buffers_bytes: 1,
        wal_segment_bytes: 1 << 17,
        max_wal_size_bytes: 1 << 19,
        deadlock_timeout: Duration::from_millis(20),
        wal_writer_delay: Duration::from_millis(1),
        on_fatal: Some(Arc::new(|_| ())),
        ..Config::default()
    }
}

pub fn create(disk: &FaultDisk) -> Arc<Storage> {
    Storage::create(Arc::new(disk.clone()) as Arc<dyn Disk>, small()).expect("a fresh disk has no faults")
}

pub fn open(disk: &FaultDisk) -> Arc<Storage> {
    Storage::open(Arc::new(disk.clone()) as Arc<dyn Disk>, small()).expect("recovery succeeds")
}

/// The seeds of a test that takes any number of them: `QUARRY_ROUNDS` of them from `QUARRY_SEED` on (`cargo xtask power-loss` sets both),
/// else `default` from 0 on.
pub fn seeds(default: u64) -> Range<u64> {
    let number = |name, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let first: u64 = number("QUARRY_SEED", 0);
    first..first + number("QUARRY_ROUNDS", default)
}
