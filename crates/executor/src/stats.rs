//! What EXPLAIN ANALYZE shows of a node.

/// A node's counts and times over all its loops.
#[derive(Clone, Debug, Default)]
pub struct NodeStats {
    /// Milliseconds to the first row, all loops together.
    pub startup_ms: f64,
    /// Milliseconds to the end, all loops together.
    pub total_ms: f64,
    pub rows: u64,
    pub loops: u64,
    /// Rows removed by the node's filter.
    pub filtered: u64,
    /// Further lines, as EXPLAIN names them.
    pub extra: Vec<(String, String)>,
}

impl NodeStats {
    /// Sets a further line.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.extra.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value.into(),
            None => self.extra.push((name.to_string(), value.into())),
        }
    }
}
