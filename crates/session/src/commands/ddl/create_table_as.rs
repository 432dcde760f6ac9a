//! CREATE TABLE AS and SELECT INTO.

use super::storage_parameters::{Owner, options_of};
use super::view::columns_of;
use super::{Ddl, persistence_of};
use crate::commands::{CommandOutcome, prepare};
use crate::portal::Portal;
use crate::session::Session;
use quarry_catalog::{NewRelation, Persistence, RelKind};
use quarry_common::{Error, Result, bail, err};
use quarry_executor::Execution;
use quarry_executor::write::TableWriter;
use quarry_plan::QueryMeta;
use quarry_sql::ast::{self, Statement};
use quarry_sql::bind;
use quarry_types::Datum;
use std::sync::Arc;

pub fn run(s: &mut Session, c: &ast::CreateTableAs, portal: &Portal) -> Result<CommandOutcome> {
    if c.materialized_view {
        return Err(Error::unsupported("CREATE MATERIALIZED VIEW"));
    }
    make(s, &c.into, &c.query, c.if_not_exists, portal, "CREATE TABLE AS")
}

/// SELECT ... INTO.
pub fn select_into(s: &mut Session, q: &ast::Query, portal: &Portal) -> Result<CommandOutcome> {
    let mut query = q.clone();
    let Some(into) = take_into(&mut query) else {
        return Err(Error::internal("SELECT without INTO is no command"));
    };
    make(s, &into, &Statement::Select(Box::new(query)), false, portal, "SELECT INTO")
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
    let schema = d.creation_schema(into.relation.schema.as_deref(), temporary, ast::NO_POS)?;
    let name = &into.relation.name;
    if d.w.relation_in(schema, name)?.is_some() {
        if if_not_exists {
            d.notice(err!(DUPLICATE_TABLE, "relation \"{name}\" already exists, skipping"));
            return CommandOutcome::done("CREATE TABLE AS");
        }
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    let bound = d.st.analyze(&query, &types, false)?.bound;
    let mut new = NewRelation::new(name, schema, RelKind::Table, d.user());
    new.persistence = persistence;
    new.options = options_of(&into.with, Owner::Table)?;
    new.columns = columns_of(&d, &bound, &into.columns, "too many column names were specified")?;
    let plan = d.st.plan(bound, if params.is_empty() { None } else { Some(&params[..] as &[Datum]) })?;
    let table = d.w.create_relation(&new)?;
    let mut count = 0;
    if !into.no_data {
        let mut meta = QueryMeta::default();
        let write = d.with_binder(|cx| bind::bind_table_write(&table, &mut meta, cx))?;
        let env = d.env();
        let mut writer = TableWriter::new(&write, env)?;
        let mut env = d.env();
        env.params = params;
        let mut execution = Execution::start(Arc::clone(&plan), env)?;
        while let Some(batch) = execution.next()? {
            let batch = quarry_executor::operator::dense(batch);
            count += batch.len as u64;
            writer.insert_batch(batch)?;
        }
        execution.finish()?;
        writer.finish()?;
    }
    match into.on_commit {
        ast::OnCommit::Drop => d.st.session.on_commit.lock().push((table.oid, true)),
        ast::OnCommit::DeleteRows => d.st.session.on_commit.lock().push((table.oid, false)),
        ast::OnCommit::None | ast::OnCommit::PreserveRows => {}
    }
    d.st.txn.advance_command();
    if into.no_data { CommandOutcome::done(tag) } else { CommandOutcome::done(&format!("SELECT {count}")) }
}
