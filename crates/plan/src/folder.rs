//! What the planner asks of the executor: values of expressions without columns.

use crate::Expr;
use quarry_common::Result;
use quarry_types::Datum;

/// Evaluates expressions at plan time.
pub trait ConstantFolder {
    /// The value of an immutable expression over constants.
    fn fold(&self, e: &Expr) -> Result<Datum>;
    /// The value an expression has now (stable functions, parameters), for estimates only. None: not known.
    fn estimate(&self, e: &Expr) -> Option<Datum>;
}
