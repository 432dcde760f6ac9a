//! The interface of operators and the wrappers every node has: filter, targets, instrumentation.

use crate::context::Cx;
use crate::expr::Program;
use quarry_common::{Result, usage};
use quarry_functions::kernel::{BATCH_BYTES_MAX, is_batch_too_large};
use quarry_types::{BATCH_ROWS, Batch, Rows};
use std::sync::Arc;
use std::time::Instant;

/// A node at work. Made ready to run; `next` after the end keeps answering none.
pub trait Operator: Send {
    /// The next batch with at least one row; none at the end.
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>>;
    /// Begins again, with the values `Runtime::outer` has now.
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()>;
    /// Becomes as it was when it was built, for another execution of the same plan with other parameters, snapshot and transaction: it holds
    /// nothing of those of the one that has ended, no rows, and no memory worth counting. False: it can't, and isn't to be used again.
    fn renew(&mut self) -> bool {
        false
    }
    /// Rows written, for nodes that write.
    fn rows_affected(&self) -> Option<u64> {
        None
    }
    /// Rows that the node's filter removed so far, for EXPLAIN ANALYZE.
    fn rows_filtered(&self) -> u64 {
        0
    }
}

pub type BoxOperator = Box<dyn Operator>;

/// Pulls a full batch whatever the caller wants: for nodes that consume their input.
#[inline]
pub fn pull(op: &mut BoxOperator, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
    pull_some(op, cx, BATCH_ROWS)
}

/// Pulls a batch of which only `want` rows are needed.
#[inline]
pub fn pull_some(op: &mut BoxOperator, cx: &mut Cx<'_>, want: usize) -> Result<Option<Batch>> {
    let before = std::mem::replace(&mut cx.want, want.clamp(1, BATCH_ROWS));
    let out = op.next(cx);
    cx.want = before;
    out
}

/// The batch with only these positions left; none if there are none.
pub fn select(batch: Batch, positions: Vec<u32>) -> Option<Batch> {
    if positions.is_empty() {
        return None;
    }
    if positions.len() == batch.len {
        return Some(Batch { selection: None, ..batch });
    }
    Some(Batch { selection: Some(positions.into()), ..batch })
}

/// A batch whose rows all count, copied if some don't.
pub fn dense(batch: Batch) -> Batch {
    match &batch.selection {
        None => batch,
        Some(s) => {
            let rows = Rows::Selected { positions: s, len: batch.len };
            let columns = batch.columns.iter().map(|c| Arc::new(c.gather(rows))).collect();
            Batch::new(columns, s.len())
        }
    }
}

/// A node's filter and targets over its raw rows.
pub struct Output {
    input: BoxOperator,
    filter: Vec<Program>,
    /// None: the raw columns are the output.
    targets: Option<Vec<Program>>,
    filtered: u64,
    /// Rows that passed the filter beyond what was wanted: their targets are computed only if asked for, as they may fail or
    /// have effects (nextval under LIMIT, a cursor's next FETCH).
    pending: Option<Batch>,
    /// Rows behind those that were filtered when all together failed: an error is raised when its row's turn comes.
    unfiltered: Option<Batch>,
    /// The filter has no effects, so that it may begin again.
    again: bool,
    /// Rows whose targets' values have a size that can be dealt with at once.
    most: usize,
    /// Targets have effects, so that none may be begun again; if others may make much, batches begin small.
    once: bool,
}

impl Output {
    pub fn new(input: BoxOperator, filter: Vec<Program>, targets: Option<Vec<Program>>) -> Output {
        let once = targets.iter().flatten().any(Program::has_effects);
        let most = Output::first_most(&targets, once);
        let again = !filter.iter().any(Program::has_effects);
        Output { input, filter, targets, filtered: 0, pending: None, unfiltered: None, again, most, once }
    }
    fn first_most(targets: &Option<Vec<Program>>, once: bool) -> usize {
        if once && targets.iter().flatten().any(Program::grows) { 1 } else { BATCH_ROWS }
    }
    /// The rows of the batch that pass the filter. Where somebody may stop early and a row fails, as many rows before it as go together:
    /// PostgreSQL raises an error only of a row that it comes to.
    fn filter(&mut self, cx: &mut Cx<'_>, mut batch: Batch) -> Result<Option<Batch>> {
        loop {
            let rows = batch.row_count();
            let whole = (rows > 1 && self.again && cx.want < BATCH_ROWS && !self.filter.is_empty())
                .then(|| batch.clone());
            match (filter_batch(&self.filter, cx, batch), whole) {
                (Err(_), Some(whole)) => {
                    batch = whole;
                    let rest = take_rows(&batch, rows / 2..rows);
                    self.unfiltered = Some(match self.unfiltered.take() {
                        Some(behind) => joined(&rest, &behind),
                        None => rest,
                    });
                    batch = take_rows(&batch, 0..rows / 2);
                }
                (outcome, _) => {
                    let kept = outcome?;
                    self.filtered += (rows - kept.as_ref().map_or(0, Batch::row_count)) as u64;
                    return Ok(kept);
                }
            }
        }
    }
    /// The targets of the batch's first rows, as many as are wanted and as their values' size allows; the others wait. Where somebody may
    /// stop early and a row fails, those before it come first.
    fn project(&mut self, cx: &mut Cx<'_>, batch: Batch) -> Result<Batch> {
        let Some(targets) = &self.targets else { return Ok(batch) };
        let rows = batch.row_count();
        let mut most_now = BATCH_ROWS;
        loop {
            let now = cx.want.min(self.most).min(most_now);
            let first = if rows > now { take_rows(&batch, 0..now) } else { batch.clone() };
            let count = first.row_count();
            match project_batch(targets, cx, first, self.once) {
                Err(e) if is_batch_too_large(&e) && count > 1 => self.most = count / 2,
                Err(_) if count > 1 && !self.once && cx.want < BATCH_ROWS => most_now = count / 2,
                Err(e) => return Err(e),
                Ok(out) => {
                    if rows > now {
                        self.pending = Some(take_rows(&batch, now..rows));
                    }
                    if self.most < BATCH_ROWS {
                        let each = out.columns.iter().map(|c| c.heap_bytes()).sum::<usize>() / count.max(1);
                        let fit = BATCH_BYTES_MAX / each.max(1);
                        self.most = fit.clamp(1, (self.most * 2).min(BATCH_ROWS));
                    }
                    return Ok(out);
                }
            }
        }
    }
}

/// Some of the rows that count.
fn take_rows(batch: &Batch, range: std::ops::Range<usize>) -> Batch {
    let positions: Vec<u32> =
        batch.rows().iter().skip(range.start).take(range.len()).map(|p| p as u32).collect();
    Batch { selection: Some(positions.into()), ..batch.clone() }
}

/// Rows of one batch that count, and others of it that come behind them.
fn joined(rows: &Batch, behind: &Batch) -> Batch {
    let positions: Vec<u32> = rows.rows().iter().chain(behind.rows().iter()).map(|p| p as u32).collect();
    Batch { selection: Some(positions.into()), ..rows.clone() }
}

/// Narrows a batch by conditions.
pub fn filter_batch(filter: &[Program], cx: &mut Cx<'_>, mut batch: Batch) -> Result<Option<Batch>> {
    for condition in filter {
        let keep = condition.positions(cx, &batch)?;
        if keep.len() != batch.row_count() {
            match select(batch, keep) {
                Some(b) => batch = b,
                None => return Ok(None),
            }
        }
    }
    Ok(Some(batch))
}

/// Computes targets; with `once` each row's a single time, else `batch_too_large` may be the answer.
fn project_batch(targets: &[Program], cx: &mut Cx<'_>, batch: Batch, once: bool) -> Result<Batch> {
    let value = |t: &Program| match once {
        true => t.eval(cx, &batch),
        false => t.eval_bounded(cx, &batch.columns, batch.rows()),
    };
    let columns = targets.iter().map(value).collect::<Result<Vec<_>>>()?;
    Ok(Batch { columns, len: batch.len, selection: batch.selection })
}

impl Operator for Output {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if let Some(batch) = self.pending.take() {
            return self.project(cx, batch).map(Some);
        }
        loop {
            let batch = match self.unfiltered.take() {
                Some(rest) => Some(rest),
                None => self.input.next(cx)?,
            };
            let Some(batch) = batch else { return Ok(None) };
            cx.check_cancelled()?;
            let Some(batch) = self.filter(cx, batch)? else { continue };
            return self.project(cx, batch).map(Some);
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.pending = None;
        self.unfiltered = None;
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        (self.pending, self.unfiltered, self.filtered) = (None, None, 0);
        self.most = Output::first_most(&self.targets, self.once);
        self.input.renew()
    }
    fn rows_affected(&self) -> Option<u64> {
        self.input.rows_affected()
    }
    fn rows_filtered(&self) -> u64 {
        self.filtered + self.input.rows_filtered()
    }
}

/// Counts rows, loops, time and what is used of a node and all below it.
pub struct Instrumented {
    input: BoxOperator,
    id: usize,
    running: bool,
}

impl Instrumented {
    pub fn new(input: BoxOperator, id: usize) -> Instrumented {
        Instrumented { input, id, running: false }
    }
}

impl Operator for Instrumented {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let above = std::mem::replace(&mut cx.rt.current_node, self.id);
        let before = self.input.rows_filtered();
        let (used, start) = (usage::now(), Instant::now());
        let out = self.input.next(cx);
        let spent = start.elapsed().as_secs_f64() * 1000.0;
        cx.rt.current_node = above;
        let filtered = self.input.rows_filtered() - before;
        if let Some(s) = cx.rt.stats.get_mut(self.id) {
            s.usage = s.usage.plus(&usage::now().since(&used));
            if !self.running {
                s.loops += 1.0;
                s.startup_ms += spent;
                self.running = true;
            }
            s.total_ms += spent;
            s.filtered += filtered as f64;
            if let Ok(Some(batch)) = &out {
                s.rows += batch.row_count() as f64;
            }
        }
        out
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.running = false;
        let used = usage::now();
        self.input.rescan(cx)?;
        if let Some(s) = cx.rt.stats.get_mut(self.id) {
            s.usage = s.usage.plus(&usage::now().since(&used));
        }
        Ok(())
    }
    fn rows_affected(&self) -> Option<u64> {
        self.input.rows_affected()
    }
}
