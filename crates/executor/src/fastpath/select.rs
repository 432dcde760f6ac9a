//! SELECT of one row by key.

use super::point::{Point, PointWork};
use super::pool::Pool;
use super::{RowSink, is_simple};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, PhysicalPlan};
use quarry_types::{Datum, IoContext};

/// A compiled point query.
pub struct Select {
    point: Point,
    /// The result's columns; none: the scan's as they are.
    targets: Option<Vec<Program>>,
    pool: Pool<Work>,
}

struct Work {
    point: PointWork,
    out: Vec<Datum>,
}

impl Select {
    pub fn compile(plan: &PhysicalPlan, output: &[ColumnId], io: &IoContext<'_>) -> Option<Select> {
        let mut b = Builder::new(io, false);
        let point = Point::compile(&mut b, plan)?;
        let mut targets: Vec<&Expr> = Vec::with_capacity(output.len());
        for id in output {
            let (_, e) = plan.targets.iter().find(|(t, _)| t == id)?;
            if !is_simple(e, &point.columns) {
                return None;
            }
            targets.push(e);
        }
        let same = targets.len() == point.columns.len()
            && targets
                .iter()
                .zip(&point.columns)
                .all(|(e, c)| matches!(e, Expr::Column { id, .. } if id == c));
        let layout = Layout::new(point.columns.iter().copied());
        let targets = if same { None } else { Some(b.exprs(targets, &layout).ok()?) };
        Some(Select { point, targets, pool: Pool::new() })
    }

    pub fn run(&self, cx: &mut Cx<'_>, row: RowSink<'_>) -> Result<u64> {
        let mut work = match self.pool.take().filter(|w| Point::fits(&w.point, cx)) {
            Some(work) => work,
            None => Box::new(Work { point: self.point.open(cx)?, out: Vec::new() }),
        };
        let count = self.rows(cx, &mut work, row)?;
        self.pool.give(work);
        Ok(count)
    }

    fn rows(&self, cx: &mut Cx<'_>, work: &mut Work, row: RowSink<'_>) -> Result<u64> {
        let Work { point, out } = work;
        self.point.locate(cx, point)?;
        let mut count = 0;
        let mut missing = 0;
        // One entry per version chain: at most one of them has a visible row.
        for i in 0..point.tids.len() {
            let entry = point.tids[i];
            if self.point.fetch(point, &cx.env.snapshot, entry, |_, _, _| Ok(()))?.is_none() {
                missing += 1;
                continue;
            }
            if !self.point.passes(cx, point)? {
                continue;
            }
            match &self.targets {
                None => row(&point.row)?,
                Some(targets) => {
                    out.clear();
                    for t in targets {
                        out.push(t.row(cx, &point.row)?);
                    }
                    row(out)?;
                }
            }
            count += 1;
        }
        self.point.tidy(point, missing)?;
        Ok(count)
    }
}
