//! Reading and replacing places in arrays, names and jsonb values. Rules: PostgreSQL's arraysubs.c, jsonbsubs.c.

use super::op::IndexShape;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::array::{ArrayBuilder, ArrayRef, Dimension, empty};
use quarry_types::json::jsonb::{Subscript, subscript, subscript_assign};
use quarry_types::text::{char_byte, char_datum};
use quarry_types::{Datum, PhysicalType};

fn is_slice(indexes: &[IndexShape]) -> bool {
    indexes.iter().any(|i| matches!(i, IndexShape::Slice(..)))
}

/// One pair of bounds per dimension; none: a bound is NULL.
fn bounds(indexes: &[IndexShape], args: &[Datum], dims: &[Dimension]) -> Option<Vec<(i32, i32)>> {
    let mut args = args.iter();
    let mut out = Vec::with_capacity(indexes.len());
    for (d, index) in indexes.iter().enumerate() {
        let dim = dims.get(d).copied();
        let mut given = |yes: bool, default: i32| -> Option<i32> {
            if !yes {
                return Some(default);
            }
            match args.next() {
                Some(Datum::I32(v)) => Some(*v),
                _ => None,
            }
        };
        out.push(match index {
            IndexShape::At => (1, given(true, 1)?),
            IndexShape::Slice(lower, upper) => {
                (given(*lower, dim.map_or(1, |d| d.lower))?, given(*upper, dim.map_or(0, |d| d.upper()))?)
            }
        });
    }
    Some(out)
}

pub(super) fn read(
    indexes: &[IndexShape],
    element: Oid,
    physical: PhysicalType,
    args: &[Datum],
) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let array = ArrayRef::of(&args[0]);
    if !is_slice(indexes) {
        let mut subscripts = Vec::with_capacity(indexes.len());
        for v in &args[1..] {
            match v {
                Datum::I32(v) => subscripts.push(*v),
                _ => return Ok(Datum::Null),
            }
        }
        return Ok(array.get(&subscripts));
    }
    let dims = array.dims();
    let Some(mut wanted) = bounds(indexes, &args[1..], &dims) else { return Ok(Datum::Null) };
    if wanted.len() > dims.len() || dims.is_empty() {
        return Ok(empty(element, physical));
    }
    wanted.extend(dims[wanted.len()..].iter().map(|d| (d.lower, d.upper())));
    let mut ranges = Vec::with_capacity(dims.len());
    for ((low, high), d) in wanted.into_iter().zip(&dims) {
        let (low, high) = (low.max(d.lower), high.min(d.upper()));
        if low > high {
            return Ok(empty(element, physical));
        }
        ranges.push((low, high));
    }
    let mut out = ArrayBuilder::new(element, physical);
    let mut at: Vec<i32> = ranges.iter().map(|r| r.0).collect();
    loop {
        if let Some(p) = array.position(&at) {
            out.push_from(&array, p);
        }
        let mut d = at.len();
        loop {
            if d == 0 {
                let dims: Vec<Dimension> =
                    ranges.iter().map(|(l, h)| Dimension { len: (h - l + 1) as _, lower: 1 }).collect();
                return out.finish(&dims);
            }
            d -= 1;
            if at[d] < ranges[d].1 {
                at[d] += 1;
                break;
            }
            at[d] = ranges[d].0;
        }
    }
}

pub(super) fn assign(
    indexes: &[IndexShape],
    element: Oid,
    physical: PhysicalType,
    args: &[Datum],
) -> Result<Datum> {
    let (value, args) = args.split_last().ok_or_else(quarry_functions::kernel_arity)?;
    let container = match &args[0] {
        Datum::Null => empty(element, physical),
        v => v.clone(),
    };
    let array = ArrayRef::of(&container);
    let null_subscript = || err!(NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null");
    let dims = array.dims();
    let places = bounds(indexes, &args[1..], &dims).ok_or_else(null_subscript)?;
    let slice = is_slice(indexes);
    let [(low, high)] = places.as_slice() else {
        return assign_many(&array, &places, slice, element, physical, value);
    };
    if array.ndim() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    let (low, high) = if slice { (*low, *high) } else { (*high, *high) };
    let mut new: Vec<Datum> = Vec::new();
    if slice {
        if value.is_null() {
            return Ok(args[0].clone());
        }
        let source = ArrayRef::of(value);
        if high < low {
            bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
        }
        let n = (i64::from(high) - i64::from(low) + 1) as usize;
        if source.len() < n {
            bail!(ARRAY_SUBSCRIPT_ERROR, "source array too small");
        }
        new.extend(source.iter().take(n));
    } else {
        new.push(value.clone());
    }
    let (first, last) = match dims.first() {
        Some(d) => (d.lower.min(low), d.upper().max(high)),
        None => (low, high),
    };
    if i64::from(last) - i64::from(first) >= 134_217_727 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)");
    }
    let mut out = ArrayBuilder::new(element, physical);
    for i in first..=last {
        let v = if i >= low && i <= high { new[(i - low) as usize].clone() } else { array.get(&[i]) };
        match v {
            Datum::Null => out.push_null(),
            v => out.push(&v),
        }
    }
    out.finish(&[Dimension { len: (last - first + 1) as _, lower: first }])
}

/// A place in a multidimensional array, which can't grow.
fn assign_many(
    array: &ArrayRef<'_>,
    places: &[(i32, i32)],
    slice: bool,
    element: Oid,
    physical: PhysicalType,
    value: &Datum,
) -> Result<Datum> {
    if slice {
        return Err(Error::unsupported("assignment to a slice of a multidimensional array"));
    }
    let at: Vec<i32> = places.iter().map(|p| p.1).collect();
    if array.ndim() == 0 {
        let dims: Vec<Dimension> = at.iter().map(|i| Dimension { len: 1, lower: *i }).collect();
        let mut out = ArrayBuilder::new(element, physical);
        match value {
            Datum::Null => out.push_null(),
            v => out.push(v),
        }
        return out.finish(&dims);
    }
    if array.ndim() != at.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    let Some(place) = array.position(&at) else {
        bail!(ARRAY_SUBSCRIPT_ERROR, "array subscript out of range");
    };
    let mut out = ArrayBuilder::new(element, physical);
    for i in 0..array.len() {
        match value {
            Datum::Null if i == place => out.push_null(),
            v if i == place => out.push(v),
            _ => out.push_from(array, i),
        }
    }
    out.finish(&array.dims())
}

/// Subscripts of jsonb: integers and texts.
pub(super) fn jsonb(indexes: &[IndexShape], assign: bool, args: &[Datum]) -> Result<Datum> {
    let places = &args[1..=indexes.len()];
    if places.iter().any(Datum::is_null) {
        if assign {
            bail!(NULL_VALUE_NOT_ALLOWED, "jsonb subscript in assignment must not be null");
        }
        return Ok(Datum::Null);
    }
    let path: Vec<Subscript> = places
        .iter()
        .map(|v| match v {
            Datum::I32(i) => Subscript::Int(*i),
            v => Subscript::Text(v.as_str().to_owned()),
        })
        .collect();
    let stored = |v: &'_ Datum| (!v.is_null()).then(|| v.as_bytes().to_vec());
    if assign {
        let (container, value) = (stored(&args[0]), stored(&args[args.len() - 1]));
        let made = subscript_assign(container.as_deref(), &path, value.as_deref())?;
        return Ok(Datum::Bytes(made.into()));
    }
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    match subscript(args[0].as_bytes(), &path) {
        Some(found) => Ok(Datum::Bytes(found.to_jsonb()?.into())),
        None => Ok(Datum::Null),
    }
}

/// Subscripts of a name: one of its 64 bytes, from 0; those behind its end are zero.
pub(super) fn name(indexes: &[IndexShape], assign: bool, args: &[Datum]) -> Result<Datum> {
    const NAME_BYTES: i32 = 64;
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    if is_slice(indexes) {
        let what = if assign { "updates on slices" } else { "slices" };
        bail!(FEATURE_NOT_SUPPORTED, "{what} of fixed-length arrays not implemented");
    }
    let places = &args[1..=indexes.len()];
    let place = match places {
        _ if assign && places.iter().any(Datum::is_null) => {
            bail!(NULL_VALUE_NOT_ALLOWED, "array subscript in assignment must not be null")
        }
        [Datum::I32(at)] => (0..NAME_BYTES).contains(at).then_some(*at as usize),
        _ if assign => bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"),
        _ => None,
    };
    let bytes = args[0].as_bytes();
    if !assign {
        return Ok(place.map_or(Datum::Null, |at| char_datum(bytes.get(at).copied().unwrap_or(0))));
    }
    let Some(at) = place else { bail!(ARRAY_SUBSCRIPT_ERROR, "array subscript out of range") };
    let value = &args[args.len() - 1];
    // What is put behind the end stands behind a zero, which ends the name.
    if value.is_null() || at > bytes.len() {
        return Ok(args[0].clone());
    }
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(at + 1), 0);
    bytes[at] = char_byte(value);
    bytes.truncate(bytes.iter().position(|b| *b == 0).unwrap_or(NAME_BYTES as usize - 1));
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Datum::text(text)),
        Err(_) => bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\""),
    }
}
