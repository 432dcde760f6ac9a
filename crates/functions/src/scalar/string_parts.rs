//! Bodies of the text functions. Positions count characters from 1.

use crate::kernel::{check_buffer, check_value_size};
use quarry_common::{Error, Result, bail, err};

/// The largest text value.
const MAX_TEXT: usize = 0x3fff_ffff;

pub fn too_large() -> Error {
    err!(PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

/// Characters of UTF-8 text.
pub fn char_count(s: &[u8]) -> i32 {
    s.iter().filter(|&&b| b & 0xc0 != 0x80).count() as i32
}

pub fn bits(s: &[u8]) -> Result<i32> {
    i32::try_from(s.len() as i64 * 8).map_err(|_| err!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
}

/// Byte position of character number `n` (from 0), or the end.
pub fn byte_of(s: &str, n: usize) -> usize {
    if s.is_ascii() {
        return n.min(s.len());
    }
    s.char_indices().nth(n).map_or(s.len(), |(i, _)| i)
}

/// First (from 0) and one-past-last position that `substring(from for n)` names.
pub fn span(from: i32, n: Option<i32>) -> Result<(usize, usize)> {
    let start = i64::from(from) - 1;
    let end = match n {
        None => i64::MAX,
        Some(n) if n < 0 => bail!(SUBSTRING_ERROR, "negative substring length not allowed"),
        Some(n) => start + i64::from(n),
    };
    let start = start.max(0);
    Ok((start as usize, end.max(start) as usize))
}

pub fn substring(s: &str, from: i32, n: Option<i32>) -> Result<&str> {
    let (start, end) = span(from, n)?;
    let rest = &s[byte_of(s, start)..];
    Ok(&rest[..byte_of(rest, end - start)])
}

pub fn left(s: &str, n: i32) -> &str {
    let n = if n >= 0 { n as usize } else { (s.chars().count() as i64 + i64::from(n)).max(0) as usize };
    &s[..byte_of(s, n)]
}

pub fn right(s: &str, n: i32) -> &str {
    let skip = if n >= 0 {
        (s.chars().count() as i64 - i64::from(n)).max(0) as usize
    } else {
        n.unsigned_abs() as usize
    };
    &s[byte_of(s, skip)..]
}

/// `lpad` (at the start) and `rpad`; longer text is cut at its end.
pub fn pad(s: &str, n: i32, fill: &str, start: bool) -> Result<String> {
    let n = n.max(0) as usize;
    if n > MAX_TEXT / 4 {
        return Err(too_large());
    }
    let len = s.chars().count();
    if len >= n || fill.is_empty() {
        return Ok(s[..byte_of(s, n)].to_owned());
    }
    let padding: String = fill.chars().cycle().take(n - len).collect();
    Ok(if start { padding + s } else { s.to_owned() + &padding })
}

pub fn position(s: &str, t: &str) -> i32 {
    memchr::memmem::find(s.as_bytes(), t.as_bytes()).map_or(0, |i| char_count(&s.as_bytes()[..i]) + 1)
}

pub fn replace(s: &str, from: &str, to: &str) -> Result<String> {
    if from.is_empty() || s.is_empty() {
        return Ok(s.to_owned());
    }
    if to.len() > from.len() {
        let (mut made, mut at) = (0usize, 0);
        for found in memchr::memmem::find_iter(s.as_bytes(), from.as_bytes()) {
            for piece in [found - at, to.len()] {
                check_buffer(made, piece)?;
                made += piece;
            }
            at = found + from.len();
        }
        check_buffer(made, s.len() - at)?;
    }
    Ok(s.replace(from, to))
}

pub fn translate(s: &str, from: &str, to: &str) -> String {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    s.chars()
        .filter_map(|c| match from.iter().position(|&f| f == c) {
            None => Some(c),
            Some(i) => to.get(i).copied(),
        })
        .collect()
}

pub fn repeat(s: &str, n: i32) -> Result<String> {
    let n = n.max(0) as usize;
    if n.saturating_mul(s.len()) > MAX_TEXT {
        return Err(too_large());
    }
    Ok(s.repeat(n))
}

pub fn split_part<'a>(s: &'a str, delimiter: &str, n: i32) -> Result<&'a str> {
    if n == 0 {
        bail!(INVALID_PARAMETER_VALUE, "field position must not be zero");
    }
    if s.is_empty() {
        return Ok("");
    }
    if delimiter.is_empty() {
        return Ok(if n == 1 || n == -1 { s } else { "" });
    }
    let i = n.unsigned_abs() as usize - 1;
    if n > 0 {
        return Ok(s.split(delimiter).nth(i).unwrap_or(""));
    }
    // Fields are found from the left, also when they are counted from the right.
    let fields: Vec<&str> = s.split(delimiter).collect();
    Ok(fields.len().checked_sub(i + 1).map_or("", |k| fields[k]))
}

pub fn chr(n: i32) -> Result<String> {
    if n == 0 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "null character not permitted");
    }
    if n < 0 {
        bail!(INVALID_PARAMETER_VALUE, "character number must be positive");
    }
    if n > 0x10_ffff {
        bail!(PROGRAM_LIMIT_EXCEEDED, "requested character too large for encoding: {n}");
    }
    match char::from_u32(n as u32) {
        Some(c) => Ok(c.to_string()),
        None => bail!(PROGRAM_LIMIT_EXCEEDED, "requested character not valid for encoding: {n}"),
    }
}

pub fn overlay(s: &str, new: &str, at: i32, n: i32) -> Result<String> {
    if at <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    let Some(rest) = at.checked_add(n) else {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    };
    let (before, after) = (substring(s, 1, Some(at - 1))?, substring(s, rest, None)?);
    check_value_size(before.len() + new.len())?;
    check_value_size(before.len() + new.len() + after.len())?;
    Ok(format!("{before}{new}{after}"))
}

/// `unistr`: `\XXXX`, `\+XXXXXX`, `\uXXXX`, `\UXXXXXXXX` and doubled backslashes; surrogates come in pairs.
pub fn unistr(s: &str) -> Result<String> {
    let mut out = String::with_capacity(s.len());
    let mut rest = s;
    let mut high: Option<u32> = None;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('\\') {
            if let Some(after) = after.strip_prefix('\\') {
                if high.is_some() {
                    return Err(bad_pair());
                }
                out.push('\\');
                rest = after;
                continue;
            }
            let (skip, digits) = match after.bytes().next() {
                Some(b'+') => (1, 6),
                Some(b'u') => (1, 4),
                Some(b'U') => (1, 8),
                _ => (0, 4),
            };
            let Some(code) =
                after.get(skip..skip + digits).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
            else {
                return Err(err!(SYNTAX_ERROR, "invalid Unicode escape")
                    .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX."));
            };
            let mut code = u32::from_str_radix(code, 16).map_err(|_| bad_point())?;
            rest = &after[skip + digits..];
            if code == 0 || code > 0x10_ffff {
                return Err(bad_point());
            }
            if let Some(h) = high.take() {
                if !(0xdc00..0xe000).contains(&code) {
                    return Err(bad_pair());
                }
                code = 0x10000 + ((h - 0xd800) << 10) + (code - 0xdc00);
            } else if (0xdc00..0xe000).contains(&code) {
                return Err(bad_pair());
            } else if (0xd800..0xdc00).contains(&code) {
                high = Some(code);
                continue;
            }
            out.push(char::from_u32(code).ok_or_else(bad_point)?);
        } else {
            if high.is_some() {
                return Err(bad_pair());
            }
            let n = rest.find('\\').unwrap_or(rest.len());
            out.push_str(&rest[..n]);
            rest = &rest[n..];
        }
    }
    if high.is_some() { Err(bad_pair()) } else { Ok(out) }
}

fn bad_pair() -> Error {
    err!(SYNTAX_ERROR, "invalid Unicode surrogate pair")
}

fn bad_point() -> Error {
    err!(INVALID_PARAMETER_VALUE, "invalid Unicode code point")
}
