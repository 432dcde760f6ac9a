//! Sums, averages and variances of numeric, and the variances of integers, which PostgreSQL computes in numeric.

use super::folding;
use super::moments::{Avg, Moment, State, StdPop, StdSamp, Sum, Sums, VarPop, VarSamp};
use crate::kernel::Arg;
use crate::{Body, FunctionDef};
use quarry_common::{Error, Result};
use quarry_types::numeric::{Numeric, NumericAccumulator, NumericRef};
use quarry_types::oids;
use std::marker::PhantomData;

/// The sum of numeric values.
#[derive(Clone)]
struct Plain(NumericAccumulator);

impl Default for Plain {
    fn default() -> Self {
        Plain(NumericAccumulator::new())
    }
}

impl Sums for Plain {
    type Value<'a> = NumericRef<'a>;
    #[inline(always)]
    fn add(&mut self, value: NumericRef<'_>) -> Result<()> {
        self.0.add(value);
        Ok(())
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0);
        Ok(())
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
    Sum of Plain: s => s.sum();
    Avg of Plain: s => s.avg();
    VarPop of Squares<V>, V: s => s.variance(false);
    VarSamp of Squares<V>, V: s => s.variance(true);
    StdPop of Squares<V>, V: s => s.stddev(false);
    StdSamp of Squares<V>, V: s => s.stddev(true);
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2114,
        "sum",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Plain, Sum>>()),
    ),
    FunctionDef::new(
        2103,
        "avg",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Plain, Avg>>()),
    ),
    FunctionDef::new(
        2723,
        "var_pop",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, VarPop>>()),
    ),
    FunctionDef::new(
        2720,
        "var_pop",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, VarPop>>()),
    ),
    FunctionDef::new(
        2719,
        "var_pop",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, VarPop>>()),
    ),
    FunctionDef::new(
        2718,
        "var_pop",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, VarPop>>()),
    ),
    FunctionDef::new(
        2646,
        "var_samp",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, VarSamp>>()),
    ),
    FunctionDef::new(
        2643,
        "var_samp",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, VarSamp>>()),
    ),
    FunctionDef::new(
        2642,
        "var_samp",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, VarSamp>>()),
    ),
    FunctionDef::new(
        2641,
        "var_samp",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, VarSamp>>()),
    ),
    FunctionDef::new(
        2153,
        "variance",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, VarSamp>>()),
    ),
    FunctionDef::new(
        2150,
        "variance",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, VarSamp>>()),
    ),
    FunctionDef::new(
        2149,
        "variance",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, VarSamp>>()),
    ),
    FunctionDef::new(
        2148,
        "variance",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, VarSamp>>()),
    ),
    FunctionDef::new(
        2729,
        "stddev_pop",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, StdPop>>()),
    ),
    FunctionDef::new(
        2726,
        "stddev_pop",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, StdPop>>()),
    ),
    FunctionDef::new(
        2725,
        "stddev_pop",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, StdPop>>()),
    ),
    FunctionDef::new(
        2724,
        "stddev_pop",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, StdPop>>()),
    ),
    FunctionDef::new(
        2717,
        "stddev_samp",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, StdSamp>>()),
    ),
    FunctionDef::new(
        2714,
        "stddev_samp",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, StdSamp>>()),
    ),
    FunctionDef::new(
        2713,
        "stddev_samp",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, StdSamp>>()),
    ),
    FunctionDef::new(
        2712,
        "stddev_samp",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, StdSamp>>()),
    ),
    FunctionDef::new(
        2159,
        "stddev",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<Decimal>, StdSamp>>()),
    ),
    FunctionDef::new(
        2156,
        "stddev",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i16>, StdSamp>>()),
    ),
    FunctionDef::new(
        2155,
        "stddev",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i32>, StdSamp>>()),
    ),
    FunctionDef::new(
        2154,
        "stddev",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<State<Squares<i64>, StdSamp>>()),
    ),
];
