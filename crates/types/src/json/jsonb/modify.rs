//! Changes to jsonb: `||`, `-`, `#-`, `jsonb_set`, `jsonb_insert`, `jsonb_strip_nulls`.

use super::access::{path_index, position};
use super::*;
use quarry_common::{Error, Result, bail, err};

/// What happens at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathOp {
    /// `#-`.
    Delete,
    /// `jsonb_set` without `create_if_missing`.
    Replace,
    /// `jsonb_set`.
    Set,
    /// `jsonb_insert`.
    InsertBefore,
    /// `jsonb_insert` with `insert_after`.
    InsertAfter,
    /// Assignment to a subscript: missing parts of the path are made, gaps in arrays filled with nulls.
    Assign,
}

impl PathOp {
    fn creates(self) -> bool {
        !matches!(self, PathOp::Delete | PathOp::Replace)
    }
    fn inserts(self) -> bool {
        matches!(self, PathOp::InsertBefore | PathOp::InsertAfter)
    }
}

/// `a || b`: objects merge, anything else is put together as arrays.
pub fn concat(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    let (va, vb) = (Value::root(a), Value::root(b));
    let mut out = JsonbBuilder::new();
    if let (Value::Object(x), Value::Object(y)) = (va, vb) {
        if x.is_empty() {
            return Ok(b.to_vec());
        }
        if y.is_empty() {
            return Ok(a.to_vec());
        }
        out.begin_object()?;
        for (k, v) in x.pairs().chain(y.pairs()) {
            out.key(k)?;
            out.push(v)?;
        }
        out.end()?;
        return out.finish();
    }
    out.begin_array()?;
    for v in [va, vb] {
        match v {
            Value::Array(c) => {
                for e in c.elements() {
                    out.push(e)?;
                }
            }
            other => out.push(other)?,
        }
    }
    out.end()?;
    out.finish()
}

/// Copies a container without the pairs or elements that `drop` names.
fn without(c: Container<'_>, drop: impl Fn(usize, &str, Value<'_>) -> bool) -> Result<Vec<u8>> {
    let mut out = JsonbBuilder::new();
    if c.is_object() {
        out.begin_object()?;
        for (i, (k, v)) in c.pairs().enumerate() {
            if !drop(i, k, v) {
                out.key(k)?;
                out.push(v)?;
            }
        }
    } else {
        out.begin_array()?;
        for (i, v) in c.elements().enumerate() {
            if !drop(i, "", v) {
                out.push(v)?;
            }
        }
    }
    out.end()?;
    out.finish()
}

/// `j - 'key'`: a field of an object, equal strings of an array.
pub fn delete_key(stored: &[u8], key: &str) -> Result<Vec<u8>> {
    delete_keys(stored, &[Some(key)])
}

/// `j - keys`; NULL keys are passed over.
pub fn delete_keys(stored: &[u8], keys: &[Option<&str>]) -> Result<Vec<u8>> {
    let named = |s: &str| keys.contains(&Some(s));
    match Value::root(stored) {
        Value::Object(c) => without(c, |_, k, _| named(k)),
        Value::Array(c) => without(c, |_, _, v| matches!(v, Value::String(s) if named(s))),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
}

/// `j - index`.
pub fn delete_index(stored: &[u8], index: i32) -> Result<Vec<u8>> {
    match Value::root(stored) {
        Value::Object(_) => {
            bail!(INVALID_PARAMETER_VALUE, "cannot delete from object using integer index")
        }
        Value::Array(c) => match position(index, c.len()) {
            Some(at) => without(c, |i, _, _| i == at),
            None => Ok(stored.to_vec()),
        },
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
}

/// `j #- path`.
pub fn delete_path(stored: &[u8], path: &[Option<&str>]) -> Result<Vec<u8>> {
    let v = Value::root(stored);
    if v.is_scalar() {
        bail!(INVALID_PARAMETER_VALUE, "cannot delete path in scalar");
    }
    change(v, stored, path, None, PathOp::Delete)
}

/// `jsonb_set(j, path, new, create)`.
pub fn set(stored: &[u8], path: &[Option<&str>], new: &[u8], create: bool) -> Result<Vec<u8>> {
    let v = Value::root(stored);
    if v.is_scalar() {
        bail!(INVALID_PARAMETER_VALUE, "cannot set path in scalar");
    }
    if is_empty(v) && !create {
        return Ok(stored.to_vec());
    }
    let op = if create { PathOp::Set } else { PathOp::Replace };
    change(v, stored, path, Some(Value::root(new)), op)
}

/// `jsonb_insert(j, path, new, after)`.
pub fn insert(stored: &[u8], path: &[Option<&str>], new: &[u8], after: bool) -> Result<Vec<u8>> {
    let v = Value::root(stored);
    if v.is_scalar() {
        bail!(INVALID_PARAMETER_VALUE, "cannot set path in scalar");
    }
    let op = if after { PathOp::InsertAfter } else { PathOp::InsertBefore };
    change(v, stored, path, Some(Value::root(new)), op)
}

/// `jsonb_set_lax(j, path, new, create, treatment)`. None: an SQL NULL.
pub fn set_lax(
    stored: &[u8],
    path: &[Option<&str>],
    new: Option<&[u8]>,
    create: bool,
    treatment: Option<&str>,
) -> Result<Vec<u8>> {
    let bad = || {
        err!(
            INVALID_PARAMETER_VALUE,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \
             \"raise_exception\""
        )
    };
    let treatment = treatment.ok_or_else(bad)?;
    if let Some(new) = new {
        return set(stored, path, new, create);
    }
    match treatment {
        "raise_exception" => Err(err!(NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .hint(
                "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not \
                 passed.",
            )),
        "use_json_null" => set(stored, path, &Value::Null.to_jsonb()?, create),
        "delete_key" => delete_path(stored, path),
        "return_target" => Ok(stored.to_vec()),
        _ => Err(bad()),
    }
}

fn is_empty(v: Value<'_>) -> bool {
    matches!(v, Value::Array(c) | Value::Object(c) if c.is_empty())
}

pub(super) fn change(
    v: Value<'_>,
    stored: &[u8],
    path: &[Option<&str>],
    new: Option<Value<'_>>,
    op: PathOp,
) -> Result<Vec<u8>> {
    if path.is_empty() || (is_empty(v) && op == PathOp::Delete) {
        return Ok(stored.to_vec());
    }
    let mut out = JsonbBuilder::new();
    Change { path, new, op, out: &mut out }.at(v, 0)?;
    out.finish()
}

/// Most elements of an array that is being built, as PostgreSQL has it.
const ELEMENTS_MAX: i64 = 33_554_431;

struct Change<'c, 'v> {
    path: &'c [Option<&'c str>],
    new: Option<Value<'v>>,
    op: PathOp,
    out: &'c mut JsonbBuilder,
}

fn not_composite() -> Error {
    err!(INVALID_PARAMETER_VALUE, "cannot replace existing key")
        .detail("The path assumes key is a composite object, but it is a scalar value.")
}

impl Change<'_, '_> {
    fn step(&self, level: usize) -> Result<&str> {
        self.path[level]
            .ok_or_else(|| err!(NULL_VALUE_NOT_ALLOWED, "path element at position {} is null", level + 1))
    }
    fn put_new(&mut self) -> Result<()> {
        match self.new {
            Some(v) => self.out.push(v),
            None => Ok(()),
        }
    }
    /// Fills the gap before a place beyond an array's end.
    fn nulls(&mut self, count: i64) -> Result<()> {
        if count > ELEMENTS_MAX {
            return Err(err!(
                PROGRAM_LIMIT_EXCEEDED,
                "number of jsonb array elements exceeds the maximum allowed ({ELEMENTS_MAX})"
            ));
        }
        for _ in 0..count {
            self.out.null()?;
        }
        Ok(())
    }

    fn at(&mut self, v: Value<'_>, level: usize) -> Result<()> {
        self.step(level)?;
        match v {
            Value::Object(c) => self.object(c, level),
            Value::Array(c) => self.array(c, level),
            _ if self.op == PathOp::Assign => Err(not_composite()),
            scalar => self.out.push(scalar),
        }
    }

    fn object(&mut self, c: Container<'_>, level: usize) -> Result<()> {
        let key = self.step(level)?.to_string();
        let last = level + 1 == self.path.len();
        self.out.begin_object()?;
        let mut done = false;
        for (k, v) in c.pairs() {
            if k != key {
                self.out.key(k)?;
                self.out.push(v)?;
                continue;
            }
            done = true;
            if !last {
                self.out.key(k)?;
                self.at(v, level + 1)?;
            } else {
                if self.op.inserts() {
                    return Err(err!(INVALID_PARAMETER_VALUE, "cannot replace existing key")
                        .hint("Try using the function jsonb_set to replace key value."));
                }
                if self.op != PathOp::Delete {
                    self.out.key(k)?;
                    self.put_new()?;
                }
            }
        }
        if !done && last && self.op.creates() {
            self.out.key(&key)?;
            self.put_new()?;
        } else if !done && !last && self.op == PathOp::Assign {
            self.out.key(&key)?;
            self.make_path(level + 1)?;
        }
        self.out.end()
    }

    fn array(&mut self, c: Container<'_>, level: usize) -> Result<()> {
        let step = self.step(level)?;
        let Some(index) = path_index(step) else {
            bail!(
                INVALID_TEXT_REPRESENTATION,
                "path element at position {} is not an integer: \"{step}\"",
                level + 1
            );
        };
        let len = c.len() as i64;
        let mut at = i64::from(index);
        let mut prepend = false;
        if at < 0 {
            if -at > len {
                if self.op == PathOp::Assign {
                    bail!(
                        INVALID_PARAMETER_VALUE,
                        "path element at position {} is out of range: {index}",
                        level + 1
                    );
                }
                prepend = true;
            } else {
                at += len;
            }
        }
        if self.op != PathOp::Assign {
            at = at.min(len);
        }
        let last = level + 1 == self.path.len();
        let mut done = false;
        self.out.begin_array()?;
        if (prepend || len == 0) && last && self.op.creates() {
            if self.op == PathOp::Assign {
                self.nulls(at)?;
            }
            self.put_new()?;
            done = true;
        }
        for (i, v) in c.elements().enumerate() {
            if prepend || i as i64 != at {
                self.out.push(v)?;
                continue;
            }
            done = true;
            if !last {
                self.at(v, level + 1)?;
                continue;
            }
            match self.op {
                PathOp::Delete => {}
                PathOp::Replace | PathOp::Set | PathOp::Assign => self.put_new()?,
                PathOp::InsertBefore => {
                    self.put_new()?;
                    self.out.push(v)?;
                }
                PathOp::InsertAfter => {
                    self.out.push(v)?;
                    self.put_new()?;
                }
            }
        }
        if !done && last && self.op.creates() {
            if self.op == PathOp::Assign {
                self.nulls(at - len)?;
            }
            self.put_new()?;
        } else if !done && !last && self.op == PathOp::Assign {
            self.nulls(at - len)?;
            self.make_path(level + 1)?;
        }
        self.out.end()
    }

    /// Makes the rest of the path: arrays for integers, objects for other keys.
    fn make_path(&mut self, level: usize) -> Result<()> {
        if level == self.path.len() {
            return self.put_new();
        }
        let key = self.step(level)?.to_string();
        match path_index(&key) {
            Some(index) => {
                self.out.begin_array()?;
                self.nulls(index.into())?;
            }
            None => {
                self.out.begin_object()?;
                self.out.key(&key)?;
            }
        }
        self.make_path(level + 1)?;
        self.out.end()
    }
}

/// `jsonb_strip_nulls`: removes object fields that are null, at any depth.
pub fn strip_nulls(stored: &[u8]) -> Result<Vec<u8>> {
    fn copy(v: Value<'_>, out: &mut JsonbBuilder) -> Result<()> {
        match v {
            Value::Object(c) => {
                out.begin_object()?;
                for (k, v) in c.pairs().filter(|(_, v)| !v.is_null()) {
                    out.key(k)?;
                    copy(v, out)?;
                }
                out.end()
            }
            Value::Array(c) => {
                out.begin_array()?;
                for v in c.elements() {
                    copy(v, out)?;
                }
                out.end()
            }
            scalar => out.push(scalar),
        }
    }
    let v = Value::root(stored);
    if v.is_scalar() {
        return Ok(stored.to_vec());
    }
    let mut out = JsonbBuilder::new();
    copy(v, &mut out)?;
    out.finish()
}
