//! Comparison of items.

use super::Comparison;
use super::datetime;
use super::item::Item;
use crate::datetime::TimeZone;
use crate::json::jsonb::Value;
use quarry_common::Result;
use std::cmp::Ordering;

/// `a op b`; none: unknown. Values of different types can't be compared, except that null differs from all others.
pub(super) fn compare(
    op: Comparison,
    a: &Item<'_>,
    b: &Item<'_>,
    zone: Option<&TimeZone>,
    now_us: i64,
) -> Result<Option<bool>> {
    let order = match (a, b) {
        (Item::Moment(x), Item::Moment(y)) => match datetime::compare(*x, *y, zone, now_us)? {
            Some(order) => order,
            None => return Ok(None),
        },
        _ => match (a.value(), b.value()) {
            (Some(Value::Null), Some(Value::Null)) => Ordering::Equal,
            (Some(Value::Bool(x)), Some(Value::Bool(y))) => x.cmp(&y),
            (Some(Value::Number(x)), Some(Value::Number(y))) => x.compare(y),
            (Some(Value::String(x)), Some(Value::String(y))) => x.as_bytes().cmp(y.as_bytes()),
            (Some(Value::Null), _) | (_, Some(Value::Null)) => return Ok(Some(op == Comparison::NotEqual)),
            _ => return Ok(None),
        },
    };
    Ok(Some(match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::Greater => order.is_gt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }))
}
