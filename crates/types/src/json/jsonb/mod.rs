//! jsonb: the binary form.
//!
//! # Stored form
//!
//! A container, all integers u32 LE:
//!
//! | part | content |
//! |---|---|
//! | header | bits 30-31: 0 array, 1 object, 2 a single scalar kept as an array of one; bits 0-27: number of elements or pairs |
//! | entries | array: one per element. Object: one per key, then one per value in the keys' order |
//! | data | bytes of the elements, or of all keys and then all values |
//!
//! An entry has its kind in bits 28-30 (0 null, 1 false, 2 true, 3 string, 4 number, 5 container; keys: 3) and in bits
//! 0-27 where its bytes end, counted from the start of the data. So any element is found in O(1) and, as keys are
//! sorted by length and then bytes, any field in O(log n). Numbers are in numeric's stored form. Containers hold only
//! relative positions: a subtree is copied as bytes.

pub mod access;
pub mod build;
pub mod compare;
pub(crate) mod key;
pub mod modify;
pub mod output;
pub mod parse;
mod raw;
pub mod subscript;

pub use access::*;
pub use build::JsonbBuilder;
pub use modify::*;
pub use raw::RawValue;
pub use subscript::*;

use crate::numeric::NumericRef;
use quarry_common::{Result, err};

const KIND_SHIFT: u32 = 28;
/// Most elements, most bytes in a container.
pub(crate) const LIMIT: usize = (1 << KIND_SHIFT) - 1;
const FORM_SHIFT: u32 = 30;
pub(crate) const FORM_ARRAY: u32 = 0;
pub(crate) const FORM_OBJECT: u32 = 1;
pub(crate) const FORM_SCALAR: u32 = 2;

pub(crate) const NULL: u32 = 0;
pub(crate) const FALSE: u32 = 1;
pub(crate) const TRUE: u32 = 2;
pub(crate) const STRING: u32 = 3;
pub(crate) const NUMBER: u32 = 4;
pub(crate) const CONTAINER: u32 = 5;

/// A value inside a jsonb.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    String(&'a str),
    Number(NumericRef<'a>),
    Array(Container<'a>),
    Object(Container<'a>),
}

/// An array or object: its bytes.
#[derive(Clone, Copy)]
pub struct Container<'a>(&'a [u8]);

fn word(b: &[u8], i: usize) -> u32 {
    u32::from_le_bytes(b[i * 4..i * 4 + 4].try_into().expect("four bytes"))
}

impl<'a> Container<'a> {
    /// The whole stored form.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
    fn form(self) -> u32 {
        word(self.0, 0) >> FORM_SHIFT
    }
    /// Elements of an array, pairs of an object.
    pub fn len(self) -> usize {
        (word(self.0, 0) & LIMIT as u32) as usize
    }
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    pub fn is_object(self) -> bool {
        self.form() == FORM_OBJECT
    }
    fn entry_count(self) -> usize {
        if self.is_object() { self.len() * 2 } else { self.len() }
    }
    /// Kind and bytes of entry `i`.
    fn entry(self, i: usize) -> (u32, &'a [u8]) {
        let entry = word(self.0, 1 + i);
        let data = 4 + self.entry_count() * 4;
        let start = if i == 0 { 0 } else { (word(self.0, i) & LIMIT as u32) as usize };
        (entry >> KIND_SHIFT, &self.0[data + start..data + (entry & LIMIT as u32) as usize])
    }
    fn entry_value(self, i: usize) -> Value<'a> {
        let (kind, bytes) = self.entry(i);
        match kind {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            STRING => Value::String(text(bytes)),
            NUMBER => Value::Number(NumericRef::new(bytes)),
            _ => {
                let c = Container(bytes);
                if c.is_object() { Value::Object(c) } else { Value::Array(c) }
            }
        }
    }
    /// Element `i` of an array.
    pub fn element(self, i: usize) -> Value<'a> {
        self.entry_value(i)
    }
    /// Key `i` of an object.
    pub fn key(self, i: usize) -> &'a str {
        text(self.entry(i).1)
    }
    /// Value `i` of an object.
    pub fn value(self, i: usize) -> Value<'a> {
        self.entry_value(self.len() + i)
    }
    /// Position of a key in an object.
    pub fn find(self, key: &str) -> Option<usize> {
        self.find_bytes(key.as_bytes())
    }
    fn find_bytes(self, key: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = (low + high) / 2;
            match key_order(self.entry(mid).1, key) {
                std::cmp::Ordering::Less => low = mid + 1,
                std::cmp::Ordering::Greater => high = mid,
                std::cmp::Ordering::Equal => return Some(mid),
            }
        }
        None
    }
    /// The value of a key in an object.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.find(key).map(|i| self.value(i))
    }
    /// An array's elements.
    pub fn elements(self) -> impl ExactSizeIterator<Item = Value<'a>> + DoubleEndedIterator {
        (0..self.len()).map(move |i| self.element(i))
    }
    /// An object's pairs, keys by length and then bytes.
    pub fn pairs(self) -> impl ExactSizeIterator<Item = (&'a str, Value<'a>)> + DoubleEndedIterator {
        (0..self.len()).map(move |i| (self.key(i), self.value(i)))
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("strings are checked when a jsonb is made")
}

/// Order of keys in an object.
pub(crate) fn key_order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

impl<'a> Value<'a> {
    /// The value that a stored jsonb holds.
    pub fn root(stored: &'a [u8]) -> Value<'a> {
        let c = Container(stored);
        match c.form() {
            FORM_SCALAR => c.element(0),
            FORM_OBJECT => Value::Object(c),
            _ => Value::Array(c),
        }
    }
    /// The stored form of this value as a jsonb of its own.
    pub fn to_jsonb(self) -> Result<Vec<u8>> {
        match self {
            Value::Array(c) | Value::Object(c) => Ok(c.0.to_vec()),
            scalar => {
                let mut b = JsonbBuilder::new();
                b.push(scalar)?;
                b.finish()
            }
        }
    }
    pub fn is_null(self) -> bool {
        matches!(self, Value::Null)
    }
    pub fn is_scalar(self) -> bool {
        !matches!(self, Value::Array(_) | Value::Object(_))
    }
    /// `jsonb_typeof`.
    pub fn type_name(self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

/// Checks that bytes are a well-formed container (for data that doesn't come from this code).
pub fn check_stored(stored: &[u8]) -> Result<()> {
    let bad = || err!(DATA_CORRUPTED, "malformed jsonb value");
    let mut todo = vec![stored];
    while let Some(bytes) = todo.pop() {
        if bytes.len() < 4 {
            return Err(bad());
        }
        let c = Container(bytes);
        if c.form() > FORM_SCALAR || (c.form() == FORM_SCALAR && c.len() != 1) {
            return Err(bad());
        }
        let data = 4 + c.entry_count() * 4;
        if bytes.len() < data {
            return Err(bad());
        }
        let mut before = 0;
        for i in 0..c.entry_count() {
            let end = (word(bytes, 1 + i) & LIMIT as u32) as usize;
            if end < before || data + end > bytes.len() {
                return Err(bad());
            }
            before = end;
            let (kind, body) = c.entry(i);
            match kind {
                NULL | FALSE | TRUE => {}
                STRING => {
                    std::str::from_utf8(body).map_err(|_| bad())?;
                }
                NUMBER => {
                    crate::numeric::Numeric::from_bytes(body)?;
                }
                CONTAINER => todo.push(body),
                _ => return Err(bad()),
            }
        }
    }
    Ok(())
}
