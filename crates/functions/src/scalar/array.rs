//! Arrays: building, measuring, searching, containment.

use crate::{EvalContext, FunctionDef, func, row_only, scalar};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::array::{ArrayBuilder, ArrayRef, Dimension, element_count, empty};
use quarry_types::element::compare_elements;
use quarry_types::{Datum, PhysicalType, oids};
use std::cmp::Ordering;

/// Element type of the array the call answers, taken from an array argument if that isn't NULL.
fn element_of(cx: &EvalContext<'_>, array: &Datum) -> Result<(Oid, PhysicalType)> {
    if !array.is_null() {
        let a = ArrayRef::of(array);
        return Ok((a.element_oid(), a.physical()));
    }
    let element = cx.io.type_ref(cx.ret.oid)?.element;
    Ok((element, cx.io.type_ref(element)?.physical))
}

/// Whether an element is the value; NULL is NULL.
fn same(array: &ArrayRef<'_>, i: usize, value: &Datum) -> bool {
    match (array.is_null(i), value.is_null()) {
        (false, false) => compare_elements(array.element_oid(), &array.datum(i), value) == Ordering::Equal,
        (a, b) => a == b,
    }
}

/// Adds one element at an end of an array that has one dimension or none; the lower bound stays.
fn extended(cx: &EvalContext<'_>, array: &Datum, value: &Datum, front: bool) -> Result<Datum> {
    let (element, physical) = element_of(cx, array)?;
    let mut b = ArrayBuilder::new(element, physical);
    let mut lower = 1;
    if front {
        b.push(value);
    }
    if !array.is_null() {
        let a = ArrayRef::of(array);
        if a.ndim() > 1 {
            bail!(DATA_EXCEPTION, "argument must be empty or one-dimensional array");
        }
        if a.ndim() == 1 {
            lower = a.dimension(0).lower;
        }
        (0..a.len()).for_each(|i| b.push_from(&a, i));
    }
    if !front {
        b.push(value);
    }
    let len = i32::try_from(b.len())
        .map_err(|_| err!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)"))?;
    if lower.checked_add(len).is_none() {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    }
    b.finish(&[Dimension { len, lower }])
}

fn incompatible(detail: String) -> Error {
    err!(ARRAY_SUBSCRIPT_ERROR, "cannot concatenate incompatible arrays").detail(detail)
}

fn cat(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (x, y) = (&args[0], &args[1]);
    if x.is_null() {
        return Ok(y.clone());
    }
    if y.is_null() {
        return Ok(x.clone());
    }
    let (a, b) = (ArrayRef::of(x), ArrayRef::of(y));
    if a.ndim() == 0 && b.ndim() > 0 {
        return Ok(y.clone());
    }
    if b.ndim() == 0 {
        return Ok(x.clone());
    }
    let (da, db) = (a.dims(), b.dims());
    let mismatch =
        || incompatible("Arrays with differing dimensions are not compatible for concatenation.".into());
    let added = |n: i32, m: i32| {
        n.checked_add(m)
            .ok_or_else(|| err!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)"))
    };
    // Bounds below the outermost must agree, lower ones as well.
    let mut dims;
    if da.len() == db.len() {
        if da[1..] != db[1..] {
            return Err(incompatible(
                "Arrays with differing element dimensions are not compatible for concatenation.".into(),
            ));
        }
        dims = da.clone();
        dims[0].len = added(da[0].len, db[0].len)?;
    } else if da.len() == db.len() + 1 {
        if da[1..] != db[..] {
            return Err(mismatch());
        }
        dims = da.clone();
        dims[0].len = added(da[0].len, 1)?;
    } else if da.len() + 1 == db.len() {
        if da[..] != db[1..] {
            return Err(mismatch());
        }
        dims = db.clone();
        dims[0].len = added(db[0].len, 1)?;
    } else {
        return Err(incompatible(format!(
            "Arrays of {} and {} dimensions are not compatible for concatenation.",
            da.len(),
            db.len()
        )));
    }
    let mut out = ArrayBuilder::new(a.element_oid(), a.physical());
    (0..a.len()).for_each(|i| out.push_from(&a, i));
    (0..b.len()).for_each(|i| out.push_from(&b, i));
    out.finish(&dims)
}

fn search_in(array: &ArrayRef<'_>) -> Result<i32> {
    if array.ndim() > 1 {
        bail!(FEATURE_NOT_SUPPORTED, "searching for elements in multidimensional arrays is not supported");
    }
    Ok(if array.ndim() == 1 { array.dimension(0).lower } else { 1 })
}

fn position(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let a = ArrayRef::of(&args[0]);
    let lower = search_in(&a)?;
    let skip = match args.get(2) {
        None => 0,
        Some(d) if d.is_null() => bail!(NULL_VALUE_NOT_ALLOWED, "initial position must not be null"),
        Some(d) => (i64::from(d.as_i32()) - i64::from(lower)).max(0) as usize,
    };
    let found = (skip..a.len()).find(|&i| same(&a, i, &args[1]));
    Ok(found.map_or(Datum::Null, |i| Datum::I32(lower.wrapping_add(i as i32))))
}

fn positions(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let a = ArrayRef::of(&args[0]);
    let lower = search_in(&a)?;
    let mut out = ArrayBuilder::new(oids::INT4, PhysicalType::I32);
    for i in (0..a.len()).filter(|&i| same(&a, i, &args[1])) {
        out.push(&Datum::I32(lower.wrapping_add(i as i32)));
    }
    out.finish_1d()
}

fn remove(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let a = ArrayRef::of(&args[0]);
    if a.ndim() > 1 {
        bail!(FEATURE_NOT_SUPPORTED, "removing elements from multidimensional arrays is not supported");
    }
    let mut out = ArrayBuilder::new(a.element_oid(), a.physical());
    (0..a.len()).filter(|&i| !same(&a, i, &args[1])).for_each(|i| out.push_from(&a, i));
    if out.is_empty() {
        return out.finish(&[]);
    }
    let dim = Dimension { len: out.len() as i32, lower: a.dimension(0).lower };
    out.finish(&[dim])
}

fn replace(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let a = ArrayRef::of(&args[0]);
    let mut out = ArrayBuilder::new(a.element_oid(), a.physical());
    for i in 0..a.len() {
        if same(&a, i, &args[1]) {
            out.push(&args[2]);
        } else {
            out.push_from(&a, i);
        }
    }
    out.finish(&a.dims())
}

/// Dimension number `n`, from 1.
fn dimension(a: &ArrayRef<'_>, n: i32) -> Option<Dimension> {
    let n = usize::try_from(n).ok()?.checked_sub(1)?;
    (n < a.ndim()).then(|| a.dimension(n))
}

fn dims_text(a: &ArrayRef<'_>) -> Option<String> {
    (a.ndim() > 0).then(|| a.dims().iter().map(|d| format!("[{}:{}]", d.lower, d.upper())).collect())
}

/// Whether every element of `b` is in `a`; NULL never is.
fn contains(a: &ArrayRef<'_>, b: &ArrayRef<'_>) -> bool {
    (0..b.len()).all(|j| {
        !b.is_null(j) && {
            let value = b.datum(j);
            (0..a.len()).any(|i| same(a, i, &value))
        }
    })
}

fn overlap(a: &ArrayRef<'_>, b: &ArrayRef<'_>) -> bool {
    (0..b.len()).any(|j| {
        !b.is_null(j) && {
            let value = b.datum(j);
            (0..a.len()).any(|i| same(a, i, &value))
        }
    })
}

fn fill(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[1..].iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    }
    let wrong = |detail: &str| err!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts").detail(detail);
    let lengths = ArrayRef::of(&args[1]);
    let lowers = args.get(2).map(ArrayRef::of);
    if lengths.ndim() > 1 {
        return Err(wrong("Dimension array must be one dimensional."));
    }
    if lengths.has_nulls() {
        bail!(NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null");
    }
    if lengths.len() > 6 {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({}) exceeds the maximum allowed (6)",
            lengths.len()
        );
    }
    if let Some(l) = &lowers {
        if l.ndim() > 1 {
            return Err(wrong("Dimension array must be one dimensional."));
        }
        if l.has_nulls() {
            bail!(NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null");
        }
        if l.len() != lengths.len() {
            return Err(wrong("Low bound array has different size than dimensions array."));
        }
    }
    let dims: Vec<Dimension> = (0..lengths.len())
        .map(|i| Dimension {
            len: lengths.datum(i).as_i32(),
            lower: lowers.as_ref().map_or(1, |l| l.datum(i).as_i32()),
        })
        .collect();
    let (element, physical) = element_of(cx, &Datum::Null)?;
    if dims.iter().any(|d| d.len < 0) {
        bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)");
    }
    if dims.is_empty() || dims.iter().any(|d| d.len == 0) {
        return Ok(empty(element, physical));
    }
    let mut out = ArrayBuilder::new(element, physical);
    for _ in 0..element_count(&dims)? {
        out.push(&args[0]);
    }
    out.finish(&dims)
}

/// The array without the last `n` of its outermost elements; lower bounds become 1.
fn trim(a: &ArrayRef<'_>, n: i32) -> Result<bytes::Bytes> {
    let len = if a.ndim() > 0 { a.dimension(0).len } else { 0 };
    if !(0..=len).contains(&n) {
        bail!(ARRAY_SUBSCRIPT_ERROR, "number of elements to trim must be between 0 and {len}");
    }
    let mut dims: Vec<Dimension> = a.dims().iter().map(|d| Dimension { len: d.len, lower: 1 }).collect();
    let mut out = ArrayBuilder::new(a.element_oid(), a.physical());
    let kept = len - n;
    if kept == 0 {
        dims.clear();
    } else {
        dims[0].len = kept;
        (0..a.len() / len as usize * kept as usize).for_each(|i| out.push_from(a, i));
    }
    Ok(bytes::Bytes::copy_from_slice(out.finish(&dims)?.as_bytes()))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(378, "array_append", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE] => ANYCOMPATIBLEARRAY, row_only!(|cx, args| extended(cx, &args[0], &args[1], false))).lax(),
    func!(379, "array_prepend", [ANYCOMPATIBLE, ANYCOMPATIBLEARRAY] => ANYCOMPATIBLEARRAY, row_only!(|cx, args| extended(cx, &args[1], &args[0], true))).lax(),
    func!(383, "array_cat", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLEARRAY] => ANYCOMPATIBLEARRAY, row_only!(cat)).lax(),
    func!(3277, "array_position", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE] => INT4, row_only!(position)).lax(),
    func!(3278, "array_position", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, INT4] => INT4, row_only!(position)).lax(),
    func!(3279, "array_positions", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE] => INT4_ARRAY, row_only!(positions)).lax(),
    func!(3167, "array_remove", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE] => ANYCOMPATIBLEARRAY, row_only!(remove)).lax(),
    func!(3168, "array_replace", [ANYCOMPATIBLEARRAY, ANYCOMPATIBLE, ANYCOMPATIBLE] => ANYCOMPATIBLEARRAY, row_only!(replace)).lax(),
    func!(1193, "array_fill", [ANYELEMENT, INT4_ARRAY] => ANYARRAY, row_only!(fill)).lax(),
    func!(1286, "array_fill", [ANYELEMENT, INT4_ARRAY, INT4_ARRAY] => ANYARRAY, row_only!(fill)).lax(),
    func!(6172, "trim_array", [ANYARRAY, INT4] => ANYARRAY, scalar!(|a: ArrayRef<'_>, n: i32| -> Result<bytes::Bytes> { trim(&a, n) })),
    func!(2176, "array_length", [ANYARRAY, INT4] => INT4, scalar!(|a: ArrayRef<'_>, n: i32| -> Option<i32> { Some(dimension(&a, n)?.len) })),
    func!(2091, "array_lower", [ANYARRAY, INT4] => INT4, scalar!(|a: ArrayRef<'_>, n: i32| -> Option<i32> { Some(dimension(&a, n)?.lower) })),
    func!(2092, "array_upper", [ANYARRAY, INT4] => INT4, scalar!(|a: ArrayRef<'_>, n: i32| -> Option<i32> { Some(dimension(&a, n)?.upper()) })),
    func!(748, "array_ndims", [ANYARRAY] => INT4, scalar!(|a: ArrayRef<'_>| -> Option<i32> { (a.ndim() > 0).then(|| a.ndim() as i32) })),
    func!(747, "array_dims", [ANYARRAY] => TEXT, scalar!(|a: ArrayRef<'_>| -> Option<String> { dims_text(&a) })),
    func!(3179, "cardinality", [ANYARRAY] => INT4, scalar!(|a: ArrayRef<'_>| -> i32 { a.len() as i32 })),
    func!(2748, "arraycontains", [ANYARRAY, ANYARRAY] => BOOL, scalar!(|a: ArrayRef<'_>, b: ArrayRef<'_>| -> bool { contains(&a, &b) })),
    func!(2749, "arraycontained", [ANYARRAY, ANYARRAY] => BOOL, scalar!(|a: ArrayRef<'_>, b: ArrayRef<'_>| -> bool { contains(&b, &a) })),
    func!(2747, "arrayoverlap", [ANYARRAY, ANYARRAY] => BOOL, scalar!(|a: ArrayRef<'_>, b: ArrayRef<'_>| -> bool { overlap(&a, &b) })),
];
