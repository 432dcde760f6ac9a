//! Set-returning functions.

use crate::EvalContext;
use quarry_common::Result;
use quarry_types::{Datum, SqlType, Vector};

/// Starts one call with its arguments; the last are the result's types (one for a scalar set, several for records).
pub type StartFn = fn(&mut EvalContext<'_>, &[Datum], &[SqlType]) -> Result<Box<dyn RowSource>>;

/// A set-returning function's code.
#[derive(Clone, Copy)]
pub struct SetImpl {
    /// Starts one call. Strict functions are not called with NULLs (no rows then).
    pub start: StartFn,
    /// `pg_proc.prorows`: estimated rows.
    pub rows: f64,
}

/// The rows of one call, made as they are asked for.
pub trait RowSource: Send {
    /// Appends up to `max` rows to `out` (one vector per column) and says how many; 0 = end.
    fn next_rows(&mut self, ctx: &mut EvalContext<'_>, max: usize, out: &mut [Vector]) -> Result<usize>;
}
