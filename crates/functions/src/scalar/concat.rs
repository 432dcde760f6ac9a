//! `||` of text, bytea and text with values of any type.

use crate::kernel::{Value, check_value_size};
use crate::{EvalContext, FunctionDef, func, scalar};
use quarry_common::{Oid, Result};
use quarry_types::{Datum, oids};

/// A non-NULL value as a cast to text makes it.
pub fn text_of(cx: &EvalContext<'_>, oid: Oid, value: &Datum) -> Result<String> {
    Ok(match oid {
        oids::TEXT | oids::VARCHAR | oids::NAME | oids::UNKNOWN | oids::CSTRING => value.as_str().to_owned(),
        oids::BPCHAR => value.as_str().trim_end_matches(' ').to_owned(),
        oids::BOOL => if value.as_bool() { "true" } else { "false" }.to_owned(),
        _ => cx.io.type_ref(oid)?.output_string(value, cx.io)?,
    })
}

/// Text of the call's argument number `n`.
fn arg_text(cx: &EvalContext<'_>, n: usize, value: &Value) -> Result<String> {
    let oid = cx.arg_types.get(n).map_or(oids::TEXT, |t| t.oid);
    text_of(cx, oid, &value.0)
}

fn joined(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    check_value_size(a.len() + b.len())?;
    let mut out = Vec::with_capacity(a.len() + b.len());
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    Ok(out)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1258, "textcat", [TEXT, TEXT] => TEXT, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { joined(a, b) })).total(),
    func!(2011, "byteacat", [BYTEA, BYTEA] => BYTEA, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { joined(a, b) })).total(),
    func!(2003, "textanycat", [TEXT, ANYNONARRAY] => TEXT, scalar!(cx, |a: &str, b: Value| -> Result<String> {
        Ok(format!("{a}{}", arg_text(cx, 1, &b)?))
    })).total().stable(),
    func!(2004, "anytextcat", [ANYNONARRAY, TEXT] => TEXT, scalar!(cx, |a: Value, b: &str| -> Result<String> {
        Ok(arg_text(cx, 0, &a)? + b)
    })).total().stable(),
];
