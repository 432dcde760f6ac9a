//! bytea: hex and escape forms.

use crate::io::ByteaOutput;
use crate::{Datum, IoContext, TypeInfo};
use bytes::Bytes;
use quarry_common::{Error, Result, bail, err};

fn hex_digit(text: &str, at: usize) -> Result<u8> {
    let b = text.as_bytes()[at];
    match (b as char).to_digit(16) {
        Some(d) => Ok(d as u8),
        None => {
            let shown = text[at..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
            Err(err!(INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"{shown}\""))
        }
    }
}

/// Pairs of hexadecimal digits, white space between pairs.
pub fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let mut i = 0;
    while i < bytes.len() {
        if matches!(bytes[i], b' ' | b'\n' | b'\t' | b'\r') {
            i += 1;
            continue;
        }
        let high = hex_digit(text, i)?;
        if i + 1 >= bytes.len() {
            bail!(INVALID_PARAMETER_VALUE, "invalid hexadecimal data: odd number of digits");
        }
        out.push(high << 4 | hex_digit(text, i + 1)?);
        i += 2;
    }
    Ok(out)
}

/// Text with `\\` and `\ooo`.
pub fn parse_escape(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return Ok(out),
            [b'\\', b'\\', tail @ ..] => {
                out.push(b'\\');
                rest = tail;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            [b'\\', ..] => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea"),
            [b, tail @ ..] => {
                out.push(*b);
                rest = tail;
            }
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends lower-case hexadecimal digits.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for b in bytes {
        out.push(HEX[usize::from(b >> 4)]);
        out.push(HEX[usize::from(b & 15)]);
    }
}

/// Appends the escape form.
pub fn write_escape(bytes: &[u8], out: &mut Vec<u8>) {
    for b in bytes {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(*b),
            _ => out.extend_from_slice(&[b'\\', b'0' + (b >> 6), b'0' + (b >> 3 & 7), b'0' + (b & 7)]),
        }
    }
}

pub(crate) fn input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let bytes = match text.strip_prefix("\\x") {
        Some(hex) => parse_hex(hex)?,
        None => parse_escape(text)?,
    };
    Ok(Datum::Bytes(Bytes::from(bytes)))
}
pub(crate) fn output(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    write(v.as_bytes(), cx.bytea_output, out);
    Ok(())
}
/// Appends the text form that the setting asks for.
pub fn write(bytes: &[u8], form: ByteaOutput, out: &mut Vec<u8>) {
    match form {
        ByteaOutput::Hex => {
            out.extend_from_slice(b"\\x");
            write_hex(bytes, out);
        }
        ByteaOutput::Escape => write_escape(bytes, out),
    }
}
pub(crate) fn receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum, Error> {
    Ok(Datum::Bytes(Bytes::copy_from_slice(wire)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_errors() {
        assert_eq!(parse_hex(" 12 34").unwrap(), [0x12, 0x34]);
        assert_eq!(parse_hex("1").unwrap_err().message(), "invalid hexadecimal data: odd number of digits");
        assert_eq!(parse_hex("zz").unwrap_err().message(), "invalid hexadecimal digit: \"z\"");
        assert_eq!(parse_escape(r"a\\b\000c").unwrap(), b"a\\b\0c");
        assert_eq!(parse_escape(r"\12").unwrap_err().message(), "invalid input syntax for type bytea");
        let mut out = Vec::new();
        write_escape(b"a\\\0\xff", &mut out);
        assert_eq!(out, br"a\\\000\377");
    }
}
