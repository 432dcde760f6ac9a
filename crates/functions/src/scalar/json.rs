//! Access to parts of json and jsonb, and changes of jsonb.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail};
use quarry_types::array::ArrayRef;
use quarry_types::json::{jsonb, text};
use quarry_types::oids;

/// Elements of a text array.
pub(crate) fn path_of<'a>(array: &ArrayRef<'a>) -> Vec<Option<&'a str>> {
    (0..array.len())
        .map(|i| {
            let text =
                || std::str::from_utf8(array.bytes_at(i)).expect("text values are checked when they enter");
            (!array.is_null(i)).then(text)
        })
        .collect()
}

/// A path to what is changed; 2202E for an array of more than one dimension.
fn flat_path<'a>(array: &ArrayRef<'a>) -> Result<Vec<Option<&'a str>>> {
    if array.ndim() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    Ok(path_of(array))
}

/// The path, or none if an element is NULL.
fn whole_path<'a>(array: &ArrayRef<'a>) -> Option<Vec<&'a str>> {
    path_of(array).into_iter().collect()
}

fn json_of(part: Option<text::Part<'_>>) -> Option<String> {
    part.map(|p| p.json.to_owned())
}

fn text_of(part: Option<text::Part<'_>>) -> Option<String> {
    part.and_then(|p| p.as_text())
}

fn stored(value: Option<jsonb::Value<'_>>) -> Result<Option<Vec<u8>>> {
    value.map(jsonb::Value::to_jsonb).transpose()
}

fn at_path<'a>(json: &'a str, path: &ArrayRef<'_>) -> Result<Option<text::Part<'a>>> {
    match whole_path(path) {
        Some(p) => text::extract_path(json, &p),
        None => Ok(None),
    }
}

fn at_path_b<'a>(json: &'a [u8], path: &ArrayRef<'_>) -> Option<jsonb::Value<'a>> {
    jsonb::extract_path(json, &whole_path(path)?)
}

fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    jsonb::Value::root(json).write_pretty(&mut out);
    out
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3947, "json_object_field", [JSON, TEXT] => JSON, scalar!(|j: &str, k: &str| -> Result<Option<String>> { Ok(json_of(text::object_field(j, k)?)) })).names(&["from_json", "field_name"]),
    func!(3948, "json_object_field_text", [JSON, TEXT] => TEXT, scalar!(|j: &str, k: &str| -> Result<Option<String>> { Ok(text_of(text::object_field(j, k)?)) })).names(&["from_json", "field_name"]),
    func!(3949, "json_array_element", [JSON, INT4] => JSON, scalar!(|j: &str, i: i32| -> Result<Option<String>> { Ok(json_of(text::array_element(j, i)?)) })).names(&["from_json", "element_index"]),
    func!(3950, "json_array_element_text", [JSON, INT4] => TEXT, scalar!(|j: &str, i: i32| -> Result<Option<String>> { Ok(text_of(text::array_element(j, i)?)) })).names(&["from_json", "element_index"]),
    func!(3951, "json_extract_path", [JSON, TEXT_ARRAY] => JSON, scalar!(|j: &str, p: ArrayRef<'_>| -> Result<Option<String>> { Ok(json_of(at_path(j, &p)?)) })).variadic(oids::TEXT).names(&["from_json", "path_elems"]),
    func!(3953, "json_extract_path_text", [JSON, TEXT_ARRAY] => TEXT, scalar!(|j: &str, p: ArrayRef<'_>| -> Result<Option<String>> { Ok(text_of(at_path(j, &p)?)) })).variadic(oids::TEXT).names(&["from_json", "path_elems"]),
    func!(3968, "json_typeof", [JSON] => TEXT, scalar!(|j: &str| -> Result<&'static str> { text::type_of(j) })),
    func!(3956, "json_array_length", [JSON] => INT4, scalar!(|j: &str| -> Result<i32> { Ok(text::array_length(j)? as i32) })),
    func!(3261, "json_strip_nulls", [JSON] => JSON, scalar!(|j: &str| -> Result<String> { text::strip_nulls(j) })),
    func!(3478, "jsonb_object_field", [JSONB, TEXT] => JSONB, scalar!(|j: &[u8], k: &str| -> Result<Option<Vec<u8>>> { stored(jsonb::object_field(j, k)) })).names(&["from_json", "field_name"]),
    func!(3214, "jsonb_object_field_text", [JSONB, TEXT] => TEXT, scalar!(|j: &[u8], k: &str| -> Option<String> { jsonb::object_field(j, k)?.as_text() })).names(&["from_json", "field_name"]),
    func!(3215, "jsonb_array_element", [JSONB, INT4] => JSONB, scalar!(|j: &[u8], i: i32| -> Result<Option<Vec<u8>>> { stored(jsonb::array_element(j, i)) })).names(&["from_json", "element_index"]),
    func!(3216, "jsonb_array_element_text", [JSONB, INT4] => TEXT, scalar!(|j: &[u8], i: i32| -> Option<String> { jsonb::array_element(j, i)?.as_text() })).names(&["from_json", "element_index"]),
    func!(3217, "jsonb_extract_path", [JSONB, TEXT_ARRAY] => JSONB, scalar!(|j: &[u8], p: ArrayRef<'_>| -> Result<Option<Vec<u8>>> { stored(at_path_b(j, &p)) })).variadic(oids::TEXT).names(&["from_json", "path_elems"]),
    func!(3940, "jsonb_extract_path_text", [JSONB, TEXT_ARRAY] => TEXT, scalar!(|j: &[u8], p: ArrayRef<'_>| -> Option<String> { at_path_b(j, &p)?.as_text() })).variadic(oids::TEXT).names(&["from_json", "path_elems"]),
    func!(3210, "jsonb_typeof", [JSONB] => TEXT, scalar!(|j: &[u8]| -> String { jsonb::Value::root(j).type_name().to_owned() })),
    func!(3207, "jsonb_array_length", [JSONB] => INT4, scalar!(|j: &[u8]| -> Result<i32> { Ok(jsonb::array_length(j)? as i32) })),
    func!(3262, "jsonb_strip_nulls", [JSONB] => JSONB, scalar!(|j: &[u8]| -> Result<Vec<u8>> { jsonb::strip_nulls(j) })),
    func!(3306, "jsonb_pretty", [JSONB] => TEXT, scalar!(|j: &[u8]| -> Vec<u8> { pretty(j) })),
    func!(4046, "jsonb_contains", [JSONB, JSONB] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { jsonb::compare::contains(a, b) })),
    func!(4050, "jsonb_contained", [JSONB, JSONB] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { jsonb::compare::contains(b, a) })),
    func!(4047, "jsonb_exists", [JSONB, TEXT] => BOOL, scalar!(|j: &[u8], k: &str| -> bool { jsonb::compare::exists(j, k) })),
    func!(4048, "jsonb_exists_any", [JSONB, TEXT_ARRAY] => BOOL, scalar!(|j: &[u8], k: ArrayRef<'_>| -> bool { jsonb::compare::exists_any(j, path_of(&k).into_iter()) })),
    func!(4049, "jsonb_exists_all", [JSONB, TEXT_ARRAY] => BOOL, scalar!(|j: &[u8], k: ArrayRef<'_>| -> bool { jsonb::compare::exists_all(j, path_of(&k).into_iter()) })),
    func!(3301, "jsonb_concat", [JSONB, JSONB] => JSONB, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { jsonb::concat(a, b) })),
    func!(3302, "jsonb_delete", [JSONB, TEXT] => JSONB, scalar!(|j: &[u8], k: &str| -> Result<Vec<u8>> { jsonb::delete_key(j, k) })),
    func!(3343, "jsonb_delete", [JSONB, TEXT_ARRAY] => JSONB, scalar!(|j: &[u8], k: ArrayRef<'_>| -> Result<Vec<u8>> { jsonb::delete_keys(j, &flat_path(&k)?) })).variadic(oids::TEXT).names(&["from_json", "path_elems"]),
    func!(3303, "jsonb_delete", [JSONB, INT4] => JSONB, scalar!(|j: &[u8], i: i32| -> Result<Vec<u8>> { jsonb::delete_index(j, i) })),
    func!(3304, "jsonb_delete_path", [JSONB, TEXT_ARRAY] => JSONB, scalar!(|j: &[u8], p: ArrayRef<'_>| -> Result<Vec<u8>> { jsonb::delete_path(j, &flat_path(&p)?) })),
    func!(3305, "jsonb_set", [JSONB, TEXT_ARRAY, JSONB, BOOL] => JSONB, scalar!(|j: &[u8], p: ArrayRef<'_>, new: &[u8], create: bool| -> Result<Vec<u8>> { jsonb::set(j, &flat_path(&p)?, new, create) })).defaults(&["true"]).names(&["jsonb_in", "path", "replacement", "create_if_missing"]),
    func!(3579, "jsonb_insert", [JSONB, TEXT_ARRAY, JSONB, BOOL] => JSONB, scalar!(|j: &[u8], p: ArrayRef<'_>, new: &[u8], after: bool| -> Result<Vec<u8>> { jsonb::insert(j, &flat_path(&p)?, new, after) })).defaults(&["false"]).names(&["jsonb_in", "path", "replacement", "insert_after"]),
    func!(5054, "jsonb_set_lax", [JSONB, TEXT_ARRAY, JSONB, BOOL, TEXT] => JSONB, scalar!(|j: Option<&[u8]>, p: Option<ArrayRef<'_>>, new: Option<&[u8]>, create: Option<bool>, t: Option<&str>| -> Result<Option<Vec<u8>>> {
        match (j, p, create) {
            (Some(j), Some(p), Some(create)) => jsonb::set_lax(j, &flat_path(&p)?, new, create, t).map(Some),
            _ => Ok(None),
        }
    })).lax().defaults(&["true", "'use_json_null'::text"]).names(&["jsonb_in", "path", "replacement", "create_if_missing", "null_value_treatment"]),
];
