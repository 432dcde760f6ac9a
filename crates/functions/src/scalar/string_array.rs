//! Text to array and back: `string_to_array`, `array_to_string`.

use super::format::arg_text_of;
use crate::kernel::check_buffer;
use crate::{EvalContext, FunctionDef, func, scalar};
use quarry_common::Result;
use quarry_types::array::{ArrayBuilder, ArrayRef};
use quarry_types::{PhysicalType, oids};

/// Fields of `text`: no separator (NULL): its characters; an empty one: the whole.
pub(crate) fn fields<'t>(text: &'t str, separator: Option<&str>) -> Vec<&'t str> {
    match separator {
        _ if text.is_empty() => Vec::new(),
        None => text.char_indices().map(|(i, c)| &text[i..i + c.len_utf8()]).collect(),
        Some("") => vec![text],
        Some(s) => text.split(s).collect(),
    }
}

fn to_array(text: Option<&str>, separator: Option<&str>, null: Option<&str>) -> Result<Option<Vec<u8>>> {
    let Some(text) = text else { return Ok(None) };
    let mut b = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    for field in fields(text, separator) {
        if null == Some(field) {
            b.push_null();
        } else {
            b.push_bytes(field.as_bytes());
        }
    }
    Ok(Some(b.finish_1d()?.as_bytes().to_vec()))
}

fn join(cx: &EvalContext<'_>, array: ArrayRef<'_>, separator: &str, null: Option<&str>) -> Result<String> {
    let mut out = String::new();
    let mut first = true;
    for (i, element) in array.iter().enumerate() {
        let text = if array.is_null(i) {
            let Some(null) = null else { continue };
            null.to_owned()
        } else {
            arg_text_of(cx, array.element_oid(), &element)?
        };
        if !first {
            check_buffer(out.len(), separator.len() + text.len() + 1)?;
            out.push_str(separator);
        }
        first = false;
        out.push_str(&text);
    }
    Ok(out)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(394, "string_to_array", [TEXT, TEXT] => TEXT_ARRAY, scalar!(|t: Option<&str>, s: Option<&str>| -> Result<Option<Vec<u8>>> { to_array(t, s, None) })).lax(),
    func!(376, "string_to_array", [TEXT, TEXT, TEXT] => TEXT_ARRAY, scalar!(|t: Option<&str>, s: Option<&str>, n: Option<&str>| -> Result<Option<Vec<u8>>> { to_array(t, s, n) })).lax(),
    func!(395, "array_to_string", [ANYARRAY, TEXT] => TEXT, scalar!(cx, |a: ArrayRef<'_>, s: &str| -> Result<String> { join(cx, a, s, None) })).stable(),
    func!(384, "array_to_string", [ANYARRAY, TEXT, TEXT] => TEXT, scalar!(cx, |a: Option<ArrayRef<'_>>, s: Option<&str>, n: Option<&str>| -> Result<Option<String>> {
        match (a, s) {
            (Some(a), Some(s)) => join(cx, a, s, n).map(Some),
            _ => Ok(None),
        }
    })).stable().lax(),
];
