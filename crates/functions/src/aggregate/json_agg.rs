//! `json_agg`, `jsonb_agg`, `json_object_agg`, `jsonb_object_agg`.

use super::{Accumulator, AggregateCall, order_sensitive};
use crate::json_value::{is_structured, key_text, to_jsonb, write_json};
use crate::kernel::check_buffer;
use crate::kernel::limits::ALLOC_MAX;
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Error, Result, err};
use quarry_types::json::{JsonbBuilder, escape_json};
use quarry_types::{Rows, SqlType, Vector, oids};
use std::any::Any;

/// JSON text of an array (one argument) or an object (two), without its closing bracket; none before the first row.
struct JsonText {
    types: Vec<SqlType>,
    states: Vec<Option<Vec<u8>>>,
}

fn null_key() -> Error {
    err!(INVALID_PARAMETER_VALUE, "field name must not be null")
}

impl Accumulator for JsonText {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.states.resize(groups, None);
        Ok(())
    }
    fn update(
        &mut self,
        cx: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        let (key, value) = match args {
            [value] => (None, *value),
            [key, value] => (Some(*key), *value),
            _ => return Err(kernel_arity()),
        };
        let ty = *self.types.last().ok_or_else(kernel_arity)?;
        let lines = key.is_none() && is_structured(cx, ty)?;
        for (i, g) in rows.iter().zip(groups) {
            let state = &mut self.states[*g as usize];
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
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        let close: &[u8] = if self.types.len() > 1 { b" }" } else { b"]" };
        super::fold::collect(&self.states[from..to], |s| {
            Ok(s.as_ref().map(|s| [s.as_slice(), close].concat()))
        })
    }
    fn memory_bytes(&self) -> usize {
        self.states.iter().map(|s| 24 + s.as_ref().map_or(0, Vec::capacity)).sum()
    }
}

/// A group's keys (empty for arrays) and values, as stored jsonb.
type Members = Vec<(String, Vec<u8>)>;

/// jsonb values kept until the end.
struct JsonBinary {
    types: Vec<SqlType>,
    states: Vec<Option<Members>>,
    bytes: usize,
}

impl Accumulator for JsonBinary {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.states.resize(groups, None);
        Ok(())
    }
    fn update(
        &mut self,
        cx: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        let value = *args.last().ok_or_else(kernel_arity)?;
        let ty = *self.types.last().ok_or_else(kernel_arity)?;
        for (i, g) in rows.iter().zip(groups) {
            let key = match args {
                [_] => String::new(),
                [key, _] if key.is_null(i) => return Err(null_key()),
                [key, ..] => key_text(cx, self.types[0], &key.datum(i))?,
                [] => return Err(kernel_arity()),
            };
            let value = to_jsonb(cx, ty, &value.datum(i))?;
            self.bytes += key.len() + value.len() + size_of::<(String, Vec<u8>)>();
            self.states[*g as usize].get_or_insert_default().push((key, value));
        }
        Ok(())
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        let object = self.types.len() > 1;
        super::fold::collect(&self.states[from..to], |members| {
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
    fn memory_bytes(&self) -> usize {
        self.bytes + self.states.capacity() * 24
    }
}

fn text(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(JsonText { types: call.arg_types.clone(), states: Vec::new() }))
}

fn binary(call: &AggregateCall) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(JsonBinary { types: call.arg_types.clone(), states: Vec::new(), bytes: 0 }))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3175,
        "json_agg",
        &[oids::ANYELEMENT],
        oids::JSON,
        Body::Aggregate(order_sensitive(text)),
    )
    .stable(),
    FunctionDef::new(
        3197,
        "json_object_agg",
        &[oids::ANY, oids::ANY],
        oids::JSON,
        Body::Aggregate(order_sensitive(text)),
    )
    .stable(),
    FunctionDef::new(
        3267,
        "jsonb_agg",
        &[oids::ANYELEMENT],
        oids::JSONB,
        Body::Aggregate(order_sensitive(binary)),
    )
    .stable(),
    FunctionDef::new(
        3270,
        "jsonb_object_agg",
        &[oids::ANY, oids::ANY],
        oids::JSONB,
        Body::Aggregate(order_sensitive(binary)),
    ),
];
