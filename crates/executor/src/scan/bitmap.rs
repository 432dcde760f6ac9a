//! Bitmap heap scan: places of rows from several indexes, combined, visited in physical order.

use super::ahead::look_ahead;
use super::filters::Filters;
use super::methods::MethodScan;
use super::range::Ranges;
use super::rows::{RowReader, open_heap, snapshot_for};
use super::tid_bitmap::{TidBitmap, Visit};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::Program;
use crate::operator::{Operator, select};
use quarry_catalog::{IndexDef, Relation};
use quarry_common::usage::{self, Usage};
use quarry_common::{BlockNo, Result};
use quarry_plan::physical::BitmapSource;
use quarry_storage::Snapshot;
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, Direction, KeyRange};
use quarry_storage::stats::Reads;
use quarry_types::{BATCH_ROWS, Batch, Vector};
use std::sync::Arc;
use std::time::Instant;

/// Where places of rows come from.
pub enum Source {
    Index {
        index: Arc<IndexDef>,
        ranges: Ranges,
        id: usize,
    },
    /// An index that is no B-tree.
    Method {
        index: Arc<IndexDef>,
        scan: MethodScan,
        id: usize,
    },
    And(Vec<Source>),
    Or(Vec<Source>),
}

impl Source {
    pub fn compile(b: &mut Builder<'_>, source: &BitmapSource) -> Result<Source> {
        Ok(match source {
            BitmapSource::Index { index, conds, id, .. } => {
                b.note_node(*id);
                if index.method != "btree" {
                    let scan = MethodScan::compile(b, index, conds)?;
                    return Ok(Source::Method { index: index.clone(), scan, id: *id });
                }
                Source::Index { index: index.clone(), ranges: Ranges::compile(b, index, conds)?, id: *id }
            }
            BitmapSource::And(parts) => {
                Source::And(parts.iter().map(|p| Source::compile(b, p)).collect::<Result<_>>()?)
            }
            BitmapSource::Or(parts) => {
                Source::Or(parts.iter().map(|p| Source::compile(b, p)).collect::<Result<_>>()?)
            }
        })
    }

    fn bitmap(&self, cx: &mut Cx<'_>, relation: &Relation, snapshot: &Snapshot) -> Result<TidBitmap> {
        match self {
            Source::Index { index, ranges, id } => {
                let start = (Instant::now(), usage::now());
                let mut out = TidBitmap::new(cx.env.work_mem_bytes);
                let rows = read_tree(index, ranges, cx, snapshot, &mut out)?;
                note(cx, *id, rows, &start);
                Ok(out)
            }
            Source::Method { index, scan, id } => {
                let start = (Instant::now(), usage::now());
                let mut out = TidBitmap::new(cx.env.work_mem_bytes);
                let rows = scan.fill(cx, relation, index, snapshot, &mut out)?;
                note(cx, *id, rows, &start);
                Ok(out)
            }
            Source::And(parts) => {
                let mut all: Option<TidBitmap> = None;
                for p in parts {
                    if all.as_ref().is_some_and(TidBitmap::is_empty) {
                        break;
                    }
                    let part = p.bitmap(cx, relation, snapshot)?;
                    match &mut all {
                        None => all = Some(part),
                        Some(a) => a.intersect(part),
                    }
                }
                Ok(all.unwrap_or_else(|| TidBitmap::new(0)))
            }
            Source::Or(parts) => {
                let mut all = TidBitmap::new(cx.env.work_mem_bytes);
                for p in parts {
                    all.unite(p.bitmap(cx, relation, snapshot)?);
                }
                Ok(all)
            }
        }
    }
}

/// Counts a scan of an index for EXPLAIN.
fn note(cx: &mut Cx<'_>, id: usize, rows: u64, (start, used): &(Instant, Usage)) {
    if let Some(s) = cx.rt.stats.get_mut(id) {
        s.usage = s.usage.plus(&usage::now().since(used));
        s.loops += 1.0;
        s.rows += rows as f64;
        let spent = start.elapsed().as_secs_f64() * 1000.0;
        s.startup_ms += spent;
        s.total_ms += spent;
    }
}

/// Adds what the ranges of a B-tree hold; gives how many entries that was.
fn read_tree(
    index: &IndexDef,
    ranges: &Ranges,
    cx: &mut Cx<'_>,
    snapshot: &Snapshot,
    out: &mut TidBitmap,
) -> Result<u64> {
    let Some(mut prepared) = ranges.prepare(cx)? else { return Ok(0) };
    let tree = BTree::open(&cx.env.storage, index.storage, index.unique);
    let mut reads = Reads::default();
    let mut scan = tree.scan(KeyRange::full(), Direction::Forward).read_by(snapshot);
    scan.want_keys(ranges.reads_keys(&prepared));
    loop {
        let mut seek = |range: KeyRange| scan.first_key(range);
        let Some(range) = ranges.next(&mut prepared, false, &mut seek)? else { break };
        reads.scans += 1;
        scan.restart(range);
        while let Some(e) = scan.next()? {
            if ranges.passes(&prepared, e.key)? {
                out.add(e.tid, false);
                reads.returned += 1;
                if reads.returned % 4096 == 0 {
                    cx.check_cancelled()?;
                }
            }
        }
        cx.check_cancelled()?;
    }
    tree.count_reads(snapshot, reads);
    Ok(reads.returned)
}

/// What a scan under way holds.
struct Open {
    heap: Heap,
    snapshot: Snapshot,
    pages: Box<dyn Iterator<Item = Visit> + Send>,
}

pub struct BitmapHeapScan {
    relation: Arc<Relation>,
    reader: RowReader,
    source: Source,
    recheck: Vec<Program>,
    /// What hash joins above say of the rows.
    joins: Filters,
    open: Option<Open>,
    node: usize,
    /// Pages visited, over all loops.
    exact: u64,
    lossy: u64,
    /// Rows that a test of the conditions removed.
    removed: u64,
}

impl BitmapHeapScan {
    /// `recheck`: the conditions the bitmap stands for, over the scan's columns.
    pub fn new(
        relation: Arc<Relation>,
        reader: RowReader,
        source: Source,
        recheck: Vec<Program>,
        joins: Filters,
        node: usize,
    ) -> BitmapHeapScan {
        BitmapHeapScan {
            relation,
            reader,
            source,
            recheck,
            joins,
            open: None,
            node,
            exact: 0,
            lossy: 0,
            removed: 0,
        }
    }

    /// The rows of `batch` from `from` on that fulfil the conditions, and all before.
    fn rechecked(&mut self, cx: &mut Cx<'_>, batch: Batch, tested: &[bool]) -> Result<Option<Batch>> {
        if !tested.contains(&true) {
            return Ok(Some(batch));
        }
        let rows = batch.len;
        let doubtful: Vec<u32> = (0..rows as u32).filter(|i| tested[*i as usize]).collect();
        let mut passed = Some(select(batch.clone(), doubtful.clone()));
        for program in &self.recheck {
            let Some(Some(part)) = passed.take() else { break };
            let positions = program.positions(cx, &part)?;
            passed = Some(select(Batch { selection: None, ..part }, positions));
        }
        let mut keep: Vec<bool> = tested.iter().map(|t| !t).collect();
        if let Some(Some(part)) = passed {
            part.rows().iter().for_each(|i| keep[i] = true);
        }
        let positions: Vec<u32> = (0..rows as u32).filter(|i| keep[*i as usize]).collect();
        self.removed += (rows - positions.len()) as u64;
        Ok(select(batch, positions))
    }

    fn report(&self, cx: &mut Cx<'_>) {
        if self.joins.are_active() {
            self.joins.report(cx);
        }
        let Some(s) = cx.rt.stats.get_mut(self.node) else { return };
        if self.removed > 0 {
            let removed = self.removed as f64 / s.loops.max(1.0);
            crate::stats::set(s, "Rows Removed by Index Recheck", format!("{removed:.0}"));
        }
        if self.exact + self.lossy > 0 {
            let mut text = String::new();
            if self.exact > 0 {
                text = format!("exact={}", self.exact);
            }
            if self.lossy > 0 {
                let space = if text.is_empty() { "" } else { " " };
                text = format!("{text}{space}lossy={}", self.lossy);
            }
            crate::stats::set(s, "Heap Blocks", text);
        }
    }
}

/// Appends the rows that are seen of a page of which any row may be meant; gives how many.
fn read_page(
    heap: &Heap,
    snapshot: &Snapshot,
    block: BlockNo,
    reader: &RowReader,
    joins: &mut Filters,
    out: &mut [Vector],
) -> Result<usize> {
    let mut rows = 0;
    // The index may name pages that a truncated table no longer has.
    if block >= heap.blocks()? {
        return Ok(0);
    }
    let mut scan = heap.scan(snapshot.clone(), Some(block..block + 1));
    while scan.next_rows(|page| {
        let page = if joins.are_active() { joins.pass(heap, page)? } else { page };
        rows += page.len();
        reader.push_page(heap, &page, out)
    })? {}
    Ok(rows)
}

impl Operator for BitmapHeapScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.open.is_none() {
            let snapshot = snapshot_for(cx.env, &self.relation);
            let heap = open_heap(cx.env, &self.relation)?;
            let found = self.source.bitmap(cx, &self.relation, &snapshot)?;
            let pages = Box::new(look_ahead(&heap, found.into_pages()));
            self.open = Some(Open { heap, snapshot, pages });
        }
        loop {
            cx.check_cancelled()?;
            self.joins.begin(cx);
            let joined = self.joins.are_active();
            let Some(Open { heap, snapshot, pages }) = &mut self.open else { return Ok(None) };
            let mut out = self.reader.vectors(0);
            let mut rows = 0;
            let mut tested: Vec<bool> = Vec::new();
            // A page has at most some hundreds of rows: stop before the batch would overflow.
            let want = cx.want.min(BATCH_ROWS - 300);
            let (reader, joins) = (&self.reader, &mut self.joins);
            while rows < want {
                let Some(visit) = pages.next() else { break };
                let before = rows;
                let doubtful = match visit {
                    Visit::Exact { block, slots, recheck } => {
                        self.exact += 1;
                        let mut failed = Ok(());
                        heap.fetch_page(snapshot, block, &slots, |_, tid, meta, body| {
                            if failed.is_err() {
                                return;
                            }
                            let passes = if joined { joins.passes_row(heap, tid, body) } else { Ok(true) };
                            failed = match passes {
                                Ok(true) => {
                                    rows += 1;
                                    reader.push(heap, tid, Some(&meta), body, &mut out)
                                }
                                other => other.map(|_| ()),
                            };
                        })?;
                        failed?;
                        recheck
                    }
                    Visit::Lossy { block } => {
                        self.lossy += 1;
                        rows += read_page(heap, snapshot, block, reader, joins, &mut out)?;
                        true
                    }
                };
                if doubtful && tested.len() < before {
                    tested.resize(before, false);
                }
                if doubtful {
                    tested.resize(rows, true);
                }
            }
            heap.count_reads(snapshot, Reads { fetched: rows as u64, ..Reads::default() });
            if rows == 0 {
                self.report(cx);
                return Ok(None);
            }
            tested.resize(rows, false);
            let batch = Batch::new(out.into_iter().map(Arc::new).collect(), rows);
            let batch = self.rechecked(cx, batch, &tested)?;
            self.report(cx);
            if let Some(batch) = batch {
                return Ok(Some(batch));
            }
        }
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.open = None;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        (self.open, self.exact, self.lossy, self.removed) = (None, 0, 0, 0);
        self.joins.is_empty()
    }
}
