//! `string_agg` of text and bytea.

use super::{Accumulator, AggregateImpl, order_sensitive};
use crate::kernel::check_buffer;
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::Result;
use quarry_types::{Rows, Vector, oids};
use std::any::Any;

/// What each group has so far; none before its first value.
#[derive(Default)]
struct Joined {
    states: Vec<Option<Vec<u8>>>,
}

impl Accumulator for Joined {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.states.resize(groups, None);
        Ok(())
    }
    fn update(
        &mut self,
        _: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        let &[value, delimiter] = args else { return Err(kernel_arity()) };
        for (i, g) in rows.iter().zip(groups) {
            if value.is_null(i) {
                continue;
            }
            match &mut self.states[*g as usize] {
                // The first value's delimiter is dropped.
                slot @ None => *slot = Some(value.bytes_at(i).to_vec()),
                Some(out) => {
                    if !delimiter.is_null(i) {
                        check_buffer(out.len(), delimiter.bytes_at(i).len())?;
                        out.extend_from_slice(delimiter.bytes_at(i));
                    }
                    check_buffer(out.len(), value.bytes_at(i).len())?;
                    out.extend_from_slice(value.bytes_at(i));
                }
            }
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        super::fold::collect(&self.states[from..to], |s| Ok(s.clone()))
    }
    fn memory_bytes(&self) -> usize {
        self.states.iter().map(|s| 24 + s.as_ref().map_or(0, Vec::capacity)).sum()
    }
}

const STRING_AGG: AggregateImpl = order_sensitive(|_| Ok(Box::new(Joined::default())));

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
