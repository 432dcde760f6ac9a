//! Aggregates of the optimizer's own that keep errors as values (see [`crate::internal`]).
//!
//! `result_or_null` and `error_of_aggregate` run another aggregate, whose OID is their direct argument: the first has its result, NULL
//! where it fails, the second the error. `earliest` has the value of the row that lies first in its table: what a search that stops at the
//! first row of some kind would have come upon.

use crate::aggregate::grouped::{Batch, PerGroup, column_of, datum_bytes, grouped};
use crate::aggregate::{Accumulator, AggregateCall, order_insensitive, order_sensitive};
use crate::internal::kept;
use crate::{Body, EvalContext, FunctionDef, kernel_arity, registry};
use quarry_common::{Error, Oid, Result, Tid};
use quarry_types::identifiers::tid_of;
use quarry_types::{Datum, Rows, Vector, oids};
use std::any::Any;

/// An aggregate's result, NULL if it fails.
pub const RESULT_OR_NULL: Oid = Oid(15985);
/// An aggregate's error, NULL if it has a result.
pub const ERROR_OF_RESULT: Oid = Oid(15986);
/// The value of the row with the least ctid.
pub const EARLIEST: Oid = Oid(15987);

/// Whether an aggregate runs the one that its direct argument names.
pub fn runs_another(aggregate: Oid) -> bool {
    matches!(aggregate, RESULT_OR_NULL | ERROR_OF_RESULT)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        RESULT_OR_NULL.0,
        "result_or_null",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Aggregate(order_sensitive(|call| Kept::make(call, false))),
    )
    .total(),
    FunctionDef::new(
        ERROR_OF_RESULT.0,
        "error_of_result",
        &[oids::ANY],
        oids::TEXT,
        Body::Aggregate(order_sensitive(|call| Kept::make(call, true))),
    )
    .total(),
    FunctionDef::new(
        EARLIEST.0,
        "earliest",
        &[oids::ANYELEMENT, oids::TID],
        oids::ANYELEMENT,
        Body::Aggregate(order_insensitive(Earliest::make)),
    )
    .total(),
];

/// Runs an aggregate. A group whose rows it fails for has an error, and no state that counts.
struct Kept {
    inner: Box<dyn Accumulator>,
    errors: Vec<Option<Datum>>,
    /// It gives these, and not the results.
    gives_error: bool,
    result: Oid,
}

impl Kept {
    fn make(call: &AggregateCall, gives_error: bool) -> Result<Box<dyn Accumulator>> {
        let (Some(Datum::U32(oid)), Some((_, arg_types))) =
            (call.direct_args.first(), call.arg_types.split_first())
        else {
            return Err(kernel_arity());
        };
        let function = registry::function(Oid(*oid)).map(|f| f.body);
        let Some(Body::Aggregate(code)) = function else {
            return Err(Error::internal("errors are kept of something that is no aggregate"));
        };
        let call = AggregateCall {
            arg_types: arg_types.to_vec(),
            ret: call.ret,
            direct_args: vec![],
            order: vec![],
        };
        let result = if gives_error { oids::TEXT } else { call.ret.oid };
        Ok(Box::new(Kept { inner: (code.make)(&call)?, errors: vec![], gives_error, result }))
    }
}

impl Accumulator for Kept {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.errors.resize(groups, None);
        self.inner.resize(groups)
    }
    /// Row by row: a batch that fails would leave open which of its rows have been added.
    fn update(
        &mut self,
        cx: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        let len = rows.len();
        for (row, group) in rows.iter().zip(groups) {
            let error = &mut self.errors[*group as usize];
            if error.is_some() {
                continue;
            }
            let one = Rows::Selected { positions: &[row as u32], len };
            if let Err(e) = self.inner.update(cx, args, one, &[*group]) {
                *error = Some(kept(e)?);
            }
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        let mut out = Vector::with_capacity(cx.io.type_ref(self.result)?.physical, to - from);
        for group in from..to {
            let error = &mut self.errors[group];
            let mut value = Datum::Null;
            if error.is_none() {
                match self.inner.finish(cx, group, group + 1) {
                    Ok(v) => value = v.datum(0),
                    Err(e) => *error = Some(kept(e)?),
                }
            }
            out.push_datum(match (&*error, self.gives_error) {
                (Some(e), true) => e,
                (None, false) => &value,
                _ => &Datum::Null,
            });
        }
        Ok(out)
    }
    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes() + self.errors.len() * size_of::<Option<Datum>>()
    }
}

/// The value beside the least row position.
struct Earliest {
    oid: Oid,
    /// Bytes of values of varying length.
    heap_bytes: usize,
}

impl Earliest {
    fn make(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
        let oid = call.arg_types.first().map(|t| t.oid).ok_or_else(kernel_arity)?;
        grouped(Earliest { oid, heap_bytes: 0 })
    }
    fn offer(&mut self, state: &mut Option<(Tid, Datum)>, tid: Tid, value: impl FnOnce() -> Datum) {
        if state.as_ref().is_none_or(|(have, _)| tid < *have) {
            self.heap_bytes += datum_bytes(&state.insert((tid, value())).1);
        }
    }
}

impl PerGroup for Earliest {
    /// None: no row so far.
    type State = Option<(Tid, Datum)>;
    const MERGES: bool = true;
    fn empty(&self) -> Self::State {
        None
    }
    fn update(
        &mut self,
        states: &mut [Self::State],
        _: &mut EvalContext<'_>,
        batch: Batch<'_>,
    ) -> Result<()> {
        let &[value, tid] = batch.args else { return Err(kernel_arity()) };
        batch.each(states, |state, row| {
            if !tid.is_null(row) {
                self.offer(state, tid_of(&tid.datum(row)), || value.datum(row));
            }
            Ok(())
        })
    }
    fn merge(&mut self, state: &mut Self::State, other: Self::State) -> Result<()> {
        if let Some((tid, value)) = other {
            self.offer(state, tid, || value);
        }
        Ok(())
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector> {
        column_of(cx, self.oid, states.iter().map(|s| s.as_ref().map_or(&Datum::Null, |(_, v)| v)))
    }
    fn heap_bytes(&self, _: &[Self::State]) -> usize {
        self.heap_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use quarry_types::identifiers::tid_datum;
    use quarry_types::{PhysicalType, SqlType};

    fn call(arg_types: Vec<SqlType>, direct_args: Vec<Datum>, ret: SqlType) -> AggregateCall {
        AggregateCall { arg_types, ret, direct_args, order: vec![] }
    }

    fn column(ty: PhysicalType, values: &[Datum]) -> Vector {
        let mut out = Vector::with_capacity(ty, values.len());
        values.iter().for_each(|v| out.push_datum(v));
        out
    }

    #[test]
    fn a_group_that_overflows_leaves_the_others_alone() {
        let io = testing::io();
        let cx = &mut testing::context(&io);
        let values = [1e308, 1e308, 2.0, 3.0].map(Datum::F64);
        let values = column(PhysicalType::F64, &values);
        let sum = registry::functions_named("sum").iter().find(|f| f.args == [oids::FLOAT8]);
        let oid = Datum::U32(sum.expect("sums of floats").oid.0);
        let mut run = |gives_error| {
            let call = call(vec![SqlType::OID, SqlType::FLOAT8], vec![oid.clone()], SqlType::FLOAT8);
            let mut states = Kept::make(&call, gives_error).expect("an aggregate");
            states.resize(3).expect("few groups");
            states.update(cx, &[&values], Rows::All(4), &[0, 0, 1, 1]).expect("errors are kept");
            let out = states.finish(cx, 0, 3).expect("errors are kept");
            (0..3).map(|i| out.datum(i)).collect::<Vec<_>>()
        };
        assert_eq!(run(false), [Datum::Null, Datum::F64(5.0), Datum::Null]);
        let errors = run(true);
        assert!(matches!(&errors[..], [Datum::Bytes(_), Datum::Null, Datum::Null]));
    }

    #[test]
    fn the_first_row_of_the_table_counts() {
        let io = testing::io();
        let cx = &mut testing::context(&io);
        let tid = |block, slot| tid_datum(Tid { block, slot });
        let values = column(PhysicalType::I32, &[Datum::I32(5), Datum::Null, Datum::I32(7)]);
        let places = column(PhysicalType::I64, &[tid(2, 1), tid(1, 9), tid(1, 10)]);
        let arg_types = vec![SqlType::INT4, SqlType::of(oids::TID)];
        let mut states = Earliest::make(&call(arg_types, vec![], SqlType::INT4)).expect("two arguments");
        states.resize(2).expect("few groups");
        states.update(cx, &[&values, &places], Rows::All(3), &[0, 0, 1]).expect("two arguments");
        let out = states.finish(cx, 0, 2).expect("a built-in type");
        assert_eq!([out.datum(0), out.datum(1)], [Datum::Null, Datum::I32(7)]);
    }
}
