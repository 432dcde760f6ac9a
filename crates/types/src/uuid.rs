//! uuid: sixteen bytes, compared bytewise.

use crate::ints::invalid_syntax;
use crate::wire::WireReader;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::Result;
use std::cmp::Ordering;

/// Thirty-two hexadecimal digits, a hyphen allowed after each four, braces around.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let body = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let bytes = body.as_bytes();
    let mut out = [0u8; 16];
    let mut at = 0;
    for (i, byte) in out.iter_mut().enumerate() {
        let pair = bytes.get(at..at + 2)?;
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
        at += 2;
        if i % 2 == 1 && i < 15 && bytes.get(at) == Some(&b'-') {
            at += 1;
        }
    }
    (at == bytes.len()).then_some(out)
}

/// Appends the form 8-4-4-4-12.
pub fn write_uuid(v: &[u8; 16], out: &mut Vec<u8>) {
    for (i, group) in [&v[..4], &v[4..6], &v[6..8], &v[8..10], &v[10..]].into_iter().enumerate() {
        if i > 0 {
            out.push(b'-');
        }
        crate::bytea::write_hex(group, out);
    }
}

pub(crate) fn input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    parse_uuid(text).map(Datum::B16).ok_or_else(|| invalid_syntax("uuid", text))
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write_uuid(v.as_b16(), out);
    Ok(())
}
pub(crate) fn receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = WireReader::new(wire);
    let v = r.b16()?;
    r.finish()?;
    Ok(Datum::B16(v))
}
pub(crate) fn send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(v.as_b16());
    Ok(())
}
pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    a.as_b16().cmp(b.as_b16())
}
pub(crate) fn hash(v: &Datum) -> u64 {
    crate::hash::hash_bytes(v.as_b16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_where_postgresql_takes_them() {
        let plain = parse_uuid("a0eebc999c0b4ef8bb6d6bb9bd380a11").unwrap();
        assert_eq!(parse_uuid("a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11"), Some(plain));
        assert_eq!(parse_uuid("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"), Some(plain));
        for bad in ["a0-eebc999c0b4ef8bb6d6bb9bd380a11", "", "{", "a0eebc999c0b4ef8bb6d6bb9bd380a1", "é"] {
            assert_eq!(parse_uuid(bad), None, "{bad}");
        }
        let mut out = Vec::new();
        write_uuid(&plain, &mut out);
        assert_eq!(out, b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    }
}
