//! Definitions as SQL: indexes, constraints, stored expressions. Formats are PostgreSQL's ruleutils'. Those of views need the binder
//! and are the session's.

use super::{Answer, Call, opt};
use crate::builtin::access_method::access_method;
use crate::builtin::columns::{pg_constraint, pg_index};
use crate::builtin::{oids, opclass};
use crate::defs::{ReferentialAction, Relation};
use crate::reader::{CatalogReader, quote_identifier, quote_qualified};
use crate::row::{Row, oid_datum};
use crate::stored::{expression_pretty, expression_sql, split_expressions};
use quarry_common::{Oid, Result};
use quarry_types::Datum;

pub(super) const ANSWERS: &[(&str, Answer)] = &[
    ("pg_get_indexdef", pg_get_indexdef),
    ("pg_get_constraintdef", pg_get_constraintdef),
    ("pg_get_expr", pg_get_expr),
    ("pg_get_partkeydef", |_| Ok(Datum::Null)),
    ("pg_get_partition_constraintdef", |_| Ok(Datum::Null)),
    ("pg_get_triggerdef", |_| Ok(Datum::Null)),
    ("pg_get_statisticsobjdef", |c| Ok(opt(super::statistics::definition(c.reader, c.oid(0), false)?))),
    ("pg_get_statisticsobjdef_columns", |c| {
        Ok(opt(super::statistics::definition(c.reader, c.oid(0), true)?))
    }),
    ("pg_get_statisticsobjdef_expressions", |c| super::statistics::expressions(c.reader, c.oid(0))),
];

/// A stored expression in the form asked for, with current names.
pub(super) fn form(r: &CatalogReader, field: &str, pretty: bool) -> Result<String> {
    r.display_sql(if pretty { expression_pretty(field) } else { expression_sql(field) })
}

fn pg_get_expr(c: &Call<'_>) -> Result<Datum> {
    Ok(Datum::text(&form(c.reader, c.text(0), c.bool(2))?))
}

fn pg_get_indexdef(c: &Call<'_>) -> Result<Datum> {
    let column = usize::try_from(c.int(1)).unwrap_or(usize::MAX);
    Ok(opt(index_definition(c.reader, c.oid(0), column, c.bool(2))?))
}

/// Whether an expression's text is a bare function call, which needs no parentheses as an index key.
pub(super) fn is_function_call(sql: &str) -> bool {
    let Some(open) = sql.find('(') else { return false };
    let name = &sql[..open];
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"')) {
        return false;
    }
    // The parenthesis must close at the very end.
    let (mut depth, mut quote) = (0, None);
    for (i, c) in sql.char_indices().skip_while(|(i, _)| *i < open) {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), _) if q == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth == 0 {
                    return i + 1 == sql.len();
                }
            }
            _ => {}
        }
    }
    false
}

/// A relation's name: always qualified, or as needed to find it.
pub(super) fn relation_reference(r: &CatalogReader, t: &Relation, always: bool) -> Result<String> {
    if !always && r.is_visible_relation(t.oid)? == Some(true) {
        return Ok(quote_identifier(&t.name));
    }
    Ok(quote_qualified(&t.schema_name, &t.name))
}

fn collation_reference(r: &CatalogReader, oid: Oid) -> Result<String> {
    Ok(r.collation_name(oid)?.map_or_else(|| oid.to_string(), |n| quote_identifier(&n)))
}

/// CREATE INDEX of an index, or with `column` (from 1) that key alone.
fn index_definition(r: &CatalogReader, oid: Oid, column: usize, pretty: bool) -> Result<Option<String>> {
    let Some((table, index)) = r.index(oid)? else { return Ok(None) };
    let row = r.find_one(&r.snapshot(), pg_index::TABLE, 2679, &[oid_datum(oid)])?;
    let fields = row.as_ref().map(|(_, r)| split_expressions(r.str(pg_index::INDEXPRS))).unwrap_or_default();
    let mut fields = fields.into_iter();
    let mut keys = Vec::with_capacity(index.keys.len());
    for key in &index.keys {
        let (mut text, key_collation) = match key.column {
            Some(i) => {
                let Some(c) = table.columns.get(i) else { return Ok(None) };
                (quote_identifier(&c.name), c.collation)
            }
            None => {
                let field = fields.next().or_else(|| key.expr_sql.clone()).unwrap_or_default();
                let sql = form(r, &field, pretty)?;
                let text = if is_function_call(&sql) { sql } else { format!("({sql})") };
                (text, r.type_ref(key.ty.oid)?.collation)
            }
        };
        if column == 0 {
            if key.collation.is_valid() && key.collation != key_collation {
                text.push_str(&format!(" COLLATE {}", collation_reference(r, key.collation)?));
            }
            let base = r.base_type(key.ty)?;
            let method = access_method(index.method).unwrap_or(oids::BTREE_AM);
            let default = opclass::default_opclass(method, &*r.type_ref(base.oid)?).map(|c| c.oid);
            let options = index.key_options.get(keys.len()).filter(|o| !o.is_empty());
            if (default != Some(key.opclass) || options.is_some())
                && let Some(class) = opclass::opclass(key.opclass)
            {
                text.push_str(&format!(" {}", r.opclass_name(class)?));
            }
            if let Some(options) = options {
                let options: Vec<String> = options.iter().map(|(n, v)| option_text(n, v)).collect();
                text.push_str(&format!(" ({})", options.join(", ")));
            }
            if index.method == "btree" {
                text.push_str(match (key.descending, key.nulls_first) {
                    (true, true) => " DESC",
                    (true, false) => " DESC NULLS LAST",
                    (false, true) => " NULLS FIRST",
                    (false, false) => "",
                });
            }
        }
        keys.push(text);
    }
    let included: Vec<String> = index
        .include
        .iter()
        .filter_map(|i| table.columns.get(*i))
        .map(|c| quote_identifier(&c.name))
        .collect();
    if column > 0 {
        return Ok(Some(keys.into_iter().chain(included).nth(column - 1).unwrap_or_default()));
    }
    let mut out = format!(
        "CREATE {}INDEX {} ON {} USING {} ({})",
        if index.unique { "UNIQUE " } else { "" },
        quote_identifier(&index.name),
        relation_reference(r, &table, !pretty)?,
        index.method,
        keys.join(", ")
    );
    if !included.is_empty() {
        out.push_str(&format!(" INCLUDE ({})", included.join(", ")));
    }
    if index.nulls_not_distinct {
        out.push_str(" NULLS NOT DISTINCT");
    }
    if let Some(own) = r.relation(oid)?
        && !own.options.is_empty()
    {
        let options: Vec<String> = own.options.iter().map(|(n, v)| option_text(n, v)).collect();
        out.push_str(&format!(" WITH ({})", options.join(", ")));
    }
    if let Some((_, row)) = &row {
        let predicate = row.str(pg_index::INDPRED);
        if !predicate.is_empty() {
            out.push_str(&format!(" WHERE {}", form(r, predicate, pretty)?));
        }
    }
    Ok(Some(out))
}

/// `name='value'`, with quotes unless the value is a plain identifier.
fn option_text(name: &str, value: &str) -> String {
    let plain = quote_identifier(value) == value;
    let value = if plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "''")) };
    format!("{}={value}", quote_identifier(name))
}

fn pg_get_constraintdef(c: &Call<'_>) -> Result<Datum> {
    Ok(opt(constraint_definition(c.reader, c.oid(0), c.bool(1))?))
}

fn column_list(t: &Relation, numbers: &[i16]) -> String {
    let names: Vec<String> = numbers
        .iter()
        .filter_map(|n| t.columns.get(usize::try_from(n - 1).ok()?))
        .map(|c| quote_identifier(&c.name))
        .collect();
    names.join(", ")
}

fn constraint_definition(r: &CatalogReader, oid: Oid, pretty: bool) -> Result<Option<String>> {
    let Some((_, row)) = r.find_one(&r.snapshot(), pg_constraint::TABLE, 2667, &[oid_datum(oid)])? else {
        return Ok(None);
    };
    let table = r.relation(row.oid(pg_constraint::CONRELID))?;
    let mut out = match (row.char(pg_constraint::CONTYPE), &table) {
        ('c', _) => {
            let field = row.str(pg_constraint::CONBIN);
            let inherit =
                if row.bool(pg_constraint::CONNOINHERIT) && table.is_some() { " NO INHERIT" } else { "" };
            format!("CHECK ({}){inherit}", form(r, field, pretty)?)
        }
        ('f', Some(t)) => foreign_key_definition(r, t, &row)?,
        (kind @ ('p' | 'u'), Some(t)) => {
            let index = t.indexes.iter().find(|i| i.oid == row.oid(pg_constraint::CONINDID));
            let mut out = String::from(if kind == 'p' { "PRIMARY KEY " } else { "UNIQUE " });
            if index.is_some_and(|i| i.nulls_not_distinct) {
                out.push_str("NULLS NOT DISTINCT ");
            }
            out.push_str(&format!("({})", column_list(t, &row.int2s(pg_constraint::CONKEY))));
            if let Some(i) = index.filter(|i| !i.include.is_empty()) {
                let numbers: Vec<i16> = i.include.iter().map(|c| *c as i16 + 1).collect();
                out.push_str(&format!(" INCLUDE ({})", column_list(t, &numbers)));
            }
            out
        }
        _ => return Ok(None),
    };
    if row.bool(pg_constraint::CONDEFERRABLE) {
        out.push_str(" DEFERRABLE");
    }
    if row.bool(pg_constraint::CONDEFERRED) {
        out.push_str(" INITIALLY DEFERRED");
    }
    if !row.bool(pg_constraint::CONVALIDATED) {
        out.push_str(" NOT VALID");
    }
    Ok(Some(out))
}

fn foreign_key_definition(r: &CatalogReader, t: &Relation, row: &Row) -> Result<String> {
    let target = r.relation(row.oid(pg_constraint::CONFRELID))?;
    let (name, columns) = match &target {
        Some(p) => (relation_reference(r, p, false)?, column_list(p, &row.int2s(pg_constraint::CONFKEY))),
        None => Default::default(),
    };
    let mut out = format!(
        "FOREIGN KEY ({}) REFERENCES {name}({columns})",
        column_list(t, &row.int2s(pg_constraint::CONKEY))
    );
    if row.char(pg_constraint::CONFMATCHTYPE) == 'f' {
        out.push_str(" MATCH FULL");
    }
    let action = |c: char| match crate::reader::action_of(c) {
        ReferentialAction::NoAction => None,
        ReferentialAction::Restrict => Some("RESTRICT"),
        ReferentialAction::Cascade => Some("CASCADE"),
        ReferentialAction::SetNull => Some("SET NULL"),
        ReferentialAction::SetDefault => Some("SET DEFAULT"),
    };
    if let Some(a) = action(row.char(pg_constraint::CONFUPDTYPE)) {
        out.push_str(&format!(" ON UPDATE {a}"));
    }
    if let Some(a) = action(row.char(pg_constraint::CONFDELTYPE)) {
        out.push_str(&format!(" ON DELETE {a}"));
        let set = row.int2s(pg_constraint::CONFDELSETCOLS);
        if !set.is_empty() {
            out.push_str(&format!(" ({})", column_list(t, &set)));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_calls_are_recognized() {
        for (sql, yes) in [
            ("lower(a)", true),
            ("public.f(a, (b + 1))", true),
            ("(a + b)", false),
            ("lower(a) || upper(b)", false),
            ("f(')')", true),
            ("(a)::text", false),
        ] {
            assert_eq!(is_function_call(sql), yes, "{sql}");
        }
    }
}
