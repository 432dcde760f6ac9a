//! Casts between numbers, and of booleans and oids.

use crate::kernel::decimals;
use crate::scalar::arithmetic::errors::{
    float_overflow, float_underflow, int2_out_of_range, int4_out_of_range, int8_out_of_range,
    oid_out_of_range,
};
use crate::{FunctionDef, fast, func, scalar, wide};
use quarry_common::Result;
use quarry_types::numeric::{Numeric, NumericRef};

/// Rounds half to even; the bound is one past the largest value, exact in f64.
macro_rules! from_float {
    ($f:ty, $t:ty, $bound:expr, $error:path) => {
        wide!(|a: $f| -> Result<$t> {
            let v = f64::from(a).round_ties_even();
            if (-$bound..$bound).contains(&v) { Ok(v as $t) } else { Err($error()) }
        })
    };
}
const BOUND_INT2: f64 = 32_768.0;
const BOUND_INT4: f64 = 2_147_483_648.0;
const BOUND_INT8: f64 = 9_223_372_036_854_775_808.0;

fn narrow_float(a: f64) -> Result<f32> {
    let v = a as f32;
    if v.is_infinite() && !a.is_infinite() {
        return Err(float_overflow());
    }
    if v == 0.0 && a != 0.0 {
        return Err(float_underflow());
    }
    Ok(v)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(314, "int2", [INT4] => INT2, wide!(|a: i32| -> Result<i16> { i16::try_from(a).map_err(|_| int2_out_of_range()) })),
    func!(714, "int2", [INT8] => INT2, wide!(|a: i64| -> Result<i16> { i16::try_from(a).map_err(|_| int2_out_of_range()) })),
    func!(238, "int2", [FLOAT4] => INT2, from_float!(f32, i16, BOUND_INT2, int2_out_of_range)),
    func!(237, "int2", [FLOAT8] => INT2, from_float!(f64, i16, BOUND_INT2, int2_out_of_range)),
    func!(1783, "int2", [NUMERIC] => INT2, scalar!(|a: NumericRef<'_>| -> Result<i16> { a.to_i16() })),
    func!(313, "int4", [INT2] => INT4, wide!(|a: i16| -> i32 { a.into() })),
    func!(480, "int4", [INT8] => INT4, wide!(|a: i64| -> Result<i32> { i32::try_from(a).map_err(|_| int4_out_of_range()) })),
    func!(319, "int4", [FLOAT4] => INT4, from_float!(f32, i32, BOUND_INT4, int4_out_of_range)),
    func!(317, "int4", [FLOAT8] => INT4, from_float!(f64, i32, BOUND_INT4, int4_out_of_range)),
    func!(1744, "int4", [NUMERIC] => INT4, scalar!(|a: NumericRef<'_>| -> Result<i32> { a.to_i32() })),
    func!(2558, "int4", [BOOL] => INT4, wide!(|a: bool| -> i32 { a.into() })),
    func!(2557, "bool", [INT4] => BOOL, wide!(|a: i32| -> bool { a != 0 })),
    func!(754, "int8", [INT2] => INT8, wide!(|a: i16| -> i64 { a.into() })),
    func!(481, "int8", [INT4] => INT8, wide!(|a: i32| -> i64 { a.into() })),
    func!(1288, "int8", [OID] => INT8, wide!(|a: u32| -> i64 { a.into() })),
    func!(653, "int8", [FLOAT4] => INT8, from_float!(f32, i64, BOUND_INT8, int8_out_of_range)),
    func!(483, "int8", [FLOAT8] => INT8, from_float!(f64, i64, BOUND_INT8, int8_out_of_range)),
    func!(1779, "int8", [NUMERIC] => INT8, scalar!(|a: NumericRef<'_>| -> Result<i64> { a.to_i64() })),
    func!(1287, "oid", [INT8] => OID, wide!(|a: i64| -> Result<u32> { u32::try_from(a).map_err(|_| oid_out_of_range()) })),
    func!(236, "float4", [INT2] => FLOAT4, wide!(|a: i16| -> f32 { a.into() })),
    func!(318, "float4", [INT4] => FLOAT4, wide!(|a: i32| -> f32 { a as f32 })),
    func!(652, "float4", [INT8] => FLOAT4, wide!(|a: i64| -> f32 { a as f32 })),
    func!(312, "float4", [FLOAT8] => FLOAT4, wide!(|a: f64| -> Result<f32> { narrow_float(a) })),
    func!(1745, "float4", [NUMERIC] => FLOAT4, scalar!(|a: NumericRef<'_>| -> Result<f32> { a.to_f32() })),
    func!(235, "float8", [INT2] => FLOAT8, wide!(|a: i16| -> f64 { a.into() })),
    func!(316, "float8", [INT4] => FLOAT8, wide!(|a: i32| -> f64 { a.into() })),
    func!(482, "float8", [INT8] => FLOAT8, wide!(|a: i64| -> f64 { a as f64 })),
    func!(311, "float8", [FLOAT4] => FLOAT8, wide!(|a: f32| -> f64 { a.into() })),
    func!(1746, "float8", [NUMERIC] => FLOAT8, scalar!(|a: NumericRef<'_>| -> Result<f64> { a.to_f64() })),
    func!(1782, "numeric", [INT2] => NUMERIC, fast!(scalar!(|a: i16| -> Numeric { Numeric::from_i64(a.into()) }), |args, rows| decimals::of_integers(args, rows))),
    func!(1740, "numeric", [INT4] => NUMERIC, fast!(scalar!(|a: i32| -> Numeric { Numeric::from_i64(a.into()) }), |args, rows| decimals::of_integers(args, rows))),
    func!(1781, "numeric", [INT8] => NUMERIC, fast!(scalar!(|a: i64| -> Numeric { Numeric::from_i64(a) }), |args, rows| decimals::of_integers(args, rows))),
    func!(1742, "numeric", [FLOAT4] => NUMERIC, scalar!(|a: f32| -> Result<Numeric> { Numeric::from_f32(a) })).total(),
    func!(1743, "numeric", [FLOAT8] => NUMERIC, scalar!(|a: f64| -> Result<Numeric> { Numeric::from_f64(a) })).total(),
    func!(1703, "numeric", [NUMERIC, INT4] => NUMERIC, scalar!(|a: NumericRef<'_>, typmod: i32| -> Result<Numeric> { a.apply_typmod(typmod) })),
    func!(5071, "xid", [XID8] => XID, wide!(|a: i64| -> u32 { a as u32 })),
];
