//! The wall clock, in PostgreSQL's epoch.

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds from 1970-01-01 to 2000-01-01.
const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;

/// Microseconds since 2000-01-01 UTC.
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64 - EPOCH_SHIFT_US,
        Err(before) => -(before.duration().as_micros() as i64) - EPOCH_SHIFT_US,
    }
}
