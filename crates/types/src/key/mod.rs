//! Order-preserving keys: byte strings whose memcmp order is the SQL order of the rows they stand for.
//!
//! A key is its columns one after another. A column is a marker byte and the value:
//!
//! | marker | |
//! |---|---|
//! | 0 | NULL of a NULLS FIRST column, nothing follows |
//! | 1 | a value: its type's ascending form ([`KeyCodec`]), all bytes inverted for DESC |
//! | 2 | NULL of a NULLS LAST column |
//!
//! Invariants: K1 equal keys mean values that SQL calls equal, and the reverse. K2 no value's form is a beginning of
//! another's of the same type, so that columns can follow each other and order stays. K3 what [`KeyCodec::decode`]
//! returns is the value itself, not merely one equal to it; types where that can't be have no `decode`.
//!
//! Text is compared bytewise (collation C).

mod codecs;
mod range;

pub use codecs::{B16, BOOL, BPCHAR, BYTEA, CHAR, F32, F64, I16, I32, I64, TEXT, U32, U64};
pub(crate) use codecs::{F64_ANY, I64_ANY};
pub use range::{KeyBound, KeyRange, column_range, prefix_end, prefix_range, text_prefix_range};

use crate::registry::KeyCodec;
use crate::{Datum, TypeInfo, Vector, VectorData, oids};
use quarry_common::{Error, Result};

/// Direction of a key column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyOrder {
    pub desc: bool,
    pub nulls_first: bool,
}

impl KeyOrder {
    /// ASC NULLS LAST, the default.
    pub const ASC: KeyOrder = KeyOrder { desc: false, nulls_first: false };
    /// DESC NULLS FIRST, the default of DESC.
    pub const DESC: KeyOrder = KeyOrder { desc: true, nulls_first: true };

    fn null_marker(self) -> u8 {
        if self.nulls_first { NULL_FIRST } else { NULL_LAST }
    }
}

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// The type's codec; 42704 as PostgreSQL words it if the type has no B-tree operator class.
pub fn codec_of(ty: &TypeInfo) -> Result<KeyCodec> {
    ty.functions.key.ok_or_else(|| {
        quarry_common::err!(
            UNDEFINED_OBJECT,
            "data type {} has no default operator class for access method \"btree\"",
            ty.name
        )
        .hint("You must specify an operator class for the index or define a default operator class for the data type.")
    })
}

/// Whether an index can give the column's value back from its key.
pub fn is_invertible(ty: &TypeInfo) -> bool {
    ty.functions.key.is_some_and(|k| k.decode.is_some())
}

fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|b| *b = !*b);
}

/// Appends a column.
pub fn encode_datum(value: &Datum, ty: &TypeInfo, order: KeyOrder, out: &mut Vec<u8>) -> Result<()> {
    if value.is_null() {
        out.push(order.null_marker());
        return Ok(());
    }
    out.push(VALUE);
    let at = out.len();
    (codec_of(ty)?.encode)(value, out);
    if order.desc {
        invert(&mut out[at..]);
    }
    Ok(())
}

/// Appends row `i` of a vector as a column, for the common types without a [`Datum`].
pub fn encode_at(v: &Vector, i: usize, ty: &TypeInfo, order: KeyOrder, out: &mut Vec<u8>) -> Result<()> {
    if v.is_null(i) {
        out.push(order.null_marker());
        return Ok(());
    }
    let slot = v.slot(i);
    let at = out.len() + 1;
    match v.data() {
        VectorData::I32(d) => {
            out.push(VALUE);
            out.extend_from_slice(&(d[slot] as u32 ^ 1 << 31).to_be_bytes());
        }
        VectorData::I64(d) if !matches!(ty.oid, oids::XID8 | oids::PG_LSN) => {
            out.push(VALUE);
            out.extend_from_slice(&(d[slot] as u64 ^ 1 << 63).to_be_bytes());
        }
        VectorData::Bytes(d) if matches!(ty.oid, oids::TEXT | oids::VARCHAR | oids::NAME) => {
            out.push(VALUE);
            codecs::write_text(d.get(slot), out);
        }
        VectorData::Bytes(d) if ty.oid == oids::BPCHAR => {
            out.push(VALUE);
            codecs::write_text(crate::text::trim_blanks(d.get(slot)), out);
        }
        VectorData::Bytes(d) if ty.oid == oids::NUMERIC => {
            out.push(VALUE);
            crate::numeric::NumericRef::new(d.get(slot)).write_key(out);
        }
        _ => return encode_datum(&v.datum(i), ty, order, out),
    }
    if order.desc {
        invert(&mut out[at..]);
    }
    Ok(())
}

/// What [`read_column`] found.
#[derive(Clone, PartialEq, Debug)]
pub enum KeyColumn {
    Null,
    Value(Datum),
    /// There is a value, but the key does not hold all of it.
    NotInvertible,
}

/// Reads a column off the front of a key.
pub fn read_column(key: &mut &[u8], ty: &TypeInfo, order: KeyOrder) -> Result<KeyColumn> {
    let (marker, rest) =
        key.split_first().ok_or_else(|| Error::corrupted("an index key has fewer columns than its index"))?;
    *key = rest;
    if *marker != VALUE {
        return Ok(KeyColumn::Null);
    }
    let codec = codec_of(ty)?;
    let read = |k: &mut &[u8]| match codec.decode {
        Some(decode) => decode(k).map(KeyColumn::Value),
        None => (codec.skip)(k).map(|()| KeyColumn::NotInvertible),
    };
    if !order.desc {
        return read(key);
    }
    let mut upright = key.to_vec();
    invert(&mut upright);
    let mut left = upright.as_slice();
    let column = read(&mut left)?;
    *key = &key[key.len() - left.len()..];
    Ok(column)
}

/// Passes over a column at the front of a key; true: it is NULL.
pub fn skip_column(key: &mut &[u8], ty: &TypeInfo, order: KeyOrder) -> Result<bool> {
    let (marker, rest) =
        key.split_first().ok_or_else(|| Error::corrupted("an index key has fewer columns than its index"))?;
    *key = rest;
    if *marker != VALUE {
        return Ok(true);
    }
    let codec = codec_of(ty)?;
    if !order.desc {
        (codec.skip)(key)?;
        return Ok(false);
    }
    let mut upright = key.to_vec();
    invert(&mut upright);
    let mut left = upright.as_slice();
    (codec.skip)(&mut left)?;
    *key = &key[key.len() - left.len()..];
    Ok(false)
}

/// Reads a column off the front of a key into a vector of its type; false: the key does not hold all of the value, nothing was added.
#[inline]
pub fn read_column_into(key: &mut &[u8], ty: &TypeInfo, order: KeyOrder, out: &mut Vector) -> Result<bool> {
    // The common types without a [`Datum`].
    if !order.desc && key.first() == Some(&VALUE) {
        let rest = &key[1..];
        match (ty.oid, rest.len()) {
            (oids::INT4 | oids::DATE, 4..) => {
                let v = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) ^ 1 << 31;
                out.push_stored(&v.to_le_bytes());
                *key = &rest[4..];
                return Ok(true);
            }
            (oids::INT8 | oids::TIMESTAMP | oids::TIMESTAMPTZ, 8..) => {
                let mut v = [0; 8];
                v.copy_from_slice(&rest[..8]);
                out.push_stored(&(u64::from_be_bytes(v) ^ 1 << 63).to_le_bytes());
                *key = &rest[8..];
                return Ok(true);
            }
            (oids::TEXT | oids::VARCHAR, _) => {
                if let Some(end) = memchr::memchr(0, rest) {
                    out.push_stored(&rest[..end]);
                    *key = &rest[end + 1..];
                    return Ok(true);
                }
            }
            _ => {}
        }
    }
    match read_column(key, ty, order)? {
        KeyColumn::Null => out.push_null(),
        KeyColumn::Value(v) => out.push_datum(&v),
        KeyColumn::NotInvertible => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
