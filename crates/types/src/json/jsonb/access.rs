//! Reading fields, elements and paths of jsonb.

use super::*;
use crate::numeric::Numeric;
use quarry_common::{Error, Result, bail};

/// An integer as `strtol` reads one that fills the whole text, within int4.
pub fn path_index(text: &str) -> Option<i32> {
    let t = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let digits = t.strip_prefix(['+', '-']).unwrap_or(t);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    t.parse().ok()
}

/// Position of a possibly negative index among `len` elements.
pub(crate) fn position(index: i32, len: usize) -> Option<usize> {
    let i = i64::from(index);
    let i = if i < 0 { i + len as i64 } else { i };
    usize::try_from(i).ok().filter(|i| *i < len)
}

/// `j -> 'key'`: none if `j` is no object or has no such key.
pub fn object_field<'a>(stored: &'a [u8], key: &str) -> Option<Value<'a>> {
    match Value::root(stored) {
        Value::Object(c) => c.get(key),
        _ => None,
    }
}

/// `j -> index`. A scalar counts as an array of one.
pub fn array_element(stored: &[u8], index: i32) -> Option<Value<'_>> {
    let c = Container(stored);
    if c.is_object() {
        return None;
    }
    position(index, c.len()).map(|i| c.element(i))
}

/// `j #> path`: none if there is nothing there. An empty path is `j` itself.
pub fn extract_path<'a, S: AsRef<str>>(stored: &'a [u8], path: &[S]) -> Option<Value<'a>> {
    let mut v = Value::root(stored);
    for step in path {
        v = match v {
            Value::Object(c) => c.get(step.as_ref())?,
            Value::Array(c) => c.element(position(path_index(step.as_ref())?, c.len())?),
            _ => return None,
        };
    }
    Some(v)
}

/// `jsonb_array_length`.
pub fn array_length(stored: &[u8]) -> Result<usize> {
    match Value::root(stored) {
        Value::Array(c) => Ok(c.len()),
        Value::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a scalar"),
    }
}

/// The array that `jsonb_array_elements` and `jsonb_array_elements_text` walk.
pub fn elements_of(stored: &[u8]) -> Result<Container<'_>> {
    match Value::root(stored) {
        Value::Array(c) => Ok(c),
        Value::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from a scalar"),
    }
}

/// The object that `function` ("jsonb_each", "jsonb_each_text") walks.
pub fn pairs_of<'a>(stored: &'a [u8], function: &str) -> Result<Container<'a>> {
    match Value::root(stored) {
        Value::Object(c) => Ok(c),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {function} on a non-object"),
    }
}

/// The object whose keys `jsonb_object_keys` lists.
pub fn keys_of(stored: &[u8]) -> Result<Container<'_>> {
    match Value::root(stored) {
        Value::Object(c) => Ok(c),
        Value::Array(_) => bail!(INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on a scalar"),
    }
}

fn cannot_cast(v: Value<'_>, root_scalar: bool, to: &str) -> Error {
    let what = match v {
        Value::Null => "null",
        Value::String(_) => "string",
        Value::Number(_) => "numeric",
        Value::Bool(_) => "boolean",
        _ if !root_scalar => match v {
            Value::Array(_) => "array",
            _ => "object",
        },
        _ => "array or object",
    };
    err!(INVALID_PARAMETER_VALUE, "cannot cast jsonb {what} to type {to}")
}

/// The boolean that a jsonb is, for a cast to `to`.
pub fn cast_bool(stored: &[u8]) -> Result<bool> {
    match Value::root(stored) {
        Value::Bool(b) => Ok(b),
        v => Err(cannot_cast(v, false, "boolean")),
    }
}

/// The number that a jsonb is, for a cast to `to` ("numeric", "smallint", "integer", "bigint", "real",
/// "double precision").
pub fn cast_number(stored: &[u8], to: &str) -> Result<Numeric> {
    match Value::root(stored) {
        Value::Number(n) => Ok(n.to_numeric()),
        v => Err(cannot_cast(v, false, to)),
    }
}
