//! `LIKE` and `ILIKE` of text, name, bpchar and bytea.
//!
//! `_` matches a character (a byte of bytea), `%` any run, a backslash makes the next character plain. `ILIKE` folds
//! both sides first. Matching is iterative: on a mismatch it goes back to the last `%` only, which is enough because a
//! later `%` swallows whatever an earlier one could.

use super::like_parts;
use crate::{FunctionDef, fast, func, scalar};
use quarry_common::{Result, bail};

/// Bytes of the character that starts with `lead`.
fn char_len(lead: u8) -> usize {
    match lead {
        0..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// Whether `text` matches `pattern`; `wide`: `_` is a UTF-8 character, not a byte.
pub fn matches(text: &[u8], pattern: &[u8], wide: bool) -> Result<bool> {
    let step = |i: usize| if wide { char_len(text[i]).min(text.len() - i) } else { 1 };
    let (mut t, mut p) = (0, 0);
    // Where to resume: pattern after the last `%`, text position to try next.
    let mut resume: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() {
            if t == text.len() {
                return Ok(true);
            }
        } else if pattern[p] == b'%' {
            p += 1;
            if p == pattern.len() {
                return Ok(true);
            }
            if pattern[p] == b'\\' && p + 1 == pattern.len() {
                bail!(INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character");
            }
            resume = Some((p, t));
            continue;
        } else if t < text.len() {
            if pattern[p] == b'_' {
                t += step(t);
                p += 1;
                continue;
            }
            let mut c = pattern[p];
            let mut width = 1;
            if c == b'\\' {
                let Some(next) = pattern.get(p + 1) else {
                    bail!(INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character");
                };
                c = *next;
                width = 2;
            }
            if c == text[t] {
                t += 1;
                p += width;
                continue;
            }
        }
        let Some((pattern_at, text_at)) = resume else { return Ok(false) };
        if text_at >= text.len() {
            return Ok(false);
        }
        let mut next = text_at + step(text_at);
        // A plain byte after `%` must be found: skip to it.
        let first = pattern[pattern_at];
        if !matches!(first, b'%' | b'_' | b'\\') {
            match memchr::memchr(first, &text[next.min(text.len())..]) {
                Some(skip) => next += skip,
                None => return Ok(false),
            }
        }
        resume = Some((pattern_at, next));
        (p, t) = (pattern_at, next);
    }
}

fn folded(text: &str, pattern: &str) -> Result<bool> {
    if text.is_ascii() && pattern.is_ascii() {
        return matches(text.to_ascii_lowercase().as_bytes(), pattern.to_ascii_lowercase().as_bytes(), true);
    }
    let (text, pattern) = (super::case::lower(text), super::case::lower(pattern));
    matches(text.as_bytes(), pattern.as_bytes(), true)
}

/// `LIKE ... ESCAPE`: the pattern with backslash as its escape character.
fn with_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = escape.chars();
    let Some(escape) = chars.next() else {
        // No escape character: backslashes are plain.
        return Ok(pattern.replace('\\', "\\\\"));
    };
    if chars.next().is_some() {
        return Err(invalid_escape());
    }
    if escape == '\\' {
        return Ok(pattern.to_owned());
    }
    let mut after_escape = false;
    for c in pattern.chars() {
        if c == escape && !after_escape {
            out.push('\\');
            after_escape = true;
        } else {
            if c == '\\' && !after_escape {
                out.push('\\');
            }
            out.push(c);
            after_escape = false;
        }
    }
    Ok(out)
}

fn with_escape_bytes(pattern: &[u8], escape: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(pattern.len() + 8);
    let escape = match escape {
        [] => None,
        [e] => Some(*e),
        _ => return Err(invalid_escape()),
    };
    if escape == Some(b'\\') {
        return Ok(pattern.to_vec());
    }
    let mut after_escape = false;
    for &c in pattern {
        if Some(c) == escape && !after_escape {
            out.push(b'\\');
            after_escape = true;
        } else {
            if c == b'\\' && !after_escape {
                out.push(b'\\');
            }
            out.push(c);
            after_escape = false;
        }
    }
    Ok(out)
}

/// The error for an escape of more than one character.
pub fn invalid_escape() -> quarry_common::Error {
    quarry_common::err!(INVALID_ESCAPE_SEQUENCE, "invalid escape string")
        .hint("Escape string must be empty or one character.")
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(850, "textlike", [TEXT, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, true) }), |args, rows| like_parts::batch(args, rows, false))),
    func!(858, "namelike", [NAME, TEXT] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, true) })),
    func!(1631, "bpcharlike", [BPCHAR, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, true) }), |args, rows| like_parts::batch(args, rows, false))),
    func!(1569, "like", [TEXT, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, true) }), |args, rows| like_parts::batch(args, rows, false))),
    func!(1571, "like", [NAME, TEXT] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, true) })),
    func!(2005, "bytealike", [BYTEA, BYTEA] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, false) })),
    func!(2007, "like", [BYTEA, BYTEA] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { matches(t, p, false) })),
    func!(1633, "texticlike", [TEXT, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { folded(t, p) })),
    func!(1635, "nameiclike", [NAME, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { folded(t, p) })),
    func!(1660, "bpchariclike", [BPCHAR, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { folded(t, p) })),
    func!(851, "textnlike", [TEXT, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, true)?) }), |args, rows| like_parts::batch(args, rows, true))),
    func!(859, "namenlike", [NAME, TEXT] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, true)?) })),
    func!(1632, "bpcharnlike", [BPCHAR, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, true)?) }), |args, rows| like_parts::batch(args, rows, true))),
    func!(1570, "notlike", [TEXT, TEXT] => BOOL, fast!(scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, true)?) }), |args, rows| like_parts::batch(args, rows, true))),
    func!(1572, "notlike", [NAME, TEXT] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, true)?) })),
    func!(2006, "byteanlike", [BYTEA, BYTEA] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, false)?) })),
    func!(2008, "notlike", [BYTEA, BYTEA] => BOOL, scalar!(|t: &[u8], p: &[u8]| -> Result<bool> { Ok(!matches(t, p, false)?) })),
    func!(1634, "texticnlike", [TEXT, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { Ok(!folded(t, p)?) })),
    func!(1636, "nameicnlike", [NAME, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { Ok(!folded(t, p)?) })),
    func!(1661, "bpcharicnlike", [BPCHAR, TEXT] => BOOL, scalar!(|t: &str, p: &str| -> Result<bool> { Ok(!folded(t, p)?) })),
    func!(1637, "like_escape", [TEXT, TEXT] => TEXT, scalar!(|p: &str, e: &str| -> Result<String> { with_escape(p, e) })),
    func!(2009, "like_escape", [BYTEA, BYTEA] => BYTEA, scalar!(|p: &[u8], e: &[u8]| -> Result<Vec<u8>> { with_escape_bytes(p, e) })),
];
