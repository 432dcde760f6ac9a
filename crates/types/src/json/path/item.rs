//! Items that a path's steps pass on.

use crate::datetime::TimeTz;
use crate::json::jsonb::{self, JsonbBuilder, Value};
use crate::numeric::Numeric;
use quarry_common::Result;
use std::rc::Rc;

/// A date or time made by `.datetime()`; zones are seconds west of UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    Date(i32),
    Time(i64),
    TimeTz(TimeTz),
    Timestamp(i64),
    TimestampTz(i64, i32),
}

/// A part of the document or of the variables, a value made on the way, or a moment.
#[derive(Clone)]
pub(super) enum Item<'a> {
    Part(Value<'a>),
    /// A stored jsonb.
    Made(Rc<Vec<u8>>),
    Moment(Moment),
}

impl<'a> Item<'a> {
    pub fn made(v: Value<'_>) -> Result<Item<'a>> {
        Ok(Item::Made(Rc::new(v.to_jsonb()?)))
    }
    pub fn number(n: &Numeric) -> Result<Item<'a>> {
        Item::made(Value::Number(n.view()))
    }
    pub fn string(s: &str) -> Result<Item<'a>> {
        Item::made(Value::String(s))
    }
    pub fn bool(b: bool) -> Item<'a> {
        Item::Part(Value::Bool(b))
    }
    /// The JSON value; none: a moment.
    pub fn value(&self) -> Option<Value<'_>> {
        match self {
            Item::Part(v) => Some(*v),
            Item::Made(bytes) => Some(Value::root(bytes)),
            Item::Moment(_) => None,
        }
    }
    pub fn is_array(&self) -> bool {
        matches!(self.value(), Some(Value::Array(_)))
    }
    pub fn as_number(&self) -> Option<Numeric> {
        match self.value() {
            Some(Value::Number(n)) => Some(n.to_numeric()),
            _ => None,
        }
    }
    pub fn as_string(&self) -> Option<&str> {
        match self.value() {
            Some(Value::String(s)) => Some(s),
            _ => None,
        }
    }
    /// Number of elements of an array.
    pub fn array_len(&self) -> Option<usize> {
        match self.value() {
            Some(Value::Array(c)) => Some(c.len()),
            _ => None,
        }
    }
    /// A value inside this one: shared where it can be.
    fn inner(&self, pick: impl Fn(Value<'_>) -> Option<PickedAt>) -> Result<Option<Item<'a>>> {
        fn at<'v>(v: Value<'v>, p: PickedAt) -> Value<'v> {
            match (v, p) {
                (Value::Array(c), PickedAt::Element(i)) => c.element(i),
                (Value::Object(c), PickedAt::Pair(i)) => c.value(i),
                (v, _) => v,
            }
        }
        match self {
            Item::Part(v) => Ok(pick(*v).map(|p| Item::Part(at(*v, p)))),
            Item::Made(bytes) => {
                let v = Value::root(bytes);
                pick(v).map(|p| Item::made(at(v, p))).transpose()
            }
            Item::Moment(_) => Ok(None),
        }
    }
    /// The value of a key, if this is an object that has it.
    pub fn member(&self, key: &str) -> Result<Option<Item<'a>>> {
        self.inner(|v| match v {
            Value::Object(c) => c.find(key).map(PickedAt::Pair),
            _ => None,
        })
    }
    /// Element `i` of an array.
    pub fn element(&self, i: usize) -> Result<Option<Item<'a>>> {
        self.inner(|v| match v {
            Value::Array(c) if i < c.len() => Some(PickedAt::Element(i)),
            _ => None,
        })
    }
    /// Elements of an array or values of an object.
    pub fn children(&self) -> Result<Vec<Item<'a>>> {
        let len = match self.value() {
            Some(Value::Array(c) | Value::Object(c)) => c.len(),
            _ => 0,
        };
        let mut out = Vec::with_capacity(len);
        for i in 0..len {
            out.extend(self.inner(|v| match v {
                Value::Array(_) => Some(PickedAt::Element(i)),
                _ => Some(PickedAt::Pair(i)),
            })?);
        }
        Ok(out)
    }
    /// The stored jsonb of the item.
    pub fn into_jsonb(self) -> Result<Vec<u8>> {
        match self {
            Item::Part(v) => v.to_jsonb(),
            Item::Made(bytes) => Ok(bytes.to_vec()),
            Item::Moment(m) => {
                let mut b = JsonbBuilder::new();
                b.string(&m.text())?;
                b.finish()
            }
        }
    }
    /// What `.type()` returns.
    pub fn type_name(&self) -> &'static str {
        match self {
            Item::Moment(m) => match m {
                Moment::Date(_) => "date",
                Moment::Time(_) => "time without time zone",
                Moment::TimeTz(_) => "time with time zone",
                Moment::Timestamp(_) => "timestamp without time zone",
                Moment::TimestampTz(..) => "timestamp with time zone",
            },
            other => other.value().map_or("null", jsonb::Value::type_name),
        }
    }
}

#[derive(Clone, Copy)]
enum PickedAt {
    Element(usize),
    Pair(usize),
}
