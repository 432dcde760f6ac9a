//! `pg_get_viewdef` and `pg_get_ruledef`: a view's stored query bound again and written as PostgreSQL shows it; and what can be
//! changed through a view (`pg_relation_is_updatable`, `pg_column_is_updatable`).
//!
//! They stand here and not with the catalog's other information functions because they need the binder.

use crate::context::SessionContext;
use quarry_catalog::{CatalogReader, RelKind, Relation, quote_identifier};
use quarry_common::{Oid, Result};
use quarry_plan::deparse::{self, Pretty};
use quarry_sql::bind::{self, BindContext};
use quarry_types::Datum;
use quarry_types::io::IoContext;

/// The answer, if `name` is one of these functions.
pub fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    name: &str,
    args: &[Datum],
) -> Result<Option<Datum>> {
    let text = |t: Option<String>| Some(t.map_or(Datum::Null, |t| Datum::text(&t)));
    // The second argument is "pretty" or a wrap column, which implies it.
    let (pretty, wrap) = match args.get(1) {
        Some(Datum::Bool(true)) => (Pretty::Full, 0),
        Some(Datum::I32(wrap)) => (Pretty::Full, *wrap),
        _ => (Pretty::Lines, 0),
    };
    Ok(match (name, args.first()) {
        ("pg_get_viewdef", Some(Datum::U32(oid))) => match reader.relation(Oid(*oid))? {
            Some(view) => text(Some(definition(cx, reader, &view, pretty, wrap)?)),
            None => text(None),
        },
        ("pg_get_viewdef", Some(Datum::Bytes(view))) => {
            let view = reader.relation_by_text(std::str::from_utf8(view).unwrap_or(""))?;
            text(Some(definition(cx, reader, &view, pretty, wrap)?))
        }
        ("pg_get_ruledef", Some(Datum::U32(rule))) => match reader.rule_view(Oid(*rule))? {
            Some((name, view)) => {
                let query = definition(cx, reader, &view, pretty, wrap)?;
                let relation = match (pretty, reader.is_visible_relation(view.oid)?) {
                    (Pretty::Full, Some(true)) => quote_identifier(&view.name),
                    _ => quarry_catalog::quote_qualified(&view.schema_name, &view.name),
                };
                let name = quote_identifier(&name);
                text(Some(format!("CREATE RULE {name} AS\n    ON SELECT TO {relation} DO INSTEAD {query}")))
            }
            None => text(None),
        },
        ("pg_relation_is_updatable", Some(Datum::U32(oid))) => {
            Some(Datum::I32(events(cx, reader, Oid(*oid), None)?))
        }
        ("pg_column_is_updatable", Some(Datum::U32(oid))) => {
            let column = match args.get(1) {
                Some(Datum::I16(c)) if *c > 0 => *c,
                _ => return Ok(Some(Datum::Bool(false))),
            };
            let events = events(cx, reader, Oid(*oid), Some(&[column]))?;
            Some(Datum::Bool(events & (UPDATE | DELETE) == UPDATE | DELETE))
        }
        _ => None,
    })
}

const UPDATE: i32 = 4;
const INSERT: i32 = 8;
const DELETE: i32 = 16;

/// Which changes a relation takes (PostgreSQL: relation_is_updatable); with `columns`, as far as these are concerned.
fn events(cx: &SessionContext, reader: &CatalogReader, oid: Oid, columns: Option<&[i16]>) -> Result<i32> {
    let Some(relation) = reader.relation(oid)? else { return Ok(0) };
    match (relation.kind, &relation.view_sql) {
        (RelKind::Table, _) => Ok(UPDATE | INSERT | DELETE),
        (RelKind::View, Some(sql)) if oid.0 >= Oid::FIRST_NORMAL.0 => {
            let io = IoContext { names: reader, ..cx.io() };
            let context = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
            let view = bind::bind_stored_view(sql, &context)?;
            let Some((base, numbers)) = view.base_columns() else { return Ok(0) };
            let wanted = |i: usize| columns.is_none_or(|c| c.contains(&(i as i16 + 1)));
            let below: Vec<i16> =
                numbers.iter().enumerate().filter(|(i, _)| wanted(*i)).filter_map(|(_, n)| *n).collect();
            let own = if below.is_empty() { DELETE } else { UPDATE | INSERT | DELETE };
            Ok(own & events(cx, reader, base, Some(&below))?)
        }
        _ => Ok(0),
    }
}

/// A view's query with its semicolon; empty for what is no view.
fn definition(
    cx: &SessionContext,
    reader: &CatalogReader,
    view: &Relation,
    pretty: Pretty,
    wrap: i32,
) -> Result<String> {
    let (RelKind::View | RelKind::MaterializedView, Some(sql)) = (view.kind, &view.view_sql) else {
        return Ok(String::new());
    };
    let io = IoContext { names: reader, ..cx.io() };
    let context = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
    match bind::bind_stored_view(sql, &context) {
        Ok(d) => {
            let columns: Vec<String> = view.columns.iter().map(|c| c.name.clone()).collect();
            Ok(deparse::shown_query(&d.tree, &columns, &d.meta, pretty, wrap, reader, &io) + ";")
        }
        // A system view may be written with what user's views can't store; its source says the same.
        Err(_) if view.oid.0 < Oid::FIRST_NORMAL.0 => Ok(format!("{};", sql.trim_end_matches(';'))),
        Err(e) => Err(e),
    }
}
