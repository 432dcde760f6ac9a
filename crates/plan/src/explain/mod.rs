//! EXPLAIN: a physical plan as text, JSON, YAML or XML, in PostgreSQL's layout (`src/backend/commands/explain.c`).
//!
//! [`node`] turns the plan into a tree of titles and properties; [`text`] and [`structured`] write that tree.

mod measured;
mod node;
mod structured;
mod text;

use crate::Statement;
use crate::deparse::DeparseNames;
use quarry_types::io::IoContext;

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

/// EXPLAIN's FORMAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExplainFormat {
    #[default]
    Text,
    Json,
    Yaml,
    Xml,
}

/// EXPLAIN's options.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    pub analyze: bool,
    pub verbose: bool,
    pub costs: bool,
    pub buffers: bool,
    pub timing: bool,
    pub summary: bool,
    /// Changed planner settings to show (SETTINGS): name and value.
    pub settings: Vec<(String, String)>,
    pub format: ExplainFormat,
    /// Names the rules that have rewritten the statement (`quarry.explain_rules`).
    pub rules: bool,
}

impl Default for ExplainOptions {
    fn default() -> ExplainOptions {
        ExplainOptions {
            analyze: false,
            verbose: false,
            costs: true,
            buffers: false,
            timing: true,
            summary: false,
            settings: vec![],
            format: ExplainFormat::Text,
            rules: false,
        }
    }
}

/// A statement to be explained, with what is known of its run.
pub struct Explain<'a> {
    pub statement: &'a Statement,
    pub options: &'a ExplainOptions,
    pub names: &'a dyn DeparseNames,
    pub io: &'a IoContext<'a>,
    /// Statistics by node number, after an ANALYZE run.
    pub stats: &'a dyn Fn(usize) -> Option<NodeStats>,
    pub planning_ms: f64,
    pub execution_ms: f64,
}

/// The explanation: for FORMAT TEXT one entry per line, else the whole document as one entry.
pub fn explain(e: &Explain<'_>) -> Vec<String> {
    let root = node::build(e);
    match e.options.format {
        ExplainFormat::Text => text::write(&root, e),
        ExplainFormat::Json => vec![structured::json(&root, e)],
        ExplainFormat::Yaml => vec![structured::yaml(&root, e)],
        ExplainFormat::Xml => vec![structured::xml(&root, e)],
    }
}
