//! `jsonb_ops` and `jsonb_path_ops` (PostgreSQL: `jsonb_gin.c`).
//!
//! The keys of `jsonb_ops` are the field names and scalars of a document, wherever they stand: a byte for the kind and then the text, the
//! order-preserving form of the number, 0 or 1. A string that is an element of an array counts as a field name, since `?` finds both.
//! Long ones are replaced by a hash. The keys of `jsonb_path_ops` are hashes of a scalar together with the names on the way to it.

use super::jsonpath::{self, Scalar};
use super::{GinClass, GinEntryQuery, GinKeys, GinMode, GinQuery, any, formula, unknown_strategy};
use crate::EvalContext;
use quarry_common::Result;
use quarry_types::array::ArrayRef;
use quarry_types::json::jsonb::{Container, RawValue};
use quarry_types::numeric::NumericRef;
use quarry_types::{Datum, hash};

pub struct JsonbOps;
pub struct JsonbPathOps;

const CONTAINS: u16 = 7;
const EXISTS: u16 = 9;
const EXISTS_ANY: u16 = 10;
const EXISTS_ALL: u16 = 11;
const PATH_EXISTS: u16 = 15;
const PATH_MATCH: u16 = 16;

const KEY: u8 = 1;
const NULL: u8 = 2;
const BOOL: u8 = 3;
const NUMBER: u8 = 4;
const STRING: u8 = 5;
/// Added to the kind: a hash stands for the text or number.
const HASHED: u8 = 0x10;
/// Texts and numbers up to this many bytes are kept whole.
const WHOLE_BYTES_MAX: usize = 125;

fn write_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() <= WHOLE_BYTES_MAX {
        out.push(kind);
        out.extend_from_slice(bytes);
    } else {
        out.push(kind | HASHED);
        out.extend_from_slice(&hash::hash_bytes(bytes).to_be_bytes());
    }
}

fn write_number(n: NumericRef<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    out.push(NUMBER);
    n.write_key(out);
    if out.len() - begin > WHOLE_BYTES_MAX {
        let short = hash::hash_bytes(&out[begin + 1..]);
        out.truncate(begin);
        out.push(NUMBER | HASHED);
        out.extend_from_slice(&short.to_be_bytes());
    }
}

/// Appends the key of a scalar of a path; `key`: as a field name or an element of an array.
fn write_scalar(scalar: &Scalar<'_>, key: bool, out: &mut Vec<u8>) {
    match scalar {
        Scalar::Null => out.push(NULL),
        Scalar::Bool(b) => out.extend_from_slice(&[BOOL, u8::from(*b)]),
        Scalar::Number(n) => write_number(*n, out),
        Scalar::String(s) => write_bytes(if key { KEY } else { STRING }, s.as_bytes(), out),
    }
}

fn extract(container: Container<'_>, out: &mut GinKeys) {
    let object = container.is_object();
    if object {
        container.raw_keys().for_each(|k| out.push_with(|o| write_bytes(KEY, k, o)));
    }
    for value in container.raw_values() {
        match value {
            RawValue::Null => out.push(&[NULL]),
            RawValue::Bool(b) => out.push(&[BOOL, u8::from(b)]),
            RawValue::String(s) => out.push_with(|o| write_bytes(if object { STRING } else { KEY }, s, o)),
            RawValue::Number(n) => out.push_with(|o| write_number(n, o)),
            RawValue::Container(c) => extract(c, out),
        }
    }
}

const ROOT_HASH: u64 = 0;

fn bytes_hash(bytes: &[u8]) -> u64 {
    hash::combine(u64::from(STRING), hash::hash_bytes(bytes))
}

fn scalar_hash(scalar: &Scalar<'_>) -> u64 {
    match scalar {
        Scalar::Null => hash::combine(u64::from(NULL), 0),
        Scalar::Bool(b) => hash::combine(u64::from(BOOL), u64::from(*b)),
        Scalar::Number(n) => hash::combine(u64::from(NUMBER), n.hash()),
        Scalar::String(s) => bytes_hash(s.as_bytes()),
    }
}

/// The key of a scalar below fields whose names have been folded into `path`.
fn path_key(path: u64, scalar: u64) -> [u8; 4] {
    ((hash::combine(path, scalar) >> 32) as u32).to_be_bytes()
}

/// The way to a field's value.
fn path_step(path: u64, name: &[u8]) -> u64 {
    hash::combine(path, bytes_hash(name))
}

fn extract_paths(container: Container<'_>, path: u64, out: &mut GinKeys) {
    let mut names = container.is_object().then(|| container.raw_keys());
    for value in container.raw_values() {
        let path = match names.as_mut().and_then(Iterator::next) {
            Some(name) => path_step(path, name),
            None => path,
        };
        let scalar = match value {
            RawValue::Container(c) => {
                extract_paths(c, path, out);
                continue;
            }
            RawValue::Null => scalar_hash(&Scalar::Null),
            RawValue::Bool(b) => scalar_hash(&Scalar::Bool(b)),
            RawValue::Number(n) => scalar_hash(&Scalar::Number(n)),
            RawValue::String(s) => bytes_hash(s),
        };
        out.push(&path_key(path, scalar));
    }
}

/// What contains a document has all of its keys.
fn containing(keys: &mut GinKeys) -> GinQuery {
    keys.finish();
    if keys.is_empty() {
        return GinQuery::everything();
    }
    GinQuery::all_of(keys.iter().map(|k| GinEntryQuery::Key(k.to_vec())).collect())
}

/// A query by a path, which found these entries and this condition on them.
fn by_path(keys: Vec<Vec<u8>>, condition: Option<formula::Condition>) -> GinQuery {
    let Some(condition) = condition else { return GinQuery::everything() };
    let formula = condition.into_formula();
    let entries = keys.into_iter().map(GinEntryQuery::Key).collect();
    let all = formula.conjunction();
    let query = GinQuery::new(entries, GinMode::Default, move |known| formula.evaluate(known));
    GinQuery { all, ..query }
}

fn name_entry(name: &[u8]) -> GinEntryQuery {
    let mut key = Vec::with_capacity(name.len() + 1);
    write_bytes(KEY, name, &mut key);
    GinEntryQuery::Key(key)
}

impl GinClass for JsonbOps {
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()> {
        extract(Container::of_stored(value), out);
        Ok(())
    }

    fn extract_query(&self, _cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery> {
        Ok(match strategy {
            CONTAINS => {
                let mut keys = GinKeys::new();
                self.extract_value(query.as_bytes(), &mut keys)?;
                containing(&mut keys)
            }
            EXISTS => GinQuery::all_of(vec![name_entry(query.as_bytes())]),
            EXISTS_ANY | EXISTS_ALL => {
                let names = ArrayRef::of(query);
                let entries: Vec<_> = (0..names.len())
                    .filter(|i| !names.is_null(*i))
                    .map(|i| name_entry(names.bytes_at(i)))
                    .collect();
                match (strategy, entries.is_empty()) {
                    (EXISTS_ALL, true) => GinQuery::everything(),
                    (EXISTS_ALL, false) => GinQuery::all_of(entries),
                    (_, true) => GinQuery::nothing(),
                    // The name may be hashed or stand deeper in the document.
                    (_, false) => {
                        GinQuery::new(entries, GinMode::Default, |known| formula::blurred(any(known)))
                    }
                }
            }
            PATH_EXISTS | PATH_MATCH => {
                let mut names = Names::default();
                let condition = jsonpath::condition(query.as_str(), strategy == PATH_MATCH, &mut names)?;
                by_path(names.keys.0, condition)
            }
            _ => return unknown_strategy(strategy),
        })
    }
}

impl GinClass for JsonbPathOps {
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()> {
        extract_paths(Container::of_stored(value), ROOT_HASH, out);
        Ok(())
    }

    fn extract_query(&self, _cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery> {
        Ok(match strategy {
            CONTAINS => {
                let mut keys = GinKeys::new();
                self.extract_value(query.as_bytes(), &mut keys)?;
                containing(&mut keys)
            }
            PATH_EXISTS | PATH_MATCH => {
                let mut hashes = Hashes::default();
                let condition = jsonpath::condition(query.as_str(), strategy == PATH_MATCH, &mut hashes)?;
                by_path(hashes.keys.0, condition)
            }
            _ => return unknown_strategy(strategy),
        })
    }
}

/// Keys that a path has asked for, each once.
#[derive(Default)]
struct Wanted(Vec<Vec<u8>>);

impl Wanted {
    fn entry(&mut self, key: Vec<u8>) -> formula::Condition {
        let at = self.0.iter().position(|k| *k == key).unwrap_or_else(|| {
            self.0.push(key);
            self.0.len() - 1
        });
        formula::Condition::Entry(at as u32)
    }
}

/// Paths for `jsonb_ops`: the names on the way are keys, and so is the scalar at the end.
#[derive(Default)]
struct Names {
    keys: Wanted,
}

impl jsonpath::PathKeys for Names {
    type Path = (Vec<Vec<u8>>, jsonpath::Last);

    fn root(&self) -> Self::Path {
        (vec![], jsonpath::Last::Root)
    }
    fn step(&self, (names, last): &mut Self::Path, step: jsonpath::Step<'_>) -> bool {
        *last = match step {
            jsonpath::Step::Key(name) => {
                let mut key = vec![];
                write_bytes(KEY, name.as_bytes(), &mut key);
                names.push(key);
                jsonpath::Last::Member
            }
            jsonpath::Step::AnyKey => jsonpath::Last::Member,
            jsonpath::Step::Element => jsonpath::Last::Element,
            jsonpath::Step::Any => jsonpath::Last::Any,
        };
        true
    }
    fn end(
        &mut self,
        (names, last): &Self::Path,
        scalar: Option<&Scalar<'_>>,
        lax: bool,
        out: &mut Vec<formula::Condition>,
    ) {
        out.extend(names.iter().map(|n| self.keys.entry(n.clone())));
        let Some(scalar) = scalar else { return };
        let mut entry = |as_key: bool| {
            let mut key = vec![];
            write_scalar(scalar, as_key, &mut key);
            self.keys.entry(key)
        };
        out.push(match (scalar, last) {
            // A string may be an element or not, where arrays are unwrapped or all levels are meant; alone it counts as an element.
            (Scalar::String(_), jsonpath::Last::Root | jsonpath::Last::Any) => {
                formula::Condition::Or(vec![entry(true), entry(false)])
            }
            (Scalar::String(_), _) if lax => formula::Condition::Or(vec![entry(true), entry(false)]),
            (Scalar::String(_), jsonpath::Last::Element) => entry(true),
            _ => entry(false),
        });
    }
}

/// Paths for `jsonb_path_ops`: the whole way and the scalar at the end are one key.
#[derive(Default)]
struct Hashes {
    keys: Wanted,
}

impl jsonpath::PathKeys for Hashes {
    type Path = u64;

    fn root(&self) -> u64 {
        ROOT_HASH
    }
    fn step(&self, path: &mut u64, step: jsonpath::Step<'_>) -> bool {
        match step {
            jsonpath::Step::Key(name) => *path = path_step(*path, name.as_bytes()),
            jsonpath::Step::Element => {}
            jsonpath::Step::AnyKey | jsonpath::Step::Any => return false,
        }
        true
    }
    fn end(
        &mut self,
        path: &u64,
        scalar: Option<&Scalar<'_>>,
        _lax: bool,
        out: &mut Vec<formula::Condition>,
    ) {
        if let Some(scalar) = scalar {
            out.push(self.keys.entry(path_key(*path, scalar_hash(scalar)).to_vec()));
        }
    }
}
