//! Single bits of bytea.

use crate::{FunctionDef, func, scalar};
use quarry_common::{Result, bail, err};

/// The byte and the bit within it, counted from the lowest.
fn place(bytes: &[u8], n: i64) -> Result<(usize, u32)> {
    let bits = bytes.len() as i64 * 8;
    if !(0..bits).contains(&n) {
        return Err(err!(ARRAY_SUBSCRIPT_ERROR, "index {n} out of valid range, 0..{}", bits - 1));
    }
    Ok(((n / 8) as usize, (n % 8) as u32))
}

fn get_bit(bytes: &[u8], n: i64) -> Result<i32> {
    let (byte, bit) = place(bytes, n)?;
    Ok(i32::from(bytes[byte] >> bit & 1))
}

fn set_bit(bytes: &[u8], n: i64, value: i32) -> Result<Vec<u8>> {
    let (byte, bit) = place(bytes, n)?;
    if !matches!(value, 0 | 1) {
        bail!(INVALID_PARAMETER_VALUE, "new bit must be 0 or 1");
    }
    let mut out = bytes.to_vec();
    out[byte] = out[byte] & !(1 << bit) | (value as u8) << bit;
    Ok(out)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(723, "get_bit", [BYTEA, INT8] => INT4, scalar!(|s: &[u8], n: i64| -> Result<i32> { get_bit(s, n) })),
    func!(724, "set_bit", [BYTEA, INT8, INT4] => BYTEA, scalar!(|s: &[u8], n: i64, v: i32| -> Result<Vec<u8>> { set_bit(s, n, v) })),
    func!(6163, "bit_count", [BYTEA] => INT8, scalar!(|s: &[u8]| -> i64 { s.iter().map(|b| i64::from(b.count_ones())).sum() })),
];
