//! Order-preserving byte strings of jsonb, for B-trees.
//!
//! A value is its type's rank, then: a string's bytes and 0 (strings hold no 0); a number's key; 0 or 1 for a boolean; a
//! container's count (u32 BE) and its parts in order. At the root a scalar counts as an array of one, ordered before a
//! true array of one by a byte that follows the count.

use super::*;
use crate::Datum;
use crate::registry::KeyCodec;
use quarry_common::{Error, Result};

const RANK_NULL: u8 = 1;
const RANK_STRING: u8 = 2;
const RANK_NUMBER: u8 = 3;
const RANK_BOOL: u8 = 4;
const RANK_ARRAY: u8 = 5;
const RANK_OBJECT: u8 = 6;

fn put_text(s: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(s.as_bytes());
    out.push(0);
}

fn put(v: Value<'_>, out: &mut Vec<u8>) {
    match v {
        Value::Null => out.push(RANK_NULL),
        Value::String(s) => {
            out.push(RANK_STRING);
            put_text(s, out);
        }
        Value::Number(n) => {
            out.push(RANK_NUMBER);
            n.write_key(out);
        }
        Value::Bool(b) => out.extend_from_slice(&[RANK_BOOL, b.into()]),
        Value::Array(c) => {
            out.push(RANK_ARRAY);
            out.extend_from_slice(&(c.len() as u32).to_be_bytes());
            c.elements().for_each(|e| put(e, out));
        }
        Value::Object(c) => {
            out.push(RANK_OBJECT);
            out.extend_from_slice(&(c.len() as u32).to_be_bytes());
            for (k, v) in c.pairs() {
                put_text(k, out);
                put(v, out);
            }
        }
    }
}

fn encode(v: &Datum, out: &mut Vec<u8>) {
    let root = Value::root(v.as_bytes());
    let (count, is_array) = match root {
        Value::Object(_) => return put(root, out),
        Value::Array(c) => (c.len() as u32, 1),
        _ => (1, 0),
    };
    out.push(RANK_ARRAY);
    out.extend_from_slice(&count.to_be_bytes());
    out.push(is_array);
    match root {
        Value::Array(c) => c.elements().for_each(|e| put(e, out)),
        scalar => put(scalar, out),
    }
}

fn malformed() -> Error {
    Error::corrupted("malformed jsonb in an index key")
}

fn take(key: &mut &[u8], n: usize) -> Result<u32> {
    let (head, rest) = key.split_at_checked(n).ok_or_else(malformed)?;
    *key = rest;
    Ok(head.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
}

fn skip_text(key: &mut &[u8]) -> Result<()> {
    let end = memchr::memchr(0, key).ok_or_else(malformed)?;
    *key = &key[end + 1..];
    Ok(())
}

fn skip(key: &mut &[u8]) -> Result<()> {
    // Values that are still to be passed over: (how many, whether each has a name before it).
    let mut open = Vec::new();
    let at_root = key.first() == Some(&RANK_ARRAY);
    open.push((1u32, false));
    let mut first = true;
    while let Some((left, named)) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        if *named {
            skip_text(key)?;
        }
        match take(key, 1)? as u8 {
            RANK_NULL => {}
            RANK_STRING => skip_text(key)?,
            RANK_NUMBER => (crate::numeric::KEY.skip)(key)?,
            RANK_BOOL => {
                take(key, 1)?;
            }
            rank @ (RANK_ARRAY | RANK_OBJECT) => {
                let count = take(key, 4)?;
                if first && at_root {
                    take(key, 1)?;
                }
                open.push((count, rank == RANK_OBJECT));
            }
            _ => return Err(malformed()),
        }
        first = false;
    }
    Ok(())
}

/// The codec of jsonb. Display scales of numbers are lost, so that values can't be had back.
pub(crate) const KEY: KeyCodec = KeyCodec { encode, decode: None, skip };
