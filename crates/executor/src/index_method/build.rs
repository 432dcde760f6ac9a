//! Filling indexes that are no B-trees, from a table nobody writes to or beside writers.

use super::brin::BrinKeeper;
use super::gin::GinKeeper;
use super::hash::HashKeeper;
use super::{Keeper, unknown};
use crate::env::ExecEnv;
use crate::index_build::{Built, Entries};
use quarry_catalog::Relation;
use quarry_common::progress::{Command, create_index as p};
use quarry_common::{Error, Result};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::index::gin::GinBuilder;
use quarry_storage::index::{BrinBuilder, HashBuilder};
use quarry_storage::sort::{self, BuildRows};
use std::sync::Arc;

/// Fills a new index.
pub(crate) fn build(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    rows: BuildRows<'_>,
) -> Result<Built> {
    let io = env.io();
    let mut entries = Entries::new(env, &io, relation, index, row)?;
    let heap = entries.heap().clone();
    let progress = env.txn.progress().of(Command::CreateIndex);
    let mut loaded = |done: u64| -> Result<()> {
        progress.set(p::TUPLES_DONE, done as i64);
        if env.txn.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    };
    let memory = env.maintenance_mem_bytes();
    let (scan, count) = match index.index.method {
        "hash" => {
            let mut keeper = HashKeeper::open(env, &index.index)?;
            let mut builder = HashBuilder::new(&env.storage, memory);
            let scan = sort::scan_for_index(&heap, &env.txn, rows, &mut |tid, body, _| {
                let Some(values) = entries.values(tid, body)? else { return Ok(()) };
                match keeper.key(values)? {
                    Some(key) => builder.add(key, tid),
                    None => Ok(()),
                }
            })?;
            (scan, builder.finish(&keeper.index, &env.txn, &mut loaded)?.entries)
        }
        "gin" => {
            let mut keeper = GinKeeper::open(env, &index.index)?;
            let mut builder = GinBuilder::new(&keeper.index, memory);
            let mut count = 0;
            let scan = sort::scan_for_index(&heap, &env.txn, rows, &mut |tid, body, _| {
                let Some(values) = entries.values(tid, body)? else { return Ok(()) };
                let keys = keeper.row(values)?;
                count += keys.len() as u64;
                builder.add(tid, keys)
            })?;
            builder.finish(&env.txn, &mut loaded)?;
            (scan, count)
        }
        "brin" => {
            let mut keeper = BrinKeeper::open(env, &index.index)?;
            let index = keeper.index.clone();
            let mut builder = BrinBuilder::new(&index)?;
            let blocks = heap.blocks()?;
            let scan = sort::scan_for_index(&heap, &env.txn, rows, &mut |tid, body, _| {
                let Some(values) = entries.values(tid, body)? else { return Ok(()) };
                keeper.with_keys(values, |_, keys| builder.add(tid.block, keys))
            })?;
            (scan, builder.finish(blocks)?)
        }
        other => return Err(unknown(other)),
    };
    Ok(Built { table_rows: scan.live_rows, entries: count, not_for_older: scan.left_out })
}

/// Adds what an index lacks of the rows that a snapshot sees, while all writers put theirs in.
pub(crate) fn add_missing(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    snapshot: &Snapshot,
) -> Result<()> {
    let io = env.io();
    let mut entries = Entries::new(env, &io, relation, index, row)?;
    let heap = entries.heap().clone();
    let mut keeper = Keeper::open(env, &index.index)?;
    let hash = match &keeper {
        Keeper::Hash(k) => Some(k.index.clone()),
        _ => None,
    };
    let gin = match &keeper {
        Keeper::Gin(k) => Some(k.index.clone()),
        _ => None,
    };
    // A BRIN index doesn't say of which rows it knows: all are shown to it again.
    let mut indexed = |add: &mut dyn FnMut(quarry_common::Tid) -> Result<()>| match (&hash, &gin) {
        (Some(hash), _) => hash.for_each_tid(add),
        (None, Some(gin)) => gin.each_tid(add),
        (None, None) => Ok(()),
    };
    let memory = env.maintenance_mem_bytes();
    sort::rows_without_entry_of(&heap, &mut indexed, &env.txn, snapshot, memory, &mut |tid, body| {
        let Some(values) = entries.values(tid, body)? else { return Ok(()) };
        match &mut keeper {
            Keeper::Hash(k) => match k.key(values)? {
                Some(key) => {
                    let key = key.to_vec();
                    k.index.insert_missing(&env.txn, &key, tid)
                }
                None => Ok(()),
            },
            other => other.insert(&env.txn, values, tid).map(drop),
        }
    })
}
