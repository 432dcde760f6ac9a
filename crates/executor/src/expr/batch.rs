//! Programs over batches.

use super::{Call, Input, Node, scatter, true_positions};
use crate::context::Cx;
use quarry_common::Result;
use quarry_functions::kernel::batch_too_large;
use quarry_functions::{call_scalar_batch, call_spread_batch, cast};
use quarry_plan::BoolTest;
use quarry_types::{Datum, PhysicalType, Rows, Vector, VectorData};
use std::sync::Arc;

impl Call {
    pub(crate) fn batch(&self, cx: &mut Cx<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<Arc<Vector>> {
        let call = if self.spread { call_spread_batch } else { call_scalar_batch };
        let v = call(self.def, &cx.eval(), args, &self.arg_types, rows, self.ret)?;
        cx.rt.made_bytes += v.heap_bytes();
        if v.physical() != self.physical {
            cast::relabel(&v, self.physical).map(Arc::new)
        } else {
            Ok(Arc::new(v))
        }
    }
}

fn selected(positions: &[u32], len: usize) -> Rows<'_> {
    if positions.len() == len { Rows::All(len) } else { Rows::Selected { positions, len } }
}

/// Flag and validity of row `i` of a boolean vector.
#[inline]
fn flag(v: &Vector, i: usize) -> Option<bool> {
    if v.is_null(i) {
        return None;
    }
    match v.data() {
        VectorData::Bool(d) => Some(d[v.slot(i)]),
        _ => None,
    }
}

fn bools(len: usize, rows: Rows<'_>, mut f: impl FnMut(usize) -> bool) -> Arc<Vector> {
    let mut out = vec![false; len];
    rows.iter().for_each(|i| out[i] = f(i));
    Arc::new(Vector::from_parts(VectorData::Bool(out), None))
}

impl Node {
    /// The value for each row of the input; the result is as long as the input's columns.
    pub(crate) fn eval(&self, cx: &mut Cx<'_>, i: Input<'_>) -> Result<Arc<Vector>> {
        let n = i.rows.len();
        Ok(match self {
            Node::Const { value, physical } => Arc::new(Vector::constant(*physical, value, n)),
            Node::Column { slot } => i.columns[*slot].clone(),
            Node::Outer { id, physical } => Arc::new(Vector::constant(*physical, cx.outer(*id)?, n)),
            Node::Param { index, physical } => {
                Arc::new(Vector::constant(*physical, cx.env.params.get(*index).unwrap_or(&Datum::Null), n))
            }
            Node::Placeholder { physical } => match i.placeholder {
                Some(v) => v.clone(),
                None => Arc::new(Vector::constant(*physical, &Datum::Null, n)),
            },
            Node::Call(call) => {
                let args = eval_all(&call.args, cx, i)?;
                let args: Vec<&Vector> = args.iter().map(|a| &**a).collect();
                call.batch(cx, &args, i.rows)?
            }
            Node::And(args) => logical(args, cx, i, false)?,
            Node::Or(args) => logical(args, cx, i, true)?,
            Node::Not(arg) => {
                let v = arg.eval(cx, i)?;
                match v.data() {
                    VectorData::Bool(d) if !v.is_constant() => {
                        let flipped = d.iter().map(|b| !b).collect();
                        Arc::new(Vector::from_parts(
                            VectorData::Bool(flipped),
                            v.validity().map(<[bool]>::to_vec),
                        ))
                    }
                    _ => {
                        let value = match v.datum(0) {
                            Datum::Bool(b) => Datum::Bool(!b),
                            other => other,
                        };
                        Arc::new(Vector::constant(PhysicalType::Bool, &value, n))
                    }
                }
            }
            Node::IsNull { arg, negated } => {
                let v = arg.eval(cx, i)?;
                if !v.may_have_nulls() {
                    return Ok(Arc::new(Vector::constant(PhysicalType::Bool, &Datum::Bool(*negated), n)));
                }
                bools(n, i.rows, |r| v.is_null(r) != *negated)
            }
            Node::IsBool { arg, test } => {
                let v = arg.eval(cx, i)?;
                bools(n, i.rows, |r| bool_test(flag(&v, r), *test))
            }
            Node::Distinct { left, right, equal, negated } => {
                let (l, r) = (left.eval(cx, i)?, right.eval(cx, i)?);
                let both: Vec<u32> =
                    i.rows.iter().filter(|p| !l.is_null(*p) && !r.is_null(*p)).map(|p| p as u32).collect();
                let same = equal.batch(cx, &[&l, &r], selected(&both, n))?;
                bools(n, i.rows, |p| {
                    let distinct = match (l.is_null(p), r.is_null(p)) {
                        (true, true) => false,
                        (false, false) => flag(&same, p) != Some(true),
                        _ => true,
                    };
                    distinct != *negated
                })
            }
            Node::NullIf { left, right, equal, physical } => {
                let (l, r) = (left.eval(cx, i)?, right.eval(cx, i)?);
                let both: Vec<u32> =
                    i.rows.iter().filter(|p| !l.is_null(*p) && !r.is_null(*p)).map(|p| p as u32).collect();
                let same = equal.batch(cx, &[&l, &r], selected(&both, n))?;
                let mut out = Vector::zeroed(*physical, n);
                scatter(&mut out, &l, i.rows)?;
                for p in both {
                    if flag(&same, p as usize) == Some(true) {
                        out.set_null(p as usize);
                    }
                }
                Arc::new(out)
            }
            Node::Case { operand, whens, otherwise, physical } => {
                eval_case(operand.as_deref(), whens, otherwise.as_deref(), *physical, cx, i)?
            }
            Node::Coalesce { args, physical } => eval_coalesce(args, *physical, cx, i)?,
            Node::Kept { arg, error, physical } => {
                Arc::new(super::kept::batch(arg, *error, *physical, cx, i)?)
            }
            Node::Relabel { arg, physical } => {
                let v = arg.eval(cx, i)?;
                if v.physical() == *physical { v } else { Arc::new(cast::relabel(&v, *physical)?) }
            }
            Node::ScalarArray { call, left, array, all, set } => {
                super::op::scalar_array_batch(call, left, array, *all, set.as_deref(), cx, i)?
            }
            Node::Op { op, args, physical } => {
                let args = match op.reads_place() {
                    true => eval_places(args, cx, i)?,
                    false => eval_all(args, cx, i)?,
                };
                if !op.is_volatile() && args.iter().all(|a| a.is_constant()) && !i.rows.is_empty() {
                    let datums: Vec<Datum> = args.iter().map(|a| a.datum(0)).collect();
                    let value = op.apply(cx, &datums)?;
                    return Ok(Arc::new(Vector::constant(*physical, &value, n)));
                }
                let mut out = Vector::with_capacity(*physical, n);
                let mut datums = vec![Datum::Null; args.len()];
                for r in i.rows.iter() {
                    if out.heap_bytes() > cx.vector_limit() {
                        return Err(batch_too_large());
                    }
                    if out.len() < r {
                        out.resize(r);
                    }
                    for (d, a) in datums.iter_mut().zip(&args) {
                        *d = a.datum(r);
                    }
                    out.push_datum(&op.apply(cx, &datums)?);
                }
                out.resize(n);
                Arc::new(out)
            }
            Node::Subquery(s) => s.batch(cx, i)?,
        })
    }
}

pub(crate) fn eval_all(args: &[Node], cx: &mut Cx<'_>, i: Input<'_>) -> Result<Vec<Arc<Vector>>> {
    args.iter().map(|a| a.eval(cx, i)).collect()
}

/// A container and its subscripts, which are computed only where it isn't NULL.
fn eval_places(args: &[Node], cx: &mut Cx<'_>, i: Input<'_>) -> Result<Vec<Arc<Vector>>> {
    let plain = |a: &Node| matches!(a, Node::Const { .. } | Node::Column { .. } | Node::Param { .. });
    let Some((container, places)) = args.split_first().filter(|(_, places)| !places.iter().all(plain)) else {
        return eval_all(args, cx, i);
    };
    let container = container.eval(cx, i)?;
    let positions: Vec<u32>;
    let rows = if container.may_have_nulls() {
        positions = i.rows.iter().filter(|r| !container.is_null(*r)).map(|r| r as u32).collect();
        Rows::Selected { positions: &positions, len: i.rows.len() }
    } else {
        i.rows
    };
    let mut all = vec![container];
    all.extend(eval_all(places, cx, Input { rows, ..i })?);
    Ok(all)
}

pub(crate) fn bool_test(value: Option<bool>, test: BoolTest) -> bool {
    match test {
        BoolTest::True => value == Some(true),
        BoolTest::NotTrue => value != Some(true),
        BoolTest::False => value == Some(false),
        BoolTest::NotFalse => value != Some(false),
        BoolTest::Unknown => value.is_none(),
        BoolTest::NotUnknown => value.is_some(),
    }
}

/// AND (`decides` false) and OR (true): a row that has met the deciding value is settled.
fn logical(args: &[Node], cx: &mut Cx<'_>, i: Input<'_>, decides: bool) -> Result<Arc<Vector>> {
    let n = i.rows.len();
    let mut out = vec![!decides; n];
    let mut valid: Option<Vec<bool>> = None;
    let mut open: Option<Vec<u32>> = None;
    for arg in args {
        let rows = match &open {
            None => i.rows,
            Some(positions) => Rows::Selected { positions, len: n },
        };
        if rows.is_empty() {
            break;
        }
        let v = arg.eval(cx, Input { rows, ..i })?;
        let mut next = Vec::with_capacity(rows.count());
        for p in rows.iter() {
            match flag(&v, p) {
                Some(b) if b == decides => {
                    out[p] = decides;
                    if let Some(valid) = &mut valid {
                        valid[p] = true;
                    }
                }
                Some(_) => next.push(p as u32),
                None => {
                    valid.get_or_insert_with(|| vec![true; n])[p] = false;
                    next.push(p as u32);
                }
            }
        }
        open = Some(next);
    }
    Ok(Arc::new(Vector::from_parts(VectorData::Bool(out), valid)))
}

/// Splits the open positions by a condition's truth.
fn split(open: &[u32], hits: &[u32]) -> Vec<u32> {
    let mut hit = hits.iter().peekable();
    open.iter()
        .copied()
        .filter(|p| {
            if hit.peek() == Some(&p) {
                hit.next();
                false
            } else {
                true
            }
        })
        .collect()
}

fn eval_case(
    operand: Option<&Node>,
    whens: &[(Node, Node)],
    otherwise: Option<&Node>,
    physical: PhysicalType,
    cx: &mut Cx<'_>,
    i: Input<'_>,
) -> Result<Arc<Vector>> {
    let n = i.rows.len();
    let subject = operand.map(|o| o.eval(cx, i)).transpose()?;
    let placeholder = subject.as_ref().or(i.placeholder);
    let mut open: Vec<u32> = i.rows.iter().map(|p| p as u32).collect();
    let total = open.len();
    let mut out: Option<Vector> = None;
    for (when, then) in whens {
        if open.is_empty() {
            break;
        }
        let rows = Rows::Selected { positions: &open, len: n };
        let hits = true_positions(&*when.eval(cx, Input { rows, placeholder, ..i })?, rows);
        if hits.is_empty() {
            continue;
        }
        let v = then.eval(cx, Input { rows: selected(&hits, n), ..i })?;
        if hits.len() == total {
            return Ok(v);
        }
        let out = out.get_or_insert_with(|| Vector::zeroed(physical, n));
        scatter(out, &v, selected(&hits, n))?;
        open = split(&open, &hits);
    }
    if !open.is_empty() {
        let rows = Rows::Selected { positions: &open, len: n };
        match otherwise {
            Some(e) => {
                let v = e.eval(cx, Input { rows, ..i })?;
                if open.len() == total {
                    return Ok(v);
                }
                scatter(out.get_or_insert_with(|| Vector::zeroed(physical, n)), &v, rows)?;
            }
            None => {
                let out = out.get_or_insert_with(|| Vector::zeroed(physical, n));
                open.iter().for_each(|p| out.set_null(*p as usize));
            }
        }
    }
    Ok(Arc::new(out.unwrap_or_else(|| Vector::zeroed(physical, n))))
}

fn eval_coalesce(
    args: &[Node],
    physical: PhysicalType,
    cx: &mut Cx<'_>,
    i: Input<'_>,
) -> Result<Arc<Vector>> {
    let n = i.rows.len();
    let mut open: Vec<u32> = i.rows.iter().map(|p| p as u32).collect();
    let mut out: Option<Vector> = None;
    for arg in args {
        if open.is_empty() {
            break;
        }
        let rows = Rows::Selected { positions: &open, len: n };
        let v = arg.eval(cx, Input { rows, ..i })?;
        if out.is_none() && !v.may_have_nulls() {
            return Ok(v);
        }
        let (null, hits): (Vec<u32>, Vec<u32>) = open.iter().partition(|p| v.is_null(**p as usize));
        scatter(
            out.get_or_insert_with(|| Vector::zeroed(physical, n)),
            &v,
            Rows::Selected { positions: &hits, len: n },
        )?;
        open = null;
    }
    let mut out = out.unwrap_or_else(|| Vector::zeroed(physical, n));
    open.iter().for_each(|p| out.set_null(*p as usize));
    Ok(Arc::new(out))
}
