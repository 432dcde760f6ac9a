//! json and jsonb from values: `to_json`, `row_to_json`, the build and object functions.

use crate::json_value::{key_text, push_jsonb, to_jsonb, write_json};
use crate::{EvalContext, FunctionDef, func, row_only};
use quarry_common::{Result, bail, err};
use quarry_types::array::ArrayRef;
use quarry_types::json::{JsonbBuilder, escape_json};
use quarry_types::{Datum, SqlType, oids};

fn arg_type(cx: &EvalContext<'_>, n: usize) -> SqlType {
    cx.arg_types.get(n).copied().unwrap_or(SqlType::UNKNOWN)
}

fn to_json(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = Vec::new();
    let lines = args.get(1).is_some_and(Datum::as_bool);
    write_json(cx, arg_type(cx, 0), &args[0], lines, &mut out)?;
    Ok(Datum::Bytes(out.into()))
}

/// Checks what the keys of a build function have in common.
fn check_pairs(args: &[Datum], function: &str) -> Result<()> {
    if !args.len().is_multiple_of(2) {
        return Err(err!(INVALID_PARAMETER_VALUE, "argument list must have even number of elements")
            .hint(format!("The arguments of {function}() must consist of alternating keys and values.")));
    }
    Ok(())
}

fn build_json_object(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    check_pairs(args, "json_build_object")?;
    let mut out = vec![b'{'];
    for n in (0..args.len()).step_by(2) {
        if n > 0 {
            out.extend_from_slice(b", ");
        }
        if args[n].is_null() {
            return Err(err!(INVALID_PARAMETER_VALUE, "argument {} cannot be null", n + 1)
                .hint("Object keys should be text."));
        }
        escape_json(&mut out, &key_text(cx, arg_type(cx, n), &args[n])?);
        out.extend_from_slice(b" : ");
        write_json(cx, arg_type(cx, n + 1), &args[n + 1], false, &mut out)?;
    }
    out.push(b'}');
    Ok(Datum::Bytes(out.into()))
}

fn build_json_array(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = vec![b'['];
    for (n, value) in args.iter().enumerate() {
        if n > 0 {
            out.extend_from_slice(b", ");
        }
        write_json(cx, arg_type(cx, n), value, false, &mut out)?;
    }
    out.push(b']');
    Ok(Datum::Bytes(out.into()))
}

fn build_jsonb_object(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    check_pairs(args, "jsonb_build_object")?;
    let mut b = JsonbBuilder::new();
    b.begin_object()?;
    for n in (0..args.len()).step_by(2) {
        if args[n].is_null() {
            bail!(INVALID_PARAMETER_VALUE, "argument {}: key must not be null", n + 1);
        }
        b.key(&key_text(cx, arg_type(cx, n), &args[n])?)?;
        push_jsonb(cx, arg_type(cx, n + 1), &args[n + 1], &mut b)?;
    }
    b.end()?;
    Ok(Datum::Bytes(b.finish()?.into()))
}

fn build_jsonb_array(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut b = JsonbBuilder::new();
    b.begin_array()?;
    for (n, value) in args.iter().enumerate() {
        push_jsonb(cx, arg_type(cx, n), value, &mut b)?;
    }
    b.end()?;
    Ok(Datum::Bytes(b.finish()?.into()))
}

/// Keys and values of `json_object`'s array or arrays.
fn text_pairs(args: &[Datum]) -> Result<Vec<(String, Option<String>)>> {
    let text = |a: &ArrayRef<'_>, i: usize| (!a.is_null(i)).then(|| a.datum(i).as_str().to_owned());
    let keys = ArrayRef::of(&args[0]);
    let pair = |key: Option<String>, value| match key {
        Some(key) => Ok((key, value)),
        None => Err(err!(NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key")),
    };
    if let Some(values) = args.get(1) {
        let values = ArrayRef::of(values);
        if keys.ndim() > 1 || keys.ndim() != values.ndim() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
        }
        if keys.len() != values.len() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions");
        }
        return (0..keys.len()).map(|i| pair(text(&keys, i), text(&values, i))).collect();
    }
    match keys.ndim() {
        0 => {}
        1 if !keys.len().is_multiple_of(2) => {
            bail!(ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements")
        }
        2 if keys.dimension(1).len != 2 => bail!(ARRAY_SUBSCRIPT_ERROR, "array must have two columns"),
        1 | 2 => {}
        _ => bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"),
    }
    (0..keys.len()).step_by(2).map(|i| pair(text(&keys, i), text(&keys, i + 1))).collect()
}

fn json_object(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = vec![b'{'];
    for (n, (key, value)) in text_pairs(args)?.iter().enumerate() {
        if n > 0 {
            out.extend_from_slice(b", ");
        }
        escape_json(&mut out, key);
        out.extend_from_slice(b" : ");
        match value {
            Some(v) => escape_json(&mut out, v),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(Datum::Bytes(out.into()))
}

fn jsonb_object(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut b = JsonbBuilder::new();
    b.begin_object()?;
    for (key, value) in text_pairs(args)? {
        b.key(&key)?;
        match value {
            Some(v) => b.string(&v)?,
            None => b.null()?,
        }
    }
    b.end()?;
    Ok(Datum::Bytes(b.finish()?.into()))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3176, "to_json", [ANYELEMENT] => JSON, row_only!(to_json)).stable(),
    func!(3155, "row_to_json", [RECORD] => JSON, row_only!(to_json)).stable(),
    func!(3156, "row_to_json", [RECORD, BOOL] => JSON, row_only!(to_json)).stable(),
    func!(3153, "array_to_json", [ANYARRAY] => JSON, row_only!(to_json)).stable(),
    func!(3154, "array_to_json", [ANYARRAY, BOOL] => JSON, row_only!(to_json)).stable(),
    func!(3787, "to_jsonb", [ANYELEMENT] => JSONB, row_only!(|cx, args| Ok(Datum::Bytes(to_jsonb(cx, arg_type(cx, 0), &args[0])?.into())))).stable(),
    func!(3201, "json_build_object", [] => JSON, row_only!(build_json_object)).stable().lax(),
    func!(3200, "json_build_object", [ANY] => JSON, row_only!(build_json_object)).stable().lax().variadic(oids::ANY),
    func!(3199, "json_build_array", [] => JSON, row_only!(build_json_array)).stable().lax(),
    func!(3198, "json_build_array", [ANY] => JSON, row_only!(build_json_array)).stable().lax().variadic(oids::ANY),
    func!(3274, "jsonb_build_object", [] => JSONB, row_only!(build_jsonb_object)).stable().lax(),
    func!(3273, "jsonb_build_object", [ANY] => JSONB, row_only!(build_jsonb_object)).stable().lax().variadic(oids::ANY),
    func!(3272, "jsonb_build_array", [] => JSONB, row_only!(build_jsonb_array)).stable().lax(),
    func!(3271, "jsonb_build_array", [ANY] => JSONB, row_only!(build_jsonb_array)).stable().lax().variadic(oids::ANY),
    func!(3202, "json_object", [TEXT_ARRAY] => JSON, row_only!(json_object)),
    func!(3203, "json_object", [TEXT_ARRAY, TEXT_ARRAY] => JSON, row_only!(json_object)),
    func!(3263, "jsonb_object", [TEXT_ARRAY] => JSONB, row_only!(jsonb_object)),
    func!(3264, "jsonb_object", [TEXT_ARRAY, TEXT_ARRAY] => JSONB, row_only!(jsonb_object)),
];
