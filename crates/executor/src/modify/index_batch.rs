//! The index entries of a batch of stored rows.
//!
//! Each B-tree takes all rows' entries in one go, so that rising keys reach a leaf many at a time, and only the columns that it reads are
//! looked at. What a user sees is the order of rows: the error is that of the first row that has one, in its first index.

use super::errors;
use super::target::{Target, TargetIndex};
use crate::context::Cx;
use quarry_common::{Error, Result, Tid};
use quarry_storage::index::{InsertOutcome, NewEntry, UniqueCheck};
use quarry_types::{Batch, Datum, key};

/// Rows that are inserted one by one after appending failed, at most, before it is tried again.
const PATIENCE_MAX: usize = 64;

/// Entries of a batch's rows in one index, made before any goes in.
#[derive(Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    /// Of each row: where its key and its payload end, and whether a key column is NULL.
    ends: Vec<(usize, usize, bool)>,
}

impl Entries {
    fn get(&self, row: usize, tids: &[Tid]) -> (NewEntry<'_>, bool) {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (key, payload, has_null) = self.ends[row];
        let entry =
            NewEntry { key: &self.bytes[start..key], payload: &self.bytes[key..payload], tid: tids[row] };
        (entry, has_null)
    }
}

/// The first row that can't be written, and why.
type Refused = Option<(usize, Error)>;

impl Target {
    /// Puts stored rows into every index, queues their foreign keys and tests the views' check options, as for one row after the other.
    pub(super) fn index_batch(&mut self, cx: &mut Cx<'_>, batch: &Batch, tids: &[Tid]) -> Result<()> {
        let batches = !self.indexes.iter().any(|i| i.def.deferrable);
        let mut refused: Refused = None;
        if batches {
            let mut entries = std::mem::take(&mut self.entries);
            for i in 0..self.indexes.len() {
                let rows = refused.as_ref().map_or(tids.len(), |(row, _)| *row);
                let Some(columns) = &self.indexes[i].columns else {
                    refused = self.index_one_by_one(cx, i, batch, &tids[..rows])?.or(refused);
                    continue;
                };
                let failed = self.make_entries(&self.indexes[i], columns, batch, rows, &mut entries)?;
                let made = failed.as_ref().map_or(rows, |(row, _)| *row);
                let duplicate = self.insert_entries(cx, &self.indexes[i], batch, &entries, &tids[..made])?;
                refused = duplicate.or(failed).or(refused);
            }
            self.entries = entries;
        }
        if !(batches && self.needs_only_batches()) {
            let rows = refused.as_ref().map_or(tids.len(), |(row, _)| *row);
            let mut row: Vec<Datum> = vec![];
            for (r, tid) in tids[..rows].iter().enumerate() {
                row_of(batch, r, &mut row);
                match batches {
                    true => self.index_row_elsewhere(cx, &row, *tid)?,
                    false => self.index_row(cx, &row, *tid)?,
                }
                self.queue_foreign_keys(cx, &row, None, *tid);
                self.test_view_checks(cx, &row)?;
            }
        }
        refused.map_or(Ok(()), |(_, e)| Err(e))
    }

    /// An index of expressions or of some rows only: what they say is asked row by row.
    fn index_one_by_one(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        batch: &Batch,
        tids: &[Tid],
    ) -> Result<Refused> {
        let (mut row, mut keys) = (vec![], vec![]);
        for (r, tid) in tids.iter().enumerate() {
            row_of(batch, r, &mut row);
            match self.insert_entry(cx, i, &row, *tid, &mut keys) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let e = errors::unique_violation(&self.relation, &self.indexes[i].def, &keys, cx.io);
                    return Ok(Some((r, e)));
                }
                Err(e) if is_of_the_row(&e) => return Ok(Some((r, e))),
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Keys and payloads of the first `rows` rows, for an index of columns.
    fn make_entries(
        &self,
        index: &TargetIndex,
        columns: &[usize],
        batch: &Batch,
        rows: usize,
        entries: &mut Entries,
    ) -> Result<Refused> {
        entries.bytes.clear();
        entries.ends.clear();
        let (mut keys, mut included) = (vec![], vec![]);
        let mut payload = quarry_storage::row::RowBuilder::new();
        for r in 0..rows {
            let mut has_null = false;
            for (column, (ty, order)) in columns.iter().zip(index.shape.keys()) {
                let values = &batch.columns[*column];
                has_null |= values.is_null(r);
                if let Err(e) = key::encode_at(values, r, ty, *order, &mut entries.bytes) {
                    return Ok(Some((r, e)));
                }
            }
            let key_end = entries.bytes.len();
            if index.shape.has_payload() {
                keys.clear();
                keys.extend(columns.iter().map(|c| batch.columns[*c].datum(r)));
                included.clear();
                included.extend(index.include.iter().map(|c| batch.columns[*c].datum(r)));
                entries.bytes.extend_from_slice(index.shape.payload(&keys, &included, &mut payload));
            }
            entries.ends.push((key_end, entries.bytes.len(), has_null));
        }
        Ok(None)
    }

    /// Puts entries into a B-tree: those above all others by the leaf, others one by one.
    fn insert_entries(
        &self,
        cx: &mut Cx<'_>,
        index: &TargetIndex,
        batch: &Batch,
        entries: &Entries,
        tids: &[Tid],
    ) -> Result<Refused> {
        let txn = &cx.env.txn;
        let (mut r, mut next_try, mut patience) = (0, 0, 1);
        while r < tids.len() {
            if r >= next_try {
                let appended = index.tree.append(txn, (r..tids.len()).map(|r| entries.get(r, tids).0))?;
                r += appended;
                patience = if appended > 0 { 1 } else { (patience * 2).min(PATIENCE_MAX) };
                next_try = r + patience;
                if appended > 0 {
                    continue;
                }
            }
            let (entry, has_null) = entries.get(r, tids);
            let exempt = has_null && !index.def.nulls_not_distinct;
            let check = match index.def.unique && !exempt {
                true => UniqueCheck::Enforce(&self.heap),
                false => UniqueCheck::None,
            };
            match index.tree.insert(txn, entry.key, entry.payload, entry.tid, check) {
                Ok(InsertOutcome::Inserted) => {}
                Ok(InsertOutcome::Conflict { .. }) => {
                    let columns = index.columns.iter().flatten();
                    let keys: Vec<Datum> = columns.map(|c| batch.columns[*c].datum(r)).collect();
                    let e = errors::unique_violation(&self.relation, &index.def, &keys, cx.io);
                    return Ok(Some((r, e)));
                }
                Err(e) => {
                    let e = errors::index_row_too_long(e, &self.relation, &index.def);
                    return if is_of_the_row(&e) { Ok(Some((r, e))) } else { Err(e) };
                }
            }
            r += 1;
        }
        Ok(None)
    }
}

fn row_of(batch: &Batch, r: usize, row: &mut Vec<Datum>) {
    row.clear();
    row.extend(batch.columns.iter().map(|c| c.datum(r)));
}

/// Whether an error is about the row itself, so that one of an earlier row comes before it. Others end the statement where they are.
fn is_of_the_row(e: &Error) -> bool {
    !matches!(&e.sqlstate().as_str()[..2], "40" | "53" | "55" | "57" | "58" | "XX")
}
