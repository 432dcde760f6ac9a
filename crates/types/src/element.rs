//! Comparing, hashing and encoding values inside arrays and records, which carry their type's OID.
//!
//! OIDs of user-defined types aren't in the registry; their values tell enough: an enum is a number, an array or
//! record begins with its tag.

use crate::registry::{CompareFn, HashFn, KeyCodec, functions_of};
use crate::{Datum, array, identifiers, key, record, text};
use quarry_common::{Error, Oid, Result};
use std::cmp::Ordering;

/// The functions for a value of a type that isn't built in.
fn user_functions(v: &Datum) -> (CompareFn, HashFn, KeyCodec) {
    match v {
        Datum::Bytes(b) if array::is_stored_form(b) => (array::compare, array::hash, array::KEY),
        Datum::Bytes(b) if record::is_stored_form(b) => (record::compare, record::hash, record::KEY),
        Datum::Bytes(_) => (text::compare, text::hash, key::BYTEA),
        Datum::I16(_) | Datum::I32(_) | Datum::I64(_) => {
            (crate::ints::compare, crate::ints::hash, key::I64_ANY)
        }
        Datum::F32(_) | Datum::F64(_) => (crate::floats::compare, crate::floats::hash, key::F64_ANY),
        Datum::Bool(_) => (crate::boolean::compare, crate::boolean::hash, key::BOOL),
        Datum::B16(_) => (crate::uuid::compare, crate::uuid::hash, key::B16),
        Datum::U32(_) | Datum::Null => (identifiers::u32_compare, identifiers::u32_hash, key::U32),
    }
}

/// Orders two non-NULL values of type `oid`.
pub fn compare_elements(oid: Oid, a: &Datum, b: &Datum) -> Ordering {
    match functions_of(oid).map(|f| f.compare) {
        Some(Some(compare)) => compare(a, b),
        // A type without an order, such as json: anything that is the same for the same bytes.
        Some(None) => match (a, b) {
            (Datum::Bytes(a), Datum::Bytes(b)) => a.cmp(b),
            _ => user_functions(a).0(a, b),
        },
        None => user_functions(a).0(a, b),
    }
}

/// Hash of a non-NULL value of type `oid`.
pub fn hash_element(oid: Oid, v: &Datum) -> u64 {
    match functions_of(oid).and_then(|f| f.hash) {
        Some(hash) => hash(v),
        None => user_functions(v).1(v),
    }
}

/// Appends the key of a non-NULL value of type `oid`. For types that aren't built in a byte goes before that says
/// how to skip it; it is the same for all values of a type.
pub fn key_element(oid: Oid, v: &Datum, out: &mut Vec<u8>) {
    match functions_of(oid).and_then(|f| f.key) {
        Some(codec) => (codec.encode)(v, out),
        None => {
            let codec = user_functions(v).2;
            out.push(user_code(v));
            (codec.encode)(v, out);
        }
    }
}

fn user_code(v: &Datum) -> u8 {
    match v {
        Datum::Bytes(b) if array::is_stored_form(b) => 1,
        Datum::Bytes(b) if record::is_stored_form(b) => 2,
        Datum::Bytes(_) => 3,
        Datum::I16(_) | Datum::I32(_) | Datum::I64(_) => 4,
        Datum::F32(_) | Datum::F64(_) => 5,
        Datum::Bool(_) => 6,
        Datum::B16(_) => 7,
        Datum::U32(_) | Datum::Null => 8,
    }
}

/// Moves past a key written by [`key_element`].
pub fn skip_element(oid: Oid, rest: &mut &[u8]) -> Result<()> {
    if let Some(codec) = functions_of(oid).and_then(|f| f.key) {
        return (codec.skip)(rest);
    }
    let malformed = || Error::corrupted("malformed value in an index key");
    let (code, after) = rest.split_first().ok_or_else(malformed)?;
    *rest = after;
    let codec = match code {
        1 => array::KEY,
        2 => record::KEY,
        3 => key::BYTEA,
        4 => key::I64_ANY,
        5 => key::F64_ANY,
        6 => key::BOOL,
        7 => key::B16,
        8 => key::U32,
        _ => return Err(malformed()),
    };
    (codec.skip)(rest)
}
