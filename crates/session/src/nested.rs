//! Statements that functions get as text, inside the statement that calls them (`ts_stat`, `ts_rewrite`; PostgreSQL: `SPI_cursor_open`,
//! read-only).

use crate::auto_explain;
use crate::commands::tag_of;
use crate::context::SessionContext;
use crate::prepared::{Level, Source};
use crate::query::StatementContext;
use quarry_common::{Error, Result, SqlState, bail, err};
use quarry_sql::ast::Statement;
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// Types and rows of a query.
pub fn run(session: &Arc<SessionContext>, sql: &str) -> Result<(Vec<SqlType>, Vec<Vec<Datum>>)> {
    let parsed = quarry_sql::parse::parse_statements(sql).map_err(|e| in_text(e, sql))?;
    let Ok([one]) = <[_; 1]>::try_from(parsed) else {
        bail!(INVALID_CURSOR_DEFINITION, "cannot open multi-query plan as cursor");
    };
    let stmt = one.stmt;
    let cx = StatementContext::of_reader(session, session.reader()?, true);
    let tag = tag_of(&stmt);
    let is_query = matches!(
        stmt,
        Statement::Select(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)
    );
    if !is_query {
        return Err(match stmt {
            Statement::Explain(_) => not_allowed(tag, sql),
            _ => err!(INVALID_CURSOR_DEFINITION, "cannot open {tag} query as cursor"),
        });
    }
    let analyzed = cx.analyze(&stmt, &[], false).map_err(|e| in_text(e, sql))?;
    let types: Vec<SqlType> = analyzed.columns.iter().map(|c| c.1).collect();
    if types.is_empty() && !matches!(stmt, Statement::Select(_)) {
        bail!(INVALID_CURSOR_DEFINITION, "cannot open {tag} query as cursor");
    }
    let rows = || -> Result<Vec<Vec<Datum>>> {
        let plan =
            cx.plan(analyzed.bound, Some(&[]), Source { text: sql, query: None, level: Level::Part })?;
        if !plan.read_only {
            return Err(not_allowed(tag, sql));
        }
        let mut execution =
            auto_explain::start_nested(session, sql, plan, cx.exec_env(Arc::from([]), false))?;
        let mut rows = Vec::new();
        while let Some(batch) = execution.next()? {
            for i in batch.rows().iter() {
                rows.push(batch.columns.iter().map(|c| c.datum(i)).collect());
            }
        }
        execution.finish()?;
        Ok(rows)
    };
    let rows = rows().map_err(|e| match e.sqlstate() {
        SqlState::FEATURE_NOT_SUPPORTED if e.fields().context.is_some() => e,
        _ => e.context(format!("SQL statement \"{sql}\"")),
    })?;
    Ok((types, rows))
}

fn not_allowed(tag: &str, sql: &str) -> Error {
    err!(FEATURE_NOT_SUPPORTED, "{tag} is not allowed in a non-volatile function")
        .context(format!("SQL statement \"{sql}\""))
}

/// An error's position is one in this text, not in the client's.
fn in_text(mut e: Error, sql: &str) -> Error {
    let fields = e.fields_mut();
    match fields.position.take() {
        Some(position) => {
            fields.internal_position =
                Some(sql.get(..position).map_or(position, |before| before.chars().count()));
            fields.internal_query = Some(sql.to_owned());
            e
        }
        None => e.context(format!("SQL statement \"{sql}\"")),
    }
}
