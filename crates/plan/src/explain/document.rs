//! The whole of an explanation as a tree of properties, for the structured formats.

use super::node::{Node, PARALLEL_AWARE, Value};
use super::{Explain, usage};

fn text(s: impl Into<String>) -> Value {
    Value::Text(s.into())
}

fn number(s: impl ToString) -> Value {
    Value::Number(s.to_string())
}

fn tree(
    n: &Node,
    e: &Explain<'_>,
    relationship: Option<&str>,
    section: Option<&str>,
) -> Vec<(String, Value)> {
    let mut out: Vec<(String, Value)> = vec![];
    let mut head = n.head.iter();
    if let Some((k, v)) = head.next() {
        out.push(((*k).into(), text(v)));
    }
    let (before, after): (Vec<_>, Vec<_>) =
        head.partition(|(k, _)| matches!(*k, "Operation" | "Strategy" | "Partial Mode"));
    for (k, v) in before {
        out.push(((*k).into(), text(v)));
    }
    if let Some(r) = relationship {
        out.push(("Parent Relationship".into(), text(r)));
    }
    if let Some(s) = section {
        out.push(("Subplan Name".into(), text(s)));
    }
    let parallel = n.head.iter().any(|(label, _)| *label == PARALLEL_AWARE);
    out.push((PARALLEL_AWARE.into(), number(parallel)));
    out.push(("Async Capable".into(), number(false)));
    for (k, v) in after.into_iter().filter(|(k, _)| *k != PARALLEL_AWARE) {
        out.push(((*k).into(), text(v)));
    }
    if e.options.costs {
        let (startup, total, rows, width) = n.costs;
        out.push(("Startup Cost".into(), number(format!("{startup:.2}"))));
        out.push(("Total Cost".into(), number(format!("{total:.2}"))));
        out.push(("Plan Rows".into(), number(format!("{rows:.0}"))));
        out.push(("Plan Width".into(), number(width)));
    }
    if e.options.analyze {
        let s = n.stats.clone().unwrap_or_default();
        let loops = s.loops.max(1.0);
        if e.options.timing {
            out.push(("Actual Startup Time".into(), number(format!("{:.3}", s.startup_ms / loops))));
            out.push(("Actual Total Time".into(), number(format!("{:.3}", s.total_ms / loops))));
        }
        out.push(("Actual Rows".into(), number(format!("{:.0}", s.rows / loops))));
        out.push(("Actual Loops".into(), number(format!("{:.0}", s.loops))));
    }
    out.extend(n.lines.iter().cloned());
    if !n.children.is_empty() {
        let plans = n.children.iter().map(|(r, s, c)| tree(c, e, Some(r), s.as_deref())).collect();
        out.push(("Plans".into(), Value::Groups("Plan", plans)));
    }
    out
}

/// All that is said, in PostgreSQL's order.
pub(super) fn document(root: &Node, e: &Explain<'_>) -> Vec<(String, Value)> {
    let o = e.options;
    let mut out = vec![];
    if let Some(query) = e.query_text {
        out.push(("Query Text".to_string(), text(query)));
    }
    out.push(("Plan".to_string(), Value::Group(tree(root, e, None, None))));
    if o.rules {
        let names = e.statement.rules.iter().map(|r| r.to_string()).collect();
        out.push(("Rules".into(), Value::List(names)));
    }
    if let Some(settings) = &o.settings {
        let list = settings.iter().map(|(n, v)| (n.clone(), text(v))).collect();
        out.push(("Settings".into(), Value::Group(list)));
    }
    if let Some(id) = e.query_id.filter(|_| o.verbose) {
        out.push(("Query Identifier".into(), number(id)));
    }
    if o.verbose && e.statement.pinned {
        out.push(("Pinned Plan".into(), number(true)));
    }
    if let Some(used) = e.planning.filter(|_| o.buffers) {
        out.push(("Planning".into(), Value::Group(usage::buffer_properties(&used, o.io_timing))));
    }
    if let Some(ms) = e.planning_ms.filter(|_| o.summary) {
        out.push(("Planning Time".into(), number(format!("{ms:.3}"))));
    }
    if o.analyze && o.triggers {
        let one = |t: &super::TriggerStats| {
            let mut props = vec![
                ("Trigger Name".to_string(), text(&t.name)),
                ("Constraint Name".into(), text(&t.constraint)),
                ("Relation".into(), text(&t.relation)),
            ];
            if o.timing {
                props.push(("Time".into(), number(format!("{:.3}", t.total_ms))));
            }
            props.push(("Calls".into(), number(format!("{:.0}", t.calls))));
            props
        };
        out.push(("Triggers".into(), Value::Groups("Trigger", e.triggers.iter().map(one).collect())));
    }
    if o.analyze && o.summary {
        out.push(("Execution Time".into(), number(format!("{:.3}", e.execution_ms))));
    }
    out
}
