//! Arithmetic and mathematics on numeric.

use crate::kernel::decimals;
use crate::{FunctionDef, ScalarImpl, fast, func, scalar};
use quarry_common::Result;
use quarry_types::numeric::decimals as whole;
use quarry_types::numeric::{Numeric, NumericRef};

macro_rules! one {
    ($a:ident => $e:expr) => {
        scalar!(|$a: NumericRef<'_>| -> Result<Numeric> { $e })
    };
}
macro_rules! two {
    ($a:ident, $b:ident => $e:expr) => {
        scalar!(|$a: NumericRef<'_>, $b: NumericRef<'_>| -> Result<Numeric> { $e })
    };
}

/// An operator that has a fast form over whole columns.
macro_rules! quick {
    ($fast:path, $a:ident, $b:ident => $e:expr) => {
        fast!(two!($a, $b => $e), |args, rows| decimals::binary(args, rows, $fast))
    };
}
const NEGATED: ScalarImpl = fast!(one!(a => Ok(a.neg())), |args, rows| decimals::neg(args, rows));

const REMAINDER: ScalarImpl = two!(a, b => a.rem(b));
const ABS: ScalarImpl = one!(a => Ok(a.abs()));
const CEIL: ScalarImpl = one!(a => a.ceil());
const FLOOR: ScalarImpl = one!(a => a.floor());
const POWER: ScalarImpl = two!(a, b => a.power(b));
const SQRT: ScalarImpl = one!(a => a.sqrt());
const EXP: ScalarImpl = one!(a => a.exp());
const LN: ScalarImpl = one!(a => a.ln());
const LOG10: ScalarImpl = one!(a => a.log10());
const LOG: ScalarImpl = two!(base, a => a.log(base));
const DIV: ScalarImpl = two!(a, b => a.div_trunc(b));

/// Adds one, as the pseudo-aggregates of PostgreSQL's tests do.
fn increment(a: NumericRef<'_>) -> Result<Numeric> {
    a.add(Numeric::from_i64(1).view())
}

fn factorial(n: i64) -> Result<Numeric> {
    Numeric::factorial(n)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1724, "numeric_add", [NUMERIC, NUMERIC] => NUMERIC, quick!(whole::add, a, b => a.add(b))).total(),
    func!(1725, "numeric_sub", [NUMERIC, NUMERIC] => NUMERIC, quick!(whole::sub, a, b => a.sub(b))).total(),
    func!(1726, "numeric_mul", [NUMERIC, NUMERIC] => NUMERIC, quick!(whole::mul, a, b => a.mul(b))).total(),
    func!(1727, "numeric_div", [NUMERIC, NUMERIC] => NUMERIC, quick!(whole::div, a, b => a.div(b))),
    func!(1729, "numeric_mod", [NUMERIC, NUMERIC] => NUMERIC, REMAINDER),
    func!(1728, "mod", [NUMERIC, NUMERIC] => NUMERIC, REMAINDER),
    func!(1980, "numeric_div_trunc", [NUMERIC, NUMERIC] => NUMERIC, DIV),
    func!(1973, "div", [NUMERIC, NUMERIC] => NUMERIC, DIV),
    func!(1771, "numeric_uminus", [NUMERIC] => NUMERIC, NEGATED).total(),
    func!(1915, "numeric_uplus", [NUMERIC] => NUMERIC, one!(a => Ok(a.to_numeric()))).total(),
    func!(1704, "numeric_abs", [NUMERIC] => NUMERIC, ABS).total(),
    func!(1705, "abs", [NUMERIC] => NUMERIC, ABS).total(),
    func!(1706, "sign", [NUMERIC] => NUMERIC, one!(a => Ok(a.sign()))).total(),
    func!(1707, "round", [NUMERIC, INT4] => NUMERIC, scalar!(|a: NumericRef<'_>, scale: i32| -> Result<Numeric> { a.round(scale) })).total(),
    func!(1708, "round", [NUMERIC] => NUMERIC, one!(a => a.round(0))).total(),
    func!(1709, "trunc", [NUMERIC, INT4] => NUMERIC, scalar!(|a: NumericRef<'_>, scale: i32| -> Result<Numeric> { a.trunc(scale) })).total(),
    func!(1710, "trunc", [NUMERIC] => NUMERIC, one!(a => a.trunc(0))).total(),
    func!(1711, "ceil", [NUMERIC] => NUMERIC, CEIL).total(),
    func!(2167, "ceiling", [NUMERIC] => NUMERIC, CEIL).total(),
    func!(1712, "floor", [NUMERIC] => NUMERIC, FLOOR).total(),
    func!(1731, "numeric_sqrt", [NUMERIC] => NUMERIC, SQRT),
    func!(1730, "sqrt", [NUMERIC] => NUMERIC, SQRT),
    func!(1733, "numeric_exp", [NUMERIC] => NUMERIC, EXP),
    func!(1732, "exp", [NUMERIC] => NUMERIC, EXP),
    func!(1735, "numeric_ln", [NUMERIC] => NUMERIC, LN),
    func!(1734, "ln", [NUMERIC] => NUMERIC, LN),
    func!(1737, "numeric_log", [NUMERIC, NUMERIC] => NUMERIC, LOG),
    func!(1736, "log", [NUMERIC, NUMERIC] => NUMERIC, LOG),
    func!(1741, "log", [NUMERIC] => NUMERIC, LOG10),
    func!(1481, "log10", [NUMERIC] => NUMERIC, LOG10),
    func!(1739, "numeric_power", [NUMERIC, NUMERIC] => NUMERIC, POWER),
    func!(1738, "pow", [NUMERIC, NUMERIC] => NUMERIC, POWER),
    func!(2169, "power", [NUMERIC, NUMERIC] => NUMERIC, POWER),
    func!(1764, "numeric_inc", [NUMERIC] => NUMERIC, one!(a => increment(a))).total(),
    func!(3281, "scale", [NUMERIC] => INT4, scalar!(|a: NumericRef<'_>| -> Option<i32> { a.scale() })),
    func!(5042, "min_scale", [NUMERIC] => INT4, scalar!(|a: NumericRef<'_>| -> Option<i32> { a.min_scale() })),
    func!(5043, "trim_scale", [NUMERIC] => NUMERIC, one!(a => a.trim_scale())),
    func!(5048, "gcd", [NUMERIC, NUMERIC] => NUMERIC, two!(a, b => a.gcd(b))),
    func!(5049, "lcm", [NUMERIC, NUMERIC] => NUMERIC, two!(a, b => a.lcm(b))),
    func!(1376, "factorial", [INT8] => NUMERIC, scalar!(|n: i64| -> Result<Numeric> { factorial(n) })),
    func!(2170, "width_bucket", [NUMERIC, NUMERIC, NUMERIC, INT4] => INT4, scalar!(
        |a: NumericRef<'_>, low: NumericRef<'_>, high: NumericRef<'_>, count: i32| -> Result<i32> { a.width_bucket(low, high, count) }
    )),
];
