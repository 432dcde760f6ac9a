//! EXPLAIN: a physical plan as text, JSON, YAML or XML, in PostgreSQL's layout (`src/backend/commands/explain.c`).

/// What the executor measured of one node.
#[derive(Clone, Debug, Default)]
pub struct NodeStats {
    /// Time to the first row and to the last one, summed over all loops.
    pub startup_ms: f64,
    pub total_ms: f64,
    /// Rows given, summed over all loops.
    pub rows: f64,
    pub loops: f64,
    /// Rows removed by the node's filter, summed over all loops.
    pub filtered: f64,
    /// Further lines: ("Sort Method", "quicksort  Memory: 25kB"), ...
    pub extra: Vec<(String, String)>,
}
