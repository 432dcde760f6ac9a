//! A nested loop of which each of several threads has a part of the inner rows. All of them read the outer rows, which are few; the inner
//! side doesn't depend on these and is read once.

use super::nest_loop::Parts;
use super::output::{combine, matching};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::RowSet;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result};
use quarry_plan::JoinKind;
use quarry_types::Batch;

struct InnerParts {
    outer: BoxOperator,
    inner: BoxOperator,
    /// Over outer columns, then inner ones.
    on: Vec<Program>,
    /// The outer rows, once they are read.
    rows: Option<Batch>,
    set: RowSet,
    reservation: Reservation,
    /// Inner rows, and the next outer row to be joined with them.
    batch: Option<(Batch, usize)>,
    inner_used: bool,
}

pub fn build(b: &mut Builder<'_>, parts: Parts<'_>) -> Result<BoxOperator> {
    if parts.kind != JoinKind::Inner || !parts.params.is_empty() {
        return Err(Error::internal("a nested loop whose inner rows can't be in parts"));
    }
    let both = Layout::new(parts.outer.output().chain(parts.inner.output()));
    let on = b.exprs(parts.on, &both)?;
    let physicals = b.output_physicals(parts.outer)?;
    // What each thread reads by itself shares nothing.
    let member = b.member.take();
    let outer = b.plan(parts.outer);
    b.member = member;
    Ok(Box::new(InnerParts {
        outer: outer?,
        inner: b.plan(parts.inner)?,
        on,
        rows: None,
        set: RowSet::new(&physicals),
        reservation: Reservation::default(),
        batch: None,
        inner_used: false,
    }))
}

impl Operator for InnerParts {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let outer = match &mut self.rows {
            Some(rows) => rows,
            none => {
                while let Some(b) = pull(&mut self.outer, cx)? {
                    cx.check_cancelled()?;
                    self.set.push(&b);
                    self.reservation.must_hold(self.set.allocated_bytes())?;
                }
                none.insert(self.set.take())
            }
        };
        loop {
            if let Some((inner, at)) = &mut self.batch {
                while *at < outer.len {
                    let pairs = (vec![*at as u32; inner.len], (0..inner.len as u32).collect());
                    *at += 1;
                    let (o, i) = matching(&self.on, cx, &outer.columns, &inner.columns, pairs)?;
                    if !o.is_empty() {
                        return Ok(Some(combine(&outer.columns, &o, &inner.columns, &i)));
                    }
                }
            }
            if outer.len == 0 {
                return Ok(None);
            }
            cx.check_cancelled()?;
            self.inner_used = true;
            let Some(inner) = pull(&mut self.inner, cx)? else { return Ok(None) };
            self.batch = Some((dense(inner), 0));
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.rows = None;
        self.set.clear();
        self.reservation.holds(0);
        self.batch = None;
        if std::mem::take(&mut self.inner_used) {
            self.inner.rescan(cx)?;
        }
        self.outer.rescan(cx)
    }
}
