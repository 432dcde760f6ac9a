//! Bitmap heap scan: tids from several indexes, combined, visited in physical order.

use super::range::Ranges;
use super::rows::{RowReader, open_heap, snapshot_for};
use crate::build::Builder;
use crate::context::Cx;
use crate::operator::Operator;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Result, Tid};
use quarry_plan::physical::BitmapSource;
use quarry_storage::Snapshot;
use quarry_storage::index::{BTree, Direction};
use quarry_storage::stats::Reads;
use quarry_types::{BATCH_ROWS, Batch};
use std::sync::Arc;
use std::time::Instant;

/// Where tids come from.
pub enum Source {
    Index { index: Arc<IndexDef>, ranges: Ranges, id: usize },
    And(Vec<Source>),
    Or(Vec<Source>),
}

impl Source {
    pub fn compile(b: &mut Builder<'_>, source: &BitmapSource) -> Result<Source> {
        Ok(match source {
            BitmapSource::Index { index, conds, id, .. } => {
                b.note_node(*id);
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

    /// Sorted, without repeats.
    fn tids(&self, cx: &mut Cx<'_>, snapshot: &Snapshot) -> Result<Vec<Tid>> {
        match self {
            Source::Index { index, ranges, id } => {
                let start = Instant::now();
                let mut out = Vec::new();
                if let Some(prepared) = ranges.prepare(cx)? {
                    let tree = BTree::open(&cx.env.storage, index.storage, index.unique);
                    let mut reads = Reads::default();
                    for range in prepared.ranges {
                        reads.scans += 1;
                        let mut scan = tree.scan(range, Direction::Forward).read_by(snapshot);
                        while let Some(e) = scan.next()? {
                            if ranges.passes(&prepared.residual, e.key)? {
                                out.push(e.tid);
                                reads.returned += 1;
                            }
                        }
                        cx.check_cancelled()?;
                    }
                    tree.count_reads(snapshot, reads);
                }
                if let Some(s) = cx.rt.stats.get_mut(*id) {
                    s.loops += 1.0;
                    s.rows += out.len() as f64;
                    let spent = start.elapsed().as_secs_f64() * 1000.0;
                    s.startup_ms += spent;
                    s.total_ms += spent;
                }
                out.sort_unstable_by_key(|t| t.to_u64());
                out.dedup();
                Ok(out)
            }
            Source::And(parts) => {
                let mut all: Option<Vec<Tid>> = None;
                for p in parts {
                    let tids = p.tids(cx, snapshot)?;
                    all = Some(match all {
                        None => tids,
                        Some(mut a) => {
                            a.retain(|t| tids.binary_search_by_key(&t.to_u64(), |x| x.to_u64()).is_ok());
                            a
                        }
                    });
                }
                Ok(all.unwrap_or_default())
            }
            Source::Or(parts) => {
                let mut all = Vec::new();
                for p in parts {
                    all.extend(p.tids(cx, snapshot)?);
                }
                all.sort_unstable_by_key(|t| t.to_u64());
                all.dedup();
                Ok(all)
            }
        }
    }
}

pub struct BitmapHeapScan {
    relation: Arc<Relation>,
    reader: RowReader,
    source: Source,
    tids: Option<(Vec<Tid>, usize)>,
    node: usize,
    /// Pages visited, over all loops.
    pages: u64,
}

impl BitmapHeapScan {
    pub fn new(relation: Arc<Relation>, reader: RowReader, source: Source, node: usize) -> BitmapHeapScan {
        BitmapHeapScan { relation, reader, source, tids: None, node, pages: 0 }
    }
}

impl Operator for BitmapHeapScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.tids.is_none() {
            let snapshot = snapshot_for(cx.env, &self.relation);
            self.tids = Some((self.source.tids(cx, &snapshot)?, 0));
        }
        let Some((tids, at)) = &mut self.tids else { return Ok(None) };
        if *at >= tids.len() {
            return Ok(None);
        }
        cx.check_cancelled()?;
        let heap = open_heap(cx.env, &self.relation)?;
        let snapshot = snapshot_for(cx.env, &self.relation);
        let mut out = self.reader.vectors(0);
        let mut rows = 0;
        let want = cx.want.min(BATCH_ROWS);
        let reader = &self.reader;
        while rows < want && *at < tids.len() {
            let tid = tids[*at];
            if *at == 0 || tids[*at - 1].block != tid.block {
                self.pages += 1;
            }
            *at += 1;
            let found = heap.fetch_with_meta(&snapshot, tid, |tid, meta, body| {
                reader.push(&heap, tid, Some(&meta), body, &mut out)
            })?;
            if let Some(done) = found {
                done?;
                rows += 1;
            }
        }
        heap.count_reads(&snapshot, Reads { fetched: rows as u64, ..Reads::default() });
        if let Some(s) = cx.rt.stats.get_mut(self.node)
            && self.pages > 0
        {
            crate::stats::set(s, "Heap Blocks", format!("exact={}", self.pages));
        }
        if rows == 0 {
            return Ok(None);
        }
        Ok(Some(Batch::new(out.into_iter().map(Arc::new).collect(), rows)))
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.tids = None;
        Ok(())
    }
}
