//! Definitions of statistics objects as SQL (PostgreSQL: `pg_get_statisticsobj_worker` in ruleutils.c).

use super::definitions::{form, is_function_call, relation_reference};
use crate::arrays;
use crate::builtin::columns::pg_statistic_ext as x;
use crate::reader::{CatalogReader, quote_identifier, quote_qualified};
use crate::stored::split_expressions;
use quarry_common::{Oid, Result};
use quarry_types::Datum;

/// CREATE STATISTICS, or only what stands behind ON.
pub(super) fn definition(r: &CatalogReader, oid: Oid, columns_only: bool) -> Result<Option<String>> {
    let (Some(def), Some(row)) = (r.statistics_object(oid)?, r.statistics_row(oid)?) else {
        return Ok(None);
    };
    let Some(table) = r.relation(def.relation)? else { return Ok(None) };
    let mut elements: Vec<String> = def
        .columns
        .iter()
        .filter_map(|n| table.columns.get(usize::try_from(*n - 1).ok()?))
        .map(|c| quote_identifier(&c.name))
        .collect();
    for field in split_expressions(row.str(x::STXEXPRS)) {
        let sql = form(r, &field, true)?;
        elements.push(if is_function_call(&sql) { sql } else { format!("({sql})") });
    }
    let list = elements.join(", ");
    if columns_only {
        return Ok(Some(list));
    }
    let schema = r.schema(def.schema)?.map(|s| s.name.clone()).unwrap_or_default();
    let mut out = format!("CREATE STATISTICS {}", quote_qualified(&schema, &def.name));
    let kinds: Vec<&str> = [('d', "ndistinct"), ('f', "dependencies"), ('m', "mcv")]
        .into_iter()
        .filter(|(letter, _)| def.kinds.contains(letter))
        .map(|(_, name)| name)
        .collect();
    // Of one expression there is nothing to choose; all kinds are the default.
    if kinds.len() < 3 && elements.len() > 1 {
        out.push_str(&format!(" ({})", kinds.join(", ")));
    }
    out.push_str(&format!(" ON {list} FROM {}", relation_reference(r, &table, false)?));
    Ok(Some(out))
}

/// The expressions as a text array; NULL without any.
pub(super) fn expressions(r: &CatalogReader, oid: Oid) -> Result<Datum> {
    let Some(row) = r.statistics_row(oid)? else { return Ok(Datum::Null) };
    let texts: Vec<String> = split_expressions(row.str(x::STXEXPRS))
        .iter()
        .map(|field| form(r, field, false))
        .collect::<Result<_>>()?;
    Ok(if texts.is_empty() { Datum::Null } else { arrays::text_array(&texts) })
}
