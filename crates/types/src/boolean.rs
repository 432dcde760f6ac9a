//! bool.

use crate::ints::{invalid_syntax, trim};
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::Result;
use std::cmp::Ordering;

/// Reads a boolean: any unambiguous beginning of true, false, yes, no, on, off; 1 or 0.
pub fn parse_bool(text: &str) -> Option<bool> {
    let word = trim(text).to_ascii_lowercase();
    match word.as_bytes() {
        [] | b"o" => None,
        w if b"true".starts_with(w) || b"yes".starts_with(w) || w == b"on" || w == b"1" => Some(true),
        w if b"false".starts_with(w) || b"no".starts_with(w) || b"off".starts_with(w) || w == b"0" => {
            Some(false)
        }
        _ => None,
    }
}

pub(crate) fn input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_bool(text).map(Datum::Bool).ok_or_else(|| invalid_syntax("boolean", text))
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(if v.as_bool() { b't' } else { b'f' });
    Ok(())
}
pub(crate) fn receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.u8()? != 0;
    r.finish()?;
    Ok(Datum::Bool(v))
}
pub(crate) fn send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(u8::from(v.as_bool()));
    Ok(())
}
pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    a.as_bool().cmp(&b.as_bool())
}
pub(crate) fn hash(v: &Datum) -> u64 {
    crate::hash::hash_i64(i64::from(v.as_bool()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_words() {
        for yes in ["t", "TRU", "true", "y", "yes", "on", "1", " On "] {
            assert_eq!(parse_bool(yes), Some(true), "{yes}");
        }
        for no in ["f", "fals", "n", "no", "of", "off", "0"] {
            assert_eq!(parse_bool(no), Some(false), "{no}");
        }
        for bad in ["", "o", "truee", "2", "10", "oof"] {
            assert_eq!(parse_bool(bad), None, "{bad}");
        }
    }
}
