//! Ordered-set aggregates: `percentile_disc`, `percentile_cont`, `mode`. Input arrives sorted; NULLs are skipped.

use super::array_agg::{Gathered, gather, gathered_bytes};
use super::grouped::{Batch, PerGroup, grouped};
use super::{Accumulator, AggregateCall, AggregateImpl, AggregateKind};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Oid, Result, bail};
use quarry_types::array::{ArrayBuilder, ArrayRef};
use quarry_types::datetime::Interval;
use quarry_types::{Datum, PhysicalType, SqlType, Vector, oids};
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Disc,
    Cont,
    Mode,
}

struct Sorted {
    kind: Kind,
    fraction: Datum,
    many: bool,
    element: SqlType,
    ret: SqlType,
}

fn make(call: &AggregateCall, kind: Kind, many: bool) -> Result<Box<dyn Accumulator>> {
    let element = *call.arg_types.last().ok_or_else(kernel_arity)?;
    let fraction = call.direct_args.first().cloned().unwrap_or_default();
    grouped(Sorted { kind, fraction, many, element, ret: call.ret })
}

fn check(fraction: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&fraction) {
        bail!(
            NUMERIC_VALUE_OUT_OF_RANGE,
            "percentile value {} is not between 0 and 1",
            quarry_types::datetime::make::format_g(fraction, false)
        );
    }
    Ok(())
}

/// The first value at or past the fraction.
fn discrete(values: &Vector, fraction: f64) -> Datum {
    let row = (fraction * values.len() as f64).ceil() as usize;
    values.datum(row.saturating_sub(1))
}

/// Between the two values nearest to the fraction, in proportion.
fn continuous(values: &Vector, element: Oid, fraction: f64) -> Result<Datum> {
    let place = fraction * (values.len() as f64 - 1.0);
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    if low == high {
        return Ok(values.datum(low));
    }
    let part = place - low as f64;
    Ok(match (element, values.datum(low), values.datum(high)) {
        (oids::INTERVAL, Datum::B16(a), Datum::B16(b)) => {
            let (a, b) = (Interval::from_bytes(&a), Interval::from_bytes(&b));
            Datum::B16(b.sub(a)?.mul(part)?.add(a)?.to_bytes())
        }
        (_, a, b) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            Datum::F64(a + part * (b - a))
        }
    })
}

impl Sorted {
    fn at(&self, values: &Vector, fraction: f64) -> Result<Datum> {
        match self.kind {
            Kind::Disc => Ok(discrete(values, fraction)),
            _ => continuous(values, self.element.oid, fraction),
        }
    }
    /// One result for each fraction of an array, in an array of the same shape.
    fn at_many(&self, values: &Vector) -> Result<Datum> {
        let fractions = ArrayRef::of(&self.fraction);
        let mut out = ArrayBuilder::new(self.element.oid, values.physical());
        for f in fractions.iter() {
            match f {
                Datum::Null => out.push_null(),
                f => {
                    check(f.as_f64())?;
                    out.push(&self.at(values, f.as_f64())?);
                }
            }
        }
        out.finish(&fractions.dims())
    }
    /// The most frequent value; of several the first.
    fn most_frequent(&self, cx: &EvalContext<'_>, values: &Vector) -> Result<Datum> {
        let info = cx.io.type_ref(self.element.oid)?;
        let same = |a: &Datum, b: &Datum| match info.functions.compare {
            Some(compare) => compare(a, b) == Ordering::Equal,
            None => a == b,
        };
        let (mut best, mut best_count) = (0, 0);
        let mut start = 0;
        while start < values.len() {
            let value = values.datum(start);
            let mut end = start + 1;
            while end < values.len() && same(&value, &values.datum(end)) {
                end += 1;
            }
            if end - start > best_count {
                (best, best_count) = (start, end - start);
            }
            start = end;
        }
        Ok(values.datum(best))
    }
    fn result(&self, cx: &EvalContext<'_>, values: Option<&Vector>) -> Result<Datum> {
        if self.kind != Kind::Mode {
            if self.fraction.is_null() {
                return Ok(Datum::Null);
            }
            if !self.many {
                check(self.fraction.as_f64())?;
            }
        }
        let Some(values) = values else { return Ok(Datum::Null) };
        match self.kind {
            Kind::Mode => self.most_frequent(cx, values),
            _ if self.many => self.at_many(values),
            _ => self.at(values, self.fraction.as_f64()),
        }
    }
}

impl PerGroup for Sorted {
    /// The values arrive sorted.
    type State = Gathered;
    fn empty(&self) -> Gathered {
        None
    }
    fn update(&mut self, states: &mut [Gathered], _: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        let value = *batch.args.last().ok_or_else(kernel_arity)?;
        batch.each(states, |state, i| {
            if !value.is_null(i) {
                gather(state, value, i);
            }
            Ok(())
        })
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, states: &[Gathered]) -> Result<Vector> {
        let physical = if self.many { PhysicalType::Bytes } else { cx.io.type_ref(self.ret.oid)?.physical };
        let mut out = Vector::with_capacity(physical, states.len());
        for values in states {
            out.push_datum(&self.result(cx, values.as_ref())?);
        }
        Ok(out)
    }
    fn heap_bytes(&self, states: &[Gathered]) -> usize {
        gathered_bytes(states)
    }
}

const fn ordered(make: fn(&AggregateCall) -> Result<Box<dyn Accumulator>>) -> AggregateImpl {
    AggregateImpl { make, kind: AggregateKind::OrderedSet, order_insensitive: false }
}
const DISC: AggregateImpl = ordered(|call| make(call, Kind::Disc, false));
const DISC_MANY: AggregateImpl = ordered(|call| make(call, Kind::Disc, true));
const CONT: AggregateImpl = ordered(|call| make(call, Kind::Cont, false));
const CONT_MANY: AggregateImpl = ordered(|call| make(call, Kind::Cont, true));
const MODE: AggregateImpl = ordered(|call| make(call, Kind::Mode, false));

/// What is declared total is so for fractions from 0 to 1.
pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3972,
        "percentile_disc",
        &[oids::FLOAT8, oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Aggregate(DISC),
    )
    .total(),
    FunctionDef::new(
        3978,
        "percentile_disc",
        &[oids::FLOAT8_ARRAY, oids::ANYELEMENT],
        oids::ANYARRAY,
        Body::Aggregate(DISC_MANY),
    )
    .total(),
    FunctionDef::new(
        3974,
        "percentile_cont",
        &[oids::FLOAT8, oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(CONT),
    )
    .total(),
    FunctionDef::new(
        3980,
        "percentile_cont",
        &[oids::FLOAT8_ARRAY, oids::FLOAT8],
        oids::FLOAT8_ARRAY,
        Body::Aggregate(CONT_MANY),
    )
    .total(),
    FunctionDef::new(
        3976,
        "percentile_cont",
        &[oids::FLOAT8, oids::INTERVAL],
        oids::INTERVAL,
        Body::Aggregate(CONT),
    ),
    FunctionDef::new(
        3982,
        "percentile_cont",
        &[oids::FLOAT8_ARRAY, oids::INTERVAL],
        oids::INTERVAL_ARRAY,
        Body::Aggregate(CONT_MANY),
    ),
    FunctionDef::new(3984, "mode", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Aggregate(MODE)).total(),
];
