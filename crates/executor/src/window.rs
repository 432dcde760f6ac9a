//! Window functions over sorted input, one partition at a time: in memory, or (see `stream`) in passes over a store on disk.

mod frame;
mod stream;

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program, true_positions};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::RowSet;
use crate::spill::BatchStore;
use frame::{Frames, Range};
use quarry_common::{Error, Result};
use quarry_functions::{Accumulator, AggregateCall, Body, Frame, FunctionDef, WindowPartition};
use quarry_plan::expr::FrameExclude;
use quarry_plan::{ColumnId, PhysicalPlan, WindowCall, WindowSpec};
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector, compare};
use std::collections::VecDeque;
use std::sync::Arc;
use stream::Stream;

/// A call, compiled.
struct Call {
    def: &'static FunctionDef,
    args: Vec<Program>,
    arg_types: Vec<SqlType>,
    filter: Option<Program>,
    ret: SqlType,
    physical: PhysicalType,
}

pub struct WindowAgg {
    input: BoxOperator,
    physicals: Vec<PhysicalType>,
    partition: Vec<(Program, TypeRef)>,
    order: Vec<(Program, TypeRef)>,
    range: Range,
    calls: Vec<Call>,
    exclude: FrameExclude,
    /// Rows read beyond the partition under way.
    pending: Option<Batch>,
    input_done: bool,
    ready: VecDeque<Batch>,
    /// A partition too large for memory, being given out.
    stream: Option<Box<Stream>>,
}

/// One partition's rows.
enum Partition {
    Memory(Batch),
    Store(BatchStore),
}

pub fn build(
    b: &mut Builder<'_>,
    input: &PhysicalPlan,
    spec: &WindowSpec,
    calls: &[(ColumnId, WindowCall)],
) -> Result<BoxOperator> {
    let layout = Layout::new(input.output());
    let partition = spec
        .partition_by
        .iter()
        .map(|e| Ok((b.expr(e, &layout)?, b.type_ref(e.ty().oid)?)))
        .collect::<Result<_>>()?;
    let order = spec
        .order_by
        .iter()
        .map(|k| Ok((b.expr(&k.expr, &layout)?, b.type_ref(k.expr.ty().oid)?)))
        .collect::<Result<_>>()?;
    let compiled = calls
        .iter()
        .map(|(_, c)| {
            Ok(Call {
                def: c.function.def(),
                args: b.exprs(&c.args, &layout)?,
                arg_types: c.args.iter().map(quarry_plan::Expr::ty).collect(),
                filter: c.filter.as_ref().map(|f| b.expr(f, &layout)).transpose()?,
                ret: c.ty,
                physical: b.physical(c.ty)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Box::new(WindowAgg {
        physicals: b.output_physicals(input)?,
        input: b.plan(input)?,
        partition,
        order,
        range: Range::compile(b, spec)?,
        calls: compiled,
        exclude: spec.frame.exclude,
        pending: None,
        input_done: false,
        ready: VecDeque::new(),
        stream: None,
    }))
}

impl WindowAgg {
    /// Reads one partition; none at the end.
    fn read_partition(&mut self, cx: &mut Cx<'_>) -> Result<Option<Partition>> {
        let streamable = stream::can_stream(self);
        let mut store: Option<BatchStore> = None;
        let mut rows = RowSet::new(&self.physicals);
        let mut first: Option<Vec<Vector>> = None;
        loop {
            let batch = match self.pending.take() {
                Some(b) => b,
                None if self.input_done => break,
                None => match pull(&mut self.input, cx)? {
                    Some(b) => dense(b),
                    None => {
                        self.input_done = true;
                        break;
                    }
                },
            };
            cx.check_cancelled()?;
            let keys = self.partition.iter().map(|(p, _)| p.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
            let first = first.get_or_insert_with(|| {
                let at = [0u32];
                keys.iter().map(|k| k.gather(Rows::Selected { positions: &at, len: k.len() })).collect()
            });
            let same = |r: usize| {
                keys.iter()
                    .zip(&*first)
                    .zip(&self.partition)
                    .all(|((k, f), (_, t))| compare::same_at(k, r, f, 0, t))
            };
            let n = (0..batch.len).take_while(|r| same(*r)).count();
            let positions: Vec<u32> = (0..batch.len as u32).collect();
            rows.push_rows(&batch.columns, Rows::Selected { positions: &positions[..n], len: batch.len });
            cx.rt.note_memory(rows.memory_bytes() + store.as_ref().map_or(0, BatchStore::memory_bytes));
            let large = store.is_some() || rows.memory_bytes() > cx.env.work_mem_bytes;
            if streamable && large && !rows.is_empty() {
                keep(cx, store.get_or_insert_default(), rows.take())?;
            }
            if n < batch.len {
                let rest = &positions[n..];
                let columns = batch
                    .columns
                    .iter()
                    .map(|c| Arc::new(c.gather(Rows::Selected { positions: rest, len: batch.len })))
                    .collect();
                self.pending = Some(Batch::new(columns, rest.len()));
                break;
            }
        }
        Ok(match store {
            Some(store) => Some(Partition::Store(store)),
            None if rows.is_empty() => None,
            None => Some(Partition::Memory(rows.take())),
        })
    }

    fn compute(&mut self, cx: &mut Cx<'_>, rows: Batch) -> Result<()> {
        let n = rows.len;
        let order = self.order.iter().map(|(p, _)| p.eval(cx, &rows)).collect::<Result<Vec<_>>>()?;
        let mut peers = vec![0u32; n];
        for r in 1..n {
            let same = order.iter().zip(&self.order).all(|(k, (_, t))| compare::same_at(k, r, k, r - 1, t));
            peers[r] = peers[r - 1] + u32::from(!same);
        }
        let frames = self.range.frames(cx, &rows, &order, &peers)?;
        let mut columns = rows.columns.clone();
        for call in &self.calls {
            let args = call.args.iter().map(|a| a.eval(cx, &rows)).collect::<Result<Vec<_>>>()?;
            let v = match call.def.body {
                Body::Window(w) => {
                    let owned: Vec<Vector> = args.iter().map(|a| (**a).clone()).collect();
                    let frame = |i: usize| {
                        let (start, end) = frames.at(i);
                        Frame { start, end }
                    };
                    let part =
                        WindowPartition { len: n, args: &owned, peers: &peers, frame: &frame, ret: call.ret };
                    let eval = cx.eval();
                    let mut eval = eval.for_call(&call.arg_types, call.ret);
                    (w.compute)(&mut eval, &part)?
                }
                Body::Aggregate(a) => {
                    let make = || {
                        (a.make)(&AggregateCall {
                            arg_types: call.arg_types.clone(),
                            ret: call.ret,
                            direct_args: Vec::new(),
                            order: Vec::new(),
                        })
                    };
                    let keep = match &call.filter {
                        Some(f) => {
                            let flags = f.eval(cx, &rows)?;
                            let mut keep = vec![false; n];
                            true_positions(&flags, Rows::All(n))
                                .iter()
                                .for_each(|r| keep[*r as usize] = true);
                            Some(keep)
                        }
                        None => None,
                    };
                    let run = AggregateRun {
                        call,
                        args: &args,
                        frames: &frames,
                        peers: &peers,
                        keep,
                        exclude: self.exclude,
                    };
                    run.compute(cx, n, &make)?
                }
                _ => return Err(Error::internal("a window call of another kind of function")),
            };
            columns.push(Arc::new(v));
        }
        let mut from = 0;
        while from < n {
            let to = (from + BATCH_ROWS).min(n);
            if from == 0 && to == n {
                self.ready.push_back(Batch::new(std::mem::take(&mut columns), n));
                break;
            }
            let positions: Vec<u32> = (from as u32..to as u32).collect();
            let part = columns
                .iter()
                .map(|c| Arc::new(c.gather(Rows::Selected { positions: &positions, len: n })))
                .collect();
            self.ready.push_back(Batch::new(part, to - from));
            from = to;
        }
        Ok(())
    }
}

/// Adds rows to a store, in batches of the usual size.
fn keep(cx: &mut Cx<'_>, store: &mut BatchStore, rows: Batch) -> Result<()> {
    let all: Vec<u32> = (0..rows.len as u32).collect();
    for positions in all.chunks(BATCH_ROWS) {
        let part = Rows::Selected { positions, len: rows.len };
        let columns = rows.columns.iter().map(|c| Arc::new(c.gather(part))).collect();
        store.push(cx.env, Batch::new(columns, positions.len()))?;
    }
    Ok(())
}

/// An aggregate over the frames of one partition.
struct AggregateRun<'r> {
    call: &'r Call,
    args: &'r [Arc<Vector>],
    frames: &'r Frames,
    peers: &'r [u32],
    keep: Option<Vec<bool>>,
    exclude: FrameExclude,
}

type Make<'m> = &'m dyn Fn() -> Result<Box<dyn Accumulator>>;

impl AggregateRun<'_> {
    fn change(
        &self,
        cx: &Cx<'_>,
        acc: &mut dyn Accumulator,
        rows: std::ops::Range<usize>,
        add: bool,
    ) -> Result<()> {
        let positions: Vec<u32> =
            rows.filter(|r| self.keep.as_ref().is_none_or(|k| k[*r])).map(|r| r as u32).collect();
        if positions.is_empty() {
            return Ok(());
        }
        let refs: Vec<&Vector> = self.args.iter().map(|a| &**a).collect();
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.call.arg_types, self.call.ret);
        let rows = Rows::Selected { positions: &positions, len: self.peers.len() };
        if add { acc.update_single(&mut eval, &refs, rows) } else { acc.retract(&mut eval, &refs, rows) }
    }

    fn result(&self, cx: &Cx<'_>, acc: &mut dyn Accumulator) -> Result<Datum> {
        let eval = cx.eval();
        let mut eval = eval.for_call(&self.call.arg_types, self.call.ret);
        let v = acc.finish(&mut eval, 0, 1)?;
        let v = if v.physical() == self.call.physical {
            v
        } else {
            quarry_functions::cast::relabel(&v, self.call.physical)?
        };
        Ok(v.datum(0))
    }

    fn fresh(&self, make: Make<'_>) -> Result<Box<dyn Accumulator>> {
        let mut acc = make()?;
        acc.resize(1)?;
        Ok(acc)
    }

    /// Rows that EXCLUDE takes out of row i's frame.
    fn excluded(&self, i: usize) -> std::ops::Range<usize> {
        let group = || {
            let p = self.peers[i];
            let start = self.peers.partition_point(|x| *x < p);
            let end = self.peers.partition_point(|x| *x <= p);
            start..end
        };
        match self.exclude {
            FrameExclude::NoOthers => 0..0,
            FrameExclude::CurrentRow => i..i + 1,
            FrameExclude::Group | FrameExclude::Ties => group(),
        }
    }

    fn compute(&self, cx: &mut Cx<'_>, n: usize, make: Make<'_>) -> Result<Vector> {
        let mut out = Vector::with_capacity(self.call.physical, n);
        let mut acc = self.fresh(make)?;
        if self.exclude != FrameExclude::NoOthers {
            for i in 0..n {
                if i % 256 == 0 {
                    cx.check_cancelled()?;
                }
                let (start, end) = self.frames.at(i);
                let gone = self.excluded(i);
                let mut acc = self.fresh(make)?;
                self.change(cx, &mut *acc, start..end.min(gone.start.max(start)), true)?;
                if self.exclude == FrameExclude::Ties && (start..end).contains(&i) {
                    self.change(cx, &mut *acc, i..i + 1, true)?;
                }
                self.change(cx, &mut *acc, start.max(gone.end)..end, true)?;
                out.push_datum(&self.result(cx, &mut *acc)?);
            }
            return Ok(out);
        }
        let mut now = (0usize, 0usize);
        let mut last: Option<Datum> = None;
        for i in 0..n {
            if i % 256 == 0 {
                cx.check_cancelled()?;
            }
            let (start, end) = self.frames.at(i);
            let end = end.max(start);
            if let Some(v) = &last
                && now == (start, end)
            {
                out.push_datum(v);
                continue;
            }
            let moved = start >= now.0 && end >= now.1;
            if !moved || (start > now.0 && (!acc.can_retract() || start >= now.1)) {
                acc = self.fresh(make)?;
                self.change(cx, &mut *acc, start..end, true)?;
            } else {
                if start > now.0 {
                    self.change(cx, &mut *acc, now.0..start, false)?;
                }
                self.change(cx, &mut *acc, now.1..end, true)?;
            }
            now = (start, end);
            let v = self.result(cx, &mut *acc)?;
            out.push_datum(&v);
            last = Some(v);
        }
        Ok(out)
    }
}

impl Operator for WindowAgg {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            if let Some(b) = self.ready.pop_front() {
                return Ok(Some(b));
            }
            if let Some(mut stream) = self.stream.take()
                && let Some(b) = stream.next(cx, self)?
            {
                self.stream = Some(stream);
                return Ok(Some(b));
            }
            match self.read_partition(cx)? {
                None => return Ok(None),
                Some(Partition::Memory(rows)) => self.compute(cx, rows)?,
                Some(Partition::Store(store)) => {
                    self.stream = Some(Box::new(Stream::new(cx, self, store)?));
                }
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.pending = None;
        self.input_done = false;
        self.ready.clear();
        self.stream = None;
        self.input.rescan(cx)
    }
}
