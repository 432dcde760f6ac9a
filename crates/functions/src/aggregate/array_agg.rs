//! `array_agg` of values (a one-dimensional array, NULLs included) and of arrays (an array of one dimension more).

use super::grouped::{Batch, PerGroup, grouped};
use super::{Accumulator, AggregateCall, order_sensitive};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Oid, Result, bail};
use quarry_types::array::ArrayBuilder;
use quarry_types::array::{ArrayRef, DIMENSIONS_MAX, Dimension};
use quarry_types::{Datum, PhysicalType, Rows, Vector, oids};

/// The values of a group, in order of arrival; none before the first.
pub(super) type Gathered = Option<Vector>;

/// Adds a row's value.
#[inline]
pub(super) fn gather(state: &mut Gathered, value: &Vector, row: usize) {
    state
        .get_or_insert_with(|| Vector::with_capacity(value.physical(), 4))
        .extend_from(value, Rows::Selected { positions: &[row as u32], len: value.len() });
}

/// Memory of all groups' values.
pub(super) fn gathered_bytes(states: &[Gathered]) -> usize {
    states.iter().flatten().map(Vector::memory_bytes).sum()
}

struct Values {
    element: Oid,
    /// Of the arguments: whole arrays are collected, to be stacked.
    arrays: bool,
}

fn make(call: &AggregateCall, arrays: bool) -> Result<Box<dyn Accumulator>> {
    let element = call.arg_types.first().map(|t| t.oid).ok_or_else(kernel_arity)?;
    grouped(Values { element, arrays })
}

/// A one-dimensional array of a column's values.
fn array_of(element: Oid, values: &Vector) -> Result<Datum> {
    let mut array = ArrayBuilder::new(element, values.physical());
    for i in 0..values.len() {
        match values.is_null(i) {
            true => array.push_null(),
            false if values.physical() == PhysicalType::Bytes => array.push_bytes(values.bytes_at(i)),
            false => array.push(&values.datum(i)),
        }
    }
    array.finish_1d()
}

/// Arrays of equal dimensions as slices of one of a dimension more.
fn stack(values: &Vector) -> Result<Datum> {
    let first = ArrayRef::new(values.bytes_at(0));
    let inner = first.dims();
    if inner.len() >= DIMENSIONS_MAX {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({}) exceeds the maximum allowed ({DIMENSIONS_MAX})",
            inner.len() + 1
        );
    }
    let mut out = ArrayBuilder::new(first.element_oid(), first.physical());
    for i in 0..values.len() {
        let array = ArrayRef::new(values.bytes_at(i));
        if array.dims() != inner {
            bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality");
        }
        (0..array.len()).for_each(|e| out.push_from(&array, e));
    }
    let mut dims = vec![Dimension { len: values.len() as i32, lower: 1 }];
    dims.extend(inner);
    out.finish(&dims)
}

impl PerGroup for Values {
    type State = Gathered;
    fn empty(&self) -> Gathered {
        None
    }
    fn update(&mut self, states: &mut [Gathered], _: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        let &[value] = batch.args else { return Err(kernel_arity()) };
        if self.arrays {
            return batch.each(states, |state, i| {
                if value.is_null(i) {
                    bail!(NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
                }
                if ArrayRef::new(value.bytes_at(i)).is_empty() {
                    bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
                }
                gather(state, value, i);
                Ok(())
            });
        }
        if batch.groups.is_some() || batch.rows.is_empty() {
            return batch.each(states, |state, i| {
                gather(state, value, i);
                Ok(())
            });
        }
        states[0]
            .get_or_insert_with(|| Vector::with_capacity(value.physical(), batch.rows.count()))
            .extend_from(value, batch.rows);
        Ok(())
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[Gathered]) -> Result<Vector> {
        let mut out = Vector::with_capacity(PhysicalType::Bytes, states.len());
        for values in states {
            match values {
                None => out.push_null(),
                Some(values) if self.arrays => out.push_datum(&stack(values)?),
                Some(values) => out.push_datum(&array_of(self.element, values)?),
            }
        }
        Ok(out)
    }
    fn heap_bytes(&self, states: &[Gathered]) -> usize {
        gathered_bytes(states)
    }
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2335,
        "array_agg",
        &[oids::ANYNONARRAY],
        oids::ANYARRAY,
        Body::Aggregate(order_sensitive(|call| make(call, false))),
    )
    .total(),
    FunctionDef::new(
        4053,
        "array_agg",
        &[oids::ANYARRAY],
        oids::ANYARRAY,
        Body::Aggregate(order_sensitive(|call| make(call, true))),
    ),
];
