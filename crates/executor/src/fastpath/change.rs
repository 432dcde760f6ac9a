//! UPDATE and DELETE of one row by key.
//!
//! READ COMMITTED: where somebody else has changed the row meanwhile, its newest version is locked, the key and the filter are
//! tested on it, and the change is made to that version (PostgreSQL: executor README, "EvalPlanQual"). Under REPEATABLE READ
//! that is 40001.

use super::lock;
use super::point::{Point, PointWork};
use super::returning::{self, Returned};
use super::{RowSink, is_simple, returned_slots};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::modify::errors;
use crate::modify::target::Target;
use crate::modify::update::{Stored, store_update};
use crate::pool::Pool;
use crate::scan::rows::RowReader;
use quarry_common::{Error, Result, Tid};
use quarry_plan::{ColumnId, LockWait, PhysicalNode, PhysicalPlan, Returning, TableWrite};
use quarry_storage::heap::{ModifyResult, RowLockMode, VersionRef};
use quarry_storage::{IsolationLevel, WaitPolicy};
use quarry_types::{Datum, IoContext};

/// A compiled single-row UPDATE or DELETE.
pub struct Change {
    point: Point,
    /// Reads the key columns of a newer version.
    key_reader: RowReader,
    write: TableWrite,
    /// Reads all live columns, in the order of the target's rows.
    row_reader: RowReader,
    /// The scan's output, which assignments and RETURNING read; none: its columns as they are.
    input: Option<Vec<Program>>,
    input_columns: Vec<ColumnId>,
    /// Position in the target's row, and the value over the input; none: DELETE.
    set: Option<Vec<(usize, Program)>>,
    /// Attributes that the update may change.
    changed: Vec<usize>,
    /// Whether the row before the change is needed.
    wants_before: bool,
    returning: Option<(Returning, Vec<usize>)>,
    pool: Pool<Work>,
}

struct Work {
    point: PointWork,
    /// None for a DELETE that nothing references and that returns nothing: it only touches the heap.
    target: Option<Target>,
    returned: Option<Returned>,
    input: Vec<Datum>,
    before: Vec<Datum>,
    after: Vec<Datum>,
}

/// What became of one attempt.
enum Outcome {
    Done(Tid),
    Moved(VersionRef, RowLockMode),
    Gone,
    Own,
}

impl Change {
    pub fn compile(plan: &PhysicalPlan, output: &[ColumnId], io: &IoContext<'_>) -> Option<Change> {
        let (write, input, set, returning) = match &plan.node {
            PhysicalNode::Update { target, input, set, returning, .. } => {
                (target, input, Some(set), returning)
            }
            PhysicalNode::Delete { target, input, returning, .. } => (target, input, None, returning),
            _ => return None,
        };
        let mut b = Builder::new(io, false);
        let point = Point::compile(&mut b, input, false)?;
        if point.relation.oid != write.relation.oid {
            return None;
        }
        let key_reader = point.key_reader(&b)?;
        if !input.targets.iter().all(|(_, e)| is_simple(e, &point.columns)) {
            return None;
        }
        let input_columns: Vec<ColumnId> = input.output().collect();
        let same = input.targets.len() == point.columns.len()
            && input
                .targets
                .iter()
                .zip(&point.columns)
                .all(|((_, e), c)| matches!(e, quarry_plan::Expr::Column { id, .. } if id == c));
        let scanned = Layout::new(point.columns.iter().copied());
        let input_programs =
            if same { None } else { Some(b.exprs(input.targets.iter().map(|(_, e)| e), &scanned).ok()?) };
        let layout = Layout::new(input_columns.iter().copied());
        let mut changed = Vec::new();
        let set = match set {
            None => None,
            Some(set) => {
                let mut programs = Vec::with_capacity(set.len());
                for (attribute, e) in set {
                    if !is_simple(e, &input_columns) {
                        return None;
                    }
                    let is_attribute =
                        |c: quarry_plan::ScanColumn| c == quarry_plan::ScanColumn::Attribute(*attribute);
                    let position = write.row.iter().position(|(_, c)| is_attribute(*c))?;
                    programs.push((position, b.expr(e, &layout).ok()?));
                    changed.push(*attribute);
                }
                // A generated column changes with what it is made of.
                changed.extend(write.generated.iter().map(|(a, _)| *a));
                Some(programs)
            }
        };
        let returning = match returning {
            Some(r) if returning::is_supported(r, &input_columns) => {
                Some((r.clone(), returned_slots(plan, output)?))
            }
            Some(_) => return None,
            None if output.is_empty() => None,
            None => return None,
        };
        let wants_before = set.is_some() || returning.is_some() || !write.relation.referenced_by.is_empty();
        Some(Change {
            row_reader: RowReader::new(&write.relation, &write.row, io).ok()?,
            key_reader,
            write: (**write).clone(),
            point,
            input: input_programs,
            input_columns,
            set,
            changed,
            wants_before,
            returning,
            pool: Pool::new(),
        })
    }

    fn open(&self, cx: &Cx<'_>) -> Result<Work> {
        let mut b = Builder::new(cx.io, false).with_env(cx.env);
        let target = if self.wants_before { Some(Target::new(&mut b, &self.write, cx.env)?) } else { None };
        let returned = match &self.returning {
            Some((r, slots)) => Some(Returned::new(&mut b, r, &self.input_columns, slots)?),
            None => None,
        };
        Ok(Work {
            point: self.point.open(cx)?,
            target,
            returned,
            input: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        })
    }

    pub fn run(&self, cx: &mut Cx<'_>, row: RowSink<'_>) -> Result<u64> {
        let mut work = match self.pool.take().filter(|w| Point::fits(&w.point, cx)) {
            Some(work) => work,
            None => Box::new(self.open(cx)?),
        };
        self.point.locate(cx, &mut work.point)?;
        let mut count = 0;
        let mut missing = 0;
        // One entry per version chain: at most one of them has a visible row.
        for i in 0..work.point.tids.len() {
            let entry = work.point.tids[i];
            let Work { point, before, .. } = &mut *work;
            let found = self.point.fetch(point, &cx.env.snapshot, entry, |heap, tid, body| {
                if self.wants_before { self.row_reader.datums(heap, tid, None, body, before) } else { Ok(()) }
            })?;
            let Some(tid) = found else {
                missing += 1;
                continue;
            };
            if self.point.passes(cx, &mut work.point)? {
                count += u64::from(self.change(cx, &mut work, tid, row)?);
            }
        }
        self.point.tidy(&work.point, missing)?;
        // Memory is kept, long values are not.
        let Work { point, input, before, after, .. } = &mut *work;
        for values in [&mut point.row, input, before, after] {
            values.clear();
        }
        self.pool.give(work);
        Ok(count)
    }

    /// Changes the row whose version `tid` is in the workspace; false if there is none any more that qualifies.
    fn change(&self, cx: &mut Cx<'_>, work: &mut Work, mut tid: Tid, row: RowSink<'_>) -> Result<bool> {
        let one_snapshot =
            matches!(cx.env.txn.isolation(), IsolationLevel::RepeatableRead | IsolationLevel::Serializable);
        loop {
            if let Some(programs) = &self.input {
                work.input.clear();
                for p in programs {
                    work.input.push(p.row(cx, &work.point.row)?);
                }
            }
            let outcome = match &self.set {
                Some(set) => self.update(cx, work, set, tid)?,
                None => delete(cx, work, tid)?,
            };
            match outcome {
                Outcome::Done(new) => {
                    if let (Some(returned), Some(target)) = (&mut work.returned, &work.target) {
                        let stored = if self.set.is_some() { &work.after } else { &work.before };
                        let input = if self.input.is_some() { &work.input } else { &work.point.row };
                        returned.give(cx, target, stored, new, input, row)?;
                    }
                    return Ok(true);
                }
                Outcome::Own => return Ok(false),
                Outcome::Gone if one_snapshot => return Err(errors::concurrent_delete()),
                Outcome::Moved(..) if one_snapshot => return Err(errors::concurrent_update()),
                Outcome::Gone => return Ok(false),
                Outcome::Moved(next, mode) => match self.follow(cx, work, next, mode)? {
                    Some(newest) => tid = newest,
                    None => return Ok(false),
                },
            }
        }
    }

    fn update(
        &self,
        cx: &mut Cx<'_>,
        work: &mut Work,
        set: &[(usize, Program)],
        tid: Tid,
    ) -> Result<Outcome> {
        let Work { point, target, input, before, after, .. } = work;
        let Some(target) = target else { return Err(Error::internal("an update without its table")) };
        let input = if self.input.is_some() { &*input } else { &point.row };
        after.clone_from(before);
        for (position, value) in set {
            after[*position] = value.row(cx, input)?;
        }
        target.complete(cx, after)?;
        Ok(match store_update(cx, target, tid, before, after, &self.changed)? {
            Stored::Done(new) => Outcome::Done(new),
            Stored::Moved(next, mode) => Outcome::Moved(next, mode),
            Stored::Gone => Outcome::Gone,
            Stored::Own => Outcome::Own,
        })
    }

    /// Locks the newest version from `at` on and reads it into the workspace; none if it is gone, or no longer qualifies.
    fn follow(
        &self,
        cx: &mut Cx<'_>,
        work: &mut Work,
        at: VersionRef,
        mode: RowLockMode,
    ) -> Result<Option<Tid>> {
        let Some((tid, _)) = lock::newest(cx, &self.point, &work.point, at, mode, LockWait::Block)? else {
            return Ok(None);
        };
        let Some(body) = lock::read_again(cx, &self.point, &mut work.point, &self.key_reader, tid)? else {
            return Ok(None);
        };
        if self.wants_before {
            self.row_reader.datums(&work.point.heap, tid, None, &body, &mut work.before)?;
        }
        Ok(Some(tid))
    }
}

fn delete(cx: &mut Cx<'_>, work: &mut Work, tid: Tid) -> Result<Outcome> {
    Ok(match work.point.heap.delete(&cx.env.txn, &cx.env.snapshot, tid, WaitPolicy::Block)? {
        ModifyResult::Done { tid, .. } => {
            if let Some(target) = &work.target {
                target.queue_referenced(cx, &work.before, None);
            }
            Outcome::Done(tid)
        }
        ModifyResult::SelfModified { .. } => Outcome::Own,
        ModifyResult::Updated { next } => Outcome::Moved(next, RowLockMode::Update),
        ModifyResult::Deleted => Outcome::Gone,
        ModifyResult::WouldBlock => return Err(Error::internal("a blocking delete would not block")),
    })
}
