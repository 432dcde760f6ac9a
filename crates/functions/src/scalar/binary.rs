//! Bytes: parts of bytea, text encodings, random UUIDs.

use super::string_parts::span;
use crate::kernel::check_value_size;
use crate::kernel::limits::ALLOC_MAX;
use crate::{FunctionDef, func, row_only, scalar};
use quarry_common::{Error, Result, bail, err};
use quarry_types::Datum;
use quarry_types::bytea;
use uuid::Uuid;

fn substring(s: &[u8], from: i32, n: Option<i32>) -> Result<&[u8]> {
    let (start, end) = span(from, n)?;
    Ok(&s[start.min(s.len())..end.min(s.len())])
}

fn overlay(s: &[u8], new: &[u8], at: i32, n: i32) -> Result<Vec<u8>> {
    if at <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    let Some(rest) = at.checked_add(n) else {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    };
    let (before, after) = (substring(s, 1, Some(at - 1))?, substring(s, rest, None)?);
    check_value_size(before.len() + new.len())?;
    check_value_size(before.len() + new.len() + after.len())?;
    Ok([before, new, after].concat())
}

fn index(s: &[u8], n: i32) -> Result<usize> {
    usize::try_from(n).ok().filter(|i| *i < s.len()).ok_or_else(|| {
        let last = s.len() as i64 - 1;
        err!(ARRAY_SUBSCRIPT_ERROR, "index {n} out of valid range, 0..{last}")
    })
}

fn set_byte(s: &[u8], n: i32, value: i32) -> Result<Vec<u8>> {
    let i = index(s, n)?;
    let mut out = s.to_vec();
    out[i] = value as u8;
    Ok(out)
}

fn trimmed<'a>(s: &'a [u8], set: &[u8], front: bool, back: bool) -> &'a [u8] {
    let (mut from, mut to) = (0, s.len());
    while front && from < to && set.contains(&s[from]) {
        from += 1;
    }
    while back && from < to && set.contains(&s[to - 1]) {
        to -= 1;
    }
    &s[from..to]
}

fn unknown_encoding(name: &str) -> Error {
    err!(INVALID_PARAMETER_VALUE, "unrecognized encoding: \"{name}\"")
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 in lines of 76 characters.
fn base64(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len() * 4 / 3 + 8);
    let mut line = 0;
    for group in data.chunks(3) {
        if line >= 76 {
            out.push('\n');
            line = 0;
        }
        let bits = group.iter().fold(0u32, |v, b| v << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            out.push(if i > group.len() {
                '='
            } else {
                BASE64[(bits >> (18 - 6 * i) & 63) as usize] as char
            });
        }
        line += 4;
    }
    // A line that is full ends, also where nothing follows.
    if line >= 76 {
        out.push('\n');
    }
    out
}

fn base64_bytes(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count, mut padding) = (0u32, 0, 0);
    for c in text.chars() {
        let value = match c {
            ' ' | '\t' | '\n' | '\r' => continue,
            '=' => {
                if padding == 0 {
                    match count {
                        2 => padding = 1,
                        3 => padding = 2,
                        _ => {
                            bail!(INVALID_PARAMETER_VALUE, "unexpected \"=\" while decoding base64 sequence")
                        }
                    }
                }
                0
            }
            c => match u8::try_from(c).ok().and_then(|b| BASE64.iter().position(|x| *x == b)) {
                Some(v) => v as u32,
                None => bail!(
                    INVALID_PARAMETER_VALUE,
                    "invalid symbol \"{c}\" found while decoding base64 sequence"
                ),
            },
        };
        bits = bits << 6 | value;
        count += 1;
        if count == 4 {
            let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            let kept = if padding == 0 { 3 } else { padding };
            out.extend_from_slice(&bytes[..kept]);
            (bits, count) = (0, 0);
        }
    }
    if count != 0 {
        return Err(err!(INVALID_PARAMETER_VALUE, "invalid base64 end sequence")
            .hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}

fn encode(data: &[u8], form: &str) -> Result<String> {
    let mut out = Vec::new();
    let form_name = form.to_ascii_lowercase();
    let size = match form_name.as_str() {
        "hex" => data.len() * 2,
        "base64" => data.len().div_ceil(3) * 4 + data.len() / 57,
        _ => data.len(),
    };
    if size > ALLOC_MAX - 4 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "result of encoding conversion is too large");
    }
    match form_name.as_str() {
        "hex" => return Ok(data.iter().map(|b| format!("{b:02x}")).collect()),
        "base64" => return Ok(base64(data)),
        // Like the escape form of output, which has backslashes doubled too.
        "escape" => bytea::write_escape(data, &mut out),
        _ => return Err(unknown_encoding(form)),
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn decode(text: &str, form: &str) -> Result<Vec<u8>> {
    match form.to_ascii_lowercase().as_str() {
        "hex" => bytea::parse_hex(text),
        "base64" => base64_bytes(text),
        "escape" => bytea::parse_escape(text),
        _ => Err(unknown_encoding(form)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn md5(data: &[u8]) -> String {
    use md5::Digest;
    hex(&md5::Md5::digest(data))
}

fn sha<D: sha2::Digest>(data: &[u8]) -> Vec<u8> {
    D::digest(data).to_vec()
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(2311, "md5", [TEXT] => TEXT, scalar!(|s: &[u8]| -> String { md5(s) })),
    func!(2321, "md5", [BYTEA] => TEXT, scalar!(|s: &[u8]| -> String { md5(s) })),
    func!(3419, "sha224", [BYTEA] => BYTEA, scalar!(|s: &[u8]| -> Vec<u8> { sha::<sha2::Sha224>(s) })),
    func!(3420, "sha256", [BYTEA] => BYTEA, scalar!(|s: &[u8]| -> Vec<u8> { sha::<sha2::Sha256>(s) })),
    func!(3421, "sha384", [BYTEA] => BYTEA, scalar!(|s: &[u8]| -> Vec<u8> { sha::<sha2::Sha384>(s) })),
    func!(3422, "sha512", [BYTEA] => BYTEA, scalar!(|s: &[u8]| -> Vec<u8> { sha::<sha2::Sha512>(s) })),
    func!(1946, "encode", [BYTEA, TEXT] => TEXT, scalar!(|s: &[u8], f: &str| -> Result<String> { encode(s, f) })),
    func!(1947, "decode", [TEXT, TEXT] => BYTEA, scalar!(|s: &str, f: &str| -> Result<Vec<u8>> { decode(s, f) })),
    func!(2013, "substring", [BYTEA, INT4] => BYTEA, scalar!(|s: &'a [u8], from: i32| -> Result<&'a [u8]> { substring(s, from, None) })),
    func!(2012, "substring", [BYTEA, INT4, INT4] => BYTEA, scalar!(|s: &'a [u8], from: i32, n: i32| -> Result<&'a [u8]> { substring(s, from, Some(n)) })),
    func!(2086, "substr", [BYTEA, INT4] => BYTEA, scalar!(|s: &'a [u8], from: i32| -> Result<&'a [u8]> { substring(s, from, None) })),
    func!(2085, "substr", [BYTEA, INT4, INT4] => BYTEA, scalar!(|s: &'a [u8], from: i32, n: i32| -> Result<&'a [u8]> { substring(s, from, Some(n)) })),
    func!(2014, "position", [BYTEA, BYTEA] => INT4, scalar!(|s: &[u8], t: &[u8]| -> i32 { memchr::memmem::find(s, t).map_or(0, |i| i as i32 + 1) })),
    func!(752, "overlay", [BYTEA, BYTEA, INT4] => BYTEA, scalar!(|s: &[u8], new: &[u8], at: i32| -> Result<Vec<u8>> { overlay(s, new, at, new.len() as i32) })),
    func!(749, "overlay", [BYTEA, BYTEA, INT4, INT4] => BYTEA, scalar!(|s: &[u8], new: &[u8], at: i32, n: i32| -> Result<Vec<u8>> { overlay(s, new, at, n) })),
    func!(2015, "btrim", [BYTEA, BYTEA] => BYTEA, scalar!(|s: &'a [u8], set: &'a [u8]| -> &'a [u8] { trimmed(s, set, true, true) })),
    func!(6195, "ltrim", [BYTEA, BYTEA] => BYTEA, scalar!(|s: &'a [u8], set: &'a [u8]| -> &'a [u8] { trimmed(s, set, true, false) })),
    func!(6196, "rtrim", [BYTEA, BYTEA] => BYTEA, scalar!(|s: &'a [u8], set: &'a [u8]| -> &'a [u8] { trimmed(s, set, false, true) })),
    func!(721, "get_byte", [BYTEA, INT4] => INT4, scalar!(|s: &[u8], n: i32| -> Result<i32> { Ok(i32::from(s[index(s, n)?])) })),
    func!(722, "set_byte", [BYTEA, INT4, INT4] => BYTEA, scalar!(|s: &[u8], n: i32, v: i32| -> Result<Vec<u8>> { set_byte(s, n, v) })),
    func!(3432, "gen_random_uuid", [] => UUID, row_only!(|_, _| Ok(Datum::B16(*Uuid::new_v4().as_bytes()))))
        .total()
        .volatile(),
];
