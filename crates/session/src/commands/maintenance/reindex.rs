//! REINDEX: indexes built anew in new files (PostgreSQL: commands/indexcmds.c).

use super::super::CommandOutcome;
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::{LockMode, RelKind};
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
            rebuild(&st, table, Some(index.oid), o)?;
        }
        ast::ReindexTarget::Table(name) => {
            let table = st.reader.resolve_relation(&parts(name), None)?;
            if !matches!(table.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Toast) {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or materialized view", table.name);
            }
            if !rebuild(&st, table.oid, None, o)? {
                let what = if o.concurrently { "that can be reindexed concurrently" } else { "to reindex" };
                let e = err!(SUCCESSFUL_COMPLETION, "table \"{}\" has no indexes {what}", table.name);
                s.cx.push_notice(Severity::Notice, e);
            }
        }
        ast::ReindexTarget::Schema(name) => {
            s.block.forbid_block("REINDEX SCHEMA")?;
            let schema = st.reader.resolve_schema(&name.value, None)?;
            let tables = st.reader.relations_in_schema(schema, &['r', 'm'])?;
            each_alone(s, tables.iter().map(|t| t.oid), o)?;
        }
        ast::ReindexTarget::Database(name) => {
            s.block.forbid_block("REINDEX DATABASE")?;
            check_database(s, name)?;
            // Those of the system catalogs aren't made anew here, as in PostgreSQL from 16 on.
            let all = st.reader.all_relations(&['r', 'm'])?;
            each_alone(s, all.iter().filter(|t| !t.is_catalog).map(|t| t.oid), o)?;
        }
        ast::ReindexTarget::System(name) => {
            s.block.forbid_block("REINDEX SYSTEM")?;
            check_database(s, name)?;
            return Err(Error::unsupported("REINDEX of system catalogs"));
        }
    }
    CommandOutcome::done("REINDEX")
}

fn check_database(s: &Session, name: &ast::Name) -> Result<()> {
    if name.value != s.cx.database.1 {
        bail!(FEATURE_NOT_SUPPORTED, "can only reindex the currently open database");
    }
    Ok(())
}

/// Each table in a transaction of its own.
fn each_alone(s: &Session, tables: impl Iterator<Item = Oid>, o: Options) -> Result<()> {
    for table in tables {
        let txn = super::own_transaction(s);
        let st = StatementContext::new(&s.cx, &s.block, &txn);
        rebuild(&st, table, None, o)?;
        txn.commit()?;
    }
    Ok(())
}

/// Builds a table's indexes anew, or one of them. False: there are none.
fn rebuild(st: &StatementContext, table: Oid, only: Option<Oid>, o: Options) -> Result<bool> {
    let Some(relation) = st.reader.lock_relation_oid(table, LockMode::AccessExclusive)? else {
        return Ok(true);
    };
    if relation.is_catalog {
        if o.concurrently {
            bail!(FEATURE_NOT_SUPPORTED, "cannot reindex system catalogs concurrently");
        }
        return Err(Error::unsupported("REINDEX of system catalogs"));
    }
    st.reader.check_relation_owner(&relation)?;
    let w = super::super::role::writer(st);
    for i in relation.indexes.iter().filter(|i| only.is_none_or(|o| o == i.oid)) {
        w.new_storage(i.oid)?;
    }
    let Some(relation) = w.relation(table)? else { return Ok(true) };
    let io = st.io();
    let reader = w.reader();
    let cx = BindContext { reader, io: &io, param_types: &[], params_allowed: false };
    let write = bind::bind_table_write(&relation, &mut QueryMeta::default(), &cx)?;
    let env = st.exec_env(Arc::from([]), false);
    for bound in write.indexes.iter().filter(|i| only.is_none_or(|o| o == i.index.oid)) {
        let began = Instant::now();
        quarry_executor::write::build_index(&env, &relation, bound, &write.row)?;
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
