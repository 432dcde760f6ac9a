//! Text in other encodings: `convert`, `convert_from`, `convert_to`, `length(bytea, name)`, `to_ascii` (PostgreSQL: `mbutils.c`).
//!
//! The database's encoding is UTF8. The single-byte encodings are converted to and from it by [`tables`]; the multi-byte ones of East
//! Asia are known by name only and answer 0A000.

mod names;
mod tables;

use crate::{EvalContext, FunctionDef, func, scalar};
use names::{Encoding, Kind};
use quarry_common::{Error, Result, bail, err};

/// `0xe6 0x97 0xa5`.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("0x{b:02x}")).collect::<Vec<_>>().join(" ")
}

fn invalid_bytes(encoding: &Encoding, bytes: &[u8]) -> Error {
    let name = encoding.name;
    err!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"{name}\": {}", shown(bytes))
}

fn no_equivalent(bytes: &[u8], from: &Encoding, to: &Encoding) -> Error {
    err!(
        UNTRANSLATABLE_CHARACTER,
        "character with byte sequence {} in encoding \"{}\" has no equivalent in encoding \"{}\"",
        shown(bytes),
        from.name,
        to.name
    )
}

fn unsupported(encoding: &Encoding) -> Error {
    Error::unsupported(format_args!("conversion of encoding {}", encoding.name))
}

/// The bytes PostgreSQL shows of a character that is no UTF-8: as many as its first byte asks for.
fn bad_utf8(bytes: &[u8]) -> &[u8] {
    let wanted = match bytes.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    &bytes[..wanted.min(bytes.len())]
}

fn verify_utf8<'a>(encoding: &Encoding, bytes: &'a [u8]) -> Result<&'a str> {
    let (end, broken) = match std::str::from_utf8(bytes) {
        Ok(_) => (bytes.len(), false),
        Err(e) => (e.valid_up_to(), true),
    };
    if let Some(nul) = memchr::memchr(0, &bytes[..end]) {
        return Err(invalid_bytes(encoding, &bytes[nul..=nul]));
    }
    if broken {
        return Err(invalid_bytes(encoding, bad_utf8(&bytes[end..])));
    }
    std::str::from_utf8(bytes).map_err(|_| invalid_bytes(encoding, bytes))
}

/// Checks bytes in an encoding and counts their characters.
fn verify(encoding: &Encoding, bytes: &[u8]) -> Result<usize> {
    match encoding.kind {
        Kind::Utf8 => Ok(verify_utf8(encoding, bytes)?.chars().count()),
        Kind::Ascii | Kind::Latin1 | Kind::Single(_) => match memchr::memchr(0, bytes) {
            Some(nul) => Err(invalid_bytes(encoding, &bytes[nul..=nul])),
            None => Ok(bytes.len()),
        },
        Kind::Multi if bytes.is_ascii() && !bytes.contains(&0) => Ok(bytes.len()),
        Kind::Multi => Err(unsupported(encoding)),
    }
}

/// What a byte from 0x80 means.
fn decoded(kind: Kind, byte: u8) -> Option<char> {
    match kind {
        Kind::Single(table) => match table[usize::from(byte) - 0x80] {
            0 => None,
            code => char::from_u32(u32::from(code)),
        },
        _ => Some(char::from(byte)),
    }
}

fn encoded(kind: Kind, c: char) -> Option<u8> {
    if c.is_ascii() {
        return Some(c as u8);
    }
    match kind {
        Kind::Single(table) => {
            let code = u16::try_from(u32::from(c)).ok()?;
            table.iter().position(|t| *t == code).map(|i| i as u8 + 0x80)
        }
        _ => u8::try_from(u32::from(c)).ok().filter(|b| *b >= 0x80),
    }
}

fn convert(bytes: &[u8], from: &Encoding, to: &Encoding) -> Result<Vec<u8>> {
    verify(from, bytes)?;
    if bytes.is_empty() || from.name == to.name || matches!(to.kind, Kind::Ascii) {
        return Ok(bytes.to_vec());
    }
    match (from.kind, to.kind) {
        (Kind::Ascii, _) => {
            verify(to, bytes)?;
            Ok(bytes.to_vec())
        }
        (Kind::Utf8, Kind::Latin1 | Kind::Single(_)) => {
            let text = verify_utf8(from, bytes)?;
            let code = |c: char| {
                encoded(to.kind, c)
                    .ok_or_else(|| no_equivalent(c.encode_utf8(&mut [0; 4]).as_bytes(), from, to))
            };
            text.chars().map(code).collect()
        }
        (Kind::Latin1 | Kind::Single(_), Kind::Utf8) => {
            let mut out = String::with_capacity(bytes.len());
            for b in bytes {
                let c = if b.is_ascii() { Some(char::from(*b)) } else { decoded(from.kind, *b) };
                out.push(c.ok_or_else(|| no_equivalent(&[*b], from, to))?);
            }
            Ok(out.into_bytes())
        }
        (Kind::Multi, Kind::Utf8) | (Kind::Utf8, Kind::Multi) => {
            let multi = if matches!(to.kind, Kind::Utf8) { from } else { to };
            if multi.name == "MULE_INTERNAL" {
                return Err(no_conversion(from, to));
            }
            if bytes.is_ascii() { Ok(bytes.to_vec()) } else { Err(unsupported(multi)) }
        }
        _ => Err(no_conversion(from, to)),
    }
}

fn no_conversion(from: &Encoding, to: &Encoding) -> Error {
    err!(
        UNDEFINED_FUNCTION,
        "default conversion function for encoding \"{}\" to \"{}\" does not exist",
        from.name,
        to.name
    )
}

fn find(name: &str, role: &str) -> Result<&'static Encoding> {
    names::find(name).ok_or_else(|| err!(INVALID_PARAMETER_VALUE, "invalid {role} name \"{name}\""))
}

const SOURCE: &str = "source encoding";
const DESTINATION: &str = "destination encoding";

fn to_text(bytes: &[u8], from: &str) -> Result<String> {
    let converted = convert(bytes, find(from, SOURCE)?, &names::UTF8)?;
    Ok(verify_utf8(&names::UTF8, &converted)?.to_owned())
}

/// PostgreSQL has tables to ASCII for four encodings, none of which a UTF8 database has; text in others is refused.
fn to_ascii(encoding: &Encoding) -> Result<String> {
    bail!(FEATURE_NOT_SUPPORTED, "encoding conversion from {} to ASCII not supported", encoding.name)
}

fn to_ascii_named(_: &mut EvalContext<'_>, name: &str) -> Result<String> {
    match names::find(name) {
        Some(encoding) => to_ascii(encoding),
        None => bail!(UNDEFINED_OBJECT, "{name} is not a valid encoding name"),
    }
}

fn to_ascii_coded(code: i32) -> Result<String> {
    match names::by_code(code) {
        Some(encoding) => to_ascii(encoding),
        None => bail!(UNDEFINED_OBJECT, "{code} is not a valid encoding code"),
    }
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1813, "convert", [BYTEA, NAME, NAME] => BYTEA, scalar!(|s: &[u8], from: &str, to: &str| -> Result<Vec<u8>> { convert(s, find(from, SOURCE)?, find(to, DESTINATION)?) })).stable(),
    func!(1714, "convert_from", [BYTEA, NAME] => TEXT, scalar!(|s: &[u8], from: &str| -> Result<String> { to_text(s, from) })).stable(),
    func!(1717, "convert_to", [TEXT, NAME] => BYTEA, scalar!(|s: &str, to: &str| -> Result<Vec<u8>> { convert(s.as_bytes(), &names::UTF8, find(to, DESTINATION)?) })).stable(),
    func!(1713, "length", [BYTEA, NAME] => INT4, scalar!(|s: &[u8], e: &str| -> Result<i32> { Ok(verify(find(e, "encoding")?, s)? as i32) })).stable(),
    func!(1845, "to_ascii", [TEXT] => TEXT, scalar!(|_s: &str| -> Result<String> { to_ascii(&names::UTF8) })),
    func!(1847, "to_ascii", [TEXT, NAME] => TEXT, scalar!(cx, |_s: &str, e: &str| -> Result<String> { to_ascii_named(cx, e) })),
    func!(1846, "to_ascii", [TEXT, INT4] => TEXT, scalar!(|_s: &str, e: i32| -> Result<String> { to_ascii_coded(e) })),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn from(bytes: &[u8], name: &str) -> Result<String> {
        to_text(bytes, name)
    }

    #[test]
    fn single_byte_encodings_both_ways() {
        assert_eq!(from(b"\xe9", "latin1").expect("converts"), "é");
        assert_eq!(from(b"\x80", "WIN1252").expect("converts"), "€");
        assert_eq!(from(b"\xcf\xf0", "windows-1251").expect("converts"), "Пр");
        let to = find("KOI8-R", DESTINATION).expect("known");
        assert_eq!(convert("П".as_bytes(), &names::UTF8, to).expect("converts"), b"\xf0");
        assert_eq!(convert("日".as_bytes(), &names::UTF8, to).unwrap_err().sqlstate().as_str(), "22P05");
    }

    #[test]
    fn invalid_bytes_are_shown() {
        let message = |bytes: &[u8], name| from(bytes, name).unwrap_err().message().to_owned();
        assert_eq!(message(b"\xff", "UTF8"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(message(b"a\xe6\x97", "UTF8"), "invalid byte sequence for encoding \"UTF8\": 0xe6 0x97");
        assert_eq!(message(b"a\0", "LATIN1"), "invalid byte sequence for encoding \"LATIN1\": 0x00");
        assert_eq!(message(b"a", "nix"), "invalid source encoding name \"nix\"");
    }
}
