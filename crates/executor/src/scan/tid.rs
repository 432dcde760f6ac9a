//! Rows by their place: `ctid = value` or `ctid = ANY(array)`, and by a range of places.

use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::expr::Program;
use crate::operator::Operator;
use quarry_catalog::Relation;
use quarry_common::{BlockNo, Result, Tid};
use quarry_storage::Snapshot;
use quarry_storage::heap::{Heap, HeapScan, PageRows};
use quarry_types::array::ArrayRef;
use quarry_types::{BATCH_ROWS, Batch, Datum, Vector, identifiers};
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

/// A bound's value, and whether it is itself within.
pub type TidBound = (Program, bool);

/// Rows whose places lie between bounds: only those pages are read.
pub struct TidRangeScan {
    relation: Arc<Relation>,
    reader: RowReader,
    lower: Vec<TidBound>,
    upper: Vec<TidBound>,
    state: RangeState,
}

enum RangeState {
    Start,
    Running(Box<Running>),
    Done,
}

struct Running {
    heap: Heap,
    scan: HeapScan,
    /// First and last place, as numbers.
    first: u64,
    last: u64,
}

impl TidRangeScan {
    pub fn new(
        relation: Arc<Relation>,
        reader: RowReader,
        lower: Vec<TidBound>,
        upper: Vec<TidBound>,
    ) -> TidRangeScan {
        TidRangeScan { relation, reader, lower, upper, state: RangeState::Start }
    }

    /// The first and the last place; none if no row can be between.
    fn bounds(&self, cx: &mut Cx<'_>) -> Result<Option<(Tid, Tid)>> {
        let mut first = 0u64;
        let mut last = u64::MAX;
        for (program, inclusive) in &self.lower {
            let value = program.row(cx, &[])?;
            if value.is_null() {
                return Ok(None);
            }
            let at = identifiers::tid_of(&value).to_u64();
            first = first.max(if *inclusive { at } else { at.saturating_add(1) });
        }
        for (program, inclusive) in &self.upper {
            let value = program.row(cx, &[])?;
            if value.is_null() {
                return Ok(None);
            }
            let at = identifiers::tid_of(&value).to_u64();
            if !inclusive && at == 0 {
                return Ok(None);
            }
            last = last.min(if *inclusive { at } else { at - 1 });
        }
        let greatest = Tid { block: BlockNo::MAX, slot: u16::MAX };
        let last = last.min(greatest.to_u64());
        Ok((first <= last).then(|| (Tid::from_u64(first), Tid::from_u64(last))))
    }

    fn start(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.state = RangeState::Done;
        let Some((first, last)) = self.bounds(cx)? else { return Ok(()) };
        let heap = open_heap(cx.env, &self.relation)?;
        let snapshot: Snapshot = snapshot_for(cx.env, &self.relation);
        let blocks = heap.blocks()?;
        let end = last.block.saturating_add(1).min(blocks);
        let scan = heap.scan(snapshot, Some(first.block.min(end)..end));
        let (first, last) = (first.to_u64(), last.to_u64());
        self.state = RangeState::Running(Box::new(Running { heap, scan, first, last }));
        Ok(())
    }
}

/// Appends the rows of a page whose places are within; gives how many.
fn push_within(
    reader: &RowReader,
    heap: &Heap,
    page: &PageRows<'_>,
    (first, last): (u64, u64),
    out: &mut [Vector],
) -> Result<usize> {
    let within = |i: usize| (first..=last).contains(&page.tid(i).to_u64());
    let n = page.len();
    if n == 0 || within(0) && within(n - 1) {
        reader.push_page(heap, page, out)?;
        return Ok(n);
    }
    let mut rows = 0;
    for i in (0..n).filter(|i| within(*i)) {
        let meta = page.meta(i);
        reader.push(heap, page.tid(i), Some(&meta), page.body(i), out)?;
        rows += 1;
    }
    Ok(rows)
}

impl Operator for TidRangeScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if matches!(self.state, RangeState::Start) {
            self.start(cx)?;
        }
        let RangeState::Running(running) = &mut self.state else { return Ok(None) };
        let Running { heap, scan, first, last } = &mut **running;
        let mut out = self.reader.vectors(0);
        let mut rows = 0;
        let mut done = false;
        // A page has at most some hundreds of rows: stop before the batch would overflow.
        while rows < cx.want.min(BATCH_ROWS - 300) {
            cx.check_cancelled()?;
            let reader = &self.reader;
            let more = scan.next_rows(|page| {
                rows += push_within(reader, heap, &page, (*first, *last), &mut out)?;
                Ok(())
            })?;
            if !more {
                done = true;
                break;
            }
        }
        if done {
            self.state = RangeState::Done;
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.state = RangeState::Start;
        Ok(())
    }
}
