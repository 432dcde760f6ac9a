//! Verifying that a hash or BRIN index leads to every row of its table that a snapshot sees: a lookup of the row's key gives the row, the row's range
//! has a summary that covers it, or none.

use crate::env::ExecEnv;
use crate::index_build::Entries;
use crate::index_method::brin::BrinKeeper;
use crate::index_method::hash::HashKeeper;
use quarry_catalog::Relation;
use quarry_common::{Result, Tid, err};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::Snapshot;
use quarry_storage::sort::{BuildRows, scan_for_index};
use std::sync::Arc;

/// XX001 naming the first row that the index doesn't lead to. Says nothing of other methods.
pub fn verify_rows(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    snapshot: &Snapshot,
) -> Result<()> {
    let io = env.io();
    let mut entries = Entries::new(env, &io, relation, index, row)?;
    let heap = entries.heap().clone();
    let lacks = |tid: Tid| {
        Err(err!(
            DATA_CORRUPTED,
            "heap tuple {tid} from table \"{}\" lacks matching index tuple within index \"{}\"",
            relation.name,
            index.index.name
        ))
    };
    match index.index.method {
        "hash" => {
            let mut keeper = HashKeeper::open(env, &index.index)?;
            let mut tids = vec![];
            scan_for_index(&heap, &env.txn, BuildRows::SeenBy(snapshot), &mut |tid, body, _| {
                let Some(values) = entries.values(tid, body)? else { return Ok(()) };
                let Some(key) = keeper.key(values)?.map(<[u8]>::to_vec) else { return Ok(()) };
                tids.clear();
                keeper.index.lookup(&key, &mut tids)?;
                if tids.contains(&tid) { Ok(()) } else { lacks(tid) }
            })?;
        }
        "brin" => {
            let mut keeper = BrinKeeper::open(env, &index.index)?;
            scan_for_index(&heap, &env.txn, BuildRows::SeenBy(snapshot), &mut |tid, body, _| {
                let Some(values) = entries.values(tid, body)? else { return Ok(()) };
                let covered = keeper.with_keys(values, |index, keys| index.covers(tid.block, keys))?;
                if covered { Ok(()) } else { lacks(tid) }
            })?;
        }
        _ => {}
    }
    Ok(())
}
