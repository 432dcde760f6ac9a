//! Sums, averages and variances of numeric, and the variances of integers, which PostgreSQL computes in numeric.

use super::fold::{Fold, Folding};
use super::{AggregateImpl, order_insensitive};
use crate::{Body, FunctionDef};
use quarry_common::Result;
use quarry_types::numeric::{Numeric, NumericAccumulator, NumericRef};
use quarry_types::oids;

macro_rules! over_numeric {
    ($($state:ident, $new:ident, $s:ident => $finish:expr;)+) => {$(
        #[derive(Clone)]
        struct $state(NumericAccumulator);

        impl Default for $state {
            fn default() -> Self {
                $state(NumericAccumulator::$new())
            }
        }

        impl Fold for $state {
            type In<'a> = NumericRef<'a>;
            type Out = Numeric;
            #[inline(always)]
            fn add(&mut self, value: NumericRef<'_>) -> Result<()> {
                self.0.add(value);
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                self.0.merge(&other.0);
                Ok(())
            }
            fn finish(&self) -> Result<Option<Numeric>> {
                let $s = &self.0;
                $finish
            }
        }
    )+};
}
over_numeric! {
    Sum, new, s => s.sum();
    Avg, new, s => s.avg();
    VarPop, with_squares, s => s.variance(false);
    VarSamp, with_squares, s => s.variance(true);
    StdPop, with_squares, s => s.stddev(false);
    StdSamp, with_squares, s => s.stddev(true);
}

macro_rules! over_int {
    ($($state:ident, $t:ty, $s:ident => $finish:expr;)+) => {$(
        #[derive(Clone)]
        struct $state(NumericAccumulator);

        impl Default for $state {
            fn default() -> Self {
                $state(NumericAccumulator::with_squares())
            }
        }

        impl Fold for $state {
            type In<'a> = $t;
            type Out = Numeric;
            const RETRACT: bool = true;
            #[inline(always)]
            fn add(&mut self, value: $t) -> Result<()> {
                self.0.add_i64(i64::from(value));
                Ok(())
            }
            fn sub(&mut self, value: $t) -> Result<()> {
                self.0.remove_i64(i64::from(value));
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                self.0.merge(&other.0);
                Ok(())
            }
            fn finish(&self) -> Result<Option<Numeric>> {
                let $s = &self.0;
                $finish
            }
        }
    )+};
}
over_int! {
    VarPop2, i16, s => s.variance(false);
    VarPop4, i32, s => s.variance(false);
    VarPop8, i64, s => s.variance(false);
    VarSamp2, i16, s => s.variance(true);
    VarSamp4, i32, s => s.variance(true);
    VarSamp8, i64, s => s.variance(true);
    StdPop2, i16, s => s.stddev(false);
    StdPop4, i32, s => s.stddev(false);
    StdPop8, i64, s => s.stddev(false);
    StdSamp2, i16, s => s.stddev(true);
    StdSamp4, i32, s => s.stddev(true);
    StdSamp8, i64, s => s.stddev(true);
}

const fn folding<S: Fold>() -> AggregateImpl {
    order_insensitive(|_| Ok(Box::new(Folding::<S>::default())))
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2114, "sum", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<Sum>())),
    FunctionDef::new(2103, "avg", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<Avg>())),
    FunctionDef::new(2723, "var_pop", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<VarPop>())),
    FunctionDef::new(2720, "var_pop", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<VarPop2>())),
    FunctionDef::new(2719, "var_pop", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<VarPop4>())),
    FunctionDef::new(2718, "var_pop", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<VarPop8>())),
    FunctionDef::new(
        2646,
        "var_samp",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<VarSamp>()),
    ),
    FunctionDef::new(2643, "var_samp", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<VarSamp2>())),
    FunctionDef::new(2642, "var_samp", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<VarSamp4>())),
    FunctionDef::new(2641, "var_samp", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<VarSamp8>())),
    FunctionDef::new(
        2153,
        "variance",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<VarSamp>()),
    ),
    FunctionDef::new(2150, "variance", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<VarSamp2>())),
    FunctionDef::new(2149, "variance", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<VarSamp4>())),
    FunctionDef::new(2148, "variance", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<VarSamp8>())),
    FunctionDef::new(
        2729,
        "stddev_pop",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<StdPop>()),
    ),
    FunctionDef::new(2726, "stddev_pop", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<StdPop2>())),
    FunctionDef::new(2725, "stddev_pop", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<StdPop4>())),
    FunctionDef::new(2724, "stddev_pop", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<StdPop8>())),
    FunctionDef::new(
        2717,
        "stddev_samp",
        &[oids::NUMERIC],
        oids::NUMERIC,
        Body::Aggregate(folding::<StdSamp>()),
    ),
    FunctionDef::new(
        2714,
        "stddev_samp",
        &[oids::INT2],
        oids::NUMERIC,
        Body::Aggregate(folding::<StdSamp2>()),
    ),
    FunctionDef::new(
        2713,
        "stddev_samp",
        &[oids::INT4],
        oids::NUMERIC,
        Body::Aggregate(folding::<StdSamp4>()),
    ),
    FunctionDef::new(
        2712,
        "stddev_samp",
        &[oids::INT8],
        oids::NUMERIC,
        Body::Aggregate(folding::<StdSamp8>()),
    ),
    FunctionDef::new(2159, "stddev", &[oids::NUMERIC], oids::NUMERIC, Body::Aggregate(folding::<StdSamp>())),
    FunctionDef::new(2156, "stddev", &[oids::INT2], oids::NUMERIC, Body::Aggregate(folding::<StdSamp2>())),
    FunctionDef::new(2155, "stddev", &[oids::INT4], oids::NUMERIC, Body::Aggregate(folding::<StdSamp4>())),
    FunctionDef::new(2154, "stddev", &[oids::INT8], oids::NUMERIC, Body::Aggregate(folding::<StdSamp8>())),
];
