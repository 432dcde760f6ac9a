//! int2vector and oidvector: one-dimensional arrays from 0 without NULLs, printed as numbers with blanks between.

use super::{ArrayBuilder, ArrayRef, Dimension};
use crate::identifiers::parse_oid;
use crate::ints::{is_space, parse_i16, write_int};
use crate::{Datum, IoContext, PhysicalType, TypeInfo, oids};
use quarry_common::{Oid, Result};

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii() && is_space(c as u8)).filter(|w| !w.is_empty())
}

/// An array with the lower bound 0, as the catalogs have them; also without elements it has a dimension in
/// PostgreSQL, which nothing shows.
fn finish(builder: ArrayBuilder) -> Result<Datum> {
    let len = i32::try_from(builder.len()).unwrap_or(i32::MAX);
    if len == 0 { builder.finish(&[]) } else { builder.finish(&[Dimension { len, lower: 0 }]) }
}

/// An int2vector of these numbers.
pub fn int2vector(values: impl IntoIterator<Item = i16>) -> Datum {
    let mut builder = ArrayBuilder::new(oids::INT2, PhysicalType::I16);
    values.into_iter().for_each(|v| builder.push(&Datum::I16(v)));
    finish(builder).expect("a catalog's vector is short")
}

/// An oidvector of these ids.
pub fn oidvector(values: impl IntoIterator<Item = Oid>) -> Datum {
    let mut builder = ArrayBuilder::new(oids::OID, PhysicalType::U32);
    values.into_iter().for_each(|v| builder.push(&Datum::U32(v.0)));
    finish(builder).expect("a catalog's vector is short")
}

pub(crate) fn int2vector_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut builder = ArrayBuilder::new(oids::INT2, PhysicalType::I16);
    for word in words(text) {
        builder.push(&Datum::I16(parse_i16(word)?));
    }
    finish(builder)
}
pub(crate) fn oidvector_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut builder = ArrayBuilder::new(oids::OID, PhysicalType::U32);
    for word in words(text) {
        builder.push(&Datum::U32(parse_oid(word)?.0));
    }
    finish(builder)
}
pub(crate) fn vector_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    for (i, value) in ArrayRef::of(v).iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        match value {
            Datum::U32(v) => write_int(v, out),
            other => write_int(crate::ints::as_i64(&other), out),
        }
    }
    Ok(())
}
