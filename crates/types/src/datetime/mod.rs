//! Date and time types.

use std::sync::Arc;

/// A time zone by its IANA name, abbreviation or POSIX rule.
#[derive(Debug)]
pub struct TimeZone {
    name: String,
}

impl TimeZone {
    /// Coordinated Universal Time.
    pub fn utc() -> Arc<TimeZone> {
        Arc::new(TimeZone { name: "UTC".into() })
    }
    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }
}
