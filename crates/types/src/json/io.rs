//! Text and binary input and output of json and jsonb as [`Datum`]s.

use super::jsonb::{self, Value};
use super::lexer;
use crate::Datum;
use bytes::Bytes;
use quarry_common::{Result, bail};

/// The version that starts jsonb's binary wire form.
const JSONB_WIRE_VERSION: u8 = 1;

fn utf8(bytes: &[u8]) -> Result<&str> {
    crate::wire::check_text(bytes)
}

/// json keeps its text.
pub fn json_in(text: &str) -> Result<Datum> {
    lexer::check(text)?;
    Ok(Datum::text(text))
}
pub fn json_out(value: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(value.as_bytes());
}
pub fn json_recv(bytes: &[u8]) -> Result<Datum> {
    json_in(utf8(bytes)?)
}
pub fn json_send(value: &Datum, out: &mut Vec<u8>) {
    json_out(value, out);
}

pub fn jsonb_in(text: &str) -> Result<Datum> {
    Ok(Datum::Bytes(Bytes::from(jsonb::parse::parse(text)?)))
}
pub fn jsonb_out(value: &Datum, out: &mut Vec<u8>) {
    Value::root(value.as_bytes()).write(out);
}
pub fn jsonb_recv(bytes: &[u8]) -> Result<Datum> {
    match bytes.split_first() {
        Some((&JSONB_WIRE_VERSION, text)) => jsonb_in(utf8(text)?),
        Some((version, _)) => bail!(INTERNAL_ERROR, "unsupported jsonb version number {version}"),
        None => bail!(PROTOCOL_VIOLATION, "no data left in message"),
    }
}
pub fn jsonb_send(value: &Datum, out: &mut Vec<u8>) {
    out.push(JSONB_WIRE_VERSION);
    jsonb_out(value, out);
}
