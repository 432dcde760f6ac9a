//! What EXPLAIN ANALYZE shows of a node.

pub use quarry_plan::explain::{NodeStats, TriggerStats};

/// The line that says how many threads have helped.
pub(crate) const LAUNCHED: &str = "Workers Launched";

/// Sets a further line of a node.
pub(crate) fn set(s: &mut NodeStats, name: &str, value: impl Into<String>) {
    match s.extra.iter_mut().find(|(n, _)| n == name) {
        Some((_, v)) => *v = value.into(),
        None => s.extra.push((name.to_string(), value.into())),
    }
}
