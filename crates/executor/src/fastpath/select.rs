//! SELECT of one row by key, FOR UPDATE and its kin too.

use super::lock;
use super::point::{Point, PointWork};
use super::{RowSink, is_simple};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::pool::Pool;
use crate::scan::rows::RowReader;
use quarry_common::{Result, Tid};
use quarry_plan::{ColumnId, Expr, LockStrength, LockWait, PhysicalNode, PhysicalPlan, walk};
use quarry_storage::heap::RowLockMode;
use quarry_types::{Datum, IoContext};

/// Rows with one key up to which they are sent at once.
const ROWS_MAX: usize = 256;

/// A compiled point query.
pub struct Select {
    point: Point,
    lock: Option<Lock>,
    /// The result's columns; none: the scan's as they are.
    targets: Option<Vec<Column>>,
    pool: Pool<Work>,
}

/// A column of the result.
enum Column {
    /// One of the scan's that nothing else reads: its value can be taken.
    Taken(usize),
    Computed(Program),
}

/// FOR UPDATE, FOR SHARE and so on.
struct Lock {
    mode: RowLockMode,
    wait: LockWait,
    /// Reads the key columns of a newer version.
    key_reader: RowReader,
}

struct Work {
    point: PointWork,
    out: Vec<Datum>,
}

impl Select {
    pub fn compile(plan: &PhysicalPlan, output: &[ColumnId], io: &IoContext<'_>) -> Option<Select> {
        let mut b = Builder::new(io, false);
        let (scan, row_lock) = match &plan.node {
            PhysicalNode::LockRows { input, locks, .. } if plan.filter.is_empty() => match locks.as_slice() {
                [one] => (&**input, Some(one)),
                _ => return None,
            },
            _ => (plan, None),
        };
        let point = Point::compile(&mut b, scan, row_lock.is_none())?;
        let lock = match row_lock {
            None => None,
            Some(l) if l.relation.oid == point.relation.oid => {
                let mode = match l.strength {
                    LockStrength::KeyShare => RowLockMode::KeyShare,
                    LockStrength::Share => RowLockMode::Share,
                    LockStrength::NoKeyUpdate => RowLockMode::NoKeyUpdate,
                    LockStrength::Update => RowLockMode::Update,
                };
                Some(Lock { mode, wait: l.wait, key_reader: point.key_reader(&b)? })
            }
            Some(_) => return None,
        };
        let mut targets: Vec<&Expr> = Vec::with_capacity(output.len());
        for id in output {
            let mut e = plan.targets.iter().find(|(t, _)| t == id).map(|(_, e)| e)?;
            if lock.is_some() {
                // What is above the lock picks columns of the scan's, or computes of those that the scan only passes on.
                let target = |id: &ColumnId| scan.targets.iter().find(|(t, _)| t == id).map(|(_, e)| e);
                if let Expr::Column { id, .. } = e {
                    e = target(id)?;
                } else {
                    let mut read = vec![];
                    walk::columns_of(e, &mut read);
                    let same =
                        |id: &ColumnId| matches!(target(id), Some(Expr::Column { id: of, .. }) if of == id);
                    if !read.iter().all(same) {
                        return None;
                    }
                }
            }
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
        let targets = if same { None } else { Some(columns(&mut b, &targets, &point.columns, &layout)?) };
        Some(Select { point, lock, targets, pool: Pool::new() })
    }

    pub fn is_single_row(&self) -> bool {
        self.point.unique
    }

    pub fn run(&self, cx: &mut Cx<'_>, row: RowSink<'_>) -> Result<Option<u64>> {
        let mut work = match self.pool.take().filter(|w| Point::fits(&w.point, cx)) {
            Some(work) => work,
            None => Box::new(Work { point: self.point.open(cx)?, out: Vec::new() }),
        };
        let count = self.rows(cx, &mut work, row)?;
        // Memory is kept, long values are not.
        work.point.row.clear();
        work.out.clear();
        self.pool.give(work);
        Ok(count)
    }

    fn rows(&self, cx: &mut Cx<'_>, work: &mut Work, row: RowSink<'_>) -> Result<Option<u64>> {
        let Work { point, out } = work;
        self.point.locate(cx, point)?;
        if !self.point.unique && point.tids.len() > ROWS_MAX {
            return Ok(None);
        }
        let mut count = 0;
        let mut missing = 0;
        // One entry per version chain: at most one of them has a visible row.
        for i in 0..point.tids.len() {
            let entry = point.tids[i];
            let Some(tid) = self.point.fetch(point, &cx.env.snapshot, entry, |_, _, _| Ok(()))? else {
                missing += 1;
                continue;
            };
            if !self.point.passes(cx, point)? || !self.take_lock(cx, point, tid)? {
                continue;
            }
            match &self.targets {
                None => row(&point.row)?,
                Some(targets) => {
                    out.clear();
                    for t in targets {
                        out.push(match t {
                            Column::Taken(at) => std::mem::take(&mut point.row[*at]),
                            Column::Computed(program) => program.row(cx, &point.row)?,
                        });
                    }
                    row(out)?;
                }
            }
            count += 1;
        }
        self.point.tidy(point, missing)?;
        Ok(Some(count))
    }

    /// Locks the row if it is to be locked; its newest version may have to be read again. False: it isn't wanted any more.
    fn take_lock(&self, cx: &mut Cx<'_>, work: &mut PointWork, tid: Tid) -> Result<bool> {
        let Some(l) = &self.lock else { return Ok(true) };
        Ok(match lock::newest(cx, &self.point, work, tid, l.mode, l.wait)? {
            None => false,
            Some((_, false)) => true,
            Some((newest, true)) => lock::read_again(cx, &self.point, work, &l.key_reader, newest)?.is_some(),
        })
    }
}

/// The result's columns over those of the scan.
fn columns(
    b: &mut Builder<'_>,
    targets: &[&Expr],
    scanned: &[ColumnId],
    layout: &Layout,
) -> Option<Vec<Column>> {
    let mut read = vec![];
    targets.iter().for_each(|e| walk::columns_of(e, &mut read));
    let column = |e: &&Expr| {
        if let Expr::Column { id, .. } = e
            && read.iter().filter(|r| *r == id).count() == 1
        {
            return scanned.iter().position(|c| c == id).map(Column::Taken);
        }
        Some(Column::Computed(b.expr(e, layout).ok()?))
    };
    targets.iter().map(column).collect()
}
