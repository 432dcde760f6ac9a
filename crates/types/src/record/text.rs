//! Records' text: `(1,"a b",)`; an empty field is NULL.

use super::{RecordBuilder, RecordRef};
use crate::ints::is_space;
use crate::{Datum, IoContext, SqlType, TypeInfo, oids};
use quarry_common::{Error, Result, bail, err};
use std::sync::Arc;

fn malformed(text: &str, detail: &str) -> Error {
    err!(INVALID_TEXT_REPRESENTATION, "malformed record literal: \"{text}\"").detail(detail)
}

/// The columns of a composite type; 0A000 for anonymous rows, whose types are not known from the outside.
pub(super) fn columns(t: &TypeInfo, cx: &IoContext<'_>) -> Result<Arc<[SqlType]>> {
    if t.oid == oids::RECORD {
        bail!(FEATURE_NOT_SUPPORTED, "input of anonymous composite types is not implemented");
    }
    cx.names.composite_columns(t.oid)
}

pub(crate) fn input(t: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    let columns = columns(t, cx)?;
    let bytes = text.as_bytes();
    let space = |at: usize| bytes[at..].iter().take_while(|b| is_space(**b)).count();
    let mut at = space(0);
    if bytes.get(at) != Some(&b'(') {
        return Err(malformed(text, "Missing left parenthesis."));
    }
    at += 1;
    let mut builder = RecordBuilder::new(t.oid);
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            match bytes.get(at) {
                Some(b',') => at += 1,
                _ => return Err(malformed(text, "Too few columns.")),
            }
        }
        let info = cx.type_ref(column.oid)?;
        if matches!(bytes.get(at), Some(b',' | b')')) {
            if info.kind == 'd' {
                cx.names.check_domain(column.oid, &Datum::Null)?;
            }
            builder.push(column.oid, &Datum::Null);
            continue;
        }
        let mut value = Vec::new();
        let mut quoted = false;
        loop {
            let Some(&b) = bytes.get(at) else {
                return Err(malformed(text, "Unexpected end of input."));
            };
            if !quoted && matches!(b, b',' | b')') {
                break;
            }
            at += 1;
            match b {
                b'\\' => {
                    let Some(&escaped) = bytes.get(at) else {
                        return Err(malformed(text, "Unexpected end of input."));
                    };
                    value.push(escaped);
                    at += 1;
                }
                b'"' if quoted && bytes.get(at) == Some(&b'"') => {
                    value.push(b'"');
                    at += 1;
                }
                b'"' => quoted = !quoted,
                b => value.push(b),
            }
        }
        let value = String::from_utf8(value).expect("parts of UTF-8 text cut at ASCII characters");
        builder.push(column.oid, &info.input(&value, column.typmod, cx)?);
    }
    if bytes.get(at) != Some(&b')') {
        return Err(malformed(
            text,
            if columns.is_empty() { "Too few columns." } else { "Too many columns." },
        ));
    }
    at += 1;
    if at + space(at) != bytes.len() {
        return Err(malformed(text, "Junk after right parenthesis."));
    }
    Ok(builder.finish())
}

pub(crate) fn output(_: &TypeInfo, v: &Datum, cx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let record = RecordRef::of(v);
    let mut value = Vec::new();
    out.push(b'(');
    for i in 0..record.len() {
        if i > 0 {
            out.push(b',');
        }
        if record.is_null(i) {
            continue;
        }
        value.clear();
        cx.type_ref(record.field_oid(i))?.output(&record.datum(i), cx, &mut value)?;
        let special = |b: &u8| matches!(b, b'"' | b'\\' | b'(' | b')' | b',') || is_space(*b);
        if !value.is_empty() && !value.iter().any(special) {
            out.extend_from_slice(&value);
            continue;
        }
        out.push(b'"');
        for b in &value {
            if matches!(b, b'"' | b'\\') {
                out.push(*b);
            }
            out.push(*b);
        }
        out.push(b'"');
    }
    out.push(b')');
    Ok(())
}
