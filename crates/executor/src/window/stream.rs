//! Partitions larger than the memory allowed: the rows go to a store that spills, and calls that need nothing but what has gone
//! before (or the whole partition's result) are computed in passes over it: numbering functions and aggregates whose frame begins
//! with the partition. Other calls need their partition in memory.
//!
//! Two cursors read the store: one ahead, over a whole group of peers, feeds the aggregates; one behind gives the rows.

use super::{Call, WindowAgg, frame::Running};
use crate::context::Cx;
use crate::expr::true_positions;
use crate::spill::BatchStore;
use quarry_common::{Error, Result};
use quarry_functions::{Accumulator, AggregateCall, Body};
use quarry_types::{Batch, Datum, Rows, Vector, compare};
use std::sync::Arc;

/// A partition being given out.
pub(super) struct Stream {
    store: BatchStore,
    running: Running,
    /// By call; none for numbering functions.
    accumulators: Vec<Option<Box<dyn Accumulator>>>,
    /// The aggregates' values for the group of peers at hand.
    values: Vec<Datum>,
    ahead: Cursor,
    behind: Cursor,
    /// Rows of the group at hand that are still to be given.
    left: usize,
    row: i64,
    group_start: i64,
    group: i64,
}

/// A place in the store, with what was computed of its batch.
#[derive(Default)]
struct Cursor {
    batch: usize,
    row: usize,
    loaded: Option<Loaded>,
}

struct Loaded {
    batch: Batch,
    order: Vec<Arc<Vector>>,
    args: Vec<Vec<Arc<Vector>>>,
    /// FILTER by call.
    keep: Vec<Option<Vec<bool>>>,
}

impl Cursor {
    /// Makes the batch at the cursor ready; false at the end.
    fn load(&mut self, cx: &mut Cx<'_>, w: &WindowAgg, store: &BatchStore) -> Result<bool> {
        if let Some(l) = &self.loaded
            && self.row >= l.batch.len
        {
            self.loaded = None;
            self.batch += 1;
            self.row = 0;
        }
        if self.loaded.is_some() {
            return Ok(true);
        }
        cx.check_cancelled()?;
        let Some(batch) = store.get(self.batch)? else { return Ok(false) };
        let order = w.order.iter().map(|(p, _)| p.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
        let (mut args, mut keep) = (vec![], vec![]);
        for call in &w.calls {
            args.push(call.args.iter().map(|a| a.eval(cx, &batch)).collect::<Result<Vec<_>>>()?);
            keep.push(match &call.filter {
                Some(f) => {
                    let flags = f.eval(cx, &batch)?;
                    let mut keep = vec![false; batch.len];
                    true_positions(&flags, Rows::All(batch.len))
                        .iter()
                        .for_each(|r| keep[*r as usize] = true);
                    Some(keep)
                }
                None => None,
            });
        }
        self.loaded = Some(Loaded { batch, order, args, keep });
        Ok(true)
    }
}

/// Whether all calls of a window can be computed this way.
pub(super) fn can_stream(w: &WindowAgg) -> bool {
    w.range.running().is_some()
        && w.exclude == quarry_plan::expr::FrameExclude::NoOthers
        && w.calls.iter().all(|c| match c.def.body {
            Body::Window(_) => matches!(c.def.name, "row_number" | "rank" | "dense_rank"),
            Body::Aggregate(_) => true,
            _ => false,
        })
}

impl Stream {
    pub fn new(cx: &mut Cx<'_>, w: &WindowAgg, store: BatchStore) -> Result<Stream> {
        let Some(running) = w.range.running() else {
            return Err(Error::internal("a frame that can't be streamed"));
        };
        let mut accumulators = vec![];
        for call in &w.calls {
            accumulators.push(match call.def.body {
                Body::Aggregate(a) => {
                    let mut acc = (a.make)(&AggregateCall {
                        arg_types: call.arg_types.clone(),
                        ret: call.ret,
                        direct_args: Vec::new(),
                        order: Vec::new(),
                    })?;
                    acc.resize(1)?;
                    Some(acc)
                }
                _ => None,
            });
        }
        let mut s = Stream {
            store,
            running,
            accumulators,
            values: vec![],
            ahead: Cursor::default(),
            behind: Cursor::default(),
            left: 0,
            row: 0,
            group_start: 0,
            group: 0,
        };
        if running == Running::Partition {
            let mut all = Cursor::default();
            while all.load(cx, w, &s.store)? {
                let end = all.loaded.as_ref().map_or(0, |l| l.batch.len);
                s.feed(cx, w, &all, 0..end)?;
                all.row = end;
            }
            s.values = s.results(cx, w)?;
        }
        Ok(s)
    }

    fn feed(&mut self, cx: &Cx<'_>, w: &WindowAgg, at: &Cursor, rows: std::ops::Range<usize>) -> Result<()> {
        let Some(l) = &at.loaded else { return Ok(()) };
        for ((call, acc), (args, keep)) in
            w.calls.iter().zip(&mut self.accumulators).zip(l.args.iter().zip(&l.keep))
        {
            let Some(acc) = acc else { continue };
            let positions: Vec<u32> =
                rows.clone().filter(|r| keep.as_ref().is_none_or(|k| k[*r])).map(|r| r as u32).collect();
            if positions.is_empty() {
                continue;
            }
            let refs: Vec<&Vector> = args.iter().map(|a| &**a).collect();
            let eval = cx.eval();
            let mut eval = eval.for_call(&call.arg_types, call.ret);
            acc.update_single(&mut eval, &refs, Rows::Selected { positions: &positions, len: l.batch.len })?;
        }
        Ok(())
    }

    fn results(&mut self, cx: &Cx<'_>, w: &WindowAgg) -> Result<Vec<Datum>> {
        let both = w.calls.iter().zip(&mut self.accumulators);
        both.map(|(call, acc)| match acc {
            Some(acc) => result(cx, call, &mut **acc),
            None => Ok(Datum::Null),
        })
        .collect()
    }

    /// Reads the next group of peers ahead; false at the partition's end.
    fn open_group(&mut self, cx: &mut Cx<'_>, w: &WindowAgg) -> Result<bool> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut first: Option<Vec<Vector>> = None;
        self.left = 0;
        while ahead.load(cx, w, &self.store)? {
            let Some(l) = &ahead.loaded else { break };
            let start = ahead.row;
            let first = first.get_or_insert_with(|| {
                let at = [start as u32];
                let pick = |k: &Arc<Vector>| k.gather(Rows::Selected { positions: &at, len: k.len() });
                l.order.iter().map(pick).collect()
            });
            let same = |r: usize| {
                let keys = l.order.iter().zip(&*first).zip(&w.order);
                keys.into_iter().all(|((k, f), (_, t))| compare::same_at(k, r, f, 0, t))
            };
            let end = (start..l.batch.len).find(|r| !same(*r)).unwrap_or(l.batch.len);
            let whole = end == l.batch.len;
            if self.running == Running::Peers {
                self.feed(cx, w, &ahead, start..end)?;
            }
            self.left += end - start;
            ahead.row = end;
            if !whole {
                break;
            }
        }
        self.ahead = ahead;
        if self.left == 0 {
            return Ok(false);
        }
        if self.running == Running::Peers {
            self.values = self.results(cx, w)?;
        }
        self.group_start = self.row;
        self.group += 1;
        Ok(true)
    }

    /// The next rows with the calls' results; none at the partition's end.
    pub fn next(&mut self, cx: &mut Cx<'_>, w: &WindowAgg) -> Result<Option<Batch>> {
        let mut behind = std::mem::take(&mut self.behind);
        if !behind.load(cx, w, &self.store)? {
            return Ok(None);
        }
        let Some(batch) = behind.loaded.as_ref().map(|l| l.batch.clone()) else { return Ok(None) };
        let mut out: Vec<Vector> =
            w.calls.iter().map(|c| Vector::with_capacity(c.physical, batch.len)).collect();
        for r in 0..batch.len {
            if self.left == 0 && !self.open_group(cx, w)? {
                return Err(Error::internal("a window partition ends within its rows"));
            }
            if self.running == Running::Rows {
                self.feed(cx, w, &behind, r..r + 1)?;
                self.values = self.results(cx, w)?;
            }
            for ((call, value), to) in w.calls.iter().zip(&self.values_of_row()).zip(&mut out) {
                let numbered = match (call.def.body, call.def.name) {
                    (Body::Window(_), "row_number") => Some(self.row + 1),
                    (Body::Window(_), "rank") => Some(self.group_start + 1),
                    (Body::Window(_), _) => Some(self.group),
                    _ => None,
                };
                to.push_datum(&numbered.map_or_else(|| value.clone(), Datum::I64));
            }
            self.row += 1;
            self.left -= 1;
        }
        behind.row = batch.len;
        self.behind = behind;
        let mut columns = batch.columns.clone();
        columns.extend(out.into_iter().map(Arc::new));
        Ok(Some(Batch::new(columns, batch.len)))
    }

    /// The aggregates' values, NULLs where there are only numbering functions.
    fn values_of_row(&self) -> Vec<Datum> {
        match self.values.is_empty() {
            true => vec![Datum::Null; self.accumulators.len()],
            false => self.values.clone(),
        }
    }
}

fn result(cx: &Cx<'_>, call: &Call, acc: &mut dyn Accumulator) -> Result<Datum> {
    let eval = cx.eval();
    let mut eval = eval.for_call(&call.arg_types, call.ret);
    let v = acc.finish(&mut eval, 0, 1)?;
    let v = match v.physical() == call.physical {
        true => v,
        false => quarry_functions::cast::relabel(&v, call.physical)?,
    };
    Ok(v.datum(0))
}
