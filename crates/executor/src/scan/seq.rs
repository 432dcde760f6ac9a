//! Sequential scan: pages decoded straight into vectors, wanted columns only.

use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::join::filter::{KeyFilter, Probe};
use crate::operator::Operator;
use quarry_catalog::Relation;
use quarry_common::Result;
use quarry_storage::heap::{Heap, HeapScan, KeptRows, PageRows};
use quarry_types::{BATCH_ROWS, Batch};
use std::sync::Arc;

pub struct SeqScan {
    relation: Arc<Relation>,
    reader: RowReader,
    open: Option<(Heap, HeapScan)>,
    done: bool,
    filters: Filters,
}

impl SeqScan {
    pub fn new(relation: Arc<Relation>, reader: RowReader, filters: Filters) -> SeqScan {
        SeqScan { relation, reader, open: None, done: false, filters }
    }
}

/// What hash joins above a scan know of its columns, and how far that has been worth asking.
pub struct Filters {
    probes: Vec<(Probe, RowReader)>,
    /// Those in force now: their probe's position.
    active: Vec<(usize, Arc<KeyFilter>)>,
    removed: u64,
    node: usize,
    hashes: Vec<u64>,
    kept: Vec<u32>,
    rows: KeptRows,
}

impl Filters {
    pub fn new(probes: Vec<(Probe, RowReader)>, node: usize) -> Filters {
        Filters {
            probes,
            active: vec![],
            removed: 0,
            node,
            hashes: vec![],
            kept: vec![],
            rows: KeptRows::default(),
        }
    }

    fn begin(&mut self, cx: &Cx<'_>) {
        self.active.clear();
        for (i, (probe, _)) in self.probes.iter().enumerate().filter(|(_, (p, _))| p.is_on()) {
            if let Some(Some(filter)) = cx.rt.filters.get(probe.filter) {
                self.active.push((i, filter.clone()));
            }
        }
    }

    /// The page's rows that have a chance above.
    fn pass<'p>(&'p mut self, heap: &Heap, page: PageRows<'p>) -> Result<PageRows<'p>> {
        let before = page.len();
        self.rows.all(&page);
        for (at, filter) in &self.active {
            let (probe, reader) = &mut self.probes[*at];
            if !probe.is_on() {
                continue;
            }
            let left = page.only(&self.rows);
            let mut keys = reader.vectors(left.len());
            reader.push_page(heap, &left, &mut keys)?;
            filter.select(&keys[0], &mut self.hashes, &mut self.kept);
            probe.note(left.len(), self.kept.len());
            self.rows.retain(&self.kept);
        }
        let kept = page.only(&self.rows);
        self.removed += (before - kept.len()) as u64;
        Ok(kept)
    }

    fn report(&self, cx: &mut Cx<'_>) {
        if self.removed > 0
            && let Some(s) = cx.rt.stats.get_mut(self.node)
        {
            crate::stats::set(s, "Rows Removed by Runtime Filter", self.removed.to_string());
        }
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
        let filters = &mut self.filters;
        if !filters.probes.is_empty() {
            filters.begin(cx);
        }
        while rows < enough {
            cx.check_cancelled()?;
            let more = scan.next_rows(|page| {
                let page = if filters.active.is_empty() { page } else { filters.pass(heap, page)? };
                rows += page.len();
                reader.push_page(heap, &page, &mut out)
            })?;
            if !more {
                self.done = true;
                break;
            }
        }
        if !filters.active.is_empty() {
            filters.report(cx);
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
