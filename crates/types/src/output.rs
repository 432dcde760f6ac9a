//! Printing and sending rows of vectors without a [`crate::Datum`] for the common types.

use crate::numeric::NumericRef;
use crate::{IoContext, TypeInfo, Vector, VectorData, floats, ints, oids};
use quarry_common::Result;

/// Appends the text of row `i`, which must not be NULL.
#[inline]
pub fn output_vector_value(
    v: &Vector,
    i: usize,
    ty: &TypeInfo,
    cx: &IoContext<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let slot = v.slot(i);
    match (v.data(), ty.oid) {
        (VectorData::I32(d), oids::INT4) => ints::write_int(d[slot], out),
        (VectorData::I64(d), oids::INT8) => ints::write_int(d[slot], out),
        (VectorData::I16(d), oids::INT2) => ints::write_int(d[slot], out),
        (VectorData::U32(d), oids::OID) => ints::write_int(d[slot], out),
        (VectorData::Bool(d), oids::BOOL) => out.push(if d[slot] { b't' } else { b'f' }),
        (VectorData::F64(d), oids::FLOAT8) => floats::write_f64(d[slot], cx.extra_float_digits, out),
        (VectorData::F32(d), oids::FLOAT4) => floats::write_f32(d[slot], cx.extra_float_digits, out),
        (
            VectorData::Bytes(d),
            oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::JSON | oids::UNKNOWN,
        ) => {
            out.extend_from_slice(d.get(slot));
        }
        (VectorData::Bytes(d), oids::NUMERIC) => NumericRef::new(d.get(slot)).write(out),
        _ => return ty.output(&v.datum(i), cx, out),
    }
    Ok(())
}

/// Appends the binary wire form of row `i`, which must not be NULL.
#[inline]
pub fn send_vector_value(
    v: &Vector,
    i: usize,
    ty: &TypeInfo,
    cx: &IoContext<'_>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let slot = v.slot(i);
    match (v.data(), ty.oid) {
        (VectorData::I32(d), oids::INT4) => out.extend_from_slice(&d[slot].to_be_bytes()),
        (VectorData::I64(d), oids::INT8) => out.extend_from_slice(&d[slot].to_be_bytes()),
        (VectorData::I16(d), oids::INT2) => out.extend_from_slice(&d[slot].to_be_bytes()),
        (VectorData::Bool(d), oids::BOOL) => out.push(u8::from(d[slot])),
        (VectorData::F64(d), oids::FLOAT8) => out.extend_from_slice(&d[slot].to_be_bytes()),
        (VectorData::Bytes(d), oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME | oids::BYTEA) => {
            out.extend_from_slice(d.get(slot));
        }
        (VectorData::Bytes(d), oids::NUMERIC) => NumericRef::new(d.get(slot)).send(out),
        _ => return ty.send(&v.datum(i), cx, out),
    }
    Ok(())
}
