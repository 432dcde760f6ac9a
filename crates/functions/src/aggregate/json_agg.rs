//! `json_agg`, `jsonb_agg`, `json_object_agg`, `jsonb_object_agg`.

use super::grouped::{Batch, PerGroup, grouped};
use super::{Accumulator, AggregateCall, AggregateImpl, order_sensitive};
use crate::json_value::{is_structured, key_text, to_jsonb, write_json};
use crate::kernel::check_buffer;
use crate::kernel::limits::ALLOC_MAX;
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Error, Result, err};
use quarry_types::json::{JsonbBuilder, escape_json};
use quarry_types::{SqlType, Vector, oids};

/// JSON text of an array (one argument) or an object (two), without its closing bracket; none before the first row.
struct JsonText {
    types: Vec<SqlType>,
}

fn null_key() -> Error {
    err!(INVALID_PARAMETER_VALUE, "field name must not be null")
}

impl PerGroup for JsonText {
    type State = Option<Vec<u8>>;
    fn empty(&self) -> Self::State {
        None
    }
    fn update(
        &mut self,
        states: &mut [Self::State],
        cx: &mut EvalContext<'_>,
        batch: Batch<'_>,
    ) -> Result<()> {
        let (key, value) = match batch.args {
            [value] => (None, *value),
            [key, value] => (Some(*key), *value),
            _ => return Err(kernel_arity()),
        };
        let ty = *self.types.last().ok_or_else(kernel_arity)?;
        let lines = key.is_none() && is_structured(cx, ty)?;
        batch.each(states, |state, i| {
            let first = state.is_none();
            let out = state.get_or_insert_with(|| if key.is_some() { b"{ ".to_vec() } else { b"[".to_vec() });
            if !first {
                out.extend_from_slice(b", ");
            }
            if let Some(key) = key {
                if key.is_null(i) {
                    return Err(null_key());
                }
                escape_json(out, &key_text(cx, self.types[0], &key.datum(i))?);
                out.extend_from_slice(b" : ");
            }
            if lines && !first && !value.is_null(i) {
                out.extend_from_slice(b"\n ");
            }
            write_json(cx, ty, &value.datum(i), false, out)?;
            // PostgreSQL's buffer fills byte by byte.
            if out.len() >= ALLOC_MAX {
                check_buffer(ALLOC_MAX - 1, 1)?;
            }
            Ok(())
        })
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector> {
        let close: &[u8] = if self.types.len() > 1 { b" }" } else { b"]" };
        super::fold::collect(states, |s| Ok(s.as_ref().map(|s| [s.as_slice(), close].concat())))
    }
    fn heap_bytes(&self, states: &[Self::State]) -> usize {
        states.iter().flatten().map(Vec::capacity).sum()
    }
}

/// A group's keys (empty for arrays) and values, as stored jsonb.
type Members = Vec<(String, Vec<u8>)>;

/// jsonb values kept until the end.
struct JsonBinary {
    types: Vec<SqlType>,
    bytes: usize,
}

impl PerGroup for JsonBinary {
    type State = Option<Members>;
    fn empty(&self) -> Self::State {
        None
    }
    fn update(
        &mut self,
        states: &mut [Self::State],
        cx: &mut EvalContext<'_>,
        batch: Batch<'_>,
    ) -> Result<()> {
        let args = batch.args;
        let value = *args.last().ok_or_else(kernel_arity)?;
        let ty = *self.types.last().ok_or_else(kernel_arity)?;
        batch.each(states, |members, i| {
            let key = match args {
                [_] => String::new(),
                [key, _] if key.is_null(i) => return Err(null_key()),
                [key, ..] => key_text(cx, self.types[0], &key.datum(i))?,
                [] => return Err(kernel_arity()),
            };
            let value = to_jsonb(cx, ty, &value.datum(i))?;
            self.bytes += key.len() + value.len() + size_of::<(String, Vec<u8>)>();
            members.get_or_insert_default().push((key, value));
            Ok(())
        })
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector> {
        let object = self.types.len() > 1;
        super::fold::collect(states, |members| {
            let Some(members) = members else { return Ok(None) };
            let mut out = JsonbBuilder::new();
            if object {
                out.begin_object()?
            } else {
                out.begin_array()?
            }
            for (key, value) in members {
                if object {
                    out.key(key)?;
                }
                out.push_jsonb(value)?;
            }
            out.end()?;
            out.finish().map(Some)
        })
    }
    fn heap_bytes(&self, _: &[Self::State]) -> usize {
        self.bytes
    }
}

fn text(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
    grouped(JsonText { types: call.arg_types.clone() })
}

fn binary(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
    grouped(JsonBinary { types: call.arg_types.clone(), bytes: 0 })
}

const TEXT: AggregateImpl = order_sensitive(text);
const BINARY: AggregateImpl = order_sensitive(binary);

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3175, "json_agg", &[oids::ANYELEMENT], oids::JSON, Body::Aggregate(TEXT)).stable(),
    FunctionDef::new(3197, "json_object_agg", &[oids::ANY, oids::ANY], oids::JSON, Body::Aggregate(TEXT))
        .stable(),
    FunctionDef::new(3267, "jsonb_agg", &[oids::ANYELEMENT], oids::JSONB, Body::Aggregate(BINARY)).stable(),
    FunctionDef::new(3270, "jsonb_object_agg", &[oids::ANY, oids::ANY], oids::JSONB, Body::Aggregate(BINARY)),
];
