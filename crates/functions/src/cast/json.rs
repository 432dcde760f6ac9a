//! Casts from jsonb to booleans and numbers.

use crate::scalar::arithmetic::errors::{float_overflow, float_underflow};
use crate::{FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::json::jsonb::{cast_bool, cast_number};
use quarry_types::numeric::Numeric;

fn float4(v: &[u8]) -> Result<f32> {
    let wide = cast_number(v, "real")?.view().to_f64()?;
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(float_overflow());
    }
    if narrow == 0.0 && wide != 0.0 {
        return Err(float_underflow());
    }
    Ok(narrow)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3556, "bool", [JSONB] => BOOL, scalar!(|v: &[u8]| -> Result<bool> { cast_bool(v) })),
    func!(3450, "int2", [JSONB] => INT2, scalar!(|v: &[u8]| -> Result<i16> { cast_number(v, "smallint")?.to_i16() })),
    func!(3451, "int4", [JSONB] => INT4, scalar!(|v: &[u8]| -> Result<i32> { cast_number(v, "integer")?.to_i32() })),
    func!(3452, "int8", [JSONB] => INT8, scalar!(|v: &[u8]| -> Result<i64> { cast_number(v, "bigint")?.to_i64() })),
    func!(3453, "float4", [JSONB] => FLOAT4, scalar!(|v: &[u8]| -> Result<f32> { float4(v) })),
    func!(2580, "float8", [JSONB] => FLOAT8, scalar!(|v: &[u8]| -> Result<f64> { cast_number(v, "double precision")?.to_f64() })),
    func!(3449, "numeric", [JSONB] => NUMERIC, scalar!(|v: &[u8]| -> Result<Numeric> { cast_number(v, "numeric") })),
];
