//! Nested loop: for each outer row the inner side with the row's columns set; lookups by index for many outer rows together
//! ([`super::lookup`]).

use super::lookup::{self, Chunk, Joined, Lookup};
use super::output::has_inner;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, filter_batch, pull, pull_some};
use crate::rows::{RowSet, gather, push_nulls};
use quarry_common::{Error, Result};
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalPlan, walk};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows};

pub struct NestLoop {
    kind: JoinKind,
    /// No outer row has more than one match.
    inner_unique: bool,
    outer: BoxOperator,
    inner: BoxOperator,
    /// Over inner rows; the outer row's columns are set in the runtime.
    on: Vec<Program>,
    /// Outer columns to set: id and slot.
    set: Vec<(ColumnId, usize)>,
    outer_width: usize,
    physicals: Vec<PhysicalType>,
    /// In place of the inner side, for rows that go together.
    lookup: Option<Lookup>,
    /// The rows that were looked up last.
    chunk: Option<Chunk>,
    batch: Option<(Batch, usize)>,
    /// Whether the inner side is under way for the current outer row, and whether it has matched.
    inside: Option<bool>,
    inner_used: bool,
}

/// What a nested loop is made of.
pub struct Parts<'p> {
    pub kind: JoinKind,
    pub outer: &'p PhysicalPlan,
    pub inner: &'p PhysicalPlan,
    pub on: &'p [Expr],
    /// Outer columns that the inner side reads.
    pub params: &'p [ColumnId],
    /// No outer row has more than one match.
    pub inner_unique: bool,
}

pub fn build(b: &mut Builder<'_>, node: usize, parts: Parts<'_>) -> Result<BoxOperator> {
    let Parts { kind, outer, inner, on, params, inner_unique } = parts;
    if !matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti) {
        return Err(Error::internal("a nested loop can't do this kind of join"));
    }
    let outer_layout = Layout::new(outer.output());
    let mut ids: Vec<ColumnId> = params.to_vec();
    on.iter().for_each(|e| walk::columns_of(e, &mut ids));
    ids.sort_unstable();
    ids.dedup();
    let set = ids.iter().filter_map(|id| Some((*id, outer_layout.slot(*id)?))).collect();
    let on_exprs = on;
    let on = b.exprs(on, &Layout::new(inner.output()))?;
    let mut physicals = b.output_physicals(outer)?;
    let outer_width = physicals.len();
    if has_inner(kind) {
        physicals.extend(b.output_physicals(inner)?);
    }
    let lookup = lookup::build(b, kind, outer, inner, on_exprs)?;
    Ok(Box::new(NestLoop {
        kind,
        inner_unique,
        outer: b.outer_side(node, outer)?,
        inner: b.plan(inner)?,
        on,
        set,
        outer_width,
        physicals,
        lookup,
        chunk: None,
        batch: None,
        inside: None,
        inner_used: false,
    }))
}

impl NestLoop {
    /// Appends the outer row `row` once for each of `n` joined rows.
    fn push_outer(&self, out: &mut RowSet, batch: &Batch, row: usize, n: usize) {
        let same = vec![row as u32; n];
        let rows = Rows::Selected { positions: &same, len: batch.len };
        for (to, from) in out.columns[..self.outer_width].iter_mut().zip(&batch.columns) {
            to.extend_from(from, rows);
        }
        out.len += n;
    }

    /// Joins on from where it stopped until the output is full or the outer batch at its end.
    fn run(&mut self, cx: &mut Cx<'_>, batch: &Batch, at: &mut usize, out: &mut RowSet) -> Result<()> {
        let want = cx.want.min(BATCH_ROWS);
        while *at < batch.len && out.len < want {
            // A row under way is ended first.
            if self.inside.is_none() && self.give(cx, batch, at, want, out)? {
                continue;
            }
            if !self.join_row(cx, batch, *at, want, out)? {
                return Ok(());
            }
            if self.chunk.is_none() {
                *at += 1;
            }
        }
        Ok(())
    }

    /// Gives rows that are looked up together; false: the outer row at `at` is next, for itself.
    fn give(
        &mut self,
        cx: &mut Cx<'_>,
        batch: &Batch,
        at: &mut usize,
        want: usize,
        out: &mut RowSet,
    ) -> Result<bool> {
        let Some(lookup) = &mut self.lookup else { return Ok(false) };
        if self.chunk.is_none() {
            cx.check_cancelled()?;
            self.chunk = lookup.chunk(cx, batch, *at)?;
        }
        let Some(chunk) = &mut self.chunk else { return Ok(false) };
        if let Some(Joined { outer, inner, columns }) = chunk.take(want - out.len) {
            let rows = Rows::Selected { positions: outer, len: batch.len };
            for (to, from) in out.columns[..self.outer_width].iter_mut().zip(&batch.columns) {
                to.extend_from(from, rows);
            }
            for (to, from) in out.columns[self.outer_width..].iter_mut().zip(columns) {
                let n = inner.len();
                to.extend_from(&gather(from, inner), Rows::All(n));
            }
            out.len += outer.len();
            return Ok(true);
        }
        if let Some(row) = chunk.next_slow() {
            *at = row;
            return Ok(false);
        }
        *at = chunk.end;
        self.chunk = None;
        Ok(true)
    }

    /// Joins an outer row on from where it stopped; false: the output is full before the row's end.
    fn join_row(
        &mut self,
        cx: &mut Cx<'_>,
        batch: &Batch,
        row: usize,
        want: usize,
        out: &mut RowSet,
    ) -> Result<bool> {
        let single = !has_inner(self.kind);
        // Also when it goes on within a row: whoever took the last rows may have set the same columns for a subquery.
        for (id, slot) in &self.set {
            cx.set_outer(*id, batch.columns[*slot].datum(row));
        }
        let mut matched = match self.inside {
            Some(m) => m,
            None => {
                if std::mem::replace(&mut self.inner_used, true) {
                    self.inner.rescan(cx)?;
                }
                false
            }
        };
        self.inside = Some(matched);
        loop {
            // Semi and anti joins need one match at most, joins with a unique inner side have no more.
            let n = if (single || self.inner_unique) && self.on.is_empty() { 1 } else { BATCH_ROWS };
            let Some(b) = pull_some(&mut self.inner, cx, n)? else { break };
            let before = b.row_count();
            let b = filter_batch(&self.on, cx, b)?;
            cx.rt.note_join_filtered(before - b.as_ref().map_or(0, Batch::row_count));
            let Some(b) = b else { continue };
            matched = true;
            self.inside = Some(true);
            if single {
                break;
            }
            let n = b.row_count();
            self.push_outer(out, batch, row, n);
            for (to, from) in out.columns[self.outer_width..].iter_mut().zip(&b.columns) {
                to.extend_from(from, b.rows());
            }
            if self.inner_unique {
                break;
            }
            if out.len >= want {
                return Ok(false);
            }
        }
        match self.kind {
            JoinKind::Left if !matched => {
                self.push_outer(out, batch, row, 1);
                out.columns[self.outer_width..].iter_mut().for_each(|c| push_nulls(c, 1));
            }
            JoinKind::Semi if matched => self.push_outer(out, batch, row, 1),
            JoinKind::Anti if !matched => self.push_outer(out, batch, row, 1),
            _ => {}
        }
        self.inside = None;
        Ok(true)
    }
}

impl Operator for NestLoop {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let mut out = RowSet::new(&self.physicals);
        loop {
            let (batch, mut at) = match self.batch.take() {
                Some(b) => b,
                None => {
                    let next = if cx.want < BATCH_ROWS {
                        let want = cx.want;
                        pull_some(&mut self.outer, cx, want)?
                    } else {
                        pull(&mut self.outer, cx)?
                    };
                    match next {
                        Some(b) => {
                            let b = dense(b);
                            if let Some(lookup) = &mut self.lookup {
                                lookup.begin(cx, &b)?;
                            }
                            (b, 0)
                        }
                        None => return Ok(if out.is_empty() { None } else { Some(out.take()) }),
                    }
                }
            };
            cx.check_cancelled()?;
            self.run(cx, &batch, &mut at, &mut out)?;
            if at < batch.len {
                self.batch = Some((batch, at));
                return Ok(Some(out.take()));
            }
            if out.len >= cx.want {
                return Ok(Some(out.take()));
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.batch = None;
        self.inside = None;
        self.chunk = None;
        if let Some(lookup) = &mut self.lookup {
            lookup.reset();
        }
        self.outer.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        (self.batch, self.inside, self.chunk, self.inner_used) = (None, None, None, false);
        let lookup = self.lookup.as_mut().is_none_or(|lookup| lookup.renew());
        lookup && self.outer.renew() && self.inner.renew()
    }
}
