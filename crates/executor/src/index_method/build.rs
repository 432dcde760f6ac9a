//! Filling indexes that are no B-trees, from a table nobody writes to or beside writers.

use super::brin::BrinKeeper;
use super::gin::{GinKeeper, GinRowMaker};
use super::hash::{HashKeeper, key_type};
use super::{Keeper, unknown};
use crate::env::ExecEnv;
use crate::index_build::{Batched, Built, Entries, KeyBatch, KeySink, RowBatches, needed, threads};
use crate::scan::rows::open_heap;
use quarry_catalog::Relation;
use quarry_common::progress::{Command, create_index as p};
use quarry_common::{Error, Result, Tid};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::index::gin::GinBuilder;
use quarry_storage::index::{BrinBuilder, HashBuilder};
use quarry_storage::sort::{self, BuildRows};
use quarry_types::TypeRef;
use quarry_types::key::{self, KeyOrder};
use std::sync::Arc;

/// One thread's part in building a hash index.
struct HashSink {
    ty: TypeRef,
    builder: HashBuilder,
    key: Vec<u8>,
}

impl KeySink for HashSink {
    fn take(&mut self, batch: KeyBatch) -> Result<()> {
        let KeyBatch { keys, positions, rows, .. } = batch;
        let [values] = &keys[..] else { return Err(Error::internal("a hash index without a key")) };
        for i in positions.into_iter().map(|i| i as usize).filter(|i| !values.is_null(*i)) {
            self.key.clear();
            key::encode_at(values, i, &self.ty, KeyOrder::ASC, &mut self.key)?;
            self.builder.add(&self.key, rows[i].0)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.builder.end()
    }
}

/// One thread's part in building a GIN index.
struct GinSink {
    keys: GinRowMaker,
    builder: GinBuilder,
    count: u64,
}

impl KeySink for GinSink {
    fn take(&mut self, batch: KeyBatch) -> Result<()> {
        let KeyBatch { keys, positions, rows, .. } = batch;
        for i in positions.into_iter().map(|i| i as usize) {
            let value = |k: usize| (!keys[k].is_null(i)).then(|| keys[k].bytes_at(i));
            let row = self.keys.row(value)?;
            self.count += row.len() as u64;
            self.builder.add(rows[i].0, row)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.builder.end()
    }
}

/// Fills a new index.
pub(crate) fn build(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    rows: BuildRows<'_>,
) -> Result<Built> {
    let io = env.io();
    let heap = open_heap(env, relation)?;
    let progress = env.txn.progress().of(Command::CreateIndex);
    let mut loaded = |done: u64| -> Result<()> {
        progress.set(p::TUPLES_DONE, done as i64);
        if env.txn.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    };
    let threads = threads(env, relation, &heap)?;
    let memory = env.maintenance_mem_bytes() / threads;
    let columns = needed(index, row);
    let batches = || RowBatches::new(env, &io, relation, index, &columns);
    let (scan, count) = match index.index.method {
        "hash" => {
            let hash = HashKeeper::open(env, &index.index)?.index;
            let sink = |_| -> Result<Batched<'_, HashSink>> {
                let builder = HashBuilder::new(&env.storage, memory);
                let sink = HashSink { ty: key_type(&index.index, &io)?, builder, key: vec![] };
                Ok(Batched::new(batches()?, sink))
            };
            let mut sinks = (0..threads).map(sink).collect::<Result<Vec<_>>>()?;
            let scan = sort::scan_for_build(&heap, &env.txn, rows, &mut sinks)?;
            let builders = sinks.into_iter().map(|s| s.sink.builder).collect();
            (scan, HashBuilder::finish_all(builders, &hash, &env.txn, &mut loaded)?.entries)
        }
        "gin" => {
            let gin = GinKeeper::open(env, &index.index)?.index;
            let sink = |_| -> Result<Batched<'_, GinSink>> {
                let builder = GinBuilder::new(&gin, memory);
                let sink = GinSink { keys: GinRowMaker::of(&index.index)?, builder, count: 0 };
                Ok(Batched::new(batches()?, sink))
            };
            let mut sinks = (0..threads).map(sink).collect::<Result<Vec<_>>>()?;
            let scan = sort::scan_for_build(&heap, &env.txn, rows, &mut sinks)?;
            let count = sinks.iter().map(|s| s.sink.count).sum();
            let builders = sinks.into_iter().map(|s| s.sink.builder).collect();
            GinBuilder::finish_all(builders, &gin, &env.txn, &mut loaded)?;
            (scan, count)
        }
        "brin" => {
            let mut keeper = BrinKeeper::open(env, &index.index)?;
            let mut entries = Entries::new(env, &io, relation, index, row)?;
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
    let mut indexed = |add: &mut dyn FnMut(Tid) -> Result<()>| match (&hash, &gin) {
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
