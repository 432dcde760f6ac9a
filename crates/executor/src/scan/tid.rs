//! Rows by their place: `ctid = value` or `ctid = ANY(array)`.

use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::expr::Program;
use crate::operator::Operator;
use quarry_catalog::Relation;
use quarry_common::{Result, Tid};
use quarry_types::array::ArrayRef;
use quarry_types::{Batch, Datum, identifiers};
use std::sync::Arc;

pub struct TidScan {
    relation: Arc<Relation>,
    reader: RowReader,
    tids: Vec<Program>,
    done: bool,
}

impl TidScan {
    pub fn new(relation: Arc<Relation>, reader: RowReader, tids: Vec<Program>) -> TidScan {
        TidScan { relation, reader, tids, done: false }
    }
}

impl Operator for TidScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let mut tids: Vec<Tid> = Vec::new();
        for p in &self.tids {
            match p.row(cx, &[])? {
                Datum::Null => {}
                v @ Datum::I64(_) => tids.push(identifiers::tid_of(&v)),
                v => tids.extend(
                    ArrayRef::of(&v).iter().filter(|t| !t.is_null()).map(|t| identifiers::tid_of(&t)),
                ),
            }
        }
        tids.sort_unstable_by_key(|t| t.to_u64());
        tids.dedup();
        let heap = open_heap(cx.env, &self.relation)?;
        let snapshot = snapshot_for(cx.env, &self.relation);
        let mut out = self.reader.vectors(tids.len());
        let mut rows = 0;
        for tid in tids {
            if heap.fetch_visible(&snapshot, tid, |_, _| ())?.is_none() {
                continue;
            }
            let found = heap.fetch_exact(tid, |tid, meta, body| {
                self.reader.push(&heap, tid, Some(&meta), body, &mut out)
            })?;
            if let Some(done) = found {
                done?;
                rows += 1;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.done = false;
        Ok(())
    }
}
