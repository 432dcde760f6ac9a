//! Calling a declared scalar function.

use super::{CHECK_EVERY, batch_too_large, check_value_size};
use crate::{Body, EvalContext, FunctionDef, Volatility};
use quarry_common::{Error, Result};
use quarry_types::array::ArrayRef;
use quarry_types::{Datum, Rows, SqlType, Vector};

/// Calls `def` for one row's arguments. Deals with strictness; `arg_types` are the call's (not the declaration's) types.
pub fn call_scalar_row(
    def: &FunctionDef,
    cx: &EvalContext<'_>,
    args: &[Datum],
    arg_types: &[SqlType],
    ret: SqlType,
) -> Result<Datum> {
    if def.strict && args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    let mut cx = cx.for_call(arg_types, ret);
    match def.body {
        Body::Scalar(s) => (s.row)(&mut cx, args),
        Body::TypeIo => crate::scalar::type_io::call(def, &mut cx, args),
        _ => Err(not_scalar(def)),
    }
}

/// Calls `def` for the rows of a batch. The result has `rows.len()` rows.
pub fn call_scalar_batch(
    def: &FunctionDef,
    cx: &EvalContext<'_>,
    args: &[&Vector],
    arg_types: &[SqlType],
    rows: Rows<'_>,
    ret: SqlType,
) -> Result<Vector> {
    let mut cx = cx.for_call(arg_types, ret);
    let row = match def.body {
        Body::Scalar(s) => match s.batch {
            Some(batch) => return batch(&mut cx, args, rows, ret),
            None => s.row,
        },
        Body::TypeIo => {
            return batch_by_row(def, &mut cx, args, rows, ret, |cx, a| {
                crate::scalar::type_io::call(def, cx, a)
            });
        }
        _ => return Err(not_scalar(def)),
    };
    batch_by_row(def, &mut cx, args, rows, ret, row)
}

/// Calls a `VARIADIC "any"` function as `f(..., VARIADIC array)`: the array's elements are the last arguments. No array
/// (NULL) means NULL, except to `format`, which then has nothing to insert.
pub fn call_spread_row(
    def: &FunctionDef,
    cx: &EvalContext<'_>,
    args: &[Datum],
    arg_types: &[SqlType],
    ret: SqlType,
) -> Result<Datum> {
    let (Some((array, fixed)), Some((_, fixed_types))) = (args.split_last(), arg_types.split_last()) else {
        return Err(crate::kernel_arity());
    };
    if array.is_null() && def.name != "format" {
        return Ok(Datum::Null);
    }
    let mut args = fixed.to_vec();
    let mut types = fixed_types.to_vec();
    if !array.is_null() {
        let array = ArrayRef::of(array);
        args.extend(array.iter());
        types.resize(args.len(), SqlType::of(array.element_oid()));
    }
    call_scalar_row(def, cx, &args, &types, ret)
}

/// The same for the rows of a batch.
pub fn call_spread_batch(
    def: &FunctionDef,
    cx: &EvalContext<'_>,
    args: &[&Vector],
    arg_types: &[SqlType],
    rows: Rows<'_>,
    ret: SqlType,
) -> Result<Vector> {
    let mut cx = cx.for_call(arg_types, ret);
    batch_by_row(def, &mut cx, args, rows, ret, |cx, a| call_spread_row(def, cx, a, cx.arg_types, ret))
}

fn batch_by_row(
    def: &FunctionDef,
    cx: &mut EvalContext<'_>,
    args: &[&Vector],
    rows: Rows<'_>,
    ret: SqlType,
    row: impl Fn(&mut EvalContext<'_>, &[Datum]) -> Result<Datum>,
) -> Result<Vector> {
    let n = rows.len();
    let physical = cx.io.type_ref(ret.oid)?.physical;
    let null_in = |datums: &[Datum]| def.strict && datums.iter().any(Datum::is_null);
    if def.volatility != Volatility::Volatile && args.iter().all(|a| a.is_constant()) && !rows.is_empty() {
        let datums: Vec<Datum> = args.iter().map(|a| a.datum(0)).collect();
        let value = if null_in(&datums) { Datum::Null } else { row(cx, &datums)? };
        return Ok(Vector::constant(physical, &value, n));
    }
    let mut out = Vector::with_capacity(physical, n);
    let mut datums: Vec<Datum> = vec![Datum::Null; args.len()];
    for (k, i) in rows.iter().enumerate() {
        if k % CHECK_EVERY == CHECK_EVERY - 1 {
            cx.env.check_cancelled()?;
        }
        if out.heap_bytes() > cx.limit {
            return Err(batch_too_large());
        }
        // Positions between selected rows hold zeros.
        if out.len() < i {
            out.resize(i);
        }
        for (d, a) in datums.iter_mut().zip(args) {
            *d = a.datum(i);
        }
        if null_in(&datums) {
            out.push_null();
        } else {
            let value = row(cx, &datums)?;
            if let Datum::Bytes(b) = &value {
                check_value_size(b.len())?;
            }
            out.push_datum(&value);
        }
    }
    out.resize(n);
    Ok(out)
}

#[cold]
fn not_scalar(def: &FunctionDef) -> Error {
    Error::internal(format!("function {} is not a scalar function", def.name))
}
