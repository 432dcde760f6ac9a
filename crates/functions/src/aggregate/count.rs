//! `count(*)` and `count(value)`.

use super::{Accumulator, AggregateImpl, AggregateKind, fold::same_kind};
use crate::{Body, EvalContext, FunctionDef};
use quarry_common::Result;
use quarry_types::{Rows, Vector, VectorData, oids};
use std::any::Any;

/// Rows per group; with an argument, those where it isn't NULL.
#[derive(Default)]
struct Count {
    counts: Vec<i64>,
}

/// Rows of `rows` that count.
fn counted(args: &[&Vector], rows: Rows<'_>) -> i64 {
    match args.first() {
        Some(a) if a.may_have_nulls() => rows.iter().filter(|i| !a.is_null(*i)).count() as i64,
        _ => rows.count() as i64,
    }
}

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.counts.resize(groups, 0);
        Ok(())
    }
    fn update(
        &mut self,
        _: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        match args.first() {
            Some(a) if a.may_have_nulls() => {
                for (i, g) in rows.iter().zip(groups) {
                    self.counts[*g as usize] += i64::from(!a.is_null(i));
                }
            }
            _ => groups.iter().for_each(|g| self.counts[*g as usize] += 1),
        }
        Ok(())
    }
    fn update_single(&mut self, _: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        self.counts[0] += counted(args, rows);
        Ok(())
    }
    fn retract(&mut self, _: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        self.counts[0] -= counted(args, rows);
        Ok(())
    }
    fn can_retract(&self) -> bool {
        true
    }
    fn merge(&mut self, other: Box<dyn Accumulator>, map: &[u32]) -> Result<()> {
        let other = same_kind::<Self>(other)?;
        for (n, group) in other.counts.iter().zip(map) {
            self.counts[*group as usize] += n;
        }
        Ok(())
    }
    fn can_merge(&self) -> bool {
        true
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        Ok(Vector::from_parts(VectorData::I64(self.counts[from..to].to_vec()), None))
    }
    fn memory_bytes(&self) -> usize {
        self.counts.capacity() * 8
    }
}

const COUNT: AggregateImpl = AggregateImpl {
    make: |_| Ok(Box::new(Count::default())),
    kind: AggregateKind::Normal,
    order_insensitive: true,
};

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2803, "count", &[], oids::INT8, Body::Aggregate(COUNT)).total(),
    FunctionDef::new(2147, "count", &[oids::ANY], oids::INT8, Body::Aggregate(COUNT)).total(),
];
