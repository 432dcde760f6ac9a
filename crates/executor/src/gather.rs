//! Rows that several threads make, passed up to the statement's own (PostgreSQL: Gather, Gather Merge).
//!
//! No thread works while the nodes above do: rows are gathered in rounds, each of which ends when all threads together have made
//! enough, so that what waits is bounded, and somebody who wants no more rows leaves nothing running. Where threads sort, the first round has each sort its
//! part; then this thread merges.

use crate::build::Builder;
use crate::context::Cx;
use crate::crew::Crew;
use crate::expr::Layout;
use crate::merge::Merge;
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::sort::Keys;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::{PhysicalPlan, SortKey};
use quarry_types::Batch;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of rows that a round ends with: the first, since perhaps only some rows are wanted, and at most, each having twice as many.
const ROUND_BYTES_MIN: usize = 256 << 10;
const ROUND_BYTES_MAX: usize = 4 << 20;
/// A batch is copied where at most one of so many of its rows counts: it waits with the others of its round.
const SPARSE: usize = 4;

/// The input of one thread.
struct Part {
    input: BoxOperator,
    rows: VecDeque<Batch>,
    done: bool,
}

impl Part {
    /// Reads until all have gathered so many bytes.
    fn fill(&mut self, cx: &mut Cx<'_>, gathered: &AtomicUsize, enough: usize) -> Result<()> {
        while !self.done && gathered.load(Ordering::Relaxed) < enough {
            cx.check_cancelled()?;
            let Some(batch) = self.read(cx)? else { break };
            let batch = if batch.row_count() * SPARSE <= batch.len { dense(batch) } else { batch };
            let bytes: usize = batch.columns.iter().map(|c| c.memory_bytes()).sum();
            gathered.fetch_add(bytes, Ordering::Relaxed);
            self.rows.push_back(batch);
        }
        Ok(())
    }

    /// Reads one batch.
    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let batch = self.read(cx)?;
        self.rows.extend(batch);
        Ok(())
    }

    fn read(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let batch = pull(&mut self.input, cx)?;
        self.done = batch.is_none();
        Ok(batch)
    }

    /// The next batch: what waits, or what is read now.
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        match self.rows.pop_front() {
            Some(batch) => Ok(Some(batch)),
            None => self.read(cx),
        }
    }

    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.rows.clear();
        self.done = false;
        self.input.rescan(cx)
    }
}

/// The operator of [`quarry_plan::PhysicalNode::Gather`].
struct Gather {
    node: usize,
    lead: Part,
    crew: Crew<Part>,
    /// Of inputs that are sorted.
    merge: Option<Merge>,
    begun: bool,
    /// Bytes that the next round ends with.
    enough: usize,
    ready: VecDeque<Batch>,
    /// For rows that wait.
    reservation: Reservation,
}

/// Rows of `input`, which has parts, made by so many threads beside the statement's; in the order of `keys`, if there are any, as each
/// part is.
pub fn build(
    b: &mut Builder<'_>,
    node: usize,
    input: &PhysicalPlan,
    workers: usize,
    keys: &[SortKey],
) -> Result<BoxOperator> {
    let part =
        |b: &mut Builder<'_>, _| Ok(Part { input: b.plan(input)?, rows: VecDeque::new(), done: false });
    let Some((crew, lead)) = Crew::build(b, input, workers, part)? else { return b.plan(input) };
    let merge = match keys {
        [] => None,
        keys => {
            let keys = Keys::compile(b, keys, &Layout::new(input.output()))?;
            Some(Merge::new(keys, b.output_physicals(input)?))
        }
    };
    Ok(Box::new(Gather {
        node,
        lead,
        crew,
        merge,
        begun: false,
        enough: ROUND_BYTES_MIN,
        ready: VecDeque::new(),
        reservation: Reservation::default(),
    }))
}

impl Gather {
    /// Has all threads read until they have so many bytes together: how many these are.
    fn round(&mut self, cx: &mut Cx<'_>, enough: usize) -> Result<usize> {
        let gathered = AtomicUsize::new(0);
        let lead = &mut self.lead;
        let launched = self.crew.together(
            cx,
            |cx, _| lead.fill(cx, &gathered, enough),
            |part, cx, _| part.fill(cx, &gathered, enough),
        )?;
        // Who has no thread this time may hold pages of its own.
        for i in launched..self.crew.begun() {
            self.crew.ask(cx, i, |part, cx| part.fill(cx, &gathered, enough))?;
        }
        self.tell(cx);
        Ok(gathered.into_inner())
    }

    fn tell(&self, cx: &mut Cx<'_>) {
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            crate::stats::set(s, crate::stats::LAUNCHED, self.crew.begun().to_string());
        }
    }

    fn next_merged(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if !self.begun {
            // A part's first batch is there once all of it is sorted.
            let lead = &mut self.lead;
            self.crew.together(cx, |cx, _| lead.begin(cx), |part, cx, _| part.begin(cx))?;
            self.tell(cx);
            self.begun = true;
        }
        let Gather { lead, crew, merge: Some(merge), .. } = self else { return Ok(None) };
        merge.next(cx, 1 + crew.begun(), |cx, i| match i.checked_sub(1) {
            None => lead.next(cx),
            Some(i) => crew.ask(cx, i, Part::next),
        })
    }
}

impl Operator for Gather {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.merge.is_some() {
            return self.next_merged(cx);
        }
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            self.reservation.holds(0);
            let over = self.begun && self.lead.done && self.crew.others().all(|part| part.done);
            if over {
                return Ok(None);
            }
            self.begun = true;
            let bytes = self.round(cx, self.enough)?;
            self.reservation.holds(bytes);
            self.enough = (self.enough * 2).min(ROUND_BYTES_MAX);
            self.ready.append(&mut self.lead.rows);
            self.crew.others().for_each(|part| self.ready.append(&mut part.rows));
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.begun = false;
        self.enough = ROUND_BYTES_MIN;
        self.ready.clear();
        self.reservation.holds(0);
        if let Some(merge) = &mut self.merge {
            merge.reset();
        }
        self.crew.rescan(cx, Part::rescan)?;
        self.lead.rescan(cx)
    }
}
