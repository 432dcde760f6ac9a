//! `width_bucket` over an array of thresholds of any ordered type.

use crate::kernel::Value;
use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail};
use quarry_types::array::ArrayRef;
use quarry_types::element::compare_elements;

/// How many of the rising thresholds are at most the operand.
fn bucket(operand: Value, thresholds: ArrayRef<'_>) -> Result<i32> {
    if thresholds.ndim() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array");
    }
    if (0..thresholds.len()).any(|i| thresholds.is_null(i)) {
        bail!(NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs");
    }
    let (mut low, mut high) = (0, thresholds.len());
    while low < high {
        let middle = (low + high) / 2;
        if compare_elements(thresholds.element_oid(), &operand.0, &thresholds.datum(middle)).is_lt() {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low as i32)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3218, "width_bucket", [ANYCOMPATIBLE, ANYCOMPATIBLEARRAY] => INT4, scalar!(|v: Value, a: ArrayRef<'_>| -> Result<i32> { bucket(v, a) })),
];
