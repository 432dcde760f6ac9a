//! Sums, averages and variances of numeric, and the variances of integers, which PostgreSQL computes in numeric.

use super::folding;
use super::moments::{Avg, Moment, State, StdPop, StdSamp, Sum, Sums, VarPop, VarSamp};
use crate::kernel::{Arg, decimals};
use crate::{Body, FunctionDef};
use quarry_common::{Error, Result};
use quarry_types::numeric::decimals::{DecimalScale, Decimals};
use quarry_types::numeric::{Numeric, NumericAccumulator, NumericRef, NumericSum};
use quarry_types::{Rows, Vector, oids};
use std::marker::PhantomData;

/// The sum of numeric values.
#[derive(Clone, Default)]
struct Plain(NumericSum);

impl Sums for Plain {
    type Value<'a> = NumericRef<'a>;
    #[inline(always)]
    fn add(&mut self, value: NumericRef<'_>) -> Result<()> {
        self.0.add(value);
        Ok(())
    }
    #[inline(always)]
    fn decimals<'a>(v: &'a Vector, rows: Rows<'_>) -> Option<&'a Decimals> {
        decimals::column(v, rows)
    }
    #[inline(always)]
    fn add_decimal(&mut self, value: i64, scale: DecimalScale) {
        self.0.add_decimal(value, scale);
    }
    #[inline(always)]
    fn add_decimals(&mut self, values: impl ExactSizeIterator<Item = i64> + Clone, scale: DecimalScale) {
        self.0.add_decimals(values, scale);
    }
    #[inline]
    fn add_decimal_sum(&mut self, sum: i64, n: i64, scale: DecimalScale) {
        self.0.add_decimal_sum(sum, n, scale);
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0);
        Ok(())
    }
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl Moment<Plain> for Sum {
    type Out = Numeric;
    fn of(sums: &Plain) -> Result<Option<Numeric>> {
        sums.0.sum()
    }
    /// Whole numbers at one scale, where all sums are.
    fn column<'a>(sums: impl ExactSizeIterator<Item = &'a Plain> + Clone) -> Option<Vector> {
        let (_, scale) = sums.clone().find_map(|s| s.0.whole())?;
        let mut values = Vec::with_capacity(sums.len());
        let mut valid: Option<Vec<bool>> = None;
        let n = sums.len();
        for (i, s) in sums.enumerate() {
            match s.0.whole() {
                Some((value, other)) if other == scale => values.push(value),
                None if s.0.is_empty() => {
                    values.push(0);
                    valid.get_or_insert_with(|| vec![true; n])[i] = false;
                }
                _ => return None,
            }
        }
        Some(decimals::vector(Decimals::shown(scale.0, scale.1, values)?, valid))
    }
}

/// Values whose squares are added up in numeric.
trait Squared: 'static {
    type Value<'a>: Arg<'a>;
    const RETRACT: bool;
    fn add(sums: &mut NumericAccumulator, value: Self::Value<'_>);
    fn remove(sums: &mut NumericAccumulator, value: Self::Value<'_>) -> Result<()>;
}

struct Decimal;

impl Squared for Decimal {
    type Value<'a> = NumericRef<'a>;
    // Taking a value out would need the largest scale of those that stay.
    const RETRACT: bool = false;
    #[inline(always)]
    fn add(sums: &mut NumericAccumulator, value: NumericRef<'_>) {
        sums.add(value);
    }
    fn remove(_: &mut NumericAccumulator, _: NumericRef<'_>) -> Result<()> {
        Err(Error::internal("numeric values can't be taken out of a sum"))
    }
}

impl<T: for<'a> Arg<'a> + Into<i64> + 'static> Squared for T {
    type Value<'a> = T;
    const RETRACT: bool = true;
    #[inline(always)]
    fn add(sums: &mut NumericAccumulator, value: T) {
        sums.add_i64(value.into());
    }
    fn remove(sums: &mut NumericAccumulator, value: T) -> Result<()> {
        sums.remove_i64(value.into());
        Ok(())
    }
}

/// The sum of values and of their squares.
struct Squares<V>(NumericAccumulator, PhantomData<fn() -> V>);

impl<V> Clone for Squares<V> {
    fn clone(&self) -> Self {
        Squares(self.0.clone(), PhantomData)
    }
}

impl<V> Default for Squares<V> {
    fn default() -> Self {
        Squares(NumericAccumulator::with_squares(), PhantomData)
    }
}

impl<V: Squared> Sums for Squares<V> {
    type Value<'a> = V::Value<'a>;
    const RETRACT: bool = V::RETRACT;
    #[inline(always)]
    fn add(&mut self, value: V::Value<'_>) -> Result<()> {
        V::add(&mut self.0, value);
        Ok(())
    }
    fn sub(&mut self, value: V::Value<'_>) -> Result<()> {
        V::remove(&mut self.0, value)
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0);
        Ok(())
    }
}

macro_rules! made_of {
    ($($moment:ident of $sums:ty $(, $v:ident)?: $s:ident => $value:expr;)+) => {$(
        impl$(<$v: Squared>)? Moment<$sums> for $moment {
            type Out = Numeric;
            fn of(sums: &$sums) -> Result<Option<Numeric>> {
                let $s = &sums.0;
                $value
            }
        }
    )+};
}
made_of! {
    Avg of Plain: s => s.avg();
    VarPop of Squares<V>, V: s => s.variance(false);
    VarSamp of Squares<V>, V: s => s.variance(true);
    StdPop of Squares<V>, V: s => s.stddev(false);
    StdSamp of Squares<V>, V: s => s.stddev(true);
}

/// One row of the table: a moment of the squares of values of a type.
macro_rules! moment {
    ($oid:literal, $name:literal, $arg:ident as $value:ty => $moment:ty) => {
        FunctionDef::new(
            $oid,
            $name,
            &[oids::$arg],
            oids::NUMERIC,
            Body::Aggregate(folding::<State<Squares<$value>, $moment>>()),
        )
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2114,
        "sum",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Plain, Sum>>()),
    )
    .total(),
    FunctionDef::new(
        2103,
        "avg",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Plain, Avg>>()),
    )
    .total(),
    moment!(2723, "var_pop", NUMERIC as Decimal => VarPop),
    moment!(2720, "var_pop", INT2 as i16 => VarPop),
    moment!(2719, "var_pop", INT4 as i32 => VarPop),
    moment!(2718, "var_pop", INT8 as i64 => VarPop),
    moment!(2646, "var_samp", NUMERIC as Decimal => VarSamp),
    moment!(2643, "var_samp", INT2 as i16 => VarSamp),
    moment!(2642, "var_samp", INT4 as i32 => VarSamp),
    moment!(2641, "var_samp", INT8 as i64 => VarSamp),
    moment!(2153, "variance", NUMERIC as Decimal => VarSamp),
    moment!(2150, "variance", INT2 as i16 => VarSamp),
    moment!(2149, "variance", INT4 as i32 => VarSamp),
    moment!(2148, "variance", INT8 as i64 => VarSamp),
    moment!(2729, "stddev_pop", NUMERIC as Decimal => StdPop),
    moment!(2726, "stddev_pop", INT2 as i16 => StdPop),
    moment!(2725, "stddev_pop", INT4 as i32 => StdPop),
    moment!(2724, "stddev_pop", INT8 as i64 => StdPop),
    moment!(2717, "stddev_samp", NUMERIC as Decimal => StdSamp),
    moment!(2714, "stddev_samp", INT2 as i16 => StdSamp),
    moment!(2713, "stddev_samp", INT4 as i32 => StdSamp),
    moment!(2712, "stddev_samp", INT8 as i64 => StdSamp),
    moment!(2159, "stddev", NUMERIC as Decimal => StdSamp),
    moment!(2156, "stddev", INT2 as i16 => StdSamp),
    moment!(2155, "stddev", INT4 as i32 => StdSamp),
    moment!(2154, "stddev", INT8 as i64 => StdSamp),
];
