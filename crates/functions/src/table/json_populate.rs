//! Rows from a JSON array of objects: `json_populate_recordset`, `json_to_recordset` and their jsonb twins.

use super::collected::rows;
use crate::populate::{Js, fields, target};
use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::{Result, bail};
use quarry_types::{Datum, SqlType, oids};

fn populate(
    cx: &EvalContext<'_>,
    function: &str,
    base: Option<&Datum>,
    document: &Datum,
) -> Result<Box<dyn RowSource>> {
    let target = target(cx, function, base)?;
    if document.is_null() {
        return rows(vec![]);
    }
    let at = usize::from(base.is_some());
    let ty = cx.arg_types.get(at).map_or(oids::JSON, |t| t.oid);
    let js = Js::document(ty, document)?;
    if !js.is_array() {
        let what = match (ty == oids::JSONB, js.is_object()) {
            (true, _) => "a non-array",
            (false, true) => "an object",
            (false, false) => "a scalar",
        };
        bail!(INVALID_PARAMETER_VALUE, "cannot call {function} on {what}");
    }
    let mut out = vec![];
    for element in js.elements()? {
        if !element.is_object() {
            bail!(INVALID_PARAMETER_VALUE, "argument of {function} must be an array of objects");
        }
        out.push(fields(cx, &target.columns, target.base.as_ref(), &element)?);
        if out.len().is_multiple_of(1024) {
            cx.env.check_cancelled()?;
        }
    }
    rows(out)
}

/// A record whose values are kept where an object has none comes first.
macro_rules! onto {
    ($name:literal) => {
        SetImpl {
            start: |cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]| {
                populate(cx, $name, Some(&args[0]), &args[1])
            },
            rows: 100.0,
        }
    };
}
/// With the columns of a column definition list.
macro_rules! fresh {
    ($name:literal) => {
        SetImpl {
            start: |cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]| {
                populate(cx, $name, None, &args[0])
            },
            rows: 100.0,
        }
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3961,
        "json_populate_recordset",
        &[oids::ANYELEMENT, oids::JSON, oids::BOOL],
        oids::ANYELEMENT,
        Body::Set(onto!("json_populate_recordset")),
    )
    .stable()
    .lax()
    .defaults(&["false"])
    .names(&["base", "from_json", "use_json_as_text"]),
    FunctionDef::new(
        3475,
        "jsonb_populate_recordset",
        &[oids::ANYELEMENT, oids::JSONB],
        oids::ANYELEMENT,
        Body::Set(onto!("jsonb_populate_recordset")),
    )
    .stable()
    .lax(),
    FunctionDef::new(
        3205,
        "json_to_recordset",
        &[oids::JSON],
        oids::RECORD,
        Body::Set(fresh!("json_to_recordset")),
    )
    .stable()
    .lax(),
    FunctionDef::new(
        3491,
        "jsonb_to_recordset",
        &[oids::JSONB],
        oids::RECORD,
        Body::Set(fresh!("jsonb_to_recordset")),
    )
    .stable()
    .lax(),
];
