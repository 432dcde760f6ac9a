//! Pseudo-types: void, and those that only stand in signatures.

use crate::{Datum, IoContext, TypeInfo};
use bytes::Bytes;
use quarry_common::{Error, Result, err};

/// The one value of void.
pub fn void() -> Datum {
    Datum::Bytes(Bytes::new())
}
pub(crate) fn void_input(_: &TypeInfo, _: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(void())
}
pub(crate) fn void_output(_: &TypeInfo, _: &Datum, _: &IoContext<'_>, _: &mut Vec<u8>) -> Result<()> {
    Ok(())
}
pub(crate) fn void_receive(_: &TypeInfo, _: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(void())
}

fn cannot(verb: &str, t: &TypeInfo) -> Error {
    err!(FEATURE_NOT_SUPPORTED, "cannot {verb} a value of type {}", t.name)
}
pub(crate) fn no_input(t: &TypeInfo, _: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Err(cannot("accept", t))
}
pub(crate) fn no_output(t: &TypeInfo, _: &Datum, _: &IoContext<'_>, _: &mut Vec<u8>) -> Result<()> {
    Err(cannot("display", t))
}
pub(crate) fn no_receive(t: &TypeInfo, _: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Err(cannot("accept", t))
}
