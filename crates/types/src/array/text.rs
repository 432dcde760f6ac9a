//! Arrays' text: `{1,NULL,"a b"}`, `[0:1]={...}`, nested for more dimensions.

use super::{ArrayBuilder, ArrayRef, DIMENSIONS_MAX, Dimension, element_count};
use crate::ints::is_space;
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Error, Result, bail, err};

fn malformed(text: &str, detail: impl Into<String>) -> Error {
    err!(INVALID_TEXT_REPRESENTATION, "malformed array literal: \"{text}\"").detail(detail)
}

pub(crate) fn input(t: &TypeInfo, text: &str, typmod: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let element = cx.type_ref(t.element)?;
    let (declared, body) = dimensions(text)?;
    let parsed = Elements::parse(text, body, element.delim as u8, cx.array_nulls)?;
    let mut dims = parsed.dims;
    if let Some(declared) = declared {
        let same =
            declared.len() == dims.len() && declared.iter().zip(&dims).all(|(d, found)| d.len == found.len);
        if !same {
            return Err(malformed(text, "Specified array dimensions do not match array contents."));
        }
        dims = declared;
    }
    element_count(&dims)?;
    let mut builder = ArrayBuilder::new(element.oid, element.physical);
    for item in &parsed.items {
        match item {
            Some(value) => builder.push(&element.input(value, typmod, cx)?),
            None => {
                // NULL may be against a domain's rules.
                if element.kind == 'd' {
                    cx.names.check_domain(element.oid, &Datum::Null)?;
                }
                builder.push_null()
            }
        }
    }
    builder.finish(&dims)
}

/// The `[l:u][l:u]=` before the braces, if there is one, and the rest.
fn dimensions(text: &str) -> Result<(Option<Vec<Dimension>>, &str)> {
    let skip = |s: &'_ str| s.len() - s.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8)).len();
    let mut rest = &text[skip(text)..];
    if !rest.starts_with('[') {
        if !rest.starts_with('{') {
            return Err(malformed(text, "Array value must start with \"{\" or dimension information."));
        }
        return Ok((None, rest));
    }
    let mut dims = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        if dims.len() >= DIMENSIONS_MAX {
            bail!(
                PROGRAM_LIMIT_EXCEEDED,
                "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
                dims.len() + 1
            );
        }
        let (first, mut after) =
            bound(text, inner, "\"[\" must introduce explicitly-specified array dimensions.")?;
        let (mut lower, mut upper) = (1, first);
        if let Some(second) = after.strip_prefix(':') {
            lower = first;
            (upper, after) = bound(text, second, "Missing array dimension value.")?;
        }
        let Some(after) = after.strip_prefix(']') else {
            return Err(malformed(text, "Missing \"]\" after array dimensions."));
        };
        if upper < lower {
            bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
        }
        let len = i64::from(upper) - i64::from(lower) + 1;
        let Ok(len) = i32::try_from(len) else {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({})", super::ELEMENTS_MAX);
        };
        dims.push(Dimension { len, lower });
        rest = &after[skip(after)..];
    }
    let Some(after) = rest.strip_prefix('=') else {
        return Err(malformed(text, "Missing \"=\" after array dimensions."));
    };
    let after = &after[skip(after)..];
    if !after.starts_with('{') {
        return Err(malformed(text, "Array contents must start with \"{\"."));
    }
    Ok((Some(dims), after))
}

/// A bound of a dimension; `missing` is the detail of the error if there is none.
fn bound<'a>(text: &str, rest: &'a str, missing: &str) -> Result<(i32, &'a str)> {
    let sign = usize::from(rest.starts_with(['-', '+']));
    let digits = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(malformed(text, missing));
    }
    let (number, after) = rest.split_at(sign + digits);
    let value = number.parse::<i64>().ok().and_then(|v| i32::try_from(v).ok());
    match value {
        Some(v) => Ok((v, after)),
        None => Err(err!(PROGRAM_LIMIT_EXCEEDED, "array bound is out of integer range")),
    }
}

/// What the reader has just passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    LevelStarted,
    Element,
    Quoted,
    QuotedDone,
    Delimited,
    LevelDone,
    LevelDelimited,
}

/// The elements between the braces.
struct Elements {
    items: Vec<Option<String>>,
    dims: Vec<Dimension>,
}

/// An element being read.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Length up to the last byte that isn't unquoted white space at the end.
    kept: usize,
    quoted_or_escaped: bool,
}

impl Pending {
    fn push(&mut self, byte: u8, keep: bool) {
        self.bytes.push(byte);
        if keep {
            self.kept = self.bytes.len();
        }
    }
    fn finish(&mut self, nulls: bool) -> Option<String> {
        self.bytes.truncate(self.kept);
        let bytes = std::mem::take(self);
        if nulls && !bytes.quoted_or_escaped && bytes.bytes.eq_ignore_ascii_case(b"null") {
            return None;
        }
        // Splits fall on ASCII bytes only, so that what is between them stays UTF-8.
        Some(String::from_utf8(bytes.bytes).expect("parts of UTF-8 text cut at ASCII characters"))
    }
}

impl Elements {
    fn parse(text: &str, body: &str, delim: u8, nulls: bool) -> Result<Elements> {
        use State::*;
        let bytes = body.as_bytes();
        let mut state = Start;
        let mut depth = 0;
        let mut ndim = 0;
        // Per level: members of the list being read, and of the first complete one.
        let mut members = [1i32; DIMENSIONS_MAX];
        let mut expected = [0i32; DIMENSIONS_MAX];
        let mut items = Vec::new();
        let mut pending = Pending::default();
        let mut at = 0;
        let unexpected = |c: u8| malformed(text, format!("Unexpected \"{}\" character.", c as char));
        loop {
            let Some(&b) = bytes.get(at) else {
                return Err(malformed(text, "Unexpected end of input."));
            };
            at += 1;
            match b {
                b'\\' => {
                    if !matches!(state, LevelStarted | Element | Quoted | Delimited) {
                        return Err(unexpected(b));
                    }
                    if state != Quoted {
                        state = Element;
                    }
                    let Some(&escaped) = bytes.get(at) else {
                        return Err(malformed(text, "Unexpected end of input."));
                    };
                    at += 1;
                    pending.quoted_or_escaped = true;
                    pending.push(escaped, true);
                }
                b'"' => {
                    state = match state {
                        LevelStarted | Delimited => Quoted,
                        Quoted => QuotedDone,
                        _ => return Err(malformed(text, "Unexpected array element.")),
                    };
                    pending.quoted_or_escaped = true;
                    if state == Quoted {
                        pending.bytes.clear();
                        pending.kept = 0;
                    }
                }
                _ if state == Quoted => pending.push(b, true),
                b'{' => {
                    if !matches!(state, Start | LevelStarted | LevelDelimited) {
                        return Err(unexpected(b));
                    }
                    if depth >= DIMENSIONS_MAX {
                        bail!(
                            PROGRAM_LIMIT_EXCEEDED,
                            "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
                            depth + 1
                        );
                    }
                    state = LevelStarted;
                    depth += 1;
                    ndim = ndim.max(depth);
                }
                b'}' => {
                    let empty = depth == 1 && state == LevelStarted;
                    if !matches!(state, Element | QuotedDone | LevelDone) && !empty {
                        return Err(unexpected(b));
                    }
                    if matches!(state, Element | QuotedDone) {
                        items.push(pending.finish(nulls));
                    }
                    depth -= 1;
                    if expected[depth] != 0 && members[depth] != expected[depth] {
                        return Err(malformed(
                            text,
                            "Multidimensional arrays must have sub-arrays with matching dimensions.",
                        ));
                    }
                    expected[depth] = members[depth];
                    members[depth] = 1;
                    state = LevelDone;
                    if depth == 0 {
                        break;
                    }
                }
                b if b == delim => {
                    if !matches!(state, Element | QuotedDone | LevelDone) {
                        return Err(unexpected(b));
                    }
                    if state == LevelDone {
                        state = LevelDelimited;
                    } else {
                        items.push(pending.finish(nulls));
                        state = Delimited;
                    }
                    members[depth - 1] += 1;
                }
                b if is_space(b) => {
                    if state == Element {
                        pending.push(b, false);
                    }
                }
                b => {
                    if !matches!(state, LevelStarted | Element | Delimited) {
                        return Err(malformed(text, "Unexpected array element."));
                    }
                    state = Element;
                    pending.push(b, true);
                }
            }
        }
        if !bytes[at..].iter().copied().all(is_space) {
            return Err(malformed(text, "Junk after closing right brace."));
        }
        if items.is_empty() {
            return Ok(Elements { items, dims: Vec::new() });
        }
        let dims: Vec<Dimension> =
            expected[..ndim].iter().map(|len| Dimension { len: *len, lower: 1 }).collect();
        // Sub-arrays at different depths ("{{1},{{2}}}") leave fewer elements than the dimensions say.
        if dims.iter().try_fold(1i64, |n, d| n.checked_mul(d.len.into())) != Some(items.len() as i64) {
            return Err(malformed(
                text,
                "Multidimensional arrays must have sub-arrays with matching dimensions.",
            ));
        }
        Ok(Elements { items, dims })
    }
}

pub(crate) fn output(t: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let array = ArrayRef::of(v);
    // anyarray (pg_statistic) knows its element type from the value only.
    let element = cx.type_ref(if t.element.is_valid() { t.element } else { array.element_oid() })?;
    if array.is_empty() {
        out.extend_from_slice(b"{}");
        return Ok(());
    }
    let dims = array.dims();
    if dims.iter().any(|d| d.lower != 1) {
        for d in &dims {
            out.extend_from_slice(format!("[{}:{}]", d.lower, d.upper()).as_bytes());
        }
        out.push(b'=');
    }
    // How many elements a brace of each level holds.
    let mut spans: Vec<usize> = dims.iter().map(|d| d.len as usize).collect();
    for d in (0..spans.len() - 1).rev() {
        spans[d] *= spans[d + 1];
    }
    let delim = element.delim as u8;
    let mut value = Vec::new();
    for i in 0..array.len() {
        if i > 0 {
            out.push(delim);
        }
        spans.iter().filter(|s| i % **s == 0).for_each(|_| out.push(b'{'));
        if array.is_null(i) {
            out.extend_from_slice(b"NULL");
        } else {
            value.clear();
            element.output(&array.datum(i), cx, &mut value)?;
            write_quoted(&value, delim, out);
        }
        spans.iter().filter(|s| (i + 1) % **s == 0).for_each(|_| out.push(b'}'));
    }
    Ok(())
}

/// Appends an element, quoted where its text would be read as something else.
fn write_quoted(value: &[u8], delim: u8, out: &mut Vec<u8>) {
    let special = |b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}') || *b == delim || is_space(*b);
    if !value.is_empty() && !value.eq_ignore_ascii_case(b"null") && !value.iter().any(special) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for b in value {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}
