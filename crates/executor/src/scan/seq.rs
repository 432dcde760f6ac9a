//! Sequential scan: pages decoded straight into vectors, wanted columns only.

use super::filters::Filters;
use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::operator::Operator;
use quarry_catalog::Relation;
use quarry_common::{BlockNo, Result};
use quarry_storage::heap::{Heap, HeapScan};
use quarry_types::{BATCH_ROWS, Batch};
use std::ops::Range;
use std::sync::Arc;

pub struct SeqScan {
    relation: Arc<Relation>,
    reader: RowReader,
    open: Option<(Heap, HeapScan)>,
    done: bool,
    filters: Filters,
    /// Further pages to read, where the filters leave only some.
    pages: std::vec::IntoIter<Range<BlockNo>>,
}

impl SeqScan {
    pub fn new(relation: Arc<Relation>, reader: RowReader, filters: Filters) -> SeqScan {
        SeqScan { relation, reader, open: None, done: false, filters, pages: vec![].into_iter() }
    }
}

impl Operator for SeqScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        self.filters.begin(cx);
        let (heap, scan) = match &mut self.open {
            Some(open) => open,
            None => {
                let heap = open_heap(cx.env, &self.relation)?;
                let mut scan = heap.scan(snapshot_for(cx.env, &self.relation), None);
                if self.filters.are_active() {
                    let blocks = scan.blocks()?.end;
                    let snapshot = scan.snapshot().clone();
                    if let Some(pages) = self.filters.pages(cx, &self.relation, blocks, &snapshot)? {
                        self.pages = pages.into_iter();
                        scan.set_range(self.pages.next().unwrap_or(0..0));
                    }
                }
                self.open.insert((heap, scan))
            }
        };
        // A page has at most some hundreds of rows: stop before the batch would overflow.
        let enough = cx.want.min(BATCH_ROWS - 300);
        let mut out = self.reader.vectors(if cx.want < 64 { 64 } else { BATCH_ROWS });
        let mut rows = 0;
        let reader = &self.reader;
        let filters = &mut self.filters;
        let active = filters.are_active();
        while rows < enough {
            cx.check_cancelled()?;
            let more = scan.next_rows(|page| {
                let page = if active { filters.pass(heap, page)? } else { page };
                rows += page.len();
                reader.push_page(heap, &page, &mut out)
            })?;
            if !more {
                if let Some(pages) = self.pages.next() {
                    scan.set_range(pages);
                    continue;
                }
                self.done = true;
                break;
            }
        }
        if active {
            filters.report(cx);
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.open = None;
        self.pages = vec![].into_iter();
        self.done = false;
        Ok(())
    }
}
