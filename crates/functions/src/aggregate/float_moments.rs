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
    FunctionDef::new(
        2104,
        "avg",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, Avg>>()),
    ),
    FunctionDef::new(
        2105,
        "avg",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, Avg>>()),
    ),
    FunctionDef::new(
        2721,
        "var_pop",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, VarPop>>()),
    ),
    FunctionDef::new(
        2722,
        "var_pop",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, VarPop>>()),
    ),
    FunctionDef::new(
        2644,
        "var_samp",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, VarSamp>>()),
    ),
    FunctionDef::new(
        2645,
        "var_samp",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, VarSamp>>()),
    ),
    FunctionDef::new(
        2151,
        "variance",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, VarSamp>>()),
    ),
    FunctionDef::new(
        2152,
        "variance",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, VarSamp>>()),
    ),
    FunctionDef::new(
        2727,
        "stddev_pop",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, StdPop>>()),
    ),
    FunctionDef::new(
        2728,
        "stddev_pop",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, StdPop>>()),
    ),
    FunctionDef::new(
        2715,
        "stddev_samp",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, StdSamp>>()),
    ),
    FunctionDef::new(
        2716,
        "stddev_samp",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, StdSamp>>()),
    ),
    FunctionDef::new(
        2157,
        "stddev",
        &[oids::FLOAT4],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f32>, StdSamp>>()),
    ),
    FunctionDef::new(
        2158,
        "stddev",
        &[oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(folding_in_order::<State<Float<f64>, StdSamp>>()),
    ),
];
