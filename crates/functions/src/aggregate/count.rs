//! `count(*)` and `count(value)`.

use super::grouped::{Batch, PerGroup, grouped};
use super::{AggregateImpl, AggregateKind};
use crate::{Body, EvalContext, FunctionDef};
use quarry_common::Result;
use quarry_types::{Rows, Vector, VectorData, oids};

/// Rows per group; with an argument, those where it isn't NULL.
struct Count;

/// Rows of `rows` that count.
fn counted(args: &[&Vector], rows: Rows<'_>) -> i64 {
    match args.first() {
        Some(a) if a.may_have_nulls() => rows.iter().filter(|i| !a.is_null(*i)).count() as i64,
        _ => rows.count() as i64,
    }
}

impl PerGroup for Count {
    type State = i64;
    const RETRACTS: bool = true;
    const MERGES: bool = true;
    fn empty(&self) -> i64 {
        0
    }
    fn update(&mut self, states: &mut [i64], _: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        match (batch.groups, batch.args.first()) {
            (None, _) => states[0] += counted(batch.args, batch.rows),
            (Some(groups), Some(a)) if a.may_have_nulls() => {
                for (i, g) in batch.rows.iter().zip(groups) {
                    states[*g as usize] += i64::from(!a.is_null(i));
                }
            }
            (Some(groups), _) => groups.iter().for_each(|g| states[*g as usize] += 1),
        }
        Ok(())
    }
    fn retract(&mut self, state: &mut i64, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        *state -= counted(args, rows);
        Ok(())
    }
    fn merge(&mut self, state: &mut i64, other: i64) -> Result<()> {
        *state += other;
        Ok(())
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[i64]) -> Result<Vector> {
        Ok(Vector::from_parts(VectorData::I64(states.to_vec()), None))
    }
}

const COUNT: AggregateImpl =
    AggregateImpl { make: |_| grouped(Count), kind: AggregateKind::Normal, order_insensitive: true };

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2803, "count", &[], oids::INT8, Body::Aggregate(COUNT)).total(),
    FunctionDef::new(2147, "count", &[oids::ANY], oids::INT8, Body::Aggregate(COUNT)).total(),
];
