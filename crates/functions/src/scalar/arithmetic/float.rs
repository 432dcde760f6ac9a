//! Float arithmetic: PostgreSQL's checks for overflow, underflow and division by zero.

use super::errors::{division_by_zero, float_overflow, float_underflow};
use crate::{FunctionDef, flagged, func, wide};
use quarry_common::Result;

macro_rules! add {
    ($a:ty, $b:ty, $r:ty, $op:tt) => {
        flagged!(float_overflow, |a: $a, b: $b| -> $r {
            let (a, b) = (<$r>::from(a), <$r>::from(b));
            let v = a $op b;
            (v, v.is_infinite() & !a.is_infinite() & !b.is_infinite())
        })
    };
}
macro_rules! multiply {
    ($a:ty, $b:ty, $r:ty) => {
        wide!(|a: $a, b: $b| -> Result<$r> {
            let (a, b) = (<$r>::from(a), <$r>::from(b));
            let v = a * b;
            if v.is_infinite() && !a.is_infinite() && !b.is_infinite() {
                return Err(float_overflow());
            }
            if v == 0.0 && a != 0.0 && b != 0.0 {
                return Err(float_underflow());
            }
            Ok(v)
        })
    };
}
macro_rules! divide {
    ($a:ty, $b:ty, $r:ty) => {
        wide!(|a: $a, b: $b| -> Result<$r> {
            let (a, b) = (<$r>::from(a), <$r>::from(b));
            if b == 0.0 && !a.is_nan() {
                return Err(division_by_zero());
            }
            let v = a / b;
            if v.is_infinite() && !a.is_infinite() {
                return Err(float_overflow());
            }
            if v == 0.0 && a != 0.0 && !b.is_infinite() {
                return Err(float_underflow());
            }
            Ok(v)
        })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(204, "float4pl", [FLOAT4, FLOAT4] => FLOAT4, add!(f32, f32, f32, +)),
    func!(205, "float4mi", [FLOAT4, FLOAT4] => FLOAT4, add!(f32, f32, f32, -)),
    func!(202, "float4mul", [FLOAT4, FLOAT4] => FLOAT4, multiply!(f32, f32, f32)),
    func!(203, "float4div", [FLOAT4, FLOAT4] => FLOAT4, divide!(f32, f32, f32)),
    func!(281, "float48pl", [FLOAT4, FLOAT8] => FLOAT8, add!(f32, f64, f64, +)),
    func!(282, "float48mi", [FLOAT4, FLOAT8] => FLOAT8, add!(f32, f64, f64, -)),
    func!(279, "float48mul", [FLOAT4, FLOAT8] => FLOAT8, multiply!(f32, f64, f64)),
    func!(280, "float48div", [FLOAT4, FLOAT8] => FLOAT8, divide!(f32, f64, f64)),
    func!(285, "float84pl", [FLOAT8, FLOAT4] => FLOAT8, add!(f64, f32, f64, +)),
    func!(286, "float84mi", [FLOAT8, FLOAT4] => FLOAT8, add!(f64, f32, f64, -)),
    func!(283, "float84mul", [FLOAT8, FLOAT4] => FLOAT8, multiply!(f64, f32, f64)),
    func!(284, "float84div", [FLOAT8, FLOAT4] => FLOAT8, divide!(f64, f32, f64)),
    func!(218, "float8pl", [FLOAT8, FLOAT8] => FLOAT8, add!(f64, f64, f64, +)),
    func!(219, "float8mi", [FLOAT8, FLOAT8] => FLOAT8, add!(f64, f64, f64, -)),
    func!(216, "float8mul", [FLOAT8, FLOAT8] => FLOAT8, multiply!(f64, f64, f64)),
    func!(217, "float8div", [FLOAT8, FLOAT8] => FLOAT8, divide!(f64, f64, f64)),
    func!(207, "float4abs", [FLOAT4] => FLOAT4, wide!(|a: f32| -> f32 { a.abs() })),
    func!(1394, "abs", [FLOAT4] => FLOAT4, wide!(|a: f32| -> f32 { a.abs() })),
    func!(206, "float4um", [FLOAT4] => FLOAT4, wide!(|a: f32| -> f32 { -a })),
    func!(1913, "float4up", [FLOAT4] => FLOAT4, wide!(|a: f32| -> f32 { a })),
    func!(209, "float4larger", [FLOAT4, FLOAT4] => FLOAT4, wide!(|a: f32, b: f32| -> f32 { if b.is_nan() || a < b { b } else { a } })),
    func!(211, "float4smaller", [FLOAT4, FLOAT4] => FLOAT4, wide!(|a: f32, b: f32| -> f32 { if a.is_nan() || b < a { b } else { a } })),
    func!(221, "float8abs", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.abs() })),
    func!(1395, "abs", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a.abs() })),
    func!(220, "float8um", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { -a })),
    func!(1914, "float8up", [FLOAT8] => FLOAT8, wide!(|a: f64| -> f64 { a })),
    func!(223, "float8larger", [FLOAT8, FLOAT8] => FLOAT8, wide!(|a: f64, b: f64| -> f64 { if b.is_nan() || a < b { b } else { a } })),
    func!(224, "float8smaller", [FLOAT8, FLOAT8] => FLOAT8, wide!(|a: f64, b: f64| -> f64 { if a.is_nan() || b < a { b } else { a } })),
];
