//! Hash index scans: lookups of single keys. What is found may have another key with the same hash, so rows are tested.

use super::super::rows::{RowReader, open_heap, snapshot_for};
use super::super::tid_bitmap::TidBitmap;
use super::{MethodScan, Test, elements, equal_key};
use crate::context::Cx;
use crate::expr::Program;
use crate::index_method::hash::encode;
use crate::operator::{Operator, filter_batch};
use quarry_catalog::{IndexDef, Relation};
use quarry_common::Result;
use quarry_storage::Snapshot;
use quarry_storage::heap::Heap;
use quarry_storage::index::{HashIndex, HashScan};
use quarry_storage::stats::Reads;
use quarry_storage::txn::LiveSnapshots;
use quarry_types::{BATCH_ROWS, Batch, Datum};
use std::sync::Arc;

impl MethodScan {
    /// The keys to look up.
    fn hash_keys(&self, values: &[Datum]) -> Result<Vec<Vec<u8>>> {
        let ty = &self.types[0];
        let mut wanted: Option<Vec<Datum>> = None;
        for (c, value) in self.conds.iter().zip(values) {
            let these: Vec<Datum> = match c.test {
                Test::In => elements(value, ty.oid),
                _ => equal_key(value.clone(), ty.oid).into_iter().collect(),
            };
            // A key must pass all conditions; the other ones are tested with the rows.
            if wanted.as_ref().is_none_or(|w| these.len() < w.len()) {
                wanted = Some(these);
            }
        }
        let mut keys = vec![];
        for value in wanted.unwrap_or_default() {
            let mut key = vec![];
            if encode(&value, ty, &mut key)? {
                keys.push(key);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    pub(super) fn fill_hash(
        &self,
        cx: &mut Cx<'_>,
        index: &IndexDef,
        values: &[Datum],
        snapshot: &Snapshot,
        out: &mut TidBitmap,
    ) -> Result<u64> {
        let hash = HashIndex::open(&cx.env.storage, index.storage).with_name(index.name.clone());
        let mut reads = Reads::default();
        for key in self.hash_keys(values)? {
            reads.scans += 1;
            hash.each_by(snapshot, &key, &mut |tid| {
                reads.returned += 1;
                out.add(tid, true);
            })?;
            cx.check_cancelled()?;
        }
        hash.count_reads(snapshot, reads);
        Ok(reads.returned)
    }
}

/// A scan of a hash index, row by row as they are found.
pub struct HashIndexScan {
    relation: Arc<Relation>,
    index: Arc<IndexDef>,
    scan: MethodScan,
    reader: RowReader,
    /// The conditions over the rows that the reader makes.
    recheck: Vec<Program>,
    open: Option<Open>,
    /// Keys still to be looked up, the next one last; none: not begun.
    keys: Option<Vec<Vec<u8>>>,
}

struct Open {
    heap: Heap,
    snapshot: Snapshot,
    hash: HashIndex,
    scan: Option<HashScan>,
    reads: Reads,
    /// For judging dead entries, once there are some.
    live: Option<LiveSnapshots>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.hash.count_reads(&self.snapshot, self.reads);
    }
}

impl HashIndexScan {
    pub fn new(
        relation: Arc<Relation>,
        index: Arc<IndexDef>,
        scan: MethodScan,
        reader: RowReader,
        recheck: Vec<Program>,
    ) -> HashIndexScan {
        HashIndexScan { relation, index, scan, reader, recheck, open: None, keys: None }
    }

    fn start(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut keys = match self.scan.values(cx)? {
            Some(values) => self.scan.hash_keys(&values)?,
            None => vec![],
        };
        keys.reverse();
        if self.open.is_none() {
            self.open = Some(Open {
                heap: open_heap(cx.env, &self.relation)?,
                snapshot: snapshot_for(cx.env, &self.relation),
                hash: HashIndex::open(&cx.env.storage, self.index.storage).with_name(self.index.name.clone()),
                scan: None,
                reads: Reads::default(),
                live: None,
            });
        }
        self.keys = Some(keys);
        self.next_key();
        Ok(())
    }

    /// Goes on with the next key; false: there is none.
    fn next_key(&mut self) -> bool {
        let (Some(open), Some(keys)) = (&mut self.open, &mut self.keys) else { return false };
        let Some(key) = keys.pop() else {
            open.scan = None;
            return false;
        };
        open.reads.scans += 1;
        match &mut open.scan {
            Some(scan) => scan.restart(&key),
            None => open.scan = Some(open.hash.scan(&key).read_by(&open.snapshot)),
        }
        true
    }

    /// Rows that are found, up to as many as wanted; none: there are no more.
    fn found(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let want = cx.want.min(BATCH_ROWS);
        let mut out = self.reader.vectors(0);
        let mut rows = 0;
        while rows < want {
            let Some(Open { heap, snapshot, scan: Some(scan), reads, live, .. }) = &mut self.open else {
                break;
            };
            let Some(tid) = scan.next()? else {
                if !self.next_key() {
                    break;
                }
                continue;
            };
            reads.returned += 1;
            let reader = &self.reader;
            let found = if reader.needs_meta() {
                heap.fetch_with_meta(snapshot, tid, |tid, meta, body| {
                    reader.push(heap, tid, Some(&meta), body, &mut out)
                })?
            } else {
                heap.fetch(snapshot, tid, |tid, body| reader.push(heap, tid, None, body, &mut out))?
            };
            match found {
                Some(done) => {
                    done?;
                    reads.fetched += 1;
                    rows += 1;
                }
                None => {
                    if heap.is_dead(tid, live)? {
                        scan.kill_last();
                    }
                }
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
}

impl Operator for HashIndexScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.keys.is_none() {
            self.start(cx)?;
        }
        loop {
            cx.check_cancelled()?;
            let Some(batch) = self.found(cx)? else { return Ok(None) };
            if let Some(batch) = filter_batch(&self.recheck, cx, batch)? {
                return Ok(Some(batch));
            }
        }
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.keys = None;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        (self.open, self.keys) = (None, None);
        true
    }
}
