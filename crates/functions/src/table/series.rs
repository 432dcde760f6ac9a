//! `generate_series` of integers, numerics and timestamps.

use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::{Result, bail, err};
use quarry_types::datetime::{Interval, arith};
use quarry_types::numeric::{Numeric, NumericRef};
use quarry_types::{Datum, Rows, SqlType, Vector, VectorData, oids};
use std::cmp::Ordering;

/// Puts a chunk of rows into the one result column.
fn append(out: &mut [Vector], data: VectorData) {
    let chunk = Vector::from_parts(data, None);
    match &mut out[0] {
        column if column.is_empty() => *column = chunk,
        column => column.extend_from(&chunk, Rows::All(chunk.len())),
    }
}

fn zero_step() -> quarry_common::Error {
    err!(INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

/// From start to stop in machine integers; ends where the next value wouldn't fit.
struct IntSeries<T> {
    next: Option<T>,
    stop: T,
    step: T,
}

macro_rules! int_series {
    ($t:ty, $variant:ident, $as:ident, $start:ident) => {
        impl RowSource for IntSeries<$t> {
            fn next_rows(
                &mut self,
                cx: &mut EvalContext<'_>,
                max: usize,
                out: &mut [Vector],
            ) -> Result<usize> {
                cx.env.check_cancelled()?;
                let mut values = Vec::with_capacity(max.min(2048));
                while let Some(v) = self.next
                    && values.len() < max
                {
                    if if self.step > 0 { v > self.stop } else { v < self.stop } {
                        self.next = None;
                        break;
                    }
                    values.push(v);
                    self.next = v.checked_add(self.step);
                }
                let n = values.len();
                append(out, VectorData::$variant(values));
                Ok(n)
            }
        }

        fn $start(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
            let step = args.get(2).map_or(1, Datum::$as);
            if step == 0 {
                return Err(zero_step());
            }
            Ok(Box::new(IntSeries { next: Some(args[0].$as()), stop: args[1].$as(), step }))
        }
    };
}
int_series!(i32, I32, as_i32, start_int4);
int_series!(i64, I64, as_i64, start_int8);

/// A series of values that aren't machine integers: `advance` adds the step.
struct Series<T, A> {
    next: Option<T>,
    advance: A,
}

impl<T: Send, A> RowSource for Series<T, A>
where
    A: Send + FnMut(&mut EvalContext<'_>, T) -> Result<(Option<Datum>, Option<T>)>,
{
    fn next_rows(&mut self, cx: &mut EvalContext<'_>, max: usize, out: &mut [Vector]) -> Result<usize> {
        cx.env.check_cancelled()?;
        let mut n = 0;
        while n < max
            && let Some(value) = self.next.take()
        {
            let (row, next) = (self.advance)(cx, value)?;
            let Some(row) = row else { break };
            out[0].push_datum(&row);
            self.next = next;
            n += 1;
        }
        Ok(n)
    }
}

fn check_bound(v: NumericRef<'_>, what: &str) -> Result<()> {
    if v.is_nan() {
        bail!(INVALID_PARAMETER_VALUE, "{what} cannot be NaN");
    }
    if !v.is_finite() {
        bail!(INVALID_PARAMETER_VALUE, "{what} cannot be infinity");
    }
    Ok(())
}

fn start_numeric(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    let (start, stop) = (Numeric::from_datum(&args[0]), Numeric::from_datum(&args[1]));
    check_bound(start.view(), "start value")?;
    check_bound(stop.view(), "stop value")?;
    let step = match args.get(2) {
        Some(d) => Numeric::from_datum(d),
        None => Numeric::from_i64(1),
    };
    check_bound(step.view(), "step size")?;
    if step.view().is_zero() {
        return Err(zero_step());
    }
    let past = if step.view().is_negative() { Ordering::Less } else { Ordering::Greater };
    let advance = move |_: &mut EvalContext<'_>, v: Numeric| {
        if v.view().compare(stop.view()) == past {
            return Ok((None, None));
        }
        let next = v.add(&step)?;
        Ok((Some(v.into_datum()), Some(next)))
    };
    Ok(Box::new(Series { next: Some(start), advance }))
}

/// Of timestamps, with or without time zone: `add` is that type's addition.
fn start_timestamps(
    args: &[Datum],
    add: impl Fn(&EvalContext<'_>, i64, Interval) -> Result<i64> + Send + 'static,
) -> Result<Box<dyn RowSource>> {
    let (start, stop) = (args[0].as_i64(), args[1].as_i64());
    let step = Interval::from_bytes(args[2].as_b16());
    let rising = match step.sql_cmp(Interval::ZERO) {
        Ordering::Equal => return Err(zero_step()),
        order => order == Ordering::Greater,
    };
    let advance = move |cx: &mut EvalContext<'_>, t: i64| {
        if if rising { t > stop } else { t < stop } {
            return Ok((None, None));
        }
        Ok((Some(Datum::I64(t)), Some(add(cx, t, step)?)))
    };
    Ok(Box::new(Series { next: Some(start), advance }))
}

fn start_timestamp(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    start_timestamps(args, |_, t, step| arith::timestamp_add(t, step))
}

fn start_timestamptz(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    start_timestamps(args, |cx, t, step| arith::timestamptz_add(t, step, &cx.io.time_zone))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        1067,
        "generate_series",
        &[oids::INT4, oids::INT4],
        oids::INT4,
        Body::Set(SetImpl { start: start_int4, rows: 1000.0 }),
    )
    .total(),
    FunctionDef::new(
        1066,
        "generate_series",
        &[oids::INT4, oids::INT4, oids::INT4],
        oids::INT4,
        Body::Set(SetImpl { start: start_int4, rows: 1000.0 }),
    ),
    FunctionDef::new(
        1069,
        "generate_series",
        &[oids::INT8, oids::INT8],
        oids::INT8,
        Body::Set(SetImpl { start: start_int8, rows: 1000.0 }),
    )
    .total(),
    FunctionDef::new(
        1068,
        "generate_series",
        &[oids::INT8, oids::INT8, oids::INT8],
        oids::INT8,
        Body::Set(SetImpl { start: start_int8, rows: 1000.0 }),
    ),
    FunctionDef::new(
        3260,
        "generate_series",
        &[oids::NUMERIC, oids::NUMERIC],
        oids::NUMERIC,
        Body::Set(SetImpl { start: start_numeric, rows: 1000.0 }),
    ),
    FunctionDef::new(
        3259,
        "generate_series",
        &[oids::NUMERIC, oids::NUMERIC, oids::NUMERIC],
        oids::NUMERIC,
        Body::Set(SetImpl { start: start_numeric, rows: 1000.0 }),
    ),
    FunctionDef::new(
        938,
        "generate_series",
        &[oids::TIMESTAMP, oids::TIMESTAMP, oids::INTERVAL],
        oids::TIMESTAMP,
        Body::Set(SetImpl { start: start_timestamp, rows: 1000.0 }),
    ),
    FunctionDef::new(
        939,
        "generate_series",
        &[oids::TIMESTAMPTZ, oids::TIMESTAMPTZ, oids::INTERVAL],
        oids::TIMESTAMPTZ,
        Body::Set(SetImpl { start: start_timestamptz, rows: 1000.0 }),
    )
    .stable(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use quarry_types::PhysicalType;

    fn ints(args: &[i32]) -> Vec<i32> {
        let io = testing::io();
        let mut cx = testing::context(&io);
        let args: Vec<Datum> = args.iter().map(|v| Datum::I32(*v)).collect();
        let mut source = start_int4(&mut cx, &args, &[SqlType::INT4]).expect("starts");
        let mut out = [Vector::with_capacity(PhysicalType::I32, 0)];
        while source.next_rows(&mut cx, 2, &mut out).expect("no error") > 0 {}
        (0..out[0].len()).map(|i| out[0].datum(i).as_i32()).collect()
    }

    #[test]
    fn integers_up_and_down() {
        assert_eq!(ints(&[1, 5]), [1, 2, 3, 4, 5]);
        assert_eq!(ints(&[5, 1, -2]), [5, 3, 1]);
        assert_eq!(ints(&[5, 1]), [0i32; 0]);
        assert_eq!(ints(&[i32::MAX - 1, i32::MAX]), [i32::MAX - 1, i32::MAX]);
    }
}
