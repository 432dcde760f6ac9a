//! Window functions over sorted input, one partition at a time (see `partition`), some rows of it at a time.

mod aggregate;
mod frame;
mod partition;

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull, select};
use crate::rows::RowSet;
use aggregate::Running;
use frame::{FrameState, Range};
use partition::{Cursor, Page, Pages, Partition, Peers, Shape, page_bytes};
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result};
use quarry_functions::{Body, Exclusion, Frame, FunctionDef, WindowImpl, WindowRows, internal};
use quarry_plan::expr::FrameExclude;
use quarry_plan::total::cannot_fail;
use quarry_plan::{ColumnId, Expr, PhysicalPlan, WindowCall, WindowSpec};
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector, compare};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A call, compiled; its arguments and FILTER are in the [`Shape`].
struct Call {
    def: &'static FunctionDef,
    arg_types: Vec<SqlType>,
    ret: SqlType,
    physical: PhysicalType,
}

pub struct WindowAgg {
    input: BoxOperator,
    physicals: Vec<PhysicalType>,
    partition: Vec<(Program, TypeRef)>,
    window: Window,
    /// Conditions that stop the partition under way.
    run: Vec<Program>,
    /// Its other rows are given all the same, with NULL for results.
    passes_on: bool,
    /// Rows read beyond the partition under way.
    pending: Option<Pending>,
    input_done: bool,
    /// The partition being given out.
    active: Option<Box<Active>>,
    /// For a partition's rows in memory, but those of pages.
    reservation: Reservation,
}

struct Window {
    shape: Arc<Shape>,
    range: Range,
    exclusion: Exclusion,
    calls: Vec<Call>,
}

/// A batch of the input of which some rows have been taken.
struct Pending {
    batch: Batch,
    /// PARTITION BY.
    keys: Vec<Arc<Vector>>,
    taken: usize,
}

pub fn build(
    b: &mut Builder<'_>,
    input: &PhysicalPlan,
    spec: &WindowSpec,
    calls: &[(ColumnId, WindowCall)],
    (run, passes_on): (&[Expr], bool),
) -> Result<BoxOperator> {
    let layout = Layout::new(input.output());
    let results = Layout::new(input.output().chain(calls.iter().map(|(id, _)| *id)));
    let partition = spec
        .partition_by
        .iter()
        .map(|e| Ok((b.expr(e, &layout)?, b.type_ref(e.ty().oid)?)))
        .collect::<Result<_>>()?;
    let physicals = b.output_physicals(input)?;
    let mut shape = Shape::new(physicals.len());
    for k in &spec.order_by {
        shape.add_order(b.expr(&k.expr, &layout)?, b.type_ref(k.expr.ty().oid)?);
    }
    let mut compiled = Vec::new();
    for (_, c) in calls {
        let mut asked = |e: &Expr| Ok::<_, Error>((b.expr(e, &layout)?, !cannot_fail(e, &[])));
        let filter = c.filter.as_ref().map(&mut asked).transpose()?;
        shape.add_call(c.args.iter().map(asked).collect::<Result<_>>()?, filter);
        compiled.push(Call {
            def: c.function.def(),
            arg_types: c.args.iter().map(Expr::ty).collect(),
            ret: c.ty,
            physical: b.physical(c.ty)?,
        });
    }
    Ok(Box::new(WindowAgg {
        physicals,
        input: b.plan(input)?,
        partition,
        window: Window {
            shape: Arc::new(shape),
            range: Range::compile(b, spec)?,
            exclusion: match spec.frame.exclude {
                FrameExclude::NoOthers => Exclusion::Nothing,
                FrameExclude::CurrentRow => Exclusion::CurrentRow,
                FrameExclude::Group => Exclusion::Group,
                FrameExclude::Ties => Exclusion::Ties,
            },
            calls: compiled,
        },
        run: b.exprs(run, &results)?,
        passes_on,
        pending: None,
        input_done: false,
        active: None,
        reservation: Reservation::default(),
    }))
}

impl WindowAgg {
    /// Reads one partition; none at the end.
    fn read_partition(&mut self, cx: &mut Cx<'_>) -> Result<Option<Partition>> {
        let mut pages: Option<Pages> = None;
        let mut rows = RowSet::new(&self.physicals);
        let mut first: Option<(Vec<Arc<Vector>>, usize)> = None;
        while !self.input_done {
            let mut at = match self.pending.take() {
                Some(p) => p,
                None => match pull(&mut self.input, cx)? {
                    Some(b) => {
                        let batch = dense(b);
                        let keys =
                            self.partition.iter().map(|(p, _)| p.eval(cx, &batch)).collect::<Result<_>>()?;
                        Pending { batch, keys, taken: 0 }
                    }
                    None => {
                        self.input_done = true;
                        break;
                    }
                },
            };
            cx.check_cancelled()?;
            let n = at.batch.len;
            let end = if self.partition.is_empty() {
                n
            } else {
                let (keys, row) = first.get_or_insert_with(|| (at.keys.clone(), at.taken));
                let differs = |r: &usize| {
                    let mut both = at.keys.iter().zip(&*keys).zip(&self.partition);
                    !both.all(|((k, f), (_, t))| compare::same_at(k, *r, f, *row, t))
                };
                (at.taken..n).find(differs).unwrap_or(n)
            };
            if at.taken == 0 && end == n {
                rows.push_rows(&at.batch.columns, Rows::All(n));
            } else {
                let positions: Vec<u32> = (at.taken as u32..end as u32).collect();
                rows.push_rows(&at.batch.columns, Rows::Selected { positions: &positions, len: n });
            }
            let held = rows.memory_bytes();
            cx.rt.note_memory(held + pages.as_ref().map_or(0, Pages::memory_bytes));
            let allowed = if pages.is_some() { page_bytes(cx) } else { cx.env.work_mem_bytes };
            if !self.reservation.may_hold(rows.allocated_bytes()) || held > allowed {
                let pages = pages.get_or_insert_with(|| Pages::new(&self.window.shape));
                pages.push(cx, &rows.take())?;
            }
            if end < n {
                at.taken = end;
                self.pending = Some(at);
                break;
            }
        }
        self.reservation.holds(if pages.is_some() { 0 } else { rows.allocated_bytes() });
        let rest = rows.take();
        Ok(match pages {
            Some(mut pages) => {
                if rest.len > 0 {
                    pages.push(cx, &rest)?;
                }
                Some(pages.finish())
            }
            None if rest.len == 0 => None,
            None => Some(Partition::in_memory(cx, &self.window.shape, &rest)?),
        })
    }
}

impl WindowAgg {
    /// The rows up to the first that fails a condition, or all without the results from there on; true if there is one.
    fn run_until_failed(&self, cx: &mut Cx<'_>, batch: Batch) -> Result<(Option<Batch>, bool)> {
        let mut passed = batch.len;
        for condition in &self.run {
            let holds = condition.positions(cx, &batch)?;
            passed = passed.min((0..).zip(&holds).take_while(|(i, at)| i == *at).count());
        }
        if passed == batch.len {
            return Ok((Some(batch), false));
        }
        let holding: Vec<u32> = (0..passed as u32).collect();
        if !self.passes_on {
            return Ok((select(batch, holding), true));
        }
        let mut columns = batch.columns;
        for result in &mut columns[self.physicals.len()..] {
            let mut wanted = Vector::with_capacity(result.physical(), batch.len);
            wanted.extend_from(result, Rows::Selected { positions: &holding, len: batch.len });
            (passed..batch.len).for_each(|_| wanted.push_datum(&Datum::Null));
            *result = Arc::new(wanted);
        }
        Ok((Some(Batch::new(columns, batch.len)), true))
    }
}

/// A partition being given out, from its first row to its last.
struct Active {
    partition: Partition,
    frames: FrameState,
    calls: Vec<CallState>,
    cursor: Cursor,
    row: usize,
    /// A row has failed a condition: the results of the others are NULL.
    failed: bool,
    /// Rows of the next block. Where results vary in length it begins small and follows their size.
    step: usize,
    /// A row has an error: blocks end before it, for whoever doesn't ask for that row.
    fails: bool,
}

enum CallState {
    Function { compute: WindowImpl, peers: RefCell<Peers>, value: RefCell<Cursor>, memory: Cell<u64> },
    Aggregate(Box<Running>),
}

impl CallState {
    /// What a function has noted in the blocks so far.
    fn remembered(&self) -> u64 {
        match self {
            CallState::Function { memory, .. } => memory.get(),
            CallState::Aggregate(_) => 0,
        }
    }
    /// Goes back to before a block that failed.
    fn begin_again(&mut self, call: &Call, number: usize, remembered: u64) -> Result<()> {
        match self {
            CallState::Function { memory, .. } => memory.set(remembered),
            CallState::Aggregate(running) => **running = Running::new(call, number)?,
        }
        Ok(())
    }
}

impl Active {
    fn new(cx: &mut Cx<'_>, window: &Window, partition: Partition) -> Result<Active> {
        let state = |(number, call): (usize, &Call)| {
            Ok(match call.def.body {
                Body::Window(compute) => CallState::Function {
                    compute,
                    peers: RefCell::default(),
                    value: RefCell::default(),
                    memory: Cell::new(0),
                },
                Body::Aggregate(_) => CallState::Aggregate(Box::new(Running::new(call, number)?)),
                _ => return Err(Error::internal("a window call of another kind of function")),
            })
        };
        let varying = window.calls.iter().any(|c| c.physical == PhysicalType::Bytes);
        Ok(Active {
            frames: window.range.start(cx)?,
            calls: window.calls.iter().enumerate().map(state).collect::<Result<_>>()?,
            cursor: Cursor::default(),
            partition,
            row: 0,
            failed: false,
            step: if varying { 64 } else { BATCH_ROWS },
            fails: false,
        })
    }

    /// The next rows with the calls' results; none at the partition's end.
    fn next(&mut self, cx: &mut Cx<'_>, window: &Window) -> Result<Option<Batch>> {
        if self.row >= self.partition.len {
            return Ok(None);
        }
        cx.check_cancelled()?;
        let page = self.cursor.page(&self.partition, self.row)?.clone();
        loop {
            let rows = self.row..(self.row + self.step).min(page.rows.end);
            if self.failed {
                let nothing = |call: &Call| Vector::constant(call.physical, &Datum::Null, rows.len());
                return Ok(Some(self.given(&page, rows.clone(), window.calls.iter().map(nothing).collect())));
            }
            let before: Vec<u64> = self.calls.iter().map(CallState::remembered).collect();
            match self.results(cx, window, &page, rows.clone()) {
                Ok(results) => {
                    if !self.fails {
                        self.adapt(cx, &results);
                    }
                    return Ok(Some(self.given(&page, rows, results)));
                }
                Err(e) if rows.len() > 1 => {
                    internal::kept(e)?;
                    (self.fails, self.step) = (true, rows.len() / 2);
                    for ((number, call), before) in window.calls.iter().enumerate().zip(before) {
                        self.calls[number].begin_again(call, number, before)?;
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The calls' results for some rows of a page.
    fn results(
        &mut self,
        cx: &mut Cx<'_>,
        window: &Window,
        page: &Page,
        rows: std::ops::Range<usize>,
    ) -> Result<Vec<Vector>> {
        let frames = window.range.frames(cx, &mut self.frames, &self.partition, page, rows.clone())?;
        let partition = &self.partition;
        let frame = |row: usize, peers: &mut Peers| -> Result<Frame> {
            let (start, end) = frames.at(row);
            let around = match window.exclusion {
                Exclusion::Group | Exclusion::Ties => peers.of(partition, row)?,
                Exclusion::Nothing | Exclusion::CurrentRow => 0..0,
            };
            let peers = (around.start, around.end);
            Ok(Frame { start, end, exclusion: window.exclusion, current: row, peers })
        };
        let mut results = Vec::with_capacity(self.calls.len());
        for (number, (call, state)) in window.calls.iter().zip(&mut self.calls).enumerate() {
            results.push(match state {
                CallState::Function { compute, peers, value, memory } => {
                    let args = &page.args[number];
                    let value_at = |row: usize| -> Result<Datum> {
                        if page.rows.contains(&row) {
                            page.ask(number, 0, row)?;
                            let arg = args.first().ok_or_else(quarry_functions::kernel_arity)?;
                            return Ok(arg.datum(row - page.rows.start));
                        }
                        let mut cursor = value.borrow_mut();
                        let page = cursor.page(partition, row)?;
                        page.ask(number, 0, row)?;
                        let arg = page.args[number].first().ok_or_else(quarry_functions::kernel_arity)?;
                        Ok(arg.datum(row - page.rows.start))
                    };
                    let eval = cx.eval();
                    let mut eval = eval.for_call(&call.arg_types, call.ret);
                    let rows = WindowRows {
                        len: partition.len,
                        rows: rows.clone(),
                        base: page.rows.start,
                        args,
                        groups: &page.groups,
                        peers: &|row| peers.borrow_mut().of(partition, row),
                        frame: &|row| frame(row, &mut peers.borrow_mut()),
                        value: &value_at,
                        ask: &|arg, row| page.ask(number, arg, row),
                        memory,
                        ret: call.ret,
                    };
                    (compute.compute)(&mut eval, &rows)?
                }
                CallState::Aggregate(running) => {
                    let mut peers = Peers::default();
                    let mut out = Vector::with_capacity(call.physical, rows.len());
                    for row in rows.clone() {
                        if row % 256 == 0 {
                            cx.check_cancelled()?;
                        }
                        let frame = frame(row, &mut peers)?;
                        out.push_datum(&running.value(cx, call, partition, &frame)?);
                    }
                    cx.rt.note_memory(running.memory_bytes());
                    out
                }
            });
        }
        Ok(results)
    }

    /// The rows of a page with these results; the others come after them.
    fn given(&mut self, page: &Page, rows: std::ops::Range<usize>, results: Vec<Vector>) -> Batch {
        self.row = rows.end;
        let base = page.rows.start;
        let mut columns = if rows == page.rows {
            page.inputs.clone()
        } else {
            let positions: Vec<u32> = ((rows.start - base) as u32..(rows.end - base) as u32).collect();
            let part = Rows::Selected { positions: &positions, len: page.rows.len() };
            page.inputs.iter().map(|c| Arc::new(c.gather(part))).collect()
        };
        columns.extend(results.into_iter().map(Arc::new));
        Batch::new(columns, rows.len())
    }

    /// Chooses the size of the next block by the size of this one's results.
    fn adapt(&mut self, cx: &Cx<'_>, results: &[Vector]) {
        let bytes: usize =
            results.iter().filter(|v| v.physical() == PhysicalType::Bytes).map(Vector::memory_bytes).sum();
        let rows = results.first().map_or(1, Vector::len).max(1);
        let fit = (cx.env.work_mem_bytes / (bytes / rows).max(1)).clamp(1, BATCH_ROWS);
        self.step = fit.min(self.step * 4);
    }
}

impl Operator for WindowAgg {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            if let Some(active) = &mut self.active
                && let Some(b) = active.next(cx, &self.window)?
            {
                if active.failed {
                    return Ok(Some(b));
                }
                let (given, failed) = self.run_until_failed(cx, b)?;
                if failed && self.passes_on {
                    self.active.iter_mut().for_each(|active| active.failed = true);
                } else if failed {
                    self.active = None;
                    // What is left of the input is this partition.
                    self.input_done |= self.partition.is_empty();
                }
                match given {
                    Some(b) => return Ok(Some(b)),
                    None => continue,
                }
            }
            self.active = None;
            match self.read_partition(cx)? {
                None => return Ok(None),
                Some(p) => self.active = Some(Box::new(Active::new(cx, &self.window, p)?)),
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.pending = None;
        self.input_done = false;
        self.active = None;
        self.input.rescan(cx)
    }
}
