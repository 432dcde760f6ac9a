//! Text functions by character position: lengths, substrings, padding, trimming, searching, replacing.

use super::string_parts::*;
use crate::kernel::Value;
use crate::{EvalContext, FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::{Datum, oids};

/// The call's only argument as text.
fn any_text(cx: &EvalContext<'_>, value: &Datum) -> Result<String> {
    super::concat::text_of(cx, cx.arg_types.first().map_or(oids::TEXT, |t| t.oid), value)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1317, "length", [TEXT] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(s) })),
    func!(1318, "length", [BPCHAR] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(quarry_types::text::trim_blanks(s)) })),
    func!(1381, "char_length", [TEXT] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(s) })),
    func!(1372, "char_length", [BPCHAR] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(quarry_types::text::trim_blanks(s)) })),
    func!(1369, "character_length", [TEXT] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(s) })),
    func!(1367, "character_length", [BPCHAR] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(quarry_types::text::trim_blanks(s)) })),
    func!(1257, "textlen", [TEXT] => INT4, scalar!(|s: &[u8]| -> i32 { char_count(s) })),
    func!(1811, "bit_length", [TEXT] => INT4, scalar!(|s: &[u8]| -> Result<i32> { bits(s) })),
    func!(1810, "bit_length", [BYTEA] => INT4, scalar!(|s: &[u8]| -> Result<i32> { bits(s) })),
    func!(1374, "octet_length", [TEXT] => INT4, scalar!(|s: &[u8]| -> i32 { s.len() as i32 })),
    func!(1375, "octet_length", [BPCHAR] => INT4, scalar!(|s: &[u8]| -> i32 { s.len() as i32 })),
    func!(720, "octet_length", [BYTEA] => INT4, scalar!(|s: &[u8]| -> i32 { s.len() as i32 })),
    func!(2010, "length", [BYTEA] => INT4, scalar!(|s: &[u8]| -> i32 { s.len() as i32 })),
    func!(883, "substr", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, from: i32| -> Result<&'a str> { substring(s, from, None) })),
    func!(877, "substr", [TEXT, INT4, INT4] => TEXT, scalar!(|s: &'a str, from: i32, n: i32| -> Result<&'a str> { substring(s, from, Some(n)) })),
    func!(937, "substring", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, from: i32| -> Result<&'a str> { substring(s, from, None) })),
    func!(936, "substring", [TEXT, INT4, INT4] => TEXT, scalar!(|s: &'a str, from: i32, n: i32| -> Result<&'a str> { substring(s, from, Some(n)) })),
    func!(3060, "left", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, n: i32| -> &'a str { left(s, n) })),
    func!(3061, "right", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, n: i32| -> &'a str { right(s, n) })),
    func!(879, "lpad", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, n: i32| -> Result<String> { pad(s, n, " ", true) })),
    func!(873, "lpad", [TEXT, INT4, TEXT] => TEXT, scalar!(|s: &'a str, n: i32, f: &str| -> Result<String> { pad(s, n, f, true) })),
    func!(880, "rpad", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, n: i32| -> Result<String> { pad(s, n, " ", false) })),
    func!(874, "rpad", [TEXT, INT4, TEXT] => TEXT, scalar!(|s: &'a str, n: i32, f: &str| -> Result<String> { pad(s, n, f, false) })),
    func!(885, "btrim", [TEXT] => TEXT, scalar!(|s: &'a str| -> &'a str { s.trim_matches(' ') })),
    func!(884, "btrim", [TEXT, TEXT] => TEXT, scalar!(|s: &'a str, set: &'a str| -> &'a str { s.trim_matches(|c| set.contains(c)) })),
    func!(881, "ltrim", [TEXT] => TEXT, scalar!(|s: &'a str| -> &'a str { s.trim_start_matches(' ') })),
    func!(875, "ltrim", [TEXT, TEXT] => TEXT, scalar!(|s: &'a str, set: &'a str| -> &'a str { s.trim_start_matches(|c| set.contains(c)) })),
    func!(882, "rtrim", [TEXT] => TEXT, scalar!(|s: &'a str| -> &'a str { s.trim_end_matches(' ') })),
    func!(876, "rtrim", [TEXT, TEXT] => TEXT, scalar!(|s: &'a str, set: &'a str| -> &'a str { s.trim_end_matches(|c| set.contains(c)) })),
    func!(849, "position", [TEXT, TEXT] => INT4, scalar!(|s: &str, t: &str| -> i32 { position(s, t) })),
    func!(868, "strpos", [TEXT, TEXT] => INT4, scalar!(|s: &str, t: &str| -> i32 { position(s, t) })),
    func!(2087, "replace", [TEXT, TEXT, TEXT] => TEXT, scalar!(|s: &str, from: &str, to: &str| -> Result<String> { replace(s, from, to) })).total(),
    func!(878, "translate", [TEXT, TEXT, TEXT] => TEXT, scalar!(|s: &str, from: &str, to: &str| -> String { translate(s, from, to) })),
    func!(1622, "repeat", [TEXT, INT4] => TEXT, scalar!(|s: &'a str, n: i32| -> Result<String> { repeat(s, n) })),
    func!(3062, "reverse", [TEXT] => TEXT, scalar!(|s: &str| -> String { s.chars().rev().collect() })),
    func!(2088, "split_part", [TEXT, TEXT, INT4] => TEXT, scalar!(|s: &'a str, d: &'a str, n: i32| -> Result<&'a str> { split_part(s, d, n) })),
    func!(1620, "ascii", [TEXT] => INT4, scalar!(|s: &str| -> i32 { s.chars().next().map_or(0, |c| c as i32) })),
    func!(1621, "chr", [INT4] => TEXT, scalar!(|n: i32| -> Result<String> { chr(n) })),
    func!(1405, "overlay", [TEXT, TEXT, INT4] => TEXT, scalar!(|s: &str, new: &str, at: i32| -> Result<String> { overlay(s, new, at, new.chars().count() as i32) })),
    func!(1404, "overlay", [TEXT, TEXT, INT4, INT4] => TEXT, scalar!(|s: &str, new: &str, at: i32, n: i32| -> Result<String> { overlay(s, new, at, n) })),
    func!(3696, "starts_with", [TEXT, TEXT] => BOOL, scalar!(|s: &[u8], t: &[u8]| -> bool { s.starts_with(t) })),
    func!(2089, "to_hex", [INT4] => TEXT, scalar!(|n: i32| -> String { format!("{n:x}") })),
    func!(2090, "to_hex", [INT8] => TEXT, scalar!(|n: i64| -> String { format!("{n:x}") })),
    func!(1282, "quote_ident", [TEXT] => TEXT, scalar!(|s: &str| -> String { super::quote::ident(s) })),
    func!(1283, "quote_literal", [TEXT] => TEXT, scalar!(|s: &str| -> String { super::quote::literal(s) })),
    func!(1289, "quote_nullable", [TEXT] => TEXT, scalar!(|s: Option<&str>| -> String { s.map_or_else(|| "NULL".to_owned(), super::quote::literal) })).lax(),
    func!(1285, "quote_literal", [ANYELEMENT] => TEXT, scalar!(cx, |v: Value| -> Result<String> { Ok(super::quote::literal(&any_text(cx, &v.0)?)) })).stable(),
    func!(1290, "quote_nullable", [ANYELEMENT] => TEXT, scalar!(cx, |v: Option<Value>| -> Result<String> {
        match v {
            Some(v) => Ok(super::quote::literal(&any_text(cx, &v.0)?)),
            None => Ok("NULL".to_owned()),
        }
    })).stable().lax(),
    func!(6198, "unistr", [TEXT] => TEXT, scalar!(|s: &str| -> Result<String> { unistr(s) })),
];
