//! `in_range`: whether a value lies within an offset of a base, for window frames in RANGE mode.
//! Arguments: value, base, offset, whether the offset is subtracted, whether the bound is an upper one.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Error, Result, err};
use quarry_types::datetime::convert::date_to_timestamp;
use quarry_types::datetime::{Interval, TimeTz, arith};
use quarry_types::numeric::{Numeric, NumericRef};
use std::cmp::Ordering;

#[cold]
fn bad_offset() -> Error {
    err!(INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid preceding or following size in window function")
}

/// Whether `value` is on the right side of the bound.
fn within(value_to_bound: Ordering, upper: bool) -> bool {
    if upper { value_to_bound.is_le() } else { value_to_bound.is_ge() }
}

fn integers(value: i64, base: i64, offset: i64, sub: bool, upper: bool) -> Result<bool> {
    if offset < 0 {
        return Err(bad_offset());
    }
    let (base, offset) = (i128::from(base), i128::from(offset));
    let bound = if sub { base - offset } else { base + offset };
    Ok(within(i128::from(value).cmp(&bound), upper))
}

fn floats(value: f64, base: f64, offset: f64, sub: bool, upper: bool) -> Result<bool> {
    if offset.is_nan() || offset < 0.0 {
        return Err(bad_offset());
    }
    // NaN is its own neighbourhood, beyond everything else.
    if value.is_nan() {
        return Ok(base.is_nan() || !upper);
    }
    if base.is_nan() {
        return Ok(upper);
    }
    // Infinity within infinity of infinity, the other way: all values are.
    if offset.is_infinite() && base.is_infinite() && (base > 0.0) == sub {
        return Ok(true);
    }
    let bound = if sub { base - offset } else { base + offset };
    Ok(if upper { value <= bound } else { value >= bound })
}

fn numerics(
    value: NumericRef<'_>,
    base: NumericRef<'_>,
    offset: NumericRef<'_>,
    sub: bool,
    upper: bool,
) -> Result<bool> {
    if offset.is_nan() || offset.signum() < 0 {
        return Err(bad_offset());
    }
    if value.is_nan() {
        return Ok(base.is_nan() || !upper);
    }
    if base.is_nan() {
        return Ok(upper);
    }
    if !offset.is_finite() && !base.is_finite() && (base.signum() > 0) == sub {
        return Ok(true);
    }
    let bound: Numeric = if sub { base.sub(offset)? } else { base.add(offset)? };
    Ok(within(value.compare(bound.view()), upper))
}

fn check(offset: Interval) -> Result<()> {
    if offset.sql_cmp(Interval::ZERO).is_lt() { Err(bad_offset()) } else { Ok(()) }
}

fn timestamps(value: i64, base: i64, offset: Interval, sub: bool, upper: bool) -> Result<bool> {
    check(offset)?;
    let bound = if sub { arith::timestamp_sub(base, offset)? } else { arith::timestamp_add(base, offset)? };
    Ok(within(value.cmp(&bound), upper))
}

/// Times don't wrap here: past midnight lies beyond every time.
fn times(value: i64, base: i64, offset: Interval, sub: bool, upper: bool) -> Result<bool> {
    if offset.micros < 0 {
        return Err(bad_offset());
    }
    let (base, offset) = (i128::from(base), i128::from(offset.micros));
    let bound = if sub { base - offset } else { base + offset };
    Ok(within(i128::from(value).cmp(&bound), upper))
}

fn timetzs(value: TimeTz, base: TimeTz, offset: Interval, sub: bool, upper: bool) -> Result<bool> {
    if offset.micros < 0 {
        return Err(bad_offset());
    }
    let micros =
        if sub { base.micros.checked_sub(offset.micros) } else { base.micros.checked_add(offset.micros) };
    let Some(micros) = micros else { return Ok(upper != sub) };
    Ok(within(value.cmp(&TimeTz { micros, zone: base.zone }), upper))
}

fn intervals(value: Interval, base: Interval, offset: Interval, sub: bool, upper: bool) -> Result<bool> {
    check(offset)?;
    let bound = if sub { base.sub(offset)? } else { base.add(offset)? };
    Ok(within(value.sql_cmp(bound), upper))
}

macro_rules! in_range {
    ($cx:ident, |$v:ident, $b:ident, $o:ident, $sub:ident, $up:ident| $t:ty, $offset:ty => $e:expr) => {
        scalar!($cx, |$v: $t, $b: $t, $o: $offset, $sub: bool, $up: bool| -> Result<bool> { $e })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(4126, "in_range", [INT8, INT8, INT8, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i64, i64 => integers(v, b, o, sub, up))),
    func!(4127, "in_range", [INT4, INT4, INT8, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i32, i64 => integers(v.into(), b.into(), o, sub, up))),
    func!(4128, "in_range", [INT4, INT4, INT4, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i32, i32 => integers(v.into(), b.into(), o.into(), sub, up))),
    func!(4129, "in_range", [INT4, INT4, INT2, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i32, i16 => integers(v.into(), b.into(), o.into(), sub, up))),
    func!(4130, "in_range", [INT2, INT2, INT8, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i16, i64 => integers(v.into(), b.into(), o, sub, up))),
    func!(4131, "in_range", [INT2, INT2, INT4, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i16, i32 => integers(v.into(), b.into(), o.into(), sub, up))),
    func!(4132, "in_range", [INT2, INT2, INT2, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i16, i16 => integers(v.into(), b.into(), o.into(), sub, up))),
    func!(4139, "in_range", [FLOAT8, FLOAT8, FLOAT8, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| f64, f64 => floats(v, b, o, sub, up))),
    func!(4140, "in_range", [FLOAT4, FLOAT4, FLOAT8, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| f32, f64 => floats(v.into(), b.into(), o, sub, up))),
    func!(4141, "in_range", [NUMERIC, NUMERIC, NUMERIC, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| NumericRef<'_>, NumericRef<'_> => numerics(v, b, o, sub, up))),
    func!(4133, "in_range", [DATE, DATE, INTERVAL, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i32, Interval => timestamps(date_to_timestamp(v)?, date_to_timestamp(b)?, o, sub, up))),
    func!(4134, "in_range", [TIMESTAMP, TIMESTAMP, INTERVAL, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i64, Interval => timestamps(v, b, o, sub, up))),
    func!(4135, "in_range", [TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL, BOOL, BOOL] => BOOL, in_range!(cx, |v, b, o, sub, up| i64, Interval => {
        check(o)?;
        let zone = &cx.io.time_zone;
        let bound = if sub { arith::timestamptz_sub(b, o, zone)? } else { arith::timestamptz_add(b, o, zone)? };
        Ok(within(v.cmp(&bound), up))
    })).stable(),
    func!(4137, "in_range", [TIME, TIME, INTERVAL, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| i64, Interval => times(v, b, o, sub, up))),
    func!(4138, "in_range", [TIMETZ, TIMETZ, INTERVAL, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| TimeTz, Interval => timetzs(v, b, o, sub, up))),
    func!(4136, "in_range", [INTERVAL, INTERVAL, INTERVAL, BOOL, BOOL] => BOOL, in_range!(_cx, |v, b, o, sub, up| Interval, Interval => intervals(v, b, o, sub, up))),
];
