//! The table of built-in types: what `pg_type` says of each and the functions that read, print, compare, hash and
//! encode its values. The catalog's bootstrap makes `pg_type` from it.
//!
//! [`type_info`] finds a row in O(1). User-defined types (OID from 10000) have [`TypeInfo`]s of their own, made by
//! [`user_enum`], [`user_composite`], [`user_domain`] and [`user_array`] and held by the catalog's cache.
//!
//! `table.rs` holds the facts, `functions.rs` and `temporal_json.rs` attach the functions.

mod functions;
mod lookup;
mod table;
mod temporal_json;
mod user;

use crate::numeric::Numeric;
use crate::{Datum, IoContext, PhysicalType, ints, oids};
use quarry_common::{Error, Oid, Result};
use std::borrow::Cow;
use std::cmp::Ordering;

pub use lookup::{all_types, functions_of, physical_of, type_by_name, type_info};
pub use user::{user_array, user_composite, user_domain, user_enum};

/// Text to value. The type modifier is applied as for an implicit coercion (-1: none).
pub type InputFn = fn(&TypeInfo, &str, i32, &IoContext<'_>) -> Result<Datum>;
/// Appends a non-NULL value's text.
pub type OutputFn = fn(&TypeInfo, &Datum, &IoContext<'_>, &mut Vec<u8>) -> Result<()>;
/// Binary wire form to value.
pub type ReceiveFn = fn(&TypeInfo, &[u8], i32, &IoContext<'_>) -> Result<Datum>;
/// Appends a non-NULL value's binary wire form.
pub type SendFn = fn(&TypeInfo, &Datum, &IoContext<'_>, &mut Vec<u8>) -> Result<()>;
/// Type modifier from the parenthesised constants after a type's name.
pub type TypmodInFn = fn(&[&str]) -> Result<i32>;
/// What follows a type's name for a modifier (not -1): "(10,2)".
pub type TypmodOutFn = fn(i32) -> String;
/// Applies a type modifier (not -1) to a non-NULL value; true: an explicit cast, which may cut text silently.
pub type CoerceFn = fn(&Datum, i32, bool) -> Result<Datum>;
/// Order of two non-NULL values, as the default B-tree operator class has it.
pub type CompareFn = fn(&Datum, &Datum) -> Ordering;
/// Hash of a non-NULL value; equal values hash equally, also across int2/int4/int8 and float4/float8.
pub type HashFn = fn(&Datum) -> u64;

/// Reads a value off the front of a key.
pub type DecodeKeyFn = fn(&mut &[u8]) -> Result<Datum>;

/// How one type's values become order-preserving byte strings (see [`crate::key`]).
#[derive(Clone, Copy)]
pub struct KeyCodec {
    /// Appends the ascending form of a non-NULL value: memcmp order is SQL order, no form is a prefix of another.
    pub encode: fn(&Datum, &mut Vec<u8>),
    /// Reads one value back and moves the slice past it; none: the key does not hold the whole value (numeric's
    /// display scale, float's -0, arrays ...), so an index stores the value as payload.
    pub decode: Option<DecodeKeyFn>,
    /// Moves the slice past one value.
    pub skip: fn(&mut &[u8]) -> Result<()>,
}

/// The functions of one type.
#[derive(Clone, Copy)]
pub struct TypeFunctions {
    pub input: InputFn,
    pub output: OutputFn,
    pub receive: ReceiveFn,
    pub send: SendFn,
    pub typmod_in: Option<TypmodInFn>,
    pub typmod_out: Option<TypmodOutFn>,
    /// None: the type has no modifiers.
    pub coerce: Option<CoerceFn>,
    /// None: the type has no equality. (xid has an order here that SQL does not offer; what SQL offers is the
    /// catalog's operator classes.)
    pub compare: Option<CompareFn>,
    /// None: the type can't be hashed.
    pub hash: Option<HashFn>,
    pub key: Option<KeyCodec>,
}

/// Names of the `pg_proc` entries that `pg_type` points to; empty: none.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypeProcs {
    pub input: &'static str,
    pub output: &'static str,
    pub receive: &'static str,
    pub send: &'static str,
    pub typmod_in: &'static str,
    pub typmod_out: &'static str,
    pub analyze: &'static str,
    pub subscript: &'static str,
}

/// One type.
#[derive(Clone)]
pub struct TypeInfo {
    pub oid: Oid,
    /// `pg_type.typname`: "int4", "_int4".
    pub name: Cow<'static, str>,
    /// `typtype`: b base, c composite, d domain, e enum, m multirange, p pseudo, r range.
    pub kind: char,
    pub physical: PhysicalType,
    /// Bytes, -1 varying, -2 C string.
    pub typlen: i16,
    pub typbyval: bool,
    /// c, s, i or d.
    pub typalign: char,
    /// p, e, m or x.
    pub typstorage: char,
    /// `typcategory`: N numbers, S strings, D dates, A arrays ...
    pub category: char,
    /// Whether implicit casts within the category prefer this type.
    pub preferred: bool,
    /// Separates elements in an array's text.
    pub delim: char,
    /// The type of arrays of this one; invalid: none.
    pub array: Oid,
    /// `typelem`: what subscripting yields; invalid: not subscriptable that way.
    pub element: Oid,
    /// `typrelid`: of the built-in composite types.
    pub relation: Oid,
    /// `typcollation`: 100 default, 950 "C", invalid.
    pub collation: Oid,
    /// A domain's base type.
    pub base: Option<crate::SqlType>,
    pub procs: TypeProcs,
    pub functions: TypeFunctions,
}

impl TypeInfo {
    /// Whether values are arrays in the stored form of [`crate::array`]. Also true of int2vector and oidvector.
    pub fn is_array(&self) -> bool {
        self.typlen == -1 && self.element.is_valid()
    }
    /// Text to value.
    pub fn input(&self, text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
        (self.functions.input)(self, text, typmod, cx)
    }
    /// The value of a number's text as it mostly comes, of which nobody need know that it is UTF-8. None: whatever it is, [`TypeInfo::input`]
    /// reads it, or says what is wrong.
    #[inline]
    pub fn input_digits(&self, text: &[u8]) -> Option<Datum> {
        match self.oid {
            oids::INT4 => i32::try_from(ints::plain_digits(text)?).ok().map(Datum::I32),
            oids::INT8 => ints::plain_digits(text).map(Datum::I64),
            oids::INT2 => i16::try_from(ints::plain_digits(text)?).ok().map(Datum::I16),
            oids::NUMERIC => Numeric::parse_digits(text).map(Numeric::into_datum),
            _ => None,
        }
    }
    /// Appends the text of a non-NULL value.
    pub fn output(&self, value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
        (self.functions.output)(self, value, cx, out)
    }
    /// Binary wire form to value.
    pub fn receive(&self, wire: &[u8], typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
        (self.functions.receive)(self, wire, typmod, cx)
    }
    /// Appends the binary wire form of a non-NULL value.
    pub fn send(&self, value: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
        (self.functions.send)(self, value, cx, out)
    }
    /// The text of a non-NULL value as a string.
    pub fn output_string(&self, value: &Datum, cx: &IoContext<'_>) -> Result<String> {
        let mut out = Vec::new();
        self.output(value, cx, &mut out)?;
        String::from_utf8(out).map_err(|_| Error::internal(format!("output of {} is not UTF-8", self.name)))
    }
}

impl std::fmt::Debug for TypeInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TypeInfo({} {})", self.oid, self.name)
    }
}
