//! Frames: for each row of a partition the rows its frame begins and ends at.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Call as ScalarCall, Layout, Program};
use quarry_common::{Result, SqlState, bail};
use quarry_plan::WindowSpec;
use quarry_plan::expr::{FrameBound, FrameMode, RangeFunctions};
use quarry_types::{Batch, Datum, SqlType, TypeRef, Vector, compare};
use std::sync::Arc;

/// Errors of adding an offset that mean that the sum is beyond all values.
const OUT_OF_RANGE: [SqlState; 2] =
    [SqlState::NUMERIC_VALUE_OUT_OF_RANGE, SqlState::DATETIME_VALUE_OUT_OF_RANGE];

enum Bound {
    UnboundedPreceding,
    Preceding(Program),
    CurrentRow,
    Following(Program),
    UnboundedFollowing,
}

/// A window's frame clause, compiled.
pub(super) struct Range {
    mode: FrameMode,
    start: Bound,
    end: Bound,
    /// For RANGE, of start and end: key minus, key plus offset; the key's type and direction.
    offsets: [Option<Offsets>; 2],
}

struct Offsets {
    subtract: ScalarCall,
    add: ScalarCall,
    ty: TypeRef,
    descending: bool,
    nulls_first: bool,
}

/// Frames that begin with their partition and end with ...
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// the partition,
    Partition,
    /// the row's last peer,
    Peers,
    /// the row.
    Rows,
}

/// The frame of every row, as half-open ranges of rows.
pub(super) struct Frames {
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Frames {
    pub fn at(&self, i: usize) -> (usize, usize) {
        (self.starts[i], self.ends[i])
    }
}

impl Offsets {
    fn compile(
        b: &Builder<'_>,
        spec: &WindowSpec,
        functions: Option<&RangeFunctions>,
        bound: &FrameBound,
    ) -> Result<Option<Offsets>> {
        let (FrameBound::Preceding(offset) | FrameBound::Following(offset)) = bound else { return Ok(None) };
        let (Some(functions), Some(key)) = (functions, spec.order_by.first()) else { return Ok(None) };
        let call = |def: &'static quarry_functions::FunctionDef| -> Result<ScalarCall> {
            let ret = SqlType::of(def.ret);
            let arg_types = Box::new([key.expr.ty(), offset.ty()]);
            let physical = b.physical(ret)?;
            Ok(ScalarCall { spread: false, def, args: Vec::new(), arg_types, ret, physical })
        };
        Ok(Some(Offsets {
            subtract: call(functions.subtract.def())?,
            add: call(functions.add.def())?,
            ty: b.type_ref(functions.add.def().ret)?,
            descending: key.descending,
            nulls_first: key.nulls_first,
        }))
    }
}

impl Range {
    pub fn compile(b: &mut Builder<'_>, spec: &WindowSpec) -> Result<Range> {
        let none = Layout::default();
        let mut bound = |bound: &FrameBound| -> Result<Bound> {
            Ok(match bound {
                FrameBound::UnboundedPreceding => Bound::UnboundedPreceding,
                FrameBound::Preceding(e) => Bound::Preceding(b.expr(e, &none)?),
                FrameBound::CurrentRow => Bound::CurrentRow,
                FrameBound::Following(e) => Bound::Following(b.expr(e, &none)?),
                FrameBound::UnboundedFollowing => Bound::UnboundedFollowing,
            })
        };
        let frame = &spec.frame;
        let (start, end) = (bound(&frame.start)?, bound(&frame.end)?);
        let [of_start, of_end] = &frame.range_functions;
        let offsets = [
            Offsets::compile(b, spec, of_start.as_ref(), &frame.start)?,
            Offsets::compile(b, spec, of_end.as_ref(), &frame.end)?,
        ];
        Ok(Range { mode: frame.mode, start, end, offsets })
    }

    /// What kind of running frame this is, if it is one.
    pub fn running(&self) -> Option<Running> {
        match (&self.start, &self.end, self.mode) {
            (Bound::UnboundedPreceding, Bound::UnboundedFollowing, _) => Some(Running::Partition),
            (Bound::UnboundedPreceding, Bound::CurrentRow, FrameMode::Rows) => Some(Running::Rows),
            (Bound::UnboundedPreceding, Bound::CurrentRow, _) => Some(Running::Peers),
            _ => None,
        }
    }

    fn offset(&self, cx: &mut Cx<'_>, bound: &Bound, which: &str) -> Result<Datum> {
        let (Bound::Preceding(p) | Bound::Following(p)) = bound else { return Ok(Datum::Null) };
        let v = p.row(cx, &[])?;
        if v.is_null() {
            bail!(NULL_VALUE_NOT_ALLOWED, "frame {which} offset must not be null");
        }
        if self.mode != FrameMode::Range && matches!(v, Datum::I64(n) if n < 0) {
            bail!(INVALID_PRECEDING_OR_FOLLOWING_SIZE, "frame {which} offset must not be negative");
        }
        Ok(v)
    }

    pub fn frames(
        &self,
        cx: &mut Cx<'_>,
        rows: &Batch,
        order: &[Arc<Vector>],
        peers: &[u32],
    ) -> Result<Frames> {
        let n = rows.len;
        let start_offset = self.offset(cx, &self.start, "starting")?;
        let end_offset = self.offset(cx, &self.end, "ending")?;
        let starts = self.edge(cx, &self.start, &start_offset, true, order, peers, n)?;
        let ends = self.edge(cx, &self.end, &end_offset, false, order, peers, n)?;
        Ok(Frames { starts, ends })
    }

    #[allow(clippy::too_many_arguments)]
    fn edge(
        &self,
        cx: &mut Cx<'_>,
        bound: &Bound,
        offset: &Datum,
        is_start: bool,
        order: &[Arc<Vector>],
        peers: &[u32],
        n: usize,
    ) -> Result<Vec<usize>> {
        let group_start = |g: u32| peers.partition_point(|p| *p < g);
        let group_end = |g: u32| peers.partition_point(|p| *p <= g);
        let groups = peers.last().map_or(0, |g| i64::from(*g) + 1);
        let signed = |n: i64| if matches!(bound, Bound::Preceding(_)) { -n } else { n };
        Ok(match (bound, self.mode) {
            (Bound::UnboundedPreceding, _) => vec![0; n],
            (Bound::UnboundedFollowing, _) => vec![n; n],
            (Bound::CurrentRow, FrameMode::Rows) => {
                (0..n).map(|i| if is_start { i } else { i + 1 }).collect()
            }
            (Bound::CurrentRow, _) => {
                let mut out = vec![0; n];
                if is_start {
                    for i in 1..n {
                        out[i] = if peers[i] == peers[i - 1] { out[i - 1] } else { i };
                    }
                } else {
                    let mut end = n;
                    for i in (0..n).rev() {
                        if i + 1 < n && peers[i] != peers[i + 1] {
                            end = i + 1;
                        }
                        out[i] = end;
                    }
                }
                out
            }
            (_, FrameMode::Rows) => {
                let d = signed(integer(offset));
                let one = i64::from(!is_start);
                (0..n as i64)
                    .map(|i| i.saturating_add(d).saturating_add(one).clamp(0, n as i64) as usize)
                    .collect()
            }
            (_, FrameMode::Groups) => {
                let d = signed(integer(offset));
                peers
                    .iter()
                    .map(|g| {
                        let g = i64::from(*g).saturating_add(d);
                        match (g < 0, g >= groups, is_start) {
                            (true, _, _) => 0,
                            (_, true, _) => n,
                            (_, _, true) => group_start(g as u32),
                            (_, _, false) => group_end(g as u32),
                        }
                    })
                    .collect()
            }
            (_, FrameMode::Range) => self.range_edge(cx, bound, offset, is_start, order, peers, n)?,
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn range_edge(
        &self,
        cx: &mut Cx<'_>,
        bound: &Bound,
        offset: &Datum,
        is_start: bool,
        order: &[Arc<Vector>],
        peers: &[u32],
        n: usize,
    ) -> Result<Vec<usize>> {
        let (Some(o), Some(keys)) = (&self.offsets[usize::from(!is_start)], order.first()) else {
            return Err(quarry_common::Error::internal("RANGE with an offset lacks its functions"));
        };
        if is_negative(offset) {
            bail!(
                INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                "invalid preceding or following size in window function"
            );
        }
        let nulls = (0..n).filter(|i| keys.is_null(*i)).count();
        // NULLs are peers of each other and of nothing else.
        let (first, last) = if o.nulls_first { (nulls, n) } else { (0, n - nulls) };
        let minus = matches!(bound, Bound::Preceding(_)) != o.descending;
        let call = if minus { &o.subtract } else { &o.add };
        // Keys in the type that key and offset give together.
        let same_type = keys.physical() == call.physical;
        let zero_shift = |k: Datum| -> Result<Datum> { if same_type { Ok(k) } else { convert(cx, k, o) } };
        let mut values = Vec::with_capacity(last - first);
        for i in first..last {
            values.push(zero_shift(keys.datum(i))?);
        }
        let mut out = Vec::with_capacity(n);
        for i in 0..n {
            if i < first || i >= last {
                let g = peers[i];
                out.push(if is_start {
                    peers.partition_point(|p| *p < g)
                } else {
                    peers.partition_point(|p| *p <= g)
                });
                continue;
            }
            if i > first && peers[i] == peers[i - 1] {
                let before = out[i - 1];
                out.push(before);
                continue;
            }
            let edge = match call.apply(cx, &[keys.datum(i), offset.clone()]) {
                Ok(edge) => edge,
                // Beyond the type's values: no key is as far out.
                Err(e) if OUT_OF_RANGE.contains(&e.sqlstate()) => {
                    out.push(if minus == o.descending { last } else { first });
                    continue;
                }
                Err(e) => return Err(e),
            };
            let lost = is_nan(&edge) && !is_nan(&values[i - first]);
            let at = values.partition_point(|v| {
                // An infinite offset back from an infinite key reaches every number.
                if lost {
                    return if is_start { is_nan(v) && o.descending } else { !is_nan(v) || o.descending };
                }
                let c = compare::compare_datums(v, &edge, &o.ty);
                let c = if o.descending { c.reverse() } else { c };
                if is_start { c.is_lt() } else { c.is_le() }
            });
            out.push(first + at);
        }
        Ok(out)
    }
}

/// A key in the type of key plus offset, where that differs (date and interval give timestamp).
fn convert(cx: &Cx<'_>, key: Datum, o: &Offsets) -> Result<Datum> {
    let from = cx.io.type_ref(o.add.arg_types[0].oid)?;
    o.ty.input(&from.output_string(&key, cx.io)?, -1, cx.io)
}

fn integer(v: &Datum) -> i64 {
    match v {
        Datum::I64(v) => *v,
        Datum::I32(v) => i64::from(*v),
        Datum::I16(v) => i64::from(*v),
        _ => 0,
    }
}

fn is_nan(v: &Datum) -> bool {
    match v {
        Datum::F32(v) => v.is_nan(),
        Datum::F64(v) => v.is_nan(),
        Datum::Bytes(v) => quarry_types::numeric::NumericRef::new(v).is_nan(),
        _ => false,
    }
}

fn is_negative(v: &Datum) -> bool {
    match v {
        Datum::I16(v) => *v < 0,
        Datum::I32(v) => *v < 0,
        Datum::I64(v) => *v < 0,
        Datum::F32(v) => *v < 0.0 || v.is_nan(),
        Datum::F64(v) => *v < 0.0 || v.is_nan(),
        Datum::B16(v) => quarry_types::datetime::Interval::from_bytes(v).span() < 0,
        Datum::Bytes(v) => {
            let n = quarry_types::numeric::NumericRef::new(v);
            n.is_nan() || n.signum() < 0
        }
        _ => false,
    }
}
