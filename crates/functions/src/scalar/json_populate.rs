//! One row from a JSON object: `json_populate_record`, `json_to_record` and their jsonb twins.

use crate::populate::{Js, record, target};
use crate::{EvalContext, FunctionDef, func, row_only};
use quarry_common::Result;
use quarry_types::{Datum, oids};

fn populate(cx: &EvalContext<'_>, function: &str, base: Option<&Datum>, document: &Datum) -> Result<Datum> {
    let target = target(cx, function, base)?;
    if document.is_null() {
        return Ok(target.base.unwrap_or(Datum::Null));
    }
    let at = usize::from(base.is_some());
    let js = Js::document(cx.arg_types.get(at).map_or(oids::JSON, |t| t.oid), document)?;
    record(cx, &target.columns, target.base.as_ref(), &js)
}

/// With a record whose values are kept where the object has none.
macro_rules! onto {
    ($name:literal) => {
        row_only!(|cx, args| populate(cx, $name, Some(&args[0]), &args[1]))
    };
}
/// With the columns of a column definition list.
macro_rules! fresh {
    ($name:literal) => {
        row_only!(|cx, args| populate(cx, $name, None, &args[0]))
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3960, "json_populate_record", [ANYELEMENT, JSON, BOOL] => ANYELEMENT, onto!("json_populate_record")).stable().lax().defaults(&["false"]).names(&["base", "from_json", "use_json_as_text"]),
    func!(3209, "jsonb_populate_record", [ANYELEMENT, JSONB] => ANYELEMENT, onto!("jsonb_populate_record")).stable().lax(),
    func!(3204, "json_to_record", [JSON] => RECORD, fresh!("json_to_record")).stable(),
    func!(3490, "jsonb_to_record", [JSONB] => RECORD, fresh!("jsonb_to_record")).stable(),
];
