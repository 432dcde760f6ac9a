//! Constants as SQL text.

use super::Deparser;
use quarry_types::{Datum, SqlType, oids};

/// A constant with the type label it needs to be read back.
pub(super) fn write(d: &Deparser<'_>, value: &Datum, ty: SqlType, out: &mut String) {
    if value.is_null() {
        *out += &format!("NULL::{}", d.names.format_type(ty));
        return;
    }
    let text = text_of(d, value, ty);
    let label = match ty.oid {
        oids::BOOL => {
            *out += if text == "t" { "true" } else { "false" };
            return;
        }
        oids::INT4 => {
            let bare = !text.starts_with('-');
            if bare {
                *out += &text
            } else {
                quoted(&text, out)
            }
            !bare
        }
        oids::NUMERIC => {
            let bare = text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', 'e', 'E']);
            if text.starts_with(|c: char| c.is_ascii_digit()) {
                *out += &text
            } else {
                quoted(&text, out)
            }
            !bare || ty.typmod >= 0
        }
        oids::UNKNOWN => {
            quoted(&text, out);
            false
        }
        _ => {
            quoted(&text, out);
            true
        }
    };
    if label {
        *out += &format!("::{}", d.names.format_type(ty));
    }
}

/// A constant under an explicit cast: without a label of its own.
pub(super) fn write_bare(d: &Deparser<'_>, value: &Datum, ty: SqlType, out: &mut String) {
    if value.is_null() {
        *out += "NULL";
        return;
    }
    let text = text_of(d, value, ty);
    match ty.oid {
        oids::BOOL => *out += if text == "t" { "true" } else { "false" },
        oids::INT4 | oids::NUMERIC if text.starts_with(|c: char| c.is_ascii_digit()) => *out += &text,
        _ => quoted(&text, out),
    }
}

fn text_of(d: &Deparser<'_>, value: &Datum, ty: SqlType) -> String {
    let mut bytes = vec![];
    match d.io.type_ref(ty.oid).and_then(|t| t.output(value, d.io, &mut bytes)) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "?".into(),
    }
}

fn quoted(text: &str, out: &mut String) {
    if text.contains('\\') {
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}
