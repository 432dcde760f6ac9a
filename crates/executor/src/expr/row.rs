//! Programs over one row of datums: the short path of single-row statements, and small inputs.

use super::batch::bool_test;
use super::{Call, Node};
use crate::context::Cx;
use quarry_common::Result;
use quarry_functions::{call_scalar_row, call_spread_row, cast};
use quarry_types::Datum;

impl Call {
    /// Calls the function with evaluated arguments.
    pub(crate) fn apply(&self, cx: &Cx<'_>, args: &[Datum]) -> Result<Datum> {
        let call = if self.spread { call_spread_row } else { call_scalar_row };
        let v = call(self.def, &cx.eval(), args, &self.arg_types, self.ret)?;
        match v.physical() {
            Some(p) if p != self.physical => cast::relabel_datum(v, self.physical),
            _ => Ok(v),
        }
    }
}

fn truth(v: &Datum) -> Option<bool> {
    match v {
        Datum::Bool(b) => Some(*b),
        _ => None,
    }
}

fn from_truth(v: Option<bool>) -> Datum {
    v.map_or(Datum::Null, Datum::Bool)
}

impl Node {
    /// Its value where that lies somewhere already.
    #[inline]
    pub(super) fn value<'v>(&'v self, cx: &Cx<'v>, row: &'v [Datum]) -> Option<&'v Datum> {
        match self {
            Node::Const { value, .. } => Some(value),
            Node::Column { slot } => Some(&row[*slot]),
            Node::Param { index, .. } => cx.env.params.get(*index),
            _ => None,
        }
    }

    pub(crate) fn row(&self, cx: &mut Cx<'_>, row: &[Datum], placeholder: Option<&Datum>) -> Result<Datum> {
        Ok(match self {
            Node::Const { value, .. } => value.clone(),
            Node::Column { slot } => row[*slot].clone(),
            Node::Outer { id, .. } => cx.outer(*id)?.clone(),
            Node::Param { index, .. } => cx.env.params.get(*index).cloned().unwrap_or_default(),
            Node::Placeholder { .. } => placeholder.cloned().unwrap_or_default(),
            Node::Call(call) => match call.args.as_slice() {
                [a] => match a.value(cx, row) {
                    Some(a) => call.apply(cx, std::slice::from_ref(a))?,
                    None => {
                        let a = a.row(cx, row, placeholder)?;
                        call.apply(cx, &[a])?
                    }
                },
                [a, b] => {
                    let a = a.row(cx, row, placeholder)?;
                    let b = b.row(cx, row, placeholder)?;
                    call.apply(cx, &[a, b])?
                }
                args => {
                    let args = rows(args, cx, row, placeholder)?;
                    call.apply(cx, &args)?
                }
            },
            Node::And(args) => {
                let mut result = Some(true);
                for a in args {
                    match truth(&a.row(cx, row, placeholder)?) {
                        Some(false) => return Ok(Datum::Bool(false)),
                        Some(true) => {}
                        None => result = None,
                    }
                }
                from_truth(result)
            }
            Node::Or(args) => {
                let mut result = Some(false);
                for a in args {
                    match truth(&a.row(cx, row, placeholder)?) {
                        Some(true) => return Ok(Datum::Bool(true)),
                        Some(false) => {}
                        None => result = None,
                    }
                }
                from_truth(result)
            }
            Node::Not(arg) => from_truth(truth(&arg.row(cx, row, placeholder)?).map(|b| !b)),
            Node::IsNull { arg, negated } => {
                Datum::Bool(arg.row(cx, row, placeholder)?.is_null() != *negated)
            }
            Node::IsBool { arg, test } => {
                Datum::Bool(bool_test(truth(&arg.row(cx, row, placeholder)?), *test))
            }
            Node::Distinct { left, right, equal, negated } => {
                let (l, r) = (left.row(cx, row, placeholder)?, right.row(cx, row, placeholder)?);
                let distinct = match (l.is_null(), r.is_null()) {
                    (true, true) => false,
                    (false, false) => truth(&equal.apply(cx, &[l, r])?) != Some(true),
                    _ => true,
                };
                Datum::Bool(distinct != *negated)
            }
            Node::NullIf { left, right, equal, .. } => {
                let (l, r) = (left.row(cx, row, placeholder)?, right.row(cx, row, placeholder)?);
                if !l.is_null() && !r.is_null() && truth(&equal.apply(cx, &[l.clone(), r])?) == Some(true) {
                    Datum::Null
                } else {
                    l
                }
            }
            Node::Case { operand, whens, otherwise, .. } => {
                let subject = operand.as_ref().map(|o| o.row(cx, row, placeholder)).transpose()?;
                for (when, then) in whens {
                    let hit = when.row(cx, row, subject.as_ref().or(placeholder))?;
                    if truth(&hit) == Some(true) {
                        return then.row(cx, row, placeholder);
                    }
                }
                match otherwise {
                    Some(e) => e.row(cx, row, placeholder)?,
                    None => Datum::Null,
                }
            }
            Node::Coalesce { args, .. } => {
                for a in args {
                    let v = a.row(cx, row, placeholder)?;
                    if !v.is_null() {
                        return Ok(v);
                    }
                }
                Datum::Null
            }
            Node::Kept { arg, error, .. } => match (arg.row(cx, row, placeholder), error) {
                (Ok(v), false) => v,
                (Ok(_), true) => Datum::Null,
                (Err(e), _) => {
                    let kept = quarry_functions::internal::kept(e)?;
                    if *error { kept } else { Datum::Null }
                }
            },
            Node::Relabel { arg, physical } => {
                cast::relabel_datum(arg.row(cx, row, placeholder)?, *physical)?
            }
            Node::ScalarArray { call, left, array, all, .. } => {
                let l = left.row(cx, row, placeholder)?;
                let a = array.row(cx, row, placeholder)?;
                super::op::scalar_array_row(call, &l, &a, *all, cx)?
            }
            Node::Op { op, args, .. } => {
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(arg.row(cx, row, placeholder)?);
                    // What has no places has no subscripts computed.
                    if op.reads_place() && values[0].is_null() {
                        return Ok(Datum::Null);
                    }
                }
                op.apply(cx, &values)?
            }
            Node::Subquery(s) => s.row(cx, row)?,
        })
    }
}

fn rows(args: &[Node], cx: &mut Cx<'_>, row: &[Datum], placeholder: Option<&Datum>) -> Result<Vec<Datum>> {
    args.iter().map(|a| a.row(cx, row, placeholder)).collect()
}
