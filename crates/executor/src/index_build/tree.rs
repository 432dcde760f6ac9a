//! One thread's part in building a B-tree.

use super::batch::{Batched, KeyBatch, KeySink, RowBatches, needed};
use crate::env::ExecEnv;
use crate::index_entry::IndexShape;
use crate::modify::target::attribute;
use quarry_catalog::Relation;
use quarry_common::Result;
use quarry_plan::{BoundIndex, ColumnId, ScanColumn};
use quarry_storage::row::RowBuilder;
use quarry_storage::sort::{EntryRef, EntryRuns};
use quarry_types::key::{self, KeyOrder};
use quarry_types::{Datum, IoContext, TypeRef};
use std::sync::Arc;

pub(super) struct TreeSink {
    shape: IndexShape,
    types: Vec<(TypeRef, KeyOrder)>,
    /// Places of the INCLUDE columns among those read.
    include: Vec<usize>,
    nulls_conflict: bool,
    runs: EntryRuns,
    payload: RowBuilder,
    key: Vec<u8>,
}

impl TreeSink {
    pub fn new<'a>(
        env: &'a ExecEnv,
        io: &'a IoContext<'a>,
        relation: &'a Arc<Relation>,
        index: &'a BoundIndex,
        row: &[(ColumnId, ScanColumn)],
        memory_bytes: usize,
    ) -> Result<Batched<'a, TreeSink>> {
        let def = &index.index;
        let row = needed(index, row);
        let of_attribute = |a: &usize| row.iter().position(|(_, c)| attribute(*c) == Some(*a));
        let shape = IndexShape::new(relation, def, io)?;
        let sink = TreeSink {
            types: shape.keys().to_vec(),
            shape,
            include: def.include.iter().filter_map(of_attribute).collect(),
            nulls_conflict: def.nulls_not_distinct,
            runs: EntryRuns::new(env.storage.disk().clone(), memory_bytes),
            payload: RowBuilder::new(),
            key: vec![],
        };
        Ok(Batched::new(RowBatches::new(env, io, relation, index, &row)?, sink))
    }
}

impl KeySink for TreeSink {
    fn take(&mut self, batch: KeyBatch) -> Result<()> {
        let TreeSink { shape, types, include, nulls_conflict, runs, payload, key } = self;
        let (mut keys, mut included): (Vec<Datum>, Vec<Datum>) = (vec![], vec![]);
        for i in &batch.positions {
            let i = *i as usize;
            key.clear();
            let mut has_null = false;
            for (v, (ty, order)) in batch.keys.iter().zip(types.iter()) {
                has_null |= v.is_null(i);
                key::encode_at(v, i, ty, *order, key)?;
            }
            let (tid, live) = batch.rows[i];
            let stored: &[u8] = if shape.has_payload() {
                keys.clear();
                keys.extend(batch.keys.iter().map(|v| v.datum(i)));
                included.clear();
                included.extend(include.iter().map(|at| batch.columns[*at].datum(i)));
                shape.payload(&keys, &included, payload)
            } else {
                &[]
            };
            let unique = live && (!has_null || *nulls_conflict);
            runs.push(EntryRef { key, payload: stored, tid, unique })?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.runs.end()
    }
}

impl From<TreeSink> for EntryRuns {
    fn from(sink: TreeSink) -> EntryRuns {
        sink.runs
    }
}
