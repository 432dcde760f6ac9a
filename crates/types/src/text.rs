//! text, varchar, bpchar, name, "char", cstring, unknown: UTF-8 without zero bytes, compared bytewise.
//!
//! bpchar values are stored padded to their length; comparison, hashing and keys ignore trailing blanks.

use crate::wire::check_text;
use crate::{Datum, IoContext, TypeInfo};
use bytes::Bytes;
use quarry_common::{Result, bail, err};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Longest `name`, in bytes (PostgreSQL's NAMEDATALEN less its terminator).
pub const NAME_BYTES_MAX: usize = 63;
/// What a modifier of varchar and bpchar has above the length.
const TYPMOD_HEADER: i32 = 4;
/// Longest length that can be declared.
const LENGTH_MAX: i32 = 10_485_760;

/// The characters that a modifier of varchar or bpchar allows; none: any number.
pub fn typmod_length(typmod: i32) -> Option<usize> {
    (typmod >= TYPMOD_HEADER).then(|| (typmod - TYPMOD_HEADER) as usize)
}

/// The byte at which character number `chars` begins; none if there are no more characters than that.
pub fn char_boundary(text: &str, chars: usize) -> Option<usize> {
    if text.len() <= chars {
        return None;
    }
    text.char_indices().nth(chars).map(|(at, _)| at)
}

/// Applies varchar(n). Explicit casts cut; otherwise only blanks may be lost: 22001.
pub fn limit_varchar(text: &str, typmod: i32, explicit: bool) -> Result<&str> {
    let Some(limit) = typmod_length(typmod) else { return Ok(text) };
    let Some(end) = char_boundary(text, limit) else { return Ok(text) };
    if !explicit && text.as_bytes()[end..].iter().any(|b| *b != b' ') {
        bail!(STRING_DATA_RIGHT_TRUNCATION, "value too long for type character varying({limit})");
    }
    Ok(&text[..end])
}

/// Applies char(n): cuts as [`limit_varchar`] does, or pads with blanks.
pub fn limit_bpchar(text: &str, typmod: i32, explicit: bool) -> Result<Cow<'_, str>> {
    let Some(limit) = typmod_length(typmod) else { return Ok(Cow::Borrowed(text)) };
    if let Some(end) = char_boundary(text, limit) {
        if !explicit && text.as_bytes()[end..].iter().any(|b| *b != b' ') {
            bail!(STRING_DATA_RIGHT_TRUNCATION, "value too long for type character({limit})");
        }
        return Ok(Cow::Borrowed(&text[..end]));
    }
    let missing = limit - text.chars().count();
    if missing == 0 {
        return Ok(Cow::Borrowed(text));
    }
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    Ok(Cow::Owned(padded))
}

/// A bpchar's bytes without trailing blanks: what counts.
pub fn trim_blanks(bytes: &[u8]) -> &[u8] {
    quarry_storage::row::blanks::trimmed(bytes)
}

/// Cuts a name to what the type holds, at a character's boundary.
pub fn limit_name(text: &str) -> &str {
    if text.len() <= NAME_BYTES_MAX {
        return text;
    }
    let mut end = NAME_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn typmod_in(args: &[&str], shown: &str) -> Result<i32> {
    let [arg] = args else {
        bail!(INVALID_PARAMETER_VALUE, "invalid type modifier");
    };
    let length = crate::ints::parse_i32(arg)?;
    if length < 1 {
        bail!(INVALID_PARAMETER_VALUE, "length for type {shown} must be at least 1");
    }
    if length > LENGTH_MAX {
        bail!(INVALID_PARAMETER_VALUE, "length for type {shown} cannot exceed {LENGTH_MAX}");
    }
    Ok(length + TYPMOD_HEADER)
}
pub(crate) fn varchar_typmod_in(args: &[&str]) -> Result<i32> {
    typmod_in(args, "varchar")
}
pub(crate) fn bpchar_typmod_in(args: &[&str]) -> Result<i32> {
    typmod_in(args, "char")
}
pub(crate) fn typmod_out(typmod: i32) -> String {
    typmod_length(typmod).map_or_else(String::new, |n| format!("({n})"))
}

pub(crate) fn input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(text))
}
pub(crate) fn varchar_input(_: &TypeInfo, text: &str, typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(limit_varchar(text, typmod, false)?))
}
pub(crate) fn bpchar_input(_: &TypeInfo, text: &str, typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(&limit_bpchar(text, typmod, false)?))
}
pub(crate) fn name_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(limit_name(text)))
}
/// Text, also of json and others that print as they are stored.
pub(crate) fn output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(v.as_bytes());
    Ok(())
}
pub(crate) fn receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(check_text(wire)?))
}
pub(crate) fn varchar_receive(_: &TypeInfo, wire: &[u8], typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(limit_varchar(check_text(wire)?, typmod, false)?))
}
pub(crate) fn bpchar_receive(_: &TypeInfo, wire: &[u8], typmod: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::text(&limit_bpchar(check_text(wire)?, typmod, false)?))
}
pub(crate) fn name_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let text = check_text(wire)?;
    if text.len() > NAME_BYTES_MAX {
        return Err(err!(NAME_TOO_LONG, "identifier too long")
            .detail(format!("Identifier must be less than {} characters.", NAME_BYTES_MAX + 1)));
    }
    Ok(Datum::text(text))
}
pub(crate) fn compare(a: &Datum, b: &Datum) -> Ordering {
    a.as_bytes().cmp(b.as_bytes())
}
pub(crate) fn hash(v: &Datum) -> u64 {
    crate::hash::hash_bytes(v.as_bytes())
}
pub(crate) fn bpchar_compare(a: &Datum, b: &Datum) -> Ordering {
    trim_blanks(a.as_bytes()).cmp(trim_blanks(b.as_bytes()))
}
pub(crate) fn bpchar_hash(v: &Datum) -> u64 {
    crate::hash::hash_bytes(trim_blanks(v.as_bytes()))
}

/// The byte of a "char"; the empty value is byte 0.
pub fn char_byte(v: &Datum) -> u8 {
    v.as_bytes().first().copied().unwrap_or(0)
}

/// A "char" from its byte.
pub fn char_datum(byte: u8) -> Datum {
    Datum::Bytes(if byte == 0 { Bytes::new() } else { Bytes::copy_from_slice(&[byte]) })
}

/// "char" reads its first byte, or a backslash and three octal digits.
pub(crate) fn char_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let byte = match text.as_bytes() {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
            (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
        }
        bytes => bytes.first().copied().unwrap_or(0),
    };
    Ok(char_datum(byte))
}
/// "char" prints ASCII as it is and other bytes in octal.
pub(crate) fn char_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    match char_byte(v) {
        0 => {}
        b @ 1..=127 => out.push(b),
        b => out.extend_from_slice(format!("\\{b:03o}").as_bytes()),
    }
    Ok(())
}
pub(crate) fn char_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    let mut r = crate::wire::WireReader::new(wire);
    let byte = r.u8()?;
    r.finish()?;
    Ok(char_datum(byte))
}
pub(crate) fn char_send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(char_byte(v));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters() {
        assert_eq!(limit_varchar("äöü", 7, false).unwrap(), "äöü");
        assert_eq!(limit_varchar("äöü  ", 7, false).unwrap(), "äöü");
        assert_eq!(limit_varchar("äöüß", 7, true).unwrap(), "äöü");
        let e = limit_varchar("äöüß", 7, false).unwrap_err();
        assert_eq!(e.message(), "value too long for type character varying(3)");
        assert_eq!(limit_bpchar("ä", 7, false).unwrap(), "ä  ");
        assert_eq!(
            limit_bpchar("abcd", 7, false).unwrap_err().message(),
            "value too long for type character(3)"
        );
        let long = "é".repeat(40);
        assert_eq!(limit_name(&long).len(), 62);
        assert_eq!(trim_blanks(b"  "), b"");
    }
}
