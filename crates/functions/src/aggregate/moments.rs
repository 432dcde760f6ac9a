//! Averages and variances: sums kept for each group, and a number made of them at the end.
//!
//! [`Sums`] say how values are added up, [`Moment`] what is made of the sums; [`State`] is the aggregate of the two.

use super::fold::Fold;
use crate::kernel::{Arg, Res};
use quarry_common::{Error, Result};
use quarry_types::numeric::decimals::{DecimalScale, Decimals};
use quarry_types::{Rows, Vector};
use std::marker::PhantomData;

/// What is kept for a group.
pub trait Sums: Clone + Default + Send + 'static {
    type Value<'a>: Arg<'a>;
    /// Whether `sub` undoes `add`.
    const RETRACT: bool = false;
    fn add(&mut self, value: Self::Value<'_>) -> Result<()>;
    /// See [`Fold::decimals`].
    #[inline]
    fn decimals<'a>(_: &'a Vector, _: Rows<'_>) -> Option<&'a Decimals> {
        None
    }
    /// See [`Fold::add_decimal`].
    #[inline]
    fn add_decimal(&mut self, _value: i64, _scale: DecimalScale) {}
    /// See [`Fold::add_decimals`].
    #[inline]
    fn add_decimals(&mut self, _values: impl ExactSizeIterator<Item = i64> + Clone, _scale: DecimalScale) {}
    /// See [`Fold::add_decimal_sum`].
    #[inline]
    fn add_decimal_sum(&mut self, _sum: i64, _n: i64, _scale: DecimalScale) {}
    fn sub(&mut self, _value: Self::Value<'_>) -> Result<()> {
        Err(Error::internal("these sums can't take values out"))
    }
    fn merge(&mut self, other: &Self) -> Result<()>;
    /// See [`Fold::heap_bytes`].
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// What is made of the sums; none: NULL.
pub trait Moment<S: 'static>: 'static {
    type Out: Res;
    fn of(sums: &S) -> Result<Option<Self::Out>>;
    /// All groups' at once, if there is a faster way.
    fn column<'a>(_: impl ExactSizeIterator<Item = &'a S> + Clone) -> Option<Vector> {
        None
    }
}

pub struct Sum;
pub struct Avg;
pub struct VarPop;
pub struct VarSamp;
pub struct StdPop;
pub struct StdSamp;

/// The state of an aggregate that makes an `M` of `S`.
pub struct State<S, M>(S, PhantomData<fn() -> M>);

impl<S: Default, M> Default for State<S, M> {
    fn default() -> Self {
        State(S::default(), PhantomData)
    }
}

impl<S: Clone, M> Clone for State<S, M> {
    fn clone(&self) -> Self {
        State(self.0.clone(), PhantomData)
    }
}

impl<S: Sums, M: Moment<S>> Fold for State<S, M> {
    type In<'a> = S::Value<'a>;
    type Out = M::Out;
    const RETRACT: bool = S::RETRACT;
    const SUMS: bool = true;
    #[inline(always)]
    fn add(&mut self, value: S::Value<'_>) -> Result<()> {
        self.0.add(value)
    }
    #[inline(always)]
    fn decimals<'a>(v: &'a Vector, rows: Rows<'_>) -> Option<&'a Decimals> {
        S::decimals(v, rows)
    }
    #[inline(always)]
    fn add_decimal(&mut self, value: i64, scale: DecimalScale) {
        self.0.add_decimal(value, scale);
    }
    #[inline(always)]
    fn add_decimals(&mut self, values: impl ExactSizeIterator<Item = i64> + Clone, scale: DecimalScale) {
        self.0.add_decimals(values, scale);
    }
    #[inline(always)]
    fn add_decimal_sum(&mut self, sum: i64, n: i64, scale: DecimalScale) {
        self.0.add_decimal_sum(sum, n, scale);
    }
    fn sub(&mut self, value: S::Value<'_>) -> Result<()> {
        self.0.sub(value)
    }
    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0)
    }
    fn finish(&self) -> Result<Option<M::Out>> {
        M::of(&self.0)
    }
    fn finish_all(states: &[Self]) -> Option<Vector> {
        M::column(states.iter().map(|s| &s.0))
    }
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}
