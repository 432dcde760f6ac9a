//! REINDEX: indexes built anew in new files (PostgreSQL: commands/indexcmds.c); CONCURRENTLY: [`concurrently`].

use super::super::{CommandOutcome, concurrently};
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{IndexState, LockMode, Persistence, RelKind, Relation};
use quarry_common::progress::{Command, create_index};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_plan::QueryMeta;
use quarry_sql::ast;
use quarry_sql::bind::{self, BindContext};
use std::sync::Arc;
use std::time::Instant;

#[derive(Clone, Copy, Default)]
struct Options {
    concurrently: bool,
    verbose: bool,
}

fn options(list: &[ast::DefElem]) -> Result<Options> {
    let mut out = Options::default();
    for o in list {
        match o.name.to_ascii_lowercase().as_str() {
            "concurrently" => out.concurrently = super::super::copy::boolean_option(o)?,
            "verbose" => out.verbose = super::super::copy::boolean_option(o)?,
            "tablespace" => {
                let name = o.arg.as_ref().map(ast::DefArg::as_string).unwrap_or_default();
                if !matches!(name.as_str(), "pg_default" | "pg_global") {
                    bail!(UNDEFINED_OBJECT, "tablespace \"{name}\" does not exist");
                }
            }
            _ => {
                let e = err!(SYNTAX_ERROR, "unrecognized REINDEX option \"{}\"", o.name);
                return Err(match ast::error_position(o.pos) {
                    Some(p) => e.position(p),
                    None => e,
                });
            }
        }
    }
    Ok(out)
}

/// REINDEX.
pub fn reindex(s: &mut Session, r: &ast::Reindex) -> Result<CommandOutcome> {
    let st = s.statement_context()?;
    let o = options(&r.options)?;
    if o.concurrently {
        s.block.forbid_block("REINDEX CONCURRENTLY")?;
    }
    let parts = |r: &ast::RangeVar| -> Vec<String> {
        r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect()
    };
    match &r.target {
        ast::ReindexTarget::Index(name) => {
            let index = st.reader.resolve_relation(&parts(name), None)?;
            if index.kind != RelKind::Index {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", index.name);
            }
            let Some(table) = st.reader.index_table(index.oid)? else {
                return Err(Error::internal("an index without a table"));
            };
            drop(st);
            one(s, table, Some(index.oid), o)?;
        }
        ast::ReindexTarget::Table(name) => {
            let table = st.reader.resolve_relation(&parts(name), None)?;
            if !matches!(table.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Toast) {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or materialized view", table.name);
            }
            drop(st);
            if !one(s, table.oid, None, o)? {
                let what = if o.concurrently { "that can be reindexed concurrently" } else { "to reindex" };
                let e = err!(SUCCESSFUL_COMPLETION, "table \"{}\" has no indexes {what}", table.name);
                s.cx.push_notice(Severity::Notice, e);
            }
        }
        ast::ReindexTarget::Schema(name) => {
            s.block.forbid_block("REINDEX SCHEMA")?;
            let schema = st.reader.resolve_schema(&name.value, None)?;
            let tables = st.reader.relations_in_schema(schema, &['r', 'm'])?;
            each_alone(s, tables, o)?;
        }
        ast::ReindexTarget::Database(name) => {
            s.block.forbid_block("REINDEX DATABASE")?;
            check_database(s, name)?;
            let mut all = st.reader.all_relations(&['r', 'm'])?;
            // Those of the system catalogs aren't made anew here, as in PostgreSQL from 16 on.
            all.retain(|t| o.concurrently || !t.is_catalog);
            each_alone(s, all, o)?;
        }
        ast::ReindexTarget::System(name) => {
            s.block.forbid_block("REINDEX SYSTEM")?;
            if o.concurrently {
                return Err(not_catalogs());
            }
            check_database(s, name)?;
            return Err(Error::unsupported("REINDEX of system catalogs"));
        }
    }
    CommandOutcome::done("REINDEX")
}

fn not_catalogs() -> Error {
    err!(FEATURE_NOT_SUPPORTED, "cannot reindex system catalogs concurrently")
}

/// A table's indexes, or one of them. False: there are none.
fn one(s: &mut Session, table: Oid, only: Option<Oid>, o: Options) -> Result<bool> {
    let st = s.statement_context()?;
    if !o.concurrently {
        return rebuild(&st, table, only, o);
    }
    let Some(relation) = st.reader.relation(table)? else { return Ok(true) };
    if relation.is_catalog {
        return Err(not_catalogs());
    }
    if relation.persistence == Persistence::Temporary {
        return rebuild(&st, table, only, o);
    }
    st.reader.check_relation_owner(&relation)?;
    drop(st);
    concurrently::reindex(s, table, only, o.verbose)
}

fn check_database(s: &Session, name: &ast::Name) -> Result<()> {
    if name.value != s.cx.database.1 {
        bail!(FEATURE_NOT_SUPPORTED, "can only reindex the currently open database");
    }
    Ok(())
}

/// Each table in a transaction of its own, or in several.
fn each_alone(s: &mut Session, tables: Vec<Arc<Relation>>, o: Options) -> Result<()> {
    if o.concurrently && tables.iter().any(|t| t.is_catalog) {
        let e = err!(FEATURE_NOT_SUPPORTED, "cannot reindex system catalogs concurrently, skipping all");
        s.cx.push_notice(Severity::Warning, e);
    }
    for table in tables {
        if o.concurrently && table.persistence != Persistence::Temporary {
            if !table.is_catalog {
                concurrently::reindex(s, table.oid, None, o.verbose)?;
                s.next_transaction()?;
            }
            continue;
        }
        let txn = super::own_transaction(s);
        let st = StatementContext::new(&s.cx, &s.block, &txn);
        rebuild(&st, table.oid, None, o)?;
        txn.commit()?;
    }
    Ok(())
}

/// Builds a table's indexes anew, or one of them. False: there are none.
fn rebuild(st: &StatementContext, table: Oid, only: Option<Oid>, o: Options) -> Result<bool> {
    // Nobody waits, or holds others up, for a lock that he may not have.
    if let Some(relation) = st.reader.relation(table)? {
        st.reader.check_relation_owner(&relation)?;
    }
    let Some(relation) = st.reader.lock_relation_oid(table, LockMode::AccessExclusive)? else {
        return Ok(true);
    };
    if relation.is_catalog {
        return Err(Error::unsupported("REINDEX of system catalogs"));
    }
    st.reader.check_relation_owner(&relation)?;
    let progress = &st.session.signals.progress;
    let _running = progress.begin(Command::CreateIndex, table);
    progress.set(create_index::COMMAND, create_index::REINDEX);
    let w = super::super::role::writer(st);
    if let Some(dead) = only.filter(|oid| relation.indexes.iter().all(|i| i.oid != *oid)) {
        // What DROP INDEX CONCURRENTLY left.
        w.set_index_state(dead, IndexState::Valid)?;
    }
    let Some(relation) = w.relation(table)? else { return Ok(true) };
    // Who changes an index alone, its name for instance, locks nothing else.
    for i in relation.indexes.iter().filter(|i| only.is_none_or(|o| o == i.oid)) {
        st.reader.lock_oid_only(i.oid, LockMode::AccessExclusive)?;
    }
    let Some(relation) = w.relation(table)? else { return Ok(true) };
    let mut was_valid = vec![];
    for i in relation.indexes.iter().filter(|i| only.is_none_or(|o| o == i.oid)) {
        w.new_storage(i.oid)?;
        match i.valid && i.ready {
            true => was_valid.push(i.oid),
            false => w.set_index_state(i.oid, IndexState::Valid)?,
        }
    }
    let Some(relation) = w.relation(table)? else { return Ok(true) };
    let io = st.io();
    let reader = w.reader();
    let cx = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
    let write = bind::bind_table_write(&relation, &mut QueryMeta::default(), &cx)?;
    let env = st.exec_env(Arc::from([]), false);
    for bound in write.indexes.iter().filter(|i| only.is_none_or(|o| o == i.index.oid)) {
        let began = Instant::now();
        let done = quarry_executor::index_build::build(&env, &relation, bound, &write.row, None)?;
        let again = was_valid.contains(&bound.index.oid);
        w.note_index_built(bound.index.oid, done.table_rows, done.entries, done.not_for_older, again)?;
        if o.verbose {
            st.session.push_notice(Severity::Info, built(&bound.index.name, began));
        }
    }
    Ok(!relation.indexes.is_empty())
}

fn built(index: &str, began: Instant) -> Error {
    err!(SUCCESSFUL_COMPLETION, "index \"{index}\" was reindexed")
        .detail(format!("Elapsed: {:.2} s", began.elapsed().as_secs_f64()))
}
