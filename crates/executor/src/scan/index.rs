//! Index scan: tids by key range, in key order; rows from the heap, or from the index itself where every snapshot sees
//! the row's page.

use super::range::{Prepared, Ranges};
use super::rows::{RowReader, open_heap, snapshot_for};
use crate::context::Cx;
use crate::index_entry::IndexShape;
use crate::operator::Operator;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::Result;
use quarry_plan::ScanColumn;
use quarry_storage::Snapshot;
use quarry_storage::heap::Heap;
use quarry_storage::index::{BTree, Direction, IndexScan as TreeScan};
use quarry_storage::stats::Reads;
use quarry_storage::txn::LiveSnapshots;
use quarry_types::{BATCH_ROWS, Batch, Datum};
use std::sync::Arc;

/// How an index-only scan gets a column: key number or included column number.
#[derive(Clone, Copy)]
enum From {
    Key(usize),
    Included(usize),
}

pub struct IndexScan {
    relation: Arc<Relation>,
    index: Arc<IndexDef>,
    ranges: Ranges,
    reader: RowReader,
    backward: bool,
    /// Set: all columns come out of the index.
    only: Option<(Vec<From>, IndexShape)>,
    open: Option<Open>,
    state: State,
    values: Vec<Datum>,
}

struct Open {
    heap: Heap,
    snapshot: Snapshot,
    scan: Option<TreeScan>,
    tree: Option<BTree>,
    reads: Reads,
    /// For judging dead entries, once there are some.
    live: Option<LiveSnapshots>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(tree) = &self.tree {
            tree.count_reads(&self.snapshot, self.reads);
        }
    }
}

enum State {
    Start,
    /// Range being scanned.
    Running(Prepared, usize),
    Done,
}

impl IndexScan {
    pub fn new(
        relation: Arc<Relation>,
        index: Arc<IndexDef>,
        ranges: Ranges,
        reader: RowReader,
        backward: bool,
        only: Option<(&[ScanColumn], IndexShape)>,
    ) -> IndexScan {
        let only = only.filter(|_| !relation.is_catalog).and_then(|(columns, shape)| {
            let from = columns.iter().map(|c| match c {
                ScanColumn::Attribute(a) => index
                    .keys
                    .iter()
                    .position(|k| k.column == Some(*a))
                    .map(From::Key)
                    .or_else(|| index.include.iter().position(|i| i == a).map(From::Included)),
                _ => None,
            });
            Some((from.collect::<Option<Vec<_>>>()?, shape))
        });
        IndexScan {
            relation,
            index,
            ranges,
            reader,
            backward,
            only,
            open: None,
            state: State::Start,
            values: Vec::new(),
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let Some(prepared) = self.ranges.prepare(cx)? else {
            self.state = State::Done;
            return Ok(());
        };
        if self.open.is_none() {
            let heap = open_heap(cx.env, &self.relation)?;
            let snapshot = snapshot_for(cx.env, &self.relation);
            let (scan, tree, reads, live) = (None, None, Reads::default(), None);
            self.open = Some(Open { heap, snapshot, scan, tree, reads, live });
        }
        self.state = State::Running(prepared, 0);
        self.next_range(cx)
    }

    /// Positions the tree scan on the next range, if there is one.
    fn next_range(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let State::Running(prepared, at) = &mut self.state else { return Ok(()) };
        let n = prepared.ranges.len();
        if *at >= n {
            self.state = State::Done;
            return Ok(());
        }
        let range = prepared.ranges[if self.backward { n - 1 - *at } else { *at }].clone();
        *at += 1;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.reads.scans += 1;
        match &mut open.scan {
            Some(scan) => scan.restart(range),
            None => {
                let tree = BTree::open(&cx.env.storage, self.index.storage, self.index.unique);
                let direction = if self.backward { Direction::Backward } else { Direction::Forward };
                let scan = tree.scan(range, direction).read_by(&open.snapshot);
                open.tree = Some(tree);
                open.scan = Some(if self.only.is_some() { scan.with_visibility(&open.heap) } else { scan });
            }
        }
        Ok(())
    }
}

impl Operator for IndexScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if matches!(self.state, State::Start) {
            self.start(cx)?;
        }
        if matches!(self.state, State::Done) {
            return Ok(None);
        }
        cx.check_cancelled()?;
        let want = cx.want.min(BATCH_ROWS);
        let mut out = self.reader.vectors(0);
        let mut rows = 0;
        while rows < want {
            let State::Running(prepared, _) = &self.state else { break };
            let Some(Open { heap, snapshot, scan: Some(scan), reads, live, .. }) = &mut self.open else {
                break;
            };
            let Some(entry) = scan.next()? else {
                self.next_range(cx)?;
                continue;
            };
            if !self.ranges.passes(&prepared.residual, entry.key)? {
                continue;
            }
            reads.returned += 1;
            if let Some((from, shape)) = &self.only
                && entry.all_visible
                && heap.is_still_all_visible(snapshot, entry.tid.block)?
            {
                shape.decode(entry.key, entry.payload, &mut self.values)?;
                let keys = shape.key_count();
                for (f, to) in from.iter().zip(&mut out) {
                    let i = match f {
                        From::Key(k) => *k,
                        From::Included(i) => keys + i,
                    };
                    to.push_datum(&self.values[i]);
                }
                rows += 1;
                continue;
            }
            let reader = &self.reader;
            let tid = entry.tid;
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
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.state = State::Start;
        Ok(())
    }
}
