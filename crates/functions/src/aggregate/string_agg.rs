//! `string_agg` of text and bytea.

use super::grouped::{Batch, PerGroup, grouped};
use super::{AggregateImpl, order_sensitive};
use crate::kernel::check_buffer;
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::Result;
use quarry_types::{Vector, oids};

struct Joined;

impl PerGroup for Joined {
    /// What a group has so far; none before its first value.
    type State = Option<Vec<u8>>;
    fn empty(&self) -> Self::State {
        None
    }
    fn update(
        &mut self,
        states: &mut [Self::State],
        _: &mut EvalContext<'_>,
        batch: Batch<'_>,
    ) -> Result<()> {
        let &[value, delimiter] = batch.args else { return Err(kernel_arity()) };
        batch.each(states, |state, i| {
            if value.is_null(i) {
                return Ok(());
            }
            match state {
                // The first value's delimiter is dropped.
                None => *state = Some(value.bytes_at(i).to_vec()),
                Some(out) => {
                    if !delimiter.is_null(i) {
                        check_buffer(out.len(), delimiter.bytes_at(i).len())?;
                        out.extend_from_slice(delimiter.bytes_at(i));
                    }
                    check_buffer(out.len(), value.bytes_at(i).len())?;
                    out.extend_from_slice(value.bytes_at(i));
                }
            }
            Ok(())
        })
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector> {
        super::fold::collect(states, |s| Ok(s.clone()))
    }
    fn heap_bytes(&self, states: &[Self::State]) -> usize {
        states.iter().flatten().map(Vec::capacity).sum()
    }
}

const STRING_AGG: AggregateImpl = order_sensitive(|_| grouped(Joined));

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3538, "string_agg", &[oids::TEXT, oids::TEXT], oids::TEXT, Body::Aggregate(STRING_AGG))
        .total(),
    FunctionDef::new(
        3545,
        "string_agg",
        &[oids::BYTEA, oids::BYTEA],
        oids::BYTEA,
        Body::Aggregate(STRING_AGG),
    )
    .total(),
];
