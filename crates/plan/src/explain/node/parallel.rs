//! What several threads do. An aggregate that they work for is three nodes in PostgreSQL, of which the lower one runs in each of its processes.

use super::{Builder, Node, Value};
use crate::explain::{LAUNCHED, NodeStats, PARTIAL_ROWS};
use crate::physical::{LoopParts, parallel_divisor};
use crate::{PhysicalNode, PhysicalPlan};

type Lines = Vec<(String, Value)>;

fn number(label: &str, n: f64) -> (String, Value) {
    (label.to_string(), Value::Number(format!("{n:.0}")))
}

impl Builder<'_> {
    /// The lines of a node that gathers what threads make.
    fn workers(&self, planned: usize, launched: f64, is_plain: bool, lines: &mut Lines) {
        lines.push(number("Workers Planned", planned as f64));
        if self.e.options.analyze {
            lines.push(number(LAUNCHED, launched));
        }
        if is_plain && !self.e.is_text() {
            lines.push(("Single Copy".into(), Value::Number("false".into())));
        }
    }

    /// A node that gathers rows, with the plan below it, of which each thread has a part.
    pub(super) fn gather(
        &self,
        mut node: Node,
        input: &PhysicalPlan,
        workers: usize,
        is_plain: bool,
    ) -> Node {
        let launched = node.stats.iter().flat_map(|s| &s.extra).find(|(label, _)| label == LAUNCHED);
        let launched = launched.and_then(|(_, n)| n.parse().ok()).unwrap_or(0.0);
        node.lines.retain(|(label, _)| label != LAUNCHED);
        let mut lines = vec![];
        self.workers(workers, launched, is_plain, &mut lines);
        let first = usize::from(node.lines.first().is_some_and(|(label, _)| label == "Output"));
        node.lines.splice(first..first, lines);
        let most = node.costs.1;
        let part = |(relationship, section, child)| match relationship {
            "Outer" => (relationship, section, shared(child, input, parallel_divisor(workers), most)),
            _ => (relationship, section, child),
        };
        node.children = std::mem::take(&mut node.children).into_iter().map(part).collect();
        node
    }

    /// The nodes for an aggregate, which `node` is as if it were read by one thread.
    pub(super) fn gathered(&self, plan: &PhysicalPlan, mut node: Node) -> Node {
        let PhysicalNode::Aggregate { input, group, aggregates, workers, .. } = &plan.node else {
            return node;
        };
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
        let below = node.children.iter().position(|(relationship, ..)| *relationship == "Outer");
        let Some(below) = below.map(|at| node.children.remove(at)) else { return node };
        // Each has its share of the input's rows.
        let divisor = parallel_divisor(workers);
        let below = (below.0, below.1, shared(below.2, input, divisor, node.costs.0));
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
        self.workers(workers, launched, true, &mut lines);
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

/// A plan of which each thread has a part: its scan knows, and so do those of hash joins' inner sides of which each has a part, too. It
/// costs no more than what is made of it.
fn shared(mut node: Node, plan: &PhysicalPlan, divisor: f64, most: f64) -> Node {
    let cut = |node: &mut Node| {
        (node.costs.0, node.costs.1) = (node.costs.0.min(most), node.costs.1.min(most));
        node.costs.2 = (node.costs.2 / divisor).round_ties_even().max(1.0);
    };
    let aware = |node: &mut Node, title: String| {
        node.title = title;
        node.head.push((super::PARALLEL_AWARE, "true".into()));
    };
    cut(&mut node);
    if matches!(plan.node, PhysicalNode::SeqScan { .. }) {
        let title = format!("Parallel {}", node.title);
        aware(&mut node, title);
        return node;
    }
    if matches!(plan.node, PhysicalNode::HashJoin { in_parts: true, .. }) {
        let title = node.title.clone();
        aware(&mut node, title);
    }
    let below = |(relationship, section, mut child): (&'static str, Option<String>, Node)| {
        let part = match (&plan.node, relationship) {
            (PhysicalNode::SubqueryScan { input, .. }, "Subquery") => Some(input),
            (PhysicalNode::Sort { input, .. }, "Outer") => Some(input),
            (PhysicalNode::NestLoop { outer, parts: LoopParts::Outer, .. }, "Outer") => Some(outer),
            (PhysicalNode::NestLoop { inner, parts: LoopParts::Inner, .. }, "Inner") => Some(inner),
            (PhysicalNode::HashJoin { outer, .. }, "Outer") => Some(outer),
            (PhysicalNode::HashJoin { inner, in_parts: true, .. }, "Inner") => {
                cut(&mut child);
                let title = format!("Parallel {}", child.title);
                aware(&mut child, title);
                let rows = std::mem::take(&mut child.children).into_iter();
                let each = |(r, s, node)| (r, s, shared(node, inner, divisor, most));
                child.children = rows.map(each).collect();
                None
            }
            _ => None,
        };
        match part {
            Some(part) => (relationship, section, shared(child, part, divisor, most)),
            None => (relationship, section, child),
        }
    };
    node.children = std::mem::take(&mut node.children).into_iter().map(below).collect();
    node
}
