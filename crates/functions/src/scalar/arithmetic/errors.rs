//! The errors of arithmetic.

use quarry_common::{Error, err};

#[cold]
pub fn int2_out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "smallint out of range")
}
#[cold]
pub fn int4_out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")
}
#[cold]
pub fn int8_out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range")
}
#[cold]
pub fn oid_out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range")
}
#[cold]
pub fn float_overflow() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}
#[cold]
pub fn float_underflow() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}
#[cold]
pub fn division_by_zero() -> Error {
    err!(DIVISION_BY_ZERO, "division by zero")
}
#[cold]
pub fn input_out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}
