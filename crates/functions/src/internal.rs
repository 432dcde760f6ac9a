//! Functions of the optimizer's own: rewritten plans call them, SQL can't name them.
//!
//! A scalar subquery that may have several rows becomes a join with its rows grouped: `any_value` keeps a row's value, a count says how
//! many there were, and `single_value` raises PostgreSQL's error where the value is asked for, and only there.
//!
//! An expression that may fail is computed for rows that perhaps nobody asks for by two functions: `or_null` has its value or NULL,
//! `error_of` the error as a value, for which the executor evaluates their argument itself. `raise_or` raises it later. `run_again` is
//! around a subquery that is run for the few rows that have an error.

use crate::aggregate::grouped::{Batch, PerGroup, column_of, datum_bytes, grouped};
use crate::aggregate::{Accumulator, AggregateCall, order_insensitive};
use crate::{Body, EvalContext, FunctionDef, ScalarImpl, kernel_arity};
use quarry_common::{Error, Oid, Result, SqlState, err};
use quarry_types::{Datum, Rows, SqlType, Vector, oids};

/// The first row's value, NULL included.
struct AnyValue {
    oid: Oid,
    /// Bytes of values of varying length.
    heap_bytes: usize,
}

impl AnyValue {
    fn make(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
        let oid = call.arg_types.first().map(|t| t.oid).ok_or_else(kernel_arity)?;
        grouped(AnyValue { oid, heap_bytes: 0 })
    }
    fn keep(&mut self, state: &mut Option<Datum>, value: impl FnOnce() -> Datum) {
        if state.is_none() {
            self.heap_bytes += datum_bytes(state.insert(value()));
        }
    }
}

impl PerGroup for AnyValue {
    /// None: no row so far.
    type State = Option<Datum>;
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
        let &[a] = batch.args else { return Err(kernel_arity()) };
        batch.each(states, |state, i| {
            self.keep(state, || a.datum(i));
            Ok(())
        })
    }
    fn merge(&mut self, state: &mut Self::State, other: Self::State) -> Result<()> {
        if let Some(value) = other {
            self.keep(state, || value);
        }
        Ok(())
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector> {
        column_of(cx, self.oid, states.iter().map(|s| s.as_ref().unwrap_or(&Datum::Null)))
    }
    fn heap_bytes(&self, _: &[Self::State]) -> usize {
        self.heap_bytes
    }
}

fn too_many() -> Error {
    err!(CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression")
}

const SINGLE_VALUE: ScalarImpl = ScalarImpl {
    row: |_: &mut EvalContext<'_>, args: &[Datum]| match args {
        [_, Datum::I64(n), ..] if *n > 1 => Err(too_many()),
        [value, ..] => Ok(value.clone()),
        [] => Err(kernel_arity()),
    },
    batch: Some(|_: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>, _: SqlType| {
        let &[value, count] = args else { return Err(kernel_arity()) };
        match rows.iter().any(|i| matches!(count.datum(i), Datum::I64(n) if n > 1)) {
            true => Err(too_many()),
            false => Ok(value.clone()),
        }
    }),
    total: false,
};

/// Whether an error comes from the values that were computed with, and not from the server, its memory or its user.
fn is_of_data(e: &Error) -> bool {
    e.sqlstate().as_str().starts_with("22")
}

/// Whether a statement may go on without the rows that an error has ended: it comes from what was computed, in a function of the user's
/// too, and not from the server, its memory, its locks or its user.
pub fn is_catchable(e: &Error) -> bool {
    const CLASSES: &[&str] = &["21", "22", "2F", "38", "39", "42", "54", "P0"];
    e.sqlstate().as_str().get(..2).is_some_and(|class| CLASSES.contains(&class))
}

/// An error as a value; others are errors still.
pub fn kept(e: Error) -> Result<Datum> {
    if !is_of_data(&e) || crate::kernel::is_batch_too_large(&e) {
        return Err(e);
    }
    let f = e.fields();
    let position = f.position.map(|p| p.to_string());
    let parts = [
        Some(f.sqlstate.as_str()),
        Some(&f.message),
        f.detail.as_deref(),
        f.hint.as_deref(),
        position.as_deref(),
        f.context.as_deref(),
        f.data_type.as_deref(),
    ];
    // Each part behind its length in bytes; none: -1.
    let mut out = String::new();
    for part in parts {
        let length = part.map_or(-1, |p| p.len() as i64);
        out.push_str(&format!("{length} {}", part.unwrap_or_default()));
    }
    Ok(Datum::text(&out))
}

/// The error that was kept.
fn restored(text: &str) -> Option<Error> {
    let mut rest = text;
    let mut next = || -> Option<Option<&str>> {
        let (length, after) = rest.split_once(' ')?;
        let length: i64 = length.parse().ok()?;
        let Ok(length) = usize::try_from(length) else {
            rest = after;
            return Some(None);
        };
        let part = after.get(..length)?;
        rest = after.get(length..)?;
        Some(Some(part))
    };
    let code: [u8; 5] = next()??.as_bytes().try_into().ok()?;
    let mut e = Error::new(SqlState::from_bytes(code), next()??);
    let f = e.fields_mut();
    f.detail = next()?.map(str::to_owned);
    f.hint = next()?.map(str::to_owned);
    f.position = next()?.and_then(|p| p.parse().ok());
    f.context = next()?.map(str::to_owned);
    f.data_type = next()?.map(str::to_owned);
    Some(e)
}

/// The error that a value was kept of.
pub fn raised(error: &Datum) -> Error {
    restored(error.as_str()).unwrap_or_else(|| Error::internal("an error was not kept well"))
}

const RAISE_OR: ScalarImpl = ScalarImpl {
    row: |_: &mut EvalContext<'_>, args: &[Datum]| match args {
        [value, Datum::Null, ..] => Ok(value.clone()),
        [_, error, ..] => Err(raised(error)),
        _ => Err(kernel_arity()),
    },
    batch: Some(|_: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>, _: SqlType| {
        let &[value, error] = args else { return Err(kernel_arity()) };
        match rows.iter().find(|i| !error.is_null(*i)) {
            Some(i) => Err(raised(&error.datum(i))),
            None => Ok(value.clone()),
        }
    }),
    total: false,
};

/// What the executor does itself; evaluated as a call, its argument raises its error at once.
const OR_NULL: ScalarImpl = crate::row_only!(|_: &mut EvalContext<'_>, args: &[Datum]| {
    args.first().cloned().ok_or_else(kernel_arity)
});
const ERROR_OF: ScalarImpl = crate::row_only!(|_: &mut EvalContext<'_>, _: &[Datum]| Ok(Datum::Null));

const RUN: ScalarImpl = crate::row_only!(|_: &mut EvalContext<'_>, args: &[Datum]| {
    args.first().cloned().ok_or_else(kernel_arity)
});

/// What tells a value from all others of its type, those that are equal to it too: nothing for NULL, else its stored bytes behind one byte.
const IMAGE: ScalarImpl = crate::row_only!(|_: &mut EvalContext<'_>, args: &[Datum]| {
    let value = args.first().ok_or_else(kernel_arity)?;
    let mut bytes = vec![];
    if !value.is_null() {
        bytes.push(1);
        quarry_types::stored::write(value, &mut bytes);
    }
    Ok(Datum::Bytes(bytes.into()))
});
const OF_IMAGE: ScalarImpl = crate::row_only!(|cx: &mut EvalContext<'_>, args: &[Datum]| {
    match args.first().ok_or_else(kernel_arity)? {
        Datum::Null => Ok(Datum::Null),
        image => match image.as_bytes() {
            [] => Ok(Datum::Null),
            [_, stored @ ..] => {
                let physical = cx.io.type_ref(cx.ret.oid)?.physical;
                Ok(quarry_types::stored::read(physical, stored))
            }
        },
    }
});

/// The first of several values.
pub const ANY_VALUE: Oid = Oid(15980);
/// A value, if it is the only one of so many.
pub const SINGLE_VALUE_OF: Oid = Oid(15981);
/// An expression's value, NULL if it fails.
pub const VALUE_OR_NULL: Oid = Oid(15982);
/// An expression's error, NULL if it has a value.
pub const ERROR_OF_VALUE: Oid = Oid(15983);
/// A value, or an error that was kept.
pub const RAISE_KEPT: Oid = Oid(15984);
/// A subquery's value.
pub const RUN_AGAIN: Oid = Oid(15988);
/// A value's identity, as bytes; never NULL.
pub const IMAGE_OF: Oid = Oid(15989);
/// The value that has an image.
pub const VALUE_OF_IMAGE: Oid = Oid(15990);

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        ANY_VALUE.0,
        "any_value",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Aggregate(order_insensitive(AnyValue::make)),
    )
    .total(),
    FunctionDef::new(
        SINGLE_VALUE_OF.0,
        "single_value",
        &[oids::ANYELEMENT, oids::INT8],
        oids::ANYELEMENT,
        Body::Scalar(SINGLE_VALUE),
    )
    .lax(),
    FunctionDef::new(
        VALUE_OR_NULL.0,
        "or_null",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Scalar(OR_NULL),
    )
    .lax()
    .total(),
    FunctionDef::new(ERROR_OF_VALUE.0, "error_of", &[oids::ANY], oids::TEXT, Body::Scalar(ERROR_OF))
        .lax()
        .total(),
    FunctionDef::new(
        RAISE_KEPT.0,
        "raise_or",
        &[oids::ANYELEMENT, oids::TEXT],
        oids::ANYELEMENT,
        Body::Scalar(RAISE_OR),
    )
    .lax(),
    FunctionDef::new(IMAGE_OF.0, "image_of", &[oids::ANY], oids::BYTEA, Body::Scalar(IMAGE)).lax().total(),
    FunctionDef::new(VALUE_OF_IMAGE.0, "of_image", &[oids::BYTEA], oids::ANYELEMENT, Body::Scalar(OF_IMAGE))
        .total(),
    FunctionDef::new(RUN_AGAIN.0, "run_again", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Scalar(RUN))
        .lax(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use quarry_types::PhysicalType;

    fn column(values: &[Option<i32>]) -> Vector {
        let mut out = Vector::with_capacity(PhysicalType::I32, values.len());
        values.iter().for_each(|v| out.push_datum(&v.map_or(Datum::Null, Datum::I32)));
        out
    }

    #[test]
    fn any_value_keeps_the_first_one_of_each_group() {
        let io = testing::io();
        let cx = &mut testing::context(&io);
        {
            let call = AggregateCall {
                arg_types: vec![SqlType::INT4],
                ret: SqlType::INT4,
                direct_args: vec![],
                order: vec![],
            };
            let mut states = AnyValue::make(&call).expect("an argument is given");
            states.resize(3).expect("few groups");
            let values = column(&[None, Some(7), Some(8), Some(9)]);
            states.update(cx, &[&values], Rows::All(4), &[0, 1, 0, 1]).expect("one argument");
            let out = states.finish(cx, 0, 3).expect("a built-in type");
            let kept: Vec<Datum> = (0..3).map(|i| out.datum(i)).collect();
            assert_eq!(kept, [Datum::Null, Datum::I32(7), Datum::Null]);
        }
    }

    #[test]
    fn errors_are_kept_and_come_back() {
        let e = err!(INVALID_TEXT_REPRESENTATION, "invalid: \"1 ü 2\"").detail("a b").position(17);
        let value = kept(e.clone()).expect("an error of data");
        let back = raised(&value);
        assert_eq!(format!("{:?}", back.fields()), format!("{:?}", e.fields()));
        assert!(kept(Error::cancelled()).is_err());
        assert!(kept(Error::internal("a bug")).is_err());
    }

    #[test]
    fn only_rows_that_are_asked_for_raise() {
        let io = testing::io();
        let cx = &mut testing::context(&io);
        {
            let values = column(&[Some(1), Some(2), Some(3)]);
            let mut counts = Vector::with_capacity(PhysicalType::I64, 3);
            [1, 2, 1].iter().for_each(|n| counts.push_datum(&Datum::I64(*n)));
            let batch = SINGLE_VALUE.batch.expect("it has a batch form");
            let some = Rows::Selected { positions: &[0, 2], len: 3 };
            assert!(batch(cx, &[&values, &counts], some, SqlType::INT4).is_ok());
            let all = batch(cx, &[&values, &counts], Rows::All(3), SqlType::INT4);
            assert_eq!(all.err().map(|e| e.to_string()), Some(too_many().to_string()));
        }
    }
}
