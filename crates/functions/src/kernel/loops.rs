//! The loops over a batch: NULLs, selections and constants are dealt with here, once for all kernels.
//!
//! Two sorts. `wide1`/`wide2` are for hot kernels over plain values: one loop per combination of constant and flat
//! arguments, which the compiler can vectorise. `any0`..`any6` take every kind of argument and have one loop.
//! A call whose arguments are all constants is computed once and answers a constant vector.

use super::{Arg, CHECK_EVERY, Res, Validity, batch_too_large};
use crate::{EvalContext, SessionEnv};
use quarry_common::{Error, Result};
use quarry_types::{Rows, Vector};

/// The strict arguments' validity, ANDed; absent: no NULLs. The flag says that every row is NULL (a NULL constant).
pub fn combined_validity<'a>(args: impl Iterator<Item = &'a Vector>, n: usize) -> (Validity, bool) {
    let mut out: Validity = None;
    for v in args {
        let Some(flags) = v.validity() else { continue };
        if v.is_constant() {
            if !flags[0] {
                return (Some(vec![false; n]), true);
            }
        } else {
            match &mut out {
                None => out = Some(flags.to_vec()),
                Some(o) => o.iter_mut().zip(flags).for_each(|(o, f)| *o &= *f),
            }
        }
    }
    (out, false)
}

#[inline(always)]
fn stored(v: &Vector) -> usize {
    if v.is_constant() { 1 } else { v.len() }
}

/// All ones for flat vectors, 0 for constants: `row & mask` is the stored position.
#[inline(always)]
fn mask(v: &Vector) -> usize {
    if v.is_constant() { 0 } else { usize::MAX }
}

/// The one result of a call with constant arguments, standing for all rows.
fn constant_result<R: Res>(value: R, n: usize) -> Result<Vector> {
    let mut valid = if R::NULLABLE { Some(vec![true]) } else { None };
    let mut store = R::store(1);
    value.put(&mut store, &mut valid, 0)?;
    let one = R::vector(store, valid);
    Ok(Vector::constant(one.physical(), &one.datum(0), n))
}

/// Runs `f` for the rows wanted. `compute_all`: computing more rows than asked does no harm.
#[inline(always)]
fn run<R: Res>(
    rows: Rows<'_>,
    mut valid: Validity,
    compute_all: bool,
    mut f: impl FnMut(usize) -> R,
) -> Result<Vector> {
    let n = rows.len();
    if compute_all && matches!(rows, Rows::All(_)) {
        let store = R::fill(n, &mut valid, f)?;
        return Ok(R::vector(store, valid));
    }
    if R::NULLABLE && valid.is_none() {
        valid = Some(vec![true; n]);
    }
    if valid.is_none() {
        if let Rows::All(n) = rows {
            let store = R::fill(n, &mut valid, f)?;
            return Ok(R::vector(store, valid));
        }
        let mut store = R::store(n);
        for i in rows.iter() {
            f(i).put(&mut store, &mut valid, i)?;
        }
        return Ok(R::vector(store, valid));
    }
    let mut store = R::store(n);
    for i in rows.iter() {
        if valid.as_ref().is_some_and(|v| v[i]) {
            f(i).put(&mut store, &mut valid, i)?;
        }
    }
    Ok(R::vector(store, valid))
}

/// Runs `f` for the rows wanted, for kernels that may take long or make much: looks for a cancel now and then, and gives the batch
/// up when its values outgrow what one vector may take.
#[inline(always)]
fn run_watched<R: Res>(
    (env, limit): (&dyn SessionEnv, usize),
    rows: Rows<'_>,
    mut valid: Validity,
    mut f: impl FnMut(usize) -> R,
) -> Result<Vector> {
    let n = rows.len();
    if R::NULLABLE && valid.is_none() {
        valid = Some(vec![true; n]);
    }
    let mut store = R::store(n);
    for (k, i) in rows.iter().enumerate() {
        if valid.as_ref().is_some_and(|v| !v[i]) {
            continue;
        }
        if k % CHECK_EVERY == CHECK_EVERY - 1 {
            env.check_cancelled()?;
        }
        if R::heap_bytes(&store) > limit {
            return Err(batch_too_large());
        }
        f(i).put(&mut store, &mut valid, i)?;
    }
    Ok(R::vector(store, valid))
}

/// A result column of NULLs of R's physical type.
fn all_null<R: Res>(n: usize) -> Vector {
    R::vector(R::store(n), Some(vec![false; n]))
}

/// One plain argument.
#[inline(always)]
pub fn wide1<'a, A: Arg<'a>, R: Res>(
    args: &[&'a Vector],
    rows: Rows<'_>,
    f: impl Fn(A) -> R,
) -> Result<Vector> {
    let &[a] = args else { return Err(arity()) };
    let n = rows.len();
    let (valid, _) = combined_validity([a].into_iter(), n);
    let ca = A::open(a, stored(a));
    if a.is_constant() && valid.is_none() && !rows.is_empty() {
        return constant_result(f(A::at(ca, 0)), n);
    }
    let all = A::TOTAL && !R::FALLIBLE && !R::NULLABLE && !a.is_constant();
    let m = mask(a);
    if a.is_constant() {
        run(rows, valid, all, |i| f(A::at(ca, i & m)))
    } else {
        run(rows, valid, all, |i| f(A::at(ca, i)))
    }
}

/// Two plain arguments.
#[inline(always)]
pub fn wide2<'a, A: Arg<'a>, B: Arg<'a>, R: Res>(
    args: &[&'a Vector],
    rows: Rows<'_>,
    f: impl Fn(A, B) -> R,
) -> Result<Vector> {
    let &[a, b] = args else { return Err(arity()) };
    let n = rows.len();
    if rows.is_empty() {
        return Ok(R::vector(R::store(n), None));
    }
    let (valid, none) = combined_validity([a, b].into_iter(), n);
    if none {
        return Ok(all_null::<R>(n));
    }
    let (ca, cb) = (A::open(a, stored(a)), B::open(b, stored(b)));
    let all = A::TOTAL && B::TOTAL && !R::FALLIBLE && !R::NULLABLE;
    match (a.is_constant(), b.is_constant()) {
        (false, false) => {
            // Equal lengths, known to the compiler, spare the bounds checks.
            let (ca, cb) = (A::open(a, n), B::open(b, n));
            run(rows, valid, all, |i| f(A::at(ca, i), B::at(cb, i)))
        }
        (false, true) => {
            let (ca, k) = (A::open(a, n), B::at(cb, 0));
            run(rows, valid, all, |i| f(A::at(ca, i), k.clone()))
        }
        (true, false) => {
            let (k, cb) = (A::at(ca, 0), B::open(b, n));
            run(rows, valid, all, |i| f(k.clone(), B::at(cb, i)))
        }
        (true, true) => constant_result(f(A::at(ca, 0), B::at(cb, 0)), n),
    }
}

/// Two plain arguments and a result that may overflow: `f` answers the wrapped result and whether it is wrong; one
/// flag for the whole batch keeps the loop free of branches.
#[inline(always)]
pub fn flagged2<'a, A: Arg<'a>, B: Arg<'a>, R: Res + Copy>(
    args: &[&'a Vector],
    rows: Rows<'_>,
    error: fn() -> Error,
    f: impl Fn(A, B) -> (R, bool),
) -> Result<Vector> {
    let &[a, b] = args else { return Err(arity()) };
    let (a_nulls, b_nulls) = (a.may_have_nulls(), b.may_have_nulls());
    if let (Rows::All(n), false, false) = (rows, a_nulls, b_nulls)
        && n > 0
    {
        let (ca, cb) = (A::open(a, stored(a)), B::open(b, stored(b)));
        let mut bad = false;
        let mut valid = None;
        let store = match (a.is_constant(), b.is_constant()) {
            (false, false) => {
                let (ca, cb) = (A::open(a, n), B::open(b, n));
                R::fill(n, &mut valid, |i| {
                    let (v, o) = f(A::at(ca, i), B::at(cb, i));
                    bad |= o;
                    v
                })?
            }
            (false, true) => {
                let (ca, k) = (A::open(a, n), B::at(cb, 0));
                R::fill(n, &mut valid, |i| {
                    let (v, o) = f(A::at(ca, i), k.clone());
                    bad |= o;
                    v
                })?
            }
            (true, false) => {
                let (k, cb) = (A::at(ca, 0), B::open(b, n));
                R::fill(n, &mut valid, |i| {
                    let (v, o) = f(k.clone(), B::at(cb, i));
                    bad |= o;
                    v
                })?
            }
            (true, true) => {
                let (v, o) = f(A::at(ca, 0), B::at(cb, 0));
                if o {
                    return Err(error());
                }
                return constant_result(v, n);
            }
        };
        if bad {
            return Err(error());
        }
        return Ok(R::vector(store, None));
    }
    wide2(args, rows, |x: A, y: B| {
        let (v, o) = f(x, y);
        if o { Err(error()) } else { Ok(v) }
    })
}

#[cold]
fn arity() -> Error {
    Error::internal("kernel called with another number of arguments")
}

/// No arguments: computed once.
pub fn any0<R: Res>(
    cx: &mut EvalContext<'_>,
    _: &[&Vector],
    rows: Rows<'_>,
    f: impl Fn(&mut EvalContext<'_>) -> R,
) -> Result<Vector> {
    constant_result(f(cx), rows.len())
}

macro_rules! any {
    ($name:ident: $(($A:ident, $a:ident, $m:ident))+) => {
        #[inline(always)]
        pub fn $name<'a, $($A: Arg<'a>,)+ R: Res>(
            cx: &mut EvalContext<'_>,
            args: &[&'a Vector],
            rows: Rows<'_>,
            f: impl Fn(&mut EvalContext<'_>, $($A),+) -> R,
        ) -> Result<Vector> {
            let &[$($a),+] = args else { return Err(arity()) };
            let n = rows.len();
            if rows.is_empty() {
                return Ok(R::vector(R::store(n), None));
            }
            let strict = [$(($a, $A::NULLABLE)),+].into_iter().filter(|(_, nullable)| !nullable).map(|(v, _)| v);
            let (valid, none) = combined_validity(strict, n);
            if none {
                return Ok(all_null::<R>(n));
            }
            let constant = true $(&& $a.is_constant())+;
            $(let ($m, $a) = (mask($a), $A::open($a, stored($a)));)+
            if constant {
                return constant_result(f(cx, $($A::at($a, 0)),+), n);
            }
            let watch = (cx.env, cx.limit);
            run_watched(watch, rows, valid, |i| f(cx, $($A::at($a, i & $m)),+))
        }
    };
}
any!(any1: (A, a, ma));
any!(any2: (A, a, ma) (B, b, mb));
any!(any3: (A, a, ma) (B, b, mb) (C, c, mc));
any!(any4: (A, a, ma) (B, b, mb) (C, c, mc) (D, d, md));
any!(any5: (A, a, ma) (B, b, mb) (C, c, mc) (D, d, md) (E, e, me));
any!(any6: (A, a, ma) (B, b, mb) (C, c, mc) (D, d, md) (E, e, me) (F, g, mg));
any!(any7: (A, a, ma) (B, b, mb) (C, c, mc) (D, d, md) (E, e, me) (F, g, mg) (G, h, mh));
