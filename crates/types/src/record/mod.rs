//! Records: values of composite types and anonymous rows. Each field carries its type's OID, so that a record can be
//! compared and printed by itself.
//!
//! # Stored form
//!
//! | bytes | content |
//! |---|---|
//! | 0 | 2: a record ([`crate::array`] begins with 1) |
//! | 1 | 0; 1: an anonymous row with a shape |
//! | 2..4 | u16 LE number of fields n |
//! | 4..8 | u32 LE OID of the composite type, 2249 (record) for anonymous rows; the number of the shape ([`shape`]) |
//! | 8..8+9n | per field: u32 LE type OID, u8 physical type (0: NULL), u32 LE end offset |
//! | | the fields' bytes |

mod order;
pub mod shape;
mod text;
mod wire;

pub(crate) use order::{KEY, compare, hash};
pub(crate) use text::{input, output};
pub(crate) use wire::{receive, send};

use crate::{Datum, SqlType, oids, stored};
use bytes::Bytes;
use quarry_common::Oid;

/// First byte of a stored record.
pub(crate) const TAG: u8 = 2;
/// Second byte of a record whose shape's number stands in the type's place.
const SHAPED: u8 = 1;
const HEADER_BYTES: usize = 8;
const FIELD_BYTES: usize = 9;

/// A stored record, borrowed.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    bytes: &'a [u8],
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Whether bytes of an unknown type are a stored record: tag, counts and lengths all fit.
pub(crate) fn is_stored_form(bytes: &[u8]) -> bool {
    if bytes.len() < HEADER_BYTES || bytes[0] != TAG || bytes[1] > SHAPED {
        return false;
    }
    let n = RecordRef { bytes }.len();
    let base = HEADER_BYTES + FIELD_BYTES * n;
    if bytes.len() < base {
        return false;
    }
    let end = |i: usize| u32_at(bytes, HEADER_BYTES + FIELD_BYTES * i + 5) as usize;
    (1..n).all(|i| end(i - 1) <= end(i)) && bytes.len() == base + if n == 0 { 0 } else { end(n - 1) }
}

impl<'a> RecordRef<'a> {
    /// Over bytes in stored form.
    pub fn new(bytes: &'a [u8]) -> RecordRef<'a> {
        debug_assert_eq!(bytes.first(), Some(&TAG), "not a stored record");
        RecordRef { bytes }
    }
    /// A view of a datum of a record type.
    pub fn of(datum: &'a Datum) -> RecordRef<'a> {
        RecordRef::new(datum.as_bytes())
    }
    /// Number of fields.
    pub fn len(&self) -> usize {
        usize::from(u16::from_le_bytes([self.bytes[2], self.bytes[3]]))
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The composite type; record for anonymous rows.
    pub fn type_oid(&self) -> Oid {
        self.sql_type().oid
    }
    /// The composite type, or `record` with the row's shape as modifier.
    pub fn sql_type(&self) -> SqlType {
        let number = u32_at(self.bytes, 4);
        if self.bytes[1] == SHAPED {
            SqlType::with_typmod(oids::RECORD, number as i32)
        } else {
            SqlType::of(Oid(number))
        }
    }
    fn field(&self, i: usize) -> usize {
        HEADER_BYTES + FIELD_BYTES * i
    }
    /// The type of field `i`.
    pub fn field_oid(&self, i: usize) -> Oid {
        Oid(u32_at(self.bytes, self.field(i)))
    }
    pub fn is_null(&self, i: usize) -> bool {
        self.bytes[self.field(i) + 4] == 0
    }
    /// Field `i`.
    pub fn datum(&self, i: usize) -> Datum {
        let code = self.bytes[self.field(i) + 4];
        if code == 0 {
            return Datum::Null;
        }
        let base = HEADER_BYTES + FIELD_BYTES * self.len();
        let start = if i == 0 { 0 } else { u32_at(self.bytes, self.field(i - 1) + 5) as usize };
        let end = u32_at(self.bytes, self.field(i) + 5) as usize;
        stored::read(stored::from_code(code), &self.bytes[base + start..base + end])
    }
    /// All fields.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datum> + use<'a> {
        let record = *self;
        (0..record.len()).map(move |i| record.datum(i))
    }
}

/// Collects fields into a record.
pub struct RecordBuilder {
    ty: SqlType,
    fields: Vec<(Oid, u8, u32)>,
    data: Vec<u8>,
}

impl RecordBuilder {
    /// Of a composite type, or of type record.
    pub fn new(type_oid: Oid) -> RecordBuilder {
        RecordBuilder::of(SqlType::of(type_oid))
    }
    /// Of a composite type, or of type record with a shape for modifier.
    pub fn of(ty: SqlType) -> RecordBuilder {
        RecordBuilder { ty, fields: Vec::new(), data: Vec::new() }
    }
    pub fn push(&mut self, field_type: Oid, value: &Datum) {
        let code = match value.physical() {
            Some(physical) => {
                stored::write(value, &mut self.data);
                stored::code(physical)
            }
            None => 0,
        };
        self.fields.push((field_type, code, self.data.len() as u32));
    }
    /// At most 65535 fields; the binder allows 1664.
    pub fn finish(self) -> Datum {
        let n = u16::try_from(self.fields.len()).expect("the binder limits the columns of a row");
        let mut out = Vec::with_capacity(HEADER_BYTES + FIELD_BYTES * self.fields.len() + self.data.len());
        let shaped = self.ty.oid == oids::RECORD && self.ty.typmod >= 0;
        let (kind, number) = if shaped { (SHAPED, self.ty.typmod as u32) } else { (0, self.ty.oid.0) };
        out.extend_from_slice(&[TAG, kind]);
        out.extend_from_slice(&n.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        for (oid, code, end) in &self.fields {
            out.extend_from_slice(&oid.0.to_le_bytes());
            out.push(*code);
            out.extend_from_slice(&end.to_le_bytes());
        }
        out.extend_from_slice(&self.data);
        Datum::Bytes(Bytes::from(out))
    }
}

/// A record of these fields.
pub fn from_fields<'d>(type_oid: Oid, fields: impl IntoIterator<Item = (Oid, &'d Datum)>) -> Datum {
    of_type(SqlType::of(type_oid), fields)
}

/// A record of these fields, of a composite type or of `record` with a shape for modifier.
pub fn of_type<'d>(ty: SqlType, fields: impl IntoIterator<Item = (Oid, &'d Datum)>) -> Datum {
    let mut builder = RecordBuilder::of(ty);
    fields.into_iter().for_each(|(oid, v)| builder.push(oid, v));
    builder.finish()
}

#[cfg(test)]
mod tests;
