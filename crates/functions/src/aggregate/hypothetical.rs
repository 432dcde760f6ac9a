//! Hypothetical-set aggregates: the rank that a row of the direct arguments would have among the group's rows.
//! `rank`, `dense_rank`, `percent_rank`, `cume_dist`. Input arrives sorted.

use super::grouped::{Batch, PerGroup, grouped};
use super::{Accumulator, AggregateCall, AggregateImpl, AggregateKind, KeyDirection};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Error, Result};
use quarry_types::registry::CompareFn;
use quarry_types::{Datum, SqlType, Vector, VectorData, oids};
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
}

/// Rows of one group, and how many of them come before the hypothetical row.
#[derive(Clone, Default)]
struct Place {
    rows: i64,
    before: i64,
    /// Different rows among those.
    distinct_before: i64,
    /// Rows that are its peers.
    equal: i64,
    /// The last row before it, to tell the next one from.
    last: Vec<Datum>,
}

struct Hypothetical {
    kind: Kind,
    row: Vec<Datum>,
    types: Vec<SqlType>,
    order: Vec<KeyDirection>,
    compare: Vec<CompareFn>,
}

fn make(call: &AggregateCall, kind: Kind) -> Result<Box<dyn Accumulator>> {
    let keys = call.direct_args.len();
    let first = call.arg_types.len().checked_sub(keys).ok_or_else(kernel_arity)?;
    let order = (0..keys)
        .map(|k| call.order.get(k).copied().unwrap_or(KeyDirection { desc: false, nulls_first: false }))
        .collect();
    grouped(Hypothetical {
        kind,
        row: call.direct_args.clone(),
        types: call.arg_types[first..].to_vec(),
        order,
        compare: Vec::new(),
    })
}

impl Hypothetical {
    fn compare(&self, a: &[Datum], b: &[Datum]) -> Ordering {
        for (k, (x, y)) in a.iter().zip(b).enumerate() {
            let KeyDirection { desc, nulls_first } = self.order[k];
            let order = match (x.is_null(), y.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                _ if desc => self.compare[k](y, x),
                _ => self.compare[k](x, y),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }
    fn find_orders(&mut self, cx: &EvalContext<'_>) -> Result<()> {
        if self.compare.is_empty() {
            for ty in &self.types {
                let info = cx.io.type_ref(ty.oid)?;
                self.compare
                    .push(info.functions.compare.ok_or_else(|| Error::internal("sort key without order"))?);
            }
        }
        Ok(())
    }
}

impl PerGroup for Hypothetical {
    type State = Place;
    fn empty(&self) -> Place {
        Place::default()
    }
    fn update(&mut self, states: &mut [Place], cx: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        self.find_orders(cx)?;
        let args = &batch.args[batch.args.len().saturating_sub(self.row.len())..];
        batch.each(states, |place, i| {
            let row: Vec<Datum> = args.iter().map(|a| a.datum(i)).collect();
            let order = self.compare(&row, &self.row);
            let is_new = place.last.is_empty() || self.compare(&place.last, &row) != Ordering::Equal;
            place.rows += 1;
            match order {
                Ordering::Less => {
                    place.before += 1;
                    place.distinct_before += i64::from(is_new);
                    place.last = row;
                }
                Ordering::Equal => place.equal += 1,
                Ordering::Greater => {}
            }
            Ok(())
        })
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[Place]) -> Result<Vector> {
        let places = states.iter();
        let data = match self.kind {
            Kind::Rank => VectorData::I64(places.map(|p| p.before + 1).collect()),
            Kind::DenseRank => VectorData::I64(places.map(|p| p.distinct_before + 1).collect()),
            Kind::PercentRank => {
                VectorData::F64(places.map(|p| p.before as f64 / p.rows.max(1) as f64).collect())
            }
            Kind::CumeDist => VectorData::F64(
                places.map(|p| (p.before + p.equal + 1) as f64 / (p.rows + 1) as f64).collect(),
            ),
        };
        Ok(Vector::from_parts(data, None))
    }
    fn heap_bytes(&self, states: &[Place]) -> usize {
        states.len() * self.row.len() * size_of::<Datum>()
    }
}

const fn ordered(make: fn(&AggregateCall) -> Result<Box<dyn Accumulator>>) -> AggregateImpl {
    AggregateImpl { make, kind: AggregateKind::HypotheticalSet, order_insensitive: false }
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3986,
        "rank",
        &[oids::ANY],
        oids::INT8,
        Body::Aggregate(ordered(|call| make(call, Kind::Rank))),
    )
    .variadic(oids::ANY),
    FunctionDef::new(
        3992,
        "dense_rank",
        &[oids::ANY],
        oids::INT8,
        Body::Aggregate(ordered(|call| make(call, Kind::DenseRank))),
    )
    .variadic(oids::ANY),
    FunctionDef::new(
        3988,
        "percent_rank",
        &[oids::ANY],
        oids::FLOAT8,
        Body::Aggregate(ordered(|call| make(call, Kind::PercentRank))),
    )
    .variadic(oids::ANY),
    FunctionDef::new(
        3990,
        "cume_dist",
        &[oids::ANY],
        oids::FLOAT8,
        Body::Aggregate(ordered(|call| make(call, Kind::CumeDist))),
    )
    .variadic(oids::ANY),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use quarry_types::{PhysicalType, Rows};

    fn place(kind: Kind, desc: bool, values: &[i32], hypothetical: i32) -> Datum {
        let call = AggregateCall {
            arg_types: vec![SqlType::INT4; 2],
            ret: SqlType::INT8,
            direct_args: vec![Datum::I32(hypothetical)],
            order: vec![KeyDirection { desc, nulls_first: desc }],
        };
        let io = testing::io();
        let mut cx = testing::context(&io);
        let mut a = make(&call, kind).expect("makes");
        a.resize(1).expect("room");
        let mut column = Vector::with_capacity(PhysicalType::I32, 8);
        values.iter().for_each(|v| column.push_datum(&Datum::I32(*v)));
        a.update_single(&mut cx, &[&column], Rows::All(values.len())).expect("no error");
        a.finish(&mut cx, 0, 1).expect("no error").datum(0)
    }

    #[test]
    fn places_of_rows_that_are_not_there() {
        let values = [1, 2, 2, 5];
        assert_eq!(place(Kind::Rank, false, &values, 3), Datum::I64(4));
        assert_eq!(place(Kind::DenseRank, false, &values, 3), Datum::I64(3));
        assert_eq!(place(Kind::PercentRank, false, &values, 3), Datum::F64(0.75));
        assert_eq!(place(Kind::CumeDist, false, &values, 2), Datum::F64(0.8));
        assert_eq!(place(Kind::Rank, true, &[5, 2, 2, 1], 3), Datum::I64(2));
        assert_eq!(place(Kind::PercentRank, false, &[], 3), Datum::F64(0.0));
    }
}
