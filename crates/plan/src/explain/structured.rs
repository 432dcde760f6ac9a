//! FORMAT JSON, YAML and XML: one tree of properties, written three ways.

use super::node::Value;

type Properties = [(String, Value)];

fn quoted(s: &str) -> String {
    serde_json::Value::from(s).to_string()
}

fn quoted_list(list: &[String]) -> String {
    format!("[{}]", list.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(", "))
}

/// FORMAT JSON; `list`: as the one entry of a list.
pub(super) fn json(document: &Properties, list: bool) -> String {
    let mut out = String::new();
    if list {
        out.push_str("[\n  ");
    }
    json_group(document, usize::from(list), &mut out);
    if list {
        out.push_str("\n]");
    }
    out
}

fn json_group(props: &Properties, depth: usize, out: &mut String) {
    out.push('{');
    for (i, (label, value)) in props.iter().enumerate() {
        *out += if i > 0 { ",\n" } else { "\n" };
        *out += &"  ".repeat(depth + 1);
        *out += &format!("{}: ", quoted(label));
        // Entries stand on lines of their own.
        let mut entries = |count: usize, entry: &dyn Fn(usize, &mut String)| {
            out.push('[');
            for j in 0..count {
                *out += if j > 0 { ",\n" } else { "\n" };
                *out += &"  ".repeat(depth + 2);
                entry(j, out);
            }
            *out += &format!("\n{}]", "  ".repeat(depth + 1));
        };
        match value {
            Value::Groups(_, list) => entries(list.len(), &|j, out| json_group(&list[j], depth + 2, out)),
            Value::Lists(_, lists) => entries(lists.len(), &|j, out| *out += &quoted_list(&lists[j])),
            Value::Text(t) => *out += &quoted(t),
            Value::Number(t) => *out += t,
            Value::List(l) => *out += &quoted_list(l),
            Value::Group(g) => json_group(g, depth + 1, out),
        }
    }
    *out += &format!("\n{}}}", "  ".repeat(depth));
}

/// FORMAT YAML; `list`: as the one entry of a list.
pub(super) fn yaml(document: &Properties, list: bool) -> String {
    let mut out = String::new();
    yaml_group(document, 0, list, &mut out);
    // Only the last line's end: an empty list leaves a space before it.
    out.pop();
    out
}

fn yaml_group(props: &Properties, depth: usize, item: bool, out: &mut String) {
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
            Value::Text(t) => *out += &format!("{label}: {}\n", quoted(t)),
            Value::Number(t) => *out += &format!("{label}: {t}\n"),
            Value::List(l) => {
                *out += &format!("{label}: \n");
                for s in l {
                    *out += &format!("{}- {}\n", "  ".repeat(inner), quoted(s));
                }
            }
            Value::Lists(_, lists) => {
                *out += &format!("{label}: \n");
                for l in lists {
                    *out += &format!("{}- {}\n", "  ".repeat(inner), quoted_list(l));
                }
            }
            Value::Group(g) => {
                *out += &format!("{label}: \n");
                yaml_group(g, inner, false, out);
            }
            Value::Groups(_, list) => {
                *out += &format!("{label}: \n");
                for g in list {
                    yaml_group(g, inner, true, out);
                }
            }
        }
    }
}

/// FORMAT XML; `list`: within the element that EXPLAIN has for each query.
pub(super) fn xml(document: &Properties, list: bool) -> String {
    let mut out = "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n".to_string();
    if list {
        out += "  <Query>\n";
    }
    xml_group(document, 1 + usize::from(list), &mut out);
    if list {
        out += "  </Query>\n";
    }
    out + "</explain>"
}

fn xml_group(props: &Properties, depth: usize, out: &mut String) {
    let escape =
        |s: &str| s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#x0d;");
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    for (label, value) in props {
        let tag: String = label.chars().map(legal).collect();
        let pad = "  ".repeat(depth);
        let items = |l: &[String], pad: &str, out: &mut String| {
            l.iter().for_each(|s| *out += &format!("{pad}  <Item>{}</Item>\n", escape(s)));
        };
        if let Value::Text(t) | Value::Number(t) = value {
            *out += &format!("{pad}<{tag}>{}</{tag}>\n", escape(t));
            continue;
        }
        *out += &format!("{pad}<{tag}>\n");
        match value {
            Value::Text(_) | Value::Number(_) => {}
            Value::List(l) => items(l, &pad, out),
            Value::Lists(item, lists) => {
                for l in lists {
                    *out += &format!("{pad}  <{item}>\n");
                    items(l, &format!("{pad}  "), out);
                    *out += &format!("{pad}  </{item}>\n");
                }
            }
            Value::Group(g) => xml_group(g, depth + 1, out),
            Value::Groups(item, list) => {
                for g in list {
                    *out += &format!("{pad}  <{item}>\n");
                    xml_group(g, depth + 2, out);
                    *out += &format!("{pad}  </{item}>\n");
                }
            }
        }
        *out += &format!("{pad}</{tag}>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 writes `GROUP BY GROUPING SETS ((b), ())` and the like.
    #[test]
    fn lists_of_lists_in_groups() {
        let keys = |label: &str, item, lists: &[&[&str]]| {
            let lists = lists.iter().map(|l| l.iter().map(|s| s.to_string()).collect()).collect();
            vec![(label.to_string(), Value::Lists(item, lists))]
        };
        let sets = vec![keys("Hash Keys", "Hash-Key", &[&["b"]]), keys("Group Keys", "Group-Key", &[&[]])];
        let document = [
            ("I/O Read Time".to_string(), Value::Number("0.001".into())),
            ("Grouping Sets".to_string(), Value::Groups("Grouping-Set", sets)),
            ("Triggers".to_string(), Value::Groups("Trigger", vec![])),
        ];
        assert_eq!(
            json(&document, true),
            "[\n  {\n    \"I/O Read Time\": 0.001,\n    \"Grouping Sets\": [\n      {\n        \"Hash Keys\": [\n          [\"b\"]\n        ]\n      },\n      {\n        \"Group Keys\": [\n          []\n        ]\n      }\n    ],\n    \"Triggers\": [\n    ]\n  }\n]"
        );
        assert_eq!(
            yaml(&document, true),
            "- I/O Read Time: 0.001\n  Grouping Sets: \n    - Hash Keys: \n        - [\"b\"]\n    - Group Keys: \n        - []\n  Triggers: "
        );
        assert_eq!(yaml(&document[..1], false) + "\n", "I/O Read Time: 0.001\n");
        assert_eq!(
            xml(&document, false),
            "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <I-O-Read-Time>0.001</I-O-Read-Time>\n  <Grouping-Sets>\n    <Grouping-Set>\n      <Hash-Keys>\n        <Hash-Key>\n          <Item>b</Item>\n        </Hash-Key>\n      </Hash-Keys>\n    </Grouping-Set>\n    <Grouping-Set>\n      <Group-Keys>\n        <Group-Key>\n        </Group-Key>\n      </Group-Keys>\n    </Grouping-Set>\n  </Grouping-Sets>\n  <Triggers>\n  </Triggers>\n</explain>"
        );
    }
}
