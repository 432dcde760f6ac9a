//! Makes jsonb values bottom up.

use super::*;
use crate::json::{DEPTH_MAX, too_deep};
use crate::numeric::Numeric;
use quarry_common::{Error, Result};

/// An array or object being filled.
struct Open {
    object: bool,
    /// Values: kind and the end of their bytes in `data`.
    entries: Vec<(u32, usize)>,
    /// Keys: their bytes' ends in `key_data`. An object that got a key and no value yet has one more than entries.
    keys: Vec<usize>,
    data: Vec<u8>,
    key_data: Vec<u8>,
}

/// Builds one jsonb from calls in document order: containers are begun and ended, an object's values follow their
/// keys. Duplicate keys: the last one wins.
#[derive(Default)]
pub struct JsonbBuilder {
    open: Vec<Open>,
    /// The finished root.
    root: Option<Vec<u8>>,
}

fn too_large(what: &str) -> Error {
    err!(PROGRAM_LIMIT_EXCEEDED, "total size of jsonb {what} exceeds the maximum of {LIMIT} bytes")
}

impl JsonbBuilder {
    pub fn new() -> JsonbBuilder {
        JsonbBuilder::default()
    }
    fn begin(&mut self, object: bool) -> Result<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep());
        }
        let (entries, keys) = (Vec::new(), Vec::new());
        self.open.push(Open { object, entries, keys, data: Vec::new(), key_data: Vec::new() });
        Ok(())
    }
    pub fn begin_array(&mut self) -> Result<()> {
        self.begin(false)
    }
    pub fn begin_object(&mut self) -> Result<()> {
        self.begin(true)
    }
    /// The next value's key.
    pub fn key(&mut self, key: &str) -> Result<()> {
        if key.len() > LIMIT {
            return Err(err!(PROGRAM_LIMIT_EXCEEDED, "string too long to represent as jsonb string").detail(
                format!("Due to an implementation restriction, jsonb strings cannot exceed {LIMIT} bytes."),
            ));
        }
        let top = self.open.last_mut().ok_or_else(|| Error::internal("jsonb key outside an object"))?;
        top.key_data.extend_from_slice(key.as_bytes());
        top.keys.push(top.key_data.len());
        Ok(())
    }
    /// Whether the current container is an object that waits for a key.
    pub fn wants_key(&self) -> bool {
        self.open.last().is_some_and(|o| o.object && o.keys.len() == o.entries.len())
    }
    /// How many containers are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }
    fn put(&mut self, kind: u32, bytes: &[u8]) -> Result<()> {
        match self.open.last_mut() {
            Some(top) => {
                top.data.extend_from_slice(bytes);
                if top.data.len() + top.key_data.len() > LIMIT {
                    return Err(too_large(if top.object { "object elements" } else { "array elements" }));
                }
                top.entries.push((kind, top.data.len()));
            }
            None if kind == CONTAINER => self.root = Some(bytes.to_vec()),
            None => {
                let mut root = Vec::with_capacity(8 + bytes.len());
                root.extend_from_slice(&(FORM_SCALAR << FORM_SHIFT | 1).to_le_bytes());
                root.extend_from_slice(&(kind << KIND_SHIFT | bytes.len() as u32).to_le_bytes());
                root.extend_from_slice(bytes);
                self.root = Some(root);
            }
        }
        Ok(())
    }
    pub fn null(&mut self) -> Result<()> {
        self.put(NULL, &[])
    }
    pub fn bool(&mut self, v: bool) -> Result<()> {
        self.put(if v { TRUE } else { FALSE }, &[])
    }
    pub fn string(&mut self, v: &str) -> Result<()> {
        if v.len() > LIMIT {
            return Err(err!(PROGRAM_LIMIT_EXCEEDED, "string too long to represent as jsonb string").detail(
                format!("Due to an implementation restriction, jsonb strings cannot exceed {LIMIT} bytes."),
            ));
        }
        self.put(STRING, v.as_bytes())
    }
    /// A finite number.
    pub fn number(&mut self, v: NumericRef<'_>) -> Result<()> {
        self.put(NUMBER, v.as_bytes())
    }
    pub fn i64(&mut self, v: i64) -> Result<()> {
        self.number(Numeric::from_i64(v).view())
    }
    /// Any value, copied.
    pub fn push(&mut self, v: Value<'_>) -> Result<()> {
        match v {
            Value::Null => self.null(),
            Value::Bool(b) => self.bool(b),
            Value::String(s) => self.string(s),
            Value::Number(n) => self.number(n),
            Value::Array(c) | Value::Object(c) => self.put(CONTAINER, c.as_bytes()),
        }
    }
    /// A stored jsonb as a value.
    pub fn push_jsonb(&mut self, stored: &[u8]) -> Result<()> {
        self.push(Value::root(stored))
    }
    /// Ends the innermost array or object.
    pub fn end(&mut self) -> Result<()> {
        let top = self.open.pop().ok_or_else(|| Error::internal("jsonb container ended twice"))?;
        let bytes = if top.object { top.object_bytes() } else { top.array_bytes() };
        if self.open.is_empty() {
            self.root = Some(bytes);
            return Ok(());
        }
        self.put(CONTAINER, &bytes)
    }
    /// The stored form.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.root.ok_or_else(|| Error::internal("jsonb without a value"))
    }
}

impl Open {
    fn array_bytes(&self) -> Vec<u8> {
        let n = self.entries.len();
        let mut out = Vec::with_capacity(4 + n * 4 + self.data.len());
        out.extend_from_slice(&(FORM_ARRAY << FORM_SHIFT | n as u32).to_le_bytes());
        for (kind, end) in &self.entries {
            out.extend_from_slice(&(kind << KIND_SHIFT | *end as u32).to_le_bytes());
        }
        out.extend_from_slice(&self.data);
        out
    }
    fn key_bytes(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.keys[i - 1] };
        &self.key_data[start..self.keys[i]]
    }
    fn value_bytes(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.entries[i - 1].1 };
        &self.data[start..self.entries[i].1]
    }
    fn object_bytes(&self) -> Vec<u8> {
        let n = self.entries.len();
        let mut order: Vec<u32> = (0..n as u32).collect();
        // Of equal keys the last comes first and stays.
        order.sort_unstable_by(|a, b| {
            let (a, b) = (*a as usize, *b as usize);
            key_order(self.key_bytes(a), self.key_bytes(b)).then(b.cmp(&a))
        });
        order.dedup_by(|b, a| self.key_bytes(*a as usize) == self.key_bytes(*b as usize));
        let n = order.len();
        let mut out = Vec::with_capacity(4 + n * 8 + self.key_data.len() + self.data.len());
        out.extend_from_slice(&(FORM_OBJECT << FORM_SHIFT | n as u32).to_le_bytes());
        let mut end = 0;
        for i in &order {
            end += self.key_bytes(*i as usize).len();
            out.extend_from_slice(&(STRING << KIND_SHIFT | end as u32).to_le_bytes());
        }
        for i in &order {
            end += self.value_bytes(*i as usize).len();
            out.extend_from_slice(&(self.entries[*i as usize].0 << KIND_SHIFT | end as u32).to_le_bytes());
        }
        for i in &order {
            out.extend_from_slice(self.key_bytes(*i as usize));
        }
        for i in &order {
            out.extend_from_slice(self.value_bytes(*i as usize));
        }
        out
    }
}
