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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Runtime;
    use crate::testing::{Input, batch, env, values};
    use quarry_plan::{ColumnId, Expr};
    use quarry_types::{Datum, PhysicalType, SqlType, Vector};
    use std::sync::Arc;

    /// A thread's loop: all outer rows, and its part of the inner ones.
    fn part(
        outer: Vec<Batch>,
        inner: Vec<Batch>,
        on: Vec<Program>,
        physicals: &[PhysicalType],
    ) -> InnerParts {
        InnerParts {
            outer: Input::boxed(outer),
            inner: Input::boxed(inner),
            on,
            rows: None,
            set: RowSet::new(physicals),
            reservation: Reservation::default(),
            batch: None,
            inner_used: false,
        }
    }

    /// The pairs that a loop makes; the inner column is the last one.
    fn pairs(part: &mut InnerParts, cx: &mut Cx<'_>) -> Vec<(i64, i64)> {
        let mut out = vec![];
        while let Some(b) = part.next(cx).unwrap() {
            assert!(b.row_count() > 0);
            out.extend(values(&b, 0).into_iter().zip(values(&b, b.columns.len() - 1)));
        }
        assert!(part.next(cx).unwrap().is_none());
        out
    }

    #[test]
    fn parts_make_every_pair_once() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let outer = || vec![batch(0..3), Batch { selection: Some(vec![1].into()), ..batch(3..5) }];
        let some = Batch { selection: Some(vec![0, 2].into()), ..batch(10..13) };
        let inner = [vec![batch(0..7), some], vec![batch(20..21)], vec![]];
        let mut all = vec![];
        for inner in inner {
            let mut part = part(outer(), inner, vec![], &[PhysicalType::I64]);
            let found = pairs(&mut part, &mut cx);
            // Again from the start.
            part.rescan(&mut cx).unwrap();
            assert_eq!(pairs(&mut part, &mut cx), found);
            all.extend(found);
        }
        all.sort_unstable();
        let inner: Vec<i64> = (0..7).chain([10, 12, 20]).collect();
        let expected = [0, 1, 2, 4].into_iter().flat_map(|o| inner.iter().map(move |i| (o, *i)));
        assert!(expected.eq(all));
    }

    #[test]
    fn conditions_leave_pairs_out() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let mut keep = Vector::with_capacity(PhysicalType::Bool, 4);
        [Datum::Bool(true), Datum::Bool(false), Datum::Null, Datum::Bool(true)]
            .iter()
            .for_each(|v| keep.push_datum(v));
        let numbers = batch(0..4);
        let outer = Batch::new(vec![numbers.columns[0].clone(), Arc::new(keep)], 4);
        let ids = [ColumnId(1), ColumnId(2), ColumnId(3)];
        let condition = Expr::column(ids[1], SqlType::of(quarry_types::oids::BOOL));
        let on = Builder::new(&io, false).exprs([&condition], &Layout::new(ids)).unwrap();
        let physicals = [PhysicalType::I64, PhysicalType::Bool];
        let mut part = part(vec![outer], vec![batch(7..9)], on, &physicals);
        let mut found = pairs(&mut part, &mut cx);
        found.sort_unstable();
        assert_eq!(found, [(0, 7), (0, 8), (3, 7), (3, 8)]);
    }

    #[test]
    fn without_outer_rows_the_inner_side_is_not_read() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let mut part = part(vec![], vec![], vec![], &[PhysicalType::I64]);
        part.inner = Box::new(Input { fails: true, ..Input::default() });
        assert!(part.next(&mut cx).unwrap().is_none());
        assert!(!part.inner_used);
    }
}
