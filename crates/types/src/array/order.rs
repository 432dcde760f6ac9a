//! Comparison, hashing and keys of arrays: elements first (NULL above all values), then their number, then
//! dimensions, lengths and lower bounds.
//!
//! A key is each element as 2 and its key, or 3 for NULL; 0 at the end; then the number of dimensions and
//! each one's length and lower bound, as big-endian numbers whose byte order is their order.

use super::ArrayRef;
use crate::Datum;
use crate::element::{compare_elements, hash_element, key_element, skip_element};
use crate::registry::KeyCodec;
use quarry_common::{Error, Result};
use std::cmp::Ordering;

pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    let (a, b) = (ArrayRef::of(a), ArrayRef::of(b));
    for i in 0..a.len().min(b.len()) {
        let order = match (a.is_null(i), b.is_null(i)) {
            (true, true) => continue,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_elements(a.element_oid(), &a.datum(i), &b.datum(i)),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    let lens = |x: &ArrayRef<'_>| x.dims().iter().map(|d| d.len).collect::<Vec<_>>();
    let lowers = |x: &ArrayRef<'_>| x.dims().iter().map(|d| d.lower).collect::<Vec<_>>();
    a.len()
        .cmp(&b.len())
        .then_with(|| a.ndim().cmp(&b.ndim()))
        .then_with(|| lens(&a).cmp(&lens(&b)))
        .then_with(|| lowers(&a).cmp(&lowers(&b)))
}

pub(crate) fn hash(v: &Datum) -> u64 {
    let array = ArrayRef::of(v);
    let oid = array.element_oid();
    (0..array.len()).fold(crate::hash::hash_i64(array.len() as i64), |h, i| {
        let e = if array.is_null(i) { crate::hash::NULL_HASH } else { hash_element(oid, &array.datum(i)) };
        crate::hash::combine(h, e)
    })
}

const END: u8 = 0;
const VALUE: u8 = 2;
const NULL: u8 = 3;
/// Element type by which a key's elements are skipped lies before them.
const OID_BYTES: usize = 4;

fn encode(v: &Datum, out: &mut Vec<u8>) {
    let array = ArrayRef::of(v);
    let oid = array.element_oid();
    // All arrays of a column have the same element type: it does not disturb their order.
    out.extend_from_slice(&oid.0.to_be_bytes());
    for i in 0..array.len() {
        if array.is_null(i) {
            out.push(NULL);
        } else {
            out.push(VALUE);
            key_element(oid, &array.datum(i), out);
        }
    }
    out.push(END);
    out.push(array.ndim() as u8);
    let dims = array.dims();
    dims.iter().for_each(|d| out.extend_from_slice(&(d.len as u32).to_be_bytes()));
    dims.iter().for_each(|d| out.extend_from_slice(&(d.lower as u32 ^ 1 << 31).to_be_bytes()));
}

fn skip(key: &mut &[u8]) -> Result<()> {
    let malformed = || Error::corrupted("malformed array in an index key");
    let (head, mut rest) = key.split_at_checked(OID_BYTES).ok_or_else(malformed)?;
    let oid = quarry_common::Oid(u32::from_be_bytes(head.try_into().expect("four bytes")));
    loop {
        let (marker, after) = rest.split_first().ok_or_else(malformed)?;
        rest = after;
        match *marker {
            END => break,
            NULL => {}
            VALUE => skip_element(oid, &mut rest)?,
            _ => return Err(malformed()),
        }
    }
    let (ndim, after) = rest.split_first().ok_or_else(malformed)?;
    *key = after.get(8 * usize::from(*ndim)..).ok_or_else(malformed)?;
    Ok(())
}

pub(crate) const KEY: KeyCodec = KeyCodec { encode, decode: None, skip };
