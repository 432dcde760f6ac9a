//! Sequential scan: pages decoded straight into vectors, wanted columns only, of the rows that are left by the tests of stored rows.

use super::filters::Filters;
use super::page_filter::PageFilter;
use super::rows::{RowReader, open_heap, snapshot_for};
use super::shared::Share;
use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator};
use quarry_catalog::Relation;
use quarry_common::{BlockNo, Result};
use quarry_plan::{Expr, PhysicalNode, PhysicalPlan, walk};
use quarry_storage::heap::{Heap, HeapScan};
use quarry_types::{BATCH_ROWS, Batch};
use std::ops::Range;
use std::sync::Arc;

pub struct SeqScan {
    relation: Arc<Relation>,
    reader: RowReader,
    open: Option<(Heap, HeapScan)>,
    done: bool,
    /// The conditions that rows are tested for where they lie.
    tests: PageFilter,
    filters: Filters,
    /// Further pages to read, where the filters leave only some.
    pages: std::vec::IntoIter<Range<BlockNo>>,
    /// It reads what it takes of a table that others read too.
    share: Option<Share>,
    /// Pages of the table, and those worth reading, where they are shared.
    blocks: BlockNo,
    wanted: Option<Vec<Range<BlockNo>>>,
}

impl SeqScan {
    pub fn new(
        relation: Arc<Relation>,
        reader: RowReader,
        tests: PageFilter,
        filters: Filters,
        share: Option<Share>,
    ) -> SeqScan {
        let pages = vec![].into_iter();
        SeqScan {
            relation,
            reader,
            open: None,
            done: false,
            tests,
            filters,
            pages,
            share,
            blocks: 0,
            wanted: None,
        }
    }
}

/// The scan of a plan node that is one, and the conditions that are left to be tested of its rows.
pub fn build<'p>(
    b: &mut Builder<'_>,
    plan: &'p PhysicalPlan,
) -> Result<Option<(BoxOperator, Vec<&'p Expr>)>> {
    let PhysicalNode::SeqScan { relation, columns, .. } = &plan.node else { return Ok(None) };
    let (tests, rest) = PageFilter::compile(b, relation, columns, &plan.filter)?;
    let filters = b.scan_filters(plan.id, relation, columns, None)?;
    let mut read = vec![];
    let above = plan.targets.iter().map(|(_, e)| e).chain(rest.iter().copied());
    above.for_each(|e| walk::columns_of(e, &mut read));
    // A target with a raw column's id is that column, whatever its expression.
    read.extend(plan.targets.iter().map(|(id, _)| *id));
    let reader = b.reader(relation, columns)?.without(|i| read.contains(&columns[i].0));
    let wholes = std::mem::take(&mut b.whole_numbers);
    let reader = reader.with_whole_numbers(|i| wholes.contains(&columns[i].0));
    let share = b.member.as_ref().and_then(|member| member.scan(plan.id));
    let scan = SeqScan::new(relation.clone(), reader, tests, filters, share);
    Ok(Some((Box::new(scan), rest)))
}

impl Operator for SeqScan {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        self.filters.begin(cx);
        if !self.tests.is_complete() {
            self.tests.begin(cx)?;
        }
        let (heap, scan) = match &mut self.open {
            Some(open) => open,
            None => {
                let heap = open_heap(cx.env, &self.relation)?;
                let mut scan = heap.scan(snapshot_for(cx.env, &self.relation), None);
                if self.reader.reads_columns() || !self.tests.is_empty() {
                    scan.find_forms();
                }
                let mut wanted = None;
                if self.filters.are_active() || self.share.is_some() {
                    self.blocks = scan.blocks()?.end;
                }
                if self.filters.are_active() {
                    let snapshot = scan.snapshot().clone();
                    wanted = self.filters.pages(cx, &self.relation, self.blocks, &snapshot)?;
                }
                if self.share.is_some() {
                    self.wanted = wanted;
                    scan.set_range(0..0);
                } else if let Some(pages) = wanted {
                    self.pages = pages.into_iter();
                    scan.set_range(self.pages.next().unwrap_or(0..0));
                }
                self.open.insert((heap, scan))
            }
        };
        // A page has at most some hundreds of rows: stop before the batch would overflow.
        let enough = cx.want.min(BATCH_ROWS - 300);
        let mut out = self.reader.vectors(if cx.want < 64 { 64 } else { BATCH_ROWS });
        let mut rows = 0;
        let reader = &self.reader;
        let tests = &mut self.tests;
        let filters = &mut self.filters;
        let active = filters.are_active();
        while rows < enough {
            cx.check_cancelled()?;
            let more = scan.next_rows(|page| {
                let page = tests.pass(heap, page)?;
                if page.is_empty() {
                    return Ok(());
                }
                let page = if active { filters.pass(heap, page)? } else { page };
                rows += page.len();
                reader.push_page(heap, &page, &mut out)
            })?;
            if !more {
                if self.pages.len() == 0
                    && let Some(share) = &self.share
                    && let Some(taken) = share.take_of(self.blocks, self.wanted.as_deref())
                {
                    self.pages = taken.into_iter();
                }
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
        Ok(Some(self.reader.batch(out, rows)))
    }
    fn rows_filtered(&self) -> u64 {
        self.tests.removed()
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.tests.reset();
        self.open = None;
        self.pages = vec![].into_iter();
        self.done = false;
        Ok(())
    }
    fn renew(&mut self) -> bool {
        self.tests.renew();
        (self.open, self.pages, self.done) = (None, vec![].into_iter(), false);
        (self.blocks, self.wanted) = (0, None);
        self.filters.is_empty() && self.share.is_none()
    }
}
