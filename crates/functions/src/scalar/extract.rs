//! `extract` of one field over a batch: whole numbers of one scale (`quarry_types::numeric::decimals`).

use crate::kernel::combined_validity;
use crate::kernel::decimals;
use quarry_types::datetime::extract::{Extracted, FieldsOf};
use quarry_types::datetime::tokens::Unit;
use quarry_types::numeric::Decimals;
use quarry_types::{Rows, Vector, VectorData};

/// Columns that have fields.
pub trait Dated: Copy {
    /// The stored values.
    fn column(data: &VectorData) -> Option<&[Self]>;
}

impl Dated for i32 {
    fn column(data: &VectorData) -> Option<&[i32]> {
        if let VectorData::I32(v) = data { Some(v) } else { None }
    }
}

impl Dated for i64 {
    fn column(data: &VectorData) -> Option<&[i64]> {
        if let VectorData::I64(v) = data { Some(v) } else { None }
    }
}

/// A field named by a constant, of a column; none where a value has no such field, or one that is no whole number of the others' scale: the
/// general kernel then answers for all rows, or says what is wrong.
pub fn whole_field<T: Dated>(
    args: &[&Vector],
    rows: Rows<'_>,
    of: FieldsOf,
    field: impl Fn(T, Unit) -> Option<Extracted>,
) -> Option<Vector> {
    let &[name, column] = args else { return None };
    let VectorData::Bytes(names) = name.data() else { return None };
    if !name.is_constant() || name.is_null(0) || column.is_constant() || rows.is_empty() {
        return None;
    }
    let unit = of.unit(std::str::from_utf8(names.get(0)).ok()?).ok()?;
    let values = T::column(column.data())?;
    let (valid, _) = combined_validity([column].into_iter(), rows.len());
    let mut out = vec![0; rows.len()];
    let mut scale = None;
    for i in rows.iter().filter(|i| valid.as_ref().is_none_or(|v| v[*i])) {
        let (value, has) = match field(values[i], unit)? {
            Extracted::Int(v) => (v, 0),
            Extracted::Scaled(v, scale) => (i64::try_from(v).ok()?, scale),
            _ => return None,
        };
        if *scale.get_or_insert(has) != has {
            return None;
        }
        out[i] = value;
    }
    Some(decimals::vector(Decimals::new(scale?.into(), out)?, valid))
}
