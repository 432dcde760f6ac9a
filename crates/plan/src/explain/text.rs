//! FORMAT TEXT.

use super::node::{Node, Value};
use super::{Explain, usage};

/// The lines.
pub(super) fn write(root: &Node, e: &Explain<'_>) -> Vec<String> {
    let o = e.options;
    let mut out = vec![];
    if let Some(query) = e.query_text {
        out.push(format!("Query Text: {query}"));
    }
    node(root, e, 0, &mut out);
    if o.rules && !e.statement.rules.is_empty() {
        out.push(format!("Rules: {}", e.statement.rules.join(", ")));
    }
    if let Some(settings) = o.settings.as_ref().filter(|s| !s.is_empty()) {
        let list: Vec<String> = settings.iter().map(|(n, v)| format!("{n} = '{v}'")).collect();
        out.push(format!("Settings: {}", list.join(", ")));
    }
    if let Some(id) = e.query_id.filter(|_| o.verbose) {
        out.push(format!("Query Identifier: {id}"));
    }
    if o.verbose && e.statement.pinned {
        out.push("Pinned Plan: true".into());
    }
    if let Some(used) = e.planning.filter(|_| o.buffers) {
        let lines = usage::buffer_lines(&used);
        if !lines.is_empty() {
            out.push("Planning:".into());
            out.extend(lines.iter().map(|(label, value)| line(label, value, 1)));
        }
    }
    if let Some(ms) = e.planning_ms.filter(|_| o.summary) {
        out.push(format!("Planning Time: {ms:.3} ms"));
    }
    if o.analyze && o.triggers {
        // Where rows of several tables were written, each says which is its own.
        let several = e.triggers.iter().any(|t| t.relation != e.triggers[0].relation);
        for t in e.triggers {
            let name = if o.verbose { format!(" {}", t.name) } else { String::new() };
            let relation = if several { format!(" on {}", t.relation) } else { String::new() };
            let time = if o.timing { format!("time={:.3} ", t.total_ms) } else { String::new() };
            let calls = t.calls;
            out.push(format!(
                "Trigger{name} for constraint {}{relation}: {time}calls={calls:.0}",
                t.constraint
            ));
        }
    }
    if o.analyze && o.summary {
        out.push(format!("Execution Time: {:.3} ms", e.execution_ms));
    }
    out
}

fn line(label: &str, value: &Value, indent: usize) -> String {
    let shown = match value {
        Value::Text(t) | Value::Number(t) => t.clone(),
        Value::List(l) => l.join(", "),
        Value::Lists(..) | Value::Group(_) | Value::Groups(..) => String::new(),
    };
    format!("{}{label}: {shown}", " ".repeat(indent * 2))
}

fn node(n: &Node, e: &Explain<'_>, mut indent: usize, out: &mut Vec<String>) {
    let mut head = String::new();
    if indent > 0 {
        head = format!("{}->  ", " ".repeat(indent * 2));
        indent += 2;
    }
    head += &n.title;
    if e.options.costs {
        let (startup, total, rows, width) = n.costs;
        head += &format!("  (cost={startup:.2}..{total:.2} rows={rows:.0} width={width})");
    }
    if e.options.analyze {
        match &n.stats {
            Some(s) if s.loops > 0.0 => {
                let (rows, loops) = (s.rows / s.loops, s.loops);
                head += &if e.options.timing {
                    format!(
                        " (actual time={:.3}..{:.3} rows={rows:.0} loops={loops:.0})",
                        s.startup_ms / s.loops,
                        s.total_ms / s.loops
                    )
                } else {
                    format!(" (actual rows={rows:.0} loops={loops:.0})")
                };
            }
            _ => head += " (never executed)",
        }
    }
    out.push(head);
    indent += 1;
    out.extend(n.lines.iter().map(|(label, value)| line(label, value, indent)));
    for (_, section, child) in &n.children {
        match section {
            Some(title) => {
                out.push(format!("{}{title}", " ".repeat(indent * 2)));
                node(child, e, indent + 1, out);
            }
            None => node(child, e, indent, out),
        }
    }
}
