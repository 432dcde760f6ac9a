//! Any SQL value as json or jsonb: what `to_json`, `json_agg`, `json_build_object`, `row_to_json` and their jsonb twins
//! share. Follows PostgreSQL's `datum_to_json` and `datum_to_jsonb`.

use crate::EvalContext;
use quarry_common::{Error, Result, err};
use quarry_types::array::{ArrayRef, Dimension};
use quarry_types::datetime::encode::{date_json, timestamp_json, timestamptz_json};
use quarry_types::json::{JsonbBuilder, escape_json, jsonb};
use quarry_types::numeric::Numeric;
use quarry_types::record::RecordRef;
use quarry_types::record::shape;
use quarry_types::{Datum, SqlType, TypeRef, oids};
use std::sync::Arc;

/// How values of a type become JSON.
enum Shape {
    Bool,
    /// A number, unless its text isn't one (NaN).
    Number,
    Date,
    Timestamp,
    Timestamptz,
    Json,
    Jsonb,
    Array,
    Record,
    /// A string of the type's output.
    Text(TypeRef),
}

fn shape_of(cx: &EvalContext<'_>, ty: SqlType) -> Result<Shape> {
    Ok(match ty.oid {
        oids::BOOL => Shape::Bool,
        oids::INT2 | oids::INT4 | oids::INT8 | oids::FLOAT4 | oids::FLOAT8 | oids::NUMERIC => Shape::Number,
        oids::DATE => Shape::Date,
        oids::TIMESTAMP => Shape::Timestamp,
        oids::TIMESTAMPTZ => Shape::Timestamptz,
        oids::JSON => Shape::Json,
        oids::JSONB => Shape::Jsonb,
        oids::RECORD => Shape::Record,
        _ => {
            let info = cx.io.type_ref(ty.oid)?;
            match info.base {
                Some(base) => shape_of(cx, base)?,
                None if info.is_array() => Shape::Array,
                None if info.kind == 'c' => Shape::Record,
                None => Shape::Text(info),
            }
        }
    })
}

/// Whether values of a type are arrays or records: aggregates put them on lines of their own.
pub fn is_structured(cx: &EvalContext<'_>, ty: SqlType) -> Result<bool> {
    Ok(matches!(shape_of(cx, ty)?, Shape::Array | Shape::Record))
}

/// The number's text, and whether JSON can have it bare.
fn number_text(cx: &EvalContext<'_>, ty: SqlType, value: &Datum) -> Result<(String, bool)> {
    let text = cx.io.type_ref(ty.oid)?.output_string(value, cx.io)?;
    let bare = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    Ok((text, bare))
}

/// The time types' JSON text.
fn time_text(cx: &EvalContext<'_>, shape: &Shape, value: &Datum) -> String {
    let mut out = Vec::new();
    match shape {
        Shape::Date => date_json(&mut out, value.as_i32()),
        Shape::Timestamp => timestamp_json(&mut out, value.as_i64()),
        _ => timestamptz_json(&mut out, value.as_i64(), &cx.io.time_zone),
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Names of a record's fields.
pub fn field_names(cx: &EvalContext<'_>, ty: SqlType, record: &RecordRef<'_>) -> Arc<[String]> {
    let own = record.sql_type();
    let ty = if own.oid.is_valid() && own != SqlType::RECORD { own } else { ty };
    let names = match ty.oid {
        oids::RECORD => shape::shape_of(ty.typmod).map(|s| s.names.clone()),
        _ => cx.io.names.column_names(ty),
    };
    match names {
        Some(names) if names.len() >= record.len() => names,
        _ => (1..=record.len()).map(|n| format!("f{n}")).collect(),
    }
}

/// Appends a value as JSON text. `lines`: elements and fields of an outermost array or record on lines of their own.
pub fn write_json(
    cx: &EvalContext<'_>,
    ty: SqlType,
    value: &Datum,
    lines: bool,
    out: &mut Vec<u8>,
) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match shape_of(cx, ty)? {
        Shape::Bool => out.extend_from_slice(if value.as_bool() { b"true" } else { b"false" }),
        Shape::Number => match number_text(cx, ty, value)? {
            (text, true) => out.extend_from_slice(text.as_bytes()),
            (text, false) => escape_json(out, &text),
        },
        shape @ (Shape::Date | Shape::Timestamp | Shape::Timestamptz) => {
            escape_json(out, &time_text(cx, &shape, value))
        }
        Shape::Json => out.extend_from_slice(value.as_bytes()),
        Shape::Jsonb => jsonb::Value::root(value.as_bytes()).write(out),
        Shape::Array => {
            let array = ArrayRef::of(value);
            let mut next = 0;
            write_dimension(cx, &array, &array.dims(), &mut next, lines, out)?;
        }
        Shape::Record => write_record(cx, ty, &RecordRef::of(value), lines, out)?,
        Shape::Text(info) => escape_json(out, &info.output_string(value, cx.io)?),
    }
    Ok(())
}

fn write_dimension(
    cx: &EvalContext<'_>,
    array: &ArrayRef<'_>,
    dims: &[Dimension],
    next: &mut usize,
    lines: bool,
    out: &mut Vec<u8>,
) -> Result<()> {
    let element = SqlType::of(array.element_oid());
    out.push(b'[');
    if let Some((dim, inner)) = dims.split_first() {
        for i in 0..dim.len {
            if i > 0 {
                out.extend_from_slice(if lines { b",\n " } else { b"," });
            }
            if inner.is_empty() {
                write_json(cx, element, &array.datum(*next), false, out)?;
                *next += 1;
            } else {
                write_dimension(cx, array, inner, next, false, out)?;
            }
        }
    }
    out.push(b']');
    Ok(())
}

fn write_record(
    cx: &EvalContext<'_>,
    ty: SqlType,
    record: &RecordRef<'_>,
    lines: bool,
    out: &mut Vec<u8>,
) -> Result<()> {
    let names = field_names(cx, ty, record);
    out.push(b'{');
    for (i, name) in (0..record.len()).zip(names.iter()) {
        if i > 0 {
            out.extend_from_slice(if lines { b",\n " } else { b"," });
        }
        escape_json(out, name);
        out.push(b':');
        write_json(cx, SqlType::of(record.field_oid(i)), &record.datum(i), false, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Adds a value to a jsonb under construction.
pub fn push_jsonb(cx: &EvalContext<'_>, ty: SqlType, value: &Datum, to: &mut JsonbBuilder) -> Result<()> {
    if value.is_null() {
        return to.null();
    }
    match shape_of(cx, ty)? {
        Shape::Bool => to.bool(value.as_bool()),
        Shape::Number => match number_text(cx, ty, value)? {
            (text, true) => to.number(Numeric::parse(&text)?.view()),
            (text, false) => to.string(&text),
        },
        shape @ (Shape::Date | Shape::Timestamp | Shape::Timestamptz) => {
            to.string(&time_text(cx, &shape, value))
        }
        Shape::Json => jsonb::parse::parse_into(value.as_str(), to),
        Shape::Jsonb => to.push_jsonb(value.as_bytes()),
        Shape::Array => {
            let array = ArrayRef::of(value);
            let mut next = 0;
            push_dimension(cx, &array, &array.dims(), &mut next, to)
        }
        Shape::Record => {
            let record = RecordRef::of(value);
            let names = field_names(cx, ty, &record);
            to.begin_object()?;
            for (i, name) in (0..record.len()).zip(names.iter()) {
                to.key(name)?;
                push_jsonb(cx, SqlType::of(record.field_oid(i)), &record.datum(i), to)?;
            }
            to.end()
        }
        Shape::Text(info) => to.string(&info.output_string(value, cx.io)?),
    }
}

fn push_dimension(
    cx: &EvalContext<'_>,
    array: &ArrayRef<'_>,
    dims: &[Dimension],
    next: &mut usize,
    to: &mut JsonbBuilder,
) -> Result<()> {
    let element = SqlType::of(array.element_oid());
    to.begin_array()?;
    if let Some((dim, inner)) = dims.split_first() {
        for _ in 0..dim.len {
            if inner.is_empty() {
                push_jsonb(cx, element, &array.datum(*next), to)?;
                *next += 1;
            } else {
                push_dimension(cx, array, inner, next, to)?;
            }
        }
    }
    to.end()
}

/// A value as a stored jsonb.
pub fn to_jsonb(cx: &EvalContext<'_>, ty: SqlType, value: &Datum) -> Result<Vec<u8>> {
    let mut builder = JsonbBuilder::new();
    push_jsonb(cx, ty, value, &mut builder)?;
    builder.finish()
}

/// The text of a value used as an object's key: 22023 unless it is a scalar. NULL is the caller's to refuse, with the
/// message its function has.
pub fn key_text(cx: &EvalContext<'_>, ty: SqlType, value: &Datum) -> Result<String> {
    Ok(match shape_of(cx, ty)? {
        Shape::Bool => if value.as_bool() { "true" } else { "false" }.to_owned(),
        Shape::Number => number_text(cx, ty, value)?.0,
        shape @ (Shape::Date | Shape::Timestamp | Shape::Timestamptz) => time_text(cx, &shape, value),
        Shape::Json | Shape::Jsonb | Shape::Array | Shape::Record => return Err(key_not_scalar()),
        Shape::Text(info) => info.output_string(value, cx.io)?,
    })
}

fn key_not_scalar() -> Error {
    err!(INVALID_PARAMETER_VALUE, "key value must be scalar, not array, composite, or json")
}
