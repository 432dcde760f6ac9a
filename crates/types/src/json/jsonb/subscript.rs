//! `j['a'][1]`: reading and assignment.

use super::modify::{PathOp, change};
use super::*;
use quarry_common::Result;

/// A subscript after evaluation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subscript {
    Int(i32),
    Text(String),
}

impl Subscript {
    fn to_text(&self) -> String {
        match self {
            Subscript::Int(i) => i.to_string(),
            Subscript::Text(s) => s.clone(),
        }
    }
}

/// Reads `stored[subscripts]`; none: NULL. A NULL subscript yields NULL before this is called.
pub fn subscript<'a>(stored: &'a [u8], subscripts: &[Subscript]) -> Option<Value<'a>> {
    let path: Vec<String> = subscripts.iter().map(Subscript::to_text).collect();
    extract_path(stored, &path)
}

/// Assigns to `stored[subscripts]`; a NULL container starts empty, a NULL value is JSON null.
pub fn subscript_assign(
    stored: Option<&[u8]>,
    subscripts: &[Subscript],
    new: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let empty;
    let stored = match stored {
        Some(s) => s,
        None => {
            let mut b = JsonbBuilder::new();
            match subscripts.first() {
                Some(Subscript::Int(_)) => b.begin_array()?,
                _ => b.begin_object()?,
            }
            b.end()?;
            empty = b.finish()?;
            &empty
        }
    };
    let path: Vec<String> = subscripts.iter().map(Subscript::to_text).collect();
    let path: Vec<Option<&str>> = path.iter().map(|s| Some(s.as_str())).collect();
    let new = new.map_or(Value::Null, Value::root);
    change(Value::root(stored), stored, &path, Some(new), PathOp::Assign)
}
