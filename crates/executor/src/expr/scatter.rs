//! Writing rows of one vector into the same positions of another.

use quarry_common::{Error, Result};
use quarry_types::{Rows, Vector, VectorData};

/// Copies the named rows of `from` to the same positions of `to` (same physical type, not constant, long enough).
pub(crate) fn scatter(to: &mut Vector, from: &Vector, rows: Rows<'_>) -> Result<()> {
    if from.may_have_nulls() {
        for i in rows.iter() {
            if from.is_null(i) {
                to.set_null(i);
            }
        }
    }
    let slot = |i: usize| from.slot(i);
    let (data, _) = to.parts_mut();
    macro_rules! copy {
        ($to:expr, $src:expr) => {
            for i in rows.iter() {
                $to[i] = $src[slot(i)];
            }
        };
    }
    match (data, from.data()) {
        (VectorData::Bool(t), VectorData::Bool(s)) => copy!(t, s),
        (VectorData::I16(t), VectorData::I16(s)) => copy!(t, s),
        (VectorData::I32(t), VectorData::I32(s)) => copy!(t, s),
        (VectorData::U32(t), VectorData::U32(s)) => copy!(t, s),
        (VectorData::I64(t), VectorData::I64(s)) => copy!(t, s),
        (VectorData::F32(t), VectorData::F32(s)) => copy!(t, s),
        (VectorData::F64(t), VectorData::F64(s)) => copy!(t, s),
        (VectorData::B16(t), VectorData::B16(s)) => copy!(t, s),
        (VectorData::Bytes(t), VectorData::Bytes(s)) => {
            for i in rows.iter() {
                if !from.is_null(i) {
                    t.set(i, s.get(slot(i)));
                }
            }
        }
        _ => {
            return Err(Error::internal("rows of a vector written into one of another type"));
        }
    }
    Ok(())
}
