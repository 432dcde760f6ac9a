//! Casts of text, char(n), varchar(n), name, "char" and booleans, and the coercions to a declared length.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail};
use quarry_types::oids;
use quarry_types::text::{limit_bpchar, limit_name, limit_varchar, trim_blanks};
use std::borrow::Cow;

fn bool_text(v: bool) -> &'static str {
    if v { "true" } else { "false" }
}

/// The byte of a "char"; an empty one is zero.
fn byte(v: &[u8]) -> u8 {
    v.first().copied().unwrap_or(0)
}

/// The stored form of a "char".
fn char_of(byte: u8) -> Vec<u8> {
    if byte == 0 { Vec::new() } else { vec![byte] }
}

/// "char" as text: nothing for the zero byte; a byte that isn't ASCII by its number, since it is no text.
fn char_text(v: &[u8]) -> String {
    match byte(v) {
        0 => String::new(),
        b if b.is_ascii() => char::from(b).to_string(),
        b => format!("\\{b:03o}"),
    }
}

fn int4_char(v: i32) -> Result<Vec<u8>> {
    match i8::try_from(v) {
        Ok(v) => Ok(char_of(v as u8)),
        Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"),
    }
}

/// A bpchar as text.
fn trimmed(v: &str) -> &str {
    v.trim_end_matches(' ')
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(2971, "text", [BOOL] => TEXT, scalar!(|a: bool| -> &'static str { bool_text(a) })),
    func!(946, "text", [CHAR] => TEXT, scalar!(|a: &[u8]| -> String { char_text(a) })),
    func!(406, "text", [NAME] => TEXT, scalar!(|a: &'a [u8]| -> &'a [u8] { a })),
    func!(401, "text", [BPCHAR] => TEXT, scalar!(|a: &'a [u8]| -> &'a [u8] { trim_blanks(a) })),
    func!(1401, "varchar", [NAME] => VARCHAR, scalar!(|a: &'a [u8]| -> &'a [u8] { a })),
    func!(408, "bpchar", [NAME] => BPCHAR, scalar!(|a: &'a [u8]| -> &'a [u8] { a })),
    func!(860, "bpchar", [CHAR] => BPCHAR, scalar!(|a: &[u8]| -> String { char_text(a) })),
    func!(407, "name", [TEXT] => NAME, scalar!(|a: &'a str| -> &'a str { limit_name(a) })),
    func!(1400, "name", [VARCHAR] => NAME, scalar!(|a: &'a str| -> &'a str { limit_name(a) })),
    func!(409, "name", [BPCHAR] => NAME, scalar!(|a: &'a str| -> &'a str { trimmed(limit_name(a)) })),
    func!(944, "char", [TEXT] => CHAR, scalar!(|a: &[u8]| -> Vec<u8> { char_of(byte(a)) })),
    func!(78, "char", [INT4] => CHAR, scalar!(|a: i32| -> Result<Vec<u8>> { int4_char(a) })),
    func!(77, "int4", [CHAR] => INT4, scalar!(|a: &[u8]| -> i32 { i32::from(byte(a) as i8) })),
    func!(668, "bpchar", [BPCHAR, INT4, BOOL] => BPCHAR, scalar!(|a: &'a str, typmod: i32, explicit: bool| -> Result<Cow<'a, str>> { limit_bpchar(a, typmod, explicit) })),
    func!(669, "varchar", [VARCHAR, INT4, BOOL] => VARCHAR, scalar!(|a: &'a str, typmod: i32, explicit: bool| -> Result<&'a str> { limit_varchar(a, typmod, explicit) })),
    func!(1079, "regclass", [TEXT] => REGCLASS, scalar!(cx, |a: &str| -> Result<u32> {
        Ok(cx.io.type_ref(oids::REGCLASS)?.input(a, -1, cx.io)?.as_u32())
    }))
    .stable(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn char_by_number() {
        assert_eq!(int4_char(65).ok(), Some(vec![65]));
        assert_eq!(int4_char(-1).ok(), Some(vec![255]));
        assert!(int4_char(128).is_err());
        assert_eq!(char_text(b"a"), "a");
        assert_eq!(char_text(b""), "");
        assert_eq!(int4_char(0).ok(), Some(vec![]));
    }
}
