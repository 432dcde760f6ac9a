//! Names as text: `parse_ident` and the functions on `name`.

use crate::{FunctionDef, func, scalar};
use bytes::Bytes;
use quarry_common::{Error, Result, err};
use quarry_types::array::ArrayBuilder;
use quarry_types::{Datum, PhysicalType, oids};

/// Characters that quote, comment or separate; every other may begin an unquoted name.
fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn continues_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '$'
}

fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

/// The parts of a dotted name: unquoted ones in lower case. With `strict` nothing may follow it.
fn parts(text: &str, strict: bool) -> Result<Vec<String>> {
    let invalid =
        || -> Error { err!(INVALID_PARAMETER_VALUE, "string is not a valid identifier: \"{text}\"") };
    let mut found = vec![];
    let mut rest = text.trim_start_matches(space);
    let mut after_dot = false;
    loop {
        let missing_name = rest.is_empty() || !(rest.starts_with('"') || rest.starts_with(begins_name));
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            let mut tail = quoted;
            loop {
                let Some(end) = tail.find('"') else {
                    return Err(invalid().detail("String has unclosed double quotes."));
                };
                name.push_str(&tail[..end]);
                tail = &tail[end + 1..];
                // A doubled quote stands for one.
                match tail.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        tail = more;
                    }
                    None => break,
                }
            }
            if name.is_empty() {
                return Err(invalid().detail("Quoted identifier must not be empty."));
            }
            found.push(name);
            rest = tail;
        } else if !missing_name {
            let end = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
            found.push(rest[..end].to_ascii_lowercase());
            rest = &rest[end..];
        } else if rest.starts_with('.') {
            return Err(invalid().detail("No valid identifier before \".\"."));
        } else if after_dot {
            return Err(invalid().detail("No valid identifier after \".\"."));
        } else {
            return Err(invalid());
        }
        rest = rest.trim_start_matches(space);
        match rest.strip_prefix('.') {
            Some(more) => {
                after_dot = true;
                rest = more.trim_start_matches(space);
            }
            None if rest.is_empty() || !strict => return Ok(found),
            None => return Err(invalid()),
        }
    }
}

fn parse_ident(text: &str, strict: bool) -> Result<Bytes> {
    let mut names = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    parts(text, strict)?.iter().for_each(|n| names.push_bytes(n.as_bytes()));
    match names.finish_1d()? {
        Datum::Bytes(b) => Ok(b),
        _ => Err(Error::internal("an array is bytes")),
    }
}

/// `nameconcatoid`: the number always fits, the name is cut for it.
fn name_with_oid(name: &str, oid: u32) -> String {
    let suffix = format!("_{oid}");
    let mut end = name.len().min(63 - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1268, "parse_ident", [TEXT, BOOL] => TEXT_ARRAY, scalar!(|s: &str, strict: bool| -> Result<Bytes> { parse_ident(s, strict) })).defaults(&["true"]).names(&["str", "strict"]),
    func!(266, "nameconcatoid", [NAME, OID] => NAME, scalar!(|n: &str, o: u32| -> String { name_with_oid(n, o) })),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(parts(" \"S\"\"x\" . Tab ", true).expect("parses"), ["S\"x", "tab"]);
        assert_eq!(parts("a.b[]", false).expect("parses"), ["a", "b"]);
        for bad in ["", "a..b", "a.", ".a", "1a", "\"\"", "\"a", "a b"] {
            assert!(parts(bad, true).is_err(), "{bad}");
        }
    }
}
