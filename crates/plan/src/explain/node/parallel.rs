//! Aggregates that are read by several threads: in PostgreSQL three nodes, of which the lower one runs in each of its processes.

use super::{Builder, Node, Value};
use crate::explain::NodeStats;
use crate::{PhysicalNode, PhysicalPlan};

type Lines = Vec<(String, Value)>;

/// What the executor says of threads, among an aggregate's lines: how many have helped, and the groups that all have made together.
const LAUNCHED: &str = "Workers Launched";
const PARTIAL_ROWS: &str = "Partial Rows";

impl Builder<'_> {
    /// The nodes for an aggregate, which `node` is as if it were read by one thread.
    pub(super) fn gathered(&self, plan: &PhysicalPlan, mut node: Node) -> Node {
        let PhysicalNode::Aggregate { group, aggregates, workers, .. } = &plan.node else { return node };
        let workers = *workers;
        if workers == 0 {
            return node;
        }
        node.lines.retain(|(label, _)| label != LAUNCHED && label != PARTIAL_ROWS);
        let extra = node.stats.iter().flat_map(|s| &s.extra);
        let measured = |label: &str| {
            let value = extra.clone().find(|(l, _)| l == label)?;
            value.1.parse::<f64>().ok()
        };
        let (launched, rows) = (measured(LAUNCHED).unwrap_or(0.0), measured(PARTIAL_ROWS));
        let stats = |loops: f64| {
            node.stats.clone().map(|s| NodeStats {
                loops: s.loops * loops,
                startup_ms: s.startup_ms * loops,
                total_ms: s.startup_ms * loops,
                rows: rows.unwrap_or(s.rows),
                filtered: 0.0,
                extra: vec![],
                ..s
            })
        };
        let (gather_stats, partial_stats) = (stats(1.0), stats(1.0 + launched));

        let keys: Vec<String> = group.iter().map(|(_, e)| self.output_in(&[], e)).collect();
        let calls = aggregates
            .iter()
            .map(|(_, a)| format!("PARTIAL {}", self.deparse_in(&[], self.several, |d| d.aggregate(a))));
        let calls: Vec<String> = calls.collect();
        let output = |shown: Vec<String>| -> Lines {
            let all: Vec<String> = keys.iter().cloned().chain(shown).collect();
            match self.e.options.verbose && !all.is_empty() {
                true => vec![("Output".into(), Value::List(all))],
                false => vec![],
            }
        };
        let number = |label: &str, n: f64| (label.to_string(), Value::Number(format!("{n:.0}")));

        let below = node.children.iter().position(|(relationship, ..)| *relationship == "Outer");
        let Some(below) = below.map(|at| node.children.remove(at)) else { return node };
        // Each has its share of the input's rows (get_parallel_divisor).
        let divisor = workers as f64 + (1.0 - 0.3 * workers as f64).max(0.0);
        let below = (below.0, below.1, shared(below.2, divisor, node.costs.0));
        let named = |title: &str, mode: &str| {
            let head = node.head.iter().map(|(label, value)| match *label {
                "Partial Mode" => (*label, mode.to_string()),
                _ => (*label, value.clone()),
            });
            (format!("{mode} {title}"), head.collect::<Vec<_>>())
        };
        let (title, head) = named(&node.title, "Partial");
        let key_lines = node.lines.iter().filter(|(label, _)| label == "Group Key").cloned();
        let mut partial_lines: Lines = output(calls.clone()).into_iter().chain(key_lines).collect();
        self.used(partial_stats.as_ref(), None, &mut partial_lines);
        let (startup, _, groups, width) = node.costs;
        let partial = Node {
            title,
            head,
            costs: (startup, startup, groups, width),
            stats: partial_stats,
            lines: partial_lines,
            children: vec![below],
        };
        let mut lines = output(calls.iter().map(|c| format!("({c})")).collect());
        lines.push(number("Workers Planned", workers as f64));
        if self.e.options.analyze {
            lines.push(number(LAUNCHED, launched));
        }
        if !self.e.is_text() {
            lines.push(("Single Copy".into(), Value::Number("false".into())));
        }
        self.used(gather_stats.as_ref(), None, &mut lines);
        let gather = Node {
            title: "Gather".into(),
            head: vec![("Node Type", "Gather".into())],
            costs: (startup, startup, (groups * divisor.ceil()).max(1.0), width),
            stats: gather_stats,
            lines,
            children: vec![("Outer", None, partial)],
        };
        (node.title, node.head) = named(&node.title, "Finalize");
        node.children.insert(0, ("Outer", None, gather));
        node
    }
}

/// The input, of which each thread has a part: its scan knows, and so do those of hash joins' inner sides of which each has a part, too. It
/// costs no more than what is made of it.
fn shared(mut node: Node, divisor: f64, most: f64) -> Node {
    let in_parts = node.title.starts_with("Parallel Hash");
    if in_parts {
        node.head.push((super::PARALLEL_AWARE, "true".into()));
    }
    (node.costs.0, node.costs.1) = (node.costs.0.min(most), node.costs.1.min(most));
    node.costs.2 = (node.costs.2 / divisor).round().max(1.0);
    if node.head.iter().any(|(label, value)| *label == "Node Type" && value == "Seq Scan") {
        node.title = format!("Parallel {}", node.title);
        node.head.push((super::PARALLEL_AWARE, "true".into()));
        return node;
    }
    let children = std::mem::take(&mut node.children);
    let below = |(relationship, section, child)| match relationship {
        "Outer" | "Subquery" => (relationship, section, shared(child, divisor, most)),
        "Inner" if in_parts => {
            let title = format!("Parallel {}", child.title);
            (relationship, section, shared(Node { title, ..child }, divisor, most))
        }
        _ => (relationship, section, child),
    };
    node.children = children.into_iter().map(below).collect();
    node
}
