//! FORMAT TEXT.

use super::Explain;
use super::node::{Node, Value};

/// The lines.
pub(super) fn write(root: &Node, e: &Explain<'_>) -> Vec<String> {
    let mut out = vec![];
    node(root, e, 0, &mut out);
    if e.options.rules && !e.statement.rules.is_empty() {
        out.push(format!("Rules: {}", e.statement.rules.join(", ")));
    }
    if !e.options.settings.is_empty() {
        let list: Vec<String> = e.options.settings.iter().map(|(n, v)| format!("{n} = '{v}'")).collect();
        out.push(format!("Settings: {}", list.join(", ")));
    }
    if e.options.summary {
        out.push(format!("Planning Time: {:.3} ms", e.planning_ms));
        if e.options.analyze {
            out.push(format!("Execution Time: {:.3} ms", e.execution_ms));
        }
    }
    out
}

fn node(n: &Node, e: &Explain<'_>, mut indent: usize, out: &mut Vec<String>) {
    let mut line = String::new();
    if indent > 0 {
        line = format!("{}->  ", " ".repeat(indent * 2));
        indent += 2;
    }
    line += &n.title;
    if e.options.costs {
        let (startup, total, rows, width) = n.costs;
        line += &format!("  (cost={startup:.2}..{total:.2} rows={rows:.0} width={width})");
    }
    if e.options.analyze {
        match &n.stats {
            Some(s) if s.loops > 0.0 => {
                let (rows, loops) = (s.rows / s.loops, s.loops);
                line += &if e.options.timing {
                    format!(
                        " (actual time={:.3}..{:.3} rows={rows:.0} loops={loops:.0})",
                        s.startup_ms / s.loops,
                        s.total_ms / s.loops
                    )
                } else {
                    format!(" (actual rows={rows:.0} loops={loops:.0})")
                };
            }
            _ if n.title == "BitmapAnd" || n.title == "BitmapOr" => {}
            _ => line += " (never executed)",
        }
    }
    out.push(line);
    indent += 1;
    for (label, value) in &n.lines {
        let shown = match value {
            Value::Text(t) | Value::Number(t) => t.clone(),
            Value::List(l) => l.join(", "),
        };
        out.push(format!("{}{label}: {shown}", " ".repeat(indent * 2)));
    }
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
