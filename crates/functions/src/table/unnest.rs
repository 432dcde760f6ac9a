//! `unnest` of one array (the binder turns several into a join of them) and `generate_subscripts`.

use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::Result;
use quarry_types::array::ArrayRef;
use quarry_types::{Datum, SqlType, Vector, oids};

/// The elements of an array in storage order.
struct Unnest {
    array: Datum,
    next: usize,
}

impl RowSource for Unnest {
    fn next_rows(&mut self, _: &mut EvalContext<'_>, max: usize, out: &mut [Vector]) -> Result<usize> {
        let array = ArrayRef::of(&self.array);
        let end = array.len().min(self.next.saturating_add(max));
        for i in self.next..end {
            out[0].push_datum(&array.datum(i));
        }
        let n = end - self.next;
        self.next = end;
        Ok(n)
    }
}

fn start_unnest(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    Ok(Box::new(Unnest { array: args[0].clone(), next: 0 }))
}

/// A range of subscripts, either way round.
struct Subscripts {
    low: i64,
    high: i64,
    reverse: bool,
}

impl RowSource for Subscripts {
    fn next_rows(&mut self, _: &mut EvalContext<'_>, max: usize, out: &mut [Vector]) -> Result<usize> {
        let mut n = 0;
        while n < max && self.low <= self.high {
            let at = if self.reverse { &mut self.high } else { &mut self.low };
            out[0].push_datum(&Datum::I32(*at as i32));
            *at += if self.reverse { -1 } else { 1 };
            n += 1;
        }
        Ok(n)
    }
}

fn start_subscripts(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    let array = ArrayRef::of(&args[0]);
    let dimension = args[1].as_i32();
    let reverse = args.get(2).is_some_and(Datum::as_bool);
    let (low, high) = match usize::try_from(dimension) {
        Ok(d) if d >= 1 && d <= array.ndim() => {
            let d = array.dimension(d - 1);
            (i64::from(d.lower), i64::from(d.upper()))
        }
        _ => (1, 0),
    };
    Ok(Box::new(Subscripts { low, high, reverse }))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2331,
        "unnest",
        &[oids::ANYARRAY],
        oids::ANYELEMENT,
        Body::Set(SetImpl { start: start_unnest, rows: 100.0 }),
    )
    .total(),
    FunctionDef::new(
        1192,
        "generate_subscripts",
        &[oids::ANYARRAY, oids::INT4],
        oids::INT4,
        Body::Set(SetImpl { start: start_subscripts, rows: 1000.0 }),
    ),
    FunctionDef::new(
        1191,
        "generate_subscripts",
        &[oids::ANYARRAY, oids::INT4, oids::BOOL],
        oids::INT4,
        Body::Set(SetImpl { start: start_subscripts, rows: 1000.0 }),
    ),
];
