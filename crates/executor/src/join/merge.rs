//! Merge join, all kinds: both sides come sorted by the keys.
//!
//! The inner side is read in windows ([`Side`]): one batch, or as many as it takes to have all inner rows of a key together. Each outer
//! row of that key is joined with all of them. What is found goes into lists of row numbers, outer and inner, in the order of the
//! result; the columns are put together once for a whole list: when it is full, or when either side goes on to other rows.
//!
//! With further conditions the lists hold candidates, of which those that meet the conditions are found for many outer rows at once
//! ([`MergeJoin::judge`]).

use super::merge_side::Side;
use super::output::{combine, has_inner, matching};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator};
use crate::rows::{NO_ROW, RowSet};
use quarry_common::Result;
use quarry_plan::{Expr, JoinKind, PhysicalPlan};
use quarry_types::{BATCH_ROWS, Batch};
use std::cmp::Ordering;
use std::ops::Range;

pub struct MergeJoin {
    kind: JoinKind,
    outer: Side,
    inner: Side,
    on: Vec<Program>,
    /// The inner rows of the key under way, while the outer row is of that key or not yet known.
    group: Option<Range<usize>>,
    /// Rows of the group that the outer row has been joined with, if the list was full in between.
    begun: usize,
    /// Whether the outer row that is begun has had a match so far.
    begun_matched: bool,
    /// Pairs found, by their conditions' result if there are any, and rows without a partner, with [`NO_ROW`].
    pairs: Pairs,
    /// Those that have been judged.
    judged: Pairs,
    /// Of the inner rows of the window, which have matched; only for kinds that give the others.
    matched: Vec<bool>,
    /// Rows of lists that were short.
    out: RowSet,
    /// A list's rows, to be given next.
    full: Option<Batch>,
    done: bool,
}

/// Rows side by side: numbers of outer and inner rows, either may be [`NO_ROW`].
#[derive(Default)]
struct Pairs {
    outer: Vec<u32>,
    inner: Vec<u32>,
}

impl Pairs {
    #[inline]
    fn push(&mut self, outer: u32, inner: u32) {
        self.outer.push(outer);
        self.inner.push(inner);
    }
    fn len(&self) -> usize {
        self.outer.len()
    }
    fn clear(&mut self) {
        self.outer.clear();
        self.inner.clear();
    }
}

/// Lists of so many rows become a batch by themselves; shorter ones are copied together.
const LIST_ROWS_MIN: usize = BATCH_ROWS / 4;

pub fn build(
    b: &mut Builder<'_>,
    kind: JoinKind,
    outer: &PhysicalPlan,
    inner: &PhysicalPlan,
    keys: &[(Expr, Expr)],
    order: &[(bool, bool)],
    on: &[Expr],
) -> Result<BoxOperator> {
    let both = Layout::new(outer.output().chain(inner.output()));
    let on = b.exprs(on, &both)?;
    let outer = Side::build(b, outer, keys.iter().map(|k| &k.0).collect(), keys, order)?;
    let inner = Side::build(b, inner, keys.iter().map(|k| &k.1).collect(), keys, order)?;
    let mut physicals = outer.physicals().to_vec();
    if has_inner(kind) {
        physicals.extend(inner.physicals());
    }
    Ok(Box::new(MergeJoin {
        kind,
        outer,
        inner,
        on,
        group: None,
        begun: 0,
        begun_matched: false,
        pairs: Pairs::default(),
        judged: Pairs::default(),
        matched: vec![],
        out: RowSet::new(&physicals),
        full: None,
        done: false,
    }))
}

impl MergeJoin {
    fn gives_outer(&self) -> bool {
        matches!(self.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti)
    }
    fn gives_inner(&self) -> bool {
        matches!(self.kind, JoinKind::Right | JoinKind::Full)
    }

    /// Joins on until there are `want` pairs or a side must go on to other rows, which it does; false if nothing is left.
    fn advance(&mut self, cx: &mut Cx<'_>, want: usize) -> Result<bool> {
        loop {
            if self.pairs.len() + self.judged.len() >= want {
                return Ok(true);
            }
            if self.outer.needs_rows() {
                self.flush(cx)?;
                self.outer.load(cx)?;
                return Ok(true);
            }
            if let Some(group) = self.group.clone() {
                if self.outer.is_over() || !self.outer.equals(&self.inner, group.start) {
                    self.leave_group(cx, group)?;
                } else {
                    self.join_row(group, want);
                }
                continue;
            }
            if self.inner.needs_rows() {
                self.flush(cx)?;
                self.inner.load(cx)?;
                self.forget_matches();
                return Ok(true);
            }
            match (self.outer.is_over(), self.inner.is_over()) {
                (true, true) => return Ok(false),
                (true, false) if !self.gives_inner() => return Ok(false),
                (false, true) if !self.gives_outer() => return Ok(false),
                (true, false) => self.skip_inner(),
                (false, true) => self.skip_outer(),
                (false, false) if self.outer.is_null() => self.skip_outer(),
                (false, false) if self.inner.is_null() => self.skip_inner(),
                (false, false) => match self.outer.compare(&self.inner) {
                    Ordering::Less => self.skip_outer(),
                    Ordering::Greater => self.skip_inner(),
                    Ordering::Equal => self.enter_group(cx)?,
                },
            }
        }
    }

    /// The current outer row has no match.
    #[inline]
    fn skip_outer(&mut self) {
        if self.gives_outer() {
            self.pairs.push(self.outer.row as u32, NO_ROW);
        }
        self.outer.row += 1;
    }
    #[inline]
    fn skip_inner(&mut self) {
        if self.gives_inner() {
            self.pairs.push(NO_ROW, self.inner.row as u32);
        }
        self.inner.row += 1;
    }

    /// Both sides stand at equal keys: finds the inner rows of the key.
    fn enter_group(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut end = self.inner.group_end();
        if end == self.inner.len() && !self.inner.at_end() {
            // They may go on in further batches: the window takes them in, which gives its rows other numbers.
            self.flush(cx)?;
            end = self.inner.extend_group(cx)?;
            self.forget_matches();
        }
        self.group = Some(self.inner.row..end);
        Ok(())
    }

    fn forget_matches(&mut self) {
        if self.gives_inner() && !self.on.is_empty() {
            self.matched.clear();
            self.matched.resize(self.inner.len(), false);
        }
    }

    /// Joins the outer row with the rest of the group, as far as the list goes.
    #[inline]
    fn join_row(&mut self, group: Range<usize>, want: usize) {
        let row = self.outer.row as u32;
        match self.kind {
            JoinKind::Semi if self.on.is_empty() => self.pairs.push(row, NO_ROW),
            JoinKind::Anti if self.on.is_empty() => {}
            _ => {
                let from = group.start + self.begun;
                let room = want - self.pairs.len() - self.judged.len();
                let to = group.end.min(from + room);
                self.pairs.outer.extend(std::iter::repeat_n(row, to - from));
                self.pairs.inner.extend(from as u32..to as u32);
                if to < group.end {
                    self.begun = to - group.start;
                    return;
                }
                self.begun = 0;
            }
        }
        self.outer.row += 1;
    }

    /// No further outer row is of the group's key.
    fn leave_group(&mut self, cx: &mut Cx<'_>, group: Range<usize>) -> Result<()> {
        if self.gives_inner() && !self.on.is_empty() {
            self.judge(cx)?;
            for row in group.clone().filter(|r| !self.matched[*r]) {
                self.judged.push(NO_ROW, row as u32);
            }
        }
        self.inner.row = group.end;
        self.group = None;
        Ok(())
    }

    /// Takes the pairs for which the conditions hold over to the list of those judged, and for outer rows without any what the kind says.
    fn judge(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let pairs = std::mem::take(&mut self.pairs);
        let candidates = |k: &usize| pairs.outer[*k] != NO_ROW && pairs.inner[*k] != NO_ROW;
        let both: Vec<usize> = (0..pairs.len()).filter(candidates).collect();
        let asked =
            (both.iter().map(|k| pairs.outer[*k]).collect(), both.iter().map(|k| pairs.inner[*k]).collect());
        let (o, i) = matching(&self.on, cx, self.outer.columns(), self.inner.columns(), asked)?;
        let mut kept = o.into_iter().zip(i).peekable();
        for k in 0..pairs.len() {
            let (o, i) = (pairs.outer[k], pairs.inner[k]);
            if o == NO_ROW || i == NO_ROW {
                self.judged.push(o, i);
                continue;
            }
            if kept.next_if_eq(&(o, i)).is_some() {
                if let Some(matched) = self.matched.get_mut(i as usize) {
                    *matched = true;
                }
                match self.kind {
                    JoinKind::Semi if !self.begun_matched => self.judged.push(o, NO_ROW),
                    JoinKind::Semi | JoinKind::Anti => {}
                    _ => self.judged.push(o, i),
                }
                self.begun_matched = true;
            }
            let last = pairs.outer.get(k + 1) != Some(&o);
            let half = k + 1 == pairs.len() && self.begun > 0;
            if last && !half {
                if !self.begun_matched && self.gives_outer() {
                    self.judged.push(o, NO_ROW);
                }
                self.begun_matched = false;
            }
        }
        Ok(())
    }

    /// Puts the listed rows together, which must be done before a side goes on to other rows.
    fn flush(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut list = match self.on.is_empty() {
            true => std::mem::take(&mut self.pairs),
            false => {
                self.judge(cx)?;
                std::mem::take(&mut self.judged)
            }
        };
        if list.len() == 0 {
            return Ok(());
        }
        let (outer, inner) = (self.outer.columns(), self.inner.columns());
        let batch = match has_inner(self.kind) {
            true => combine(outer, &list.outer, inner, &list.inner),
            false => combine(outer, &list.outer, &[], &[]),
        };
        // A step may put together more than once, where a side goes on to its next rows: what came before goes before.
        if let Some(before) = self.full.take() {
            self.out.push(&before);
        }
        if list.len() >= LIST_ROWS_MIN {
            self.full = Some(batch);
        } else {
            self.out.push(&batch);
        }
        list.clear();
        self.pairs = list;
        Ok(())
    }
}

impl Operator for MergeJoin {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let want = cx.want.min(BATCH_ROWS);
        loop {
            cx.check_cancelled()?;
            // What was copied together came first.
            if self.full.is_some() || self.out.len >= want || self.done {
                if !self.out.is_empty() {
                    return Ok(Some(self.out.take()));
                }
                if self.full.is_some() || self.done {
                    return Ok(self.full.take());
                }
            }
            if !self.advance(cx, want)? {
                self.done = true;
                self.flush(cx)?;
            } else if self.pairs.len() + self.judged.len() >= want {
                self.flush(cx)?;
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.group = None;
        (self.begun, self.begun_matched) = (0, false);
        self.pairs.clear();
        self.judged.clear();
        self.matched.clear();
        self.out.clear();
        self.full = None;
        self.done = false;
        self.outer.rescan(cx)?;
        self.inner.rescan(cx)
    }
}
