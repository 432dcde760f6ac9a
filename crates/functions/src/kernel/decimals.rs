//! Kernels over numeric columns in their fast form (`quarry_types::numeric::decimals`); none where the columns have no such form or the
//! results don't fit: then the general kernel computes all rows.

use super::{Validity, combined_validity};
use quarry_types::numeric::decimals::{self, Decimals, Operand, Test};
use quarry_types::{BytesColumn, Rows, Vector, VectorData};

/// Reading a column pays if at least this share of its rows is wanted.
const WORTH_ONE_IN: usize = 4;

/// A column of numerics in its fast form; none for a constant.
pub fn column<'a>(v: &'a Vector, rows: Rows<'_>) -> Option<&'a Decimals> {
    let VectorData::Bytes(column) = v.data() else { return None };
    if v.is_constant() {
        return None;
    }
    if rows.count() * WORTH_ONE_IN < rows.len() { column.known_decimals() } else { column.decimals() }
}

fn operand<'a>(v: &'a Vector, rows: Rows<'_>) -> Option<Operand<'a>> {
    match v.data() {
        VectorData::Bytes(constant) if v.is_constant() => constant.decimals().map(Operand::Constant),
        _ => column(v, rows).map(Operand::Column),
    }
}

fn operands<'a>(args: &[&'a Vector], rows: Rows<'_>) -> Option<(Operand<'a>, Operand<'a>, Validity)> {
    let &[a, b] = args else { return None };
    if rows.is_empty() {
        return None;
    }
    let (valid, none) = combined_validity([a, b].into_iter(), rows.len());
    if none {
        return None;
    }
    Some((operand(a, rows)?, operand(b, rows)?, valid))
}

/// A vector of numerics given as whole numbers.
pub fn vector(values: Decimals, valid: Validity) -> Vector {
    Vector::from_parts(VectorData::Bytes(BytesColumn::from_decimals(values)), valid)
}

/// An operator's results.
pub fn binary(
    args: &[&Vector],
    rows: Rows<'_>,
    f: fn(Operand<'_>, Operand<'_>) -> Option<Decimals>,
) -> Option<Vector> {
    let (a, b, valid) = operands(args, rows)?;
    Some(vector(f(a, b)?, valid))
}

/// The negated values.
pub fn neg(args: &[&Vector], rows: Rows<'_>) -> Option<Vector> {
    let &[a] = args else { return None };
    match operand(a, rows)? {
        Operand::Column(values) => Some(vector(values.neg()?, a.validity().map(<[bool]>::to_vec))),
        Operand::Constant(_) => None,
    }
}

/// A comparison's results.
pub fn compare(args: &[&Vector], rows: Rows<'_>, test: Test) -> Option<Vector> {
    let (a, b, valid) = operands(args, rows)?;
    Some(Vector::from_parts(VectorData::Bool(decimals::compare(a, b, test)?), valid))
}

/// Whole numbers as numerics.
pub fn of_integers(args: &[&Vector], rows: Rows<'_>) -> Option<Vector> {
    let &[a] = args else { return None };
    if a.is_constant() || rows.is_empty() {
        return None;
    }
    let values = match a.data() {
        VectorData::I16(v) => v.iter().map(|v| i64::from(*v)).collect(),
        VectorData::I32(v) => v.iter().map(|v| i64::from(*v)).collect(),
        VectorData::I64(v) => v.clone(),
        _ => return None,
    };
    Some(vector(Decimals::new(0, values)?, a.validity().map(<[bool]>::to_vec)))
}

/// A kernel with a fast form for batches: `fast!(GENERAL, |args, rows| ...)`, or `|cx, args, rows|`, where the closure may answer none.
#[macro_export]
macro_rules! fast {
    ($general:expr, |$args:ident, $rows:ident| $fast:expr) => {
        $crate::fast!($general, |_cx, $args, $rows| $fast)
    };
    ($general:expr, |$cx:ident, $args:ident, $rows:ident| $fast:expr) => {{
        const GENERAL: $crate::ScalarImpl = $general;
        fn batch(
            $cx: &mut $crate::EvalContext<'_>,
            $args: &[&::quarry_types::Vector],
            $rows: ::quarry_types::Rows<'_>,
            ret: ::quarry_types::SqlType,
        ) -> ::quarry_common::Result<::quarry_types::Vector> {
            if let Some(v) = $fast {
                return Ok(v);
            }
            match GENERAL.batch {
                Some(general) => general($cx, $args, $rows, ret),
                None => Err($crate::kernel_arity()),
            }
        }
        $crate::ScalarImpl { batch: Some(batch), ..GENERAL }
    }};
}
