//! Functions on values as such: their size, their types' names; and the transition functions of the boolean aggregates.

use crate::{EvalContext, FunctionDef, func, row_only, scalar};
use quarry_common::{Oid, Result};
use quarry_types::array::ArrayRef;
use quarry_types::numeric::Numeric;
use quarry_types::{Datum, oids};

/// Longest varying value that has a header of one byte in a row.
const SHORT_MAX: usize = 126;

/// `pg_column_size`: the bytes a value would take in a row of PostgreSQL's, uncompressed.
fn column_size(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let oid = cx.arg_types.first().map_or(oids::UNKNOWN, |t| t.oid);
    let info = cx.io.type_ref(oid)?;
    if info.typlen > 0 {
        return Ok(Datum::I32(i32::from(info.typlen)));
    }
    let bytes = match &args[0] {
        value if oid == oids::NUMERIC => 2 + 2 * Numeric::of(value).digit_count(),
        Datum::Bytes(b) => b.len(),
        _ => 0,
    };
    let header = if bytes <= SHORT_MAX { 1 } else { 4 };
    Ok(Datum::I32(i32::try_from(bytes + header).unwrap_or(i32::MAX)))
}

fn type_names(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let names: Vec<String> = ArrayRef::of(&args[0])
        .iter()
        .map(|oid| quarry_types::typename::type_name(Oid(oid.as_u32()), cx.io.names))
        .collect();
    Ok(Datum::text(&names.join(", ")))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1269, "pg_column_size", [ANY] => INT4, row_only!(column_size)).stable(),
    func!(1349, "oidvectortypes", [OIDVECTOR] => TEXT, row_only!(type_names)).stable(),
    func!(710, "getpgusername", [] => NAME, row_only!(|cx, _| Ok(Datum::text(&cx.env.current_user().1))))
        .stable(),
    func!(2515, "booland_statefunc", [BOOL, BOOL] => BOOL, scalar!(|a: bool, b: bool| -> bool { a && b })),
    func!(2516, "boolor_statefunc", [BOOL, BOOL] => BOOL, scalar!(|a: bool, b: bool| -> bool { a || b })),
];
