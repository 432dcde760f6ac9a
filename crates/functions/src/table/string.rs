//! Rows from text: `regexp_matches`, `regexp_split_to_table`, `string_to_table`.

use super::collected::{text, values};
use crate::scalar::regex::{Flags, compiled};
use crate::scalar::{regexp, string_array};
use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::Result;
use quarry_types::{Datum, SqlType, oids};

type Source = Result<Box<dyn RowSource>>;

/// The flags argument, if the call has one.
fn flags(args: &[Datum]) -> &str {
    args.get(2).map_or("", Datum::as_str)
}

fn start_matches(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let subject = args[0].as_str();
    let f = Flags::parse(flags(args))?;
    let found = compiled(cx, args[1].as_str(), f)?.find_all(
        subject,
        0,
        if f.global { usize::MAX } else { 1 },
        false,
    )?;
    let arrays: Result<Vec<Datum>> = found.iter().map(|spans| regexp::groups_array(subject, spans)).collect();
    values(arrays?)
}

fn start_split(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let p = regexp::split_pattern(cx, args[1].as_str(), flags(args), "regexp_split_to_table")?;
    values(regexp::split(args[0].as_str(), &p)?.into_iter().map(text))
}

fn start_fields(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let optional = |n: usize| args.get(n).filter(|d| !d.is_null()).map(Datum::as_str);
    let Some(subject) = optional(0) else { return values([]) };
    let null = optional(2);
    let fields = string_array::fields(subject, optional(1));
    values(fields.into_iter().map(|f| if null == Some(f) { Datum::Null } else { text(f) }))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2763,
        "regexp_matches",
        &[oids::TEXT, oids::TEXT],
        oids::TEXT_ARRAY,
        Body::Set(SetImpl { start: start_matches, rows: 1.0 }),
    ),
    FunctionDef::new(
        2764,
        "regexp_matches",
        &[oids::TEXT, oids::TEXT, oids::TEXT],
        oids::TEXT_ARRAY,
        Body::Set(SetImpl { start: start_matches, rows: 10.0 }),
    ),
    FunctionDef::new(
        2765,
        "regexp_split_to_table",
        &[oids::TEXT, oids::TEXT],
        oids::TEXT,
        Body::Set(SetImpl { start: start_split, rows: 1000.0 }),
    ),
    FunctionDef::new(
        2766,
        "regexp_split_to_table",
        &[oids::TEXT, oids::TEXT, oids::TEXT],
        oids::TEXT,
        Body::Set(SetImpl { start: start_split, rows: 1000.0 }),
    ),
    FunctionDef::new(
        6160,
        "string_to_table",
        &[oids::TEXT, oids::TEXT],
        oids::TEXT,
        Body::Set(SetImpl { start: start_fields, rows: 1000.0 }),
    )
    .lax(),
    FunctionDef::new(
        6161,
        "string_to_table",
        &[oids::TEXT, oids::TEXT, oids::TEXT],
        oids::TEXT,
        Body::Set(SetImpl { start: start_fields, rows: 1000.0 }),
    )
    .lax(),
];
