//! Key ranges for index scans, as byte strings: lower bound inclusive, upper bound exclusive.

use super::{KeyOrder, VALUE, encode_datum};
use crate::{Datum, TypeInfo};
use quarry_common::Result;
use std::ops::Bound;

/// A range of keys, to scan an index by.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A bound on one column's values.
#[derive(Clone, Copy, Debug)]
pub struct KeyBound<'a> {
    pub value: &'a Datum,
    pub inclusive: bool,
}

/// The least byte string above all that begin with `prefix`; none if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn before(end: Option<Vec<u8>>) -> Bound<Vec<u8>> {
    end.map_or(Bound::Unbounded, Bound::Excluded)
}

/// All keys that begin with `prefix`: equality on the leading columns.
pub fn prefix_range(prefix: Vec<u8>) -> KeyRange {
    let end = prefix_end(&prefix);
    (Bound::Included(prefix), before(end))
}

/// All keys that begin with `prefix` (the encoded leading columns) and whose next column lies between the bounds in
/// SQL's order. NULLs are outside; without any bound that makes IS NOT NULL. A bound must not be NULL.
pub fn column_range(
    prefix: &[u8],
    ty: &TypeInfo,
    order: KeyOrder,
    lower: Option<KeyBound<'_>>,
    upper: Option<KeyBound<'_>>,
) -> Result<KeyRange> {
    // In a DESC column large values come first.
    let (first, last) = if order.desc { (upper, lower) } else { (lower, upper) };
    let encode = |bound: KeyBound<'_>| -> Result<Vec<u8>> {
        let mut key = prefix.to_vec();
        encode_datum(bound.value, ty, order, &mut key)?;
        Ok(key)
    };
    let values = || -> Vec<u8> { prefix.iter().copied().chain([VALUE]).collect() };
    let start = match first {
        Some(b) => {
            let key = encode(b)?;
            if b.inclusive {
                Bound::Included(key)
            } else {
                // Behind every key that has this value, whatever columns follow. A value's key begins with the
                // marker, so that there always is something behind.
                Bound::Included(prefix_end(&key).unwrap_or(key))
            }
        }
        None => Bound::Included(values()),
    };
    let end = match last {
        Some(b) => {
            let key = encode(b)?;
            if b.inclusive { before(prefix_end(&key)) } else { Bound::Excluded(key) }
        }
        None => before(prefix_end(&values())),
    };
    Ok((start, end))
}

/// All keys that begin with `prefix` and whose next column, of a text type in ascending order, begins with `text`.
pub fn text_prefix_range(prefix: &[u8], text: &str) -> KeyRange {
    let key: Vec<u8> = prefix.iter().copied().chain([VALUE]).chain(text.bytes()).collect();
    prefix_range(key)
}
