//! Ids of objects as `.keyvalue()` reports them: the position the object would have in PostgreSQL's own form of the
//! document (header, an entry of four bytes per element, values; numbers and containers on multiples of four).

use crate::json::jsonb::{Container, Value};
use std::collections::HashMap;

/// Position of each container of a document by the address of its stored form.
pub(super) fn positions(root: Container<'_>) -> HashMap<usize, i64> {
    let mut ids = HashMap::new();
    place(root, 0, &mut ids);
    ids
}

fn align(at: i64) -> i64 {
    (at + 3) & !3
}

/// Notes the positions of a container that starts at `at` and of those inside; returns where it ends.
fn place(c: Container<'_>, at: i64, ids: &mut HashMap<usize, i64>) -> i64 {
    ids.insert(c.as_bytes().as_ptr().addr(), at);
    let entries = if c.is_object() { 2 * c.len() } else { c.len() };
    let mut end = at + 4 + 4 * entries as i64;
    if c.is_object() {
        for (key, _) in c.pairs() {
            end += key.len() as i64;
        }
        for (_, v) in c.pairs() {
            end = place_value(v, end, ids);
        }
    } else {
        for v in c.elements() {
            end = place_value(v, end, ids);
        }
    }
    end
}

fn place_value(v: Value<'_>, at: i64, ids: &mut HashMap<usize, i64>) -> i64 {
    match v {
        Value::Null | Value::Bool(_) => at,
        Value::String(s) => at + s.len() as i64,
        Value::Number(n) => {
            let short = n.dscale() <= 63 && (-64..=63).contains(&n.weight());
            align(at) + if short { 6 } else { 8 } + 2 * n.digit_count() as i64
        }
        Value::Array(c) | Value::Object(c) => place(c, align(at), ids),
    }
}
