//! Frames: for each row of a partition the rows its frame begins and ends at.

use super::partition::{Cursor, Page, Partition, Peers};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Call as ScalarCall, Layout, Program};
use quarry_common::{Result, SqlState, bail};
use quarry_plan::WindowSpec;
use quarry_plan::expr::{FrameBound, FrameMode, RangeFunctions};
use quarry_types::{Datum, SqlType, TypeRef, compare};

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

/// The frames of some consecutive rows.
pub(super) struct Frames {
    first: usize,
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Frames {
    /// The half-open range of rows that the row's frame spans.
    pub fn at(&self, row: usize) -> (usize, usize) {
        (self.starts[row - self.first], self.ends[row - self.first])
    }
}

/// What finding frames keeps from row to row of a partition.
pub(super) struct FrameState {
    edges: [EdgeState; 2],
    peers: Peers,
}

struct EdgeState {
    offset: Datum,
    /// RANGE with an offset: the group at hand and where its frames begin or end, which is near where the next group's do.
    group: Option<u64>,
    edge: usize,
    cursor: Cursor,
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

    /// For a partition that begins.
    pub fn start(&self, cx: &mut Cx<'_>) -> Result<FrameState> {
        let mut edge = |bound: &Bound, which: &str| -> Result<EdgeState> {
            let offset = self.offset(cx, bound, which)?;
            Ok(EdgeState { offset, group: None, edge: 0, cursor: Cursor::default() })
        };
        Ok(FrameState {
            edges: [edge(&self.start, "starting")?, edge(&self.end, "ending")?],
            peers: Peers::default(),
        })
    }

    /// The frames of `rows`, which lie in `page`.
    pub fn frames(
        &self,
        cx: &mut Cx<'_>,
        state: &mut FrameState,
        partition: &Partition,
        page: &Page,
        rows: std::ops::Range<usize>,
    ) -> Result<Frames> {
        let place = Place { partition, page, rows: rows.clone() };
        let FrameState { edges: [start, end], peers } = state;
        Ok(Frames {
            first: rows.start,
            starts: self.edge(cx, &self.start, start, true, &place, peers)?,
            ends: self.edge(cx, &self.end, end, false, &place, peers)?,
        })
    }

    fn edge(
        &self,
        cx: &mut Cx<'_>,
        bound: &Bound,
        state: &mut EdgeState,
        is_start: bool,
        at: &Place<'_>,
        peers: &mut Peers,
    ) -> Result<Vec<usize>> {
        let n = at.partition.len;
        let signed = |n: i64| if matches!(bound, Bound::Preceding(_)) { -n } else { n };
        let rows = at.rows.clone();
        Ok(match (bound, self.mode) {
            (Bound::UnboundedPreceding, _) => vec![0; rows.len()],
            (Bound::UnboundedFollowing, _) => vec![n; rows.len()],
            (Bound::CurrentRow, FrameMode::Rows) => rows.map(|i| if is_start { i } else { i + 1 }).collect(),
            (Bound::CurrentRow, _) => {
                let edge = |i| {
                    let peers = peers.of(at.partition, i)?;
                    Ok(if is_start { peers.start } else { peers.end })
                };
                rows.map(edge).collect::<Result<_>>()?
            }
            (_, FrameMode::Rows) => {
                let d = signed(integer(&state.offset));
                let one = i64::from(!is_start);
                let edge = |i| (i as i64).saturating_add(d).saturating_add(one).clamp(0, n as i64) as usize;
                rows.map(edge).collect()
            }
            (_, FrameMode::Groups) => {
                let d = signed(integer(&state.offset));
                let mut out: Vec<usize> = Vec::with_capacity(rows.len());
                for i in rows {
                    let g = at.group(i);
                    if let Some(last) = out.last()
                        && at.group(i - 1) == g
                    {
                        out.push(*last);
                        continue;
                    }
                    let target = (g as i64).saturating_add(d).saturating_add(i64::from(!is_start));
                    out.push(if target <= 0 {
                        0
                    } else if target >= at.partition.groups as i64 {
                        n
                    } else {
                        at.partition.group_start(target as u64)?
                    });
                }
                out
            }
            (_, FrameMode::Range) => self.range_edge(cx, bound, state, is_start, at, peers)?,
        })
    }

    fn range_edge(
        &self,
        cx: &mut Cx<'_>,
        bound: &Bound,
        state: &mut EdgeState,
        is_start: bool,
        at: &Place<'_>,
        peers: &mut Peers,
    ) -> Result<Vec<usize>> {
        let (Some(o), Some(keys)) = (&self.offsets[usize::from(!is_start)], at.page.order.first()) else {
            return Err(quarry_common::Error::internal("RANGE with an offset lacks its functions"));
        };
        if is_negative(&state.offset) {
            bail!(
                INVALID_PRECEDING_OR_FOLLOWING_SIZE,
                "invalid preceding or following size in window function"
            );
        }
        let n = at.partition.len;
        let nulls = at.partition.nulls;
        // NULLs are peers of each other and of nothing else.
        let (first, last) = if o.nulls_first { (nulls, n) } else { (0, n - nulls) };
        let minus = matches!(bound, Bound::Preceding(_)) != o.descending;
        let call = if minus { &o.subtract } else { &o.add };
        // Keys in the type that key and offset give together.
        let same_type = keys.physical() == call.physical;
        let mut out = Vec::with_capacity(at.rows.len());
        for i in at.rows.clone() {
            if i < first || i >= last {
                let peers = peers.of(at.partition, i)?;
                out.push(if is_start { peers.start } else { peers.end });
                continue;
            }
            if state.group == Some(at.group(i)) {
                out.push(state.edge);
                continue;
            }
            let key = keys.datum(i - at.page.rows.start);
            state.edge = match call.apply(cx, &[key.clone(), state.offset.clone()]) {
                Ok(edge) => {
                    let key = if same_type { key } else { convert(cx, key, o)? };
                    let lost = is_nan(&edge) && !is_nan(&key);
                    let cursor = &mut state.cursor;
                    // Whether row `i` lies before the edge.
                    let before = |i: usize| -> Result<bool> {
                        let page = cursor.page(at.partition, i)?;
                        let v = page.order[0].datum(i - page.rows.start);
                        let v = if same_type { v } else { convert(cx, v, o)? };
                        // An infinite offset back from an infinite key reaches every number.
                        if lost {
                            let nan = is_nan(&v);
                            return Ok(if is_start { nan && o.descending } else { !nan || o.descending });
                        }
                        let c = compare::compare_datums(&v, &edge, &o.ty);
                        let c = if o.descending { c.reverse() } else { c };
                        Ok(if is_start { c.is_lt() } else { c.is_le() })
                    };
                    search(first, last, state.edge, before)?
                }
                // Beyond the type's values: no key is as far out.
                Err(e) if OUT_OF_RANGE.contains(&e.sqlstate()) => {
                    if minus == o.descending {
                        last
                    } else {
                        first
                    }
                }
                Err(e) => return Err(e),
            };
            state.group = Some(at.group(i));
            out.push(state.edge);
        }
        Ok(out)
    }
}

/// The rows whose frames are found.
struct Place<'p> {
    partition: &'p Partition,
    page: &'p Page,
    rows: std::ops::Range<usize>,
}

impl Place<'_> {
    fn group(&self, row: usize) -> u64 {
        self.page.groups[row - self.page.rows.start]
    }
}

/// The first of `first..last` for which `before` is false; it holds for all rows ahead of that one. Begins near `hint`.
fn search(
    first: usize,
    last: usize,
    hint: usize,
    mut before: impl FnMut(usize) -> Result<bool>,
) -> Result<usize> {
    let (mut low, mut high) = (hint.clamp(first, last), last);
    if low > first && !before(low - 1)? {
        (low, high) = (first, low - 1);
    } else {
        let mut step = 1;
        while low < high {
            let probe = (low + step - 1).min(high - 1);
            if !before(probe)? {
                high = probe;
                break;
            }
            low = probe + 1;
            step *= 2;
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
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
