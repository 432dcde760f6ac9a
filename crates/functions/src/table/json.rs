//! Rows from json and jsonb.

use super::collected::{rows, text, values};
use crate::scalar::json_path::PathEnv;
use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::Result;
use quarry_types::json::{jsonb, path, text as json_text};
use quarry_types::{Datum, SqlType, oids};

type Source = Result<Box<dyn RowSource>>;

fn opt_text(s: Option<String>) -> Datum {
    s.map_or(Datum::Null, |s| Datum::Bytes(s.into()))
}

fn stored(v: jsonb::Value<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(v.to_jsonb()?.into()))
}

fn json_elements(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    values(json_text::array_elements(args[0].as_str(), "json_array_elements")?.iter().map(|p| text(p.json)))
}

fn json_elements_text(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let parts = json_text::array_elements(args[0].as_str(), "json_array_elements_text")?;
    values(parts.iter().map(|p| opt_text(p.as_text())))
}

fn json_each(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    rows(json_text::each(args[0].as_str())?.iter().map(|(k, p)| vec![text(k), text(p.json)]).collect())
}

fn json_each_text(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    rows(
        json_text::each(args[0].as_str())?
            .iter()
            .map(|(k, p)| vec![text(k), opt_text(p.as_text())])
            .collect(),
    )
}

fn json_keys(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    values(json_text::object_keys(args[0].as_str())?.iter().map(|k| text(k)))
}

fn jsonb_elements(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let found: Result<Vec<Datum>> = jsonb::elements_of(args[0].as_bytes())?.elements().map(stored).collect();
    values(found?)
}

fn jsonb_elements_text(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    values(jsonb::elements_of(args[0].as_bytes())?.elements().map(|v| opt_text(v.as_text())))
}

fn jsonb_each(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let pairs = jsonb::pairs_of(args[0].as_bytes(), "jsonb_each")?;
    let found: Result<Vec<Vec<Datum>>> = pairs.pairs().map(|(k, v)| Ok(vec![text(k), stored(v)?])).collect();
    rows(found?)
}

fn jsonb_each_text(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let pairs = jsonb::pairs_of(args[0].as_bytes(), "jsonb_each_text")?;
    rows(pairs.pairs().map(|(k, v)| vec![text(k), opt_text(v.as_text())]).collect())
}

fn jsonb_keys(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    values(jsonb::keys_of(args[0].as_bytes())?.pairs().map(|(k, _)| text(k)))
}

fn path_rows(cx: &EvalContext<'_>, args: &[Datum], zoned: bool) -> Source {
    let path = path::compiled(args[1].as_str())?;
    let env = PathEnv::new(cx, zoned);
    let found = path::query(&path, args[0].as_bytes(), Some(args[2].as_bytes()), args[3].as_bool(), &env)?;
    values(found.into_iter().map(|v| Datum::Bytes(v.into())))
}

fn path_query(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    path_rows(cx, args, false)
}

fn path_query_tz(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    path_rows(cx, args, true)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3955,
        "json_array_elements",
        &[oids::JSON],
        oids::JSON,
        Body::Set(SetImpl { start: json_elements, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("value", oids::JSON)]),
    FunctionDef::new(
        3969,
        "json_array_elements_text",
        &[oids::JSON],
        oids::TEXT,
        Body::Set(SetImpl { start: json_elements_text, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("value", oids::TEXT)]),
    FunctionDef::new(
        3958,
        "json_each",
        &[oids::JSON],
        oids::RECORD,
        Body::Set(SetImpl { start: json_each, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("key", oids::TEXT), ("value", oids::JSON)]),
    FunctionDef::new(
        3959,
        "json_each_text",
        &[oids::JSON],
        oids::RECORD,
        Body::Set(SetImpl { start: json_each_text, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("key", oids::TEXT), ("value", oids::TEXT)]),
    FunctionDef::new(
        3957,
        "json_object_keys",
        &[oids::JSON],
        oids::TEXT,
        Body::Set(SetImpl { start: json_keys, rows: 100.0 }),
    ),
    FunctionDef::new(
        3219,
        "jsonb_array_elements",
        &[oids::JSONB],
        oids::JSONB,
        Body::Set(SetImpl { start: jsonb_elements, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("value", oids::JSONB)]),
    FunctionDef::new(
        3465,
        "jsonb_array_elements_text",
        &[oids::JSONB],
        oids::TEXT,
        Body::Set(SetImpl { start: jsonb_elements_text, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("value", oids::TEXT)]),
    FunctionDef::new(
        3208,
        "jsonb_each",
        &[oids::JSONB],
        oids::RECORD,
        Body::Set(SetImpl { start: jsonb_each, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("key", oids::TEXT), ("value", oids::JSONB)]),
    FunctionDef::new(
        3932,
        "jsonb_each_text",
        &[oids::JSONB],
        oids::RECORD,
        Body::Set(SetImpl { start: jsonb_each_text, rows: 100.0 }),
    )
    .names(&["from_json"])
    .outs(&[("key", oids::TEXT), ("value", oids::TEXT)]),
    FunctionDef::new(
        3931,
        "jsonb_object_keys",
        &[oids::JSONB],
        oids::TEXT,
        Body::Set(SetImpl { start: jsonb_keys, rows: 100.0 }),
    ),
    FunctionDef::new(
        4006,
        "jsonb_path_query",
        &[oids::JSONB, oids::JSONPATH, oids::JSONB, oids::BOOL],
        oids::JSONB,
        Body::Set(SetImpl { start: path_query, rows: 1000.0 }),
    )
    .defaults(&["'{}'::jsonb", "false"])
    .names(&["target", "path", "vars", "silent"]),
    FunctionDef::new(
        1179,
        "jsonb_path_query_tz",
        &[oids::JSONB, oids::JSONPATH, oids::JSONB, oids::BOOL],
        oids::JSONB,
        Body::Set(SetImpl { start: path_query_tz, rows: 1000.0 }),
    )
    .stable()
    .defaults(&["'{}'::jsonb", "false"])
    .names(&["target", "path", "vars", "silent"]),
];
