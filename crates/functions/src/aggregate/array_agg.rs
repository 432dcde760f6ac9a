//! `array_agg` of values (a one-dimensional array, NULLs included) and of arrays (an array of one dimension more).

use super::{Accumulator, AggregateCall, order_sensitive};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Oid, Result, bail};
use quarry_types::array::ArrayBuilder;
use quarry_types::array::{ArrayRef, DIMENSIONS_MAX, Dimension};
use quarry_types::{Datum, PhysicalType, Rows, Vector, oids};
use std::any::Any;

/// The values of each group, in order of arrival.
struct Values {
    element: Oid,
    groups: Vec<Option<Vector>>,
    /// Of the arguments: whole arrays are collected, to be stacked.
    arrays: bool,
}

fn make(call: &AggregateCall, arrays: bool) -> Result<Box<dyn Accumulator>> {
    let element = call.arg_types.first().map(|t| t.oid).ok_or_else(kernel_arity)?;
    Ok(Box::new(Values { element, groups: Vec::new(), arrays }))
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

impl Accumulator for Values {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.groups.resize_with(groups, || None);
        Ok(())
    }
    fn update(
        &mut self,
        _: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        let &[value] = args else { return Err(kernel_arity()) };
        for (i, g) in rows.iter().zip(groups) {
            if self.arrays {
                if value.is_null(i) {
                    bail!(NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
                }
                if ArrayRef::new(value.bytes_at(i)).is_empty() {
                    bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
                }
            }
            let kept =
                self.groups[*g as usize].get_or_insert_with(|| Vector::with_capacity(value.physical(), 4));
            kept.extend_from(value, Rows::Selected { positions: &[i as u32], len: value.len() });
        }
        Ok(())
    }
    fn update_single(&mut self, cx: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        if self.arrays {
            let groups = vec![0u32; rows.count()];
            return self.update(cx, args, rows, &groups);
        }
        let &[value] = args else { return Err(kernel_arity()) };
        if rows.is_empty() {
            return Ok(());
        }
        self.groups[0]
            .get_or_insert_with(|| Vector::with_capacity(value.physical(), rows.count()))
            .extend_from(value, rows);
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        let mut out = Vector::with_capacity(PhysicalType::Bytes, to - from);
        for values in &self.groups[from..to] {
            match values {
                None => out.push_null(),
                Some(values) if self.arrays => out.push_datum(&stack(values)?),
                Some(values) => out.push_datum(&array_of(self.element, values)?),
            }
        }
        Ok(out)
    }
    fn memory_bytes(&self) -> usize {
        self.groups.iter().map(|v| 16 + v.as_ref().map_or(0, Vector::memory_bytes)).sum()
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
