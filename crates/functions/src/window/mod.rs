//! Window functions: the interface; aggregates run as window functions through their accumulators.

pub mod rank;
pub mod value;

use crate::EvalContext;
use quarry_common::Result;
use quarry_types::{SqlType, Vector};

/// Half-open range of rows of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    pub start: usize,
    pub end: usize,
}

/// A sorted partition as a window function sees it.
pub struct WindowPartition<'a> {
    /// Rows.
    pub len: usize,
    /// The call's arguments, evaluated for every row.
    pub args: &'a [Vector],
    /// For each row the number of its peer group, from 0, rising; rows equal in ORDER BY share one.
    pub peers: &'a [u32],
    /// The frame of row i (without EXCLUDE, which the operator applies to aggregates).
    pub frame: &'a dyn Fn(usize) -> Frame,
    pub ret: SqlType,
}

/// A window function's code: the whole result column of one partition.
#[derive(Clone, Copy)]
pub struct WindowImpl {
    pub compute: fn(&mut EvalContext<'_>, &WindowPartition<'_>) -> Result<Vector>,
}
