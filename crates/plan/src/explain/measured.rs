//! A node's measured lines: as the executor words them for text, and as the fields of the structured formats
//! (PostgreSQL: `show_sort_info`, `show_hash_info`, `show_hashagg_info`, `show_tidbitmap_info`).

use super::node::Value;

/// The lines of one measurement, `label: value` in text.
pub(super) fn lines(label: &str, value: &str, structured: bool) -> Vec<(String, Value)> {
    let text = || vec![(label.to_string(), Value::Text(value.to_string()))];
    if !structured {
        return text();
    }
    let mut parts = value.split("  ");
    let first = parts.next().unwrap_or_default();
    // What follows has a name of its own: `Memory: 25kB`.
    let rest: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once(": ")).collect();
    let find = |name: &str| rest.iter().find(|(n, _)| *n == name).map_or("0", |(_, v)| *v);
    let number =
        |name: &str, v: &str| (name.to_string(), Value::Number(v.trim_end_matches("kB").to_string()));
    match label {
        "Sort Method" => {
            let (kind, used) = rest.first().copied().unwrap_or(("Memory", "0"));
            vec![
                (label.to_string(), Value::Text(first.to_string())),
                number("Sort Space Used", used),
                ("Sort Space Type".to_string(), Value::Text(kind.to_string())),
            ]
        }
        "Batches" => vec![
            number("HashAgg Batches", first),
            number("Peak Memory Usage", find("Memory Usage")),
            number("Disk Usage", find("Disk Usage")),
        ],
        "Buckets" => vec![
            number("Hash Buckets", first),
            number("Original Hash Buckets", first),
            number("Hash Batches", find("Batches")),
            number("Original Hash Batches", find("Batches")),
            number("Peak Memory Usage", find("Memory Usage")),
        ],
        "Hits" => vec![
            number("Cache Hits", first),
            number("Cache Misses", find("Misses")),
            number("Cache Evictions", find("Evictions")),
            number("Cache Overflows", find("Overflows")),
            number("Peak Memory Usage", find("Memory Usage")),
        ],
        "Rows Removed by Runtime Filter"
        | "Blocks Skipped by Runtime Filter"
        | "Tuples Inserted"
        | "Conflicting Tuples" => {
            vec![number(label, first)]
        }
        "Full-sort Groups" | "Pre-sorted Groups" => {
            // `3  Sort Methods: quicksort, external merge  Average Memory: 25kB  Peak Memory: 25kB  Average Disk: ...`
            let methods = match find("Sort Method") {
                "0" => find("Sort Methods"),
                one => one,
            };
            let methods = methods.split(", ").map(str::to_string).collect();
            let mut group =
                vec![number("Group Count", first), ("Sort Methods Used".to_string(), Value::List(methods))];
            for kind in ["Memory", "Disk"] {
                let (average, peak) = (find(&format!("Average {kind}")), find(&format!("Peak {kind}")));
                if peak != "0" {
                    let space = vec![
                        number("Average Sort Space Used", average),
                        number("Peak Sort Space Used", peak),
                    ];
                    group.push((format!("Sort Space {kind}"), Value::Group(space)));
                }
            }
            vec![(label.to_string(), Value::Group(group))]
        }
        "Heap Blocks" => {
            let of = |kind: &str| value.split(' ').find_map(|p| p.strip_prefix(kind)).unwrap_or("0");
            vec![number("Exact Heap Blocks", of("exact=")), number("Lossy Heap Blocks", of("lossy="))]
        }
        "Heap Fetches" => vec![number(label, first)],
        _ => text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(label: &str, value: &str) -> Vec<String> {
        lines(label, value, true)
            .into_iter()
            .map(|(l, v)| match v {
                Value::Text(v) => format!("{l}: \"{v}\""),
                Value::Number(v) => format!("{l}: {v}"),
                Value::List(v) => format!("{l}: {v:?}"),
                Value::Group(v) => format!("{l}: {} properties", v.len()),
                Value::Lists(..) | Value::Groups(..) => l,
            })
            .collect()
    }

    #[test]
    fn structured_formats_have_fields() {
        assert_eq!(
            shown("Sort Method", "quicksort  Memory: 30kB"),
            ["Sort Method: \"quicksort\"", "Sort Space Used: 30", "Sort Space Type: \"Memory\""]
        );
        assert_eq!(
            shown("Batches", "1  Memory Usage: 32kB"),
            ["HashAgg Batches: 1", "Peak Memory Usage: 32", "Disk Usage: 0"]
        );
        assert_eq!(
            shown("Buckets", "32768  Batches: 1  Memory Usage: 960kB")[..3],
            ["Hash Buckets: 32768", "Original Hash Buckets: 32768", "Hash Batches: 1"]
        );
        assert_eq!(shown("Heap Blocks", "exact=89"), ["Exact Heap Blocks: 89", "Lossy Heap Blocks: 0"]);
        assert_eq!(shown("Heap Blocks", "lossy=7"), ["Exact Heap Blocks: 0", "Lossy Heap Blocks: 7"]);
        assert_eq!(shown("Heap Blocks", "exact=8 lossy=7"), ["Exact Heap Blocks: 8", "Lossy Heap Blocks: 7"]);
        assert_eq!(shown("Heap Fetches", "3"), ["Heap Fetches: 3"]);
        let groups = "3  Sort Method: quicksort  Average Memory: 25kB  Peak Memory: 30kB";
        assert_eq!(shown("Pre-sorted Groups", groups), ["Pre-sorted Groups: 3 properties"]);
    }
}
