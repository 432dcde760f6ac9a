//! Two-argument statistics: `corr`, `covar_*`, `regr_*`. Arguments come as (Y, X). Formulas as PostgreSQL's
//! `float8_regr_accum`.

use super::fold::{Fold2, Folding2};
use super::grouped::grouped;
use super::order_sensitive;
use crate::scalar::arithmetic::errors::float_overflow;
use crate::{AggregateImpl, Body, FunctionDef};
use quarry_common::Result;
use quarry_types::oids;

/// Number, sums and sums of products of the distances from the means.
#[derive(Clone, Default)]
struct Regression {
    n: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    syy: f64,
    sxy: f64,
}

impl Fold2 for Regression {
    type A<'a> = f64;
    type B<'a> = f64;

    fn add(&mut self, y: f64, x: f64) -> Result<()> {
        let (old_n, old_sx, old_sy) = (self.n, self.sx, self.sy);
        self.n += 1.0;
        self.sx += x;
        self.sy += y;
        if old_n == 0.0 {
            if !x.is_finite() {
                (self.sxx, self.sxy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.syy, self.sxy) = (f64::NAN, f64::NAN);
            }
            return Ok(());
        }
        let (dx, dy) = (x * self.n - self.sx, y * self.n - self.sy);
        let scale = 1.0 / (self.n * old_n);
        self.sxx += dx * dx * scale;
        self.syy += dy * dy * scale;
        self.sxy += dx * dy * scale;
        if [self.sx, self.sxx, self.sy, self.syy, self.sxy].iter().any(|v| v.is_infinite()) {
            let x_finite = !old_sx.is_infinite() && !x.is_infinite();
            let y_finite = !old_sy.is_infinite() && !y.is_infinite();
            if ((self.sx.is_infinite() || self.sxx.is_infinite()) && x_finite)
                || ((self.sy.is_infinite() || self.syy.is_infinite()) && y_finite)
                || (self.sxy.is_infinite() && x_finite && y_finite)
            {
                return Err(float_overflow());
            }
            for v in [&mut self.sxx, &mut self.syy, &mut self.sxy] {
                if v.is_infinite() {
                    *v = f64::NAN;
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &Regression) -> Result<()> {
        if other.n == 0.0 {
            return Ok(());
        }
        if self.n == 0.0 {
            *self = other.clone();
            return Ok(());
        }
        let n = self.n + other.n;
        let (dx, dy) = (self.sx / self.n - other.sx / other.n, self.sy / self.n - other.sy / other.n);
        let weight = self.n * other.n / n;
        let sum = Regression {
            n,
            sx: self.sx + other.sx,
            sxx: self.sxx + other.sxx + weight * dx * dx,
            sy: self.sy + other.sy,
            syy: self.syy + other.syy + weight * dy * dy,
            sxy: self.sxy + other.sxy + weight * dx * dy,
        };
        let parts = |r: &Regression| [r.sx, r.sxx, r.sy, r.syy, r.sxy];
        let inputs = parts(self).into_iter().zip(parts(other));
        if parts(&sum)
            .iter()
            .zip(inputs)
            .any(|(v, (a, b))| v.is_infinite() && !a.is_infinite() && !b.is_infinite())
        {
            return Err(float_overflow());
        }
        *self = sum;
        Ok(())
    }
}

impl Regression {
    fn at_least(&self, n: f64, f: impl FnOnce() -> f64) -> Result<Option<f64>> {
        Ok((self.n >= n).then(f))
    }
    /// For what is undefined where all X are equal.
    fn sloped(&self, f: impl FnOnce() -> f64) -> Result<Option<f64>> {
        Ok((self.n >= 1.0 && self.sxx != 0.0).then(f))
    }
}

macro_rules! regression {
    ($s:ident => $out:ty: $finish:expr) => {
        order_sensitive(|_| {
            grouped(Folding2::<Regression, $out>::new(|$s: &Regression| -> Result<Option<$out>> { $finish }))
        })
    };
}

const COUNT: AggregateImpl = regression!(s => i64: Ok(Some(s.n as i64)));
const SXX: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.sxx));
const SYY: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.syy));
const SXY: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.sxy));
const AVGX: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.sx / s.n));
const AVGY: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.sy / s.n));
const COVAR_POP: AggregateImpl = regression!(s => f64: s.at_least(1.0, || s.sxy / s.n));
const COVAR_SAMP: AggregateImpl = regression!(s => f64: s.at_least(2.0, || s.sxy / (s.n - 1.0)));
const SLOPE: AggregateImpl = regression!(s => f64: s.sloped(|| s.sxy / s.sxx));
const INTERCEPT: AggregateImpl = regression!(s => f64: s.sloped(|| (s.sy - s.sx * s.sxy / s.sxx) / s.n));
const R2: AggregateImpl = regression!(s => f64: s.sloped(|| {
    if s.syy == 0.0 { 1.0 } else { (s.sxy * s.sxy) / (s.sxx * s.syy) }
}));
const CORR: AggregateImpl = regression!(s => f64: {
    if s.syy == 0.0 { Ok(None) } else { s.sloped(|| s.sxy / (s.sxx * s.syy).sqrt()) }
});

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(2818, "regr_count", &[oids::FLOAT8, oids::FLOAT8], oids::INT8, Body::Aggregate(COUNT)),
    FunctionDef::new(2819, "regr_sxx", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(SXX)),
    FunctionDef::new(2820, "regr_syy", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(SYY)),
    FunctionDef::new(2821, "regr_sxy", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(SXY)),
    FunctionDef::new(2822, "regr_avgx", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(AVGX)),
    FunctionDef::new(2823, "regr_avgy", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(AVGY)),
    FunctionDef::new(2824, "regr_r2", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(R2)),
    FunctionDef::new(2825, "regr_slope", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(SLOPE)),
    FunctionDef::new(
        2826,
        "regr_intercept",
        &[oids::FLOAT8, oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(INTERCEPT),
    ),
    FunctionDef::new(
        2827,
        "covar_pop",
        &[oids::FLOAT8, oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(COVAR_POP),
    ),
    FunctionDef::new(
        2828,
        "covar_samp",
        &[oids::FLOAT8, oids::FLOAT8],
        oids::FLOAT8,
        Body::Aggregate(COVAR_SAMP),
    ),
    FunctionDef::new(2829, "corr", &[oids::FLOAT8, oids::FLOAT8], oids::FLOAT8, Body::Aggregate(CORR)),
];
