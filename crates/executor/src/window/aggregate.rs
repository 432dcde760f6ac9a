//! Aggregates over the frames of a partition's rows.

use super::Call;
use super::partition::{Cursor, Partition};
use crate::context::Cx;
use quarry_common::{Error, Result};
use quarry_functions::{Accumulator, AggregateCall, Body, Exclusion, Frame};
use quarry_types::{Datum, Rows, Vector};
use std::ops::Range;

/// One aggregate on its way through a partition. Frames that move forward are followed by adding rows, and by taking rows out
/// where the aggregate can.
pub(super) struct Running {
    /// The call's number.
    number: usize,
    acc: Box<dyn Accumulator>,
    /// The rows that `acc` holds, and its result once it was asked for.
    now: Range<usize>,
    last: Option<Datum>,
    adding: Cursor,
    removing: Cursor,
}

fn fresh(call: &Call) -> Result<Box<dyn Accumulator>> {
    let Body::Aggregate(a) = call.def.body else {
        return Err(Error::internal("a window call of another kind of function"));
    };
    let mut acc = (a.make)(&AggregateCall {
        arg_types: call.arg_types.clone(),
        ret: call.ret,
        direct_args: Vec::new(),
        order: Vec::new(),
    })?;
    acc.resize(1)?;
    Ok(acc)
}

impl Running {
    pub fn new(call: &Call, number: usize) -> Result<Running> {
        Ok(Running {
            number,
            acc: fresh(call)?,
            now: 0..0,
            last: None,
            adding: Cursor::default(),
            removing: Cursor::default(),
        })
    }

    /// Bytes that the aggregate's state takes.
    pub fn memory_bytes(&self) -> usize {
        self.acc.memory_bytes()
    }

    fn change(
        &mut self,
        cx: &Cx<'_>,
        call: &Call,
        partition: &Partition,
        rows: Range<usize>,
        add: bool,
    ) -> Result<()> {
        let cursor = if add { &mut self.adding } else { &mut self.removing };
        let mut from = rows.start;
        while from < rows.end {
            let page = cursor.page(partition, from)?;
            let base = page.rows.start;
            let to = rows.end.min(page.rows.end);
            if to - from > 64 {
                cx.check_cancelled()?;
            }
            let keep = page.keep[self.number].as_ref();
            if add && page.has_errors(self.number) {
                for row in from..to {
                    page.ask_filter(self.number, row)?;
                    if keep.is_none_or(|k| k[row - base]) {
                        (0..call.arg_types.len()).try_for_each(|arg| page.ask(self.number, arg, row))?;
                    }
                }
            }
            let all = (from - base) as u32..(to - base) as u32;
            let positions: Vec<u32> = all.filter(|r| keep.is_none_or(|k| k[*r as usize])).collect();
            from = to;
            if positions.is_empty() {
                continue;
            }
            let refs: Vec<&Vector> = page.args[self.number].iter().map(|a| &**a).collect();
            let eval = cx.eval();
            let mut eval = eval.for_call(&call.arg_types, call.ret);
            let rows = Rows::Selected { positions: &positions, len: page.groups.len() };
            if add {
                self.acc.update_single(&mut eval, &refs, rows)?;
            } else {
                self.acc.retract(&mut eval, &refs, rows)?;
            }
        }
        Ok(())
    }

    fn result(&mut self, cx: &Cx<'_>, call: &Call) -> Result<Datum> {
        let eval = cx.eval();
        let mut eval = eval.for_call(&call.arg_types, call.ret);
        let v = self.acc.finish(&mut eval, 0, 1)?;
        let v = if v.physical() == call.physical {
            v
        } else {
            quarry_functions::cast::relabel(&v, call.physical)?
        };
        Ok(v.datum(0))
    }

    /// The value over the next row's frame.
    pub fn value(&mut self, cx: &Cx<'_>, call: &Call, partition: &Partition, frame: &Frame) -> Result<Datum> {
        if frame.exclusion != Exclusion::Nothing {
            self.acc = fresh(call)?;
            for rows in frame.pieces() {
                self.change(cx, call, partition, rows, true)?;
            }
            return self.result(cx, call);
        }
        let (start, end) = (frame.start, frame.end.max(frame.start));
        if let Some(v) = &self.last
            && self.now == (start..end)
        {
            return Ok(v.clone());
        }
        let now = std::mem::replace(&mut self.now, start..end);
        let forward = start >= now.start && end >= now.end;
        if !forward || (start > now.start && (!self.acc.can_retract() || start >= now.end)) {
            self.acc = fresh(call)?;
            self.change(cx, call, partition, start..end, true)?;
        } else {
            self.change(cx, call, partition, now.start..start, false)?;
            self.change(cx, call, partition, now.end..end, true)?;
        }
        let v = self.result(cx, call)?;
        self.last = Some(v.clone());
        Ok(v)
    }
}
