//! Aggregates: the interface between their code and the operators that group.

pub mod array_agg;
pub mod bits;
pub mod count;
pub mod float_moments;
pub mod fold;
pub mod grouped;
pub mod hypothetical;
pub mod interval_moments;
pub mod json_agg;
pub mod min_max;
pub mod moments;
mod numeric_best;
pub mod numeric_moments;
pub mod ordered_set;
pub mod regression;
pub mod string_agg;
pub mod sum_int;

use crate::EvalContext;
use quarry_common::{Error, Result};
use quarry_types::{Datum, Rows, SqlType, Vector};

/// What an aggregate's constructor is told.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub arg_types: Vec<SqlType>,
    pub ret: SqlType,
    /// Values of direct arguments of ordered-set aggregates.
    pub direct_args: Vec<Datum>,
    /// The keys of WITHIN GROUP (ORDER BY ...); empty for other aggregates. Hypothetical-set aggregates compare by them.
    pub order: Vec<KeyDirection>,
}

/// Direction of one sort key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyDirection {
    pub desc: bool,
    pub nulls_first: bool,
}

/// `pg_aggregate.aggkind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AggregateKind {
    Normal,
    /// Direct arguments come first, input arrives sorted (WITHIN GROUP).
    OrderedSet,
    /// As `OrderedSet`, and the last direct arguments are a row of the sort keys.
    HypotheticalSet,
}

/// Makes an accumulator.
#[derive(Clone, Copy)]
pub struct AggregateImpl {
    pub make: fn(&AggregateCall) -> Result<Box<dyn Accumulator>>,
    pub kind: AggregateKind,
    /// Input order can't change the result (ORDER BY in the call is dropped).
    pub order_insensitive: bool,
}

impl AggregateImpl {
    /// Whether calls need WITHIN GROUP.
    pub fn is_ordered_set(&self) -> bool {
        self.kind != AggregateKind::Normal
    }
}

/// The states of one aggregate for many groups, numbered from 0.
///
/// The caller applies FILTER, DISTINCT and ORDER BY before it calls `update`; strictness is the accumulator's own business.
pub trait Accumulator: Send {
    /// Makes states up to group number `groups - 1`.
    fn resize(&mut self, groups: usize) -> Result<()>;
    /// Adds the named rows; `groups[k]` is the group of the k-th row of `rows`.
    fn update(
        &mut self,
        ctx: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()>;
    /// Adds the named rows, all to group 0: the ungrouped case.
    fn update_single(&mut self, ctx: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        let groups = vec![0u32; rows.count()];
        self.update(ctx, args, rows, &groups)
    }
    /// Takes rows out of group 0 again, for moving window frames. Accumulators that can't say so by `can_retract`.
    fn retract(&mut self, _ctx: &mut EvalContext<'_>, _args: &[&Vector], _rows: Rows<'_>) -> Result<()> {
        Err(Error::internal("this aggregate can't take rows out"))
    }
    fn can_retract(&self) -> bool {
        false
    }
    /// Adds another accumulator's groups: its group g becomes part of `map[g]`. For parallel input.
    fn merge(&mut self, _other: Box<dyn Accumulator>, _map: &[u32]) -> Result<()> {
        Err(Error::internal("this aggregate can't be merged"))
    }
    fn can_merge(&self) -> bool {
        false
    }
    /// For `merge` implementations, which downcast the other side.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any>;
    /// The results of groups `from..to`. States stay, so that a window can go on.
    fn finish(&mut self, ctx: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector>;
    /// Approximate memory of all states, in bytes; drives spilling.
    fn memory_bytes(&self) -> usize;
}

/// A plain aggregate whose result does not depend on the order of its input.
pub const fn order_insensitive(make: fn(&AggregateCall) -> Result<Box<dyn Accumulator>>) -> AggregateImpl {
    AggregateImpl { make, kind: AggregateKind::Normal, order_insensitive: true }
}

/// A plain aggregate that sees the order of its input.
pub const fn order_sensitive(make: fn(&AggregateCall) -> Result<Box<dyn Accumulator>>) -> AggregateImpl {
    AggregateImpl { make, kind: AggregateKind::Normal, order_insensitive: false }
}

/// A plain aggregate with states `S`, whose result does not depend on the order of its input.
pub const fn folding<S: fold::Fold>() -> AggregateImpl {
    order_insensitive(|_| grouped::grouped(fold::Folding::<S>::default()))
}

/// A plain aggregate with states `S`, whose result may depend on the order of its input (rounding does).
pub const fn folding_in_order<S: fold::Fold>() -> AggregateImpl {
    order_sensitive(|_| grouped::grouped(fold::Folding::<S>::default()))
}
