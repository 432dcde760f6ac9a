//! Order, equality, hash and containment of jsonb.

use super::*;
use crate::hash::{combine, hash_bytes, hash_i64};
use std::cmp::Ordering;

/// Rank of a value's type, rising.
fn rank(v: Value<'_>) -> u8 {
    match v {
        Value::Null => 0,
        Value::String(_) => 1,
        Value::Number(_) => 2,
        Value::Bool(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Order of values inside documents.
fn compare_values(a: Value<'_>, b: Value<'_>) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Number(a), Value::Number(b)) => a.compare(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
        (Value::Array(a), Value::Array(b)) => {
            a.len().cmp(&b.len()).then_with(|| zip_cmp(a.elements().zip(b.elements()), compare_values))
        }
        (Value::Object(a), Value::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            zip_cmp(a.pairs().zip(b.pairs()), |(ka, va), (kb, vb)| {
                ka.as_bytes().cmp(kb.as_bytes()).then_with(|| compare_values(va, vb))
            })
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn zip_cmp<T>(mut it: impl Iterator<Item = (T, T)>, cmp: impl Fn(T, T) -> Ordering) -> Ordering {
    it.find_map(|(a, b)| Some(cmp(a, b)).filter(|o| o.is_ne())).unwrap_or(Ordering::Equal)
}

/// Order of two stored jsonb values, as the B-tree operator class has it.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (va, vb) = (Value::root(a), Value::root(b));
    // A scalar at the root counts as an array of one: by length first, then before a true array.
    let scalar_to_array = |array: Container<'_>| 1.cmp(&array.len()).then(Ordering::Less);
    match (va, vb) {
        (Value::Array(x), s) if s.is_scalar() => scalar_to_array(x).reverse(),
        (s, Value::Array(y)) if s.is_scalar() => scalar_to_array(y),
        (Value::Object(_), s) if s.is_scalar() => Ordering::Greater,
        (s, Value::Object(_)) if s.is_scalar() => Ordering::Less,
        _ => compare_values(va, vb),
    }
}

/// Equality of two values.
pub fn equal_values(a: Value<'_>, b: Value<'_>) -> bool {
    compare_values(a, b).is_eq()
}

fn hash_value(v: Value<'_>) -> u64 {
    match v {
        Value::Null => hash_i64(1),
        Value::Bool(b) => hash_i64(2 + i64::from(b)),
        Value::String(s) => combine(hash_i64(4), hash_bytes(s.as_bytes())),
        Value::Number(n) => combine(hash_i64(5), n.hash()),
        Value::Array(c) => c.elements().fold(hash_i64(6), |h, v| combine(h, hash_value(v))),
        Value::Object(c) => c
            .pairs()
            .fold(hash_i64(7), |h, (k, v)| combine(combine(h, hash_bytes(k.as_bytes())), hash_value(v))),
    }
}

/// Hash of a stored jsonb.
pub fn hash(stored: &[u8]) -> u64 {
    hash_value(Value::root(stored))
}

/// `a @> b`.
pub fn contains(a: &[u8], b: &[u8]) -> bool {
    let (va, vb) = (Container(a), Container(b));
    match (va.form(), vb.form()) {
        (FORM_SCALAR, FORM_SCALAR) => same_scalar(va.entry(0), vb.entry(0)),
        (FORM_OBJECT, FORM_SCALAR) | (FORM_SCALAR, _) => false,
        (_, FORM_SCALAR) => has_scalar(va, vb.entry(0)),
        _ => contains_container(va, vb),
    }
}

/// An entry of a container: its kind and its bytes. Strings are compared as these, without looking whether they are text.
type Entry<'a> = (u32, &'a [u8]);

fn is_scalar(kind: u32) -> bool {
    kind != CONTAINER
}

fn same_scalar(a: Entry<'_>, b: Entry<'_>) -> bool {
    a.0 == b.0
        && match a.0 {
            NUMBER => a.1 == b.1 || NumericRef::new(a.1).compare(NumericRef::new(b.1)).is_eq(),
            STRING => a.1 == b.1,
            kind => is_scalar(kind),
        }
}

fn has_scalar(array: Container<'_>, scalar: Entry<'_>) -> bool {
    (0..array.len()).any(|i| same_scalar(array.entry(i), scalar))
}

fn contains_container(a: Container<'_>, b: Container<'_>) -> bool {
    match (a.is_object(), b.is_object()) {
        (true, true) => {
            let (of_a, of_b) = (a.len(), b.len());
            of_a >= of_b
                && (0..of_b).all(|i| {
                    a.find_bytes(b.entry(i).1)
                        .is_some_and(|at| contains_member(a.entry(of_a + at), b.entry(of_b + i)))
                })
        }
        (false, false) => (0..b.len()).all(|i| match b.entry(i) {
            scalar if is_scalar(scalar.0) => has_scalar(a, scalar),
            member => (0..a.len()).any(|j| contains_member(a.entry(j), member)),
        }),
        _ => false,
    }
}

/// Scalars must be equal, containers contain.
fn contains_member(a: Entry<'_>, b: Entry<'_>) -> bool {
    match (is_scalar(a.0), is_scalar(b.0)) {
        (true, true) => same_scalar(a, b),
        (false, false) => contains_container(Container(a.1), Container(b.1)),
        _ => false,
    }
}

/// `j ? key`: a field of an object, a string of an array, or the string itself.
pub fn exists(stored: &[u8], key: &str) -> bool {
    match Value::root(stored) {
        Value::Object(c) => c.find(key).is_some(),
        Value::Array(c) => c.elements().any(|e| matches!(e, Value::String(s) if s == key)),
        Value::String(s) => s == key,
        _ => false,
    }
}

/// `j ?| keys`; NULL keys are passed over.
pub fn exists_any<'k>(stored: &[u8], mut keys: impl Iterator<Item = Option<&'k str>>) -> bool {
    keys.any(|k| k.is_some_and(|k| exists(stored, k)))
}

/// `j ?& keys`; NULL keys are passed over.
pub fn exists_all<'k>(stored: &[u8], mut keys: impl Iterator<Item = Option<&'k str>>) -> bool {
    keys.all(|k| k.is_none_or(|k| exists(stored, k)))
}
