//! Comparison of floats: NaN equals NaN and is greater than every number.

use crate::{FunctionDef, func, wide};

#[inline(always)]
fn eq(a: f64, b: f64) -> bool {
    (a == b) | (a.is_nan() & b.is_nan())
}
#[inline(always)]
fn lt(a: f64, b: f64) -> bool {
    (a < b) | (b.is_nan() & !a.is_nan())
}
/// Three-way order with NaN last.
#[inline(always)]
pub fn cmp(a: f64, b: f64) -> std::cmp::Ordering {
    lt(b, a).cmp(&lt(a, b))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(287, "float4eq", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { eq(f64::from(a), f64::from(b)) })),
    func!(288, "float4ne", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { !eq(f64::from(a), f64::from(b)) })),
    func!(289, "float4lt", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { lt(f64::from(a), f64::from(b)) })),
    func!(291, "float4gt", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { lt(f64::from(b), f64::from(a)) })),
    func!(290, "float4le", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { !lt(f64::from(b), f64::from(a)) })),
    func!(292, "float4ge", [FLOAT4, FLOAT4] => BOOL, wide!(|a: f32, b: f32| -> bool { !lt(f64::from(a), f64::from(b)) })),
    func!(354, "btfloat4cmp", [FLOAT4, FLOAT4] => INT4, wide!(|a: f32, b: f32| -> i32 { cmp(f64::from(a), f64::from(b)) as i32 })),
    func!(299, "float48eq", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { eq(f64::from(a), b) })),
    func!(300, "float48ne", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { !eq(f64::from(a), b) })),
    func!(301, "float48lt", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { lt(f64::from(a), b) })),
    func!(303, "float48gt", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { lt(b, f64::from(a)) })),
    func!(302, "float48le", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { !lt(b, f64::from(a)) })),
    func!(304, "float48ge", [FLOAT4, FLOAT8] => BOOL, wide!(|a: f32, b: f64| -> bool { !lt(f64::from(a), b) })),
    func!(2194, "btfloat48cmp", [FLOAT4, FLOAT8] => INT4, wide!(|a: f32, b: f64| -> i32 { cmp(f64::from(a), b) as i32 })),
    func!(305, "float84eq", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { eq(a, f64::from(b)) })),
    func!(306, "float84ne", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { !eq(a, f64::from(b)) })),
    func!(307, "float84lt", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { lt(a, f64::from(b)) })),
    func!(309, "float84gt", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { lt(f64::from(b), a) })),
    func!(308, "float84le", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { !lt(f64::from(b), a) })),
    func!(310, "float84ge", [FLOAT8, FLOAT4] => BOOL, wide!(|a: f64, b: f32| -> bool { !lt(a, f64::from(b)) })),
    func!(2195, "btfloat84cmp", [FLOAT8, FLOAT4] => INT4, wide!(|a: f64, b: f32| -> i32 { cmp(a, f64::from(b)) as i32 })),
    func!(293, "float8eq", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { eq(a, b) })),
    func!(294, "float8ne", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { !eq(a, b) })),
    func!(295, "float8lt", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { lt(a, b) })),
    func!(297, "float8gt", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { lt(b, a) })),
    func!(296, "float8le", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { !lt(b, a) })),
    func!(298, "float8ge", [FLOAT8, FLOAT8] => BOOL, wide!(|a: f64, b: f64| -> bool { !lt(a, b) })),
    func!(355, "btfloat8cmp", [FLOAT8, FLOAT8] => INT4, wide!(|a: f64, b: f64| -> i32 { cmp(a, b) as i32 })),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::*;

    #[test]
    fn nan_is_equal_to_itself_and_greatest() {
        let nan = f64::NAN;
        assert_eq!(cmp(nan, nan), Equal);
        assert_eq!(cmp(nan, f64::INFINITY), Greater);
        assert_eq!(cmp(f64::INFINITY, nan), Less);
        assert_eq!(cmp(1.0, 2.0), Less);
        assert_eq!(cmp(-0.0, 0.0), Equal);
    }
}
