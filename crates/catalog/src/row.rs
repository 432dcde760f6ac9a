//! One row of a system catalog in memory.

use crate::acl::AclItem;
use crate::arrays;
use quarry_common::Oid;
use quarry_types::Datum;

/// The values of one row, in the order of the catalog's columns ([`crate::builtin::columns`]).
///
/// The readers answer zero, false or empty for NULL: columns that may be NULL have `opt_` readers.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Datum>);

impl Row {
    pub fn oid(&self, i: usize) -> Oid {
        match self.0[i] {
            Datum::U32(v) => Oid(v),
            _ => Oid::INVALID,
        }
    }
    pub fn bool(&self, i: usize) -> bool {
        matches!(self.0[i], Datum::Bool(true))
    }
    pub fn i16(&self, i: usize) -> i16 {
        match self.0[i] {
            Datum::I16(v) => v,
            _ => 0,
        }
    }
    pub fn i32(&self, i: usize) -> i32 {
        match self.0[i] {
            Datum::I32(v) => v,
            _ => 0,
        }
    }
    pub fn i64(&self, i: usize) -> i64 {
        match self.0[i] {
            Datum::I64(v) => v,
            _ => 0,
        }
    }
    pub fn f32(&self, i: usize) -> f32 {
        match self.0[i] {
            Datum::F32(v) => v,
            _ => 0.0,
        }
    }
    /// A "char"; '\0' if empty.
    pub fn char(&self, i: usize) -> char {
        match &self.0[i] {
            Datum::Bytes(b) => b.first().map_or('\0', |b| *b as char),
            _ => '\0',
        }
    }
    pub fn str(&self, i: usize) -> &str {
        match &self.0[i] {
            Datum::Bytes(b) => std::str::from_utf8(b).unwrap_or(""),
            _ => "",
        }
    }
    pub fn string(&self, i: usize) -> String {
        self.str(i).to_owned()
    }
    pub fn opt_string(&self, i: usize) -> Option<String> {
        (!self.0[i].is_null()).then(|| self.string(i))
    }
    pub fn oids(&self, i: usize) -> Vec<Oid> {
        arrays::oids_of(&self.0[i])
    }
    pub fn int2s(&self, i: usize) -> Vec<i16> {
        arrays::int2s_of(&self.0[i])
    }
    pub fn texts(&self, i: usize) -> Vec<String> {
        arrays::texts_of(&self.0[i])
    }
    pub fn acl(&self, i: usize) -> Option<Vec<AclItem>> {
        arrays::acl_of(&self.0[i])
    }
}

/// A "char" value.
pub fn char_datum(c: char) -> Datum {
    if c == '\0' { Datum::text("") } else { Datum::text(c.encode_utf8(&mut [0; 4])) }
}
/// An OID value.
pub fn oid_datum(o: Oid) -> Datum {
    Datum::U32(o.0)
}
/// Text or NULL.
pub fn opt_text(s: Option<&str>) -> Datum {
    s.map_or(Datum::Null, Datum::text)
}
