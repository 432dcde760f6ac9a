//! Comparison, hashing and keys of records: field by field, NULL above all values. The binder has seen to it that
//! the fields' types agree.

use super::RecordRef;
use crate::Datum;
use crate::element::{compare_elements, hash_element, key_element, skip_element};
use crate::registry::KeyCodec;
use quarry_common::{Error, Oid, Result};
use std::cmp::Ordering;

pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    let (a, b) = (RecordRef::of(a), RecordRef::of(b));
    for i in 0..a.len().min(b.len()) {
        let order = match (a.is_null(i), b.is_null(i)) {
            (true, true) => continue,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let (va, vb) = (a.datum(i), b.datum(i));
                // Fields of unlike types have no order: the types' OIDs keep the comparison total.
                match a.field_oid(i).cmp(&b.field_oid(i)) {
                    Ordering::Equal => compare_elements(a.field_oid(i), &va, &vb),
                    unlike if va.physical() != vb.physical() => unlike,
                    _ => compare_elements(a.field_oid(i), &va, &vb),
                }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

pub(crate) fn hash(v: &Datum) -> u64 {
    let record = RecordRef::of(v);
    (0..record.len()).fold(crate::hash::hash_i64(record.len() as i64), |h, i| {
        let field = if record.is_null(i) {
            crate::hash::NULL_HASH
        } else {
            hash_element(record.field_oid(i), &record.datum(i))
        };
        crate::hash::combine(h, field)
    })
}

const END: u8 = 0;
const VALUE: u8 = 2;
const NULL: u8 = 3;

fn encode(v: &Datum, out: &mut Vec<u8>) {
    let record = RecordRef::of(v);
    for i in 0..record.len() {
        if record.is_null(i) {
            out.push(NULL);
        } else {
            // The type's OID is the same in all rows of a column; it says how to skip the value.
            out.push(VALUE);
            out.extend_from_slice(&record.field_oid(i).0.to_be_bytes());
            key_element(record.field_oid(i), &record.datum(i), out);
        }
    }
    out.push(END);
}

fn skip(key: &mut &[u8]) -> Result<()> {
    let malformed = || Error::corrupted("malformed record in an index key");
    loop {
        let (marker, after) = key.split_first().ok_or_else(malformed)?;
        *key = after;
        match *marker {
            END => return Ok(()),
            NULL => {}
            VALUE => {
                let (oid, after) = key.split_at_checked(4).ok_or_else(malformed)?;
                *key = after;
                skip_element(Oid(u32::from_be_bytes(oid.try_into().expect("four bytes"))), key)?;
            }
            _ => return Err(malformed()),
        }
    }
}

pub(crate) const KEY: KeyCodec = KeyCodec { encode, decode: None, skip };
