//! WITH RECURSIVE: the first term, then the step over the rows of the round before, until a round gives none.

use crate::build::{Builder, types_of};
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull, select};
use crate::seen::SeenRows;
use crate::spill::BatchStore;
use quarry_common::Result;
use quarry_plan::{ColumnId, CteId, PhysicalPlan};
use quarry_types::Batch;

pub struct RecursiveUnion {
    cte: CteId,
    base: BoxOperator,
    step: BoxOperator,
    seen: Option<SeenRows>,
    /// Rows of the round under way.
    round: BatchStore,
    in_base: bool,
    /// Whether the step has been started for the current work table.
    work: BatchStore,
    step_used: bool,
    done: bool,
}

pub fn build(
    b: &mut Builder<'_>,
    cte: CteId,
    base: (&PhysicalPlan, &[ColumnId]),
    step: (&PhysicalPlan, &[ColumnId]),
    output: &[ColumnId],
    distinct: bool,
) -> Result<BoxOperator> {
    let types = types_of(base.0, base.1)?;
    let physicals = types.iter().map(|t| b.physical(*t)).collect::<Result<Vec<_>>>()?;
    let infos = types.iter().map(|t| b.type_ref(t.oid)).collect::<Result<_>>()?;
    let base = b.picked(base.0, base.1)?;
    b.push_work_table(cte, output);
    let step = b.picked(step.0, step.1)?;
    Ok(Box::new(RecursiveUnion {
        cte,
        base,
        step,
        seen: distinct.then(|| SeenRows::new(&physicals, infos)),
        round: BatchStore::default(),
        in_base: true,
        work: BatchStore::default(),
        step_used: false,
        done: false,
    }))
}

impl RecursiveUnion {
    /// The next batch of base or step, without repeats if these are dropped.
    fn pull(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            let next = if self.in_base {
                pull(&mut self.base, cx)?
            } else {
                cx.rt.work_tables.push((self.cte, std::mem::take(&mut self.work)));
                let out = pull(&mut self.step, cx);
                self.work = cx.rt.work_tables.pop().map(|w| w.1).unwrap_or_default();
                out?
            };
            let Some(batch) = next else { return Ok(None) };
            let batch = dense(batch);
            let Some(seen) = &mut self.seen else { return Ok(Some(batch)) };
            let new = seen.new_rows(cx, &batch)?;
            if let Some(b) = select(batch, new) {
                return Ok(Some(dense(b)));
            }
        }
    }
}

impl Operator for RecursiveUnion {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            if self.done {
                return Ok(None);
            }
            cx.check_cancelled()?;
            if let Some(b) = self.pull(cx)? {
                self.round.push(cx.env, b.clone())?;
                return Ok(Some(b));
            }
            self.in_base = false;
            if self.round.is_empty() {
                self.done = true;
                return Ok(None);
            }
            self.work = std::mem::take(&mut self.round);
            match cx.rt.rounds.iter_mut().find(|r| r.0 == self.cte) {
                Some(r) => r.1 += 1,
                None => cx.rt.rounds.push((self.cte, 1)),
            }
            if std::mem::replace(&mut self.step_used, true) {
                self.step.rescan(cx)?;
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.round.clear();
        self.work.clear();
        self.in_base = true;
        self.done = false;
        if let Some(s) = &mut self.seen {
            s.clear();
        }
        self.base.rescan(cx)
    }
}
