//! CLUSTER and VACUUM FULL: a table and its indexes written anew (PostgreSQL: commands/cluster.c).

use super::super::CommandOutcome;
use super::super::ddl::Ddl;
use crate::query::StatementContext;
use crate::session::Session;
use quarry_catalog::builtin::access_method::index_method;
use quarry_catalog::{IndexDef, LockMode, RelKind, Relation};
use quarry_common::progress::{Command, cluster as p};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_executor::rewrite::{self, Rewritten};
use quarry_plan::QueryMeta;
use quarry_sql::ast;
use quarry_sql::bind;
use std::sync::Arc;
use std::time::Instant;

/// CLUSTER.
pub fn cluster(s: &mut Session, c: &ast::Cluster) -> Result<CommandOutcome> {
    let mut verbose = false;
    for o in &c.options {
        if !o.name.eq_ignore_ascii_case("verbose") {
            let e = err!(SYNTAX_ERROR, "unrecognized CLUSTER option \"{}\"", o.name);
            return Err(match ast::error_position(o.pos) {
                Some(p) => e.position(p),
                None => e,
            });
        }
        verbose = super::super::copy::boolean_option(o)?;
    }
    let Some(target) = &c.relation else {
        s.block.forbid_block("CLUSTER")?;
        for (table, index) in clustered_tables(s)? {
            let txn = super::own_transaction(s);
            let st = StatementContext::new(&s.cx, &s.block, &txn);
            rewrite_table(&Ddl::of(st), table, Some(index), verbose)?;
            txn.commit()?;
        }
        return CommandOutcome::done("CLUSTER");
    };
    let d = Ddl::new(s)?;
    let parts: Vec<&String> = target.catalog.iter().chain(&target.schema).chain([&target.name]).collect();
    let table = d.st.reader.resolve_relation(&parts, None)?;
    if !matches!(table.kind, RelKind::Table | RelKind::MaterializedView | RelKind::Toast) {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or materialized view", table.name);
    }
    d.st.reader.check_relation_owner(&table)?;
    let Some(table) = d.w.lock_relation_oid(table.oid, LockMode::AccessExclusive)? else {
        bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", target.name);
    };
    let index = match &c.index {
        Some(name) => named_index(&d, &table, name)?,
        None => match clustered_index(&d, &table)? {
            Some(oid) => oid,
            None => {
                bail!(UNDEFINED_OBJECT, "there is no previously clustered index for table \"{}\"", table.name)
            }
        },
    };
    if table.is_catalog {
        return Err(Error::unsupported("CLUSTER of system catalogs"));
    }
    rewrite_table(&d, table.oid, Some(index), verbose)?;
    CommandOutcome::done("CLUSTER")
}

/// VACUUM FULL of one table, in a transaction of its own.
pub fn rewrite_alone(s: &mut Session, table: Oid, verbose: bool) -> Result<()> {
    let txn = super::own_transaction(s);
    let st = StatementContext::new(&s.cx, &s.block, &txn);
    rewrite_table(&Ddl::of(st), table, None, verbose)?;
    txn.commit()?;
    Ok(())
}

/// The index that the table was clustered on before.
fn clustered_index(d: &Ddl, table: &Relation) -> Result<Option<Oid>> {
    for i in &table.indexes {
        if d.w.is_clustered(i.oid)? {
            return Ok(Some(i.oid));
        }
    }
    Ok(None)
}

/// The user's tables that were clustered before.
fn clustered_tables(s: &mut Session) -> Result<Vec<(Oid, Oid)>> {
    let d = Ddl::new(s)?;
    let mut out = vec![];
    for table in d.st.reader.all_relations(&['r', 'm'])? {
        if !table.is_catalog
            && d.st.reader.owns(table.owner)?
            && let Some(index) = clustered_index(&d, &table)?
        {
            out.push((table.oid, index));
        }
    }
    Ok(out)
}

/// The index called `name` in the table's schema, if the table can be put in its order.
fn named_index(d: &Ddl, table: &Relation, name: &str) -> Result<Oid> {
    let Some(index) = table.indexes.iter().find(|i| i.name == name) else {
        let parts = [&table.schema_name, &name.to_string()];
        if d.st.reader.resolve_relation(&parts, None).is_ok() {
            bail!(WRONG_OBJECT_TYPE, "\"{name}\" is not an index for table \"{}\"", table.name);
        }
        bail!(UNDEFINED_OBJECT, "index \"{name}\" for table \"{}\" does not exist", table.name);
    };
    check_order(index)?;
    Ok(index.oid)
}

/// 0A000 unless a table can be put in the order of this index.
pub fn check_order(index: &IndexDef) -> Result<()> {
    if !index_method(index.method).is_some_and(|m| m.clusterable) {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "cannot cluster on index \"{}\" because access method does not support clustering",
            index.name
        );
    }
    if index.predicate_sql.is_some() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot cluster on partial index \"{}\"", index.name);
    }
    if !index.valid {
        bail!(FEATURE_NOT_SUPPORTED, "cannot cluster on invalid index \"{}\"", index.name);
    }
    Ok(())
}

/// Writes a table and its indexes anew, in the order of `index` if given.
fn rewrite_table(d: &Ddl, table: Oid, index: Option<Oid>, verbose: bool) -> Result<()> {
    let began = Instant::now();
    let Some(old) = d.w.lock_relation_oid(table, LockMode::AccessExclusive)? else { return Ok(()) };
    let progress = d.st.txn.progress().clone();
    let _running = progress.begin(Command::Cluster, table);
    let progress = progress.of(Command::Cluster);
    progress.set(p::COMMAND, if index.is_some() { p::CLUSTER } else { p::VACUUM_FULL });
    progress.set(p::INDEX, index.map_or(0, |i| i.0 as i64));
    d.st.session.check_not_in_use(&old, if index.is_some() { "CLUSTER" } else { "VACUUM" })?;
    let mut meta = QueryMeta::default();
    let before = d.with_binder(|cx| bind::bind_table_write(&old, &mut meta, cx))?;
    let order = index.and_then(|oid| before.indexes.iter().find(|i| i.index.oid == oid));
    if verbose {
        let name = format!("{}.{}", old.schema_name, old.name);
        let e = match order {
            Some(_) => err!(SUCCESSFUL_COMPLETION, "clustering \"{name}\" using sequential scan and sort"),
            None => err!(SUCCESSFUL_COMPLETION, "vacuuming \"{name}\""),
        };
        d.st.session.push_notice(Severity::Info, e);
    }
    d.w.new_storage(table)?;
    for i in &old.indexes {
        d.w.new_storage(i.oid)?;
    }
    d.w.clear_missing(table)?;
    let fresh = d.relation(table)?;
    let env = d.env();
    let done = rewrite::copy_table(&env, &old, &fresh, order.map(|i| (i, before.row.as_slice())))?;
    let mut meta = QueryMeta::default();
    let write = d.with_binder(|cx| bind::bind_table_write(&fresh, &mut meta, cx))?;
    // The table has its new files from the beginning; only the indexes are left.
    progress.set(p::PHASE, p::REBUILDING_INDEXES);
    for bound in &write.indexes {
        quarry_executor::index_build::build(&env, &fresh, bound, &write.row, None)?;
        progress.add(p::INDEXES_REBUILT, 1);
    }
    progress.set(p::PHASE, p::FINAL_CLEANUP);
    let storage = d.st.session.instance.storage();
    let live = done.kept as f32;
    d.w.update_relation_stats(table, done.new_pages, live, 0)?;
    for i in &fresh.indexes {
        let pages = storage.relation_blocks(i.storage, quarry_storage::Fork::Main)?;
        d.w.update_relation_stats(i.oid, pages, live, 0)?;
    }
    if index.is_some() {
        d.w.set_clustered(table, index)?;
    }
    if verbose {
        d.st.session.push_notice(Severity::Info, found(&old, &done, began));
    }
    Ok(())
}

fn found(table: &Arc<Relation>, done: &Rewritten, began: Instant) -> Error {
    err!(
        SUCCESSFUL_COMPLETION,
        "\"{}.{}\": found {} removable, {} nonremovable row versions in {} pages",
        table.schema_name,
        table.name,
        done.removed,
        done.kept,
        done.old_pages
    )
    .detail(format!(
        "{} dead row versions cannot be removed yet.\nElapsed: {:.2} s.",
        done.ended,
        began.elapsed().as_secs_f64()
    ))
}
