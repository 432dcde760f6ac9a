//! CREATE TABLE AS and SELECT INTO.

use super::storage_parameters::{Owner, options_of};
use super::view::columns_of;
use super::{Ddl, persistence_of};
use crate::commands::{CommandOutcome, prepare};
use crate::portal::Portal;
use crate::session::Session;
use quarry_catalog::{NewRelation, Persistence, RelKind};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_executor::Execution;
use quarry_executor::write::TableWriter;
use quarry_plan::QueryMeta;
use quarry_sql::ast::{self, Statement};
use quarry_sql::bind;
use std::sync::Arc;
use std::time::Instant;

pub fn run(s: &mut Session, c: &ast::CreateTableAs, portal: &Portal) -> Result<CommandOutcome> {
    if c.materialized_view {
        return Err(Error::unsupported("CREATE MATERIALIZED VIEW"));
    }
    make(s, &c.into, &c.query, c.if_not_exists, portal, "CREATE TABLE AS", None)
}

/// SELECT ... INTO.
pub fn select_into(s: &mut Session, q: &ast::Query, portal: &Portal) -> Result<CommandOutcome> {
    let mut query = q.clone();
    let Some(into) = take_into(&mut query) else {
        return Err(Error::internal("SELECT without INTO is no command"));
    };
    make(s, &into, &Statement::Select(Box::new(query)), false, portal, "SELECT INTO", None)
}

/// The query of a statement that makes a table of its rows, without that; none: it is another statement.
pub fn query_of(stmt: &Statement) -> Option<Statement> {
    match stmt {
        Statement::CreateTableAs(c) if !c.materialized_view => Some(c.query.clone()),
        Statement::Select(q) => {
            let mut query = (**q).clone();
            take_into(&mut query)?;
            Some(Statement::Select(Box::new(query)))
        }
        _ => None,
    }
}

/// Whether the table that a statement makes is there already, and may be; 42P07 if it may not.
pub fn is_made_already(s: &mut Session, stmt: &Statement) -> Result<bool> {
    let mut query;
    let (into, if_not_exists) = match stmt {
        Statement::CreateTableAs(c) => (c.into.clone(), c.if_not_exists),
        Statement::Select(q) => {
            query = (**q).clone();
            match take_into(&mut query) {
                Some(into) => (into, false),
                None => return Ok(false),
            }
        }
        _ => return Ok(false),
    };
    let mut d = Ddl::new(s)?;
    let temporary = persistence_of(into.relation.persistence) == Persistence::Temporary;
    let schema = d.creation_schema(into.relation.schema.as_deref(), temporary, ast::NO_POS)?;
    exists(&d, schema, &into.relation.name, if_not_exists)
}

/// For EXPLAIN ANALYZE: makes the table and gives what was measured, and how many milliseconds that took.
pub fn observed(s: &mut Session, stmt: &Statement, portal: &Portal) -> Result<Option<(Execution, f64)>> {
    let mut seen = None;
    match stmt {
        Statement::CreateTableAs(c) => {
            make(s, &c.into, &c.query, c.if_not_exists, portal, "", Some(&mut seen))?
        }
        Statement::Select(q) => {
            let mut query = (**q).clone();
            let Some(into) = take_into(&mut query) else { return Ok(None) };
            make(s, &into, &Statement::Select(Box::new(query)), false, portal, "", Some(&mut seen))?
        }
        _ => return Ok(None),
    };
    Ok(seen)
}

fn exists(d: &Ddl, schema: Oid, name: &str, may_exist: bool) -> Result<bool> {
    if d.w.relation_in(schema, name)?.is_none() {
        return Ok(false);
    }
    if !may_exist {
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    d.notice(err!(DUPLICATE_TABLE, "relation \"{name}\" already exists, skipping"));
    Ok(true)
}

fn take_into(q: &mut ast::Query) -> Option<ast::IntoClause> {
    match &mut q.body {
        ast::QueryBody::Select(s) => s.into.take(),
        ast::QueryBody::SetOperation(s) => take_into(&mut s.left),
        ast::QueryBody::Values(_) => None,
    }
}

fn make(
    s: &mut Session,
    into: &ast::IntoClause,
    query: &Statement,
    if_not_exists: bool,
    portal: &Portal,
    tag: &str,
    seen: Option<&mut Option<(Execution, f64)>>,
) -> Result<CommandOutcome> {
    let (query, params, types) = match query {
        Statement::Execute(e) => {
            let prepared = prepare::find(s, &e.name)?;
            let values = prepare::arguments(s, &prepared, &e.args)?;
            let Some(stmt @ Statement::Select(_)) = prepared.statement.clone() else {
                bail!(WRONG_OBJECT_TYPE, "prepared statement is not a SELECT")
            };
            (stmt, values, prepared.param_types.clone())
        }
        other => (other.clone(), portal.params.clone(), portal.statement.param_types.clone()),
    };
    let mut d = Ddl::new(s)?;
    let persistence = persistence_of(into.relation.persistence);
    let temporary = persistence == Persistence::Temporary;
    if into.on_commit != ast::OnCommit::None && !temporary {
        bail!(INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables");
    }
    // The query's errors come before those of the name.
    let bound = d.st.analyze(&query, &types, false)?.bound;
    let schema = d.creation_schema(into.relation.schema.as_deref(), temporary, ast::NO_POS)?;
    let name = &into.relation.name;
    if exists(&d, schema, name, if_not_exists)? {
        return CommandOutcome::done("CREATE TABLE AS");
    }
    let mut new = NewRelation::new(name, schema, RelKind::Table, d.user());
    new.persistence = persistence;
    new.options = options_of(&into.with, Owner::Table)?;
    new.columns = columns_of(&d, &bound, &into.columns, "too many column names were specified")?;
    let values = (!params.is_empty()).then_some(&params[..]);
    let plan = d.st.plan(bound, values, portal.statement.source().part())?;
    let table = d.w.create_relation(&new)?;
    let mut count = 0;
    let mut env = d.env();
    env.params = params;
    env.instrument = seen.is_some();
    if !into.no_data {
        let mut meta = QueryMeta::default();
        let write = d.with_binder(|cx| bind::bind_table_write(&table, &mut meta, cx))?;
        let mut writer = TableWriter::new(&write, d.env())?;
        let began = Instant::now();
        let text = &portal.statement.text;
        let mut execution = crate::auto_explain::start(&d.st.session, Some(text), Arc::clone(&plan), env)?;
        while let Some(batch) = execution.next()? {
            let batch = quarry_executor::operator::dense(batch);
            count += batch.len as u64;
            writer.insert_batch(batch)?;
        }
        execution.finish()?;
        writer.finish()?;
        if let Some(seen) = seen {
            *seen = Some((execution, began.elapsed().as_secs_f64() * 1000.0));
        }
    } else if let Some(seen) = seen {
        *seen = Some((Execution::start(plan, env)?, 0.0));
    }
    match into.on_commit {
        ast::OnCommit::Drop => d.st.session.on_commit.lock().push((table.oid, true)),
        ast::OnCommit::DeleteRows => d.st.session.on_commit.lock().push((table.oid, false)),
        ast::OnCommit::None | ast::OnCommit::PreserveRows => {}
    }
    d.st.txn.advance_command();
    if into.no_data { CommandOutcome::done(tag) } else { CommandOutcome::done(&format!("SELECT {count}")) }
}
