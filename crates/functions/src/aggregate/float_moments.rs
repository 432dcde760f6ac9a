//! Sums, averages and variances of floats: Youngs and Cramer's updating formulas, as PostgreSQL's `float8_accum` uses.

use super::fold::Fold;
use super::folding_in_order;
use super::moments::{Avg, Moment, State, StdPop, StdSamp, Sums, VarPop, VarSamp};
use crate::kernel::Arg;
use crate::scalar::arithmetic::errors::float_overflow;
use crate::{Body, FunctionDef};
use quarry_common::Result;
use quarry_types::oids;
use std::marker::PhantomData;

macro_rules! float_sum {
    ($state:ident, $t:ty) => {
        #[derive(Clone, Default)]
        struct $state(Option<$t>);

        impl Fold for $state {
            type In<'a> = $t;
            type Out = $t;
            #[inline(always)]
            fn add(&mut self, value: $t) -> Result<()> {
                let Some(old) = self.0 else {
                    self.0 = Some(value);
                    return Ok(());
                };
                let sum = old + value;
                if sum.is_infinite() && !old.is_infinite() && !value.is_infinite() {
                    return Err(float_overflow());
                }
                self.0 = Some(sum);
                Ok(())
            }
            fn merge(&mut self, other: &Self) -> Result<()> {
                other.0.map_or(Ok(()), |v| self.add(v))
            }
            fn finish(&self) -> Result<Option<$t>> {
                Ok(self.0)
            }
        }
    };
}
float_sum!(SumFloat4, f32);
float_sum!(SumFloat8, f64);

/// Number of values, their sum and the sum of squared distances from their mean.
#[derive(Clone, Default)]
struct Moments {
    n: f64,
    sx: f64,
    sxx: f64,
}

impl Moments {
    fn add(&mut self, x: f64) -> Result<()> {
        let (old_n, old_sx) = (self.n, self.sx);
        self.n += 1.0;
        self.sx += x;
        if old_n == 0.0 {
            // A first value that isn't finite spoils the deviation from then on.
            if !x.is_finite() {
                self.sxx = f64::NAN;
            }
            return Ok(());
        }
        let distance = x * self.n - self.sx;
        self.sxx += distance * distance / (self.n * old_n);
        if self.sx.is_infinite() || self.sxx.is_infinite() {
            if !old_sx.is_infinite() && !x.is_infinite() {
                return Err(float_overflow());
            }
            self.sxx = f64::NAN;
        }
        Ok(())
    }
    fn merge(&mut self, other: &Moments) -> Result<()> {
        if other.n == 0.0 {
            return Ok(());
        }
        if self.n == 0.0 {
            *self = other.clone();
            return Ok(());
        }
        let n = self.n + other.n;
        let sx = self.sx + other.sx;
        if sx.is_infinite() && !self.sx.is_infinite() && !other.sx.is_infinite() {
            return Err(float_overflow());
        }
        let distance = self.sx / self.n - other.sx / other.n;
        let sxx = self.sxx + other.sxx + self.n * other.n * distance * distance / n;
        if sxx.is_infinite() && !self.sxx.is_infinite() && !other.sxx.is_infinite() {
            return Err(float_overflow());
        }
        *self = Moments { n, sx, sxx };
        Ok(())
    }
    fn average(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.sx / self.n)
    }
    fn variance(&self, sample: bool) -> Option<f64> {
        let divisor = if sample { self.n - 1.0 } else { self.n };
        (divisor > 0.0).then(|| self.sxx / divisor)
    }
}

/// [`Moments`] of values of type `T`.
struct Float<T>(Moments, PhantomData<fn() -> T>);

impl<T> Clone for Float<T> {
    fn clone(&self) -> Self {
        Float(self.0.clone(), PhantomData)
    }
}

impl<T> Default for Float<T> {
    fn default() -> Self {
        Float(Moments::default(), PhantomData)
    }
}

impl<T: for<'a> Arg<'a> + Into<f64> + 'static> Sums for Float<T> {
    type Value<'a> = T;
    #[inline(always)]
    fn add(&mut self, value: T) -> Result<()> {
        self.0.add(value.into())
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0)
    }
}

macro_rules! made_of {
    ($($moment:ident: $m:ident => $value:expr;)+) => {$(
        impl<T: 'static> Moment<Float<T>> for $moment {
            type Out = f64;
            fn of(sums: &Float<T>) -> Result<Option<f64>> {
                let $m = &sums.0;
                Ok($value)
            }
        }
    )+};
}
made_of! {
    Avg: m => m.average();
    VarPop: m => m.variance(false);
    VarSamp: m => m.variance(true);
    StdPop: m => m.variance(false).map(f64::sqrt);
    StdSamp: m => m.variance(true).map(f64::sqrt);
}

/// One row of the table: a moment of the values of a type.
macro_rules! moment {
    ($oid:literal, $name:literal, $arg:ident as $value:ty => $moment:ty) => {
        FunctionDef::new(
            $oid,
            $name,
            &[oids::$arg],
            oids::FLOAT8,
            Body::Aggregate(folding_in_order::<State<Float<$value>, $moment>>()),
        )
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        2110,
        "sum",
        &[oids::FLOAT4],
        oids::FLOAT4,
        Body::Aggregate(folding_in_order::<SumFloat4>()),
    ),
    FunctionDef::new(
        2111,
        "sum",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<SumFloat8>()),
    ),
    moment!(2104, "avg", FLOAT4 as f32 => Avg),
    moment!(2105, "avg", FLOAT8 as f64 => Avg),
    moment!(2721, "var_pop", FLOAT4 as f32 => VarPop),
    moment!(2722, "var_pop", FLOAT8 as f64 => VarPop),
    moment!(2644, "var_samp", FLOAT4 as f32 => VarSamp),
    moment!(2645, "var_samp", FLOAT8 as f64 => VarSamp),
    moment!(2151, "variance", FLOAT4 as f32 => VarSamp),
    moment!(2152, "variance", FLOAT8 as f64 => VarSamp),
    moment!(2727, "stddev_pop", FLOAT4 as f32 => StdPop),
    moment!(2728, "stddev_pop", FLOAT8 as f64 => StdPop),
    moment!(2715, "stddev_samp", FLOAT4 as f32 => StdSamp),
    moment!(2716, "stddev_samp", FLOAT8 as f64 => StdSamp),
    moment!(2157, "stddev", FLOAT4 as f32 => StdSamp),
    moment!(2158, "stddev", FLOAT8 as f64 => StdSamp),
];
