//! What EXPLAIN ANALYZE shows of a node.

pub(crate) use quarry_plan::explain::{LAUNCHED, PARTIAL_ROWS};
pub use quarry_plan::explain::{NodeStats, TriggerStats};

/// Sets a further line of a node.
pub(crate) fn set(s: &mut NodeStats, name: &str, value: impl Into<String>) {
    match s.extra.iter_mut().find(|(n, _)| n == name) {
        Some((_, v)) => *v = value.into(),
        None => s.extra.push((name.to_string(), value.into())),
    }
}
