//! The values of an enum type in order: `enum_first`, `enum_last`, `enum_range`.

use crate::{EvalContext, FunctionDef, func, row_only};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::array::ArrayBuilder;
use quarry_types::{Datum, PhysicalType, oids};

/// The enum is that of the call's arguments; their values may be NULL.
fn values(cx: &EvalContext<'_>) -> Result<(Oid, Vec<Oid>)> {
    let ty = cx.arg_types.first().map_or(oids::UNKNOWN, |t| t.oid);
    let ty = match cx.io.type_ref(ty)?.base {
        Some(base) => base.oid,
        None => ty,
    };
    if ty == oids::ANYENUM || ty == oids::UNKNOWN {
        bail!(FEATURE_NOT_SUPPORTED, "could not determine actual enum type");
    }
    Ok((ty, cx.io.names.enum_values(ty)?))
}

fn empty(cx: &EvalContext<'_>, ty: Oid) -> Error {
    let name = quarry_types::typename::type_name(ty, cx.io.names);
    err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "enum {name} contains no values")
}

fn first(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    let (ty, values) = values(cx)?;
    values.first().map(|v| Datum::U32(v.0)).ok_or_else(|| empty(cx, ty))
}

fn last(cx: &mut EvalContext<'_>, _: &[Datum]) -> Result<Datum> {
    let (ty, values) = values(cx)?;
    values.last().map(|v| Datum::U32(v.0)).ok_or_else(|| empty(cx, ty))
}

fn range(cx: &EvalContext<'_>, from: &Datum, to: &Datum) -> Result<Datum> {
    let (ty, values) = values(cx)?;
    let mut out = ArrayBuilder::new(ty, PhysicalType::U32);
    let mut inside = from.is_null();
    for value in values {
        let value = Datum::U32(value.0);
        inside |= value == *from;
        if inside {
            out.push(&value);
        }
        if value == *to {
            break;
        }
    }
    out.finish_1d()
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3528, "enum_first", [ANYENUM] => ANYENUM, row_only!(first)).stable().lax(),
    func!(3529, "enum_last", [ANYENUM] => ANYENUM, row_only!(last)).stable().lax(),
    func!(3531, "enum_range", [ANYENUM] => ANYARRAY, row_only!(|cx, _| range(cx, &Datum::Null, &Datum::Null))).stable().lax(),
    func!(3530, "enum_range", [ANYENUM, ANYENUM] => ANYARRAY, row_only!(|cx, args| range(cx, &args[0], &args[1]))).stable().lax(),
];
