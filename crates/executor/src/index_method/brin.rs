//! BRIN indexes: keys summarised by ranges of blocks.

use crate::env::ExecEnv;
use crate::index_build::Entries;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::settings::parse_bool;
use quarry_common::{BlockNo, Result, Tid};
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::Transaction;
use quarry_storage::index::Brin;
use quarry_types::key::codec_of;
use quarry_types::{Datum, IoContext, TypeRef};
use std::ops::Range;
use std::sync::Arc;

/// The types of an index's keys.
pub(crate) fn key_types(index: &IndexDef, io: &IoContext<'_>) -> Result<Vec<TypeRef>> {
    index.keys.iter().map(|k| io.type_ref(k.ty.oid)).collect()
}

/// A value's key, appended; false: it is NULL.
pub(crate) fn encode(value: &Datum, ty: &TypeRef, out: &mut Vec<u8>) -> Result<bool> {
    if value.is_null() {
        return Ok(false);
    }
    (codec_of(ty)?.encode)(value, out);
    Ok(true)
}

pub(crate) struct BrinKeeper {
    pub index: Brin,
    types: Vec<TypeRef>,
    autosummarize: bool,
    bytes: Vec<u8>,
    /// Where each column's key is in `bytes`; none: NULL.
    places: Vec<Option<Range<usize>>>,
}

impl BrinKeeper {
    pub fn open(env: &ExecEnv, index: &IndexDef) -> Result<BrinKeeper> {
        Ok(BrinKeeper {
            index: Brin::open(&env.storage, index.storage).with_name(index.name.clone()),
            types: key_types(index, &env.io())?,
            autosummarize: index
                .options
                .iter()
                .any(|(n, v)| n == "autosummarize" && parse_bool(v) == Some(true)),
            bytes: vec![],
            places: vec![],
        })
    }

    /// Calls `f` with a row's keys.
    pub fn with_keys<T>(
        &mut self,
        values: &[Datum],
        f: impl FnOnce(&Brin, &[Option<&[u8]>]) -> Result<T>,
    ) -> Result<T> {
        self.bytes.clear();
        self.places.clear();
        for (ty, value) in self.types.iter().zip(values) {
            let at = self.bytes.len();
            let place = encode(value, ty, &mut self.bytes)?.then_some(at..self.bytes.len());
            self.places.push(place);
        }
        let keys: Vec<Option<&[u8]>> =
            self.places.iter().map(|p| p.as_ref().map(|p| &self.bytes[p.clone()])).collect();
        f(&self.index, &keys)
    }

    /// Gives the first block of a range that the row comes after, if that is to be summarised.
    pub fn insert(&mut self, txn: &Transaction, values: &[Datum], tid: Tid) -> Result<Option<BlockNo>> {
        let behind = self.with_keys(values, |index, keys| index.insert(txn, keys, tid))?;
        Ok(behind.filter(|_| self.autosummarize))
    }
}

/// Which ranges get a summary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// All that lack one; `partial`: the last one, too, though the table doesn't fill it yet.
    All { partial: bool },
    /// That of a block.
    At(BlockNo),
}

/// Summarises ranges that have no summary; gives their number. The caller holds SHARE UPDATE EXCLUSIVE on the table.
pub fn summarize(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    bound: &BoundIndex,
    row: &[(ColumnId, ScanColumn)],
    wanted: Wanted,
    pause: &dyn Fn() -> Result<()>,
) -> Result<u64> {
    let io = env.io();
    let mut entries = Entries::new(env, &io, relation, bound, row)?;
    let heap = entries.heap().clone();
    let mut keeper = BrinKeeper::open(env, &bound.index)?;
    let index = keeper.index.clone();
    let starts = match wanted {
        Wanted::All { partial } => index.unsummarized(heap.blocks()?, partial)?,
        Wanted::At(block) if block < heap.blocks()? => vec![block],
        Wanted::At(_) => vec![],
    };
    let mut done = 0;
    for start in starts {
        pause()?;
        let made = index.summarize(start, &mut |blocks, add| {
            heap.scan_any(blocks, &mut |tid, body| match entries.values(tid, body)? {
                Some(values) => keeper.with_keys(values, |_, keys| add(keys)),
                None => Ok(()),
            })
        })?;
        done += u64::from(made);
    }
    Ok(done)
}
