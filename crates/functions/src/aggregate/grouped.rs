//! The frame of accumulators that keep one state for each group.
//!
//! A [`PerGroup`] says what an aggregate's states are, how rows are added and how results are made; [`Grouped`] numbers the states and is
//! the accumulator.

use super::Accumulator;
use crate::EvalContext;
use quarry_common::{Error, Oid, Result};
use quarry_types::{Datum, Rows, Vector};
use std::any::Any;

/// Rows that are added at once.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub args: &'a [&'a Vector],
    pub rows: Rows<'a>,
    /// The group of the k-th of the rows; none: all belong to group 0.
    pub groups: Option<&'a [u32]>,
}

impl Batch<'_> {
    /// Calls `f` for each row with its group's state.
    #[inline(always)]
    pub fn each<S>(&self, states: &mut [S], mut f: impl FnMut(&mut S, usize) -> Result<()>) -> Result<()> {
        match self.groups {
            Some(groups) => {
                for (row, group) in self.rows.iter().zip(groups) {
                    f(&mut states[*group as usize], row)?;
                }
            }
            None => {
                for row in self.rows.iter() {
                    f(&mut states[0], row)?;
                }
            }
        }
        Ok(())
    }
}

/// What an aggregate does with its groups' states.
pub trait PerGroup: Sized + Send + 'static {
    /// What is kept of a group.
    type State: Send;
    /// Whether rows can be taken out.
    const RETRACTS: bool = false;
    /// Whether another accumulator's states can be added.
    const MERGES: bool = false;
    /// The state of a group without rows.
    fn empty(&self) -> Self::State;
    /// Adds rows; `states` has all groups.
    fn update(
        &mut self,
        states: &mut [Self::State],
        cx: &mut EvalContext<'_>,
        batch: Batch<'_>,
    ) -> Result<()>;
    /// Takes rows out of a group again. Where `RETRACTS`.
    fn retract(&mut self, _: &mut Self::State, _args: &[&Vector], _rows: Rows<'_>) -> Result<()> {
        Err(Error::internal("this aggregate can't take rows out"))
    }
    /// Takes over what another accumulator has found out, before its states are merged.
    fn learn(&mut self, _other: &Self) {}
    /// Adds a state of another accumulator. Where `MERGES`.
    fn merge(&mut self, _: &mut Self::State, _other: Self::State) -> Result<()> {
        Err(Error::internal("this aggregate can't be merged"))
    }
    /// The results of some groups. States stay as they are.
    fn finish(&mut self, cx: &mut EvalContext<'_>, states: &[Self::State]) -> Result<Vector>;
    /// Memory beyond the states themselves, in bytes.
    fn heap_bytes(&self, _states: &[Self::State]) -> usize {
        0
    }
}

/// The accumulator of a [`PerGroup`].
pub struct Grouped<P: PerGroup> {
    aggregate: P,
    states: Vec<P::State>,
}

/// The accumulator of an aggregate, without groups.
pub fn grouped<P: PerGroup>(aggregate: P) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(Grouped { aggregate, states: Vec::new() }))
}

impl<P: PerGroup> Accumulator for Grouped<P> {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.states.resize_with(groups, || self.aggregate.empty());
        Ok(())
    }
    fn update(
        &mut self,
        cx: &mut EvalContext<'_>,
        args: &[&Vector],
        rows: Rows<'_>,
        groups: &[u32],
    ) -> Result<()> {
        self.aggregate.update(&mut self.states, cx, Batch { args, rows, groups: Some(groups) })
    }
    fn update_single(&mut self, cx: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        self.aggregate.update(&mut self.states, cx, Batch { args, rows, groups: None })
    }
    fn retract(&mut self, _: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>) -> Result<()> {
        self.aggregate.retract(&mut self.states[0], args, rows)
    }
    fn can_retract(&self) -> bool {
        P::RETRACTS
    }
    fn merge(&mut self, other: Box<dyn Accumulator>, map: &[u32]) -> Result<()> {
        let other = other.into_any().downcast::<Self>();
        let other = other.map_err(|_| Error::internal("accumulators of different aggregates merged"))?;
        self.aggregate.learn(&other.aggregate);
        for (state, group) in other.states.into_iter().zip(map) {
            self.aggregate.merge(&mut self.states[*group as usize], state)?;
        }
        Ok(())
    }
    fn can_merge(&self) -> bool {
        P::MERGES
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn finish(&mut self, cx: &mut EvalContext<'_>, from: usize, to: usize) -> Result<Vector> {
        self.aggregate.finish(cx, &self.states[from..to])
    }
    fn memory_bytes(&self) -> usize {
        size_of::<P::State>() * self.states.capacity() + self.aggregate.heap_bytes(&self.states)
    }
}

/// A column of a type from values.
pub fn column_of<'a>(
    cx: &EvalContext<'_>,
    oid: Oid,
    values: impl ExactSizeIterator<Item = &'a Datum>,
) -> Result<Vector> {
    let mut out = Vector::with_capacity(cx.io.type_ref(oid)?.physical, values.len());
    values.for_each(|v| out.push_datum(v));
    Ok(out)
}

/// Bytes that a value has beyond itself.
pub fn datum_bytes(value: &Datum) -> usize {
    match value {
        Datum::Bytes(b) => b.len(),
        _ => 0,
    }
}
