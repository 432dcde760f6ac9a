//! Aggregates that fold one or two arguments into a small state per group.
//!
//! A state type says how a value is added ([`Fold`], [`Fold2`]); [`Folding`] and [`Folding2`] are their aggregates:
//! NULLs are skipped, rows are dealt to groups, results become a column.

use super::grouped::{Batch, PerGroup};
use crate::EvalContext;
use crate::kernel::{Arg, Res, combined_validity};
use crate::kernel_arity;
use quarry_common::{Error, Result};
use quarry_types::numeric::decimals::{DecimalScale, Decimals};
use quarry_types::{Rows, Vector};
use std::marker::PhantomData;

/// One group's state of an aggregate with one argument.
pub trait Fold: Clone + Default + Send + 'static {
    type In<'a>: Arg<'a>;
    type Out: Res;
    /// Whether `sub` undoes `add`.
    const RETRACT: bool = false;
    fn add(&mut self, value: Self::In<'_>) -> Result<()>;
    /// Adds the first `n` values of a column without NULLs: overridden where a tight loop pays.
    #[inline]
    fn add_all<'a>(&mut self, column: <Self::In<'a> as Arg<'a>>::Column, n: usize) -> Result<()> {
        for i in 0..n {
            self.add(Self::In::at(column, i))?;
        }
        Ok(())
    }
    /// Adds the values whose flag is true.
    #[inline]
    fn add_valid<'a>(&mut self, column: <Self::In<'a> as Arg<'a>>::Column, valid: &[bool]) -> Result<()> {
        for (i, ok) in valid.iter().enumerate() {
            if *ok {
                self.add(Self::In::at(column, i))?;
            }
        }
        Ok(())
    }
    /// The column as whole numbers, if it is numeric, has that form, and `add_decimal` adds it.
    #[inline]
    fn decimals<'a>(_: &'a Vector, _: Rows<'_>) -> Option<&'a Decimals> {
        None
    }
    /// Adds a value of [`Fold::decimals`].
    #[inline]
    fn add_decimal(&mut self, _value: i64, _scale: DecimalScale) {}
    /// Adds values of [`Fold::decimals`].
    #[inline]
    fn add_decimals(&mut self, _values: impl ExactSizeIterator<Item = i64> + Clone, _scale: DecimalScale) {}
    /// Whether the sum of some values and their number stand for them: [`Fold::add_decimal_sum`].
    const SUMS: bool = false;
    /// Adds what `n` values of [`Fold::decimals`] come to.
    #[inline]
    fn add_decimal_sum(&mut self, _sum: i64, _n: i64, _scale: DecimalScale) {}
    fn sub(&mut self, _value: Self::In<'_>) -> Result<()> {
        Err(Error::internal("this aggregate can't take rows out"))
    }
    fn merge(&mut self, other: &Self) -> Result<()>;
    /// None: NULL.
    fn finish(&self) -> Result<Option<Self::Out>>;
    /// The results of all these, if there is a faster way.
    fn finish_all(_: &[Self]) -> Option<Vector> {
        None
    }
    /// Memory beyond the state itself.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// The aggregate of a [`Fold`].
pub struct Folding<S> {
    state: PhantomData<S>,
}

impl<S> Default for Folding<S> {
    fn default() -> Self {
        Folding { state: PhantomData }
    }
}

impl<S: Fold> Folding<S> {
    /// Adds rows of a column of whole numbers; `group` gives the k-th row's group.
    #[inline(always)]
    fn add_whole(states: &mut [S], a: &Vector, d: &Decimals, rows: Rows<'_>, group: impl Fn(usize) -> usize) {
        let (values, scale) = (d.values(), d.scale());
        match (rows, a.validity()) {
            (Rows::All(n), None) => {
                for (i, v) in values[..n].iter().enumerate() {
                    states[group(i)].add_decimal(*v, scale);
                }
            }
            (rows, valid) => {
                for (k, i) in rows.iter().enumerate() {
                    if valid.is_none_or(|v| v[i]) {
                        states[group(k)].add_decimal(values[i], scale);
                    }
                }
            }
        }
    }
    /// Adds whole numbers to groups so few that their sums are made apart first, several beside each other: rows of one group follow each
    /// other often, and each would wait for the one before. False, and nothing added, where there are too many groups, or sums might not fit.
    fn add_to_few(states: &mut [S], values: &[i64], scale: DecimalScale, groups: &[u32]) -> bool {
        const GROUPS: usize = 16;
        const LANES: usize = 4;
        const ROWS: std::ops::RangeInclusive<usize> = 4 * GROUPS..=1 << 14;
        if states.len() > GROUPS || !ROWS.contains(&values.len()) || values.len() != groups.len() {
            return false;
        }
        let bits = values.iter().fold(0, |all, v| all | (v ^ (v >> 63)));
        if bits >= 1 << 48 {
            return false;
        }
        let (mut sums, mut counts) = ([[0i64; GROUPS]; LANES], [[0u32; GROUPS]; LANES]);
        for (values, groups) in values.chunks(LANES).zip(groups.chunks(LANES)) {
            for (lane, (value, group)) in values.iter().zip(groups).enumerate() {
                let group = *group as usize % GROUPS;
                sums[lane][group] += value;
                counts[lane][group] += 1;
            }
        }
        for (group, state) in states.iter_mut().enumerate() {
            let n: i64 = counts.iter().map(|c| i64::from(c[group])).sum();
            if n > 0 {
                state.add_decimal_sum(sums.iter().map(|s| s[group]).sum(), n, scale);
            }
        }
        true
    }
    /// Adds rows to the first state.
    fn add_to_one(states: &mut [S], a: &Vector, rows: Rows<'_>) -> Result<()> {
        if let Some(d) = S::decimals(a, rows) {
            match (rows, a.validity()) {
                (Rows::All(n), None) => states[0].add_decimals(d.values()[..n].iter().copied(), d.scale()),
                (Rows::Selected { positions, .. }, None) => {
                    states[0].add_decimals(positions.iter().map(|p| d.values()[*p as usize]), d.scale())
                }
                _ => Self::add_whole(states, a, d, rows, |_| 0),
            }
            return Ok(());
        }
        if let (Rows::All(n), false) = (rows, a.is_constant()) {
            let column = S::In::open(a, a.len());
            return match a.validity() {
                None => states[0].add_all(column, n),
                Some(valid) => states[0].add_valid(column, valid),
            };
        }
        Self::add_rows(states, a, rows, |_| 0)
    }
    fn add_rows(states: &mut [S], a: &Vector, rows: Rows<'_>, group: impl Fn(usize) -> usize) -> Result<()> {
        let stored = if a.is_constant() { 1 } else { a.len() };
        let column = S::In::open(a, stored);
        let valid = a.validity();
        for (k, i) in rows.iter().enumerate() {
            let slot = a.slot(i);
            if valid.is_none_or(|v| v[slot]) {
                states[group(k)].add(S::In::at(column, slot))?;
            }
        }
        Ok(())
    }
}

impl<S: Fold> PerGroup for Folding<S> {
    type State = S;
    const RETRACTS: bool = S::RETRACT;
    const MERGES: bool = true;
    fn empty(&self) -> S {
        S::default()
    }
    fn update(&mut self, states: &mut [S], _: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        let &[a] = batch.args else { return Err(kernel_arity()) };
        let rows = batch.rows;
        let Some(groups) = batch.groups else { return Self::add_to_one(states, a, rows) };
        if let Some(d) = S::decimals(a, rows) {
            let apart = match (rows, a.validity()) {
                (Rows::All(n), None) if S::SUMS => {
                    Self::add_to_few(states, &d.values()[..n], d.scale(), groups)
                }
                _ => false,
            };
            if !apart {
                Self::add_whole(states, a, d, rows, |k| groups[k] as usize);
            }
            return Ok(());
        }
        if let (Rows::All(_), false, None) = (rows, a.is_constant(), a.validity()) {
            let column = S::In::open(a, groups.len());
            for (i, group) in groups.iter().enumerate() {
                states[*group as usize].add(S::In::at(column, i))?;
            }
            return Ok(());
        }
        Self::add_rows(states, a, rows, |k| groups[k] as usize)
    }
    fn retract(&mut self, state: &mut S, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        let &[a] = args else { return Err(kernel_arity()) };
        let column = S::In::open(a, if a.is_constant() { 1 } else { a.len() });
        for i in rows.iter() {
            if !a.is_null(i) {
                state.sub(S::In::at(column, a.slot(i)))?;
            }
        }
        Ok(())
    }
    fn merge(&mut self, state: &mut S, other: S) -> Result<()> {
        state.merge(&other)
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[S]) -> Result<Vector> {
        S::finish_all(states).map_or_else(|| collect(states, S::finish), Ok)
    }
    fn heap_bytes(&self, states: &[S]) -> usize {
        // Of many states some stand for all: this is asked again and again while groups are made.
        let step = states.len().div_ceil(MEASURED).max(1);
        let sampled: usize = states.iter().step_by(step).map(S::heap_bytes).sum();
        sampled * step
    }
}

/// States whose memory is looked into.
const MEASURED: usize = 1024;

/// A result column from states.
pub fn collect<S, R: Res>(states: &[S], f: impl Fn(&S) -> Result<Option<R>>) -> Result<Vector> {
    let n = states.len();
    let mut store = R::store(n);
    let mut valid = Some(vec![true; n]);
    for (i, s) in states.iter().enumerate() {
        f(s)?.put(&mut store, &mut valid, i)?;
    }
    if valid.as_ref().is_some_and(|v| v.iter().all(|ok| *ok)) {
        valid = None;
    }
    Ok(R::vector(store, valid))
}

/// One group's state of an aggregate with two arguments; rows where either is NULL are skipped.
pub trait Fold2: Clone + Default + Send + 'static {
    type A<'a>: Arg<'a>;
    type B<'a>: Arg<'a>;
    fn add(&mut self, a: Self::A<'_>, b: Self::B<'_>) -> Result<()>;
    fn merge(&mut self, other: &Self) -> Result<()>;
}

/// The aggregate of a [`Fold2`] with one of its final functions.
pub struct Folding2<S, R> {
    finish: fn(&S) -> Result<Option<R>>,
}

impl<S, R> Folding2<S, R> {
    pub fn new(finish: fn(&S) -> Result<Option<R>>) -> Folding2<S, R> {
        Folding2 { finish }
    }
}

impl<S: Fold2, R: Res + 'static> PerGroup for Folding2<S, R> {
    type State = S;
    const MERGES: bool = true;
    fn empty(&self) -> S {
        S::default()
    }
    fn update(&mut self, states: &mut [S], _: &mut EvalContext<'_>, batch: Batch<'_>) -> Result<()> {
        let &[a, b] = batch.args else { return Err(kernel_arity()) };
        let (valid, none) = combined_validity([a, b].into_iter(), batch.rows.len());
        if none {
            return Ok(());
        }
        let ca = S::A::open(a, if a.is_constant() { 1 } else { a.len() });
        let cb = S::B::open(b, if b.is_constant() { 1 } else { b.len() });
        batch.each(states, |state, i| match valid.as_ref().is_none_or(|v| v[i]) {
            true => state.add(S::A::at(ca, a.slot(i)), S::B::at(cb, b.slot(i))),
            false => Ok(()),
        })
    }
    fn merge(&mut self, state: &mut S, other: S) -> Result<()> {
        state.merge(&other)
    }
    fn finish(&mut self, _: &mut EvalContext<'_>, states: &[S]) -> Result<Vector> {
        collect(states, self.finish)
    }
}
