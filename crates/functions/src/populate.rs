//! Rows from json and jsonb: what `json_populate_record`, `json_to_record` and their set and jsonb twins share (PostgreSQL:
//! `populate_record` in `jsonfuncs.c`).
//!
//! A scalar goes through its type's input, an array is built from a JSON array of any depth, a composite from a JSON object; a JSON
//! string may stand for either in that type's own text form.

use crate::EvalContext;
use crate::json_value::field_names;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::array::{ArrayBuilder, Dimension};
use quarry_types::json::lexer::Token;
use quarry_types::json::text::{self, Part};
use quarry_types::json::{escape_json, jsonb};
use quarry_types::record::shape::shape_of;
use quarry_types::record::{self, RecordRef};
use quarry_types::{Datum, PhysicalType, SqlType, oids};
use std::sync::Arc;

/// A JSON value of either type; a field that isn't there is [`Js::Missing`] and counts as null.
#[derive(Clone)]
pub enum Js<'a> {
    Missing,
    Json(Part<'a>),
    Jsonb(jsonb::Value<'a>),
}

/// The columns of a row.
pub struct Columns {
    pub row: SqlType,
    names: Arc<[String]>,
    types: Arc<[SqlType]>,
}

impl<'a> Js<'a> {
    /// The document of a json or jsonb argument.
    pub fn document(ty: Oid, value: &'a Datum) -> Result<Js<'a>> {
        if ty == oids::JSONB {
            return Ok(Js::Jsonb(jsonb::Value::root(value.as_bytes())));
        }
        match text::extract_path::<&str>(value.as_str(), &[])? {
            Some(part) => Ok(Js::Json(part)),
            None => Ok(Js::Missing),
        }
    }

    fn is_null(&self) -> bool {
        match self {
            Js::Missing => true,
            Js::Json(p) => p.token == Token::Null,
            Js::Jsonb(v) => v.is_null(),
        }
    }

    fn is_string(&self) -> bool {
        match self {
            Js::Missing => false,
            Js::Json(p) => p.token == Token::String,
            Js::Jsonb(v) => matches!(v, jsonb::Value::String(_)),
        }
    }

    pub fn is_array(&self) -> bool {
        match self {
            Js::Missing => false,
            Js::Json(p) => p.token == Token::ArrayStart,
            Js::Jsonb(v) => matches!(v, jsonb::Value::Array(_)),
        }
    }

    pub fn is_object(&self) -> bool {
        match self {
            Js::Missing => false,
            Js::Json(p) => p.token == Token::ObjectStart,
            Js::Jsonb(v) => matches!(v, jsonb::Value::Object(_)),
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Result<Vec<Js<'a>>> {
        Ok(match self {
            Js::Json(p) => text::elements(p.json)?.unwrap_or_default().into_iter().map(Js::Json).collect(),
            Js::Jsonb(jsonb::Value::Array(c)) => c.elements().map(Js::Jsonb).collect(),
            _ => vec![],
        })
    }

    /// What a type's input function is given.
    fn text_for(&self, ty: Oid) -> String {
        match self {
            Js::Missing => String::new(),
            Js::Json(p) => match p.as_text() {
                // A string for json stays a JSON string.
                Some(s) if p.token == Token::String && matches!(ty, oids::JSON | oids::JSONB) => {
                    let mut out = vec![];
                    escape_json(&mut out, &s);
                    String::from_utf8_lossy(&out).into_owned()
                }
                Some(s) => s,
                None => p.json.to_owned(),
            },
            Js::Jsonb(v) => match v {
                jsonb::Value::String(s) if !matches!(ty, oids::JSON | oids::JSONB) => (*s).to_owned(),
                v => {
                    let mut out = vec![];
                    v.write(&mut out);
                    String::from_utf8_lossy(&out).into_owned()
                }
            },
        }
    }
}

/// The fields of an object by name.
enum Fields<'a> {
    Json(Vec<(String, Part<'a>)>),
    Jsonb(jsonb::Container<'a>),
}

impl<'a> Fields<'a> {
    /// 22023 unless the value is an object.
    fn of(js: &Js<'a>) -> Result<Fields<'a>> {
        match js {
            Js::Json(p) if p.token == Token::ObjectStart => {
                Ok(Fields::Json(text::fields(p.json)?.unwrap_or_default()))
            }
            Js::Jsonb(jsonb::Value::Object(c)) => Ok(Fields::Jsonb(*c)),
            js if js.is_array() => {
                bail!(INVALID_PARAMETER_VALUE, "cannot call populate_composite on an array")
            }
            _ => bail!(INVALID_PARAMETER_VALUE, "cannot call populate_composite on a scalar"),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Fields::Json(list) => list.is_empty(),
            Fields::Jsonb(c) => c.is_empty(),
        }
    }

    /// Of fields with the same name the last one counts.
    fn get(&self, name: &str) -> Option<Js<'a>> {
        match self {
            Fields::Json(list) => {
                list.iter().rev().find(|(n, _)| n == name).map(|(_, p)| Js::Json(p.clone()))
            }
            Fields::Jsonb(c) => c.get(name).map(Js::Jsonb),
        }
    }
}

impl Columns {
    /// The columns of a composite type or a shaped record; none for rows of which nothing is known.
    pub fn of_type(cx: &EvalContext<'_>, ty: SqlType) -> Result<Option<Columns>> {
        if ty.oid == oids::RECORD {
            return Ok(shape_of(ty.typmod).map(|s| Columns {
                row: ty,
                names: s.names.clone(),
                types: s.types.clone(),
            }));
        }
        let types = cx.io.names.composite_columns(ty.oid)?;
        let names = match cx.io.names.column_names(ty) {
            Some(names) => names,
            None => (1..=types.len()).map(|n| format!("f{n}")).collect(),
        };
        Ok(Some(Columns { row: ty, names, types }))
    }

    /// The columns of a record as it is.
    pub fn of_record(cx: &EvalContext<'_>, record: &RecordRef<'_>) -> Result<Columns> {
        let ty = record.sql_type();
        if let Some(known) = Self::of_type(cx, ty)? {
            return Ok(known);
        }
        let types = (0..record.len()).map(|i| SqlType::of(record.field_oid(i))).collect();
        Ok(Columns { row: ty, names: field_names(cx, ty, record), types })
    }
}

/// The fields of a row: those of `base` where the object has none.
pub fn fields(
    cx: &EvalContext<'_>,
    columns: &Columns,
    base: Option<&Datum>,
    js: &Js<'_>,
) -> Result<Vec<Datum>> {
    let object = Fields::of(js)?;
    let base: Option<Vec<Datum>> = base.map(|b| RecordRef::of(b).iter().collect());
    if let Some(base) = &base
        && object.is_empty()
    {
        return Ok(base.clone());
    }
    let mut out = Vec::with_capacity(columns.types.len());
    for (i, (name, ty)) in columns.names.iter().zip(columns.types.iter()).enumerate() {
        let default = base.as_ref().and_then(|b| b.get(i)).cloned().unwrap_or(Datum::Null);
        let found = object.get(name);
        if base.is_some() && found.is_none() {
            out.push(default);
            continue;
        }
        out.push(field(cx, *ty, Some(name), default, found.unwrap_or(Js::Missing))?);
    }
    Ok(out)
}

/// A row as a record.
pub fn record(cx: &EvalContext<'_>, columns: &Columns, base: Option<&Datum>, js: &Js<'_>) -> Result<Datum> {
    let values = fields(cx, columns, base, js)?;
    Ok(record::of_type(columns.row, columns.types.iter().map(|t| t.oid).zip(&values)))
}

/// One value of a type. `key`: the field's name, for error messages.
fn field(cx: &EvalContext<'_>, ty: SqlType, key: Option<&str>, base: Datum, js: Js<'_>) -> Result<Datum> {
    let info = cx.io.type_ref(ty.oid)?;
    if let Some(inner) = info.base {
        let inner = if ty.typmod >= 0 { SqlType::with_typmod(inner.oid, ty.typmod) } else { inner };
        let value = if js.is_null() { Datum::Null } else { field(cx, inner, key, base, js)? };
        cx.io.names.check_domain(ty.oid, &value)?;
        return Ok(value);
    }
    if js.is_null() {
        return Ok(Datum::Null);
    }
    if !js.is_string() {
        if info.kind == 'c' {
            let base = Some(base).filter(|b| !b.is_null());
            let columns = match (Columns::of_type(cx, ty)?, &base) {
                (Some(columns), _) => columns,
                (None, Some(b)) => Columns::of_record(cx, &RecordRef::of(b))?,
                (None, None) => return Err(Error::unsupported("rows of an unknown type from JSON")),
            };
            return record(cx, &columns, base.as_ref(), &js);
        }
        if info.is_array() && info.element.is_valid() {
            let element = SqlType::with_typmod(info.element, ty.typmod);
            let physical = cx.io.type_ref(element.oid)?.physical;
            return Elements::collect(cx, element, physical, key, &js);
        }
    }
    if let (Js::Jsonb(v), oids::JSONB) = (&js, ty.oid) {
        return Ok(Datum::Bytes(v.to_jsonb()?.into()));
    }
    info.input(&js.text_for(ty.oid), ty.typmod, cx.io)
}

/// An array being built from nested JSON arrays. How deep it is, is settled by the first element that is no array, or by the first
/// array without elements.
struct Elements<'c> {
    cx: &'c EvalContext<'c>,
    element: SqlType,
    key: Option<&'c str>,
    out: ArrayBuilder,
    /// 0: not settled.
    depth: usize,
    /// The length of each dimension; none: not met yet.
    dims: Vec<Option<usize>>,
    /// Elements counted so far in the array at hand, by dimension.
    counts: Vec<usize>,
}

impl Elements<'_> {
    fn collect(
        cx: &EvalContext<'_>,
        element: SqlType,
        physical: PhysicalType,
        key: Option<&str>,
        js: &Js<'_>,
    ) -> Result<Datum> {
        let out = ArrayBuilder::new(element.oid, physical);
        let mut all = Elements { cx, element, key, out, depth: 0, dims: vec![], counts: vec![] };
        if !js.is_array() {
            return Err(all.expected_array(0));
        }
        all.walk(js, 1)?;
        let dims: Vec<Dimension> = all
            .dims
            .iter()
            .map(|d| Dimension { len: d.and_then(|n| i32::try_from(n).ok()).unwrap_or(0), lower: 1 })
            .collect();
        if dims.iter().any(|d| d.len == 0) {
            return Ok(quarry_types::array::empty(element.oid, physical));
        }
        all.out.finish(&dims)
    }

    fn settle(&mut self, depth: usize) {
        self.depth = depth;
        self.dims = vec![None; depth];
        self.counts = vec![0; depth];
    }

    /// An array whose elements are at `level`, counted from 1.
    fn walk(&mut self, js: &Js<'_>, level: usize) -> Result<()> {
        for e in js.elements()? {
            if self.depth == 0 && !e.is_array() {
                self.settle(level);
            }
            if self.depth == level {
                let value = field(self.cx, self.element, self.key, Datum::Null, e)?;
                match value {
                    Datum::Null => self.out.push_null(),
                    value => self.out.push(&value),
                }
                self.counts[level - 1] += 1;
            } else if e.is_array() {
                self.walk(&e, level + 1)?;
            } else {
                return Err(self.expected_array(level));
            }
        }
        if self.depth == 0 {
            self.settle(level);
        }
        self.end(level - 1)
    }

    /// An array of dimension `n` ends: it must be as long as its neighbours.
    fn end(&mut self, n: usize) -> Result<()> {
        if n >= self.depth {
            return Ok(());
        }
        match self.dims[n] {
            Some(len) if len != self.counts[n] => {
                return Err(err!(INVALID_TEXT_REPRESENTATION, "malformed JSON array")
                    .detail("Multidimensional arrays must have sub-arrays with matching dimensions."));
            }
            _ => self.dims[n] = Some(self.counts[n]),
        }
        self.counts[n] = 0;
        if n > 0 {
            self.counts[n - 1] += 1;
        }
        Ok(())
    }

    fn expected_array(&self, level: usize) -> Error {
        let e = err!(INVALID_TEXT_REPRESENTATION, "expected JSON array");
        let place: String = self.counts.iter().take(level).map(|n| format!("[{n}]")).collect();
        match (self.key, place.is_empty()) {
            (Some(key), true) => e.hint(format!("See the value of key \"{key}\".")),
            (Some(key), false) => e.hint(format!("See the array element {place} of key \"{key}\".")),
            (None, false) => e.hint(format!("See the array element {place}.")),
            (None, true) => e,
        }
    }
}

/// What a populating function works with: the row's columns and the record whose values are kept.
pub struct Target {
    pub columns: Columns,
    pub base: Option<Datum>,
}

/// Reads the base argument of `json_populate_record` and its kin, or (`base` none) the column definition list of
/// `json_to_record`'s.
pub fn target(cx: &EvalContext<'_>, function: &str, base: Option<&Datum>) -> Result<Target> {
    let unknown = || {
        err!(FEATURE_NOT_SUPPORTED, "could not determine row type for result of {function}").hint(
            "Provide a non-null record argument, or call the function in the FROM clause using a column definition list.",
        )
    };
    let Some(base) = base else {
        let columns = Columns::of_type(cx, cx.ret)?.ok_or_else(unknown)?;
        return Ok(Target { columns, base: None });
    };
    let mut ty = cx.arg_types.first().copied().unwrap_or(SqlType::UNKNOWN);
    while let Some(inner) = cx.io.type_ref(ty.oid)?.base {
        ty = inner;
    }
    if ty.oid != oids::RECORD && cx.io.type_ref(ty.oid)?.kind != 'c' {
        bail!(DATATYPE_MISMATCH, "first argument of {function} must be a row type");
    }
    let columns = match (base.is_null(), ty.oid == oids::RECORD) {
        (false, true) => Columns::of_record(cx, &RecordRef::of(base))?,
        // The row type comes from a column definition list.
        (true, true) => Columns::of_type(cx, cx.ret)?.ok_or_else(unknown)?,
        _ => Columns::of_type(cx, ty)?.ok_or_else(unknown)?,
    };
    Ok(Target { columns, base: Some(base.clone()).filter(|b| !b.is_null()) })
}
