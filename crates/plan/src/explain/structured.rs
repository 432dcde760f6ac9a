//! FORMAT JSON, YAML and XML: one tree of properties, written three ways.

use super::Explain;
use super::node::{Node, Value};

/// A property tree.
enum Tree {
    Text(String),
    Raw(String),
    List(Vec<String>),
    Group(Vec<(String, Tree)>),
    Groups(&'static str, Vec<Tree>),
}

fn tree(n: &Node, e: &Explain<'_>, relationship: Option<&str>, section: Option<&str>) -> Tree {
    let mut out: Vec<(String, Tree)> = vec![];
    let mut head = n.head.iter();
    if let Some((k, v)) = head.next() {
        out.push(((*k).into(), Tree::Text(v.clone())));
    }
    let (before, after): (Vec<_>, Vec<_>) =
        head.partition(|(k, _)| matches!(*k, "Operation" | "Strategy" | "Partial Mode" | "Command"));
    for (k, v) in before {
        out.push(((*k).into(), Tree::Text(v.clone())));
    }
    if let Some(r) = relationship {
        out.push(("Parent Relationship".into(), Tree::Text(r.into())));
    }
    if let Some(s) = section {
        out.push(("Subplan Name".into(), Tree::Text(s.into())));
    }
    out.push(("Parallel Aware".into(), Tree::Raw("false".into())));
    out.push(("Async Capable".into(), Tree::Raw("false".into())));
    for (k, v) in after {
        out.push(((*k).into(), Tree::Text(v.clone())));
    }
    if e.options.costs {
        let (startup, total, rows, width) = n.costs;
        out.push(("Startup Cost".into(), Tree::Raw(format!("{startup:.2}"))));
        out.push(("Total Cost".into(), Tree::Raw(format!("{total:.2}"))));
        out.push(("Plan Rows".into(), Tree::Raw(format!("{rows:.0}"))));
        out.push(("Plan Width".into(), Tree::Raw(width.to_string())));
    }
    if e.options.analyze {
        let s = n.stats.clone().unwrap_or_default();
        let loops = s.loops.max(1.0);
        if e.options.timing {
            out.push(("Actual Startup Time".into(), Tree::Raw(format!("{:.3}", s.startup_ms / loops))));
            out.push(("Actual Total Time".into(), Tree::Raw(format!("{:.3}", s.total_ms / loops))));
        }
        out.push(("Actual Rows".into(), Tree::Raw(format!("{:.0}", s.rows / loops))));
        out.push(("Actual Loops".into(), Tree::Raw(format!("{:.0}", s.loops))));
    }
    for (label, value) in &n.lines {
        let value = match value {
            Value::Text(t) => Tree::Text(t.clone()),
            Value::List(l) => Tree::List(l.clone()),
            Value::Number(t) => Tree::Raw(t.clone()),
        };
        out.push((label.clone(), value));
    }
    if !n.children.is_empty() {
        let plans = n.children.iter().map(|(r, s, c)| tree(c, e, Some(r), s.as_deref())).collect();
        out.push(("Plans".into(), Tree::Groups("Plan", plans)));
    }
    Tree::Group(out)
}

fn document(root: &Node, e: &Explain<'_>) -> Vec<(String, Tree)> {
    let mut out = vec![("Plan".to_string(), tree(root, e, None, None))];
    if e.options.rules {
        let names = e.statement.rules.iter().map(|r| r.to_string()).collect();
        out.push(("Rules".into(), Tree::List(names)));
    }
    if !e.options.settings.is_empty() {
        let list = e.options.settings.iter().map(|(n, v)| (n.clone(), Tree::Text(v.clone()))).collect();
        out.push(("Settings".into(), Tree::Group(list)));
    }
    if e.options.summary {
        out.push(("Planning Time".into(), Tree::Raw(format!("{:.3}", e.planning_ms))));
    }
    if e.options.analyze {
        out.push(("Triggers".into(), Tree::Groups("Trigger", vec![])));
        if e.options.summary {
            out.push(("Execution Time".into(), Tree::Raw(format!("{:.3}", e.execution_ms))));
        }
    }
    out
}

fn quoted(s: &str) -> String {
    serde_json::Value::from(s).to_string()
}

/// FORMAT JSON.
pub(super) fn json(root: &Node, e: &Explain<'_>) -> String {
    let mut out = "[\n  ".to_string();
    json_group(&document(root, e), 1, &mut out);
    out + "\n]"
}

fn json_group(props: &[(String, Tree)], depth: usize, out: &mut String) {
    out.push('{');
    for (i, (label, value)) in props.iter().enumerate() {
        *out += if i > 0 { ",\n" } else { "\n" };
        *out += &"  ".repeat(depth + 1);
        *out += &format!("{}: ", quoted(label));
        match value {
            Tree::Text(t) => *out += &quoted(t),
            Tree::Raw(t) => *out += t,
            Tree::List(l) => {
                *out += &format!("[{}]", l.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(", "))
            }
            Tree::Group(g) => json_group(g, depth + 1, out),
            Tree::Groups(_, list) => {
                out.push('[');
                for (j, g) in list.iter().enumerate() {
                    *out += if j > 0 { ",\n" } else { "\n" };
                    *out += &"  ".repeat(depth + 2);
                    if let Tree::Group(g) = g {
                        json_group(g, depth + 2, out);
                    }
                }
                *out += &format!("\n{}]", "  ".repeat(depth + 1));
            }
        }
    }
    *out += &format!("\n{}}}", "  ".repeat(depth));
}

/// FORMAT YAML.
pub(super) fn yaml(root: &Node, e: &Explain<'_>) -> String {
    let mut out = String::new();
    yaml_group(&document(root, e), 0, true, &mut out);
    // Only the last line's end: an empty list leaves a space before it.
    out.pop();
    out
}

fn yaml_group(props: &[(String, Tree)], depth: usize, item: bool, out: &mut String) {
    for (i, (label, value)) in props.iter().enumerate() {
        *out += &"  ".repeat(depth);
        *out += if item && i == 0 {
            "- "
        } else if item {
            "  "
        } else {
            ""
        };
        let inner = depth + 1 + usize::from(item);
        match value {
            Tree::Text(t) => *out += &format!("{label}: {}\n", quoted(t)),
            Tree::Raw(t) => *out += &format!("{label}: {t}\n"),
            Tree::List(l) => {
                *out += &format!("{label}: \n");
                for s in l {
                    *out += &format!("{}- {}\n", "  ".repeat(inner), quoted(s));
                }
            }
            Tree::Group(g) => {
                *out += &format!("{label}: \n");
                yaml_group(g, inner, false, out);
            }
            Tree::Groups(_, list) => {
                *out += &format!("{label}: \n");
                for g in list {
                    if let Tree::Group(g) = g {
                        yaml_group(g, inner, true, out);
                    }
                }
            }
        }
    }
}

/// FORMAT XML.
pub(super) fn xml(root: &Node, e: &Explain<'_>) -> String {
    let mut out = "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query>\n".to_string();
    xml_group(&document(root, e), 2, &mut out);
    out + "  </Query>\n</explain>"
}

fn xml_group(props: &[(String, Tree)], depth: usize, out: &mut String) {
    let escape = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for (label, value) in props {
        let tag = label.replace(' ', "-");
        let pad = "  ".repeat(depth);
        match value {
            Tree::Text(t) | Tree::Raw(t) => *out += &format!("{pad}<{tag}>{}</{tag}>\n", escape(t)),
            Tree::List(l) => {
                *out += &format!("{pad}<{tag}>\n");
                for s in l {
                    *out += &format!("{pad}  <Item>{}</Item>\n", escape(s));
                }
                *out += &format!("{pad}</{tag}>\n");
            }
            Tree::Group(g) => {
                *out += &format!("{pad}<{tag}>\n");
                xml_group(g, depth + 1, out);
                *out += &format!("{pad}</{tag}>\n");
            }
            Tree::Groups(item, list) => {
                *out += &format!("{pad}<{tag}>\n");
                for g in list {
                    if let Tree::Group(g) = g {
                        *out += &format!("{pad}  <{item}>\n");
                        xml_group(g, depth + 2, out);
                        *out += &format!("{pad}  </{item}>\n");
                    }
                }
                *out += &format!("{pad}</{tag}>\n");
            }
        }
    }
}
