//! Joins of many tables: that they are planned at all, and how long that takes (`--nocapture` shows it).

use super::Fixture;
use std::time::Instant;

/// A query that joins `n` tables by these equalities.
fn joined(n: usize, explicit: bool, on: impl Fn(usize) -> String) -> String {
    let mut sql = "select count(*) from t a0".to_owned();
    let mut filters = vec![];
    for i in 1..n {
        if explicit {
            sql += &format!(" join t a{i} on {}", on(i));
        } else {
            sql += &format!(", t a{i}");
            filters.push(on(i));
        }
    }
    if explicit { sql } else { format!("{sql} where {}", filters.join(" and ")) }
}

fn plan(f: &Fixture, what: &str, sql: &str, tables: usize) {
    let start = Instant::now();
    let plan = f.explain(sql);
    println!("{what}: {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
    let scans = plan.lines().filter(|l| l.contains(" on t a")).count();
    assert_eq!(scans, tables, "{plan}");
}

#[test]
fn a_hundred_tables_are_planned() {
    let f = Fixture::new();
    for n in [8, 100] {
        for explicit in [false, true] {
            let chain = joined(n, explicit, |i| format!("a{i}.a = a{}.c", i - 1));
            plan(&f, &format!("chain of {n}"), &chain, n);
            let star = joined(n, explicit, |i| format!("a{i}.a = a0.c + {i}"));
            plan(&f, &format!("star of {n}"), &star, n);
            let keys = joined(n, explicit, |i| format!("a{i}.id = a0.c + {i}"));
            plan(&f, &format!("star by keys of {n}"), &keys, n);
            let clique = joined(n, explicit, |i| format!("a{i}.a = a0.a"));
            plan(&f, &format!("clique of {n}"), &clique, n);
        }
        let tree = joined(n, true, |i| format!("a{i}.a = a{}.c", i / 2)).replace(" join ", " left join ");
        plan(&f, &format!("left joins of {n}"), &tree, n);
    }
    let products = joined(30, false, |_| "true".into());
    plan(&f, "products of 30", &products, 30);
}

#[test]
fn more_tables_than_a_region_holds() {
    let f = Fixture::new();
    let chain = joined(150, true, |i| format!("a{i}.a = a{}.c", i - 1));
    plan(&f, "chain of 150", &chain, 150);
    let list = joined(150, false, |i| format!("a{i}.a = a{}.c", i - 1));
    plan(&f, "list of 150", &list, 150);
}
