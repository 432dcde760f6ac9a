//! Sequential scan: pages decoded straight into vectors, wanted columns only.

use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::operator::Operator;
use quarry_catalog::Relation;
use quarry_common::Result;
use quarry_storage::heap::{Heap, HeapScan};
use quarry_types::{BATCH_ROWS, Batch};
use std::sync::Arc;

pub struct SeqScan {
    relation: Arc<Relation>,
    reader: RowReader,
    open: Option<(Heap, HeapScan)>,
    done: bool,
}

impl SeqScan {
    pub fn new(relation: Arc<Relation>, reader: RowReader) -> SeqScan {
        SeqScan { relation, reader, open: None, done: false }
    }
}

impl Operator for SeqScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let (heap, scan) = match &mut self.open {
            Some(open) => open,
            None => {
                let heap = open_heap(cx.env, &self.relation)?;
                let scan = heap.scan(snapshot_for(cx.env, &self.relation), None);
                self.open.insert((heap, scan))
            }
        };
        // A page has at most some hundreds of rows: stop before the batch would overflow.
        let enough = cx.want.min(BATCH_ROWS - 300);
        let mut out = self.reader.vectors(if cx.want < 64 { 64 } else { BATCH_ROWS });
        let mut rows = 0;
        let reader = &self.reader;
        while rows < enough {
            cx.check_cancelled()?;
            let more = scan.next_rows(|page| {
                rows += page.len();
                reader.push_page(heap, &page, &mut out)
            })?;
            if !more {
                self.done = true;
                break;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.open = None;
        self.done = false;
        Ok(())
    }
}
