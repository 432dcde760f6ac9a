//! Escapes in strings: backslashes of `E''` and code points of `U&''`.

use quarry_common::{Error, SqlState};

/// Decodes the escape at `at`, a backslash with something behind it, and returns the place behind it.
/// `binary` is set where the result may be no valid text.
pub(super) fn backslash(sql: &str, at: usize, text: &mut Vec<u8>, binary: &mut bool) -> Result<usize, Error> {
    let bytes = sql.as_bytes();
    let c = bytes[at + 1];
    let simple = match c {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'0'..=b'7' => {
            let end = run(bytes, at + 1, 3, |c| matches!(c, b'0'..=b'7'));
            let value = bytes[at + 1..end].iter().fold(0u32, |n, d| n * 8 + u32::from(d - b'0'));
            *binary = true;
            text.push(value as u8);
            return Ok(end);
        }
        b'x' => {
            let end = run(bytes, at + 2, 2, |c| c.is_ascii_hexdigit());
            if end > at + 2 {
                *binary = true;
                text.push(hex(&sql[at + 2..end]) as u8);
                return Ok(end);
            }
            c
        }
        b'u' | b'U' => return code_point(sql, at, text),
        _ => {
            // The escaped character stands for itself.
            let length = sql[at + 1..].chars().next().map_or(1, char::len_utf8);
            text.extend_from_slice(&bytes[at + 1..at + 1 + length]);
            return Ok(at + 1 + length);
        }
    };
    text.push(simple);
    Ok(at + 2)
}

/// The end of a run of at most `max` bytes.
fn run(bytes: &[u8], start: usize, max: usize, accept: impl Fn(u8) -> bool) -> usize {
    let limit = bytes.len().min(start + max);
    (start..limit).find(|&i| !accept(bytes[i])).unwrap_or(limit.max(start))
}

fn hex(digits: &str) -> u32 {
    u32::from_str_radix(digits, 16).unwrap_or(u32::MAX)
}

/// The number that exactly `count` hexadecimal digits at `at` write.
fn digits(sql: &str, at: usize, count: usize) -> Option<u32> {
    let text = sql.get(at..at + count)?;
    text.bytes().all(|c| c.is_ascii_hexdigit()).then(|| hex(text))
}

fn escape_error(message: &str, at: usize) -> Error {
    Error::new(SqlState::SYNTAX_ERROR, message).position(at)
}

/// `message at or near` the character at `at`.
fn near(sql: &str, message: &str, at: usize, end: usize) -> Error {
    match sql.get(at..end) {
        Some(text) if !text.is_empty() => escape_error(&format!("{message} at or near \"{text}\""), at),
        _ => escape_error(&format!("{message} at end of input"), at),
    }
}

const BAD_PAIR: &str = "invalid Unicode surrogate pair";

/// `\uXXXX` and `\UXXXXXXXX`, which may be the halves of a surrogate pair.
fn code_point(sql: &str, at: usize, text: &mut Vec<u8>) -> Result<usize, Error> {
    let one = |at: usize| -> Option<(u32, usize)> {
        let count = match sql.as_bytes().get(at + 1)? {
            b'u' => 4,
            b'U' => 8,
            _ => return None,
        };
        Some((digits(sql, at + 2, count)?, at + 2 + count))
    };
    let Some((mut value, mut end)) = one(at) else {
        return Err(Error::new(SqlState::INVALID_ESCAPE_SEQUENCE, "invalid Unicode escape")
            .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
            .position(at));
    };
    if (0xdc00..0xe000).contains(&value) {
        return Err(near(sql, BAD_PAIR, at, end));
    }
    if (0xd800..0xdc00).contains(&value) {
        let second = (sql.as_bytes().get(end) == Some(&b'\\')).then(|| one(end)).flatten();
        match second {
            Some((low, low_end)) if (0xdc00..0xe000).contains(&low) => {
                value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
                end = low_end;
            }
            Some((_, second_end)) => return Err(near(sql, BAD_PAIR, end, second_end)),
            None => {
                let length = sql.get(end..).and_then(|s| s.chars().next()).map_or(0, char::len_utf8);
                return Err(near(sql, BAD_PAIR, end, end + length));
            }
        }
    }
    match char::from_u32(value) {
        Some(c) if c != '\0' => {
            let mut buffer = [0; 4];
            text.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            Ok(end)
        }
        _ => Err(near(sql, "invalid Unicode escape value", at, end)),
    }
}

/// Text that may hold anything: NUL and what is no UTF-8 are refused.
pub(super) fn verify(bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.contains(&0) {
        let before = bytes.iter().position(|&b| b == 0).unwrap_or(0);
        // An invalid sequence further left comes first.
        if std::str::from_utf8(&bytes[..before]).is_ok() {
            return Err(encoding_error(&[0]));
        }
    }
    utf8(bytes)
}

pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let rest = &e.as_bytes()[at..];
        let length = match rest.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            _ => 1,
        };
        encoding_error(&rest[..length.min(rest.len())])
    })
}

fn encoding_error(bytes: &[u8]) -> Error {
    let shown: Vec<String> = bytes.iter().map(|b| format!("0x{b:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Error::new(SqlState::CHARACTER_NOT_IN_REPERTOIRE, message)
}

/// Decodes the text of a `U&` literal that begins at `start` (of the U).
pub(super) fn unicode(raw: &str, escape: char, start: usize) -> Result<String, Error> {
    let mut text = String::with_capacity(raw.len());
    let mut high: Option<u32> = None;
    let mut at = 0;
    // Places in messages count from behind the opening quote.
    let place = |at: usize| start + 3 + at;
    while let Some(c) = raw[at..].chars().next() {
        if c != escape {
            if high.is_some() {
                return Err(escape_error(BAD_PAIR, place(at)));
            }
            text.push(c);
            at += c.len_utf8();
            continue;
        }
        let next = at + 1;
        if raw[next..].starts_with(escape) {
            if high.is_some() {
                return Err(escape_error(BAD_PAIR, place(at)));
            }
            text.push(escape);
            at = next + 1;
            continue;
        }
        let (value, end) = if let Some(value) = digits(raw, next, 4) {
            (value, next + 4)
        } else if let (true, Some(value)) = (raw[next..].starts_with('+'), digits(raw, next + 1, 6)) {
            (value, next + 7)
        } else {
            return Err(escape_error("invalid Unicode escape", place(at))
                .hint("Unicode escapes must be \\XXXX or \\+XXXXXX."));
        };
        let value = match (high.take(), value) {
            (Some(h), 0xdc00..0xe000) => 0x10000 + ((h - 0xd800) << 10) + (value - 0xdc00),
            (Some(_), _) | (None, 0xdc00..0xe000) => return Err(escape_error(BAD_PAIR, place(at))),
            (None, 0xd800..0xdc00) => {
                high = Some(value);
                at = end;
                continue;
            }
            (None, _) => value,
        };
        match char::from_u32(value) {
            Some(c) if c != '\0' => text.push(c),
            _ => return Err(escape_error("invalid Unicode escape value", place(at))),
        }
        at = end;
    }
    if high.is_some() {
        return Err(escape_error(BAD_PAIR, place(at)));
    }
    Ok(text)
}
