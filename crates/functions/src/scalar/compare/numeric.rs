//! Comparison of numeric.

use crate::kernel::decimals;
use crate::{FunctionDef, fast, func, scalar};
use quarry_types::numeric::decimals::Test;
use quarry_types::numeric::{Numeric, NumericRef};
use std::cmp::Ordering;

/// A comparison, which has a fast form over whole columns.
macro_rules! test {
    ($test:ident, $a:ident, $b:ident => $e:expr) => {
        fast!(scalar!(|$a: NumericRef<'_>, $b: NumericRef<'_>| -> bool { $e }), |args, rows| {
            decimals::compare(args, rows, Test::$test)
        })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1718, "numeric_eq", [NUMERIC, NUMERIC] => BOOL, test!(Equal, a, b => a.compare(b) == Ordering::Equal)),
    func!(1719, "numeric_ne", [NUMERIC, NUMERIC] => BOOL, test!(Different, a, b => a.compare(b) != Ordering::Equal)),
    func!(1722, "numeric_lt", [NUMERIC, NUMERIC] => BOOL, test!(Less, a, b => a.compare(b) == Ordering::Less)),
    func!(1720, "numeric_gt", [NUMERIC, NUMERIC] => BOOL, test!(Greater, a, b => a.compare(b) == Ordering::Greater)),
    func!(1723, "numeric_le", [NUMERIC, NUMERIC] => BOOL, test!(LessEqual, a, b => a.compare(b) != Ordering::Greater)),
    func!(1721, "numeric_ge", [NUMERIC, NUMERIC] => BOOL, test!(GreaterEqual, a, b => a.compare(b) != Ordering::Less)),
    func!(1769, "numeric_cmp", [NUMERIC, NUMERIC] => INT4, scalar!(|a: NumericRef<'_>, b: NumericRef<'_>| -> i32 { a.compare(b) as i32 })),
    func!(1767, "numeric_larger", [NUMERIC, NUMERIC] => NUMERIC, scalar!(|a: NumericRef<'_>, b: NumericRef<'_>| -> Numeric {
        if a.compare(b) == Ordering::Greater { a.to_numeric() } else { b.to_numeric() }
    })),
    func!(1766, "numeric_smaller", [NUMERIC, NUMERIC] => NUMERIC, scalar!(|a: NumericRef<'_>, b: NumericRef<'_>| -> Numeric {
        if a.compare(b) == Ordering::Less { a.to_numeric() } else { b.to_numeric() }
    })),
];
