//! Casts: the functions that convert and the table that says when.
//!
//! A cast may change the physical form where PostgreSQL's is binary (int4 and oid, say) or where its function returns
//! another type than the target (int2 to oid goes by `int4(int2)`): [`relabel`] and [`relabel_datum`] do the rest.

pub mod datetime;
pub mod json;
pub mod number;
pub mod table;
pub mod text;

use quarry_common::{Error, Result};
use quarry_types::{Datum, PhysicalType, Vector, VectorData};

/// The same bits as a value of another physical type: what a binary cast does. Nothing to do for most.
pub fn relabel_datum(value: Datum, to: PhysicalType) -> Result<Datum> {
    Ok(match (value, to) {
        (Datum::I32(v), PhysicalType::U32) => Datum::U32(v as u32),
        (Datum::U32(v), PhysicalType::I32) => Datum::I32(v as i32),
        (v, to) if v.physical().is_none_or(|p| p == to) => v,
        (v, to) => return Err(Error::internal(format!("binary cast of {v:?} to {to:?}"))),
    })
}

/// [`relabel_datum`] for a column.
pub fn relabel(v: &Vector, to: PhysicalType) -> Result<Vector> {
    if v.physical() == to {
        return Ok(v.clone());
    }
    if v.is_constant() {
        return Ok(Vector::constant(to, &relabel_datum(v.datum(0), to)?, v.len()));
    }
    let data = match (v.data(), to) {
        (VectorData::I32(c), PhysicalType::U32) => VectorData::U32(c.iter().map(|x| *x as u32).collect()),
        (VectorData::U32(c), PhysicalType::I32) => VectorData::I32(c.iter().map(|x| *x as i32).collect()),
        _ => return Err(Error::internal(format!("binary cast of {:?} to {to:?}", v.physical()))),
    };
    Ok(Vector::from_parts(data, v.validity().map(<[bool]>::to_vec)))
}
