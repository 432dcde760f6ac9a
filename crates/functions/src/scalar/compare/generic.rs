//! Comparison of arrays, records, jsonb and oid vectors, by the order of their type in the registry.

use crate::kernel::Value;
use crate::{EvalContext, FunctionDef, func, scalar};
use quarry_common::{Error, Oid, Result};
use quarry_types::{Datum, oids};
use std::cmp::Ordering;

/// Order of two values of type `oid`.
fn compare(oid: Oid, a: &Datum, b: &Datum) -> Result<Ordering> {
    let info =
        quarry_types::type_info(oid).ok_or_else(|| Error::internal("comparison of an unknown type"))?;
    let compare = info
        .functions
        .compare
        .ok_or_else(|| Error::unsupported(format_args!("comparison of type {}", info.name)))?;
    Ok(compare(a, b))
}

/// Arrays carry their element type, so one comparison serves all of them.
fn arrays(a: &Datum, b: &Datum) -> Result<Ordering> {
    compare(oids::TEXT_ARRAY, a, b)
}
fn records(a: &Datum, b: &Datum) -> Result<Ordering> {
    compare(oids::RECORD, a, b)
}
fn jsonb(a: &Datum, b: &Datum) -> Result<Ordering> {
    compare(oids::JSONB, a, b)
}
fn enums(cx: &EvalContext<'_>, a: &Datum, b: &Datum) -> Result<Ordering> {
    let oid = cx.arg_types.first().map_or(Oid::INVALID, |t| t.oid);
    let info = cx.io.type_ref(oid)?;
    let compare = info.functions.compare.ok_or_else(|| Error::unsupported("comparison of enums"))?;
    Ok(compare(a, b))
}
/// By the stored bytes, whatever the types' own notion of equality.
fn images(a: &Datum, b: &Datum) -> Ordering {
    a.as_bytes().cmp(b.as_bytes())
}

macro_rules! ordered {
    ($compare:ident, $test:ident) => {
        scalar!(|a: Value, b: Value| -> Result<bool> { Ok($compare(&a.0, &b.0)?.$test()) })
    };
}
macro_rules! enum_ordered {
    ($test:ident) => {
        scalar!(cx, |a: Value, b: Value| -> Result<bool> { Ok(enums(cx, &a.0, &b.0)?.$test()) })
    };
}
macro_rules! three_way {
    ($compare:ident) => {
        scalar!(|a: Value, b: Value| -> Result<i32> { Ok($compare(&a.0, &b.0)? as i32) })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(744, "array_eq", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_eq)),
    func!(2981, "record_eq", [RECORD, RECORD] => BOOL, ordered!(records, is_eq)),
    func!(4043, "jsonb_eq", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_eq)),
    func!(679, "oidvectoreq", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_eq)).total(),
    func!(3508, "enum_eq", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_eq)),
    func!(3181, "record_image_eq", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_eq() })),
    func!(390, "array_ne", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_ne)),
    func!(2982, "record_ne", [RECORD, RECORD] => BOOL, ordered!(records, is_ne)),
    func!(4038, "jsonb_ne", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_ne)),
    func!(619, "oidvectorne", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_ne)).total(),
    func!(3509, "enum_ne", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_ne)),
    func!(3182, "record_image_ne", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_ne() })),
    func!(391, "array_lt", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_lt)),
    func!(2983, "record_lt", [RECORD, RECORD] => BOOL, ordered!(records, is_lt)),
    func!(4039, "jsonb_lt", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_lt)),
    func!(677, "oidvectorlt", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_lt)).total(),
    func!(3510, "enum_lt", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_lt)),
    func!(3183, "record_image_lt", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_lt() })),
    func!(392, "array_gt", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_gt)),
    func!(2984, "record_gt", [RECORD, RECORD] => BOOL, ordered!(records, is_gt)),
    func!(4040, "jsonb_gt", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_gt)),
    func!(681, "oidvectorgt", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_gt)).total(),
    func!(3511, "enum_gt", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_gt)),
    func!(3184, "record_image_gt", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_gt() })),
    func!(393, "array_le", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_le)),
    func!(2985, "record_le", [RECORD, RECORD] => BOOL, ordered!(records, is_le)),
    func!(4041, "jsonb_le", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_le)),
    func!(678, "oidvectorle", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_le)).total(),
    func!(3512, "enum_le", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_le)),
    func!(3185, "record_image_le", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_le() })),
    func!(396, "array_ge", [ANYARRAY, ANYARRAY] => BOOL, ordered!(arrays, is_ge)),
    func!(2986, "record_ge", [RECORD, RECORD] => BOOL, ordered!(records, is_ge)),
    func!(4042, "jsonb_ge", [JSONB, JSONB] => BOOL, ordered!(jsonb, is_ge)),
    func!(680, "oidvectorge", [OIDVECTOR, OIDVECTOR] => BOOL, ordered!(arrays, is_ge)).total(),
    func!(3513, "enum_ge", [ANYENUM, ANYENUM] => BOOL, enum_ordered!(is_ge)),
    func!(3186, "record_image_ge", [RECORD, RECORD] => BOOL, scalar!(|a: Value, b: Value| -> bool { images(&a.0, &b.0).is_ge() })),
    func!(382, "btarraycmp", [ANYARRAY, ANYARRAY] => INT4, three_way!(arrays)),
    func!(2987, "btrecordcmp", [RECORD, RECORD] => INT4, three_way!(records)),
    func!(4044, "jsonb_cmp", [JSONB, JSONB] => INT4, three_way!(jsonb)),
    func!(404, "btoidvectorcmp", [OIDVECTOR, OIDVECTOR] => INT4, three_way!(arrays)).total(),
    func!(3514, "enum_cmp", [ANYENUM, ANYENUM] => INT4, scalar!(cx, |a: Value, b: Value| -> Result<i32> { Ok(enums(cx, &a.0, &b.0)? as i32) })),
    func!(3187, "btrecordimagecmp", [RECORD, RECORD] => INT4, scalar!(|a: Value, b: Value| -> i32 { images(&a.0, &b.0) as i32 })),
    func!(515, "array_larger", [ANYARRAY, ANYARRAY] => ANYARRAY, scalar!(|a: Value, b: Value| -> Result<bytes::Bytes> { pick(a, b, Ordering::Greater) })),
    func!(516, "array_smaller", [ANYARRAY, ANYARRAY] => ANYARRAY, scalar!(|a: Value, b: Value| -> Result<bytes::Bytes> { pick(a, b, Ordering::Less) })),
];

fn pick(a: Value, b: Value, wanted: Ordering) -> Result<bytes::Bytes> {
    let first = arrays(&a.0, &b.0)? == wanted;
    match if first { a.0 } else { b.0 } {
        Datum::Bytes(v) => Ok(v),
        other => Err(Error::internal(format!("{other:?} is no array"))),
    }
}
