//! Expressions that may fail, for rows that perhaps nobody asks for: an error is a value.

use super::{Input, Node};
use crate::context::Cx;
use quarry_common::Result;
use quarry_functions::internal;
use quarry_types::{PhysicalType, Rows, Vector};

/// The value for each row, NULL where there is an error; or (`error`) the error, NULL where there is a value.
pub(super) fn batch(
    arg: &Node,
    error: bool,
    physical: PhysicalType,
    cx: &mut Cx<'_>,
    i: Input<'_>,
) -> Result<Vector> {
    let n = i.rows.len();
    if i.rows.is_empty() {
        return Ok(Vector::zeroed(physical, n));
    }
    match arg.eval(cx, i) {
        Ok(_) if error => {
            let mut out = Vector::zeroed(physical, n);
            i.rows.iter().for_each(|r| out.set_null(r));
            return Ok(out);
        }
        Ok(values) => return Ok((*values).clone()),
        Err(e) => drop(internal::kept(e)?),
    }
    // Some row fails: which, each must be asked.
    let mut out = Vector::with_capacity(physical, n);
    for r in i.rows.iter() {
        out.resize(r);
        let one = Input { rows: Rows::Selected { positions: &[r as u32], len: n }, ..i };
        match (arg.eval(cx, one), error) {
            (Ok(v), false) => out.push_datum(&v.datum(r)),
            (Ok(_), true) => out.push_datum(&quarry_types::Datum::Null),
            (Err(e), _) => {
                let kept = internal::kept(e)?;
                out.push_datum(if error { &kept } else { &quarry_types::Datum::Null });
            }
        }
    }
    out.resize(n);
    Ok(out)
}
