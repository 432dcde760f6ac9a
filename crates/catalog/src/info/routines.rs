//! Functions described: arguments, result, CREATE FUNCTION.

use super::{Answer, Call, opt, text};
use crate::builtin::columns::{pg_aggregate, pg_language, pg_proc as p};
use crate::reader::{CatalogReader, quote_identifier, quote_qualified};
use crate::row::{Row, oid_datum};
use crate::stored::split_expressions;
use quarry_common::{Oid, Result, bail};
use quarry_types::Datum;

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_get_function_arguments", |c| arguments_of(c, true)),
    ("pg_get_function_identity_arguments", |c| arguments_of(c, false)),
    ("pg_get_function_result", |c| {
        Ok(opt(row_of(c.reader, c.oid(0))?.map(|r| result_text(c.reader, &r)).transpose()?.flatten()))
    }),
    ("pg_get_function_arg_default", pg_get_function_arg_default),
    ("pg_get_functiondef", pg_get_functiondef),
    ("pg_get_function_sqlbody", |_| Ok(Datum::Null)),
];

fn row_of(r: &CatalogReader, oid: Oid) -> Result<Option<Row>> {
    Ok(r.find_one(&r.snapshot(), p::TABLE, 2690, &[oid_datum(oid)])?.map(|(_, row)| row))
}

fn arguments_of(c: &Call<'_>, defaults: bool) -> Result<Datum> {
    match row_of(c.reader, c.oid(0))? {
        Some(row) => Ok(text(&arguments(c.reader, &row, defaults)?)),
        None => Ok(Datum::Null),
    }
}

/// One argument.
struct Argument {
    mode: char,
    name: String,
    ty: Oid,
}

fn all_arguments(row: &Row) -> Vec<Argument> {
    let mut types = row.oids(p::PROALLARGTYPES);
    if types.is_empty() {
        types = row.oids(p::PROARGTYPES);
    }
    let modes = row.texts(p::PROARGMODES);
    let names = row.texts(p::PROARGNAMES);
    let mode = |i: usize| modes.get(i).and_then(|m: &String| m.chars().next()).unwrap_or('i');
    types
        .into_iter()
        .enumerate()
        .map(|(i, ty)| Argument { mode: mode(i), name: names.get(i).cloned().unwrap_or_default(), ty })
        .collect()
}

/// The argument list without parentheses; table columns are part of the result instead.
fn arguments(r: &CatalogReader, row: &Row, defaults: bool) -> Result<String> {
    let inputs = row.i16(p::PRONARGS).max(0) as usize;
    let expressions = split_expressions(row.str(p::PROARGDEFAULTS));
    let first_default = inputs.saturating_sub(expressions.len());
    let direct = ordered_set_direct_arguments(r, row)?;
    let mut out = String::new();
    let mut input = 0;
    let all = all_arguments(row);
    let count = all.len();
    for (i, a) in all.into_iter().enumerate() {
        if a.mode == 't' {
            continue;
        }
        if Some(i) == direct && i > 0 {
            out.push_str(" ORDER BY ");
        } else if Some(i) == direct {
            out.push_str("ORDER BY ");
        } else if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(match a.mode {
            'o' => "OUT ",
            'b' => "INOUT ",
            'v' => "VARIADIC ",
            _ => "",
        });
        if !a.name.is_empty() {
            out.push_str(&quote_identifier(&a.name));
            out.push(' ');
        }
        out.push_str(&r.type_name(a.ty)?);
        if matches!(a.mode, 'i' | 'b' | 'v') {
            if defaults && let Some(d) = input_default(&expressions, input, first_default) {
                out.push_str(" DEFAULT ");
                out.push_str(d);
            }
            input += 1;
        }
        // A variadic last direct argument of a hypothetical-set aggregate stands for both lists.
        if direct == Some(count) && i + 1 == count && a.mode == 'v' {
            out.push_str(&format!(" ORDER BY VARIADIC {}", r.type_name(a.ty)?));
        }
    }
    Ok(out)
}
fn input_default(expressions: &[String], input: usize, first: usize) -> Option<&str> {
    input.checked_sub(first).and_then(|i| expressions.get(i)).map(String::as_str)
}
/// Before which argument ORDER BY stands, of an ordered-set aggregate.
fn ordered_set_direct_arguments(r: &CatalogReader, row: &Row) -> Result<Option<usize>> {
    if row.char(p::PROKIND) != 'a' {
        return Ok(None);
    }
    let found = r.find_one(&r.snapshot(), pg_aggregate::TABLE, 2650, &[oid_datum(row.oid(p::OID))])?;
    Ok(found
        .filter(|(_, a)| a.char(pg_aggregate::AGGKIND) != 'n')
        .map(|(_, a)| a.i16(pg_aggregate::AGGNUMDIRECTARGS).max(0) as usize))
}

fn result_text(r: &CatalogReader, row: &Row) -> Result<Option<String>> {
    if row.char(p::PROKIND) == 'p' {
        return Ok(None);
    }
    let columns: Vec<Argument> = all_arguments(row).into_iter().filter(|a| a.mode == 't').collect();
    if !columns.is_empty() {
        let mut list = Vec::with_capacity(columns.len());
        for c in columns {
            list.push(format!("{} {}", quote_identifier(&c.name), r.type_name(c.ty)?));
        }
        return Ok(Some(format!("TABLE({})", list.join(", "))));
    }
    let set = if row.bool(p::PRORETSET) { "SETOF " } else { "" };
    Ok(Some(format!("{set}{}", r.type_name(row.oid(p::PRORETTYPE))?)))
}

fn pg_get_function_arg_default(c: &Call<'_>) -> Result<Datum> {
    let Some(row) = row_of(c.reader, c.oid(0))? else { return Ok(Datum::Null) };
    let at = usize::try_from(c.int(1) - 1).ok();
    let all = all_arguments(&row);
    let Some(at) = at.filter(|i| all.get(*i).is_some_and(|a| matches!(a.mode, 'i' | 'b' | 'v'))) else {
        return Ok(Datum::Null);
    };
    let input = all[..at].iter().filter(|a| matches!(a.mode, 'i' | 'b' | 'v')).count();
    let expressions = split_expressions(row.str(p::PROARGDEFAULTS));
    let first = (row.i16(p::PRONARGS).max(0) as usize).saturating_sub(expressions.len());
    Ok(input_default(&expressions, input, first).map_or(Datum::Null, Datum::text))
}

fn pg_get_functiondef(c: &Call<'_>) -> Result<Datum> {
    let r = c.reader;
    let Some(row) = row_of(r, c.oid(0))? else { return Ok(Datum::Null) };
    let name = row.str(p::PRONAME);
    if row.char(p::PROKIND) == 'a' {
        bail!(WRONG_OBJECT_TYPE, "\"{name}\" is an aggregate function");
    }
    let schema = r.schema_name(row.oid(p::PRONAMESPACE))?;
    let mut out = format!(
        "CREATE OR REPLACE FUNCTION {}({})\n",
        quote_qualified(&schema, name),
        arguments(r, &row, true)?
    );
    if let Some(result) = result_text(r, &row)? {
        out.push_str(&format!(" RETURNS {result}\n"));
    }
    let language = r.find_one(&r.snapshot(), pg_language::TABLE, 2682, &[oid_datum(row.oid(p::PROLANG))])?;
    let language = language.map(|(_, l)| l.string(pg_language::LANNAME)).unwrap_or_default();
    out.push_str(&format!(" LANGUAGE {}\n", quote_identifier(&language)));
    let mut words = Vec::new();
    if row.char(p::PROKIND) == 'w' {
        words.push("WINDOW");
    }
    match row.char(p::PROVOLATILE) {
        'i' => words.push("IMMUTABLE"),
        's' => words.push("STABLE"),
        _ => {}
    }
    match row.char(p::PROPARALLEL) {
        's' => words.push("PARALLEL SAFE"),
        'r' => words.push("PARALLEL RESTRICTED"),
        _ => {}
    }
    if row.bool(p::PROISSTRICT) {
        words.push("STRICT");
    }
    if row.bool(p::PROSECDEF) {
        words.push("SECURITY DEFINER");
    }
    if !words.is_empty() {
        out.push_str(&format!(" {}\n", words.join(" ")));
    }
    let body = row.str(p::PROSRC);
    let mut tag = String::from("function");
    while body.contains(&format!("${tag}$")) {
        tag.push('x');
    }
    out.push_str(&format!("AS ${tag}${body}${tag}$\n"));
    Ok(text(&out))
}
