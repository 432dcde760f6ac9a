//! EXPLAIN: a physical plan as text, JSON, YAML or XML, in PostgreSQL's layout (`src/backend/commands/explain.c`).
//!
//! [`node`] turns the plan into a tree of titles and properties, with what was measured ([`measured`], [`usage`]); [`document`] adds what is
//! said of the statement as a whole; [`text`] and [`structured`] write it.

mod document;
mod measured;
mod node;
mod structured;
mod text;
mod usage;

use crate::Statement;
use crate::deparse::DeparseNames;
use quarry_common::usage::Usage;
use quarry_types::io::IoContext;

/// Labels of further lines of a node for which threads work: how many have helped, and the groups that all have made together.
pub const LAUNCHED: &str = "Workers Launched";
/// See [`LAUNCHED`].
pub const PARTIAL_ROWS: &str = "Partial Rows";

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
    /// Pairs of rows removed by a join's further conditions, summed over all loops.
    pub join_filtered: f64,
    /// What the node and those below it have used.
    pub usage: Usage,
    /// Further lines: ("Sort Method", "quicksort  Memory: 25kB"), ...
    pub extra: Vec<(String, String)>,
}

/// What the checks of one constraint took, as the trigger that PostgreSQL has for them.
#[derive(Clone, Debug, Default)]
pub struct TriggerStats {
    pub name: String,
    pub constraint: String,
    pub relation: String,
    pub calls: f64,
    pub total_ms: f64,
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
    pub wal: bool,
    pub timing: bool,
    pub summary: bool,
    /// Constraints' checks of an ANALYZE run.
    pub triggers: bool,
    /// Changed planner settings to show: name and value. None without SETTINGS.
    pub settings: Option<Vec<(String, String)>>,
    pub format: ExplainFormat,
    /// Names the rules that have rewritten the statement (`quarry.explain_rules`).
    pub rules: bool,
    /// Says in text, too, how far the estimated number of rows is from the real one (`quarry.explain_q_error`).
    pub q_error: bool,
    /// Times of reads and writes were measured (`track_io_timing`).
    pub io_timing: bool,
}

impl Default for ExplainOptions {
    fn default() -> ExplainOptions {
        ExplainOptions {
            analyze: false,
            verbose: false,
            costs: true,
            buffers: false,
            wal: false,
            timing: true,
            summary: false,
            triggers: true,
            settings: None,
            format: ExplainFormat::Text,
            rules: false,
            q_error: false,
            io_timing: false,
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
    pub triggers: &'a [TriggerStats],
    /// The statement's text, where it is to be shown (auto_explain): what it is called and what it is.
    pub query_text: Option<&'a str>,
    pub query_id: Option<i64>,
    /// None: it was planned before.
    pub planning_ms: Option<f64>,
    /// What planning has used.
    pub planning: Option<Usage>,
    pub execution_ms: f64,
}

impl Explain<'_> {
    fn is_text(&self) -> bool {
        self.options.format == ExplainFormat::Text
    }
}

/// The explanation: for FORMAT TEXT one entry per line, else the whole document as one entry.
pub fn explain(e: &Explain<'_>) -> Vec<String> {
    let root = node::build(e);
    match e.options.format {
        ExplainFormat::Text => text::write(&root, e),
        ExplainFormat::Json => vec![structured::json(&document::document(&root, e), true)],
        ExplainFormat::Yaml => vec![structured::yaml(&document::document(&root, e), true)],
        ExplainFormat::Xml => vec![structured::xml(&document::document(&root, e), true)],
    }
}

/// The explanation as a single text without the list around it, as auto_explain logs it.
pub fn explain_for_log(e: &Explain<'_>) -> String {
    let root = node::build(e);
    match e.options.format {
        ExplainFormat::Text => text::write(&root, e).join("\n"),
        ExplainFormat::Json => structured::json(&document::document(&root, e), false),
        ExplainFormat::Yaml => structured::yaml(&document::document(&root, e), false),
        ExplainFormat::Xml => structured::xml(&document::document(&root, e), false),
    }
}
