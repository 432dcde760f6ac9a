//! SQL functions that look after GIN and BRIN indexes, and what vacuum does for the latter (PostgreSQL: ginfast.c, brin.c).

use crate::context::SessionContext;
use crate::verify::{bound_index, environment, table_of};
use quarry_catalog::{CatalogReader, IndexDef, LockMode, RelKind, Relation};
use quarry_common::{BlockNo, Error, Oid, Result, bail};
use quarry_executor::index_method::brin::{self, Wanted};
use quarry_executor::index_method::open_gin;
use quarry_functions::SessionEnv;
use quarry_storage::index::Brin;
use quarry_types::{Datum, pseudo};
use std::sync::Arc;

/// No block: all ranges.
const ALL_RANGES: i64 = BlockNo::MAX as i64;

/// Calls one of the functions.
pub fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    name: &'static str,
    args: &[Datum],
) -> Result<Datum> {
    let oid = Oid(args[0].as_u32());
    let memory = cx.settings().bytes("maintenance_work_mem") as usize;
    let pause = || cx.check_cancelled();
    match name {
        "gin_clean_pending_list" => {
            let (_, index) = own_index(reader, oid, "gin", "GIN", None)?;
            let gin = open_gin(reader.catalog().storage(), &index);
            let removed = quarry_common::wait::blocking(|| gin.clean_pending(&mut || pause()))?;
            Ok(Datum::I64(removed.into()))
        }
        "brin_desummarize_range" => {
            let block = block_number(args[1].as_i64(), ALL_RANGES - 1)?;
            let lock = Some(LockMode::ShareUpdateExclusive);
            let (_, index) = own_index(reader, oid, "brin", "BRIN", lock)?;
            let brin = Brin::open(reader.catalog().storage(), index.storage).with_name(index.name.clone());
            brin.desummarize(block)?;
            Ok(pseudo::void())
        }
        _ => {
            let block = args.get(1).map_or(ALL_RANGES, Datum::as_i64);
            let wanted = match block_number(block, ALL_RANGES)? {
                BlockNo::MAX => Wanted::All { partial: true },
                block => Wanted::At(block),
            };
            let lock = Some(LockMode::ShareUpdateExclusive);
            let (table, index) = own_index(reader, oid, "brin", "BRIN", lock)?;
            let done =
                quarry_common::wait::blocking(|| summarize(reader, &table, &index, wanted, memory, &pause))?;
            Ok(Datum::I32(done.min(i32::MAX as u64) as i32))
        }
    }
}

/// Summarises ranges of a table in a BRIN index; gives their number. The table is locked in SHARE UPDATE EXCLUSIVE.
pub fn summarize(
    reader: &CatalogReader,
    table: &Arc<Relation>,
    index: &IndexDef,
    wanted: Wanted,
    memory_bytes: usize,
    pause: &dyn Fn() -> Result<()>,
) -> Result<u64> {
    let env = environment(reader, memory_bytes);
    let Some((bound, row)) = bound_index(&env, reader, table, index)? else { return Ok(0) };
    brin::summarize(&env, table, &bound, &row, wanted, pause)
}

fn block_number(block: i64, most: i64) -> Result<BlockNo> {
    match BlockNo::try_from(block) {
        Ok(n) if block <= most => Ok(n),
        _ => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "block number out of range: {block}"),
    }
}

/// An index of a method, and its table, both locked; its owner asks.
fn own_index(
    reader: &CatalogReader,
    oid: Oid,
    method: &str,
    noun: &str,
    table_lock: Option<LockMode>,
) -> Result<(Arc<Relation>, Arc<IndexDef>)> {
    let gone = || Error::internal(format!("could not open relation with OID {oid}"));
    if let (Some(table), Some(mode)) = (reader.index_table(oid)?, table_lock) {
        reader.lock_relation_oid(table, mode)?;
    }
    let mode = table_lock.unwrap_or(LockMode::RowExclusive);
    let Some(relation) = reader.lock_relation_oid(oid, mode)? else { return Err(gone()) };
    if relation.kind != RelKind::Index {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", relation.name);
    }
    let table = table_of(reader, oid)?.ok_or_else(gone)?;
    let index = table.indexes.iter().find(|i| i.oid == oid).cloned().ok_or_else(gone)?;
    if index.method != method {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a {noun} index", relation.name);
    }
    if crate::verify::check_not_others(reader, &relation).is_err() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot access temporary indexes of other sessions");
    }
    reader.check_relation_owner(&relation)?;
    Ok((table, index))
}
